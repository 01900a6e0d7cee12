//! The piece of a text in which the words of a query stand, cut into fragments, marked or not.
//! Never HTML: whoever shows a fragment escapes it. Pure.

use std::ops::Range;

use super::Fragment;
use super::query::{Place, Query, What};
use super::words::Words;

/// Words one after the other that are marked where they stand.
pub(super) struct Needle<'q> {
    words: &'q [String],
    open: bool,
}

impl<'q> Needle<'q> {
    /// What a query looks for at `place`.
    pub(super) fn of(query: &'q Query, place: Place) -> Vec<Self> {
        let tests = query.clauses.iter().flatten().filter(|test| !test.excluded);
        let needle = |what: &'q What| match what {
            What::Words { place: there, words, open } if *there == place || *there == Place::Anywhere => {
                Some(Self { words, open: *open })
            }
            _ => None,
        };
        tests.filter_map(|test| needle(&test.what)).collect()
    }

    /// How many words it takes, if it stands at the beginning of `there`.
    fn matches(&self, there: &[Word], folded: &str) -> Option<usize> {
        let there = there.get(..self.words.len())?;
        let last = self.words.len() - 1;
        let fits = |(at, word): (usize, &Word)| {
            let text = &folded[word.folded.clone()];
            let open = self.open && at == last;
            if open { text.starts_with(&self.words[at]) } else { text == self.words[at] }
        };
        there.iter().enumerate().all(fits).then_some(self.words.len())
    }
}

/// A word of the text.
struct Word {
    place: Range<usize>,
    folded: Range<usize>,
}

/// A place in the text that is marked, and by which needle.
struct Mark {
    place: Range<usize>,
    needle: usize,
}

/// The whole text, marked.
pub(super) fn whole(text: &str, needles: &[Needle<'_>]) -> Vec<Fragment> {
    fragments(text, 0..text.len(), &marks(text, needles))
}

/// A stretch of the text that has the most of what was looked for, and its beginning where nothing
/// of it is there.
pub(super) fn best(text: &str, needles: &[Needle<'_>]) -> Vec<Fragment> {
    let marks = marks(text, needles);
    fragments(text, window(text, &marks), &marks)
}

fn marks(text: &str, needles: &[Needle<'_>]) -> Vec<Mark> {
    if needles.is_empty() {
        return Vec::new();
    }
    let (words, folded) = cut(text);
    let (mut marks, mut at) = (Vec::new(), 0);
    while at < words.len() && marks.len() < MOST_MARKS {
        let matching = needles.iter().enumerate().filter_map(|(needle, words_of)| {
            words_of.matches(&words[at..], &folded).map(|length| (length, needle))
        });
        match matching.max_by_key(|(length, _)| *length) {
            Some((length, needle)) => {
                marks.push(Mark { place: words[at].place.start..words[at + length - 1].place.end, needle });
                at += length;
            }
            None => at += 1,
        }
    }
    marks
}

fn cut(text: &str) -> (Vec<Word>, String) {
    let (mut words, mut folded) = (Vec::new(), String::with_capacity(text.len()));
    let (mut cutting, mut word) = (Words::of(text), String::new());
    while let Some(place) = cutting.next_into(&mut word) {
        let start = folded.len();
        folded.push_str(&word);
        words.push(Word { place, folded: start..folded.len() });
    }
    (words, folded)
}

/// The stretch with the most different needles, the first of those.
fn window(text: &str, marks: &[Mark]) -> Range<usize> {
    let within = |first: usize| {
        let end = marks[first].place.start + SNIPPET - BEFORE;
        let mut found: Vec<_> =
            marks[first..].iter().take_while(|mark| mark.place.end <= end).map(|mark| mark.needle).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    };
    let best = (0..marks.len()).rev().max_by_key(|first| within(*first));
    let start = best.map_or(0, |first| {
        let mark = marks[first].place.start;
        blank_before(text, mark.saturating_sub(BEFORE)).min(mark)
    });
    start..blank_after(text, start, (start + SNIPPET).min(text.len()))
}

/// A place at or after `at`, near it, where a word begins.
fn blank_before(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    let near = text[at..].char_indices().take(LONGEST_WORD).find(|(_, letter)| letter.is_whitespace());
    if at == 0 { 0 } else { near.map_or(at, |(blank, letter)| at + blank + letter.len_utf8()) }
}

/// A place at or before `at`, near it, where a word ends.
fn blank_after(text: &str, start: usize, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    if at == text.len() {
        return at;
    }
    let near =
        text[start..at].char_indices().rev().take(LONGEST_WORD).find(|(_, letter)| letter.is_whitespace());
    near.map_or(at, |(blank, _)| start + blank)
}

fn fragments(text: &str, window: Range<usize>, marks: &[Mark]) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut add = |text: &str, marked| {
        if !text.is_empty() {
            fragments.push(Fragment { text: text.to_owned(), marked });
        }
    };
    if window.start > 0 {
        add("… ", false);
    }
    let mut at = window.start;
    let inside = |mark: &&Mark| mark.place.start >= window.start && mark.place.end <= window.end;
    for mark in marks.iter().filter(inside) {
        add(&text[at..mark.place.start], false);
        add(&text[mark.place.clone()], true);
        at = mark.place.end;
    }
    add(&text[at..window.end], false);
    if window.end < text.len() {
        add(" …", false);
    }
    fragments
}

/// Octets of a snippet, of which so many may stand before the first mark.
const SNIPPET: usize = 240;
const BEFORE: usize = 50;
/// Characters after which a word is cut rather than left out.
const LONGEST_WORD: usize = 30;
/// Places in a text that are marked.
const MOST_MARKS: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Marked places stand in brackets.
    fn shown(fragments: &[Fragment]) -> String {
        fragments
            .iter()
            .map(|one| if one.marked { format!("[{}]", one.text) } else { one.text.clone() })
            .collect()
    }

    fn marked(text: &str, query: &str) -> String {
        let query = Query::parse(query);
        shown(&whole(text, &Needle::of(&query, Place::Subject)))
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        for (text, query, expected) in [
            ("Größe und GROSSE", "grosse", "[Größe] und [GROSSE]"),
            ("the final offer, an offer", "\"final offer\"", "the [final offer], an offer"),
            ("Anna, annual, Hanna", "ann*", "[Anna], [annual], Hanna"),
            ("a b c", "subject:a body:b -c", "[a] b c"),
            ("<b>bold</b> & co", "bold", "<b>[bold]</b> & co"),
            ("東京都の会議", "会議", "東京都の[会議]"),
            ("", "a", ""),
        ] {
            assert_eq!(marked(text, query), expected);
        }
    }

    #[test]
    fn the_best_stretch_has_the_most_needles() {
        let filler = "filler words that say nothing ".repeat(20);
        let text = format!("{filler}apple {filler}apple and pear {filler}");
        let query = Query::parse("apple pear");
        let shown = shown(&best(&text, &Needle::of(&query, Place::Body)));
        assert!(shown.contains("[apple] and [pear]"), "{shown}");
        assert!(shown.starts_with("… ") && shown.ends_with(" …") && shown.len() < SNIPPET + 40, "{shown}");
    }

    #[test]
    fn without_a_match_it_is_the_beginning() {
        let query = Query::parse("nothing");
        let text = "word ".repeat(100);
        let shown = shown(&best(&text, &Needle::of(&query, Place::Body)));
        assert!(shown.starts_with("word word") && shown.ends_with("word …"), "{shown}");
        assert_eq!(best("short", &[])[0].text, "short");
    }

    proptest! {
        #[test]
        fn fragments_are_pieces_of_the_text(text in "(ab|[ab] |\\PC|é){0,200}", query in "(ab?\\*?|é| |\"){0,8}") {
            let query = Query::parse(&query);
            let needles = Needle::of(&query, Place::Body);
            let all: String = whole(&text, &needles).into_iter().map(|one| one.text).collect();
            prop_assert_eq!(&all, &text);
            for fragment in best(&text, &needles) {
                prop_assert!(text.contains(&fragment.text) || fragment.text.contains('…'));
            }
        }
    }
}

//! A text as redactors see it: one shape for every digit, letter, blank and dash that people
//! read as the same, without what they do not see, and with the way back to the original.
//!
//! Follows Unicode's compatibility decomposition (UAX 15) where that ends in ASCII, and the decimal
//! digits of all scripts (general category Nd, Unicode 14). Letters that only *look* alike in other
//! scripts are not folded: digits are what redactors live on.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// How much is folded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// Only labels, to a wall.
    Labels,
    /// Labels, digits, blanks, dashes, compatibility forms, invisible characters.
    Everything,
}

/// What a label folds to: a character that no redactor takes for text. One that stands in the
/// original is dropped.
pub(super) const WALL: char = '\u{fffc}';

/// A folded text and where each byte of it comes from.
pub(super) struct Folded {
    text: String,
    changes: Vec<Change>,
}

/// A stretch that is not the same in both; between changes the texts are alike.
struct Change {
    folded: Range<usize>,
    original: Range<usize>,
}

impl Folded {
    /// Folds a text; `own` is one more label, beside those of our own redactors.
    pub(super) fn new(original: &str, fold: Fold, own: Option<&str>) -> Self {
        let mut folded = Self { text: String::with_capacity(original.len()), changes: Vec::new() };
        let mut at = 0;
        while let Some(letter) = original[at..].chars().next() {
            let end = match label_at(&original[at..], own) {
                Some(length) => folded.change(at..at + length, [WALL]),
                None => folded.letter(letter, at, fold),
            };
            at = end;
        }
        folded
    }

    /// The folded text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The stretch of the original that a stretch of the folded text comes from: whole characters,
    /// and the invisible ones after it.
    pub(super) fn original(&self, span: Range<usize>) -> Range<usize> {
        self.start(span.start)..self.end(span.end)
    }

    fn start(&self, at: usize) -> usize {
        let before = self.changes.partition_point(|change| change.folded.start <= at);
        match self.changes[..before].last() {
            Some(change) if at < change.folded.end => change.original.start,
            Some(change) => change.original.end + (at - change.folded.end),
            None => at,
        }
    }

    fn end(&self, at: usize) -> usize {
        let reaches = |folded: &Range<usize>| folded.start < at || (folded.start == at && folded.is_empty());
        let before = self.changes.partition_point(|change| reaches(&change.folded));
        match self.changes[..before].last() {
            Some(change) if at <= change.folded.end => change.original.end,
            Some(change) => change.original.end + (at - change.folded.end),
            None => at,
        }
    }

    /// Adds one letter of the original and gives where the next begins.
    fn letter(&mut self, letter: char, at: usize, fold: Fold) -> usize {
        let end = at + letter.len_utf8();
        if letter == '\n'
            || letter == ' '
            || letter.is_ascii_graphic()
            || (fold == Fold::Labels && letter != WALL)
        {
            self.text.push(letter);
            return end;
        }
        if is_invisible(letter) {
            return self.change(at..end, []);
        }
        match fold_letter(letter) {
            Some(ascii) => self.change(at..end, [ascii]),
            None => self.compatible(letter, at..end),
        }
    }

    /// Adds a letter by its compatibility decomposition if that is ASCII, else as it stands.
    fn compatible(&mut self, letter: char, original: Range<usize>) -> usize {
        let plain: String = NFKD.normalize_iter(std::iter::once(letter)).collect();
        if plain.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return self.change(original, plain.chars());
        }
        self.text.push(letter);
        original.end
    }

    fn change(&mut self, original: Range<usize>, letters: impl IntoIterator<Item = char>) -> usize {
        let start = self.text.len();
        self.text.extend(letters);
        let end = original.end;
        self.changes.push(Change { folded: start..self.text.len(), original });
        end
    }
}

/// The length of a label at the start of the text.
fn label_at(text: &str, own: Option<&str>) -> Option<usize> {
    if !text.starts_with('[') {
        return None;
    }
    super::LABELS.into_iter().chain(own).find(|label| text.starts_with(label)).map(str::len)
}

/// Digits, blanks and dashes of all scripts as ASCII.
fn fold_letter(letter: char) -> Option<char> {
    if let Some(value) = decimal(letter) {
        return char::from_digit(value, 10);
    }
    if letter.is_whitespace() {
        return Some(' ');
    }
    let dash = matches!(letter, '\u{58a}' | '\u{5be}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}')
        || matches!(letter, '\u{2e3a}' | '\u{2e3b}' | '\u{301c}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}');
    dash.then_some('-')
}

/// The value of a decimal digit of any script.
fn decimal(letter: char) -> Option<u32> {
    let code = u32::from(letter);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let value = code - ZEROS[..after].last()?;
    (value < 10).then_some(value)
}

/// Characters that readers do not see: controls, default ignorable code points (UAX 44), and
/// combining marks, which decorate a digit without changing it.
fn is_invisible(letter: char) -> bool {
    (letter.is_control() && !letter.is_whitespace())
        || matches!(
            letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        )
        || matches!(letter, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(letter, '\u{fff0}'..='\u{fffc}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(letter, '\u{e0000}'..='\u{e0fff}')
        || matches!(letter, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}')
        || matches!(letter, '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();

/// The zeros of general category Nd, each followed by its nine.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        Folded::new(text, Fold::Everything, None).text
    }

    #[test]
    fn what_reads_the_same_folds_the_same() {
        for text in ["4111-1 a", "４１１１－１　ａ", "٤١١١‑١ a", "4\u{200b}1\u{ad}1\u{20e3}1–1\ta"]
        {
            assert_eq!(folded(text), "4111-1 a", "{text}");
        }
        assert_eq!(folded("①②③ ²₃ 𝟒𝟝"), "123 23 45");
        assert_eq!(folded("Größe, naïve, 日本"), "Größe, naïve, 日本");
        assert_eq!(folded("a[card number]b\u{fffc}"), "a\u{fffc}b");
    }

    #[test]
    fn spans_lead_back_with_what_hangs_on_them() {
        let text = "x４\u{20e3}\u{200b}y";
        let folding = Folded::new(text, Fold::Everything, None);
        assert_eq!(folding.text(), "x4y");
        assert_eq!(&text[folding.original(1..2)], "４\u{20e3}\u{200b}");
        assert_eq!(&text[folding.original(0..3)], text);
        let ligature = Folded::new("aﬁb", Fold::Everything, None);
        assert_eq!(ligature.text(), "afib");
        assert_eq!(ligature.original(1..2), 1..4);
        assert_eq!(ligature.original(2..3), 1..4);
    }

    proptest! {
        #[test]
        fn every_span_is_on_character_boundaries(text in "[a0４\u{200b}é²\u{301}ﬁ\\[\\]]{0,20}") {
            let folding = Folded::new(&text, Fold::Everything, None);
            let edges: Vec<usize> = folding.text().char_indices().map(|(at, _)| at).chain([folding.text().len()]).collect();
            for pair in edges.windows(2) {
                let span = folding.original(pair[0]..pair[1]);
                prop_assert!(text.get(span).is_some_and(|part| !part.is_empty()));
            }
        }
    }
}

//! Case-insensitive comparison of texts, and finding many words in one text.
//!
//! Letters are folded one by one (capital form, then small form), so that ς finds Σ and "strasse" finds
//! "STRAßE". Nothing is decomposed: é is not e.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Puts the folded text behind what is in `out`.
pub fn fold_into(out: &mut String, text: &str) {
    out.reserve(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Most texts are runs of ASCII with a letter of another kind here and there.
        let run = rest.bytes().position(|octet| !octet.is_ascii()).unwrap_or(rest.len());
        let begun = out.len();
        out.push_str(&rest[..run]);
        out[begun..].make_ascii_lowercase();
        rest = &rest[run..];
        let letters = rest.bytes().position(|octet| octet.is_ascii()).unwrap_or(rest.len());
        rest[..letters].chars().for_each(|letter| fold_letter(out, letter));
        rest = &rest[letters..];
    }
}

fn fold_letter(out: &mut String, letter: char) {
    match SMALL.get(letter as usize) {
        Some('\0') => out.extend(slowly(letter)),
        Some(small) => out.push(*small),
        None if has_no_case(letter) => out.push(letter),
        None => out.extend(slowly(letter)),
    }
}

/// The folded text.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

/// Punctuation, most of East Asia, and pictures.
fn has_no_case(letter: char) -> bool {
    matches!(letter,
        '\u{2000}'..='\u{20ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{1f000}'..='\u{3ffff}')
}

fn slowly(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

/// The folded forms of the first letters; NUL, which folds to itself the slow way, where they are several.
static SMALL: LazyLock<Vec<char>> = LazyLock::new(|| {
    let only = |letter: char| {
        let mut folded = slowly(letter);
        folded.next().filter(|_| folded.next().is_none())
    };
    (0..TABLE).map(|code| char::from_u32(code).and_then(only).unwrap_or_default()).collect()
});

/// The first letter that [`SMALL`] does not have. Every alphabet in wide use comes before it.
const TABLE: u32 = 0x2000;

/// Words looked for in the same texts, folded.
pub struct Needles(Vec<Finder<'static>>);

/// Which needles were found, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    found: Vec<bool>,
    missing: usize,
}

impl Needles {
    /// None yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Looks for this text too; its number.
    pub fn add(&mut self, text: &str) -> usize {
        let folded = fold(text);
        let same = self.0.iter().position(|finder| finder.needle() == folded.as_bytes());
        same.unwrap_or_else(|| {
            self.0.push(Finder::new(folded.as_bytes()).into_owned());
            self.0.len() - 1
        })
    }

    /// What is known before any text was seen. Empty needles are in every text, and in none too.
    pub fn hits(&self) -> Hits {
        let found: Vec<bool> = self.0.iter().map(|finder| finder.needle().is_empty()).collect();
        Hits { missing: found.iter().filter(|found| !**found).count(), found }
    }

    /// Looks through a folded text for what is still missing.
    pub fn look(&self, folded: &str, hits: &mut Hits) {
        for (finder, found) in self.0.iter().zip(&mut hits.found) {
            if !*found && finder.find(folded.as_bytes()).is_some() {
                *found = true;
                hits.missing -= 1;
            }
        }
    }
}

impl Hits {
    /// Whether this needle was found.
    pub fn has(&self, needle: usize) -> bool {
        self.found.get(needle).copied().unwrap_or(false)
    }

    /// Whether all were.
    pub fn are_all(&self) -> bool {
        self.missing == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_without_case_stay() {
        let same = |letter: char| slowly(letter).eq([letter]);
        let cased = ('\0'..=char::MAX).filter(|letter| has_no_case(*letter) && !same(*letter));
        assert_eq!(cased.collect::<String>(), "");
    }

    #[test]
    fn letters_are_folded() {
        assert_eq!(fold("Hello WORLD"), "hello world");
        assert_eq!(fold("ÄÖÜ äöü Straße STRASSE"), "äöü äöü strasse strasse");
        assert_eq!(fold("ΟΔΥΣΣΕΥΣ Ὀδυσσεύς"), fold("οδυσσευσ ὀΔΥΣΣΕΎΣ"));
        assert_eq!(fold("ПРИВЕТ Ёж 漢字 ＡＢ"), "привет ёж 漢字 ａｂ");
        assert_eq!(fold("aéBÉc"), "aébéc");
    }

    #[test]
    fn needles_are_found_once() {
        let mut needles = Needles::new();
        let (one, two) = (needles.add("Eins"), needles.add("zwei"));
        assert_eq!(needles.add("EINS"), one);
        let mut hits = needles.hits();
        needles.look(&fold("das ist EINS"), &mut hits);
        assert!(hits.has(one) && !hits.has(two) && !hits.are_all());
        needles.look(&fold("und ZWEI"), &mut hits);
        assert!(hits.are_all());
        let empty = needles.add("");
        assert!(needles.hits().has(empty));
    }

    proptest! {
        #[test]
        fn folding_is_letter_by_letter(text in any::<String>(), more in any::<String>()) {
            let naive: String = text.chars().flat_map(slowly).collect();
            prop_assert_eq!(fold(&text), naive);
            prop_assert_eq!(fold(&format!("{text}{more}")), fold(&text) + &fold(&more));
        }
    }
}

//! Case-insensitive comparison of texts, and finding many words in one text.
//!
//! Letters are folded one by one (capital form, then small form), so that ς finds Σ and "strasse" finds
//! "STRAßE". Nothing is decomposed: é is not e.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Puts the folded text behind what is in `out`.
pub fn fold_into(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.bytes().position(|octet| !octet.is_ascii()).unwrap_or(rest.len());
        let begun = out.len();
        out.push_str(&rest[..ascii]);
        out[begun..].make_ascii_lowercase();
        rest = &rest[ascii..];
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            if letter.is_ascii() {
                break;
            }
            fold_letter(out, letter);
            rest = letters.as_str();
        }
    }
}

/// The folded text.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

fn fold_letter(out: &mut String, letter: char) {
    match letter as u32 {
        code if code < TABLE => match SMALL[code as usize] {
            Some(small) => out.push(small),
            None => out.extend(slowly(letter)),
        },
        // General punctuation and most of East Asia have no case.
        0x2010..=0x2027 | 0x3000..=0x9fff | 0xac00..=0xd7af => out.push(letter),
        _ => out.extend(slowly(letter)),
    }
}

fn slowly(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

/// The folded forms of Latin, Greek and Cyrillic letters; none where it is several letters.
static SMALL: LazyLock<Vec<Option<char>>> = LazyLock::new(|| {
    let only = |letter: char| {
        let mut folded = slowly(letter);
        folded.next().filter(|_| folded.next().is_none())
    };
    (0..TABLE).map(|code| char::from_u32(code).and_then(only)).collect()
});

/// The first letter that [`SMALL`] does not have: Latin, Greek, Cyrillic and Armenian come before it.
const TABLE: u32 = 0x590;

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

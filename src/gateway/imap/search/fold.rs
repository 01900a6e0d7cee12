//! Comparison of texts as people mean it, and finding many words in one text.
//!
//! Letters are folded (capital form, then small form), so that ς finds Σ and "strasse" finds "STRAßE", and
//! composed in their compatible forms (Unicode NFKC): é is found however it was typed, ＡＢ as ab, ﬁ as fi. What
//! shows nothing, soft hyphens within words above all, is left out. It is i;unicode-casemap (RFC 5051, RFC 5255
//! §4) but for one thing: letters stay together, so that "cafe" is not found in "café" nor ᄀ in 각.

use std::sync::LazyLock;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
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
        fold_letters(out, &rest[..letters]);
        rest = &rest[letters..];
    }
}

/// Folds letters one by one, if each of them has one simple form; else all together.
fn fold_letters(out: &mut String, letters: &str) {
    let begun = out.len();
    for letter in letters.chars() {
        match SMALL.get(letter as usize) {
            Some(small) if *small != '\0' => out.push(*small),
            None if is_simple(letter) => out.push(letter),
            _ => {
                out.truncate(begun);
                return fold_together(out, letters);
            }
        }
    }
}

/// The same for any letters. The first may be a mark on the letter before them.
fn fold_together(out: &mut String, letters: &str) {
    let compose = ComposingNormalizerBorrowed::new_nfkc();
    let mut text: String = out.pop().into_iter().collect();
    text.extend(letters.chars().filter(|letter| !shows_nothing(*letter)));
    let folded: String = compose.normalize(&text).chars().flat_map(fold_letter).collect();
    out.push_str(&compose.normalize(&folded));
}

/// The folded text.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

/// Letters beyond [`SMALL`] that have no case, and are what they are in every form: most of East Asia, pictures.
fn is_simple(letter: char) -> bool {
    matches!(letter,
        '\u{2010}' | '\u{2012}'..='\u{2016}' | '\u{2018}'..='\u{2023}' | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{1f300}'..='\u{1f64f}')
}

/// Soft hyphens, joiners, variants, marks of direction: what stands in words and is not read.
fn shows_nothing(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn fold_letter(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

/// The folded forms of the first letters; NUL where letters are to be folded together.
static SMALL: LazyLock<Vec<char>> = LazyLock::new(|| {
    (0..TABLE).map(|code| char::from_u32(code).and_then(simple_form).unwrap_or_default()).collect()
});

/// The one letter that a letter folds to, if no neighbour and no form makes it another.
fn simple_form(letter: char) -> Option<char> {
    let mut folded = fold_letter(letter);
    let small = folded.next().filter(|_| folded.next().is_none())?;
    let stays = [letter, small].into_iter().all(|letter| {
        let mut octets = [0; 4];
        let compose = ComposingNormalizerBorrowed::new_nfkc();
        compose.is_normalized(letter.encode_utf8(&mut octets)) && !joins(letter)
    });
    (stays && !shows_nothing(letter)).then_some(small)
}

/// Whether a letter may become one with the letter before it: marks, and the second halves of Hangul and Indic
/// letters (Unicode, NFKC_Quick_Check=Maybe).
fn joins(letter: char) -> bool {
    let class = CanonicalCombiningClassMapBorrowed::new().get_u8(letter);
    class != 0
        || matches!(letter,
            '\u{9be}' | '\u{9d7}' | '\u{b3e}' | '\u{b56}'..='\u{b57}' | '\u{bbe}' | '\u{bd7}' | '\u{cc2}'
            | '\u{cd5}'..='\u{cd6}' | '\u{d3e}' | '\u{d57}' | '\u{dcf}' | '\u{ddf}' | '\u{102e}'
            | '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}' | '\u{1b35}')
}

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
    fn simple_letters_stay() {
        let compose = ComposingNormalizerBorrowed::new_nfkc();
        let same =
            |letter: char| fold_letter(letter).eq([letter]) && compose.is_normalized(&letter.to_string());
        let other =
            ('\0'..=char::MAX).filter(|letter| is_simple(*letter) && (!same(*letter) || joins(*letter)));
        assert_eq!(other.collect::<String>(), "");
    }

    #[test]
    fn letters_are_folded() {
        assert_eq!(fold("Hello WORLD"), "hello world");
        assert_eq!(fold("ÄÖÜ äöü Straße STRASSE"), "äöü äöü strasse strasse");
        assert_eq!(fold("ΟΔΥΣΣΕΥΣ Ὀδυσσεύς"), fold("οδυσσευσ ὀΔΥΣΣΕΎΣ"));
        assert_eq!(fold("ПРИВЕТ Ёж 漢字 ＡＢ"), "привет ёж 漢字 ab");
        assert_eq!(fold("aéBÉc"), "aébéc");
    }

    /// One word, typed in many ways.
    #[test]
    fn forms_of_a_word_are_one() {
        for (one, other) in [
            ("Café", "Cafe\u{301}"),
            ("Äpfel", "A\u{308}pfel"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("ガ", "ｶﾞ"),
            ("office 12", "ｏﬃce １２"),
            ("Schifffahrt", "Schiff\u{ad}fahrt"),
            ("münchen", "mü\u{200b}n\u{ad}chen"),
            ("❤", "❤\u{fe0f}"),
            ("a b", "a\u{a0}b"),
            ("ệ", "e\u{302}\u{323}"),
            ("K Å", "\u{212a} \u{212b}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one}");
        }
        assert!(!fold("café").contains(&fold("cafe")));
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
        fn forms_are_folded_alike(text in any::<String>(), marks in "[a-zäéǖЖß가\u{300}-\u{304}\u{ad}]{0,12}") {
            for text in [text, marks] {
                let apart = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(&text).into_owned();
                let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
                prop_assert_eq!(fold(&apart), fold(&composed));
                prop_assert_eq!(fold(&fold(&text)), fold(&text));
            }
        }
    }
}

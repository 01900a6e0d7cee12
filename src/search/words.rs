//! Words as the index and people's queries have them: cut out of a text and folded, so that `Café`,
//! `CAFE` and `café` written with a combining accent are one word. Pure.
//!
//! A word is a run of letters and digits (Unicode's Alphabetic and Nd, Nl, No). In scripts that put
//! no blanks between words (Han, Kana, Thai and others) every character is a word, and what a
//! person types in them is looked for as a phrase. Folding is lower case, Unicode's compatibility
//! decomposition (UAX 15), and dropping what combines; a few letters that do not decompose (ß, æ, ø,
//! ł …) become what people type for them.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The words of a text, one after the other.
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// The words of `text`.
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Puts the next word, folded, into `word`, and says where in the text it stands.
    pub(super) fn next_into(&mut self, word: &mut String) -> Option<Range<usize>> {
        word.clear();
        let start = self.skip_to_a_word()?;
        let (first, class) = self.peek()?;
        fold(first, word);
        self.at += first.len_utf8();
        if class == Class::Alone {
            self.take_marks();
        } else {
            self.take_letters(word);
        }
        Some(start..self.at)
    }

    fn skip_to_a_word(&mut self) -> Option<usize> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let other = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
            self.at += rest.iter().take_while(|byte| other(byte)).count();
            match self.peek()? {
                (_, Class::Letter | Class::Alone) => return Some(self.at),
                (letter, _) => self.at += letter.len_utf8(),
            }
        }
    }

    fn take_letters(&mut self, word: &mut String) {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let room = LONGEST.saturating_sub(word.len());
            word.extend(rest[..length.min(room)].iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            self.at += length;
            match self.peek() {
                Some((letter, Class::Letter)) => {
                    if word.len() < LONGEST {
                        fold(letter, word);
                    }
                    self.at += letter.len_utf8();
                }
                Some((letter, Class::Mark)) => self.at += letter.len_utf8(),
                _ => return,
            }
        }
    }

    fn take_marks(&mut self) {
        while let Some((letter, Class::Mark)) = self.peek() {
            self.at += letter.len_utf8();
        }
    }

    fn peek(&self) -> Option<(char, Class)> {
        let letter = self.text[self.at..].chars().next()?;
        Some((letter, class(letter)))
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut word = String::new();
        self.next_into(&mut word).map(|_| word)
    }
}

/// What a character does to words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Goes on in a word.
    Letter,
    /// Is a word.
    Alone,
    /// Combines with what is before it, and is nothing to a word.
    Mark,
    /// Ends a word.
    Other,
}

fn class(letter: char) -> Class {
    let otherwise = |fits: bool, class| if fits { class } else { Class::Other };
    match letter {
        '\0'..='\u{7f}' => otherwise(letter.is_ascii_alphanumeric(), Class::Letter),
        '\u{ad}' => Class::Mark,
        '\u{80}'..='\u{2ff}' | '\u{410}'..='\u{44f}' => otherwise(letter.is_alphanumeric(), Class::Letter),
        // Joiners, variation selectors, and the voicing marks of half-width Kana.
        '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{ff9e}' | '\u{ff9f}' => {
            Class::Mark
        }
        _ if COMBINING.get_u8(letter) != 0 => Class::Mark,
        _ if is_unspaced(letter) => otherwise(letter.is_alphanumeric(), Class::Alone),
        _ => otherwise(letter.is_alphanumeric(), Class::Letter),
    }
}

/// Scripts without blanks between words: Thai, Lao, Tibetan, Myanmar, Khmer, Kana, Bopomofo, Han,
/// Hangul (which has blanks, and endings that stick to its words). Each of their characters is a word.
pub(super) fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{318f}' | '\u{31a0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// Adds a letter as people type it.
fn fold(letter: char, word: &mut String) {
    match letter {
        'a'..='z' | '0'..='9' => word.push(letter),
        'A'..='Z' => word.push(letter.to_ascii_lowercase()),
        // Cyrillic, but for й, which has a mark.
        'а'..='и' | 'к'..='я' => word.push(letter),
        'ß' | 'ẞ' => word.push_str("ss"),
        'æ' | 'Æ' => word.push_str("ae"),
        'œ' | 'Œ' => word.push_str("oe"),
        'ø' | 'Ø' => word.push('o'),
        'ł' | 'Ł' => word.push('l'),
        'đ' | 'Đ' | 'ð' | 'Ð' => word.push('d'),
        'þ' | 'Þ' => word.push_str("th"),
        'ħ' | 'Ħ' => word.push('h'),
        'ŧ' | 'Ŧ' => word.push('t'),
        'ı' => word.push('i'),
        'ς' => word.push('σ'),
        _ => decompose(letter, word),
    }
}

fn decompose(letter: char, word: &mut String) {
    let before = word.len();
    for part in DECOMPOSING.normalize_iter(letter.to_lowercase()).flat_map(char::to_lowercase) {
        match class(part) {
            // A letter may decompose to one of those that do not decompose, and that is the end of it.
            Class::Letter | Class::Alone if part != letter => fold(part, word),
            Class::Letter | Class::Alone => word.push(part),
            Class::Mark | Class::Other => {}
        }
    }
    if word.len() == before {
        word.push(letter);
    }
}

/// What the index cuts texts with.
#[derive(Clone)]
pub(super) struct Cutter;

impl Tokenizer for Cutter {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { words: Words::of(text), token: Token::default() }
    }
}

/// Words as tantivy takes them.
pub(super) struct WordStream<'a> {
    words: Words<'a>,
    token: Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(place) = self.words.next_into(&mut self.token.text) else { return false };
        (self.token.offset_from, self.token.offset_to) = (place.start, place.end);
        // A fresh token stands before the first place.
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Octets of a folded word after which the rest of it counts no more; what is longer is seldom a word.
const LONGEST: usize = 64;
const COMBINING: CanonicalCombiningClassMapBorrowed<'static> = CanonicalCombiningClassMapBorrowed::new();
const DECOMPOSING: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> String {
        Words::of(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_folded() {
        for (text, folded) in [
            ("Hello, WORLD! 2026-01-31", "hello world 2026 01 31"),
            ("ann.lee+law@Example.org", "ann lee law example org"),
            ("Größe STRASSE Straße", "grosse strasse strasse"),
            ("L'été à Nîmes, œuvre", "l ete a nimes oeuvre"),
            ("cafe\u{301} CAFÉ", "cafe cafe"),
            ("Łódź Ærø Þór", "lodz aero thor"),
            ("Ёлка, ЙОД, подъезд", "елка иод подъезд"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("ﬁnance Ⅷ x² ｆｕｌｌ", "finance viii x2 full"),
            ("İstanbul ısı", "istanbul isi"),
            ("co\u{ad}operate", "cooperate"),
            ("", ""),
            ("—…!?", ""),
        ] {
            assert_eq!(words(text), folded, "{text}");
        }
    }

    #[test]
    fn scripts_without_blanks_have_words_of_one_character() {
        assert_eq!(words("東京都の会議"), "東 京 都 の 会 議");
        assert_eq!(words("PDFを送る"), "pdf を 送 る");
        assert_eq!(words("ガ ｶﾞ"), "カ カ");
        assert_eq!(words("회의 자료").split(' ').count(), 4);
        assert_eq!(words("مرحبا بالعالم"), "مرحبا بالعالم");
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "  Grüße, Anna";
        let (mut words, mut word) = (Words::of(text), String::new());
        assert_eq!(words.next_into(&mut word).map(|place| &text[place]), Some("Grüße"));
        assert_eq!(words.next_into(&mut word).map(|place| &text[place]), Some("Anna"));
        assert_eq!((words.next_into(&mut word), word.as_str()), (None, ""));
    }

    #[test]
    fn a_long_word_is_cut_and_not_split() {
        assert_eq!(words(&"a".repeat(1000)), "a".repeat(LONGEST));
        assert_eq!(words(&"ä".repeat(1000)), "a".repeat(LONGEST));
    }

    proptest! {
        /// But for characters that decompose to two that stand alone, as in Lao.
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,60}") {
            let once = words(&text);
            prop_assert_eq!(words(&once).replace(' ', ""), once.replace(' ', ""));
        }

        #[test]
        fn places_are_in_order(text in "\\PC{0,60}") {
            let (mut words, mut word, mut end) = (Words::of(&text), String::new(), 0);
            while let Some(place) = words.next_into(&mut word) {
                prop_assert!(place.start >= end && place.end > place.start && !word.is_empty());
                end = place.end;
            }
        }
    }
}

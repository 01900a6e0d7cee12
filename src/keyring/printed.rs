//! How generated credentials look on paper and screen: lower-case base32 (RFC 4648 §6 alphabet) in
//! groups of four with dashes. Reading ignores dashes, blanks and case.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use zeroize::Zeroizing;

use super::KeyringError;

/// Prints 20 bytes as eight groups of four letters.
pub(super) fn print(bytes: &[u8; LENGTH]) -> Zeroizing<String> {
    let letters = Zeroizing::new(BASE32.encode(bytes));
    let mut text = Zeroizing::new(String::with_capacity(PRINTED));
    for (index, letter) in letters.chars().enumerate() {
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// Reads what [`print`] wrote, as people type it.
pub(super) fn parse(text: &str) -> Result<Zeroizing<[u8; LENGTH]>, KeyringError> {
    if text.len() > MAX_TYPED {
        return Err(KeyringError::Form);
    }
    let bytes = Zeroizing::new(BASE32.decode(text.as_bytes()).map_err(|_| KeyringError::Form)?);
    let bytes = <&[u8; LENGTH]>::try_from(bytes.as_slice()).map_err(|_| KeyringError::Form)?;
    Ok(Zeroizing::new(*bytes))
}

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut form = Specification::new();
    form.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    form.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    form.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    form.ignore.push_str("- \t\r\n");
    form.encoding().expect("the alphabet has 32 different letters")
});

/// 160 bits.
pub(super) const LENGTH: usize = 20;
const GROUP: usize = 4;
/// 32 letters and 7 dashes.
const PRINTED: usize = 39;
/// Octets; room for generous spacing.
const MAX_TYPED: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_what_it_printed(bytes: [u8; LENGTH]) {
            let text = print(&bytes);
            prop_assert_eq!(text.len(), PRINTED);
            prop_assert_eq!(*parse(&text).unwrap(), bytes);
            let typed = format!(" {}\r\n", text.to_uppercase().replace('-', " "));
            prop_assert_eq!(*parse(&typed).unwrap(), bytes);
        }

        #[test]
        fn foreign_text_does_not_panic(text: String) {
            let _ = parse(&text);
        }
    }

    #[test]
    fn looks_as_documented() {
        let text = print(&[0xff; LENGTH]);
        assert_eq!(text.as_str(), "7777-7777-7777-7777-7777-7777-7777-7777");
    }

    #[test]
    fn wrong_lengths_and_letters_are_refused() {
        for text in
            ["", "7777", "7777-7777-7777-7777-7777-7777-7777-777", "1777-7777-7777-7777-7777-7777-7777-7777"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"7".repeat(40)).is_err());
        assert!(parse(&" ".repeat(1000)).is_err());
    }
}

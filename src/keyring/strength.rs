//! What a new password must be: one rule for every door through which one comes in.
//!
//! Length, and nothing on the lists of common ones or made of one with little change (NIST SP
//! 800-63B-4 §3.1.1.2). No rule about kinds of characters. What was chosen before the rule stays good.

use zxcvbn::{Score, zxcvbn};

use super::Passphrase;

/// Why a new password is not taken. The words are for whoever chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("choose at least {LEAST_CHARACTERS} characters; four words are easy to keep in mind")]
    Short,
    /// Too long.
    #[error("choose at most {MOST_CHARACTERS} characters")]
    Long,
    /// It holds a control character, which no keyboard types twice in the same way.
    #[error("a password holds no control characters, such as tabs and line ends")]
    Control,
    /// Found in a million guesses.
    #[error(
        "this one is guessed in no time: it is a common password, a name or a pattern, or little more than one; four words that do not belong together are better"
    )]
    Common,
}

/// Checks a password that somebody wants from now on. `about` is what others know of the person: the
/// login. Takes some milliseconds for a long one.
pub fn check_new(password: &Passphrase, about: &[&str]) -> Result<(), WeakPassword> {
    let password = password.prepared();
    let length = password.expose().chars().count();
    if length < LEAST_CHARACTERS {
        return Err(WeakPassword::Short);
    }
    if length > MOST_CHARACTERS {
        return Err(WeakPassword::Long);
    }
    // RFC 8265 §4.2.1: the FreeformClass has no controls.
    if password.expose().chars().any(char::is_control) {
        return Err(WeakPassword::Control);
    }
    let known: Vec<&str> = about.iter().flat_map(|text| text.split(['@', '.', '-', '_', '+'])).collect();
    let known: Vec<&str> = known.into_iter().chain(about.iter().copied()).chain(OURS).collect();
    // Its long ones are guessed no faster for what comes later, and the estimate costs the square.
    let beginning: String = password.expose().chars().take(ESTIMATED).collect();
    let beginning = zeroize::Zeroizing::new(beginning);
    let guessed = zxcvbn(&beginning, &known).score();
    if guessed < Score::Two { Err(WeakPassword::Common) } else { Ok(()) }
}

/// The fewest characters of a new password, everywhere: SP 800-63B-4 asks for 8 where a second factor
/// stands beside it, and for 15 where none does. The masked list opens with the password alone.
pub const LEAST_CHARACTERS: usize = 12;
/// The most: SP 800-63B-4 asks for 64 at least; a bound for what is hashed.
pub const MOST_CHARACTERS: usize = 1000;
/// Characters that the estimate looks at.
const ESTIMATED: usize = 64;
/// What everybody here thinks of first.
const OURS: [&str; 3] = ["veilpost", "dashboard", "mail vault"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), WeakPassword> {
        check_new(&Passphrase::new(text.to_owned()), &["ann.archer@firm.example"])
    }

    #[test]
    fn common_passwords_and_their_like_are_refused() {
        for common in [
            "password1234",
            "passwordpassword",
            "P@ssw0rd1234",
            "123456789012",
            "1234567890123456",
            "qwertyuiop12",
            "qwertyuiopasdfgh",
            "iloveyou1234",
            "letmein12345",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "abcdefghijkl",
            "ann.archer@firm.example",
            "veilpostveilpost",
            "administrator1",
        ] {
            assert_eq!(check(common), Err(WeakPassword::Common), "{common}");
        }
    }

    #[test]
    fn what_nobody_guesses_is_taken_in_every_script() {
        for good in [
            "four calm walking words",
            "a password that nobody guesses",
            "a new one, and longer",
            "correct horse battery staple",
            "k7qw-2mzp-vv4d-aa3x",
            "Käsebrötchen zum Frühstück",
            "безопасный длинный пароль",
            "正しい馬の電池のホチキス留め",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn length_counts_characters_as_they_are_hashed() {
        assert_eq!(check("k7qw2mzpvv4"), Err(WeakPassword::Short));
        // Eleven letters, two of them written as two.
        assert_eq!(check("a\u{308}o\u{308}u-wzmkqpv"), Err(WeakPassword::Short));
        assert_eq!(check(&"k7 qw".repeat(201)), Err(WeakPassword::Long));
        assert_eq!(check("four calm\twalking words"), Err(WeakPassword::Control));
        assert_eq!(check(&"four calm walking words ".repeat(40)), Ok(()));
    }
}

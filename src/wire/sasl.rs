//! SASL exchanges that hand over a password: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login,
//! never an RFC, still what Outlook speaks). Shared by POP3, IMAP and submission.
//!
//! Pure: lines in, challenges or [`Credentials`] out. It does not know which protocol carries the
//! lines, nor whether the credentials are right. Mechanisms that keep the password from the server
//! (SCRAM, CRAM-MD5) cannot serve: the password opens the keyslot, so it must arrive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

/// A password as the client sent it, by whatever command. Wiped when dropped.
pub struct PasswordText(Zeroizing<String>);

impl PasswordText {
    /// Takes over the text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads the password out of a line. `None` if it is empty, no UTF-8, or holds a control character.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        parse_text(octets).map(|text| Self::new(text.to_owned()))
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What a client logs in with.
pub struct Credentials {
    /// The login name, as sent.
    pub login: String,
    /// The password.
    pub password: PasswordText,
}

/// A mechanism that the gateway and submission offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Name and password, each asked for.
    Login,
}

impl Mechanism {
    /// The mechanism of this name, in any case of letters (RFC 4422 §3.1 has upper case; clients vary).
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Plain, Self::Login]
            .into_iter()
            .find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// Begins an exchange. `initial` is the initial response as it stands on the command line, if one does.
    pub fn begin(self, initial: Option<&[u8]>) -> Result<Step, SaslError> {
        let exchange = match self {
            Self::Plain => Exchange(Awaited::Message),
            Self::Login => Exchange(Awaited::Name),
        };
        match initial {
            None => Ok(Step::Ask(exchange)),
            // RFC 5034 §4: "=" stands for an initial response that is present and empty.
            Some(b"=") => exchange.take(&[]),
            Some(response) => exchange.take(&decode(response)?),
        }
    }
}

/// Why an exchange came to nothing. All of them are the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaslError {
    /// The client sent `*`.
    #[error("the client cancelled the exchange")]
    Cancelled,
    /// A response is no base64 as RFC 4648 §4 has it: canonical, padded, nothing else in the line.
    #[error("a response is not base64")]
    Encoding,
    /// A response does not have the mechanism's form.
    #[error("a response does not have the mechanism's form")]
    Form,
    /// The client asks to act for somebody else (RFC 4616 §2); nobody may.
    #[error("the client asks to act for another identity")]
    Identity,
}

/// What comes next in an exchange.
pub enum Step {
    /// Send [`Exchange::challenge`] and hand the client's next line to [`Exchange::answer`].
    Ask(Exchange),
    /// The exchange is complete.
    Complete(Credentials),
}

/// An exchange that waits for the client's next line.
pub struct Exchange(Awaited);

enum Awaited {
    Message,
    Name,
    Password { login: String },
}

impl Exchange {
    /// The challenge to send, in base64; empty for PLAIN.
    pub fn challenge(&self) -> &'static str {
        match self.0 {
            Awaited::Message => "",
            Awaited::Name => "VXNlcm5hbWU6",
            Awaited::Password { .. } => "UGFzc3dvcmQ6",
        }
    }

    /// Takes the client's line, without its line end.
    pub fn answer(self, line: &[u8]) -> Result<Step, SaslError> {
        match line {
            b"*" => Err(SaslError::Cancelled),
            response => self.take(&decode(response)?),
        }
    }

    fn take(self, response: &[u8]) -> Result<Step, SaslError> {
        match self.0 {
            Awaited::Message => parse_plain(response).map(Step::Complete),
            Awaited::Name => {
                let login = parse_text(response).ok_or(SaslError::Form)?.to_owned();
                Ok(Step::Ask(Self(Awaited::Password { login })))
            }
            Awaited::Password { login } => {
                let password = PasswordText::parse(response).ok_or(SaslError::Form)?;
                Ok(Step::Complete(Credentials { login, password }))
            }
        }
    }
}

/// RFC 4616 §2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`, each of 1 to 255 octets.
fn parse_plain(message: &[u8]) -> Result<Credentials, SaslError> {
    let mut fields = message.split(|octet| *octet == 0);
    let (Some(identity), Some(login), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(SaslError::Form);
    };
    let login = parse_text(login).ok_or(SaslError::Form)?;
    if !identity.is_empty() && identity != login.as_bytes() {
        return Err(SaslError::Identity);
    }
    let password = PasswordText::parse(password).ok_or(SaslError::Form)?;
    Ok(Credentials { login: login.to_owned(), password })
}

/// Text of 1 to [`MAX_FIELD`] octets of UTF-8 without control characters.
fn parse_text(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let fits = (1..=MAX_FIELD).contains(&octets.len()) && !text.chars().any(char::is_control);
    fits.then_some(text)
}

fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    // Room for the whole from the start: a vector that grows leaves copies behind.
    let mut decoded = Zeroizing::new(vec![0; base64::decoded_len_estimate(response.len())]);
    let length = STANDARD.decode_slice(response, &mut decoded).map_err(|_| SaslError::Encoding)?;
    decoded[length..].zeroize();
    decoded.truncate(length);
    Ok(decoded)
}

/// The longest response line a client may have to send, with its CRLF: base64 of PLAIN's three fields
/// of 255 octets and two NULs (RFC 4616 §2), rounded up.
pub const MAX_RESPONSE_LINE: usize = 1_100;
/// RFC 4616 §2, in octets.
const MAX_FIELD: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static_assertions::assert_not_impl_any!(PasswordText: std::fmt::Debug, std::fmt::Display, Clone, PartialEq);
    static_assertions::assert_not_impl_any!(Credentials: std::fmt::Debug, Clone, PartialEq);

    fn complete(step: Result<Step, SaslError>) -> Result<(String, String), SaslError> {
        match step? {
            Step::Complete(credentials) => Ok((credentials.login, credentials.password.expose().to_owned())),
            Step::Ask(_) => panic!("the exchange should be complete"),
        }
    }

    fn ask(step: Result<Step, SaslError>) -> Exchange {
        match step {
            Ok(Step::Ask(exchange)) => exchange,
            Ok(Step::Complete(_)) => panic!("the exchange should go on"),
            Err(error) => panic!("{error}"),
        }
    }

    fn plain(message: &[u8]) -> Result<(String, String), SaslError> {
        complete(Mechanism::Plain.begin(Some(STANDARD.encode(message).as_bytes())))
    }

    fn pair(login: &str, password: &str) -> Result<(String, String), SaslError> {
        Ok((login.to_owned(), password.to_owned()))
    }

    #[test]
    fn plain_reads_the_examples_of_rfc_4616() {
        assert_eq!(plain(b"\0tim\0tanstaaftanstaaf"), pair("tim", "tanstaaftanstaaf"));
        assert_eq!(plain(b"Ursel\0Kurt\0xipj3plmq"), Err(SaslError::Identity));
        assert_eq!(plain(b"tim\0tim\0secret"), pair("tim", "secret"));
    }

    #[test]
    fn plain_without_initial_response_asks_with_an_empty_challenge() {
        let exchange = ask(Mechanism::Plain.begin(None));
        assert_eq!(exchange.challenge(), "");
        assert_eq!(
            complete(exchange.answer(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm")),
            pair("tim", "tanstaaftanstaaf")
        );
    }

    #[test]
    fn login_asks_for_name_and_password() {
        let name = ask(Mechanism::Login.begin(None));
        assert_eq!(STANDARD.decode(name.challenge()).as_deref(), Ok(&b"Username:"[..]));
        let password = ask(name.answer(STANDARD.encode("tim").as_bytes()));
        assert_eq!(STANDARD.decode(password.challenge()).as_deref(), Ok(&b"Password:"[..]));
        assert_eq!(complete(password.answer(STANDARD.encode("se cret").as_bytes())), pair("tim", "se cret"));
    }

    #[test]
    fn login_takes_the_name_as_initial_response() {
        let password = ask(Mechanism::Login.begin(Some(STANDARD.encode("tim").as_bytes())));
        assert_eq!(complete(password.answer(STANDARD.encode("x").as_bytes())), pair("tim", "x"));
    }

    #[test]
    fn a_star_cancels_at_every_step() {
        assert!(matches!(ask(Mechanism::Plain.begin(None)).answer(b"*"), Err(SaslError::Cancelled)));
        let name = ask(Mechanism::Login.begin(None));
        let password = ask(name.answer(b"dGlt"));
        assert!(matches!(password.answer(b"*"), Err(SaslError::Cancelled)));
    }

    #[test]
    fn an_empty_response_has_no_form() {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            assert!(matches!(mechanism.begin(Some(b"=")), Err(SaslError::Form)), "{mechanism:?}");
            assert!(matches!(ask(mechanism.begin(None)).answer(b""), Err(SaslError::Form)), "{mechanism:?}");
        }
    }

    #[test]
    fn messages_of_another_form_are_refused() {
        let long = [b"\0tim\0".as_slice(), &[b'x'; 256]].concat();
        for message in [
            b"".as_slice(),
            b"tim",
            b"\0tim",
            b"\0tim\0",
            b"\0\0secret",
            b"\0tim\0sec\0ret",
            b"\0tim\0sec\xffret",
            b"\0t\xc0im\0secret",
            b"\0tim\0sec\r\nret",
            &long,
        ] {
            assert_eq!(plain(message), Err(SaslError::Form), "{message:?}");
        }
        assert!(plain(&long[..long.len() - 1]).is_ok());
    }

    #[test]
    fn base64_is_strict() {
        for response in [
            &b"AHRpbQB0YQ"[..],
            b"AHRpbQB0YR==",
            b"AHRpbQB0YQ== ",
            b"AHRp bQB0YQ==",
            b"AHRpbQB0YQ==A",
            b"-_-_",
        ] {
            assert!(
                matches!(Mechanism::Plain.begin(Some(response)), Err(SaslError::Encoding)),
                "{response:?}"
            );
        }
    }

    #[test]
    fn the_longest_message_fits_the_line() {
        let message = [[b'i'; 255].as_slice(), b"\0", &[b'i'; 255], b"\0", &[b'p'; 255]].concat();
        assert!(plain(&message).is_ok());
        assert!(STANDARD.encode(&message).len() + 2 <= MAX_RESPONSE_LINE);
    }

    #[test]
    fn mechanisms_are_known_by_name() {
        assert_eq!(Mechanism::named(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::named(b"LOGIN"), Some(Mechanism::Login));
        assert_eq!(Mechanism::named(b"CRAM-MD5"), None);
    }

    proptest! {
        #[test]
        fn any_lines_end_in_a_step_or_an_error(initial: Option<Vec<u8>>, lines: [Vec<u8>; 2]) {
            for mechanism in [Mechanism::Plain, Mechanism::Login] {
                let mut step = mechanism.begin(initial.as_deref());
                for line in &lines {
                    let Ok(Step::Ask(exchange)) = step else { break };
                    step = exchange.answer(line);
                }
                if let Ok(Step::Complete(credentials)) = step {
                    prop_assert!(!credentials.login.contains('\0'));
                    prop_assert!(!credentials.password.expose().contains('\0'));
                }
            }
        }

        #[test]
        fn plain_inverts(login in "[^\\p{Cc}]{1,60}", password in "[^\\p{Cc}]{1,60}") {
            prop_assert_eq!(plain(format!("\0{login}\0{password}").as_bytes()), pair(&login, &password));
        }
    }
}

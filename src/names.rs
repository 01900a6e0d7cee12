//! Newtypes that all modules share: opaque identifiers and mail addresses.
//!
//! Identifiers are 16 random bytes and print as 26 letters of lower-case base32 (RFC 4648 §6
//! alphabet, no padding). They are safe to log. Addresses are not: their `Debug` prints nothing of
//! them, and there is no `Display`; whoever needs the text asks for it by name.

use std::fmt;
use std::str::FromStr;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Why a text is no identifier or address. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not 26 letters of base32.
    #[error("not an identifier")]
    Identifier,
    /// No `@`, or one side of it is empty.
    #[error("an address has the form name@domain")]
    Form,
    /// The part before the `@` is too long or holds characters that RFC 5321 §4.1.2 does not allow unquoted.
    #[error("the part before the @ is not allowed by RFC 5321")]
    Local,
    /// The domain is no domain name (RFC 5321 §4.1.2, RFC 5891).
    #[error("the part after the @ is not a domain name")]
    Domain,
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new identifier from the operating system's randomness.
            pub fn random() -> Self {
                let mut bytes = [0; 16];
                // The kernel's generator does not fail once it is seeded, and boot waits for that.
                getrandom::fill(&mut bytes).expect("the operating system gives randomness");
                Self(bytes)
            }
            /// The identifier with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self { Self(bytes) }
            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&BASE32.encode(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let bytes = BASE32.decode(text.as_bytes()).map_err(|_| NameError::Identifier)?;
                bytes.try_into().map(Self).map_err(|_| NameError::Identifier)
            }
        }
    )*};
}

static BASE32: std::sync::LazyLock<data_encoding::Encoding> = std::sync::LazyLock::new(|| {
    let mut form = data_encoding::Specification::new();
    form.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    form.encoding().expect("the alphabet has 32 different letters")
});

identifiers! {
    /// A tenant: the unit of isolation.
    TenantId;
    /// A user of a tenant, and their mailbox.
    UserId;
    /// A view: what one client may read.
    ViewId;
    /// A credential of a view.
    CredentialId;
    /// A stored message.
    MessageId;
    /// An epoch of message keys.
    EpochId;
    /// A session of SMTP or LMTP, in logs.
    SessionId;
    /// A container in the blob store; random, and unrelated to the message's identifier.
    ContainerName;
}

/// A mail address as logs have it: 80 bits of a hash under a key of this server's, in base32. Safe to log;
/// whoever has the address and asks the server can find its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressToken([u8; 10]);

impl AddressToken {
    /// The token with these bytes.
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

impl fmt::Display for AddressToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&BASE32.encode(&self.0))
    }
}

impl FromStr for AddressToken {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| NameError::Identifier)?;
        bytes.try_into().map(Self).map_err(|_| NameError::Identifier)
    }
}

/// Who a manifest is sealed for: the tenant's owner, or one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// The holder of the tenant's owner key.
    Owner(TenantId),
    /// The holders of the view's key.
    View(ViewId),
}

impl Reader {
    /// One byte for the kind (`o` or `v`), then the identifier: unambiguous, for keys and associated data.
    pub fn to_bytes(self) -> [u8; 17] {
        let (kind, id) = match &self {
            Self::Owner(tenant) => (b'o', tenant.as_bytes()),
            Self::View(view) => (b'v', view.as_bytes()),
        };
        let mut bytes = [kind; 17];
        bytes[1..].copy_from_slice(id);
        bytes
    }

    /// The identifier alone. All of them are random, so an owner's and a view's never meet.
    pub fn id(self) -> [u8; 16] {
        match self {
            Self::Owner(tenant) => *tenant.as_bytes(),
            Self::View(view) => *view.as_bytes(),
        }
    }
}

/// A mail address (RFC 5321 §4.1.2, RFC 6531), in the form used for comparison: the domain in
/// lower-case ASCII (IDNA), the local part unquoted, in lower case and in normalization form C
/// (RFC 6532 §3.1), so that a Mac's decomposed letters and everybody else's are one address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Parses `local@domain`, without angle brackets.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (local, domain) = text.rsplit_once('@').ok_or(NameError::Form)?;
        if local.is_empty() || domain.is_empty() {
            return Err(NameError::Form);
        }
        Ok(Self { local: parse_local(local)?, domain: parse_domain(domain)? })
    }

    /// An address that nobody can be given: its local part needs quotes, or has dots where no dot-atom has
    /// them. It comes from an envelope, and a catch-all takes its mail. The local part is compared in quotes,
    /// so that it is never a plain address's.
    ///
    /// `local` is one that mail in the world has: a whole quoted string, or no character that needs quotes.
    pub fn unusual(local: &str, domain: &str) -> Result<Self, NameError> {
        let bare = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(unescape);
        let bare = bare.unwrap_or_else(|| local.to_owned());
        let domain = parse_domain(domain)?;
        if let Ok(local) = parse_local(&bare) {
            return Ok(Self { local, domain });
        }
        let escaped = folded(&bare).replace('\\', "\\\\").replace('"', "\\\"");
        Ok(Self { local: format!("\"{escaped}\""), domain })
    }

    /// The part before the `@`, in lower case.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in lower-case ASCII.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// `local@domain`: the one way to the text, for lookups, sealed records and the owner's screen.
    pub fn reveal(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The form in which the address was compared by the first releases, if that may be another: they kept
    /// letters with marks as they were typed, and some keyboards type them decomposed.
    pub fn decomposed(&self) -> Option<Self> {
        let local = DecomposingNormalizerBorrowed::new_nfd().normalize(&self.local).into_owned();
        (local != self.local).then(|| Self { local, domain: self.domain.clone() })
    }

    /// The address without its `+tag` (RFC 5233), if it has one.
    pub fn without_tag(&self) -> Option<Self> {
        if self.local.starts_with('"') {
            return None;
        }
        let (local, _) = self.local.split_once('+')?;
        (!local.is_empty()).then(|| Self { local: local.to_owned(), domain: self.domain.clone() })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Address(..)")
    }
}

/// Checks a domain and gives its lower-case ASCII form (RFC 5891, RFC 1035 §2.3.4).
pub fn parse_domain(text: &str) -> Result<String, NameError> {
    let ascii = idna::domain_to_ascii_strict(text).map_err(|_| NameError::Domain)?;
    let labels_fit = ascii.split('.').all(|label| (1..=63).contains(&label.len()));
    (labels_fit && ascii.len() <= MAX_DOMAIN).then_some(ascii).ok_or(NameError::Domain)
}

/// Dot-atoms, and quoted strings that would be dot-atoms without their quotes.
fn parse_local(text: &str) -> Result<String, NameError> {
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let dot_atom = bare.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
    (dot_atom && bare.len() <= MAX_LOCAL).then(|| folded(bare)).ok_or(NameError::Local)
}

/// Lower case, composed. Composed first, because some letters have a lower case only then.
fn folded(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let composer = ComposingNormalizerBorrowed::new_nfc();
    composer.normalize(&composer.normalize(local).to_lowercase()).into_owned()
}

/// A quoted string's content without its backslashes (RFC 5321 §4.1.2, `quoted-pairSMTP`).
fn unescape(content: &str) -> String {
    let mut letters = content.chars();
    let mut text = String::with_capacity(content.len());
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

/// RFC 5322 §3.2.3 `atext`, with RFC 6532's characters beyond ASCII.
fn is_atext(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || (!letter.is_ascii() && !letter.is_control() && !letter.is_whitespace())
}

/// RFC 5321 §4.5.3.1.1, in octets.
const MAX_LOCAL: usize = 64;
/// RFC 5321 §4.5.3.1.2, in octets.
const MAX_DOMAIN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_print_and_parse() {
        let id = TenantId::random();
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<TenantId>(), Err(NameError::Identifier));
    }

    #[test]
    fn addresses_compare_in_one_form() {
        let address = Address::parse("\"Ann.Lee\"@BÜCHER.example").expect("valid");
        assert_eq!(address.reveal(), "ann.lee@xn--bcher-kva.example");
        assert_eq!(
            Address::parse("ann+law@a.example").unwrap().without_tag().unwrap().reveal(),
            "ann@a.example"
        );
    }

    #[test]
    fn forms_of_an_international_address_are_one() {
        let canonical = Address::parse("jos\u{e9}@b\u{fc}cher.example").expect("valid");
        for text in [
            "jose\u{301}@b\u{fc}cher.example",
            "JOS\u{c9}@B\u{dc}CHER.EXAMPLE",
            "JOSE\u{301}@bu\u{308}cher.example",
            "\"Jos\u{e9}\"@xn--bcher-kva.example",
            "jos\u{e9}@XN--BCHER-KVA.example",
        ] {
            assert_eq!(Address::parse(text), Ok(canonical.clone()), "{text}");
        }
        let typed_on_a_mac = canonical.decomposed().expect("another form");
        assert_eq!(typed_on_a_mac.local(), "jose\u{301}");
        assert!(Address::parse("ann@a.example").unwrap().decomposed().is_none());
    }

    #[test]
    fn unusual_local_parts_are_compared_in_quotes() {
        let unusual = |local| Address::unusual(local, "A.example").map(|address| address.reveal());
        assert_eq!(unusual("foo..Bar").as_deref(), Ok("\"foo..bar\"@a.example"));
        assert_eq!(unusual("\"foo..b\\ar\""), unusual("foo..bar"));
        assert_eq!(unusual("\"a\\\"b+c\"").as_deref(), Ok("\"a\\\"b+c\"@a.example"));
        assert!(Address::unusual("\"a +b\"", "a.example").unwrap().without_tag().is_none());
        assert_eq!(unusual("\"Ann\"").as_deref(), Ok("ann@a.example"), "the quotes were not needed");
        assert_eq!(Address::unusual("a..b", "_x.example"), Err(NameError::Domain));
    }

    #[test]
    fn bad_addresses_are_refused() {
        for (text, error) in [
            ("nobody", NameError::Form),
            ("@a.example", NameError::Form),
            ("a b@a.example", NameError::Local),
            ("a..b@a.example", NameError::Local),
            ("a@-", NameError::Domain),
            ("a@a..b", NameError::Domain),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_does_not_print_itself() {
        let address = Address::parse("ann@a.example").unwrap();
        assert_eq!(format!("{address:?}"), "Address(..)");
    }
}

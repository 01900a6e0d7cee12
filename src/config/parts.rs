//! Values that sections share, each parsed where it stands so that the error names its line.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Endpoint {
    /// An address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl TryFrom<String> for Endpoint {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("\"unix:\" wants a path behind it, as in \"unix:lmtp.sock\"".to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => address(&text).map(Self::Tcp),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// How trace lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people and the journal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// And what will need one.
    Warn,
    /// And what the server does.
    #[default]
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

/// A host name with at least two labels, in lower-case ASCII.
pub(super) fn hostname<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    domain_name(String::deserialize(from)?).map_err(D::Error::custom)
}

pub(super) fn domain_name(text: String) -> Result<String, String> {
    let parsed = crate::names::parse_domain(&text).ok().filter(|domain| domain.contains('.'));
    parsed.ok_or_else(|| format!("\"{text}\" is not a full domain name: write one like \"mail.example.org\""))
}

/// Listening addresses; the list may be empty.
pub(super) fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    let parsed = Vec::<OneAddress>::deserialize(from)?;
    Ok(parsed.into_iter().map(|one| one.0).collect())
}

/// An element of its own, so that serde knows the element's line.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct OneAddress(SocketAddr);

impl TryFrom<String> for OneAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        address(&text).map(Self)
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let remedy = "write address and port, as in \"0.0.0.0:25\" or \"[::]:25\"";
    text.parse().map_err(|_| format!("\"{text}\" is not a listening address: {remedy}"))
}

/// Octets: a number, or a text with a unit.
pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a size is a number of octets or a text as in \"50 MB\"")]
    enum Form {
        Octets(u64),
        Text(String),
    }
    let octets = match Form::deserialize(from)? {
        Form::Octets(octets) => Some(octets),
        Form::Text(text) => octets(&text),
    };
    let octets =
        octets.ok_or_else(|| D::Error::custom("write a size as in \"50 MB\", \"64 MiB\" or 50000000"))?;
    (octets >= MIN_SIZE).then_some(octets).ok_or_else(|| D::Error::custom("a size is at least 64 KiB"))
}

fn octets(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Whole seconds, at least one.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    span(from, 1)
}

/// Whole minutes, at least one.
pub(super) fn minutes<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    span(from, 60)
}

pub(super) fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    span(from, 24 * 3600)
}

fn span<'de, D: Deserializer<'de>>(from: D, unit: u64) -> Result<Duration, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(D::Error::custom("a time is at least 1")),
        count => Ok(Duration::from_secs(u64::from(count) * unit)),
    }
}

/// The dashboard's address, without a final slash.
pub(super) fn public_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let clean =
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>?#@".contains(&byte));
    let refusal = || {
        D::Error::custom(
            "public_url begins with https:// and has no query, as in \"https://vault.example.org\"",
        )
    };
    clean.then(|| Some(text.trim_end_matches('/').to_owned())).ok_or_else(refusal)
}

/// Whether the kernel takes this path for a Unix socket (unix(7): 108 bytes with the final NUL).
pub(super) fn fits_a_socket(path: &Path) -> bool {
    path.as_os_str().len() <= 107
}

/// Below this not even a message's headers fit.
const MIN_SIZE: u64 = 64 * 1024;
const UNITS: [(&str, u64); 7] = [
    ("", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(octets("50 MB"), Some(50_000_000));
        assert_eq!(octets("64MiB"), Some(67_108_864));
        assert_eq!(octets("123456"), Some(123_456));
        for bad in ["", "MB", "-1 MB", "1.5 MB", "5 mb", "99999999999999999999", "20000000000 GiB"] {
            assert_eq!(octets(bad), None, "{bad}");
        }
    }

    #[test]
    fn endpoints_print_as_they_are_written() {
        for text in ["127.0.0.1:24", "[::1]:24", "unix:/run/veilpost/lmtp.sock"] {
            assert_eq!(Endpoint::try_from(text.to_owned()).expect("valid").to_string(), text);
        }
        assert!(Endpoint::try_from("unix:".to_owned()).is_err());
        assert!(Endpoint::try_from("localhost:24".to_owned()).is_err());
    }
}

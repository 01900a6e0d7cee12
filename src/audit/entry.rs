//! One audit entry: who, from where, what, why, under which policy, as one canonical line of JSON.
//!
//! The line is what is hashed (RFC 6962 §2.1 leaf), stored and exported, so anybody can check a log
//! with a JSON tool and SHA-256. Version 1 has the fields in this order, without spaces, absent
//! ones left out: `v`, `seq`, `time` (RFC 3339, UTC, whole seconds), `actor`, `origin`, `act`,
//! `reason`, `policy`. Decoding accepts nothing but that one form.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::act::Act;
use super::text;
use crate::clock::Timestamp;
use crate::names::{CredentialId, UserId, ViewId};

/// What is to be recorded; the log adds number and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who did it.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// What.
    pub act: Act,
    /// Why, in the person's words.
    pub reason: Option<Reason>,
    /// Under which policy.
    pub policy: Option<PolicyName>,
}

impl Draft {
    /// An act without reason or policy.
    pub fn new(actor: Actor, origin: Origin, act: Act) -> Self {
        Self { actor, origin, act, reason: None, policy: None }
    }

    /// Adds why, in the person's words.
    pub fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds under which policy.
    pub fn under(self, policy: PolicyName) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The line of the entry with this number and time; see [`Entry::encode`].
    pub(super) fn encode_at(&self, sequence: u64, time: Timestamp) -> Result<Vec<u8>, EntryError> {
        let Self { actor, origin, act, reason, policy } = self;
        let (version, time) = (VERSION, Moment(time));
        serde_json::to_vec(&Line { version, sequence, time, actor, origin, act, reason, policy })
            .map_err(|_| EntryError::Time)
    }
}

/// A recorded act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the tenant's log, from 0, without gaps.
    pub sequence: u64,
    /// When it was recorded, by the server's clock.
    pub time: Timestamp,
    /// What was recorded.
    pub draft: Draft,
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Actor {
    /// A person who signed in.
    User {
        /// Who.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A client, feed or robot that reads a view.
    View {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// The credential it came with.
        #[serde(with = "text")]
        credential: CredentialId,
    },
    /// An administrator at the Unix socket.
    Administrator {
        /// The Unix user that the kernel reports.
        uid: u32,
    },
    /// The server by itself.
    Server,
    /// Somebody who proved nothing: a refused sign-in.
    Nobody,
}

/// From where something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// From this IP address.
    Ip {
        /// The peer's address, without port; see [`Origin::ip`].
        address: IpAddr,
    },
    /// From the Unix socket of the command line.
    UnixSocket,
    /// From inside the server.
    Internal,
}

impl Origin {
    /// From this peer; an IPv4 address that came through an IPv6 socket is told as IPv4.
    pub fn ip(peer: IpAddr) -> Self {
        Self::Ip { address: peer.to_canonical() }
    }
}

/// Why a person did something, in their words: 1 to 500 characters, none of them a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

impl Reason {
    /// Longest reason, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Checks a reason; white space at both ends is cut.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS {
            return Err(EntryError::ReasonLength);
        }
        if text.chars().any(misleads) {
            return Err(EntryError::ReasonCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = EntryError;
    fn try_from(text: String) -> Result<Self, EntryError> {
        Self::parse(&text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

/// Characters that make a terminal or a reader see another text than the one that was hashed:
/// controls, Unicode line ends, and the overrides of direction (Unicode TR 9, section 2).
pub fn misleads(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A policy at one point of its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyName {
    name: PolicyText,
    generation: u64,
}

impl PolicyName {
    /// A policy's name (1 to 128 characters without controls) and which version of it: when it was loaded,
    /// in Unix seconds; 0 for one of the program's own.
    pub fn new(name: &str, generation: u64) -> Result<Self, EntryError> {
        Ok(Self { name: PolicyText::try_from(name.to_owned())?, generation })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name.0
    }
}

/// The name part of [`PolicyName`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct PolicyText(String);

impl TryFrom<String> for PolicyText {
    type Error = EntryError;
    fn try_from(text: String) -> Result<Self, EntryError> {
        let fits = (1..=MAX_POLICY_NAME).contains(&text.chars().count());
        (fits && !text.chars().any(misleads)).then_some(Self(text)).ok_or(EntryError::PolicyName)
    }
}

impl Entry {
    /// The line that is hashed and stored, without a line end. Fails only for a time past year 9999.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.draft.encode_at(self.sequence, self.time)
    }

    /// Reads a line. Refuses everything that [`Entry::encode`] would not have written.
    pub fn decode(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > MAX_ENTRY_OCTETS {
            return Err(EntryError::Form);
        }
        let Version { v } = serde_json::from_slice(line).map_err(|_| EntryError::Form)?;
        if v != VERSION {
            return Err(EntryError::Version(v));
        }
        let read: Read = serde_json::from_slice(line).map_err(|_| EntryError::Form)?;
        let entry = read.into_entry();
        (entry.encode()? == line).then_some(entry).ok_or(EntryError::Form)
    }
}

/// The encoding's fields in their order.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "seq")]
    sequence: u64,
    time: Moment,
    actor: &'a Actor,
    origin: &'a Origin,
    act: &'a Act,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: &'a Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: &'a Option<PolicyName>,
}

/// The same, owned.
#[derive(Deserialize)]
struct Read {
    seq: u64,
    time: Moment,
    actor: Actor,
    origin: Origin,
    act: Act,
    reason: Option<Reason>,
    policy: Option<PolicyName>,
}

impl Read {
    fn into_entry(self) -> Entry {
        let Self { seq, time: Moment(time), actor, origin, act, reason, policy } = self;
        let draft = Draft { actor, origin, act, reason, policy };
        Entry { sequence: seq, time, draft }
    }
}

/// What is read first, so that an entry of a later version is told from a broken one.
#[derive(Deserialize)]
struct Version {
    v: u8,
}

/// A time as RFC 3339 prints it.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::from_second(self.0.unix()).map_err(ser::Error::custom)?;
        out.collect_str(&time)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let time: jiff::Timestamp = String::deserialize(input)?.parse().map_err(de::Error::custom)?;
        Ok(Self(Timestamp::from_unix(time.as_second())))
    }
}

/// Why something is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The person gave no reason, or too long a one.
    #[error("a reason has 1 to 500 characters")]
    ReasonLength,
    /// The person's reason holds a control character.
    #[error("a reason may not hold control characters or line ends")]
    ReasonCharacter,
    /// The caller's policy name is empty, too long, or holds a control character.
    #[error("a policy name has 1 to 128 characters and no control characters")]
    PolicyName,
    /// The server's clock is past the year 9999.
    #[error("the time cannot be written as RFC 3339")]
    Time,
    /// The line was written by a newer Veilpost.
    #[error("the entry has version {0}, which this program does not know")]
    Version(u8),
    /// The line is no canonical entry.
    #[error("not an audit entry")]
    Form,
}

/// The encoding that is written.
const VERSION: u8 = 1;
/// Longest policy name, in characters.
const MAX_POLICY_NAME: usize = 128;
/// Longest line that is read: more than twice what the bounds above can make.
pub(super) const MAX_ENTRY_OCTETS: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::super::act::{Extent, PartPath};
    use super::*;
    use crate::names::MessageId;
    use proptest::prelude::*;

    impl Draft {
        fn at(self, sequence: u64, time: Timestamp) -> Entry {
            Entry { sequence, time, draft: self }
        }
    }

    fn full() -> Entry {
        let act = Act::MessageRevealed {
            message: MessageId::from_bytes([1; 16]),
            extent: Extent::parts(vec![PartPath::parse("1.2").unwrap()]),
        };
        let origin = Origin::Ip { address: "2001:db8::7".parse().unwrap() };
        Draft::new(Actor::User { user: UserId::from_bytes([2; 16]) }, origin, act)
            .because(Reason::parse("Steuerprüfung \"2026\"").unwrap())
            .under(PolicyName::new("careful", 3).unwrap())
            .at(41, Timestamp::from_unix(1_795_000_000))
    }

    #[test]
    fn the_canonical_line_is_this_one() {
        let line = String::from_utf8(full().encode().unwrap()).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"v":1,"seq":41,"time":"2026-11-18T11:06:40Z","#,
                r#""actor":{"kind":"user","user":"aibaeaqcaibaeaqcaibaeaqcai"},"#,
                r#""origin":{"kind":"ip","address":"2001:db8::7"},"#,
                r#""act":{"kind":"message_revealed","message":"aeaqcaibaeaqcaibaeaqcaibae","#,
                r#""extent":{"kind":"parts","parts":["1.2"]}},"#,
                r#""reason":"Steuerprüfung \"2026\"","policy":{"name":"careful","generation":3}}"#
            )
        );
        assert_eq!(Entry::decode(line.as_bytes()), Ok(full()));
    }

    #[test]
    fn only_the_canonical_line_is_read() {
        let line = String::from_utf8(full().encode().unwrap()).unwrap();
        for other in [
            line.replace("\"v\":1", "\"v\": 1"),
            line.replace("\"seq\":41", "\"seq\":41,\"extra\":1"),
            line.replace("\"reason\":", "\"reason\":null,\"reason\":"),
            line.replace("Z\"", "+00:00\""),
            line.replace("2026-11-18T11:06:40Z", "2026-11-18T11:06:40.5Z"),
            line.replace("2001:db8::7", "2001:DB8::7"),
            format!("{line} "),
            line[..line.len() - 1].to_owned(),
            line.replace("1.2", "subject"),
            String::new(),
        ] {
            assert_eq!(Entry::decode(other.as_bytes()), Err(EntryError::Form), "{other}");
        }
        let newer = line.replace("\"v\":1", "\"v\":2");
        assert_eq!(Entry::decode(newer.as_bytes()), Err(EntryError::Version(2)));
        assert_eq!(Entry::decode(&[b' '; MAX_ENTRY_OCTETS + 1]), Err(EntryError::Form));
    }

    #[test]
    fn reasons_are_bounded_and_plain() {
        assert_eq!(Reason::parse("  tax audit ").unwrap().as_str(), "tax audit");
        assert_eq!(Reason::parse(" "), Err(EntryError::ReasonLength));
        assert!(Reason::parse(&"ü".repeat(500)).is_ok());
        assert_eq!(Reason::parse(&"ü".repeat(501)), Err(EntryError::ReasonLength));
        for bad in ["a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{2028}b", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(Reason::parse(bad), Err(EntryError::ReasonCharacter), "{bad:?}");
        }
    }

    #[test]
    fn the_longest_entry_can_be_read_back() {
        let part = PartPath::parse("1.".repeat(47).trim_end_matches('.')).unwrap();
        let act = Act::MessagesFetched {
            messages: vec![MessageId::from_bytes([255; 16]); Act::MOST_MESSAGES],
            extent: Extent::parts(vec![part; PartPath::MOST]),
        };
        let entry = Draft::new(Actor::Server, Origin::Internal, act)
            .because(Reason::parse(&"\u{1f512}".repeat(500)).unwrap())
            .under(PolicyName::new(&"\"".repeat(128), u64::MAX).unwrap())
            .at(u64::MAX, Timestamp::from_unix(253_402_000_000));
        let line = entry.encode().unwrap();
        assert!(line.len() * 2 < MAX_ENTRY_OCTETS, "{}", line.len());
        assert_eq!(Entry::decode(&line), Ok(entry));
    }

    #[test]
    fn a_clock_out_of_range_is_an_error() {
        let draft = Draft::new(Actor::Server, Origin::Internal, Act::TenantCreated);
        assert_eq!(draft.encode_at(0, Timestamp::from_unix(i64::MAX)), Err(EntryError::Time));
    }

    proptest! {
        #[test]
        fn encoding_inverts(sequence: u64, seconds in -1_000_000_000i64..9_000_000_000,
                            reason in "[^\\p{C}\\p{Z}]{1,80}", lines: u64, id: [u8; 16], ip: [u8; 16]) {
            let act = Act::MessageFetched { message: MessageId::from_bytes(id), extent: Extent::Top { lines } };
            let origin = Origin::Ip { address: ip.into() };
            let draft = Draft::new(Actor::Nobody, origin, act).because(Reason::parse(&reason).unwrap());
            let entry = draft.at(sequence, Timestamp::from_unix(seconds));
            prop_assert_eq!(Entry::decode(&entry.encode().unwrap()), Ok(entry));
        }

        #[test]
        fn whatever_is_read_was_canonical(line: Vec<u8>) {
            if let Ok(entry) = Entry::decode(&line) {
                prop_assert_eq!(entry.encode().unwrap(), line);
            }
        }
    }

    #[test]
    fn a_mapped_address_is_told_as_ipv4() {
        let origin = Origin::ip("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(serde_json::to_string(&origin).unwrap(), r#"{"kind":"ip","address":"192.0.2.1"}"#);
    }
}

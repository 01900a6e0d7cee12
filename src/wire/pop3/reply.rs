//! Replies to octets (RFC 1939 §3), with extended response codes (RFC 2449 §8, RFC 3206, RFC 6856).
//!
//! Texts are constants: a reply cannot carry content, names or the wording of inner errors.

use super::{MessageNumber, UniqueId};

/// A reply to a command. What follows a positive reply line by line is put beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `+OK text`.
    Ok(&'a str),
    /// `-ERR text`, with or without a code.
    Failure(Failure),
    /// `+OK count octets`: the drop listing (RFC 1939 §5, STAT).
    DropListing {
        /// How many messages are not marked as deleted.
        count: u64,
        /// Their size in octets.
        octets: u64,
    },
    /// `+OK octets octets`: the message follows.
    Message {
        /// The size of the whole message, in octets.
        octets: u64,
    },
    /// `+OK number size`: one scan listing (RFC 1939 §5, LIST).
    ScanListing(MessageNumber, u64),
    /// `+OK number unique-id`: one unique-id listing (RFC 1939 §7, UIDL).
    UniqueIdListing(MessageNumber, UniqueId),
    /// `+ challenge`: the server's side of an AUTH exchange (RFC 5034 §4).
    Challenge(&'a str),
    /// The answer to CAPA, whole (RFC 2449 §5).
    Capabilities(&'a [Capability]),
}

/// A negative reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The extended response code, if one fits.
    pub code: Option<Code>,
    /// What people read.
    pub text: &'static str,
}

/// An extended response code. `[IN-USE]` is missing on purpose: sessions of one maildrop do not
/// exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `[AUTH]`: the credentials are the problem (RFC 3206 §4).
    Auth,
    /// `[SYS/TEMP]`: it may work later (RFC 3206 §3).
    SysTemp,
    /// `[SYS/PERM]`: somebody has to act first (RFC 3206 §3).
    SysPerm,
    /// `[LOGIN-DELAY]`: no login before some time has passed (RFC 2449 §8.1.1).
    LoginDelay,
    /// `[UTF8]`: UTF-8 mode is the problem (RFC 6856 §5).
    Utf8,
}

/// What a server can do, as CAPA lists it (RFC 2449 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// TOP (RFC 2449 §6.1).
    Top,
    /// USER and PASS (RFC 2449 §6.2).
    User,
    /// The mechanisms of AUTH (RFC 2449 §6.3, RFC 5034 §3).
    Sasl,
    /// Extended response codes (RFC 2449 §6.4).
    ResponseCodes,
    /// Pipelining (RFC 2449 §6.6).
    Pipelining,
    /// Nothing is deleted unasked (RFC 2449 §6.7).
    ExpireNever,
    /// UIDL (RFC 2449 §6.8).
    UniqueIds,
    /// The implementation's name; no version, which would serve attackers first (RFC 2449 §6.9).
    Implementation,
    /// STLS (RFC 2595 §4).
    StartTls,
    /// `[AUTH]` codes (RFC 3206 §5).
    AuthResponseCode,
    /// UTF-8 mode, and UTF-8 in names and passwords (RFC 6856 §2).
    Utf8,
}

impl Reply<'_> {
    /// Appends the reply, its CRLF included.
    pub fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Ok(text) => put_line(out, &["+OK ", text]),
            Self::Failure(Failure { code: None, text }) => put_line(out, &["-ERR ", text]),
            Self::Failure(Failure { code: Some(code), text }) => put_line(out, &["-ERR ", code.text(), text]),
            Self::DropListing { count, octets } => put_pair(out, b"+OK ", count, octets),
            Self::Message { octets } => {
                out.extend_from_slice(b"+OK ");
                put_decimal(out, octets);
                out.extend_from_slice(b" octets\r\n");
            }
            Self::ScanListing(number, size) => put_pair(out, b"+OK ", number.get().into(), size),
            Self::UniqueIdListing(number, id) => {
                out.extend_from_slice(b"+OK ");
                put_unique_id_listing(out, number, id);
            }
            Self::Challenge(challenge) => put_line(out, &["+ ", challenge]),
            Self::Capabilities(capabilities) => {
                put_line(out, &["+OK capabilities follow"]);
                capabilities.iter().for_each(|capability| put_line(out, &[capability.text()]));
                out.extend_from_slice(END);
            }
        }
    }
}

/// Appends `number size`, a line of the answer to LIST.
pub fn put_scan_listing(out: &mut Vec<u8>, number: MessageNumber, size: u64) {
    put_pair(out, b"", number.get().into(), size);
}

/// Appends `number unique-id`, a line of the answer to UIDL.
pub fn put_unique_id_listing(out: &mut Vec<u8>, number: MessageNumber, id: UniqueId) {
    put_decimal(out, number.get().into());
    out.push(b' ');
    id.put(out);
    out.extend_from_slice(b"\r\n");
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::Auth => "[AUTH] ",
            Self::SysTemp => "[SYS/TEMP] ",
            Self::SysPerm => "[SYS/PERM] ",
            Self::LoginDelay => "[LOGIN-DELAY] ",
            Self::Utf8 => "[UTF8] ",
        }
    }
}

impl Capability {
    fn text(self) -> &'static str {
        match self {
            Self::Top => "TOP",
            Self::User => "USER",
            Self::Sasl => "SASL PLAIN LOGIN",
            Self::ResponseCodes => "RESP-CODES",
            Self::Pipelining => "PIPELINING",
            Self::ExpireNever => "EXPIRE NEVER",
            Self::UniqueIds => "UIDL",
            Self::Implementation => "IMPLEMENTATION Veilpost",
            Self::StartTls => "STLS",
            Self::AuthResponseCode => "AUTH-RESP-CODE",
            Self::Utf8 => "UTF8 USER",
        }
    }
}

fn put_line(out: &mut Vec<u8>, words: &[&str]) {
    words.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
    out.extend_from_slice(b"\r\n");
}

fn put_pair(out: &mut Vec<u8>, before: &[u8], first: u64, second: u64) {
    out.extend_from_slice(before);
    put_decimal(out, first);
    out.push(b' ');
    put_decimal(out, second);
    out.extend_from_slice(b"\r\n");
}

fn put_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What ends an answer of several lines (RFC 1939 §3).
pub const END: &[u8] = b".\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: Reply<'_>) -> String {
        let mut out = Vec::new();
        reply.put(&mut out);
        String::from_utf8(out).expect("replies are ASCII")
    }

    #[test]
    fn replies_have_the_form_of_rfc_1939() {
        let third = MessageNumber::from_index(2);
        let id = UniqueId::from_bytes([0; 16]);
        assert_eq!(text(Reply::Ok("ready")), "+OK ready\r\n");
        assert_eq!(text(Reply::DropListing { count: 2, octets: 320 }), "+OK 2 320\r\n");
        assert_eq!(text(Reply::Message { octets: u64::MAX }), "+OK 18446744073709551615 octets\r\n");
        assert_eq!(text(Reply::ScanListing(third, 200)), "+OK 3 200\r\n");
        assert_eq!(text(Reply::UniqueIdListing(third, id)), "+OK 3 00000000000000000000000000\r\n");
        assert_eq!(text(Reply::Challenge("")), "+ \r\n");
    }

    #[test]
    fn codes_stand_before_the_text() {
        for (code, start) in [
            (None, "-ERR no"),
            (Some(Code::Auth), "-ERR [AUTH] no"),
            (Some(Code::SysTemp), "-ERR [SYS/TEMP] no"),
            (Some(Code::SysPerm), "-ERR [SYS/PERM] no"),
            (Some(Code::LoginDelay), "-ERR [LOGIN-DELAY] no"),
            (Some(Code::Utf8), "-ERR [UTF8] no"),
        ] {
            assert_eq!(text(Reply::Failure(Failure { code, text: "no" })), format!("{start}\r\n"));
        }
    }

    #[test]
    fn capabilities_end_with_a_dot() {
        let reply = Reply::Capabilities(&[Capability::Top, Capability::Sasl]);
        assert_eq!(text(reply), "+OK capabilities follow\r\nTOP\r\nSASL PLAIN LOGIN\r\n.\r\n");
    }

    #[test]
    fn listings_have_one_line_each() {
        let mut out = Vec::new();
        put_scan_listing(&mut out, MessageNumber::from_index(0), 120);
        put_unique_id_listing(&mut out, MessageNumber::from_index(1), UniqueId::from_bytes([0xff; 16]));
        assert_eq!(out, b"1 120\r\n2 vvvvvvvvvvvvvvvvvvvvvvvvvs\r\n");
    }
}

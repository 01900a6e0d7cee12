//! Trace fields, and loops seen by them (RFC 5321 §4.4, §6.3).

use super::received::{Addressee, Received};
use crate::clock::Timestamp;
use crate::names::MessageId;

/// The fields that go in front of a stored message: `Return-Path`, `Delivered-To`, `Received`.
///
/// RFC 5321 §4.4 wants a `Received` field from every server and `Return-Path` from the last one. It
/// also says that `from`, with the client's name and address, MUST be in the former. We leave that out, knowingly: the field outlives the session, it
/// travels with every reply that quotes headers, and who handed the mail in tells where the
/// sender is (§7.6 warns of that). Nobody after us needs it: we deliver, we do not relay, the filter
/// has had the address itself, and loops are counted by the fields' number. `for` is left out so
/// that one addressee does not learn of others (§7.6).
pub fn trace_header(received: &Received, addressee: &Addressee, hostname: &str, id: MessageId) -> Vec<u8> {
    let reverse_path = received.reverse_path.as_ref().map_or("", |path| path.spelled());
    format!(
        "Return-Path: <{reverse_path}>\r\n\
         Delivered-To: {delivered_to}\r\n\
         Received: by {hostname} with {protocol}\r\n\tid {id};\r\n\t{date}\r\n",
        delivered_to = addressee.mailbox.spelled(),
        protocol = received.protocol.keyword(),
        date = date(received.received_at),
    )
    .into_bytes()
}

/// RFC 5322 §3.3, in UTC. A time outside the calendar (our clock is broken) becomes the epoch.
fn date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.unix()).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Whether the header has more Received fields than mail that goes straight (RFC 5321 §6.3).
pub(super) fn is_looping(message: &[u8]) -> bool {
    header_lines(message).filter(|line| is_received(line)).nth(MAX_RECEIVED).is_some()
}

fn header_lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        (!matches!(line, [] | [b'\r'])).then_some(line)
    })
}

/// White space may stand before the colon in old mail (RFC 5322 §4.5).
fn is_received(line: &[u8]) -> bool {
    let name = b"received";
    line.len() > name.len()
        && line[..name.len()].eq_ignore_ascii_case(name)
        && line[name.len()..].trim_ascii_start().starts_with(b":")
}

/// RFC 5321 §6.3: "a large rejection threshold, normally at least 100".
const MAX_RECEIVED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};
    use crate::reception::{Content, Protocol, UserRef};
    use crate::wire::smtp::{Body, Dialect, Mailbox};

    fn addressee() -> Addressee {
        let target = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let mailbox = Mailbox::parse("Ann@vault.example").expect("an address");
        Addressee { mailbox, target, notify: None, original: None }
    }

    fn received(reverse_path: Option<&str>) -> Received {
        Received {
            reverse_path: reverse_path.and_then(Mailbox::parse),
            addressees: vec![addressee()],
            protocol: Protocol { dialect: Dialect::Ehlo, tls: true, smtputf8: false },
            peer: Some([192, 0, 2, 1].into()),
            hello: "client.example".to_owned(),
            content: Content::new(Vec::new()),
            received_at: Timestamp::from_unix(1_794_000_000),
            smtputf8: false,
            body: Body::SevenBit,
            quote: None,
            envelope_id: None,
        }
    }

    #[test]
    fn trace_fields_tell_nothing_of_the_client() {
        let id = MessageId::from_bytes([0; 16]);
        let header = trace_header(&received(Some("Bob@b.example")), &addressee(), "mx.vault.example", id);
        assert_eq!(
            String::from_utf8(header).expect("ASCII"),
            "Return-Path: <Bob@b.example>\r\n\
             Delivered-To: Ann@vault.example\r\n\
             Received: by mx.vault.example with ESMTPS\r\n\
             \tid aaaaaaaaaaaaaaaaaaaaaaaaaa;\r\n\
             \tFri, 06 Nov 2026 21:20:00 +0000\r\n"
        );
    }

    #[test]
    fn the_null_path_stays_null() {
        let header = trace_header(&received(None), &addressee(), "mx.example", MessageId::random());
        assert!(header.starts_with(b"Return-Path: <>\r\n"));
    }

    #[test]
    fn loops_are_counted_in_the_header_only() {
        let hundred = "Received: x\r\n".repeat(100);
        assert!(!is_looping(hundred.as_bytes()));
        assert!(is_looping(format!("{hundred}rEceived : y\r\n\r\n").as_bytes()));
        assert!(!is_looping(format!("{hundred}\r\nReceived: y\r\n").as_bytes()));
        assert!(!is_looping(format!("{hundred} Received: y\r\nReceivedX: y\r\n\r\n").as_bytes()));
    }
}

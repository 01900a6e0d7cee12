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

/// Whether a message goes in circles (RFC 5321 §6.3): it has been here too often, by the fields
/// that [`trace_header`] writes, or it has more Received fields than any way is long.
pub(super) fn is_looping(message: &[u8], hostname: &str) -> bool {
    let ours = format!("Received: by {hostname} with ");
    let (mut all, mut own) = (0, 0);
    for line in header_lines(message).filter(|line| is_received(line)) {
        all += 1;
        own += usize::from(line.starts_with(ours.as_bytes()));
    }
    all > MAX_RECEIVED || own > MAX_OWN
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

/// RFC 5321 §6.3: "a large rejection threshold, normally at least 100". Far larger, because a loop
/// passes here again and again and is known by our own fields; mail with 300 has been seen.
const MAX_RECEIVED: usize = 1000;
/// A message that was forwarded back to us so often never arrives.
const MAX_OWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};
    use crate::reception::{Content, Protocol, UserRef};
    use crate::wire::smtp::{Body, Dialect, Mailbox, ReversePath};

    fn addressee() -> Addressee {
        let target = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let mailbox = Mailbox::parse("Ann@vault.example").expect("an address");
        Addressee { mailbox, target, others: Vec::new() }
    }

    fn received(reverse_path: Option<&str>) -> Received {
        Received {
            reverse_path: reverse_path.and_then(ReversePath::parse),
            addressees: vec![addressee()],
            protocol: Protocol { dialect: Dialect::Ehlo, tls: true, smtputf8: false },
            peer: Some([192, 0, 2, 1].into()),
            hello: "client.example".to_owned(),
            content: Content::new(Vec::new()),
            received_at: Timestamp::from_unix(1_794_000_000),
            smtputf8: false,
            body: Body::SevenBit,
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
        let looping = |message: String| is_looping(message.as_bytes(), "mx.example");
        let most = "Received: x\r\n".repeat(MAX_RECEIVED);
        assert!(!looping(most.clone()));
        assert!(looping(format!("{most}rEceived : y\r\n\r\n")));
        assert!(!looping(format!("{most}\r\nReceived: y\r\n")));
        assert!(!looping(format!("{most} Received: y\r\nReceivedX: y\r\n\r\n")));
    }

    #[test]
    fn a_message_that_was_here_too_often_is_looping() {
        let id = MessageId::from_bytes([0; 16]);
        let trace = trace_header(&received(None), &addressee(), "mx.example", id);
        let passed = |times| [trace.repeat(times), b"\r\n".to_vec()].concat();
        assert!(!is_looping(&passed(MAX_OWN), "mx.example"));
        assert!(is_looping(&passed(MAX_OWN + 1), "mx.example"));
        assert!(!is_looping(&passed(MAX_OWN + 1), "other.example"));
    }
}

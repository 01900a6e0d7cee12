//! Values of a FETCH response that the roll has: flags, dates, identifiers.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::mailbox::{Flags, Keywords};
use crate::names::MessageId;
use crate::structure::Structure;

/// `(\Seen work)`
pub fn put_flags(out: &mut Vec<u8>, flags: Flags, keywords: &Keywords) {
    let system = Flags::SYSTEM.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name);
    let own = flags.keywords().filter_map(|number| keywords.name(number));
    out.push(b'(');
    for (index, name) in system.chain(own).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// A moment as date-time (RFC 9051 §9), quoted, in UTC.
pub fn put_date_time(out: &mut Vec<u8>, seconds: i64) {
    let moment =
        jiff::Timestamp::from_second(seconds.clamp(EARLIEST, LATEST)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let utc = jiff::tz::Offset::UTC.to_datetime(moment);
    out.push(b'"');
    // date-day-fixed: a blank before a single digit.
    put_two_digits(out, utc.day(), b' ');
    out.push(b'-');
    out.extend_from_slice(MONTHS[usize::from(utc.month().unsigned_abs() - 1) % MONTHS.len()]);
    out.push(b'-');
    put_two_digits(out, (utc.year() / 100) as i8, b'0');
    put_two_digits(out, (utc.year() % 100) as i8, b'0');
    for (before, number) in [(b' ', utc.hour()), (b':', utc.minute()), (b':', utc.second())] {
        out.push(before);
        put_two_digits(out, number, b'0');
    }
    out.extend_from_slice(b" +0000\"");
}

fn put_two_digits(out: &mut Vec<u8>, number: i8, padding: u8) {
    let number = number.unsigned_abs();
    out.push(if number < 10 { padding } else { b'0' + number / 10 % 10 });
    out.push(b'0' + number % 10);
}

/// The EMAILID of a message (RFC 8474 §5.1). It is the message's own identifier, which is random: it tells
/// nothing, and is the same in every folder.
pub fn put_email_id(out: &mut Vec<u8>, message: MessageId) {
    let mut letters = [0; 32];
    HEXLOWER.encode_mut(message.as_bytes(), &mut letters);
    out.push(b'M');
    out.extend_from_slice(&letters);
}

/// The message with this EMAILID.
pub fn email_id(text: &str) -> Option<MessageId> {
    let octets = HEXLOWER.decode(text.strip_prefix('M')?.as_bytes()).ok()?;
    octets.try_into().ok().map(MessageId::from_bytes)
}

/// The THREADID of a message (RFC 8474 §5.2), NIL if it has none.
pub fn put_thread_id(out: &mut Vec<u8>, structure: &Structure<'_>) {
    let Some(id) = thread_id(structure) else { return out.extend_from_slice(b"NIL") };
    out.push(b'(');
    out.extend_from_slice(&id);
    out.push(b')');
}

/// A function of the view alone, so that it stays what it is: messages that name the same first ancestor
/// are one thread, and that ancestor's own identifier names it too. What a policy takes from the view's
/// References, Message-ID and In-Reply-To can put nobody into a thread.
///
/// Messages whose mail program wrote In-Reply-To without References make threads of their own from the
/// second answer on; THREAD=REFERENCES does better, for it sees all messages at once.
pub fn thread_id(structure: &Structure<'_>) -> Option<[u8; THREAD_ID]> {
    let ids = structure.thread_ids();
    let root = ids.ancestors.into_iter().next().or(ids.id)?;
    let digest = Sha256::digest(&root);
    let mut letters = [b'T'; THREAD_ID];
    // 16 of the digest's 32 octets: the identifier of a thread need not withstand more than chance.
    HEXLOWER.encode_mut(&digest[..16], &mut letters[1..]);
    Some(letters)
}

/// Letters of a THREADID.
pub const THREAD_ID: usize = 33;
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// 0000-01-01 and 9999-12-31: years have four digits.
const EARLIEST: i64 = -62_167_219_200;
const LATEST: i64 = 253_402_207_200;

#[cfg(test)]
mod tests {
    use super::*;

    fn date_time(seconds: i64) -> String {
        let mut out = Vec::new();
        put_date_time(&mut out, seconds);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_those_of_the_rfc() {
        // RFC 9051 §7.5.2, INTERNALDATE.
        assert_eq!(date_time(837_571_465), "\"17-Jul-1996 02:44:25 +0000\"");
        assert_eq!(date_time(0), "\" 1-Jan-1970 00:00:00 +0000\"");
        assert_eq!(date_time(-1), "\"31-Dec-1969 23:59:59 +0000\"");
        assert_eq!(date_time(i64::MIN), "\" 1-Jan-0000 00:00:00 +0000\"");
        assert_eq!(&date_time(i64::MAX)[1..12], "30-Dec-9999");
    }

    #[test]
    fn flags_are_listed() {
        let mut keywords = Keywords::default();
        let own = keywords.intern("$Work").map(Flags::keyword).unwrap();
        let put = |flags| {
            let mut out = Vec::new();
            put_flags(&mut out, flags, &keywords);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(put(Flags::none()), "()");
        assert_eq!(put(Flags::SEEN.with(Flags::DRAFT).with(own)), "(\\Seen \\Draft $Work)");
        assert_eq!(put(Flags::keyword(9)), "()");
    }

    #[test]
    fn identifiers_are_read_back() {
        let message = MessageId::from_bytes([0xa5; 16]);
        let mut out = Vec::new();
        put_email_id(&mut out, message);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, format!("M{}", "a5".repeat(16)));
        assert_eq!(email_id(&text), Some(message));
        assert_eq!(email_id("M00"), None);
        assert_eq!(email_id(&text[1..]), None);
    }
}

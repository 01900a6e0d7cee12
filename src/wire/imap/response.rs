//! Status responses (RFC 9051 §7.1) and continuation requests (§7.6): how a command ended, with a response
//! code. Texts are constants: they cannot carry content, names or the wording of inner errors.

use super::text::{put_number, put_set};

/// What a status response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is done, or a notice.
    Ok,
    /// It cannot be done.
    No,
    /// It is no command, or a warning about one.
    Bad,
    /// The connection ends; never tagged.
    Bye,
    /// The client is logged in from the start; never tagged.
    PreAuth,
}

/// A response code (RFC 9051 §7.1, RFC 5530, and what defines the extension).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// ALERT: people must read the text.
    Alert,
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID
    AppendUid {
        /// UIDVALIDITY of the folder.
        uid_validity: u32,
        /// The UID of the message.
        uid: u32,
    },
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// AUTHORIZATIONFAILED
    AuthorizationFailed,
    /// BADCHARSET, with the charsets that are known for sure.
    BadCharset,
    /// CANNOT
    Cannot,
    /// CAPABILITY
    Capability(&'a [&'a str]),
    /// CLIENTBUG
    ClientBug,
    /// CLOSED (RFC 7162 §3.2.11)
    Closed,
    /// COMPRESSIONACTIVE (RFC 4978 §3)
    CompressionActive,
    /// COPYUID; the UIDs stand in the same order, and there is at least one.
    CopyUid {
        /// UIDVALIDITY of the folder copied to.
        uid_validity: u32,
        /// UIDs of the messages copied.
        from: &'a [u32],
        /// UIDs of the copies.
        to: &'a [u32],
    },
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// HASCHILDREN
    HasChildren,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.1)
    HighestModSeq(u64),
    /// INUSE
    InUse,
    /// LIMIT
    Limit,
    /// MAILBOXID (RFC 8474 §4)
    MailboxId(&'a str),
    /// MODIFIED (RFC 7162 §3.1.3): numbers or UIDs, at least one.
    Modified(&'a [u32]),
    /// NOMODSEQ (RFC 7162 §3.1.2.2)
    NoModSeq,
    /// NONEXISTENT
    NonExistent,
    /// NOPERM
    NoPermission,
    /// NOTSAVED (RFC 5182 §2.1)
    NotSaved,
    /// OVERQUOTA (RFC 9208 §4.3)
    OverQuota,
    /// PERMANENTFLAGS, `\*` among them if keywords can be made.
    PermanentFlags(&'a [&'a str]),
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG (RFC 4469 §4.2)
    TooBig,
    /// TRYCREATE
    TryCreate,
    /// UIDNEXT
    UidNext(u32),
    /// UIDVALIDITY
    UidValidity(u32),
    /// UNAVAILABLE
    Unavailable,
    /// UNKNOWN-CTE (RFC 3516 §4.3)
    UnknownCte,
    /// UNSEEN: the number of the first message that is not seen (RFC 3501 §7.1; RFC 9051 has none).
    Unseen(u32),
}

/// The response that ends the command with this tag; `BAD` without one if it had no valid tag.
pub fn put_tagged(
    out: &mut Vec<u8>,
    tag: Option<&str>,
    condition: Condition,
    code: Option<Code<'_>>,
    text: &'static str,
) {
    out.extend_from_slice(tag.unwrap_or("*").as_bytes());
    put_status_text(out, condition, code, text);
}

/// A status response that ends no command.
pub fn put_untagged(out: &mut Vec<u8>, condition: Condition, code: Option<Code<'_>>, text: &'static str) {
    put_tagged(out, None, condition, code, text);
}

/// A continuation request: `+ text`. The text may be a SASL challenge, in base64, or empty.
pub fn put_continuation(out: &mut Vec<u8>, text: &'static str) {
    out.extend_from_slice(b"+ ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A list of words in parentheses, as flags are given.
pub fn put_words<'a>(out: &mut Vec<u8>, words: impl IntoIterator<Item = &'a str>) {
    out.push(b'(');
    put_separated(out, words);
    out.push(b')');
}

pub(super) fn put_separated<'a>(out: &mut Vec<u8>, words: impl IntoIterator<Item = &'a str>) {
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
}

fn put_status_text(out: &mut Vec<u8>, condition: Condition, code: Option<Code<'_>>, text: &'static str) {
    out.extend_from_slice(match condition {
        Condition::Ok => b" OK ",
        Condition::No => b" NO ",
        Condition::Bad => b" BAD ",
        Condition::Bye => b" BYE ",
        Condition::PreAuth => b" PREAUTH ",
    });
    if let Some(code) = code {
        out.push(b'[');
        put_code(out, code);
        out.extend_from_slice(b"] ");
    }
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn put_code(out: &mut Vec<u8>, code: Code<'_>) {
    out.extend_from_slice(code.name().as_bytes());
    match code {
        Code::AppendUid { uid_validity, uid } => {
            put_spaced(out, uid_validity.into());
            put_spaced(out, uid.into());
        }
        Code::CopyUid { uid_validity, from, to } => {
            put_spaced(out, uid_validity.into());
            for uids in [from, to] {
                out.push(b' ');
                put_set(out, uids.iter().copied());
            }
        }
        Code::Modified(numbers) => {
            out.push(b' ');
            put_set(out, numbers.iter().copied());
        }
        Code::HighestModSeq(number) => put_spaced(out, number),
        Code::UidNext(number) | Code::UidValidity(number) | Code::Unseen(number) => {
            put_spaced(out, number.into());
        }
        Code::Capability(words) => {
            out.push(b' ');
            put_separated(out, words.iter().copied());
        }
        Code::PermanentFlags(flags) => {
            out.push(b' ');
            put_words(out, flags.iter().copied());
        }
        Code::MailboxId(id) => {
            out.push(b' ');
            put_words(out, [id]);
        }
        Code::BadCharset => out.extend_from_slice(b" (US-ASCII UTF-8)"),
        _ => {}
    }
}

fn put_spaced(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    put_number(out, number);
}

impl Code<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid { .. } => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::CopyUid { .. } => "COPYUID",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MailboxId(_) => "MAILBOXID",
            Self::Modified(_) => "MODIFIED",
            Self::NoModSeq => "NOMODSEQ",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPermission => "NOPERM",
            Self::NotSaved => "NOTSAVED",
            Self::OverQuota => "OVERQUOTA",
            Self::PermanentFlags(_) => "PERMANENTFLAGS",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn code(code: Code<'_>) -> String {
        let line = written(|out| put_untagged(out, Condition::Ok, Some(code), "x"));
        line.strip_prefix("* OK [").unwrap().strip_suffix("] x\r\n").unwrap().to_owned()
    }

    #[test]
    fn conditions_stand_behind_the_tag() {
        let tagged = |condition| written(|out| put_tagged(out, Some("a1"), condition, None, "text"));
        assert_eq!(tagged(Condition::Ok), "a1 OK text\r\n");
        assert_eq!(tagged(Condition::No), "a1 NO text\r\n");
        assert_eq!(tagged(Condition::Bad), "a1 BAD text\r\n");
        assert_eq!(written(|out| put_untagged(out, Condition::Bye, None, "text")), "* BYE text\r\n");
        assert_eq!(written(|out| put_untagged(out, Condition::PreAuth, None, "text")), "* PREAUTH text\r\n");
        assert_eq!(written(|out| put_tagged(out, None, Condition::Bad, None, "text")), "* BAD text\r\n");
        assert_eq!(written(|out| put_continuation(out, "")), "+ \r\n");
        assert_eq!(written(|out| put_continuation(out, "idling")), "+ idling\r\n");
    }

    #[test]
    fn codes_are_those_of_the_rfcs() {
        for (given, expected) in [
            (Code::AppendUid { uid_validity: 38505, uid: 3955 }, "APPENDUID 38505 3955"),
            (
                Code::CopyUid { uid_validity: 38505, from: &[304, 319, 320], to: &[3956, 3957, 3958] },
                "COPYUID 38505 304,319:320 3956:3958",
            ),
            (Code::Modified(&[7, 9]), "MODIFIED 7,9"),
            (Code::HighestModSeq(715_194_045_007), "HIGHESTMODSEQ 715194045007"),
            (Code::UidNext(4392), "UIDNEXT 4392"),
            (Code::UidValidity(3_857_529_045), "UIDVALIDITY 3857529045"),
            (Code::Unseen(12), "UNSEEN 12"),
            (Code::PermanentFlags(&["\\Deleted", "\\Seen", "\\*"]), "PERMANENTFLAGS (\\Deleted \\Seen \\*)"),
            (Code::PermanentFlags(&[]), "PERMANENTFLAGS ()"),
            (Code::Capability(&["IMAP4rev1", "IDLE"]), "CAPABILITY IMAP4rev1 IDLE"),
            (Code::MailboxId("F2212ea87"), "MAILBOXID (F2212ea87)"),
            (Code::BadCharset, "BADCHARSET (US-ASCII UTF-8)"),
            (Code::UnknownCte, "UNKNOWN-CTE"),
            (Code::ReadOnly, "READ-ONLY"),
            (Code::TooBig, "TOOBIG"),
        ] {
            assert_eq!(code(given), expected);
        }
    }
}

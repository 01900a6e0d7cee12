//! What a server tells of itself, of folders and of messages (RFC 9051 §7.2 to §7.4), FETCH excepted, which
//! [`super::text`] has the pieces for.

use crate::mailbox::SEPARATOR;

use super::response::{put_separated, put_words};
use super::text::{put_number, put_set, put_string};
use super::{Modes, StatusItem, mailbox_name};

/// CAPABILITY
pub fn put_capability(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(b"* CAPABILITY ");
    put_separated(out, words.iter().copied());
    end(out);
}

/// ENABLED (RFC 5161 §3.2); there may be no names.
pub fn put_enabled(out: &mut Vec<u8>, names: &[&str]) {
    out.extend_from_slice(b"* ENABLED");
    for name in names {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
    }
    end(out);
}

/// ID (RFC 2971 §3.2): names and values; NIL for none.
pub fn put_id(out: &mut Vec<u8>, fields: &[(&str, &str)]) {
    out.extend_from_slice(b"* ID ");
    if fields.is_empty() {
        out.extend_from_slice(b"NIL");
    }
    for (index, (name, value)) in fields.iter().enumerate() {
        out.push(if index == 0 { b'(' } else { b' ' });
        put_string(out, name.as_bytes());
        out.push(b' ');
        put_string(out, value.as_bytes());
    }
    if !fields.is_empty() {
        out.push(b')');
    }
    end(out);
}

/// NAMESPACE (RFC 2342 §5): all folders are personal, and none has a prefix.
pub fn put_namespace(out: &mut Vec<u8>) {
    out.extend_from_slice(b"* NAMESPACE ((\"\" ");
    put_separator(out);
    out.extend_from_slice(b")) NIL NIL\r\n");
}

/// FLAGS: the flags in use in the folder.
pub fn put_flags<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a str>) {
    out.extend_from_slice(b"* FLAGS ");
    put_words(out, flags);
    end(out);
}

/// EXISTS: how many messages the folder has.
pub fn put_exists(out: &mut Vec<u8>, messages: u32) {
    put_about(out, messages, b" EXISTS\r\n");
}

/// RECENT (RFC 3501 §7.3.2).
pub fn put_recent(out: &mut Vec<u8>, messages: u32) {
    put_about(out, messages, b" RECENT\r\n");
}

/// EXPUNGE: the message with this number is gone, and those behind it move up.
pub fn put_expunge(out: &mut Vec<u8>, number: u32) {
    put_about(out, number, b" EXPUNGE\r\n");
}

/// When the messages of VANISHED went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vanished {
    /// Now: numbers move up.
    Now,
    /// Before the client asked: they have no numbers.
    Earlier,
}

/// VANISHED (RFC 7162 §3.2.10): the messages with these UIDs, rising, are gone. Nothing for none.
pub fn put_vanished(out: &mut Vec<u8>, when: Vanished, uids: &[u32]) {
    if uids.is_empty() {
        return;
    }
    out.extend_from_slice(match when {
        Vanished::Now => b"* VANISHED ",
        Vanished::Earlier => b"* VANISHED (EARLIER) ",
    });
    put_set(out, uids.iter().copied());
    end(out);
}

/// A folder in LIST or LSUB (RFC 9051 §7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its path; empty for the root.
    pub path: &'a str,
    /// `\HasNoChildren` and so on.
    pub attributes: &'a [&'a str],
    /// The name it had, or was asked for by (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a str>,
    /// Folders below it match and are subscribed (RFC 5258 §3.5).
    pub child_subscribed: bool,
}

/// LIST
pub fn put_list(out: &mut Vec<u8>, folder: &Listed<'_>, modes: Modes) {
    put_listed(out, b"* LIST ", folder, modes);
}

/// LSUB (RFC 3501 §7.2.3), which has no extended items.
pub fn put_lsub(out: &mut Vec<u8>, folder: &Listed<'_>, modes: Modes) {
    put_listed(out, b"* LSUB ", &Listed { old_name: None, child_subscribed: false, ..*folder }, modes);
}

/// What STATUS says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusValue<'a> {
    /// A number.
    Number(u64),
    /// An identifier (RFC 8474 §4.3).
    ObjectId(&'a str),
    /// There is no limit (RFC 7889 §5).
    Nil,
}

/// STATUS
pub fn put_status(out: &mut Vec<u8>, path: &str, items: &[(StatusItem, StatusValue<'_>)], modes: Modes) {
    out.extend_from_slice(b"* STATUS ");
    put_mailbox(out, path, modes);
    for (index, (item, value)) in items.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b" (" } else { b" " });
        out.extend_from_slice(status_name(*item).as_bytes());
        out.push(b' ');
        match value {
            StatusValue::Number(number) => put_number(out, *number),
            StatusValue::ObjectId(id) => put_words(out, [*id]),
            StatusValue::Nil => out.extend_from_slice(b"NIL"),
        }
    }
    out.extend_from_slice(if items.is_empty() { b" ()\r\n" } else { b")\r\n" });
}

/// QUOTAROOT (RFC 9208 §4.2.2) of a folder without any: nothing is limited.
pub fn put_quota_root(out: &mut Vec<u8>, path: &str, modes: Modes) {
    out.extend_from_slice(b"* QUOTAROOT ");
    put_mailbox(out, path, modes);
    out.extend_from_slice(b"\r\n");
}

/// A mailbox name in the encoding of the session.
pub fn put_mailbox(out: &mut Vec<u8>, path: &str, modes: Modes) {
    let name = mailbox_name::encode(path, modes.utf8);
    if name.is_ascii() || name.len() > MAX_QUOTED {
        return put_string(out, name.as_bytes());
    }
    // RFC 9755 §3: quoted strings hold UTF-8.
    out.push(b'"');
    for octet in name.bytes() {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

fn put_listed(out: &mut Vec<u8>, name: &[u8], folder: &Listed<'_>, modes: Modes) {
    out.extend_from_slice(name);
    put_words(out, folder.attributes.iter().copied());
    out.push(b' ');
    put_separator(out);
    out.push(b' ');
    put_mailbox(out, folder.path, modes);
    let mut before = &b" ("[..];
    if folder.child_subscribed {
        out.extend_from_slice(b" (\"CHILDINFO\" (\"SUBSCRIBED\")");
        before = b" ";
    }
    if let Some(old_name) = folder.old_name {
        out.extend_from_slice(before);
        out.extend_from_slice(b"\"OLDNAME\" (");
        put_mailbox(out, old_name, modes);
        out.push(b')');
    }
    if folder.child_subscribed || folder.old_name.is_some() {
        out.push(b')');
    }
    end(out);
}

fn put_separator(out: &mut Vec<u8>) {
    put_string(out, SEPARATOR.to_string().as_bytes());
}

fn put_about(out: &mut Vec<u8>, number: u32, what: &[u8]) {
    out.extend_from_slice(b"* ");
    put_number(out, number.into());
    out.extend_from_slice(what);
}

fn status_name(item: StatusItem) -> &'static str {
    match item {
        StatusItem::Messages => "MESSAGES",
        StatusItem::Recent => "RECENT",
        StatusItem::UidNext => "UIDNEXT",
        StatusItem::UidValidity => "UIDVALIDITY",
        StatusItem::Unseen => "UNSEEN",
        StatusItem::Deleted => "DELETED",
        StatusItem::Size => "SIZE",
        StatusItem::HighestModSeq => "HIGHESTMODSEQ",
        StatusItem::MailboxId => "MAILBOXID",
        StatusItem::AppendLimit => "APPENDLIMIT",
        StatusItem::DeletedStorage => "DELETED-STORAGE",
    }
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Longer names go as literals: clients limit their lines (RFC 7162 §4 names 8192 octets).
const MAX_QUOTED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const REV1: Modes = Modes { utf8: false };
    const UTF8: Modes = Modes { utf8: true };

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_server_tells_of_itself() {
        assert_eq!(
            written(|out| put_capability(out, &["IMAP4rev2", "STARTTLS"])),
            "* CAPABILITY IMAP4rev2 STARTTLS\r\n"
        );
        assert_eq!(written(|out| put_enabled(out, &["CONDSTORE", "X"])), "* ENABLED CONDSTORE X\r\n");
        assert_eq!(written(|out| put_enabled(out, &[])), "* ENABLED\r\n");
        assert_eq!(written(|out| put_id(out, &[])), "* ID NIL\r\n");
        assert_eq!(
            written(|out| put_id(out, &[("name", "x"), ("os", "\"")])),
            "* ID (\"name\" \"x\" \"os\" \"\\\"\")\r\n"
        );
        assert_eq!(written(put_namespace), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
        assert_eq!(written(|out| put_quota_root(out, "INBOX", REV1)), "* QUOTAROOT \"INBOX\"\r\n");
    }

    #[test]
    fn folders_have_names_in_the_encoding_of_the_session() {
        let folder =
            Listed {
                path: "a/ü", attributes: &["\\HasNoChildren"], old_name: None, child_subscribed: false
            };
        let list = |folder: &Listed<'_>, modes| written(|out| put_list(out, folder, modes));
        assert_eq!(list(&folder, REV1), "* LIST (\\HasNoChildren) \"/\" \"a/&APw-\"\r\n");
        assert_eq!(list(&folder, UTF8), "* LIST (\\HasNoChildren) \"/\" \"a/ü\"\r\n");
        assert_eq!(
            list(&Listed { path: "ü\"", attributes: &[], ..folder }, UTF8),
            "* LIST () \"/\" \"ü\\\"\"\r\n"
        );
        let long = "ü".repeat(600);
        assert!(list(&Listed { path: &long, ..folder }, UTF8).contains("{1200}\r\nü"));
        let old = Listed { old_name: Some("ö"), ..folder };
        assert_eq!(
            list(&old, REV1),
            "* LIST (\\HasNoChildren) \"/\" \"a/&APw-\" (\"OLDNAME\" (\"&APY-\"))\r\n"
        );
        let child = Listed { child_subscribed: true, path: "x", ..folder };
        assert_eq!(
            list(&child, REV1),
            "* LIST (\\HasNoChildren) \"/\" \"x\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        );
        assert_eq!(
            list(&Listed { old_name: Some("y"), ..child }, REV1),
            "* LIST (\\HasNoChildren) \"/\" \"x\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"y\"))\r\n"
        );
        assert_eq!(written(|out| put_lsub(out, &child, REV1)), "* LSUB (\\HasNoChildren) \"/\" \"x\"\r\n");
    }

    #[test]
    fn status_has_values_of_three_kinds() {
        let items = [
            (StatusItem::Messages, StatusValue::Number(231)),
            (StatusItem::MailboxId, StatusValue::ObjectId("F22")),
            (StatusItem::AppendLimit, StatusValue::Nil),
        ];
        assert_eq!(
            written(|out| put_status(out, "x", &items, REV1)),
            "* STATUS \"x\" (MESSAGES 231 MAILBOXID (F22) APPENDLIMIT NIL)\r\n"
        );
        assert_eq!(written(|out| put_status(out, "x", &[], REV1)), "* STATUS \"x\" ()\r\n");
    }

    #[test]
    fn folders_tell_of_their_messages() {
        assert_eq!(written(|out| put_flags(out, ["\\Seen", "$Work"])), "* FLAGS (\\Seen $Work)\r\n");
        assert_eq!(written(|out| put_exists(out, 23)), "* 23 EXISTS\r\n");
        assert_eq!(written(|out| put_recent(out, 0)), "* 0 RECENT\r\n");
        assert_eq!(written(|out| put_expunge(out, 44)), "* 44 EXPUNGE\r\n");
        assert_eq!(
            written(|out| put_vanished(out, Vanished::Now, &[405, 407, 410, 411])),
            "* VANISHED 405,407,410:411\r\n"
        );
        assert_eq!(written(|out| put_vanished(out, Vanished::Earlier, &[41])), "* VANISHED (EARLIER) 41\r\n");
        assert_eq!(written(|out| put_vanished(out, Vanished::Earlier, &[])), "");
    }
}

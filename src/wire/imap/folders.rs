//! Commands that name folders, LIST (RFC 5258, RFC 5819, RFC 6154) and STATUS among them, as far as `imap-codec`
//! cannot read them.

use imap_types::status::StatusDataItemName;

use super::argument::Argument;
use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};
use super::{CommandBody, ListReturn, ListSelection, StatusItem, mailbox_name};

/// RFC 6154 §5.3: `CREATE mailbox (USE (\Use …))`.
pub(super) fn parse_create(mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    let path = cursor.mailbox()?;
    if cursor.left() == 0 {
        return Ok(CommandBody::Create { path, special_use: false });
    }
    if !cursor.skip_word(" (USE ") {
        return Err(Argument::Use.into());
    }
    let uses = cursor.list0(MAX_OPTIONS, |cursor| cursor.name()).map_err(|_| Argument::Use)?;
    cursor.octet(b')').map_err(|_| Argument::Use)?;
    cursor.end()?;
    if uses.iter().any(|name| !name.starts_with('\\')) {
        return Err(Argument::Use.into());
    }
    Ok(CommandBody::Create { path, special_use: !uses.is_empty() })
}

/// DELETE, SUBSCRIBE, UNSUBSCRIBE, GETQUOTAROOT and RENAME.
pub(super) fn parse_names(verb: &str, mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    let path = cursor.mailbox()?;
    let body = match verb {
        "DELETE" => CommandBody::Delete(path),
        "SUBSCRIBE" => CommandBody::Subscribe(path),
        "UNSUBSCRIBE" => CommandBody::Unsubscribe(path),
        "GETQUOTAROOT" => CommandBody::GetQuotaRoot(path),
        _ => {
            cursor.space()?;
            CommandBody::Rename { from: path, to: cursor.mailbox()? }
        }
    };
    cursor.end()?;
    Ok(body)
}

/// `COPY numbers mailbox`, and MOVE.
pub(super) fn parse_filing(verb: &str, mut cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.space()?;
    let numbers = cursor.numbers()?;
    cursor.space()?;
    let path = cursor.mailbox()?;
    cursor.end()?;
    Ok(match verb {
        "MOVE" => CommandBody::Move { numbers, path, uid },
        _ => CommandBody::Copy { numbers, path, uid },
    })
}

/// STATUS with items of RFC 7889, RFC 8474.
pub(super) fn parse_status(mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    let path = cursor.mailbox()?;
    cursor.space()?;
    let items = cursor.list(MAX_OPTIONS, read_status_item)?;
    cursor.end()?;
    status(path, items)
}

/// STATUS, however it was read.
pub(super) fn status(path: String, items: Vec<StatusItem>) -> Parsed<CommandBody> {
    if items.is_empty() {
        return Err(Argument::StatusItem.into());
    }
    Ok(CommandBody::Status { path, items })
}

/// RFC 5258 §6: `LIST [(selection)] reference patterns [RETURN (options)]`.
pub(super) fn parse_list(mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    let mut selection = ListSelection::default();
    if cursor.peek() == Some(b'(') {
        selection = parse_selection(&mut cursor)?;
        cursor.space()?;
    }
    let utf8 = cursor.modes().utf8;
    let reference =
        mailbox_name::decode_pattern(&cursor.astring()?, utf8).ok_or(CommandErrorKind::MailboxName)?;
    cursor.space()?;
    let patterns = match cursor.peek() {
        Some(b'(') => cursor.list(MAX_PATTERNS, pattern)?,
        _ => vec![pattern(&mut cursor)?],
    };
    let mut returns = ListReturn { extended: true, ..ListReturn::default() };
    if cursor.skip_word(" RETURN ") {
        parse_returns(&mut cursor, &mut returns)?;
    }
    cursor.end()?;
    Ok(CommandBody::List { reference, patterns, selection, returns, lsub: false })
}

/// `list-mailbox`: an astring that may hold `%` and `*`.
fn pattern(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let utf8 = cursor.modes().utf8;
    let octets = match cursor.peek() {
        Some(b'"' | b'{') => cursor.string()?,
        _ => match cursor.take_while(|octet| octet.is_ascii_graphic() && !b"(){\"\\".contains(&octet)) {
            [] => return Err(Argument::Mailbox.into()),
            atom => atom.into(),
        },
    };
    mailbox_name::decode_pattern(&octets, utf8).ok_or(CommandErrorKind::MailboxName)
}

fn parse_selection(cursor: &mut Cursor<'_>) -> Parsed<ListSelection> {
    let mut selection = ListSelection::default();
    for option in cursor.list0(MAX_OPTIONS, |cursor| cursor.name())? {
        match option.as_str() {
            "SUBSCRIBED" => selection.subscribed = true,
            "SPECIAL-USE" => selection.special_use = true,
            "RECURSIVEMATCH" => selection.recursive_match = true,
            // RFC 5258 §3.1: there are no remote folders, so this adds none.
            "REMOTE" => {}
            _ => return Err(Argument::ListOption.into()),
        }
    }
    // RFC 5258 §3.1: RECURSIVEMATCH cannot stand alone.
    if selection.recursive_match && !selection.subscribed && !selection.special_use {
        return Err(Argument::ListOption.into());
    }
    Ok(selection)
}

fn parse_returns(cursor: &mut Cursor<'_>, returns: &mut ListReturn) -> Parsed<()> {
    cursor.list0(MAX_OPTIONS, |cursor| {
        match cursor.name()?.as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                cursor.space()?;
                returns.status = cursor.list(MAX_OPTIONS, read_status_item)?;
            }
            _ => return Err(Argument::ListOption.into()),
        }
        Ok(())
    })?;
    Ok(())
}

fn read_status_item(cursor: &mut Cursor<'_>) -> Parsed<StatusItem> {
    Ok(match cursor.name().map_err(|_| Argument::StatusItem)?.as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "SIZE" => StatusItem::Size,
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        "MAILBOXID" => StatusItem::MailboxId,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        _ => return Err(Argument::StatusItem.into()),
    })
}

/// A status item as `imap-codec` has it.
pub(super) fn status_item(name: &StatusDataItemName) -> StatusItem {
    match name {
        StatusDataItemName::Messages => StatusItem::Messages,
        StatusDataItemName::Recent => StatusItem::Recent,
        StatusDataItemName::UidNext => StatusItem::UidNext,
        StatusDataItemName::UidValidity => StatusItem::UidValidity,
        StatusDataItemName::Unseen => StatusItem::Unseen,
        StatusDataItemName::Deleted => StatusItem::Deleted,
        StatusDataItemName::DeletedStorage => StatusItem::DeletedStorage,
        StatusDataItemName::Size => StatusItem::Size,
        StatusDataItemName::HighestModSeq => StatusItem::HighestModSeq,
    }
}

/// Options in one list; there are not so many.
const MAX_OPTIONS: usize = 32;
/// Patterns in one LIST.
const MAX_PATTERNS: usize = 32;

//! What `imap-codec` reads, as our types: its values borrow, keep every spelling, and know more than we do.

use imap_types::command::{CommandBody as Read, SelectParameter, StoreModifier};
use imap_types::core::AString;
use imap_types::extensions::binary::LiteralOrLiteral8;
use imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_types::mailbox::{ListMailbox, Mailbox};
use imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use zeroize::Zeroizing;

use crate::mailbox::{FlagChange, FlagEdit, Flags, MAX_KEYWORD, MAX_KEYWORDS};

use super::argument::Argument;
use super::parse::{CommandErrorKind, Modes, Parsed};
use super::{
    AppendMessage, CommandBody, ListReturn, ListSelection, Numbers, Qresync, SelectMode, SetElement, fetch,
    folders, mailbox_name, search,
};

/// The command of ours that it is.
pub(super) fn command_body(read: Read<'_>, modes: Modes) -> Parsed<CommandBody> {
    match read {
        Read::Capability => Ok(CommandBody::Capability),
        Read::Noop => Ok(CommandBody::Noop),
        Read::Logout => Ok(CommandBody::Logout),
        Read::Id { .. } => Ok(CommandBody::Id),
        Read::StartTLS => Ok(CommandBody::StartTls),
        Read::Enable { capabilities } => {
            let names = capabilities.as_ref().iter().map(|name| name.to_string().to_ascii_uppercase());
            Ok(CommandBody::Enable(names.collect()))
        }
        Read::Namespace => Ok(CommandBody::Namespace),
        Read::Idle => Ok(CommandBody::Idle),
        Read::Compress { .. } => Ok(CommandBody::Compress),
        Read::Check => Ok(CommandBody::Check),
        Read::Close => Ok(CommandBody::Close),
        Read::Unselect => Ok(CommandBody::Unselect),
        read => folder_command(read, modes),
    }
}

fn folder_command(read: Read<'_>, modes: Modes) -> Parsed<CommandBody> {
    let path = |name: &Mailbox<'_>| mailbox(name, modes);
    Ok(match read {
        Read::Select { mailbox, parameters } => select(path(&mailbox)?, SelectMode::ReadWrite, parameters)?,
        Read::Examine { mailbox, parameters } => select(path(&mailbox)?, SelectMode::ReadOnly, parameters)?,
        Read::Create { mailbox } => CommandBody::Create { path: path(&mailbox)?, special_use: false },
        Read::Delete { mailbox } => CommandBody::Delete(path(&mailbox)?),
        Read::Rename { from, to } => CommandBody::Rename { from: path(&from)?, to: path(&to)? },
        Read::Subscribe { mailbox } => CommandBody::Subscribe(path(&mailbox)?),
        Read::Unsubscribe { mailbox } => CommandBody::Unsubscribe(path(&mailbox)?),
        Read::List { reference, mailbox_wildcard } => list(&reference, &mailbox_wildcard, false, modes)?,
        Read::Lsub { reference, mailbox_wildcard } => list(&reference, &mailbox_wildcard, true, modes)?,
        Read::Status { mailbox, item_names } => {
            let items = item_names.iter().map(folders::status_item).collect();
            folders::status(path(&mailbox)?, items)?
        }
        Read::Append { mailbox, flags, date, message } => {
            let flags = flag_change(FlagEdit::Replace, &flags)?;
            let received = date.map(|date| date.as_ref().timestamp());
            let octets = match message {
                LiteralOrLiteral8::Literal(literal) => Zeroizing::new(literal.as_ref().to_vec()),
                LiteralOrLiteral8::Literal8(literal) => Zeroizing::new(literal.data.to_vec()),
            };
            CommandBody::Append { path: path(&mailbox)?, message: AppendMessage { flags, received, octets } }
        }
        Read::GetQuota { root } => CommandBody::GetQuota(text(&root)?),
        Read::GetQuotaRoot { mailbox } => CommandBody::GetQuotaRoot(path(&mailbox)?),
        Read::SetQuota { .. } => CommandBody::SetQuota,
        read => message_command(read, modes)?,
    })
}

fn message_command(read: Read<'_>, modes: Modes) -> Parsed<CommandBody> {
    Ok(match read {
        Read::Expunge => CommandBody::Expunge { uids: None },
        Read::ExpungeUid { sequence_set } => CommandBody::Expunge { uids: Some(numbers(&sequence_set)) },
        Read::Copy { sequence_set, mailbox: name, uid } => {
            CommandBody::Copy { numbers: numbers(&sequence_set), path: mailbox(&name, modes)?, uid }
        }
        Read::Move { sequence_set, mailbox: name, uid } => {
            CommandBody::Move { numbers: numbers(&sequence_set), path: mailbox(&name, modes)?, uid }
        }
        Read::Store { sequence_set, kind, response, flags, uid, modifiers } => {
            let edit = match kind {
                StoreType::Replace => FlagEdit::Replace,
                StoreType::Add => FlagEdit::Add,
                StoreType::Remove => FlagEdit::Remove,
            };
            CommandBody::Store {
                numbers: numbers(&sequence_set),
                change: flag_change(edit, &flags)?,
                silent: response == StoreResponse::Silent,
                unchanged_since: unchanged_since(&modifiers)?,
                uid,
            }
        }
        Read::Fetch { sequence_set, macro_or_item_names, uid, modifiers } => {
            fetch::translate(numbers(&sequence_set), macro_or_item_names, &modifiers, uid)?
        }
        Read::Search { charset, criteria, uid } => search::translate_search(charset, criteria, uid)?,
        Read::Sort { sort_criteria, charset, search_criteria, uid } => {
            search::translate_sort(sort_criteria, &charset, search_criteria, uid)?
        }
        Read::Thread { algorithm, charset, search_criteria, uid } => {
            search::translate_thread(&algorithm, &charset, search_criteria, uid)?
        }
        // LOGIN and AUTHENTICATE, which are not given to it.
        _ => return Err(CommandErrorKind::Unknown),
    })
}

fn mailbox(name: &Mailbox<'_>, modes: Modes) -> Parsed<String> {
    let octets = match name {
        Mailbox::Inbox => b"INBOX",
        Mailbox::Other(other) => other.as_ref(),
    };
    mailbox_name::decode(octets, modes.utf8).ok_or(CommandErrorKind::MailboxName)
}

/// A sequence set.
pub(super) fn numbers(set: &SequenceSet) -> Numbers {
    let end = |end: SeqOrUid| match end {
        SeqOrUid::Value(number) => Some(number.get()),
        SeqOrUid::Asterisk => None,
    };
    let element = |element: &Sequence| match *element {
        Sequence::Single(number) => SetElement { from: end(number), to: end(number) },
        Sequence::Range(from, to) => SetElement { from: end(from), to: end(to) },
    };
    Numbers::Set(set.0.as_ref().iter().map(element).collect())
}

fn select(path: String, mode: SelectMode, parameters: Vec<SelectParameter>) -> Parsed<CommandBody> {
    let (mut condstore, mut qresync) = (false, None);
    for parameter in parameters {
        match parameter {
            SelectParameter::CondStore => condstore = true,
            SelectParameter::QResync { .. } if qresync.is_some() => {
                return Err(Argument::SelectParameter.into());
            }
            SelectParameter::QResync { uid_validity, mod_sequence_value, known_uids, seq_match_data } => {
                qresync = Some(Qresync {
                    uid_validity: uid_validity.get(),
                    mod_seq: mod_sequence_value.get(),
                    known: known_uids.as_ref().map(without_star).transpose()?,
                    matched: match seq_match_data {
                        Some((numbers, uids)) => Some((without_star(&numbers)?, without_star(&uids)?)),
                        None => None,
                    },
                });
            }
        }
    }
    Ok(CommandBody::Select { path, mode, condstore, qresync })
}

/// RFC 7162 §7: `*` is not allowed in what a client knows.
fn without_star(set: &SequenceSet) -> Parsed<Numbers> {
    match numbers(set) {
        Numbers::Set(elements)
            if elements.iter().any(|element| element.from.is_none() || element.to.is_none()) =>
        {
            Err(Argument::Qresync.into())
        }
        numbers => Ok(numbers),
    }
}

fn list(reference: &Mailbox<'_>, pattern: &ListMailbox<'_>, lsub: bool, modes: Modes) -> Parsed<CommandBody> {
    let reference = match reference {
        Mailbox::Inbox => b"INBOX",
        Mailbox::Other(other) => other.as_ref(),
    };
    let pattern = match pattern {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    let decode =
        |octets| mailbox_name::decode_pattern(octets, modes.utf8).ok_or(CommandErrorKind::MailboxName);
    Ok(CommandBody::List {
        reference: decode(reference)?,
        patterns: vec![decode(pattern)?],
        selection: ListSelection::default(),
        returns: ListReturn::default(),
        lsub,
    })
}

/// RFC 9051 §2.3.2: a client can set the five system flags and keywords, nothing else with a backslash.
fn flag_change(edit: FlagEdit, flags: &[Flag<'_>]) -> Parsed<FlagChange> {
    let mut change = FlagChange { edit, system: Flags::none(), keywords: Vec::new() };
    for flag in flags {
        let system = match flag {
            Flag::Answered => Flags::ANSWERED,
            Flag::Deleted => Flags::DELETED,
            Flag::Draft => Flags::DRAFT,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Seen => Flags::SEEN,
            Flag::Extension(_) => return Err(Argument::Flags.into()),
            Flag::Keyword(keyword) => {
                if keyword.as_ref().len() > MAX_KEYWORD {
                    return Err(Argument::Flags.into());
                }
                change.keywords.push(keyword.as_ref().to_owned());
                continue;
            }
        };
        change.system = change.system.with(system);
    }
    if change.keywords.len() > MAX_KEYWORDS { Err(CommandErrorKind::TooMany) } else { Ok(change) }
}

fn unchanged_since(modifiers: &[StoreModifier]) -> Parsed<Option<u64>> {
    match modifiers {
        [] => Ok(None),
        [StoreModifier::UnchangedSince(mod_seq)] if *mod_seq <= i64::MAX as u64 => Ok(Some(*mod_seq)),
        _ => Err(Argument::StoreModifier.into()),
    }
}

fn text(text: &AString<'_>) -> Parsed<String> {
    std::str::from_utf8(text.as_ref()).map(str::to_owned).map_err(|_| Argument::Text.into())
}

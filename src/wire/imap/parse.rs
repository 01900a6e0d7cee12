//! A command's octets, as [`super::framing`] cut them, to a [`Command`]. The grammar is `imap-codec`'s; a
//! command that it cannot read is given to the reader beside it that knows what it lacks.
//!
//! LOGIN and AUTHENTICATE are read here: `imap-codec` would leave copies of passwords in memory.

use std::borrow::Cow;
use std::fmt;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use zeroize::Zeroizing;

use crate::wire::sasl::{Credentials, PasswordText};

use super::argument::{Argument, diagnose};
use super::cursor::Cursor;
use super::framing::Head;
use super::{Command, CommandBody, Numbers, SelectMode, append, fetch, folders, search, select, translate};

/// What the client has enabled, as far as it changes how commands are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// UTF8=ACCEPT or IMAP4rev2: mailbox names are UTF-8, and quoted strings may hold it.
    pub utf8: bool,
}

/// Why octets are no command. The client's doing.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct CommandError {
    /// The tag to answer with; none if there is no valid one.
    pub tag: Option<String>,
    /// What is wrong.
    pub kind: CommandErrorKind,
}

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandErrorKind {
    /// There is no such command: `BAD`.
    #[error("unknown command")]
    Unknown,
    /// Its arguments are not as its grammar says: `BAD`.
    #[error("the arguments do not have the command's form")]
    Arguments,
    /// This argument is not as the grammar says: `BAD`.
    #[error("{}", .0.text())]
    Wrong(Argument),
    /// A mailbox name is not in the encoding of the session, or holds control characters: `NO [CANNOT]`, for
    /// it is a string, as the grammar has it (RFC 9051 §5.1).
    #[error("a mailbox name that is none")]
    MailboxName,
    /// Texts to search for are in a charset that is not known: `NO [BADCHARSET]`.
    #[error("unknown charset")]
    Charset,
    /// It is right, but wants what the client has not enabled or the server does not do: `NO [CANNOT]`.
    #[error("not supported")]
    Unsupported,
    /// It asks for too much at once: `NO [LIMIT]`.
    #[error("too many items")]
    TooMany,
}

/// What a reader of a piece of a command returns.
pub(super) type Parsed<T> = Result<T, CommandErrorKind>;

/// Reads a whole command, its last CRLF included.
pub fn parse(octets: &[u8], modes: Modes) -> Result<Command, CommandError> {
    let head = Head::of(octets);
    let Some(tag) = head.tag.map(str::to_owned) else {
        return Err(CommandError { tag: None, kind: CommandErrorKind::Arguments });
    };
    match parse_body(octets, head, modes) {
        Ok(body) => Ok(Command { tag, body }),
        Err(kind) => Err(CommandError { tag: Some(tag), kind }),
    }
}

impl fmt::Debug for CommandError {
    /// Without the tag, which is the client's text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CommandError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn parse_body(octets: &[u8], head: Head<'_>, modes: Modes) -> Parsed<CommandBody> {
    let verb = known_verb(&head).ok_or(CommandErrorKind::Unknown)?;
    if !octets.ends_with(b"\r\n") {
        return Err(CommandErrorKind::Arguments);
    }
    let cursor = Cursor::new(head.arguments, modes);
    match verb {
        "LOGIN" => return parse_login(cursor).map(CommandBody::Login),
        "AUTHENTICATE" => return parse_authenticate(cursor),
        _ => {}
    }
    match parse_with_codec(octets, &head, modes) {
        Some(body) => body,
        None => parse_beside(octets, verb, cursor, head.uid),
    }
}

/// The verb in capitals, if it is that of a command.
fn known_verb(head: &Head<'_>) -> Option<&'static str> {
    let known = if head.uid { UID_VERBS } else { VERBS };
    known.iter().find(|verb| head.is(verb)).copied()
}

/// What `imap-codec` makes of the command; nothing if it cannot read it.
fn parse_with_codec(octets: &[u8], head: &Head<'_>, modes: Modes) -> Option<Parsed<CommandBody>> {
    let saved = names_saved_result(head);
    let octets = match saved {
        // It does not know `$` (RFC 5182). A number in its place makes it read the rest.
        true => {
            let mut octets = octets.to_vec();
            let at = octets.len() - head.arguments.len() + 1;
            octets[at] = b'1';
            Cow::Owned(octets)
        }
        false => Cow::Borrowed(octets),
    };
    let (rest, command) = CommandCodec::default().decode(&octets).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let body = translate::command_body(command.body, modes);
    Some(body.map(|body| if saved { with_numbers(body, Numbers::Saved) } else { body }))
}

/// Whether the messages a command is about are given as `$`.
fn names_saved_result(head: &Head<'_>) -> bool {
    let takes_numbers = NUMBERS_FIRST.iter().any(|verb| head.is(verb));
    takes_numbers && matches!(head.arguments, [b' ', b'$', b' ' | b'\r', ..])
}

fn with_numbers(mut body: CommandBody, saved: Numbers) -> CommandBody {
    match &mut body {
        CommandBody::Fetch { numbers, .. }
        | CommandBody::Store { numbers, .. }
        | CommandBody::Copy { numbers, .. }
        | CommandBody::Move { numbers, .. }
        | CommandBody::Expunge { uids: Some(numbers) } => *numbers = saved,
        _ => {}
    }
    body
}

fn parse_beside(octets: &[u8], verb: &str, cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    match verb {
        "APPEND" => append::parse(octets, cursor),
        "CREATE" => folders::parse_create(cursor),
        "LIST" => folders::parse_list(cursor),
        "STATUS" => folders::parse_status(cursor),
        "COPY" | "MOVE" => folders::parse_filing(verb, cursor, uid),
        "SELECT" => select::parse(cursor, SelectMode::ReadWrite),
        "EXAMINE" => select::parse(cursor, SelectMode::ReadOnly),
        "FETCH" => fetch::parse(cursor, uid),
        "SEARCH" => search::parse_search(cursor, uid),
        "SORT" => search::parse_sort(cursor, uid),
        "THREAD" => search::parse_thread(cursor, uid),
        "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" | "GETQUOTAROOT" | "RENAME" => {
            folders::parse_names(verb, cursor)
        }
        _ => Err(diagnose(verb, cursor, uid)),
    }
}

fn parse_login(mut cursor: Cursor<'_>) -> Parsed<Credentials> {
    cursor.space()?;
    let login = String::from_utf8(cursor.astring()?.into_owned()).map_err(|_| CommandErrorKind::Arguments)?;
    cursor.space()?;
    let password = Zeroizing::new(cursor.astring()?.into_owned());
    cursor.end()?;
    if login.is_empty() || login.len() > MAX_LOGIN || login.chars().any(char::is_control) {
        return Err(CommandErrorKind::Arguments);
    }
    let password = PasswordText::parse(&password).ok_or(CommandErrorKind::Arguments)?;
    Ok(Credentials { login, password })
}

/// RFC 9051 §6.2.2: `AUTHENTICATE mechanism [initial-response]`, the latter in base64 or `=`.
fn parse_authenticate(mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    let mechanism = cursor.atom()?.to_ascii_uppercase();
    let mut initial = None;
    if cursor.skip(b' ') {
        let response =
            cursor.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'='));
        let response = std::str::from_utf8(response).ok().filter(|response| !response.is_empty());
        initial = Some(PasswordText::new(response.ok_or(CommandErrorKind::Arguments)?.to_owned()));
    }
    cursor.end()?;
    Ok(CommandBody::Authenticate { mechanism, initial })
}

/// RFC 4616 §2, in octets.
const MAX_LOGIN: usize = 255;

const VERBS: &[&str] = &[
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COMPRESS",
    "COPY",
    "CREATE",
    "DELETE",
    "ENABLE",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "GETQUOTA",
    "GETQUOTAROOT",
    "ID",
    "IDLE",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "NAMESPACE",
    "NOOP",
    "RENAME",
    "SEARCH",
    "SELECT",
    "SETQUOTA",
    "SORT",
    "STARTTLS",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "THREAD",
    "UNSELECT",
    "UNSUBSCRIBE",
];
const UID_VERBS: &[&str] = &["COPY", "EXPUNGE", "FETCH", "MOVE", "SEARCH", "SORT", "STORE", "THREAD"];
/// Commands whose first argument says which messages they are about.
const NUMBERS_FIRST: &[&str] = &["COPY", "EXPUNGE", "FETCH", "MOVE", "STORE"];

//! What of a command does not have its form: BAD names it, so that whoever writes a client finds the fault.
//!
//! It names the argument and never repeats it: what a client sends may be a password.

use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};

/// The argument that is wrong, or what is wrong with the arguments as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument {
    /// There are too few.
    Missing,
    /// There are too many, or something stands behind them.
    Surplus,
    /// Two are not parted by one space.
    Space,
    /// A message number, a UID, or a set of them.
    Numbers,
    /// A number.
    Number,
    /// A date; it has the form `1-Feb-2026`.
    Date,
    /// A string.
    Text,
    /// The name of a mailbox.
    Mailbox,
    /// A parameter of SELECT or EXAMINE.
    SelectParameter,
    /// What QRESYNC says that the client knows.
    Qresync,
    /// A use of CREATE (RFC 6154).
    Use,
    /// An option of LIST.
    ListOption,
    /// An item of STATUS.
    StatusItem,
    /// An item of FETCH.
    FetchItem,
    /// The section in the brackets of BODY or BINARY.
    Section,
    /// A modifier of FETCH.
    FetchModifier,
    /// What STORE changes: FLAGS, +FLAGS, -FLAGS.
    StoreItem,
    /// A modifier of STORE.
    StoreModifier,
    /// The flags.
    Flags,
    /// A search key.
    SearchKey,
    /// An option of RETURN.
    SearchOption,
    /// A text to search for that is not in its charset.
    SearchText,
    /// A criterion of SORT.
    SortKey,
    /// The algorithm of THREAD.
    Threading,
    /// A range of PARTIAL.
    Range,
}

impl Argument {
    /// A sentence for the client.
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => "an argument is missing",
            Self::Surplus => "there is more than the command takes",
            Self::Space => "one space stands between two arguments",
            Self::Numbers => "the message numbers or UIDs are no set",
            Self::Number => "a number is none, or too large",
            Self::Date => "the date is none, dates are like 1-Feb-2026",
            Self::Text => "a string is none",
            Self::Mailbox => "the mailbox name is no string",
            Self::SelectParameter => "the parameter is none, CONDSTORE and QRESYNC are",
            Self::Qresync => "what QRESYNC says the client knows is not as it should be",
            Self::Use => "the use of the mailbox is none",
            Self::ListOption => "the option of LIST is none",
            Self::StatusItem => "the item of STATUS is none",
            Self::FetchItem => "the item of FETCH is none",
            Self::Section => "the section of the message is none",
            Self::FetchModifier => "the modifier of FETCH is none",
            Self::StoreItem => "the item of STORE is none, FLAGS, +FLAGS and -FLAGS are",
            Self::StoreModifier => "the modifier of STORE is none, UNCHANGEDSINCE is",
            Self::Flags => "the flags are not as they should be",
            Self::SearchKey => "the search key is none",
            Self::SearchOption => "the option of RETURN is none",
            Self::SearchText => "the text to search for is not in its charset",
            Self::SortKey => "the sort criterion is none",
            Self::Threading => "the threading algorithm is none, ORDEREDSUBJECT and REFERENCES are",
            Self::Range => "the range of PARTIAL is none",
        }
    }
}

/// What is wrong with a command that nobody could read. `cursor` stands behind its verb.
pub(super) fn diagnose(verb: &str, cursor: Cursor<'_>, uid: bool) -> CommandErrorKind {
    walk(verb, cursor, uid).err().unwrap_or(CommandErrorKind::Arguments)
}

/// Walks over the arguments as far as they are right.
fn walk(verb: &str, mut cursor: Cursor<'_>, uid: bool) -> Parsed<()> {
    match verb {
        "EXPUNGE" if uid => numbers(&mut cursor)?,
        "STORE" => return store(cursor),
        "GETQUOTA" => {
            cursor.space()?;
            cursor.astring()?;
        }
        "ENABLE" => {
            cursor.space()?;
            cursor.atom()?;
            return Ok(());
        }
        "LSUB" | "ID" | "SETQUOTA" | "COMPRESS" => return cursor.space(),
        _ => {}
    }
    cursor.end()
}

fn numbers(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.space()?;
    cursor.numbers().map(drop)
}

/// `STORE numbers [(UNCHANGEDSINCE mod-seq)] item flags`
fn store(mut cursor: Cursor<'_>) -> Parsed<()> {
    numbers(&mut cursor)?;
    cursor.space()?;
    if cursor.skip(b'(') {
        let right = cursor.skip_word("UNCHANGEDSINCE ") && cursor.number64().is_ok() && cursor.skip(b')');
        if !right {
            return Err(Argument::StoreModifier.into());
        }
        cursor.space()?;
    }
    let _sign = cursor.skip(b'+') || cursor.skip(b'-');
    let is_item = cursor.name().is_ok_and(|name| matches!(name.as_str(), "FLAGS" | "FLAGS.SILENT"));
    if !is_item {
        return Err(Argument::StoreItem.into());
    }
    cursor.space()?;
    Err(Argument::Flags.into())
}

impl From<Argument> for CommandErrorKind {
    fn from(argument: Argument) -> Self {
        Self::Wrong(argument)
    }
}

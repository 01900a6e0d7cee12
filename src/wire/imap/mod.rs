//! IMAP as typed values: commands from octets, responses to octets. The grammar is `imap-codec`'s; what it
//! does not know yet (extended LIST and SEARCH, PREVIEW, OBJECTID, SAVEDATE, PARTIAL) is read beside it.
//!
//! Knows no sockets, no states, no mailboxes: which command is allowed when is the session's affair.

#[cfg(test)]
mod agreement;
mod append;
mod argument;
mod command;
mod cursor;
mod fetch;
mod folders;
pub mod found;
pub mod framing;
pub mod listing;
mod mailbox_name;
mod parse;
pub mod response;
mod search;
mod select;
#[cfg(test)]
mod tests;
pub mod text;
mod translate;
pub mod untagged;

pub use argument::Argument;
pub use command::{
    AppendMessage, Command, CommandBody, FetchItem, FetchModifiers, FetchSection, Key, ListReturn,
    ListSelection, Numbers, Qresync, Returns, SelectMode, SetElement, SortCriterion, SortKey, StatusItem,
    Threading,
};
pub use parse::{CommandError, CommandErrorKind, Modes, parse};

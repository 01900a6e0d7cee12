//! IMAP as typed values: commands from octets, responses to octets. The grammar is `imap-codec`'s; what it
//! does not know yet (extended LIST and SEARCH, PREVIEW, OBJECTID, SAVEDATE, PARTIAL) is read beside it.
//!
//! Knows no sockets, no states, no mailboxes: which command is allowed when is the session's affair.

mod command;
pub mod listing;
pub mod text;

pub use command::{
    AppendMessage, Command, CommandBody, FetchItem, FetchModifiers, FetchSection, Key, ListReturn,
    ListSelection, Numbers, Qresync, Returns, SelectMode, SetElement, SortCriterion, SortKey, StatusItem,
    Threading,
};

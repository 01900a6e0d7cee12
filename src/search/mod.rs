//! Full-text search over one mailbox: what mail is for the index, the index under a key that only
//! the owner key yields, queries in people's words, snippets, conversations.
//!
//! An index is a folder of sealed files that can be built anew from the mail at any time; it takes a
//! folder, a key and documents, and knows no ledger, no container and no other key. One mailbox, one
//! index. Why so: `docs/decisions/0015-search-index.md`; format: `docs/format.md`.
//!
//! What is decrypted is in memory while the index is open: chunks in a bounded cache that is wiped
//! when the last clone is dropped, and tantivy's own buffers, which are not.

mod chunks;
mod document;
mod error;
mod fields;
mod folder;
mod html;
mod index;
pub mod query;
mod sealed_file;
mod snippet;
mod thread;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use crate::names::MessageId;

pub use document::document;
pub use error::SearchError;
pub use index::Index;
pub use query::Query;
pub use thread::Link;
pub use writer::Writer;

/// A message as the index takes it; see [`document`].
pub struct Document {
    /// The UID of the message in its mailbox.
    pub uid: u32,
    /// The message.
    pub message: MessageId,
    /// When it was received, in seconds since 1970.
    pub received: i64,
    /// Its size.
    pub octets: u64,
    /// Who it is from: names and addresses.
    pub from: String,
    /// Who it is to, Cc included: names and addresses.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text, without markup.
    pub body: String,
    /// The names of its attachments; empty for one without a name.
    pub attachments: Vec<String>,
    /// Its own Message-ID and those it refers to.
    pub links: Vec<Link>,
}

/// Which of the hits: `limit` of them after the first `offset`.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many newer hits are left out.
    pub offset: usize,
    /// How many are given, at most [`Page::LONGEST`].
    pub limit: usize,
}

impl Page {
    /// The most hits of a page; a larger limit means this.
    pub const LONGEST: usize = 200;
    /// The furthest hit that can be paged to; beyond it pages are empty.
    pub const FURTHEST: usize = 100_000;
}

/// What a query found.
pub struct Found {
    /// How many messages there are, on all pages.
    pub total: usize,
    /// The page, newest first.
    pub hits: Vec<Hit>,
    /// What of the query was not understood, in sentences for the person who asked.
    pub notes: Vec<String>,
}

/// A message that was found.
pub struct Hit {
    /// Its UID in the mailbox.
    pub uid: u32,
    /// The message.
    pub message: MessageId,
    /// When it was received, in seconds since 1970.
    pub received: i64,
    /// Its size.
    pub octets: u64,
    /// Who it is from.
    pub from: String,
    /// Its subject, what was looked for marked.
    pub subject: Vec<Fragment>,
    /// A piece of its text, what was looked for marked.
    pub snippet: Vec<Fragment>,
    /// Whether it has attachments.
    pub attachments: bool,
}

/// A stretch of text as it stands in the message: whoever shows it escapes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The text.
    pub text: String,
    /// Whether it is what was looked for.
    pub marked: bool,
}

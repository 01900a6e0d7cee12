//! What IMAP lists of messages, kept in the ledger under a key that only the reader's identity yields, so
//! that a listing opens no containers. Kept by pages: one opening of a cipher stands for many messages.
//!
//! A page is a cache. What it says of a message counts only for the sealing it was read from.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::masked::ViewReader;
use crate::mailbox::Entry;
use crate::names::{Reader, ViewId};
use crate::records::row_key;
use crate::store::ledger::{Batch, Expectation};
use crate::tenant::rows::{ListingRow, MessageRow};
use crate::wipe::Wiped;

/// Messages of one page: those whose numbers, divided by this, give the page's.
pub const PER_PAGE: u32 = 64;

/// The structures that a page has.
#[derive(Default)]
pub struct Page(Vec<(u32, u64, Bytes)>);

/// One message of a page as it is kept.
#[derive(Encode, Decode)]
struct Kept<'b> {
    /// Its number.
    #[n(0)]
    number: u32,
    /// Its sealing; see [`Entry::sealing`].
    #[n(1)]
    sealing: u64,
    /// Its structure, encoded.
    #[cbor(b(2), with = "minicbor::bytes")]
    structure: &'b [u8],
}

impl Page {
    /// Reads page `number` of the view; an empty one if it is not there, or of another rendering.
    pub fn read(reader: &ViewReader, number: u32) -> Self {
        let name = name(reader.keys().reader(), number);
        let kept: Option<ListingRow> = reader.vault().records.system().get(&parts(&name)).ok().flatten();
        let opened =
            kept.and_then(|row| reader.keys().cache_key().open(&bound(reader, &name), &row.page).ok());
        opened.and_then(|page| Self::decode(Bytes::from_owner(page))).unwrap_or_default()
    }

    /// The structure of a message, if the page has the one of this sealing.
    pub fn find(&self, entry: &Entry) -> Option<&Bytes> {
        let at = self.0.binary_search_by_key(&entry.number, |(number, ..)| *number).ok()?;
        let (_, sealing, structure) = &self.0[at];
        (*sealing == entry.sealing).then_some(structure)
    }

    /// Takes up the structure of a message.
    pub fn put(&mut self, entry: &Entry, structure: Bytes) {
        let kept = (entry.number, entry.sealing, structure);
        match self.0.binary_search_by_key(&entry.number, |(number, ..)| *number) {
            Ok(at) => self.0[at] = kept,
            Err(at) => self.0.insert(at, kept),
        }
    }

    /// Keeps the page under `number`, unless one of its messages was removed meanwhile: then nothing of it may
    /// stay. Nobody waits for it: what is lost is read from the messages again.
    pub fn keep(&self, reader: &ViewReader, number: u32) {
        let kept = self.0.iter();
        let kept: Vec<_> = kept
            .map(|(number, sealing, structure)| Kept { number: *number, sealing: *sealing, structure })
            .collect();
        let room = self.0.iter().map(|(.., structure)| structure.len() + 24).sum::<usize>() + 8;
        // Within its room the buffer does not move, so nothing of it is left behind.
        let mut plain = Vec::with_capacity(room);
        let Ok(()) = minicbor::encode(&kept, &mut plain) else { return };
        let plain = Wiped::from(plain);
        let name = name(reader.keys().reader(), number);
        let page = reader.keys().cache_key().seal(&bound(reader, &name), &plain);
        let mut batch = Batch::new();
        let user = reader.shelf().user.user;
        for (message, ..) in &self.0 {
            let row = row_key::<MessageRow>(&[user.as_bytes(), &message.to_be_bytes()]);
            batch.require(row, Expectation::Present);
        }
        reader.vault().records.system().put(&mut batch, &parts(&name), &ListingRow { page });
        drop(reader.vault().records.commit(batch));
    }

    fn decode(plain: Bytes) -> Option<Self> {
        let kept: Vec<Kept<'_>> = minicbor::decode(&plain).ok()?;
        let of = |kept: Kept<'_>| (kept.number, kept.sealing, plain.slice_ref(kept.structure));
        Some(Self(kept.into_iter().map(of).collect()))
    }
}

/// Adds to `batch`: that nothing is kept of the message with this number, in any of `views`. Removing a
/// message removes what lists said of it.
pub fn forget(batch: &mut Batch, views: impl IntoIterator<Item = ViewId>, number: u32) {
    for view in views {
        let name = name(Reader::View(view), number / PER_PAGE);
        batch.delete(row_key::<ListingRow>(&parts(&name)));
    }
}

/// Reader and page.
fn name(reader: Reader, page: u32) -> ([u8; 17], [u8; 4]) {
    (reader.to_bytes(), page.to_be_bytes())
}

fn parts(name: &([u8; 17], [u8; 4])) -> [&[u8]; 2] {
    [&name.0, &name.1]
}

/// Associated data: this page of this reader, in this rendering of the view.
fn bound(reader: &ViewReader, name: &([u8; 17], [u8; 4])) -> Vec<u8> {
    [b"listing", &name.0[..], &name.1, &reader.shelf().generation.to_be_bytes()].concat()
}

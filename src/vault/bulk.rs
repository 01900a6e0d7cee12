//! Opens many messages of a view: lists, fetches of whole folders, searches. Threads that may wait each take
//! a few neighbours at a time; results come in order, and only so far ahead as the session takes them.
//!
//! What is masked again keeps its part of a budget as long as it is in memory. So no session asks for another
//! part while it has one that only its client can give back: what finds no room ahead is opened when it is
//! taken, and so is what is large.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::listings::{PER_PAGE, Page};
use super::masked::{MaskError, Masked, Proof, ViewReader};
use crate::audit::Recorded;
use crate::mailbox::Entry;
use crate::records::Scope;
use crate::structure::structure_of_masked;
use crate::tenant::rows::MessageRow;
use crate::wipe::Wiped;

/// What of messages is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Their structures.
    Structure,
    /// Their octets too.
    Octets,
}

/// A message, as far as it was wanted.
pub struct Prepared {
    /// Its structure, encoded.
    pub structure: Bytes,
    /// Its octets.
    pub octets: Octets,
}

/// The octets of a message.
pub enum Octets {
    /// Not wanted.
    None,
    /// Here.
    Here(Bytes),
    /// To be opened as they are taken: it is a large message.
    Apart(Masked),
}

/// Messages being opened, in order.
pub struct Opening {
    reader: ViewReader,
    want: Want,
    proofs: Proofs,
    batches: BoxStream<'static, Vec<Found>>,
    ready: VecDeque<Found>,
    _ahead: Option<OwnedSemaphorePermit>,
}

/// A message that was opened ahead.
type Found = (Entry, Ahead);

enum Ahead {
    Done(Result<Prepared, MaskError>),
    /// To be opened when it is taken; its place among all.
    Later(usize),
}

/// The audit entries that allow messages to be opened: the n-th stands for the n-th `each` messages; the last
/// one for all that are left.
#[derive(Clone)]
struct Proofs {
    recorded: Arc<Vec<Recorded>>,
    each: usize,
}

impl Proofs {
    /// Those among which is the one of the message in this place.
    fn of(&self, place: usize) -> &[Recorded] {
        // Lists may take several entries, of which any may be the one that names a message.
        if self.each == usize::MAX {
            return &self.recorded;
        }
        let last = self.recorded.len().saturating_sub(1);
        self.recorded.get((place / self.each).min(last)..).map_or(&[], |found| &found[..found.len().min(1)])
    }
}

impl Opening {
    /// Begins to open `entries`. `recorded` are the audit entries that allow it: the n-th stands for the
    /// n-th `each` messages, `usize::MAX` for all of them; the last one for all that are left.
    pub fn begin(
        reader: &ViewReader,
        entries: Vec<Entry>,
        want: Want,
        (recorded, each): (Vec<Recorded>, usize),
    ) -> Self {
        // Whoever finds many others reading ahead opens one batch after the other.
        let ahead = reader.vault().reading_ahead.clone().try_acquire_owned().ok();
        let at_once = if ahead.is_some() { threads() } else { 1 };
        let proofs = Proofs { recorded: Arc::new(recorded), each };
        let (kept, own) = (proofs.clone(), reader.clone());
        let reader = reader.clone();
        let batches = stream::iter(batches(entries, want, each)).map(move |(first, batch)| {
            let (reader, proofs) = (reader.clone(), proofs.clone());
            async move {
                let lost = batch.clone();
                let work = move || prepare(&reader, (first, &batch), want, &proofs);
                // A batch whose thread failed is answered for, message by message.
                let unavailable = |entry| (entry, Ahead::Done(Err(MaskError::Unavailable)));
                let done =
                    tokio::task::spawn_blocking(work).await.ok().filter(|done| done.len() == lost.len());
                done.unwrap_or_else(|| lost.into_iter().map(unavailable).collect())
            }
        });
        let batches = batches.buffered(at_once).boxed();
        Self { reader: own, want, proofs: kept, batches, ready: VecDeque::new(), _ahead: ahead }
    }

    /// The next message. The one before must be gone: this one may have to wait for the memory that it has.
    pub async fn next(&mut self) -> Option<(Entry, Result<Prepared, MaskError>)> {
        while self.ready.is_empty() {
            self.ready = self.batches.next().await?.into();
        }
        match self.ready.pop_front()? {
            (entry, Ahead::Done(prepared)) => Some((entry, prepared)),
            (entry, Ahead::Later(place)) => {
                let (reader, want, proofs) = (self.reader.clone(), self.want, self.proofs.clone());
                let work = move || {
                    let rows = reader.vault().records.tenant(reader.shelf().user.tenant);
                    open(&reader, &rows, &entry, want, proofs.of(place))
                };
                let prepared = tokio::task::spawn_blocking(work).await;
                Some((entry, prepared.unwrap_or(Err(MaskError::Unavailable))))
            }
        }
    }
}

impl Drop for Opening {
    /// A client that reads one message after the other needs the epoch again.
    fn drop(&mut self) {
        self.reader.keys().rest(1);
    }
}

/// What [`scan`] shows of a message.
pub type Look<T> = dyn Fn(&Entry, &[u8], &[u8]) -> T + Send + Sync;

/// Shows `look` the structure and, where wanted, the octets of every message. The results are in order; none
/// for messages that do not open.
pub async fn scan<T: Send + 'static>(
    reader: &ViewReader,
    entries: Vec<Entry>,
    want: Want,
    recorded: &Arc<Recorded>,
    look: Arc<Look<T>>,
) -> Vec<Option<T>> {
    let count = entries.len();
    let scanned = stream::iter(batches(entries, want, usize::MAX)).map(|(_, batch)| {
        let (reader, recorded, look, length) = (reader.clone(), recorded.clone(), look.clone(), batch.len());
        async move {
            let work = move || {
                let mut found = Vec::with_capacity(batch.len());
                let seen = |entry: &Entry, prepared: Result<Prepared, MaskError>| {
                    found.push(prepared.ok().and_then(|prepared| looked(entry, prepared, &*look)));
                };
                each(&reader, &batch, want, std::slice::from_ref(&recorded), seen);
                found
            };
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| (0..length).map(|_| None).collect())
        }
    });
    let mut results = Vec::with_capacity(count);
    let mut scanned = scanned.buffered(threads());
    while let Some(found) = scanned.next().await {
        results.extend(found);
    }
    reader.keys().rest(1);
    results
}

fn looked<T>(entry: &Entry, prepared: Prepared, look: &Look<T>) -> Option<T> {
    match prepared.octets {
        Octets::None => Some(look(entry, &prepared.structure, &[])),
        Octets::Here(octets) => Some(look(entry, &prepared.structure, &octets)),
        Octets::Apart(masked) => {
            let octets = masked.range(0..masked.size()).ok()?;
            Some(look(entry, &prepared.structure, &octets))
        }
    }
}

/// Opens a batch, whose first message has this place among all.
fn prepare(
    reader: &ViewReader,
    (first, batch): (usize, &[Entry]),
    want: Want,
    proofs: &Proofs,
) -> Vec<Found> {
    let recorded = proofs.of(first);
    if want == Want::Octets {
        let rows = reader.vault().records.tenant(reader.shelf().user.tenant);
        let ahead = |(place, entry): (usize, &Entry)| {
            let opened = open_ahead(reader, &rows, entry, recorded).transpose();
            (*entry, opened.map_or(Ahead::Later(place), Ahead::Done))
        };
        return (first..).zip(batch).map(ahead).collect();
    }
    let mut prepared = Vec::with_capacity(batch.len());
    each(reader, batch, want, recorded, |entry, message| prepared.push((*entry, Ahead::Done(message))));
    prepared
}

/// Opens the messages of a batch one after the other. Structures come from the page that was kept, if it has
/// them; a page that learned enough is kept.
fn each(
    reader: &ViewReader,
    batch: &[Entry],
    want: Want,
    recorded: &[Recorded],
    mut seen: impl FnMut(&Entry, Result<Prepared, MaskError>),
) {
    let rows = reader.vault().records.tenant(reader.shelf().user.tenant);
    if want == Want::Octets {
        return batch.iter().for_each(|entry| seen(entry, open(reader, &rows, entry, want, recorded)));
    }
    let Some(number) = batch.first().map(|entry| entry.number / PER_PAGE) else { return };
    let mut page = Page::read(reader, number);
    let mut learned = 0;
    for entry in batch {
        match page.find(entry).cloned() {
            Some(structure) => seen(entry, Ok(Prepared { structure, octets: Octets::None })),
            None => {
                let opened = open(reader, &rows, entry, want, recorded);
                if let Ok(prepared) = &opened {
                    learned += 1;
                    page.put(entry, prepared.structure.clone());
                }
                seen(entry, opened);
            }
        }
    }
    if learned >= WORTH_KEEPING {
        page.keep(reader, number);
    }
}

fn open(
    reader: &ViewReader,
    rows: &Scope,
    entry: &Entry,
    want: Want,
    recorded: &[Recorded],
) -> Result<Prepared, MaskError> {
    let (row, proof) = allowed(reader, rows, entry, recorded)?;
    prepared(entry, want, reader.open_now(entry.number, &row, proof)?)
}

/// The same with its octets; none if that has to wait until it is taken.
fn open_ahead(
    reader: &ViewReader,
    rows: &Scope,
    entry: &Entry,
    recorded: &[Recorded],
) -> Result<Option<Prepared>, MaskError> {
    let (row, proof) = allowed(reader, rows, entry, recorded)?;
    let masked = reader.open_ahead(entry.number, &row, proof)?;
    masked.map(|masked| prepared(entry, Want::Octets, masked)).transpose()
}

fn allowed(
    reader: &ViewReader,
    rows: &Scope,
    entry: &Entry,
    recorded: &[Recorded],
) -> Result<(MessageRow, Proof), MaskError> {
    let row = row(reader, rows, entry)?;
    let proof = recorded.iter().find_map(|recorded| reader.proof(entry.number, &row, recorded).ok());
    Ok((row, proof.ok_or(MaskError::Unavailable)?))
}

fn prepared(entry: &Entry, want: Want, masked: Masked) -> Result<Prepared, MaskError> {
    if masked.size() != entry.octets {
        // The roll is older than the message's rendering: the client learns of the new one by its UID.
        return Err(MaskError::Gone);
    }
    let octets = match want {
        Want::Octets if masked.size() <= AT_ONCE => {
            Octets::Here(Bytes::from_owner(masked.range(0..masked.size())?))
        }
        _ => Octets::None,
    };
    let structure = match (masked.structure(), &octets) {
        (Some(structure), _) => structure,
        // Sealed before structures were, or masked again just now.
        (None, Octets::Here(octets)) => {
            Bytes::from_owner(Wiped::from(structure_of_masked(octets, masked.subject_is_made())))
        }
        (None, _) => {
            let octets = masked.range(0..masked.size())?;
            Bytes::from_owner(Wiped::from(structure_of_masked(&octets, masked.subject_is_made())))
        }
    };
    let octets = match (want, octets) {
        (Want::Octets, Octets::None) => Octets::Apart(masked),
        (_, octets) => octets,
    };
    Ok(Prepared { structure, octets })
}

fn row(reader: &ViewReader, rows: &Scope, entry: &Entry) -> Result<MessageRow, MaskError> {
    let user = reader.shelf().user.user;
    let row = rows.get::<MessageRow>(&[user.as_bytes(), &entry.number.to_be_bytes()]);
    let row = row.map_err(|error| {
        tracing::error!(%error, "a row cannot be read");
        MaskError::Unavailable
    })?;
    row.filter(|row| row.message == entry.message).ok_or(MaskError::Gone)
}

/// Cuts entries into what one thread takes at once, each with the place of its first entry. Structures are
/// cut where pages end, octets where they become much; nothing crosses a multiple of `each`.
fn batches(entries: Vec<Entry>, want: Want, each: usize) -> Vec<(usize, Vec<Entry>)> {
    let mut batches: Vec<(usize, Vec<Entry>)> = Vec::new();
    let mut octets = 0;
    for (at, entry) in entries.into_iter().enumerate() {
        octets += entry.octets.min(AT_ONCE);
        let fits = |last: &Entry, length: usize| match want {
            Want::Structure => last.number / PER_PAGE == entry.number / PER_PAGE,
            Want::Octets => length < MOST_AT_ONCE && octets <= AT_ONCE,
        };
        match batches.last_mut() {
            Some((_, batch))
                if at % each != 0 && batch.last().is_some_and(|last| fits(last, batch.len())) =>
            {
                batch.push(entry);
            }
            _ => {
                octets = entry.octets.min(AT_ONCE);
                batches.push((at, vec![entry]));
            }
        }
    }
    batches
}

/// More than there are cores: where the disk is asked, threads wait.
fn threads() -> usize {
    available_parallelism().map_or(1, NonZero::get) * 4
}

/// Octets that one thread opens before the session takes them; larger messages are opened as they are taken.
const AT_ONCE: u64 = 512 * 1024;
/// Sessions that read ahead at once, 4 MiB each on two cores: memory that slow clients can hold.
pub const MOST_AHEAD: usize = 64;
/// Messages that one thread opens before the session takes them.
const MOST_AT_ONCE: usize = 64;
/// New structures on a page from which on it is kept: for fewer, opening them again is cheaper.
const WORTH_KEEPING: usize = 8;

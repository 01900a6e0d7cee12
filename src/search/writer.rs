//! Writing to an index: what is added and removed is seen by searches after a commit, and what was
//! not committed is as if it had never been written.

use std::sync::atomic::Ordering;

use tantivy::IndexWriter;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};

use super::{Document, Index, SearchError};

/// Adds messages to an index and removes them. Takes up to 2 × 64 MiB of memory while it has work.
pub struct Writer {
    index: Index,
    engine: IndexWriter,
}

impl Writer {
    pub(super) fn begin(index: Index) -> Result<Self, SearchError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(THREADS)
            .memory_budget_per_thread(MEMORY_PER_THREAD)
            .num_merge_threads(MERGE_THREADS)
            .build();
        let engine: IndexWriter = index.open_index().engine.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_max_docs_before_merge(LARGEST_MERGED);
        merging.set_del_docs_ratio_before_merge(MOST_REMOVED);
        engine.set_merge_policy(Box::new(merging));
        Ok(Self { index, engine })
    }

    /// Adds a message. Its UID may not be in the index; [`Writer::remove`] it first where it may.
    pub fn add(&mut self, document: Document) -> Result<(), SearchError> {
        self.engine.add_document(self.index.open_index().fields.pack(document))?;
        Ok(())
    }

    /// Removes a message that was added before, committed or not.
    pub fn remove(&mut self, uid: u32) {
        self.engine.delete_term(self.index.open_index().fields.uid_term(uid));
    }

    /// Lets searches see what was written; from now on the index is complete up to the UID `up_to`.
    /// It takes some ten milliseconds at least, so hundreds of messages should share a commit.
    pub fn commit(&mut self, up_to: u32) -> Result<(), SearchError> {
        let mut commit = self.engine.prepare_commit()?;
        commit.set_payload(&up_to.to_string());
        commit.commit()?;
        let open = self.index.open_index();
        open.reader.reload()?;
        open.indexed_up_to.store(up_to, Ordering::Release);
        Ok(())
    }

    /// Waits until segments are merged that many commits have left, and ends. Dropping a writer
    /// instead leaves that to the next one.
    pub fn finish(self) -> Result<(), SearchError> {
        self.engine.wait_merging_threads()?;
        Ok(self.index.open_index().reader.reload()?)
    }
}

/// The machine is shared with the arrival of mail.
const THREADS: usize = 2;
/// tantivy wants 15 MB at least; more makes fewer, larger segments. It is taken as it is needed.
const MEMORY_PER_THREAD: usize = 64 * 1024 * 1024;
const MERGE_THREADS: usize = 1;
/// Messages of a segment above which it is not merged any more.
const LARGEST_MERGED: usize = 200_000;
/// The part of a segment's messages whose removal makes it worth writing it anew.
const MOST_REMOVED: f32 = 0.3;

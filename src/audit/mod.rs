//! The audit log: who did what, from where, why and under which policy, so that editing and
//! truncation show.
//!
//! Each tenant has a log of its own, an RFC 6962 §2.1 Merkle tree over canonical lines of JSON,
//! with C2SP signed-note checkpoints (<https://c2sp.org/tlog-checkpoint>). An [`Entry`] is durable
//! before the act it records: [`Log::record`] gives a [`Recorded`], and whoever reveals plaintext
//! asks for one.
//!
//! A log is three things in an [`AuditStore`]: one row per entry (number → line), one row per
//! Merkle hash (index → 32 bytes; the hashes that entry n completes follow those of entry n - 1, as
//! in Go's `sumdb/tlog`), and a head (size). An append of k entries writes about 2k hashes and
//! the head in one atomic step; a proof reads O(log n) hashes.
//!
//! This module knows names and the clock. It has no word for message text, mail addresses, mail
//! keys or the storage engine.

mod act;
mod checkpoint;
#[cfg(test)]
pub(crate) mod contract;
mod entry;
mod error;
mod export;
mod log;
mod memory;
mod notary;
mod numbers;
mod receipt;
mod report;
mod sink;
mod store;
mod text;
mod tree;
mod verify;

pub use act::{
    Act, AddressMark, Extent, LockCause, PartPath, PolicyEffect, Protocol, Refusal, UnlockMethod, UserRole,
};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointKey, VerifyingKey, split_notes};
pub use entry::{Actor, Draft, Entry, EntryError, Origin, PolicyName, Reason, misleads};
pub use error::AuditError;
pub use export::{Filter, export};
pub use log::{Log, MAX_BATCH, Purpose, Recorded};
pub use memory::{MemoryStore, Rows};
pub use notary::Notary;
pub use numbers::MessageNumbers;
pub use receipt::{Proven, Receipt, ReceiptError, verify_receipt};
pub use report::{Finding, Report};
pub use sink::{Sink, SinkError, SyslogSocket};
pub use store::{Append, AuditStore, StoreError};
pub use tlog_tiles::Hash;
pub use verify::verify;

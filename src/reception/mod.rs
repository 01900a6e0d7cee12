//! SMTP and LMTP sessions that end in [`Received`].
//!
//! Owns the dialogue with a peer up to the last octet of a message, and the answer to it. Refuses
//! to know policies, keys and where mail is kept: who lives here it asks a [`Directory`], and a
//! message it hands to an [`Intake`], whose [`Outcome`] alone allows a 250.
//!
//! Follows RFC 5321 and the standards in `docs/specs.md`. SECURITY: talks to anybody. Reads commands
//! and content within limits, ends content at CRLF.CRLF and nowhere else, and refuses messages that
//! others might end elsewhere (`dots.rs`).

mod content;
mod dots;
mod error;
mod notice;
mod received;
mod session;
mod settings;
mod state;
mod trace;
mod transfer;

use std::future::Future;

pub use content::{Content, MemoryBudget};
pub use notice::Notice;
pub use received::{Addressee, Outcome, Protocol, Reason, Received, Resolution, UserRef};
pub use session::Service;
pub use settings::{Limits, Role, Settings};
pub use trace::trace_header;

use crate::names::Address;

/// Who lives here.
pub trait Directory: Send + Sync + 'static {
    /// Finds the mailbox of an address.
    fn resolve(&self, address: &Address) -> impl Future<Output = Result<Resolution, DirectoryError>> + Send;
}

/// The directory cannot answer; the fault is ours, and the peer may try again.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the directory is unavailable")]
pub struct DirectoryError;

/// Where received messages go.
pub trait Intake: Send + Sync + 'static {
    /// Takes a message and answers for each of its addressees, in their order. `Stored` may be
    /// said only of what is durable.
    fn deliver(&self, received: Received) -> impl Future<Output = Vec<Outcome>> + Send;

    /// Hears what a peer was told, message by message and addressee by addressee. Must not wait.
    fn note(&self, _: Notice<'_>) {}
}

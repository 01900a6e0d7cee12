//! The container format of one message: strata, manifests, and the epochs of message keys.
//!
//! [`seal`](seal::seal) needs public halves and message keys only, so whoever receives mail can
//! open none of it; [`unseal`] opens what an identity may open. Refuses to know tenants beyond their
//! identifiers, storage, and who is asking. Field by field: `docs/format.md`.

pub mod container;
pub mod epoch;
mod error;
mod layout;
pub mod manifest;
#[expect(clippy::module_inception, reason = "the module's one act has the module's name")]
pub mod seal;
mod stream;
pub mod unseal;

pub use container::{Container, ManifestRef, OpenError, Stored};
pub use epoch::{EpochHold, EpochKeys, EpochSeed, Epochs, MessageKey, MessageKeyGrant, SealedSeed};
pub use error::{SealError, UnsealError};
pub use manifest::{AtomRun, EnvelopeFacts, Listing, OwnerManifest, Piece, StratumGrant, ViewManifest};
pub use seal::{AtomSpan, InputPiece, SealInput, SealedMessage, ViewInput, seal};
pub use stream::{StratumKey, StratumReader};
pub use unseal::{OpenedOriginal, OpenedView, Rendering};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod samples;

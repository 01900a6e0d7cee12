//! Messages: the bytes as received, cut into atoms, and the strict reading of each atom.
//!
//! Owns the type that guards message bytes ([`Plaintext`]), their anatomy (RFC 5322, RFC 2045 to
//! 2049), the list of anomalies that must seal what they touch, and strict decoding of header
//! fields and bodies. It refuses to know policies, keys and storage: it says what is there and
//! what is in doubt, never what is shown.

pub mod anatomy;
pub mod anomaly;
pub mod content_type;
mod cutter;
mod describe;
pub mod header;
mod lines;
mod mailbox;
pub mod part;
pub mod plaintext;
#[cfg(test)]
pub(crate) mod samples;
pub mod second_reading;
pub mod sniff;
pub mod text;
pub mod transfer;

pub use anatomy::{Anatomy, Atom, AtomKind, Field, dissect};
pub use anomaly::{Anomalies, Anomaly};
pub use part::{Content, DispositionKind, Part, PartId, TransferEncoding};
pub use plaintext::Plaintext;

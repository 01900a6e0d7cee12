//! Sealed bytes and their index on disk, atomically and durably.
//!
//! What lies where: [`layout`] owns the data folder, [`ledger`] the small ordered records in it,
//! [`blobs`] the containers, and [`sweep`] removes the containers that a crash left without a
//! record. The order of a delivery is fixed: the container is durable first, then the record that
//! refers to it, then the sender is told.
//!
//! This module knows no plaintext, no key, no policy and no mail. Whatever it is given is opaque
//! and already sealed, so it also detects no tampering: redb's checksums find what a crash or a
//! failing disk did, and the seals of the values themselves find what a person did.

pub mod blobs;
pub mod layout;
pub mod ledger;
pub mod sweep;

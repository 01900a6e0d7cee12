//! Veilpost, a mail vault: mail is sealed on arrival under keys the resting server does not hold,
//! served to mail clients through views that a policy masks, and opened whole only by a person
//! with password and TOTP, after an audit entry is durable.
//!
//! `docs/architecture.md` tells the life of one message through these modules and holds the table
//! of who may import whom; `tests/architecture.rs` keeps it true.

pub mod clock;
pub mod message;
pub mod names;
pub mod plan;
pub mod policy;

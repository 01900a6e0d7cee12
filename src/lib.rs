//! Veilpost, a mail vault: mail is sealed on arrival under keys the resting server does not hold,
//! served to mail clients through views that a policy masks, and opened whole only by a person
//! with password and TOTP, after an audit entry is durable.
//!
//! `docs/architecture.md` tells the life of one message through these modules and holds the table
//! of who may import whom; `tests/house/architecture.rs` keeps it true.

pub mod admin;
pub mod audit;
pub mod autoconfig;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboard;
pub mod doctor;
pub mod gateway;
pub mod init;
pub mod keyring;
pub mod mailbox;
pub mod message;
pub mod names;
pub mod net;
pub mod owner;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod private_file;
pub mod readable;
pub mod reading;
pub mod reception;
pub mod records;
pub mod seal;
pub mod search;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod structure;
pub mod tenant;
pub mod trace;
pub mod vault;
pub mod wipe;
pub mod wire;

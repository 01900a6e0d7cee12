//! Protocols as typed values to and from bytes. Knows no socket, no storage, no key.

pub mod imap;
pub mod pop3;
pub mod sasl;
pub mod smtp;

//! Sessions of mail clients. The gateway serves masked messages and nothing else: it knows no
//! plaintext, no policy, no owner key, and learns of mail only what a [`mailroom::Mailroom`] hands it.

pub mod imap;
pub mod mailroom;
pub mod pop3;

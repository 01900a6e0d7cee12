//! IMAP sessions: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051).

pub mod fetch;
pub mod room;
pub mod search;
pub mod sets;
pub mod sort;
pub mod thread;

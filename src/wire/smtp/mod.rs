//! SMTP and LMTP as typed values: commands from lines, replies to bytes.
//!
//! Follows RFC 5321 (SMTP), 2033 (LMTP), 1870 (SIZE), 2034 (enhanced codes), 3030 (CHUNKING)
//! and 6531 (SMTPUTF8). Refuses to know sockets and in what order commands may come.

mod command;
mod path;
mod reply;

pub use command::{Body, Chunk, Command, CommandError, Dialect, Mail, Rcpt};
pub use path::{ForwardPath, Mailbox, ReversePath};
pub use reply::{Enhanced, Reply};

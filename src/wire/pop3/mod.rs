//! POP3 as typed values: commands from lines, replies and message content to octets.
//!
//! RFC 1939 (the protocol), RFC 2449 (capabilities, response codes, line lengths), RFC 2595 §4
//! (STLS), RFC 3206 (SYS and AUTH codes), RFC 5034 (AUTH), RFC 6856 (UTF8). Knows no sockets, no
//! states, no maildrops: which command is allowed when is the session's affair.

mod command;
mod excerpt;
mod identifier;
mod reply;
mod stuffing;

pub use command::{Command, CommandError, MAX_LINE, MessageNumber};
pub use excerpt::TopExcerpt;
pub use identifier::UniqueId;
pub use reply::{Capability, Code, END, Failure, Reply, put_scan_listing, put_unique_id_listing};
pub use stuffing::DotStuffer;

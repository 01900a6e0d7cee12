//! FETCH (RFC 9051 §6.4.5, §7.5.2): from the items of a command to the octets of its responses.
//!
//! A [`Plan`] is made once for a command; it answers message after message. Whatever it puts is a function
//! of the roll and of the view's structure and octets (law 2). Large literals are never collected: they go
//! out in windows, through a [`Sink`], and their length is told before from the structure's spans.
//!
//! Knows no states and no connection; which messages are meant is `sets`' affair.

mod literal;
mod plan;
mod render;
mod tally;
mod values;

pub use plan::{Manner, Plan};
pub use render::{Complete, SendError, Shown, Sink};
pub use tally::{Shortfall, Tally};
pub use values::{email_id, put_date_time, put_email_id, put_flags, put_thread_id, thread_id};

#[cfg(test)]
mod tests;

//! The whole server in trouble: killed, cut off from power, on a full disk, with damaged files, among
//! hostile clients. The real program runs in a process of its own, and its clients are over sockets.
//!
//! What must hold, whatever happens: nothing acknowledged is lost, nothing half is visible, nothing is
//! unsealed without an audit entry, and who must know is told.

mod acts;
mod budgets;
mod clients;
mod clock;
mod damage;
mod extremes;
mod full;
mod hostile;
mod imap;
mod imap_changes;
mod imap_disk;
mod imap_hostile;
mod imap_kill;
mod imap_model;
mod keys;
mod kill;
mod letters;
mod pages;
mod policies;
mod power;
#[path = "../support/powercut/mod.rs"]
#[expect(dead_code, reason = "the storage tests use more of it")]
mod powercut;
mod rivals;
mod seats;
mod sign_in;
mod stop;
mod undoing;
mod world;

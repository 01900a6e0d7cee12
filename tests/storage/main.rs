//! The store against crashes: killed processes, cut power, full disks, failing syncs.
//!
//! These tests run the store as a server does, in a process of its own where it is killed: this test
//! binary starts itself again as the writer (`writer.rs`). What must hold afterwards is `verify.rs`.

mod disk_trouble;
mod kill;
mod power_cut;
#[path = "../support/powercut/mod.rs"]
mod powercut;
mod verify;
mod writer;

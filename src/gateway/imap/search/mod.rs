//! SEARCH (RFC 9051 §6.4.4): keys, compiled into tests of what a view shows.
//!
//! Tests are three-valued. Those that the roll decides are made first, and only messages that are still in
//! doubt are looked into: their structure, then their octets. It never sees more than the view (law 2).

mod answer;
mod compile;
mod find;
mod fold;
mod judge;
#[cfg(test)]
pub(crate) mod samples;

pub use answer::Answer;
pub use compile::{Scope, Search};
pub use fold::{fold, fold_into};

#[cfg(test)]
mod tests;

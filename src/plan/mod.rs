//! Policy times anatomy: what each view of a message shows, and which atoms go under which key.
//!
//! Two steps. [`compose`] makes one view's bytes for one message, from scratch: literals, and
//! references to atoms that are carried as they are (law 2: the result is a function of what the
//! rules show). [`plan`] lays all views of a message over each other and cuts its atoms into
//! strata. No keys, no storage, no network here. [`trial`] tries a policy on a message outside of
//! any vault, and [`explain`] says what becomes of each atom.

mod attachment;
mod body;
mod compose;
mod composition;
mod encode;
pub mod explain;
mod facts;
mod headers;
mod html;
mod node;
mod placeholder;
pub mod sides;
mod strata;
#[cfg(test)]
mod tests;
pub mod trial;

pub use compose::{Context, compose};
pub use composition::{Composition, Listing, Piece};
pub use facts::facts;
pub use strata::{Plan, Span, StratumPlan, plan};

//! The policy language: TOML in, a checked [`Policy`] out, and what can be asked of one.
//!
//! Pure: no I/O, no clock, no knowledge of any particular message or key. Whatever a policy does
//! not name is sealed; `docs/policy.md` is the reference for people who write one.
//!
//! - [`parse`] reads a policy and names everything that is wrong with it, with line and column;
//! - [`when`] picks the rules for one message, by facts about it;
//! - [`template`] and [`redact`] are the two things rules do with text;
//! - [`diff`] tells what one policy shows that another does not;
//! - [`schema`] is the JSON schema for editors, [`shipped`] the policies that come with Veilpost.

mod check;
mod diff;
mod error;
mod fields;
mod layer;
pub mod model;
mod parse;
pub mod redact;
mod schema;
mod shipped;
mod source;
pub mod template;
mod units;
pub mod when;

pub use diff::{Diff, diff};
pub use error::{PolicyErrors, Problem};
pub use model::*;
pub use parse::{MAX_OCTETS, parse};
pub use redact::Redactor;
pub use schema::schema;
pub use shipped::shipped;
pub use template::Template;
pub use units::parse_age;
pub use when::{Dmarc, Facts, Matcher};

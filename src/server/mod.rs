//! The running server: what the parts are wired to, and what administrators may ask of it.

pub mod mailroom;

//! Tenants, users, addresses, views and credentials: who exists, and where mail for whom goes.
//! Holds wrapped keys and public halves; opens none of them, and never meets mail.

pub mod attempts;
pub mod directory;
pub mod domains;
pub mod registry;
pub mod roles;
pub mod rows;
pub mod sharing;
pub mod softlock;
pub mod switching;
pub mod written;

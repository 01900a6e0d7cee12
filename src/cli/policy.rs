//! stub
use super::{Common, Failed};
/// stub
#[derive(clap::Subcommand)]
pub enum Policy {
    /// x
    Check,
}
/// stub
pub fn run(_: Policy, _: &Common) -> Result<(), Failed> {
    Ok(())
}

//! The rules of the house that the compiler cannot check: who imports whom, what source files look
//! like, what is tracked, what we depend on. They read the repository, not the program.
//!
//! A rule that stands in the way is changed here and in the documents first, with its reason.

mod architecture;
mod commits;
mod dependencies;
mod habits;
mod modules;
mod tokens;
mod tracked;

use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with every finding, one a line.
fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}

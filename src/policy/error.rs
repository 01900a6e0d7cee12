//! What is wrong with a policy text: for the person who wrote it, so it may quote the policy.

use std::fmt;

/// Everything that is wrong with one policy. The one at fault is whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
pub struct PolicyErrors {
    /// The policy's name.
    pub name: String,
    /// At least one problem, in the order of the text.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, as in `when[2].headers.show[0]`; empty for the whole text.
    pub place: String,
    /// A sentence that says what to do.
    pub message: String,
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(out, "policy `{}`: {count} problem{}", self.name, if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(out, "\n  {problem}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}", self.line, self.column)?;
        if !self.place.is_empty() {
            write!(out, ", {}", self.place)?;
        }
        write!(out, ": {}", self.message)
    }
}

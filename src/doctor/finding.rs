//! What a check says, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// The server runs, and somebody should look.
    Warn,
    /// The server will not start, or mail or keys are in danger.
    Fail,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it, one word.
    pub check: &'static str,
    /// How bad it is.
    pub state: State,
    /// What was found.
    pub what: String,
    /// The remedy, as a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_this: Option<String>,
}

impl Finding {
    /// Something in order.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, state: State::Ok, what: what.into(), do_this: None }
    }

    /// Something to look at.
    pub fn warn(check: &'static str, what: impl Into<String>, do_this: impl Into<String>) -> Self {
        Self { check, state: State::Warn, what: what.into(), do_this: Some(do_this.into()) }
    }

    /// Something to repair.
    pub fn fail(check: &'static str, what: impl Into<String>, do_this: impl Into<String>) -> Self {
        Self { check, state: State::Fail, what: what.into(), do_this: Some(do_this.into()) }
    }
}

/// The worst state among `findings`.
pub fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}

/// Findings as lines for a person, with ANSI colours if `colour`, and a summary.
pub fn render(findings: &[Finding], colour: bool) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        // Writing into a String does not fail, here and below.
        let _ = writeln!(text, "{}  {:width$}  {}", mark(finding.state, colour), finding.check, finding.what);
        if let Some(remedy) = &finding.do_this {
            let _ = writeln!(text, "{:indent$}→ {remedy}", "", indent = width + 8);
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (good, odd, bad) = (count(State::Ok), count(State::Warn), count(State::Fail));
    let _ = writeln!(text, "\n{good} in order, {odd} to look at, {bad} to repair");
    text
}

fn mark(state: State, colour: bool) -> String {
    let (word, code) = match state {
        State::Ok => ("ok  ", 32),
        State::Warn => ("warn", 33),
        State::Fail => ("FAIL", 31),
    };
    match colour {
        true => format!("\x1b[1;{code}m{word}\x1b[0m"),
        false => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("clock", "is set"),
            Finding::fail("root-key", "everybody may read it", "chmod 600 keys/root.key"),
        ]
    }

    #[test]
    fn people_get_aligned_lines() {
        let expected = "ok    clock     is set\n\
                        FAIL  root-key  everybody may read it\n                \
                        → chmod 600 keys/root.key\n\
                        \n1 in order, 0 to look at, 1 to repair\n";
        assert_eq!(render(&findings(), false), expected);
        let coloured = render(&findings(), true);
        assert!(coloured.starts_with("\x1b[1;32mok  \x1b[0m  clock"), "{coloured}");
    }

    #[test]
    fn programs_get_json() {
        let json = serde_json::to_value(findings()).expect("serializes");
        assert_eq!(json[0], serde_json::json!({ "check": "clock", "state": "ok", "what": "is set" }));
        assert_eq!(json[1]["do_this"], "chmod 600 keys/root.key");
    }

    #[test]
    fn the_worst_counts() {
        assert_eq!(worst(&findings()), State::Fail);
        assert_eq!(worst(&[]), State::Ok);
    }
}

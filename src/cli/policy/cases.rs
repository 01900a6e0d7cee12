//! `veilpost policy test`: cases beside a policy, each a message and the exact view it must give.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::source::{self, Source};
use crate::cli::terminal::{Failed, Style, harmless, print, styled};
use crate::plan::trial::{Circumstances, Trial};
use crate::policy::Policy;

/// How one case ended.
#[derive(Serialize)]
struct Run {
    policy: String,
    case: String,
    outcome: Outcome,
    /// The lines of the view that differ, marked `-` (expected) and `+` (now).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    difference: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Passed,
    Failed,
    /// There is no view to compare with.
    Missing,
    /// The view was written.
    Blessed,
}

/// Runs the cases of the policies at `paths`; with `bless` writes the views that differ.
pub fn run(paths: &[PathBuf], bless: bool, json: bool) -> Result<(), Failed> {
    let mut runs = Vec::new();
    for file in policy_files(paths)? {
        let policy = Source::find(&file)?.policy()?;
        for message in messages(&file.with_extension("cases"))? {
            runs.push(case(&policy, &message, bless)?);
        }
    }
    if runs.is_empty() {
        return Err(Failed::new("no cases were found")
            .hint("beside NAME.toml make a folder NAME.cases and put messages into it, as CASE.eml"));
    }
    print(json, &runs, |runs| report(runs))?;
    match runs.iter().filter(|run| matches!(run.outcome, Outcome::Failed | Outcome::Missing)).count() {
        0 => Ok(()),
        bad => Err(Failed::new(format!("{bad} of {} cases failed", runs.len()))
            .hint("if the new views are right, `veilpost policy test --bless` keeps them")),
    }
}

/// The policy files among the paths, and those in the folders among them, sorted.
fn policy_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(listed(path, "toml")?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// The messages of a folder of cases; none without the folder.
fn messages(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    if folder.is_dir() { listed(folder, "eml") } else { Ok(Vec::new()) }
}

fn listed(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| Failed::new(format!("{}: {error}", folder.display())))?;
    let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|own| own == extension));
    found.sort();
    Ok(found)
}

fn case(policy: &Policy, message: &Path, bless: bool) -> Result<Run, Failed> {
    let bytes = source::message(message)?;
    let facts = circumstances(&message.with_extension("facts"))?;
    // An empty file stands for a message that the view leaves out.
    let view = Trial::new(policy, &bytes, &facts).view().unwrap_or_default();
    let path = message.with_extension("view");
    let expected = path.is_file().then(|| source::message(&path)).transpose()?;
    let difference = match &expected {
        Some(expected) if *expected != view => difference(expected, &view),
        _ => Vec::new(),
    };
    let outcome = match expected {
        Some(expected) if expected == view => Outcome::Passed,
        _ if bless => {
            fs::write(&path, &view).map_err(|error| Failed::new(format!("{}: {error}", path.display())))?;
            Outcome::Blessed
        }
        Some(_) => Outcome::Failed,
        None => Outcome::Missing,
    };
    let case = message.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Run { policy: policy.name.clone(), case, outcome, difference })
}

fn circumstances(path: &Path) -> Result<Circumstances, Failed> {
    if !path.is_file() {
        return Ok(Circumstances::default());
    }
    let wrong = |error: String| {
        Failed::new(format!("{}: {error}", path.display()))
            .hint("facts are TOML: to, dmarc, spam, age, phrase; see `veilpost policy test --help`")
    };
    let octets = source::read(path, MAX_FACTS).map_err(|error| wrong(error.to_string()))?;
    Circumstances::parse(&String::from_utf8_lossy(&octets)).map_err(wrong)
}

fn report(runs: &[Run]) -> String {
    let out = std::io::stdout();
    let mut text = String::new();
    for run in runs {
        let word = match run.outcome {
            Outcome::Passed => styled("passed ", Style::Good, &out),
            Outcome::Failed => styled("FAILED ", Style::Bad, &out),
            Outcome::Missing => styled("no view", Style::Bad, &out),
            Outcome::Blessed => styled("blessed", Style::Strong, &out),
        };
        text += &format!("{word} {}/{}\n", run.policy, run.case);
        for line in &run.difference {
            let style = match line.as_bytes().first() {
                Some(b'-') => Style::Bad,
                Some(b'+') => Style::Good,
                _ => Style::Dim,
            };
            text += &format!("    {}\n", styled(&harmless(line), style, &out));
        }
    }
    text
}

/// The lines that differ, with the unchanged ones between them left out. A line end that is not
/// CRLF is written out, since views are compared by octets.
fn difference(old: &[u8], new: &[u8]) -> Vec<String> {
    let (old, new) = (lines(old), lines(new));
    let mut marked = Vec::new();
    let (mut left, mut right) = (0, 0);
    for (next_left, next_right) in common(&old, &new).into_iter().chain([(old.len(), new.len())]) {
        if left < next_left || right < next_right {
            marked.push(format!("@ line {}", right + 1));
        }
        marked.extend(old[left..next_left].iter().map(|line| format!("-{line}")));
        marked.extend(new[right..next_right].iter().map(|line| format!("+{line}")));
        (left, right) = (next_left + 1, next_right + 1);
    }
    marked
}

fn lines(octets: &[u8]) -> Vec<String> {
    let line = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(line) => String::from_utf8_lossy(line).into_owned(),
        None => format!("{} (without CRLF)", String::from_utf8_lossy(line).trim_end()),
    };
    octets.split_inclusive(|octet| *octet == b'\n').map(line).collect()
}

/// The pairs of a longest common subsequence. Where the texts are too long for its square table,
/// only of what they begin with in common.
fn common(old: &[String], new: &[String]) -> Vec<(usize, usize)> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let mut pairs: Vec<(usize, usize)> = (0..start).map(|at| (at, at)).collect();
    let (rows, columns) = (old.len() - start, new.len() - start);
    if rows.saturating_mul(columns) > MAX_TABLE {
        return pairs;
    }
    let mut longest = vec![vec![0_u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row][column] = if old[start + row] == new[start + column] {
                longest[row + 1][column + 1] + 1
            } else {
                longest[row + 1][column].max(longest[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        if old[start + row] == new[start + column] {
            pairs.push((start + row, start + column));
            (row, column) = (row + 1, column + 1);
        } else if longest[row + 1][column] >= longest[row][column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// Octets of a case's facts.
const MAX_FACTS: u64 = 64 << 10;
/// Cells of the table that compares two views: a thousand lines each.
const MAX_TABLE: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_lines_and_line_ends() {
        let old = b"a\r\nb\r\nc\r\nd\r\n";
        assert_eq!(difference(old, b"a\r\nx\r\nc\r\nd\r\ne\r\n"), ["@ line 2", "-b", "+x", "@ line 5", "+e"]);
        assert_eq!(difference(b"a\r\n", b"a\n"), ["@ line 1", "-a", "+a (without CRLF)"]);
        assert!(difference(old, old).is_empty());
    }

    #[test]
    fn a_case_fails_is_blessed_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("p.toml");
        fs::write(&policy, "version = 1\n[[when]]\nspam = true\nshow = \"nothing\"\n").unwrap();
        let cases = folder.path().join("p.cases");
        fs::create_dir(&cases).unwrap();
        fs::write(cases.join("mail.eml"), "Subject: x\r\n\r\ntext\r\n").unwrap();
        fs::write(cases.join("bait.eml"), "Subject: x\r\n\r\ntext\r\n").unwrap();
        fs::write(cases.join("bait.facts"), "spam = true\n").unwrap();
        let paths = [folder.path().to_owned()];
        assert!(run(&paths, false, true).is_err());
        assert!(!cases.join("mail.view").exists());
        run(&paths, true, true).unwrap();
        run(&paths, false, true).unwrap();
        assert_eq!(fs::read(cases.join("bait.view")).unwrap(), b"");
        fs::write(cases.join("mail.view"), "other\r\n").unwrap();
        assert!(run(&[policy], false, true).is_err());
        fs::write(cases.join("bait.facts"), "span = true\n").unwrap();
        assert!(run(&paths, false, true).is_err());
    }

    #[test]
    fn nothing_to_test_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(&[folder.path().to_owned()], false, true).is_err());
    }
}

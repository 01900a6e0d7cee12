//! A policy's text to a checked policy, or to everything that is wrong with it.
//!
//! Three stages, each of which reports all it finds before the next is tried: TOML syntax (TOML 1.0, by
//! `toml`), known keys and types (by serde), meaning (`check`). Bounded: 64 KiB of text, and `toml`
//! limits nesting; every list has its limit in `check`. Knows positions; the other stages know places.

use std::borrow::Cow;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check;
use super::error::{PolicyErrors, Problem};
use super::model::Policy;
use super::source::Document;
use crate::readable;

/// Bytes of a policy's text; ten times the longest one we ship would fit.
pub const MAX_OCTETS: usize = 64 * 1024;

/// Parses and checks a policy. `name` is how views refer to it.
pub fn parse(text: &str, name: &str) -> Result<Policy, PolicyErrors> {
    let text = &*tidied(text);
    read(text)
        .and_then(|(document, table)| {
            let place = |fault: check::Fault| fault.at(text, &table);
            check::policy(document, name).map_err(|faults| faults.into_iter().map(place).collect())
        })
        .map_err(|mut problems: Vec<Problem>| {
            problems.sort();
            problems.dedup();
            PolicyErrors { name: name.to_owned(), problems }
        })
}

type Read<'a> = (Document, Spanned<DeTable<'a>>);

/// Syntax, keys and types.
fn read(text: &str) -> Result<Read<'_>, Vec<Problem>> {
    if text.len() > MAX_OCTETS {
        let message = format!("a policy has at most {} KiB", MAX_OCTETS / 1024);
        return Err(vec![Problem { line: 1, column: 1, place: String::new(), message }]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().take(MAX_PROBLEMS).map(|error| problem(text, error)).collect());
    }
    match Document::deserialize(Deserializer::from(table.clone())) {
        Ok(document) => Ok((document, table)),
        Err(first) => Err(all_faults(text, table, first)),
    }
}

/// serde stops at the first fault: take what it names out of the table and try again.
fn all_faults(text: &str, mut table: Spanned<DeTable<'_>>, first: toml::de::Error) -> Vec<Problem> {
    let mut problems = vec![problem(text, &first)];
    let mut last = first;
    while problems.len() < MAX_PROBLEMS && last.span().is_some_and(|span| remove(table.get_mut(), &span)) {
        let Err(error) = Document::deserialize(Deserializer::from(table.clone())) else { break };
        // What is missing may be what was taken out.
        if !["missing field", EMPTY_CHOICE].iter().any(|start| error.message().starts_with(start)) {
            problems.push(problem(text, &error));
        }
        last = error;
    }
    problems
}

/// Removes the innermost entry that holds the span; false if there is none. As deep as `toml` parses.
fn remove(table: &mut DeTable<'_>, span: &std::ops::Range<usize>) -> bool {
    let within = |outer: std::ops::Range<usize>| outer.start <= span.start && span.end <= outer.end;
    if table.iter_mut().any(|(_, value)| remove_inside(value.get_mut(), span)) {
        return true;
    }
    let found = table.iter().find(|(key, value)| within(key.span()) || within(value.span()));
    let Some(key) = found.map(|(key, _)| key.clone()) else { return false };
    table.remove(&key).is_some()
}

fn remove_inside(value: &mut DeValue<'_>, span: &std::ops::Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => {
            if array.iter_mut().any(|item| remove_inside(item.get_mut(), span)) {
                return true;
            }
            let keeps =
                |item: &Spanned<DeValue<'_>>| span.start < item.span().start || item.span().end < span.end;
            let kept: Vec<_> = array.iter().filter(|item| keeps(item)).cloned().collect();
            let removed = kept.len() < array.len();
            *array = kept.into_iter().collect();
            removed
        }
        _ => false,
    }
}

/// A fault that `toml` or serde found.
/// The text as an editor of this system would have written it: placeholders are of several lines, and line
/// ends are a matter of the file, not of the policy.
fn tidied(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() }
}

fn problem(text: &str, error: &toml::de::Error) -> Problem {
    let (line, column) = position(text, error.span().map_or(0, |span| span.start));
    Problem { line, column, place: String::new(), message: advice(error.message()) }
}

/// Line and column, both from 1, of a byte of the text.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// serde's sentence in ours; what only a policy knows is said here.
fn advice(message: &str) -> String {
    if message == "missing field `version`" {
        return "`version` is missing: begin with `version = 1`".to_owned();
    }
    if message.starts_with("wanted exactly 1 element") {
        return "write one value here, as in \"show\" or { excerpt = 5 }".to_owned();
    }
    readable::sentence(message)
}

/// What `toml` says of a table that should hold one choice.
const EMPTY_CHOICE: &str = "wanted exactly 1 element, found 0";
/// Problems in one report.
const MAX_PROBLEMS: usize = 20;

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

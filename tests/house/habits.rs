//! What every Rust file keeps to, tests and fuzz targets included.

use std::path::{Path, PathBuf};

use proc_macro2::TokenTree;

use super::modules::product;
use super::tokens::{each_word, is_sign, parse};

#[test]
fn every_file_begins_by_saying_what_it_owns() {
    let findings = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    super::none("files without `//!`", &findings.map(|(file, _)| shown(&file)).collect::<Vec<_>>());
}

#[test]
fn no_file_is_long() {
    let long = |text: &str| text.lines().count() > MAX_LINES;
    let findings = sources().into_iter().filter(|(_, text)| long(text));
    super::none("files past 800 lines", &findings.map(|(file, _)| shown(&file)).collect::<Vec<_>>());
}

#[test]
fn nothing_is_unsafe() {
    let manifest = std::fs::read_to_string(super::root().join("Cargo.toml")).expect("the manifest");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    super::none("unsafe code", &files_with(|word, _| word == "unsafe"));
}

#[test]
fn nothing_is_left_to_do() {
    let unfinished = |word: &str, rest: &[TokenTree]| {
        matches!(word, "todo" | "unimplemented" | "dbg") && is_sign(rest.first(), '!')
    };
    super::none("code that is not finished", &files_with(unfinished));
    let notes = ["TO", "FIX", "XX"].iter().zip(["DO", "ME", "X"]).map(|(one, two)| format!("{one}{two}"));
    let notes: Vec<String> = notes.collect();
    let findings = sources().into_iter().filter(|(_, text)| notes.iter().any(|note| text.contains(note)));
    super::none("notes of work left", &findings.map(|(file, _)| shown(&file)).collect::<Vec<_>>());
}

#[test]
fn no_test_is_switched_off() {
    let mut findings = Vec::new();
    for (file, text) in sources() {
        if text.lines().any(|line| line.trim_start().starts_with(&format!("#[{}", "ignore"))) {
            findings.push(shown(&file));
        }
    }
    super::none("ignored tests", &findings);
}

/// Only the command line speaks to a person; the rest traces.
#[test]
fn only_the_command_line_prints() {
    let mut findings = Vec::new();
    for module in product().iter().filter(|module| !matches!(module.top.as_str(), "cli" | "main")) {
        each_word(&module.tokens, &mut |word, rest| {
            let prints = matches!(word, "print" | "println" | "eprint" | "eprintln");
            findings.extend((prints && is_sign(rest.first(), '!')).then(|| shown(&module.file)));
        });
    }
    super::none("prints outside src/cli", &findings);
}

/// The files in which such a word stands, given what follows it.
fn files_with(fits: impl Fn(&str, &[TokenTree]) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, text) in sources() {
        each_word(&parse(&text), &mut |word, rest| {
            findings.extend(fits(word, rest).then(|| shown(&file)));
        });
    }
    findings
}

/// All Rust files of the repository, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        gather(&super::root().join(folder), &mut found);
    }
    assert!(found.len() > 200, "the sources are where they were");
    found
}

fn gather(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "corpus") {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source is text");
            found.push((path, text));
        }
    }
}

fn shown(file: &Path) -> String {
    file.strip_prefix(super::root()).unwrap_or(file).display().to_string()
}

const MAX_LINES: usize = 800;

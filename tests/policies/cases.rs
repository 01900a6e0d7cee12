//! The cases beside the shipped policies. `veilpost policy test --bless` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use veilpost::plan::trial::{Circumstances, Trial};
use veilpost::policy::{Policy, parse, shipped};

#[test]
fn every_case_gives_its_view() {
    let mut wrong = Vec::new();
    for (name, text) in shipped() {
        let policy = parse(text, name).expect("shipped policies load");
        let messages = messages(name);
        assert!(messages.len() > 1, "{name} has cases");
        wrong.extend(messages.into_iter().filter(|message| !agrees(&policy, message)));
    }
    assert!(wrong.is_empty(), "run `veilpost policy test` to see what differs: {wrong:#?}");
}

#[test]
fn no_case_is_left_without_a_message() {
    for (name, _) in shipped() {
        for entry in fs::read_dir(folder(name)).expect("every policy has cases").flatten() {
            let message = entry.path().with_extension("eml");
            assert!(message.is_file(), "{} has no message beside it", entry.path().display());
        }
    }
}

/// Every exception of a shipped policy is shown at work by a case; size alone needs none.
#[test]
fn every_exception_has_a_case() {
    for (name, text) in shipped() {
        let policy = parse(text, name).expect("shipped policies load");
        for (index, when) in policy.when.iter().enumerate() {
            let taken = |message: &PathBuf| {
                let (bytes, told) = read(message);
                Trial::new(&policy, &bytes, &told).exception().is_some_and(|(taken, _)| taken == index)
            };
            let by_size = when.matcher.to_string().starts_with("larger than");
            assert!(by_size || messages(name).iter().any(taken), "{name}: mail {}", when.matcher);
        }
    }
}

fn agrees(policy: &Policy, message: &Path) -> bool {
    let (bytes, told) = read(message);
    let view = Trial::new(policy, &bytes, &told).view().unwrap_or_default();
    fs::read(message.with_extension("view")).is_ok_and(|expected| expected == view)
}

fn read(message: &Path) -> (Vec<u8>, Circumstances) {
    let facts = fs::read_to_string(message.with_extension("facts")).unwrap_or_default();
    let told = Circumstances::parse(&facts).expect("the facts can be read");
    (fs::read(message).expect("the message can be read"), told)
}

fn messages(policy: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(policy)).expect("every policy has cases");
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect()
}

fn folder(policy: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(format!("{policy}.cases"))
}

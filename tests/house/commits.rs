//! Every act of the owner's side that checks and then waits commits on what it checked: `owner::checked::act`
//! is the door to the ledger, and what commits outside of it stands here with its own condition.

use super::modules::product;
use super::tokens::each_word;

/// The functions that reach the ledger by themselves, and why that is safe: file, commits in it, reason.
const OUTSIDE: &[(&str, usize, &str)] = &[
    ("src/owner/checked.rs", 1, "the door itself"),
    (
        "src/owner/account.rs",
        1,
        "`update_user_and`: replaces the row that it read, and asks its change again on conflict",
    ),
    (
        "src/owner/codes.rs",
        1,
        "replaces the row of used codes that it read: two with one code do not both pass",
    ),
    ("src/owner/enrol.rs", 1, "a dashboard's view is inserted, so that a second one conflicts"),
    ("src/owner/lines.rs", 1, "keeps summaries that can be made again: nothing was decided"),
    ("src/owner/passkey/unlock.rs", 1, "replaces the passkey's row that it read: a counter does not go back"),
    (
        "src/owner/remove.rs",
        3,
        "deletes what an act has marked as being removed, or a log whose time is over",
    ),
    ("src/owner/sign_in.rs", 1, "notes when somebody last signed in: nothing was decided"),
    ("src/owner/tokens.rs", 1, "notes when a token was last used: nothing was decided"),
    (
        "src/owner/unlock.rs",
        2,
        "replaces the row of failed attempts that it read, or deletes it at a success",
    ),
    ("src/owner/view.rs", 1, "`settle`: before anybody is let in, so nobody else writes"),
];

#[test]
fn acts_commit_on_what_they_checked() {
    let mut findings = Vec::new();
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for module in product() {
        let file = module.file.strip_prefix(super::root()).unwrap_or(&module.file).display().to_string();
        if !file.starts_with("src/owner/") {
            continue;
        }
        // `records.commit(…)`: the search index has commits of its own, which are not the ledger's.
        let mut before = String::new();
        each_word(&module.tokens, &mut |word, _| {
            if word == "commit" && before == "records" {
                *seen.entry(file.clone()).or_default() += 1;
            }
            before = word.to_owned();
        });
    }
    for (file, commits) in &seen {
        let allowed = OUTSIDE.iter().find(|(known, ..)| known == file).map_or(0, |(_, count, _)| *count);
        if *commits != allowed {
            findings
                .push(format!("{file}: {commits} commits, and {allowed} with a reason: use `checked::act`"));
        }
    }
    for (file, ..) in OUTSIDE.iter().filter(|(file, ..)| !seen.contains_key(*file)) {
        findings.push(format!("{file}: commits nothing any more; take it off the list"));
    }
    super::none("commits on the owner's side outside of checked acts", &findings);
}

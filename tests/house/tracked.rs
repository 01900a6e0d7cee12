//! What may be tracked: text, mail and pictures, and no word of the machine it was written on.

use std::path::Path;
use std::process::Command;

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let mut findings = Vec::new();
    for (name, bytes) in tracked() {
        // Mail is foreign; a lock file names its registry by nature.
        let foreign = name.ends_with(".eml") || name.ends_with(".view") || name.ends_with("Cargo.lock");
        let text = String::from_utf8_lossy(&bytes);
        let named = places().into_iter().filter(|place| !foreign && text.contains(place));
        findings.extend(named.map(|place| format!("{name} names {place}")));
    }
    super::none("machine paths and registry hosts in tracked files", &findings);
}

#[test]
fn nothing_built_is_tracked() {
    let picture =
        |name: &str| [".png", ".svg", ".eml", ".view", ".age"].iter().any(|end| name.ends_with(end));
    let tracked = tracked().into_iter();
    let findings = tracked.filter(|(name, bytes)| !picture(name) && std::str::from_utf8(bytes).is_err());
    super::none("tracked files that are no text", &findings.map(|(name, _)| name).collect::<Vec<_>>());
}

/// In pieces, so that this file does not find itself.
fn places() -> Vec<String> {
    let halves = [
        ("/wo", "rk/"),
        ("/ro", "ot/."),
        ("/tmp", "/wt"),
        ("/tmp", "/t/"),
        ("/ho", "me/user"),
        ("crates", ".io"),
        ("pypi", ".org"),
        ("python", "hosted"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("deb.deb", "ian"),
    ];
    halves.iter().map(|(one, two)| format!("{one}{two}")).collect()
}

/// Every tracked file with its content; none, with a line that says so, where git has no say.
fn tracked() -> Vec<(String, Vec<u8>)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(super::root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|what| what == "all");
        assert!(!required, "git is required to tell what is tracked");
        eprintln!("SKIPPED: no git, or no checkout: what is tracked is unknown");
        return Vec::new();
    };
    let names = String::from_utf8(listed.stdout).expect("our file names are UTF-8");
    let read = |name: &str| Some((name.to_owned(), std::fs::read(Path::new(super::root()).join(name)).ok()?));
    names.split_terminator('\0').filter_map(read).collect()
}

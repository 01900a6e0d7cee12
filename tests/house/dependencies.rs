//! What we depend on: where it comes from, under which licence, and what must never be among it.
//! Asks cargo, offline, about this machine's target: what was just built.

use std::process::Command;

use spdx::{Expression, ParseMode};

/// A crate in the build.
struct Crate {
    name: String,
    version: String,
    licence: String,
}

#[test]
fn every_licence_is_one_we_accept() {
    let accepted = |licence: &str| {
        let expression = Expression::parse_mode(licence, ParseMode::LAX).ok()?;
        let fits =
            expression.evaluate(|wanted| wanted.license.id().is_some_and(|id| LICENCES.contains(&id.name)));
        Some(fits)
    };
    let crates = built().into_iter().filter(|one| accepted(&one.licence) != Some(true));
    let findings = crates.map(|one| format!("{} {}: {:?}", one.name, one.version, one.licence));
    super::none("licences that are not on the list", &findings.collect::<Vec<_>>());
}

#[test]
fn what_we_decided_against_is_not_built() {
    let crates = built().into_iter().filter(|one| FORBIDDEN.contains(&one.name.as_str()));
    super::none("forbidden crates", &crates.map(|one| one.name).collect::<Vec<_>>());
}

/// Two of these would mean two runtimes, two TLS stacks, or types that do not fit.
#[test]
fn what_must_be_one_is_one() {
    let crates = built();
    let versions = |name: &str| crates.iter().filter(|one| one.name == name).count();
    let findings = SINGLE.iter().filter(|name| versions(name) != 1);
    super::none("not exactly one version", &findings.map(|name| (*name).to_owned()).collect::<Vec<_>>());
}

/// No git checkout, no path beside us, no other registry.
#[test]
fn everything_comes_from_the_one_registry() {
    let text = std::fs::read_to_string(super::root().join("Cargo.lock")).expect("the lock file");
    let lock: toml::Table = text.parse().expect("the lock file is TOML");
    let packages = lock["package"].as_array().expect("a list");
    let from_the_registry = |package: &toml::Value| {
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
        text("name") == Some("veilpost")
            || (text("source").is_some_and(|source| source.starts_with(REGISTRY))
                && text("checksum").is_some())
    };
    let findings = packages.iter().filter(|package| !from_the_registry(package));
    super::none(
        "crates from elsewhere",
        &findings.map(|package| package["name"].to_string()).collect::<Vec<_>>(),
    );
}

/// The crates of the program, without those of its tests.
fn built() -> Vec<Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--no-dedupe", "--format", "{p}\t{l}"])
        .current_dir(super::root())
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are UTF-8");
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().map(read).collect()
}

fn read(line: &str) -> Crate {
    let (package, licence) = line.split_once('\t').expect("our own format");
    let mut words = package.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    Crate { name: word(), version: word(), licence: licence.to_owned() }
}

/// `rsa` is open to timing attacks where it holds a private key (Marvin, RUSTSEC-2023-0071). Passkeys
/// only verify with it, so nothing but their crate may bring it in.
#[test]
fn rsa_comes_with_passkeys_alone() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--invert", "rsa"])
        .args(["--depth", "2", "--prefix", "none", "--format", "{p}"])
        .current_dir(super::root())
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let others = text.lines().filter_map(|line| line.split(' ').next());
    let others =
        others.filter(|name| !["rsa", "crypto-glue"].contains(name) && !name.starts_with("webauthn"));
    super::none("crates that bring rsa in", &others.map(str::to_owned).collect::<Vec<_>>());
}

/// Ours to keep: permissive, and MPL 2.0, whose duties end at the borders of its files.
const LICENCES: [&str; 10] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

/// A second TLS or crypto stack (we have rustls on AWS-LC); sled does not sync (decision 0001).
const FORBIDDEN: [&str; 7] = ["ring", "openssl", "openssl-sys", "native-tls", "sled", "webpki", "async-std"];

const SINGLE: [&str; 8] =
    ["tokio", "rustls", "aws-lc-sys", "hyper", "mail-parser", "redb", "zeroize", "hpke"];

/// In pieces: no tracked file names a registry's host.
const REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

//! The npm package `age-encryption`, by age's author, as the other side of interoperability tests.
//!
//! Found in the folder that VEILPOST_NODE_MODULES names, else installed once by npm into a folder
//! of the test's. Where neither works the tests say so and pass, unless VEILPOST_TEST_REQUIRE=all.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::{Identity, open, seal_to};

/// A folder whose `node_modules` has `age-encryption`.
pub(crate) struct NodeAge {
    folder: TempDir,
}

/// The package, or none where it cannot be had.
pub(crate) fn installed() -> Option<&'static NodeAge> {
    static FOUND: OnceLock<Option<NodeAge>> = OnceLock::new();
    let found = FOUND.get_or_init(|| find().or_else(install)).as_ref();
    if found.is_none() {
        let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|value| value == "all");
        assert!(!required, "the npm package age-encryption is required and cannot be had");
        eprintln!("skipped: no node, or no npm package age-encryption (VEILPOST_NODE_MODULES, npm)");
    }
    found
}

impl NodeAge {
    /// The folder in which scripts find the package.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs statements with `age` imported, `input` read from standard input and `out` to answer.
    pub(crate) fn run(&self, statements: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let script = format!(
            "import * as age from 'age-encryption'; import {{ readFileSync, writeSync }} from 'node:fs';
             const input = new Uint8Array(readFileSync(0)); const out = (bytes) => writeSync(1, bytes);
             {statements}"
        );
        let mut node = Command::new("node")
            .args(["--input-type=module", "-e", &script])
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(input).unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "node failed");
        output.stdout
    }
}

/// A folder that links to VEILPOST_NODE_MODULES.
fn find() -> Option<NodeAge> {
    let modules = PathBuf::from(std::env::var_os("VEILPOST_NODE_MODULES")?);
    let folder = tempfile::tempdir().ok()?;
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).ok()?;
    works(folder)
}

fn install() -> Option<NodeAge> {
    let folder = tempfile::tempdir().ok()?;
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(folder.path())
        .arg(PACKAGE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    npm.ok()?.success().then_some(folder).and_then(works)
}

fn works(folder: TempDir) -> Option<NodeAge> {
    let node = Command::new("node")
        .args(["-e", "require.resolve('age-encryption')"])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .status();
    node.ok()?.success().then_some(NodeAge { folder })
}

/// The first line of versions with post-quantum recipients.
const PACKAGE: &str = "age-encryption@0.3";

#[test]
fn it_opens_what_we_seal() {
    let Some(node) = installed() else { return };
    let identity = Identity::generate();
    let file = seal_to(&[&Identity::generate().recipient(), &identity.recipient()], b"from Rust").unwrap();
    let plain = node.run(
        "const d = new age.Decrypter(); d.addIdentity(process.argv[1]); out(await d.decrypt(input));",
        &[&identity.reveal()],
        &file,
    );
    assert_eq!(plain, b"from Rust");
}

#[test]
fn we_open_what_it_seals() {
    let Some(node) = installed() else { return };
    let identity = Identity::generate();
    let file = node.run(
        "const e = new age.Encrypter(); e.addRecipient(process.argv[1]); out(await e.encrypt(input));",
        &[&identity.recipient().to_string()],
        b"from npm",
    );
    assert_eq!(open(&identity, &file).unwrap().as_slice(), b"from npm");
}

#[test]
fn keys_print_alike() {
    let Some(node) = installed() else { return };
    let text = node.run(
        "const identity = await age.generateHybridIdentity();
         out(Buffer.from(identity + ' ' + await age.identityToRecipient(identity)));",
        &[],
        b"",
    );
    let text = String::from_utf8(text).unwrap();
    let (identity, recipient) = text.split_once(' ').unwrap();
    let identity = Identity::parse(identity).unwrap();
    assert_eq!(identity.recipient().to_string(), recipient);
}

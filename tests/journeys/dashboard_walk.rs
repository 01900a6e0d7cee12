//! The walk through the dashboard in real Chromium: `tests/walk/*.mjs` on the npm packages
//! playwright-core and axe-core, against a demo server with a newcomer's tenant and attack mail.
//!
//! VEILPOST_WALK_SHOTS names a folder for pictures of every page. Where node, Chromium or the
//! packages cannot be had the test says so and passes, unless VEILPOST_TEST_REQUIRE=all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::smtp::{Smtp, deliver};
use crate::support::{Server, absent, tool};

#[test]
fn a_person_walks_through_the_dashboard() {
    let (Some(chromium), Some(_), Some(_)) = (tool("chromium"), tool("node"), tool("curl")) else { return };
    let Some(scripts) = scripts() else { return };
    let server = Server::demo();
    let attacks = send_attacks(&server);
    let facts = json!({
        "program": env!("CARGO_BIN_EXE_veilpost"),
        "chromium": chromium,
        "pictures": pictures(),
        "dashboard": server.fact("dashboard"),
        "ca_file": server.ca_file(),
        "key_file": Path::new(server.ca_file()).with_file_name("tls-key.pem"),
        "pop3s": server.port("pop3s"),
        "newcomer": newcomer(&server),
        "reader": reader(&server),
        "attacks": attacks,
    });
    let mut node = Command::new("node")
        .arg(scripts.path().join("walk.mjs"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("node is there");
    let mut stdin = node.stdin.take().expect("piped");
    stdin.write_all(facts.to_string().as_bytes()).expect("node reads the facts");
    drop(stdin);
    let ended = node.wait().expect("a child of ours");
    assert!(ended.success(), "the walk ended with {ended}");
}

/// A tenant whose user has never signed in, with some mail.
fn newcomer(server: &Server) -> Value {
    let made = ["tenant", "create", "chambers", "--address", NEWCOMER, "--enrol-at-sign-in"];
    server.run_with(&made, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]).expect("a tenant");
    // No multiple of three, so that the last octets are padded in transfer.
    let noise = (0..50_000_u32).map(|place| ((place * place) >> 7) as u8);
    let content = BASE64.encode(&b"%PDF-1.7\n".iter().copied().chain(noise).collect::<Vec<_>>());
    let lines: Vec<&str> = (0..content.len()).step_by(76).map(|at| line(&content, at)).collect();
    let letter = mail("tests/walk/mail/results.eml").replace("{content}", &lines.join("\n"));
    let samples = ["counsel", "bank", "code", "invitation", "newsletter"];
    let samples = samples.map(|name| mail(&format!("src/cli/samples/{name}.eml")));
    let answer = mail("tests/walk/mail/answer.eml");
    let messages: Vec<&str> = samples.iter().chain([&letter, &answer]).map(String::as_str).collect();
    messages.iter().for_each(|message| deliver(server, NEWCOMER, message));
    json!({
        "login": NEWCOMER,
        "password": PASSWORD,
        "own": "a password of my own now",
        "messages": messages.len(),
        "letter": {
            "subject": "Your appointment letter, with pictures",
            "words": "Monday at ten",
            "file": "appointment.pdf",
            "content": content,
        },
    })
}

/// The demo's user, with the device whose placeholders have links.
fn reader(server: &Server) -> Value {
    let phone = server.device("phone");
    json!({
        "login": server.fact("user"),
        "password": server.fact("password"),
        "seed": server.fact("totp_seed"),
        "device": { "login": phone.login, "app_password": phone.app_password },
    })
}

/// Sends every file of `tests/html` as a message to the demo's user; gives their names.
fn send_attacks(server: &Server) -> Vec<String> {
    let folder = root().join("tests/html");
    let entries = fs::read_dir(folder).expect("the attacks").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "html")).collect();
    files.sort();
    let mut session = Smtp::connect(server);
    let send = |path: &PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let body = BASE64.encode(&fs::read(path).expect("an attack"));
        let lines: Vec<&str> = (0..body.len()).step_by(76).map(|at| line(&body, at)).collect();
        let message = format!(
            "From: attack@evil.example\r\nSubject: attack {name}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            lines.join("\r\n")
        );
        session.deliver(server.fact("address"), message.as_bytes());
        name
    };
    files.iter().map(send).collect()
}

/// A folder with the scripts and, in `node_modules`, what they import.
fn scripts() -> Option<TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir(root().join("tests/walk")).expect("the scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let has = link(folder.path()) || install(folder.path());
    if !has {
        absent("no npm packages playwright-core and axe-core (VEILPOST_NODE_MODULES, npm)");
    }
    has.then_some(folder)
}

/// To the folder that VEILPOST_NODE_MODULES names, if it has both.
fn link(folder: &Path) -> bool {
    let Some(modules) = std::env::var_os("VEILPOST_NODE_MODULES").map(PathBuf::from) else { return false };
    PACKAGES.iter().all(|(name, _)| modules.join(name).is_dir())
        && std::os::unix::fs::symlink(modules, folder.join("node_modules")).is_ok()
}

fn install(folder: &Path) -> bool {
    let status = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", "--prefix"])
        .arg(folder)
        .args(PACKAGES.map(|(name, version)| format!("{name}@{version}")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("VEILPOST_WALK_SHOTS")?);
    fs::create_dir_all(&folder).expect("a folder for pictures");
    Some(folder)
}

fn mail(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a message of the repository").replace("\r\n", "\n")
}

/// At most 76 octets (RFC 2045 §6.8).
fn line(text: &str, at: usize) -> &str {
    &text[at..text.len().min(at + 76)]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const NEWCOMER: &str = "nora@chambers.example";
const PASSWORD: &str = "four calm walking words";
/// The newest that Debian 12's Node.js 18 runs.
const PACKAGES: [(&str, &str); 2] = [("playwright-core", "1.57.0"), ("axe-core", "4.11.0")];

//! Real IMAP clients over real sockets and TLS, checking the certificate: curl, Python's imaplib, the
//! packages imapclient and imapflow. Scripts lie in `clients/`; each fails by itself and says where.
//!
//! VEILPOST_PYTHON names a Python that has imapclient, VEILPOST_NODE_MODULES a folder that has imapflow.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::clients::{succeeds, text};
use crate::pop3::Pop3;
use crate::support::{Device, Server, absent, tool};

#[test]
fn curl_lists_fetches_and_searches() {
    let Some(curl) = Curl::of("laptop") else { return };
    let folders = curl.ok(&[&curl.url("")]);
    for name in ["INBOX", "Sent", "Drafts", "Junk", "Trash", "Archive"] {
        assert!(folders.lines().any(|line| line.trim_matches('"').ends_with(name)), "{folders}");
    }
    let by_pop3 = Pop3::login(&curl.server, &curl.device).retr(1);
    assert_eq!(curl.ok(&[&curl.url("INBOX;MAILINDEX=1")]).as_bytes(), by_pop3);
    let uid = curl.ok(&[&curl.url("INBOX"), "-X", "FETCH 1 UID"]);
    let (_, uid) = uid.split_once("UID ").expect("a UID");
    let uid: String = uid.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(curl.ok(&[&curl.url(&format!("INBOX;UID={uid}"))]).as_bytes(), by_pop3);
    let header = curl.ok(&[&curl.url("INBOX;MAILINDEX=3;SECTION=HEADER.FIELDS%20(SUBJECT)")]);
    assert_eq!(header, "Subject: Your sign-in code\r\n\r\n");
    let piece = curl.ok(&[&curl.url("INBOX;MAILINDEX=1;PARTIAL=5.10")]);
    assert_eq!(piece.as_bytes(), &by_pop3[5..15]);
    assert_eq!(curl.ok(&[&curl.url("INBOX?SUBJECT%20code")]).trim(), "* SEARCH 3");
    assert_eq!(curl.ok(&[&curl.url("INBOX?TEXT%20bollards")]).trim(), "* SEARCH 6");
    for hidden in ["TEXT%20regards", "BODY%20VCALENDAR", "TEXT%20739", "HEADER%20List-Id%20%22%22"] {
        assert_eq!(curl.ok(&[&curl.url(&format!("INBOX?{hidden}"))]).trim(), "* SEARCH", "{hidden}");
    }
    // No such message, no such folder: curl's "quote error" and "remote file not found" and the like.
    assert!(!curl.run(&[&curl.url("INBOX;MAILINDEX=99")]).status.success());
    assert!(!curl.run(&[&curl.url("Nowhere;MAILINDEX=1")]).status.success());
}

#[test]
fn curl_uploads() {
    let Some(curl) = Curl::of("laptop") else { return };
    let draft = curl.server.scratch().join("draft.eml");
    let content = "From: alice@demo.example\r\nSubject: a draft of mine\r\n\r\nwords of a draft\r\n";
    std::fs::write(&draft, content).expect("a file");
    let draft = draft.display().to_string();
    curl.ok(&["-T", &draft, &curl.url("Drafts")]);
    let back = curl.ok(&[&curl.url("Drafts;MAILINDEX=1")]);
    assert!(back.contains("Subject: a draft of mine") && back.contains("words of a draft"), "{back}");
    assert!(!curl.run(&["-T", &draft, &curl.url("Nowhere")]).status.success());
    curl.ok(&[&curl.url("Drafts"), "-X", "STORE 1 +FLAGS (\\Deleted)"]);
    curl.ok(&[&curl.url("Drafts"), "-X", "EXPUNGE"]);
    assert_eq!(curl.ok(&[&curl.url("Drafts?ALL")]).trim(), "* SEARCH");
}

#[test]
fn curl_logs_in_under_tls_only_and_with_the_right_password() {
    let Some(curl) = Curl::of("laptop") else { return };
    let message = curl.ok(&[&curl.url("INBOX;MAILINDEX=1")]);
    let plain = format!("imap://localhost:{}/INBOX;MAILINDEX=1", curl.server.port("imap"));
    assert_eq!(curl.ok(&["--ssl-reqd", &plain]), message);
    let refused = curl.run(&[&plain]);
    assert_eq!(refused.status.code(), Some(CURL_LOGIN_DENIED), "{refused:?}");
    let wrong = format!("{}:wrong-word", curl.device.login);
    let refused = curl.run(&["-u", &wrong, &curl.url("")]);
    assert_eq!(refused.status.code(), Some(CURL_LOGIN_DENIED), "{refused:?}");
    for mechanism in ["AUTH=PLAIN", "AUTH=LOGIN"] {
        curl.ok(&["--login-options", mechanism, &curl.url("")]);
    }
}

#[test]
fn imaplib_speaks_every_command() {
    let Some(python) = tool("python3") else { return };
    let (server, script) = (Server::demo(), script("imaplib_commands.py"));
    let said = succeeds(Command::new(python).arg("-B").arg(script).arg(place(&server, "laptop")));
    assert_eq!(text(&said).trim(), "imaplib is content");
}

#[test]
fn imapclient_reads_changes_and_waits() {
    let Some(python) = python_with_imapclient() else { return };
    let (server, script) = (Server::demo(), script("imapclient_commands.py"));
    let said = succeeds(Command::new(python).arg("-B").arg(script).arg(place(&server, "laptop")));
    assert_eq!(text(&said).trim(), "imapclient is content");
}

#[test]
fn imapflow_reads_changes_and_waits() {
    let Some(node) = tool("node") else { return };
    let server = Server::demo();
    let folder = server.scratch().join("flow");
    std::fs::create_dir(&folder).expect("a folder");
    if !imapflow(&folder) {
        return absent("no npm package imapflow (VEILPOST_NODE_MODULES, npm)");
    }
    let copy = folder.join("imapflow_commands.mjs");
    std::fs::copy(script("imapflow_commands.mjs"), &copy).expect("a copy");
    let said = succeeds(Command::new(node).arg(copy).arg(place(&server, "laptop")));
    assert_eq!(text(&said).trim(), "imapflow is content");
}

/// curl with a device of the demo.
struct Curl {
    program: PathBuf,
    server: Server,
    device: Device,
}

impl Curl {
    fn of(view: &str) -> Option<Self> {
        let program = tool("curl")?;
        let server = Server::demo();
        let device = server.device(view);
        Some(Self { program, server, device })
    }

    fn url(&self, rest: &str) -> String {
        format!("imaps://localhost:{}/{rest}", self.server.port("imaps"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-sS", "--max-time", "60", "--cacert", self.server.ca_file()]);
        command.args(["-u", &format!("{}:{}", self.device.login, self.device.app_password)]);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("curl runs")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        text(&succeeds(&mut self.command(arguments)))
    }
}

/// What scripts have to know, as JSON.
fn place(server: &Server, view: &str) -> String {
    let device = server.device(view);
    let place = json!({
        "ca": server.ca_file(),
        "imaps": server.port("imaps"),
        "imap": server.port("imap"),
        "smtp": server.port("smtp"),
        "login": device.login,
        "password": device.app_password,
        "address": server.fact("address"),
    });
    place.to_string()
}

fn python_with_imapclient() -> Option<OsString> {
    let python = match std::env::var_os("VEILPOST_PYTHON") {
        Some(python) => python,
        None => tool("python3")?.into(),
    };
    let mut import = Command::new(&python);
    import.args(["-c", "import imapclient"]).stdout(Stdio::null()).stderr(Stdio::null());
    let has = import.status().is_ok_and(|status| status.success());
    if !has {
        absent("no Python package imapclient (VEILPOST_PYTHON, pip)");
    }
    has.then_some(python)
}

/// Puts the package where a script of this folder finds it.
fn imapflow(folder: &Path) -> bool {
    let modules = std::env::var_os("VEILPOST_NODE_MODULES").map(PathBuf::from);
    if let Some(modules) = modules.filter(|modules| modules.join("imapflow").is_dir()) {
        return std::os::unix::fs::symlink(modules, folder.join("node_modules")).is_ok();
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", "--prefix"]);
    npm.arg(folder).arg(IMAPFLOW).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    npm.status().is_ok_and(|status| status.success())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/clients").join(name)
}

/// curl's CURLE_LOGIN_DENIED.
const CURL_LOGIN_DENIED: i32 = 67;
/// As it was when the script was written.
const IMAPFLOW: &str = "imapflow@1.0.191";

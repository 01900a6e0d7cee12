//! The first hour: `veilpost init` in a folder of one's own, and then what it says to do next, line by line;
//! a demo that was stopped and is started again.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use veilpost::admin::client::Client;
use veilpost::init::INDENT;

use crate::pop3::Pop3;
use crate::stranger::Stranger;
use crate::support::{Server, poll, program, tool};

/// Somebody without any right of root's, in a folder of theirs.
struct Newcomer {
    folder: tempfile::TempDir,
}

/// A process that ends with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Newcomer {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root gives away");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn as_nobody(&self, mut command: Command) -> Command {
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn veilpost(&self, arguments: &[&str]) -> Output {
        let mut command = self.as_nobody(program(self.folder.path()));
        command.args(arguments).output().expect("the program runs")
    }

    /// A line as it was printed, given to a shell.
    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        // What the environment of the program lacks, that of the shell lacks too.
        shell.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        shell.env("HOME", self.folder.path()).env("XDG_RUNTIME_DIR", self.path("runtime"));
        shell.args(["-c", line]);
        self.as_nobody(shell)
    }

    #[track_caller]
    fn follow(&self, line: &str) -> String {
        let output = self.shell(line).env("VEILPOST_NEW_PASSWORD", PASSWORD).output().expect("a shell");
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn what_init_prints_leads_to_a_served_dashboard_without_root() {
    if tool("curl").is_none() {
        return;
    }
    let ann = Newcomer::new();
    let made = ann.veilpost(&["init", "--dir", "a try"]);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let steps: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(INDENT)).collect();
    let [doctor, serve, tenant, url, send] = steps[..] else { panic!("{said}") };

    ann.follow(doctor);
    let _serving =
        Serving(ann.shell(&format!("exec {serve}")).stderr(Stdio::null()).spawn().expect("a shell"));
    poll("the socket", || Client::connect(&ann.path("a try/data/admin.sock")).ok());
    ann.follow(tenant);
    let address = tenant.split(' ').find(|word| word.contains('@')).expect("an address");
    let certificate = ann.path("a try/keys/tls-certificate.pem").display().to_string();
    assert!(said.contains(&certificate), "what browsers must trust is named: {said}");
    let browser = Stranger::at(url, &certificate, ann.path("jar")).expect("curl is here");
    browser.sign_in(address, PASSWORD);
    let welcome = browser.get("/welcome");
    assert!(welcome.status == 200 && welcome.body.contains("<svg"), "a QR code: {welcome:?}");
    ann.follow(send);
    let config = ann.path("a try/veilpost.toml").display().to_string();
    let traced = ann.veilpost(&["trace", address, "--json", "--config", &config]);
    let traced: Value = serde_json::from_slice(&traced.stdout).expect("JSON");
    assert_eq!(traced["seen"].as_array().map(Vec::len), Some(1), "{traced}");
}

#[test]
fn init_without_root_says_how_it_goes_without() {
    if !rustix::process::geteuid().is_root() {
        // As root the folder could be made; as somebody else it could be theirs.
        return;
    }
    let ann = Newcomer::new();
    let closed = ann.path("closed");
    std::fs::create_dir(&closed).expect("root's");
    let config = closed.join("veilpost/veilpost.toml").display().to_string();
    let arguments =
        ["--hostname", "mail.firm.example", "--reception", "direct", "--certificate", "self-signed"];
    let refused = ann.veilpost(&[&["init", "--config", &config][..], &arguments].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("veilpost init --dir"), "{said}");
    let twice = ["init", "--dir", "mine"];
    assert!(ann.veilpost(&twice).status.success());
    let again = ann.veilpost(&twice);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("is there already"), "{said}");
    assert!(said.contains("left as it is"), "{said}");
    let both = ann.veilpost(&["init", "--dir", "third", "--certificate", "acme"]);
    assert_eq!(both.status.code(), Some(2), "a try has no name that an authority could check");
    assert!(!ann.path("third").exists());
}

#[test]
fn a_stopped_demo_starts_again_with_its_mail_people_and_ports() {
    let mut server = Server::demo();
    let phone = server.device("phone");
    let (had, pop3s) = (server.fact("password").to_owned(), server.port("pop3s"));
    let folder = server.scratch().join("vault");
    let kept = folder.join("demo-secrets.json");
    assert_eq!(kept.metadata().expect("kept").permissions().mode() & 0o777, 0o600);
    let twice = demo_in_vain(&server, &folder);
    assert!(twice.contains("runs already"), "{twice}");
    server.end();
    server.demo_again();
    assert_eq!((server.fact("password"), server.again()), (had.as_str(), true));
    // Another process may have taken the port meanwhile.
    let moved = server.port("pop3s") != pop3s;
    assert!(!moved || std::net::TcpListener::bind(("127.0.0.1", pop3s)).is_err(), "a free port is kept");
    let mut client = Pop3::login(&server, &phone);
    assert_eq!(client.command("STAT").expect("counts").split(' ').next(), Some("6"), "no mail came twice");
    client.quit();
    server.unlock();
    assert_eq!(server.done(&["user", "list", "demo"]).as_array().map(Vec::len), Some(1));

    // Somebody has put the secrets away.
    server.end();
    std::fs::remove_file(&kept).expect("ours");
    server.demo_again();
    assert!(server.untold("password") && server.untold("recovery_code"), "what is not kept is not told");
    assert!(!kept.exists());
    Pop3::login(&server, &phone).quit();
}

#[test]
fn a_demo_that_was_stopped_too_early_is_finished() {
    let mut server = Server::demo();
    server.end();
    let folder = server.scratch().join("vault");
    std::fs::remove_file(folder.join("demo-secrets.json")).expect("ours");
    for entry in std::fs::read_dir(folder.join("data")).expect("there").flatten() {
        let path = entry.path();
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    }
    server.demo_again();
    assert!(!server.again() && !server.untold("password"));
    Pop3::login(&server, &server.device("laptop")).quit();
}

#[test]
fn a_folder_with_something_else_in_it_is_no_place_for_a_demo() {
    let ann = Newcomer::new();
    let folder = ann.path("letters");
    std::fs::create_dir(&folder).expect("ours");
    std::fs::write(folder.join("letter.txt"), "Dear Bob").expect("ours");
    let name = folder.display().to_string();
    let refused = ann.veilpost(&["demo", "--dir", &name]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("holds something, and no demo"), "{said}");
    assert_eq!(std::fs::read_dir(&folder).expect("there").count(), 1);
    assert!(ann.veilpost(&["init", "--dir", "server"]).status.success());
    let refused = ann.veilpost(&["demo", "--dir", "server"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("holds the server mail.try.localhost"), "{said}");
}

fn demo_in_vain(server: &Server, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let output = server.command(&["demo", "--dir", &folder]).output().expect("runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The user without rights, on Debian and elsewhere.
const NOBODY: u32 = 65534;
const PASSWORD: &str = "seven grey herons at dusk";

//! A vault of a test's own, and the server that runs it.
//!
//! The vault is made once by `veilpost demo` and copied for each test: keys, a tenant, a user, the
//! sample mail, and a view that shows everything.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use veilpost::admin::api::Request;
use veilpost::admin::client::Client;
use veilpost::clock::Clock;
use veilpost::keyring::totp::code_for;

use super::clients::{ADDRESS, Fetcher, Sender, Way};

/// A vault in a folder.
pub struct World {
    pub root: PathBuf,
    pub facts: Facts,
    /// The time step of the last TOTP code.
    step: Cell<u64>,
    _folder: Option<TempDir>,
}

/// What the vault's maker said.
#[derive(Clone)]
pub struct Facts {
    pub password: String,
    pub recovery_code: String,
    pub totp_seed: String,
    /// App passwords by the names of their views: `everything`, `laptop`, `phone`.
    pub views: Vec<(String, String)>,
    /// The time step of the last TOTP code that was used.
    step: u64,
}

/// How many sample messages the vault holds.
pub const SAMPLES: usize = 6;

impl World {
    /// A fresh vault, not served yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut world = Self::at(&folder.path().join("vault"));
        world._folder = Some(folder);
        world
    }

    /// A fresh vault in a folder that does not exist yet.
    pub fn at(root: &Path) -> Self {
        let (template, facts) = template();
        copy(&template.path().join("vault"), root);
        Self { root: root.to_owned(), facts: facts.clone(), step: Cell::new(facts.step), _folder: None }
    }

    /// The vault that a power cut left in `root`.
    pub fn left(&self, root: &Path) -> Self {
        Self { root: root.to_owned(), facts: self.facts.clone(), step: self.step.clone(), _folder: None }
    }

    /// Adds sections to the configuration.
    pub fn configure(&self, sections: &str) {
        fs::write(self.config(), format!("{CONFIG}{sections}")).expect("the configuration can be written");
    }

    pub fn config(&self) -> PathBuf {
        self.root.join("veilpost.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn certificate(&self) -> PathBuf {
        self.root.join("keys/tls-certificate.pem")
    }

    /// The app password of a view.
    pub fn app_password(&self, view: &str) -> &str {
        let found = self.facts.views.iter().find(|(name, _)| name == view);
        &found.unwrap_or_else(|| panic!("there is no view {view}")).1
    }

    /// Starts the server and waits until it serves.
    pub fn serve(&self) -> Server {
        self.serve_by(Command::new(PROGRAM))
    }

    /// Starts the server by a command that takes the program's arguments.
    pub fn serve_by(&self, command: Command) -> Server {
        self.spawn(command).ready(self).unwrap_or_else(|said| panic!("the server does not start: {said}"))
    }

    /// A start that must fail: what the server says. Its exit code must be 1.
    pub fn serve_in_vain(&self) -> String {
        match self.spawn(Command::new(PROGRAM)).ready(self) {
            Ok(_) => panic!("the server starts"),
            Err(said) => said,
        }
    }

    /// A start that may fail: then what the server says.
    pub fn try_serve(&self) -> Result<Server, String> {
        self.spawn(Command::new(PROGRAM)).ready(self)
    }

    fn spawn(&self, mut command: Command) -> Server {
        let said = self.root.with_extension("said");
        let log = fs::File::options().create(true).append(true).open(&said).expect("a file for its words");
        let begun = log.metadata().expect("it is open").len();
        let process =
            self.environment(&mut command).args(["serve", "--config"]).arg(self.config()).stderr(log);
        let process = process.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program starts");
        Server { process, ports: None, said, begun }
    }

    /// Runs a command against the running server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        let command = self.environment(&mut command).arg("--config").arg(self.config()).args(arguments);
        command.stdin(Stdio::null()).output().expect("the program runs")
    }

    /// The same, with one more variable in its environment.
    pub fn run_with(&self, arguments: &[&str], (name, value): (&str, &str)) -> Output {
        let mut command = Command::new(PROGRAM);
        let command = self.environment(&mut command).arg("--config").arg(self.config()).args(arguments);
        command.env(name, value).stdin(Stdio::null()).output().expect("the program runs")
    }

    /// Runs a command that must succeed, and parses the JSON that it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VEILPOST_")) {
            command.env_remove(name);
        }
        // Outside the vault, so that the vault holds what the server wrote and nothing else.
        let run = self.root.with_extension("run");
        command
            .env("XDG_RUNTIME_DIR", run)
            .env("RUST_BACKTRACE", "1")
            .env("VEILPOST_PASSWORD", &self.facts.password)
            .env("VEILPOST_RECOVERY", &self.facts.recovery_code)
            .env("VEILPOST_USER", ADDRESS)
    }

    /// A TOTP code that was not used yet; a third one in a minute has to be waited for.
    pub fn code(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = Clock::system().now().unix().unsigned_abs();
            let step = (self.step.get() + 1).max(now / 30);
            if step <= now / 30 + 1 {
                self.step.set(step);
                return self.code_at(step * 30);
            }
            assert!(Instant::now() < deadline, "the clock stands still");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The code of a moment (Unix seconds).
    pub fn code_at(&self, seconds: u64) -> String {
        let moment = veilpost::clock::Timestamp::from_unix(seconds.try_into().expect("near"));
        code_for(&self.facts.totp_seed, moment).expect("a seed")
    }

    /// Opens an unlock session, which the following commands use.
    pub fn unlock(&self) {
        let output = self.run(&["unlock", ADDRESS, "--code", &self.code()]);
        assert!(output.status.success(), "{}", words(&output));
    }

    /// All mail as the owner has it, by `mail export` in an open session.
    pub fn export(&self) -> Vec<Vec<u8>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mail = folder.path().join("mail");
        let output = self.run(&["mail", "export", mail.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", words(&output));
        let mut files: Vec<_> =
            fs::read_dir(&mail).expect("it was exported").map(|file| file.expect("a file").path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).expect("a file")).collect()
    }

    /// The audit log must be whole; its entries.
    pub fn audited(&self) -> Vec<Value> {
        let report = self.json(&["audit", "verify", "demo"]);
        assert_eq!(report["intact"], true, "{report}");
        let output = self.run(&["audit", "export", "demo", "--jsonl"]);
        assert!(output.status.success(), "{}", words(&output));
        let lines = output.stdout.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
    }

    /// How many audit entries of a kind are about a message.
    pub fn entries_about(&self, kind: &str, message: &str) -> usize {
        let entries = self.audited();
        entries
            .iter()
            .filter(|entry| entry["act"]["kind"] == kind && entry["act"]["message"] == message)
            .count()
    }
}

/// A server's process. Dropping it kills it.
pub struct Server {
    pub process: Child,
    ports: Option<Ports>,
    said: PathBuf,
    begun: u64,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub smtp: SocketAddr,
    pub lmtp: SocketAddr,
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub metrics: SocketAddr,
}

impl Server {
    /// Waits until the administration socket answers, or until the process has ended.
    fn ready(mut self, world: &World) -> Result<Self, String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                let said = self.said();
                assert_eq!(status.code(), Some(1), "{said}");
                return Err(said);
            }
            if let Some(ports) = ask_ports(&world.data().join("admin.sock")) {
                self.ports = Some(ports);
                return Ok(self);
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn ports(&self) -> Ports {
        self.ports.expect("the server is ready")
    }

    /// What the process has written on its standard error.
    pub fn said(&self) -> String {
        let all = fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&all[self.begun as usize..]).into_owned()
    }

    pub fn kill(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).expect("it is ours");
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Waits for the end; the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        until("the server ends", || self.process.try_wait().expect("it is ours")).code()
    }

    /// Still runs, and nothing in it panicked.
    pub fn is_well(&mut self) {
        assert!(
            self.process.try_wait().expect("it is ours").is_none(),
            "the server is gone: {}",
            self.said()
        );
        let said = self.said();
        assert!(!said.contains("panicked"), "{said}");
    }

    pub fn sender(&self, way: Way) -> Sender {
        let ports = self.ports();
        let address = if way == Way::Lmtp { ports.lmtp } else { ports.smtp };
        Sender::connect(address, way).expect("the server takes mail")
    }

    /// A client that is logged in to a view.
    pub fn fetcher(&self, world: &World, view: &str) -> Fetcher {
        let mut fetcher = Fetcher::connect(self.ports().pop3s, &world.certificate()).expect("TLS");
        fetcher.log_in(world.app_password(view)).expect("the app password opens the view");
        fetcher
    }

    /// Everything in a view; an error stands for a message that is not served.
    pub fn fetch_all(&self, world: &World, view: &str) -> Vec<Result<Vec<u8>, String>> {
        let mut fetcher = self.fetcher(world, view);
        let count = fetcher.count().expect("the mailbox can be listed");
        (1..=count).map(|number| fetcher.retrieve(number)).collect()
    }

    /// Resident memory in octets.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for something to be there.
pub fn until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a command said.
pub fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Says visibly that a test did not run, which `VEILPOST_TEST_REQUIRE=all` does not allow.
pub fn skip(why: &str) {
    let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|what| what == "all");
    assert!(!required, "required, but {why}");
    eprintln!("SKIPPED: {why}");
}

fn ask_ports(socket: &Path) -> Option<Ports> {
    let status: Value = Client::connect(socket).ok()?.call(Request::Status {}).ok()?;
    let port =
        |name: &str| status[name][0].as_str().and_then(|address| address.parse().ok()).expect("it listens");
    Some(Ports {
        smtp: port("smtp"),
        lmtp: port("lmtp"),
        imap: port("imap"),
        imaps: port("imaps"),
        pop3: port("pop3"),
        pop3s: port("pop3s"),
        metrics: port("metrics"),
    })
}

/// The vault that all others are copies of.
fn template() -> &'static (TempDir, Facts) {
    static TEMPLATE: OnceLock<(TempDir, Facts)> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let facts = found(&folder.path().join("vault"));
        (folder, facts)
    })
}

fn found(root: &Path) -> Facts {
    let mut command = Command::new(PROGRAM);
    let command =
        command.args(["demo", "--json", "--dir"]).arg(root).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the program starts");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("the demo prints its facts");
    let said: Value = serde_json::from_str(&line).expect("the demo prints JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let views = said["views"].as_array().expect("views").iter();
    let facts = Facts {
        password: text(&said["password"]),
        recovery_code: text(&said["recovery_code"]),
        totp_seed: text(&said["totp_seed"]),
        views: views.map(|view| (text(&view["name"]), text(&view["app_password"]))).collect(),
        step: 0,
    };
    let mut demo = Server { process, ports: None, said: PathBuf::new(), begun: 0 };
    let mut world = World { root: root.to_owned(), facts, step: Cell::new(0), _folder: None };
    let made = ["view", "create", ADDRESS, "everything", "--policy", "everything", "--recovery"];
    let everything = text(&world.json(&made)["app_password"]);
    world.facts.views.push(("everything".to_owned(), everything));
    world.unlock();
    world.json(&["view", "reseal", ADDRESS]);
    assert_eq!(demo.stop(), Some(0));
    world.configure("");
    world.facts.step = world.step.get();
    world.facts
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (kind, target) = (entry.file_type().expect("a kind"), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).expect("a copy");
            fs::File::open(&target).and_then(|file| file.sync_all()).expect("it is synced");
        }
    }
    let mode = fs::metadata(from).expect("a folder").permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("ours");
    for folder in [to, to.parent().expect("not the root")] {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).expect("it is synced");
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_veilpost");
const CONFIG: &str = r#"hostname = "mail.demo.example"
smtp.listen = ["127.0.0.1:0"]
lmtp.listen = ["127.0.0.1:0"]
imap.listen = ["127.0.0.1:0"]
imaps.listen = ["127.0.0.1:0"]
pop3.listen = ["127.0.0.1:0"]
pop3s.listen = ["127.0.0.1:0"]
metrics.listen = ["127.0.0.1:0"]
dashboard.listen = ["127.0.0.1:0"]
"#;

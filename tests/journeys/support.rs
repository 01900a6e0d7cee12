//! The server under test: a fresh demo vault in a folder of its own, driven by the command line as
//! a person would, ended when the test ends. Knows nothing of any one journey.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use veilpost::admin::api::{Authority, Request, Secret};
use veilpost::admin::client::{Client, ClientError};
use veilpost::clock::{Clock, Timestamp};
use veilpost::keyring::totp;

/// A running server with its vault. Dropping it kills the server.
pub struct Server {
    child: Child,
    folder: TempDir,
    facts: Value,
    last_steps: Mutex<HashMap<String, i64>>,
}

/// A view as a mail client knows it.
#[derive(Clone, Debug)]
pub struct Device {
    /// The login.
    pub login: String,
    /// The app password.
    pub app_password: String,
    /// The credential's identifier; empty for those that the demo made.
    pub credential: String,
}

impl Server {
    /// A demo vault with six sample messages, the views `phone` and `laptop`.
    pub fn demo() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = spawn_demo(folder.path());
        let mut server = Self { child, folder, facts: Value::Null, last_steps: Mutex::default() };
        server.facts = told(server.folder.path());
        server
    }

    /// Starts the demo in its folder again, after [`Self::end`].
    pub fn demo_again(&mut self) {
        std::fs::remove_file(self.folder.path().join("demo.out")).expect("it told something before");
        self.child = spawn_demo(self.folder.path());
        self.facts = told(self.folder.path());
    }

    /// Whether the demo says that it was started again.
    pub fn again(&self) -> bool {
        self.facts["again"] == true
    }

    /// Whether the demo keeps one of its facts to itself.
    pub fn untold(&self, name: &str) -> bool {
        self.facts[name].is_null()
    }

    /// One of the facts that `demo --json` prints.
    pub fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap_or_else(|| panic!("the demo tells no {name}"))
    }

    /// The device that the demo made for a view.
    pub fn device(&self, view: &str) -> Device {
        let views = self.facts["views"].as_array().expect("a list of views");
        let found = views.iter().find(|item| item["name"] == view).expect("a view of the demo");
        Device { credential: String::new(), ..device(found) }
    }

    /// The port of a listener, as the server has it now.
    pub fn port(&self, listener: &str) -> u16 {
        let address = self.facts[listener].as_str().expect("the listener is on");
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The folder that holds ledger and containers.
    pub fn data_dir(&self) -> PathBuf {
        PathBuf::from(self.fact("data_dir"))
    }

    /// A folder for the test's own files.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that the server has printed so far, over all its runs.
    pub fn printed(&self) -> Vec<u8> {
        let names = ["demo.err", "serve.out", "serve.err"];
        names
            .iter()
            .flat_map(|name| std::fs::read(self.folder.path().join(name)).unwrap_or_default())
            .collect()
    }

    /// Stops the server as an operator does, and serves the same folder again.
    pub fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    /// The same, with settings changed while it is down.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut String)) {
        self.stop();
        let config = PathBuf::from(self.fact("config"));
        let mut settings = std::fs::read_to_string(&config).expect("the configuration");
        change(&mut settings);
        std::fs::write(&config, settings).expect("the configuration can be changed");
        let config = config.display().to_string();
        self.child = spawn(self.folder.path(), "serve", &["serve", "--config", &config]);
        let status = poll("the server to serve again", || self.run(&["status"]).ok());
        for listener in ["smtp", "lmtp", "imap", "imaps", "pop3", "pop3s", "metrics"] {
            self.facts[listener] = status[listener][0].clone();
        }
    }

    /// Stops the server, for good unless it is restarted.
    pub fn end(&mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server can be told");
        let ended = poll("the server to stop", || self.child.try_wait().expect("a child of ours"));
        assert!(ended.success(), "the server ended with {ended}");
    }

    /// Runs a command of the command line, with `--json`.
    pub fn run(&self, arguments: &[&str]) -> Result<Value, Value> {
        self.run_with(arguments, &[])
    }

    /// The same, with variables in its environment.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Value, Value> {
        let mut command = self.command(arguments);
        command.arg("--json").envs(environment.iter().copied());
        let output = command.output().expect("the program runs");
        let parse = |octets: &[u8]| serde_json::from_slice(octets).unwrap_or(Value::Null);
        if output.status.success() {
            return Ok(parse(&output.stdout));
        }
        let said = parse(&output.stderr);
        assert!(!said.is_null(), "{arguments:?} says {}", String::from_utf8_lossy(&output.stderr));
        Err(said["error"].clone())
    }

    /// Runs a command that has to work.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> Value {
        self.run(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// Runs a command that has to fail; gives the code of the error.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        code_of(self.run(arguments).expect_err("this must be refused"))
    }

    /// The same, with variables in its environment.
    #[track_caller]
    pub fn refused_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        code_of(self.run_with(arguments, environment).expect_err("this must be refused"))
    }

    /// The command line as the demo's user has it: the server's socket, secrets in the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.args(arguments).stdin(Stdio::null());
        command.env("VEILPOST_SOCKET", self.fact("admin_socket"));
        command.env("VEILPOST_PASSWORD", self.fact("password"));
        command.env("VEILPOST_RECOVERY", self.fact("recovery_code"));
        command
    }

    /// Opens an unlock session, kept for the commands that follow.
    pub fn unlock(&self) -> Value {
        let code = self.code();
        self.done(&["unlock", self.fact("user"), "--code", &code])
    }

    /// A code of the demo's user that was not used before. The server takes the codes of three
    /// steps around now, so that only a test that unlocks often has to wait.
    pub fn code(&self) -> String {
        self.code_of(self.fact("totp_seed"))
    }

    /// The same for another seed.
    pub fn code_of(&self, seed: &str) -> String {
        let last = self.last_steps.lock().expect("no test panics in here").get(seed).copied();
        let step = poll("a fresh code", || {
            let now = Clock::system().now().unix() / STEP;
            let step = last.map_or(now, |last| now.max(last + 1));
            (step <= now + 1).then_some(step)
        });
        self.last_steps.lock().expect("no test panics in here").insert(seed.to_owned(), step);
        totp::code_for(seed, Timestamp::from_unix(step * STEP)).expect("a seed")
    }

    /// Makes a view of the demo's user, by the recovery code.
    pub fn create_view(&self, name: &str, policy: &str) -> Device {
        let made = self.done(&["view", "create", self.fact("user"), name, "--policy", policy, "--recovery"]);
        device(&made)
    }

    /// Loads a policy into the demo's tenant, by the recovery code or by nothing.
    pub fn load_policy(&self, name: &str, text: &str, recovery: Option<&str>) -> Result<Value, String> {
        let authority = recovery.map(|code| Authority::Recovery(Secret::new(code.to_owned())));
        let (tenant, name) = (self.fact("tenant").to_owned(), name.to_owned());
        self.ask(Request::PolicyLoad { tenant, name, text: text.to_owned(), authority })
    }

    /// Asks the administration socket itself; the error is the server's code.
    pub fn ask(&self, request: Request) -> Result<Value, String> {
        let mut client = Client::connect(Path::new(self.fact("admin_socket"))).expect("the socket answers");
        client.call(request).map_err(|error| match error {
            ClientError::Failed(failure) => code_of(serde_json::to_value(failure).expect("JSON")),
            other => panic!("{other}"),
        })
    }

    /// The path of the certificate that mail clients have to trust.
    pub fn ca_file(&self) -> &str {
        self.fact("ca_file")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to `view create` and its like.
pub fn device(made: &Value) -> Device {
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    Device { login: text("login"), app_password: text("app_password"), credential: text("credential") }
}

/// The server's word for what went wrong.
pub fn code_of(error: Value) -> String {
    error["code"].as_str().unwrap_or_else(|| panic!("an error without a code: {error}")).to_owned()
}

/// Asks again and again until there is an answer; fails after a minute and a half.
#[track_caller]
pub fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A foreign program, or none and a line that says so. VEILPOST_TEST_REQUIRE=all makes it a failure.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&folders)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        absent(&format!("{name} is not installed"));
    }
    found
}

/// Says that a test has not tested anything, and why.
pub fn absent(why: &str) {
    assert!(std::env::var_os("VEILPOST_TEST_REQUIRE").is_none_or(|value| value != "all"), "{why}");
    eprintln!("NOT TESTED: {why}");
}

fn spawn_demo(folder: &Path) -> Child {
    let dir = folder.join("vault").display().to_string();
    spawn(folder, "demo", &["demo", "--json", "--dir", &dir])
}

fn told(folder: &Path) -> Value {
    let out = folder.join("demo.out");
    poll("the demo's facts", || serde_json::from_str(&std::fs::read_to_string(&out).unwrap_or_default()).ok())
}

fn spawn(folder: &Path, name: &str, arguments: &[&str]) -> Child {
    let append = |end: &str| {
        File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.{end}")))
            .expect("a log file")
    };
    let mut command = program(folder);
    command.args(arguments).stdin(Stdio::null()).stdout(append("out")).stderr(append("err"));
    command.spawn().expect("the program starts")
}

/// The program, with its home in `folder` and nothing of the developer's in its environment.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veilpost"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VEILPOST_")) {
        command.env_remove(name);
    }
    command.env("XDG_RUNTIME_DIR", folder.join("runtime")).env("HOME", folder);
    command
}

/// How long a TOTP code stands, in seconds.
const STEP: i64 = 30;
/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

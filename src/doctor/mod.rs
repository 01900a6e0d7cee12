//! `veilpost doctor`: looks at a configuration and the machine, and says what to do about what it finds.
//!
//! Reads only; it changes nothing and opens no mail. Owns the checks around the server. Checks of the
//! ledger or of policies come from their modules as further [`Check`]s. Whether our server runs is
//! asked of the server itself, by whoever calls ([`Presence`]).
//!
//! Two rules for what a finding says: a server that is set up as docs/operations.md says is without
//! findings, running or not; and no advice may make things worse, if it is followed to the letter.

mod account;
mod certificate;
mod files;
mod finding;
mod machine;
mod memory;
mod ports;
mod unit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use account::Account;
pub use finding::{Finding, State, render, worst};

use crate::clock::Timestamp;
use crate::config::{Config, ConfigError};

/// What a check may look at.
pub struct Case<'a> {
    /// The checked configuration.
    pub config: &'a Config,
    /// The file it came from.
    pub file: &'a Path,
    /// Now.
    pub now: Timestamp,
    /// Whether our server runs.
    pub presence: &'a Presence,
    /// Where the system's own files lie.
    pub system: &'a System,
    /// Whom the server runs as, or will.
    pub account: &'a Account,
    /// Whom this runs as.
    pub me: u32,
}

impl Case<'_> {
    /// The systemd credentials that the unit gives to the server, by name.
    pub fn has_credential(&self, name: &str) -> bool {
        unit::Unit::of(self).is_some_and(|unit| unit.has_credential(name))
    }

    /// Whether data has been written already: a ledger is there.
    pub fn has_data(&self) -> bool {
        self.config.data_dir.join(LEDGER).exists()
    }
}

/// What is known of our server, by its own word at the administration socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Nobody answers there.
    #[default]
    Stopped,
    /// It answered.
    Serving {
        /// The name that it serves under.
        hostname: String,
        /// Where it listens.
        listening: Vec<SocketAddr>,
    },
    /// Somebody listens there and does not answer us: not ours, or we may not ask.
    Silent,
}

/// The root of the file system that is looked at, for the system's own files.
#[derive(Clone, Debug)]
pub struct System(pub PathBuf);

impl System {
    /// `path` (absolute) below the root.
    pub(in crate::doctor) fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Whether systemd runs this machine (sd_booted(3)).
    fn is_booted(&self) -> bool {
        self.at("/run/systemd/system").exists()
    }
}

impl Default for System {
    fn default() -> Self {
        Self("/".into())
    }
}

/// One thing to look at. Any function of a [`Case`] is one.
pub trait Check {
    /// Looks, within seconds, and changes nothing.
    fn look(&self, case: &Case<'_>) -> Vec<Finding>;
}

impl<F: Fn(&Case<'_>) -> Vec<Finding>> Check for F {
    fn look(&self, case: &Case<'_>) -> Vec<Finding> {
        self(case)
    }
}

/// Runs the checks of this module and `further` ones on the configuration at `file`. `ask` asks at an
/// administration socket who is there.
pub fn examine(
    file: &Path,
    now: Timestamp,
    ask: impl FnOnce(&Path) -> Presence,
    further: &[Box<dyn Check>],
) -> Vec<Finding> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::fail(
                "configuration",
                error.to_string(),
                match error {
                    ConfigError::Unreadable { .. } => "name the server's configuration with --config",
                    _ => "correct the file and run this again",
                },
            )];
        }
    };
    let (presence, system) = (ask(&config.admin_socket), System::default());
    let account = Account::of_server(&config, file, &system);
    let me = rustix::process::geteuid().as_raw();
    let case =
        Case { config: &config, file, now, presence: &presence, system: &system, account: &account, me };
    let mut findings = vec![Finding::ok("configuration", format!("{} is in order", file.display()))];
    for check in OWN_CHECKS {
        findings.extend(check(&case));
    }
    findings.extend(further.iter().flat_map(|check| check.look(&case)));
    findings
}

/// Runs `question` aside and gives up on it in the end, for the few questions that the system may not answer.
fn within<T: Send + 'static>(patience: Duration, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || answer.send(question()));
    answered.recv_timeout(patience).ok()
}

const OWN_CHECKS: [fn(&Case<'_>) -> Vec<Finding>; 12] = [
    ports::server,
    files::folders,
    files::secret_files,
    files::written,
    files::room,
    certificate::check,
    ports::listeners,
    ports::name,
    machine::clock,
    machine::descriptors,
    memory::check,
    unit::check,
];
/// The ledger's file in the data folder.
const LEDGER: &str = "ledger";
/// For the system's resolver and for `timedatectl`.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod testing {
    use super::*;
    use crate::init::{self, CertificateFrom, Given, Reception};

    /// A fresh set-up whose listeners are on free ports.
    pub(super) struct Fresh {
        pub(super) folder: tempfile::TempDir,
        pub(super) config: Config,
        pub(super) now: Timestamp,
        pub(super) presence: Presence,
        pub(super) account: Account,
        pub(super) me: u32,
        /// An empty system, without systemd.
        pub(super) system: System,
    }

    struct Nobody;
    impl init::Ask for Nobody {
        fn ask(&mut self, _: &str) -> std::io::Result<String> {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        }
        fn tell(&mut self, _: &str) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Fresh {
        pub(super) fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("veilpost.toml");
            let now = crate::clock::Clock::system().now();
            let given = Given {
                hostname: Some("mail.example.org".to_owned()),
                reception: Some(Reception::Direct),
                certificate: Some(CertificateFrom::SelfSigned),
                ..Given::default()
            };
            let key = |path: &Path| crate::private_file::create(path, &[7; 32]);
            let mut config = init::run(&mut Nobody, &file, given, now, key).expect("sets up").config;
            let free = vec!["127.0.0.1:0".parse().expect("an address")];
            (config.smtp.listen, config.pop3.listen, config.pop3s.listen) =
                (free.clone(), free.clone(), free.clone());
            (config.imap.listen, config.imaps.listen) = (free.clone(), free.clone());
            config.dashboard.listen = free;
            let system = System(folder.path().join("system"));
            let me = rustix::process::geteuid().as_raw();
            let account = Account::of_server(&config, &file, &system);
            Self { folder, config, now, presence: Presence::Stopped, account, me, system }
        }

        /// Writes one of the system's files.
        pub(super) fn system_file(&self, path: &str, text: &str) {
            let path = self.system.at(path);
            std::fs::create_dir_all(path.parent().expect("absolute")).expect("ours");
            std::fs::write(path, text).expect("ours");
        }

        /// Installs the shipped unit for this configuration, and its user with our own number.
        pub(super) fn install_unit(&self) {
            let file = self.folder.path().join("veilpost.toml").display().to_string();
            let unit = include_str!("../../dist/veilpost.service")
                .replace("/etc/veilpost/veilpost.toml", &file)
                .replace(
                    "StateDirectory=veilpost",
                    &format!("ReadWritePaths={}", self.folder.path().display()),
                );
            self.system_file("/etc/systemd/system/veilpost.service", &unit);
            self.system_file("/usr/local/bin/veilpost", "");
            let (uid, gid) = (self.me, rustix::process::getegid().as_raw());
            self.system_file("/etc/passwd", &format!("veilpost:x:{uid}:{gid}::/:/bin/false\n"));
        }

        /// The configuration's place.
        pub(super) fn file(&self) -> PathBuf {
            self.folder.path().join("veilpost.toml")
        }

        /// What the checks are given.
        pub(super) fn case<'a>(&'a self, file: &'a Path) -> Case<'a> {
            Case {
                config: &self.config,
                file,
                now: self.now,
                presence: &self.presence,
                system: &self.system,
                account: &self.account,
                me: self.me,
            }
        }

        pub(super) fn look(&self, check: fn(&Case<'_>) -> Vec<Finding>) -> Vec<Finding> {
            let file = self.file();
            check(&self.case(&file))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_is_the_only_finding() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("veilpost.toml");
        std::fs::write(&file, "hostname = 1").expect("writes");
        let findings = examine(&file, Timestamp::from_unix(0), |_| Presence::Stopped, &[]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].state, State::Fail);
        assert!(findings[0].what.contains("line 1"));
    }

    #[test]
    fn a_fresh_setup_is_examined_with_further_checks() {
        let fresh = testing::Fresh::new();
        let further: Vec<Box<dyn Check>> = vec![Box::new(|case: &Case<'_>| {
            vec![Finding::warn("ledger", format!("{} was looked at", case.config.hostname), "nothing")]
        })];
        let file = fresh.folder.path().join("veilpost.toml");
        let findings = examine(&file, fresh.now, |_| Presence::Stopped, &further);
        assert_eq!(findings.first().map(|finding| finding.state), Some(State::Ok));
        assert_eq!(findings.last().map(|finding| finding.check), Some("ledger"));
        let bad: Vec<_> = findings.iter().filter(|finding| finding.state == State::Fail).collect();
        // Ports below 1024 and the name are the machine's; the rest must be in order.
        assert!(bad.iter().all(|finding| finding.check == "ports"), "{bad:?}");
    }

    #[test]
    fn questions_without_an_answer_are_given_up() {
        assert_eq!(within(Duration::from_secs(5), || 7), Some(7));
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(1), move || never.recv().is_ok()), None);
    }
}

//! `veilpost doctor`: looks at a configuration and the machine, and says what to do about what it finds.
//!
//! Reads only; it changes nothing and opens no mail. Owns the checks around the server. Checks of the
//! ledger or of policies come from their modules as further [`Check`]s.

mod certificate;
mod files;
mod finding;
mod machine;
mod ports;

use std::path::Path;
use std::time::Duration;

pub use finding::{Finding, State, render, worst};

use crate::clock::Timestamp;
use crate::config::Config;

/// What a check may look at.
pub struct Case<'a> {
    /// The checked configuration.
    pub config: &'a Config,
    /// The file it came from.
    pub file: &'a Path,
    /// Now.
    pub now: Timestamp,
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

/// Runs the checks of this module and `further` ones on the configuration at `file`.
pub fn examine(file: &Path, now: Timestamp, further: &[Box<dyn Check>]) -> Vec<Finding> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::fail(
                "configuration",
                error.to_string(),
                "correct the file and run this again",
            )];
        }
    };
    let case = Case { config: &config, file, now };
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

const OWN_CHECKS: [fn(&Case<'_>) -> Vec<Finding>; 9] = [
    files::folders,
    files::secret_files,
    files::room,
    certificate::check,
    ports::listeners,
    ports::name,
    machine::clock,
    machine::descriptors,
    machine::unit,
];
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
            Self { folder, config, now }
        }

        pub(super) fn look(&self, check: fn(&Case<'_>) -> Vec<Finding>) -> Vec<Finding> {
            check(&Case {
                config: &self.config,
                file: &self.folder.path().join("veilpost.toml"),
                now: self.now,
            })
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
        let findings = examine(&file, Timestamp::from_unix(0), &[]);
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
        let findings = examine(&fresh.folder.path().join("veilpost.toml"), fresh.now, &further);
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

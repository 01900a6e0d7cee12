//! The systemd unit, with its drop-ins: whether it is there, serves this configuration, and lets the
//! server do what the configuration wants. Reads systemd.unit(5) as far as the questions here go.

use std::path::{Path, PathBuf};

use super::{Case, Finding, System};
use crate::config::SYSTEM_FILE;

/// The settings of the unit's [Service] section, drop-ins last.
pub(super) struct Unit {
    path: PathBuf,
    settings: Vec<(String, String)>,
}

impl Unit {
    /// The unit, if one is installed.
    pub(super) fn find(system: &System) -> Option<Self> {
        let path = FOLDERS.iter().map(|folder| system.at(folder).join(NAME)).find(|path| path.exists())?;
        let mut unit = Self { settings: settings(&path), path };
        for folder in FOLDERS.iter().rev() {
            unit.settings.extend(drop_ins(&system.at(folder).join(format!("{NAME}.d"))));
        }
        Some(unit)
    }

    /// The unit, if it serves the configuration that the case is about.
    pub(super) fn of(case: &Case<'_>) -> Option<Self> {
        Self::find(case.system).filter(|unit| unit.serves(case.file))
    }

    /// The last word on `key`.
    pub(super) fn last(&self, key: &str) -> Option<&str> {
        let found = self.settings.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All words of a list; an empty assignment takes back those before it.
    pub(super) fn words(&self, key: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for (_, value) in self.settings.iter().filter(|(name, _)| name == key) {
            match value.is_empty() {
                true => words.clear(),
                false => words.extend(value.split_ascii_whitespace()),
            }
        }
        words
    }

    /// Whether its server reads the configuration at `file`.
    pub(super) fn serves(&self, file: &Path) -> bool {
        let words = self.words("ExecStart");
        let named = words.iter().position(|word| *word == "--config").and_then(|place| words.get(place + 1));
        let joined = words.iter().find_map(|word| word.strip_prefix("--config="));
        let served = Path::new(named.copied().or(joined).unwrap_or(SYSTEM_FILE));
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(served) == real(file)
    }

    /// Whether the server may bind ports below 1024.
    pub(super) fn grants_ports(&self) -> bool {
        self.words("AmbientCapabilities").contains(&"CAP_NET_BIND_SERVICE") || self.last("User").is_none()
    }

    /// Whether a credential of this name is given to the server (systemd.exec(5), Credentials).
    pub(super) fn has_credential(&self, name: &str) -> bool {
        let kinds = ["LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"];
        let given = self.settings.iter().filter(|(key, _)| kinds.contains(&key.as_str()));
        given.filter_map(|(_, value)| value.split(':').next()).any(|given| given == name)
    }

    /// Whether the server may write below `folder`, as far as the unit has a say.
    fn lets_write(&self, folder: &Path) -> bool {
        if self.last("ProtectSystem") != Some("strict") {
            return true;
        }
        let under = |key: &str, base: &str| {
            self.words(key).into_iter().map(|name| Path::new(base).join(name)).collect::<Vec<_>>()
        };
        let plain = self.words("ReadWritePaths").into_iter();
        let mut open: Vec<_> = plain.map(|path| PathBuf::from(path.trim_start_matches(['-', '+']))).collect();
        open.extend(under("StateDirectory", "/var/lib"));
        open.extend(under("RuntimeDirectory", "/run"));
        open.extend(under("CacheDirectory", "/var/cache"));
        open.extend(under("LogsDirectory", "/var/log"));
        open.iter().any(|path| folder.starts_with(path))
    }
}

/// Whether systemd has a unit for the server, where there is a systemd, and whether it fits.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    if !case.system.is_booted() {
        return Vec::new();
    }
    let Some(unit) = Unit::find(case.system) else {
        let remedy = "install dist/veilpost.service into /etc/systemd/system, then `systemctl daemon-reload`";
        return vec![Finding::warn(
            CHECK,
            "systemd has no veilpost.service, so nothing starts the server",
            remedy,
        )];
    };
    if !unit.serves(case.file) {
        return vec![Finding::ok(CHECK, "veilpost.service is there for another configuration")];
    }
    let mut findings: Vec<_> = [program(&unit, case), user(&unit, case)].into_iter().flatten().collect();
    findings.extend(written_folders(case).into_iter().filter(|folder| !unit.lets_write(folder)).map(closed));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{} fits this configuration", unit.path.display())));
    }
    findings
}

fn program(unit: &Unit, case: &Case<'_>) -> Option<Finding> {
    let words = unit.words("ExecStart");
    let program = words.first()?.trim_start_matches(['@', '-', ':', '+', '!']);
    let there = case.system.at(program).exists();
    (!there).then(|| {
        let remedy = format!("install -m 0755 target/release/veilpost {program}");
        Finding::fail(CHECK, format!("the unit starts {program}, which is not there"), remedy)
    })
}

fn user(unit: &Unit, case: &Case<'_>) -> Option<Finding> {
    let name = unit.last("User")?;
    (case.account.name != name).then(|| {
        let what = format!("the unit runs as {name}, whom /etc/passwd does not have");
        Finding::fail(CHECK, what, "systemd-sysusers, after dist/veilpost.sysusers is in /usr/lib/sysusers.d")
    })
}

/// Where the server writes.
fn written_folders(case: &Case<'_>) -> Vec<PathBuf> {
    let config = case.config;
    let mut folders = vec![config.data_dir.clone()];
    folders.extend(config.admin_socket.parent().map(Path::to_owned));
    folders.extend(config.audit.checkpoint_file.as_deref().and_then(Path::parent).map(Path::to_owned));
    if let crate::config::Tls::Acme(acme) = &config.tls {
        folders.push(acme.cache_dir.clone());
    }
    folders.dedup();
    folders
}

fn closed(folder: PathBuf) -> Finding {
    let what = format!("the unit keeps {} read-only, and the server writes there", folder.display());
    let remedy = format!("`systemctl edit veilpost`: [Service] and ReadWritePaths={}", folder.display());
    Finding::fail(CHECK, what, remedy)
}

fn drop_ins(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    files.sort();
    files.iter().flat_map(|path| settings(path)).collect()
}

fn settings(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_default().replace("\\\n", " ");
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            inside = line == "[Service]";
        } else if inside && let Some((key, value)) = line.split_once('=') {
            found.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

const CHECK: &str = "unit";
const NAME: &str = "veilpost.service";
/// systemd.unit(5), the folders for system units, the strongest first.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    fn booted() -> Fresh {
        let fresh = Fresh::new();
        std::fs::create_dir_all(fresh.system.at("/run/systemd/system")).expect("ours");
        fresh
    }

    fn only(fresh: &Fresh) -> Finding {
        let mut findings = fresh.look(check);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    #[test]
    fn the_shipped_unit_fits_and_a_missing_one_is_told() {
        assert!(Fresh::new().look(check).is_empty(), "no systemd, no unit");
        let mut fresh = booted();
        assert_eq!(only(&fresh).state, State::Warn);
        fresh.install_unit();
        let file = fresh.folder.path().join("veilpost.toml");
        fresh.account = super::super::Account::of_server(&fresh.config, &file, &fresh.system);
        assert_eq!(only(&fresh).state, State::Ok, "{:?}", only(&fresh));
    }

    #[test]
    fn a_unit_that_does_not_fit_says_what_to_change() {
        let mut fresh = booted();
        fresh.install_unit();
        let file = fresh.folder.path().join("veilpost.toml");
        fresh.account = super::super::Account::of_server(&fresh.config, &file, &fresh.system);
        std::fs::remove_file(fresh.system.at("/usr/local/bin/veilpost")).expect("ours");
        assert!(only(&fresh).what.contains("/usr/local/bin/veilpost, which is not there"));
        fresh.system_file("/usr/local/bin/veilpost", "");
        fresh.config.audit.checkpoint_file = Some("/mnt/elsewhere/checkpoints".into());
        assert!(only(&fresh).do_this.expect("a remedy").contains("ReadWritePaths=/mnt/elsewhere"));
        fresh.system_file(
            "/etc/systemd/system/veilpost.service.d/more.conf",
            "[Service]\nReadWritePaths=/mnt/elsewhere\n",
        );
        assert_eq!(only(&fresh).state, State::Ok);
        fresh.account.name = "4711".to_owned();
        assert!(only(&fresh).what.contains("runs as veilpost"));
    }

    #[test]
    fn credentials_and_ports_are_read_from_the_unit() {
        let fresh = booted();
        fresh.install_unit();
        let unit = Unit::find(&fresh.system).expect("installed");
        assert!(unit.grants_ports() && !unit.has_credential("root-passphrase"));
        fresh.system_file(
            "/etc/systemd/system/veilpost.service.d/key.conf",
            "[Service]\nLoadCredentialEncrypted=root-passphrase:/etc/veilpost/root-passphrase.cred\n\
             AmbientCapabilities=\n",
        );
        let unit = Unit::find(&fresh.system).expect("installed");
        assert!(!unit.grants_ports() && unit.has_credential("root-passphrase"));
    }
}

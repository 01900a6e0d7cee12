//! `veilpost.toml`: read once at start, checked, and from then on only looked at.
//!
//! Owns every setting of the server and its default. Refuses to know what the settings do. The
//! form is TOML 1.0; an unknown key is an error, because a misspelt limit is no limit. Further
//! sections get a struct in `model.rs`, a field in
//! [`Config`] and in `file.rs`, and their lines in `example.toml`.

mod example;
mod file;
mod model;
mod parts;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use example::Template;
pub use model::{
    Acme, Audit, Config, Dashboard, Imap, Imaps, Limits, Lmtp, Log, Metrics, Pop3, Pop3s, Smtp, Tls, Unlock,
};
pub use parts::{Endpoint, LogFormat, LogLevel};

/// Why there is no [`Config`]. The operator is at fault, so each variant says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}; {}", path.display(), remedy(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value that its key does not take.
    #[error("{}, line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and what was expected instead.
        message: String,
    },
    /// Settings that are right alone and wrong together.
    #[error("{}, at {section}: {problem}", path.display())]
    Together {
        /// The file.
        path: PathBuf,
        /// The section or key to change.
        section: &'static str,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}

impl Config {
    /// Reads and checks the file at `path`; relative paths in it start at its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// Checks a text as if it had been read from `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: file::File = toml::from_str(text).map_err(|error| in_line(text, path, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.check(folder).map_err(|(section, problem)| ConfigError::Together {
            path: path.to_owned(),
            section,
            problem,
        })
    }

    /// The settings of a file that says nothing but `hostname`, in `folder`.
    pub fn defaults(hostname: &str, folder: &Path) -> Result<Self, ConfigError> {
        let text = toml::to_string(&std::collections::BTreeMap::from([("hostname", hostname)]));
        // A map of one text to another has a TOML form, whatever the texts are.
        Self::parse(&text.expect("two strings have a TOML form"), &folder.join(FILE_NAME))
    }

    /// A commented file that parses back to the defaults, every key in it.
    pub fn example() -> String {
        Template::new().into_text()
    }
}

/// A first file helps where there is none, and nowhere else.
fn remedy(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::NotFound => "`veilpost init` writes a first one, --config names another place",
        std::io::ErrorKind::PermissionDenied => {
            "root and the server's user may read it: put `sudo -u veilpost` in front"
        }
        std::io::ErrorKind::InvalidData => "it is no text in UTF-8",
        _ => "--config names another place",
    }
}

fn in_line(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count();
    let said = crate::readable::sentence(error.message());
    let message = match setting(text, start) {
        Some(name) if !said.contains('`') => format!("{name}: {said}"),
        _ => said,
    };
    ConfigError::Line { path: path.to_owned(), line, message }
}

/// The setting that a place in the text belongs to, with its section, as in `[smtp] listen`.
fn setting(text: &str, at: usize) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    if text[start..].trim_start().starts_with('[') {
        // The head of a section belongs to no setting before it.
        return None;
    }
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    // A list may run over lines: the key stands on one before.
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let before = &text[..start];
    let key = key(&text[start..end]).or_else(|| before.lines().rev().find_map(key))?;
    let section =
        before.lines().rev().map(str::trim).find(|line| line.starts_with('[') && line.ends_with(']'));
    let named = !key.is_empty() && key.len() < 40 && !key.contains(['"', '[', '#']);
    named.then(|| section.map_or(key.clone(), |section| format!("{section} {key}")))
}

/// The name of the configuration file.
pub const FILE_NAME: &str = "veilpost.toml";
/// Where the configuration of a machine's own server lies: what commands read unless told otherwise.
pub const SYSTEM_FILE: &str = "/etc/veilpost/veilpost.toml";
/// Far more than any configuration needs; a guard against a wrong path.
const MAX_FILE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines that look like TOML, more or less.
    const LINES: &str = "(\\[?[a-z_.]{0,9}\\]?( ?= ?[\\[\"a-z0-9:\\]. ]{0,9})?\n){0,9}";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/veilpost/veilpost.toml"))
    }

    fn refusal(text: &str) -> String {
        parse(text).expect_err("should be refused").to_string()
    }

    #[test]
    fn one_line_is_enough() {
        let config = parse("hostname = 'Mail.Example.org'").expect("valid");
        assert_eq!(config.hostname, "mail.example.org");
        assert_eq!(config.data_dir, Path::new("/etc/veilpost/data"));
        assert_eq!(config.admin_socket, Path::new("/etc/veilpost/data/admin.sock"));
        assert_eq!(config.smtp.max_message_size, 50_000_000);
        assert!(config.lmtp.listen.is_empty() && config.metrics.listen.is_empty());
        let port = |listen: &[std::net::SocketAddr]| listen[0].port();
        assert_eq!((port(&config.imap.listen), port(&config.imaps.listen)), (143, 993));
        assert_eq!(config, Config::defaults("mail.example.org", Path::new("/etc/veilpost")).unwrap());
    }

    #[test]
    fn errors_name_the_line_and_the_remedy() {
        let unknown = refusal("hostname = 'a.example'\n\n[smtp]\nlisen = []\n");
        assert!(
            unknown.contains("veilpost.toml, line 4: unknown key `lisen`; did you mean `listen`?"),
            "{unknown}"
        );
        assert!(unknown.contains("`listen`"), "{unknown}");
        let address = refusal("hostname = 'a.example'\n[smtp]\nlisten = ['0.0.0.0']\n");
        assert!(address.contains("line 3") && address.contains("\"0.0.0.0:25\""), "{address}");
        let missing = refusal("data_dir = 'x'");
        assert!(missing.contains("`hostname` is missing here"), "{missing}");
        let twice = refusal("hostname = 'a.example'\n[smtp]\nlisten = []\n[smtp]\n");
        assert!(twice.ends_with("line 4: this stands there twice: leave one"), "{twice}");
        let broken = refusal("hostname = 'a.example'\n[smtp\n");
        assert!(broken.contains("line 2"), "{broken}");
    }

    #[test]
    fn settings_that_cannot_hold_are_refused() {
        for (text, part) in [
            ("hostname = 'a b'", "full domain name"),
            ("hostname = 'localhost'", "full domain name"),
            ("hostname = 'a.example'\n[smtp]\nmax_message_size = '5 parsecs'", "as in \"50 MB\""),
            ("hostname = 'a.example'\n[smtp]\nmax_message_size = 100", "at least 64 KiB"),
            ("hostname = 'a.example'\n[limits]\ncommand_seconds = 0", "at least 1"),
            (
                "hostname = 'a.example'\n[limits]\nconnections = 0",
                "connections: write a whole number of at least 1",
            ),
            ("hostname = 'a.example'\n[unlock]\nminutes = 0", "[unlock] minutes: a time is at least 1"),
            ("hostname = 5", "hostname: write a text in quotes here, not a number"),
            (
                "hostname = 'a.example'\n[smtp]\nlisten = '0.0.0.0:25'",
                "[smtp] listen: write a list in brackets",
            ),
            ("hostname = 'a.example'\n[smpt]\nlisten = []", "did you mean `smtp`?"),
            ("hostname = 'a.example'\nsmtp = 5", "write a table of settings"),
            ("hostname = 'a.example'\nkey_dir = 'data/keys'", "apart"),
            ("hostname = 'a.example'\n[tls]\ncertificate = 'x.pem'", "both"),
            (
                "hostname = 'a.example'\n[tls]\ncertificate='x'\nkey='y'\n[tls.acme]\nterms_agreed=true",
                "not both",
            ),
            ("hostname = 'a.example'\n[tls.acme]\ncontact = ['a']", "terms_agreed"),
            ("hostname = 'a.example'\n[tls.acme]\nterms_agreed=true\ndomains=[]", "at least one"),
            ("hostname = 'a.example'\n[tls.acme]\nterms_agreed=true\ndomains=['*.a.example']", "HTTP-01"),
            ("hostname = 'a.example'\n[tls.acme]\nterms_agreed=true\nlisten=[]", "listen"),
            ("hostname = 'a.example'\n[dashboard]\npublic_url = 'http://a.example'", "https://"),
            ("hostname = 'a.example'\n[log]\nlevel = 'loud'", "known here: error, warn, info"),
            (
                "hostname = 'a.example'\nsmtp.listen=[]\nimap.listen=[]\nimaps.listen=[]\npop3.listen=[]\npop3s.listen=[]",
                "nothing to serve",
            ),
        ] {
            let message = refusal(text);
            assert!(message.contains(part), "{text}\n{message}");
        }
    }

    #[test]
    fn paths_start_at_the_file_and_sockets_fit_the_kernel() {
        let text = "hostname='a.example'\nkey_dir='k'\n[lmtp]\nlisten=['unix:lmtp.sock','127.0.0.1:24']\n\
                    [audit]\ncheckpoint_file='/var/log/checkpoints'";
        let config = parse(text).expect("valid");
        assert_eq!(config.lmtp.listen[0], Endpoint::Unix("/etc/veilpost/lmtp.sock".into()));
        assert_eq!(config.audit.checkpoint_file, Some("/var/log/checkpoints".into()));
        assert_eq!(
            config.tls,
            Tls::Files {
                certificate: "/etc/veilpost/k/tls-certificate.pem".into(),
                key: "/etc/veilpost/k/tls-key.pem".into()
            }
        );
        let long = format!("hostname='a.example'\nadmin_socket='/{}'", "x".repeat(120));
        assert!(refusal(&long).contains("107 bytes"));
    }

    #[test]
    fn an_acme_section_gets_its_defaults() {
        let config = parse("hostname='a.example'\n[tls.acme]\nterms_agreed=true").expect("valid");
        let Tls::Acme(acme) = config.tls else { panic!("not ACME") };
        assert_eq!(acme.domains, ["a.example"]);
        assert_eq!(acme.cache_dir, Path::new("/etc/veilpost/keys"));
        assert_eq!(acme.listen, ["0.0.0.0:80".parse().unwrap()]);
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let message = Config::load(&folder.path().join("none.toml")).expect_err("absent").to_string();
        assert!(message.contains("veilpost init"), "{message}");
    }

    proptest! {
        #[test]
        fn any_text_is_settings_or_an_error_with_a_line_in_it(text in LINES) {
            if let Err(ConfigError::Line { line, .. }) = parse(&text) {
                prop_assert!((1..=text.lines().count() + 1).contains(&line));
            }
        }

        #[test]
        fn any_value_of_a_known_key_is_refused_or_kept(octets: u64, seconds: u32) {
            let text = format!(
                "hostname = 'a.example'\n[smtp]\nmax_message_size = '{octets}'\n\
                 [limits]\nidle_seconds = {seconds}"
            );
            match parse(&text) {
                Ok(config) => {
                    prop_assert_eq!(config.smtp.max_message_size, octets);
                    prop_assert_eq!(config.limits.idle.as_secs(), u64::from(seconds));
                }
                Err(_) => prop_assert!(octets < 64 * 1024 || seconds == 0),
            }
        }
    }
}

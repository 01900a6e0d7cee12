//! `veilpost init`: a configuration, a key folder and a data folder, asked for or given as flags.
//!
//! It overwrites nothing: whatever is there already is an error, and what it made before an error it
//! takes away again. The root key is made by a function that the caller passes in; this file knows
//! where keys lie and not what they are.

mod ask;
mod next;
mod trial;

use std::io;
use std::path::{Path, PathBuf};

pub use ask::{Ask, Terminal};
pub use next::{INDENT, Ways};

use crate::clock::Timestamp;
use crate::config::{self, Config, ConfigError, Template, Tls};
use crate::net::tls::{TlsError, self_signed};
use crate::private_file;

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// Something is where a new file or folder would go.
    #[error("{} is there already, and init overwrites nothing: choose another place", _0.display())]
    Exists(PathBuf),
    /// A file or folder could not be made.
    #[error("{}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The conversation failed.
    #[error("asking: {0}; every answer can be given as a flag")]
    Ask(#[source] io::Error),
    /// The name that was given will not do.
    #[error("{0:?} is not a full domain name: give one as in mail.example.org")]
    Hostname(String),
    /// A file of the certificate that was given is not there.
    #[error("{}: there is no such file; the server cannot start without it", _0.display())]
    Absent(PathBuf),
    /// A try found no ports.
    #[error("no ports between 10,000 and 32,000 are free on this machine")]
    Ports,
    /// The answers make no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No certificate could be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Answers given before anything is asked. What is none is asked, or left at its default.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The server's full domain name; asked.
    pub hostname: Option<String>,
    /// How mail comes in; asked.
    pub reception: Option<Reception>,
    /// Where the certificate comes from; asked.
    pub certificate: Option<CertificateFrom>,
    /// `data_dir`; beside the configuration file unless given.
    pub data_dir: Option<PathBuf>,
    /// `key_dir`; beside the configuration file unless given.
    pub key_dir: Option<PathBuf>,
    /// A try on this machine: nothing is asked, and loopback alone is listened on, at ports above 1024.
    pub trial: bool,
    /// User and group that everything shall belong to; whoever runs this, unless given.
    pub owner: Option<(u32, u32)>,
}

/// How mail comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// By SMTP, straight from other servers: the MX record points here.
    Direct,
    /// By LMTP, from a mail server on this machine.
    BehindMailServer,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFrom {
    /// Made now; mail clients must be told to trust it.
    SelfSigned,
    /// Files that somebody else keeps renewed.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Let's Encrypt, whose terms the operator agrees to.
    Acme {
        /// An address that the authority may write to.
        contact: Option<String>,
    },
}

/// What was set up.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration file.
    pub file: PathBuf,
    /// What it says.
    pub config: Config,
}

/// Asks for what is not given, and sets everything up for a configuration file at `file`.
/// `make_root_key` gets the path of the root key's file in the new key folder, and makes it durable.
pub fn run(
    ask: &mut dyn Ask,
    file: &Path,
    given: Given,
    now: Timestamp,
    make_root_key: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<Prepared, InitError> {
    refuse_existing(file)?;
    let given_owner = given.owner;
    let text = compose(ask, given)?;
    let config = Config::parse(&text, file)?;
    let mut made = Made { paths: Vec::new(), owner: given_owner };
    match set_up(&mut made, file, &text, &config, now, make_root_key) {
        Ok(()) => Ok(Prepared { file: file.to_owned(), config }),
        Err(error) => {
            made.undo();
            Err(error)
        }
    }
}

/// The text of the configuration file.
fn compose(ask: &mut dyn Ask, mut given: Given) -> Result<String, InitError> {
    if given.trial {
        given.hostname.get_or_insert_with(|| trial::HOSTNAME.to_owned());
        given.reception.get_or_insert(Reception::Direct);
        given.certificate.get_or_insert(CertificateFrom::SelfSigned);
    }
    let hostname = match given.hostname {
        Some(name) => full_name(&name)?,
        None => ask::hostname(ask).map_err(InitError::Ask)?,
    };
    let reception = match given.reception {
        Some(reception) => reception,
        None => ask::reception(ask).map_err(InitError::Ask)?,
    };
    let certificate = match given.certificate {
        Some(certificate) => on_disk(certificate)?,
        None => ask::certificate(ask).map_err(InitError::Ask)?,
    };
    let mut template = Template::new();
    let mut known = template.set("", "hostname", hostname);
    for (key, path) in [("data_dir", given.data_dir), ("key_dir", given.key_dir)] {
        known &= path.is_none_or(|path| template.set("", key, text_of(&path)));
    }
    known &= match given.trial {
        true => {
            let base = trial::free_base().ok_or(InitError::Ports)?;
            trial::set_listeners(&mut template, reception, base)
        }
        false => set_reception(&mut template, reception),
    };
    known &= set_certificate(&mut template, certificate);
    debug_assert!(known, "init sets a key that example.toml does not have");
    Ok(template.into_text())
}

fn full_name(name: &str) -> Result<String, InitError> {
    let parsed = crate::names::parse_domain(name).ok().filter(|name| name.contains('.'));
    parsed.ok_or_else(|| InitError::Hostname(name.to_owned()))
}

fn on_disk(certificate: CertificateFrom) -> Result<CertificateFrom, InitError> {
    if let CertificateFrom::Files { certificate, key } = &certificate
        && let Some(absent) = [certificate, key].into_iter().find(|path| !path.is_file())
    {
        return Err(InitError::Absent(absent.clone()));
    }
    Ok(certificate)
}

fn set_reception(template: &mut Template, reception: Reception) -> bool {
    match reception {
        Reception::Direct => true,
        Reception::BehindMailServer => {
            template.set("smtp", "listen", Vec::<String>::new())
                && template.set("lmtp", "listen", vec![LMTP_ADDRESS.to_owned()])
        }
    }
}

fn set_certificate(template: &mut Template, certificate: CertificateFrom) -> bool {
    match certificate {
        CertificateFrom::SelfSigned => true,
        CertificateFrom::Files { certificate, key } => {
            template.set("tls", "certificate", text_of(&certificate))
                && template.set("tls", "key", text_of(&key))
        }
        CertificateFrom::Acme { contact } => {
            template.set("tls.acme", "terms_agreed", true)
                && contact.is_none_or(|address| template.set("tls.acme", "contact", vec![address]))
        }
    }
}

/// Absolute, because a person means a path from where they stand, and the file from where it lies.
/// A path that is no UTF-8 cannot stand in TOML; the error then names what became of it.
fn text_of(path: &Path) -> String {
    std::path::absolute(path).as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// The configuration comes last: where it is, everything is.
fn set_up(
    made: &mut Made,
    file: &Path,
    text: &str,
    config: &Config,
    now: Timestamp,
    make_root_key: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), InitError> {
    for path in [file, &config.key_dir, &config.data_dir] {
        made.folder_around(path)?;
    }
    made.folder(&config.key_dir)?;
    made.folder(&config.data_dir)?;
    let root_key = config.key_dir.join(ROOT_KEY);
    made.note(&root_key, make_root_key(&root_key))?;
    if let Tls::Files { certificate, key } = &config.tls
        && certificate.parent() == Some(&config.key_dir)
        && !certificate.exists()
    {
        let (chain, key_text) = self_signed(&[&config.hostname], now)?;
        made.file(key, key_text.expose().as_bytes())?;
        made.file(certificate, chain.as_bytes())?;
    }
    made.file(file, text.as_bytes())
}

fn refuse_existing(path: &Path) -> Result<(), InitError> {
    match path.symlink_metadata() {
        Ok(_) => Err(InitError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// What was made, in its order, to be taken away again.
struct Made {
    paths: Vec<PathBuf>,
    owner: Option<(u32, u32)>,
}

impl Made {
    /// A new folder, or an empty one that was prepared for us.
    fn folder(&mut self, path: &Path) -> Result<(), InitError> {
        match private_file::create_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                adopt_empty(path)?;
                self.give(path)
            }
            result => self.note(path, result),
        }
    }

    /// The folder that something lies in, where there is none yet: a new machine has no /etc/veilpost. One
    /// level, so that a mistyped path makes no tree.
    fn folder_around(&mut self, file: &Path) -> Result<(), InitError> {
        match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
                self.note(folder, private_file::create_folder(folder))
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, path: &Path, content: &[u8]) -> Result<(), InitError> {
        self.note(path, private_file::create(path, content))
    }

    fn note(&mut self, path: &Path, result: io::Result<()>) -> Result<(), InitError> {
        match result {
            Ok(()) => {
                self.paths.push(path.to_owned());
                self.give(path)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(InitError::Exists(path.to_owned()))
            }
            Err(source) => Err(InitError::Write { path: path.to_owned(), source }),
        }
    }

    /// Makes it belong to whom it shall. The link itself, should somebody have put one there: root gives
    /// away nothing that it did not make.
    fn give(&self, path: &Path) -> Result<(), InitError> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        std::os::unix::fs::lchown(path, Some(user), Some(group))
            .map_err(|source| InitError::Write { path: path.to_owned(), source })
    }

    fn undo(self) {
        for path in self.paths.iter().rev() {
            // Folders go only when empty, so nothing of anybody else's is lost.
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
        }
    }
}

fn adopt_empty(path: &Path) -> Result<(), InitError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| InitError::Write { path: path.to_owned(), source };
    if !path.is_dir() || std::fs::read_dir(path).map_err(failed)?.next().is_some() {
        return Err(InitError::Exists(path.to_owned()));
    }
    let private = std::fs::Permissions::from_mode(private_file::FOLDER_MODE);
    std::fs::set_permissions(path, private).map_err(failed)
}

/// The root key's file in the key folder.
pub const ROOT_KEY: &str = "root.key";
/// Loopback, so that no other machine can hand in mail past the mail server's checks.
const LMTP_ADDRESS: &str = "127.0.0.1:24";
/// Where the configuration goes unless said otherwise.
pub const DEFAULT_FILE: &str = config::FILE_NAME;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::ask::testing::Script;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

    fn make_key(path: &Path) -> io::Result<()> {
        private_file::create(path, &[7; 32])
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
    }

    fn given() -> Given {
        Given {
            hostname: Some("mail.example.org".to_owned()),
            reception: Some(Reception::Direct),
            certificate: Some(CertificateFrom::SelfSigned),
            ..Given::default()
        }
    }

    #[test]
    fn flags_alone_set_everything_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(DEFAULT_FILE);
        let prepared = run(&mut Script::silent(), &file, given(), NOW, make_key).expect("sets up");
        assert_eq!(Config::load(&file).expect("parses"), prepared.config);
        let (keys, data) = (folder.path().join("keys"), folder.path().join("data"));
        assert_eq!((mode(&keys), mode(&data)), (0o700, 0o700));
        for name in ["root.key", "tls-key.pem", "tls-certificate.pem"] {
            assert_eq!(mode(&keys.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&file), 0o600);
        let Tls::Files { certificate, key } = &prepared.config.tls else { panic!("not files") };
        crate::net::tls::Files::load(certificate, key).expect("a pair");
    }

    #[test]
    fn a_conversation_sets_everything_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(DEFAULT_FILE);
        let mut script = Script::new(&["", "local host", "Mail.Example.org", "b", "perhaps", "c", ""]);
        let prepared = run(&mut script, &file, Given::default(), NOW, make_key).expect("sets up");
        assert_eq!(prepared.config.hostname, "mail.example.org");
        assert!(prepared.config.smtp.listen.is_empty());
        assert_eq!(prepared.config.lmtp.listen[0].to_string(), "127.0.0.1:24");
        assert!(matches!(prepared.config.tls, Tls::Acme(_)));
        assert!(script.told.contains("full domain name"), "{}", script.told);
    }

    #[test]
    fn what_is_given_is_checked_before_anything_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(DEFAULT_FILE);
        let refused = |given: Given| {
            run(&mut Script::silent(), &file, given, NOW, make_key).expect_err("refused").to_string()
        };
        let short = refused(Given { hostname: Some("localhost".to_owned()), ..given() });
        assert!(short.starts_with("\"localhost\" is not a full domain name"), "{short}");
        let path = folder.path().join("none.pem");
        let files = CertificateFrom::Files { certificate: path.clone(), key: path };
        let absent = refused(Given { certificate: Some(files), ..given() });
        assert!(absent.contains("none.pem: there is no such file"), "{absent}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_try_asks_nothing_and_stays_on_this_machine() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("try").join(DEFAULT_FILE);
        let given = Given { trial: true, ..Given::default() };
        let prepared = run(&mut Script::silent(), &file, given, NOW, make_key).expect("sets up");
        assert_eq!(prepared.config.hostname, trial::HOSTNAME);
        assert!(prepared.config.smtp.listen[0].ip().is_loopback());
        assert_eq!(Config::load(&file).expect("parses"), prepared.config);
    }

    #[test]
    fn everything_belongs_to_whom_it_shall() {
        use std::os::unix::fs::MetadataExt;
        if !rustix::process::geteuid().is_root() {
            let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|what| what == "all");
            assert!(!required, "only root can give files away");
            eprintln!("SKIPPED: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("etc")).expect("prepared by root");
        std::fs::create_dir(folder.path().join("etc/data")).expect("prepared by root");
        let file = folder.path().join("etc").join(DEFAULT_FILE);
        let key_dir = Some(folder.path().join("var/keys"));
        let given = Given { key_dir, owner: Some((4711, 4712)), ..given() };
        run(&mut Script::silent(), &file, given, NOW, make_key).expect("sets up");
        let made =
            ["etc/veilpost.toml", "etc/data", "var", "var/keys", "var/keys/root.key", "var/keys/tls-key.pem"];
        for name in made {
            let found = folder.path().join(name).metadata().expect("made");
            assert_eq!((found.uid(), found.gid()), (4711, 4712), "{name}");
        }
        assert_eq!(folder.path().join("etc").metadata().expect("there").uid(), 0, "was there before");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(DEFAULT_FILE);
        run(&mut Script::silent(), &file, given(), NOW, make_key).expect("sets up");
        let again = run(&mut Script::silent(), &file, given(), NOW, make_key).expect_err("exists");
        assert!(matches!(&again, InitError::Exists(path) if *path == file), "{again}");
        std::fs::remove_file(&file).expect("removes");
        let keys = run(&mut Script::silent(), &file, given(), NOW, make_key).expect_err("exists");
        assert!(matches!(&keys, InitError::Exists(path) if path.ends_with("keys")), "{keys}");
        assert_eq!(std::fs::read(folder.path().join("keys/root.key")).expect("still there"), [7; 32]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("absent/deeper/veilpost.toml");
        let places = Given {
            data_dir: Some(folder.path().join("data")),
            key_dir: Some(folder.path().join("keys")),
            ..given()
        };
        assert!(matches!(
            run(&mut Script::silent(), &file, places, NOW, make_key),
            Err(InitError::Write { .. })
        ));
        let file = folder.path().join(DEFAULT_FILE);
        let no_key = |_: &Path| Err(io::Error::other("no randomness"));
        assert!(run(&mut Script::silent(), &file, given(), NOW, no_key).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn the_folder_of_the_configuration_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("veilpost").join(DEFAULT_FILE);
        run(&mut Script::silent(), &file, given(), NOW, make_key).expect("sets up");
        assert_eq!(mode(&folder.path().join("veilpost")), 0o700);
        assert_eq!(mode(&folder.path().join("veilpost/keys")), 0o700);
    }

    #[test]
    fn empty_folders_that_were_prepared_are_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("data")).expect("creates");
        let file = folder.path().join(DEFAULT_FILE);
        run(&mut Script::silent(), &file, given(), NOW, make_key).expect("sets up");
        assert_eq!(mode(&folder.path().join("data")), 0o700);
    }
}

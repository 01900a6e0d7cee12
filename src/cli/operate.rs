//! `veilpost init`, `serve`, `doctor` and `status`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::Common;
use super::terminal::{Failed, print, say, secret_in};
use crate::admin::api::{AddressItem, Request, Status, Storage};
use crate::admin::client::{Client, ClientError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, FILE_NAME, SYSTEM_FILE};
use crate::doctor::{self, Case, Check, Finding, Presence, State};
use crate::init::{self, CertificateFrom, Given, InitError, ROOT_KEY, Reception, Terminal, Ways};
use crate::keyring::{KeyringError, Passphrase, RootKey};
use crate::server::Server;
use crate::shutdown::{Ended, Lifecycle};

/// Arguments of `veilpost init`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost init --dir ./try\n  sudo veilpost init\n  veilpost init --config ./veilpost.toml --hostname mail.firm.example --reception direct --certificate acme\n\nAsks for what is not given. Never overwrites anything. Ends with what to do next."
)]
pub struct InitArgs {
    /// Only a try, in this folder: asks nothing, needs no root, and listens on this machine alone, at ports
    /// above 1024
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["certificate", "certificate_file", "key_file", "contact", "data_dir", "key_dir"]
    )]
    dir: Option<PathBuf>,
    /// The server's full domain name
    #[arg(long)]
    hostname: Option<String>,
    /// How mail comes in
    #[arg(long, value_enum)]
    reception: Option<ReceptionArg>,
    /// Where the TLS certificate comes from
    #[arg(long, value_enum)]
    certificate: Option<CertificateArg>,
    /// The certificate chain, for --certificate files
    #[arg(long, value_name = "FILE", required_if_eq("certificate", "files"))]
    certificate_file: Option<PathBuf>,
    /// Its key, for --certificate files
    #[arg(long, value_name = "FILE", required_if_eq("certificate", "files"))]
    key_file: Option<PathBuf>,
    /// An address that the ACME authority may write to
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// The folder for sealed mail [default: data, beside the configuration; /var/lib/veilpost/data for that in
    /// /etc/veilpost]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The folder for keys [default: keys, beside the configuration; /var/lib/veilpost/keys for that in
    /// /etc/veilpost]
    #[arg(long, value_name = "FOLDER")]
    key_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReceptionArg {
    /// By SMTP: the MX record points here
    Direct,
    /// By LMTP, from Postfix or Exim on this machine
    BehindMailServer,
}

#[derive(Clone, Copy, ValueEnum)]
enum CertificateArg {
    /// Made now; mail clients must be told to trust it
    SelfSigned,
    /// Files that somebody else renews
    Files,
    /// Let's Encrypt, to whose terms you agree with this
    Acme,
}

/// `veilpost init`.
pub fn init(args: InitArgs, common: &Common) -> Result<(), Failed> {
    let certificate = args.certificate.map(|from| match from {
        CertificateArg::SelfSigned => CertificateFrom::SelfSigned,
        CertificateArg::Acme => CertificateFrom::Acme { contact: args.contact.clone() },
        CertificateArg::Files => CertificateFrom::Files {
            certificate: args.certificate_file.clone().unwrap_or_default(),
            key: args.key_file.clone().unwrap_or_default(),
        },
    });
    let reception = args.reception.map(|reception| match reception {
        ReceptionArg::Direct => Reception::Direct,
        ReceptionArg::BehindMailServer => Reception::BehindMailServer,
    });
    let file = args.dir.as_ref().map_or_else(|| common.config.clone(), |folder| folder.join(FILE_NAME));
    let file = std::path::absolute(file)?;
    let service = doctor::Account::of_unit(&file, &doctor::System::default());
    let root = rustix::process::geteuid().is_root();
    let usual = |name: &str| (file == Path::new(SYSTEM_FILE)).then(|| Path::new(STATE_FOLDER).join(name));
    let given = Given {
        hostname: args.hostname,
        reception,
        certificate,
        data_dir: args.data_dir.or_else(|| usual("data")),
        key_dir: args.key_dir.or_else(|| usual("keys")),
        trial: args.dir.is_some(),
        owner: service.as_ref().filter(|_| root).map(|account| (account.uid, account.gid)),
    };
    let mut ask = Terminal::new(io::stdin().lock(), io::stderr());
    let prepared = init::run(&mut ask, &file, given, Clock::system().now(), make_root_key)
        .map_err(|error| not_set_up(error, args.dir.is_some()))?;
    let facts = serde_json::json!({
        "config": prepared.file,
        "data_dir": prepared.config.data_dir,
        "key_dir": prepared.config.key_dir,
    });
    print(common.json, &facts, |_| prepared.next_steps(&ways(service.map(|account| account.name))))
}

fn not_set_up(error: InitError, trial: bool) -> Failed {
    let hint = match &error {
        InitError::Write { source, .. } if trial && source.kind() == io::ErrorKind::PermissionDenied => {
            "nothing was left behind; name a folder in a place where you may write"
        }
        InitError::Write { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "nothing was left behind; run this with sudo, or try it in a folder of your own: veilpost init --dir ./try"
        }
        InitError::Write { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "nothing was left behind; make the folder around it first, and run this again"
        }
        InitError::Exists(_) => {
            "what is there was left as it is; `veilpost doctor` looks at a server that was set up before"
        }
        _ => "nothing was left behind; correct it and run this again",
    };
    Failed::new(error).hint(hint)
}

/// How things are done on this machine.
fn ways(service_user: Option<String>) -> Ways {
    use std::net::{Ipv4Addr, TcpListener};
    let low = TcpListener::bind((Ipv4Addr::LOCALHOST, LOW_PORT));
    Ways {
        program: super::terminal::program(),
        service_user,
        sudo: super::terminal::on_path("sudo").is_some(),
        low_ports: !low.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied),
    }
}

/// Makes the root key at `path`, durably.
pub fn make_root_key(path: &Path) -> io::Result<()> {
    RootKey::generate().store_new(path, None).map_err(io::Error::other)
}

/// `veilpost serve`.
pub fn serve(common: &Common) -> Result<(), Failed> {
    let config = load(&common.config)?;
    crate::trace::start(&config.log).map_err(Failed::new)?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let life = Lifecycle::new();
        let server = start(&config, &life).await?;
        let on = |addresses: &[std::net::SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let at = &server.listening;
        let (smtp, lmtp) = (on(&at.smtp), on(&at.lmtp));
        let (imap, imaps) = (on(&at.imap), on(&at.imaps));
        let (pop3, pop3s) = (on(&at.pop3), on(&at.pop3s));
        tracing::info!(smtp, lmtp, imap, imaps, pop3, pop3s, "serving");
        life.until_stopped().await?;
        if let Ended::LeftOver(tasks) = life.finish(config.limits.shutdown).await {
            tracing::warn!(tasks, "stopped with sessions under way; what they acknowledged is durable");
        }
        server.last_words().await;
        Ok(())
    })
}

/// Starts the server, with the passphrase of the root key's file if there is one.
pub async fn start(config: &Config, life: &Lifecycle) -> Result<Arc<Server>, Failed> {
    Server::start(config, Clock::system(), life, root_passphrase()?)
        .await
        .map_err(|error| Failed::new(error).hint("`veilpost doctor` checks everything that the server needs"))
}

/// `veilpost doctor`.
pub fn doctor(common: &Common) -> Result<(), Failed> {
    let further: [Box<dyn Check>; 3] =
        [Box::new(check_parts), Box::new(check_root_key), Box::new(check_roles)];
    let findings = doctor::examine(&common.config, Clock::system().now(), who_answers, &further);
    let colour = crate::trace::wants_colour(&io::stdout());
    print(common.json, &findings, |findings| doctor::render(findings, colour))?;
    match doctor::worst(&findings) {
        State::Fail => Err(Failed::new("something must be mended before the server runs well")),
        _ => Ok(()),
    }
}

/// `veilpost status`.
pub fn status(common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    let mut status: serde_json::Value = client.call(Request::Status {})?;
    let storage: Storage = client.call(Request::Storage { tenant: None })?;
    if let Some(status) = status.as_object_mut() {
        status.insert("storage".to_owned(), serde_json::to_value(&storage).map_err(Failed::new)?);
    }
    if common.json {
        return print(true, &status, |_| String::new());
    }
    for (name, value) in status.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::Array(items) if items.is_empty() => "off".to_owned(),
            serde_json::Value::Array(items) => {
                items.iter().filter_map(|item| item.as_str()).collect::<Vec<_>>().join(", ")
            }
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Object(_) => stored(&storage),
            other => other.to_string(),
        };
        say(&format!("{name:<24}{text}"))?;
    }
    Ok(())
}

/// Storage in one line.
fn stored(storage: &Storage) -> String {
    let (messages, sealed) = storage
        .users
        .iter()
        .fold((0, 0), |(messages, sealed), user| (messages + user.messages, sealed + user.sealed));
    let mib = |octets: u64| octets.div_ceil(1024 * 1024);
    format!(
        "{messages} messages in {} MiB, ledger {} MiB, {} of {} MiB free",
        mib(sealed),
        mib(storage.ledger),
        mib(storage.free),
        mib(storage.disk)
    )
}

/// The administration socket that the configuration names.
pub fn socket_of(config: &Path) -> Result<PathBuf, Failed> {
    Ok(load(config)?.admin_socket)
}

/// Reads the configuration, for commands that need no running server.
pub fn load(path: &Path) -> Result<Config, Failed> {
    // The error says what to do; with a file that is not there, so does this.
    Config::load(path).map_err(|error| {
        let absent = matches!(&error, ConfigError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound);
        Failed::new(error).hint(match absent {
            true => "name it with --config or VEILPOST_CONFIG; `veilpost init --dir ./try` makes one without root, `veilpost demo` needs none",
            false => "docs/operations.md has a table of all settings",
        })
    })
}

/// A root key file that is locked opens with a passphrase from systemd (`LoadCredential=`) or the
/// environment.
fn root_passphrase() -> Result<Option<Passphrase>, Failed> {
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(PASSPHRASE));
    if let Some(path) = credential.filter(|path| path.exists()) {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failed::new(format!("{}: {error}", path.display())))?;
        return Ok(Some(Passphrase::new(secret_in(&text).to_owned())));
    }
    Ok(std::env::var("VEILPOST_ROOT_PASSPHRASE").ok().map(Passphrase::new))
}

/// Every connection needs a descriptor; the system's soft limit is often 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Asks at the administration socket which server is there.
fn who_answers(socket: &Path) -> Presence {
    let mut client = match Client::connect(socket) {
        Ok(client) => client,
        Err(ClientError::Unreachable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Presence::Silent;
        }
        Err(_) => return Presence::Stopped,
    };
    let Ok(status) = client.call::<Status>(Request::Status {}) else { return Presence::Silent };
    let lists = [
        status.smtp,
        status.lmtp,
        status.imap,
        status.imaps,
        status.pop3,
        status.pop3s,
        status.dashboard,
        status.metrics,
    ];
    let listening = lists.into_iter().flatten().filter_map(|address| address.parse().ok()).collect();
    Presence::Serving { hostname: status.hostname, listening }
}

/// Whether a data folder that was in use has lost what it is made of.
fn check_parts(case: &Case<'_>) -> Vec<Finding> {
    let Ok(Some(gone)) = crate::server::missing_part(case.config) else { return Vec::new() };
    let what = format!("{} is gone, and the data folder was in use", gone.display());
    vec![Finding::fail(
        "data",
        what,
        "put it back, or the whole data folder from its backup, before anything else",
    )]
}

/// Whether the root key opens, and is the one that the data is sealed under.
fn check_root_key(case: &Case<'_>) -> Vec<Finding> {
    let path = case.config.key_dir.join(ROOT_KEY);
    let passphrase = root_passphrase().unwrap_or_default();
    vec![match RootKey::load_of(&path, passphrase.as_ref(), case.account.uid) {
        Ok(key) => compare_root_key(case, &path, &key),
        Err(error) => root_key_trouble(case, &path, &error),
    }]
}

/// Who reads what is for postmaster and abuse; a running server knows.
fn check_roles(case: &Case<'_>) -> Vec<Finding> {
    let Ok(mut client) = Client::connect(&case.config.admin_socket) else { return Vec::new() };
    let addresses: Result<Vec<AddressItem>, _> = client.call(Request::AddressList { tenant: None });
    let standing = addresses.unwrap_or_default().into_iter().filter(|item| item.standing);
    let found: Vec<String> = standing.map(|item| format!("{} reaches {}", item.address, item.user)).collect();
    found.into_iter().map(|what| Finding::ok("postmaster", what)).collect()
}

fn compare_root_key(case: &Case<'_>, path: &Path, key: &RootKey) -> Finding {
    let (shown, data) = (path.display(), case.config.data_dir.display());
    match crate::server::noted_root_check(case.config) {
        Ok(Some(noted)) if noted == key.check_value() => {
            Finding::ok(ROOT, format!("{shown} is the key that {data} is sealed under"))
        }
        Ok(Some(_)) => Finding::fail(
            ROOT,
            format!("{shown} is a root key, and not the one that {data} is sealed under"),
            "put back the copy of the right key, or name the right data_dir; change nothing in the data folder",
        ),
        Ok(None) if case.has_data() => Finding::warn(
            ROOT,
            format!(
                "{shown} is a root key; whether it is that of {data} was never noted, so it is not known"
            ),
            "start the server once: it opens the data only with the right key, and notes which that is",
        ),
        Ok(None) => Finding::ok(ROOT, format!("{shown} is a root key; nothing is sealed under it yet")),
        Err(error) => Finding::warn(
            ROOT,
            format!("{shown} is a root key; {data} cannot be asked for its own: {error}"),
            as_the_server(case),
        ),
    }
}

fn root_key_trouble(case: &Case<'_>, path: &Path, error: &KeyringError) -> Finding {
    let (shown, user) = (path.display(), &case.account.name);
    let what = format!("{shown}: {error}");
    match error {
        KeyringError::KeyFileLocked if case.has_credential(PASSPHRASE) => Finding::ok(
            ROOT,
            format!(
                "{shown} is locked by the passphrase that the unit's credential {PASSPHRASE} holds; it was not tried"
            ),
        ),
        KeyringError::KeyFileLocked if matches!(case.presence, Presence::Serving { .. }) => {
            Finding::ok(ROOT, format!("{shown} is locked by a passphrase; the running server had it"))
        }
        KeyringError::KeyFileLocked => Finding::warn(
            ROOT,
            what,
            format!(
                "give VEILPOST_ROOT_PASSPHRASE here, and the unit LoadCredentialEncrypted={PASSPHRASE}:FILE"
            ),
        ),
        KeyringError::KeyFileOwner { .. } => Finding::fail(ROOT, what, format!("chown {user} '{shown}'")),
        KeyringError::KeyFileMode(_) => Finding::fail(ROOT, what, format!("chmod 600 '{shown}'")),
        KeyringError::KeyFile(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::warn(ROOT, what, as_the_server(case))
        }
        KeyringError::Sealed => Finding::fail(
            ROOT,
            format!("{shown}: the passphrase does not open it"),
            "give the right one; the file itself may be sound, so keep it",
        ),
        KeyringError::KeyFile(_) | KeyringError::KeyFileForm if !case.has_data() => Finding::fail(
            ROOT,
            what,
            format!(
                "restore it from its backup; for a new server, move {} away and run `veilpost init`",
                case.file.display()
            ),
        ),
        _ => Finding::fail(ROOT, what, "put back its copy, and keep this file until the server runs with it"),
    }
}

fn as_the_server(case: &Case<'_>) -> String {
    format!("run this as root or as the server's user: sudo -u {} veilpost doctor", case.account.name)
}

/// Where a machine's own server has data and keys, as the unit lets it (StateDirectory).
const STATE_FOLDER: &str = "/var/lib/veilpost";
/// A port that ordinary users do not have.
const LOW_PORT: u16 = 25;
/// The check's name.
const ROOT: &str = "root-key";
/// The systemd credential that opens a locked root key.
const PASSPHRASE: &str = "root-passphrase";

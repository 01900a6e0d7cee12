//! `veilpost demo`: a fresh vault that a person can try at once. Everything goes the way of a real
//! server: `init` writes its files, the server runs from them, sample mail comes in by SMTP. A demo that was
//! stopped is started again with the same mail, people and, where they are free, ports.

mod folder;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::operate::make_root_key;
use super::terminal::{Failed, Style, program, qr, say, styled};
use crate::admin::api::{Request, Secret, TenantItem};
use crate::admin::client::Client;
use crate::audit::{Actor, Origin};
use crate::clock::Clock;
use crate::config::{Config, FILE_NAME, LogLevel, Template, Tls};
use crate::init::{self, CertificateFrom, Given, Reception, Terminal};
use crate::keyring::Passphrase;
use crate::names::{Address, ContainerName};
use crate::owner::{By, account, unlock, view};
use crate::server::Server;
use crate::shutdown::Lifecycle;

use folder::{Ports, Secrets, ShownView, local};

/// Arguments of `veilpost demo`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost demo\n  veilpost demo --dir /tmp/vault --smtp-port 2525 --imaps-port 9930\n  veilpost demo --json"
)]
pub struct DemoArgs {
    /// The folder for the vault: a new or an empty one, or that of a demo that was stopped, which starts again
    /// [default: a new temporary folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// SMTP port; 0 takes a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    smtp_port: u16,
    /// LMTP port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    lmtp_port: u16,
    /// IMAP port (STARTTLS)
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    imap_port: u16,
    /// IMAPS port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    imaps_port: u16,
    /// POP3 port (STLS)
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pop3_port: u16,
    /// POP3S port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pop3s_port: u16,
    /// Dashboard port (HTTPS)
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    dashboard_port: u16,
    /// Metrics port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    metrics_port: u16,
}

/// `veilpost demo`.
pub fn run(args: DemoArgs, json: bool) -> Result<(), Failed> {
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => {
            std::env::temp_dir().join(format!("veilpost-demo-{}", &ContainerName::random().to_string()[..8]))
        }
    };
    let (config, again) = match folder::look(&folder)? {
        None => (prepare(&folder, &args)?, None),
        Some(config) => reopen(config, &folder, &args)?,
    };
    crate::trace::start(&config.log).map_err(Failed::new)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let life = Lifecycle::new();
        let server = super::operate::start(&config, &life).await?;
        let facts = match again.filter(|_| is_furnished(&config)) {
            Some(secrets) => {
                Facts { server, config: config.clone(), folder: folder.clone(), secrets, again: true }
            }
            None => furnish(server, &config, &folder).await?,
        };
        let shown =
            if json { serde_json::to_string(&facts.json()).map_err(Failed::new)? } else { facts.summary() };
        say(&shown)?;
        life.until_stopped().await?;
        life.finish(config.limits.shutdown).await;
        facts.server.last_words().await;
        Ok(())
    })
}

/// Writes configuration, keys and folders as `veilpost init` does, then turns to free local ports.
fn prepare(folder: &Path, args: &DemoArgs) -> Result<Config, Failed> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = folder.join(FILE_NAME);
    let given = Given {
        hostname: Some(HOSTNAME.to_owned()),
        reception: Some(Reception::Direct),
        certificate: Some(CertificateFrom::SelfSigned),
        ..Given::default()
    };
    let mut nobody = Terminal::new(io::empty(), io::sink());
    init::run(&mut nobody, &file, given, Clock::system().now(), make_root_key)
        .map_err(|error| Failed::new(error).hint("name an empty folder with --dir"))?;
    // Replaced after `init` has made keys and certificate beside it.
    crate::private_file::replace(&file, local_settings(args)?.as_bytes())?;
    let mut config = Config::load(&file).map_err(Failed::new)?;
    config.log.level = LogLevel::Warn;
    Ok(config)
}

/// The configuration of a stopped demo with the ports for this time, and the secrets that it kept.
fn reopen(
    mut config: Config,
    folder: &Path,
    args: &DemoArgs,
) -> Result<(Config, Option<Option<Secrets>>), Failed> {
    let secrets = Secrets::kept(folder)?;
    let had = secrets.as_ref().map_or_else(
        || Ports {
            dashboard: config.dashboard.listen.first().map_or(0, SocketAddr::port),
            ..Ports::default()
        },
        |secrets| secrets.ports,
    );
    folder::settle_ports(&mut config, args, had);
    config.log.level = LogLevel::Warn;
    Ok((config, Some(secrets)))
}

/// Whether the demo got its tenant before it was stopped.
fn is_furnished(config: &Config) -> bool {
    let tenants = Client::connect(&config.admin_socket)
        .and_then(|mut client| client.call::<Vec<TenantItem>>(Request::TenantList {}));
    tenants.is_ok_and(|tenants| tenants.iter().any(|tenant| tenant.name == TENANT))
}

fn local_settings(args: &DemoArgs) -> Result<String, Failed> {
    let mut settings = Template::new();
    // The links in placeholders name the port, so it is chosen before anything listens.
    let dashboard = match args.dashboard_port {
        0 => folder::free_port()?,
        port => port,
    };
    let local = |port: u16| vec![local(port).to_string()];
    let known = settings.set("", "hostname", HOSTNAME)
        && settings.set("smtp", "listen", local(args.smtp_port))
        && settings.set("lmtp", "listen", local(args.lmtp_port))
        && settings.set("imap", "listen", local(args.imap_port))
        && settings.set("imaps", "listen", local(args.imaps_port))
        && settings.set("pop3", "listen", local(args.pop3_port))
        && settings.set("pop3s", "listen", local(args.pop3s_port))
        && settings.set("dashboard", "listen", local(dashboard))
        && settings.set("dashboard", "public_url", format!("https://localhost:{dashboard}"))
        && settings.set("metrics", "listen", local(args.metrics_port));
    if known { Ok(settings.into_text()) } else { Err(Failed::new("the example configuration lacks a key")) }
}

/// What a person needs to try the demo.
struct Facts {
    server: Arc<Server>,
    config: Config,
    folder: PathBuf,
    /// None where the file was taken away.
    secrets: Option<Secrets>,
    /// Whether it was made earlier.
    again: bool,
}

/// A tenant, a user, two views, and the sample mail.
async fn furnish(server: Arc<Server>, config: &Config, folder: &Path) -> Result<Facts, Failed> {
    let password = passphrase();
    let founding = account::Founding {
        name: TENANT.to_owned(),
        address: Address::parse(ADDRESS).map_err(Failed::new)?,
        password: Passphrase::new(password.clone()),
        reason_required: false,
        escrow: Vec::new(),
        enrolment: account::Enrolment::Here,
    };
    let founded =
        account::found(&server.vault, founding, By { actor: Actor::Server, origin: Origin::Internal })
            .await
            .map_err(Failed::new)?;
    let recovery_code = founded.recovery_code.reveal().to_string();
    // By the recovery code, so that the first TOTP code stays unused for the person.
    let unlocked = unlock::recover(&server.vault, founded.user.user, &recovery_code, Origin::Internal)
        .await
        .map_err(Failed::new)?;
    let mut views = Vec::new();
    for (name, policy) in VIEWS {
        let issued = view::create(&server.vault, &unlocked, founded.user.user, name, policy, name)
            .await
            .map_err(Failed::new)?;
        let app_password = Secret::new(issued.app_password.reveal().to_string());
        views.push(ShownView {
            name: name.to_owned(),
            policy: policy.to_owned(),
            login: issued.login,
            app_password,
        });
    }
    let smtp = *server.listening.smtp.first().ok_or_else(|| Failed::new("SMTP does not listen"))?;
    send_samples(smtp).await.map_err(|error| Failed::new(format!("the sample mail: {error}")))?;
    let secrets = Secrets {
        password: Secret::new(password),
        recovery_code: Secret::new(recovery_code),
        totp_seed: Secret::new(founded.user.seed.to_string()),
        totp_uri: Secret::new(founded.user.uri.to_string()),
        views,
        ports: ports(&server),
    };
    secrets.keep(folder)?;
    let (config, folder) = (config.clone(), folder.to_owned());
    Ok(Facts { server, config, folder, secrets: Some(secrets), again: false })
}

/// Where the server listens now.
fn ports(server: &Server) -> Ports {
    let at = &server.listening;
    let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
    Ports {
        smtp: port(&at.smtp),
        lmtp: port(&at.lmtp),
        imap: port(&at.imap),
        imaps: port(&at.imaps),
        pop3: port(&at.pop3),
        pop3s: port(&at.pop3s),
        dashboard: port(&at.dashboard),
        metrics: port(&at.metrics),
    }
}

impl Facts {
    fn json(&self) -> serde_json::Value {
        let listening = &self.server.listening;
        let first = |addresses: &[SocketAddr]| addresses.first().map(ToString::to_string);
        let kept = self.secrets.as_ref();
        let told = |secret: fn(&Secrets) -> &Secret| kept.map(|secrets| secret(secrets).expose());
        serde_json::json!({
            "smtp": first(&listening.smtp),
            "lmtp": first(&listening.lmtp),
            "imap": first(&listening.imap),
            "imaps": first(&listening.imaps),
            "pop3": first(&listening.pop3),
            "pop3s": first(&listening.pop3s),
            "dashboard": self.server.vault.settings.public_url,
            "metrics": first(&listening.metrics),
            "ca_file": self.ca_file(),
            "config": self.config.data_dir.with_file_name(FILE_NAME),
            "data_dir": self.config.data_dir,
            "admin_socket": listening.admin_socket,
            "tenant": TENANT,
            "address": ADDRESS,
            "user": ADDRESS,
            "again": self.again,
            "secrets_file": folder::file(&self.folder),
            "password": told(|secrets| &secrets.password),
            "totp_seed": told(|secrets| &secrets.totp_seed),
            "totp_uri": told(|secrets| &secrets.totp_uri),
            "recovery_code": told(|secrets| &secrets.recovery_code),
            "views": kept.map_or(&[][..], |secrets| &secrets.views),
        })
    }

    fn summary(&self) -> String {
        let title = if self.again {
            "Veilpost demo, started again: the mail and people it had"
        } else {
            "Veilpost demo"
        };
        let mut text = format!("{}\n\n", head(title));
        let mut row =
            |name: &str, value: &str| text.push_str(&format!("  {}{value}\n", dim(&format!("{name:<16}"))));
        row("user", ADDRESS);
        row("dashboard", self.server.vault.settings.public_url.as_deref().unwrap_or("off"));
        if let Some(secrets) = &self.secrets {
            row("password", secrets.password.expose());
            row("TOTP seed", secrets.totp_seed.expose());
            row("TOTP URI", secrets.totp_uri.expose());
            row("recovery code", secrets.recovery_code.expose());
        }
        row("folder", &self.folder.display().to_string());
        let listening = &self.server.listening;
        let all = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<String>();
        row("SMTP", &all(&listening.smtp));
        row("LMTP", &listening.lmtp.iter().map(ToString::to_string).collect::<String>());
        row("IMAPS", &all(&listening.imaps));
        row("IMAP (STARTTLS)", &all(&listening.imap));
        row("POP3 (STLS)", &all(&listening.pop3));
        row("POP3S", &all(&listening.pop3s));
        row("metrics", &format!("http://{}/metrics", all(&listening.metrics)));
        match &self.secrets {
            Some(secrets) => text.insert_str(
                text.find("\n\n").map_or(0, |end| end + 2),
                &format!("{}\n", qr(secrets.totp_uri.expose())),
            ),
            None => text.push_str(&format!(
                "\nPassword, TOTP seed, recovery code and app passwords were told when the demo was made.\n\
                 {} is not there any more, so they are kept nowhere.\n",
                folder::file(&self.folder).display()
            )),
        }
        text + &self.commands() + &self.farewell()
    }

    /// Lines to paste.
    fn commands(&self) -> String {
        let program = program();
        let ports = ports(&self.server);
        let socket = self.server.listening.admin_socket.display();
        let ca = self.ca_file().display().to_string();
        let mut text = String::new();
        for view in self.secrets.iter().flat_map(|secrets| &secrets.views) {
            text.push_str(&format!(
                "\n{}\n  curl --cacert {ca} --user '{}:{}' 'imaps://localhost:{}/INBOX;MAILINDEX=1'\n",
                head(&format!("What the view \"{}\" shows of message 1 (policy {})", view.name, view.policy)),
                view.login,
                view.app_password.expose(),
                ports.imaps,
            ));
        }
        if let Some(secrets) = &self.secrets {
            text.push_str(&format!(
                "\n{}\n  VEILPOST_PASSWORD='{}' {program} mail read 1 --socket {socket} \\\n    --as {ADDRESS} --code \"$({program} totp {})\"\n",
                head("The whole of it, with password and TOTP code"),
                secrets.password.expose(),
                secrets.totp_seed.expose(),
            ));
        }
        let smtp = ports.smtp;
        text + &format!(
            "\n{}\n  {program} audit list {TENANT} --socket {socket}\n\
             \n{}\n  printf 'From: you@example.org\\r\\nSubject: Hello\\r\\n\\r\\nHi there.\\r\\n' | \\\n    curl smtp://127.0.0.1:{smtp} --mail-from you@example.org --mail-rcpt {ADDRESS} -T -\n  swaks --server 127.0.0.1:{smtp} --to {ADDRESS}\n",
            head("Who opened what"),
            head("Send it more mail"),
        )
    }

    /// How it ends, and how it goes on.
    fn farewell(&self) -> String {
        let mut text = format!(
            "\n{}\n",
            dim(&format!(
                "Ctrl-C stops the server. The folder stays; this starts it again:\n  {} demo --dir {}",
                program(),
                self.folder.display()
            ))
        );
        if self.secrets.is_some() {
            let file = folder::file(&self.folder);
            text.push_str(&format!(
                "{}\n",
                dim(&format!(
                    "To tell the above again, it keeps it in {} (mode 0600), as it was when the demo was made.",
                    file.display()
                ))
            ));
        }
        text
    }

    fn ca_file(&self) -> PathBuf {
        match &self.config.tls {
            Tls::Files { certificate, .. } => certificate.clone(),
            Tls::Acme(acme) => acme.cache_dir.clone(),
        }
    }
}

fn head(text: &str) -> String {
    styled(text, Style::Strong, &io::stdout())
}

fn dim(text: &str) -> String {
    styled(text, Style::Dim, &io::stdout())
}

/// 80 random bits in groups of four letters.
fn passphrase() -> String {
    let letters = ContainerName::random().to_string();
    [&letters[0..4], &letters[4..8], &letters[8..12], &letters[12..16]].join("-")
}

/// Sends the sample mail through the server's own SMTP port, as any mail server would.
async fn send_samples(smtp: SocketAddr) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(smtp).await?);
    expect(&mut stream, "220").await?;
    command(&mut stream, "EHLO demo.example", "250").await?;
    for message in SAMPLES {
        command(&mut stream, "MAIL FROM:<sender@demo.example>", "250").await?;
        command(&mut stream, &format!("RCPT TO:<{ADDRESS}>"), "250").await?;
        command(&mut stream, "DATA", "354").await?;
        // No line of the samples begins with a dot, and each ends in CRLF.
        stream.get_mut().write_all(message).await?;
        command(&mut stream, ".", "250").await?;
    }
    command(&mut stream, "QUIT", "221").await
}

async fn command(stream: &mut BufReader<TcpStream>, line: &str, code: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
    expect(stream, code).await
}

/// Reads one reply (RFC 5321 §4.2.1); a hyphen after the code says that more lines follow.
async fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if !line.starts_with(code) {
            return Err(io::Error::other(format!("the server says {}", line.trim_end())));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

const HOSTNAME: &str = "mail.demo.example";
const TENANT: &str = "demo";
const ADDRESS: &str = "alice@demo.example";
const VIEWS: [(&str, &str); 2] = [("phone", "sender-and-date"), ("laptop", "excerpt")];
const SAMPLES: [&[u8]; 6] = [
    include_bytes!("samples/counsel.eml"),
    include_bytes!("samples/bank.eml"),
    include_bytes!("samples/code.eml"),
    include_bytes!("samples/results.eml"),
    include_bytes!("samples/invitation.eml"),
    include_bytes!("samples/newsletter.eml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_need_no_dot_stuffing() {
        for sample in SAMPLES {
            assert!(sample.ends_with(b"\r\n"));
            assert!(!sample.starts_with(b".") && memchr::memmem::find(sample, b"\n.").is_none());
            assert_eq!(
                memchr::memchr_iter(b'\n', sample).count(),
                memchr::memmem::find_iter(sample, b"\r\n").count()
            );
        }
    }
}

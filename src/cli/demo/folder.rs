//! What a demo's folder holds: whether it is one, and the file with what the demo told when it was made.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DemoArgs, HOSTNAME};
use crate::admin::api::Secret;
use crate::admin::client::Client;
use crate::cli::terminal::Failed;
use crate::config::{Config, FILE_NAME};
use crate::private_file;

/// Everything that opens the demo's vault, as it was when the demo was made.
#[derive(Deserialize, Serialize)]
pub(super) struct Secrets {
    pub(super) password: Secret,
    pub(super) recovery_code: Secret,
    pub(super) totp_seed: Secret,
    pub(super) totp_uri: Secret,
    pub(super) views: Vec<ShownView>,
    /// Where it listened, so that mail clients find it again.
    pub(super) ports: Ports,
}

/// A view, and what a mail client needs for it.
#[derive(Deserialize, Serialize)]
pub(super) struct ShownView {
    pub(super) name: String,
    pub(super) policy: String,
    pub(super) login: String,
    pub(super) app_password: Secret,
}

/// One port for each listener.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
pub(super) struct Ports {
    pub(super) smtp: u16,
    pub(super) lmtp: u16,
    pub(super) imap: u16,
    pub(super) imaps: u16,
    pub(super) pop3: u16,
    pub(super) pop3s: u16,
    pub(super) dashboard: u16,
    pub(super) metrics: u16,
}

impl Secrets {
    /// Keeps them in the demo's folder, mode 0600.
    pub(super) fn keep(&self, folder: &Path) -> Result<(), Failed> {
        let text = zeroize::Zeroizing::new(serde_json::to_vec_pretty(self).map_err(Failed::new)?);
        Ok(private_file::replace(&file(folder), &text)?)
    }

    /// Those that are kept there; none where somebody has taken the file away.
    pub(super) fn kept(folder: &Path) -> Result<Option<Self>, Failed> {
        let path = file(folder);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => zeroize::Zeroizing::new(read?),
        };
        serde_json::from_slice(&text).map(Some).map_err(|_| {
            Failed::new(format!("{} is not what the demo wrote", path.display()))
                .hint("take it away; the demo starts without it, and tells no password then")
        })
    }
}

/// The file of the secrets.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("demo-secrets.json")
}

/// The configuration of the demo that `folder` holds, none for a new or an empty folder. Anything else is
/// somebody's, and refused.
pub(super) fn look(folder: &Path) -> Result<Option<Config>, Failed> {
    let empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(Failed::new(format!("{}: {error}", folder.display())).hint(OTHER)),
    };
    if empty {
        return Ok(None);
    }
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        let what = format!("{} holds something, and no demo: nothing in it was touched", folder.display());
        return Err(Failed::new(what).hint(OTHER));
    }
    let config = Config::load(&path).map_err(|error| Failed::new(error).hint(OTHER))?;
    if config.hostname != HOSTNAME {
        let what = format!("{} holds the server {}, and no demo", folder.display(), config.hostname);
        let hint = format!("`veilpost serve --config {}` starts that; for a demo, {OTHER}", path.display());
        return Err(Failed::new(what).hint(hint));
    }
    if Client::connect(&config.admin_socket).is_ok() {
        let hint = format!(
            "its login is in {}; `veilpost status --socket {}` shows where it listens",
            file(folder).display(),
            config.admin_socket.display()
        );
        return Err(Failed::new(format!("the demo in {} runs already", folder.display())).hint(hint));
    }
    Ok(Some(config))
}

/// Gives a demo that is started again the ports that it is told, else those that it had while they are free.
pub(super) fn settle_ports(config: &mut Config, args: &DemoArgs, had: Ports) {
    let listeners = [
        (&mut config.smtp.listen, args.smtp_port, had.smtp),
        (&mut config.imap.listen, args.imap_port, had.imap),
        (&mut config.imaps.listen, args.imaps_port, had.imaps),
        (&mut config.pop3.listen, args.pop3_port, had.pop3),
        (&mut config.pop3s.listen, args.pop3s_port, had.pop3s),
        (&mut config.metrics.listen, args.metrics_port, had.metrics),
    ];
    for (listen, told, had) in listeners {
        *listen = vec![local(choose(told, had))];
    }
    config.lmtp.listen = vec![crate::config::Endpoint::Tcp(local(choose(args.lmtp_port, had.lmtp)))];
    // The links in placeholders name the port, so it is chosen before anything listens.
    let dashboard = match choose(args.dashboard_port, had.dashboard) {
        0 => free_port().unwrap_or(0),
        port => port,
    };
    config.dashboard.listen = vec![local(dashboard)];
    config.dashboard.public_url = Some(format!("https://localhost:{dashboard}"));
}

/// A port of this machine that nothing has.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

fn choose(told: u16, had: u16) -> u16 {
    match told {
        0 if TcpListener::bind(local(had)).is_ok() => had,
        told => told,
    }
}

/// An address of this machine.
pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What to do where a demo cannot be.
const OTHER: &str = "name a new or an empty folder with --dir";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    static_assertions::assert_not_impl_any!(Secrets: std::fmt::Debug, Clone, PartialEq);

    fn secrets() -> Secrets {
        let secret = |text: &str| Secret::new(text.to_owned());
        Secrets {
            password: secret("a"),
            recovery_code: secret("b"),
            totp_seed: secret("c"),
            totp_uri: secret("d"),
            views: Vec::new(),
            ports: Ports { imaps: 993, ..Ports::default() },
        }
    }

    #[test]
    fn secrets_are_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(Secrets::kept(folder.path()).expect("none yet").is_none());
        secrets().keep(folder.path()).expect("writes");
        let mode = file(folder.path()).metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let kept = Secrets::kept(folder.path()).expect("reads").expect("there");
        assert_eq!((kept.recovery_code.expose(), kept.ports.imaps), ("b", 993));
        std::fs::write(file(folder.path()), "{}").expect("ours");
        assert!(Secrets::kept(folder.path()).is_err());
    }

    #[test]
    fn only_a_demo_or_nothing_is_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let said = |folder: &Path| format!("{:?}", look(folder).expect_err("refused"));
        assert!(look(&folder.path().join("new")).expect("new").is_none());
        assert!(look(folder.path()).expect("empty").is_none());
        std::fs::write(folder.path().join("letter.txt"), "x").expect("ours");
        assert!(said(folder.path()).contains("holds something, and no demo"));
        assert!(said(&folder.path().join("letter.txt")).contains("new or an empty folder"));
        let config = folder.path().join(FILE_NAME);
        std::fs::write(&config, "hostname = 'mail.firm.example'").expect("ours");
        assert!(said(folder.path()).contains("holds the server mail.firm.example, and no demo"));
        std::fs::write(&config, "hostname = 5").expect("ours");
        assert!(said(folder.path()).contains("line 1"));
        std::fs::write(&config, format!("hostname = '{HOSTNAME}'")).expect("ours");
        assert!(look(folder.path()).expect("a demo").is_some());
    }

    #[test]
    fn ports_are_those_told_then_those_it_had() {
        let free = free_port().expect("a port");
        assert!([free, 0].contains(&choose(0, free)), "0 where somebody was quicker");
        let held = TcpListener::bind(local(0)).expect("a port");
        let held_port = held.local_addr().expect("bound").port();
        assert_eq!((choose(0, held_port), choose(2525, held_port)), (0, 2525));
    }
}

//! What to do after `init`, for the configuration that it wrote and the machine that it ran on. A command
//! stands alone on its line, behind [`INDENT`], as it can be copied.

use std::net::SocketAddr;

use super::{Prepared, ROOT_KEY};
use crate::config::{Config, Endpoint, SYSTEM_FILE, Tls};

/// How things are done on this machine.
#[derive(Clone, Debug)]
pub struct Ways {
    /// What starts the program: its name where the shell finds it, else its path.
    pub program: String,
    /// The user of an installed systemd unit that serves this configuration.
    pub service_user: Option<String>,
    /// Whether `sudo` is there; without it the steps are root's own.
    pub sudo: bool,
    /// Whether ports below 1024 can be had by whoever runs this.
    pub low_ports: bool,
}

impl Prepared {
    /// What to do next, to print.
    pub fn next_steps(&self, ways: &Ways) -> String {
        let steps = [
            self.keep_the_key(),
            self.check(ways),
            self.start(ways),
            self.first_user(ways),
            self.dashboard(),
            self.mail_in(ways),
        ];
        let numbered = steps.iter().flatten().enumerate();
        let texts = numbered.map(|(index, (what, commands))| {
            let lines: String = commands.iter().map(|line| format!("{INDENT}{line}\n")).collect();
            format!("{:>3}. {what}\n{lines}", index + 1)
        });
        format!("Wrote {}\n\nNext:\n{}", self.file.display(), texts.collect::<String>())
    }

    fn keep_the_key(&self) -> Option<Step> {
        let key = self.config.key_dir.join(ROOT_KEY);
        let what = format!(
            "Copy {} to a safe place apart from the data: without it the server does not start on this data again.",
            key.display()
        );
        Some((what, Vec::new()))
    }

    fn check(&self, ways: &Ways) -> Option<Step> {
        let what = "See whether folders, ports, certificate and clock are in order.".to_owned();
        Some((what, vec![self.command(ways, "doctor")]))
    }

    fn start(&self, ways: &Ways) -> Option<Step> {
        let low = low_ports(&self.config);
        Some(match ways.service_user {
            Some(_) => {
                let root = if ways.sudo { "sudo " } else { "" };
                ("Start the server, now and at every boot.".to_owned(), vec![format!("{root}systemctl enable --now veilpost")])
            }
            None if low.is_empty() || ways.low_ports => (
                "Start the server, in a terminal of its own; Ctrl-C stops it. For a service, docs/operations.md has the systemd unit.".to_owned(),
                vec![self.command(ways, "serve")],
            ),
            None => (
                format!(
                    "Start the server. Ports below 1024 ({}) are root's: the systemd unit of docs/operations.md has the right to them; by hand, choose other ports in {} first.",
                    low.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                    self.file.display()
                ),
                vec![self.command(ways, "serve")],
            ),
        })
    }

    fn first_user(&self, ways: &Ways) -> Option<Step> {
        let (mut command, mut then) = (format!("tenant create firm --address ann@{}", self.domain()), "");
        if self.config.dashboard.listen.is_empty() {
            then = " It shows an authenticator's QR code and a recovery code, once.";
        } else {
            command.push_str(" --enrol-at-sign-in");
        }
        let what = format!(
            "Once it runs: the first tenant and its first user, with a domain and a name of yours. It asks for a password for them.{then}"
        );
        Some((what, vec![self.command(ways, &command)]))
    }

    fn dashboard(&self) -> Option<Step> {
        let at = self.config.dashboard.listen.first()?;
        let url = self.config.dashboard.public_url.clone().unwrap_or_else(|| match at.port() {
            443 => format!("https://{}", self.config.hostname),
            port => format!("https://{}:{port}", self.config.hostname),
        });
        let warns = match &self.config.tls {
            Tls::Files { certificate, .. } if certificate.starts_with(&self.config.key_dir) => {
                format!(
                    " Browsers and mail clients warn of the certificate, which was made here, until they trust {}.",
                    certificate.display()
                )
            }
            Tls::Acme(_) => " Port 80 of that name must reach this machine, for the certificate.".to_owned(),
            Tls::Files { .. } => String::new(),
        };
        let what = format!(
            "Let them sign in to the dashboard. It shows an authenticator's QR code and a recovery code, once, and connects mail clients.{warns}"
        );
        Some((what, vec![url]))
    }

    fn mail_in(&self, ways: &Ways) -> Option<Step> {
        if let Some(endpoint) = self.config.lmtp.listen.first() {
            let what = format!(
                "Point your mail server's LMTP at {endpoint}; docs/operations.md has Postfix and Exim."
            );
            return Some((what, Vec::new()));
        }
        let smtp = self.config.smtp.listen.first()?;
        if smtp.ip().is_loopback() {
            let to = format!("ann@{}", self.domain());
            let send = format!(
                "printf 'Subject: Hello\\r\\n\\r\\nHi.\\r\\n' | curl smtp://{smtp} --mail-from you@example.org --mail-rcpt {to} -T -"
            );
            return Some(("Send them mail.".to_owned(), vec![send]));
        }
        let what = "Publish the domain's DNS records; the MX record brings its mail here.".to_owned();
        Some((what, vec![self.command(ways, &format!("dns {}", self.domain()))]))
    }

    /// A command, as the one who may read the configuration and ask the server gives it.
    fn command(&self, ways: &Ways, words: &str) -> String {
        let file = self.file.display().to_string();
        let command = match file == SYSTEM_FILE {
            true => format!("{} {words}", quoted(&ways.program)),
            false => format!("{} {words} --config {}", quoted(&ways.program), quoted(&file)),
        };
        match &ways.service_user {
            Some(user) if ways.sudo => format!("sudo -u {user} {command}"),
            _ => command,
        }
    }

    /// The domain that the hostname is in, as an example of one that mail comes for.
    fn domain(&self) -> &str {
        let above = self.config.hostname.split_once('.').map(|(_, above)| above);
        above.filter(|above| above.contains('.')).unwrap_or(&self.config.hostname)
    }
}

fn low_ports(config: &Config) -> Vec<u16> {
    let listeners = [
        &config.smtp.listen,
        &config.imap.listen,
        &config.imaps.listen,
        &config.pop3.listen,
        &config.pop3s.listen,
        &config.dashboard.listen,
    ];
    let lmtp = config.lmtp.listen.iter().filter_map(|at| match at {
        Endpoint::Tcp(address) => Some(address.port()),
        Endpoint::Unix(_) => None,
    });
    let mut ports: Vec<u16> = listeners.into_iter().flatten().map(SocketAddr::port).chain(lmtp).collect();
    ports.retain(|port| (1..1024).contains(port));
    ports
}

/// For a POSIX shell: as it is, or in single quotes where a character might mean something.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@,=".contains(letter);
    match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// What to do, and the lines to copy.
type Step = (String, Vec<String>);

/// What stands before a command, and before nothing else.
pub const INDENT: &str = "       ";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn prepared(file: &str, settings: &str) -> Prepared {
        let path = Path::new(file);
        let text = format!("hostname = 'mail.firm.example'\n{settings}");
        Prepared { file: path.to_owned(), config: Config::parse(&text, path).expect("valid") }
    }

    fn by_hand() -> Ways {
        Ways { program: "veilpost".to_owned(), service_user: None, sudo: true, low_ports: true }
    }

    fn commands(steps: &str) -> Vec<&str> {
        steps.lines().filter_map(|line| line.strip_prefix(INDENT)).collect()
    }

    #[test]
    fn a_service_is_started_by_systemd_and_asked_as_its_user() {
        let ways = Ways { service_user: Some("veilpost".to_owned()), ..by_hand() };
        let steps = prepared(SYSTEM_FILE, "key_dir = '/var/lib/veilpost/keys'").next_steps(&ways);
        let wanted = [
            "sudo -u veilpost veilpost doctor",
            "sudo systemctl enable --now veilpost",
            "sudo -u veilpost veilpost tenant create firm --address ann@firm.example --enrol-at-sign-in",
            "https://mail.firm.example",
            "sudo -u veilpost veilpost dns firm.example",
        ];
        assert_eq!(commands(&steps), wanted, "{steps}");
        assert!(steps.contains("1. Copy /var/lib/veilpost/keys/root.key to a safe place"), "{steps}");
        assert!(steps.contains("until they trust /var/lib/veilpost/keys/tls-certificate.pem"), "{steps}");
        let root = prepared(SYSTEM_FILE, "").next_steps(&Ways { sudo: false, ..ways });
        assert_eq!(commands(&root)[..2], ["veilpost doctor", "systemctl enable --now veilpost"]);
    }

    #[test]
    fn by_hand_every_command_names_the_configuration() {
        let ways = Ways { program: "/opt/my mail/veilpost".to_owned(), ..by_hand() };
        let steps = prepared("/home/ann's/veilpost.toml", "").next_steps(&ways);
        for command in commands(&steps).into_iter().filter(|line| !line.starts_with("https:")) {
            assert!(command.starts_with("'/opt/my mail/veilpost' "), "{command}");
            assert!(command.ends_with(" --config '/home/ann'\\''s/veilpost.toml'"), "{command}");
        }
        assert!(commands(&steps)[1].contains(" serve "), "{steps}");
    }

    #[test]
    fn steps_are_those_of_the_configuration() {
        let behind = "smtp.listen = []\nlmtp.listen = ['127.0.0.1:24']\ndashboard.listen = []";
        let steps = prepared("/v/veilpost.toml", behind).next_steps(&by_hand());
        assert!(steps.contains("LMTP at 127.0.0.1:24") && !steps.contains(" dns "), "{steps}");
        assert!(!steps.contains("enrol-at-sign-in") && !steps.contains("https://"), "{steps}");
        let acme = "[dashboard]\nlisten = ['0.0.0.0:8443']\n[tls.acme]\nterms_agreed = true";
        let steps = prepared("/v/veilpost.toml", acme).next_steps(&by_hand());
        assert!(steps.contains("Port 80 of that name"), "{steps}");
        assert!(commands(&steps).contains(&"https://mail.firm.example:8443"), "{steps}");
        let nobody = Ways { low_ports: false, ..by_hand() };
        let steps = prepared("/v/veilpost.toml", acme).next_steps(&nobody);
        assert!(steps.contains("Ports below 1024 (25, 143, 993, 110, 995) are root's"), "{steps}");
        let local = "smtp.listen = ['127.0.0.1:2525']\ndashboard.public_url = 'https://localhost:8443'";
        let steps = prepared("/v/veilpost.toml", local).next_steps(&by_hand());
        assert!(
            steps.contains("curl smtp://127.0.0.1:2525 ") && steps.contains("https://localhost:8443\n"),
            "{steps}"
        );
    }
}

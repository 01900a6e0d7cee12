//! Settings for a try on one machine: every listener on loopback, at ports above 1024 that nothing has now,
//! so that an ordinary user can serve them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::Reception;
use crate::config::Template;

/// The server's name unless another is given. Names below `localhost` are this machine's and nobody else's
/// (RFC 6761 §6.3).
pub(super) const HOSTNAME: &str = "mail.try.localhost";

/// Sets the listeners, the usual ports and `base` added; false if the template lacks a key.
pub(super) fn set_listeners(template: &mut Template, reception: Reception, base: u16) -> bool {
    let at = |port: u16| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, base + port)).to_string()];
    let incoming = match reception {
        Reception::Direct => template.set("smtp", "listen", at(SMTP)),
        Reception::BehindMailServer => {
            template.set("smtp", "listen", Vec::<String>::new()) && template.set("lmtp", "listen", at(LMTP))
        }
    };
    incoming
        && template.set("imap", "listen", at(IMAP))
        && template.set("imaps", "listen", at(IMAPS))
        && template.set("pop3", "listen", at(POP3))
        && template.set("pop3s", "listen", at(POP3S))
        && template.set("dashboard", "listen", at(HTTPS))
        && template.set("dashboard", "public_url", format!("https://localhost:{}", base + HTTPS))
}

/// A number to which the usual ports can be added, as in 21993 for IMAPS. By chance, so that two that are set
/// up and not started yet have different ones; below the range from which systems take ports for themselves.
pub(super) fn free_base() -> Option<u16> {
    (0..TRIES)
        .map(|_| FIRST + chance() % BLOCKS * STEP)
        .find(|base| PORTS.iter().all(|port| is_free(base + port)))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn chance() -> u16 {
    let mut octets = [0; 2];
    // Without randomness all tries are the same one, which may do.
    let _ = getrandom::fill(&mut octets);
    u16::from_ne_bytes(octets)
}

const SMTP: u16 = 25;
const LMTP: u16 = 24;
const IMAP: u16 = 143;
const IMAPS: u16 = 993;
const POP3: u16 = 110;
const POP3S: u16 = 995;
const HTTPS: u16 = 443;
const PORTS: [u16; 7] = [SMTP, LMTP, IMAP, IMAPS, POP3, POP3S, HTTPS];
const FIRST: u16 = 10_000;
const STEP: u16 = 100;
/// 10,000 to 31,000; with the largest port that stays below 32,768, where Linux begins its own.
const BLOCKS: u16 = 211;
const TRIES: usize = 100;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn all_listeners_are_of_this_machine_and_need_no_root() {
        for reception in [Reception::Direct, Reception::BehindMailServer] {
            let mut template = Template::new();
            let base = free_base().expect("not all ports are taken");
            assert!(template.set("", "hostname", HOSTNAME) && set_listeners(&mut template, reception, base));
            let config = Config::parse(&template.into_text(), Path::new("/t/veilpost.toml")).expect("parses");
            let listeners = [
                &config.smtp.listen,
                &config.imap.listen,
                &config.imaps.listen,
                &config.pop3.listen,
                &config.pop3s.listen,
                &config.dashboard.listen,
            ];
            let all: Vec<_> = listeners.into_iter().flatten().collect();
            assert!(
                all.iter().all(|at| at.ip().is_loopback() && (1024..32_768).contains(&at.port())),
                "{all:?}"
            );
            assert_eq!(config.smtp.listen.is_empty(), reception == Reception::BehindMailServer);
            assert_eq!(config.lmtp.listen.is_empty(), reception == Reception::Direct);
            let port = config.dashboard.listen[0].port();
            assert_eq!(config.dashboard.public_url, Some(format!("https://localhost:{port}")));
        }
    }

    #[test]
    fn a_port_that_somebody_has_is_not_taken() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        assert!(!is_free(taken.local_addr().expect("bound").port()));
    }
}

//! What lets mail clients set themselves up, and the DNS records of a domain.
//!
//! Owns the documents that clients ask for before anybody has signed in: Mozilla's autoconfig
//! ([`mozilla()`]), Microsoft's autodiscover ([`autodiscover()`]), Apple's configuration profile
//! ([`mobileconfig()`]), and the records that lead to them ([`dns_records`]; RFC 6186, RFC 8314). All
//! of them are pure functions of [`Services`]. Refuses to know who has an address here: an answer is
//! the same for everybody, so nobody learns from it which addresses exist.
//!
//! Clients sign in with their address in full and an app password, always under TLS; the password
//! alone says which view they get, so nothing here depends on it.

mod autodiscover;
mod dns;
mod mobileconfig;
mod mozilla;
mod router;
mod xml;
mod zone;

pub use autodiscover::{AutodiscoverError, MAX_REQUEST, autodiscover};
pub use dns::{Kind, Record, dns_notes, dns_records};
pub use mobileconfig::{Profile, mobileconfig};
pub use mozilla::mozilla;
pub use router::router;
pub use zone::zone;

use std::net::SocketAddr;

use crate::config::Config;

/// What this server offers to mail clients, and by which names. A port is absent where its protocol
/// is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// The name that mail clients connect to.
    pub hostname: String,
    /// The dashboard's address as people see it (`https://…`); the documents are served there.
    pub dashboard: Option<String>,
    /// IMAP under TLS from the first byte.
    pub imaps: Option<u16>,
    /// IMAP with STARTTLS.
    pub imap: Option<u16>,
    /// POP3 under TLS from the first byte.
    pub pop3s: Option<u16>,
    /// POP3 with STLS.
    pub pop3: Option<u16>,
    /// Submission under TLS from the first byte.
    pub submissions: Option<u16>,
    /// Submission with STARTTLS.
    pub submission: Option<u16>,
    /// Whether other servers deliver here: a domain's MX record may name this server.
    pub smtp: bool,
}

impl Services {
    /// What the configuration's listeners offer: of each protocol the first one's port.
    pub fn of(config: &Config) -> Self {
        let port = |listen: &[SocketAddr]| listen.first().map(SocketAddr::port);
        Self {
            hostname: config.hostname.clone(),
            dashboard: dashboard(config),
            imaps: port(&config.imaps.listen),
            imap: port(&config.imap.listen),
            pop3s: port(&config.pop3s.listen),
            pop3: port(&config.pop3.listen),
            submissions: None,
            submission: None,
            smtp: !config.smtp.listen.is_empty(),
        }
    }

    /// Every way in for a client, offered or not. The best stands first: IMAP before POP3, TLS from
    /// the first byte before STARTTLS (RFC 8314 §3).
    fn accesses(&self) -> [Access; 6] {
        use Protocol::{Imap, Pop3, Submission};
        use Security::{StartTls, Tls};
        let access = |protocol, security, port| Access { protocol, security, port };
        [
            access(Imap, Tls, self.imaps),
            access(Imap, StartTls, self.imap),
            access(Pop3, Tls, self.pop3s),
            access(Pop3, StartTls, self.pop3),
            access(Submission, Tls, self.submissions),
            access(Submission, StartTls, self.submission),
        ]
    }

    /// What fetches mail, the best first.
    fn incoming(&self) -> impl Iterator<Item = Offer> {
        self.offers().filter(|offer| offer.protocol != Protocol::Submission)
    }

    /// What sends mail, the best first.
    fn outgoing(&self) -> impl Iterator<Item = Offer> {
        self.offers().filter(|offer| offer.protocol == Protocol::Submission)
    }

    fn offers(&self) -> impl Iterator<Item = Offer> {
        self.accesses().into_iter().filter_map(|Access { protocol, security, port }| {
            port.map(|port| Offer { protocol, security, port })
        })
    }
}

/// Where the documents are served: wherever the dashboard is, under its public name or the hostname.
/// A port that the system is to choose leads nobody anywhere.
fn dashboard(config: &Config) -> Option<String> {
    let port = config.dashboard.listen.first().map(SocketAddr::port).filter(|port| *port != 0);
    config.dashboard.url(&config.hostname, port)
}

/// A way in for a client.
struct Access {
    protocol: Protocol,
    security: Security,
    port: Option<u16>,
}

/// A way in that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    protocol: Protocol,
    security: Security,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Imap,
    Pop3,
    Submission,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// From the first byte.
    Tls,
    /// After a command in clear: STLS, STARTTLS.
    StartTls,
}

/// Stands for the outgoing server where clients insist on one and there is none. It never resolves
/// (RFC 6761 §6.4), so no client hands its password or mail to anybody, and the name says why.
const NO_SENDING: &str = "sending-is-not-offered.invalid";
/// The port beside [`NO_SENDING`]: a client asks for it under TLS or not at all.
const NO_SENDING_PORT: u16 = 465;

#[cfg(test)]
mod samples {
    use super::Services;

    /// POP3 alone, and reception by SMTP.
    pub(super) fn pop3() -> Services {
        Services {
            hostname: "mail.example.org".to_owned(),
            dashboard: Some("https://vault.example.org".to_owned()),
            imaps: None,
            imap: None,
            pop3s: Some(995),
            pop3: Some(110),
            submissions: None,
            submission: None,
            smtp: true,
        }
    }

    /// What a server offers that changes no listener: IMAP, then POP3.
    pub(super) fn usual() -> Services {
        Services { imaps: Some(993), imap: Some(143), ..pop3() }
    }

    /// Everything on.
    pub(super) fn all() -> Services {
        Services { submissions: Some(465), submission: Some(587), ..usual() }
    }

    /// Nothing for clients, behind another mail server.
    pub(super) fn nothing() -> Services {
        Services { pop3s: None, pop3: None, dashboard: None, smtp: false, ..pop3() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn services_are_what_the_listeners_say() {
        let text = "hostname='mail.example.org'\n[imap]\nlisten=['0.0.0.0:1430']\n[pop3]\nlisten=[]\n[pop3s]\nlisten=['[::]:9950','0.0.0.0:995']\n\
                    [dashboard]\npublic_url='https://vault.example.org/'";
        let config = Config::parse(text, Path::new("veilpost.toml")).expect("valid");
        let expected = Services { imap: Some(1430), pop3s: Some(9950), pop3: None, ..samples::usual() };
        assert_eq!(Services::of(&config), expected);
        let unchanged = Config::defaults("mail.example.org", Path::new("")).expect("valid");
        let at_hostname = Some("https://mail.example.org".to_owned());
        assert_eq!(Services { dashboard: at_hostname, ..samples::usual() }, Services::of(&unchanged));
    }

    #[test]
    fn imap_comes_before_pop3_and_tls_before_starttls() {
        let ports = |services: &Services| services.offers().map(|offer| offer.port).collect::<Vec<_>>();
        assert_eq!(ports(&samples::all()), [993, 143, 995, 110, 465, 587]);
        assert_eq!(ports(&samples::pop3()), [995, 110]);
        assert_eq!(samples::pop3().outgoing().count() + samples::nothing().incoming().count(), 0);
    }
}

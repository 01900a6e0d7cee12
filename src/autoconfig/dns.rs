//! The DNS records of a domain whose mail this server takes: delivery (MX), who may send (SPF, RFC
//! 7208; DMARC, RFC 7489), and where clients find their server (RFC 6186, RFC 8314 §5, autoconfig,
//! autodiscover). Says only what is true of this server: nothing that needs what is not there yet
//! (MTA-STS, TLSRPT, DKIM, DANE).

use std::fmt;

use serde::Serialize;
use url::{Host, Url};

use super::{Access, Protocol, Security, Services};
use crate::names::{NameError, parse_domain};

/// A record to put into a zone, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The owner's name, absolute: with its final dot.
    pub name: String,
    /// How long resolvers keep it, in seconds.
    pub ttl: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it says: host names absolute; a text as it is, without quotes (`zone` adds them).
    pub value: String,
    /// What it is for, in a sentence.
    pub purpose: String,
}

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Kind {
    /// RFC 1035 §3.3.9.
    Mx,
    /// RFC 1035 §3.3.14.
    Txt,
    /// RFC 2782.
    Srv,
    /// RFC 1035 §3.3.1.
    Cname,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Srv => "SRV",
            Self::Cname => "CNAME",
        })
    }
}

/// The records of `domain`, which may be written in its own script.
///
/// # Errors
/// [`NameError::Domain`] for what is no full domain name, or one too long to have these names below it.
pub fn dns_records(services: &Services, domain: &str) -> Result<Vec<Record>, NameError> {
    let domain = full_domain(domain)?;
    let mut records = Vec::new();
    if services.smtp {
        records.extend(mail_records(services, &domain));
    }
    records.extend(client_records(services, &domain));
    records.extend(discovery_records(services, &domain));
    Ok(records)
}

/// What the records do not say: what else is needed, a sentence each.
///
/// # Errors
/// Those of [`dns_records`].
pub fn dns_notes(services: &Services, domain: &str) -> Result<Vec<String>, NameError> {
    let domain = full_domain(domain)?;
    let host = &services.hostname;
    let mut notes = vec![format!(
        "{host} itself needs an A record, an AAAA record if it has IPv6, and PTR records that point back to it."
    )];
    if !services.smtp {
        notes.push(
            "[smtp] is off: MX, SPF and DMARC are those of the mail server in front of this one.".to_owned(),
        );
    }
    notes.push(match site(services) {
        Some(site) if site.port == HTTPS => format!(
            "The certificate of {} must also name autoconfig.{domain} and autodiscover.{domain}, or clients do \
             not believe them: add both to [tls.acme] domains.",
            site.host
        ),
        Some(site) => format!(
            "The dashboard is on port {}, and clients look for autoconfig.{domain} and autodiscover.{domain} on \
             port {HTTPS} alone; only the SRV record can name another.",
            site.port
        ),
        None => "[dashboard] is off, or known by a bare address alone, so clients cannot fetch their settings: no \
                 autoconfig, no autodiscover. Give it listen, or a public_url with a host name."
            .to_owned(),
    });
    Ok(notes)
}

/// MX, and who may send in the domain's name.
fn mail_records(services: &Services, domain: &str) -> [Record; 3] {
    let sends = services.outgoing().next().is_some();
    let (spf, why_spf, dmarc, why_dmarc) = if sends {
        (
            "v=spf1 mx -all",
            "Only the domain's own server sends for it. A domain has one SPF record: join it with yours.",
            "v=DMARC1; p=none",
            "Receivers say what they think of your mail; tighten p= when all of it passes.",
        )
    } else {
        (
            "v=spf1 -all",
            "Veilpost does not send yet, so nobody may. If another server sends for the domain, name it before -all.",
            "v=DMARC1; p=reject",
            "Receivers refuse mail in the domain's name. If another server sends for it, begin with p=none.",
        )
    };
    let mx = format!("10 {}.", services.hostname);
    [
        record(domain, Kind::Mx, mx, "Other servers deliver the domain's mail here."),
        record(domain, Kind::Txt, spf.to_owned(), why_spf),
        record(&format!("_dmarc.{domain}"), Kind::Txt, dmarc.to_owned(), why_dmarc),
    ]
}

/// RFC 6186 §3 and RFC 8314 §5.1: a record for every protocol; "." says that it is not offered.
/// Among those that fetch mail the priority states the preference (RFC 6186 §3.4).
fn client_records(services: &Services, domain: &str) -> Vec<Record> {
    let (mut fetching, mut sending) = (0, 0);
    let mut one = |access: Access| {
        let (service, words) = service(access.protocol, access.security);
        let name = format!("{service}._tcp.{domain}");
        let Some(port) = access.port else {
            return record(&name, Kind::Srv, "0 0 0 .".to_owned(), &format!("{words} is not offered."));
        };
        let rank = if access.protocol == Protocol::Submission { &mut sending } else { &mut fetching };
        let value = format!("{rank} 1 {port} {}.", services.hostname);
        *rank += 10;
        record(&name, Kind::Srv, value, &format!("Clients find {words}."))
    };
    services.accesses().into_iter().map(&mut one).collect()
}

fn service(protocol: Protocol, security: Security) -> (&'static str, &'static str) {
    match (protocol, security) {
        (Protocol::Imap, Security::Tls) => ("_imaps", "IMAP under TLS"),
        (Protocol::Imap, Security::StartTls) => ("_imap", "IMAP with STARTTLS"),
        (Protocol::Pop3, Security::Tls) => ("_pop3s", "POP3 under TLS"),
        (Protocol::Pop3, Security::StartTls) => ("_pop3", "POP3 with STLS"),
        (Protocol::Submission, Security::Tls) => ("_submissions", "SMTP submission under TLS"),
        (Protocol::Submission, Security::StartTls) => ("_submission", "SMTP submission with STARTTLS"),
    }
}

/// Where clients fetch the documents of this module. A name that is the dashboard's own already
/// stays without a record.
fn discovery_records(services: &Services, domain: &str) -> Vec<Record> {
    let Some(site) = site(services) else { return Vec::new() };
    let names = [
        (format!("autoconfig.{domain}"), "Thunderbird and its like fetch their settings there."),
        (format!("autodiscover.{domain}"), "Outlook fetches its settings there."),
    ];
    let aliases = names.into_iter().filter(|(name, _)| *name != site.host && site.port == HTTPS);
    let target = format!("{}.", site.host);
    let mut records: Vec<_> =
        aliases.map(|(name, why)| record(&name, Kind::Cname, target.clone(), why)).collect();
    records.push(record(
        &format!("_autodiscover._tcp.{domain}"),
        Kind::Srv,
        format!("0 0 {} {target}", site.port),
        "Outlook finds its settings without a certificate for autodiscover; it asks the person once.",
    ));
    records
}

/// Where the dashboard is.
struct Site {
    host: String,
    port: u16,
}

/// The dashboard's host and port, unless it is known by a bare address alone.
fn site(services: &Services) -> Option<Site> {
    let url = Url::parse(services.dashboard.as_deref()?).ok()?;
    let port = url.port_or_known_default()?;
    match url.host()? {
        Host::Domain(host) => Some(Site { host: parse_domain(host).ok()?, port }),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// The domain in lower-case ASCII, if the longest name fits below it.
fn full_domain(text: &str) -> Result<String, NameError> {
    let domain = parse_domain(text.strip_suffix('.').unwrap_or(text))?;
    let top = domain.rsplit_once('.').map_or("", |(_, top)| top);
    // RFC 3696 §2: a top-level domain is not all digits, so this is no IPv4 address.
    let named = top.bytes().any(|byte| !byte.is_ascii_digit());
    let fits = LONGEST_PREFIX.len() + domain.len() <= MAX_NAME;
    (named && fits).then_some(domain).ok_or(NameError::Domain)
}

fn record(name: &str, kind: Kind, value: String, purpose: &str) -> Record {
    Record { name: format!("{name}."), ttl: TTL, kind, value, purpose: purpose.to_owned() }
}

/// An hour: short enough to mend a mistake.
const TTL: u32 = 3600;
const HTTPS: u16 = 443;
const LONGEST_PREFIX: &str = "_autodiscover._tcp.";
/// RFC 1035 §2.3.4 allows 255 octets with the length of each label and of the root: 253 letters.
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::*;

    fn lines(services: &Services, domain: &str) -> Vec<String> {
        let records = dns_records(services, domain).expect("a domain");
        records.iter().map(|record| format!("{} {} {}", record.name, record.kind, record.value)).collect()
    }

    #[test]
    fn a_server_that_takes_mail_and_sends_none() {
        let expected = [
            "example.org. MX 10 mail.example.org.",
            "example.org. TXT v=spf1 -all",
            "_dmarc.example.org. TXT v=DMARC1; p=reject",
            "_imaps._tcp.example.org. SRV 0 0 0 .",
            "_imap._tcp.example.org. SRV 0 0 0 .",
            "_pop3s._tcp.example.org. SRV 0 1 995 mail.example.org.",
            "_pop3._tcp.example.org. SRV 10 1 110 mail.example.org.",
            "_submissions._tcp.example.org. SRV 0 0 0 .",
            "_submission._tcp.example.org. SRV 0 0 0 .",
            "autoconfig.example.org. CNAME vault.example.org.",
            "autodiscover.example.org. CNAME vault.example.org.",
            "_autodiscover._tcp.example.org. SRV 0 0 443 vault.example.org.",
        ];
        assert_eq!(lines(&samples::pop3(), "Example.org."), expected);
    }

    #[test]
    fn clients_try_imap_and_then_pop3() {
        let ways: Vec<_> = lines(&samples::usual(), "example.org")
            .into_iter()
            .filter(|line| line.contains("mail.example.org.") && line.contains("_tcp"))
            .collect();
        let expected = [
            "_imaps._tcp.example.org. SRV 0 1 993 mail.example.org.",
            "_imap._tcp.example.org. SRV 10 1 143 mail.example.org.",
            "_pop3s._tcp.example.org. SRV 20 1 995 mail.example.org.",
            "_pop3._tcp.example.org. SRV 30 1 110 mail.example.org.",
        ];
        assert_eq!(ways, expected);
    }

    #[test]
    fn imap_is_preferred_and_sending_is_allowed_where_they_are() {
        let lines = lines(&samples::all(), "example.org");
        for line in [
            "example.org. TXT v=spf1 mx -all",
            "_dmarc.example.org. TXT v=DMARC1; p=none",
            "_imaps._tcp.example.org. SRV 0 1 993 mail.example.org.",
            "_imap._tcp.example.org. SRV 10 1 143 mail.example.org.",
            "_pop3s._tcp.example.org. SRV 20 1 995 mail.example.org.",
            "_submissions._tcp.example.org. SRV 0 1 465 mail.example.org.",
            "_submission._tcp.example.org. SRV 10 1 587 mail.example.org.",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} is not in {lines:#?}");
        }
    }

    #[test]
    fn behind_another_server_mail_records_are_its_own() {
        let lines = lines(&samples::nothing(), "example.org");
        assert!(lines.len() == 6 && lines.iter().all(|line| line.ends_with("SRV 0 0 0 .")), "{lines:#?}");
        let notes = dns_notes(&samples::nothing(), "example.org").expect("a domain").join("\n");
        assert!(notes.contains("[smtp] is off") && notes.contains("[dashboard] is off"), "{notes}");
    }

    /// Without `public_url` the dashboard serves the documents at the hostname all the same.
    #[test]
    fn autoconfig_is_named_as_it_is_served() {
        let of = |text: &str| {
            let text = format!("hostname = 'mail.example.org'\n[dashboard]\n{text}");
            let file = std::path::Path::new("/etc/veilpost/veilpost.toml");
            Services::of(&crate::config::Config::parse(&text, file).expect("valid"))
        };
        let at_hostname = lines(&of(""), "example.org");
        assert!(at_hostname.contains(&"autoconfig.example.org. CNAME mail.example.org.".to_owned()));
        assert!(
            at_hostname.contains(&"_autodiscover._tcp.example.org. SRV 0 0 443 mail.example.org.".to_owned())
        );
        let other_port = lines(&of("listen = ['0.0.0.0:8443']"), "example.org");
        assert!(
            other_port.contains(&"_autodiscover._tcp.example.org. SRV 0 0 8443 mail.example.org.".to_owned())
        );
        assert!(!other_port.join("\n").contains("CNAME"), "clients look at port 443 alone");
        let off = lines(&of("listen = []"), "example.org");
        assert!(!off.join("\n").contains("auto"), "nobody serves them");
    }

    #[test]
    fn aliases_lead_only_where_clients_look() {
        let at = |url: &str| Services { dashboard: Some(url.to_owned()), ..samples::pop3() };
        let aliases = |services: &Services| {
            lines(services, "example.org").into_iter().filter(|line| line.contains("CNAME")).count()
        };
        assert_eq!(aliases(&at("https://autoconfig.example.org")), 1);
        assert_eq!(aliases(&at("https://vault.example.org:8443/mail")), 0);
        let other_port = lines(&at("https://vault.example.org:8443"), "example.org");
        assert_eq!(
            other_port.last().unwrap(),
            "_autodiscover._tcp.example.org. SRV 0 0 8443 vault.example.org."
        );
        for bare in ["https://192.0.2.1", "https://[2001:db8::1]:443", "nonsense"] {
            assert!(!lines(&at(bare), "example.org").join("\n").contains("auto"), "{bare}");
        }
        let notes = dns_notes(&samples::pop3(), "example.org").expect("a domain").join("\n");
        assert!(notes.contains("autoconfig.example.org") && notes.contains("[tls.acme]"), "{notes}");
    }

    #[test]
    fn domains_are_written_in_any_script_and_nonsense_is_refused() {
        assert!(lines(&samples::pop3(), "bücher.example")[0].starts_with("xn--bcher-kva.example. MX"));
        let long =
            format!("{}.example", ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(50)].join("."));
        for bad in
            ["", ".", "localhost", "a b.example", "192.0.2.1", "_x.example", "ann@example.org", "a..b", &long]
        {
            assert_eq!(dns_records(&samples::pop3(), bad), Err(NameError::Domain), "{bad}");
        }
    }

    #[test]
    fn json_has_plain_words() {
        let record = &dns_records(&samples::pop3(), "example.org").expect("a domain")[0];
        let json = serde_json::to_value(record).expect("plain values");
        assert_eq!(json["type"], "MX");
        assert_eq!(json["ttl"], 3600);
    }

    proptest! {
        #[test]
        fn any_text_is_a_domain_or_not(text in "\\PC{0,30}(\\.[a-zé]{1,9})?") {
            if let Ok(records) = dns_records(&samples::all(), &text) {
                for record in records {
                    let name = record.name.strip_suffix('.').expect("absolute");
                    prop_assert!(name.is_ascii() && name.len() <= MAX_NAME);
                    prop_assert!(name.split('.').all(|label| (1..=63).contains(&label.len())));
                }
            }
        }
    }
}

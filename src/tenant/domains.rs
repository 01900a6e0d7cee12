//! How domains stand to each other: on, below and above; which look alike (UTS 39 §4); and which names are
//! the server's own. Values only: who may have what is decided elsewhere.
//!
//! Domains are in lower-case A-labels (RFC 5891), as [`crate::names::parse_domain`] gives them.

use std::collections::BTreeSet;

/// What stands behind the last `@` of an address, or behind that of a catch-all.
pub fn of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// Whether one domain is the other, or lies below or above it.
pub fn related(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

/// Whether `domain` is `parent`, or lies below it.
fn is_within(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a person may take one domain for the other, or for one below or above it.
pub fn look_alike(one: &str, other: &str) -> bool {
    related(&skeleton(one), &skeleton(other))
}

/// What is left of a domain's looks: its labels in Unicode (RFC 5891 §4.4), each confusable letter by the
/// one that stands for all it looks like (UTS 39 §4). Twice, since what is confusable may be upper case.
fn skeleton(domain: &str) -> String {
    let (shown, _) = idna::domain_to_unicode(domain);
    let once = |text: &str| unicode_security::skeleton(text).collect::<String>().to_lowercase();
    once(&once(&shown))
}

/// Names of the server itself: its host name, where its dashboard is, and what mail clients look for.
pub struct Reserved(BTreeSet<String>);

impl Reserved {
    /// Of a server with this host name and address of its dashboard.
    pub fn new(hostname: &str, public_url: Option<&str>) -> Self {
        let host = public_url.and_then(host_of);
        let names = host.into_iter().chain([hostname]).filter_map(|name| idna::domain_to_ascii(name).ok());
        Self(names.collect())
    }

    /// The host names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a domain is one of the names, lies below one, or is what mail clients look for at one or at
    /// a domain whose mail is `hosted` here: `mail.firm.example`, `autoconfig.firm.example`.
    pub fn has<'a>(&self, domain: &str, hosted: impl IntoIterator<Item = &'a str>) -> bool {
        if self.names().any(|name| is_within(domain, name)) {
            return true;
        }
        let Some((label, parent)) = domain.split_once('.') else { return false };
        SERVICES.contains(&label) && hosted.into_iter().any(|known| known == parent)
    }
}

/// The host of an address like `https://vault.example:8443/x`; none for addresses of the network.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next()?;
    (!host.is_empty() && !host.starts_with('[')).then_some(host)
}

/// Names below a mail domain that programs look for: where its server is, and how to set a client up
/// (autoconfig, Autodiscover, RFC 8461 §3.3).
const SERVICES: &[&str] = &["mail", "autoconfig", "autodiscover", "mta-sts"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::parse_domain;

    #[test]
    fn domains_are_related_by_whole_labels() {
        assert!(related("firm.example", "firm.example"));
        assert!(related("mail.firm.example", "firm.example"));
        assert!(related("firm.example", "a.b.firm.example"));
        assert!(!related("myfirm.example", "firm.example"));
        assert!(!related("firm.example", "farm.example"));
    }

    #[test]
    fn what_looks_alike_is_told_from_what_does_not() {
        let ascii = |text| parse_domain(text).expect("a domain");
        // Cyrillic а, і; Greek ο; a digit; two letters for one.
        for alike in ["dеmo.example", "demо.example", "mail.demо.example", "dеmο.example"] {
            assert!(look_alike(&ascii(alike), "demo.example"), "{alike}");
        }
        assert!(look_alike("fi1m.example", "film.example"));
        assert!(look_alike("modern.example", "modem.example"));
        assert!(!look_alike("demos.example", "demo.example"));
        assert!(!look_alike(&ascii("bücher.example"), "bucher.example"), "an umlaut is seen");
    }

    #[test]
    fn the_servers_names_are_reserved() {
        let reserved = Reserved::new("Mail.Demo.example", Some("https://vault.other.example:8443/x"));
        let hosted = ["firm.example", "demo.example"];
        for name in [
            "mail.demo.example",
            "a.mail.demo.example",
            "vault.other.example",
            "autoconfig.firm.example",
            "mail.firm.example",
        ] {
            assert!(reserved.has(name, hosted), "{name}");
        }
        for name in ["demo.example", "firm.example", "mail.elsewhere.example", "other.example"] {
            assert!(!reserved.has(name, hosted), "{name}");
        }
        assert_eq!(host_of("https://[::1]:8443"), None);
    }
}

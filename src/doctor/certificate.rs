//! The TLS certificate: parses, belongs to its key, is valid, names the host.

use std::io::ErrorKind;

use super::{Case, Finding};
use crate::clock::Timestamp;
use crate::config::Tls;
use crate::net::tls::{Certificate, Files, TlsError};

/// Looks at the certificate that the server would serve.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    match &case.config.tls {
        Tls::Acme(acme) => acme_kept(case, acme),
        Tls::Files { certificate, key } => match Files::load(certificate, key) {
            Ok((_, loaded)) => judge(&loaded, case, 14, "renew it; the server notices new files by itself"),
            Err(error) => vec![unusable(case, &error)],
        },
    }
}

fn unusable(case: &Case<'_>, error: &TlsError) -> Finding {
    match error {
        TlsError::Unreadable { source, .. } if source.kind() == ErrorKind::PermissionDenied => Finding::warn(
            CHECK,
            format!("{error}: it cannot be looked at as this user"),
            format!(
                "run this as root, or as the server's user: sudo -u {} veilpost doctor",
                case.account.name
            ),
        ),
        _ => Finding::fail(CHECK, error.to_string(), "put chain and key (PEM) where [tls] says"),
    }
}

fn acme_kept(case: &Case<'_>, acme: &crate::config::Acme) -> Vec<Finding> {
    match crate::net::acme::kept(acme) {
        Some(kept) => judge(&kept, case, 25, "look for \"acme\" in the trace: renewals fail"),
        None => {
            let what = "no certificate by ACME yet, a self-signed one is served";
            vec![Finding::warn(
                CHECK,
                what,
                "let port 80 of every domain reach this server, and watch its trace",
            )]
        }
    }
}

fn judge(certificate: &Certificate, case: &Case<'_>, warn_days: i64, renew: &str) -> Vec<Finding> {
    let host = &case.config.hostname;
    let named = match certificate.covers(host) {
        true => Finding::ok(CHECK, format!("the certificate names {host}")),
        false => {
            let what = format!("the certificate is for {}, not for {host}", certificate.names().join(", "));
            Finding::fail(
                CHECK,
                what,
                "get one for the hostname, or correct hostname: mail clients will refuse it",
            )
        }
    };
    vec![named, validity(certificate.not_before(), certificate.not_after(), case.now, warn_days, renew)]
}

fn validity(from: Timestamp, until: Timestamp, now: Timestamp, warn_days: i64, renew: &str) -> Finding {
    let days = (until.unix() - now.unix()).div_euclid(86_400);
    match () {
        () if now < from => {
            Finding::fail(CHECK, "the certificate is not valid yet", "check this machine's clock")
        }
        () if now >= until => Finding::fail(CHECK, "the certificate has expired", renew),
        () if days < warn_days => {
            Finding::warn(CHECK, format!("the certificate expires in {days} days"), renew)
        }
        () => Finding::ok(CHECK, format!("the certificate is valid for {days} days")),
    }
}

const CHECK: &str = "certificate";

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    fn states(fresh: &Fresh) -> Vec<State> {
        fresh.look(check).iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_certificate_goes_from_good_to_expired() {
        let mut fresh = Fresh::new();
        assert_eq!(states(&fresh), [State::Ok, State::Ok]);
        let start = fresh.now.unix();
        for (days, state) in [(815, State::Warn), (900, State::Fail), (-30, State::Fail)] {
            fresh.now = Timestamp::from_unix(start + days * 86_400);
            assert_eq!(states(&fresh), [State::Ok, state], "{days}");
        }
    }

    #[test]
    fn another_name_or_a_broken_file_fails() {
        let mut fresh = Fresh::new();
        fresh.config.hostname = "other.example.org".to_owned();
        assert_eq!(states(&fresh), [State::Fail, State::Ok]);
        std::fs::write(fresh.config.key_dir.join("tls-key.pem"), "rubbish").expect("ours");
        let findings = fresh.look(check);
        assert!(findings.len() == 1 && findings[0].what.contains("no private key"), "{findings:?}");
    }

    #[test]
    fn acme_without_a_certificate_is_worth_a_look() {
        let mut fresh = Fresh::new();
        let text = "hostname = 'mail.example.org'\n[tls.acme]\nterms_agreed = true";
        let file = fresh.folder.path().join("veilpost.toml");
        fresh.config = crate::config::Config::parse(text, &file).expect("valid");
        assert_eq!(states(&fresh), [State::Warn]);
    }
}

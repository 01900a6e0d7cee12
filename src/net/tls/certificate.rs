//! A certificate chain with its key: parsed, known to belong together, and made for first starts.
//! RFC 5280 for the form, RFC 9525 for names.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::TlsError;
use crate::clock::Timestamp;

/// A chain and its private key, known to be a pair.
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
    names: Vec<String>,
}

/// A private key as PEM text.
pub struct KeyPem(Zeroizing<String>);

impl KeyPem {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, to write it into a private file or to parse it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Certificate {
    /// Parses a PEM chain and a PEM key, which may be in one text, and checks that they belong together.
    /// Other PEM sections between them are skipped.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (chain, key) = (without_marks(chain), without_marks(key));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.map_err(|_| TlsError::NoCertificate)?;
        let facts = Facts::of(chain.first().ok_or(TlsError::NoCertificate)?)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey)?;
        let certified =
            CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::NotAPair,
                rustls::Error::InvalidCertificate(_) => TlsError::NoCertificate,
                _ => TlsError::NoKey,
            })?;
        let Facts { not_before, not_after, names } = facts;
        Ok(Self { certified: Arc::new(certified), not_before, not_after, names })
    }

    /// From when on it is valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The names it is for, in lower case, IP addresses too.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is for `host`; a wildcard stands for exactly one label (RFC 9525 §6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let one_up = host.split_once('.').map(|(_, domain)| domain);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(domain) => one_up == Some(domain),
            None => *name == host,
        })
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// A certificate for `names` and this machine's own, for first starts and demonstrations: P-256, valid
/// from a day before `now` for 825 days, the longest that Apple's clients take.
///
/// The chain's second certificate is an authority made for it alone, so that `curl --cacert` and every
/// other client can trust the file as it is. That authority's key is gone when this returns.
pub fn self_signed(names: &[&str], now: Timestamp) -> Result<(String, KeyPem), TlsError> {
    let failed = |_| TlsError::Names;
    let authority_key = KeyPair::generate().map_err(failed)?;
    let authority =
        CertifiedIssuer::self_signed(authority_params(names, now)?, authority_key).map_err(failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = server_params(names, now)?.signed_by(&key, &authority).map_err(failed)?;
    Ok((certificate.pem() + &authority.pem(), KeyPem::new(key.serialize_pem())))
}

fn authority_params(names: &[&str], now: Timestamp) -> Result<CertificateParams, TlsError> {
    let title = format!("Veilpost, made for {}", names.first().unwrap_or(&"this machine"));
    let mut params = dated_params(Vec::new(), title, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn server_params(names: &[&str], now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut all: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    for own in OWN_NAMES.map(str::to_owned) {
        if !all.contains(&own) {
            all.push(own);
        }
    }
    let title = all[0].clone();
    let mut params = dated_params(all, title, now)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn dated_params(
    names: Vec<String>,
    mut title: String,
    now: Timestamp,
) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names).map_err(|_| TlsError::Names)?;
    // RFC 5280 appendix A.1: a common name has at most 64 characters.
    title.truncate(title.floor_char_boundary(64));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, title);
    let (from, until) = (day(now.unix() - DAY)?, day(now.unix() + 824 * DAY)?);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    Ok(params)
}

/// Year, month and day, the form in which rcgen takes a time.
fn day(unix: i64) -> Result<(i32, u8, u8), TlsError> {
    let date = jiff::Timestamp::from_second(unix).map_err(|_| TlsError::Names)?;
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok((date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs()))
}

/// Some editors put a byte-order mark before a text, and joined texts have it in the middle; the PEM reader
/// takes it for a part of the line.
fn without_marks(pem: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(pem.len()));
    let mut rest = pem;
    while let Some(at) = memchr::memmem::find(rest, BYTE_ORDER_MARK) {
        clean.extend_from_slice(&rest[..at]);
        rest = &rest[at + BYTE_ORDER_MARK.len()..];
    }
    clean.extend_from_slice(rest);
    clean
}

struct Facts {
    not_before: Timestamp,
    not_after: Timestamp,
    names: Vec<String>,
}

impl Facts {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| TlsError::NoCertificate)?;
        let alternative = parsed.subject_alternative_name().map_err(|_| TlsError::NoCertificate)?;
        let names = alternative.map(|names| names.value.general_names.iter().filter_map(name_text).collect());
        Ok(Self {
            not_before: Timestamp::from_unix(parsed.validity().not_before.timestamp()),
            not_after: Timestamp::from_unix(parsed.validity().not_after.timestamp()),
            names: names.unwrap_or_default(),
        })
    }
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|four| IpAddr::from(four).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|sixteen| IpAddr::from(sixteen).to_string()),
        },
        _ => None,
    }
}

const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// In seconds.
const DAY: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(KeyPem: std::fmt::Debug, std::fmt::Display, Clone, PartialEq);
    static_assertions::assert_not_impl_any!(Certificate: std::fmt::Debug, Clone, PartialEq);

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

    #[test]
    fn a_made_certificate_has_the_names_and_the_time() {
        let (chain, key) = self_signed(&["Mail.example.org"], NOW).expect("makes one");
        let certificate = Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes()).expect("parses");
        assert_eq!(certificate.names(), ["mail.example.org", "localhost", "127.0.0.1", "::1"]);
        assert!(certificate.not_before() < NOW);
        assert_eq!(certificate.not_after().since(certificate.not_before()).as_secs() / 86_400, 825);
        assert!(certificate.covers("MAIL.example.org") && !certificate.covers("example.org"));
    }

    #[test]
    fn chain_and_key_may_be_in_one_text() {
        let (chain, key) = self_signed(&["a.example"], NOW).expect("makes one");
        let both = format!("{}{chain}", key.expose());
        assert!(Certificate::from_pem(both.as_bytes(), both.as_bytes()).is_ok());
    }

    #[test]
    fn texts_of_other_systems_are_read() {
        let (chain, key) = self_signed(&["a.example"], NOW).expect("makes one");
        let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let (chain, key) = (marked(&chain), marked(key.expose()));
        assert!(Certificate::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        let both = format!("{key}{chain}");
        assert!(Certificate::from_pem(both.as_bytes(), both.as_bytes()).is_ok(), "a mark in the middle");
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let (chain, key) = self_signed(&["a.example"], NOW).expect("makes one");
        let (other, _) = self_signed(&["a.example"], NOW).expect("makes one");
        let refusal = |chain: &str, key: &str| Certificate::from_pem(chain.as_bytes(), key.as_bytes()).err();
        assert!(matches!(refusal(&other, key.expose()), Some(TlsError::NotAPair)));
        assert!(matches!(refusal("", key.expose()), Some(TlsError::NoCertificate)));
        assert!(matches!(refusal(&chain[..chain.len() / 3], key.expose()), Some(TlsError::NoCertificate)));
        assert!(matches!(refusal(&chain, &chain), Some(TlsError::NoKey)));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(refusal(garbage, key.expose()), Some(TlsError::NoCertificate)));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let (chain, key) = self_signed(&["*.example.org"], NOW).expect("makes one");
        let certificate = Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes()).expect("parses");
        assert!(certificate.covers("mail.example.org"));
        assert!(!certificate.covers("example.org") && !certificate.covers("a.b.example.org"));
    }

    #[test]
    fn long_and_odd_names_do_not_panic() {
        let long = "x".repeat(300);
        let _ = self_signed(&[&long, "bücher.example", ""], NOW);
        assert!(self_signed(&[], NOW).is_ok());
    }
}

//! Apple's configuration profile with one mail account (`com.apple.mail.managed`), an XML property
//! list, unsigned. A profile made again for the same account replaces the one before, because its
//! identifiers are computed.

use sha2::{Digest, Sha256};

use super::xml::Document;
use super::{NO_SENDING, NO_SENDING_PORT, Offer, Protocol, Services};
use crate::names::Address;
use crate::wipe::Wiped;

/// The account that a profile sets up.
pub struct Profile<'a> {
    /// The address that signs in.
    pub login: &'a Address,
    /// What tells this account from others of the same login: the view's identifier. A profile with
    /// the same login and account replaces the one before.
    pub account: &'a str,
    /// What the account is called on the device.
    pub label: &'a str,
    /// The app password; without it the device asks. With it the profile is a secret.
    pub password: Option<&'a str>,
}

/// The profile, to be sent as `application/x-apple-aspen-config`; nothing where no protocol is on
/// that fetches mail. It may hold the password, so it is overwritten when dropped.
pub fn mobileconfig(services: &Services, profile: &Profile<'_>) -> Option<Wiped> {
    let incoming = services.incoming().next()?;
    let mut document = Document::new(capacity(services, profile));
    document.doctype(DOCTYPE);
    document.element("plist", &[("version", "1.0")], |document| {
        dictionary(document, |document| {
            envelope(document, services, profile, "Configuration");
            text(document, "PayloadDescription", "A mail account at a Veilpost mail vault");
            text(document, "PayloadOrganization", &services.hostname);
            boolean(document, "PayloadRemovalDisallowed", false);
            document.leaf("key", "PayloadContent");
            document.element("array", &[], |document| {
                dictionary(document, |document| account(document, services, profile, incoming));
            });
        });
    });
    Some(Wiped::from(document.into_octets()))
}

fn account(document: &mut Document, services: &Services, profile: &Profile<'_>, incoming: Offer) {
    let kind = if incoming.protocol == Protocol::Imap { "EmailTypeIMAP" } else { "EmailTypePOP" };
    let login = profile.login.reveal();
    envelope(document, services, profile, "com.apple.mail.managed");
    text(document, "EmailAccountType", kind);
    text(document, "EmailAccountDescription", profile.label);
    text(document, "EmailAddress", &login);
    text(document, "IncomingMailServerAuthentication", "EmailAuthPassword");
    text(document, "IncomingMailServerHostName", &services.hostname);
    integer(document, "IncomingMailServerPortNumber", incoming.port.into());
    boolean(document, "IncomingMailServerUseSSL", true);
    text(document, "IncomingMailServerUsername", &login);
    if let Some(password) = profile.password {
        text(document, "IncomingPassword", password);
    }
    outgoing(document, services, &login, profile.password.is_some());
    // Correspondents of the vault do not wander to the maker's cloud by this account.
    boolean(document, "disableMailRecentsSyncing", true);
    boolean(document, "allowMailDrop", false);
}

/// A profile without an outgoing server is refused, so where there is none one is named that leads
/// nowhere.
fn outgoing(document: &mut Document, services: &Services, login: &str, same_password: bool) {
    let offer = services.outgoing().next();
    let (host, port, authentication) = match offer {
        Some(offer) => (services.hostname.as_str(), offer.port, "EmailAuthPassword"),
        None => (NO_SENDING, NO_SENDING_PORT, "EmailAuthNone"),
    };
    text(document, "OutgoingMailServerAuthentication", authentication);
    text(document, "OutgoingMailServerHostName", host);
    integer(document, "OutgoingMailServerPortNumber", port.into());
    boolean(document, "OutgoingMailServerUseSSL", true);
    if offer.is_some() {
        text(document, "OutgoingMailServerUsername", login);
        boolean(document, "OutgoingPasswordSameAsIncomingPassword", same_password);
    }
}

/// What every payload has, the profile itself too.
fn envelope(document: &mut Document, services: &Services, profile: &Profile<'_>, kind: &str) {
    let uuid = uuid(&[&services.hostname, &profile.login.reveal(), profile.account, kind]);
    let mut place: Vec<&str> = services.hostname.split('.').rev().collect();
    place.extend(["veilpost", &uuid]);
    text(document, "PayloadType", kind);
    integer(document, "PayloadVersion", 1);
    text(document, "PayloadIdentifier", &place.join("."));
    text(document, "PayloadUUID", &uuid);
    text(document, "PayloadDisplayName", profile.label);
}

fn dictionary(document: &mut Document, inner: impl FnOnce(&mut Document)) {
    document.element("dict", &[], inner);
}

fn text(document: &mut Document, key: &str, value: &str) {
    document.leaf("key", key);
    document.leaf("string", value);
}

fn integer(document: &mut Document, key: &str, value: u32) {
    document.leaf("key", key);
    document.leaf("integer", &value.to_string());
}

fn boolean(document: &mut Document, key: &str, value: bool) {
    document.leaf("key", key);
    document.empty(if value { "true" } else { "false" }, &[]);
}

/// A version 8 UUID of names (RFC 9562 §5.8, Appendix B.2): the same names, the same UUID. Each name
/// is preceded by its length, so that no two lists of names read alike.
fn uuid(names: &[&str]) -> String {
    let mut hash = Sha256::new_with_prefix(UUID_CONTEXT);
    for name in names {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXUPPER.encode(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Enough for the whole document, so that it does not move with the password in it: what is fixed,
/// and every text as often as it stands there, each character escaped.
fn capacity(services: &Services, profile: &Profile<'_>) -> usize {
    let login = profile.login.local().len() + profile.login.domain().len();
    let texts = services.hostname.len() + login + profile.label.len() + profile.password.map_or(0, str::len);
    4096 + texts * 6 * "&quot;".len()
}

/// Keeps these identifiers apart from others that are computed alike.
const UUID_CONTEXT: &[u8] = b"veilpost mobileconfig v1";
const DOCTYPE: &str = "plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                       \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::super::xml::testing::flatten;
    use super::*;

    static_assertions::assert_not_impl_any!(Profile<'static>: Clone, std::fmt::Debug, PartialEq, serde::Serialize);

    fn ann() -> Address {
        Address::parse("ann@example.org").expect("an address")
    }

    fn made(services: &Services, profile: &Profile<'_>) -> String {
        let octets = mobileconfig(services, profile).expect("a protocol is on");
        assert!(octets.len() <= capacity(services, profile), "the document moved");
        String::from_utf8(octets.to_vec()).expect("UTF-8")
    }

    /// `key=value` for every entry, at any depth, booleans left out.
    fn entries(text: &str) -> Vec<String> {
        let lines: Vec<_> = flatten(text).into_iter().filter(|line| line.contains("/dict/")).collect();
        let value = |line: &str| line.split_once('=').expect("a leaf").1.to_owned();
        let is_key = |line: &str| line.split('=').next().is_some_and(|path| path.ends_with("/key"));
        let pairs = lines.windows(2).filter(|pair| is_key(&pair[0]) && !is_key(&pair[1]));
        pairs.map(|pair| format!("{}={}", value(&pair[0]), value(&pair[1]))).collect()
    }

    #[test]
    fn a_pop3_account_is_set_up_and_sends_nowhere() {
        let login = ann();
        let profile =
            Profile { login: &login, account: "view", label: "Vault", password: Some("secret word") };
        let text = made(&samples::pop3(), &profile);
        let entries = entries(&text);
        for entry in [
            "PayloadType=Configuration",
            "PayloadType=com.apple.mail.managed",
            "PayloadVersion=1",
            "PayloadDisplayName=Vault",
            "EmailAccountType=EmailTypePOP",
            "EmailAccountDescription=Vault",
            "EmailAddress=ann@example.org",
            "IncomingMailServerAuthentication=EmailAuthPassword",
            "IncomingMailServerHostName=mail.example.org",
            "IncomingMailServerPortNumber=995",
            "IncomingMailServerUsername=ann@example.org",
            "IncomingPassword=secret word",
            "OutgoingMailServerAuthentication=EmailAuthNone",
            "OutgoingMailServerHostName=sending-is-not-offered.invalid",
        ] {
            assert!(entries.iter().any(|found| found == entry), "{entry} is not in {entries:#?}");
        }
        assert!(
            entries.iter().any(|entry| entry.starts_with("PayloadIdentifier=org.example.mail.veilpost."))
        );
        let dense: String = text.split_whitespace().collect();
        assert!(dense.contains("<key>IncomingMailServerUseSSL</key><true/>"), "{text}");
    }

    #[test]
    fn imap_and_submission_are_used_where_they_are() {
        let login = ann();
        let profile = Profile { login: &login, account: "view", label: "Vault", password: None };
        let entries = entries(&made(&samples::all(), &profile));
        for entry in [
            "EmailAccountType=EmailTypeIMAP",
            "IncomingMailServerPortNumber=993",
            "OutgoingMailServerHostName=mail.example.org",
            "OutgoingMailServerPortNumber=465",
            "OutgoingMailServerUsername=ann@example.org",
        ] {
            assert!(entries.iter().any(|found| found == entry), "{entry} is not in {entries:#?}");
        }
        assert!(!entries.iter().any(|entry| entry.starts_with("IncomingPassword=")));
        assert!(mobileconfig(&samples::nothing(), &profile).is_none());
    }

    #[test]
    fn the_same_account_has_the_same_identifiers() {
        let (login, services) = (ann(), samples::pop3());
        let identifiers = |account, label, password| {
            let text = made(&services, &Profile { login: &login, account, label, password });
            let lines = entries(&text).into_iter().filter(|line| line.starts_with("PayloadUUID="));
            lines.collect::<Vec<_>>()
        };
        let first = identifiers("one", "Vault", None);
        assert_eq!(first, identifiers("one", "Another label", Some("x")));
        let second = identifiers("two", "Vault", None);
        assert!(first.len() == 2 && first[0] != first[1] && first.iter().all(|id| !second.contains(id)));
        assert_ne!(uuid(&["ab", "c"]), uuid(&["a", "bc"]));
    }

    #[test]
    fn identifiers_have_the_form_of_a_uuid() {
        let uuid = uuid(&["x"]);
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(uuid[14..].starts_with('8') && "89AB".contains(&uuid[19..20]), "{uuid}");
    }

    proptest! {
        #[test]
        fn any_label_and_password_read_back(label in "[\\PC\\x01\\x1b]{1,40}", password in "[ -~]{1,40}") {
            let login = ann();
            let profile = Profile { login: &login, account: "v", label: &label, password: Some(&password) };
            let text = made(&samples::pop3(), &profile);
            let entry = format!("/string={password}");
            prop_assert!(password.trim().is_empty() || flatten(&text).iter().any(|line| line.ends_with(&entry)));
        }
    }
}

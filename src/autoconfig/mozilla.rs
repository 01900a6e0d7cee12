//! Mozilla autoconfig, `config-v1.1.xml` (draft-ietf-mailmaint-autoconfig): Thunderbird and those
//! who follow it ask for this document first.

use super::xml::Document;
use super::{NO_SENDING, NO_SENDING_PORT, Offer, Protocol, Security, Services};
use crate::names::Address;

/// The document. Of `email` only the domain is used, to say what the document is about: clients
/// refuse one that is about no domain. Without one, or with no address, it is about the server's name.
pub fn mozilla(services: &Services, email: Option<&str>) -> String {
    let address = email.and_then(|text| Address::parse(text).ok());
    let domain = address.as_ref().map_or(services.hostname.as_str(), Address::domain);
    let mut document = Document::new(2048);
    document.element("clientConfig", &[("version", "1.1")], |document| {
        document.element("emailProvider", &[("id", &services.hostname)], |document| {
            provider(document, services, domain);
        });
        if let Some(url) = &services.dashboard {
            document.element("webMail", &[], |document| document.empty("loginPage", &[("url", url)]));
        }
    });
    document.into_text()
}

fn provider(document: &mut Document, services: &Services, domain: &str) {
    document.leaf("domain", domain);
    document.leaf("displayName", &services.hostname);
    document.leaf("displayShortName", &services.hostname);
    for offer in services.incoming() {
        document.element("incomingServer", &[("type", kind(offer.protocol))], |document| {
            server(document, &services.hostname, offer);
            if offer.protocol == Protocol::Pop3 {
                keep_on_server(document);
            }
        });
    }
    let mut sends = false;
    for offer in services.outgoing() {
        sends = true;
        document.element("outgoingServer", &[("type", "smtp")], |document| {
            server(document, &services.hostname, offer);
        });
    }
    if !sends {
        no_outgoing_server(document);
    }
}

fn server(document: &mut Document, hostname: &str, offer: Offer) {
    let security = match offer.security {
        Security::Tls => "SSL",
        Security::StartTls => "STARTTLS",
    };
    document.leaf("hostname", hostname);
    document.leaf("port", &offer.port.to_string());
    document.leaf("socketType", security);
    // The client puts the address in.
    document.leaf("username", "%EMAILADDRESS%");
    document.leaf("authentication", "password-cleartext");
}

/// Left out, Thunderbird would delete what is older than 14 days.
fn keep_on_server(document: &mut Document) {
    document.element("pop3", &[], |document| {
        document.leaf("leaveMessagesOnServer", "true");
        document.leaf("daysToLeaveMessagesOnServer", DAYS_ON_SERVER);
        document.leaf("downloadOnBiff", "true");
    });
}

/// Thunderbird throws a document without an outgoing server away. This one asks for the server that
/// the person has already, and leads nowhere if there is none.
fn no_outgoing_server(document: &mut Document) {
    let offer = Offer { protocol: Protocol::Submission, security: Security::Tls, port: NO_SENDING_PORT };
    document.element("outgoingServer", &[("type", "smtp")], |document| {
        server(document, NO_SENDING, offer);
        document.leaf("addThisServer", "false");
        document.leaf("useGlobalPreferredServer", "true");
    });
}

fn kind(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        Protocol::Submission => "smtp",
    }
}

/// 27 years. Not more: Thunderbird takes so many days from the seconds since 1970, in 32 bits
/// without a sign, and below zero every message would be old.
const DAYS_ON_SERVER: &str = "10000";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::super::xml::testing::flatten;
    use super::*;

    #[test]
    fn pop3_is_offered_with_tls_first_and_mail_stays() {
        let found = flatten(&mozilla(&samples::pop3(), Some("Ann@BÜCHER.example")));
        let server = "clientConfig/emailProvider/incomingServer";
        let outgoing = "clientConfig/emailProvider/outgoingServer";
        let incoming = |port: &str, security: &str| {
            vec![
                format!("{server}@type=pop3"),
                format!("{server}/hostname=mail.example.org"),
                format!("{server}/port={port}"),
                format!("{server}/socketType={security}"),
                format!("{server}/username=%EMAILADDRESS%"),
                format!("{server}/authentication=password-cleartext"),
                format!("{server}/pop3/leaveMessagesOnServer=true"),
                format!("{server}/pop3/daysToLeaveMessagesOnServer=10000"),
                format!("{server}/pop3/downloadOnBiff=true"),
            ]
        };
        let expected = [
            vec![
                "clientConfig@version=1.1".to_owned(),
                "clientConfig/emailProvider@id=mail.example.org".to_owned(),
                "clientConfig/emailProvider/domain=xn--bcher-kva.example".to_owned(),
                "clientConfig/emailProvider/displayName=mail.example.org".to_owned(),
                "clientConfig/emailProvider/displayShortName=mail.example.org".to_owned(),
            ],
            incoming("995", "SSL"),
            incoming("110", "STARTTLS"),
            vec![
                format!("{outgoing}@type=smtp"),
                format!("{outgoing}/hostname=sending-is-not-offered.invalid"),
                format!("{outgoing}/port=465"),
                format!("{outgoing}/socketType=SSL"),
                format!("{outgoing}/username=%EMAILADDRESS%"),
                format!("{outgoing}/authentication=password-cleartext"),
                format!("{outgoing}/addThisServer=false"),
                format!("{outgoing}/useGlobalPreferredServer=true"),
                "clientConfig/webMail/loginPage@url=https://vault.example.org".to_owned(),
            ],
        ];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn what_is_offered_comes_in_order_of_preference() {
        let text = mozilla(&samples::all(), None);
        let ports: Vec<_> = flatten(&text).into_iter().filter(|line| line.contains("/port=")).collect();
        let last = |line: &String| line.rsplit('=').next().map(str::to_owned);
        let ports: Vec<_> = ports.iter().filter_map(last).collect();
        assert_eq!(ports, ["993", "143", "995", "110", "465", "587"]);
        assert!(!text.contains(".invalid"), "{text}");
    }

    #[test]
    fn it_names_nobody_and_is_the_same_for_everybody_at_a_domain() {
        let services = samples::pop3();
        let ann = mozilla(&services, Some("ann@example.org"));
        assert_eq!(ann, mozilla(&services, Some("no-such-person@example.org")));
        assert!(!ann.contains("ann"), "{ann}");
        assert!(mozilla(&services, None).contains("<domain>mail.example.org</domain>"));
    }

    proptest! {
        #[test]
        fn any_address_gets_a_well_formed_document(email in ".{0,60}") {
            let text = mozilla(&samples::pop3(), Some(&email));
            prop_assert!(flatten(&text).iter().any(|line| line.contains("/domain=")));
        }
    }
}

//! Microsoft autodiscover, the plain old XML of MS-OXDSCLI §2.2.3 and §2.2.4: what Outlook posts, and
//! what it hears. The settings it asks for are those of "Outlook 2006a"; what phones ask for
//! (ActiveSync) is not offered, and the answer says so.
//!
//! The request comes from anybody. It is short, shallow, and declares nothing: a document type is
//! refused, and an entity is one of XML's own five or a character, so there is nothing to expand and
//! nothing to fetch.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use super::xml::Document;
use super::{Offer, Protocol, Security, Services};
use crate::clock::Timestamp;
use crate::names::Address;

/// Why a request is not answered with settings. The client is at fault, or asks the wrong server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AutodiscoverError {
    /// Not the request of MS-OXDSCLI §2.2.3, or no address in it.
    #[error("the request is not one of this protocol")]
    Malformed,
    /// Settings of another form are asked for, or no mail protocol is on.
    #[error("settings of this kind are not offered")]
    Unavailable,
}

impl AutodiscoverError {
    /// The protocol's own document for the error (MS-OXDSCLI §2.2.4.1.1.3), said at `now`.
    pub fn document(self, now: Timestamp) -> String {
        let (code, message) = match self {
            Self::Malformed => ("600", "Invalid Request"),
            Self::Unavailable => ("601", "Provider is not available"),
        };
        let mut document = Document::new(512);
        document.element("Autodiscover", &[("xmlns", RESPONSE)], |document| {
            document.element("Response", &[], |document| {
                let attributes = [("Time", &*time_of_day(now)), ("Id", "0")];
                document.element("Error", &attributes, |document| {
                    document.leaf("ErrorCode", code);
                    document.leaf("Message", message);
                    document.empty("DebugData", &[]);
                });
            });
        });
        document.into_text()
    }
}

/// The settings that `request` asks for. The address in the request comes back as the login name,
/// since Outlook would otherwise log in with the part before the `@`; whose it is, if anybody's, is
/// not looked up.
pub fn autodiscover(services: &Services, request: &[u8]) -> Result<String, AutodiscoverError> {
    let login = read(request)?.reveal();
    let offers = [services.incoming().next(), services.outgoing().next()];
    if offers[0].is_none() {
        return Err(AutodiscoverError::Unavailable);
    }
    let mut document = Document::new(2048);
    document.element("Autodiscover", &[("xmlns", RESPONSE)], |document| {
        document.element("Response", &[("xmlns", SETTINGS)], |document| {
            document.element("Account", &[], |document| {
                document.leaf("AccountType", "email");
                document.leaf("Action", "settings");
                for offer in offers.into_iter().flatten() {
                    protocol(document, &services.hostname, &login, offer);
                }
            });
        });
    });
    Ok(document.into_text())
}

fn protocol(document: &mut Document, hostname: &str, login: &str, offer: Offer) {
    let kind = match offer.protocol {
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Submission => "SMTP",
    };
    let encryption = match offer.security {
        Security::Tls => "SSL",
        Security::StartTls => "TLS",
    };
    document.element("Protocol", &[], |document| {
        document.leaf("Type", kind);
        document.leaf("Server", hostname);
        document.leaf("Port", &offer.port.to_string());
        document.leaf("LoginName", login);
        document.leaf("DomainRequired", "off");
        // Absent, it would be on (MS-OXDSCLI §2.2.4.1.1.2.6): NTLM, which is not offered.
        document.leaf("SPA", "off");
        document.leaf("SSL", "on");
        document.leaf("Encryption", encryption);
        document.leaf("AuthRequired", "on");
        if offer.protocol == Protocol::Submission {
            document.leaf("UsePOPAuth", "on");
            document.leaf("SMTPLast", "off");
        }
    });
}

/// The address in the request, if settings of our form are asked for.
fn read(request: &[u8]) -> Result<Address, AutodiscoverError> {
    let fields = fields(request).ok_or(AutodiscoverError::Malformed)?;
    let address = Address::parse(fields.address.trim()).map_err(|_| AutodiscoverError::Malformed)?;
    if fields.schema.trim().is_empty() {
        return Err(AutodiscoverError::Malformed);
    }
    (fields.schema.trim() == SETTINGS).then_some(address).ok_or(AutodiscoverError::Unavailable)
}

#[derive(Default)]
struct Fields {
    address: String,
    schema: String,
}

/// What stands in the request; nothing if it is no XML, or not such as a client sends.
fn fields(request: &[u8]) -> Option<Fields> {
    if request.len() > MAX_REQUEST {
        return None;
    }
    let text = std::str::from_utf8(request).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut fields) = (Vec::new(), Fields::default());
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if path.len() < MAX_DEPTH => path.push(tag.local_name().as_ref().to_owned()),
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => fields.add(&path, &text),
            Event::CData(text) => fields.add(&path, &text),
            Event::GeneralRef(reference) => fields.add(&path, &character(&reference)?),
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Start(_) | Event::Empty(_) | Event::DocType(_) | Event::PI(_) => return None,
            Event::Eof => return path.is_empty().then_some(fields),
        }
    }
}

impl Fields {
    fn add(&mut self, path: &[String], text: &str) {
        match path {
            [root, request, leaf] if root == "Autodiscover" && request == "Request" => match leaf.as_str() {
                "EMailAddress" => self.address.push_str(text),
                "AcceptableResponseSchema" => self.schema.push_str(text),
                _ => {}
            },
            _ => {}
        }
    }
}

/// One of XML's own entities, or a character by its number. There are no others without a document type.
fn character(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref().ok()? {
        Some(letter) => Some(letter.to_string()),
        None => resolve_predefined_entity(reference).map(str::to_owned),
    }
}

/// `hh:mm:ss.fffffff`, UTC.
fn time_of_day(now: Timestamp) -> String {
    let seconds = now.unix().rem_euclid(86400);
    format!("{:02}:{:02}:{:02}.0000000", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Octets of a request. Outlook's have about 400 and an address, which is at most 320.
pub const MAX_REQUEST: usize = 8 * 1024;
/// Elements within each other; a request has three.
const MAX_DEPTH: usize = 8;
/// MS-OXDSCLI §2.2.4: the namespace of every answer.
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
/// MS-OXDSCLI §2.2.3.1.1: the form of settings that Outlook asks for.
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::super::xml::testing::flatten;
    use super::*;

    /// As Outlook sends it.
    const OUTLOOK: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover \
        xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>\
        <EMailAddress>Ann@Example.org</EMailAddress><AcceptableResponseSchema>\
        http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
        </AcceptableResponseSchema></Request></Autodiscover>";

    fn ask(request: &str) -> Result<String, AutodiscoverError> {
        autodiscover(&samples::pop3(), request.as_bytes())
    }

    #[test]
    fn outlook_hears_of_pop3_under_tls() {
        let found = flatten(&ask(OUTLOOK).expect("answered"));
        let protocol = "Autodiscover/Response/Account/Protocol";
        let expected = [
            format!("Autodiscover@xmlns={RESPONSE}"),
            format!("Autodiscover/Response@xmlns={SETTINGS}"),
            "Autodiscover/Response/Account/AccountType=email".to_owned(),
            "Autodiscover/Response/Account/Action=settings".to_owned(),
            format!("{protocol}/Type=POP3"),
            format!("{protocol}/Server=mail.example.org"),
            format!("{protocol}/Port=995"),
            format!("{protocol}/LoginName=ann@example.org"),
            format!("{protocol}/DomainRequired=off"),
            format!("{protocol}/SPA=off"),
            format!("{protocol}/SSL=on"),
            format!("{protocol}/Encryption=SSL"),
            format!("{protocol}/AuthRequired=on"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_best_of_each_kind_is_named() {
        let text = autodiscover(&samples::all(), OUTLOOK.as_bytes()).expect("answered");
        let kinds: Vec<_> = flatten(&text).into_iter().filter(|line| line.contains("/Type=")).collect();
        assert!(kinds[0].ends_with("=IMAP") && kinds[1].ends_with("=SMTP") && kinds.len() == 2, "{kinds:?}");
        let stls = Services { pop3s: None, ..samples::pop3() };
        let text = autodiscover(&stls, OUTLOOK.as_bytes()).expect("answered");
        assert!(text.contains("<Port>110</Port>") && text.contains("<Encryption>TLS</Encryption>"), "{text}");
        let none = autodiscover(&samples::nothing(), OUTLOOK.as_bytes());
        assert_eq!(none, Err(AutodiscoverError::Unavailable));
    }

    #[test]
    fn the_answer_differs_in_the_echoed_address_alone() {
        let ann = ask(OUTLOOK).expect("answered");
        let nobody = ask(&OUTLOOK.replace("Ann@Example.org", "nobody@elsewhere.example")).expect("answered");
        assert_eq!(ann.replace("ann@example.org", "nobody@elsewhere.example"), nobody);
    }

    #[test]
    fn forms_of_the_same_request_are_understood() {
        for request in [
            format!("\u{feff}{OUTLOOK}"),
            OUTLOOK.replace("<EMailAddress>", "<!-- here --><EMailAddress>\r\n ").replace("Ann@", "&#65;nn@"),
            OUTLOOK.replace("Ann@Example.org", "<![CDATA[ann@example.org]]>"),
            OUTLOOK.replace("<Request>", "<Request><Other/>"),
            OUTLOOK
                .replace("<", "<x:")
                .replace("<x:/", "</x:")
                .replace("<x:?", "<?")
                .replace("xmlns=", "xmlns:x="),
        ] {
            assert_eq!(ask(&request), ask(OUTLOOK), "{request}");
        }
    }

    #[test]
    fn other_settings_are_not_available() {
        let phone = OUTLOOK.replace("outlook/responseschema/2006a", "mobilesync/responseschema/2006");
        assert_eq!(ask(&phone), Err(AutodiscoverError::Unavailable));
        let twice = "</AcceptableResponseSchema><AcceptableResponseSchema>x</AcceptableResponseSchema>";
        let twice = OUTLOOK.replace("</AcceptableResponseSchema>", twice);
        assert_eq!(ask(&twice), Err(AutodiscoverError::Unavailable));
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for (what, request) in [
            ("nothing", String::new()),
            ("text", "hello".to_owned()),
            ("another root", OUTLOOK.replace("Autodiscover", "Automatic")),
            ("no address", OUTLOOK.replace("Ann@Example.org", "")),
            ("half an address", OUTLOOK.replace("Ann@Example.org", "Ann")),
            (
                "two addresses",
                OUTLOOK.replace("</EMailAddress>", "</EMailAddress><EMailAddress>b@c.d</EMailAddress>"),
            ),
            ("no schema", OUTLOOK.replace(SETTINGS, " ")),
            ("cut short", OUTLOOK[..OUTLOOK.len() - 4].to_owned()),
            ("crossed tags", OUTLOOK.replace("</EMailAddress>", "</Request>")),
            ("a program for the reader", format!("<?run me?>{OUTLOOK}")),
            (
                "depth",
                OUTLOOK.replace("<Request>", &format!("<Request>{}{}", "<a>".repeat(9), "</a>".repeat(9))),
            ),
            ("size", OUTLOOK.replace("<Request>", &format!("<Request><!--{}-->", "x".repeat(MAX_REQUEST)))),
        ] {
            assert_eq!(ask(&request), Err(AutodiscoverError::Malformed), "{what}");
        }
        let utf16: Vec<u8> = OUTLOOK.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(autodiscover(&samples::pop3(), &utf16), Err(AutodiscoverError::Malformed));
    }

    #[test]
    fn entities_are_neither_fetched_nor_expanded() {
        let body = OUTLOOK.split_once("?>").expect("a declaration").1;
        let external = "<!DOCTYPE Autodiscover [<!ENTITY who SYSTEM \"file:///etc/passwd\">]>";
        let laughs =
            "<!DOCTYPE Autodiscover [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY who \"&b;&b;\">]>";
        let remote = "<!DOCTYPE Autodiscover SYSTEM \"http://127.0.0.1/evil.dtd\">";
        for doctype in [external, laughs, remote, ""] {
            let request = format!("{doctype}{}", body.replace("Ann@", "&who;@"));
            assert_eq!(ask(&request), Err(AutodiscoverError::Malformed), "{doctype}");
        }
    }

    #[test]
    fn errors_are_said_in_the_protocols_own_form() {
        let document = AutodiscoverError::Malformed.document(Timestamp::from_unix(86400 + 3600 * 5 + 61));
        let error = "Autodiscover/Response/Error";
        let expected = [
            format!("Autodiscover@xmlns={RESPONSE}"),
            format!("{error}@Time=05:01:01.0000000"),
            format!("{error}@Id=0"),
            format!("{error}/ErrorCode=600"),
            format!("{error}/Message=Invalid Request"),
        ];
        assert_eq!(flatten(&document), expected);
        let document = AutodiscoverError::Unavailable.document(Timestamp::from_unix(-1));
        assert!(document.contains("<ErrorCode>601<") && document.contains("23:59:59"), "{document}");
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = autodiscover(&samples::pop3(), &octets);
        }

        #[test]
        fn a_damaged_request_is_answered_well_formed_or_refused(
            at in 0..OUTLOOK.len(), length in 0..8usize, noise in "[<>&;/!?a\"\\[\\]-]{0,8}",
        ) {
            let end = (at + length).min(OUTLOOK.len());
            let request = format!("{}{noise}{}", &OUTLOOK[..at], &OUTLOOK[end..]);
            if let Ok(answer) = ask(&request) {
                prop_assert!(flatten(&answer).iter().any(|line| line.contains("/LoginName=")));
            }
        }
    }
}

//! Any octets as an autodiscover request: settings or the protocol's error come back, well formed, and
//! an answer names the server and one login with an `@`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quick_xml::Reader;
use quick_xml::events::Event;
use veilpost::autoconfig::{Services, autodiscover};
use veilpost::clock::Timestamp;

fuzz_target!(|request: &[u8]| {
    let services = Services {
        hostname: "mail.example.org".to_owned(),
        dashboard: None,
        imaps: None,
        imap: None,
        pop3s: Some(995),
        pop3: None,
        submissions: None,
        submission: None,
        smtp: true,
    };
    match autodiscover(&services, request) {
        Ok(answer) => {
            assert_eq!(leaf(&answer, "Server"), "mail.example.org");
            assert!(leaf(&answer, "LoginName").contains('@'));
        }
        Err(error) => assert!(leaf(&error.document(Timestamp::from_unix(0)), "ErrorCode").starts_with('6')),
    }
});

/// The text of the only element of this name in a document that is well formed.
fn leaf(document: &str, name: &str) -> String {
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    let (mut open, mut inside, mut text, mut seen) = (0, false, String::new(), 0);
    loop {
        match reader.read_event().expect("well formed") {
            Event::Start(tag) => {
                open += 1;
                inside = tag.name().as_ref() == name;
                seen += usize::from(inside);
            }
            Event::End(_) => (open, inside) = (open - 1, false),
            Event::Text(more) if inside => text.push_str(&more),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((open, seen), (0, 1), "one {name}, and every element closed");
    text
}

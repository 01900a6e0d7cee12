//! The laws of masking, over generated messages and over every sample at hand.

mod golden;
mod known;
mod law_2;

use super::compose::{Context, compose};
use crate::clock::Timestamp;
use crate::message::dissect;
use crate::names::MessageId;
use crate::policy::redact::Builtin;
use crate::policy::*;

/// A view of a message as text; panics if it is absent.
fn view(rules: &Rules, bytes: &[u8]) -> String {
    String::from_utf8(render(rules, bytes).expect("present")).expect("views are ASCII")
}

fn render(rules: &Rules, bytes: &[u8]) -> Option<Vec<u8>> {
    let anatomy = dissect(bytes);
    let token = |text: &str| {
        format!("t{:08x}", text.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte)))
    };
    let context = Context {
        message: MessageId::from_bytes([7; 16]),
        link: Some("https://vault.example/m/1".into()),
        phrase: Some("blue heron".into()),
        pseudonyms: &token,
        mail_domain: "vault.example",
        received: Timestamp::from_unix(1_709_800_000),
    };
    let composition = compose(rules, bytes, &anatomy, &context)?;
    let out = composition.render(bytes, &anatomy);
    assert_eq!(out.len() as u64, composition.size(), "the size in the listing is exact");
    Some(out)
}

/// Nothing but a placeholder.
fn nothing() -> Rules {
    Rules {
        presence: Presence::Masked,
        headers: Vec::new(),
        rewrites: Vec::new(),
        text: TextMask::Placeholder,
        html: HtmlMask::Omit,
        parts: Vec::new(),
        nested_depth: 0,
        reveal: Reveal::default(),
        redact: Vec::new(),
        pseudonyms: Pseudonyms::default(),
        placeholder: Placeholder {
            text: Template::parse("Sealed. Unlock it to read it.").unwrap(),
            link: true,
        },
    }
}

fn header(name: &str) -> HeaderRule {
    HeaderRule { name: name.into(), aspect: Aspect::Whole, duplicates: Duplicates::First }
}

fn headers() -> Rules {
    let names = ["From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To"];
    Rules { headers: names.into_iter().map(header).collect(), ..nothing() }
}

fn texts() -> Rules {
    Rules { text: TextMask::Show, html: HtmlMask::Sanitized, ..headers() }
}

fn excerpts() -> Rules {
    let redact = Builtin::ALL.into_iter().map(Redactor::builtin).collect();
    Rules { text: TextMask::Excerpt { lines: 3 }, html: HtmlMask::AsText, redact, ..headers() }
}

fn part(kind: &str, subtype: &str) -> PartRule {
    PartRule { media: (kind.into(), subtype.into()), disposition: None, max_octets: None, show: true }
}

fn parts() -> Rules {
    Rules { parts: vec![part("text", "calendar"), part("*", "*")], nested_depth: 3, ..texts() }
}

fn pseudonymous() -> Rules {
    let rewrite =
        |name: &str, text: &str| Rewrite { name: name.into(), template: Template::parse(text).unwrap() };
    let domain = HeaderRule { aspect: Aspect::Domain, ..header("From") };
    Rules {
        headers: vec![domain],
        rewrites: vec![rewrite("Subject", "Sealed message from {from.domain}")],
        pseudonyms: Pseudonyms { senders: true, sender_domains: false, addressees: true, threads: true },
        reveal: Reveal { count: true, names: true, sizes: true, types: true },
        text: TextMask::Omit,
        ..nothing()
    }
}

fn all_rules() -> Vec<(&'static str, Rules)> {
    vec![
        ("nothing", nothing()),
        ("headers", headers()),
        ("texts", texts()),
        ("excerpts", excerpts()),
        ("parts", parts()),
        ("pseudonymous", pseudonymous()),
    ]
}

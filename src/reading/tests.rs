//! Attacks of our own writing (`tests/html/`), laws about whatever is cleaned, and whole messages.

use super::allowed::{ATTRIBUTES, ELEMENTS};
use super::*;
use crate::message::samples;
use html5ever::TokenizerResult;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use proptest::prelude::*;
use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

/// A message with this HTML and three related parts: an image, HTML that says it is one, and a text.
fn message(html: &[u8]) -> Vec<u8> {
    let mut message = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: x\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=bbb\r\n\r\n\
        --bbb\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    message.extend_from_slice(base64(html).as_bytes());
    let image = base64(PNG);
    message.extend_from_slice(
        format!(
            "\r\n--bbb\r\nContent-Type: image/png\r\nContent-ID: <logo@example>\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{image}\r\n\
             --bbb\r\nContent-Type: image/png; name=i.png\r\nContent-ID: <html@example>\r\n\r\n\
             <html><script>alert(1)</script></html>\r\n--bbb--\r\n"
        )
        .as_bytes(),
    );
    message
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    lines.join("\r\n")
}

fn clean(html: &[u8], remote: Remote) -> Cleaned {
    read(&message(html)).html.expect("a part of HTML").clean(remote)
}

fn body(cleaned: &Cleaned) -> &str {
    let (_, rest) = cleaned.document.split_once("</head><body>").expect("our own head");
    rest.strip_suffix("</body></html>").expect("our own tail")
}

fn attack(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html").join(format!("{name}.html"));
    std::fs::read(path).expect("the attack is part of the repository")
}

/// A start tag: its name and its attributes.
type Tag = (String, Vec<(String, String)>);

/// Every start tag of a document, as a tokenizer sees it.
fn tags(html: &str) -> Vec<Tag> {
    #[derive(Default)]
    struct Tags(RefCell<Vec<Tag>>);
    impl TokenSink for Tags {
        type Handle = ();
        fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
            match token {
                Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                    let attribute =
                        |one: &html5ever::Attribute| (one.name.local.to_string(), one.value.to_string());
                    self.0
                        .borrow_mut()
                        .push((tag.name.to_string(), tag.attrs.iter().map(attribute).collect()));
                }
                Token::CommentToken(_) => self.0.borrow_mut().push(("!--".to_owned(), Vec::new())),
                _ => {}
            }
            TokenSinkResult::Continue
        }
    }
    let tokenizer = Tokenizer::new(Tags::default(), Default::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

/// The law about cleaned HTML. No element of it changes how a tokenizer reads on (`script`, `style`,
/// `svg`, `plaintext`, ...), so a browser sees the same tags as this test.
fn check(cleaned: &Cleaned, remote: Remote) -> Result<(), String> {
    for (element, attributes) in tags(body(cleaned)) {
        if !ELEMENTS.contains(&element.as_str()) {
            return Err(format!("<{element}> is not on the list"));
        }
        for (name, value) in attributes {
            check_attribute(&element, &name, &value, remote)
                .map_err(|why| format!("<{element} {name}={value:?}>: {why}"))?;
        }
    }
    Ok(())
}

fn check_attribute(element: &str, name: &str, value: &str, remote: Remote) -> Result<(), &'static str> {
    let outside = value.contains("//") || value.contains("\\\\");
    match (element, name) {
        ("a", "href") => {
            let known =
                ["http://", "https://", "mailto:", "tel:"].iter().any(|scheme| value.starts_with(scheme));
            known.then_some(()).ok_or("a link of another scheme")
        }
        ("a", "target") => (value == "_blank").then_some(()).ok_or("another target"),
        ("a", "rel") => (value == "noopener noreferrer nofollow").then_some(()).ok_or("another relation"),
        ("img", "referrerpolicy") => (value == "no-referrer").then_some(()).ok_or("another policy"),
        ("img", "src") => {
            let images = ["image/png", "image/jpeg", "image/gif", "image/webp"];
            let own = images.iter().any(|image| value.starts_with(&format!("data:{image};base64,")));
            let fetched = remote == Remote::Allowed && value.starts_with("https://");
            (own || fetched).then_some(()).ok_or("an image from elsewhere")
        }
        (_, "alt" | "title") => Ok(()),
        // Our own, from texts beside the HTML.
        ("div" | "p", "class") => matches!(value, "signature" | "note").then_some(()).ok_or("a class"),
        (_, "srcset" | "background" | "poster" | "lowsrc" | "dynsrc") => Err("fetches"),
        (_, name) if name.starts_with("on") => Err("runs"),
        (_, "style") => {
            let bad = ["url", "\\", "/*", "@", "position", "expression", "behavior", "var("];
            let found = outside || bad.iter().any(|word| value.to_lowercase().contains(word));
            (!found).then_some(()).ok_or("a style that may do more")
        }
        _ if outside || value.contains(':') => Err("an address"),
        (_, name) => {
            (ATTRIBUTES.contains(&name) || HARMLESS.contains(&name)).then_some(()).ok_or("is not on the list")
        }
    }
}

fn attacks() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html");
    let entries = std::fs::read_dir(folder).expect("the attacks are part of the repository");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: &Path| std::fs::read(path).expect("an attack can be read");
    let mut attacks: Vec<_> = paths.iter().map(|path| (path.display().to_string(), read(path))).collect();
    attacks.push(("charsets".to_owned(), CHARSETS.to_vec()));
    attacks
}

#[test]
fn every_attack_is_rendered_harmless() {
    let attacks = attacks();
    assert!(attacks.len() > 35);
    for (name, html) in attacks {
        for remote in [Remote::Blocked, Remote::Allowed] {
            let cleaned = clean(&html, remote);
            check(&cleaned, remote).unwrap_or_else(|why| panic!("{name}: {why}\n{}", cleaned.document));
            assert!(!body(&cleaned).contains("<script"), "{name}");
        }
    }
}

#[test]
fn attacks_are_cleaned_and_not_just_given_up() {
    for (name, html) in attacks() {
        let cleaned = clean(&html, Remote::Blocked);
        assert_eq!(cleaned.as_text, name.ends_with("deep-mixed.html"), "{name}");
    }
}

#[test]
fn what_surrounds_an_attack_stays() {
    for name in ["svg", "noscript", "raw-text", "forms"] {
        assert!(body(&clean(&attack(name), Remote::Blocked)).contains("after"), "{name}");
    }
    assert!(body(&clean(&attack("comments"), Remote::Blocked)).contains("shown"));
}

#[test]
fn a_newsletter_keeps_its_looks() {
    let cleaned = clean(&attack("mail-newsletter"), Remote::Blocked);
    let body = body(&cleaned);
    for part in [
        "<h1 style=\"margin:0\">Hello &amp; welcome</h1>",
        "href=\"https://news.example/a?b=1&amp;c=2\"",
        "alt=\"Logo\"",
        "width=\"120\"",
        "background-color:#ffffff",
        "padding:20px 30px",
    ] {
        assert!(body.contains(part), "{part}\n{body}");
    }
    assert!(!body.contains("class=") && !body.contains("logo.png"));
    assert_eq!((cleaned.blocked, cleaned.loadable, cleaned.as_text), (1, 1, false));
    let allowed = clean(&attack("mail-newsletter"), Remote::Allowed);
    assert!(allowed.document.contains("src=\"https://news.example/logo.png\""));
    assert_eq!((allowed.blocked, allowed.loadable), (0, 0));
}

#[test]
fn remote_content_is_counted() {
    let blocked = clean(&attack("remote-images"), Remote::Blocked);
    assert!(blocked.blocked >= 15, "{}", blocked.blocked);
    assert!(blocked.loadable >= 5 && blocked.loadable < blocked.blocked);
    let allowed = clean(&attack("remote-images"), Remote::Allowed);
    assert_eq!(allowed.blocked + blocked.loadable, blocked.blocked);
    assert!(!allowed.document.contains("http://"));
    let private = clean(&attack("private-network-images"), Remote::Allowed);
    assert!(!private.document.contains("src="), "{}", private.document);
}

#[test]
fn images_of_the_message_are_embedded_under_their_true_type() {
    let cleaned = clean(&attack("cid-images"), Remote::Blocked);
    assert_eq!(cleaned.document.matches("src=\"data:image/png;base64,").count(), 2, "{}", cleaned.document);
    assert!(!cleaned.document.contains("cid:"));
    let cleaned = clean(&attack("data-images"), Remote::Blocked);
    assert_eq!(cleaned.document.matches("src=\"data:image/png;base64,").count(), 3);
    assert_eq!(cleaned.document.matches("data:").count(), 3);
}

/// Case 043 and its relatives: images by Content-Location (RFC 2557), never fetched from elsewhere.
#[test]
fn images_are_found_by_their_place() {
    let related = |outer: &str, html_fields: &str, html: &str, location: &str| {
        let image = base64(PNG);
        let octets = format!(
            "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n{outer}\r\n\
             --b\r\nContent-Type: text/html; charset=utf-8\r\n{html_fields}\r\n{html}\r\n\
             --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n{location}\r\n\
             \r\n{image}\r\n--b--\r\n"
        );
        let cleaned = read(octets.as_bytes()).html.expect("HTML").clean(Remote::Blocked);
        check(&cleaned, Remote::Blocked).expect("harmless");
        (cleaned.document.matches("src=\"data:image/png;base64,").count(), cleaned.blocked)
    };
    for (outer, fields, html, location) in [
        ("", "", "<img src=a.png>", "Content-Location: a.png"),
        ("", "", "<img src='./x/../a.png#top'>", "content-location: a.png"),
        ("", "", "<img src=a.png>", "Content-Location: A.PNG"),
        ("", "", "<img src='a%20b.png'>", "Content-Location: a%20b.png"),
        ("", "", "<img src='http://S.example/i/a.png'>", "Content-Location: HTTP://s.example/i/a.png"),
        (
            "",
            "Content-Location: http://s.example/i/p.html\r\n",
            "<img src=a.png>",
            "Content-Location: http://s.example/i/a.png",
        ),
        ("Content-Location: http://s.example/i/p.html\r\n", "", "<img src=a.png>", "Content-Location: a.png"),
        ("Content-Base: \"http://s.example/i/\"\r\n", "", "<img src=/i/a.png>", "Content-Location: a.png"),
        (
            "",
            "Content-Base: http://s.example/i/\r\n",
            "<img src=a.png>",
            "Content-Location: http://s.example/i/a.png",
        ),
        (
            "",
            "",
            "<base href='http://s.example/i/'><img src=a.png>",
            "Content-Location: http://s.example/i/a.png",
        ),
        ("", "", "<base href='http://s.example/i/'><img src=a.png>", "Content-Location: a.png"),
        (
            "",
            "",
            "<img src='http://s.example/long/a.png'>",
            "Content-Location: http://s.example/\r\n long/a.png",
        ),
        ("", "", "<img src=cid:logo>", "Content-Location: a.png\r\nContent-ID: <logo>"),
    ] {
        assert_eq!(related(outer, fields, html, location), (1, 0), "{outer}{fields}{html} {location}");
    }
    for (html, location) in [
        ("<img src=b.png>", "Content-Location: a.png"),
        ("<img src=http://evil.example/a.png>", "Content-Location: a.png"),
        ("<img src=''>", "Content-Location: a.png"),
        ("<img src=a.png>", "X-Location: a.png"),
    ] {
        assert_eq!(related("", "", html, location).0, 0, "{html} {location}");
    }
}

#[test]
fn the_committed_case_of_a_content_location_is_shown() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/043-web-content-location/input.eml");
    let octets = std::fs::read(path).expect("the case is part of the repository");
    let cleaned = read(&octets).html.expect("HTML").clean(Remote::Blocked);
    assert!(cleaned.document.contains("src=\"data:image/png;base64,"), "{}", cleaned.document);
}

/// White on a dark ground stays so, by whichever way the ground was laid; where the ground cannot be
/// shown, the text can be read.
#[test]
fn no_text_vanishes_with_its_ground() {
    let shown = |html: &str| body(&clean(html.as_bytes(), Remote::Blocked)).to_owned();
    for html in [
        "<center style='background:#036;color:#fff'>x",
        "<table bgcolor=#003366><td><font color=white>x",
        "<div style='background:url(https://t.example/x) #036;color:#fff'>x",
        "<div style='background-image:linear-gradient(#036,#048);color:#fff'>x",
        "<html><body bgcolor=#003366 text=#ffffff>x",
        "<html><body style='background:#036;color:#fff'><p>x",
    ] {
        let body = shown(html);
        assert!(body.contains("#036") || body.contains("#003366"), "{html}: {body}");
        assert!(!body.contains("color:#1a1a1a"), "{html}: {body}");
    }
    for html in [
        "<style>.a{background:#000}</style><div class=a style='color:#fff'>x",
        "<table><td background=https://t.example/x.png><font color=#ffffff>x",
        "<div style=\"background:url('https://t.example/x')\"><a href=https://a.example style='color:white'>x</a>",
    ] {
        assert!(shown(html).contains("color:#1a1a1a"), "{html}: {}", shown(html));
    }
}

#[test]
fn one_image_shown_often_does_not_fill_the_memory() {
    let image = [PNG, &vec![0; 1 << 20]].concat();
    let uri = format!("data:image/png;base64,{}", base64(&image).replace("\r\n", ""));
    let related = message("<img src=cid:logo@example>".repeat(2_000).as_bytes());
    let text = String::from_utf8(related).expect("ASCII").replace(&base64(PNG), &base64(&image));
    let cleaned = read(text.as_bytes()).html.expect("HTML").clean(Remote::Blocked);
    assert_eq!(cleaned.document.matches("src=").count(), 7);
    assert!(cleaned.document.len() < 12 << 20 && cleaned.document.contains(&uri));
}

#[test]
fn the_policy_of_the_document_lets_nothing_in() {
    for remote in [Remote::Blocked, Remote::Allowed] {
        let policy = remote.content_security_policy();
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.ends_with(&format!("sandbox {SANDBOX}"))
        );
        assert_eq!(policy.contains("https:"), remote == Remote::Allowed);
        assert!(!policy.contains("script") && !policy.contains("http:") && !SANDBOX.contains("same-origin"));
    }
}

/// What would take minutes takes a moment, and shows its words.
#[test]
fn expensive_html_is_shown_as_text() {
    let formatting: String = (0..20_000).map(|number| format!("<b x={number}>")).collect();
    let attributes: String = (0..150_000).map(|number| format!(" a{number}")).collect();
    for (name, html) in [
        ("deep", format!("words{}", "<div>".repeat(300_000))),
        ("formatting", format!("words<div>{formatting}</div>{}", "<p>x</p>".repeat(50_000))),
        ("attributes", format!("words<p{attributes}>")),
        ("open tags", format!("words{}", "<a <".repeat(300_000))),
        ("tables", format!("words{}", "<table><td>".repeat(100_000))),
        ("entities", format!("words<i><i>{}", "<br>".repeat(400_000))),
    ] {
        let started = Instant::now();
        let cleaned = clean(html.as_bytes(), Remote::Blocked);
        assert!(cleaned.as_text && cleaned.document.contains("words"), "{name}");
        assert!(started.elapsed() < PATIENCE, "{name} took {:?}", started.elapsed());
        check(&cleaned, Remote::Blocked).expect("text is harmless");
    }
}

#[test]
fn attachments_are_described_and_come_back() {
    let octets = b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
        --b\r\nContent-Type: application/pdf; name=\"../../x.pdf\"\r\nContent-Disposition: attachment\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n\
        --b\r\nContent-Type: image/png; name=\"holiday.png\"\r\nContent-Disposition: attachment\r\n\r\n<html>\r\n\
        --b\r\nContent-Type: application/octet-stream\r\n\
        Content-Disposition: attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe\r\n\r\nMZ\r\n\
        --b\r\nContent-Type: text/csv; charset=iso-8859-1\r\nContent-Disposition: attachment; filename=a.csv\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC;1\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nBody\r\n\
        --b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"bill.pdf.zip\"\r\n\r\nPK\x03\x04\r\n\
        --b--\r\n";
    let reading = read(octets);
    let listed: Vec<_> = reading
        .attachments
        .iter()
        .map(|one| {
            (one.number, one.name.as_str(), one.media_type.as_str(), one.octets, one.kind, one.dangerous)
        })
        .collect();
    assert_eq!(
        listed,
        [
            (1, "x.pdf", "application/pdf", 8, Kind::Pdf, false),
            (2, "holiday.png", "image/png", 6, Kind::Image, true),
            (3, "invoicefdp.exe", "application/octet-stream", 2, Kind::Other, true),
            (4, "a.csv", "text/csv", 3, Kind::Spreadsheet, false),
            (5, "message.eml", "message/rfc822", 22, Kind::Message, false),
            (6, "bill.pdf.zip", "application/zip", 4, Kind::Archive, true),
        ]
    );
    assert_eq!(reading.text.as_deref(), Some("Hello"));
    let contents: Vec<Vec<u8>> =
        (1..=6).map(|number| attachment(octets, number).expect("it is listed").1.to_vec()).collect();
    assert_eq!(contents[0], b"%PDF-1.7");
    assert_eq!(contents[3], b"\xfc;1");
    assert_eq!(contents[4], b"Subject: inner\r\n\r\nBody");
    assert!(attachment(octets, 0).is_none() && attachment(octets, 7).is_none());
}

#[test]
fn header_and_texts_are_decoded() {
    let octets = "From: =?utf-8?Q?J=C3=BCrgen=0D=0ABcc:_x?= <j@example.org>\r\nTo: A: b@c.example, d@e.example;\r\n\
        Subject: =?utf-8?B?w7xi4oCuZXI=?=\r\n over\r\nDate: Thu, 1 Jan 2026 01:00:00 +0100\r\n\
        Message-ID: <1@example.org>\r\nX-A: one\r\nX-A: two\r\n\
        Content-Type: text/plain; charset=utf-8; format=flowed\r\n\r\none \r\ntwo\r\n";
    let reading = read(octets.as_bytes());
    assert_eq!(reading.from, [Mailbox { name: "Jürgen Bcc: x".into(), address: "j@example.org".into() }]);
    assert_eq!(reading.to.len(), 2);
    assert_eq!(reading.subject, "über over");
    assert_eq!(reading.date, Some(1_767_225_600));
    assert_eq!(reading.message_id.as_deref(), Some("1@example.org"));
    assert_eq!(reading.text.as_deref(), Some("one two\n"));
    let fields: Vec<_> =
        reading.header.iter().filter(|(name, _)| name == "X-A").map(|(_, value)| value.as_str()).collect();
    assert_eq!(fields, ["one", "two"]);
}

#[test]
fn oddities_are_noted() {
    assert_eq!(read(b"").notes, [Note::Unreadable]);
    let twice = read(b"From: a@b.example\r\nFrom: c@d.example\r\nSubject: x\r\n\r\ny\r\n");
    assert!(twice.notes.contains(&Note::DuplicateFields));
    assert_eq!(twice.from.len(), 2);
    let long = [&b"Subject: x\r\n\r\n"[..], &vec![b'x'; 2 << 20]].concat();
    let long = read(&long);
    assert!(long.notes.contains(&Note::TextCut));
    assert_eq!(long.text.map(|text| text.len()), Some(MAX_TEXT));
    let windows = read(b"Subject: x\r\nContent-Type: text/plain\r\n\r\nna\xefve \x80\r\n");
    assert_eq!(windows.text.as_deref().map(str::trim_end), Some("naïve €"));
}

/// Fields of a megabyte that make parsers look back again and again.
#[test]
fn hostile_fields_are_read_in_bounded_time() {
    let parameters: String = (0..60_000).map(|number| format!(";\r\n f*{number}=x")).collect();
    for field in [
        format!("From: {}", "(".repeat(1 << 20)),
        format!("From: {}", "\"".repeat(1 << 20)),
        format!("To: {}", "a:<b@c>,".repeat(1 << 17)),
        format!("Subject: {}", "=?utf-8?Q?".repeat(1 << 17)),
        format!("Subject: {}", "=?utf-8?B?YQ==?=\r\n ".repeat(1 << 16)),
        format!("References: {}", "<".repeat(1 << 20)),
        format!("Received: {}", "from (".repeat(1 << 17)),
        format!("Date: {}", "(1".repeat(1 << 19)),
        format!("Content-Type: text/html{parameters}"),
        format!("Content-Disposition: attachment{}", parameters.replace("f*", "filename*")),
    ] {
        let started = Instant::now();
        let reading = read(format!("{field}\r\n\r\nx\r\n").as_bytes());
        assert!(reading.from.len() <= 1000 && reading.subject.len() <= 8 << 10);
        let name = &field[..20];
        assert!(started.elapsed() < PATIENCE, "{name} took {:?}", started.elapsed());
    }
}

/// Messages inside of messages, a hundred thousand deep: neither reading nor dropping overflows.
#[test]
fn deep_messages_do_not_overflow_the_stack() {
    let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let reading = read(&deep);
    assert!(reading.attachments.len() <= 1);
    let deep: String = (0..20_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    let _ = read(deep.as_bytes());
}

#[test]
fn calendars_become_invitations() {
    let reading = read(&samples::edge_case("calendar-invite.eml"));
    assert_eq!(reading.invites.len(), 1);
    assert!(reading.attachments.iter().any(|one| one.kind == Kind::Calendar));
}

#[test]
fn every_sample_is_read_in_bounded_time() {
    for sample in samples::all() {
        let started = Instant::now();
        let reading = read(&sample.bytes);
        if let Some(html) = &reading.html {
            for remote in [Remote::Blocked, Remote::Allowed] {
                let cleaned = html.clean(remote);
                check(&cleaned, remote).unwrap_or_else(|why| panic!("{}: {why}", sample.name));
            }
            let _ = html.to_text();
        }
        let _ = reading.text.as_deref().map(text_to_html);
        for one in &reading.attachments {
            let (again, content) = attachment(&sample.bytes, one.number).expect("what is listed is there");
            assert_eq!(
                (again.name, again.octets),
                (one.name.clone(), content.len() as u64),
                "{}",
                sample.name
            );
        }
        assert!(started.elapsed() < PATIENCE, "{} took {:?}", sample.name, started.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_cleaned_is_harmless(html in garbage(), allowed in any::<bool>()) {
        let remote = if allowed { Remote::Allowed } else { Remote::Blocked };
        let cleaned = clean(html.as_bytes(), remote);
        prop_assert_eq!(check(&cleaned, remote), Ok(()), "{}", cleaned.document);
    }

    #[test]
    fn any_octets_are_read(octets in samples::garbage()) {
        let reading = read(&octets);
        for one in &reading.attachments {
            prop_assert!(attachment(&octets, one.number).is_some());
        }
        prop_assert_eq!(attachment(&octets, reading.attachments.len() + 1).is_none(), true);
    }
}

/// Pieces that sanitizers have stumbled over, in any order.
fn garbage() -> impl Strategy<Value = String> {
    let pieces = vec![
        "<svg>",
        "</svg>",
        "<math>",
        "</math>",
        "<mtext>",
        "<mglyph>",
        "<mi>",
        "<annotation-xml encoding=text/html>",
        "<foreignObject>",
        "<desc>",
        "<style>",
        "</style>",
        "<script>",
        "</script>",
        "<noscript>",
        "</noscript>",
        "<title>",
        "</title>",
        "<textarea>",
        "</textarea>",
        "<template>",
        "</template>",
        "<select>",
        "<option>",
        "</select>",
        "<table>",
        "</table>",
        "<td>",
        "<tr>",
        "<caption>",
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<a href=",
        "https://t.example/x",
        "//t.example",
        "javascript:alert(1)",
        "\"",
        "'",
        ">",
        "<",
        "<!--",
        "-->",
        "--!>",
        "<![CDATA[",
        "]]>",
        "<form>",
        "</form>",
        "<iframe>",
        "<xmp>",
        "<plaintext>",
        "<img src=",
        "<img title=\"",
        " onerror=alert(1)",
        " style=\"",
        "background:url(",
        "background:navy ",
        "<body bgcolor=#000 text=white>",
        "<base href='http://a.example/'>",
        "<font color=#fff>",
        "color:red;",
        ")",
        "&lt;",
        "&quot;",
        "&#x3c;",
        "\0",
        "`",
        "/",
        "=",
        " ",
        "\n",
        "x",
        "<div>",
        "</div>",
        "<font color=red>",
        "<center>",
        "<li>",
        "<body onload=x>",
        "<base href=",
        "cid:logo@example",
        "cid:0",
        "data:image/png;base64,iVBORw0KGgo=",
        "<pre>\n",
        "<nobr>",
        "<h1>",
        "</br>",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nan image";
/// UTF-7, UTF-16, ISO-2022-JP, overlong and broken UTF-8: no text, so it is no file.
const CHARSETS: &[u8] = b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-<meta charset=utf-7>\xff\xfe<\0s\0c\0r\0\
    \x1b$B<script>\x1b(Balert(2)</script> \xc0\xbcscript\xc0\xbe \xe0\x80\xbcb> \xa2<a title=\"\x81\">\
    <img src=x onerror=alert(1)>\">";
/// Attributes of single elements.
const HARMLESS: [&str; 19] = [
    "border",
    "bordercolor",
    "cellpadding",
    "cellspacing",
    "clear",
    "colspan",
    "face",
    "frame",
    "hspace",
    "noshade",
    "nowrap",
    "reversed",
    "rowspan",
    "rules",
    "scope",
    "size",
    "span",
    "start",
    "type",
];
/// A debug build on a busy machine; a release takes a fraction.
const PATIENCE: Duration = Duration::from_secs(20);

/// The owner is told why their phone shows a placeholder.
#[test]
fn bare_line_ends_are_named_as_the_reason() {
    let note =
        |octets: &str| read(octets.as_bytes()).notes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let whole = note("From: a@b.example\nSubject: x\n\ntext\n");
    assert!(
        whole
            .iter()
            .any(|note| note.contains("seal all of it") && note.contains("bare CR or LF in a header")),
        "{whole:?}"
    );
    let text = note("From: a@b.example\r\nSubject: x\r\n\r\none\ntwo\r\n");
    assert!(
        text.iter().any(|note| note.contains("seal that text") && note.contains("bare CR or LF in the text")),
        "{text:?}"
    );
    assert!(note("From: a@b.example\r\nSubject: x\r\n\r\none\r\n").is_empty());
}

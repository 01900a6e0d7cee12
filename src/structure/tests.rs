//! Laws of structures, on arbitrary octets, on garbage that looks like MIME, and on every sample.

use proptest::prelude::*;

use super::*;
use crate::message::samples;

/// Everything that must hold of the structure of any octets.
fn check(octets: &[u8]) {
    let structure = Structure::of(octets);
    let encoded = structure.encode();
    // What is decoded has been checked to be a tree whose parts lie inside each other.
    assert_eq!(Structure::decode(&encoded).as_ref(), Ok(&structure));
    assert_eq!(structure.size(), octets.len() as u64);
    assert!(structure.preview.chars().count() <= 200);
    check_node(&structure, octets, structure.root(), &mut Vec::new());
    let _ = (structure.thread_ids(), structure.header_block(octets).len());
    assert!(structure.texts(octets).count() <= structure.parts.len() * 2);
    let subject = structure.header_text(octets, "Subject").next().unwrap_or_default();
    let (base, _) = base_subject(&subject);
    assert_eq!(base_subject(&base).0, base, "the base of a base is itself");
}

/// Numbers find each part again.
fn check_node(structure: &Structure<'_>, octets: &[u8], node: Node<'_, '_>, path: &mut Vec<u32>) {
    let inside = if path.is_empty() { Some(node) } else { node.message() };
    match inside {
        Some(message) if !message.is_multipart() => {
            check_child(structure, octets, message, path, 1);
        }
        _ => {
            let multipart = inside.unwrap_or(node);
            for (number, child) in (1..).zip(multipart.children()) {
                check_child(structure, octets, child, path, number);
            }
        }
    }
}

fn check_child(
    structure: &Structure<'_>,
    octets: &[u8],
    child: Node<'_, '_>,
    path: &mut Vec<u32>,
    number: u32,
) {
    path.push(number);
    let section = structure.part(path).expect("a part has a number");
    assert_eq!(section.body, child.part().body());
    assert_eq!(section.mime, Some(child.part().header()));
    assert_eq!(section.message.is_some(), child.message().is_some());
    assert!(structure.binary(octets, path).is_some());
    if child.message().is_some() || child.is_multipart() {
        check_node(structure, octets, child, path);
    } else {
        path.push(1);
        assert_eq!(structure.part(path), None, "nothing is inside");
        path.pop();
    }
    path.pop();
}

proptest! {
    #[test]
    fn laws_hold_for_random_octets(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&octets);
    }

    #[test]
    fn laws_hold_for_mime_like_garbage(octets in samples::garbage()) {
        check(&octets);
    }

    #[test]
    fn foreign_octets_are_refused_or_fit(
        octets in samples::garbage(),
        at in any::<proptest::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut encoded = structure_of(&octets);
        let at = at.index(encoded.len());
        encoded[at] = octet;
        if let Ok(structure) = Structure::decode(&encoded) {
            // Ranges that lie elsewhere give other octets, and no panic.
            let _ = structure.texts(&octets).count();
            let _ = structure.binary(&octets, &[1]);
            let again = structure.encode();
            prop_assert_eq!(Structure::decode(&again), Ok(structure.clone()));
        }
        let _ = Structure::decode(&octets);
    }
}

#[test]
fn laws_hold_for_every_sample() {
    for sample in samples::all() {
        check(&sample.bytes);
    }
}

#[test]
fn typical_messages_have_small_structures() {
    let mut lengths: Vec<usize> = samples::edge().iter().map(|one| structure_of(&one.bytes).len()).collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] < 600, "median {}", lengths[lengths.len() / 2]);
}

#[test]
fn limits_hold() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(300);
    let deepest = Structure::of(nested.as_bytes()).parts.into_iter().map(|part| part.level).max();
    assert_eq!(deepest, Some(tree::MAX_DEPTH as u16));
    let many = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", "--x\r\n\r\n".repeat(3000));
    assert_eq!(Structure::of(many.as_bytes()).parts.len(), tree::MAX_PARTS);
    check(nested.as_bytes());
    check(many.as_bytes());
}

const NESTED: &[u8] = b"From: a@x.example\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\n\
Content-Type: text/plain\r\n\r\none\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?=C3=A4?=\r\n\
Content-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>html\
\r\n--i--\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nTo: b@x.example\r\n\r\nlast\r\n--o--\r\nepilogue\r\n";

/// RFC 9051 §6.4.5.1.
#[test]
fn sections_are_numbered_through_messages() {
    let structure = Structure::of(NESTED);
    let text = |span: Span| String::from_utf8_lossy(section::slice(NESTED, span)).into_owned();
    let body = |path: &[u32]| structure.part(path).map(|section| text(section.body));
    assert_eq!(body(&[]), Some(String::from_utf8_lossy(NESTED).into_owned()));
    assert_eq!(body(&[1]).as_deref(), Some("one"));
    assert_eq!(body(&[2, 1]).as_deref(), Some("plain"));
    assert_eq!(body(&[2, 2]).as_deref(), Some("<p>html"));
    assert_eq!(body(&[3]).as_deref(), Some("To: b@x.example\r\n\r\nlast"));
    assert_eq!(body(&[3, 1]).as_deref(), Some("last"));
    for missing in [&[0][..], &[4], &[1, 1], &[2, 3], &[2, 1, 1], &[3, 2], &[3, 1, 1]] {
        assert_eq!(body(missing), None, "{missing:?}");
    }
    let section = structure.part(&[2]).unwrap();
    assert_eq!(section.mime.map(text).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
    let (header, body) = section.message.unwrap();
    assert!(text(header).starts_with("Subject") && text(body).ends_with("--i--\r\n"));
    let mime = structure.part(&[2, 1]).unwrap().mime.unwrap();
    assert_eq!(text(mime), "\r\n");
}

#[test]
fn the_body_of_a_plain_message_is_part_one() {
    let octets = b"Subject: s\r\n\r\nbody\r\n";
    let structure = Structure::of(octets);
    let section = structure.part(&[1]).unwrap();
    assert_eq!((section.body, section.mime), (14..20, Some(0..14)));
    assert_eq!(structure.part(&[]).unwrap().message, Some((0..14, 14..20)));
    assert_eq!(structure.part(&[2]), None);
}

#[test]
fn searching_sees_texts_and_inner_headers() {
    let structure = Structure::of(NESTED);
    let texts: Vec<_> = structure.texts(NESTED).collect();
    for wanted in ["one", "plain", "html", "last", "Subject: ä\n", "To: b@x.example\n"] {
        assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}");
    }
    assert!(!texts.iter().any(|text| text.contains("epilogue") || text.contains("a@x.example")));
    assert_eq!(structure.header_text(NESTED, "from").collect::<Vec<_>>(), ["a@x.example"]);
    assert_eq!(structure.preview, "one");
}

#[test]
fn binary_undoes_transfer_encodings() {
    let octets = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nSGFsbG8=\r\n";
    let structure = Structure::of(octets);
    assert_eq!(structure.binary(octets, &[1]), Some(Ok(b"Hallo".to_vec())));
    assert_eq!(structure.binary(octets, &[]), Some(Ok(octets.to_vec())));
    assert_eq!(structure.binary(octets, &[2]), None);
    let octets = b"Content-Transfer-Encoding: x-uue\r\n\r\nbegin";
    assert_eq!(Structure::of(octets).binary(octets, &[1]), Some(Err(UnknownCte)));
}

#[test]
fn dates_have_the_day_of_the_sender() {
    let sent = |date: &str| Structure::of(format!("Date: {date}\r\n\r\n").as_bytes()).sent;
    let at = |unix, day| Some(SentDate { unix, day });
    assert_eq!(sent("Thu, 1 Jan 1970 00:30:00 +0100"), at(-1800, 0));
    assert_eq!(sent("Thu, 1 Jan 1970 23:30:00 -0100"), at(88_200, 0));
    assert_eq!(sent("Tue, 05 Mar 2024 06:14:00 GMT"), at(1_709_619_240, 19_787));
    assert_eq!(sent("yesterday"), None);
    assert_eq!(Structure::of(b"\r\n").sent, None);
}

#[test]
fn previews_are_of_the_first_text() {
    let preview = |octets: &[u8]| Structure::of(octets).preview.into_owned();
    let html = b"Content-Type: text/html\r\n\r\n<head><style>p{}</style></head><p>a&auml;<b>b</b>\r\n c</p>";
    assert_eq!(preview(html), "aäb c");
    let attached = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nfile";
    assert_eq!(preview(attached), "");
    let encoded = b"Content-Type: text/plain; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n=E4=\r\n=F6 x";
    assert_eq!(preview(encoded), "äö x");
    let forwarded = b"Content-Type: message/rfc822\r\n\r\n\r\ninner";
    assert_eq!(preview(forwarded), "");
}

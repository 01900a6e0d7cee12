//! Known answers: whole views of single messages.

use super::*;
use crate::message::samples;
use crate::plan::{Piece, plan};

const MIXED: &str = "From: \"Ann Lee\" <Ann@A.example>\r\nTo: bob@b.example\r\nSubject: =?utf-8?Q?Schl=C3=BCssel?=\r\n\
    Date: Thu, 07 Mar 2024 08:14:02 +0100 (CET)\r\nMessage-ID: <1@a.example>\r\nX-Secret: yes\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe key is 4111 1111 1111 1111.\r\n> quoted\r\nSecond.\r\n\
    --b\r\nContent-Type: application/pdf; name=bill.pdf\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment; filename=bill.pdf\r\n\r\nJVBERi0xLjQK\r\n--b--\r\nepilogue\r\n";

#[test]
fn a_view_that_shows_nothing() {
    assert_eq!(
        view(&nothing(), MIXED.as_bytes()),
        "From: \"Sealed sender\" <sealed@vault.example>\r\n\
         Date: Thu, 7 Mar 2024 00:00:00 +0000\r\n\
         Message-ID: <a4dqobyha4dqobyha4dqobyhay@vault.example>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Sealed. Unlock it to read it.\r\nhttps://vault.example/m/1\r\nblue heron\r\n"
            .replace("a4dqobyha4dqobyha4dqobyhay", &MessageId::from_bytes([7; 16]).to_string())
    );
}

#[test]
fn a_view_that_shows_header_and_text() {
    let view = view(&texts(), MIXED.as_bytes());
    assert_eq!(
        view,
        "From: \"Ann Lee\" <Ann@A.example>\r\nDate: Thu, 7 Mar 2024 08:14:02 +0100\r\nMessage-ID: <1@a.example>\r\n\
         To: <bob@b.example>\r\nSubject: =?utf-8?Q?Schl=C3=BCssel?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         The key is 4111 1111 1111 1111.\r\n> quoted\r\nSecond.\r\n"
    );
}

#[test]
fn an_excerpt_is_redacted_and_ends_in_the_placeholder() {
    let view = view(&excerpts(), MIXED.as_bytes());
    assert!(view.contains("The key is [card number].\r\nSecond.\r\n\r\nSealed."), "{view}");
    assert!(!view.contains("4111") && !view.contains("quoted\r\n") && !view.contains("bill"));
}

#[test]
fn a_clean_attachment_is_carried_by_reference() {
    let bytes = MIXED.as_bytes();
    let anatomy = dissect(bytes);
    let context = Context {
        message: MessageId::from_bytes([7; 16]),
        link: None,
        phrase: None,
        pseudonyms: &|_| String::new(),
        mail_domain: "vault.example",
        received: Timestamp::from_unix(0),
    };
    let composition = compose(&parts(), bytes, &anatomy, &context).unwrap();
    let ranges: Vec<_> = composition.shown_atoms().collect();
    assert_eq!(ranges.len(), 1);
    let atom = &anatomy.atoms()[ranges[0].start as usize];
    assert_eq!(&bytes[atom.span.clone()], b"JVBERi0xLjQK");
    let view = String::from_utf8(composition.render(bytes, &anatomy)).unwrap();
    assert!(view.contains("Content-Disposition: attachment;\r\n filename=\"bill.pdf\"\r\n"), "{view}");
    for hidden in ["preamble", "epilogue", "X-Secret", "CET", "--b\r\n"] {
        assert!(!view.contains(hidden), "{hidden}");
    }
    let reader = crate::names::ViewId::from_bytes([1; 16]);
    let plan = plan(&anatomy, vec![(reader, composition)]);
    assert_eq!(plan.strata().len(), 2);
    let piece = plan.views()[0].1.pieces.iter().find(|piece| matches!(piece, Piece::Atoms(_))).unwrap();
    assert_eq!(plan.spans(piece)[0].length, 12);
}

#[test]
fn pseudonyms_and_reveal_say_what_they_name() {
    let view = view(&pseudonymous(), MIXED.as_bytes());
    assert!(view.contains("Subject: Sealed message from a.example\r\n"), "{view}");
    assert!(view.contains("Sealed attachments: 1\r\n- bill.pdf, application/pdf, 1 kB\r\n"), "{view}");
    for hidden in ["ann", "Ann", "bob", "1@a.example", "4111", "Schl"] {
        assert!(!view.contains(hidden), "{hidden} in {view}");
    }
    let from = |view: &str| view.lines().find(|line| line.starts_with("From:")).map(str::to_owned);
    let reply =
        MIXED.replace("\"Ann Lee\" <Ann@A.example>", "ann@a.example").replace("Subject: ", "Subject: Re ");
    assert_eq!(from(&view), from(&super::view(&pseudonymous(), reply.as_bytes())));
}

#[test]
fn a_header_in_doubt_seals_the_message() {
    for name in [
        "bare-cr-in-header",
        "bare-lf-everywhere",
        "control-chars-in-header",
        "header-line-without-colon",
        "header-nul",
        "header-space-before-colon",
        "header-starts-with-continuation",
        "header-whitespace-only-line",
        "headers-2000",
        "mbox-from-line",
        "no-headers",
        "header-empty-name-and-odd-chars",
    ] {
        let view = view(&parts(), &samples::edge_case(&format!("{name}.eml")));
        assert!(view.contains("From: \"Sealed sender\" <sealed@vault.example>\r\n"), "{name}");
        assert!(view.contains("Subject: Sealed message\r\n") && view.contains("Sealed. Unlock"), "{name}");
        assert!(!view.contains("bakkerij"), "{name}: {view}");
    }
}

#[test]
fn a_structure_in_doubt_seals_the_body() {
    let mut shown = Vec::new();
    for name in [
        "boundary-prefix-of-inner",
        "boundary-same-at-two-levels",
        "content-type-comments",
        "cte-on-multipart",
        "duplicate-content-type",
        "epilogue-with-fake-part",
        "missing-final-boundary",
        "no-mime-version",
        "boundary-inside-text",
        "smime-opaque",
        "smime-signed-detached",
        "pgp-mime-encrypted",
        "pgp-mime-signed-protected-headers",
        "report-arf",
        "report-dsn-with-full-message",
        "report-mdn",
        "tnef-root",
        "message-partial",
        "uuencode-inline",
        "yenc-like",
        "html-declared-as-plain",
        "charset-utf7",
        "base64-garbage",
        "quoted-printable-broken",
        "nul-in-header-name-and-body",
    ] {
        let bytes = samples::edge_case(&format!("{name}.eml"));
        let view = view(&Rules { nested_depth: 3, ..texts() }, &bytes);
        if !view.contains("Sealed. Unlock") {
            shown.push(name);
        }
    }
    assert!(shown.is_empty(), "{shown:?}");
}

#[test]
fn a_field_in_doubt_is_left_out() {
    for (name, field) in [
        ("duplicate-subject", "Subject:"),
        ("duplicate-from", "bakkerij-noord.example>\r\nDate"),
        ("encoded-word-crlf-injection", "Bcc"),
        ("encoded-word-odd-forms", "Subject:"),
        ("encoded-word-split-multibyte", "Subject:"),
        ("eightbit-headers-latin1", "Subject:"),
    ] {
        let view = view(&headers(), &samples::edge_case(&format!("{name}.eml")));
        assert!(!view.contains(field), "{name}: {view}");
    }
}

#[test]
fn images_of_a_text_keep_their_place() {
    let bytes = samples::edge_case("html-cid-images.eml");
    let rules = Rules { parts: vec![part("image", "*")], ..texts() };
    let view = view(&rules, &bytes);
    assert!(view.contains("multipart/related"), "{view}");
    assert!(view.contains("src=3D\"cid:part0."), "{view}");
    let without = super::view(&texts(), &bytes);
    assert!(!without.contains("multipart") && !without.contains("cid:"), "{without}");
}

#[test]
fn remote_content_and_trackers_are_gone() {
    let view = view(&texts(), &samples::edge_case("html-remote-images-and-tracking.eml"));
    for remote in ["<img src", "src=3D", "background", "@import", "<script", "<link"] {
        assert!(!view.contains(remote), "{remote}: {view}");
    }
}

#[test]
fn nested_messages_obey_the_rules_to_their_depth() {
    let bytes = samples::edge_case("nested-rfc822-3-deep.eml");
    let count = |depth: u8| {
        let rules = Rules { nested_depth: depth, ..texts() };
        view(&rules, &bytes).matches("Content-Type: message/rfc822").count()
    };
    assert_eq!((count(0), count(1), count(2)), (0, 1, 2));
}

#[test]
fn calendars_are_shown_only_by_name() {
    let bytes = samples::edge_case("calendar-invite.eml");
    assert!(view(&parts(), &bytes).contains("text/calendar"));
    let wildcard = Rules { parts: vec![part("text", "*"), part("*", "*")], ..texts() };
    assert!(!view(&wildcard, &bytes).contains("text/calendar"));
}

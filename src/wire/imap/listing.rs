//! Envelopes and body structures (RFC 9051 §7.5.2) as octets, from a decoded [`Structure`].
//!
//! [`Structure`]: crate::structure::Structure

use super::text::{put_nstring, put_number, put_string};
use crate::structure::{Address, Disposition, Envelope, Node, Octets, Parameter, Part};

/// ENVELOPE's value.
pub fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope<'_>) {
    out.push(b'(');
    put_optional(out, envelope.date.as_ref());
    out.push(b' ');
    put_optional(out, envelope.subject.as_ref());
    let lists = [
        &envelope.from[..],
        envelope.sender(),
        envelope.reply_to(),
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        out.push(b' ');
        put_list(out, list, put_address);
    }
    out.push(b' ');
    put_optional(out, envelope.in_reply_to.as_ref());
    out.push(b' ');
    put_optional(out, envelope.message_id.as_ref());
    out.push(b')');
}

/// BODYSTRUCTURE's value, or with `extended` false BODY's.
pub fn put_body_structure(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    out.push(b'(');
    if node.is_multipart() {
        put_multipart(out, node, extended);
    } else {
        put_single(out, node, extended);
    }
    out.push(b')');
}

/// `1*body SP media-subtype [SP body-ext-mpart]`; a multipart that was decoded has parts.
fn put_multipart(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    let part = node.part();
    node.children().for_each(|child| put_body_structure(out, child, extended));
    out.push(b' ');
    put_string(out, &part.subtype.0);
    if extended {
        out.push(b' ');
        put_parameters(out, &part.parameters);
        put_extension(out, part);
    }
}

/// `(body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`.
fn put_single(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    let part = node.part();
    put_string(out, &part.kind.0);
    out.push(b' ');
    put_string(out, &part.subtype.0);
    out.push(b' ');
    put_parameters(out, &part.parameters);
    out.push(b' ');
    put_optional(out, part.id.as_ref());
    out.push(b' ');
    put_optional(out, part.description.as_ref());
    out.push(b' ');
    put_string(out, part.encoding.as_ref().map_or(b"7bit", |encoding| &encoding.0));
    out.push(b' ');
    put_number(out, part.body().end - part.body().start);
    if let (Some(envelope), Some(inner)) = (&part.envelope, node.message()) {
        out.push(b' ');
        put_envelope(out, envelope);
        out.push(b' ');
        put_body_structure(out, inner, extended);
    }
    if part.kind.is("text") || part.envelope.is_some() {
        out.push(b' ');
        put_number(out, part.lines);
    }
    if extended {
        out.push(b' ');
        put_optional(out, part.md5.as_ref());
        put_extension(out, part);
    }
}

/// Disposition, language, location, which both kinds of part end with.
fn put_extension(out: &mut Vec<u8>, part: &Part<'_>) {
    out.push(b' ');
    put_disposition(out, part.disposition.as_ref());
    out.push(b' ');
    put_languages(out, &part.language);
    out.push(b' ');
    put_optional(out, part.location.as_ref());
}

fn put_disposition(out: &mut Vec<u8>, disposition: Option<&Disposition<'_>>) {
    let Some(disposition) = disposition else { return put_nstring(out, None) };
    out.push(b'(');
    put_string(out, &disposition.kind.0);
    out.push(b' ');
    put_parameters(out, &disposition.parameters);
    out.push(b')');
}

fn put_languages(out: &mut Vec<u8>, tags: &[Octets<'_>]) {
    if tags.is_empty() {
        return put_nstring(out, None);
    }
    put_spaced(out, tags, |out, tag| put_string(out, &tag.0));
}

fn put_parameters(out: &mut Vec<u8>, parameters: &[Parameter<'_>]) {
    if parameters.is_empty() {
        return put_nstring(out, None);
    }
    put_spaced(out, parameters, |out, parameter| {
        put_string(out, &parameter.name.0);
        out.push(b' ');
        put_string(out, &parameter.value.0);
    });
}

fn put_address(out: &mut Vec<u8>, address: &Address<'_>) {
    put_spaced(out, &[&address.name, &address.route, &address.mailbox, &address.host], |out, text| {
        put_optional(out, text.as_ref());
    });
}

fn put_optional(out: &mut Vec<u8>, text: Option<&Octets<'_>>) {
    put_nstring(out, text.map(|text| &*text.0));
}

/// A list, or NIL for none; addresses stand without spaces between them.
fn put_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    if items.is_empty() {
        return put_nstring(out, None);
    }
    out.push(b'(');
    items.iter().for_each(|item| put(out, item));
    out.push(b')');
}

fn put_spaced<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'(');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put(out, item);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use imap_codec::ResponseCodec;
    use imap_codec::decode::Decoder;

    use super::*;
    use crate::message::samples;
    use crate::structure::Structure;

    fn listed(octets: &[u8]) -> (String, String) {
        let encoded = crate::structure::structure_of(octets);
        let structure = Structure::decode(&encoded).unwrap();
        let (mut envelope, mut body) = (Vec::new(), Vec::new());
        put_envelope(&mut envelope, &structure.envelope);
        put_body_structure(&mut body, structure.root(), true);
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        (text(envelope), text(body))
    }

    fn body(octets: &str) -> String {
        listed(octets.as_bytes()).1
    }

    /// Another reader of the grammar takes it as what it is, to the last octet.
    #[test]
    fn every_sample_is_within_the_grammar() {
        for sample in samples::all() {
            let encoded = crate::structure::structure_of(&sample.bytes);
            let structure = Structure::decode(&encoded).unwrap();
            for extended in [false, true] {
                let mut out = b"* 1 FETCH (ENVELOPE ".to_vec();
                put_envelope(&mut out, &structure.envelope);
                out.extend_from_slice(if extended { b" BODYSTRUCTURE " } else { b" BODY " });
                put_body_structure(&mut out, structure.root(), extended);
                out.extend_from_slice(b")\r\n");
                if depth(&structure) > CODEC_DEPTH {
                    continue;
                }
                match ResponseCodec::new().decode(&out) {
                    Ok((rest, _)) => assert!(rest.is_empty(), "{}", sample.name),
                    Err(error) => panic!("{}: {error:?}\n{}", sample.name, String::from_utf8_lossy(&out)),
                }
            }
        }
    }

    /// Levels of parts.
    fn depth(structure: &Structure<'_>) -> usize {
        fn below(node: Node<'_, '_>) -> usize {
            1 + node.children().map(below).max().unwrap_or(0)
        }
        below(structure.root())
    }

    /// What imap-codec goes down to.
    const CODEC_DEPTH: usize = 7;

    /// RFC 3501 §7.4.2 and RFC 9051 §7.5.2.
    #[test]
    fn the_example_of_the_specification() {
        let octets =
            b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\
            Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nminutes\r\n";
        let (envelope, body) = listed(octets);
        let gray = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        let expected = format!(
            r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" {gray} {gray} {gray} ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>")"#
        );
        assert_eq!(envelope, expected);
        assert_eq!(body, r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 9 1 NIL NIL NIL NIL)"#);
    }

    #[test]
    fn single_parts() {
        let ascii = r#""text" "plain" ("charset" "us-ascii") NIL NIL"#;
        for (octets, expected) in [
            ("", format!(r#"({ascii} "7bit" 0 0 NIL NIL NIL NIL)"#)),
            ("\r\n", format!(r#"({ascii} "7bit" 0 0 NIL NIL NIL NIL)"#)),
            ("no header at all", format!(r#"({ascii} "7bit" 0 0 NIL NIL NIL NIL)"#)),
            ("Subject: s\r\n", format!(r#"({ascii} "7bit" 0 0 NIL NIL NIL NIL)"#)),
            ("Subject: s\n\na\nb\n", format!(r#"({ascii} "7bit" 4 2 NIL NIL NIL NIL)"#)),
            ("\r\na\r\nb", format!(r#"({ascii} "7bit" 4 1 NIL NIL NIL NIL)"#)),
            ("Content-Type: text\r\n\r\n", format!(r#"({ascii} "7bit" 0 0 NIL NIL NIL NIL)"#)),
            ("Content-Type: ;x\r\n\r\na", r#"("application" "octet-stream" NIL NIL NIL "7bit" 1 NIL NIL NIL NIL)"#.into()),
            (
                "Content-Type: image/png (a picture);\r\n name=\"a \\\"b\\\".png\"\r\nContent-Transfer-Encoding: BASE64\r\n\
                 Content-ID: <i@x>\r\nContent-Description: two\r\n words\r\nContent-MD5: Q2hlY2s=\r\n\
                 Content-Disposition: attachment; filename=b.png; size=4\r\nContent-Language: de, en\r\n\
                 Content-Location: https://x.example/b.png\r\n\r\nAAAA",
                r#"("image" "png" ("name" "a \"b\".png") "<i@x>" "two words" "BASE64" 4 "Q2hlY2s=" ("attachment" ("filename" "b.png" "size" "4")) ("de" "en") "https://x.example/b.png")"#.into(),
            ),
            (
                "Content-Type: application/pdf; name*=utf-8''%C3%A4.pdf\r\n\
                 Content-Disposition: inline; filename*1*=b%20; filename*0*=utf-8'en'a; x=y; filename*2=c\r\n\r\n",
                r#"("application" "pdf" ("name*" "utf-8''%C3%A4.pdf") NIL NIL "7bit" 0 NIL ("inline" ("x" "y" "filename*" "utf-8'en'ab%20c")) NIL NIL)"#.into(),
            ),
            (
                "Content-Type: text/html; charset=utf-8; junk; x=\r\nContent-Transfer-Encoding: quoted-printable;\r\n\r\n",
                r#"("text" "html" ("charset" "utf-8" "x" "") NIL NIL "quoted-printable" 0 0 NIL NIL NIL NIL)"#.into(),
            ),
            (
                "Content-Type: text/html\r\nContent-Type: text/plain\r\nContent-Disposition: inline\r\n\
                 Content-Disposition: attachment\r\n\r\n",
                r#"("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL ("attachment" NIL) NIL NIL)"#.into(),
            ),
        ] {
            assert_eq!(body(octets), expected, "{octets}");
        }
    }

    #[test]
    fn what_has_no_definite_reading_is_opaque() {
        let opaque = r#"("application" "octet-stream" NIL NIL NIL"#;
        for head in [
            "Content-Type: multipart/mixed",
            "Content-Type: multipart/mixed; boundary=\"\"",
            "Content-Type: multipart/mixed; boundary*=utf-8''x",
        ] {
            let found = body(&format!("{head}\r\n\r\n--x\r\n\r\na\r\n--x--\r\n"));
            assert_eq!(found, format!("{opaque} \"7bit\" 17 NIL NIL NIL NIL)"), "{head}");
        }
        let found = body("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA");
        assert_eq!(found, format!("{opaque} \"base64\" 4 NIL NIL NIL NIL)"));
    }

    #[test]
    fn multiparts_and_messages() {
        let mixed = |inner: &str| format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{inner}");
        let text = |octets, lines| {
            format!(
                r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" {octets} {lines} NIL NIL NIL NIL)"#
            )
        };
        let end = r#" "mixed" ("boundary" "x") NIL NIL NIL)"#;
        let none = r#"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"#;
        for (inner, expected) in [
            ("", text(0, 0)),
            ("--x--\r\n", text(0, 0)),
            ("pre\r\n--x\r\n\r\na\r\n--x--\r\nepi", text(1, 0)),
            ("--x\r\n\r\na\r\n\r\n--x\r\n\r\nb", text(3, 1) + &text(1, 0)),
            ("--x\n\na\n--x--\n", text(1, 0)),
            ("--x\r\n\r\n--x\r\nSubject: s\r\n--x--", text(0, 0) + &text(0, 0)),
            ("--x \t\r\n\r\na\r\n--xy\r\n\r\nb", text(1, 0) + &text(1, 0)),
            (
                "--x\r\nContent-Type: MESSAGE/RFC822\r\n\r\n\r\nhi\r\n--x--",
                format!(
                    r#"("message" "rfc822" NIL NIL NIL "7bit" 4 {none} {} 1 NIL NIL NIL NIL)"#,
                    text(2, 0)
                ),
            ),
            (
                "--x\r\nContent-Type: multipart/alternative; boundary=xy\r\n\r\n--xy\r\n\r\na\r\n--xy--\r\n--x\r\n\r\nb\r\n--x--",
                format!(r#"({} "alternative" ("boundary" "xy") NIL NIL NIL)"#, text(1, 0)) + &text(1, 0),
            ),
        ] {
            assert_eq!(body(&mixed(inner)), format!("({expected}{end}"), "{inner}");
        }
        let digest = body(
            "Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: s\r\n\r\nhi\r\n--x--",
        );
        assert!(digest.starts_with(r#"(("message" "rfc822" NIL NIL NIL "7bit" 16 (NIL "s" NIL"#), "{digest}");
    }

    #[test]
    fn envelopes() {
        for (header, expected) in [
            (
                "To: G: a@x.example;, b@x.example\r\nSender: c@x.example\r\nIn-Reply-To: <1@x>\r\n <2@x>\r\n",
                r#"(NIL NIL NIL ((NIL NIL "c" "x.example")) NIL ((NIL NIL "G" NIL)(NIL NIL "a" "x.example")(NIL NIL NIL NIL)(NIL NIL "b" "x.example")) NIL NIL "<1@x> <2@x>" NIL)"#,
            ),
            (
                "From: a@x.example\r\nFrom: b@x.example\r\nSubject: one\r\nSubject:\r\nReply-To:\r\n",
                r#"(NIL "" ((NIL NIL "a" "x.example")(NIL NIL "b" "x.example")) ((NIL NIL "a" "x.example")(NIL NIL "b" "x.example")) ((NIL NIL "a" "x.example")(NIL NIL "b" "x.example")) NIL NIL NIL NIL NIL)"#,
            ),
            ("Subject: gr\u{fc}n\r\n", "(NIL {5}\r\ngr\u{fc}n NIL NIL NIL NIL NIL NIL NIL NIL)"),
            ("Subject : spaced\r\n", r#"(NIL "spaced" NIL NIL NIL NIL NIL NIL NIL NIL)"#),
            ("Subject\r\n : no field\r\n", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        ] {
            assert_eq!(listed(format!("{header}\r\n").as_bytes()).0, expected, "{header}");
        }
    }
}

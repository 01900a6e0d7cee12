//! Law 2: messages that differ only in what is hidden give byte-identical views.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A message in its pieces; every text is legal for its place.
#[derive(Clone, Debug)]
struct Spec {
    from: String,
    subject: String,
    hidden_fields: Vec<(String, String)>,
    text: String,
    html: String,
    attachments: Vec<(String, Vec<u8>)>,
    preamble: String,
}

fn spec() -> impl Strategy<Value = Spec> {
    let word = "[a-z0-9 .,-]{0,40}";
    let field = ("X-[A-Z][a-z]{1,8}", word);
    let attachment = ("[a-z]{1,12}\\.(pdf|txt)", vec(any::<u8>(), 0..200));
    (
        "[a-z]{1,8}@[a-z]{1,8}\\.example",
        word,
        vec(field, 0..4),
        vec("[a-zäöü0-9 .,-]{0,60}", 0..6),
        "[a-z ]{0,60}",
        vec(attachment, 0..4),
        word,
    )
        .prop_map(|(from, subject, hidden_fields, text, html, attachments, preamble)| Spec {
            from,
            subject,
            hidden_fields,
            text: text.join("\r\n"),
            html,
            attachments,
            preamble,
        })
}

impl Spec {
    fn message(&self) -> Vec<u8> {
        let mut out = format!("From: {}\r\nSubject: {}\r\n", self.from, self.subject);
        for (name, value) in &self.hidden_fields {
            out += &format!("{name}: {value}\r\n");
        }
        out += "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n";
        out += &format!(
            "{}\r\n--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n",
            self.preamble
        );
        let head = "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
        out += &format!("--inner\r\nContent-Type: text/plain; {head}{}\r\n", self.text);
        out += &format!("--inner\r\nContent-Type: text/html; {head}<p>{}</p>\r\n--inner--\r\n", self.html);
        for (name, content) in &self.attachments {
            let body = String::from_utf8(super::super::encode::base64_body(content)).unwrap();
            out += &format!(
                "--outer\r\nContent-Type: application/x-secret\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{body}\r\n"
            );
        }
        out += "--outer--\r\n";
        out.into_bytes()
    }
}

proptest! {
    #[test]
    fn what_is_hidden_has_no_influence(one in spec(), other in spec()) {
        // Only placeholder and fixed fields.
        prop_assert_eq!(render(&nothing(), &one.message()), render(&nothing(), &other.message()));

        // The header is shown, all else is hidden.
        let same_header = Spec { from: one.from.clone(), subject: one.subject.clone(), ..other.clone() };
        prop_assert_eq!(render(&headers(), &one.message()), render(&headers(), &same_header.message()));

        // Header and texts are shown; attachments, other fields and glue are hidden.
        let same_texts = Spec { text: one.text.clone(), html: one.html.clone(), ..same_header };
        for rules in [texts(), excerpts()] {
            prop_assert_eq!(render(&rules, &one.message()), render(&rules, &same_texts.message()));
        }

        // Parts are shown, but not of this type.
        let images = Rules { parts: vec![part("image", "*")], nested_depth: 2, ..texts() };
        prop_assert_eq!(render(&images, &one.message()), render(&images, &same_texts.message()));
    }

    #[test]
    fn what_is_shown_is_shown(one in spec()) {
        let view = render(&parts(), &one.message()).unwrap();
        let anatomy = crate::message::dissect(&view);
        let attachments = anatomy.parts().iter().filter(|part| part.file_name.is_some()).count();
        // A random content can carry the signature of another type, and is hidden then.
        prop_assert!(attachments <= one.attachments.len());
        prop_assert!(one.attachments.iter().any(|(_, content)| content.len() < 2) || attachments > 0 || one.attachments.len() < 4);
    }
}

//! Which header fields a policy may show or make up.
//!
//! A view's MIME structure is composed afresh, so no field that describes the structure can come
//! from a policy; nor can a template make up a field that programs, not people, read (RFC 5322 §3.6).

use super::model::Aspect;
use super::template::{is_address_field, is_field_name, split_aspect};
use crate::readable::did_you_mean;

/// Reads an entry of `headers.show`: the field's name in its usual spelling and how much of it.
pub(super) fn parse_shown(text: &str) -> Result<(String, Aspect), String> {
    if !is_field_name(text) {
        return Err(BAD_NAME.to_owned());
    }
    if is_structural(text) {
        return Err(format!(
            "`{text}` cannot be shown: views are composed afresh, with MIME fields of their own"
        ));
    }
    let (name, aspect) = split_aspect(text);
    let address = is_address_field(&name.to_ascii_lowercase());
    match aspect {
        Some(aspect) if address || aspect == Aspect::Whole => Ok((usual_spelling(name), aspect)),
        Some(_) => Err(format!(
            "`{name}` is no address field, so it has no .domain, .name or .address; write \"{name}\""
        )),
        None if address => Err(format!("`{text}` is unknown; write \"{name}\"{}", aspects(text, name))),
        // A dot is a letter like any other in a field's name.
        None => Ok((usual_spelling(text), Aspect::Whole)),
    }
}

/// Checks the name of a field to make up and gives its usual spelling.
pub(super) fn parse_rewritten(name: &str) -> Result<String, String> {
    if !is_field_name(name) {
        return Err(BAD_NAME.to_owned());
    }
    if is_structural(name) {
        return Err(format!(
            "`{name}` cannot be made up: views are composed afresh, with MIME fields of their own"
        ));
    }
    let lower = name.to_ascii_lowercase();
    if is_address_field(&lower) || is_machine_field(&lower) {
        return Err(format!(
            "`{name}` cannot be made up: mail programs act on it; show it, or use [pseudonyms], or make up Subject"
        ));
    }
    Ok(usual_spelling(name))
}

/// The name as RFCs write it, if they do; else as it stands.
pub(super) fn usual_spelling(name: &str) -> String {
    USUAL
        .iter()
        .find(|usual| usual.eq_ignore_ascii_case(name))
        .map_or_else(|| name.to_owned(), |usual| (*usual).to_owned())
}

fn aspects(text: &str, name: &str) -> String {
    let known = ["domain", "name", "address"].map(|aspect| format!("{name}.{aspect}"));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match did_you_mean(text, &known) {
        Some(meant) => format!(" or \"{meant}\""),
        None => format!(", \"{}\"", known.join("\", \"")),
    }
}

/// RFC 2045 §3: the fields that say how a message is made.
fn is_structural(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("content-") || lower == "mime-version"
}

/// Fields with a grammar that programs rely on, or that claim what only a server knows.
fn is_machine_field(lower: &str) -> bool {
    ["arc-", "dkim-", "list-", "received", "resent-", "auto-", "disposition-", "x-veilpost-", "veilpost-"]
        .iter()
        .any(|start| lower.starts_with(start))
        || MACHINE.contains(&lower)
}

const BAD_NAME: &str =
    "a header field's name has 1 to 100 printable ASCII characters without `:`, `{` and `}`";

const MACHINE: [&str; 14] = [
    "authentication-results",
    "date",
    "delivered-to",
    "domainkey-signature",
    "envelope-to",
    "feedback-id",
    "importance",
    "in-reply-to",
    "message-id",
    "precedence",
    "references",
    "return-path",
    "return-receipt-to",
    "x-original-to",
];

const USUAL: [&str; 37] = [
    "ARC-Authentication-Results",
    "ARC-Message-Signature",
    "ARC-Seal",
    "Authentication-Results",
    "Auto-Submitted",
    "Bcc",
    "Cc",
    "Comments",
    "DKIM-Signature",
    "Date",
    "Delivered-To",
    "From",
    "Importance",
    "In-Reply-To",
    "Keywords",
    "List-Archive",
    "List-Help",
    "List-Id",
    "List-Owner",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Message-ID",
    "Organization",
    "Precedence",
    "Received",
    "References",
    "Reply-To",
    "Resent-From",
    "Resent-To",
    "Return-Path",
    "Sender",
    "Subject",
    "To",
    "User-Agent",
    "X-Mailer",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_usual_spelling() {
        assert_eq!(parse_shown("message-id"), Ok(("Message-ID".into(), Aspect::Whole)));
        assert_eq!(parse_shown("FROM.domain"), Ok(("From".into(), Aspect::Domain)));
        assert_eq!(parse_shown("reply-to.name"), Ok(("Reply-To".into(), Aspect::Name)));
        assert_eq!(parse_shown("X-Case.Number"), Ok(("X-Case.Number".into(), Aspect::Whole)));
        assert_eq!(parse_rewritten("subject"), Ok("Subject".into()));
    }

    #[test]
    fn fields_that_would_break_a_view_are_refused() {
        for name in ["Content-Type", "content-disposition", "MIME-Version", "Content-Foo.name"] {
            assert!(parse_shown(name).unwrap_err().contains("composed afresh"), "{name}");
            assert!(parse_rewritten(name).unwrap_err().contains("composed afresh"), "{name}");
        }
        for name in [
            "From",
            "reply-to",
            "Date",
            "Message-ID",
            "Received",
            "ARC-Seal",
            "Resent-Date",
            "List-Unsubscribe",
        ] {
            assert!(parse_rewritten(name).unwrap_err().contains("mail programs act on it"), "{name}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", "Sub ject", "Subject:", "Subject\r\nX", "Betreff\u{e4}", "a{b}", &"x".repeat(101)] {
            assert_eq!(parse_shown(name), Err(BAD_NAME.into()), "{name}");
            assert_eq!(parse_rewritten(name), Err(BAD_NAME.into()), "{name}");
        }
        assert!(parse_shown("From.domian").unwrap_err().contains("\"From.domain\""));
        assert!(parse_shown("Subject.domain").unwrap_err().contains("no address field"));
    }
}

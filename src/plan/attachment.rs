//! Attachments and other parts under the part rules.
//!
//! Decided before the texts are composed, because HTML refers to images by Content-ID. A part is
//! shown only if a rule shows it, its declared and sniffed types agree, and a second parser decodes
//! it alike. Strictly clean base64 is carried as it is, under fresh fields; all else is encoded anew.

use super::compose::Composer;
use super::encode;
use super::node::{Body, Node};
use crate::message::content_type::Media;
use crate::message::second_reading::Reading;
use crate::message::{Content, DispositionKind, Part, PartId, TransferEncoding, sniff, text};
use crate::policy::{Disposition, PartRule};
use std::collections::BTreeMap;

/// The parts that the rules show, ready to be placed.
#[derive(Default)]
pub(super) struct Attachments {
    shown: BTreeMap<PartId, Node>,
    /// Old Content-IDs of shown parts and their new ones.
    content_ids: BTreeMap<String, String>,
    /// Parts that are attachments and hidden.
    hidden: Vec<PartId>,
}

impl Attachments {
    /// Takes a shown part out.
    pub(super) fn take(&mut self, part: PartId) -> Option<Node> {
        self.shown.remove(&part)
    }

    pub(super) fn content_ids(&self) -> &BTreeMap<String, String> {
        &self.content_ids
    }
}

impl Composer<'_> {
    /// Decides about every leaf that is no text of the message.
    pub(super) fn decide_attachments(&self) -> Attachments {
        let mut attachments = Attachments::default();
        for part in self.open_leaves() {
            let own = self.anatomy.part(part);
            if own.is_body_text() && (own.media.is("text", "plain") || own.media.is("text", "html")) {
                continue;
            }
            // Numbered by what is shown, so that hidden parts leave no gap.
            let id = format!(
                "part{}.{}@{}",
                attachments.shown.len(),
                self.context.message,
                self.context.mail_domain
            );
            let Some(node) = self.attachment(part, &id) else {
                attachments.hidden.push(part);
                continue;
            };
            attachments.shown.insert(part, node);
            if let Some(old) = &own.content_id {
                attachments.content_ids.entry(old.clone()).or_insert(id);
            }
        }
        attachments
    }

    /// How many attachments are hidden.
    pub(super) fn hidden_count(&self) -> usize {
        self.attachments.hidden.len()
    }

    /// What the rules reveal of hidden attachments, if anything.
    pub(super) fn revealed(&self) -> Option<String> {
        let reveal = self.rules.reveal;
        let hidden = &self.attachments.hidden;
        let each = reveal.names || reveal.sizes || reveal.types;
        if hidden.is_empty() || !(reveal.count || each) {
            return None;
        }
        let mut lines = vec!["Sealed attachments:".to_owned()];
        if reveal.count {
            lines = vec![format!("Sealed attachments: {}", hidden.len())];
        }
        if each {
            lines.extend(hidden.iter().map(|part| format!("- {}", self.described(*part))));
        }
        Some(lines.join("\n"))
    }

    fn described(&self, part: PartId) -> String {
        let (own, reveal) = (self.anatomy.part(part), self.rules.reveal);
        let mut words = Vec::new();
        if reveal.names {
            words.push(
                own.file_name.as_deref().map_or("without a name".to_owned(), |name| self.redacted(name)),
            );
        }
        if reveal.types {
            words.push(format!("{}/{}", own.media.kind, own.media.subtype));
        }
        if reveal.sizes {
            words.push(format!("{} kB", self.octets(part).unwrap_or(0).div_ceil(KILOBYTE)));
        }
        words.join(", ")
    }

    /// A part that a rule shows and that is beyond doubt.
    fn attachment(&self, part: PartId, id: &str) -> Option<Node> {
        let own = self.anatomy.part(part);
        if !self.rules_show(part) {
            return None;
        }
        let content = text::content(self.bytes, self.anatomy, part).ok()?;
        if !sniff::agrees(&own.media, &content) {
            return None;
        }
        let fields = self.fields(own, id);
        if own.media.kind == "text" {
            return self.text_attachment(part, &fields);
        }
        if !self.second_agrees(part, Reading::Bytes(&content)) {
            return None;
        }
        let body = match self.anatomy.body_atom(part) {
            Some(atom) if own.encoding == TransferEncoding::Base64 => Body::Atom(atom),
            _ => Body::Encoded(encode::base64_body(&content)),
        };
        let media = format!("{}/{}", own.media.kind, own.media.subtype);
        Some(Node::Leaf {
            head: format!("Content-Type: {media}\r\nContent-Transfer-Encoding: base64\r\n{fields}"),
            body,
        })
    }

    /// Whether the first rule that matches a part shows it, were it beyond doubt.
    pub(super) fn rules_show(&self, part: PartId) -> bool {
        let media = &self.anatomy.part(part).media;
        let rule = self.rules.parts.iter().find(|rule| self.fits(rule, part));
        rule.is_some_and(|rule| rule.show && !is_structure(media) && is_named_enough(rule, media))
    }

    /// Texts are decoded and redacted like every shown text.
    fn text_attachment(&self, part: PartId, fields: &str) -> Option<Node> {
        let media = &self.anatomy.part(part).media;
        let text = self.redacted(&self.clear_text(part)?);
        match media.subtype.as_str() {
            "html" => {
                let clean = super::html::sanitized(&text, &BTreeMap::new());
                let clean = super::html::redacted(&clean, &self.rules.redact)?;
                Some(Node::text_with("text/html", &clean, fields))
            }
            "calendar" => {
                let method = is_calendar(&text).then(|| calendar_method(media))?;
                Some(Node::text_with(&format!("text/calendar{method}"), &text, fields))
            }
            subtype => Some(Node::text_with(&format!("text/{subtype}"), &text, fields)),
        }
    }

    /// Fresh Content-Disposition and Content-ID fields.
    fn fields(&self, own: &Part, id: &str) -> String {
        // An invitation among alternatives has no disposition, and must not get one.
        let kind = match own.disposition {
            Some(DispositionKind::Inline) => "inline",
            None if own.file_name.is_none() => "",
            _ => "attachment",
        };
        let name = own.file_name.as_deref().map(|name| shortened(&self.redacted(name)));
        let name = name.map(|name| encode::parameter("filename", &name)).unwrap_or_default();
        let id = own.content_id.as_ref().map(|_| format!("Content-ID: <{id}>\r\n")).unwrap_or_default();
        if kind.is_empty() { id } else { format!("Content-Disposition: {kind}{name}\r\n{id}") }
    }

    fn fits(&self, rule: &PartRule, part: PartId) -> bool {
        let own = self.anatomy.part(part);
        let names = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let disposition = match own.disposition {
            Some(DispositionKind::Inline) => Disposition::Inline,
            _ => Disposition::Attachment,
        };
        names(&rule.media.0, &own.media.kind)
            && names(&rule.media.1, &own.media.subtype)
            && rule.disposition.is_none_or(|wanted| wanted == disposition)
            && rule.max_octets.is_none_or(|limit| self.octets(part).is_some_and(|octets| octets <= limit))
    }

    /// The decoded size of a leaf, or the size of a message that stays closed.
    fn octets(&self, part: PartId) -> Option<u64> {
        if let Content::Message(_) = self.anatomy.part(part).content {
            return Some(self.anatomy.size_inside(part) as u64);
        }
        text::content(self.bytes, self.anatomy, part).ok().map(|content| content.len() as u64)
    }
}

/// Types that carry messages or header fields: never shown as they are.
fn is_structure(media: &Media) -> bool {
    matches!(media.kind.as_str(), "message" | "multipart")
        || (media.kind == "text" && media.subtype.starts_with("rfc822"))
        || media.is("application", "mbox")
}

/// Types that hold more than they seem must be named exactly; a wildcard does not reach them.
fn is_named_enough(rule: &PartRule, media: &Media) -> bool {
    let exact = rule.media.0 != "*" && rule.media.1 != "*";
    let subtype = media.subtype.as_str();
    let opaque = subtype.contains("pkcs7") || subtype.starts_with("pgp") || subtype.contains("tnef");
    let active =
        ["calendar", "ics", "x-amp-html", "vcard", "x-vcard", "directory", "html", "svg+xml", "xhtml+xml"];
    exact || !(opaque || active.contains(&subtype))
}

/// The outer form of RFC 5545 §3.4: one VCALENDAR around everything, components properly nested.
fn is_calendar(text: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut calendars = 0;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("BEGIN:") {
            if open.is_empty() && (name != "VCALENDAR" || calendars > 0) || open.len() == MAX_COMPONENTS {
                return false;
            }
            calendars += usize::from(open.is_empty());
            open.push(name);
        } else if let Some(name) = line.strip_prefix("END:") {
            if open.pop() != Some(name) {
                return false;
            }
        } else if open.is_empty() {
            return false;
        }
    }
    calendars == 1 && open.is_empty()
}

/// The method parameter, if it is one of RFC 5546 §1.4.
fn calendar_method(media: &Media) -> String {
    let method = media.parameter("method").unwrap_or_default().to_ascii_uppercase();
    let known = ["PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"];
    if known.contains(&method.as_str()) { format!("; method={method}") } else { String::new() }
}

/// At most 120 characters of a name, its end kept for the extension.
fn shortened(name: &str) -> String {
    let excess = name.chars().count().saturating_sub(MAX_NAME);
    name.chars().skip(excess).collect()
}

/// Components inside each other in a calendar.
const MAX_COMPONENTS: usize = 8;
/// Characters of a file name.
const MAX_NAME: usize = 120;
const KILOBYTE: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_are_one_nested_whole() {
        assert!(is_calendar("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\nEND:VCALENDAR\n"));
        for text in [
            "",
            "hello",
            "BEGIN:VCALENDAR\n",
            "BEGIN:VCALENDAR\nEND:VCALENDAR\ntail",
            "BEGIN:VEVENT\nEND:VEVENT",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\nEND:VEVENT",
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR",
        ] {
            assert!(!is_calendar(text), "{text:?}");
        }
    }

    #[test]
    fn wildcards_do_not_reach_types_that_hold_more() {
        let rule = |kind: &str, subtype: &str| PartRule {
            media: (kind.to_owned(), subtype.to_owned()),
            disposition: None,
            max_octets: None,
            show: true,
        };
        let calendar = Media::new("text", "calendar");
        assert!(!is_named_enough(&rule("text", "*"), &calendar));
        assert!(is_named_enough(&rule("text", "calendar"), &calendar));
        assert!(is_named_enough(&rule("*", "*"), &Media::new("image", "png")));
        assert!(!is_named_enough(&rule("*", "*"), &Media::new("application", "ms-tnef")));
        assert!(is_structure(&Media::new("message", "delivery-status")));
        assert!(is_structure(&Media::new("text", "rfc822-headers")));
    }
}

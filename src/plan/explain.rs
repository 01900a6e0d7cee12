//! What becomes of each atom in a view, and why: for people who write a policy.
//!
//! Asks the composer itself which leaves it placed, and follows its order for header fields; so an
//! explanation and a view cannot drift apart unseen: tests change every atom that is called sealed
//! and compare the views (law 2). Knows no terminal, and holds nothing of the message.

use super::compose::{Composer, Context, ROOT};
use super::headers::{is_address_field, is_mime};
use crate::message::header::{self, HeaderError};
use crate::message::second_reading::Reading;
use crate::message::{Anatomy, Anomaly, AtomKind, Content, Field, PartId, sniff, text};
use crate::policy::template::Variable;
use crate::policy::{Aspect, Duplicates, HeaderRule, HtmlMask, Presence, Rules, TextMask};
use std::fmt;

/// What becomes of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the view, in this form.
    Shown(Form),
    /// It is not, for this reason.
    Sealed(Reason),
}

/// In which form an atom is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Byte for byte, as part of the original.
    Original,
    /// Decoded, redacted where the rules say so, and encoded anew.
    Anew,
    /// Only a part of an address field, or the whole field, in a template.
    InTemplate(Aspect),
    /// As a stable token.
    Token,
    /// Its first lines.
    Excerpt,
    /// HTML, cleaned.
    Cleaned,
    /// HTML, as text.
    AsText,
    /// As a file.
    File,
}

/// Why an atom is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The rules do not show it.
    Policy,
    /// Delimiters, glue, blank lines, MIME fields: a view has its own.
    Structure,
    /// It is in doubt.
    Anomaly(Anomaly),
    /// The field's value is in doubt.
    Value(HeaderError),
}

/// The fate of every atom, in message order.
pub fn explain(rules: &Rules, bytes: &[u8], anatomy: &Anatomy, context: &Context) -> Vec<Fate> {
    let all = |fate| vec![fate; anatomy.atoms().len()];
    match rules.presence {
        Presence::Original => all(Fate::Shown(Form::Original)),
        Presence::Absent => all(Fate::Sealed(Reason::Policy)),
        Presence::Masked => match anatomy.root().anomalies.iter().find(|_| anatomy.is_sealed()) {
            Some(anomaly) => all(Fate::Sealed(Reason::Anomaly(anomaly))),
            None => Explainer::new(rules, bytes, anatomy, context).explain(),
        },
    }
}

struct Explainer<'a> {
    composer: Composer<'a>,
    fates: Vec<Fate>,
}

impl<'a> Explainer<'a> {
    fn new(rules: &'a Rules, bytes: &'a [u8], anatomy: &'a Anatomy, context: &'a Context<'a>) -> Self {
        let mut composer = Composer::new(rules, bytes, anatomy, context);
        // The view's tree itself is not needed, only what went into it.
        let _tree = composer.node(ROOT, 0);
        Self { composer, fates: vec![Fate::Sealed(Reason::Structure); anatomy.atoms().len()] }
    }

    fn explain(mut self) -> Vec<Fate> {
        for part in 0..self.composer.anatomy.parts().len() {
            let header = self.opened(part);
            for field in self.composer.anatomy.fields(part) {
                self.fates[field.atom as usize] = self.field(part, field, header);
            }
            if let Some(atom) = self.composer.anatomy.body_atom(part) {
                self.fates[atom as usize] = self.leaf(part);
            }
        }
        debug_assert!(self.composer.anatomy.atoms().iter().zip(&self.fates).all(|(atom, fate)| {
            matches!(atom.kind, AtomKind::Field | AtomKind::Body) || *fate == Fate::Sealed(Reason::Structure)
        }));
        self.fates
    }

    /// Whether the view has a header for this part's: of the message, or of one it opens inside.
    fn opened(&self, part: PartId) -> Result<(), Reason> {
        let (anatomy, rules) = (self.composer.anatomy, self.composer.rules);
        if part == ROOT {
            return Ok(());
        }
        let nested = self.messages_around(part);
        let is_open = anatomy.part(part).is_message && nested <= usize::from(rules.nested_depth);
        match self.doubt_above(part) {
            Some(anomaly) => Err(Reason::Anomaly(anomaly)),
            None if !is_open || self.in_closed_multipart(part) => Err(Reason::Policy),
            None if anatomy.header_is_clear(part) => Ok(()),
            None => Err(first_anomaly(anatomy, part).map_or(Reason::Policy, Reason::Anomaly)),
        }
    }

    fn field(&self, part: PartId, field: &Field, header: Result<(), Reason>) -> Fate {
        let own = self.composer.anatomy.part(part);
        let name = String::from_utf8_lossy(&self.composer.bytes[field.name.clone()]).to_ascii_lowercase();
        if is_mime(&name) {
            // Type, name and disposition of what is shown are shown, composed anew.
            let tells = ["content-type", "content-disposition", "content-id"].contains(&name.as_str());
            let placed = self.composer.placed.contains(&part) && tells;
            return if placed { Fate::Shown(Form::Anew) } else { Fate::Sealed(Reason::Structure) };
        }
        if !own.is_message {
            return Fate::Sealed(Reason::Policy);
        }
        if let Err(reason) = header {
            return Fate::Sealed(reason);
        }
        match self.wanted(part, field, &name) {
            Some(form) => self.value(field, &name).map_or_else(Fate::Sealed, |()| Fate::Shown(form)),
            None => Fate::Sealed(Reason::Policy),
        }
    }

    /// The form in which the rules show a field, were it beyond doubt.
    fn wanted(&self, part: PartId, field: &Field, name: &str) -> Option<Form> {
        let (composer, rules) = (&self.composer, self.composer.rules);
        let mut same = composer.anatomy.named(composer.bytes, part, name);
        let is_first = same.next().is_some_and(|first| first.atom == field.atom);
        let is_only = is_first && same.next().is_none();
        let made_up =
            part == ROOT && rules.rewrites.iter().any(|rewrite| rewrite.name.eq_ignore_ascii_case(name));
        let shows = |rule: &&HeaderRule| {
            let whole = rule.aspect == Aspect::Whole && rule.name.eq_ignore_ascii_case(name);
            whole && (is_first || rule.duplicates == Duplicates::All)
        };
        if !made_up && rules.headers.iter().any(|rule| shows(&rule)) {
            return Some(Form::Anew);
        }
        let token = match name {
            "from" | "sender" | "reply-to" => rules.pseudonyms.senders,
            "to" | "cc" => rules.pseudonyms.addressees,
            "message-id" | "in-reply-to" | "references" => rules.pseudonyms.threads,
            _ => false,
        };
        let template = self.in_template(part, name).filter(|_| is_first);
        template.map(Form::InTemplate).or((token && is_only && !made_up).then_some(Form::Token))
    }

    /// What a template of the message's own header, or its placeholder, says of a field.
    fn in_template(&self, part: PartId, field: &str) -> Option<Aspect> {
        let rules = self.composer.rules;
        let rewrites = rules.rewrites.iter().map(|rewrite| &rewrite.template);
        let mut variables = rewrites.chain([&rules.placeholder.text]).flat_map(|text| text.variables());
        variables.find_map(|variable| match variable {
            Variable::Header { name, aspect } if part == ROOT && name == field => Some(*aspect),
            _ => None,
        })
    }

    fn value(&self, field: &Field, name: &str) -> Result<(), Reason> {
        if let Some(anomaly) = field.anomalies.iter().next() {
            return Err(Reason::Anomaly(anomaly));
        }
        let value = &self.composer.bytes[field.value.clone()];
        let read = if is_address_field(name) {
            header::mailboxes(value).map(drop)
        } else {
            match name {
                "date" | "resent-date" => header::date(value).map(drop),
                "message-id" | "resent-message-id" | "in-reply-to" | "references" => {
                    header::identifiers(value).map(drop)
                }
                _ => header::text(value).map(drop),
            }
        };
        read.map_err(Reason::Value)
    }

    fn leaf(&self, part: PartId) -> Fate {
        let (composer, own) = (&self.composer, self.composer.anatomy.part(part));
        let is_text = own.is_body_text() && own.media.is("text", "plain");
        let is_html = own.is_body_text() && own.media.is("text", "html");
        if !composer.placed.contains(&part) {
            return Fate::Sealed(self.why_not(part, is_text, is_html));
        }
        Fate::Shown(match (composer.rules.text, composer.rules.html) {
            _ if !is_text && !is_html => Form::File,
            (_, HtmlMask::Sanitized) if is_html => Form::Cleaned,
            (TextMask::Excerpt { .. }, _) => Form::Excerpt,
            _ if is_html => Form::AsText,
            _ => Form::Anew,
        })
    }

    /// Why a leaf is not in the view: what the rules hide is hidden by them, doubt or not.
    fn why_not(&self, part: PartId, is_text: bool, is_html: bool) -> Reason {
        let (composer, rules) = (&self.composer, self.composer.rules);
        let texts = !matches!(rules.text, TextMask::Placeholder | TextMask::Omit);
        let wanted = match rules.html {
            _ if is_text => texts,
            HtmlMask::Omit if is_html => false,
            HtmlMask::AsText if is_html => texts,
            HtmlMask::Sanitized if is_html => true,
            _ => composer.rules_show(part),
        };
        if let Some(anomaly) = self.doubt_above(part) {
            return Reason::Anomaly(anomaly);
        }
        if !wanted || self.in_closed_multipart(part) || !self.within_depth(part) {
            return Reason::Policy;
        }
        self.leaf_doubt(part).map_or(Reason::Policy, Reason::Anomaly)
    }

    /// What is in doubt about the content of a leaf.
    fn leaf_doubt(&self, part: PartId) -> Option<Anomaly> {
        let composer = &self.composer;
        let media = &composer.anatomy.part(part).media;
        let content = match text::content(composer.bytes, composer.anatomy, part) {
            Ok(content) => content,
            Err(anomaly) => return Some(anomaly),
        };
        if media.kind != "text" {
            let read = sniff::agrees(media, &content).then_some(Reading::Bytes(&content));
            let Some(read) = read else { return Some(Anomaly::SniffedTypeDiffers) };
            return (!composer.second_agrees(part, read)).then_some(Anomaly::SecondReadingDiffers);
        }
        match text::text(composer.anatomy, part, &content) {
            Err(anomaly) => Some(anomaly),
            Ok(_) if !sniff::agrees_as_text(media, &content) => Some(Anomaly::SniffedTypeDiffers),
            Ok(text) => {
                let agrees = composer.second_agrees(part, Reading::Text(&text));
                (!agrees).then_some(Anomaly::SecondReadingDiffers)
            }
        }
    }

    /// The first doubt about the structure of a part or of one around it.
    fn doubt_above(&self, part: PartId) -> Option<Anomaly> {
        let anatomy = self.composer.anatomy;
        let clear = anatomy.body_is_clear(part);
        let doubtful = |part: &PartId| anatomy.part(*part).anomalies.in_structure();
        let found = (!clear).then(|| self.around(part).find(doubtful)).flatten();
        found.and_then(|part| first_anomaly(anatomy, part))
    }

    /// Signed, encrypted, report and unknown multiparts are never opened.
    fn in_closed_multipart(&self, part: PartId) -> bool {
        let anatomy = self.composer.anatomy;
        self.around(part).skip(1).any(|part| {
            matches!(anatomy.part(part).content, Content::Multipart(_))
                && super::compose::supported(&anatomy.part(part).media.subtype).is_none()
        })
    }

    fn within_depth(&self, part: PartId) -> bool {
        self.messages_around(part) <= usize::from(self.composer.rules.nested_depth)
    }

    fn messages_around(&self, part: PartId) -> usize {
        let anatomy = self.composer.anatomy;
        self.around(part).filter(|part| *part != ROOT && anatomy.part(*part).is_message).count()
    }

    /// The part, and those it lies in, outwards.
    fn around(&self, part: PartId) -> impl Iterator<Item = PartId> {
        std::iter::successors(Some(part), |part| self.composer.anatomy.part(*part).parent)
    }
}

fn first_anomaly(anatomy: &Anatomy, part: PartId) -> Option<Anomaly> {
    anatomy.part(part).anomalies.iter().next()
}

impl fmt::Display for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Original => "as it is",
            Self::Anew => "encoded anew",
            Self::InTemplate(Aspect::Whole) => "in a template",
            Self::InTemplate(Aspect::Domain) => "its domain, in a template",
            Self::InTemplate(Aspect::Name) => "its name, in a template",
            Self::InTemplate(Aspect::Address) => "its address, in a template",
            Self::Token => "as a token",
            Self::Excerpt => "its first lines",
            Self::Cleaned => "cleaned",
            Self::AsText => "as text",
            Self::File => "as a file",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => out.write_str("policy"),
            Self::Structure => out.write_str("structure"),
            Self::Anomaly(anomaly) => write!(out, "in doubt: {anomaly}"),
            Self::Value(error) => write!(out, "in doubt: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::dissect;
    use crate::plan::trial::{Circumstances, Trial};
    use crate::policy::parse;

    const MESSAGE: &str = "From: Ann <ann@a.example>\r\nTo: b@b.example (Bob)\r\nSubject: one\r\nSubject: two\r\n\
        X-Other: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b--\r\n";

    fn fates(policy: &str, message: &str) -> Vec<(String, Fate)> {
        let policy = parse(&format!("version = 1\n{policy}"), "test").expect("a policy");
        let trial = Trial::new(&policy, message.as_bytes(), &Circumstances::default());
        let word = |atom: &crate::message::Atom| {
            String::from_utf8_lossy(&message.as_bytes()[atom.span.clone()]).trim().to_owned()
        };
        dissect(message.as_bytes()).atoms().iter().map(word).zip(trial.explain()).collect()
    }

    fn fate(policy: &str, atom: &str) -> Fate {
        let found = fates(policy, MESSAGE).into_iter().find(|(text, _)| text.starts_with(atom));
        found.expect("there is such an atom").1
    }

    #[test]
    fn fields_say_what_becomes_of_them() {
        let whole = "headers.show = [\"From\", \"To\", \"Subject\"]";
        assert_eq!(fate(whole, "From"), Fate::Shown(Form::Anew));
        assert_eq!(fate(whole, "To"), Fate::Sealed(Reason::Value(HeaderError::Grammar)));
        let twice = Fate::Sealed(Reason::Anomaly(Anomaly::DuplicateSingleton));
        assert_eq!(fate(whole, "Subject: one"), twice);
        assert_eq!(fate(whole, "X-Other"), Fate::Sealed(Reason::Policy));
        assert_eq!(fate(whole, "MIME-Version"), Fate::Sealed(Reason::Structure));
        let domain = "headers.show = [\"From.domain\"]\nheaders.rewrite.Subject = \"of {from.domain}\"";
        assert_eq!(fate(domain, "From"), Fate::Shown(Form::InTemplate(Aspect::Domain)));
        assert_eq!(fate("pseudonyms.senders = true", "From"), Fate::Shown(Form::Token));
    }

    #[test]
    fn bodies_say_what_becomes_of_them() {
        assert_eq!(fate("", "text"), Fate::Sealed(Reason::Policy));
        assert_eq!(fate("body.text = \"show\"", "text"), Fate::Shown(Form::Anew));
        assert_eq!(fate("body.text = { excerpt = 1 }", "text"), Fate::Shown(Form::Excerpt));
        assert_eq!(fate("", "QUJD"), Fate::Sealed(Reason::Policy));
        let files = "[[part]]\ntype = \"*/*\"\nshow = true";
        assert_eq!(fate(files, "QUJD"), Fate::Sealed(Reason::Anomaly(Anomaly::SniffedTypeDiffers)));
        assert_eq!(fate("", "--b"), Fate::Sealed(Reason::Structure));
        assert_eq!(fate("show = \"everything\"", "--b"), Fate::Shown(Form::Original));
    }

    #[test]
    fn doubt_about_the_header_seals_all() {
        let broken = fates("body.text = \"show\"", "From: a@b.example\r\nno colon\r\n\r\ntext\r\n");
        let doubt = Fate::Sealed(Reason::Anomaly(Anomaly::MalformedHeaderLine));
        assert!(broken.iter().all(|(_, fate)| *fate == doubt), "{broken:?}");
    }
}

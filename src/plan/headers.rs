//! The header of a view: fresh fields in an order of our own, decoded and encoded anew.
//!
//! Always there: a valid From, Date, Message-ID and MIME-Version (RFC 5322 §3.6). A hidden From is
//! a pseudonym or a fixed name; a hidden Date is midnight (UTC) of the day the message *arrived*,
//! which is a fact of delivery and no part of the message; a hidden Message-ID is made from our
//! own random identifier. The order of fields follows the rules, never the message.

use super::compose::{Composer, Context, ROOT};
use super::encode;
use crate::clock::Timestamp;
use crate::message::header::{self, Mailbox};
use crate::message::{Field, PartId};
use crate::names::Address;
use crate::policy::template::Variable;
use crate::policy::{Aspect, Duplicates, HeaderRule, Rules};
use mail_parser::DateTime;

/// The header of a sealed message: nothing of the original.
pub(super) fn sealed(context: &Context) -> Vec<u8> {
    let from = encode::address_field("From", &[(Some(SEALED_NAME.to_owned()), sealed_address(context))]);
    let subject = encode::text_field("Subject", SEALED_SUBJECT);
    [from, subject, arrival_day(context.received), fresh_id(context, ROOT), VERSION.to_vec()].concat()
}

/// The header of a masked message.
pub(super) fn masked(composer: &Composer) -> Vec<u8> {
    Head { composer, part: ROOT, fields: Vec::new() }.write()
}

/// The header of a message inside the message.
pub(super) fn nested(composer: &Composer, part: PartId) -> Vec<u8> {
    Head { composer, part, fields: Vec::new() }.write()
}

/// Whether the subject of a masked message is the rules' own, or none: not the sender's in any part.
pub(super) fn makes_subject(rules: &Rules) -> bool {
    let is_subject =
        |variable: &Variable| matches!(variable, Variable::Header { name, .. } if name == "subject");
    match rules.rewrites.iter().find(|rewrite| rewrite.name.eq_ignore_ascii_case("Subject")) {
        Some(rewrite) => !rewrite.template.variables().any(is_subject),
        None => !rules.shows_header("Subject", Aspect::Whole),
    }
}

struct Head<'c, 'a> {
    composer: &'c Composer<'a>,
    part: PartId,
    /// Name in lower case, and the encoded field.
    fields: Vec<(String, Vec<u8>)>,
}

impl Head<'_, '_> {
    fn write(mut self) -> Vec<u8> {
        self.rewrites();
        self.shown();
        self.pseudonyms();
        self.obligatory();
        let first =
            |name: &str| ["from", "date", "message-id"].iter().position(|own| *own == name).unwrap_or(3);
        self.fields.sort_by_key(|(name, _)| first(name));
        let mut out: Vec<u8> = self.fields.into_iter().flat_map(|(_, field)| field).collect();
        out.extend_from_slice(VERSION);
        out
    }

    /// Fields of our own making; only the message itself has them.
    fn rewrites(&mut self) {
        if self.part != ROOT {
            return;
        }
        let composer = self.composer;
        for rewrite in &composer.rules.rewrites {
            let name = rewrite.name.to_ascii_lowercase();
            if self.has(&name) || is_reserved(&name) {
                continue;
            }
            let text = rewrite.template.render(|variable| composer.variable(ROOT, variable));
            let field = if is_address_field(&name) {
                encode::address_field(&rewrite.name, &[mailbox_of(&text, composer.context)])
            } else {
                encode::text_field(&rewrite.name, &text)
            };
            self.fields.push((name, field));
        }
    }

    /// Fields of the message that the rules show whole.
    fn shown(&mut self) {
        let composer = self.composer;
        for rule in composer.rules.headers.iter().filter(|rule| rule.aspect == Aspect::Whole) {
            let name = rule.name.to_ascii_lowercase();
            if self.has(&name) || is_mime(&name) {
                continue;
            }
            for value in composer.values(self.part, rule) {
                if let Some(field) = composer.field(&rule.name, &name, value) {
                    self.fields.push((name.clone(), field));
                }
            }
        }
    }

    /// Keyed tokens in place of hidden addresses and identifiers.
    fn pseudonyms(&mut self) {
        let composer = self.composer;
        let rules = composer.rules.pseudonyms;
        for (name, wanted) in [
            ("From", rules.senders),
            ("Sender", rules.senders),
            ("Reply-To", rules.senders),
            ("To", rules.addressees),
            ("Cc", rules.addressees),
        ] {
            let key = name.to_ascii_lowercase();
            if !wanted || self.has(&key) {
                continue;
            }
            let mailboxes = composer.mailboxes(self.part, name);
            let label =
                (name == "From" && mailboxes.len() == 1).then(|| composer.sender_domain(self.part)).flatten();
            let list: Vec<_> =
                mailboxes.iter().map(|mailbox| (label.clone(), composer.token_address(mailbox))).collect();
            if !list.is_empty() {
                self.fields.push((key, encode::address_field(name, &list)));
            }
        }
        for name in ["Message-ID", "In-Reply-To", "References"] {
            let key = name.to_ascii_lowercase();
            if !rules.threads || self.has(&key) {
                continue;
            }
            let ids: Vec<String> =
                composer.identifiers(self.part, name).iter().map(|id| composer.token_id(id)).collect();
            if !ids.is_empty() {
                self.fields.push((key, encode::identifier_field(name, &ids)));
            }
        }
    }

    /// What a message cannot be without.
    fn obligatory(&mut self) {
        let context = self.composer.context;
        if !self.has("from") {
            let from = [(Some(SEALED_NAME.to_owned()), sealed_address(context))];
            self.fields.push(("from".to_owned(), encode::address_field("From", &from)));
        }
        if !self.has("date") {
            self.fields.push(("date".to_owned(), arrival_day(context.received)));
        }
        if !self.has("message-id") && self.part == ROOT {
            self.fields.push(("message-id".to_owned(), fresh_id(context, self.part)));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(own, _)| own == name)
    }
}

impl Composer<'_> {
    /// What a template's variable stands for; `None` unless the rules show it.
    pub(super) fn variable(&self, part: PartId, variable: &Variable) -> Option<String> {
        match variable {
            Variable::Header { name, aspect } => self.header_value(part, name, *aspect),
            Variable::Pseudonym => {
                let sender = self.mailboxes(part, "From").into_iter().next();
                let sender = sender.filter(|_| self.rules.pseudonyms.senders)?;
                Some((self.context.pseudonyms)(&sender.address.reveal()))
            }
            Variable::Link => self.context.link.clone(),
            Variable::Phrase => self.context.phrase.clone(),
            Variable::Attachments => self.rules.reveal.count.then(|| self.hidden_count().to_string()),
        }
    }

    fn header_value(&self, part: PartId, name: &str, aspect: Aspect) -> Option<String> {
        let shows = |rule: &&HeaderRule| {
            rule.name.eq_ignore_ascii_case(name) && (rule.aspect == aspect || rule.aspect == Aspect::Whole)
        };
        let rule = self.rules.headers.iter().find(shows)?;
        if !is_address_field(name) {
            let value = *self.values(part, rule).first()?;
            // In its normal form, without the comments that a Date may carry.
            if is_date_field(name) {
                return header::date(value).ok().map(|date| date.text);
            }
            return header::text(value).ok().map(|text| self.redacted(&text));
        }
        // Who has no display name goes by the address, where that is shown anyway.
        let bare = |one: &Mailbox| (rule.aspect == Aspect::Whole).then(|| one.address.reveal());
        let list: Vec<String> = self
            .mailboxes(part, name)
            .iter()
            .filter_map(|one| aspect_of(one, aspect).or_else(|| bare(one)))
            .collect();
        (!list.is_empty()).then(|| self.redacted(&list.join(", ")))
    }

    /// The values of the fields that a rule shows and that are beyond doubt.
    fn values(&self, part: PartId, rule: &HeaderRule) -> Vec<&[u8]> {
        let fields = self.anatomy.named(self.bytes, part, &rule.name);
        let limit = if rule.duplicates == Duplicates::First { 1 } else { usize::MAX };
        fields.take(limit).filter_map(|field| self.value(field)).collect()
    }

    fn value(&self, field: &Field) -> Option<&[u8]> {
        field.anomalies.is_empty().then(|| &self.bytes[field.value.clone()])
    }

    /// A field of the message, decoded and encoded anew; none if its value is in doubt.
    fn field(&self, name: &str, key: &str, value: &[u8]) -> Option<Vec<u8>> {
        if is_address_field(key) {
            let list = header::mailboxes(value).ok()?;
            let redacted =
                |(name, address): (Option<String>, String)| (name.map(|name| self.redacted(&name)), address);
            let list: Vec<_> = list.iter().map(encode::pair).map(redacted).collect();
            return Some(encode::address_field(name, &list));
        }
        match key {
            _ if is_date_field(key) => Some(encode::plain_field(name, &header::date(value).ok()?.text)),
            "message-id" | "resent-message-id" | "in-reply-to" | "references" => {
                let ids = header::identifiers(value).ok()?;
                let single = ids.len() == 1 || !key.ends_with("message-id");
                single.then(|| encode::identifier_field(name, &ids))
            }
            _ => Some(encode::text_field(name, &self.redacted(&header::text(value).ok()?))),
        }
    }

    /// The mailboxes of an address field that occurs once and is beyond doubt.
    fn mailboxes(&self, part: PartId, name: &str) -> Vec<Mailbox> {
        self.only(part, name).and_then(|value| header::mailboxes(value).ok()).unwrap_or_default()
    }

    fn identifiers(&self, part: PartId, name: &str) -> Vec<String> {
        self.only(part, name).and_then(|value| header::identifiers(value).ok()).unwrap_or_default()
    }

    fn only(&self, part: PartId, name: &str) -> Option<&[u8]> {
        let mut fields = self.anatomy.named(self.bytes, part, name);
        let field = fields.next()?;
        fields.next().is_none().then(|| self.value(field)).flatten()
    }

    /// The domain of From, where the rules show it and want it as a name.
    fn sender_domain(&self, part: PartId) -> Option<String> {
        self.rules
            .pseudonyms
            .sender_domains
            .then(|| self.header_value(part, "From", Aspect::Domain))
            .flatten()
    }

    /// The reverse alias that stands for a hidden correspondent.
    fn token_address(&self, mailbox: &Mailbox) -> String {
        format!("{}@{}", (self.context.pseudonyms)(&mailbox.address.reveal()), self.context.mail_domain)
    }

    fn token_id(&self, id: &str) -> String {
        format!("{}@{}", (self.context.pseudonyms)(id), self.context.mail_domain)
    }
}

fn aspect_of(mailbox: &Mailbox, aspect: Aspect) -> Option<String> {
    let address = mailbox.address.reveal();
    match aspect {
        Aspect::Domain => Some(mailbox.address.domain().to_owned()),
        Aspect::Name => mailbox.name.clone(),
        Aspect::Address => Some(address),
        Aspect::Whole => {
            Some(mailbox.name.as_ref().map_or(address.clone(), |name| format!("{name} <{address}>")))
        }
    }
}

/// A rewritten address field: `name <address>`, an address, or a name before the sealed address.
fn mailbox_of(text: &str, context: &Context) -> (Option<String>, String) {
    let text = text.trim();
    let angled = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    let (name, address) = angled.map_or(("", text), |(name, address)| (name.trim(), address));
    match Address::parse(address) {
        Ok(address) => ((!name.is_empty()).then(|| name.to_owned()), address.reveal()),
        Err(_) if text.is_empty() => (Some(SEALED_NAME.to_owned()), sealed_address(context)),
        Err(_) => (Some(text.to_owned()), sealed_address(context)),
    }
}

fn sealed_address(context: &Context) -> String {
    format!("{SEALED_LOCAL}@{}", context.mail_domain)
}

/// Midnight of the day of arrival.
fn arrival_day(received: Timestamp) -> Vec<u8> {
    let midnight = received.unix().div_euclid(DAY) * DAY;
    encode::plain_field("Date", &DateTime::from_timestamp(midnight).to_rfc822())
}

fn fresh_id(context: &Context, part: PartId) -> Vec<u8> {
    debug_assert_eq!(part, ROOT);
    encode::identifier_field("Message-ID", &[format!("{}@{}", context.message, context.mail_domain)])
}

/// RFC 5322 §3.6.2, §3.6.3 and §3.6.6; the name in any case.
pub(super) fn is_address_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("resent-").unwrap_or(&name);
    ["from", "sender", "reply-to", "to", "cc", "bcc"].contains(&name)
}

/// RFC 5322 §3.6.1 and §3.6.6.
fn is_date_field(name: &str) -> bool {
    name.eq_ignore_ascii_case("date") || name.eq_ignore_ascii_case("resent-date")
}

/// Fields that only we write.
pub(super) fn is_mime(name: &str) -> bool {
    name.starts_with("content-") || name == "mime-version"
}

/// Fields that no template makes: their form is not text.
fn is_reserved(name: &str) -> bool {
    is_mime(name) || ["date", "message-id", "in-reply-to", "references"].contains(&name)
}

const VERSION: &[u8] = b"MIME-Version: 1.0\r\n";
const SEALED_NAME: &str = "Sealed sender";
const SEALED_LOCAL: &str = "sealed";
const SEALED_SUBJECT: &str = "Sealed message";
/// Seconds.
const DAY: i64 = 86_400;

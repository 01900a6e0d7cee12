//! One layer of rules: what the base or one `[[when]]` says, key by key, before they are laid over
//! each other. A key that a layer gives replaces the base's, whole; a key that it leaves out stays.

use super::check::{Place, Report};
use super::fields::{parse_rewritten, parse_shown};
use super::model::*;
use super::redact::{Builtin, Redactor};
use super::source::{self, Field, Show};
use super::template::Template;
use super::units::parse_size;

/// The tables that both the base and a `[[when]]` can have.
pub(super) struct Tables {
    pub(super) headers: Option<source::Headers>,
    pub(super) body: Option<source::Body>,
    pub(super) part: Option<Vec<source::Part>>,
    pub(super) reveal: Option<source::Reveal>,
    pub(super) redact: Option<source::Redact>,
    pub(super) pseudonyms: Option<source::Pseudonyms>,
}

/// What a layer says, checked value by value.
#[derive(Clone, Default)]
pub(super) struct Layer {
    headers: Option<Vec<HeaderRule>>,
    rewrites: Option<Vec<Rewrite>>,
    text: Option<TextMask>,
    html: Option<HtmlMask>,
    nested: Option<u8>,
    placeholder: Option<Template>,
    link: Option<bool>,
    parts: Option<Vec<PartRule>>,
    reveal: source::Reveal,
    builtin: Option<Vec<Builtin>>,
    patterns: Option<Vec<Redactor>>,
    pseudonyms: source::Pseudonyms,
}

impl Tables {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_none()
            && self.body.is_none()
            && self.part.is_none()
            && self.reveal.is_none()
            && self.redact.is_none()
            && self.pseudonyms.is_none()
    }
}

impl Layer {
    /// Reads the tables; what is wrong goes to the report.
    pub(super) fn read(tables: Tables, show: Option<Show>, place: &Place, report: &mut Report) -> Self {
        report.ensure(show.is_none() || tables.is_empty(), &place.key("show"), || {
            "with show = \"everything\" or \"nothing\" no other table counts: remove them, or remove show"
                .to_owned()
        });
        let mut layer = Self {
            reveal: tables.reveal.unwrap_or_default(),
            pseudonyms: tables.pseudonyms.unwrap_or_default(),
            ..Self::default()
        };
        layer.read_headers(tables.headers.unwrap_or_default(), &place.key("headers"), report);
        layer.read_body(tables.body.unwrap_or_default(), &place.key("body"), report);
        layer.parts = tables.part.map(|parts| read_parts(parts, &place.key("part"), report));
        layer.read_redact(tables.redact.unwrap_or_default(), &place.key("redact"), report);
        layer
    }

    /// This layer where it says something, the base where it does not.
    pub(super) fn over(self, base: &Self) -> Self {
        let base = base.clone();
        let (reveal, pseudonyms) = (self.reveal, self.pseudonyms);
        Self {
            headers: self.headers.or(base.headers),
            rewrites: self.rewrites.or(base.rewrites),
            text: self.text.or(base.text),
            html: self.html.or(base.html),
            nested: self.nested.or(base.nested),
            placeholder: self.placeholder.or(base.placeholder),
            link: self.link.or(base.link),
            parts: self.parts.or(base.parts),
            reveal: source::Reveal {
                count: reveal.count.or(base.reveal.count),
                names: reveal.names.or(base.reveal.names),
                sizes: reveal.sizes.or(base.reveal.sizes),
                types: reveal.types.or(base.reveal.types),
            },
            builtin: self.builtin.or(base.builtin),
            patterns: self.patterns.or(base.patterns),
            pseudonyms: source::Pseudonyms {
                senders: pseudonyms.senders.or(base.pseudonyms.senders),
                sender_domains: pseudonyms.sender_domains.or(base.pseudonyms.sender_domains),
                addressees: pseudonyms.addressees.or(base.pseudonyms.addressees),
                threads: pseudonyms.threads.or(base.pseudonyms.threads),
            },
        }
    }

    /// The rules; what no layer says is sealed.
    pub(super) fn into_rules(self, presence: Presence) -> Rules {
        if presence != Presence::Masked {
            return Rules::sealed(presence);
        }
        let sealed = Rules::sealed(presence);
        let (reveal, pseudonyms) = (self.reveal, self.pseudonyms);
        let builtin = self.builtin.unwrap_or_default().into_iter().map(Redactor::builtin);
        Rules {
            presence,
            headers: self.headers.unwrap_or_default(),
            rewrites: self.rewrites.unwrap_or_default(),
            text: self.text.unwrap_or(sealed.text),
            html: self.html.unwrap_or(sealed.html),
            parts: self.parts.unwrap_or_default(),
            nested_depth: self.nested.unwrap_or_default(),
            reveal: Reveal {
                count: reveal.count.unwrap_or_default(),
                names: reveal.names.unwrap_or_default(),
                sizes: reveal.sizes.unwrap_or_default(),
                types: reveal.types.unwrap_or_default(),
            },
            redact: builtin.chain(self.patterns.unwrap_or_default()).collect(),
            pseudonyms: Pseudonyms {
                senders: pseudonyms.senders.unwrap_or_default(),
                sender_domains: pseudonyms.sender_domains.unwrap_or_default(),
                addressees: pseudonyms.addressees.unwrap_or_default(),
                threads: pseudonyms.threads.unwrap_or_default(),
            },
            placeholder: Placeholder {
                text: self.placeholder.unwrap_or(sealed.placeholder.text),
                link: self.link.unwrap_or_default(),
            },
        }
    }

    fn read_headers(&mut self, headers: source::Headers, place: &Place, report: &mut Report) {
        self.headers = headers.show.map(|fields| read_shown(fields, &place.key("show"), report));
        self.rewrites = headers.rewrite.map(|fields| {
            report.at_most(fields.len(), MAX_REWRITES, &place.key("rewrite"));
            let mut rewrites: Vec<Rewrite> = Vec::new();
            for (name, text) in fields.into_iter().take(MAX_REWRITES) {
                let place = place.key("rewrite").key(&name);
                let Some(rewrite) = read_rewrite(&name, &text, &place, report) else { continue };
                let twice = rewrites.iter().any(|other| other.name.eq_ignore_ascii_case(&rewrite.name));
                report.ensure(!twice, &place, || format!("`{name}` is made up twice: remove one"));
                rewrites.push(rewrite);
            }
            rewrites
        });
    }

    fn read_body(&mut self, body: source::Body, place: &Place, report: &mut Report) {
        self.text = body.text.map(|text| match text {
            source::Text::Show => TextMask::Show,
            source::Text::Placeholder => TextMask::Placeholder,
            source::Text::Omit => TextMask::Omit,
            source::Text::Excerpt(lines) => {
                let fits = (1..=MAX_EXCERPT).contains(&lines);
                report
                    .ensure(fits, &place.key("text"), || format!("an excerpt has 1 to {MAX_EXCERPT} lines"));
                TextMask::Excerpt { lines }
            }
        });
        self.html = body.html.map(|html| match html {
            source::Html::Sanitized => HtmlMask::Sanitized,
            source::Html::AsText => HtmlMask::AsText,
            source::Html::Omit => HtmlMask::Omit,
        });
        let depth = body.nested.unwrap_or_default();
        report.ensure(depth <= MAX_NESTED, &place.key("nested"), || format!("at most {MAX_NESTED}"));
        self.nested = body.nested;
        self.placeholder =
            body.placeholder.and_then(|text| report.keep(&place.key("placeholder"), Template::parse(&text)));
        self.link = body.link;
    }

    fn read_redact(&mut self, redact: source::Redact, place: &Place, report: &mut Report) {
        self.builtin = redact.builtin.map(|mut builtin| {
            builtin.sort_unstable();
            let count = builtin.len();
            builtin.dedup();
            let place = place.key("builtin");
            report.ensure(builtin.len() == count, &place, || {
                "a redactor is listed twice: remove one".to_owned()
            });
            builtin
        });
        self.patterns = redact.patterns.map(|patterns| {
            let place = place.key("patterns");
            let mut read: Vec<Redactor> = Vec::new();
            for (at, pattern) in patterns.into_iter().enumerate() {
                let place = place.index(at);
                if !report.admits_pattern(&place) {
                    break;
                }
                let source::Pattern { name, pattern, replace } = pattern;
                read.extend(report.keep(&place, Redactor::pattern(&name, &pattern, replace.as_deref())));
            }
            read
        });
    }
}

impl Rules {
    /// Rules that show nothing: where every policy starts.
    pub fn sealed(presence: Presence) -> Self {
        let text = Template::parse(PLACEHOLDER).expect("a text without braces is a template");
        Self {
            presence,
            headers: Vec::new(),
            rewrites: Vec::new(),
            text: TextMask::Placeholder,
            html: HtmlMask::Omit,
            parts: Vec::new(),
            nested_depth: 0,
            reveal: Reveal::default(),
            redact: Vec::new(),
            pseudonyms: Pseudonyms::default(),
            placeholder: Placeholder { text, link: false },
        }
    }
}

fn read_shown(fields: Vec<Field>, place: &Place, report: &mut Report) -> Vec<HeaderRule> {
    report.at_most(fields.len(), MAX_HEADERS, place);
    let mut rules: Vec<HeaderRule> = Vec::new();
    for (at, field) in fields.into_iter().take(MAX_HEADERS).enumerate() {
        let place = place.index(at);
        let Some(rule) = read_field(field, &place, report) else { continue };
        let twice = rules.iter().any(|other| other.name == rule.name && other.aspect == rule.aspect);
        report.ensure(!twice, &place, || format!("\"{}\" is listed twice: remove one", rule.spelling()));
        rules.push(rule);
    }
    rules
}

fn read_field(field: Field, place: &Place, report: &mut Report) -> Option<HeaderRule> {
    let (text, duplicates) = match field {
        Field::Name(name) => (name, None),
        Field::Table(table) => (table.name, table.duplicates),
    };
    let (name, aspect) = report.keep(place, parse_shown(&text))?;
    report.ensure(duplicates.is_none() || aspect == Aspect::Whole, place, || {
        "duplicates is for whole fields: of a part of a field the first one counts".to_owned()
    });
    let duplicates = match duplicates {
        Some(source::Duplicates::All) => Duplicates::All,
        Some(source::Duplicates::First) | None => Duplicates::First,
    };
    Some(HeaderRule { name, aspect, duplicates })
}

fn read_rewrite(name: &str, text: &str, place: &Place, report: &mut Report) -> Option<Rewrite> {
    let name = report.keep(place, parse_rewritten(name))?;
    let template = report.keep(place, Template::parse(text))?;
    report.ensure(template.is_one_line(), place, || {
        "a header field is one line: remove the line end".to_owned()
    });
    Some(Rewrite { name, template })
}

fn read_parts(parts: Vec<source::Part>, place: &Place, report: &mut Report) -> Vec<PartRule> {
    report.at_most(parts.len(), MAX_PARTS, place);
    let parts = parts.into_iter().take(MAX_PARTS).enumerate();
    parts.filter_map(|(at, part)| read_part(part, &place.index(at), report)).collect()
}

fn read_part(part: source::Part, place: &Place, report: &mut Report) -> Option<PartRule> {
    let media = report.keep(&place.key("type"), parse_media(&part.media));
    let size = part.max_size.map(|text| {
        let octets =
            parse_size(&text).ok_or("write a size as in \"1 MB\"; units are B, kB, KB, MB, KiB, MiB");
        report.keep(&place.key("max_size"), octets)
    });
    let max_octets = match size {
        Some(octets) => Some(octets?),
        None => None,
    };
    let disposition = part.disposition.map(|disposition| match disposition {
        source::Disposition::Inline => Disposition::Inline,
        source::Disposition::Attachment => Disposition::Attachment,
    });
    Some(PartRule { media: media?, disposition, max_octets, show: part.show })
}

/// RFC 2045 §5.1 `type/subtype`, in lower case, `*` for any.
fn parse_media(text: &str) -> Result<(String, String), &'static str> {
    let lower = text.to_ascii_lowercase();
    let token = |word: &str| {
        (1..=MAX_MEDIA).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=*".contains(&byte))
    };
    let (kind, subtype) = lower.split_once('/').ok_or(MEDIA)?;
    match (kind, subtype) {
        // Their children are parts of their own; what holds them is composed afresh.
        ("multipart", _) => Err("a multipart is composed afresh: name the parts inside it"),
        ("message", "*" | "rfc822" | "global") => {
            Err("attached messages are opened by body.nested, not shown as parts")
        }
        (kind, "*") if token(kind) || kind == "*" => Ok((kind.to_owned(), "*".to_owned())),
        (kind, subtype) if token(kind) && token(subtype) => Ok((kind.to_owned(), subtype.to_owned())),
        _ => Err(MEDIA),
    }
}

const MEDIA: &str = "write a media type as in \"application/pdf\", \"image/*\" or \"*/*\"";
/// What stands for a hidden text unless a policy says otherwise.
const PLACEHOLDER: &str = "This message is sealed.";
/// Entries of `headers.show`.
const MAX_HEADERS: usize = 128;
/// Header fields made up.
const MAX_REWRITES: usize = 16;
/// Lines of an excerpt.
const MAX_EXCERPT: u16 = 1_000;
/// Depth of attached messages that are opened; the anatomy goes no deeper either.
const MAX_NESTED: u8 = 8;
/// Rules for parts.
const MAX_PARTS: usize = 64;
/// RFC 6838 §4.2: each half of a media type has at most 127 characters.
const MAX_MEDIA: usize = 127;

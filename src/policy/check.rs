//! Whether a policy's keys make sense together: from the TOML form to the model.
//!
//! Each layer (the base, every `[[when]]`) is read by itself first, then laid over the base, then what
//! results is checked as a whole: a template may only name what the same rules show. Knows places in
//! the document, not positions in the text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::layer::{Layer, Tables};
use super::model::{Aspect, HeaderRule, OnDelete, Policy, Presence, Rules, When};
use super::parse::position;
use super::source::{self, Document, OneOrMany, Show};
use super::template::{Template, Variable};
use super::units::{parse_age, parse_size};
use super::when::{AddressGlob, Glob, Matcher};

/// Checks a document.
pub(super) fn policy(mut document: Document, name: &str) -> Result<Policy, Vec<Fault>> {
    let mut report = Report::default();
    let top = Place::default();
    report.ensure(document.version == 1, &top.key("version"), || "this Veilpost reads version 1".to_owned());
    let description = document.description.take().unwrap_or_default();
    let short = description.chars().count() <= MAX_DESCRIPTION && !description.chars().any(char::is_control);
    report.ensure(short, &top.key("description"), || {
        format!("one line of at most {MAX_DESCRIPTION} characters")
    });
    let on_delete = match document.gateway.take().and_then(|gateway| gateway.on_delete) {
        Some(source::OnDelete::Trash) => OnDelete::Trash,
        Some(source::OnDelete::Delete) => OnDelete::Delete,
        Some(source::OnDelete::Hide) | None => OnDelete::Hide,
    };
    let exceptions = document.when.take().unwrap_or_default();
    let whens = top.key("when");
    report.at_most(exceptions.len(), MAX_WHEN, &whens);
    let (base_layer, base) = base(document, &mut report);
    let mut when = Vec::new();
    for (at, exception) in exceptions.into_iter().take(MAX_WHEN).enumerate() {
        when.push(exception_rules(exception, &base_layer, &whens.index(at), &mut report));
    }
    report.finish(Policy { name: name.to_owned(), description, base, when, on_delete })
}

fn base(document: Document, report: &mut Report) -> (Layer, Rules) {
    let Document { show, headers, body, part, reveal, redact, pseudonyms, .. } = document;
    let tables = Tables { headers, body, part, reveal, redact, pseudonyms };
    let place = Place::default();
    let before = report.faults.len();
    let layer = Layer::read(tables, show, &place, report);
    let rules = layer.clone().into_rules(presence(show));
    if report.faults.len() == before {
        check_templates(&rules, &place, report);
    }
    report.base_is_wrong = report.faults.len() > before;
    (layer, rules)
}

fn exception_rules(mut exception: source::When, base: &Layer, place: &Place, report: &mut Report) -> When {
    let matcher = matcher(&mut exception, place, report);
    report.ensure(matcher != Matcher::default(), place, || {
        "a [[when]] needs a condition: from, to, list, dmarc, spam, larger_than or older_than".to_owned()
    });
    let source::When { show, headers, body, part, reveal, redact, pseudonyms, .. } = exception;
    let tables = Tables { headers, body, part, reveal, redact, pseudonyms };
    report.ensure(show.is_some() || !tables.is_empty(), place, || {
        "a [[when]] needs something to do: show = \"everything\" or \"nothing\", or tables as in [when.headers]".to_owned()
    });
    let before = report.faults.len();
    let layer = Layer::read(tables, show, place, report);
    let rules = layer.over(base).into_rules(presence(show));
    // What is wrong with the base would be reported again for each exception.
    if report.faults.len() == before && !report.base_is_wrong {
        check_templates(&rules, place, report);
    }
    When { matcher, rules }
}

fn presence(show: Option<Show>) -> Presence {
    match show {
        Some(Show::Everything) => Presence::Original,
        Some(Show::Nothing) => Presence::Absent,
        None => Presence::Masked,
    }
}

fn matcher(exception: &mut source::When, place: &Place, report: &mut Report) -> Matcher {
    let address = "write an address as in \"ann@firm.example\", \"*@bank.example\" or \"*@*.bank.example\"";
    let size = "write a size as in \"5 MB\"; units are B, kB, KB, MB, KiB, MiB";
    Matcher {
        from: each(exception.from.take(), &place.key("from"), report, |text| {
            AddressGlob::parse(&text).ok_or(address)
        }),
        to: each(exception.to.take(), &place.key("to"), report, |text| {
            AddressGlob::parse(&text).ok_or(address)
        }),
        list: each(exception.list.take(), &place.key("list"), report, |text| {
            Glob::parse(&text)
                .ok_or("write a list's identifier as in \"news.court.example\"; * stands for any text")
        }),
        dmarc: each(exception.dmarc.take(), &place.key("dmarc"), report, Ok::<_, String>),
        spam: exception.spam,
        larger_than: exception
            .larger_than
            .take()
            .and_then(|text| report.keep(&place.key("larger_than"), parse_size(&text).ok_or(size))),
        older_than: exception.older_than.take().and_then(|text| {
            let age = parse_age(&text).ok_or("write an age as in \"30d\"; units are h, d, w");
            report.keep(&place.key("older_than"), age)
        }),
    }
}

/// Each value of a list, parsed. A list of nothing would match everything.
fn each<T, U, E: ToString>(
    values: Option<OneOrMany<T>>,
    place: &Place,
    report: &mut Report,
    parse: impl Fn(T) -> Result<U, E>,
) -> Vec<U> {
    let Some(values) = values.map(OneOrMany::into_vec) else { return Vec::new() };
    report
        .ensure(!values.is_empty(), place, || "an empty list matches nothing: leave the key out".to_owned());
    report.at_most(values.len(), MAX_VALUES, place);
    values
        .into_iter()
        .enumerate()
        .filter_map(|(at, value)| report.keep(&place.index(at), parse(value)))
        .collect()
}

/// That templates name only what the same rules show.
fn check_templates(rules: &Rules, place: &Place, report: &mut Report) {
    for rewrite in &rules.rewrites {
        check_template(
            &rewrite.template,
            rules,
            &place.key("headers").key("rewrite").key(&rewrite.name),
            report,
        );
    }
    check_template(&rules.placeholder.text, rules, &place.key("body").key("placeholder"), report);
    let named = !rules.pseudonyms.sender_domains || rules.shows_header("From", Aspect::Domain);
    report.ensure(named, &place.key("pseudonyms").key("sender_domains"), || {
        "a name can only be made of what these rules show: add \"From.domain\" to headers.show".to_owned()
    });
}

fn check_template(template: &Template, rules: &Rules, place: &Place, report: &mut Report) {
    for variable in template.variables() {
        let mend = match variable {
            Variable::Header { name, aspect } if !rules.shows_header(name, *aspect) => {
                format!("add \"{}\" to headers.show, or take it out here", spelling(name, *aspect))
            }
            Variable::Pseudonym if !rules.pseudonyms.senders => {
                "set senders = true under [pseudonyms], or take {pseudonym} out here".to_owned()
            }
            Variable::Attachments if !rules.reveal.count => {
                "set count = true under [reveal], or take {attachments} out here".to_owned()
            }
            _ => continue,
        };
        report.fault(place, format!("a template can only name what these rules show: {mend}"));
    }
}

impl Rules {
    /// Whether the rules show this much of a header field, its name compared without case. An
    /// address includes its domain; the whole field includes all.
    pub fn shows_header(&self, name: &str, aspect: Aspect) -> bool {
        self.headers.iter().any(|rule| rule.name.eq_ignore_ascii_case(name) && rule.aspect.covers(aspect))
    }
}

impl Aspect {
    /// Whether who sees this much of a field sees that much too.
    pub fn covers(self, other: Self) -> bool {
        self == other || self == Self::Whole || (self == Self::Address && other == Self::Domain)
    }
}

impl HeaderRule {
    /// As `headers.show` has it: "From.domain".
    pub fn spelling(&self) -> String {
        spelling(&self.name, self.aspect)
    }
}

fn spelling(name: &str, aspect: Aspect) -> String {
    let name = super::fields::usual_spelling(name);
    match aspect {
        Aspect::Whole => name,
        Aspect::Domain => format!("{name}.domain"),
        Aspect::Name => format!("{name}.name"),
        Aspect::Address => format!("{name}.address"),
    }
}

/// What is wrong, gathered while reading goes on.
#[derive(Default)]
pub(super) struct Report {
    faults: Vec<Fault>,
    base_is_wrong: bool,
    patterns: usize,
}

impl Report {
    /// Notes a fault.
    pub(super) fn fault(&mut self, place: &Place, message: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { place: place.clone(), message: message.into() });
        }
    }

    /// Notes a fault unless the condition holds.
    pub(super) fn ensure(&mut self, holds: bool, place: &Place, message: impl FnOnce() -> String) {
        if !holds {
            self.fault(place, message());
        }
    }

    /// Notes a fault if a list is too long.
    pub(super) fn at_most(&mut self, count: usize, limit: usize, place: &Place) {
        self.ensure(count <= limit, place, || format!("at most {limit} entries, these are {count}"));
    }

    /// The value, or a fault noted.
    pub(super) fn keep<T, E: ToString>(&mut self, place: &Place, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.fault(place, error.to_string())).ok()
    }

    /// Counts a pattern of the whole policy; false past the limit, so that no more are compiled.
    pub(super) fn admits_pattern(&mut self, place: &Place) -> bool {
        self.patterns += 1;
        self.ensure(self.patterns <= MAX_PATTERNS, place, || {
            format!("a policy has at most {MAX_PATTERNS} patterns")
        });
        self.patterns <= MAX_PATTERNS
    }

    fn finish(self, policy: Policy) -> Result<Policy, Vec<Fault>> {
        if self.faults.is_empty() { Ok(policy) } else { Err(self.faults) }
    }
}

/// One fault and its place in the document.
pub(super) struct Fault {
    place: Place,
    message: String,
}

impl Fault {
    /// The problem as people are told of it.
    pub(super) fn at(self, text: &str, table: &Spanned<DeTable<'_>>) -> Problem {
        let (line, column) = position(text, self.place.find(table).start);
        Problem { line, column, place: self.place.to_string(), message: self.message }
    }
}

/// The way to a key: `when[2].headers.show[0]`.
#[derive(Clone, Default)]
pub(super) struct Place(Vec<Step>);

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

impl Place {
    /// The place of a key in this table.
    pub(super) fn key(&self, name: &str) -> Self {
        self.step(Step::Key(name.to_owned()))
    }

    /// The place of an item in this list.
    pub(super) fn index(&self, at: usize) -> Self {
        self.step(Step::Index(at))
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Where it is in the text, or as near as the text has it.
    fn find(&self, table: &Spanned<DeTable<'_>>) -> Range<usize> {
        let mut found = 0..0;
        let mut tables = Some(table.get_ref());
        let mut value: Option<&Spanned<DeValue<'_>>> = None;
        for step in &self.0 {
            let next = match step {
                Step::Key(name) => tables.and_then(|table| {
                    table
                        .iter()
                        .find(|(key, _)| key.get_ref().eq_ignore_ascii_case(name))
                        .map(|(_, value)| value)
                }),
                Step::Index(at) => value.and_then(|value| value.get_ref().as_array()?.get(*at)),
            };
            // One value may stand for a list of one: then its item is the value.
            let Some(next) = next.or(value.filter(|_| matches!(step, Step::Index(0)))) else { break };
            found = next.span();
            tables = next.get_ref().as_table();
            value = Some(next);
        }
        found
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if at == 0 => out.write_str(name)?,
                Step::Key(name) => write!(out, ".{name}")?,
                Step::Index(index) => write!(out, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Characters of a description.
const MAX_DESCRIPTION: usize = 500;
/// Exceptions of a policy.
const MAX_WHEN: usize = 64;
/// Values of one condition.
const MAX_VALUES: usize = 100;
/// Patterns of a policy, all layers together: each may compile to half a mebibyte.
const MAX_PATTERNS: usize = 32;
/// Faults in one report.
const MAX_FAULTS: usize = 50;

//! Redactors: cut what looks like a secret out of text that is shown.
//!
//! Second to whitelisting: a pattern finds what it knows, a mask hides what it does not know. Where
//! there is doubt they cut more. Three habits keep them honest:
//! - they look at a *folded* text (see `fold`), so that other digits, full-width letters and
//!   invisible characters do not evade them;
//! - a match is always replaced whole, up to the ends of the words and numbers it touches, and
//!   overlapping matches as one, so that no half of a secret stays;
//! - a label already in the text counts as a wall that nothing matches across, and line ends
//!   inside a match are kept, so that redacting twice is redacting once.

mod find;
mod fold;

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use fold::{Fold, Folded};

/// One redactor.
#[derive(Clone, Debug, PartialEq)]
pub struct Redactor(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Builtin(Builtin),
    Pattern(Arc<Pattern>),
}

/// The redactors that come with Veilpost, in the order in which they run.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Builtin {
    /// Sign-in, reset and confirmation links.
    Links,
    /// Mail addresses.
    Addresses,
    /// Payment card numbers (ISO/IEC 7812-1, Luhn-checked).
    Cards,
    /// Bank account numbers (IBAN, ISO 13616, mod 97).
    Iban,
    /// One-time codes and passwords near words that announce them.
    Codes,
    /// Phone numbers.
    Phones,
}

#[derive(Debug)]
struct Pattern {
    name: String,
    regex: Regex,
    replace: String,
}

/// Why a pattern of the policy's author is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The name is empty, long or has odd characters.
    #[error("a pattern's name has 1 to 40 letters, digits, blanks and hyphens")]
    Name,
    /// The expression does not parse.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// The expression is too long, or compiles to too much.
    #[error("the pattern is too large; write fewer or smaller repeats (at most {MAX_PATTERN} bytes)")]
    Large,
    /// It matches the empty text, and so everywhere.
    #[error("the pattern matches the empty text; make one part of it obligatory")]
    Empty,
    /// The replacement is not words in square brackets.
    #[error("a replacement has the form `[some words]`: letters, blanks and hyphens, at most 40")]
    Replacement,
}

impl Redactor {
    /// One of ours.
    pub fn builtin(builtin: Builtin) -> Self {
        Self(Kind::Builtin(builtin))
    }

    /// One of the policy author's: a regular expression and what stands in the place of a match,
    /// `[name]` if not given.
    pub fn pattern(name: &str, pattern: &str, replace: Option<&str>) -> Result<Self, PatternError> {
        if !is_label_text(name) {
            return Err(PatternError::Name);
        }
        let replace = match replace {
            Some(label) => label.to_owned(),
            None => format!("[{}]", name.replace(|letter: char| letter.is_ascii_digit(), "-")),
        };
        let words = replace.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if !words.is_some_and(|words| is_label_text(words) && !words.contains(|c: char| c.is_numeric())) {
            return Err(PatternError::Replacement);
        }
        let regex = compile(pattern)?;
        Ok(Self(Kind::Pattern(Arc::new(Pattern { name: name.to_owned(), regex, replace }))))
    }

    /// Its name in the policy.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Builtin(builtin) => builtin.name(),
            Kind::Pattern(pattern) => &pattern.name,
        }
    }

    /// What stands in the place of a match.
    pub fn label(&self) -> &str {
        match &self.0 {
            Kind::Builtin(builtin) => builtin.label(),
            Kind::Pattern(pattern) => &pattern.replace,
        }
    }

    /// The text with every match replaced by the label.
    pub fn apply(&self, text: &str) -> String {
        match &self.0 {
            Kind::Builtin(builtin) => self.pass(text, |folded| builtin.find(folded)),
            Kind::Pattern(pattern) => self.settle(text, |folded| matches(&pattern.regex, folded)),
        }
    }

    /// One of our own finders sees all there is in one pass.
    fn pass(&self, text: &str, find: impl Fn(&str) -> Vec<Range<usize>>) -> String {
        let folded = Folded::new(text, Fold::Everything, self.own_label());
        let spans = find::whole_words(folded.text(), find(folded.text()));
        let spans = spans.into_iter().map(|span| folded.original(span)).collect();
        replace(text, spans, self.label())
    }

    /// A foreign pattern can match anew beside what was cut; repeat until it does not. One that
    /// never settles (a pattern for every single letter, on a long text) leaves nothing but the label.
    fn settle(&self, text: &str, find: impl Fn(&str) -> Vec<Range<usize>>) -> String {
        let mut now = text.to_owned();
        for _ in 0..MAX_PASSES {
            let mut spans = Vec::new();
            for fold in [Fold::Labels, Fold::Everything] {
                let folded = Folded::new(&now, fold, self.own_label());
                spans.extend(find(folded.text()).into_iter().map(|span| folded.original(span)));
            }
            let next = replace(&now, spans, self.label());
            if next == now {
                return now;
            }
            now = next;
        }
        self.label().to_owned()
    }

    fn own_label(&self) -> Option<&str> {
        match &self.0 {
            Kind::Builtin(_) => None,
            Kind::Pattern(pattern) => Some(&pattern.replace),
        }
    }
}

impl Builtin {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 6] =
        [Self::Links, Self::Addresses, Self::Cards, Self::Iban, Self::Codes, Self::Phones];

    fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Addresses => "addresses",
            Self::Cards => "cards",
            Self::Iban => "iban",
            Self::Codes => "codes",
            Self::Phones => "phones",
        }
    }

    /// Two words or more where one would be likely to stand in a mail as it came: a label is a wall.
    const fn label(self) -> &'static str {
        match self {
            Self::Links => "[sign-in link]",
            Self::Addresses => "[mail address]",
            Self::Cards => "[card number]",
            Self::Iban => "[account number]",
            Self::Codes => "[one-time code]",
            Self::Phones => "[phone number]",
        }
    }

    fn find(self, folded: &str) -> Vec<Range<usize>> {
        match self {
            Self::Links => find::links(folded),
            Self::Addresses => find::addresses(folded),
            Self::Cards => find::cards(folded),
            Self::Iban => find::ibans(folded),
            Self::Codes => find::codes(folded),
            Self::Phones => find::phones(folded),
        }
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Builtin(one), Self::Builtin(two)) => one == two,
            (Self::Pattern(one), Self::Pattern(two)) => {
                one.name == two.name && one.regex.as_str() == two.regex.as_str() && one.replace == two.replace
            }
            _ => false,
        }
    }
}

/// Compiles a foreign expression. A search with `regex` is linear in the text, the limits bound its
/// memory; all matches of an unlucky expression can take the square (`a.*b|a` on many `a`), so whoever
/// applies redactors bounds the text.
fn compile(pattern: &str) -> Result<Regex, PatternError> {
    if pattern.len() > MAX_PATTERN {
        return Err(PatternError::Large);
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::Large,
            // The last line says what is wrong; those before it draw where.
            other => PatternError::Syntax(other.to_string().lines().last().unwrap_or_default().to_owned()),
        })?;
    if regex.is_match("") { Err(PatternError::Empty) } else { Ok(regex) }
}

fn matches(regex: &Regex, text: &str) -> Vec<Range<usize>> {
    regex.find_iter(text).map(|found| found.range()).filter(|span| !span.is_empty()).collect()
}

/// Cuts the spans out, overlapping ones as one, and puts the label in their place with the line
/// ends that stood there.
fn replace(text: &str, mut spans: Vec<Range<usize>>, label: &str) -> String {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for span in merge(spans) {
        out.push_str(&text[done..span.start]);
        out.push_str(label);
        out.extend(text[span.clone()].chars().filter(|letter| *letter == '\n'));
        done = span.end;
    }
    out.push_str(&text[done..]);
    out
}

fn merge(spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

fn is_label_text(text: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || letter == ' ' || letter == '-';
    (1..=MAX_LABEL).contains(&text.chars().count()) && text.chars().all(fits)
}

/// The labels of our own redactors: walls in every folded text.
const LABELS: [&str; 6] = [
    Builtin::Links.label(),
    Builtin::Addresses.label(),
    Builtin::Cards.label(),
    Builtin::Iban.label(),
    Builtin::Codes.label(),
    Builtin::Phones.label(),
];
/// Characters of a pattern's name and label.
const MAX_LABEL: usize = 40;
/// Bytes of a pattern's text.
const MAX_PATTERN: usize = 1_000;
/// Bytes a pattern compiles to: room for a Unicode class or two, far below `regex`'s 10 MiB.
const MAX_COMPILED: usize = 1 << 19;
/// Depth of groups in a pattern.
const MAX_NESTING: u32 = 32;
/// Passes after which a pattern is held never to settle.
const MAX_PASSES: usize = 8;

#[cfg(test)]
mod tests;

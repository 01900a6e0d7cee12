//! What one policy shows that another does not, as sentences for people and as one answer for law 7:
//! revealing more needs an unlock, revealing less does not.
//!
//! The answer is conservative. A change counts as revealing unless it is certain that whoever sees a view
//! under the new policy could have worked it out from the same view under the old one. So some
//! harmless changes ask for an unlock too: a redactor added before another one (it may break up what the
//! other would have found), a new exception (whether it applied can be told from the view), HTML shown as
//! text instead of cleaned. What counts is listed in [`gains`], and nowhere else.

use std::collections::BTreeSet;
use std::fmt;

use super::model::*;
use super::redact::Redactor;
use super::template::Variable;

/// The difference between two policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diff {
    /// What the new policy shows and the old one did not, or may not have.
    pub reveals: Vec<String>,
    /// What the old policy showed and the new one does not.
    pub hides: Vec<String>,
    /// What changed without showing more or less.
    pub other: Vec<String>,
}

impl Diff {
    /// Whether the new policy reveals more, or may.
    pub fn loosens(&self) -> bool {
        !self.reveals.is_empty()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn rules(&mut self, context: &str, old: &Rules, new: &Rules) {
        let say = |verb: &str, things: Vec<String>| -> Vec<String> {
            things.into_iter().map(|thing| format!("{context}{verb} {thing}.")).collect()
        };
        let before = self.reveals.len() + self.hides.len();
        self.reveals.extend(say("now shown:", gains(old, new)));
        self.hides.extend(say("no longer shown:", gains(new, old)));
        let wording =
            wording(old, new).into_iter().map(|thing| format!("{context}{thing} reads differently."));
        self.other.extend(wording);
        if old != new && before == self.reveals.len() + self.hides.len() && self.other.is_empty() {
            self.other.push(format!("{context}the rules are written differently and show the same."));
        }
    }
}

impl fmt::Display for Diff {
    /// A line for each sentence, what is revealed first, marked `+`, `-` and `~`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mark, sentences) in [('+', &self.reveals), ('-', &self.hides), ('~', &self.other)] {
            sentences.iter().try_for_each(|sentence| writeln!(out, "{mark} {sentence}"))?;
        }
        Ok(())
    }
}

/// Compares two policies.
pub fn diff(old: &Policy, new: &Policy) -> Diff {
    let mut diff = Diff::default();
    diff.rules("", &old.base, &new.base);
    let same = old.when.iter().zip(&new.when).take_while(|(old, new)| old.matcher == new.matcher).count();
    for (old, new) in old.when.iter().zip(&new.when).take(same) {
        diff.rules(&format!("Mail {}: ", new.matcher), &old.rules, &new.rules);
    }
    // Mail that these caught falls under the base now, or under an exception that counts as new.
    for gone in &old.when[same..] {
        diff.rules(&format!("Mail {}, no longer an exception: ", gone.matcher), &gone.rules, &new.base);
    }
    // A new exception can be told from the view, and so can a changed order of old ones.
    for added in &new.when[same..] {
        diff.reveals.push(format!("Whether mail is {} can now be told from the view.", added.matcher));
        diff.rules(&format!("Mail {}, now an exception: ", added.matcher), &old.base, &added.rules);
    }
    if old.on_delete != new.on_delete {
        diff.other.push(match new.on_delete {
            OnDelete::Hide => "A delete by a client hides the message from this view only.".to_owned(),
            OnDelete::Trash => {
                "A delete by a client moves the message to the trash, in all views.".to_owned()
            }
            OnDelete::Delete => {
                "A delete by a client destroys the message for good: nobody can bring it back.".to_owned()
            }
        });
    }
    if old.description != new.description {
        diff.other.push("The description changed.".to_owned());
    }
    diff
}

impl Policy {
    /// What whoever wrote the policy should know about its exceptions, as sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for When { matcher, rules } in &self.when {
            if matcher.waits_for_a_filter() {
                notes.push(format!(
                    "Mail {matcher}: this matches nothing yet. Veilpost has no filter that judges mail, so all of it \
                     stays under the base."
                ));
            }
            let (more, less) = (!gains(&self.base, rules).is_empty(), !gains(rules, &self.base).is_empty());
            if more && matcher.trusts_unproven_sender() {
                notes.push(format!(
                    "Mail {matcher} shows more than the base, and anybody can write that address: add dmarc = \"pass\"."
                ));
            }
            if less && matcher.may_be_unknown() {
                notes.push(format!(
                    "Mail {matcher} shows less than the base, and what is unknown matches nothing: \
                     make the base the strict one and show more by exception."
                ));
            }
            let hidden =
                matcher.tested().into_iter().filter(|field| !rules.shows_header(field, Aspect::Whole));
            notes.extend(hidden.map(|field| {
                format!(
                    "Mail {matcher}: {field} is hidden, but whether it matched can be told from the view."
                )
            }));
        }
        notes
    }
}

/// What `more` shows that `less` does not, or may not.
fn gains(less: &Rules, more: &Rules) -> Vec<String> {
    match (less.presence, more.presence) {
        (Presence::Original, _) | (_, Presence::Absent) => return Vec::new(),
        (_, Presence::Original) => return vec!["the original message, byte for byte".to_owned()],
        (Presence::Absent | Presence::Masked, Presence::Masked) => {}
    }
    let mut gained = Vec::new();
    if less.presence == Presence::Absent {
        gained.push("that there is a message, and when it came".to_owned());
    }
    header_gains(less, more, &mut gained);
    variable_gains(less, more, &mut gained);
    body_gains(less, more, &mut gained);
    part_gains(&less.parts, &more.parts, &mut gained);
    flag_gains(less, more, &mut gained);
    redaction_gains(&less.redact, &more.redact, &mut gained);
    gained
}

/// Both what the rules declare and what reaches the view must be covered: a field in `show` that
/// only a new template brings out is new, and so is one that no template covers up any more.
fn header_gains(less: &Rules, more: &Rules, gained: &mut Vec<String>) {
    let covered = |by: &[HeaderRule], rule: &HeaderRule| by.iter().any(|other| covers(other, rule));
    let (less_exposed, more_exposed) = (exposed(less), exposed(more));
    let declared = more.headers.iter().filter(|rule| !covered(&less.headers, rule));
    let brought_out = more_exposed.iter().filter(|rule| !covered(&less_exposed, rule));
    let names: BTreeSet<String> = declared.chain(brought_out).map(name_of_field).collect();
    gained.extend(names);
}

/// The header fields that reach the view: shown and not made up anew, or named by a template.
fn exposed(rules: &Rules) -> Vec<HeaderRule> {
    let made_up = |name: &str| rules.rewrites.iter().any(|rewrite| rewrite.name.eq_ignore_ascii_case(name));
    let whole =
        rules.headers.iter().filter(|rule| rule.aspect == Aspect::Whole && !made_up(&rule.name)).cloned();
    let named = variables(rules).filter_map(|variable| match variable {
        Variable::Header { name, aspect } => {
            Some(HeaderRule { name: name.clone(), aspect: *aspect, duplicates: Duplicates::First })
        }
        _ => None,
    });
    // Domains as names bring out what a template would.
    let domains = rules.pseudonyms.senders && rules.pseudonyms.sender_domains;
    let name = domains.then(|| HeaderRule {
        name: "from".to_owned(),
        aspect: Aspect::Domain,
        duplicates: Duplicates::First,
    });
    whole.chain(named).chain(name).collect()
}

fn covers(rule: &HeaderRule, other: &HeaderRule) -> bool {
    rule.name.eq_ignore_ascii_case(&other.name)
        && rule.aspect.covers(other.aspect)
        && (rule.duplicates == Duplicates::All || other.duplicates == Duplicates::First)
}

fn name_of_field(rule: &HeaderRule) -> String {
    let all = if rule.duplicates == Duplicates::All { ", all of them" } else { "" };
    format!("the header field {}{all}", rule.spelling())
}

fn variables(rules: &Rules) -> impl Iterator<Item = &Variable> {
    let templates = rules.rewrites.iter().map(|rewrite| &rewrite.template).chain([&rules.placeholder.text]);
    templates.flat_map(|template| template.variables())
}

fn variable_gains(less: &Rules, more: &Rules, gained: &mut Vec<String>) {
    let before: BTreeSet<_> = variables(less).collect();
    let new: BTreeSet<_> = variables(more).filter(|variable| !before.contains(variable)).collect();
    gained.extend(new.into_iter().filter_map(|variable| match variable {
        Variable::Header { .. } => None,
        Variable::Pseudonym => Some("the sender's token, in a template".to_owned()),
        Variable::Link => Some("a link to the message in the dashboard, in a template".to_owned()),
        Variable::Phrase => Some("the user's phrase against phishing".to_owned()),
        Variable::Attachments => Some("the number of attachments, in a template".to_owned()),
    }));
}

fn body_gains(less: &Rules, more: &Rules, gained: &mut Vec<String>) {
    if text_rank(more.text) > text_rank(less.text) {
        gained.push(match more.text {
            TextMask::Show => "the whole plain text".to_owned(),
            TextMask::Excerpt { lines } => format!("{lines} lines of the plain text"),
            TextMask::Placeholder | TextMask::Omit => "that there is a plain text".to_owned(),
        });
    }
    let reworked = less.html == HtmlMask::Sanitized
        && more.html == HtmlMask::AsText
        && html_rank(more) > PLACEHOLDER_RANK;
    if html_rank(more) > html_rank(less) || reworked {
        gained.push(match more.html {
            HtmlMask::Sanitized => "the HTML, cleaned".to_owned(),
            HtmlMask::AsText if reworked => {
                "the HTML's text, which may have words that cleaning removed".to_owned()
            }
            HtmlMask::AsText | HtmlMask::Omit => "the HTML's text, as far as plain text is shown".to_owned(),
        });
    }
    if more.nested_depth > less.nested_depth {
        gained.push(format!("attached messages, masked, {} deep", more.nested_depth));
    }
}

fn text_rank(mask: TextMask) -> u32 {
    match mask {
        TextMask::Omit => 0,
        TextMask::Placeholder => PLACEHOLDER_RANK,
        TextMask::Excerpt { lines } => PLACEHOLDER_RANK + 1 + u32::from(lines),
        TextMask::Show => WHOLE_RANK,
    }
}

fn html_rank(rules: &Rules) -> u32 {
    match rules.html {
        HtmlMask::Omit => 0,
        HtmlMask::AsText => text_rank(rules.text),
        HtmlMask::Sanitized => WHOLE_RANK + 1,
    }
}

/// Tries one part of every kind that the rules can tell apart, which is exact.
fn part_gains(less: &[PartRule], more: &[PartRule], gained: &mut Vec<String>) {
    let both = || less.iter().chain(more);
    let mut kinds: BTreeSet<(&str, &str)> =
        both().map(|rule| (rule.media.0.as_str(), rule.media.1.as_str())).collect();
    // A type that no rule names, which the rules write as `*`, and that no part can have.
    kinds.insert(("*", "*"));
    let mut sizes: BTreeSet<u64> =
        both().filter_map(|rule| rule.max_octets).flat_map(|most| [most, most.saturating_add(1)]).collect();
    sizes.insert(0);
    let shown = |rules: &[PartRule], kind: (&str, &str), disposition, size| {
        rules.iter().find(|rule| fits(rule, kind, disposition, size)).is_some_and(|rule| rule.show)
    };
    for kind in kinds {
        for disposition in [Disposition::Inline, Disposition::Attachment] {
            let newly = |size: &&u64| {
                shown(more, kind, disposition, **size) && !shown(less, kind, disposition, **size)
            };
            let Some(size) = sizes.iter().rev().find(newly) else { continue };
            let (noun, upper) = (name_of_disposition(disposition), sizes.last() == Some(size));
            let limit = if upper { String::new() } else { format!(" up to {size} B") };
            gained.push(format!("{noun} of type {}/{}{limit}", kind.0, kind.1));
        }
    }
}

fn fits(rule: &PartRule, kind: (&str, &str), disposition: Disposition, size: u64) -> bool {
    let named = |pattern: &str, word: &str| pattern == "*" || pattern == word;
    named(&rule.media.0, kind.0)
        && named(&rule.media.1, kind.1)
        && rule.disposition.is_none_or(|wanted| wanted == disposition)
        && rule.max_octets.is_none_or(|most| size <= most)
}

fn name_of_disposition(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Inline => "inline parts",
        Disposition::Attachment => "attachments",
    }
}

fn flag_gains(less: &Rules, more: &Rules, gained: &mut Vec<String>) {
    let (old, new) = (&less.reveal, &more.reveal);
    let (was, is) = (&less.pseudonyms, &more.pseudonyms);
    let flags = [
        (old.count, new.count, "how many parts are hidden"),
        (old.names, new.names, "the file names of hidden parts"),
        (old.sizes, new.sizes, "the sizes of hidden parts"),
        (old.types, new.types, "the media types of hidden parts"),
        (was.senders, is.senders, "which mail has the same hidden sender"),
        (was.addressees, is.addressees, "which mail has the same hidden addressees"),
        (was.threads, is.threads, "which mail belongs to the same thread"),
        (less.placeholder.link, more.placeholder.link, "a link to the message in the dashboard"),
    ];
    gained.extend(
        flags
            .into_iter()
            .filter(|(before, after, _)| *after && !before)
            .map(|(_, _, thing)| thing.to_owned()),
    );
}

/// Only redactors added after all others certainly cut no less: then they work on what was shown.
fn redaction_gains(less: &[Redactor], more: &[Redactor], gained: &mut Vec<String>) {
    if more.starts_with(less) {
        return;
    }
    let before = gained.len();
    let missing = less.iter().filter(|redactor| !more.contains(redactor));
    gained.extend(missing.map(|redactor| format!("what the redactor `{}` cut out", redactor.name())));
    if gained.len() == before {
        gained.push("perhaps what redactors cut out, because another one now runs before them".to_owned());
    }
}

/// Texts of our own that changed.
fn wording(old: &Rules, new: &Rules) -> Vec<String> {
    let changed = new.rewrites.iter().filter(|rewrite| !old.rewrites.contains(rewrite));
    let mut things: Vec<String> = changed.map(|rewrite| format!("the made-up {}", rewrite.name)).collect();
    let gone =
        old.rewrites.iter().filter(|rewrite| !new.rewrites.iter().any(|other| other.name == rewrite.name));
    things.extend(gone.map(|rewrite| format!("{}, no longer made up,", rewrite.name)));
    if old.placeholder.text != new.placeholder.text {
        things.push("the placeholder".to_owned());
    }
    things
}

const PLACEHOLDER_RANK: u32 = 1;
const WHOLE_RANK: u32 = u32::MAX - 1;

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;

//! Which rules a message gets: matchers over facts about it.
//!
//! Matching fails closed. A fact that is not known matches nothing, and a matcher on From never
//! matches a message without exactly one address there, because readers disagree on which one
//! counts (RFC 5322 §3.6.2 wants Sender then, and few show it). So a `[[when]]` that shows *more*
//! than the base is reached only on certain facts; one that shows *less* is missed on uncertain
//! ones, which is why the base should be the strict one. [`Policy::notes`] says so where it applies.

use std::fmt;
use std::time::Duration;

use super::model::{Policy, Rules};
pub use super::source::Dmarc;
use crate::names::parse_domain;

/// What is known about one message. Holds addresses, so its `Debug` prints nothing.
#[derive(Clone, Default)]
pub struct Facts {
    /// The addresses in From, in lower case, domains in ASCII.
    pub sender: Vec<String>,
    /// The addresses it was delivered to, in the same form.
    pub addressees: Vec<String>,
    /// The identifier in List-Id (RFC 2919 §2), without angle brackets.
    pub list_id: Option<String>,
    /// The result of DMARC, if it was evaluated without error.
    pub dmarc: Option<Dmarc>,
    /// The spam verdict, if there is one.
    pub spam: Option<bool>,
    /// The size of the message as received.
    pub octets: u64,
    /// Its age since arrival when the view is made.
    pub age: Option<Duration>,
}

/// The conditions of one `[[when]]`: all that are given must hold; of a list, any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    pub(super) from: Vec<AddressGlob>,
    pub(super) to: Vec<AddressGlob>,
    pub(super) list: Vec<Glob>,
    pub(super) dmarc: Vec<Dmarc>,
    pub(super) spam: Option<bool>,
    pub(super) larger_than: Option<u64>,
    pub(super) older_than: Option<Duration>,
}

impl Policy {
    /// The rules for a message: of the first `[[when]]` whose matcher holds, else of the base.
    pub fn rules_for(&self, facts: &Facts) -> &Rules {
        self.when.iter().find(|when| when.matcher.holds(facts)).map_or(&self.base, |when| &when.rules)
    }

    /// The rules that may be meant for a message of which only a view is left, so that facts may be
    /// lacking that were known on arrival: of every `[[when]]` that may hold, up to the first that
    /// surely does, else the base as well. Masks laid one over the other show what all of them show,
    /// so whoever applies every one of these reveals nothing that the right one hides.
    pub fn rules_in_doubt(&self, facts: &Facts) -> Vec<&Rules> {
        let mut rules = Vec::new();
        for when in self.when.iter().filter(|when| when.matcher.may_hold(facts)) {
            rules.push(&when.rules);
            if when.matcher.holds(facts) {
                return rules;
            }
        }
        rules.push(&self.base);
        rules
    }

    /// The header fields whose content the policy's matchers test, each once. Where such a field
    /// is hidden, a client can tell from the view whether it matched: one bit a rule.
    pub fn tested(&self) -> Vec<&'static str> {
        let mut fields: Vec<_> = self.when.iter().flat_map(|when| when.matcher.tested()).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

impl Matcher {
    /// Whether it goes by what only a filter tells, which there is none of yet: it matches nothing.
    pub fn waits_for_a_filter(&self) -> bool {
        !self.dmarc.is_empty() || self.spam.is_some()
    }

    /// Whether all conditions certainly hold.
    pub fn holds(&self, facts: &Facts) -> bool {
        self.holds_for_sender(&facts.sender)
            && (self.to.is_empty() || facts.addressees.iter().any(|to| self.to.iter().any(|g| g.fits(to))))
            && (self.list.is_empty() || known(&facts.list_id, |id| self.list.iter().any(|g| g.fits(id))))
            && (self.dmarc.is_empty() || known(&facts.dmarc, |result| self.dmarc.contains(result)))
            && self.spam.is_none_or(|wanted| facts.spam == Some(wanted))
            && self.larger_than.is_none_or(|limit| facts.octets > limit)
            && self.older_than.is_none_or(|limit| known(&facts.age, |age| *age > limit))
    }

    /// Whether it holds, or would if what is unknown were as it wants it.
    fn may_hold(&self, facts: &Facts) -> bool {
        let unknown_fits = Self {
            from: if facts.sender.is_empty() { Vec::new() } else { self.from.clone() },
            to: if facts.addressees.is_empty() { Vec::new() } else { self.to.clone() },
            list: if facts.list_id.is_none() { Vec::new() } else { self.list.clone() },
            dmarc: if facts.dmarc.is_none() { Vec::new() } else { self.dmarc.clone() },
            spam: self.spam.filter(|_| facts.spam.is_some()),
            larger_than: self.larger_than,
            older_than: self.older_than.filter(|_| facts.age.is_some()),
        };
        unknown_fits.holds(facts)
    }

    /// The header fields whose content it tests. (Addressees are facts of delivery, not of To.)
    pub fn tested(&self) -> Vec<&'static str> {
        let from = !self.from.is_empty() || !self.dmarc.is_empty();
        [("From", from), ("List-Id", !self.list.is_empty())]
            .into_iter()
            .filter_map(|(field, tests)| tests.then_some(field))
            .collect()
    }

    /// Whether it trusts a From address that DMARC need not have confirmed.
    pub(super) fn trusts_unproven_sender(&self) -> bool {
        !self.from.is_empty() && self.dmarc != [Dmarc::Pass]
    }

    /// Whether it tests what may be unknown of a message.
    pub(super) fn may_be_unknown(&self) -> bool {
        let empty = Self { to: self.to.clone(), larger_than: self.larger_than, ..Self::default() };
        *self != empty
    }

    fn holds_for_sender(&self, sender: &[String]) -> bool {
        match sender {
            _ if self.from.is_empty() => true,
            [only] => self.from.iter().any(|glob| glob.fits(only)),
            _ => false,
        }
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Facts(..)")
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        let any = |globs: Vec<&str>| globs.join(" or ");
        let address = |globs: &[AddressGlob]| any(globs.iter().map(|glob| glob.text.as_str()).collect());
        if !self.from.is_empty() {
            said.push(format!("from {}", address(&self.from)));
        }
        if !self.to.is_empty() {
            said.push(format!("to {}", address(&self.to)));
        }
        if !self.list.is_empty() {
            said.push(format!("of list {}", any(self.list.iter().map(|glob| glob.0.as_str()).collect())));
        }
        if !self.dmarc.is_empty() {
            said.push(format!(
                "with DMARC {}",
                any(self.dmarc.iter().map(|result| name_of(*result)).collect())
            ));
        }
        if let Some(spam) = self.spam {
            said.push(if spam { "called spam" } else { "not called spam" }.to_owned());
        }
        if let Some(octets) = self.larger_than {
            said.push(format!("larger than {octets} B"));
        }
        if let Some(age) = self.older_than {
            said.push(format!("older than {} h", age.as_secs() / 3_600));
        }
        out.write_str(&said.join(" and "))
    }
}

/// A pattern for addresses: a glob before the `@`, and a domain, `*.domain` or `*` after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AddressGlob {
    text: String,
    local: Glob,
    domain: Glob,
}

impl AddressGlob {
    /// Parses `name@domain` with `*` for any run of characters; the sides are matched apart, so
    /// that no `*` reaches over the `@`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let (wild, fixed) = match domain.strip_prefix("*.") {
            Some(fixed) => ("*.", fixed),
            None if domain == "*" => ("*", ""),
            None => ("", domain),
        };
        // IDNA once here, because facts hold domains in ASCII.
        let fixed = if fixed.is_empty() { String::new() } else { parse_domain(fixed).ok()? };
        let fits = text.len() <= MAX_GLOB && !local.is_empty() && !(wild.is_empty() && fixed.is_empty());
        let printable = !local.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        (fits && printable && !fixed.contains('*')).then(|| Self {
            text: text.to_owned(),
            local: Glob(local.to_lowercase()),
            domain: Glob(format!("{wild}{fixed}")),
        })
    }

    fn fits(&self, address: &str) -> bool {
        // The last `@` parts an address; a local part may hold others in quotes (RFC 5321 §4.1.2).
        address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| self.local.fits(local) && self.domain.fits(domain))
    }
}

/// A text in lower case in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glob(String);

impl Glob {
    /// Any text that is not empty, too long or unprintable.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_GLOB && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_lowercase()))
    }

    /// Takes the leftmost place for each piece between stars: linear in pieces times length.
    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(head) else { return false };
        let mut pieces = rest.split('*').peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return left.ends_with(piece);
            }
            let Some(at) = left.find(piece) else { return false };
            left = &left[at + piece.len()..];
        }
        // `rest.split` gives at least one piece, and the last one returned above.
        false
    }
}

fn known<T>(fact: &Option<T>, holds: impl Fn(&T) -> bool) -> bool {
    fact.as_ref().is_some_and(holds)
}

fn name_of(result: Dmarc) -> &'static str {
    match result {
        Dmarc::Pass => "pass",
        Dmarc::Fail => "fail",
        Dmarc::None => "none",
    }
}

/// Longer than any address (RFC 5321 §4.5.3.1.3).
const MAX_GLOB: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(glob: &str, address: &str) -> bool {
        AddressGlob::parse(glob).expect("valid").fits(address)
    }

    #[test]
    fn globs_match_each_side_apart() {
        assert!(address("*@bank.example", "news@bank.example"));
        assert!(address("NEWS@Bank.Example", "news@bank.example"));
        assert!(address("ann*@*.bank.example", "ann.lee@mail.bank.example"));
        assert!(address("*@bücher.example", "a@xn--bcher-kva.example"));
        assert!(address("boss@*", "boss@anywhere.example"));
        assert!(!address("*@bank.example", "a@evilbank.example"));
        assert!(!address("*@bank.example", "a@mail.bank.example"));
        assert!(!address("*@*.bank.example", "a@bank.example"));
        assert!(!address("*@bank.example", "\"x@bank.example\"@evil.example"));
        assert!(!address("*@bank.example", "no address"));
    }

    #[test]
    fn globs_that_cannot_be_meant_are_refused() {
        for text in [
            "",
            "bank.example",
            "@bank.example",
            "a@",
            "a@b@c",
            "*@ba*nk.example",
            "*@*bank.example",
            "a b@c",
        ] {
            assert!(AddressGlob::parse(text).is_none(), "{text}");
        }
        assert!(Glob::parse("").is_none());
        assert!(Glob::parse(&"a".repeat(MAX_GLOB + 1)).is_none());
    }

    #[test]
    fn a_matcher_on_from_needs_exactly_one_sender() {
        let matcher = Matcher { from: vec![AddressGlob::parse("*@*").unwrap()], ..Matcher::default() };
        let facts = |sender: &[&str]| Facts {
            sender: sender.iter().map(|address| (*address).to_owned()).collect(),
            ..Facts::default()
        };
        assert!(matcher.holds(&facts(&["a@b.example"])));
        assert!(!matcher.holds(&facts(&[])));
        assert!(!matcher.holds(&facts(&["a@b.example", "a@b.example"])));
    }

    #[test]
    fn what_is_unknown_matches_nothing() {
        let unknown = Facts::default();
        for matcher in [
            Matcher { spam: Some(true), ..Matcher::default() },
            Matcher { spam: Some(false), ..Matcher::default() },
            Matcher { dmarc: vec![Dmarc::Pass, Dmarc::Fail, Dmarc::None], ..Matcher::default() },
            Matcher { list: vec![Glob::parse("*").unwrap()], ..Matcher::default() },
            Matcher { older_than: Some(Duration::ZERO), ..Matcher::default() },
        ] {
            assert!(matcher.may_be_unknown());
            assert!(!matcher.holds(&unknown), "{matcher}");
        }
        let larger = Matcher { larger_than: Some(0), ..Matcher::default() };
        assert!(!larger.may_be_unknown() && !larger.holds(&unknown));
        assert!(larger.holds(&Facts { octets: 1, ..Facts::default() }));
    }

    #[test]
    fn all_conditions_must_hold() {
        let matcher = Matcher {
            to: vec![AddressGlob::parse("office@firm.example").unwrap()],
            spam: Some(true),
            ..Matcher::default()
        };
        let mut facts = Facts { addressees: vec!["office@firm.example".into()], ..Facts::default() };
        assert!(!matcher.holds(&facts));
        facts.spam = Some(true);
        assert!(matcher.holds(&facts));
        assert_eq!(matcher.to_string(), "to office@firm.example and called spam");
    }

    proptest! {
        #[test]
        fn globs_agree_with_a_regular_expression(glob in "[ab*]{1,8}", text in "[ab]{0,10}") {
            let pattern = format!("^{}$", glob.replace('*', ".*"));
            prop_assert_eq!(Glob(glob).fits(&text), regex::Regex::new(&pattern).unwrap().is_match(&text));
        }
    }
}

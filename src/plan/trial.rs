//! Trying a policy on a message outside of any vault: what a view would show, under circumstances
//! that are told instead of found out, so that the same trial always gives the same bytes.
//!
//! `veilpost policy preview` and the cases beside the shipped policies are trials. What stands for
//! the vault (its domain, the message's identifier, the time, the tokens) is fixed here; nothing
//! of it is secret, and no vault uses it.

use super::compose::{Context, compose};
use super::explain::{self, Fate};
use super::facts;
use crate::clock::Timestamp;
use crate::message::{Anatomy, dissect};
use crate::names::MessageId;
use crate::policy::when::{Dmarc, Facts};
use crate::policy::{Policy, Rules, When, parse_age};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What a policy's matchers may ask that the message does not say. TOML beside a case.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Circumstances {
    /// The addresses it was delivered to.
    pub to: Vec<String>,
    /// What DMARC said of the sender.
    pub dmarc: Option<Dmarc>,
    /// Whether the filter called it spam.
    pub spam: Option<bool>,
    /// How long ago it arrived, as in `"30d"`; just now without it.
    pub age: Option<Age>,
    /// The user's phrase against phishing; none has been chosen without it.
    pub phrase: Option<String>,
}

/// A time in the words of a policy: `"12h"`, `"30d"`, `"6w"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(pub Duration);

/// A policy and a message, put together.
pub struct Trial<'a> {
    policy: &'a Policy,
    bytes: &'a [u8],
    anatomy: Anatomy,
    facts: Facts,
    phrase: Option<String>,
}

impl Circumstances {
    /// Reads the TOML form. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

impl std::str::FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_age(text).map(Self).ok_or_else(|| "write an age as in 12h, 30d or 6w".to_owned())
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl<'a> Trial<'a> {
    /// Puts a policy to a message.
    pub fn new(policy: &'a Policy, bytes: &'a [u8], told: &Circumstances) -> Self {
        let anatomy = dissect(bytes);
        let age = told.age.map_or(Duration::ZERO, |age| age.0);
        let addressees = told.to.iter().map(|address| address.to_lowercase()).collect();
        let found = facts(bytes, &anatomy, addressees, age);
        let facts = Facts { dmarc: told.dmarc, spam: told.spam, ..found };
        Self { policy, bytes, anatomy, facts, phrase: told.phrase.clone() }
    }

    /// The message in its atoms.
    pub fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// The exception that holds, and its number from 0, if one does.
    pub fn exception(&self) -> Option<(usize, &'a When)> {
        self.policy.when.iter().enumerate().find(|(_, when)| when.matcher.holds(&self.facts))
    }

    /// The rules that the policy has for this message.
    pub fn rules(&self) -> &'a Rules {
        self.policy.rules_for(&self.facts)
    }

    /// The view's octets; none if the message is not in the view.
    pub fn view(&self) -> Option<Vec<u8>> {
        self.with_context(|context| {
            let composition = compose(self.rules(), self.bytes, &self.anatomy, context)?;
            Some(composition.render(self.bytes, &self.anatomy))
        })
    }

    /// What becomes of every atom, in message order.
    pub fn explain(&self) -> Vec<Fate> {
        self.with_context(|context| explain::explain(self.rules(), self.bytes, &self.anatomy, context))
    }

    fn with_context<T>(&self, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let message = MessageId::from_bytes(MESSAGE);
        act(&Context {
            message,
            link: Some(format!("https://{DOMAIN}/m/{message}")),
            phrase: self.phrase.clone(),
            pseudonyms: &token,
            mail_domain: DOMAIN,
            received: Timestamp::from_unix(RECEIVED),
        })
    }
}

/// A token as the vault makes them, under a key that everybody knows.
fn token(name: &str) -> String {
    let hash = Sha256::new().chain_update(TOKEN_KEY).chain_update(name).finalize();
    data_encoding::BASE32_NOPAD.encode(&hash[..TOKEN_OCTETS]).to_ascii_lowercase()
}

/// The vault's domain.
const DOMAIN: &str = "vault.example";
/// The message's identifier.
const MESSAGE: [u8; 16] = [0; 16];
/// When it arrived: 10 November 2026, noon, UTC.
const RECEIVED: i64 = 1_794_312_000;
const TOKEN_KEY: &[u8] = b"veilpost: a demonstration, not a secret\0";
/// As many as the vault's tokens have.
const TOKEN_OCTETS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::parse;

    #[test]
    fn circumstances_pick_the_exception() {
        let policy = parse("version = 1\n[[when]]\nspam = true\nshow = \"nothing\"\n", "p").unwrap();
        let message = b"Subject: x\r\n\r\ntext\r\n";
        let told = Circumstances::parse("spam = true\nage = \"30d\"\ndmarc = \"fail\"").unwrap();
        let trial = Trial::new(&policy, message, &told);
        assert_eq!(trial.exception().map(|(index, _)| index), Some(0));
        assert_eq!(trial.view(), None);
        let trial = Trial::new(&policy, message, &Circumstances::default());
        assert!(trial.exception().is_none() && trial.view().is_some());
        assert_eq!(trial.view(), trial.view());
    }

    #[test]
    fn circumstances_that_cannot_be_meant_are_refused() {
        for text in ["span = true", "age = \"30\"", "dmarc = \"maybe\""] {
            assert!(Circumstances::parse(text).is_err(), "{text}");
        }
    }
}

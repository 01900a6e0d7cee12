//! Previews: one of the owner's own messages and what a policy would show of it, before any client
//! gets the policy. Nothing is stored or served from here.
//!
//! The message is revealed for it, so the audit entry comes first (law 4), and the whole message
//! counts as revealed. The view is composed by the function that composes every view (law 5).

use std::sync::Arc;

use super::mail::OwnerReader;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Extent, Purpose};
use crate::clock::Timestamp;
use crate::message::dissect;
use crate::names::{Address, ViewId};
use crate::plan;
use crate::plan::sides::{self, Shown, Told};
use crate::policy::Policy;
use crate::tenant::registry;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::seal::{About, explain, render};
use crate::wipe::Wiped;

/// A message that was revealed to try policies on it.
pub struct Sample {
    row: MessageRow,
    octets: Wiped,
    addressee: String,
    /// The user's phrase against phishing.
    phrase: Option<String>,
}

/// What a policy makes of a message.
pub struct Sides {
    /// The condition of the exception that holds; none where the base rules do.
    pub exception: Option<String>,
    /// What the client would get; none if the message would not be in the view.
    pub client: Option<Shown>,
    /// The original, atom by atom, with the fate of each.
    pub original: Vec<Told>,
}

/// Reveals a message to its owner for a preview. Too large a message is refused before it is read.
pub async fn sample(vault: &Arc<Vault>, unlocked: &Unlocked, uid: u32) -> Result<Sample, OwnerError> {
    let mut reader = OwnerReader::new(vault, unlocked)?;
    let (uid, row) = reader.find(&uid.to_string()).await?;
    if row.octets > MAX_OCTETS {
        let why = format!("a preview takes at most {} MB", MAX_OCTETS / 1_000_000);
        return Err(OwnerError::Invalid { what: "message", why });
    }
    reader.may_show(&row)?;
    let recorded =
        reader.record(Act::MessageRevealed { message: row.message, extent: Extent::Whole }).await?;
    let opened = reader.open(uid, &row, (&recorded, Purpose::Whole)).await?;
    let addressee = opened.manifest().envelope.addressee.clone();
    let octets = reader.whole(opened).await?;
    let phrase = registry::user(&vault.records, unlocked.user)?.and_then(|row| row.phrase);
    Ok(Sample { row, octets, addressee, phrase })
}

impl Sample {
    /// Both sides of `policy` for this message, as the view would have it; tokens of hidden senders
    /// are those of that view.
    pub fn under(&self, vault: &Vault, policy: &Policy, view: ViewId) -> Sides {
        let anatomy = dissect(&self.octets);
        let received = Timestamp::from_unix(self.row.received);
        let about =
            About { message: self.row.message, received, phrase: self.phrase.as_deref(), rendering: None };
        let addressee = Address::parse(&self.addressee).map(|address| address.reveal());
        let age = vault.clock.now().since(received);
        let facts = plan::facts(&self.octets, &anatomy, addressee.into_iter().collect(), age);
        let rules = policy.rules_for(&facts);
        let exception = policy.when.iter().find(|when| when.matcher.holds(&facts));
        let composed = render(vault, rules, view, &self.octets, &anatomy, about);
        let view_octets = composed.map(|composition| Wiped::from(composition.render(&self.octets, &anatomy)));
        let fates = explain(vault, rules, view, &self.octets, &anatomy, about);
        Sides {
            exception: exception.map(|when| when.matcher.to_string()),
            client: view_octets.map(|octets| sides::shown(&octets)),
            original: sides::told(&self.octets, &anatomy, &fates),
        }
    }
}

/// Octets of a message that a preview takes: composing one of them holds up a page for a moment.
const MAX_OCTETS: u64 = 4_000_000;

#[cfg(test)]
mod tests {
    static_assertions::assert_not_impl_any!(super::Sample: Clone, std::fmt::Debug, serde::Serialize);
}

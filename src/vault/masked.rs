//! Renders messages for one view, with the view's key: what the gateway serves, and what the
//! dashboard lists and sets beside the whole. It knows no credentials and no sessions.
//!
//! Nothing is opened without the proof that the audit log has it (law 4). A message that was sealed
//! for an older policy is shown as the new policy's view of the old view (design section 6).

use std::sync::Arc;

use bytes::Bytes;

use super::read::{self, ReadError};
use super::seal::{About, render};
use super::seeds::{ReaderKeys, SeedError};
use super::{PolicyUnavailable, Vault};
use crate::audit::Recorded;
use crate::clock::Timestamp;
use crate::keyring::Identity;
use crate::message::dissect;
use crate::names::{Reader, ViewId};
use crate::plan;
use crate::policy::Policy;
use crate::seal::{Container, OpenedView, UnsealError};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MessageRow, ViewEntry};
use crate::wipe::Wiped;

/// Why a masked message cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// Its container is damaged; everybody who must know has been told.
    #[error("the message is damaged")]
    Damaged,
    /// The view does not have it.
    #[error("the view does not have the message")]
    Gone,
    /// The store, the audit or the policy is not there. The log says more.
    #[error("the message is not available now")]
    Unavailable,
}

/// Where a view's messages stand: whose mailbox, which view, which rendering, under which policy.
#[derive(Clone)]
pub struct Shelf {
    /// Whose mailbox.
    pub user: UserRef,
    /// The view.
    pub view: ViewId,
    /// Its rendering today.
    pub generation: u32,
    /// The name of its policy.
    pub policy: String,
}

impl Shelf {
    /// The view's entry of a message.
    pub fn entry<'a>(&self, row: &'a MessageRow) -> Option<&'a ViewEntry> {
        row.views.iter().find(|entry| entry.view == self.view)
    }

    /// Sealed for an older policy than the view has now.
    pub fn is_stale(&self, entry: &ViewEntry) -> bool {
        entry.generation < self.generation
    }

    /// The policy that holds for the view today.
    pub fn checked_policy(&self, vault: &Vault) -> Result<Arc<Policy>, MaskError> {
        let found = vault.policies.find(&vault.records, self.user.tenant, &self.policy);
        found.map_err(|error: PolicyUnavailable| failed("a policy cannot be applied", &error))
    }
}

/// An open view. Dropping it locks it.
pub struct ViewReader {
    vault: Arc<Vault>,
    shelf: Shelf,
    keys: ReaderKeys,
}

impl ViewReader {
    /// Reads the view on `shelf` with its identity.
    pub fn new(vault: Arc<Vault>, shelf: Shelf, identity: Identity) -> Self {
        let keys = ReaderKeys::new(Reader::View(shelf.view), identity);
        Self { vault, shelf, keys }
    }

    /// Where the view's messages stand.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The view's keys, for what it keeps.
    pub fn keys(&self) -> &ReaderKeys {
        &self.keys
    }

    /// A message as the view shows it today.
    pub async fn open(
        &mut self,
        uid: u32,
        row: &MessageRow,
        recorded: &Recorded,
    ) -> Result<Masked, MaskError> {
        let entry = self.shelf.entry(row).cloned().ok_or(MaskError::Gone)?;
        let opened = self.unseal(uid, row, recorded).await?;
        if self.shelf.is_stale(&entry) { self.mask_again(row, &opened) } else { Ok(Masked::of(opened)) }
    }

    /// Opens a message, on the proof that the audit log has it: its fetch, or the view's opening
    /// where it leaves as part of a list.
    async fn unseal(
        &mut self,
        uid: u32,
        row: &MessageRow,
        recorded: &Recorded,
    ) -> Result<OpenedView, MaskError> {
        let (vault, tenant) = (self.vault.clone(), self.shelf.user.tenant);
        if recorded.tenant() != tenant || recorded.message().is_some_and(|message| message != row.message) {
            return Err(MaskError::Unavailable);
        }
        let read = match read::container(&vault, self.shelf.user, uid, row).await {
            Err(ReadError::Damaged) => return Err(MaskError::Damaged),
            Err(ReadError::Gone) => return Err(MaskError::Gone),
            Err(error) => return Err(failed("a container cannot be read", &error)),
            Ok(read) => read,
        };
        match self.open_manifest(row, read.container).await {
            Err(SeedError::Records(error)) => Err(failed("a seed cannot be read", &error)),
            Err(SeedError::Blobs(error)) => Err(failed("a seed cannot be read", &error)),
            Err(SeedError::Unseal(_)) => {
                let told = read::tell_damage(&vault, tenant, row).await;
                told.map_err(|error| failed("the audit log cannot be written", &error))?;
                Err(MaskError::Damaged)
            }
            Ok(opened) => Ok(opened),
        }
    }

    async fn open_manifest(
        &mut self,
        row: &MessageRow,
        container: Container,
    ) -> Result<OpenedView, SeedError> {
        let Shelf { user, view, .. } = self.shelf;
        let manifest = container.manifest_of(Reader::View(view)).ok_or(UnsealError::NoManifest)?;
        let key = self.keys.message_key(&self.vault, manifest).await?;
        Ok(OpenedView::open(container, user.tenant, row.message, view, key)?)
    }

    /// An old message under today's policy: the policy applied to what the view had (design
    /// section 6), so it shows nothing that either of them hides.
    fn mask_again(&self, row: &MessageRow, opened: &OpenedView) -> Result<Masked, MaskError> {
        let mut masked = collect(opened)?;
        let policy = self.shelf.checked_policy(&self.vault)?;
        let received = Timestamp::from_unix(row.received);
        let age = self.vault.clock.now().since(received);
        let mut facts = plan::facts(&masked, &dissect(&masked), Vec::new(), age);
        facts.octets = row.octets;
        // What the old view hid is unknown here, so no rule that may be meant is left out.
        for rules in policy.rules_in_doubt(&facts) {
            let anatomy = dissect(&masked);
            // Without the phrase: sizes that were told before must stay as they are when it changes.
            let about = About { message: row.message, received, phrase: None };
            let composed = render(&self.vault, rules, self.shelf.view, &masked, &anatomy, about);
            masked = composed.ok_or(MaskError::Gone)?.render(&masked, &anatomy).into();
        }
        Ok(Masked::Rendered(Some(Bytes::from_owner(masked))))
    }
}

/// A masked message on its way out.
pub enum Masked {
    /// From its container, window by window.
    Sealed {
        /// The opened manifest.
        opened: Box<OpenedView>,
        /// How much is out.
        at: u64,
    },
    /// Rendered in memory.
    Rendered(Option<Bytes>),
}

impl Masked {
    fn of(opened: OpenedView) -> Self {
        Self::Sealed { opened: Box::new(opened), at: 0 }
    }

    /// Its octets, as long as none has been taken.
    pub fn size(&self) -> u64 {
        match self {
            Self::Sealed { opened, .. } => opened.size(),
            Self::Rendered(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        }
    }

    /// The next octets; none after the last ones.
    pub fn next_window(&mut self) -> Result<Option<Bytes>, MaskError> {
        match self {
            Self::Rendered(bytes) => Ok(bytes.take()),
            Self::Sealed { opened, at } if *at == opened.size() => Ok(None),
            Self::Sealed { opened, at } => {
                let end = (*at + WINDOW).min(opened.size());
                let window = opened.render(*at..end).and_then(|rendering| rendering.collect());
                *at = end;
                window.map(|octets| Some(Bytes::from_owner(octets))).map_err(|_| MaskError::Damaged)
            }
        }
    }

    /// The first `most` octets, or fewer if it has no more.
    pub fn head(&self, most: u64) -> Result<Wiped, MaskError> {
        match self {
            Self::Sealed { opened, .. } => {
                let rendering = opened.render(0..opened.size().min(most));
                rendering.and_then(|rendering| rendering.collect()).map_err(|_| MaskError::Damaged)
            }
            Self::Rendered(bytes) => {
                let bytes = bytes.as_ref().map_or(&[][..], |bytes| bytes);
                Ok(bytes[..bytes.len().min(clamp(most))].to_vec().into())
            }
        }
    }
}

fn collect(opened: &OpenedView) -> Result<Wiped, MaskError> {
    let rendering = opened.render(0..opened.size()).map_err(|_| MaskError::Damaged)?;
    rendering.collect().map_err(|_| MaskError::Damaged)
}

fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> MaskError {
    tracing::error!(%error, "{what}");
    MaskError::Unavailable
}

/// What is rendered at once, in octets. A window begins in mid-chunk, so each costs one chunk more.
const WINDOW: u64 = 1024 * 1024;

//! Renders messages for one view, with the view's key: what the gateway serves, and what the
//! dashboard lists and sets beside the whole. It knows no credentials and no sessions.
//!
//! Nothing is opened without the proof that the audit log has it (law 4). A message that was sealed
//! for an older policy is shown as the new policy's view of the old view (design section 6).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::read::{self, ReadError};
use super::seal::{About, render};
use super::seeds::{ReaderKeys, SeedError};
use super::{PolicyUnavailable, Vault};
use crate::audit::{Purpose, Recorded};
use crate::clock::Timestamp;
use crate::keyring::Identity;
use crate::message::dissect;
use crate::names::{MessageId, Reader, ViewId};
use crate::net::budget::Lease;
use crate::plan;
use crate::policy::Policy;
use crate::seal::{Container, OpenedView, UnsealError};
use crate::structure::Structure;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MessageRow, Rendering, ViewEntry, ViewRow};
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
    /// What messages of older policies are rendered with; none for today's settings.
    pub rendering: Option<Rendering>,
    /// How much the policy hides.
    pub manner: Manner,
}

/// How much a view hides, as far as flags and folders go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// It does not show everything: what its clients hold for junk they judge by a mask.
    pub masked: bool,
    /// There are messages of whose text it shows nothing.
    pub seals_text: bool,
}

impl Manner {
    /// Of a policy; of one that does not load, the most.
    fn of(policy: Option<&Policy>) -> Self {
        let masked = policy.is_none_or(|policy| !policy.shows_everything());
        Self { masked, seals_text: policy.is_none_or(Policy::may_seal_text) }
    }
}

impl Shelf {
    /// Where the messages of the view stand that `row` is of.
    pub fn new(vault: &Vault, user: UserRef, view: ViewId, row: ViewRow) -> Self {
        let policy = vault.policies.find(&vault.records, user.tenant, &row.policy);
        let manner = Manner::of(policy.ok().as_deref());
        let ViewRow { generation, policy, rendering, .. } = row;
        Self { user, view, generation, policy, rendering, manner }
    }

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

/// An open view. Dropping all of it locks it; a copy is one more hand on the same key.
#[derive(Clone)]
pub struct ViewReader(Arc<Inner>);

struct Inner {
    vault: Arc<Vault>,
    shelf: Shelf,
    keys: ReaderKeys,
}

impl ViewReader {
    /// Reads the view on `shelf` with its identity.
    pub fn new(vault: Arc<Vault>, shelf: Shelf, identity: Identity) -> Self {
        let keys = ReaderKeys::new(Reader::View(shelf.view), identity);
        Self(Arc::new(Inner { vault, shelf, keys }))
    }

    /// Where the view's messages stand.
    pub fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// The view's keys, for what it keeps.
    pub fn keys(&self) -> &ReaderKeys {
        &self.0.keys
    }

    /// The vault it reads.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.0.vault
    }

    /// A message as the view shows it today.
    pub async fn open(&self, uid: u32, row: &MessageRow, recorded: &Recorded) -> Result<Masked, MaskError> {
        self.shelf().entry(row).ok_or(MaskError::Gone)?;
        let proof = self.proof(uid, row, recorded)?;
        let (reader, row) = (self.clone(), row.clone());
        let opening = tokio::task::spawn_blocking(move || reader.open_now(uid, &row, proof));
        opening.await.map_err(|error| failed("a message was not opened", &error))?
    }

    /// Says that the audit log has what lets `row` be opened: its own fetch, one that names it among
    /// others, or the view's opening where it leaves as part of a list.
    pub fn proof(&self, uid: u32, row: &MessageRow, recorded: &Recorded) -> Result<Proof, MaskError> {
        let ours = recorded.tenant() == self.shelf().user.tenant;
        if ours && recorded.opens(Purpose::Masked, row.message, uid) {
            Ok(Proof(row.message))
        } else {
            Err(MaskError::Unavailable)
        }
    }

    /// A message as the view shows it today. Blocks, and may hash and decrypt much: for threads of the
    /// runtime that may wait.
    pub fn open_now(&self, uid: u32, row: &MessageRow, proof: Proof) -> Result<Masked, MaskError> {
        let (opened, is_stale) = self.unsealed(uid, row, proof)?;
        if !is_stale {
            return Ok(Masked::of(opened));
        }
        let rendering = self.vault().rendering.take(self.shelf().user.user, opened.size() * COPIES);
        let patience = async { tokio::time::timeout(PATIENCE, rendering).await };
        let lease = Handle::current().block_on(patience);
        self.mask_again(
            row,
            &opened,
            lease.map_err(|error| failed("too much is being masked again", &error))?,
        )
    }

    /// The same for whoever may hold memory of others that are masked again, and so must not wait for more:
    /// none if there is no room for it now, or if it is so large that it should keep none for later.
    pub fn open_ahead(&self, uid: u32, row: &MessageRow, proof: Proof) -> Result<Option<Masked>, MaskError> {
        let (opened, is_stale) = self.unsealed(uid, row, proof)?;
        if !is_stale {
            return Ok(Some(Masked::of(opened)));
        }
        if opened.size() > WINDOW {
            return Ok(None);
        }
        match self.vault().rendering.try_take(self.shelf().user.user, opened.size() * COPIES) {
            Some(lease) => self.mask_again(row, &opened, lease).map(Some),
            None => Ok(None),
        }
    }

    /// The message, and whether it was sealed for an older policy.
    fn unsealed(&self, uid: u32, row: &MessageRow, proof: Proof) -> Result<(OpenedView, bool), MaskError> {
        let entry = self.shelf().entry(row).cloned().ok_or(MaskError::Gone)?;
        let opened = self.unseal(uid, row, proof)?;
        Ok((opened, self.shelf().is_stale(&entry) && !entry.is_own()))
    }

    fn unseal(&self, uid: u32, row: &MessageRow, Proof(message): Proof) -> Result<OpenedView, MaskError> {
        if message != row.message {
            return Err(MaskError::Unavailable);
        }
        let (vault, user) = (self.vault(), self.shelf().user);
        let container = match read::container_now(vault, user, uid, row) {
            Err(ReadError::Damaged) => return Err(MaskError::Damaged),
            Err(ReadError::Gone) => return Err(MaskError::Gone),
            Err(error) => return Err(failed("a container cannot be read", &error)),
            Ok(container) => container,
        };
        match self.open_manifest(row, container) {
            Err(SeedError::Records(error)) => Err(failed("a seed cannot be read", &error)),
            Err(SeedError::Blobs(error)) => Err(failed("a seed cannot be read", &error)),
            Err(SeedError::Unseal(_)) => {
                let told = Handle::current().block_on(read::tell_damage(vault, user.tenant, row));
                told.map_err(|error| failed("the audit log cannot be written", &error))?;
                Err(MaskError::Damaged)
            }
            Ok(opened) => Ok(opened),
        }
    }

    fn open_manifest(&self, row: &MessageRow, container: Container) -> Result<OpenedView, SeedError> {
        let Shelf { user, view, .. } = *self.shelf();
        let manifest = container.manifest_of(Reader::View(view)).ok_or(UnsealError::NoManifest)?;
        let key = self.keys().message_key(self.vault(), manifest)?;
        Ok(OpenedView::open(container, user.tenant, row.message, view, &key)?)
    }

    /// An old message under today's policy: the policy applied to what the view had (design
    /// section 6), so it shows nothing that either of them hides.
    fn mask_again(&self, row: &MessageRow, opened: &OpenedView, lease: Lease) -> Result<Masked, MaskError> {
        let mut masked = collect(opened)?;
        let structure = &opened.manifest().listing.structure;
        let mut subject_is_made =
            Structure::decode(structure).is_ok_and(|structure| structure.subject_is_made == Some(true));
        let policy = self.shelf().checked_policy(self.vault())?;
        let received = Timestamp::from_unix(row.received);
        let mut facts = plan::facts(&masked, &dissect(&masked), Vec::new(), Duration::ZERO);
        facts.octets = row.octets;
        // Its age would grow while clients keep what they were shown under its UID (law 6).
        facts.age = None;
        // What the old view hid is unknown here, so no rule that may be meant is left out.
        for rules in policy.rules_in_doubt(&facts) {
            let anatomy = dissect(&masked);
            // Without the phrase: sizes that were told before must stay as they are when it changes.
            let rendering = self.shelf().rendering.as_ref();
            let about = About { message: row.message, received, phrase: None, rendering };
            let composed = render(self.vault(), rules, self.shelf().view, &masked, &anatomy, about);
            let composed = composed.ok_or(MaskError::Gone)?;
            subject_is_made |= composed.listing.subject_is_made;
            masked = composed.render(&masked, &anatomy).into();
        }
        // However slowly it is read.
        let octets = Some(Bytes::from_owner(masked.within(Arc::new(lease))));
        Ok(Masked::Rendered { octets, subject_is_made })
    }
}

/// The audit log has what lets this message be opened in a view (law 4).
#[derive(Clone, Copy)]
pub struct Proof(MessageId);

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
    Rendered {
        /// Its octets, until they are taken.
        octets: Option<Bytes>,
        /// Whether a policy made its subject.
        subject_is_made: bool,
    },
}

impl Masked {
    fn of(opened: OpenedView) -> Self {
        Self::Sealed { opened: Box::new(opened), at: 0 }
    }

    /// Its octets, as long as none has been taken.
    pub fn size(&self) -> u64 {
        match self {
            Self::Sealed { opened, .. } => opened.size(),
            Self::Rendered { octets, .. } => octets.as_ref().map_or(0, |octets| octets.len() as u64),
        }
    }

    /// Its structure as it was sealed; none if it has to be found from its octets.
    pub fn structure(&self) -> Option<Bytes> {
        match self {
            Self::Sealed { opened, .. } => {
                let structure = &opened.manifest().listing.structure;
                (!structure.is_empty()).then(|| Bytes::from_owner(Wiped::from(structure.clone())))
            }
            Self::Rendered { .. } => None,
        }
    }

    /// Whether a policy made its subject, as far as that is not in its structure.
    pub fn subject_is_made(&self) -> bool {
        matches!(self, Self::Rendered { subject_is_made: true, .. })
    }

    /// The next octets; none after the last ones.
    pub fn next_window(&mut self) -> Result<Option<Bytes>, MaskError> {
        match self {
            Self::Rendered { octets, .. } => Ok(octets.take()),
            Self::Sealed { opened, at } if *at == opened.size() => Ok(None),
            Self::Sealed { opened, at } => {
                let end = (*at + WINDOW).min(opened.size());
                let window = part(opened, *at..end)?;
                *at = end;
                Ok(Some(Bytes::from_owner(window)))
            }
        }
    }

    /// The next octets, of a message whose container is not in memory on a thread that may wait for them.
    pub async fn next_window_aside(&mut self) -> Result<Option<Bytes>, MaskError> {
        let Self::Sealed { opened, .. } = self else { return self.next_window() };
        if opened.is_in_memory() {
            return self.next_window();
        }
        let mut taken = std::mem::replace(self, Self::Rendered { octets: None, subject_is_made: false });
        let reading = tokio::task::spawn_blocking(move || (taken.next_window(), taken));
        let (window, taken) = reading.await.map_err(|error| failed("a message was not read on", &error))?;
        *self = taken;
        window
    }

    /// The octets of `range`, cut off at the end; as long as none has been taken. May read from the disk.
    pub fn range(&self, range: Range<u64>) -> Result<Wiped, MaskError> {
        let end = range.end.min(self.size());
        let range = range.start.min(end)..end;
        match self {
            Self::Sealed { opened, .. } => part(opened, range),
            Self::Rendered { octets, .. } => {
                let bytes = octets.as_ref().map_or(&[][..], |octets| octets);
                Ok(bytes[clamp(range.start)..clamp(range.end)].to_vec().into())
            }
        }
    }

    /// The first `most` octets, or fewer if it has no more.
    pub fn head(&self, most: u64) -> Result<Wiped, MaskError> {
        self.range(0..most)
    }
}

fn collect(opened: &OpenedView) -> Result<Wiped, MaskError> {
    part(opened, 0..opened.size())
}

fn part(opened: &OpenedView, range: Range<u64>) -> Result<Wiped, MaskError> {
    let rendering = opened.render(range).and_then(|rendering| rendering.collect());
    rendering.map_err(|error| match error {
        UnsealError::Unreadable => failed("a container cannot be read on", &error),
        _ => MaskError::Damaged,
    })
}

fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> MaskError {
    tracing::error!(%error, "{what}");
    MaskError::Unavailable
}

/// How often a message is in memory while it is masked again: as it was, as it is, as its parts.
const COPIES: u64 = 3;
/// How long somebody waits for memory to have a message masked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is rendered at once, in octets. A window begins in mid-chunk, so each costs one chunk more.
const WINDOW: u64 = 512 * 1024;

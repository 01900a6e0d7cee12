//! Recording: entries become durable, in order and without gaps, before the acts they record.
//!
//! What is recorded for one tenant while an append is under way goes into the next append, so a
//! busy tenant costs one commit for many entries, and tenants do not wait for each other. A task
//! does the writing: a caller that goes away cancels nothing half-way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tlog_tiles::{Hash, record_hash};
use tokio::sync::oneshot;

use super::act::Act;
use super::entry::{Draft, Entry, EntryError};
use super::error::AuditError;
use super::numbers::MessageNumbers;
use super::store::{Append, AuditStore, StoreError};
use super::tree::{Edge, MAX_SIZE};
use crate::clock::Clock;
use crate::names::{MessageId, TenantId};

/// Proof that an entry is durable; the only way to reveal what it tells of. Made by [`Log::record`]
/// alone, not to be copied, consumed by the act.
#[derive(Debug)]
#[must_use = "the act was recorded; do it, or say that it failed"]
pub struct Recorded {
    tenant: TenantId,
    sequence: u64,
    leaf: Hash,
    reach: Reach,
}

impl Recorded {
    /// Whose log.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The entry's number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The entry's leaf hash (RFC 6962 §2.1).
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// The message whose fetch, reveal or export the entry records, if it is one.
    pub fn message(&self) -> Option<MessageId> {
        match &self.reach {
            Reach::Whole(message) => Some(*message),
            Reach::Masked(messages) => match **messages {
                [message] => Some(message),
                _ => None,
            },
            Reach::Nothing | Reach::Listed(_) | Reach::View | Reach::Work => None,
        }
    }

    /// Whether the entry lets this message, which has this number in its mailbox, be opened for `purpose`.
    /// A proof opens what it names, and for nothing else than it says.
    pub fn opens(&self, purpose: Purpose, message: MessageId, number: u32) -> bool {
        match (&self.reach, purpose) {
            (Reach::Whole(named), Purpose::Whole | Purpose::Listing | Purpose::Masked) => *named == message,
            (Reach::Masked(named), Purpose::Masked) => named.contains(&message),
            (Reach::Listed(numbers), Purpose::Listing | Purpose::Masked) => numbers.contains(number),
            (Reach::View, Purpose::Masked) | (Reach::Work, Purpose::Work) => true,
            (Reach::Nothing | Reach::Whole(_) | Reach::Masked(_), _) => false,
            (Reach::Listed(_) | Reach::View | Reach::Work, _) => false,
        }
    }
}

/// What a message is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be shown to its owner, or to leave the vault.
    Whole,
    /// For what a list shows of it.
    Listing,
    /// For what a view shows of it.
    Masked,
    /// To be sealed again or indexed; nobody is shown anything.
    Work,
}

/// What an entry lets be opened.
#[derive(Debug)]
enum Reach {
    /// No message.
    Nothing,
    /// This one, whole.
    Whole(MessageId),
    /// These, as a view shows them.
    Masked(Box<[MessageId]>),
    /// What lists show of those with these numbers.
    Listed(MessageNumbers),
    /// All that the opened view has, as it shows them.
    View,
    /// All, for work that shows nothing.
    Work,
}

impl Reach {
    /// Whoever adds an act says here what it opens: most open nothing.
    fn of(act: &Act) -> Self {
        match act {
            Act::MessageRevealed { message, .. } | Act::MessageExported { message } => Self::Whole(*message),
            Act::MessageFetched { message, .. } | Act::MessagePushed { message, .. } => {
                Self::Masked(Box::new([*message]))
            }
            Act::MessagesFetched { messages, .. } => Self::Masked(messages.as_slice().into()),
            Act::MessagesListed { numbers } => Self::Listed(numbers.clone()),
            // The dashboard's view is opened by the sign-in.
            Act::ViewOpened { .. } | Act::SignedIn => Self::View,
            Act::ResealBegun { .. } | Act::IndexExtended { .. } | Act::MailHandedOver { .. } => Self::Work,
            Act::ViewClosed { .. }
            | Act::SignInRefused { .. }
            | Act::ListRead { .. }
            | Act::SearchMade { .. }
            | Act::UnlockBegun { .. }
            | Act::UnlockRefused { .. }
            | Act::SteppedUp { .. }
            | Act::UnlockEnded { .. }
            | Act::ResealEnded { .. }
            | Act::MessageReleased { .. }
            | Act::MessageRemoved { .. }
            | Act::MessageDamaged { .. }
            | Act::CredentialCreated { .. }
            | Act::CredentialRevoked { .. }
            | Act::CredentialRotated { .. }
            | Act::PasswordChanged { .. }
            | Act::TotpReset { .. }
            | Act::RecoveryCodeUsed { .. }
            | Act::RecoveryCodeReplaced { .. }
            | Act::EscrowAdded
            | Act::EscrowRemoved
            | Act::OwnerKeyRotated
            | Act::ViewKeyRotated { .. }
            | Act::RootKeyRotated
            | Act::PolicyLoaded
            | Act::PolicyChanged { .. }
            | Act::PolicyRemoved { .. }
            | Act::PolicyRefused
            | Act::ViewCreated { .. }
            | Act::ViewChanged { .. }
            | Act::ViewRemoved { .. }
            | Act::FeedCreated { .. }
            | Act::FeedRemoved { .. }
            | Act::UserCreated { .. }
            | Act::UserDisabled { .. }
            | Act::UserEnabled { .. }
            | Act::RoleChanged { .. }
            | Act::ApiTokenCreated { .. }
            | Act::ApiTokenRevoked { .. }
            | Act::PasskeyAdded { .. }
            | Act::PasskeyRemoved { .. }
            | Act::PhraseChanged { .. }
            | Act::SignInEnded
            | Act::SignInEndedFor { .. }
            | Act::TenantSettingsChanged { .. }
            | Act::UserRemoved { .. }
            | Act::QuotaChanged { .. }
            | Act::AddressShared { .. }
            | Act::AddressUnshared { .. }
            | Act::AddressAdded { .. }
            | Act::AddressRemoved { .. }
            | Act::AddressSwitchedOff { .. }
            | Act::AddressSwitchedOn { .. }
            | Act::TenantCreated
            | Act::TenantRemoved
            | Act::MailTraced { .. }
            | Act::Failed { .. }
            | Act::BackupMade
            | Act::BackupRestored
            | Act::AuditExported { .. }
            | Act::CheckpointSigned => Self::Nothing,
        }
    }
}

/// The audit logs of all tenants. Clones share them.
pub struct Log<S>(Arc<Shared<S>>);

struct Shared<S> {
    store: S,
    clock: Clock,
    /// How long one read or append may take.
    patience: Duration,
    lanes: Mutex<Lanes>,
}

/// The state that recording needs, a lane per tenant that was active lately.
#[derive(Default)]
struct Lanes {
    by_tenant: HashMap<TenantId, Lane>,
    /// Tenants with entries that no checkpoint of this process covers.
    unsigned: BTreeSet<TenantId>,
    /// Counts turns, to find the lane that was idle longest.
    turns: u64,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Group>,
    /// Drafts in `waiting`.
    drafts: usize,
    /// Whether a task is writing.
    busy: bool,
    /// The tree's edge, if the last append left it known. The writing task takes it away.
    edge: Option<Edge>,
    /// [`Lanes::turns`] when last used.
    used: u64,
}

/// Drafts that become durable together, and who waits for them.
struct Group {
    drafts: Vec<Draft>,
    answer: oneshot::Sender<Result<Vec<Recorded>, AuditError>>,
}

impl<S> Clone for Log<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AuditStore> Log<S> {
    /// Logs in this store, timed by this clock.
    pub fn new(store: S, clock: Clock) -> Self {
        Self::with_patience(store, clock, STORE_TIMEOUT)
    }

    /// The same, for a store that must answer within this time.
    pub(super) fn with_patience(store: S, clock: Clock, patience: Duration) -> Self {
        Self(Arc::new(Shared { store, clock, patience, lanes: Mutex::default() }))
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The clock.
    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Records one act; returns when it is durable. On an error the act must not happen. Dropping
    /// the future does not unrecord it.
    pub async fn record(&self, tenant: TenantId, draft: Draft) -> Result<Recorded, AuditError> {
        let mut recorded = self.record_batch(tenant, vec![draft]).await?;
        recorded.pop().ok_or(AuditError::Stopped)
    }

    /// Records acts in their order, all or none, at most 1,024.
    pub async fn record_batch(
        &self,
        tenant: TenantId,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Recorded>, AuditError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.enqueue(tenant, drafts)?;
        answer.await.unwrap_or(Err(AuditError::Stopped))
    }

    /// Entries from number `from` on, at most 1,024, for people to read. A line that this program cannot
    /// read stands there as its error, so that it hides no other.
    pub async fn read(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Result<Entry, EntryError>>, AuditError> {
        let size = self.0.store.size(tenant).await?;
        let rows = self.0.store.entries(tenant, from, limit.min(MAX_BATCH)).await?;
        let within = rows.into_iter().take_while(|(number, _)| *number < size);
        Ok(within.map(|(_, line)| Entry::decode(&line)).collect())
    }

    /// How many entries the tenant's log has.
    pub async fn size(&self, tenant: TenantId) -> Result<u64, AuditError> {
        let size = self.0.store.size(tenant).await?;
        if size > MAX_SIZE { Err(AuditError::Damaged) } else { Ok(size) }
    }

    /// Tenants that recorded something since they were last taken from here.
    pub(super) fn take_unsigned(&self) -> BTreeSet<TenantId> {
        std::mem::take(&mut self.0.lanes().unsigned)
    }

    fn enqueue(
        &self,
        tenant: TenantId,
        drafts: Vec<Draft>,
    ) -> Result<oneshot::Receiver<Result<Vec<Recorded>, AuditError>>, AuditError> {
        if drafts.len() > MAX_BATCH {
            return Err(AuditError::TooMany);
        }
        let (answer, receiver) = oneshot::channel();
        let mut lanes = self.0.lanes();
        let lane = lanes.lane(tenant);
        if lane.drafts + drafts.len() > MAX_WAITING {
            return Err(AuditError::Busy);
        }
        lane.drafts += drafts.len();
        lane.waiting.push_back(Group { drafts, answer });
        let idle = !std::mem::replace(&mut lane.busy, true);
        drop(lanes);
        if idle {
            tokio::spawn(Turn { shared: Arc::clone(&self.0), tenant, edge: None, over: false }.write());
        }
        Ok(receiver)
    }
}

impl<S> Shared<S> {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // No code panics while it holds the lock half-way through a change.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    /// The tenant's lane; makes room for it if it is new.
    fn lane(&mut self, tenant: TenantId) -> &mut Lane {
        if self.by_tenant.len() >= MAX_LANES && !self.by_tenant.contains_key(&tenant) {
            self.forget_idlest();
        }
        self.turns += 1;
        let lane = self.by_tenant.entry(tenant).or_default();
        lane.used = self.turns;
        lane
    }

    /// Lets go of the lane that was idle longest. Its edge is loaded again when it is needed.
    fn forget_idlest(&mut self) {
        let idle = self.by_tenant.iter().filter(|(_, lane)| !lane.busy);
        if let Some(tenant) = idle.min_by_key(|(_, lane)| lane.used).map(|(tenant, _)| *tenant) {
            self.by_tenant.remove(&tenant);
        }
    }
}

/// One task's turn at writing a tenant's log. Dropped early, by a panic or at shutdown, it frees the lane
/// and tells those who wait.
struct Turn<S> {
    shared: Arc<Shared<S>>,
    tenant: TenantId,
    edge: Option<Edge>,
    over: bool,
}

impl<S: AuditStore> Turn<S> {
    async fn write(mut self) {
        while let Some(groups) = self.take() {
            let outcome = self.commit(&groups).await;
            answer(groups, outcome);
        }
    }

    /// What is waiting, up to one append's worth; `None` ends the turn.
    fn take(&mut self) -> Option<Vec<Group>> {
        let mut lanes = self.shared.lanes();
        let lane = lanes.lane(self.tenant);
        if lane.waiting.is_empty() {
            lane.busy = false;
            lane.edge = self.edge.take();
            self.over = true;
            return None;
        }
        if self.edge.is_none() {
            self.edge = lane.edge.take();
        }
        Some(lane.next_groups())
    }

    /// Makes the groups durable, as one append.
    async fn commit(&mut self, groups: &[Group]) -> Result<Vec<Recorded>, AuditError> {
        for _ in 0..MAX_CONFLICTS {
            let edge = match self.edge.take() {
                Some(edge) => edge,
                None => self.within(Edge::load(&self.shared.store, self.tenant)).await?,
            };
            let prepared = Prepared::new(edge, &self.shared.clock, groups)?;
            let append = self.shared.store.append(self.tenant, prepared.append);
            match self.within(async { append.await.map_err(AuditError::from) }).await {
                Ok(()) => {
                    self.edge = Some(prepared.edge);
                    self.shared.lanes().unsigned.insert(self.tenant);
                    return Ok(prove(self.tenant, prepared.first, &prepared.leaves, groups));
                }
                // Somebody else wrote: the edge is stale, the numbers are taken.
                Err(AuditError::Store(StoreError::Conflict)) => {}
                // The edge stays unknown: whether the rows were written is, too.
                Err(error) => return Err(error),
            }
        }
        Err(AuditError::Contended)
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, AuditError>>) -> Result<T, AuditError> {
        tokio::time::timeout(self.shared.patience, work).await.unwrap_or(Err(AuditError::TimedOut))
    }
}

impl<S> Drop for Turn<S> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut lanes = self.shared.lanes();
        let lane = lanes.lane(self.tenant);
        lane.busy = false;
        lane.drafts = 0;
        lane.waiting.clear();
    }
}

impl Lane {
    /// Takes whole groups while they fit into one append; at least one.
    fn next_groups(&mut self) -> Vec<Group> {
        let (mut groups, mut drafts) = (Vec::new(), 0);
        while let Some(group) = self.waiting.front() {
            drafts += group.drafts.len();
            if drafts > MAX_BATCH && !groups.is_empty() {
                break;
            }
            self.drafts -= group.drafts.len();
            groups.extend(self.waiting.pop_front());
        }
        groups
    }
}

/// An append that is ready to be written, and the edge that holds once it is.
struct Prepared {
    first: u64,
    append: Append,
    leaves: Vec<Hash>,
    edge: Edge,
}

impl Prepared {
    fn new(mut edge: Edge, clock: &Clock, groups: &[Group]) -> Result<Self, AuditError> {
        let (first, now) = (edge.size(), clock.now());
        let mut append = Append::behind(first);
        let mut leaves = Vec::new();
        for draft in groups.iter().flat_map(|group| &group.drafts) {
            if edge.size() >= MAX_SIZE {
                return Err(AuditError::Damaged);
            }
            let line = draft.encode_at(edge.size(), now)?;
            let leaf = record_hash(&line);
            append.push(line, edge.push(leaf));
            leaves.push(leaf);
        }
        Ok(Self { first, append, leaves, edge })
    }
}

/// The one place where [`Recorded`] is made. Called after the append is durable.
fn prove(tenant: TenantId, first: u64, leaves: &[Hash], groups: &[Group]) -> Vec<Recorded> {
    let drafts = groups.iter().flat_map(|group| &group.drafts);
    (first..)
        .zip(leaves)
        .zip(drafts)
        .map(|((sequence, leaf), draft)| Recorded {
            tenant,
            sequence,
            leaf: *leaf,
            reach: Reach::of(&draft.act),
        })
        .collect()
}

/// Gives each group its share. A caller that has gone away misses nothing: its entries stay.
fn answer(groups: Vec<Group>, outcome: Result<Vec<Recorded>, AuditError>) {
    match outcome {
        Ok(recorded) => {
            let mut recorded = recorded.into_iter();
            for group in groups {
                let share = recorded.by_ref().take(group.drafts.len()).collect();
                let _gone = group.answer.send(Ok(share));
            }
        }
        Err(error) => {
            for group in groups {
                let _gone = group.answer.send(Err(error.clone()));
            }
        }
    }
}

/// Entries in one append: about 300 KB of rows, a few milliseconds of hashing.
pub const MAX_BATCH: usize = 1024;
/// Drafts that may wait per tenant: four appends.
const MAX_WAITING: usize = 4 * MAX_BATCH;
/// Lanes kept: about 2 KB each.
const MAX_LANES: usize = 1024;
/// How often another writer may win before the caller is told.
const MAX_CONFLICTS: usize = 8;
/// How long one read or append may take. A disk that stalls longer stops the acts, not the record.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;

//! Epochs: short one-way chains of message keys, so that public-key work is rare.
//!
//! For each reader a seed is drawn and sealed once to the reader's recipient; message keys follow
//! from it: `key_i = HKDF(chain_i, "message")`, `chain_{i+1} = HKDF(chain_i, "next")`, `chain_0` the
//! seed, each state wiped as it steps. A seized memory yields no key of the past, and none of the
//! future beyond the epoch. Knows no storage: the caller makes a seed durable and confirms it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::UnsealError;
use crate::keyring::secret::secret_bytes;
use crate::keyring::{self, Identity, KeyringError, Recipient, hkdf};
use crate::names::{EpochId, Reader};

secret_bytes! {
    /// Seals one manifest of one message for one reader; never used twice.
    MessageKey, 32
}
secret_bytes! {
    /// What an epoch's message keys follow from, `chain_0`.
    EpochSeed, 32
}
secret_bytes! {
    /// A state of the chain.
    Chain, 32
}

impl Chain {
    /// This state's message key; the state becomes the next one.
    fn step(&mut self) -> MessageKey {
        let key = MessageKey::from_bytes(&hkdf(self.expose(), "veilpost/v1/epoch/message", &[]));
        let next: Zeroizing<[u8; 32]> = hkdf(self.expose(), "veilpost/v1/epoch/next", &[]);
        *self = Self::from_bytes(&next);
        key
    }
}

/// An epoch's seed, sealed to its reader as an age v1 file: `epochs/<reader>/<epoch>.age`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSeed {
    /// Who can open it.
    pub reader: Reader,
    /// Which epoch it begins.
    pub epoch: EpochId,
    /// The age file.
    pub age_file: Bytes,
}

/// The right to seal one manifest: a message key that no other message gets.
pub struct MessageKeyGrant {
    /// Whose manifest.
    pub reader: Reader,
    /// The epoch.
    pub epoch: EpochId,
    /// The key's place in the epoch's chain, from 0.
    pub counter: u32,
    /// The epoch's seed, until it is confirmed as durable: store it no later than the message.
    pub new_seed: Option<SealedSeed>,
    /// To be kept until the message is committed.
    pub hold: EpochHold,
    pub(super) key: MessageKey,
}

/// Somebody seals with a key of an epoch: its seed must stay. Dropped once the message's row is committed.
#[derive(Clone)]
#[must_use = "the epoch's seed may be removed once this is dropped"]
pub struct EpochHold(#[expect(dead_code, reason = "held, never looked at")] Arc<()>);

/// The chains of all readers that got mail lately. In memory only: a restart ends every epoch.
pub struct Epochs {
    shards: Vec<Mutex<Shard>>,
    placement: RandomState,
    /// Epochs that may have lost their last message.
    doubts: Mutex<HashSet<([u8; 16], EpochId)>>,
}

#[derive(Default)]
struct Shard {
    epochs: HashMap<Reader, Epoch>,
    /// Epochs that ended while somebody still sealed with a key of theirs.
    leaving: HashMap<(Reader, EpochId), Weak<()>>,
    /// Ended epochs are dropped when this many are held.
    sweep_at: usize,
}

struct Epoch {
    id: EpochId,
    chain: Chain,
    counter: u32,
    began: Instant,
    unconfirmed: Option<SealedSeed>,
    /// One more for each grant that is on its way.
    holds: Arc<()>,
}

impl Epochs {
    /// No epochs yet.
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, placement: RandomState::new(), doubts: Mutex::default() }
    }

    /// The next message key of `reader`. Where a new epoch begins, `recipient` is asked for the
    /// reader's public half; it must not call back into these epochs. A grant that is dropped
    /// burns its counter, and no counter is given twice.
    pub fn next<E: From<KeyringError>>(
        &self,
        reader: Reader,
        recipient: impl FnOnce() -> Result<Recipient, E>,
        now: Instant,
    ) -> Result<MessageKeyGrant, E> {
        let mut shard = self.shard(reader);
        let shard = &mut *shard;
        shard.sweep_if_full(now);
        let epoch = match shard.epochs.entry(reader) {
            Entry::Occupied(mut held) => {
                if held.get().has_ended(now) {
                    let ended = held.insert(Epoch::begin(reader, &recipient()?, now)?);
                    note_leaving(&mut shard.leaving, reader, &ended);
                }
                held.into_mut()
            }
            Entry::Vacant(place) => place.insert(Epoch::begin(reader, &recipient()?, now)?),
        };
        Ok(epoch.grant(reader))
    }

    /// Says that the seed of `epoch` is durable: later messages need not carry it.
    pub fn confirm(&self, reader: Reader, epoch: EpochId) {
        if let Some(held) = self.shard(reader).epochs.get_mut(&reader)
            && held.id == epoch
        {
            held.unconfirmed = None;
        }
    }

    /// Ends the reader's epoch: after its key was changed, or the reader removed.
    pub fn end(&self, reader: Reader) {
        self.shard(reader).end(reader);
    }

    /// Ends an epoch whose seed is to be removed, unless somebody seals with a key of it. After a yes nobody
    /// does, and nobody ever will; whoever did has committed or given up.
    pub fn retire(&self, reader: Reader, epoch: EpochId) -> bool {
        let mut shard = self.shard(reader);
        match shard.epochs.get(&reader).filter(|held| held.id == epoch) {
            Some(held) if Arc::strong_count(&held.holds) > 1 => false,
            Some(_) => {
                shard.epochs.remove(&reader);
                true
            }
            None => shard.leaving.get(&(reader, epoch)).is_none_or(|holds| holds.strong_count() == 0),
        }
    }

    /// Notes epochs that may have lost their last message, by their readers' identifiers.
    pub fn doubt(&self, epochs: impl IntoIterator<Item = ([u8; 16], EpochId)>) {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).extend(epochs);
    }

    /// Those that were noted since this was last called.
    pub fn take_doubts(&self) -> HashSet<([u8; 16], EpochId)> {
        std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wipes the chains of epochs that have ended; to be called now and then.
    pub fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            lock(shard).sweep(now);
        }
    }

    /// How many readers have a chain in memory.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).epochs.len()).sum()
    }

    /// Whether no reader has one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, reader: Reader) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.placement.hash_one(reader) as usize % SHARDS])
    }
}

impl Default for Epochs {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    /// Keeps memory within twice what the live epochs need, at constant cost per message.
    fn sweep_if_full(&mut self, now: Instant) {
        if self.epochs.len() >= self.sweep_at.max(SMALLEST_SWEEP) {
            self.sweep(now);
            self.sweep_at = self.epochs.len() * 2;
        }
    }

    fn sweep(&mut self, now: Instant) {
        let leaving = &mut self.leaving;
        leaving.retain(|_, holds| holds.strong_count() > 0);
        self.epochs.retain(|reader, epoch| {
            let stays = !epoch.has_ended(now);
            if !stays {
                note_leaving(leaving, *reader, epoch);
            }
            stays
        });
    }

    fn end(&mut self, reader: Reader) {
        if let Some(epoch) = self.epochs.remove(&reader) {
            note_leaving(&mut self.leaving, reader, &epoch);
        }
    }
}

/// An epoch that ends is remembered for as long as somebody seals with a key of it.
fn note_leaving(leaving: &mut HashMap<(Reader, EpochId), Weak<()>>, reader: Reader, epoch: &Epoch) {
    if Arc::strong_count(&epoch.holds) > 1 {
        leaving.insert((reader, epoch.id), Arc::downgrade(&epoch.holds));
    }
}

impl Epoch {
    fn begin(reader: Reader, recipient: &Recipient, now: Instant) -> Result<Self, KeyringError> {
        let (id, seed) = (EpochId::random(), EpochSeed::generate());
        let age_file = keyring::seal_to(&[recipient], seed.expose())?.into();
        let unconfirmed = Some(SealedSeed { reader, epoch: id, age_file });
        Ok(Self {
            id,
            chain: Chain::from_bytes(seed.expose()),
            counter: 0,
            began: now,
            unconfirmed,
            holds: Arc::default(),
        })
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.counter >= MESSAGES || now.saturating_duration_since(self.began) >= LIFETIME
    }

    fn grant(&mut self, reader: Reader) -> MessageKeyGrant {
        let (counter, key) = (self.counter, self.chain.step());
        self.counter += 1;
        let (new_seed, hold) = (self.unconfirmed.clone(), EpochHold(self.holds.clone()));
        MessageKeyGrant { reader, epoch: self.id, counter, new_seed, hold, key }
    }
}

/// A panic elsewhere leaves a shard whole: its states change in single assignments.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reading side of one epoch: walks the chain once and keeps the keys it passed.
pub struct EpochKeys {
    chain: Chain,
    keys: Vec<MessageKey>,
}

impl EpochKeys {
    /// Opens a sealed seed: a fraction of a millisecond of public-key work.
    pub fn open(identity: &Identity, age_file: &[u8]) -> Result<Self, UnsealError> {
        Ok(Self::new(&EpochSeed::open(identity, age_file)?))
    }

    /// From an opened seed.
    pub fn new(seed: &EpochSeed) -> Self {
        Self { chain: Chain::from_bytes(seed.expose()), keys: Vec::new() }
    }

    /// The message key with this counter.
    pub fn message_key(&mut self, counter: u32) -> Result<&MessageKey, UnsealError> {
        if counter >= MESSAGES {
            return Err(UnsealError::Counter);
        }
        let index = counter as usize;
        self.keys.reserve_exact((index + 1).saturating_sub(self.keys.len()));
        while self.keys.len() <= index {
            self.keys.push(self.chain.step());
        }
        Ok(&self.keys[index])
    }
}

impl EpochSeed {
    /// Opens a sealed seed. The caller may cache it under [`Identity::cache_key`].
    pub fn open(identity: &Identity, age_file: &[u8]) -> Result<Self, UnsealError> {
        let seed = keyring::open(identity, age_file)?;
        let seed = seed.as_slice().try_into().map_err(|_| KeyringError::Form)?;
        Ok(Self::from_bytes(seed))
    }
}

/// Messages in an epoch; also the longest walk of a reader.
pub const MESSAGES: u32 = 256;
/// How long an epoch lasts.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Locks, so that one reader's public-key work rarely makes another wait.
const SHARDS: usize = 64;
const SMALLEST_SWEEP: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;
    use crate::names::{TenantId, ViewId};

    assert_secret!(MessageKey, EpochSeed, Chain, MessageKeyGrant, Epochs, EpochKeys);

    fn next(epochs: &Epochs, reader: Reader, identity: &Identity, now: Instant) -> MessageKeyGrant {
        epochs.next(reader, || Ok::<_, KeyringError>(identity.recipient()), now).unwrap()
    }

    #[test]
    fn the_reader_gets_the_keys_that_sealed() {
        let (epochs, identity, now) = (Epochs::new(), Identity::generate(), Instant::now());
        let reader = Reader::View(ViewId::random());
        let grants: Vec<_> = (0..MESSAGES).map(|_| next(&epochs, reader, &identity, now)).collect();
        let seed = grants[0].new_seed.as_ref().unwrap();
        let mut keys = EpochKeys::open(&identity, &seed.age_file).unwrap();
        for grant in grants.iter().rev() {
            assert_eq!(keys.message_key(grant.counter).unwrap().expose(), grant.key.expose());
        }
        assert!(matches!(keys.message_key(MESSAGES), Err(UnsealError::Counter)));
        assert!(EpochKeys::open(&Identity::generate(), &seed.age_file).is_err());
    }

    #[test]
    fn keys_never_repeat() {
        let (epochs, identity, mut now) = (Epochs::new(), Identity::generate(), Instant::now());
        let readers = [Reader::Owner(TenantId::random()), Reader::View(ViewId::random())];
        let (mut keys, mut places) = (HashSet::new(), HashSet::new());
        for round in 0..600 {
            for reader in readers {
                let grant = next(&epochs, reader, &identity, now);
                assert!(keys.insert(*grant.key.expose()), "a key repeats");
                assert!(places.insert((grant.epoch, grant.counter)), "a counter repeats");
                assert!(grant.counter < MESSAGES);
            }
            if round % 100 == 0 {
                now += LIFETIME;
            }
        }
    }

    #[test]
    fn an_epoch_ends_after_its_messages_and_after_its_time() {
        let (epochs, identity, now) = (Epochs::new(), Identity::generate(), Instant::now());
        let reader = Reader::View(ViewId::random());
        let first = next(&epochs, reader, &identity, now).epoch;
        let late = now + LIFETIME - Duration::from_secs(1);
        assert_eq!(next(&epochs, reader, &identity, late).epoch, first);
        let second = next(&epochs, reader, &identity, now + LIFETIME);
        assert_ne!(second.epoch, first);
        assert_eq!(second.counter, 0);
        for _ in 1..MESSAGES {
            assert_eq!(next(&epochs, reader, &identity, now + LIFETIME).epoch, second.epoch);
        }
        assert_ne!(next(&epochs, reader, &identity, now + LIFETIME).epoch, second.epoch);
    }

    #[test]
    fn the_seed_is_repeated_until_confirmed() {
        let (epochs, identity, now) = (Epochs::new(), Identity::generate(), Instant::now());
        let reader = Reader::View(ViewId::random());
        let abandoned = next(&epochs, reader, &identity, now);
        let second = next(&epochs, reader, &identity, now);
        assert_eq!(second.counter, 1);
        assert_eq!(second.new_seed, abandoned.new_seed);
        epochs.confirm(reader, EpochId::random());
        assert!(next(&epochs, reader, &identity, now).new_seed.is_some());
        epochs.confirm(reader, second.epoch);
        assert!(next(&epochs, reader, &identity, now).new_seed.is_none());
    }

    #[test]
    fn a_failing_lookup_begins_no_epoch() {
        let epochs = Epochs::new();
        let reader = Reader::View(ViewId::random());
        let failed = epochs.next(reader, || Err(KeyringError::Form), Instant::now());
        assert!(matches!(failed, Err(KeyringError::Form)));
        assert!(epochs.is_empty());
    }

    #[test]
    fn ended_epochs_are_dropped() {
        let (epochs, identity, now) = (Epochs::new(), Identity::generate(), Instant::now());
        let recipient = identity.recipient();
        let arrive = |now| {
            let reader = Reader::View(ViewId::random());
            epochs.next(reader, || Ok::<_, KeyringError>(recipient.clone()), now).unwrap();
        };
        (0..100).for_each(|_| arrive(now));
        assert_eq!(epochs.len(), 100);
        epochs.sweep(now + LIFETIME);
        assert!(epochs.is_empty());
        let mut shard = Shard::default();
        for index in 0..10_000 {
            let later = now + LIFETIME * (index / SMALLEST_SWEEP as u32);
            shard.sweep_if_full(later);
            let chain = Chain::generate();
            let (id, holds) = (EpochId::random(), Arc::default());
            let epoch = Epoch { id, chain, counter: 0, began: later, unconfirmed: None, holds };
            shard.epochs.insert(Reader::View(ViewId::random()), epoch);
            assert!(shard.epochs.len() <= 4 * SMALLEST_SWEEP);
        }
    }

    #[test]
    fn an_epoch_is_not_retired_while_somebody_seals_with_it() {
        let (epochs, identity, now) = (Epochs::new(), Identity::generate(), Instant::now());
        let reader = Reader::View(ViewId::random());
        let (first, second) = (next(&epochs, reader, &identity, now), next(&epochs, reader, &identity, now));
        let epoch = first.epoch;
        assert!(!epochs.retire(reader, epoch), "two are on their way");
        // Ended in the meantime, by time or by another hand: still on their way.
        let later = next(&epochs, reader, &identity, now + LIFETIME);
        assert_ne!(later.epoch, epoch);
        drop(first);
        assert!(!epochs.retire(reader, epoch));
        epochs.sweep(now);
        assert!(!epochs.retire(reader, epoch), "nor is it forgotten");
        drop(second.hold.clone());
        drop(second);
        assert!(epochs.retire(reader, epoch));
        epochs.end(reader);
        assert!(!epochs.retire(reader, later.epoch), "removed readers too");
        drop(later);
        let open = next(&epochs, reader, &identity, now);
        let epoch = open.epoch;
        drop(open);
        assert!(epochs.retire(reader, epoch), "an open one of which nobody has a key");
        assert_ne!(next(&epochs, reader, &identity, now).epoch, epoch, "nobody ever will have");
    }

    #[test]
    fn agrees_with_the_documented_vector() {
        // docs/format.md, "Message keys": computed with Node's hkdfSync.
        let mut keys = EpochKeys::new(&EpochSeed::from_bytes(&[0; 32]));
        let hex = |key: &MessageKey| data_encoding::HEXLOWER.encode(key.expose());
        assert_eq!(hex(keys.message_key(0).unwrap()), VECTOR_0);
        assert_eq!(hex(keys.message_key(2).unwrap()), VECTOR_2);
    }

    const VECTOR_0: &str = "6a9a072d1be4e95d1a4787de4a438ffdc7628e23377d594c325b3a376168f21e";
    const VECTOR_2: &str = "e3ce316b683a143f170b2f86b607dec2ec3cf7b86eb7af71be78108494a94a5b";
}

//! From a reader's identity to the message keys of its epochs.
//!
//! Opening a sealed seed is public-key work (0.2 ms), so an opened seed is kept in the ledger under
//! a key that only the reader's identity yields; the next session of the reader pays microseconds.

use std::sync::{Arc, Mutex, PoisonError};

use super::Vault;
use crate::keyring::{Identity, RecordKey};
use crate::names::{EpochId, Reader};
use crate::records::RecordError;
use crate::seal::{EpochKeys, EpochSeed, ManifestRef, MessageKey, UnsealError};
use crate::store::blobs::{BlobError, BlobName};
use crate::store::ledger::Batch;
use crate::tenant::rows::SeedRow;

/// Why there is no message key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The seed is gone or does not open: what was sealed in its epoch stays sealed.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// A reader who can open its manifests, from several threads. Locked by dropping it.
pub struct ReaderKeys {
    reader: Reader,
    identity: Identity,
    cache_key: RecordKey,
    /// The epochs used last, the latest at the end.
    epochs: Mutex<Vec<(EpochId, Chain)>>,
}

/// The keys of an epoch, drawn by whoever needs them.
type Chain = Arc<Mutex<EpochKeys>>;

impl ReaderKeys {
    /// The reader with this identity.
    pub fn new(reader: Reader, identity: Identity) -> Self {
        let cache_key = identity.cache_key();
        Self { reader, identity, cache_key, epochs: Mutex::default() }
    }

    /// Who reads.
    pub(super) fn reader(&self) -> Reader {
        self.reader
    }

    /// The key of what is kept for the reader alone.
    pub(super) fn cache_key(&self) -> &RecordKey {
        &self.cache_key
    }

    /// The message key of a manifest. May read a small file.
    pub fn message_key(&self, vault: &Vault, manifest: ManifestRef) -> Result<MessageKey, SeedError> {
        let chain = match self.remembered(manifest.epoch) {
            Some(chain) => chain,
            None => self.remember(manifest.epoch, &self.seed(vault, manifest.epoch)?),
        };
        // Nothing panics while a lock is held, here and below.
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(MessageKey::from_bytes(chain.message_key(manifest.counter)?.expose()))
    }

    /// Forgets the epochs it remembers but for the latest `kept`: an idle session holds as little as it can.
    pub fn rest(&self, kept: usize) {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = epochs.len().saturating_sub(kept);
        epochs.drain(..gone);
        epochs.shrink_to_fit();
    }

    fn remembered(&self, epoch: EpochId) -> Option<Chain> {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let at = epochs.iter().rposition(|(known, _)| *known == epoch)?;
        epochs[at..].rotate_left(1);
        epochs.last().map(|(_, chain)| chain.clone())
    }

    fn remember(&self, epoch: EpochId, seed: &EpochSeed) -> Chain {
        let chain = Arc::new(Mutex::new(EpochKeys::new(seed)));
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if epochs.len() == EPOCHS {
            epochs.remove(0);
        }
        epochs.push((epoch, chain.clone()));
        chain
    }

    fn seed(&self, vault: &Vault, epoch: EpochId) -> Result<EpochSeed, SeedError> {
        self.kept(vault, epoch)?.map_or_else(|| self.open(vault, epoch), Ok)
    }

    /// The seed as an earlier session kept it. One that does not open is opened anew from its file.
    fn kept(&self, vault: &Vault, epoch: EpochId) -> Result<Option<EpochSeed>, SeedError> {
        let row: Option<SeedRow> =
            vault.records.system().get(&[&self.reader.to_bytes(), epoch.as_bytes()])?;
        let opened = row.and_then(|row| self.cache_key.open(epoch.as_bytes(), &row.seed).ok());
        Ok(opened.and_then(|seed| Some(EpochSeed::from_bytes(seed.as_slice().try_into().ok()?))))
    }

    fn open(&self, vault: &Vault, epoch: EpochId) -> Result<EpochSeed, SeedError> {
        let name = BlobName::of_seed(self.reader, epoch);
        let file = vault.blobs.read(&name, MAX_SEED_FILE).map_err(|error| match error {
            BlobError::NotFound | BlobError::TooLarge { .. } => UnsealError::SeedGone.into(),
            error => SeedError::Blobs(error),
        })?;
        let seed = EpochSeed::open(&self.identity, &file)?;
        let row = SeedRow { seed: self.cache_key.seal(epoch.as_bytes(), seed.expose()) };
        let mut batch = Batch::new();
        vault.records.system().put(&mut batch, &[&self.reader.to_bytes(), epoch.as_bytes()], &row);
        // Nobody waits for it: a cache that is lost is filled again.
        drop(vault.records.commit(batch));
        Ok(seed)
    }
}

/// A sealed seed has some 1.8 KB with a post-quantum stanza.
const MAX_SEED_FILE: u64 = 64 * 1024;
/// Epochs remembered: several threads read neighbouring ones. 8 KiB each when all keys are drawn.
const EPOCHS: usize = 16;

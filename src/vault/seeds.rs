//! From a reader's identity to the message keys of its epochs.
//!
//! Opening a sealed seed is public-key work (0.2 ms), so an opened seed is kept in the ledger under
//! a key that only the reader's identity yields; the next session of the reader pays microseconds.

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

/// A reader who can open its manifests. Locked by dropping it.
pub struct ReaderKeys {
    reader: Reader,
    identity: Identity,
    cache_key: RecordKey,
    /// The epoch used last: mailboxes are read in order.
    current: Option<(EpochId, EpochKeys)>,
}

impl ReaderKeys {
    /// The reader with this identity.
    pub fn new(reader: Reader, identity: Identity) -> Self {
        let cache_key = identity.cache_key();
        Self { reader, identity, cache_key, current: None }
    }

    /// Who reads.
    pub(super) fn reader(&self) -> Reader {
        self.reader
    }

    /// The key of what is kept for the reader alone.
    pub(super) fn cache_key(&self) -> &RecordKey {
        &self.cache_key
    }

    /// The message key of a manifest.
    pub async fn message_key(
        &mut self,
        vault: &Vault,
        manifest: ManifestRef,
    ) -> Result<&MessageKey, SeedError> {
        if self.current.as_ref().is_none_or(|(epoch, _)| *epoch != manifest.epoch) {
            let seed = match self.kept(vault, manifest.epoch)? {
                Some(seed) => seed,
                None => self.open(vault, manifest.epoch).await?,
            };
            self.current = Some((manifest.epoch, EpochKeys::new(&seed)));
        }
        match &mut self.current {
            Some((_, keys)) => Ok(keys.message_key(manifest.counter)?),
            None => Err(UnsealError::Counter.into()),
        }
    }

    /// The seed as an earlier session kept it. One that does not open is opened anew from its file.
    fn kept(&self, vault: &Vault, epoch: EpochId) -> Result<Option<EpochSeed>, SeedError> {
        let row: Option<SeedRow> =
            vault.records.system().get(&[&self.reader.to_bytes(), epoch.as_bytes()])?;
        let opened = row.and_then(|row| self.cache_key.open(epoch.as_bytes(), &row.seed).ok());
        Ok(opened.and_then(|seed| Some(EpochSeed::from_bytes(seed.as_slice().try_into().ok()?))))
    }

    async fn open(&self, vault: &Vault, epoch: EpochId) -> Result<EpochSeed, SeedError> {
        let name = BlobName::of_seed(self.reader, epoch);
        let file = vault.blobs.get(&name, MAX_SEED_FILE).await.map_err(|error| match error {
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

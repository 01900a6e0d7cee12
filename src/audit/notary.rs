//! Signs checkpoints, keeps them in the store and in the sinks, and hands out receipts.
//!
//! A checkpoint's last leaf is the entry that announces it ([`Act::CheckpointSigned`]). So one whose
//! last leaf is something else was not signed here, and a log that ends in a checkpoint needs no new one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tlog_tiles::{Hash, check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash};
use tokio::time::MissedTickBehavior;

use super::act::Act;
use super::checkpoint::{Checkpoint, CheckpointKey, VerifyingKey};
use super::entry::{Actor, Draft, Origin};
use super::error::AuditError;
use super::log::{Log, Recorded};
use super::receipt::Receipt;
use super::sink::Sink;
use super::store::AuditStore;
use super::tree::over_stored;
use crate::names::TenantId;

/// Signs for the logs of all tenants.
pub struct Notary<S> {
    log: Log<S>,
    key: CheckpointKey,
    sinks: Vec<Sink>,
    /// Tenants to look at in the next round besides those that recorded something.
    attended: Mutex<BTreeSet<TenantId>>,
    /// One checkpoint at a time, so that the newest one is stored last.
    desk: tokio::sync::Mutex<()>,
}

impl<S: AuditStore> Notary<S> {
    /// A notary for these logs with this key, who tells these sinks.
    pub fn new(log: Log<S>, key: CheckpointKey, sinks: Vec<Sink>) -> Self {
        Self { log, key, sinks, attended: Mutex::default(), desk: tokio::sync::Mutex::default() }
    }

    /// The key that checks what this notary signs.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Puts a tenant on the list of the next round; for all tenants at start, when it is not known who
    /// recorded something after their last checkpoint.
    pub fn attend(&self, tenant: TenantId) {
        self.attended.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }

    /// A checkpoint of the log as it is now: the newest one if nothing was recorded since.
    ///
    /// Refuses ([`AuditError::Damaged`]) to sign a log that does not extend the newest checkpoint.
    /// A sink that fails is logged, and told again in the next round.
    pub async fn checkpoint(&self, tenant: TenantId) -> Result<Checkpoint, AuditError> {
        let _desk = self.desk.lock().await;
        let newest = self.newest(tenant).await?;
        if let Some(newest) = &newest
            && newest.size() == self.log.size(tenant).await?
        {
            return Ok(newest.clone());
        }
        let signed = self.sign(tenant, newest.as_ref()).await?;
        self.publish(&signed).await;
        Ok(signed)
    }

    /// A receipt for a recorded act, that its person can keep and check without the server.
    pub async fn receipt(&self, recorded: &Recorded) -> Result<Receipt, AuditError> {
        self.receipt_of(recorded.tenant(), recorded.sequence()).await
    }

    /// A receipt for the entry with this number. [`AuditError::Damaged`] if there is none.
    pub async fn receipt_of(&self, tenant: TenantId, index: u64) -> Result<Receipt, AuditError> {
        if index >= self.log.size(tenant).await? {
            return Err(AuditError::Damaged);
        }
        let checkpoint = match self.newest(tenant).await? {
            Some(newest) if newest.size() > index => newest,
            _ => self.checkpoint(tenant).await?,
        };
        let rows = self.log.store().entries(tenant, index, 1).await?;
        let [(number, line)] = <[_; 1]>::try_from(rows).map_err(|_| AuditError::Damaged)?;
        let size = checkpoint.size();
        let path = over_stored(self.log.store(), tenant, |shelf| prove_record(size, index, shelf)).await?;
        let sound = check_record(&path, size, checkpoint.root(), index, record_hash(&line)).is_ok();
        if number != index || !sound {
            return Err(AuditError::Damaged);
        }
        Receipt::new(&line, index, &path, &checkpoint).ok_or(AuditError::Damaged)
    }

    /// Signs for everybody who recorded something since the last round. Failures are logged and
    /// tried again in the next round.
    pub async fn round(&self) {
        let mut tenants = self.log.take_unsigned();
        let owed = std::mem::take(&mut *self.attended.lock().unwrap_or_else(PoisonError::into_inner));
        tenants.extend(&owed);
        for tenant in tenants {
            if let Err(error) = self.visit(tenant, owed.contains(&tenant)).await {
                tracing::error!(%tenant, %error, "no audit checkpoint");
                self.attend(tenant);
            }
        }
    }

    /// A round at each interval, for ever: to be run in a task of its own and aborted at the end.
    pub async fn run(&self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    /// Makes a checkpoint if there is something new; otherwise tells the newest one again to the sinks if
    /// they may have missed it.
    async fn visit(&self, tenant: TenantId, owed: bool) -> Result<(), AuditError> {
        let newest = self.newest(tenant).await?;
        let size = self.log.size(tenant).await?;
        match newest {
            Some(newest) if newest.size() == size && owed => self.publish(&newest).await,
            Some(newest) if newest.size() == size => {}
            None if size == 0 => {}
            _ => drop(self.checkpoint(tenant).await?),
        }
        Ok(())
    }

    async fn newest(&self, tenant: TenantId) -> Result<Option<Checkpoint>, AuditError> {
        let Some(note) = self.log.store().checkpoint(tenant).await? else { return Ok(None) };
        match Checkpoint::open(&note, &self.key.verifying_key()) {
            Ok(newest) if newest.tenant() == tenant => Ok(Some(newest)),
            // After a change of the audit key, or damage: what it vouched for is checked by whoever
            // holds the old key, and the log goes on under the new one.
            _ => {
                tracing::warn!(%tenant, "the newest audit checkpoint is not signed by the audit key");
                Ok(None)
            }
        }
    }

    async fn sign(&self, tenant: TenantId, newest: Option<&Checkpoint>) -> Result<Checkpoint, AuditError> {
        // Before the announcement too: a log that will not be signed must not grow by it in each round.
        self.root_beyond(tenant, self.log.size(tenant).await?, newest).await?;
        let announcement = Draft::new(Actor::Server, Origin::Internal, Act::CheckpointSigned);
        let size = self.log.record(tenant, announcement).await?.sequence() + 1;
        let root = self.root_beyond(tenant, size, newest).await?;
        let signed = self.key.sign(tenant, size, root)?;
        self.log.store().put_checkpoint(tenant, signed.note().to_owned()).await?;
        Ok(signed)
    }

    /// The root of the stored tree of this size, if that extends the newest checkpoint
    /// (RFC 6962 §2.1.2).
    async fn root_beyond(
        &self,
        tenant: TenantId,
        size: u64,
        newest: Option<&Checkpoint>,
    ) -> Result<Hash, AuditError> {
        let store = self.log.store();
        let root = over_stored(store, tenant, |shelf| tree_hash(size, shelf)).await?;
        if let Some(old) = newest.filter(|old| old.size() > 0) {
            let proof = over_stored(store, tenant, |shelf| prove_tree(size, old.size(), shelf)).await?;
            check_tree(&proof, size, root, old.size(), old.root()).map_err(|_| AuditError::Damaged)?;
        }
        Ok(root)
    }

    async fn publish(&self, checkpoint: &Checkpoint) {
        let now = self.log.clock().now();
        for sink in &self.sinks {
            if let Err(error) = sink.publish(checkpoint, now).await {
                tracing::warn!(tenant = %checkpoint.tenant(), %error, "an audit checkpoint was not kept elsewhere");
                self.attend(checkpoint.tenant());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::split_notes;
    use super::super::memory::MemoryStore;
    use super::super::receipt::verify_receipt;
    use super::*;
    use crate::clock::{Clock, Timestamp};

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);

    fn notary(sinks: Vec<Sink>) -> (MemoryStore, Log<MemoryStore>, Notary<MemoryStore>) {
        let store = MemoryStore::default();
        let log = Log::new(store.clone(), Clock::manual(Timestamp::from_unix(1_795_000_000)));
        let key = CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap();
        (store, log.clone(), Notary::new(log, key, sinks))
    }

    async fn act(log: &Log<MemoryStore>) -> Recorded {
        log.record(TENANT, Draft::new(Actor::Server, Origin::Internal, Act::PolicyLoaded)).await.unwrap()
    }

    #[tokio::test]
    async fn a_checkpoint_ends_in_its_announcement() {
        let (_, log, notary) = notary(vec![]);
        for acts in 1..20 {
            drop(act(&log).await);
            let signed = notary.checkpoint(TENANT).await.unwrap();
            assert_eq!(signed.size(), 2 * acts);
            let last = log.read(TENANT, signed.size() - 1, 1).await.unwrap();
            assert_eq!(last[0].as_ref().unwrap().draft.act, Act::CheckpointSigned);
            assert_eq!(notary.checkpoint(TENANT).await.unwrap(), signed, "nothing new, nothing signed");
        }
    }

    #[tokio::test]
    async fn every_act_gets_a_receipt() {
        let (_, log, notary) = notary(vec![]);
        for number in 0..40 {
            let recorded = act(&log).await;
            let receipt = notary.receipt(&recorded).await.unwrap();
            let proven = verify_receipt(&receipt.to_string(), &notary.verifying_key()).unwrap();
            assert_eq!((proven.tenant, proven.entry.sequence), (TENANT, recorded.sequence()), "{number}");
        }
    }

    #[tokio::test]
    async fn a_rewritten_log_is_not_signed() {
        let (store, log, notary) = notary(vec![]);
        drop(act(&log).await);
        drop(act(&log).await);
        notary.checkpoint(TENANT).await.unwrap();
        // Somebody rolls the log back and lets it grow past its old size.
        store.with(TENANT, |rows| rows.size = 1);
        let stale = Log::new(store.clone(), Clock::system());
        let key = CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap();
        let notary = Notary::new(stale.clone(), key, vec![]);
        assert!(matches!(notary.checkpoint(TENANT).await, Err(AuditError::Damaged)), "shorter");
        for _ in 0..4 {
            drop(act(&stale).await);
        }
        assert!(matches!(notary.checkpoint(TENANT).await, Err(AuditError::Damaged)), "longer");
        assert_eq!(stale.size(TENANT).await.unwrap(), 5, "and does not grow by announcements");
    }

    #[tokio::test]
    async fn a_round_tells_the_sinks_until_they_listen() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("later");
        let file = folder.join("checkpoints");
        let (_, log, notary) = notary(vec![Sink::File(file.clone())]);
        drop(act(&log).await);
        notary.round().await;
        std::fs::create_dir(&folder).unwrap();
        notary.round().await;
        notary.round().await;
        let notes = split_notes(&std::fs::read_to_string(&file).unwrap());
        assert_eq!(notes.len(), 1, "told once");
        assert_eq!(log.size(TENANT).await.unwrap(), 2, "signed once");
    }

    #[tokio::test]
    async fn a_tenant_is_attended_after_a_restart() {
        let (store, log, _) = notary(vec![]);
        drop(act(&log).await);
        let log = Log::new(store.clone(), Clock::system());
        let key = CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap();
        let notary = Notary::new(log, key, vec![]);
        notary.round().await;
        assert!(store.with(TENANT, |rows| rows.checkpoint.is_none()));
        notary.attend(TENANT);
        notary.attend(TenantId::from_bytes([2; 16]));
        notary.round().await;
        assert!(store.with(TENANT, |rows| rows.checkpoint.is_some()));
    }

    #[tokio::test]
    async fn damage_gives_no_receipt() {
        let (store, log, notary) = notary(vec![]);
        let recorded = act(&log).await;
        drop(act(&log).await);
        store.with(TENANT, |rows| rows.entries.get_mut(&0).unwrap()[60] ^= 1);
        assert!(matches!(notary.receipt(&recorded).await, Err(AuditError::Damaged)));
    }
}

//! The owner's search index: kept up with the mailbox while it is unlocked, closed when it locks.
//!
//! New mail cannot be indexed as it arrives, since nothing here could read it; so each unlock
//! catches up, newest UIDs last, in rounds. The index is a cache: one that is damaged is made anew.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::mail::OwnerReader;
use super::sessions::Sessions;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Purpose, Recorded};
use crate::search::{self, Document, Index, SearchError};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::wipe::Wiped;

/// The indexes that are open: those of people who have unlocked.
#[derive(Default)]
pub struct Indexes(Mutex<HashMap<UserRef, Index>>);

impl Indexes {
    /// The index of the unlocked user. One that does not open is made anew.
    pub fn open(&self, vault: &Vault, unlocked: &Unlocked) -> Result<Index, OwnerError> {
        let user = unlocked.user;
        let mut held = self.held();
        if let Some(index) = held.get(&user) {
            return Ok(index.clone());
        }
        let folder = vault.settings.indexes.join(user.user.to_string());
        let key = || unlocked.key.0.index_key(user.user);
        let index = match Index::open(&folder, key()) {
            Err(SearchError::Damaged) => {
                tracing::warn!(user = %user.user, "a search index does not open and is made anew");
                Index::erase(&folder)?;
                Index::open(&folder, key())?
            }
            opened => opened?,
        };
        held.insert(user, index.clone());
        Ok(index)
    }

    /// Closes the indexes of everybody who has locked, except where a job still holds one: an
    /// index opened beside it would not see what the job adds, and add it once more. The job ends
    /// soon after the lock, and the next call closes its index.
    pub fn close_locked(&self, vault: &Vault, sessions: &Sessions) {
        let now = vault.clock.now();
        self.close(|user| !sessions.has_any(user, now));
    }

    fn close(&self, is_locked: impl Fn(UserRef) -> bool) {
        // Under the lock nobody takes a clone from here, and who has one makes the index shared.
        self.held().retain(|user, index| index.is_shared() || !is_locked(*user));
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<UserRef, Index>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an index job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Messages added.
    pub added: u64,
    /// Messages that do not open; they are left out.
    pub damaged: u64,
    /// Whether it came to its end, or the mailbox was locked before.
    pub complete: bool,
}

/// Whether there is mail that the index does not have.
pub fn is_behind(vault: &Vault, unlocked: &Unlocked, index: &Index) -> Result<bool, OwnerError> {
    let (user, mut is_behind) = (unlocked.user, false);
    let next = index.indexed_up_to().saturating_add(1).to_be_bytes();
    vault.records.tenant(user.tenant).visit::<MessageRow>(&[user.user.as_bytes()], &next, |_, row| {
        is_behind = row.is_ok();
        if is_behind { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(is_behind)
}

/// Brings the index up to the mailbox: forgets what is gone, adds what is new. Ends early, between
/// two rounds, when the mailbox is locked. `progress` is told messages done and messages in all.
///
/// Blocks for as long as it takes: run it on a thread of its own, within a runtime.
pub fn catch_up(
    vault: &Arc<Vault>,
    sessions: &Sessions,
    unlocked: &Arc<Unlocked>,
    index: &Index,
    progress: impl Fn(u64, u64),
) -> Result<Indexed, OwnerError> {
    let mut rows = OwnerReader::new(vault, unlocked)?.rows()?;
    let mut writer = index.writer()?;
    let mut up_to = index.indexed_up_to();
    let live: BTreeSet<u32> = rows.iter().map(|(uid, _)| *uid).collect();
    let gone: Vec<u32> = index.uids()?.into_iter().filter(|uid| !live.contains(uid)).collect();
    if !gone.is_empty() {
        gone.iter().for_each(|uid| writer.remove(*uid));
        writer.commit(up_to)?;
    }
    rows.retain(|(uid, _)| *uid > up_to);
    let mut done = Indexed { added: 0, damaged: 0, complete: true };
    if rows.is_empty() {
        return Ok(done);
    }
    let total = rows.len() as u64;
    progress(0, total);
    let runtime = Handle::current();
    let recorded = Arc::new(
        runtime
            .block_on(OwnerReader::new(vault, unlocked)?.record(Act::IndexExtended { messages: total }))?,
    );
    let mut uncommitted = 0;
    for round in rows.chunks(ROUND) {
        if !sessions.is_open(unlocked, vault.clock.now()) {
            done.complete = false;
            break;
        }
        let (documents, damaged) = read(vault, unlocked, &recorded, round)?;
        done.damaged += damaged;
        done.added += documents.len() as u64;
        uncommitted += documents.len();
        for document in documents {
            writer.add(document)?;
        }
        up_to = round.last().map_or(up_to, |(uid, _)| *uid);
        if uncommitted >= COMMIT_EVERY {
            writer.commit(up_to)?;
            uncommitted = 0;
        }
        progress(done.added + done.damaged, total);
    }
    writer.commit(up_to)?;
    writer.finish()?;
    Ok(done)
}

/// Opens and reads the messages of a round, on two threads; in the order of their UIDs.
fn read(
    vault: &Arc<Vault>,
    unlocked: &Arc<Unlocked>,
    recorded: &Arc<Recorded>,
    round: &[(u32, MessageRow)],
) -> Result<(Vec<Document>, u64), OwnerError> {
    let runtime = Handle::current();
    let (one, other) = round.split_at(round.len() / 2);
    let work = |rows: &[(u32, MessageRow)]| documents(vault, unlocked, recorded, rows, &runtime);
    let (one, other) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| work(one));
        let other = work(other);
        (beside.join().unwrap_or(Err(OwnerError::Stopping)), other)
    });
    let ((mut documents, damaged), (more, more_damaged)) = (one?, other?);
    documents.extend(more);
    Ok((documents, damaged + more_damaged))
}

fn documents(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    recorded: &Recorded,
    rows: &[(u32, MessageRow)],
    runtime: &Handle,
) -> Result<(Vec<Document>, u64), OwnerError> {
    let mut reader = OwnerReader::new(vault, unlocked)?;
    let (mut documents, mut damaged) = (Vec::with_capacity(rows.len()), 0);
    for (uid, row) in rows {
        match runtime.block_on(octets(&mut reader, (*uid, row), recorded)) {
            Ok(octets) => documents.push(search::document(*uid, row.message, row.received, &octets)),
            Err(OwnerError::Damaged(_)) => damaged += 1,
            // Deleted since the list was made.
            Err(OwnerError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((documents, damaged))
}

async fn octets(
    reader: &mut OwnerReader<'_>,
    (uid, row): (u32, &MessageRow),
    recorded: &Recorded,
) -> Result<Wiped, OwnerError> {
    let opened = reader.open(uid, row, (recorded, Purpose::Work)).await?;
    reader.whole(opened).await
}

/// Messages read before the lock is looked at again.
const ROUND: usize = 256;
/// Messages that share a commit.
const COMMIT_EVERY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::IndexKey;
    use crate::names::{TenantId, UserId};

    #[test]
    fn an_index_at_work_stays_open_until_the_work_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let index = Index::open(&folder.path().join("index"), IndexKey::from_bytes(&[7; 32])).unwrap();
        let indexes = Indexes::default();
        indexes.held().insert(user, index.clone());
        let writer = index.writer().unwrap();
        drop(index);
        indexes.close(|_| true);
        assert!(indexes.held().contains_key(&user), "a job writes to it");
        drop(writer);
        indexes.close(|_| false);
        assert!(indexes.held().contains_key(&user), "it is not locked");
        indexes.close(|_| true);
        assert!(indexes.held().is_empty());
    }
}

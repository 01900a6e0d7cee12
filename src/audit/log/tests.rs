//! Recording under load and over a store that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use static_assertions::assert_not_impl_any;
use tokio::sync::Semaphore;

use super::super::act::{Extent, Protocol, Refusal, UnlockMethod};
use super::super::entry::{Actor, Origin};
use super::super::memory::MemoryStore;
use super::*;
use crate::clock::Timestamp;

assert_not_impl_any!(Recorded: Clone, Default, serde::Serialize);

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

fn draft() -> Draft {
    Draft::new(Actor::Server, Origin::Internal, Act::PolicyLoaded)
}

fn log<S: AuditStore>(store: S) -> Log<S> {
    Log::new(store, Clock::manual(Timestamp::from_unix(1_795_000_000)))
}

/// A memory store that does as it is told.
#[derive(Clone, Default)]
struct Unsteady {
    rows: MemoryStore,
    fault: Arc<Mutex<Fault>>,
    appends: Arc<AtomicUsize>,
    /// Appends wait here, if given.
    gate: Option<Arc<Semaphore>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Fails and writes nothing.
    Before,
    /// Writes everything, then fails.
    After,
    /// Breaks its promise: entry and hash rows are written, the head is not.
    Torn,
    /// Panics.
    Panic,
    /// Never answers.
    Hang,
    /// Another writer is always faster.
    Overtaken,
}

impl Unsteady {
    fn turn(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn broken() -> StoreError {
        StoreError::failed("out of order")
    }
}

impl AuditStore for Unsteady {
    async fn append(&self, tenant: TenantId, append: Append) -> Result<(), StoreError> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => self.rows.append(tenant, append).await,
            Fault::Before => Err(Self::broken()),
            Fault::After => self.rows.append(tenant, append).await.and(Err(Self::broken())),
            Fault::Torn => {
                self.rows.append(tenant, append.clone()).await?;
                self.rows.with(tenant, |rows| rows.size = append.expected());
                Err(Self::broken())
            }
            Fault::Panic => panic!("the store panics"),
            Fault::Hang => std::future::pending().await,
            Fault::Overtaken => {
                let other = log(self.rows.clone());
                drop(other.record(tenant, draft()).await);
                self.rows.append(tenant, append).await
            }
        }
    }

    async fn size(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.rows.size(tenant).await
    }
    async fn entries(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.rows.entries(tenant, from, limit).await
    }
    async fn hashes(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Hash)>, StoreError> {
        self.rows.hashes(tenant, from, limit).await
    }
    async fn hashes_at(&self, tenant: TenantId, indexes: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.rows.hashes_at(tenant, indexes).await
    }
    async fn put_checkpoint(&self, tenant: TenantId, note: String) -> Result<(), StoreError> {
        self.rows.put_checkpoint(tenant, note).await
    }
    async fn checkpoint(&self, tenant: TenantId) -> Result<Option<String>, StoreError> {
        self.rows.checkpoint(tenant).await
    }
}

/// Numbers without gaps, hashes that tlog would have stored.
async fn assert_whole(store: &MemoryStore, size: u64) {
    let key = super::super::checkpoint::CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap();
    let report = super::super::verify::verify(store, TENANT, &key.verifying_key(), &[]).await.unwrap();
    assert_eq!((report.size, report.findings.as_slice()), (size, &[][..]));
}

#[tokio::test]
async fn what_is_recorded_can_be_read() {
    let log = log(MemoryStore::default());
    let message = MessageId::from_bytes([9; 16]);
    let act = Act::MessageExported { message };
    let recorded = log.record(TENANT, Draft { act: act.clone(), ..draft() }).await.unwrap();
    assert_eq!((recorded.tenant(), recorded.sequence()), (TENANT, 0));
    assert_eq!(recorded.message(), Some(message));
    let entries = log.read(TENANT, 0, 10).await.unwrap();
    let entry = entries[0].clone().unwrap();
    assert_eq!(entry.draft.act, act);
    assert_eq!(recorded.leaf(), record_hash(&entry.encode().unwrap()));
    assert_eq!(log.record(TENANT, draft()).await.unwrap().message(), None);
}

/// A refused sign-in, a signed checkpoint, a list of other messages: none of them is a way in.
#[tokio::test]
async fn a_proof_opens_what_it_names_and_nothing_else() {
    let log = log(MemoryStore::default());
    let (own, other) = (MessageId::from_bytes([9; 16]), MessageId::from_bytes([8; 16]));
    let numbers = MessageNumbers::sets([7]).remove(0);
    let all = [Purpose::Whole, Purpose::Listing, Purpose::Masked, Purpose::Work];
    for (act, opened) in [
        (Act::SignInRefused { protocol: Protocol::Imap, cause: Refusal::WrongCredential }, &all[..0]),
        (Act::CheckpointSigned, &all[..0]),
        (Act::ListRead { messages: 1 }, &all[..0]),
        (Act::SearchMade { matches: 1 }, &all[..0]),
        (Act::UnlockBegun { method: UnlockMethod::PasswordAndTotp, seconds: 1 }, &all[..0]),
        (Act::MessageRevealed { message: own, extent: Extent::Whole }, &all[..3]),
        (Act::MessageFetched { message: own, extent: Extent::Whole }, &all[2..3]),
        (Act::MessagesListed { numbers }, &all[1..3]),
        (Act::SignedIn, &all[2..3]),
        (Act::IndexExtended { messages: 1 }, &all[3..]),
    ] {
        let names = !matches!(act, Act::SignedIn | Act::IndexExtended { .. });
        let recorded = log.record(TENANT, Draft { act: act.clone(), ..draft() }).await.unwrap();
        for purpose in all {
            assert_eq!(recorded.opens(purpose, own, 7), opened.contains(&purpose), "{act:?} {purpose:?}");
            assert!(!names || !recorded.opens(purpose, other, 6), "{act:?} {purpose:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_are_without_gaps() {
    let store = Unsteady::default();
    let log = log(store.clone());
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { log.record(TENANT, draft()).await.unwrap().sequence() })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert_whole(&store.rows, 1000).await;
}

#[tokio::test]
async fn what_waits_goes_into_one_append() {
    let gate = Arc::new(Semaphore::new(0));
    let store = Unsteady { gate: Some(gate.clone()), ..Unsteady::default() };
    let log = log(store.clone());
    let others: Vec<_> = (0..100)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { log.record(TENANT, draft()).await.map(drop) })
        })
        .collect();
    while store.appends.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(100);
    for task in others {
        task.await.unwrap().unwrap();
    }
    assert!(store.appends.load(Ordering::Relaxed) <= 2, "{:?}", store.appends);
    assert_whole(&store.rows, 100).await;
}

#[tokio::test]
async fn tenants_do_not_wait_for_each_other() {
    let gate = Arc::new(Semaphore::new(0));
    let store = Unsteady { gate: Some(gate.clone()), ..Unsteady::default() };
    let log = log(store.clone());
    let tenants: Vec<_> = (0..8).map(|tenant| TenantId::from_bytes([tenant; 16])).collect();
    let tasks: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            let (log, tenant) = (log.clone(), *tenant);
            tokio::spawn(async move { log.record(tenant, draft()).await.map(drop) })
        })
        .collect();
    // All eight appends are under way at once.
    while store.appends.load(Ordering::Relaxed) < 8 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(8);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_batch_is_all_or_none_and_in_order() {
    let store = Unsteady::default();
    let log = log(store.clone());
    let acts: Vec<_> = (0..MAX_BATCH as u64).map(|messages| Act::ListRead { messages }).collect();
    let drafts: Vec<_> = acts.iter().map(|act| Draft { act: act.clone(), ..draft() }).collect();
    store.turn(Fault::Before);
    assert!(log.record_batch(TENANT, drafts.clone()).await.is_err());
    assert_eq!(log.size(TENANT).await.unwrap(), 0);

    store.turn(Fault::None);
    let recorded = log.record_batch(TENANT, drafts.clone()).await.unwrap();
    assert!(recorded.iter().map(Recorded::sequence).eq(0..MAX_BATCH as u64));
    let entries = log.read(TENANT, 0, usize::MAX).await.unwrap();
    assert!(entries.into_iter().map(|entry| entry.unwrap().draft.act).eq(acts));

    let too_many = vec![draft(); MAX_BATCH + 1];
    assert!(matches!(log.record_batch(TENANT, too_many).await, Err(AuditError::TooMany)));
    assert!(log.record_batch(TENANT, vec![]).await.unwrap().is_empty());
}

/// Law 4: without a durable entry there is no proof, so nothing can be unsealed.
#[tokio::test]
async fn a_store_that_fails_hands_out_nothing() {
    let store = Unsteady::default();
    let log = log(store.clone());
    drop(log.record(TENANT, draft()).await.unwrap());
    for fault in [Fault::Before, Fault::After, Fault::Torn] {
        store.turn(fault);
        assert!(matches!(log.record(TENANT, draft()).await, Err(AuditError::Store(_))));
        store.turn(Fault::None);
        drop(log.record(TENANT, draft()).await.unwrap());
    }
    // 1 + 3 after the faults + the one that was written before its failure was told.
    assert_whole(&store.rows, 5).await;
}

#[tokio::test]
async fn a_crash_between_entry_and_head_leaves_no_entry() {
    let store = Unsteady::default();
    let first = log(store.clone());
    drop(first.record(TENANT, draft()).await.unwrap());
    // Atomic, as a store must be: nothing of the second append is there after the restart.
    store.turn(Fault::Before);
    drop(first.record(TENANT, draft()).await);
    store.turn(Fault::None);
    assert_whole(&store.rows, 1).await;
    // Torn, as a store must not be: the log goes on behind its head, over the torn rows.
    store.turn(Fault::Torn);
    drop(first.record_batch(TENANT, vec![draft(); 3]).await);
    store.turn(Fault::None);
    let restarted = log(store.clone());
    assert_eq!(restarted.size(TENANT).await.unwrap(), 1);
    assert!(restarted.read(TENANT, 0, 10).await.unwrap().len() == 1, "a torn entry is not shown");
    assert_eq!(restarted.record_batch(TENANT, vec![draft(); 4]).await.unwrap()[0].sequence(), 1);
    assert_whole(&store.rows, 5).await;
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up() {
    let store = Unsteady::default();
    let log = Log::with_patience(store.clone(), Clock::system(), Duration::from_millis(500));
    store.turn(Fault::Hang);
    assert!(matches!(log.record(TENANT, draft()).await, Err(AuditError::TimedOut)));
    store.turn(Fault::None);
    drop(log.record(TENANT, draft()).await.unwrap());
    assert_whole(&store.rows, 1).await;
}

#[tokio::test]
async fn a_panic_stays_in_its_turn() {
    let store = Unsteady::default();
    let log = log(store.clone());
    store.turn(Fault::Panic);
    assert!(matches!(log.record(TENANT, draft()).await, Err(AuditError::Stopped)));
    store.turn(Fault::None);
    drop(log.record(TENANT, draft()).await.unwrap());
    assert_whole(&store.rows, 1).await;
}

#[tokio::test]
async fn another_writer_cannot_fork_the_log() {
    let store = Unsteady::default();
    let (one, two) = (log(store.clone()), log(store.clone()));
    for _ in 0..5 {
        drop(one.record(TENANT, draft()).await.unwrap());
        drop(two.record(TENANT, draft()).await.unwrap());
    }
    assert_whole(&store.rows, 10).await;
    store.turn(Fault::Overtaken);
    assert!(matches!(one.record(TENANT, draft()).await, Err(AuditError::Contended)));
    assert_whole(&store.rows, 10 + MAX_CONFLICTS as u64).await;
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let gate = Arc::new(Semaphore::new(0));
    let store = Unsteady { gate: Some(gate), ..Unsteady::default() };
    let log = log(store.clone());
    let waiting: Vec<_> = (0..4).map(|_| log.enqueue(TENANT, vec![draft(); MAX_BATCH]).unwrap()).collect();
    assert!(matches!(log.record(TENANT, draft()).await, Err(AuditError::Busy)));
    drop(log.enqueue(TenantId::from_bytes([2; 16]), vec![draft()]).unwrap());
    drop(waiting);
}

#[tokio::test]
async fn who_goes_away_unrecords_nothing() {
    let store = MemoryStore::default();
    let log = log(store.clone());
    let gone = log.enqueue(TENANT, vec![draft()]).unwrap();
    drop(gone);
    drop(log.record(TENANT, draft()).await.unwrap());
    assert_whole(&store, 2).await;
}

#[tokio::test]
async fn idle_lanes_are_forgotten_and_come_back() {
    let log = log(MemoryStore::default());
    for round in 0..2 {
        for number in 0..(MAX_LANES as u64 + 50) {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let recorded = log.record(TenantId::from_bytes(id), draft()).await.unwrap();
            assert_eq!(recorded.sequence(), round);
        }
    }
    assert!(log.0.lanes().by_tenant.len() <= MAX_LANES);
}

#[tokio::test]
async fn a_log_without_its_edge_is_not_continued() {
    let store = MemoryStore::default();
    drop(log(store.clone()).record_batch(TENANT, vec![draft(); 3]).await.unwrap());
    store.with(TENANT, |rows| rows.hashes.remove(&2));
    assert!(matches!(log(store.clone()).record(TENANT, draft()).await, Err(AuditError::Damaged)));
    store.with(TENANT, |rows| rows.size = u64::MAX);
    assert!(matches!(log(store.clone()).record(TENANT, draft()).await, Err(AuditError::Damaged)));
    assert!(matches!(log(store).size(TENANT).await, Err(AuditError::Damaged)));
}

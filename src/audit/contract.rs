//! What every [`AuditStore`] must do, as one test that each implementation runs. That an append is
//! durable is for the implementation's power-cut test.

use tlog_tiles::{Hash, stored_hash_count};

use super::act::Act;
use super::entry::{Actor, Draft, Origin};
use super::log::Log;
use super::store::{Append, AuditStore, StoreError};
use crate::clock::{Clock, Timestamp};
use crate::names::TenantId;

/// Fails if the store breaks its contract. Wants a store without logs of the tenants `[1; 16]` to `[4; 16]`.
pub(crate) async fn keeps_its_contract<S: AuditStore>(store: S) {
    an_unknown_tenant_has_an_empty_log(&store).await;
    appends_are_conditional_and_whole(&store).await;
    scans_are_ascending_bounded_and_apart(&store).await;
    checkpoints_are_replaced(&store).await;
    racing_writers_do_not_fork(store).await;
}

async fn an_unknown_tenant_has_an_empty_log<S: AuditStore>(store: &S) {
    assert_eq!(store.size(tenant(1)).await.unwrap(), 0);
    assert!(store.entries(tenant(1), 0, 10).await.unwrap().is_empty());
    assert!(store.hashes(tenant(1), 0, 10).await.unwrap().is_empty());
    assert_eq!(store.hashes_at(tenant(1), &[0, 7]).await.unwrap(), [None, None]);
    assert_eq!(store.checkpoint(tenant(1)).await.unwrap(), None);
}

async fn appends_are_conditional_and_whole<S: AuditStore>(store: &S) {
    store.append(tenant(1), rows(0, 3)).await.unwrap();
    for stale in [0, 2, 4] {
        let refused = store.append(tenant(1), rows(stale, 2)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "expected size {stale}");
        assert_eq!(store.size(tenant(1)).await.unwrap(), 3);
        assert_eq!(store.entries(tenant(1), 0, 10).await.unwrap().len(), 3, "nothing is written");
    }
    store.append(tenant(1), rows(3, 2)).await.unwrap();
    assert_eq!(store.size(tenant(1)).await.unwrap(), 5);
    assert_eq!(store.hashes(tenant(1), 0, 100).await.unwrap().len() as u64, stored_hash_count(5));
}

async fn scans_are_ascending_bounded_and_apart<S: AuditStore>(store: &S) {
    store.append(tenant(2), rows(0, 300)).await.unwrap();
    let scan = store.entries(tenant(2), 254, 5).await.unwrap();
    // Across the place where a number's last octet overflows.
    assert_eq!(scan, (254..259).map(|number| (number, line(number))).collect::<Vec<_>>());
    assert_eq!(store.entries(tenant(2), 298, 10).await.unwrap().len(), 2, "the next tenant's rows stay out");
    let scan = store.hashes(tenant(2), 250, 10).await.unwrap();
    assert_eq!(scan, (250..260).map(|index| (index, hash(index))).collect::<Vec<_>>());
    let some = store.hashes_at(tenant(2), &[500, 3, 100_000, 3]).await.unwrap();
    assert_eq!(some, [Some(hash(500)), Some(hash(3)), None, Some(hash(3))]);
}

async fn checkpoints_are_replaced<S: AuditStore>(store: &S) {
    for note in ["first\n", "second \u{2014} \n"] {
        store.put_checkpoint(tenant(2), note.to_owned()).await.unwrap();
        assert_eq!(store.checkpoint(tenant(2)).await.unwrap().as_deref(), Some(note));
    }
    assert_eq!(store.checkpoint(tenant(1)).await.unwrap(), None);
}

async fn racing_writers_do_not_fork<S: AuditStore>(store: S) {
    let (first, second) =
        futures::join!(store.append(tenant(4), rows(0, 1)), store.append(tenant(4), rows(0, 1)));
    assert!(first.is_ok() != second.is_ok(), "one of two appends behind one size wins");

    let log = Log::new(store, Clock::manual(Timestamp::from_unix(0)));
    let draft = || Draft::new(Actor::Server, Origin::Internal, Act::PolicyLoaded);
    let recorded = futures::future::join_all((0..100).map(|_| log.record(tenant(3), draft()))).await;
    let mut numbers: Vec<u64> = recorded.into_iter().map(|recorded| recorded.unwrap().sequence()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert!(log.read(tenant(3), 0, 100).await.unwrap().iter().all(Result::is_ok));
}

fn tenant(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

/// Rows that only a store would take for a log.
fn rows(expected: u64, entries: u64) -> Append {
    let mut append = Append::behind(expected);
    for number in expected..expected + entries {
        append.push(line(number), (stored_hash_count(number)..stored_hash_count(number + 1)).map(hash));
    }
    append
}

fn line(number: u64) -> Vec<u8> {
    format!("line {number}").into_bytes()
}

fn hash(index: u64) -> Hash {
    tlog_tiles::record_hash(&index.to_be_bytes())
}

//! Full disks and failing syncs, in the power-cut file system.

use bytes::Bytes;
use veilpost::names::ContainerName;
use veilpost::store::blobs::{BlobError, BlobName, Blobs};
use veilpost::store::ledger::{Batch, CommitError, Committed, Ledger, LedgerError, Options, RedbLedger};

use super::powercut::{Loss, PowerCut};

fn row(number: u32, value: usize) -> Batch {
    let mut batch = Batch::new();
    batch.put(number.to_be_bytes(), vec![7; value]);
    batch
}

#[tokio::test]
async fn a_full_disk_fails_commits_until_there_is_room_again() {
    let Some(disk) = PowerCut::mount() else { return };
    let path = disk.path().join("ledger");
    let ledger = RedbLedger::open(&path, Options::default()).unwrap();
    let _: Committed = ledger.commit(row(0, 1000)).await.unwrap();
    for round in 1..4 {
        disk.leave_room(Some(1 << 20));
        let first = round * 1000;
        let mut committed = 0;
        let error = loop {
            match ledger.commit(row(first + committed, 20_000)).await {
                Ok(_) => committed += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, CommitError::Ledger(LedgerError::Full)), "{error}");
        disk.leave_room(Some(0));
        assert!(ledger.commit(row(first + 500, 200_000)).await.is_err());
        assert!(ledger.get(&0_u32.to_be_bytes()).unwrap().is_some(), "earlier rows stay readable");
        disk.leave_room(None);
        let _: Committed = ledger.commit(row(first + 999, 10)).await.expect("there is room again");
        let rows = ledger.scan(&[], &first.to_be_bytes(), usize::MAX).unwrap();
        assert_eq!(rows.len() as u32, committed + 1);
    }
    let remainder = tempfile::tempdir().unwrap();
    disk.cut(Loss::All, remainder.path());
    let reopened = RedbLedger::open(&remainder.path().join("ledger"), Options::default()).unwrap();
    assert_eq!(
        reopened.scan(&[], &[], usize::MAX).unwrap().len(),
        ledger.scan(&[], &[], usize::MAX).unwrap().len()
    );
}

#[tokio::test]
async fn a_failed_sync_stops_the_ledger_for_good() {
    let Some(disk) = PowerCut::mount() else { return };
    let ledger = RedbLedger::open(&disk.path().join("ledger"), Options::default()).unwrap();
    let _: Committed = ledger.commit(row(1, 10)).await.unwrap();
    disk.fail_syncs(true);
    let stopped = |outcome| matches!(outcome, Err(CommitError::Ledger(LedgerError::Stopped)));
    assert!(stopped(ledger.commit(row(2, 10)).await));
    disk.fail_syncs(false);
    assert!(stopped(ledger.commit(row(3, 10)).await));
    drop(ledger);
    let reopened = RedbLedger::open(&disk.path().join("ledger"), Options::default()).unwrap();
    assert!(reopened.get(&1_u32.to_be_bytes()).unwrap().is_some());
    assert!(reopened.get(&3_u32.to_be_bytes()).unwrap().is_none());
}

#[tokio::test]
async fn a_full_disk_refuses_a_blob_and_shows_nothing_of_it() {
    let Some(disk) = PowerCut::mount() else { return };
    let blobs = Blobs::open(disk.path()).unwrap();
    let name = BlobName::of_container(ContainerName::random());
    disk.leave_room(Some(1 << 16));
    let refused = blobs.put(&name, Bytes::from(vec![1; 1 << 20])).await;
    assert!(matches!(refused, Err(BlobError::Full)), "{refused:?}");
    assert!(matches!(blobs.get(&name, 1 << 20).await, Err(BlobError::NotFound)));
    disk.leave_room(None);
    blobs.put(&name, Bytes::from(vec![1; 1 << 20])).await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_fails_the_blob() {
    let Some(disk) = PowerCut::mount() else { return };
    let blobs = Blobs::open(disk.path()).unwrap();
    let name = BlobName::of_container(ContainerName::random());
    disk.fail_syncs(true);
    assert!(matches!(blobs.put(&name, Bytes::from_static(b"x")).await, Err(BlobError::Io(_))));
}

//! What only a ledger with a file can be asked: reopening, locks, damage, compaction.

use std::fs::File;

use super::*;

fn batch(key: &[u8], value: Vec<u8>) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, value);
    batch
}

/// A closed ledger of 500 rows of 200 bytes.
async fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger");
    let ledger = RedbLedger::open(&path, Options::default()).expect("opens");
    for group in 0..5_u32 {
        let mut batch = Batch::new();
        for row in group * 100..(group + 1) * 100 {
            batch.put(row.to_be_bytes(), row.to_be_bytes().repeat(50));
        }
        let _: Committed = ledger.commit(batch).await.expect("commits");
    }
    (folder, path)
}

fn rows(ledger: &RedbLedger) -> Result<Vec<crate::store::ledger::Row>, LedgerError> {
    ledger.scan(b"", b"", usize::MAX)
}

#[tokio::test]
async fn rows_survive_reopening() {
    let (_folder, path) = written().await;
    let ledger = RedbLedger::open(&path, Options::default()).unwrap();
    assert_eq!(rows(&ledger).unwrap().len(), 500);
    assert_eq!(ledger.get(&7_u32.to_be_bytes()).unwrap(), Some(7_u32.to_be_bytes().repeat(50)));
}

#[tokio::test]
async fn dropping_commits_what_waits() {
    let (_folder, path) = written().await;
    let ledger = RedbLedger::open(&path, Options::default()).unwrap();
    let waiting: Vec<_> = (0..50_u8).map(|key| ledger.commit(batch(&[key], vec![]))).collect();
    drop(ledger);
    for pending in waiting {
        assert!(pending.await.is_ok());
    }
    assert_eq!(rows(&RedbLedger::open(&path, Options::default()).unwrap()).unwrap().len(), 550);
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let (_folder, path) = written().await;
    let _first = RedbLedger::open(&path, Options::default()).unwrap();
    let second = RedbLedger::open(&path, Options::default()).err().expect("refused");
    assert!(matches!(&second, LedgerError::Locked(locked) if *locked == path));
}

#[tokio::test]
async fn a_full_queue_says_busy() {
    let (_folder, path) = written().await;
    let ledger = RedbLedger::open(&path, Options::default()).unwrap();
    let held = ledger.core.database.write().unwrap();
    // One group in the thread's hands, one in the queue, and one too many.
    let waiting: Vec<_> = (0..2 * QUEUE + 2).map(|_| ledger.commit(batch(b"k", vec![]))).collect();
    drop(held);
    let outcomes = futures::future::join_all(waiting).await;
    // Not always the last: the thread may take its group only when some have been turned away.
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(CommitError::Busy))));
    assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() >= QUEUE);
}

#[tokio::test]
async fn compaction_gives_space_back_and_loses_nothing() {
    let (_folder, path) = written().await;
    let ledger = RedbLedger::open(&path, Options::default()).unwrap();
    let mut all = Batch::new();
    for row in 1000..9000_u32 {
        all.put(row.to_be_bytes(), vec![0; 200]);
    }
    let _: Committed = ledger.commit(all).await.unwrap();
    let mut most = Batch::new();
    for row in 1000..9000_u32 {
        most.delete(row.to_be_bytes());
    }
    let _: Committed = ledger.commit(most).await.unwrap();
    drop(ledger);
    let before = path.metadata().unwrap().len();
    RedbLedger::compact(&path).unwrap();
    assert!(path.metadata().unwrap().len() < before / 4);
    RedbLedger::verify(&path).unwrap();
    assert_eq!(rows(&RedbLedger::open(&path, Options::default()).unwrap()).unwrap().len(), 500);
}

#[test]
fn a_foreign_file_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [vec![], vec![0], vec![0; 4096], b"SQLite format 3\0".repeat(600)] {
        let path = folder.path().join("ledger");
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(RedbLedger::open(&path, Options::default()), Err(LedgerError::Corrupt(_))));
    }
}

#[tokio::test]
async fn a_shortened_file_is_damage() {
    let (_folder, path) = written().await;
    let length = path.metadata().unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    assert!(matches!(RedbLedger::open(&path, Options::default()), Err(LedgerError::Corrupt(_))));
}

/// A flipped byte is an error, or it is in a value, where the value's own seal finds it, or in space
/// that nothing uses. It never takes the process down.
#[tokio::test]
async fn a_flipped_byte_is_an_error_or_visible_in_a_value() {
    let (_folder, path) = written().await;
    let sound = std::fs::read(&path).unwrap();
    let (mut errors, mut values) = (0, 0);
    for at in (0..sound.len()).step_by(sound.len() / 300) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        match RedbLedger::open(&path, Options::default()).and_then(|ledger| rows(&ledger)) {
            Err(_) => errors += 1,
            Ok(rows) if rows.iter().any(|(key, value)| *value != key.repeat(50)) => values += 1,
            Ok(_) => {}
        }
    }
    assert!(errors > 0 && values > 0, "{errors} errors, {values} changed values");
}

#[tokio::test]
async fn verification_finds_a_flipped_byte_in_a_value() {
    let (_folder, path) = written().await;
    RedbLedger::verify(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let value = 77_u32.to_be_bytes().repeat(50);
    let places: Vec<_> = memchr::memmem::find_iter(&bytes, &value).collect();
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(RedbLedger::verify(&path), Err(LedgerError::Corrupt(_))));
}

#[test]
fn the_successor_of_a_prefix() {
    assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
    assert_eq!(successor(b"\xff"), None);
    assert_eq!(successor(b""), None);
}

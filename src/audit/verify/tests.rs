//! Every way to tamper that we know of, and that the verifier names it.

use proptest::prelude::*;
use tlog_tiles::{Hash, record_hash, stored_hash_count, stored_hash_index};

use super::super::act::Act;
use super::super::checkpoint::CheckpointKey;
use super::super::entry::{Actor, Draft, Origin};
use super::super::log::Log;
use super::super::memory::{MemoryStore, Rows};
use super::super::notary::Notary;
use super::super::tree::Edge;
use super::*;
use crate::clock::{Clock, Timestamp};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

fn key() -> CheckpointKey {
    CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix(1_795_000_000))
}

/// A log with a checkpoint after each of these numbers of acts, and the notes.
async fn signed(acts: &[u64]) -> (MemoryStore, Vec<String>) {
    let store = MemoryStore::default();
    let log = Log::new(store.clone(), clock());
    let notary = Notary::new(log.clone(), key(), vec![]);
    let mut notes = Vec::new();
    for count in acts {
        let drafts = (0..*count).map(|messages| line(Act::ListRead { messages })).collect();
        drop(log.record_batch(TENANT, drafts).await.unwrap());
        notes.push(notary.checkpoint(TENANT).await.unwrap().note().to_owned());
    }
    (store, notes)
}

fn line(act: Act) -> Draft {
    Draft::new(Actor::Server, Origin::Internal, act)
}

async fn check(store: &MemoryStore, known: &[String]) -> Report {
    verify(store, TENANT, &key().verifying_key(), known).await.unwrap()
}

/// Edits a line so that it stays an entry with its number.
fn edit(rows: &mut Rows, number: u64) {
    let forged = line(Act::SignedIn).encode_at(number, Timestamp::from_unix(1)).unwrap();
    rows.entries.insert(number, forged);
}

/// Computes all hashes anew, as a careful forger would.
fn rehash(rows: &mut Rows) {
    let mut edge = Edge::default();
    rows.hashes.clear();
    for line in rows.entries.values() {
        let first = edge.next_index();
        rows.hashes.extend((first..).zip(edge.push(record_hash(line))));
    }
    rows.size = edge.size();
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

#[tokio::test]
async fn a_whole_log_is_sound() {
    let (store, notes) = signed(&[5, 300, 1]).await;
    let report = check(&store, &notes).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.vouched, report.checkpoints), (309, 309, 3));
    // An unsigned tail is sound and not vouched for.
    let log = Log::new(store.clone(), clock());
    drop(log.record(TENANT, line(Act::SignedIn)).await.unwrap());
    let report = check(&store, &notes).await;
    assert!(report.is_sound());
    assert_eq!((report.size, report.vouched), (310, 309));
}

#[tokio::test]
async fn an_empty_log_is_sound() {
    assert!(check(&MemoryStore::default(), &[]).await.is_sound());
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    let (store, _) = signed(&[9, 9]).await;
    for number in 0..20 {
        let whole = store.with(TENANT, |rows| rows.clone());
        store.with(TENANT, |rows| edit(rows, number));
        assert_eq!(check(&store, &[]).await.findings, [Finding::EntryEdited { number }]);
        store.with(TENANT, |rows| *rows = whole);
    }
}

#[tokio::test]
async fn an_edited_hash_is_told_from_an_edited_entry() {
    let (store, _) = signed(&[9]).await;
    store.with(TENANT, |rows| rows.hashes.insert(stored_hash_index(0, 3), Hash([0; 32])));
    // The row is wrong at the leaf, and so its parent does not fit it.
    let findings = check(&store, &[]).await.findings;
    assert_eq!(
        findings,
        [Finding::HashEdited { number: 3 }, Finding::RangeHashesEdited { first: 2, last: 3 }]
    );

    let (store, _) = signed(&[9]).await;
    store.with(TENANT, |rows| rows.hashes.insert(stored_hash_index(2, 0), Hash([0; 32])));
    let findings = check(&store, &[]).await.findings;
    assert!(findings.contains(&Finding::RangeHashesEdited { first: 0, last: 3 }), "{findings:?}");
    assert!(findings.iter().all(|finding| matches!(finding, Finding::RangeHashesEdited { .. })));
}

#[tokio::test]
async fn an_entry_edited_with_its_hash_is_narrowed_to_its_pair() {
    let (store, _) = signed(&[15]).await;
    store.with(TENANT, |rows| {
        edit(rows, 6);
        rows.hashes.insert(stored_hash_index(0, 6), record_hash(&rows.entries[&6]));
    });
    assert_eq!(check(&store, &[]).await.findings, [Finding::RangeEdited { first: 6, last: 7 }]);
}

#[tokio::test]
async fn a_log_rewritten_with_all_hashes_is_a_fork() {
    let (store, notes) = signed(&[5, 9]).await;
    store.with(TENANT, |rows| {
        edit(rows, 8);
        rehash(rows);
    });
    let fork = Finding::Forked { agreed: 6, signed: 16 };
    assert_eq!(check(&store, &notes).await.findings, [fork]);
    // Without the notes kept elsewhere the stored checkpoint still tells; without that nothing can.
    assert_eq!(check(&store, &[]).await.findings, [Finding::Forked { agreed: 0, signed: 16 }]);
    store.with(TENANT, |rows| rows.checkpoint = None);
    assert_eq!(check(&store, &notes).await.findings, [fork]);
    assert_eq!(check(&store, &[]).await.findings, []);
}

#[tokio::test]
async fn truncation_is_named() {
    let (store, notes) = signed(&[5, 9]).await;
    let cut = |rows: &mut Rows, size: u64| {
        rows.size = size;
        rows.entries.split_off(&size);
        rows.hashes.split_off(&stored_hash_count(size));
    };
    store.with(TENANT, |rows| cut(rows, 11));
    assert_eq!(check(&store, &notes).await.findings, [Finding::Truncated { size: 11, signed: 16 }]);
    // Cut back to an older checkpoint, and that put in the newest one's place: the notes elsewhere tell.
    store.with(TENANT, |rows| {
        cut(rows, 6);
        rows.checkpoint = Some(notes[0].clone());
    });
    assert_eq!(check(&store, &notes).await.findings, [Finding::Truncated { size: 6, signed: 16 }]);
    store.with(TENANT, |rows| *rows = Rows { checkpoint: rows.checkpoint.clone(), ..Rows::default() });
    assert_eq!(check(&store, &[]).await.findings, [Finding::Truncated { size: 0, signed: 6 }]);
}

#[tokio::test]
async fn missing_rows_are_named_as_ranges() {
    let (store, notes) = signed(&[700]).await;
    store.with(TENANT, |rows| {
        rows.entries.retain(|number, _| !(250..=600).contains(number));
        rows.hashes.retain(|index, _| ![40, 41, 42, 50].contains(index));
    });
    let findings = check(&store, &notes).await.findings;
    assert_eq!(
        findings,
        [
            Finding::HashesMissing { first: 40, last: 42 },
            Finding::HashesMissing { first: 50, last: 50 },
            Finding::EntriesMissing { first: 250, last: 600 },
        ]
    );
}

#[tokio::test]
async fn swapped_entries_are_named() {
    let (store, _) = signed(&[9]).await;
    store.with(TENANT, |rows| {
        let (third, fifth) = (rows.entries[&3].clone(), rows.entries[&5].clone());
        rows.entries.extend([(3, fifth), (5, third)]);
    });
    let edited = [Finding::EntryEdited { number: 3 }, Finding::EntryEdited { number: 5 }];
    assert_eq!(check(&store, &[]).await.findings, edited);
    // With new hashes too, the entries' own numbers tell even without a checkpoint.
    store.with(TENANT, rehash);
    let findings = check(&store, &[]).await.findings;
    assert!(findings.contains(&Finding::EntryMisnumbered { number: 3, says: 5 }), "{findings:?}");
}

#[tokio::test]
async fn a_forged_append_is_named() {
    let (store, _) = signed(&[9]).await;
    // Rows without a head.
    store.with(TENANT, |rows| edit(rows, 10));
    assert_eq!(check(&store, &[]).await.findings, [Finding::EntriesPastEnd { first: 10 }]);
    // A head without hashes.
    store.with(TENANT, |rows| rows.size = 11);
    let findings = check(&store, &[]).await.findings;
    assert_eq!(findings, [Finding::HashesMissing { first: 18, last: 18 }]);
    // Something that is no entry, with hashes.
    store.with(TENANT, |rows| {
        rows.entries.insert(10, b"{}".to_vec());
        rehash(rows);
    });
    assert_eq!(check(&store, &[]).await.findings, [Finding::EntryMalformed { number: 10 }]);
}

#[tokio::test]
async fn checkpoints_are_checked_themselves() {
    let (store, notes) = signed(&[5]).await;
    let (_, others) = signed(&[3, 1]).await;
    let two = Finding::TwoHistories { size: 6 };
    let findings = check(&store, &others).await.findings;
    assert_eq!(
        findings,
        [two, Finding::Forked { agreed: 0, signed: 4 }, Finding::Forked { agreed: 6, signed: 6 }]
    );

    let forged = notes[0].replace("\n6\n", "\n7\n");
    let unreadable = Finding::CheckpointUnreadable { place: Some(1) };
    assert_eq!(check(&store, &[notes[0].clone(), forged.clone()]).await.findings, [unreadable]);

    let foreign = key().sign(TenantId::from_bytes([2; 16]), 900, Hash([0; 32])).unwrap();
    assert!(check(&store, &[foreign.note().to_owned()]).await.is_sound());
    for bad in [forged, foreign.note().to_owned()] {
        store.with(TENANT, |rows| rows.checkpoint = Some(bad));
        let stored = Finding::CheckpointUnreadable { place: None };
        assert_eq!(check(&store, &[]).await.findings, [stored]);
    }
}

#[tokio::test]
async fn a_checkpoint_that_the_log_does_not_announce_is_named() {
    let (store, _) = signed(&[5]).await;
    let root = store.with(TENANT, |rows| tlog_tiles::node_hash(rows.hashes[&6], rows.hashes[&7]));
    let stolen = key().sign(TENANT, 5, root).unwrap().note().to_owned();
    assert_eq!(check(&store, &[stolen]).await.findings, [Finding::CheckpointUnannounced { size: 5 }]);
}

#[tokio::test]
async fn one_fork_is_told_once() {
    let (store, notes) = signed(&[5, 9, 3, 4]).await;
    store.with(TENANT, |rows| {
        edit(rows, 8);
        rehash(rows);
    });
    assert_eq!(check(&store, &notes).await.findings, [Finding::Forked { agreed: 6, signed: 16 }]);
}

#[tokio::test]
async fn entries_of_a_newer_version_are_counted() {
    let (store, _) = signed(&[3]).await;
    store.with(TENANT, |rows| {
        rows.entries.insert(1, br#"{"v":2,"when":"later"}"#.to_vec());
        rows.checkpoint = None;
        rehash(rows);
    });
    let report = check(&store, &[]).await;
    assert!(report.is_sound());
    assert_eq!(report.newer, 1);
}

#[tokio::test]
async fn a_head_out_of_the_blue_ends_the_walk() {
    let (store, _) = signed(&[3]).await;
    store.with(TENANT, |rows| rows.size = u64::MAX);
    let report = check(&store, &[]).await;
    assert_eq!(report.findings[0], Finding::SizeImpossible);
    assert!(report.findings.len() < 10, "gaps are told as ranges");
}

#[test]
fn findings_speak() {
    let said = Finding::Truncated { size: 5, signed: 9 }.to_string();
    assert_eq!(said, "the log ends after 5 entries, but a checkpoint signed 9");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any one change of any one row below the newest checkpoint shows.
    #[test]
    fn no_row_can_be_changed(row: prop::sample::Index, octet: prop::sample::Index, bit in 0u8..8, remove: bool) {
        run(async {
            let (store, notes) = signed(&[4, 7, 12]).await;
            store.with(TENANT, |rows| {
                let entries = rows.entries.len();
                let row = row.index(entries + rows.hashes.len());
                if row < entries {
                    let line = rows.entries.get_mut(&(row as u64)).unwrap();
                    let octet = octet.index(line.len());
                    line[octet] ^= 1 << bit;
                    if remove { rows.entries.remove(&(row as u64)); }
                } else {
                    let index = (row - entries) as u64;
                    rows.hashes.get_mut(&index).unwrap().0[octet.index(32)] ^= 1 << bit;
                    if remove { rows.hashes.remove(&index); }
                }
            });
            assert!(!check(&store, &notes).await.is_sound());
            assert!(!check(&store, &[]).await.is_sound());
        });
    }

    /// A forger who computes every hash anew is caught by any checkpoint kept elsewhere that covers
    /// what was touched.
    #[test]
    fn no_history_can_be_rewritten(acts in prop::collection::vec(1u64..20, 1..5), victim: prop::sample::Index,
                                   how in 0..4) {
        run(async {
            let (store, notes) = signed(&acts).await;
            store.with(TENANT, |rows| {
                // Not the last entry: a log cannot tell it from a copy of itself.
                let victim = victim.index(rows.size as usize - 1) as u64;
                match how {
                    0 => edit(rows, victim),
                    1 => drop(rows.entries.remove(&victim)),
                    2 => drop(rows.entries.split_off(&victim)),
                    _ => drop(rows.entries.insert(victim, rows.entries[&(rows.size - 1)].clone())),
                }
                rehash(rows);
                rows.checkpoint = None;
            });
            assert!(!check(&store, &notes).await.is_sound());
        });
    }

    /// Whatever is recorded, in whatever portions, is sound.
    #[test]
    fn what_is_recorded_is_sound(acts in prop::collection::vec(1u64..40, 1..8)) {
        run(async {
            let (store, notes) = signed(&acts).await;
            let report = check(&store, &notes).await;
            assert!(report.is_sound(), "{:?}", report.findings);
            assert_eq!(report.vouched, acts.iter().map(|count| count + 1).sum::<u64>());
        });
    }
}

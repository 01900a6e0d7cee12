//! What every ledger must do, run against each backend.

use std::ops::ControlFlow;
use std::sync::Arc;

use futures::FutureExt;
use proptest::prelude::*;

use super::memory::MemoryLedger;
use super::{Batch, CommitError, Expectation, Ledger, Options, RedbLedger};

/// A ledger and whatever keeps its folder alive.
type Made = (Arc<dyn Ledger>, Option<tempfile::TempDir>);

fn memory() -> Made {
    (Arc::new(MemoryLedger::default()), None)
}

fn redb() -> Made {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("opens");
    (Arc::new(ledger), Some(folder))
}

macro_rules! contract {
    ($($law:ident),* $(,)?) => {
        mod memory_keeps {$(
            #[tokio::test]
            async fn $law() { let (ledger, _folder) = super::memory(); super::$law(ledger).await; }
        )*}
        mod redb_keeps {$(
            #[tokio::test]
            async fn $law() { let (ledger, _folder) = super::redb(); super::$law(ledger).await; }
        )*}
    };
}

contract!(
    what_is_put_is_found,
    a_batch_is_whole_or_not_at_all,
    each_expectation_is_judged,
    a_conflict_fails_only_its_own_batch,
    batches_apply_in_the_order_of_their_commits,
    changes_apply_in_the_order_of_their_addition,
    of_many_who_want_a_key_one_gets_it,
    no_increment_is_lost,
    scans_are_ordered_and_bounded,
    a_visitor_may_stop,
    a_prefix_is_deleted_and_no_more,
    a_dropped_commit_still_happens,
    a_watcher_wakes_for_its_prefix_only,
    a_watcher_wakes_for_a_removed_prefix,
    an_empty_batch_commits,
);

/// A batch made in one expression.
fn batch(build: impl FnOnce(&mut Batch) -> &mut Batch) -> Batch {
    let mut batch = Batch::new();
    build(&mut batch);
    batch
}

async fn commit(ledger: &Arc<dyn Ledger>, build: impl FnOnce(&mut Batch) -> &mut Batch) {
    let _: super::Committed = ledger.commit(batch(build)).await.expect("commits");
}

fn keys(ledger: &Arc<dyn Ledger>, prefix: &[u8]) -> Vec<Vec<u8>> {
    ledger.scan(prefix, b"", usize::MAX).expect("scans").into_iter().map(|(key, _)| key).collect()
}

async fn what_is_put_is_found(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("a", "1").put("", "the empty key").put("b", "")).await;
    assert_eq!(ledger.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(ledger.get(b"").unwrap(), Some(b"the empty key".to_vec()));
    assert_eq!(ledger.get(b"b").unwrap(), Some(Vec::new()));
    assert_eq!(ledger.get(b"c").unwrap(), None);
    commit(&ledger, |b| b.put("a", "2").delete("b").delete("never there")).await;
    assert_eq!(ledger.get(b"a").unwrap(), Some(b"2".to_vec()));
    assert_eq!(ledger.get(b"b").unwrap(), None);
}

async fn a_batch_is_whole_or_not_at_all(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("taken", "")).await;
    let outcome = ledger.commit(batch(|b| b.put("new", "").require_absent("taken").delete("taken"))).await;
    assert!(matches!(outcome, Err(CommitError::Conflict)));
    assert_eq!(keys(&ledger, b""), [b"taken"]);
}

async fn each_expectation_is_judged(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("here", "1")).await;
    for (key, expectation, holds) in [
        ("here", Expectation::Present, true),
        ("here", Expectation::Absent, false),
        ("here", Expectation::Equals(b"1".to_vec()), true),
        ("here", Expectation::Equals(b"2".to_vec()), false),
        ("gone", Expectation::Present, false),
        ("gone", Expectation::Absent, true),
        ("gone", Expectation::Equals(Vec::new()), false),
    ] {
        let outcome = ledger.commit(batch(|b| b.require(key, expectation.clone()).put("x", ""))).await;
        assert_eq!(outcome.is_ok(), holds, "{key} {expectation:?}");
    }
}

async fn a_conflict_fails_only_its_own_batch(ledger: Arc<dyn Ledger>) {
    let waiting: Vec<_> = (0..100_u8)
        .map(|number| ledger.commit(batch(|b| b.require_absent([number % 50]).put([number % 50], [number]))))
        .collect();
    for (number, pending) in waiting.into_iter().enumerate() {
        assert_eq!(pending.await.is_ok(), number < 50, "{number}");
    }
    assert_eq!(ledger.get(&[49]).unwrap(), Some(vec![49]));
}

async fn batches_apply_in_the_order_of_their_commits(ledger: Arc<dyn Ledger>) {
    let waiting: Vec<_> = (0..200_u8)
        .map(|number| {
            let before = Expectation::Equals(vec![number.wrapping_sub(1)]);
            let before = if number == 0 { Expectation::Absent } else { before };
            ledger.commit(batch(|b| b.require("uid", before).put("uid", [number])))
        })
        .collect();
    for pending in waiting {
        assert!(pending.await.is_ok());
    }
}

async fn changes_apply_in_the_order_of_their_addition(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("a1", "").delete_prefix("a").put("a2", "").put("a2", "last").delete("a3"))
        .await;
    assert_eq!(ledger.scan(b"", b"", 9).unwrap(), [(b"a2".to_vec(), b"last".to_vec())]);
}

async fn of_many_who_want_a_key_one_gets_it(ledger: Arc<dyn Ledger>) {
    let tasks: Vec<_> = (0..64_u8)
        .map(|name| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                ledger.commit(batch(|b| b.require_absent("key").put("key", [name]))).await.is_ok()
            })
        })
        .collect();
    let won = futures::future::join_all(tasks).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
}

async fn no_increment_is_lost(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("count", [0])).await;
    let increment = async |ledger: Arc<dyn Ledger>| loop {
        let count = ledger.get(b"count").unwrap().unwrap();
        let next = [count[0] + 1];
        let outcome =
            ledger.commit(batch(|b| b.require("count", Expectation::Equals(count)).put("count", next)));
        match outcome.await {
            Ok(_) => break,
            Err(CommitError::Conflict) => {}
            Err(other) => panic!("{other}"),
        }
    };
    futures::future::join_all((0..20).map(|_| increment(Arc::clone(&ledger)))).await;
    assert_eq!(ledger.get(b"count").unwrap(), Some(vec![20]));
}

async fn scans_are_ordered_and_bounded(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("b2", "").put("a", "").put("b1", "").put("b", "").put("c", "")).await;
    assert_eq!(keys(&ledger, b"b"), [&b"b"[..], b"b1", b"b2"]);
    let page = |from: &[u8], limit| ledger.scan(b"b", from, limit).unwrap().len();
    assert_eq!(page(b"", 2), 2);
    assert_eq!(page(b"", 0), 0);
    assert_eq!(page(b"a", 9), 3);
    assert_eq!(page(b"b1", 9), 2);
    assert_eq!(page(b"b1\0", 9), 1);
    assert_eq!(page(b"c", 9), 0);
}

async fn a_visitor_may_stop(ledger: Arc<dyn Ledger>) {
    commit(&ledger, |b| b.put("1", "").put("2", "").put("3", "")).await;
    let mut seen = Vec::new();
    ledger
        .visit(b"", b"", &mut |key, _| {
            seen.push(key.to_vec());
            if key == b"2" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, [b"1", b"2"]);
}

async fn a_prefix_is_deleted_and_no_more(ledger: Arc<dyn Ledger>) {
    let all: [&[u8]; 6] = [b"\x01", b"\x01\xfe", b"\x01\xff", b"\x01\xff\xff", b"\x02", b"\xff\xff"];
    commit(&ledger, |b| all.iter().fold(b, |b, key| b.put(*key, ""))).await;
    commit(&ledger, |b| b.delete_prefix([1, 0xff])).await;
    assert_eq!(keys(&ledger, b""), [&b"\x01"[..], b"\x01\xfe", b"\x02", b"\xff\xff"]);
    commit(&ledger, |b| b.delete_prefix([0xff])).await;
    assert_eq!(keys(&ledger, b""), [&b"\x01"[..], b"\x01\xfe", b"\x02"]);
    commit(&ledger, |b| b.delete_prefix([])).await;
    assert!(keys(&ledger, b"").is_empty());
}

async fn a_dropped_commit_still_happens(ledger: Arc<dyn Ledger>) {
    drop(ledger.commit(batch(|b| b.put("dropped", ""))));
    commit(&ledger, |b| b.put("after", "")).await;
    assert_eq!(keys(&ledger, b""), [&b"after"[..], b"dropped"]);
}

async fn a_watcher_wakes_for_its_prefix_only(ledger: Arc<dyn Ledger>) {
    let mut watched = ledger.watch(b"inbox/");
    commit(&ledger, |b| b.put("inbox", "").put("sent/1", "")).await;
    assert!(
        ledger.commit(batch(|b| b.require("no", Expectation::Present).put("inbox/1", ""))).await.is_err()
    );
    assert!(watched.changed().now_or_never().is_none());
    commit(&ledger, |b| b.put("sent/2", "").put("inbox/1", "")).await;
    watched.changed().await;
    assert!(watched.changed().now_or_never().is_none());
    // A change between two waits is not lost.
    commit(&ledger, |b| b.delete("inbox/1")).await;
    watched.changed().await;
}

async fn a_watcher_wakes_for_a_removed_prefix(ledger: Arc<dyn Ledger>) {
    let mut below = ledger.watch(b"tenant/inbox/");
    let mut above = ledger.watch(b"ten");
    let mut beside = ledger.watch(b"other/");
    commit(&ledger, |b| b.delete_prefix("tenant/")).await;
    below.changed().await;
    above.changed().await;
    assert!(beside.changed().now_or_never().is_none());
}

async fn an_empty_batch_commits(ledger: Arc<dyn Ledger>) {
    assert!(Batch::new().is_empty());
    commit(&ledger, |b| b).await;
}

/// A change or condition of a random batch, over few keys so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Require(Vec<u8>, Expectation),
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeletePrefix(Vec<u8>),
}

fn few_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff)], 0..3)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let expectation = prop_oneof![
        Just(Expectation::Absent),
        Just(Expectation::Present),
        few_bytes().prop_map(Expectation::Equals)
    ];
    let step = prop_oneof![
        1 => (few_bytes(), expectation).prop_map(|(key, expectation)| Step::Require(key, expectation)),
        4 => (few_bytes(), few_bytes()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => few_bytes().prop_map(Step::Delete),
        1 => few_bytes().prop_map(Step::DeletePrefix),
    ];
    proptest::collection::vec(step, 1..5)
}

fn build(steps: &[Step]) -> Batch {
    let mut batch = Batch::new();
    for step in steps.iter().cloned() {
        match step {
            Step::Require(key, expectation) => batch.require(key, expectation),
            Step::Put(key, value) => batch.put(key, value),
            Step::Delete(key) => batch.delete(key),
            Step::DeletePrefix(prefix) => batch.delete_prefix(prefix),
        };
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    /// Whatever is asked of both, redb answers as the model does.
    #[test]
    fn redb_behaves_as_the_model(batches in proptest::collection::vec(steps(), 1..20)) {
        let ((model, _), (real, _folder)) = (memory(), redb());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let waiting: Vec<_> =
                batches.iter().map(|steps| (model.commit(build(steps)), real.commit(build(steps)))).collect();
            for (expected, found) in waiting {
                assert_eq!(expected.await.is_ok(), found.await.is_ok());
            }
        });
        prop_assert_eq!(model.scan(b"", b"", usize::MAX).unwrap(), real.scan(b"", b"", usize::MAX).unwrap());
        prop_assert_eq!(model.scan(&[1], &[1, 1], 2).unwrap(), real.scan(&[1], &[1, 1], 2).unwrap());
    }
}

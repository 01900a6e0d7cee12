//! The orders of SORT, and threads as a view shows them.

use proptest::prelude::*;

use super::*;
use crate::gateway::imap::search::samples::Sample;

const LETTERS: [&str; 4] = [
    "From: zoe@a.example\r\nTo: B@x.example\r\nSubject: Re: [list] beta\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n\
     Message-ID: <1@x>\r\n\r\n",
    "From: \"adam the last\" <x@a.example>\r\nTo: a@x.example\r\nSubject: ALPHA\r\n\
     Date: Mon, 1 Jan 2024 09:30:00 +0000\r\nMessage-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\n",
    "From: \"Zed\" <m@a.example>\r\nSubject: beta (fwd)\r\nReferences: <1@x> <2@x>\r\n\r\n",
    "Cc: q@x.example\r\nSubject: =?utf-8?q?=C3=84pfel?=\r\n\r\n",
];

fn by(keys: &[(SortKey, bool)]) -> Vec<SortCriterion> {
    keys.iter().map(|(key, reverse)| SortCriterion { key: *key, reverse: *reverse }).collect()
}

fn sample() -> (Sample, Roll) {
    let (sample, mut roll) = Sample::of(LETTERS);
    roll.entries = roll
        .entries
        .iter()
        .copied()
        .map(|mut entry| {
            // Between the first two letters' dates, and after.
            entry.received = [5, 3, 1_704_100_000, 9][entry.uid as usize - 1];
            entry
        })
        .collect();
    (sample, roll)
}

async fn sorted(keys: &[(SortKey, bool)]) -> Vec<usize> {
    let (mut sample, roll) = sample();
    sort(&mut sample, &roll, vec![0, 1, 2, 3], &by(keys)).await.unwrap()
}

#[tokio::test]
async fn each_key_has_its_order() {
    assert_eq!(sorted(&[(SortKey::Arrival, false)]).await, [1, 0, 3, 2]);
    assert_eq!(sorted(&[(SortKey::Size, true)]).await, [1, 0, 2, 3]);
    // The fourth has no Date: its arrival counts (RFC 5256 §2.2).
    assert_eq!(sorted(&[(SortKey::Date, false)]).await, [3, 0, 2, 1]);
    assert_eq!(sorted(&[(SortKey::From, false)]).await, [3, 2, 1, 0]);
    assert_eq!(sorted(&[(SortKey::To, false)]).await, [2, 3, 1, 0]);
    assert_eq!(sorted(&[(SortKey::Cc, true)]).await, [3, 0, 1, 2]);
    assert_eq!(sorted(&[(SortKey::DisplayFrom, false)]).await, [3, 1, 2, 0]);
    assert_eq!(sorted(&[(SortKey::DisplayTo, true)]).await, [0, 1, 2, 3]);
    assert_eq!(sorted(&[(SortKey::Subject, false)]).await, [1, 3, 0, 2]);
}

#[tokio::test]
async fn keys_follow_each_other() {
    assert_eq!(sorted(&[(SortKey::Subject, false), (SortKey::Arrival, true)]).await, [1, 3, 2, 0]);
    // RFC 5256 §3: REVERSE does not turn the order of equal ones.
    assert_eq!(sorted(&[(SortKey::Subject, true)]).await, [0, 2, 3, 1]);
    assert_eq!(sorted(&[]).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn what_cannot_be_opened_is_sorted_all_the_same() {
    let (mut sample, roll) = sample();
    sample.broken.insert(roll.entries[0].message);
    let order = sort(&mut sample, &roll, vec![0, 1, 2, 3], &by(&[(SortKey::Subject, false)])).await.unwrap();
    assert_eq!(order, [0, 1, 3, 2]);
    assert_eq!(sample.scans.len(), 1);
    sort(&mut sample, &roll, vec![0, 1], &by(&[(SortKey::Arrival, false)])).await.unwrap();
    assert_eq!(sample.scans.len(), 1);
}

#[tokio::test]
async fn threads_are_those_of_the_view() {
    let (mut sample, roll) = sample();
    let mut put = async |found: &[usize], algorithm| {
        let mut out = Vec::new();
        let forest = threads(&mut sample, &roll, found, algorithm).await.unwrap();
        forest.put(&mut out, |place| roll.entries[found[place]].uid);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(put(&[0, 1, 2, 3], Threading::References).await, "* THREAD (4)(1 2 3)\r\n");
    assert_eq!(put(&[1, 2, 3], Threading::References).await, "* THREAD (4)(2 3)\r\n");
    assert_eq!(put(&[0, 1, 2, 3], Threading::OrderedSubject).await, "* THREAD (4)(1 3)(2)\r\n");
}

proptest! {
    #[test]
    fn a_sort_is_a_permutation(
        keys in prop::collection::vec((0_usize..9, any::<bool>()), 0..4),
        found in prop::collection::btree_set(0_usize..4, 0..4),
    ) {
        const KEYS: [SortKey; 9] = [
            SortKey::Arrival, SortKey::Cc, SortKey::Date, SortKey::From, SortKey::Size, SortKey::Subject,
            SortKey::To, SortKey::DisplayFrom, SortKey::DisplayTo,
        ];
        let criteria: Vec<_> =
            keys.iter().map(|(key, reverse)| SortCriterion { key: KEYS[*key], reverse: *reverse }).collect();
        let (mut sample, roll) = sample();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found: Vec<usize> = found.into_iter().collect();
        let mut order = runtime.block_on(sort(&mut sample, &roll, found.clone(), &criteria)).unwrap();
        order.sort_unstable();
        prop_assert_eq!(order, found);
    }
}

/// i;unicode-casemap: é stands behind e, whatever its form. Base subjects of RFC 5256 §2.1.
#[tokio::test]
async fn subjects_have_the_order_of_the_rfc() {
    let (mut sample, roll) = Sample::of([
        "Subject: f\r\n\r\n",
        "Subject: =?utf-8?q?=C3=89clair?=\r\n\r\n",
        "Subject: Re: [list] [Fwd: e (fwd)] \r\n\r\n",
        "Subject: =?utf-8?q?Re:_e=CC=81clair_2?=\r\n\r\n",
        "Subject: =?utf-8?q?=EF=BC=A5?= 2\r\n\r\n",
    ]);
    let keys = by(&[(SortKey::Subject, false)]);
    assert_eq!(sort(&mut sample, &roll, vec![0, 1, 2, 3, 4], &keys).await.unwrap(), [2, 4, 1, 3, 0]);
}

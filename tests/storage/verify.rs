//! What must hold in a data folder after a crash, given what was acknowledged before it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use veilpost::clock::Clock;
use veilpost::names::ContainerName;
use veilpost::store::blobs::{BlobError, BlobName, Blobs};
use veilpost::store::layout::DataFolder;
use veilpost::store::ledger::{Batch, Committed, Ledger, Options, RedbLedger};
use veilpost::store::sweep::{InFlight, Pace, limit, sweep};

use super::writer::{Acknowledged, LANES, content, counter, number, record};

/// Opens the folder as a server would, checks everything, sweeps, and checks again.
pub fn everything_acknowledged_is_there(path: &Path, acknowledged: &[Acknowledged]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let start = Instant::now();
        let folder = DataFolder::open(path).expect("the data folder opens");
        let ledger = RedbLedger::open(&folder.ledger(), Options::default()).expect("the ledger opens");
        let blobs = Blobs::open(&folder.blobs()).expect("the blobs open");
        assert!(start.elapsed() < READY, "ready after {:?}", start.elapsed());
        let referenced = Arc::new(check_records(&ledger, &blobs, acknowledged).await);
        sweep_and_check(&blobs, referenced).await;
        let mut batch = Batch::new();
        batch.put("x", "the ledger goes on");
        let _: Committed = ledger.commit(batch).await.expect("commits");
    });
}

/// Each lane has exactly the deliveries that its counter says, no fewer than it acknowledged, each
/// with its container, whole.
async fn check_records(
    ledger: &RedbLedger,
    blobs: &Blobs,
    acknowledged: &[Acknowledged],
) -> HashSet<ContainerName> {
    let mut referenced = HashSet::new();
    for lane in 0..LANES {
        let count = ledger.get(&counter(lane)).expect("reads").map_or(0, |value| number(&value));
        let promised = acknowledged.iter().filter(|said| said.0 == lane).map(|said| said.1).max();
        assert!(count >= promised.unwrap_or(0), "lane {lane} has {count} of {promised:?} deliveries");
        let rows = ledger.scan(&[b'r', lane], b"", usize::MAX).expect("scans");
        assert_eq!(rows.len() as u64, count, "lane {lane}");
        for ((key, value), delivery) in rows.into_iter().zip(1..) {
            assert_eq!(key, record(lane, delivery));
            let container = ContainerName::from_bytes(value.try_into().expect("a name"));
            let found = blobs.get(&BlobName::of_container(container), LARGEST).await;
            assert_eq!(found.expect("the container is there"), content(container));
            referenced.insert(container);
        }
    }
    referenced
}

/// What has a container's name is a whole container, or is nothing after a sweep.
async fn sweep_and_check(blobs: &Blobs, referenced: Arc<HashSet<ContainerName>>) {
    let pace = Pace { grace: Duration::ZERO, pause: Duration::ZERO };
    let later = Clock::manual(Clock::system().now().plus(Duration::from_secs(3600)));
    let refers = {
        let referenced = Arc::clone(&referenced);
        move |_| std::future::ready(Ok::<_, BlobError>(HashSet::clone(&referenced)))
    };
    let before = limit(&later, pace);
    sweep(blobs, &InFlight::default(), before, pace, |_| false, &refers).await.expect("sweeps");
    let swept = sweep(blobs, &InFlight::default(), before, pace, |_| true, refers).await;
    let swept = swept.expect("sweeps");
    assert_eq!((swept.seen, swept.unfinished), (referenced.len() as u64, 0));
    for container in referenced.iter().take(20) {
        let shard = &container.to_string()[..2];
        let listed: Vec<_> = blobs.list(shard).try_collect().await.expect("lists");
        assert!(listed.iter().any(|found| found.name == BlobName::of_container(*container)));
    }
}

/// "Ready within seconds", whatever the crash left.
const READY: Duration = Duration::from_secs(5);
const LARGEST: u64 = 1 << 16;

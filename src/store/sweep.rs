//! Removes what a crash left: containers that no record refers to, and unfinished files.
//!
//! A container is durable before its record is, so a crash between the two leaves the container
//! alone. It is removed when it is older than the grace period, no delivery still holds it, and no
//! record refers to it, asked in this order: a delivery lets go only after its commit, so a
//! container that nobody holds is either referred to already or never will be. The last two alone
//! are enough: the clock may say what it likes.
//!
//! Deletions slow down concurrent deliveries on some disks, so they come in small batches with
//! pauses between. Memory does not grow with the number of containers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt;

use super::blobs::{BlobError, BlobName, Blobs, Found, shards};
use crate::clock::{Clock, Timestamp};
use crate::names::ContainerName;

/// How a sweep treats the disk.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Younger blobs stay, whatever refers to them.
    pub grace: Duration,
    /// The pause after each batch of deletions, and after each of the 1024 shards.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { grace: Duration::from_secs(24 * 60 * 60), pause: Duration::from_millis(50) }
    }
}

impl Pace {
    async fn rest(&self) {
        // The timer rounds an empty pause up to a millisecond.
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }
}

/// What a sweep saw and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers seen.
    pub seen: u64,
    /// Containers removed, because nothing refers to them.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unfinished files removed.
    pub unfinished: u64,
    /// Files left alone because their name is none of ours.
    pub strange: u64,
}

/// Since when files must lie there to be swept at all: by the clock as it is now. Taken once, before anything
/// is read: a clock that leaps while a sweep runs, or a machine that sleeps, makes nothing old.
pub fn limit(clock: &Clock, pace: Pace) -> Timestamp {
    Timestamp::from_unix(clock.now().unix().saturating_sub_unsigned(pace.grace.as_secs()))
}

/// Sweeps once all containers that were written before `limit`. Those that are `known` to be referred to stay.
/// About the others, `referenced` asks the ledger: which of these does a record refer to? It must see every
/// commit that was acknowledged before it is called; when it fails, the sweep ends with its error and removes
/// nothing more. So age only saves questions: whatever the clock says, nothing goes that a record has.
pub async fn sweep<E, Answer>(
    blobs: &Blobs,
    in_flight: &InFlight,
    limit: Timestamp,
    pace: Pace,
    known: impl Fn(ContainerName) -> bool,
    referenced: impl Fn(Vec<ContainerName>) -> Answer,
) -> Result<Swept, E>
where
    E: From<BlobError>,
    Answer: Future<Output = Result<HashSet<ContainerName>, E>>,
{
    let (mut swept, mut candidates) = (Swept::default(), Vec::new());
    for shard in shards() {
        let held = in_flight.clone();
        let unfinished = blobs.remove_unfinished(&shard, limit, move |name| held.holds(name));
        swept.unfinished += unfinished.await? as u64;
        let mut listing = blobs.list(&shard);
        while let Some(found) = listing.try_next().await? {
            swept.seen += 1;
            match found.name.container() {
                None => swept.strange += 1,
                Some(container) if found.written < limit && !known(container) => {
                    candidates.push((container, found));
                }
                Some(_) => {}
            }
        }
        if candidates.len() >= CANDIDATES {
            settle(blobs, in_flight, &mut candidates, &referenced, &mut swept, pace).await?;
        }
        pace.rest().await;
    }
    settle(blobs, in_flight, &mut candidates, &referenced, &mut swept, pace).await?;
    Ok(swept)
}

/// Removes those of the candidates that nobody holds and that no record refers to, asked in this order.
async fn settle<E, Answer>(
    blobs: &Blobs,
    in_flight: &InFlight,
    candidates: &mut Vec<(ContainerName, Found)>,
    referenced: impl Fn(Vec<ContainerName>) -> Answer,
    swept: &mut Swept,
    pace: Pace,
) -> Result<(), E>
where
    E: From<BlobError>,
    Answer: Future<Output = Result<HashSet<ContainerName>, E>>,
{
    let mut free = std::mem::take(candidates);
    free.retain(|(_, found)| !in_flight.holds(&found.name));
    if free.is_empty() {
        return Ok(());
    }
    let kept = referenced(free.iter().map(|(container, _)| *container).collect()).await?;
    for (_, found) in free.iter().filter(|(container, _)| !kept.contains(container)) {
        remove(blobs, found, swept, pace).await?;
    }
    Ok(())
}

async fn remove(blobs: &Blobs, found: &Found, swept: &mut Swept, pace: Pace) -> Result<(), BlobError> {
    blobs.delete(&found.name).await?;
    swept.removed += 1;
    swept.bytes += found.size;
    if swept.removed.is_multiple_of(BATCH) {
        pace.rest().await;
    }
    Ok(())
}

/// The containers that deliveries have begun to write and not yet committed. Clones share the set.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<BlobName>>>);

impl InFlight {
    /// Keeps `name` from being swept until the result is dropped: take it before the blob is
    /// written, drop it after the commit that refers to the blob has resolved.
    pub fn hold(&self, name: BlobName) -> Hold {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Hold { name, set: self.clone() }
    }

    fn holds(&self, name: &BlobName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

/// A container that a delivery still needs.
#[must_use = "the container may be swept once this is dropped"]
pub struct Hold {
    name: BlobName,
    set: InFlight,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.set.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Containers that are asked about at once, or a few more: each question reads the records once.
const CANDIDATES: usize = 4096;
/// Deletions between pauses.
const BATCH: u64 = 16;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOW: Pace = Pace { grace: Duration::ZERO, pause: Duration::ZERO };

    async fn filled(count: usize) -> (tempfile::TempDir, Blobs, Vec<ContainerName>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let blobs = Blobs::open(folder.path()).expect("opens");
        let containers: Vec<_> = (0..count).map(|_| ContainerName::random()).collect();
        for container in &containers {
            let name = BlobName::of_container(*container);
            blobs.put(&name, Bytes::from_static(b"sealed")).await.expect("puts");
        }
        (folder, blobs, containers)
    }

    /// A clock that stands an hour after everything was written.
    fn later() -> Clock {
        Clock::manual(Clock::system().now().plus(Duration::from_secs(3600)))
    }

    async fn nothing(_: Vec<ContainerName>) -> Result<HashSet<ContainerName>, BlobError> {
        Ok(HashSet::new())
    }

    fn unknown(_: ContainerName) -> bool {
        false
    }

    /// What a sweep does an hour later.
    async fn swept(blobs: &Blobs, in_flight: &InFlight) -> Swept {
        sweep(blobs, in_flight, limit(&later(), NOW), NOW, unknown, nothing).await.unwrap()
    }

    #[tokio::test]
    async fn what_nothing_refers_to_is_removed() {
        let (_folder, blobs, containers) = filled(40).await;
        let kept: HashSet<_> = containers[..7].iter().copied().collect();
        let known = |container| containers[..4].contains(&container);
        let refers = |asked: Vec<ContainerName>| {
            assert_eq!(asked.len(), 36, "all at once, and not about what is known");
            std::future::ready(Ok::<_, BlobError>(kept.clone()))
        };
        let limit = limit(&later(), NOW);
        let swept = sweep(&blobs, &InFlight::default(), limit, NOW, known, refers).await.unwrap();
        assert_eq!(swept, Swept { seen: 40, removed: 33, bytes: 33 * 6, unfinished: 0, strange: 0 });
        for (index, container) in containers.iter().enumerate() {
            let found = blobs.get(&BlobName::of_container(*container), 6).await;
            assert_eq!(found.is_ok(), index < 7);
        }
    }

    #[tokio::test]
    async fn a_sweep_can_be_a_task_of_its_own() {
        let (_folder, blobs, _) = filled(1).await;
        let task = tokio::spawn(async move { swept(&blobs, &InFlight::default()).await });
        assert_eq!(task.await.unwrap().removed, 1);
    }

    #[tokio::test]
    async fn what_is_young_stays() {
        let (_folder, blobs, _) = filled(3).await;
        let pace = Pace { grace: Duration::from_secs(7200), ..NOW };
        let limit = limit(&later(), pace);
        let swept = sweep(&blobs, &InFlight::default(), limit, pace, unknown, nothing).await.unwrap();
        assert_eq!((swept.seen, swept.removed), (3, 0));
    }

    #[tokio::test]
    async fn a_clock_that_leaps_while_it_sweeps_makes_nothing_old() {
        let (_folder, blobs, _) = filled(0).await;
        let clock = Clock::manual(Clock::system().now());
        let pace = Pace { grace: Duration::from_secs(60), ..NOW };
        let limit = limit(&clock, pace);
        clock.set(clock.now().plus(Duration::from_secs(2 * 86_400)));
        blobs
            .put(&BlobName::of_container(ContainerName::random()), Bytes::from_static(b"sealed"))
            .await
            .unwrap();
        let swept = sweep(&blobs, &InFlight::default(), limit, pace, unknown, nothing).await.unwrap();
        assert_eq!((swept.seen, swept.removed), (1, 0));
    }

    #[tokio::test]
    async fn what_was_committed_meanwhile_stays_however_old_it_looks() {
        let (_folder, blobs, containers) = filled(3).await;
        let in_flight = InFlight::default();
        // Written, and held, when the records were read; committed and let go before the sweep ends.
        let hold = Mutex::new(Some(in_flight.hold(BlobName::of_container(containers[0]))));
        let known = |_| {
            drop(hold.lock().unwrap().take());
            false
        };
        let ledger: HashSet<_> = [containers[0]].into();
        let refers = |_| std::future::ready(Ok::<_, BlobError>(ledger.clone()));
        let swept = sweep(&blobs, &in_flight, limit(&later(), NOW), NOW, known, refers).await.unwrap();
        assert_eq!(swept.removed, 2);
        blobs.get(&BlobName::of_container(containers[0]), 6).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_delivery_holds_stays_until_it_lets_go() {
        let (_folder, blobs, containers) = filled(1).await;
        let in_flight = InFlight::default();
        let hold = in_flight.hold(BlobName::of_container(containers[0]));
        assert_eq!(swept(&blobs, &in_flight).await.removed, 0);
        drop(hold);
        assert_eq!(swept(&blobs, &in_flight).await.removed, 1);
    }

    #[tokio::test]
    async fn nobody_is_asked_about_what_is_held() {
        let (_folder, blobs, containers) = filled(1).await;
        let in_flight = InFlight::default();
        let _hold = in_flight.hold(BlobName::of_container(containers[0]));
        let refers = |_| -> std::future::Ready<Result<HashSet<ContainerName>, BlobError>> {
            panic!("asked before looking")
        };
        sweep(&blobs, &in_flight, limit(&later(), NOW), NOW, unknown, refers).await.unwrap();
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_answer_ends_the_sweep() {
        let (_folder, blobs, containers) = filled(5).await;
        let refers = |_| std::future::ready(Err(BlobError::Full));
        let limit = limit(&later(), NOW);
        assert!(sweep(&blobs, &InFlight::default(), limit, NOW, unknown, refers).await.is_err());
        for container in containers {
            blobs.get(&BlobName::of_container(container), 6).await.unwrap();
        }
    }

    #[tokio::test]
    async fn unfinished_files_are_removed_and_strange_ones_left() {
        let (folder, blobs, _) = filled(0).await;
        let held = ContainerName::from_bytes([0; 16]);
        let (shard, in_flight) = (folder.path().join("messages/aa"), InFlight::default());
        let _hold = in_flight.hold(BlobName::of_container(held));
        std::fs::write(shard.join("aabbccddeeffgghhiijjkkllmm#1"), "half").unwrap();
        std::fs::write(shard.join(format!("{held}#1")), "being written").unwrap();
        std::fs::write(shard.join("notes.txt"), "of the operator").unwrap();
        let swept = swept(&blobs, &in_flight).await;
        assert_eq!((swept.unfinished, swept.strange, swept.removed), (1, 1, 0));
        assert!(shard.join("notes.txt").exists() && shard.join(format!("{held}#1")).exists());
    }
}

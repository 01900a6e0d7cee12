//! Who waits for changes under which prefix. Knows keys, no values, and loses no wake-up: a change
//! between two waits is reported by the second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::{Batch, Change};

/// Wakes its holder when a commit touched the prefix it was made for.
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Waits for the next change since the subscription was made or last woke. Several commits
    /// may be reported as one. Returns at once, every time, when the ledger is gone.
    pub async fn changed(&mut self) {
        // An error says that the sender is dropped, thus that the ledger is.
        let _ = self.0.changed().await;
    }
}

/// The subscriptions, by the length of their prefix and then by the prefix itself, so that a
/// changed key costs one look-up for each length in use, however many wait.
#[derive(Default)]
pub(super) struct Watchers(Mutex<BTreeMap<usize, Waiting>>);

type Waiting = HashMap<Vec<u8>, watch::Sender<()>>;

impl Watchers {
    pub(super) fn subscribe(&self, prefix: &[u8]) -> Subscription {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget_abandoned(&mut lengths);
        let waiting = lengths.entry(prefix.len()).or_default();
        let sender = waiting.entry(prefix.to_vec()).or_insert_with(|| watch::Sender::new(()));
        Subscription(sender.subscribe())
    }

    /// Wakes whoever waits for a key that `batch` touched.
    pub(super) fn wake(&self, batch: &Batch) {
        let lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in &batch.changes {
            match change {
                Change::Put(key, _) | Change::Delete(key) => wake_key(&lengths, key),
                Change::DeletePrefix(prefix) => wake_prefix(&lengths, prefix),
            }
        }
    }
}

fn wake_key(lengths: &BTreeMap<usize, Waiting>, key: &[u8]) {
    for (length, waiting) in lengths.range(..=key.len()) {
        if let Some(sender) = waiting.get(&key[..*length]) {
            sender.send_replace(());
        }
    }
}

/// A removed prefix touches those who wait for less than it and those who wait for more.
fn wake_prefix(lengths: &BTreeMap<usize, Waiting>, removed: &[u8]) {
    for (prefix, sender) in lengths.values().flatten() {
        if prefix.starts_with(removed) || removed.starts_with(prefix) {
            sender.send_replace(());
        }
    }
}

fn forget_abandoned(lengths: &mut BTreeMap<usize, Waiting>) {
    lengths.retain(|_, waiting| {
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        !waiting.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_subscriptions_are_forgotten() {
        let watchers = Watchers::default();
        for name in 0..100_u8 {
            drop(watchers.subscribe(&[name]));
        }
        let _kept = watchers.subscribe(b"kept");
        let lengths = watchers.0.lock().unwrap();
        assert_eq!(lengths.values().map(HashMap::len).sum::<usize>(), 1);
    }
}

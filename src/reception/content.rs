//! The content of a message while it arrives and after, and the memory it takes.
//!
//! Memory in flight is bounded over all sessions: a buffer grows only with pages leased from a
//! [`MemoryBudget`], and they go back when the content is dropped. Buffers grow by at least
//! doubling; what they leave behind is overwritten.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::Refusal;
use crate::wipe::wipe;

/// A message as received. Overwritten on drop; has no `Debug` and no `Clone`.
pub struct Content {
    octets: Vec<u8>,
    _lease: Option<OwnedSemaphorePermit>,
}

impl Content {
    /// Content that came by another way and is in no budget.
    pub fn new(octets: Vec<u8>) -> Self {
        Self { octets, _lease: None }
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        wipe(&mut self.octets);
    }
}

/// How much memory the messages of all sessions may take. Clones share it.
#[derive(Clone)]
pub struct MemoryBudget {
    pages: Arc<Semaphore>,
    total: u32,
}

impl MemoryBudget {
    /// A budget of `octets`, at least what one message of the `largest` size needs: its buffer and,
    /// while that grows, the one before.
    pub fn new(octets: usize, largest: usize) -> Self {
        let total = pages(octets.max(largest.saturating_mul(2) + FIRST_MOST));
        Self { pages: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Octets not leased at the moment: for metrics.
    pub fn free(&self) -> usize {
        self.pages.available_permits() * PAGE
    }

    async fn lease(&self, octets: usize, wait: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        let wanted = pages(octets);
        if wanted > self.total {
            return Err(Refusal::Memory);
        }
        // Small messages need not queue behind a large one that waits.
        if let Ok(lease) = Arc::clone(&self.pages).try_acquire_many_owned(wanted) {
            return Ok(lease);
        }
        let lease = timeout(wait, Arc::clone(&self.pages).acquire_many_owned(wanted)).await;
        lease.map_err(|_| Refusal::Memory)?.map_err(|_| Refusal::Memory)
    }
}

fn pages(octets: usize) -> u32 {
    u32::try_from(octets.div_ceil(PAGE)).unwrap_or(u32::MAX >> 4)
}

/// Content on its way in. Once refused it keeps nothing more, so that the rest can be read and
/// dropped; the first refusal stands.
pub(super) struct Collector {
    budget: MemoryBudget,
    wait: Duration,
    limit: usize,
    declared: usize,
    octets: Vec<u8>,
    lease: Option<OwnedSemaphorePermit>,
    refusal: Option<Refusal>,
}

impl Collector {
    /// Begins a message of at most `limit` octets.
    pub fn new(budget: MemoryBudget, wait: Duration, limit: usize) -> Self {
        Self { budget, wait, limit, declared: 0, octets: Vec::new(), lease: None, refusal: None }
    }

    /// Says that `more` octets are to come, as the peer declares. Refuses what cannot fit.
    pub fn expect(&mut self, more: u64) {
        let room = (self.limit - self.octets.len()) as u64;
        if more > room {
            return self.refuse(Refusal::TooLarge);
        }
        self.declared = self.octets.len() + more as usize;
    }

    /// Makes room for `more` octets, or refuses the message when there is no memory for them.
    pub async fn make_room(&mut self, more: usize) {
        let wanted = (self.octets.len() + more).min(self.limit);
        if self.refusal.is_some() || wanted <= self.octets.capacity() {
            return;
        }
        let capacity = self.next_capacity(wanted);
        match self.budget.lease(capacity, self.wait).await {
            Err(refusal) => self.refuse(refusal),
            Ok(lease) => self.move_to(capacity, lease),
        }
    }

    /// Keeps `octets`, for which room was made.
    pub fn push(&mut self, octets: &[u8]) {
        if self.refusal.is_some() {
            return;
        }
        if self.octets.len() + octets.len() > self.limit {
            return self.refuse(Refusal::TooLarge);
        }
        debug_assert!(octets.len() <= self.octets.capacity() - self.octets.len(), "room was made");
        self.octets.extend_from_slice(octets);
    }

    /// Refuses the message and gives its memory back.
    pub fn refuse(&mut self, why: Refusal) {
        self.refusal.get_or_insert(why);
        wipe(&mut self.octets);
        self.octets = Vec::new();
        self.lease = None;
    }

    /// Why the message is refused, if it is.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The content, or why there is none.
    pub fn finish(mut self) -> Result<Content, Refusal> {
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Content { octets: std::mem::take(&mut self.octets), _lease: self.lease.take() }),
        }
    }

    /// A declared size is believed only so far until an eighth of it has come.
    fn next_capacity(&self, wanted: usize) -> usize {
        let now = self.octets.capacity();
        let guess = match now {
            0 => self.declared.saturating_add(SLACK).clamp(FIRST_LEAST, FIRST_MOST),
            _ => self.declared.saturating_add(SLACK).clamp(now * 2, now * 8),
        };
        guess.min(self.limit).max(wanted)
    }

    fn move_to(&mut self, capacity: usize, lease: OwnedSemaphorePermit) {
        let mut larger = Vec::with_capacity(capacity);
        larger.extend_from_slice(&self.octets);
        wipe(&mut self.octets);
        self.octets = larger;
        self.lease = Some(lease);
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        wipe(&mut self.octets);
    }
}

/// The step in which memory is leased, in octets.
const PAGE: usize = 4096;
/// The first buffer when no size is declared: most mail is smaller.
const FIRST_LEAST: usize = 32 << 10;
/// The first buffer at most, whatever size is declared.
const FIRST_MOST: usize = 256 << 10;
/// A declared size does not count dots and may be estimated (RFC 1870 §5).
const SLACK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(
        Content: std::fmt::Debug, Clone, PartialEq, std::ops::Deref, serde::Serialize
    );

    fn collector(budget: &MemoryBudget, limit: usize) -> Collector {
        Collector::new(budget.clone(), Duration::ZERO, limit)
    }

    async fn add(collector: &mut Collector, octets: &[u8]) {
        collector.make_room(octets.len()).await;
        collector.push(octets);
    }

    #[tokio::test]
    async fn content_is_what_was_pushed() {
        let budget = MemoryBudget::new(0, 1 << 20);
        let mut message = collector(&budget, 1 << 20);
        let mut expected = Vec::new();
        for at in 0..100_u8 {
            add(&mut message, &[at; 3000]).await;
            expected.extend_from_slice(&[at; 3000]);
        }
        assert!(message.finish().is_ok_and(|content| content.expose() == expected));
    }

    #[tokio::test]
    async fn the_limit_is_exact() {
        let budget = MemoryBudget::new(0, 100);
        let mut fits = collector(&budget, 100);
        add(&mut fits, &[0; 100]).await;
        assert!(fits.finish().is_ok());
        let mut over = collector(&budget, 100);
        add(&mut over, &[0; 101]).await;
        add(&mut over, &[0; 1]).await;
        assert_eq!(over.finish().err(), Some(Refusal::TooLarge));
        let mut declared = collector(&budget, 100);
        declared.expect(u64::MAX);
        assert_eq!(declared.refusal(), Some(Refusal::TooLarge));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_comes_back() {
        let budget = MemoryBudget::new(1 << 20, 1);
        let free = budget.free();
        let mut held = Vec::new();
        let refused = loop {
            let mut message = collector(&budget, 1 << 20);
            add(&mut message, &[0; 100_000]).await;
            match message.refusal() {
                Some(refusal) => break refusal,
                None => held.push(message),
            }
        };
        assert_eq!(refused, Refusal::Memory);
        assert_eq!(held.len(), free / 102_400);
        let contents: Vec<_> = held.into_iter().map(Collector::finish).collect();
        assert!(budget.free() < 102_400);
        drop(contents);
        assert_eq!(budget.free(), free);
    }

    #[tokio::test]
    async fn the_largest_message_fits_any_budget() {
        let limit = 3 << 20;
        let budget = MemoryBudget::new(0, limit);
        let mut message = collector(&budget, limit);
        for _ in 0..limit / 4096 {
            add(&mut message, &[7; 4096]).await;
        }
        assert!(message.finish().is_ok());
    }

    #[tokio::test]
    async fn a_declared_size_is_believed_step_by_step() {
        let limit = 64 << 20;
        let budget = MemoryBudget::new(0, limit);
        let mut message = collector(&budget, limit);
        message.expect(40 << 20);
        add(&mut message, b"x").await;
        assert!(message.octets.capacity() <= FIRST_MOST + PAGE);
        drop(message);
        let mut small = collector(&budget, limit);
        small.expect(20_000);
        add(&mut small, &[0; 20_000]).await;
        assert!(small.octets.capacity() <= FIRST_LEAST + PAGE);
    }
}

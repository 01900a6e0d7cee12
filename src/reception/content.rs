//! The content of a message while it arrives and after, and the memory it takes.
//!
//! Memory in flight is bounded over all sessions: a buffer grows only with pages leased from a
//! [`MemoryBudget`], and they go back when the content is dropped. Buffers grow by at least
//! doubling; what they leave behind is overwritten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::error::Refusal;
use crate::net::listen::Group;
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
///
/// When there is none left, whoever makes least progress gives way: of the address that holds most, the message
/// that has come most slowly. Its session reads on, keeps nothing, and is told to come again.
#[derive(Clone)]
pub struct MemoryBudget {
    pages: Arc<Semaphore>,
    total: u32,
    arriving: Arc<Mutex<Vec<Arc<Arriving>>>>,
}

/// A message on its way in.
struct Arriving {
    group: Group,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    octets: Vec<u8>,
    lease: Option<OwnedSemaphorePermit>,
    refusal: Option<Refusal>,
}

impl Arriving {
    /// Nothing panics while the lock is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Octets a second, of those that came.
    fn rate(&self) -> u64 {
        let milliseconds = self.since.elapsed().as_millis().max(1) as u64;
        self.state().octets.len() as u64 * 1000 / milliseconds
    }
}

impl State {
    fn refuse(&mut self, why: Refusal) {
        self.refusal.get_or_insert(why);
        wipe(&mut self.octets);
        self.octets = Vec::new();
        self.lease = None;
    }
}

impl MemoryBudget {
    /// A budget of `octets`, at least what one message of the `largest` size needs: its buffer and,
    /// while that grows, the one before.
    pub fn new(octets: usize, largest: usize) -> Self {
        let total = pages(octets.max(largest.saturating_mul(2) + FIRST_MOST));
        Self { pages: Arc::new(Semaphore::new(total as usize)), total, arriving: Arc::default() }
    }

    /// Octets not leased at the moment: for metrics.
    pub fn free(&self) -> usize {
        self.pages.available_permits() * PAGE
    }

    async fn lease(
        &self,
        one: &Arriving,
        octets: usize,
        wait: Duration,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let wanted = pages(octets);
        if wanted > self.total {
            return Err(Refusal::Memory);
        }
        let until = Instant::now() + wait;
        loop {
            // Small messages need not queue behind a large one that waits.
            if let Ok(lease) = Arc::clone(&self.pages).try_acquire_many_owned(wanted) {
                return Ok(lease);
            }
            if self.give_way(one) {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            let lease =
                timeout(left.min(ASK_AGAIN), Arc::clone(&self.pages).acquire_many_owned(wanted)).await;
            match lease {
                Ok(lease) => return lease.map_err(|_| Refusal::Memory),
                Err(_) if left <= ASK_AGAIN => return Err(Refusal::Memory),
                Err(_) => {}
            }
        }
    }

    /// Has somebody give way to `one`: of another address that holds more, or slower than half as fast. Says no
    /// when there is nobody.
    fn give_way(&self, one: &Arriving) -> bool {
        let arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let held =
            |other: &Arriving| other.state().lease.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let mut of_group: HashMap<Group, usize> = HashMap::new();
        for other in &arriving {
            *of_group.entry(other.group).or_default() += held(other);
        }
        let holds = |group| of_group.get(&group).copied().unwrap_or(0);
        let (own, rate) = (holds(one.group), one.rate_or_new());
        let yields = |other: &&Arc<Arriving>| {
            let counts = other.since.elapsed() >= BEFORE_IT_COUNTS && held(other) > 0;
            let more = other.group != one.group && holds(other.group) > own;
            let slower = holds(other.group) >= own && other.rate() < rate / 2;
            counts && !std::ptr::eq(Arc::as_ptr(other), one) && (more || slower)
        };
        let slowest = |other: &&Arc<Arriving>| (std::cmp::Reverse(holds(other.group)), other.rate());
        match arriving.iter().filter(yields).min_by_key(slowest) {
            Some(other) => {
                other.state().refuse(Refusal::Memory);
                true
            }
            None => false,
        }
    }
}

impl Arriving {
    /// Whoever has just begun is as fast as can be.
    fn rate_or_new(&self) -> u64 {
        if self.since.elapsed() < BEFORE_IT_COUNTS { u64::MAX } else { self.rate() }
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
    arriving: Arc<Arriving>,
}

impl Collector {
    /// Begins a message of at most `limit` octets from a peer of `group`.
    pub fn new(budget: MemoryBudget, wait: Duration, limit: usize, group: Group) -> Self {
        let arriving = Arc::new(Arriving { group, since: Instant::now(), state: Mutex::default() });
        budget.arriving.lock().unwrap_or_else(PoisonError::into_inner).push(arriving.clone());
        Self { budget, wait, limit, declared: 0, arriving }
    }

    /// Says that `more` octets are to come, as the peer declares. Refuses what cannot fit.
    pub fn expect(&mut self, more: u64) {
        let here = self.arriving.state().octets.len();
        if more > (self.limit - here) as u64 {
            return self.refuse(Refusal::TooLarge);
        }
        self.declared = here + more as usize;
    }

    /// Makes room for `more` octets, or refuses the message when there is no memory for them.
    pub async fn make_room(&mut self, more: usize) {
        let capacity = {
            let state = self.arriving.state();
            let wanted = (state.octets.len() + more).min(self.limit);
            if state.refusal.is_some() || wanted <= state.octets.capacity() {
                return;
            }
            self.next_capacity(state.octets.capacity(), wanted)
        };
        match self.budget.lease(&self.arriving, capacity, self.wait).await {
            Err(refusal) => self.refuse(refusal),
            Ok(lease) => move_to(&mut self.arriving.state(), capacity, lease),
        }
    }

    /// Keeps `octets`, for which room was made.
    pub fn push(&mut self, octets: &[u8]) {
        let mut state = self.arriving.state();
        if state.refusal.is_some() {
            return;
        }
        if state.octets.len() + octets.len() > self.limit {
            return state.refuse(Refusal::TooLarge);
        }
        debug_assert!(octets.len() <= state.octets.capacity() - state.octets.len(), "room was made");
        state.octets.extend_from_slice(octets);
    }

    /// Refuses the message and gives its memory back.
    pub fn refuse(&mut self, why: Refusal) {
        self.arriving.state().refuse(why);
    }

    /// Why the message is refused, if it is.
    pub fn refusal(&self) -> Option<Refusal> {
        self.arriving.state().refusal
    }

    /// The content, or why there is none.
    pub fn finish(self) -> Result<Content, Refusal> {
        let mut state = self.arriving.state();
        match state.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Content { octets: std::mem::take(&mut state.octets), _lease: state.lease.take() }),
        }
    }

    /// A declared size is believed only so far until an eighth of it has come.
    fn next_capacity(&self, now: usize, wanted: usize) -> usize {
        let guess = match now {
            0 => self.declared.saturating_add(SLACK).clamp(FIRST_LEAST, FIRST_MOST),
            _ => self.declared.saturating_add(SLACK).clamp(now * 2, now * 8),
        };
        guess.min(self.limit).max(wanted)
    }
}

/// Moves what has come to more room, unless it was refused meanwhile.
fn move_to(state: &mut State, capacity: usize, lease: OwnedSemaphorePermit) {
    if state.refusal.is_some() {
        return;
    }
    let mut larger = Vec::with_capacity(capacity);
    larger.extend_from_slice(&state.octets);
    wipe(&mut state.octets);
    state.octets = larger;
    state.lease = Some(lease);
}

impl Drop for Collector {
    fn drop(&mut self) {
        wipe(&mut self.arriving.state().octets);
        let mut arriving = self.budget.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        arriving.retain(|other| !Arc::ptr_eq(other, &self.arriving));
    }
}

/// The step in which memory is leased, in octets.
const PAGE: usize = 4096;
/// The first buffer when no size is declared: most mail is smaller.
const FIRST_LEAST: usize = 32 << 10;
/// The first buffer at most, whatever size is declared.
const FIRST_MOST: usize = 256 << 10;
/// Before a message gives way for being slow.
const BEFORE_IT_COUNTS: Duration = Duration::from_secs(1);
/// How often whoever waits for memory looks for somebody who gives way.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// A declared size does not count dots and may be estimated (RFC 1870 §5).
const SLACK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(
        Content: std::fmt::Debug, Clone, PartialEq, std::ops::Deref, serde::Serialize
    );

    fn collector(budget: &MemoryBudget, limit: usize) -> Collector {
        Collector::new(budget.clone(), Duration::ZERO, limit, Group::Local)
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

    #[tokio::test(start_paused = true)]
    async fn whoever_makes_least_progress_gives_way() {
        let budget = MemoryBudget::new(1 << 20, 1);
        let mut half_sent = Vec::new();
        while budget.free() > 100 * 1024 {
            let mut message = collector(&budget, 1 << 20);
            add(&mut message, &[0; 60_000]).await;
            half_sent.push(message);
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        let mut honest = collector(&budget, 1 << 20);
        for _ in 0..8 {
            add(&mut honest, &[7; 50_000]).await;
        }
        assert_eq!(honest.refusal(), None);
        let gone = half_sent.iter().filter(|message| message.refusal() == Some(Refusal::Memory)).count();
        assert!(gone > 0 && gone < half_sent.len(), "{gone} of {}", half_sent.len());
        assert!(honest.finish().is_ok_and(|content| content.expose().len() == 400_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_more_gives_way_to_one_with_less() {
        let budget = MemoryBudget::new(1 << 20, 1);
        let group = |last: u8| Group::of(std::net::IpAddr::from([192, 0, 2, last]));
        let from = |last| Collector::new(budget.clone(), Duration::ZERO, 1 << 20, group(last));
        let (mut crowd, mut lone) = (Vec::new(), from(2));
        add(&mut lone, &[1; 30_000]).await;
        while budget.free() > 100 * 1024 {
            let mut message = from(1);
            add(&mut message, &[0; 60_000]).await;
            crowd.push(message);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        // Slow itself, yet of an address that holds little.
        add(&mut lone, &[1; 200_000]).await;
        assert_eq!(lone.refusal(), None);
        assert!(crowd.iter().any(|message| message.refusal().is_some()));
        let mut one_more = from(1);
        add(&mut one_more, &[0; 500_000]).await;
        assert_eq!(lone.refusal(), None, "the crowd makes room for itself");
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
        assert!(message.arriving.state().octets.capacity() <= FIRST_MOST + PAGE);
        drop(message);
        let mut small = collector(&budget, limit);
        small.expect(20_000);
        add(&mut small, &[0; 20_000]).await;
        assert!(small.arriving.state().octets.capacity() <= FIRST_LEAST + PAGE);
    }
}

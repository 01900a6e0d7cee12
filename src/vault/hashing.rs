//! The one place where passwords are hashed. Each run takes 64 MiB and a processor for a tenth of a
//! second, and anybody may ask for one, so the runs are few, those who wait are bounded, and they take
//! turns by where they come from.
//!
//! A [`Place`] travels into the work: whoever hangs up frees none of it early. Within one address the
//! newest goes first: under a flood the oldest have hung up by the time that it is their turn, and a
//! person who comes in between is served and not queued behind all of it. Of those who have just come, people
//! whom the server knows go first, then the address of which fewest wait: a flood has many. Knows no passwords.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::audit::{Actor, Origin};
use crate::names::UserId;

/// On whose account a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// This machine: the administration socket, the server itself.
    Local,
    /// A person whom the server knows already: signed in, or in a browser that was.
    Known(UserId),
    /// An IPv4 address, or an IPv6 /48 (the most that a customer gets, RFC 6177 §2).
    Network(IpAddr),
}

impl Share {
    /// The share of whoever is not known yet.
    pub fn of(origin: Origin) -> Self {
        match origin {
            Origin::Ip { address } => Self::Network(network(address)),
            _ => Self::Local,
        }
    }

    /// The share of whoever acts: a person who is signed in has one of their own.
    pub fn by(actor: &Actor, origin: Origin) -> Self {
        match actor {
            Actor::User { user } => Self::Known(*user),
            _ => Self::of(origin),
        }
    }

    /// Whether the server knows who it is: those go before strangers, and are never thrown out for one.
    fn is_known(self) -> bool {
        !matches!(self, Self::Network(_))
    }

    /// How many of it may wait.
    fn most(self) -> usize {
        match self {
            Self::Local => MOST_WAITING,
            Self::Known(_) | Self::Network(_) => MOST_OF_ONE,
        }
    }
}

/// The addresses that count as one: an IPv4 address, or an IPv6 /48. One line at home has 256 to 65,536
/// networks of /64, so whoever counted by those would let one customer be a crowd.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
        address => address,
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait. It says nothing of what was asked.
    #[error("too many sign-ins at once")]
    Busy,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Hashing(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    /// Runs that may begin now.
    free: usize,
    waiting: HashMap<Share, VecDeque<oneshot::Sender<Place>>>,
    /// Shares that have just come, in the order of their coming: they go before those that were served
    /// already, as new flows do in FQ-CoDel (RFC 8290 §4.2), so that a flood is not in front of a person.
    fresh: VecDeque<Share>,
    /// Shares that were served and have more waiting, the next one first.
    turns: VecDeque<Share>,
    /// How many shares in a row went before those that wait longest.
    preferred: usize,
    /// Whether the next turn of those is one of [`Self::turns`], else of [`Self::fresh`].
    turns_next: bool,
}

/// The right to one run, until it is dropped.
pub struct Place(Option<Hashing>);

impl Hashing {
    /// As many runs at once as there are processors to do them, four at most: more would be no faster
    /// and take 64 MiB each.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self::with_width(processors.min(MOST_AT_ONCE))
    }

    /// A service of so many runs at once, one at least.
    pub fn with_width(width: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue { free: width.max(1), ..Queue::default() })))
    }

    /// Waits for a place. Dropping the future gives the turn up.
    pub async fn place(&self, share: Share) -> Result<Place, HashingError> {
        let waiter = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Ok(Place(Some(self.clone())));
            }
            queue.wait(share)
        };
        waiter.await.map_err(|_| HashingError::Busy)
    }

    /// How many wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.queue().waiting.values().map(VecDeque::len).sum()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a place that has become free to whoever is next.
    fn pass_on(&self) {
        let mut place = Place(Some(self.clone()));
        while let Some(next) = self.queue().next_or_free() {
            match next.send(place) {
                Ok(()) => return,
                // That one has hung up.
                Err(back) => place = back,
            }
        }
        place.0 = None;
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue {
    /// Puts somebody into the queue, in the place of the oldest of their share, or of the largest share,
    /// if there is no room. Whose sender is dropped is told that too many wait.
    fn wait(&mut self, share: Share) -> oneshot::Receiver<Place> {
        self.waiting.values_mut().for_each(|line| line.retain(|waiter| !waiter.is_closed()));
        let (sender, receiver) = oneshot::channel();
        let line = self.waiting.entry(share).or_default();
        if line.is_empty() && !self.turns.contains(&share) && !self.fresh.contains(&share) {
            self.fresh.push_back(share);
        }
        line.push_back(sender);
        if line.len() > share.most() {
            line.pop_front();
        }
        if self.waiting.values().map(VecDeque::len).sum::<usize>() > MOST_WAITING {
            self.make_room();
        }
        receiver
    }

    /// Sends the oldest of the largest share away: a stranger's, as long as there is one.
    fn make_room(&mut self) {
        let largest = |known: bool| {
            move |(share, line): (&Share, &mut VecDeque<_>)| {
                (share.is_known() == known && !line.is_empty()).then_some((line.len(), *share))
            }
        };
        let of = |waiting: &mut HashMap<Share, VecDeque<_>>, known| {
            waiting.iter_mut().filter_map(largest(known)).max_by_key(|(many, _)| *many)
        };
        let found = of(&mut self.waiting, false).or_else(|| of(&mut self.waiting, true));
        if let Some(line) = found.and_then(|(_, share)| self.waiting.get_mut(&share)) {
            line.pop_front();
        }
    }

    /// Who is next; if nobody is, the place is free. At once, so that nobody comes in between and waits
    /// beside a free place.
    fn next_or_free(&mut self) -> Option<oneshot::Sender<Place>> {
        let next = self.next();
        self.free += usize::from(next.is_none());
        next
    }

    /// The newest of the share whose turn it is, which goes to the end then.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some(share) = self.next_share() {
            let Some(line) = self.waiting.get_mut(&share) else { continue };
            let next = line.pop_back();
            if line.is_empty() {
                self.waiting.remove(&share);
            } else {
                self.turns.push_back(share);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Queue {
    fn next_share(&mut self) -> Option<Share> {
        if self.preferred >= MOST_PREFERRED {
            self.preferred = 0;
            return self.longest_waiting();
        }
        match self.preferred_share() {
            Some(share) => {
                self.preferred += 1;
                Some(share)
            }
            None => {
                self.preferred = 0;
                self.turns.pop_front()
            }
        }
    }

    /// Of those who have just come, a person who is known, else the one of whom fewest wait, else the first.
    fn preferred_share(&mut self) -> Option<Share> {
        let waiting = |share: &Share| self.waiting.get(share).map_or(0, VecDeque::len);
        let rank = |(_, share): &(usize, &Share)| (!share.is_known(), waiting(share));
        let (at, _) = self.fresh.iter().enumerate().min_by_key(rank)?;
        self.fresh.remove(at)
    }

    /// Those whom others went before have a turn too: served ones and such as have just come by turns.
    fn longest_waiting(&mut self) -> Option<Share> {
        self.turns_next = !self.turns_next;
        let (first, second) = match self.turns_next {
            true => (&mut self.turns, &mut self.fresh),
            false => (&mut self.fresh, &mut self.turns),
        };
        first.pop_front().or_else(|| second.pop_front())
    }
}

impl Place {
    /// Does the work in a thread for such work. The place is free when the work is done, whether
    /// anybody still waits for it or not.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let work = move || {
            let _until_it_is_done = self;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| HashingError::Stopping)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(hashing) = self.0.take() {
            hashing.pass_on();
        }
    }
}

/// When those who found no room may try again.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Runs at once on a machine with many processors: 256 MiB.
pub const MOST_AT_ONCE: usize = 4;
/// Who may wait in all: some four seconds of work on two processors.
const MOST_WAITING: usize = 64;
/// Who may wait of one address or person: a second of work if nobody else is there.
const MOST_OF_ONE: usize = 8;
/// Shares that are preferred in a row before one that waits longest has a turn.
const MOST_PREFERRED: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn share(last: u8) -> Share {
        Share::of(Origin::ip([192, 0, 2, last].into()))
    }

    /// Lets every task run as far as it gets.
    async fn settle() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    /// Asks for a place and gives it back at once.
    fn ask(hashing: &Hashing, share: Share) -> tokio::task::JoinHandle<Result<(), HashingError>> {
        let hashing = hashing.clone();
        tokio::spawn(async move { hashing.place(share).await.map(drop) })
    }

    #[tokio::test]
    async fn a_hung_up_run_holds_its_place_until_it_is_done() {
        let hashing = Hashing::with_width(1);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..40 {
            let (hashing, running, most) = (hashing.clone(), running.clone(), most.clone());
            let asked = tokio::spawn(async move {
                let place = hashing.place(share(1)).await?;
                place
                    .run(move || {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    })
                    .await
            });
            tokio::task::yield_now().await;
            asked.abort();
        }
        drop(hashing.place(share(2)).await.expect("the places come back"));
        assert!(most.load(Ordering::SeqCst) <= 1, "runs at once: {most:?}");
    }

    #[tokio::test]
    async fn strangers_of_a_few_addresses_leave_the_next_turn_to_another() {
        let hashing = Hashing::with_width(1);
        let first = hashing.place(share(0)).await.expect("free");
        let strangers: Vec<_> = (0..300).map(|number| ask(&hashing, share(number as u8 % 5))).collect();
        settle().await;
        assert_eq!(hashing.waiting(), 5 * MOST_OF_ONE);
        let right = ask(&hashing, share(9));
        settle().await;
        drop(first);
        let mut served = 0;
        for stranger in strangers {
            served += usize::from(stranger.await.expect("no panic").is_ok());
        }
        assert_eq!(served, 5 * MOST_OF_ONE, "the others were told at once");
        assert!(right.await.expect("no panic").is_ok());
    }

    #[tokio::test]
    async fn turns_go_round_the_shares_and_the_newest_of_each_is_first() {
        let hashing = Hashing::with_width(1);
        let mut place = hashing.place(share(0)).await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        for (name, last) in [("a1", 1), ("a2", 1), ("a3", 1), ("b1", 2), ("c1", 3)] {
            let (hashing, order) = (hashing.clone(), order.clone());
            tokio::spawn(async move {
                let place = hashing.place(share(last)).await;
                order.lock().expect("no panic").push(name);
                drop(place);
            });
            settle().await;
        }
        place.0.take().expect("held").pass_on();
        settle().await;
        assert_eq!(*order.lock().expect("no panic"), ["b1", "c1", "a3", "a2", "a1"]);
    }

    #[tokio::test]
    async fn who_has_just_come_goes_before_a_flood_and_the_flood_goes_on() {
        let hashing = Hashing::with_width(1);
        let mut place = hashing.place(share(0)).await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        let arrive = |last: u8| {
            let (hashing, order) = (hashing.clone(), order.clone());
            tokio::spawn(async move {
                let place = hashing.place(share(last)).await;
                order.lock().expect("no panic").push(last);
                drop(place);
            });
        };
        (0..3).for_each(|_| arrive(1));
        (0..3).for_each(|_| arrive(2));
        settle().await;
        // The flood has had its first turns.
        let queue = |hashing: &Hashing| {
            let mut queue = hashing.queue();
            let served: Vec<Share> = queue.fresh.drain(..).collect();
            queue.turns.extend(served);
        };
        queue(&hashing);
        (3..9).for_each(arrive);
        settle().await;
        place.0.take().expect("held").pass_on();
        settle().await;
        assert_eq!(*order.lock().expect("no panic"), [3, 4, 5, 6, 1, 7, 8, 2, 1, 2, 1, 2]);
    }

    #[tokio::test]
    async fn whom_the_server_knows_goes_first_then_the_address_of_whom_fewest_wait() {
        let hashing = Hashing::with_width(1);
        let mut place = hashing.place(share(0)).await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        let known = Share::Known(UserId::random());
        let flood = (1..6).flat_map(|last| [(share(last), last); 3]);
        for (share, name) in flood.chain([(share(8), 8), (known, 9)]) {
            let (hashing, order) = (hashing.clone(), order.clone());
            tokio::spawn(async move {
                let place = hashing.place(share).await;
                order.lock().expect("no panic").push(name);
                drop(place);
            });
            settle().await;
        }
        place.0.take().expect("held").pass_on();
        settle().await;
        assert_eq!(order.lock().expect("no panic")[..7], [9, 8, 1, 2, 1, 3, 4]);
    }

    #[tokio::test]
    async fn an_address_of_which_many_wait_is_not_kept_out_by_new_ones() {
        let hashing = Hashing::with_width(1);
        let mut place = hashing.place(share(0)).await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        let office = (0..5).map(|_| 1);
        for last in office.chain(2..40) {
            let (hashing, order) = (hashing.clone(), order.clone());
            tokio::spawn(async move {
                let place = hashing.place(share(last)).await;
                order.lock().expect("no panic").push(last);
                drop(place);
            });
            settle().await;
        }
        place.0.take().expect("held").pass_on();
        settle().await;
        let order = order.lock().expect("no panic");
        let of_the_office = order.iter().take(2 * (MOST_PREFERRED + 1)).filter(|last| **last == 1).count();
        assert!(of_the_office >= 1, "{order:?}");
        assert_eq!(order.len(), 43);
    }

    #[tokio::test]
    async fn who_hangs_up_while_waiting_gives_the_turn_up() {
        let hashing = Hashing::with_width(1);
        let first = hashing.place(share(0)).await.expect("free");
        let waiting: Vec<_> = (0..6).map(|_| ask(&hashing, share(1))).collect();
        settle().await;
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        settle().await;
        let last = ask(&hashing, share(1));
        settle().await;
        assert_eq!(hashing.waiting(), 1);
        drop(first);
        assert!(last.await.expect("no panic").is_ok());
        assert_eq!(hashing.queue().free, 1);
    }

    #[tokio::test]
    async fn many_addresses_together_are_bounded_too() {
        let hashing = Hashing::with_width(1);
        let first = hashing.place(share(0)).await.expect("free");
        let many: Vec<_> = (0..200).map(|number| ask(&hashing, share(number))).collect();
        settle().await;
        assert_eq!(hashing.waiting(), MOST_WAITING);
        drop(first);
        for one in many {
            let _served_or_told = one.await.expect("no panic");
        }
        assert_eq!((hashing.waiting(), hashing.queue().free), (0, 1));
    }

    #[tokio::test]
    async fn who_is_known_goes_before_strangers_and_is_not_thrown_out_for_them() {
        let hashing = Hashing::with_width(1);
        let first = hashing.place(share(0)).await.expect("free");
        let before: Vec<_> = (0..100).map(|number| ask(&hashing, share(number))).collect();
        settle().await;
        let known = [Share::Known(UserId::random()), Share::Local, Share::Known(UserId::random())];
        let right: Vec<_> = known.map(|share| ask(&hashing, share)).into();
        settle().await;
        let after: Vec<_> = (100..250).map(|number| ask(&hashing, share(number))).collect();
        settle().await;
        assert_eq!(hashing.waiting(), MOST_WAITING);
        drop(first);
        for one in right {
            assert!(one.await.expect("no panic").is_ok());
        }
        for one in before.into_iter().chain(after) {
            let _served_or_told = one.await.expect("no panic");
        }
        assert_eq!((hashing.waiting(), hashing.queue().free), (0, 1));
    }

    #[tokio::test]
    async fn the_known_are_bounded_among_themselves() {
        let hashing = Hashing::with_width(1);
        let first = hashing.place(share(0)).await.expect("free");
        let many: Vec<_> = (0..200).map(|_| ask(&hashing, Share::Known(UserId::random()))).collect();
        settle().await;
        assert_eq!(hashing.waiting(), MOST_WAITING);
        drop(first);
        for one in many {
            let _served_or_told = one.await.expect("no panic");
        }
    }

    #[test]
    fn a_customer_of_ipv6_is_one() {
        let of = |text: &str| Share::of(Origin::ip(text.parse().expect("an address")));
        assert_eq!(of("2001:db8::1"), of("2001:db8:0:ffff:ffff::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}

//! The order of changes. Whoever changes a mailbox draws numbers under its lock and gets a ticket; the
//! picture takes the changes in the order of the tickets, each once its batch is durable. So nobody sees a
//! UID or a mod-sequence before a lower one (RFC 9051 §2.3.1.1, RFC 7162 §3.1.1), and whoever waited for a
//! batch finds it in the picture. The fate of each batch is awaited in a task of its own: a request that is
//! dropped holds up nobody.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedMutexGuard, oneshot, watch};

use super::numbers::Counters;
use super::picture::{Effect, Held, Picture};
use super::{BoxError, load};
use crate::records::{RecordError, Records, row_key};
use crate::store::ledger::{Batch, CommitError, Committed, Expectation, LedgerError, Pending};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{MailboxRow, MessageRow, UserRow};

/// One user's mailbox, as far as it is in memory.
pub(super) struct Mailbox {
    user: UserRef,
    door: Mutex<Door>,
    /// Held by whoever changes messages or folders; deliveries change neither, they only add.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever loads the picture.
    loading: tokio::sync::Mutex<()>,
    /// Counts the changes of the picture.
    news: watch::Sender<u64>,
    /// Tells that a ticket was resolved.
    settled: Notify,
}

pub(super) struct Door {
    /// None until the first number is drawn.
    counters: Option<Counters>,
    queue: VecDeque<Ticket>,
    /// The number of the ticket at the front of the queue.
    first: u64,
    state: State,
    /// When the picture was last looked at.
    used: Instant,
    /// Set when its user is being removed: nothing arrives any more.
    closed: bool,
}

enum State {
    /// No picture. Deliveries take no tickets.
    Absent,
    /// A picture is being read; tickets wait for it.
    Loading,
    Ready(Box<Picture>),
}

/// A change on its way.
struct Ticket {
    mod_seq: u64,
    effects: Vec<Effect>,
    /// Whether its batch is durable, once that is known.
    fate: Option<bool>,
    waits: Waits,
}

/// What became of a batch.
type Outcome = Result<Committed, CommitError>;

/// Who waits for a ticket.
enum Waits {
    /// For the batch to be durable.
    Durable(Option<oneshot::Sender<Outcome>>),
    /// For the picture to have it, too: told what became of the batch then.
    Seen(Option<oneshot::Sender<Outcome>>, Option<Outcome>),
}

/// A batch on its way, for whoever waits for it.
enum Sent {
    /// Without a ticket.
    Alone(Pending, Option<MailboxRow>),
    Queued(oneshot::Receiver<Outcome>),
}

impl Mailbox {
    pub(super) fn new(user: UserRef) -> Self {
        let door = Door {
            counters: None,
            queue: VecDeque::new(),
            first: 0,
            state: State::Absent,
            used: Instant::now(),
            closed: false,
        };
        Self {
            user,
            door: Mutex::new(door),
            turn: Arc::default(),
            loading: tokio::sync::Mutex::default(),
            news: watch::Sender::new(0),
            settled: Notify::new(),
        }
    }

    pub(super) fn user(&self) -> UserRef {
        self.user
    }

    pub(super) async fn quiet(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Puts a message that arrives into INBOX.
    pub(super) async fn arrive(
        self: &Arc<Self>,
        records: &Records,
        row: MessageRow,
    ) -> Result<(u32, Committed), RecordError> {
        let (number, sent) = self.queue_arrival(records, row)?;
        let outcome = match sent {
            Sent::Queued(answer) => answer.await.unwrap_or_else(|_| Err(LedgerError::Stopped.into())),
            Sent::Alone(pending, carried) => {
                let outcome = pending.await;
                if outcome.is_ok() {
                    self.door().confirm(carried.as_ref());
                }
                outcome
            }
        };
        match outcome {
            // Of what the batch demands, this is what can fail without a fault of ours.
            Err(CommitError::Conflict) if registry::user(records, self.user)?.is_none() => {
                Err(RecordError::Closed)
            }
            outcome => Ok((number, outcome?)),
        }
    }

    /// Lets nothing more arrive. What was queued before is in the ledger ahead of whatever is queued next.
    pub(super) fn close(&self) {
        self.door().closed = true;
    }

    /// Draws a number and queues its batch, under one lock.
    fn queue_arrival(
        self: &Arc<Self>,
        records: &Records,
        mut row: MessageRow,
    ) -> Result<(u32, Sent), RecordError> {
        let scope = records.tenant(self.user.tenant);
        let user = self.user.user.as_bytes();
        let mut batch = Batch::new();
        let mut door = self.door();
        if door.closed {
            return Err(RecordError::Closed);
        }
        let counters = door.counters(records, self.user)?;
        let number = counters.draw(1)?.start;
        let mod_seq = counters.draw_mod_seq();
        row.mod_seq = Some(mod_seq);
        let carried = counters.reservation();
        carried.iter().for_each(|carried| scope.put(&mut batch, &[user], carried));
        scope.insert(&mut batch, &[user, &number.to_be_bytes()], &row);
        self.require_user(&mut batch);
        let pending = records.commit(batch);
        if matches!(door.state, State::Absent) {
            return Ok((number, Sent::Alone(pending, carried)));
        }
        let (sender, answer) = oneshot::channel();
        let effects = vec![Effect::Put(number, Held::arrived(number, row))];
        let ticket = Ticket { mod_seq, effects, fate: None, waits: Waits::Durable(Some(sender)) };
        let id = door.push(ticket);
        drop(door);
        self.attend(id, pending, carried);
        Ok((number, Sent::Queued(answer)))
    }

    /// A mailbox is its user's: once they are gone nothing is written into it, by whomever it was begun, and
    /// whatever this server remembers of its being closed.
    fn require_user(&self, batch: &mut Batch) {
        let user = self.user;
        let key = row_key::<UserRow>(&[user.tenant.as_bytes(), user.user.as_bytes()]);
        batch.require(key, Expectation::Present);
    }

    /// Resolves the ticket when the batch is resolved, whoever still waits.
    fn attend(self: &Arc<Self>, id: u64, pending: Pending, carried: Option<MailboxRow>) {
        let mailbox = self.clone();
        tokio::spawn(async move {
            let outcome = pending.await;
            mailbox.resolve(id, outcome, carried.as_ref());
        });
    }

    fn resolve(&self, id: u64, outcome: Outcome, carried: Option<&MailboxRow>) {
        let mut door = self.door();
        if outcome.is_ok() {
            door.confirm(carried);
        }
        if matches!(outcome, Err(CommitError::Ledger(LedgerError::Stopped))) {
            // Nobody knows what the disk has now.
            door.state = State::Absent;
        }
        let place = id.checked_sub(door.first).and_then(|place| usize::try_from(place).ok());
        if let Some(ticket) = place.and_then(|place| door.queue.get_mut(place)) {
            ticket.fate = Some(outcome.is_ok());
            match &mut ticket.waits {
                Waits::Durable(sender) => drop(sender.take().map(|sender| sender.send(outcome))),
                Waits::Seen(_, kept) => *kept = Some(outcome),
            }
        }
        let changed = !matches!(door.state, State::Loading) && door.advance();
        drop(door);
        self.tell(changed);
    }

    fn tell(&self, changed: bool) {
        if changed {
            self.news.send_modify(|count| *count = count.wrapping_add(1));
        }
        self.settled.notify_waiters();
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        // Nothing panics while the lock is held.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` says so; it is asked again whenever a ticket was resolved.
    async fn until(&self, mut ready: impl FnMut(&Door) -> bool) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            if ready(&self.door()) {
                return;
            }
            settled.await;
        }
    }

    /// Looks at the picture, if there is one.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Picture) -> T) -> Option<T> {
        let mut door = self.door();
        match &mut door.state {
            State::Ready(picture) => {
                let seen = look(picture);
                door.used = Instant::now();
                Some(seen)
            }
            _ => None,
        }
    }

    /// Loads the picture, if there is none; whether there was none.
    pub(super) async fn load(self: &Arc<Self>, records: &Arc<Records>) -> Result<bool, RecordError> {
        if self.look(|_| ()).is_some() {
            return Ok(false);
        }
        let _one = self.loading.lock().await;
        if self.look(|_| ()).is_some() {
            return Ok(false);
        }
        let barrier = self.begin_loading(records)?;
        let mut begun = Begun { mailbox: self, done: false };
        match barrier.await {
            Err(CommitError::Conflict) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let (records, user) = (records.clone(), self.user);
        let read = tokio::task::spawn_blocking(move || load::read(&records, user));
        let picture = read.await.map_err(|_| LedgerError::Stopped)??;
        // What was read may have changes that others still wait for; nothing older than them is missing then.
        let end = self.door().end();
        self.until(|door| !matches!(door.state, State::Loading) || door.is_resolved_to(end)).await;
        begun.done = self.publish(picture);
        if begun.done { Ok(true) } else { Err(LedgerError::Stopped.into()) }
    }

    /// From now on every change takes a ticket. What was queued before is in the ledger once the batch that
    /// is returned is resolved: batches are applied in order. It changes nothing, so costs no sync.
    fn begin_loading(&self, records: &Records) -> Result<Pending, RecordError> {
        let mut door = self.door();
        door.counters(records, self.user)?;
        door.state = State::Loading;
        let mut barrier = Batch::new();
        barrier.require(NOWHERE, Expectation::Present);
        Ok(records.commit(barrier))
    }

    fn publish(&self, mut picture: Picture) -> bool {
        let mut door = self.door();
        if !matches!(door.state, State::Loading) {
            return false;
        }
        let popped = door.pop_resolved();
        for ticket in popped {
            if ticket.fate == Some(true) {
                picture.catch_up(ticket.mod_seq, ticket.effects);
            }
            ticket.waits.tell();
        }
        let next = door.counters.as_ref().map(Counters::next_mod_seq);
        let front = door.queue.front().map(|ticket| ticket.mod_seq);
        let floor = door.counters.as_ref().map_or(0, Counters::floor);
        picture.begin(front.or(next).unwrap_or(2) - 1, floor);
        door.state = State::Ready(Box::new(picture));
        door.used = Instant::now();
        drop(door);
        self.tell(true);
        true
    }

    /// Messages in the picture, and when it was last looked at; none if there is no picture.
    pub(super) fn held(&self) -> Option<(usize, Instant)> {
        let door = self.door();
        match &door.state {
            State::Ready(picture) => Some((picture.len(), door.used)),
            _ => None,
        }
    }

    /// Lets go of the picture, unless somebody watches the mailbox or changes it.
    pub(super) fn rest(&self) {
        let turn = self.turn.try_lock();
        if turn.is_err() || self.news.receiver_count() > 0 {
            return;
        }
        let mut door = self.door();
        if matches!(door.state, State::Ready(_)) {
            door.state = State::Absent;
        }
    }
}

impl Door {
    fn counters(&mut self, records: &Records, user: UserRef) -> Result<&mut Counters, RecordError> {
        match self.counters {
            Some(ref mut counters) => Ok(counters),
            ref mut empty => Ok(empty.insert(Counters::read(&records.tenant(user.tenant), user)?)),
        }
    }

    fn confirm(&mut self, carried: Option<&MailboxRow>) {
        if let (Some(counters), Some(carried)) = (&mut self.counters, carried) {
            counters.confirm(carried);
        }
    }

    fn push(&mut self, ticket: Ticket) -> u64 {
        self.queue.push_back(ticket);
        self.end() - 1
    }

    /// The number that the next ticket gets.
    fn end(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    fn is_resolved_to(&self, end: u64) -> bool {
        let before = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.queue.iter().take(before).all(|ticket| ticket.fate.is_some())
    }

    fn pop_resolved(&mut self) -> Vec<Ticket> {
        let resolved = self.queue.iter().take_while(|ticket| ticket.fate.is_some()).count();
        self.first += resolved as u64;
        self.queue.drain(..resolved).collect()
    }

    /// Applies what is resolved, from the front; whether the picture is another one now.
    fn advance(&mut self) -> bool {
        let mut changed = false;
        for ticket in self.pop_resolved() {
            if let (State::Ready(picture), Some(true)) = (&mut self.state, ticket.fate) {
                picture.apply(ticket.mod_seq, ticket.effects);
                changed = true;
            }
            ticket.waits.tell();
        }
        changed
    }
}

impl Waits {
    fn tell(self) {
        if let Self::Seen(Some(sender), Some(outcome)) = self {
            // Whoever stopped waiting does not want the answer.
            let _ = sender.send(outcome);
        }
    }
}

/// Loading that ends early leaves no tickets waiting for it.
struct Begun<'a> {
    mailbox: &'a Mailbox,
    done: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut door = self.mailbox.door();
        if matches!(door.state, State::Loading) {
            door.state = State::Absent;
        }
        door.advance();
        drop(door);
        self.mailbox.tell(false);
    }
}

/// The right to change messages and folders of a mailbox whose picture is loaded, and has every change that
/// was made by those before.
pub(super) struct Turn {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) records: Arc<Records>,
    /// Whether the picture was loaded for it.
    pub(super) loaded: bool,
    _held: OwnedMutexGuard<()>,
}

impl Turn {
    pub(super) async fn take(mailbox: Arc<Mailbox>, records: &Arc<Records>) -> Result<Self, RecordError> {
        let held = mailbox.turn.clone().lock_owned().await;
        // What was queued for a request that was dropped is waited for here.
        let end = mailbox.door().end();
        mailbox.until(|door| door.is_resolved_to(end)).await;
        let loaded = mailbox.load(records).await?;
        Ok(Self { mailbox, records: records.clone(), loaded, _held: held })
    }

    pub(super) fn user(&self) -> UserRef {
        self.mailbox.user
    }

    /// Looks at the picture.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Picture) -> T) -> Result<T, BoxError> {
        self.mailbox.look(look).ok_or_else(|| RecordError::from(LedgerError::Stopped).into())
    }

    /// Draws a mod-sequence and so many numbers.
    pub(super) fn draw(&self, numbers: usize) -> Result<Slot, BoxError> {
        let count = u32::try_from(numbers).map_err(|_| RecordError::Exhausted)?;
        let mut door = self.mailbox.door();
        let counters = door.counters(&self.records, self.mailbox.user)?;
        let numbers = counters.draw(count)?;
        let mod_seq = counters.draw_mod_seq();
        let waits = Waits::Seen(None, None);
        let id = door.push(Ticket { mod_seq, effects: Vec::new(), fate: None, waits });
        Ok(Slot { mailbox: self.mailbox.clone(), id, mod_seq, numbers, queued: false })
    }
}

/// A place in the order of changes, for a batch that is yet to be made. Dropping it gives it up.
pub(super) struct Slot {
    mailbox: Arc<Mailbox>,
    id: u64,
    pub(super) mod_seq: u64,
    pub(super) numbers: Range<u32>,
    queued: bool,
}

impl Slot {
    /// Commits; returns when the batch is durable and the picture has `effects`.
    pub(super) async fn commit(
        mut self,
        records: &Records,
        mut batch: Batch,
        effects: Vec<Effect>,
    ) -> Result<Committed, BoxError> {
        let answer = self.queue(records, &mut batch, effects);
        Ok(answer.await.unwrap_or_else(|_| Err(LedgerError::Stopped.into()))?)
    }

    fn queue(
        &mut self,
        records: &Records,
        batch: &mut Batch,
        mut effects: Vec<Effect>,
    ) -> oneshot::Receiver<Outcome> {
        let (sender, answer) = oneshot::channel();
        let (user, scope) = (self.mailbox.user, records.tenant(self.mailbox.user.tenant));
        let mut door = self.mailbox.door();
        let carried = door.counters.as_mut().map(Counters::carry);
        if let Some(carried) = &carried {
            scope.put(batch, &[user.user.as_bytes()], carried);
        }
        self.mailbox.require_user(batch);
        if let State::Ready(picture) = &door.state {
            for (folder, row) in picture.marks(&effects) {
                scope.put(batch, &[user.user.as_bytes(), &folder.0.to_be_bytes()], &row);
                effects.push(Effect::Folder(folder, Some(row)));
            }
        }
        let place = usize::try_from(self.id - door.first).ok();
        // It is still there: nobody else resolves it.
        if let Some(ticket) = place.and_then(|place| door.queue.get_mut(place)) {
            ticket.effects = effects;
            ticket.waits = Waits::Seen(Some(sender), None);
        }
        let pending = records.commit(std::mem::take(batch));
        drop(door);
        self.queued = true;
        self.mailbox.attend(self.id, pending, carried);
        answer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.queued {
            self.mailbox.resolve(self.id, Err(CommitError::Conflict), None);
        }
    }
}

/// No row has this key: tables have letters.
const NOWHERE: [u8; 1] = [0];

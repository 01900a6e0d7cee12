//! Where a message went: who was told what of it, for a fortnight, so that "where is my mail?" has an answer.
//!
//! Holds no address: those of envelope and answer are keyed tokens, the same as in the log's lines, and who
//! asks must have the address already. Rows are sealed like all others, each tenant's under its own key;
//! mail for nobody is kept among the server's own. Bounded by age, by number for each tenant, and in memory; what
//! was taken and what was not are counted apart.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::names::{AddressToken, MessageId, SessionId, TenantId};
use crate::records::{RecordError, Records, Scope, row_key};
use crate::store::ledger::Batch;
use crate::tenant::rows::{ArrivalEntry, ArrivalsRow, RefusalsRow};

/// One addressee of one message, or of one that was not taken, and the answer that the peer got.
#[derive(Clone)]
pub struct Sighting {
    /// Whose mail it is; none if it is nobody's here.
    pub tenant: Option<TenantId>,
    /// When, Unix seconds.
    pub at: i64,
    /// The session.
    pub session: SessionId,
    /// The message, if it was stored.
    pub message: Option<MessageId>,
    /// Whence; none by a Unix socket.
    pub peer: Option<IpAddr>,
    /// The sender's token; none for the null path, or one that was not understood.
    pub from: Option<AddressToken>,
    /// The addressee's token.
    pub to: Option<AddressToken>,
    /// Octets.
    pub size: u64,
    /// The SMTP or LMTP reply code.
    pub reply: u16,
    /// What the reply is about, a constant of this program.
    pub why: String,
}

/// The token of an address in the form for comparison.
pub fn token(records: &Records, address: &str) -> AddressToken {
    let mut token = [0; 10];
    token.copy_from_slice(&records.root().lookup("log", address.as_bytes())[..10]);
    AddressToken::from_bytes(token)
}

impl Sighting {
    /// What became of it, in a word.
    pub fn verdict(&self) -> &'static str {
        match self.reply {
            0..400 => "accepted",
            400..500 => "deferred",
            _ => "refused",
        }
    }

    fn concerns(&self, token: AddressToken) -> bool {
        self.from == Some(token) || self.to == Some(token)
    }
}

/// What was seen lately: kept in memory for moments, then in the ledger.
#[derive(Default)]
pub struct Arrivals {
    fresh: Mutex<Fresh>,
    kept: Mutex<Kept>,
    noted: AtomicU64,
}

/// What is in no row yet.
type Fresh = HashMap<Kind, VecDeque<Noted>>;

/// A sighting, and which one it was since the server's start.
#[derive(Clone)]
struct Noted {
    serial: u64,
    seen: Sighting,
}

/// Strangers can have as much refused as they like: that takes no place from mail that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Taken,
    Refused,
}

/// Whose rows of which kind.
type Place = (Kind, Option<TenantId>);

/// What is known of the rows.
#[derive(Default)]
struct Kept {
    rings: HashMap<Place, Ring>,
    /// When rows were last looked for that are too old, of tenants that have no ring here.
    trimmed: Option<i64>,
}

/// The rows of one place.
#[derive(Default)]
struct Ring {
    /// Their keys without table and tenant, the oldest first.
    keys: VecDeque<[u8; KEY]>,
    /// What is in the last one, if that is still being filled.
    open: Vec<ArrivalEntry>,
}

impl Arrivals {
    /// Keeps a sighting. Under a flood the oldest of its kind that are in no row yet are forgotten; the log has
    /// them.
    pub fn note(&self, seen: Sighting) {
        let mut fresh = held(&self.fresh);
        let serial = self.noted.fetch_add(1, Ordering::Relaxed);
        let queue = fresh.entry(Kind::of(&seen)).or_default();
        if queue.len() >= MOST_FRESH {
            queue.pop_front();
        }
        queue.push_back(Noted { serial, seen });
    }

    /// Moves what was seen into the ledger, and drops what is too old or too much.
    pub async fn flush(&self, records: &Records, now: i64) -> Result<(), RecordError> {
        let fresh = std::mem::take(&mut *held(&self.fresh));
        let mut by_place: HashMap<Place, Vec<Noted>> = HashMap::new();
        for (kind, queue) in fresh {
            let place = |noted: &Noted| (kind, noted.seen.tenant);
            queue.into_iter().for_each(|noted| by_place.entry(place(&noted)).or_default().push(noted));
        }
        let mut batch = Batch::new();
        let made = held(&self.kept).fill(records, &mut batch, by_place, now);
        let done = match made {
            Ok(()) if batch.is_empty() => Ok(()),
            Ok(()) => records.commit(batch).await.map(drop).map_err(RecordError::from),
            Err(error) => Err(error),
        };
        // Nobody knows then which rows there are: they are read anew.
        done.inspect_err(|_| *held(&self.kept) = Kept::default())
    }

    /// What was seen of an address since a fortnight ago, the oldest first: of one tenant's mail, or of
    /// everybody's.
    pub fn find(
        &self,
        records: &Records,
        tenants: &[Option<TenantId>],
        token: AddressToken,
        now: i64,
    ) -> Result<Vec<Sighting>, RecordError> {
        let mut found = Vec::new();
        for tenant in tenants {
            let (scope, owner) = (records.scope(*tenant), owner(*tenant));
            let taken = scope.list::<ArrivalsRow>(&[&owner])?.into_iter().map(|(_, row)| row.entries);
            let refused = scope.list::<RefusalsRow>(&[&owner])?.into_iter().map(|(_, row)| row.entries);
            let seen = taken.chain(refused).flatten();
            let seen = seen.filter_map(|entry| Noted::from_entry(*tenant, entry));
            found.extend(seen.filter(|noted| noted.seen.concerns(token)));
        }
        let concerns = |noted: &&Noted| tenants.contains(&noted.seen.tenant) && noted.seen.concerns(token);
        found.extend(held(&self.fresh).values().flatten().filter(concerns).cloned());
        // Rows go when all in them are too old.
        found.retain(|noted| noted.seen.at >= now - KEPT);
        found.sort_by_key(|noted| (noted.seen.at, noted.serial));
        Ok(found.into_iter().map(|noted| noted.seen).collect())
    }

    /// Forgets a tenant that is being removed; its rows go with the others of the tenant.
    pub fn forget(&self, tenant: TenantId) {
        held(&self.kept).rings.retain(|(_, owner), _| *owner != Some(tenant));
        held(&self.fresh)
            .values_mut()
            .for_each(|queue| queue.retain(|noted| noted.seen.tenant != Some(tenant)));
    }
}

impl Kind {
    const ALL: [Self; 2] = [Self::Taken, Self::Refused];

    fn of(seen: &Sighting) -> Self {
        if seen.reply < 400 { Self::Taken } else { Self::Refused }
    }

    /// The key of a row, or what several keys begin with.
    fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Taken => row_key::<ArrivalsRow>(parts),
            Self::Refused => row_key::<RefusalsRow>(parts),
        }
    }

    fn put(self, scope: &Scope, batch: &mut Batch, parts: &[&[u8]], entries: Vec<ArrivalEntry>) {
        match self {
            Self::Taken => scope.put(batch, parts, &ArrivalsRow { entries }),
            Self::Refused => scope.put(batch, parts, &RefusalsRow { entries }),
        }
    }
}

impl Kept {
    fn fill(
        &mut self,
        records: &Records,
        batch: &mut Batch,
        by_place: HashMap<Place, Vec<Noted>>,
        now: i64,
    ) -> Result<(), RecordError> {
        for (place, seen) in by_place {
            let ring = match self.rings.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(Ring::load(records, place)?),
            };
            ring.fill(records, batch, place, &seen, now);
        }
        self.rings.iter_mut().for_each(|(place, ring)| ring.trim(batch, *place, now));
        if self.trimmed.is_none_or(|at| !(at..at + DAY).contains(&now)) {
            // Once more soon, if there was too much for one batch.
            self.trimmed = (self.trim_others(records, batch, now)? < MOST_TRIMMED).then_some(now);
        }
        Ok(())
    }

    /// Drops rows that are too old where nothing new comes in; how many.
    fn trim_others(&self, records: &Records, batch: &mut Batch, now: i64) -> Result<usize, RecordError> {
        let mut dropped = 0;
        for kind in Kind::ALL {
            let table = kind.key(&[]);
            let mut from = table.clone();
            // From owner to owner, the oldest rows of each: the others are not read.
            while let Some(owner) = first_owner(records, &table, &from)? {
                let prefix = kind.key(&[&owner]);
                if !self.rings.contains_key(&(kind, tenant(owner))) {
                    records.ledger().visit(&prefix, &prefix, &mut |name, _| {
                        let key = <[u8; KEY]>::try_from(&name[prefix.len()..]).ok();
                        if dropped == MOST_TRIMMED || key.is_none_or(|key| !is_old(&key, now)) {
                            return ControlFlow::Break(());
                        }
                        batch.delete(name);
                        dropped += 1;
                        ControlFlow::Continue(())
                    })?;
                }
                from = [&prefix[..], &[0xff; KEY], &[0]].concat();
            }
        }
        Ok(dropped)
    }
}

/// Whose the first row is from `from` on.
fn first_owner(records: &Records, table: &[u8], from: &[u8]) -> Result<Option<[u8; 16]>, RecordError> {
    let mut owner = None;
    records.ledger().visit(table, from, &mut |name, _| {
        owner = name[table.len()..].first_chunk::<16>().copied();
        ControlFlow::Break(())
    })?;
    Ok(owner)
}

impl Ring {
    /// The rows that an earlier run of the server left. None of them is filled up.
    fn load(records: &Records, (kind, tenant): Place) -> Result<Self, RecordError> {
        let mut keys = VecDeque::new();
        let prefix = kind.key(&[&owner(tenant)]);
        records.ledger().visit(&prefix, &prefix, &mut |name, _| {
            keys.extend(<[u8; KEY]>::try_from(&name[prefix.len()..]).ok());
            ControlFlow::Continue(())
        })?;
        Ok(Self { keys, open: Vec::new() })
    }

    fn fill(
        &mut self,
        records: &Records,
        batch: &mut Batch,
        (kind, tenant): Place,
        seen: &[Noted],
        now: i64,
    ) {
        let (scope, owner) = (records.scope(tenant), owner(tenant));
        // No row is of more than a day, so that what is old can go without what is new.
        if self.keys.back().is_none_or(|key| !(0..DAY).contains(&(now - began(key)))) {
            self.open.clear();
        }
        for piece in seen.chunks(ROW) {
            if self.open.is_empty() || self.open.len() + piece.len() > ROW {
                self.keys.push_back(new_key(now));
                self.open.clear();
            }
            self.open.extend(piece.iter().map(Noted::to_entry));
            let Some(key) = self.keys.back() else { continue };
            kind.put(&scope, batch, &[&owner, key], self.open.clone());
        }
    }

    /// Drops what is too old or too much.
    fn trim(&mut self, batch: &mut Batch, (kind, tenant): Place, now: i64) {
        while self.keys.front().is_some_and(|key| self.keys.len() > ROWS || is_old(key, now))
            && let Some(key) = self.keys.pop_front()
        {
            batch.delete(kind.key(&[&owner(tenant), &key]));
        }
        if self.keys.is_empty() {
            self.open.clear();
        }
    }
}

impl Noted {
    fn to_entry(&self) -> ArrivalEntry {
        let Self { serial, seen } = self;
        ArrivalEntry {
            at: seen.at,
            session: seen.session.to_string(),
            message: seen.message.map(|message| message.to_string()),
            peer: seen.peer.map(|peer| peer.to_string()),
            from: seen.from.map(|token| token.as_bytes().to_vec()),
            to: seen.to.map(|token| token.as_bytes().to_vec()),
            size: seen.size,
            reply: seen.reply,
            why: seen.why.clone(),
            serial: Some(*serial),
        }
    }

    fn from_entry(tenant: Option<TenantId>, entry: ArrivalEntry) -> Option<Self> {
        let token = |octets: Option<Vec<u8>>| octets?.try_into().ok().map(AddressToken::from_bytes);
        let serial = entry.serial.unwrap_or(0);
        let seen = Sighting {
            tenant,
            at: entry.at,
            session: entry.session.parse().ok()?,
            message: entry.message.and_then(|message| message.parse().ok()),
            peer: entry.peer.and_then(|peer| peer.parse().ok()),
            from: token(entry.from),
            to: token(entry.to),
            size: entry.size,
            reply: entry.reply,
            why: entry.why,
        };
        Some(Self { serial, seen })
    }
}

/// What the keys of a tenant's rows begin with; zeros for nobody's.
fn owner(tenant: Option<TenantId>) -> [u8; 16] {
    tenant.map_or([0; 16], |tenant| *tenant.as_bytes())
}

/// Whose rows begin with this.
fn tenant(owner: [u8; 16]) -> Option<TenantId> {
    (owner != [0; 16]).then(|| TenantId::from_bytes(owner))
}

/// Later rows come later.
fn new_key(now: i64) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..8].copy_from_slice(&now.to_be_bytes());
    key[8..].copy_from_slice(SessionId::random().as_bytes());
    key
}

/// When a row was begun.
fn began(key: &[u8; KEY]) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&key[..8]);
    i64::from_be_bytes(eight)
}

/// Whether all that is in a row is too old: it was filled for a day at most.
fn is_old(key: &[u8; KEY], now: i64) -> bool {
    began(key) < now - KEPT - DAY
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole at every moment.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time in seconds and random octets.
const KEY: usize = 24;
/// Entries in a row: about 20 KB.
const ROW: usize = 128;
/// Rows of a kind of a tenant: 20,480 entries, 3 MB.
const ROWS: usize = 160;
/// How long they are kept, in seconds: mail that is looked for is looked for within days.
const KEPT: i64 = 14 * DAY;
/// Seconds.
const DAY: i64 = 24 * 60 * 60;
/// Entries of a kind in memory: what the busiest server takes between two looks.
const MOST_FRESH: usize = 16_384;
/// Rows dropped in one batch, of tenants where nothing new comes in.
const MOST_TRIMMED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::keyring::RootKey;
    use crate::store::ledger::{
        Expectation, Ledger, LedgerError, Options, Pending, RedbLedger, Subscription, Visitor,
    };

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);
    const NOW: i64 = 1_800_000_000;

    fn records(folder: &std::path::Path) -> Records {
        let ledger = RedbLedger::open(&folder.join("ledger"), Options::default()).unwrap();
        Records::new(Arc::new(ledger), Arc::new(RootKey::generate()))
    }

    fn seen(records: &Records, tenant: Option<TenantId>, to: &str, at: i64) -> Sighting {
        Sighting {
            tenant,
            at,
            session: SessionId::random(),
            message: Some(MessageId::random()),
            peer: Some([192, 0, 2, 1].into()),
            from: Some(token(records, "bob@b.example")),
            to: Some(token(records, to)),
            size: 7,
            reply: 250,
            why: "stored".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_was_seen_is_found_before_and_after_it_is_in_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let (records, arrivals) = (records(folder.path()), Arrivals::default());
        let token = |address| super::token(&records, address);
        let everybody = [None, Some(TENANT)];
        let found = |arrivals: &Arrivals, address| {
            arrivals
                .find(&records, &everybody, token(address), NOW + 4)
                .unwrap()
                .iter()
                .map(|seen| seen.at)
                .collect::<Vec<_>>()
        };
        arrivals.note(seen(&records, Some(TENANT), "ann@a.example", NOW));
        arrivals.note(seen(&records, None, "nobody@a.example", NOW + 1));
        assert_eq!(found(&arrivals, "ann@a.example"), [NOW]);
        arrivals.flush(&records, NOW + 2).await.unwrap();
        arrivals.note(seen(&records, Some(TENANT), "ann@a.example", NOW + 3));
        arrivals.flush(&records, NOW + 4).await.unwrap();
        assert_eq!(found(&arrivals, "ann@a.example"), [NOW, NOW + 3]);
        assert_eq!(found(&arrivals, "bob@b.example"), [NOW, NOW + 1, NOW + 3]);
        assert_eq!(found(&Arrivals::default(), "nobody@a.example"), [NOW + 1], "after a restart");
        let own = arrivals.find(&records, &[Some(TENANT)], token("nobody@a.example"), NOW).unwrap();
        assert!(own.is_empty(), "another's");
        assert_eq!(token("ann@a.example").to_string().len(), 16);
        assert_ne!(token("ann@a.example"), token("anna@a.example"));
    }

    #[tokio::test]
    async fn it_does_not_grow() {
        let folder = tempfile::tempdir().unwrap();
        let (records, arrivals) = (records(folder.path()), Arrivals::default());
        let rows = || records.tenant(TENANT).list::<ArrivalsRow>(&[TENANT.as_bytes()]).unwrap().len();
        for round in 0..(ROWS as i64 + 10) {
            (0..ROW).for_each(|_| arrivals.note(seen(&records, Some(TENANT), "ann@a.example", NOW)));
            arrivals.flush(&records, NOW + round).await.unwrap();
        }
        assert_eq!(rows(), ROWS);
        let restarted = Arrivals::default();
        restarted.note(seen(&records, Some(TENANT), "ann@a.example", NOW));
        restarted.flush(&records, NOW + 400).await.unwrap();
        assert_eq!(rows(), ROWS);
        restarted.note(seen(&records, Some(TENANT), "ann@a.example", NOW));
        restarted.flush(&records, NOW + 401 + KEPT + DAY).await.unwrap();
        assert_eq!(rows(), 1, "the old ones are gone");
        (0..MOST_FRESH + 5).for_each(|_| restarted.note(seen(&records, None, "x@a.example", NOW)));
        assert_eq!(held(&restarted.fresh)[&Kind::Taken].len(), MOST_FRESH);
    }

    /// When each that is found was seen, after a restart.
    fn found(records: &Records, tenant: Option<TenantId>, now: i64) -> Vec<i64> {
        let token = token(records, "ann@a.example");
        let found = Arrivals::default().find(records, &[tenant], token, now).unwrap();
        found.iter().map(|seen| seen.at).collect()
    }

    #[tokio::test]
    async fn a_fortnight_is_kept_of_a_tenant_with_little_mail() {
        let folder = tempfile::tempdir().unwrap();
        let (records, arrivals) = (records(folder.path()), Arrivals::default());
        let note = |at| arrivals.note(seen(&records, Some(TENANT), "ann@a.example", at));
        let late = NOW + KEPT + 1;
        note(NOW);
        arrivals.flush(&records, NOW).await.unwrap();
        note(late);
        arrivals.flush(&records, late).await.unwrap();
        assert_eq!(found(&records, Some(TENANT), late), [late]);
        // And goes on: the row that is being filled is there.
        note(late + 9);
        arrivals.flush(&records, late + 9).await.unwrap();
        assert_eq!(found(&records, Some(TENANT), late + 9), [late, late + 9]);
        // Whatever the clock does: nothing is written where nobody looks for it.
        note(NOW + 5);
        arrivals.flush(&records, NOW + 5).await.unwrap();
        assert_eq!(found(&records, Some(TENANT), late + 9), [late, late + 9]);
        let much_later = late + 3 * KEPT;
        note(much_later);
        arrivals.flush(&records, much_later).await.unwrap();
        note(much_later + 1);
        arrivals.flush(&records, much_later + 1).await.unwrap();
        assert_eq!(found(&records, Some(TENANT), much_later + 1), [much_later, much_later + 1]);
    }

    #[tokio::test]
    async fn what_is_old_goes_where_nothing_new_comes_in() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        let tenants = [None, Some(TENANT), Some(TenantId::from_bytes([0xff; 16]))];
        let rows = || {
            let count = |kind: Kind| records.ledger().scan(&kind.key(&[]), &[], usize::MAX).unwrap().len();
            Kind::ALL.map(count)
        };
        let arrivals = Arrivals::default();
        for tenant in tenants {
            for at in [NOW, NOW + KEPT] {
                arrivals.note(seen(&records, tenant, "ann@a.example", at));
                arrivals.note(Sighting { reply: 550, ..seen(&records, tenant, "ann@a.example", at) });
                arrivals.flush(&records, at).await.unwrap();
            }
        }
        assert_eq!(rows(), [6, 6]);
        let later = NOW + KEPT + DAY + 1;
        for tenant in tenants {
            assert_eq!(found(&records, tenant, later), [NOW + KEPT; 2], "whether it is gone or not");
        }
        // After a restart, and with rings that are known.
        Arrivals::default().flush(&records, later).await.unwrap();
        assert_eq!(rows(), [3, 3]);
        arrivals.flush(&records, later + KEPT).await.unwrap();
        assert_eq!(rows(), [0, 0]);
    }

    #[tokio::test]
    async fn what_came_in_one_second_is_told_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let (records, arrivals) = (records(folder.path()), Arrivals::default());
        let replies = [550, 250, 451, 250, 250, 550];
        for (place, reply) in (0..).zip(replies) {
            arrivals.note(Sighting { reply, ..seen(&records, Some(TENANT), "ann@a.example", NOW) });
            if place == 2 {
                arrivals.flush(&records, NOW).await.unwrap();
            }
        }
        let found = || {
            let found = arrivals.find(&records, &[Some(TENANT)], token(&records, "ann@a.example"), NOW);
            found.unwrap().iter().map(|seen| seen.reply).collect::<Vec<_>>()
        };
        assert_eq!(found(), replies);
        arrivals.flush(&records, NOW).await.unwrap();
        assert_eq!(found(), replies);
    }

    #[tokio::test]
    async fn strangers_cannot_have_it_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (records, arrivals) = (records(folder.path()), Arrivals::default());
        for tenant in [None, Some(TENANT)] {
            arrivals.note(seen(&records, tenant, "ann@a.example", NOW));
            for part in 0..3 {
                for _ in 0..7_000 {
                    let refused = seen(&records, tenant, "x@a.example", NOW);
                    arrivals.note(Sighting { reply: 550, message: None, ..refused });
                }
                if part > 0 {
                    arrivals.flush(&records, NOW).await.unwrap();
                }
            }
            assert_eq!(found(&records, tenant, NOW), [NOW]);
            let rows = records.ledger().scan(&Kind::Refused.key(&[&owner(tenant)]), &[], usize::MAX).unwrap();
            assert!(rows.len() <= ROWS);
        }
    }

    #[tokio::test]
    async fn a_flush_that_failed_leaves_nothing_out_of_step() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).unwrap();
        let ledger = Arc::new(Flaky::new(ledger));
        let records = Records::new(ledger.clone(), Arc::new(RootKey::generate()));
        let arrivals = Arrivals::default();
        let note = |at| arrivals.note(seen(&records, Some(TENANT), "ann@a.example", at));
        note(NOW);
        arrivals.flush(&records, NOW).await.unwrap();
        ledger.fails.store(true, Ordering::Relaxed);
        note(NOW + 1);
        assert!(arrivals.flush(&records, NOW + 1).await.is_err());
        ledger.fails.store(false, Ordering::Relaxed);
        note(NOW + 2);
        arrivals.flush(&records, NOW + 2).await.unwrap();
        assert_eq!(found(&records, Some(TENANT), NOW + 2), [NOW, NOW + 2]);
        let kept = held(&arrivals.kept).rings[&(Kind::Taken, Some(TENANT))].keys.len();
        let rows = records.tenant(TENANT).list::<ArrivalsRow>(&[TENANT.as_bytes()]).unwrap().len();
        assert_eq!((kept, rows), (2, 2));
    }

    /// A ledger whose commits fail on demand.
    struct Flaky {
        inner: RedbLedger,
        fails: AtomicBool,
    }

    impl Flaky {
        fn new(inner: RedbLedger) -> Self {
            Self { inner, fails: AtomicBool::new(false) }
        }
    }

    impl Ledger for Flaky {
        fn commit(&self, mut batch: Batch) -> Pending {
            if self.fails.load(Ordering::Relaxed) {
                batch.require(b"nothing is here".as_slice(), Expectation::Present);
            }
            self.inner.commit(batch)
        }

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
            self.inner.get(key)
        }

        fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
            self.inner.visit(prefix, from, visit)
        }

        fn watch(&self, prefix: &[u8]) -> Subscription {
            self.inner.watch(prefix)
        }
    }
}

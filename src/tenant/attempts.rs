//! Failed attempts of people whom the server does not know yet: by name, by address, and by one on the
//! other. Names that nobody has are counted as those that somebody has, in the same rows.
//!
//! ```text
//!   one address on one name   4 free, then waits that double, from 5 s to 10 min (see softlock)
//!   one name, all addresses   30, and one more every 5 min: one address alone never fills it
//!   one address, all names    30, and one more every minute
//! ```
//!
//! The table is bounded: 4,096 rows of 16 counts, under a keyed hash that nobody outside can compute.
//! A full row forgets what is paid off first. Time is an argument; no name is stored.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::rows::{AttemptsRow, CountedRow, SoftlockRow};
use super::softlock;
use crate::clock::Timestamp;
use crate::names::Address;
use crate::records::{RecordError, Records, Versioned};
use crate::store::ledger::{Batch, CommitError};

/// What an attempt is counted under.
pub struct Attempt(Vec<Count>);

#[derive(Clone, Copy)]
struct Count {
    bucket: u16,
    tag: u64,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    /// Waits that double.
    Doubling,
    /// So many at once, and one more whenever `every` has passed.
    Bucket { most: i64, every: i64 },
}

/// Why an attempt is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Too many before it; how long to wait.
    #[error("too many failed attempts")]
    Wait(Duration),
    /// It cannot be counted, so it is not looked at.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Attempt {
    /// An attempt on the name that was typed, from an address; none is this machine. `network` stands for
    /// all addresses that one customer has.
    pub fn of_stranger(records: &Records, name: &str, network: Option<IpAddr>) -> Self {
        let name = canonical(name);
        let network = network.map_or_else(|| "local".to_owned(), |address| address.to_string());
        let pair = format!("{network} {name}");
        Self(vec![
            Count::of(records, "attempts-pair", pair.as_bytes(), Limit::Doubling),
            Count::of(records, "attempts-name", name.as_bytes(), BY_NAME),
            Count::of(records, "attempts-network", network.as_bytes(), BY_NETWORK),
        ])
    }

    /// An attempt in a browser or by a program that the server knows: it waits for nobody but itself.
    pub fn of_known(records: &Records, who: &[u8]) -> Self {
        Self(vec![Count::of(records, "attempts-known", who, Limit::Doubling)])
    }

    /// Says whether the attempt is looked at; if not, how long to wait.
    pub fn admit(&self, records: &Records, now: Timestamp) -> Result<(), AttemptError> {
        self.admitted(&self.read(records)?, now)
    }

    /// Durably counts it as failed; a success takes that back. Refuses if others were faster to fill
    /// the count: guessing in parallel wins nothing.
    pub async fn count(&self, records: &Records, now: Timestamp) -> Result<(), AttemptError> {
        self.change(records, |attempt, rows| {
            attempt.admitted(rows, now)?;
            attempt.each(rows, |count, counted| count.failed(counted, now));
            Ok(())
        })
        .await
    }

    /// It was right: what one on the other had before is forgotten, and the rest does not count this.
    pub async fn succeeded(&self, records: &Records) -> Result<(), AttemptError> {
        self.change(records, |attempt, rows| {
            attempt.each(rows, |count, counted| match count.limit {
                Limit::Doubling => (counted.failures, counted.until) = (0, 0),
                Limit::Bucket { every, .. } => counted.until -= every,
            });
            Ok(())
        })
        .await
    }

    /// It came to nothing for a reason of the server's own: it does not count.
    pub async fn take_back(&self, records: &Records, now: Timestamp) -> Result<(), AttemptError> {
        self.change(records, |attempt, rows| {
            attempt.each(rows, |count, counted| match count.limit {
                Limit::Doubling => {
                    counted.failures = counted.failures.saturating_sub(1);
                    counted.until = counted.until.min(now.unix());
                }
                Limit::Bucket { every, .. } => counted.until -= every,
            });
            Ok(())
        })
        .await
    }

    /// Writes once more what is there. For a name that nobody has this stands for the audit entry that
    /// it would be for another one: as many durable writes, in the same time.
    pub async fn write_again(&self, records: &Records) -> Result<(), AttemptError> {
        self.change(records, |_, _| Ok(())).await
    }

    fn admitted(&self, rows: &Rows, now: Timestamp) -> Result<(), AttemptError> {
        let waits = self.0.iter().map(|count| count.wait(count.find(rows), now));
        let wait = waits.max().unwrap_or_default();
        if wait.is_zero() { Ok(()) } else { Err(AttemptError::Wait(wait)) }
    }

    fn each(&self, rows: &mut Rows, change: impl Fn(&Count, &mut CountedRow)) {
        for count in &self.0 {
            change(count, count.find_or_make(rows));
        }
    }

    fn read(&self, records: &Records) -> Result<Rows, RecordError> {
        let mut rows = Rows::new();
        for Count { bucket, .. } in &self.0 {
            let read = records.system().get_versioned::<AttemptsRow>(&[&bucket.to_be_bytes()]);
            let (row, sealed) = match read {
                Ok(Some(Versioned { row, sealed })) => (row, Some(sealed)),
                Ok(None) => (AttemptsRow::default(), None),
                Err(error) => return Err(error),
            };
            rows.insert(*bucket, (row, sealed));
        }
        Ok(rows)
    }

    /// Reads, changes and writes until nobody else was faster.
    async fn change(
        &self,
        records: &Records,
        change: impl Fn(&Self, &mut Rows) -> Result<(), AttemptError>,
    ) -> Result<(), AttemptError> {
        for _ in 0..MAX_CONFLICTS {
            let mut rows = self.read(records)?;
            change(self, &mut rows)?;
            let mut batch = Batch::new();
            for (bucket, (row, sealed)) in rows {
                match sealed {
                    Some(sealed) => {
                        records.system().replace(&mut batch, &[&bucket.to_be_bytes()], sealed, &row);
                    }
                    None => records.system().insert(&mut batch, &[&bucket.to_be_bytes()], &row),
                }
            }
            match records.commit(batch).await {
                Ok(_committed) => return Ok(()),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(RecordError::from(error).into()),
            }
        }
        Err(RecordError::from(CommitError::Conflict).into())
    }
}

type Rows = BTreeMap<u16, (AttemptsRow, Option<Vec<u8>>)>;

impl Count {
    fn of(records: &Records, kind: &'static str, what: &[u8], limit: Limit) -> Self {
        let hash = records.root().lookup(kind, what);
        let (bucket, rest) = hash.split_first_chunk().expect("a hash has 32 octets");
        let tag = rest.first_chunk().expect("and 30 after the first two");
        Self { bucket: u16::from_be_bytes(*bucket) % ROWS, tag: u64::from_be_bytes(*tag), limit }
    }

    fn find(&self, rows: &Rows) -> CountedRow {
        let row = rows.get(&self.bucket).map(|(row, _)| row.counted.as_slice()).unwrap_or_default();
        let found = row.iter().find(|counted| counted.tag == self.tag);
        found.copied().unwrap_or(CountedRow { tag: self.tag, failures: 0, until: 0 })
    }

    fn find_or_make<'a>(&self, rows: &'a mut Rows) -> &'a mut CountedRow {
        let row = &mut rows.entry(self.bucket).or_default().0.counted;
        let at = row.iter().position(|counted| counted.tag == self.tag).unwrap_or_else(|| {
            if row.len() >= IN_A_ROW
                && let Some(first) = (0..row.len()).min_by_key(|at| row[*at].until)
            {
                row.swap_remove(first);
            }
            row.push(CountedRow { tag: self.tag, failures: 0, until: 0 });
            row.len() - 1
        });
        &mut row[at]
    }

    fn wait(&self, counted: CountedRow, now: Timestamp) -> Duration {
        match self.limit {
            Limit::Doubling => softlock::admit(&forgiven(counted, now), now).err().unwrap_or_default(),
            Limit::Bucket { most, every } => {
                let debt = debt(counted, now, most * every);
                Duration::from_secs((debt - (most - 1) * every).max(0).unsigned_abs())
            }
        }
    }

    fn failed(&self, counted: &mut CountedRow, now: Timestamp) {
        match self.limit {
            Limit::Doubling => {
                let next = softlock::after_failure(&forgiven(*counted, now), now);
                (counted.failures, counted.until) = (next.failures, next.until);
            }
            Limit::Bucket { most, every } => {
                counted.failures = counted.failures.saturating_add(1);
                counted.until = now.unix().saturating_add(debt(*counted, now, most * every) + every);
            }
        }
    }
}

/// What is left to pay off at `now`. More than there can be says that the clock was set back.
fn debt(counted: CountedRow, now: Timestamp, most: i64) -> i64 {
    let debt = counted.until.saturating_sub(now.unix());
    if (0..=most).contains(&debt) { debt } else { 0 }
}

/// The count as the soft lock knows one; a day of quiet wipes it out.
fn forgiven(counted: CountedRow, now: Timestamp) -> SoftlockRow {
    let forgotten = now.unix() > counted.until.saturating_add(FORGOTTEN_AFTER);
    let CountedRow { failures, until, .. } = counted;
    if forgotten { SoftlockRow::default() } else { SoftlockRow { failures, until } }
}

/// A name as the directory would look it up, or as typed.
fn canonical(name: &str) -> String {
    let name = name.trim();
    let typed = || name.chars().take(MAX_NAME).flat_map(char::to_lowercase).collect();
    Address::parse(name).map_or_else(|_| typed(), |address| address.reveal())
}

/// One address reaches 4 on a name at once and then 6 in an hour: half of what flows off here.
const BY_NAME: Limit = Limit::Bucket { most: 30, every: 300 };
/// An office behind one address mistypes; a list of a thousand names takes 17 hours.
const BY_NETWORK: Limit = Limit::Bucket { most: 30, every: 60 };
/// Rows of the table: 65,536 counts, about 2 MB.
const ROWS: u16 = 4096;
/// Counts in a row.
const IN_A_ROW: usize = 16;
/// Seconds of quiet after which one on the other begins anew.
const FORGOTTEN_AFTER: i64 = 24 * 60 * 60;
/// Characters of what was typed for a name (RFC 5321 §4.5.3.1.3: a path has 256 octets).
const MAX_NAME: usize = 256;
/// Nobody changes one row so often that this many readings are stale.
const MAX_CONFLICTS: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keyring::RootKey;
    use crate::store::ledger::{Options, RedbLedger};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn records() -> (Records, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        (Records::new(Arc::new(ledger), Arc::new(RootKey::generate())), folder)
    }

    fn at(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    /// How many of so many attempts are looked at, one after the other at the same moment.
    async fn looked_at(records: &Records, name: &str, network: Option<IpAddr>, tries: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..tries {
            let attempt = Attempt::of_stranger(records, name, network);
            admitted += u32::from(attempt.count(records, NOW).await.is_ok());
        }
        admitted
    }

    #[tokio::test]
    async fn one_address_locks_itself_out_and_nobody_else() {
        let (records, _folder) = records();
        for name in ["ann@a.example", "nobody@a.example", "no address at all"] {
            assert_eq!(looked_at(&records, name, at(1), 8).await, 4, "{name}");
            let other = Attempt::of_stranger(&records, name, at(2));
            assert!(other.admit(&records, NOW).is_ok(), "{name}");
        }
        let same = Attempt::of_stranger(&records, " ANN@A.example ", at(1));
        assert!(same.admit(&records, NOW).is_err(), "a name is one however it is written");
        assert!(same.admit(&records, later(5)).is_ok());
    }

    #[tokio::test]
    async fn a_stranger_who_never_stops_does_not_fill_the_name() {
        let (records, _folder) = records();
        let mut seconds = 0;
        for _ in 0..2000 {
            let stranger = Attempt::of_stranger(&records, "ann@a.example", at(1));
            match stranger.count(&records, later(seconds)).await {
                Ok(()) => {}
                Err(AttemptError::Wait(wait)) => seconds += wait.as_secs(),
                Err(error) => panic!("{error}"),
            }
            let ann = Attempt::of_stranger(&records, "ann@a.example", at(2));
            assert!(ann.admit(&records, later(seconds)).is_ok(), "after {seconds} s");
        }
        assert!(seconds > 86_400);
    }

    #[tokio::test]
    async fn many_addresses_fill_the_name_and_one_fills_itself() {
        let (records, _folder) = records();
        let mut guesses = 0;
        for last in 0..60 {
            guesses += looked_at(&records, "ann@a.example", at(last), 1).await;
        }
        assert_eq!(guesses, 30);
        let mut names = 0;
        for name in 0..60 {
            names += looked_at(&records, &format!("{name}@a.example"), at(99), 1).await;
        }
        assert_eq!(names, 30);
        let known = Attempt::of_known(&records, b"a browser of Ann's");
        assert!(known.admit(&records, NOW).is_ok(), "who is known waits for nobody");
        let ann = Attempt::of_stranger(&records, "ann@a.example", at(70));
        assert!(ann.admit(&records, later(301)).is_ok());
    }

    #[tokio::test]
    async fn success_and_trouble_cost_nothing() {
        let (records, _folder) = records();
        let attempt = Attempt::of_stranger(&records, "ann@a.example", at(1));
        for _ in 0..100 {
            attempt.count(&records, NOW).await.expect("looked at");
            attempt.take_back(&records, NOW).await.expect("taken back");
            attempt.count(&records, NOW).await.expect("looked at");
            attempt.succeeded(&records).await.expect("right");
        }
        assert_eq!(looked_at(&records, "ann@a.example", at(1), 8).await, 4);
    }

    #[tokio::test]
    async fn guessing_in_parallel_wins_nothing() {
        let (records, _folder) = records();
        let tries = (0..12).map(|_| looked_at(&records, "ann@a.example", at(1), 1));
        let admitted: u32 = futures::future::join_all(tries).await.into_iter().sum();
        assert_eq!(admitted, 4);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_locks_nobody_out() {
        let (records, _folder) = records();
        looked_at(&records, "ann@a.example", at(1), 40).await;
        let years_back = Timestamp::from_unix(NOW.unix() - 100_000_000);
        let attempt = Attempt::of_stranger(&records, "ann@a.example", at(1));
        assert!(attempt.admit(&records, years_back).is_ok());
    }

    #[test]
    fn a_row_forgets_what_is_paid_off_first() {
        let mut rows = Rows::new();
        let count = |tag| Count { bucket: 7, tag, limit: Limit::Doubling };
        for tag in 0..40 {
            count(tag).find_or_make(&mut rows).until = i64::try_from(100 - tag).expect("small");
        }
        let row = &rows[&7].0.counted;
        assert_eq!(row.len(), IN_A_ROW);
        assert!(row.iter().any(|counted| counted.tag == 0) && row.iter().any(|counted| counted.tag == 39));
    }
}

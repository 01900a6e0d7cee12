//! Walks an audit log from its end backwards, a bounded stretch at a time, and keeps what passes a
//! sieve. A page of a long log so costs what a page of a short one does.

use crate::audit::{AuditError, AuditStore, Entry};
use crate::clock::Timestamp;
use crate::names::{CredentialId, MessageId, TenantId, UserId};

use super::audit_words::{Matter, Names, device_in};

/// Which entries; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sieve {
    /// Only what concerns the reader.
    pub mine: bool,
    /// Of this kind.
    pub matter: Option<Matter>,
    /// That concern this person.
    pub person: Option<UserId>,
    /// That name this device.
    pub device: Option<CredentialId>,
    /// That name this message.
    pub message: Option<MessageId>,
    /// In whose mailbox it is, and its number there, by which lists name it; none for one that is gone.
    pub number: Option<(UserId, u32)>,
    /// Recorded at or after this time.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
}

/// A page of a log, newest first.
pub struct Found {
    /// Numbers and entries; none for an entry that does not read.
    pub rows: Vec<(u64, Option<Entry>)>,
    /// Where the next page begins; none at the beginning of what was asked for.
    pub next: Option<u64>,
    /// Whether the page is full. If not, and there is a next one, the walk ended because it was long.
    pub full: bool,
}

impl Sieve {
    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an entry passes.
    pub fn admits(&self, entry: &Entry, names: &Names) -> bool {
        let draft = &entry.draft;
        (!self.mine || names.concerns_me(draft))
            && self.matter.is_none_or(|matter| Matter::told_by(draft) == matter)
            && self.person.is_none_or(|person| names.concerns(draft, person))
            && self.device.is_none_or(|device| device_in(draft, device))
            && self.message.is_none_or(|message| names.tells_of(draft, message, self.number))
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time < until)
    }

    /// The same for a line as it is stored. One that does not read passes an open sieve only: nobody
    /// can say what it is about.
    pub fn passes(&self, line: &[u8], names: &Names) -> bool {
        self.is_open() || Entry::decode(line).is_ok_and(|entry| self.admits(&entry, names))
    }
}

/// The newest entries before number `before` that pass.
pub async fn page<S: AuditStore>(
    store: &S,
    tenant: TenantId,
    (sieve, names): (&Sieve, &Names),
    before: Option<u64>,
) -> Result<Found, AuditError> {
    let size = store.size(tenant).await?;
    let low = match sieve.since {
        Some(since) => first_at(store, tenant, size, since).await?,
        None => 0,
    };
    let mut end = match sieve.until {
        Some(until) => first_at(store, tenant, size, until).await?,
        None => size,
    }
    .min(before.unwrap_or(size));
    let stop = end.saturating_sub(LONGEST);
    let mut rows = Vec::new();
    while end > low.max(stop) && rows.len() < PAGE {
        let start = end.saturating_sub(STRETCH).max(low);
        let lines = store.entries(tenant, start, usize::try_from(end - start).unwrap_or(0)).await?;
        let mut within = lines.into_iter().filter(|(number, _)| *number < end).collect::<Vec<_>>();
        end = start;
        while let Some((number, line)) = within.pop() {
            let entry = Entry::decode(&line).ok();
            if entry.as_ref().map_or(sieve.is_open(), |entry| sieve.admits(entry, names)) {
                rows.push((number, entry));
            }
            if rows.len() == PAGE {
                end = number;
                break;
            }
        }
        // A stretch takes a millisecond or two; others have their turn in between.
        tokio::task::yield_now().await;
    }
    Ok(Found { full: rows.len() == PAGE, rows, next: (end > low).then_some(end) })
}

/// The number of the first entry at or after a time: a dozen and a half reads in a long log. The
/// clock is taken to run forwards; where it was set back, an entry may be passed over.
async fn first_at<S: AuditStore>(
    store: &S,
    tenant: TenantId,
    size: u64,
    time: Timestamp,
) -> Result<u64, AuditError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let rows = store.entries(tenant, middle, READABLE).await?;
        let read = rows.iter().filter(|(number, _)| *number < high);
        let found = read.filter_map(|(_, line)| Entry::decode(line).ok()).next();
        match found {
            Some(entry) if entry.time < time => low = entry.sequence + 1,
            // What does not read has no time; what stands before it is looked at.
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Entries on a page.
pub const PAGE: usize = 50;
/// Entries read at once: about 50 KB.
const STRETCH: u64 = 256;
/// Entries looked at for one page: some twenty milliseconds' work.
const LONGEST: u64 = 4096;
/// Rows in which one that reads is looked for.
const READABLE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Actor, Draft, Log, MemoryStore, Origin};
    use crate::clock::Clock;
    use std::collections::HashMap;

    fn tenant() -> TenantId {
        TenantId::from_bytes([1; 16])
    }

    fn me() -> UserId {
        UserId::from_bytes([2; 16])
    }

    fn names() -> Names {
        Names {
            me: me(),
            users: HashMap::new(),
            views: HashMap::new(),
            devices: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// A log in which each thirtieth entry is mine; an hour passes at each.
    async fn log(entries: u64) -> Log<MemoryStore> {
        let clock = Clock::manual(Timestamp::from_unix(0));
        let log = Log::new(MemoryStore::default(), clock.clone());
        let mut drafts = Vec::new();
        for number in 0..entries {
            let user = if number % 30 == 0 { me() } else { UserId::from_bytes([3; 16]) };
            drafts.push(Draft::new(Actor::User { user }, Origin::Internal, Act::SignedIn));
            if drafts.len() == 30 || number + 1 == entries {
                clock.set(Timestamp::from_unix(number as i64 / 30 * 3600));
                let _ = log.record_batch(tenant(), std::mem::take(&mut drafts)).await.expect("recorded");
            }
        }
        log
    }

    async fn walk(log: &Log<MemoryStore>, sieve: &Sieve, before: Option<u64>) -> Found {
        page(log.store(), tenant(), (sieve, &names()), before).await.expect("a page")
    }

    fn numbers(found: &Found) -> Vec<u64> {
        found.rows.iter().map(|(number, _)| *number).collect()
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_gaps() {
        let log = log(120).await;
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let found = walk(&log, &Sieve::default(), before).await;
            seen.extend(numbers(&found));
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..120).rev().collect::<Vec<_>>());
        assert!(numbers(&walk(&log, &Sieve::default(), Some(0)).await).is_empty());
    }

    #[tokio::test]
    async fn a_rare_thing_is_looked_for_in_bounds() {
        let log = log(10_000).await;
        let mine = Sieve { mine: true, ..Sieve::default() };
        let found = walk(&log, &mine, None).await;
        assert_eq!((found.rows.len(), found.full), (PAGE, true));

        let never = Sieve { message: Some(MessageId::from_bytes([9; 16])), ..Sieve::default() };
        let found = walk(&log, &never, None).await;
        assert_eq!((found.rows.len(), found.full), (0, false));
        let next = found.next.expect("further back there is more");
        assert!((10_000 - LONGEST - STRETCH..=10_000 - LONGEST).contains(&next), "{next}");
        assert_eq!(walk(&log, &never, Some(LONGEST)).await.next, None);
    }

    #[tokio::test]
    async fn dates_are_found_without_a_walk() {
        let log = log(9_000).await;
        let at = |hour: i64| Some(Timestamp::from_unix(hour * 3600));
        let day = Sieve { since: at(10), until: at(11), ..Sieve::default() };
        let found = walk(&log, &day, None).await;
        assert_eq!(numbers(&found), (300..330).rev().collect::<Vec<_>>());
        assert_eq!(found.next, None);
        let before_all = Sieve { until: at(0), ..Sieve::default() };
        assert!(numbers(&walk(&log, &before_all, None).await).is_empty());
        let after_all = Sieve { since: at(9_999), ..Sieve::default() };
        assert!(numbers(&walk(&log, &after_all, None).await).is_empty());
    }

    #[tokio::test]
    async fn what_does_not_read_is_shown_where_nothing_is_sifted() {
        let log = log(3).await;
        log.store().with(tenant(), |rows| {
            rows.entries.insert(1, b"{}".to_vec());
        });
        let found = walk(&log, &Sieve::default(), None).await;
        let read: Vec<_> = found.rows.iter().map(|(number, entry)| (*number, entry.is_some())).collect();
        assert_eq!(read, [(2, true), (1, false), (0, true)]);
        let mine = Sieve { mine: true, ..Sieve::default() };
        assert_eq!(numbers(&walk(&log, &mine, None).await), [0]);
    }
}

//! Where a message went: who was told what of it, for a fortnight, so that "where is my mail?" has an answer.
//!
//! Holds no address: those of envelope and answer are keyed tokens, the same as in the log's lines, and who
//! asks must have the address already. Rows are sealed like all others, each tenant's under its own key;
//! mail for nobody is kept among the server's own. Bounded by age, by number for each tenant, and in memory.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::names::{AddressToken, MessageId, SessionId, TenantId};
use crate::records::{RecordError, Records, Scope, row_key};
use crate::store::ledger::Batch;
use crate::tenant::rows::{ArrivalEntry, ArrivalsRow};

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
    fresh: Mutex<VecDeque<Sighting>>,
    rings: Mutex<HashMap<Option<TenantId>, Ring>>,
}

/// The rows of one tenant.
#[derive(Default)]
struct Ring {
    /// Their keys without table and tenant, the oldest first; the last is still being filled.
    keys: VecDeque<[u8; KEY]>,
    open: Vec<ArrivalEntry>,
}

impl Arrivals {
    /// Keeps a sighting. Under a flood the oldest that are in no row yet are forgotten; the log has them.
    pub fn note(&self, seen: Sighting) {
        let mut fresh = held(&self.fresh);
        if fresh.len() >= MOST_FRESH {
            fresh.pop_front();
        }
        fresh.push_back(seen);
    }

    /// Moves what was seen into the ledger, and drops what is too old or too much.
    pub async fn flush(&self, records: &Records, now: i64) -> Result<(), RecordError> {
        let fresh = std::mem::take(&mut *held(&self.fresh));
        if fresh.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        let mut by_tenant: HashMap<Option<TenantId>, Vec<Sighting>> = HashMap::new();
        fresh.into_iter().for_each(|seen| by_tenant.entry(seen.tenant).or_default().push(seen));
        for (tenant, seen) in by_tenant {
            self.fill(records, &mut batch, tenant, seen, now)?;
        }
        let _committed = records.commit(batch).await?;
        Ok(())
    }

    /// What was seen of an address, the oldest first: of one tenant's mail, or of everybody's.
    pub fn find(
        &self,
        records: &Records,
        tenants: &[Option<TenantId>],
        token: AddressToken,
    ) -> Result<Vec<Sighting>, RecordError> {
        let mut found = Vec::new();
        for tenant in tenants {
            for (_, row) in scope(records, *tenant).list::<ArrivalsRow>(&[&owner(*tenant)])? {
                let seen = row.entries.into_iter().filter_map(|entry| Sighting::from_entry(*tenant, entry));
                found.extend(seen.filter(|seen| seen.concerns(token)));
            }
        }
        let fresh = held(&self.fresh);
        let fresh = fresh.iter().filter(|seen| tenants.contains(&seen.tenant) && seen.concerns(token));
        found.extend(fresh.cloned());
        found.sort_by_key(|seen| seen.at);
        Ok(found)
    }

    fn fill(
        &self,
        records: &Records,
        batch: &mut Batch,
        tenant: Option<TenantId>,
        seen: Vec<Sighting>,
        now: i64,
    ) -> Result<(), RecordError> {
        let (mut rings, scope, owner) = (held(&self.rings), scope(records, tenant), owner(tenant));
        let ring = match rings.entry(tenant) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Ring::load(records, &owner)?),
        };
        for piece in seen.chunks(ROW) {
            if ring.open.is_empty() || ring.open.len() + piece.len() > ROW {
                ring.keys.push_back(new_key(now));
                ring.open.clear();
            }
            ring.open.extend(piece.iter().map(Sighting::to_entry));
            let Some(key) = ring.keys.back() else { continue };
            scope.put(batch, &[&owner, key], &ArrivalsRow { entries: ring.open.clone() });
        }
        let is_over = |ring: &Ring| {
            let oldest = ring.keys.front().map(|key| i64::from_be_bytes(first_eight(key)));
            ring.keys.len() > ROWS || oldest.is_some_and(|at| at < now - KEPT)
        };
        while is_over(ring)
            && let Some(key) = ring.keys.pop_front()
        {
            batch.delete(row_key::<ArrivalsRow>(&[&owner, &key]));
        }
        Ok(())
    }

    /// Forgets a tenant that is being removed; its rows go with the others of the tenant.
    pub fn forget(&self, tenant: TenantId) {
        held(&self.rings).remove(&Some(tenant));
        held(&self.fresh).retain(|seen| seen.tenant != Some(tenant));
    }
}

impl Ring {
    /// The rows that an earlier run of the server left. None of them is filled up.
    fn load(records: &Records, owner: &[u8; 16]) -> Result<Self, RecordError> {
        let mut keys = VecDeque::new();
        let prefix = row_key::<ArrivalsRow>(&[owner]);
        records.ledger().visit(&prefix, &prefix, &mut |name, _| {
            keys.extend(<[u8; KEY]>::try_from(&name[prefix.len()..]).ok());
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(Self { keys, open: Vec::new() })
    }
}

impl Sighting {
    fn to_entry(&self) -> ArrivalEntry {
        ArrivalEntry {
            at: self.at,
            session: self.session.to_string(),
            message: self.message.map(|message| message.to_string()),
            peer: self.peer.map(|peer| peer.to_string()),
            from: self.from.map(|token| token.as_bytes().to_vec()),
            to: self.to.map(|token| token.as_bytes().to_vec()),
            size: self.size,
            reply: self.reply,
            why: self.why.clone(),
        }
    }

    fn from_entry(tenant: Option<TenantId>, entry: ArrivalEntry) -> Option<Self> {
        let token = |octets: Option<Vec<u8>>| octets?.try_into().ok().map(AddressToken::from_bytes);
        Some(Self {
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
        })
    }
}

fn scope(records: &Records, tenant: Option<TenantId>) -> Scope {
    records.scope(tenant)
}

/// What the keys of a tenant's rows begin with; zeros for nobody's.
fn owner(tenant: Option<TenantId>) -> [u8; 16] {
    tenant.map_or([0; 16], |tenant| *tenant.as_bytes())
}

/// Later rows come later.
fn new_key(now: i64) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..8].copy_from_slice(&now.to_be_bytes());
    key[8..].copy_from_slice(SessionId::random().as_bytes());
    key
}

fn first_eight(key: &[u8; KEY]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&key[..8]);
    eight
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole at every moment.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time in seconds and random octets.
const KEY: usize = 24;
/// Entries in a row: about 20 KB.
const ROW: usize = 128;
/// Rows of a tenant: 20,480 entries, 3 MB.
const ROWS: usize = 160;
/// How long they are kept, in seconds: mail that is looked for is looked for within days.
const KEPT: i64 = 14 * 24 * 60 * 60;
/// Entries in memory: what the busiest server takes between two looks.
const MOST_FRESH: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keyring::RootKey;
    use crate::store::ledger::{Options, RedbLedger};

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
                .find(&records, &everybody, token(address))
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
        let own = arrivals.find(&records, &[Some(TENANT)], token("nobody@a.example")).unwrap();
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
        restarted.flush(&records, NOW + 400 + KEPT).await.unwrap();
        assert_eq!(rows(), 1, "the old ones are gone");
        (0..MOST_FRESH + 5).for_each(|_| restarted.note(seen(&records, None, "x@a.example", NOW)));
        assert_eq!(held(&restarted.fresh).len(), MOST_FRESH);
    }
}

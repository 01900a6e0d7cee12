//! The log as JSON lines, whole or filtered.

use serde::Deserialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::entry::{Actor, Moment};
use super::error::AuditError;
use super::store::AuditStore;
use crate::clock::Timestamp;
use crate::names::TenantId;

/// Which entries; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Recorded at or after this time.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
    /// Done by this actor.
    pub actor: Option<Actor>,
    /// Of this kind, as the entry prints it: `message_revealed`.
    pub act: Option<String>,
}

/// Writes the entries that pass the filter, one line each, byte for byte as they are hashed; gives their
/// number. Reads page by page. Entries that cannot be read pass an empty filter only.
pub async fn export<S, W>(
    store: &S,
    tenant: TenantId,
    filter: &Filter,
    out: &mut W,
) -> Result<u64, AuditError>
where
    S: AuditStore,
    W: AsyncWrite + Unpin,
{
    let size = store.size(tenant).await?;
    let (mut next, mut written) = (0, 0);
    while next < size {
        let rows = store.entries(tenant, next, PAGE).await?;
        let Some((last, _)) = rows.last() else { break };
        next = last.saturating_add(1).max(next + 1);
        for (_, line) in rows.iter().filter(|(number, line)| *number < size && filter.passes(line)) {
            out.write_all(&[line, &b"\n"[..]].concat()).await.map_err(failed)?;
            written += 1;
        }
    }
    out.flush().await.map_err(failed)?;
    Ok(written)
}

impl Filter {
    fn passes(&self, line: &[u8]) -> bool {
        *self == Self::default() || serde_json::from_slice(line).is_ok_and(|glance| self.admits(&glance))
    }

    fn admits(&self, entry: &Glance) -> bool {
        self.since.is_none_or(|since| entry.time.0 >= since)
            && self.until.is_none_or(|until| entry.time.0 < until)
            && self.actor.is_none_or(|actor| entry.actor == Some(actor))
            && self.act.as_ref().is_none_or(|act| entry.act.kind == *act)
    }
}

/// What a filter looks at; of entries by a newer Veilpost too.
#[derive(Deserialize)]
struct Glance {
    time: Moment,
    #[serde(default, deserialize_with = "known_actor")]
    actor: Option<Actor>,
    act: Kind,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// An actor of a kind that this program does not know matches no filter.
fn known_actor<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Actor>, D::Error> {
    Ok(Actor::deserialize(serde_json::Value::deserialize(input)?).ok())
}

fn failed(error: std::io::Error) -> AuditError {
    AuditError::Output(error.kind())
}

/// Rows per read: at most 8 MB of the longest entries, usually 80 KB.
const PAGE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::act::{Act, Protocol};
    use super::super::entry::{Draft, Entry, Origin};
    use super::super::log::Log;
    use super::super::memory::MemoryStore;
    use super::*;
    use crate::clock::Clock;
    use crate::names::UserId;

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);

    /// 600 entries, one a second from 0; each third by a user, each second a view's opening.
    async fn log() -> MemoryStore {
        let store = MemoryStore::default();
        let clock = Clock::manual(Timestamp::from_unix(0));
        let log = Log::new(store.clone(), clock.clone());
        for second in 0..600 {
            clock.set(Timestamp::from_unix(second));
            let actor = if second % 3 == 0 { user() } else { Actor::Server };
            let act = if second % 2 == 0 {
                Act::ViewOpened { protocol: Protocol::Pop3 }
            } else {
                Act::PolicyLoaded
            };
            drop(log.record(TENANT, Draft::new(actor, Origin::Internal, act)).await.unwrap());
        }
        store
    }

    fn user() -> Actor {
        Actor::User { user: UserId::from_bytes([2; 16]) }
    }

    async fn seconds(store: &MemoryStore, filter: Filter) -> Vec<i64> {
        let mut out = Vec::new();
        let written = export(store, TENANT, &filter, &mut out).await.unwrap();
        let entries: Vec<_> = out.split_inclusive(|octet| *octet == b'\n').collect();
        assert_eq!(entries.len() as u64, written);
        entries.iter().map(|line| Entry::decode(line.trim_ascii_end()).unwrap().time.unix()).collect()
    }

    #[tokio::test]
    async fn everything_is_exported_in_order() {
        assert_eq!(seconds(&log().await, Filter::default()).await, (0..600).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn filters_narrow_it() {
        let store = log().await;
        let since = Some(Timestamp::from_unix(100));
        let until = Some(Timestamp::from_unix(110));
        let window = Filter { since, until, ..Filter::default() };
        assert_eq!(seconds(&store, window.clone()).await, (100..110).collect::<Vec<_>>());
        let by_user = Filter { actor: Some(user()), ..window.clone() };
        assert_eq!(seconds(&store, by_user.clone()).await, [102, 105, 108]);
        let openings = Filter { act: Some("view_opened".to_owned()), ..by_user };
        assert_eq!(seconds(&store, openings).await, [102, 108]);
        assert!(seconds(&store, Filter { act: Some("view".to_owned()), ..window }).await.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_exported_as_it_is() {
        let store = log().await;
        store.with(TENANT, |rows| {
            rows.entries.insert(5, b"garbage".to_vec());
            rows.entries.insert(
                6,
                br#"{"v":9,"time":"1970-01-01T00:00:06Z","actor":{"kind":"owl"},"act":{"kind":"hoot"}}"#
                    .to_vec(),
            );
            rows.entries.insert(700, b"past the end".to_vec());
        });
        let mut out = Vec::new();
        assert_eq!(export(&store, TENANT, &Filter::default(), &mut out).await.unwrap(), 600);
        assert!(out.windows(8).any(|window| window == b"garbage\n"));
        let hoots = Filter { act: Some("hoot".to_owned()), ..Filter::default() };
        assert_eq!(export(&store, TENANT, &hoots, &mut Vec::new()).await.unwrap(), 1);
    }
}

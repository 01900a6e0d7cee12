//! The messages of the audit page by sender and subject, while their owner has unlocked.
//!
//! They are read when they are shown, by the same door as any list, and kept nowhere. That they are shown
//! is an entry itself (`messages_listed`): one for all messages of a page that this unlock has not shown
//! before, so that loading a page again, or turning back to it, adds nothing to the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::House;
use super::audit::Row;
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::words;
use crate::audit::Recorded;
use crate::names::MessageId;
use crate::owner::mail::OwnerReader;
use crate::owner::sessions::SessionId;

/// What a session has been shown by name: by the message's number, the entries that name it.
type Shown = HashMap<u32, Arc<Vec<Recorded>>>;

/// What each session has been shown by name.
#[derive(Default)]
pub struct Named(Mutex<HashMap<SessionId, Shown>>);

impl Named {
    /// The entries that this session has been shown a message under.
    fn under(&self, session: &SessionId, uid: u32) -> Option<Arc<Vec<Recorded>>> {
        self.held().get(session)?.get(&uid).cloned()
    }

    fn note(&self, session: SessionId, recorded: Vec<Recorded>, uids: &[u32]) {
        let mut named = self.held();
        if named.len() >= MOST_SESSIONS {
            named.clear();
        }
        let shown = named.entry(session).or_default();
        if shown.len() > MOST_MESSAGES {
            shown.clear();
        }
        let recorded = Arc::new(recorded);
        shown.extend(uids.iter().map(|uid| (*uid, recorded.clone())));
    }

    /// The next unlock begins anew.
    pub fn forget(&self, session: &SessionId) {
        self.held().remove(session);
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Shown>> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the visitor's own messages in these rows.
pub async fn name(house: &House, visitor: &Visitor, rows: &mut [Row]) -> Result<(), Trouble> {
    let messages: BTreeSet<MessageId> = rows.iter().filter_map(Row::own_message).collect();
    if visitor.open_until().is_none() || messages.is_empty() {
        return Ok(());
    }
    let unlocked = visitor.unlocked(house)?;
    let mut reader = OwnerReader::new(&house.vault, &unlocked)?;
    let session = visitor.visit.id;
    let mut found = Vec::with_capacity(messages.len());
    for message in messages {
        found.extend(reader.number_of(message).await?.map(|uid| (uid, message)));
    }
    let uids = found.iter().map(|(uid, _)| *uid);
    let new: Vec<u32> = uids.filter(|uid| house.named.under(&session, *uid).is_none()).collect();
    if !new.is_empty() {
        let recorded = reader.record_list(new.iter().copied()).await?;
        house.named.note(session, recorded, &new);
    }
    let mut names = HashMap::new();
    for (uid, message) in found {
        // Forgotten meanwhile: then the mail is locked, and nothing is shown.
        let Some(recorded) = house.named.under(&session, uid) else { continue };
        if let Some(summary) = reader.name(uid, &recorded).await? {
            let subject = if summary.subject.is_empty() { "(no subject)" } else { &summary.subject };
            names.insert(message, format!("“{subject}” from {}", words::short_name(&summary.from)));
        }
    }
    for row in rows {
        row.about = row.own_message().and_then(|message| names.get(&message).cloned());
    }
    Ok(())
}

/// Sessions that are remembered.
const MOST_SESSIONS: usize = 1024;
/// Messages that are remembered of each.
const MOST_MESSAGES: usize = 4096;

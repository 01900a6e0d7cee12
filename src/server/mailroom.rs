//! Opens views for the gateway. The one door to masked mail: an app password opens a keyslot, the
//! audit entry is durable, then the view's manifests open, and nothing else does.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::door::{Door, Session, Standing};
use crate::audit::{self, Act, Recorded};
use crate::gateway::mailroom::{Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError};
use crate::policy::OnDelete;
use crate::records::RecordError;
use crate::store::ledger::Batch;
use crate::tenant::rows::{HiddenRow, MessageRow, StaleSizeRow, ViewEntry};
use crate::vault::Vault;
use crate::vault::masked::{MaskError, Masked, Shelf};
use crate::wire::pop3::UniqueId;
use crate::wire::sasl::Credentials;
use bytes::Bytes;

/// The mailroom over a vault.
pub struct Desk(Arc<Door>);

impl Mailroom for Desk {
    type Maildrop = OpenView;

    async fn open(&self, credentials: &Credentials, peer: Option<IpAddr>) -> Result<OpenView, OpenError> {
        Ok(OpenView { session: self.0.open(audit::Protocol::Pop3, credentials, peer).await? })
    }
}

impl Desk {
    /// A mailroom behind this door.
    pub fn new(door: Arc<Door>) -> Self {
        Self(door)
    }
}

/// An open view, for one session. Dropping it locks it.
pub struct OpenView {
    session: Session,
}

impl Maildrop for OpenView {
    /// A UID.
    type Handle = u32;
    type Message = Masked;

    async fn snapshot(&mut self) -> Result<Vec<Entry<u32>>, MaildropError> {
        self.session.still_valid().map_err(standing)?;
        let (vault, shelf) = (self.session.vault.clone(), self.session.reader.shelf().clone());
        // A large mailbox takes a tenth of a second: not here, where other sessions wait.
        let rows = tokio::task::spawn_blocking(move || rows(&shelf, &vault)).await;
        let rows = rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        let Rows { fresh: mut entries, stale } =
            rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        for (uid, row, entry) in stale {
            if let Some(size) = self.stale_size(uid, &row).await? {
                let unique_id = unique_id(self.session.reader.shelf(), &self.session.vault, &row, &entry);
                entries.push(Entry { size, unique_id, handle: uid });
            }
        }
        entries.sort_unstable_by_key(|entry| entry.handle);
        Ok(entries)
    }

    async fn retrieve(&mut self, uid: u32, extent: Extent) -> Result<Masked, MaildropError> {
        self.session.still_valid().map_err(standing)?;
        let row = self.row(uid)?;
        self.session.reader.shelf().entry(&row).ok_or(MaildropError::Gone)?;
        let recorded = self.record_fetch(&row, extent).await?;
        let masked = self.session.reader.open(uid, &row, &recorded).await.map_err(told)?;
        self.session.vault.metrics.retrieved.inc();
        self.session.vault.metrics.retrieved_bytes.inc_by(masked.size());
        Ok(masked)
    }

    async fn delete(&mut self, uids: Vec<u32>) -> Result<(), MaildropError> {
        self.session.still_valid().map_err(standing)?;
        let on_delete =
            self.session.reader.shelf().checked_policy(&self.session.vault).map_err(told)?.on_delete;
        let scope = self.session.vault.records.tenant(self.session.reader.shelf().user.tenant);
        let at = self.session.vault.clock.now().unix();
        let mut batch = Batch::new();
        for uid in uids {
            let number = uid.to_be_bytes();
            match on_delete {
                OnDelete::Hide => scope.put(
                    &mut batch,
                    &[self.session.reader.shelf().view.as_bytes(), &number],
                    &HiddenRow { at },
                ),
                OnDelete::Trash => self.trash(&mut batch, &number)?,
            }
        }
        match self.session.vault.records.commit(batch).await {
            Ok(_committed) => Ok(()),
            Err(error) => Err(failed("a deletion cannot be committed", &error)),
        }
    }
}

/// The messages of a view.
struct Rows {
    /// Those whose size is known.
    fresh: Vec<Entry<u32>>,
    /// Those that an older rendering left.
    stale: Vec<(u32, MessageRow, ViewEntry)>,
}

/// Walks the mailbox; blocks.
fn rows(shelf: &Shelf, vault: &Vault) -> Result<Rows, RecordError> {
    let scope = vault.records.tenant(shelf.user.tenant);
    let hidden = hidden(shelf, vault)?;
    let mut rows = Rows { fresh: Vec::new(), stale: Vec::new() };
    scope.visit::<MessageRow>(&[shelf.user.user.as_bytes()], &[], |key, row| {
        // A row that does not open is skipped; the rest is served.
        if let (Ok(key), Ok(row)) = (<[u8; 4]>::try_from(key), row)
            && !row.trashed
            && hidden.binary_search(&u32::from_be_bytes(key)).is_err()
        {
            put(shelf, vault, &mut rows, u32::from_be_bytes(key), row);
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn put(shelf: &Shelf, vault: &Vault, rows: &mut Rows, uid: u32, row: MessageRow) {
    let Some(entry) = shelf.entry(&row) else { return };
    if shelf.is_stale(entry) {
        let entry = entry.clone();
        return rows.stale.push((uid, row, entry));
    }
    let unique_id = unique_id(shelf, vault, &row, entry);
    rows.fresh.push(Entry { size: entry.octets, unique_id, handle: uid });
}

/// UIDs that clients of this view have deleted, sorted.
fn hidden(shelf: &Shelf, vault: &Vault) -> Result<Vec<u32>, RecordError> {
    let mut hidden = Vec::new();
    let scope = vault.records.tenant(shelf.user.tenant);
    scope.visit::<HiddenRow>(&[shelf.view.as_bytes()], &[], |key, _| {
        hidden.extend(<[u8; 4]>::try_from(key).map(u32::from_be_bytes));
        ControlFlow::Continue(())
    })?;
    Ok(hidden)
}

/// Another one for every rendering of a message (law 6), and in every view.
fn unique_id(shelf: &Shelf, vault: &Vault, row: &MessageRow, entry: &ViewEntry) -> UniqueId {
    let mut named = [0; 40];
    named[..16].copy_from_slice(shelf.view.as_bytes());
    named[16..32].copy_from_slice(row.message.as_bytes());
    named[32..36].copy_from_slice(&entry.generation.to_be_bytes());
    if shelf.is_stale(entry) {
        named[36..].copy_from_slice(&shelf.generation.to_be_bytes());
    }
    let hash = vault.records.root().lookup("unique-id", &named);
    UniqueId::from_bytes(*hash.first_chunk().expect("16 of 32 octets"))
}

impl OpenView {
    fn row(&self, uid: u32) -> Result<MessageRow, MaildropError> {
        let scope = self.session.vault.records.tenant(self.session.reader.shelf().user.tenant);
        let row =
            scope.get::<MessageRow>(&[self.session.reader.shelf().user.user.as_bytes(), &uid.to_be_bytes()]);
        row.map_err(|error| failed("a row cannot be read", &error))?
            .filter(|row| !row.trashed)
            .ok_or(MaildropError::Gone)
    }

    async fn record_fetch(&self, row: &MessageRow, extent: Extent) -> Result<Recorded, MaildropError> {
        let extent = match extent {
            Extent::Whole => audit::Extent::Whole,
            Extent::Top { lines } => audit::Extent::Top { lines: u64::from(lines) },
        };
        let act = Act::MessageFetched { message: row.message, extent };
        let recorded = self.session.record(vec![act]).await;
        recorded.ok().and_then(|mut recorded| recorded.pop()).ok_or(MaildropError::Unavailable)
    }

    /// The size of an old message under today's policy; computed once and kept.
    async fn stale_size(&mut self, uid: u32, row: &MessageRow) -> Result<Option<u64>, MaildropError> {
        let scope = self.session.vault.records.tenant(self.session.reader.shelf().user.tenant);
        let (view, number) = (self.session.reader.shelf().view, uid.to_be_bytes());
        let parts: [&[u8]; 2] = [view.as_bytes(), &number];
        let kept: Option<StaleSizeRow> =
            scope.get(&parts).map_err(|error| failed("a size cannot be read", &error))?;
        if let Some(kept) = kept.filter(|kept| kept.generation == self.session.reader.shelf().generation) {
            return Ok(kept.octets);
        }
        let octets = match self.session.reader.open(uid, row, &self.session.opening).await {
            Err(MaskError::Damaged) => return Ok(None),
            Err(MaskError::Gone) => None,
            masked => Some(masked.map_err(told)?.size()),
        };
        let mut batch = Batch::new();
        scope.put(
            &mut batch,
            &parts,
            &StaleSizeRow { generation: self.session.reader.shelf().generation, octets },
        );
        drop(self.session.vault.records.commit(batch));
        Ok(octets)
    }

    fn trash(&self, batch: &mut Batch, number: &[u8; 4]) -> Result<(), MaildropError> {
        let scope = self.session.vault.records.tenant(self.session.reader.shelf().user.tenant);
        let parts: [&[u8]; 2] = [self.session.reader.shelf().user.user.as_bytes(), number];
        let read = scope
            .get_versioned::<MessageRow>(&parts)
            .map_err(|error| failed("a row cannot be read", &error))?;
        if let Some(read) = read {
            let row = MessageRow { trashed: true, ..read.row };
            scope.replace(batch, &parts, read.sealed, &row);
        }
        Ok(())
    }
}

impl MessageStream for Masked {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, MaildropError> {
        self.next_window_aside().await.map_err(told)
    }
}

fn told(error: MaskError) -> MaildropError {
    match error {
        MaskError::Damaged => MaildropError::Damaged,
        MaskError::Gone => MaildropError::Gone,
        MaskError::Unavailable => MaildropError::Unavailable,
    }
}

fn standing(standing: Standing) -> MaildropError {
    match standing {
        // The next session sees the new rendering; the password is as good as before.
        Standing::Changed | Standing::Unknown => MaildropError::Unavailable,
        Standing::Revoked => MaildropError::Revoked,
    }
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> MaildropError {
    tracing::error!(%error, "{what}");
    MaildropError::Unavailable
}

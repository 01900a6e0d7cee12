//! The owner reads: lists, whole messages, exports, deletions. The one door to whole mail (law 5):
//! `open` asks for an audit entry that is already durable.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::lines::{Known, Line, keep, line};
use super::{OwnerError, Unlocked, step_up};
use crate::audit::{Act, Draft, Extent, Purpose, Recorded};
use crate::mailbox::FolderId;
use crate::names::{MessageId, Reader};
use crate::seal::{Container, OpenedOriginal, UnsealError};
use crate::store::ledger::Batch;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::mailboxes;
use crate::vault::pages::{self, Among, Rows, Start};
use crate::vault::read::{self, ReadError};
use crate::vault::seeds::{ReaderKeys, SeedError};
use crate::vault::summary::{HEAD, Summary};
use crate::wipe::Wiped;

/// A message in the owner's list.
pub struct Listed {
    /// Its UID.
    pub uid: u32,
    /// Its row.
    pub row: MessageRow,
    /// Where it is.
    pub folder: FolderId,
    /// From and Subject, decoded; or that it is damaged.
    pub shown: Result<(String, String), OwnerError>,
}

/// A whole message.
pub struct Whole {
    /// Its UID.
    pub uid: u32,
    /// Its row.
    pub row: MessageRow,
    /// Its octets, with our trace header.
    pub octets: Wiped,
    /// The audit entry that allowed it.
    pub recorded: Recorded,
}

/// Opens messages of an unlocked user.
pub struct OwnerReader<'a> {
    vault: &'a Arc<Vault>,
    unlocked: &'a Unlocked,
    keys: ReaderKeys,
}

impl<'a> OwnerReader<'a> {
    /// Reads the mail of the unlocked user.
    pub fn new(vault: &'a Arc<Vault>, unlocked: &'a Unlocked) -> Result<Self, OwnerError> {
        let reader = Reader::Owner(unlocked.user.tenant);
        let identity = crate::keyring::Identity::parse(&unlocked.key.0.reveal())?;
        Ok(Self { vault, unlocked, keys: ReaderKeys::new(reader, identity) })
    }

    /// The vault it reads.
    pub(super) fn vault(&self) -> &Arc<Vault> {
        self.vault
    }

    /// Whose mail it reads.
    pub(super) fn user(&self) -> UserRef {
        self.unlocked.user
    }

    /// At most `limit` messages below UID `before`, newest first, the trash too. The whole call is
    /// one audit entry.
    pub async fn list(&mut self, before: Option<u32>, limit: usize) -> Result<Vec<Listed>, OwnerError> {
        let start = before.map_or(Start::Newest, Start::Before);
        let rows = pages::page(self.vault, self.unlocked.user, Among::default(), start, limit).await?;
        let recorded = self.record_list(rows.iter().map(|(uid, _)| *uid)).await?;
        let mut listed = Vec::with_capacity(rows.len());
        let mut batch = Batch::new();
        for (uid, row) in rows {
            let shown = self.summary(&mut batch, uid, &row, &recorded).await;
            let shown = match shown {
                Ok(summary) => Ok((summary.from, summary.subject)),
                Err(error @ OwnerError::Damaged(_)) => Err(error),
                Err(error) => return Err(error),
            };
            let folder = pages::folder_of(self.vault, self.unlocked.user, uid).await?;
            listed.push(Listed { uid, row, folder: folder.unwrap_or(FolderId::INBOX), shown });
        }
        keep(self.vault, batch);
        Ok(listed)
    }

    /// These rows as lines of a list. The whole call is one audit entry.
    pub(super) async fn lines(&mut self, rows: Rows) -> Result<Vec<Line>, OwnerError> {
        let recorded = self.record_list(rows.iter().map(|(uid, _)| *uid)).await?;
        let mut lines = Vec::with_capacity(rows.len());
        let mut batch = Batch::new();
        for (uid, row) in rows {
            let shown = match self.summary(&mut batch, uid, &row, &recorded).await {
                Ok(summary) => Known::Summary(summary),
                Err(OwnerError::Damaged(_)) => Known::Damaged,
                Err(error) => return Err(error),
            };
            lines.push(line(uid, &row, shown));
        }
        keep(self.vault, batch);
        Ok(lines)
    }

    /// Where a message is, if it is there.
    pub async fn number_of(&self, message: MessageId) -> Result<Option<u32>, OwnerError> {
        Ok(pages::number_of(self.vault, self.unlocked.user, message).await?)
    }

    /// Sender and subject of a message that a recorded list names, if it is there and whole.
    pub async fn name(&mut self, uid: u32, recorded: &[Recorded]) -> Result<Option<Summary>, OwnerError> {
        let (row, mut batch) = (self.row(uid)?, Batch::new());
        let summary = match self.summary(&mut batch, uid, &row, recorded).await {
            Err(OwnerError::Damaged(_) | OwnerError::NotFound(_)) => None,
            summary => Some(summary?),
        };
        keep(self.vault, batch);
        Ok(summary)
    }

    /// Refuses a message that waits for a code of its own, before anything of it is shown.
    pub fn may_open(&self, uid: u32) -> Result<(), OwnerError> {
        self.may_show(&self.row(uid)?)
    }

    /// What a list shows of a message: as it was kept, else read from the message.
    async fn summary(
        &mut self,
        batch: &mut Batch,
        uid: u32,
        row: &MessageRow,
        recorded: &[Recorded],
    ) -> Result<Summary, OwnerError> {
        let names = |proof: &&Recorded| proof.opens(Purpose::Listing, row.message, uid);
        let recorded = recorded.iter().find(names).ok_or(OwnerError::OtherTenant)?;
        if let Some(summary) = self.keys.kept_summary(self.vault, uid, row, 0) {
            return Ok(summary);
        }
        let opened = self.open(uid, row, (recorded, Purpose::Listing)).await?;
        let summary = Summary::of(&opened.render_range(0..opened.size().min(HEAD))?.collect()?);
        self.keys.keep_summary(self.vault, batch, (uid, row, 0), &summary);
        Ok(summary)
    }

    /// One whole message, by UID or identifier.
    pub async fn read(&mut self, name: &str) -> Result<Whole, OwnerError> {
        let (uid, row) = self.find(name).await?;
        self.reveal(uid, row, Extent::Whole).await
    }

    /// One whole message by its UID, of which `extent` is going to be shown.
    pub async fn reveal_uid(&mut self, uid: u32, extent: Extent) -> Result<Whole, OwnerError> {
        let row = self.row(uid)?;
        self.reveal(uid, row, extent).await
    }

    /// One whole message whose showing is in the audit log already.
    pub async fn again(&mut self, uid: u32, recorded: &Recorded) -> Result<Wiped, OwnerError> {
        let row = self.row(uid)?;
        self.may_show(&row)?;
        if recorded.message() != Some(row.message) {
            return Err(OwnerError::NotFound("message"));
        }
        let opened = self.open(uid, &row, (recorded, Purpose::Whole)).await?;
        self.whole(opened).await
    }

    /// Refuses a message that waits for a code of its own.
    pub(super) fn may_show(&self, row: &MessageRow) -> Result<(), OwnerError> {
        let may = step_up::may_show(self.vault, self.unlocked, row.message)?;
        may.then_some(()).ok_or(OwnerError::CodeNeeded)
    }

    async fn reveal(&mut self, uid: u32, row: MessageRow, extent: Extent) -> Result<Whole, OwnerError> {
        self.may_show(&row)?;
        let recorded = self.record(Act::MessageRevealed { message: row.message, extent }).await?;
        let opened = self.open(uid, &row, (&recorded, Purpose::Whole)).await?;
        let octets = self.whole(opened).await?;
        Ok(Whole { uid, row, octets, recorded })
    }

    /// One whole message that leaves the vault.
    pub async fn export(&mut self, uid: u32, row: MessageRow) -> Result<Whole, OwnerError> {
        self.may_show(&row)?;
        let recorded = self.record(Act::MessageExported { message: row.message }).await?;
        let opened = self.open(uid, &row, (&recorded, Purpose::Whole)).await?;
        let octets = self.whole(opened).await?;
        Ok(Whole { uid, row, octets, recorded })
    }

    /// All octets of an opened message; its SHA-256 is checked. They are read where they hold up nobody, within
    /// what the user may have in memory, and carry the permit with them.
    pub(super) async fn whole(&self, opened: OpenedOriginal) -> Result<Wiped, OwnerError> {
        let lease = self.vault.reading.take(self.unlocked.user.user, opened.size() * COPIES).await;
        // The permit is where the work is: that goes on when nobody waits for it any more.
        let reading = tokio::task::spawn_blocking(move || {
            let octets: Wiped = opened.render()?.collect()?;
            Ok::<_, UnsealError>(octets.within(Arc::new(lease)))
        });
        Ok(reading.await.map_err(|_| OwnerError::Stopping)??)
    }

    /// All rows of the mailbox, oldest first. A row that does not open is left out, and logged.
    pub fn rows(&self) -> Result<Vec<(u32, MessageRow)>, OwnerError> {
        let user = self.unlocked.user;
        let mut rows = Vec::new();
        self.vault.records.tenant(user.tenant).visit::<MessageRow>(
            &[user.user.as_bytes()],
            &[],
            |key, row| {
                match (<[u8; 4]>::try_from(key).map(u32::from_be_bytes), row) {
                    (Ok(uid), Ok(row)) => rows.push((uid, row)),
                    _ => tracing::error!(user = %user.user, "a message row does not open"),
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(rows)
    }

    /// Opens the owner's manifest of a message, if the entry is of this tenant and lets it be opened for
    /// that.
    pub(super) async fn open(
        &mut self,
        uid: u32,
        row: &MessageRow,
        (recorded, purpose): (&Recorded, Purpose),
    ) -> Result<OpenedOriginal, OwnerError> {
        let tenant = self.unlocked.user.tenant;
        if recorded.tenant() != tenant || !recorded.opens(purpose, row.message, uid) {
            return Err(OwnerError::OtherTenant);
        }
        let read = match read::container(self.vault, self.unlocked.user, uid, row).await {
            Err(ReadError::Damaged) => return Err(UnsealError::Layout.into()),
            Err(ReadError::Gone) => return Err(OwnerError::NotFound("message")),
            Err(ReadError::Records(error)) => return Err(error.into()),
            Err(ReadError::Blobs(error)) => return Err(error.into()),
            Err(ReadError::Audit(error)) => return Err(error.into()),
            Err(ReadError::Stopping) => return Err(OwnerError::Stopping),
            Ok(read) => read,
        };
        match self.open_manifest(row, read) {
            Ok(opened) => Ok(opened),
            Err(SeedError::Blobs(error)) => Err(error.into()),
            Err(SeedError::Records(error)) => Err(error.into()),
            Err(SeedError::Unseal(error)) => match read::tell_damage(self.vault, tenant, row).await {
                Err(ReadError::Audit(error)) => Err(error.into()),
                _ => Err(OwnerError::Damaged(error)),
            },
        }
    }

    fn open_manifest(&self, row: &MessageRow, container: Container) -> Result<OpenedOriginal, SeedError> {
        let tenant = self.unlocked.user.tenant;
        let manifest = container.manifest_of(Reader::Owner(tenant)).ok_or(UnsealError::NoManifest)?;
        let key = self.keys.message_key(self.vault, manifest)?;
        Ok(OpenedOriginal::open(container, tenant, row.message, &key)?)
    }

    /// The message called `name`: its UID, or its identifier.
    pub(super) async fn find(&self, name: &str) -> Result<(u32, MessageRow), OwnerError> {
        if let Ok(uid) = name.parse::<u32>() {
            return Ok((uid, self.row(uid)?));
        }
        let message: MessageId = name.parse().map_err(|_| OwnerError::NotFound("message"))?;
        let number = pages::number_of(self.vault, self.unlocked.user, message).await?;
        let number = number.ok_or(OwnerError::NotFound("message"))?;
        Ok((number, self.row(number)?))
    }

    /// The identifier of the message called `name`.
    pub async fn named(&self, name: &str) -> Result<MessageId, OwnerError> {
        Ok(self.find(name).await?.1.message)
    }

    /// The identifier of a message; it is in the row, and opens nothing.
    pub fn message(&self, uid: u32) -> Result<MessageId, OwnerError> {
        Ok(self.row(uid)?.message)
    }

    pub(super) fn row(&self, uid: u32) -> Result<MessageRow, OwnerError> {
        let user = self.unlocked.user;
        let row = self.vault.records.tenant(user.tenant).get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
        row.ok_or(OwnerError::NotFound("message"))
    }

    /// Records that a list of these messages is about to be shown: the entries name them.
    pub async fn record_list(&self, uids: impl Iterator<Item = u32>) -> Result<Vec<Recorded>, OwnerError> {
        let by = self.unlocked.by();
        let mut acts = Act::listed(uids);
        if acts.is_empty() {
            acts.push(Act::ListRead { messages: 0 });
        }
        let drafts = acts.into_iter().map(|act| Draft::new(by.actor, by.origin, act)).collect();
        Ok(self.vault.audit.record_batch(self.unlocked.user.tenant, drafts).await?)
    }

    pub(super) async fn record(&self, act: Act) -> Result<Recorded, OwnerError> {
        let by = self.unlocked.by();
        let draft = Draft::new(by.actor, by.origin, act);
        Ok(self.vault.audit.record(self.unlocked.user.tenant, draft).await?)
    }
}

/// Finds a message by its identifier.
pub async fn find(vault: &Vault, user: UserRef, message: MessageId) -> Result<Option<u32>, OwnerError> {
    Ok(pages::number_of(vault, user, message).await?)
}

/// Moves a message to the trash, or back to INBOX. It reveals nothing and needs no unlock.
pub async fn set_trashed(vault: &Vault, user: UserRef, uid: u32, trashed: bool) -> Result<(), OwnerError> {
    let folder = pages::folder_of(vault, user, uid).await?.ok_or(OwnerError::NotFound("message"))?;
    if trashed != (folder == FolderId::TRASH) {
        let target = if trashed { FolderId::TRASH } else { FolderId::INBOX };
        mailboxes::relocate(vault, user, &[uid], target).await?;
    }
    Ok(())
}

/// Removes a message for good: its row, so that nothing refers to it, then its container with every
/// manifest in it.
pub async fn delete(vault: &Arc<Vault>, unlocked: &Unlocked, name: &str) -> Result<MessageId, OwnerError> {
    let (uid, row) = OwnerReader::new(vault, unlocked)?.find(name).await?;
    let by = unlocked.by();
    mailboxes::destroy(vault, unlocked.user, &[uid], by.actor, by.origin).await?;
    Ok(row.message)
}

/// How often a message that is shown is in memory: its octets, its parts, the page that is made of them.
const COPIES: u64 = 3;

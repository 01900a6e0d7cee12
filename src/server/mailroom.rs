//! Opens views for the gateway. The one door to masked mail: an app password opens a keyslot, the
//! audit entry is durable, then the view's manifests open, and nothing else does.

use std::net::IpAddr;
use std::sync::Arc;

use super::door::{Door, Session, Standing};
use crate::audit::{self, Act, Recorded};
use crate::gateway::mailroom::{Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError};
use crate::mailbox::{FolderId, Roll};
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::mailboxes::{self, Deletion, RollState, Size};
use crate::vault::masked::{MaskError, Masked, Shelf};
use crate::vault::pages::{self, Listed};
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
    /// A message's number.
    type Handle = u32;
    type Message = Masked;

    async fn snapshot(&mut self) -> Result<Vec<Entry<u32>>, MaildropError> {
        self.session.still_valid().map_err(standing)?;
        let (vault, shelf) = (self.session.vault.clone(), self.session.reader.shelf().clone());
        let roll = self.roll().await?;
        let listed = pages::listing(&vault, &shelf, &roll).await;
        let listed = listed.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        let entries = move || listed.iter().map(|listed| entry(&shelf, &vault, listed)).collect();
        // In a large mailbox, hashing takes a tenth of a second: not here, where other sessions wait.
        let entries = tokio::task::spawn_blocking(entries).await;
        entries.map_err(|error| failed("a mailbox cannot be listed", &error))
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

    async fn delete(&mut self, numbers: Vec<u32>) -> Result<(), MaildropError> {
        self.session.still_valid().map_err(standing)?;
        let Session { vault, reader, origin, .. } = &self.session;
        let shelf = reader.shelf();
        let on_delete = shelf.checked_policy(vault).map_err(told)?.on_delete;
        let deletion = Deletion { on_delete, actor: self.session.actor(), origin: *origin };
        let deleted = mailboxes::delete_numbers(vault, shelf, FolderId::INBOX, &numbers, deletion).await;
        deleted.map_err(|error| failed("a deletion cannot be committed", &error))
    }
}

fn entry(shelf: &Shelf, vault: &Vault, listed: &Listed) -> Entry<u32> {
    Entry { size: listed.octets, unique_id: unique_id(shelf, vault, listed), handle: listed.number }
}

/// Another one for every rendering of a message (law 6), in every view, and for every copy.
fn unique_id(shelf: &Shelf, vault: &Vault, listed: &Listed) -> UniqueId {
    let mut named = Vec::with_capacity(44);
    named.extend_from_slice(shelf.view.as_bytes());
    named.extend_from_slice(listed.message.as_bytes());
    named.extend_from_slice(&listed.generation.to_be_bytes());
    let is_stale = listed.generation < shelf.generation;
    named.extend_from_slice(&if is_stale { shelf.generation } else { 0 }.to_be_bytes());
    if listed.copy {
        named.extend_from_slice(&listed.number.to_be_bytes());
    }
    let hash = vault.records.root().lookup("unique-id", &named);
    UniqueId::from_bytes(*hash.first_chunk().expect("16 of 32 octets"))
}

impl OpenView {
    fn row(&self, number: u32) -> Result<MessageRow, MaildropError> {
        let user = self.session.reader.shelf().user;
        let scope = self.session.vault.records.tenant(user.tenant);
        let row = scope.get::<MessageRow>(&[user.user.as_bytes(), &number.to_be_bytes()]);
        row.map_err(|error| failed("a row cannot be read", &error))?.ok_or(MaildropError::Gone)
    }

    /// INBOX, with the sizes that today's policy gives to messages of older ones.
    async fn roll(&self) -> Result<Roll, MaildropError> {
        let Session { vault, reader, .. } = &self.session;
        for _ in 0..MAX_SIZINGS {
            let state = mailboxes::roll(vault, reader.shelf(), FolderId::INBOX).await;
            match state.map_err(|error| failed("a mailbox cannot be listed", &error))? {
                RollState::Ready(roll) => return Ok(roll),
                RollState::Changed => return Err(standing(Standing::Changed)),
                RollState::Unsized(numbers) => {
                    let mut sizes = Vec::with_capacity(numbers.len());
                    for number in numbers {
                        sizes.push((number, self.size(number).await?));
                    }
                    mailboxes::sized(vault, reader.shelf(), &sizes);
                }
            }
        }
        Err(MaildropError::Unavailable)
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

    /// The size of an old message under today's policy. The opening of the view stands for it in the audit
    /// log: nothing of it leaves.
    async fn size(&self, number: u32) -> Result<Size, MaildropError> {
        let row = match self.row(number) {
            Err(MaildropError::Gone) => return Ok(Size::LeftOut),
            row => row?,
        };
        match self.session.reader.open(number, &row, &self.session.opening).await {
            Ok(masked) => Ok(Size::Octets(masked.size())),
            Err(MaskError::Gone) => Ok(Size::LeftOut),
            Err(MaskError::Damaged) => Ok(Size::Damaged),
            Err(error) => Err(told(error)),
        }
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

/// How often sizes of older renderings are looked for before the session is told to come back: mail that is
/// sealed again meanwhile makes new ones.
const MAX_SIZINGS: usize = 8;

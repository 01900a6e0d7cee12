//! The IMAP gateway's room over a vault: folders and flags from the mailboxes, messages through the view's
//! renderer. Each command asks first whether the session may go on; whatever is opened is in the audit log
//! before, by name.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::door::{Door, Session, Standing};
use crate::audit::{self, Act, PartPath, Recorded};
use crate::clock::Timestamp;
use crate::gateway::imap::room::{
    Account, AccountError, Depth, Extent, ImapRoom, Messages, OpenMessage, Placed, Sight, Stored, Upload,
};
use crate::gateway::mailroom::OpenError;
use crate::mailbox::{Entry, FlagChange, Folder, FolderId, Roll};
use crate::message::Plaintext;
use crate::names::MessageId;
use crate::records::row_key;
use crate::seal::EnvelopeFacts;
use crate::store::ledger::Subscription;
use crate::tenant::registry;
use crate::tenant::rows::{CredentialRow, MessageRow, UserRow, ViewRow};
use crate::vault::bulk::{self, Octets, Opening, Prepared, Want};
use crate::vault::mailboxes::{self, BoxError, Deletion, RollState, Size};
use crate::vault::masked::MaskError;
use crate::vault::seal::{Arrival, SealingError, make_room, seal};
use crate::vault::usage::Room;
use crate::wipe::Wiped;
use crate::wire::sasl::Credentials;

/// Where IMAP sessions come in.
pub struct ImapDesk(Arc<Door>);

impl ImapDesk {
    /// A room behind this door.
    pub fn new(door: Arc<Door>) -> Self {
        Self(door)
    }
}

impl ImapRoom for ImapDesk {
    type Account = OpenAccount;

    async fn log_in(
        &self,
        credentials: &Credentials,
        peer: Option<IpAddr>,
    ) -> Result<OpenAccount, OpenError> {
        Ok(OpenAccount::new(self.0.open(audit::Protocol::Imap, credentials, peer).await?))
    }
}

/// An open view with its folders, for one session. Dropping it locks it.
pub struct OpenAccount {
    session: Session,
    /// The user's mailbox moved on.
    moved: watch::Receiver<u64>,
    /// The credential, the view or the user changed: the session may be over.
    standing: [Subscription; 3],
}

impl OpenAccount {
    fn new(session: Session) -> Self {
        let (shelf, ledger) = (session.shelf(), session.vault.records.ledger());
        let user = shelf.user;
        let standing = [
            ledger.watch(&row_key::<CredentialRow>(&[session.lookup()])),
            ledger.watch(&row_key::<ViewRow>(&[user.user.as_bytes(), shelf.view.as_bytes()])),
            ledger.watch(&row_key::<UserRow>(&[user.tenant.as_bytes(), user.user.as_bytes()])),
        ];
        let moved = mailboxes::watch(&session.vault, user);
        Self { session, moved, standing }
    }

    fn still_valid(&self) -> Result<(), AccountError> {
        self.session.still_valid().map_err(|standing| match standing {
            Standing::Changed => AccountError::Changed,
            Standing::Revoked => AccountError::Revoked,
            Standing::Unknown => AccountError::Unavailable,
        })
    }

    /// What a delete by this view does, and who does it.
    fn deletion(&self) -> Result<Deletion, AccountError> {
        let policy = self.session.shelf().checked_policy(&self.session.vault).map_err(masked)?;
        let (actor, origin) = (self.session.actor(), self.session.origin);
        Ok(Deletion { on_delete: policy.on_delete, actor, origin })
    }

    /// The sizes of messages that were sealed for an older policy, as today's shows them. The opening of the view stands for it in the audit log: nothing of them leaves.
    async fn sizes(&self, numbers: Vec<u32>) -> Result<Vec<(u32, Size)>, AccountError> {
        let (reader, opening) = (self.session.reader.clone(), self.session.opening.clone());
        let sizes = move || {
            let scope = reader.vault().records.tenant(reader.shelf().user.tenant);
            let size = |number: u32| {
                let user = reader.shelf().user.user;
                let row = scope.get::<MessageRow>(&[user.as_bytes(), &number.to_be_bytes()]);
                let Some(row) = row.map_err(|_| MaskError::Unavailable)? else { return Ok(Size::LeftOut) };
                match reader.open_now(number, &row, reader.proof(number, &row, &opening)?) {
                    Ok(masked) => Ok(Size::Octets(masked.size())),
                    Err(MaskError::Gone) => Ok(Size::LeftOut),
                    // What does not open is not listed; everybody who must know has been told.
                    Err(MaskError::Damaged) => Ok(Size::Damaged),
                    Err(error) => Err(error),
                }
            };
            numbers.into_iter().map(|number| Ok((number, size(number)?))).collect::<Result<Vec<_>, _>>()
        };
        let sizes = tokio::task::spawn_blocking(sizes).await.map_err(|_| AccountError::Unavailable)?;
        sizes.map_err(masked)
    }

    /// Records what is about to be given out; the entries, and how many messages each stands for.
    async fn record(
        &self,
        entries: &[Entry],
        extent: &Extent,
    ) -> Result<(Vec<Recorded>, usize), AccountError> {
        let (acts, each) = match audited(extent) {
            None => (Act::listed(entries.iter().map(|entry| entry.number)), usize::MAX),
            Some(extent) => {
                let messages: Vec<MessageId> = entries.iter().map(|entry| entry.message).collect();
                (Act::fetched(&messages, &extent), Act::MOST_MESSAGES)
            }
        };
        let mut recorded = Vec::with_capacity(acts.len());
        let mut acts = acts.into_iter().peekable();
        while acts.peek().is_some() {
            let batch = acts.by_ref().take(MOST_ENTRIES).collect();
            recorded.extend(self.session.record(batch).await.map_err(|_| AccountError::Unavailable)?);
        }
        Ok((recorded, each))
    }

    async fn placed(&mut self, target: FolderId, uids: Vec<(u32, u32)>) -> Result<Placed, AccountError> {
        Ok(Placed { uid_validity: self.roll(target).await?.uid_validity, uids })
    }
}

impl Account for OpenAccount {
    type Messages = Outgoing;

    async fn folders(&mut self) -> Result<Vec<Folder>, AccountError> {
        self.still_valid()?;
        mailboxes::folders(&self.session.vault, self.session.shelf().user).await.map_err(boxed)
    }

    async fn create(&mut self, path: &str) -> Result<FolderId, AccountError> {
        self.still_valid()?;
        mailboxes::create_folder(&self.session.vault, self.session.shelf().user, path).await.map_err(boxed)
    }

    async fn remove(&mut self, folder: FolderId) -> Result<(), AccountError> {
        self.still_valid()?;
        let deletion = self.deletion()?;
        let Session { vault, reader, .. } = &self.session;
        mailboxes::remove_folder(vault, reader.shelf(), folder, deletion).await.map_err(boxed)
    }

    async fn rename(&mut self, folder: FolderId, path: &str) -> Result<(), AccountError> {
        self.still_valid()?;
        let Session { vault, reader, .. } = &self.session;
        mailboxes::rename_folder(vault, reader.shelf(), folder, path).await.map_err(boxed)
    }

    async fn subscribe(&mut self, path: &str, subscribed: bool) -> Result<(), AccountError> {
        self.still_valid()?;
        let user = self.session.shelf().user;
        mailboxes::subscribe(&self.session.vault, user, path, subscribed).await.map_err(boxed)
    }

    async fn bare_subscriptions(&mut self) -> Result<Vec<String>, AccountError> {
        self.still_valid()?;
        mailboxes::bare_subscriptions(&self.session.vault, self.session.shelf().user).await.map_err(boxed)
    }

    async fn roll(&mut self, folder: FolderId) -> Result<Roll, AccountError> {
        self.still_valid()?;
        for _ in 0..MAX_SIZINGS {
            let Session { vault, reader, .. } = &self.session;
            match mailboxes::roll(vault, reader.shelf(), folder).await.map_err(boxed)? {
                RollState::Ready(roll) => return Ok(roll),
                RollState::Changed => return Err(AccountError::Changed),
                RollState::Unsized(numbers) => {
                    let sizes = self.sizes(numbers).await?;
                    mailboxes::sized(vault, reader.shelf(), &sizes);
                }
            }
        }
        Err(AccountError::Unavailable)
    }

    async fn changed(&mut self) {
        self.session.reader.keys().rest(0);
        let [credential, view, user] = &mut self.standing;
        tokio::select! {
            moved = self.moved.changed() => {
                if moved.is_err() {
                    // The picture it told of was dropped; the next one may be ahead.
                    self.moved = mailboxes::watch(&self.session.vault, self.session.shelf().user);
                }
            }
            () = credential.changed() => {}
            () = view.changed() => {}
            () = user.changed() => {}
        }
    }

    async fn store(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> Result<Stored, AccountError> {
        self.still_valid()?;
        let Session { vault, reader, .. } = &self.session;
        let modified = mailboxes::set_flags(vault, reader.shelf(), folder, &uids, &change, unchanged_since);
        Ok(Stored { modified: modified.await.map_err(boxed)? })
    }

    async fn copy(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> Result<Placed, AccountError> {
        self.still_valid()?;
        let Session { vault, reader, .. } = &self.session;
        let uids = mailboxes::copy(vault, reader.shelf(), folder, &uids, target).await.map_err(boxed)?;
        self.placed(target, uids).await
    }

    async fn shift(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> Result<Placed, AccountError> {
        self.still_valid()?;
        let Session { vault, reader, .. } = &self.session;
        let uids = mailboxes::shift(vault, reader.shelf(), folder, &uids, target).await.map_err(boxed)?;
        self.placed(target, uids).await
    }

    async fn expunge(&mut self, folder: FolderId, uids: Vec<u32>) -> Result<(), AccountError> {
        self.still_valid()?;
        let deletion = self.deletion()?;
        let Session { vault, reader, .. } = &self.session;
        mailboxes::delete(vault, reader.shelf(), folder, &uids, deletion).await.map_err(boxed)
    }

    async fn append(&mut self, folder: FolderId, upload: Upload) -> Result<Placed, AccountError> {
        self.still_valid()?;
        let (vault, user) = (self.session.vault.clone(), self.session.shelf().user);
        self.require_room(upload.octets.len() as u64).await?;
        let received = upload.received.map_or_else(|| vault.clock.now(), Timestamp::from_unix);
        let envelope = EnvelopeFacts {
            reverse_path: String::new(),
            addressee: String::new(),
            protocol: UPLOADED.to_owned(),
        };
        let content = Plaintext::from(upload.octets);
        let room = make_room(&vault, user, content.expose().len()).await;
        let (message, uploader) = (MessageId::random(), Some(self.session.shelf().view));
        let arrival = Arrival { user, message, content, received, envelope, uploader, room };
        let stored = seal(&vault, arrival).await.map_err(sealing)?;
        let shelf = self.session.shelf();
        let uid = mailboxes::append(&vault, shelf, stored, folder, &upload.flags).await.map_err(boxed)?;
        self.placed(folder, vec![(uid, uid)]).await
    }

    async fn open(&mut self, entries: Vec<Entry>, extent: Extent) -> Result<Outgoing, AccountError> {
        self.still_valid()?;
        let proofs = self.record(&entries, &extent).await?;
        let want = if extent == Extent::Listing { Want::Structure } else { Want::Octets };
        Ok(Outgoing(Opening::begin(&self.session.reader, entries, want, proofs)))
    }

    async fn scan<T, F>(
        &mut self,
        entries: Vec<Entry>,
        depth: Depth,
        look: F,
    ) -> Result<Vec<Option<T>>, AccountError>
    where
        T: Send + 'static,
        F: Fn(&Entry, Sight<'_>) -> T + Send + Sync + 'static,
    {
        self.still_valid()?;
        let want = if depth == Depth::Structure { Want::Structure } else { Want::Octets };
        let look =
            move |entry: &Entry, structure: &[u8], octets: &[u8]| look(entry, Sight { structure, octets });
        // The opening of the view stands for it in the audit log: what leaves is which messages match.
        let Session { reader, opening, .. } = &self.session;
        Ok(bulk::scan(reader, entries, want, opening, Arc::new(look)).await)
    }
}

impl OpenAccount {
    /// Refuses an upload that does not fit. What it is weighed against is what the view shows, and not what the
    /// mailbox holds: that would tell how large hidden mail is (law 2).
    async fn require_room(&self, octets: u64) -> Result<(), AccountError> {
        let Session { vault, reader, .. } = &self.session;
        let user =
            registry::user(&vault.records, reader.shelf().user).map_err(|_| AccountError::Unavailable)?;
        let Some(quota) = user.and_then(|user| user.quota) else { return Ok(()) };
        let used = mailboxes::shown(vault, reader.shelf()).await.map_err(boxed)?;
        if (Room { quota, used }).takes(octets) { Ok(()) } else { Err(AccountError::OverQuota) }
    }
}

/// Messages on their way out.
pub struct Outgoing(Opening);

impl Messages for Outgoing {
    type Message = Outbound;

    async fn next(&mut self) -> Option<(Entry, Result<Outbound, AccountError>)> {
        let (entry, opened) = self.0.next().await?;
        Some((entry, opened.map(Outbound).map_err(masked)))
    }
}

/// A message on its way out.
pub struct Outbound(Prepared);

impl OpenMessage for Outbound {
    fn structure(&self) -> &[u8] {
        &self.0.structure
    }

    async fn octets(&mut self, range: Range<u64>) -> Result<Bytes, AccountError> {
        match &self.0.octets {
            Octets::None => Ok(Bytes::new()),
            Octets::Here(octets) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(octets.len());
                let (start, end) = (place(range.start), place(range.end));
                Ok(octets.slice(start.min(end)..end))
            }
            Octets::Apart(_) => self.apart(range).await,
        }
    }
}

impl Outbound {
    /// Octets of a large message, which are read from the disk: on a thread that may wait.
    async fn apart(&mut self, range: Range<u64>) -> Result<Bytes, AccountError> {
        let Octets::Apart(message) = std::mem::replace(&mut self.0.octets, Octets::None) else {
            return Ok(Bytes::new());
        };
        let reading = tokio::task::spawn_blocking(move || (message.range(range), message));
        let (read, message) = reading.await.map_err(|_| AccountError::Unavailable)?;
        self.0.octets = Octets::Apart(message);
        read.map(Bytes::from_owner::<Wiped>).map_err(masked)
    }
}

/// How the audit log says how much a client was given; none for what lists show.
fn audited(extent: &Extent) -> Option<audit::Extent> {
    match extent {
        Extent::Listing => None,
        Extent::Header => Some(audit::Extent::Header),
        Extent::Whole => Some(audit::Extent::Whole),
        Extent::Parts(parts) => {
            let path = |numbers: &Vec<u32>| {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                PartPath::parse(&numbers.join("."))
            };
            // A path that cannot be said is said to be all of the message.
            let paths: Option<Vec<PartPath>> = parts.iter().map(path).collect();
            Some(paths.filter(|paths| !paths.is_empty()).map_or(audit::Extent::Whole, audit::Extent::parts))
        }
    }
}

fn boxed(error: BoxError) -> AccountError {
    match error {
        BoxError::NoFolder => AccountError::NoFolder,
        BoxError::Changed => AccountError::Changed,
        BoxError::Exists => AccountError::FolderExists,
        BoxError::Fixed => AccountError::Fixed,
        BoxError::HasChildren => AccountError::HasChildren,
        BoxError::Name(error) => error.into(),
        BoxError::Limit => AccountError::Limit,
        BoxError::OverQuota => AccountError::OverQuota,
        error => {
            tracing::error!(%error, "a mailbox does not do as asked");
            AccountError::Unavailable
        }
    }
}

fn masked(error: MaskError) -> AccountError {
    match error {
        MaskError::Damaged => AccountError::Damaged,
        MaskError::Gone => AccountError::Gone,
        MaskError::Unavailable => AccountError::Unavailable,
    }
}

fn sealing(error: SealingError) -> AccountError {
    tracing::warn!(%error, "an upload was not stored");
    match error {
        SealingError::ReaderGone => AccountError::Changed,
        _ => AccountError::Unavailable,
    }
}

/// How an uploaded message came, for its owner's manifest.
const UPLOADED: &str = "IMAP";
/// Audit entries written together.
const MOST_ENTRIES: usize = 1024;
/// How often sizes of older renderings are looked for before the session is told to come back: mail that is
/// sealed again meanwhile makes new ones.
const MAX_SIZINGS: usize = 8;

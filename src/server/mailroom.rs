//! Opens views for the gateway. The one door to masked mail: an app password opens a keyslot, the
//! audit entry is durable, then the view's manifests open, and nothing else does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::audit::{self, Act, Actor, Draft, Origin, Recorded};
use crate::clock::Timestamp;
use crate::gateway::mailroom::{Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError};
use crate::keyring::{AppPassword, Identity, KeySlot, SlotBinding};
use crate::names::{Address, CredentialId};
use crate::net::metrics::{Outcome, Protocol};
use crate::policy::OnDelete;
use crate::records::RecordError;
use crate::store::ledger::Batch;
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    CredentialRow, HiddenRow, LastUsedRow, MessageRow, StaleSizeRow, ViewEntry, ViewRow,
};
use crate::vault::Vault;
use crate::vault::masked::{MaskError, Masked, Shelf, ViewReader};
use crate::wire::pop3::UniqueId;
use crate::wire::sasl::Credentials;

/// The mailroom over a vault.
pub struct Desk {
    vault: Arc<Vault>,
    refused: Refusals,
}

impl Mailroom for Desk {
    type Maildrop = OpenView;

    async fn open(&self, credentials: &Credentials, peer: Option<IpAddr>) -> Result<OpenView, OpenError> {
        let origin = peer.map_or(Origin::UnixSocket, |address| Origin::Ip { address });
        let opened = match authenticate(&self.vault, credentials) {
            Ok(Login::Opened(opened)) => *opened,
            Ok(Login::Refused(claimed)) => {
                self.vault.metrics.login(Protocol::pop3, Outcome::failed);
                self.refused.note(&self.vault, claimed, origin);
                return Err(OpenError::Refused);
            }
            Err(error) => return Err(unavailable("a login cannot be checked", &error)),
        };
        let view = self
            .enter(opened, origin)
            .await
            .map_err(|error| unavailable("a view cannot be opened", &error))?;
        self.vault.metrics.login(Protocol::pop3, Outcome::ok);
        Ok(view)
    }
}

impl Desk {
    /// A mailroom over this vault.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, refused: Refusals::default() }
    }

    /// Records the opening, durably, and hands out the view.
    async fn enter(&self, opened: Opened, origin: Origin) -> Result<OpenView, audit::AuditError> {
        let Opened { lookup, row, view: view_row, identity } = opened;
        let actor = Actor::View { view: row.view, credential: row.credential };
        let act = Act::ViewOpened { protocol: audit::Protocol::Pop3 };
        // Queued first, so that both ride in one commit.
        note_use(&self.vault, &row);
        let opening = self.vault.audit.record(row.tenant, Draft::new(actor, origin, act)).await?;
        let shelf = Shelf {
            user: UserRef { tenant: row.tenant, user: row.user },
            view: row.view,
            generation: view_row.generation,
            policy: view_row.policy,
        };
        Ok(OpenView {
            vault: self.vault.clone(),
            reader: ViewReader::new(self.vault.clone(), shelf, identity),
            credential: row.credential,
            lookup,
            origin,
            opening,
        })
    }
}

/// What an app password opened.
struct Opened {
    lookup: [u8; 32],
    row: CredentialRow,
    view: ViewRow,
    identity: Identity,
}

/// What came of a login.
enum Login {
    /// The password opened its view.
    Opened(Box<Opened>),
    /// It did not; whose mailbox the login named, if there is one.
    Refused(Option<UserRef>),
}

/// When refused logins were last recorded, by the user whose address was given: at most one entry a
/// minute for each, so that nobody in the network can fill a log.
#[derive(Default)]
struct Refusals(Mutex<HashMap<UserRef, Timestamp>>);

impl Refusals {
    /// Records a refused login in the background: the time of an answer must not tell which
    /// addresses there are.
    fn note(&self, vault: &Arc<Vault>, claimed: Option<UserRef>, origin: Origin) {
        let Some(user) = claimed.filter(|user| self.is_due(*user, vault.clock.now())) else { return };
        let vault = vault.clone();
        let act =
            Act::SignInRefused { protocol: audit::Protocol::Pop3, cause: audit::Refusal::WrongCredential };
        tokio::spawn(async move {
            let draft = Draft::new(Actor::Nobody, origin, act);
            if let Err(error) = vault.audit.record(user.tenant, draft).await {
                tracing::warn!(%error, "a refused login is not recorded");
            }
        });
    }

    /// Whether it is time for an entry again; if so, the next one waits.
    fn is_due(&self, user: UserRef, now: Timestamp) -> bool {
        // Nothing panics while the lock is held.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back makes an entry more, never a silence.
        let rests = |then: &Timestamp| *then <= now && now < then.plus(REFUSALS_REST);
        if last.get(&user).is_some_and(rests) {
            return false;
        }
        if last.len() >= MAX_REFUSALS {
            last.retain(|_, then| rests(then));
        }
        last.insert(user, now);
        true
    }
}

/// An open view, for one session. Dropping it locks it.
pub struct OpenView {
    vault: Arc<Vault>,
    reader: ViewReader,
    credential: CredentialId,
    lookup: [u8; 32],
    origin: Origin,
    /// The proof that the opening was recorded.
    opening: Recorded,
}

impl Maildrop for OpenView {
    /// A UID.
    type Handle = u32;
    type Message = Masked;

    async fn snapshot(&mut self) -> Result<Vec<Entry<u32>>, MaildropError> {
        self.still_valid()?;
        let (vault, shelf) = (self.vault.clone(), self.reader.shelf().clone());
        // A large mailbox takes a tenth of a second: not here, where other sessions wait.
        let rows = tokio::task::spawn_blocking(move || rows(&shelf, &vault)).await;
        let rows = rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        let Rows { fresh: mut entries, stale } =
            rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        for (uid, row, entry) in stale {
            if let Some(size) = self.stale_size(uid, &row).await? {
                let unique_id = unique_id(self.reader.shelf(), &self.vault, &row, &entry);
                entries.push(Entry { size, unique_id, handle: uid });
            }
        }
        entries.sort_unstable_by_key(|entry| entry.handle);
        Ok(entries)
    }

    async fn retrieve(&mut self, uid: u32, extent: Extent) -> Result<Masked, MaildropError> {
        self.still_valid()?;
        let row = self.row(uid)?;
        self.reader.shelf().entry(&row).ok_or(MaildropError::Gone)?;
        let recorded = self.record_fetch(&row, extent).await?;
        let masked = self.reader.open(uid, &row, &recorded).await.map_err(told)?;
        self.vault.metrics.retrieved.inc();
        self.vault.metrics.retrieved_bytes.inc_by(masked.size());
        Ok(masked)
    }

    async fn delete(&mut self, uids: Vec<u32>) -> Result<(), MaildropError> {
        self.still_valid()?;
        let on_delete = self.reader.shelf().checked_policy(&self.vault).map_err(told)?.on_delete;
        let scope = self.vault.records.tenant(self.reader.shelf().user.tenant);
        let at = self.vault.clock.now().unix();
        let mut batch = Batch::new();
        for uid in uids {
            let number = uid.to_be_bytes();
            match on_delete {
                OnDelete::Hide => {
                    scope.put(&mut batch, &[self.reader.shelf().view.as_bytes(), &number], &HiddenRow { at })
                }
                OnDelete::Trash => self.trash(&mut batch, &number)?,
            }
        }
        match self.vault.records.commit(batch).await {
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
        let scope = self.vault.records.tenant(self.reader.shelf().user.tenant);
        let row = scope.get::<MessageRow>(&[self.reader.shelf().user.user.as_bytes(), &uid.to_be_bytes()]);
        row.map_err(|error| failed("a row cannot be read", &error))?
            .filter(|row| !row.trashed)
            .ok_or(MaildropError::Gone)
    }

    async fn record_fetch(&self, row: &MessageRow, extent: Extent) -> Result<Recorded, MaildropError> {
        let extent = match extent {
            Extent::Whole => audit::Extent::Whole,
            Extent::Top { lines } => audit::Extent::Top { lines: u64::from(lines) },
        };
        let actor = Actor::View { view: self.reader.shelf().view, credential: self.credential };
        let act = Act::MessageFetched { message: row.message, extent };
        let recorded = self
            .vault
            .audit
            .record(self.reader.shelf().user.tenant, Draft::new(actor, self.origin, act))
            .await;
        recorded.map_err(|error| failed("the audit log cannot be written, so nothing is unsealed", &error))
    }

    /// The size of an old message under today's policy; computed once and kept.
    async fn stale_size(&mut self, uid: u32, row: &MessageRow) -> Result<Option<u64>, MaildropError> {
        let scope = self.vault.records.tenant(self.reader.shelf().user.tenant);
        let (view, number) = (self.reader.shelf().view, uid.to_be_bytes());
        let parts: [&[u8]; 2] = [view.as_bytes(), &number];
        let kept: Option<StaleSizeRow> =
            scope.get(&parts).map_err(|error| failed("a size cannot be read", &error))?;
        if let Some(kept) = kept.filter(|kept| kept.generation == self.reader.shelf().generation) {
            return Ok(kept.octets);
        }
        let octets = match self.reader.open(uid, row, &self.opening).await {
            Err(MaskError::Damaged) => return Ok(None),
            Err(MaskError::Gone) => None,
            masked => Some(masked.map_err(told)?.size()),
        };
        let mut batch = Batch::new();
        scope.put(&mut batch, &parts, &StaleSizeRow { generation: self.reader.shelf().generation, octets });
        drop(self.vault.records.commit(batch));
        Ok(octets)
    }

    fn trash(&self, batch: &mut Batch, number: &[u8; 4]) -> Result<(), MaildropError> {
        let scope = self.vault.records.tenant(self.reader.shelf().user.tenant);
        let parts: [&[u8]; 2] = [self.reader.shelf().user.user.as_bytes(), number];
        let read = scope
            .get_versioned::<MessageRow>(&parts)
            .map_err(|error| failed("a row cannot be read", &error))?;
        if let Some(read) = read {
            let row = MessageRow { trashed: true, ..read.row };
            scope.replace(batch, &parts, read.sealed, &row);
        }
        Ok(())
    }

    /// A credential that was revoked, a user who was shut out, or a policy that was changed, ends the
    /// session.
    fn still_valid(&self) -> Result<(), MaildropError> {
        let records = &self.vault.records;
        let credential = records.system().get::<CredentialRow>(&[&self.lookup]);
        let credential = credential.map_err(|error| failed("a credential cannot be read", &error))?;
        let view = registry::view(records, self.reader.shelf().user, self.reader.shelf().view);
        let view = view.map_err(|error| failed("a view cannot be read", &error))?;
        let user = registry::user(records, self.reader.shelf().user);
        let user = user.map_err(|error| failed("a user cannot be read", &error))?;
        let active = user.is_some_and(|user| !user.disabled);
        match (credential, view) {
            (Some(_), Some(view)) if active && view.generation == self.reader.shelf().generation => Ok(()),
            // The next session sees the new rendering; the password is as good as before.
            (Some(_), Some(_)) if active => Err(MaildropError::Unavailable),
            _ => Err(MaildropError::Revoked),
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

/// Opens the keyslot that the app password belongs to. Unknown passwords and names take the same
/// path; only the one whose slot opens, for a user who is the login's, gets further.
fn authenticate(vault: &Vault, credentials: &Credentials) -> Result<Login, RecordError> {
    let typed = AppPassword::parse(credentials.password.expose());
    let known_form = typed.is_ok();
    let password = typed.unwrap_or_else(|_| AppPassword::generate());
    let lookup = vault.records.root().lookup("credential", &password.lookup_id());
    let row: Option<CredentialRow> = vault.records.system().get(&[&lookup])?;
    let owner = match Address::parse(&credentials.login) {
        Ok(login) => directory::resolve(&vault.records, &login)?,
        Err(_) => None,
    };
    let slot_key = password.slot_key();
    let claimed = owner.as_ref().map(|owner| UserRef { tenant: owner.tenant, user: owner.user });
    let (Some(row), Some(owner), true) = (row, owner, known_form) else { return Ok(Login::Refused(claimed)) };
    let binding = SlotBinding {
        tenant: row.tenant,
        user: Some(row.user),
        view: Some(row.view),
        credential: Some(row.credential),
    };
    let identity = KeySlot::from_bytes(&row.slot).and_then(|slot| slot.open(&slot_key, &binding));
    let user = UserRef { tenant: row.tenant, user: row.user };
    let active = registry::user(&vault.records, user)?.is_some_and(|user| !user.disabled);
    let view = registry::view(&vault.records, user, row.view)?;
    match (identity, view) {
        (Ok(identity), Some(view)) if owner.user == row.user && active => {
            Ok(Login::Opened(Box::new(Opened { lookup, row, view, identity })))
        }
        _ => Ok(Login::Refused(claimed)),
    }
}

/// Notes when the credential was used. Nobody waits for it.
fn note_use(vault: &Vault, row: &CredentialRow) {
    let mut batch = Batch::new();
    let used = LastUsedRow { at: vault.clock.now().unix() };
    vault.records.tenant(row.tenant).put(&mut batch, &[row.credential.as_bytes()], &used);
    drop(vault.records.commit(batch));
}

fn unavailable(what: &'static str, error: &dyn std::error::Error) -> OpenError {
    tracing::error!(%error, "{what}");
    OpenError::Unavailable
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> MaildropError {
    tracing::error!(%error, "{what}");
    MaildropError::Unavailable
}

/// How long one entry about refused logins stands for all of a user's.
const REFUSALS_REST: Duration = Duration::from_secs(60);
/// Users remembered before those at rest are forgotten: half a megabyte.
const MAX_REFUSALS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};

    fn user(octet: u8) -> UserRef {
        UserRef { tenant: TenantId::from_bytes([1; 16]), user: UserId::from_bytes([octet; 16]) }
    }

    #[test]
    fn one_entry_a_minute_stands_for_all_refused_logins_of_a_user() {
        let refused = Refusals::default();
        let at = |seconds: i64| Timestamp::from_unix(1_000_000 + seconds);
        let due = |octet, seconds| refused.is_due(user(octet), at(seconds));
        assert!(due(1, 0));
        assert!((0..60).all(|second| !due(1, second)), "an attacker fills no log");
        assert!(due(2, 5), "each user has their own");
        assert!(due(1, 60));
        assert!(!due(1, 61));
        assert!(due(1, 30), "a clock set back does not silence");
    }
}

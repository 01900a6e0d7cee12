//! Opens views for the gateway. The one door to masked mail: an app password opens a keyslot, the
//! audit entry is durable, then the view's manifests open, and nothing else does.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::audit::{self, Act, Actor, Draft, Origin, Recorded};
use crate::clock::Timestamp;
use crate::gateway::mailroom::{Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError};
use crate::keyring::{AppPassword, Identity, KeySlot, SlotBinding};
use crate::message::dissect;
use crate::names::{Address, CredentialId, Reader, ViewId};
use crate::net::metrics::{Outcome, Protocol};
use crate::plan;
use crate::policy::{OnDelete, Policy};
use crate::records::RecordError;
use crate::seal::{Container, OpenedView, UnsealError};
use crate::store::ledger::Batch;
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    CredentialRow, HiddenRow, LastUsedRow, MessageRow, StaleSizeRow, ViewEntry, ViewRow,
};
use crate::vault::read::{self, ReadError};
use crate::vault::seal::render;
use crate::vault::seeds::{ReaderKeys, SeedError};
use crate::vault::{PolicyUnavailable, Vault};
use crate::wipe::Wiped;
use crate::wire::pop3::UniqueId;
use crate::wire::sasl::Credentials;

/// The mailroom over a vault.
pub struct Desk(pub Arc<Vault>);

impl Mailroom for Desk {
    type Maildrop = OpenView;

    async fn open(&self, credentials: &Credentials, peer: Option<IpAddr>) -> Result<OpenView, OpenError> {
        let opened = match authenticate(&self.0, credentials) {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                self.0.metrics.login(Protocol::pop3, Outcome::failed);
                return Err(OpenError::Refused);
            }
            Err(error) => return Err(unavailable("a login cannot be checked", &error)),
        };
        let origin = peer.map_or(Origin::UnixSocket, |address| Origin::Ip { address });
        let view = self
            .enter(opened, origin)
            .await
            .map_err(|error| unavailable("a view cannot be opened", &error))?;
        self.0.metrics.login(Protocol::pop3, Outcome::ok);
        Ok(view)
    }
}

impl Desk {
    /// Records the opening, durably, and hands out the view.
    async fn enter(&self, opened: Opened, origin: Origin) -> Result<OpenView, audit::AuditError> {
        let Opened { lookup, row, view: view_row, identity } = opened;
        let actor = Actor::View { view: row.view, credential: row.credential };
        let act = Act::ViewOpened { protocol: audit::Protocol::Pop3 };
        // Queued first, so that both ride in one commit.
        note_use(&self.0, &row);
        let opening = self.0.audit.record(row.tenant, Draft::new(actor, origin, act)).await?;
        Ok(OpenView {
            vault: self.0.clone(),
            shelf: Shelf {
                user: UserRef { tenant: row.tenant, user: row.user },
                view: row.view,
                generation: view_row.generation,
            },
            policy: view_row.policy,
            credential: row.credential,
            lookup,
            origin,
            opening,
            keys: ReaderKeys::new(Reader::View(row.view), identity),
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

/// An open view, for one session. Dropping it locks it.
pub struct OpenView {
    vault: Arc<Vault>,
    shelf: Shelf,
    policy: String,
    credential: CredentialId,
    lookup: [u8; 32],
    origin: Origin,
    /// The proof that the opening was recorded.
    opening: Recorded,
    keys: ReaderKeys,
}

impl Maildrop for OpenView {
    /// A UID.
    type Handle = u32;
    type Message = Masked;

    async fn snapshot(&mut self) -> Result<Vec<Entry<u32>>, MaildropError> {
        self.still_valid()?;
        let (vault, shelf) = (self.vault.clone(), self.shelf);
        // A large mailbox takes a tenth of a second: not here, where other sessions wait.
        let rows = tokio::task::spawn_blocking(move || shelf.rows(&vault)).await;
        let rows = rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        let Rows { fresh: mut entries, stale } =
            rows.map_err(|error| failed("a mailbox cannot be listed", &error))?;
        for (uid, row, entry) in stale {
            if let Some(size) = self.stale_size(uid, &row).await? {
                let unique_id = self.shelf.unique_id(&self.vault, &row, &entry);
                entries.push(Entry { size, unique_id, handle: uid });
            }
        }
        entries.sort_unstable_by_key(|entry| entry.handle);
        Ok(entries)
    }

    async fn retrieve(&mut self, uid: u32, extent: Extent) -> Result<Masked, MaildropError> {
        self.still_valid()?;
        let row = self.row(uid)?;
        let entry = row
            .views
            .iter()
            .find(|entry| entry.view == self.shelf.view)
            .cloned()
            .ok_or(MaildropError::Gone)?;
        let recorded = self.record_fetch(&row, extent).await?;
        let opened = unseal(&self.vault, self.shelf, &mut self.keys, &row, &recorded).await?;
        let masked =
            if self.shelf.is_stale(&entry) { self.mask_again(&row, &opened)? } else { Masked::of(opened) };
        self.vault.metrics.retrieved.inc();
        self.vault.metrics.retrieved_bytes.inc_by(masked.size());
        Ok(masked)
    }

    async fn delete(&mut self, uids: Vec<u32>) -> Result<(), MaildropError> {
        self.still_valid()?;
        let on_delete = self.checked_policy()?.on_delete;
        let scope = self.vault.records.tenant(self.shelf.user.tenant);
        let at = self.vault.clock.now().unix();
        let mut batch = Batch::new();
        for uid in uids {
            let number = uid.to_be_bytes();
            match on_delete {
                OnDelete::Hide => {
                    scope.put(&mut batch, &[self.shelf.view.as_bytes(), &number], &HiddenRow { at })
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

/// Where a view's messages stand: whose mailbox, which view, which rendering.
#[derive(Clone, Copy)]
struct Shelf {
    user: UserRef,
    view: ViewId,
    generation: u32,
}

/// The messages of a view.
struct Rows {
    /// Those whose size is known.
    fresh: Vec<Entry<u32>>,
    /// Those that an older rendering left.
    stale: Vec<(u32, MessageRow, ViewEntry)>,
}

impl Shelf {
    /// Walks the mailbox; blocks.
    fn rows(self, vault: &Vault) -> Result<Rows, RecordError> {
        let scope = vault.records.tenant(self.user.tenant);
        let hidden = self.hidden(vault)?;
        let mut rows = Rows { fresh: Vec::new(), stale: Vec::new() };
        scope.visit::<MessageRow>(&[self.user.user.as_bytes()], &[], |key, row| {
            // A row that does not open is skipped; the rest is served.
            if let (Ok(key), Ok(row)) = (<[u8; 4]>::try_from(key), row)
                && !row.trashed
                && hidden.binary_search(&u32::from_be_bytes(key)).is_err()
            {
                self.put(vault, &mut rows, u32::from_be_bytes(key), row);
            }
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    fn put(self, vault: &Vault, rows: &mut Rows, uid: u32, row: MessageRow) {
        let Some(entry) = row.views.iter().find(|entry| entry.view == self.view) else { return };
        if self.is_stale(entry) {
            let entry = entry.clone();
            return rows.stale.push((uid, row, entry));
        }
        let unique_id = self.unique_id(vault, &row, entry);
        rows.fresh.push(Entry { size: entry.octets, unique_id, handle: uid });
    }

    /// UIDs that clients of this view have deleted, sorted.
    fn hidden(self, vault: &Vault) -> Result<Vec<u32>, RecordError> {
        let mut hidden = Vec::new();
        let scope = vault.records.tenant(self.user.tenant);
        scope.visit::<HiddenRow>(&[self.view.as_bytes()], &[], |key, _| {
            hidden.extend(<[u8; 4]>::try_from(key).map(u32::from_be_bytes));
            ControlFlow::Continue(())
        })?;
        Ok(hidden)
    }

    /// Sealed for an older policy than the view has now.
    fn is_stale(self, entry: &ViewEntry) -> bool {
        entry.generation < self.generation
    }

    /// Another one for every rendering of a message (law 6), and in every view.
    fn unique_id(self, vault: &Vault, row: &MessageRow, entry: &ViewEntry) -> UniqueId {
        let mut named = [0; 40];
        named[..16].copy_from_slice(self.view.as_bytes());
        named[16..32].copy_from_slice(row.message.as_bytes());
        named[32..36].copy_from_slice(&entry.generation.to_be_bytes());
        if self.is_stale(entry) {
            named[36..].copy_from_slice(&self.generation.to_be_bytes());
        }
        let hash = vault.records.root().lookup("unique-id", &named);
        UniqueId::from_bytes(*hash.first_chunk().expect("16 of 32 octets"))
    }
}

impl OpenView {
    fn row(&self, uid: u32) -> Result<MessageRow, MaildropError> {
        let scope = self.vault.records.tenant(self.shelf.user.tenant);
        let row = scope.get::<MessageRow>(&[self.shelf.user.user.as_bytes(), &uid.to_be_bytes()]);
        row.map_err(|error| failed("a row cannot be read", &error))?
            .filter(|row| !row.trashed)
            .ok_or(MaildropError::Gone)
    }

    async fn record_fetch(&self, row: &MessageRow, extent: Extent) -> Result<Recorded, MaildropError> {
        let extent = match extent {
            Extent::Whole => audit::Extent::Whole,
            Extent::Top { lines } => audit::Extent::Top { lines: u64::from(lines) },
        };
        let actor = Actor::View { view: self.shelf.view, credential: self.credential };
        let act = Act::MessageFetched { message: row.message, extent };
        let recorded =
            self.vault.audit.record(self.shelf.user.tenant, Draft::new(actor, self.origin, act)).await;
        recorded.map_err(|error| failed("the audit log cannot be written, so nothing is unsealed", &error))
    }

    /// An old message under today's policy: the policy applied to what the view had (design
    /// section 6), so it shows nothing that either of them hides.
    fn mask_again(&self, row: &MessageRow, opened: &OpenedView) -> Result<Masked, MaildropError> {
        let mut masked = collect(opened)?;
        let policy = self.checked_policy()?;
        let received = Timestamp::from_unix(row.received);
        let age = self.vault.clock.now().since(received);
        let mut facts = plan::facts(&masked, &dissect(&masked), Vec::new(), age);
        facts.octets = row.octets;
        // What the old view hid is unknown here, so no rule that may be meant is left out.
        for rules in policy.rules_in_doubt(&facts) {
            let anatomy = dissect(&masked);
            let about = (row.message, received);
            let composed = render(&self.vault, rules, self.shelf.view, &masked, &anatomy, about);
            masked = composed.ok_or(MaildropError::Gone)?.render(&masked, &anatomy).into();
        }
        Ok(Masked::Rendered(Some(Bytes::from_owner(masked))))
    }

    /// The size of an old message under today's policy; computed once and kept.
    async fn stale_size(&mut self, uid: u32, row: &MessageRow) -> Result<Option<u64>, MaildropError> {
        let scope = self.vault.records.tenant(self.shelf.user.tenant);
        let (view, number) = (self.shelf.view, uid.to_be_bytes());
        let parts: [&[u8]; 2] = [view.as_bytes(), &number];
        let kept: Option<StaleSizeRow> =
            scope.get(&parts).map_err(|error| failed("a size cannot be read", &error))?;
        if let Some(kept) = kept.filter(|kept| kept.generation == self.shelf.generation) {
            return Ok(kept.octets);
        }
        let opened = match unseal(&self.vault, self.shelf, &mut self.keys, row, &self.opening).await {
            Err(MaildropError::Damaged) => return Ok(None),
            opened => opened?,
        };
        let octets = match self.mask_again(row, &opened) {
            Err(MaildropError::Gone) => None,
            masked => Some(masked?.size()),
        };
        let mut batch = Batch::new();
        scope.put(&mut batch, &parts, &StaleSizeRow { generation: self.shelf.generation, octets });
        drop(self.vault.records.commit(batch));
        Ok(octets)
    }

    fn trash(&self, batch: &mut Batch, number: &[u8; 4]) -> Result<(), MaildropError> {
        let scope = self.vault.records.tenant(self.shelf.user.tenant);
        let parts: [&[u8]; 2] = [self.shelf.user.user.as_bytes(), number];
        let read = scope
            .get_versioned::<MessageRow>(&parts)
            .map_err(|error| failed("a row cannot be read", &error))?;
        if let Some(read) = read {
            let row = MessageRow { trashed: true, ..read.row };
            scope.replace(batch, &parts, read.sealed, &row);
        }
        Ok(())
    }

    fn checked_policy(&self) -> Result<Arc<Policy>, MaildropError> {
        let found = self.vault.policies.find(&self.vault.records, self.shelf.user.tenant, &self.policy);
        found.map_err(|error: PolicyUnavailable| failed("a policy cannot be applied", &error))
    }

    /// A credential that was revoked, a user who was shut out, or a policy that was changed, ends the
    /// session.
    fn still_valid(&self) -> Result<(), MaildropError> {
        let records = &self.vault.records;
        let credential = records.system().get::<CredentialRow>(&[&self.lookup]);
        let credential = credential.map_err(|error| failed("a credential cannot be read", &error))?;
        let view = registry::view(records, self.shelf.user, self.shelf.view);
        let view = view.map_err(|error| failed("a view cannot be read", &error))?;
        let user = registry::user(records, self.shelf.user);
        let user = user.map_err(|error| failed("a user cannot be read", &error))?;
        let active = user.is_some_and(|user| !user.disabled);
        match (credential, view) {
            (Some(_), Some(view)) if active && view.generation == self.shelf.generation => Ok(()),
            // The next session sees the new rendering; the password is as good as before.
            (Some(_), Some(_)) if active => Err(MaildropError::Unavailable),
            _ => Err(MaildropError::Revoked),
        }
    }
}

/// Opens a message, on the proof that the audit log has it: its fetch, or the view's opening where
/// nothing of it leaves.
async fn unseal(
    vault: &Vault,
    shelf: Shelf,
    keys: &mut ReaderKeys,
    row: &MessageRow,
    recorded: &Recorded,
) -> Result<OpenedView, MaildropError> {
    let tenant = shelf.user.tenant;
    if recorded.tenant() != tenant || recorded.message().is_some_and(|message| message != row.message) {
        return Err(MaildropError::Unavailable);
    }
    let read = match read::container(vault, tenant, row).await {
        Err(ReadError::Damaged) => return Err(MaildropError::Damaged),
        Err(error) => return Err(failed("a container cannot be read", &error)),
        Ok(read) => read,
    };
    match open_manifest(vault, shelf, keys, row, read.container).await {
        Err(SeedError::Records(error)) => Err(failed("a seed cannot be read", &error)),
        Err(SeedError::Blobs(error)) => Err(failed("a seed cannot be read", &error)),
        Err(SeedError::Unseal(_)) => {
            let told = read::tell_damage(vault, tenant, row).await;
            told.map_err(|error| failed("the audit log cannot be written", &error))?;
            Err(MaildropError::Damaged)
        }
        Ok(opened) => Ok(opened),
    }
}

async fn open_manifest(
    vault: &Vault,
    shelf: Shelf,
    keys: &mut ReaderKeys,
    row: &MessageRow,
    container: Container,
) -> Result<OpenedView, SeedError> {
    let manifest = container.manifest_of(Reader::View(shelf.view)).ok_or(UnsealError::NoManifest)?;
    let key = keys.message_key(vault, manifest).await?;
    Ok(OpenedView::open(container, shelf.user.tenant, row.message, shelf.view, key)?)
}

/// A masked message on its way out.
pub enum Masked {
    /// From its container, window by window.
    Sealed {
        /// The opened manifest.
        opened: Box<OpenedView>,
        /// How much is out.
        at: u64,
    },
    /// Rendered in memory.
    Rendered(Option<Bytes>),
}

impl Masked {
    fn of(opened: OpenedView) -> Self {
        Self::Sealed { opened: Box::new(opened), at: 0 }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Sealed { opened, .. } => opened.size(),
            Self::Rendered(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        }
    }
}

impl MessageStream for Masked {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, MaildropError> {
        match self {
            Self::Rendered(bytes) => Ok(bytes.take()),
            Self::Sealed { opened, at } if *at == opened.size() => Ok(None),
            Self::Sealed { opened, at } => {
                let end = (*at + WINDOW).min(opened.size());
                let window = opened.render(*at..end).and_then(|rendering| rendering.collect());
                *at = end;
                window.map(|octets| Some(Bytes::from_owner(octets))).map_err(|_| MaildropError::Damaged)
            }
        }
    }
}

/// Opens the keyslot that the app password belongs to. Unknown passwords and names take the same
/// path; only the one whose slot opens, for a user who is the login's, gets further.
fn authenticate(vault: &Vault, credentials: &Credentials) -> Result<Option<Opened>, RecordError> {
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
    let (Some(row), Some(owner), true) = (row, owner, known_form) else { return Ok(None) };
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
            Ok(Some(Opened { lookup, row, view, identity }))
        }
        _ => Ok(None),
    }
}

/// Notes when the credential was used. Nobody waits for it.
fn note_use(vault: &Vault, row: &CredentialRow) {
    let mut batch = Batch::new();
    let used = LastUsedRow { at: vault.clock.now().unix() };
    vault.records.tenant(row.tenant).put(&mut batch, &[row.credential.as_bytes()], &used);
    drop(vault.records.commit(batch));
}

fn collect(opened: &OpenedView) -> Result<Wiped, MaildropError> {
    let rendering = opened.render(0..opened.size()).map_err(|_| MaildropError::Damaged)?;
    rendering.collect().map_err(|_| MaildropError::Damaged)
}

fn unavailable(what: &'static str, error: &dyn std::error::Error) -> OpenError {
    tracing::error!(%error, "{what}");
    OpenError::Unavailable
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> MaildropError {
    tracing::error!(%error, "{what}");
    MaildropError::Unavailable
}

/// What is rendered at once, in octets. A window begins in mid-chunk, so each costs one chunk more.
const WINDOW: u64 = 1024 * 1024;

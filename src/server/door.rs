//! The one door to views, whatever the protocol: an app password opens a keyslot, the opening is durable in
//! the audit log, and then there is a session that holds the view's key. It knows no protocol's commands.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{self, Act, Actor, AuditError, Draft, Origin, Recorded};
use crate::clock::Timestamp;
use crate::gateway::mailroom::OpenError;
use crate::keyring::{AppPassword, Identity, KeySlot, SlotBinding};
use crate::names::{Address, CredentialId};
use crate::net::metrics::{Outcome, Protocol};
use crate::records::RecordError;
use crate::store::ledger::Batch;
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{CredentialRow, LastUsedRow, ViewRow};
use crate::vault::Vault;
use crate::vault::logins;
use crate::vault::masked::{Shelf, ViewReader};
use crate::wire::sasl::Credentials;

/// Opens views of a vault. One for all protocols, so that they share what is remembered of refused logins.
pub struct Door {
    vault: Arc<Vault>,
    refused: Refusals,
}

impl Door {
    /// The door to this vault.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, refused: Refusals::default() }
    }

    /// Opens the view that these credentials are for.
    pub(super) async fn open(
        &self,
        protocol: audit::Protocol,
        credentials: &Credentials,
        peer: Option<IpAddr>,
    ) -> Result<Session, OpenError> {
        let origin = peer.map_or(Origin::UnixSocket, |address| Origin::Ip { address });
        let opened = match authenticate(&self.vault, credentials) {
            Ok(Login::Opened(opened)) => *opened,
            Ok(Login::Refused(claimed)) => {
                self.vault.metrics.login(meter(protocol), Outcome::failed);
                logins::refused(word(protocol), origin);
                self.refused.note(&self.vault, claimed, origin, protocol);
                return Err(OpenError::Refused);
            }
            Err(error) => return Err(unavailable("a login cannot be checked", &error)),
        };
        let session = self.enter(opened, origin, protocol).await;
        let session = session.map_err(|error| unavailable("a view cannot be opened", &error))?;
        self.vault.metrics.login(meter(protocol), Outcome::ok);
        Ok(session)
    }

    /// Records the opening, durably, and hands out the view.
    async fn enter(
        &self,
        opened: Opened,
        origin: Origin,
        protocol: audit::Protocol,
    ) -> Result<Session, AuditError> {
        let Opened { lookup, row, view: view_row, identity } = opened;
        let actor = Actor::View { view: row.view, credential: row.credential };
        // Queued first, so that both ride in one commit.
        note_use(&self.vault, &row);
        let act = Act::ViewOpened { protocol };
        let opening = self.vault.audit.record(row.tenant, Draft::new(actor, origin, act)).await?;
        let user = UserRef { tenant: row.tenant, user: row.user };
        let shelf = Shelf::new(&self.vault, user, row.view, view_row);
        Ok(Session {
            vault: self.vault.clone(),
            reader: ViewReader::new(self.vault.clone(), shelf, identity),
            credential: row.credential,
            lookup,
            origin,
            opening: Arc::new(opening),
        })
    }
}

/// An open view, for one session. Dropping it locks it.
pub(super) struct Session {
    pub(super) vault: Arc<Vault>,
    pub(super) reader: ViewReader,
    pub(super) origin: Origin,
    /// The proof that the opening was recorded.
    pub(super) opening: Arc<Recorded>,
    credential: CredentialId,
    lookup: [u8; 32],
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The view has another rendering or policy; a new login sees it.
    Changed,
    /// The credential was revoked, or the user shut out.
    Revoked,
    /// It cannot be told.
    Unknown,
}

impl Session {
    /// Where the view's messages stand.
    pub(super) fn shelf(&self) -> &Shelf {
        self.reader.shelf()
    }

    /// Under what the credential's row lies.
    pub(super) fn lookup(&self) -> &[u8; 32] {
        &self.lookup
    }

    /// Who acts, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor::View { view: self.shelf().view, credential: self.credential }
    }

    /// Records acts of the session, durably.
    pub(super) async fn record(&self, acts: Vec<Act>) -> Result<Vec<Recorded>, AuditError> {
        let drafts = acts.into_iter().map(|act| Draft::new(self.actor(), self.origin, act)).collect();
        let recorded = self.vault.audit.record_batch(self.shelf().user.tenant, drafts).await;
        recorded.inspect_err(|error| {
            tracing::error!(%error, "the audit log cannot be written, so nothing is unsealed");
        })
    }

    /// Whether the session may go on.
    pub(super) fn still_valid(&self) -> Result<(), Standing> {
        let (records, shelf) = (&self.vault.records, self.shelf());
        let credential = known(records.system().get::<CredentialRow>(&[&self.lookup]))?;
        let view = known(registry::view(records, shelf.user, shelf.view))?;
        let user = known(registry::user(records, shelf.user))?;
        let active = credential.is_some() && user.is_some_and(|user| !user.disabled);
        match view {
            // Under another name the same policy shows the same; but it may change apart from the old one.
            Some(view) if active && view.generation == shelf.generation && view.policy == shelf.policy => {
                Ok(())
            }
            Some(_) if active => Err(Standing::Changed),
            _ => Err(Standing::Revoked),
        }
    }
}

fn known<T>(read: Result<T, RecordError>) -> Result<T, Standing> {
    read.map_err(|error| {
        tracing::error!(%error, "a session's credential cannot be checked");
        Standing::Unknown
    })
}

fn meter(protocol: audit::Protocol) -> Protocol {
    match protocol {
        audit::Protocol::Imap => Protocol::imap,
        _ => Protocol::pop3,
    }
}

fn word(protocol: audit::Protocol) -> &'static str {
    match protocol {
        audit::Protocol::Imap => "imap",
        _ => "pop3",
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
    fn note(&self, vault: &Arc<Vault>, claimed: Option<UserRef>, origin: Origin, protocol: audit::Protocol) {
        let Some(user) = claimed.filter(|user| self.is_due(*user, vault.clock.now())) else { return };
        let vault = vault.clone();
        let act = Act::SignInRefused { protocol, cause: audit::Refusal::WrongCredential };
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

//! Signing in to the dashboard: the password alone opens the user's dashboard view, and nothing else.
//!
//! The same order as an unlock: the attempt counts as failed before it is looked at, Argon2id runs
//! for unknown names too, and the opening of the view is in the audit log before it is handed out.
//! A name that nobody has is counted, answered and written down in as many steps as any other.

use super::familiar::{self, Familiar};
use super::sessions::{Sessions, Token};
use super::sign_ins::{Browser, Since};
use super::stretch::{Stretched, network, try_password};
use super::unlock::{entry_came_to_nothing, refuse};
use super::view::dashboard_binding;
use super::{By, OwnerError};
use crate::audit::{Act, Actor, Draft, Origin, Protocol, Recorded, Refusal};
use crate::keyring::{Identity, KeySlot, Passphrase, PasswordHashing};
use crate::names::ViewId;
use crate::net::metrics::{self, Outcome};
use crate::store::ledger::Batch;
use crate::tenant::attempts::Attempt;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{LastUsedRow, UserRow};
use crate::vault::Vault;
use crate::vault::hashing::{Place, Share};

/// What a person brings to the sign-in page.
pub struct Entrance {
    /// Their login.
    pub login: String,
    /// Their password.
    pub password: Passphrase,
    /// Where they are.
    pub origin: Origin,
    /// What their browser carries of sign-ins before; see [`familiar`].
    pub familiar: String,
    /// When they came.
    pub since: Since,
}

/// A person who has signed in: their view is open, the whole is not.
pub struct SignedIn {
    /// Who.
    pub user: UserRef,
    /// The view that the dashboard lists.
    pub view: ViewId,
    /// Its identity.
    pub(super) identity: Identity,
    /// What the password yielded; with a code it opens the owner's keyslot.
    pub(super) password: Stretched,
    /// The audit entry of the view's opening.
    pub recorded: Recorded,
    /// When they came.
    pub(super) since: Since,
}

/// Begins the session of a person who has signed in, unless what let them in has changed meanwhile: a
/// hash waits for its turn, and an entry for the log.
pub async fn begin(
    vault: &Vault,
    sessions: &Sessions,
    signed: SignedIn,
    browser: Browser,
    origin: Origin,
) -> Result<Token, OwnerError> {
    let by = By { actor: Actor::User { user: signed.user.user }, origin };
    let entry = (signed.recorded.tenant(), signed.recorded.sequence());
    match sessions.sign_ins.open(signed, browser, origin, vault.clock.now()) {
        Ok(token) => Ok(token),
        Err(error) => Err(entry_came_to_nothing(vault, by, entry, error).await),
    }
}

/// Signs in with a password.
pub async fn sign_in(vault: &Vault, entrance: Entrance) -> Result<SignedIn, OwnerError> {
    let Entrance { login, password, origin, familiar, since } = entrance;
    let found = registry::user_named(&vault.records, &login)?;
    let browser = found.as_ref().and_then(|(user, _)| familiar::find(vault, &familiar, *user));
    let attempt = attempt(vault, &login, origin, browser);
    // Whoever has to wait does so without a place, and whoever finds none has not tried.
    attempt.admit(&vault.records, vault.clock.now())?;
    let share = browser.map_or_else(|| Share::of(origin), |browser| Share::Known(browser.user.user));
    let place = vault.hashing.place(share).await?;
    attempt.count(&vault.records, vault.clock.now()).await?;
    match open(place, found.as_ref(), password).await {
        Ok(Some(opened)) => enter(vault, &attempt, opened, origin, since).await,
        Ok(None) => Err(refused(vault, &attempt, found, origin).await),
        Err(error) => {
            attempt.take_back(&vault.records, vault.clock.now()).await?;
            Err(error)
        }
    }
}

fn attempt(vault: &Vault, login: &str, origin: Origin, browser: Option<Familiar>) -> Attempt {
    match browser {
        Some(browser) => Attempt::of_known(&vault.records, &browser.name()),
        None => Attempt::of_stranger(&vault.records, login, network(origin)),
    }
}

struct Opened {
    user: UserRef,
    view: ViewId,
    identity: Identity,
    password: Stretched,
}

async fn enter(
    vault: &Vault,
    attempt: &Attempt,
    Opened { user, view, identity, password }: Opened,
    origin: Origin,
    since: Since,
) -> Result<SignedIn, OwnerError> {
    attempt.succeeded(&vault.records).await?;
    note(vault, user);
    let draft = Draft::new(Actor::User { user: user.user }, origin, Act::SignedIn);
    let recorded = vault.audit.record(user.tenant, draft).await?;
    vault.metrics.login(metrics::Protocol::dashboard, Outcome::ok);
    Ok(SignedIn { user, view, identity, password, recorded, since })
}

/// What a wrong password is told, and a name that nobody has. Either costs one more durable write.
async fn refused(
    vault: &Vault,
    attempt: &Attempt,
    found: Option<(UserRef, UserRow)>,
    origin: Origin,
) -> OwnerError {
    vault.metrics.login(metrics::Protocol::dashboard, Outcome::failed);
    let Some((user, row)) = found else {
        let written = attempt.write_again(&vault.records).await;
        return written.err().map_or(OwnerError::Refused, OwnerError::from);
    };
    let cause = if row.disabled { Refusal::Disabled } else { Refusal::WrongCredential };
    let act = Act::SignInRefused { protocol: Protocol::Dashboard, cause };
    refuse(vault, user, By { actor: Actor::Nobody, origin }, act, OwnerError::Refused).await
}

/// Notes when the person last signed in. Nobody waits for it.
fn note(vault: &Vault, user: UserRef) {
    let mut batch = Batch::new();
    let now = LastUsedRow { at: vault.clock.now().unix() };
    vault.records.tenant(user.tenant).put(&mut batch, &[user.user.as_bytes()], &now);
    drop(vault.records.commit(batch));
}

/// Opens the dashboard's keyslot. The password is hashed in every case.
async fn open(
    place: Place,
    found: Option<&(UserRef, UserRow)>,
    password: Passphrase,
) -> Result<Option<Opened>, OwnerError> {
    let access = found.and_then(|(user, row)| Some((*user, row.dashboard.clone()?, row.disabled)));
    let slot = access.as_ref().and_then(|(_, access, _)| KeySlot::from_bytes(&access.slot).ok());
    let hashing = slot.as_ref().and_then(KeySlot::hashing).copied().unwrap_or_else(PasswordHashing::fresh);
    let Some(((user, access, disabled), slot)) = access.zip(slot) else {
        let _same_work = try_password(place, password, hashing, |_| false).await?;
        return Ok(None);
    };
    let binding = dashboard_binding(user, access.view);
    let tried = slot.clone();
    let opens = move |key: &crate::keyring::PasswordKey| {
        !disabled && tried.open(&key.dashboard_slot_key(), &binding).is_ok()
    };
    let Some(password) = try_password(place, password, hashing, opens).await? else { return Ok(None) };
    let identity = slot.open(&password.key.dashboard_slot_key(), &binding)?;
    Ok(Some(Opened { user, view: access.view, identity, password }))
}

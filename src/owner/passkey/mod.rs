//! Passkeys (WebAuthn level 3) as a second factor beside TOTP: adding, unlocking, removing, and what a
//! new password does to them.
//!
//! A passkey is a keyslot of the owner key: password and passkey open it together (`keyring::passkey`).
//! Adding one makes a new way to the owner key, so it needs an unlock (law 7); removing one does not.
//! After a new password a passkey without the PRF extension is wrapped again at once, since its share
//! lies here. One with it cannot be: its slot is emptied, and the person adds it again. Assertions are
//! verified by `webauthn-rs`; what that crate leaves open is checked in [`unlock`].

mod add;
mod ceremony;
mod unlock;

#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod tests;

pub use add::{Offered, add, begin_adding};
pub use ceremony::Ceremonies;
pub use unlock::{Proof, begin_unlocking, unlock};

use webauthn_rs::prelude::{Passkey, Url, Webauthn, WebauthnBuilder};
use zeroize::Zeroizing;

use super::checked::{About, act};
use super::{By, OwnerError, OwnerKey, tokens};
use crate::audit::Act;
use crate::keyring::{KeySlot, PasskeyHalf, PasskeyShare, PasswordKey, SlotBinding};
use crate::names::CredentialId;
use crate::records::{Versioned, row_key};
use crate::store::ledger::Batch;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::PasskeyRow;
use crate::vault::Vault;

/// A passkey in its user's list.
pub struct Listed {
    /// Its name here.
    pub id: CredentialId,
    /// What the person called it.
    pub label: String,
    /// When it was added, Unix seconds.
    pub created: i64,
    /// When it last unlocked, Unix seconds.
    pub last_used: Option<i64>,
    /// What it does.
    pub strength: Strength,
}

/// How a passkey opens the owner key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// With the password and a share that the server keeps.
    SecondFactor,
    /// With the password and a key that only the authenticator can compute.
    OwnKey,
    /// Not at all: the password has changed since, and the passkey has to be added again.
    Stale,
}

/// Whether this server has the address that passkeys are bound to: a domain name with HTTPS.
pub fn available(vault: &Vault) -> bool {
    party(vault).is_ok()
}

/// The passkeys of a user, oldest first.
pub fn list(vault: &Vault, user: UserRef) -> Result<Vec<Listed>, OwnerError> {
    let mut listed: Vec<Listed> = rows(vault, user)?
        .into_iter()
        .map(|(id, Versioned { row, .. })| Listed {
            id,
            strength: strength(&row),
            label: row.label,
            created: row.created,
            last_used: row.last_used,
        })
        .collect();
    listed.sort_by_key(|passkey| passkey.created);
    Ok(listed)
}

/// Whether the user has a passkey that opens something.
pub fn can_unlock(vault: &Vault, user: UserRef) -> Result<bool, OwnerError> {
    let usable = |passkey: &Listed| passkey.strength != Strength::Stale;
    Ok(available(vault) && list(vault, user)?.iter().any(usable))
}

/// Whether the user has a passkey whose slot cannot be wrapped anew without it.
pub(super) fn has_own_key(vault: &Vault, user: UserRef) -> Result<bool, OwnerError> {
    Ok(rows(vault, user)?.iter().any(|(_, known)| strength(&known.row) == Strength::OwnKey))
}

/// Takes a passkey away, and with it the user's API tokens, which may have been made by it. Needs no
/// unlock: it reveals less.
pub async fn remove(vault: &Vault, user: UserRef, id: CredentialId, by: By) -> Result<(), OwnerError> {
    let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
    let done = act(vault, About::Tenant(user.tenant), by.into(), |checked| {
        let row: Option<PasskeyRow> = checked.get(&vault.records.tenant(user.tenant), &parts)?;
        row.ok_or(OwnerError::NotFound("passkey"))?;
        let mut acts = vec![Act::PasskeyRemoved { user: user.user }];
        acts.extend(tokens::end_all(vault, checked.batch(), user)?);
        checked.batch().delete(row_key::<PasskeyRow>(&parts));
        Ok((acts, ()))
    });
    done.await.map(|_done| ())
}

/// Adds to `batch`: the user's passkeys under a new password. The shares are drawn anew, so that the
/// old password opens nothing with what it released before.
pub(super) fn wrap_again(
    vault: &Vault,
    batch: &mut Batch,
    owner: &OwnerKey,
    user: UserRef,
    password: &PasswordKey,
) -> Result<(), OwnerError> {
    for (id, Versioned { mut row, sealed }) in rows(vault, user)? {
        if row.share.is_empty() {
            row.slot.clear();
        } else {
            let share = PasskeyShare::generate();
            row.share = kept(&share);
            let key = password.passkey_slot_key(&PasskeyHalf::Share(share));
            row.slot = KeySlot::wrap(&owner.0, &key, &binding(user, id)).to_bytes();
        }
        let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
        vault.records.tenant(user.tenant).replace(batch, &parts, sealed, &row);
    }
    Ok(())
}

/// The relying party (WebAuthn level 3 §5.1.3): the host of the dashboard's address, and that address
/// as the one origin.
fn party(vault: &Vault) -> Result<Webauthn, OwnerError> {
    let address = vault.settings.public_url.as_deref().ok_or(OwnerError::Unavailable)?;
    let origin = Url::parse(address).map_err(|_| OwnerError::Unavailable)?;
    // An IP address is no relying party.
    let domain = origin.domain().ok_or(OwnerError::Unavailable)?;
    WebauthnBuilder::new(domain, &origin)
        .and_then(|builder| builder.rp_name("Veilpost").build())
        .map_err(|_| OwnerError::Unavailable)
}

type Row = (CredentialId, Versioned<PasskeyRow>);

fn rows(vault: &Vault, user: UserRef) -> Result<Vec<Row>, OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let mut rows = Vec::new();
    for (key, _) in scope.list::<PasskeyRow>(&[user.user.as_bytes()])? {
        let parts: [&[u8]; 2] = [user.user.as_bytes(), &key];
        let id = <[u8; 16]>::try_from(key.as_slice()).map(CredentialId::from_bytes);
        if let (Ok(id), Some(row)) = (id, scope.get_versioned(&parts)?) {
            rows.push((id, row));
        }
    }
    Ok(rows)
}

fn strength(row: &PasskeyRow) -> Strength {
    match (row.slot.is_empty(), row.share.is_empty()) {
        (true, _) => Strength::Stale,
        (false, true) => Strength::OwnKey,
        (false, false) => Strength::SecondFactor,
    }
}

/// Names a passkey by a keyed hash of the credential identifier that its authenticator chose.
fn name(vault: &Vault, credential: &[u8]) -> CredentialId {
    let hash = vault.records.root().lookup("passkey", credential);
    CredentialId::from_bytes(*hash.first_chunk().expect("32 octets begin with 16"))
}

fn binding(user: UserRef, id: CredentialId) -> SlotBinding {
    SlotBinding { credential: Some(id), ..super::unlock::binding(user) }
}

fn read(row: &PasskeyRow) -> Result<Passkey, OwnerError> {
    serde_json::from_slice(&row.passkey).map_err(|_| OwnerError::Unavailable)
}

/// As the ledger keeps a share.
fn kept(share: &PasskeyShare) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(share.expose().to_vec())
}

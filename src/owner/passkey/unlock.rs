//! Unlocking with password and passkey: assertion as of WebAuthn level 3 §7.2.
//!
//! The order of [`crate::owner::unlock`] holds here too: the attempt is counted before it is looked
//! at, the challenge is spent by looking, the new signature counter is durable before the share is
//! released. Whatever is wrong, the person is told the same.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use webauthn_rs::prelude::{AuthenticationResult, PublicKeyCredential, WebauthnError};

use super::ceremony::Ceremony;
use super::{Strength, add, binding, name, party, read, rows, strength};
use crate::audit::{Origin, Reason, Refusal, UnlockMethod};
use crate::keyring::{KeySlot, PasskeyHalf, PasskeyShare, PrfOutput};
use crate::names::CredentialId;
use crate::owner::sessions::Sessions;
use crate::owner::sign_ins::Visit;
use crate::owner::unlock::{Denied, Door, Knock, Opened, admit};
use crate::owner::{OwnerError, OwnerKey};
use crate::records::Versioned;
use crate::store::ledger::{Batch, CommitError};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::PasskeyRow;
use crate::vault::Vault;

/// What the browser brings back from `navigator.credentials.get`.
pub struct Proof {
    /// The assertion.
    pub credential: PublicKeyCredential,
    /// What the pseudo-random function yields, if the passkey has one.
    pub prf: Option<PrfOutput>,
}

/// Begins: what the browser passes to `navigator.credentials.get`, and a salt for each passkey that
/// has the pseudo-random function.
pub fn begin_unlocking(vault: &Vault, sessions: &Sessions, visit: &Visit) -> Result<Value, OwnerError> {
    let mut usable = rows(vault, visit.user)?;
    usable.retain(|(_, passkey)| strength(&passkey.row) != Strength::Stale);
    if usable.is_empty() {
        return Err(OwnerError::NotFound("passkey"));
    }
    let passkeys = usable.iter().map(|(_, passkey)| read(&passkey.row)).collect::<Result<Vec<_>, _>>()?;
    let (options, state) =
        party(vault)?.start_passkey_authentication(&passkeys).map_err(|_| OwnerError::Unavailable)?;
    let mut salts = Map::new();
    for ((_, known), passkey) in usable.iter().zip(&passkeys) {
        if strength(&known.row) == Strength::OwnKey {
            let salt = data_encoding::BASE64URL_NOPAD.encode(&known.row.prf_salt);
            salts.insert(data_encoding::BASE64URL_NOPAD.encode(passkey.cred_id()), json!(salt));
        }
    }
    let read = usable.iter().map(|(id, known)| (*id, digest(&known.sealed))).collect();
    let ceremony = Ceremony::Unlocking { state: Box::new(state), read };
    sessions.ceremonies.begin((visit.id, visit.user), ceremony, vault.clock.now())?;
    let mut options = serde_json::to_value(options).map_err(|_| OwnerError::Unavailable)?;
    options["salts"] = Value::Object(salts);
    Ok(options)
}

/// Opens an unlock session with a passkey, for a person who has signed in with their password.
pub async fn unlock(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    proof: Proof,
    reason: Option<&str>,
    origin: Origin,
) -> Result<Opened, OwnerError> {
    let reason = reason.map(Reason::parse).transpose()?;
    let knock = Knock {
        user: visit.user,
        reason,
        origin,
        method: UnlockMethod::PasswordAndPasskey,
        door: Door::of(visit),
        since: sessions.sign_ins.since(),
    };
    admit(vault, sessions, knock, by_passkey(vault, sessions, visit, proof)).await
}

/// The owner key, for a verified assertion and what the password yielded.
async fn by_passkey(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    proof: Proof,
) -> Result<OwnerKey, Denied> {
    let user = visit.user;
    let begun = sessions.ceremonies.take((visit.id, user), vault.clock.now());
    let holder = registry::user(&vault.records, user)?;
    if holder.is_none_or(|row| row.disabled) {
        return Err(Denied::Wrong(Refusal::Disabled));
    }
    let Some(Ceremony::Unlocking { state, read }) = begun else { return Err(wrong(())) };
    check_client(&proof.credential, user)?;
    let verified = party(vault)?.finish_passkey_authentication(&proof.credential, &state);
    let result = verified.map_err(|error| match error {
        WebauthnError::CredentialPossibleCompromise => Denied::Wrong(Refusal::PasskeyCopied),
        _ => wrong(()),
    })?;
    let id = name(vault, result.cred_id());
    let seen = read.get(&id).ok_or_else(|| wrong(()))?;
    let password = visit.password()?;
    let row = use_once(vault, user, (id, seen), &result).await?;
    let slot = KeySlot::from_bytes(&row.slot)?;
    // The password was changed after this session began.
    let password = password.fitting(slot.hashing()).ok_or(OwnerError::SessionEnded)?;
    let slot_key = password.passkey_slot_key(&half(&row, proof.prf).ok_or_else(|| wrong(()))?);
    slot.open(&slot_key, &binding(user, id)).map(OwnerKey).map_err(wrong)
}

/// What `webauthn-rs` leaves to us: the user handle is this user's if there is one (§7.2 step 6), and
/// the page was not in a frame of another site (step 13).
fn check_client(credential: &PublicKeyCredential, user: UserRef) -> Result<(), Denied> {
    #[derive(Deserialize)]
    struct ClientData {
        #[serde(default, rename = "crossOrigin")]
        cross_origin: bool,
    }
    let client: ClientData = serde_json::from_slice(&credential.response.client_data_json).map_err(wrong)?;
    let handle = credential.response.user_handle.as_deref();
    if client.cross_origin || handle.is_some_and(|handle| handle != user.user.as_bytes()) {
        return Err(wrong(()));
    }
    Ok(())
}

/// Durably writes the new signature counter and the time. Of two uses that began with the same
/// counter one loses.
async fn use_once(
    vault: &Vault,
    user: UserRef,
    (id, seen): (CredentialId, &[u8; 32]),
    result: &AuthenticationResult,
) -> Result<PasskeyRow, Denied> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
    let Versioned { mut row, sealed } = scope.get_versioned(&parts)?.ok_or_else(|| wrong(()))?;
    if digest(&sealed) != *seen {
        return Err(wrong(()));
    }
    let mut passkey = read(&row)?;
    passkey.update_credential(result).ok_or_else(|| wrong(()))?;
    row.passkey = add::encode(&passkey)?;
    row.last_used = Some(vault.clock.now().unix());
    let mut batch = Batch::new();
    scope.replace(&mut batch, &parts, sealed, &row);
    match vault.records.commit(batch).await {
        Ok(_committed) => Ok(row),
        // The passkey itself was used or taken away meanwhile.
        Err(CommitError::Conflict) => Err(wrong(())),
        Err(error) => Err(error.into()),
    }
}

/// The passkey's half of the slot key.
fn half(row: &PasskeyRow, prf: Option<PrfOutput>) -> Option<PasskeyHalf> {
    if row.share.is_empty() {
        return prf.map(PasskeyHalf::Prf);
    }
    let share = row.share.as_slice().try_into().ok()?;
    Some(PasskeyHalf::Share(PasskeyShare::from_bytes(share)))
}

fn digest(sealed: &[u8]) -> [u8; 32] {
    Sha256::digest(sealed).into()
}

fn wrong<T>(_: T) -> Denied {
    Denied::Wrong(Refusal::WrongCredential)
}

//! Adding a passkey, in an unlocked session: registration as of WebAuthn level 3 §7.1.

use serde_json::{Value, json};
use webauthn_rs::prelude::{Passkey, RegisterPublicKeyCredential, Uuid};
use zeroize::Zeroizing;

use super::ceremony::Ceremony;
use super::{Strength, binding, kept, name, party, rows, strength};
use crate::audit::Act;
use crate::keyring::{KeySlot, PasskeyHalf, PasskeyShare, PrfOutput};
use crate::names::CredentialId;
use crate::owner::checked::{About, Caller, act};
use crate::owner::sessions::Sessions;
use crate::owner::sign_ins::Visit;
use crate::owner::{OwnerError, Unlocked};
use crate::tenant::registry;
use crate::tenant::rows::PasskeyRow;
use crate::vault::Vault;

/// A new passkey, as the browser hands it over.
pub struct Offered {
    /// What the person calls it.
    pub label: String,
    /// The public half, with the proof that it answers the challenge.
    pub credential: RegisterPublicKeyCredential,
    /// What its pseudo-random function yields for the salt, if it has one.
    pub prf: Option<PrfOutput>,
}

/// Begins: what the browser passes to `navigator.credentials.create`, and the salt for the
/// pseudo-random function.
pub fn begin_adding(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    unlocked: &Unlocked,
) -> Result<Value, OwnerError> {
    own(visit, unlocked)?;
    let known = rows(vault, visit.user)?;
    if known.len() >= MAX_PASSKEYS {
        let why = format!("{MAX_PASSKEYS} are the most; remove one first");
        return Err(OwnerError::Invalid { what: "passkey", why });
    }
    let login = registry::user(&vault.records, visit.user)?.ok_or(OwnerError::NotFound("user"))?.login;
    // One that is stale may be added again.
    let live = known.iter().filter(|(_, known)| strength(&known.row) != Strength::Stale);
    let exclude = live.map(|(_, known)| super::read(&known.row).map(|passkey| passkey.cred_id().clone()));
    let exclude = Some(exclude.collect::<Result<_, _>>()?);
    let handle = Uuid::from_bytes(*visit.user.user.as_bytes());
    let (options, state) = party(vault)?
        .start_passkey_registration(handle, &login, &login, exclude)
        .map_err(|_| OwnerError::Unavailable)?;
    let salt = *PasskeyShare::generate().expose();
    let ceremony = Ceremony::Adding { state: Box::new(state), salt };
    sessions.ceremonies.begin((visit.id, visit.user), ceremony, vault.clock.now())?;
    let mut options = serde_json::to_value(options).map_err(|_| OwnerError::Unavailable)?;
    // Some authenticators have the pseudo-random function for discoverable passkeys only.
    options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("preferred");
    options["salt"] = json!(data_encoding::BASE64URL_NOPAD.encode(&salt));
    Ok(options)
}

/// Finishes: verifies, wraps the owner key for password and passkey, and keeps the passkey.
pub async fn add(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    unlocked: &Unlocked,
    offered: Offered,
) -> Result<(), OwnerError> {
    own(visit, unlocked)?;
    let label = check_label(&offered.label)?;
    let begun = sessions.ceremonies.take((visit.id, visit.user), vault.clock.now());
    let Some(Ceremony::Adding { state, salt }) = begun else { return Err(OwnerError::Refused) };
    let passkey = party(vault)?
        .finish_passkey_registration(&offered.credential, &state)
        .map_err(|_| OwnerError::Refused)?;
    let id = name(vault, passkey.cred_id());
    let (half, share) = match offered.prf {
        Some(output) => (PasskeyHalf::Prf(output), Zeroizing::default()),
        None => {
            let share = PasskeyShare::generate();
            let stays = kept(&share);
            (PasskeyHalf::Share(share), stays)
        }
    };
    let holder = registry::user(&vault.records, visit.user)?.ok_or(OwnerError::SessionEnded)?;
    let password = visit.password()?;
    let hashing = KeySlot::from_bytes(&holder.owner_slot)?.hashing().copied();
    let password = password.fitting(hashing.as_ref()).ok_or(OwnerError::SessionEnded)?;
    let slot_key = password.passkey_slot_key(&half);
    let slot = KeySlot::wrap(&unlocked.key.0, &slot_key, &binding(visit.user, id));
    let created = vault.clock.now().unix();
    let row = PasskeyRow {
        label,
        created,
        last_used: None,
        passkey: encode(&passkey)?,
        prf_salt: salt,
        share,
        slot: slot.to_bytes(),
    };
    insert(vault, unlocked, (id, &row), &slot).await
}

/// A passkey opens the owner key for its own user only.
fn own(visit: &Visit, unlocked: &Unlocked) -> Result<(), OwnerError> {
    if visit.user == unlocked.user { Ok(()) } else { Err(OwnerError::OtherUser) }
}

/// Adds the row if the slot stands under the user's password of now. The user's row is written again
/// as it is, so that a new password that is set at the same time sees this passkey.
async fn insert(
    vault: &Vault,
    unlocked: &Unlocked,
    (id, row): (CredentialId, &PasskeyRow),
    slot: &KeySlot,
) -> Result<(), OwnerError> {
    let user = unlocked.user;
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        let holder = checked.user(user)?;
        if KeySlot::from_bytes(&holder.owner_slot)?.hashing() != slot.hashing() {
            return Err(OwnerError::SessionEnded);
        }
        if checked.get::<PasskeyRow>(&scope, &parts)?.is_some() {
            return Err(OwnerError::Exists("passkey"));
        }
        scope.put(checked.batch(), &parts, row);
        checked.put_user(user, &holder);
        Ok((vec![Act::PasskeyAdded { user: user.user }], ()))
    });
    done.await.map(|_done| ())
}

pub(super) fn encode(passkey: &Passkey) -> Result<Vec<u8>, OwnerError> {
    serde_json::to_vec(passkey).map_err(|_| OwnerError::Unavailable)
}

fn check_label(label: &str) -> Result<String, OwnerError> {
    let label = label.trim();
    if (1..=MAX_LABEL).contains(&label.chars().count()) && !label.chars().any(char::is_control) {
        return Ok(label.to_owned());
    }
    let why = format!("1 to {MAX_LABEL} characters in one line");
    Err(OwnerError::Invalid { what: "name of the passkey", why })
}

/// More than a person has authenticators; the browser is told of all of them at each unlock.
const MAX_PASSKEYS: usize = 16;
/// Fits into a line of a table.
const MAX_LABEL: usize = 64;

//! Tokens for the HTTP API. A token stands for its user: it may do what its scopes name, and never
//! more than the user may. It unseals nothing: whoever wants mail opened brings password and code.
//!
//! The ledger knows a token by a keyed hash alone, so a lookup compares no secret, and a token that
//! was never issued takes the same way as one that was.

use std::time::Duration;

use super::checked::{About, Caller, act};
use super::{By, OwnerError, Unlocked};
use crate::audit::Act;
use crate::clock::Timestamp;
use crate::keyring::ApiToken;
use crate::names::CredentialId;
use crate::records::row_key;
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{ApiTokenListRow, ApiTokenRow, LastUsedRow, TenantRow, UserRow};
use crate::vault::Vault;

/// What a new token is to be.
pub struct Wanted {
    /// What the person calls the program.
    pub label: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// For how many days.
    pub days: u16,
}

/// A new token, to be shown once.
pub struct Issued {
    /// Its name in lists and in the audit log.
    pub id: CredentialId,
    /// The token.
    pub token: ApiToken,
    /// When it ends, Unix seconds.
    pub expires: i64,
}

/// A token in a list.
pub struct Listed {
    /// Its name.
    pub id: CredentialId,
    /// What the list says of it.
    pub row: ApiTokenListRow,
    /// When it was last used, Unix seconds.
    pub last_used: Option<i64>,
}

/// What a token that is good stands for.
pub struct Bearer {
    /// The token's name.
    pub id: CredentialId,
    /// Its user.
    pub user: UserRef,
    /// Their row.
    pub row: UserRow,
    /// Their tenant.
    pub tenant: TenantRow,
    /// What the list says of the token.
    pub listed: ApiTokenListRow,
}

/// Makes a token for the unlocked person. It unseals nothing, yet it acts for them for a long time: so it
/// takes the unlock, as every other new way in does (law 7).
pub async fn create(vault: &Vault, unlocked: &Unlocked, wanted: Wanted) -> Result<Issued, OwnerError> {
    let user = unlocked.user;
    let (id, token) = (CredentialId::random(), ApiToken::generate());
    let lookup = vault.records.root().lookup(KIND, &token.lookup_id());
    let now = vault.clock.now();
    let expires = now.plus(DAY * u32::from(wanted.days)).unix();
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        checked.unlocked()?;
        checked.user(user)?;
        check(vault, user, &wanted)?;
        let listed = ApiTokenListRow {
            label: wanted.label.clone(),
            scopes: wanted.scopes.clone(),
            created: now.unix(),
            expires,
            lookup: lookup.to_vec(),
        };
        let row = ApiTokenRow { token: id, tenant: user.tenant, user: user.user };
        vault.records.system().insert(checked.batch(), &[&lookup], &row);
        let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
        vault.records.tenant(user.tenant).insert(checked.batch(), &parts, &listed);
        Ok((vec![Act::ApiTokenCreated { user: user.user, token: id }], ()))
    });
    done.await?;
    Ok(Issued { id, token, expires })
}

/// A user's tokens, newest first, those that have ended too.
pub fn list(vault: &Vault, user: UserRef) -> Result<Vec<Listed>, OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let mut tokens = Vec::new();
    for (id, row) in rows(vault, user)? {
        let used: Option<LastUsedRow> = scope.get(&[id.as_bytes()])?;
        tokens.push(Listed { id, row, last_used: used.map(|used| used.at) });
    }
    tokens.sort_by_key(|token| std::cmp::Reverse(token.row.created));
    Ok(tokens)
}

/// Takes a token of this user away; it is worth nothing from its next request on.
pub async fn revoke(vault: &Vault, user: UserRef, id: CredentialId, by: By) -> Result<(), OwnerError> {
    let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
    let done = act(vault, About::Tenant(user.tenant), by.into(), |checked| {
        checked.acts_for(user)?;
        let listed: Option<ApiTokenListRow> = checked.get(&vault.records.tenant(user.tenant), &parts)?;
        end(checked.batch(), user, id, &listed.ok_or(OwnerError::NotFound("token"))?);
        Ok((vec![Act::ApiTokenRevoked { user: user.user, token: id }], ()))
    });
    done.await.map(|_done| ())
}

/// Adds to the batch of an act that no token of the user is worth anything, and yields what the log says of
/// it: what made them has changed (password, authenticator, passkey), or the user is to go.
pub(super) fn end_all(vault: &Vault, batch: &mut Batch, user: UserRef) -> Result<Vec<Act>, OwnerError> {
    let ended = |(token, listed): (CredentialId, ApiTokenListRow)| {
        end(batch, user, token, &listed);
        Act::ApiTokenRevoked { user: user.user, token }
    };
    Ok(rows(vault, user)?.into_iter().map(ended).collect())
}

fn end(batch: &mut Batch, user: UserRef, id: CredentialId, listed: &ApiTokenListRow) {
    batch.delete(row_key::<ApiTokenRow>(&[&listed.lookup]));
    batch.delete(row_key::<ApiTokenListRow>(&[user.user.as_bytes(), id.as_bytes()]));
    batch.delete(row_key::<LastUsedRow>(&[id.as_bytes()]));
}

/// What a token stands for; none if it was never issued, was revoked, has ended, or its user was
/// shut out or has not been through their first sign-in.
pub fn find(vault: &Vault, token: &ApiToken) -> Result<Option<Bearer>, OwnerError> {
    let lookup = vault.records.root().lookup(KIND, &token.lookup_id());
    let Some(ApiTokenRow { token: id, tenant, user }) = vault.records.system().get(&[&lookup])? else {
        return Ok(None);
    };
    let user = UserRef { tenant, user };
    let parts: [&[u8]; 2] = [user.user.as_bytes(), id.as_bytes()];
    let listed: Option<ApiTokenListRow> = vault.records.tenant(tenant).get(&parts)?;
    let row = registry::user(&vault.records, user)?;
    let tenant_row: Option<TenantRow> = vault.records.system().get(&[tenant.as_bytes()])?;
    let (Some(listed), Some(row), Some(tenant_row)) = (listed, row, tenant_row) else { return Ok(None) };
    let lives = lives(&listed, vault.clock.now());
    let stands = lives && !row.disabled && row.pending.is_none() && !tenant_row.removing;
    Ok(stands.then_some(Bearer { id, user, row, tenant: tenant_row, listed }))
}

/// Notes that a token was used. At most once a minute, and nobody waits for it.
pub fn note_use(vault: &Vault, bearer: &Bearer) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(bearer.user.tenant);
    let used: Option<LastUsedRow> = scope.get(&[bearer.id.as_bytes()])?;
    let now = vault.clock.now().unix();
    if used.is_some_and(|used| (used.at..used.at + NOTED_FOR).contains(&now)) {
        return Ok(());
    }
    let mut batch = Batch::new();
    scope.put(&mut batch, &[bearer.id.as_bytes()], &LastUsedRow { at: now });
    drop(vault.records.commit(batch));
    Ok(())
}

/// The rows of a user's tokens.
pub(super) fn rows(vault: &Vault, user: UserRef) -> Result<Vec<(CredentialId, ApiTokenListRow)>, OwnerError> {
    let rows = vault.records.tenant(user.tenant).list::<ApiTokenListRow>(&[user.user.as_bytes()])?;
    let named =
        |(key, row): (Vec<u8>, _)| Some((CredentialId::from_bytes(key.as_slice().try_into().ok()?), row));
    Ok(rows.into_iter().filter_map(named).collect())
}

/// A clock that is set back lengthens no token's life.
fn lives(listed: &ApiTokenListRow, now: Timestamp) -> bool {
    (listed.created..listed.expires).contains(&now.unix())
}

fn check(vault: &Vault, user: UserRef, wanted: &Wanted) -> Result<(), OwnerError> {
    let invalid = |what, why: &str| Err(OwnerError::Invalid { what, why: why.to_owned() });
    let Wanted { label, scopes, days } = wanted;
    if label.trim().is_empty() || label.chars().count() > MAX_LABEL || label.chars().any(char::is_control) {
        return invalid("label", "1 to 100 characters, no controls");
    }
    if !(1..=MAX_DAYS).contains(days) {
        return invalid("time", "1 to 365 days");
    }
    if scopes.is_empty() {
        return invalid("token", "it needs at least one thing that it may do");
    }
    if rows(vault, user)?.len() >= MAX_TOKENS {
        return invalid("token", "there are 100 already; revoke some");
    }
    Ok(())
}

/// The kind of lookup.
const KIND: &str = "api-token";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a token lasts unless the person says otherwise, in days.
pub const DEFAULT_DAYS: u16 = 30;
/// How long a token may last, in days.
pub const MAX_DAYS: u16 = 365;
/// What fits into a list.
const MAX_LABEL: usize = 100;
/// More programs than a person has.
const MAX_TOKENS: usize = 100;
/// Seconds for which one note of use is enough.
const NOTED_FOR: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_and_a_clock_that_is_set_back_does_not_lengthen_it() {
        let listed = ApiTokenListRow {
            label: "a program".to_owned(),
            scopes: vec!["mail:read".to_owned()],
            created: 1_800_000_000,
            expires: 1_800_086_400,
            lookup: vec![7; 32],
        };
        for (now, expected) in
            [(1_799_999_999, false), (1_800_000_000, true), (1_800_086_399, true), (1_800_086_400, false)]
        {
            assert_eq!(lives(&listed, Timestamp::from_unix(now)), expected, "{now}");
        }
    }
}

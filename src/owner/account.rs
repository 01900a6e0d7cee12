//! Tenants and users: founding, adding, passwords, TOTP, shutting out, removing.
//!
//! A tenant's owner key is made here, wrapped for its first user, under the recovery code and for
//! the organisation's escrow recipients, and dropped. Afterwards every new keyslot needs an unlock.

use zeroize::Zeroizing;

use super::checked::{About, Caller, Checked, act, act_and_hold, would};
use super::remove::remove_recovery;
use super::stretch::new_key;
use super::unlock::{binding, lasts_of, record_ends};
use super::{By, OwnerError, OwnerKey, Unlocked, sessions::Sessions};
use super::{addresses, passkey, tokens, view};
use crate::audit::{Act, Draft, LockCause, UserRole, misleads};
use crate::keyring::{
    EscrowRecipient, Identity, KeySlot, Passphrase, PasswordKey, RecoveryCode, TotpEnrolment,
};
use crate::names::{Address, Reader, TenantId, UserId};
use crate::records::{Versioned, row_key};
use crate::store::blobs::BlobName;
use crate::store::ledger::{Batch, CommitError};
use crate::tenant::directory::{self, Destination};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    RecipientRow, Role, TenantNameRow, TenantRow, UsedCodesRow, UserRow, ViewRow, pending,
};
use crate::vault::Vault;
use crate::vault::hashing::Share;
use crate::vault::turns::Turn;

/// What founding a tenant needs.
pub struct Founding {
    /// The tenant's name.
    pub name: String,
    /// The first user's address.
    pub address: Address,
    /// The first user's password.
    pub password: Passphrase,
    /// Whether every unlock needs a reason.
    pub reason_required: bool,
    /// Offline recipients that get the owner key too.
    pub escrow: Vec<EscrowRecipient>,
    /// Where the first user meets authenticator and recovery code.
    pub enrolment: Enrolment,
}

/// Where a new user's authenticator is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// By whoever makes the user: they pass seed and recovery code on.
    Here,
    /// In the dashboard, at the user's first sign-in; nobody else sees them.
    AtFirstSignIn,
}

/// A new user of a tenant.
pub struct NewUser {
    /// Their first address, their login.
    pub address: Address,
    /// Their password.
    pub password: Passphrase,
    /// What they may do besides reading.
    pub role: Role,
    /// Where their authenticator is set up. At the first sign-in they choose a password, too.
    pub enrolment: Enrolment,
}

/// A new tenant.
pub struct Founded {
    /// The tenant.
    pub tenant: TenantId,
    /// To be shown once.
    pub recovery_code: RecoveryCode,
    /// The first user.
    pub user: Enrolled,
}

/// What a new user, or one with a new phone, has to be shown once.
pub struct Enrolled {
    /// The user.
    pub user: UserRef,
    /// Their login.
    pub login: String,
    /// The TOTP seed in base32.
    pub seed: Zeroizing<String>,
    /// The same as a URI.
    pub uri: Zeroizing<String>,
}

/// Founds a tenant with its first user.
pub async fn found(vault: &Vault, founding: Founding, by: By) -> Result<Founded, OwnerError> {
    check_name("tenant name", &founding.name)?;
    let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
    let (owner, recovery_code) = (OwnerKey(Identity::generate()), RecoveryCode::generate());
    let address = Destination::Exact(founding.address.clone());
    let check = |checked: &mut Checked<'_, '_>| {
        if !checked.operates() {
            return Err(OwnerError::Forbidden("whoever runs the server makes tenants"));
        }
        let name = registry::tenant_name_key(&vault.records, &founding.name);
        if checked.get::<TenantNameRow>(vault.records.system(), &[&name])?.is_some() {
            return Err(OwnerError::Exists("tenant"));
        }
        addresses::may_take(vault, checked, &address)
    };
    // A tenant that is refused leaves no files.
    would(vault, About::Founding(user.tenant), by.into(), check)?;
    let mut batch = Batch::new();
    put_tenant(vault, &mut batch, user.tenant, &founding, &owner);
    let first = First {
        login: founding.address.clone(),
        password: founding.password,
        role: Role::Administrator,
        pending: match founding.enrolment {
            Enrolment::Here => 0,
            Enrolment::AtFirstSignIn => pending::PASSWORD | pending::AUTHENTICATOR | pending::RECOVERY,
        },
    };
    let enrolled = put_user(vault, &mut batch, user, first, &owner, Share::by(&by.actor, by.origin)).await?;
    store_recovery(vault, user.tenant, &owner, &recovery_code, &founding.escrow).await?;
    let mut acts = vec![Act::TenantCreated, Act::UserCreated { user: user.user }];
    acts.extend(founding.escrow.iter().map(|_| Act::EscrowAdded));
    let done = act(vault, About::Founding(user.tenant), by.into(), |checked| {
        check(checked)?;
        checked.batch().append(batch.clone());
        Ok((acts.clone(), ()))
    });
    if let Err(error) = done.await {
        // Another one was faster. What cannot be removed now names nobody, and opens by a code that nobody has.
        let _stays = remove_recovery(vault, user.tenant).await;
        return Err(error);
    }
    Ok(Founded { tenant: user.tenant, recovery_code, user: enrolled })
}

/// Adds a user to the unlocked tenant.
pub async fn add_user(
    vault: &Vault,
    unlocked: &Unlocked,
    new: NewUser,
    by: By,
) -> Result<Enrolled, OwnerError> {
    let user = UserRef { tenant: unlocked.user.tenant, user: UserId::random() };
    let mut batch = Batch::new();
    let address = Destination::Exact(new.address.clone());
    let first = First {
        login: new.address,
        password: new.password,
        role: new.role,
        pending: match new.enrolment {
            Enrolment::Here => 0,
            Enrolment::AtFirstSignIn => pending::PASSWORD | pending::AUTHENTICATOR,
        },
    };
    let share = Share::Known(unlocked.user.user);
    let enrolled = put_user(vault, &mut batch, user, first, &unlocked.key, share).await?;
    let caller = Caller { by, unlocked: Some(unlocked) };
    act(vault, About::Beyond(user.tenant), caller, |checked| {
        checked.administers()?;
        checked.unlocked()?;
        may_give(checked, new.role)?;
        addresses::may_take(vault, checked, &address)?;
        checked.batch().append(batch.clone());
        Ok((vec![Act::UserCreated { user: user.user }], ()))
    })
    .await?;
    Ok(enrolled)
}

/// Gives a user of the unlocked tenant a new password. The rows of their keyslots change; no mail is
/// touched. A passkey with a key of its own has to be added again: see [`passkey`].
pub async fn set_password(
    vault: &Vault,
    sessions: &Sessions,
    unlocked: &Unlocked,
    user: UserRef,
    password: Passphrase,
) -> Result<(), OwnerError> {
    same_tenant(unlocked, user)?;
    let row = registry::user(&vault.records, user)?.ok_or(OwnerError::NotFound("user"))?;
    let key = new_key(vault, Share::Known(unlocked.user.user), password, &row.login).await?;
    let caller = Caller::unlocked(unlocked);
    let done = act_and_hold(vault, About::Tenant(user.tenant), caller, |checked| {
        checked.acts_for(user)?;
        let mut row = checked.user(user)?;
        let mut acts = vec![Act::PasswordChanged { user: user.user }];
        acts.extend(tokens::end_all(vault, checked.batch(), user)?);
        wrap_slots(vault, checked.batch(), &mut row, &unlocked.key, user, &key)?;
        row.pending = row.pending.map(|steps| steps & !pending::PASSWORD).filter(|steps| *steps != 0);
        checked.put_user(user, &row);
        Ok((acts, ()))
    });
    let (_done, turn) = done.await?;
    end_sessions(vault, sessions, user, turn).await
}

/// Ends the sessions of a user whose password or phone is another one now. The turn is the one in which that
/// was done: what they act meanwhile waits, and finds its session gone.
async fn end_sessions(
    vault: &Vault,
    sessions: &Sessions,
    user: UserRef,
    turn: Turn,
) -> Result<(), OwnerError> {
    let ended = sessions.close_all_of(user);
    drop(turn);
    record_ends(vault, ended, LockCause::CredentialChanged).await
}

/// Wraps everything that a user's password opens under a new one: the owner key, the dashboard's view,
/// passkeys. The share of the authenticator is drawn anew, its seed stays.
pub(super) fn wrap_slots(
    vault: &Vault,
    batch: &mut Batch,
    row: &mut UserRow,
    owner: &OwnerKey,
    user: UserRef,
    key: &PasswordKey,
) -> Result<(), OwnerError> {
    passkey::wrap_again(vault, batch, owner, user, key)?;
    let (enrolment, share) = TotpEnrolment::from_bytes(&row.totp)?.with_new_share();
    let slot_key = key.user_slot_key(&share);
    row.owner_slot = KeySlot::wrap(&owner.0, &slot_key, &binding(user)).to_bytes();
    row.totp = enrolment.expose();
    if let Some(access) = &mut row.dashboard {
        let view: ViewRow =
            registry::view(&vault.records, user, access.view)?.ok_or(OwnerError::NotFound("view"))?;
        let identity = view::view_identity(owner, &view)?;
        access.slot = view::dashboard_slot(&identity, key, user, access.view);
    }
    Ok(())
}

/// Gives a user of the unlocked tenant a new TOTP seed; the old phone is worth nothing afterwards.
/// Set up at the next sign-in, the seed is shown there until a first right code, and here to nobody.
pub async fn reset_totp(
    vault: &Vault,
    sessions: &Sessions,
    unlocked: &Unlocked,
    user: UserRef,
    enrolment: Enrolment,
) -> Result<Enrolled, OwnerError> {
    same_tenant(unlocked, user)?;
    registry::user(&vault.records, user)?.ok_or(OwnerError::NotFound("user"))?;
    let caller = Caller::unlocked(unlocked);
    let done = act_and_hold(vault, About::Tenant(user.tenant), caller, |checked| {
        checked.acts_for(user)?;
        let mut row = checked.user(user)?;
        let mut acts = vec![Act::TotpReset { user: user.user }];
        acts.extend(tokens::end_all(vault, checked.batch(), user)?);
        let renewed = TotpEnrolment::from_bytes(&row.totp)?.with_new_seed();
        row.totp = renewed.expose();
        // Steps of the seed before say nothing about this one.
        row.totp_last_step = None;
        checked.batch().delete(row_key::<UsedCodesRow>(&[user.tenant.as_bytes(), user.user.as_bytes()]));
        if enrolment == Enrolment::AtFirstSignIn {
            // In the same commit: a seed that nobody was shown would shut the user out.
            row.pending = Some(row.pending.unwrap_or(0) | pending::AUTHENTICATOR);
        }
        checked.put_user(user, &row);
        Ok((acts, enrolled(user, &row.login, &renewed)?))
    });
    let (done, turn) = done.await?;
    end_sessions(vault, sessions, user, turn).await?;
    Ok(done.value)
}

/// Sets the phrase that the unlocked user's placeholders show from now on, or takes it away. Mail that
/// is sealed already keeps what it has.
pub async fn set_phrase(vault: &Vault, unlocked: &Unlocked, phrase: &str) -> Result<(), OwnerError> {
    let phrase = check_phrase(phrase)?;
    let user = unlocked.user;
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        let row = UserRow { phrase: phrase.clone(), ..checked.user(user)? };
        checked.put_user(user, &row);
        Ok((vec![Act::PhraseChanged { user: user.user }], ()))
    });
    done.await.map(|_done| ())
}

/// A phrase is one line that reads the same for everybody; none is an empty one.
fn check_phrase(phrase: &str) -> Result<Option<String>, OwnerError> {
    let phrase = phrase.trim();
    if phrase.chars().count() > MAX_PHRASE || phrase.chars().any(misleads) {
        let why = format!("at most {MAX_PHRASE} letters in one line");
        return Err(OwnerError::Invalid { what: "phrase", why });
    }
    Ok(Some(phrase.to_owned()).filter(|phrase| !phrase.is_empty()))
}

/// Shuts a user out, or lets them in again. Letting in opens again what was closed, so it needs an
/// unlock (law 7); shutting out does not.
pub async fn set_disabled(
    vault: &Vault,
    sessions: &Sessions,
    unlocked: Option<&Unlocked>,
    user: UserRef,
    disabled: bool,
    by: By,
) -> Result<(), OwnerError> {
    act(vault, About::Tenant(user.tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let mut row = checked.user(user)?;
        may_change(checked, &row)?;
        match disabled {
            true => somebody_remains(vault, checked, user, &row)?,
            false if row.leaving.is_some() => {
                return Err(OwnerError::Forbidden("they are being removed, and have no keys any more"));
            }
            false => checked.attended()?,
        }
        row.disabled = disabled;
        checked.put_user(user, &row);
        let user = user.user;
        Ok((vec![if disabled { Act::UserDisabled { user } } else { Act::UserEnabled { user } }], ()))
    })
    .await?;
    if !disabled {
        return Ok(());
    }
    record_ends(vault, sessions.close_all_of(user), LockCause::CredentialChanged).await
}

/// Says how many octets of mail a user's mailbox takes. Needs no unlock: it opens no mail.
pub async fn set_quota(vault: &Vault, user: UserRef, quota: Option<u64>, by: By) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), Caller { by, unlocked: None }, |checked| {
        checked.administers()?;
        let mut row = checked.user(user)?;
        may_change(checked, &row)?;
        row.quota = quota;
        checked.put_user(user, &row);
        Ok((vec![Act::QuotaChanged { user: user.user, octets: quota }], ()))
    });
    done.await.map(|_done| ())
}

/// Gives a user a role. A role opens no mail, yet whoever has a higher one can do more: a person who
/// raises somebody needs an unlock (law 7). The administration socket does not, since whoever has it runs
/// the server.
pub async fn set_role(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    user: UserRef,
    role: Role,
    by: By,
) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let mut row = checked.user(user)?;
        may_change(checked, &row)?;
        may_give(checked, role)?;
        if role < Role::Administrator {
            somebody_remains(vault, checked, user, &row)?;
        }
        if role > row.role() && checked.asker().is_some() {
            checked.attended()?;
        }
        row.role = Some(role);
        checked.put_user(user, &row);
        Ok((vec![Act::RoleChanged { user: user.user, role: role_word(role) }], ()))
    });
    done.await.map(|_done| ())
}

/// Operators alone make operators.
fn may_give(checked: &Checked<'_, '_>, role: Role) -> Result<(), OwnerError> {
    if role == Role::Operator && !checked.operates() {
        return Err(OwnerError::Forbidden("only an operator can make somebody an operator"));
    }
    Ok(())
}

/// Operators alone decide about operators.
fn may_change(checked: &Checked<'_, '_>, row: &UserRow) -> Result<(), OwnerError> {
    if row.role() == Role::Operator && !checked.operates() {
        return Err(OwnerError::Forbidden("only an operator can change an operator's account"));
    }
    Ok(())
}

/// A tenant without anybody to look after it could not be mended from within. The administration socket
/// is outside.
fn somebody_remains(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    user: UserRef,
    row: &UserRow,
) -> Result<(), OwnerError> {
    if checked.asker().is_none() || row.role() < Role::Administrator || row.disabled {
        return Ok(());
    }
    let remains = |(other, row): &(UserRef, UserRow)| {
        let stays = !row.disabled && row.leaving.is_none();
        *other != user && row.role() >= Role::Administrator && stays
    };
    if let Some((other, _)) = registry::users(&vault.records, user.tenant)?.into_iter().find(remains) {
        // That this one stays becomes a condition.
        return checked.user(other).map(drop);
    }
    let why = "they are the last administrator of the tenant; make somebody else one first";
    Err(OwnerError::Forbidden(why))
}

/// What a tenant is to ask of its people. Of the minutes, 0 is what the server says, and none what is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether an unlock needs a reason.
    pub reason_required: bool,
    /// Whether every single message needs a code.
    pub step_up: bool,
    /// After how many minutes without use an unlock ends.
    pub unlock_minutes: Option<u32>,
    /// After how many minutes it ends in any case.
    pub unlock_longest_minutes: Option<u32>,
}

impl Settings {
    /// A tenant's row with these.
    fn over(self, row: TenantRow) -> TenantRow {
        let chosen = |wanted: Option<u32>, now: Option<u32>| {
            wanted.map_or(now, |count| Some(count).filter(|count| *count != 0))
        };
        TenantRow {
            reason_required: self.reason_required,
            step_up: Some(self.step_up),
            unlock_minutes: chosen(self.unlock_minutes, row.unlock_minutes),
            unlock_longest_minutes: chosen(self.unlock_longest_minutes, row.unlock_longest_minutes),
            ..row
        }
    }
}

/// Whether a tenant asks for less than `before`: then more is revealed (law 7).
fn loosens(vault: &Vault, before: &TenantRow, after: &TenantRow) -> bool {
    let (then, now) = (lasts_of(vault, Some(before)), lasts_of(vault, Some(after)));
    (before.reason_required && !after.reason_required)
        || (before.step_up.unwrap_or(false) && !after.step_up.unwrap_or(false))
        || now.idle > then.idle
        || now.longest > then.longest
}

/// Changes what a tenant asks of its people. Asking for less needs an unlock (law 7).
pub async fn set_settings(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    tenant: TenantId,
    settings: Settings,
    by: By,
) -> Result<(), OwnerError> {
    check_minutes(vault, settings)?;
    let done = act(vault, About::Tenant(tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let before = checked.tenant()?;
        let row = settings.over(before.clone());
        if loosens(vault, &before, &row) {
            checked.attended()?;
        }
        vault.records.system().put(checked.batch(), &[tenant.as_bytes()], &row);
        let Settings { reason_required, step_up, .. } = settings;
        let (unlock_minutes, unlock_longest_minutes) = (row.unlock_minutes, row.unlock_longest_minutes);
        let act =
            Act::TenantSettingsChanged { reason_required, step_up, unlock_minutes, unlock_longest_minutes };
        Ok((vec![act], ()))
    });
    done.await.map(|_done| ())
}

fn check_minutes(vault: &Vault, settings: Settings) -> Result<(), OwnerError> {
    let most = vault.settings.unlock_longest.as_secs() / 60;
    let fits = |minutes: Option<u32>| minutes.is_none_or(|count| (0..=most).contains(&u64::from(count)));
    if fits(settings.unlock_minutes) && fits(settings.unlock_longest_minutes) {
        return Ok(());
    }
    let why = format!("1 to {most}, which the server allows at most");
    Err(OwnerError::Invalid { what: "minutes of an unlock", why })
}

fn role_word(role: Role) -> UserRole {
    match role {
        Role::Member => UserRole::Member,
        Role::Administrator => UserRole::Administrator,
        Role::Operator => UserRole::Operator,
    }
}

/// Writes an act into the tenant's audit log; returns when it is durable.
pub(super) async fn record(vault: &Vault, tenant: TenantId, by: By, act: Act) -> Result<(), OwnerError> {
    let _recorded = vault.audit.record(tenant, Draft::new(by.actor, by.origin, act)).await?;
    Ok(())
}

/// Names of tenants, views and policies: what a person types without quoting.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), OwnerError> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        && !name.starts_with(['-', '.']);
    let why = "1 to 64 letters, digits, dashes, dots and underscores, not beginning with a dash or dot";
    if fits { Ok(()) } else { Err(OwnerError::Invalid { what, why: why.to_owned() }) }
}

fn put_tenant(vault: &Vault, batch: &mut Batch, tenant: TenantId, founding: &Founding, owner: &OwnerKey) {
    let records = &vault.records;
    let row = TenantRow {
        name: founding.name.clone(),
        created: vault.clock.now().unix(),
        reason_required: founding.reason_required,
        removing: false,
        step_up: None,
        unlock_minutes: None,
        unlock_longest_minutes: None,
    };
    let name_key = registry::tenant_name_key(records, &founding.name);
    records.system().insert(batch, &[&name_key], &TenantNameRow { tenant });
    records.system().insert(batch, &[tenant.as_bytes()], &row);
    let recipient = RecipientRow { recipient: owner.0.recipient().to_bytes() };
    records.system().insert(batch, &[&Reader::Owner(tenant).to_bytes()], &recipient);
}

/// What a user's row begins with.
struct First {
    login: Address,
    password: Passphrase,
    role: Role,
    pending: u8,
}

async fn put_user(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    first: First,
    owner: &OwnerKey,
    share: Share,
) -> Result<Enrolled, OwnerError> {
    let key = new_key(vault, share, first.password, &first.login.reveal()).await?;
    let (enrolment, share) = TotpEnrolment::generate();
    let row = UserRow {
        login: first.login.reveal(),
        created: vault.clock.now().unix(),
        disabled: false,
        owner_slot: KeySlot::wrap(&owner.0, &key.user_slot_key(&share), &binding(user)).to_bytes(),
        totp: enrolment.expose(),
        totp_last_step: None,
        dashboard: Some(view::put_dashboard(vault, batch, user, &owner.0.recipient(), &key)?),
        role: Some(first.role),
        pending: Some(first.pending).filter(|steps| *steps != 0),
        phrase: None,
        leaving: None,
        quota: None,
    };
    let parts: [&[u8]; 2] = [user.tenant.as_bytes(), user.user.as_bytes()];
    vault.records.tenant(user.tenant).insert(batch, &parts, &row);
    let destination = Destination::Exact(first.login);
    directory::add(&vault.records, batch, &destination, (user.tenant, user.user), None);
    enrolled(user, &row.login, &enrolment)
}

pub(super) fn enrolled(
    user: UserRef,
    login: &str,
    enrolment: &TotpEnrolment,
) -> Result<Enrolled, OwnerError> {
    let seed = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(enrolment.seed().expose()));
    let uri = enrolment.seed().enrolment_uri("Veilpost", login)?;
    Ok(Enrolled { user, login: login.to_owned(), seed, uri })
}

/// The files that open the owner key without this server: one for the recovery code, one for each
/// escrow recipient. They are durable before the tenant exists.
async fn store_recovery(
    vault: &Vault,
    tenant: TenantId,
    owner: &OwnerKey,
    code: &RecoveryCode,
    escrow: &[EscrowRecipient],
) -> Result<(), OwnerError> {
    vault.blobs.make_room(Reader::Owner(tenant))?;
    vault.blobs.put(&BlobName::of_recovery(tenant), code.seal(tenant, &owner.0)?.into()).await?;
    for (place, recipient) in escrow.iter().enumerate() {
        let file = recipient.seal(tenant, &owner.0)?;
        vault.blobs.put(&BlobName::of_escrow(tenant, place), file.into()).await?;
    }
    Ok(())
}

pub(super) async fn change_user(
    vault: &Vault,
    unlocked: &Unlocked,
    user: UserRef,
    change: impl FnMut(&mut UserRow) -> Result<(), OwnerError>,
) -> Result<(), OwnerError> {
    same_tenant(unlocked, user)?;
    update_user(vault, user, change).await
}

pub(super) fn same_tenant(unlocked: &Unlocked, user: UserRef) -> Result<(), OwnerError> {
    if user.tenant == unlocked.user.tenant { Ok(()) } else { Err(OwnerError::OtherTenant) }
}

/// Reads, changes and writes a user's row until nobody else was faster.
pub(super) async fn update_user(
    vault: &Vault,
    user: UserRef,
    mut change: impl FnMut(&mut UserRow) -> Result<(), OwnerError>,
) -> Result<(), OwnerError> {
    update_user_and(vault, user, |row, _| change(row)).await
}

/// The same, with other changes in the same batch.
pub(super) async fn update_user_and(
    vault: &Vault,
    user: UserRef,
    mut change: impl FnMut(&mut UserRow, &mut Batch) -> Result<(), OwnerError>,
) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.tenant.as_bytes(), user.user.as_bytes()];
    for _ in 0..MAX_ATTEMPTS {
        let read = scope.get_versioned::<UserRow>(&parts)?.ok_or(OwnerError::NotFound("user"))?;
        let Versioned { mut row, sealed } = read;
        let mut batch = Batch::new();
        change(&mut row, &mut batch)?;
        scope.replace(&mut batch, &parts, sealed, &row);
        match vault.records.commit(batch).await {
            Ok(_committed) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// A phrase is read at a glance, in the preview line of a phone.
pub const MAX_PHRASE: usize = 60;
/// Names fit into a line of a table.
const MAX_NAME: usize = 64;
/// Nobody changes one row so often that this many readings are stale.
const MAX_ATTEMPTS: usize = 16;

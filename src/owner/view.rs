//! Views and their credentials: making them, giving devices access, taking it away, and changing
//! policies. Whatever reveals more needs an [`Unlocked`] (law 7); whatever reveals less does not.

use super::account::check_name;
use super::checked::{About, Caller, Checked, PolicyCheck, act};
use super::{By, OwnerError, OwnerKey, Unlocked};
use crate::audit::{Act, PolicyEffect};
use crate::keyring::{self, AppPassword, Identity, KeySlot, PasswordKey, Recipient, SlotBinding};
use crate::names::{CredentialId, Reader, TenantId, ViewId};
use crate::policy::Policy;
use crate::records::{Versioned, row_key};
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    CredentialListRow, CredentialRow, DashboardAccess, LastUsedRow, MessageRow, PolicyRow, RecipientRow,
    Rendering, StaleSizeRow, UserRow, ViewRow,
};
use crate::vault::{Vault, mailboxes};

/// A new credential, to be shown once.
pub struct Issued {
    /// The credential.
    pub credential: CredentialId,
    /// The view's name.
    pub view: String,
    /// Its policy's name.
    pub policy: String,
    /// The login for mail clients.
    pub login: String,
    /// The app password.
    pub app_password: AppPassword,
}

/// Makes a view of the user's mail with a first credential. Mail that comes from now on is in it.
pub async fn create(
    vault: &Vault,
    unlocked: &Unlocked,
    user: UserRef,
    name: &str,
    policy: &str,
    label: &str,
) -> Result<Issued, OwnerError> {
    check_name("view name", name)?;
    let owner = owner_recipient(vault, user.tenant)?;
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        checked.unlocked()?;
        checked.policy(policy)?;
        checked.under(policy)?;
        let login = checked.user(user)?.login;
        if registry::view_named(&vault.records, user, name)?.is_some() {
            return Err(OwnerError::Exists("view"));
        }
        let batch = checked.batch();
        let (view, row, identity) = put_view(vault, batch, user, (name, policy), &owner)?;
        let issued = put_credential(vault, batch, user, (view, &row), label, &identity, login)?;
        let credential = issued.credential;
        Ok((vec![Act::ViewCreated { view }, Act::CredentialCreated { view, credential }], issued))
    });
    Ok(done.await?.value)
}

/// Adds to `batch`: a view with a key of its own, without any credential.
fn put_view(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    (name, policy): (&str, &str),
    owner: &Recipient,
) -> Result<(ViewId, ViewRow, Identity), OwnerError> {
    let (view, identity) = (ViewId::random(), Identity::generate());
    let row = ViewRow {
        name: name.to_owned(),
        tenant: user.tenant,
        policy: policy.to_owned(),
        generation: FIRST_GENERATION,
        created: vault.clock.now().unix(),
        for_owner: keyring::seal_to(&[owner], identity.reveal().as_bytes())?,
        uid_shift: None,
        rendering: None,
        unfilled: has_mail(vault, user)?.then_some(0),
    };
    vault.blobs.make_room(Reader::View(view))?;
    vault.records.tenant(user.tenant).insert(batch, &[user.user.as_bytes(), view.as_bytes()], &row);
    let recipient = RecipientRow { recipient: identity.recipient().to_bytes() };
    vault.records.system().insert(batch, &[&Reader::View(view).to_bytes()], &recipient);
    Ok((view, row, identity))
}

/// Adds to `batch`: the view that the dashboard lists, which the password alone opens.
pub(super) fn put_dashboard(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    owner: &Recipient,
    key: &PasswordKey,
) -> Result<DashboardAccess, OwnerError> {
    let (view, _, identity) = put_view(vault, batch, user, (DASHBOARD, DASHBOARD_POLICY), owner)?;
    Ok(DashboardAccess { view, slot: dashboard_slot(&identity, key, user, view) })
}

/// The keyslot of a dashboard view.
pub(super) fn dashboard_slot(identity: &Identity, key: &PasswordKey, user: UserRef, view: ViewId) -> Vec<u8> {
    KeySlot::wrap(identity, &key.dashboard_slot_key(), &dashboard_binding(user, view)).to_bytes()
}

pub(super) fn dashboard_binding(user: UserRef, view: ViewId) -> SlotBinding {
    SlotBinding { tenant: user.tenant, user: Some(user.user), view: Some(view), credential: None }
}

/// A further credential for a view.
pub async fn add_credential(
    vault: &Vault,
    unlocked: &Unlocked,
    user: UserRef,
    view: ViewId,
    label: &str,
) -> Result<Issued, OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        let issued = issue(vault, checked, user, view, label)?;
        Ok((vec![Act::CredentialCreated { view, credential: issued.credential }], issued))
    });
    Ok(done.await?.value)
}

/// A new app password in the place of an old one, in one step.
pub async fn rotate(vault: &Vault, unlocked: &Unlocked, old: &Located) -> Result<Issued, OwnerError> {
    let done = act(vault, About::Tenant(old.user.tenant), Caller::unlocked(unlocked), |checked| {
        let row = still_there(vault, checked, old)?;
        let issued = issue(vault, checked, old.user, old.view, &row.label)?;
        delete_credential(checked.batch(), old.view, old.credential, &row);
        let (view, credential, replaced) = (old.view, issued.credential, old.credential);
        Ok((vec![Act::CredentialRotated { view, credential, replaced }], issued))
    });
    Ok(done.await?.value)
}

/// Takes a credential away. Sessions that it opened end with their next command.
pub async fn revoke(vault: &Vault, old: &Located, by: By) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(old.user.tenant), by.into(), |checked| {
        checked.acts_for(old.user)?;
        let row = still_there(vault, checked, old)?;
        delete_credential(checked.batch(), old.view, old.credential, &row);
        Ok((vec![Act::CredentialRevoked { view: old.view, credential: old.credential }], ()))
    });
    done.await.map(|_done| ())
}

/// The credential's row, if nobody took it away meanwhile.
fn still_there(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    old: &Located,
) -> Result<CredentialListRow, OwnerError> {
    let scope = vault.records.tenant(old.user.tenant);
    let row = checked.get(&scope, &[old.view.as_bytes(), old.credential.as_bytes()])?;
    row.ok_or(OwnerError::NotFound("credential"))
}

/// Removes a view: its keys first, so that nothing opens what was sealed for it.
pub async fn remove(vault: &Vault, user: UserRef, view: ViewId, by: By) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), by.into(), |checked| {
        checked.acts_for(user)?;
        refuse_dashboard(&checked.user(user)?, view)?;
        checked.view(user, view)?;
        shred_view(vault, checked.batch(), user, view)?;
        Ok((vec![Act::ViewRemoved { view }], ()))
    });
    done.await?;
    vault.epochs.end(Reader::View(view));
    vault.blobs.remove_seeds(Reader::View(view))?;
    Ok(())
}

/// Adds to `batch`: nothing is left of a view and its credentials.
fn shred_view(vault: &Vault, batch: &mut Batch, user: UserRef, view: ViewId) -> Result<(), OwnerError> {
    for (credential, row) in registry::credentials(&vault.records, user.tenant, view)? {
        delete_credential(batch, view, credential, &row);
    }
    batch.delete(row_key::<RecipientRow>(&[&Reader::View(view).to_bytes()]));
    batch.delete(row_key::<ViewRow>(&[user.user.as_bytes(), view.as_bytes()]));
    batch.delete_prefix(row_key::<crate::tenant::rows::HiddenRow>(&[view.as_bytes()]));
    batch.delete_prefix(row_key::<StaleSizeRow>(&[view.as_bytes()]));
    batch.delete_prefix(row_key::<crate::tenant::rows::SeedRow>(&[&Reader::View(view).to_bytes()]));
    batch.delete_prefix(row_key::<crate::tenant::rows::SummaryRow>(&[&Reader::View(view).to_bytes()]));
    batch.delete_prefix(row_key::<crate::tenant::rows::ListingRow>(&[&Reader::View(view).to_bytes()]));
    Ok(())
}

/// Gives a view another policy. Without an unlock only one that reveals nothing more.
pub async fn set_policy(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    user: UserRef,
    view: ViewId,
    policy: &str,
    by: By,
) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), Caller { by, unlocked }, |checked| {
        checked.acts_for(user)?;
        let row = checked.view(user, view)?;
        let (old, new) = (checked.policy(&row.policy)?, checked.policy(policy)?);
        let effect = Some(allow_change(checked, &old, &new)?);
        checked.under(policy)?;
        if old.shows_the_same(&new) {
            // Clients keep what they have: nothing of it is different.
            rename_policy(vault, checked.batch(), user, view, policy)?;
        } else {
            change_view(vault, checked.batch(), user, view, Some(&new), |row| {
                row.policy = policy.to_owned()
            })?;
        }
        Ok((vec![Act::ViewChanged { view, effect }], ()))
    });
    done.await.map(|_done| ())
}

/// Loads a policy into a tenant, and moves the views that use it to a new generation.
pub async fn load_policy(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    tenant: TenantId,
    (name, text): (&str, &str),
    by: By,
) -> Result<Vec<String>, OwnerError> {
    check_name("policy name", name)?;
    let new = crate::policy::parse(text, name)
        .map_err(|errors| OwnerError::Invalid { what: "policy", why: errors.to_string() })?;
    let loaded = vault.clock.now().unix();
    let done = act(vault, About::Tenant(tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let users = users_of_policy(vault, tenant, name)?;
        let old = checked.policy(name);
        let same = old.as_ref().is_ok_and(|old| old.shows_the_same(&new));
        let effect = match old {
            _ if users.is_empty() => PolicyEffect::Neutral,
            Ok(old) => allow_change(checked, &old, &new)?,
            // Nobody can tell what it showed, so nobody can tell that the new one shows no more.
            Err(PolicyCheck::Unavailable(_)) => checked.unlocked().map(|_| PolicyEffect::Reveals)?,
            Err(PolicyCheck::Failed(error)) => return Err(error),
        };
        checked.under_loading(name, loaded);
        let row = PolicyRow { name: name.to_owned(), text: text.to_owned(), loaded };
        let parts: [&[u8]; 2] = [tenant.as_bytes(), &vault.policies.key(&vault.records, name)];
        vault.records.tenant(tenant).put(checked.batch(), &parts, &row);
        // Comments, a description and the like show nothing: no client has to fetch anew for them.
        for (user, view, _) in users.iter().filter(|_| !same) {
            change_view(vault, checked.batch(), *user, *view, Some(&new), |_| {})?;
        }
        Ok((vec![Act::PolicyChanged { effect }], users.into_iter().map(|(.., view)| view).collect()))
    });
    Ok(done.await?.value)
}

/// A credential, and whose it is.
pub struct Located {
    /// The user.
    pub user: UserRef,
    /// The view that it opens.
    pub view: ViewId,
    /// The credential.
    pub credential: CredentialId,
    /// What the list says of it.
    pub row: CredentialListRow,
}

/// Finds a credential by its identifier.
pub fn locate(vault: &Vault, credential: CredentialId) -> Result<Located, OwnerError> {
    for (tenant, _) in registry::tenants(&vault.records)? {
        for (user, _) in registry::users(&vault.records, tenant)? {
            for (view, _) in registry::views(&vault.records, user)? {
                let mut credentials = registry::credentials(&vault.records, tenant, view)?.into_iter();
                if let Some((credential, row)) = credentials.find(|(id, _)| *id == credential) {
                    return Ok(Located { user, view, credential, row });
                }
            }
        }
    }
    Err(OwnerError::NotFound("credential"))
}

/// The view's identity, opened with the owner key.
pub(super) fn view_identity(key: &OwnerKey, row: &ViewRow) -> Result<Identity, OwnerError> {
    let text = keyring::open(&key.0, &row.for_owner)?;
    Ok(Identity::parse(std::str::from_utf8(&text).map_err(|_| crate::keyring::KeyringError::Form)?)?)
}

/// Adds to `batch`: a view's row changed, and its generation grown, with UIDs that it has never had (law 6).
/// `policy` is what it has from now on, if that is known. The commit conflicts when somebody else changed the
/// row.
pub(super) fn change_view(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    view: ViewId,
    policy: Option<&Policy>,
    change: impl FnOnce(&mut ViewRow),
) -> Result<u32, OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), view.as_bytes()];
    let read = scope.get_versioned::<ViewRow>(&parts)?.ok_or(OwnerError::NotFound("view"))?;
    let Versioned { mut row, sealed } = read;
    row.generation += 1;
    row.uid_shift = Some(mailboxes::next_shift(vault, user, row.uid_shift.unwrap_or(0))?);
    row.rendering = Some(vault.policies.rendering(&vault.settings, policy));
    change(&mut row);
    scope.replace(batch, &parts, sealed, &row);
    batch.delete_prefix(row_key::<StaleSizeRow>(&[view.as_bytes()]));
    Ok(row.generation)
}

/// Adds to `batch`: a view has a policy of another name that shows the same.
fn rename_policy(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    view: ViewId,
    policy: &str,
) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), view.as_bytes()];
    let read = scope.get_versioned::<ViewRow>(&parts)?.ok_or(OwnerError::NotFound("view"))?;
    scope.replace(batch, &parts, read.sealed, &ViewRow { policy: policy.to_owned(), ..read.row });
    Ok(())
}

/// Whether there is mail that a new view does not have.
fn has_mail(vault: &Vault, user: UserRef) -> Result<bool, OwnerError> {
    let mut found = false;
    vault.records.tenant(user.tenant).visit::<MessageRow>(&[user.user.as_bytes()], &[], |_, _| {
        found = true;
        std::ops::ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Sees to it that nobody finds other content under a UID after the program became another one: views of
/// which clients were shown older mail as today's policy has it get a new generation if that looks different
/// now. Once at every start, before anybody is let in.
pub async fn settle(vault: &Vault) -> Result<(), OwnerError> {
    let mut batch = Batch::new();
    for (tenant, _) in registry::tenants(&vault.records)? {
        for (user, _) in registry::users(&vault.records, tenant)? {
            for (view, row) in registry::views(&vault.records, user)? {
                settle_view(vault, &mut batch, user, view, &row)?;
            }
        }
    }
    if !batch.is_empty() {
        let _committed = vault.records.commit(batch).await?;
    }
    Ok(())
}

fn settle_view(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    view: ViewId,
    row: &ViewRow,
) -> Result<(), OwnerError> {
    let policy = vault.policies.find(&vault.records, user.tenant, &row.policy).ok();
    let today = vault.policies.rendering(&vault.settings, policy.as_deref()).meaning;
    let kept = row.rendering.as_ref().map(|rendering| rendering.meaning);
    if kept == Some(today) {
        return Ok(());
    }
    let mut shown = false;
    vault.records.tenant(user.tenant).visit::<StaleSizeRow>(&[view.as_bytes()], &[], |_, _| {
        shown = true;
        std::ops::ControlFlow::Break(())
    })?;
    if shown {
        change_view(vault, batch, user, view, policy.as_deref(), |_| {})?;
    } else if let Some(rendering) = row.rendering.clone() {
        let rendering = Some(Rendering { meaning: today, ..rendering });
        vault.records.tenant(user.tenant).put(
            batch,
            &[user.user.as_bytes(), view.as_bytes()],
            &ViewRow { rendering, ..row.clone() },
        );
    }
    Ok(())
}

/// Law 7: revealing more needs an unlock of this tenant, revealing less does not.
pub(super) fn allow_change(
    checked: &Checked<'_, '_>,
    old: &Policy,
    new: &Policy,
) -> Result<PolicyEffect, OwnerError> {
    if !crate::policy::diff(old, new).loosens() {
        return Ok(PolicyEffect::Hides);
    }
    checked.unlocked().map(|_| PolicyEffect::Reveals)
}

fn owner_recipient(vault: &Vault, tenant: TenantId) -> Result<Recipient, OwnerError> {
    let row: Option<RecipientRow> = vault.records.system().get(&[&Reader::Owner(tenant).to_bytes()])?;
    Ok(Recipient::from_bytes(&row.ok_or(OwnerError::NotFound("tenant"))?.recipient)?)
}

/// The views that use a policy, as (user, view, `login/view`).
pub(super) fn users_of_policy(
    vault: &Vault,
    tenant: TenantId,
    policy: &str,
) -> Result<Vec<(UserRef, ViewId, String)>, OwnerError> {
    let mut found = Vec::new();
    for (user, row) in registry::users(&vault.records, tenant)? {
        for (view, view_row) in registry::views(&vault.records, user)? {
            if view_row.policy == policy {
                found.push((user, view, format!("{}/{}", row.login, view_row.name)));
            }
        }
    }
    Ok(found)
}

/// One more credential of a view, by the unlock that was brought.
fn issue(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    user: UserRef,
    view: ViewId,
    label: &str,
) -> Result<Issued, OwnerError> {
    let unlocked = checked.unlocked()?;
    let holder = checked.user(user)?;
    refuse_dashboard(&holder, view)?;
    let row = checked.view(user, view)?;
    let identity = view_identity(&unlocked.key, &row)?;
    put_credential(vault, checked.batch(), user, (view, &row), label, &identity, holder.login)
}

fn put_credential(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    (view, row): (ViewId, &ViewRow),
    label: &str,
    identity: &Identity,
    login: String,
) -> Result<Issued, OwnerError> {
    if label.chars().count() > MAX_LABEL || label.chars().any(char::is_control) {
        return Err(OwnerError::Invalid {
            what: "label",
            why: "at most 100 characters, no controls".to_owned(),
        });
    }
    let (credential, app_password) = (CredentialId::random(), AppPassword::generate());
    let binding = SlotBinding {
        tenant: user.tenant,
        user: Some(user.user),
        view: Some(view),
        credential: Some(credential),
    };
    let slot = KeySlot::wrap(identity, &app_password.slot_key(), &binding).to_bytes();
    let lookup = vault.records.root().lookup("credential", &app_password.lookup_id());
    let stored = CredentialRow { credential, tenant: user.tenant, user: user.user, view, slot };
    vault.records.system().insert(batch, &[&lookup], &stored);
    let listed = CredentialListRow {
        label: label.to_owned(),
        created: vault.clock.now().unix(),
        lookup: lookup.to_vec(),
    };
    vault.records.tenant(user.tenant).insert(batch, &[view.as_bytes(), credential.as_bytes()], &listed);
    Ok(Issued { credential, view: row.name.clone(), policy: row.policy.clone(), login, app_password })
}

fn delete_credential(batch: &mut Batch, view: ViewId, credential: CredentialId, row: &CredentialListRow) {
    batch.delete(row_key::<CredentialRow>(&[&row.lookup]));
    batch.delete(row_key::<CredentialListRow>(&[view.as_bytes(), credential.as_bytes()]));
    batch.delete(row_key::<LastUsedRow>(&[credential.as_bytes()]));
}

impl From<crate::vault::PolicyUnavailable> for OwnerError {
    fn from(error: crate::vault::PolicyUnavailable) -> Self {
        match error {
            crate::vault::PolicyUnavailable::Unknown => Self::NotFound("policy"),
            crate::vault::PolicyUnavailable::Broken(why) => Self::Invalid { what: "policy", why },
            crate::vault::PolicyUnavailable::Records(error) => error.into(),
        }
    }
}

/// The dashboard's view opens with the password: it cannot go, and no device may have it.
fn refuse_dashboard(holder: &UserRow, view: ViewId) -> Result<(), OwnerError> {
    if holder.dashboard.as_ref().is_some_and(|access| access.view == view) {
        let why = "it is what the dashboard lists: it stays, and no mail client gets it";
        return Err(OwnerError::Invalid { what: "view", why: why.to_owned() });
    }
    Ok(())
}

/// The name of the view that the dashboard lists, and its policy until the user chooses another.
pub const DASHBOARD: &str = "dashboard";
const DASHBOARD_POLICY: &str = "headers-only";
/// A view's first generation: its policy has never been another one.
pub(super) const FIRST_GENERATION: u32 = 1;

/// What fits into a list.
const MAX_LABEL: usize = 100;

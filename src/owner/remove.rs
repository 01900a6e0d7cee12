//! Removing a tenant: its keyslots first, in one step, so that from then on nothing opens its mail;
//! then its containers and rows, however long that takes.

use zeroize::Zeroizing;

use super::checked::{About, act};
use super::sessions::Sessions;
use super::unlock::record_ends;
use super::{By, OwnerError};
use crate::audit::{Act, LockCause};
use crate::names::{Reader, TenantId};
use crate::records::row_key;
use crate::store::blobs::BlobName;
use crate::store::ledger::Batch;
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    AddressListRow, AddressRow, ApiTokenListRow, ApiTokenRow, ArrivalsRow, AuditEntryRow, AuditHeadRow,
    CheckpointRow, CredentialListRow, CredentialRow, FolderRow, HiddenRow, LastUsedRow, Leaving, ListingRow,
    MailboxRow, MessageRow, PasskeyRow, PlaceRow, PolicyRow, RecipientRow, RefusalsRow, RemovedTenantRow,
    SeedRow, SoftlockRow, StaleSizeRow, StandingRow, SummaryRow, TenantNameRow, TenantRow, UsedCodesRow,
    UserRow, ViewRow,
};
use crate::vault::Vault;

/// Removes a tenant with all it has but its audit log, and says until when that stays. A removal that was
/// interrupted is finished by calling it again.
pub async fn tenant(
    vault: &Vault,
    sessions: &Sessions,
    tenant: TenantId,
    row: TenantRow,
    by: By,
    mut progress: impl FnMut(u64, u64),
) -> Result<RemovedTenantRow, OwnerError> {
    if !row.removing {
        let done = act(vault, About::Beyond(tenant), by.into(), |checked| {
            if !checked.operates() {
                return Err(OwnerError::Forbidden("whoever runs the server removes tenants"));
            }
            let row = checked.tenant()?;
            let users: Vec<UserRef> =
                registry::users(&vault.records, tenant)?.into_iter().map(|(user, _)| user).collect();
            checked.batch().append(shred(vault, tenant, &row, &users)?);
            Ok((vec![Act::TenantRemoved], ()))
        });
        done.await?;
    }
    let users = registry::users(&vault.records, tenant)?;
    remove_recovery(vault, tenant).await?;
    // First of all, so that nobody reads on while the mail of others goes.
    for (user, _) in &users {
        vault.mailboxes.close(*user);
        record_ends(vault, sessions.close_all_of(*user), LockCause::CredentialChanged).await?;
    }
    for (user, _) in &users {
        mail(vault, *user, &mut progress).await?;
        self::user(vault, *user).await?;
    }
    vault.epochs.end(Reader::Owner(tenant));
    vault.blobs.remove_seeds(Reader::Owner(tenant))?;
    let mut batch = Batch::new();
    batch.delete_prefix(row_key::<PolicyRow>(&[tenant.as_bytes()]));
    vault.arrivals.forget(tenant);
    batch.delete_prefix(row_key::<ArrivalsRow>(&[tenant.as_bytes()]));
    batch.delete_prefix(row_key::<RefusalsRow>(&[tenant.as_bytes()]));
    batch.delete_prefix(row_key::<SeedRow>(&[&Reader::Owner(tenant).to_bytes()]));
    batch.delete_prefix(row_key::<SummaryRow>(&[&Reader::Owner(tenant).to_bytes()]));
    batch.delete(row_key::<TenantNameRow>(&[&registry::tenant_name_key(&vault.records, &row.name)]));
    batch.delete(row_key::<StandingRow>(&[tenant.as_bytes()]));
    batch.delete(row_key::<TenantRow>(&[tenant.as_bytes()]));
    let removed = keep_log(vault, &mut batch, tenant, row.name);
    let _committed = vault.records.commit(batch).await?;
    Ok(removed)
}

/// The log of what was done in a tenant outlives it, for those who look after the server: whoever removes
/// a tenant must not remove by that what they did before.
fn keep_log(vault: &Vault, batch: &mut Batch, tenant: TenantId, name: String) -> RemovedTenantRow {
    let now = vault.clock.now();
    let until = now.plus(vault.settings.removed_logs).unix();
    let row = RemovedTenantRow { name, removed: now.unix(), until };
    vault.records.system().put(batch, &[tenant.as_bytes()], &row);
    row
}

/// Deletes the logs of removed tenants whose time is over; how many.
pub async fn forget_logs(vault: &Vault) -> Result<usize, OwnerError> {
    let now = vault.clock.now().unix();
    let removed = registry::removed_tenants(&vault.records)?;
    let over: Vec<_> = removed.into_iter().filter(|(_, row)| row.until <= now).collect();
    for (tenant, _) in &over {
        let mut batch = Batch::new();
        batch.delete_prefix(row_key::<AuditEntryRow>(&[tenant.as_bytes()]));
        batch.delete(row_key::<AuditHeadRow>(&[tenant.as_bytes()]));
        batch.delete(row_key::<CheckpointRow>(&[tenant.as_bytes()]));
        batch.delete(row_key::<RemovedTenantRow>(&[tenant.as_bytes()]));
        let _committed = vault.records.commit(batch).await?;
    }
    Ok(over.len())
}

/// One batch: every keyslot, credential, public half and address goes; the tenant is marked.
fn shred(vault: &Vault, tenant: TenantId, row: &TenantRow, users: &[UserRef]) -> Result<Batch, OwnerError> {
    let records = &vault.records;
    let mut batch = Batch::new();
    let marked = TenantRow { removing: true, ..row.clone() };
    records.system().put(&mut batch, &[tenant.as_bytes()], &marked);
    batch.delete(row_key::<RecipientRow>(&[&Reader::Owner(tenant).to_bytes()]));
    for (key, _) in directory::list(records, tenant)? {
        batch.delete(row_key::<AddressRow>(&[&key]));
    }
    for domain in directory::domains(records, tenant)? {
        directory::forget_domain(records, &mut batch, &domain, tenant);
    }
    batch.delete_prefix(row_key::<AddressListRow>(&[tenant.as_bytes()]));
    for user in users {
        shred_user(vault, &mut batch, *user, None)?;
    }
    Ok(batch)
}

/// Adds to `batch`: the user's keyslots, credentials, tokens and public halves go, and they are marked.
pub(super) fn shred_user(
    vault: &Vault,
    batch: &mut Batch,
    user: UserRef,
    leaving: Option<Leaving>,
) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    batch.delete_prefix(row_key::<PasskeyRow>(&[user.user.as_bytes()]));
    if let Some(mut row) = registry::user(&vault.records, user)? {
        (row.owner_slot, row.totp, row.disabled) = (Vec::new(), Zeroizing::default(), true);
        (row.dashboard, row.leaving) = (None, leaving.or(row.leaving));
        scope.put(batch, &[user.tenant.as_bytes(), user.user.as_bytes()], &row);
    }
    for (token, listed) in super::tokens::rows(vault, user)? {
        batch.delete(row_key::<ApiTokenRow>(&[&listed.lookup]));
        batch.delete(row_key::<ApiTokenListRow>(&[user.user.as_bytes(), token.as_bytes()]));
        batch.delete(row_key::<LastUsedRow>(&[token.as_bytes()]));
    }
    batch.delete(row_key::<LastUsedRow>(&[user.user.as_bytes()]));
    for (view, mut row) in registry::views(&vault.records, user)? {
        for (credential, listed) in registry::credentials(&vault.records, user.tenant, view)? {
            batch.delete(row_key::<CredentialRow>(&[&listed.lookup]));
            batch.delete(row_key::<CredentialListRow>(&[view.as_bytes(), credential.as_bytes()]));
            batch.delete(row_key::<LastUsedRow>(&[credential.as_bytes()]));
        }
        row.for_owner = Vec::new();
        scope.put(batch, &[user.user.as_bytes(), view.as_bytes()], &row);
        batch.delete(row_key::<RecipientRow>(&[&Reader::View(view).to_bytes()]));
    }
    Ok(())
}

pub(super) async fn remove_recovery(vault: &Vault, tenant: TenantId) -> Result<(), OwnerError> {
    vault.blobs.delete(&BlobName::of_recovery(tenant)).await?;
    for place in 0..MAX_ESCROW {
        vault.blobs.delete(&BlobName::of_escrow(tenant, place)).await?;
    }
    Ok(())
}

/// Containers go before the rows that name them, so that an interrupted removal can go on; how many went.
pub(super) async fn mail(
    vault: &Vault,
    user: UserRef,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, OwnerError> {
    let rows: Vec<(Vec<u8>, MessageRow)> = vault.records.tenant(user.tenant).list(&[user.user.as_bytes()])?;
    let total = rows.len() as u64;
    for (done, (_, row)) in (1..).zip(&rows) {
        vault.blobs.delete(&BlobName::of_container(row.container)).await?;
        // The owner's too, where the tenant stays; the views' go with their folders.
        let needed = row.needs(user.tenant).into_iter().flatten();
        vault.epochs.doubt(needed.map(|(reader, epoch)| (reader.id(), epoch)));
        progress(done, total);
    }
    Ok(total)
}

/// Everything else that there is of a user.
pub(super) async fn user(vault: &Vault, user: UserRef) -> Result<(), OwnerError> {
    let mut batch = Batch::new();
    for (view, _) in registry::views(&vault.records, user)? {
        vault.blobs.remove_seeds(Reader::View(view))?;
        vault.epochs.end(Reader::View(view));
        batch.delete_prefix(row_key::<HiddenRow>(&[view.as_bytes()]));
        batch.delete_prefix(row_key::<StaleSizeRow>(&[view.as_bytes()]));
        batch.delete_prefix(row_key::<SeedRow>(&[&Reader::View(view).to_bytes()]));
        batch.delete_prefix(row_key::<SummaryRow>(&[&Reader::View(view).to_bytes()]));
        batch.delete_prefix(row_key::<ListingRow>(&[&Reader::View(view).to_bytes()]));
    }
    // Its key is gone with the owner's: this is for room, not for secrecy.
    crate::search::Index::erase(&vault.settings.indexes.join(user.user.to_string()))?;
    batch.delete_prefix(row_key::<MessageRow>(&[user.user.as_bytes()]));
    batch.delete_prefix(row_key::<PlaceRow>(&[user.user.as_bytes()]));
    batch.delete_prefix(row_key::<FolderRow>(&[user.user.as_bytes()]));
    batch.delete_prefix(row_key::<ViewRow>(&[user.user.as_bytes()]));
    batch.delete(row_key::<MailboxRow>(&[user.user.as_bytes()]));
    batch.delete_prefix(row_key::<SoftlockRow>(&[user.user.as_bytes()]));
    batch.delete(row_key::<UsedCodesRow>(&[user.tenant.as_bytes(), user.user.as_bytes()]));
    batch.delete(row_key::<UserRow>(&[user.tenant.as_bytes(), user.user.as_bytes()]));
    let _committed = vault.records.commit(batch).await?;
    vault.mailboxes.forget(user);
    Ok(())
}

/// More escrow recipients than this a tenant cannot be founded with.
pub(super) const MAX_ESCROW: usize = 16;

//! Finds tenants, users, views and credentials by the names that people give them.

use super::directory::{self, Destination};
use super::rows::{CredentialListRow, RemovedTenantRow, TenantNameRow, TenantRow, UserRow, ViewRow};
use crate::names::{CredentialId, TenantId, UserId, ViewId};
use crate::records::{RecordError, Records};

/// A user and their tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserRef {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
}

/// The tenant called `name`.
pub fn tenant_named(records: &Records, name: &str) -> Result<Option<(TenantId, TenantRow)>, RecordError> {
    let Some(TenantNameRow { tenant }) = records.system().get(&[&tenant_name_key(records, name)])? else {
        return Ok(None);
    };
    Ok(records.system().get(&[tenant.as_bytes()])?.map(|row| (tenant, row)))
}

/// All tenants, by name.
pub fn tenants(records: &Records) -> Result<Vec<(TenantId, TenantRow)>, RecordError> {
    let rows = records.system().list::<TenantRow>(&[])?;
    let mut tenants: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, row)| Some((TenantId::from_bytes(identifier(&key)?), row)))
        .collect();
    tenants.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    Ok(tenants)
}

/// Tenants that are gone but for their audit logs, newest first.
pub fn removed_tenants(records: &Records) -> Result<Vec<(TenantId, RemovedTenantRow)>, RecordError> {
    let rows = records.system().list::<RemovedTenantRow>(&[])?;
    let mut removed: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, row)| Some((TenantId::from_bytes(identifier(&key)?), row)))
        .collect();
    removed.sort_by_key(|(_, row)| std::cmp::Reverse(row.removed));
    Ok(removed)
}

/// The user who signs in as `login`, an address that is exactly theirs.
pub fn user_named(records: &Records, login: &str) -> Result<Option<(UserRef, UserRow)>, RecordError> {
    let Ok(destination @ Destination::Exact(_)) = Destination::parse(login) else { return Ok(None) };
    let Some(holder) = directory::holder(records, &destination)? else { return Ok(None) };
    let user = UserRef { tenant: holder.tenant, user: holder.user };
    Ok(self::user(records, user)?.map(|row| (user, row)))
}

/// A user by their identifier.
pub fn user(records: &Records, UserRef { tenant, user }: UserRef) -> Result<Option<UserRow>, RecordError> {
    records.tenant(tenant).get(&[tenant.as_bytes(), user.as_bytes()])
}

/// The users of a tenant, by login.
pub fn users(records: &Records, tenant: TenantId) -> Result<Vec<(UserRef, UserRow)>, RecordError> {
    let rows = records.tenant(tenant).list::<UserRow>(&[tenant.as_bytes()])?;
    let mut users: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, row)| Some((UserRef { tenant, user: UserId::from_bytes(identifier(&key)?) }, row)))
        .collect();
    users.sort_by(|(_, one), (_, other)| one.login.cmp(&other.login));
    Ok(users)
}

/// The views of a user, by name.
pub fn views(records: &Records, user: UserRef) -> Result<Vec<(ViewId, ViewRow)>, RecordError> {
    let rows = records.tenant(user.tenant).list::<ViewRow>(&[user.user.as_bytes()])?;
    let mut views: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, row)| Some((ViewId::from_bytes(identifier(&key)?), row)))
        .collect();
    views.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    Ok(views)
}

/// One view of a user.
pub fn view(records: &Records, user: UserRef, view: ViewId) -> Result<Option<ViewRow>, RecordError> {
    records.tenant(user.tenant).get(&[user.user.as_bytes(), view.as_bytes()])
}

/// The user's view called `name`.
pub fn view_named(
    records: &Records,
    user: UserRef,
    name: &str,
) -> Result<Option<(ViewId, ViewRow)>, RecordError> {
    Ok(views(records, user)?.into_iter().find(|(_, row)| row.name == name))
}

/// The credentials of a view, oldest first.
pub fn credentials(
    records: &Records,
    tenant: TenantId,
    view: ViewId,
) -> Result<Vec<(CredentialId, CredentialListRow)>, RecordError> {
    let rows = records.tenant(tenant).list::<CredentialListRow>(&[view.as_bytes()])?;
    let mut credentials: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, row)| Some((CredentialId::from_bytes(identifier(&key)?), row)))
        .collect();
    credentials.sort_by_key(|(_, row)| row.created);
    Ok(credentials)
}

/// The key of a [`TenantNameRow`].
pub fn tenant_name_key(records: &Records, name: &str) -> [u8; 32] {
    records.root().lookup("tenant-name", name.as_bytes())
}

/// The identifier at the end of a row's key.
fn identifier(rest: &[u8]) -> Option<[u8; 16]> {
    rest.try_into().ok()
}

//! What those who look after a tenant or the server may do, for programs. The rules are those of the
//! pages: `admin::deeds`.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::House;
use super::super::admin::deeds::{self, Added, Target};
use super::caller::Caller;
use super::parts::{Asked, Named, Sent};
use super::problem::Problem;
use crate::admin::api::{
    AddressItem, MailTraced, PolicyRemoved, Request, Role, Secret, Status, Storage, TenantItem, UserItem,
};
use crate::autoconfig::{dns_notes, dns_records};
use crate::owner::{OwnerError, account};

/// Of which tenant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfTenant {
    /// Its name, for operators; one's own without it.
    tenant: Option<String>,
}

/// Whose mail to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// The address of a sender or an addressee.
    address: String,
    /// The tenant's name, for operators; one's own without it.
    tenant: Option<String>,
}

/// A user to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Their address, which is their login.
    address: String,
    /// What they may do besides reading their own mail.
    #[serde(default)]
    role: Role,
}

/// A new user.
#[derive(Serialize, JsonSchema)]
pub struct UserMade {
    login: String,
    /// For their first sign-in, where they choose their own. Shown once.
    initial_password: Secret,
}

/// What changes of a user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    role: Option<Role>,
    /// Shut out, or let in.
    disabled: Option<bool>,
    /// How many octets of mail their mailbox takes; 0 is as many as there is room for.
    quota: Option<u64>,
}

/// What becomes of the mail of a user who is removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserEnd {
    /// The login of who gets the mail and the addresses. This takes an unlock.
    hand_over_to: Option<String>,
    /// Destroy the mail.
    #[serde(default)]
    destroy: bool,
}

/// An address to be taken. It needs a user or an address that it stands for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    /// The address, or `@domain`.
    address: String,
    /// The login of the user whose mailbox takes the mail.
    user: Option<String>,
    /// Or the address that it stands for.
    alias_of: Option<String>,
}

/// A domain with its DNS records.
#[derive(Serialize, JsonSchema)]
pub struct Domain {
    domain: String,
    records: Vec<DnsRecord>,
    /// What the records do not say.
    notes: Vec<String>,
}

/// A DNS record.
#[derive(Serialize, JsonSchema)]
pub struct DnsRecord {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    kind: String,
    value: String,
    /// What it is for.
    purpose: String,
}

/// A tenant to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    name: String,
    /// The first user's address, which is their login.
    address: String,
    /// Whether an unlock needs a reason.
    #[serde(default)]
    reason_required: bool,
}

/// What a tenant asks of its people from now on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantChange {
    /// Whether an unlock needs a reason.
    reason_required: bool,
    /// Whether every single message needs a code.
    step_up: bool,
    /// After how many minutes without use an unlock ends: 0 for what the server says, nothing for what is so.
    #[serde(default)]
    unlock_minutes: Option<u32>,
    /// After how many minutes it ends in any case, in the same way.
    #[serde(default)]
    unlock_longest_minutes: Option<u32>,
}

/// Whether an address takes mail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressChange {
    /// Take its mail, or refuse it.
    on: bool,
    /// Why it is off, for those who look after the tenant; at most 200 characters. Senders never see it.
    #[serde(default)]
    note: Option<String>,
}

/// A policy to be loaded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// In TOML.
    text: String,
}

/// A policy that was loaded.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct PolicyLoaded {
    /// Its name.
    loaded: String,
    /// The views that follow it at once, as `login/view`.
    views: Vec<String>,
}

type Room = State<Arc<House>>;
type Who = Extension<Arc<Caller>>;

pub async fn users(
    State(house): Room,
    Extension(caller): Who,
    Asked(of): Asked<OfTenant>,
) -> Result<Json<Vec<UserItem>>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, of.tenant.as_deref())?;
    Ok(Json(house.ask_by(caller.asker.by(), Request::UserList { tenant: Some(tenant.name) }).await?))
}

pub async fn create_user(
    State(house): Room,
    Extension(caller): Who,
    Sent(NewUser { address, role }): Sent<NewUser>,
) -> Result<Response, Problem> {
    let added = deeds::add_user(&house, &caller.asker, &address, role, caller.authority()?).await?;
    Ok(made(added))
}

pub async fn change_user(
    State(house): Room,
    Extension(caller): Who,
    Named(login): Named<String>,
    Sent(UserChange { role, disabled, quota }): Sent<UserChange>,
) -> Result<StatusCode, Problem> {
    if role.is_none() && disabled.is_none() && quota.is_none() {
        return Err(Problem::invalid("Say what changes: role, disabled or quota."));
    }
    if let Some(quota) = quota {
        deeds::set_quota(&house, &caller.asker, &login, Some(quota).filter(|quota| *quota != 0)).await?;
    }
    if let Some(role) = role {
        deeds::set_role(&house, &caller.asker, &login, role, caller.authority().ok()).await?;
    }
    if let Some(disabled) = disabled {
        deeds::set_disabled(&house, &caller.asker, &login, disabled, caller.authority().ok()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Answers when all is done: a client that hangs up ends nothing.
pub async fn remove_user(
    State(house): Room,
    Extension(caller): Who,
    Named(login): Named<String>,
    Asked(UserEnd { hand_over_to, destroy }): Asked<UserEnd>,
) -> Result<StatusCode, Problem> {
    if hand_over_to.is_some() == destroy {
        return Err(Problem::invalid("Say what becomes of the mail: hand_over_to or destroy=true."));
    }
    let authority = match hand_over_to {
        Some(_) => Some(caller.authority()?),
        // It may be needed, where mail falls to somebody else.
        None => caller.authority().ok(),
    };
    let request = deeds::removal(&house, &caller.asker, &login, hand_over_to, authority)?;
    let by = caller.asker.by();
    // Whoever hangs up does not stop it half-way.
    let done = tokio::spawn(house.ask_long(by, request, |_, _| ())).await;
    done.map_err(|_| OwnerError::Stopping)??;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn addresses(
    State(house): Room,
    Extension(caller): Who,
    Asked(of): Asked<OfTenant>,
) -> Result<Json<Vec<AddressItem>>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, of.tenant.as_deref())?;
    Ok(Json(house.ask_by(caller.asker.by(), Request::AddressList { tenant: Some(tenant.name) }).await?))
}

pub async fn trace(
    State(house): Room,
    Extension(caller): Who,
    Asked(Traced { address, tenant }): Asked<Traced>,
) -> Result<Json<MailTraced>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, tenant.as_deref())?;
    let request = Request::MailTrace { address, tenant: Some(tenant.name) };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

pub async fn add_address(
    State(house): Room,
    Extension(caller): Who,
    Sent(NewAddress { address, user, alias_of }): Sent<NewAddress>,
) -> Result<StatusCode, Problem> {
    let target = match (user, alias_of) {
        (Some(user), None) => Target::User(user),
        (None, Some(address)) => Target::AliasOf(address),
        _ => return Err(Problem::invalid("Say either user or alias_of.")),
    };
    deeds::add_address(&house, &caller.asker, &address, target, caller.authority().ok()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn remove_address(
    State(house): Room,
    Extension(caller): Who,
    Named(address): Named<String>,
) -> Result<StatusCode, Problem> {
    deeds::remove_address(&house, &caller.asker, &address, caller.authority().ok()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn share_address(
    State(house): Room,
    Extension(caller): Who,
    Named((address, login)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    deeds::share_address(&house, &caller.asker, &address, &login, caller.authority().ok()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn unshare_address(
    State(house): Room,
    Extension(caller): Who,
    Named((address, login)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    deeds::unshare_address(&house, &caller.asker, &address, &login).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn change_address(
    State(house): Room,
    Extension(caller): Who,
    Named(address): Named<String>,
    Sent(AddressChange { on, note }): Sent<AddressChange>,
) -> Result<StatusCode, Problem> {
    if on && note.is_some() {
        return Err(Problem::invalid("A note says why an address is off: leave it out to switch on."));
    }
    let off = (!on).then_some(note);
    deeds::switch_address(&house, &caller.asker, &address, off, caller.authority().ok()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn domains(
    State(house): Room,
    Extension(caller): Who,
    Asked(of): Asked<OfTenant>,
) -> Result<Json<Vec<Domain>>, Problem> {
    let (tenant, _) = caller.asker.tenant(&house, of.tenant.as_deref())?;
    let domains = deeds::domains(&house, tenant)?;
    Ok(Json(domains.into_iter().map(|domain| described(&house, domain)).collect()))
}

pub async fn tenants(State(house): Room, Extension(caller): Who) -> Result<Json<Vec<TenantItem>>, Problem> {
    let all: Vec<TenantItem> = house.ask_by(caller.asker.by(), Request::TenantList {}).await?;
    let own = |item: &TenantItem| caller.asker.operates() || item.name == caller.asker.tenant;
    Ok(Json(all.into_iter().filter(own).collect()))
}

pub async fn create_tenant(
    State(house): Room,
    Extension(caller): Who,
    Sent(NewTenant { name, address, reason_required }): Sent<NewTenant>,
) -> Result<Response, Problem> {
    let added = deeds::create_tenant(&house, &caller.asker, &name, &address, reason_required).await?;
    Ok(made(added))
}

pub async fn change_tenant(
    State(house): Room,
    Extension(caller): Who,
    Named(tenant): Named<String>,
    Sent(change): Sent<TenantChange>,
) -> Result<StatusCode, Problem> {
    let chosen = account::Settings {
        reason_required: change.reason_required,
        step_up: change.step_up,
        unlock_minutes: change.unlock_minutes,
        unlock_longest_minutes: change.unlock_longest_minutes,
    };
    deeds::set_settings(&house, &caller.asker, Some(&tenant), chosen, caller.authority().ok()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn load_policy(
    State(house): Room,
    Extension(caller): Who,
    Named(name): Named<String>,
    Sent(NewPolicy { text }): Sent<NewPolicy>,
) -> Result<Json<PolicyLoaded>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, None)?;
    let authority = caller.authority().ok();
    let request = Request::PolicyLoad { tenant: tenant.name, name, text, authority };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

pub async fn remove_policy(
    State(house): Room,
    Extension(caller): Who,
    Named(name): Named<String>,
) -> Result<Json<PolicyRemoved>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, None)?;
    let request = Request::PolicyRemove { tenant: tenant.name, name, authority: caller.authority().ok() };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

pub async fn status(State(house): Room, Extension(caller): Who) -> Result<Json<Status>, Problem> {
    Ok(Json(deeds::status(&house, &caller.asker).await?))
}

pub async fn storage(
    State(house): Room,
    Extension(caller): Who,
    Asked(of): Asked<OfTenant>,
) -> Result<Json<Storage>, Problem> {
    let (_, tenant) = caller.asker.tenant(&house, of.tenant.as_deref())?;
    Ok(Json(house.ask_by(caller.asker.by(), Request::Storage { tenant: Some(tenant.name) }).await?))
}

fn made(Added { login, password }: Added) -> Response {
    let shown = UserMade { login, initial_password: Secret::new(password.to_string()) };
    (StatusCode::CREATED, Json(shown)).into_response()
}

fn described(house: &House, domain: String) -> Domain {
    let records = dns_records(&house.services, &domain).unwrap_or_default().into_iter();
    let records = records.map(|record| DnsRecord {
        name: record.name,
        ttl: record.ttl,
        kind: record.kind.to_string(),
        value: record.value,
        purpose: record.purpose,
    });
    let notes = dns_notes(&house.services, &domain).unwrap_or_default();
    Domain { records: records.collect(), notes, domain }
}

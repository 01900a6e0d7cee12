//! What concerns the token's own person: who they are, unlocking, their views and devices, the audit
//! log as far as it is theirs, and the policies of their tenant.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::House;
use super::super::words::Moment;
use super::caller::Caller;
use super::parts::{Asked, Named, Sent};
use super::problem::Problem;
use crate::admin::api::{
    AuditReport, CredentialCreated, CredentialFetched, CredentialItem, PolicyItem, Request, Role, Secret,
    ViewItem,
};
use crate::audit::LockCause;
use crate::keyring::Passphrase;
use crate::owner::logins::noted;
use crate::owner::unlock::{Attempt, record_ends, unlock as owner_unlock};
use crate::tenant::registry;
use crate::tenant::rows;

/// Who a token stands for.
#[derive(Serialize, JsonSchema)]
pub struct Me {
    login: String,
    tenant: String,
    role: Role,
    /// What the person called the token.
    token: String,
    scopes: Vec<String>,
    /// When the token ends (RFC 3339).
    expires: String,
}

/// What opens an unlock session.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unlocking {
    /// The person's password.
    password: Secret,
    /// The code of their authenticator, at this moment.
    code: Secret,
    /// Why; required if the tenant asks for it.
    reason: Option<String>,
}

/// An open unlock session.
#[derive(Serialize, JsonSchema)]
pub struct Opened {
    /// For the header `Veilpost-Unlock`, with the same token and from the same address.
    session: Secret,
    /// When it ends by itself (RFC 3339).
    until: String,
    /// The audit entry of the unlock.
    entry: u64,
}

/// A view to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewView {
    name: String,
    /// The name of its policy.
    policy: String,
    /// What the first device is called.
    label: Option<String>,
    /// Whether older mail is sealed for it, in the background and for as long as the unlock lasts. Without it
    /// the view begins empty.
    #[serde(default)]
    seal_older_mail: bool,
}

/// What changes of a view.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewChange {
    /// The name of its policy from now on.
    policy: String,
}

/// A device to be let in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// What it is called.
    label: String,
}

/// Which entries of the audit log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditWanted {
    /// From this number on: the `next` of the page before.
    #[serde(default)]
    from: u64,
    /// Look at so many; 100 without it.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u64>,
}

/// A page of the audit log.
#[derive(Serialize, JsonSchema)]
pub struct AuditPage {
    /// In order, as the log has them.
    entries: Vec<Value>,
    /// For the next page; none at the end of the log.
    next: Option<u64>,
}

/// A policy's text.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct PolicyText {
    name: String,
    /// In TOML.
    text: String,
}

type Room = State<Arc<House>>;
type Who = Extension<Arc<Caller>>;

pub async fn me(Extension(caller): Who) -> Json<Me> {
    let listed = &caller.bearer.listed;
    Json(Me {
        login: caller.asker.login.clone(),
        tenant: caller.asker.tenant.clone(),
        role: shown_role(caller.asker.role),
        token: listed.label.clone(),
        scopes: listed.scopes.clone(),
        expires: Moment::new(listed.expires).machine,
    })
}

/// Counted, slowed down and recorded as every unlock is. What comes out is of use with this token only.
pub async fn unlock(
    State(house): Room,
    Extension(caller): Who,
    Sent(Unlocking { password, code, reason }): Sent<Unlocking>,
) -> Result<Response, Problem> {
    let attempt = Attempt {
        login: caller.asker.login.clone(),
        password: Passphrase::new(password.expose().to_owned()),
        code: code.expose().to_owned(),
        reason,
        origin: caller.asker.origin,
        token: Some((caller.bearer.user, caller.bearer.id)),
    };
    let opened = owner_unlock(&house.vault, &house.sessions, attempt).await;
    let opened = opened.map_err(|error| noted("unlock", caller.asker.origin, error))?;
    house.notary.attend(caller.asker.user.tenant);
    let shown = Opened {
        session: caller.wrap(&opened.token),
        until: Moment::from(opened.until).machine,
        entry: opened.recorded.sequence(),
    };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub async fn lock(State(house): Room, Extension(caller): Who) -> Result<StatusCode, Problem> {
    let session = caller.unlock().ok_or_else(Problem::locked)?;
    if let Some(ended) = house.sessions.close(session) {
        record_ends(&house.vault, vec![ended], LockCause::ByPerson).await?;
        house.notary.attend(caller.asker.user.tenant);
    }
    Ok(StatusCode::NO_CONTENT)
}

pub async fn views(State(house): Room, Extension(caller): Who) -> Result<Json<Vec<ViewItem>>, Problem> {
    let request = Request::ViewList { user: Some(caller.asker.login.clone()) };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

pub async fn create_view(
    State(house): Room,
    Extension(caller): Who,
    Sent(NewView { name, policy, label, seal_older_mail }): Sent<NewView>,
) -> Result<Response, Problem> {
    let (user, authority) = (caller.asker.login.clone(), caller.authority()?);
    let request = Request::ViewCreate { user, name, policy, label, authority };
    let made: CredentialCreated = house.ask_by(caller.asker.by(), request).await?;
    if seal_older_mail {
        let token = caller.unlock().ok_or_else(Problem::locked)?;
        let unlocked = house.sessions.resume(token, house.vault.clock.now());
        crate::dashboard::views::start_reseal(&house, unlocked.map_err(|_| Problem::locked())?);
    }
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub async fn change_view(
    State(house): Room,
    Extension(caller): Who,
    Named(view): Named<String>,
    Sent(ViewChange { policy }): Sent<ViewChange>,
) -> Result<StatusCode, Problem> {
    let user = caller.asker.login.clone();
    let authority = caller.authority().ok();
    done(&house, &caller, Request::ViewPolicy { user, view, policy, authority }).await
}

pub async fn remove_view(
    State(house): Room,
    Extension(caller): Who,
    Named(view): Named<String>,
) -> Result<StatusCode, Problem> {
    done(&house, &caller, Request::ViewRemove { user: caller.asker.login.clone(), view }).await
}

pub async fn credentials(
    State(house): Room,
    Extension(caller): Who,
    Named(view): Named<String>,
) -> Result<Json<Vec<CredentialItem>>, Problem> {
    Ok(Json(devices(&house, &caller, &view).await?))
}

pub async fn create_credential(
    State(house): Room,
    Extension(caller): Who,
    Named(view): Named<String>,
    Sent(NewCredential { label }): Sent<NewCredential>,
) -> Result<Response, Problem> {
    let (user, authority) = (caller.asker.login.clone(), caller.authority()?);
    let request = Request::CredentialCreate { user, view, label, authority };
    let made: CredentialCreated = house.ask_by(caller.asker.by(), request).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub async fn revoke_credential(
    State(house): Room,
    Extension(caller): Who,
    Named((view, credential)): Named<(String, String)>,
) -> Result<Json<CredentialFetched>, Problem> {
    // The call takes any credential: this one has to be of this view of theirs.
    let found = devices(&house, &caller, &view).await?.into_iter().find(|device| device.id == credential);
    let credential = found.ok_or_else(|| Problem::not_found("credential"))?.id;
    Ok(Json(house.ask_by(caller.asker.by(), Request::CredentialRevoke { credential }).await?))
}

pub async fn audit(
    State(house): Room,
    Extension(caller): Who,
    Asked(AuditWanted { from, limit }): Asked<AuditWanted>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("A page has 1 to 1000 entries."));
    }
    let entries = entries(&house, &caller, from, limit).await?;
    let full = entries.len() as u64 == limit;
    let next = entries.last().and_then(|entry| entry["seq"].as_u64()).map(|last| last + 1).filter(|_| full);
    let theirs = Theirs::of(&house, &caller)?;
    let entries = entries.into_iter().filter(|entry| theirs.has(entry)).collect();
    Ok(Json(AuditPage { entries, next }))
}

pub async fn verify(State(house): Room, Extension(caller): Who) -> Result<Json<AuditReport>, Problem> {
    let request = Request::AuditVerify { tenant: caller.asker.tenant.clone(), checkpoints: Vec::new() };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

pub async fn receipt(
    State(house): Room,
    Extension(caller): Who,
    Named(entry): Named<u64>,
) -> Result<Response, Problem> {
    let found = entries(&house, &caller, entry, 1).await?;
    let theirs = Theirs::of(&house, &caller)?;
    if !found.first().is_some_and(|found| found["seq"] == entry && theirs.has(found)) {
        return Err(Problem::not_found("audit entry"));
    }
    let request = Request::AuditReceipt { tenant: caller.asker.tenant.clone(), entry };
    let text: String = house.ask_by(caller.asker.by(), request).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

pub async fn policies(State(house): Room, Extension(caller): Who) -> Result<Json<Vec<PolicyItem>>, Problem> {
    let request = Request::PolicyList { tenant: caller.asker.tenant.clone() };
    let mut policies: Vec<PolicyItem> = house.ask_by(caller.asker.by(), request).await?;
    if !caller.asker.administers() {
        // Which views others have is not theirs to know.
        let own = format!("{}/", caller.asker.login);
        policies.iter_mut().for_each(|policy| policy.views.retain(|view| view.starts_with(&own)));
    }
    Ok(Json(policies))
}

pub async fn policy(
    State(house): Room,
    Extension(caller): Who,
    Named(name): Named<String>,
) -> Result<Json<PolicyText>, Problem> {
    let request = Request::PolicyShow { tenant: caller.asker.tenant.clone(), name };
    Ok(Json(house.ask_by(caller.asker.by(), request).await?))
}

/// Which entries a person may see: all of their tenant if they look after it, else what they or their
/// views did, and what was done to them.
struct Theirs(Option<Vec<String>>);

impl Theirs {
    fn of(house: &House, caller: &Caller) -> Result<Self, Problem> {
        if caller.asker.administers() {
            return Ok(Self(None));
        }
        let user = caller.asker.user;
        let views = registry::views(&house.vault.records, user).map_err(crate::owner::OwnerError::from)?;
        let mut ids: Vec<_> = views.into_iter().map(|(view, _)| view.to_string()).collect();
        ids.push(user.user.to_string());
        Ok(Self(Some(ids)))
    }

    fn has(&self, entry: &Value) -> bool {
        let Some(ids) = &self.0 else { return true };
        let named =
            [&entry["actor"]["user"], &entry["actor"]["view"], &entry["act"]["user"], &entry["act"]["view"]];
        named.into_iter().filter_map(Value::as_str).any(|id| ids.iter().any(|own| own == id))
    }
}

async fn entries(house: &House, caller: &Caller, from: u64, limit: u64) -> Result<Vec<Value>, Problem> {
    let request = Request::AuditList { tenant: caller.asker.tenant.clone(), from, limit: Some(limit) };
    Ok(house.ask_items_by(caller.asker.by(), request).await?)
}

async fn devices(house: &House, caller: &Caller, view: &str) -> Result<Vec<CredentialItem>, Problem> {
    let found = registry::view_named(&house.vault.records, caller.asker.user, view);
    if found.map_err(crate::owner::OwnerError::from)?.is_none() {
        return Err(Problem::not_found("view"));
    }
    let request = Request::CredentialList { user: caller.asker.login.clone() };
    let all: Vec<CredentialItem> = house.ask_by(caller.asker.by(), request).await?;
    Ok(all.into_iter().filter(|device| device.view == view).collect())
}

async fn done(house: &House, caller: &Caller, request: Request) -> Result<StatusCode, Problem> {
    let _done: Value = house.ask_by(caller.asker.by(), request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown_role(role: rows::Role) -> Role {
    match role {
        rows::Role::Member => Role::Member,
        rows::Role::Administrator => Role::Administrator,
        rows::Role::Operator => Role::Operator,
    }
}

/// Entries on a page, unless the program says otherwise.
const PAGE: u64 = 100;
const MAX_PAGE: u64 = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_see_what_concerns_them_and_administrators_all() {
        let theirs = Theirs(Some(vec!["me".to_owned(), "my-view".to_owned()]));
        for entry in [
            json!({"actor": {"kind": "user", "user": "me"}, "act": {"kind": "signed_in"}}),
            json!({"actor": {"kind": "view", "view": "my-view"}, "act": {"kind": "list_read"}}),
            json!({"actor": {"kind": "administrator"}, "act": {"kind": "user_disabled", "user": "me"}}),
        ] {
            assert!(theirs.has(&entry), "{entry}");
        }
        let foreign = json!({"actor": {"kind": "user", "user": "you"}, "act": {"kind": "signed_in"}});
        assert!(!theirs.has(&foreign) && Theirs(None).has(&foreign));
    }
}

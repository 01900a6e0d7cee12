//! Calls on views, credentials and policies.

use std::sync::Arc;

use super::{Answered, Server, answer, authorise, done, resume, tenant_named, time, user_named};
use crate::admin::api::{
    Authority, CredentialCreated, CredentialFetched, CredentialItem, PolicyItem, PolicyRemoved, Secret,
    ViewItem,
};
use crate::admin::socket::Outlet;
use crate::names::{CredentialId, TenantId, ViewId};
use crate::owner::fetched::{rows_of, seen};
use crate::owner::view::{Issued, Located};
use crate::owner::{By, OwnerError, Unlocked, policies, reseal as owner_reseal, view};
use crate::policy;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{LastUsedRow, PolicyRow, ViewRow};

pub async fn create(
    server: &Server,
    login: &str,
    name: &str,
    policy: &str,
    label: Option<&str>,
    authority: &Authority,
    by: By,
) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = authorise(server, authority, user, by).await?;
    let issued = view::create(&server.vault, &unlocked, user, name, policy, label.unwrap_or(name)).await?;
    shown(&issued)
}

pub fn list(server: &Server, login: Option<&str>) -> Answered {
    let records = &server.vault.records;
    let mut items = Vec::new();
    for (user, login) in users(server, login)? {
        for (view, row) in registry::views(records, user)? {
            items.push(ViewItem {
                id: view.to_string(),
                user: login.clone(),
                name: row.name,
                policy: row.policy,
                generation: row.generation,
                older_mail_missing: row.unfilled.is_some(),
                credentials: registry::credentials(records, user.tenant, view)?.len() as u64,
                created: time(row.created),
            });
        }
    }
    answer(&items)
}

pub async fn set_policy(
    server: &Server,
    login: &str,
    name: &str,
    policy: &str,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (user, view, _) = view_named(server, login, name)?;
    let unlocked = match authority {
        Some(authority) => Some(authorise(server, authority, user, by).await?),
        None => None,
    };
    view::set_policy(&server.vault, unlocked.as_ref(), user, view, policy, by).await?;
    done()
}

pub async fn remove(server: &Server, login: &str, name: &str, by: By) -> Answered {
    let (user, view, _) = view_named(server, login, name)?;
    view::remove(&server.vault, user, view, by).await?;
    done()
}

pub async fn reseal(server: &Server, login: &str, session: &Secret, outlet: &Outlet) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = resume(server, session.expose())?;
    if unlocked.user() != user {
        return Err(OwnerError::OtherTenant.into());
    }
    let progress = |done, total| outlet.progress(done, total, "messages resealed");
    let resealed = owner_reseal::reseal(&server.vault, &unlocked, progress).await?;
    Ok(serde_json::json!({ "resealed": resealed.resealed, "damaged": resealed.damaged }))
}

pub async fn credential_create(
    server: &Server,
    login: &str,
    name: &str,
    label: &str,
    authority: &Authority,
    by: By,
) -> Answered {
    let (user, view, _) = view_named(server, login, name)?;
    let unlocked = authorise(server, authority, user, by).await?;
    shown(&view::add_credential(&server.vault, &unlocked, user, view, label).await?)
}

pub fn credential_list(server: &Server, login: &str) -> Answered {
    let records = &server.vault.records;
    let (user, _) = user_named(server, login)?;
    let scope = records.tenant(user.tenant);
    let mut items = Vec::new();
    for (view, view_row) in registry::views(records, user)? {
        for (credential, row) in registry::credentials(records, user.tenant, view)? {
            let used: Option<LastUsedRow> = scope.get(&[credential.as_bytes()])?;
            items.push(CredentialItem {
                id: credential.to_string(),
                view: view_row.name.clone(),
                label: row.label,
                created: time(row.created),
                last_used: used.map(|used| time(used.at)),
            });
        }
    }
    answer(&items)
}

pub async fn credential_revoke(server: &Server, credential: &str, by: By) -> Answered {
    let located = locate(server, credential)?;
    view::revoke(&server.vault, &located, by).await?;
    answer_fetched(server, &located).await
}

pub async fn credential_fetched(server: &Server, credential: &str) -> Answered {
    answer_fetched(server, &locate(server, credential)?).await
}

async fn answer_fetched(server: &Server, located: &Located) -> Answered {
    let seen = Arc::new(seen(&server.vault, located).await?);
    let rows = rows_of(&server.vault, located.user, seen.clone()).await?;
    answer(&CredentialFetched {
        credential: located.credential.to_string(),
        fetched: seen.fetched.keys().map(ToString::to_string).collect(),
        listed: rows.listed.iter().map(|(_, row)| row.message.to_string()).collect(),
        listed_gone: rows.listed_gone,
    })
}

pub async fn credential_rotate(server: &Server, credential: &str, authority: &Authority, by: By) -> Answered {
    let located = locate(server, credential)?;
    let unlocked = authorise(server, authority, located.user, by).await?;
    shown(&view::rotate(&server.vault, &unlocked, &located).await?)
}

pub async fn policy_load(
    server: &Server,
    tenant: &str,
    policy: (&str, &str),
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (tenant, _) = tenant_named(server, tenant)?;
    let unlocked = of_tenant(server, tenant, authority, by).await?;
    let views = view::load_policy(&server.vault, unlocked.as_ref(), tenant, policy, by).await?;
    Ok(serde_json::json!({ "loaded": policy.0, "views": views }))
}

pub async fn policy_remove(
    server: &Server,
    tenant: &str,
    name: &str,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (tenant, _) = tenant_named(server, tenant)?;
    let unlocked = of_tenant(server, tenant, authority, by).await?;
    let policies::Removed { shipped, views } =
        policies::remove(&server.vault, unlocked.as_ref(), tenant, name, by).await?;
    answer(&PolicyRemoved { removed: name.to_owned(), shipped, views })
}

/// The unlock for an act on the whole tenant, if one was brought.
async fn of_tenant(
    server: &Server,
    tenant: TenantId,
    authority: Option<&Authority>,
    by: By,
) -> Result<Option<Unlocked>, OwnerError> {
    match authority {
        Some(Authority::Session(session)) => Ok(Some(resume(server, session.expose())?)),
        Some(authority) => {
            let users = registry::users(&server.vault.records, tenant)?;
            let (user, _) = users.first().ok_or(OwnerError::NotFound("user"))?;
            authorise(server, authority, *user, by).await.map(Some)
        }
        None => Ok(None),
    }
}

pub fn policy_list(server: &Server, tenant: &str) -> Answered {
    let (tenant, _) = tenant_named(server, tenant)?;
    let loaded = server.vault.records.tenant(tenant).list::<PolicyRow>(&[tenant.as_bytes()])?;
    let mut items = Vec::new();
    for (_, row) in &loaded {
        items.push(policy_item(server, tenant, &row.name, &row.text, false)?);
    }
    for (name, text) in policy::shipped() {
        if !loaded.iter().any(|(_, row)| row.name == *name) {
            items.push(policy_item(server, tenant, name, text, true)?);
        }
    }
    items.sort_by(|one, other| one.name.cmp(&other.name));
    answer(&items)
}

pub fn policy_show(server: &Server, tenant: &str, name: &str) -> Answered {
    let (tenant, _) = tenant_named(server, tenant)?;
    let text = server.vault.policies.text(&server.vault.records, tenant, name)?;
    let text = text.ok_or(OwnerError::NotFound("policy"))?;
    Ok(serde_json::json!({ "name": name, "text": text }))
}

fn policy_item(
    server: &Server,
    tenant: TenantId,
    name: &str,
    text: &str,
    shipped: bool,
) -> Result<PolicyItem, OwnerError> {
    let mut used = Vec::new();
    for (user, row) in registry::users(&server.vault.records, tenant)? {
        let views = registry::views(&server.vault.records, user)?.into_iter();
        used.extend(
            views
                .filter(|(_, view)| view.policy == name)
                .map(|(_, view)| format!("{}/{}", row.login, view.name)),
        );
    }
    let description =
        policy::parse(text, name).map_or_else(|_| "(does not load)".to_owned(), |policy| policy.description);
    Ok(PolicyItem { name: name.to_owned(), description, shipped, views: used })
}

fn users(server: &Server, login: Option<&str>) -> Result<Vec<(UserRef, String)>, OwnerError> {
    if let Some(login) = login {
        let (user, row) = user_named(server, login)?;
        return Ok(vec![(user, row.login)]);
    }
    let mut users = Vec::new();
    for (tenant, _) in registry::tenants(&server.vault.records)? {
        let of_tenant = registry::users(&server.vault.records, tenant)?.into_iter();
        users.extend(of_tenant.map(|(user, row)| (user, row.login)));
    }
    Ok(users)
}

fn view_named(server: &Server, login: &str, name: &str) -> Result<(UserRef, ViewId, ViewRow), OwnerError> {
    let (user, _) = user_named(server, login)?;
    let found = registry::view_named(&server.vault.records, user, name)?;
    let (view, row) = found.ok_or(OwnerError::NotFound("view"))?;
    Ok((user, view, row))
}

fn locate(server: &Server, credential: &str) -> Result<Located, OwnerError> {
    let id: CredentialId = credential.parse().map_err(|_| OwnerError::NotFound("credential"))?;
    view::locate(&server.vault, id)
}

fn shown(issued: &Issued) -> Answered {
    answer(&CredentialCreated {
        credential: issued.credential.to_string(),
        view: issued.view.clone(),
        policy: issued.policy.clone(),
        login: issued.login.clone(),
        app_password: Secret::new(issued.app_password.reveal().to_string()),
    })
}

//! Calls on tenants and users.

use super::{
    Answered, Server, answer, authorise, authorised, done, resume, tenant_named, tenants, time, user_named,
};
use crate::admin::api::{
    Authority, RecoveryReplaced, Role, Secret, TenantCreated, TenantItem, UserCreated, UserItem, UserRemoved,
};
use crate::admin::socket::Outlet;
use crate::keyring::{EscrowRecipient, Passphrase};
use crate::names::Address;
use crate::owner::account::{Enrolled, Enrolment, Founding, NewUser, Settings};
use crate::owner::unlock::lasts;
use crate::owner::{By, OwnerError, Unlocked, account, enrol, leave, remove};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::{rows, written};
use crate::vault::usage;

pub async fn tenant_create(
    server: &Server,
    name: String,
    address: &str,
    password: &Secret,
    (reason_required, enrolment): (bool, Enrolment),
    escrow: &[String],
    by: By,
) -> Answered {
    let founding = Founding {
        name,
        address: new_address(address)?,
        password: Passphrase::new(password.expose().to_owned()),
        reason_required,
        escrow: escrow.iter().map(|text| parse_escrow(text)).collect::<Result<_, _>>()?,
        enrolment,
    };
    let founded = account::found(&server.vault, founding, by).await?;
    server.notary.attend(founded.tenant);
    answer(&TenantCreated {
        tenant: founded.tenant.to_string(),
        recovery_code: (enrolment == Enrolment::Here)
            .then(|| Secret::new(founded.recovery_code.reveal().to_string())),
        user: shown(founded.user, enrolment),
    })
}

pub fn tenant_list(server: &Server) -> Answered {
    let item = |(id, row): (_, crate::tenant::rows::TenantRow)| {
        let lasts = lasts(&server.vault, id)?;
        Ok(TenantItem {
            unlock_minutes: lasts.idle.as_secs() / 60,
            unlock_longest_minutes: lasts.longest.as_secs() / 60,
            users: registry::users(&server.vault.records, id)?.len() as u64,
            id: id.to_string(),
            name: row.name,
            created: time(row.created),
            reason_required: row.reason_required,
            step_up: row.step_up.unwrap_or(false),
        })
    };
    let items: Result<Vec<_>, OwnerError> =
        registry::tenants(&server.vault.records)?.into_iter().map(item).collect();
    answer(&items?)
}

pub async fn tenant_settings(
    server: &Server,
    name: &str,
    settings: Settings,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (tenant, _) = tenant_named(server, name)?;
    let unlocked = authorised(server, authority, first_user(server, tenant)?, by).await?;
    account::set_settings(&server.vault, unlocked.as_ref(), tenant, settings, by).await?;
    done()
}

pub async fn tenant_remove(server: &Server, name: &str, by: By, outlet: &Outlet) -> Answered {
    let (tenant, row) = tenant_named(server, name)?;
    let progress = |done, total| outlet.progress(done, total, "messages removed");
    let removed = remove::tenant(&server.vault, &server.sessions, tenant, row, by, progress).await?;
    // The last word on its log, which stays: a cut from now on shows.
    if let Err(error) = server.notary.checkpoint(tenant).await {
        tracing::error!(%tenant, %error, "no audit checkpoint of a removed tenant");
    }
    Ok(serde_json::json!({ "id": tenant.to_string(), "log_until": time(removed.until) }))
}

pub async fn user_create(
    server: &Server,
    tenant: &str,
    address: &str,
    password: &Secret,
    (role, enrolment): (Role, Enrolment),
    authority: &Authority,
    by: By,
) -> Answered {
    let (tenant, _) = tenant_named(server, tenant)?;
    let unlocked = authorise(server, authority, first_user(server, tenant)?, by).await?;
    if unlocked.user().tenant != tenant {
        return Err(OwnerError::OtherTenant.into());
    }
    let new = NewUser {
        address: new_address(address)?,
        password: Passphrase::new(password.expose().to_owned()),
        role: row_role(role),
        enrolment,
    };
    answer(&shown(account::add_user(&server.vault, &unlocked, new, by).await?, enrolment))
}

pub async fn user_list(server: &Server, tenant: Option<&str>) -> Answered {
    let mut items = Vec::new();
    for (tenant, tenant_row) in tenants(server, tenant)? {
        let scope = server.vault.records.tenant(tenant);
        for (user, row) in registry::users(&server.vault.records, tenant)? {
            let signed_in: Option<rows::LastUsedRow> = scope.get(&[user.user.as_bytes()])?;
            let used = match row.quota {
                Some(_) => Some(usage::used(&server.vault, user).await?),
                None => None,
            };
            items.push(UserItem {
                leaving: row.leaving.is_some(),
                quota: row.quota,
                used,
                last_sign_in: signed_in.map(|signed_in| time(signed_in.at)),
                role: shown_role(row.role()),
                invited: row.awaits(rows::pending::AUTHENTICATOR),
                id: user.user.to_string(),
                login: row.login,
                tenant: tenant_row.name.clone(),
                created: time(row.created),
                disabled: row.disabled,
            });
        }
    }
    answer(&items)
}

pub async fn user_password(
    server: &Server,
    login: &str,
    password: &Secret,
    authority: &Authority,
    by: By,
) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = own_session(authorise(server, authority, user, by).await?, user)?;
    let password = Passphrase::new(password.expose().to_owned());
    account::set_password(&server.vault, &server.sessions, &unlocked, user, password).await?;
    done()
}

pub async fn user_totp(server: &Server, login: &str, authority: &Authority, by: By) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = own_session(authorise(server, authority, user, by).await?, user)?;
    let enrolled =
        account::reset_totp(&server.vault, &server.sessions, &unlocked, user, Enrolment::Here).await?;
    answer(&shown(enrolled, Enrolment::Here))
}

pub async fn user_disable(
    server: &Server,
    login: &str,
    disabled: bool,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = authorised(server, authority, user, by).await?;
    account::set_disabled(&server.vault, &server.sessions, unlocked.as_ref(), user, disabled, by).await?;
    done()
}

pub async fn user_quota(server: &Server, login: &str, quota: Option<u64>, by: By) -> Answered {
    let (user, _) = user_named(server, login)?;
    account::set_quota(&server.vault, user, quota, by).await?;
    done()
}

pub async fn user_remove(
    server: &Server,
    login: &str,
    heir: Option<&str>,
    authority: Option<&Authority>,
    by: By,
    outlet: &Outlet,
) -> Answered {
    let user = leaver(server, login)?;
    let left = match heir {
        None => {
            let progress = |done, total| outlet.progress(done, total, "messages destroyed");
            let unlocked = authorised(server, authority, user, by).await?;
            let by = (unlocked.as_ref(), by);
            leave::destroy(&server.vault, &server.sessions, by, user, progress).await?
        }
        Some(heir) => {
            let heir = user_named(server, heir)?.0;
            let authority = authority.ok_or(OwnerError::UnlockNeeded)?;
            let unlocked = authorise(server, authority, heir, by).await?;
            let progress = |done, total| outlet.progress(done, total, "messages handed over");
            leave::hand_over(&server.vault, &server.sessions, (&unlocked, by), (user, heir), progress).await?
        }
    };
    let leave::Left { handed_over, damaged, destroyed } = left;
    answer(&UserRemoved { handed_over, damaged, destroyed })
}

/// A user by their login, also while they are being removed and no address is theirs any more.
fn leaver(server: &Server, login: &str) -> Result<UserRef, OwnerError> {
    for (tenant, _) in tenants(server, None)? {
        let users = registry::users(&server.vault.records, tenant)?;
        if let Some((user, _)) =
            users.into_iter().find(|(_, row)| row.login == login && row.leaving.is_some())
        {
            return Ok(user);
        }
    }
    // No other address of theirs will do: a mistake could not be taken back.
    let (user, row) = user_named(server, login)?;
    // The first releases kept logins as they were typed, in whatever Unicode form.
    let named =
        Address::parse(login).is_ok_and(|address| Address::parse(&row.login).as_ref() == Ok(&address));
    named.then_some(user).ok_or(OwnerError::NotFound("user"))
}

/// A password or phone is changed by its own user, or by whoever holds the recovery code.
fn own_session(unlocked: Unlocked, user: UserRef) -> Result<Unlocked, OwnerError> {
    if unlocked.user() == user { Ok(unlocked) } else { Err(OwnerError::OtherUser) }
}

/// On whose behalf a recovery code is used when the user does not exist yet.
fn first_user(server: &Server, tenant: crate::names::TenantId) -> Result<UserRef, OwnerError> {
    let users = registry::users(&server.vault.records, tenant)?;
    users.first().map(|(user, _)| *user).ok_or(OwnerError::NotFound("user"))
}

pub async fn user_role(
    server: &Server,
    login: &str,
    role: Role,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (user, _) = user_named(server, login)?;
    let unlocked = authorised(server, authority, user, by).await?;
    account::set_role(&server.vault, unlocked.as_ref(), user, row_role(role), by).await?;
    done()
}

pub async fn tenant_recovery(server: &Server, session: &Secret) -> Answered {
    let unlocked = resume(server, session.expose())?;
    let code = enrol::new_recovery_code(&server.vault, &unlocked).await?;
    answer(&RecoveryReplaced { recovery_code: Secret::new(code.reveal().to_string()) })
}

fn shown(enrolled: Enrolled, enrolment: Enrolment) -> UserCreated {
    let here = enrolment == Enrolment::Here;
    UserCreated {
        login: enrolled.login,
        totp_seed: here.then(|| Secret::new(enrolled.seed.to_string())),
        totp_uri: here.then(|| Secret::new(enrolled.uri.to_string())),
    }
}

fn row_role(role: Role) -> rows::Role {
    match role {
        Role::Member => rows::Role::Member,
        Role::Administrator => rows::Role::Administrator,
        Role::Operator => rows::Role::Operator,
    }
}

fn shown_role(role: rows::Role) -> Role {
    match role {
        rows::Role::Member => Role::Member,
        rows::Role::Administrator => Role::Administrator,
        rows::Role::Operator => Role::Operator,
    }
}

/// The address of a new user.
fn new_address(text: &str) -> Result<Address, OwnerError> {
    written::address(text).map_err(|error| invalid("address", &error.to_string()))
}

fn parse_escrow(text: &str) -> Result<EscrowRecipient, OwnerError> {
    text.parse()
        .map_err(|error: crate::keyring::KeyringError| invalid("escrow recipient", &error.to_string()))
}

fn invalid(what: &'static str, why: &str) -> OwnerError {
    OwnerError::Invalid { what, why: why.to_owned() }
}

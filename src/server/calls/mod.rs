//! What administrators and owners may ask over the socket: each call of [`api`](crate::admin::api)
//! in a function of its own, by subject.

mod account;
mod address;
mod audit;
mod failure;
mod figures;
mod mail;
mod trace;
mod view;

use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use serde::Serialize;

use super::Server;
use crate::admin::api::{Authority, Failure, FailureCode, Request};
use crate::admin::socket::{Handler, Outlet};
use crate::audit::{Actor, Origin};
use crate::dashboard::Office;
use crate::names::TenantId;
use crate::owner::account::{Enrolment, Settings};
use crate::owner::sessions::Token;
use crate::owner::{By, OwnerError, Unlocked, unlock};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{TenantRow, UserRow};

/// Takes calls on behalf of a server.
pub struct Desk(Weak<Server>);

impl Desk {
    /// A desk of this server.
    pub fn new(server: &Arc<Server>) -> Self {
        Self(Arc::downgrade(server))
    }
}

type Answered = Result<serde_json::Value, Failure>;

impl Handler for Desk {
    async fn handle(&self, request: Request, caller: u32, outlet: &Outlet) -> Answered {
        let server = self.0.upgrade().ok_or_else(|| OwnerError::Stopping)?;
        let by = By { actor: Actor::Administrator { uid: caller }, origin: Origin::UnixSocket };
        dispatch(&server, request, by, outlet).await
    }
}

impl Office for Desk {
    fn call<'a>(&'a self, request: Request, by: By, outlet: &'a Outlet) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let server = self.0.upgrade().ok_or_else(|| OwnerError::Stopping)?;
            dispatch(&server, request, by, outlet).await
        })
    }
}

async fn dispatch(server: &Server, request: Request, by: By, outlet: &Outlet) -> Answered {
    use Request as R;
    match request {
        R::Status {} => figures::status(server),
        R::Storage { tenant } => figures::storage(server, tenant).await,
        R::TenantCreate { name, address, password, reason_required, escrow, enrol_at_sign_in } => {
            let manner = (reason_required, enrolment(enrol_at_sign_in));
            account::tenant_create(server, name, &address, &password, manner, &escrow, by).await
        }
        R::TenantRecovery { session } => account::tenant_recovery(server, &session).await,
        R::TenantList {} => account::tenant_list(server),
        R::TenantRemove { tenant } => account::tenant_remove(server, &tenant, by, outlet).await,
        R::TenantSettings {
            tenant,
            reason_required,
            step_up,
            authority,
            unlock_minutes,
            unlock_longest_minutes,
        } => {
            let settings = Settings { reason_required, step_up, unlock_minutes, unlock_longest_minutes };
            account::tenant_settings(server, &tenant, settings, authority.as_ref(), by).await
        }
        R::UserCreate { tenant, address, password, role, enrol_at_sign_in, authority } => {
            let manner = (role, enrolment(enrol_at_sign_in));
            account::user_create(server, &tenant, &address, &password, manner, &authority, by).await
        }
        R::UserRole { user, role, authority } => {
            account::user_role(server, &user, role, authority.as_ref(), by).await
        }
        R::UserList { tenant } => account::user_list(server, tenant.as_deref()).await,
        R::UserPassword { user, password, authority } => {
            account::user_password(server, &user, &password, &authority, by).await
        }
        R::UserTotp { user, authority } => account::user_totp(server, &user, &authority, by).await,
        R::UserDisable { user, disabled, authority } => {
            account::user_disable(server, &user, disabled, authority.as_ref(), by).await
        }
        R::UserQuota { user, quota } => account::user_quota(server, &user, quota, by).await,
        R::UserRemove { user, heir, authority } => {
            account::user_remove(server, &user, heir.as_deref(), authority.as_ref(), by, outlet).await
        }
        R::AddressAdd { address, user, alias_of, authority } => {
            let target = (user.as_deref(), alias_of.as_deref());
            address::add(server, &address, target, authority.as_ref(), by).await
        }
        R::AddressShare { address, user, authority } => {
            address::share(server, &address, &user, Some(authority.as_ref()), by).await
        }
        R::AddressUnshare { address, user } => address::share(server, &address, &user, None, by).await,
        R::AddressSwitch { address, on, note, authority } => {
            let off = (!on).then_some(note);
            address::switch(server, &address, off, authority.as_ref(), by).await
        }
        R::AddressList { tenant } => address::list(server, tenant.as_deref()),
        R::MailTrace { address, tenant } => trace::mail(server, &address, tenant.as_deref(), by).await,
        R::AddressRemove { address, authority } => {
            address::remove(server, &address, authority.as_ref(), by).await
        }
        R::ViewCreate { user, name, policy, label, authority } => {
            view::create(server, &user, &name, &policy, label.as_deref(), &authority, by).await
        }
        R::ViewList { user } => view::list(server, user.as_deref()),
        R::ViewPolicy { user, view, policy, authority } => {
            view::set_policy(server, &user, &view, &policy, authority.as_ref(), by).await
        }
        R::ViewRemove { user, view } => view::remove(server, &user, &view, by).await,
        R::Reseal { user, session } => view::reseal(server, &user, &session, outlet).await,
        R::CredentialCreate { user, view, label, authority } => {
            view::credential_create(server, &user, &view, &label, &authority, by).await
        }
        R::CredentialList { user } => view::credential_list(server, &user),
        R::CredentialFetched { credential } => view::credential_fetched(server, &credential).await,
        R::CredentialRevoke { credential } => view::credential_revoke(server, &credential, by).await,
        R::CredentialRotate { credential, authority } => {
            view::credential_rotate(server, &credential, &authority, by).await
        }
        R::PolicyLoad { tenant, name, text, authority } => {
            view::policy_load(server, &tenant, (&name, &text), authority.as_ref(), by).await
        }
        R::PolicyRemove { tenant, name, authority } => {
            view::policy_remove(server, &tenant, &name, authority.as_ref(), by).await
        }
        R::PolicyList { tenant } => view::policy_list(server, &tenant),
        R::PolicyShow { tenant, name } => view::policy_show(server, &tenant, &name),
        R::Unlock { user, password, code, reason } => {
            mail::unlock(server, user, &password, &code, reason, by.origin).await
        }
        R::Session { session } => mail::session(server, &session),
        R::Lock { session } => mail::lock(server, &session).await,
        R::MailList { session, before, limit } => mail::list(server, &session, before, limit).await,
        R::MailRead { session, message, code } => mail::read(server, &session, &message, code.as_ref()).await,
        R::MailExport { session } => mail::export(server, &session, outlet).await,
        R::MailDelete { session, message } => mail::delete(server, &session, &message).await,
        R::AuditList { tenant, from, limit } => audit::list(server, &tenant, from, limit, outlet).await,
        R::AuditVerify { tenant, checkpoints } => audit::verify(server, &tenant, &checkpoints).await,
        R::AuditCheckpoint { tenant } => audit::checkpoint(server, &tenant).await,
        R::AuditReceipt { tenant, entry } => audit::receipt(server, &tenant, entry).await,
    }
}

fn enrolment(at_sign_in: bool) -> Enrolment {
    if at_sign_in { Enrolment::AtFirstSignIn } else { Enrolment::Here }
}

/// The answer of a call that has nothing to tell.
fn done() -> Answered {
    Ok(serde_json::json!({ "done": true }))
}

fn answer(value: &impl Serialize) -> Answered {
    serde_json::to_value(value).map_err(|error| Failure {
        code: FailureCode::Internal,
        message: error.to_string(),
        hint: None,
    })
}

fn tenant_named(server: &Server, name: &str) -> Result<(TenantId, TenantRow), OwnerError> {
    registry::tenant_named(&server.vault.records, name)?.ok_or(OwnerError::NotFound("tenant"))
}

fn user_named(server: &Server, login: &str) -> Result<(UserRef, UserRow), OwnerError> {
    registry::user_named(&server.vault.records, login)?.ok_or(OwnerError::NotFound("user"))
}

/// The tenants that a list is about: the one named, or all.
fn tenants(server: &Server, name: Option<&str>) -> Result<Vec<(TenantId, TenantRow)>, OwnerError> {
    match name {
        Some(name) => Ok(vec![tenant_named(server, name)?]),
        None => Ok(registry::tenants(&server.vault.records)?),
    }
}

/// Opens the owner key for a call on `user`: by a session of the same tenant, or its recovery code.
async fn authorise(
    server: &Server,
    authority: &Authority,
    user: UserRef,
    by: By,
) -> Result<Unlocked, OwnerError> {
    match authority {
        Authority::Session(session) => resume(server, session.expose()),
        Authority::Recovery(code) => unlock::recover(&server.vault, user, code.expose(), by.origin).await,
    }
}

/// The same where only some calls need it.
async fn authorised(
    server: &Server,
    authority: Option<&Authority>,
    user: UserRef,
    by: By,
) -> Result<Option<Unlocked>, OwnerError> {
    match authority {
        Some(authority) => authorise(server, authority, user, by).await.map(Some),
        None => Ok(None),
    }
}

fn resume(server: &Server, session: &str) -> Result<Unlocked, OwnerError> {
    let token = Token::parse(session).ok_or(OwnerError::SessionEnded)?;
    server.sessions.resume(&token, server.vault.clock.now())
}

/// A time for people and programs (RFC 3339).
fn time(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).unwrap_or_default().to_string()
}

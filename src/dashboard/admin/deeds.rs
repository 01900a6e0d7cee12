//! What those who look after a tenant, or the server, may do: the rules that pages and the HTTP API
//! share. Each looks first whether the one who asks may, then has the office do it.
//!
//! What holds whoever asks (who may change whom, whose a domain is, what takes an unlock) is decided where it is
//! done, in `owner`.

use axum::http::StatusCode;
use zeroize::Zeroizing;

use super::super::House;
use super::super::asker::Asker;
use super::super::trouble::Trouble;
use crate::admin::api::{Authority, Failure, Request, Role, Secret, Status, TenantCreated, UserCreated};
use crate::keyring::AppPassword;
use crate::names::{Address, TenantId};
use crate::owner::account::Settings;
use crate::owner::{OwnerError, leave};
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{TenantRow, UserRow};
use crate::tenant::{domains, written};

/// A new user, and what to pass on to them.
pub struct Added {
    /// Their login.
    pub login: String,
    /// The password for their first sign-in, shown once.
    pub password: Zeroizing<String>,
}

/// Where mail to a new address goes.
pub enum Target {
    /// To the mailbox of this user.
    User(String),
    /// To wherever mail to this address goes.
    AliasOf(String),
}

/// Adds a user to the asker's own tenant, which is unlocked.
pub async fn add_user(
    house: &House,
    asker: &Asker,
    address: &str,
    role: Role,
    authority: Authority,
) -> Result<Added, Trouble> {
    let (_, row) = asker.tenant(house, None)?;
    let address = written::address(address).map_err(|error| wrong("address", &error.to_string()))?;
    let password = initial_password();
    let request = Request::UserCreate {
        tenant: row.name,
        address: address.reveal(),
        password: Secret::new(password.to_string()),
        role,
        enrol_at_sign_in: true,
        authority,
    };
    let made: UserCreated = house.ask_by(asker.by(), request).await?;
    Ok(Added { login: made.login, password })
}

/// Gives a user another role.
pub async fn set_role(
    house: &House,
    asker: &Asker,
    login: &str,
    role: Role,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let (_, row) = asker.person(house, login)?;
    done(house, asker, Request::UserRole { user: row.login, role, authority }).await
}

/// Shuts a user out, or lets them in again.
pub async fn set_disabled(
    house: &House,
    asker: &Asker,
    login: &str,
    disabled: bool,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let (_, row) = asker.person(house, login)?;
    done(house, asker, Request::UserDisable { user: row.login, disabled, authority }).await
}

/// Says how much mail a user may have.
pub async fn set_quota(house: &House, asker: &Asker, login: &str, quota: Option<u64>) -> Result<(), Trouble> {
    let (_, row) = asker.person(house, login)?;
    done(house, asker, Request::UserQuota { user: row.login, quota }).await
}

/// The server's state. How many tenants there are, and what their people do, is for whoever runs the server:
/// others are told of their own.
pub async fn status(house: &House, asker: &Asker) -> Result<Status, Trouble> {
    let mut status: Status = house.ask_by(asker.by(), Request::Status {}).await?;
    if !asker.operates() {
        let (tenant, now) = (asker.user.tenant, house.vault.clock.now());
        status.tenants = 1;
        status.signed_in = house.sessions.sign_ins.list_of_tenant(tenant, now).len() as u64;
        status.unlocked = house.sessions.count_of(tenant, now) as u64;
    }
    Ok(status)
}

/// What removes a user, if the asker may: the rule is `owner::leave`'s, which asks again when it begins.
pub fn removal(
    house: &House,
    asker: &Asker,
    login: &str,
    heir: Option<String>,
    authority: Option<Authority>,
) -> Result<Request, Trouble> {
    let (user, row) = leaver(house, asker, login)?;
    let heir = heir.map(|heir| asker.person(house, &heir)).transpose()?;
    leave::may(&house.vault, user, heir.as_ref().map(|(heir, _)| *heir), asker.by())
        .map_err(|error| Trouble::from(Failure::from(error)))?;
    if heir.is_none() && authority.is_none() && leave::shows_more(&house.vault, user)? {
        return Err(Failure::from(OwnerError::UnlockNeeded).into());
    }
    Ok(Request::UserRemove { user: row.login, heir: heir.map(|(_, row)| row.login), authority })
}

/// A user by their login, also while they are being removed and have no address any more.
fn leaver(house: &House, asker: &Asker, login: &str) -> Result<(UserRef, UserRow), Trouble> {
    for (tenant, _) in registry::tenants(&house.vault.records).map_err(OwnerError::from)? {
        if asker.looks_after(tenant) {
            let users = registry::users(&house.vault.records, tenant).map_err(OwnerError::from)?;
            let found = users.into_iter().find(|(_, row)| row.login == login);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }
    asker.person(house, login)
}

/// Takes mail for one more address.
pub async fn add_address(
    house: &House,
    asker: &Asker,
    address: &str,
    target: Target,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let destination = written::destination(address).map_err(|error| wrong("address", &error.to_string()))?;
    let (user, alias_of) = match target {
        Target::User(login) => (Some(asker.person(house, login.trim())?.1.login), None),
        Target::AliasOf(address) => {
            holder(house, asker, &address)?;
            (None, Some(address.trim().to_owned()))
        }
    };
    let request = Request::AddressAdd { address: destination.reveal(), user, alias_of, authority };
    done(house, asker, request).await
}

/// Takes no more mail for an address.
pub async fn remove_address(
    house: &House,
    asker: &Asker,
    address: &str,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let destination = asker.address(house, address)?;
    done(house, asker, Request::AddressRemove { address: destination.reveal(), authority }).await
}

/// Lets an address be for one more person.
pub async fn share_address(
    house: &House,
    asker: &Asker,
    address: &str,
    login: &str,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let address = asker.address(house, address)?.reveal();
    let user = asker.person(house, login.trim())?.1.login;
    done(house, asker, Request::AddressShare { address, user, authority }).await
}

/// Takes somebody off an address that several people have.
pub async fn unshare_address(
    house: &House,
    asker: &Asker,
    address: &str,
    login: &str,
) -> Result<(), Trouble> {
    let address = asker.address(house, address)?.reveal();
    let user = asker.person(house, login.trim())?.1.login;
    done(house, asker, Request::AddressUnshare { address, user }).await
}

/// Refuses mail for an address, with a note or none, or takes it again.
pub async fn switch_address(
    house: &House,
    asker: &Asker,
    address: &str,
    off: Option<Option<String>>,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let address = asker.address(house, address)?.reveal();
    let (on, note) = (off.is_none(), off.flatten());
    done(house, asker, Request::AddressSwitch { address, on, note, authority }).await
}

/// Changes what a tenant asks of its people.
pub async fn set_settings(
    house: &House,
    asker: &Asker,
    tenant: Option<&str>,
    settings: Settings,
    authority: Option<Authority>,
) -> Result<(), Trouble> {
    let (_, row) = asker.tenant(house, tenant)?;
    let Settings { reason_required, step_up, unlock_minutes, unlock_longest_minutes } = settings;
    let request = Request::TenantSettings {
        tenant: row.name,
        reason_required,
        step_up,
        authority,
        unlock_minutes,
        unlock_longest_minutes,
    };
    done(house, asker, request).await
}

/// Makes a tenant with its first user, for those who look after the server.
pub async fn create_tenant(
    house: &House,
    asker: &Asker,
    name: &str,
    address: &str,
    reason_required: bool,
) -> Result<Added, Trouble> {
    operates(asker)?;
    let address = written::address(address).map_err(|error| wrong("address", &error.to_string()))?;
    let password = initial_password();
    let request = Request::TenantCreate {
        name: name.trim().to_owned(),
        address: address.reveal(),
        password: Secret::new(password.to_string()),
        reason_required,
        escrow: Vec::new(),
        enrol_at_sign_in: true,
    };
    let made: TenantCreated = house.ask_by(asker.by(), request).await?;
    Ok(Added { login: made.user.login, password })
}

/// The tenant to remove, if the asker may: never the one they are in.
pub fn removable(house: &House, asker: &Asker, name: &str) -> Result<TenantRow, Trouble> {
    operates(asker)?;
    let (tenant, row) = asker.tenant(house, Some(name))?;
    if tenant == asker.user.tenant {
        return Err(wrong("tenant", "it is your own"));
    }
    Ok(row)
}

/// Whether the asker looks after the server.
pub fn operates(asker: &Asker) -> Result<(), Trouble> {
    if asker.operates() { Ok(()) } else { Err(Trouble::Forbidden) }
}

/// The domains that a tenant's addresses have, sorted.
pub fn domains(house: &House, tenant: TenantId) -> Result<Vec<String>, Trouble> {
    let listed = directory::list(&house.vault.records, tenant).map_err(OwnerError::from)?;
    let found = listed.iter().map(|(_, row)| domains::of(&row.address).to_owned());
    Ok(found.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
}

/// The status that a form is shown again with: what was asked is wrong, or may not be.
pub fn status_of(failure: &Failure) -> StatusCode {
    super::super::trouble::status(failure.code)
}

async fn done(house: &House, asker: &Asker, request: Request) -> Result<(), Trouble> {
    let _done: serde_json::Value = house.ask_by(asker.by(), request).await?;
    Ok(())
}

/// The tenant whose mailbox takes mail to `address`, if the asker looks after it.
fn holder(house: &House, asker: &Asker, address: &str) -> Result<TenantId, Trouble> {
    let gone = || wrong("address", "there is no such address that it could stand for");
    let address = Address::parse(address.trim()).map_err(|_| gone())?;
    let holder = directory::resolve(&house.vault.records, &address).map_err(OwnerError::from)?;
    holder.map(|row| row.tenant).filter(|tenant| asker.looks_after(*tenant)).ok_or_else(gone)
}

/// 80 random bits in groups of four letters: to be passed on, and changed at the first sign-in.
fn initial_password() -> Zeroizing<String> {
    let letters = AppPassword::generate().reveal();
    Zeroizing::new(letters.chars().take(INITIAL).collect())
}

fn wrong(what: &str, why: &str) -> Trouble {
    Trouble::invalid(format!("the {what} is not allowed: {why}"))
}

/// Four groups of four letters with their dashes.
const INITIAL: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_passwords_are_long_and_different() {
        let (one, other) = (initial_password(), initial_password());
        assert_eq!((one.len(), one.matches('-').count()), (19, 3));
        assert_ne!(*one, *other);
    }
}

//! What those who look after a tenant, or the server, may do: the rules that pages and the HTTP API
//! share. Each looks first whether the one who asks may, then has the office do it.
//!
//! Tenants are walled off from each other by domain, too: whoever looks after one cannot take mail
//! for a domain that another one has.

use axum::http::StatusCode;
use zeroize::Zeroizing;

use super::super::House;
use super::super::asker::Asker;
use super::super::trouble::Trouble;
use crate::admin::api::{Authority, Failure, FailureCode, Request, Role, Secret, TenantCreated, UserCreated};
use crate::keyring::AppPassword;
use crate::names::{Address, TenantId};
use crate::owner::OwnerError;
use crate::tenant::directory::{self, Destination};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{self, TenantRow, UserRow};

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
    let (tenant, row) = asker.tenant(house, None)?;
    may_give(asker, role)?;
    let address = Address::parse(address.trim()).map_err(|error| wrong("address", &error.to_string()))?;
    domain_is_theirs(house, asker, tenant, address.domain())?;
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
pub async fn set_role(house: &House, asker: &Asker, login: &str, role: Role) -> Result<(), Trouble> {
    // Two at once must not take each other's role.
    let _alone = house.standing.lock().await;
    let (user, row) = asker.person(house, login)?;
    may_change(asker, &row)?;
    may_give(asker, role)?;
    if role == Role::Member {
        somebody_remains(house, user, &row)?;
    }
    done(house, asker, Request::UserRole { user: row.login, role }).await
}

/// Shuts a user out, or lets them in again.
pub async fn set_disabled(house: &House, asker: &Asker, login: &str, disabled: bool) -> Result<(), Trouble> {
    let _alone = house.standing.lock().await;
    let (user, row) = asker.person(house, login)?;
    may_change(asker, &row)?;
    if disabled {
        somebody_remains(house, user, &row)?;
    }
    done(house, asker, Request::UserDisable { user: row.login, disabled }).await
}

/// Takes mail for one more address.
pub async fn add_address(house: &House, asker: &Asker, address: &str, target: Target) -> Result<(), Trouble> {
    let destination =
        Destination::parse(address.trim()).map_err(|error| wrong("address", &error.to_string()))?;
    let (tenant, user, alias_of) = match target {
        Target::User(login) => {
            let (user, row) = asker.person(house, login.trim())?;
            (user.tenant, Some(row.login), None)
        }
        Target::AliasOf(address) => {
            let tenant = holder(house, asker, &address)?;
            (tenant, None, Some(address.trim().to_owned()))
        }
    };
    domain_is_theirs(house, asker, tenant, domain_of(&destination.reveal()))?;
    done(house, asker, Request::AddressAdd { address: destination.reveal(), user, alias_of }).await
}

/// Takes no more mail for an address.
pub async fn remove_address(house: &House, asker: &Asker, address: &str) -> Result<(), Trouble> {
    let destination = asker.address(house, address)?;
    done(house, asker, Request::AddressRemove { address: destination.reveal() }).await
}

/// Changes what a tenant asks of its people.
pub async fn set_settings(
    house: &House,
    asker: &Asker,
    tenant: Option<&str>,
    (reason_required, step_up): (bool, bool),
) -> Result<(), Trouble> {
    let (_, row) = asker.tenant(house, tenant)?;
    done(house, asker, Request::TenantSettings { tenant: row.name, reason_required, step_up }).await
}

/// Whether settings ask less of a tenant's people than those of now: then it takes an unlock (law 7).
pub fn loosens(
    house: &House,
    asker: &Asker,
    tenant: Option<&str>,
    (reason_required, step_up): (bool, bool),
) -> Result<bool, Trouble> {
    let (_, row) = asker.tenant(house, tenant)?;
    Ok((row.reason_required && !reason_required) || (row.step_up.unwrap_or(false) && !step_up))
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
    let address = Address::parse(address.trim()).map_err(|error| wrong("address", &error.to_string()))?;
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
    let domains = listed.iter().map(|(_, row)| domain_of(&row.address).to_owned());
    Ok(domains.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
}

/// The status that a form is shown again with: what was asked is wrong, or may not be.
pub fn status_of(failure: &Failure) -> StatusCode {
    super::super::trouble::status(failure.code)
}

async fn done(house: &House, asker: &Asker, request: Request) -> Result<(), Trouble> {
    let _done: serde_json::Value = house.ask_by(asker.by(), request).await?;
    Ok(())
}

/// Operators alone make operators.
fn may_give(asker: &Asker, role: Role) -> Result<(), Trouble> {
    if role == Role::Operator && !asker.operates() {
        return Err(refused("only an operator can make somebody an operator"));
    }
    Ok(())
}

/// Operators alone decide about operators.
fn may_change(asker: &Asker, row: &UserRow) -> Result<(), Trouble> {
    if row.role() == rows::Role::Operator && !asker.operates() {
        return Err(refused("only an operator can change an operator's account"));
    }
    Ok(())
}

/// A tenant without anybody to look after it could not be mended from within.
fn somebody_remains(house: &House, user: UserRef, row: &UserRow) -> Result<(), Trouble> {
    if row.role() < rows::Role::Administrator || row.disabled {
        return Ok(());
    }
    let users = registry::users(&house.vault.records, user.tenant).map_err(OwnerError::from)?;
    let remains = |(other, row): &(UserRef, UserRow)| {
        *other != user && row.role() >= rows::Role::Administrator && !row.disabled
    };
    if users.iter().any(remains) {
        return Ok(());
    }
    Err(refused("they are the last administrator of the tenant; make somebody else one first"))
}

/// Refuses a domain in which another tenant has addresses. Those who look after the server may share one.
fn domain_is_theirs(house: &House, asker: &Asker, tenant: TenantId, domain: &str) -> Result<(), Trouble> {
    if asker.operates() {
        return Ok(());
    }
    for (other, _) in registry::tenants(&house.vault.records).map_err(OwnerError::from)? {
        if other != tenant && domains(house, other)?.iter().any(|taken| taken == domain) {
            return Err(refused("that domain is not yours here; whoever runs the server can change that"));
        }
    }
    Ok(())
}

/// The tenant whose mailbox takes mail to `address`, if the asker looks after it.
fn holder(house: &House, asker: &Asker, address: &str) -> Result<TenantId, Trouble> {
    let gone = || wrong("address", "there is no such address that it could stand for");
    let address = Address::parse(address.trim()).map_err(|_| gone())?;
    let holder = directory::resolve(&house.vault.records, &address).map_err(OwnerError::from)?;
    holder.map(|row| row.tenant).filter(|tenant| asker.looks_after(*tenant)).ok_or_else(gone)
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// 80 random bits in groups of four letters: to be passed on, and changed at the first sign-in.
fn initial_password() -> Zeroizing<String> {
    let letters = AppPassword::generate().reveal();
    Zeroizing::new(letters.chars().take(INITIAL).collect())
}

fn refused(message: &str) -> Trouble {
    Failure { code: FailureCode::Refused, message: message.to_owned(), hint: None }.into()
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

    #[test]
    fn domains_stand_behind_the_last_at() {
        for (address, domain) in [("a@b.example", "b.example"), ("@b.example", "b.example")] {
            assert_eq!(domain_of(address), domain);
        }
    }
}

//! Calls on addresses.

use super::{Answered, Server, answer, authorised, done, tenants, time, user_named};
use crate::admin::api::{AddressItem, Authority, SwitchedOff};
use crate::names::{Address, TenantId, UserId};
use crate::owner::{By, OwnerError, addresses};
use crate::tenant::directory::{self, Destination};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{AddressRow, Off};
use crate::tenant::{roles, written};

pub async fn add(
    server: &Server,
    address: &str,
    (login, alias_of): (Option<&str>, Option<&str>),
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let destination = written::destination(address).map_err(|error| invalid(&error.to_string()))?;
    let alias_of = alias_of.map(written::address).transpose();
    let alias_of: Option<Address> = alias_of.map_err(|error| invalid(&error.to_string()))?;
    let user = match (&alias_of, login) {
        (Some(target), _) => {
            let holder = directory::resolve(&server.vault.records, target)?;
            let row = holder.ok_or(OwnerError::NotFound("address that the alias stands for"))?;
            UserRef { tenant: row.tenant, user: row.user }
        }
        (None, Some(login)) => user_named(server, login)?.0,
        (None, None) => return Err(invalid("it needs a user or an address that it stands for").into()),
    };
    let unlocked = authorised(server, authority, user, by).await?;
    addresses::add(&server.vault, unlocked.as_ref(), &destination, user, alias_of.as_ref(), by).await?;
    done()
}

/// Lets an address be for one more user, by this authority if any, or for one fewer, which takes none.
pub async fn share(
    server: &Server,
    address: &str,
    login: &str,
    with: Option<Option<&Authority>>,
    by: By,
) -> Answered {
    let (destination, (user, _)) = (parse(address)?, user_named(server, login)?);
    let unlocked = authorised(server, with.flatten(), user, by).await?;
    addresses::share(&server.vault, unlocked.as_ref(), &destination, user, with.is_some(), by).await?;
    done()
}

/// Switches an address off, with a note or none, or on again.
pub async fn switch(
    server: &Server,
    address: &str,
    off: Option<Option<String>>,
    authority: Option<&Authority>,
    by: By,
) -> Answered {
    let (destination, user) = holder(server, address)?;
    let unlocked = authorised(server, authority, user, by).await?;
    addresses::switch(&server.vault, unlocked.as_ref(), &destination, off, by).await?;
    done()
}

pub fn list(server: &Server, tenant: Option<&str>) -> Answered {
    let records = &server.vault.records;
    let mut items = Vec::new();
    for (tenant, _) in tenants(server, tenant)? {
        for (key, listed) in directory::list(records, tenant)? {
            let row: Option<AddressRow> = records.system().get(&[&key])?;
            let others = row.iter().flat_map(AddressRow::holders).skip(1);
            let others = others.map(|user| login(server, tenant, user)).collect::<Result<_, _>>()?;
            let off = row.as_ref().and_then(|row| row.off.as_ref());
            items.push(AddressItem {
                user: login(server, tenant, listed.user)?,
                address: listed.address,
                alias_of: listed.alias_of,
                shared_with: others,
                standing: false,
                off: off.map(|off| shown(server, tenant, off)).transpose()?,
            });
        }
        for (address, row) in roles::standing(records, tenant, &server.vault.settings.hostname)? {
            items.push(AddressItem {
                address: address.reveal(),
                user: row.login,
                alias_of: None,
                shared_with: Vec::new(),
                standing: true,
                off: None,
            });
        }
    }
    answer(&items)
}

pub async fn remove(server: &Server, address: &str, authority: Option<&Authority>, by: By) -> Answered {
    let (destination, user) = holder(server, address)?;
    let unlocked = authorised(server, authority, user, by).await?;
    addresses::remove(&server.vault, unlocked.as_ref(), &destination, by).await?;
    done()
}

/// An address that somebody has, and who.
fn holder(server: &Server, address: &str) -> Result<(Destination, UserRef), OwnerError> {
    let destination = parse(address)?;
    let holder = directory::holder(&server.vault.records, &destination)?;
    let holder = holder.ok_or(OwnerError::NotFound("address"))?;
    Ok((destination, UserRef { tenant: holder.tenant, user: holder.user }))
}

fn shown(server: &Server, tenant: TenantId, off: &Off) -> Result<SwitchedOff, OwnerError> {
    let by = match off.by {
        None => "the administration socket".to_owned(),
        Some(user) => match login(server, tenant, user.user)? {
            // An operator of another tenant, or somebody who is gone.
            empty if empty.is_empty() => "somebody outside the tenant".to_owned(),
            login => login,
        },
    };
    Ok(SwitchedOff { since: time(off.since), by, note: off.note.clone() })
}

/// A user's login; empty for one who is not of the tenant.
fn login(server: &Server, tenant: TenantId, user: UserId) -> Result<String, OwnerError> {
    let row = registry::user(&server.vault.records, UserRef { tenant, user })?;
    Ok(row.map_or_else(String::new, |row| row.login))
}

/// An address that is there, in whatever form earlier versions took it.
fn parse(text: &str) -> Result<Destination, OwnerError> {
    Destination::parse(text).map_err(|error| invalid(&error.to_string()))
}

fn invalid(why: &str) -> OwnerError {
    OwnerError::Invalid { what: "address", why: why.to_owned() }
}

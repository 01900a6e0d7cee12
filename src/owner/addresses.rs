//! Which addresses a tenant takes mail for, and who may say so.
//!
//! Tenants are walled off from each other by domain: names of the server itself, another tenant's domains,
//! what lies above or below them, and what looks like them (UTS 39) are for whoever runs the server to give.
//! A new address brings mail to somebody who did not get it, so a person who adds one needs an unlock.

use std::collections::BTreeSet;

use super::checked::{About, Caller, Checked, act};
use super::{By, OwnerError, Unlocked};
use crate::audit::{Act, AddressMark};
use crate::names::{Address, TenantId};
use crate::tenant::directory::{self, Destination};
use crate::tenant::domains::{self, Reserved};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::roles;
use crate::tenant::rows::{AddressRow, Off, Person};
use crate::tenant::sharing::{self, SharingError};
use crate::tenant::switching;
use crate::vault::Vault;

/// Takes mail for `destination` into a user's mailbox.
pub async fn add(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    destination: &Destination,
    user: UserRef,
    alias_of: Option<&Address>,
    by: By,
) -> Result<(), OwnerError> {
    let done = act(vault, About::Beyond(user.tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        checked.user(user)?;
        may_take(vault, checked, destination)?;
        let moves = taken_from(vault, destination)?.iter().any(|holder| *holder != user);
        if checked.asker().is_some() || moves {
            checked.attended()?;
        }
        if let Some(target) = alias_of {
            let holder = directory::resolve(&vault.records, target)?;
            let stands = holder.is_some_and(|row| row.tenant == user.tenant && row.user == user.user);
            stands.then_some(()).ok_or(OwnerError::NotFound("address that the alias stands for"))?;
        }
        let owner = (user.tenant, user.user);
        directory::add(&vault.records, checked.batch(), destination, owner, alias_of);
        Ok((vec![Act::AddressAdded { user: user.user, address: mark(vault, destination) }], ()))
    });
    done.await.map(|_done| ())
}

/// Takes no more mail for `destination`. Where it then falls to somebody else, by a catch-all or because it is
/// postmaster's, that reveals more, and needs an unlock.
pub async fn remove(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    destination: &Destination,
    by: By,
) -> Result<(), OwnerError> {
    let missing = || OwnerError::NotFound("address");
    let tenant = directory::holder(&vault.records, destination)?.ok_or_else(missing)?.tenant;
    let done = act(vault, About::Beyond(tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let holder = directory::holder(&vault.records, destination)?;
        let holder = holder.filter(|holder| holder.tenant == tenant).ok_or_else(missing)?;
        let user = UserRef { tenant, user: holder.user };
        if registry::user(&vault.records, user)?.is_some_and(|row| is_same(&row.login, destination)) {
            let why = "it is a user's login".to_owned();
            return Err(OwnerError::Invalid { what: "address", why });
        }
        let known: Vec<UserRef> = users_of(&holder).collect();
        if falls_to(vault, destination)?.iter().any(|next| !known.contains(next)) {
            checked.attended()?;
        }
        directory::remove(&vault.records, checked.batch(), destination, tenant)?;
        Ok((vec![Act::AddressRemoved { user: holder.user, address: mark(vault, destination) }], ()))
    });
    done.await.map(|_done| ())
}

/// Lets `destination` be for one more user of its tenant, or for one fewer. Whoever gets mail that they did
/// not get needs a person's unlock; at the socket it needs none, as for a new address.
pub async fn share(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    destination: &Destination,
    user: UserRef,
    shared: bool,
    by: By,
) -> Result<(), OwnerError> {
    let done = act(vault, About::Tenant(user.tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let row = checked.user(user)?;
        let holder = (user.tenant, user.user);
        if !shared {
            sharing::unshare(&vault.records, checked.batch(), destination, holder, &row.login)
                .map_err(not_shared)?;
            return Ok((vec![Act::AddressUnshared { user: user.user }], ()));
        }
        if checked.asker().is_some() {
            checked.attended()?;
        }
        sharing::share(&vault.records, checked.batch(), destination, holder).map_err(not_shared)?;
        Ok((vec![Act::AddressShared { user: user.user }], ()))
    });
    done.await.map(|_done| ())
}

/// Refuses mail for `destination`, with a note for those who look after the tenant, or takes it again. What
/// moves mail to somebody else's mailbox needs a person's unlock (law 7): of postmaster and abuse, which then
/// fall to whoever is in charge, and of whatever is switched on by a person.
pub async fn switch(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    destination: &Destination,
    off: Option<Option<String>>,
    by: By,
) -> Result<(), OwnerError> {
    let missing = || OwnerError::NotFound("address");
    let tenant = directory::holder(&vault.records, destination)?.ok_or_else(missing)?.tenant;
    let note = off.as_ref().and_then(Option::as_deref).map(check_note).transpose()?.flatten();
    let done = act(vault, About::Beyond(tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let row = directory::holder(&vault.records, destination)?;
        let row = row.filter(|row| row.tenant == tenant).ok_or_else(missing)?;
        let moves = role_moves(vault, destination, &row, off.is_some())?;
        if moves || (off.is_none() && checked.asker().is_some()) {
            checked.attended()?;
        }
        let written = off.is_some().then(|| Off {
            since: vault.clock.now().unix(),
            by: checked.asker().map(|(asker, _)| Person { user: asker.user }),
            note: note.clone(),
        });
        switching::switch(&vault.records, checked.batch(), destination, written)?.ok_or_else(missing)?;
        let (user, address) = (row.user, mark(vault, destination));
        let act = match off {
            Some(_) => Act::AddressSwitchedOff { user, address },
            None => Act::AddressSwitchedOn { user, address },
        };
        Ok((vec![act], ()))
    });
    done.await.map(|_done| ())
}

/// Whether the switch moves mail of postmaster or abuse between mailboxes. Refuses to switch off what nobody
/// else would get (RFC 5321 §4.5.1, RFC 2142 §4).
fn role_moves(
    vault: &Vault,
    destination: &Destination,
    row: &AddressRow,
    off: bool,
) -> Result<bool, OwnerError> {
    let domain = destination.domain();
    let next = roles::falls_to(&vault.records, domain, &vault.settings.hostname)?;
    let next = next.filter(|next| !row.holders().any(|holder| holder == next.user));
    match destination {
        Destination::Exact(address) if !roles::is_role(address) => Ok(false),
        Destination::Exact(_) if off && next.is_none() => {
            Err(OwnerError::Invalid { what: "switch", why: NEEDED.to_owned() })
        }
        Destination::Exact(_) => Ok(next.is_some()),
        Destination::CatchAll(domain) => Ok(next.is_some() && roles::unassigned(&vault.records, domain)?),
    }
}

/// A note as it is kept; none if it is empty.
fn check_note(note: &str) -> Result<Option<String>, OwnerError> {
    let note = note.trim();
    if note.chars().count() > MAX_NOTE || note.chars().any(char::is_control) {
        let why = format!("at most {MAX_NOTE} characters, no controls");
        return Err(OwnerError::Invalid { what: "note", why });
    }
    Ok(Some(note.to_owned()).filter(|note| !note.is_empty()))
}

fn not_shared(error: SharingError) -> OwnerError {
    match error {
        SharingError::NoAddress | SharingError::NotShared => OwnerError::NotFound("address of theirs"),
        SharingError::OtherTenant => OwnerError::OtherTenant,
        SharingError::Shared => OwnerError::Exists("holder of the address"),
        SharingError::Records(error) => error.into(),
        error => OwnerError::Invalid { what: "sharing", why: error.to_string() },
    }
}

/// Refuses an address that somebody has, and one in a domain that is not the tenant's to take.
pub(super) fn may_take(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    destination: &Destination,
) -> Result<(), OwnerError> {
    // The domain first: what there is in another tenant's domain is nothing to tell.
    if !checked.operates() {
        let own = checked.asker().map(|(asker, _)| asker.tenant);
        may_have(vault, own, domain_of(destination))?;
    }
    // That nobody has it is a condition of the batch that adds it, too.
    match directory::holder(&vault.records, destination)? {
        Some(_) => Err(OwnerError::Exists("address")),
        None => Ok(()),
    }
}

/// The walls between tenants, as conditions of this moment: the act commits on [`About::Beyond`].
fn may_have(vault: &Vault, own: Option<TenantId>, domain: &str) -> Result<(), OwnerError> {
    let (mut hosted, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (tenant, _) in registry::tenants(&vault.records)? {
        let listed = directory::list(&vault.records, tenant)?;
        let found = listed.iter().map(|(_, row)| domains::of(&row.address).to_owned());
        let found: BTreeSet<String> = found.collect();
        if Some(tenant) != own {
            others.extend(found.iter().cloned());
        }
        hosted.extend(found);
    }
    let reserved = Reserved::new(&vault.settings.hostname, vault.settings.public_url.as_deref());
    if reserved.has(domain, hosted.iter().map(String::as_str)) {
        return Err(OwnerError::Forbidden(RESERVED));
    }
    if others.iter().any(|taken| domains::related(domain, taken)) {
        return Err(OwnerError::Forbidden(TAKEN));
    }
    let alike = others.iter().map(String::as_str).chain(reserved.names());
    let mut alike = alike.filter(|known| !hosted.contains(domain) && *known != domain);
    if alike.any(|known| domains::look_alike(domain, known)) {
        return Err(OwnerError::Forbidden(ALIKE));
    }
    Ok(())
}

/// What the log calls an address by.
fn mark(vault: &Vault, destination: &Destination) -> Option<AddressMark> {
    Some(AddressMark::of(&directory::key(&vault.records, destination)))
}

/// Whether a login is this address, in whatever form it was stored.
fn is_same(login: &str, destination: &Destination) -> bool {
    matches!(destination, Destination::Exact(address) if Address::parse(login).as_ref() == Ok(address))
}

/// Whose mailboxes take mail to `destination` now, though nobody has it: by a tag, by a catch-all, or because
/// somebody has to.
fn taken_from(vault: &Vault, destination: &Destination) -> Result<Vec<UserRef>, OwnerError> {
    match destination {
        Destination::Exact(address) => {
            let row = roles::resolve(&vault.records, address, &vault.settings.hostname)?;
            Ok(row.iter().flat_map(users_of).collect())
        }
        Destination::CatchAll(domain) => whom_roles_fall_to(vault, domain),
    }
}

/// Whose mailboxes take mail to `destination` once nobody has it itself.
fn falls_to(vault: &Vault, destination: &Destination) -> Result<Vec<UserRef>, OwnerError> {
    let Destination::Exact(address) = destination else {
        return whom_roles_fall_to(vault, destination.domain());
    };
    let rest = Destination::CatchAll(address.domain().to_owned());
    let next = match address.without_tag() {
        Some(plain) => directory::resolve(&vault.records, &plain)?,
        None => directory::holder(&vault.records, &rest)?,
    };
    match next.filter(|row| row.off.is_none()) {
        Some(row) => Ok(users_of(&row).collect()),
        None if roles::is_role(address) => {
            let next = roles::falls_to(&vault.records, address.domain(), &vault.settings.hostname)?;
            Ok(next.into_iter().collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Who reads postmaster and abuse of a domain where a catch-all is made or goes; nobody, if these have
/// addresses of their own.
fn whom_roles_fall_to(vault: &Vault, domain: &str) -> Result<Vec<UserRef>, OwnerError> {
    if !roles::unassigned(&vault.records, domain)? {
        return Ok(Vec::new());
    }
    Ok(roles::falls_to(&vault.records, domain, &vault.settings.hostname)?.into_iter().collect())
}

/// Whether mail for somebody who goes, and whose addresses go with them, falls to somebody else.
pub(super) fn fall_to_others(vault: &Vault, user: UserRef) -> Result<bool, OwnerError> {
    for (_, listed) in directory::list(&vault.records, user.tenant)? {
        let Ok(destination) = Destination::parse(&listed.address) else { continue };
        let row = directory::holder(&vault.records, &destination)?;
        // Of one that several have, the others get what they got.
        let only = row.is_some_and(|row| users_of(&row).eq(std::iter::once(user)));
        if only && falls_to(vault, &destination)?.iter().any(|next| *next != user) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn users_of(row: &AddressRow) -> impl Iterator<Item = UserRef> {
    let tenant = row.tenant;
    row.holders().map(move |user| UserRef { tenant, user })
}

fn domain_of(destination: &Destination) -> &str {
    match destination {
        Destination::Exact(address) => address.domain(),
        Destination::CatchAll(domain) => domain,
    }
}

const NEEDED: &str = "postmaster and abuse have to reach somebody, and nobody else would get this mail; give it \
                      to somebody else instead";
/// Characters of a note: what fits into a line of a list.
const MAX_NOTE: usize = 200;
const RESERVED: &str = "that is a name of the server itself, so it is not yours to take; whoever runs the \
                        server can add it with `veilpost address add`";
const TAKEN: &str = "that domain is not yours here: it is another tenant's, or lies above or below one of \
                     theirs; whoever runs the server can change that";
const ALIKE: &str = "that domain looks like one that is not yours; if it is what you mean, whoever runs the \
                     server can add it with `veilpost address add`";

//! Addresses that must reach somebody though nobody was given them: postmaster at every domain and at this
//! server (RFC 5321 §4.5.1), abuse beside it (RFC 2142 §4).
//!
//! An address of the name and a catch-all come first, unless they are switched off. Else it is the first
//! administrator of the tenant that had the domain first; at the server's own name the first operator, else
//! the first tenant's.

use super::directory;
use super::registry::{self, UserRef};
use super::rows::{AddressRow, Role, TenantRow, UserRow};
use crate::names::{Address, TenantId};
use crate::records::{RecordError, Records};

/// Whose mailbox takes mail to `address` on the server called `hostname`.
pub fn resolve(
    records: &Records,
    address: &Address,
    hostname: &str,
) -> Result<Option<AddressRow>, RecordError> {
    let row = directory::resolve(records, address)?;
    if row.as_ref().is_some_and(|row| row.off.is_none()) || !is_role(address) {
        return Ok(row);
    }
    let found = reader(records, address.domain(), hostname)?;
    let found =
        found.map(|(UserRef { tenant, user }, _)| AddressRow { tenant, user, others: None, off: None });
    // Where nobody else is left, the switch does not hold: somebody has to be reached.
    Ok(found.or_else(|| row.map(|row| AddressRow { off: None, ..row })))
}

/// Whether an address is one of the names that must reach somebody.
pub fn is_role(address: &Address) -> bool {
    let plain = address.without_tag();
    ROLES.contains(&plain.as_ref().unwrap_or(address).local())
}

/// Who gets mail to postmaster and abuse at `domain` that no address takes.
pub fn falls_to(records: &Records, domain: &str, hostname: &str) -> Result<Option<UserRef>, RecordError> {
    Ok(reader(records, domain, hostname)?.map(|(user, _)| user))
}

/// The names at `domain` that have no address of their own, so that a catch-all takes their mail.
pub fn unassigned(records: &Records, domain: &str) -> Result<bool, RecordError> {
    for name in ROLES {
        let Ok(address) = Address::parse(&format!("{name}@{domain}")) else { continue };
        if directory::holder(records, &directory::Destination::Exact(address))?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The addresses of a tenant's domains that reach somebody without having been given to them, and whom.
pub fn standing(
    records: &Records,
    tenant: TenantId,
    hostname: &str,
) -> Result<Vec<(Address, UserRow)>, RecordError> {
    let mut domains = directory::domains(records, tenant)?;
    domains.insert(hostname.to_ascii_lowercase());
    let mut standing = Vec::new();
    for domain in domains {
        let Some((user, row)) = reader(records, &domain, hostname)? else { continue };
        for name in ROLES.iter().filter(|_| user.tenant == tenant) {
            let Ok(address) = Address::parse(&format!("{name}@{domain}")) else { continue };
            if directory::resolve(records, &address)?.is_none_or(|row| row.off.is_some()) {
                standing.push((address, row.clone()));
            }
        }
    }
    Ok(standing)
}

/// Who reads what is for whoever looks after `domain`; none if the domain is not here.
fn reader(
    records: &Records,
    domain: &str,
    hostname: &str,
) -> Result<Option<(UserRef, UserRow)>, RecordError> {
    let (here, is_host) = (directory::tenants_of(records, domain)?, domain.eq_ignore_ascii_case(hostname));
    if here.is_empty() && !is_host {
        return Ok(None);
    }
    let all = by_age(registry::tenants(records)?);
    for (tenant, _) in all.iter().filter(|(tenant, _)| here.contains(tenant)) {
        if let Some(found) = in_charge(records, *tenant)? {
            return Ok(Some(found));
        }
    }
    if is_host { operator(records, &all) } else { Ok(None) }
}

fn operator(
    records: &Records,
    all: &[(TenantId, TenantRow)],
) -> Result<Option<(UserRef, UserRow)>, RecordError> {
    let mut first = None;
    for (tenant, _) in all {
        let users = serving(registry::users(records, *tenant)?);
        if let Some(found) = users.iter().find(|(_, row)| row.role() == Role::Operator) {
            return Ok(Some(found.clone()));
        }
        if first.is_none() {
            first = in_charge(records, *tenant)?;
        }
    }
    Ok(first)
}

/// The tenant's first administrator, or its first user if there is none, as in tenants from before roles.
fn in_charge(records: &Records, tenant: TenantId) -> Result<Option<(UserRef, UserRow)>, RecordError> {
    let mut users = serving(registry::users(records, tenant)?);
    users.sort_by_key(|(_, row)| row.role() == Role::Member);
    Ok(users.into_iter().next())
}

/// Users who are let in, the first one made first.
fn serving(mut users: Vec<(UserRef, UserRow)>) -> Vec<(UserRef, UserRow)> {
    users.retain(|(_, row)| !row.disabled && row.leaving.is_none());
    users.sort_by(|(_, one), (_, other)| (one.created, &one.login).cmp(&(other.created, &other.login)));
    users
}

/// Tenants that stay, the first one made first.
fn by_age(mut all: Vec<(TenantId, TenantRow)>) -> Vec<(TenantId, TenantRow)> {
    all.retain(|(_, row)| !row.removing);
    all.sort_by(|(_, one), (_, other)| (one.created, &one.name).cmp(&(other.created, &other.name)));
    all
}

/// The names, as addresses are compared.
const ROLES: [&str; 2] = ["postmaster", "abuse"];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keyring::RootKey;
    use crate::names::UserId;
    use crate::store::ledger::{Batch, Options, RedbLedger};
    use crate::tenant::directory::Destination;

    const HOST: &str = "mx.server.example";

    struct World {
        _folder: tempfile::TempDir,
        records: Records,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).unwrap();
            let root = RootKey::generate();
            Self { _folder: folder, records: Records::new(Arc::new(ledger), Arc::new(root)) }
        }

        async fn commit(&self, fill: impl FnOnce(&mut Batch)) {
            let mut batch = Batch::new();
            fill(&mut batch);
            let _committed = self.records.commit(batch).await.expect("commits");
        }

        async fn tenant(&self, octet: u8, created: i64) -> TenantId {
            let tenant = TenantId::from_bytes([octet; 16]);
            let row = TenantRow {
                name: format!("t{octet}"),
                created,
                reason_required: false,
                removing: false,
                step_up: None,
                unlock_minutes: None,
                unlock_longest_minutes: None,
            };
            self.commit(|batch| self.records.system().put(batch, &[tenant.as_bytes()], &row)).await;
            tenant
        }

        async fn user(&self, tenant: TenantId, octet: u8, login: &str, role: Role, disabled: bool) {
            let user = UserId::from_bytes([octet; 16]);
            let row = UserRow {
                login: login.to_owned(),
                created: i64::from(octet),
                disabled,
                owner_slot: Vec::new(),
                totp: zeroize::Zeroizing::default(),
                totp_last_step: None,
                dashboard: None,
                role: Some(role),
                pending: None,
                phrase: None,
                leaving: None,
                quota: None,
            };
            let parts: [&[u8]; 2] = [tenant.as_bytes(), user.as_bytes()];
            self.commit(|batch| {
                self.records.tenant(tenant).put(batch, &parts, &row);
                let destination = Destination::parse(login).unwrap();
                directory::add(&self.records, batch, &destination, (tenant, user), None);
            })
            .await;
        }

        fn reached(&self, address: &str) -> Option<u8> {
            let address = Address::parse(address).unwrap();
            let row = resolve(&self.records, &address, HOST).unwrap()?;
            Some(row.user.as_bytes()[0])
        }
    }

    #[tokio::test]
    async fn postmaster_and_abuse_reach_the_first_administrator() {
        let world = World::new();
        assert_eq!(world.reached("postmaster@mx.server.example"), None);
        let a = world.tenant(1, 100).await;
        world.user(a, 9, "carl@a.example", Role::Member, false).await;
        world.user(a, 11, "ann@a.example", Role::Administrator, false).await;
        world.user(a, 12, "bob@a.example", Role::Administrator, false).await;
        for address in ["PostMaster@A.example", "abuse@a.example", "postmaster+x@a.example"] {
            assert_eq!(world.reached(address), Some(11), "{address}");
        }
        assert_eq!(world.reached("webmaster@a.example"), None);
        assert_eq!(world.reached("postmaster@b.example"), None);
        assert_eq!(world.reached("postmaster@mx.server.example"), Some(11));

        let b = world.tenant(2, 50).await;
        world.user(b, 21, "dora@b.example", Role::Administrator, true).await;
        world.user(b, 22, "emil@b.example", Role::Administrator, false).await;
        world.user(b, 23, "fred@b.example", Role::Operator, false).await;
        assert_eq!(world.reached("postmaster@b.example"), Some(22), "not who is shut out");
        assert_eq!(world.reached("abuse@mx.server.example"), Some(23), "the operator");
        let standing = standing(&world.records, b, HOST).unwrap();
        let shown: Vec<_> =
            standing.iter().map(|(address, row)| (address.reveal(), row.login.as_str())).collect();
        let expected = [
            ("postmaster@b.example", "emil@b.example"),
            ("abuse@b.example", "emil@b.example"),
            ("postmaster@mx.server.example", "fred@b.example"),
            ("abuse@mx.server.example", "fred@b.example"),
        ];
        assert_eq!(shown, expected.map(|(address, login)| (address.to_owned(), login)));
    }

    #[tokio::test]
    async fn an_address_or_a_catch_all_comes_first() {
        let world = World::new();
        let a = world.tenant(1, 100).await;
        world.user(a, 11, "ann@a.example", Role::Administrator, false).await;
        world.user(a, 12, "bob@a.example", Role::Member, false).await;
        let bob = (a, UserId::from_bytes([12; 16]));
        let add = |text: &str| {
            let mut batch = Batch::new();
            directory::add(&world.records, &mut batch, &Destination::parse(text).unwrap(), bob, None);
            batch
        };
        let _committed = world.records.commit(add("abuse@a.example")).await.unwrap();
        assert_eq!(
            (world.reached("abuse@a.example"), world.reached("postmaster@a.example")),
            (Some(12), Some(11))
        );
        let _committed = world.records.commit(add("@a.example")).await.unwrap();
        assert_eq!(world.reached("postmaster@a.example"), Some(12));
    }

    #[tokio::test]
    async fn a_domain_goes_with_its_last_address() {
        let world = World::new();
        let a = world.tenant(1, 100).await;
        world.user(a, 11, "ann@a.example", Role::Administrator, false).await;
        let bob = (a, UserId::from_bytes([11; 16]));
        let other = Destination::parse("x@other.example").unwrap();
        world.commit(|batch| directory::add(&world.records, batch, &other, bob, None)).await;
        assert_eq!(world.reached("postmaster@other.example"), Some(11));
        world.commit(|batch| directory::remove(&world.records, batch, &other, a).unwrap()).await;
        assert_eq!(world.reached("postmaster@other.example"), None);
        assert_eq!(world.reached("postmaster@a.example"), Some(11));
    }

    #[tokio::test]
    async fn rows_of_older_releases_are_found() {
        let world = World::new();
        let a = world.tenant(1, 100).await;
        world.user(a, 11, "ann@a.example", Role::Administrator, false).await;
        // As the first releases wrote it: no row of the domain, the key over what was typed.
        let user = UserId::from_bytes([11; 16]);
        let typed = "jose\u{301}@old.example";
        let key = world.records.root().lookup("address", typed.as_bytes());
        world
            .commit(|batch| {
                world.records.system().put(
                    batch,
                    &[&key],
                    &AddressRow { tenant: a, user, others: None, off: None },
                );
                let listed =
                    super::super::rows::AddressListRow { address: typed.into(), user, alias_of: None };
                world.records.tenant(a).put(batch, &[a.as_bytes(), &key], &listed);
            })
            .await;
        for text in ["jos\u{e9}@old.example", "JOSE\u{301}@old.example", "jos\u{e9}+tag@old.example"] {
            assert_eq!(world.reached(text), Some(11), "{text}");
        }
        let again = Destination::parse("jos\u{e9}@old.example").unwrap();
        let mut batch = Batch::new();
        directory::add(&world.records, &mut batch, &again, (a, user), None);
        assert!(world.records.commit(batch).await.is_err(), "it is taken");

        assert_eq!(world.reached("postmaster@old.example"), None);
        let batch = directory::note_domains(&world.records, &[a]).unwrap().expect("not up to date");
        let _committed = world.records.commit(batch).await.unwrap();
        assert_eq!(world.reached("postmaster@old.example"), Some(11));
        assert!(directory::note_domains(&world.records, &[a]).unwrap().is_none());

        world.commit(|batch| directory::remove(&world.records, batch, &again, a).unwrap()).await;
        assert_eq!(world.reached(typed), None);
    }
}

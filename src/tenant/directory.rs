//! Addresses: exact ones, aliases and catch-alls, and whose mailbox takes their mail.
//! The ledger sees keyed hashes of them only.

use std::collections::BTreeSet;

use super::rows::{AddressListRow, AddressRow, DomainRow, Row};
use crate::names::{Address, NameError, TenantId, UserId, parse_domain};
use crate::records::{RecordError, Records, Versioned, row_key};
use crate::store::ledger::{Batch, Expectation};

/// What mail can be addressed to.
pub enum Destination {
    /// One address.
    Exact(Address),
    /// Every address of a domain that nothing else takes.
    CatchAll(String),
}

impl Destination {
    /// Parses an address, or `@domain` for a catch-all.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('@') {
            Some(domain) => parse_domain(domain).map(Self::CatchAll),
            None => Address::parse(text).map(Self::Exact),
        }
    }

    /// As a person writes it.
    pub fn reveal(&self) -> String {
        match self {
            Self::Exact(address) => address.reveal(),
            Self::CatchAll(domain) => format!("@{domain}"),
        }
    }

    /// Its domain.
    pub fn domain(&self) -> &str {
        match self {
            Self::Exact(address) => address.domain(),
            Self::CatchAll(domain) => domain,
        }
    }

    /// Under what its rows lie: first where they are put, then where the first releases put them.
    fn lookups(&self, records: &Records) -> Vec<[u8; 32]> {
        match self {
            Self::Exact(address) => address_keys(records, address),
            Self::CatchAll(domain) => vec![records.root().lookup("catch-all", domain.as_bytes())],
        }
    }
}

/// Whose mailbox takes mail to `address`: the address itself, else without its `+tag` (RFC 5233),
/// else the domain's catch-all.
pub fn resolve(records: &Records, address: &Address) -> Result<Option<AddressRow>, RecordError> {
    if let Some(row) = first(records, address_keys(records, address))? {
        return Ok(Some(row));
    }
    if let Some(plain) = address.without_tag()
        && let Some(row) = first(records, address_keys(records, &plain))?
    {
        return Ok(Some(row));
    }
    records.system().get(&[&records.root().lookup("catch-all", address.domain().as_bytes())])
}

/// Adds to `batch`: mail to `destination` goes to the user's mailbox. The commit conflicts when the
/// destination is taken.
pub fn add(
    records: &Records,
    batch: &mut Batch,
    destination: &Destination,
    (tenant, user): (TenantId, UserId),
    alias_of: Option<&Address>,
) {
    let keys = destination.lookups(records);
    for older in &keys[1..] {
        batch.require_absent(crate::records::row_key::<AddressRow>(&[older]));
    }
    records.system().insert(batch, &[&keys[0]], &AddressRow { tenant, user, others: None, off: None });
    let listed =
        AddressListRow { address: destination.reveal(), user, alias_of: alias_of.map(Address::reveal) };
    records.tenant(tenant).put(batch, &[tenant.as_bytes(), &keys[0]], &listed);
    note_domain(records, batch, destination.domain(), tenant);
}

/// Who has `destination` itself, whatever tags and catch-alls say.
pub fn holder(records: &Records, destination: &Destination) -> Result<Option<AddressRow>, RecordError> {
    first(records, destination.lookups(records))
}

/// The row of an address with its key.
type Held = (Vec<u8>, Versioned<AddressRow>);

/// The row of `destination` itself with its key.
pub(super) fn versioned(records: &Records, destination: &Destination) -> Result<Option<Held>, RecordError> {
    for key in destination.lookups(records) {
        if let Some(read) = records.system().get_versioned(&[&key])? {
            return Ok(Some((key.to_vec(), read)));
        }
    }
    Ok(None)
}

/// Adds to `batch`: the address under `key` is listed as its first holder's.
pub(super) fn relist(
    records: &Records,
    batch: &mut Batch,
    key: &[u8],
    row: &AddressRow,
) -> Result<(), RecordError> {
    let scope = records.tenant(row.tenant);
    let parts: [&[u8]; 2] = [row.tenant.as_bytes(), key];
    if let Some(listed) = scope.get::<AddressListRow>(&parts)? {
        scope.put(batch, &parts, &AddressListRow { user: row.user, ..listed });
    }
    Ok(())
}

/// Adds to `batch`: nobody takes mail to `destination` any more.
pub fn remove(
    records: &Records,
    batch: &mut Batch,
    destination: &Destination,
    tenant: TenantId,
) -> Result<(), RecordError> {
    let keys = destination.lookups(records);
    for key in &keys {
        batch.delete(crate::records::row_key::<AddressRow>(&[key]));
        batch.delete(crate::records::row_key::<AddressListRow>(&[tenant.as_bytes(), key]));
    }
    let domain = destination.domain();
    let remains = |(key, row): &(Vec<u8>, AddressListRow)| {
        domain_of(&row.address) == domain && keys.iter().all(|gone| gone[..] != key[..])
    };
    if !list(records, tenant)?.iter().any(remains) {
        forget_domain(records, batch, domain, tenant);
    }
    Ok(())
}

/// Adds to `batch`: the user's addresses go to `heir`, or to nobody. The commit conflicts when one of them
/// changed meanwhile.
pub fn leave(
    records: &Records,
    batch: &mut Batch,
    (tenant, user): (TenantId, UserId),
    heir: Option<UserId>,
) -> Result<(), RecordError> {
    let mut gone = BTreeSet::new();
    let mut staying = BTreeSet::new();
    for (key, listed) in list(records, tenant)? {
        let Some(read) = records.system().get_versioned::<AddressRow>(&[&key])? else { continue };
        let domain = domain_of(&listed.address).to_owned();
        if !read.row.holders().any(|holder| holder == user) {
            staying.insert(domain);
            continue;
        }
        let rest = read.row.holders().filter_map(|holder| if holder == user { heir } else { Some(holder) });
        match read.row.held_by(rest) {
            Some(row) => {
                staying.insert(domain);
                relist(records, batch, &key, &row)?;
                records.system().replace(batch, &[&key], read.sealed, &row);
            }
            None => {
                gone.insert(domain);
                batch.require(row_key::<AddressRow>(&[&key]), Expectation::Equals(read.sealed));
                batch.delete(row_key::<AddressRow>(&[&key]));
                batch.delete(row_key::<AddressListRow>(&[tenant.as_bytes(), &key]));
            }
        }
    }
    gone.difference(&staying).for_each(|domain| forget_domain(records, batch, domain, tenant));
    Ok(())
}

/// The tenants that have addresses in `domain`, in no particular order.
pub fn tenants_of(records: &Records, domain: &str) -> Result<Vec<TenantId>, RecordError> {
    let rows: Vec<(_, DomainRow)> = records.system().list(&[&domain_key(records, domain)])?;
    Ok(rows.into_iter().map(|(_, row)| row.tenant).collect())
}

/// Adds to `batch`: the tenant has no address in `domain` any more.
pub fn forget_domain(records: &Records, batch: &mut Batch, domain: &str, tenant: TenantId) {
    let key = domain_key(records, domain);
    batch.delete(crate::records::row_key::<DomainRow>(&[&key, tenant.as_bytes()]));
}

/// What brings a ledger of a release that kept no rows of domains up to date; none if it is.
pub fn note_domains(records: &Records, tenants: &[TenantId]) -> Result<Option<Batch>, RecordError> {
    let mark = domain_key(records, "");
    if records.system().get::<DomainRow>(&[&mark, &[0; 16]])?.is_some() {
        return Ok(None);
    }
    let mut batch = Batch::new();
    for tenant in tenants {
        for domain in domains(records, *tenant)? {
            note_domain(records, &mut batch, &domain, *tenant);
        }
    }
    records.system().put(
        &mut batch,
        &[&mark, &[0; 16]],
        &DomainRow { tenant: TenantId::from_bytes([0; 16]) },
    );
    Ok(Some(batch))
}

/// The domains that a tenant's addresses have.
pub fn domains(records: &Records, tenant: TenantId) -> Result<BTreeSet<String>, RecordError> {
    Ok(list(records, tenant)?.iter().map(|(_, row)| domain_of(&row.address).to_owned()).collect())
}

/// What the ledger knows an address by.
pub fn key(records: &Records, destination: &Destination) -> [u8; 32] {
    destination.lookups(records).swap_remove(0)
}

/// The addresses of a tenant, sorted, each with the key of its [`AddressRow`].
pub fn list(records: &Records, tenant: TenantId) -> Result<Vec<(Vec<u8>, AddressListRow)>, RecordError> {
    let mut rows: Vec<(Vec<u8>, AddressListRow)> = records.tenant(tenant).list(&[tenant.as_bytes()])?;
    rows.sort_by(|(_, one), (_, other)| one.address.cmp(&other.address));
    Ok(rows)
}

fn note_domain(records: &Records, batch: &mut Batch, domain: &str, tenant: TenantId) {
    let key = domain_key(records, domain);
    records.system().put(batch, &[&key, tenant.as_bytes()], &DomainRow { tenant });
}

fn domain_key(records: &Records, domain: &str) -> [u8; 32] {
    records.root().lookup("domain", domain.as_bytes())
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

fn first(records: &Records, keys: Vec<[u8; 32]>) -> Result<Option<AddressRow>, RecordError> {
    for key in keys {
        if let Some(row) = records.system().get(&[&key])? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Where the address's row lies: under its form for comparison, or under the one of the first releases.
fn address_keys(records: &Records, address: &Address) -> Vec<[u8; 32]> {
    let key = |form: &Address| records.root().lookup("address", form.reveal().as_bytes());
    std::iter::once(key(address)).chain(address.decomposed().as_ref().map(key)).collect()
}

// The tables are distinct, so the two keys of one address never collide.
const _: () = assert!(AddressRow::TABLE != AddressListRow::TABLE);

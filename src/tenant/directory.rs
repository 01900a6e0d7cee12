//! Addresses: exact ones, aliases and catch-alls, and whose mailbox takes their mail.
//! The ledger sees keyed hashes of them only.

use super::rows::{AddressListRow, AddressRow, Row};
use crate::names::{Address, NameError, TenantId, UserId, parse_domain};
use crate::records::{RecordError, Records, row_key};
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

    fn lookup(&self, records: &Records) -> [u8; 32] {
        match self {
            Self::Exact(address) => address_key(records, address),
            Self::CatchAll(domain) => records.root().lookup("catch-all", domain.as_bytes()),
        }
    }
}

/// Whose mailbox takes mail to `address`: the address itself, else without its `+tag` (RFC 5233),
/// else the domain's catch-all.
pub fn resolve(records: &Records, address: &Address) -> Result<Option<AddressRow>, RecordError> {
    let system = records.system();
    if let Some(row) = system.get(&[&address_key(records, address)])? {
        return Ok(Some(row));
    }
    if let Some(plain) = address.without_tag()
        && let Some(row) = system.get(&[&address_key(records, &plain)])?
    {
        return Ok(Some(row));
    }
    system.get(&[&records.root().lookup("catch-all", address.domain().as_bytes())])
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
    let key = destination.lookup(records);
    records.system().insert(batch, &[&key], &AddressRow { tenant, user });
    let listed =
        AddressListRow { address: destination.reveal(), user, alias_of: alias_of.map(Address::reveal) };
    records.tenant(tenant).put(batch, &[tenant.as_bytes(), &key], &listed);
}

/// Who has `destination` itself, whatever tags and catch-alls say.
pub fn holder(records: &Records, destination: &Destination) -> Result<Option<AddressRow>, RecordError> {
    records.system().get(&[&destination.lookup(records)])
}

/// Adds to `batch`: nobody takes mail to `destination` any more.
pub fn remove(records: &Records, batch: &mut Batch, destination: &Destination, tenant: TenantId) {
    let key = destination.lookup(records);
    batch.delete(row_key::<AddressRow>(&[&key]));
    batch.delete(row_key::<AddressListRow>(&[tenant.as_bytes(), &key]));
}

/// Adds to `batch`: the user's addresses go to `heir`, or to nobody. The commit conflicts when one of them
/// changed meanwhile.
pub fn leave(
    records: &Records,
    batch: &mut Batch,
    (tenant, user): (TenantId, UserId),
    heir: Option<UserId>,
) -> Result<(), RecordError> {
    for (key, listed) in list(records, tenant)?.into_iter().filter(|(_, row)| row.user == user) {
        let Some(read) = records.system().get_versioned::<AddressRow>(&[&key])? else { continue };
        match heir {
            Some(heir) => {
                records.system().replace(batch, &[&key], read.sealed, &AddressRow { tenant, user: heir });
                let listed = AddressListRow { user: heir, ..listed };
                records.tenant(tenant).put(batch, &[tenant.as_bytes(), &key], &listed);
            }
            None => {
                batch.require(row_key::<AddressRow>(&[&key]), Expectation::Equals(read.sealed));
                batch.delete(row_key::<AddressRow>(&[&key]));
                batch.delete(row_key::<AddressListRow>(&[tenant.as_bytes(), &key]));
            }
        }
    }
    Ok(())
}

/// The addresses of a tenant, sorted, each with the key of its [`AddressRow`].
pub fn list(records: &Records, tenant: TenantId) -> Result<Vec<(Vec<u8>, AddressListRow)>, RecordError> {
    let mut rows: Vec<(Vec<u8>, AddressListRow)> = records.tenant(tenant).list(&[tenant.as_bytes()])?;
    rows.sort_by(|(_, one), (_, other)| one.address.cmp(&other.address));
    Ok(rows)
}

fn address_key(records: &Records, address: &Address) -> [u8; 32] {
    records.root().lookup("address", address.reveal().as_bytes())
}

// The tables are distinct, so the two keys of one address never collide.
const _: () = assert!(AddressRow::TABLE != AddressListRow::TABLE);

//! Addresses that are for several people of one tenant: each gets the mail, sealed for their own views.

use super::directory::{self, Destination};
use super::rows::{AddressRow, Person};
use crate::names::{TenantId, UserId};
use crate::records::{RecordError, Records};
use crate::store::ledger::Batch;

/// Why an address is not shared as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// Nobody has the address.
    #[error("there is no such address")]
    NoAddress,
    /// The address belongs to another tenant.
    #[error("the address belongs to another tenant")]
    OtherTenant,
    /// The user has it already.
    #[error("the address is theirs already")]
    Shared,
    /// The user does not have it.
    #[error("the address is not theirs")]
    NotShared,
    /// As many people have it as may.
    #[error("at most {MOST} people can share an address")]
    TooMany,
    /// It is the login of the user it is to be taken from, or nobody else has it.
    #[error("it would be for nobody, or its user could not sign in")]
    Needed,
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Adds to `batch`: mail to `destination` goes to `user`, too. The commit conflicts when the address changed
/// meanwhile.
pub fn share(
    records: &Records,
    batch: &mut Batch,
    destination: &Destination,
    (tenant, user): (TenantId, UserId),
) -> Result<(), SharingError> {
    let (key, read) = directory::versioned(records, destination)?.ok_or(SharingError::NoAddress)?;
    let row = read.row;
    if row.tenant != tenant {
        return Err(SharingError::OtherTenant);
    }
    if row.holders().any(|holder| holder == user) {
        return Err(SharingError::Shared);
    }
    if row.holders().count() >= MOST {
        return Err(SharingError::TooMany);
    }
    let row = row.held_by(row.holders().chain([user])).ok_or(SharingError::Needed)?;
    records.system().replace(batch, &[&key], read.sealed, &row);
    Ok(())
}

/// Adds to `batch`: mail to `destination` goes to `user` no more, and to the others as before.
pub fn unshare(
    records: &Records,
    batch: &mut Batch,
    destination: &Destination,
    (tenant, user): (TenantId, UserId),
    login: &str,
) -> Result<(), SharingError> {
    let (key, read) = directory::versioned(records, destination)?.ok_or(SharingError::NoAddress)?;
    let row = read.row;
    if row.tenant != tenant {
        return Err(SharingError::OtherTenant);
    }
    if !row.holders().any(|holder| holder == user) {
        return Err(SharingError::NotShared);
    }
    let rest = row.held_by(row.holders().filter(|holder| *holder != user));
    // The first releases kept logins as they were typed, in whatever Unicode form.
    let is_login = Destination::parse(login).is_ok_and(|login| login.reveal() == destination.reveal());
    let rest = rest.filter(|_| !is_login).ok_or(SharingError::Needed)?;
    directory::relist(records, batch, &key, &rest)?;
    records.system().replace(batch, &[&key], read.sealed, &rest);
    Ok(())
}

impl AddressRow {
    /// The row with these holders, each once; none if there are none.
    pub fn held_by(&self, holders: impl Iterator<Item = UserId>) -> Option<Self> {
        let mut unique: Vec<UserId> = Vec::new();
        for holder in holders {
            if !unique.contains(&holder) {
                unique.push(holder);
            }
        }
        let (first, others) = unique.split_first()?;
        let others: Vec<Person> = others.iter().map(|user| Person { user: *user }).collect();
        Some(Self { user: *first, others: Some(others).filter(|others| !others.is_empty()), ..self.clone() })
    }
}

/// People who can share an address: each gets a container of their own.
pub const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_stand_once_and_in_their_order() {
        let user = |octet: u8| UserId::from_bytes([octet; 16]);
        let row =
            AddressRow { tenant: TenantId::from_bytes([1; 16]), user: user(1), others: None, off: None };
        let both = row.held_by([user(2), user(1), user(2)].into_iter()).expect("two");
        assert_eq!(both.holders().collect::<Vec<_>>(), [user(2), user(1)]);
        let alone = both.held_by(both.holders().filter(|holder| *holder != user(2))).expect("one");
        assert_eq!((alone.user, alone.others), (user(1), None));
        assert!(row.held_by(std::iter::empty()).is_none());
    }

    #[test]
    fn rows_from_before_addresses_were_shared_decode() {
        #[derive(minicbor::Encode)]
        struct Before {
            #[cbor(n(0), with = "minicbor::bytes")]
            tenant: [u8; 16],
            #[cbor(n(1), with = "minicbor::bytes")]
            user: [u8; 16],
        }
        let encoded = minicbor::to_vec(Before { tenant: [1; 16], user: [2; 16] }).expect("rows encode");
        let decoded: AddressRow = minicbor::decode(&encoded).expect("an old row");
        assert_eq!(decoded.holders().collect::<Vec<_>>(), [UserId::from_bytes([2; 16])]);
        assert!(decoded.off.is_none(), "it is on");
    }
}

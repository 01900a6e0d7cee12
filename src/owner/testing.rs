//! A tenant for tests of what its people do.

use super::account::{Enrolment, Founding};
use crate::keyring::Passphrase;
use crate::names::Address;

/// The password of whoever is founded.
pub(super) const PASSWORD: &str = "correct horse battery";

/// A tenant with one person.
pub(super) fn founding(name: &str, address: &str) -> Founding {
    Founding {
        name: name.to_owned(),
        address: Address::parse(address).expect("an address"),
        password: Passphrase::new(PASSWORD.to_owned()),
        reason_required: false,
        escrow: Vec::new(),
        enrolment: Enrolment::Here,
    }
}

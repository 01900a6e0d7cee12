//! Rows of addresses, and of what became of mail to them. See the module above for the keys.

use minicbor::{Decode, Encode};

use super::id;
use crate::names::{TenantId, UserId};

/// Where mail to an address goes, under the keyed hash of the address or of a catch-all's domain.
#[derive(Clone, Encode, Decode)]
pub struct AddressRow {
    /// The tenant.
    #[n(0)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
    /// The user whose mailbox takes the mail.
    #[n(1)]
    #[cbor(with = "id")]
    pub user: UserId,
    /// Others of the tenant whose mailboxes take it too; none is nobody.
    #[n(20)]
    pub others: Option<Vec<Person>>,
    /// Set while its mail is refused; none is on, as in rows from before there was a switch.
    #[n(21)]
    pub off: Option<Off>,
}

/// That an address is switched off, and why: for those who look after the tenant, never for a peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Off {
    /// Since when, Unix seconds.
    #[n(0)]
    pub since: i64,
    /// The user who did it; none is the administration socket.
    #[n(1)]
    pub by: Option<Person>,
    /// What they noted.
    #[n(2)]
    pub note: Option<String>,
}

/// Somebody of those who have an account here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Person {
    /// The user.
    #[n(0)]
    #[cbor(with = "id")]
    pub user: UserId,
}

impl AddressRow {
    /// Everybody whose mailbox takes the mail, the first holder first.
    pub fn holders(&self) -> impl Iterator<Item = UserId> {
        let others = self.others.iter().flatten().map(|person| person.user);
        std::iter::once(self.user).chain(others)
    }
}

/// An address in the list of a tenant's addresses, under tenant and keyed hash.
#[derive(Clone, Encode, Decode)]
pub struct AddressListRow {
    /// The address, or `@domain` for a catch-all.
    #[n(0)]
    pub address: String,
    /// The user whose mailbox takes the mail.
    #[n(1)]
    #[cbor(with = "id")]
    pub user: UserId,
    /// The address it stands for, for an alias.
    #[n(2)]
    pub alias_of: Option<String>,
}

/// That a tenant has addresses in a domain, under the keyed hash of the domain and the tenant.
#[derive(Clone, Encode, Decode)]
pub struct DomainRow {
    /// The tenant.
    #[n(0)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
}

/// What peers were told of mail lately that was taken, and in rows of earlier versions of all mail, under
/// tenant (zeros for nobody's mail), time and random octets.
#[derive(Clone, Encode, Decode)]
pub struct ArrivalsRow {
    /// The oldest first.
    #[n(0)]
    pub entries: Vec<ArrivalEntry>,
}

/// What peers were told of mail that was not taken, under the same key: strangers can make as many of these as
/// they like, so they have a place of their own.
#[derive(Clone, Encode, Decode)]
pub struct RefusalsRow {
    /// The oldest first.
    #[n(0)]
    pub entries: Vec<ArrivalEntry>,
}

/// One addressee of one message. Addresses are tokens: 80 bits of a hash under a key of this server's.
#[derive(Clone, Encode, Decode)]
pub struct ArrivalEntry {
    /// When, Unix seconds.
    #[n(0)]
    pub at: i64,
    /// The session.
    #[n(1)]
    pub session: String,
    /// The message, if it was stored.
    #[n(2)]
    pub message: Option<String>,
    /// The peer's address in the network.
    #[n(3)]
    pub peer: Option<String>,
    /// The sender's token.
    #[n(4)]
    pub from: Option<Vec<u8>>,
    /// The addressee's token.
    #[n(5)]
    pub to: Option<Vec<u8>>,
    /// Octets.
    #[n(6)]
    pub size: u64,
    /// The reply's code.
    #[n(7)]
    pub reply: u16,
    /// What the reply is about.
    #[n(8)]
    pub why: String,
    /// Which one it was since the server's start: the order within a second. None from before that was kept.
    #[n(9)]
    pub serial: Option<u64>,
}

//! What the row of a user who is being removed says of their mail. See the module above for the keys.

use minicbor::{Decode, Encode};

use super::id;
use crate::names::UserId;

/// What becomes of the mail of a user who is being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Leaving {
    /// Whose mailbox takes it; none: it is destroyed.
    #[n(0)]
    pub heir: Option<Heir>,
}

/// Where the mail of a user who is being removed goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Heir {
    /// The user who gets it.
    #[n(0)]
    #[cbor(with = "id")]
    pub user: UserId,
    /// The folder of theirs that takes it.
    #[n(1)]
    pub folder: u32,
}

//! The type that guards the bytes of a message while they are not sealed.

use crate::wipe::Wiped;

/// The bytes of a message, unsealed. They cannot be printed, cloned, compared or serialised, and
/// are wiped on drop.
pub struct Plaintext(Wiped);

impl Plaintext {
    /// The bytes: the one way to them, so that every use can be searched for.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Wiped> for Plaintext {
    fn from(bytes: Wiped) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::fmt::{Debug, Display};
    use std::ops::Deref;

    assert_not_impl_any!(Plaintext: Debug, Display, Clone, Deref, PartialEq, serde::Serialize);
    assert_impl_all!(Plaintext: Send, Sync);

    #[test]
    fn it_exposes_what_it_was_given() {
        assert_eq!(Plaintext::from(b"a\0b".to_vec()).expose(), b"a\0b");
    }
}

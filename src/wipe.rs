//! Buffers of plaintext that are overwritten when they are dropped.
//!
//! `zeroize` writes octet by octet, 40 microseconds for a message of 100 KB, several times on its
//! way. Here the whole slice is filled at once, and `zeroize`'s barrier keeps the compiler from
//! leaving that out.

use std::ops::Deref;
use std::sync::Arc;

/// Octets that are overwritten when this is dropped. They cannot be printed, cloned or compared.
#[derive(Default)]
pub struct Wiped(Vec<u8>, Option<Permit>);

/// What allows a buffer to be in memory, such as a part of a budget.
type Permit = Arc<dyn Send + Sync>;

impl Wiped {
    /// An empty buffer that does not move until it holds `capacity` octets: what a move leaves
    /// behind is not overwritten.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity), None)
    }

    /// A buffer of so many zeros.
    pub fn zeroed(length: usize) -> Self {
        Self(vec![0; length], None)
    }

    /// Adds octets, within the capacity.
    pub fn append(&mut self, octets: &[u8]) {
        debug_assert!(self.0.len() + octets.len() <= self.0.capacity(), "a buffer of plaintext moves");
        self.0.extend_from_slice(octets);
    }

    /// The same octets with what allows them to be in memory: it is given back when they are gone.
    pub fn within(self, permit: Arc<dyn Send + Sync>) -> Self {
        let mut octets = self;
        octets.1 = Some(permit);
        octets
    }

    /// The same octets, within what allows `other`, from which they were made.
    pub fn beside(self, other: &Self) -> Self {
        match other.1.clone() {
            Some(permit) => self.within(permit),
            None => self,
        }
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The octets, to write to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets, None)
    }
}

impl Deref for Wiped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites octets with zeros, and keeps the compiler from leaving that out.
pub fn wipe(octets: &mut [u8]) {
    octets.fill(0);
    zeroize::optimization_barrier(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Wiped: Clone, std::fmt::Debug, PartialEq, serde::Serialize);

    #[test]
    fn wiping_leaves_zeros() {
        let mut octets = *b"secret";
        wipe(&mut octets);
        assert_eq!(octets, [0; 6]);
    }

    #[test]
    fn a_permit_lives_as_long_as_the_octets_it_stands_for() {
        let permit = Arc::new(());
        let octets = Wiped::from(b"large".to_vec()).within(permit.clone());
        let made = Wiped::from(b"of it".to_vec()).beside(&octets);
        drop(octets);
        assert_eq!(Arc::strong_count(&permit), 2);
        drop(made);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[test]
    fn it_holds_what_was_added() {
        let mut buffer = Wiped::with_capacity(4);
        buffer.append(b"ab");
        buffer.append(b"cd");
        assert_eq!(&*buffer, b"abcd");
    }
}

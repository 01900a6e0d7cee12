//! The form of every fixed-length secret: wiped on drop, read only by `expose`, and without
//! `Debug`, `Clone`, `PartialEq` and serialisation, so that a leak does not compile.

/// Declares a secret of a fixed number of bytes.
macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Draws a new one from the operating system's randomness.
            pub fn generate() -> Self {
                let mut secret = Self([0; $length]);
                // The kernel's generator does not fail once it is seeded, and boot waits for that.
                getrandom::fill(&mut secret.0).expect("the operating system gives randomness");
                secret
            }

            /// The secret with these bytes; the caller wipes its copy.
            pub fn from_bytes(bytes: &[u8; $length]) -> Self {
                Self(*bytes)
            }

            /// Its bytes.
            pub fn expose(&self) -> &[u8; $length] {
                &self.0
            }
        }
    };
}

pub(crate) use secret_bytes;

/// Asserts that types have none of the traits by which a secret leaks.
#[cfg(test)]
macro_rules! assert_secret {
    ($($name:ty),+ $(,)?) => {
        $(static_assertions::assert_not_impl_any!($name: std::fmt::Debug, std::fmt::Display, Clone, PartialEq,
            serde::Serialize, std::ops::Deref, AsRef<[u8]>);)+
    };
}

#[cfg(test)]
pub(crate) use assert_secret;

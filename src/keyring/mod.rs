//! Keys and what opens them: the root key and what is derived from it, age identities and
//! recipients, keyslots and the credentials that open them.
//!
//! Wraps and unwraps keys under keys. Refuses to know who a tenant is beyond its identifier, what
//! mail is, where anything is stored, and who is asking. Formats: `docs/format.md`.

pub(crate) mod aead;
mod age_file;
pub mod age_pq;
pub mod api_token;
pub mod app_password;
mod derive;
mod error;
pub mod escrow;
mod index_key;
pub mod passkey;
pub mod password;
mod printed;
pub mod record;
pub mod recovery;
pub mod root;
pub(crate) mod secret;
pub mod slot;
pub mod strength;
pub mod totp;

pub use age_pq::{Identity, Recipient, open, seal_to};
pub use api_token::ApiToken;
pub use app_password::AppPassword;
pub(crate) use derive::hkdf;
pub use error::KeyringError;
pub use escrow::EscrowRecipient;
pub use index_key::IndexKey;
pub use passkey::{PasskeyHalf, PasskeyShare, PrfOutput};
pub use password::{Passphrase, PasswordHashing, PasswordKey};
pub use record::RecordKey;
pub use recovery::RecoveryCode;
pub use root::RootKey;
pub use slot::{KeySlot, SlotBinding, SlotKey};
pub use totp::{CodeCheck, TotpEnrolment, TotpPassed, TotpSeed, TotpShare, UsedSteps};

#[cfg(test)]
pub(crate) mod node_age;

//! Policies by name: those loaded into a tenant, else those shipped. Checked once and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::names::TenantId;
use crate::policy::{self, Policy};
use crate::records::{RecordError, Records};
use crate::tenant::rows::PolicyRow;

/// Why there is no policy to go by. Mail for its views is deferred, never served unmasked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyUnavailable {
    /// Neither loaded nor shipped.
    #[error("there is no such policy")]
    Unknown,
    /// Its text does not check (an older version may have taken it).
    #[error("the policy does not load: {0}")]
    Broken(String),
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// The checked policies that have been asked for.
#[derive(Default)]
pub struct Policies {
    checked: Mutex<HashMap<(TenantId, String), Arc<Policy>>>,
}

impl Policies {
    /// The policy of a tenant called `name`.
    pub fn find(
        &self,
        records: &Records,
        tenant: TenantId,
        name: &str,
    ) -> Result<Arc<Policy>, PolicyUnavailable> {
        let place = (tenant, name.to_owned());
        if let Some(policy) = self.checked().get(&place) {
            return Ok(policy.clone());
        }
        let text = self.text(records, tenant, name)?.ok_or(PolicyUnavailable::Unknown)?;
        let policy =
            policy::parse(&text, name).map_err(|errors| PolicyUnavailable::Broken(errors.to_string()))?;
        let policy = Arc::new(policy);
        self.checked().insert(place, policy.clone());
        Ok(policy)
    }

    /// The TOML of the policy called `name`: the tenant's own, else the shipped one.
    pub fn text(
        &self,
        records: &Records,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<String>, RecordError> {
        let row: Option<PolicyRow> =
            records.tenant(tenant).get(&[tenant.as_bytes(), &self.key(records, name)])?;
        let shipped = || policy::shipped().iter().find(|(shipped, _)| *shipped == name);
        Ok(row.map(|row| row.text).or_else(|| shipped().map(|(_, text)| (*text).to_owned())))
    }

    /// The part of a [`PolicyRow`]'s key that stands for its name.
    pub fn key(&self, records: &Records, name: &str) -> [u8; 32] {
        records.root().lookup("policy", name.as_bytes())
    }

    /// Checks the policy anew when it is asked for next: its text has changed.
    pub fn forget(&self, tenant: TenantId, name: &str) {
        self.checked().remove(&(tenant, name.to_owned()));
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, String), Arc<Policy>>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

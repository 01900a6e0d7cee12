//! Policies by name: those loaded into a tenant, else those shipped. Each text is checked once; which
//! text holds is read from the ledger every time. A copy that is told of changes would be told after
//! their commit: mail that arrives in between would be sealed for the old policy and carry the
//! view's new generation, so that nothing would ever mask it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::names::TenantId;
use crate::policy::{self, Policy};
use crate::records::{RecordError, Records};
use crate::tenant::rows::{PolicyRow, Rendering};
use sha2::{Digest, Sha256};

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
    checked: Mutex<Checked>,
}

/// The text that was checked, and what it says.
type Checked = HashMap<(TenantId, String), (String, Arc<Policy>)>;

impl Policies {
    /// The policy of a tenant called `name`.
    pub fn find(
        &self,
        records: &Records,
        tenant: TenantId,
        name: &str,
    ) -> Result<Arc<Policy>, PolicyUnavailable> {
        let text = self.text(records, tenant, name)?.ok_or(PolicyUnavailable::Unknown)?;
        let place = (tenant, name.to_owned());
        if let Some((checked, policy)) = self.checked().get(&place)
            && *checked == text
        {
            return Ok(policy.clone());
        }
        let policy =
            policy::parse(&text, name).map_err(|errors| PolicyUnavailable::Broken(errors.to_string()))?;
        let policy = Arc::new(policy);
        self.checked().insert(place, (text, policy.clone()));
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

    /// What a view of `policy` is to be rendered with from now on, when its messages are of an older one.
    pub fn rendering(&self, settings: &super::Settings, policy: Option<&Policy>) -> Rendering {
        Rendering {
            link: settings.public_url.clone(),
            domain: settings.hostname.clone(),
            meaning: policy.map(meaning).unwrap_or_default(),
        }
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, Checked> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a policy means, and to which renderer: whether messages of an older policy look today as they did.
pub fn meaning(policy: &Policy) -> [u8; 32] {
    let said = format!("{RENDERER} {:?} {:?}", policy.base, policy.when);
    Sha256::digest(said.as_bytes()).into()
}

/// Grows whenever the same policy makes other octets of the same message than in the version before: clients
/// then find new UIDs where messages are rendered as they are served.
const RENDERER: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::RootKey;
    use crate::store::ledger::{Batch, Options, RedbLedger};

    /// Between the commit of a new policy and word of it, mail was sealed for the old one.
    #[tokio::test]
    async fn a_committed_policy_holds_without_anybody_being_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        let records = Records::new(Arc::new(ledger), Arc::new(RootKey::generate()));
        let (policies, tenant) = (Policies::default(), TenantId::random());
        let shown = |name: &str| {
            let found = policy::shipped().iter().find(|(shipped, _)| *shipped == name);
            found.expect("a shipped policy").1
        };
        for name in ["everything", "headers-only"] {
            let mut batch = Batch::new();
            let row = PolicyRow { name: "ours".to_owned(), text: shown(name).to_owned(), loaded: 0 };
            let key = policies.key(&records, "ours");
            records.tenant(tenant).put(&mut batch, &[tenant.as_bytes(), &key], &row);
            records.commit(batch).await.map(|_committed| ()).expect("committed");
            let found = policies.find(&records, tenant, "ours").expect("it loads");
            let wanted = policy::parse(shown(name), "ours").expect("it checks");
            assert!(policy::diff(&found, &wanted).is_empty(), "{name}");
        }
    }
}

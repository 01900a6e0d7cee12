//! What calls on views, credentials and policies answer. See the module above for the calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// The answer to `view.create`, `credential.create` and `credential.rotate`.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct CredentialCreated {
    /// The credential's identifier.
    pub credential: String,
    /// The view's name.
    pub view: String,
    /// The policy's name.
    pub policy: String,
    /// The login for mail clients.
    pub login: String,
    /// The app password, shown once.
    pub app_password: Secret,
}

/// A view in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct ViewItem {
    /// Its identifier.
    pub id: String,
    /// Its user's login.
    pub user: String,
    /// Its name.
    pub name: String,
    /// Its policy's name.
    pub policy: String,
    /// How often its rendering has changed.
    pub generation: u32,
    /// Whether mail from before it was made is missing in it: that is not sealed for it yet.
    #[serde(default)]
    pub older_mail_missing: bool,
    /// How many credentials open it.
    pub credentials: u64,
    /// When it was made (RFC 3339).
    pub created: String,
}

/// A credential in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct CredentialItem {
    /// Its identifier.
    pub id: String,
    /// The name of the view it opens.
    pub view: String,
    /// What the device is called.
    pub label: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it was last used (RFC 3339).
    pub last_used: Option<String>,
}

/// The answer to `credential.revoke` and `credential.fetched`: what the device has seen.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct CredentialFetched {
    /// The credential's identifier.
    pub credential: String,
    /// The messages that were fetched with it, whole or in part.
    pub fetched: Vec<String>,
    /// The messages that lists showed to it (sender, subject, size, first words, as the view has them), and
    /// that were never fetched.
    #[serde(default)]
    pub listed: Vec<String>,
    /// How many messages it was shown in lists that have been deleted since.
    #[serde(default)]
    pub listed_gone: u64,
}

/// A policy in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct PolicyItem {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub description: String,
    /// Shipped with Veilpost, or loaded into the tenant.
    pub shipped: bool,
    /// The views that use it, as `login/view`.
    pub views: Vec<String>,
}

/// The answer to `policy.remove`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct PolicyRemoved {
    /// Its name.
    pub removed: String,
    /// Whether a shipped policy has the name again.
    pub shipped: bool,
    /// The views that follow the shipped one from now on, as `login/view`.
    pub views: Vec<String>,
}

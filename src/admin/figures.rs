//! What the server tells about itself: where it listens, how much it holds, how long its certificate
//! is good for. Part of the answers of [`api`](super::api); holds no secret and no mail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `status`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// The server's name.
    pub hostname: String,
    /// How many tenants there are.
    pub tenants: u64,
    /// Where SMTP listens.
    pub smtp: Vec<String>,
    /// Where LMTP listens.
    pub lmtp: Vec<String>,
    /// Where IMAP with STARTTLS listens.
    pub imap: Vec<String>,
    /// Where IMAP under TLS listens.
    pub imaps: Vec<String>,
    /// Where POP3 with STLS listens.
    pub pop3: Vec<String>,
    /// Where POP3 under TLS listens.
    pub pop3s: Vec<String>,
    /// Where the dashboard listens.
    pub dashboard: Vec<String>,
    /// Where metrics are served.
    pub metrics: Vec<String>,
    /// When the certificate ends (RFC 3339).
    pub certificate_not_after: String,
    /// How many people are signed in to the dashboard.
    pub signed_in: u64,
    /// How many of all unlock sessions are open.
    pub unlocked: u64,
    /// The key that checkpoints of audit logs are signed with.
    pub verifier_key: String,
}

/// The answer to `storage`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Storage {
    /// Octets of the ledger's file.
    pub ledger: u64,
    /// Octets that are free on the disk of the data folder.
    pub free: u64,
    /// Octets of that disk.
    pub disk: u64,
    /// What each user has.
    pub users: Vec<UserStorage>,
    /// How far each tenant's audit log is.
    pub audit: Vec<AuditState>,
}

/// What a user has stored.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct UserStorage {
    /// Their login.
    pub login: String,
    /// Their tenant's name.
    pub tenant: String,
    /// How many messages, the trash too.
    pub messages: u64,
    /// Octets of the messages as received.
    pub octets: u64,
    /// Octets of their containers on disk.
    pub sealed: u64,
}

/// How far an audit log is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct AuditState {
    /// The tenant's name.
    pub tenant: String,
    /// How many entries it has.
    pub entries: u64,
    /// How many of them a signed checkpoint covers.
    pub signed: u64,
}

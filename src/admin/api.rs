//! What the command line asks of a running server, over its Unix socket.
//!
//! One JSON object a line (RFC 8259): `{"id": 1, "method": "tenant.list", "params": {...}}`; the
//! answer is `{"id": 1, "result": ...}` or `{"id": 1, "error": {"code", "message", "hint"}}`, and
//! before it any number of `{"id": 1, "progress": {"done", "total", "what"}}` or
//! `{"id": 1, "item": ...}`. Secrets travel in both directions, so the socket is for its owner alone.

mod people;
mod views;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use people::{AddressItem, SwitchedOff, UserItem, UserRemoved};
pub use views::{CredentialCreated, CredentialFetched, CredentialItem, PolicyItem, PolicyRemoved, ViewItem};

pub use super::figures::*;
pub use super::found::*;

/// A text that must not be printed: a password, a code, a session.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The one way to the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// One request.
#[derive(Deserialize, Serialize)]
pub struct Call {
    /// Chosen by the caller, repeated in every answer.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

/// One line of an answer.
#[derive(Debug, Deserialize, Serialize)]
pub struct Answer {
    /// The call it belongs to.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What a line of an answer says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// The call is done.
    Result(serde_json::Value),
    /// The call failed.
    Error(Failure),
    /// The call goes on.
    Progress(Progress),
    /// One of many things that the call yields.
    Item(serde_json::Value),
}

/// Why a call failed, for a person and for a program.
#[derive(Clone, Debug, Deserialize, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A stable word, as `not-found`.
    pub code: FailureCode,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureCode {
    /// The request cannot be understood or holds a value that is not allowed.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// What it would make exists.
    Exists,
    /// Password, code, recovery code or session is wrong or over.
    Refused,
    /// Too many failed attempts: wait.
    SoftLocked,
    /// Too much at once: nothing was tried. Try again in a moment.
    Busy,
    /// It reveals more than before, so it needs an unlock.
    UnlockNeeded,
    /// Every single message needs a code of its own here.
    CodeNeeded,
    /// A stored object is damaged.
    Damaged,
    /// The disk is full.
    Full,
    /// The server failed; its log says more.
    Internal,
}

/// How far long work has come.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What is counted, as `messages resealed`.
    pub what: String,
}

/// What allows an act that reveals more (law 7).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// A live unlock session.
    Session(Secret),
    /// The tenant's recovery code.
    Recovery(Secret),
}

/// What a user may do besides reading their own mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Nothing more.
    #[default]
    Member,
    /// Looks after the tenant: users, addresses, policies.
    Administrator,
    /// Looks after the server: all tenants.
    Operator,
}

/// Everything that can be asked.
#[derive(Deserialize, Serialize)]
#[serde(tag = "method", content = "params")]
pub enum Request {
    /// What is running: version, listeners, counts.
    #[serde(rename = "status")]
    Status {},

    /// Makes a tenant, its owner key and its first user.
    #[serde(rename = "tenant.create")]
    TenantCreate {
        /// Its name.
        name: String,
        /// The first user's address.
        address: String,
        /// The first user's password.
        password: Secret,
        /// Whether every unlock needs a reason.
        #[serde(default)]
        reason_required: bool,
        /// Offline keys (age recipients) of the organisation that get the owner key too.
        #[serde(default)]
        escrow: Vec<String>,
        /// Show authenticator and recovery code to the user alone, at their first sign-in.
        #[serde(default)]
        enrol_at_sign_in: bool,
    },
    /// All tenants.
    #[serde(rename = "tenant.list")]
    TenantList {},
    /// Removes a tenant: its keyslots first, then everything.
    #[serde(rename = "tenant.remove")]
    TenantRemove {
        /// Its name.
        tenant: String,
    },

    /// Changes what a tenant asks of its people.
    #[serde(rename = "tenant.settings")]
    TenantSettings {
        /// Its name.
        tenant: String,
        /// Whether every unlock needs a reason.
        reason_required: bool,
        /// Whether every single message needs a code, even while the whole is open.
        step_up: bool,
        /// Who allows it, where less is asked for than before.
        #[serde(default)]
        authority: Option<Authority>,
        /// After how many minutes without use an unlock ends: 0 for what the server says, none for what is so.
        #[serde(default)]
        unlock_minutes: Option<u32>,
        /// After how many minutes it ends in any case, in the same way.
        #[serde(default)]
        unlock_longest_minutes: Option<u32>,
    },
    /// How much is stored, and how much room is left.
    #[serde(rename = "storage")]
    Storage {
        /// The tenant's name; all tenants without it.
        #[serde(default)]
        tenant: Option<String>,
    },

    /// Makes a user with an address, who may unlock the tenant's mail.
    #[serde(rename = "user.create")]
    UserCreate {
        /// The tenant's name.
        tenant: String,
        /// The user's first address, their login.
        address: String,
        /// Their password.
        password: Secret,
        /// What they may do besides reading.
        #[serde(default)]
        role: Role,
        /// Have them choose a password and set up their authenticator at their first sign-in.
        #[serde(default)]
        enrol_at_sign_in: bool,
        /// Who allows it.
        authority: Authority,
    },
    /// Gives a user another role.
    #[serde(rename = "user.role")]
    UserRole {
        /// The user's login.
        user: String,
        /// From now on.
        role: Role,
        /// Who allows it, where a person raises somebody.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// A new recovery code for a tenant; the one before opens nothing any more.
    #[serde(rename = "tenant.recovery")]
    TenantRecovery {
        /// A live unlock session.
        session: Secret,
    },
    /// The users of a tenant.
    #[serde(rename = "user.list")]
    UserList {
        /// The tenant's name; all tenants without it.
        #[serde(default)]
        tenant: Option<String>,
    },
    /// Changes a password. Needs the user's own session, or the recovery code.
    #[serde(rename = "user.password")]
    UserPassword {
        /// The user's login.
        user: String,
        /// The new password.
        password: Secret,
        /// Who allows it.
        authority: Authority,
    },
    /// A new TOTP seed: the old phone is worth nothing afterwards.
    #[serde(rename = "user.totp")]
    UserTotp {
        /// The user's login.
        user: String,
        /// Who allows it.
        authority: Authority,
    },
    /// Shuts a user out, or lets them in again.
    #[serde(rename = "user.disable")]
    UserDisable {
        /// The user's login.
        user: String,
        /// Shut out, or let in.
        disabled: bool,
        /// Who allows letting in.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// Says how much mail a user's mailbox takes.
    #[serde(rename = "user.quota")]
    UserQuota {
        /// The user's login.
        user: String,
        /// Octets; none: as many as there is room for.
        #[serde(default)]
        quota: Option<u64>,
    },
    /// Removes a user: their mail goes to another user of the tenant, which needs an unlock, or is destroyed.
    #[serde(rename = "user.remove")]
    UserRemove {
        /// The user's login.
        user: String,
        /// The login of who gets the mail and the addresses; none: the mail is destroyed.
        #[serde(default)]
        heir: Option<String>,
        /// Who allows it, where mail is handed over.
        #[serde(default)]
        authority: Option<Authority>,
    },

    /// Adds an address, a catch-all (`@domain`) or an alias.
    #[serde(rename = "address.add")]
    AddressAdd {
        /// The address, or `@domain`.
        address: String,
        /// The login of the user whose mailbox takes the mail.
        #[serde(default)]
        user: Option<String>,
        /// Or the local address that it stands for.
        #[serde(default)]
        alias_of: Option<String>,
        /// Who allows it, where a person adds it, or it takes mail from another mailbox.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// Lets an address be for one more user of its tenant.
    #[serde(rename = "address.share")]
    AddressShare {
        /// The address, or `@domain`.
        address: String,
        /// The user's login.
        user: String,
        /// Who allows it, where a person shares it.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// Lets an address that several people have be for one of them no more.
    #[serde(rename = "address.unshare")]
    AddressUnshare {
        /// The address, or `@domain`.
        address: String,
        /// The user's login.
        user: String,
    },
    /// Refuses mail for an address until it is switched on again, or takes it again.
    #[serde(rename = "address.switch")]
    AddressSwitch {
        /// The address, or `@domain`.
        address: String,
        /// On, or off.
        on: bool,
        /// Why it is off, for those who look after the tenant.
        #[serde(default)]
        note: Option<String>,
        /// Who allows switching on, where a person does.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// The addresses of a tenant.
    #[serde(rename = "address.list")]
    AddressList {
        /// The tenant's name; all tenants without it.
        #[serde(default)]
        tenant: Option<String>,
    },
    /// What became of mail from and to an address lately. Recorded in the log of each tenant that it shows.
    #[serde(rename = "mail.trace")]
    MailTrace {
        /// The address.
        address: String,
        /// Of this tenant's mail alone; all tenants' and nobody's without it.
        #[serde(default)]
        tenant: Option<String>,
    },
    /// Removes an address. Mail that came stays.
    #[serde(rename = "address.remove")]
    AddressRemove {
        /// The address, or `@domain`.
        address: String,
        /// Who allows it, where its mail then goes to another mailbox.
        #[serde(default)]
        authority: Option<Authority>,
    },

    /// Makes a view and its first credential.
    #[serde(rename = "view.create")]
    ViewCreate {
        /// The login of the user whose mail it shows.
        user: String,
        /// Its name.
        name: String,
        /// The name of its policy: shipped, or loaded into the tenant.
        policy: String,
        /// What the first device is called.
        #[serde(default)]
        label: Option<String>,
        /// Who allows it.
        authority: Authority,
    },
    /// The views of a user, or of all.
    #[serde(rename = "view.list")]
    ViewList {
        /// The user's login.
        #[serde(default)]
        user: Option<String>,
    },
    /// Gives a view another policy. If that reveals more, it needs an unlock.
    #[serde(rename = "view.policy")]
    ViewPolicy {
        /// The user's login.
        user: String,
        /// The view's name.
        view: String,
        /// The policy's name.
        policy: String,
        /// Who allows it, where it reveals more.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// Removes a view and its credentials: nothing opens it any more.
    #[serde(rename = "view.remove")]
    ViewRemove {
        /// The user's login.
        user: String,
        /// The view's name.
        view: String,
    },
    /// Seals old mail again under today's views and policies.
    #[serde(rename = "view.reseal")]
    Reseal {
        /// The user's login.
        user: String,
        /// A live unlock session.
        session: Secret,
    },

    /// A further app password for a view.
    #[serde(rename = "credential.create")]
    CredentialCreate {
        /// The user's login.
        user: String,
        /// The view's name.
        view: String,
        /// What the device is called.
        label: String,
        /// Who allows it.
        authority: Authority,
    },
    /// The credentials of a user's views.
    #[serde(rename = "credential.list")]
    CredentialList {
        /// The user's login.
        user: String,
    },
    /// What a credential has fetched so far, as `credential.revoke` would list it.
    #[serde(rename = "credential.fetched")]
    CredentialFetched {
        /// The credential's identifier.
        credential: String,
    },
    /// Revokes a credential; the answer lists what it has fetched.
    #[serde(rename = "credential.revoke")]
    CredentialRevoke {
        /// The credential's identifier.
        credential: String,
    },
    /// A new app password in the place of an old one.
    #[serde(rename = "credential.rotate")]
    CredentialRotate {
        /// The credential's identifier.
        credential: String,
        /// Who allows it.
        authority: Authority,
    },

    /// Loads a policy into a tenant. Where views use it and it reveals more, it needs an unlock.
    #[serde(rename = "policy.load")]
    PolicyLoad {
        /// The tenant's name.
        tenant: String,
        /// The policy's name.
        name: String,
        /// Its TOML.
        text: String,
        /// Who allows it, where it reveals more.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// Removes a policy that was loaded. Where it stood in the place of a shipped one, views follow that one
    /// again, which needs an unlock if it reveals more; else no view may use it.
    #[serde(rename = "policy.remove")]
    PolicyRemove {
        /// The tenant's name.
        tenant: String,
        /// The policy's name.
        name: String,
        /// Who allows it, where it reveals more.
        #[serde(default)]
        authority: Option<Authority>,
    },
    /// The policies of a tenant, shipped and loaded.
    #[serde(rename = "policy.list")]
    PolicyList {
        /// The tenant's name.
        tenant: String,
    },
    /// The TOML of a policy.
    #[serde(rename = "policy.show")]
    PolicyShow {
        /// The tenant's name.
        tenant: String,
        /// The policy's name.
        name: String,
    },

    /// Opens an unlock session with password and TOTP code.
    #[serde(rename = "unlock")]
    Unlock {
        /// The user's login.
        user: String,
        /// Their password.
        password: Secret,
        /// The six digits.
        code: Secret,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Whose an unlock session is, and until when.
    #[serde(rename = "session")]
    Session {
        /// The session.
        session: Secret,
    },
    /// Ends an unlock session.
    #[serde(rename = "lock")]
    Lock {
        /// The session.
        session: Secret,
    },
    /// The messages of the session's user, newest first.
    #[serde(rename = "mail.list")]
    MailList {
        /// The session.
        session: Secret,
        /// Only messages with a lower UID.
        #[serde(default)]
        before: Option<u32>,
        /// At most so many.
        #[serde(default = "default_page")]
        limit: u32,
    },
    /// One whole message, as it was received.
    #[serde(rename = "mail.read")]
    MailRead {
        /// The session.
        session: Secret,
        /// Its number or identifier.
        message: String,
        /// A code for this message, where the tenant asks for one at every message.
        #[serde(default)]
        code: Option<Secret>,
    },
    /// All messages, one item each.
    #[serde(rename = "mail.export")]
    MailExport {
        /// The session.
        session: Secret,
    },
    /// Removes a message for good: its manifests first.
    #[serde(rename = "mail.delete")]
    MailDelete {
        /// The session.
        session: Secret,
        /// Its number or identifier.
        message: String,
    },

    /// Entries of a tenant's audit log, as items.
    #[serde(rename = "audit.list")]
    AuditList {
        /// The tenant's name.
        tenant: String,
        /// From this sequence number.
        #[serde(default)]
        from: u64,
        /// At most so many; all without it.
        #[serde(default)]
        limit: Option<u64>,
    },
    /// Recomputes a tenant's whole log and compares.
    #[serde(rename = "audit.verify")]
    AuditVerify {
        /// The tenant's name.
        tenant: String,
        /// Checkpoints kept elsewhere: texts of one or more signed notes.
        #[serde(default)]
        checkpoints: Vec<String>,
    },
    /// Signs a checkpoint now and sends it to the sinks.
    #[serde(rename = "audit.checkpoint")]
    AuditCheckpoint {
        /// The tenant's name.
        tenant: String,
    },
    /// A receipt for one entry.
    #[serde(rename = "audit.receipt")]
    AuditReceipt {
        /// The tenant's name.
        tenant: String,
        /// The entry's sequence number.
        entry: u64,
    },
}

fn default_page() -> u32 {
    50
}

/// The answer to `tenant.create`.
#[derive(Deserialize, Serialize)]
pub struct TenantCreated {
    /// The tenant's identifier.
    pub tenant: String,
    /// Shown once: opens the owner key when password or phone is lost. None if the user sees it
    /// at their first sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<Secret>,
    /// The first user.
    pub user: UserCreated,
}

/// The answer to `tenant.recovery`.
#[derive(Deserialize, Serialize)]
pub struct RecoveryReplaced {
    /// Shown once.
    pub recovery_code: Secret,
}

/// The answer to `user.create` and `user.totp`.
#[derive(Deserialize, Serialize)]
pub struct UserCreated {
    /// Their login.
    pub login: String,
    /// The TOTP seed in base32, shown once. None if the user sees it at their first sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_seed: Option<Secret>,
    /// The same as an `otpauth://` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_uri: Option<Secret>,
}

/// A tenant in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct TenantItem {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// How many users it has.
    pub users: u64,
    /// Whether an unlock needs a reason.
    pub reason_required: bool,
    /// Whether every single message needs a code.
    #[serde(default)]
    pub step_up: bool,
    /// After how many minutes without use an unlock ends.
    #[serde(default)]
    pub unlock_minutes: u64,
    /// After how many minutes it ends in any case.
    #[serde(default)]
    pub unlock_longest_minutes: u64,
}

/// The answer to `unlock`.
#[derive(Deserialize, Serialize)]
pub struct Unlocked {
    /// Needed by every call until the session ends.
    pub session: Secret,
    /// When it ends by itself (RFC 3339).
    pub until: String,
    /// The audit entry of the unlock.
    pub entry: u64,
}

/// The answer to `session`.
#[derive(Debug, Deserialize, Serialize)]
pub struct SessionOpen {
    /// Whose it is.
    pub login: String,
    /// When it ends by itself (RFC 3339).
    pub until: String,
}

/// A message in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct MailItem {
    /// Its number in the mailbox.
    pub uid: u32,
    /// Its identifier.
    pub id: String,
    /// When it was received (RFC 3339).
    pub received: String,
    /// From, decoded.
    pub from: String,
    /// Subject, decoded.
    pub subject: String,
    /// Its octets.
    pub octets: u64,
    /// In the trash.
    pub trashed: bool,
    /// Set instead of From and Subject when its container is damaged or gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// A whole message.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct MailWhole {
    /// Its number in the mailbox.
    pub uid: u32,
    /// Its identifier.
    pub id: String,
    /// When it was received (RFC 3339).
    pub received: String,
    /// The octets as received below our trace header, base64 (RFC 4648 §4).
    pub message: Secret,
    /// The audit entry that was written before.
    pub entry: u64,
    /// The receipt for that entry, once the server has signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<serde_json::Value>,
}

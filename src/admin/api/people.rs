//! What calls on users and addresses answer. See the module above for the calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Role;

/// The answer to `user.remove`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct UserRemoved {
    /// Messages that another user has now.
    pub handed_over: u64,
    /// Messages that are gone because they were damaged.
    pub damaged: u64,
    /// Messages that are gone because that was asked.
    pub destroyed: u64,
}

/// A user in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct UserItem {
    /// Their identifier.
    pub id: String,
    /// Their login.
    pub login: String,
    /// Their tenant's name.
    pub tenant: String,
    /// When they were made (RFC 3339).
    pub created: String,
    /// Whether they are shut out.
    pub disabled: bool,
    /// What they may do besides reading.
    #[serde(default)]
    pub role: Role,
    /// Whether they have yet to sign in for the first time.
    #[serde(default)]
    pub invited: bool,
    /// When they last signed in to the dashboard (RFC 3339), if ever.
    #[serde(default)]
    pub last_sign_in: Option<String>,
    /// Whether they are being removed.
    #[serde(default)]
    pub leaving: bool,
    /// How many octets their mailbox takes; none is as many as there is room for.
    #[serde(default)]
    pub quota: Option<u64>,
    /// How many octets it holds, where it has a limit.
    #[serde(default)]
    pub used: Option<u64>,
}

/// An address in a list.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct AddressItem {
    /// The address, or `@domain`.
    pub address: String,
    /// The login of the user whose mailbox takes the mail.
    pub user: String,
    /// The address it stands for.
    pub alias_of: Option<String>,
    /// Whether nobody was given it: RFC 5321 and RFC 2142 want somebody to read its mail, and this user
    /// does until the address is added.
    #[serde(default)]
    pub standing: bool,
    /// The logins of others whose mailboxes take the mail too.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Set while its mail is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<SwitchedOff>,
}

/// Why an address takes no mail, for those who look after the tenant.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct SwitchedOff {
    /// Since when (RFC 3339).
    pub since: String,
    /// Who switched it off: a login, or `the administration socket`.
    pub by: String,
    /// What they noted.
    pub note: Option<String>,
}

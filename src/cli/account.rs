//! `veilpost tenant` and `user`.

use std::path::PathBuf;

use clap::Subcommand;
use indicatif::HumanBytes;

use super::Common;
use super::terminal::{Failed, Style, ask_new_password, confirm, print, qr, styled, table};
use super::unlock::Authorising;
use crate::admin::api::{
    RecoveryReplaced, Request, Role, Secret, TenantCreated, TenantItem, UserCreated, UserItem, UserRemoved,
};
use crate::admin::client::Client;

/// Commands on tenants.
#[derive(Subcommand)]
pub enum Tenant {
    /// Make a tenant, its owner key and its first user
    #[command(
        after_help = "Examples:\n  veilpost tenant create firm --address ann@firm.example\n  veilpost tenant create firm --address ann@firm.example --enrol-at-sign-in\n\nPrints the TOTP seed and the recovery code, once; with --enrol-at-sign-in the dashboard shows both to the user alone, at their first sign-in."
    )]
    Create {
        /// The tenant's name
        name: String,
        /// The first user's address, which is also their login
        #[arg(long)]
        address: String,
        /// Read the first user's password from a file [default: VEILPOST_NEW_PASSWORD, or ask]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Let no unlock pass without a reason
        #[arg(long)]
        reason_required: bool,
        /// An offline key of the organisation (age recipient) that gets the owner key too
        #[arg(long, value_name = "RECIPIENT")]
        escrow: Vec<String>,
        /// Show authenticator and recovery code in the dashboard, at the user's first sign-in
        #[arg(long)]
        enrol_at_sign_in: bool,
    },
    /// Print a new recovery code; the one before opens nothing any more
    #[command(
        name = "new-recovery-code",
        after_help = "Example:\n  veilpost tenant new-recovery-code --as ann@firm.example"
    )]
    NewRecoveryCode {
        #[command(flatten)]
        unlocking: super::unlock::Unlocking,
    },
    /// Change what the tenant asks of its people; asking for less takes an unlock
    #[command(
        after_help = "Example:\n  veilpost tenant settings firm --reason-required true --step-up true\n  veilpost tenant settings firm --reason-required true --step-up false --as ann@firm.example"
    )]
    Settings {
        /// The tenant's name
        name: String,
        /// Let no unlock pass without a reason
        #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
        reason_required: bool,
        /// Ask for a code for every single message, even while the whole is open
        #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
        step_up: bool,
        #[command(flatten)]
        authorising: Authorising,
        /// Lock after so many minutes without use; 0 for what the server says
        #[arg(long, value_name = "MINUTES")]
        unlock_minutes: Option<u32>,
        /// Lock after so many minutes in any case; 0 for what the server says
        #[arg(long, value_name = "MINUTES")]
        unlock_longest_minutes: Option<u32>,
    },
    /// List all tenants
    List,
    /// Remove a tenant with all its mail: keys first, so that nothing opens the rest
    Remove {
        /// The tenant's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `veilpost tenant`.
pub fn tenant(command: Tenant, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        Tenant::Create { name, address, password_file, reason_required, escrow, enrol_at_sign_in } => {
            let password =
                ask_new_password("Password of the first user", password_file.as_deref(), NEW_PASSWORD)?;
            let made: TenantCreated = client.call(Request::TenantCreate {
                name,
                address,
                password,
                reason_required,
                escrow,
                enrol_at_sign_in,
            })?;
            print(common.json, &made, |made| {
                let code = made.recovery_code.as_ref().map(recovery).unwrap_or_default();
                format!("{}\n{code}", enrolment(&made.user))
            })
        }
        Tenant::NewRecoveryCode { unlocking } => {
            let made: RecoveryReplaced = unlocking.with_session(&mut client, |client, session| {
                Ok(client.call(Request::TenantRecovery { session })?)
            })?;
            print(common.json, &made, |made| recovery(&made.recovery_code))
        }
        Tenant::Settings {
            name,
            reason_required,
            step_up,
            authorising,
            unlock_minutes,
            unlock_longest_minutes,
        } => {
            let done: serde_json::Value = authorising.if_needed(&mut client, |client, authority| {
                let tenant = name.clone();
                Ok(client.call(Request::TenantSettings {
                    tenant,
                    reason_required,
                    step_up,
                    authority,
                    unlock_minutes,
                    unlock_longest_minutes,
                })?)
            })?;
            print(common.json, &done, |_| "Saved.".to_owned())
        }
        Tenant::List => {
            let tenants: Vec<TenantItem> = client.call(Request::TenantList {})?;
            print(common.json, &tenants, |tenants| {
                let row = |item: &TenantItem| {
                    let reason = if item.reason_required { "required" } else { "optional" };
                    [
                        item.name.clone(),
                        item.users.to_string(),
                        reason.to_owned(),
                        item.created.clone(),
                        item.id.clone(),
                    ]
                };
                table(
                    ["TENANT", "USERS", "REASON", "CREATED", "ID"],
                    &tenants.iter().map(row).collect::<Vec<_>>(),
                    "No tenants yet. Make one with `veilpost tenant create NAME --address ADDRESS`.",
                )
            })
        }
        Tenant::Remove { name, yes } => {
            confirm(&format!("This destroys the keys and all mail of {name}, for good."), yes)?;
            let bar = super::terminal::Bar::new();
            let done: serde_json::Value = client.call_with(
                Request::TenantRemove { tenant: name },
                |progress| bar.show(&progress),
                |_| Ok(()),
            )?;
            print(common.json, &done, |done| {
                let told = |name: &str| done[name].as_str().unwrap_or_default().to_owned();
                format!(
                    "Removed. Its audit log stays until {}: `veilpost audit list {}`.",
                    told("log_until"),
                    told("id")
                )
            })
        }
    }
}

/// Commands on users.
#[derive(Subcommand)]
pub enum User {
    /// Make a user who may unlock the tenant's mail
    #[command(
        after_help = "Example:\n  veilpost user create firm --address bob@firm.example --role member --enrol-at-sign-in --as ann@firm.example"
    )]
    Create {
        /// The tenant's name
        tenant: String,
        /// The user's address, which is also their login
        #[arg(long)]
        address: String,
        /// Read the new password from a file [default: VEILPOST_NEW_PASSWORD, or ask]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// member, administrator (of the tenant) or operator (of the server)
        #[arg(long, default_value = "member", value_parser = parse_role)]
        role: Role,
        /// Have them choose a password and set up their authenticator at their first sign-in
        #[arg(long)]
        enrol_at_sign_in: bool,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Give a user another role
    #[command(after_help = "Example:\n  veilpost user role bob@firm.example administrator")]
    Role {
        /// The user's login
        login: String,
        /// member, administrator (of the tenant) or operator (of the server)
        #[arg(value_parser = parse_role)]
        role: Role,
    },
    /// List users
    List {
        /// Only of this tenant
        tenant: Option<String>,
    },
    /// Change a password, in an unlock session or with the recovery code
    #[command(
        after_help = "Examples:\n  veilpost user password ann@firm.example --as ann@firm.example\n  veilpost user password ann@firm.example --recovery"
    )]
    Password {
        /// The user's login
        login: String,
        /// Read the new password from a file [default: VEILPOST_NEW_PASSWORD, or ask]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Reset TOTP: a new seed for a new phone
    Totp {
        /// The user's login
        login: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Shut a user out; their views close too
    Disable {
        /// The user's login
        login: String,
    },
    /// Let a user in again: it opens what was closed, so it takes an unlock of the tenant
    #[command(
        after_help = "Examples:\n  veilpost user enable bob@firm.example --as ann@firm.example\n  veilpost user enable bob@firm.example --recovery"
    )]
    Enable {
        /// The user's login
        login: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Say how much mail a user's mailbox takes; mail that does not fit waits at its sender
    #[command(
        after_help = "Examples:\n  veilpost user quota bob@firm.example 5G\n  veilpost user quota bob@firm.example none"
    )]
    Quota {
        /// The user's login
        login: String,
        /// Octets, with K, M, G or T for powers of 1024, or `none`
        #[arg(value_parser = parse_quota)]
        quota: Quota,
    },
    /// Remove a user for good; their mail and addresses go to somebody else, or the mail is destroyed
    #[command(
        after_help = "Examples:\n  veilpost user remove bob@firm.example --hand-over-to ann@firm.example --as ann@firm.example\n  veilpost user remove bob@firm.example --destroy\n\nHanding over seals every message for the views of the one who gets it, in a folder `From bob@firm.example`. If it is interrupted, run it again."
    )]
    #[command(group = clap::ArgGroup::new("estate").required(true))]
    Remove {
        /// The user's login
        login: String,
        /// The login of who gets mail and addresses; needs an unlock
        #[arg(long, value_name = "LOGIN", group = "estate")]
        hand_over_to: Option<String>,
        /// Destroy the mail; mail to the addresses is refused from then on
        #[arg(long, group = "estate")]
        destroy: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        authorising: Authorising,
    },
}

/// `veilpost user`.
pub fn user(command: User, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        User::Create { tenant, address, new_password_file, role, enrol_at_sign_in, authorising } => {
            let password =
                ask_new_password("Password of the new user", new_password_file.as_deref(), NEW_PASSWORD)?;
            let made: UserCreated = authorising.with_authority(&mut client, |client, authority| {
                let (tenant, address) = (tenant.clone(), address.clone());
                let password = Secret::new(password.expose().to_owned());
                Ok(client.call(Request::UserCreate {
                    tenant,
                    address,
                    password,
                    role,
                    enrol_at_sign_in,
                    authority,
                })?)
            })?;
            print(common.json, &made, enrolment)
        }
        User::Role { login, role } => {
            let request = Request::UserRole { user: login, role, authority: None };
            let done: serde_json::Value = client.call(request)?;
            print(common.json, &done, |_| "The role is changed.".to_owned())
        }
        User::List { tenant } => {
            let users: Vec<UserItem> = client.call(Request::UserList { tenant })?;
            print(common.json, &users, |users| {
                let row = |item: &UserItem| {
                    let state = match (item.disabled, item.invited) {
                        _ if item.leaving => "being removed",
                        (true, _) => "disabled",
                        (false, true) => "invited",
                        (false, false) => "active",
                    };
                    [
                        item.login.clone(),
                        item.tenant.clone(),
                        role_word(item.role).to_owned(),
                        state.to_owned(),
                        item.quota.map_or_else(
                            || "-".to_owned(),
                            |quota| {
                                format!("{} of {}", HumanBytes(item.used.unwrap_or(0)), HumanBytes(quota))
                            },
                        ),
                        item.created.clone(),
                    ]
                };
                table(
                    ["LOGIN", "TENANT", "ROLE", "STATE", "ROOM", "CREATED"],
                    &users.iter().map(row).collect::<Vec<_>>(),
                    "No users.",
                )
            })
        }
        User::Password { login, new_password_file, authorising } => {
            let password = ask_new_password("New password", new_password_file.as_deref(), NEW_PASSWORD)?;
            let done: serde_json::Value = authorising.with_authority(&mut client, |client, authority| {
                let password = Secret::new(password.expose().to_owned());
                Ok(client.call(Request::UserPassword { user: login.clone(), password, authority })?)
            })?;
            print(common.json, &done, |_| "The password is changed.".to_owned())
        }
        User::Totp { login, authorising } => {
            let made: UserCreated = authorising.with_authority(&mut client, |client, authority| {
                Ok(client.call(Request::UserTotp { user: login.clone(), authority })?)
            })?;
            print(common.json, &made, enrolment)
        }
        User::Disable { login } => {
            let request = Request::UserDisable { user: login, disabled: true, authority: None };
            let done: serde_json::Value = client.call(request)?;
            print(common.json, &done, |_| "Disabled.".to_owned())
        }
        User::Enable { login, authorising } => {
            let done: serde_json::Value = authorising.with_authority(&mut client, |client, authority| {
                let (user, authority) = (login.clone(), Some(authority));
                Ok(client.call(Request::UserDisable { user, disabled: false, authority })?)
            })?;
            print(common.json, &done, |_| "Enabled.".to_owned())
        }
        User::Quota { login, quota: Quota(quota) } => {
            let done: serde_json::Value = client.call(Request::UserQuota { user: login, quota })?;
            print(common.json, &done, |_| match quota {
                Some(octets) => format!("The mailbox takes {} of mail.", HumanBytes(octets)),
                None => "The mailbox takes as much as there is room for.".to_owned(),
            })
        }
        User::Remove { login, hand_over_to, destroy: _, yes, authorising } => {
            remove(&mut client, common, (login, hand_over_to), yes, &authorising)
        }
    }
}

/// How much mail a mailbox takes; none is as much as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota(Option<u64>);

fn parse_quota(text: &str) -> Result<Quota, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Quota(None));
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err("the unit is K, M, G or T".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a number with K, M, G or T, or `none`".to_owned())?;
    number
        .checked_mul(1024_u64.pow(scale))
        .map(|octets| Quota(Some(octets)))
        .ok_or("it is too large".to_owned())
}

fn remove(
    client: &mut Client,
    common: &Common,
    (login, heir): (String, Option<String>),
    yes: bool,
    authorising: &Authorising,
) -> Result<(), Failed> {
    let loss = match &heir {
        None => format!("This destroys {login}'s keys and mail, for good."),
        Some(heir) => {
            format!("This ends {login}'s account, for good; {heir} gets the mail and the addresses.")
        }
    };
    confirm(&loss, yes)?;
    let bar = super::terminal::Bar::new();
    let ask = |client: &mut Client, authority| {
        let request = Request::UserRemove { user: login.clone(), heir: heir.clone(), authority };
        Ok(client.call_with(request, |progress| bar.show(&progress), |_| Ok(()))?)
    };
    let removed: UserRemoved = match &heir {
        None => ask(client, None)?,
        Some(_) => authorising.with_authority(client, |client, authority| ask(client, Some(authority)))?,
    };
    drop(bar);
    print(common.json, &removed, |removed| {
        let UserRemoved { handed_over, damaged, destroyed } = removed;
        match (&heir, damaged) {
            (None, _) => format!("Removed, with {destroyed} messages."),
            (Some(heir), 0) => format!("Removed. {heir} has {handed_over} messages more."),
            (Some(heir), _) => {
                format!(
                    "Removed. {heir} has {handed_over} messages more; {damaged} were damaged and are gone."
                )
            }
        }
    })
}

/// What a new user needs, for their eyes and their phone.
fn enrolment(made: &UserCreated) -> String {
    let (Some(seed), Some(uri)) = (&made.totp_seed, &made.totp_uri) else {
        return format!(
            "Made {}. Let them sign in to the dashboard: it shows them what they need, once.",
            made.login
        );
    };
    let head = styled(
        "Scan this with an authenticator app. It is not shown again.",
        Style::Strong,
        &std::io::stdout(),
    );
    format!(
        "{head}\n\n{}\n\n  login      {}\n  TOTP seed  {}\n  TOTP URI   {}\n",
        qr(uri.expose()),
        made.login,
        seed.expose(),
        uri.expose(),
    )
}

fn recovery(code: &Secret) -> String {
    let head = styled("Recovery code", Style::Strong, &std::io::stdout());
    format!(
        "{head}: write it down and keep it away from this machine. It opens everything, and it is not shown again.\n\n  {}\n",
        code.expose()
    )
}

fn parse_role(word: &str) -> Result<Role, String> {
    serde_json::from_value(word.into()).map_err(|_| "not one of member, administrator, operator".to_owned())
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Administrator => "administrator",
        Role::Operator => "operator",
    }
}

/// Where a script puts the password of a new user.
const NEW_PASSWORD: &str = "VEILPOST_NEW_PASSWORD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_with_their_units() {
        for (text, octets) in
            [("0", 0), ("10K", 10 << 10), ("5g", 5 << 30), ("2MiB", 2 << 20), ("1TB", 1 << 40)]
        {
            assert_eq!(parse_quota(text), Ok(Quota(Some(octets))), "{text}");
        }
        assert_eq!(parse_quota("None"), Ok(Quota(None)));
        for text in ["", "many", "-1", "5X", "1.5G", "99999999999T", "G"] {
            parse_quota(text).expect_err(text);
        }
    }
}

//! Unlock sessions at the terminal: `unlock`, `lock`, and where the session is kept in between.
//!
//! The session lies in the user's runtime folder with mode 0600 and is worth nothing once the
//! server has ended it; commands that need one ask for password and code when there is none.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use clap::Args;

use super::Common;
use super::terminal::{Failed, ask_secret, print, say};
use crate::admin::api::{Authority, FailureCode, Request, Secret, Unlocked};
use crate::admin::client::Client;

/// How a command that needs an unlock gets one.
#[derive(Args)]
pub struct Unlocking {
    /// Whose password and code to ask for, where no session is open
    #[arg(long = "as", env = "VEILPOST_USER", value_name = "LOGIN")]
    unlock_as: Option<String>,
    /// The TOTP code [default: ask]
    #[arg(long, env = "VEILPOST_CODE", hide_env_values = true, value_name = "DIGITS")]
    code: Option<String>,
    /// Read the password from a file [default: VEILPOST_PASSWORD, or ask]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Why, for the audit log
    #[arg(long, env = "VEILPOST_REASON")]
    reason: Option<String>,
}

impl Unlocking {
    /// The open session, or a new one.
    pub fn session(&self, client: &mut Client) -> Result<Secret, Failed> {
        if self.code.is_none()
            && let Some(session) = kept()
        {
            return Ok(session);
        }
        let opened = self.open(client)?;
        keep(&opened.session)?;
        Ok(opened.session)
    }

    /// Calls with a session; where the kept one has ended, asks and calls once more.
    pub fn with_session<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Secret) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let session = self.session(client)?;
        match call(client, session) {
            Err(failed)
                if failed.code() == Some(FailureCode::Refused) && kept().is_some() && self.code.is_none() =>
            {
                forget();
                let session = self.session(client)?;
                call(client, session)
            }
            done => done,
        }
    }

    /// The same for one message, which may need a code of its own: the one that was given, where it has
    /// opened no session, else one that is asked for.
    pub fn with_code<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Secret, Option<Secret>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let given = || self.code.clone().map(Secret::new);
        let first = match kept() {
            Some(session) => call(client, session, given()),
            None => self.session(client).and_then(|session| call(client, session, None)),
        };
        match first {
            Err(failed) if failed.code() == Some(FailureCode::CodeNeeded) => {
                let code = ask_secret("TOTP code for this message", None, "VEILPOST_MESSAGE_CODE")?;
                call(client, kept().ok_or(failed)?, Some(code))
            }
            Err(failed) if failed.code() == Some(FailureCode::Refused) && self.code.is_none() => {
                self.with_session(client, |client, session| call(client, session, None))
            }
            done => done,
        }
    }

    fn open(&self, client: &mut Client) -> Result<Unlocked, Failed> {
        let login = self.unlock_as.clone().ok_or_else(|| {
            Failed::new("this needs an unlock, and no session is open")
                .hint("run `veilpost unlock LOGIN`, or pass --as LOGIN")
        })?;
        open(client, login, self.password_file.as_deref(), self.code.as_deref(), self.reason.clone())
    }
}

/// An unlock session, or the recovery code in its place.
#[derive(Args)]
pub struct Authorising {
    #[command(flatten)]
    unlocking: Unlocking,
    /// Use the tenant's recovery code instead of password and TOTP code
    #[arg(long)]
    recovery: bool,
}

impl Authorising {
    /// Calls without anything that allows the act, and with it where the answer is that it takes that.
    pub fn if_needed<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Option<Authority>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        match call(client, None) {
            Err(failed) if failed.code() == Some(FailureCode::UnlockNeeded) => {
                self.with_authority(client, |client, authority| call(client, Some(authority)))
            }
            done => done,
        }
    }

    /// Calls with what allows the act.
    pub fn with_authority<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Authority) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        if self.recovery {
            let code = ask_secret("Recovery code", None, "VEILPOST_RECOVERY")?;
            return call(client, Authority::Recovery(code));
        }
        self.unlocking.with_session(client, |client, session| call(client, Authority::Session(session)))
    }
}

/// Arguments of `veilpost unlock`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost unlock ann@firm.example --reason 'read the contract'\n  veilpost mail list"
)]
pub struct UnlockArgs {
    /// Your login: your address
    login: String,
    /// The TOTP code [default: ask]
    #[arg(long, env = "VEILPOST_CODE", hide_env_values = true, value_name = "DIGITS")]
    code: Option<String>,
    /// Read the password from a file [default: VEILPOST_PASSWORD, or ask]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
}

/// `veilpost unlock`.
pub fn unlock(args: UnlockArgs, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    let opened =
        open(&mut client, args.login, args.password_file.as_deref(), args.code.as_deref(), args.reason)?;
    keep(&opened.session)?;
    print(common.json, &opened, |opened| {
        format!(
            "Unlocked until {} (audit entry {}). `veilpost lock` ends it sooner.",
            opened.until, opened.entry
        )
    })
}

/// `veilpost lock`.
pub fn lock(common: &Common) -> Result<(), Failed> {
    let Some(session) = kept() else { return say("No session is open.") };
    forget();
    let _: serde_json::Value = common.client()?.call(Request::Lock { session })?;
    print(common.json, &serde_json::json!({ "locked": true }), |_| "Locked.".to_owned())
}

/// Arguments of `veilpost totp`.
#[derive(Args)]
pub struct TotpArgs {
    /// The seed in base32, or an otpauth:// URI
    seed: String,
}

/// `veilpost totp`.
pub fn totp(args: TotpArgs, common: &Common) -> Result<(), Failed> {
    let code =
        crate::keyring::totp::code_for(&args.seed, crate::clock::Clock::system().now()).map_err(|_| {
            Failed::new("this is no TOTP seed").hint("a seed is base32: letters A to Z and digits 2 to 7")
        })?;
    print(common.json, &serde_json::json!({ "code": code }), |_| code.clone())
}

fn open(
    client: &mut Client,
    user: String,
    password_file: Option<&std::path::Path>,
    code: Option<&str>,
    reason: Option<String>,
) -> Result<Unlocked, Failed> {
    let password = ask_secret("Password", password_file, "VEILPOST_PASSWORD")?;
    let code = match code {
        Some(code) => Secret::new(code.to_owned()),
        None => ask_secret("TOTP code", None, "VEILPOST_CODE")?,
    };
    Ok(client.call(Request::Unlock { user, password, code, reason })?)
}

/// The session that an earlier command kept.
fn kept() -> Option<Secret> {
    fs::read_to_string(place().ok()?).ok().map(Secret::new)
}

fn keep(session: &Secret) -> Result<(), Failed> {
    let path = place()?;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    forget();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(file.write_all(session.expose().as_bytes())?)
}

fn forget() {
    if let Ok(path) = place() {
        let _ = fs::remove_file(path);
    }
}

fn place() -> Result<PathBuf, Failed> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder = runtime.or_else(home).ok_or_else(|| {
        Failed::new("there is no place for the session").hint("set XDG_RUNTIME_DIR or HOME")
    })?;
    Ok(folder.join("veilpost").join("session"))
}

//! Unlock sessions at the terminal: `unlock`, `lock`, `sessions`, and how other commands get one.
//!
//! `veilpost unlock` alone keeps a session. Any other command uses the kept one of its server and login,
//! or opens one with password and code and ends it when it is done.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Common;
use super::kept::{self, Kept};
use super::terminal::{Failed, ask_secret, print, table};
use crate::admin::api::{Authority, FailureCode, Request, Secret, SessionOpen, Unlocked};
use crate::admin::client::{Client, ClientError};

/// How a command that needs an unlock gets one.
#[derive(Args)]
pub struct Unlocking {
    /// Whose session to use; where none is open, whose password and code to ask for
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
    /// Calls with the kept session, or with one of its own that ends with the call.
    pub fn with_session<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Secret) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        // Who gives a code wants it to count, whatever is open.
        let Some(kept) = (if self.code.is_some() { None } else { self.choose(client)? }) else {
            return self.with_own(client, call);
        };
        match call(client, kept.secret()) {
            Err(failed) if failed.code() == Some(FailureCode::Refused) && !is_open(client, &kept)? => {
                kept.forget();
                if self.may_ask() {
                    return self.with_own(client, call);
                }
                Err(over(&kept.login))
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
        let own = |client: &mut Client, session: Secret| coded(client, &session, None, &call);
        let Some(kept) = self.choose(client)? else { return self.with_own(client, own) };
        let given = self.code.clone().map(Secret::new);
        match coded(client, &kept.session, given, &call) {
            Err(failed) if failed.code() == Some(FailureCode::Refused) && !is_open(client, &kept)? => {
                kept.forget();
                if self.may_ask() { self.with_own(client, own) } else { Err(over(&kept.login)) }
            }
            done => done,
        }
    }

    /// The kept session that is meant, if there is one.
    fn choose(&self, client: &mut Client) -> Result<Option<Kept>, Failed> {
        adopt_old(client)?;
        let mut kept = kept::of_server(client.path());
        if let Some(login) = &self.unlock_as {
            return Ok(kept.into_iter().find(|kept| kept.is_of(login)));
        }
        if kept.len() > 1 {
            kept = only_open(client, kept)?;
        }
        match kept.len() {
            0 | 1 => Ok(kept.pop()),
            _ => Err(Failed::new(format!("sessions of {} are open", logins(&kept)))
                .hint("say whose mail you mean with --as LOGIN")),
        }
    }

    /// Whether password and code can be had.
    fn may_ask(&self) -> bool {
        use std::io::IsTerminal;
        self.unlock_as.is_some() && (self.code.is_some() || std::io::stdin().is_terminal())
    }

    fn with_own<T>(
        &self,
        client: &mut Client,
        call: impl Fn(&mut Client, Secret) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let opened = self.open(client)?;
        let done = call(client, Secret::new(opened.session.expose().to_owned()));
        // It may be over already: a new password ends all sessions.
        let _: Result<serde_json::Value, ClientError> =
            client.call(Request::Lock { session: opened.session });
        done
    }

    fn open(&self, client: &mut Client) -> Result<Unlocked, Failed> {
        let open = kept::of_server(client.path());
        let login = self.unlock_as.clone().ok_or_else(|| {
            Failed::new("this needs an unlock, and no session is open")
                .hint("run `veilpost unlock LOGIN`, or pass --as LOGIN")
        })?;
        if !self.may_ask() && !open.is_empty() {
            return Err(Failed::new(format!(
                "no session of {login} is open; open are those of {}",
                logins(&open)
            ))
            .hint(format!("run `veilpost unlock {login}`, or pass --code")));
        }
        open_session(client, login, self.password_file.as_deref(), self.code.as_deref(), self.reason.clone())
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
    let opened = open_session(
        &mut client,
        args.login,
        args.password_file.as_deref(),
        args.code.as_deref(),
        args.reason,
    )?;
    let session = Secret::new(opened.session.expose().to_owned());
    let SessionOpen { login, .. } = client.call(Request::Session { session })?;
    let socket = kept::real(client.path());
    if let Some(before) = kept::of_server(&socket).into_iter().find(|kept| kept.is_of(&login)) {
        let _ = end(&mut client, &before);
    }
    let session = Secret::new(opened.session.expose().to_owned());
    Kept { socket, login: login.clone(), session, until: opened.until.clone() }.store()?;
    print(common.json, &opened, |opened| {
        format!(
            "Unlocked for {login} until {} (audit entry {}). `veilpost lock` ends it sooner.",
            opened.until, opened.entry
        )
    })
}

/// Arguments of `veilpost lock`.
#[derive(Args)]
#[command(after_help = "Examples:\n  veilpost lock\n  veilpost lock ann@firm.example\n  veilpost lock --all")]
pub struct LockArgs {
    /// Whose session to end; needed where several are open
    #[arg(conflicts_with = "all")]
    login: Option<String>,
    /// End every session that is kept here, on all servers
    #[arg(long)]
    all: bool,
}

/// What `veilpost lock` has ended.
#[derive(Serialize)]
struct Locked {
    locked: bool,
    logins: Vec<String>,
}

/// `veilpost lock`.
pub fn lock(args: &LockArgs, common: &Common) -> Result<(), Failed> {
    let ended = if args.all { lock_all() } else { lock_one(args.login.as_deref(), common)? };
    let answer = Locked { locked: !ended.is_empty(), logins: ended };
    print(common.json, &answer, |answer| match answer.logins.as_slice() {
        [] => "No session is open.".to_owned(),
        logins => format!("Locked: {}.", logins.join(", ")),
    })
}

/// A server that does not run has no sessions: what is kept for it is only taken away.
fn lock_all() -> Vec<String> {
    let mut ended = Vec::new();
    for kept in kept::all() {
        match Client::connect(&kept.socket) {
            Ok(mut client) => drop(end(&mut client, &kept)),
            Err(_) => kept.forget(),
        }
        ended.push(kept.login);
    }
    kept::forget_without_a_name();
    ended
}

fn lock_one(login: Option<&str>, common: &Common) -> Result<Vec<String>, Failed> {
    let socket = kept::real(&common.socket()?);
    let mut client = Client::connect(&socket);
    if let Ok(client) = &mut client {
        adopt_old(client)?;
    }
    let mut kept = kept::of_server(&socket);
    if let Some(login) = login {
        kept.retain(|kept| kept.is_of(login));
        if kept.is_empty() {
            return Err(Failed::new(format!("no session of {login} is open here"))
                .hint("`veilpost sessions` shows those that are"));
        }
    }
    if kept.len() > 1 {
        return Err(Failed::new(format!("sessions of {} are open", logins(&kept)))
            .hint("say which: veilpost lock LOGIN, or veilpost lock --all"));
    }
    for kept in &kept {
        match &mut client {
            Ok(client) => end(client, kept)?,
            Err(_) => kept.forget(),
        }
    }
    Ok(kept.into_iter().map(|kept| kept.login).collect())
}

/// A kept session in a list.
#[derive(Serialize)]
struct SessionItem {
    server: PathBuf,
    login: String,
    until: String,
    state: &'static str,
}

/// `veilpost sessions`.
pub fn sessions(common: &Common) -> Result<(), Failed> {
    let items: Vec<_> = kept::all().iter().map(look).collect();
    print(common.json, &items, |items| {
        let row = |item: &SessionItem| {
            [item.login.clone(), item.state.to_owned(), item.until.clone(), item.server.display().to_string()]
        };
        let rows: Vec<_> = items.iter().map(row).collect();
        table(
            ["LOGIN", "STATE", "UNTIL", "SERVER"],
            &rows,
            "No session is open. `veilpost unlock LOGIN` opens one.",
        )
    })
}

fn look(kept: &Kept) -> SessionItem {
    let ask = |mut client: Client| client.call::<SessionOpen>(Request::Session { session: kept.secret() });
    let answer = Client::connect(&kept.socket).and_then(ask);
    let (until, state) = match answer {
        Ok(open) => (open.until, "open"),
        Err(ClientError::Unreachable { .. }) => (kept.until.clone(), "server stopped"),
        Err(_) => (kept.until.clone(), "over"),
    };
    SessionItem { server: kept.socket.clone(), login: kept.login.clone(), until, state }
}

/// Ends a kept session. One that is over already is as good as ended.
fn end(client: &mut Client, kept: &Kept) -> Result<(), Failed> {
    kept.forget();
    match client.call::<serde_json::Value>(Request::Lock { session: kept.secret() }).map_err(Failed::from) {
        Err(failed) if failed.code() != Some(FailureCode::Refused) => Err(failed),
        _ => Ok(()),
    }
}

/// A session in the one file of version 0.1 belongs to whoever this server says, if it is this server's.
fn adopt_old(client: &mut Client) -> Result<(), Failed> {
    let Some(session) = kept::without_a_name() else { return Ok(()) };
    let asked = Secret::new(session.expose().to_owned());
    if let Ok(SessionOpen { login, until }) = client.call(Request::Session { session: asked }) {
        Kept { socket: kept::real(client.path()), login, session, until }.store()?;
        kept::forget_without_a_name();
    }
    Ok(())
}

fn is_open(client: &mut Client, kept: &Kept) -> Result<bool, Failed> {
    match client.call::<SessionOpen>(Request::Session { session: kept.secret() }).map_err(Failed::from) {
        Ok(_) => Ok(true),
        Err(failed) if failed.code() == Some(FailureCode::Refused) => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Those that the server still has; the others are taken away.
fn only_open(client: &mut Client, kept: Vec<Kept>) -> Result<Vec<Kept>, Failed> {
    let mut open = Vec::with_capacity(kept.len());
    for kept in kept {
        if is_open(client, &kept)? {
            open.push(kept);
        } else {
            kept.forget();
        }
    }
    Ok(open)
}

/// Calls for a message, and once more with a code that is asked for, where it needs one of its own.
fn coded<T>(
    client: &mut Client,
    session: &Secret,
    code: Option<Secret>,
    call: impl Fn(&mut Client, Secret, Option<Secret>) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let session = || Secret::new(session.expose().to_owned());
    match call(client, session(), code) {
        Err(failed) if failed.code() == Some(FailureCode::CodeNeeded) => {
            let code = ask_secret("TOTP code for this message", None, "VEILPOST_MESSAGE_CODE")?;
            call(client, session(), Some(code))
        }
        done => done,
    }
}

fn over(login: &str) -> Failed {
    Failed::new(format!("the unlock session of {login} is over"))
        .hint(format!("run `veilpost unlock {login}`"))
}

fn logins(kept: &[Kept]) -> String {
    kept.iter().map(|kept| kept.login.as_str()).collect::<Vec<_>>().join(", ")
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

fn open_session(
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

//! The AUTHORIZATION state (RFC 1939 §4): from the greeting to the login.
//!
//! Everything is limited here, for anybody may connect: the time in all, the commands, the errors,
//! the failed logins. Nothing tells a name that exists from one that does not.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::channel::Channel;
use super::fault::Fault;
use super::transaction::Transaction;
use super::{SessionEnd, Settings};
use crate::gateway::mailroom::{Mailroom, OpenError};
use crate::wire::pop3::{Capability, Command, END, MAX_LINE, Reply};
use crate::wire::sasl::{Credentials, MAX_RESPONSE_LINE, Mechanism, PasswordText, Step};

pub(super) struct Authorization<'a, M> {
    channel: Channel,
    mailroom: &'a M,
    settings: &'a Settings,
    peer: Option<IpAddr>,
    until: Instant,
    /// The name that USER gave.
    name: Option<String>,
    allowance: Allowance,
}

/// What is left before the session is expelled.
struct Allowance {
    commands: u32,
    faults: u32,
    refusals: u32,
}

/// What becomes of the session after a command.
enum Next<D> {
    Command,
    StartTls(Arc<ServerConfig>),
    Transaction(D),
    Goodbye,
}

impl<'a, M: Mailroom> Authorization<'a, M> {
    pub(super) fn new(channel: Channel, mailroom: &'a M, settings: &'a Settings) -> Self {
        let allowance = Allowance { commands: MAX_COMMANDS, faults: MAX_FAULTS, refusals: MAX_REFUSALS };
        let peer = channel.peer();
        let until = Instant::now() + settings.login_time;
        Self { channel, mailroom, settings, peer, until, name: None, allowance }
    }

    pub(super) async fn run(mut self) -> Result<Transaction<M::Maildrop>, SessionEnd> {
        // No timestamp in the greeting: APOP is not offered (RFC 1939 §7).
        self.channel.put(Reply::Ok(&format!("{} POP3 ready", self.settings.hostname)));
        loop {
            match self.step().await {
                Ok(Next::Command) => {}
                Ok(Next::StartTls(config)) => self = self.start_tls(config).await?,
                Ok(Next::Goodbye) => return Err(self.channel.close(SessionEnd::Quit).await),
                Ok(Next::Transaction(maildrop)) => {
                    return Ok(Transaction::new(self.channel, maildrop, self.settings.inactivity));
                }
                Err(fault) => {
                    if let Err(end) = self.channel.answer(&fault).and_then(|()| self.allowance.charge(&fault))
                    {
                        return Err(self.channel.close(end).await);
                    }
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Next<M::Maildrop>, Fault> {
        let line = self.line(MAX_LINE).await?;
        self.allowance.commands = self.allowance.commands.checked_sub(1).ok_or(Fault::Expelled)?;
        match Command::parse(&line)? {
            Command::Capabilities => self.capabilities(),
            Command::StartTls => return self.offer_tls(),
            Command::User(name) => self.user(name)?,
            Command::Password(password) => return self.password(password).await,
            Command::Mechanisms => self.mechanisms()?,
            Command::Authenticate { mechanism, initial } => {
                return self.authenticate(mechanism, initial).await;
            }
            Command::Utf8 => self.utf8(),
            Command::Quit => {
                self.channel.put(Reply::Ok("goodbye"));
                return Ok(Next::Goodbye);
            }
            Command::Stat
            | Command::List(_)
            | Command::UniqueIds(_)
            | Command::Retrieve(_)
            | Command::Top { .. }
            | Command::Delete(_)
            | Command::Reset
            | Command::Noop => return Err(Fault::State),
        }
        Ok(Next::Command)
    }

    async fn line(&mut self, limit: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.channel.line(limit, self.until).await
    }

    fn capabilities(&mut self) {
        let capabilities = match (self.is_protected(), &self.settings.tls) {
            (true, _) => CAPABILITIES_PROTECTED,
            (false, Some(_)) => CAPABILITIES_BEFORE_TLS,
            (false, None) => &CAPABILITIES_BEFORE_TLS[1..],
        };
        self.channel.put(Reply::Capabilities(capabilities));
    }

    fn offer_tls(&mut self) -> Result<Next<M::Maildrop>, Fault> {
        if self.channel.is_tls() {
            return Err(Fault::AlreadyTls);
        }
        let config = self.settings.tls.clone().ok_or(Fault::NoTls)?;
        self.channel.put(Reply::Ok("begin TLS"));
        Ok(Next::StartTls(config))
    }

    /// RFC 2595 §4: what the client said in the clear is forgotten.
    async fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<Self, SessionEnd> {
        self.name = None;
        self.channel = Box::pin(self.channel.start_tls(config)).await?;
        Ok(self)
    }

    /// RFC 1939 §7 allows `+OK` for names that do not exist; here that is the rule.
    fn user(&mut self, name: String) -> Result<(), Fault> {
        self.require_protection()?;
        self.name = Some(name);
        self.channel.put(Reply::Ok("now PASS"));
        Ok(())
    }

    async fn password(&mut self, password: PasswordText) -> Result<Next<M::Maildrop>, Fault> {
        self.require_protection()?;
        let login = self.name.take().ok_or(Fault::NameFirst)?;
        self.log_in(Credentials { login, password }).await
    }

    fn mechanisms(&mut self) -> Result<(), Fault> {
        self.require_protection()?;
        self.channel.put(Reply::Ok("the mechanisms follow"));
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            self.channel.out().extend_from_slice(mechanism.name().as_bytes());
            self.channel.out().extend_from_slice(b"\r\n");
        }
        self.channel.out().extend_from_slice(END);
        Ok(())
    }

    async fn authenticate(
        &mut self,
        mechanism: Option<Mechanism>,
        initial: Option<PasswordText>,
    ) -> Result<Next<M::Maildrop>, Fault> {
        self.require_protection()?;
        let mechanism = mechanism.ok_or(Fault::Mechanism)?;
        let mut step = mechanism.begin(initial.as_ref().map(|response| response.expose().as_bytes()))?;
        loop {
            match step {
                Step::Complete(credentials) => return self.log_in(credentials).await,
                Step::Ask(exchange) => {
                    self.channel.put(Reply::Challenge(exchange.challenge()));
                    let line = self.line(MAX_RESPONSE_LINE).await?;
                    step = exchange.answer(&line)?;
                }
            }
        }
    }

    /// RFC 6856 §2.1. Names and passwords are UTF-8 in any mode, and messages go out as they are.
    fn utf8(&mut self) {
        self.channel.put(Reply::Ok("UTF-8 mode"));
    }

    async fn log_in(&mut self, credentials: Credentials) -> Result<Next<M::Maildrop>, Fault> {
        let working = self.channel.seat().working();
        let opened = Box::pin(self.mailroom.open(&credentials, self.peer)).await;
        drop(working);
        match opened {
            Ok(maildrop) => {
                self.channel.seat().proven();
                self.channel.put(Reply::Ok("logged in"));
                Ok(Next::Transaction(maildrop))
            }
            Err(error) => {
                drop(credentials);
                Box::pin(self.settings.refusal_delay.pass()).await;
                Err(Fault::Open(error))
            }
        }
    }

    fn require_protection(&self) -> Result<(), Fault> {
        self.is_protected().then_some(()).ok_or(Fault::Unprotected)
    }

    fn is_protected(&self) -> bool {
        self.channel.is_protected(self.settings.protection)
    }
}

impl Allowance {
    /// Counts a fault that was answered; the last one allowed ends the session.
    fn charge(&mut self, fault: &Fault) -> Result<(), SessionEnd> {
        let left = match fault {
            Fault::Open(OpenError::Refused | OpenError::SoftLocked { .. }) => &mut self.refusals,
            _ => &mut self.faults,
        };
        *left = left.saturating_sub(1);
        if *left == 0 { Err(SessionEnd::Expelled) } else { Ok(()) }
    }
}

/// Without TLS there is nothing to log in with (RFC 2595 §4, RFC 8314 §4.1).
const CAPABILITIES_BEFORE_TLS: &[Capability] = &[
    Capability::StartTls,
    Capability::Top,
    Capability::UniqueIds,
    Capability::ResponseCodes,
    Capability::AuthResponseCode,
    Capability::Pipelining,
    Capability::Utf8,
    Capability::ExpireNever,
    Capability::Implementation,
];
/// Under TLS, before and after the login.
pub(super) const CAPABILITIES_PROTECTED: &[Capability] = &[
    Capability::Top,
    Capability::User,
    Capability::Sasl,
    Capability::UniqueIds,
    Capability::ResponseCodes,
    Capability::AuthResponseCode,
    Capability::Pipelining,
    Capability::Utf8,
    Capability::ExpireNever,
    Capability::Implementation,
];
/// A client needs about five before it logs in.
const MAX_COMMANDS: u32 = 30;
/// Room for a client that tries what is not offered, none for one that speaks another protocol.
const MAX_FAULTS: u32 = 6;
/// Failed logins on one connection.
const MAX_REFUSALS: u32 = 3;

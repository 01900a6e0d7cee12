//! The not authenticated state (RFC 9051 §3.1): from the greeting to the login.
//!
//! Everything is limited here, for anybody may connect: the time in all, the commands, the errors, the failed
//! logins. Nothing tells a name that exists from one that does not.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::time::Instant;

use super::authenticated::Authenticated;
use super::capabilities;
use super::channel::{Channel, Failed};
use super::fault::Fault;
use super::fetch::Sink;
use super::room::ImapRoom;
use super::{SessionEnd, Settings};
use crate::gateway::mailroom::OpenError;
use crate::wire::imap::response::{Code, Condition, put_continuation, put_untagged};
use crate::wire::imap::untagged::{put_capability, put_id};
use crate::wire::imap::{CommandBody, Modes};
use crate::wire::sasl::{Credentials, MAX_RESPONSE_LINE, Mechanism, PasswordText, Step};

pub(super) struct NotAuthenticated<'a, R> {
    channel: Channel,
    room: &'a R,
    settings: &'a Arc<Settings>,
    peer: Option<IpAddr>,
    until: Instant,
    allowance: Allowance,
}

/// What is left before the session is expelled.
struct Allowance {
    commands: u32,
    faults: u32,
    refusals: u32,
}

/// What becomes of the session after a command.
enum Next<A> {
    Command,
    StartTls(Arc<ServerConfig>),
    Authenticated(A),
    Goodbye,
}

impl<'a, R: ImapRoom> NotAuthenticated<'a, R> {
    pub(super) fn new(channel: Channel, room: &'a R, settings: &'a Arc<Settings>) -> Self {
        let allowance = Allowance { commands: MAX_COMMANDS, faults: MAX_FAULTS, refusals: MAX_REFUSALS };
        let peer = channel.peer();
        let until = Instant::now() + settings.login_time;
        Self { channel, room, settings, peer, until, allowance }
    }

    pub(super) async fn run(mut self) -> Result<Authenticated<R::Account>, SessionEnd> {
        self.greet();
        loop {
            let fault = match self.channel.command(Modes::default(), self.until).await {
                Err(failed) => failed,
                Ok(command) => match self.obey(&command.tag, command.body).await {
                    Ok(Next::Command) => continue,
                    Ok(Next::StartTls(config)) => {
                        self.channel = Box::pin(self.channel.start_tls(config)).await?;
                        continue;
                    }
                    Ok(Next::Goodbye) => return Err(self.channel.close(SessionEnd::Quit).await),
                    Ok(Next::Authenticated(account)) => {
                        let settings = Arc::clone(self.settings);
                        return Ok(Authenticated::new(self.channel, account, settings, &command.tag));
                    }
                    Err(fault) => Failed { tag: Some(command.tag), fault },
                },
            };
            let answered = self.channel.answer(fault.tag.as_deref(), &fault.fault);
            let allowed = answered.and_then(|()| self.allowance.charge(&fault.fault));
            if let Err(end) = allowed {
                if end == SessionEnd::Expelled {
                    let _ = self.channel.answer(None, &Fault::Expelled);
                }
                return Err(self.channel.close(end).await);
            }
        }
    }

    /// RFC 9051 §7.1: the greeting says what can be done, which saves a round trip.
    fn greet(&mut self) {
        let capabilities = capabilities::before_login(&self.channel, self.settings);
        let code = Code::Capability(&capabilities);
        put_untagged(self.channel.out(), Condition::Ok, Some(code), "IMAP ready");
    }

    async fn obey(&mut self, tag: &str, body: CommandBody) -> Result<Next<R::Account>, Fault> {
        self.allowance.commands = self.allowance.commands.checked_sub(1).ok_or(Fault::Expelled)?;
        match body {
            CommandBody::Capability => {
                let capabilities = capabilities::before_login(&self.channel, self.settings);
                put_capability(self.channel.out(), &capabilities);
            }
            CommandBody::Noop => {}
            // Neither version nor machine: whoever connects could ask.
            CommandBody::Id => put_id(self.channel.out(), &[("name", super::NAME)]),
            CommandBody::StartTls => return self.offer_tls(tag),
            CommandBody::Login(credentials) => {
                self.require_protection()?;
                return self.log_in(credentials).await;
            }
            CommandBody::Authenticate { mechanism, initial } => {
                return self.authenticate(&mechanism, initial).await;
            }
            CommandBody::Logout => {
                self.channel.farewell(tag);
                return Ok(Next::Goodbye);
            }
            _ => return Err(Fault::State),
        }
        self.channel.done(tag, None, "done");
        Ok(Next::Command)
    }

    fn offer_tls(&mut self, tag: &str) -> Result<Next<R::Account>, Fault> {
        if self.channel.is_tls() {
            return Err(Fault::AlreadyTls);
        }
        let config = self.settings.tls.clone().ok_or(Fault::NoTls)?;
        self.channel.done(tag, None, "begin TLS");
        Ok(Next::StartTls(config))
    }

    async fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<PasswordText>,
    ) -> Result<Next<R::Account>, Fault> {
        self.require_protection()?;
        let mechanism = Mechanism::named(mechanism.as_bytes()).ok_or(Fault::Mechanism)?;
        let mut step = mechanism.begin(initial.as_ref().map(|response| response.expose().as_bytes()))?;
        loop {
            match step {
                Step::Complete(credentials) => return self.log_in(credentials).await,
                Step::Ask(exchange) => {
                    put_continuation(self.channel.out(), exchange.challenge());
                    let line = self.channel.line(MAX_RESPONSE_LINE, self.until).await?;
                    step = exchange.answer(&line)?;
                }
            }
        }
    }

    async fn log_in(&mut self, credentials: Credentials) -> Result<Next<R::Account>, Fault> {
        let working = self.channel.seat().working();
        let opened = Box::pin(self.room.log_in(&credentials, self.peer)).await;
        drop(working);
        match opened {
            Ok(account) => {
                self.channel.seat().proven();
                Ok(Next::Authenticated(account))
            }
            Err(error) => {
                drop(credentials);
                Box::pin(self.settings.refusal_delay.pass()).await;
                Err(Fault::Open(error))
            }
        }
    }

    fn require_protection(&self) -> Result<(), Fault> {
        self.channel.is_protected(self.settings.protection).then_some(()).ok_or(Fault::Unprotected)
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

/// A client needs about five before it logs in.
const MAX_COMMANDS: u32 = 30;
/// Room for a client that tries what is not offered, none for one that speaks another protocol.
const MAX_FAULTS: u32 = 6;
/// Failed logins on one connection.
const MAX_REFUSALS: u32 = 3;

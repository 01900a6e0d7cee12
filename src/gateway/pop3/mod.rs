//! POP3 sessions: RFC 1939 with TOP, UIDL, CAPA (RFC 2449), STLS (RFC 2595 §4), AUTH (RFC 5034),
//! UTF8 (RFC 6856), response codes (RFC 2449, 3206).
//!
//! One type per state: `authorization` gives way to `transaction`, that one to `update`. A
//! command that a state does not allow has no method there. No login without TLS (RFC 8314 §4.1 and
//! this project's rule), whatever the address: to a server on the same machine too the password is a key.
//!
//! Memory: an idle session holds its connection, small futures and a reading buffer of about 1 KiB.
//! What is large lives as long as the command that needs it; the listing is loaded by the first
//! command that asks for it.

mod authorization;
mod channel;
mod fault;
mod listing;
mod transaction;
mod update;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use self::authorization::Authorization;
use self::channel::Channel;
use super::mailroom::Mailroom;
use crate::net::listen::Visit;
use crate::net::stream::Connection;

/// How sessions behave.
pub struct Settings {
    /// The name in the greeting.
    pub hostname: String,
    /// For STLS; without it STLS is not offered. Its ALPN list should be `pop3` alone.
    pub tls: Option<Arc<ServerConfig>>,
    /// Which connections may log in.
    pub protection: Protection,
    /// From the greeting to the login, in all.
    pub login_time: Duration,
    /// Between two commands; at least [`MIN_INACTIVITY`] (RFC 1939 §3).
    pub inactivity: Duration,
    /// For the peer to take 64 KiB, and for a TLS handshake.
    pub patience: Duration,
    /// How long a failed login waits for its answer.
    pub refusal_delay: Delay,
}

impl Settings {
    /// The usual behaviour, without STLS.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            tls: None,
            protection: Protection::Tls,
            login_time: Duration::from_secs(120),
            inactivity: MIN_INACTIVITY,
            patience: Duration::from_secs(60),
            refusal_delay: Delay { least: Duration::from_millis(800), spread: Duration::from_millis(400) },
        }
    }
}

/// Which connections are protected well enough for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS alone.
    Tls,
    /// TLS, and Unix sockets: for fuzzing, and for a TLS terminator on this machine.
    TlsOrUnixSocket,
}

/// A delay with some chance in it, so that its length tells nothing.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// The shortest.
    pub least: Duration,
    /// Up to so much longer.
    pub spread: Duration,
}

impl Delay {
    /// No delay at all.
    pub const NONE: Self = Self { least: Duration::ZERO, spread: Duration::ZERO };

    pub(in crate::gateway) async fn pass(self) {
        if self.least.is_zero() && self.spread.is_zero() {
            return;
        }
        let mut chance = [0; 2];
        // Without randomness the delay is the shortest one, which serves as well.
        let _ = getrandom::fill(&mut chance);
        let share = f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX);
        tokio::time::sleep(self.least + self.spread.mul_f64(share)).await;
    }
}

/// How a session ended, for logs and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The client said QUIT.
    Quit,
    /// The client vanished, or its connection failed.
    Vanished,
    /// The client kept silent, or did not take our octets, for too long.
    TimedOut,
    /// The client failed to log in, or made errors, too often.
    Expelled,
    /// The client sent octets ahead of a TLS handshake, or the handshake failed.
    TlsFailed,
    /// A message broke off while it was sent, or the credential was revoked.
    BrokenOff,
    /// The client had not logged in, and its seat was wanted for another one.
    Evicted,
    /// The server is shutting down.
    Shutdown,
}

/// Serves one client from greeting to end. Only a QUIT in the transaction state deletes anything:
/// dropping this future, a shutdown or a lost connection never do.
pub async fn serve<M: Mailroom>(
    connection: Connection,
    mailroom: Arc<M>,
    settings: Arc<Settings>,
    shutdown: CancellationToken,
) -> SessionEnd {
    attend(Visit::alone(connection, shutdown), mailroom, settings).await
}

/// The same for a client who has a seat at a listener.
pub async fn attend<M: Mailroom>(visit: Visit, mailroom: Arc<M>, settings: Arc<Settings>) -> SessionEnd {
    let channel = Channel::new(visit, settings.patience);
    // Boxed, so that what only the login needs is gone after it.
    let login = Box::pin(Authorization::new(channel, &*mailroom, &settings).run());
    match login.await {
        Ok(transaction) => Box::pin(transaction.run()).await,
        Err(end) => end,
    }
}

/// RFC 1939 §3.
pub const MIN_INACTIVITY: Duration = Duration::from_secs(10 * 60);

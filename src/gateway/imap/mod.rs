//! IMAP sessions: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), with what their `CAPABILITY` lists.
//!
//! One type per state: `login` gives way to `authenticated`, which holds a `selected` folder or none;
//! a command that a state does not allow has no method there. No login without TLS (RFC 8314 §4.1 and this
//! project's rule), whatever the address: to a server on the same machine too the password is a key.
//!
//! Memory: an idle session holds its connection, small futures, a reading buffer of about 1 KiB, and the
//! roll of its folder, which it shares with the others. What is large lives as long as the command that
//! needs it.

mod authenticated;
mod capabilities;
mod channel;
mod fault;
pub mod fetch;
mod folders;
mod idle;
mod list;
mod login;
mod look;
mod messages;
mod pattern;
mod resync;
pub mod room;
pub mod search;
mod selected;
pub mod sets;
pub mod sort;
pub mod thread;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::channel::Channel;
use self::login::NotAuthenticated;
use self::room::ImapRoom;
pub use super::pop3::{Delay, Protection, SessionEnd};
use crate::clock::Clock;
use crate::net::listen::Visit;
use crate::net::stream::Connection;

/// How sessions behave.
pub struct Settings {
    /// For STARTTLS; without it STARTTLS is not offered. Its ALPN list should be `imap` alone.
    pub tls: Option<Arc<ServerConfig>>,
    /// Which connections may log in.
    pub protection: Protection,
    /// From the greeting to the login, in all.
    pub login_time: Duration,
    /// Between two commands, and for one IDLE; at least [`MIN_INACTIVITY`] (RFC 9051 §5.4).
    pub inactivity: Duration,
    /// For the peer to take 64 KiB, to go on with a command, and for a TLS handshake.
    pub patience: Duration,
    /// How long a failed login waits for its answer.
    pub refusal_delay: Delay,
    /// The largest message that APPEND takes, in octets (RFC 7889).
    pub append_limit: u32,
    /// What commands with large literals may take in memory, all sessions together.
    pub uploads: Uploads,
    /// Whether COMPRESS is offered (RFC 4978).
    pub compress: bool,
    /// For SEARCH YOUNGER and OLDER (RFC 5032).
    pub clock: Clock,
}

impl Default for Settings {
    /// The usual behaviour, without STARTTLS.
    fn default() -> Self {
        Self {
            tls: None,
            protection: Protection::Tls,
            login_time: Duration::from_secs(120),
            inactivity: MIN_INACTIVITY,
            patience: Duration::from_secs(60),
            refusal_delay: Delay { least: Duration::from_millis(800), spread: Duration::from_millis(400) },
            append_limit: 50 * 1024 * 1024,
            uploads: Uploads::new(256 * 1024 * 1024),
            compress: false,
            clock: Clock::system(),
        }
    }
}

/// A budget of memory for uploads. Copies share it.
#[derive(Clone)]
pub struct Uploads {
    free: Arc<Semaphore>,
    most: u32,
}

impl Uploads {
    /// So many octets in all. A single command larger than that waits until it is alone.
    pub fn new(octets: u64) -> Self {
        let most = u32::try_from(octets.div_ceil(UPLOAD_UNIT)).unwrap_or(u32::MAX).max(1);
        Self { free: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Waits for room, at most so long: meanwhile nothing more of the command is read.
    async fn take(&self, octets: usize, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from((octets as u64).div_ceil(UPLOAD_UNIT)).unwrap_or(u32::MAX).min(self.most);
        let room = tokio::time::timeout(patience, self.free.clone().acquire_many_owned(units));
        room.await.ok()?.ok()
    }
}

/// Serves one client from greeting to end.
pub async fn serve<R: ImapRoom>(
    connection: Connection,
    room: Arc<R>,
    settings: Arc<Settings>,
    shutdown: CancellationToken,
) -> SessionEnd {
    attend(Visit::alone(connection, shutdown), room, settings).await
}

/// The same for a client who has a seat at a listener.
pub async fn attend<R: ImapRoom>(visit: Visit, room: Arc<R>, settings: Arc<Settings>) -> SessionEnd {
    let channel = Channel::new(visit, &settings);
    // Boxed, so that what only the login needs is gone after it.
    let login = Box::pin(NotAuthenticated::new(channel, &*room, &settings).run()).await;
    match login {
        Ok(authenticated) => Box::pin(authenticated.run()).await,
        Err(end) => end,
    }
}

/// RFC 9051 §5.4, and RFC 2177: a client begins its IDLE anew within 29 minutes.
pub const MIN_INACTIVITY: Duration = Duration::from_secs(30 * 60);

/// Octets of one unit of the budget for uploads.
const UPLOAD_UNIT: u64 = 64 * 1024;
/// How the server names itself. Neither version nor machine: whoever connects could ask.
const NAME: &str = "Veilpost";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn uploads_share_a_budget_and_wait_for_it() {
        let uploads = Uploads::new(2 * UPLOAD_UNIT);
        let patience = Duration::from_secs(60);
        let one = uploads.take(1, patience).await.expect("there is room");
        let other = uploads.clone().take(1, patience).await.expect("there is room for two");
        assert!(uploads.take(1, patience).await.is_none(), "and for no third");
        drop(one);
        assert!(uploads.take(1, patience).await.is_some());
        drop(other);
        let all = uploads.take(usize::MAX, patience).await.expect("one that is too large has it alone");
        assert!(uploads.take(1, patience).await.is_none());
        drop(all);
    }
}

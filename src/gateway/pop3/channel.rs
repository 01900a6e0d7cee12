//! The octets of one session: lines in, replies out. Replies to pipelined commands leave together,
//! in order; while it waits for the client it holds no large buffer. Knows nothing of states.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::fault::{Conduct, Fault};
use super::{Protection, SessionEnd};
use crate::net::lines::{LineError, Lines};
use crate::net::listen::{Seat, Visit};
use crate::net::stream::Connection;
use crate::wire::pop3::Reply;

pub(super) struct Channel {
    lines: Lines,
    out: Vec<u8>,
    patience: Duration,
    seat: Seat,
    shutdown: CancellationToken,
}

impl Channel {
    pub(super) fn new(Visit { connection, seat, shutdown }: Visit, patience: Duration) -> Self {
        Self { lines: Lines::new(connection, patience), out: Vec::new(), patience, seat, shutdown }
    }

    /// The client's place among those who are connected.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.lines.connection().peer()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.lines.connection().is_tls()
    }

    pub(super) fn is_protected(&self, protection: Protection) -> bool {
        let unix = matches!(self.lines.connection(), Connection::Unix(_));
        self.is_tls() || (unix && protection == Protection::TlsOrUnixSocket)
    }

    /// The client's next line, if it comes before `until`. What was put so far is sent first, unless
    /// the next line is already here.
    pub(super) async fn line(&mut self, limit: usize, until: Instant) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if self.shutdown.is_cancelled() {
            return Err(Fault::Shutdown);
        }
        if self.out.len() >= PIECE || memchr::memmem::find(self.lines.buffered(), b"\r\n").is_none() {
            self.send().await?;
        }
        // The deadline counts for the line as a whole, so that a trickle of octets does not stretch it.
        self.lines.set_wait(until.saturating_duration_since(Instant::now()));
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Fault::Shutdown),
            () = self.seat.evicted() => Err(Fault::Evicted),
            line = timeout_at(until, self.lines.secret_line(limit)) => match line {
                Ok(line) => line.map_err(Fault::Line),
                Err(_) => Err(Fault::Line(LineError::Timeout)),
            }
        }
    }

    /// Where the octets of replies are put, to be sent later.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    pub(super) fn put(&mut self, reply: Reply<'_>) {
        reply.put(&mut self.out);
    }

    /// Sends what was put once it is a large piece. To be called every so often while putting much.
    pub(super) async fn relieve(&mut self) -> Result<(), Fault> {
        if self.out.len() < PIECE {
            return Ok(());
        }
        self.lines.set_wait(self.patience);
        self.lines.write(&self.out).await.map_err(Fault::Line)?;
        self.out.clear();
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Fault> {
        self.lines.set_wait(self.patience);
        if !self.out.is_empty() {
            self.lines.write(&self.out).await.map_err(Fault::Line)?;
        }
        self.out.clear();
        self.out.shrink_to(IDLE);
        self.lines.flush().await.map_err(Fault::Line)
    }

    /// Sends what was put and goes on over TLS (RFC 2595 §4).
    pub(super) async fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<Self, SessionEnd> {
        if self.send().await.is_err() {
            return Err(SessionEnd::Vanished);
        }
        match self.lines.start_tls(config).await {
            Ok(lines) => {
                self.seat.progress();
                Ok(Self { lines, ..self })
            }
            Err(_) => Err(SessionEnd::TlsFailed),
        }
    }

    /// Puts the answer to a fault. `Err` if the session cannot go on after it.
    pub(super) fn answer(&mut self, fault: &Fault) -> Result<(), SessionEnd> {
        match fault.conduct() {
            Conduct::Stay(failure) => {
                self.put(Reply::Failure(failure));
                Ok(())
            }
            Conduct::Leave(failure, end) => {
                self.put(Reply::Failure(failure));
                Err(end)
            }
            Conduct::Drop(end) => {
                // Nothing more is said: it could pass for a part of what was broken off.
                self.out.clear();
                Err(end)
            }
        }
    }

    /// Sends what was put, closes the connection, and hands `end` back.
    pub(super) async fn close(mut self, end: SessionEnd) -> SessionEnd {
        self.patience = self.patience.min(FAREWELL);
        if self.out.is_empty() || self.send().await.is_ok() {
            self.lines.set_wait(self.patience);
            self.lines.close().await;
        }
        end
    }
}

/// How much is written at once, in octets.
const PIECE: usize = 64 * 1024;
/// How much of an empty buffer an idle session keeps, in octets.
const IDLE: usize = 256;
/// How long a session that is over waits for its peer.
const FAREWELL: Duration = Duration::from_secs(5);

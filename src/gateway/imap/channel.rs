//! The octets of one session: commands in, responses out. Responses to pipelined commands leave together, in
//! order; while it waits for the client it holds no large buffer. Knows nothing of states.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::fault::{Conduct, Fault};
use super::fetch::Sink;
use super::{Protection, SessionEnd, Settings, Uploads};
use crate::net::lines::{LineError, Lines};
use crate::net::listen::{Seat, Visit};
use crate::wire::imap::framing::{Framing, Limits, Next};
use crate::wire::imap::response::{Code, Condition, put_continuation, put_tagged, put_untagged};
use crate::wire::imap::{Command, Modes, parse};

pub(super) struct Channel {
    lines: Lines,
    framing: Framing,
    out: Vec<u8>,
    patience: Duration,
    seat: Seat,
    shutdown: CancellationToken,
    /// What large commands of all sessions may take together.
    uploads: Uploads,
    /// This session's part of it, for the command that is coming in.
    taken: Option<OwnedSemaphorePermit>,
    /// The same for the command that is being carried out: its message is in memory until the next is asked for.
    spent: Option<OwnedSemaphorePermit>,
}

/// A command that came to nothing before the session got it.
pub(super) struct Failed {
    pub(super) tag: Option<String>,
    pub(super) fault: Fault,
}

impl Channel {
    pub(super) fn new(Visit { connection, seat, shutdown }: Visit, settings: &Settings) -> Self {
        let (patience, uploads) = (settings.patience, settings.uploads.clone());
        let (lines, framing) = (Lines::new(connection, patience), Framing::new(Limits::BEFORE_LOGIN));
        Self { lines, framing, out: Vec::new(), patience, seat, shutdown, uploads, taken: None, spent: None }
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

    pub(super) fn is_compressed(&self) -> bool {
        self.lines.connection().is_deflated()
    }

    pub(super) fn is_protected(&self, protection: Protection) -> bool {
        let unix = self.lines.connection().is_unix();
        self.is_tls() || (unix && protection == Protection::TlsOrUnixSocket)
    }

    /// From now on commands may be as large as these limits say.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.framing.set_limits(limits);
    }

    /// The client's next command, if its first octets come before `until`. What was put so far is sent first,
    /// unless the command is already here.
    pub(super) async fn command(&mut self, modes: Modes, until: Instant) -> Result<Command, Failed> {
        self.spent = None;
        loop {
            if self.shutdown.is_cancelled() {
                return Err(Fault::Shutdown.into());
            }
            match self.framing.next(self.lines.buffered()) {
                Next::More(missing) => self.receive(missing, until).await?,
                Next::Continue => put_continuation(&mut self.out, "go on"),
                Next::Drop(count) => {
                    self.lines.wipe(count);
                    self.taken = None;
                }
                Next::Refused(refusal) => {
                    return Err(Failed { tag: refusal.tag, fault: Fault::Refused(refusal.reason) });
                }
                Next::HangUp(refusal) => {
                    return Err(Failed { tag: refusal.tag, fault: Fault::Endless(refusal.reason) });
                }
                Next::Command(count) => {
                    // Whoever sends many at once waits for others now and then.
                    tokio::task::consume_budget().await;
                    let buffered = self.lines.buffered();
                    let command = parse(&buffered[..count.min(buffered.len())], modes);
                    // It may hold a password, or a message.
                    self.lines.wipe(count);
                    self.spent = self.taken.take();
                    return command
                        .map_err(|error| Failed { tag: error.tag, fault: Fault::Command(error.kind) });
                }
            }
            if self.out.len() >= PIECE {
                self.send().await?;
            }
        }
    }

    /// The client's next line, in an exchange within a command.
    pub(super) async fn line(&mut self, limit: usize, until: Instant) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.send().await?;
        self.wait_for_line(limit, until).await
    }

    /// The same when nothing is to be sent. Dropping the future loses nothing.
    pub(super) async fn wait_for_line(
        &mut self,
        limit: usize,
        until: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
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

    /// Waits for octets: until then for the first of a command, so long as its patience lasts for the others.
    async fn receive(&mut self, missing: u64, until: Instant) -> Result<(), Fault> {
        self.send().await?;
        let begun = !self.lines.buffered().is_empty();
        let left = until.saturating_duration_since(Instant::now());
        self.lines.set_wait(if begun { left.min(self.patience) } else { left });
        // What a literal announces has been held against the limits.
        let missing = usize::try_from(missing).unwrap_or(0);
        if missing > FLOW && self.taken.is_none() {
            self.taken = Some(self.uploads.take(missing, self.patience).await.ok_or(Fault::NoMemory)?);
        }
        let receive = async {
            if missing > FLOW {
                self.lines.reserve(missing);
                self.lines.fill().await
            } else {
                self.lines.trickle().await
            }
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Fault::Shutdown),
            () = self.seat.evicted() => Err(Fault::Evicted),
            received = receive => received.map_err(Fault::Line),
        }
    }

    /// Puts a tagged OK.
    pub(super) fn done(&mut self, tag: &str, code: Option<Code<'_>>, text: &'static str) {
        put_tagged(&mut self.out, Some(tag), Condition::Ok, code, text);
    }

    /// Puts a BYE that the client asked for, and the tagged OK behind it.
    pub(super) fn farewell(&mut self, tag: &str) {
        put_untagged(&mut self.out, Condition::Bye, None, "goodbye");
        self.done(tag, None, "logged out");
    }

    /// Puts an untagged OK with a code.
    pub(super) fn note(&mut self, code: Code<'_>, text: &'static str) {
        put_untagged(&mut self.out, Condition::Ok, Some(code), text);
    }

    /// Sends what was put, and lets go of the room it took.
    pub(super) async fn send(&mut self) -> Result<(), Fault> {
        self.lines.set_wait(self.patience);
        if !self.out.is_empty() {
            self.lines.write(&self.out).await.map_err(Fault::Line)?;
        }
        self.out.clear();
        self.out.shrink_to(IDLE);
        self.lines.flush().await.map_err(Fault::Line)
    }

    /// Sends what was put and goes on over TLS (RFC 9051 §6.2.1).
    pub(super) async fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<Self, SessionEnd> {
        if self.send().await.is_err() {
            return Err(SessionEnd::Vanished);
        }
        match self.lines.start_tls(config).await {
            Ok(lines) => {
                self.seat.progress();
                Ok(Self { lines, framing: Framing::new(Limits::BEFORE_LOGIN), ..self })
            }
            Err(_) => Err(SessionEnd::TlsFailed),
        }
    }

    /// Whether octets have come that nobody has read yet.
    pub(super) fn is_ahead(&self) -> bool {
        !self.lines.buffered().is_empty()
    }

    /// Sends what was put and compresses what passes from now on.
    pub(super) async fn compress(mut self) -> Result<Self, SessionEnd> {
        if self.send().await.is_err() {
            return Err(SessionEnd::Vanished);
        }
        Ok(Self { lines: self.lines.compress(), ..self })
    }

    /// Puts the answer to a fault. `Err` if the session cannot go on after it.
    pub(super) fn answer(&mut self, tag: Option<&str>, fault: &Fault) -> Result<(), SessionEnd> {
        match fault.conduct() {
            Conduct::No(code, text) => self.refuse(tag, Condition::No, code, text),
            Conduct::Bad(code, text) => self.refuse(tag, Condition::Bad, code, text),
            Conduct::Bye(code, text, end) => {
                put_untagged(&mut self.out, Condition::Bye, code, text);
                return Err(end);
            }
            Conduct::Drop(end) => {
                // Nothing more is said: it could pass for a part of what was broken off.
                self.out.clear();
                return Err(end);
            }
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        tag: Option<&str>,
        condition: Condition,
        code: Option<Code<'_>>,
        text: &'static str,
    ) {
        // RFC 9051 §7.1.3: what has no tag to answer to is an untagged BAD.
        let condition = if tag.is_some() { condition } else { Condition::Bad };
        put_tagged(&mut self.out, tag, condition, code, text);
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

impl Sink for Channel {
    type Fault = Fault;

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    async fn relieve(&mut self) -> Result<(), Fault> {
        if self.out.len() < PIECE {
            return Ok(());
        }
        self.lines.set_wait(self.patience);
        self.lines.write(&self.out).await.map_err(Fault::Line)?;
        self.out.clear();
        Ok(())
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { tag: None, fault }
    }
}

/// How much is written at once, in octets.
const PIECE: usize = 64 * 1024;
/// From how many missing octets on they are content rather than a command.
const FLOW: usize = 4 * 1024;
/// How much of an empty buffer an idle session keeps, in octets.
const IDLE: usize = 256;
/// How long a session that is over waits for its peer.
const FAREWELL: Duration = Duration::from_secs(5);

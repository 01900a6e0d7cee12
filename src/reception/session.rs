//! One session, from the greeting to the goodbye.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::content::{Collector, Content, MemoryBudget};
use super::error::{Ended, Refusal, outcome_reply, transaction_reply};
use super::notice::{Envelope, Notice, told};
use super::received::{Addressee, Outcome, Protocol, Received, Resolution};
use super::settings::{Limits, Role, Settings};
use super::state::{Addressed, Chunking, Greeted, Mailing, State};
use super::trace::is_looping;
use super::transfer::{Pace, Transfer};
use super::{Directory, Intake};
use crate::clock::Clock;
use crate::names::{Address, SessionId};
use crate::net::lines::{LineError, Lines};
use crate::net::listen::{Seat, Visit};
use crate::net::stream::Connection;
use crate::wire::smtp::{
    Chunk, Command, CommandError, Dialect, Enhanced, ForwardPath, Mail, Mailbox, Rcpt, Reply, ReversePath,
};

/// A reception: what all its sessions share.
pub struct Service<D, I> {
    settings: Settings,
    directory: D,
    intake: I,
    memory: MemoryBudget,
    clock: Clock,
}

impl<D: Directory, I: Intake> Service<D, I> {
    /// A reception with these settings. Receptions that share a process share `memory`.
    pub fn new(settings: Settings, directory: D, intake: I, memory: MemoryBudget, clock: Clock) -> Self {
        Self { settings, directory, intake, memory, clock }
    }

    /// Runs one session to its end.
    pub async fn serve(&self, visit: Visit) {
        let mut session = Session::new(self, visit);
        let mut ended = session.greet_and_talk().await;
        if matches!(ended, Ended::StartTls) {
            let Ok(protected) = session.into_tls().await else {
                return tracing::debug!("a TLS handshake failed");
            };
            session = protected;
            ended = session.talk().await;
        }
        session.close(ended).await;
    }
}

struct Session<'a, D, I> {
    service: &'a Service<D, I>,
    id: SessionId,
    lines: Lines,
    seat: Seat,
    shutdown: CancellationToken,
    /// Replies not yet sent: those to commands that came together go together (RFC 2920 §3.2).
    out: Vec<u8>,
    opened: Instant,
    stored: u32,
    errors: u32,
    idle_commands: u32,
}

impl<'a, D: Directory, I: Intake> Session<'a, D, I> {
    fn new(service: &'a Service<D, I>, visit: Visit) -> Self {
        let Visit { connection, seat, shutdown } = visit;
        Self {
            service,
            id: SessionId::random(),
            lines: Lines::new(connection, service.settings.limits.wait),
            seat,
            shutdown,
            out: Vec::new(),
            opened: Instant::now(),
            stored: 0,
            errors: 0,
            idle_commands: 0,
        }
    }

    async fn greet_and_talk(&mut self) -> Ended {
        if let Err(ended) = self.greet().await {
            return ended;
        }
        self.talk().await
    }

    async fn talk(&mut self) -> Ended {
        let mut state = State::Fresh;
        loop {
            state = match self.turn(state).await {
                Ok(next) => next,
                Err(ended) => return ended,
            };
        }
    }

    /// RFC 3207 §4.2: after the handshake everything is as if the peer had just connected.
    async fn into_tls(mut self) -> Result<Self, LineError> {
        let config = self.service.settings.tls.clone().ok_or(LineError::Closed)?;
        self.lines.set_wait(HANDSHAKE.min(self.limits().wait));
        self.lines = self.lines.start_tls(config).await?;
        self.lines.set_wait(self.service.settings.limits.wait);
        Ok(self)
    }

    async fn close(mut self, ended: Ended) {
        tracing::debug!(reason = %ended, stored = self.stored, "a session ended");
        // A peer on its way out is not worth a long wait.
        self.lines.set_wait(GOODBYE);
        if let Some(farewell) = ended.farewell() {
            self.answer(&farewell);
        }
        if self.flush().await.is_ok() {
            self.lines.close().await;
        }
    }

    async fn greet(&mut self) -> Result<(), Ended> {
        let delay = self.limits().greeting_delay;
        if !delay.is_zero() && timeout(delay, self.lines.fill()).await.is_ok_and(|filled| filled.is_ok()) {
            return Err(Ended::EarlyTalker);
        }
        let protocol = match self.service.settings.role {
            Role::Mx => "ESMTP",
            Role::Lmtp => "LMTP",
        };
        let greeting = format!("{} {protocol}", self.service.settings.hostname);
        self.answer(&Reply::plain(220, vec![greeting.into()]));
        Ok(())
    }

    /// One command and its answer.
    async fn turn(&mut self, state: State) -> Result<State, Ended> {
        let line = match self.line(&state).await {
            Ok(line) => line,
            Err(LineError::TooLong) => return self.refuse(state, Refusal::LongLine).await,
            Err(LineError::BareLineEnd | LineError::Nul) => {
                return self.refuse(state, Refusal::BrokenLine).await;
            }
            Err(error) => return Err(self.why_no_line(error)),
        };
        match (Command::parse(&line), &state) {
            (Ok(command), _) => self.obey(state, command).await,
            (Err(CommandError::ChunkSize), _) => Err(Ended::ChunkSize),
            (Err(CommandError::Unknown), State::Fresh) => Err(Ended::Stranger),
            (Err(error), _) => {
                if matches!(
                    error,
                    CommandError::ReversePath | CommandError::ForwardPath | CommandError::NeedsUtf8
                ) {
                    self.note_refusal(error.into(), None, None, 0);
                }
                self.refuse(state, error.into()).await
            }
        }
    }

    async fn obey(&mut self, state: State, command: Command) -> Result<State, Ended> {
        self.count_idle(&command)?;
        match (state, command) {
            (_, Command::Quit) => Err(Ended::Quit),
            (state, Command::Hello { dialect, name }) => self.hello(state, dialect, name).await,
            (state, Command::Noop) => self.agree(state, (2, 0, 0), "Fine"),
            (state, Command::Rset) => self.agree(state.reset(), (2, 0, 0), "Forgotten"),
            (state, Command::Help) => {
                self.answer(&Reply::new(214, (2, 0, 0), "See RFC 5321"));
                Ok(state)
            }
            (state, Command::Vrfy) => {
                // RFC 5321 §3.5.3, §7.3: the same answer whoever is asked for.
                self.answer(&Reply::new(252, (2, 0, 0), "Cannot verify, but will try to deliver"));
                Ok(state)
            }
            (state, Command::Expn | Command::Unoffered) => self.refuse(state, Refusal::NotOffered).await,
            (state @ (State::Fresh | State::Greeted(_)), Command::StartTls) => self.start_tls(state).await,
            (State::Greeted(greeted), Command::Mail(mail)) => self.mail(greeted, mail).await,
            (State::Mailing(mailing), Command::Rcpt(rcpt)) => self.first_rcpt(mailing, rcpt).await,
            (State::Addressed(addressed), Command::Rcpt(rcpt)) => self.next_rcpt(addressed, rcpt).await,
            (State::Addressed(addressed), Command::Data) => self.data(addressed).await,
            (state @ State::Mailing(_), Command::Data) => self.refuse(state, Refusal::NoAddressee).await,
            (State::Addressed(addressed), Command::Bdat(chunk)) => {
                let chunking = addressed.begin_chunks(self.collector(), Pace::start());
                self.chunk(chunking, chunk).await
            }
            (State::Chunking(chunking), Command::Bdat(chunk)) => self.chunk(chunking, chunk).await,
            (state, Command::Bdat(chunk)) => self.stray_chunk(state, chunk).await,
            (state, _) => self.refuse(state, Refusal::OutOfOrder).await,
        }
    }

    async fn hello(&mut self, state: State, dialect: Dialect, name: String) -> Result<State, Ended> {
        // RFC 2033 §4.1: LMTP takes LHLO, and neither of the others.
        if (dialect == Dialect::Lhlo) != (self.service.settings.role == Role::Lmtp) {
            return self.refuse(state, Refusal::WrongGreeting).await;
        }
        let reply = match dialect {
            Dialect::Helo => Reply::plain(250, vec![self.service.settings.hostname.clone().into()]),
            Dialect::Ehlo | Dialect::Lhlo => Reply::plain(250, self.extensions()),
        };
        self.answer(&reply);
        Ok(State::Greeted(Greeted { dialect, name })) // RFC 5321 §4.1.4: as RSET
    }

    fn extensions(&self) -> Vec<Cow<'static, str>> {
        let Settings { hostname, limits, .. } = &self.service.settings;
        let mut lines: Vec<Cow<'static, str>> = vec![
            hostname.clone().into(),
            "PIPELINING".into(),                                    // RFC 2920
            format!("SIZE {}", limits.message).into(),              // RFC 1870
            "8BITMIME".into(),                                      // RFC 6152
            "SMTPUTF8".into(),                                      // RFC 6531
            "CHUNKING".into(),                                      // RFC 3030
            "ENHANCEDSTATUSCODES".into(),                           // RFC 2034
            format!("LIMITS RCPTMAX={}", limits.addressees).into(), // RFC 9422
        ];
        if self.may_start_tls() {
            lines.push("STARTTLS".into()); // RFC 3207
        }
        lines
    }

    fn may_start_tls(&self) -> bool {
        self.service.settings.tls.is_some() && matches!(self.lines.connection(), Connection::Plain(_))
    }

    async fn start_tls(&mut self, state: State) -> Result<State, Ended> {
        if !self.may_start_tls() {
            return self.refuse(state, Refusal::NotOffered).await;
        }
        // RFC 3207 §4.2, CVE-2011-0411: what came in the clear must not count as protected.
        if !self.lines.buffered().is_empty() {
            return Err(Ended::Lost(LineError::Injected));
        }
        self.answer(&Reply::new(220, (2, 0, 0), "Ready for TLS"));
        self.flush().await?;
        Err(Ended::StartTls)
    }

    async fn mail(&mut self, greeted: Greeted, mail: Mail) -> Result<State, Ended> {
        if mail.size.is_some_and(|size| size > self.limits().message as u64) {
            let declared = mail.size.unwrap_or(0);
            self.note_refusal(Refusal::TooLarge, mail.reverse_path.as_ref(), None, declared);
            return self.refuse(State::Greeted(greeted), Refusal::TooLarge).await;
        }
        self.agree(State::Mailing(greeted.begin(mail)), (2, 1, 0), "Sender fine")
    }

    async fn first_rcpt(&mut self, mailing: Mailing, rcpt: Rcpt) -> Result<State, Ended> {
        match self.find(rcpt, mailing.mail()).await {
            Ok(addressee) => {
                self.agree(State::Addressed(mailing.admit(addressee)), (2, 1, 5), "Addressee fine")
            }
            Err(refusal) => self.refuse(State::Mailing(mailing), refusal).await,
        }
    }

    async fn next_rcpt(&mut self, mut addressed: Addressed, rcpt: Rcpt) -> Result<State, Ended> {
        let role = self.service.settings.role;
        let admitted = match addressed.check_room(self.limits().addressees) {
            Err(refusal) => Err(refusal),
            Ok(()) => {
                self.find(rcpt, &addressed.mail).await.and_then(|addressee| addressed.admit(addressee, role))
            }
        };
        match admitted {
            Ok(()) => self.agree(State::Addressed(addressed), (2, 1, 5), "Addressee fine"),
            Err(refusal) => self.refuse(State::Addressed(addressed), refusal).await,
        }
    }

    async fn find(&self, rcpt: Rcpt, mail: &Mail) -> Result<Addressee, Refusal> {
        let sender = mail.reverse_path.as_ref();
        if rcpt.international && !mail.smtputf8 {
            return Err(CommandError::NeedsUtf8.into());
        }
        let mailbox = match rcpt.path {
            ForwardPath::Mailbox(mailbox) => Some(mailbox),
            // RFC 5321 §4.5.1: postmaster here.
            ForwardPath::Postmaster => {
                Mailbox::parse(&format!("postmaster@{}", self.service.settings.hostname))
            }
            ForwardPath::Literal => None,
        };
        let resolution = match &mailbox {
            Some(mailbox) => self.resolve(mailbox.address()).await,
            None => Resolution::Unknown,
        };
        let refusal = match (resolution, mailbox) {
            (Resolution::Local(target), Some(mailbox)) => {
                return Ok(Addressee { mailbox, target, others: Vec::new() });
            }
            (Resolution::Shared(target, others), Some(mailbox)) => {
                return Ok(Addressee { mailbox, target, others });
            }
            (Resolution::Off, mailbox) => (Refusal::SwitchedOff, mailbox),
            (Resolution::Full, mailbox) => (Refusal::FullMailbox, mailbox),
            (Resolution::Deferred, mailbox) => (Refusal::DeferredAddressee, mailbox),
            (_, mailbox) => (Refusal::UnknownAddressee, mailbox),
        };
        self.note_refusal(refusal.0, sender, refusal.1.as_ref(), mail.size.unwrap_or(0));
        Err(refusal.0)
    }

    async fn resolve(&self, address: &Address) -> Resolution {
        match timeout(RESOLVE, self.service.directory.resolve(address)).await {
            Ok(Ok(resolution)) => resolution,
            Ok(Err(_)) | Err(_) => Resolution::Deferred,
        }
    }

    async fn data(&mut self, addressed: Addressed) -> Result<State, Ended> {
        self.answer(&Reply::plain(354, vec!["Go ahead, end with a dot on a line of its own".into()]));
        self.flush().await?;
        let mut collector = self.collector();
        collector.expect(addressed.mail.size.unwrap_or(0)); // MAIL has checked that it fits
        self.transfer().data(&mut collector).await?;
        self.conclude(addressed, collector).await
    }

    async fn chunk(&mut self, mut chunking: Box<Chunking>, chunk: Chunk) -> Result<State, Ended> {
        let Chunking { collector, pace, .. } = &mut *chunking;
        collector.expect(chunk.size);
        self.transfer().chunk(chunk.size, collector, pace).await?;
        if chunk.last {
            let Chunking { addressed, collector, .. } = *chunking;
            return self.conclude(addressed, collector).await;
        }
        match chunking.collector.refusal() {
            // The transaction is over; chunks on their way are dropped one by one.
            Some(refusal) => self.refuse(State::Chunking(chunking).reset(), refusal).await,
            None => self.agree(State::Chunking(chunking), (2, 0, 0), "Chunk taken"),
        }
    }

    async fn stray_chunk(&mut self, state: State, chunk: Chunk) -> Result<State, Ended> {
        self.transfer().drop_chunk(chunk.size).await?;
        let refusal = match state {
            State::Mailing(_) => Refusal::NoAddressee,
            _ => Refusal::OutOfOrder,
        };
        self.refuse(state, refusal).await
    }

    /// The content is all here: hands it over and answers.
    async fn conclude(&mut self, addressed: Addressed, collector: Collector) -> Result<State, Ended> {
        let hostname = &self.service.settings.hostname;
        let checked = collector.finish().and_then(|content| match is_looping(content.expose(), hostname) {
            true => Err(Refusal::Loop),
            false => Ok(content),
        });
        let Addressed { greeted, mail, addressees, accepted } = addressed;
        let envelope = Envelope {
            sender: mail.reverse_path.clone(),
            addressees: addressees.iter().map(|one| (one.mailbox.clone(), one.target)).collect(),
            size: checked.as_ref().map_or(mail.size.unwrap_or(0), |content| content.expose().len() as u64),
        };
        let replies = match checked {
            Err(refusal) => {
                for (mailbox, _) in &envelope.addressees {
                    self.note_refusal(refusal, envelope.sender.as_ref(), Some(mailbox), envelope.size);
                }
                self.mistake(refusal).await?;
                vec![refusal.reply(); self.replies_wanted(&accepted)]
            }
            Ok(content) => {
                let count = addressees.len();
                let received = self.received(&greeted, mail, addressees, content);
                let outcomes = self.deliver(received, count).await;
                self.note_outcomes(&envelope, &outcomes);
                self.replies(&accepted, &outcomes)
            }
        };
        replies.iter().for_each(|reply| self.answer(reply));
        Ok(State::Greeted(greeted))
    }

    fn received(
        &self,
        greeted: &Greeted,
        mail: Mail,
        addressees: Vec<Addressee>,
        content: Content,
    ) -> Received {
        let tls = self.lines.connection().is_tls();
        Received {
            reverse_path: mail.reverse_path,
            addressees,
            protocol: Protocol { dialect: greeted.dialect, tls, smtputf8: mail.smtputf8 },
            peer: self.lines.connection().peer(),
            hello: greeted.name.clone(),
            content,
            received_at: self.service.clock.now(),
            smtputf8: mail.smtputf8,
            body: mail.body,
        }
    }

    /// Tells what became of a message that was handed over, for each addressee.
    fn note_outcomes(&self, envelope: &Envelope, outcomes: &[Outcome]) {
        for ((mailbox, target), outcome) in envelope.addressees.iter().zip(outcomes) {
            let (message, why) = told(outcome);
            self.service.intake.note(Notice {
                session: self.id,
                peer: self.lines.connection().peer(),
                sender: envelope.sender.as_ref(),
                addressee: Some(mailbox),
                target: Some(*target),
                message,
                size: envelope.size,
                reply: outcome_reply(outcome).code(),
                why,
            });
        }
    }

    /// Tells what was refused or deferred before it was handed over.
    fn note_refusal(
        &self,
        refusal: Refusal,
        sender: Option<&ReversePath>,
        addressee: Option<&Mailbox>,
        size: u64,
    ) {
        self.service.intake.note(Notice {
            session: self.id,
            peer: self.lines.connection().peer(),
            sender,
            addressee,
            target: None,
            message: None,
            size,
            reply: refusal.reply().code(),
            why: refusal.to_string(),
        });
    }

    /// One outcome for each of `count` addressees: what the intake does not answer for is deferred.
    async fn deliver(&mut self, received: Received, count: usize) -> Vec<Outcome> {
        let working = self.seat.working();
        let delivered = timeout(self.limits().deliver, self.service.intake.deliver(received)).await;
        drop(working);
        let mut outcomes = delivered.unwrap_or_default();
        outcomes.resize(count, Outcome::Deferred);
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Stored(_))) {
            self.stored += 1;
            self.idle_commands = 0;
            self.seat.progress();
        }
        outcomes
    }

    /// RFC 2033 §4.2: LMTP has one reply for each accepted RCPT, in their order; SMTP has one.
    fn replies(&self, accepted: &[usize], outcomes: &[Outcome]) -> Vec<Reply> {
        match self.service.settings.role {
            Role::Mx => vec![transaction_reply(outcomes)],
            Role::Lmtp => accepted.iter().map(|at| outcome_reply(&outcomes[*at])).collect(),
        }
    }

    fn replies_wanted(&self, accepted: &[usize]) -> usize {
        match self.service.settings.role {
            Role::Mx => 1,
            Role::Lmtp => accepted.len(),
        }
    }

    fn collector(&self) -> Collector {
        let limits = self.limits();
        Collector::new(self.service.memory.clone(), limits.memory_wait, limits.message, self.seat.group())
    }

    fn transfer(&mut self) -> Transfer<'_> {
        Transfer { lines: &mut self.lines, seat: &self.seat, limits: &self.service.settings.limits }
    }

    fn limits(&self) -> &'a Limits {
        &self.service.settings.limits
    }
}

/// Lines in, replies out, and patience.
impl<D: Directory, I: Intake> Session<'_, D, I> {
    /// The next command line. Replies are sent first if the peer has nothing more on its way.
    async fn line(&mut self, state: &State) -> Result<Bytes, LineError> {
        if self.out.len() > MAX_OUT || memchr::memmem::find(self.lines.buffered(), b"\r\n").is_none() {
            self.flush().await?;
        }
        let deadline = self.deadline(state);
        let limit = self.service.settings.limits.line;
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(LineError::Closed),
            () = self.seat.evicted() => Err(LineError::Closed),
            () = sleep_until(deadline) => Err(LineError::Timeout),
            line = self.lines.line(limit) => line,
        }
    }

    /// By when a command must have come, besides the wait for each piece of it.
    fn deadline(&self, state: &State) -> Instant {
        let limits = &self.service.settings.limits;
        let mut deadline = Instant::now() + limits.wait;
        if self.stored == 0 {
            deadline = deadline.min(self.opened + limits.first_message);
        }
        if let State::Chunking(chunking) = state {
            deadline = deadline.min(chunking.pace.deadline(limits));
        }
        deadline
    }

    fn why_no_line(&self, error: LineError) -> Ended {
        if self.shutdown.is_cancelled() {
            return Ended::Shutdown;
        }
        if self.seat.is_evicted() {
            return Ended::Evicted;
        }
        error.into()
    }

    fn answer(&mut self, reply: &Reply) {
        reply.encode(&mut self.out);
    }

    fn agree(&mut self, next: State, code: Enhanced, text: &'static str) -> Result<State, Ended> {
        self.answer(&Reply::new(250, code, text));
        Ok(next)
    }

    async fn refuse(&mut self, next: State, refusal: Refusal) -> Result<State, Ended> {
        self.mistake(refusal).await?;
        self.answer(&refusal.reply());
        Ok(next)
    }

    /// Counts a refusal. A peer that goes on making mistakes, or guessing addressees, is answered
    /// ever more slowly and then no more.
    async fn mistake(&mut self, refusal: Refusal) -> Result<(), Ended> {
        if !refusal.is_peers_fault() {
            return Ok(());
        }
        self.errors += 1;
        if self.errors > self.limits().errors {
            return Err(Ended::TooManyErrors);
        }
        if self.errors > self.limits().errors_before_slow {
            self.flush().await?;
            self.pause(self.limits().slow_reply).await?;
        }
        Ok(())
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Ended::Shutdown),
            () = self.seat.evicted() => Err(Ended::Evicted),
            () = sleep(pause) => Ok(()),
        }
    }

    fn count_idle(&mut self, command: &Command) -> Result<(), Ended> {
        if matches!(command, Command::Mail(_) | Command::Rcpt(_) | Command::Data | Command::Bdat(_)) {
            return Ok(());
        }
        self.idle_commands += 1;
        if self.idle_commands > self.limits().idle_commands { Err(Ended::Idle) } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), LineError> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.lines.write(&self.out).await?;
        self.out.clear();
        self.out.shrink_to(IDLE_OUT);
        self.lines.flush().await
    }
}

/// How long the directory may take.
const RESOLVE: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a peer may take to take our last reply.
const GOODBYE: Duration = Duration::from_secs(5);
/// Replies to pipelined commands kept back at most, in octets.
const MAX_OUT: usize = 16 << 10;
/// What an idle session keeps for replies, in octets.
const IDLE_OUT: usize = 512;

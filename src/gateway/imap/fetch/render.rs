//! One message's FETCH response.

use std::future::Future;

use super::literal::{Sending, Stop};
use super::plan::{Plan, Step};
use super::values::{put_date_time, put_email_id, put_flags, put_thread_id};
use crate::gateway::imap::room::{AccountError, OpenMessage};
use crate::mailbox::{Entry, Keywords};
use crate::structure::Structure;
use crate::wire::imap::listing;
use crate::wire::imap::text::{put_nstring, put_number};

/// Where responses go.
pub trait Sink: Send {
    /// Why nothing more can be sent.
    type Fault: Send;

    /// What is to be sent. Responses are appended to it.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Sends what was put once it is a large piece, and empties it.
    fn relieve(&mut self) -> impl Future<Output = Result<(), Self::Fault>> + Send;
}

/// A message as the roll has it.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Its number.
    pub sequence: u32,
    /// Its entry, with flags as they are after this FETCH.
    pub entry: &'a Entry,
    /// The roll's keywords.
    pub keywords: &'a Keywords,
    /// Whether this FETCH has set `\Seen`: FLAGS is told then (RFC 9051 §6.4.5).
    pub seen_now: bool,
}

/// How much of what was asked could be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// All.
    Fully,
    /// NIL stands for a part whose transfer encoding is unknown.
    WithoutUnknownCte,
}

/// Why a message was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError<F> {
    /// It cannot be opened. Nothing of its response was put; other messages can follow.
    #[error("the message cannot be opened")]
    Message(AccountError),
    /// It failed when a part of its response was on its way. The connection must end without another octet:
    /// anything would be read as content.
    #[error("the message broke off while it was sent")]
    BrokenOff(AccountError),
    /// The sink takes no more.
    #[error("nothing more can be sent")]
    Sink(F),
}

impl Plan {
    /// Puts the response for a message that need not be opened. Items that only an open message has are
    /// left out: there are none if [`Plan::extent`] is none.
    pub fn put(&self, out: &mut Vec<u8>, shown: Shown<'_>) {
        let mut response = Response::begin(out, shown);
        for step in &self.steps {
            response.put_known(out, step, shown);
        }
        self.finish(response, out, shown);
    }

    /// Sends the response for an open message. Octets of it that are asked for pass through in windows; a
    /// call of [`Sink::relieve`] after each message keeps `out` small where only structures are asked.
    ///
    /// # Errors
    /// See [`SendError`], which also says what can follow.
    pub async fn send<S: Sink>(
        &self,
        sink: &mut S,
        shown: Shown<'_>,
        message: &mut impl OpenMessage,
    ) -> Result<Complete, SendError<S::Fault>> {
        if !self.reads_octets() {
            return self.put_listing(sink.out(), shown, message.structure()).map_err(SendError::Message);
        }
        let encoded = message.structure().to_vec();
        let mut sending = Sending { begun: sink.out().len(), sink, relieved: false };
        match self.send_all(&mut sending, shown, message, &encoded).await {
            Err(Stop::Message(error)) if sending.relieved => Err(SendError::BrokenOff(error)),
            Err(Stop::Message(error)) => {
                sending.sink.out().truncate(sending.begun);
                Err(SendError::Message(error))
            }
            Err(Stop::Sink(fault)) => Err(SendError::Sink(fault)),
            Ok(complete) => Ok(complete),
        }
    }

    fn put_listing(
        &self,
        out: &mut Vec<u8>,
        shown: Shown<'_>,
        encoded: &[u8],
    ) -> Result<Complete, AccountError> {
        let structure = Structure::decode(encoded).map_err(|_| AccountError::Damaged)?;
        let mut response = Response::begin(out, shown);
        for step in &self.steps {
            if !response.put_known(out, step, shown) {
                response.put_described(out, step, &structure);
            }
        }
        self.finish(response, out, shown);
        Ok(Complete::Fully)
    }

    async fn send_all<S: Sink>(
        &self,
        sending: &mut Sending<'_, S>,
        shown: Shown<'_>,
        message: &mut impl OpenMessage,
        encoded: &[u8],
    ) -> Result<Complete, Stop<S::Fault>> {
        let structure = Structure::decode(encoded).map_err(|_| AccountError::Damaged)?;
        let mut response = Response::begin(sending.sink.out(), shown);
        let mut complete = Complete::Fully;
        for step in &self.steps {
            let out = sending.sink.out();
            if response.put_known(out, step, shown) || response.put_described(out, step, &structure) {
                continue;
            }
            if sending.send_step(&mut response, step, &structure, message).await?
                == Complete::WithoutUnknownCte
            {
                complete = Complete::WithoutUnknownCte;
            }
        }
        self.finish(response, sending.sink.out(), shown);
        Ok(complete)
    }

    fn finish(&self, mut response: Response, out: &mut Vec<u8>, shown: Shown<'_>) {
        if shown.seen_now && !self.names_flags {
            response.put_known(out, &Step::Flags, shown);
        }
        out.extend_from_slice(b")\r\n");
    }
}

/// The items of a response, put one after the other.
pub(super) struct Response {
    first: bool,
}

impl Response {
    fn begin(out: &mut Vec<u8>, shown: Shown<'_>) -> Self {
        out.extend_from_slice(b"* ");
        put_number(out, shown.sequence.into());
        out.extend_from_slice(b" FETCH (");
        Self { first: true }
    }

    pub(super) fn name(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if !std::mem::take(&mut self.first) {
            out.push(b' ');
        }
        out.extend_from_slice(name);
        out.push(b' ');
    }

    /// Puts an item that the roll has; false if it is none.
    fn put_known(&mut self, out: &mut Vec<u8>, step: &Step, shown: Shown<'_>) -> bool {
        let entry = shown.entry;
        match step {
            Step::Uid => {
                self.name(out, b"UID");
                put_number(out, entry.uid.into());
            }
            Step::Flags => {
                self.name(out, b"FLAGS");
                put_flags(out, entry.flags, shown.keywords);
            }
            Step::InternalDate => {
                self.name(out, b"INTERNALDATE");
                put_date_time(out, entry.received);
            }
            Step::Size => {
                self.name(out, b"RFC822.SIZE");
                put_number(out, entry.octets);
            }
            Step::ModSeq => {
                self.name(out, b"MODSEQ");
                out.push(b'(');
                put_number(out, entry.mod_seq);
                out.push(b')');
            }
            Step::EmailId => {
                self.name(out, b"EMAILID");
                out.push(b'(');
                put_email_id(out, entry.message);
                out.push(b')');
            }
            Step::SaveDate => {
                self.name(out, b"SAVEDATE");
                put_date_time(out, entry.saved);
            }
            _ => return false,
        }
        true
    }

    /// Puts an item that the structure has; false if it is none.
    fn put_described(&mut self, out: &mut Vec<u8>, step: &Step, structure: &Structure<'_>) -> bool {
        match step {
            Step::Envelope => {
                self.name(out, b"ENVELOPE");
                listing::put_envelope(out, &structure.envelope);
            }
            Step::BodyStructure => {
                self.name(out, b"BODYSTRUCTURE");
                listing::put_body_structure(out, structure.root(), true);
            }
            Step::Body => {
                self.name(out, b"BODY");
                listing::put_body_structure(out, structure.root(), false);
            }
            Step::Preview => {
                self.name(out, b"PREVIEW");
                put_nstring(out, Some(structure.preview.as_bytes()));
            }
            Step::ThreadId => {
                self.name(out, b"THREADID");
                put_thread_id(out, structure);
            }
            _ => return false,
        }
        true
    }
}

//! What the gateway asks of the rest of the house: open a view with an app password, list it, fetch
//! masked messages, delete. Everything behind these traits (keyslots, audit, store) is unknown here.
//!
//! Implementations bound their own waits: a session's timeouts are about its peer, and work that is
//! under way (an audit entry, a deletion) is never cut short by them.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::pop3::UniqueId;
use crate::wire::sasl::Credentials;

/// Opens views.
pub trait Mailroom: Send + Sync + 'static {
    /// An open view.
    type Maildrop: Maildrop;

    /// Opens the view that these credentials are for; opening its keyslot is the authentication.
    /// Unknown names MUST take the same path and time as wrong passwords. The audit entry of the
    /// opening MUST be durable before this returns a maildrop.
    fn open(
        &self,
        credentials: &Credentials,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Result<Self::Maildrop, OpenError>> + Send;
}

/// An open view, for one session. Dropping it locks it again.
pub trait Maildrop: Send + 'static {
    /// Names a message within this session.
    type Handle: Copy + Send + Sync + 'static;
    /// A masked message on its way out.
    type Message: MessageStream;

    /// All messages of the view, oldest first. Called once a session at most.
    fn snapshot(&mut self) -> impl Future<Output = Result<Vec<Entry<Self::Handle>>, MaildropError>> + Send;

    /// Begins to fetch a message. The audit entry MUST be durable before this returns. Damage SHOULD
    /// be found before it returns, or by the first chunk: POP3 has no word for it later on, so the
    /// session can only break off, and the client will run into the same message again next time.
    fn retrieve(
        &mut self,
        message: Self::Handle,
        extent: Extent,
    ) -> impl Future<Output = Result<Self::Message, MaildropError>> + Send;

    /// Deletes messages of the view. MUST be durable before it returns. Messages that are already
    /// gone, deleted by another session of the view, are no error.
    fn delete(
        &mut self,
        messages: Vec<Self::Handle>,
    ) -> impl Future<Output = Result<(), MaildropError>> + Send;
}

/// The octets of a masked message, in order.
pub trait MessageStream: Send {
    /// The next octets; `None` after the last ones. Chunks of about 64 KiB serve best.
    fn next_chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, MaildropError>> + Send;
}

/// One message in a listing. A session holds a view's whole listing: keep `Handle` small.
#[derive(Clone, Copy, Debug)]
pub struct Entry<Handle> {
    /// The exact number of octets that [`Maildrop::retrieve`] gives for the whole message.
    pub size: u64,
    /// The message's unique-id.
    pub unique_id: UniqueId,
    /// How the maildrop names it.
    pub handle: Handle,
}

/// How much of a message the client asked for, as the audit should have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The header and so many lines of the body. The stream gives the whole message all the same;
    /// the session stops reading where the client's wish ends.
    Top {
        /// Lines of the body.
        lines: u32,
    },
}

/// Why a view does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Unknown name, wrong password, disabled or revoked: nobody can tell which.
    #[error("the credentials do not open a view")]
    Refused,
    /// Too many failed attempts; the same for names that exist and names that do not.
    #[error("no login before some time has passed")]
    SoftLocked {
        /// How long to wait.
        retry: Duration,
    },
    /// We cannot say now: the store or the audit does not answer. Our fault.
    #[error("the mailroom cannot open views now")]
    Unavailable,
}

/// Why an open view does not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaildropError {
    /// The message's container is damaged. Our fault, and the vault's owner has been told.
    #[error("the message is damaged")]
    Damaged,
    /// The message has been deleted since the session began.
    #[error("the message is gone")]
    Gone,
    /// The credential has been revoked since the session began.
    #[error("the credential has been revoked")]
    Revoked,
    /// The store or the audit does not answer. Our fault.
    #[error("the maildrop is not available now")]
    Unavailable,
}

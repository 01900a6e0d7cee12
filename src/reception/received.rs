//! What a transaction ends in: the envelope, the content, and what became of them.

use std::net::IpAddr;

use super::content::Content;
use crate::clock::Timestamp;
use crate::names::{MessageId, TenantId, UserId};
use crate::wire::smtp::{Body, Dialect, Mailbox, ReversePath};

/// A message and its envelope. Has no `Debug`: all of it is somebody's secret.
pub struct Received {
    /// Where DSNs go; none for the null reverse path, which asks for no DSN (RFC 5321 §4.5.5).
    pub reverse_path: Option<ReversePath>,
    /// Whom it is for: at least one, no mailbox twice, and in SMTP all of one tenant.
    pub addressees: Vec<Addressee>,
    /// How it came.
    pub protocol: Protocol,
    /// Whence it came; none by a Unix socket. For the filter, never for trace fields or logs.
    pub peer: Option<IpAddr>,
    /// What the peer called itself (SPF checks it: RFC 7208 §2.3). As `peer`.
    pub hello: String,
    /// The message, octet for octet as it was sent.
    pub content: Content,
    /// When its last octet came.
    pub received_at: Timestamp,
    /// Whether addresses and header fields may hold UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// What the sender declares of the body.
    pub body: Body,
}

/// Somebody a message is for.
pub struct Addressee {
    /// The address, as the peer gave it.
    pub mailbox: Mailbox,
    /// Whose mailbox that is.
    pub target: UserRef,
    /// Whose it is besides, all of one tenant.
    pub others: Vec<UserRef>,
}

/// A mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserRef {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
}

/// What the directory says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is a mailbox here.
    Local(UserRef),
    /// It is for several: the first of them, and the others.
    Shared(UserRef, Vec<UserRef>),
    /// It is a mailbox that has no room now.
    Full,
    /// It is one that takes no mail until it is switched on again.
    Off,
    /// It is not.
    Unknown,
    /// It is, but takes no mail for now, as when its tenant's policy does not load.
    Deferred,
}

/// How a message came: the `with` of its Received field (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The greeting used.
    pub dialect: Dialect,
    /// Whether TLS protected the transaction.
    pub tls: bool,
    /// Whether it was an SMTPUTF8 transaction.
    pub smtputf8: bool,
}

impl Protocol {
    /// The registered keyword.
    pub fn keyword(self) -> &'static str {
        match (self.dialect, self.smtputf8, self.tls) {
            (Dialect::Helo, ..) => "SMTP",
            (Dialect::Ehlo, false, false) => "ESMTP",
            (Dialect::Ehlo, false, true) => "ESMTPS",
            (Dialect::Ehlo, true, false) => "UTF8SMTP",
            (Dialect::Ehlo, true, true) => "UTF8SMTPS",
            (Dialect::Lhlo, false, false) => "LMTP",
            (Dialect::Lhlo, false, true) => "LMTPS",
            (Dialect::Lhlo, true, false) => "UTF8LMTP",
            (Dialect::Lhlo, true, true) => "UTF8LMTPS",
        }
    }
}

/// What became of a message for one addressee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable under this identifier.
    Stored(MessageId),
    /// Not now; the peer shall try again.
    Deferred,
    /// Never.
    Rejected(Reason),
}

/// Why a message is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The mailbox has gone since RCPT.
    Unknown,
    /// The mailbox is full.
    Full,
    /// It carries something harmful.
    Harmful,
    /// It is unwanted: spam, or a rule of the tenant.
    Unwanted,
    /// The sender's domain asks to reject it (DMARC).
    Unauthenticated,
    /// It is more than our limits of form allow.
    Malformed,
}

//! The states of a session (RFC 5321 §3.3, §4.1.4), one type each: what a state does not allow has
//! no method there.
//!
//! ```text
//! Fresh ─hello─▶ Greeted ─MAIL─▶ Mailing ─RCPT─▶ Addressed ─DATA─▶ Greeted
//!                                                    └─BDAT─▶ Chunking ─BDAT LAST─▶ Greeted
//! ```
//! A greeting or RSET leads from everywhere back to `Greeted`.

use super::content::Collector;
use super::error::Refusal;
use super::received::Addressee;
use super::settings::Role;
use super::transfer::Pace;
use crate::wire::smtp::{Dialect, Mail};

/// Where a session stands.
pub(super) enum State {
    /// Nobody has said hello, or TLS has just begun and all from before is forgotten (RFC 3207 §4.2).
    Fresh,
    /// Ready for a transaction.
    Greeted(Greeted),
    /// MAIL was accepted.
    Mailing(Mailing),
    /// At least one addressee was accepted.
    Addressed(Addressed),
    /// At least one chunk was accepted.
    Chunking(Box<Chunking>),
}

impl State {
    /// The state without its transaction.
    pub fn reset(self) -> Self {
        match self {
            Self::Fresh => Self::Fresh,
            Self::Greeted(greeted) => Self::Greeted(greeted),
            Self::Mailing(mailing) => Self::Greeted(mailing.greeted),
            Self::Addressed(addressed) => Self::Greeted(addressed.greeted),
            Self::Chunking(chunking) => Self::Greeted(chunking.addressed.greeted),
        }
    }
}

/// The peer has said hello.
pub(super) struct Greeted {
    /// With which command.
    pub dialect: Dialect,
    /// Under which name.
    pub name: String,
}

impl Greeted {
    /// Begins a transaction.
    pub fn begin(self, mail: Mail) -> Mailing {
        Mailing { greeted: self, mail }
    }
}

/// A transaction without addressees.
pub(super) struct Mailing {
    greeted: Greeted,
    mail: Mail,
}

impl Mailing {
    /// The reverse path and its parameters.
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Adds the first addressee.
    pub fn admit(self, addressee: Addressee) -> Addressed {
        let Self { greeted, mail } = self;
        Addressed { greeted, mail, addressees: vec![addressee], accepted: vec![0] }
    }
}

/// A transaction with addressees.
pub(super) struct Addressed {
    /// The greeting, to go back to.
    pub greeted: Greeted,
    /// The reverse path and its parameters.
    pub mail: Mail,
    /// Each mailbox once.
    pub addressees: Vec<Addressee>,
    /// For each accepted RCPT, in order, which of `addressees` it meant: LMTP answers for each.
    pub accepted: Vec<usize>,
}

impl Addressed {
    /// Whether one more addressee is allowed.
    pub fn check_room(&self, limit: usize) -> Result<(), Refusal> {
        if self.accepted.len() < limit { Ok(()) } else { Err(Refusal::TooManyAddressees) }
    }

    /// Adds an addressee. A mailbox named before, under whatever address, gets the message once.
    ///
    /// SMTP has one reply for all addressees, so it takes those of one tenant only: tenants have
    /// filters, policies and keys of their own, and when they disagree no single reply is true. 452
    /// makes the peer send to the others in another transaction (RFC 5321 §4.5.3.1.10). Peers
    /// sort their addressees by domain anyway, and a domain belongs to one tenant as a rule.
    pub fn admit(&mut self, addressee: Addressee, role: Role) -> Result<(), Refusal> {
        let tenant = self.addressees[0].target.tenant; // there is at least one in this state
        if role == Role::Mx && addressee.target.tenant != tenant {
            return Err(Refusal::OtherTenant);
        }
        // One that stands for several people is answered for all of them: it is the same as nobody alone.
        let alone = addressee.others.is_empty();
        let same = |known: &Addressee| alone && known.others.is_empty() && known.target == addressee.target;
        let known = self.addressees.iter().position(same);
        self.accepted.push(known.unwrap_or(self.addressees.len()));
        if known.is_none() {
            self.addressees.push(addressee);
        }
        Ok(())
    }

    /// Begins a message in chunks.
    pub fn begin_chunks(self, collector: Collector, pace: Pace) -> Box<Chunking> {
        Box::new(Chunking { addressed: self, collector, pace })
    }
}

/// A message that comes in chunks (RFC 3030).
pub(super) struct Chunking {
    /// The transaction.
    pub addressed: Addressed,
    /// What has come so far.
    pub collector: Collector,
    /// How fast it comes, the waits between chunks included: a message holds memory meanwhile.
    pub pace: Pace,
}

//! Challenges that wait for their answer: one for a signed-in session, good once and for five minutes.
//!
//! They live in memory only: after a restart the person begins again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration};

use crate::clock::Timestamp;
use crate::names::CredentialId;
use crate::owner::OwnerError;
use crate::owner::sessions::{Latest, SessionId};
use crate::tenant::registry::UserRef;

/// What an authenticator was asked.
pub(super) enum Ceremony {
    /// To make a passkey.
    Adding {
        state: Box<PasskeyRegistration>,
        /// For the pseudo-random function.
        salt: [u8; 32],
    },
    /// To sign with one.
    Unlocking {
        state: Box<PasskeyAuthentication>,
        /// SHA-256 of the sealed rows that the state was made from: it holds their signature
        /// counters, so it is worth nothing once one has changed.
        read: HashMap<CredentialId, [u8; 32]>,
    },
}

struct Pending {
    user: UserRef,
    since: Timestamp,
    ceremony: Ceremony,
}

/// The challenges that wait.
#[derive(Default)]
pub struct Ceremonies(Mutex<Table>);

#[derive(Default)]
struct Table {
    pending: HashMap<SessionId, Pending>,
    latest: Latest,
}

impl Ceremonies {
    /// Keeps a challenge in the place of one that the session began before.
    pub(super) fn begin(
        &self,
        (session, user): (SessionId, UserRef),
        ceremony: Ceremony,
        now: Timestamp,
    ) -> Result<(), OwnerError> {
        let mut table = self.at(now);
        let pending = &mut table.pending;
        if pending.len() >= MAX_PENDING && !pending.contains_key(&session) {
            return Err(OwnerError::SoftLocked(Duration::from_secs(60)));
        }
        pending.insert(session, Pending { user, since: now, ceremony });
        Ok(())
    }

    /// Takes the session's challenge out, whatever comes of it.
    pub(super) fn take(&self, (session, user): (SessionId, UserRef), now: Timestamp) -> Option<Ceremony> {
        let pending = self.at(now).pending.remove(&session)?;
        (pending.user == user).then_some(pending.ceremony)
    }

    /// Those that are live at `now`. The others are gone for good, whatever the clock says next.
    fn at(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Table> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        let mut table = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let back = table.latest.went_back(now);
        table.pending.retain(|_, pending| !back && pending.is_live(now));
        table
    }
}

impl Pending {
    /// A clock that is set back ends a challenge, and lengthens none.
    fn is_live(&self, now: Timestamp) -> bool {
        now >= self.since && now < self.since.plus(LASTS)
    }
}

/// As long as browsers are told to wait (WebAuthn level 3 §15.1: 300 to 600 s where a person has to
/// do something).
const LASTS: Duration = Duration::from_secs(300);
/// A bound for memory: each holds its user's public keys, at most some 20 KiB.
const MAX_PENDING: usize = 1000;

//! Unlock sessions. Between calls the server holds the owner key wrapped under a key that only the
//! caller's token carries, so its memory alone does not open anything.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::passkey::Ceremonies;
use super::sign_ins::SignIns;
use super::{OwnerError, OwnerKey, Unlocked};
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::keyring::{Identity, RecordKey};
use crate::names::MessageId;
use crate::tenant::registry::UserRef;

/// Names a session on this side; not secret.
pub type SessionId = [u8; 16];

/// What the caller carries: the session's name and the half that opens the owner key.
pub struct Token {
    pub(super) id: SessionId,
    pub(super) half: RecordKey,
}

impl Token {
    /// Draws a new one.
    pub(super) fn generate() -> Self {
        Self { id: *crate::names::MessageId::random().as_bytes(), half: RecordKey::generate() }
    }

    /// As the caller keeps it.
    pub fn reveal(&self) -> Zeroizing<String> {
        let octets = Zeroizing::new([&self.id[..], self.half.expose()].concat());
        Zeroizing::new(BASE64URL_NOPAD.encode(&octets))
    }

    /// Reads [`Token::reveal`].
    pub fn parse(text: &str) -> Option<Self> {
        let octets = Zeroizing::new(BASE64URL_NOPAD.decode(text.trim().as_bytes()).ok()?);
        let (id, half) = octets.split_first_chunk::<16>()?;
        Some(Self { id: *id, half: RecordKey::from_bytes(half.try_into().ok()?) })
    }
}

/// A session as the server holds it.
struct Held {
    user: UserRef,
    wrapped: Vec<u8>,
    /// Outside of it the session is over.
    span: Range<Timestamp>,
    /// It ended, and waits for the log to say so: no clock that is set anew brings it back.
    over: bool,
    origin: Origin,
    revealed: u64,
    codes: Arc<Codes>,
}

/// The messages that a code of their own has opened in a session, each until when.
#[derive(Default)]
pub(super) struct Codes(pub(super) Mutex<HashMap<MessageId, Range<Timestamp>>>);

/// A session that is over.
pub struct Ended {
    /// Whose it was.
    pub user: UserRef,
    /// How many messages it revealed.
    pub revealed: u64,
}

/// The live sessions.
#[derive(Default)]
pub struct Sessions {
    unlocks: Mutex<Table>,
    /// Who is signed in to the dashboard.
    pub sign_ins: SignIns,
    /// Challenges to passkeys that wait for their answer.
    pub(super) ceremonies: Ceremonies,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, Held>,
    latest: Latest,
}

/// The latest time that was seen. Time that goes back ends sessions, and lengthens none.
#[derive(Default)]
pub(super) struct Latest(Option<Timestamp>);

impl Latest {
    /// Notes the time, and says whether it was set back: by more than clocks are corrected by all day.
    pub(super) fn went_back(&mut self, now: Timestamp) -> bool {
        let latest = self.0.unwrap_or(now);
        let back = now.plus(CORRECTED) < latest;
        self.0 = Some(if back { now } else { latest.max(now) });
        back
    }
}

impl Sessions {
    /// Opens a session that lasts for `span`.
    pub(super) fn open(
        &self,
        user: UserRef,
        key: &OwnerKey,
        span: Range<Timestamp>,
        origin: Origin,
    ) -> Result<Token, OwnerError> {
        let token = Token::generate();
        let wrapped = token.half.seal(&token.id, key.0.reveal().as_bytes());
        let mut table = self.at(span.start);
        if table.sessions.len() >= MAX_SESSIONS {
            return Err(OwnerError::SoftLocked(std::time::Duration::from_secs(60)));
        }
        table.sessions.insert(
            token.id,
            Held { user, wrapped, span, over: false, origin, revealed: 0, codes: Arc::default() },
        );
        Ok(token)
    }

    /// Opens the owner key of a live session.
    pub fn resume(&self, token: &Token, now: Timestamp) -> Result<Unlocked, OwnerError> {
        let table = self.at(now);
        let live = |session: &&Held| !session.over;
        let session = table.sessions.get(&token.id).filter(live).ok_or(OwnerError::SessionEnded)?;
        let text = token.half.open(&token.id, &session.wrapped).map_err(|_| OwnerError::SessionEnded)?;
        let text = std::str::from_utf8(&text).map_err(|_| OwnerError::SessionEnded)?;
        let key = OwnerKey(Identity::parse(text)?);
        let codes = Arc::downgrade(&session.codes);
        Ok(Unlocked { user: session.user, key, session: Some(token.id), origin: session.origin, codes })
    }

    /// Whether the session that this was resumed from is still open. A key that came by the recovery
    /// code has none, and is never asked.
    pub fn is_open(&self, unlocked: &Unlocked, now: Timestamp) -> bool {
        let table = self.at(now);
        unlocked.session.and_then(|id| table.sessions.get(&id)).is_some_and(|session| !session.over)
    }

    /// Whether a user has any session open.
    pub fn has_any(&self, user: UserRef, now: Timestamp) -> bool {
        self.at(now).sessions.values().any(|session| session.user == user && !session.over)
    }

    /// Counts messages that an unlocked owner was shown.
    pub fn count_revealed(&self, unlocked: &Unlocked, messages: u64) {
        if let Some(id) = unlocked.session
            && let Some(held) = self.held().sessions.get_mut(&id)
        {
            held.revealed += messages;
        }
    }

    /// Ends a session; only its token can.
    pub fn close(&self, token: &Token) -> Option<Ended> {
        let held = &mut self.held().sessions;
        token.half.open(&token.id, &held.get(&token.id)?.wrapped).ok()?;
        held.remove(&token.id).map(Held::ended)
    }

    /// Ends a signed-in session of this user, and the unlock that was opened in it. None if the user
    /// has no such session; no token is needed, since it only takes away.
    pub fn close_sign_in(&self, user: UserRef, id: &SessionId) -> Option<Option<Ended>> {
        let closed = self.sign_ins.close(user, id)?;
        let held = &mut self.held().sessions;
        let unlock = closed.unlock.filter(|id| held.get(id).is_some_and(|session| session.user == user));
        Some(unlock.and_then(|id| held.remove(&id)).map(Held::ended))
    }

    /// Ends the sessions whose time is over at `now`.
    pub fn expire(&self, now: Timestamp) -> Vec<Ended> {
        self.at(now)
            .sessions
            .extract_if(|_, session| session.over)
            .map(|(_, session)| session.ended())
            .collect()
    }

    /// Ends every session of a user, signed-in ones too: their password, phone or rights have changed.
    pub fn close_all_of(&self, user: UserRef) -> Vec<Ended> {
        self.sign_ins.close_all_of(user);
        self.held()
            .sessions
            .extract_if(|_, session| session.user == user)
            .map(|(_, session)| session.ended())
            .collect()
    }

    /// How many unlock sessions are open.
    pub fn count(&self, now: Timestamp) -> usize {
        self.at(now).sessions.values().filter(|session| !session.over).count()
    }

    /// The sessions, those that are over at `now` marked for good.
    fn at(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Table> {
        let mut table = self.held();
        let back = table.latest.went_back(now);
        for session in table.sessions.values_mut() {
            session.over |= back || !session.span.contains(&now);
        }
        table
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Table> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        self.unlocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Held {
    fn ended(self) -> Ended {
        Ended { user: self.user, revealed: self.revealed }
    }
}

/// More live sessions than people at one server; a bound for memory.
const MAX_SESSIONS: usize = 10_000;
/// Seconds back that are no setting of the clock: NTP steps by less, and a second is as it is cut.
const CORRECTED: std::time::Duration = std::time::Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const LATER: Timestamp = Timestamp::from_unix(1_800_000_600);

    fn session() -> (Sessions, Token, String) {
        let sessions = Sessions::default();
        let key = OwnerKey(Identity::generate());
        let text = key.0.reveal().to_string();
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let token = sessions.open(user, &key, NOW..LATER, Origin::UnixSocket).expect("there is room");
        (sessions, token, text)
    }

    #[test]
    fn a_token_opens_its_session_until_its_end() {
        let (sessions, token, text) = session();
        let token = Token::parse(&token.reveal()).expect("a token is read as it is printed");
        let unlocked = sessions.resume(&token, NOW).expect("live");
        assert_eq!(*unlocked.key.0.reveal(), text);
        assert!(sessions.is_open(&unlocked, NOW) && !sessions.is_open(&unlocked, LATER));
        assert!(matches!(sessions.resume(&token, LATER), Err(OwnerError::SessionEnded)));
        assert_eq!(sessions.expire(LATER).len(), 1);
        assert!(matches!(sessions.resume(&token, NOW), Err(OwnerError::SessionEnded)));
        assert!(!sessions.is_open(&unlocked, NOW));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_sessions() {
        let (sessions, token, _) = session();
        let yesterday = Timestamp::from_unix(NOW.unix() - 86_400);
        assert!(matches!(sessions.resume(&token, yesterday), Err(OwnerError::SessionEnded)));
        assert_eq!(sessions.expire(yesterday).len(), 1);
    }

    #[test]
    fn a_session_that_a_clock_has_ended_stays_ended() {
        let yesterday = Timestamp::from_unix(NOW.unix() - 86_400);
        let within = Timestamp::from_unix(NOW.unix() + 300);
        for (seen, set) in [(NOW, yesterday), (within, NOW), (LATER, NOW)] {
            let (sessions, token, _) = session();
            let _live_or_over = sessions.resume(&token, seen);
            assert_eq!(sessions.count(set), 0, "{set:?} after {seen:?}");
            for now in [set, NOW, within] {
                assert!(matches!(sessions.resume(&token, now), Err(OwnerError::SessionEnded)), "{now:?}");
            }
            assert_eq!(sessions.expire(within).len(), 1, "and the log hears of it");
        }
    }

    #[test]
    fn a_clock_that_is_corrected_by_a_second_ends_nothing() {
        let (sessions, token, _) = session();
        for seconds in [5, 4, 5, 3, 5] {
            let now = Timestamp::from_unix(NOW.unix() + seconds);
            assert!(sessions.resume(&token, now).is_ok());
        }
        // And it lengthens nothing beyond that second.
        let end = Timestamp::from_unix(LATER.unix() - 1);
        assert!(sessions.resume(&token, end).is_ok());
        assert!(sessions.resume(&token, LATER).is_err());
        assert!(sessions.resume(&token, end).is_err());
    }

    #[test]
    fn the_name_of_a_session_alone_opens_and_closes_nothing() {
        let (sessions, token, _) = session();
        let forged = Token { id: token.id, half: RecordKey::generate() };
        assert!(matches!(sessions.resume(&forged, NOW), Err(OwnerError::SessionEnded)));
        assert!(sessions.close(&forged).is_none());
        assert!(sessions.close(&token).is_some());
    }

    #[test]
    fn what_the_server_holds_does_not_name_the_key() {
        let (sessions, token, text) = session();
        let held = sessions.held();
        let wrapped = &held.sessions[&token.id].wrapped;
        assert!(!wrapped.windows(16).any(|window| text.as_bytes().windows(16).any(|part| part == window)));
    }
}

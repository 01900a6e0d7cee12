//! Unlock sessions. Between calls the server holds the owner key wrapped under a key that only the
//! caller's token carries, so its memory alone does not open anything.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::passkey::Ceremonies;
use super::sign_ins::{SignIns, Since, Visit};
use super::step_up::Codes;
use super::{OwnerError, OwnerKey, Unlocked};
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::keyring::{Identity, RecordKey};
use crate::names::TenantId;
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

    /// The session's name; not secret.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Seals something that only the caller of this session may open again.
    pub fn seal(&self, purpose: &[u8], octets: &[u8]) -> Vec<u8> {
        self.half.seal(purpose, octets)
    }

    /// Opens what [`Token::seal`] sealed.
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.half.open(purpose, sealed).ok().map(|octets| Zeroizing::new(octets.to_vec()))
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
    /// It ends so long after its last use, too.
    idle: Duration,
    used: Timestamp,
    origin: Origin,
    revealed: u64,
    codes: Arc<Codes>,
}

/// A session that is over.
pub struct Ended {
    /// Whose it was.
    pub user: UserRef,
    /// How many messages it revealed.
    pub revealed: u64,
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasts {
    /// From its last use.
    pub idle: Duration,
    /// From its beginning, however much it is used.
    pub longest: Duration,
}

/// When a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Unless it is used before.
    pub until: Timestamp,
    /// In any case.
    pub longest: Timestamp,
}

/// The live sessions.
#[derive(Default)]
pub struct Sessions {
    unlocks: Mutex<Table>,
    /// Grows whenever a session begins or ends.
    changes: tokio::sync::watch::Sender<u64>,
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
    /// Opens a session that begins now, for whoever has proven since `since` who they are.
    pub(super) fn open(
        &self,
        user: UserRef,
        key: &OwnerKey,
        now: Timestamp,
        lasts: Lasts,
        origin: Origin,
        since: Since,
    ) -> Result<Token, OwnerError> {
        let token = Token::generate();
        let wrapped = token.half.seal(&token.id, key.0.reveal().as_bytes());
        let mut table = self.at(now);
        // Whoever ends all sessions notes that first: either it is seen here, or they find this one.
        if self.sign_ins.ended_since(user, since) {
            return Err(OwnerError::SessionEnded);
        }
        if table.sessions.len() >= MAX_SESSIONS {
            return Err(OwnerError::SoftLocked(Duration::from_secs(60)));
        }
        let (span, idle, codes) = (now..now.plus(lasts.longest), lasts.idle, Arc::default());
        let held = Held { user, wrapped, span, over: false, idle, used: now, origin, revealed: 0, codes };
        table.sessions.insert(token.id, held);
        drop(table);
        self.tell();
        Ok(token)
    }

    /// Wakes whoever waits for a session to begin or end.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Resumes a signed-in session and the unlock in it, which this uses.
    pub fn visit(
        &self,
        token: &Token,
        browser: &[u8; 32],
        origin: Origin,
        now: Timestamp,
    ) -> Result<Visit, OwnerError> {
        let visit = self.sign_ins.resume(token, browser, origin, now)?;
        if let Some(unlock) = &visit.unlock
            && let Some(held) = self.at(now).sessions.get_mut(&unlock.id)
            && !held.over
        {
            held.touch(now);
        }
        Ok(self.with_term(visit, now))
    }

    /// The same without using anything: a page that asks by itself is no person.
    pub fn look(
        &self,
        token: &Token,
        browser: &[u8; 32],
        origin: Origin,
        now: Timestamp,
    ) -> Result<Visit, OwnerError> {
        Ok(self.with_term(self.sign_ins.look(token, browser, origin, now)?, now))
    }

    /// An unlock that has ended, by whoever ended it, is none.
    fn with_term(&self, mut visit: Visit, now: Timestamp) -> Visit {
        visit.term = visit.unlock.as_ref().and_then(|token| self.term(token, now));
        visit.unlock.take_if(|_| visit.term.is_none());
        visit
    }

    /// When a live session ends.
    pub fn term(&self, token: &Token, now: Timestamp) -> Option<Term> {
        self.at(now).sessions.get(&token.id).filter(|held| !held.over).map(Held::term)
    }

    /// Opens the owner key of a live session, which this uses.
    pub fn resume(&self, token: &Token, now: Timestamp) -> Result<Unlocked, OwnerError> {
        let mut table = self.at(now);
        let live = |session: &&mut Held| !session.over;
        let session = table.sessions.get_mut(&token.id).filter(live).ok_or(OwnerError::SessionEnded)?;
        let text = token.half.open(&token.id, &session.wrapped).map_err(|_| OwnerError::SessionEnded)?;
        let text = std::str::from_utf8(&text).map_err(|_| OwnerError::SessionEnded)?;
        let key = OwnerKey(Identity::parse(text)?);
        session.touch(now);
        let codes = Arc::downgrade(&session.codes);
        Ok(Unlocked { user: session.user, key, session: Some(token.id), origin: session.origin, codes })
    }

    /// Whether the session that this was resumed from is still open. A key that came by the recovery
    /// code has none, and is never asked.
    pub fn is_open(&self, unlocked: &Unlocked, now: Timestamp) -> bool {
        let table = self.at(now);
        unlocked.session.and_then(|id| table.sessions.get(&id)).is_some_and(|session| !session.over)
    }

    /// Whose a live session is and when it ends, for whoever carries its token. Asking is no use of it.
    pub fn state(&self, token: &Token, now: Timestamp) -> Option<(UserRef, Term)> {
        let table = self.at(now);
        let held = table.sessions.get(&token.id).filter(|held| !held.over)?;
        token.half.open(&token.id, &held.wrapped).ok()?;
        Some((held.user, held.term()))
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
        let mut table = self.held();
        token.half.open(&token.id, &table.sessions.get(&token.id)?.wrapped).ok()?;
        let ended = table.sessions.remove(&token.id).map(Held::ended);
        drop(table);
        self.sign_ins.forget_unlocks(&[token.id]);
        self.tell();
        ended
    }

    /// Ends a signed-in session of this user, and the unlock that was opened in it. None if the user
    /// has no such session; no token is needed, since it only takes away.
    pub fn close_sign_in(&self, user: UserRef, id: &SessionId) -> Option<Option<Ended>> {
        let closed = self.sign_ins.close(user, id)?;
        let mut table = self.held();
        let held = &mut table.sessions;
        let unlock = closed.unlock.filter(|id| held.get(id).is_some_and(|session| session.user == user));
        let ended = unlock.and_then(|id| held.remove(&id)).map(Held::ended);
        drop(table);
        self.tell();
        Some(ended)
    }

    /// Ends the sessions whose time is over at `now`.
    pub fn expire(&self, now: Timestamp) -> Vec<Ended> {
        drop(self.at(now));
        self.end(|session| session.over)
    }

    /// Ends every session of a user, signed-in ones too: their password, phone or rights have changed.
    pub fn close_all_of(&self, user: UserRef) -> Vec<Ended> {
        self.sign_ins.close_all_of(user);
        let ended = self.end(|session| session.user == user);
        self.tell();
        ended
    }

    fn end(&self, over: impl Fn(&Held) -> bool) -> Vec<Ended> {
        let ended: Vec<_> = self.held().sessions.extract_if(|_, session| over(session)).collect();
        if !ended.is_empty() {
            self.sign_ins.forget_unlocks(&ended.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            self.tell();
        }
        ended.into_iter().map(|(_, session)| session.ended()).collect()
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How many unlock sessions are open.
    pub fn count(&self, now: Timestamp) -> usize {
        self.at(now).sessions.values().filter(|session| !session.over).count()
    }

    /// How many unlock sessions of a tenant are open.
    pub fn count_of(&self, tenant: TenantId, now: Timestamp) -> usize {
        let ours = |session: &&Held| session.user.tenant == tenant && !session.over;
        self.at(now).sessions.values().filter(ours).count()
    }

    /// The sessions, those that are over at `now` marked for good.
    fn at(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Table> {
        let mut table = self.held();
        let back = table.latest.went_back(now);
        for session in table.sessions.values_mut() {
            session.over |= back || !session.is_within(now);
        }
        table
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Table> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        self.unlocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Held {
    fn is_within(&self, now: Timestamp) -> bool {
        self.span.contains(&now) && now < self.used.plus(self.idle)
    }

    fn touch(&mut self, now: Timestamp) {
        self.used = self.used.max(now);
    }

    fn term(&self) -> Term {
        Term { until: self.used.plus(self.idle).min(self.span.end), longest: self.span.end }
    }

    fn ended(self) -> Ended {
        Ended { user: self.user, revealed: self.revealed }
    }
}

/// More live sessions than people at one server; a bound for memory.
const MAX_SESSIONS: usize = 10_000;
/// Seconds back that are no setting of the clock: NTP steps by less, and a second is as it is cut.
const CORRECTED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const LATER: Timestamp = Timestamp::from_unix(1_800_000_600);

    fn session() -> (Sessions, Token, String) {
        lasting(600, 600)
    }

    fn lasting(idle: u64, longest: u64) -> (Sessions, Token, String) {
        let sessions = Sessions::default();
        let key = OwnerKey(Identity::generate());
        let text = key.0.reveal().to_string();
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let lasts = Lasts { idle: Duration::from_secs(idle), longest: Duration::from_secs(longest) };
        let token = sessions
            .open(user, &key, NOW, lasts, Origin::UnixSocket, sessions.sign_ins.since())
            .expect("there is room");
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
    fn a_session_runs_from_its_last_use_and_no_longer_than_its_longest() {
        let (sessions, token, _) = lasting(600, 900);
        let at = |seconds: i64| Timestamp::from_unix(NOW.unix() + seconds);
        let ends = |now| sessions.term(&token, now).map(|term| (term.until, term.longest));
        assert_eq!(ends(NOW), Some((LATER, at(900))));
        assert_eq!(ends(at(500)), Some((LATER, at(900))), "a look is no use");
        sessions.resume(&token, at(500)).expect("live");
        assert_eq!(ends(at(599)), Some((at(900), at(900))), "not beyond the longest");
        assert!(sessions.resume(&token, at(899)).is_ok() && sessions.resume(&token, at(900)).is_err());
        let (sessions, token, _) = lasting(600, 900);
        assert!(sessions.resume(&token, at(600)).is_err(), "nobody used it");
        assert_eq!(sessions.term(&token, at(600)), None);
    }

    #[test]
    fn whoever_waits_learns_of_every_end() {
        let told = |changes: &mut tokio::sync::watch::Receiver<u64>| {
            let told = changes.has_changed().expect("it lives");
            changes.mark_unchanged();
            told
        };
        let (sessions, token, _) = session();
        let mut changes = sessions.changes();
        assert!(sessions.resume(&token, NOW).is_ok() && !told(&mut changes));
        assert!(sessions.expire(NOW).is_empty() && !told(&mut changes));
        assert!(sessions.close(&token).is_some() && told(&mut changes));
        let (sessions, token, _) = session();
        let (mut changes, user) = (sessions.changes(), sessions.resume(&token, NOW).expect("live").user());
        assert!(sessions.close_all_of(user).len() == 1 && told(&mut changes));
        let (sessions, _token, _) = session();
        let mut changes = sessions.changes();
        assert!(sessions.expire(LATER).len() == 1 && told(&mut changes));
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

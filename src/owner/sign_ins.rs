//! Signed-in sessions of the dashboard. What the password opened is kept wrapped under a half that
//! only the browser's cookie carries, as unlock sessions keep the owner key.
//!
//! A session belongs to one browser (its `User-Agent`) and is short: it ends after an hour of
//! silence and after half a day in any case. An unlock within it belongs to one network address.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zeroize::Zeroizing;

use super::OwnerError;
use super::familiar::Familiar;
use super::sessions::{Latest, SessionId, Term, Token};
use super::sign_in::SignedIn;
use super::stretch::Stretched;
use crate::audit::{Origin, Recorded};
use crate::clock::Timestamp;
use crate::keyring::{Identity, PasswordKey, RecordKey};
use crate::names::{TenantId, UserId, ViewId};
use crate::tenant::registry::UserRef;

/// The browser at the other end.
#[derive(Clone, PartialEq, Eq)]
pub struct Browser {
    /// SHA-256 of its `User-Agent`.
    pub print: [u8; 32],
    /// What people call it, as `Firefox on Linux`.
    pub label: String,
}

/// A session as the server holds it.
struct Held {
    user: UserRef,
    view: ViewId,
    /// Identity of the view, then the stretched password, then the one for slots wrapped anew.
    wrapped: Vec<u8>,
    recorded: Arc<Recorded>,
    since: Timestamp,
    seen: Timestamp,
    origin: Origin,
    browser: Browser,
    csrf: String,
    unlock: Option<HeldUnlock>,
}

struct HeldUnlock {
    /// Which unlock session; not secret.
    id: SessionId,
    /// Its token, wrapped.
    token: Vec<u8>,
    until: Timestamp,
    origin: Origin,
}

/// The live sessions.
#[derive(Default)]
pub struct SignIns(Mutex<Table>);

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, Held>,
    latest: Latest,
    /// How often all sessions of somebody were ended, and the last time of each user.
    endings: u64,
    ended: HashMap<UserRef, u64>,
}

/// When somebody began to prove who they are. What proves it (a password, a phone, the right to be here)
/// changes first, and then all sessions of the user are ended; whoever began before that and comes to
/// the end of it after begins none.
#[derive(Clone, Copy, Debug)]
pub struct Since(u64);

/// A session that a request has resumed.
pub struct Visit {
    /// The session's name; not secret.
    pub id: SessionId,
    /// Who.
    pub user: UserRef,
    /// The view that the dashboard lists.
    pub view: ViewId,
    /// The proof that its opening was recorded.
    pub recorded: Arc<Recorded>,
    /// What every form of this session carries.
    pub csrf: String,
    /// The unlock session.
    pub unlock: Option<Token>,
    /// When that ends; none while everything is sealed.
    pub term: Option<Term>,
    /// What the browser is known for besides the session; whoever reads its cookies sets it.
    pub familiar: Option<Familiar>,
    wrapped: Zeroizing<Vec<u8>>,
}

/// A session in a person's list of sessions.
pub struct Shown {
    /// Its name.
    pub id: SessionId,
    /// When it began.
    pub since: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// From where it began.
    pub origin: Origin,
    /// In which browser.
    pub browser: String,
    /// Whether the whole is open in it.
    pub unlocked: bool,
}

/// A session that was ended.
pub(super) struct Closed {
    /// The unlock session that was opened in it.
    pub unlock: Option<SessionId>,
}

impl Table {
    fn has_ended(&self, user: UserRef, Since(since): Since) -> bool {
        self.ended.get(&user).is_some_and(|number| *number > since)
    }
}

impl SignIns {
    /// Taken before anything is read that the proof rests on.
    pub fn since(&self) -> Since {
        Since(self.held().endings)
    }

    /// Whether all sessions of a user were ended since.
    pub(super) fn ended_since(&self, user: UserRef, since: Since) -> bool {
        self.held().has_ended(user, since)
    }

    /// Begins a session.
    pub fn open(
        &self,
        signed: SignedIn,
        browser: Browser,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Token, OwnerError> {
        let token = Token::generate();
        let mut secret = Zeroizing::new(Vec::with_capacity(512));
        secret.extend_from_slice(signed.identity.expose());
        let Stretched { key, next } = &signed.password;
        for key in [Some(key), next.as_ref()].into_iter().flatten() {
            let key = key.expose();
            // A stretched password has some 70 octets.
            secret.push(u8::try_from(key.len()).map_err(|_| OwnerError::Unavailable)?);
            secret.extend_from_slice(&key);
        }
        let held = Held {
            user: signed.user,
            view: signed.view,
            wrapped: token.half.seal(&token.id, &secret),
            recorded: Arc::new(signed.recorded),
            since: now,
            seen: now,
            origin,
            browser,
            csrf: data_encoding::BASE64URL_NOPAD.encode(RecordKey::generate().expose()),
            unlock: None,
        };
        let mut table = self.at(now);
        if table.has_ended(held.user, signed.since) {
            return Err(OwnerError::Refused);
        }
        let sessions = &mut table.sessions;
        if sessions.len() >= MAX_SESSIONS {
            return Err(OwnerError::SoftLocked(Duration::from_secs(60)));
        }
        sessions.insert(token.id, held);
        Ok(token)
    }

    /// Resumes a live session for the browser that began it. An unlock in it counts only at the
    /// network address that it was made from.
    pub fn resume(
        &self,
        token: &Token,
        browser: &[u8; 32],
        origin: Origin,
        now: Timestamp,
    ) -> Result<Visit, OwnerError> {
        let visit = self.look(token, browser, origin, now)?;
        if let Some(held) = self.held().sessions.get_mut(&token.id) {
            held.seen = held.seen.max(now);
        }
        Ok(visit)
    }

    /// The same, and the session is as long unused as before.
    pub fn look(
        &self,
        token: &Token,
        browser: &[u8; 32],
        origin: Origin,
        now: Timestamp,
    ) -> Result<Visit, OwnerError> {
        let mut table = self.at(now);
        let fits = |held: &&mut Held| held.browser.print == *browser;
        let held = table.sessions.get_mut(&token.id).filter(fits).ok_or(OwnerError::SessionEnded)?;
        let opened = token.half.open(&token.id, &held.wrapped).map_err(|_| OwnerError::SessionEnded)?;
        held.unlock.take_if(|unlock| now >= unlock.until || now < held.since);
        let unlock = held.unlock.as_ref().filter(|unlock| unlock.origin == origin);
        let unlock = unlock.and_then(|unlock| {
            let text = token.half.open(UNLOCK, &unlock.token).ok()?;
            Token::parse(std::str::from_utf8(&text).ok()?)
        });
        Ok(Visit {
            id: token.id,
            user: held.user,
            view: held.view,
            recorded: held.recorded.clone(),
            csrf: held.csrf.clone(),
            unlock,
            term: None,
            familiar: None,
            wrapped: Zeroizing::new(opened.to_vec()),
        })
    }

    /// Keeps an unlock in the session that asked for it.
    pub fn attach(&self, token: &Token, unlock: &Token, until: Timestamp, origin: Origin) {
        let wrapped = token.half.seal(UNLOCK, unlock.reveal().as_bytes());
        if let Some(held) = self.held().sessions.get_mut(&token.id) {
            held.unlock = Some(HeldUnlock { id: unlock.id, token: wrapped, until, origin });
        }
    }

    /// Forgets unlocks that have ended, in whichever session they were.
    pub(super) fn forget_unlocks(&self, ended: &[SessionId]) {
        for held in self.held().sessions.values_mut() {
            held.unlock.take_if(|unlock| ended.contains(&unlock.id));
        }
    }

    /// Forgets the unlock of a session.
    pub fn detach(&self, id: &SessionId) {
        if let Some(held) = self.held().sessions.get_mut(id) {
            held.unlock = None;
        }
    }

    /// Ends a session of this user; none if there is no such one. The unlock that it holds is for
    /// [`super::sessions::Sessions::close_sign_in`] to end.
    pub(super) fn close(&self, user: UserRef, id: &SessionId) -> Option<Closed> {
        let sessions = &mut self.held().sessions;
        sessions.get(id).filter(|held| held.user == user)?;
        sessions.remove(id).map(|held| Closed { unlock: held.unlock.map(|unlock| unlock.id) })
    }

    /// Ends every session of a user.
    pub fn close_all_of(&self, user: UserRef) {
        let mut table = self.held();
        table.endings += 1;
        let number = table.endings;
        table.ended.insert(user, number);
        table.sessions.retain(|_, held| held.user != user);
    }

    /// The live sessions of a user, newest first.
    pub fn list(&self, user: UserRef, now: Timestamp) -> Vec<Shown> {
        let table = self.at(now);
        let mine = table.sessions.iter().filter(|(_, held)| held.user == user);
        let mut shown: Vec<Shown> = mine
            .map(|(id, held)| Shown {
                id: *id,
                since: held.since,
                seen: held.seen,
                origin: held.origin,
                browser: held.browser.label.clone(),
                unlocked: held.unlock.as_ref().is_some_and(|unlock| now < unlock.until),
            })
            .collect();
        shown.sort_by_key(|session| std::cmp::Reverse(session.since));
        shown
    }

    /// The live sessions of a tenant's users, newest first.
    pub fn list_of_tenant(&self, tenant: TenantId, now: Timestamp) -> Vec<(UserRef, Shown)> {
        let users: BTreeSet<UserId> = {
            let table = self.held();
            let ours = table.sessions.values().filter(|held| held.user.tenant == tenant);
            ours.map(|held| held.user.user).collect()
        };
        let users = users.into_iter().map(|user| UserRef { tenant, user });
        let mut shown: Vec<_> = users
            .flat_map(|user| self.list(user, now).into_iter().map(move |session| (user, session)))
            .collect();
        shown.sort_by_key(|(_, session)| std::cmp::Reverse(session.since));
        shown
    }

    /// How many sessions are live.
    pub fn count(&self, now: Timestamp) -> usize {
        self.at(now).sessions.len()
    }

    /// The sessions that are live at `now`. The others are gone for good, whatever the clock says next.
    fn at(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Table> {
        let mut table = self.held();
        if table.latest.went_back(now) {
            table.sessions.clear();
        }
        table.sessions.retain(|_, session| session.is_live(now));
        table
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Table> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Held {
    fn is_live(&self, now: Timestamp) -> bool {
        now < self.since.plus(LONGEST) && now < self.seen.plus(SILENCE)
    }
}

impl Visit {
    /// The identity of the dashboard's view.
    pub(super) fn identity(&self) -> Result<Identity, OwnerError> {
        let octets = self.wrapped.first_chunk::<32>().ok_or(OwnerError::SessionEnded)?;
        Ok(Identity::from_bytes(octets))
    }

    /// What the password yielded at the sign-in.
    pub(super) fn password(&self) -> Result<Stretched, OwnerError> {
        let mut rest = self.wrapped.get(32..).unwrap_or_default();
        let mut keys = Vec::with_capacity(2);
        while let Some((length, behind)) = rest.split_first() {
            let (key, behind) =
                behind.split_at_checked(usize::from(*length)).ok_or(OwnerError::SessionEnded)?;
            keys.push(PasswordKey::from_exposed(key)?);
            rest = behind;
        }
        let mut keys = keys.into_iter();
        Ok(Stretched { key: keys.next().ok_or(OwnerError::SessionEnded)?, next: keys.next() })
    }
}

/// Associated data of a wrapped unlock token.
const UNLOCK: &[u8] = b"unlock";
/// A session ends after so long without a request.
const SILENCE: Duration = Duration::from_secs(60 * 60);
/// And after so long in any case.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// More live sessions than people at one server; a bound for memory.
const MAX_SESSIONS: usize = 10_000;

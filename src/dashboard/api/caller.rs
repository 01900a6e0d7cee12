//! The program behind a request: its token, what the token may do, and the unlock session that it
//! carries. No cookie is read here, so no browser can be talked into a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::super::House;
use super::super::asker::Asker;
use super::super::client::Client;
use super::problem::Problem;
use super::routes::{Opening, Route};
use super::scope::Scope;
use crate::admin::api::{Authority, Secret};
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::keyring::ApiToken;
use crate::net::listen::Standing;
use crate::owner::sessions::Token;
use crate::owner::tokens::{self, Bearer};
use crate::tenant::rows::SoftlockRow;
use crate::tenant::softlock;
use crate::vault::hashing::network;
use crate::vault::logins;

/// A program that was let in.
pub struct Caller {
    /// On whose behalf it asks.
    pub asker: Asker,
    /// What its token stands for.
    pub bearer: Bearer,
    /// The token: it wraps the unlock sessions that are opened with it.
    token: ApiToken,
    /// The unlock session of the request, found live.
    session: Option<Token>,
    /// A code for the message that is asked for, where each takes one.
    pub code: Option<Zeroizing<String>>,
}

impl Caller {
    /// The unlock session, as calls carry it.
    pub fn session(&self) -> Result<Secret, Problem> {
        self.optional_session().ok_or_else(Problem::locked)
    }

    /// The same where it is not needed in every case.
    pub fn optional_session(&self) -> Option<Secret> {
        self.session.as_ref().map(|token| Secret::new(token.reveal().to_string()))
    }

    /// What allows an act that reveals more.
    pub fn authority(&self) -> Result<Authority, Problem> {
        self.session().map(Authority::Session)
    }

    /// The unlock session itself.
    pub fn unlock(&self) -> Option<&Token> {
        self.session.as_ref()
    }

    /// A session as this program, and no other, may use it.
    pub fn wrap(&self, session: &Token) -> Secret {
        let wrapped = self.token.session_key().seal(SESSION, session.reveal().as_bytes());
        Secret::new(BASE64URL_NOPAD.encode(&wrapped))
    }
}

/// Lets a request through to its route if its token is good, has the route's scope, and brings the
/// unlock that the route needs. What a token's user may do is looked at again by what the route does.
pub async fn guard(
    State((house, route)): State<(Arc<House>, &'static Route)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(client) = Client::from_request_parts(&mut parts, &house).await;
    match admit(&house, route, &parts.headers, client.origin) {
        Ok(caller) => {
            if let Some(standing) = parts.extensions.get::<Standing>() {
                standing.proven();
            }
            parts.extensions.insert(Arc::new(caller));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn admit(house: &House, route: &Route, headers: &HeaderMap, origin: Origin) -> Result<Caller, Problem> {
    let now = house.vault.clock.now();
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(Problem::unknown());
    }
    let token = bearer(headers);
    // A text that is no token is looked up as one that was never issued: it takes the same time.
    let found = tokens::find(&house.vault, token.as_ref().unwrap_or(&ApiToken::generate()))?;
    let (Some(token), Some(bearer)) = (token, found) else {
        // Those who come with a good token from the same address do not wait for those who guess.
        logins::refused("api", origin);
        house.knocks.admit(origin, now)?;
        house.knocks.failed(origin, now);
        return Err(Problem::unknown());
    };
    tokens::note_use(&house.vault, &bearer)?;
    let asker = Asker {
        user: bearer.user,
        login: bearer.row.login.clone(),
        role: bearer.row.role(),
        tenant: bearer.tenant.name.clone(),
        origin,
    };
    let mut caller = Caller { asker, bearer, token, session: None, code: code(headers) };
    if let Some(scope) = route.scope {
        allow(&caller, scope)?;
    }
    caller.session = session(house, &caller, headers, now);
    if route.opening == Opening::Always && caller.session.is_none() {
        return Err(Problem::locked());
    }
    Ok(caller)
}

fn allow(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    if !caller.bearer.listed.scopes.iter().any(|word| word == scope.word()) {
        return Err(Problem::scope(scope));
    }
    // The person's role may have changed since the token was made.
    if scope.administers() && !caller.asker.administers() {
        return Err(super::super::trouble::Trouble::Forbidden.into());
    }
    Ok(())
}

/// The one token of a request (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<ApiToken> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiToken::parse(token.trim()).ok())?
}

/// The unlock session of a request: live, opened with this very token, by this user, and from this
/// address, since that is what the audit log says of whatever is opened in it.
fn session(house: &House, caller: &Caller, headers: &HeaderMap, now: Timestamp) -> Option<Token> {
    let value = headers.get(UNLOCK)?.to_str().ok()?;
    let wrapped = BASE64URL_NOPAD.decode(value.trim().as_bytes()).ok()?;
    let text = caller.token.session_key().open(SESSION, &wrapped).ok()?;
    let token = Token::parse(std::str::from_utf8(&text).ok()?)?;
    let unlocked = house.sessions.resume(&token, now).ok()?;
    (unlocked.user() == caller.asker.user && unlocked.by().origin == caller.asker.origin).then_some(token)
}

/// The code for one message that a request carries.
fn code(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    headers.get(CODE)?.to_str().ok().map(|code| Zeroizing::new(code.trim().to_owned()))
}

/// Failed knocks by address (IPv6 by /64), in memory: a token cannot be guessed, so this only quiets noise.
#[derive(Default)]
pub struct Knocks(Mutex<HashMap<IpAddr, SoftlockRow>>);

impl Knocks {
    fn admit(&self, origin: Origin, now: Timestamp) -> Result<(), Problem> {
        let Origin::Ip { address } = origin else { return Ok(()) };
        let row = self.held().get(&network(address)).cloned().unwrap_or_default();
        softlock::admit(&row, now).map_err(|wait| Problem::wait(wait.as_secs().max(1)))
    }

    fn failed(&self, origin: Origin, now: Timestamp) {
        let Origin::Ip { address } = origin else { return };
        let address = network(address);
        let mut rows = self.held();
        if rows.len() >= MAX_ADDRESSES {
            rows.retain(|_, row| row.until > now.unix());
        }
        // Who waits for the longest time is not forgotten for others.
        while rows.len() >= MAX_ADDRESSES
            && let Some(first) = rows.iter().min_by_key(|(_, row)| row.until).map(|(address, _)| *address)
        {
            rows.remove(&first);
        }
        let row = rows.entry(address).or_default();
        // What is long ago is forgiven.
        if now.unix() > row.until.saturating_add(FORGIVEN) {
            *row = SoftlockRow::default();
        }
        // The first failures are those of a program that was set up wrongly.
        row.failures = row.failures.saturating_add(1);
        let beyond = SoftlockRow { failures: row.failures.saturating_sub(FREE), until: row.until };
        row.until =
            if row.failures > FREE { softlock::after_failure(&beyond, now).until } else { now.unix() };
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, SoftlockRow>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries the unlock session.
pub const UNLOCK: &str = "veilpost-unlock";
/// Associated data of a wrapped session.
const SESSION: &[u8] = b"api-session";
/// Carries a code for the one message that a request is about.
pub const CODE: &str = "veilpost-code";
/// A bound for memory.
const MAX_ADDRESSES: usize = 10_000;
/// Failures from one address that cost nothing, beyond those that cost nobody anything.
const FREE: u32 = 16;
/// Seconds of quiet after which an address begins anew.
const FORGIVEN: i64 = 600;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| (header::AUTHORIZATION, HeaderValue::from_str(text).expect("a value"));
        values.iter().map(value).collect()
    }

    #[test]
    fn one_token_is_read_and_two_are_a_trick() {
        let token = ApiToken::generate().reveal();
        let good = format!("Bearer {}", token.as_str());
        assert!(bearer(&headers(&[&good])).is_some());
        assert!(bearer(&headers(&[&format!("bearer {}", token.as_str())])).is_some());
        for bad in [vec![], vec!["Bearer"], vec!["Basic x"], vec![&*good, &*good], vec![token.as_str()]] {
            assert!(bearer(&headers(&bad)).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_guesses_waits_and_others_do_not() {
        let knocks = Knocks::default();
        let now = Timestamp::from_unix(1_800_000_000);
        let (guesser, other) = (Origin::ip([192, 0, 2, 1].into()), Origin::ip([192, 0, 2, 2].into()));
        for _ in 0..FREE {
            knocks.failed(guesser, now);
            assert!(knocks.admit(guesser, now).is_ok());
        }
        (0..8).for_each(|_| knocks.failed(guesser, now));
        assert!(knocks.admit(guesser, now).is_err());
        assert!(knocks.admit(other, now).is_ok());
        let later = now.plus(std::time::Duration::from_secs(2000));
        assert!(knocks.admit(guesser, later).is_ok());
        knocks.failed(guesser, later);
        assert!(knocks.admit(guesser, later).is_ok(), "it begins anew");
    }
}

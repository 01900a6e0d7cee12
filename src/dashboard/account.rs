//! A person's own account: their sessions, password, authenticator, recovery code and phrase.
//!
//! Everything here is about the visitor alone. Ending a session takes away and needs no unlock; what
//! changes a way in does (law 7).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::visitor::{Nothing, Posted, Visitor};
use super::welcome::{check_password, weak};
use super::words::Moment;
use super::{House, cookie};
use crate::audit::{Act, Draft, LockCause, Origin};
use crate::keyring::Passphrase;
use crate::owner::account::{Enrolment, MAX_PHRASE};
use crate::owner::sessions::SessionId;
use crate::owner::tokens::{self, Listed as Token};
use crate::owner::unlock::record_ends;
use crate::owner::{OwnerError, account, enrol};
use crate::tenant::registry;
use crate::tenant::rows::Role;

/// A new password, twice.
#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
    again: String,
}

/// A phrase against phishing; an empty one takes it away.
#[derive(Deserialize)]
pub struct Phrase {
    phrase: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    frame: Frame,
    login: String,
    role: &'static str,
    tenant: String,
    addresses: Vec<String>,
    administers: bool,
    sessions: Vec<Session>,
    others: bool,
    open: Open,
    phrase: String,
    phrase_max: usize,
    wrong: Option<String>,
}

struct Session {
    id: String,
    browser: String,
    origin: String,
    since: Moment,
    seen: Moment,
    unlocked: bool,
    this: bool,
}

#[derive(Template)]
#[template(path = "account-password.html")]
struct PasswordPage {
    frame: Frame,
    wrong: Option<String>,
    open: Open,
}

/// What somebody may still be in by, as a page says before and after a password changes.
struct Open {
    sessions: usize,
    tokens: usize,
    devices: usize,
}

impl Open {
    fn of(house: &House, visitor: &Visitor) -> Result<Self, Trouble> {
        let (user, now) = (visitor.visit.user, visitor.now);
        let mut devices = 0;
        let records = &house.vault.records;
        for (view, _) in registry::views(records, user)? {
            devices += registry::credentials(records, user.tenant, view)?.len();
        }
        let live = |token: &Token| now.unix() < token.row.expires;
        Ok(Self {
            sessions: house.sessions.sign_ins.list(user, now).len(),
            tokens: tokens::list(&house.vault, user)?.iter().filter(|token| live(token)).count(),
            devices,
        })
    }
}

#[derive(Template)]
#[template(path = "account-authenticator.html")]
struct AuthenticatorPage {
    frame: Frame,
    login: String,
}

#[derive(Template)]
#[template(path = "account-recovery.html")]
struct RecoveryPage {
    frame: Frame,
}

/// `GET /account`.
pub async fn page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    let phrase = visitor.row.phrase.clone().unwrap_or_default();
    Ok(html(&account_page(&house, &visitor, phrase, None)?))
}

/// `POST /account/sessions/{id}`: ends one session of the visitor's, perhaps this one.
pub async fn end(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let id = session_id(&id).ok_or(Trouble::NotFound("session"))?;
    end_session(&house, &visitor, &id).await?;
    if id == visitor.visit.id {
        return Ok(leave("/sign-in?said=signed-out"));
    }
    Ok(Redirect::to("/account?said=ended").into_response())
}

/// `POST /account/sessions`: ends all sessions of the visitor's but this one.
pub async fn end_others(
    State(house): State<Arc<House>>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    end_all_others(&house, &visitor).await?;
    Ok(Redirect::to("/account?said=ended-all").into_response())
}

/// Ends all sessions of the visitor's but this one.
pub(super) async fn end_all_others(house: &House, visitor: &Visitor) -> Result<(), Trouble> {
    let sessions = house.sessions.sign_ins.list(visitor.visit.user, visitor.now);
    for session in sessions.iter().filter(|session| session.id != visitor.visit.id) {
        match end_session(house, visitor, &session.id).await {
            // Its time was over in the meantime.
            Ok(()) | Err(Trouble::NotFound(_)) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}

/// `GET /account/password`.
pub async fn password_page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    visitor.unlocked(&house)?;
    Ok(html(&new_password(&house, &visitor, None)?))
}

/// `POST /account/password`. It ends every session, this one too.
pub async fn password(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<NewPassword>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    if let Err(wrong) = check_password(&form.password, &form.again) {
        let page = html(&new_password(&house, &visitor, Some(wrong))?);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let password = Passphrase::new(form.password);
    let user = visitor.visit.user;
    let set = account::set_password(&house.vault, &house.sessions, &unlocked, user, password).await;
    if let Err(error) = set {
        let page = html(&new_password(&house, &visitor, Some(weak(error)?))?);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    house.notary.attend(visitor.visit.user.tenant);
    Ok(leave("/sign-in?said=password"))
}

/// `GET /account/authenticator`: what a new one means, before it is made.
pub async fn authenticator_page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    visitor.unlocked(&house)?;
    let frame = Frame::of(&visitor, Place::Account, "A new authenticator");
    Ok(html(&AuthenticatorPage { frame, login: visitor.row.login.clone() }))
}

/// `POST /account/authenticator`. It ends every session; the next sign-in shows the new seed, until
/// a first right code.
pub async fn authenticator(
    State(house): State<Arc<House>>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    let user = visitor.visit.user;
    let _shown_later =
        account::reset_totp(&house.vault, &house.sessions, &unlocked, user, Enrolment::AtFirstSignIn).await?;
    house.notary.attend(user.tenant);
    Ok(leave("/sign-in?said=authenticator"))
}

/// `GET /account/recovery`: what a new code means, before it is made.
pub async fn recovery_page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    if !visitor.administers() {
        return Err(Trouble::Forbidden);
    }
    visitor.unlocked(&house)?;
    Ok(html(&RecoveryPage { frame: Frame::of(&visitor, Place::Account, "A new recovery code") }))
}

/// `POST /account/recovery`: leads to the new code, and to nothing else until it is confirmed.
pub async fn recovery(
    State(house): State<Arc<House>>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    if !visitor.administers() {
        return Err(Trouble::Forbidden);
    }
    enrol::ask_recovery(&house.vault, &visitor.unlocked(&house)?).await?;
    Ok(Redirect::to("/welcome/recovery").into_response())
}

/// `POST /account/phrase`.
pub async fn phrase(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Phrase>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    match account::set_phrase(&house.vault, &unlocked, &form.phrase).await {
        Ok(()) => Ok(Redirect::to("/account?said=phrase").into_response()),
        Err(OwnerError::Invalid { why, .. }) => {
            let wrong = Some(format!("A phrase has {why}."));
            let page = html(&account_page(&house, &visitor, form.phrase, wrong)?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a session at once and then writes it down: a full audit log must not keep a thief signed in.
async fn end_session(house: &House, visitor: &Visitor, id: &SessionId) -> Result<(), Trouble> {
    let user = visitor.visit.user;
    let closed = house.sessions.close_sign_in(user, id).ok_or(Trouble::NotFound("session"))?;
    let by = visitor.by();
    let draft = Draft::new(by.actor, by.origin, Act::SignInEnded);
    let _recorded = house.vault.audit.record(user.tenant, draft).await.map_err(OwnerError::from)?;
    record_ends(&house.vault, closed.into_iter().collect(), LockCause::ByPerson).await?;
    Ok(())
}

fn account_page(
    house: &House,
    visitor: &Visitor,
    phrase: String,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    let user = visitor.visit.user;
    let records = &house.vault.records;
    let listed = crate::tenant::directory::list(records, user.tenant).map_err(OwnerError::from)?;
    let mut addresses: Vec<String> =
        listed.into_iter().filter(|(_, row)| row.user == user.user).map(|(_, row)| row.address).collect();
    addresses.sort();
    let shown = house.sessions.sign_ins.list(user, visitor.now);
    let sessions: Vec<Session> = shown
        .into_iter()
        .map(|session| Session {
            id: data_encoding::HEXLOWER.encode(&session.id),
            browser: session.browser,
            origin: origin(session.origin),
            since: session.since.into(),
            seen: session.seen.into(),
            unlocked: session.unlocked,
            this: session.id == visitor.visit.id,
        })
        .collect();
    Ok(Page {
        frame: Frame::of(visitor, Place::Account, "Your account"),
        login: visitor.row.login.clone(),
        role: role(visitor.row.role()),
        tenant: visitor.tenant.name.clone(),
        addresses,
        administers: visitor.administers(),
        others: sessions.iter().any(|session| !session.this),
        sessions,
        open: Open::of(house, visitor)?,
        phrase,
        phrase_max: MAX_PHRASE,
        wrong,
    })
}

fn new_password(house: &House, visitor: &Visitor, wrong: Option<String>) -> Result<PasswordPage, Trouble> {
    let frame = Frame::of(visitor, Place::Account, "A new password");
    Ok(PasswordPage { frame, wrong, open: Open::of(house, visitor)? })
}

/// Leads elsewhere without the session, which is over.
fn leave(to: &str) -> Response {
    ([(axum::http::header::SET_COOKIE, cookie::clear())], Redirect::to(to)).into_response()
}

fn session_id(text: &str) -> Option<SessionId> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Ip { address } => address.to_string(),
        Origin::UnixSocket | Origin::Internal => "the server itself".to_owned(),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "Member: reads their own mail",
        Role::Administrator => "Administrator: looks after this vault’s people, addresses and policies",
        Role::Operator => "Operator: looks after the server and all vaults on it",
    }
}

//! Opening the whole with a code, and locking it again.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::frame::{Frame, Place, html};
use super::search;
use super::trouble::{Trouble, local};
use super::visitor::{Posted, Visitor};
use super::{House, cookie};
use crate::audit::LockCause;
use crate::owner::logins::noted;
use crate::owner::sessions::Lasts;
use crate::owner::unlock::{Opened, lasts, record_ends, unlock_signed_in};
use crate::owner::{OwnerError, failure, familiar, passkey};

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    to: String,
}

/// The filled-in form.
#[derive(Deserialize)]
pub struct Code {
    code: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    to: String,
}

/// The button in the head of every page.
#[derive(Deserialize)]
pub struct Locking {
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "unlock.html")]
struct Page {
    frame: Frame,
    to: String,
    minutes: u64,
    longest: u64,
    reason: String,
    reason_required: bool,
    passkeys: bool,
    wrong: Option<String>,
}

/// `GET /unlock`.
pub async fn page(State(house): State<Arc<House>>, visitor: Visitor, Query(back): Query<Back>) -> Response {
    if visitor.open_until().is_some() {
        return Redirect::to(local(&back.to)).into_response();
    }
    html(&form(&house, &visitor, &back.to, String::new(), None))
}

/// `POST /unlock`.
pub async fn unlock(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Code { code, reason, to } }: Posted<Code>,
) -> Result<Response, Trouble> {
    let origin = visitor.client.origin;
    let why = Some(reason.trim()).filter(|reason| !reason.is_empty());
    match unlock_signed_in(&house.vault, &house.sessions, &visitor.visit, &code, why, origin).await {
        Ok(opened) => {
            let known = enter(&house, &visitor, &opened)?;
            Ok((known, Redirect::to(local(&to))).into_response())
        }
        Err(error) => {
            let (status, wrong) = refusal(noted("unlock", origin, error))?;
            Ok((status, html(&form(&house, &visitor, &to, reason, Some(wrong)))).into_response())
        }
    }
}

/// Puts an unlock into the session that it was asked for in, and begins to index what is new. The
/// answer leaves with the browser that the whole was unlocked in it.
pub(super) fn enter(
    house: &Arc<House>,
    visitor: &Visitor,
    opened: &Opened,
) -> Result<[(HeaderName, HeaderValue); 1], Trouble> {
    let origin = visitor.client.origin;
    house.forget(&visitor.visit.id);
    house.sessions.sign_ins.attach(&visitor.token, &opened.token, opened.longest, origin);
    house.notary.attend(visitor.visit.user.tenant);
    search::keep_up(house, house.sessions.resume(&opened.token, house.vault.clock.now())?);
    let known = familiar::remember(&house.vault, &visitor.known, visitor.visit.user, true);
    Ok([(header::SET_COOKIE, cookie::set_familiar(&known))])
}

/// `POST /lock`.
pub async fn lock(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Locking>,
) -> Result<Response, Trouble> {
    house.forget(&visitor.visit.id);
    if let Some(token) = &visitor.visit.unlock {
        house.sessions.sign_ins.detach(&visitor.visit.id);
        if let Some(ended) = house.sessions.close(token) {
            record_ends(&house.vault, vec![ended], LockCause::ByPerson).await?;
            house.notary.attend(visitor.visit.user.tenant);
            house.indexes.close_locked(&house.vault, &house.sessions);
        }
    }
    // What the browser kept for its back button goes too.
    let headers = [("clear-site-data", "\"cache\"")];
    Ok((headers, Redirect::to(&locked_page(&form.to))).into_response())
}

/// Where a locked page leads: to the unlock, and from there back to it.
fn locked_page(to: &str) -> String {
    format!("{}&said=locked", super::trouble::with_return("/unlock", local(to)))
}

fn form(house: &House, visitor: &Visitor, to: &str, reason: String, wrong: Option<String>) -> Page {
    let settings = &house.vault.settings;
    let all = Lasts { idle: settings.unlock_lasts, longest: settings.unlock_longest };
    let lasts = lasts(&house.vault, visitor.visit.user.tenant).unwrap_or(all);
    Page {
        frame: Frame::of(visitor, Place::Mail, "Unlock"),
        to: local(to).to_owned(),
        minutes: lasts.idle.as_secs().div_ceil(60),
        longest: lasts.longest.as_secs().div_ceil(60),
        reason,
        reason_required: house.vault.settings.reason_required || visitor.tenant.reason_required,
        // Without an answer the person unlocks by code.
        passkeys: passkey::can_unlock(&house.vault, visitor.visit.user).unwrap_or(false),
        wrong,
    }
}

/// What is wrong with an attempt, in the person's words; anything else is trouble.
pub(super) fn refusal(error: OwnerError) -> Result<(StatusCode, String), Trouble> {
    Ok(match error {
        OwnerError::Refused => (
            StatusCode::FORBIDDEN,
            "That code is wrong. Look at it once more, or wait for the next one.".to_owned(),
        ),
        OwnerError::CodeUsed => (
            StatusCode::FORBIDDEN,
            "That code was used before; each works once. Wait for the next one.".to_owned(),
        ),
        OwnerError::ClockOff(ahead) => (StatusCode::FORBIDDEN, clock_off(ahead)),
        OwnerError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people sign in at this moment. Nothing was looked at: try again in a few seconds."
                .to_owned(),
        ),
        OwnerError::SessionEnded => return Err(Trouble::SignIn("/unlock".to_owned())),
        OwnerError::SoftLocked(wait) => {
            let seconds = wait.as_secs().max(1);
            (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many failed attempts. Try again in {seconds} seconds."),
            )
        }
        OwnerError::ReasonNeeded => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Say in a few words why you unlock.".to_owned())
        }
        OwnerError::Reason(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The reason is too long: at most 500 letters in one line.".to_owned(),
        ),
        error => return Err(error.into()),
    })
}

/// What to do about a phone and a server that do not agree on the time.
fn clock_off(ahead: i64) -> String {
    let (away, side) = (failure::away(ahead), if ahead > 0 { "ahead of" } else { "behind" });
    format!(
        "That code is right for another time: the clock of your phone is about {away} {side} the server's. \
         Have the phone set its clock and time zone by itself, and use the next code. If the phone is right, \
         tell whoever runs the server."
    )
}

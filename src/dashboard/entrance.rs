//! Signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::client::Client;
use super::frame::{Frame, html};
use super::trouble::{Trouble, local, retry_after};
use super::visitor::PostedByNewcomer;
use super::{House, cookie, words};
use crate::keyring::Passphrase;
use crate::owner::logins::noted;
use crate::owner::sign_in::{Entrance, begin, sign_in as owner_sign_in};
use crate::owner::unlock::record_ends;
use crate::owner::{OwnerError, familiar};
use crate::vault::hashing::RETRY_AFTER;

/// Where to go afterwards, and what to say.
#[derive(Deserialize)]
pub struct Arrival {
    #[serde(default)]
    to: String,
    said: Option<String>,
}

/// The filled-in form.
#[derive(Deserialize)]
pub struct Credentials {
    login: String,
    password: String,
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct Page {
    frame: Frame,
    to: String,
    login: String,
    wrong: Option<String>,
}

/// `GET /sign-in`.
pub async fn page(Query(arrival): Query<Arrival>) -> Response {
    let mut frame = Frame::bare("Sign in");
    frame.notice = words::notice(arrival.said.as_deref());
    html(&Page { frame, to: local(&arrival.to).to_owned(), login: String::new(), wrong: None })
}

/// `POST /sign-in`.
pub async fn sign_in(
    State(house): State<Arc<House>>,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Response, Trouble> {
    let Credentials { login, password, to } = form;
    let entrance = Entrance {
        login: login.trim().to_owned(),
        password: Passphrase::new(password),
        origin: client.origin,
        familiar: cookie::familiar(&headers).to_owned(),
        since: house.sessions.sign_ins.since(),
    };
    let signed = match owner_sign_in(&house.vault, entrance).await {
        Ok(signed) => signed,
        Err(error) => return refused(noted("dashboard", client.origin, error), login, to),
    };
    house.notary.attend(signed.user.tenant);
    let user = signed.user;
    let token = match begin(&house.vault, &house.sessions, signed, client.browser, client.origin).await {
        Ok(token) => token,
        Err(error) => return refused(error, login, to),
    };
    let known = familiar::remember(&house.vault, cookie::familiar(&headers), user, false);
    let leave = AppendHeaders([
        (header::SET_COOKIE, cookie::set(&token)),
        (header::SET_COOKIE, cookie::set_familiar(&known)),
    ]);
    Ok((leave, Redirect::to(local(&to))).into_response())
}

/// `POST /sign-out`.
pub async fn sign_out(
    State(house): State<Arc<House>>,
    PostedByNewcomer(posted): PostedByNewcomer<super::visitor::Nothing>,
) -> Result<Response, Trouble> {
    let visit = posted.visitor.visit;
    house.forget(&visit.id);
    if let Some(Some(ended)) = house.sessions.close_sign_in(visit.user, &visit.id) {
        record_ends(&house.vault, vec![ended], crate::audit::LockCause::ByPerson).await?;
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::SET_COOKIE, cookie::clear());
    headers.insert("clear-site-data", header::HeaderValue::from_static("\"cache\", \"storage\""));
    Ok((headers, Redirect::to("/sign-in?said=signed-out")).into_response())
}

/// The form again, with what is wrong. Which of login and password it was is told to nobody.
fn refused(error: OwnerError, login: String, to: String) -> Result<Response, Trouble> {
    let (status, wrong, wait) = match error {
        OwnerError::Refused => {
            (StatusCode::FORBIDDEN, "The address or the password is wrong.".to_owned(), None)
        }
        OwnerError::SoftLocked(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, too_many(wait.as_secs().max(1)), Some(wait))
        }
        OwnerError::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned(), Some(RETRY_AFTER)),
        error => return Err(error.into()),
    };
    let page = Page { frame: Frame::bare("Sign in"), to: local(&to).to_owned(), login, wrong: Some(wrong) };
    let mut answer = (status, html(&page)).into_response();
    if let Some(wait) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, retry_after(wait));
    }
    Ok(answer)
}

/// The wait belongs to this address or browser alone.
fn too_many(seconds: u64) -> String {
    format!(
        "Too many failed attempts. Try again in {seconds} seconds. In a browser in which you signed in before, \
         you need not wait for others."
    )
}

const BUSY: &str = "Too many people sign in at this moment. Your password was not looked at: try again in a \
                    few seconds.";

//! Signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::client::Client;
use super::frame::{Frame, html};
use super::trouble::{Trouble, local};
use super::visitor::PostedByNewcomer;
use super::{House, cookie, words};
use crate::keyring::Passphrase;
use crate::owner::OwnerError;
use crate::owner::sign_in::{Entrance, sign_in as owner_sign_in};
use crate::owner::unlock::record_ends;

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
    Form(form): Form<Credentials>,
) -> Result<Response, Trouble> {
    let Credentials { login, password, to } = form;
    let entrance = Entrance {
        login: login.trim().to_owned(),
        password: Passphrase::new(password),
        origin: client.origin,
    };
    let signed = match owner_sign_in(&house.vault, entrance).await {
        Ok(signed) => signed,
        Err(error) => return refused(error, login, to),
    };
    house.notary.attend(signed.user.tenant);
    let now = house.vault.clock.now();
    let token = house.sessions.sign_ins.open(signed, client.browser, client.origin, now)?;
    let leave = [(header::SET_COOKIE, cookie::set(&token))];
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
    let (status, wrong) = match error {
        OwnerError::Refused => (StatusCode::FORBIDDEN, "The address or the password is wrong.".to_owned()),
        OwnerError::SoftLocked(wait) => {
            let seconds = wait.as_secs().max(1);
            (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many failed attempts. Try again in {seconds} seconds."),
            )
        }
        error => return Err(error.into()),
    };
    let page = Page { frame: Frame::bare("Sign in"), to: local(&to).to_owned(), login, wrong: Some(wrong) };
    Ok((status, html(&page)).into_response())
}

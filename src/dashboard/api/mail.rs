//! A person's own mail, in an unlock session. What is opened is in the audit log before it is sent.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract::State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::House;
use super::caller::Caller;
use super::parts::{Asked, Named};
use super::problem::Problem;
use crate::admin::api::{MailItem, MailWhole, Request};
use crate::wipe::Wiped;

/// Which messages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only messages with a lower UID: the `next` of the page before.
    before: Option<u32>,
    /// At most so many; 50 without it.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of messages.
#[derive(Serialize, JsonSchema)]
pub struct Page {
    /// Newest first.
    messages: Vec<MailItem>,
    /// For the next page; none at the end.
    next: Option<u32>,
}

type Room = State<Arc<House>>;
type Who = Extension<Arc<Caller>>;

pub async fn list(
    State(house): Room,
    Extension(caller): Who,
    Asked(Wanted { before, limit }): Asked<Wanted>,
) -> Result<Json<Page>, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("A page has 1 to 200 messages."));
    }
    let request = Request::MailList { session: caller.session()?, before, limit };
    let messages: Vec<MailItem> = house.ask_by(caller.asker.by(), request).await?;
    let full = messages.len() == limit as usize;
    let next = messages.last().map(|message| message.uid).filter(|_| full);
    Ok(Json(Page { messages, next }))
}

pub async fn read(
    State(house): Room,
    Extension(caller): Who,
    Named(uid): Named<u32>,
) -> Result<Json<MailWhole>, Problem> {
    whole(&house, &caller, uid).await.map(Json)
}

pub async fn raw(
    State(house): Room,
    Extension(caller): Who,
    Named(uid): Named<u32>,
) -> Result<Response, Problem> {
    let message = whole(&house, &caller, uid).await?;
    let octets = STANDARD.decode(message.message.expose()).map(Wiped::from);
    let octets =
        octets.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Not readable."))?;
    let name = format!("attachment; filename=\"{}.eml\"", message.id);
    let headers = [(header::CONTENT_TYPE, "message/rfc822".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, axum::body::Body::from(octets.to_vec())).into_response())
}

pub async fn remove(
    State(house): Room,
    Extension(caller): Who,
    Named(uid): Named<u32>,
) -> Result<StatusCode, Problem> {
    let request = Request::MailDelete { session: caller.session()?, message: uid.to_string() };
    let _deleted: serde_json::Value = house.ask_by(caller.asker.by(), request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn whole(house: &House, caller: &Caller, uid: u32) -> Result<MailWhole, Problem> {
    // Where every message needs a code of its own, a session that opens many is not enough.
    if caller.bearer.tenant.step_up == Some(true) {
        let detail = "This tenant asks for a code for every single message: read it in the dashboard.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "refused", detail));
    }
    let request = Request::MailRead { session: caller.session()?, message: uid.to_string() };
    Ok(house.ask_by(caller.asker.by(), request).await?)
}

/// Messages on a page, unless the program says otherwise.
const PAGE: u32 = 50;
/// Each costs a manifest.
const MAX_PAGE: u32 = 200;

//! A person's own mail, in an unlock session. What is opened is in the audit log before it is sent.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::House;
use super::super::download::{self, Pass};
use super::caller::Caller;
use super::parts::{Asked, Named};
use super::problem::Problem;
use crate::admin::api::{MailItem, MailWhole, Request, Secret};
use crate::owner::mail::OwnerReader;
use crate::owner::sending::Sent;
use crate::owner::step_up;
use crate::owner::{OwnerError, Unlocked};

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
) -> Result<Response, Problem> {
    let (unlocked, sent) = sent(&house, &caller, uid).await?;
    let receipt = house.notary.receipt(&sent.recorded).await.map_err(OwnerError::from)?;
    let whole = MailWhole {
        uid,
        id: sent.row.message.to_string(),
        received: jiff::Timestamp::from_second(sent.row.received).unwrap_or_default().to_string(),
        message: Secret::new(String::new()),
        entry: sent.recorded.sequence(),
        receipt: Some(serde_json::Value::String(receipt.to_string())),
    };
    let (before, after) = around(&whole)?;
    let body = download::flow(&house, unlocked, sent.sending, Pass::Encode(before, after));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What stands before and behind the octets of a message in its JSON: it is written as it is read.
fn around(whole: &MailWhole) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Not readable.");
    let text = serde_json::to_string(whole).map_err(|_| failed())?;
    // No value before it holds this: a name would be escaped, and there is none.
    let (before, after) = text.split_once(PLACE).ok_or_else(failed)?;
    let before = format!("{before}{}", &PLACE[..PLACE.len() - 1]);
    Ok((before.into_bytes(), format!("\"{after}").into_bytes()))
}

pub async fn raw(
    State(house): Room,
    Extension(caller): Who,
    Named(uid): Named<u32>,
) -> Result<Response, Problem> {
    let (unlocked, sent) = sent(&house, &caller, uid).await?;
    let name = format!("attachment; filename=\"{}.eml\"", sent.row.message);
    let headers = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CONTENT_LENGTH, sent.sending.size().to_string()),
    ];
    Ok((headers, download::flow(&house, unlocked, sent.sending, Pass::AsIs)).into_response())
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

async fn sent(house: &House, caller: &Caller, uid: u32) -> Result<(Unlocked, Sent), Problem> {
    let session = caller.unlock().ok_or_else(Problem::locked)?;
    let unlocked = house.sessions.resume(session, house.vault.clock.now())?;
    let mut reader = OwnerReader::new(&house.vault, &unlocked)?;
    if let Some(code) = &caller.code
        && step_up::is_asked(&house.vault, &unlocked)?
    {
        step_up::step_up(&house.vault, &unlocked, code, reader.message(uid)?).await?;
    }
    let sent = reader.send(uid).await?;
    house.sessions.count_revealed(&unlocked, 1);
    Ok((unlocked, sent))
}

/// Where the octets of a message are put.
const PLACE: &str = "\"message\":\"\"";
/// Messages on a page, unless the program says otherwise.
const PAGE: u32 = 50;
/// Each costs a manifest.
const MAX_PAGE: u32 = 200;

//! The devices of a view: each has an app password of its own. Adding one, giving one a new password,
//! and taking it away, after the lists of exactly what it has fetched and what it was shown in lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::connect;
use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::views::own;
use super::visitor::{Nothing, Posted, Visitor};
use super::words::{self, Moment};
use crate::admin::api::{CredentialCreated, Request};
use crate::clock::Timestamp;
use crate::names::{CredentialId, MessageId, TenantId, ViewId};
use crate::owner::fetched::{Seen, SeenRows, lines, rows_of, seen};
use crate::owner::lines::{Known, Line};
use crate::owner::view::Located;
use crate::tenant::registry;
use crate::tenant::rows::{CredentialListRow, LastUsedRow};
use crate::vault::pages::Rows;

/// A device in a list.
pub(super) struct Device {
    /// Its credential.
    pub id: CredentialId,
    /// What it is called.
    pub label: String,
    /// Since when it is connected.
    pub created: Moment,
    /// When it was last used.
    pub used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct Page {
    frame: Frame,
    view: ViewId,
    view_name: String,
    device: Device,
    /// Messages that were fetched.
    fetched: usize,
    /// Messages that only lists showed.
    listed: usize,
    listed_gone: u64,
    /// Which of the two is shown.
    lists: bool,
    items: Vec<Sight>,
    newer: Option<usize>,
    older: Option<usize>,
}

/// A message that the device has seen.
struct Sight {
    message: MessageId,
    at: Moment,
    /// When it was received; nothing if it was deleted since.
    received: Option<Moment>,
    from: String,
    subject: String,
}

/// Which page of which list.
#[derive(Deserialize)]
pub struct Turned {
    #[serde(default)]
    page: usize,
    /// `listed` for what only lists showed.
    #[serde(default)]
    seen: String,
}

/// What a new device is called.
#[derive(Deserialize)]
pub struct New {
    label: String,
}

/// The devices of a view, the newest last.
pub(super) fn of_view(house: &House, tenant: TenantId, view: ViewId) -> Result<Vec<Device>, Trouble> {
    let records = &house.vault.records;
    let mut devices = Vec::new();
    for (id, row) in registry::credentials(records, tenant, view)? {
        devices.push((row.created, device(house, tenant, id, row)?));
    }
    devices.sort_by_key(|(created, _)| *created);
    Ok(devices.into_iter().map(|(_, device)| device).collect())
}

fn device(
    house: &House,
    tenant: TenantId,
    id: CredentialId,
    row: CredentialListRow,
) -> Result<Device, Trouble> {
    let used: Option<LastUsedRow> = house.vault.records.tenant(tenant).get(&[id.as_bytes()])?;
    let label = if row.label.is_empty() { "A device".to_owned() } else { row.label };
    Ok(Device { id, label, created: Moment::new(row.created), used: used.map(|used| Moment::new(used.at)) })
}

/// `GET /views/{id}/devices/{device}`: what it has fetched, and what can be done about it.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path((view, device)): Path<(String, String)>,
    Query(Turned { page, seen: which }): Query<Turned>,
) -> Result<Response, Trouble> {
    let (located, view_name) = locate(&house, &visitor, &view, &device)?;
    let seen = Arc::new(seen(&house.vault, &located).await?);
    let SeenRows { fetched, listed, listed_gone } =
        rows_of(&house.vault, visitor.visit.user, seen.clone()).await?;
    let lists = which == "listed";
    let counts = (seen.fetched.len(), listed.len());
    let (rows, total) = if lists { (listed, counts.1) } else { (fetched, counts.0) };
    let page = page.min(total.saturating_sub(1) / PAGE);
    let items = sights(&house, &visitor, (&seen, lists), rows, page).await?;
    let device = self::device(&house, located.user.tenant, located.credential, located.row)?;
    Ok(html(&Page {
        frame: Frame::of(&visitor, Place::Views, &device.label),
        view: located.view,
        view_name,
        device,
        fetched: counts.0,
        listed: counts.1,
        listed_gone,
        lists,
        items,
        newer: page.checked_sub(1),
        older: Some(page + 1).filter(|next| next * PAGE < total),
    }))
}

/// `POST /views/{id}/devices`.
pub async fn add(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Posted { visitor, form }: Posted<New>,
) -> Result<Response, Trouble> {
    let (view, row) = own(&house, &visitor, &id)?;
    let request = Request::CredentialCreate {
        user: visitor.row.login.clone(),
        view: row.name,
        label: form.label.trim().to_owned(),
        authority: visitor.authority()?,
    };
    let made: CredentialCreated = house.ask(&visitor, request).await?;
    Ok(connect::answer(&house, &visitor, view, &made))
}

/// `POST /views/{id}/devices/{device}/rotate`: a new app password, the old one ends.
pub async fn rotate(
    State(house): State<Arc<House>>,
    Path((view, device)): Path<(String, String)>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let (located, _) = locate(&house, &visitor, &view, &device)?;
    let credential = located.credential.to_string();
    let request = Request::CredentialRotate { credential, authority: visitor.authority()? };
    let made: CredentialCreated = house.ask(&visitor, request).await?;
    Ok(connect::answer(&house, &visitor, located.view, &made))
}

/// `POST /views/{id}/devices/{device}/revoke`. It shows less, so it works while locked.
pub async fn revoke(
    State(house): State<Arc<House>>,
    Path((view, device)): Path<(String, String)>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let (located, _) = locate(&house, &visitor, &view, &device)?;
    let request = Request::CredentialRevoke { credential: located.credential.to_string() };
    let _: serde_json::Value = house.ask(&visitor, request).await?;
    Ok(Redirect::to(&format!("/views/{}?said=device-revoked", located.view)).into_response())
}

/// The device, if it is one of the visitor's own view.
fn locate(house: &House, visitor: &Visitor, view: &str, device: &str) -> Result<(Located, String), Trouble> {
    let (view, row) = own(house, visitor, view)?;
    let user = visitor.visit.user;
    let credentials = registry::credentials(&house.vault.records, user.tenant, view)?;
    let found = credentials.into_iter().find(|(id, _)| id.to_string() == device);
    let (credential, listed) = found.ok_or(Trouble::NotFound("device"))?;
    Ok((Located { user, view, credential, row: listed }, row.name))
}

/// A page of what was seen, the newest mail first; and last, of what was fetched, what has been deleted since.
async fn sights(
    house: &House,
    visitor: &Visitor,
    (seen, lists): (&Seen, bool),
    rows: Rows,
    page: usize,
) -> Result<Vec<Sight>, Trouble> {
    let kept: BTreeSet<MessageId> = rows.iter().map(|(_, row)| row.message).collect();
    let (from, present) = (page * PAGE, rows.len());
    let on_page = rows.into_iter().skip(from).take(PAGE).collect();
    let unlocked = visitor.open_until().map(|_| visitor.unlocked(house)).transpose()?;
    let lines = lines(&house.vault, unlocked.as_ref(), on_page).await?;
    let at = |line: &Line| match lists {
        true => seen.listed.at(line.uid),
        false => seen.fetched.get(&line.message).copied(),
    };
    let mut sights: Vec<Sight> = lines.into_iter().filter_map(|line| Some(known(at(&line)?, line))).collect();
    if !lists {
        let deleted = seen.fetched.iter().filter(|(message, _)| !kept.contains(message));
        let room = PAGE - sights.len();
        sights.extend(
            deleted.skip(from.saturating_sub(present)).take(room).map(|(message, at)| gone(*message, *at)),
        );
    }
    Ok(sights)
}

fn gone(message: MessageId, at: Timestamp) -> Sight {
    Sight { message, at: at.into(), received: None, from: String::new(), subject: String::new() }
}

fn known(at: Timestamp, line: Line) -> Sight {
    let (from, subject) = match line.shown {
        Known::Summary(summary) => {
            let subject =
                if summary.subject.is_empty() { "(no subject)".to_owned() } else { summary.subject };
            (words::short_name(&summary.from), subject)
        }
        Known::Sealed => (String::new(), "A message".to_owned()),
        Known::Damaged => (String::new(), "A damaged message".to_owned()),
    };
    let received = Some(Moment::new(line.received));
    Sight { message: line.message, at: at.into(), received, from, subject }
}

/// Messages on a page.
const PAGE: usize = 100;

//! One user, for those who look after the tenant: how much mail they may have, and their removal.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::jobs::Kind;
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::super::words::size;
use super::{Desk, back, deeds, frame, mendable, unlock_first};
use crate::admin::api::{Request, UserItem};

#[derive(Template)]
#[template(path = "admin-user.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    login: String,
    /// In MiB; empty without a limit.
    quota: String,
    used: Option<String>,
    /// Who could have the mail.
    others: Vec<String>,
    /// Whether it is the visitor's own tenant.
    own: bool,
    wrong: Option<String>,
}

/// A user.
#[derive(Deserialize)]
pub struct Which {
    login: String,
    #[serde(default)]
    tenant: String,
}

/// How much mail a user may have.
#[derive(Deserialize)]
pub struct Limit {
    login: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    mebibytes: String,
}

/// A user to remove, and their login typed once more.
#[derive(Deserialize)]
pub struct Departure {
    login: String,
    #[serde(default)]
    tenant: String,
    /// The login of who gets the mail, or `-` to destroy it.
    heir: String,
    #[serde(default)]
    typed: String,
}

/// `GET /admin/users/one`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    Ok(html(&shown(&house, &visitor, &which.login, &which.tenant, None).await?))
}

/// `POST /admin/users/quota`.
pub async fn quota(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Limit { login, tenant, mebibytes } }: Posted<Limit>,
) -> Result<Response, Trouble> {
    let octets = match mebibytes.trim() {
        "" => Ok(None),
        number => {
            number.parse::<u64>().ok().and_then(|number| number.checked_mul(MEBIBYTE)).map(Some).ok_or(())
        }
    };
    let Ok(octets) = octets else {
        let wrong = "That is not a number of MiB. Nothing was changed.".to_owned();
        let page = shown(&house, &visitor, &login, &tenant, Some(wrong)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)).into_response());
    };
    deeds::set_quota(&house, &visitor.asker(), &login, octets).await?;
    Ok(back(&visitor, "users", &tenant, "saved").into_response())
}

/// `POST /admin/users/remove`. It goes on in the background, however long it takes.
pub async fn remove(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Departure>,
) -> Result<Response, Trouble> {
    let Departure { login, tenant, heir, typed } = form;
    if !typed.trim().eq_ignore_ascii_case(&login) {
        let wrong = "That is not their login. Nothing was removed.".to_owned();
        let page = shown(&house, &visitor, &login, &tenant, Some(wrong)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)).into_response());
    }
    let heir = Some(heir).filter(|heir| heir != "-");
    let authority = match heir {
        Some(_) => Some(visitor.authority().map_err(|_| Trouble::Unlock("/admin/users".to_owned()))?),
        None => visitor.authority().ok(),
    };
    let request = match deeds::removal(&house, &visitor.asker(), &login, heir, authority) {
        Ok(request) => request,
        Err(trouble) => {
            let (status, wrong) = mendable(unlock_first(trouble, "/admin/users"))?;
            let page = shown(&house, &visitor, &login, &tenant, Some(wrong)).await?;
            return Ok((status, html(&page)).into_response());
        }
    };
    let Some(running) = house.jobs.begin(visitor.visit.user, Kind::Removal) else {
        return Err(Trouble::invalid("another removal is at work: wait for its end"));
    };
    let by = visitor.by();
    tokio::spawn(async move {
        let done = house.clone().ask_long(by, request, |done, total| running.step(done, total)).await;
        running.finish(match done {
            Ok(()) => Ok(format!("{login} is removed.")),
            Err(failure) => {
                Err(format!("{login} is not removed yet: {}. Remove them again to go on.", failure.message))
            }
        });
    });
    Ok(back(&visitor, "users", &tenant, "leaving").into_response())
}

async fn shown(
    house: &House,
    visitor: &Visitor,
    login: &str,
    tenant: &str,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    let (desk, id, row) = Desk::of(house, visitor, "users", tenant)?;
    let users: Vec<UserItem> = house.ask(visitor, Request::UserList { tenant: Some(row.name) }).await?;
    let (found, others): (Vec<_>, Vec<_>) = users.into_iter().partition(|user| user.login == login);
    let user = found.into_iter().next().ok_or(Trouble::NotFound("user"))?;
    Ok(Page {
        frame: frame(visitor, "A user"),
        desk,
        quota: user.quota.map_or_else(String::new, |quota| (quota / MEBIBYTE).to_string()),
        used: user.used.map(size),
        others: others.into_iter().filter(|user| !user.disabled).map(|user| user.login).collect(),
        own: id == visitor.visit.user.tenant,
        login: user.login,
        wrong,
    })
}

/// The unit of the form, in octets.
const MEBIBYTE: u64 = 1024 * 1024;

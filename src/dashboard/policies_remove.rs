//! Removing a policy that was loaded into the tenant: asks first, and says why not.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::frame::{Frame, Place, html};
use super::trouble::{Trouble, sentence, status};
use super::views::policies;
use super::visitor::{Posted, Visitor};
use crate::admin::api::{Authority, FailureCode, PolicyRemoved, Request};
use crate::policy;

#[derive(Template)]
#[template(path = "policy-remove.html")]
struct Page {
    frame: Frame,
    name: String,
    /// Whether a shipped policy has the name, too.
    shipped: bool,
    /// How many views use it.
    views: usize,
    wrong: Option<String>,
}

/// The form has nothing but its word.
#[derive(Deserialize)]
pub struct Sure {}

/// `GET /policies/{name}/remove`.
pub async fn ask(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    Ok(html(&page(&house, &visitor, name, None).await?))
}

/// `POST /policies/{name}/remove`.
pub async fn remove(
    State(house): State<Arc<House>>,
    Path(name): Path<String>,
    Posted { visitor, form: Sure {} }: Posted<Sure>,
) -> Result<Response, Trouble> {
    if !visitor.administers() {
        return Err(Trouble::Forbidden);
    }
    let (tenant, authority) = (visitor.tenant.name.clone(), visitor.session().map(Authority::Session));
    let request = Request::PolicyRemove { tenant, name: name.clone(), authority };
    match house.ask::<PolicyRemoved>(&visitor, request).await {
        Ok(_) => Ok(Redirect::to("/policies?said=removed").into_response()),
        Err(Trouble::Failed(failure)) if failure.code == FailureCode::UnlockNeeded => {
            let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            Err(Trouble::Unlock(format!("/policies/{name}/remove")))
        }
        Err(Trouble::Failed(failure)) if failure.code == FailureCode::Invalid => {
            let wrong = Some(sentence(&failure.message));
            let page = page(&house, &visitor, name, wrong).await?;
            Ok((status(failure.code), html(&page)).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn page(
    house: &House,
    visitor: &Visitor,
    name: String,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    if !visitor.administers() {
        return Err(Trouble::Forbidden);
    }
    let items = policies(house, visitor).await?;
    // What comes with Veilpost is nobody's to remove.
    let item = items.into_iter().find(|item| item.name == name && !item.shipped);
    let views = item.ok_or(Trouble::NotFound("policy of your own"))?.views.len();
    let shipped = policy::shipped().iter().any(|(shipped, _)| *shipped == name);
    Ok(Page { frame: Frame::of(visitor, Place::Views, "Remove a policy"), name, shipped, views, wrong })
}

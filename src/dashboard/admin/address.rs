//! One address: who gets its mail, and whether it takes any.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::super::words::Moment;
use super::{Desk, back, deeds, frame, mendable, unlock_first};
use crate::admin::api::{AddressItem, Request, SwitchedOff, UserItem};

#[derive(Template)]
#[template(path = "admin-address.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    address: String,
    /// Whose mailboxes take its mail.
    holders: Vec<String>,
    /// Who could have it too.
    others: Vec<String>,
    /// Whether somebody signs in with it.
    login: bool,
    off: Option<SwitchedOff>,
    wrong: Option<String>,
}

/// An address.
#[derive(Deserialize)]
pub struct Which {
    address: String,
    #[serde(default)]
    tenant: String,
}

/// An address, and somebody who gets its mail.
#[derive(Deserialize)]
pub struct Sharing {
    address: String,
    user: String,
    #[serde(default)]
    tenant: String,
}

/// An address to be switched.
#[derive(Deserialize)]
pub struct Switch {
    address: String,
    #[serde(default)]
    tenant: String,
    /// Anything: on. Empty: off.
    #[serde(default)]
    on: String,
    #[serde(default)]
    note: String,
}

/// `GET /admin/addresses/one`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    Ok(html(&shown(&house, &visitor, &which, None).await?))
}

/// `POST /admin/addresses/share`.
pub async fn share(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Sharing { address, user, tenant } }: Posted<Sharing>,
) -> Result<Response, Trouble> {
    let authority = visitor.optional_authority();
    let done = deeds::share_address(&house, &visitor.asker(), &address, &user, authority).await;
    answered(&house, &visitor, Which { address, tenant }, done).await
}

/// `POST /admin/addresses/unshare`.
pub async fn unshare(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Sharing { address, user, tenant } }: Posted<Sharing>,
) -> Result<Response, Trouble> {
    let done = deeds::unshare_address(&house, &visitor.asker(), &address, &user).await;
    answered(&house, &visitor, Which { address, tenant }, done).await
}

/// `POST /admin/addresses/switch`.
pub async fn switch(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Switch { address, tenant, on, note } }: Posted<Switch>,
) -> Result<Response, Trouble> {
    let off = on.is_empty().then_some(Some(note));
    let authority = visitor.optional_authority();
    let done = deeds::switch_address(&house, &visitor.asker(), &address, off, authority).await;
    answered(&house, &visitor, Which { address, tenant }, done).await
}

/// Back to the list, to the unlock, or the page again with what is wrong.
async fn answered(
    house: &House,
    visitor: &Visitor,
    which: Which,
    done: Result<(), Trouble>,
) -> Result<Response, Trouble> {
    let Err(trouble) = done else {
        return Ok(back(visitor, "addresses", &which.tenant, "saved").into_response());
    };
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("address", &which.address)
        .append_pair("tenant", &which.tenant)
        .finish();
    let (status, wrong) = mendable(unlock_first(trouble, &format!("/admin/addresses/one?{query}")))?;
    Ok((status, html(&shown(house, visitor, &which, Some(wrong)).await?)).into_response())
}

async fn shown(
    house: &House,
    visitor: &Visitor,
    which: &Which,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    let address = visitor.asker().address(house, &which.address)?.reveal();
    let (desk, _, row) = Desk::of(house, visitor, "addresses", &which.tenant)?;
    let of = || Some(row.name.clone());
    let addresses: Vec<AddressItem> = house.ask(visitor, Request::AddressList { tenant: of() }).await?;
    let users: Vec<UserItem> = house.ask(visitor, Request::UserList { tenant: of() }).await?;
    let item = addresses.into_iter().find(|item| item.address == address && !item.standing);
    let AddressItem { user, shared_with, off, .. } = item.ok_or(Trouble::NotFound("address"))?;
    let holders: Vec<String> = std::iter::once(user).chain(shared_with).collect();
    let logins = users.into_iter().filter(|user| !user.leaving).map(|user| user.login);
    Ok(Page {
        frame: frame(visitor, "An address"),
        desk,
        others: logins.filter(|login| !holders.contains(login)).collect(),
        login: holders.contains(&address),
        address,
        holders,
        off,
        wrong,
    })
}

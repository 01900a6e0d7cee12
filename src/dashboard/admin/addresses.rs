//! Addresses, aliases and catch-alls: which mail is taken, and whose mailbox takes it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::deeds::Target;
use super::{Desk, Of, back, deeds, frame, mendable, unlock_first};
use crate::admin::api::{AddressItem, Request, UserItem};

#[derive(Template)]
#[template(path = "admin-addresses.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    rows: Vec<Row>,
    logins: Vec<String>,
    form: NewAddress,
    wrong: Option<String>,
}

struct Row {
    address: String,
    kind: &'static str,
    to: String,
    /// Why it takes no mail, if it takes none.
    off: Option<String>,
    /// Nobody was given it, so there is nothing to change of it.
    standing: bool,
}

#[derive(Template)]
#[template(path = "admin-address-remove.html")]
struct AskPage {
    frame: Frame,
    desk: Desk,
    address: String,
    wrong: Option<String>,
}

/// A new address.
#[derive(Default, Deserialize)]
pub struct NewAddress {
    address: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    alias_of: String,
    #[serde(default)]
    tenant: String,
}

/// An address.
#[derive(Deserialize)]
pub struct Which {
    address: String,
    #[serde(default)]
    tenant: String,
}

/// `GET /admin/addresses`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let form = NewAddress { tenant: of.tenant, ..NewAddress::default() };
    Ok(html(&shown(&house, &visitor, form, None).await?))
}

/// `POST /admin/addresses`.
pub async fn add(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<NewAddress>,
) -> Result<Response, Trouble> {
    let target = match form.alias_of.trim() {
        "" => Target::User(form.user.clone()),
        address => Target::AliasOf(address.to_owned()),
    };
    let authority = visitor.optional_authority();
    match deeds::add_address(&house, &visitor.asker(), &form.address, target, authority).await {
        Ok(()) => Ok(back(&visitor, "addresses", &form.tenant, "added").into_response()),
        Err(trouble) => {
            let (status, wrong) = mendable(unlock_first(trouble, "/admin/addresses"))?;
            Ok((status, html(&shown(&house, &visitor, form, Some(wrong)).await?)).into_response())
        }
    }
}

/// `GET /admin/addresses/remove`: asks first.
pub async fn ask(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Response, Trouble> {
    Ok(html(&asked(&house, &visitor, &which, None)?))
}

/// `POST /admin/addresses/remove`.
pub async fn remove(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Which>,
) -> Result<Response, Trouble> {
    let authority = visitor.optional_authority();
    match deeds::remove_address(&house, &visitor.asker(), &form.address, authority).await {
        Ok(()) => Ok(back(&visitor, "addresses", &form.tenant, "removed").into_response()),
        Err(trouble) => {
            let (status, wrong) = mendable(unlock_first(trouble, "/admin/addresses"))?;
            Ok((status, html(&asked(&house, &visitor, &form, Some(wrong))?)).into_response())
        }
    }
}

fn asked(house: &House, visitor: &Visitor, which: &Which, wrong: Option<String>) -> Result<AskPage, Trouble> {
    let address = visitor.asker().address(house, &which.address)?.reveal();
    let (desk, ..) = Desk::of(house, visitor, "addresses", &which.tenant)?;
    Ok(AskPage { frame: frame(visitor, "Remove an address"), desk, address, wrong })
}

async fn shown(
    house: &House,
    visitor: &Visitor,
    form: NewAddress,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    let (desk, _, row) = Desk::of(house, visitor, "addresses", &form.tenant)?;
    let of = || Some(row.name.clone());
    let addresses: Vec<AddressItem> = house.ask(visitor, Request::AddressList { tenant: of() }).await?;
    let users: Vec<UserItem> = house.ask(visitor, Request::UserList { tenant: of() }).await?;
    Ok(Page {
        frame: frame(visitor, "Addresses"),
        desk,
        rows: addresses.into_iter().map(shown_row).collect(),
        logins: users.into_iter().map(|user| user.login).collect(),
        form,
        wrong,
    })
}

fn shown_row(item: AddressItem) -> Row {
    let kind = match (item.address.starts_with('@'), &item.alias_of) {
        _ if item.standing => "by the mail standards; add it to give it to somebody else",
        (true, _) => "everything else of the domain",
        (false, Some(_)) => "alias",
        (false, None) => "address",
    };
    let holders = || std::iter::once(item.user.as_str()).chain(item.shared_with.iter().map(String::as_str));
    let to = item.alias_of.clone().unwrap_or_else(|| holders().collect::<Vec<_>>().join(", "));
    let off = item.off.map(|off| off.note.unwrap_or_else(|| format!("since {}", off.since)));
    Row { kind, to, off, standing: item.standing, address: item.address }
}

//! Administration: users, addresses, domains, sessions, settings of a tenant, for those who look after
//! it; tenants, for those who look after the server.
//!
//! Nobody else passes the door of these pages ([`door`]); what may be done behind it is in [`deeds`].

mod address;
mod addresses;
pub mod deeds;
mod departure;
mod domains;
mod overview;
mod sessions;
mod tenants;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::House;
use super::frame::{Frame, Place};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::admin::api::FailureCode;
use crate::names::TenantId;
use crate::owner::OwnerError;
use crate::tenant::registry;
use crate::tenant::rows::TenantRow;

/// The pages of administration, with the door before them.
pub fn router(house: &Arc<House>) -> Router<Arc<House>> {
    Router::new()
        .route("/admin", get(overview::page))
        .route("/admin/users", get(users::page).post(users::add))
        .route("/admin/users/role", post(users::role))
        .route("/admin/users/disable", post(users::disable))
        .route("/admin/users/enable", post(users::enable))
        .route("/admin/users/one", get(departure::page))
        .route("/admin/users/quota", post(departure::quota))
        .route("/admin/users/remove", post(departure::remove))
        .route("/admin/addresses", get(addresses::page).post(addresses::add))
        .route("/admin/addresses/remove", get(addresses::ask).post(addresses::remove))
        .route("/admin/addresses/one", get(address::page))
        .route("/admin/addresses/share", post(address::share))
        .route("/admin/addresses/unshare", post(address::unshare))
        .route("/admin/addresses/switch", post(address::switch))
        .route("/admin/domains", get(domains::page))
        .route("/admin/domains/{domain}/zone", get(domains::zone))
        .route("/admin/sessions", get(sessions::page))
        .route("/admin/sessions/end", post(sessions::end))
        .route("/admin/settings", get(tenants::settings).post(tenants::set_settings))
        .route("/admin/tenants", get(tenants::page).post(tenants::create))
        .route("/admin/tenants/remove", get(tenants::ask).post(tenants::remove))
        .route_layer(from_fn_with_state(house.clone(), door))
}

/// Lets those through who look after a tenant.
async fn door(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match Visitor::from_request_parts(&mut parts, &house).await {
        Ok(visitor) if visitor.administers() => next.run(Request::from_parts(parts, body)).await,
        Ok(_) => Trouble::Forbidden.into_response(),
        Err(trouble) => trouble.into_response(),
    }
}

/// Which tenant a page is about.
#[derive(Deserialize)]
struct Of {
    #[serde(default)]
    tenant: String,
}

/// What every page of administration shows around its own.
struct Desk {
    /// Where among the pages.
    here: &'static str,
    /// The tenant that the page is about.
    tenant: String,
    /// The tenants to choose from; none for those who look after one.
    tenants: Vec<String>,
    /// Whether the person looks after the server.
    operates: bool,
}

impl Desk {
    /// Of the tenant called so, if the visitor looks after it.
    fn of(
        house: &House,
        visitor: &Visitor,
        here: &'static str,
        tenant: &str,
    ) -> Result<(Self, TenantId, TenantRow), Trouble> {
        let (id, row) = visitor.asker().tenant(house, Some(tenant))?;
        let operates = visitor.operates();
        let tenants = match operates {
            true => registry::tenants(&house.vault.records).map_err(OwnerError::from)?,
            false => Vec::new(),
        };
        let tenants = tenants.into_iter().map(|(_, row)| row.name).collect();
        Ok((Self { here, tenant: row.name.clone(), tenants, operates }, id, row))
    }

    /// For links to other pages about the same tenant.
    fn query(&self) -> String {
        let name: String = url::form_urlencoded::byte_serialize(self.tenant.as_bytes()).collect();
        if self.operates { format!("?tenant={name}") } else { String::new() }
    }

    /// Marks a page of the navigation.
    fn is(&self, here: &str) -> bool {
        self.here == here
    }
}

fn frame(visitor: &Visitor, title: &str) -> Frame {
    Frame::of(visitor, Place::Administration, title)
}

/// Back to a page about the same tenant, with a word.
fn back(visitor: &Visitor, page: &str, tenant: &str, said: &str) -> axum::response::Redirect {
    let name: String = url::form_urlencoded::byte_serialize(tenant.as_bytes()).collect();
    let tenant = if visitor.operates() { format!("&tenant={name}") } else { String::new() };
    axum::response::Redirect::to(&format!("/admin/{page}?said={said}{tenant}"))
}

/// Leads to the unlock and back to `page` where the act takes one (law 7).
fn unlock_first(trouble: Trouble, page: &str) -> Trouble {
    match trouble {
        Trouble::Failed(failure) if failure.code == FailureCode::UnlockNeeded => {
            Trouble::Unlock(page.to_owned())
        }
        other => other,
    }
}

/// What a form is shown again with; anything that no other filling-in mends stays trouble.
fn mendable(trouble: Trouble) -> Result<(axum::http::StatusCode, String), Trouble> {
    match trouble {
        Trouble::Failed(failure)
            if matches!(failure.code, FailureCode::Invalid | FailureCode::Exists | FailureCode::Refused) =>
        {
            Ok((deeds::status_of(&failure), super::trouble::sentence(&failure.message)))
        }
        other => Err(other),
    }
}

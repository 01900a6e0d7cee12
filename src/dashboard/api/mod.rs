//! The HTTP API: what the pages do, as JSON, for programs that carry a token.
//!
//! One table of routes ([`routes`]) says everything: what a route does, which scope it takes, whether
//! it needs an unlock. Router, guard and OpenAPI document are made from it, so none of them can say
//! something else. Decides nothing by itself: rules are those of the pages (`admin::deeds`), deeds
//! those of the office.

pub mod caller;
mod deeds;
mod mail;
mod openapi;
mod own;
mod parts;
mod problem;
pub mod routes;
pub mod scope;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::House;
use problem::Problem;
use routes::ROUTES;

/// The whole API, to be nested under `/api`.
pub fn router(house: &Arc<House>) -> Router<Arc<House>> {
    let mut router = Router::new().route("/v1/openapi.json", get(document));
    for route in ROUTES {
        let guard = from_fn_with_state((house.clone(), route), caller::guard);
        router = router.route(&format!("/v1{}", route.path), (route.serve)().route_layer(guard));
    }
    router.fallback(nothing).method_not_allowed_fallback(no_such_method)
}

/// `GET /api/v1/openapi.json`: open to everybody; it tells nothing of anybody.
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}

async fn nothing() -> Problem {
    Problem::not_found("page of the API")
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", "This cannot be done here.")
}

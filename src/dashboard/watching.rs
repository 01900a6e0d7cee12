//! The lock as the open tabs of a browser learn of it: how long it still is open, and that it is no
//! more, by whoever locked it: this tab or another, the command line, an administrator, the clock.
//!
//! What the server says here changes nothing and counts as no use; a script asks, and who has none
//! learns with the next request, which is refused all the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::House;
use super::trouble::{Trouble, local};
use super::visitor::{Newcomer, Posted, Visitor};

/// What a tab believes.
#[derive(Deserialize)]
pub struct Belief {
    /// `open` or `locked`; the answer waits until that is wrong. Without it, it comes at once.
    #[serde(default)]
    state: String,
}

/// What is so.
#[derive(Serialize)]
struct Told {
    state: &'static str,
    /// Seconds until it locks by itself.
    seconds: i64,
    /// Seconds until it locks whatever anybody does.
    longest: i64,
}

/// Where to go on.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    to: String,
}

/// `GET /lock/state`: at once, or as soon as it is not what the tab believes, within [`PATIENCE`].
pub async fn state(
    State(house): State<Arc<House>>,
    Newcomer(visitor): Newcomer,
    Query(Belief { state }): Query<Belief>,
) -> Result<Response, Trouble> {
    let mut changes = house.sessions.changes();
    let until = tokio::time::Instant::now() + if state.is_empty() { Duration::ZERO } else { PATIENCE };
    loop {
        changes.borrow_and_update();
        let told = told(&house, &visitor)?;
        if told.state != state && !state.is_empty() || tokio::time::Instant::now() >= until {
            return Ok(Json(told).into_response());
        }
        // Its time may be over without anybody doing anything.
        let over = Duration::from_secs(u64::try_from(told.seconds.max(1)).unwrap_or(1));
        let soon = until.min(tokio::time::Instant::now() + over);
        let _changed = tokio::time::timeout_at(soon, changes.changed()).await;
    }
}

fn told(house: &House, visitor: &Visitor) -> Result<Told, Trouble> {
    let now = house.vault.clock.now();
    let visit =
        house.sessions.look(&visitor.token, &visitor.client.browser.print, visitor.client.origin, now);
    let visit = visit.map_err(|_| Trouble::SignIn(String::new()))?;
    let left = |until: crate::clock::Timestamp| until.unix() - now.unix();
    Ok(match visit.term {
        Some(term) => Told { state: "open", seconds: left(term.until), longest: left(term.longest) },
        None => Told { state: "locked", seconds: 0, longest: 0 },
    })
}

/// `POST /lock/extend`: somebody is still there. Every page that they open says so too; this is for those
/// who read a long message. It goes no further than the end that the unlock's entry in the log names.
pub async fn extend(Posted { visitor, form }: Posted<Back>) -> Result<Response, Trouble> {
    // The request itself was the use.
    match visitor.open_until() {
        Some(_) => Ok(Redirect::to(local(&form.to)).into_response()),
        None => Err(Trouble::Unlock(local(&form.to).to_owned())),
    }
}

/// Longer than this no answer waits: a connection is at most a minute at one request.
const PATIENCE: Duration = Duration::from_secs(25);

//! Who is signed in, and ending a session. Ending one shows less, so it works while locked.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::super::words::Moment;
use super::{Desk, Of, back, frame};
use crate::audit::{Act, Draft, LockCause, Origin};
use crate::names::UserId;
use crate::owner::OwnerError;
use crate::owner::sign_ins::Shown;
use crate::owner::unlock::record_ends;
use crate::tenant::registry::{self, UserRef};

#[derive(Template)]
#[template(path = "admin-sessions.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    sessions: Vec<Row>,
}

struct Row {
    id: String,
    user: String,
    login: String,
    browser: String,
    from: String,
    since: Moment,
    seen: Moment,
    unlocked: bool,
    own: bool,
}

/// A session, and whose it is.
#[derive(Deserialize)]
pub struct Which {
    id: String,
    user: String,
    #[serde(default)]
    tenant: String,
}

/// `GET /admin/sessions`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let (desk, tenant, _) = Desk::of(&house, &visitor, "sessions", &of.tenant)?;
    let mut sessions = Vec::new();
    for (user, shown) in house.sessions.sign_ins.list_of_tenant(tenant, visitor.now) {
        let row = registry::user(&house.vault.records, user).map_err(OwnerError::from)?;
        let login = row.map_or_else(String::new, |row| row.login);
        sessions.push(shown_row(&visitor, user, login, shown));
    }
    Ok(html(&Page { frame: frame(&visitor, "Sessions"), desk, sessions }))
}

/// `POST /admin/sessions/end`.
pub async fn end(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Which { id, user, tenant } }: Posted<Which>,
) -> Result<Response, Trouble> {
    let gone = || Trouble::NotFound("session");
    let (of, _) = visitor.asker().tenant(&house, Some(&tenant))?;
    let id = HEXLOWER.decode(id.as_bytes()).ok().and_then(|id| id.try_into().ok()).ok_or_else(gone)?;
    let user = UserRef { tenant: of, user: user.parse::<UserId>().map_err(|_| gone())? };
    // Said first: what cannot be recorded is not done.
    let draft =
        Draft::new(visitor.by().actor, visitor.client.origin, Act::SignInEndedFor { user: user.user });
    let lives = house.sessions.sign_ins.list(user, visitor.now).iter().any(|session| session.id == id);
    if !lives {
        return Err(gone());
    }
    let _recorded = house.vault.audit.record(of, draft).await.map_err(OwnerError::from)?;
    let ended = house.sessions.close_sign_in(user, &id).flatten();
    record_ends(&house.vault, ended.into_iter().collect(), LockCause::ByPerson).await?;
    house.notary.attend(of);
    Ok(back(&visitor, "sessions", &tenant, "session-ended").into_response())
}

fn shown_row(visitor: &Visitor, user: UserRef, login: String, shown: Shown) -> Row {
    Row {
        id: HEXLOWER.encode(&shown.id),
        user: user.user.to_string(),
        login,
        browser: shown.browser,
        from: match shown.origin {
            Origin::Ip { address } => address.to_string(),
            _ => "this machine".to_owned(),
        },
        since: Moment::from(shown.since),
        seen: Moment::from(shown.seen),
        unlocked: shown.unlocked,
        own: shown.id == visitor.visit.id,
    }
}

//! Users: who they are, a new one, another role, shut out and let in again.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::jobs::{Kind, Progress};
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::super::words::Moment;
use super::{Desk, Of, back, deeds, frame, mendable, unlock_first};
use crate::admin::api::{Request, Role, UserItem};

#[derive(Template)]
#[template(path = "admin-users.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    users: Vec<Row>,
    /// Whether users can be added: to one's own tenant, since it has to be unlocked.
    own: bool,
    address: String,
    role: &'static str,
    wrong: Option<String>,
    /// A user whose removal the visitor began.
    removal: Option<Progress>,
}

struct Row {
    login: String,
    role: &'static str,
    operates: bool,
    state: &'static str,
    mood: &'static str,
    disabled: bool,
    created: Moment,
    seen: Option<Moment>,
    own: bool,
}

#[derive(Template)]
#[template(path = "admin-user-made.html")]
pub(super) struct MadePage {
    pub frame: Frame,
    pub login: String,
    pub password: String,
    pub site: String,
    pub next: String,
}

/// A new user.
#[derive(Deserialize)]
pub struct NewUser {
    address: String,
    #[serde(default)]
    role: Role,
}

/// Another role for a user.
#[derive(Deserialize)]
pub struct NewRole {
    login: String,
    role: Role,
    #[serde(default)]
    tenant: String,
}

/// A user.
#[derive(Deserialize)]
pub struct Which {
    login: String,
    #[serde(default)]
    tenant: String,
}

/// `GET /admin/users`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    Ok(html(&shown(&house, &visitor, &of.tenant, None).await?))
}

/// `POST /admin/users`: the password for the first sign-in is in this answer, and nowhere else again.
pub async fn add(
    State(house): State<Arc<House>>,
    Posted { visitor, form: NewUser { address, role } }: Posted<NewUser>,
) -> Result<Response, Trouble> {
    // Whoever comes back from unlocking finds the page with its form.
    let authority = visitor.authority().map_err(|_| Trouble::Unlock("/admin/users".to_owned()))?;
    match deeds::add_user(&house, &visitor.asker(), &address, role, authority).await {
        Ok(added) => Ok(html(&MadePage {
            frame: frame(&visitor, "Pass this on"),
            login: added.login,
            password: added.password.to_string(),
            site: site(&house),
            next: "/admin/users".to_owned(),
        })),
        Err(trouble) => {
            let (status, wrong) = mendable(trouble)?;
            let page = shown(&house, &visitor, "", Some((wrong, address, role))).await?;
            Ok((status, html(&page)).into_response())
        }
    }
}

/// `POST /admin/users/role`. Raising somebody needs an unlock.
pub async fn role(
    State(house): State<Arc<House>>,
    Posted { visitor, form: NewRole { login, role, tenant } }: Posted<NewRole>,
) -> Result<Response, Trouble> {
    let authority = visitor.optional_authority();
    let done = deeds::set_role(&house, &visitor.asker(), &login, role, authority).await;
    settled(&house, &visitor, &tenant, done, "saved").await
}

/// `POST /admin/users/disable`. Shows less, so it works while locked.
pub async fn disable(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Which { login, tenant } }: Posted<Which>,
) -> Result<Response, Trouble> {
    let done = deeds::set_disabled(&house, &visitor.asker(), &login, true, None).await;
    settled(&house, &visitor, &tenant, done, "disabled").await
}

/// `POST /admin/users/enable`. Opens again what was closed, so it needs an unlock.
pub async fn enable(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Which { login, tenant } }: Posted<Which>,
) -> Result<Response, Trouble> {
    let authority = visitor.optional_authority();
    let done = deeds::set_disabled(&house, &visitor.asker(), &login, false, authority).await;
    settled(&house, &visitor, &tenant, done, "enabled").await
}

/// Where people sign in.
pub(super) fn site(house: &House) -> String {
    house.vault.settings.public_url.clone().unwrap_or_else(|| format!("https://{}", house.services.hostname))
}

/// Back to the list, or the list with what is wrong.
async fn settled(
    house: &House,
    visitor: &Visitor,
    tenant: &str,
    done: Result<(), Trouble>,
    said: &str,
) -> Result<Response, Trouble> {
    let Err(trouble) = done else { return Ok(back(visitor, "users", tenant, said).into_response()) };
    let (status, wrong) = mendable(unlock_first(trouble, "/admin/users"))?;
    let page = shown(house, visitor, tenant, Some((wrong, String::new(), Role::Member))).await?;
    Ok((status, html(&page)).into_response())
}

async fn shown(
    house: &House,
    visitor: &Visitor,
    tenant: &str,
    wrong: Option<(String, String, Role)>,
) -> Result<Page, Trouble> {
    let (desk, id, row) = Desk::of(house, visitor, "users", tenant)?;
    let users: Vec<UserItem> = house.ask(visitor, Request::UserList { tenant: Some(row.name) }).await?;
    let (wrong, address, role) = match wrong {
        Some((wrong, address, role)) => (Some(wrong), address, role),
        None => (None, String::new(), Role::Member),
    };
    Ok(Page {
        frame: frame(visitor, "Users"),
        users: users.into_iter().map(|user| shown_row(user, &visitor.row.login)).collect(),
        own: id == visitor.visit.user.tenant,
        desk,
        address,
        role: word(role),
        wrong,
        removal: house.jobs.state(visitor.visit.user, Kind::Removal),
    })
}

fn shown_row(user: UserItem, own: &str) -> Row {
    let (state, mood) = match (user.disabled, user.invited) {
        _ if user.leaving => ("being removed", "bad"),
        (true, _) => ("shut out", "bad"),
        (false, true) => ("invited", "warn"),
        (false, false) => ("active", "good"),
    };
    let time = |text: &str| text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    Row {
        role: word(user.role),
        operates: user.role == Role::Operator,
        state,
        mood,
        disabled: user.disabled && !user.leaving,
        created: Moment::new(time(&user.created)),
        seen: user.last_sign_in.map(|at| Moment::new(time(&at))),
        own: user.login == own,
        login: user.login,
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Administrator => "administrator",
        Role::Operator => "operator",
    }
}

//! Settings of a tenant, for those who look after it; making and removing tenants, for operators.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::jobs::{Kind, Progress};
use super::super::trouble::Trouble;
use super::super::visitor::{Posted, Visitor};
use super::super::words::Moment;
use super::users::{MadePage, site};
use super::{Desk, Of, back, deeds, frame, mendable, unlock_first};
use crate::admin::api::{Request, TenantItem};
use crate::owner::account;

#[derive(Template)]
#[template(path = "admin-settings.html")]
struct SettingsPage {
    frame: Frame,
    desk: Desk,
    reason_required: bool,
    everywhere: bool,
    step_up: bool,
    minutes: String,
    longest: String,
    /// What the server says.
    server: (u64, u64),
}

#[derive(Template)]
#[template(path = "admin-tenants.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    tenants: Vec<Row>,
    form: NewTenant,
    wrong: Option<String>,
    removal: Option<Progress>,
}

struct Row {
    name: String,
    users: u64,
    reason_required: bool,
    created: Moment,
    own: bool,
}

#[derive(Template)]
#[template(path = "admin-tenant-remove.html")]
struct AskPage {
    frame: Frame,
    tenant: String,
    users: u64,
    wrong: Option<String>,
}

/// The settings as the form has them.
#[derive(Deserialize)]
pub struct Settings {
    #[serde(default)]
    tenant: String,
    reason_required: Option<String>,
    step_up: Option<String>,
    /// Minutes; empty for what the server says.
    unlock_minutes: Option<String>,
    unlock_longest_minutes: Option<String>,
}

/// A new tenant.
#[derive(Default, Deserialize)]
pub struct NewTenant {
    name: String,
    address: String,
    reason_required: Option<String>,
}

/// A tenant to remove, and its name typed once more.
#[derive(Deserialize)]
pub struct Removal {
    tenant: String,
    #[serde(default)]
    typed: String,
}

/// `GET /admin/settings`.
pub async fn settings(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let (desk, _, row) = Desk::of(&house, &visitor, "settings", &of.tenant)?;
    let settings = &house.vault.settings;
    let shown = |minutes: Option<u32>| minutes.map(|count| count.to_string()).unwrap_or_default();
    Ok(html(&SettingsPage {
        frame: frame(&visitor, "Settings"),
        desk,
        reason_required: row.reason_required,
        everywhere: house.vault.settings.reason_required,
        step_up: row.step_up.unwrap_or(false),
        minutes: shown(row.unlock_minutes),
        longest: shown(row.unlock_longest_minutes),
        server: (settings.unlock_lasts.as_secs() / 60, settings.unlock_longest.as_secs() / 60),
    }))
}

/// `POST /admin/settings`.
pub async fn set_settings(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Settings>,
) -> Result<Response, Trouble> {
    let chosen = account::Settings {
        reason_required: form.reason_required.is_some(),
        step_up: form.step_up.is_some(),
        unlock_minutes: minutes(form.unlock_minutes.as_deref())?,
        unlock_longest_minutes: minutes(form.unlock_longest_minutes.as_deref())?,
    };
    let authority = visitor.optional_authority();
    let saved = deeds::set_settings(&house, &visitor.asker(), Some(&form.tenant), chosen, authority).await;
    saved.map_err(|trouble| unlock_first(trouble, "/admin/settings"))?;
    Ok(back(&visitor, "settings", &form.tenant, "saved").into_response())
}

/// Minutes of a field; left empty they are what the server says.
fn minutes(field: Option<&str>) -> Result<Option<u32>, Trouble> {
    let wrong = |_| Trouble::invalid("minutes are a whole number");
    field
        .map(|text| if text.trim().is_empty() { Ok(0) } else { text.trim().parse().map_err(wrong) })
        .transpose()
}

/// `GET /admin/tenants`.
pub async fn page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    Ok(html(&shown(&house, &visitor, NewTenant::default(), None).await?))
}

/// `POST /admin/tenants`.
pub async fn create(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<NewTenant>,
) -> Result<Response, Trouble> {
    let reason = form.reason_required.is_some();
    match deeds::create_tenant(&house, &visitor.asker(), &form.name, &form.address, reason).await {
        Ok(added) => Ok(html(&MadePage {
            frame: frame(&visitor, "Pass this on"),
            login: added.login,
            password: added.password.to_string(),
            site: site(&house),
            next: "/admin/tenants".to_owned(),
        })),
        Err(trouble) => {
            let (status, wrong) = mendable(trouble)?;
            Ok((status, html(&shown(&house, &visitor, form, Some(wrong)).await?)).into_response())
        }
    }
}

/// `GET /admin/tenants/remove`: asks first.
pub async fn ask(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(which): Query<Removal>,
) -> Result<Response, Trouble> {
    Ok(html(&asked(&house, &visitor, &which.tenant, None)?))
}

/// `POST /admin/tenants/remove`. It goes on in the background, however long it takes.
pub async fn remove(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Removal { tenant, typed } }: Posted<Removal>,
) -> Result<Response, Trouble> {
    let row = deeds::removable(&house, &visitor.asker(), &tenant)?;
    if typed.trim() != row.name {
        let wrong = "That is not the tenant's name. Nothing was removed.".to_owned();
        let page = asked(&house, &visitor, &tenant, Some(wrong))?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)).into_response());
    }
    let Some(running) = house.jobs.begin(visitor.visit.user, Kind::Removal) else {
        return Err(Trouble::invalid("another tenant is being removed: wait for its end"));
    };
    let (by, name) = (visitor.by(), row.name.clone());
    tokio::spawn(async move {
        let request = Request::TenantRemove { tenant: row.name };
        let done = house.ask_long(by, request, |done, total| running.step(done, total)).await;
        running.finish(match done {
            Ok(()) => Ok(format!("{name} is removed.")),
            Err(failure) => {
                Err(format!("{name} is not removed yet: {}. Remove it again to go on.", failure.message))
            }
        });
    });
    Ok(Redirect::to("/admin/tenants?said=removing").into_response())
}

fn asked(house: &House, visitor: &Visitor, tenant: &str, wrong: Option<String>) -> Result<AskPage, Trouble> {
    let asker = visitor.asker();
    let row = deeds::removable(house, &asker, tenant)?;
    let (id, _) = asker.tenant(house, Some(&row.name))?;
    let users = crate::tenant::registry::users(&house.vault.records, id);
    let users = users.map_err(crate::owner::OwnerError::from)?.len() as u64;
    Ok(AskPage { frame: frame(visitor, "Remove a tenant"), tenant: row.name, users, wrong })
}

async fn shown(
    house: &House,
    visitor: &Visitor,
    form: NewTenant,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    deeds::operates(&visitor.asker())?;
    let (desk, ..) = Desk::of(house, visitor, "tenants", "")?;
    let tenants: Vec<TenantItem> = house.ask(visitor, Request::TenantList {}).await?;
    let row = |item: TenantItem| Row {
        users: item.users,
        reason_required: item.reason_required,
        created: Moment::new(item.created.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)),
        own: item.name == visitor.tenant.name,
        name: item.name,
    };
    Ok(Page {
        frame: frame(visitor, "Tenants"),
        desk,
        tenants: tenants.into_iter().map(row).collect(),
        form,
        wrong,
        removal: house.jobs.state(visitor.visit.user, Kind::Removal),
    })
}

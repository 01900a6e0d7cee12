//! Connecting a mail client: which policy, tried on a message of one's own first, then a name. The
//! answer to the form is the page with the app password, in `connect`.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::House;
use super::connect;
use super::frame::{Frame, Place, html};
use super::policy_words::{Card, cards};
use super::sides::{self, Choice, Pane};
use super::trouble::{Trouble, status};
use super::views::policies;
use super::visitor::{Posted, Visitor};
use super::words::sentence;
use crate::admin::api::{Authority, CredentialCreated, FailureCode, Request};
use crate::names::ViewId;
use crate::owner::OwnerError;
use crate::tenant::registry;

/// What has been chosen so far.
#[derive(Default, Deserialize, Serialize)]
pub struct Wanted {
    #[serde(default)]
    policy: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    label: String,
    /// The message of the preview; nothing before one is chosen.
    #[serde(default)]
    message: String,
    /// Whether older mail is sealed for it: `later`, else at once.
    #[serde(default)]
    older: String,
}

#[derive(Template)]
#[template(path = "view-new.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    cards: Vec<Card>,
    choices: Vec<Choice>,
    pane: Option<Pane>,
    wrong: Option<String>,
    back: String,
}

/// `GET /views/new`: the choice, and the preview once a message is chosen.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    Ok(html(&form(&house, &visitor, wanted, None).await?))
}

/// `POST /views/new`.
pub async fn create(
    State(house): State<Arc<House>>,
    Posted { visitor, form: wanted }: Posted<Wanted>,
) -> Result<Response, Trouble> {
    let session = visitor.session().ok_or_else(|| Trouble::Unlock(back(&wanted)))?;
    let label = Some(wanted.label.trim().to_owned()).filter(|label| !label.is_empty());
    let request = Request::ViewCreate {
        user: visitor.row.login.clone(),
        name: wanted.name.trim().to_owned(),
        policy: wanted.policy.clone(),
        label,
        authority: Authority::Session(session),
    };
    match house.ask::<CredentialCreated>(&visitor, request).await {
        Ok(made) => {
            let found = registry::view_named(&house.vault.records, visitor.visit.user, &made.view)?;
            let (view, _) = found.ok_or(Trouble::NotFound("view"))?;
            if wanted.older != "later" && lacks_older_mail(&house, &visitor, view)? {
                super::views::begin_reseal(&house, &visitor)?;
            }
            Ok(connect::answer(&house, &visitor, view, &made))
        }
        Err(Trouble::Failed(failure))
            if matches!(failure.code, FailureCode::Invalid | FailureCode::Exists) =>
        {
            let wrong = if failure.code == FailureCode::Exists {
                "You have a view of that name. Choose another one.".to_owned()
            } else {
                sentence(&failure.message) + "."
            };
            let page = html(&form(&house, &visitor, wanted, Some(wrong)).await?);
            Ok((status(failure.code), page).into_response())
        }
        Err(Trouble::NotFound(_)) => {
            let wrong = Some("Choose what the client may see.".to_owned());
            let page = html(&form(&house, &visitor, wanted, wrong).await?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(trouble) => Err(trouble),
    }
}

async fn form(
    house: &House,
    visitor: &Visitor,
    mut wanted: Wanted,
    wrong: Option<String>,
) -> Result<Page, Trouble> {
    let items = policies(house, visitor).await?;
    if !items.iter().any(|item| item.name == wanted.policy) {
        DEFAULT.clone_into(&mut wanted.policy);
    }
    let (mut choices, mut pane) = (Vec::new(), None);
    if visitor.open_until().is_some() {
        choices = sides::choices(house, &visitor.unlocked(house)?, CHOICES).await?;
        if let Ok(uid) = wanted.message.parse() {
            let (records, tenant) = (&house.vault.records, visitor.visit.user.tenant);
            let policy =
                house.vault.policies.find(records, tenant, &wanted.policy).map_err(OwnerError::from)?;
            pane = Some(sides::pane(house, visitor, uid, &policy, ViewId::random()).await?);
        }
    }
    let frame = Frame::of(visitor, Place::Views, "Connect a mail client");
    let back = back(&wanted);
    Ok(Page { frame, wanted, cards: cards(&items), choices, pane, wrong, back })
}

/// Whether there is older mail that the view does not have.
fn lacks_older_mail(house: &House, visitor: &Visitor, view: ViewId) -> Result<bool, Trouble> {
    let row = registry::view(&house.vault.records, visitor.visit.user, view)?;
    Ok(row.is_some_and(|row| row.unfilled.is_some()))
}

/// This page with what has been chosen, to come back to.
fn back(wanted: &Wanted) -> String {
    let query = serde_urlencoded::to_string(wanted).unwrap_or_default();
    format!("/views/new?{query}")
}

impl Page {
    fn is_message(&self, choice: &Choice) -> bool {
        self.wanted.message.parse() == Ok(choice.uid)
    }
}

/// The policy that is chosen before anybody chooses.
const DEFAULT: &str = "headers-only";
/// Messages to choose from for a preview.
const CHOICES: usize = 20;

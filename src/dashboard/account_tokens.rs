//! A person's tokens for the HTTP API: made, shown once, listed, revoked. Making one takes an unlock: a
//! token opens no mail by itself, but it is a way in that stays.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::api::scope::Scope;
use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::visitor::{Posted, Visitor};
use super::words::Moment;
use crate::owner::OwnerError;
use crate::owner::tokens::{self, DEFAULT_DAYS, Listed, Wanted};

#[derive(Template)]
#[template(path = "account-tokens.html")]
struct Page {
    frame: Frame,
    tokens: Vec<Row>,
    choices: Vec<Choice>,
    label: String,
    days: String,
    wrong: Option<String>,
}

struct Row {
    id: String,
    label: String,
    scopes: String,
    created: Moment,
    expires: Moment,
    used: Option<Moment>,
    over: bool,
}

struct Choice {
    word: &'static str,
    says: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "account-token-made.html")]
struct MadePage {
    frame: Frame,
    label: String,
    token: String,
    expires: Moment,
    host: String,
}

/// What a form says. The scopes come as fields of one name, which the pairs keep.
pub type Form = Vec<(String, String)>;

/// Which token.
#[derive(Deserialize)]
pub struct Which {
    id: String,
}

/// `GET /account/tokens`.
pub async fn page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    Ok(html(&shown(&house, &visitor, &Vec::new(), None)?))
}

/// `POST /account/tokens`: the token is in this answer, and nowhere else again.
pub async fn create(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Form>,
) -> Result<Response, Trouble> {
    // Whoever comes back from unlocking finds the page with its form.
    let unlock = |_| Trouble::Unlock("/account/tokens".to_owned());
    let unlocked = visitor.unlocked(&house).map_err(unlock)?;
    let chosen = form.iter().filter(|(name, _)| name == "scope").filter_map(|(_, word)| Scope::parse(word));
    let allowed = chosen.filter(|scope| visitor.administers() || !scope.administers());
    let wanted = Wanted {
        label: field(&form, "label").trim().to_owned(),
        scopes: allowed.map(|scope| scope.word().to_owned()).collect(),
        days: field(&form, "days").parse().unwrap_or(0),
    };
    let label = wanted.label.clone();
    match tokens::create(&house.vault, &unlocked, wanted).await {
        Ok(issued) => {
            house.notary.attend(visitor.visit.user.tenant);
            Ok(html(&MadePage {
                frame: Frame::of(&visitor, Place::Account, "Your new token"),
                label,
                token: issued.token.reveal().to_string(),
                expires: Moment::new(issued.expires),
                host: house.vault.settings.public_url.clone().unwrap_or_default(),
            }))
        }
        Err(OwnerError::Invalid { what, why }) => {
            let page = shown(&house, &visitor, &form, Some(format!("The {what} does not do: {why}.")))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/tokens/revoke`. Takes something away, so it works while locked.
pub async fn revoke(
    State(house): State<Arc<House>>,
    Posted { visitor, form }: Posted<Which>,
) -> Result<Redirect, Trouble> {
    let id = form.id.parse().map_err(|_| Trouble::NotFound("token"))?;
    tokens::revoke(&house.vault, visitor.visit.user, id, visitor.by()).await?;
    house.notary.attend(visitor.visit.user.tenant);
    Ok(Redirect::to("/account/tokens?said=revoked"))
}

fn shown(house: &House, visitor: &Visitor, form: &Form, wrong: Option<String>) -> Result<Page, Trouble> {
    let now = visitor.now.unix();
    let tokens = tokens::list(&house.vault, visitor.visit.user)?;
    let offered = Scope::ALL.iter().filter(|scope| visitor.administers() || !scope.administers());
    let chosen = |scope: &Scope| form.iter().any(|(name, word)| name == "scope" && word == scope.word());
    let days = Some(field(form, "days")).filter(|days| !days.is_empty());
    Ok(Page {
        frame: Frame::of(visitor, Place::Account, "Tokens for programs"),
        tokens: tokens.into_iter().map(|token| row(token, now)).collect(),
        choices: offered
            .map(|scope| Choice { word: scope.word(), says: scope.says(), chosen: chosen(scope) })
            .collect(),
        label: field(form, "label").to_owned(),
        days: days.map_or_else(|| DEFAULT_DAYS.to_string(), str::to_owned),
        wrong,
    })
}

fn row(token: Listed, now: i64) -> Row {
    Row {
        id: token.id.to_string(),
        label: token.row.label,
        scopes: token.row.scopes.join(", "),
        created: Moment::new(token.row.created),
        expires: Moment::new(token.row.expires),
        used: token.last_used.map(Moment::new),
        over: now >= token.row.expires,
    }
}

fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

//! Passkeys: the page that lists them, adding and removing, and the unlock with one. The browser talks
//! to the authenticator in `assets/passkey.js`; what it brings back is verified by `owner::passkey`.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::House;
use super::frame::{Frame, Place, html};
use super::trouble::{Told, Trouble, local, with_return};
use super::unlocking::{enter, refusal};
use super::visitor::{Nothing, Posted, PostedJson, Visitor};
use super::words::Moment;
use crate::admin::api::Secret;
use crate::keyring::PrfOutput;
use crate::names::CredentialId;
use crate::owner::OwnerError;
use crate::owner::passkey::{self, Listed, Offered, Proof, Strength};

#[derive(Template)]
#[template(path = "account-passkeys.html")]
struct Page {
    frame: Frame,
    passkeys: Vec<Shown>,
    available: bool,
    unlock: String,
}

/// A row of the list.
struct Shown {
    id: CredentialId,
    label: String,
    created: Moment,
    last_used: Option<Moment>,
    strength: Strength,
}

impl From<Listed> for Shown {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            label: listed.label,
            created: Moment::new(listed.created),
            last_used: listed.last_used.map(Moment::new),
            strength: listed.strength,
        }
    }
}

/// A new passkey, as the script hands it over.
#[derive(Deserialize)]
pub struct NewPasskey {
    label: String,
    credential: RegisterPublicKeyCredential,
    prf: Option<Secret>,
}

/// An assertion, with what stands in the form of the unlock page.
#[derive(Deserialize)]
pub struct Answer {
    credential: PublicKeyCredential,
    prf: Option<Secret>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    to: String,
}

/// Which passkey.
#[derive(Deserialize)]
pub struct Which {
    id: String,
}

/// `GET /account/passkeys`.
pub async fn page(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    let passkeys = passkey::list(&house.vault, visitor.visit.user)?;
    Ok(html(&Page {
        frame: Frame::of(&visitor, Place::Account, "Passkeys"),
        passkeys: passkeys.into_iter().map(Shown::from).collect(),
        available: passkey::available(&house.vault),
        unlock: with_return("/unlock", "/account/passkeys"),
    }))
}

/// `POST /account/passkeys/begin`.
pub async fn begin_adding(
    State(house): State<Arc<House>>,
    PostedJson { visitor, .. }: PostedJson<Nothing>,
) -> Result<Json<Value>, Told> {
    let unlocked = visitor.unlocked(&house)?;
    Ok(Json(passkey::begin_adding(&house.vault, &house.sessions, &visitor.visit, &unlocked)?))
}

/// `POST /account/passkeys/finish`.
pub async fn add(
    State(house): State<Arc<House>>,
    PostedJson { visitor, body: NewPasskey { label, credential, prf } }: PostedJson<NewPasskey>,
) -> Result<Json<Value>, Told> {
    let unlocked = visitor.unlocked(&house)?;
    let offered = Offered { label, credential, prf: output(prf)? };
    match passkey::add(&house.vault, &house.sessions, &visitor.visit, &unlocked, offered).await {
        Ok(()) => {
            house.notary.attend(visitor.visit.user.tenant);
            Ok(Json(json!({ "to": "/account/passkeys?said=passkey-added" })))
        }
        Err(OwnerError::Refused) => {
            Err(Trouble::invalid("this passkey could not be added; try again").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/passkeys/remove`.
pub async fn remove(
    State(house): State<Arc<House>>,
    Posted { visitor, form: Which { id } }: Posted<Which>,
) -> Result<Response, Trouble> {
    let id = id.parse().map_err(|_| Trouble::NotFound("passkey"))?;
    passkey::remove(&house.vault, visitor.visit.user, id, visitor.by()).await?;
    super::account::end_all_others(&house, &visitor).await?;
    house.notary.attend(visitor.visit.user.tenant);
    Ok(Redirect::to("/account/passkeys?said=passkey-removed").into_response())
}

/// `POST /unlock/passkey/begin`.
pub async fn begin_unlocking(
    State(house): State<Arc<House>>,
    PostedJson { visitor, .. }: PostedJson<Nothing>,
) -> Result<Json<Value>, Told> {
    Ok(Json(passkey::begin_unlocking(&house.vault, &house.sessions, &visitor.visit)?))
}

/// `POST /unlock/passkey/finish`.
pub async fn unlock(
    State(house): State<Arc<House>>,
    PostedJson { visitor, body: Answer { credential, prf, reason, to } }: PostedJson<Answer>,
) -> Result<Response, Told> {
    let origin = visitor.client.origin;
    let why = Some(reason.trim()).filter(|reason| !reason.is_empty());
    let proof = Proof { credential, prf: output(prf)? };
    match passkey::unlock(&house.vault, &house.sessions, &visitor.visit, proof, why, origin).await {
        Ok(opened) => {
            let known = enter(&house, &visitor, &opened)?;
            Ok((known, Json(json!({ "to": local(&to) }))).into_response())
        }
        Err(error) => {
            let refused = matches!(error, OwnerError::Refused);
            let (status, wrong) = refusal(error)?;
            let wrong = if refused { REFUSED.to_owned() } else { wrong };
            Ok((status, Json(json!({ "wrong": wrong }))).into_response())
        }
    }
}

fn output(prf: Option<Secret>) -> Result<Option<PrfOutput>, Trouble> {
    let output = prf.map(|prf| PrfOutput::parse(prf.expose())).transpose();
    output.map_err(|_| Trouble::invalid("the answer of the browser is not understood"))
}

/// One sentence for every assertion that opens nothing.
const REFUSED: &str = "This passkey did not unlock your mail. Try again, or use a code.";

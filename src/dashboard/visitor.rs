//! The person behind a request: signed in, through with their first sign-in, in a browser that the
//! session belongs to.

use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::asker::Asker;
use super::client::Client;
use super::trouble::{Told, Trouble};
use super::{House, cookie};
use crate::admin::api::{self, Secret};
use crate::audit::Actor;
use crate::clock::Timestamp;
use crate::net::listen::Standing;
use crate::owner::sessions::Token;
use crate::owner::sign_ins::Visit;
use crate::owner::{By, Unlocked, familiar};
use crate::tenant::registry;
use crate::tenant::rows::{Role, TenantRow, UserRow};

/// A person who has signed in, whatever is left of their first sign-in.
pub struct Newcomer(pub Visitor);

/// A person who has signed in.
pub struct Visitor {
    /// Their session.
    pub visit: Visit,
    /// What their browser carries.
    pub token: Token,
    /// Their browser.
    pub client: Client,
    /// Their row.
    pub row: UserRow,
    /// Their tenant.
    pub tenant: TenantRow,
    /// The time of the request.
    pub now: Timestamp,
    /// Path and query of the request.
    pub here: String,
    /// The notice that the page before asked for.
    pub said: Option<String>,
    /// What their browser carries of sign-ins before.
    pub known: String,
}

/// A form of one of our pages, sent by the person it was made for.
pub struct Posted<T> {
    /// Who.
    pub visitor: Visitor,
    /// What.
    pub form: T,
}

impl Visitor {
    /// When the whole locks by itself, while it is open.
    pub fn open_until(&self) -> Option<Timestamp> {
        self.visit.term.map(|term| term.until).filter(|until| self.now < *until)
    }

    /// Opens the owner key, or leads to the page that does and back.
    pub fn unlocked(&self, house: &House) -> Result<Unlocked, Trouble> {
        let locked = || Trouble::Unlock(self.here.clone());
        let token = self.visit.unlock.as_ref().ok_or_else(locked)?;
        house.sessions.resume(token, house.vault.clock.now()).map_err(|_| locked())
    }

    /// The unlock session as calls carry it.
    pub fn session(&self) -> Option<Secret> {
        let token = self.visit.unlock.as_ref()?;
        self.open_until().map(|_| Secret::new(token.reveal().to_string()))
    }

    /// The same, or the way to unlock and back.
    pub fn session_or_unlock(&self) -> Result<Secret, Trouble> {
        self.session().ok_or_else(|| Trouble::Unlock(self.here.clone()))
    }

    /// What allows an act that reveals more: the live unlock session.
    pub fn authority(&self) -> Result<api::Authority, Trouble> {
        self.session_or_unlock().map(api::Authority::Session)
    }

    /// The same where only some acts need it.
    pub fn optional_authority(&self) -> Option<api::Authority> {
        self.session().map(api::Authority::Session)
    }

    /// Who asks, for the audit log.
    pub fn by(&self) -> By {
        By { actor: Actor::User { user: self.visit.user.user }, origin: self.client.origin }
    }

    /// Who they are, for what pages and programs may ask alike.
    pub fn asker(&self) -> Asker {
        Asker {
            user: self.visit.user,
            login: self.row.login.clone(),
            role: self.row.role(),
            tenant: self.tenant.name.clone(),
            origin: self.client.origin,
        }
    }

    /// Whether they look after their tenant.
    pub fn administers(&self) -> bool {
        self.row.role() >= Role::Administrator
    }

    /// Whether they look after the server.
    pub fn operates(&self) -> bool {
        self.row.role() == Role::Operator
    }
}

impl House {
    /// Asks the office on behalf of a visitor. Who may ask what is the page's to decide.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        request: api::Request,
    ) -> Result<T, Trouble> {
        self.ask_by(visitor.by(), request).await
    }

    /// Asks for something that comes as items.
    pub async fn ask_items<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        request: api::Request,
    ) -> Result<Vec<T>, Trouble> {
        self.ask_items_by(visitor.by(), request).await
    }
}

impl FromRequestParts<Arc<House>> for Newcomer {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Trouble> {
        let Ok(client) = Client::from_request_parts(parts, house).await;
        let here = parts.uri.path_and_query().map_or("/mail", |path| path.as_str());
        // After signing in, a form is not sent again: its page is shown.
        let back = if parts.method == axum::http::Method::GET { here } else { parent(parts.uri.path()) };
        let sign_in = || Trouble::SignIn(back.to_owned());
        let token = cookie::read(&parts.headers).ok_or_else(sign_in)?;
        let now = house.vault.clock.now();
        let (sessions, print) = (&house.sessions, &client.browser.print);
        let visit = match asks_by_itself(parts.uri.path()) {
            true => sessions.look(&token, print, client.origin, now),
            false => sessions.visit(&token, print, client.origin, now),
        };
        let mut visit = visit.map_err(|_| sign_in())?;
        visit.familiar = familiar::find(&house.vault, cookie::familiar(&parts.headers), visit.user);
        let row = registry::user(&house.vault.records, visit.user).map_err(crate::owner::OwnerError::from)?;
        let row = row.filter(|row| !row.disabled).ok_or_else(sign_in)?;
        let tenant = house.vault.records.system().get::<TenantRow>(&[visit.user.tenant.as_bytes()]);
        let tenant = tenant.map_err(crate::owner::OwnerError::from)?.ok_or_else(sign_in)?;
        // From now on the connection yields to no stranger.
        if let Some(standing) = parts.extensions.get::<Standing>() {
            standing.proven();
        }
        let said = query(parts, "said");
        let known = cookie::familiar(&parts.headers).to_owned();
        let here = back.to_owned();
        Ok(Self(Visitor { visit, token, client, row, tenant, now, here, said, known }))
    }
}

impl FromRequestParts<Arc<House>> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Trouble> {
        let Newcomer(visitor) = Newcomer::from_request_parts(parts, house).await?;
        if visitor.row.pending.is_some() { Err(Trouble::Welcome) } else { Ok(visitor) }
    }
}

/// Whether scripts ask for it, with nobody there: that keeps nothing open.
fn asks_by_itself(path: &str) -> bool {
    path == "/lock/state" || path == "/audit/verified" || path.starts_with("/jobs/")
}

/// The field that every form has besides its own.
#[derive(Deserialize)]
struct Csrf {
    #[serde(default)]
    csrf: String,
}

impl<T: DeserializeOwned> FromRequest<Arc<House>> for Posted<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, Trouble> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, house).await?;
        let form = read_form(&visitor, Request::from_parts(parts, body)).await?;
        Ok(Self { visitor, form })
    }
}

/// The same during the first sign-in.
pub struct PostedByNewcomer<T>(pub Posted<T>);

impl<T: DeserializeOwned> FromRequest<Arc<House>> for PostedByNewcomer<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, Trouble> {
        let (mut parts, body) = request.into_parts();
        let Newcomer(visitor) = Newcomer::from_request_parts(&mut parts, house).await?;
        let form = read_form(&visitor, Request::from_parts(parts, body)).await?;
        Ok(Self(Posted { visitor, form }))
    }
}

/// JSON that a script of one of our pages sends. What every form has as a field, it has as a header,
/// which no other site can send without asking first (Fetch, CORS-preflight).
pub struct PostedJson<T> {
    /// Who.
    pub visitor: Visitor,
    /// What.
    pub body: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<House>> for PostedJson<T> {
    type Rejection = Told;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, Told> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, house).await?;
        let csrf = parts.headers.get(CSRF).map(|value| value.as_bytes()).unwrap_or_default();
        if !bool::from(csrf.ct_eq(visitor.visit.csrf.as_bytes())) {
            return Err(Trouble::ForeignForm.into());
        }
        let body = axum::body::Bytes::from_request(Request::from_parts(parts, body), &()).await;
        let body = body.map_err(|_| Trouble::invalid("this is too large"))?;
        let body = zeroize::Zeroizing::new(body.to_vec());
        let body = serde_json::from_slice(&body);
        let body = body.map_err(|_| Trouble::invalid("the answer of the browser is not understood"))?;
        Ok(Self { visitor, body })
    }
}

async fn read_form<T: DeserializeOwned>(visitor: &Visitor, request: Request) -> Result<T, Trouble> {
    let body = zeroize::Zeroizing::new(
        axum::body::Bytes::from_request(request, &())
            .await
            .map_err(|_| Trouble::invalid("the form is too large"))?
            .to_vec(),
    );
    let Ok(Form(Csrf { csrf })) = form(&body) else { return Err(Trouble::ForeignForm) };
    if !bool::from(csrf.as_bytes().ct_eq(visitor.visit.csrf.as_bytes())) {
        return Err(Trouble::ForeignForm);
    }
    let Form(read) =
        form(&body).map_err(|_| Trouble::invalid("the form is not filled in as it should be"))?;
    Ok(read)
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<Form<T>, serde_urlencoded::de::Error> {
    serde_urlencoded::from_bytes(body).map(Form)
}

/// One field of the query.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The page that a form's address belongs to.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/mail", |(page, _)| if page.is_empty() { path } else { page })
}

/// The header of a script's request that carries what forms have as `csrf`.
const CSRF: &str = "x-csrf";

/// A form that only has a button.
#[derive(Deserialize)]
pub struct Nothing {}

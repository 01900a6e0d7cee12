//! The dashboard: web pages on which people read their mail, unlock the whole with a second factor,
//! see who opened what, and look after views, users and policies. HTTPS only, server-rendered; every
//! page works without JavaScript.
//!
//! Owns pages, cookies, forms, and what a browser may do. Decides nothing about keys or mail: that is
//! `owner`; and what the administration socket can do too, it asks of an [`Office`]. Templates are in
//! `templates/`, stylesheet and scripts in `assets/`.

mod account;
mod account_tokens;
mod admin;
mod api;
mod asker;
mod assets;
mod audit;
mod audit_mark;
mod audit_names;
mod audit_walk;
mod audit_words;
mod client;
mod connect;
mod cookie;
mod devices;
mod download;
mod entrance;
mod folders;
mod frame;
mod gate;
mod jobs;
mod kept;
mod mail;
mod message;
mod passkeys;
mod policies;
mod policies_remove;
mod policy_words;
mod search;
mod sides;
mod trouble;
mod unlocking;
mod views;
mod views_new;
mod visitor;
mod watching;
mod welcome;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use futures::future::BoxFuture;

use crate::admin::api::{Failure, Request};
use crate::admin::socket::Outlet;
use crate::audit::{Notary, Recorded};
use crate::autoconfig::{self, Services};
use crate::owner::By;
use crate::owner::index::Indexes;
use crate::owner::sessions::{SessionId, Sessions};
use crate::vault::{AuditRows, Vault};

pub use visitor::Visitor;

/// Does what calls ask, as the administration socket has it done.
pub trait Office: Send + Sync + 'static {
    /// Does it, or says why not.
    fn call<'a>(
        &'a self,
        request: Request,
        by: By,
        outlet: &'a Outlet,
    ) -> BoxFuture<'a, Result<serde_json::Value, Failure>>;
}

/// What the pages work with.
pub struct House {
    /// The vault.
    pub vault: Arc<Vault>,
    /// Unlock sessions and signed-in ones.
    pub sessions: Arc<Sessions>,
    /// Who signs the audit logs.
    pub notary: Arc<Notary<AuditRows>>,
    /// Who does what the socket can do.
    pub office: Arc<dyn Office>,
    /// Where mail clients connect.
    pub services: Arc<Services>,
    /// The search indexes of those who have unlocked.
    pub indexes: Arc<Indexes>,
    /// Work that takes longer than a page.
    jobs: Arc<jobs::Jobs>,
    /// The entry of the message that each session was shown last.
    shown: Mutex<HashMap<SessionId, Arc<Recorded>>>,
    /// What the audit page has shown by name, in which session.
    named: audit_names::Named,
    /// What pages hand on to their frames.
    kept: Arc<kept::Kept>,
    /// Tokens that were no good, by address.
    knocks: api::caller::Knocks,
    /// What came of verifying the audit logs.
    marks: Arc<audit_mark::Marks>,
}

impl House {
    /// A house of these parts.
    pub fn new(
        vault: Arc<Vault>,
        sessions: Arc<Sessions>,
        notary: Arc<Notary<AuditRows>>,
        office: Arc<dyn Office>,
        services: Arc<Services>,
        indexes: Arc<Indexes>,
    ) -> Arc<Self> {
        Arc::new(Self {
            vault,
            sessions,
            notary,
            office,
            services,
            indexes,
            jobs: Arc::default(),
            shown: Mutex::default(),
            kept: Arc::default(),
            named: audit_names::Named::default(),
            knocks: api::caller::Knocks::default(),
            marks: Arc::default(),
        })
    }
}

/// Every page, over one house.
pub fn router(house: Arc<House>) -> Router {
    let configuring = autoconfig::router(house.services.clone());
    Router::new()
        .route("/", get(mail::front))
        .route("/sign-in", get(entrance::page).post(entrance::sign_in))
        .route("/sign-out", post(entrance::sign_out))
        .route("/welcome", get(welcome::page).post(welcome::confirm))
        .route("/welcome/password", post(welcome::password))
        .route("/welcome/recovery", get(welcome::recovery).post(welcome::recovery_confirm))
        .route("/unlock", get(unlocking::page).post(unlocking::unlock))
        .route("/lock", post(unlocking::lock))
        .route("/lock/state", get(watching::state))
        .route("/lock/extend", post(watching::extend))
        .route("/unlock/passkey/begin", post(passkeys::begin_unlocking))
        .route("/unlock/passkey/finish", post(passkeys::unlock))
        .route("/account/passkeys", get(passkeys::page))
        .route("/account/passkeys/begin", post(passkeys::begin_adding))
        .route("/account/passkeys/finish", post(passkeys::add))
        .route("/account/passkeys/remove", post(passkeys::remove))
        .route("/mail", get(mail::list))
        .route("/m/{message}", get(message::link))
        .route("/mail/{uid}", get(message::page))
        .route("/mail/{uid}/code", post(message::code))
        .route("/mail/{uid}/html", get(message::frame))
        .route("/mail/{uid}/parts/{number}", get(message::part))
        .route("/mail/{uid}/source", get(message::source))
        .route("/mail/{uid}/compare", get(message::compare))
        .route("/mail/{uid}/print", get(message::print))
        .route("/mail/{uid}/trash", post(message::throw::<true>))
        .route("/mail/{uid}/restore", post(message::throw::<false>))
        .route("/mail/{uid}/delete", get(message::ask_delete).post(message::delete))
        .route("/mail/{uid}/move", post(folders::shift))
        .route("/mail/{uid}/seen", post(folders::mark::<true>))
        .route("/mail/{uid}/unseen", post(folders::mark::<false>))
        .route("/search", get(search::page))
        .route("/audit", get(audit::list))
        .route("/audit/verify", post(audit::verify))
        .route("/audit/verified", get(audit::verified))
        .route("/audit/export", post(audit::export))
        .route("/audit/{number}", get(audit::entry))
        .route("/audit/{number}/receipt", get(audit::receipt))
        .route("/account", get(account::page))
        .route("/account/sessions", post(account::end_others))
        .route("/account/sessions/{id}", post(account::end))
        .route("/account/password", get(account::password_page).post(account::password))
        .route("/account/authenticator", get(account::authenticator_page).post(account::authenticator))
        .route("/account/recovery", get(account::recovery_page).post(account::recovery))
        .route("/account/phrase", post(account::phrase))
        .route("/jobs/{kind}", get(jobs::fragment))
        .route("/assets/{name}", get(assets::get))
        // Administration; who may see it is decided once, for all of it.
        .merge(admin::router(&house))
        .route("/account/tokens", get(account_tokens::page).post(account_tokens::create))
        .route("/account/tokens/revoke", post(account_tokens::revoke))
        // Programs.
        .nest("/api", api::router(&house))
        // Views, devices, policies.
        .route("/views", get(views::list))
        .route("/views/new", get(views_new::page).post(views_new::create))
        .route("/views/reseal", post(views::reseal))
        .route("/views/{id}", get(views::view))
        .route("/views/{id}/policy", get(views::compare).post(views::set_policy))
        .route("/views/{id}/remove", post(views::remove))
        .route("/views/{id}/profile", post(connect::profile))
        .route("/views/{id}/devices", post(devices::add))
        .route("/views/{id}/devices/{device}", get(devices::page))
        .route("/views/{id}/devices/{device}/rotate", post(devices::rotate))
        .route("/views/{id}/devices/{device}/revoke", post(devices::revoke))
        .route("/policies", get(policies::list))
        .route("/policies/{name}", get(policies::page).post(policies::act))
        .route("/policies/{name}/remove", get(policies_remove::ask).post(policies_remove::remove))
        .fallback(trouble::not_found)
        .layer(axum::middleware::from_fn(gate::pass))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(house)
        // Mail clients ask here, from no page of ours.
        .merge(configuring)
}

/// Octets of a form: a policy with room to spare.
const MAX_FORM: usize = 512 * 1024;

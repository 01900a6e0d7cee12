//! The page after a client was given access: its app password, once, and the settings of each
//! client. The answer to the form itself: the server keeps no app password, so no other page can
//! show it, and the profile for phones gets it back by a form.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::House;
use super::frame::{Frame, Place, html};
use super::jobs::{Kind, Progress};
use super::trouble::Trouble;
use super::views::own;
use super::visitor::{Posted, Visitor};
use super::welcome::Qr;
use crate::admin::api::{CredentialCreated, Secret};
use crate::autoconfig::{Profile, Services, mobileconfig};
use crate::keyring::AppPassword;
use crate::names::{Address, ViewId};
use crate::tenant::registry;

/// A way in for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    protocol: &'static str,
    security: &'static str,
    port: u16,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct Page<'a> {
    frame: Frame,
    view: ViewId,
    view_name: &'a str,
    login: &'a str,
    password: &'a str,
    qr: Qr,
    host: &'a str,
    ways: Vec<Way>,
    /// Whether mail can be sent by this server.
    sends: bool,
    /// How far older mail is being sealed for the view.
    job: Option<Progress>,
    /// Whether older mail is not sealed for it yet.
    lacks_older: bool,
}

/// The app password, sent back for the profile.
#[derive(Deserialize)]
pub struct Form {
    password: Secret,
}

/// The page of a new app password.
pub(super) fn answer(house: &House, visitor: &Visitor, view: ViewId, made: &CredentialCreated) -> Response {
    let password = made.app_password.expose();
    let user = visitor.visit.user;
    let row = registry::view(&house.vault.records, user, view).ok().flatten();
    html(&Page {
        frame: Frame::of(visitor, Place::Views, "Your app password"),
        view,
        view_name: &made.view,
        login: &made.login,
        password,
        qr: Qr::of(password),
        host: &house.services.hostname,
        ways: ways(&house.services),
        job: house.jobs.state(user, Kind::Reseal).filter(|job| matches!(job, Progress::Running(..))),
        lacks_older: row.is_some_and(|row| row.unfilled.is_some()),
        sends: house.services.submissions.or(house.services.submission).is_some(),
    })
}

/// `POST /views/{id}/profile`: the configuration profile for Apple's devices.
pub async fn profile(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Posted { visitor, form }: Posted<Form>,
) -> Result<Response, Trouble> {
    let (view, row) = own(&house, &visitor, &id)?;
    let password = form.password.expose();
    AppPassword::parse(password).map_err(|_| Trouble::invalid("that is no app password"))?;
    let login = Address::parse(&visitor.row.login).map_err(|_| Trouble::NotFound("profile"))?;
    let (account, label) = (view.to_string(), format!("Veilpost, {}", row.name));
    let profile = Profile { login: &login, account: &account, label: &label, password: Some(password) };
    let octets = mobileconfig(&house.services, &profile).ok_or(Trouble::NotFound("profile"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-apple-aspen-config"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"veilpost.mobileconfig\""),
    ];
    Ok((headers, octets.to_vec()).into_response())
}

/// What fetches mail, the best first: IMAP before POP3, TLS from the first byte before STARTTLS.
fn ways(services: &Services) -> Vec<Way> {
    const TLS: &str = "SSL/TLS";
    const STARTTLS: &str = "STARTTLS";
    let all = [
        ("IMAP", TLS, services.imaps),
        ("IMAP", STARTTLS, services.imap),
        ("POP3", TLS, services.pop3s),
        ("POP3", STARTTLS, services.pop3),
    ];
    let open =
        |(protocol, security, port): (_, _, Option<u16>)| Some(Way { protocol, security, port: port? });
    all.into_iter().filter_map(open).collect()
}

impl Page<'_> {
    /// The way that a client should take.
    fn best(&self) -> Option<Way> {
        self.ways.first().copied()
    }

    fn imap(&self) -> Option<Way> {
        self.ways.iter().find(|way| way.protocol == "IMAP").copied()
    }

    fn pop3(&self) -> Option<Way> {
        self.ways.iter().find(|way| way.protocol == "POP3").copied()
    }
}

impl Way {
    fn is_tls(&self) -> bool {
        self.security == "SSL/TLS"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Services {
        Services {
            hostname: "mail.example.org".to_owned(),
            dashboard: None,
            imaps: None,
            imap: None,
            pop3s: Some(995),
            pop3: Some(110),
            submissions: None,
            submission: None,
            smtp: true,
        }
    }

    #[test]
    fn imap_comes_first_where_there_is_imap() {
        let named = |services: &Services| {
            ways(services).iter().map(|way| (way.protocol, way.port)).collect::<Vec<_>>()
        };
        assert_eq!(named(&services()), [("POP3", 995), ("POP3", 110)]);
        let all = Services { imaps: Some(993), ..services() };
        assert_eq!(named(&all), [("IMAP", 993), ("POP3", 995), ("POP3", 110)]);
        let none = Services { pop3s: None, pop3: None, ..services() };
        assert!(ways(&none).is_empty());
    }
}

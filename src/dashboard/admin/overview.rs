//! The first page: what runs, what is stored, who is here.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::trouble::Trouble;
use super::super::visitor::Visitor;
use super::super::words::{self, Moment};
use super::{Desk, Of, deeds, frame};
use crate::admin::api::{Request, Status, Storage};

#[derive(Template)]
#[template(path = "admin-overview.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    status: Status,
    listeners: Vec<(&'static str, String)>,
    certificate: Moment,
    days: i64,
    stored: Vec<Stored>,
    messages: u64,
    sealed: String,
    ledger: String,
    free: String,
    disk: String,
    tight: bool,
    entries: u64,
    signed: u64,
    sessions: usize,
}

struct Stored {
    login: String,
    messages: u64,
    octets: String,
    sealed: String,
}

/// `GET /admin`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let (desk, tenant, _) = Desk::of(&house, &visitor, "overview", &of.tenant)?;
    let status = deeds::status(&house, &visitor.asker()).await?;
    let storage: Storage =
        house.ask(&visitor, Request::Storage { tenant: Some(desk.tenant.clone()) }).await?;
    let ends: Option<jiff::Timestamp> = status.certificate_not_after.parse().ok();
    let ends = ends.map_or(0, jiff::Timestamp::as_second);
    let sum = |of: fn(&crate::admin::api::UserStorage) -> u64| storage.users.iter().map(of).sum::<u64>();
    let audit = storage.audit.first();
    Ok(html(&Page {
        frame: frame(&visitor, "Administration"),
        desk,
        listeners: listeners(&status),
        certificate: Moment::new(ends),
        days: (ends - visitor.now.unix()).div_euclid(DAY),
        messages: sum(|user| user.messages),
        sealed: words::size(sum(|user| user.sealed)),
        ledger: words::size(storage.ledger),
        free: words::size(storage.free),
        disk: words::size(storage.disk),
        tight: storage.free < storage.disk / 10,
        entries: audit.map_or(0, |audit| audit.entries),
        signed: audit.map_or(0, |audit| audit.signed),
        sessions: house.sessions.sign_ins.list_of_tenant(tenant, visitor.now).len(),
        stored: storage.users.into_iter().map(stored).collect(),
        status,
    }))
}

fn stored(user: crate::admin::api::UserStorage) -> Stored {
    Stored {
        login: user.login,
        messages: user.messages,
        octets: words::size(user.octets),
        sealed: words::size(user.sealed),
    }
}

fn listeners(status: &Status) -> Vec<(&'static str, String)> {
    let named = [
        ("Mail from other servers (SMTP)", &status.smtp),
        ("Mail from this machine (LMTP)", &status.lmtp),
        ("Mail clients, encrypted (IMAPS)", &status.imaps),
        ("Mail clients, encrypted on request (IMAP)", &status.imap),
        ("Mail clients, encrypted (POP3S)", &status.pop3s),
        ("Mail clients, encrypted on request (POP3)", &status.pop3),
        ("These pages", &status.dashboard),
        ("Metrics", &status.metrics),
    ];
    let text =
        |addresses: &Vec<String>| if addresses.is_empty() { "off".to_owned() } else { addresses.join(", ") };
    named.into_iter().map(|(name, addresses)| (name, text(addresses))).collect()
}

/// Seconds.
const DAY: i64 = 24 * 60 * 60;

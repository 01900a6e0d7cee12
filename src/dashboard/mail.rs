//! Lists of messages, folder by folder: what the mail client sees while it is locked, everything while it is
//! open.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::House;
use super::folders::{self, Shown};
use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::words::{self, Moment};
use crate::mailbox::Flags;
use crate::owner::OwnerError;
use crate::owner::lines::{self, Known, Line};
use crate::vault::pages::{self, Standing, Start};

/// Which page of which list.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    folder: String,
    before: Option<u32>,
    after: Option<u32>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Page {
    frame: Frame,
    folders: Vec<Shown>,
    folder: String,
    title: String,
    rows: Vec<Row>,
    newer: Option<u32>,
    older: Option<u32>,
}

struct Row {
    uid: u32,
    from: String,
    subject: String,
    attachments: bool,
    unread: bool,
    flagged: bool,
    state: &'static str,
    received: Moment,
}

/// `GET /`.
pub async fn front() -> Redirect {
    Redirect::to("/mail")
}

/// `GET /mail`.
pub async fn list(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let folder = folders::parse(&wanted.folder)?;
    let folders = folders::list(&house, &visitor, folder).await?;
    let start = match (wanted.before, wanted.after) {
        (Some(uid), _) => Start::Before(uid),
        (None, Some(uid)) => Start::After(uid),
        (None, None) => Start::Newest,
    };
    // One more than is shown tells whether there is another page.
    let mut found = match visitor.open_until() {
        Some(_) => {
            let unlocked = visitor.unlocked(&house)?;
            lines::whole(&house.vault, &unlocked, folder, start, PAGE + 1).await?
        }
        None => lines::masked(&house.vault, &visitor.visit, folder, start, PAGE + 1).await?,
    };
    let more = found.len() > PAGE;
    let (newer, older) = match start {
        Start::After(_) => {
            if more {
                found.remove(0);
            }
            (more, true)
        }
        Start::Before(_) => (true, more),
        Start::Newest => (false, more),
    };
    found.truncate(PAGE);
    let uids: Vec<u32> = found.iter().map(|line| line.uid).collect();
    let standings = pages::standings(&house.vault, visitor.visit.user, &uids).await;
    let standings = standings.map_err(OwnerError::from)?;
    let title = folders.iter().find(|one| one.current).map_or_else(String::new, |one| one.name.clone());
    Ok(html(&Page {
        frame: Frame::of(&visitor, Place::Mail, &title),
        folders,
        folder: folders::key(folder),
        title,
        newer: found.first().map(|line| line.uid).filter(|_| newer),
        older: found.last().map(|line| line.uid).filter(|_| older),
        rows: found.into_iter().zip(standings).map(row).collect(),
    }))
}

fn row((line, standing): (Line, Option<Standing>)) -> Row {
    let has = |flag: Flags| standing.map(|standing| standing.flags.contains(flag));
    let (state, summary) = match line.shown {
        Known::Summary(summary) => ("", summary),
        // No list here has lines without a key.
        Known::Sealed | Known::Damaged => ("damaged", Default::default()),
    };
    let subject = match (state, summary.subject.is_empty()) {
        ("damaged", _) => "This message is damaged".to_owned(),
        (_, true) => "(no subject)".to_owned(),
        (_, false) => summary.subject,
    };
    let from = if state.is_empty() { words::short_name(&summary.from) } else { "\u{2014}".to_owned() };
    Row {
        uid: line.uid,
        from,
        subject,
        attachments: summary.attachments,
        unread: has(Flags::SEEN) == Some(false),
        flagged: has(Flags::FLAGGED) == Some(true),
        state,
        received: Moment::new(line.received),
    }
}

/// Messages on a page.
const PAGE: usize = 50;

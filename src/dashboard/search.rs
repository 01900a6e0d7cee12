//! Search over everything, while it is open; and the index that is kept up behind it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::House;
use super::frame::{Frame, Place, html};
use super::jobs::{Kind, Progress};
use super::message::aside;
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::words::{self, Moment};
use crate::audit::{Act, Draft};
use crate::owner::{OwnerError, Unlocked, index};
use crate::search::{Fragment, Hit, Index, Page as HitPage};

/// What is looked for.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: usize,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    frame: Frame,
    q: String,
    total: usize,
    rows: Vec<Row>,
    notes: Vec<String>,
    job: Option<Progress>,
    newer: Option<String>,
    older: Option<String>,
}

struct Row {
    uid: u32,
    from: String,
    subject: Vec<Fragment>,
    snippet: Vec<Fragment>,
    attachments: bool,
    received: Moment,
}

/// `GET /search`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let q = wanted.q.trim().to_owned();
    let mut page = Page {
        frame: Frame::of(&visitor, Place::Search, "Search"),
        q: q.clone(),
        total: 0,
        rows: Vec::new(),
        notes: Vec::new(),
        job: None,
        newer: None,
        older: None,
    };
    if visitor.open_until().is_none() {
        return Ok(html(&page));
    }
    let unlocked = visitor.unlocked(&house)?;
    let user = unlocked.user();
    let open = kept_up(house.clone(), unlocked).await?;
    page.job = house.jobs.state(user, Kind::Index).filter(|state| !matches!(state, Progress::Done(_)));
    if q.is_empty() {
        return Ok(html(&page));
    }
    let (offset, query) = (wanted.page.saturating_mul(PAGE), q.clone());
    let found = aside(move || open.search(&query, HitPage { offset, limit: PAGE })).await?;
    let found = found.map_err(OwnerError::from)?;
    // Durable before the page is made: it names senders, subjects and words.
    let by = visitor.by();
    let mut acts = vec![Act::SearchMade { matches: found.total as u64 }];
    acts.extend(Act::listed(found.hits.iter().map(|hit| hit.uid)));
    let drafts = acts.into_iter().map(|act| Draft::new(by.actor, by.origin, act)).collect();
    let recorded = house.vault.audit.record_batch(user.tenant, drafts).await;
    let _recorded = recorded.map_err(OwnerError::from)?;
    let link = |number: usize| {
        let words: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
        format!("/search?q={words}&page={number}")
    };
    page.newer = wanted.page.checked_sub(1).map(link);
    page.older = (offset + found.hits.len() < found.total).then(|| link(wanted.page + 1));
    page.total = found.total;
    page.notes = found.notes;
    page.rows = found.hits.into_iter().map(row).collect();
    if visitor.tenant.step_up.unwrap_or(false) {
        // The text of a message waits for a code of its own here.
        page.rows.iter_mut().for_each(|row| row.snippet.clear());
    }
    Ok(html(&page))
}

/// The person's index; what it does not have yet is being added behind it.
async fn kept_up(house: Arc<House>, unlocked: Unlocked) -> Result<Index, Trouble> {
    let open = move || {
        let open = house.indexes.open(&house.vault, &unlocked)?;
        if index::is_behind(&house.vault, &unlocked, &open)? {
            keep_up(&house, unlocked);
        }
        Ok::<_, OwnerError>(open)
    };
    Ok(aside(open).await??)
}

/// Brings the person's index up to their mailbox in the background, unless that is under way.
pub(super) fn keep_up(house: &Arc<House>, unlocked: Unlocked) {
    let Some(job) = house.jobs.begin(unlocked.user(), Kind::Index) else { return };
    let (house, unlocked) = (house.clone(), Arc::new(unlocked));
    tokio::task::spawn_blocking(move || {
        let outcome = house.indexes.open(&house.vault, &unlocked).and_then(|open| {
            index::catch_up(&house.vault, &house.sessions, &unlocked, &open, |done, total| {
                job.step(done, total)
            })
        });
        house.notary.attend(unlocked.user().tenant);
        job.finish(match outcome {
            Ok(done) if done.complete => Ok(format!("{} new messages can be searched.", done.added)),
            Ok(_) => Err("It was locked before all mail was indexed; the next unlock goes on.".to_owned()),
            Err(error) => {
                tracing::error!(%error, "an index cannot be kept up");
                Err("New mail could not be indexed. The next unlock tries again.".to_owned())
            }
        });
    });
}

fn row(hit: Hit) -> Row {
    Row {
        uid: hit.uid,
        from: words::short_name(&hit.from),
        subject: hit.subject,
        snippet: hit.snippet,
        attachments: hit.attachments,
        received: Moment::new(hit.received),
    }
}

/// Hits on a page.
const PAGE: usize = 50;

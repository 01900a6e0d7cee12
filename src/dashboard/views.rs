//! A person's views: what each shows and to whom, another policy for one, sealing old mail again,
//! and removing one. Making them is in `views_new`, their devices are in `devices`.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::devices::{self, Device};
use super::frame::{Frame, Place, html};
use super::jobs::{Kind, Progress, Running};
use super::policy_words::{Card, cards};
use super::trouble::Trouble;
use super::visitor::{Nothing, Posted, Visitor};
use super::words::sentence;
use crate::admin::api::{PolicyItem, Request};
use crate::names::ViewId;
use crate::owner::reseal::reseal_while;
use crate::owner::{OwnerError, Unlocked};
use crate::policy::{self, Diff};
use crate::tenant::registry;
use crate::tenant::rows::ViewRow;

/// A view on a page.
pub(super) struct Shown {
    /// Its identifier.
    pub id: ViewId,
    /// Its name.
    pub name: String,
    /// Its policy, in words.
    pub policy: Card,
    /// Whether it is what the password alone shows.
    pub is_dashboard: bool,
    /// What opens it.
    pub devices: Vec<Device>,
    /// Whether mail from before it was made is not sealed for it yet.
    pub lacks_older: bool,
}

#[derive(Template)]
#[template(path = "views.html")]
struct ListPage {
    frame: Frame,
    views: Vec<Shown>,
    job: Option<Progress>,
}

#[derive(Template)]
#[template(path = "view.html")]
struct ViewPage {
    frame: Frame,
    view: Shown,
    policies: Vec<Card>,
}

#[derive(Template)]
#[template(path = "view-policy.html")]
struct PolicyPage {
    frame: Frame,
    view: ViewId,
    name: String,
    old: Card,
    new: Card,
    diff: Sentences,
    needs_unlock: bool,
}

/// A difference, in sentences.
pub(super) struct Sentences {
    /// What is shown that was not, or may not have been.
    pub reveals: Vec<String>,
    /// What is not shown any more.
    pub hides: Vec<String>,
    /// What else changes.
    pub other: Vec<String>,
}

/// The policy that a view is to get.
#[derive(Deserialize)]
pub struct To {
    #[serde(default)]
    to: String,
}

/// `GET /views`.
pub async fn list(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    let records = &house.vault.records;
    let mut views = Vec::new();
    for (view, row) in registry::views(records, visitor.visit.user)? {
        views.push(shown(&house, &visitor, view, row)?);
    }
    views.sort_by(|one, other| (!one.is_dashboard, &one.name).cmp(&(!other.is_dashboard, &other.name)));
    let job = house.jobs.seen(visitor.visit.user, Kind::Reseal);
    Ok(html(&ListPage { frame: Frame::of(&visitor, Place::Views, "Views"), views, job }))
}

/// `GET /views/{id}`.
pub async fn view(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let (view, row) = own(&house, &visitor, &id)?;
    let policies = policies(&house, &visitor).await?;
    let view = shown(&house, &visitor, view, row)?;
    let frame = Frame::of(&visitor, Place::Views, &view.name);
    let policies = cards(&policies).into_iter().filter(|card| card.name != view.policy.name).collect();
    Ok(html(&ViewPage { frame, view, policies }))
}

/// `GET /views/{id}/policy?to=…`: what would change, what is revealed first.
pub async fn compare(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(To { to }): Query<To>,
) -> Result<Response, Trouble> {
    let (view, row) = own(&house, &visitor, &id)?;
    let diff = difference(&house, &visitor, &row.policy, &to)?;
    let needs_unlock = diff.loosens() && visitor.open_until().is_none();
    Ok(html(&PolicyPage {
        frame: Frame::of(&visitor, Place::Views, &format!("Another policy for {}", row.name)),
        view,
        name: row.name,
        old: card(&house, &visitor, &row.policy)?,
        new: card(&house, &visitor, &to)?,
        diff: Sentences::of(diff),
        needs_unlock,
    }))
}

/// `POST /views/{id}/policy`. Showing less works while everything is locked (law 7).
pub async fn set_policy(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Posted { visitor, form: To { to } }: Posted<To>,
) -> Result<Response, Trouble> {
    let (view, row) = own(&house, &visitor, &id)?;
    let loosens = difference(&house, &visitor, &row.policy, &to)?.loosens();
    let authority = if loosens {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let session = visitor.session();
        let back = || Trouble::Unlock(format!("/views/{view}/policy?to={to}"));
        Some(crate::admin::api::Authority::Session(session.ok_or_else(back)?))
    } else {
        None
    };
    let user = visitor.row.login.clone();
    let request = Request::ViewPolicy { user, view: row.name, policy: to, authority };
    let _: serde_json::Value = house.ask(&visitor, request).await?;
    let said = if loosens { "loosened" } else { "tightened" };
    Ok(Redirect::to(&format!("/views/{view}?said={said}")).into_response())
}

/// `POST /views/{id}/remove`.
pub async fn remove(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let (_, row) = own(&house, &visitor, &id)?;
    let request = Request::ViewRemove { user: visitor.row.login.clone(), view: row.name };
    let _: serde_json::Value = house.ask(&visitor, request).await?;
    Ok(Redirect::to("/views?said=removed").into_response())
}

/// `POST /views/reseal`: begins the job, which goes on while the unlock does.
pub async fn reseal(
    State(house): State<Arc<House>>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    begin_reseal(&house, &visitor)?;
    Ok(Redirect::to("/views").into_response())
}

/// Begins the job, unless it runs already.
pub(super) fn begin_reseal(house: &Arc<House>, visitor: &Visitor) -> Result<(), Trouble> {
    start_reseal(house, visitor.unlocked(house)?);
    Ok(())
}

/// The same for whoever has unlocked.
pub(super) fn start_reseal(house: &Arc<House>, unlocked: Unlocked) {
    if let Some(running) = house.jobs.begin(unlocked.user(), Kind::Reseal) {
        tokio::spawn(run(house.clone(), unlocked, running));
    }
}

async fn run(house: Arc<House>, unlocked: Unlocked, running: Running) {
    let live = || house.sessions.is_open(&unlocked, house.vault.clock.now());
    let progress = |done, total| running.step(done, total);
    let outcome = match reseal_while(&house.vault, &unlocked, live, progress).await {
        Ok(done) if done.damaged == 0 => {
            Ok(format!("{} messages are sealed for today\u{2019}s views.", done.resealed))
        }
        Ok(done) => Ok(format!(
            "{} messages are sealed for today\u{2019}s views; {} are damaged and stay as they were.",
            done.resealed, done.damaged
        )),
        Err(OwnerError::SessionEnded) => {
            Err("It stopped, because your mail was locked. Unlock, and begin it again: it goes on where it stopped."
                .to_owned())
        }
        Err(error) => {
            tracing::error!(%error, "a reseal failed");
            Err("The server could not go on. Begin it again in a moment: it goes on where it stopped.".to_owned())
        }
    };
    house.notary.attend(unlocked.user().tenant);
    running.finish(outcome);
}

/// The view, if it is the visitor's.
pub(super) fn own(house: &House, visitor: &Visitor, id: &str) -> Result<(ViewId, ViewRow), Trouble> {
    let view: ViewId = id.parse().map_err(|_| Trouble::NotFound("view"))?;
    let row = registry::view(&house.vault.records, visitor.visit.user, view)?;
    Ok((view, row.ok_or(Trouble::NotFound("view"))?))
}

/// The policies that the visitor may choose from.
pub(super) async fn policies(house: &House, visitor: &Visitor) -> Result<Vec<PolicyItem>, Trouble> {
    house.ask(visitor, Request::PolicyList { tenant: visitor.tenant.name.clone() }).await
}

/// A policy of the visitor's tenant, in words.
pub(super) fn card(house: &House, visitor: &Visitor, name: &str) -> Result<Card, Trouble> {
    let tenant = visitor.visit.user.tenant;
    let text = house.vault.policies.text(&house.vault.records, tenant, name)?;
    Ok(Card::of_text(name, &text.ok_or(Trouble::NotFound("policy"))?))
}

fn shown(house: &House, visitor: &Visitor, view: ViewId, row: ViewRow) -> Result<Shown, Trouble> {
    let is_dashboard = visitor.row.dashboard.as_ref().is_some_and(|access| access.view == view);
    let policy = card(house, visitor, &row.policy)?;
    let devices = devices::of_view(house, visitor.visit.user.tenant, view)?;
    let lacks_older = row.unfilled.is_some();
    Ok(Shown { id: view, name: row.name, policy, is_dashboard, devices, lacks_older })
}

fn difference(house: &House, visitor: &Visitor, old: &str, new: &str) -> Result<Diff, Trouble> {
    let (records, tenant) = (&house.vault.records, visitor.visit.user.tenant);
    let find = |name| house.vault.policies.find(records, tenant, name).map_err(OwnerError::from);
    Ok(policy::diff(&*find(old)?, &*find(new)?))
}

impl Sentences {
    /// Those that say the same of several things are one.
    pub fn of(diff: Diff) -> Self {
        Self { reveals: grouped(&diff.reveals), hides: grouped(&diff.hides), other: grouped(&diff.other) }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.reveals.is_empty() && self.hides.is_empty() && self.other.is_empty()
    }
}

/// "now shown: a." and "now shown: b." as "Now shown: a; b."
fn grouped(sentences: &[String]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for text in sentences {
        let verb = VERBS.iter().find_map(|verb| text.find(verb).map(|at| at + verb.len()));
        let (head, thing) = text.split_at(verb.unwrap_or(text.len()));
        match groups.last_mut() {
            Some((last, things)) if *last == head && !thing.is_empty() => things.push(thing),
            _ => groups.push((head, if thing.is_empty() { Vec::new() } else { vec![thing] })),
        }
    }
    let joined = |(head, things): (&str, Vec<&str>)| {
        let things = things.iter().map(|thing| thing.trim_end_matches('.')).collect::<Vec<_>>();
        let stop = if things.is_empty() { "" } else { "." };
        sentence(&format!("{head}{}{stop}", fields(&things)))
    };
    groups.into_iter().map(joined).collect()
}

/// "the header field A; the header field B; c" as "the header fields A, B; c".
fn fields(things: &[&str]) -> String {
    let (fields, others): (Vec<&str>, Vec<&str>) =
        things.iter().partition(|thing| thing.starts_with(FIELD) && !thing.contains(','));
    let names: Vec<&str> = fields.iter().map(|field| &field[FIELD.len()..]).collect();
    let fields = match &names[..] {
        [] => None,
        [name] => Some(format!("{FIELD}{name}")),
        names => Some(format!("the header fields {}", names.join(", "))),
    };
    fields.into_iter().chain(others.into_iter().map(str::to_owned)).collect::<Vec<_>>().join("; ")
}

const VERBS: &[&str] = &["now shown: ", "no longer shown: "];
const FIELD: &str = "the header field ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_several_things_is_said_once() {
        let said = [
            "now shown: the header field Cc.",
            "now shown: the header field To.",
            "now shown: the header field From, all of them.",
            "now shown: 5 lines of the plain text.",
            "Mail called spam, no longer an exception: now shown: the header field Cc.",
            "Whether mail is called spam can now be told from the view.",
        ];
        let grouped = grouped(&said.map(str::to_owned));
        assert_eq!(
            grouped,
            [
                "Now shown: the header fields Cc, To; the header field From, all of them; 5 lines of the plain text.",
                "Mail called spam, no longer an exception: now shown: the header field Cc.",
                "Whether mail is called spam can now be told from the view.",
            ]
        );
    }
}

//! Policies: the list, and an editor with check, preview, difference, and putting in force. Everybody
//! may look and try; putting one in force is for administrators, and revealing more by it needs the
//! unlock (law 7).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::frame::{Frame, Place, html};
use super::policy_words::{Card, cards};
use super::sides::{self, Pane};
use super::trouble::{Trouble, status};
use super::views::{Sentences, policies};
use super::visitor::{Posted, Visitor};
use super::words::sentence;
use crate::admin::api::{Authority, FailureCode, PolicyItem, Request};
use crate::names::ViewId;
use crate::policy::{self, Policy, PolicyErrors};

#[derive(Template)]
#[template(path = "policies.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
}

/// A policy in the list.
struct Row {
    card: Card,
    /// The visitor's own views under it.
    own: Vec<String>,
    /// How many others' views are, for administrators.
    others: usize,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Page {
    frame: Frame,
    /// The name in the address.
    name: String,
    /// What is in force under it.
    card: Card,
    /// The name that the text is put in force under.
    target: String,
    text: String,
    answer: Answer,
}

/// What the editor has to say.
enum Answer {
    Nothing,
    /// It checks; what whoever wrote it should know.
    Checks(Vec<String>),
    /// It does not.
    Wrong(Vec<Fault>),
    /// Nothing of this name is in force.
    New,
    /// How it differs from what is in force.
    Differs(Sentences),
    /// On several messages.
    Previews(Vec<Pane>),
    /// It reveals more, so it waits for the unlock.
    UnlockFirst(Option<Sentences>),
    /// It was refused.
    Refused(String),
}

/// A fault beside the line it is on.
struct Fault {
    line: usize,
    column: usize,
    place: String,
    message: String,
    text: String,
}

/// The editor's form.
#[derive(Deserialize)]
pub struct Edited {
    #[serde(default)]
    target: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    act: String,
}

/// `GET /policies`.
pub async fn list(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    let items = policies(&house, &visitor).await?;
    let rows = cards(&items).into_iter().map(|card| row(card, &items, &visitor)).collect();
    Ok(html(&ListPage { frame: Frame::of(&visitor, Place::Views, "Policies"), rows }))
}

/// A member learns of their own views only.
fn row(card: Card, items: &[PolicyItem], visitor: &Visitor) -> Row {
    let views = items.iter().find(|item| item.name == card.name).map(|item| &item.views[..]);
    let (login, views) = (&visitor.row.login, views.unwrap_or_default());
    let own: Vec<String> = views
        .iter()
        .filter_map(|view| view.strip_prefix(login)?.strip_prefix('/'))
        .map(str::to_owned)
        .collect();
    let others = if visitor.administers() { views.len() - own.len() } else { 0 };
    Row { card, own, others }
}

/// `GET /policies/{name}`: the editor.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let text = in_force(&house, &visitor, &name)?.ok_or(Trouble::NotFound("policy"))?;
    // A shipped policy stays as it is: a copy gets a name of its own.
    let target = if Card::of_text(&name, &text).shipped { String::new() } else { name.clone() };
    let card = Card::of_text(&name, &text);
    Ok(html(&editor(&visitor, card, target, text, Answer::Nothing)))
}

/// `POST /policies/{name}`: check, compare, try, or put in force what the editor holds.
pub async fn act(
    State(house): State<Arc<House>>,
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Edited>,
) -> Result<Response, Trouble> {
    // Browsers send line ends as CRLF (HTML Standard, "constructing the entry list").
    let text = form.text.replace("\r\n", "\n");
    let current = in_force(&house, &visitor, &name)?.ok_or(Trouble::NotFound("policy"))?;
    let card = Card::of_text(&name, &current);
    let target = form.target.trim().to_owned();
    let named = if target.is_empty() { name } else { target.clone() };
    let (status, answer) = match policy::parse(&text, &named) {
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, Answer::Wrong(faults(&text, errors))),
        Ok(policy) => match form.act.as_str() {
            "preview" => preview(&house, &visitor, &policy).await?,
            "diff" => (StatusCode::OK, compare(&house, &visitor, &named, &policy)?),
            "load" => {
                if !visitor.administers() {
                    return Err(Trouble::Forbidden);
                }
                match load(&house, &visitor, &target, &text, &policy).await? {
                    None => {
                        return Ok(Redirect::to(&format!("/policies/{target}?said=loaded")).into_response());
                    }
                    Some(refusal) => refusal,
                }
            }
            _ => (StatusCode::OK, Answer::Checks(policy.notes())),
        },
    };
    Ok((status, html(&editor(&visitor, card, target, text, answer))).into_response())
}

fn editor(visitor: &Visitor, card: Card, target: String, text: String, answer: Answer) -> Page {
    let mut frame = Frame::of(visitor, Place::Views, &card.name);
    if !matches!(answer, Answer::Nothing) {
        frame.notice = None;
    }
    Page { frame, name: card.name.clone(), card, target, text, answer }
}

impl Page {
    fn may_load(&self) -> bool {
        self.frame.person.as_ref().is_some_and(|person| person.administers)
    }
}

/// The text that a name has in the visitor's tenant.
fn in_force(house: &House, visitor: &Visitor, name: &str) -> Result<Option<String>, Trouble> {
    Ok(house.vault.policies.text(&house.vault.records, visitor.visit.user.tenant, name)?)
}

fn compare(house: &House, visitor: &Visitor, name: &str, new: &Policy) -> Result<Answer, Trouble> {
    let Some(text) = in_force(house, visitor, name)? else { return Ok(Answer::New) };
    let old = policy::parse(&text, name).map_err(|_| Trouble::invalid("what is in force does not load"))?;
    Ok(Answer::Differs(Sentences::of(policy::diff(&old, new))))
}

/// The newest messages under the edited policy. Each is revealed for it.
async fn preview(house: &House, visitor: &Visitor, policy: &Policy) -> Result<(StatusCode, Answer), Trouble> {
    if visitor.open_until().is_none() {
        return Ok((StatusCode::FORBIDDEN, Answer::UnlockFirst(None)));
    }
    let choices = sides::choices(house, &visitor.unlocked(house)?, PREVIEWS).await?;
    let mut panes = Vec::with_capacity(choices.len());
    for choice in choices {
        panes.push(sides::pane(house, visitor, choice.uid, policy, ViewId::random()).await?);
    }
    Ok((StatusCode::OK, Answer::Previews(panes)))
}

/// Puts a text in force; what to say if it is not.
async fn load(
    house: &House,
    visitor: &Visitor,
    target: &str,
    text: &str,
    policy: &Policy,
) -> Result<Option<(StatusCode, Answer)>, Trouble> {
    let refused = |status, why: &str| Ok(Some((status, Answer::Refused(why.to_owned()))));
    if target.is_empty() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "Give it a name first.");
    }
    let is_shipped = policy::shipped().iter().any(|(name, _)| *name == target);
    let current = in_force(house, visitor, target)?;
    if is_shipped && current.is_some_and(|current| Card::of_text(target, &current).shipped) {
        let why = "A policy that comes with Veilpost has that name. Choose another one.";
        return refused(StatusCode::CONFLICT, why);
    }
    let authority = visitor.session().map(Authority::Session);
    let tenant = visitor.tenant.name.clone();
    let (name, text) = (target.to_owned(), text.to_owned());
    match house.ask::<serde_json::Value>(visitor, Request::PolicyLoad { tenant, name, text, authority }).await
    {
        Ok(_) => Ok(None),
        Err(Trouble::Failed(failure)) if failure.code == FailureCode::UnlockNeeded => {
            let difference = match compare(house, visitor, target, policy)? {
                Answer::Differs(sentences) => Some(sentences),
                _ => None,
            };
            Ok(Some((StatusCode::FORBIDDEN, Answer::UnlockFirst(difference))))
        }
        Err(Trouble::Failed(failure)) if failure.code == FailureCode::Invalid => {
            refused(status(failure.code), &(sentence(&failure.message) + "."))
        }
        Err(trouble) => Err(trouble),
    }
}

fn faults(text: &str, errors: PolicyErrors) -> Vec<Fault> {
    let problems = errors.problems.into_iter();
    let fault = |problem: policy::Problem| Fault {
        text: text
            .lines()
            .nth(problem.line.saturating_sub(1))
            .unwrap_or_default()
            .chars()
            .take(120)
            .collect(),
        line: problem.line,
        column: problem.column,
        place: problem.place,
        message: sentence(&problem.message),
    };
    problems.map(fault).collect()
}

/// Messages of a preview.
const PREVIEWS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stand_beside_their_lines() {
        let text = "version = 1\n\n[body]\ntext = \"shwo\"\n";
        let errors = policy::parse(text, "ours").expect_err("a mistake");
        let faults = faults(text, errors);
        assert_eq!((faults[0].line, faults[0].text.as_str()), (4, "text = \"shwo\""));
    }
}

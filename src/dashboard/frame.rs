//! What all pages have in common: the head, the navigation, the lock.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::visitor::Visitor;
use super::words;
use crate::clock::Timestamp;
use crate::owner::sessions::Term;

/// A part of the dashboard, in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Lists and messages.
    Mail,
    /// Search.
    Search,
    /// Views, devices, policies.
    Views,
    /// Who opened what.
    Audit,
    /// Users, addresses, domains.
    Administration,
    /// One's own account.
    Account,
}

/// What the base template needs.
pub struct Frame {
    /// The page's title.
    pub title: String,
    /// Where in the navigation it is.
    pub place: Option<Place>,
    /// The person, if anybody is signed in.
    pub person: Option<Person>,
    /// Something to tell at the top of the page.
    pub notice: Option<&'static str>,
    /// Of stylesheet and scripts.
    pub version: &'static str,
}

/// The person at the page.
pub struct Person {
    /// Their login.
    pub login: String,
    /// Whether they look after the tenant.
    pub administers: bool,
    /// What every form carries.
    pub csrf: String,
    /// The lock.
    pub lock: Lock,
    /// Where this page is, to come back to.
    pub here: String,
}

/// The state of the lock.
pub enum Lock {
    /// The whole is sealed.
    Locked,
    /// The whole is open.
    Open {
        /// Seconds until it locks by itself, unless it is used.
        seconds: i64,
        /// Seconds until it locks in any case.
        longest: i64,
        /// The same, as minutes and seconds.
        clock: String,
    },
}

impl Frame {
    /// A page for somebody who has not signed in.
    pub fn bare(title: &str) -> Self {
        let version = super::assets::VERSION.as_str();
        Self { title: title.to_owned(), place: None, person: None, notice: None, version }
    }

    /// A page for a visitor.
    pub fn of(visitor: &Visitor, place: Place, title: &str) -> Self {
        let lock = match visitor.visit.term.filter(|_| visitor.open_until().is_some()) {
            Some(term) => Lock::open(term, visitor.now),
            None => Lock::Locked,
        };
        let person = Person {
            login: visitor.row.login.clone(),
            administers: visitor.administers(),
            csrf: visitor.visit.csrf.clone(),
            lock,
            here: visitor.here.clone(),
        };
        Self {
            place: Some(place),
            person: Some(person),
            notice: words::notice(visitor.said.as_deref()),
            ..Self::bare(title)
        }
    }

    /// What every form of the page carries.
    pub fn csrf(&self) -> &str {
        self.person.as_ref().map_or("", |person| &person.csrf)
    }

    /// Whether the whole is open.
    pub fn is_open(&self) -> bool {
        matches!(self.person, Some(Person { lock: Lock::Open { .. }, .. }))
    }

    /// Where this page is, to come back to.
    pub fn here(&self) -> &str {
        self.person.as_ref().map_or("/mail", |person| &person.here)
    }

    /// Marks the place in the navigation that the page is in.
    pub fn current(&self, place: &str) -> bool {
        let name = match self.place {
            Some(Place::Mail) => "mail",
            Some(Place::Search) => "search",
            Some(Place::Views) => "views",
            Some(Place::Audit) => "audit",
            Some(Place::Administration) => "admin",
            Some(Place::Account) => "account",
            None => "",
        };
        name == place
    }
}

impl Lock {
    fn open(term: Term, now: Timestamp) -> Self {
        let left = |until: Timestamp| (until.unix() - now.unix()).max(0);
        let (seconds, longest) = (left(term.until), left(term.longest));
        Self::Open { seconds, longest, clock: format!("{}:{:02}", seconds / 60, seconds % 60) }
    }
}

/// A page from its template.
pub fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page does not render");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

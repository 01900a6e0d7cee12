//! The audit page: who opened what, when, from where and why; receipts; the mark of what was verified.
//!
//! A member sees what concerns them, an administrator the whole tenant. Entries hold no content, so
//! none of this needs an unlock. Owns the pages; the words are in `audit_words`, the walking in
//! `audit_walk`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::audit_mark::{Mark, Outcome, Running};
use super::audit_names;
use super::audit_walk::{self, Found, Sieve};
use super::audit_words::{Matter, Names, Sentence};
use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::visitor::{Nothing, Posted, Visitor};
use super::words::Moment;
use crate::admin::api::{AuditReport, Request};
use crate::admin::socket::Outlet;
use crate::audit::{Act, AddressMark, AuditError, AuditStore, Checkpoint, Draft, Entry};
use crate::clock::Timestamp;
use crate::names::{CredentialId, MessageId, TenantId, UserId};
use crate::owner::OwnerError;
use crate::owner::mail::find;
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::vault::{AuditRows, Vault};

/// What the form of the page asks for. An empty field asks for nothing.
#[derive(Clone, Default, Deserialize)]
pub struct Wanted {
    /// `all` for the whole tenant.
    #[serde(default)]
    who: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    before: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    everybody: bool,
    administers: bool,
    filtered: bool,
    wanted: Wanted,
    kinds: [(Matter, &'static str, &'static str); 6],
    people: Vec<String>,
    devices: Vec<(String, String)>,
    rows: Vec<Row>,
    wrong: Option<String>,
    /// Where the next page begins.
    older: Option<String>,
    full: bool,
    newest: bool,
    mark: MarkShown,
    signed: Signed,
}

pub(super) struct Row {
    number: u64,
    at: Option<Moment>,
    sentence: Sentence,
    linked: bool,
    /// Sender and subject of its message.
    pub(super) about: Option<String>,
    reason: Option<String>,
    matter: &'static str,
    trouble: bool,
    /// Newer than the newest verification.
    unverified: bool,
    /// The newest entry that was verified, below newer ones.
    first_verified: bool,
}

/// The mark of what was verified, as the page says it.
struct MarkShown {
    running: bool,
    at: Option<Moment>,
    /// Entries that agree; none unless all of the log did.
    intact: Option<u64>,
    newer: u64,
    problems: Vec<String>,
    failed: bool,
}

/// The newest checkpoint, as the page says it.
enum Signed {
    Not,
    Unreadable,
    Upto { last: u64, at: Option<Moment>, origin: String, key: String },
}

#[derive(Template)]
#[template(path = "audit-entry.html")]
struct EntryPage {
    frame: Frame,
    number: u64,
    row: Option<Row>,
    device: Option<CredentialId>,
    message: Option<MessageId>,
    /// Where links to other entries lead: the visitor's own, or everybody's.
    scope: &'static str,
    json: String,
    key: String,
}

#[derive(Template)]
#[template(path = "audit-mark.html")]
struct Fragment {
    mark: MarkShown,
}

/// `GET /audit`.
pub async fn list(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let scope = Scope::of(&house, &visitor, &wanted).await?;
    let tenant = visitor.visit.user.tenant;
    let before = wanted.before.parse().ok();
    let found = match &scope.sieve {
        Ok(sieve) => audit_walk::page(house.vault.audit.store(), tenant, (sieve, &scope.names), before)
            .await
            .map_err(OwnerError::from)?,
        Err(_) => Found { rows: Vec::new(), next: None, full: false },
    };
    let mark = house.marks.of(tenant);
    let verified = match mark.last.as_ref().map(|last| &last.outcome) {
        Some(Outcome::Intact(entries)) => Some(*entries),
        _ => None,
    };
    let mut rows = rows(found.rows, &scope.names, verified, before.is_none());
    audit_names::name(&house, &visitor, &mut rows).await?;
    let size = house.vault.audit.size(tenant).await.map_err(OwnerError::from)?;
    let page = Page {
        frame: Frame::of(&visitor, Place::Audit, "Audit"),
        everybody: scope.everybody,
        administers: visitor.administers(),
        filtered: wanted.filters(),
        kinds: Matter::ALL,
        people: scope.people(),
        devices: scope.devices(&wanted.device),
        older: found.next.map(|next| wanted.query(Some(next))),
        full: found.full,
        newest: before.is_none(),
        wrong: scope.sieve.as_ref().err().cloned(),
        rows,
        wanted,
        mark: MarkShown::new(&mark, size),
        signed: signed(&house, tenant).await?,
    };
    Ok(html(&page))
}

/// `GET /audit/{number}`.
pub async fn entry(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(number): Path<u64>,
) -> Result<Response, Trouble> {
    let (names, line) = entry_for(&house, &visitor, number).await?;
    let value: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
    let json = serde_json::to_string_pretty(&value).unwrap_or_default();
    let read = Entry::decode(&line).ok();
    let device = read.as_ref().and_then(|entry| match entry.draft.actor {
        crate::audit::Actor::View { credential, .. } => Some(credential),
        _ => None,
    });
    let message = read.as_ref().and_then(|entry| super::audit_words::message_of(&entry.draft.act));
    let mut row = read.map(|entry| Row::new(number, Some(entry), &names));
    audit_names::name(&house, &visitor, row.as_mut_slice()).await?;
    let title = format!("Audit entry {number}");
    let key = house.notary.verifying_key().to_string();
    let frame = Frame::of(&visitor, Place::Audit, &title);
    let scope = if visitor.administers() { "who=all&" } else { "" };
    Ok(html(&EntryPage { frame, number, row, device, message, scope, json, key }))
}

/// `GET /audit/{number}/receipt`: the proof that the entry is in the log, to be kept.
pub async fn receipt(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(number): Path<u64>,
) -> Result<Response, Trouble> {
    entry_for(&house, &visitor, number).await?;
    let tenant = visitor.tenant.name.clone();
    let text: String = house.ask(&visitor, Request::AuditReceipt { tenant, entry: number }).await?;
    Ok(download("text/plain; charset=utf-8", &format!("receipt-{number}.txt"), Body::from(text)))
}

/// `POST /audit/export`: the lines that pass the filter, byte for byte as they were hashed. Of
/// administrators' exports of everything, all lines.
pub async fn export(
    State(house): State<Arc<House>>,
    Posted { visitor, form: wanted }: Posted<Wanted>,
) -> Result<Response, Trouble> {
    let Scope { names, sieve, .. } = Scope::of(&house, &visitor, &wanted).await?;
    let sieve = sieve.map_err(Trouble::invalid)?;
    let tenant = visitor.visit.user.tenant;
    let audit = &house.vault.audit;
    let entries = audit.size(tenant).await.map_err(OwnerError::from)?;
    let by = visitor.by();
    let draft = Draft::new(by.actor, by.origin, Act::AuditExported { entries });
    let _recorded = audit.record(tenant, draft).await.map_err(OwnerError::from)?;
    let reading = Reading { vault: house.vault.clone(), tenant, sieve, names, next: 0, size: entries };
    let pages = futures::stream::try_unfold(reading, Reading::page);
    let name = format!("audit-{}.jsonl", visitor.tenant.name);
    Ok(download("application/jsonl", &name, Body::from_stream(pages)))
}

/// `POST /audit/verify`. Short logs are verified before the page is shown again, long ones go on
/// behind it.
pub async fn verify(
    State(house): State<Arc<House>>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    if let Some(running) = house.marks.begin(visitor.visit.user.tenant) {
        let (house, by, tenant) = (house.clone(), visitor.by(), visitor.tenant.name.clone());
        let runtime = tokio::runtime::Handle::current();
        // Nothing but reading and hashing, for seconds in a long log: not where pages are served.
        let work = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let request = Request::AuditVerify { tenant, checkpoints: Vec::new() };
                let answer = house.office.call(request, by, &Outlet::quiet()).await;
                conclude(&house, running, answer.ok());
            })
        });
        let _later = tokio::time::timeout(GRACE, work).await;
    }
    Ok(Redirect::to("/audit#verified").into_response())
}

/// `GET /audit/verified`: what stands in the page where the mark is.
pub async fn verified(State(house): State<Arc<House>>, visitor: Visitor) -> Result<Response, Trouble> {
    let tenant = visitor.visit.user.tenant;
    let size = house.vault.audit.size(tenant).await.map_err(OwnerError::from)?;
    Ok(html(&Fragment { mark: MarkShown::new(&house.marks.of(tenant), size) }))
}

/// Keeps what a verification said.
fn conclude(house: &House, running: Running, answer: Option<serde_json::Value>) {
    let report = answer.and_then(|answer| serde_json::from_value::<AuditReport>(answer).ok());
    let outcome = match report {
        Some(report) if report.intact => Outcome::Intact(report.entries),
        Some(report) => Outcome::Broken(report.problems),
        None => Outcome::Failed,
    };
    running.finish(house.vault.clock.now(), outcome);
}

/// What a visitor may see of the log, and what they asked for.
struct Scope {
    everybody: bool,
    names: Names,
    /// Or what is wrong with what they asked for.
    sieve: Result<Sieve, String>,
    labels: HashMap<CredentialId, String>,
}

impl Scope {
    async fn of(house: &House, visitor: &Visitor, wanted: &Wanted) -> Result<Self, Trouble> {
        let everybody = visitor.administers() && wanted.who == "all";
        let names = names(&house.vault, visitor.visit.user, everybody)?;
        let mut sieve = wanted.sieve(everybody, &names);
        if let Ok(Sieve { message: Some(message), number, .. }) = &mut sieve {
            let tenant = visitor.visit.user.tenant;
            let people: Vec<UserRef> = match everybody {
                true => names.users.keys().map(|user| UserRef { tenant, user: *user }).collect(),
                false => vec![visitor.visit.user],
            };
            *number = number_of(&house.vault, people, *message).await?;
        }
        let mine = |view: &crate::names::ViewId| {
            names.views.get(view).is_some_and(|(_, of)| everybody || *of == names.me)
        };
        let mut labels = HashMap::new();
        for (view, (name, _)) in names.views.iter().filter(|(view, _)| mine(view)) {
            for (id, row) in credentials(&house.vault, visitor.visit.user.tenant, *view)? {
                labels.insert(id, format!("{} ({name})", row));
            }
        }
        Ok(Self { everybody, names, sieve, labels })
    }

    /// Logins to choose from.
    fn people(&self) -> Vec<String> {
        if !self.everybody {
            return Vec::new();
        }
        let mut people: Vec<String> = self.names.users.values().cloned().collect();
        people.sort();
        people.truncate(MOST_CHOICES);
        people
    }

    /// Devices to choose from; the chosen one too if it is gone.
    fn devices(&self, chosen: &str) -> Vec<(String, String)> {
        let mut devices: Vec<_> =
            self.labels.iter().map(|(id, label)| (id.to_string(), label.clone())).collect();
        devices.sort_by(|(_, one), (_, other)| one.cmp(other));
        devices.truncate(MOST_CHOICES);
        if !chosen.is_empty() && devices.iter().all(|(id, _)| id != chosen) {
            devices.push((chosen.to_owned(), "The chosen device".to_owned()));
        }
        devices
    }
}

impl Wanted {
    /// Whether anything but the scope is asked for.
    fn filters(&self) -> bool {
        [&self.kind, &self.person, &self.device, &self.from, &self.to, &self.message]
            .iter()
            .any(|field| !field.trim().is_empty())
    }

    fn sieve(&self, everybody: bool, names: &Names) -> Result<Sieve, String> {
        let person = match self.person.trim() {
            "" => None,
            login if everybody => Some(person(names, login).ok_or("There is nobody with this address.")?),
            _ => None,
        };
        let until = day(&self.to)?.map(|day| day.plus(DAY));
        Ok(Sieve {
            mine: !everybody,
            matter: Matter::named(&self.kind),
            person,
            device: parsed(&self.device, "That is not the number of a device.")?,
            message: parsed(&self.message, "That is not the number of a message: 26 letters and digits.")?,
            number: None,
            since: day(&self.from)?,
            until,
        })
    }

    /// The same question as a query, beginning elsewhere.
    fn query(&self, before: Option<u64>) -> String {
        let before = before.map(|number| number.to_string()).unwrap_or_default();
        let fields = [
            ("who", &self.who),
            ("kind", &self.kind),
            ("person", &self.person),
            ("device", &self.device),
            ("from", &self.from),
            ("to", &self.to),
            ("message", &self.message),
            ("before", &before),
        ];
        let asked = fields.iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish()
    }
}

impl Row {
    fn new(number: u64, entry: Option<Entry>, names: &Names) -> Self {
        let Some(Entry { time, draft, .. }) = entry else {
            let start = "This entry does not read: it was written by a newer program, or is damaged.";
            let sentence = Sentence { start: start.to_owned(), message: None, end: String::new() };
            return Self { matter: "Trouble", trouble: true, ..Self::plain(number, sentence) };
        };
        let matter = Matter::told_by(&draft);
        Self {
            at: Some(time.into()),
            linked: names.is_mine(&draft.actor),
            matter: matter.words(),
            trouble: matter == Matter::Trouble,
            reason: draft.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            ..Self::plain(number, names.sentence(&draft))
        }
    }

    /// The message that it is about, if that is the reader's own doing.
    pub(super) fn own_message(&self) -> Option<MessageId> {
        self.sentence.message.filter(|_| self.linked)
    }

    fn plain(number: u64, sentence: Sentence) -> Self {
        Self {
            number,
            at: None,
            sentence,
            linked: false,
            about: None,
            reason: None,
            matter: "",
            trouble: false,
            unverified: false,
            first_verified: false,
        }
    }
}

impl MarkShown {
    fn new(mark: &Mark, size: u64) -> Self {
        let empty =
            Self { running: mark.running, at: None, intact: None, newer: 0, problems: vec![], failed: false };
        let Some(last) = &mark.last else { return empty };
        let told = Self { at: Some(last.at.into()), ..empty };
        match &last.outcome {
            Outcome::Intact(entries) => {
                Self { intact: Some(*entries), newer: size.saturating_sub(*entries), ..told }
            }
            Outcome::Broken(problems) => Self { problems: problems.clone(), ..told },
            Outcome::Failed => Self { failed: true, ..told },
        }
    }
}

/// A page of a log that is exported.
struct Reading {
    vault: Arc<Vault>,
    tenant: TenantId,
    sieve: Sieve,
    names: Names,
    next: u64,
    size: u64,
}

impl Reading {
    async fn page(mut self) -> Result<Option<(Bytes, Self)>, AuditError> {
        if self.next >= self.size {
            return Ok(None);
        }
        let rows = self.vault.audit.store().entries(self.tenant, self.next, EXPORTED_AT_ONCE).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        self.next = last.saturating_add(1);
        let mut lines = Vec::new();
        for (number, line) in &rows {
            if *number < self.size && self.sieve.passes(line, &self.names) {
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
        }
        tokio::task::yield_now().await;
        Ok(Some((Bytes::from(lines), self)))
    }
}

/// The entry with this number, for somebody who may see it.
async fn entry_for(house: &House, visitor: &Visitor, number: u64) -> Result<(Names, Vec<u8>), Trouble> {
    let UserRef { tenant, .. } = visitor.visit.user;
    let missing = Trouble::NotFound("audit entry");
    let names = names(&house.vault, visitor.visit.user, visitor.administers())?;
    let audit = &house.vault.audit;
    if number >= audit.size(tenant).await.map_err(OwnerError::from)? {
        return Err(missing);
    }
    let rows = audit.store().entries(tenant, number, 1).await.map_err(AuditError::from);
    let rows = rows.map_err(OwnerError::from)?;
    let Some((_, line)) = rows.into_iter().find(|(found, _)| *found == number) else { return Err(missing) };
    let concerns = Entry::decode(&line).is_ok_and(|entry| names.concerns_me(&entry.draft));
    if visitor.administers() || concerns { Ok((names, line)) } else { Err(missing) }
}

/// What people call things: the reader's own views, or everybody's.
fn names(vault: &Vault, me: UserRef, everybody: bool) -> Result<Names, Trouble> {
    let records = &vault.records;
    let users = registry::users(records, me.tenant).map_err(OwnerError::from)?;
    let mut names = Names {
        me: me.user,
        users: users.iter().map(|(user, row)| (user.user, row.login.clone())).collect(),
        views: HashMap::new(),
        devices: HashMap::new(),
        addresses: addresses(vault, me.tenant)?,
    };
    for (user, _) in users.iter().filter(|(user, _)| everybody || *user == me) {
        for (view, row) in registry::views(records, *user).map_err(OwnerError::from)? {
            names.devices.extend(credentials(vault, me.tenant, view)?);
            names.views.insert(view, (row.name, user.user));
        }
    }
    Ok(names)
}

/// The tenant's addresses by the tokens that entries have.
fn addresses(vault: &Vault, tenant: TenantId) -> Result<HashMap<AddressMark, String>, Trouble> {
    let rows = directory::list(&vault.records, tenant).map_err(OwnerError::from)?;
    let token = |(key, row): (Vec<u8>, crate::tenant::rows::AddressListRow)| {
        Some((AddressMark::of(key.as_slice().try_into().ok()?), row.address))
    };
    Ok(rows.into_iter().filter_map(token).collect())
}

/// Which of these people has a message, and its number there.
async fn number_of(
    vault: &Arc<Vault>,
    people: Vec<UserRef>,
    message: MessageId,
) -> Result<Option<(UserId, u32)>, Trouble> {
    for user in people {
        if let Some(number) = find(vault, user, message).await? {
            return Ok(Some((user.user, number)));
        }
    }
    Ok(None)
}

fn credentials(
    vault: &Vault,
    tenant: TenantId,
    view: crate::names::ViewId,
) -> Result<Vec<(CredentialId, String)>, Trouble> {
    let rows = registry::credentials(&vault.records, tenant, view).map_err(OwnerError::from)?;
    Ok(rows.into_iter().map(|(id, row)| (id, row.label)).collect())
}

fn rows(found: Vec<(u64, Option<Entry>)>, names: &Names, verified: Option<u64>, newest: bool) -> Vec<Row> {
    let mut rows: Vec<Row> =
        found.into_iter().map(|(number, entry)| Row::new(number, entry, names)).collect();
    let Some(verified) = verified else { return rows };
    for row in &mut rows {
        row.unverified = row.number >= verified;
    }
    let border = rows.iter().position(|row| !row.unverified);
    if let Some(border) = border.filter(|border| *border > 0 || newest) {
        rows[border].first_verified = true;
    }
    rows
}

/// The newest checkpoint. Its time is that of the entry that announces it, its last one.
async fn signed(house: &House, tenant: TenantId) -> Result<Signed, Trouble> {
    let store: &AuditRows = house.vault.audit.store();
    let failed = |error| Trouble::from(OwnerError::from(AuditError::from(error)));
    let Some(note) = store.checkpoint(tenant).await.map_err(failed)? else { return Ok(Signed::Not) };
    let key = house.notary.verifying_key();
    let Ok(checkpoint) = Checkpoint::open(&note, &key) else { return Ok(Signed::Unreadable) };
    let Some(last) = checkpoint.size().checked_sub(1) else { return Ok(Signed::Not) };
    let rows = store.entries(tenant, last, 1).await.map_err(failed)?;
    let entry = rows.first().and_then(|(_, line)| Entry::decode(line).ok());
    let at = entry.filter(|entry| entry.sequence == last).map(|entry| entry.time.into());
    let origin = note.lines().next().unwrap_or_default().to_owned();
    Ok(Signed::Upto { last, at, origin, key: key.to_string() })
}

/// A file to keep. Names are ours or checked to be plain.
fn download(kind: &'static str, name: &str, body: Body) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static(kind);
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], body).into_response()
}

fn person(names: &Names, login: &str) -> Option<UserId> {
    names.users.iter().find(|(_, known)| known.eq_ignore_ascii_case(login)).map(|(user, _)| *user)
}

/// The beginning of a day in UTC, as a date field sends it.
fn day(text: &str) -> Result<Option<Timestamp>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || "That is not a day: write it as 2026-03-31.".to_owned();
    let date: jiff::civil::Date = text.trim().parse().map_err(|_| wrong())?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(Some(Timestamp::from_unix(start.timestamp().as_second())))
}

fn parsed<T: std::str::FromStr>(text: &str, wrong: &str) -> Result<Option<T>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong.to_owned()),
    }
}

/// A verification that ends within this time is awaited: most do.
const GRACE: Duration = Duration::from_millis(1500);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Lines of an export read at once.
const EXPORTED_AT_ONCE: usize = 256;
/// People and devices offered to choose from: more make a page heavy, and nobody reads them.
const MOST_CHOICES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_date_fields_send_them() {
        assert_eq!(day(" "), Ok(None));
        assert_eq!(day("1970-01-02"), Ok(Some(Timestamp::from_unix(86_400))));
        for wrong in ["1970-13-01", "yesterday", "-9999-01-01T", "9999999-01-01"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_member_never_asks_for_others() {
        let names = Names {
            me: UserId::from_bytes([1; 16]),
            users: [(UserId::from_bytes([2; 16]), "bob@firm.example".to_owned())].into(),
            views: HashMap::new(),
            devices: HashMap::new(),
            addresses: HashMap::new(),
        };
        let wanted = Wanted { person: "bob@firm.example".into(), ..Wanted::default() };
        let sieve = wanted.sieve(false, &names).expect("it reads");
        assert_eq!(sieve, Sieve { mine: true, ..Sieve::default() });
        let sieve = wanted.sieve(true, &names).expect("it reads");
        assert_eq!((sieve.mine, sieve.person), (false, Some(UserId::from_bytes([2; 16]))));
        let nobody = Wanted { person: "eve@firm.example".into(), ..Wanted::default() };
        assert!(nobody.sieve(true, &names).is_err());
    }

    /// The mark as it reads.
    fn read(mark: Mark, size: u64) -> String {
        Fragment { mark: MarkShown::new(&mark, size) }.render().expect("it renders")
    }

    #[test]
    fn the_mark_says_what_a_verification_said_and_no_more() {
        let said = |outcome| {
            let at = Timestamp::from_unix(0);
            Mark { running: false, last: Some(super::super::audit_mark::Verified { at, outcome }) }
        };
        assert!(read(Mark::default(), 3).contains("Not verified since the server started"));
        assert!(read(Mark { running: true, last: None }, 3).contains("<progress"));
        let intact = read(said(Outcome::Intact(3)), 3);
        assert!(
            intact.contains("Verified up to entry 2") && !intact.contains("not yet verified"),
            "{intact}"
        );
        assert!(read(said(Outcome::Intact(3)), 5).contains("2 entries since then are not yet verified"));
        assert!(read(said(Outcome::Intact(0)), 0).contains("the log is empty"));
        let broken = read(said(Outcome::Broken(vec!["entry 7 was edited".to_owned()])), 9);
        assert!(broken.contains("notice wrong") && broken.contains("entry 7 was edited"), "{broken}");
        assert!(!broken.contains("intact"), "{broken}");
        let failed = read(said(Outcome::Failed), 9);
        assert!(failed.contains("could not be checked") && !failed.contains("intact"), "{failed}");
    }

    #[test]
    fn a_question_is_asked_again_further_back() {
        let wanted =
            Wanted { who: "all".into(), kind: "mail".into(), to: "2026-01-01".into(), ..Wanted::default() };
        assert_eq!(wanted.query(Some(7)), "who=all&kind=mail&to=2026-01-01&before=7");
    }

    #[test]
    fn entries_after_the_mark_are_told_from_those_before() {
        let names = Names {
            me: UserId::from_bytes([1; 16]),
            users: HashMap::new(),
            views: HashMap::new(),
            devices: HashMap::new(),
            addresses: HashMap::new(),
        };
        let found = || (0..4).rev().map(|number| (number, None)).collect::<Vec<_>>();
        let shown = |verified| {
            let rows = rows(found(), &names, verified, true);
            rows.iter().map(|row| (row.unverified, row.first_verified)).collect::<Vec<_>>()
        };
        assert_eq!(shown(None), [(false, false); 4]);
        assert_eq!(shown(Some(2)), [(true, false), (true, false), (false, true), (false, false)]);
        assert_eq!(shown(Some(4))[0], (false, true));
        assert_eq!(shown(Some(0)), [(true, false); 4]);
    }
}

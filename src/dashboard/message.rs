//! One message: as the person's own list shows it while it is locked, whole while it is open; its
//! HTML in a frame, its attachments, its source, and beside it what a mail client saw.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::House;
use super::download::{self, Pass};
use super::folders;
use super::frame::{Frame, Place, html};
use super::trouble::Trouble;
use super::unlocking::refusal;
use super::visitor::{Nothing, Posted, Visitor};
use super::words::{self, Moment};
use crate::audit::{Extent, PartPath, Recorded};
use crate::mailbox::{Flags, FolderId};
use crate::names::{MessageId, ViewId};
use crate::owner::mail::{self, OwnerReader, Whole};
use crate::owner::sessions::SessionId;
use crate::owner::step_up;
use crate::owner::{OwnerError, Unlocked, folders as owner_folders, lines};
use crate::reading::{self, Content, Mailbox, Reading, Remote};
use crate::search::Hit;
use crate::tenant::registry;
use crate::wipe::Wiped;

#[derive(Template)]
#[template(path = "message.html")]
struct Page {
    frame: Frame,
    uid: u32,
    letter: Letter,
    /// Sealed: the octets are the masked ones, or there are none.
    masked: bool,
    place: Spot,
    received: Moment,
    size: String,
    remote: bool,
    thread: Vec<Neighbour>,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    uid: u32,
    view: String,
    views: Vec<ViewName>,
    whole: Letter,
    seen: Option<Letter>,
}

#[derive(Template)]
#[template(path = "print.html")]
struct PrintPage {
    frame: Frame,
    letter: Letter,
    received: Moment,
}

/// A message in words.
struct Letter {
    from: Vec<Shown>,
    to: Vec<Shown>,
    cc: Vec<Shown>,
    subject: String,
    sent: Option<Moment>,
    /// Built by our own escape-first code.
    text: String,
    has_html: bool,
    blocked: usize,
    loadable: usize,
    attachments: Vec<File>,
    invites: Vec<reading::Invite>,
    header: Vec<(String, String)>,
    notes: Vec<String>,
}

/// Where a message is, and where else it could be.
struct Spot {
    folder: folders::Shown,
    others: Vec<folders::Shown>,
    trashed: bool,
    unread: bool,
}

struct Shown {
    name: String,
    address: String,
}

struct File {
    number: usize,
    name: String,
    what: &'static str,
    size: String,
    dangerous: bool,
}

struct ViewName {
    id: String,
    name: String,
    current: bool,
}

struct Neighbour {
    uid: u32,
    from: String,
    subject: String,
    received: Moment,
    current: bool,
}

/// Whether images from elsewhere are shown.
#[derive(Default, Deserialize)]
pub struct Wishes {
    #[serde(default)]
    remote: Option<u8>,
    #[serde(default)]
    view: Option<String>,
}

impl Wishes {
    /// Whether pictures from elsewhere are asked for by a page of ours (Fetch Metadata): a link in
    /// another page would have them tell the sender that the message was read.
    fn remote(&self, headers: &HeaderMap) -> bool {
        let ours = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        ours && self.remote == Some(1)
    }
}

/// `GET /mail/{uid}`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
    Query(wishes): Query<Wishes>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    if visitor.open_until().is_none() {
        return masked(&house, &visitor, uid).await;
    }
    let (unlocked, whole) = match reveal(&house, &visitor, uid, Extent::Whole).await {
        Err(Trouble::StepUp(_)) => return Ok(html(&CodePage::new(&visitor, uid, None))),
        revealed => revealed?,
    };
    let thread = neighbours(&house, unlocked, whole.row.message, uid).await?;
    let remote = wishes.remote(&headers);
    let (letter, document) = read_aside(whole.octets, remote).await?;
    // The frame is the next thing that the browser asks for.
    if let Some(document) = document {
        house.kept.put(&visitor.token, (uid, remote), &document);
    }
    house.remember(&visitor, whole.recorded);
    let user = visitor.visit.user;
    if let Err(error) = owner_folders::mark(&house.vault, user, uid, true).await {
        // It is shown all the same.
        tracing::warn!(user = %user.user, %error, "a message cannot be marked as read");
    }
    Ok(html(&Page {
        frame: Frame::of(&visitor, Place::Mail, &letter.subject),
        uid,
        masked: false,
        place: spot(&house, &visitor, uid).await?,
        received: Moment::new(whole.row.received),
        size: words::size(whole.row.octets),
        remote,
        thread,
        letter,
    }))
}

/// The same while it is locked: what the password alone shows.
async fn masked(house: &Arc<House>, visitor: &Visitor, uid: u32) -> Result<Response, Trouble> {
    let (row, octets) = lines::masked_message(&house.vault, &visitor.visit, uid, visitor.by()).await?;
    // Of the masked octets: the whole's would tell how much is left out.
    let size = words::size(octets.len() as u64);
    let letter = letter(octets, false).await?;
    Ok(html(&Page {
        frame: Frame::of(visitor, Place::Mail, &letter.subject),
        uid,
        letter,
        masked: true,
        place: spot(house, visitor, uid).await?,
        received: Moment::new(row.received),
        size,
        remote: false,
        thread: Vec::new(),
    }))
}

async fn spot(house: &House, visitor: &Visitor, uid: u32) -> Result<Spot, Trouble> {
    let standing = owner_folders::standing(&house.vault, visitor.visit.user, uid).await?;
    let mut others = folders::list(house, visitor, standing.folder).await?;
    let here = others.iter().position(|one| one.current).ok_or(Trouble::NotFound("folder"))?;
    let folder = others.remove(here);
    let trashed = standing.folder == FolderId::TRASH;
    Ok(Spot { folder, others, trashed, unread: !standing.flags.contains(Flags::SEEN) })
}

/// `GET /mail/{uid}/html`: the document of the frame.
pub async fn frame(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
    Query(wishes): Query<Wishes>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    // Alone in a tab no script of ours would take it from the screen when the mail is locked.
    if headers.get("sec-fetch-dest").is_some_and(|dest| dest == "document") {
        return Ok(Redirect::to(&format!("/mail/{uid}")).into_response());
    }
    let (wanted, remote) = match wishes.remote(&headers) {
        true => (true, Remote::Allowed),
        false => (false, Remote::Blocked),
    };
    let may = OwnerReader::new(&house.vault, &visitor.unlocked(&house)?)?.may_open(uid);
    may.map_err(|error| code_first(error, uid))?;
    let document = match house.kept.take(&visitor.token, (uid, wanted)) {
        Some(document) => document,
        None => {
            let octets = again(&house, &visitor, uid).await?;
            let clean = move || reading::read(&octets).html.map(|body| body.clean(remote).document);
            aside(clean).await?.ok_or(Trouble::NotFound("page"))?
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, remote.content_security_policy()),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, document).into_response())
}

/// `GET /mail/{uid}/parts/{number}`: an attachment, to be saved. Its own entry in the audit log.
pub async fn part(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path((uid, number)): Path<(u32, usize)>,
) -> Result<Response, Trouble> {
    let path = PartPath::parse(&number.to_string()).ok_or(Trouble::NotFound("attachment"))?;
    let (unlocked, whole) = reveal(&house, &visitor, uid, Extent::parts(vec![path])).await?;
    let octets = whole.octets;
    let found = aside(move || {
        let (attachment, content) = reading::locate(&octets, number)?;
        Some(match content {
            Content::Here(content) => (attachment, Content::Here(content.beside(&octets))),
            there => (attachment, there),
        })
    });
    let (attachment, content) = found.await?.ok_or(Trouble::NotFound("attachment"))?;
    let body = match content {
        Content::Here(content) => download::held(&house, unlocked, content),
        Content::There { range, decoder } => {
            let mut reader = OwnerReader::new(&house.vault, &unlocked)?;
            let sending = reader.send_range(uid, &whole.recorded, range).await;
            let sending = sending.map_err(|error| code_first(error, uid))?;
            download::flow(&house, unlocked, sending, Pass::Decode(decoder))
        }
    };
    Ok(download::saved("application/octet-stream", &attachment.name, attachment.octets, body))
}

/// `GET /mail/{uid}/source`: the message as it was received, to be saved.
pub async fn source(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    let sent = OwnerReader::new(&house.vault, &unlocked)?.send(uid).await;
    let sent = sent.map_err(|error| code_first(error, uid))?;
    house.sessions.count_revealed(&unlocked, 1);
    let (name, length) = (format!("message-{uid}.eml"), sent.sending.size());
    let body = download::flow(&house, unlocked, sent.sending, Pass::AsIs);
    Ok(download::saved("message/rfc822", &name, length, body))
}

/// `GET /mail/{uid}/compare`: the whole, and beside it what a view shows.
pub async fn compare(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
    Query(wishes): Query<Wishes>,
) -> Result<Response, Trouble> {
    let view = chosen(&house, &visitor, wishes.view.as_deref())?;
    let (unlocked, whole) = reveal(&house, &visitor, uid, Extent::Whole).await?;
    let seen = lines::as_view_shows(&house.vault, &unlocked, view, uid, &whole.recorded).await?;
    let letter = letter(whole.octets, false).await?;
    let seen = match seen {
        Some(octets) => Some(self::letter(octets, false).await?),
        None => None,
    };
    let views = view_names(&house, &visitor, view)?;
    let name = views.iter().find(|name| name.current).map_or_else(String::new, |view| view.name.clone());
    Ok(html(&ComparePage {
        frame: Frame::of(&visitor, Place::Mail, "What your mail client saw"),
        uid,
        view: name,
        views,
        whole: letter,
        seen,
    }))
}

/// `GET /mail/{uid}/print`.
pub async fn print(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
) -> Result<Response, Trouble> {
    let (_, whole) = reveal(&house, &visitor, uid, Extent::Whole).await?;
    let received = Moment::new(whole.row.received);
    let letter = letter(whole.octets, false).await?;
    Ok(html(&PrintPage { frame: Frame::of(&visitor, Place::Mail, &letter.subject), letter, received }))
}

/// `GET /m/{message}`: where placeholders lead. To the sign-in, to the unlock, then to the message.
pub async fn link(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(message): Path<String>,
) -> Result<Response, Trouble> {
    // Unlocked first: what there is and what there is not is nobody else's to know.
    let unlocked = visitor.unlocked(&house)?;
    let message: MessageId = message.parse().map_err(|_| Trouble::NotFound("message"))?;
    let found = mail::find(&house.vault, unlocked.user(), message).await?;
    let uid = found.ok_or(Trouble::NotFound("message"))?;
    Ok(Redirect::to(&format!("/mail/{uid}")).into_response())
}

/// A code for one message.
#[derive(Deserialize)]
pub struct Code {
    code: String,
}

#[derive(Template)]
#[template(path = "step-up.html")]
struct CodePage {
    frame: Frame,
    uid: u32,
    wrong: Option<String>,
}

impl CodePage {
    fn new(visitor: &Visitor, uid: u32, wrong: Option<String>) -> Self {
        Self { frame: Frame::of(visitor, Place::Mail, "A code for this message"), uid, wrong }
    }
}

/// `POST /mail/{uid}/code`: one more code, where the tenant asks for one at every message.
pub async fn code(
    State(house): State<Arc<House>>,
    Path(uid): Path<u32>,
    Posted { visitor, form: Code { code } }: Posted<Code>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    let message = OwnerReader::new(&house.vault, &unlocked)?.message(uid)?;
    match step_up::step_up(&house.vault, &unlocked, &code, message).await {
        Ok(()) => Ok(Redirect::to(&format!("/mail/{uid}")).into_response()),
        Err(error) => {
            let (status, wrong) = refusal(error)?;
            Ok((status, html(&CodePage::new(&visitor, uid, Some(wrong)))).into_response())
        }
    }
}

/// `POST /mail/{uid}/trash`, and back again by `/mail/{uid}/restore`. It reveals nothing and needs no
/// unlock; without one there are only the messages of the dashboard's view.
pub async fn throw<const AWAY: bool>(
    State(house): State<Arc<House>>,
    Path(uid): Path<u32>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Redirect, Trouble> {
    folders::known(&house, &visitor, uid).await?;
    mail::set_trashed(&house.vault, visitor.visit.user, uid, AWAY).await?;
    Ok(Redirect::to(if AWAY { "/mail?said=trashed" } else { "/mail?said=restored" }))
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    frame: Frame,
    uid: u32,
}

/// What stands on the button of the page that asks.
#[derive(Deserialize)]
pub struct Sure {
    #[serde(default)]
    sure: String,
}

/// `GET /mail/{uid}/delete`: asks first. What the message says was on the page before, and is not opened
/// once more for this.
pub async fn ask_delete(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(uid): Path<u32>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    OwnerReader::new(&house.vault, &unlocked)?.message(uid)?;
    Ok(html(&DeletePage { frame: Frame::of(&visitor, Place::Mail, "Delete for good"), uid }))
}

/// `POST /mail/{uid}/delete`: for good, if the page that asks sent it; else it asks.
pub async fn delete(
    State(house): State<Arc<House>>,
    Path(uid): Path<u32>,
    Posted { visitor, form: Sure { sure } }: Posted<Sure>,
) -> Result<Redirect, Trouble> {
    let unlocked = visitor.unlocked(&house)?;
    if sure != "yes" {
        return Ok(Redirect::to(&format!("/mail/{uid}/delete")));
    }
    mail::delete(&house.vault, &unlocked, &uid.to_string()).await?;
    Ok(Redirect::to("/mail?folder=trash&said=deleted"))
}

/// Opens a message for its owner, `extent` of which is going to be shown: unlocked, after a code of
/// its own where each takes one, written down and counted. Every page that shows one comes by here.
async fn reveal(
    house: &House,
    visitor: &Visitor,
    uid: u32,
    extent: Extent,
) -> Result<(Unlocked, Whole), Trouble> {
    let unlocked = visitor.unlocked(house)?;
    let revealed = OwnerReader::new(&house.vault, &unlocked)?.reveal_uid(uid, extent).await;
    let whole = revealed.map_err(|error| code_first(error, uid))?;
    house.sessions.count_revealed(&unlocked, 1);
    Ok((unlocked, whole))
}

/// The octets of a message once more: on the entry of the page that was just shown, else on a new one.
async fn again(house: &House, visitor: &Visitor, uid: u32) -> Result<Wiped, Trouble> {
    let unlocked = visitor.unlocked(house)?;
    if let Some(recorded) = house.remembered(visitor) {
        match OwnerReader::new(&house.vault, &unlocked)?.again(uid, &recorded).await {
            Err(OwnerError::NotFound(_)) => {}
            octets => return octets.map_err(|error| code_first(error, uid)),
        }
    }
    Ok(reveal(house, visitor, uid, Extent::Whole).await?.1.octets)
}

/// Leads to the page that asks for a code of the message's own.
fn code_first(error: OwnerError, uid: u32) -> Trouble {
    match error {
        OwnerError::CodeNeeded => Trouble::StepUp(uid),
        error => error.into(),
    }
}

impl House {
    /// Keeps the entry of the message that a session was just shown: its frame asks for it again.
    fn remember(&self, visitor: &Visitor, recorded: Recorded) {
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if shown.len() >= MOST_REMEMBERED {
            shown.clear();
        }
        shown.insert(visitor.visit.id, Arc::new(recorded));
    }

    /// A new unlock begins with nothing of the one before: no entry (and, being new, no code).
    pub(super) fn forget(&self, session: &SessionId) {
        self.kept.forget(session);
        self.named.forget(session);
        self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(session);
    }

    fn remembered(&self, visitor: &Visitor) -> Option<Arc<Recorded>> {
        let shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shown.get(&visitor.visit.id).cloned()
    }
}

/// The other messages of a conversation, as far as they are indexed.
async fn neighbours(
    house: &Arc<House>,
    unlocked: Unlocked,
    message: MessageId,
    uid: u32,
) -> Result<Vec<Neighbour>, Trouble> {
    let (house, unlocked) = (house.clone(), Arc::new(unlocked));
    let (shelf, key) = (house.clone(), unlocked.clone());
    let find = move || shelf.indexes.open(&shelf.vault, &key).and_then(|open| Ok(open.thread(message)?));
    // The index reads files and unseals them: not where other sessions wait.
    let hits = aside(find).await?.unwrap_or_else(|error| {
        tracing::warn!(%error, "a conversation cannot be looked up");
        Vec::new()
    });
    let around = around(hits, uid);
    // Sender and subject of other messages: durable in the log before they are shown (law 4).
    let others = around.iter().map(|other| other.uid).filter(|other| *other != uid).collect::<Vec<_>>();
    if !others.is_empty() {
        let reader = OwnerReader::new(&house.vault, &unlocked)?;
        let _recorded = reader.record_list(others.into_iter()).await?;
    }
    Ok(around)
}

/// Those around this one: a list that goes on for years is no conversation any more.
fn around(hits: Vec<Hit>, uid: u32) -> Vec<Neighbour> {
    if hits.len() < 2 {
        return Vec::new();
    }
    let here = hits.iter().position(|hit| hit.uid == uid).unwrap_or(0);
    let first = here.saturating_sub(NEIGHBOURS / 2).min(hits.len().saturating_sub(NEIGHBOURS));
    hits.into_iter()
        .skip(first)
        .take(NEIGHBOURS)
        .map(|hit| Neighbour {
            uid: hit.uid,
            from: words::short_name(&hit.from),
            subject: hit.subject.iter().map(|piece| piece.text.as_str()).collect(),
            received: Moment::new(hit.received),
            current: hit.uid == uid,
        })
        .collect()
}

/// The view that is asked for, else the first that a mail client has, else the dashboard's own.
fn chosen(house: &House, visitor: &Visitor, wanted: Option<&str>) -> Result<ViewId, Trouble> {
    let views = registry::views(&house.vault.records, visitor.visit.user).map_err(OwnerError::from)?;
    let named = |text: &str| views.iter().find(|(id, _)| id.to_string() == text);
    let found = match wanted {
        Some(text) => Some(named(text).ok_or(Trouble::NotFound("view"))?),
        None => views.iter().find(|(id, _)| *id != visitor.visit.view).or(views.first()),
    };
    found.map(|(id, _)| *id).ok_or(Trouble::NotFound("view"))
}

fn view_names(house: &House, visitor: &Visitor, current: ViewId) -> Result<Vec<ViewName>, Trouble> {
    let views = registry::views(&house.vault.records, visitor.visit.user).map_err(OwnerError::from)?;
    let name = |(id, row): (ViewId, crate::tenant::rows::ViewRow)| ViewName {
        id: id.to_string(),
        name: row.name,
        current: current == id,
    };
    Ok(views.into_iter().map(name).collect())
}

/// Reads a message where it holds up nobody: a large one takes a while.
async fn letter(octets: Wiped, remote: bool) -> Result<Letter, Trouble> {
    Ok(read_aside(octets, remote).await?.0)
}

/// The same, and the document of its frame if it has HTML.
async fn read_aside(octets: Wiped, remote: bool) -> Result<(Letter, Option<String>), Trouble> {
    aside(move || letter_of(reading::read(&octets), remote)).await
}

/// Blocking work where it holds up nobody.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|_| OwnerError::Stopping.into())
}

fn letter_of(reading: Reading, remote: bool) -> (Letter, Option<String>) {
    let wanted = if remote { Remote::Allowed } else { Remote::Blocked };
    let (cleaned, text) = match (reading.html.as_ref(), reading.text) {
        (Some(body), Some(text)) => (Some(body.clean(wanted)), text),
        (Some(body), None) => {
            let (cleaned, text) = body.clean_with_text(wanted);
            (Some(cleaned), text)
        }
        (None, text) => (None, text.unwrap_or_default()),
    };
    let text = reading::text_to_html(&text);
    let letter = Letter {
        from: people(&reading.from),
        to: people(&reading.to),
        cc: people(&reading.cc),
        subject: if reading.subject.is_empty() { "(no subject)".to_owned() } else { reading.subject },
        sent: reading.date.map(Moment::new),
        text,
        has_html: cleaned.is_some(),
        blocked: cleaned.as_ref().map_or(0, |cleaned| cleaned.blocked),
        loadable: cleaned.as_ref().map_or(0, |cleaned| cleaned.loadable),
        attachments: reading.attachments.iter().map(file).collect(),
        invites: reading.invites,
        header: reading.header,
        notes: reading.notes.iter().map(ToString::to_string).collect(),
    };
    (letter, cleaned.map(|cleaned| cleaned.document))
}

fn people(mailboxes: &[Mailbox]) -> Vec<Shown> {
    let shown = |mailbox: &Mailbox| Shown { name: mailbox.name.clone(), address: mailbox.address.clone() };
    mailboxes.iter().map(shown).collect()
}

fn file(attachment: &reading::Attachment) -> File {
    use reading::Kind;
    let what = match attachment.kind {
        Kind::Image => "Picture",
        Kind::Pdf => "PDF",
        Kind::Document => "Document",
        Kind::Spreadsheet => "Table",
        Kind::Archive => "Archive",
        Kind::Audio => "Sound",
        Kind::Video => "Film",
        Kind::Calendar => "Calendar",
        Kind::Contact => "Contact",
        Kind::Message => "Message",
        Kind::Text => "Text",
        _ => "File",
    };
    File {
        number: attachment.number,
        name: attachment.name.clone(),
        what,
        size: words::size(attachment.octets),
        dangerous: attachment.dangerous,
    }
}

/// Messages of a conversation on one page.
const NEIGHBOURS: usize = 40;
/// Sessions whose last message is remembered.
const MOST_REMEMBERED: usize = 1024;

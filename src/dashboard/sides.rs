//! Side by side: a message of the person's own, and what a mail client would see of it. Shortens both
//! to what fits on a page; the words are escaped by the template.

use super::House;
use super::trouble::Trouble;
use super::visitor::Visitor;
use super::words::{self, Moment};
use crate::mailbox::FolderId;
use crate::names::ViewId;
use crate::owner::lines::{self, Known, Line};
use crate::owner::preview::{Sides, sample};
use crate::owner::{OwnerError, Unlocked};
use crate::plan::sides::{ShownPart, Told};
use crate::policy::Policy;
use crate::vault::pages::Start;

/// One message, twice.
pub struct Pane {
    /// Its subject, for the heading.
    pub subject: String,
    /// Why there is nothing to see.
    pub problem: &'static str,
    /// The exception of the policy that holds for it.
    pub exception: Option<String>,
    /// Whether the view would leave it out.
    pub absent: bool,
    /// What the client would see, its header.
    pub headers: Vec<(String, String)>,
    /// And the rest.
    pub parts: Vec<Part>,
    /// The header of the original.
    pub fields: Vec<Field>,
    /// Its bodies.
    pub bodies: Vec<Field>,
}

/// What a client shows of a part.
pub struct Part {
    /// What it is, where it is no text.
    pub label: String,
    /// The header of an attached message.
    pub headers: Vec<(String, String)>,
    /// The start of its text.
    pub text: String,
}

/// An atom of the original.
pub struct Field {
    /// The field's name, or what a body is.
    pub name: String,
    /// The start of what it says.
    pub text: String,
    /// Whether the client would see it.
    pub shown: bool,
    /// In which form, or why not.
    pub why: String,
}

/// A message to choose for a preview.
pub struct Choice {
    /// Its number.
    pub uid: u32,
    /// Sender and subject, on one line.
    pub title: String,
    /// When it came.
    pub received: Moment,
}

/// The newest messages, to choose from.
pub async fn choices(house: &House, unlocked: &Unlocked, most: usize) -> Result<Vec<Choice>, Trouble> {
    let lines = lines::whole(&house.vault, unlocked, FolderId::INBOX, Start::Newest, most).await?;
    Ok(lines.into_iter().map(choice).collect())
}

fn choice(line: Line) -> Choice {
    let title = match line.shown {
        Known::Summary(summary) => {
            let subject = if summary.subject.is_empty() { "(no subject)" } else { &summary.subject };
            shorten(&format!("{}: {subject}", words::short_name(&summary.from)), 80, 1)
        }
        Known::Sealed | Known::Damaged => "This message is damaged".to_owned(),
    };
    Choice { uid: line.uid, title, received: Moment::new(line.received) }
}

/// Both sides of one message; it is revealed for it, which the audit log says first.
pub async fn pane(
    house: &House,
    visitor: &Visitor,
    uid: u32,
    policy: &Policy,
    view: ViewId,
) -> Result<Pane, Trouble> {
    let unlocked = visitor.unlocked(house)?;
    match sample(&house.vault, &unlocked, uid).await {
        Ok(sample) => {
            house.sessions.count_revealed(&unlocked, 1);
            Ok(laid_out(sample.under(&house.vault, policy, view)))
        }
        Err(OwnerError::CodeNeeded) => Ok(Pane::without(
            "Every message asks for a code of its own here. Open this one under Mail, then come back.",
        )),
        Err(OwnerError::Invalid { .. }) => Ok(Pane::without("It is too large for a preview.")),
        Err(OwnerError::Damaged(_)) => Ok(Pane::without("It is damaged, and does not open.")),
        Err(OwnerError::NotFound(_)) => Ok(Pane::without("It is no longer there.")),
        Err(error) => Err(error.into()),
    }
}

impl Pane {
    fn without(problem: &'static str) -> Self {
        Self {
            subject: "A message".to_owned(),
            problem,
            exception: None,
            absent: false,
            headers: Vec::new(),
            parts: Vec::new(),
            fields: Vec::new(),
            bodies: Vec::new(),
        }
    }
}

fn laid_out(sides: Sides) -> Pane {
    let (fields, bodies): (Vec<_>, Vec<_>) =
        sides.original.into_iter().filter(|told| told.kind != "glue").partition(|told| told.kind == "field");
    // MIME fields say how a message is built, which a view decides for itself.
    let fields: Vec<Field> =
        fields.into_iter().filter(|told| told.part == 0).map(field).filter(|field| !is_mime(field)).collect();
    let subject = fields.iter().find(|field| field.name.eq_ignore_ascii_case("subject"));
    let client = sides.client;
    Pane {
        subject: subject.map_or_else(|| "(no subject)".to_owned(), |field| field.text.clone()),
        problem: "",
        exception: sides.exception,
        absent: client.is_none(),
        headers: client.as_ref().map(|view| headers(&view.headers)).unwrap_or_default(),
        parts: client
            .map(|view| view.parts.into_iter().take(MOST_PARTS).map(part).collect())
            .unwrap_or_default(),
        fields: known_first(fields),
        bodies: bodies.into_iter().take(MOST_PARTS).map(body).collect(),
    }
}

/// What people look for stands first; the stamps of servers come after it.
fn known_first(fields: Vec<Field>) -> Vec<Field> {
    let known = |field: &Field| KNOWN.iter().position(|name| field.name.eq_ignore_ascii_case(name));
    let mut fields = fields;
    fields.sort_by_key(|field| known(field).unwrap_or(KNOWN.len()));
    fields.truncate(MOST_FIELDS);
    fields
}

fn is_mime(field: &Field) -> bool {
    let name = field.name.to_ascii_lowercase();
    name.starts_with("content-") || name == "mime-version"
}

fn headers(named: &[crate::plan::sides::Named]) -> Vec<(String, String)> {
    named
        .iter()
        .take(MOST_FIELDS)
        .map(|field| (field.name.clone(), shorten(&field.value, MOST_VALUE, 1)))
        .collect()
}

fn part(part: ShownPart) -> Part {
    let label = match (&part.file, &part.text) {
        (Some(name), _) => format!("{name}, {}, {}", part.media, words::size(part.octets as u64)),
        (None, None) if part.headers.is_empty() => {
            format!("{}, {}", part.media, words::size(part.octets as u64))
        }
        (None, None) => "An attached message".to_owned(),
        (None, Some(_)) => String::new(),
    };
    let text = shorten(part.text.as_deref().unwrap_or_default(), MOST_TEXT, MOST_LINES);
    Part { label, headers: headers(&part.headers), text }
}

fn field(told: Told) -> Field {
    let (name, text) = told.text.split_once(": ").unwrap_or((&told.text, ""));
    Field {
        name: shorten(name, MOST_VALUE, 1),
        text: shorten(text, MOST_VALUE, 1),
        shown: told.shown,
        why: told.why,
    }
}

/// `[text/plain] what it says`.
fn body(told: Told) -> Field {
    let split = told.text.strip_prefix('[').and_then(|text| text.split_once(']'));
    let (name, text) = split.unwrap_or(("", &told.text));
    Field {
        name: shorten(name, MOST_VALUE, 1),
        text: shorten(text.trim(), MOST_TEXT, MOST_LINES),
        shown: told.shown,
        why: told.why,
    }
}

/// The start of a text: at most so many characters and lines.
fn shorten(text: &str, characters: usize, lines: usize) -> String {
    let text = text.trim();
    let by_line = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let by_letter = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let end = by_letter.min(by_line);
    if end == text.len() { text.to_owned() } else { format!("{}\u{2026}", text[..end].trim_end()) }
}

/// What people look for in a header.
const KNOWN: &[&str] = &["From", "To", "Cc", "Date", "Subject", "Reply-To"];
const MOST_FIELDS: usize = 24;
const MOST_PARTS: usize = 12;
/// Characters of a field.
const MOST_VALUE: usize = 160;
/// Characters and lines of a text.
const MOST_TEXT: usize = 900;
const MOST_LINES: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_letters_end() {
        assert_eq!(shorten("abc", 3, 1), "abc");
        assert_eq!(shorten("äöü", 2, 1), "äö\u{2026}");
        assert_eq!(shorten("one\ntwo\nthree", 99, 2), "one\ntwo\u{2026}");
        assert_eq!(shorten("  \n", 5, 5), "");
    }

    #[test]
    fn what_people_look_for_stands_first() {
        let field = |name: &str| Field {
            name: name.to_owned(),
            text: String::new(),
            shown: false,
            why: String::new(),
        };
        let fields = known_first(["Received", "subject", "X-A", "FROM"].map(field).into());
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["FROM", "subject", "Received", "X-A"]);
    }
}

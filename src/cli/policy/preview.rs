//! `veilpost policy preview`: one message through one policy, as data and for the eye.

use std::io::Write;

use serde::Serialize;

use super::PreviewArgs;
use super::columns::{self, Column, Line};
use super::source::{self, Source};
use crate::cli::terminal::{Failed, Style, print, styled};
use crate::message::{Anatomy, AtomKind, Content, PartId, dissect, header, text};
use crate::plan::explain::{Fate, Form, Reason};
use crate::plan::trial::Trial;
use crate::policy::Aspect;

/// Both sides.
#[derive(Serialize)]
struct Preview {
    policy: String,
    /// The exception that holds; none where the base rules do.
    exception: Option<Exception>,
    /// What the client gets; none if the message is not in the view.
    view: Option<Shown>,
    /// The original, in order.
    atoms: Vec<Told>,
}

#[derive(Serialize)]
struct Exception {
    /// From 1, in the policy's order.
    number: usize,
    condition: String,
}

/// A message as a mail client shows it.
#[derive(Serialize)]
struct Shown {
    octets: usize,
    headers: Vec<Named>,
    parts: Vec<ShownPart>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct ShownPart {
    /// How many messages it lies in.
    nested: usize,
    media: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    octets: usize,
    /// What it says, if it is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The header of a message that begins here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Named>,
}

/// An atom of the original and its fate.
#[derive(Serialize)]
struct Told {
    part: PartId,
    kind: &'static str,
    octets: usize,
    text: String,
    shown: bool,
    why: String,
    #[serde(skip)]
    fate: Fate,
}

/// `veilpost policy preview`.
pub fn run(args: PreviewArgs, json: bool) -> Result<(), Failed> {
    let source = Source::find(&args.policy)?;
    let (policy, bytes) = (source.policy()?, source::message(&args.message)?);
    let trial = Trial::new(&policy, &bytes, &args.facts.told());
    if args.raw {
        let view =
            trial.view().ok_or_else(|| Failed::new("the message is not in the view, by the policy"))?;
        return Ok(std::io::stdout().lock().write_all(&view)?);
    }
    print(json, &preview(source.place, &bytes, &trial), draw)
}

fn preview(policy: String, bytes: &[u8], trial: &Trial<'_>) -> Preview {
    let exception = trial.exception();
    Preview {
        policy,
        exception: exception
            .map(|(index, when)| Exception { number: index + 1, condition: when.matcher.to_string() }),
        view: trial.view().map(|view| shown(&view)),
        atoms: told(bytes, trial.anatomy(), &trial.explain()),
    }
}

fn shown(view: &[u8]) -> Shown {
    let anatomy = dissect(view);
    let parts = (0..anatomy.parts().len()).filter_map(|part| shown_part(view, &anatomy, part)).collect();
    Shown { octets: view.len(), headers: headers(view, &anatomy, 0), parts }
}

/// A leaf, or the header of an attached message; multiparts are only their parts.
fn shown_part(view: &[u8], anatomy: &Anatomy, part: PartId) -> Option<ShownPart> {
    let own = anatomy.part(part);
    let nested = nesting(anatomy, part);
    let media = format!("{}/{}", own.media.kind, own.media.subtype);
    match own.content {
        Content::Message(inner) => {
            let headers = headers(view, anatomy, inner);
            Some(ShownPart { nested, media, file: own.file_name.clone(), octets: 0, text: None, headers })
        }
        Content::Multipart(_) => None,
        Content::Leaf(_) => {
            let octets = text::content(view, anatomy, part).map_or(0, |content| content.len());
            let text = readable(view, anatomy, part);
            Some(ShownPart { nested, media, file: own.file_name.clone(), octets, text, headers: Vec::new() })
        }
    }
}

fn nesting(anatomy: &Anatomy, part: PartId) -> usize {
    let around = std::iter::successors(anatomy.part(part).parent, |part| anatomy.part(*part).parent);
    around.filter(|part| matches!(anatomy.part(*part).content, Content::Message(_))).count()
}

/// The fields of a header, without those about MIME, decoded.
fn headers(bytes: &[u8], anatomy: &Anatomy, part: PartId) -> Vec<Named> {
    let fields = anatomy.fields(part).iter().map(|field| Named {
        name: String::from_utf8_lossy(&bytes[field.name.clone()]).into_owned(),
        value: decoded(&bytes[field.value.clone()]),
    });
    let is_mime = |name: &str| name.starts_with("content-") || name == "mime-version";
    fields.filter(|field| !is_mime(&field.name.to_ascii_lowercase())).collect()
}

/// A value decoded where that is beyond doubt, else as it stands, on one line.
fn decoded(value: &[u8]) -> String {
    let lossy = || String::from_utf8_lossy(value).split_whitespace().collect::<Vec<_>>().join(" ");
    header::text(value).unwrap_or_else(|_| lossy())
}

/// What a text part says, as a client shows it.
fn readable(bytes: &[u8], anatomy: &Anatomy, part: PartId) -> Option<String> {
    let media = &anatomy.part(part).media;
    if media.kind != "text" {
        return None;
    }
    let content = text::content(bytes, anatomy, part).ok()?;
    let text = text::text(anatomy, part, &content).ok()?;
    if media.subtype != "html" {
        return Some(text);
    }
    let limited = text.get(..MAX_HTML).unwrap_or(&text);
    html2text::config::plain().string_from_read(limited.as_bytes(), HTML_WIDTH).ok()
}

/// Every atom with what becomes of it; blank lines are left out, neighbouring glue is one.
fn told(bytes: &[u8], anatomy: &Anatomy, fates: &[Fate]) -> Vec<Told> {
    let atoms = anatomy.atoms().iter().zip(fates).filter(|(atom, _)| atom.kind != AtomKind::Blank);
    let told = atoms.map(|(atom, fate)| {
        let own = &bytes[atom.span.clone()];
        let (kind, text) = match atom.kind {
            AtomKind::Field => ("field", field(own)),
            AtomKind::Body => ("body", body(bytes, anatomy, atom.part)),
            AtomKind::Blank | AtomKind::Glue => ("glue", decoded(own)),
        };
        let (shown, why) = match fate {
            Fate::Shown(form) => (true, form.to_string()),
            Fate::Sealed(reason) => (false, reason.to_string()),
        };
        Told { part: atom.part, kind, octets: own.len(), text, shown, why, fate: *fate }
    });
    told.collect()
}

fn field(octets: &[u8]) -> String {
    match octets.iter().position(|octet| *octet == b':') {
        Some(colon) => {
            let (name, value) = octets.split_at(colon);
            format!("{}: {}", String::from_utf8_lossy(name), decoded(&value[1..]))
        }
        None => decoded(octets),
    }
}

/// The text of a body, or what it is.
fn body(bytes: &[u8], anatomy: &Anatomy, part: PartId) -> String {
    let own = anatomy.part(part);
    let what = format!("{}/{}", own.media.kind, own.media.subtype);
    let name = own.file_name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    match readable(bytes, anatomy, part).filter(|_| own.media.kind == "text") {
        Some(text) => format!("[{what}{name}] {}", text.trim()),
        None => format!("[{what}{name}]"),
    }
}

fn draw(preview: &Preview) -> String {
    let out = std::io::stdout();
    let rules = match &preview.exception {
        Some(Exception { number, condition }) => format!("exception {number}: mail {condition}"),
        None => "base rules".to_owned(),
    };
    let head = format!("{} {}, {rules}\n\n", styled("policy", Style::Dim, &out), preview.policy);
    let left = Column { title: "THE CLIENT SEES", lines: client_lines(preview.view.as_ref()) };
    let right = Column { title: "THE MESSAGE", lines: atom_lines(&preview.atoms) };
    head + &columns::draw(&left, &right, columns::terminal_width())
}

fn client_lines(view: Option<&Shown>) -> Vec<Line> {
    let Some(view) = view else {
        return vec![Line::new("Nothing: the message is not in the view.", Style::Dim)];
    };
    let mut lines = header_lines(&view.headers, 0);
    for part in &view.parts {
        lines.push(Line::plain(""));
        let label = match &part.file {
            Some(name) => format!("[file {name}, {}, {} octets]", part.media, part.octets),
            None if part.text.is_none() => format!("[{}, {} octets]", part.media, part.octets),
            None => format!("[{}]", part.media),
        };
        lines.push(Line::new(label, Style::Dim).indented(part.nested));
        lines.extend(header_lines(&part.headers, part.nested + 1));
        let text = part.text.as_deref().unwrap_or_default();
        lines.extend(text.trim_end().lines().map(|line| Line::plain(line).indented(part.nested)));
    }
    lines.push(Line::plain(""));
    lines.push(Line::new(format!("{} octets", view.octets), Style::Dim));
    lines
}

fn header_lines(headers: &[Named], nested: usize) -> Vec<Line> {
    headers
        .iter()
        .map(|field| Line::plain(format!("{}: {}", field.name, field.value)).indented(nested))
        .collect()
}

/// A line for each atom, cut to the width; a doubt has a line of its own where it first arises.
fn atom_lines(atoms: &[Told]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut doubt = "";
    for atom in atoms {
        let (verdict, style) = if atom.shown { ("shown", Style::Good) } else { ("sealed", Style::Bad) };
        let text = atom.text.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(Line::marked(verdict, style, cause(atom.fate), text));
        let is_doubt = matches!(atom.fate, Fate::Sealed(Reason::Anomaly(_) | Reason::Value(_)));
        if is_doubt && doubt != atom.why {
            doubt = &atom.why;
            lines.push(Line::new(doubt, Style::Dim).below_marks());
        }
    }
    lines
}

/// The fate in a word, as wide as the column has room for.
fn cause(fate: Fate) -> &'static str {
    match fate {
        Fate::Shown(Form::Original | Form::Anew) => "",
        Fate::Shown(Form::InTemplate(Aspect::Domain)) => "domain",
        Fate::Shown(Form::InTemplate(Aspect::Name)) => "name",
        Fate::Shown(Form::InTemplate(Aspect::Address)) => "address",
        Fate::Shown(Form::InTemplate(Aspect::Whole)) => "template",
        Fate::Shown(Form::Token) => "token",
        Fate::Shown(Form::Excerpt) => "excerpt",
        Fate::Shown(Form::Cleaned) => "cleaned",
        Fate::Shown(Form::AsText) => "as text",
        Fate::Shown(Form::File) => "file",
        Fate::Sealed(Reason::Policy) => "policy",
        Fate::Sealed(Reason::Structure) => "structure",
        Fate::Sealed(Reason::Anomaly(_) | Reason::Value(_)) => "in doubt",
    }
}

/// Octets of HTML that are laid out for the eye.
const MAX_HTML: usize = 1 << 20;
/// Characters of a line that HTML is laid out in; the column wraps it once more.
const HTML_WIDTH: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::trial::Circumstances;

    fn previewed(policy: &str, message: &[u8]) -> Preview {
        let source = Source::find(policy.as_ref()).unwrap();
        let policy = source.policy().unwrap();
        preview(source.place, message, &Trial::new(&policy, message, &Circumstances::default()))
    }

    const LETTER: &[u8] =
        include_bytes!("../../../policies/headers-only.cases/letter-from-opposing-counsel.eml");

    #[test]
    fn both_sides_are_told() {
        let preview = previewed("headers-only", LETTER);
        let view = preview.view.as_ref().unwrap();
        assert_eq!(view.headers[0].value, "\"Dr. Helga Brandt\" <h.brandt@brandt-partner.example>");
        assert!(view.parts[0].text.as_ref().unwrap().contains("sealed"));
        let find = |start: &str| preview.atoms.iter().find(|atom| atom.text.starts_with(start)).unwrap();
        assert!(find("Subject: Hartmann").shown);
        assert_eq!((find("Received:").shown, find("Received:").why.as_str()), (false, "policy"));
        assert!(find("[text/plain] Dear colleague").text.contains("Lindenstraße"));
        assert!(!find("[application/pdf Hartmann-defence-draft-3.pdf]").shown);
        let drawn = draw(&preview);
        assert!(drawn.contains("THE CLIENT SEES") && drawn.contains("sealed"), "{drawn}");
    }

    #[test]
    fn hostile_messages_cannot_drive_the_terminal() {
        let message =
            b"From: a@b.example\r\nSubject: \x1b[2J\x07\r\nno colon \xe2\x80\xae\r\n\r\n\x1b]0;x\x07\r\n";
        for policy in ["everything", "headers-only"] {
            let drawn = draw(&previewed(policy, message));
            let bad = |letter: char| letter.is_control() && letter != '\n';
            assert!(!drawn.contains(bad) && !drawn.contains('\u{202e}'), "{drawn:?}");
        }
    }

    #[test]
    fn a_preview_is_data_too() {
        let value = serde_json::to_value(previewed("calendar-only", LETTER)).unwrap();
        assert!(value["view"]["octets"].as_u64().unwrap() > 0);
        assert_eq!(value["atoms"][0]["kind"], "field");
    }
}

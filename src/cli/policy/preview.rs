//! `veilpost policy preview`: one message through one policy, as data and for the eye.

use std::io::Write;

use serde::Serialize;

use super::PreviewArgs;
use super::columns::{self, Column, Line};
use super::source::{self, Source};
use crate::cli::terminal::{Failed, Style, print, styled};
use crate::plan::explain::{Fate, Form, Reason};
use crate::plan::sides::{Named, Shown, Told, shown, told};
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

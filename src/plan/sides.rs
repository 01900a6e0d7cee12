//! Both sides of a policy for one message, as people read them: what a mail client makes of the view,
//! and every atom of the original with its fate.
//!
//! For previews only: nothing is sealed or served from here. Knows no terminal and no page; whoever
//! shows these texts must make them harmless there.

use serde::Serialize;

use super::explain::Fate;
use crate::message::{Anatomy, AtomKind, Content, PartId, dissect, header, text};

/// A message as a mail client shows it.
#[derive(Serialize)]
pub struct Shown {
    /// The octets of the view.
    pub octets: usize,
    /// The header fields that are not about MIME.
    pub headers: Vec<Named>,
    /// The leaves, and the headers of attached messages, in order.
    pub parts: Vec<ShownPart>,
}

/// A header field, decoded.
#[derive(Serialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its value, on one line.
    pub value: String,
}

/// A part of a message as a mail client shows it.
#[derive(Serialize)]
pub struct ShownPart {
    /// How many messages it lies in.
    pub nested: usize,
    /// Its media type.
    pub media: String,
    /// Its file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The octets of its content, decoded.
    pub octets: usize,
    /// What it says, if it is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The header of a message that begins here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Named>,
}

/// An atom of the original and its fate.
#[derive(Serialize)]
pub struct Told {
    /// The part it belongs to.
    pub part: PartId,
    /// `field`, `body` or `glue`.
    pub kind: &'static str,
    /// Its octets.
    pub octets: usize,
    /// What it says.
    pub text: String,
    /// Whether the view has it, in whatever form.
    pub shown: bool,
    /// The form, or why not.
    pub why: String,
    /// The same, for programs.
    #[serde(skip)]
    pub fate: Fate,
}

/// A view's octets, as a mail client shows them.
pub fn shown(view: &[u8]) -> Shown {
    let anatomy = dissect(view);
    let parts = (0..anatomy.parts().len()).filter_map(|part| shown_part(view, &anatomy, part)).collect();
    Shown { octets: view.len(), headers: headers(view, &anatomy, 0), parts }
}

/// Every atom of a message with what becomes of it; blank lines are left out.
pub fn told(bytes: &[u8], anatomy: &Anatomy, fates: &[Fate]) -> Vec<Told> {
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

/// Octets of HTML that are laid out for the eye.
const MAX_HTML: usize = 1 << 20;
/// Characters of a line that HTML is laid out in; whoever shows it wraps it once more.
const HTML_WIDTH: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::trial::{Circumstances, Trial};
    use crate::policy;

    #[test]
    fn both_sides_are_told() {
        let letter =
            include_bytes!("../../policies/headers-only.cases/letter-from-opposing-counsel.eml").as_slice();
        let text = policy::shipped().iter().find(|(name, _)| *name == "headers-only").expect("shipped").1;
        let policy = policy::parse(text, "headers-only").expect("it loads");
        let trial = Trial::new(&policy, letter, &Circumstances::default());
        let view = shown(&trial.view().expect("in the view"));
        assert!(view.headers.iter().any(|field| field.name == "Subject"));
        assert!(view.parts.iter().all(|part| !part.text.as_deref().unwrap_or_default().contains("Linden")));
        let atoms = told(letter, trial.anatomy(), &trial.explain());
        let body = atoms.iter().find(|atom| atom.text.starts_with("[text/plain]")).expect("a body");
        assert!(!body.shown && body.text.contains("Lindenstraße"));
    }
}

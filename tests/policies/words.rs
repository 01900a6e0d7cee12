//! Words that occur in a message only where a policy seals it, and the words of a view.

use std::collections::BTreeSet;

use veilpost::message::{Anatomy, Atom, AtomKind, dissect, header, text};
use veilpost::plan::explain::{Fate, Form};
use veilpost::plan::trial::Trial;
use veilpost::policy::Aspect;

/// Lower-case words of letters and digits.
pub type Words = BTreeSet<String>;

/// The words that only occur in sealed atoms, and would not stand in any view by themselves.
pub fn sealed(bytes: &[u8], trial: &Trial<'_>) -> Words {
    let (mut shown, mut sealed) = (Words::new(), Words::new());
    let anatomy = trial.anatomy();
    for (atom, fate) in anatomy.atoms().iter().zip(trial.explain()) {
        let words = of_atom(bytes, anatomy, atom);
        match fate {
            // A domain is shown by itself; the name before it is not.
            Fate::Shown(Form::InTemplate(Aspect::Domain)) => {
                let domains = domains(bytes, atom);
                sealed.extend(words.difference(&domains).cloned());
                shown.extend(domains);
            }
            Fate::Shown(Form::Token) | Fate::Sealed(_) => sealed.extend(words),
            Fate::Shown(_) => {
                shown.extend(words);
                // The file names of shown parts are shown, and HTML beyond its character references.
                shown.extend(of_text(&String::from_utf8_lossy(&bytes[atom.span.clone()])));
                shown.extend(of_html(bytes, anatomy, atom));
            }
        }
    }
    let own = of_view(OWN_WORDS.as_bytes());
    sealed.retain(|word| !shown.contains(word) && !own.contains(word));
    sealed
}

/// The words of a view: its header and part headers raw and decoded, its bodies decoded.
pub fn of_view(view: &[u8]) -> Words {
    let anatomy = dissect(view);
    let mut words = Words::new();
    for atom in anatomy.atoms() {
        words.extend(of_atom(view, &anatomy, atom));
        if atom.kind != AtomKind::Body {
            words.extend(of_text(&String::from_utf8_lossy(&view[atom.span.clone()])));
        }
    }
    words
}

/// The words of an atom as it stands and decoded; of a body that can be decoded only so, for
/// encodings make words of their own. MIME fields have a vocabulary of their own, which
/// every view uses too; what is particular in them, boundaries, stands in the glue as well.
fn of_atom(bytes: &[u8], anatomy: &Anatomy, atom: &Atom) -> Words {
    let octets = &bytes[atom.span.clone()];
    let mut words = Words::new();
    match atom.kind {
        AtomKind::Field => {
            let (name, value) = octets.split_at(octets.iter().position(|octet| *octet == b':').unwrap_or(0));
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if !name.starts_with("content-") && name != "mime-version" {
                words.extend(of_text(&String::from_utf8_lossy(value)));
                words.extend(of_text(&header::text(value.get(1..).unwrap_or_default()).unwrap_or_default()));
            }
        }
        AtomKind::Body => match text::content(bytes, anatomy, atom.part) {
            Ok(content) => {
                words.extend(of_text(&String::from_utf8_lossy(&content)));
                words.extend(of_text(&text::text(anatomy, atom.part, &content).unwrap_or_default()));
            }
            Err(_) => words.extend(of_text(&String::from_utf8_lossy(octets))),
        },
        AtomKind::Blank | AtomKind::Glue => words.extend(of_text(&String::from_utf8_lossy(octets))),
    }
    words
}

fn of_html(bytes: &[u8], anatomy: &Anatomy, atom: &Atom) -> Words {
    let content = text::content(bytes, anatomy, atom.part).ok();
    let text = content.and_then(|content| text::text(anatomy, atom.part, &content).ok());
    let html =
        text.filter(|_| atom.kind == AtomKind::Body && anatomy.part(atom.part).media.is("text", "html"));
    let plain = html.and_then(|html| html2text::config::plain().string_from_read(html.as_bytes(), LINE).ok());
    of_text(&plain.unwrap_or_default())
}

fn domains(bytes: &[u8], atom: &Atom) -> Words {
    let text = String::from_utf8_lossy(&bytes[atom.span.clone()]).into_owned();
    text.split('@')
        .skip(1)
        .flat_map(|rest| of_text(rest.split(['>', ',', ' ']).next().unwrap_or_default()))
        .collect()
}

fn of_text(text: &str) -> Words {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| word.chars().count() >= SHORTEST).map(str::to_lowercase).collect()
}

/// Characters of a line; long enough that no word is cut.
const LINE: usize = 10_000;
/// Shorter words stand in many places by accident.
const SHORTEST: usize = 5;
/// The words of views themselves: fields, placeholders and made-up subjects of the shipped policies.
const OWN_WORDS: &str = "From: \"Sealed sender\" <sealed@vault.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=alternative related text/plain text/html calendar charset method\r\n\
    Content-Transfer-Encoding: quoted-printable base64 Content-Disposition: attachment inline filename\r\n\
    Message-ID: Subject: Reply-To: In-Reply-To: References: Sender: List-Id: List-Unsubscribe: Date:\r\n\r\n\
    The text of this message is sealed. Unlock the vault to read it. https://vault.example/m/aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\
    What is not shown here is sealed. Sealed attachments: blue heron\r\n\
    This message is from a machine. It is sealed, because such mail often holds codes and links.\r\n\
    Spam, sealed. Sealed: not proven to come from its sender. Sealed message from. Message from\r\n\
    sign-in link, card number, account number, one-time code, case number\r\n";

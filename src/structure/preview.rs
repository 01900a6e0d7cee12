//! The preview of a message (RFC 8970 §3): the beginning of its text, as plain text on one line.

use mail_parser::decoders::html::html_to_text;

use super::charset;
use super::model::Part;
use super::section::slice;

/// The preview of a view with these parts; empty if it has no text.
pub(super) fn of(octets: &[u8], parts: &[Part<'_>]) -> String {
    let texts = own(parts).filter(|part| part.is("text", "plain") || part.is("text", "html"));
    let shown = texts.filter(|part| part.disposition.as_ref().is_none_or(|own| !own.kind.is("attachment")));
    let mut previews = shown.map(|part| preview(part, slice(octets, part.body())));
    previews.find(|preview| !preview.is_empty()).unwrap_or_default()
}

/// The parts of the message itself, without those of messages inside.
fn own<'p, 'b>(parts: &'p [Part<'b>]) -> impl Iterator<Item = &'p Part<'b>> {
    let mut inside = None;
    parts.iter().filter(move |part| {
        inside = inside.filter(|level| part.level > *level);
        if inside.is_none() && part.envelope.is_some() {
            inside = Some(part.level);
        }
        inside.is_none()
    })
}

fn preview(part: &Part<'_>, body: &[u8]) -> String {
    let html = part.subtype.is("html");
    let most = if html { MAX_HTML } else { MAX_PLAIN };
    let cut = body.len() > most;
    let text = charset::text(part, &body[..body.len().min(most)]);
    // A letter that was cut in two is no letter.
    let text = if cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
    if html { on_one_line(&html_to_text(text)) } else { on_one_line(text) }
}

/// White space collapsed; what has no width of its own, as fills the preview lines of newsletters, left out.
fn on_one_line(text: &str) -> String {
    let mut line = String::new();
    let mut letters = 0;
    let mut blank = false;
    for letter in text.chars() {
        if letter.is_whitespace() {
            blank = letters > 0;
            continue;
        }
        if letter.is_control() || is_invisible(letter) {
            continue;
        }
        let wanted = if blank { 2 } else { 1 };
        if letters + wanted > MAX_LETTERS {
            break;
        }
        if std::mem::take(&mut blank) {
            line.push(' ');
        }
        line.push(letter);
        letters += wanted;
    }
    line
}

/// Joiners, fillers, marks of direction.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// RFC 8970 §3.2.
const MAX_LETTERS: usize = 200;
/// Octets of a text that are looked at.
const MAX_PLAIN: usize = 4 * 1024;
/// Octets of an HTML text that are looked at: its head comes first.
const MAX_HTML: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_are_one_line() {
        for (text, expected) in [
            ("one\r\n\r\n two\t three", "one two three"),
            (" \u{200c}\u{a0}\u{200c}\u{a0} hello", "hello"),
            ("a\0\u{7}b\u{202e}c", "abc"),
            ("", ""),
        ] {
            assert_eq!(on_one_line(text), expected, "{text:?}");
        }
        let long = on_one_line(&"ä ".repeat(300));
        assert_eq!(long.chars().count(), 199);
        assert_eq!(on_one_line(&"x".repeat(300)).len(), 200);
    }
}

//! The text of HTML, for searching: what people read, on one line. Tags inside a word part nothing, those of
//! blocks are a blank; entities are their characters; scripts, styles and comments are not there.
//!
//! Tolerant, in one pass. It shows nothing to anybody, so nothing hangs on how doubtful markup is read.

use encoding_rs::WINDOWS_1252;
use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memmem};

/// The text of a document.
pub(super) fn text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        put(&mut out, &rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('<') { markup(&mut out, rest) } else { entity(&mut out, rest) };
    }
    put(&mut out, rest);
    out
}

/// Puts text, each run of white space as one blank.
fn put(out: &mut String, text: &str) {
    let mut words = text.split_ascii_whitespace();
    if text.starts_with(|letter: char| letter.is_ascii_whitespace()) {
        put_blank(out);
    }
    out.push_str(words.next().unwrap_or_default());
    words.for_each(|word| {
        put_blank(out);
        out.push_str(word);
    });
    if text.ends_with(|letter: char| letter.is_ascii_whitespace()) {
        put_blank(out);
    }
}

fn put_blank(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// What begins with `<`; what follows it.
fn markup<'h>(out: &mut String, html: &'h str) -> &'h str {
    if html.starts_with("<!--") {
        return behind(html, "-->");
    }
    if html.starts_with("<!") || html.starts_with("<?") {
        return behind(html, ">");
    }
    let name = html[1..].strip_prefix('/').unwrap_or(&html[1..]);
    let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        out.push('<');
        return &html[1..];
    }
    let (name, closes) = (&name[..length], html.starts_with("</"));
    let rest = behind_tag(html);
    if !closes && RAW.iter().any(|raw| raw.eq_ignore_ascii_case(name)) {
        return behind_raw(rest, name);
    }
    if !INLINE.iter().any(|inline| inline.eq_ignore_ascii_case(name)) {
        put_blank(out);
    }
    rest
}

/// What follows the first `end`; nothing if there is none.
fn behind<'h>(html: &'h str, end: &str) -> &'h str {
    memmem::find(html.as_bytes(), end.as_bytes()).map_or("", |at| &html[at + end.len()..])
}

/// What follows a tag: its `>` that stands in no quotes.
fn behind_tag(html: &str) -> &str {
    let mut at = 1;
    while let Some(octet) = html.as_bytes().get(at) {
        at += match octet {
            b'>' => return &html[at + 1..],
            // Quotes count as values alone: an apostrophe in a word is one.
            b'"' | b'\'' if html[..at].trim_end().ends_with('=') => {
                memchr(*octet, &html.as_bytes()[at + 1..]).map_or(1, |length| length + 2)
            }
            _ => 1,
        };
        // Behind multi-octet letters, too, it is a boundary that is looked at: they hold no such octets.
        while !html.is_char_boundary(at) {
            at += 1;
        }
    }
    ""
}

/// What follows the end tag of an element whose content is no text.
fn behind_raw<'h>(html: &'h str, name: &str) -> &'h str {
    let mut rest = html;
    while let Some(at) = memmem::find(rest.as_bytes(), b"</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|other| other.eq_ignore_ascii_case(name)) {
            return behind(rest, ">");
        }
    }
    ""
}

/// What begins with `&`; what follows it.
fn entity<'h>(out: &mut String, html: &'h str) -> &'h str {
    if let Some(number) = html.strip_prefix("&#") {
        return numeric(out, number).unwrap_or_else(|| literally(out, html));
    }
    let length = html[1..].bytes().take_while(u8::is_ascii_alphanumeric).count() + 1;
    if (2..=MAX_ENTITY).contains(&length) && html[length..].starts_with(';') {
        // One that is not known stays as it is.
        add_html_token(out, &html.as_bytes()[..=length], false);
        return &html[length + 1..];
    }
    literally(out, html)
}

fn literally<'h>(out: &mut String, html: &'h str) -> &'h str {
    out.push('&');
    &html[1..]
}

/// `252;` or `xfc;`, also without its semicolon, as browsers take it. Numbers of C1 controls are meant as
/// Windows-1252 has them.
fn numeric<'h>(out: &mut String, number: &'h str) -> Option<&'h str> {
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let length = digits.find(|letter: char| !letter.is_digit(radix)).unwrap_or(digits.len());
    let code = u32::from_str_radix(&digits[..length], radix).ok()?;
    match u8::try_from(code) {
        Ok(code @ 0x80..=0x9f) => out.push_str(&WINDOWS_1252.decode_without_bom_handling(&[code]).0),
        _ => out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
    }
    let rest = &digits[length..];
    Some(rest.strip_prefix(';').unwrap_or(rest))
}

/// Elements whose content is no text.
const RAW: [&str; 2] = ["script", "style"];
/// Elements that stand in words.
const INLINE: [&str; 27] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "u", "wbr",
];
/// Octets of the longest entity with a name, and some more.
const MAX_ENTITY: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_whole() {
        for (html, expected) in [
            (
                "<p>Grüße aus M&uuml;nchen, <b>He</b>llo, it&#39;s me</p>",
                "Grüße aus München, Hello, it's me ",
            ),
            ("a<span class='x>y' title=\"<b>\">b</span>c", "abc"),
            ("a<br>b<td>c</td><td>d", "a b c d"),
            ("one\r\n\t two<wbr>three", "one twothree"),
            ("a<!-- x > y -->b<style>p { color: red }</style>c<SCRIPT>if (a < b)</SCRIPT >d", "abcd"),
            ("<!DOCTYPE html><html><body>x", "x"),
            ("a < b &amp; c &unknown; &#xfc; &#252x &#146; &", "a < b & c &unknown; ü üx ’ &"),
            ("never <b ends", "never "),
            ("<script>never ends", ""),
            ("<a href=it's>x</a> y's", "x y's"),
        ] {
            let found = text(html);
            let collapse = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(collapse(&found), collapse(expected), "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_some_document(html in "([<>&;#/!'\"= a-zé]|<b>|<!--|&uuml;|</script>){0,40}") {
            let _ = text(&html);
        }
    }
}

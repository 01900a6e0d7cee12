//! The text of HTML, for the index: what stands between tags, without what browsers do not show as
//! text. For searching only; nothing that is shown as HTML passes here. Pure, and linear in time.

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr_iter, memmem};

/// The text of `html`; elements that stand apart are kept apart.
pub(super) fn text(html: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(html.len() / 2), html);
    let mut quotes = Quotes::Count;
    while let Some(at) = memchr(b'<', rest.as_bytes()) {
        decode(&rest[..at], &mut text);
        rest = markup(&rest[at..], &mut quotes, &mut text);
    }
    decode(rest, &mut text);
    text
}

/// Whether a `>` within quotes ends a tag.
enum Quotes {
    /// It does not.
    Count,
    /// It does: a quote was never closed. From there on, or looking for its end for every tag would
    /// take time without end.
    Stray,
}

/// Passes one piece of markup, with its content where that is no text, and gives what follows.
fn markup<'a>(html: &'a str, quotes: &mut Quotes, text: &mut String) -> &'a str {
    if let Some(comment) = html.strip_prefix("<!--") {
        return after(comment, "-->");
    }
    let inner = html[1..].strip_prefix('/').unwrap_or(&html[1..]);
    let name = &inner[..inner.bytes().take_while(u8::is_ascii_alphanumeric).count()];
    if name.is_empty() && !inner.starts_with(['!', '?']) && inner.len() == html.len() - 1 {
        // A "<" that begins no tag is text.
        text.push('<');
        return &html[1..];
    }
    if !INLINE.iter().any(|inline| name.eq_ignore_ascii_case(inline)) {
        text.push('\n');
    }
    let rest = tag_end(html, quotes);
    let hides =
        inner.len() == html.len() - 1 && HIDDEN.iter().any(|hidden| name.eq_ignore_ascii_case(hidden));
    if hides { end_of_element(rest, name) } else { rest }
}

/// What follows the tag that `html` begins with.
fn tag_end<'a>(html: &'a str, quotes: &mut Quotes) -> &'a str {
    if let Quotes::Stray = quotes {
        return after(html, ">");
    }
    let mut open = None;
    for (at, byte) in html.bytes().enumerate() {
        match (byte, open) {
            (b'>', None) => return &html[at + 1..],
            (b'"' | b'\'', None) if html.as_bytes()[at - 1] == b'=' => open = Some(byte),
            (_, Some(quote)) if byte == quote => open = None,
            _ => {}
        }
    }
    *quotes = Quotes::Stray;
    after(html, ">")
}

/// What follows the end tag of the element `name`, or nothing.
fn end_of_element<'a>(html: &'a str, name: &str) -> &'a str {
    let ends = |at: &usize| {
        let tag = html.as_bytes().get(at + 2..at + 2 + name.len());
        html[*at..].starts_with("</") && tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
    };
    let end = memchr_iter(b'<', html.as_bytes()).find(ends);
    end.map_or("", |at| after(&html[at..], ">"))
}

fn after<'a>(html: &'a str, end: &str) -> &'a str {
    memmem::find(html.as_bytes(), end.as_bytes()).map_or("", |at| &html[at + end.len()..])
}

/// Adds text with its character references decoded.
fn decode(html: &str, text: &mut String) {
    let mut rest = html;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length =
            rest.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';').map_or(1, |at| at + 1);
        add_html_token(text, &rest.as_bytes()[..length], false);
        rest = &rest[length..];
    }
    text.push_str(rest);
}

/// Elements whose content is no text of the page. The title is: mail clients do not show it, but
/// people who look for it mean this message.
const HIDDEN: [&str; 4] = ["style", "script", "template", "noscript"];
/// Elements that do not end a word.
const INLINE: [&str; 14] =
    ["a", "b", "i", "u", "s", "em", "strong", "span", "font", "small", "sub", "sup", "wbr", "mark"];
/// Octets of the longest name of a character (`&CounterClockwiseContourIntegral;`) with its signs.
const LONGEST_REFERENCE: usize = 34;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(html: &str) -> String {
        text(html).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn text_is_what_people_read() {
        for (html, expected) in [
            ("<p>Dear <b>An</b>na,</p><p>hello</p>", "Dear Anna, hello"),
            ("<table><tr><td>one</td><td>two</td></tr></table>", "one two"),
            ("a<br>b<br/>c", "a b c"),
            ("<style>p { color: red }</style>x<SCRIPT>var a = '<p>'</Script >y", "x y"),
            ("<!-- <p>hidden</p> -->shown", "shown"),
            ("<a href='x' title=\"a > b\">link</a>", "link"),
            ("Gr&uuml;&szlig;e &amp; K&#xfc;sse &#8212; &nosuch; & more", "Grüße & Küsse — &nosuch; & more"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("<!DOCTYPE html><html><head><title>T</title></head><body>x</body>", "T x"),
            ("never <closed", "never"),
            ("<style>never closed", ""),
        ] {
            assert_eq!(words(html), expected, "{html}");
        }
    }

    #[test]
    fn hostile_html_takes_linear_time() {
        for piece in ["<style>", "<", "<a \"", "&", "<!--", "<a b=\"", "</", "<a b=\">\" "] {
            text(&piece.repeat(300_000));
        }
    }

    proptest! {
        #[test]
        fn any_text_passes(html in "(<[a-z/!-]{0,6}|[&;\"'>=]|\\PC){0,80}") {
            text(&html);
        }
    }
}

//! HTML made harmless: no scripts, no forms, no remote content, no identifiers; and HTML as text.
//!
//! Cleaning is ammonia's; what it keeps is a list of our own. Images show only if they are parts of
//! the view (`cid:`). Limits on size and nesting come first, so that no tree is built that deep.

use crate::policy::Redactor;
use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The HTML with only harmless elements and attributes. `content_ids` maps the Content-IDs of shown
/// parts to their new ones.
pub(super) fn sanitized(html: &str, content_ids: &BTreeMap<String, String>) -> String {
    if is_excessive(html) {
        return String::new();
    }
    let ids = Arc::new(content_ids.clone());
    let mut builder = Builder::default();
    builder
        .rm_tags(["map", "area"])
        .rm_clean_content_tags(["script", "style"])
        .clean_content_tags(DROPPED.into_iter().collect())
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid"]))
        .url_relative(UrlRelative::Deny)
        .generic_attributes(HashSet::from(["dir", "lang"]))
        .attribute_filter(move |element, attribute, value| filter(&ids, element, attribute, value));
    let clean = builder.clean(html).to_string();
    let pieces = split(&clean).map(|piece| alternative(piece).map_or(piece.into(), Cow::Owned));
    pieces.collect::<String>().trim().to_owned()
}

/// What stands for an image without a source: its alternative text, if it has one.
fn alternative(tag: &str) -> Option<String> {
    let attributes = tag.strip_prefix("<img").filter(|rest| rest.starts_with([' ', '>']))?;
    if attributes.contains(" src=\"") {
        return None;
    }
    let text = attributes.split_once(" alt=\"").and_then(|(_, rest)| rest.split_once('"'));
    Some(text.map(|(text, _)| escape(&unescape(text))).unwrap_or_default())
}

/// The text of the HTML, lines of at most 76 characters. `None` if it is beyond the limits.
pub(super) fn as_text(html: &str) -> Option<String> {
    if is_excessive(html) {
        return None;
    }
    let clean = sanitized(html, &BTreeMap::new());
    let config = html2text::config::plain_no_decorate().no_table_borders().allow_width_overflow();
    let text = config.string_from_read(clean.as_bytes(), TEXT_WIDTH).ok()?;
    Some(super::body::cleaned(&text))
}

/// Cleaned HTML with every redactor applied to its texts and attributes. `None` if a redactor still
/// finds something in the text as a whole: a secret lies across tags.
pub(super) fn redacted(clean: &str, redactors: &[Redactor]) -> Option<String> {
    if redactors.is_empty() {
        return Some(clean.to_owned());
    }
    let apply = |text: &str| redactors.iter().fold(text.to_owned(), |text, redactor| redactor.apply(&text));
    let mut out = String::new();
    let (mut joined, mut spaced) = (String::new(), String::new());
    for piece in split(clean) {
        if piece.starts_with('<') {
            let attributes = unescape(&without_ids(piece));
            // A secret in one attribute takes all of them along.
            out.push_str(&if apply(&attributes) == attributes { piece.into() } else { bare(piece) });
            spaced.push(' ');
        } else {
            let text = apply(&unescape(piece));
            joined.push_str(&text);
            spaced.push_str(&text);
            out.push_str(&escape(&text));
        }
    }
    (apply(&joined) == joined && apply(&spaced) == spaced).then_some(out)
}

/// Links may point outside; everything a client would fetch by itself may not.
fn filter<'u>(
    ids: &BTreeMap<String, String>,
    element: &str,
    attribute: &str,
    value: &'u str,
) -> Option<Cow<'u, str>> {
    let id = value.strip_prefix("cid:");
    match (element, attribute) {
        ("img", "src") => ids.get(id?).map(|new| format!("cid:{new}").into()),
        _ if id.is_some() => None,
        ("a", "href") => Some(value.into()),
        (_, "src" | "cite" | "background" | "href") => None,
        _ => Some(value.into()),
    }
}

/// Tags and the texts between them, of ammonia's own output: `<` and `>` stand only around tags and
/// inside quoted attributes.
fn split(clean: &str) -> impl Iterator<Item = &str> {
    let mut rest = clean;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if rest.starts_with('<') { tag_end(rest) } else { rest.find('<').unwrap_or(rest.len()) };
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (at, letter) in tag.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '>' if !quoted => return at + 1,
            _ => {}
        }
    }
    tag.len()
}

/// A tag without attributes, so that its end tag still has a beginning; nothing of an image.
fn bare(tag: &str) -> String {
    let name: String = tag.chars().skip(1).take_while(char::is_ascii_alphanumeric).collect();
    if name.is_empty() || name == "img" { String::new() } else { format!("<{name}>") }
}

/// A tag without the Content-IDs that we wrote ourselves.
fn without_ids(tag: &str) -> String {
    match tag.split_once("src=\"cid:") {
        Some((before, rest)) => format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after)),
        None => tag.to_owned(),
    }
}

/// The references that a serialiser of HTML writes (WHATWG HTML §13.3).
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('\u{a0}', "&nbsp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Whether building a tree of it would cost too much.
fn is_excessive(html: &str) -> bool {
    html.len() > MAX_HTML || memchr::memchr_iter(b'<', html.as_bytes()).count() > MAX_TAGS || is_deep(html)
}

/// Whether more elements are open at once than [`MAX_OPEN`]. An estimate: parsing takes quadratic
/// time in it. Elements that close themselves or each other are not counted.
fn is_deep(html: &str) -> bool {
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let mut depth = 0;
    for start in memchr::memchr_iter(b'<', html.as_bytes()) {
        let tag = &html[start + 1..];
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let end = tag.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = tag[..end.min(MAX_TAG_NAME)].to_ascii_lowercase();
        if name.is_empty() || SHALLOW.contains(&name.as_str()) {
            continue;
        }
        let count = open.entry(name).or_default();
        match closes {
            false => (*count, depth) = (*count + 1, depth + 1),
            true if *count > 0 => (*count, depth) = (*count - 1, depth - 1),
            true => {}
        }
        if depth > MAX_OPEN {
            return true;
        }
    }
    false
}

/// Elements whose content goes with them.
const DROPPED: [&str; 12] = [
    "script", "style", "title", "noscript", "template", "svg", "math", "iframe", "object", "textarea",
    "select", "noembed",
];
/// Void elements, and those that the next of their kind closes (WHATWG HTML §13.1.2).
const SHALLOW: [&str; 17] = [
    "br", "img", "hr", "wbr", "col", "input", "meta", "link", "p", "li", "td", "th", "tr", "tbody", "dt",
    "dd", "option",
];
/// Elements open at once in an HTML part that is shown.
const MAX_OPEN: usize = 256;
/// Letters of a tag's name that are looked at.
const MAX_TAG_NAME: usize = 16;
/// Octets of an HTML part that is shown.
const MAX_HTML: usize = 2 << 20;
/// Tags of an HTML part that is shown.
const MAX_TAGS: usize = 20_000;
/// Characters of a line of text.
const TEXT_WIDTH: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::redact::Builtin;

    fn clean(html: &str) -> String {
        sanitized(html, &BTreeMap::from([("a@b".to_owned(), "new@c".to_owned())]))
    }

    #[test]
    fn only_harmless_html_stays() {
        for (html, expected) in [
            ("<p onclick=x id=y class=z style=a>hi</p>", "<p>hi</p>"),
            ("<script>x</script><style>y</style><title>t</title>z", "z"),
            ("<img src=\"https://t.example/p.gif\" alt=x>", "x"),
            ("<img alt=\"a <b> & c\" width=1>", "a &lt;b&gt; &amp; c"),
            ("<img src=\"cid:a@b\">", "<img src=\"cid:new@c\">"),
            ("<img src=\"cid:other\">", ""),
            ("<form action=x><input name=y>text</form>", "text"),
            ("<a href=\"javascript:x\">l</a>", "<a rel=\"noopener noreferrer\">l</a>"),
            ("<blockquote cite=\"http://x.example\">q</blockquote>", "<blockquote>q</blockquote>"),
            ("<!-- secret -->a", "a"),
            ("<link rel=stylesheet href=x><meta http-equiv=refresh content=0>a", "a"),
            ("<svg><script>x</script></svg>b", "b"),
        ] {
            assert_eq!(clean(html), expected, "{html}");
        }
    }

    #[test]
    fn secrets_across_tags_are_not_shown_as_html() {
        let cards = [Redactor::builtin(Builtin::Cards)];
        let whole = redacted("<p>card 4111 1111 1111 1111 ok</p>", &cards).unwrap();
        assert!(!whole.contains("4111") && whole.starts_with("<p>card "), "{whole}");
        assert_eq!(redacted("<p>4111 1111 <b>1111</b> 1111</p>", &cards), None);
        assert_eq!(redacted("<p>a &lt; b</p>", &cards).as_deref(), Some("<p>a &lt; b</p>"));
        let links = [Redactor::builtin(Builtin::Addresses)];
        assert_eq!(redacted("<a href=\"mailto:a@b.example\">x</a>", &links).as_deref(), Some("<a>x</a>"));
        let image = "<img src=\"cid:new@c.example\">";
        assert_eq!(redacted(image, &links).as_deref(), Some(image));
    }

    #[test]
    fn html_becomes_text() {
        let text =
            as_text("<html><head><title>t</title></head><body><p>One</p><p>Two <b>b</b></p></body></html>");
        assert_eq!(text.unwrap().trim(), "One\n\nTwo b");
    }

    #[test]
    fn deep_nesting_is_refused_and_the_allowed_depth_survived() {
        for (tag, elements) in
            [("<div>", 1), ("<b>", 1), ("<blockquote>", 1), ("<table><tr><td>", 1), ("<ul><li>", 1)]
        {
            assert!(as_text(&format!("{}x", tag.repeat(MAX_OPEN / elements))).is_some(), "{tag}");
            assert_eq!(as_text(&tag.repeat(MAX_OPEN + 1)), None, "{tag}");
        }
        assert_eq!(sanitized(&"<b></x>".repeat(MAX_OPEN + 1), &BTreeMap::new()), "");
        assert!(as_text(&"<p>x<br><div>y</div>".repeat(1000)).is_some());
    }
}

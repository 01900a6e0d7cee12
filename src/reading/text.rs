//! Plain text as a web page shows it: in a fixed pitch with every blank where it stood, quotes by their
//! depth, links, a signature.
//!
//! Escape first: everything that comes from the text passes [`escaped`], and the tags around it are
//! constants. RFC 3676 (format=flowed) says how lines are joined; RFC 3676 §4.3 what a signature is.

use super::allowed::link;
use std::fmt::Write;

/// The text as HTML for the body of a page.
pub fn text_to_html(text: &str) -> String {
    let mut page = Page::default();
    for line in text.lines() {
        page.line(line.trim_end_matches('\r'));
    }
    page.finish()
}

/// Text for HTML, between tags and inside quoted attributes; characters that would turn the reading
/// direction of what follows, and other controls, are replaced.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(letter),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// Joins the lines of a flowed text to paragraphs (RFC 3676 §4). `delete_space` is DelSp.
pub(super) fn unflowed(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let (depth, content) = quoted_exactly(line);
        let goes_on = open == Some(depth) && content != SIGNATURE;
        if !goes_on {
            if open.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            // A stuffed line that begins like a quote keeps a blank, so that it is not taken for one.
            if !content.is_empty() && (depth > 0 || content.starts_with('>')) {
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && content != SIGNATURE;
        out.push_str(if flows && delete_space { &content[..content.len() - 1] } else { content });
        if !flows {
            out.push('\n');
        }
        open = flows.then_some(depth);
    }
    out
}

/// How deep a flowed line is quoted, and its content without the stuffing (RFC 3676 §4.4, §4.5).
fn quoted_exactly(line: &str) -> (usize, &str) {
    let content = line.trim_start_matches('>');
    (line.len() - content.len(), content.strip_prefix(' ').unwrap_or(content))
}

/// How deep a line is quoted, by `>` with blanks between, and what is quoted.
fn quoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    while let Some(inner) = rest.strip_prefix('>') {
        depth += 1;
        rest = inner;
        // One blank belongs to the mark; `> >` is a quote in a quote.
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    (depth.min(MAX_QUOTES), rest)
}

/// HTML in the making: what is open is closed in order.
#[derive(Default)]
struct Page {
    out: String,
    depth: usize,
    in_block: bool,
    in_signature: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        if line == SIGNATURE && !self.in_signature {
            self.quote(0);
            self.end_block();
            self.out.push_str("<div class=\"signature\">");
            self.in_signature = true;
        }
        let (depth, content) = quoted(line);
        self.quote(depth);
        // A line end right behind the tag is none of the text (WHATWG HTML §13.1.2.5).
        self.out.push_str(if self.in_block { "\n" } else { "<pre dir=\"auto\">\n" });
        self.in_block = true;
        linked(&mut self.out, content);
    }

    fn quote(&mut self, depth: usize) {
        if depth == self.depth {
            return;
        }
        self.end_block();
        for _ in self.depth..depth {
            self.out.push_str("<blockquote>");
        }
        for _ in depth..self.depth {
            self.out.push_str("</blockquote>\n");
        }
        self.depth = depth;
    }

    fn end_block(&mut self) {
        if std::mem::take(&mut self.in_block) {
            self.out.push_str("</pre>\n");
        }
    }

    fn finish(mut self) -> String {
        self.quote(0);
        self.end_block();
        if self.in_signature {
            self.out.push_str("</div>\n");
        }
        self.out
    }
}

/// A line, its addresses made into links.
fn linked(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some(start) = next_link(rest) {
        let (before, from) = rest.split_at(start);
        out.push_str(&escaped(before));
        let written = &from[..link_length(from)];
        match link(written).filter(|_| written.len() > MIN_LINK) {
            Some(address) => {
                let (address, written) = (escaped(&address), escaped(written));
                // Writing to a String cannot fail.
                let _ = write!(out, "<a href=\"{address}\" {LINK}>{written}</a>");
            }
            None => out.push_str(&escaped(written)),
        }
        rest = &from[written.len()..];
    }
    out.push_str(&escaped(rest));
}

/// Where the next address begins: at a scheme that no letter or digit stands before.
fn next_link(text: &str) -> Option<usize> {
    let starts = text.match_indices(':').filter_map(|(colon, _)| {
        let before = &text.as_bytes()[..colon];
        let scheme = SCHEMES.iter().find(|scheme| {
            before.len() >= scheme.len() && before[before.len() - scheme.len()..].eq_ignore_ascii_case(scheme)
        })?;
        let start = colon - scheme.len();
        let alone = start == 0 || !text.as_bytes()[start - 1].is_ascii_alphanumeric();
        let hierarchical = *scheme == b"mailto" || text[colon..].starts_with("://");
        (alone && hierarchical).then_some(start)
    });
    starts.into_iter().next()
}

/// Where it ends: before a blank, an angle or a quote, and without the punctuation of the sentence.
fn link_length(from: &str) -> usize {
    let ends = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || "<>\"\u{201c}\u{201d}\u{ab}\u{bb}`".contains(letter)
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut written = &from[..from.find(ends).unwrap_or(from.len())];
    loop {
        let shorter = written.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_']);
        let shorter = [('(', ')'), ('[', ']'), ('{', '}')].iter().fold(shorter, |text, (open, close)| {
            let unopened =
                text.ends_with(*close) && text.matches(*open).count() < text.matches(*close).count();
            if unopened { &text[..text.len() - 1] } else { text }
        });
        if shorter.len() == written.len() {
            return written.len();
        }
        written = shorter;
    }
}

const SIGNATURE: &str = "-- ";
/// The scheme, and at least something behind it.
const MIN_LINK: usize = 7;
const SCHEMES: [&[u8]; 3] = [b"https", b"http", b"mailto"];
/// A new window that knows nothing of this one.
const LINK: &str = "rel=\"noopener noreferrer nofollow\" target=\"_blank\"";
/// Quotes in quotes that are still told apart.
const MAX_QUOTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_signature() {
        let text = "Hello\r\nthere\r\n\r\n> one\r\n>> two\r\n> \r\nbye\r\n-- \r\nAnn\r\n";
        let expected = "<pre dir=\"auto\">\nHello\nthere\n</pre>\n<blockquote><pre dir=\"auto\">\none</pre>\n\
            <blockquote><pre dir=\"auto\">\ntwo</pre>\n</blockquote>\n<pre dir=\"auto\">\n</pre>\n</blockquote>\n\
            <pre dir=\"auto\">\nbye</pre>\n<div class=\"signature\"><pre dir=\"auto\">\n-- \nAnn</pre>\n</div>\n";
        assert_eq!(text_to_html(text), expected);
        assert_eq!(text_to_html("> > x"), text_to_html(">> x"));
    }

    /// A table drawn with blanks, tabs and empty lines comes back as it was.
    #[test]
    fn every_blank_stays() {
        let text = "\n  a  b\tc   \n\n\n      ^  here\n\tx \u{a0}y";
        assert_eq!(text_to_html(text), format!("<pre dir=\"auto\">\n{text}</pre>\n"));
        assert_eq!(
            text_to_html("   > no quote\n>   x"),
            "<pre dir=\"auto\">\n   &gt; no quote</pre>\n<blockquote><pre dir=\"auto\">\n  x</pre>\n</blockquote>\n"
        );
    }

    #[test]
    fn links_are_found_where_they_end() {
        for (text, written) in [
            ("see https://a.example/x.", "https://a.example/x"),
            ("(https://a.example/wiki_(x))", "https://a.example/wiki_(x)"),
            ("<http://a.example>", "http://a.example"),
            ("HTTPS://A.example/?q=1&r='2'", "HTTPS://A.example/?q=1&amp;r=&#39;2"),
            ("mailto:a@b.example, please", "mailto:a@b.example"),
        ] {
            let html = text_to_html(text);
            assert!(html.contains(&format!(">{written}</a>")), "{html}");
        }
        for text in
            ["https://", "javascript:alert(1)", "xhttp://a.example", "http:a", "data:text/html,x", "a: b"]
        {
            assert!(!text_to_html(text).contains("<a "), "{text}");
        }
    }

    #[test]
    fn nothing_leaves_a_link() {
        let html = text_to_html("https://a.example/\"onmouseover=alert(1)//<script>x</script>\u{202e}");
        assert!(html.contains("href=\"https://a.example/\" rel="), "{html}");
        assert!(
            !html.contains("<script") && !html.contains('\u{202e}') && !html.contains("\"onmouse"),
            "{html}"
        );
    }

    #[test]
    fn flowed_lines_join() {
        let text = "One \r\nparagraph.\r\n> quoted \r\n> on\r\n>> deeper \r\n not stuffed\r\n-- \r\nAnn\r\n";
        let expected = "One paragraph.\n> quoted on\n>> deeper \nnot stuffed\n-- \nAnn\n";
        assert_eq!(unflowed(text, false), expected);
        assert_eq!(unflowed("a \nb", true), "ab\n");
        assert_eq!(unflowed(" >not a quote", false), " >not a quote\n");
    }

    proptest! {
        /// Between tags of our own stand only escaped characters.
        #[test]
        fn what_comes_out_is_made_of_our_tags(text in "(<|>|\"|'|&|https://a\\.b|mailto:|-- |\\n|[ -~]|\\PC){0,80}") {
            let html = text_to_html(&text);
            let tag = regex::Regex::new(
                "</?(pre|blockquote|div)( dir=\"auto\"| class=\"signature\")?>|</a>|\
                 <a href=\"(https?:|mailto:)[^\"<>]*\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">",
            ).expect("a pattern");
            let rest = tag.replace_all(&html, "");
            prop_assert!(!rest.contains(['<', '>', '"', '\'']), "{}", html);
        }
    }
}

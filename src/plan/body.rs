//! The texts of a message under their masks: text/plain and text/html that are no attachments.

use super::compose::Composer;
use super::html;
use super::node::Node;
use crate::message::header::is_unshowable;
use crate::message::second_reading::Reading;
use crate::message::{PartId, sniff, text};
use crate::policy::{HtmlMask, TextMask};

impl Composer<'_> {
    /// What the view shows of a leaf.
    pub(super) fn leaf(&mut self, part: PartId, nested: u8) -> Option<Node> {
        let own = self.anatomy.part(part);
        if !own.is_body_text() {
            return self.attachments.take(part);
        }
        if own.media.is("text", "plain") {
            return self.plain(part, nested);
        }
        if own.media.is("text", "html") {
            return self.html(part, nested);
        }
        self.attachments.take(part)
    }

    fn plain(&mut self, part: PartId, nested: u8) -> Option<Node> {
        if matches!(self.rules.text, TextMask::Placeholder | TextMask::Omit) {
            return None;
        }
        let text = self.clear_text(part)?;
        self.masked_text(&text, nested)
    }

    fn html(&mut self, part: PartId, nested: u8) -> Option<Node> {
        match self.rules.html {
            HtmlMask::Omit => None,
            HtmlMask::AsText if matches!(self.rules.text, TextMask::Placeholder | TextMask::Omit) => None,
            HtmlMask::AsText => {
                let text = html::as_text(&self.clear_text(part)?)?;
                self.masked_text(&text, nested)
            }
            HtmlMask::Sanitized => {
                let source = self.clear_text(part)?;
                let clean = html::sanitized(&source, self.attachments.content_ids());
                match html::redacted(&clean, &self.rules.redact) {
                    Some(clean) => Some(Node::text("html", &clean)),
                    // A secret that lies across tags: only the text can be redacted whole.
                    None => html::as_text(&source).map(|text| Node::text("plain", &self.redacted(&text))),
                }
            }
        }
    }

    /// A text under the text mask, which shows it or an excerpt of it.
    fn masked_text(&mut self, text: &str, nested: u8) -> Option<Node> {
        // Redacted before it is cut, so that no half of a secret stays at the edge.
        let text = self.redacted(text);
        match self.rules.text {
            TextMask::Show => Some(Node::text("plain", &text)),
            TextMask::Excerpt { lines } if nested == 0 && !self.excerpted => {
                self.excerpted = true;
                let excerpt = excerpt(&text, lines);
                let gap = if excerpt.is_empty() { "" } else { "\n" };
                Some(Node::text("plain", &format!("{excerpt}{gap}{}", self.placeholder())))
            }
            _ => None,
        }
    }

    /// The decoded text of a leaf if it is beyond doubt, with LF line ends and without controls.
    pub(super) fn clear_text(&self, part: PartId) -> Option<String> {
        let content = text::content(self.bytes, self.anatomy, part).ok()?;
        let text = text::text(self.anatomy, part, &content).ok()?;
        let clear = sniff::agrees_as_text(&self.anatomy.part(part).media, &content)
            && self.second_agrees(part, Reading::Text(&text));
        clear.then(|| cleaned(&text))
    }
}

/// Line ends made LF, separators too; everything else that has no place in a text taken out.
pub(super) fn cleaned(text: &str) -> String {
    let separated =
        text.replace("\r\n", "\n").replace(['\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}'], "\n");
    separated.chars().filter(|letter| matches!(letter, '\n' | '\t') || !is_unshowable(*letter)).collect()
}

/// The first lines that are neither empty nor quoted, up to the signature (RFC 3676 §4.3) or the
/// line that introduces a quoted message.
fn excerpt(text: &str, lines: u16) -> String {
    text.lines()
        .map(str::trim_end)
        .take_while(|line| *line != "--" && !introduces_quote(line))
        .filter(|line| !line.is_empty() && !line.starts_with('>'))
        .take(usize::from(lines))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// `-----Original Message-----`, `On ... wrote:` and their like.
fn introduces_quote(line: &str) -> bool {
    let dashed = line.starts_with("-----") && line.ends_with("-----");
    let wrote = line.ends_with(':')
        && ["wrote:", "schrieb:", "écrit :", "escribió:"].iter().any(|end| line.ends_with(end));
    dashed || wrote || line.starts_with("________")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_whole_lines_without_quotes() {
        let text = "Hello Ann,\n\n> old\nsecond line \nthird\nOn Monday Bob wrote:\n> older\nlast\n";
        assert_eq!(excerpt(text, 2), "Hello Ann,\nsecond line\n");
        assert_eq!(excerpt(text, 9), "Hello Ann,\nsecond line\nthird\n");
        assert_eq!(excerpt("a\n-- \nme\n", 9), "a\n");
        assert_eq!(excerpt("a\n", 0), "");
    }

    #[test]
    fn cleaning_takes_controls_out() {
        assert_eq!(cleaned("a\r\nb\u{202e}c\u{1b}[0m\td\u{2028}e\u{200b}"), "a\nbc[0m\td\ne");
    }
}

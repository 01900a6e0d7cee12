//! Templates: text with variables over what a policy shows, as in `Sealed message from {from.domain}`.
//!
//! Plain text in, plain text out. A template knows no MIME and encodes nothing; what it renders has
//! no control characters but the line ends that the policy's author wrote, so nothing in a message can
//! start a header field or a line (compose encodes it on top of that). Parsing is one pass without recursion.

use super::model::Aspect;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Variable(Variable),
}

/// What a template can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// A header field or an aspect of one.
    Header {
        /// The field's name in lower case: "reply-to".
        name: String,
        /// How much of it.
        aspect: Aspect,
    },
    /// The stable token of the sender. Needs `pseudonyms.senders`.
    Pseudonym,
    /// The link to the message in the dashboard.
    Link,
    /// The user's own phrase against phishing.
    Phrase,
    /// How many attachments are hidden. Needs `reveal.count`.
    Attachments,
}

/// Why a text is no template. The one at fault is the policy's author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("`{{` opens a variable that is never closed; write `{{{{` for a brace")]
    Open,
    /// A `}` without its `{`.
    #[error("`}}` closes nothing; write `}}}}` for a brace")]
    Close,
    /// Not a variable.
    #[error(
        "`{{{0}}}` is no variable; write a header field in lower case as in {{subject}} or \
             {{from.domain}}, or one of {{pseudonym}}, {{link}}, {{phrase}}, {{attachments}}"
    )]
    Variable(String),
    /// `.domain` and the like on a field that holds no addresses.
    #[error("`{{{0}}}`: only address fields have .domain, .name and .address")]
    Aspect(String),
    /// A control character other than a line end.
    #[error("a control character cannot stand in a template")]
    Control,
    /// Too much text or too many variables.
    #[error("a template has at most {MAX_TEMPLATE} bytes and {MAX_VARIABLES} variables")]
    Long,
}

impl Template {
    /// Parses a template: `{variable}`, `{{` and `}}` for braces, all else as it stands.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::Long);
        }
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            pieces.literal(&rest[..at])?;
            rest = pieces.brace(&rest[at..])?;
        }
        pieces.literal(rest)?;
        Ok(Self { pieces: pieces.done })
    }

    /// The variables it names, in order, repeats included.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable),
            Piece::Literal(_) => None,
        })
    }

    /// Whether it renders to a single line, as a header field needs.
    pub fn is_one_line(&self) -> bool {
        !self.pieces.iter().any(|piece| matches!(piece, Piece::Literal(text) if text.contains('\n')))
    }

    /// Fills the variables in; what `lookup` does not know is left out. Values lose their control
    /// characters and end after 1,000 characters, the whole after 8,000.
    pub fn render(&self, lookup: impl Fn(&Variable) -> Option<String>) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Variable(variable) => out.extend(clean(&lookup(variable).unwrap_or_default())),
            }
        }
        truncate(&mut out, MAX_RENDERED);
        out
    }
}

impl Variable {
    /// The variable between braces.
    fn parse(text: &str) -> Result<Self, TemplateError> {
        match text {
            "pseudonym" => return Ok(Self::Pseudonym),
            "link" => return Ok(Self::Link),
            "phrase" => return Ok(Self::Phrase),
            "attachments" => return Ok(Self::Attachments),
            _ => {}
        }
        let (name, aspect) = split_aspect(text);
        let address_name = name.replace('_', "-");
        if is_address_field(&address_name) {
            let aspect = aspect.ok_or_else(|| TemplateError::Variable(text.to_owned()))?;
            return Ok(Self::Header { name: address_name, aspect });
        }
        if aspect.is_some_and(|aspect| aspect != Aspect::Whole) {
            return Err(TemplateError::Aspect(text.to_owned()));
        }
        if !is_field_name(text) || text.contains(|letter: char| letter.is_ascii_uppercase()) {
            return Err(TemplateError::Variable(text.to_owned()));
        }
        Ok(Self::Header { name: text.to_owned(), aspect: Aspect::Whole })
    }
}

/// A header field's name: RFC 5322 §3.6.8 `ftext`, bounded.
pub(super) fn is_field_name(name: &str) -> bool {
    let ftext = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    // Braces are ftext, but no template could name such a field.
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(ftext) && !name.contains(['{', '}'])
}

/// Whether a field, its name in lower case, holds addresses (RFC 5322 §3.6.2, §3.6.3, §3.6.6).
pub(super) fn is_address_field(name: &str) -> bool {
    let name = name.strip_prefix("resent-").unwrap_or(name);
    ["from", "sender", "reply-to", "to", "cc", "bcc"].contains(&name)
}

/// `from.domain` as name and aspect; no aspect if what follows the last dot is none.
pub(super) fn split_aspect(text: &str) -> (&str, Option<Aspect>) {
    match text.rsplit_once('.') {
        None => (text, Some(Aspect::Whole)),
        Some((name, "domain")) => (name, Some(Aspect::Domain)),
        Some((name, "name")) => (name, Some(Aspect::Name)),
        Some((name, "address")) => (name, Some(Aspect::Address)),
        Some((name, _)) => (name, None),
    }
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    variables: usize,
}

impl Pieces {
    /// Adds literal text to the piece before it or as a new one.
    fn literal(&mut self, text: &str) -> Result<(), TemplateError> {
        if text.chars().any(|letter| letter != '\n' && is_unsafe(letter)) {
            return Err(TemplateError::Control);
        }
        match self.done.last_mut() {
            Some(Piece::Literal(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => self.done.push(Piece::Literal(text.to_owned())),
        }
        Ok(())
    }

    /// Takes what a brace at the start of `rest` begins, and gives what follows it.
    fn brace<'a>(&mut self, rest: &'a str) -> Result<&'a str, TemplateError> {
        for (doubled, single) in [("{{", "{"), ("}}", "}")] {
            if let Some(after) = rest.strip_prefix(doubled) {
                self.literal(single)?;
                return Ok(after);
            }
        }
        let inner = rest.strip_prefix('{').ok_or(TemplateError::Close)?;
        let (name, after) = inner.split_once('}').ok_or(TemplateError::Open)?;
        self.variables += 1;
        if self.variables > MAX_VARIABLES {
            return Err(TemplateError::Long);
        }
        self.done.push(Piece::Variable(Variable::parse(name)?));
        Ok(after)
    }
}

/// A value's characters that may stand in a line, the first thousand.
fn clean(value: &str) -> impl Iterator<Item = char> {
    value.chars().filter(|letter| !is_unsafe(*letter)).take(MAX_VALUE)
}

/// Control characters, line and paragraph separators, and the bidirectional controls that
/// make a text look like another (Unicode TR 36 §2.5).
pub(super) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(letter, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn truncate(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
    }
}

/// Bytes of a template's text.
const MAX_TEMPLATE: usize = 4_000;
/// Variables in a template.
const MAX_VARIABLES: usize = 32;
/// Bytes of a field name: a line without its end has 998 (RFC 5322 §2.1.1), no real name a tenth of that.
const MAX_NAME: usize = 100;
/// Characters of one value: a header line's worth (RFC 5322 §2.1.1).
const MAX_VALUE: usize = 1_000;
/// Characters of the whole.
const MAX_RENDERED: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(name: &str, aspect: Aspect) -> Variable {
        Variable::Header { name: name.to_owned(), aspect }
    }

    fn render(text: &str, value: &str) -> String {
        Template::parse(text).expect("valid").render(|_| Some(value.to_owned()))
    }

    #[test]
    fn variables_are_found() {
        let text =
            "{from}{from.domain}{to.name}{sender.address}{reply_to}{reply-to.domain}{subject}{x-foo.bar}";
        let template =
            Template::parse(&format!("{text}{{pseudonym}}{{link}}{{phrase}}{{attachments}}")).unwrap();
        let expected = [
            header("from", Aspect::Whole),
            header("from", Aspect::Domain),
            header("to", Aspect::Name),
            header("sender", Aspect::Address),
            header("reply-to", Aspect::Whole),
            header("reply-to", Aspect::Domain),
            header("subject", Aspect::Whole),
            header("x-foo.bar", Aspect::Whole),
            Variable::Pseudonym,
            Variable::Link,
            Variable::Phrase,
            Variable::Attachments,
        ];
        assert!(template.variables().eq(&expected), "{template:?}");
    }

    #[test]
    fn braces_are_doubled() {
        assert_eq!(render("{{{subject}}} }}{{", "x"), "{x} }{");
        assert_eq!(render("", "x"), "");
    }

    #[test]
    fn bad_templates_say_why() {
        let variable = |text: &str| TemplateError::Variable(text.to_owned());
        for (text, error) in [
            ("{subject", TemplateError::Open),
            ("a } b", TemplateError::Close),
            ("{}", variable("")),
            ("{Subject}", variable("Subject")),
            ("{from.domian}", variable("from.domian")),
            ("{sub ject}", variable("sub ject")),
            ("{a{b}", variable("a{b")),
            ("{subject.domain}", TemplateError::Aspect("subject.domain".into())),
            ("a\r\nb", TemplateError::Control),
            ("a\u{202e}b", TemplateError::Control),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Template::parse(&"x".repeat(MAX_TEMPLATE + 1)), Err(TemplateError::Long));
        assert_eq!(Template::parse(&"{link}".repeat(MAX_VARIABLES + 1)), Err(TemplateError::Long));
        assert!(TemplateError::Open.to_string().starts_with("`{` opens"));
        assert!(variable("x y").to_string().starts_with("`{x y}` is no variable"));
    }

    #[test]
    fn values_cannot_start_a_line_and_end_in_time() {
        assert_eq!(render("a {subject} b", "x\r\nBcc: y\0\u{2028}\u{202e}z"), "a xBcc: yz b");
        assert_eq!(render("{subject}", &"é".repeat(5_000)).chars().count(), MAX_VALUE);
        assert_eq!(render(&"{subject}".repeat(32), &"x".repeat(5_000)).len(), MAX_RENDERED);
        assert_eq!(Template::parse("a {subject} b").unwrap().render(|_| None), "a  b");
    }

    #[test]
    fn only_the_author_makes_lines() {
        assert!(!Template::parse("a\nb").unwrap().is_one_line());
        assert!(Template::parse("a{subject}").unwrap().is_one_line());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in "[{}a-z.\\PC]{0,60}") {
            if let Ok(template) = Template::parse(&text) {
                template.render(|_| Some("value".into()));
            }
        }

        #[test]
        fn literals_render_as_they_stand(text in "[^\\p{C}\\p{Z}]{0,60}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&escaped).unwrap().render(|_| None), text);
        }

        #[test]
        fn nothing_rendered_is_unsafe(value in any::<String>()) {
            let shown = Template::parse("x {subject}").unwrap().render(|_| Some(value.clone()));
            prop_assert!(!shown.chars().any(is_unsafe));
        }
    }
}

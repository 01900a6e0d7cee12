//! What a document says of itself before its text begins: the ground and ink of `<body>`, and the base
//! of its addresses. The cleaner drops both elements, as a fragment has neither.

use html5ever::TokenizerResult;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use std::cell::RefCell;

/// What stands in the head of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub style: String,
    pub bgcolor: String,
    pub text: String,
    /// Where relative addresses begin (WHATWG HTML §4.2.3).
    pub base: Option<String>,
}

/// Reads the head of a document, up to its body and no further than [`MAX_HEAD`].
pub(super) fn of(html: &str) -> Page {
    let head = &html[..html.floor_char_boundary(MAX_HEAD.min(html.len()))];
    // Most fragments have neither: then nothing is read twice.
    let has = |name: &[u8]| {
        memchr::memmem::find_iter(head.as_bytes(), b"<").any(|at| {
            let tag = &head.as_bytes()[at + 1..];
            tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    };
    if !has(b"body") && !has(b"base") {
        return Page::default();
    }
    let tokenizer = Tokenizer::new(Head::default(), Default::default());
    let mut rest = head;
    while !rest.is_empty() && !tokenizer.sink.found.borrow().1 {
        let (chunk, tail) = rest.split_at(rest.floor_char_boundary(CHUNK.min(rest.len())));
        let input = BufferQueue::default();
        input.push_back(chunk.into());
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        rest = tail;
    }
    tokenizer.sink.found.take().0
}

/// Listens until the body begins.
#[derive(Default)]
struct Head {
    found: RefCell<(Page, bool)>,
}

impl TokenSink for Head {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind == TagKind::EndTag || self.found.borrow().1 {
            return TokenSinkResult::Continue;
        }
        let mut found = self.found.borrow_mut();
        match &*tag.name {
            "base" if found.0.base.is_none() => found.0.base = attribute(&tag, "href"),
            "body" => {
                let word = |name| attribute(&tag, name).unwrap_or_default();
                found.0.style = word("style");
                (found.0.bgcolor, found.0.text) = (word("bgcolor"), word("text"));
                found.1 = true;
            }
            // Inside of these nothing is a tag (WHATWG HTML §13.2.6.4.4).
            "style" | "noframes" | "iframe" | "xmp" => return TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|one| &*one.name.local == name)?;
    Some(found.value.chars().take(MAX_VALUE).collect())
}

/// Octets of a head: style sheets of newsletters reach a hundred thousand.
const MAX_HEAD: usize = 256 << 10;
/// Octets read between two looks at what was found.
const CHUNK: usize = 4 << 10;
/// Characters of a value.
const MAX_VALUE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_body_and_the_first_base_count() {
        let page = of(
            "<!--<body text=red>--><title><body text=green></title><style><body text=blue></style>\
             <base href=http://a.example/x/><base href=//b><BODY BGCOLOR=#000 Text='white' style=\"color:#fff\">\
             <body text=black>",
        );
        let expected = Page {
            style: "color:#fff".into(),
            bgcolor: "#000".into(),
            text: "white".into(),
            base: Some("http://a.example/x/".into()),
        };
        assert_eq!(page, expected);
        assert_eq!(of("<p>x<b>ody"), Page::default());
        assert_eq!(of(&"<body x=<".repeat(100_000)), Page::default());
    }
}

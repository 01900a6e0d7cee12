//! How much work HTML would be, found before a tree of it is built.
//!
//! html5ever takes quadratic time in three things that a sender chooses: how deep elements nest,
//! how many formatting elements stay open (each block opens them all again, WHATWG HTML
//! §13.2.4.3), and how many attributes a tag has. Estimates by searching for `<` can be led astray,
//! so the very same parser runs here, on a sink that keeps nothing, a little at a time, and is
//! dropped once it has had enough.

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{
    Attribute, ExpandedName, LocalName, ParseOpts, Parser, QualName, local_name, ns, parse_fragment,
};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

/// Whether a tree of this HTML can be built in bounded time and memory.
pub(super) fn is_affordable(html: &str) -> bool {
    if html.len() > MAX_OCTETS || memchr::memchr2_iter(b'&', 0, html.as_bytes()).count() > MAX_SPECIAL {
        return false;
    }
    let parser = parser(Gauge::new());
    let mut silence = Silence::default();
    let mut rest = html;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(rest.floor_char_boundary(CHUNK.min(rest.len())));
        parser.input_buffer.push_back(chunk.into());
        let _ = parser.tokenizer.feed(&parser.input_buffer);
        let gauge = &parser.tokenizer.sink.sink;
        if gauge.has_enough() || !silence.goes_on(chunk, gauge.heard.get()) {
            return false;
        }
        rest = tail;
    }
    true
}

/// The parser that ammonia uses: a fragment inside a `div`.
pub(super) fn parser<S: TreeSink>(sink: S) -> Parser<S> {
    let context = QualName::new(None, ns!(html), local_name!("div"));
    parse_fragment(sink, ParseOpts::default(), context, Vec::new(), false)
}

/// What separates attributes while the tokenizer says nothing: inside one tag, every attribute is
/// compared with all before it.
#[derive(Default)]
struct Silence {
    heard: u64,
    separators: u64,
    work: u64,
}

impl Silence {
    fn goes_on(&mut self, chunk: &str, heard: u64) -> bool {
        if heard != self.heard {
            (self.heard, self.separators) = (heard, 0);
        }
        let separates =
            |octet: &&u8| matches!(octet, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' | b'/' | b'"' | b'\'');
        let more = chunk.as_bytes().iter().filter(separates).count() as u64;
        self.separators += more;
        self.work += more * self.separators;
        self.work <= MAX_COMPARISONS
    }
}

/// A sink that counts.
struct Gauge {
    nodes: Cell<u64>,
    deepest: Cell<u32>,
    heard: Cell<u64>,
}

/// What the tree builder holds on to: a name, and how deep it lies.
struct Node {
    name: QualName,
    depth: Cell<u32>,
}

impl Gauge {
    fn new() -> Self {
        Self { nodes: Cell::new(0), deepest: Cell::new(0), heard: Cell::new(0) }
    }

    fn has_enough(&self) -> bool {
        self.nodes.get() > MAX_NODES || self.deepest.get() > MAX_DEPTH
    }

    fn node(&self, name: QualName) -> Rc<Node> {
        self.hear();
        self.nodes.set(self.nodes.get() + 1);
        Rc::new(Node { name, depth: Cell::new(0) })
    }

    fn nameless(&self) -> Rc<Node> {
        self.node(QualName::new(None, ns!(html), LocalName::default()))
    }

    fn place(&self, child: &NodeOrText<Rc<Node>>, depth: u32) {
        self.hear();
        if let NodeOrText::AppendNode(node) = child {
            node.depth.set(depth);
            self.deepest.set(self.deepest.get().max(depth));
        }
    }

    fn hear(&self) {
        self.heard.set(self.heard.get() + 1);
    }
}

impl TreeSink for Gauge {
    type Handle = Rc<Node>;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) {}
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn add_attrs_if_missing(&self, _: &Rc<Node>, _: Vec<Attribute>) {
        self.hear();
    }
    fn remove_from_parent(&self, _: &Rc<Node>) {}
    fn reparent_children(&self, _: &Rc<Node>, _: &Rc<Node>) {}

    fn get_document(&self) -> Rc<Node> {
        self.nameless()
    }

    fn get_template_contents(&self, target: &Rc<Node>) -> Rc<Node> {
        target.clone()
    }

    fn same_node(&self, one: &Rc<Node>, other: &Rc<Node>) -> bool {
        Rc::ptr_eq(one, other)
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<Node>) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> Rc<Node> {
        self.node(name)
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        self.nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<Node> {
        self.nameless()
    }

    fn append(&self, parent: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.place(&child, parent.depth.get() + 1);
    }

    fn append_before_sibling(&self, sibling: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.place(&child, sibling.depth.get());
    }

    fn append_based_on_parent_node(&self, element: &Rc<Node>, _: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.place(&child, element.depth.get() + 1);
    }

    fn pop(&self, _: &Rc<Node>) {
        self.hear();
    }
}

/// Octets of HTML that are looked at.
pub(super) const MAX_OCTETS: usize = 2 << 20;
/// Elements, comments and the copies of formatting elements that the parser makes by itself.
const MAX_NODES: u64 = 100_000;
/// Levels of elements. Browsers stop at 512.
const MAX_DEPTH: u32 = 256;
/// Octets fed between two looks at the gauge.
const CHUNK: usize = 512;
/// Comparisons of attribute names, at about a nanosecond.
const MAX_COMPARISONS: u64 = 200_000_000;
/// Characters that html5ever hands on one by one, at microseconds each.
const MAX_SPECIAL: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_mail_is_affordable() {
        let table =
            "<table><tr><td style=\"color: red\"><b>x</b> and <i>y</i></td></tr></table>".repeat(2_000);
        assert!(is_affordable(&table));
        assert!(is_affordable(""));
        assert!(is_affordable(&"words without end ".repeat(100_000)));
    }

    #[test]
    fn what_takes_quadratic_time_is_refused() {
        let formatting: String = (0..2_000).map(|number| format!("<b x={number}>")).collect();
        let hidden: String =
            (0..900).map(|number| format!("<b x={number}><table><td></b></table>")).collect();
        let attributes: String = (0..80_000).map(|number| format!(" a{number}")).collect();
        let quoted: String = (0..80_000).map(|number| format!("a{number}='>'")).collect();
        for (name, html) in [
            ("deep", "<div>".repeat(10_000)),
            ("deep, many kinds", "<div><b><span><i>".repeat(3_000)),
            ("deep tables", "<table><tr><td>".repeat(3_000)),
            ("many", "<br>".repeat(150_000)),
            ("comments", "<!---->".repeat(150_000)),
            ("formatting", format!("<div>{formatting}</div>{}", "<p>x</p>".repeat(1_000))),
            ("formatting that closes nothing", format!("<div>{hidden}</div>{}", "<p>x</p>".repeat(2_000))),
            ("attributes", format!("<p{attributes}>")),
            ("attributes with quoted ends", format!("<p {quoted}>")),
            ("attributes inside what looks like text", format!("<style><x a='</style><p{attributes}>")),
            ("ampersands", "&".repeat(MAX_SPECIAL + 1)),
            ("NULs", "\0".repeat(MAX_SPECIAL + 1)),
            ("long", "x".repeat(MAX_OCTETS + 1)),
        ] {
            assert!(!is_affordable(&html), "{name}");
        }
    }
}

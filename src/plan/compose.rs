//! Composing a view of one message, from scratch.
//!
//! The composer walks the tree of parts and asks of each what the rules show; what they hide leaves
//! no trace in structure, order or numbering, so the view is a function of what is shown (law 2).
//! Whatever is in doubt is hidden: a message whose header is in doubt becomes a fixed header and a
//! placeholder, a body whose structure is in doubt a placeholder.

use super::attachment::Attachments;
use super::composition::Composition;
use super::headers;
use super::node::{self, Node};
use super::placeholder;
use crate::clock::Timestamp;
use crate::message::second_reading::{Reading, SecondReading};
use crate::message::{Anatomy, Content, PartId};
use crate::names::MessageId;
use crate::policy::{HtmlMask, Presence, Rules, TextMask};
use std::cell::OnceCell;

/// What composing needs besides message and rules. Nothing in it depends on the message's content.
pub struct Context<'a> {
    /// The message's random identifier; boundaries and Content-IDs are made from it.
    pub message: MessageId,
    /// The address of this message in the dashboard.
    pub link: Option<String>,
    /// The user's own phrase against phishing.
    pub phrase: Option<String>,
    /// A stable keyed token for an address or Message-ID: at most 40 lower-case letters and digits.
    pub pseudonyms: &'a dyn Fn(&str) -> String,
    /// Our domain, for pseudonyms and for the From of a sealed message.
    pub mail_domain: &'a str,
    /// When the message arrived. Its day stands in for a hidden Date.
    pub received: Timestamp,
}

/// Composes the view of a message under these rules. `None` if the message is not in the view.
pub fn compose(rules: &Rules, bytes: &[u8], anatomy: &Anatomy, context: &Context) -> Option<Composition> {
    match rules.presence {
        Presence::Absent => None,
        Presence::Original => Some(Composition::original(anatomy)),
        Presence::Masked if anatomy.is_sealed() => Some(sealed(rules, anatomy, context)),
        Presence::Masked => Some(Composer::new(rules, bytes, anatomy, context).masked()),
    }
}

/// Nothing of the message: fixed header fields and the placeholder.
fn sealed(rules: &Rules, anatomy: &Anatomy, context: &Context) -> Composition {
    let text = placeholder::text(rules, context, |_| None);
    let head = headers::sealed(context);
    let sealed = node::write(context.message, anatomy, &head, &Node::text("plain", &text)).finish();
    sealed.text_sealed(true).with_made_subject(true)
}

/// What the steps of composing one view share.
pub(super) struct Composer<'a> {
    pub(super) rules: &'a Rules,
    pub(super) bytes: &'a [u8],
    pub(super) anatomy: &'a Anatomy,
    pub(super) context: &'a Context<'a>,
    second: OnceCell<SecondReading<'a>>,
    pub(super) attachments: Attachments,
    /// Whether an excerpt is in the view already; there is one a message.
    pub(super) excerpted: bool,
    /// The leaves that the view shows something of.
    pub(super) placed: Vec<PartId>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(
        rules: &'a Rules,
        bytes: &'a [u8],
        anatomy: &'a Anatomy,
        context: &'a Context<'a>,
    ) -> Self {
        let (second, attachments) = (OnceCell::new(), Attachments::default());
        let (excerpted, placed) = (false, Vec::new());
        let mut composer = Self { rules, bytes, anatomy, context, second, attachments, excerpted, placed };
        composer.attachments = composer.decide_attachments();
        composer
    }

    fn masked(mut self) -> Composition {
        let head = headers::masked(&self);
        let body = self.node(ROOT, 0);
        let (root, is_placeholder) = self.with_placeholder(body);
        let is_made = headers::makes_subject(self.rules);
        let written = node::write(self.context.message, self.anatomy, &head, &root).finish();
        written.text_sealed(is_placeholder || self.rules.text == TextMask::Omit).with_made_subject(is_made)
    }

    /// Adds the placeholder and what the rules reveal of hidden parts. When the placeholder
    /// appears depends on the rules, and on whether anything at all is shown; never on whether
    /// something is hidden. And whether it does.
    fn with_placeholder(&mut self, body: Option<Node>) -> (Node, bool) {
        let wanted = match self.rules.text {
            TextMask::Placeholder => true,
            TextMask::Excerpt { .. } => !self.excerpted,
            TextMask::Show => body.is_none(),
            TextMask::Omit => false,
        };
        let mut children = Vec::new();
        if wanted {
            children.push(Node::text("plain", &self.placeholder()));
        }
        children.extend(body);
        if !wanted && !self.excerpted {
            children.extend(self.revealed_alone().map(|text| Node::text("plain", &text)));
        }
        (Node::several("mixed", children).unwrap_or_else(|| Node::text("plain", "")), wanted)
    }

    /// The placeholder, and what the rules reveal of hidden parts.
    pub(super) fn placeholder(&self) -> String {
        let text = placeholder::text(self.rules, self.context, |variable| self.variable(ROOT, variable));
        match self.revealed() {
            Some(revealed) if text.is_empty() => revealed,
            Some(revealed) => format!("{text}\n\n{revealed}"),
            None => text,
        }
    }

    /// The same where no placeholder says where the parts can be opened.
    fn revealed_alone(&self) -> Option<String> {
        let link = self.context.link.as_ref().filter(|_| self.rules.placeholder.link);
        let revealed = self.revealed()?;
        Some(link.map_or(revealed.clone(), |link| format!("{revealed}\n{link}")))
    }

    /// What the view shows of a part and everything in it, inside `nested` messages.
    pub(super) fn node(&mut self, part: PartId, nested: u8) -> Option<Node> {
        if !self.anatomy.body_is_clear(part) {
            return None;
        }
        match &self.anatomy.part(part).content {
            Content::Leaf(_) => {
                let node = self.leaf(part, nested);
                self.placed.extend(node.is_some().then_some(part));
                node
            }
            Content::Multipart(children) => {
                let subtype = supported(&self.anatomy.part(part).media.subtype)?;
                let children = self.children(subtype, children.clone(), nested);
                Node::several(subtype, children)
            }
            Content::Message(inner) => self.message(*inner, nested + 1),
        }
    }

    /// The parts of a multipart, in order. Of alternatives, HTML as text stands back behind a text.
    fn children(&mut self, subtype: &str, parts: Vec<PartId>, nested: u8) -> Vec<Node> {
        let alternative = subtype == "alternative" && self.rules.html == HtmlMask::AsText;
        let is_html = |part: &PartId| self.anatomy.part(*part).media.is("text", "html");
        let (html, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| alternative && is_html(part));
        let mut nodes: Vec<Node> = others.into_iter().filter_map(|part| self.node(part, nested)).collect();
        if nodes.is_empty() {
            nodes.extend(html.into_iter().find_map(|part| self.node(part, nested)));
        }
        nodes
    }

    /// A message inside the message, under the same rules.
    fn message(&mut self, inner: PartId, nested: u8) -> Option<Node> {
        if nested > self.rules.nested_depth || !self.anatomy.header_is_clear(inner) {
            return None;
        }
        let head = headers::nested(self, inner);
        let body = self.node(inner, nested).unwrap_or_else(|| Node::text("plain", ""));
        Some(Node::Message { head, inner: Box::new(body) })
    }

    /// Whether a second parser reads a leaf as we do.
    pub(super) fn second_agrees(&self, part: PartId, ours: Reading<'_>) -> bool {
        self.second.get_or_init(|| SecondReading::of(self.bytes)).agrees(self.anatomy, part, ours)
    }

    /// The text under all redactors.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.rules.redact.iter().fold(text.to_owned(), |text, redactor| redactor.apply(&text))
    }

    /// The leaves that lie in open structure: beyond doubt, in multiparts we compose, in messages
    /// the rules open. A message that the rules leave closed counts as a leaf.
    pub(super) fn open_leaves(&self) -> Vec<PartId> {
        let mut leaves = Vec::new();
        self.collect_leaves(ROOT, 0, &mut leaves);
        leaves
    }

    fn collect_leaves(&self, part: PartId, nested: u8, leaves: &mut Vec<PartId>) {
        if self.anatomy.part(part).anomalies.in_structure() {
            return;
        }
        match &self.anatomy.part(part).content {
            Content::Leaf(_) => leaves.push(part),
            Content::Multipart(children) if supported(&self.anatomy.part(part).media.subtype).is_some() => {
                children.iter().for_each(|child| self.collect_leaves(*child, nested, leaves));
            }
            Content::Message(inner) if nested < self.rules.nested_depth => {
                self.collect_leaves(*inner, nested + 1, leaves);
            }
            Content::Message(_) => leaves.push(part),
            Content::Multipart(_) => {}
        }
    }
}

/// The multiparts that are composed; the others (signed, encrypted, report, unknown) stay sealed.
pub(super) fn supported(subtype: &str) -> Option<&'static str> {
    ["mixed", "alternative", "related", "digest"].into_iter().find(|known| *known == subtype).map(|known| {
        // A digest would lend its parts the default type message/rfc822 (RFC 2046 §5.1.5).
        if known == "digest" { "mixed" } else { known }
    })
}

pub(super) const ROOT: PartId = 0;

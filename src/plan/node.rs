//! The tree of a view under construction, and how it becomes pieces. Knows no policy.

use super::composition::Pieces;
use super::encode;
use crate::message::Anatomy;
use crate::names::MessageId;

/// A part of a view.
pub(super) enum Node {
    /// Content fields and a body.
    Leaf {
        /// Its Content-* fields, CRLF after each.
        head: String,
        /// Its body.
        body: Body,
    },
    /// Parts between fresh boundaries; never fewer than two.
    Multipart {
        /// "mixed", "alternative" or "related".
        subtype: &'static str,
        /// The parts.
        children: Vec<Node>,
    },
    /// A message with a header of its own.
    Message {
        /// Its header fields, without the content fields.
        head: Vec<u8>,
        /// Its body.
        inner: Box<Node>,
    },
}

/// The body of a leaf, encoded.
pub(super) enum Body {
    /// Bytes of our making.
    Encoded(Vec<u8>),
    /// Base64 of the original, carried as it is.
    Atom(u32),
}

impl Node {
    /// A text of our making or redacted, as text/plain or text/html.
    pub(super) fn text(subtype: &str, text: &str) -> Self {
        Self::text_with(&format!("text/{subtype}"), text, "")
    }

    /// The same with further parameters and fields after the type.
    pub(super) fn text_with(media: &str, text: &str, more: &str) -> Self {
        let (encoding, body) = encode::text_body(text);
        let head = format!(
            "Content-Type: {media}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n{more}"
        );
        Self::Leaf { head, body: Body::Encoded(body) }
    }

    /// Several parts as one: none, the only one, or a multipart.
    pub(super) fn several(subtype: &'static str, mut children: Vec<Self>) -> Option<Self> {
        match children.len() {
            0 => None,
            1 => children.pop(),
            _ => Some(Self::Multipart { subtype, children }),
        }
    }
}

/// Writes a message: header fields, then the tree.
pub(super) fn write(message: MessageId, anatomy: &Anatomy, head: &[u8], root: &Node) -> Pieces {
    let mut writer = Writer { message, anatomy, boundaries: 0, pieces: Pieces::default() };
    writer.pieces.literal(head);
    writer.node(root);
    if matches!(root, Node::Leaf { body: Body::Atom(_), .. }) {
        // A message ends with a line end; the original's body need not.
        writer.pieces.literal(b"\r\n");
    }
    writer.pieces
}

struct Writer<'a> {
    message: MessageId,
    anatomy: &'a Anatomy,
    boundaries: u32,
    pieces: Pieces,
}

impl Writer<'_> {
    /// Depth is that of the anatomy's tree, which is limited.
    fn node(&mut self, node: &Node) {
        match node {
            Node::Leaf { head, body } => {
                self.pieces.literal(head.as_bytes());
                self.pieces.literal(b"\r\n");
                self.body(body);
            }
            Node::Multipart { subtype, children } => self.multipart(subtype, children),
            Node::Message { head, inner } => {
                self.pieces.literal(b"Content-Type: message/rfc822\r\n\r\n");
                self.pieces.literal(head);
                self.node(inner);
            }
        }
    }

    fn multipart(&mut self, subtype: &str, children: &[Node]) {
        let boundary = encode::boundary(self.message, self.boundaries);
        self.boundaries += 1;
        let head = format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\"\r\n");
        self.pieces.literal(head.as_bytes());
        for child in children {
            self.pieces.literal(format!("\r\n--{boundary}\r\n").as_bytes());
            self.node(child);
        }
        self.pieces.literal(format!("\r\n--{boundary}--\r\n").as_bytes());
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Encoded(bytes) => self.pieces.literal(bytes),
            Body::Atom(atom) => self.pieces.atoms(self.anatomy, *atom..*atom + 1),
        }
    }
}

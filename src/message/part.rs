//! One MIME part (RFC 2045): what its own header says about it, checked.

use super::anomaly::Anomalies;
use super::content_type::Media;
use std::ops::Range;

/// The number of a part in [`super::Anatomy::parts`]; the root is 0.
pub type PartId = usize;

/// A MIME part, or the message itself (the root).
#[derive(Clone, Debug)]
pub struct Part {
    /// The part it lies in; none for the root.
    pub parent: Option<PartId>,
    /// How many parts enclose it.
    pub depth: usize,
    /// Whether its header is that of a message: the root, and the inside of a message/rfc822.
    pub is_message: bool,
    /// Its header fields, as a range of the anatomy's.
    pub fields: Range<usize>,
    /// Its declared media type; text/plain where the header says none (RFC 2045 §5.2).
    pub media: Media,
    /// Its transfer encoding.
    pub encoding: TransferEncoding,
    /// Its disposition (RFC 2183), if the header has one.
    pub disposition: Option<DispositionKind>,
    /// Whether any parameter names a file, readable or not.
    pub has_name: bool,
    /// The file name, where every form of it says the same.
    pub file_name: Option<String>,
    /// Its Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// What is inside.
    pub content: Content,
    /// What is in doubt about its header or its structure.
    pub anomalies: Anomalies,
}

/// What is inside a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A body, if not empty: the index of its atom.
    Leaf(Option<u32>),
    /// Parts, in order.
    Multipart(Vec<PartId>),
    /// A message, split further: the part of its header.
    Message(PartId),
}

/// Content-Transfer-Encoding (RFC 2045 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Lines of ASCII; the default.
    #[default]
    SevenBit,
    /// Lines of octets.
    EightBit,
    /// Any octets.
    Binary,
    /// RFC 2045 §6.7.
    QuotedPrintable,
    /// RFC 2045 §6.8.
    Base64,
}

impl TransferEncoding {
    /// Whether the bytes stand as they are.
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

/// The type of a Content-Disposition. An unknown one is an attachment (RFC 2183 §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispositionKind {
    /// Shown with the message.
    Inline,
    /// Shown on request.
    Attachment,
}

impl Part {
    /// Whether it is a text of the message itself: no attachment and without a file name, so that
    /// no reader takes it for a file.
    pub fn is_body_text(&self) -> bool {
        self.disposition != Some(DispositionKind::Attachment) && !self.has_name
    }
}

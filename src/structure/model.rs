//! The structure as data. Strings are the octets of the view's header, unfolded and not decoded, as IMAP
//! wants them.

use std::borrow::Cow;
use std::ops::Range;

use minicbor::{Decode, Encode};

/// Octets of the view.
pub type Span = Range<u64>;

/// A string of a header, unfolded (RFC 5322 §2.2.3), not decoded, in any charset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Octets<'b>(pub Cow<'b, [u8]>);

/// What a client learns of a message without fetching it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Structure<'b> {
    /// The envelope.
    #[b(0)]
    pub envelope: Envelope<'b>,
    /// Every part, each before what it contains, the message itself first; never empty.
    #[cbor(b(1), decode_with = "super::codec::decode_parts")]
    pub(super) parts: Vec<Part<'b>>,
    /// When it was sent, if its Date says so.
    #[n(2)]
    pub sent: Option<SentDate>,
    /// The message identifiers of its References, in order, normalised as [`ThreadIds`] are.
    ///
    /// [`ThreadIds`]: super::ThreadIds
    #[b(3)]
    pub references: Vec<Octets<'b>>,
    /// The beginning of its text, decoded, at most 200 characters (RFC 8970 §3.2); empty if it has none.
    #[b(4)]
    pub preview: Cow<'b, str>,
    /// Whether the policy wrote the subject, and not the sender; none is no.
    #[n(5)]
    pub subject_is_made: Option<bool>,
}

/// The header of a message, as a listing shows it (RFC 9051 §7.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Envelope<'b> {
    /// Date.
    #[b(0)]
    pub date: Option<Octets<'b>>,
    /// Subject.
    #[b(1)]
    pub subject: Option<Octets<'b>>,
    /// From.
    #[b(2)]
    pub from: Vec<Address<'b>>,
    /// Sender as written; [`Envelope::sender`] is what IMAP shows.
    #[b(3)]
    pub(super) sender: Vec<Address<'b>>,
    /// Reply-To as written; [`Envelope::reply_to`] is what IMAP shows.
    #[b(4)]
    pub(super) reply_to: Vec<Address<'b>>,
    /// To.
    #[b(5)]
    pub to: Vec<Address<'b>>,
    /// Cc.
    #[b(6)]
    pub cc: Vec<Address<'b>>,
    /// Bcc.
    #[b(7)]
    pub bcc: Vec<Address<'b>>,
    /// In-Reply-To.
    #[b(8)]
    pub in_reply_to: Option<Octets<'b>>,
    /// Message-ID.
    #[b(9)]
    pub message_id: Option<Octets<'b>>,
}

/// An address, or a mark of group syntax: with a mailbox and no host a group of that name begins, with
/// neither it ends (RFC 9051 §7.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Address<'b> {
    /// The display name.
    #[b(0)]
    pub name: Option<Octets<'b>>,
    /// The source route.
    #[b(1)]
    pub route: Option<Octets<'b>>,
    /// The local part, or the name of a group.
    #[b(2)]
    pub mailbox: Option<Octets<'b>>,
    /// The domain.
    #[b(3)]
    pub host: Option<Octets<'b>>,
}

/// When a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SentDate {
    /// Seconds since the Unix epoch.
    #[n(0)]
    pub unix: i64,
    /// The day in the sender's own calendar, whatever the zone (RFC 9051 §6.4.4, SENTON), in days since
    /// 1970-01-01.
    #[n(1)]
    pub day: i64,
}

/// A part: the message itself, a part of a multipart, or the message inside a message/rfc822.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Part<'b> {
    /// How many parts enclose it.
    #[n(0)]
    pub(super) level: u16,
    /// The media type, as written.
    #[b(1)]
    pub kind: Octets<'b>,
    /// The media subtype, as written.
    #[b(2)]
    pub subtype: Octets<'b>,
    /// The parameters of Content-Type; those that RFC 2231 continues are put together, not decoded.
    #[b(3)]
    pub parameters: Vec<Parameter<'b>>,
    /// Content-Transfer-Encoding as written; none means 7bit.
    #[b(4)]
    pub encoding: Option<Octets<'b>>,
    /// Where its header begins.
    #[n(5)]
    pub(super) start: u64,
    /// Where its header ends, the empty line included, and its body begins.
    #[n(6)]
    pub(super) middle: u64,
    /// Where its body ends.
    #[n(7)]
    pub(super) end: u64,
    /// Line ends in the body, of texts and messages; 0 for others.
    #[n(8)]
    pub lines: u64,
    /// Content-ID.
    #[b(9)]
    pub id: Option<Octets<'b>>,
    /// Content-Description.
    #[b(10)]
    pub description: Option<Octets<'b>>,
    /// Content-Disposition.
    #[b(11)]
    pub disposition: Option<Disposition<'b>>,
    /// Content-Language.
    #[b(12)]
    pub language: Vec<Octets<'b>>,
    /// Content-Location.
    #[b(13)]
    pub location: Option<Octets<'b>>,
    /// Content-MD5.
    #[b(14)]
    pub md5: Option<Octets<'b>>,
    /// The envelope of the message inside, for a message/rfc822 that is taken apart.
    #[b(15)]
    pub envelope: Option<Envelope<'b>>,
}

/// A parameter of a MIME field.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Parameter<'b> {
    /// Its name, as written; with `*` at the end if the value is in the form of RFC 2231 §4.
    #[b(0)]
    pub name: Octets<'b>,
    /// Its value, unquoted.
    #[b(1)]
    pub value: Octets<'b>,
}

/// A Content-Disposition (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Disposition<'b> {
    /// Its type, as written.
    #[b(0)]
    pub kind: Octets<'b>,
    /// Its parameters.
    #[b(1)]
    pub parameters: Vec<Parameter<'b>>,
}

/// A part in its tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'s, 'b> {
    pub(super) parts: &'s [Part<'b>],
    pub(super) index: usize,
}

impl<'b> Structure<'b> {
    /// The message itself, as a part.
    pub fn root(&self) -> Node<'_, 'b> {
        Node { parts: &self.parts, index: 0 }
    }

    /// Octets of the view it was made from.
    pub fn size(&self) -> u64 {
        self.parts[0].end
    }
}

impl<'b> Envelope<'b> {
    /// Sender, which is From where there is none.
    pub fn sender(&self) -> &[Address<'b>] {
        if self.sender.is_empty() { &self.from } else { &self.sender }
    }

    /// Reply-To, which is From where there is none.
    pub fn reply_to(&self) -> &[Address<'b>] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
}

impl Part<'_> {
    /// Its header, with the empty line that ends it, if there is one.
    pub fn header(&self) -> Span {
        self.start..self.middle
    }

    /// Its body.
    pub fn body(&self) -> Span {
        self.middle..self.end
    }

    /// Whether it is of this type; types compare without case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.is(kind) && self.subtype.is(subtype)
    }

    /// The value of a parameter of its Content-Type.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let parameter = self.parameters.iter().find(|parameter| parameter.name.is(name));
        parameter.map(|parameter| &*parameter.value.0)
    }
}

impl<'s, 'b> Node<'s, 'b> {
    /// The part.
    pub fn part(self) -> &'s Part<'b> {
        &self.parts[self.index]
    }

    /// The parts right inside it, in order: those of a multipart, or the one message of a message/rfc822.
    pub fn children(self) -> impl Iterator<Item = Node<'s, 'b>> {
        let level = self.part().level;
        let inside = self.parts.iter().enumerate().skip(self.index + 1);
        inside
            .take_while(move |(_, part)| part.level > level)
            .filter(move |(_, part)| part.level == level + 1)
            .map(move |(index, _)| Node { parts: self.parts, index })
    }

    /// The message inside a message/rfc822.
    pub fn message(self) -> Option<Node<'s, 'b>> {
        self.part().envelope.as_ref().and_then(|_| self.children().next())
    }

    /// Whether it is a multipart; it then has children.
    pub fn is_multipart(self) -> bool {
        self.part().kind.is("multipart")
    }
}

impl Octets<'_> {
    /// Whether it is this word, without regard to case.
    pub fn is(&self, word: &str) -> bool {
        self.0.eq_ignore_ascii_case(word.as_bytes())
    }
}

impl From<Vec<u8>> for Octets<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Self(Cow::Owned(octets))
    }
}

impl From<&str> for Octets<'static> {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.as_bytes().to_vec()))
    }
}

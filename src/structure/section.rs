//! Parts by their numbers (RFC 9051 §6.4.5.1), as spans of the view.

use std::borrow::Cow;

use super::charset;
use super::model::{Node, Span, Structure};

/// What a section's numbers name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The whole: the message for no numbers, else the part's body; BODY[1.2].
    pub body: Span,
    /// The MIME header; none for no numbers. BODY[1.2.MIME].
    pub mime: Option<Span>,
    /// Header and text of the message, if the numbers name one: for no numbers, and for a message/rfc822.
    /// `BODY[HEADER]`, `BODY[1.2.TEXT]`.
    pub message: Option<(Span, Span)>,
    /// Whether it is a multipart, which has no content of its own (RFC 3516 §4.2).
    pub multipart: bool,
    index: usize,
}

/// A transfer encoding that nobody knows (RFC 3516 §4.3, UNKNOWN-CTE). The sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the part has an unknown transfer encoding")]
pub struct UnknownCte;

impl<'b> Structure<'b> {
    /// The part with these numbers; none if there is none.
    pub fn part(&self, path: &[u32]) -> Option<Section> {
        let root = self.root();
        let Some(last) = self.find(path)? else {
            return Some(Section {
                body: 0..self.size(),
                mime: None,
                message: Some((root.part().header(), root.part().body())),
                multipart: root.is_multipart(),
                index: 0,
            });
        };
        Some(Section {
            body: last.part().body(),
            mime: Some(last.part().header()),
            message: last.message().map(|inner| (inner.part().header(), inner.part().body())),
            multipart: last.is_multipart(),
            index: last.index,
        })
    }

    /// The node with these numbers: none inside for no numbers, none at all if there is no such part.
    fn find(&self, path: &[u32]) -> Option<Option<Node<'_, 'b>>> {
        let mut at: Option<Node<'_, 'b>> = None;
        for number in path {
            // Numbers count in multiparts; a message is looked through, and its only part is number 1.
            let inside = match at {
                None => self.root(),
                Some(node) => node.message().unwrap_or(node),
            };
            let index = usize::try_from(number.checked_sub(1)?).ok()?;
            at = Some(if inside.is_multipart() {
                inside.children().nth(index)?
            } else if index == 0 && at.is_none_or(|node| node.message().is_some()) {
                inside
            } else {
                return None;
            });
        }
        Some(at)
    }

    /// The content of a part with its transfer encoding undone (RFC 3516); what cannot be decoded in it is
    /// skipped. None if there is no such part. For no numbers, and for messages and multiparts, the octets.
    ///
    /// # Errors
    /// [`UnknownCte`] if nobody knows the encoding.
    pub fn binary(&self, octets: &[u8], path: &[u32]) -> Option<Result<Vec<u8>, UnknownCte>> {
        let section = self.part(path)?;
        let body = slice(octets, section.body.clone());
        Some(self.content(&section, body).map(Cow::into_owned))
    }

    /// The same for a section whose body is at hand.
    ///
    /// # Errors
    /// [`UnknownCte`] if nobody knows the encoding.
    pub fn content<'o>(&self, section: &Section, body: &'o [u8]) -> Result<Cow<'o, [u8]>, UnknownCte> {
        if section.mime.is_none() || section.multipart || section.message.is_some() {
            return Ok(Cow::Borrowed(body));
        }
        charset::content(self.parts[section.index].encoding.as_ref(), body)
    }
}

/// The octets of a span; those that are not there are left out.
pub(super) fn slice(octets: &[u8], span: Span) -> &[u8] {
    let clamp = |at: u64| usize::try_from(at).map_or(octets.len(), |at| at.min(octets.len()));
    &octets[clamp(span.start)..clamp(span.end)]
}

//! Structures as octets: CBOR arrays with fixed indices, so that later versions add fields that earlier
//! ones skip; the CDDL is in `docs/format.md`. Decodes authentic and foreign octets alike without panic.

use std::borrow::Cow;

use minicbor::decode::{Decoder, Error};
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::model::{Octets, Part, Structure};
use super::tree::{MAX_DEPTH, MAX_PARTS};

/// What was kept as a structure is none. Our fault, or a version's that we do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StructureError {
    /// Not in the form of `docs/format.md`.
    #[error("a message's structure is not in its format")]
    Form,
    /// Parts that do not lie inside each other as they should, or too many.
    #[error("a message's structure contradicts itself")]
    Tree,
}

impl<'b> Structure<'b> {
    /// As octets, for a manifest or a cache.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        // Writing to memory does not fail.
        let _ = minicbor::encode(self, &mut out);
        out
    }

    /// From what [`Structure::encode`] gave, borrowing from it.
    ///
    /// # Errors
    /// [`StructureError`] for anything else; a structure that is read can be used without further checks.
    pub fn decode(octets: &'b [u8]) -> Result<Self, StructureError> {
        let structure: Structure<'b> = minicbor::decode(octets).map_err(|_| StructureError::Form)?;
        check(&structure.parts)?;
        Ok(structure)
    }
}

/// Parts, no more than a structure has.
pub(super) fn decode_parts<'b, C>(
    decoder: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Vec<Part<'b>>, Error> {
    let mut parts = Vec::new();
    for part in decoder.array_iter_with(context)? {
        if parts.len() == MAX_PARTS {
            return Err(Error::message("too many parts"));
        }
        parts.push(part?);
    }
    Ok(parts)
}

/// The tree is one, its parts lie inside each other, side by side, and only what contains parts has some.
fn check(parts: &[Part<'_>]) -> Result<(), StructureError> {
    let mut open: Vec<Open> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let level = usize::from(part.level);
        if level > open.len() || level > MAX_DEPTH || (level == 0) != (index == 0) {
            return Err(StructureError::Tree);
        }
        open.drain(level..).try_for_each(Open::close)?;
        if let Some(outer) = open.last_mut() {
            outer.take(part)?;
        }
        if part.start > part.middle || part.middle > part.end {
            return Err(StructureError::Tree);
        }
        open.push(Open::new(part));
    }
    let complete = !open.is_empty();
    open.into_iter().try_for_each(Open::close)?;
    complete.then_some(()).ok_or(StructureError::Tree)
}

/// A part whose children are being counted.
struct Open {
    multipart: bool,
    message: bool,
    /// Whether a message has an envelope, and nothing else has one.
    fits: bool,
    children: usize,
    /// Where the next child may begin.
    from: u64,
    end: u64,
}

impl Open {
    fn new(part: &Part<'_>) -> Self {
        Self {
            multipart: part.kind.is("multipart"),
            message: part.envelope.is_some(),
            fits: part.envelope.is_some() == part.is("message", "rfc822"),
            children: 0,
            from: part.middle,
            end: part.end,
        }
    }

    fn take(&mut self, child: &Part<'_>) -> Result<(), StructureError> {
        if child.start < self.from || child.end > self.end {
            return Err(StructureError::Tree);
        }
        self.from = child.end;
        self.children += 1;
        Ok(())
    }

    fn close(self) -> Result<(), StructureError> {
        let right = match (self.multipart, self.message) {
            (true, false) => self.children > 0,
            (false, true) => self.children == 1,
            (false, false) => self.children == 0,
            (true, true) => false,
        };
        (right && self.fits).then_some(()).ok_or(StructureError::Tree)
    }
}

impl<C> Encode<C> for Octets<'_> {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Octets<'b> {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        decoder.bytes().map(|octets| Self(Cow::Borrowed(octets)))
    }
}

//! Octets of a message as literals, in windows: however large a part is, a session holds a window of it.

use std::ops::Range;

use super::plan::{Partial, Step};
use super::render::{Complete, Response, Sink};
use crate::gateway::imap::room::{AccountError, OpenMessage};
use crate::structure::{self, Structure};
use crate::wire::imap::FetchSection;
use crate::wire::imap::text::{put_literal_head, put_number};

/// A response on its way.
pub(super) struct Sending<'s, S> {
    pub(super) sink: &'s mut S,
    /// Where the response begins in what is to be sent, so long as nothing of it was sent.
    pub(super) begun: usize,
    /// Whether something of it may have been sent.
    pub(super) relieved: bool,
}

/// Why a response stops.
pub(super) enum Stop<F> {
    Message(AccountError),
    Sink(F),
}

impl<F> From<AccountError> for Stop<F> {
    fn from(error: AccountError) -> Self {
        Self::Message(error)
    }
}

impl<S: Sink> Sending<'_, S> {
    /// Sends an item for which octets are read.
    pub(super) async fn send_step(
        &mut self,
        response: &mut Response,
        step: &Step,
        structure: &Structure<'_>,
        message: &mut impl OpenMessage,
    ) -> Result<Complete, Stop<S::Fault>> {
        match step {
            Step::Section { name, section, partial } => {
                response.name(self.sink.out(), name);
                self.send_section(section, *partial, structure, message).await?;
            }
            Step::Binary { name, part, partial } => {
                response.name(self.sink.out(), name);
                return self.send_binary(part, *partial, structure, message).await;
            }
            Step::BinarySize { name, part } => {
                response.name(self.sink.out(), name);
                return self.put_binary_size(part, structure, message).await;
            }
            // The others have been put.
            _ => {}
        }
        Ok(Complete::Fully)
    }

    async fn send_section(
        &mut self,
        section: &FetchSection,
        partial: Option<Partial>,
        structure: &Structure<'_>,
        message: &mut impl OpenMessage,
    ) -> Result<(), Stop<S::Fault>> {
        let Some(span) = span(section, structure) else {
            self.put_nil();
            return Ok(());
        };
        let FetchSection::Fields { names, not, .. } = section else {
            return self.send_span(message, cut(span, partial)).await;
        };
        let header = read(message, span).await?;
        let fields = structure::fields(&header, names.iter().map(String::as_bytes), *not);
        self.send_octets(&fields, partial, Form::Text).await
    }

    /// Content without its transfer encoding. RFC 3516 §4.3: an encoding that nobody knows fails the command;
    /// here it is NIL, and the tagged response says why.
    async fn send_binary(
        &mut self,
        part: &[u32],
        partial: Option<Partial>,
        structure: &Structure<'_>,
        message: &mut impl OpenMessage,
    ) -> Result<Complete, Stop<S::Fault>> {
        let Some(section) = structure.part(part) else {
            self.put_nil();
            return Ok(Complete::Fully);
        };
        let body = read(message, section.body.clone()).await?;
        let Ok(content) = structure.content(&section, &body) else {
            self.put_nil();
            return Ok(Complete::WithoutUnknownCte);
        };
        self.send_octets(&content, partial, Form::Binary).await?;
        Ok(Complete::Fully)
    }

    /// A number must be said, whatever the encoding.
    async fn put_binary_size(
        &mut self,
        part: &[u32],
        structure: &Structure<'_>,
        message: &mut impl OpenMessage,
    ) -> Result<Complete, Stop<S::Fault>> {
        let Some(section) = structure.part(part) else {
            put_number(self.sink.out(), 0);
            return Ok(Complete::Fully);
        };
        let body = read(message, section.body.clone()).await?;
        let content = structure.content(&section, &body);
        put_number(self.sink.out(), content.as_ref().map_or(0, |content| content.len() as u64));
        Ok(if content.is_ok() { Complete::Fully } else { Complete::WithoutUnknownCte })
    }

    fn put_nil(&mut self) {
        self.sink.out().extend_from_slice(b"NIL");
    }

    /// Octets as they lie in the message. The first window is read before the literal's head is put.
    async fn send_span(
        &mut self,
        message: &mut impl OpenMessage,
        span: Range<u64>,
    ) -> Result<(), Stop<S::Fault>> {
        if span.is_empty() {
            self.sink.out().extend_from_slice(EMPTY);
            return Ok(());
        }
        let mut at = span.start;
        while at < span.end {
            let end = span.end.min(at.saturating_add(WINDOW as u64));
            let octets = read(message, at..end).await?;
            if at == span.start {
                put_literal_head(self.sink.out(), span.end - span.start);
            }
            put_text(self.sink.out(), &octets);
            at = end;
            self.relieve_from(WINDOW).await?;
        }
        Ok(())
    }

    async fn send_octets(
        &mut self,
        octets: &[u8],
        partial: Option<Partial>,
        form: Form,
    ) -> Result<(), Stop<S::Fault>> {
        let span = cut(0..octets.len() as u64, partial);
        // The span is inside of what is in memory.
        let octets = octets.get(span.start as usize..span.end as usize).unwrap_or_default();
        if octets.is_empty() {
            self.sink.out().extend_from_slice(EMPTY);
            return Ok(());
        }
        if form == Form::Binary && memchr::memchr(0, octets).is_some() {
            self.sink.out().push(b'~');
        }
        put_literal_head(self.sink.out(), octets.len() as u64);
        for window in octets.chunks(WINDOW) {
            match form {
                Form::Text => put_text(self.sink.out(), window),
                Form::Binary => self.sink.out().extend_from_slice(window),
            }
            self.relieve_from(WINDOW).await?;
        }
        Ok(())
    }

    /// Lets go of what was put once it is more than a window.
    async fn relieve_from(&mut self, size: usize) -> Result<(), Stop<S::Fault>> {
        if self.sink.out().len() < size {
            return Ok(());
        }
        self.relieved = true;
        self.sink.relieve().await.map_err(Stop::Sink)
    }
}

/// What may be in a literal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// No NULs.
    Text,
    /// Anything, in a literal8.
    Binary,
}

/// No literal holds NULs but literal8 (RFC 9051 §9, CHAR8), for which BODY has no room. What stands in
/// their place leaves all lengths as they are; Dovecot puts the same.
fn put_text(out: &mut Vec<u8>, octets: &[u8]) {
    let begun = out.len();
    out.extend_from_slice(octets);
    let mut from = begun;
    while let Some(at) = memchr::memchr(0, &out[from..]) {
        out[from + at] = 0x80;
        from += at + 1;
    }
}

/// Where a section is; none if there is no such part, or it has no such thing.
fn span(section: &FetchSection, structure: &Structure<'_>) -> Option<Range<u64>> {
    match section {
        FetchSection::All(part) => Some(structure.part(part)?.body),
        FetchSection::Header(part) | FetchSection::Fields { part, .. } => {
            Some(structure.part(part)?.message?.0)
        }
        FetchSection::Text(part) => Some(structure.part(part)?.message?.1),
        FetchSection::Mime(part) => structure.part(part)?.mime,
    }
}

/// The part of a span that a partial fetch is about (RFC 9051 §6.4.5): nothing if it begins past the end.
fn cut(span: Range<u64>, partial: Option<Partial>) -> Range<u64> {
    let Some((first, count)) = partial else { return span };
    let start = span.start.saturating_add(first).min(span.end);
    start..start.saturating_add(count).min(span.end)
}

/// All octets of a span, or an error: a literal's length has been told.
async fn read(message: &mut impl OpenMessage, span: Range<u64>) -> Result<bytes::Bytes, AccountError> {
    let length = span.end.saturating_sub(span.start);
    let octets = message.octets(span).await?;
    if octets.len() as u64 == length { Ok(octets) } else { Err(AccountError::Damaged) }
}

/// How much of a message is in memory at once.
const WINDOW: usize = 256 * 1024;
/// The empty string.
const EMPTY: &[u8] = b"\"\"";

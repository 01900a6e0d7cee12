//! Envelopes and body structures (RFC 9051 §7.5.2) as octets, from a decoded [`Structure`].
//!
//! [`Structure`]: crate::structure::Structure

use super::text::{put_nstring, put_number, put_string};
use crate::structure::{Address, Disposition, Envelope, Node, Octets, Parameter, Part};

/// ENVELOPE's value.
pub fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope<'_>) {
    out.push(b'(');
    put_optional(out, envelope.date.as_ref());
    out.push(b' ');
    put_optional(out, envelope.subject.as_ref());
    let lists = [
        &envelope.from[..],
        envelope.sender(),
        envelope.reply_to(),
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        out.push(b' ');
        put_list(out, list, put_address);
    }
    out.push(b' ');
    put_optional(out, envelope.in_reply_to.as_ref());
    out.push(b' ');
    put_optional(out, envelope.message_id.as_ref());
    out.push(b')');
}

/// BODYSTRUCTURE's value, or with `extended` false BODY's.
pub fn put_body_structure(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    out.push(b'(');
    if node.is_multipart() {
        put_multipart(out, node, extended);
    } else {
        put_single(out, node, extended);
    }
    out.push(b')');
}

/// `1*body SP media-subtype [SP body-ext-mpart]`; a multipart that was decoded has parts.
fn put_multipart(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    let part = node.part();
    node.children().for_each(|child| put_body_structure(out, child, extended));
    out.push(b' ');
    put_string(out, &part.subtype.0);
    if extended {
        out.push(b' ');
        put_parameters(out, &part.parameters);
        put_extension(out, part);
    }
}

/// `(body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`.
fn put_single(out: &mut Vec<u8>, node: Node<'_, '_>, extended: bool) {
    let part = node.part();
    put_string(out, &part.kind.0);
    out.push(b' ');
    put_string(out, &part.subtype.0);
    out.push(b' ');
    put_parameters(out, &part.parameters);
    out.push(b' ');
    put_optional(out, part.id.as_ref());
    out.push(b' ');
    put_optional(out, part.description.as_ref());
    out.push(b' ');
    put_string(out, part.encoding.as_ref().map_or(b"7bit", |encoding| &encoding.0));
    out.push(b' ');
    put_number(out, part.body().end - part.body().start);
    if let (Some(envelope), Some(inner)) = (&part.envelope, node.message()) {
        out.push(b' ');
        put_envelope(out, envelope);
        out.push(b' ');
        put_body_structure(out, inner, extended);
    }
    if part.kind.is("text") || part.envelope.is_some() {
        out.push(b' ');
        put_number(out, part.lines);
    }
    if extended {
        out.push(b' ');
        put_optional(out, part.md5.as_ref());
        put_extension(out, part);
    }
}

/// Disposition, language, location, which both kinds of part end with.
fn put_extension(out: &mut Vec<u8>, part: &Part<'_>) {
    out.push(b' ');
    put_disposition(out, part.disposition.as_ref());
    out.push(b' ');
    put_languages(out, &part.language);
    out.push(b' ');
    put_optional(out, part.location.as_ref());
}

fn put_disposition(out: &mut Vec<u8>, disposition: Option<&Disposition<'_>>) {
    let Some(disposition) = disposition else { return put_nstring(out, None) };
    out.push(b'(');
    put_string(out, &disposition.kind.0);
    out.push(b' ');
    put_parameters(out, &disposition.parameters);
    out.push(b')');
}

/// One tag as a string, several as a list.
fn put_languages(out: &mut Vec<u8>, tags: &[Octets<'_>]) {
    match tags {
        [] => put_nstring(out, None),
        [tag] => put_string(out, &tag.0),
        tags => put_spaced(out, tags, |out, tag| put_string(out, &tag.0)),
    }
}

fn put_parameters(out: &mut Vec<u8>, parameters: &[Parameter<'_>]) {
    if parameters.is_empty() {
        return put_nstring(out, None);
    }
    put_spaced(out, parameters, |out, parameter| {
        put_string(out, &parameter.name.0);
        out.push(b' ');
        put_string(out, &parameter.value.0);
    });
}

fn put_address(out: &mut Vec<u8>, address: &Address<'_>) {
    put_spaced(out, &[&address.name, &address.route, &address.mailbox, &address.host], |out, text| {
        put_optional(out, text.as_ref());
    });
}

fn put_optional(out: &mut Vec<u8>, text: Option<&Octets<'_>>) {
    put_nstring(out, text.map(|text| &*text.0));
}

/// A list, or NIL for none; addresses stand without spaces between them.
fn put_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    if items.is_empty() {
        return put_nstring(out, None);
    }
    out.push(b'(');
    items.iter().for_each(|item| put(out, item));
    out.push(b')');
}

fn put_spaced<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'(');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put(out, item);
    }
    out.push(b')');
}

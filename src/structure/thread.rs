//! The message identifiers by which THREAD=REFERENCES joins messages (RFC 5256 §3), normalised: without
//! brackets, and without quotes that change nothing.

use super::field::{Field, unfold};
use super::model::{Octets, Structure};

/// What THREAD=REFERENCES knows of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadIds {
    /// Its own identifier.
    pub id: Option<Vec<u8>>,
    /// The messages it answers, the oldest first: those of References, or else the first of In-Reply-To.
    pub ancestors: Vec<Vec<u8>>,
}

impl Structure<'_> {
    /// The identifiers of this message and of those it answers.
    pub fn thread_ids(&self) -> ThreadIds {
        let first = |field: &Option<Octets<'_>>| field.as_ref().and_then(|value| ids(&value.0).next());
        let mut ancestors: Vec<Vec<u8>> = self.references.iter().map(|id| id.0.to_vec()).collect();
        if ancestors.is_empty() {
            ancestors.extend(first(&self.envelope.in_reply_to));
        }
        ThreadIds { id: first(&self.envelope.message_id), ancestors }
    }
}

/// The identifiers of the References fields. Of too many, the first and the last ones: they say the root
/// and the parent.
pub(super) fn references(octets: &[u8], fields: &[Field]) -> Vec<Octets<'static>> {
    let named = fields.iter().filter(|field| octets[field.name.clone()].eq_ignore_ascii_case(b"References"));
    let values = named.map(|field| unfold(&octets[field.value.clone()]));
    let mut all: Vec<Octets<'static>> =
        values.flat_map(|value| ids(&value).map(Octets::from).collect::<Vec<_>>()).collect();
    if all.len() > MAX_REFERENCES {
        all.drain(1..all.len() + 1 - MAX_REFERENCES);
    }
    all
}

/// Whatever stands in angle brackets.
fn ids(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let begin = memchr::memchr(b'<', rest)? + 1;
            let (id, tail) = id(&rest[begin..])?;
            rest = tail;
            if !id.is_empty() {
                return Some(id);
            }
        }
    })
}

/// An identifier up to its closing bracket, quotes and escapes undone: `"a"@b` is `a@b`.
fn id(inside: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut id, mut quoted, mut rest) = (Vec::new(), false, inside);
    loop {
        let (&octet, tail) = rest.split_first()?;
        rest = tail;
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                let (&escaped, tail) = rest.split_first()?;
                rest = tail;
                id.push(escaped);
            }
            b'>' if !quoted => return Some((id, rest)),
            octet if octet.is_ascii_whitespace() => {}
            octet => id.push(octet),
        }
    }
}

/// Identifiers of References that are kept.
const MAX_REFERENCES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(header: &str) -> (Option<String>, Vec<String>) {
        let text = |id: Vec<u8>| String::from_utf8(id).unwrap();
        let ids = Structure::of(header.as_bytes()).thread_ids();
        (ids.id.map(text), ids.ancestors.into_iter().map(text).collect())
    }

    #[test]
    fn identifiers_are_normalised() {
        let (id, ancestors) = threads(
            "Message-ID: (new) <\"c\\\"d\"@x>\r\nReferences: <a@x> junk\r\n <\"b\"@x>\r\n <>\r\nIn-Reply-To: <z@x>\r\n\r\n",
        );
        assert_eq!(id.as_deref(), Some("c\"d@x"));
        assert_eq!(ancestors, ["a@x", "b@x"]);
        let (id, ancestors) = threads("In-Reply-To: your mail of Monday <a@x> <b@x>\r\n\r\n");
        assert_eq!((id, ancestors), (None, vec!["a@x".to_owned()]));
    }

    #[test]
    fn of_many_references_the_first_and_the_last_stay() {
        let many: String = (0..500).map(|number| format!(" <{number}@x>\r\n")).collect();
        let (_, ancestors) = threads(&format!("References:{many}\r\n"));
        assert_eq!(ancestors.len(), MAX_REFERENCES);
        assert_eq!((ancestors[0].as_str(), ancestors[1].as_str()), ("0@x", "301@x"));
        assert_eq!(ancestors.last().map(String::as_str), Some("499@x"));
    }
}

//! What the MIME fields of a part say (RFC 2045 §3, RFC 2183, RFC 3282, RFC 2557), read tolerantly: what
//! cannot be read is left out.

use super::field::{Field, unfold};
use super::model::{Disposition, Octets, Parameter, Part};

/// Puts the MIME fields of a header into `part`, which has the defaults of where it lies. Of a field that
/// occurs twice the first counts, for the disposition the last one.
pub(super) fn describe(octets: &[u8], fields: &[Field], part: &mut Part<'static>) {
    let mut typed = false;
    for field in fields {
        let name = &octets[field.name.clone()];
        if !is_mime(name) {
            continue;
        }
        let name = &name[PREFIX.len()..];
        let value = || unfold(&octets[field.value.clone()]);
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("Type") && !std::mem::replace(&mut typed, true) {
            media(&value(), part);
        } else if is("Transfer-Encoding") && part.encoding.is_none() {
            part.encoding = encoding(&value());
        } else if is("Disposition") {
            part.disposition = disposition(&value()).or(part.disposition.take());
        } else if is("ID") && part.id.is_none() {
            part.id = Some(value().into());
        } else if is("Description") && part.description.is_none() {
            part.description = Some(value().into());
        } else if is("Location") && part.location.is_none() {
            part.location = Some(value().into());
        } else if is("MD5") && part.md5.is_none() {
            part.md5 = Some(value().into());
        } else if is("Language") && part.language.is_empty() {
            part.language = languages(&value());
        }
    }
}

/// Whether a field of this name belongs to MIME.
pub(super) fn is_mime(name: &[u8]) -> bool {
    name.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// `type "/" subtype *(";" parameter)`. What is no type at all could be anything (RFC 2049 §2, 4).
fn media(value: &[u8], part: &mut Part<'static>) {
    let mut lexer = Lexer { rest: value };
    let kind = lexer.token();
    let slash = lexer.sign(b'/');
    match (kind, slash.and_then(|()| lexer.token())) {
        (Some(kind), Some(subtype)) => (part.kind, part.subtype) = (kind.into(), subtype.into()),
        // Mail from before MIME (RFC 1049).
        (Some(kind), None) if kind.eq_ignore_ascii_case(b"text") => {
            (part.kind, part.subtype) = ("text".into(), "plain".into());
        }
        (None, _) if value.is_empty() => {}
        _ => return opaque(part),
    }
    part.parameters = lexer.parameters();
}

/// Makes a part one of unknown content, under the name that it has.
pub(super) fn opaque(part: &mut Part<'static>) {
    (part.kind, part.subtype) = ("application".into(), "octet-stream".into());
    part.parameters.retain(|parameter| parameter.name.is("name") || parameter.name.is("name*"));
}

/// One token; some senders end it like a parameter list.
fn encoding(value: &[u8]) -> Option<Octets<'static>> {
    let mut lexer = Lexer { rest: value };
    let token = lexer.token()?;
    lexer.skip();
    matches!(lexer.rest, [] | [b';', ..]).then(|| token.into())
}

fn disposition(value: &[u8]) -> Option<Disposition<'static>> {
    let mut lexer = Lexer { rest: value };
    let kind = lexer.token()?.into();
    Some(Disposition { kind, parameters: lexer.parameters() })
}

fn languages(value: &[u8]) -> Vec<Octets<'static>> {
    let tags = value.split(|octet| *octet == b',').take(MAX_PARAMETERS);
    tags.filter_map(|tag| Lexer { rest: tag }.token()).map(Octets::from).collect()
}

/// Reads tokens of an unfolded value, skipping white space and comments before each.
struct Lexer<'v> {
    rest: &'v [u8],
}

impl Lexer<'_> {
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some((&octet, rest)) = self.rest.split_first() {
            match octet {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                _ if depth > 0 || octet.is_ascii_whitespace() => {}
                _ => return,
            }
            self.rest = rest;
        }
    }

    fn sign(&mut self, wanted: u8) -> Option<()> {
        self.skip();
        self.rest = self.rest.strip_prefix(&[wanted])?;
        Some(())
    }

    fn token(&mut self) -> Option<Vec<u8>> {
        self.skip();
        let length = self.rest.iter().take_while(|octet| is_token(**octet)).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then(|| token.to_vec())
    }

    /// `*(";" attribute "=" value)`; goes on at the next semicolon after what is none.
    fn parameters(&mut self) -> Vec<Parameter<'static>> {
        let mut found = Vec::new();
        while found.len() < MAX_PARAMETERS {
            self.skip_to_semicolon();
            if self.sign(b';').is_none() {
                break;
            }
            if let Some(parameter) = self.parameter() {
                found.push(parameter);
            }
        }
        continued(found)
    }

    fn skip_to_semicolon(&mut self) {
        loop {
            self.skip();
            match self.rest.first() {
                Some(b'"') => drop(self.quoted()),
                Some(b';') | None => return,
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    fn parameter(&mut self) -> Option<Parameter<'static>> {
        let name = self.token()?;
        self.sign(b'=')?;
        self.skip();
        let value = if self.rest.first() == Some(&b'"') { self.quoted() } else { self.value() };
        Some(Parameter { name: name.into(), value: value.into() })
    }

    /// A value that should have been quoted if it is no token.
    fn value(&mut self) -> Vec<u8> {
        let ends = |octet: &u8| matches!(octet, b';' | b'(' | b'"') || octet.is_ascii_whitespace();
        let length = self.rest.iter().take_while(|octet| !ends(octet)).count();
        let (value, rest) = self.rest.split_at(length);
        self.rest = rest;
        value.to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let (text, rest) = quoted(&self.rest[1..]);
        self.rest = rest;
        text
    }
}

/// The text of a quoted string after its first quote, and what comes after it (RFC 5322 §3.2.4).
pub(super) fn quoted(inside: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut text = Vec::new();
    let mut rest = inside;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'"' => break,
            b'\\' => {
                let (escaped, tail) = rest.split_at(rest.len().min(1));
                text.extend_from_slice(escaped);
                rest = tail;
            }
            octet => text.push(octet),
        }
    }
    (text, rest)
}

/// Puts parameters together that are continued (RFC 2231 §3): `name*0`, `name*1*` become `name*`, after
/// the others. Not decoded: a client may read charsets that we do not.
fn continued(found: Vec<Parameter<'static>>) -> Vec<Parameter<'static>> {
    let (pieces, mut plain): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|parameter| section(&parameter.name.0).is_some());
    let mut bases: Vec<&[u8]> = Vec::new();
    for (base, _, _) in pieces.iter().filter_map(|piece| section(&piece.name.0)) {
        if !bases.iter().any(|other| other.eq_ignore_ascii_case(base)) {
            bases.push(base);
        }
    }
    for base in bases {
        plain.push(joined(base, &pieces));
    }
    plain
}

fn joined(base: &[u8], pieces: &[Parameter<'static>]) -> Parameter<'static> {
    let (mut value, mut extended) = (Vec::new(), false);
    for wanted in 0..pieces.len() as u32 {
        let found = pieces.iter().find_map(|piece| match section(&piece.name.0)? {
            (own, number, coded) if number == wanted && own.eq_ignore_ascii_case(base) => {
                Some((piece, coded))
            }
            _ => None,
        });
        let Some((piece, coded)) = found else { break };
        extended |= coded;
        value.extend_from_slice(&piece.value.0);
    }
    let name = [base, if extended { b"*" } else { b"" }].concat();
    Parameter { name: name.into(), value: value.into() }
}

/// Name, number and whether it is coded, of `name*`, `name*0`, `name*0*`.
fn section(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let star = memchr::memchr(b'*', name)?;
    let (base, rest) = (&name[..star], &name[star + 1..]);
    let (digits, coded) = rest.strip_suffix(b"*").map_or((rest, false), |digits| (digits, true));
    if digits.is_empty() {
        return (!coded).then_some((base, 0, true));
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((base, number, coded))
}

/// RFC 2045 §5.1 `token`, with octets beyond ASCII, which some senders leave in names.
fn is_token(octet: u8) -> bool {
    !octet.is_ascii_whitespace() && !octet.is_ascii_control() && !b"()<>@,;:\\\"/[]?=".contains(&octet)
}

const PREFIX: &[u8] = b"Content-";
/// Parameters of a field. The anatomy has the same limit.
const MAX_PARAMETERS: usize = 64;

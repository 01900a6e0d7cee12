//! Address lists as IMAP shows them (RFC 9051 §7.5.2): names not decoded, groups marked, source routes
//! kept. Read tolerantly: whatever stands between two commas becomes some address.

use super::mime::quoted;
use super::model::{Address, Octets};

/// The addresses of an unfolded value.
pub(super) fn list(value: &[u8]) -> Vec<Address<'static>> {
    let mut reader = Reader { rest: value, found: Vec::new(), in_group: false };
    while reader.found.len() < MAX_ADDRESSES && reader.skip_separators() {
        reader.item();
    }
    if reader.in_group {
        reader.found.push(Address::default());
    }
    reader.found
}

struct Reader<'v> {
    rest: &'v [u8],
    found: Vec<Address<'static>>,
    in_group: bool,
}

/// Words up to a special character: a display name, a local part, or a domain.
#[derive(Default)]
struct Words {
    text: Vec<u8>,
    /// The last comment among them or right behind.
    comment: Option<Vec<u8>>,
    any: bool,
}

impl Reader<'_> {
    /// Skips to where an item begins; false at the end. A semicolon ends a group.
    fn skip_separators(&mut self) -> bool {
        loop {
            skip_comments(&mut self.rest);
            match self.rest.first() {
                None => return false,
                Some(b',') => {}
                Some(b';') => {
                    if std::mem::take(&mut self.in_group) {
                        self.found.push(Address::default());
                    }
                }
                Some(_) => return true,
            }
            self.rest = &self.rest[1..];
        }
    }

    /// One address, or the beginning of a group.
    fn item(&mut self) {
        let words = self.words(true);
        match self.rest.first() {
            Some(b'<') => self.angle(words),
            Some(b'@') => {
                let (host, comment) = self.domain();
                let name = comment.or(words.comment);
                // `a@b.example <c@d.example>`: what stands in brackets is the address.
                if self.rest.first() == Some(&b'<') {
                    let text = [&words.text[..], b"@", &host].concat();
                    return self.angle(Words { text, any: true, comment: name });
                }
                self.push(name, None, &words.text, &host);
            }
            Some(b':') if words.any && !self.in_group => {
                self.rest = &self.rest[1..];
                self.in_group = true;
                let mailbox = Some(words.text.into());
                return self.found.push(Address { mailbox, ..Address::default() });
            }
            _ => self.bare(words),
        }
        self.skip_rest();
    }

    /// No address: a lone word is a local part, several are a name.
    fn bare(&mut self, words: Words) {
        match words.comment {
            Some(comment) => self.push(Some(comment), None, &words.text, b""),
            None if words.text.contains(&b' ') => self.push(Some(words.text), None, b"", b""),
            None if words.any => self.push(None, None, &words.text, b""),
            None => {}
        }
    }

    /// `[display-name] "<" [route ":"] local-part "@" domain ">"`.
    fn angle(&mut self, name: Words) {
        self.rest = &self.rest[1..];
        skip_comments(&mut self.rest);
        let route = self.route();
        let local = self.words(false);
        let host = if self.rest.first() == Some(&b'@') { self.domain().0 } else { Vec::new() };
        let name = (!name.text.is_empty()).then_some(name.text);
        let close = memchr::memchr2(b'>', b',', self.rest);
        self.rest = match close {
            Some(at) if self.rest[at] == b'>' => &self.rest[at + 1..],
            Some(at) => &self.rest[at..],
            None => b"",
        };
        self.push(name, route, &local.text, &host);
    }

    /// `"@" domain *("," "@" domain) ":"` (RFC 5322 §4.4).
    fn route(&mut self) -> Option<Vec<u8>> {
        if self.rest.first() != Some(&b'@') {
            return None;
        }
        let colon = memchr::memchr2(b':', b'>', self.rest).filter(|at| self.rest[*at] == b':')?;
        let route = self.rest[..colon].iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        self.rest = &self.rest[colon + 1..];
        skip_comments(&mut self.rest);
        Some(route)
    }

    /// Words up to a special character, with one space between them; in a local part none around dots.
    fn words(&mut self, phrase: bool) -> Words {
        let mut words = Words::default();
        loop {
            let before = self.rest.len();
            let comment = skip_comments(&mut self.rest);
            words.comment = comment.or(words.comment);
            let apart = self.rest.len() != before;
            let Some(&octet) = self.rest.first() else { return words };
            if ends_words(octet) {
                return words;
            }
            let dotted = !phrase && (words.text.last() == Some(&b'.') || octet == b'.');
            if apart && words.any && !dotted {
                words.text.push(b' ');
            }
            words.any = true;
            if octet == b'"' {
                let (text, rest) = quoted(&self.rest[1..]);
                words.text.extend_from_slice(&text);
                self.rest = rest;
                continue;
            }
            let length = self.rest.iter().take_while(|octet| is_word(**octet)).count().max(1);
            words.text.extend_from_slice(&self.rest[..length]);
            self.rest = &self.rest[length..];
        }
    }

    /// `"@" domain`, and a comment behind it, which old mail has in place of a name.
    fn domain(&mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        self.rest = &self.rest[1..];
        let mut host = Vec::new();
        let mut comment = None;
        loop {
            comment = skip_comments(&mut self.rest).or(comment);
            let length = match self.rest.first() {
                Some(b'[') => memchr::memchr(b']', self.rest).map_or(self.rest.len(), |at| at + 1),
                Some(_) if host.is_empty() || host.ends_with(b".") || self.rest[0] == b'.' => {
                    self.rest.iter().take_while(|octet| is_word(**octet)).count()
                }
                _ => 0,
            };
            if length == 0 {
                return (host, comment);
            }
            host.extend_from_slice(&self.rest[..length]);
            self.rest = &self.rest[length..];
        }
    }

    /// To the next separator.
    fn skip_rest(&mut self) {
        loop {
            skip_comments(&mut self.rest);
            match self.rest.first() {
                None | Some(b',') => return,
                Some(b';') if self.in_group => return,
                Some(b'"') => self.rest = quoted(&self.rest[1..]).1,
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    fn push(&mut self, name: Option<Vec<u8>>, route: Option<Vec<u8>>, mailbox: &[u8], host: &[u8]) {
        let filled = |text: &[u8], missing: &'static str| match text {
            [] => Some(Octets::from(missing)),
            text => Some(text.to_vec().into()),
        };
        self.found.push(Address {
            name: name.map(Octets::from),
            route: route.map(Octets::from),
            mailbox: filled(mailbox, NO_MAILBOX),
            host: filled(host, NO_HOST),
        });
    }
}

/// Skips white space and comments; gives the text of the last comment.
fn skip_comments(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut last = None;
    loop {
        *rest = rest.trim_ascii_start();
        let [b'(', inside @ ..] = *rest else { return last };
        let (text, tail) = comment(inside);
        last = Some(text);
        *rest = tail;
    }
}

/// The text of a comment after its first parenthesis, inner ones included (RFC 5322 §3.2.2).
fn comment(inside: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut text, mut depth, mut rest) = (Vec::new(), 0_usize, inside);
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b'\\' => {
                let (escaped, tail) = rest.split_at(rest.len().min(1));
                text.extend_from_slice(escaped);
                rest = tail;
                continue;
            }
            _ => {}
        }
        text.push(octet);
    }
    (text, rest)
}

fn ends_words(octet: u8) -> bool {
    matches!(octet, b'<' | b'>' | b'@' | b',' | b';' | b':')
}

fn is_word(octet: u8) -> bool {
    !octet.is_ascii_whitespace() && !ends_words(octet) && !matches!(octet, b'"' | b'(')
}

/// Addresses of one field that a listing shows.
const MAX_ADDRESSES: usize = 2000;
/// In the place of a local part and of a domain: NIL would mean a group. The words are Dovecot's, which
/// clients know.
const NO_MAILBOX: &str = "MISSING_MAILBOX";
const NO_HOST: &str = "MISSING_DOMAIN";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> String {
        let show = |part: &Option<Octets<'_>>| {
            part.as_ref().map_or("-".to_owned(), |text| String::from_utf8_lossy(&text.0).into_owned())
        };
        let all: Vec<String> = list(value.as_bytes())
            .iter()
            .map(|one| {
                format!("{}|{}|{}|{}", show(&one.name), show(&one.route), show(&one.mailbox), show(&one.host))
            })
            .collect();
        all.join(" ; ")
    }

    #[test]
    fn every_form_of_an_address() {
        for (value, expected) in [
            ("ann@a.example", "-|-|ann|a.example"),
            ("<ann@a.example>", "-|-|ann|a.example"),
            ("Ann Lee <ann@a.example>", "Ann Lee|-|ann|a.example"),
            ("\"Lee, \\\"Ann\\\"\" <ann@a.example>", "Lee, \"Ann\"|-|ann|a.example"),
            ("Ann  Q. Lee <ann@a.example>, bob@b.example", "Ann Q. Lee|-|ann|a.example ; -|-|bob|b.example"),
            ("ann@a.example (Ann (the) Lee)", "Ann (the) Lee|-|ann|a.example"),
            ("=?utf-8?Q?=C3=84nn?= <ann@a.example>", "=?utf-8?Q?=C3=84nn?=|-|ann|a.example"),
            ("<@r.example,@s.example:ann@a.example>", "-|@r.example,@s.example|ann|a.example"),
            ("ann@[192.0.2.1]", "-|-|ann|[192.0.2.1]"),
            ("\"ann lee\"@a.example", "-|-|ann lee|a.example"),
            ("nobody", "-|-|nobody|MISSING_DOMAIN"),
            ("Nobody At All", "Nobody At All|-|MISSING_MAILBOX|MISSING_DOMAIN"),
            ("Empty <>", "Empty|-|MISSING_MAILBOX|MISSING_DOMAIN"),
            ("ann @ a . example", "-|-|ann|a.example"),
            ("a@a.example <b@b.example>", "a@a.example|-|b|b.example"),
            ("", ""),
            (",,", ""),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn groups_begin_and_end() {
        for (value, expected) in [
            ("undisclosed-recipients:;", "-|-|undisclosed-recipients|- ; -|-|-|-"),
            ("G: a@a.example, b@b.example;", "-|-|G|- ; -|-|a|a.example ; -|-|b|b.example ; -|-|-|-"),
            ("A: a@a.example;, B:;", "-|-|A|- ; -|-|a|a.example ; -|-|-|- ; -|-|B|- ; -|-|-|-"),
            ("open: a@a.example", "-|-|open|- ; -|-|a|a.example ; -|-|-|-"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}

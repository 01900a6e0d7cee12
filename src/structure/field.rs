//! Header fields of a view: where they lie, their values unfolded, and those a client names (RFC 9051
//! §6.4.5.1, HEADER.FIELDS). Every line counts to the header until the first empty one, whatever is in it.

use std::ops::Range;

use memchr::memchr;

/// A field, continuation lines and line end included.
pub(super) struct Field {
    /// All of it.
    pub span: Range<usize>,
    /// Its name; empty for a line that is no field.
    pub name: Range<usize>,
    /// Its value: everything after the colon.
    pub value: Range<usize>,
}

/// The fields of a header, in order, lines that are none among them.
pub(super) struct Fields<'o> {
    octets: &'o [u8],
    at: usize,
    /// Where the body begins, once all have been read.
    pub end: usize,
}

/// Reads the header that begins at `start`. It ends with an empty line, with the octets, or before the
/// first line for which the reader calls [`Fields::next_unless`] in vain.
pub(super) fn read(octets: &[u8], start: usize) -> Fields<'_> {
    Fields { octets, at: start, end: start }
}

impl Fields<'_> {
    /// The next field, unless `stops` is true for where one of its lines begins: then the header ends there.
    pub fn next_unless(&mut self, stops: impl Fn(usize) -> bool) -> Option<Field> {
        let start = self.at;
        if start >= self.octets.len() || stops(start) {
            return None;
        }
        self.at = line_end(self.octets, start);
        self.end = self.at;
        if matches!(&self.octets[start..self.at], b"\r\n" | b"\n") {
            self.at = self.octets.len();
            return None;
        }
        while matches!(self.octets.get(self.at), Some(b' ' | b'\t')) && !stops(self.at) {
            self.at = line_end(self.octets, self.at);
        }
        self.end = self.at;
        Some(begin(self.octets, start..self.at))
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        self.next_unless(|_| false)
    }
}

fn begin(octets: &[u8], span: Range<usize>) -> Field {
    // A colon on a continuation line comes too late.
    match memchr::memchr2(b':', b'\n', &octets[span.clone()]).filter(|at| octets[span.start + at] == b':') {
        Some(length) => {
            let name = octets[span.start..span.start + length].trim_ascii_end().len();
            let value = span.start + length + 1..span.end;
            Field { name: span.start..span.start + name, value, span }
        }
        None => Field { name: span.start..span.start, value: span.clone(), span },
    }
}

/// Where the line that begins at `start` ends, its LF included.
fn line_end(octets: &[u8], start: usize) -> usize {
    memchr(b'\n', &octets[start..]).map_or(octets.len(), |length| start + length + 1)
}

/// The value on one line: each fold becomes one space (RFC 5322 §2.2.3), white space at both ends goes.
/// NULs, which no IMAP string can hold, are replaced.
pub(super) fn unfold(value: &[u8]) -> Vec<u8> {
    let value = &value[..value.len().min(MAX_VALUE)];
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for line in value.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = if out.is_empty() { line.trim_ascii_start() } else { trim_blanks(line) };
        if !out.is_empty() && !text.is_empty() {
            out.truncate(out.trim_ascii_end().len());
            out.push(b' ');
        }
        out.extend_from_slice(text);
    }
    out.truncate(out.trim_ascii_end().len());
    if memchr(0, &out).is_some() {
        return out.split(|octet| *octet == 0).collect::<Vec<_>>().join("\u{fffd}".as_bytes());
    }
    out
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    &line[blanks..]
}

/// The fields of a header that have one of these names, or with `not` those that have none of them, in
/// their order and folding, and the empty line that ends a header.
pub fn filter<'n>(header: &[u8], names: impl IntoIterator<Item = &'n [u8]> + Clone, not: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len().min(1024));
    for field in read(header, 0) {
        let name = &header[field.name];
        let named = names.clone().into_iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        if named != not {
            out.extend_from_slice(&header[field.span]);
        }
    }
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Octets of a value that a listing shows; what is longer is cut off. Real ones stay far below.
const MAX_VALUE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_space() {
        for (value, expected) in [
            (&b" one\r\n"[..], &b"one"[..]),
            (b"\r\n one\r\n  two\r\n\tthree \r\n", b"one two three"),
            (b" a\n b", b"a b"),
            (b" a \r\n b", b"a b"),
            (b" a\0b", b"a\xef\xbf\xbdb"),
            (b"\r\n", b""),
        ] {
            assert_eq!(unfold(value), expected, "{value:?}");
        }
    }

    #[test]
    fn fields_are_filtered_with_their_folding() {
        let header = b"A: 1\r\n x\r\nnone\r\nb : 2\r\nB: 3\r\n\r\n";
        assert_eq!(filter(header, [&b"B"[..]], false), b"b : 2\r\nB: 3\r\n\r\n");
        assert_eq!(filter(header, [&b"b"[..]], true), b"A: 1\r\n x\r\nnone\r\n\r\n");
        assert_eq!(filter(header, [&b"c"[..]], false), b"\r\n");
        assert_eq!(filter(b"A: 1", [&b"a"[..]], false), b"A: 1\r\n\r\n");
    }
}

//! Strings and sets as octets (RFC 9051 §4.3, §9).

/// A string, or NIL. Quoted where that says it, else a literal: quoted strings hold no line ends, and
/// octets above 127 in them want a session that has enabled UTF-8.
pub fn put_nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        None => out.extend_from_slice(b"NIL"),
        Some(text) => put_string(out, text),
    }
}

/// A string.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() > MAX_QUOTED || text.iter().any(|octet| !matches!(octet, 0x20..=0x7e)) {
        put_literal(out, text);
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A literal. NULs, which no literal can hold, must go as [`put_literal8`] where the grammar has it.
pub fn put_literal(out: &mut Vec<u8>, octets: &[u8]) {
    put_literal_head(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// The head of a literal of so many octets, which the caller sends next.
pub fn put_literal_head(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    put_number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// A literal that may hold any octets (RFC 3516 §4.1).
pub fn put_literal8(out: &mut Vec<u8>, octets: &[u8]) {
    out.push(b'~');
    put_literal(out, octets);
}

/// A number.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A set of numbers in their order, runs that rise one by one put together (RFC 9051 §9, uid-set). Nothing
/// for no numbers.
pub fn put_set(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut numbers = numbers.into_iter().peekable();
    let mut first = true;
    while let Some(begin) = numbers.next() {
        let mut end = begin;
        while let Some(next) = numbers.next_if(|next| end.checked_add(1) == Some(*next)) {
            end = next;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        put_number(out, begin.into());
        if end > begin {
            out.push(b':');
            put_number(out, end.into());
        }
    }
}

/// Longer strings go as literals: clients limit their lines (RFC 7162 §4 names 8192 octets).
const MAX_QUOTED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_quoted_where_that_says_them() {
        assert_eq!(written(|out| put_nstring(out, None)), "NIL");
        assert_eq!(written(|out| put_nstring(out, Some(b""))), "\"\"");
        assert_eq!(written(|out| put_string(out, br#"a "b" \"#)), r#""a \"b\" \\""#);
        assert_eq!(written(|out| put_string(out, "ä".as_bytes())), "{2}\r\nä");
        assert_eq!(written(|out| put_string(out, b"a\r\nb")), "{4}\r\na\r\nb");
    }

    #[test]
    fn sets_are_put_together() {
        assert_eq!(written(|out| put_set(out, [1, 2, 3, 5, 7, 8])), "1:3,5,7:8");
        assert_eq!(written(|out| put_set(out, [3, 2, 1, 2])), "3,2,1:2");
        assert_eq!(written(|out| put_set(out, [5, 3, 4, 1])), "5,3:4,1");
        assert_eq!(written(|out| put_set(out, [])), "");
        assert_eq!(written(|out| put_set(out, [u32::MAX])), "4294967295");
    }
}

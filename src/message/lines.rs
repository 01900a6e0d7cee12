//! Lines of bytes and how they end. Knows no mail.

use std::ops::Range;

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// CRLF.
    Crlf,
    /// LF without CR.
    Lf,
    /// The end of the input.
    None,
}

/// One line: its text, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The text without its end.
    pub text: Range<usize>,
    /// Where the next line begins.
    pub end: usize,
    /// How it ends.
    pub ending: Ending,
}

/// The line that begins at `start`, which must not lie behind the end of `bytes`.
pub(super) fn line_at(bytes: &[u8], start: usize) -> Line {
    let Some(length) = memchr::memchr(b'\n', &bytes[start..]) else {
        return Line { text: start..bytes.len(), end: bytes.len(), ending: Ending::None };
    };
    let line_feed = start + length;
    let crlf = length > 0 && bytes[line_feed - 1] == b'\r';
    let (text_end, ending) = if crlf { (line_feed - 1, Ending::Crlf) } else { (line_feed, Ending::Lf) };
    Line { text: start..text_end, end: line_feed + 1, ending }
}

/// Space or tab (RFC 5234 `WSP`).
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_told_apart() {
        let bytes = b"ab\r\n\nc\rd";
        assert_eq!(line_at(bytes, 0), Line { text: 0..2, end: 4, ending: Ending::Crlf });
        assert_eq!(line_at(bytes, 4), Line { text: 4..4, end: 5, ending: Ending::Lf });
        assert_eq!(line_at(bytes, 5), Line { text: 5..8, end: 8, ending: Ending::None });
        assert_eq!(line_at(bytes, 8), Line { text: 8..8, end: 8, ending: Ending::None });
    }
}

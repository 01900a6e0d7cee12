//! What TOP shows of a message: the header, the empty line, and the first lines of the body
//! (RFC 1939 §7). Lines end at LF, with or without a CR before it, so that a header that was written
//! with bare LF does not drag the whole message along.

/// Cuts the octets of one message off where TOP ends. The chunks may be cut anywhere.
#[derive(Debug)]
pub struct TopExcerpt {
    place: Place,
    line: Line,
    body_lines: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Done,
}

/// What the current line holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Cr,
    Text,
}

impl TopExcerpt {
    /// The header and the first `body_lines` lines of the body.
    pub fn new(body_lines: u32) -> Self {
        Self { place: Place::Header, line: Line::Nothing, body_lines }
    }

    /// The leading part of `chunk`, the message's next octets, that TOP shows.
    pub fn cut<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let mut end = 0;
        while self.place != Place::Done {
            let Some(length) = memchr::memchr(b'\n', &chunk[end..]) else {
                self.line = self.line.with(&chunk[end..]);
                return chunk;
            };
            let line = self.line.with(&chunk[end..end + length]);
            end += length + 1;
            self.pass_line_end(line);
        }
        &chunk[..end]
    }

    /// Whether nothing of what follows is shown.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    fn pass_line_end(&mut self, line: Line) {
        self.line = Line::Nothing;
        match self.place {
            Place::Header if line == Line::Text => return,
            Place::Header => self.place = Place::Body,
            Place::Body | Place::Done => self.body_lines = self.body_lines.saturating_sub(1),
        }
        if self.body_lines == 0 {
            self.place = Place::Done;
        }
    }
}

impl Line {
    fn with(self, octets: &[u8]) -> Self {
        match (self, octets) {
            (line, []) => line,
            (Self::Nothing, b"\r") => Self::Cr,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn top(message: &[u8], body_lines: u32, chunk: usize) -> Vec<u8> {
        let mut excerpt = TopExcerpt::new(body_lines);
        let mut shown = Vec::new();
        for chunk in message.chunks(chunk) {
            if excerpt.is_done() {
                break;
            }
            shown.extend_from_slice(excerpt.cut(chunk));
        }
        shown
    }

    #[test]
    fn header_empty_line_and_some_lines() {
        let message = b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
        for chunk in 1..=message.len() {
            assert_eq!(top(message, 0, chunk), b"A: 1\r\nB: 2\r\n\r\n");
            assert_eq!(top(message, 1, chunk), b"A: 1\r\nB: 2\r\n\r\none\r\n");
            assert_eq!(top(message, 2, chunk), b"A: 1\r\nB: 2\r\n\r\none\r\n\r\n");
            assert_eq!(top(message, 3, chunk), message);
            assert_eq!(top(message, u32::MAX, chunk), message);
        }
    }

    #[test]
    fn odd_messages() {
        for (message, shown) in [
            (&b""[..], &b""[..]),
            (b"no line end", b"no line end"),
            (b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
            (b"\r\nbody\r\n", b"\r\n"),
            (b"A: 1\n\nbody\n", b"A: 1\n\n"),
            (b"A: 1\r\n\nbody\n", b"A: 1\r\n\n"),
            (b"A: 1\r\n\r\r\nB: 2\r\n\r\nbody", b"A: 1\r\n\r\r\nB: 2\r\n\r\n"),
        ] {
            for chunk in 1..8 {
                assert_eq!(top(message, 0, chunk), shown, "{message:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_chunking_shows_the_same(message in "[a\r\n]{0,40}", lines in 0..4_u32, chunk in 1..9_usize) {
            let message = message.as_bytes();
            let shown = top(message, lines, message.len().max(1));
            prop_assert!(message.starts_with(&shown));
            prop_assert_eq!(top(message, lines, chunk), shown);
        }
    }
}

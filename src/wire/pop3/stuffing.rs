//! Message content to the lines of an answer: dots stuffed, the end marked (RFC 1939 §3).
//!
//! Content goes out byte for byte, bare line ends and NULs included. A dot is doubled after *any* LF,
//! not only after CRLF. RFC 1939 knows CRLF lines alone; but many clients (Python's poplib, fetchmail,
//! mpop) end a line at LF, and to them `LF . CRLF` inside a message would end the answer, so that
//! whoever wrote the message could write the server's next replies too. Such clients get the content
//! back exactly. A client that splits at CRLF alone finds one more dot where a line after a bare LF
//! begins with one: in no well-formed message.

/// Encodes content that arrives in chunks cut anywhere.
#[derive(Debug, Default)]
pub struct DotStuffer {
    before: Before,
}

/// What stands before the next octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    /// CRLF, or nothing at all.
    #[default]
    LineEnd,
    /// An LF without a CR.
    BareLf,
    /// A CR: with an LF it would be a line end.
    Cr,
    /// Anything else.
    Other,
}

impl DotStuffer {
    /// An encoder that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the encoded form of `chunk`, the content's next octets.
    pub fn encode(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if matches!(self.before, Before::LineEnd | Before::BareLf) && chunk.first() == Some(&b'.') {
            out.push(b'.');
        }
        let mut copied = 0;
        for line_feed in memchr::memmem::find_iter(chunk, b"\n.") {
            out.extend_from_slice(&chunk[copied..=line_feed]);
            out.push(b'.');
            copied = line_feed + 1;
        }
        out.extend_from_slice(&chunk[copied..]);
        self.before = self.before.then(chunk);
    }

    /// Appends what ends the answer: a CRLF if the content did not end in one, then the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.before != Before::LineEnd {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(super::END);
    }
}

impl Before {
    fn then(self, chunk: &[u8]) -> Self {
        match *chunk {
            [] => self,
            [.., b'\r', b'\n'] => Self::LineEnd,
            [b'\n'] if self == Self::Cr => Self::LineEnd,
            [.., b'\n'] => Self::BareLf,
            [.., b'\r'] => Self::Cr,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(chunks: &[&[u8]]) -> Vec<u8> {
        let mut stuffer = DotStuffer::new();
        let mut out = Vec::new();
        chunks.iter().for_each(|chunk| stuffer.encode(chunk, &mut out));
        stuffer.finish(&mut out);
        out
    }

    /// How a client with lines of its own kind reads an answer: lines up to the one that is a dot
    /// alone, the first dot of the others dropped. Gives the content and what follows the answer.
    fn read_answer<'a>(mut octets: &'a [u8], line_end: &[u8]) -> (Vec<u8>, &'a [u8]) {
        let mut content = Vec::new();
        loop {
            let at = octets.windows(line_end.len()).position(|window| window == line_end);
            let at = at.expect("an answer ends with a line") + line_end.len();
            let (line, rest) = octets.split_at(at);
            octets = rest;
            if line == b".\r\n" || (line_end == b"\n" && line == b".\n") {
                return (content, octets);
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
    }

    #[test]
    fn known_answers() {
        for (content, answer) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r", b"a\r\r\n.\r\n"),
            (b"a\n", b"a\n\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n..\r\n", b"..\r\n...\r\n.\r\n"),
            (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
            (b"a\n.\r\n+OK\r\n", b"a\n..\r\n+OK\r\n.\r\n"),
            (b"a\r.\r\n", b"a\r.\r\n.\r\n"),
            (b"\0\xff\r\n", b"\0\xff\r\n.\r\n"),
        ] {
            assert_eq!(encode(&[content]), answer, "{content:?}");
        }
    }

    #[test]
    fn line_ends_are_seen_across_chunks() {
        assert_eq!(encode(&[b"a\r", b"\n", b".b\r\n"]), b"a\r\n..b\r\n.\r\n");
        assert_eq!(encode(&[b"a\r", b"", b"\n"]), b"a\r\n.\r\n");
        assert_eq!(encode(&[b"a\r\n", b"", b"."]), b"a\r\n..\r\n.\r\n");
    }

    /// Content made of what matters to the encoder.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b".".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n.\r\n".to_vec()),
            Just(b"\0".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_octets(content in content(), cuts in proptest::collection::vec(0..200_usize, 0..10)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(content.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&content[from..cut]);
                from = cut;
            }
            chunks.push(&content[from..]);
            prop_assert_eq!(encode(&chunks), encode(&[&content]));
        }

        #[test]
        fn a_client_that_splits_at_lf_gets_the_content_back(content in content()) {
            let answer = [encode(&[&content]), b"+OK next\r\n".to_vec()].concat();
            let (read, rest) = read_answer(&answer, b"\n");
            let added: &[u8] = if content.is_empty() || content.ends_with(b"\r\n") { b"" } else { b"\r\n" };
            prop_assert_eq!(read, [&content, added].concat());
            prop_assert_eq!(rest, b"+OK next\r\n");
        }

        #[test]
        fn a_client_that_splits_at_crlf_is_never_led_astray(content in content()) {
            let answer = [encode(&[&content]), b"+OK next\r\n".to_vec()].concat();
            let (read, rest) = read_answer(&answer, b"\r\n");
            prop_assert_eq!(rest, b"+OK next\r\n");
            // Where no line after a bare LF begins with a dot, it gets the content back as well.
            let text = content.iter().map(|octet| char::from(*octet)).collect::<String>();
            if !text.replace("\r\n", "|").contains("\n.") {
                prop_assert!(read.starts_with(&content) && read.len() <= content.len() + 2);
            }
        }
    }
}

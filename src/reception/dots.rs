//! The end of DATA and its dots (RFC 5321 §4.5.2), and what others might take for that end.
//!
//! Content ends at CRLF `.` CRLF; the CRLF of the DATA command counts as the first. A line that
//! begins with a dot loses it. Line ends here are CRLF and nothing else: CR or LF alone is content
//! (RFC 5321 §2.3.8).
//!
//! Smuggling (CVE-2023-51764 and its kin): software that takes CR or LF alone for a line end sees an
//! end of data where we see content, or the other way round, and reads what follows as commands. So
//! a dot between any two of CR, LF and CRLF, other than CRLF on both sides, is remembered, the
//! content read on to its true end, and the message refused. Software that drops NULs must not be
//! helped either: NULs before the dot are looked through, and a NUL right after it counts as a
//! line end. Correctly stuffed content holds no such sequence after a CRLF; after a lone CR or LF it
//! may, and such mail cannot be told from an attack: it can come by BDAT.

use memchr::memchr_iter;

/// What one call of [`Dots::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Octets of the input that are done with. The rest, at most a dot and a CR, must come again
    /// with more behind it.
    pub used: usize,
    /// Whether the end of the content was among them.
    pub ended: bool,
}

/// Decodes one message.
pub(super) struct Dots {
    /// The last two octets done with.
    tail: [u8; 2],
    /// Whether the last octet done with, NULs not counted, was CR or LF.
    after_line_end: bool,
    smuggling: bool,
}

impl Dots {
    /// Begins after the CRLF of the DATA command.
    pub fn new() -> Self {
        Self { tail: *b"\r\n", after_line_end: true, smuggling: false }
    }

    /// Whether the content so far holds what others might take for its end.
    pub fn smuggling(&self) -> bool {
        self.smuggling
    }

    /// Decodes as much of `input` as is certain and gives the content to `keep`, piece by piece.
    pub fn decode(&mut self, input: &[u8], mut keep: impl FnMut(&[u8])) -> Decoded {
        let mut kept = 0;
        for dot in dots_after_controls(input) {
            match self.judge(input, dot) {
                Dot::Content => {}
                Dot::Suspicious => self.smuggling = true,
                Dot::Stuffing { suspicious } => {
                    self.smuggling |= suspicious;
                    keep(&input[kept..dot]);
                    kept = dot + 1;
                }
                Dot::Unclear => {
                    keep(&input[kept..dot]);
                    return self.done(input, dot, false);
                }
                Dot::End => {
                    keep(&input[kept..dot]);
                    return self.done(input, dot + b".\r\n".len(), true);
                }
            }
        }
        keep(&input[kept..]);
        self.done(input, input.len(), false)
    }

    /// What the dot at `input[dot]` is.
    fn judge(&self, input: &[u8], dot: usize) -> Dot {
        let before = if dot == 0 { self.tail[1] } else { input[dot - 1] };
        if !matches!(before, b'\r' | b'\n' | 0) || !self.follows_line_end(&input[..dot]) {
            return Dot::Content;
        }
        let stuffing = self.follows_crlf(&input[..dot]);
        match (input.get(dot + 1), input.get(dot + 2)) {
            (None, _) | (Some(b'\r'), None) => Dot::Unclear,
            (Some(b'\r'), Some(b'\n')) if stuffing => Dot::End,
            (Some(b'\r' | b'\n' | 0), _) if stuffing => Dot::Stuffing { suspicious: true },
            (Some(b'\r' | b'\n' | 0), _) => Dot::Suspicious,
            _ if stuffing => Dot::Stuffing { suspicious: false },
            _ => Dot::Content,
        }
    }

    /// Whether CR or LF comes before, NULs looked through. A run of NULs is walked once for the
    /// one dot that can follow it, so hostile input costs no more than its length.
    fn follows_line_end(&self, before: &[u8]) -> bool {
        match before.iter().rfind(|octet| **octet != 0) {
            Some(octet) => matches!(octet, b'\r' | b'\n'),
            None => self.after_line_end,
        }
    }

    fn follows_crlf(&self, before: &[u8]) -> bool {
        match before {
            [] => self.tail == *b"\r\n",
            [only] => [self.tail[1], *only] == *b"\r\n",
            [.., first, second] => [*first, *second] == *b"\r\n",
        }
    }

    fn done(&mut self, input: &[u8], used: usize, ended: bool) -> Decoded {
        self.after_line_end = self.follows_line_end(&input[..used]);
        match input[..used] {
            [] => {}
            [only] => self.tail = [self.tail[1], only],
            [.., first, second] => self.tail = [first, second],
        }
        Decoded { used, ended }
    }
}

/// The dots that follow CR, LF or NUL, and a few more: the input is tested block by block in a loop
/// that compilers turn into vector code, and only blocks with such a dot are searched. A search
/// for every dot costs 100 KB of English text 45 us, this one 5 us.
fn dots_after_controls(input: &[u8]) -> impl Iterator<Item = usize> {
    (0..input.len()).step_by(BLOCK).flat_map(|start| {
        let end = input.len().min(start + BLOCK);
        // What precedes the first octet of all is not in the input.
        let worth_a_look = start == 0 || has_dot_after_control(&input[start - 1..end]);
        let block = if worth_a_look { &input[start..end] } else { &[] };
        memchr_iter(b'.', block).map(move |dot| start + dot)
    })
}

fn has_dot_after_control(octets: &[u8]) -> bool {
    let pairs = octets.iter().zip(&octets[1..]);
    pairs.fold(false, |found, (before, octet)| found | ((*before <= b'\r') & (*octet == b'.')))
}

/// Octets tested at once.
const BLOCK: usize = 256;

enum Dot {
    /// An octet like any other.
    Content,
    /// As `Content`, but others might see the end of the content here.
    Suspicious,
    /// The sender put it before a line that begins with a dot; it is dropped.
    Stuffing { suspicious: bool },
    /// What follows must be seen first.
    Unclear,
    /// The content ended before it.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `input` in pieces of `step` octets; gives content, smuggling, and what is left after the end.
    fn decode(input: &[u8], step: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let (mut dots, mut content, mut buffer) = (Dots::new(), Vec::new(), Vec::new());
        for piece in input.chunks(step) {
            buffer.extend_from_slice(piece);
            let decoded = dots.decode(&buffer, |octets| content.extend_from_slice(octets));
            buffer.drain(..decoded.used);
            assert!(decoded.ended || buffer.len() <= 2, "only a dot and a CR may wait");
            if decoded.ended {
                buffer.extend_from_slice(&input[consumed(input, piece)..]);
                return Some((content, dots.smuggling(), buffer));
            }
        }
        None
    }

    fn consumed(input: &[u8], piece: &[u8]) -> usize {
        piece.as_ptr().addr() - input.as_ptr().addr() + piece.len()
    }

    fn stuff(content: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        for (at, octet) in content.iter().enumerate() {
            if *octet == b'.' && (at == 0 || content[..at].ends_with(b"\r\n")) {
                wire.push(b'.');
            }
            wire.push(*octet);
        }
        wire
    }

    #[test]
    fn known_answers_at_every_cut() {
        for (wire, content) in [
            (&b".\r\n"[..], &b""[..]),
            (b"\r\n.\r\n", b"\r\n"),
            (b"..x\r\n.\r\n", b".x\r\n"),
            (b"a\r\n..\r\n...\r\n.\r\n", b"a\r\n.\r\n..\r\n"),
            (b"a.b\r\n.c\r\n.\r\n", b"a.b\r\nc\r\n"),
            (b"a\nb\rc\0d\r\n.\r\n", b"a\nb\rc\0d\r\n"),
            (b"a\n.b\r.c\r\n.\r\n", b"a\n.b\r.c\r\n"),
        ] {
            for step in 1..=wire.len() {
                assert_eq!(
                    decode(wire, step),
                    Some((content.to_vec(), false, Vec::new())),
                    "{wire:?} by {step}"
                );
            }
        }
    }

    #[test]
    fn what_follows_the_end_is_left() {
        let (content, _, left) = decode(b"a\r\n.\r\nQUIT\r\n", 100).expect("it ends");
        assert_eq!((content, left), (b"a\r\n".to_vec(), b"QUIT\r\n".to_vec()));
    }

    #[test]
    fn every_false_end_is_noticed_and_ends_nothing() {
        let ends: [&[u8]; 7] = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\0\r\n", b"\r\n\0", b"\n\0\0"];
        let after: [&[u8]; 6] = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\0\r\n", b"\0\n"];
        for (before, after) in ends.iter().flat_map(|before| after.iter().map(move |after| (before, after))) {
            let sequence = [before, &b"."[..], after].concat();
            if sequence.ends_with(b"\r\n.\r\n") {
                continue;
            }
            let wire = [b"a", &sequence[..], b"MAIL FROM:<x@y.example>\r\n.\r\n"].concat();
            for step in [1, 2, 3, wire.len()] {
                let (_, smuggling, left) = decode(&wire, step).expect("it ends at the true end");
                assert!(smuggling && left.is_empty(), "{sequence:?} by {step}");
            }
        }
    }

    #[test]
    fn a_false_end_at_the_very_start_is_noticed() {
        for start in [&b".\n"[..], b".\rx", b".\0\r\n", b"\0.\r\n"] {
            let wire = [start, b"x\r\n.\r\n"].concat();
            assert!(decode(&wire, 1).expect("it ends").1, "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn stuffing_is_undone(content in "[.\r\na\0]{0,60}", step in 1_usize..9) {
            let content = [content.as_bytes(), b"\r\n"].concat();
            let wire = [&stuff(&content)[..], b".\r\n"].concat();
            let (decoded, _, left) = decode(&wire, step).expect("it ends");
            prop_assert_eq!(decoded, content);
            prop_assert!(left.is_empty());
        }

        #[test]
        fn cuts_change_nothing(wire in "[.\r\na\0]{0,60}", step in 1_usize..9) {
            let wire = [wire.as_bytes(), b"\r\n.\r\n"].concat();
            prop_assert_eq!(decode(&wire, step), decode(&wire, wire.len()));
        }

        #[test]
        fn whatever_a_lenient_reader_ends_at_is_noticed(wire in "[.\r\na]{0,60}") {
            let wire = [wire.as_bytes(), b"\r\n.\r\n"].concat();
            let (_, smuggling, left) = decode(&wire, wire.len()).expect("it ends");
            let ours = wire.len() - left.len();
            // A reader that takes any of CR, LF and CRLF for a line end, and ends at a lone dot.
            let text = String::from_utf8_lossy(&wire[..ours]);
            let seen = format!("\n{}", text.replace("\r\n", "\n").replace('\r', "\n"));
            let early = seen.find("\n.\n").is_some_and(|at| at + 3 < seen.len());
            prop_assert!(smuggling || !early, "{:?}", seen);
        }
    }
}

//! Replies: a code, an enhanced code, lines of text (RFC 5321 §4.2, RFC 2034, RFC 3463).

use std::borrow::Cow;

/// An enhanced status code: class, subject, detail (RFC 3463 §2).
pub type Enhanced = (u8, u16, u16);

/// What the server answers to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply of one line with an enhanced code.
    pub fn new(code: u16, enhanced: Enhanced, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), lines: vec![text.into()] }
    }

    /// A reply without an enhanced code: the greeting, the answers to HELO and EHLO, and 3yz
    /// replies have none (RFC 2034 §4).
    pub fn plain(code: u16, lines: Vec<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, lines }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether it refuses, for now or for good (RFC 5321 §4.2.1).
    pub fn refuses(&self) -> bool {
        self.code >= 400
    }

    /// Appends the reply as it goes over the wire. Each line carries both codes (RFC 2034 §4).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (at, text) in self.lines.iter().enumerate() {
            let separator = if at == last { ' ' } else { '-' };
            let start = match self.enhanced {
                None => format!("{}{separator}", self.code),
                Some((class, subject, detail)) => {
                    format!("{}{separator}{class}.{subject}.{detail} ", self.code)
                }
            };
            let room = MAX_LINE.saturating_sub(start.len() + 2);
            out.extend_from_slice(start.as_bytes());
            out.extend(text.bytes().map(printable).take(room));
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A text that held a line end would be a second reply: nothing but printable ASCII leaves
/// (RFC 5321 §4.2, `textstring`).
fn printable(octet: u8) -> u8 {
    if matches!(octet, b' '..=b'~') { octet } else { b'?' }
}

/// RFC 5321 §4.5.3.1.5, in octets, with the line end.
const MAX_LINE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.encode(&mut out);
        String::from_utf8(out).expect("replies are ASCII")
    }

    #[test]
    fn one_line_and_many_lines() {
        assert_eq!(wire(&Reply::new(250, (2, 1, 0), "fine")), "250 2.1.0 fine\r\n");
        let many = Reply::plain(250, vec!["mx.example".into(), "SIZE 5".into()]);
        assert_eq!(wire(&many), "250-mx.example\r\n250 SIZE 5\r\n");
    }

    #[test]
    fn a_text_cannot_forge_a_second_reply() {
        let forged = Reply::new(550, (5, 1, 1), "no\r\n250 yes\0é");
        assert_eq!(wire(&forged), "550 5.1.1 no??250 yes???\r\n");
    }

    #[test]
    fn lines_stay_within_the_limit() {
        assert_eq!(wire(&Reply::new(250, (2, 0, 0), "x".repeat(600))).len(), MAX_LINE);
    }
}

//! Attachments piece by piece: where a part stands in its message, and its transfer encoding taken off while
//! it passes (RFC 2045 §6), with the same outcome as when it is decoded at once.

use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wipe::Wiped;

/// Where the content of an attachment is.
pub enum Content {
    /// Here: it is small, or encoded in a way that is not read piece by piece.
    Here(Wiped),
    /// In these octets of the message.
    There {
        /// Which.
        range: Range<u64>,
        /// How they are read.
        decoder: Decoder,
    },
}

/// Takes off a transfer encoding while octets pass.
pub enum Decoder {
    /// There is none.
    Plain,
    /// Base64, and what has come of a group of four.
    Base64(Vec<u8>),
}

impl Decoder {
    /// The octets that these stand for.
    pub fn decode(&mut self, octets: &[u8]) -> Wiped {
        match self {
            Self::Plain => octets.to_vec().into(),
            Self::Base64(rest) => {
                let mut groups = std::mem::take(rest);
                groups.extend(octets.iter().filter(|octet| !octet.is_ascii_whitespace()));
                rest.extend(groups.drain(groups.len() / 4 * 4..));
                ENGINE.decode(&groups).unwrap_or_default().into()
            }
        }
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> Wiped {
        match self {
            Self::Plain => Wiped::default(),
            Self::Base64(rest) => ENGINE.decode(std::mem::take(rest)).unwrap_or_default().into(),
        }
    }

    /// Whether reading `written` in pieces gives `content`.
    pub(super) fn gives(mut self, written: &[u8], mut content: &[u8]) -> bool {
        let pieces = written.chunks(PIECE).map(Some).chain([None]);
        for piece in pieces {
            let decoded = match piece {
                Some(piece) => self.decode(piece),
                None => self.finish(),
            };
            match content.strip_prefix(&*decoded) {
                Some(rest) => content = rest,
                None => return false,
            }
        }
        content.is_empty()
    }
}

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// Octets that are looked at in one go.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let content: Vec<u8> = (0..100_001_u32).map(|at| (at * 31 % 251) as u8).collect();
        let encoded = base64::engine::general_purpose::STANDARD.encode(&content);
        let lines: Vec<u8> =
            encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
        assert!(Decoder::Base64(Vec::new()).gives(&lines, &content));
        let mut decoder = Decoder::Base64(Vec::new());
        let mut found: Vec<u8> = lines.chunks(7).flat_map(|piece| decoder.decode(piece).to_vec()).collect();
        found.extend_from_slice(&decoder.finish());
        assert!(found == content);
        assert!(Decoder::Plain.gives(&lines, &lines));
    }

    #[test]
    fn what_is_decoded_otherwise_is_noticed() {
        assert!(!Decoder::Base64(Vec::new()).gives(b"AAAA!AAA", b"\0\0\0"));
        assert!(!Decoder::Base64(Vec::new()).gives(b"AAAA====AAAA", b"\0\0\0\0\0\0"));
        assert!(!Decoder::Plain.gives(b"one", b"other"));
    }
}

//! Images that a page may show without fetching them: those whose first octets say that they are one.
//!
//! What a header or a `data:` URI declares counts for nothing. Vector images are documents that can
//! run code, so only four raster formats pass.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The media type that the octets themselves show, if it is one of the harmless four.
pub(super) fn sniffed(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// An image as a `data:` URI (RFC 2397) under its sniffed type. `None` if it is none, or too big.
pub(super) fn embedded(octets: &[u8]) -> Option<String> {
    let media_type = sniffed(octets).filter(|_| octets.len() <= MAX_IMAGE)?;
    Some(format!("data:{media_type};base64,{}", STANDARD.encode(octets)))
}

/// The octets of a `data:` URI in base64. Others are not images that mail programs make.
pub(super) fn decoded(uri: &str) -> Option<Vec<u8>> {
    let (head, body) = uri.split_once(',')?;
    let head = head.trim_start().to_ascii_lowercase();
    if !head.starts_with("data:") || !head.ends_with(";base64") || body.len() / 4 * 3 > MAX_IMAGE {
        return None;
    }
    let body: String = body.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

/// Octets of one image.
pub(super) const MAX_IMAGE: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    #[test]
    fn images_come_back_under_their_true_type() {
        let uri = embedded(PNG).expect("a png");
        assert!(uri.starts_with("data:image/png;base64,"));
        assert_eq!(decoded(&uri).as_deref(), Some(PNG));
        assert_eq!(decoded(&uri.replace("image/png", "text/html")).as_deref(), Some(PNG));
    }

    #[test]
    fn documents_are_no_images() {
        for octets in [&b"<svg onload=alert(1)>"[..], b"<html>", b"GIF89", b"", b"RIFF1234WAVE"] {
            assert_eq!(embedded(octets), None);
        }
        for uri in
            ["data:text/html,<script>", "data:image/png,abc", "image/png;base64,AAAA", "data:;base64,?"]
        {
            assert_eq!(decoded(uri), None);
        }
    }

    #[test]
    fn big_ones_are_left_out() {
        let mut octets = PNG.to_vec();
        octets.resize(MAX_IMAGE + 1, 0);
        assert_eq!(embedded(&octets), None);
    }
}

//! What the first octets of a content say about its type, to check what its header declares.
//!
//! A short table of common formats: a declared type with a known signature must carry it, and a
//! content with a known signature must be declared as such.

use super::content_type::Media;

/// Whether the declared type and the first octets of the content agree.
pub fn agrees(media: &Media, content: &[u8]) -> bool {
    let declared = Format::of_media(media);
    let found = Format::of_content(content);
    match (declared, found) {
        (Some(declared), found) => Some(declared) == found,
        (None, Some(Format::Html)) => false,
        (None, found) => found.is_none() && (media.kind != "text" || memchr::memchr(0, content).is_none()),
    }
}

/// The same for the texts of a message, which need no signature: an HTML body may begin anyhow.
pub fn agrees_as_text(media: &Media, content: &[u8]) -> bool {
    let found = Format::of_content(content);
    found.is_none() || found == Format::of_media(media)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Pdf,
    Png,
    Jpeg,
    Gif,
    Webp,
    Bmp,
    Tiff,
    Icon,
    Zip,
    Gzip,
    SevenZip,
    Rar,
    Ole,
    Rtf,
    Html,
    Wave,
    Ogg,
    Mp4,
    Program,
    Tnef,
    Calendar,
    Card,
}

impl Format {
    fn of_media(media: &Media) -> Option<Self> {
        let format = match (media.kind.as_str(), media.subtype.as_str()) {
            ("application", "pdf") => Self::Pdf,
            ("image", "png") => Self::Png,
            ("image", "jpeg" | "jpg" | "pjpeg") => Self::Jpeg,
            ("image", "gif") => Self::Gif,
            ("image", "webp") => Self::Webp,
            ("image", "bmp") => Self::Bmp,
            ("image", "tiff") => Self::Tiff,
            ("image", "x-icon" | "vnd.microsoft.icon") => Self::Icon,
            ("application", "zip" | "x-zip-compressed" | "java-archive" | "epub+zip") => Self::Zip,
            ("application", "gzip" | "x-gzip") => Self::Gzip,
            ("application", "x-7z-compressed") => Self::SevenZip,
            ("application", "vnd.rar" | "x-rar-compressed") => Self::Rar,
            ("application", "msword" | "vnd.ms-excel" | "vnd.ms-powerpoint" | "vnd.ms-outlook") => Self::Ole,
            ("application" | "text", "rtf") => Self::Rtf,
            ("text", "html") | ("application", "xhtml+xml") => Self::Html,
            ("audio", "wav" | "x-wav") => Self::Wave,
            ("audio" | "video" | "application", "ogg") => Self::Ogg,
            ("video" | "audio", "mp4") => Self::Mp4,
            ("application", "ms-tnef" | "vnd.ms-tnef") => Self::Tnef,
            ("text", "calendar") | ("application", "ics") => Self::Calendar,
            ("text", "vcard" | "x-vcard" | "directory") => Self::Card,
            ("application", subtype) if is_zipped_office(subtype) => Self::Zip,
            _ => return None,
        };
        Some(format)
    }

    fn of_content(content: &[u8]) -> Option<Self> {
        let signed = SIGNATURES.iter().find(|(signature, _)| content.starts_with(signature));
        signed.map(|(_, format)| *format).or_else(|| container(content)).or_else(|| markup(content))
    }
}

/// Formats whose signature is not at the start, or too short to stand without a NUL near it.
fn container(content: &[u8]) -> Option<Format> {
    let binary = content[..content.len().min(MAX_BINARY)].contains(&0);
    match content {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::Webp),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Format::Wave),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] if binary => Some(Format::Mp4),
        [b'M', b'Z', ..] if binary => Some(Format::Program),
        [b'B', b'M', ..] if binary => Some(Format::Bmp),
        _ => None,
    }
}

/// Office Open XML and OpenDocument are zip archives.
fn is_zipped_office(subtype: &str) -> bool {
    subtype.starts_with("vnd.openxmlformats-officedocument.")
        || subtype.starts_with("vnd.oasis.opendocument.")
}

/// Formats that begin with a word, after white space and a byte order mark.
fn markup(content: &[u8]) -> Option<Format> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    let start = content[..content.len().min(MAX_WORD)].to_ascii_lowercase();
    WORDS.iter().find(|(word, _)| start.starts_with(word)).map(|(_, format)| *format)
}

const SIGNATURES: [(&[u8], Format); 18] = [
    (b"%PDF-", Format::Pdf),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"II*\0", Format::Tiff),
    (b"MM\0*", Format::Tiff),
    (b"\0\0\x01\0", Format::Icon),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"\x1f\x8b", Format::Gzip),
    (b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
    (b"Rar!\x1a\x07", Format::Rar),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Ole),
    (b"{\\rtf", Format::Rtf),
    (b"OggS", Format::Ogg),
    (b"\x7fELF", Format::Program),
    (b"\x78\x9f\x3e\x22", Format::Tnef),
];

const WORDS: [(&[u8], Format); 8] = [
    (b"<!doctype html", Format::Html),
    (b"<html", Format::Html),
    (b"<head", Format::Html),
    (b"<body", Format::Html),
    (b"<script", Format::Html),
    (b"<iframe", Format::Html),
    (b"begin:vcalendar", Format::Calendar),
    (b"begin:vcard", Format::Card),
];
/// Octets in which a binary format shows a NUL.
const MAX_BINARY: usize = 64;
/// As long as the longest word.
const MAX_WORD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_and_sniffed_type_must_agree() {
        for (kind, subtype, content, expected) in [
            ("application", "pdf", &b"%PDF-1.7"[..], true),
            ("application", "pdf", b"PK\x03\x04", false),
            ("application", "pdf", b"hello", false),
            ("image", "png", b"\x89PNG\r\n\x1a\nxx", true),
            ("image", "webp", b"RIFF\0\0\0\0WEBPVP8 ", true),
            ("image", "svg+xml", b"<svg>", true),
            ("image", "svg+xml", b" <script>", false),
            ("text", "csv", b"a,b\r\n", true),
            ("text", "csv", b"%PDF-", false),
            ("text", "csv", b"a\0", false),
            ("application", "octet-stream", b"%PDF-", false),
            ("application", "octet-stream", b"\x01\x02", true),
            ("application", "vnd.oasis.opendocument.text", b"PK\x03\x04", true),
            ("text", "calendar", b"BEGIN:VCALENDAR\r\n", true),
            ("application", "ics", b"BEGIN:VCALENDAR\r\n", true),
            ("text", "plain", b"MZ is short for Mainz", true),
            ("application", "octet-stream", b"MZ\x90\0\x03", false),
            ("image", "bmp", b"BM\x46\0\0\0", true),
        ] {
            assert_eq!(agrees(&Media::new(kind, subtype), content), expected, "{kind}/{subtype}");
        }
    }
}

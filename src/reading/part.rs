//! The parts of a message: its texts, its images, and everything else as attachments.
//!
//! Attachments are numbered from 1 in the order in which they stand; the same octets give the same
//! numbers, so a number is a stable address. Contents are decoded from the octets anew (RFC 2045
//! §6): the charset of an attached text stays as it is.

use super::allowed::{Images, located};
use super::file_name::{self, file_name};
use super::html::{HtmlBody, Piece};
use super::invite::Invite;
use super::transfer::{Content, Decoder};
use super::{MAX_TEXT, Note, Reading, cut, gauge, image, invite, text};
use crate::message::content_type::Media;
use crate::message::sniff;
use crate::wipe::Wiped;
use encoding_rs::{Encoding, WINDOWS_1252};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding as Transfer, Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::collections::HashMap;
use url::Url;

/// Something that came with a message.
#[derive(Clone)]
pub struct Attachment {
    /// Its number in the message, from 1.
    pub number: usize,
    /// Its name, safe to show and to save.
    pub name: String,
    /// The type it is declared as, `type/subtype` in lower case; for icons and words, not to be
    /// served under.
    pub media_type: String,
    /// Its size, decoded.
    pub octets: u64,
    /// Whether the text refers to it, as to an image.
    pub inline: bool,
    /// What it is, roughly.
    pub kind: Kind,
    /// Whether opening it may do harm: a program, a script, a name or type that pretends.
    pub dangerous: bool,
}

/// What an attachment is, for an icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A picture.
    Image,
    /// A PDF.
    Pdf,
    /// A text or slides of an office program.
    Document,
    /// A table.
    Spreadsheet,
    /// Files packed together.
    Archive,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// A calendar.
    Calendar,
    /// An address card.
    Contact,
    /// Another message.
    Message,
    /// Text.
    Text,
    /// Anything else.
    Other,
}

/// Fills in the bodies, the attachments and the invitations.
pub(super) fn read(octets: &[u8], message: &Message<'_>, reading: &mut Reading) {
    let parts = || message.attachments.iter().filter_map(|id| message.parts.get(*id as usize));
    let mut images = Images::default();
    let bases = Bases::of(message);
    for (index, part) in parts().take(MAX_ATTACHMENTS).enumerate() {
        let content = decoded(octets, part);
        let attachment = described(index + 1, part, &content);
        if image::sniffed(&content).is_some() && content.len() <= image::MAX_IMAGE {
            let id = part.content_id().map(|id| id.trim_matches(['<', '>', ' ']));
            let place = place(part, bases.above(part).as_ref());
            images.add(content.to_vec(), id, place.map(String::from));
        }
        if attachment.kind == Kind::Calendar {
            invited(reading, invite::invites(&String::from_utf8_lossy(&content)));
        }
        reading.attachments.push(attachment);
    }
    if parts().nth(MAX_ATTACHMENTS).is_some() {
        reading.notes.push(Note::TooMany);
    }
    reading.text = plain_text(octets, message, &mut reading.notes);
    reading.html = html(octets, message, (images, &bases), &mut reading.notes);
}

/// Where the multiparts of a message lie: what is relative in them begins there (RFC 2557 §5).
struct Bases(HashMap<u32, Url>);

impl Bases {
    fn of(message: &Message<'_>) -> Self {
        let mut bases = HashMap::new();
        // A multipart stands before what is in it.
        for part in &message.parts {
            let PartType::Multipart(children) = &part.body else { continue };
            let above = bases.get(&part.offset_header).cloned();
            let Some(base) = base(part, above.as_ref()).or(above) else { continue };
            let inside = children.iter().filter_map(|child| message.parts.get(*child as usize));
            bases.extend(inside.map(|child| (child.offset_header, base.clone())));
        }
        Self(bases)
    }

    /// The base that a part has from the multiparts around it.
    fn above(&self, part: &MessagePart<'_>) -> Option<Url> {
        self.0.get(&part.offset_header).cloned()
    }
}

/// Where a part lies.
fn place(part: &MessagePart<'_>, above: Option<&Url>) -> Option<Url> {
    let own = content_base(part, above);
    located(part.content_location()?, own.as_ref().or(above))
}

/// Where what is relative in a part begins.
fn base(part: &MessagePart<'_>, above: Option<&Url>) -> Option<Url> {
    content_base(part, above).or_else(|| place(part, above)).or_else(|| above.cloned())
}

/// Content-Base, which RFC 2110 had and old programs write.
fn content_base(part: &MessagePart<'_>, above: Option<&Url>) -> Option<Url> {
    let mut fields = part.headers.iter();
    let field = fields.find(|field| field.name().eq_ignore_ascii_case("Content-Base"))?;
    located(field.value().as_text()?.trim_matches(['"', '<', '>', ' ']), above)
}

/// Adds meetings. Most come twice: as an alternative of the text, and as a file.
fn invited(reading: &mut Reading, invites: Vec<Invite>) {
    for invite in invites {
        if reading.invites.len() < MAX_INVITES && !reading.invites.contains(&invite) {
            reading.invites.push(invite);
        }
    }
}

/// The attachment with this number.
pub(super) fn content(octets: &[u8], message: &Message<'_>, number: usize) -> Option<(Attachment, Wiped)> {
    let index = number.checked_sub(1).filter(|index| *index < MAX_ATTACHMENTS)?;
    let part = message.parts.get(*message.attachments.get(index)? as usize)?;
    let content = decoded(octets, part);
    Some((described(number, part, &content), content.into_owned().into()))
}

/// The same, and where its content is: what is large is read from there once more, piece by piece.
pub(super) fn locate(octets: &[u8], message: &Message<'_>, number: usize) -> Option<(Attachment, Content)> {
    let index = number.checked_sub(1).filter(|index| *index < MAX_ATTACHMENTS)?;
    let part = message.parts.get(*message.attachments.get(index)? as usize)?;
    let content = decoded(octets, part);
    let attachment = described(number, part, &content);
    let range = part.offset_body as usize..part.offset_end as usize;
    let decoder = || match part.encoding {
        Transfer::Base64 => Some(Decoder::Base64(Vec::new())),
        Transfer::None => Some(Decoder::Plain),
        Transfer::QuotedPrintable => None,
    };
    let written = octets.get(range.clone()).filter(|_| content.len() > SMALL);
    let gives = |written: &[u8]| decoder()?.gives(written, &content).then(decoder)?;
    let content = match written.and_then(gives) {
        Some(decoder) => Content::There { range: range.start as u64..range.end as u64, decoder },
        None => Content::Here(content.into_owned().into()),
    };
    Some((attachment, content))
}

fn plain_text(octets: &[u8], message: &Message<'_>, notes: &mut Vec<Note>) -> Option<String> {
    let texts: Vec<String> = message
        .text_bodies()
        .filter(|part| matches!(part.body, PartType::Text(_)))
        .map(|part| words(octets, part))
        .collect();
    if texts.is_empty() {
        return None;
    }
    Some(shortened(&texts.join("\n"), MAX_TEXT, Note::TextCut, notes))
}

/// The HTML, if there is any; texts that stand beside it belong to it.
fn html(
    octets: &[u8],
    message: &Message<'_>,
    (images, bases): (Images, &Bases),
    notes: &mut Vec<Note>,
) -> Option<HtmlBody> {
    if !message.html_bodies().any(|part| matches!(part.body, PartType::Html(_))) {
        return None;
    }
    let mut left = gauge::MAX_OCTETS;
    let mut pieces = Vec::new();
    for part in message.html_bodies() {
        let piece = |text: String, notes| shortened(&text, left, Note::HtmlCut, notes);
        let piece = match &part.body {
            PartType::Html(_) => {
                Piece::Html(piece(words(octets, part), notes), base(part, bases.above(part).as_ref()))
            }
            PartType::Text(_) => Piece::Text(piece(words(octets, part), notes)),
            _ => continue,
        };
        let (Piece::Html(text, _) | Piece::Text(text)) = &piece;
        left -= text.len();
        pieces.push(piece);
    }
    Some(HtmlBody::new(pieces, images))
}

fn shortened(text: &str, octets: usize, note: Note, notes: &mut Vec<Note>) -> String {
    let (text, cut) = cut(text, octets);
    notes.extend(cut.then_some(note));
    text.to_owned()
}

/// The words of a text part. mail-parser decodes what names a charset; what names none and is not
/// UTF-8 was most often written on Windows.
fn words(octets: &[u8], part: &MessagePart<'_>) -> String {
    let declared = part.content_type().and_then(|media| media.attribute("charset"));
    let parsed = part.text_contents().unwrap_or_default();
    let text = match declared {
        None if parsed.contains('\u{fffd}') => guessed(&decoded(octets, part)),
        _ => parsed.to_owned(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match part.content_type() {
        Some(media)
            if media.attribute("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed")) =>
        {
            let delete_space =
                media.attribute("delsp").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
            text::unflowed(text, delete_space)
        }
        _ => text.to_owned(),
    }
}

fn guessed(content: &[u8]) -> String {
    let (encoding, mark) = Encoding::for_bom(content).unwrap_or((WINDOWS_1252, 0));
    encoding.decode_without_bom_handling(&content[mark..]).0.into_owned()
}

/// The content of a part without its transfer encoding; as it stands, if that is broken.
fn decoded<'o>(octets: &'o [u8], part: &'o MessagePart<'_>) -> Cow<'o, [u8]> {
    let written = octets.get(part.offset_body as usize..part.offset_end as usize);
    match (&part.body, part.encoding, written) {
        (PartType::Binary(content) | PartType::InlineBinary(content), _, _) => Cow::Borrowed(content),
        // A message that was encoded has offsets of its own.
        (PartType::Message(inner), Transfer::Base64 | Transfer::QuotedPrintable, _) => {
            Cow::Borrowed(inner.raw_message.as_ref())
        }
        (_, Transfer::Base64, Some(written)) => base64_decode(written).map_or(written.into(), Cow::Owned),
        (_, Transfer::QuotedPrintable, Some(written)) => {
            quoted_printable_decode(written).map_or(written.into(), Cow::Owned)
        }
        (_, Transfer::None, Some(written)) => written.into(),
        (_, _, None) => Cow::Borrowed(part.text_contents().unwrap_or_default().as_bytes()),
    }
}

fn described(number: usize, part: &MessagePart<'_>, content: &[u8]) -> Attachment {
    let media = declared(part);
    let written = part.attachment_name().unwrap_or_default();
    let kind = kind(&media, written);
    let name = if written.trim().is_empty() { unnamed(kind, &media) } else { file_name(written) };
    let disposition = part.content_disposition();
    Attachment {
        number,
        media_type: format!("{}/{}", media.kind, media.subtype),
        octets: content.len() as u64,
        inline: disposition.map_or(part.content_id().is_some(), |disposition| disposition.is_inline()),
        kind,
        dangerous: is_dangerous(written, &name, &media, content),
        name,
    }
}

/// The declared type, if it is of the grammar (RFC 2045 §5.1).
fn declared(part: &MessagePart<'_>) -> Media {
    let token = |text: &str| {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet);
        (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(fits)
    };
    if matches!(part.body, PartType::Message(_)) {
        return Media::new("message", "rfc822");
    }
    let media = part.content_type().and_then(|media| {
        let (kind, subtype) = (media.ctype(), media.subtype()?);
        (token(kind) && token(subtype))
            .then(|| Media::new(&kind.to_ascii_lowercase(), &subtype.to_ascii_lowercase()))
    });
    media.unwrap_or_else(|| match part.body {
        PartType::Text(_) => Media::new("text", "plain"),
        _ => Media::new("application", "octet-stream"),
    })
}

fn kind(media: &Media, name: &str) -> Kind {
    let subtype = media.subtype.as_str();
    match media.kind.as_str() {
        "image" => Kind::Image,
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        "message" => Kind::Message,
        "text" if subtype == "calendar" => Kind::Calendar,
        "text" if matches!(subtype, "vcard" | "x-vcard" | "directory") => Kind::Contact,
        "text" if subtype == "csv" => Kind::Spreadsheet,
        "text" => Kind::Text,
        _ if subtype == "ics" => Kind::Calendar,
        _ => kind_of_extension(&file_name::extension(name).unwrap_or_else(|| subtype.to_owned())),
    }
}

fn kind_of_extension(extension: &str) -> Kind {
    match extension {
        "pdf" => Kind::Pdf,
        "doc" | "docx" | "odt" | "rtf" | "pages" | "msword" | "ppt" | "pptx" | "odp" => Kind::Document,
        "xls" | "xlsx" | "ods" | "csv" | "vnd.ms-excel" => Kind::Spreadsheet,
        "zip" | "gz" | "gzip" | "tgz" | "tar" | "7z" | "rar" | "xz" | "bz2" | "zst" => Kind::Archive,
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "heic" | "bmp" | "tif" | "tiff" | "svg" => Kind::Image,
        "ics" => Kind::Calendar,
        "vcf" => Kind::Contact,
        "eml" | "msg" => Kind::Message,
        "txt" | "md" | "log" => Kind::Text,
        "mp3" | "wav" | "ogg" | "m4a" | "flac" => Kind::Audio,
        "mp4" | "mov" | "webm" | "mkv" | "avi" => Kind::Video,
        _ => Kind::Other,
    }
}

/// A name for what has none.
fn unnamed(kind: Kind, media: &Media) -> String {
    let extension = match (kind, media.subtype.as_str()) {
        (Kind::Message, "rfc822" | "global") => "eml",
        (Kind::Calendar, _) => "ics",
        (Kind::Contact, _) => "vcf",
        (Kind::Image, "jpeg") => "jpg",
        (Kind::Image, "png" | "gif" | "webp") | (_, "pdf" | "zip" | "csv") => media.subtype.as_str(),
        (Kind::Text, "html") => "html",
        (Kind::Text, _) => "txt",
        _ => return "attachment".to_owned(),
    };
    let stem = if kind == Kind::Message { "message" } else { "attachment" };
    format!("{stem}.{extension}")
}

fn is_dangerous(written: &str, name: &str, media: &Media, content: &[u8]) -> bool {
    let extension = file_name::extension(name).unwrap_or_default();
    HARMFUL.contains(&extension.as_str())
        || HARMFUL_TYPES.contains(&media.subtype.as_str())
        || file_name::misleads(written)
        || has_two_extensions(name, &extension)
        || is_program(content)
        || pretends(media, &extension, content)
}

/// `invoice.pdf.zip`: the first extension is there to be believed.
fn has_two_extensions(name: &str, last: &str) -> bool {
    let stem = name.len() - last.len();
    let before = name.get(..stem.saturating_sub(1)).and_then(file_name::extension);
    before.is_some_and(|before| BELIEVED.contains(&before.as_str()) && !SEALS.contains(&last))
}

fn is_program(content: &[u8]) -> bool {
    let starts = PROGRAMS.iter().any(|signature| content.starts_with(signature));
    starts || content.starts_with(b"MZ") && content[..content.len().min(MAX_SIGNATURE)].contains(&0)
}

/// Whether the content is not what its type or its name claims.
fn pretends(media: &Media, extension: &str, content: &[u8]) -> bool {
    let vague = media.kind == "application" && VAGUE.contains(&media.subtype.as_str());
    let by_type = (!vague).then(|| media.clone());
    let by_name = claimed(extension);
    [by_type, by_name]
        .into_iter()
        .flatten()
        .any(|claim| !content.is_empty() && !sniff::agrees(&claim, content))
}

/// The type that a name claims, where its content has a signature.
fn claimed(extension: &str) -> Option<Media> {
    let (kind, subtype) = match extension {
        "pdf" => ("application", "pdf"),
        "png" => ("image", "png"),
        "jpg" | "jpeg" => ("image", "jpeg"),
        "gif" => ("image", "gif"),
        "webp" => ("image", "webp"),
        "zip" | "docx" | "xlsx" | "pptx" | "odt" | "ods" | "odp" => ("application", "zip"),
        "txt" | "csv" | "log" => ("text", "plain"),
        _ => return None,
    };
    Some(Media::new(kind, subtype))
}

/// What Windows, macOS, Linux and their office programs run, or what opens in a browser with the
/// rights of a local file.
const HARMFUL: [&str; 76] = [
    "ade",
    "adp",
    "apk",
    "app",
    "appimage",
    "appx",
    "application",
    "bat",
    "chm",
    "cmd",
    "com",
    "command",
    "cpl",
    "deb",
    "desktop",
    "diagcab",
    "dll",
    "dmg",
    "docm",
    "dotm",
    "exe",
    "gadget",
    "hlp",
    "hta",
    "htm",
    "html",
    "img",
    "inf",
    "ins",
    "iso",
    "jar",
    "jnlp",
    "js",
    "jse",
    "library-ms",
    "lnk",
    "mde",
    "mht",
    "mhtml",
    "msc",
    "msi",
    "msix",
    "msp",
    "mst",
    "one",
    "pif",
    "pkg",
    "potm",
    "ppam",
    "ppsm",
    "pptm",
    "ps1",
    "psm1",
    "py",
    "reg",
    "rpm",
    "scf",
    "scr",
    "sct",
    "settingcontent-ms",
    "sh",
    "shb",
    "shtml",
    "svg",
    "sys",
    "url",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vhdx",
    "wsf",
    "wsh",
    "xhtml",
    "xlsm",
    "xll",
];
const HARMFUL_TYPES: [&str; 10] = [
    "x-msdownload",
    "x-msdos-program",
    "x-dosexec",
    "x-executable",
    "x-sh",
    "x-shellscript",
    "javascript",
    "x-javascript",
    "hta",
    "svg+xml",
];
/// Extensions that people trust.
const BELIEVED: [&str; 14] =
    ["pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "jpg", "jpeg", "png", "gif", "txt", "csv", "mp4"];
/// Extensions that rightly stand behind another one: signatures and sealed or packed single files.
const SEALS: [&str; 12] =
    ["asc", "gpg", "pgp", "sig", "p7m", "p7s", "age", "gz", "xz", "eml", "sha256", "ots"];
/// ELF, scripts, Mach-O, Java classes (and Mach-O for several processors), Android, shortcuts.
const PROGRAMS: [&[u8]; 8] = [
    b"\x7fELF",
    b"#!",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xca\xfe\xba\xbe",
    b"dex\n",
    b"L\0\0\0\x01\x14\x02\0",
];
/// Types that say nothing.
const VAGUE: [&str; 5] = ["octet-stream", "binary", "unknown", "x-unknown", "x-download"];
/// Octets in which a program for Windows shows a NUL.
const MAX_SIGNATURE: usize = 64;
/// Octets of a type or a subtype (RFC 6838 §4.2).
const MAX_TOKEN: usize = 127;
/// Attachments that are listed; ours and others' limit of parts.
const MAX_ATTACHMENTS: usize = 600;
/// Up to so many octets an attachment is sent from memory.
const SMALL: usize = 64 * 1024;
/// Meetings of a message.
const MAX_INVITES: usize = 20;

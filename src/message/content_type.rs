//! The grammar of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183 §2, RFC 2231),
//! read strictly: comments, duplicate parameters, odd white space and mixed forms are anomalies,
//! because real parsers disagree about each of them.

use super::anomaly::Anomaly;
use super::header;
use super::lines::is_blank;
use super::part::DispositionKind;

/// A media type: both names and the parameters' names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The type, as "text".
    pub kind: String,
    /// The subtype, as "plain".
    pub subtype: String,
    /// Parameters as written, unquoted; names are different from each other.
    pub parameters: Vec<(String, String)>,
}

impl Media {
    /// A type without parameters.
    pub fn new(kind: &str, subtype: &str) -> Self {
        Self { kind: kind.to_owned(), subtype: subtype.to_owned(), parameters: Vec::new() }
    }

    /// Whether it is this type.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A checked Content-Disposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Its type.
    pub kind: DispositionKind,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
}

/// Reads the value of a Content-Type field, folding and line end included.
pub fn parse_media(value: &[u8]) -> Result<Media, Anomaly> {
    let mut cursor = Cursor { rest: trim(value) };
    let kind = cursor.token().ok_or(Anomaly::BadContentType)?;
    cursor.byte(b'/').ok_or(Anomaly::BadContentType)?;
    let subtype = cursor.token().ok_or(Anomaly::BadContentType)?;
    let parameters = parameters(&mut cursor, Anomaly::BadContentType)?;
    // A boundary or charset in RFC 2231 form is read by some and not by others.
    if parameters.iter().any(|(name, _)| name.contains('*') && !name.starts_with("name*")) {
        return Err(Anomaly::ParameterConflict);
    }
    Ok(Media { kind, subtype, parameters })
}

/// Reads the value of a Content-Disposition field.
pub fn parse_disposition(value: &[u8]) -> Result<Disposition, Anomaly> {
    let mut cursor = Cursor { rest: trim(value) };
    let kind = match cursor.token().ok_or(Anomaly::BadDisposition)?.as_str() {
        "inline" => DispositionKind::Inline,
        _ => DispositionKind::Attachment,
    };
    Ok(Disposition { kind, parameters: parameters(&mut cursor, Anomaly::BadDisposition)? })
}

/// The boundary of a multipart, if it is one that every parser reads alike (RFC 2046 §5.1.1).
pub fn boundary(media: &Media) -> Result<&str, Anomaly> {
    let boundary = media.parameter("boundary").ok_or(Anomaly::BadBoundary)?;
    let fits = (1..=MAX_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
    let plain = boundary.bytes().all(|byte| byte.is_ascii_alphanumeric() || BOUNDARY_MARKS.contains(&byte));
    (fits && plain && !boundary.contains("=?")).then_some(boundary).ok_or(Anomaly::BadBoundary)
}

/// The text of a file name parameter in all its forms (plain, encoded word, RFC 2231). `Ok(None)`
/// if there is none, an error if the forms are odd or contradict each other.
pub fn file_name(parameters: &[(String, String)], base: &str) -> Result<Option<String>, Anomaly> {
    let plain = parameters.iter().find(|(name, _)| name == base).map(|(_, value)| value);
    let plain = plain.map(|value| header::decode_words(value)).transpose();
    let plain = plain.map_err(|_| Anomaly::ParameterConflict)?;
    let extended = extended(parameters, base)?;
    match (plain, extended) {
        (Some(plain), Some(extended)) if plain != extended => Err(Anomaly::ParameterConflict),
        (plain, extended) => Ok(extended.or(plain)),
    }
}

/// Puts the pieces of an RFC 2231 parameter together: `name*`, or `name*0`, `name*1*`, ...
fn extended(parameters: &[(String, String)], base: &str) -> Result<Option<String>, Anomaly> {
    let pieces: Vec<(&str, &str)> = parameters
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(base)?.strip_prefix('*')?, value.as_str())))
        .collect();
    if pieces.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for index in 0..pieces.len() {
        let (label, value) = piece(&pieces, index).ok_or(Anomaly::ParameterConflict)?;
        let coded = label.is_empty() || label.ends_with('*');
        let value = if index == 0 && coded { without_charset(value)? } else { value };
        if coded { percent_decode(value, &mut bytes)? } else { bytes.extend_from_slice(value.as_bytes()) }
    }
    let text = String::from_utf8(bytes).map_err(|_| Anomaly::ParameterConflict)?;
    header::showable(text).map(Some).map_err(|_| Anomaly::ParameterConflict)
}

/// The piece with this number; the unnumbered form is number 0 and alone.
fn piece<'a>(pieces: &[(&'a str, &'a str)], index: usize) -> Option<(&'a str, &'a str)> {
    if let [("", value)] = pieces {
        return Some(("", value));
    }
    let (plain, coded) = (index.to_string(), format!("{index}*"));
    pieces.iter().copied().find(|(label, _)| *label == plain || *label == coded)
}

/// Cuts `charset'language'` off (RFC 2231 §4); charsets other than UTF-8 are in doubt.
fn without_charset(value: &str) -> Result<&str, Anomaly> {
    let mut fields = value.splitn(3, '\'');
    let charset = fields.next().unwrap_or_default();
    let (_, rest) = (fields.next(), fields.next());
    match rest {
        Some(rest) if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii") => {
            Ok(rest)
        }
        _ => Err(Anomaly::ParameterConflict),
    }
}

fn percent_decode(value: &str, out: &mut Vec<u8>) -> Result<(), Anomaly> {
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Anomaly::ParameterConflict);
        };
        // Two hexadecimal digits are below 256.
        out.push((high * 16 + low) as u8);
    }
    Ok(())
}

/// `*(";" attribute "=" value)` to the end of the value; `error` if it is anything else.
fn parameters(cursor: &mut Cursor, error: Anomaly) -> Result<Vec<(String, String)>, Anomaly> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        cursor.skip_white();
        if cursor.rest.is_empty() {
            return Ok(parameters);
        }
        cursor.byte(b';').ok_or(error)?;
        cursor.skip_white();
        let name = cursor.token().ok_or(error)?;
        // A value folded away from its name is lost by some parsers, a boundary among them.
        cursor.byte(b'=').ok_or(error)?;
        let value = cursor.value().ok_or(error)?;
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(Anomaly::ParameterConflict);
        }
        if parameters.len() == MAX_PARAMETERS {
            return Err(error);
        }
        parameters.push((name, value));
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[wanted])?;
        Some(())
    }

    /// White space and folds.
    fn skip_white(&mut self) {
        let white = self.rest.iter().take_while(|byte| is_blank(**byte) || matches!(byte, b'\r' | b'\n'));
        self.rest = &self.rest[white.count()..];
    }

    /// RFC 2045 §5.1 `token`, in lower case.
    fn token(&mut self) -> Option<String> {
        let token = self.take(is_token)?;
        Some(String::from_utf8_lossy(token).to_ascii_lowercase())
    }

    fn value(&mut self) -> Option<String> {
        if self.rest.first() == Some(&b'"') {
            return self.quoted();
        }
        self.take(is_token).map(|token| String::from_utf8_lossy(token).into_owned())
    }

    /// A quoted string without folds or controls (RFC 5322 §3.2.4).
    fn quoted(&mut self) -> Option<String> {
        self.byte(b'"')?;
        let mut text = String::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(text),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    // Only what must be escaped: other uses are read in two ways.
                    matches!(escaped, b'"' | b'\\').then(|| text.push(char::from(escaped)))?;
                }
                b' '..=b'~' => text.push(char::from(byte)),
                _ => return None,
            }
        }
    }

    fn take(&mut self, allowed: fn(u8) -> bool) -> Option<&[u8]> {
        let length = self.rest.iter().take_while(|byte| allowed(**byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then_some(taken)
    }
}

/// Cuts white space and line ends off both ends.
fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// RFC 2045 §5.1: printable ASCII except `tspecials`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// RFC 2046 §5.1.1 `bcharsnospace`, and the space.
const BOUNDARY_MARKS: &[u8] = b"'()+_,-./:=? ";
/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;
/// Ours: real fields have fewer than ten.
const MAX_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn media(value: &str) -> Result<Media, Anomaly> {
        parse_media(value.as_bytes())
    }

    #[test]
    fn plain_types_are_read() {
        let media = media(" Text/HTML; charset=\"UTF-8\";\r\n\tformat=flowed\r\n").unwrap();
        assert!(media.is("text", "html"));
        assert_eq!(media.parameter("charset"), Some("UTF-8"));
        assert_eq!(media.parameter("format"), Some("flowed"));
    }

    #[test]
    fn what_parsers_disagree_about_is_an_anomaly() {
        for (value, anomaly) in [
            ("text", Anomaly::BadContentType),
            ("text/plain (a comment)", Anomaly::BadContentType),
            ("text/plain;", Anomaly::BadContentType),
            ("text / plain", Anomaly::BadContentType),
            ("text/plain; charset =utf-8", Anomaly::BadContentType),
            ("multipart/mixed; boundary=\r\n \"x\"", Anomaly::BadContentType),
            ("text/plain; charset=a; charset=b", Anomaly::ParameterConflict),
            ("multipart/mixed; boundary*=utf-8''x", Anomaly::ParameterConflict),
            ("multipart/mixed; boundary*0=x", Anomaly::ParameterConflict),
            ("text/plain; name=\"a\\b\"", Anomaly::BadContentType),
            ("text/plain; name=\"open", Anomaly::BadContentType),
        ] {
            assert_eq!(media(value), Err(anomaly), "{value}");
        }
    }

    #[test]
    fn boundaries_keep_to_the_grammar() {
        for (text, good) in [
            ("a", true),
            ("a b", true),
            ("----=_Part_1'()+_,-./:?", true),
            ("a ", false),
            ("", false),
            ("a*b", false),
            ("=?utf-8?Q?a?=", false),
        ] {
            let media = media(&format!("multipart/mixed; boundary=\"{text}\"")).unwrap();
            assert_eq!(boundary(&media).is_ok(), good, "{text:?}");
        }
        let long = "x".repeat(71);
        assert!(boundary(&media(&format!("multipart/mixed; boundary={long}")).unwrap()).is_err());
    }

    #[test]
    fn file_names_of_all_forms() {
        for (value, expected) in [
            ("attachment", Ok(None)),
            ("attachment; filename=a.txt", Ok(Some("a.txt"))),
            ("attachment; filename*=UTF-8''%C3%A4.txt", Ok(Some("ä.txt"))),
            ("attachment; filename*0=\"a b\"; filename*1=c.txt", Ok(Some("a bc.txt"))),
            ("attachment; filename*1=c; filename*0*=utf-8'en'%41", Ok(Some("Ac"))),
            ("attachment; filename=x; filename*=utf-8''x", Ok(Some("x"))),
            ("attachment; filename=\"=?utf-8?Q?=C3=A4?=\"; filename*=utf-8''%C3%A4", Ok(Some("ä"))),
            ("attachment; filename=x; filename*=utf-8''y", Err(Anomaly::ParameterConflict)),
            ("attachment; filename*1=x", Err(Anomaly::ParameterConflict)),
            ("attachment; filename*=koi8-r''x", Err(Anomaly::ParameterConflict)),
            ("attachment; filename*=utf-8''a%0D%0ABcc", Err(Anomaly::ParameterConflict)),
            ("attachment; filename*=utf-8''%4", Err(Anomaly::ParameterConflict)),
        ] {
            let disposition = parse_disposition(value.as_bytes()).unwrap();
            let name = file_name(&disposition.parameters, "filename");
            assert_eq!(name, expected.map(|name| name.map(str::to_owned)), "{value}");
        }
    }

    #[test]
    fn unknown_dispositions_are_attachments() {
        assert_eq!(parse_disposition(b"inline").unwrap().kind, DispositionKind::Inline);
        assert_eq!(parse_disposition(b"form-data").unwrap().kind, DispositionKind::Attachment);
        assert_eq!(parse_disposition(b"=").unwrap_err(), Anomaly::BadDisposition);
    }
}

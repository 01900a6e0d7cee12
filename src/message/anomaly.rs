//! Every deviation that makes two parsers read one message in two ways, by name.
//!
//! An anomaly seals what it touches: content is shown only if it is the same under every reading,
//! so nothing here is repaired. The scope says how far the doubt reaches.

use std::fmt;

/// A deviation from RFC 5322 or MIME, or a limit exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anomaly {
    /// A header line that is neither a field nor a continuation, or a name with odd octets.
    MalformedHeaderLine,
    /// White space between a field's name and the colon.
    BlankBeforeColon,
    /// NUL or another control character in a header.
    ControlInHeader,
    /// A CR without LF or an LF without CR in a header, or a last line without an end.
    BareLineEndInHeader,
    /// The header begins with a continuation line.
    StrayContinuation,
    /// A continuation line of white space only: for some readers the end of the header.
    BlankContinuation,
    /// An mbox `From ` line before the header.
    MboxFromLine,
    /// No header field at all.
    NoHeader,
    /// Too many header fields, parts or levels.
    LimitExceeded,

    /// MIME fields without `MIME-Version`, or a version that is not plainly `1.0`.
    MimeVersion,
    /// Content-Type outside the grammar of RFC 2045 §5.1, or with comments.
    BadContentType,
    /// A MIME field that occurs twice in one part.
    DuplicateMimeField,
    /// One parameter twice, or in forms that contradict each other.
    ParameterConflict,
    /// A boundary that is missing, empty, folded, encoded or outside RFC 2046 §5.1.1.
    BadBoundary,
    /// A boundary that equals another one or begins like it.
    BoundaryClash,
    /// A multipart without its closing delimiter.
    UnclosedMultipart,
    /// A multipart without parts.
    EmptyMultipart,
    /// A line that begins like a delimiter and goes on, or has white space after it.
    DelimiterLike,
    /// A delimiter of a multipart that is closed already.
    DelimiterAfterClose,
    /// A delimiter line that does not begin and end with CRLF.
    BareLineEndAtDelimiter,
    /// A part's header that runs into a delimiter.
    TruncatedHeader,
    /// An unknown or odd Content-Transfer-Encoding.
    UnknownEncoding,
    /// A multipart or message with an encoding of its own (RFC 2045 §6.4).
    EncodedComposite,
    /// Content-Disposition outside the grammar of RFC 2183.
    BadDisposition,
    /// A MIME field with 8-bit octets or too long a line.
    OddMimeField,

    /// A field that may occur once occurs again (RFC 5322 §3.6).
    DuplicateSingleton,
    /// Octets beyond ASCII in a field's value.
    EightBitValue,
    /// A header line over 998 octets (RFC 5322 §2.1.1).
    LongHeaderLine,

    /// Base64 with octets that do not belong there, or badly padded.
    BadBase64,
    /// Quoted-printable outside RFC 2045 §6.7.
    BadQuotedPrintable,
    /// 8-bit octets in a 7bit body.
    EightBitIn7Bit,
    /// NUL in a text.
    NulInBody,
    /// A bare CR or LF in a text.
    BareLineEndInBody,
    /// A line over 998 octets in a text.
    LongBodyLine,
    /// An unknown charset, or text that it does not decode.
    Undecodable,
    /// A uuencode or yEnc block inside a plain text.
    EmbeddedEncoding,
    /// A whole HTML document declared as plain text.
    MarkupInPlain,
    /// The first octets say another type than the header.
    SniffedTypeDiffers,
    /// A second parser reads the part differently.
    SecondReadingDiffers,
}

/// How far the doubt of an anomaly reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole message that carries the header, its header included.
    Message,
    /// The MIME structure: no body of the part or below it is shown, its header may be.
    Structure,
    /// One header field.
    Field,
    /// One leaf body.
    Leaf,
}

impl Anomaly {
    /// How far the doubt reaches.
    pub fn scope(self) -> Scope {
        match self as u8 {
            n if n <= Self::LimitExceeded as u8 => Scope::Message,
            n if n <= Self::OddMimeField as u8 => Scope::Structure,
            n if n <= Self::LongHeaderLine as u8 => Scope::Field,
            _ => Scope::Leaf,
        }
    }
}

impl fmt::Display for Anomaly {
    /// What is odd, for a person who asks why something is sealed. Tells nothing of the content.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MalformedHeaderLine => "a header line that is no field",
            Self::BlankBeforeColon => "a blank before the colon of a header field",
            Self::ControlInHeader => "a control character in a header",
            Self::BareLineEndInHeader => "a bare CR or LF in a header",
            Self::StrayContinuation => "the header begins with a continuation line",
            Self::BlankContinuation => "a header line of blanks only",
            Self::MboxFromLine => "an mbox From line before the header",
            Self::NoHeader => "no header",
            Self::LimitExceeded => "too many fields, parts or levels",
            Self::MimeVersion => "MIME fields without MIME-Version: 1.0",
            Self::BadContentType => "a Content-Type outside the grammar",
            Self::DuplicateMimeField => "a MIME field twice",
            Self::ParameterConflict => "parameters that contradict each other",
            Self::BadBoundary => "an odd or missing boundary",
            Self::BoundaryClash => "a boundary that begins like another one",
            Self::UnclosedMultipart => "a multipart without its end",
            Self::EmptyMultipart => "a multipart without parts",
            Self::DelimiterLike => "a line that looks like a delimiter and is none",
            Self::DelimiterAfterClose => "a delimiter after the multipart's end",
            Self::BareLineEndAtDelimiter => "a bare CR or LF at a delimiter",
            Self::TruncatedHeader => "a part's header that runs into a delimiter",
            Self::UnknownEncoding => "an unknown transfer encoding",
            Self::EncodedComposite => "an encoded multipart or message",
            Self::BadDisposition => "a Content-Disposition outside the grammar",
            Self::OddMimeField => "a MIME field in an odd form",
            Self::DuplicateSingleton => "a field twice that may occur once",
            Self::EightBitValue => "octets beyond ASCII in the field",
            Self::LongHeaderLine => "a header line over 998 octets",
            Self::BadBase64 => "broken base64",
            Self::BadQuotedPrintable => "broken quoted-printable",
            Self::EightBitIn7Bit => "octets beyond ASCII in a 7bit body",
            Self::NulInBody => "a NUL in the text",
            Self::BareLineEndInBody => "a bare CR or LF in the text",
            Self::LongBodyLine => "a line over 998 octets in the text",
            Self::Undecodable => "a text that its charset does not decode",
            Self::EmbeddedEncoding => "a uuencode or yEnc block in the text",
            Self::MarkupInPlain => "HTML declared as plain text",
            Self::SniffedTypeDiffers => "content of another type than declared",
            Self::SecondReadingDiffers => "two parsers read it differently",
        })
    }
}

/// A set of anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u64);

impl Anomalies {
    /// Adds one.
    pub fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Those that are among them, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        ALL.into_iter().filter(move |anomaly| self.contains(*anomaly))
    }

    /// Both together.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is among them.
    pub fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of them leaves in doubt where the header ends.
    pub fn in_header(self) -> bool {
        self.0 & MESSAGE_MASK != 0
    }

    /// Whether one of them leaves in doubt what the body is.
    pub fn in_structure(self) -> bool {
        self.0 & STRUCTURE_MASK != 0
    }
}

/// Every anomaly, in the order of the list.
const ALL: [Anomaly; 39] = [
    Anomaly::MalformedHeaderLine,
    Anomaly::BlankBeforeColon,
    Anomaly::ControlInHeader,
    Anomaly::BareLineEndInHeader,
    Anomaly::StrayContinuation,
    Anomaly::BlankContinuation,
    Anomaly::MboxFromLine,
    Anomaly::NoHeader,
    Anomaly::LimitExceeded,
    Anomaly::MimeVersion,
    Anomaly::BadContentType,
    Anomaly::DuplicateMimeField,
    Anomaly::ParameterConflict,
    Anomaly::BadBoundary,
    Anomaly::BoundaryClash,
    Anomaly::UnclosedMultipart,
    Anomaly::EmptyMultipart,
    Anomaly::DelimiterLike,
    Anomaly::DelimiterAfterClose,
    Anomaly::BareLineEndAtDelimiter,
    Anomaly::TruncatedHeader,
    Anomaly::UnknownEncoding,
    Anomaly::EncodedComposite,
    Anomaly::BadDisposition,
    Anomaly::OddMimeField,
    Anomaly::DuplicateSingleton,
    Anomaly::EightBitValue,
    Anomaly::LongHeaderLine,
    Anomaly::BadBase64,
    Anomaly::BadQuotedPrintable,
    Anomaly::EightBitIn7Bit,
    Anomaly::NulInBody,
    Anomaly::BareLineEndInBody,
    Anomaly::LongBodyLine,
    Anomaly::Undecodable,
    Anomaly::EmbeddedEncoding,
    Anomaly::MarkupInPlain,
    Anomaly::SniffedTypeDiffers,
    Anomaly::SecondReadingDiffers,
];
/// The bits of [`Scope::Message`].
const MESSAGE_MASK: u64 = (1 << (Anomaly::LimitExceeded as u8 + 1)) - 1;
/// The bits of [`Scope::Message`] and [`Scope::Structure`].
const STRUCTURE_MASK: u64 = (1 << (Anomaly::OddMimeField as u8 + 1)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_is_in_the_list_once() {
        for (index, anomaly) in ALL.into_iter().enumerate() {
            assert_eq!(anomaly as usize, index);
            let mut set = Anomalies::default();
            set.insert(anomaly);
            assert!(set.iter().eq([anomaly]), "{anomaly}");
        }
        assert_eq!(ALL.last(), Some(&Anomaly::SecondReadingDiffers));
    }

    #[test]
    fn scopes_follow_the_order_of_the_list() {
        for (anomaly, scope) in [
            (Anomaly::MalformedHeaderLine, Scope::Message),
            (Anomaly::LimitExceeded, Scope::Message),
            (Anomaly::MimeVersion, Scope::Structure),
            (Anomaly::OddMimeField, Scope::Structure),
            (Anomaly::DuplicateSingleton, Scope::Field),
            (Anomaly::LongHeaderLine, Scope::Field),
            (Anomaly::BadBase64, Scope::Leaf),
            (Anomaly::SecondReadingDiffers, Scope::Leaf),
        ] {
            assert_eq!(anomaly.scope(), scope);
            let mut set = Anomalies::default();
            set.insert(anomaly);
            assert!(set.contains(anomaly) && !set.is_empty());
            assert_eq!(set.in_header(), scope == Scope::Message);
            assert_eq!(set.in_structure(), matches!(scope, Scope::Message | Scope::Structure));
        }
    }
}

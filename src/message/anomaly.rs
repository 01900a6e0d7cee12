//! Every deviation that makes two parsers read one message in two ways, by name.
//!
//! An anomaly seals what it touches: content is shown only if it is the same under every reading,
//! so nothing here is repaired. The scope says how far the doubt reaches.

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

/// A set of anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u64);

impl Anomalies {
    /// Adds one.
    pub fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
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

/// The bits of [`Scope::Message`].
const MESSAGE_MASK: u64 = (1 << (Anomaly::LimitExceeded as u8 + 1)) - 1;
/// The bits of [`Scope::Message`] and [`Scope::Structure`].
const STRUCTURE_MASK: u64 = (1 << (Anomaly::OddMimeField as u8 + 1)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

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

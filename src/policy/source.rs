//! The TOML form of a policy, as serde reads it and as the JSON schema shows it to editors.
//!
//! Knows names and types of keys, not whether they make sense together: that is `check`. Every key
//! but `version` may be left out, because a `[[when]]` lays its keys over the base. The doc
//! lines here are what editors show, so they speak to whoever writes a policy.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// What a view shows of a mail. Whatever is not named here stays sealed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Veilpost policy")]
pub struct Document {
    /// The version of the policy language: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u64,
    /// One sentence for people.
    pub description: Option<String>,
    /// `"everything"`: the original, byte for byte. `"nothing"`: not in the view at all.
    pub show: Option<Show>,
    /// Which header fields are shown.
    pub headers: Option<Headers>,
    /// What is shown of the text.
    pub body: Option<Body>,
    /// Which attachments and other parts are shown; the first that fits decides.
    pub part: Option<Vec<Part>>,
    /// What is told about hidden parts.
    pub reveal: Option<Reveal>,
    /// What is cut out of shown text.
    pub redact: Option<Redact>,
    /// Whose hidden addresses become stable tokens.
    pub pseudonyms: Option<Pseudonyms>,
    /// How mail clients may act on the view.
    pub gateway: Option<Gateway>,
    /// Exceptions; the first whose conditions all hold decides.
    pub when: Option<Vec<When>>,
}

/// An exception: conditions, all of which must hold, and the tables to lay over the base.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The one address in From, as in `"*@bank.example"`.
    pub from: Option<OneOrMany<String>>,
    /// Any of the addresses the mail was delivered to.
    pub to: Option<OneOrMany<String>>,
    /// The mailing list's identifier (List-Id).
    pub list: Option<OneOrMany<String>>,
    /// What DMARC said of the sender's domain.
    pub dmarc: Option<OneOrMany<Dmarc>>,
    /// Whether the filter called it spam.
    pub spam: Option<bool>,
    /// More than this, as in `"5 MB"`.
    pub larger_than: Option<String>,
    /// Older than this when the view is made, as in `"30d"`.
    pub older_than: Option<String>,
    /// `"everything"`: the original, byte for byte. `"nothing"`: not in the view at all.
    pub show: Option<Show>,
    /// Laid over the base's table, key by key.
    pub headers: Option<Headers>,
    /// Laid over the base's table, key by key.
    pub body: Option<Body>,
    /// In place of the base's list.
    pub part: Option<Vec<Part>>,
    /// Laid over the base's table, key by key.
    pub reveal: Option<Reveal>,
    /// Laid over the base's table, key by key.
    pub redact: Option<Redact>,
    /// Laid over the base's table, key by key.
    pub pseudonyms: Option<Pseudonyms>,
}

/// The two answers that need no further rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// The original, byte for byte.
    Everything,
    /// Not in the view at all.
    Nothing,
}

/// Header fields.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Names of fields, as in `"Subject"`, or of parts of address fields, as in `"From.domain"`.
    pub show: Option<Vec<Field>>,
    /// Header fields of your own making, over what is shown.
    pub rewrite: Option<BTreeMap<String, String>>,
}

/// A header field to show: its name, or a table that also says which of several.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Field {
    /// `"Subject"`
    Name(String),
    /// `{ name = "Received", duplicates = "all" }`
    Table(FieldTable),
}

/// The long form of a header field to show.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldTable {
    /// Its name.
    pub name: String,
    /// Which of several fields of this name: `"first"` (the default) or `"all"`.
    pub duplicates: Option<Duplicates>,
}

/// Which of several header fields of one name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// The first.
    First,
    /// All of them.
    All,
}

/// The text of a mail.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// What is shown of plain text: `"placeholder"` by default.
    pub text: Option<Text>,
    /// What is shown of HTML: `"omit"` by default.
    pub html: Option<Html>,
    /// How deep attached messages are opened and masked by these rules; 0, the default, seals them.
    #[schemars(range(max = 8))]
    pub nested: Option<u8>,
    /// What stands in the place of a hidden text.
    pub placeholder: Option<String>,
    /// Whether a link to the message in the dashboard follows the placeholder.
    pub link: Option<bool>,
}

/// What is shown of plain text.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// All of it, redacted.
    Show,
    /// The placeholder.
    Placeholder,
    /// Nothing.
    Omit,
    /// The first so many lines that are neither empty nor quoted, redacted.
    Excerpt(#[schemars(range(min = 1, max = 1000))] u16),
}

/// What is shown of HTML.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Html {
    /// Cleaned HTML without remote content, redacted.
    Sanitized,
    /// Its text, under the rule for plain text.
    AsText,
    /// Nothing.
    Omit,
}

/// A rule for attachments and other parts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The media type: `"application/pdf"`, `"image/*"` or `"*/*"`.
    #[serde(rename = "type")]
    pub media: String,
    /// Only parts with this disposition.
    pub disposition: Option<Disposition>,
    /// Only parts of at most this size, as in `"1 MB"`.
    pub max_size: Option<String>,
    /// Whether parts that fit are shown.
    pub show: bool,
}

/// RFC 2183 §2.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Shown with the message.
    Inline,
    /// Shown on request; also what a part is that does not say.
    Attachment,
}

/// What is told about hidden parts. All false by default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// How many there are.
    pub count: Option<bool>,
    /// Their file names.
    pub names: Option<bool>,
    /// Their sizes, rounded up.
    pub sizes: Option<bool>,
    /// Their media types.
    pub types: Option<bool>,
}

/// What is cut out of shown text. Second to not showing it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// Redactors that come with Veilpost.
    pub builtin: Option<Vec<super::redact::Builtin>>,
    /// Your own, run after the others in this order.
    pub patterns: Option<Vec<Pattern>>,
}

/// A redactor of your own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Its name.
    pub name: String,
    /// A regular expression (syntax of the Rust crate `regex`).
    pub pattern: String,
    /// What stands in the place of a match: words in square brackets, `[name]` by default.
    pub replace: Option<String>,
}

/// Whose hidden addresses become stable tokens. All false by default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pseudonyms {
    /// From, Sender, Reply-To.
    pub senders: Option<bool>,
    /// The sender's domain, which headers.show has to name as From.domain, stands as the name before the token
    /// in From, so that lists in mail programs can be read.
    pub sender_domains: Option<bool>,
    /// To, Cc.
    pub addressees: Option<bool>,
    /// Message-ID, In-Reply-To and References, so that threads hold together.
    pub threads: Option<bool>,
}

/// How mail clients may act on the view.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// What a delete does. The vault keeps the message, unless it is `delete`.
    pub on_delete: Option<OnDelete>,
}

/// What a delete by a mail client does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDelete {
    /// Hides it from this view.
    Hide,
    /// Moves it to the mailbox's trash.
    Trash,
    /// Destroys it: nobody has it any more.
    Delete,
}

/// What DMARC said of a sender's domain (RFC 7489 §11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dmarc {
    /// The mail is from the domain in From.
    Pass,
    /// It is not.
    Fail,
    /// The domain says nothing.
    None,
}

/// One value, or a list of which any will do.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Any of these.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

// Written by hand, because serde's `untagged` forgets what was wrong and where.
impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Field;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name as in \"Subject\", or { name = \"Received\", duplicates = \"all\" }")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Field, E> {
                Ok(Field::Name(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Field, A::Error> {
                FieldTable::deserialize(MapAccessDeserializer::new(table)).map(Field::Table)
            }
        }
        from.deserialize_any(Either)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string or a list of strings")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text)).map(OneOrMany::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }
        from.deserialize_any(Either(std::marker::PhantomData))
    }
}

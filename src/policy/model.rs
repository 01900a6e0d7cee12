//! What a checked policy says. Built only by parsing TOML (`policy::parse`), read by `plan`.

use super::redact::Redactor;
use super::template::Template;

/// A checked policy: what a view shows of a message. Whatever it does not name is sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name, as views refer to it.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The rules where no `[[when]]` matches.
    pub base: Rules,
    /// Exceptions in their order; the first whose matcher holds replaces the base.
    pub when: Vec<When>,
    /// What a delete by a client of the view does.
    pub on_delete: OnDelete,
}

impl Policy {
    /// The rules of all messages: the base, then those of the exceptions.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rules> {
        std::iter::once(&self.base).chain(self.when.iter().map(|when| &when.rules))
    }

    /// Whether views under both show the same of every message: name, description and what a delete does
    /// show nothing.
    pub fn shows_the_same(&self, other: &Self) -> bool {
        self.base == other.base && self.when == other.when
    }

    /// Whether every message is shown as it came.
    pub fn shows_everything(&self) -> bool {
        self.all_rules().all(|rules| rules.presence == Presence::Original)
    }

    /// Whether there are messages of whose text it shows nothing.
    pub fn may_seal_text(&self) -> bool {
        let seals = |rules: &Rules| {
            rules.presence == Presence::Masked && matches!(rules.text, TextMask::Placeholder | TextMask::Omit)
        };
        self.all_rules().any(seals)
    }
}

/// One `[[when]]`: the rules for messages that its matcher picks, already laid over the base.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// Which messages.
    pub matcher: super::when::Matcher,
    /// Their rules, whole.
    pub rules: Rules,
}

/// What a view shows of one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whether the message is in the view at all.
    pub presence: Presence,
    /// Header fields and their parts that are shown.
    pub headers: Vec<HeaderRule>,
    /// Header fields of our own making, over shown atoms.
    pub rewrites: Vec<Rewrite>,
    /// The mask of text/plain bodies.
    pub text: TextMask,
    /// The mask of text/html bodies.
    pub html: HtmlMask,
    /// Attachments and other parts that are shown; the first rule that matches a part decides, no match seals it.
    pub parts: Vec<PartRule>,
    /// How deep `message/rfc822` parts are opened and masked by the same rules; 0 seals them.
    pub nested_depth: u8,
    /// What is told about hidden parts.
    pub reveal: Reveal,
    /// Redactors run over every shown text, in this order.
    pub redact: Vec<Redactor>,
    /// Whose hidden addresses become stable tokens.
    pub pseudonyms: Pseudonyms,
    /// What stands in the place of a hidden text.
    pub placeholder: Placeholder,
}

/// Whether and how a message is in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The original, byte for byte; nothing else in the rules counts.
    Original,
    /// Composed from what the rules show.
    Masked,
    /// Not in the view.
    Absent,
}

/// A header field, or an aspect of one, that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// The field's name in its usual spelling ("Message-ID"); compared without case.
    pub name: String,
    /// How much of it.
    pub aspect: Aspect,
    /// Which of several fields with this name.
    pub duplicates: Duplicates,
}

/// How much of a header field is shown. All but `Whole` are for address fields, only feed
/// templates, and put no field into the view by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// The whole field (`"From"`).
    Whole,
    /// The domains (`"From.domain"`).
    Domain,
    /// The display names (`"From.name"`).
    Name,
    /// The addresses without display names (`"From.address"`).
    Address,
}

/// Which of several header fields of one name are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// The first.
    First,
    /// All of them.
    All,
}

/// A header field of our own making.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    /// Its name.
    pub name: String,
    /// Its text.
    pub template: Template,
}

/// What is shown of a text/plain body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextMask {
    /// All of it, redacted.
    Show,
    /// The first lines that are neither empty nor quoted, redacted before they are cut.
    Excerpt {
        /// How many lines.
        lines: u16,
    },
    /// The placeholder.
    Placeholder,
    /// Nothing: no part in the view.
    Omit,
}

/// What is shown of a text/html body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlMask {
    /// Cleaned HTML without remote content, redacted.
    Sanitized,
    /// Its text, under the text mask.
    AsText,
    /// Nothing.
    Omit,
}

/// Whether parts of one kind are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRule {
    /// Type in lower case, `*` for all: ("image", "*").
    pub media: (String, String),
    /// Only parts with this disposition.
    pub disposition: Option<Disposition>,
    /// Only parts of at most this many octets, decoded.
    pub max_octets: Option<u64>,
    /// Shown, or sealed.
    pub show: bool,
}

/// RFC 2183 §2. A part without the field, or with an unknown value, is an attachment (§2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Shown with the message.
    Inline,
    /// Shown on request.
    Attachment,
}

/// What the view tells about parts it hides. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reveal {
    /// How many there are.
    pub count: bool,
    /// Their file names.
    pub names: bool,
    /// Their sizes, rounded up to kilobytes.
    pub sizes: bool,
    /// Their media types.
    pub types: bool,
}

/// Whose hidden addresses are shown as stable tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pseudonyms {
    /// Of From, Sender, Reply-To.
    pub senders: bool,
    /// The domain, which the rules show, is the name before the token in From.
    pub sender_domains: bool,
    /// Of To, Cc.
    pub addressees: bool,
    /// Message-ID, In-Reply-To and References become keyed tokens, so that threads hold together.
    pub threads: bool,
}

/// What stands in the place of a hidden text.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    /// Its text.
    pub text: Template,
    /// Whether a link to the message in the dashboard follows.
    pub link: bool,
}

/// What DELE and EXPUNGE by a client of the view do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// Hide it from this view.
    #[default]
    Hide,
    /// Move it to the mailbox's trash.
    Trash,
    /// Destroy it, for everybody.
    Delete,
}

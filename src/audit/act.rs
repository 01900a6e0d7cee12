//! What can be done that an audit entry records, and the structural words it needs for that.
//!
//! An act names messages by id and parts by number (RFC 9051 §6.4.5), and it counts. It knows no
//! content, no subject line, no mail address, no file name: there is no field that could hold one.

use serde::{Deserialize, Serialize};

use super::numbers::{MessageNumbers, messages};
use super::text;
use crate::names::{AddressToken, CredentialId, MessageId, UserId, ViewId};

/// What was done. In JSON an object whose `kind` is the variant in snake case.
///
/// Variants are only ever added: a name, once written into a log, keeps its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    // --- views: mail clients, feeds, robots, the dashboard's list
    /// A view was opened by a credential, before its first byte.
    ViewOpened {
        /// How it is read.
        protocol: Protocol,
    },
    /// A session on a view ended.
    ViewClosed {
        /// Messages fetched in it, whole or in part.
        fetched: u64,
    },
    /// A credential was refused. The actor is [`super::Actor::Nobody`] unless the credential is known.
    SignInRefused {
        /// How it was presented.
        protocol: Protocol,
        /// Why.
        cause: Refusal,
    },
    /// A view was given a message, or part of it.
    MessageFetched {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
        /// How much of its masked form.
        extent: Extent,
    },
    /// A mail client was given many messages, or parts of them, at once: one entry stands for up to
    /// [`Act::MOST_MESSAGES`] fetches.
    MessagesFetched {
        /// The messages.
        #[serde(with = "messages")]
        messages: Vec<MessageId>,
        /// How much of the masked form of each.
        extent: Extent,
    },
    /// A mail client was given what a list shows of messages: the view's sender, addressees, subject, date,
    /// size, structure and first words.
    MessagesListed {
        /// The messages, by their numbers in the user's mailbox.
        numbers: MessageNumbers,
    },
    /// A masked copy was pushed to where the view's feed or robot wants it.
    MessagePushed {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
        /// The view it is masked for.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// A list of messages was read: sizes, flags, and what the view shows of their headers.
    ListRead {
        /// Messages in the list.
        messages: u64,
    },
    /// A search was made in what the actor may read.
    SearchMade {
        /// Messages found.
        matches: u64,
    },

    // --- the owner
    /// A person signed in to the dashboard with a password; nothing is unlocked by it.
    SignedIn,
    /// The owner key was asked for and the credentials were right; it is unlocked after this entry.
    UnlockBegun {
        /// With what.
        method: UnlockMethod,
        /// For how many seconds at most.
        seconds: u64,
    },
    /// The owner key stayed locked.
    UnlockRefused {
        /// Why.
        cause: Refusal,
    },
    /// One more code was right, for one message: the tenant asks for that. It may be shown now.
    SteppedUp {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
    },
    /// The owner key was wiped.
    UnlockEnded {
        /// Why.
        cause: LockCause,
        /// Messages revealed or exported while it was unlocked.
        revealed: u64,
    },
    /// A message was shown unmasked to its owner.
    MessageRevealed {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
        /// How much of it.
        extent: Extent,
    },
    /// A message left the vault unmasked.
    MessageExported {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
    },
    /// Messages are about to be unsealed as owner and sealed again under today's policy.
    ResealBegun {
        /// The view they are sealed for.
        #[serde(with = "text")]
        view: ViewId,
        /// How many.
        messages: u64,
    },
    /// A reseal came to its end.
    ResealEnded {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// Messages sealed again.
        resealed: u64,
        /// Messages that could not be.
        failed: u64,
    },
    /// New mail is about to be unsealed for the owner's search index.
    IndexExtended {
        /// How many messages.
        messages: u64,
    },

    // --- messages
    /// The owner let a quarantined message into the views.
    MessageReleased {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
    },
    /// A message was destroyed: its manifests, then its container.
    MessageRemoved {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
    },
    /// A message could not be unsealed or did not have the hash the ledger holds; it was skipped.
    MessageDamaged {
        /// The message.
        #[serde(with = "text")]
        message: MessageId,
    },

    // --- credentials
    /// A credential of a view was made.
    CredentialCreated {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// The credential.
        #[serde(with = "text")]
        credential: CredentialId,
    },
    /// A credential of a view was taken away.
    CredentialRevoked {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// The credential.
        #[serde(with = "text")]
        credential: CredentialId,
    },
    /// A credential of a view was replaced.
    CredentialRotated {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// The credential from now on.
        #[serde(with = "text")]
        credential: CredentialId,
        /// The one it replaces.
        #[serde(with = "text")]
        replaced: CredentialId,
    },
    /// A user's password was changed.
    PasswordChanged {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A user's TOTP seed was replaced.
    TotpReset {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A recovery code was accepted.
    RecoveryCodeUsed {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A new recovery code was printed, and the old one is void.
    RecoveryCodeReplaced {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// The owner key was sealed to an offline recipient of the organisation.
    EscrowAdded,
    /// An escrow of the owner key was destroyed.
    EscrowRemoved,
    /// The owner key was replaced.
    OwnerKeyRotated,
    /// A view's key was replaced.
    ViewKeyRotated {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// The server's root key was replaced and the records wrapped again.
    RootKeyRotated,

    // --- policies, views, users, the tenant
    /// A policy was read at start; the entry names it.
    PolicyLoaded,
    /// A policy was changed; the entry names the new generation.
    PolicyChanged {
        /// In which direction.
        effect: PolicyEffect,
    },
    /// A policy that was loaded into the tenant was removed; the entry names it. A shipped one of the same name
    /// holds again.
    PolicyRemoved {
        /// What that does to the views under it.
        effect: PolicyEffect,
    },
    /// A policy did not load. Mail for it is deferred until it does.
    PolicyRefused,
    /// A view was made; the entry names its policy.
    ViewCreated {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// A view was given another policy; the entry names it.
    ViewChanged {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
        /// In which direction; entries of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<PolicyEffect>,
    },
    /// A view and its credentials were destroyed.
    ViewRemoved {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// A feed or robot was attached to a view.
    FeedCreated {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// A feed or robot was taken from a view.
    FeedRemoved {
        /// The view.
        #[serde(with = "text")]
        view: ViewId,
    },
    /// A user was made.
    UserCreated {
        /// Who.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A user may not sign in any more.
    UserDisabled {
        /// Who.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A user may sign in again.
    UserEnabled {
        /// Who.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A user may do more, or less, besides reading their own mail.
    RoleChanged {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
        /// From now on.
        role: UserRole,
    },
    /// A program was given a token for the HTTP API. It unseals nothing by itself.
    ApiTokenCreated {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
        /// The token's name in the log.
        #[serde(with = "text")]
        token: CredentialId,
    },
    /// A token for the HTTP API was taken away.
    ApiTokenRevoked {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
        /// The token.
        #[serde(with = "text")]
        token: CredentialId,
    },
    /// A user has one more passkey.
    PasskeyAdded {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A passkey of a user was taken away.
    PasskeyRemoved {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// The phrase that a user's placeholders show was changed. The phrase itself is not told.
    PhraseChanged {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// A signed-in session was ended by its user, from another one.
    SignInEnded,
    /// A signed-in session of a user was ended by somebody who looks after the tenant.
    SignInEndedFor {
        /// Whose.
        #[serde(with = "text")]
        user: UserId,
    },
    /// What the tenant asks of its people was changed.
    TenantSettingsChanged {
        /// Whether an unlock needs a reason from now on.
        reason_required: bool,
        /// Whether every single message needs a code from now on.
        step_up: bool,
        /// After how many minutes without use an unlock ends from now on, if the tenant says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unlock_minutes: Option<u32>,
        /// After how many minutes it ends in any case, if the tenant says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unlock_longest_minutes: Option<u32>,
    },
    /// A user's keyslots and mail were destroyed.
    UserRemoved {
        /// Who.
        #[serde(with = "text")]
        user: UserId,
    },
    /// Mail for one more address goes to a user. The address itself is not told, only its token.
    AddressAdded {
        /// Whose mailbox.
        #[serde(with = "text")]
        user: UserId,
        /// Which; entries of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<AddressMark>,
    },
    /// Mail for an address no longer goes to a user.
    AddressRemoved {
        /// Whose mailbox.
        #[serde(with = "text")]
        user: UserId,
        /// Which; entries of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<AddressMark>,
    },
    /// Mail for an address is refused from now on. The note is not told.
    AddressSwitchedOff {
        /// Whose mailbox it is.
        #[serde(with = "text")]
        user: UserId,
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<AddressMark>,
    },
    /// Mail for an address that was switched off is taken again.
    AddressSwitchedOn {
        /// Whose mailbox it is.
        #[serde(with = "text")]
        user: UserId,
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<AddressMark>,
    },
    /// How much mail a user's mailbox takes was changed.
    QuotaChanged {
        /// Whose mailbox.
        #[serde(with = "text")]
        user: UserId,
        /// Octets; none is as many as there is room for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        octets: Option<u64>,
    },
    /// An address of a user is for another one as well.
    AddressShared {
        /// Who gets its mail too.
        #[serde(with = "text")]
        user: UserId,
    },
    /// An address that was for several people is for one of them no more.
    AddressUnshared {
        /// Who gets its mail no more.
        #[serde(with = "text")]
        user: UserId,
    },
    /// The mail of a user who is removed is about to be sealed for another user.
    MailHandedOver {
        /// Whose it was.
        #[serde(with = "text")]
        user: UserId,
        /// Whose it is from now on.
        #[serde(with = "text")]
        heir: UserId,
        /// Messages that were left to hand over.
        messages: u64,
    },
    /// Somebody asked what became of mail from and to an address: times, peers, sizes, answers. No mail was
    /// opened.
    MailTraced {
        /// The address, as the server's log has it.
        #[serde(with = "text")]
        address: AddressToken,
        /// Lines found in this tenant.
        found: u64,
    },
    /// The tenant was made: the first entry of its log.
    TenantCreated,
    /// The tenant's keyslots are about to be destroyed: the last entry of its log.
    TenantRemoved,

    /// What an entry before this one announces did not happen: the server could not do it.
    Failed {
        /// That entry's number.
        of: u64,
    },

    // --- the vault itself
    /// A backup that holds this tenant was written.
    BackupMade,
    /// This tenant was restored from a backup.
    BackupRestored,
    /// The audit log was exported.
    AuditExported {
        /// Entries it had at that time.
        entries: u64,
    },
    /// A checkpoint is about to be signed whose last leaf is this entry.
    CheckpointSigned,
}

impl Act {
    /// How many messages one entry names by their identifiers.
    pub const MOST_MESSAGES: usize = messages::MOST;

    /// The acts of giving messages to a client: one act for one message, else one for each
    /// [`Act::MOST_MESSAGES`] of them; none for none.
    pub fn fetched(messages: &[MessageId], extent: &Extent) -> Vec<Self> {
        if let [message] = messages {
            return vec![Self::MessageFetched { message: *message, extent: extent.clone() }];
        }
        let chunks = messages.chunks(Self::MOST_MESSAGES);
        let act =
            |chunk: &[MessageId]| Self::MessagesFetched { messages: chunk.to_vec(), extent: extent.clone() };
        chunks.map(act).collect()
    }

    /// The acts of listing the messages with these numbers: usually one, none for none.
    pub fn listed(numbers: impl IntoIterator<Item = u32>) -> Vec<Self> {
        let sets = MessageNumbers::sets(numbers).into_iter();
        sets.map(|numbers| Self::MessagesListed { numbers }).collect()
    }
}

/// Stands for an address: the server's keyed hash of it. Who has the root key, as the server has, can tell
/// whether it is that of an address that they know; nobody can read an address from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressMark(String);

impl AddressMark {
    /// Of the keyed hash under which the ledger has the address.
    pub fn of(hash: &[u8; 32]) -> Self {
        Self(data_encoding::BASE32_NOPAD.encode(&hash[..16]).to_ascii_lowercase())
    }
}

impl TryFrom<String> for AddressMark {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = text.len() == 26 && text.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'2'..=b'7'));
        fits.then_some(Self(text)).ok_or("not a token of an address")
    }
}

impl From<AddressMark> for String {
    fn from(token: AddressMark) -> Self {
        token.0
    }
}

/// What a user may do besides reading their own mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserRole {
    /// Nothing more.
    Member,
    /// Looks after the tenant.
    Administrator,
    /// Looks after the server.
    Operator,
}

/// How a view is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// POP3 (RFC 1939).
    Pop3,
    /// IMAP (RFC 9051).
    Imap,
    /// The web dashboard.
    Dashboard,
    /// A feed into a mailbox elsewhere.
    Feed,
    /// A program that is given each arriving message.
    Robot,
    /// Submission of outgoing mail (RFC 6409).
    Submission,
    /// The command line, over the Unix socket.
    CommandLine,
}

/// How much of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its header only.
    Header,
    /// Its header and the first lines of its body (POP3 TOP, RFC 1939 §7).
    Top {
        /// How many lines.
        lines: u64,
    },
    /// Some of its parts.
    Parts {
        /// Which, at most [`PartPath::MOST`].
        parts: Vec<PartPath>,
    },
}

impl Extent {
    /// These parts; the whole message if they are too many to name one by one. Saying more than
    /// was read is safe here, saying less is not.
    pub fn parts(parts: Vec<PartPath>) -> Self {
        if parts.len() > PartPath::MOST { Self::Whole } else { Self::Parts { parts } }
    }
}

/// A part's number, as `1.2` (RFC 9051 §6.4.5): digits and dots, so it can hold no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartPath(String);

impl PartPath {
    /// How many parts one entry names.
    pub const MOST: usize = 64;
    /// Longest path, in octets: deeper than any MIME depth limit of ours.
    const MAX_OCTETS: usize = 96;

    /// Parses numbers of at least 1, joined by dots; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let numbered = text.split('.').all(|number| {
            !number.is_empty()
                && !number.starts_with('0')
                && number.bytes().all(|digit| digit.is_ascii_digit())
        });
        (numbered && text.len() <= Self::MAX_OCTETS).then(|| Self(text.to_owned()))
    }
}

impl TryFrom<String> for PartPath {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a part number")
    }
}

impl From<PartPath> for String {
    fn from(path: PartPath) -> Self {
        path.0
    }
}

/// What unlocked the owner key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlockMethod {
    /// Password and TOTP code.
    PasswordAndTotp,
    /// Password and passkey.
    PasswordAndPasskey,
    /// The printed recovery code.
    RecoveryCode,
    /// An offline recipient of the organisation.
    Escrow,
}

/// Why a sign-in or an unlock was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The password, app password or recovery code opens no keyslot.
    WrongCredential,
    /// The TOTP code is not valid now.
    WrongCode,
    /// The TOTP code's time step was used before.
    CodeUsedBefore,
    /// The TOTP code belongs to another time: a clock is off.
    ClockOff,
    /// The passkey's signature counter did not grow: there may be a copy of the passkey.
    PasskeyCopied,
    /// Too many failures; try later.
    Softlock,
    /// The tenant asks for a reason and none was given.
    ReasonMissing,
    /// The user or view is disabled.
    Disabled,
}

/// Why the owner key was wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockCause {
    /// The person locked it.
    ByPerson,
    /// Its time was over.
    TimeOver,
    /// The server stopped.
    ServerStopped,
    /// The user was disabled, or their password or TOTP seed was changed.
    CredentialChanged,
}

/// What a change of policy does to what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEffect {
    /// Shows something that was hidden.
    Reveals,
    /// Only hides.
    Hides,
    /// Neither.
    Neutral,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_paths_hold_numbers_only() {
        for good in ["1", "2.10.3"] {
            assert!(PartPath::parse(good).is_some(), "{good}");
        }
        for bad in ["", ".", "1.", "01", "0", "1.a", "header.subject", "٣"] {
            assert_eq!(PartPath::parse(bad), None, "{bad}");
        }
        assert_eq!(PartPath::parse(&"1.".repeat(60)), None);
    }

    #[test]
    fn more_parts_than_can_be_named_are_the_whole() {
        let one = PartPath::parse("1").unwrap();
        assert_eq!(Extent::parts(vec![one.clone(); PartPath::MOST + 1]), Extent::Whole);
        assert_eq!(Extent::parts(vec![one.clone()]), Extent::Parts { parts: vec![one] });
    }

    #[test]
    fn the_documentation_names_every_kind() {
        let unknown = serde_json::from_str::<Act>(r#"{"kind":"?"}"#).unwrap_err().to_string();
        let kinds: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
        assert!(kinds.len() > 60, "{unknown}");
        let documented = include_str!("../../docs/audit.md");
        let missing: Vec<_> =
            kinds.into_iter().filter(|kind| !documented.contains(&format!("`{kind}`"))).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn acts_speak_in_json() {
        let act =
            Act::MessageFetched { message: MessageId::from_bytes([0; 16]), extent: Extent::Top { lines: 3 } };
        let json = serde_json::to_string(&act).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"message_fetched","message":"aaaaaaaaaaaaaaaaaaaaaaaaaa","extent":{"kind":"top","lines":3}}"#
        );
        assert_eq!(serde_json::from_str::<Act>(&json).unwrap(), act);
        let listed = serde_json::to_string(&Act::listed([4, 5, 9])).unwrap();
        assert_eq!(listed, r#"[{"kind":"messages_listed","numbers":"4:5,9"}]"#);
        assert_eq!(serde_json::to_string(&Act::SignedIn).unwrap(), r#"{"kind":"signed_in"}"#);
    }

    #[test]
    fn many_fetches_are_cut_into_entries() {
        let message = |number: u8| MessageId::from_bytes([number; 16]);
        let counts = |many: u8| {
            let messages: Vec<_> = (0..many).map(message).collect();
            let acts = Act::fetched(&messages, &Extent::Header);
            let named = acts.iter().map(|act| match act {
                Act::MessagesFetched { messages, extent: Extent::Header } => messages.clone(),
                Act::MessageFetched { message, extent: Extent::Header } => vec![*message],
                other => panic!("{other:?}"),
            });
            let named: Vec<_> = named.collect();
            assert_eq!(named.concat(), messages);
            named.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert!(counts(0).is_empty());
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(64), [64]);
        assert_eq!(counts(130), [64, 64, 2]);
        assert!(matches!(Act::fetched(&[message(1)], &Extent::Whole)[..], [Act::MessageFetched { .. }]));
    }

    #[test]
    fn an_entry_names_no_more_messages_than_it_may() {
        let json = |count: usize| {
            let messages = vec![MessageId::from_bytes([7; 16]).to_string(); count];
            serde_json::json!({"kind": "messages_fetched", "messages": messages, "extent": {"kind": "whole"}})
        };
        for (count, reads) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(serde_json::from_value::<Act>(json(count)).is_ok(), reads, "{count}");
        }
    }
}

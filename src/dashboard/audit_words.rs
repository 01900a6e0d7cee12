//! The audit log in plain words: one sentence for every act, by whoever, from wherever.
//!
//! Owns wording and what an act is about; looks nothing up: names come from [`Names`]. Every match is
//! exhaustive, so that an act that is added later cannot go without words.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::audit::{
    Act, Actor, AddressMark, Draft, Extent, LockCause, Origin, PolicyEffect, Protocol, Refusal, UnlockMethod,
    UserRole,
};
use crate::names::{CredentialId, MessageId, UserId, ViewId};

/// What the words are made with: who reads them, and what people call things.
pub struct Names {
    /// Who reads.
    pub me: UserId,
    /// Logins by user.
    pub users: HashMap<UserId, String>,
    /// Views by identifier, with whose they are.
    pub views: HashMap<ViewId, (String, UserId)>,
    /// Devices that still exist, as their people call them.
    pub devices: HashMap<CredentialId, String>,
    /// Addresses that the tenant still has.
    pub addresses: HashMap<AddressMark, String>,
}

/// An entry as a sentence, with a message in its midst where there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What stands before the message, or all of it.
    pub start: String,
    /// The message.
    pub message: Option<MessageId>,
    /// What stands after it.
    pub end: String,
}

/// What an entry is about, for lists of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Mail was read, listed, searched or taken out.
    Mail,
    /// A mail client, feed or robot was served.
    Devices,
    /// People came and went.
    SignIns,
    /// Something is different from now on.
    Changes,
    /// Something was refused or is broken.
    Trouble,
    /// The log and the vault look after themselves.
    Upkeep,
}

/// Whom an act concerns besides its actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerned {
    /// Nobody else.
    Nobody,
    /// This person.
    User(UserId),
    /// Whoever this view belongs to.
    View(ViewId),
    /// Everybody of the tenant.
    Everybody,
}

impl Matter {
    /// All of them with their words: for addresses, and for people.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Mail, "mail", "Opened mail"),
        (Self::Devices, "devices", "Devices"),
        (Self::SignIns, "sign-ins", "Sign-ins"),
        (Self::Changes, "changes", "Changes"),
        (Self::Trouble, "trouble", "Trouble"),
        (Self::Upkeep, "upkeep", "The log itself"),
    ];

    /// By the word in an address.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == word).map(|(matter, ..)| *matter)
    }

    /// For people.
    pub fn words(self) -> &'static str {
        Self::ALL.iter().find(|(matter, ..)| *matter == self).map_or("", |(.., words)| words)
    }

    /// What an entry is about: a list that an unlocked person looked at is no device's.
    pub fn told_by(draft: &Draft) -> Self {
        match (&draft.act, &draft.actor) {
            (Act::MessagesListed { .. }, Actor::User { .. }) => Self::of(&Act::ListRead { messages: 0 }),
            (act, _) => Self::of(act),
        }
    }

    /// What an act is about.
    pub fn of(act: &Act) -> Self {
        use Act as A;
        match act {
            A::ListRead { .. }
            | A::SearchMade { .. }
            | A::SteppedUp { .. }
            | A::MessageRevealed { .. }
            | A::MessageExported { .. }
            | A::ResealBegun { .. }
            | A::ResealEnded { .. }
            | A::IndexExtended { .. } => Self::Mail,
            A::ViewOpened { .. }
            | A::ViewClosed { .. }
            | A::MessageFetched { .. }
            | A::MessagesFetched { .. }
            | A::MessagesListed { .. }
            | A::MessagePushed { .. } => Self::Devices,
            A::SignedIn
            | A::SignInEnded
            | A::SignInEndedFor { .. }
            | A::UnlockBegun { .. }
            | A::UnlockEnded { .. } => Self::SignIns,
            A::SignInRefused { .. }
            | A::UnlockRefused { .. }
            | A::MessageDamaged { .. }
            | A::RecoveryCodeUsed { .. }
            | A::PolicyRefused
            | A::Failed { .. } => Self::Trouble,
            A::PolicyLoaded
            | A::BackupMade
            | A::AuditExported { .. }
            | A::MailTraced { .. }
            | A::CheckpointSigned => Self::Upkeep,
            A::MessageReleased { .. }
            | A::MessageRemoved { .. }
            | A::CredentialCreated { .. }
            | A::CredentialRevoked { .. }
            | A::CredentialRotated { .. }
            | A::PasswordChanged { .. }
            | A::TotpReset { .. }
            | A::RecoveryCodeReplaced { .. }
            | A::EscrowAdded
            | A::EscrowRemoved
            | A::OwnerKeyRotated
            | A::ViewKeyRotated { .. }
            | A::RootKeyRotated
            | A::PolicyChanged { .. }
            | A::PolicyRemoved { .. }
            | A::ViewCreated { .. }
            | A::ViewChanged { .. }
            | A::ViewRemoved { .. }
            | A::FeedCreated { .. }
            | A::FeedRemoved { .. }
            | A::UserCreated { .. }
            | A::UserDisabled { .. }
            | A::UserEnabled { .. }
            | A::RoleChanged { .. }
            | A::TenantSettingsChanged { .. }
            | A::ApiTokenCreated { .. }
            | A::ApiTokenRevoked { .. }
            | A::PasskeyAdded { .. }
            | A::PasskeyRemoved { .. }
            | A::PhraseChanged { .. }
            | A::UserRemoved { .. }
            | A::MailHandedOver { .. }
            | A::QuotaChanged { .. }
            | A::AddressShared { .. }
            | A::AddressUnshared { .. }
            | A::AddressAdded { .. }
            | A::AddressRemoved { .. }
            | A::AddressSwitchedOff { .. }
            | A::AddressSwitchedOn { .. }
            | A::TenantCreated
            | A::TenantRemoved
            | A::BackupRestored => Self::Changes,
        }
    }
}

impl Concerned {
    /// Whom an act concerns besides its actor.
    pub fn by(act: &Act) -> Self {
        use Act as A;
        match act {
            A::PasswordChanged { user }
            | A::TotpReset { user }
            | A::RecoveryCodeUsed { user }
            | A::UserCreated { user }
            | A::UserDisabled { user }
            | A::UserEnabled { user }
            | A::RoleChanged { user, .. }
            | A::SignInEndedFor { user }
            | A::ApiTokenCreated { user, .. }
            | A::ApiTokenRevoked { user, .. }
            | A::PasskeyAdded { user }
            | A::PasskeyRemoved { user }
            | A::PhraseChanged { user }
            | A::UserRemoved { user }
            | A::MailHandedOver { user, .. }
            | A::QuotaChanged { user, .. }
            | A::AddressShared { user }
            | A::AddressUnshared { user }
            | A::AddressAdded { user, .. }
            | A::AddressRemoved { user, .. }
            | A::AddressSwitchedOff { user, .. }
            | A::AddressSwitchedOn { user, .. } => Self::User(*user),
            A::MessagePushed { view, .. }
            | A::ResealBegun { view, .. }
            | A::ResealEnded { view, .. }
            | A::CredentialCreated { view, .. }
            | A::CredentialRevoked { view, .. }
            | A::CredentialRotated { view, .. }
            | A::ViewKeyRotated { view }
            | A::ViewCreated { view }
            | A::ViewChanged { view, .. }
            | A::ViewRemoved { view }
            | A::FeedCreated { view }
            | A::FeedRemoved { view } => Self::View(*view),
            // What opens everybody's mail, or changes what is shown of it.
            A::RecoveryCodeReplaced { .. }
            | A::EscrowAdded
            | A::EscrowRemoved
            | A::OwnerKeyRotated
            | A::RootKeyRotated
            | A::PolicyChanged { .. }
            | A::PolicyRemoved { .. }
            | A::PolicyRefused
            | A::TenantCreated
            | A::TenantRemoved
            | A::TenantSettingsChanged { .. }
            | A::BackupMade
            | A::BackupRestored
            | A::Failed { .. } => Self::Everybody,
            A::ViewOpened { .. }
            | A::ViewClosed { .. }
            | A::SignInRefused { .. }
            | A::MessageFetched { .. }
            | A::MessagesFetched { .. }
            | A::MessagesListed { .. }
            | A::ListRead { .. }
            | A::SearchMade { .. }
            | A::SignedIn
            | A::SignInEnded
            | A::UnlockBegun { .. }
            | A::UnlockRefused { .. }
            | A::UnlockEnded { .. }
            | A::SteppedUp { .. }
            | A::MessageRevealed { .. }
            | A::MessageExported { .. }
            | A::IndexExtended { .. }
            | A::MessageReleased { .. }
            | A::MessageRemoved { .. }
            | A::MessageDamaged { .. }
            | A::PolicyLoaded
            | A::AuditExported { .. }
            | A::MailTraced { .. }
            | A::CheckpointSigned => Self::Nobody,
        }
    }
}

impl Names {
    /// Whether an entry concerns the reader: see [`Names::concerns`]; and what concerns everybody.
    pub fn concerns_me(&self, draft: &Draft) -> bool {
        self.concerns(draft, self.me) || Concerned::by(&draft.act) == Concerned::Everybody
    }

    /// Whether an entry concerns a person: their own act, one of a view of theirs, or one of somebody
    /// else on them or their mail.
    pub fn concerns(&self, draft: &Draft, person: UserId) -> bool {
        self.is_by(&draft.actor, person)
            || match Concerned::by(&draft.act) {
                Concerned::Nobody | Concerned::Everybody => false,
                Concerned::User(user) => user == person,
                Concerned::View(view) => self.has(person, view),
            }
    }

    /// Whether an entry names a message: alone, among others, or by its number in a mailbox, if that is
    /// known.
    pub fn tells_of(&self, draft: &Draft, message: MessageId, number: Option<(UserId, u32)>) -> bool {
        match &draft.act {
            Act::MessagesFetched { messages, .. } => messages.contains(&message),
            Act::MessagesListed { numbers } => {
                number.is_some_and(|(of, number)| self.is_by(&draft.actor, of) && numbers.contains(number))
            }
            act => message_of(act) == Some(message),
        }
    }

    /// Whether the actor is the reader, or a device of theirs.
    pub fn is_mine(&self, actor: &Actor) -> bool {
        self.is_by(actor, self.me)
    }

    fn is_by(&self, actor: &Actor, person: UserId) -> bool {
        match actor {
            Actor::User { user } => *user == person,
            Actor::View { view, .. } => self.has(person, *view),
            Actor::Administrator { .. } | Actor::Server | Actor::Nobody => false,
        }
    }

    fn has(&self, person: UserId, view: ViewId) -> bool {
        self.views.get(&view).is_some_and(|(_, of)| *of == person)
    }

    /// An entry as a sentence, but for its reason.
    pub fn sentence(&self, draft: &Draft) -> Sentence {
        let Did { what, message, rest } = self.did(draft);
        let start = format!("{} {what}", self.who(&draft.actor));
        let end = format!("{rest}{}.", from(draft.origin));
        match message {
            Some(message) => Sentence { start, message: Some(message), end },
            None => Sentence { start: start + &end, message: None, end: String::new() },
        }
    }

    /// Who did it, as the beginning of a sentence.
    fn who(&self, actor: &Actor) -> String {
        match actor {
            Actor::User { user } if *user == self.me => "You".to_owned(),
            Actor::User { user } => capital(&self.user(*user)),
            Actor::View { view, credential } => capital(&self.device_of(*view, *credential)),
            Actor::Administrator { uid } => format!("The administrator at the server (Unix user {uid})"),
            Actor::Server => "The server".to_owned(),
            Actor::Nobody => "Somebody unknown".to_owned(),
        }
    }

    fn user(&self, user: UserId) -> Cow<'_, str> {
        match self.users.get(&user) {
            Some(login) => Cow::Borrowed(login),
            None => Cow::Borrowed("a person who is gone"),
        }
    }

    /// Something of a person's: `your password`, `the password of anna@firm.example`.
    fn of(&self, user: UserId, actor: &Actor, thing: &str) -> String {
        if user == self.me {
            return format!("your {thing}");
        }
        if matches!(actor, Actor::User { user: by } if *by == user) {
            return format!("their own {thing}");
        }
        format!("the {thing} of {}", self.user(user))
    }

    /// A person as the object of a sentence.
    fn whom(&self, user: UserId) -> String {
        if user == self.me { "you".to_owned() } else { self.user(user).into_owned() }
    }

    fn view(&self, view: ViewId) -> String {
        match self.views.get(&view) {
            Some((name, of)) if *of == self.me => format!("your view “{name}”"),
            Some((name, of)) => format!("the view “{name}” of {}", self.user(*of)),
            None => "a view that is gone".to_owned(),
        }
    }

    fn device(&self, credential: CredentialId) -> String {
        match self.devices.get(&credential) {
            Some(label) => format!("the device “{label}”"),
            None => "a device that is gone".to_owned(),
        }
    }

    /// An address by its token.
    fn address(&self, token: Option<&AddressMark>) -> String {
        match (token, token.and_then(|token| self.addresses.get(token))) {
            (_, Some(address)) => format!("the address {address}"),
            (Some(_), None) => "an address that is gone".to_owned(),
            (None, None) => "an address".to_owned(),
        }
    }

    /// A device as the actor: with whose it is.
    fn device_of(&self, view: ViewId, credential: CredentialId) -> String {
        match (self.devices.get(&credential), self.views.get(&view)) {
            (Some(label), Some((_, of))) if *of == self.me => format!("your device “{label}”"),
            (Some(label), Some((_, of))) => format!("the device “{label}” of {}", self.user(*of)),
            (Some(label), None) => format!("the device “{label}”"),
            (None, Some((name, of))) if *of == self.me => {
                format!("a device that is gone (your view “{name}”)")
            }
            (None, Some((name, of))) => {
                format!("a device that is gone (view “{name}” of {})", self.user(*of))
            }
            (None, None) => "a device that is gone".to_owned(),
        }
    }

    /// What was done.
    fn did(&self, draft: &Draft) -> Did {
        use Act as A;
        let (actor, under) = (&draft.actor, draft.policy.as_ref().map(|policy| policy.name()));
        match &draft.act {
            A::ViewOpened { protocol } => plain(format!("connected {}", by_protocol(*protocol))),
            A::ViewClosed { fetched } => plain(format!("left, with {} fetched", messages(*fetched))),
            A::SignInRefused { protocol, cause } => {
                plain(format!("was turned away {}: {}", by_protocol(*protocol), refusal(*cause)))
            }
            A::MessageFetched { message, extent } => {
                about(format!("fetched {}", part_of(extent)), *message, ", as its view shows it")
            }
            A::MessagesFetched { messages: named, extent } => {
                let count = messages(named.len() as u64);
                plain(format!("fetched {}{count}, as its view shows them", part_of(extent)))
            }
            A::MessagesListed { numbers } => match actor {
                Actor::User { .. } => {
                    plain(format!("looked at a list of {}, unlocked", messages(numbers.count())))
                }
                _ => plain(format!("listed {}, as its view shows them", messages(numbers.count()))),
            },
            A::MessagePushed { message, view } => {
                let rest = format!(", masked, to where {} is sent", self.view(*view));
                Did { what: "passed on ".to_owned(), message: Some(*message), rest }
            }
            A::ListRead { messages: count } => {
                plain(format!("looked at a list of {}, unlocked", messages(*count)))
            }
            A::SearchMade { matches } => plain(format!("searched the mail and found {}", messages(*matches))),
            A::SignedIn => plain("signed in with the password".to_owned()),
            A::UnlockBegun { method, seconds } => {
                let time = minutes(*seconds);
                plain(format!("unlocked the mail with {} for at most {time}", with_method(*method)))
            }
            A::UnlockRefused { cause } => plain(format!("could not unlock: {}", refusal(*cause))),
            A::UnlockEnded { cause, revealed } => {
                let opened = if *revealed == 0 {
                    "nothing was opened".to_owned()
                } else {
                    format!("{} had been opened", messages(*revealed))
                };
                plain(format!("{}; {opened}", locked(*cause)))
            }
            A::SteppedUp { message } => about("gave a code for ".to_owned(), *message, ""),
            A::MessageRevealed { message, extent } => {
                about(format!("opened {}", part_of(extent)), *message, "")
            }
            A::MessageExported { message } => {
                about("took ".to_owned(), *message, " out of the vault, in the clear")
            }
            A::ResealBegun { view, messages: count } => {
                plain(format!("began to seal {} again for {}", messages(*count), self.view(*view)))
            }
            A::ResealEnded { view, resealed, failed } => {
                let failed = if *failed == 0 { String::new() } else { format!("; {failed} could not be") };
                plain(format!("sealed {} again for {}{failed}", messages(*resealed), self.view(*view)))
            }
            A::IndexExtended { messages: count } => {
                plain(format!("had {} read for the search index", messages(*count)))
            }
            A::MessageReleased { message } => about("let ".to_owned(), *message, " out of quarantine"),
            A::MessageRemoved { .. } => plain("deleted a message for good".to_owned()),
            A::MessageDamaged { message } => about("found ".to_owned(), *message, " damaged and left it out"),
            A::CredentialCreated { view, credential } => {
                plain(format!("let {} in to {}", self.device(*credential), self.view(*view)))
            }
            A::CredentialRevoked { view, credential } => {
                plain(format!("shut {} out of {}", self.device(*credential), self.view(*view)))
            }
            A::CredentialRotated { view, credential, .. } => plain(format!(
                "gave {} a new app password for {}",
                self.device(*credential),
                self.view(*view)
            )),
            A::PasswordChanged { user } => plain(format!("changed {}", self.of(*user, actor, "password"))),
            A::TotpReset { user } => plain(format!("replaced {}", self.of(*user, actor, "authenticator"))),
            A::RecoveryCodeUsed { user } => {
                plain(format!("used the recovery code for {}", self.of(*user, actor, "account")))
            }
            A::RecoveryCodeReplaced { .. } => {
                plain("made a new recovery code; the old one is void".to_owned())
            }
            A::EscrowAdded => plain("gave the organisation's offline key access to the mail".to_owned()),
            A::EscrowRemoved => plain("took the organisation's offline key away".to_owned()),
            A::OwnerKeyRotated => plain("replaced the key that opens the mail".to_owned()),
            A::ViewKeyRotated { view } => plain(format!("replaced the key of {}", self.view(*view))),
            A::RootKeyRotated => plain("replaced the server's own key".to_owned()),
            A::PolicyLoaded => plain("read a policy".to_owned()),
            A::PolicyChanged { effect } => {
                let policy =
                    under.map_or_else(|| "a policy".to_owned(), |name| format!("the policy “{name}”"));
                plain(format!("changed {policy}: {}", effect_of(*effect)))
            }
            A::PolicyRemoved { effect } => {
                let policy =
                    under.map_or_else(|| "a policy".to_owned(), |name| format!("the policy “{name}”"));
                plain(format!("removed {policy}: {}", effect_of(*effect)))
            }
            A::PolicyRefused => {
                plain("could not read a policy; mail for it waits until it is mended".to_owned())
            }
            A::ViewCreated { view } => plain(format!("made {}{}", self.view(*view), with_policy(under))),
            A::ViewChanged { view, effect } => {
                let effect = effect.map(|effect| format!(": {}", effect_of(effect))).unwrap_or_default();
                plain(format!("changed what {} shows{}{effect}", self.view(*view), with_policy(under)))
            }
            A::ViewRemoved { view } => plain(format!("removed {} with its devices", self.view(*view))),
            A::FeedCreated { view } => plain(format!("had {} passed on elsewhere", self.view(*view))),
            A::FeedRemoved { view } => plain(format!("ended the passing on of {}", self.view(*view))),
            A::UserCreated { user } => plain(format!("gave {} an account", self.whom(*user))),
            A::UserDisabled { user } => plain(format!("shut out {}", self.whom(*user))),
            A::UserEnabled { user } => plain(format!("let {} in again", self.whom(*user))),
            A::RoleChanged { user, role } => plain(format!("made {} {}", self.whom(*user), role_of(*role))),
            A::ApiTokenCreated { user, .. } => {
                plain(format!("made an API token for {}", self.of(*user, actor, "account")))
            }
            A::ApiTokenRevoked { user, .. } => {
                plain(format!("took an API token from {}", self.of(*user, actor, "account")))
            }
            A::PasskeyAdded { user } => {
                plain(format!("added a passkey to {}", self.of(*user, actor, "account")))
            }
            A::PasskeyRemoved { user } => {
                plain(format!("removed a passkey from {}", self.of(*user, actor, "account")))
            }
            A::PhraseChanged { user } => {
                plain(format!("changed {}", self.of(*user, actor, "phrase against phishing")))
            }
            A::SignInEndedFor { user } => {
                plain(format!("ended {}", self.of(*user, actor, "signed-in session")))
            }
            A::Failed { of } => plain(format!("could not do what entry {of} says: it did not happen")),
            A::TenantSettingsChanged { reason_required, step_up, unlock_minutes, unlock_longest_minutes } => {
                plain(format!(
                    "changed the rules: a reason is {} to unlock, and {}{}",
                    if *reason_required { "needed" } else { "not needed" },
                    if *step_up {
                        "every message needs a code of its own"
                    } else {
                        "one code opens everything"
                    },
                    lasting(*unlock_minutes, *unlock_longest_minutes),
                ))
            }
            A::SignInEnded => plain("ended a signed-in session from another one".to_owned()),
            A::UserRemoved { user } => plain(format!("removed {}", self.whom(*user))),
            A::QuotaChanged { user, octets: Some(octets) } => plain(format!(
                "let {} hold at most {}",
                self.of(*user, actor, "mailbox"),
                super::words::size(*octets)
            )),
            A::QuotaChanged { user, octets: None } => {
                plain(format!("took the limit from {}", self.of(*user, actor, "mailbox")))
            }
            A::AddressShared { user } => plain(format!("let an address be for {} as well", self.whom(*user))),
            A::AddressUnshared { user } => plain(format!("took a shared address from {}", self.whom(*user))),
            A::MailHandedOver { user, heir, messages: count } => plain(format!(
                "handed {} of {} over to {}",
                messages(*count),
                self.whom(*user),
                self.whom(*heir)
            )),
            A::AddressAdded { user, address } => plain(format!(
                "added {} to {}",
                self.address(address.as_ref()),
                self.of(*user, actor, "mailbox")
            )),
            A::AddressRemoved { user, address } => plain(format!(
                "took {} from {}",
                self.address(address.as_ref()),
                self.of(*user, actor, "mailbox")
            )),
            A::AddressSwitchedOff { user, address } => plain(format!(
                "switched off {} of {}: its mail is refused",
                self.address(address.as_ref()),
                self.of(*user, actor, "mailbox")
            )),
            A::AddressSwitchedOn { user, address } => plain(format!(
                "switched {} of {} on again",
                self.address(address.as_ref()),
                self.of(*user, actor, "mailbox")
            )),
            A::TenantCreated => plain("founded this vault".to_owned()),
            A::TenantRemoved => plain("began to remove this vault".to_owned()),
            A::BackupMade => plain("wrote a backup, sealed as everything is".to_owned()),
            A::BackupRestored => plain("restored this vault from a backup".to_owned()),
            A::MailTraced { address, found } => plain(format!(
                "asked what became of the mail of an address ({address} in the server's log): {found} answers"
            )),
            A::AuditExported { entries } => {
                plain(format!("took a copy of this log, which had {entries} entries then"))
            }
            A::CheckpointSigned => plain("signed the log up to here".to_owned()),
        }
    }
}

/// The predicate of a sentence.
struct Did {
    what: String,
    message: Option<MessageId>,
    rest: String,
}

fn plain(what: String) -> Did {
    Did { what, message: None, rest: String::new() }
}

fn about(what: String, message: MessageId, rest: &str) -> Did {
    Did { what, message: Some(message), rest: rest.to_owned() }
}

/// The message that an act is about, if it is about one alone.
pub fn message_of(act: &Act) -> Option<MessageId> {
    match act {
        Act::MessageFetched { message, .. }
        | Act::MessagePushed { message, .. }
        | Act::MessageRevealed { message, .. }
        | Act::SteppedUp { message }
        | Act::MessageExported { message }
        | Act::MessageReleased { message }
        | Act::MessageRemoved { message }
        | Act::MessageDamaged { message } => Some(*message),
        _ => None,
    }
}

/// The device that an entry names, as its actor or as what was done to it.
pub fn device_in(draft: &Draft, device: CredentialId) -> bool {
    let acted = matches!(draft.actor, Actor::View { credential, .. } if credential == device);
    acted
        || match &draft.act {
            Act::CredentialCreated { credential, .. } | Act::CredentialRevoked { credential, .. } => {
                *credential == device
            }
            Act::CredentialRotated { credential, replaced, .. } => {
                *credential == device || *replaced == device
            }
            _ => false,
        }
}

fn from(origin: Origin) -> String {
    match origin {
        Origin::Ip { address } => format!(", from {address}"),
        Origin::UnixSocket => ", at the server's command line".to_owned(),
        Origin::Internal => String::new(),
    }
}

fn by_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Pop3 => "by POP3",
        Protocol::Imap => "by IMAP",
        Protocol::Dashboard => "at the dashboard",
        Protocol::Feed => "as a feed",
        Protocol::Robot => "as a program",
        Protocol::Submission => "for sending mail",
        Protocol::CommandLine => "at the command line",
    }
}

fn refusal(cause: Refusal) -> &'static str {
    match cause {
        Refusal::WrongCredential => "the password was wrong",
        Refusal::WrongCode => "the code was wrong",
        Refusal::CodeUsedBefore => "the code had been used before",
        Refusal::ClockOff => "the code was right for another time, so a clock is wrong",
        Refusal::PasskeyCopied => "the passkey may have been copied",
        Refusal::Softlock => "there were too many failed attempts",
        Refusal::ReasonMissing => "no reason was given",
        Refusal::Disabled => "the account or view is shut out",
    }
}

fn with_method(method: UnlockMethod) -> &'static str {
    match method {
        UnlockMethod::PasswordAndTotp => "password and code",
        UnlockMethod::PasswordAndPasskey => "password and passkey",
        UnlockMethod::RecoveryCode => "the recovery code",
        UnlockMethod::Escrow => "the organisation's offline key",
    }
}

/// How an unlock ended, after whoever it belonged to.
fn locked(cause: LockCause) -> &'static str {
    match cause {
        LockCause::ByPerson => "locked the mail again",
        LockCause::TimeOver => "left the mail to lock by itself",
        LockCause::ServerStopped => "had the mail locked because the server stopped",
        LockCause::CredentialChanged => "had the mail locked because the account was changed",
    }
}

fn part_of(extent: &Extent) -> String {
    match extent {
        Extent::Whole => String::new(),
        Extent::Header => "the header of ".to_owned(),
        Extent::Top { lines: 0 } => "the header of ".to_owned(),
        Extent::Top { lines } => format!("the header and {lines} lines of "),
        Extent::Parts { parts } if parts.len() == 1 => "one part of ".to_owned(),
        Extent::Parts { parts } => format!("{} parts of ", parts.len()),
    }
}

fn with_policy(name: Option<&str>) -> String {
    name.map(|name| format!(", with the policy “{name}”")).unwrap_or_default()
}

fn effect_of(effect: PolicyEffect) -> &'static str {
    match effect {
        PolicyEffect::Reveals => "it shows more than before",
        PolicyEffect::Hides => "it shows less than before",
        PolicyEffect::Neutral => "it shows as much as before",
    }
}

fn role_of(role: UserRole) -> &'static str {
    match role {
        UserRole::Member => "a member",
        UserRole::Administrator => "an administrator",
        UserRole::Operator => "an operator of the server",
    }
}

fn messages(count: u64) -> String {
    match count {
        0 => "no message".to_owned(),
        1 => "one message".to_owned(),
        count => format!("{count} messages"),
    }
}

fn minutes(seconds: u64) -> String {
    match seconds {
        0..=59 => "a minute".to_owned(),
        60..=119 => "one minute".to_owned(),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// How long an unlock lasts from now on, where the tenant says so.
fn lasting(idle: Option<u32>, longest: Option<u32>) -> String {
    let said = |count: Option<u32>, words: &str| {
        count.map(|count| format!(", an unlock ends after {} {words}", minutes(u64::from(count) * 60)))
    };
    let parts = [said(idle, "without use"), said(longest, "in any case")];
    parts.into_iter().flatten().collect()
}

fn capital(text: &str) -> String {
    // A login begins as its person writes it.
    if text.contains('@') && !text.contains(' ') {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
#[path = "audit_words_tests.rs"]
mod tests;

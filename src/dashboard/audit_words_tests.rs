//! The words of the audit page, for every act there is.

use super::*;
use crate::audit::{MessageNumbers, PartPath, Reason};

fn me() -> UserId {
    UserId::from_bytes([1; 16])
}

fn bob() -> UserId {
    UserId::from_bytes([2; 16])
}

fn phone() -> (ViewId, CredentialId) {
    (ViewId::from_bytes([3; 16]), CredentialId::from_bytes([4; 16]))
}

fn bobs() -> (ViewId, CredentialId) {
    (ViewId::from_bytes([5; 16]), CredentialId::from_bytes([6; 16]))
}

fn message() -> MessageId {
    MessageId::from_bytes([7; 16])
}

fn names() -> Names {
    let ((view, credential), (bobs, tablet)) = (phone(), bobs());
    Names {
        me: me(),
        users: [(me(), "anna@firm.example".to_owned()), (bob(), "bob@firm.example".to_owned())].into(),
        views: [(view, ("masked".to_owned(), me())), (bobs, ("list".to_owned(), bob()))].into(),
        devices: [(credential, "phone".to_owned()), (tablet, "tablet".to_owned())].into(),
        addresses: [(token(1), "sales@firm.example".to_owned())].into(),
    }
}

fn token(octet: u8) -> AddressMark {
    AddressMark::of(&[octet; 32])
}

#[test]
fn addresses_and_policies_are_named() {
    let (view, _) = phone();
    let added = |address| said(user(me()), Act::AddressAdded { user: me(), address });
    assert!(added(Some(token(1))).contains("added the address sales@firm.example to your mailbox"));
    assert!(added(Some(token(2))).contains("added an address that is gone to"));
    assert!(added(None).contains("added an address to"));
    let policy = crate::audit::PolicyName::new("careful", 3).expect("a name");
    let under = |act| {
        let Sentence { start, .. } = names().sentence(&draft(user(me()), act).under(policy.clone()));
        start
    };
    let changed = under(Act::ViewChanged { view, effect: Some(PolicyEffect::Reveals) });
    assert!(
        changed.contains("your view “masked” shows, with the policy “careful”: it shows more than before"),
        "{changed}"
    );
    assert!(
        under(Act::PolicyChanged { effect: PolicyEffect::Hides })
            .contains("the policy “careful”: it shows less")
    );
    assert!(under(Act::ViewCreated { view }).contains("made your view “masked”, with the policy “careful”"));
}

fn draft(actor: Actor, act: Act) -> Draft {
    Draft::new(actor, Origin::Ip { address: "203.0.113.7".parse().expect("an address") }, act)
}

/// The sentence as it reads.
fn said(actor: Actor, act: Act) -> String {
    let Sentence { start, message, end } = names().sentence(&draft(actor, act));
    format!("{start}{}{end}", message.map_or("", |_| "a message"))
}

fn user(user: UserId) -> Actor {
    Actor::User { user }
}

fn device((view, credential): (ViewId, CredentialId)) -> Actor {
    Actor::View { view, credential }
}

#[test]
fn entries_read_as_plain_sentences() {
    let unlocked = Act::UnlockBegun { method: UnlockMethod::PasswordAndTotp, seconds: 600 };
    let opened = Act::MessageRevealed { message: message(), extent: Extent::Whole };
    let fetched = Act::MessageFetched { message: message(), extent: Extent::Top { lines: 3 } };
    let gone = (ViewId::from_bytes([8; 16]), CredentialId::from_bytes([9; 16]));
    let many = Act::MessagesFetched { messages: vec![message(); 3], extent: Extent::Header };
    let listed = Act::MessagesListed { numbers: MessageNumbers::parse("1:40").expect("a set") };
    for (actor, act, words) in [
        (
            user(me()),
            unlocked.clone(),
            "You unlocked the mail with password and code for at most 10 minutes, from 203.0.113.7.",
        ),
        (user(me()), opened.clone(), "You opened a message, from 203.0.113.7."),
        (user(bob()), opened, "bob@firm.example opened a message, from 203.0.113.7."),
        (
            device(phone()),
            fetched.clone(),
            "Your device “phone” fetched the header and 3 lines of a message, as its view shows it, from 203.0.113.7.",
        ),
        (
            device(phone()),
            many,
            "Your device “phone” fetched the header of 3 messages, as its view shows them, from 203.0.113.7.",
        ),
        (
            device(bobs()),
            listed,
            "The device “tablet” of bob@firm.example listed 40 messages, as its view shows them, from 203.0.113.7.",
        ),
        (
            device(bobs()),
            Act::ViewOpened { protocol: Protocol::Pop3 },
            "The device “tablet” of bob@firm.example connected by POP3, from 203.0.113.7.",
        ),
        (
            device((phone().0, gone.1)),
            Act::ViewOpened { protocol: Protocol::Pop3 },
            "A device that is gone (your view “masked”) connected by POP3, from 203.0.113.7.",
        ),
        (
            device(gone),
            fetched,
            "A device that is gone fetched the header and 3 lines of a message, as its view shows it, from 203.0.113.7.",
        ),
        (
            Actor::Nobody,
            Act::SignInRefused { protocol: Protocol::Dashboard, cause: Refusal::WrongCredential },
            "Somebody unknown was turned away at the dashboard: the password was wrong, from 203.0.113.7.",
        ),
        (
            Actor::Administrator { uid: 1000 },
            Act::PasswordChanged { user: me() },
            "The administrator at the server (Unix user 1000) changed your password, from 203.0.113.7.",
        ),
        (
            user(bob()),
            Act::PasswordChanged { user: bob() },
            "bob@firm.example changed their own password, from 203.0.113.7.",
        ),
        (
            user(me()),
            Act::TotpReset { user: bob() },
            "You replaced the authenticator of bob@firm.example, from 203.0.113.7.",
        ),
        (
            user(UserId::from_bytes([9; 16])),
            Act::SignedIn,
            "A person who is gone signed in with the password, from 203.0.113.7.",
        ),
    ] {
        assert_eq!(said(actor, act), words);
    }
    let inside = Draft::new(Actor::Server, Origin::Internal, Act::CheckpointSigned);
    assert_eq!(names().sentence(&inside).start, "The server signed the log up to here.");
    let socket = Draft::new(Actor::Administrator { uid: 0 }, Origin::UnixSocket, Act::TenantCreated);
    let words =
        "The administrator at the server (Unix user 0) founded this vault, at the server's command line.";
    assert_eq!(names().sentence(&socket).start, words);
}

#[test]
fn every_act_has_calm_words() {
    for act in acts() {
        let json = serde_json::to_value(&act).expect("acts are JSON");
        let kind = json["kind"].as_str().expect("a kind").to_owned();
        let words = said(user(me()), act.clone());
        assert!(words.starts_with("You ") && words.ends_with(", from 203.0.113.7."), "{kind}: {words}");
        for odd in ["  ", " ,", "..", "!", "_", ":,", " .", "aaaa"] {
            assert!(!words.contains(odd), "{kind}: {words}");
        }
        assert!(Matter::ALL.iter().any(|(matter, ..)| *matter == Matter::of(&act)));
        // What an entry names in its JSON is what a search for it finds.
        assert_eq!(json.get("message").is_some(), message_of(&act).is_some(), "{kind}");
        let named = json.get("credential").is_some();
        assert_eq!(named, device_in(&draft(Actor::Server, act), phone().1), "{kind}");
    }
}

#[test]
fn kinds_are_found_by_their_words() {
    for (matter, word, words) in Matter::ALL {
        assert_eq!(Matter::named(word), Some(matter));
        assert_eq!(matter.words(), words);
    }
    assert_eq!(Matter::named(""), None);
}

#[test]
fn a_member_sees_what_concerns_them_and_nothing_else() {
    let names = names();
    let (view, credential) = phone();
    for (actor, act) in [
        (user(me()), Act::SignedIn),
        (device(phone()), Act::ViewOpened { protocol: Protocol::Pop3 }),
        (user(bob()), Act::PasswordChanged { user: me() }),
        (user(bob()), Act::CredentialRevoked { view, credential }),
        (user(bob()), Act::PolicyChanged { effect: PolicyEffect::Reveals }),
        (user(bob()), Act::RecoveryCodeReplaced { user: bob() }),
        (Actor::Administrator { uid: 0 }, Act::UserDisabled { user: me() }),
    ] {
        assert!(names.concerns_me(&draft(actor, act.clone())), "{act:?}");
    }
    let (view, credential) = bobs();
    for (actor, act) in [
        (user(bob()), Act::SignedIn),
        (user(bob()), Act::MessageRevealed { message: message(), extent: Extent::Whole }),
        (device(bobs()), Act::MessageFetched { message: message(), extent: Extent::Whole }),
        (user(bob()), Act::CredentialCreated { view, credential }),
        (Actor::Administrator { uid: 0 }, Act::UserDisabled { user: bob() }),
        (Actor::Nobody, Act::SignInRefused { protocol: Protocol::Pop3, cause: Refusal::WrongCredential }),
        (Actor::Server, Act::CheckpointSigned),
        (Actor::View { view: ViewId::from_bytes([9; 16]), credential }, Act::ViewClosed { fetched: 1 }),
    ] {
        assert!(!names.concerns_me(&draft(actor, act.clone())), "{act:?}");
    }
    assert!(names.concerns(&draft(device(bobs()), Act::ViewClosed { fetched: 1 }), bob()));
    assert!(!names.concerns(&draft(user(me()), Act::PolicyChanged { effect: PolicyEffect::Hides }), bob()));
}

#[test]
fn a_message_is_found_among_others() {
    let names = names();
    let other = MessageId::from_bytes([8; 16]);
    let fetched = Act::MessagesFetched { messages: vec![other, message()], extent: Extent::Whole };
    let entry = draft(device(phone()), fetched);
    assert!(names.tells_of(&entry, message(), None) && names.tells_of(&entry, other, None));
    assert!(!names.tells_of(&entry, MessageId::from_bytes([9; 16]), None));

    let numbers = MessageNumbers::parse("3:5,9").expect("a set");
    let listed = |of| draft(device(of), Act::MessagesListed { numbers: numbers.clone() });
    assert!(names.tells_of(&listed(phone()), message(), Some((me(), 4))));
    assert!(!names.tells_of(&listed(phone()), message(), Some((me(), 6))));
    // The same number in another mailbox is another message.
    assert!(!names.tells_of(&listed(bobs()), message(), Some((me(), 4))));
    assert!(!names.tells_of(&listed(phone()), message(), None));
}

#[test]
fn a_reason_is_not_part_of_the_sentence() {
    let reason = Reason::parse("tax audit").expect("a reason");
    let sentence = names().sentence(&draft(user(me()), Act::SignedIn).because(reason));
    assert!(!sentence.start.contains("tax"));
}

/// One of each; a new act is found missing by the matches above, which have no `_`.
fn acts() -> Vec<Act> {
    use Act as A;
    let ((view, credential), message, user) = (phone(), message(), me());
    let parts = Extent::Parts { parts: vec![PartPath::parse("1.2").expect("a path")] };
    vec![
        A::ViewOpened { protocol: Protocol::Imap },
        A::ViewClosed { fetched: 0 },
        A::SignInRefused { protocol: Protocol::CommandLine, cause: Refusal::Softlock },
        A::MessageFetched { message, extent: Extent::Header },
        A::MessagesFetched {
            messages: vec![message, MessageId::from_bytes([8; 16])],
            extent: Extent::Header,
        },
        A::MessagesListed { numbers: MessageNumbers::parse("3:5,9").expect("a set") },
        A::MessagePushed { message, view },
        A::ListRead { messages: 1 },
        A::SearchMade { matches: 0 },
        A::SignedIn,
        A::UnlockBegun { method: UnlockMethod::PasswordAndPasskey, seconds: 60 },
        A::UnlockRefused { cause: Refusal::WrongCode },
        A::UnlockEnded { cause: LockCause::TimeOver, revealed: 3 },
        A::MessageRevealed { message, extent: parts },
        A::MessageExported { message },
        A::ResealBegun { view, messages: 2 },
        A::ResealEnded { view, resealed: 2, failed: 1 },
        A::IndexExtended { messages: 2 },
        A::MessageReleased { message },
        A::MessageRemoved { message },
        A::MessageDamaged { message },
        A::CredentialCreated { view, credential },
        A::CredentialRevoked { view, credential },
        A::CredentialRotated { view, credential, replaced: bobs().1 },
        A::PasswordChanged { user },
        A::TotpReset { user },
        A::RecoveryCodeUsed { user },
        A::RecoveryCodeReplaced { user },
        A::EscrowAdded,
        A::EscrowRemoved,
        A::OwnerKeyRotated,
        A::ViewKeyRotated { view },
        A::RootKeyRotated,
        A::PolicyLoaded,
        A::PolicyChanged { effect: PolicyEffect::Neutral },
        A::PolicyRemoved { effect: PolicyEffect::Hides },
        A::PolicyRefused,
        A::ViewCreated { view },
        A::ViewChanged { view, effect: Some(PolicyEffect::Hides) },
        A::ViewRemoved { view },
        A::FeedCreated { view },
        A::FeedRemoved { view },
        A::UserCreated { user },
        A::UserDisabled { user },
        A::UserEnabled { user },
        A::RoleChanged { user, role: UserRole::Administrator },
        A::ApiTokenCreated { user, token: credential },
        A::ApiTokenRevoked { user, token: credential },
        A::PasskeyAdded { user },
        A::PasskeyRemoved { user },
        A::PhraseChanged { user },
        A::SignInEnded,
        A::UserRemoved { user },
        A::QuotaChanged { user, octets: Some(1024) },
        A::QuotaChanged { user, octets: None },
        A::AddressShared { user },
        A::AddressUnshared { user },
        A::AddressSwitchedOff { user, address: None },
        A::AddressSwitchedOn { user, address: None },
        A::MailHandedOver { user, heir: user, messages: 3 },
        A::AddressAdded { user, address: Some(token(1)) },
        A::AddressRemoved { user, address: None },
        A::TenantCreated,
        A::TenantRemoved,
        A::BackupMade,
        A::BackupRestored,
        A::MailTraced { address: crate::names::AddressToken::from_bytes([9; 10]), found: 3 },
        A::AuditExported { entries: 9 },
        A::CheckpointSigned,
    ]
}

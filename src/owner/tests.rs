//! Signing in and unlocking beside rivals, on a ledger in trouble, and with clocks that are wrong: what is
//! counted, what is told, and what the log says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::account::{self, Enrolment, Founding, NewUser};
use super::sessions::Sessions;
use super::sign_in::{Entrance, SignedIn, sign_in};
use super::sign_ins::{Browser, Visit};
use super::testing::{PASSWORD, founding};
use super::unlock::{Attempt, Opened, unlock, unlock_signed_in};
use super::*;
use crate::audit::{Act, Refusal};
use crate::clock::Timestamp;
use crate::keyring::totp::code_for;
use crate::keyring::{KeySlot, Passphrase, PasswordHashing, PasswordKey, RootKey};
use crate::names::{Address, TenantId};
use crate::store::ledger::{
    Batch, Expectation, Ledger, LedgerError, Options, Pending, RedbLedger, Subscription, Visitor,
};
use crate::tenant::registry;
use crate::vault::Vault;
use crate::vault::testing::vault_over;

mod falling;
mod memory;
mod removed;

/// A ledger that counts commits, and lets some fail: so many pass, then so many do not.
struct Watched {
    inner: RedbLedger,
    commits: AtomicUsize,
    pass: AtomicUsize,
    fail: AtomicUsize,
    gate: memory::Gate,
}

/// Takes one off; whether there was one.
fn takes(number: &AtomicUsize) -> bool {
    number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |number| number.checked_sub(1)).is_ok()
}

impl Ledger for Watched {
    fn commit(&self, mut batch: Batch) -> Pending {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if !takes(&self.pass) && takes(&self.fail) {
            batch.require(b"nothing is here".as_slice(), Expectation::Present);
        }
        self.inner.commit(batch)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.inner.get(key)
    }

    fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
        self.gate.pass();
        self.inner.visit(prefix, from, visit)
    }

    fn watch(&self, prefix: &[u8]) -> Subscription {
        self.inner.watch(prefix)
    }
}

struct World {
    vault: Arc<Vault>,
    ledger: Arc<Watched>,
    sessions: Sessions,
    user: UserRef,
    seed: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        let none = AtomicUsize::default;
        let ledger = Arc::new(Watched {
            inner,
            commits: none(),
            pass: none(),
            fail: none(),
            gate: Default::default(),
        });
        let vault = Arc::new(vault_over(folder.path(), ledger.clone(), Arc::new(RootKey::generate())));
        let founded = account::found(&vault, founding("a", "ann@a.example"), BY).await.expect("founded");
        let (sessions, user) = (Sessions::default(), founded.user.user);
        Self { vault, ledger, sessions, user, seed: founded.user.seed.to_string(), _folder: folder }
    }

    fn now(&self) -> Timestamp {
        self.vault.clock.now()
    }

    /// Moves the clock, forward or back.
    fn set(&self, seconds: i64) {
        self.vault.clock.set(Timestamp::from_unix(self.now().unix() + seconds));
    }

    /// The code of a moment that far away.
    fn code(&self, seconds: i64) -> String {
        code_for(&self.seed, Timestamp::from_unix(self.now().unix() + seconds)).expect("a code")
    }

    async fn sign_in(&self, login: &str, password: &str, last: u8) -> Result<SignedIn, OwnerError> {
        self.sign_in_by(login, password, last, "").await
    }

    async fn sign_in_by(
        &self,
        login: &str,
        password: &str,
        last: u8,
        familiar: &str,
    ) -> Result<SignedIn, OwnerError> {
        let entrance = Entrance {
            login: login.to_owned(),
            password: Passphrase::new(password.to_owned()),
            origin: at(last),
            familiar: familiar.to_owned(),
            since: self.sessions.sign_ins.since(),
        };
        sign_in(&self.vault, entrance).await
    }

    async fn visit(&self, password: &str) -> Visit {
        let signed = self.sign_in("ann@a.example", password, 1).await.expect("signed in");
        let browser = Browser { print: [0; 32], label: String::new() };
        let sign_ins = &self.sessions.sign_ins;
        let token = sign_ins.open(signed, browser, at(1), self.now()).expect("there is room");
        sign_ins.resume(&token, &[0; 32], at(1), self.now()).expect("live")
    }

    async fn unlock(&self, visit: &Visit, code: &str) -> Result<Opened, OwnerError> {
        unlock_signed_in(&self.vault, &self.sessions, visit, code, None, at(1)).await
    }

    /// With password and code at once, as the socket and programs do.
    async fn unlock_at_once(&self, password: &str, code: &str) -> Result<Opened, OwnerError> {
        let attempt = Attempt {
            login: "ann@a.example".to_owned(),
            password: Passphrase::new(password.to_owned()),
            code: code.to_owned(),
            reason: None,
            origin: Origin::UnixSocket,
            token: None,
        };
        unlock(&self.vault, &self.sessions, attempt).await
    }

    async fn unlocked(&self) -> Unlocked {
        self.set(30);
        let visit = self.visit(PASSWORD).await;
        let opened = self.unlock(&visit, &self.code(0)).await.expect("unlocked");
        self.sessions.resume(&opened.token, self.now()).expect("live")
    }

    async fn acts(&self, tenant: TenantId) -> Vec<Act> {
        let size = self.vault.audit.size(tenant).await.expect("a log");
        let entries = self.vault.audit.read(tenant, 0, size as usize).await.expect("entries");
        entries.into_iter().map(|entry| entry.expect("a line").draft.act).collect()
    }

    async fn last_act(&self) -> Act {
        self.acts(self.user.tenant).await.pop().expect("an entry")
    }

    /// How many refusals to unlock the log tells of.
    async fn refusals(&self) -> usize {
        let acts = self.acts(self.user.tenant).await;
        acts.iter().filter(|act| matches!(act, Act::UnlockRefused { .. })).count()
    }
}

fn at(last: u8) -> Origin {
    Origin::ip([192, 0, 2, last].into())
}

/// What came of it, for comparison.
fn told<T>(result: Result<T, OwnerError>) -> String {
    result.err().map_or_else(|| "in".to_owned(), |error| error.to_string())
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_and_is_told_the_same() {
    let world = World::new().await;
    let mut all = Vec::new();
    for (login, last) in [("ann@a.example", 1), ("nobody@a.example", 2)] {
        let mut steps = Vec::new();
        for password in ["wrong", "wrong in NFD: a\u{308}", "wrong", "wrong", "wrong", "wrong"] {
            let before = world.ledger.commits.load(Ordering::SeqCst);
            let said = told(world.sign_in(login, password, last).await);
            steps.push((said, world.ledger.commits.load(Ordering::SeqCst) - before));
        }
        all.push(steps);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0][3].0, OwnerError::Refused.to_string());
    assert_eq!(all[0][4].0, "too many failed attempts");
}

#[tokio::test]
async fn a_browser_that_signed_in_before_passes_what_strangers_fill() {
    let world = World::new().await;
    let known = familiar::remember(&world.vault, "", world.user, false);
    // From everywhere, and from the owner's own address.
    for last in 1..60 {
        let _refused = world.sign_in("ann@a.example", "wrong", last).await;
    }
    for _ in 0..5 {
        let _refused = world.sign_in("ann@a.example", "wrong", 200).await;
    }
    let stranger = world.sign_in("ann@a.example", PASSWORD, 201).await;
    assert!(matches!(stranger, Err(OwnerError::SoftLocked(_))), "the name is full");
    assert!(world.sign_in_by("ann@a.example", PASSWORD, 200, &known).await.is_ok());
    // The token is no pass for another name, and none that somebody wrote is one.
    let changed = format!("B{}", &known[1..]);
    for token in ["", "x", &changed, &known[1..]] {
        let refused = world.sign_in_by("ann@a.example", PASSWORD, 202, token).await;
        assert!(matches!(refused, Err(OwnerError::SoftLocked(_))), "{token}");
    }
    assert!(familiar::find(&world.vault, &known, world.user).is_some());
    let bob = UserRef { user: crate::names::UserId::random(), ..world.user };
    assert!(familiar::find(&world.vault, &known, bob).is_none());
    // Two people at one browser are both known; after 400 days neither is.
    let both = familiar::remember(&world.vault, &known, bob, true);
    assert!(familiar::find(&world.vault, &both, world.user).is_some_and(|known| !known.unlocked));
    assert!(familiar::find(&world.vault, &both, bob).is_some_and(|known| known.unlocked));
    world.set(400 * 86_400);
    assert!(familiar::find(&world.vault, &both, bob).is_none());
}

#[tokio::test]
async fn who_guesses_codes_shuts_the_door_of_newcomers_only() {
    let world = World::new().await;
    let thief = world.visit(PASSWORD).await;
    for _ in 0..5 {
        let _refused = world.unlock(&thief, "000000").await;
    }
    assert!(matches!(world.unlock(&thief, &world.code(0)).await, Err(OwnerError::SoftLocked(_))));
    let mut owner = world.visit(PASSWORD).await;
    let signed = familiar::remember(&world.vault, "", world.user, false);
    owner.familiar = familiar::find(&world.vault, &signed, world.user);
    let only_signed_in = world.unlock(&owner, &world.code(0)).await;
    assert!(
        matches!(only_signed_in, Err(OwnerError::SoftLocked(_))),
        "the password alone makes nobody known"
    );
    let unlocked = familiar::remember(&world.vault, &signed, world.user, true);
    owner.familiar = familiar::find(&world.vault, &unlocked, world.user);
    assert!(world.unlock(&owner, &world.code(0)).await.is_ok());
    assert!(world.unlock_at_once(PASSWORD, &world.code(30)).await.is_ok(), "nor is the socket shut");
}

#[tokio::test]
async fn a_row_that_changes_meanwhile_makes_no_code_wrong() {
    let world = World::new().await;
    let visit = world.visit(PASSWORD).await;
    for round in 0..12 {
        world.set(30);
        let code = world.code(0);
        let changes = async {
            for _ in 0..6 {
                account::update_user(&world.vault, world.user, |row| {
                    row.phrase = Some(round.to_string());
                    Ok(())
                })
                .await
                .expect("changed");
            }
        };
        let (opened, ()) = tokio::join!(world.unlock(&visit, &code), changes);
        assert!(opened.is_ok(), "round {round}: {}", told(opened));
    }
    assert_eq!(world.refusals().await, 0);
}

#[tokio::test]
async fn storage_in_trouble_is_no_wrong_code_and_does_not_count() {
    let world = World::new().await;
    let visit = world.visit(PASSWORD).await;
    for _ in 0..6 {
        // The count passes; the mark of the code does not, however often it is tried.
        world.ledger.pass.store(1, Ordering::SeqCst);
        world.ledger.fail.store(32, Ordering::SeqCst);
        let failed = world.unlock(&visit, &world.code(0)).await;
        assert!(matches!(failed, Err(OwnerError::Records(_))), "{}", told(failed));
    }
    assert_eq!(world.refusals().await, 0);
    assert!(world.unlock(&visit, &world.code(0)).await.is_ok(), "neither locked nor used");
    world.set(30);
    // The same where the password is checked, and before anything is.
    for fail in [1, 200] {
        world.ledger.fail.store(fail, Ordering::SeqCst);
        let failed = world.sign_in("ann@a.example", PASSWORD, 9).await;
        assert!(fail == 1 || matches!(failed, Err(OwnerError::Records(_))), "{}", told(failed));
        world.ledger.fail.store(0, Ordering::SeqCst);
    }
    assert!(world.sign_in("ann@a.example", PASSWORD, 9).await.is_ok());
}

#[tokio::test]
async fn a_replay_is_recorded_as_one() {
    let world = World::new().await;
    let visit = world.visit(PASSWORD).await;
    let code = world.code(0);
    world.unlock(&visit, &code).await.expect("unlocked");
    for _ in 0..2 {
        assert!(matches!(world.unlock(&visit, &code).await, Err(OwnerError::CodeUsed)));
        assert_eq!(world.last_act().await, Act::UnlockRefused { cause: Refusal::CodeUsedBefore });
    }
    assert!(matches!(world.unlock(&visit, "000000").await, Err(OwnerError::Refused)));
    assert_eq!(world.last_act().await, Act::UnlockRefused { cause: Refusal::WrongCode });
    // A minute later it is a replay still, and not a clock that is off.
    world.set(300);
    assert!(matches!(world.unlock(&visit, &code).await, Err(OwnerError::CodeUsed)));
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_behind_a_right_password_only() {
    let world = World::new().await;
    let visit = world.visit(PASSWORD).await;
    let behind = world.unlock(&visit, &world.code(-3600)).await;
    assert!(matches!(behind, Err(OwnerError::ClockOff(-3600))), "{}", told(behind));
    assert_eq!(world.last_act().await, Act::UnlockRefused { cause: Refusal::ClockOff });
    let to_come = world.code(600);
    let ahead = world.unlock(&visit, &to_come).await;
    assert!(matches!(ahead, Err(OwnerError::ClockOff(600))), "{}", told(ahead));
    world.unlock(&visit, &world.code(0)).await.expect("the right one");
    // What was told of a code of the future is of no use when its time has come.
    world.set(600);
    assert!(matches!(world.unlock(&visit, &to_come).await, Err(OwnerError::CodeUsed)));
    let wrong = world.unlock_at_once("another password", &world.code(-3600)).await;
    assert!(matches!(wrong, Err(OwnerError::Refused)), "{}", told(wrong));
    assert_eq!(world.last_act().await, Act::UnlockRefused { cause: Refusal::WrongCredential });
}

#[tokio::test]
async fn a_code_that_was_used_while_the_clock_was_ahead_blocks_no_later_one() {
    let world = World::new().await;
    world.set(7200);
    let visit = world.visit(PASSWORD).await;
    let early = world.code(0);
    world.unlock(&visit, &early).await.expect("unlocked");
    world.set(-7200);
    let visit = world.visit(PASSWORD).await;
    world.unlock(&visit, &world.code(0)).await.expect("the clock is right again");
    world.set(7200);
    let visit = world.visit(PASSWORD).await;
    assert!(matches!(world.unlock(&visit, &early).await, Err(OwnerError::CodeUsed)), "and it counts once");
}

#[tokio::test]
async fn a_new_password_for_somebody_elses_user_is_in_nobodys_log() {
    let world = World::new().await;
    let other = account::found(&world.vault, founding("b", "bob@b.example"), BY).await.expect("founded");
    let (unlocked, before) = (world.unlocked().await, world.acts(other.tenant).await);
    let ours = world.acts(world.user.tenant).await;
    let password = || Passphrase::new("a new one, and longer".to_owned());
    let user = other.user.user;
    let set = account::set_password(&world.vault, &world.sessions, &unlocked, user, password()).await;
    assert!(matches!(set, Err(OwnerError::OtherTenant)));
    let reset = account::reset_totp(&world.vault, &world.sessions, &unlocked, user, Enrolment::Here).await;
    assert!(matches!(reset, Err(OwnerError::OtherTenant)));
    let nobody = UserRef { user: crate::names::UserId::random(), ..world.user };
    let gone = account::set_password(&world.vault, &world.sessions, &unlocked, nobody, password()).await;
    assert!(matches!(gone, Err(OwnerError::NotFound("user"))));
    let weak = Passphrase::new("password1234".to_owned());
    let weak = account::set_password(&world.vault, &world.sessions, &unlocked, world.user, weak).await;
    assert!(matches!(weak, Err(OwnerError::Invalid { what: "password", .. })));
    assert_eq!(world.acts(other.tenant).await, before);
    assert_eq!(world.acts(world.user.tenant).await, ours);
}

#[tokio::test]
async fn what_fails_after_its_entry_is_recorded_as_failed() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let entry = world.vault.audit.size(world.user.tenant).await.expect("a log");
    world.ledger.pass.store(1, Ordering::SeqCst);
    world.ledger.fail.store(16, Ordering::SeqCst);
    let password = Passphrase::new("a new one, and longer".to_owned());
    let set = account::set_password(&world.vault, &world.sessions, &unlocked, world.user, password).await;
    assert!(matches!(set, Err(OwnerError::Records(_))), "{}", told(set));
    assert_eq!(world.last_act().await, Act::Failed { of: entry });
    assert!(world.sign_in("ann@a.example", PASSWORD, 1).await.is_ok(), "the old one stands");
}

#[tokio::test]
async fn ends_are_written_whatever_becomes_of_the_first() {
    let world = World::new().await;
    let gone = UserRef { tenant: TenantId::random(), user: crate::names::UserId::random() };
    let ended = |user| sessions::Ended { user, revealed: 3 };
    // One append of the log may conflict eight times before it gives up.
    world.ledger.fail.store(9, Ordering::SeqCst);
    let ends = vec![ended(gone), ended(world.user)];
    let written = unlock::record_ends(&world.vault, ends, crate::audit::LockCause::TimeOver).await;
    world.ledger.fail.store(0, Ordering::SeqCst);
    assert!(written.is_err());
    assert!(matches!(world.last_act().await, Act::UnlockEnded { revealed: 3, .. }));
}

#[tokio::test]
async fn a_slot_from_before_opens_in_both_forms_and_is_wrapped_anew() {
    const TYPED: &str = "Ka\u{308}se und Bro\u{308}tchen";
    const COMPOSED: &str = "K\u{e4}se und Br\u{f6}tchen";
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    // As 0.3 made it: hashed as typed, with less work.
    let hashing = PasswordHashing::with_cost(19 * 1024, 2);
    let old = PasswordKey::derive_as_typed(&Passphrase::new(TYPED.to_owned()), &hashing).expect("a key");
    account::update_user_and(&world.vault, world.user, |row, batch| {
        account::wrap_slots(&world.vault, batch, row, &unlocked.key, world.user, &old)
    })
    .await
    .expect("wrapped");
    let slot = || {
        let row = registry::user(&world.vault.records, world.user).expect("a row").expect("there is one");
        *KeySlot::from_bytes(&row.owner_slot).expect("a slot").hashing().expect("of a password")
    };
    assert!(slot().is_outdated());
    world.set(30);
    assert!(world.sign_in("ann@a.example", COMPOSED, 1).await.is_err(), "the other form was never hashed");
    let (visit, elsewhere) = (world.visit(TYPED).await, world.visit(TYPED).await);
    world.unlock(&visit, &world.code(0)).await.expect("unlocked, and wrapped anew");
    assert!(!slot().is_outdated());
    assert!(world.sign_in("ann@a.example", COMPOSED, 1).await.is_ok());
    assert!(world.sign_in("ann@a.example", TYPED, 1).await.is_ok());
    // The session goes on, with the new key; one that was stretched apart from it signs in once more.
    world.set(30);
    world.unlock(&visit, &world.code(0)).await.expect("it fits still");
    world.set(30);
    let other = world.unlock(&elsewhere, &world.code(0)).await;
    assert!(matches!(other, Err(OwnerError::SessionEnded)), "{}", told(other));
    world.set(30);
    assert!(world.unlock_at_once(COMPOSED, &world.code(0)).await.is_ok());
}

#[tokio::test]
async fn one_rule_for_new_passwords_at_every_door() {
    let world = World::new().await;
    let weak =
        |result: Result<(), OwnerError>| matches!(result, Err(OwnerError::Invalid { what: "password", .. }));
    let unlocked = world.unlocked().await;
    for password in ["short", "password1234", "bob@a.example"] {
        let new = NewUser {
            address: Address::parse("bob@a.example").expect("an address"),
            password: Passphrase::new(password.to_owned()),
            role: crate::tenant::rows::Role::Member,
            enrolment: Enrolment::Here,
        };
        assert!(
            weak(account::add_user(&world.vault, &unlocked, new, unlocked.by()).await.map(drop)),
            "{password}"
        );
        let password = Passphrase::new(password.to_owned());
        let founding = Founding { password, ..founding("c", "bob@a.example") };
        assert!(weak(account::found(&world.vault, founding, BY).await.map(drop)));
    }
}

const BY: By = By { actor: Actor::Server, origin: Origin::Internal };

#[tokio::test]
async fn a_sign_in_under_way_survives_no_new_password() {
    let world = World::new().await;
    let browser = || Browser { print: [0; 32], label: String::new() };
    let signed = world.sign_in("ann@a.example", PASSWORD, 1).await.expect("right");
    // Between the hash and the session the password changes, which ends all sessions.
    drop(world.sessions.close_all_of(world.user));
    let begun = super::sign_in::begin(&world.vault, &world.sessions, signed, browser(), at(1)).await;
    assert!(matches!(begun, Err(OwnerError::Refused)));
    assert!(world.sessions.sign_ins.list(world.user, world.now()).is_empty());
    assert!(matches!(world.last_act().await, Act::Failed { .. }), "the log said that they signed in");
    let signed = world.sign_in("ann@a.example", PASSWORD, 1).await.expect("right");
    let other = UserRef { user: crate::names::UserId::random(), ..world.user };
    drop(world.sessions.close_all_of(other));
    let begun = super::sign_in::begin(&world.vault, &world.sessions, signed, browser(), at(1)).await;
    assert!(begun.is_ok(), "what ends another one's sessions ends no sign-in");
}

#[tokio::test]
async fn nor_does_an_unlock() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let open = |since| {
        let lasts = super::unlock::lasts(&world.vault, world.user.tenant).expect("a tenant");
        world.sessions.open(world.user, &unlocked.key, world.now(), lasts, at(1), since)
    };
    let before = world.sessions.sign_ins.since();
    drop(world.sessions.close_all_of(world.user));
    assert!(matches!(open(before), Err(OwnerError::SessionEnded)));
    assert!(open(world.sessions.sign_ins.since()).is_ok());
}

#[tokio::test]
async fn strangers_at_the_page_hold_nobody_up_at_the_socket() {
    let world = World::new().await;
    for last in 0..31 {
        let _wrong = world.sign_in("ann@a.example", "wrong horse battery", last).await;
    }
    let right = world.sign_in("ann@a.example", PASSWORD, 77).await;
    assert!(matches!(right, Err(OwnerError::SoftLocked(_))), "the name is full for newcomers");
    world.set(30);
    world.unlock_at_once(PASSWORD, &world.code(0)).await.expect("the socket goes on");
    for _ in 0..4 {
        let wrong = world.unlock_at_once("wrong horse battery", &world.code(0)).await;
        assert!(matches!(wrong, Err(OwnerError::Refused)));
    }
    let fifth = world.unlock_at_once(PASSWORD, &world.code(0)).await;
    assert!(matches!(fifth, Err(OwnerError::SoftLocked(_))), "guesses at the socket wait for each other");
}

#[tokio::test]
async fn wrong_codes_for_a_message_wait_in_their_session_and_leave_no_row() {
    use super::step_up::step_up;
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let message = crate::names::MessageId::random();
    for _ in 0..4 {
        let wrong = step_up(&world.vault, &unlocked, "000000", message).await;
        assert!(matches!(wrong, Err(OwnerError::Refused)));
    }
    let fifth = step_up(&world.vault, &unlocked, &world.code(30), message).await;
    assert!(matches!(fifth, Err(OwnerError::SoftLocked(_))));
    let session = unlocked.session.expect("a session");
    let scope = world.vault.records.tenant(world.user.tenant);
    let parts: [&[u8]; 2] = [world.user.user.as_bytes(), &session];
    assert!(scope.get::<crate::tenant::rows::SoftlockRow>(&parts).expect("reads").is_none());
    world.set(60);
    step_up(&world.vault, &unlocked, &world.code(0), message).await.expect("the wait is over");
}

#[tokio::test]
async fn to_ask_about_a_session_is_no_use_of_it() {
    let world = World::new().await;
    world.set(30);
    let visit = world.visit(PASSWORD).await;
    let token = world.unlock(&visit, &world.code(0)).await.expect("unlocked").token;
    let state = || world.sessions.state(&token, world.now()).map(|(user, term)| (user, term.until));
    let until = world.now().plus(world.vault.settings.unlock_lasts);
    assert_eq!(state(), Some((world.user, until)));
    world.set(360);
    assert_eq!(state(), Some((world.user, until)), "asking did not prolong it");
    world.set(360);
    assert_eq!(state(), None);
}

#[tokio::test]
async fn each_entry_of_an_act_that_came_to_nothing_is_named() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let wanted =
        || super::tokens::Wanted { label: "a".to_owned(), scopes: vec!["mail:read".to_owned()], days: 1 };
    for _ in 0..2 {
        super::tokens::create(&world.vault, &unlocked, wanted()).await.expect("a token");
    }
    let before = world.acts(world.user.tenant).await.len() as u64;
    // The entries pass; each commit of the act conflicts.
    world.ledger.pass.store(1, Ordering::SeqCst);
    world.ledger.fail.store(16, Ordering::SeqCst);
    let password = Passphrase::new("another good long password".to_owned());
    let changed = account::set_password(&world.vault, &world.sessions, &unlocked, world.user, password).await;
    assert!(changed.is_err());
    let acts = world.acts(world.user.tenant).await;
    let failed: Vec<u64> = acts
        .iter()
        .filter_map(|act| match act {
            Act::Failed { of } => Some(*of),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [before, before + 1, before + 2], "the password and two tokens: {acts:?}");
    assert_eq!(super::tokens::list(&world.vault, world.user).expect("reads").len(), 2);
    assert!(world.sessions.is_open(&unlocked, world.now()), "and nobody is sent out for it");
}

#[tokio::test]
async fn no_token_is_made_beside_a_new_password() {
    for _ in 0..10 {
        let world = World::new().await;
        let unlocked = world.unlocked().await;
        let wanted =
            super::tokens::Wanted { label: "a".to_owned(), scopes: vec!["mail:read".to_owned()], days: 365 };
        let password = Passphrase::new("another good long password".to_owned());
        let (changed, _made_or_too_late) = tokio::join!(
            account::set_password(&world.vault, &world.sessions, &unlocked, world.user, password),
            super::tokens::create(&world.vault, &unlocked, wanted),
        );
        changed.expect("a new password");
        assert!(super::tokens::list(&world.vault, world.user).expect("reads").is_empty());
    }
}

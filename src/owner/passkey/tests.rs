//! A vault, its owner, and authenticators that are honest or not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::authenticator::{Authenticator, Client};
use super::*;
use crate::audit::{Actor, Origin, Refusal};
use crate::clock::Timestamp;
use crate::keyring::totp::code_for;
use crate::keyring::{Passphrase, PrfOutput, RootKey};
use crate::names::Address;
use crate::owner::Unlocked;
use crate::owner::account::{self, Enrolment};
use crate::owner::sessions::{Sessions, Token};
use crate::owner::sign_in::{Entrance, sign_in};
use crate::owner::sign_ins::{Browser, Visit};
use crate::owner::testing::{PASSWORD, founding};
use crate::owner::unlock::{Opened, unlock_signed_in};
use crate::store::ledger::{Options, RedbLedger};
use crate::tenant::rows::SoftlockRow;
use crate::vault::testing::vault_over;

/// A vault with one signed-in person.
struct World {
    vault: Arc<Vault>,
    sessions: Sessions,
    user: UserRef,
    seed: String,
    visit: Visit,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        let vault = vault_over(folder.path(), Arc::new(ledger), Arc::new(RootKey::generate()));
        let vault = Arc::new(vault);
        let by = By { actor: Actor::Server, origin: Origin::Internal };
        let founded = account::found(&vault, founding("a", "ann@a.example"), by).await.expect("founded");
        let (sessions, user) = (Sessions::default(), founded.user.user);
        let visit = visit(&vault, &sessions, "ann@a.example", PASSWORD).await;
        let seed = founded.user.seed.to_string();
        Self { vault, sessions, user, seed, visit, _folder: folder }
    }

    /// Signs in once more.
    async fn again(&self, password: &str) -> Visit {
        visit(&self.vault, &self.sessions, "ann@a.example", password).await
    }

    async fn unlocked(&self) -> Unlocked {
        // Each code is good once.
        self.later(30);
        let code = code_for(&self.seed, self.vault.clock.now()).expect("a code");
        let opened =
            unlock_signed_in(&self.vault, &self.sessions, &self.visit, &code, None, Origin::Internal).await;
        self.resume(&opened.expect("unlocked").token)
    }

    fn resume(&self, token: &Token) -> Unlocked {
        self.sessions.resume(token, self.vault.clock.now()).expect("live")
    }

    fn later(&self, seconds: u64) {
        self.vault.clock.set(self.vault.clock.now().plus(Duration::from_secs(seconds)));
    }

    /// Adds the authenticator's passkey; with its pseudo-random function or without.
    async fn add(&self, authenticator: &Authenticator, prf: bool) -> Result<(), OwnerError> {
        let unlocked = self.unlocked().await;
        let options = begin_adding(&self.vault, &self.sessions, &self.visit, &unlocked)?;
        let offered = Offered {
            label: "key ring".to_owned(),
            credential: authenticator.create(&options),
            prf: prf.then(|| authenticator.prf(&options["salt"])),
        };
        add(&self.vault, &self.sessions, &self.visit, &unlocked, offered).await
    }

    fn begin(&self) -> Value {
        begin_unlocking(&self.vault, &self.sessions, &self.visit).expect("a challenge")
    }

    async fn finish(&self, proof: Proof) -> Result<Opened, OwnerError> {
        // What a wrong attempt cost is not what these tests are about.
        let mut batch = Batch::new();
        batch.delete_prefix(row_key::<SoftlockRow>(&[self.user.user.as_bytes()]));
        let _committed = self.vault.records.commit(batch).await.expect("forgiven");
        unlock(&self.vault, &self.sessions, &self.visit, proof, None, Origin::Internal).await
    }

    /// The newest act in the audit log.
    async fn last_act(&self) -> Act {
        let tenant = self.user.tenant;
        let size = self.vault.audit.size(tenant).await.expect("a log");
        let entries = self.vault.audit.read(tenant, size - 1, 1).await.expect("an entry");
        entries.into_iter().next().expect("one").expect("a line").draft.act
    }

    async fn unlock(&self, authenticator: &mut Authenticator) -> Result<Opened, OwnerError> {
        let options = self.begin();
        self.finish(proof(authenticator, &options)).await
    }
}

/// An honest answer.
fn proof(authenticator: &mut Authenticator, options: &Value) -> Proof {
    let salt = &options["salts"][data_encoding::BASE64URL_NOPAD.encode(&authenticator.id)];
    let prf = salt.is_string().then(|| authenticator.prf(salt));
    Proof { credential: authenticator.get(options), prf }
}

fn is_refused(result: Result<Opened, OwnerError>) -> bool {
    matches!(result, Err(OwnerError::Refused))
}

#[tokio::test]
async fn password_and_passkey_open_the_owner_key() {
    let world = World::new().await;
    for prf in [false, true] {
        let mut authenticator = Authenticator::new();
        world.add(&authenticator, prf).await.expect("added");
        for _ in 0..2 {
            let opened = world.unlock(&mut authenticator).await.expect("unlocked");
            let (one, other) = (world.resume(&opened.token), world.unlocked().await);
            assert_eq!(one.key.0.expose(), other.key.0.expose());
        }
    }
    let strengths: Vec<_> =
        list(&world.vault, world.user).expect("a list").iter().map(|p| p.strength).collect();
    assert_eq!(strengths, [Strength::SecondFactor, Strength::OwnKey]);
    assert!(list(&world.vault, world.user).expect("a list").iter().all(|p| p.last_used.is_some()));
}

#[tokio::test]
async fn what_an_honest_authenticator_would_not_say_is_refused() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, false).await.expect("added");
    let honest = authenticator.client.clone();
    type Lie = fn(&mut Client);
    let lies: &[(&str, Lie)] = &[
        ("another origin", |client| client.origin = "https://evil.example".to_owned()),
        ("another port", |client| client.origin = "https://vault.example:8443".to_owned()),
        ("no TLS", |client| client.origin = "http://vault.example".to_owned()),
        ("a host below ours", |client| client.origin = "https://evil.vault.example".to_owned()),
        ("another relying party", |client| client.party = "evil.example".to_owned()),
        ("nobody verified", |client| client.verified = false),
        ("a frame of another site", |client| client.cross_origin = true),
        ("another user's handle", |client| client.handle = Some(vec![7; 16])),
    ];
    for (what, lie) in lies {
        lie(&mut authenticator.client);
        assert!(is_refused(world.unlock(&mut authenticator).await), "{what}");
        authenticator.client = honest.clone();
    }
    authenticator.client.handle = Some(world.user.user.as_bytes().to_vec());
    world.unlock(&mut authenticator).await.expect("the honest answer");
}

#[tokio::test]
async fn a_challenge_is_good_once_for_its_session_and_for_five_minutes() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, false).await.expect("added");

    let options = world.begin();
    let (first, replayed) = (proof(&mut authenticator, &options), proof(&mut authenticator, &options));
    world.finish(first).await.expect("the first time");
    assert!(is_refused(world.finish(replayed).await), "the same challenge again");

    let options = world.begin();
    let mut broken = proof(&mut authenticator, &options);
    broken.credential.response.signature[8] ^= 1;
    assert!(is_refused(world.finish(broken).await), "a broken signature");
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "its challenge is spent");

    let other = world.again(PASSWORD).await;
    let options = begin_unlocking(&world.vault, &world.sessions, &other).expect("a challenge");
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "without a challenge");
    let _mine = world.begin();
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "of another session");

    let options = world.begin();
    world.later(300);
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "too late");
    let options = world.begin();
    world.later(299);
    world.finish(proof(&mut authenticator, &options)).await.expect("just in time");
    world.later(3600);
    let options = world.begin();
    world.vault.clock.set(Timestamp::from_unix(world.vault.clock.now().unix() - 3));
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "a clock set back");
}

#[tokio::test]
async fn a_counter_that_does_not_grow_is_refused_and_audited() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, false).await.expect("added");
    world.unlock(&mut authenticator).await.expect("unlocked");
    for back in [1, 2] {
        authenticator.counter -= back;
        assert!(is_refused(world.unlock(&mut authenticator).await), "back by {back}");
        let copied = Act::UnlockRefused { cause: Refusal::PasskeyCopied };
        assert_eq!(world.last_act().await, copied, "back by {back}");
    }
    authenticator.counter += 9;
    // Two uses that began with the same counter: one loses.
    let options = world.begin();
    let late = proof(&mut authenticator, &options);
    let other = world.again(PASSWORD).await;
    let options = begin_unlocking(&world.vault, &world.sessions, &other).expect("a challenge");
    let fast = proof(&mut authenticator, &options);
    unlock(&world.vault, &world.sessions, &other, fast, None, Origin::Internal).await.expect("the faster");
    assert!(is_refused(world.finish(late).await), "the slower");
}

#[tokio::test]
async fn a_passkey_opens_for_its_user_only() {
    let world = World::new().await;
    let (authenticator, mut stranger) = (Authenticator::new(), Authenticator::new());
    world.add(&authenticator, false).await.expect("added");
    let options = world.begin();
    assert!(is_refused(world.finish(proof(&mut stranger, &options)).await), "a passkey nobody added");
    // The right identifier with another key.
    stranger.id = authenticator.id.clone();
    assert!(is_refused(world.unlock(&mut stranger).await), "a forged key");

    let bob = account::NewUser {
        address: Address::parse("bob@a.example").expect("an address"),
        password: Passphrase::new(PASSWORD.to_owned()),
        role: crate::tenant::rows::Role::Member,
        enrolment: Enrolment::Here,
    };
    let unlocked = world.unlocked().await;
    account::add_user(&world.vault, &unlocked, bob, unlocked.by()).await.expect("added");
    let bob = visit(&world.vault, &world.sessions, "bob@a.example", PASSWORD).await;
    let none = begin_unlocking(&world.vault, &world.sessions, &bob);
    assert!(matches!(none, Err(OwnerError::NotFound("passkey"))));
    let mixed = begin_adding(&world.vault, &world.sessions, &bob, &unlocked);
    assert!(matches!(mixed, Err(OwnerError::OtherUser)), "another person's unlock adds none");
}

#[tokio::test]
async fn without_the_output_of_its_function_a_passkey_opens_nothing() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, true).await.expect("added");
    let (_, kept) = rows(&world.vault, world.user).expect("rows").remove(0);
    assert!(kept.row.share.is_empty(), "the server has no half");
    let options = world.begin();
    let nothing = Proof { prf: None, ..proof(&mut authenticator, &options) };
    assert!(is_refused(world.finish(nothing).await));
    let options = world.begin();
    let other = Some(PrfOutput::from_bytes(&[7; 32]));
    assert!(is_refused(world.finish(Proof { prf: other, ..proof(&mut authenticator, &options) }).await));
    world.unlock(&mut authenticator).await.expect("with it");
}

#[tokio::test]
async fn after_a_new_password_shares_are_wrapped_again_and_functions_are_not() {
    let mut world = World::new().await;
    let (mut shared, mut own) = (Authenticator::new(), Authenticator::new());
    world.add(&shared, false).await.expect("added");
    world.add(&own, true).await.expect("added");
    let before = rows(&world.vault, world.user).expect("rows");
    let unlocked = world.unlocked().await;
    let password = Passphrase::new("a new one, and longer".to_owned());
    account::set_password(&world.vault, &world.sessions, &unlocked, world.user, password).await.expect("set");

    for (id, row) in rows(&world.vault, world.user).expect("rows") {
        let old = &before.iter().find(|(other, _)| *other == id).expect("it is still there").1;
        assert_ne!(row.row.slot, old.row.slot);
        assert!(row.row.share.is_empty() || row.row.share != old.row.share, "the share is a new one");
    }
    world.visit = world.again("a new one, and longer").await;
    let options = world.begin();
    assert_eq!(options["publicKey"]["allowCredentials"].as_array().map(Vec::len), Some(1));
    world.finish(proof(&mut shared, &options)).await.expect("the share is under the new password");
    assert!(is_refused(world.unlock(&mut own).await), "the other one is not even asked for");
    let stale =
        list(&world.vault, world.user).expect("a list").into_iter().find(|p| p.strength == Strength::Stale);
    let by = By { actor: Actor::Server, origin: Origin::Internal };
    remove(&world.vault, world.user, stale.expect("one is stale").id, by).await.expect("removed");
    world.add(&own, true).await.expect("added again");
    world.unlock(&mut own).await.expect("it opens again");
}

#[tokio::test]
async fn a_passkey_that_comes_after_a_new_password_is_not_kept_under_the_old_one() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let options = begin_adding(&world.vault, &world.sessions, &world.visit, &unlocked).expect("a challenge");
    let password = Passphrase::new("a new one, and longer".to_owned());
    account::set_password(&world.vault, &world.sessions, &unlocked, world.user, password).await.expect("set");
    let offered =
        Offered { label: "late".to_owned(), credential: Authenticator::new().create(&options), prf: None };
    let late = add(&world.vault, &world.sessions, &world.visit, &unlocked, offered).await;
    assert!(matches!(late, Err(OwnerError::SessionEnded)));
    assert!(list(&world.vault, world.user).expect("a list").is_empty());
}

#[tokio::test]
async fn registration_is_as_strict_as_use() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let begin = || begin_adding(&world.vault, &world.sessions, &world.visit, &unlocked).expect("a challenge");
    let offer = |authenticator: &Authenticator, options: &Value, label: &str| Offered {
        label: label.to_owned(),
        credential: authenticator.create(options),
        prf: None,
    };
    let refused = async |offered| add(&world.vault, &world.sessions, &world.visit, &unlocked, offered).await;
    let honest = Authenticator::new();
    let mut lying = Authenticator::new();
    lying.client.verified = false;
    assert!(matches!(refused(offer(&lying, &begin(), "a")).await, Err(OwnerError::Refused)));
    lying.client.verified = true;
    lying.client.origin = "https://evil.example".to_owned();
    assert!(matches!(refused(offer(&lying, &begin(), "a")).await, Err(OwnerError::Refused)));
    let options = begin();
    for label in ["", "  ", "a\nb", &"a".repeat(65)] {
        let wrong = refused(offer(&honest, &options, label)).await;
        assert!(matches!(wrong, Err(OwnerError::Invalid { .. })), "{label:?}");
    }
    refused(offer(&honest, &options, " key ring ")).await.expect("a name that is wrong spends no challenge");
    assert!(matches!(refused(offer(&honest, &options, "a")).await, Err(OwnerError::Refused)), "spent");
    assert_eq!(list(&world.vault, world.user).expect("a list")[0].label, "key ring");
    assert!(matches!(
        refused(offer(&honest, &begin(), "a")).await,
        Err(OwnerError::Refused | OwnerError::Exists(_))
    ));
}

#[tokio::test]
async fn wrong_assertions_count_as_wrong_codes_do() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, false).await.expect("added");
    authenticator.client.verified = false;
    let mut last = None;
    for _ in 0..5 {
        let options = world.begin();
        let proof = proof(&mut authenticator, &options);
        last = unlock(&world.vault, &world.sessions, &world.visit, proof, None, Origin::Internal).await.err();
    }
    assert!(matches!(last, Some(OwnerError::SoftLocked(_))), "{last:?}");
}

#[tokio::test]
async fn a_removed_passkey_and_a_disabled_user_open_nothing() {
    let world = World::new().await;
    let mut authenticator = Authenticator::new();
    world.add(&authenticator, false).await.expect("added");
    let by = By { actor: Actor::Server, origin: Origin::Internal };
    let options = world.begin();
    account::update_user(&world.vault, world.user, |row| {
        row.disabled = true;
        Ok(())
    })
    .await
    .expect("disabled");
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "disabled");
    account::update_user(&world.vault, world.user, |row| {
        row.disabled = false;
        Ok(())
    })
    .await
    .expect("enabled");
    let options = world.begin();
    let id = list(&world.vault, world.user).expect("a list")[0].id;
    remove(&world.vault, world.user, id, by).await.expect("removed");
    assert!(is_refused(world.finish(proof(&mut authenticator, &options)).await), "removed");
    assert!(matches!(remove(&world.vault, world.user, id, by).await, Err(OwnerError::NotFound("passkey"))));
    assert!(!can_unlock(&world.vault, world.user).expect("an answer"));
}

async fn visit(vault: &Vault, sessions: &Sessions, login: &str, password: &str) -> Visit {
    let entrance = Entrance {
        login: login.to_owned(),
        password: Passphrase::new(password.to_owned()),
        origin: Origin::Internal,
        familiar: String::new(),
        since: sessions.sign_ins.since(),
    };
    let signed = sign_in(vault, entrance).await.expect("signed in");
    let browser = Browser { print: [0; 32], label: String::new() };
    let now = vault.clock.now();
    let token = sessions.sign_ins.open(signed, browser, Origin::Internal, now).expect("there is room");
    sessions.sign_ins.resume(&token, &[0; 32], Origin::Internal, now).expect("live")
}

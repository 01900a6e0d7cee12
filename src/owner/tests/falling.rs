//! Mail that falls to somebody else when an address goes, and work that ends with the unlock that allowed it.

use super::*;
use crate::owner::{addresses, leave};
use crate::tenant::directory::Destination;
use crate::tenant::rows::Role;

impl World {
    /// The administrator, with no unlock.
    fn ann(&self) -> By {
        By { actor: crate::audit::Actor::User { user: self.user.user }, origin: at(1) }
    }

    async fn person(&self, unlocked: &Unlocked, login: &str) -> UserRef {
        let new = NewUser {
            address: Address::parse(login).expect("an address"),
            password: Passphrase::new(PASSWORD.to_owned()),
            role: Role::Member,
            enrolment: Enrolment::Here,
        };
        account::add_user(&self.vault, unlocked, new, unlocked.by()).await.expect("added").user
    }

    async fn give(&self, unlocked: &Unlocked, address: &str, user: UserRef) {
        let destination = Destination::parse(address).expect("an address");
        addresses::add(&self.vault, Some(unlocked), &destination, user, None, self.ann())
            .await
            .expect("given");
    }

    async fn take(&self, unlocked: Option<&Unlocked>, address: &str) -> Result<(), OwnerError> {
        let destination = Destination::parse(address).expect("an address");
        addresses::remove(&self.vault, unlocked, &destination, self.ann()).await
    }

    async fn destroy(&self, unlocked: Option<&Unlocked>, user: UserRef) -> Result<leave::Left, OwnerError> {
        leave::destroy(&self.vault, &self.sessions, (unlocked, self.ann()), user, |_, _| {}).await
    }
}

fn needs_unlock<T>(result: Result<T, OwnerError>) -> bool {
    matches!(result, Err(OwnerError::UnlockNeeded))
}

#[tokio::test]
async fn mail_falls_to_each_holder_of_a_catch_all() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let (bob, carl) =
        (world.person(&unlocked, "bob@a.example").await, world.person(&unlocked, "carl@a.example").await);
    world.give(&unlocked, "@a.example", bob).await;
    for address in ["x@a.example", "y@a.example"] {
        world.give(&unlocked, address, bob).await;
    }
    world.take(None, "x@a.example").await.expect("bob gets it as before");
    let all = Destination::parse("@a.example").expect("a catch-all");
    addresses::share(&world.vault, Some(&unlocked), &all, carl, true, world.ann()).await.expect("shared");
    assert!(needs_unlock(world.take(None, "y@a.example").await), "carl would get it, too");
    world.take(Some(&unlocked), "y@a.example").await.expect("with an unlock");
}

#[tokio::test]
async fn mail_for_postmaster_falls_to_who_is_in_charge() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let bob = world.person(&unlocked, "bob@a.example").await;
    for address in ["postmaster@a.example", "info@a.example"] {
        world.give(&unlocked, address, bob).await;
    }
    assert!(needs_unlock(world.take(None, "postmaster@a.example").await), "ann would get it");
    world.take(None, "info@a.example").await.expect("nobody gets it");
    // A catch-all takes postmaster's mail away from her, and gives it back when it goes.
    world.take(Some(&unlocked), "postmaster@a.example").await.expect("with an unlock");
    world.give(&unlocked, "@a.example", bob).await;
    assert!(needs_unlock(world.take(None, "@a.example").await));
}

#[tokio::test]
async fn nor_does_the_removal_of_a_person_show_others_more() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let (bob, carl) =
        (world.person(&unlocked, "bob@a.example").await, world.person(&unlocked, "carl@a.example").await);
    world.destroy(None, bob).await.expect("his address is refused from then on");
    world.give(&unlocked, "@a.example", world.user).await;
    assert!(needs_unlock(world.destroy(None, carl).await), "ann would get his mail");
    let row = registry::user(&world.vault.records, carl).expect("reads");
    assert!(row.is_some_and(|row| row.leaving.is_none()));
    world.destroy(Some(&unlocked), carl).await.expect("with an unlock");
}

#[tokio::test]
async fn handing_over_ends_with_the_unlock_and_goes_on_with_the_next() {
    let world = World::new().await;
    let unlocked = world.unlocked().await;
    let bob = world.person(&unlocked, "bob@a.example").await;
    for _ in 0..3 {
        let stored = world.sealed(bob).await;
        world.add(bob, stored).await.expect("stored");
    }
    let over = leave::hand_over(
        &world.vault,
        &world.sessions,
        (&unlocked, world.ann()),
        (bob, world.user),
        |_, _| drop(world.sessions.close_all_of(world.user)),
    );
    assert!(matches!(over.await, Err(OwnerError::SessionEnded)));
    assert_eq!(world.rows_of(bob), 2, "one was handed over before the lock");
    let again = world.unlocked().await;
    let left =
        leave::hand_over(&world.vault, &world.sessions, (&again, world.ann()), (bob, world.user), |_, _| {});
    assert_eq!(left.await.expect("handed over").handed_over, 2);
    assert_eq!((world.rows_of(bob), world.rows_of(world.user)), (0, 3));
}

#[tokio::test]
async fn a_tenant_that_is_refused_leaves_nothing() {
    let world = World::new().await;
    let files = || {
        let folder = world._folder.path().join("recovery");
        std::fs::read_dir(folder).map_or(0, |list| list.flatten().count())
    };
    let before = files();
    for _ in 0..3 {
        let again = account::found(&world.vault, founding("a", "bob@b.example"), BY).await;
        assert!(matches!(again, Err(OwnerError::Exists("tenant"))));
    }
    assert_eq!(files(), before);
}

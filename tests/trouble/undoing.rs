//! What is taken back at the moment that somebody builds on it: policies, addresses, settings, views, people.

use serde_json::{Value, json};
use veilpost::admin::api::{Authority, FailureCode, Request, Secret};
use veilpost::admin::client::ClientError;

use super::acts::{
    PASSWORD, at_once, call, code, kinds, load, policy_of, program, shipped, sign_in, text_of, token,
};
use super::clients::ADDRESS;
use super::world::{World, words};

/// A policy is removed while a view moves to it: the view never ends with none.
#[test]
fn a_policy_goes_only_while_no_view_takes_it() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let (mut removed, mut kept) = (0, 0);
    for round in 0..10 {
        let (name, view) = (format!("gone{round}"), "dashboard");
        load(&socket, &name, shipped("headers-only"), None).expect("nobody uses it");
        let answers = at_once(|side| match side {
            0 => call(&socket, remove(&name)),
            _ => call(&socket, policy(view, &name)),
        });
        let shows = policy_of(&world, view);
        let there = known(&world, &name);
        assert!(there || shows != name, "round {round}: the view has no policy: {answers:?}");
        assert_eq!(answers[0].is_ok(), !there, "round {round}: {answers:?}");
        assert!(answers[0].is_ok() != answers[1].is_ok(), "round {round}: one comes too late: {answers:?}");
        if there {
            assert_eq!(code(&answers[0]), Some(FailureCode::Invalid), "{answers:?}");
            let told = said(&answers[0]);
            assert!(told.contains("1 view uses it") && told.contains("/dashboard"), "{told}");
            kept += 1;
        } else {
            assert_eq!(code(&answers[1]), Some(FailureCode::NotFound), "{answers:?}");
            removed += 1;
        }
        call(&socket, policy(view, "headers-only")).expect("it shows as much");
        let again = call(&socket, remove(&name));
        assert_eq!(again.is_ok(), there, "{again:?}");
    }
    assert_eq!(removed + kept, 10);
    assert_eq!(kinds(&world, "policy_removed").len(), 10);
    server.is_well();
}

/// A policy in the place of a shipped one gives way to it, by an unlock where that shows more; the view that
/// takes it at that moment follows the shipped one.
#[test]
fn an_override_gives_way_to_the_shipped_policy() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let recovery = || Some(Authority::Recovery(Secret::new(world.facts.recovery_code.clone())));
    assert_eq!(code(&call(&socket, remove("excerpt"))), Some(FailureCode::Invalid), "it was never loaded");
    assert_eq!(code(&call(&socket, remove("nonsense"))), Some(FailureCode::NotFound));
    load(&socket, "quiet", QUIET, None).expect("nobody uses it");
    for round in 0..10 {
        call(&socket, policy("dashboard", "quiet")).expect("it shows less");
        load(&socket, "headers-only", QUIET, None).expect("nobody uses it");
        let answers = at_once(|side| match side {
            0 => call(&socket, remove("headers-only")),
            _ => call(&socket, policy("dashboard", "headers-only")),
        });
        let (gone, moved) = (answers[0].is_ok(), answers[1].is_ok());
        let revealed = gone && moved;
        assert!(!revealed, "round {round}: what both do needs an unlock: {answers:?}");
        assert!(answers.iter().any(|answer| code(answer) == Some(FailureCode::UnlockNeeded)), "{answers:?}");
        if !gone {
            let name = "headers-only".to_owned();
            let with = Request::PolicyRemove { tenant: "demo".to_owned(), name, authority: recovery() };
            let told = call(&socket, with).expect("by the recovery code");
            assert_eq!(
                (&told["shipped"], &told["views"]),
                (&json!(true), &json!([format!("{ADDRESS}/dashboard")]))
            );
        }
        assert_eq!(text_of(&world, "headers-only"), shipped("headers-only"));
    }
    server.is_well();
}

/// An address is switched off while it is shared, and while it is removed: it stays one row with both, or goes.
#[test]
fn an_address_is_switched_while_it_is_shared_or_removed() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    user(&world, BOB, "member");
    for round in 0..10 {
        let address = format!("office{round}@demo.example");
        let (user, alias_of, authority) = (Some(ADDRESS.to_owned()), None, None);
        let add = Request::AddressAdd { address: address.clone(), user, alias_of, authority };
        call(&socket, add).expect("a new address");
        let note = Some(format!("round {round}"));
        let answers = at_once(|side| match (side, round % 2) {
            (0, _) => call(
                &socket,
                Request::AddressSwitch {
                    address: address.clone(),
                    on: false,
                    note: note.clone(),
                    authority: None,
                },
            ),
            (_, 0) => call(
                &socket,
                Request::AddressShare { address: address.clone(), user: BOB.to_owned(), authority: None },
            ),
            _ => call(&socket, Request::AddressRemove { address: address.clone(), authority: None }),
        });
        let listed = world.json(&["address", "list", "demo"]);
        let item = listed.as_array().expect("a list").iter().find(|item| item["address"] == address.as_str());
        if round % 2 == 0 {
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            let item = item.expect("it is there");
            assert_eq!(item["off"]["note"], format!("round {round}"));
            assert_eq!(item["off"]["by"], "the administration socket");
            assert_eq!(item["shared_with"], json!([BOB]));
        } else {
            assert!(answers[1].is_ok() && item.is_none(), "{answers:?}");
            assert!(answers[0].is_ok() || code(&answers[0]) == Some(FailureCode::NotFound), "{answers:?}");
        }
    }
    server.is_well();
}

/// A tenant asks for less at the moment it is made to ask for more: what is asked in the end is what one of
/// them says, and less than before only by an unlock.
#[test]
fn settings_are_loosened_and_tightened_at_once() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let seed = user(&world, BOB, "administrator");
    let (alice, bob) = (sign_in(&world, ADDRESS, &world.facts.password), sign_in(&world, BOB, PASSWORD));
    let alices = token(&alice, &world.code(), &["tenants:write"]);
    let bobs = token(&bob, &code_of(&seed), &["tenants:write"]);
    let asking = |step_up: bool, minutes: u32| json!({ "reason_required": false, "step_up": step_up, "unlock_minutes": minutes });
    for round in 0..10 {
        let recovery = Some(Authority::Recovery(Secret::new(world.facts.recovery_code.clone())));
        call(&socket, settings(false, 9, recovery)).expect("by the recovery code");
        let people = [(&alice, &alices), (&bob, &bobs)];
        // One keeps what is so and knows of nothing tighter; the other tightens.
        let statuses = at_once(|side| {
            let (person, token) = people[side];
            let body = if side == 0 { asking(false, 9) } else { asking(true, 3) };
            program(person, token, "PATCH", "/tenants/demo", &body)
        });
        let listed = world.json(&["tenant", "list"]);
        let demo =
            listed.as_array().expect("a list").iter().find(|item| item["name"] == "demo").expect("demo");
        let now = (demo["step_up"].as_bool(), demo["unlock_minutes"].as_u64());
        assert_eq!(statuses[1].0, 204, "round {round}: tightening needs nothing: {statuses:?}");
        assert_eq!(now, (Some(true), Some(3)), "round {round}: nothing undoes it unasked: {statuses:?}");
        assert!([204, 403].contains(&statuses[0].0), "round {round}: {statuses:?}");
        // What comes after it is told that it would loosen.
        let late = program(&alice, &alices, "PATCH", "/tenants/demo", &asking(false, 9));
        assert_eq!((late.0, &late.1["code"]), (403, &json!("unlock-needed")), "{late:?}");
        assert_eq!(code(&call(&socket, settings(true, 4, None))), Some(FailureCode::UnlockNeeded));
    }
    server.is_well();
}

/// Who may remove whom is decided behind all faces: pages, programs and the socket obey the same.
#[test]
fn who_may_remove_a_user_is_decided_at_the_door() {
    let world = World::new();
    let mut server = world.serve();
    let seed = user(&world, BOB, "administrator");
    user(&world, "oscar@demo.example", "operator");
    let bob = sign_in(&world, BOB, PASSWORD);
    let token = token(&bob, &code_of(&seed), &["users:write"]);
    let remove =
        |login: &str| program(&bob, &token, "DELETE", &format!("/users/{login}?destroy=true"), &Value::Null);
    let (status, problem) = remove("oscar@demo.example");
    assert_eq!(status, 403, "{problem}");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("operators"), "{problem}");
    let (status, problem) = remove(BOB);
    assert_eq!(status, 403, "{problem}");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("somebody else"), "{problem}");
    assert!(kinds(&world, "user_removed").is_empty(), "nothing was begun");
    // At the socket somebody's own unlock removes nobody's own account either.
    world.unlock();
    let own = ["user", "remove", ADDRESS, "--hand-over-to", BOB, "--yes"];
    let refused = world.run(&[&own[..], &["--as", ADDRESS]].concat());
    assert!(!refused.status.success() && words(&refused).contains("somebody else"), "{}", words(&refused));
    // Two who remove each other at the same moment leave one.
    let carol = user(&world, "carol@demo.example", "administrator");
    let carol_in = sign_in(&world, "carol@demo.example", PASSWORD);
    let carols = super::acts::token(&carol_in, &code_of(&carol), &["users:write"]);
    let answers = at_once(|side| match side {
        0 => remove("carol@demo.example").0,
        _ => program(&carol_in, &carols, "DELETE", &format!("/users/{BOB}?destroy=true"), &Value::Null).0,
    });
    assert!(answers.iter().filter(|status| **status == 204).count() == 1, "{answers:?}");
    let left = world.json(&["user", "list", "demo"]);
    let has = |login: &str| left.as_array().expect("a list").iter().any(|item| item["login"] == login);
    assert!(has(BOB) != has("carol@demo.example"), "{left}");
    server.is_well();
}

fn remove(name: &str) -> Request {
    Request::PolicyRemove { tenant: "demo".to_owned(), name: name.to_owned(), authority: None }
}

fn policy(view: &str, policy: &str) -> Request {
    let (user, view, policy) = (ADDRESS.to_owned(), view.to_owned(), policy.to_owned());
    Request::ViewPolicy { user, view, policy, authority: None }
}

fn settings(step_up: bool, minutes: u32, authority: Option<Authority>) -> Request {
    Request::TenantSettings {
        tenant: "demo".to_owned(),
        reason_required: false,
        step_up,
        authority,
        unlock_minutes: Some(minutes),
        unlock_longest_minutes: None,
    }
}

fn known(world: &World, name: &str) -> bool {
    let listed = world.json(&["policy", "list", "demo"]);
    listed.as_array().expect("a list").iter().any(|item| item["name"] == name)
}

fn said(answer: &Result<Value, ClientError>) -> String {
    answer.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

/// Makes a user of the demo's tenant who needs no first sign-in; gives the TOTP seed.
fn user(world: &World, address: &str, role: &str) -> String {
    let arguments = ["user", "create", "demo", "--address", address, "--role", role, "--recovery", "--json"];
    let made = world.run_with(&arguments, ("VEILPOST_NEW_PASSWORD", PASSWORD));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{}", words(&made)));
    made["totp_seed"].as_str().expect("a seed").to_owned()
}

fn code_of(seed: &str) -> String {
    let now = veilpost::clock::Clock::system().now();
    veilpost::keyring::totp::code_for(seed, now).expect("a seed")
}

const BOB: &str = "bob@demo.example";
/// Shows less than any other.
const QUIET: &str = "version = 1\ndescription = \"nothing\"\nshow = \"nothing\"\n";

//! Acts that are made at the same moment: each checks, waits for the audit log, and commits. Whatever the
//! order, two together do no more than either may alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;

use serde_json::{Value, json};
use veilpost::admin::api::{Authority, FailureCode, Request, Role, Secret};
use veilpost::admin::client::{Client, ClientError};
use veilpost::clock::{Clock, Timestamp};
use veilpost::keyring::totp::code_for;
use veilpost::policy;

use super::clients::ADDRESS;
use super::pages::{Person, csrf};
use super::world::{World, words};

/// `PATCH` a view to a harmless policy, and `PUT` all into that policy: with a token and no unlock.
#[test]
fn a_view_and_its_policy_changed_at_once_show_no_more() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let person = sign_in(&world, ADDRESS, &world.facts.password);
    let token = token(&person, &world.code(), &["views:write", "policies:write"]);
    for round in 0..10 {
        let name = format!("p{round}");
        load(&socket, &name, shipped("headers-only"), None).expect("nobody uses it");
        let paths = [("PATCH", "/views/dashboard".to_owned()), ("PUT", format!("/policies/{name}"))];
        let bodies = [json!({ "policy": name }), json!({ "text": shipped("everything") })];
        let statuses = at_once(|side| {
            let (method, path) = &paths[side];
            program(&person, &token, method, path, &bodies[side])
        });
        let shown = policy_of(&world, "dashboard");
        let revealed = shown == name && text_of(&world, &name) == shipped("everything");
        assert!(!revealed, "round {round}: {statuses:?}");
        let (one, other) = (statuses[0].0, statuses[1].0);
        assert!([one, other].contains(&403), "round {round}: one comes too late: {statuses:?}");
    }
    let effects = kinds(&world, "policy_changed");
    assert!(effects.iter().all(|entry| entry["act"]["effect"] == "neutral"), "none was in use: {effects:?}");
    server.is_well();
}

/// The same over the administration socket, which answers faster; and against removing the view.
#[test]
fn views_policies_and_removals_race_over_the_socket() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let recovery = || Authority::Recovery(Secret::new(world.facts.recovery_code.clone()));
    for round in 0..10 {
        let (view, name) = (format!("v{round}"), format!("p{round}"));
        load(&socket, &name, shipped("sender-and-date"), None).expect("nobody uses it");
        call(
            &socket,
            Request::ViewCreate {
                user: ADDRESS.to_owned(),
                name: view.clone(),
                policy: "headers-only".to_owned(),
                label: None,
                authority: recovery(),
            },
        )
        .expect("a view");
        let answers = at_once(|side| match side {
            0 => call(
                &socket,
                Request::ViewPolicy {
                    user: ADDRESS.to_owned(),
                    view: view.clone(),
                    policy: name.clone(),
                    authority: None,
                },
            ),
            _ => load(&socket, &name, shipped("everything"), None),
        });
        let revealed = policy_of(&world, &view) == name && text_of(&world, &name) == shipped("everything");
        assert!(!revealed, "round {round}");
        assert!(answers.iter().any(|answer| code(answer) == Some(FailureCode::UnlockNeeded)), "{answers:?}");
        // A view that goes while it changes is gone, and stays so.
        let now = policy_of(&world, &view);
        let answers = at_once(|side| match side {
            0 => call(&socket, Request::ViewRemove { user: ADDRESS.to_owned(), view: view.clone() }),
            _ => call(
                &socket,
                Request::ViewPolicy {
                    user: ADDRESS.to_owned(),
                    view: view.clone(),
                    policy: now.clone(),
                    authority: None,
                },
            ),
        });
        assert!(answers[0].is_ok(), "{answers:?}");
        assert!(answers[1].is_ok() || code(&answers[1]) == Some(FailureCode::NotFound), "{answers:?}");
        assert!(views(&world).iter().all(|row| row["name"] != view.as_str()));
    }
    server.is_well();
}

/// Of two tenants one gets a domain that neither had.
#[test]
fn one_domain_goes_to_one_tenant() {
    let world = World::new();
    let mut server = world.serve();
    let made = world.run_with(
        &["tenant", "create", "other", "--address", "dora@other.example", "--json"],
        ("VEILPOST_NEW_PASSWORD", PASSWORD),
    );
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let seed = made["user"]["totp_seed"].as_str().expect("a seed");
    let (alice, dora) = (sign_in(&world, ADDRESS, &world.facts.password), {
        sign_in(&world, "dora@other.example", PASSWORD)
    });
    let now = Clock::system().now().unix();
    let dora_code = |skew: i64| code_for(seed, Timestamp::from_unix(now + skew)).expect("a seed");
    let scopes = ["addresses:write"];
    let tokens = [token(&alice, &world.code(), &scopes), token(&dora, &dora_code(0), &scopes)];
    let secrets = [
        json!({ "password": world.facts.password, "code": world.code() }),
        json!({ "password": PASSWORD, "code": dora_code(30) }),
    ];
    let people = [&alice, &dora];
    let sessions = [0, 1].map(|side| {
        let (status, opened) = program(people[side], &tokens[side], "POST", "/unlock", &secrets[side]);
        assert_eq!(status, 201, "{opened}");
        opened["session"].as_str().expect("a session").to_owned()
    });
    for round in 0..10 {
        let domain = format!("new{round}.example");
        let answers = at_once(|side| {
            // One beside the other, or one above the other.
            let address = match (side, round % 2) {
                (0, _) => format!("@{domain}"),
                (_, 0) => format!("sales@{domain}"),
                _ => format!("@deep.{domain}"),
            };
            let user = [ADDRESS, "dora@other.example"][side];
            let body = json!({ "address": address, "user": user });
            unlocked(people[side], &tokens[side], &sessions[side], "/addresses", &body)
        });
        let taken = answers.iter().filter(|(status, _)| *status == 204).count();
        assert_eq!(taken, 1, "round {round}: {answers:?}");
    }
    // Names of the server, and what looks like another tenant's domain, are the operator's.
    for address in [
        "@mail.demo.example",
        "postmaster@mail.demo.example",
        "abuse@mail.demo.example",
        "x@deep.mail.demo.example",
        "@sub.demo.example",
        "@autoconfig.demo.example",
        "@dem\u{43e}.example",
        "@mail.dem\u{43e}.example",
        "@example",
    ] {
        let body = json!({ "address": address, "user": "dora@other.example" });
        let (status, problem) = unlocked(&dora, &tokens[1], &sessions[1], "/addresses", &body);
        assert_eq!(status, 403, "{address}: {problem}");
        let told = problem["detail"].as_str().unwrap_or_default();
        assert!(told.contains("whoever runs the server"), "{address}: {problem}");
    }
    server.is_well();
}

/// Whoever is shut out, or loses a role, at the moment of an act, has either done it before or not at all.
#[test]
fn those_who_are_shut_out_while_they_act_do_nothing_after_it() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    let made = world.run_with(
        &[
            "user",
            "create",
            "demo",
            "--address",
            "bob@demo.example",
            "--role",
            "administrator",
            "--recovery",
            "--json",
        ],
        ("VEILPOST_NEW_PASSWORD", PASSWORD),
    );
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let seed = made["totp_seed"].as_str().expect("a seed");
    let bob = sign_in(&world, "bob@demo.example", PASSWORD);
    let code = code_for(seed, Clock::system().now()).expect("a seed");
    let token = token(&bob, &code, &["policies:write", "tenants:write"]);
    for round in 0..6 {
        let name = format!("q{round}");
        let role = |role| Request::UserRole { user: "bob@demo.example".to_owned(), role, authority: None };
        let statuses = at_once(|side| match side {
            0 => {
                call(&socket, role(Role::Member)).expect("the socket may");
                (204, Value::Null)
            }
            _ => {
                let body = json!({ "text": shipped("headers-only") });
                program(&bob, &token, "PUT", &format!("/policies/{name}"), &body)
            }
        });
        let log = world.audited();
        let at = |kind: &str| log.iter().rposition(|entry| entry["act"]["kind"] == kind);
        if statuses[1].0 == 200 {
            assert!(at("policy_changed") < at("role_changed"), "round {round}");
        }
        let (status, _) = program(&bob, &token, "PUT", "/policies/late", &json!({ "text": "version = 1" }));
        assert_eq!(status, 403, "a member loads none");
        call(&socket, role(Role::Administrator)).expect("the socket may");
    }
    server.is_well();
}

/// A session reads one message for each code, whatever asks: the command line, the socket.
#[test]
fn a_code_for_every_message_holds_at_the_door() {
    let world = World::new();
    let mut server = world.serve();
    let socket = world.data().join("admin.sock");
    world.unlock();
    let settings = ["tenant", "settings", "demo", "--reason-required", "false", "--step-up"];
    assert!(world.run(&[&settings[..], &["true"]].concat()).status.success());
    for arguments in [&["mail", "read", "1"][..], &["mail", "export", "never"], &["mail", "read", "2"]] {
        let refused = world.run(arguments);
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{arguments:?}");
    }
    assert!(!std::path::Path::new("never").join("00000001.eml").exists());
    let said = words(&world.run(&["mail", "export", "never-either"]));
    assert!(said.contains("every single message needs a code"), "{said}");
    let _ = (std::fs::remove_dir("never"), std::fs::remove_dir("never-either"));
    assert!(world.run(&["mail", "read", "1", "--code", &world.code()]).status.success());
    assert!(world.run(&["mail", "read", "1"]).status.success(), "the code holds for this message");
    assert!(!world.run(&["mail", "read", "2"]).status.success(), "and for no other");
    assert!(!world.run(&["mail", "read", "2", "--code", "000000"]).status.success());
    assert_eq!(kinds(&world, "message_revealed").len(), 2);
    assert_eq!(kinds(&world, "stepped_up").len(), 1);
    // Asking for less takes an unlock, from the socket too.
    let asking = |step_up, unlock_minutes, unlock_longest_minutes| Request::TenantSettings {
        tenant: "demo".to_owned(),
        reason_required: false,
        step_up,
        authority: None,
        unlock_minutes,
        unlock_longest_minutes,
    };
    assert_eq!(code(&call(&socket, asking(false, None, None))), Some(FailureCode::UnlockNeeded));
    // So does a longer unlock; a shorter one does not.
    assert!(call(&socket, asking(true, Some(3), Some(9))).is_ok());
    for (idle, longest) in [(Some(4), None), (Some(0), None), (None, Some(10)), (Some(3), Some(0))] {
        let longer = call(&socket, asking(true, idle, longest));
        assert_eq!(code(&longer), Some(FailureCode::UnlockNeeded), "{idle:?} {longest:?}");
    }
    assert!(call(&socket, asking(true, Some(2), None)).is_ok());
    assert!(world.run(&[&settings[..], &["false"]].concat()).status.success(), "in the open session");
    assert!(world.run(&["mail", "read", "2"]).status.success());
    server.is_well();
}

/// Both sides at the same moment.
pub fn at_once<T: Send>(act: impl Fn(usize) -> T + Sync) -> [T; 2] {
    let start = Barrier::new(2);
    let side = |side| {
        start.wait();
        act(side)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| side(1));
        let one = side(0);
        [one, other.join().expect("no side panics")]
    })
}

pub fn call(socket: &Path, request: Request) -> Result<Value, ClientError> {
    Client::connect(socket).expect("the server answers").call(request)
}

pub fn load(
    socket: &Path,
    name: &str,
    text: &str,
    authority: Option<Authority>,
) -> Result<Value, ClientError> {
    let (tenant, name, text) = ("demo".to_owned(), name.to_owned(), text.to_owned());
    call(socket, Request::PolicyLoad { tenant, name, text, authority })
}

pub fn code(answer: &Result<Value, ClientError>) -> Option<FailureCode> {
    match answer {
        Err(ClientError::Failed(failure)) => Some(failure.code),
        _ => None,
    }
}

pub fn views(world: &World) -> Vec<Value> {
    world.json(&["view", "list", ADDRESS]).as_array().expect("a list").clone()
}

pub fn policy_of(world: &World, view: &str) -> String {
    let found = views(world).into_iter().find(|row| row["name"] == view).expect("a view");
    found["policy"].as_str().expect("a name").to_owned()
}

pub fn text_of(world: &World, name: &str) -> String {
    let request = Request::PolicyShow { tenant: "demo".to_owned(), name: name.to_owned() };
    call(&world.data().join("admin.sock"), request).expect("a policy")["text"]
        .as_str()
        .expect("a text")
        .to_owned()
}

pub fn shipped(name: &str) -> &'static str {
    policy::shipped().iter().find(|(shipped, _)| *shipped == name).expect("shipped").1
}

pub fn kinds(world: &World, kind: &str) -> Vec<Value> {
    world.audited().into_iter().filter(|entry| entry["act"]["kind"] == kind).collect()
}

pub fn sign_in(world: &World, login: &str, password: &str) -> Person {
    let person = Person::new(world);
    assert_eq!(person.post("/sign-in", &[("login", login), ("password", password)]).0, 303);
    person
}

/// A token, made in an unlocked session.
pub fn token(person: &Person, code: &str, scopes: &[&str]) -> String {
    let csrf = csrf(&person.get("/account/tokens").1);
    assert_eq!(person.post("/unlock", &[("csrf", &csrf), ("code", code)]).0, 303);
    let mut fields = vec![("csrf", csrf.as_str()), ("label", "a program"), ("days", "1")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let (status, page) = person.post("/account/tokens", &fields);
    assert_eq!(status, 200, "{page}");
    let (_, rest) = page.split_once("<code>").expect("a token");
    rest.split_once("</code>").expect("its end").0.to_owned()
}

pub fn program(person: &Person, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    ask(person, &["-X", method, "-H", &format!("Authorization: Bearer {token}")], path, body)
}

fn unlocked(person: &Person, token: &str, session: &str, path: &str, body: &Value) -> (u16, Value) {
    let (token, session) = (format!("Authorization: Bearer {token}"), format!("Veilpost-Unlock: {session}"));
    ask(person, &["-H", &token, "-H", &session], path, body)
}

fn ask(person: &Person, arguments: &[&str], path: &str, body: &Value) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "60", "-w", "\n%{http_code}", "--cacert", &person.certificate]);
    curl.args(arguments).args(["-H", "Content-Type: application/json", "--data", &body.to_string()]);
    let output =
        curl.arg(format!("{}/api/v1{path}", person.base)).stdin(Stdio::null()).output().expect("curl");
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').expect("what curl writes out");
    (status.parse().expect("a status"), serde_json::from_str(body).unwrap_or(Value::Null))
}

pub const PASSWORD: &str = "a passphrase of some other length";

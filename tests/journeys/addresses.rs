//! Addresses that are switched off and on, that several people have, and what is no address at all; policies
//! that are taken away again. By the command line, the pages and the HTTP API.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::dashboard_admin::{PASSWORD, user};
use crate::dashboard_api::{Program, make};
use crate::promise::entries;
use crate::smtp::{Smtp, deliver};
use crate::support::Server;

#[test]
fn an_address_is_switched_off_with_a_note_and_on_again() {
    let mut server = Server::demo();
    let alice = server.fact("user").to_owned();
    // From now on in the form that the log's line is looked for in.
    server.restart_with(|settings| settings.push_str("level = \"info\"\nformat = \"text\"\n"));
    server.done(&["address", "add", "press@demo.example", "--user", &alice]);
    server.done(&["address", "add", "@demo.example", "--user", &alice]);
    assert!(rcpt(&server, "press@demo.example").starts_with("250"));
    server.done(&["address", "off", "press@demo.example", "--note", "spam since the fair"]);
    for address in ["press@demo.example", "PRESS+tag@demo.example"] {
        for mut session in [Smtp::connect(&server), Smtp::connect_lmtp(&server)] {
            assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
            let reply = session.command(&format!("RCPT TO:<{address}>"));
            assert!(reply.starts_with("550 5.2.1"), "{reply}");
            assert!(!reply.contains("spam") && !reply.contains("fair"), "{reply}");
            assert!(
                session.command("RCPT TO:<anything@demo.example>").starts_with("250"),
                "the catch-all is on"
            );
        }
    }
    let item = listed(&server, "press@demo.example");
    assert_eq!(item["off"]["note"], "spam since the fair");
    assert_eq!(item["off"]["by"], "the administration socket");
    assert!(item["off"]["since"].is_string());
    assert!(listed(&server, &alice)["off"].is_null());
    let table = server.command(&["address", "list"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&table.stdout).contains("spam since the fair"));
    let log = String::from_utf8_lossy(&server.printed()).into_owned();
    let told = |line: &&str| line.contains("reply=550") && line.contains("the address is switched off");
    assert!(log.lines().any(|line| told(&line)), "{log}");
    assert!(!log.contains("fair"), "the note is for administrators");
    let traced = server.done(&["trace", "press@demo.example"]);
    assert!(traced["seen"].to_string().contains("switched off"), "{traced}");

    server.restart();
    assert!(rcpt(&server, "press@demo.example").starts_with("550 5.2.1"), "it stays off");
    server.done(&["address", "on", "press@demo.example"]);
    assert!(rcpt(&server, "press@demo.example").starts_with("250"));
    assert!(listed(&server, "press@demo.example")["off"].is_null());
    assert_eq!(server.refused(&["address", "off", "nobody@demo.example"]), "not-found");
    let long = "x".repeat(201);
    assert_eq!(server.refused(&["address", "off", "press@demo.example", "--note", &long]), "invalid");
    assert_eq!(server.refused(&["address", "off", "press@demo.example", "--note", "two\nlines"]), "invalid");
    let acts: Vec<Value> = entries(&server).iter().map(|entry| entry["act"].clone()).collect();
    let of = |kind: &str| acts.iter().find(|act| act["kind"] == kind).cloned().expect("recorded");
    assert_eq!(of("address_switched_off")["address"], of("address_switched_on")["address"]);
    assert!(!acts.iter().any(|act| act.to_string().contains("fair")), "no entry has the note");
}

/// Whose address is off signs in and opens mail as before, and what was accepted before is delivered.
#[test]
fn a_login_that_is_off_still_signs_in() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    let mut session = Smtp::connect(&server);
    assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
    assert!(session.command(&format!("RCPT TO:<{alice}>")).starts_with("250"));
    server.done(&["address", "off", &alice, "--note", "on leave"]);
    assert!(session.data(b"Subject: just in time\r\n\r\nhello\r\n").starts_with("250"));
    assert!(rcpt(&server, &alice).starts_with("550 5.2.1"));
    server.unlock();
    let mail = server.done(&["mail", "list"]);
    assert!(mail.as_array().expect("a list").iter().any(|row| row["subject"] == "just in time"));
    let laptop = crate::pop3::Pop3::login(&server, &server.device("laptop")).count();
    assert_eq!(laptop, 7);
}

/// RFC 5321 §4.5.1: postmaster reaches somebody, whatever is switched off.
#[test]
fn postmaster_and_abuse_reach_somebody_whatever_is_off() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    server.done(&["address", "add", "postmaster@demo.example", "--user", &alice]);
    server.done(&["address", "add", "@demo.example", "--user", &alice]);
    let refused =
        server.run(&["address", "off", "postmaster@demo.example"]).expect_err("nobody else gets it");
    assert!(refused["message"].as_str().unwrap_or_default().contains("have to reach somebody"), "{refused}");
    assert_eq!(server.refused(&["address", "off", "PostMaster@demo.example"]), "invalid");
    server.done(&["address", "off", "@demo.example"]);
    assert!(rcpt(&server, "anything@demo.example").starts_with("550 5.2.1"));
    for role in ["postmaster@demo.example", "abuse@demo.example", "Abuse+x@demo.example"] {
        assert!(rcpt(&server, role).starts_with("250"), "{role}");
    }
    // Bob has it, and the first administrator gets it while it is off there: mail moves, so it takes an unlock.
    user(&server, "demo", BOB, "member");
    server.done(&["address", "add", "abuse@demo.example", "--user", BOB, "--recovery"]);
    assert_eq!(
        server.run(&["address", "off", "abuse@demo.example"]).expect_err("it moves mail")["code"],
        "invalid"
    );
    server.done(&["address", "off", "abuse@demo.example", "--recovery"]);
    deliver(&server, "abuse@demo.example", "Subject: to whom\n\nhello\n");
    server.unlock();
    let mail = server.done(&["mail", "list"]);
    assert!(mail.as_array().expect("a list").iter().any(|row| row["subject"] == "to whom"), "{mail}");
    let standing = server.done(&["address", "list", "demo"]);
    let standing: Vec<&Value> = standing
        .as_array()
        .expect("a list")
        .iter()
        .filter(|item| item["address"] == "abuse@demo.example")
        .collect();
    assert_eq!(standing.len(), 2, "whose it is, and who gets it: {standing:?}");
}

/// Patterns of other mail servers are told what to write here.
#[test]
fn patterns_are_refused_with_what_to_write() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    for (address, hint) in [
        ("*@demo.example", "write @domain"),
        ("%@demo.example", "write @domain"),
        ("*", "add @domain for each"),
        ("@", "write the domain after the @"),
        ("alice@*", "add one for each domain"),
        ("*.demo.example", "add each one"),
        ("@*.demo.example", "add each one"),
        ("sales-*@demo.example", "its +tags"),
        ("demo.example", "for everything at a domain write @domain"),
    ] {
        for arguments in [
            vec!["address", "add", address, "--user", &alice],
            vec!["tenant", "create", "other", "--address", address],
        ] {
            let error = server
                .run_with(&arguments, &[("VEILPOST_NEW_PASSWORD", PASSWORD)])
                .expect_err("it is no address");
            assert_eq!(error["code"], "invalid", "{arguments:?}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(hint), "{arguments:?}: {message}");
        }
    }
    let single = ["user", "create", "demo", "--address", "@demo.example", "--recovery"];
    let error = server.run_with(&single, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]).expect_err("one address");
    assert!(error["message"].as_str().unwrap_or_default().contains("one address"), "{error}");
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    browser.unlock(&server.code(), "addresses");
    let fields = [("address", "*@demo.example"), ("user", alice.as_str())];
    let page = browser.post("/admin/addresses", "/admin/addresses", &fields);
    assert!(page.status == 422 && page.shows("write @domain"), "{}", page.text());
    let program = Program::new(&server, &make(&browser, "all", &["addresses:write"]).0);
    let body = json!({ "address": "*@demo.example", "user": alice });
    let (status, problem) = program.call("POST", "/addresses", Some(body), None);
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().unwrap_or_default().contains("write @domain"), "{problem}");
    // An address list of an earlier version may have it: it can be removed.
    assert_eq!(server.refused(&["address", "remove", "*@demo.example"]), "not-found");
}

/// Sharing, taking off, switching off and on: on the pages and by the HTTP API, as at the command line.
#[test]
fn pages_and_programs_share_and_switch_addresses() {
    let server = Server::demo();
    user(&server, "demo", BOB, "member");
    let alice = server.fact("user").to_owned();
    server.done(&["address", "add", "office@demo.example", "--user", &alice]);
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let one = "/admin/addresses/one?address=office@demo.example";
    let act = |path: &str, fields: &[(&str, &str)]| {
        let all = [&[("address", "office@demo.example")], fields].concat();
        browser.post("/admin/addresses", &format!("/admin/addresses/{path}"), &all)
    };
    let locked = act("share", &[("user", BOB)]);
    assert!(locked.to.starts_with("/unlock?to=%2Fadmin%2Faddresses%2Fone"), "{}", locked.to);
    browser.unlock(&server.code(), "sharing");
    assert_eq!(act("share", &[("user", BOB)]).to, "/admin/addresses?said=saved");
    assert_eq!(listed(&server, "office@demo.example")["shared_with"], json!([BOB]));
    assert_eq!(act("share", &[("user", BOB)]).status, 409, "they have it");
    assert!(browser.get(one).shows(BOB) && browser.get("/admin/addresses").shows(&format!("{alice}, {BOB}")));
    assert_eq!(act("unshare", &[("user", BOB)]).to, "/admin/addresses?said=saved");
    assert!(!browser.get("/admin/addresses").shows(&format!("{alice}, {BOB}")));
    assert_eq!(act("unshare", &[("user", BOB)]).status, 404);
    let page = browser.post(
        "/admin/addresses",
        "/admin/addresses/unshare",
        &[("address", &alice), ("user", alice.as_str())],
    );
    assert_eq!(page.status, 422, "it would be nobody's");
    assert_eq!(act("switch", &[("note", "moved to the new office")]).to, "/admin/addresses?said=saved");
    assert!(browser.get("/admin/addresses").shows("moved to the new office"));
    let off = browser.get(one);
    assert!(off.shows("moved to the new office") && off.shows(&alice) && off.shows("Remove it"));
    assert!(off.body.contains(" UTC</time>"), "times are written as on every page");
    assert!(rcpt(&server, "office@demo.example").starts_with("550 5.2.1"));
    assert_eq!(listed(&server, "office@demo.example")["off"]["by"], alice.as_str());

    let token = make(&browser, "all", &["addresses:read", "addresses:write"]).0;
    let program = Program::new(&server, &token);
    let at = "/addresses/office@demo.example";
    let (_, list) = program.get("/addresses");
    assert!(list.to_string().contains("moved to the new office"), "{list}");
    let on = || Some(json!({ "on": true }));
    assert_eq!(program.call("PATCH", at, on(), None).1["code"], "unlock-needed");
    let people = format!("{at}/people/{BOB}");
    assert_eq!(program.call("PUT", &people, None, None).1["code"], "unlock-needed");
    let right = json!({ "password": server.fact("password"), "code": server.code() });
    let opened = program.call("POST", "/unlock", Some(right), None).1;
    let session = opened["session"].as_str().expect("a session");
    assert_eq!(program.call("PATCH", at, on(), Some(session)).0, 204);
    assert!(rcpt(&server, "office@demo.example").starts_with("250"));
    assert_eq!(program.call("PATCH", at, Some(json!({ "on": true, "note": "x" })), Some(session)).0, 422);
    assert_eq!(program.call("PATCH", at, Some(json!({ "on": false, "note": "closed" })), None).0, 204);
    assert_eq!(program.call("PUT", &people, None, Some(session)).0, 204);
    assert_eq!(listed(&server, "office@demo.example")["shared_with"], json!([BOB]));
    assert_eq!(listed(&server, "office@demo.example")["off"]["note"], "closed", "sharing keeps it off");
    assert_eq!(program.call("DELETE", &people, None, None).0, 204);
    assert_eq!(program.call("DELETE", &people, None, None).0, 404);
    assert_eq!(program.call("PUT", &format!("{at}/people/nobody@demo.example"), None, Some(session)).0, 404);
    let kinds: Vec<Value> = entries(&server).iter().map(|entry| entry["act"]["kind"].clone()).collect();
    for kind in ["address_shared", "address_unshared", "address_switched_off", "address_switched_on"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}");
    }
}

#[test]
fn members_and_other_tenants_switch_and_share_nothing() {
    let server = Server::demo();
    crate::dashboard_admin::tenant(&server, "other", "dora@other.example");
    user(&server, "demo", BOB, "member");
    let Some(bob) = Browser::signed_in(&server, "bob", BOB, PASSWORD) else { return };
    let dora = Browser::signed_in(&server, "dora", "dora@other.example", PASSWORD).expect("curl is here");
    let alice = server.fact("user");
    for (path, fields) in [
        ("share", vec![("address", alice), ("user", BOB)]),
        ("unshare", vec![("address", alice), ("user", alice)]),
        ("switch", vec![("address", alice), ("note", "x")]),
    ] {
        let path = format!("/admin/addresses/{path}");
        assert_eq!(bob.post("/account/tokens", &path, &fields).status, 403, "{path}");
        assert_eq!(dora.post("/admin/addresses", &path, &fields).status, 404, "{path}");
    }
    assert_eq!(dora.get(&format!("/admin/addresses/one?address={alice}")).status, 404);
    assert_eq!(bob.get("/policies/headers-only/remove").status, 403);
    assert_eq!(bob.post("/account/tokens", "/policies/headers-only/remove", &[]).status, 403);
    assert!(listed(&server, alice)["off"].is_null());
}

#[test]
fn policies_are_removed_once_no_view_uses_them() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    let file = server.scratch().join("mine.toml");
    let shown = server.done(&["policy", "show", "demo", "headers-only"]);
    std::fs::write(&file, shown["text"].as_str().expect("a text")).expect("a file");
    let file = file.display().to_string();
    server.done(&["policy", "load", "demo", &file]);
    server.done(&["view", "policy", &alice, "dashboard", "mine"]);
    let remove = ["policy", "remove", "demo", "mine"];
    let refused = server.run(&remove).expect_err("a view uses it");
    let told = refused["message"].as_str().unwrap_or_default();
    assert!(told.contains(&format!("1 view uses it: {alice}/dashboard")), "{refused}");
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    assert!(browser.get("/policies/mine").body.contains("/policies/mine/remove"));
    assert!(!browser.get("/policies/excerpt").body.contains("/policies/excerpt/remove"));
    assert!(browser.get("/policies/mine/remove").shows("One view uses it"));
    let page = browser.post("/policies/mine/remove", "/policies/mine/remove", &[]);
    assert!(page.status == 422 && page.shows("1 view uses it"), "{}", page.text());
    server.done(&["view", "policy", &alice, "dashboard", "headers-only"]);
    assert!(browser.get("/policies/mine/remove").shows("No view uses it"));
    let page = browser.post("/policies/mine/remove", "/policies/mine/remove", &[]);
    assert_eq!(page.to, "/policies?said=removed", "{}", page.text());
    assert_eq!(browser.get("/policies/mine/remove").status, 404);
    assert_eq!(server.refused(&remove), "not-found");
    assert_eq!(server.refused(&["policy", "remove", "demo", "excerpt"]), "invalid");

    server.done(&["policy", "load", "demo", &file]);
    browser.unlock(&server.code(), "a token");
    let program = Program::new(&server, &make(&browser, "all", &["policies:read", "policies:write"]).0);
    let (status, removed) = program.call("DELETE", "/policies/mine", None, None);
    assert_eq!((status, &removed["removed"], &removed["shipped"]), (200, &json!("mine"), &json!(false)));
    assert_eq!(program.call("DELETE", "/policies/mine", None, None).0, 404);
    assert_eq!(program.call("DELETE", "/policies/excerpt", None, None).0, 422);
    let kinds: Vec<Value> = entries(&server).iter().map(|entry| entry["act"]["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "policy_removed").count(), 2);
}

fn listed(server: &Server, address: &str) -> Value {
    let list = server.done(&["address", "list", "demo"]);
    let found = list.as_array().expect("a list").iter().find(|item| item["address"] == address);
    found.unwrap_or_else(|| panic!("{address}: {list}")).clone()
}

/// The reply to RCPT.
fn rcpt(server: &Server, address: &str) -> String {
    let mut session = Smtp::connect(server);
    assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
    session.command(&format!("RCPT TO:<{address}>"))
}

const BOB: &str = "bob@demo.example";

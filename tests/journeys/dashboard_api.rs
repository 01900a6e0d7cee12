//! Programs with tokens: what their scopes and their person allow, and nothing more; mail only after
//! an unlock with the person's password and code.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::dashboard_admin::{PASSWORD, between, tenant, user};
use crate::promise::entries;
use crate::support::{Server, tool};

#[test]
fn a_token_reads_mail_only_after_an_unlock() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    // A token is a way in that stays: the password alone makes none.
    let fields = [("label", "x"), ("days", "1"), ("scope", "mail:read")];
    let locked = alice.post("/account/tokens", "/account/tokens", &fields);
    assert_eq!(locked.to, "/unlock?to=%2Faccount%2Ftokens");
    alice.unlock(&server.code(), "a token");
    let (token, _) = make(&alice, "reader", &["mail:read"]);
    let program = Program::new(&server, &token);
    let me = program.get("/me");
    assert_eq!((&me.1["login"], &me.1["scopes"]), (&json!(server.fact("user")), &json!(["mail:read"])));

    for path in ["/messages", "/messages/1", "/messages/1/raw"] {
        let (status, problem) = program.get(path);
        assert_eq!((status, &problem["code"]), (403, &json!("unlock-needed")), "{path}");
        let (status, problem) = program.call("GET", path, None, Some("bm90IGEgc2Vzc2lvbg"));
        assert_eq!((status, &problem["code"]), (403, &json!("unlock-needed")), "{path}");
    }
    for kind in ["list_read", "messages_listed", "message_revealed"] {
        assert_eq!(count(&server, kind), 0, "nothing was opened: {kind}");
    }

    let wrong = json!({ "password": server.fact("password"), "code": "000000" });
    assert_eq!(program.call("POST", "/unlock", Some(wrong), None).0, 403);
    let right = json!({ "password": server.fact("password"), "code": server.code(), "reason": "a test" });
    let (status, opened) = program.call("POST", "/unlock", Some(right), None);
    assert_eq!(status, 201, "{opened}");
    let session = opened["session"].as_str().expect("a session");
    let (status, page) = program.call("GET", "/messages?limit=4", None, Some(session));
    assert_eq!((status, page["messages"].as_array().map(Vec::len)), (200, Some(4)), "{page}");
    let next = format!("/messages?before={}", page["next"]);
    let (_, page) = program.call("GET", &next, None, Some(session));
    assert_eq!((page["messages"].as_array().map(Vec::len), &page["next"]), (Some(2), &Value::Null));
    let (status, whole) = program.call("GET", "/messages/1", None, Some(session));
    assert_eq!((status, whole["receipt"].is_string()), (200, true), "{whole}");
    let (status, octets) = program.call("GET", "/messages/1/raw", None, Some(session));
    assert!(status == 200 && octets.as_str().is_some_and(|text| text.contains("Subject:")), "{octets}");
    assert_eq!(program.call("DELETE", "/messages/1", None, Some(session)).1["code"], "scope-needed");
    let reveals = |server: &Server| count(server, "message_revealed");
    assert_eq!(reveals(&server), 2, "each opening is in the log");

    // Where every message needs a code of its own, no session of a program is enough.
    let step_up = ["tenant", "settings", "demo", "--reason-required", "false", "--step-up"];
    server.done(&[&step_up[..], &["true"]].concat());
    assert_eq!(program.call("GET", "/messages/1", None, Some(session)).1["code"], "code-needed");
    assert_eq!(server.run(&[&step_up[..], &["false"]].concat()).expect_err("locked")["code"], "invalid");
    server.done(&[&step_up[..], &["false", "--recovery"]].concat());

    // The session goes with its token: another one, and the command line, cannot use it.
    let (other, _) = make(&alice, "another", &["mail:read"]);
    let other = Program::new(&server, &other);
    assert_eq!(other.call("GET", "/messages", None, Some(session)).1["code"], "unlock-needed");
    assert_eq!(program.call("DELETE", "/unlock", None, Some(session)).0, 204);
    assert_eq!(program.call("GET", "/messages", None, Some(session)).1["code"], "unlock-needed");
    assert_eq!(reveals(&server), 2);
}

#[test]
fn a_token_does_what_its_scopes_name_and_no_more() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    alice.unlock(&server.code(), "a token");
    let (token, id) = make(&alice, "views", &["views:read", "views:write"]);
    let program = Program::new(&server, &token);
    let views = program.get("/views");
    assert_eq!((views.0, views.1.as_array().map(Vec::len)), (200, Some(3)), "{}", views.1);
    for (method, path) in every_route()
        .iter()
        .filter(|(_, path)| !path.starts_with("/views") && !["/me", "/unlock"].contains(&path.as_str()))
    {
        let (status, problem) = program.call(method, &filled(path), None, None);
        assert_eq!((status, &problem["code"]), (403, &json!("scope-needed")), "{method} {path}");
    }
    // Tightening and revoking need no unlock; what opens more does.
    let more = json!({ "name": "tablet", "policy": "excerpt" });
    assert_eq!(program.call("POST", "/views", Some(more), None).1["code"], "unlock-needed");
    server.create_view("desk", "everything");
    let less = json!({ "policy": "sender-and-date" });
    assert_eq!(program.call("PATCH", "/views/desk", Some(less), None).0, 204);
    let back = json!({ "policy": "everything" });
    assert_eq!(program.call("PATCH", "/views/desk", Some(back), None).1["code"], "unlock-needed");
    let devices = program.get("/views/phone/credentials").1;
    let device = devices[0]["id"].as_str().expect("a device");
    assert_eq!(program.call("DELETE", &format!("/views/laptop/credentials/{device}"), None, None).0, 404);
    assert_eq!(program.call("DELETE", &format!("/views/phone/credentials/{device}"), None, None).0, 200);

    // Revoked, it is worth nothing from the next request on.
    assert_eq!(alice.post("/account/tokens", "/account/tokens/revoke", &[("id", &id)]).status, 303);
    assert_eq!(program.get("/views").0, 401);
    assert_eq!(Program::new(&server, "vp_nothing").get("/me").0, 401);
    assert_eq!(Program::new(&server, "").get("/me").0, 401);
    assert_eq!((count(&server, "api_token_created"), count(&server, "api_token_revoked")), (1, 1));
}

#[test]
fn no_token_gives_a_member_the_rights_of_an_administrator() {
    let server = Server::demo();
    let seed = user(&server, "demo", "bob@demo.example", "administrator");
    let Some(bob) = Browser::signed_in(&server, "bob", "bob@demo.example", PASSWORD) else { return };
    let scopes = ["users:read", "users:write", "addresses:read", "status:read", "tenants:read", "audit:read"];
    bob.unlock(&server.code_of(&seed), "a token");
    let program = Program::new(&server, &make(&bob, "all", &scopes).0);
    assert_eq!(program.get("/users").0, 200);
    let all = program.get("/audit?limit=1000").1["entries"].as_array().map_or(0, Vec::len);
    server.done(&["user", "role", "bob@demo.example", "member"]);
    for path in ["/users", "/addresses", "/domains", "/status", "/storage", "/tenants"] {
        assert_eq!(program.get(path).1["code"], "refused", "{path}");
    }
    let own = program.get("/audit?limit=1000").1["entries"].as_array().map_or(0, Vec::len);
    assert!(own > 0 && own < all, "{own} of {all}");
    assert_eq!(program.get("/audit/0/receipt").0, 404, "the founding is not about them");

    // A member cannot choose what would be of no use to them, even by a form of their own making.
    let page = bob.post(
        "/account/tokens",
        "/account/tokens",
        &[("label", "x"), ("days", "1"), ("scope", "users:read")],
    );
    assert_eq!(page.status, 422, "{}", page.text());
    server.done(&["user", "disable", "bob@demo.example"]);
    assert_eq!(program.get("/me").0, 401, "whoever is shut out has no tokens");
}

#[test]
fn an_administrators_token_reaches_no_other_tenant() {
    let server = Server::demo();
    tenant(&server, "other", "dora@other.example");
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    alice.unlock(&server.code(), "a token");
    let program = Program::new(&server, &make(&alice, "all", SCOPES).0);
    for path in ["/users", "/addresses", "/domains", "/storage"] {
        assert_eq!(program.get(path).0, 200, "{path}");
        assert_eq!(program.get(&format!("{path}?tenant=other")).0, 404, "{path}");
    }
    let names: Vec<Value> = program.get("/tenants").1.as_array().expect("a list").clone();
    assert_eq!(names.iter().map(|item| &item["name"]).collect::<Vec<_>>(), ["demo"]);
    let call = |method: &str, path: &str, body: Value| program.call(method, path, Some(body), None).0;
    assert_eq!(call("PATCH", "/users/dora@other.example", json!({ "role": "member" })), 404);
    assert_eq!(call("PATCH", "/users/dora@other.example", json!({ "disabled": true })), 404);
    assert_eq!(call("PATCH", "/users/alice@demo.example", json!({ "role": "operator" })), 403);
    assert_eq!(call("PATCH", "/tenants/other", json!({ "reason_required": true, "step_up": true })), 404);
    assert_eq!(call("POST", "/tenants", json!({ "name": "third", "address": "x@third.example" })), 403);
    let take = json!({ "address": "@other.example", "user": "alice@demo.example" });
    assert_eq!(call("POST", "/addresses", take), 403);
    let alias = json!({ "address": "x@demo.example", "alias_of": "dora@other.example" });
    assert_eq!(call("POST", "/addresses", alias), 422);
    assert_eq!(program.call("DELETE", "/addresses/dora@other.example", None, None).0, 404);
    let own = json!({ "address": "office@demo.example", "user": "alice@demo.example" });
    assert_eq!(call("POST", "/addresses", own.clone()), 403, "it brings mail to somebody");
    let right = json!({ "password": server.fact("password"), "code": server.code() });
    let opened = program.call("POST", "/unlock", Some(right), None).1;
    let session = opened["session"].as_str().expect("a session");
    assert_eq!(program.call("POST", "/addresses", Some(own), Some(session)).0, 204);
    assert_eq!(program.call("DELETE", "/addresses/office@demo.example", None, None).0, 204);
    assert_eq!(program.get("/audit/verify").1["intact"], true);
}

#[test]
fn programs_are_told_what_is_wrong_in_one_form() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    alice.unlock(&server.code(), "a token");
    let program = Program::new(&server, &make(&alice, "all", SCOPES).0);
    for (method, path, body, status) in [
        ("GET", "/nothing", None, 404),
        ("DELETE", "/status", None, 405),
        ("GET", "/messages/x", None, 403),
        ("GET", "/audit?from=x", None, 422),
        ("GET", "/audit?limit=0", None, 422),
        ("GET", "/audit?colour=red", None, 422),
        ("POST", "/unlock", Some(json!({ "password": "x" })), 422),
        ("POST", "/addresses", Some(json!({ "address": "nonsense", "user": "alice@demo.example" })), 422),
        ("PATCH", "/users/alice@demo.example", Some(json!({})), 422),
    ] {
        let (answered, problem) = program.call(method, path, body, None);
        assert_eq!(answered, status, "{method} {path}: {problem}");
        assert_eq!(problem["status"], status, "{method} {path}: {problem}");
        assert!(problem["code"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    let document = Program::new(&server, "").get("/openapi.json");
    assert_eq!((document.0, &document.1["openapi"]), (200, &json!("3.1.0")));
    // Guessing costs time, but nobody else's.
    let guesser = Program::new(&server, "vp_guess");
    let answers: Vec<u16> = (0..24).map(|_| guesser.get("/me").0).collect();
    assert!(answers.contains(&401) && answers.ends_with(&[429]), "{answers:?}");
    assert_eq!(program.get("/me").0, 200);
}

/// What a token was made with it does not outlive: password, authenticator.
#[test]
fn tokens_end_with_the_password_and_the_authenticator() {
    let mut server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    let user = server.fact("user").to_owned();
    alice.unlock(&server.code(), "tokens");
    let tokens = [make(&alice, "one", &["mail:read"]).0, make(&alice, "two", &["views:read"]).0];
    let page = alice.get("/account/password");
    assert!(page.shows("2 tokens") && page.shows("2 devices"), "{}", page.text());
    server
        .run_with(&["user", "password", &user, "--recovery"], &[("VEILPOST_NEW_PASSWORD", PASSWORD)])
        .expect("the recovery code allows it");
    assert!(tokens.iter().all(|token| Program::new(&server, token).get("/me").0 == 401));
    assert_eq!(count(&server, "api_token_revoked"), 2);
    let again = Browser::signed_in(&server, "again", &user, PASSWORD).expect("curl is here");
    again.unlock(&server.code(), "a token");
    let token = make(&again, "three", &["mail:read"]).0;
    server.done(&["user", "totp", &user, "--recovery"]);
    assert_eq!(Program::new(&server, &token).get("/me").0, 401);
    assert_eq!(count(&server, "api_token_revoked"), 3);
    server.restart();
    assert_eq!(Program::new(&server, &token).get("/me").0, 401, "it stays over");
}

/// A program: curl with a token, and no cookies.
pub struct Program {
    curl: PathBuf,
    base: String,
    ca: String,
    token: String,
}

impl Program {
    pub fn new(server: &Server, token: &str) -> Self {
        Self {
            curl: tool("curl").expect("the browser found it"),
            base: format!("{}/api/v1", server.fact("dashboard")),
            ca: server.ca_file().to_owned(),
            token: token.to_owned(),
        }
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, None, None)
    }

    /// Status and body: JSON, or else a text.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>, unlock: Option<&str>) -> (u16, Value) {
        let mut curl = Command::new(&self.curl);
        curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        curl.args(["--request", method, "--cacert", &self.ca]);
        if !self.token.is_empty() {
            curl.args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        }
        if let Some(session) = unlock {
            curl.args(["--header", &format!("Veilpost-Unlock: {session}")]);
        }
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json", "--data", &body.to_string()]);
        }
        let output = curl.arg(format!("{}{path}", self.base)).output().expect("curl runs");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').expect("what curl writes out");
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        (status.parse().expect("a status"), body)
    }
}

/// Makes a token in the browser; gives it and its name.
pub fn make(browser: &Browser, label: &str, scopes: &[&str]) -> (String, String) {
    let mut fields = vec![("label", label), ("days", "90")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let page = browser.post("/account/tokens", "/account/tokens", &fields);
    assert_eq!(page.status, 200, "{}", page.text());
    let token = between(&page, "<code>", "</code>");
    let listed = browser.get("/account/tokens");
    assert!(!listed.body.contains(&token), "it is shown once");
    (token, between(&listed, "name=\"id\" value=\"", "\""))
}

fn count(server: &Server, kind: &str) -> usize {
    entries(server).iter().filter(|entry| entry["act"]["kind"] == kind).count()
}

/// Method and path of all that the document names.
fn every_route() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let text = std::fs::read_to_string(path).expect("the document");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").clone();
    let operations = |(path, item): (String, Value)| {
        let methods: Vec<String> = item.as_object().expect("operations").keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.into_iter().flat_map(operations).collect()
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "1".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

const SCOPES: &[&str] = &[
    "mail:read",
    "audit:read",
    "policies:read",
    "policies:write",
    "users:read",
    "users:write",
    "addresses:read",
    "addresses:write",
    "tenants:read",
    "tenants:write",
    "status:read",
];

//! Administration in the browser: what those who look after a tenant do, and that nobody else does it.

use crate::browser::{Browser, Page};
use crate::promise::entries;
use crate::support::{Server, poll};

#[test]
fn members_see_no_administration() {
    let server = Server::demo();
    user(&server, "demo", "bob@demo.example", "member");
    let Some(bob) = Browser::signed_in(&server, "bob", "bob@demo.example", PASSWORD) else { return };
    for page in PAGES {
        assert_eq!(bob.get(page).status, 403, "{page}");
    }
    for (path, fields) in acts("bob@demo.example") {
        let answer = bob.post("/account/tokens", path, &fields);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    let stranger = Browser::new(&server, "stranger").expect("curl is here");
    for page in PAGES {
        assert!(stranger.get(page).to.starts_with("/sign-in?to="), "{page}");
    }
    assert!(role_of(&server, "bob@demo.example") == "member", "nothing was done");
}

#[test]
fn an_administrator_looks_after_users() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    for page in PAGES.iter().filter(|page| !page.contains("/remove") && !page.contains("/tenants")) {
        assert_eq!(alice.get(page).status, 200, "{page}");
    }
    assert!(alice.get("/admin").shows("alice@demo.example"));
    let fields = [("address", "bob@demo.example"), ("role", "member")];
    let locked = alice.post("/account/tokens", "/admin/users", &fields);
    assert_eq!((locked.status, locked.to.as_str()), (303, "/unlock?to=%2Fadmin%2Fusers"));

    alice.unlock(&server.code(), "a new colleague");
    let made = alice.post("/admin/users", "/admin/users", &fields);
    assert_eq!(made.status, 200, "{}", made.text());
    let password = between(&made, "<code>", "</code>");
    assert!(alice.get("/admin/users").shows("invited"));
    let again = alice.post("/admin/users", "/admin/users", &fields);
    assert_eq!(again.status, 409, "{}", again.text());
    let raised = [("address", "eve@demo.example"), ("role", "operator")];
    assert_eq!(alice.post("/admin/users", "/admin/users", &raised).status, 403);

    let bob = Browser::signed_in(&server, "bob", "bob@demo.example", &password).expect("curl is here");
    assert_eq!(bob.get("/mail").to, "/welcome", "they enrol first");
    let raised = [("login", "bob@demo.example"), ("role", "operator")];
    assert_eq!(alice.post("/admin/users", "/admin/users/role", &raised).status, 403);
    let raised = [("login", "alice@demo.example"), ("role", "operator")];
    assert_eq!(alice.post("/admin/users", "/admin/users/role", &raised).status, 403, "nor themselves");

    // Shutting out works while locked, and at once.
    assert_eq!(alice.post("/account/tokens", "/lock", &[]).status, 303);
    assert!(alice.get("/admin/sessions").shows("bob@demo.example"));
    let shut = alice.post("/admin/users", "/admin/users/disable", &[("login", "bob@demo.example")]);
    assert_eq!(shut.to, "/admin/users?said=disabled", "{}", shut.text());
    assert!(bob.get("/mail").to.starts_with("/sign-in"), "their session is over");
    // Letting in again does not, nor does raising somebody.
    let enable = || alice.post("/admin/users", "/admin/users/enable", &[("login", "bob@demo.example")]);
    assert_eq!(enable().to, "/unlock?to=%2Fadmin%2Fusers");
    let raised = [("login", "bob@demo.example"), ("role", "administrator")];
    let raise = || alice.post("/admin/users", "/admin/users/role", &raised);
    assert_eq!(raise().to, "/unlock?to=%2Fadmin%2Fusers");
    alice.unlock(&server.code(), "bob is back");
    assert_eq!(enable().to, "/admin/users?said=enabled");
    assert_eq!(raise().to, "/admin/users?said=saved");
}

#[test]
fn a_tenant_keeps_its_last_administrator() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    let own = server.fact("user").to_owned();
    let leave = [("login", own.as_str()), ("role", "member")];
    assert_eq!(alice.post("/admin/users", "/admin/users/role", &leave).status, 403);
    assert_eq!(alice.post("/admin/users", "/admin/users/disable", &leave[..1]).status, 403);
    user(&server, "demo", "carol@demo.example", "administrator");
    server.done(&["user", "disable", "carol@demo.example"]);
    assert_eq!(
        alice.post("/admin/users", "/admin/users/role", &leave).status,
        403,
        "one who is shut out is none"
    );
    server.done(&["user", "enable", "carol@demo.example", "--recovery"]);
    assert_eq!(alice.post("/admin/users", "/admin/users/role", &leave).status, 303);
    assert_eq!(alice.get("/admin").status, 403);
}

#[test]
fn an_administrator_reaches_no_other_tenant() {
    let server = Server::demo();
    tenant(&server, "other", "dora@other.example");
    user(&server, "demo", "oscar@demo.example", "operator");
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    let dora = Browser::signed_in(&server, "dora", "dora@other.example", PASSWORD).expect("curl is here");
    for page in
        ["", "/users", "/addresses", "/domains", "/sessions", "/settings", "/domains/other.example/zone"]
    {
        assert_eq!(alice.get(&format!("/admin{page}?tenant=other")).status, 404, "{page}");
    }
    assert_eq!(alice.get("/admin/domains/other.example/zone").status, 404);
    assert_eq!(alice.get("/admin/addresses/remove?address=dora@other.example").status, 404);
    assert_eq!(alice.get("/admin/tenants").status, 403);
    assert_eq!(alice.get("/admin/tenants/remove?tenant=other").status, 403);
    let act = |path: &str, fields: &[(&str, &str)]| alice.post("/admin/users", path, fields).status;
    assert_eq!(act("/admin/users/role", &[("login", "dora@other.example"), ("role", "member")]), 404);
    assert_eq!(act("/admin/users/disable", &[("login", "dora@other.example"), ("tenant", "other")]), 404);
    assert_eq!(
        act("/admin/users/disable", &[("login", "oscar@demo.example")]),
        403,
        "operators are beyond them"
    );
    assert_eq!(act("/admin/addresses/remove", &[("address", "dora@other.example")]), 404);
    assert_eq!(act("/admin/settings", &[("tenant", "other"), ("step_up", "on")]), 404);
    assert_eq!(act("/admin/tenants/remove", &[("tenant", "other"), ("typed", "other")]), 403);
    assert_eq!(act("/admin/tenants", &[("name", "third"), ("address", "x@third.example")]), 403);
    // Mail of the other tenant's domain is not theirs to take, nor to send elsewhere.
    let user = server.fact("user").to_owned();
    for address in ["@other.example", "sales@other.example"] {
        assert_eq!(act("/admin/addresses", &[("address", address), ("user", &user)]), 403, "{address}");
    }
    let foreign = [("address", "x@demo.example"), ("user", "dora@other.example")];
    assert_eq!(act("/admin/addresses", &foreign), 404);
    let foreign = [("address", "x@demo.example"), ("alias_of", "dora@other.example")];
    assert_eq!(act("/admin/addresses", &foreign), 422);
    assert_eq!(dora.get("/mail").status, 200, "nothing has happened to them");
    assert!(!alice.get("/admin/sessions").shows("dora@other.example"));
}

#[test]
fn an_operator_makes_and_removes_tenants() {
    let server = Server::demo();
    server.done(&["user", "role", server.fact("user"), "operator"]);
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    let fields = [("name", "other"), ("address", "dora@other.example"), ("reason_required", "on")];
    let made = alice.post("/admin/tenants", "/admin/tenants", &fields);
    assert_eq!(made.status, 200, "{}", made.text());
    let password = between(&made, "<code>", "</code>");
    let dora = Browser::signed_in(&server, "dora", "dora@other.example", &password).expect("curl is here");
    assert_eq!(dora.get("/mail").to, "/welcome");
    for page in ["", "/users", "/addresses", "/domains", "/sessions", "/settings"] {
        let page = alice.get(&format!("/admin{page}?tenant=other"));
        assert!(page.status == 200 && !page.shows("no such"), "{}", page.text());
    }
    assert!(alice.get("/admin/users?tenant=other").shows("dora@other.example"));
    let own = alice.get("/admin/tenants/remove?tenant=demo");
    assert_eq!(own.status, 422, "not the one they are in");
    let mistyped = [("tenant", "other"), ("typed", "othr")];
    assert_eq!(alice.post("/admin/tenants", "/admin/tenants/remove", &mistyped).status, 422);
    let typed = [("tenant", "other"), ("typed", "other")];
    assert_eq!(
        alice.post("/admin/tenants", "/admin/tenants/remove", &typed).to,
        "/admin/tenants?said=removing"
    );
    poll("the tenant to be gone", || alice.get("/jobs/removal").shows("other is removed").then_some(()));
    assert_eq!(alice.get("/admin?tenant=other").status, 404);
    assert!(dora.get("/welcome").to.starts_with("/sign-in"));
}

#[test]
fn addresses_sessions_and_settings_change_at_once_and_are_in_the_log() {
    let server = Server::demo();
    let Some(alice) = Browser::of_demo(&server, "alice") else { return };
    let other = Browser::of_demo(&server, "phone").expect("curl is here");
    let user = server.fact("user").to_owned();
    let add = || {
        alice.post("/admin/addresses", "/admin/addresses", &[("address", "@firm.example"), ("user", &user)])
    };
    assert_eq!(add().to, "/unlock?to=%2Fadmin%2Faddresses", "it brings mail to somebody");
    alice.unlock(&server.code(), "a new domain");
    let added = add();
    assert_eq!(alice.post("/admin/addresses", "/lock", &[]).status, 303);
    assert_eq!(added.to, "/admin/addresses?said=added", "{}", added.text());
    let page = alice.get("/admin/domains");
    assert!(page.shows("firm.example") && page.shows("MX"), "{}", page.text());
    assert!(alice.get("/admin/domains/firm.example/zone").body.contains("firm.example. 3600 IN MX"));
    assert!(alice.get("/admin/addresses/remove?address=@firm.example").shows("mail for @firm.example?"));
    let remove = [("address", "@firm.example")];
    assert_eq!(alice.post("/admin/addresses", "/admin/addresses/remove", &remove).status, 303);
    let login = [("address", user.as_str())];
    assert_eq!(
        alice.post("/admin/addresses", "/admin/addresses/remove", &login).status,
        422,
        "a login stays"
    );

    let page = alice.get("/admin/sessions");
    let (id, of) = (value(&page, "id"), value(&page, "user"));
    let ended =
        alice.post("/admin/sessions", "/admin/sessions/end", &[("id", &id), ("user", &of), ("tenant", "")]);
    assert_eq!(ended.status, 303, "{}", ended.text());
    assert!(other.get("/mail").to.starts_with("/sign-in"));

    let saved =
        alice.post("/admin/settings", "/admin/settings", &[("reason_required", "on"), ("step_up", "on")]);
    assert_eq!(saved.status, 303);
    let code = server.code();
    assert_eq!(alice.post("/unlock", "/unlock", &[("code", &code)]).status, 422, "a reason is asked for");
    let loosened = alice.post("/admin/settings", "/admin/settings", &[("reason_required", "on")]);
    assert!(loosened.to.starts_with("/unlock"), "asking for less needs an unlock: {}", loosened.to);
    let kinds: Vec<String> = entries(&server)
        .iter()
        .map(|entry| entry["act"]["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    for kind in ["address_added", "address_removed", "sign_in_ended_for", "tenant_settings_changed"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}");
    }
}

/// Makes a user who needs no first sign-in; gives the TOTP seed.
pub fn user(server: &Server, tenant: &str, address: &str, role: &str) -> String {
    let arguments = ["user", "create", tenant, "--address", address, "--role", role, "--recovery"];
    let made = server.run_with(&arguments, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]).expect("a new user");
    made["totp_seed"].as_str().expect("a seed").to_owned()
}

/// Makes a tenant with an administrator who needs no first sign-in; gives the TOTP seed.
pub fn tenant(server: &Server, name: &str, address: &str) -> String {
    let arguments = ["tenant", "create", name, "--address", address];
    let made = server.run_with(&arguments, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]).expect("a new tenant");
    made["user"]["totp_seed"].as_str().expect("a seed").to_owned()
}

fn role_of(server: &Server, login: &str) -> String {
    let users = server.done(&["user", "list"]);
    let found = users.as_array().expect("a list").iter().find(|user| user["login"] == login).cloned();
    found.expect("a user")["role"].as_str().expect("a role").to_owned()
}

fn value(page: &Page, name: &str) -> String {
    between(page, &format!("name=\"{name}\" value=\""), "\"")
}

/// What stands between two texts of a page.
#[track_caller]
pub fn between(page: &Page, before: &str, after: &str) -> String {
    let (_, rest) = page.body.split_once(before).unwrap_or_else(|| panic!("{before}: {}", page.text()));
    rest.split_once(after).expect("its end").0.to_owned()
}

/// Every act of administration, as a form.
fn acts(login: &str) -> Vec<(&'static str, Vec<(&'static str, &str)>)> {
    vec![
        ("/admin/users", vec![("address", "x@demo.example"), ("role", "member")]),
        ("/admin/users/role", vec![("login", login), ("role", "administrator")]),
        ("/admin/users/disable", vec![("login", login)]),
        ("/admin/users/enable", vec![("login", login)]),
        ("/admin/addresses", vec![("address", "x@demo.example"), ("user", login)]),
        ("/admin/addresses/remove", vec![("address", login)]),
        ("/admin/sessions/end", vec![("id", ""), ("user", "")]),
        ("/admin/settings", vec![("step_up", "on")]),
        ("/admin/tenants", vec![("name", "x"), ("address", "x@x.example")]),
        ("/admin/tenants/remove", vec![("tenant", "demo"), ("typed", "demo")]),
    ]
}

/// Every page of administration.
const PAGES: &[&str] = &[
    "/admin",
    "/admin/users",
    "/admin/addresses",
    "/admin/addresses/remove?address=x@demo.example",
    "/admin/domains",
    "/admin/domains/demo.example/zone",
    "/admin/sessions",
    "/admin/settings",
    "/admin/tenants",
    "/admin/tenants/remove?tenant=demo",
];

/// Of the users that the tests make.
pub const PASSWORD: &str = "a password that nobody guesses";

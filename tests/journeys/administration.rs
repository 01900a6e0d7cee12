//! What an operator does, each change in force at once and still after a restart.

use serde_json::Value;

use crate::pop3::Pop3;
use crate::promise::entries;
use crate::smtp::{Smtp, deliver};
use crate::support::{Server, device, poll};

#[test]
fn addresses_take_mail_at_once_and_after_a_restart() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    assert_eq!(replies(&server, TRIED), ["250", "250", "550", "550", "550", "550"]);
    server.done(&["address", "add", "office@demo.example", "--user", &user]);
    server.done(&["address", "add", "press@demo.example", "--alias-of", "office@demo.example"]);
    server.done(&["address", "add", "@other.example", "--user", &user]);
    assert_eq!(replies(&server, TRIED), ["250", "250", "250", "250", "250", "550"]);
    assert_eq!(server.refused(&["address", "add", "office@demo.example", "--user", &user]), "exists");
    assert_eq!(
        server.refused(&["address", "add", "x@demo.example", "--alias-of", "y@demo.example"]),
        "not-found"
    );
    for address in
        ["office@demo.example", "press@demo.example", "any.thing@other.example", "alice+tag@demo.example"]
    {
        deliver(&server, address, "Subject: for you\n\nhello\n");
    }
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 10);

    server.restart();
    assert_eq!(replies(&server, TRIED), ["250", "250", "250", "250", "250", "550"]);
    server.done(&["address", "remove", "@other.example"]);
    server.done(&["address", "remove", "press@demo.example"]);
    assert_eq!(replies(&server, TRIED), ["250", "250", "250", "550", "550", "550"]);
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 10, "mail that came stays");
}

#[test]
fn credentials_are_made_listed_rotated_and_revoked() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    let made = ["credential", "create", &user, "phone", "--label", "tablet", "--recovery"];
    let tablet = device(&server.done(&made));
    let row = credential(&server, &tablet.credential).expect("it is listed");
    assert_eq!(
        (&row["label"], &row["view"], &row["last_used"]),
        (&"tablet".into(), &"phone".into(), &Value::Null)
    );
    let shown = Pop3::login(&server, &tablet).retr(1);
    assert_eq!(shown, Pop3::login(&server, &server.device("phone")).retr(1));
    poll("the last use to be listed", || {
        credential(&server, &tablet.credential).filter(|row| row["last_used"].is_string())
    });

    let rotated = device(&server.done(&["credential", "rotate", &tablet.credential, "--recovery"]));
    Pop3::open(&server, &tablet).err().expect("the old app password is dead");
    let mut open = Pop3::login(&server, &rotated);
    open.retr(1);
    let revoked = server.done(&["credential", "revoke", &rotated.credential]);
    assert_eq!(revoked["fetched"].as_array().map(Vec::len), Some(1));
    open.command("RETR 2").expect_err("the session of a revoked credential is over");
    Pop3::open(&server, &rotated).err().expect("a revoked credential opens nothing");
    assert_eq!(server.refused(&["credential", "revoke", &rotated.credential]), "not-found");

    server.restart();
    for dead in [&tablet, &rotated] {
        Pop3::open(&server, dead).err().expect("it stays dead");
    }
    Pop3::login(&server, &server.device("phone"));
}

#[test]
fn a_disabled_user_is_shut_out_everywhere_at_once() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    server.unlock();
    let phone = server.device("phone");
    let mut open = Pop3::login(&server, &phone);
    server.done(&["user", "disable", &user]);
    open.command("RETR 1").expect_err("an open session is over");
    Pop3::open(&server, &phone).err().expect("the views are closed");
    server.run(&["mail", "list"]).expect_err("the unlock session is over");
    server.restart();
    Pop3::open(&server, &phone).err().expect("the views stay closed");
    assert_eq!(server.refused(&["unlock", &user, "--code", &server.code()]), "refused");
    // Mail goes on coming in.
    deliver(&server, &user, "Subject: meanwhile\n\nhello\n");
    assert_eq!(server.run(&["user", "enable", &user]).expect_err("no unlock")["code"], "invalid");
    server.done(&["user", "enable", &user, "--recovery"]);
    assert_eq!(Pop3::login(&server, &phone).count(), 7);
}

#[test]
fn a_new_password_and_a_new_phone_put_the_old_ones_out_of_use() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    let changed = ["user", "password", &user, "--recovery"];
    server.run_with(&changed, &[("VEILPOST_NEW_PASSWORD", NEW)]).expect("the recovery code allows it");
    assert_eq!(server.refused(&["unlock", &user, "--code", &server.code()]), "refused");
    let made = server.done(&["user", "totp", &user, "--recovery"]);
    let seed = made["totp_seed"].as_str().expect("a seed").to_owned();
    let old = server.code();
    let with =
        |code: &str| server.run_with(&["unlock", &user, "--code", code], &[("VEILPOST_PASSWORD", NEW)]);
    with(&old).expect_err("the old phone's code is dead");
    with(&server.code_of(&seed)).expect("the new password and the new phone");
    assert_eq!(server.done(&["mail", "list"]).as_array().map(Vec::len), Some(6));
    server.restart();
    let code = server.code_of(&seed);
    server
        .run_with(&["unlock", &user, "--code", &code], &[("VEILPOST_PASSWORD", NEW)])
        .expect("after a restart");
    Pop3::login(&server, &server.device("phone"));
    let wrong =
        [("VEILPOST_RECOVERY", "kgas-bjtj-233p-5s2c-wx4m-4gyz-rmkb-l7g6"), ("VEILPOST_NEW_PASSWORD", NEW)];
    server.run_with(&["user", "password", &user, "--recovery"], &wrong).expect_err("another recovery code");
}

#[test]
fn a_code_counts_once_and_guessing_locks() {
    let server = Server::demo();
    let user = server.fact("user").to_owned();
    let seed = server.fact("totp_seed").to_owned();
    let code = server.done(&["totp", &seed])["code"].as_str().expect("a code").to_owned();
    server.done(&["unlock", &user, "--code", &code]);
    server.done(&["mail", "read", "1"]);
    assert_eq!(server.refused(&["unlock", &user, "--code", &code]), "refused");
    for _ in 0..3 {
        assert_eq!(server.refused(&["unlock", &user, "--code", "000000"]), "refused");
    }
    let right = server.code();
    assert_eq!(server.refused(&["unlock", &user, "--code", &right]), "soft-locked");
    let refused = entries(&server).iter().filter(|entry| entry["act"]["kind"] == "unlock_refused").count();
    assert_eq!(refused, 4, "the log shows each refusal");
    // Unknown users are refused in the same words.
    assert_eq!(server.refused(&["unlock", "nobody@demo.example", "--code", "123456"]), "refused");
    server.done(&["lock"]);
    server.run(&["mail", "list"]).expect_err("locked");
}

#[test]
fn an_unlock_session_ends_by_itself_and_with_the_server() {
    let mut server = Server::demo();
    server.unlock();
    server.restart_with(|settings| *settings = settings.replace("# minutes = 10", "minutes = 1"));
    server.run(&["mail", "list"]).expect_err("a session does not outlive the server");
    server.unlock();
    server.done(&["mail", "read", "1"]);
    // Whoever asks with it would prolong it.
    poll("the session to end", || {
        entries(&server).into_iter().find(|entry| entry["act"]["kind"] == "unlock_ended")
    });
    server.run(&["mail", "read", "1"]).expect_err("it has ended");
}

#[test]
fn tenants_are_apart_may_ask_for_reasons_and_leave_nothing_behind() {
    let mut server = Server::demo();
    let create = ["tenant", "create", "firm", "--address", "ann@firm.example", "--reason-required"];
    let made = server.run_with(&create, &[("VEILPOST_NEW_PASSWORD", NEW)]).expect("a tenant");
    assert_eq!(server.refused_with(&create, &[("VEILPOST_NEW_PASSWORD", NEW)]), "exists");
    let recovery = made["recovery_code"].as_str().expect("a code").to_owned();
    let seed = made["user"]["totp_seed"].as_str().expect("a seed").to_owned();
    let view = ["view", "create", "ann@firm.example", "all", "--policy", "everything", "--recovery"];
    assert_eq!(server.refused(&view), "refused", "another tenant's recovery code");
    let all = device(&server.run_with(&view, &[("VEILPOST_RECOVERY", &recovery)]).expect("a view"));
    deliver(&server, "ann@firm.example", "Subject: to the firm\n\nhello\n");
    assert!(Pop3::login(&server, &all).text(1).contains("to the firm"));
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 6);

    let code = server.code_of(&seed);
    let unlock = ["unlock", "ann@firm.example", "--code", &code];
    let secret = [("VEILPOST_PASSWORD", NEW)];
    assert_eq!(server.refused_with(&unlock, &secret), "invalid", "no reason is given");
    let with_reason = [&unlock[..], &["--reason", "to test"]].concat();
    server.run_with(&with_reason, &secret).expect("with a reason");
    assert_eq!(server.done(&["mail", "list"]).as_array().map(Vec::len), Some(1));

    let mut open = Pop3::login(&server, &all);
    let before = containers(&server);
    server.done(&["tenant", "remove", "firm", "--yes"]);
    open.command("RETR 1").expect_err("the session is over");
    server.run(&["mail", "list"]).expect_err("the unlock session is over");
    // What was done in it is still there to be read and checked, by its name and after a restart.
    let said = log(&server, "firm");
    assert!(said.contains("unlock_begun") && said.contains("tenant_removed"), "{said}");
    assert_eq!(server.done(&["audit", "verify", "firm"])["intact"], true);
    assert!(!said.contains("to the firm"), "no content");
    for _ in 0..2 {
        Pop3::open(&server, &all).err().expect("nothing opens");
        assert!(Smtp::connect(&server).command("MAIL FROM:<>").starts_with("250"));
        assert_eq!(replies(&server, &["ann@firm.example", "alice@demo.example"]), ["550", "250"]);
        assert_eq!(server.done(&["tenant", "list"]).as_array().map(Vec::len), Some(1));
        assert_eq!(containers(&server), before - 1, "only its container is gone");
        assert_eq!(log(&server, "firm"), said, "nothing is added to it");
        assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 6);
        server.restart();
    }
}

#[test]
fn tightening_needs_no_unlock_and_holds_for_old_mail_at_once() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    let desk = server.create_view("desk", "everything");
    deliver(&server, &user, "From: a@b.example\nSubject: the title\n\nfirst words\n");
    let mut open = Pop3::login(&server, &desk);
    let (before, ids) = (open.text(1), open.uidl());
    assert!(before.contains("first words"), "{before}");
    server.done(&["view", "policy", &user, "desk", "sender-and-date"]);
    open.command("RETR 1").expect_err("the session's list is of another rendering");
    for _ in 0..2 {
        let mut session = Pop3::login(&server, &desk);
        let (sizes, tight) = (session.sizes(), session.retr(1));
        assert_eq!(tight.len(), sizes[0]);
        let text = String::from_utf8_lossy(&tight);
        assert!(!text.contains("first words") && !text.contains("the title"), "{text}");
        assert!(session.uidl().iter().all(|id| !ids.contains(id)), "law 6");
        server.restart();
    }
    assert_eq!(server.refused(&["view", "policy", &user, "desk", "everything"]), "invalid");
}

#[test]
fn loosening_needs_an_unlock_and_shows_old_mail_when_it_is_resealed() {
    let mut server = Server::demo();
    let user = server.fact("user").to_owned();
    let phone = server.device("phone");
    let ids = Pop3::login(&server, &phone).uidl();
    server.run(&["view", "policy", &user, "phone", "everything"]).expect_err("it reveals more");
    assert!(!Pop3::login(&server, &phone).text(1).contains("Lindqvist"));
    server.unlock();
    server.done(&["view", "policy", &user, "phone", "everything"]);
    deliver(&server, &user, "Subject: new mail\n\nshown at once\n");
    let mut session = Pop3::login(&server, &phone);
    assert!(session.text(7).contains("shown at once"));
    assert!(!session.text(1).contains("Lindqvist"), "what was not sealed to the view cannot be shown");
    let between = session.uidl();
    let done = server.done(&["view", "reseal", &user]);
    assert_eq!((&done["resealed"], &done["damaged"]), (&7.into(), &0.into()));
    for _ in 0..2 {
        let mut session = Pop3::login(&server, &phone);
        assert!(session.text(1).contains("Kind regards"));
        let now = session.uidl();
        assert!(now[..6].iter().all(|id| !ids.contains(id) && !between.contains(id)), "law 6");
        server.restart();
    }
}

#[test]
fn a_policy_that_is_loaded_anew_follows_the_same_law() {
    let server = Server::demo();
    let text = |name: &str| {
        veilpost::policy::shipped().iter().find(|(shipped, _)| *shipped == name).expect("shipped").1
    };
    server.load_policy("ours", text("everything"), None).expect("no view uses it yet");
    let desk = server.create_view("desk", "ours");
    let user = server.fact("user").to_owned();
    deliver(&server, &user, "From: a@b.example\nSubject: the title\n\nfirst words\n");
    assert!(Pop3::login(&server, &desk).text(1).contains("first words"));
    server.load_policy("ours", text("sender-and-date"), None).expect("tightening needs no unlock");
    let tight = Pop3::login(&server, &desk).text(1);
    assert!(tight.contains("Sealed message from b.example") && !tight.contains("first words"), "{tight}");
    assert_eq!(server.load_policy("ours", text("everything"), None), Err("unlock-needed".to_owned()));
    assert_eq!(server.load_policy("ours", "version = 1\nbody = 7\n", None), Err("invalid".to_owned()));
    let recovery = server.fact("recovery_code").to_owned();
    server.load_policy("ours", text("everything"), Some(&recovery)).expect("by the recovery code");
    deliver(&server, &user, "From: a@b.example\nSubject: another\n\nall of it\n");
    assert!(Pop3::login(&server, &desk).text(2).contains("all of it"));
}

#[test]
fn a_new_view_shows_new_mail_until_a_reseal() {
    let server = Server::demo();
    let user = server.fact("user").to_owned();
    let desk = server.create_view("desk", "everything");
    assert_eq!(Pop3::login(&server, &desk).count(), 0);
    deliver(&server, &user, "Subject: new mail\n\nhello\n");
    assert_eq!(Pop3::login(&server, &desk).count(), 1);
    server.unlock();
    server.done(&["view", "reseal", &user]);
    assert_eq!(Pop3::login(&server, &desk).count(), 7);
    server.done(&["view", "remove", &user, "desk", "--yes"]);
    Pop3::open(&server, &desk).err().expect("the view is gone");
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 7);
}

#[test]
fn users_of_one_tenant_have_mailboxes_of_their_own() {
    let mut server = Server::demo();
    let create = ["user", "create", "demo", "--address", "bob@demo.example", "--recovery"];
    let made = server.run_with(&create, &[("VEILPOST_NEW_PASSWORD", NEW)]).expect("a user");
    deliver(&server, "bob@demo.example", "Subject: for bob\n\nhello\n");
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 6);
    server.restart();
    let code = server.code_of(made["totp_seed"].as_str().expect("a seed"));
    server
        .run_with(&["unlock", "bob@demo.example", "--code", &code], &[("VEILPOST_PASSWORD", NEW)])
        .expect("bob");
    let listed = server.done(&["mail", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["subject"], "for bob");
    assert_eq!(server.done(&["user", "list", "demo"]).as_array().map(Vec::len), Some(2));
}

/// A tenant's audit log, as lines of JSON.
fn log(server: &Server, tenant: &str) -> String {
    let output = server.command(&["audit", "export", tenant, "--jsonl"]).output().expect("it runs");
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}

/// The codes of the replies to RCPT.
fn replies(server: &Server, addresses: &[&str]) -> Vec<String> {
    let mut session = Smtp::connect(server);
    assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
    addresses.iter().map(|address| session.command(&format!("RCPT TO:<{address}>"))[..3].to_owned()).collect()
}

fn credential(server: &Server, id: &str) -> Option<Value> {
    let listed = server.done(&["credential", "list", server.fact("user")]);
    listed.as_array().expect("a list").iter().find(|row| row["id"] == id).cloned()
}

/// How many containers the data folder holds.
pub fn containers(server: &Server) -> usize {
    fn files(folder: &std::path::Path) -> usize {
        let entries =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }
    files(&server.data_dir().join("blobs").join("messages"))
}

const NEW: &str = "a new passphrase of some length";
const TRIED: &[&str] = &[
    "alice@demo.example",
    "alice+tag@demo.example",
    "office@demo.example",
    "press@demo.example",
    "any.thing@other.example",
    "nobody@demo.example",
];

#[test]
fn mail_that_is_read_while_it_is_sealed_again_is_not_called_damaged() {
    let server = Server::demo();
    let user = server.fact("user").to_owned();
    server.unlock();
    let resealed = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !resealed.load(std::sync::atomic::Ordering::Relaxed) {
                for number in ["1", "4", "6"] {
                    server.done(&["mail", "read", number]);
                }
            }
        });
        for _ in 0..6 {
            assert_eq!(server.done(&["view", "reseal", &user])["damaged"], 0);
        }
        resealed.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let damaged = entries(&server).into_iter().filter(|entry| entry["act"]["kind"] == "message_damaged");
    assert_eq!(damaged.count(), 0);
}

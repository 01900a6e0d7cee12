//! People come and go: somebody leaves, and their mail goes to another or is destroyed; two share an address; a
//! mailbox is full.

use serde_json::Value;

use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::promise::entries;
use crate::smtp::{Smtp, deliver};
use crate::support::Server;

#[test]
fn who_leaves_hands_mail_and_addresses_over() {
    let mut server = Server::demo();
    let alice = server.fact("user").to_owned();
    let bob = user(&server, "bob@demo.example");
    server.done(&["address", "add", "sales@demo.example", "--user", BOB]);
    for subject in ["one", "two", "three"] {
        deliver(&server, "sales@demo.example", &format!("Subject: {subject}\n\nfor bob\n"));
    }
    let hand_over = ["user", "remove", BOB, "--hand-over-to", &alice, "--yes"];
    assert_eq!(server.refused(&hand_over), "invalid", "no session is open");
    let removed = server.done(&[&hand_over[..], &["--recovery"]].concat());
    assert_eq!((&removed["handed_over"], &removed["damaged"]), (&3.into(), &0.into()));

    server.unlock();
    let listed = subjects(&server);
    assert!(
        ["one", "two", "three"].iter().all(|subject| listed.iter().any(|one| one == subject)),
        "{listed:?}"
    );
    deliver(&server, "sales@demo.example", "Subject: four\n\nfor who sells now\n");
    assert!(subjects(&server).iter().any(|subject| subject == "four"));
    let code = server.code_of(&bob);
    let refused = server.refused_with(&["unlock", BOB, "--code", &code], &[("VEILPOST_PASSWORD", NEW)]);
    assert_eq!(refused, "refused");
    assert_eq!(names(&server), [alice.as_str()]);
    let kinds = entries(&server);
    let recorded = |name: &str| kinds.iter().any(|entry| entry["act"]["kind"] == name);
    assert!(recorded("user_removed") && recorded("mail_handed_over"), "{kinds:?}");
    assert_eq!(server.refused(&[&hand_over[..], &["--recovery"]].concat()), "not-found");

    server.restart();
    server.unlock();
    assert!(subjects(&server).len() >= 10);
}

#[test]
fn who_leaves_with_their_mail_leaves_nothing() {
    let server = Server::demo();
    user(&server, BOB);
    deliver(&server, BOB, "Subject: gone soon\n\nhello\n");
    let before = containers(&server);
    let removed = server.done(&["user", "remove", BOB, "--destroy", "--yes"]);
    assert_eq!(removed["destroyed"], 1);
    assert_eq!(containers(&server), before - 1);
    assert!(rcpt(&server, BOB).starts_with("550"));
    // The same person may come again, with an empty mailbox.
    user(&server, BOB);
    assert!(rcpt(&server, BOB).starts_with("250"));
}

#[test]
fn somebody_is_always_left_to_look_after_a_tenant() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    assert_eq!(server.refused(&["user", "remove", &alice, "--destroy", "--yes"]), "invalid");
    user(&server, BOB);
    // A member cannot look after it.
    assert_eq!(server.refused(&["user", "remove", &alice, "--destroy", "--yes"]), "invalid");
    assert_eq!(
        server.refused(&["user", "remove", &alice, "--hand-over-to", &alice, "--yes", "--recovery"]),
        "invalid"
    );
    server.done(&["user", "role", BOB, "administrator"]);
    server.done(&["user", "remove", &alice, "--destroy", "--yes"]);
    assert_eq!(names(&server), [BOB]);
}

#[test]
fn an_address_is_for_two_people_until_it_is_not() {
    let mut server = Server::demo();
    let alice = server.fact("user").to_owned();
    let bob = user(&server, BOB);
    server.done(&["address", "add", "office@demo.example", "--user", &alice]);
    server.done(&["address", "share", "office@demo.example", "--with", BOB]);
    assert_eq!(server.refused(&["address", "share", "office@demo.example", "--with", BOB]), "exists");
    let listed = server.done(&["address", "list", "demo"]);
    let office =
        listed.as_array().expect("a list").iter().find(|item| item["address"] == "office@demo.example");
    assert_eq!(office.expect("office")["shared_with"], serde_json::json!([BOB]));
    deliver(&server, "office+tag@demo.example", "Subject: for both\n\nhello\n");
    server.restart();
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 7);
    assert_eq!(subjects_of(&server, &bob), ["for both"]);

    server.done(&["address", "unshare", "office@demo.example", "--with", BOB]);
    deliver(&server, "office@demo.example", "Subject: for one\n\nhello\n");
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 8);
    assert_eq!(server.refused(&["address", "unshare", "office@demo.example", "--with", BOB]), "not-found");
}

#[test]
fn who_leaves_leaves_shared_addresses_to_the_others() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    user(&server, BOB);
    server.done(&["address", "add", "office@demo.example", "--user", BOB]);
    server.done(&["address", "share", "office@demo.example", "--with", &alice]);
    server.done(&["user", "remove", BOB, "--destroy", "--yes"]);
    deliver(&server, "office@demo.example", "Subject: still here\n\nhello\n");
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 7);
    assert!(rcpt(&server, BOB).starts_with("550"));
}

#[test]
fn a_full_mailbox_defers_mail_until_there_is_room() {
    let mut server = Server::demo();
    let alice = server.fact("user").to_owned();
    user(&server, BOB);
    deliver(&server, BOB, &format!("Subject: large\n\n{}", "a line of some text\n".repeat(1000)));
    server.done(&["user", "quota", BOB, "10K"]);
    assert!(rcpt(&server, BOB).starts_with("452 4.2.2"), "{}", rcpt(&server, BOB));
    assert!(rcpt(&server, &alice).starts_with("250"), "somebody else's mailbox has room");
    let row = users(&server).into_iter().find(|row| row["login"] == BOB).expect("bob");
    assert_eq!(row["quota"], 10 * 1024);
    assert!(row["used"].as_u64().expect("octets") > 20_000);
    server.restart();
    assert!(rcpt(&server, BOB).starts_with("452 4.2.2"), "it holds after a restart");
    server.done(&["user", "quota", BOB, "1M"]);
    assert!(rcpt(&server, BOB).starts_with("250"));
    let large = format!("Subject: too large\n\n{}", "a line of some text\n".repeat(60_000));
    assert!(data(&server, BOB, &large).starts_with("451"), "what does not fit waits");
    server.done(&["user", "quota", BOB, "none"]);
    assert!(rcpt(&server, BOB).starts_with("250"));
    let wrong = server.command(&["user", "quota", BOB, "many"]).output().expect("it runs");
    assert_eq!(wrong.status.code(), Some(2), "that is no size");
}

/// Copies count like mail that arrives. A view is told no by what it shows, so its copies may fill the mailbox
/// above its quota; what arrives waits then, at once.
#[test]
fn copies_are_mail_too() {
    let server = Server::demo();
    let alice = server.fact("user").to_owned();
    let whole = server.create_view("whole", "everything");
    let large = format!("Subject: large\n\n{}", "a line of some text\n".repeat(15_000));
    deliver(&server, &alice, &large);
    server.done(&["user", "quota", &alice, "1M"]);
    assert!(rcpt(&server, &alice).starts_with("250"));
    let mut imap = Imap::inbox(&server, &whole);
    let last = imap.status("INBOX", "MESSAGES");
    for _ in 0..2 {
        imap.ask(&format!("COPY {last} Archive"));
    }
    let (_, end) = imap.send(&format!("COPY {last} Archive"));
    assert!(end.starts_with("NO [OVERQUOTA]"), "{end}");
    assert_eq!(imap.status("Archive", "MESSAGES"), 2, "all or none");
    let mut masked = Imap::inbox(&server, &server.device("phone"));
    let last = masked.status("INBOX", "MESSAGES");
    masked.ask(&format!("COPY {last} Archive"));
    assert!(rcpt(&server, &alice).starts_with("452 4.2.2"), "{}", rcpt(&server, &alice));
}

/// Makes a member of the demo's tenant; the seed of their authenticator.
fn user(server: &Server, address: &str) -> String {
    let create = ["user", "create", "demo", "--address", address, "--recovery"];
    let made = server.run_with(&create, &[("VEILPOST_NEW_PASSWORD", NEW)]).expect("a user");
    made["totp_seed"].as_str().expect("a seed").to_owned()
}

fn users(server: &Server) -> Vec<Value> {
    server.done(&["user", "list", "demo"]).as_array().expect("a list").clone()
}

fn names(server: &Server) -> Vec<String> {
    users(server).iter().map(|row| row["login"].as_str().expect("a login").to_owned()).collect()
}

fn subjects(server: &Server) -> Vec<String> {
    let listed = server.done(&["mail", "list"]);
    listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["subject"].as_str().expect("one").to_owned())
        .collect()
}

fn subjects_of(server: &Server, seed: &str) -> Vec<String> {
    let code = server.code_of(seed);
    let unlock = ["unlock", BOB, "--code", &code];
    server.run_with(&unlock, &[("VEILPOST_PASSWORD", NEW)]).expect("bob");
    subjects(server)
}

/// The reply to a whole message.
fn data(server: &Server, address: &str, message: &str) -> String {
    let mut session = Smtp::connect(server);
    session.command("MAIL FROM:<sender@elsewhere.example>");
    session.command(&format!("RCPT TO:<{address}>"));
    session.command("DATA");
    session.command(&format!("{}\r\n.", message.replace('\n', "\r\n")))
}

/// The reply to RCPT.
fn rcpt(server: &Server, address: &str) -> String {
    let mut session = Smtp::connect(server);
    assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
    session.command(&format!("RCPT TO:<{address}>"))
}

fn containers(server: &Server) -> usize {
    crate::administration::containers(server)
}

const BOB: &str = "bob@demo.example";
const NEW: &str = "a new passphrase of some length";

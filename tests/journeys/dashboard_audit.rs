//! The audit page and the account page: who sees which entries, receipts that check, a mark that says
//! what a verification said, sessions that end.

use crate::browser::{Browser, Page};
use crate::pop3::Pop3;
use crate::support::{Server, poll};

#[test]
fn what_was_opened_stands_there_in_plain_words() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "anna") else { return };
    browser.unlock(&server.code(), "the tax office asks");
    server.unlock();
    let names = |page: &Page| page.shows("You opened “");
    let read = server.done(&["mail", "read", "1"]);
    Pop3::login(&server, &server.device("phone")).retr(1);

    let page = browser.get("/audit");
    for said in [
        "You signed in with the password, from 127.0.0.1.",
        "You unlocked the mail with password and code for at most 60 minutes, from 127.0.0.1.",
        "Because: “the tax office asks”",
        "connected by POP3, from 127.0.0.1.",
        ", as its view shows it, from 127.0.0.1.",
        "Not verified since the server started.",
    ] {
        assert!(page.shows(said), "{said}\n{}", page.text());
    }

    // Unlocked, messages have their names, and showing them is one entry, however often.
    let lists = || {
        crate::promise::entries(&server)
            .iter()
            .filter(|entry| entry["act"]["kind"] == "messages_listed" && entry["actor"]["kind"] == "user")
            .count()
    };
    let before = lists();
    assert!(before == 1 && names(&page) && page.shows(" from "), "{}", page.text());
    assert!(names(&browser.get("/audit")) && lists() == before);
    let stored = format!("{:?}", crate::promise::entries(&server));
    let subject = read["subject"].as_str().unwrap_or("Settlement");
    assert!(!stored.contains(subject), "the log holds no subject");
    browser.post("/audit", "/lock", &[]);
    let page = browser.get("/audit");
    assert!(page.shows("You opened a message, at the server's command line."), "{}", page.text());

    let mail = browser.get("/audit?kind=mail");
    assert!(mail.shows("You opened a message") && !mail.shows("connected by POP3"), "{}", mail.text());
    let devices = browser.get("/audit?kind=devices");
    assert!(devices.shows("connected by POP3") && !devices.shows("You opened"), "{}", devices.text());
    assert!(browser.get("/audit?to=2001-01-01").shows("Nothing fits"));
    assert!(browser.get("/audit?from=soon").shows("That is not a day"));
    let message = read["id"].as_str().expect("an identifier");
    assert!(page.body.contains(&format!("<a href=\"/m/{message}\">")), "the message is a link");
    let about = browser.get(&format!("/audit?message={message}"));
    assert!(about.shows("a message") && !about.shows("You signed in"), "{}", about.text());
}

#[test]
fn members_see_what_concerns_them_and_administrators_everything() {
    let server = Server::demo();
    let (login, password) = ("bob@demo.example", "bob has a password too");
    let made = ["user", "create", "demo", "--address", login, "--recovery"];
    let bob = server.run_with(&made, &[("VEILPOST_NEW_PASSWORD", password)]).expect("a second user");
    let Some(boss) = Browser::of_demo(&server, "boss") else { return };
    let member = Browser::signed_in(&server, "member", login, password).expect("curl is there");
    member.unlock(&server.code_of(bob["totp_seed"].as_str().expect("a seed")), "");

    let seen = member.get("/audit?who=all");
    assert!(seen.shows("You unlocked the mail"), "{}", seen.text());
    assert!(seen.shows("alice@demo.example gave you an account"), "{}", seen.text());
    assert!(!seen.shows("alice@demo.example signed in") && !seen.shows("Everybody"), "{}", seen.text());
    let all = boss.get("/audit?who=all");
    assert!(all.shows("bob@demo.example unlocked the mail"), "{}", all.text());
    assert!(!boss.get("/audit").shows("bob@demo.example unlocked"), "mine is mine");
    let his = boss.get("/audit?who=all&person=bob%40demo.example&kind=sign-ins");
    assert!(his.shows("bob@demo.example signed in") && !his.shows("You signed in"), "{}", his.text());

    // The first entry is the founding of the vault; the boss's sign-in is nobody else's business.
    let number = entry_of(&boss, "/audit?kind=sign-ins");
    assert_eq!(boss.get(&format!("/audit/{number}")).status, 200);
    assert_eq!(member.get(&format!("/audit/{number}")).status, 404);
    assert_eq!(member.get(&format!("/audit/{number}/receipt")).status, 404);
    assert_eq!(boss.get("/audit/99999").status, 404);

    let copy = boss.post("/audit", "/audit/export", &[("who", "all")]);
    let exported = server.command(&["audit", "export", "demo", "--jsonl"]).output().expect("it runs");
    let exported = String::from_utf8(exported.stdout).expect("JSON is UTF-8");
    // The page's copy ends before the entry that tells of it.
    assert!(exported.starts_with(&copy.body) && copy.body.lines().count() > 5, "{}", copy.body);
    let copy = member.post("/audit", "/audit/export", &[("who", "all")]);
    assert!(copy.body.contains("unlock_begun") && !copy.body.contains("checkpoint_signed"), "{}", copy.body);
    assert!(copy.body.lines().all(|line| exported.contains(line)), "a copy is byte for byte the log");
    assert!(boss.get("/audit?who=all").shows("bob@demo.example took a copy of this log"));
}

#[test]
fn receipts_check_and_the_mark_says_what_was_verified() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "anna") else { return };
    browser.unlock(&server.code(), "");
    let number = entry_of(&browser, "/audit?kind=sign-ins");
    let receipt = browser.get(&format!("/audit/{number}/receipt"));
    let file = server.scratch().join("receipt.txt");
    std::fs::write(&file, &receipt.body).expect("a file");
    let details = browser.get(&format!("/audit/{number}"));
    let key = details
        .text()
        .split("--verifier-key ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .map(str::to_owned);
    let file = file.display().to_string();
    let check = ["audit", "check-receipt", &file, "--verifier-key", &key.expect("a key")];
    assert_eq!(server.done(&check)["seq"].to_string(), number);

    assert!(browser.get("/audit").shows("Not verified since the server started"));
    let sent = browser.post("/audit", "/audit/verify", &[]);
    assert_eq!((sent.status, sent.to.as_str()), (303, "/audit#verified"));
    let page =
        poll("the verification", || Some(browser.get("/audit")).filter(|page| page.shows(": intact.")));
    let mark = upto(&page);
    server.unlock();
    let page = browser.get("/audit");
    assert_eq!(upto(&page), mark, "the mark does not move by itself");
    assert!(page.shows("not yet verified") && page.shows("Verified from here back"), "{}", page.text());
    browser.post("/audit", "/audit/verify", &[]);
    poll("a newer mark", || Some(browser.get("/audit")).filter(|page| upto(page) > mark));
}

#[test]
fn sessions_end_for_good() {
    let server = Server::demo();
    let Some(here) = Browser::of_demo(&server, "here") else { return };
    let there = Browser::of_demo(&server, "there").expect("curl is there");
    there.unlock(&server.code(), "");
    assert_eq!(there.get("/account").status, 200);
    let page = here.get("/account");
    assert!(page.shows("this one") && page.shows("unlocked"), "{}", page.text());

    let sent = here.post("/account", "/account/sessions", &[]);
    assert_eq!(sent.to, "/account?said=ended-all");
    let lost = there.get("/account");
    assert_eq!(
        (lost.status, lost.to.as_str()),
        (303, "/sign-in?to=%2Faccount"),
        "an old cookie is worth nothing"
    );
    let log = here.get("/audit?kind=sign-ins");
    for said in [
        "You ended a signed-in session from another one, from 127.0.0.1.",
        "You locked the mail again; nothing was opened.",
    ] {
        assert!(log.shows(said), "{said}\n{}", log.text());
    }
    let own = link(&here.get("/account"), "action=\"/account/sessions/");
    assert_eq!(here.post("/account", &format!("/account/sessions/{own}x"), &[]).status, 404);
    assert_eq!(
        here.post("/account", &format!("/account/sessions/{own}"), &[]).to,
        "/sign-in?said=signed-out"
    );
    assert_eq!(here.get("/mail").status, 303);
}

#[test]
fn ways_in_change_after_a_code_only() {
    let server = Server::demo();
    let (user, password) = (server.fact("user"), "four plain words here");
    let Some(browser) = Browser::of_demo(&server, "anna") else { return };
    for page in ["/account/password", "/account/authenticator", "/account/recovery"] {
        assert!(browser.get(page).to.starts_with("/unlock?to="), "{page}");
    }
    assert!(browser.post("/account", "/account/phrase", &[("phrase", "mine")]).to.starts_with("/unlock"));

    browser.unlock(&server.code(), "");
    assert_eq!(browser.post("/account", "/account/phrase", &[("phrase", &"x".repeat(61))]).status, 422);
    assert_eq!(
        browser.post("/account", "/account/phrase", &[("phrase", "blue heron")]).to,
        "/account?said=phrase"
    );
    crate::smtp::deliver(&server, server.fact("address"), "Subject: secret\n\nthe whole of it\n");
    let phone = Pop3::login(&server, &server.device("phone")).text(7);
    assert!(phone.contains("blue heron"), "new mail carries the phrase:\n{phone}");

    let sent = browser.post("/account", "/account/password", &[("password", password), ("again", "another")]);
    assert_eq!(sent.status, 422);
    let sent = browser.post("/account", "/account/password", &[("password", password), ("again", password)]);
    assert_eq!(sent.to, "/sign-in?said=password");
    assert_eq!(browser.get("/mail").status, 303, "every session ends");
    let browser = Browser::signed_in(&server, "again", user, password).expect("curl is there");
    browser.unlock(&server.code(), "");

    // A new recovery code holds the person until it is confirmed.
    assert_eq!(browser.post("/account/recovery", "/account/recovery", &[]).to, "/welcome/recovery");
    assert_eq!(browser.get("/mail").to, "/welcome");
    let page = browser.get("/welcome/recovery");
    let code = page.body.split("name=\"code\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let code = code.expect("a code").to_owned();
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let ending = &letters[letters.len() - 4..];
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let kept = [("csrf", csrf.expect("a value")), ("code", &code), ("ending", ending)];
    assert_eq!(browser.send("/welcome/recovery", &kept).to, "/mail?said=welcome");
    assert_eq!(server.refused(&["user", "totp", user, "--recovery"]), "refused", "the old code is void");

    // A new authenticator: the old one is void, and the next sign-in shows the new one.
    assert_eq!(
        browser.post("/account/authenticator", "/account/authenticator", &[]).to,
        "/sign-in?said=authenticator"
    );
    let again = Browser::new(&server, "phone").expect("curl is there");
    assert_eq!(again.send("/sign-in", &[("login", user), ("password", password)]).status, 303);
    assert_eq!(again.get("/mail").to, "/welcome");
    let page = again.get("/welcome");
    let seed = page.body.split("class=\"secret\"><code>").nth(1).and_then(|rest| rest.split('<').next());
    let seed: String = seed.expect("a seed").split(' ').collect();
    assert_ne!(seed, server.fact("totp_seed"));
    assert_eq!(again.post("/welcome", "/welcome", &[("code", &server.code_of(&seed))]).to, "/welcome");
    assert_eq!(again.get("/welcome").to, "/mail");
    assert!(again.get("/audit").shows("You replaced your authenticator"));
}

#[test]
fn refused_mail_clients_are_noted_once_a_minute() {
    let server = Server::demo();
    let mut wrong = server.device("phone");
    wrong.app_password = server.device("laptop").app_password.chars().rev().collect();
    for _ in 0..5 {
        Pop3::open(&server, &wrong).err().expect("it is refused");
    }
    let refused = || {
        let entries = crate::promise::entries(&server);
        let of_pop3 = entries.iter().filter(|entry| entry["act"]["kind"] == "sign_in_refused");
        of_pop3.filter(|entry| entry["actor"]["kind"] == "nobody").count()
    };
    assert_eq!(poll("an entry", || Some(refused()).filter(|count| *count > 0)), 1);
    let Some(browser) = Browser::of_demo(&server, "boss") else { return };
    let trouble = browser.get("/audit?who=all&kind=trouble");
    assert!(
        trouble.shows("Somebody unknown was turned away by POP3: the password was wrong"),
        "{}",
        trouble.text()
    );
}

/// Law 4: whatever the conversation box shows of other mail stands in the log before it is shown.
#[test]
fn the_conversation_box_shows_nothing_unlogged() {
    let server = Server::demo();
    for number in 1..=4 {
        let root = if number > 1 { "References: <root@talk.example>\n" } else { "" };
        let id = if number == 1 { "root".to_owned() } else { format!("answer{number}") };
        let head =
            format!("From: P{number} <p{number}@talk.example>\nMessage-ID: <{id}@talk.example>\n{root}");
        let message = format!("{head}Subject: matter of round {number}\n\nhello\n");
        crate::smtp::deliver(&server, server.fact("user"), &message);
    }
    let Some(browser) = Browser::of_demo(&server, "anna") else { return };
    browser.unlock(&server.code(), "a conversation");
    let (before, others) = poll("the conversation to be indexed", || {
        let before = crate::promise::entries(&server).len();
        let page = browser.get("/mail/8");
        let others: Vec<u32> = [7, 9, 10].into_iter().filter(|uid| in_box(&page, *uid)).collect();
        (others.len() == 3).then_some((before, others))
    });
    let entries = crate::promise::entries(&server);
    let logged: Vec<u32> = entries[before..]
        .iter()
        .filter(|entry| entry["act"]["kind"] == "messages_listed" && entry["actor"]["kind"] == "user")
        .flat_map(|entry| numbers(entry["act"]["numbers"].as_str().expect("a set")))
        .collect();
    for uid in others {
        assert!(logged.contains(&uid), "the box shows {uid}, and the log has {logged:?}");
    }
    browser.post("/audit", "/lock", &[]);
    let page = browser.get("/mail/8");
    assert!(!page.body.contains("matter of round 3"), "locked, it shows no other mail: {}", page.text());
}

/// Whether the conversation beside a message has another one.
fn in_box(page: &Page, uid: u32) -> bool {
    page.body.contains(&format!("<li><a href=\"/mail/{uid}\""))
}

/// The members of a set as `4:5,9`.
fn numbers(set: &str) -> Vec<u32> {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let range = |part: &str| match part.split_once(':') {
        Some((first, last)) => (number(first)..=number(last)).collect::<Vec<_>>(),
        None => vec![number(part)],
    };
    set.split(',').flat_map(range).collect()
}

/// The entry up to which the page says that the log was verified.
#[track_caller]
fn upto(page: &Page) -> u64 {
    let text = page.text();
    let rest = text.split("Verified up to entry ").nth(1).unwrap_or_else(|| panic!("no mark: {text}"));
    rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The number of the newest entry on a page.
#[track_caller]
fn entry_of(browser: &Browser, page: &str) -> String {
    link(&browser.get(page), "href=\"/audit/")
}

/// What follows `start` in the page, up to the end of the attribute.
#[track_caller]
fn link(page: &Page, start: &str) -> String {
    let rest = page.body.split(start).nth(1).unwrap_or_else(|| panic!("no {start} in {}", page.text()));
    rest.split('"').next().unwrap_or_default().to_owned()
}

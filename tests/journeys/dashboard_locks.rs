//! What the dashboard tells while it is locked, and what each unlock begins anew: messages that the
//! view leaves out are not there, reasons are given, codes and audit entries are not used twice.

use std::collections::BTreeSet;

use serde_json::Value;
use veilpost::clock::{Clock, Timestamp};
use veilpost::keyring::totp;

use crate::browser::{Browser, Page};
use crate::promise::entries;
use crate::smtp::{Smtp, deliver};
use crate::stranger::Stranger;
use crate::support::{Server, poll};

#[test]
fn what_the_view_leaves_out_is_not_there_while_it_is_locked() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    assert_eq!(uids(&browser.get("/mail")).len(), SAMPLES, "everything is in the view");
    hide_the_gazette(&server);
    deliver(&server, server.fact("address"), &letter("The Gazette <letters@gazette.example>", "Two"));
    browser.unlock(&server.code(), "");
    let whole = browser.get("/mail");
    let hidden = [uid_of(&whole, "The week in five minutes"), uid_of(&whole, "Two")];
    browser.post("/mail", "/lock", &[]);

    let list = browser.get("/mail");
    assert_eq!(uids(&list).len(), SAMPLES - 1, "{}", list.text());
    assert!(!list.shows("Sealed: unlock"), "{}", list.text());
    assert!(!list.body.contains("class=\"count\""), "no number tells of what is left out");
    let nowhere = browser.get("/mail/999").body;
    for uid in hidden {
        assert!(!uids(&list).contains(&uid), "{}", list.text());
        let page = browser.get(&format!("/mail/{uid}"));
        assert_eq!((page.status, page.body), (404, nowhere.clone()));
        for act in ["trash", "restore", "move", "seen", "unseen"] {
            let form = [("folder", "archive")];
            assert_eq!(browser.post("/account", &format!("/mail/{uid}/{act}"), &form).status, 404);
        }
    }
    assert_eq!(of_kind(&server, "message_fetched").len(), 0, "nothing was fetched");
    let seen = *uids(&list).first().expect("a message");
    let page = format!("/mail/{seen}");
    assert_eq!(browser.post(&page, &format!("{page}/trash"), &[]).to, "/mail?said=trashed");
    assert_eq!(browser.post(&page, &format!("{page}/restore"), &[]).to, "/mail?said=restored");

    browser.unlock(&server.code(), "");
    for uid in hidden {
        assert_eq!(browser.get(&format!("/mail/{uid}")).status, 200, "the owner has it");
        assert_eq!(browser.post("/mail", &format!("/mail/{uid}/trash"), &[]).status, 303);
    }
    browser.post("/mail", "/lock", &[]);
    assert!(browser.get("/mail?folder=trash").shows("The trash is empty"));
}

#[test]
fn pages_of_the_locked_list_are_full_and_lead_to_every_message() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    hide_the_gazette(&server);
    let mut session = Smtp::connect(&server);
    for number in 0..2 * SHOWN {
        let from = if number % 2 == 0 { "letters@gazette.example" } else { "post@firm.example" };
        let letter = letter(from, &format!("Number {number}")).replace('\n', "\r\n");
        session.deliver(server.fact("address"), letter.as_bytes());
    }
    let mut pages = vec![browser.get("/mail")];
    while let Some(older) = pager(pages.last().expect("a page"), "next") {
        pages.push(browser.get(&older));
    }
    let lengths: Vec<usize> = pages.iter().map(|page| uids(page).len()).collect();
    assert_eq!(lengths, [50, SHOWN + SAMPLES - 1 - 50], "no page has gaps");
    let all: BTreeSet<u32> = pages.iter().flat_map(uids).collect();
    assert_eq!(all.len(), SHOWN + SAMPLES - 1);
    let back = browser.get(&pager(pages.last().expect("a page"), "prev").expect("a way back"));
    assert_eq!(uids(&back), uids(&pages[0]));
    assert!(pager(&back, "prev").is_none(), "there is nothing newer");
}

#[test]
fn the_locked_page_tells_the_size_of_what_it_shows() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let long = letter("post@firm.example", "Long") + &"a line of a long letter\n".repeat(8_000);
    deliver(&server, server.fact("address"), &long);
    let locked = size(&browser.get("/mail/7"));
    browser.unlock(&server.code(), "");
    let whole = size(&browser.get("/mail/7"));
    assert!(whole.ends_with(" KB") && locked.ends_with(" B"), "{whole} {locked}");
}

#[test]
fn the_form_of_the_first_sign_in_unlocks_nobody_later() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    server.done(&["tenant", "settings", "demo", "--reason-required", "true", "--step-up", "false"]);
    let code = server.code();
    let sent = browser.post("/unlock", "/welcome", &[("code", &code)]);
    assert_eq!((sent.status, sent.to.as_str()), (303, "/unlock"));
    assert!(browser.get("/mail/1/source").to.starts_with("/unlock"), "it is still locked");
    // The code was not used for it, and the reason is asked for.
    let sent = browser.post("/unlock", "/unlock", &[("code", &code), ("reason", "")]);
    assert_eq!(sent.status, 422, "{}", sent.text());
    browser.unlock(&code, "the tax office asks");
}

#[test]
fn a_new_unlock_writes_a_new_entry() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let revealed = || of_kind(&server, "message_revealed").len();
    deliver(&server, server.fact("address"), HTML);
    browser.unlock(&server.code(), "");
    assert_eq!(browser.get("/mail/7").status, 200);
    assert_eq!(browser.get("/mail/7/html").status, 200);
    assert_eq!(revealed(), 1, "page and frame are one");
    browser.post("/mail", "/lock", &[]);
    browser.unlock(&server.code(), "");
    assert_eq!(browser.get("/mail/7/html").status, 200);
    assert_eq!(revealed(), 2, "the entry of the unlock before stands for nothing now");
}

#[test]
fn where_every_message_needs_a_code_nothing_shows_its_text_without() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    server.done(&["tenant", "settings", "demo", "--reason-required", "false", "--step-up", "true"]);
    // Early in a step, so that three codes are good at once.
    let now = poll("the beginning of a step", || {
        let now = Clock::system().now().unix();
        (now % 30 < 20).then_some(now)
    });
    let code = |skew: i64| {
        totp::code_for(server.fact("totp_seed"), Timestamp::from_unix(now + skew)).expect("a seed")
    };
    browser.unlock(&code(-30), "");
    let list = browser.get("/mail");
    let letter = format!("/mail/{}", uid_of(&list, "Settlement in Lindqvist"));
    let found = poll("the index", || {
        let page = browser.get("/search?q=euros");
        page.shows("Settlement in Lindqvist").then_some(page)
    });
    assert!(!found.shows("85,000"), "{}", found.text());

    assert!(browser.get(&letter).shows("A code for this message"));
    assert_eq!(browser.post("/mail", &format!("{letter}/code"), &[("code", &code(0))]).to, letter);
    assert!(browser.get(&letter).shows("85,000 euros"));
    browser.post("/mail", "/lock", &[]);
    browser.unlock(&code(30), "");
    let asked = browser.get(&letter);
    assert!(asked.shows("A code for this message") && !asked.shows("85,000"), "{}", asked.text());
    for of_it in ["html", "source", "print", "compare", "parts/1"] {
        assert_eq!(browser.get(&format!("{letter}/{of_it}")).to, letter, "{of_it}");
    }
}

#[test]
fn the_end_of_an_unlock_counts_every_way_to_open_a_message() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    deliver(&server, server.fact("address"), HTML);
    let revealed = |paths: &[&str]| {
        browser.unlock(&server.code(), "");
        let results = uid_of(&browser.get("/mail"), "Your blood test of 28 October");
        for path in paths {
            let path = path.replace("{results}", &results.to_string());
            assert_eq!(browser.get(&path).status, 200, "{path}");
        }
        browser.post("/mail", "/lock", &[]);
        let ended = of_kind(&server, "unlock_ended");
        ended.last().and_then(|act| act["revealed"].as_u64()).expect("an entry that counts")
    };
    let ways =
        ["/mail/7/source", "/mail/7/print", "/mail/7/compare", "/mail/7/html", "/mail/{results}/parts/1"];
    assert_eq!(revealed(&ways), 5);
    assert_eq!(revealed(&["/mail/7", "/mail/7/html"]), 1, "page and frame are one");
}

#[test]
fn pictures_from_outside_are_loaded_for_our_own_link_only() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    deliver(&server, server.fact("address"), HTML);
    browser.sign_in(server.fact("user"), server.fact("password"));
    assert_eq!(browser.unlock(&server.code()).status, 303);
    let frame = "src=\"/mail/7/html?remote=1\"";
    let ours = browser.get_with("/mail/7?remote=1", &["Sec-Fetch-Site: same-origin"]);
    assert!(ours.body.contains(frame), "{}", ours.body);
    let loads = |headers: &[&str]| {
        let answer = browser.get_with("/mail/7/html?remote=1", headers);
        answer.header("content-security-policy").contains("img-src data: https:")
            || answer.body.contains("https://tracker.example")
    };
    assert!(loads(&["Sec-Fetch-Site: same-origin"]));
    for foreign in
        [&["Sec-Fetch-Site: cross-site"][..], &["Sec-Fetch-Site: same-site"], &["Sec-Fetch-Site: none"], &[]]
    {
        let page = browser.get_with("/mail/7?remote=1", foreign);
        assert!(page.status == 200 && !page.body.contains(frame), "{foreign:?}: {}", page.body);
        assert!(!loads(foreign), "{foreign:?}");
    }
    // Nor by a link to the sign-in that leads on to it.
    let fields =
        [("login", server.fact("user")), ("password", server.fact("password")), ("to", "/mail/7?remote=1")];
    assert_eq!(browser.post("/sign-in", &fields).header("location"), "/mail/7");
}

#[test]
fn a_lock_reaches_every_tab_at_once_and_leads_back() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let state = || browser.get("/lock/state").body;
    assert_eq!(state(), r#"{"state":"locked","seconds":0,"longest":0}"#);
    // What the tab believes is wrong: it is told at once.
    assert_eq!(browser.get("/lock/state?state=open").body, state());
    let waits = |ends: &dyn Fn()| {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| browser.get("/lock/state?state=open"));
            ends();
            waiting.join().expect("an answer")
        })
    };
    browser.unlock(&server.code(), "");
    let open: Value = serde_json::from_str(&state()).expect("JSON");
    let of = |name: &str| open[name].as_i64().expect("a number");
    assert!(open["state"] == "open" && (590..=600).contains(&of("seconds")), "{open}");
    assert!((3590..=3600).contains(&of("longest")), "{open}");
    let locked = waits(&|| {
        let sent = browser.post("/mail", "/lock", &[("to", "/mail/1")]);
        assert_eq!(sent.to, "/unlock?to=%2Fmail%2F1&said=locked", "and back to the message");
    });
    assert!(locked.body.contains("locked"), "{}", locked.body);
    assert!(browser.get("/unlock?to=/mail/1&said=locked").shows("Locked. Everything is sealed again."));

    // By whoever looks after the vault, at the command line: nobody is signed in any more.
    browser.unlock(&server.code(), "");
    let shut = waits(&|| drop(server.done(&["user", "disable", server.fact("user")])));
    assert_eq!((shut.status, shut.to.split('?').next()), (303, Some("/sign-in")));
}

#[test]
fn an_unlock_is_extended_by_a_click_and_a_tenant_asks_for_less() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let sent = browser.post("/unlock", "/lock/extend", &[("to", "/mail/1")]);
    assert_eq!(sent.to, "/unlock?to=%2Fmail%2F1", "what is locked is not extended");
    let settings = |idle: &str, longest: &str| {
        let asks = ["tenant", "settings", "demo", "--reason-required", "false", "--step-up", "false"];
        let minutes = ["--unlock-minutes", idle, "--unlock-longest-minutes", longest];
        server.run(&[&asks[..], &minutes[..]].concat())
    };
    settings("61", "0").expect_err("more than the server allows");
    settings("2", "5").expect("less");
    assert!(browser.get("/unlock").shows("not used it for 2 minutes, at most 5 minutes in all"));
    browser.unlock(&server.code(), "");
    let open: Value = serde_json::from_str(&browser.get("/lock/state").body).expect("JSON");
    let of = |name: &str| open[name].as_i64().expect("a number");
    assert!((110..=120).contains(&of("seconds")) && (290..=300).contains(&of("longest")), "{open}");
    assert_eq!(browser.post("/mail", "/lock/extend", &[("to", "/mail/1")]).to, "/mail/1");
    assert_eq!(of_kind(&server, "unlock_begun").last().expect("an entry")["seconds"], 300);
    let changed = of_kind(&server, "tenant_settings_changed");
    assert_eq!(changed.last().expect("an entry")["unlock_longest_minutes"], 5);
    assert!(browser.get("/audit").shows("an unlock ends after 2 minutes without use"));
    // More than now takes the unlock in the pages, too.
    browser.post("/mail", "/lock", &[]);
    let more = [("unlock_minutes", "10"), ("unlock_longest_minutes", "60")];
    assert!(browser.post("/admin/settings", "/admin/settings", &more).to.starts_with("/unlock"));
}

#[test]
fn nothing_is_deleted_for_good_before_somebody_is_sure() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    assert!(browser.get("/mail/1/delete").to.starts_with("/unlock"));
    browser.unlock(&server.code(), "");
    browser.post("/mail/1", "/mail/1/trash", &[]);
    assert!(browser.get("/mail/1").body.contains("href=\"/mail/1/delete\""), "a link, not a form");
    assert_eq!(browser.post("/mail/1", "/mail/1/delete", &[]).to, "/mail/1/delete");
    let asked = browser.get("/mail/1/delete");
    assert!(asked.shows("Delete this message for good?") && asked.shows("Keep it"), "{}", asked.text());
    assert_eq!(browser.get("/mail/1").status, 200);
    let sent = browser.post("/mail/1/delete", "/mail/1/delete", &[("sure", "yes")]);
    assert_eq!(sent.to, "/mail?folder=trash&said=deleted");
    assert_eq!(browser.get("/mail/1").status, 404);
    assert_eq!(browser.get("/mail/1/delete").status, 404);
}

#[test]
fn a_plain_text_keeps_its_blanks_and_a_frame_is_handed_on_once() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let table = "  Item     Price\n\n\n    Tea\t 1.50\n";
    deliver(
        &server,
        server.fact("address"),
        &letter("post@firm.example", "Table").replace("Good morning.\n", table),
    );
    deliver(&server, server.fact("address"), HTML);
    browser.unlock(&server.code(), "");
    let page = browser.get("/mail/7");
    assert!(
        page.body.contains("<pre dir=\"auto\">\n  Item     Price\n\n\n    Tea\t 1.50</pre>"),
        "{}",
        page.body
    );
    assert_eq!(browser.get("/mail/8").status, 200);
    let (first, second) = (browser.get("/mail/8/html"), browser.get("/mail/8/html"));
    assert!(first.status == 200 && first.body.contains("<p>Hello</p>"), "{}", first.body);
    assert_eq!(first.body, second.body, "handed on, and made again");
    browser.get("/mail/8");
    browser.post("/mail", "/lock", &[]);
    assert!(browser.get("/mail/8/html").to.starts_with("/unlock"), "gone with the lock");
}

/// From now on the dashboard's view leaves out the demo's newsletter.
fn hide_the_gazette(server: &Server) {
    let shipped = veilpost::policy::shipped().iter().find(|(name, _)| *name == "headers-only");
    let text = format!(
        "{}\n[[when]]\nfrom = [\"*@gazette.example\"]\nshow = \"nothing\"\n",
        shipped.expect("a policy").1
    );
    server.load_policy("no-gazette", &text, None).expect("a policy of our own");
    server.done(&["view", "policy", server.fact("user"), "dashboard", "no-gazette", "--recovery"]);
}

fn letter(from: &str, subject: &str) -> String {
    format!("From: {from}\nTo: alice@demo.example\nSubject: {subject}\n\nGood morning.\n")
}

/// The acts of this kind in the audit log, oldest first.
fn of_kind(server: &Server, kind: &str) -> Vec<Value> {
    let acts = entries(server).into_iter().map(|mut entry| entry["act"].take());
    acts.filter(|act| act["kind"] == kind).collect()
}

/// The messages on a page of the list.
fn uids(page: &Page) -> Vec<u32> {
    let links = page.body.split("<a href=\"/mail/").skip(1);
    links.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

#[track_caller]
fn uid_of(page: &Page, subject: &str) -> u32 {
    let (before, _) =
        page.body.split_once(subject).unwrap_or_else(|| panic!("no {subject}: {}", page.text()));
    let (_, link) = before.rsplit_once("<a href=\"/mail/").expect("a link");
    link.split('"').next().and_then(|uid| uid.parse().ok()).expect("a number")
}

/// Where the pager leads.
fn pager(page: &Page, to: &str) -> Option<String> {
    let (_, rest) = page.body.split_once(&format!("rel=\"{to}\" href=\""))?;
    rest.split('"').next().map(|link| link.replace("&amp;", "&"))
}

/// What stands at the foot of a message.
#[track_caller]
fn size(page: &Page) -> String {
    let (_, rest) = page.body.split_once("Received <time").expect("a foot");
    rest.split("</time>, ").nth(1).and_then(|rest| rest.split('<').next()).expect("a size").to_owned()
}

/// Messages of the demo, one of them a newsletter.
const SAMPLES: usize = 6;
/// Letters that stay, between as many that do not.
const SHOWN: usize = 60;
const HTML: &str = "\
From: post@firm.example
To: alice@demo.example
Subject: With a picture
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<p>Hello</p><img src=\"https://tracker.example/pixel.png\" width=\"600\" height=\"400\" alt=\"a picture\">
";

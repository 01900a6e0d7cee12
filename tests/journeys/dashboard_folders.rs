//! Folders and flags in the dashboard: one mailbox, whether a mail client or its owner files it, and while it
//! is locked as far as the dashboard's view goes.

use crate::browser::{Browser, Page};
use crate::imap::Imap;
use crate::support::Server;

#[test]
fn what_a_client_files_is_found_in_its_folder() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let first = browser.get("/mail");
    assert_eq!(folders(&first), "Inbox 6 unread, Drafts, Sent, Archive, Junk, Trash");
    let mut imap = Imap::inbox(&server, &server.device("laptop"));
    imap.ask("CREATE Clients/Nowak");
    imap.ask("STORE 1 +FLAGS (\\Seen)");
    imap.ask("STORE 3 +FLAGS (\\Flagged)");
    imap.ask("MOVE 2 Clients/Nowak");
    imap.ask("MOVE 1 Archive");
    // Neither an unlock nor a script is needed to see it.
    let inbox = browser.get("/mail");
    let listed = "Inbox 4 unread, Drafts, Sent, Archive, Junk, Trash, Clients, Clients/Nowak 1 unread";
    assert_eq!(folders(&inbox), listed);
    assert!(!inbox.shows(CARD) && !inbox.body.contains("<li class=\"read"), "{}", inbox.text());
    assert_eq!(inbox.body.matches("aria-label=\"flagged\"").count(), 1);
    let nowak = browser.get(&link_of(&inbox, "Clients/Nowak"));
    assert!(nowak.shows(CARD) && nowak.shows("Unread: "), "{}", nowak.text());
    assert!(nowak.body.contains("<h1><bdi>Clients/Nowak</bdi></h1>"));
    let archive = browser.get("/mail?folder=archive");
    assert!(archive.body.contains("<li class=\"read") && !archive.shows("Unread: "), "{}", archive.text());
    assert!(browser.get("/mail?folder=junk").shows("This folder is empty"));
    browser.unlock(&server.code(), "");
    assert_eq!(folders(&browser.get("/mail?folder=sent")), listed, "the same mail, the same numbers");
    // A folder that a client removes is not there, and its number means no other one.
    let gone = link_of(&inbox, "Clients/Nowak");
    imap.ask("DELETE Clients/Nowak");
    for nowhere in [gone.as_str(), "/mail?folder=4", "/mail?folder=99999", "/mail?folder=../trash"] {
        let page = browser.get(nowhere);
        assert_eq!((page.status, page.shows("There is no such folder")), (404, true), "{nowhere}");
    }
}

#[test]
fn what_its_owner_moves_is_moved_for_every_client() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let mut imap = Imap::inbox(&server, &server.device("laptop"));
    imap.ask("CREATE Bank");
    let page = message(&browser.get("/mail"), CARD);
    let locked = browser.get(&page);
    assert!(locked.shows("In the folder Inbox") && locked.shows("Mark as read"), "{}", locked.text());
    let bank = between(&locked.body, "<option value=\"", "\">Bank</option>");
    let bank = bank.rsplit('"').next().expect("a number").to_owned();
    let moved = browser.post(&page, &format!("{page}/move"), &[("folder", &bank)]);
    assert_eq!((moved.status, moved.to.as_str()), (303, "/mail?folder=inbox&said=moved"));
    assert!(browser.get(&moved.to).shows("Moved to the folder that you chose."));
    assert_eq!((imap.status("INBOX", "MESSAGES"), imap.status("Bank", "MESSAGES")), (5, 1));
    assert!(browser.get(&page).shows("In the folder Bank"), "its address stays");
    // To where it is: nothing happens, its UID stays.
    imap.ask("SELECT Bank");
    let uid = imap.ask("FETCH 1 (UID)");
    let again = browser.post(&page, &format!("{page}/move"), &[("folder", &bank)]);
    assert_eq!(again.to, format!("/mail?folder={bank}&said=moved"));
    assert_eq!(imap.ask("FETCH 1 (UID)").lines().next(), uid.lines().next());
    for nowhere in ["99999", "", "Bank", "4"] {
        let wrong = browser.post(&page, &format!("{page}/move"), &[("folder", nowhere)]);
        let expected = if nowhere.is_empty() { 303 } else { 404 };
        assert_eq!(wrong.status, expected, "{nowhere}");
    }
    assert_eq!(browser.post("/account", "/mail/999/move", &[("folder", "archive")]).status, 404);
    assert!(browser.get(&page).shows("In the folder Inbox"), "without a folder it is the inbox");
}

#[test]
fn what_is_read_whole_is_read_for_every_client() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "alice") else { return };
    let mut imap = Imap::inbox(&server, &server.device("laptop"));
    let page = message(&browser.get("/mail"), CARD);
    assert!(browser.get(&page).shows("Mark as read"));
    assert_eq!(searched(&mut imap, "UNSEEN").len(), 6, "locked, it was not read");
    browser.unlock(&server.code(), "");
    assert!(browser.get(&page).shows("Mark as unread"));
    assert_eq!((searched(&mut imap, "SEEN").as_slice(), searched(&mut imap, "UNSEEN").len()), (&[2][..], 5));
    assert!(folders(&browser.get("/mail")).starts_with("Inbox 5 unread, "));
    let unseen = browser.post(&page, &format!("{page}/unseen"), &[]);
    assert_eq!((unseen.status, unseen.to.as_str()), (303, "/mail?folder=inbox&said=unseen"));
    // The form's page was opened for it, so it is the form that counts.
    assert_eq!(searched(&mut imap, "UNSEEN").len(), 6);
    browser.post("/mail", "/lock", &[]);
    assert_eq!(browser.post(&page, &format!("{page}/seen"), &[]).status, 303);
    assert_eq!(searched(&mut imap, "SEEN"), [2], "to mark it needs no unlock");
}

/// What a search finds once the session has heard the news.
#[track_caller]
fn searched(imap: &mut Imap, keys: &str) -> Vec<u32> {
    imap.ask("NOOP");
    imap.search(keys)
}

/// The list of folders as it is read out.
#[track_caller]
fn folders(page: &Page) -> String {
    let list = between(&page.body, "aria-label=\"Folders\">", "</nav>");
    let items =
        list.split("</li>").map(|item| Page { status: 200, to: String::new(), body: item.to_owned() });
    let items = items.map(|item| item.text()).filter(|text| !text.is_empty());
    items.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn link_of(page: &Page, folder: &str) -> String {
    let (before, _) = page.body.split_once(&format!("<bdi>{folder}</bdi>")).expect("the folder");
    let (_, link) = before.rsplit_once("href=\"").expect("a link");
    between(link, "", "\"").to_owned()
}

#[track_caller]
fn message(page: &Page, subject: &str) -> String {
    let (before, _) = page.body.split_once(subject).expect("the message");
    let (_, link) = before.rsplit_once("<a href=\"").expect("a link");
    between(link, "", "\"").to_owned()
}

#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after}")).0
}

const CARD: &str = "A payment with your card";

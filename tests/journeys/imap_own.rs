//! What is a view's own: what its clients uploaded, and what they hold for junk; and that another policy is
//! another mailbox to them, and a comment in it is not.

use std::fs;

use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::support::{Device, Server, device};

const DRAFT: &str = "From: lena@firm.example\r\nTo: ann@court.example\r\nSubject: my own draft\r\n\
                     Content-Type: text/plain; charset=utf-8\r\nX-Mozilla-Draft-Info: internal/draft; vcard=0\r\n\r\n\
                     Dear Ann,\r\n\r\nthe heron words of the draft.\r\n";

/// The octets of the only message in a folder that has these words in its subject.
fn fetched(server: &Server, device: &Device, folder: &str) -> Vec<String> {
    let mut imap = Imap::login(server, device);
    imap.ask(&format!("SELECT {folder}"));
    let numbers = imap.search("ALL");
    numbers.iter().map(|number| imap.ask(&format!("FETCH {number} BODY.PEEK[]"))).collect()
}

fn is_whole(server: &Server, device: &Device, folder: &str) {
    let all = fetched(server, device, folder);
    let exact = format!("BODY[] {{{}}}\r\n{DRAFT})", DRAFT.len());
    assert!(all.iter().any(|said| said.contains(&exact)), "{folder}: {all:?}");
}

fn append(imap: &mut Imap, folder: &str, flags: &str) {
    imap.ask(&format!("APPEND {folder} ({flags}) {{{}+}}\r\n{DRAFT}", DRAFT.len()));
}

#[test]
fn what_a_client_uploads_its_view_shows_as_uploaded_for_ever() {
    let mut server = Server::demo();
    let (phone, laptop) = (server.device("phone"), server.device("laptop"));
    let mut imap = Imap::login(&server, &phone);
    append(&mut imap, "Drafts", "\\Draft \\Seen");
    is_whole(&server, &phone, "Drafts");
    imap.ask("SELECT Drafts");
    assert!(imap.ask("FETCH 1 (RFC822.SIZE ENVELOPE)").contains("my own draft"));
    assert_eq!(imap.search("BODY heron"), [1]);
    imap.ask("COPY 1 Archive");
    imap.ask("MOVE 1 Sent");
    let everywhere = |server: &Server, phone: &Device| {
        is_whole(server, phone, "Archive");
        is_whole(server, phone, "Sent");
        for (folder, count) in [("Archive", 1), ("Sent", 1)] {
            let masked = fetched(server, &laptop, folder);
            assert!(masked.len() == count && !masked.concat().contains("X-Mozilla"), "{masked:?}");
        }
    };
    everywhere(&server, &phone);
    // Sealed again, under a stricter policy, after a restart, and for another device of the same view.
    server.unlock();
    let login = server.fact("user").to_owned();
    server.done(&["view", "policy", &login, "laptop", "headers-only"]);
    server.done(&["view", "policy", &login, "phone", "calendar-only"]);
    everywhere(&server, &phone);
    server.done(&["view", "reseal", &login]);
    everywhere(&server, &phone);
    let second = device(&server.done(&["credential", "create", &login, "phone", "--label", "second"]));
    everywhere(&server, &second);
    server.restart();
    everywhere(&server, &second);
    server.unlock();
    assert!(server.done(&["mail", "list"]).to_string().contains("my own draft"), "its owner has it");
}

/// UIDVALIDITY and UIDs of INBOX, and POP3's unique-ids.
fn identity(server: &Server, device: &Device) -> (u64, Vec<String>, Vec<String>) {
    let mut imap = Imap::inbox(server, device);
    let validity = imap.status("INBOX", "UIDVALIDITY");
    let uids = imap.ask("UID SEARCH ALL");
    let uids = uids.lines().find_map(|line| line.strip_prefix("* SEARCH ")).expect("UIDs");
    let unique = Pop3::login(server, device).uidl();
    (validity, uids.split_whitespace().map(str::to_owned).collect(), unique)
}

#[test]
fn another_policy_is_another_mailbox_and_a_comment_is_not() {
    let mut server = Server::demo();
    let phone = server.device("phone");
    let login = server.fact("user").to_owned();
    let recovery = server.fact("recovery_code").to_owned();
    let before = identity(&server, &phone);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/sender-and-date.toml");
    let text = fs::read_to_string(path).expect("the shipped policy");
    server.load_policy("mine", &format!("# a comment\n{text}"), Some(&recovery)).expect("it loads");
    server.unlock();
    server.done(&["view", "policy", &login, "phone", "mine"]);
    assert_eq!(identity(&server, &phone), before, "another name shows nothing else");
    server.load_policy("mine", &format!("{text}\n# another comment\n"), Some(&recovery)).expect("it loads");
    assert_eq!(identity(&server, &phone), before, "nor does a comment");
    // Each change that shows makes other numbers of all, and none comes again.
    let mut known = vec![before];
    let tighter = text.replace("[body]", "[body]\n# shows less\n") + "\n[gateway]\non_delete = \"hide\"\n";
    let steps = [
        ("headers-only", None),
        ("mine", None),
        ("mine", Some(tighter.replace("Sealed message", "Other words"))),
    ];
    for (policy, text) in steps {
        let changed = match &text {
            Some(text) if server.load_policy(policy, text, Some(&recovery)).is_ok() => true,
            Some(_) => false,
            None => {
                server.done(&["view", "policy", &login, "phone", policy]);
                true
            }
        };
        if !changed {
            continue;
        }
        let now = identity(&server, &phone);
        for old in &known {
            assert!(text.is_some() || now.0 != old.0, "UIDVALIDITY of {policy}");
            if now.0 != old.0 {
                assert!(now.1.iter().all(|uid| !old.1.contains(uid)), "{:?} {:?}", now.1, old.1);
                assert!(now.2.iter().all(|id| !old.2.contains(id)));
            }
        }
        known.push(now);
    }
    let last = identity(&server, &phone);
    server.restart_with(|settings| {
        *settings = settings.replace("https://localhost", "https://elsewhere.example")
    });
    assert_eq!(identity(&server, &phone), last, "settings change nothing that was shown");
    for said in fetched(&server, &phone, "INBOX") {
        assert!(said.contains("BODY[] {"), "and all of it can be had: {said}");
    }
}

#[test]
fn what_a_masked_view_holds_for_junk_is_its_own() {
    let server = Server::demo();
    let (phone, laptop) = (server.device("phone"), server.device("laptop"));
    let mut own = Imap::inbox(&server, &phone);
    let mut other = Imap::inbox(&server, &laptop);
    assert!(own.ask("FETCH 1 FLAGS").contains("NonJunk $NotJunk"), "placeholders are no junk");
    assert!(!other.ask("FETCH 1 FLAGS").contains("Junk"), "an excerpt can be judged");
    // The first one enables CONDSTORE, and is told so (RFC 7162 §3.1).
    other.ask("ENABLE CONDSTORE");
    let before = other.ask("UID FETCH 1:* (FLAGS MODSEQ)");
    own.ask("STORE 1:3 -FLAGS (NonJunk)");
    let said = own.ask("STORE 1:3 +FLAGS (Junk)");
    assert!(said.contains("Junk"), "{said}");
    assert_eq!(own.search("KEYWORD Junk"), [1, 2, 3]);
    own.ask("MOVE 1:2 Junk");
    assert!(own.ask("COPY 1 Junk").contains("COPYUID"));
    own.ask("STORE 1 +FLAGS (\\Deleted)");
    own.ask("EXPUNGE");
    assert_eq!((own.status("INBOX", "MESSAGES"), own.status("Junk", "MESSAGES")), (3, 3));
    append(&mut own, "Drafts", "$Junk");
    assert!(other.ask("NOOP").starts_with("OK"), "nothing is told to others");
    // Placeholders of its own carry NonJunk.
    let says = |said: &str| said.split([' ', '(', ')']).any(|word| matches!(word, "Junk" | "$Junk"));
    assert!(!says(&other.ask("SELECT INBOX")), "nor which words somebody uses");
    assert!(says(&own.ask("SELECT Junk")));
    assert_eq!(other.ask("UID FETCH 1:* (FLAGS MODSEQ)").lines().count(), before.lines().count());
    assert_eq!((other.status("INBOX", "MESSAGES"), other.status("Junk", "MESSAGES")), (6, 0));
    other.ask("SELECT Drafts");
    assert!(!other.ask("FETCH 1 FLAGS").contains(" $Junk"));
    assert_eq!(Pop3::login(&server, &laptop).count(), 6);
    assert_eq!(Pop3::login(&server, &phone).count(), 3);
}

#[test]
fn a_new_view_says_that_it_is_empty_and_can_be_filled_at_once() {
    let server = Server::demo();
    server.unlock();
    let login = server.fact("user").to_owned();
    let missing = |view: &str| {
        let views = server.done(&["view", "list", &login]);
        let views = views.as_array().expect("views");
        let found = views.iter().find(|item| item["name"] == view).expect("the view");
        found["older_mail_missing"].as_bool().expect("a truth")
    };
    let make = |name: &str, more: &[&str]| {
        let arguments = [&["view", "create", &login, name, "--policy", "excerpt"], more].concat();
        device(&server.done(&arguments))
    };
    let empty = make("empty", &[]);
    assert!(missing("empty") && !missing("phone"));
    assert_eq!(Imap::login(&server, &empty).status("INBOX", "MESSAGES"), 0);
    let full = make("full", &["--reseal"]);
    assert_eq!(Imap::login(&server, &full).status("INBOX", "MESSAGES"), 6);
    assert_eq!(Imap::login(&server, &empty).status("INBOX", "MESSAGES"), 6);
    assert!(!missing("full") && !missing("empty") && !missing("phone"));
}

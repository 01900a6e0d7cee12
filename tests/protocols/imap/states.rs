//! Every command in every state: what is obeyed, and how the rest is refused.

use super::fake::Fake;
use super::stage::Client;

/// Commands; and what they come to before the login, after it, and with a folder open.
const COMMANDS: &[(&str, &str, &str, &str)] = &[
    ("CAPABILITY", "OK", "OK", "OK"),
    ("NOOP", "OK", "OK", "OK"),
    ("ID NIL", "OK", "OK", "OK"),
    ("STARTTLS", "BAD", "BAD", "BAD"),
    ("LOGIN a b", "NO", "BAD", "BAD"),
    ("AUTHENTICATE PLAIN AGEAYg==", "NO", "BAD", "BAD"),
    ("ENABLE CONDSTORE", "BAD", "OK", "OK"),
    ("EXAMINE INBOX", "BAD", "OK", "OK"),
    ("SELECT INBOX", "BAD", "OK", "OK"),
    ("SELECT Missing", "BAD", "NO", "NO"),
    ("CREATE Work", "BAD", "OK", "OK"),
    ("CREATE Trash", "BAD", "NO", "NO"),
    ("DELETE INBOX", "BAD", "NO", "NO"),
    ("RENAME INBOX Other", "BAD", "NO", "NO"),
    ("SUBSCRIBE Sent", "BAD", "OK", "OK"),
    ("UNSUBSCRIBE Sent", "BAD", "OK", "OK"),
    ("SUBSCRIBE Missing", "BAD", "NO", "NO"),
    ("LIST \"\" *", "BAD", "OK", "OK"),
    ("LSUB \"\" *", "BAD", "OK", "OK"),
    ("NAMESPACE", "BAD", "OK", "OK"),
    ("STATUS INBOX (MESSAGES)", "BAD", "OK", "OK"),
    ("STATUS Missing (MESSAGES)", "BAD", "NO", "NO"),
    ("APPEND INBOX {3+}\r\na:b", "BAD", "OK", "OK"),
    ("APPEND INBOX {0+}\r\n", "BAD", "NO", "NO"),
    ("APPEND Missing {3+}\r\na:b", "BAD", "NO", "NO"),
    ("GETQUOTA \"\"", "BAD", "NO", "NO"),
    ("GETQUOTA other", "BAD", "NO", "NO"),
    ("GETQUOTAROOT INBOX", "BAD", "OK", "OK"),
    ("SETQUOTA \"\" (STORAGE 512)", "BAD", "NO", "NO"),
    ("CHECK", "BAD", "BAD", "OK"),
    ("CLOSE", "BAD", "BAD", "OK"),
    ("UNSELECT", "BAD", "BAD", "OK"),
    ("EXPUNGE", "BAD", "BAD", "OK"),
    ("UID EXPUNGE 1", "BAD", "BAD", "OK"),
    ("SEARCH ALL", "BAD", "BAD", "OK"),
    ("UID SEARCH RETURN (ALL) SEEN", "BAD", "BAD", "OK"),
    ("SORT (DATE) UTF-8 ALL", "BAD", "BAD", "OK"),
    ("THREAD REFERENCES UTF-8 ALL", "BAD", "BAD", "OK"),
    ("FETCH 1 FLAGS", "BAD", "BAD", "OK"),
    ("FETCH 9 FLAGS", "BAD", "BAD", "BAD"),
    ("UID FETCH 1:* (FLAGS)", "BAD", "BAD", "OK"),
    ("STORE 1 FLAGS (\\Seen)", "BAD", "BAD", "OK"),
    ("UID STORE 9 FLAGS (\\Seen)", "BAD", "BAD", "OK"),
    ("COPY 1 Archive", "BAD", "BAD", "OK"),
    ("COPY 1 Missing", "BAD", "BAD", "NO"),
    ("MOVE 1 Archive", "BAD", "BAD", "OK"),
    ("UID MOVE 1 Missing", "BAD", "BAD", "NO"),
    ("SELECT INBOX (QRESYNC (1 1))", "BAD", "BAD", "BAD"),
    ("FROBNICATE", "BAD", "BAD", "BAD"),
    ("FETCH", "BAD", "BAD", "BAD"),
    ("IDLE\r\nDONE", "BAD", "OK", "OK"),
    ("LOGOUT", "OK", "OK", "OK"),
];

#[tokio::test]
async fn commands_before_the_login() {
    for (command, expected, _, _) in COMMANDS {
        let mut client = Client::greeted(&Fake::with_some(1)).await;
        check(&mut client, command, expected).await;
    }
}

#[tokio::test]
async fn commands_after_the_login() {
    for (command, _, expected, _) in COMMANDS {
        let mut client = Client::logged_in(&Fake::with_some(1)).await;
        check(&mut client, command, expected).await;
    }
}

#[tokio::test]
async fn commands_with_a_folder_open() {
    for (command, _, _, expected) in COMMANDS {
        let mut client = Client::selected(&Fake::with_some(1)).await;
        check(&mut client, command, expected).await;
    }
}

async fn check(client: &mut Client, command: &str, expected: &str) {
    let answer = client.tagged(command).await;
    assert!(answer.starts_with(&format!("a {expected} ")), "{command}: {answer}");
}

/// A folder that is open for reading only stays as it is.
#[tokio::test]
async fn examine_changes_nothing() {
    let fake = Fake::with_some(2);
    let mut client = Client::logged_in(&fake).await;
    let answer = client.ask("EXAMINE INBOX").await;
    assert!(answer.contains(&"* OK [PERMANENTFLAGS ()] what stays".to_owned()), "{answer:?}");
    assert_eq!(answer.last().map(String::as_str), Some("a OK [READ-ONLY] open"));
    for command in ["STORE 1 +FLAGS (\\Deleted)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Archive"] {
        assert_eq!(client.tagged(command).await, "a NO the folder is open for reading only");
    }
    client.ok("FETCH 1 BODY[]").await;
    client.ok("COPY 1 Archive").await;
    client.ok("CLOSE").await;
    assert!(!fake.recorded().iter().any(|act| act.starts_with("store") || act.starts_with("expunge")));
}

#[tokio::test]
async fn select_tells_what_is_there() {
    let fake = Fake::with_some(3);
    fake.flag(1, veilpost::mailbox::Flags::SEEN);
    let mut client = Client::logged_in(&fake).await;
    assert_eq!(
        client.ask("SELECT inbox").await,
        [
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)",
            "* 3 EXISTS",
            "* 0 RECENT",
            "* OK [UNSEEN 2] the first that is not seen",
            "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] what stays",
            "* OK [UIDVALIDITY 1000] UIDs are valid",
            "* OK [UIDNEXT 4] the next UID",
            "* OK [HIGHESTMODSEQ 5] mod-sequences are kept",
            "* OK [MAILBOXID (F0)] the folder's identifier",
            "a OK [READ-WRITE] open",
        ]
    );
    client.ok("ENABLE IMAP4rev2").await;
    let again = client.ask("SELECT INBOX").await;
    assert_eq!(again[0], "* OK [CLOSED] the folder before is closed");
    assert!(again.contains(&"* LIST () \"/\" \"INBOX\"".to_owned()), "{again:?}");
    assert!(!again.iter().any(|line| line.contains("RECENT") || line.contains("UNSEEN")), "{again:?}");
    let missing = client.ask("SELECT Missing").await;
    assert_eq!(
        missing,
        ["* OK [CLOSED] the folder before is closed", "a NO [NONEXISTENT] there is no such folder"]
    );
    assert!(client.tagged("FETCH 1 FLAGS").await.starts_with("a BAD "));
}

#[tokio::test]
async fn enable_says_what_is_on() {
    let mut client = Client::logged_in(&Fake::new()).await;
    assert_eq!(client.ok("ENABLE QRESYNC X-OTHER").await, ["* ENABLED QRESYNC"]);
    assert_eq!(client.ok("ENABLE imap4rev2 UTF8=ACCEPT").await, ["* ENABLED IMAP4rev2 UTF8=ACCEPT"]);
    assert_eq!(client.ok("ENABLE X").await, ["* ENABLED"]);
    assert_eq!(client.ok("ID (\"name\" \"x\")").await, ["* ID (\"name\" \"Veilpost\")"]);
    assert_eq!(client.ok("NAMESPACE").await, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
}

#[tokio::test]
async fn what_was_found_is_told_in_two_ways() {
    let mut client = Client::selected(&Fake::with_some(5)).await;
    assert_eq!(client.ok("SEARCH 2:3").await, ["* SEARCH 2 3"]);
    assert_eq!(client.ok("SEARCH SUBJECT \"number 4\"").await, ["* SEARCH 4"]);
    assert_eq!(
        client.ok("UID SEARCH RETURN (MIN MAX COUNT SAVE) 2:4").await,
        ["* ESEARCH (TAG \"a\") UID MIN 2 MAX 4 COUNT 3"]
    );
    assert_eq!(client.ok("SEARCH RETURN (SAVE) BODY \"Text 5\"").await, [] as [&str; 0]);
    assert_eq!(client.ok("FETCH $ (UID)").await, ["* 5 FETCH (UID 5)"]);
    assert_eq!(client.ok("SORT (REVERSE SUBJECT) UTF-8 ALL").await, ["* SORT 5 4 3 2 1"]);
    assert_eq!(
        client.ok("SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 ALL").await,
        ["* ESEARCH (TAG \"a\") ALL 5,4,3,2,1"]
    );
    assert_eq!(client.ok("THREAD REFERENCES UTF-8 1:2").await, ["* THREAD (1)(2)"]);
    client.ok("ENABLE IMAP4rev2").await;
    assert_eq!(client.ok("SEARCH 2:3").await, ["* ESEARCH (TAG \"a\") ALL 2:3"]);
}

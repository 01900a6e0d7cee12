//! Changes: what a session tells its own client and those of others, and when.

use veilpost::gateway::imap::room::AccountError;
use veilpost::mailbox::{Flags, FolderId};

use super::fake::{Fake, Fate};
use super::stage::Client;

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn two_sessions_see_each_other() {
    let fake = Fake::with_some(4);
    let (mut one, mut other) = (Client::selected(&fake).await, Client::selected(&fake).await);
    assert_eq!(
        one.ok("STORE 2 +FLAGS (\\Seen work)").await,
        [
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft work)",
            "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft work \\*)] what stays",
            "* 2 FETCH (FLAGS (\\Seen work))",
        ]
    );
    assert_eq!(other.ok("NOOP").await.last().map(String::as_str), Some("* 2 FETCH (FLAGS (\\Seen work))"));
    assert_eq!(other.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)").await, NOTHING);
    assert_eq!(other.ok("EXPUNGE").await, ["* 3 EXPUNGE", "* 1 EXPUNGE"]);
    // RFC 9051 §7.5.1: not during FETCH, STORE and SEARCH by number.
    assert_eq!(
        one.ok("FETCH 1:4 UID").await,
        ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"]
    );
    fake.flag(4, Flags::FLAGGED);
    assert_eq!(one.ok("SEARCH ALL").await, ["* SEARCH 1 2 3 4", "* 4 FETCH (FLAGS (\\Flagged))"]);
    fake.deliver(b"a: b\r\n\r\n");
    assert_eq!(one.ok("STORE 1 FLAGS (\\Seen)").await[0], "* 5 EXISTS");
    assert_eq!(one.ok("UID SEARCH ALL").await, ["* SEARCH 1 2 3 4 5", "* 3 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(one.ok("NOOP").await, NOTHING);
    assert_eq!(
        one.ok("FETCH 1:* UID").await,
        ["* 1 FETCH (UID 2)", "* 2 FETCH (UID 4)", "* 3 FETCH (UID 5)"]
    );
}

#[tokio::test]
async fn gone_messages_are_no_error_to_those_that_are_there() {
    let fake = Fake::with_some(3);
    let mut client = Client::selected(&fake).await;
    fake.expunge_now(&[2]);
    let answer = client.ask("FETCH 1:3 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    assert!(answer.iter().any(|line| line.starts_with("* 3 FETCH (UID 3 ")), "{answer:?}");
    assert!(!answer.iter().any(|line| line.starts_with("* 2 ")), "{answer:?}");
    assert!(answer.last().is_some_and(|last| last.starts_with("a OK [EXPUNGEISSUED] ")), "{answer:?}");
    assert_eq!(client.ok("NOOP").await, ["* 2 EXPUNGE"]);
}

#[tokio::test]
async fn damaged_messages_are_passed_over() {
    let fake = Fake::with_some(1);
    fake.deliver_with(b"Subject: x\r\n\r\nDamaged\r\n", Fate::Damaged);
    fake.deliver(b"Subject: y\r\n\r\nWhole\r\n");
    let mut client = Client::selected(&fake).await;
    let answer = client.ask("FETCH 1:3 BODY.PEEK[TEXT]").await;
    assert!(answer.iter().any(|line| line == "Whole"), "{answer:?}");
    assert!(answer.last().is_some_and(|last| last.starts_with("a NO [SERVERBUG] ")), "{answer:?}");
    client.ok("NOOP").await;
}

#[tokio::test]
async fn what_breaks_off_ends_the_session_without_a_word() {
    let fake = Fake::new();
    let large = [b"Subject: x\r\n\r\n".as_slice(), &b"0123456789abcd\r\n".repeat(60_000)].concat();
    fake.deliver_with(&large, Fate::BreaksOff(900_000));
    let mut client = Client::selected(&fake).await;
    client.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
    let (rest, end) = client.rest().await;
    assert!(rest.starts_with("* 1 FETCH (BODY[] {960014}\r\nSubject: x\r\n"), "{}", &rest[..100]);
    assert!(!rest.contains("BYE") && !rest.contains("a OK") && rest.len() < 960_014);
    assert_eq!(end, veilpost::gateway::imap::SessionEnd::BrokenOff);
}

#[tokio::test]
async fn reading_marks_as_seen() {
    let fake = Fake::with([b"Subject: x\r\n\r\nText\r\n".as_slice()]);
    let (mut one, mut other) = (Client::selected(&fake).await, Client::selected(&fake).await);
    assert_eq!(one.ok("FETCH 1 BODY[TEXT]").await, ["* 1 FETCH (BODY[TEXT] {6}", "Text", " FLAGS (\\Seen))"]);
    assert_eq!(one.ok("NOOP").await, NOTHING);
    assert_eq!(one.ok("FETCH 1 BODY[TEXT]").await, ["* 1 FETCH (BODY[TEXT] {6}", "Text", ")"]);
    assert_eq!(other.ok("NOOP").await, ["* 1 FETCH (FLAGS (\\Seen))"]);
}

/// RFC 7162 §3.1.3.
#[tokio::test]
async fn stores_can_have_a_condition() {
    let fake = Fake::with_some(3);
    let mut client = Client::selected(&fake).await;
    fake.flag(2, Flags::FLAGGED);
    let answer = client.ask("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)").await;
    assert_eq!(
        answer,
        [
            "* 1 FETCH (FLAGS (\\Seen) MODSEQ (6))",
            "* 2 FETCH (FLAGS (\\Flagged) MODSEQ (5))",
            "* 3 FETCH (FLAGS (\\Seen) MODSEQ (7))",
            "* OK [HIGHESTMODSEQ 7] mod-sequences are told from now on",
            "a OK [MODIFIED 2] stored",
        ]
    );
    assert_eq!(
        client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6)").await,
        ["* 3 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (7))"]
    );
}

#[tokio::test]
async fn what_another_changed_is_told_in_spite_of_silence() {
    let fake = Fake::with_some(1);
    let mut client = Client::selected(&fake).await;
    fake.flag(1, Flags::FLAGGED);
    assert_eq!(client.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await, ["* 1 FETCH (FLAGS (\\Seen \\Flagged))"]);
    assert_eq!(client.ok("STORE 1 -FLAGS.SILENT (\\Seen)").await, NOTHING);
    assert_eq!(client.ok("STORE 1 FLAGS (\\Flagged)").await, ["* 1 FETCH (FLAGS (\\Flagged))"]);
}

#[tokio::test]
async fn copies_and_moves_tell_the_uids() {
    let fake = Fake::with_some(4);
    let mut client = Client::selected(&fake).await;
    assert_eq!(client.tagged("COPY 2:3 Archive").await, "a OK [COPYUID 1005 2:3 1:2] copied");
    assert_eq!(client.tagged("UID COPY 9 Archive").await, "a OK copied");
    assert_eq!(client.tagged("COPY 1 Missing").await, "a NO [TRYCREATE] there is no such folder");
    assert_eq!(
        client.ask("MOVE 1,3 Archive").await,
        ["* OK [COPYUID 1005 1,3 3:4] moved", "* 3 EXPUNGE", "* 1 EXPUNGE", "a OK moved",]
    );
    client.ok("ENABLE QRESYNC").await;
    let answer = client.ask("UID MOVE 1:* Trash").await;
    assert_eq!(answer[..2], ["* OK [COPYUID 1004 2,4 1:2] moved", "* VANISHED 2,4"]);
    assert!(answer[2].starts_with("a OK [HIGHESTMODSEQ "), "{answer:?}");
    assert_eq!(fake.roll_now(FolderId::ARCHIVE).entries.len(), 4);
}

#[tokio::test]
async fn expunges_tell_the_mod_sequence() {
    let fake = Fake::with_some(3);
    let mut client = Client::selected(&fake).await;
    client.ok("ENABLE QRESYNC").await;
    client.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(client.ask("UID EXPUNGE 2").await, ["* VANISHED 2", "a OK [HIGHESTMODSEQ 8] expunged"]);
    assert_eq!(client.ask("UID EXPUNGE 2").await, ["a OK expunged"]);
    assert_eq!(client.ask("CLOSE").await, ["a OK closed"]);
    assert_eq!(fake.roll_now(FolderId::INBOX).entries.len(), 0);
}

#[tokio::test]
async fn appends_tell_the_uid() {
    let fake = Fake::with_some(1);
    let mut client = Client::selected(&fake).await;
    client.send(b"a APPEND INBOX (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {12}\r\n").await;
    assert!(client.line().await.starts_with("+ "));
    client.send(b"Subject: x\r\n\r\n").await;
    assert_eq!(client.answer().await, ["* 2 EXISTS", "a OK [APPENDUID 1000 2] appended"]);
    assert_eq!(
        client.ok("FETCH 2 (FLAGS INTERNALDATE)").await,
        ["* 2 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\")"]
    );
    // As Dovecot's imapc has it, where there are keywords alone.
    client.send(b"a APPEND \"INBOX\" ( NonJunk $NotJunk) \"30-Nov-2026 10:40:52 +0000\" {12}\r\n").await;
    assert!(client.line().await.starts_with("+ "));
    client.send(b"Subject: y\r\n\r\n").await;
    assert_eq!(client.answer().await.last().expect("an answer"), "a OK [APPENDUID 1000 3] appended");
    assert!(client.ok("FETCH 3 FLAGS").await[0].contains("(NonJunk $NotJunk)"));
    assert_eq!(client.tagged("APPEND Missing {1+}\r\nx").await, "a NO [TRYCREATE] there is no such folder");
    assert_eq!(client.tagged("APPEND INBOX {100001}").await, "a NO [TOOBIG] the message is too large");
    client.send(b"a APPEND INBOX {200000+}\r\n").await;
    client.send(&[b'x'; 200_000]).await;
    client.send(b"\r\n").await;
    assert_eq!(client.answer().await, ["a NO [TOOBIG] the message is too large"]);
    client.ok("NOOP").await;
}

#[tokio::test]
async fn idling_clients_hear_at_once() {
    let fake = Fake::with_some(2);
    let (mut idler, mut other) = (Client::selected(&fake).await, Client::selected(&fake).await);
    idler.send(b"a IDLE\r\n").await;
    assert_eq!(idler.line().await, "+ idling");
    fake.deliver(b"a: b\r\n\r\n");
    assert_eq!(idler.line().await, "* 3 EXISTS");
    other.ok("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(idler.line().await, "* 1 FETCH (FLAGS (\\Deleted))");
    other.ok("EXPUNGE").await;
    assert_eq!(idler.line().await, "* 1 EXPUNGE");
    idler.send(b"done\r\n").await;
    assert_eq!(idler.answer().await, ["a OK no longer idling"]);
    idler.send(b"a IDLE\r\nwhat\r\n").await;
    assert_eq!(idler.answer().await, ["+ idling", "a BAD an IDLE ends with DONE"]);
}

#[tokio::test]
async fn a_view_that_changes_ends_the_session() {
    let fake = Fake::with_some(1);
    let mut client = Client::selected(&fake).await;
    client.send(b"a IDLE\r\n").await;
    client.line().await;
    fake.fail(AccountError::Revoked);
    assert_eq!(client.rest().await.0, "* BYE this password has been revoked\r\n");
    let mut client = Client::selected(&fake).await;
    fake.fail(AccountError::Changed);
    client.send(b"a NOOP\r\n").await;
    assert_eq!(client.rest().await.0, "* BYE this view has changed, connect again\r\n");
    let mut client = Client::selected(&fake).await;
    fake.fail(AccountError::Unavailable);
    assert!(client.tagged("NOOP").await.starts_with("a NO [UNAVAILABLE] "));
    client.ok("NOOP").await;
}

/// RFC 7162 §3.2.5.
#[tokio::test]
async fn clients_that_come_back_hear_what_they_missed() {
    let fake = Fake::with_some(6);
    let mod_seq = fake.roll_now(FolderId::INBOX).highest_mod_seq;
    fake.expunge_now(&[2, 5]);
    fake.flag(3, Flags::SEEN);
    fake.deliver(b"a: b\r\n\r\n");
    let news = ["* VANISHED (EARLIER) 2,5", "* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (10))"];
    for forgets in [false, true] {
        if forgets {
            fake.forget();
        }
        let mut client = Client::logged_in(&fake).await;
        assert!(client.tagged("SELECT INBOX (QRESYNC (1000 1))").await.starts_with("a BAD "));
        client.ok("ENABLE QRESYNC").await;
        let answer = client.ok(&format!("SELECT INBOX (QRESYNC (1000 {mod_seq} 1:6))")).await;
        assert!(answer.ends_with(&news.map(str::to_owned)), "{answer:#?}");
        let other = client.ok(&format!("SELECT INBOX (QRESYNC (999 {mod_seq} 1:6))")).await;
        assert!(!other.iter().any(|line| line.contains("VANISHED") || line.contains("FETCH")), "{other:#?}");
        let some = client.ok(&format!("SELECT INBOX (QRESYNC (1000 {mod_seq} 4:6))")).await;
        assert!(some.ends_with(&["* VANISHED (EARLIER) 5".to_owned()]), "{some:#?}");
        // RFC 7162 §3.2.6.
        assert_eq!(
            client.ok(&format!("UID FETCH 1:6 (FLAGS) (CHANGEDSINCE {mod_seq} VANISHED)")).await,
            news
        );
        assert!(client.tagged("FETCH 1:2 (FLAGS) (CHANGEDSINCE 1 VANISHED)").await.starts_with("a BAD "));
    }
}

#[tokio::test]
async fn uid_fetch_can_be_partial() {
    let mut client = Client::selected(&Fake::with_some(5)).await;
    assert_eq!(
        client.ok("UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)").await,
        ["* 4 FETCH (UID 4 FLAGS ())", "* 5 FETCH (UID 5 FLAGS ())"]
    );
    assert_eq!(client.ok("UID FETCH 1:* (FLAGS) (PARTIAL 2:2)").await, ["* 2 FETCH (UID 2 FLAGS ())"]);
}

/// RFC 7162 §3.1: once, with the first command that enables it.
#[tokio::test]
async fn the_first_word_of_mod_sequences_brings_the_highest() {
    for command in [
        "FETCH 1 (MODSEQ)",
        "UID FETCH 1 (FLAGS) (CHANGEDSINCE 0)",
        "SEARCH MODSEQ 0",
        "STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "ENABLE CONDSTORE",
        "ENABLE QRESYNC",
    ] {
        let mut client = Client::selected(&Fake::with_some(2)).await;
        let is_note = |line: &&String| line.starts_with("* OK [HIGHESTMODSEQ 3]");
        let answer = client.ask(command).await;
        assert_eq!(answer.iter().filter(is_note).count(), 1, "{command}: {answer:?}");
        assert_eq!(client.ask(command).await.iter().filter(is_note).count(), 0, "{command}");
        let again = client.ask("SELECT INBOX (CONDSTORE)").await;
        assert_eq!(again.iter().filter(is_note).count(), 1, "SELECT says it once: {again:?}");
    }
}

/// Clients without a mod-sequence ask from 0 on, and get all; without a UIDVALIDITY they match nothing.
#[tokio::test]
async fn from_zero_on_is_everything() {
    let mut client = Client::logged_in(&Fake::with_some(2)).await;
    client.ok("ENABLE QRESYNC").await;
    let answer = client.ok("SELECT INBOX (QRESYNC (1000 0))").await;
    assert!(answer.contains(&"* 1 FETCH (UID 1 FLAGS () MODSEQ (2))".to_owned()), "{answer:?}");
    let told = |answer: Vec<String>| answer.iter().filter(|line| line.contains(" FETCH ")).count();
    assert_eq!(told(client.ok("SELECT INBOX (QRESYNC (0 0))").await), 0);
    assert_eq!(told(client.ok("SELECT INBOX (QRESYNC 1000 0)").await), 2);
    assert_eq!(told(client.ok("SELECT INBOX QRESYNC (1000 2)").await), 1);
    assert_eq!(told(client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0 VANISHED)").await), 2);
    assert_eq!(told(client.ok("FETCH 1:* FAST (CHANGEDSINCE 0)").await), 2);
    assert!(client.tagged("STORE 1 (UNCHANGEDSINCE 0) +FLAGS (x)").await.starts_with("a OK [MODIFIED 1] "));
}

/// RFC 7162 §3.2.4.
#[tokio::test]
async fn every_fetch_has_a_uid_once_qresync_is_on() {
    let fake = Fake::with_some(2);
    let mut client = Client::selected(&fake).await;
    client.ok("ENABLE QRESYNC").await;
    assert_eq!(client.ok("FETCH 2 (FLAGS)").await, ["* 2 FETCH (UID 2 FLAGS () MODSEQ (3))"]);
    assert_eq!(client.ok("STORE 1 +FLAGS (\\Seen)").await, ["* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (4))"]);
    fake.flag(2, Flags::FLAGGED);
    assert_eq!(client.ok("NOOP").await, ["* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (5))"]);
    let answer = client.ok("FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]").await;
    assert!(answer[0].starts_with("* 2 FETCH (UID 2 "), "{answer:?}");
}

/// BAD says which argument is wrong.
#[tokio::test]
async fn bad_names_the_argument() {
    let mut client = Client::selected(&Fake::with_some(1)).await;
    for (command, text) in [
        ("SEARCH SINCE yesterday", "a BAD the date is none, dates are like 1-Feb-2026"),
        ("FETCH 1 (FOO)", "a BAD the item of FETCH is none"),
        ("COPY 0 x", "a BAD the message numbers or UIDs are no set"),
        ("STORE 1 FOO ()", "a BAD the item of STORE is none, FLAGS, +FLAGS and -FLAGS are"),
        ("SELECT", "a BAD an argument is missing"),
    ] {
        assert_eq!(client.tagged(command).await, text);
    }
}

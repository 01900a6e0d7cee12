//! From the login to QUIT.

use veilpost::gateway::pop3::SessionEnd;

use super::fakes::{Fake, Message};
use super::stage::{Client, Door, Stage, settings};

const GONE: &str = "-ERR no such message";

async fn logged_in(fake: &Fake) -> (Stage, Client) {
    let stage = Stage::open(Door::Tls, fake.clone(), settings()).await;
    let client = stage.logged_in().await;
    (stage, client)
}

fn three() -> Fake {
    Fake::with([
        b"Subject: one\r\n\r\nfirst\r\nsecond\r\n".to_vec(),
        b"Subject: two\r\n\r\n.\r\n..\r\n.dot\r\n".to_vec(),
        b"Subject: three\n\nbare\n.\nend".to_vec(),
    ])
}

#[tokio::test]
async fn a_maildrop_is_listed_and_fetched() {
    let fake = three();
    let (mut stage, mut client) = logged_in(&fake).await;
    assert_eq!(client.ask("STAT").await, "+OK 3 86");
    assert_eq!(client.ask_lines("LIST").await[1..], ["1 31", "2 29", "3 26"]);
    assert_eq!(client.ask("LIST 2").await, "+OK 2 29");
    assert_eq!(client.ask("UIDL 1").await, "+OK 1 00000000000000000000000000");
    assert_eq!(client.ask_lines("UIDL").await[2], "2 00000000000020000000000000");
    let first = client.ask_lines("RETR 1").await;
    assert_eq!(first, ["+OK 31 octets", "Subject: one", "", "first", "second"]);
    assert_eq!(client.ask_lines("RETR 0002").await[1..], ["Subject: two", "", ".", "..", ".dot"]);
    assert_eq!(client.ask_lines("TOP 1 1").await[1..], ["Subject: one", "", "first"]);
    assert_eq!(client.ask_lines("TOP 1 0").await[1..], ["Subject: one", ""]);
    assert_eq!(client.ask("NOOP").await, "+OK here");
    assert_eq!(client.ask("QUIT").await, "+OK goodbye");
    assert_eq!(stage.end().await, SessionEnd::Quit);
    let acts = [
        "open",
        "snapshot",
        "retrieve 0 Whole",
        "retrieve 1 Whole",
        "retrieve 0 Top { lines: 1 }",
        "retrieve 0 Top { lines: 0 }",
    ];
    assert_eq!(fake.recorded(), acts);
}

#[tokio::test]
async fn a_message_with_bare_line_ends_goes_out_octet_for_octet() {
    let (_stage, mut client) = logged_in(&three()).await;
    client.send(b"RETR 3\r\nQUIT\r\n").await;
    let answer = client.rest().await;
    assert_eq!(answer, "+OK 26 octets\r\nSubject: three\n\nbare\n..\nend\r\n.\r\n+OK goodbye\r\n");
}

#[tokio::test]
async fn numbers_that_no_message_has() {
    let (_stage, mut client) = logged_in(&three()).await;
    for number in ["0", "4", "00000000", "4294967295", "4294967297", "18446744073709551617"] {
        for command in ["LIST", "UIDL", "RETR", "DELE"] {
            assert_eq!(client.ask(&format!("{command} {number}")).await, GONE, "{command} {number}");
        }
        assert_eq!(client.ask(&format!("TOP {number} 1")).await, GONE);
    }
    for command in ["RETR -1", "RETR x", "RETR", "TOP 1", "TOP 1 -1", "LIST 1 2"] {
        assert!(client.ask(command).await.starts_with("-ERR the arguments"), "{command}");
    }
}

#[tokio::test]
async fn deleted_messages_are_inaccessible_until_reset() {
    let fake = three();
    let (mut stage, mut client) = logged_in(&fake).await;
    assert_eq!(client.ask("DELE 2").await, "+OK marked as deleted");
    for command in ["LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"] {
        assert_eq!(client.ask(command).await, GONE, "{command}");
    }
    assert_eq!(client.ask("STAT").await, "+OK 2 57");
    assert_eq!(client.ask_lines("LIST").await[1..], ["1 31", "3 26"]);
    assert_eq!(client.ask_lines("UIDL").await.len(), 3);
    assert!(client.ask("RSET").await.starts_with("+OK"));
    assert_eq!(client.ask("STAT").await, "+OK 3 86");
    client.ask("DELE 1").await;
    client.ask("DELE 3").await;
    assert_eq!(client.ask("QUIT").await, "+OK goodbye");
    assert_eq!(stage.end().await, SessionEnd::Quit);
    assert_eq!(fake.recorded().last().map(String::as_str), Some("delete [0, 2]"));
    assert_eq!(fake.present(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_deletes_nothing() {
    let fake = three();
    let (mut stage, mut client) = logged_in(&fake).await;
    client.ask("DELE 1").await;
    drop(client);
    assert_eq!(stage.end().await, SessionEnd::Vanished);
    assert_eq!(fake.present(), 3);
}

#[tokio::test]
async fn a_quit_whose_client_is_gone_still_counts() {
    let fake = three();
    let (mut stage, mut client) = logged_in(&fake).await;
    client.send(b"DELE 1\r\nQUIT\r\n").await;
    drop(client);
    assert_eq!(stage.end().await, SessionEnd::Quit);
    assert_eq!(fake.present(), 2);
}

#[tokio::test]
async fn a_deletion_that_fails_is_told() {
    let fake = Fake { deletion_fails: true, ..three() };
    let (mut stage, mut client) = logged_in(&fake).await;
    client.ask("DELE 1").await;
    client.send(b"QUIT\r\n").await;
    assert_eq!(client.rest().await, "-ERR [SYS/TEMP] some deleted messages not removed\r\n");
    assert_eq!(stage.end().await, SessionEnd::Quit);
}

#[tokio::test]
async fn the_listing_is_loaded_when_it_is_asked_for() {
    let fake = three();
    let (_stage, mut client) = logged_in(&fake).await;
    client.ask("NOOP").await;
    client.ask("RSET").await;
    client.ask_lines("CAPA").await;
    assert_eq!(fake.recorded(), ["open"]);
    client.ask("STAT").await;
    client.ask("STAT").await;
    assert_eq!(fake.recorded(), ["open", "snapshot"]);
}

#[tokio::test]
async fn an_outage_of_the_store_is_temporary() {
    let (_stage, mut client) = logged_in(&Fake { listing_fails: true, ..three() }).await;
    for command in ["STAT", "LIST", "UIDL 1", "RETR 1"] {
        assert!(client.ask(command).await.starts_with("-ERR [SYS/TEMP] "), "{command}");
    }
    assert_eq!(client.ask("QUIT").await, "+OK goodbye");
}

#[tokio::test]
async fn a_damaged_message_is_told_and_the_others_are_served() {
    let fake = Fake::with_messages([Message::Damaged, Message::Whole(b"A: 1\r\n\r\n".to_vec())]);
    let (_stage, mut client) = logged_in(&fake).await;
    let told = "-ERR [SYS/PERM] message is damaged, the vault's owner has been told";
    assert_eq!(client.ask("RETR 1").await, told);
    assert_eq!(client.ask("TOP 1 0").await, told);
    assert_eq!(client.ask_lines("RETR 2").await.len(), 3);
}

#[tokio::test]
async fn a_message_that_breaks_off_never_looks_complete() {
    let fake = Fake::with_messages([Message::BreaksOff(b"A: 1\r\n\r\nhalf\r\n".to_vec())]);
    let (mut stage, mut client) = logged_in(&fake).await;
    client.send(b"RETR 1\r\nNOOP\r\n").await;
    assert!(!client.rest().await.contains("\r\n.\r\n"));
    assert_eq!(stage.end().await, SessionEnd::BrokenOff);
}

#[tokio::test]
async fn a_revoked_credential_ends_the_session() {
    let (mut stage, mut client) = logged_in(&Fake::with_messages([Message::Revoked])).await;
    client.send(b"RETR 1\r\nNOOP\r\n").await;
    assert_eq!(client.rest().await, "-ERR [AUTH] this password has been revoked\r\n");
    assert_eq!(stage.end().await, SessionEnd::BrokenOff);
}

#[tokio::test]
async fn two_sessions_share_a_view() {
    let fake = three();
    let (stage, mut first) = logged_in(&fake).await;
    let mut second = stage.logged_in().await;
    assert_eq!(second.ask("STAT").await, "+OK 3 86");
    first.ask("DELE 1").await;
    first.ask("QUIT").await;
    assert_eq!(second.ask("STAT").await, "+OK 3 86");
    assert_eq!(second.ask("RETR 1").await, "-ERR the message is gone");
    assert_eq!(second.ask("DELE 1").await, "+OK marked as deleted");
    assert_eq!(second.ask("QUIT").await, "+OK goodbye");
    assert_eq!(stage.logged_in().await.ask("STAT").await, "+OK 2 55");
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let (_stage, mut client) = logged_in(&three()).await;
    client.send(b"STAT\r\nLIST 1\r\nBOGUS\r\nTOP 2 0\r\nDELE 1\r\nSTAT\r\nQUIT\r\nNOOP\r\n").await;
    let expected = "+OK 3 86\r\n+OK 1 31\r\n-ERR unknown command\r\n+OK 29 octets\r\nSubject: two\r\n\r\n.\r\n\
                    +OK marked as deleted\r\n+OK 2 55\r\n+OK goodbye\r\n";
    assert_eq!(client.rest().await, expected);
}

#[tokio::test]
async fn login_commands_are_over() {
    let (_stage, mut client) = logged_in(&three()).await;
    for command in ["USER a", "PASS b", "AUTH PLAIN", "AUTH", "STLS", "UTF8"] {
        assert!(client.ask(command).await.starts_with("-ERR not now"), "{command}");
    }
    assert_eq!(client.ask("APOP a b").await, "-ERR unknown command");
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let content =
        b"A: 1\r\n\r\n".to_vec().into_iter().chain(b".line\r\n".repeat(300_000)).collect::<Vec<_>>();
    let (_stage, mut client) = logged_in(&Fake::with([content.clone()])).await;
    let lines = client.ask_lines("RETR 1").await;
    assert_eq!(lines[0], format!("+OK {} octets", content.len()));
    assert_eq!((lines[1..].join("\r\n") + "\r\n").as_bytes(), content);
}

#[tokio::test]
async fn a_hundred_thousand_messages_are_listed() {
    let fake = Fake::with(std::iter::repeat_n(b"x".to_vec(), 100_000));
    let (_stage, mut client) = logged_in(&fake).await;
    assert_eq!(client.ask("STAT").await, "+OK 100000 100000");
    let sizes = client.ask_lines("LIST").await;
    assert_eq!((sizes.len(), sizes[100_000].as_str()), (100_001, "100000 1"));
    assert_eq!(client.ask_lines("UIDL").await.len(), 100_001);
}

/// Law 2 of the design, as far as the gateway goes: views that are equal give equal transcripts.
#[tokio::test]
async fn equal_views_give_identical_transcripts() {
    let mut commands = vec!["CAPA", "STAT", "LIST", "UIDL", "RETR 4", "TOP x 1", "BOGUS", "LIST 0"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for number in 1..=3 {
        for command in ["LIST #", "UIDL #", "TOP # 0", "TOP # 1", "TOP # 9", "RETR #", "TOP #", "RETR # #"] {
            commands.push(command.replace('#', &number.to_string()));
        }
        for command in ["DELE #", "DELE #", "STAT", "LIST", "UIDL #", "RETR #", "NOOP", "TOP # 0", "LIST #"] {
            commands.push(command.replace('#', &number.to_string()));
        }
    }
    commands.extend(["RSET", "STAT", "UIDL", "LIST", "DELE 3", "STAT", "QUIT"].map(str::to_owned));
    assert!(commands.len() >= 60);
    let mut transcripts = Vec::new();
    for fake in [three(), Fake { first_handle: 1_000_000, ..three() }] {
        let (_stage, mut client) = logged_in(&fake).await;
        client.send((commands.join("\r\n") + "\r\n").as_bytes()).await;
        transcripts.push(client.rest().await);
    }
    assert!(transcripts[0].ends_with("+OK goodbye\r\n"));
    assert_eq!(transcripts[0], transcripts[1]);
}

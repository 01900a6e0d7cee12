//! Clients that are slow, silent, hasty or hostile; servers that stop.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use veilpost::gateway::imap::{SessionEnd, Settings};

use super::fake::Fake;
use super::stage::{Client, settings};

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let mut client = Client::selected(&Fake::with_some(2)).await;
    let commands: String = (0..500).map(|number| format!("t{number} FETCH 1 UID\r\n")).collect();
    client.send(commands.as_bytes()).await;
    for number in 0..500 {
        assert_eq!(client.line().await, "* 1 FETCH (UID 1)");
        assert_eq!(client.line().await, format!("t{number} OK fetched"));
    }
}

#[tokio::test]
async fn garbage_is_answered_and_then_sent_away() {
    let mut client = Client::selected(&Fake::with_some(1)).await;
    client.send(b"a NO\0OP\r\n\xff\xfe\r\n\r\na \r\n").await;
    for _ in 0..4 {
        let line = client.line().await;
        assert!(line.contains(" BAD "), "{line}");
    }
    client.ok("NOOP").await;
    client.send(&b"a FROB\r\n".repeat(20)).await;
    let (rest, end) = client.rest().await;
    assert_eq!(rest.matches("a BAD unknown command").count(), 20);
    assert!(rest.ends_with("* BYE too many commands or errors\r\n"), "{rest}");
    assert_eq!(end, SessionEnd::Expelled);
}

#[tokio::test]
async fn a_shutdown_is_announced() {
    let client = Client::selected(&Fake::new()).await;
    client.shutdown.cancel();
    assert_eq!(
        client.rest().await,
        ("* BYE [UNAVAILABLE] shutting down\r\n".to_owned(), SessionEnd::Shutdown)
    );
    let mut idler = Client::selected(&Fake::new()).await;
    idler.send(b"a IDLE\r\n").await;
    idler.line().await;
    idler.shutdown.cancel();
    assert_eq!(idler.rest().await.1, SessionEnd::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn silence_has_its_limit() {
    for command in [&b""[..], b"a IDLE\r\n"] {
        let mut client = Client::selected(&Fake::new()).await;
        client.send(command).await;
        let (mut stream, session) = client.into_parts();
        tokio::time::sleep(Duration::from_secs(29 * 60)).await;
        assert!(!session.is_finished());
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(session.await.expect("it ends"), SessionEnd::TimedOut);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.expect("readable");
        assert!(rest.ends_with("* BYE silent for too long\r\n"), "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_dropped() {
    let fake = Fake::with([vec![b'x'; 3_000_000].as_slice()]);
    let mut client = Client::selected(&fake).await;
    client.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
    let (stream, session) = client.into_parts();
    assert_eq!(session.await.expect("it ends"), SessionEnd::TimedOut);
    drop(stream);
}

#[tokio::test]
async fn a_session_can_be_compressed() {
    let fake = Fake::with_some(200);
    let mut client = Client::selected(&fake).await;
    assert_eq!(client.tagged("COMPRESS DEFLATE").await, "a OK DEFLATE is on");
    let mut client = client.deflated();
    let capabilities = client.ok("CAPABILITY").await;
    assert!(!capabilities[0].contains("COMPRESS"), "{capabilities:?}");
    assert_eq!(client.tagged("COMPRESS DEFLATE").await, "a NO [COMPRESSIONACTIVE] DEFLATE is already on");
    assert_eq!(client.ok("FETCH 1:* (UID FLAGS ENVELOPE)").await.len(), 200);
    client.send(b"a IDLE\r\n").await;
    assert_eq!(client.line().await, "+ idling");
    fake.deliver(b"a: b\r\n\r\n");
    assert_eq!(client.line().await, "* 201 EXISTS");
    client.send(b"DONE\r\n").await;
    assert_eq!(client.answer().await, ["a OK no longer idling"]);
    assert_eq!(client.ask("LOGOUT").await, ["* BYE goodbye", "a OK logged out"]);
}

#[tokio::test]
async fn compression_is_a_setting() {
    let mut client = Client::connect(&Fake::new(), Settings { compress: false, ..settings() });
    client.line().await;
    client.log_in().await;
    assert_eq!(client.tagged("COMPRESS DEFLATE").await, "a NO [CANNOT] COMPRESS is not offered here");
    let mut client = Client::logged_in(&Fake::new()).await;
    client.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n").await;
    assert_eq!(client.line().await, "a BAD nothing may follow COMPRESS before its answer");
    assert_eq!(client.line().await, "b OK done");
}

#[tokio::test]
async fn a_client_that_vanishes_changes_nothing() {
    let fake = Fake::with_some(2);
    let mut client = Client::selected(&fake).await;
    client.send(b"a STORE 1 +FLAGS (\\Deleted)\r\na APPEND INBOX {100}\r\n").await;
    client.answer().await;
    let (stream, session) = client.into_parts();
    drop(stream);
    assert_eq!(session.await.expect("it ends"), SessionEnd::Vanished);
    assert_eq!(fake.roll_now(veilpost::mailbox::FolderId::INBOX).entries.len(), 2);
}

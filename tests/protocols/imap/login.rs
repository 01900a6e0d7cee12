//! From the greeting to the login.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use veilpost::gateway::imap::{Protection, SessionEnd, Settings};

use super::fake::{Fake, LOGIN, PASSWORD};
use super::stage::{Client, Tls, settings};

#[tokio::test]
async fn without_tls_there_is_no_login() {
    let mut client = Tls::new().plain_client(&Fake::new()).await;
    let greeting = client.line().await;
    assert_eq!(
        greeting,
        "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED] IMAP ready"
    );
    let refused = "a NO [PRIVACYREQUIRED] no login without TLS: use port 993, or STARTTLS first";
    assert_eq!(client.tagged(&format!("LOGIN {LOGIN} \"{PASSWORD}\"")).await, refused);
    assert_eq!(client.tagged("AUTHENTICATE PLAIN").await, refused);
}

#[tokio::test]
async fn starttls_and_then_login() {
    let (tls, fake) = (Tls::new(), Fake::with_some(1));
    let mut client = tls.plain_client(&fake).await;
    client.line().await;
    assert_eq!(client.tagged("STARTTLS").await, "a OK begin TLS");
    let mut client = tls.start(client).await;
    let capabilities = client.ok("CAPABILITY").await;
    assert_eq!(
        capabilities,
        ["* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN AUTH=LOGIN"]
    );
    assert!(client.tagged("STARTTLS").await.starts_with("a BAD "));
    client.log_in().await;
    assert!(client.ok("SELECT INBOX").await.contains(&"* 1 EXISTS".to_owned()));
}

/// CVE-2011-0411.
#[tokio::test]
async fn octets_ahead_of_tls_end_the_session() {
    let mut client = Tls::new().plain_client(&Fake::new()).await;
    client.line().await;
    client.send(b"a STARTTLS\r\nb NOOP\r\n").await;
    let (rest, end) = client.rest().await;
    assert_eq!((rest.as_str(), end), ("a OK begin TLS\r\n", SessionEnd::TlsFailed));
}

#[tokio::test]
async fn all_ways_to_log_in() {
    let plain = STANDARD.encode(format!("\0{LOGIN}\0{PASSWORD}"));
    let (name, password) = (STANDARD.encode(LOGIN), STANDARD.encode(PASSWORD));
    for dialogue in [
        vec![format!("a AUTHENTICATE PLAIN {plain}")],
        vec!["a AUTHENTICATE plain".to_owned(), plain],
        vec!["a AUTHENTICATE LOGIN".to_owned(), name.clone(), password.clone()],
        vec![format!("a AUTHENTICATE LOGIN {name}"), password],
        vec![format!("a LOGIN {{{}}}", LOGIN.len()), format!("{LOGIN} \"{PASSWORD}\"")],
    ] {
        let mut client = Client::greeted(&Fake::new()).await;
        for line in &dialogue[..dialogue.len() - 1] {
            client.send(format!("{line}\r\n").as_bytes()).await;
            assert!(client.line().await.starts_with("+ "), "{dialogue:?}");
        }
        client.send(format!("{}\r\n", dialogue[dialogue.len() - 1]).as_bytes()).await;
        let answer = client.line().await;
        assert!(answer.starts_with("a OK [CAPABILITY IMAP4rev1 IMAP4rev2 "), "{answer}");
        for word in [" APPENDLIMIT=100000", " COMPRESS=DEFLATE", " QRESYNC", " UTF8=ACCEPT"] {
            assert!(answer.contains(word), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_exchange_can_be_cancelled() {
    let mut client = Client::greeted(&Fake::new()).await;
    client.send(b"a AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(client.line().await, "+ ");
    client.send(b"*\r\n").await;
    assert_eq!(client.line().await, "a BAD cancelled, as you wish");
    assert!(client.tagged("AUTHENTICATE SCRAM-SHA-256").await.starts_with("a NO [CANNOT] "));
    client.log_in().await;
}

#[tokio::test]
async fn wrong_passwords_are_counted() {
    let mut client = Client::greeted(&Fake::new()).await;
    let refused = "a NO [AUTHENTICATIONFAILED] name or password is wrong";
    assert_eq!(client.tagged("LOGIN nobody x").await, refused);
    assert_eq!(client.tagged(&format!("LOGIN {LOGIN} x")).await, refused);
    client.send(b"a LOGIN a b\r\n").await;
    let (rest, end) = client.rest().await;
    assert_eq!(rest, format!("{refused}\r\n* BYE too many commands or errors\r\n"));
    assert_eq!(end, SessionEnd::Expelled);
}

#[tokio::test]
async fn other_protocols_are_sent_away() {
    let mut client = Client::connect(&Fake::new(), settings());
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\n\r\n").await;
    let (rest, end) = client.rest().await;
    assert!(rest.ends_with("* BYE too many commands or errors\r\n"), "{rest}");
    assert_eq!(end, SessionEnd::Expelled);
}

#[tokio::test]
async fn commands_before_the_login_are_counted() {
    let mut client = Client::greeted(&Fake::new()).await;
    client.send(&b"a NOOP\r\n".repeat(31)).await;
    let (rest, end) = client.rest().await;
    assert_eq!(rest.lines().filter(|line| line.starts_with("a OK")).count(), 30);
    assert_eq!(end, SessionEnd::Expelled);
}

#[tokio::test(start_paused = true)]
async fn a_login_takes_its_time_at_most() {
    let settings = Settings { protection: Protection::TlsOrUnixSocket, ..Settings::default() };
    let mut client = Client::connect(&Fake::new(), settings);
    client.line().await;
    client.send(b"a LOG").await;
    let (parts, session) = client.into_parts();
    tokio::time::sleep(std::time::Duration::from_secs(121)).await;
    assert_eq!(session.await.expect("it ends"), SessionEnd::TimedOut);
    drop(parts);
}

#[tokio::test]
async fn before_login_literals_are_small() {
    let mut client = Client::greeted(&Fake::new()).await;
    assert!(client.tagged("LOGIN {2000}").await.starts_with("a BAD [TOOBIG] "));
    client.send(b"a LOGIN {2000+}\r\n").await;
    client.send(&[b'x'; 2000]).await;
    client.send(b" b\r\n").await;
    assert!(client.line().await.starts_with("a BAD [TOOBIG] "));
    client.log_in().await;
}

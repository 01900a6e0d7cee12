//! SMTP and LMTP: scripted dialogues against a small world of addressees.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use veilpost::net::listen::Visit;
use veilpost::net::stream::Connection;
use veilpost::reception::{Limits, MemoryBudget, Role};

use crate::smtp_world::*;

#[tokio::test]
async fn the_server_says_what_it_can() {
    let (mut peer, session) = mx().connect().await;
    let reply = peer.ask("EHLO client.example", "250-mx.vault.example\r\n").await;
    for keyword in ["PIPELINING", "SIZE 1048576", "8BITMIME", "SMTPUTF8", "CHUNKING", "LIMITS RCPTMAX=100"] {
        assert!(reply.lines().any(|line| line[4..] == *keyword), "{keyword} in {reply}");
    }
    assert!(!reply.contains("DSN"), "who announces it owes reports (RFC 3461 §5.2)");
    assert!(!reply.contains("STARTTLS") && !reply.contains("client.example"));
    peer.ask("HELP", "214").await;
    peer.ask("NOOP anything", "250").await;
    peer.ask("AUTH PLAIN AGEAYg==", "502 5.5.1").await;
    peer.ask("EXPN list", "502 5.5.1").await;
    peer.ask("FROBNICATE", "500 5.5.1").await;
    peer.ask("QUIT", "221 2.0.0").await;
    peer.expect_end().await;
    session.await.expect("the session ends");
}

#[tokio::test]
async fn content_arrives_octet_for_octet() {
    let server = mx();
    let mut peer = server.greeted().await;
    let message = b"Subject: x\r\n\r\n.dot\r\n..\r\na\0b\nbare\rbare\n.x\r\nend";
    let wire = [&stuff(message)[..], b"\r\n.\r\n"].concat();
    let reply = peer.by_data(&wire).await;
    assert_eq!(reply, "250 2.0.0 Stored as a4dqobyha4dqobyha4dqobyha4\r\n");
    let delivered = server.take_one();
    assert_eq!(delivered.content, [&message[..], b"\r\n"].concat());
    assert_eq!(delivered.from.as_deref(), Some("Sender@a.example"));
    assert_eq!((delivered.to, delivered.protocol), (vec!["ann@vault.example".to_owned()], "ESMTP"));
    assert!(peer.by_data(b".\r\n").await.starts_with("250"), "an empty message");
    assert_eq!(server.take_one().content, b"");
}

#[tokio::test]
async fn false_ends_of_data_are_refused() {
    let server = mx();
    let mut peer = server.greeted().await;
    let sequences: [&[u8]; 16] = [
        b"\n.\n",
        b"\n.\r",
        b"\n.\r\n",
        b"\r.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\n\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\n\0.\n",
        b"\r\0\0.\r",
        b"\n.\0\n",
    ];
    for (at, sequence) in sequences.iter().enumerate() {
        peer.envelope(&["ann@vault.example"]).await;
        peer.ask("DATA", "354").await;
        let smuggled = b"MAIL FROM:<x@y.example>\r\nRCPT TO:<bob@vault.example>\r\nDATA\r\nboo";
        for piece in [b"Subject: x\r\n\r\nhello", *sequence, smuggled, b"\r\n.\r\n"] {
            peer.send(piece).await;
        }
        // Not more mistakes than a session may make: every few sequences a new one.
        peer.expect("550 5.6.0").await;
        peer.ask("NOOP", "250").await;
        if at % 8 == 7 {
            peer = server.greeted().await;
        }
    }
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn a_whole_dialogue_may_come_at_once() {
    let server = mx();
    let (mut peer, _) = server.connect().await;
    peer.send(
        "EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<ann@vault.example>\r\n\
         RCPT TO:<nobody@vault.example>\r\nDATA\r\none\r\n.\r\n\
         MAIL FROM:<b@a.example>\r\nRCPT TO:<bob@vault.example>\r\nBDAT 3\r\ntwoBDAT 2 LAST\r\n\r\n\
         RSET\r\nMAIL FROM:<c@a.example>\r\nRCPT TO:<nobody@vault.example>\r\nDATA\r\nQUIT\r\n",
    )
    .await;
    for start in [
        "250",
        "250",
        "250",
        "550 5.1.1",
        "354",
        "250 2.0.0 Stored",
        "250",
        "250",
        "250",
        "250 2.0.0 Stored",
        "250",
        "250",
        "550 5.1.1",
        "503",
        "221",
    ] {
        peer.expect(start).await;
    }
    let contents: Vec<Vec<u8>> = server.take().into_iter().map(|delivered| delivered.content).collect();
    assert_eq!(contents, [b"one\r\n".to_vec(), b"two\r\n".to_vec()]);
}

#[tokio::test]
async fn chunks_make_a_message() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.envelope(&["ann@vault.example"]).await;
    peer.send(b"BDAT 0\r\n").await;
    peer.expect("250").await;
    peer.send(b"BDAT 11\r\nx\n.\n\r.\r\r\n.\0").await;
    peer.expect("250").await;
    peer.ask("DATA", "503").await;
    peer.ask("RCPT TO:<bob@vault.example>", "503").await;
    peer.send(b"BDAT 3\r\n\r\n.").await;
    peer.expect("250").await;
    peer.send(b"BDAT 0 LAST\r\n").await;
    peer.expect("250 2.0.0 Stored").await;
    assert_eq!(server.take_one().content, b"x\n.\n\r.\r\r\n.\0\r\n.");
    peer.ask("BDAT 0 LAST", "503").await;
}

#[tokio::test]
async fn chunks_out_of_order_are_read_and_refused() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.send(b"BDAT 12 LAST\r\nNOOP\r\nQUIT\r\nNOOP\r\n").await;
    peer.expect("503 5.5.1").await;
    peer.expect("250").await;
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    peer.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n").await;
    peer.expect("503 5.5.1").await;
    peer.expect("250").await;
    peer.ask("BDAT 99999999999999999999999", "501").await;
    peer.expect_end().await;
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn a_chunk_too_large_is_read_and_refused() {
    let server = Server::new(Role::Mx, Limits { message: 1000, ..quick() });
    let mut peer = server.greeted().await;
    peer.envelope(&["ann@vault.example"]).await;
    peer.send([b"BDAT 900\r\n", &[b'x'; 900][..]].concat()).await;
    peer.expect("250").await;
    peer.send([b"BDAT 200000\r\n", &[b'x'; 200_000][..], b"BDAT 1 LAST\r\nxNOOP\r\n"].concat()).await;
    peer.expect("552 5.3.4").await;
    peer.expect("503").await;
    peer.expect("250").await;
    peer.envelope(&["ann@vault.example"]).await;
    peer.send([b"BDAT 1000 LAST\r\n", &[b'y'; 1000][..]].concat()).await;
    peer.expect("250 2.0.0 Stored").await;
    assert_eq!(server.take_one().content, [b'y'; 1000]);
}

#[tokio::test]
async fn sizes_are_limited_before_and_after() {
    let server = Server::new(Role::Mx, Limits { message: 1000, ..quick() });
    let mut peer = server.greeted().await;
    peer.ask("MAIL FROM:<a@a.example> SIZE=1001", "552 5.3.4").await;
    peer.ask("MAIL FROM:<a@a.example> SIZE=1000", "250").await;
    peer.ask("RSET", "250").await;
    let exact = [&[b'x'; 998][..], b"\r\n.\r\n"].concat();
    assert!(peer.by_data(&exact).await.starts_with("250 2.0.0 Stored"));
    let over = [&[b'x'; 300_000][..], b"\r\n.\r\n"].concat();
    assert!(peer.by_data(&over).await.starts_with("552 5.3.4"));
    peer.ask("NOOP", "250").await;
    assert_eq!(server.take_one().content.len(), 1000);
}

#[tokio::test]
async fn commands_have_an_order() {
    let server = mx();
    let (mut peer, _) = server.connect().await;
    for line in ["MAIL FROM:<a@a.example>", "RCPT TO:<ann@vault.example>", "DATA"] {
        peer.ask(line, "503 5.5.1").await;
    }
    peer.ask("HELO client.example", "250 mx.vault.example").await;
    peer.ask("RCPT TO:<ann@vault.example>", "503 5.5.1").await;
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    peer.ask("MAIL FROM:<b@a.example>", "503 5.5.1").await;
    peer.ask("DATA", "503 5.5.1 No valid addressees").await;
    peer.ask("RCPT TO:<ann@vault.example>", "250").await;
    peer.ask("EHLO client.example", "250").await;
    peer.ask("DATA", "503 5.5.1").await;
    peer.ask("LHLO client.example", "500 5.5.1").await;
    peer.ask("STARTTLS", "502 5.5.1").await;
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn addressees_are_known_or_refused() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.ask("MAIL FROM:<>", "250").await;
    for (path, start) in [
        ("nobody@vault.example", "550 5.1.1"),
        ("ann@[127.0.0.1]", "550 5.1.1"),
        ("", "553 5.1.3"),
        ("busy@vault.example", "451 4.3.0"),
        ("broken@vault.example", "451 4.3.0"),
        ("@relay.example:ann@vault.example", "250 2.1.5"),
        ("anna@vault.example", "250 2.1.5"),
        ("ANN@Vault.Example", "250 2.1.5"),
        ("Postmaster", "250 2.1.5"),
        ("carl@other.example", "452 4.5.3"),
    ] {
        peer.ask(&format!("RCPT TO:<{path}>"), start).await;
    }
    peer.ask("DATA", "354").await;
    peer.send(b"x\r\n.\r\n").await;
    peer.expect("250").await;
    let delivered = server.take_one();
    assert_eq!(delivered.from, None);
    assert_eq!(delivered.to, ["ann@vault.example", "postmaster@mx.vault.example"]);
}

#[tokio::test]
async fn one_reply_for_all_addressees() {
    let server = mx();
    let mut peer = server.greeted().await;
    for (addressees, start) in [
        (["ann@vault.example", "bob@vault.example"], "250 2.0.0"),
        (["ann@vault.example", "later@vault.example"], "451 4.3.0"),
        (["ann@vault.example", "full@vault.example"], "552 5.2.2"),
        (["later@vault.example", "full@vault.example"], "451 4.3.0"),
    ] {
        peer.envelope(&addressees).await;
        peer.ask("DATA", "354").await;
        peer.send(b"x\r\n.\r\n").await;
        peer.expect(start).await;
    }
}

#[tokio::test]
async fn only_so_many_addressees() {
    let server = Server::new(Role::Mx, Limits { addressees: 2, ..quick() });
    let mut peer = server.greeted().await;
    peer.envelope(&["ann@vault.example", "bob@vault.example"]).await;
    for _ in 0..50 {
        peer.ask("RCPT TO:<bob@vault.example>", "452 4.5.3").await;
    }
    peer.ask("DATA", "354").await;
    peer.send(b"x\r\n.\r\n").await;
    peer.expect("250").await;
}

/// What is not announced is not taken (RFC 5321 §4.1.1.11): the peer sends the reports itself.
#[tokio::test]
async fn dsn_parameters_are_refused() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.ask("MAIL FROM:<a@a.example> RET=HDRS ENVID=QQ+2B314", "555 5.5.4").await;
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    peer.ask("RCPT TO:<ann@vault.example> NOTIFY=SUCCESS,DELAY", "555 5.5.4").await;
    peer.ask("RCPT TO:<ann@vault.example> ORCPT=rfc822;old@b.example", "555 5.5.4").await;
    peer.ask("RCPT TO:<ann@vault.example> FOO=1", "555 5.5.4").await;
    peer.ask("RCPT TO:<ann@vault.example>", "250").await;
}

#[tokio::test]
async fn senders_are_kept_as_they_came() {
    let server = mx();
    let cases = include_str!("../cases/023-smtp-sender-valid-forms/senders.txt").lines();
    let more = [
        "foo..bar@docomo.example",
        ".foo.@docomo.example",
        "root@_mail.host_1.example",
        "\"a>b, <c>\\\"\"@a.example",
        "x@[tag:content]",
    ];
    let mut peer = server.greeted().await;
    for sender in cases.chain(more) {
        peer.ask(&format!("MAIL FROM:<{sender}>"), "250 2.1.0").await;
        peer.ask("RCPT TO:<ann@vault.example>", "250").await;
        peer.ask("DATA", "354").await;
        peer.send(b"x\r\n.\r\n").await;
        peer.expect("250").await;
        assert_eq!(server.take_one().from.as_deref(), Some(sender));
    }
    for (sender, reply) in [
        ("ann", "553 5.1.7"),
        ("a b@a.example", "553 5.1.7"),
        ("a@[192.0.2.256]", "553 5.1.7"),
        ("a@a..example", "553 5.1.7"),
        ("\"\u{fc}\"@a.example", "553 5.6.7"),
    ] {
        let mut peer = server.greeted().await;
        peer.ask(&format!("MAIL FROM:<{sender}>"), reply).await;
    }
    let long = format!("MAIL FROM:<{}@a.example>", "v".repeat(246));
    server.greeted().await.ask(&long, "501 5.5.4").await;
    server.greeted().await.ask("MAIL FROM:<a\t@a.example>", "500 5.5.2").await;
}

#[tokio::test]
async fn smtputf8_is_asked_for_or_refused() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.ask("MAIL FROM:<é@a.example>", "553 5.6.7").await;
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    peer.ask("RCPT TO:<jürgen@vault.example>", "553 5.6.7").await;
    peer.ask("RSET", "250").await;
    peer.ask("MAIL FROM:<é@bücher.example> SMTPUTF8 BODY=8BITMIME", "250").await;
    peer.ask("RCPT TO:<jürgen@vault.example>", "250").await;
    peer.ask("DATA", "354").await;
    peer.send("Subject: ü\r\n.\r\n").await;
    peer.expect("250").await;
    let delivered = server.take_one();
    assert_eq!(delivered.from.as_deref(), Some("é@bücher.example"));
    assert_eq!(delivered.protocol, "UTF8SMTP");
}

#[tokio::test]
async fn vrfy_tells_nobody_apart() {
    let server = mx();
    let mut peer = server.greeted().await;
    let known = peer.ask("VRFY ann@vault.example", "252").await;
    assert_eq!(peer.ask("VRFY nobody@vault.example", "252").await, known);
    assert_eq!(peer.ask("VRFY", "501").await.get(..3), Some("501"));
}

#[tokio::test]
async fn broken_lines_are_refused_and_forgotten() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.ask("NOOP\0", "500 5.5.2").await;
    peer.ask("NOOP\nQUIT", "500 5.5.2").await;
    peer.ask("NOOP\rQUIT", "500 5.5.2").await;
    peer.ask(&format!("NOOP {}", "x".repeat(100_000)), "500 5.5.2 Line too long").await;
    peer.ask(&format!("NOOP {}", "x".repeat(2000)), "250").await;
    peer.send(b"NOOP \xff\r\n").await;
    peer.expect("500 5.5.2").await;
    peer.ask("NOOP", "250").await;
}

#[tokio::test]
async fn loops_are_cut() {
    let server = mx();
    let mut peer = server.greeted().await;
    let wire = format!("{}\r\nbody\r\n.\r\n", "Received: by a\r\n\tid 1\r\n".repeat(1001));
    assert!(peer.by_data(wire.as_bytes()).await.starts_with("554 5.4.6"));
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn guessing_addressees_is_slow_and_ends() {
    let slow_reply = Duration::from_millis(20);
    let server = Server::new(Role::Mx, Limits { errors_before_slow: 3, errors: 6, slow_reply, ..quick() });
    let mut peer = server.greeted().await;
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    let start = std::time::Instant::now();
    for guess in 0..6 {
        peer.ask(&format!("RCPT TO:<guess{guess}@vault.example>"), "550 5.1.1").await;
    }
    assert!(start.elapsed() >= slow_reply * 3);
    peer.ask("RCPT TO:<ann@vault.example>", "250").await;
    peer.ask("RCPT TO:<guess@vault.example>", "421 4.7.0").await;
    peer.expect_end().await;
}

#[tokio::test]
async fn commands_without_mail_come_to_an_end() {
    let server = Server::new(Role::Mx, Limits { idle_commands: 5, ..quick() });
    let mut peer = server.greeted().await;
    for _ in 0..4 {
        peer.ask("NOOP", "250").await;
    }
    peer.ask("RSET", "421 4.7.0").await;
    peer.expect_end().await;
}

#[tokio::test]
async fn strangers_and_early_talkers_are_shown_out() {
    let (mut peer, _) = mx().connect().await;
    peer.ask("POST / HTTP/1.1", "554").await;
    peer.expect_end().await;

    let server = Server::new(Role::Mx, Limits { greeting_delay: PATIENCE, ..quick() });
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut peer = Peer::new(theirs);
    peer.send(b"EHLO spam.example\r\n").await;
    let visit = Visit::alone(Connection::Unix(ours), server.shutdown.clone());
    tokio::join!(server.service.serve(visit), async {
        peer.expect("554 5.5.1").await;
    });
}

#[tokio::test]
async fn a_peer_that_vanishes_delivers_nothing() {
    let server = mx();
    for start in ["DATA\r\nSubject: x\r\n\r\nhalf\r\n.\r", "BDAT 100 LAST\r\nhalf", "BDAT 4\r\nhalf"] {
        let (mut peer, session) = server.connect().await;
        peer.ask("EHLO client.example", "250").await;
        peer.envelope(&["ann@vault.example"]).await;
        peer.send(start).await;
        drop(peer);
        session.await.expect("the session ends");
    }
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn memory_in_flight_is_bounded() {
    let limits = Limits { memory_wait: Duration::ZERO, ..quick() };
    let memory = MemoryBudget::new(0, 1 << 20);
    let (free, server) = (memory.free(), Server::with(Role::Mx, limits, memory.clone(), None));
    let (mut holder, mut late) = (server.greeted().await, server.greeted().await);
    holder.envelope(&["ann@vault.example"]).await;
    holder.send([b"BDAT 1000000\r\n", &[b'x'; 1_000_000][..]].concat()).await;
    holder.expect("250").await;
    assert!(memory.free() + 1_000_000 <= free);
    let large = [&[b'x'; 600_000][..], b"\r\n.\r\n"].concat();
    assert!(late.by_data(&large).await.starts_with("452 4.3.1"));
    holder.send(b"BDAT 0 LAST\r\n").await;
    holder.expect("250 2.0.0 Stored").await;
    assert_eq!(memory.free(), free);
    let reply = late.by_data(&large).await;
    assert!(reply.starts_with("250 2.0.0 Stored"), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn slow_peers_lose_their_turn() {
    let server = mx();
    let mut peer = server.greeted().await;
    peer.envelope(&["ann@vault.example"]).await;
    peer.ask("DATA", "354").await;
    peer.send(b"Subject: x\r\n").await;
    let start = tokio::time::Instant::now();
    peer.expect("421 4.4.2").await;
    assert!(start.elapsed() <= Duration::from_secs(181));
    peer.expect_end().await;

    let mut silent = server.greeted().await;
    silent.expect("421 4.4.2").await;
    silent.expect_end().await;

    let mut drop_by_drop = server.greeted().await;
    drop_by_drop.envelope(&["ann@vault.example"]).await;
    drop_by_drop.ask("DATA", "354").await;
    let start = tokio::time::Instant::now();
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        if drop_by_drop.stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(1000), "an octet now and then is not enough");
    assert!(server.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_gets_to_the_point_is_shown_out() {
    let limits = Limits { idle_commands: 1000, ..quick() };
    let server = Server::new(Role::Mx, limits);
    let mut peer = server.greeted().await;
    let start = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        if peer.stream.write_all(b"NOOP\r\n").await.is_err() || !peer.reply().await.starts_with("250") {
            break;
        }
    }
    assert!(start.elapsed() <= Duration::from_secs(1000));
}

#[tokio::test]
async fn shutdown_says_goodbye() {
    let server = mx();
    let mut waiting = server.greeted().await;
    let mut sending = server.greeted().await;
    sending.envelope(&["ann@vault.example"]).await;
    sending.ask("DATA", "354").await;
    server.shutdown.cancel();
    waiting.expect("421 4.3.2").await;
    sending.send(b"x\r\n.\r\n").await;
    sending.expect("250 2.0.0 Stored").await;
    sending.expect("421 4.3.2").await;
    assert_eq!(server.take_one().content, b"x\r\n");
}

#[tokio::test]
async fn idle_and_slow_peers_make_room() {
    let server = mx();
    let address = server.listen(seats(3));
    let mut idle = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::new(TcpStream::connect(address).await.expect("connects"));
        peer.expect("220").await;
        peer.ask("EHLO idle.example", "250").await;
        peer.envelope(&["ann@vault.example"]).await;
        peer.ask("DATA", "354").await;
        idle.push(peer);
    }
    let mut newcomer = Peer::new(TcpStream::connect(address).await.expect("connects"));
    newcomer.expect("220").await;
    newcomer.ask("EHLO client.example", "250").await;
    idle[0].expect("421 4.3.2").await;
    assert!(newcomer.by_data(b"x\r\n.\r\n").await.starts_with("250 2.0.0"));
}

fn lmtp() -> Server {
    Server::new(Role::Lmtp, quick())
}

#[tokio::test]
async fn lmtp_answers_for_each_addressee() {
    let server = lmtp();
    let (mut peer, _) = server.connect().await;
    peer.ask("EHLO client.example", "500 5.5.1").await;
    peer.ask("HELO client.example", "500 5.5.1").await;
    peer.ask("LHLO client.example", "250-mx.vault.example").await;
    let addressees = [
        "ann@vault.example",
        "full@vault.example",
        "carl@other.example",
        "later@vault.example",
        "anna@vault.example",
    ];
    for content in ["DATA\r\n", "BDAT 3 LAST\r\n"] {
        peer.envelope(&addressees).await;
        peer.send(content).await;
        match content {
            "DATA\r\n" => {
                peer.expect("354").await;
                peer.send(b"x\r\n.\r\n").await;
            }
            _ => peer.send(b"x\r\n").await,
        }
        for start in ["250 2.0.0", "552 5.2.2", "250 2.0.0", "451 4.3.0", "250 2.0.0"] {
            peer.expect(start).await;
        }
        let delivered = server.take_one();
        assert_eq!((delivered.to.len(), delivered.protocol), (4, "LMTP"), "ann is anna");
        peer.ask("NOOP", "250").await;
    }
}

/// Who shares an address has a mailbox of their own, and their own answer: nobody is told that a copy waits
/// which is stored.
#[tokio::test]
async fn lmtp_answers_for_a_shared_address_and_for_each_of_its_people() {
    let server = lmtp();
    let (mut peer, _) = server.connect().await;
    peer.ask("LHLO client.example", "250").await;
    let (office, ann, anna) = ("office@vault.example", "ann@vault.example", "anna@vault.example");
    for (addressees, told) in [
        ([office, ann, anna], ["451 4.3.0", "250 2.0.0", "250 2.0.0"]),
        ([ann, office, anna], ["250 2.0.0", "451 4.3.0", "250 2.0.0"]),
        ([ann, anna, office], ["250 2.0.0", "250 2.0.0", "451 4.3.0"]),
    ] {
        peer.envelope(&addressees).await;
        peer.ask("DATA", "354").await;
        peer.send(b"x\r\n.\r\n").await;
        for start in told {
            peer.expect(start).await;
        }
        assert_eq!(server.take_one().to.len(), 2, "ann is anna");
    }
}

#[tokio::test]
async fn lmtp_refuses_content_for_each_addressee() {
    let server = lmtp();
    let (mut peer, _) = server.connect().await;
    peer.ask("LHLO client.example", "250").await;
    peer.envelope(&["ann@vault.example", "bob@vault.example"]).await;
    peer.ask("DATA", "354").await;
    peer.send(b"x\n.\nx\r\n.\r\n").await;
    peer.expect("550 5.6.0").await;
    peer.expect("550 5.6.0").await;
    peer.ask("MAIL FROM:<>", "250").await;
    peer.ask("RCPT TO:<nobody@vault.example>", "550").await;
    peer.ask("DATA", "503 5.5.1").await;
    assert!(server.take().is_empty());
}

fn tls() -> (Arc<ServerConfig>, TlsConnector) {
    let certified =
        rcgen::generate_simple_self_signed(["mx.vault.example".to_owned()]).expect("a certificate");
    let certificate: CertificateDer = certified.cert.into();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("the key fits");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

fn mx_with_tls() -> (Server, SocketAddr, TlsConnector) {
    let (config, connector) = tls();
    let memory = MemoryBudget::new(64 << 20, 1 << 20);
    let server = Server::with(Role::Mx, quick(), memory, Some(config));
    let address = server.listen(seats(10));
    (server, address, connector)
}

#[tokio::test]
async fn starttls_begins_anew() {
    let (server, address, connector) = mx_with_tls();
    let mut peer = Peer::new(TcpStream::connect(address).await.expect("connects"));
    peer.expect("220").await;
    assert!(peer.ask("EHLO client.example", "250").await.contains("STARTTLS"));
    peer.ask("MAIL FROM:<a@a.example>", "250").await;
    peer.ask("STARTTLS", "503 5.5.1").await;
    peer.ask("RSET", "250").await;
    peer.ask("STARTTLS", "220").await;
    let name = ServerName::try_from("mx.vault.example").expect("a name");
    let stream = connector.connect(name, peer.stream.into_inner()).await.expect("a handshake");
    let mut peer = Peer::new(stream);
    peer.ask("MAIL FROM:<a@a.example>", "503 5.5.1").await;
    assert!(!peer.ask("EHLO client.example", "250").await.contains("STARTTLS"));
    peer.ask("STARTTLS", "502 5.5.1").await;
    assert!(peer.by_data(b"x\r\n.\r\n").await.starts_with("250 2.0.0"));
    assert_eq!(server.take_one().protocol, "ESMTPS");
}

#[tokio::test]
async fn commands_ahead_of_the_handshake_are_not_obeyed() {
    for line in ["STARTTLS\r\nRSET\r\n", "STARTTLS\r\n\r\n", "STARTTLS\r\nM"] {
        let (_server, address, _) = mx_with_tls();
        let mut peer = Peer::new(TcpStream::connect(address).await.expect("connects"));
        peer.expect("220").await;
        peer.ask("EHLO client.example", "250").await;
        peer.send(line).await;
        peer.expect_end().await;
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a peer sends in whatever order: the session ends with it, every reply is well
    /// formed, and no memory stays leased. The fuzz target `smtp` goes on from here.
    #[test]
    fn no_dialogue_harms_the_server(pieces in proptest::collection::vec(piece(), 0..30), is_lmtp: bool) {
        let role = if is_lmtp { Role::Lmtp } else { Role::Mx };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let memory = MemoryBudget::new(0, 1000);
            let free = memory.free();
            let limits = Limits { message: 1000, ..quick() };
            let server = Server::with(role, limits, memory.clone(), None);
            let (mut peer, session) = server.connect().await;
            for piece in pieces {
                // The session may end before the script does.
                let _ = peer.stream.write_all(&piece).await;
            }
            let _ = peer.stream.shutdown().await;
            let mut replies = Vec::new();
            let _ = peer.stream.read_to_end(&mut replies).await;
            session.await.expect("no panic");
            assert_eq!(memory.free(), free);
            for reply in replies.split_inclusive(|octet| *octet == b'\n') {
                assert!(reply.ends_with(b"\r\n") && reply[..3].iter().all(u8::is_ascii_digit));
            }
        });
    }
}

fn piece() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let line = prop::sample::select(vec![
        "EHLO a.example",
        "LHLO a.example",
        "HELO a.example",
        "MAIL FROM:<>",
        "MAIL FROM:<a@a.example> SIZE=9",
        "RCPT TO:<ann@vault.example>",
        "RCPT TO:<carl@other.example>",
        "RCPT TO:<nobody@vault.example>",
        "DATA",
        "BDAT 0",
        "BDAT 7",
        "BDAT 7 LAST",
        "BDAT 0 LAST",
        "BDAT 2000 LAST",
        "RSET",
        "NOOP",
        "STARTTLS",
        ".",
        "..",
        "x",
    ]);
    prop_oneof![
        8 => line.prop_map(|line| format!("{line}\r\n").into_bytes()),
        1 => prop::sample::select(vec!["\r\n.\r\n", "\n.\n", "\r", "\n", "."]).prop_map(|text| text.into()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

/// Every message of the shared corpus goes in as it is: by BDAT always, by DATA if nothing in it
/// looks like a false end of data.
#[tokio::test]
async fn the_corpus_arrives_octet_for_octet() {
    let folder = std::env::var_os("VEILPOST_CORPUS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        std::path::PathBuf::from,
    );
    let messages = files_below(&folder);
    if messages.is_empty() {
        let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|value| value == "all");
        assert!(!required, "the corpus is required");
        eprintln!("SKIPPED: no corpus");
        return;
    }
    let limits = Limits { message: 64 << 20, errors: u32::MAX, errors_before_slow: u32::MAX, ..quick() };
    let server = Server::with(Role::Mx, limits, MemoryBudget::new(0, 64 << 20), None);
    let mut peer = server.greeted().await;
    for path in messages {
        let message = std::fs::read(&path).expect("a readable file");
        peer.envelope(&["ann@vault.example"]).await;
        peer.send(format!("BDAT {} LAST\r\n", message.len())).await;
        peer.send(&message).await;
        if peer.reply().await.starts_with("250") {
            assert!(server.take_one().content == message, "{}", path.display());
        } else {
            panic!("{} was refused", path.display());
        }
        let end: &[u8] = if message.ends_with(b"\r\n") { b"" } else { b"\r\n" };
        let reply = peer.by_data(&[&stuff(&message)[..], end, b".\r\n"].concat()).await;
        if reply.starts_with("250") {
            assert!(server.take_one().content == [&message[..], end].concat(), "{}", path.display());
        } else {
            assert!(reply.starts_with("550 5.6.0"), "{} got {reply}", path.display());
        }
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

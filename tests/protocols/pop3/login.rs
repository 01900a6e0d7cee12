//! From the greeting to the login.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use veilpost::gateway::pop3::SessionEnd;

use super::fakes::{Fake, LOGIN, PASSWORD};
use super::stage::{Client, Door, Stage, settings};

const HINT: &str = "-ERR [AUTH] no login without TLS: use port 995, or STLS first";

async fn tls() -> (Stage, Client) {
    let stage = Stage::open(Door::Tls, Fake::default(), settings()).await;
    let client = stage.client().await;
    (stage, client)
}

#[tokio::test]
async fn no_login_in_the_clear_on_loopback_either() {
    let fake = Fake::default();
    let stage = Stage::open(Door::Plain, fake.clone(), settings()).await;
    let mut client = stage.client().await;
    let capabilities = client.ask_lines("CAPA").await;
    assert!(capabilities.iter().any(|line| line == "STLS"));
    assert!(!capabilities.iter().any(|line| line.starts_with("USER") || line.starts_with("SASL")));
    assert!(!capabilities.iter().any(|line| line.contains(char::is_numeric) && line.starts_with("IMPL")));
    for command in [&format!("USER {LOGIN}"), &format!("PASS {PASSWORD}"), "AUTH PLAIN", "AUTH"] {
        assert_eq!(client.ask(command).await, HINT, "{command}");
    }
    assert!(fake.recorded().is_empty());
}

#[tokio::test]
async fn stls_leads_to_a_login() {
    let stage = Stage::open(Door::Plain, Fake::default(), settings()).await;
    let mut socket = TcpStream::connect(("127.0.0.1", stage.port)).await.expect("the server listens");
    let greeting = "+OK pop.vault.example POP3 ready\r\n";
    socket.write_all(b"STLS\r\n").await.expect("the server reads");
    let mut answer = vec![0; greeting.len() + "+OK begin TLS\r\n".len()];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert!(answer.ends_with(b"+OK begin TLS\r\n"));
    let mut client = stage.over_tls(socket).await;
    let capabilities = client.ask_lines("CAPA").await;
    assert!(capabilities.iter().any(|line| line == "SASL PLAIN LOGIN"));
    assert!(!capabilities.iter().any(|line| line == "STLS"));
    assert_eq!(client.ask("STLS").await, "-ERR TLS is already on");
    client.ask(&format!("USER {LOGIN}")).await;
    assert_eq!(client.ask(&format!("PASS {PASSWORD}")).await, "+OK logged in");
}

#[tokio::test]
async fn what_comes_ahead_of_the_handshake_ends_the_session() {
    let fake = Fake::default();
    let mut stage = Stage::open(Door::Plain, fake.clone(), settings()).await;
    let mut client = stage.client().await;
    client.send(format!("STLS\r\nUSER {LOGIN}\r\n").as_bytes()).await;
    assert_eq!(client.rest().await, "+OK begin TLS\r\n");
    assert_eq!(stage.end().await, SessionEnd::TlsFailed);
    assert!(fake.recorded().is_empty());
}

#[tokio::test]
async fn auth_plain_with_and_without_initial_response() {
    let response = "AGFubkB2YXVsdC5leGFtcGxlAGFiY2QgZWZnaCBpamtsIG1ub3A=";
    let (_stage, mut client) = tls().await;
    assert_eq!(client.ask(&format!("AUTH PLAIN {response}")).await, "+OK logged in");
    let (_stage, mut client) = tls().await;
    assert_eq!(client.ask("auth plain").await, "+ ");
    assert_eq!(client.ask(response).await, "+OK logged in");
}

#[tokio::test]
async fn auth_login_asks_twice() {
    let (_stage, mut client) = tls().await;
    assert_eq!(client.ask("AUTH LOGIN").await, "+ VXNlcm5hbWU6");
    assert_eq!(client.ask("YW5uQHZhdWx0LmV4YW1wbGU=").await, "+ UGFzc3dvcmQ6");
    assert_eq!(client.ask("YWJjZCBlZmdoIGlqa2wgbW5vcA==").await, "+OK logged in");
}

#[tokio::test]
async fn auth_that_comes_to_nothing() {
    let (_stage, mut client) = tls().await;
    assert_eq!(client.ask_lines("AUTH").await, ["+OK the mechanisms follow", "PLAIN", "LOGIN"]);
    assert_eq!(client.ask("AUTH PLAIN").await, "+ ");
    assert_eq!(client.ask("*").await, "-ERR cancelled, as you wish");
    assert_eq!(client.ask("AUTH PLAIN !!!").await, "-ERR the response is not base64");
    assert_eq!(client.ask("AUTH PLAIN =").await, "-ERR the response does not have the mechanism's form");
    assert_eq!(client.ask("AUTH CRAM-MD5").await, "-ERR the mechanism is not offered, PLAIN and LOGIN are");
}

#[tokio::test]
async fn the_longest_response_fits_and_a_longer_one_is_refused() {
    let (_stage, mut client) = tls().await;
    client.ask("AUTH LOGIN").await;
    let answer = client.ask(&"QUFB".repeat(85)).await;
    assert_eq!(answer, "+ UGFzc3dvcmQ6");
    assert_eq!(client.ask(&"QUFB".repeat(400)).await, "-ERR the line is too long");
    assert!(client.ask("QUIT").await.starts_with("+OK"));
}

#[tokio::test]
async fn refusals_read_alike_and_the_third_ends_the_session() {
    let mut transcripts = Vec::new();
    for login in [LOGIN, "nobody@vault.example", "x"] {
        let (mut stage, mut client) = tls().await;
        let mut transcript = Vec::new();
        for _ in 0..3 {
            transcript.push(client.ask(&format!("USER {login}")).await);
            transcript.push(client.ask("PASS wrong").await);
        }
        transcript.push(client.rest().await);
        assert_eq!(stage.end().await, SessionEnd::Expelled);
        transcripts.push(transcript);
    }
    assert_eq!(transcripts[0][1], "-ERR [AUTH] name or password is wrong");
    assert!(transcripts.iter().all(|transcript| *transcript == transcripts[0]));
}

#[tokio::test]
async fn pipelined_guesses_are_cut_off_too() {
    let (mut stage, mut client) = tls().await;
    client.send("USER a\r\nPASS b\r\n".repeat(20).as_bytes()).await;
    assert_eq!(client.rest().await.matches("[AUTH]").count(), 3);
    assert_eq!(stage.end().await, SessionEnd::Expelled);
}

#[tokio::test]
async fn softlock_and_outage_have_codes() {
    let (_stage, mut client) = tls().await;
    client.ask("USER locked").await;
    assert!(client.ask("PASS x").await.starts_with("-ERR [LOGIN-DELAY] "));
    client.ask("USER broken").await;
    assert!(client.ask("PASS x").await.starts_with("-ERR [SYS/TEMP] "));
    assert_eq!(client.ask("PASS x").await, "-ERR USER comes first");
}

#[tokio::test]
async fn the_mail_is_out_of_reach_before_login() {
    for command in ["STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP"] {
        let (_stage, mut client) = tls().await;
        assert!(client.ask(command).await.starts_with("-ERR not now"), "{command}");
    }
}

#[tokio::test]
async fn commands_and_errors_before_login_are_limited() {
    let (mut stage, mut client) = tls().await;
    client.send("CAPA\r\n".repeat(100).as_bytes()).await;
    assert!(client.rest().await.ends_with("-ERR too many commands without a login\r\n"));
    assert_eq!(stage.end().await, SessionEnd::Expelled);
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\n".repeat(100).as_bytes()).await;
    assert_eq!(client.rest().await, "-ERR unknown command\r\n".repeat(6));
    assert_eq!(stage.end().await, SessionEnd::Expelled);
}

#[tokio::test]
async fn odd_lines_are_refused_whole() {
    let (_stage, mut client) = tls().await;
    client.send(format!("USER {LOGIN}\nPASS {PASSWORD}\r\n").as_bytes()).await;
    assert_eq!(client.line().await, "-ERR a CR or LF stands alone in the line");
    client.send(b"USER a\0b\r\n").await;
    assert_eq!(client.line().await, "-ERR the line holds a NUL");
    assert_eq!(client.ask(&format!("USER {}", "a".repeat(249))).await, "-ERR the line is too long");
    assert_eq!(client.ask(&format!("USER {}", "a".repeat(248))).await, "+OK now PASS");
}

#[tokio::test]
async fn utf8_is_for_the_time_before_login() {
    let (_stage, mut client) = tls().await;
    assert!(client.ask_lines("CAPA").await.iter().any(|line| line == "UTF8 USER"));
    assert_eq!(client.ask("UTF8").await, "+OK UTF-8 mode");
    assert_eq!(client.ask("USER jürgen@vault.example").await, "+OK now PASS");
}

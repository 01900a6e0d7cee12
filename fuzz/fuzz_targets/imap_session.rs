//! A whole IMAP session over a socket pair: any octets from the client, in every state, on the mailbox in
//! memory that the dialogues of the tests use.
//!
//! What must hold: the session ends when its client does and does not panic, its octets are whole lines, every
//! line outside of literals is a response, and what only reads changes nothing.
//!
//! Input: the state to begin in (one octet), a message's length (one octet), the message, what the client sends.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use veilpost::gateway::imap::{Delay, Protection, Settings, serve};
use veilpost::net::stream::Connection;

#[allow(dead_code)]
#[path = "../../tests/protocols/imap/fake.rs"]
mod fake;

use fake::{Fake, LOGIN, PASSWORD};

fuzz_target!(|input: &[u8]| session(input));

fn session(input: &[u8]) {
    let [state, length, rest @ ..] = input else { return };
    let (message, client) = rest.split_at(rest.len().min(usize::from(*length)));
    let fake = Fake::with([message, b"Subject: other\r\n\r\nText\r\n".as_slice()]);
    let (enter, reads_only) = enter(*state);
    let transcript = RUNTIME.block_on(talk(&fake, &[enter.as_bytes(), client].concat()));
    check(&transcript);
    let changes = |act: &String| ["store", "expunge", "shift"].iter().any(|verb| act.starts_with(verb));
    let changed = fake.recorded().iter().any(changes);
    assert!(!reads_only || selects(client) || !changed, "EXAMINE changes nothing");
}

/// What leads into a state, and whether the folder is then open for reading only.
fn enter(state: u8) -> (String, bool) {
    let login = format!("l LOGIN {LOGIN} \"{PASSWORD}\"\r\n");
    match state % 6 {
        0 => (String::new(), false),
        1 => (login, false),
        2 => (format!("{login}s SELECT INBOX\r\n"), false),
        3 => (format!("{login}s EXAMINE INBOX\r\n"), true),
        4 => (format!("{login}e ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2\r\ns SELECT INBOX\r\n"), false),
        _ => (format!("{login}s SELECT INBOX\r\ni IDLE\r\n"), false),
    }
}

/// Whether the client may have opened a folder by itself.
fn selects(client: &[u8]) -> bool {
    client.windows(6).any(|word| word.eq_ignore_ascii_case(b"SELECT"))
}

async fn talk(fake: &Fake, client: &[u8]) -> Vec<u8> {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let settings = Settings {
        protection: Protection::TlsOrUnixSocket,
        refusal_delay: Delay::NONE,
        append_limit: 4096,
        ..Settings::default()
    };
    let (room, settings) = (Arc::new(fake.clone()), Arc::new(settings));
    let session = tokio::spawn(serve(Connection::Unix(ours), room, settings, CancellationToken::new()));
    let mut transcript = Vec::new();
    let (mut reader, mut writer) = theirs.split();
    let send = async {
        // A session that ends early leaves the rest unread; that is its right.
        let _ = writer.write_all(client).await;
        let _ = writer.shutdown().await;
    };
    let (_, _) = tokio::join!(send, reader.read_to_end(&mut transcript));
    session.await.expect("a session does not panic");
    transcript
}

/// Reads the transcript as a client would: responses, and literals by their length.
fn check(transcript: &[u8]) {
    assert!(transcript.is_empty() || transcript.ends_with(b"\r\n"), "whole lines");
    let mut rest = transcript;
    let mut goes_on = false;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a line end") + 2;
        let (line, behind) = rest.split_at(end);
        let tagged = line.split(|octet| *octet == b' ').nth(1);
        let answers = tagged.is_some_and(|word| [&b"OK"[..], b"NO", b"BAD"].contains(&word));
        assert!(
            goes_on || line.starts_with(b"* ") || line.starts_with(b"+ ") || answers,
            "a response: {:?}",
            String::from_utf8_lossy(line)
        );
        let literal = literal(line);
        goes_on = literal.is_some();
        rest = &behind[literal.unwrap_or(0)..];
    }
}

/// The length of the literal that begins behind a line.
fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}\r\n")?;
    let from = digits.iter().rposition(|octet| *octet == b'{')? + 1;
    std::str::from_utf8(&digits[from..]).ok()?.parse().ok()
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

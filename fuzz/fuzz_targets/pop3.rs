//! A whole POP3 session over a socket pair: any octets from the client, any octets in the message.
//!
//! What must hold: the session ends when its client does, its octets are whole lines, no line of the
//! message passes for a reply, and nothing is deleted but by QUIT.
//!
//! Input: how long the message is (one octet), the message, what the client sends after its login.

#![no_main]

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use veilpost::gateway::mailroom::{
    Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError,
};
use veilpost::gateway::pop3::{Delay, Protection, SessionEnd, Settings, serve};
use veilpost::net::stream::Connection;
use veilpost::wire::pop3::UniqueId;
use veilpost::wire::sasl::Credentials;

fuzz_target!(|input: &[u8]| session(input));

fn session(input: &[u8]) {
    let Some((length, rest)) = input.split_first() else { return };
    let (message, client) = rest.split_at(rest.len().min(usize::from(*length)));
    let room = Room { message: Bytes::copy_from_slice(message), deleted: Arc::default() };
    let (end, transcript) = RUNTIME.block_on(talk(room.clone(), client));
    let deleted = room.deleted.load(Ordering::Relaxed);
    assert!(!deleted || end == SessionEnd::Quit, "only QUIT deletes");
    check(&transcript);
}

async fn talk(room: Room, client: &[u8]) -> (SessionEnd, Vec<u8>) {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let settings = Settings {
        protection: Protection::TlsOrUnixSocket,
        refusal_delay: Delay::NONE,
        ..Settings::new("fuzz.example")
    };
    let (room, settings) = (Arc::new(room), Arc::new(settings));
    let session = tokio::spawn(serve(Connection::Unix(ours), room, settings, CancellationToken::new()));
    let mut transcript = Vec::new();
    // A session that ends early leaves the rest unread; that is its right.
    let _ = theirs.write_all(&[LOGIN, client].concat()).await;
    let _ = theirs.shutdown().await;
    let _ = theirs.read_to_end(&mut transcript).await;
    (session.await.expect("a session does not panic"), transcript)
}

/// Reads the transcript as a client that ends lines at LF would: replies, and content up to its dot.
fn check(transcript: &[u8]) {
    assert!(transcript.is_empty() || transcript.ends_with(b"\r\n"), "whole lines");
    let mut content = false;
    for line in transcript.split_inclusive(|octet| *octet == b'\n') {
        match (content, line) {
            (true, b".\r\n") => content = false,
            (true, b".\n") => panic!("a line of the message ends the answer"),
            (true, _) => {}
            (false, line) => {
                assert!([&b"+OK "[..], b"-ERR ", b"+ "].iter().any(|start| line.starts_with(start)));
                content = line.ends_with(b" octets\r\n") || line.ends_with(b" follow\r\n");
                content |= line.ends_with(b" follows\r\n");
            }
        }
    }
    assert!(!content, "an answer has its end");
}

/// A view with one message, twice.
#[derive(Clone)]
struct Room {
    message: Bytes,
    deleted: Arc<AtomicBool>,
}

struct Once(Option<Bytes>);

impl Mailroom for Room {
    type Maildrop = Room;

    async fn open(&self, credentials: &Credentials, _: Option<IpAddr>) -> Result<Room, OpenError> {
        match credentials.password.expose() {
            "b" => Ok(self.clone()),
            _ => Err(OpenError::Refused),
        }
    }
}

impl Maildrop for Room {
    type Handle = ();
    type Message = Once;

    async fn snapshot(&mut self) -> Result<Vec<Entry<()>>, MaildropError> {
        let size = self.message.len() as u64;
        let entry = |id| Entry { size, unique_id: UniqueId::from_bytes([id; 16]), handle: () };
        Ok(vec![entry(1), entry(2)])
    }

    async fn retrieve(&mut self, (): (), _: Extent) -> Result<Once, MaildropError> {
        Ok(Once(Some(self.message.clone())))
    }

    async fn delete(&mut self, _: Vec<()>) -> Result<(), MaildropError> {
        self.deleted.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl MessageStream for Once {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, MaildropError> {
        Ok(self.0.take())
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
const LOGIN: &[u8] = b"USER a\r\nPASS b\r\n";

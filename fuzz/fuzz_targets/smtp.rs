//! Feeds arbitrary octets to an SMTP or LMTP session. Nothing may panic or hang, and nothing may
//! be delivered that no `250` could answer.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use veilpost::clock::{Clock, Timestamp};
use veilpost::names::{Address, MessageId, TenantId, UserId};
use veilpost::net::listen::Visit;
use veilpost::net::stream::Connection;
use veilpost::reception::{
    Directory, DirectoryError, Intake, Limits, MemoryBudget, Outcome, Received, Resolution, Role, Service,
    Settings, UserRef,
};

struct World;

impl Directory for World {
    async fn resolve(&self, address: &Address) -> Result<Resolution, DirectoryError> {
        let first = address.local().bytes().next().unwrap_or(0);
        match first {
            b'u' => Ok(Resolution::Unknown),
            b'd' => Ok(Resolution::Deferred),
            b'e' => Err(DirectoryError),
            _ => Ok(Resolution::Local(UserRef {
                tenant: TenantId::from_bytes([first % 2; 16]),
                user: UserId::from_bytes([first; 16]),
            })),
        }
    }
}

impl Intake for World {
    async fn deliver(&self, received: Received) -> Vec<Outcome> {
        assert!(!received.addressees.is_empty(), "a message without addressees");
        assert!(received.content.expose().len() <= LIMIT, "a message past the limit");
        received.addressees.iter().map(|_| Outcome::Stored(MessageId::from_bytes([0; 16]))).collect()
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((role, input)) = input.split_first() else { return };
    let role = if role % 2 == 0 { Role::Mx } else { Role::Lmtp };
    RUNTIME.block_on(talk(role, input));
});

async fn talk(role: Role, input: &[u8]) {
    let limits = Limits { message: LIMIT, slow_reply: Duration::ZERO, ..Limits::default() };
    let settings = Settings { hostname: "mx.vault.example".to_owned(), role, tls: None, limits };
    let memory = MemoryBudget::new(0, LIMIT);
    let clock = Clock::manual(Timestamp::from_unix(0));
    let service = Service::new(settings, World, World, memory.clone(), clock);
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let (mut reader, mut writer) = theirs.into_split();
    let free = memory.free();
    let session = service.serve(Visit::alone(Connection::Unix(ours), CancellationToken::new()));
    let send = async move {
        // The session may end first.
        let _ = writer.write_all(input).await;
        let _ = writer.shutdown().await;
    };
    let mut replies = Vec::new();
    let receive = reader.read_to_end(&mut replies);
    let all = async {
        // A session that ends with input unread resets the connection.
        let ((), (), _) = tokio::join!(session, send, receive);
    };
    tokio::time::timeout(PATIENCE, all).await.expect("a session whose peer has gone ends");
    assert_eq!(memory.free(), free, "memory did not come back");
    for line in replies.split_inclusive(|octet| *octet == b'\n') {
        let code_fits = line.len() <= 512 && line.iter().take(3).all(u8::is_ascii_digit);
        assert!(code_fits && line.ends_with(b"\r\n"), "a malformed reply");
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

const LIMIT: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(5);

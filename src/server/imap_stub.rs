//! Stands where `gateway::imap` will: it says BYE. The integrator replaces the one `use` in `listeners.rs`
//! and removes this file.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::mailroom::Desk;
use crate::net::stream::Connection;

/// How sessions behave.
#[expect(dead_code, reason = "the session that reads them is not there yet")]
pub struct Settings {
    /// The name in the greeting.
    pub hostname: String,
    /// For STARTTLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Between two commands.
    pub inactivity: Duration,
    /// Octets of the largest upload.
    pub append_limit: u32,
}

impl Settings {
    /// The usual behaviour.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self { hostname: hostname.into(), tls: None, inactivity: MIN_INACTIVITY, append_limit: 0 }
    }
}

/// RFC 9051 §7.1.5.
pub async fn serve(
    mut connection: Connection,
    _desk: Arc<Desk>,
    _settings: Arc<Settings>,
    _shutdown: CancellationToken,
) {
    let _gone = connection.write_all(b"* BYE [UNAVAILABLE] IMAP is not built in yet\r\n").await;
}

/// RFC 9051 §5.4.
pub const MIN_INACTIVITY: Duration = Duration::from_secs(30 * 60);

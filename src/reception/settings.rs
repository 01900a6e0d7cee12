//! What an operator can set of a reception, and the limits with their sources.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

/// One reception: SMTP as a mail exchanger, or LMTP behind one.
#[derive(Clone)]
pub struct Settings {
    /// The server's name, as in MX records and certificates: a domain name.
    pub hostname: String,
    /// Which protocol.
    pub role: Role,
    /// For STARTTLS; without it STARTTLS is not offered.
    pub tls: Option<Arc<ServerConfig>>,
    /// Limits.
    pub limits: Limits,
}

/// Which protocol a reception speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// SMTP, one reply for a transaction.
    Mx,
    /// LMTP, one reply for each addressee (RFC 2033).
    Lmtp,
}

/// Limits of sessions and transactions.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of a message, as SIZE announces.
    pub message: usize,
    /// Accepted addressees of a transaction.
    pub addressees: usize,
    /// Octets of a command line, with its CRLF.
    pub line: usize,
    /// Refused commands before replies slow down.
    pub errors_before_slow: u32,
    /// How long a reply is held back then.
    pub slow_reply: Duration,
    /// Refused commands before the session ends.
    pub errors: u32,
    /// Commands that bring no mail (NOOP, RSET, EHLO, ...) between two messages.
    pub idle_commands: u32,
    /// How long the session waits for a command, or for one piece of content.
    pub wait: Duration,
    /// How long a session may last until its first message is stored.
    pub first_message: Duration,
    /// How long the content of one message may take to come, however large it is.
    pub content: Duration,
    /// How long content may come slower than `content_rate`.
    pub content_grace: Duration,
    /// Octets a second that content must average after that.
    pub content_rate: u64,
    /// How long to wait for memory before a message is deferred.
    pub memory_wait: Duration,
    /// How long the intake may take.
    pub deliver: Duration,
    /// How long to hold the greeting back and watch for peers that talk before it (RFC 5321 §4.3.1);
    /// zero does not watch.
    pub greeting_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 50 << 20,
            addressees: 100, // RFC 5321 §4.5.3.1.8: at least 100
            line: 2048,      // RFC 5321 §4.5.3.1.4: 512, more with each extension
            errors_before_slow: 5,
            slow_reply: Duration::from_secs(1),
            errors: 20,
            idle_commands: 100,
            wait: Duration::from_secs(300), // RFC 5321 §4.5.3.2.7: at least 5 minutes
            first_message: Duration::from_secs(900),
            content: Duration::from_secs(1800),
            content_grace: Duration::from_secs(180), // RFC 5321 §4.5.3.2.5: 3 minutes for a block
            content_rate: 4096,
            memory_wait: Duration::from_secs(2),
            deliver: Duration::from_secs(240), // RFC 5321 §4.5.3.2.6: the client waits 10 minutes
            greeting_delay: Duration::ZERO,
        }
    }
}

//! Answers of the calls that look for something: what became of mail, and whether a log is whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `mail.trace`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct MailTraced {
    /// The address as the server's log has it.
    pub token: String,
    /// What was seen of it in the last fortnight, the oldest first.
    pub seen: Vec<MailSeen>,
}

/// One addressee of one message, and what its peer was told.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct MailSeen {
    /// When (RFC 3339).
    pub time: String,
    /// `accepted`, `deferred` or `refused`.
    pub verdict: String,
    /// The SMTP or LMTP reply code.
    pub reply: u16,
    /// What the reply was about.
    pub why: String,
    /// `from`, if the address was the sender; `to`, if the addressee.
    pub direction: String,
    /// The other side's token; none for the null sender.
    pub other: Option<String>,
    /// The tenant whose mail it was; none if it was nobody's here.
    pub tenant: Option<String>,
    /// The message, if it was stored.
    pub message: Option<String>,
    /// The session, as the log has it.
    pub session: String,
    /// The peer's address in the network; none by a Unix socket.
    pub peer: Option<String>,
    /// Octets.
    pub size: u64,
}

/// A checkpoint that was given to `audit.verify` and cannot be read.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct UnreadableCheckpoint {
    /// Which of the texts given, from 0.
    pub text: u64,
    /// Which checkpoint in it, from 1; 0 if there is none.
    pub checkpoint: u64,
}

/// The answer to `audit.verify`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct AuditReport {
    /// Whether the log agrees with itself and with every checkpoint that could be read.
    pub intact: bool,
    /// How many entries there are.
    pub entries: u64,
    /// The Merkle root in base64.
    pub root: String,
    /// What does not agree, one sentence each.
    pub problems: Vec<String>,
    /// How many checkpoints that were given are of this log and were compared with it.
    #[serde(default)]
    pub compared: u64,
    /// How many that were given are of other logs.
    #[serde(default)]
    pub others: u64,
    /// Those given that could not be read, or are not signed by this server's key: they tell nothing of the log.
    #[serde(default)]
    pub unreadable: Vec<UnreadableCheckpoint>,
    /// The key that checkpoints are signed with, as a signed-note verifier key.
    pub verifier_key: String,
    /// The newest checkpoint, a signed note.
    pub checkpoint: String,
}

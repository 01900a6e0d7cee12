//! Where checkpoints are kept besides the store: whoever rewrites the store cannot rewrite these.
//!
//! A file gets the notes as they are, an empty line between them. Syslog gets one RFC 5424 message per
//! checkpoint whose text is the note as a JSON string, so that it stays on one line and in ASCII.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UdpSocket, UnixDatagram};

use super::checkpoint::Checkpoint;
use super::entry::Moment;
use crate::clock::Timestamp;

/// A place for checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sink {
    /// Appended to this file and synced.
    File(PathBuf),
    /// Sent to syslog; nothing confirms that it arrived.
    Syslog(SyslogSocket),
}

/// How syslog is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogSocket {
    /// By a Unix datagram socket, usually `/dev/log`.
    Unix(PathBuf),
    /// By UDP (RFC 5426).
    Udp(SocketAddr),
}

impl Sink {
    /// Keeps a checkpoint. An error names the place that failed.
    pub async fn publish(&self, checkpoint: &Checkpoint, now: Timestamp) -> Result<(), SinkError> {
        let work = async {
            match self {
                Self::File(path) => append(path.clone(), checkpoint.note().to_owned()).await,
                Self::Syslog(socket) => socket.send(&syslog_message(checkpoint, now)).await,
            }
        };
        let outcome = tokio::time::timeout(SINK_TIMEOUT, work).await;
        outcome.unwrap_or(Err(std::io::ErrorKind::TimedOut.into())).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> SinkError {
        match self {
            Self::File(_) => SinkError::File(error.kind()),
            Self::Syslog(_) => SinkError::Syslog(error.kind()),
        }
    }
}

impl SyslogSocket {
    async fn send(&self, message: &str) -> std::io::Result<()> {
        match self {
            Self::Unix(path) => {
                UnixDatagram::unbound()?.send_to(message.as_bytes(), path).await?;
            }
            Self::Udp(peer) => {
                let any: SocketAddr = match peer {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                UdpSocket::bind(any).await?.send_to(message.as_bytes(), peer).await?;
            }
        }
        Ok(())
    }
}

async fn append(path: PathBuf, note: String) -> std::io::Result<()> {
    let task = tokio::task::spawn_blocking(move || append_synced(&path, &note));
    task.await.unwrap_or(Err(std::io::ErrorKind::Other.into()))
}

fn append_synced(path: &Path, note: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let new = file.metadata()?.len() == 0;
    // Two line ends: a note that a crash tore in mid-line then spoils nothing but itself.
    let gap = if new { "" } else { "\n\n" };
    file.write_all(format!("{gap}{note}").as_bytes())?;
    file.sync_all()?;
    if new {
        // The name is durable only with its directory.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// RFC 5424 §6: `<PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`, unknown
/// fields as `-`.
fn syslog_message(checkpoint: &Checkpoint, now: Timestamp) -> String {
    let time =
        serde_json::to_string(&Moment(now)).map_or_else(|_| "-".to_owned(), |text| text.replace('"', ""));
    // ASCII needs no byte order mark (§6.4); a JSON string of a string cannot fail.
    let note = serde_json::Value::from(checkpoint.note()).to_string().replace('\u{2014}', "\\u2014");
    format!("<{PRIORITY}>1 {time} - veilpost - checkpoint - {note}")
}

/// Why a checkpoint was not kept somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The file could not be written or synced.
    #[error("the checkpoint file: {0}")]
    File(std::io::ErrorKind),
    /// The syslog daemon could not be reached.
    #[error("syslog: {0}")]
    Syslog(std::io::ErrorKind),
}

/// RFC 5424 §6.2.1: facility 13 (log audit) × 8 + severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;
/// A stalled disk or a full socket must not stop the next checkpoint.
const SINK_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::checkpoint::{CheckpointKey, split_notes};
    use super::*;
    use crate::names::TenantId;
    use tlog_tiles::record_hash;

    fn checkpoint(size: u64) -> Checkpoint {
        let key = CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap();
        key.sign(TenantId::from_bytes([0; 16]), size, record_hash(b"")).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_unix(1_795_000_000);

    #[tokio::test]
    async fn a_file_collects_notes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints");
        let sink = Sink::File(path.clone());
        for size in 1..4 {
            sink.publish(&checkpoint(size), NOW).await.unwrap();
        }
        let notes = split_notes(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(notes, [1, 2, 3].map(|size| checkpoint(size).note().to_owned()));
    }

    #[tokio::test]
    async fn a_torn_note_spoils_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints");
        let whole = checkpoint(1);
        for cut in 1..whole.note().len() {
            std::fs::write(&path, &whole.note().as_bytes()[..cut]).unwrap();
            Sink::File(path.clone()).publish(&checkpoint(2), NOW).await.unwrap();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert_eq!(split_notes(&text).last().unwrap(), checkpoint(2).note(), "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_missing_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::File(directory.path().join("none/checkpoints"));
        let outcome = sink.publish(&checkpoint(1), NOW).await;
        assert_eq!(outcome, Err(SinkError::File(std::io::ErrorKind::NotFound)));
    }

    #[tokio::test]
    async fn syslog_gets_one_ascii_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let sink = Sink::Syslog(SyslogSocket::Unix(path));
        sink.publish(&checkpoint(5), NOW).await.unwrap();
        let mut buffer = [0; 2048];
        let length = daemon.recv(&mut buffer).await.unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();

        let start = "<109>1 2026-11-18T11:06:40Z - veilpost - checkpoint - ";
        let note: String = serde_json::from_str(message.strip_prefix(start).unwrap()).unwrap();
        assert_eq!(note, checkpoint(5).note());
        assert!(message.is_ascii() && !message.contains('\n'));
    }

    #[tokio::test]
    async fn syslog_goes_by_udp_too() {
        let daemon = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sink = Sink::Syslog(SyslogSocket::Udp(daemon.local_addr().unwrap()));
        sink.publish(&checkpoint(5), NOW).await.unwrap();
        let mut buffer = [0; 2048];
        let length = daemon.recv(&mut buffer).await.unwrap();
        // RFC 5426 §3.2: every IPv4 receiver takes 480 octets.
        assert!(length <= 480, "{length}");
        assert!(buffer.starts_with(b"<109>1 "));
    }
}

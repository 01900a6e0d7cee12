//! Strict lines over a connection: CRLF ends a line, nothing else does (RFC 5321 §2.3.8, RFC 1939 §3).
//!
//! Every read has a limit and a timeout. While a session waits for its peer it holds a buffer of
//! a kilobyte; the buffer grows only while octets flow.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::{Zeroize, Zeroizing};

use super::stream::Connection;
use crate::wipe::wipe;

/// Why there is no line. All but `TooLong`, `BareLineEnd` and `Nul` end the session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line passed the limit. It has been read and dropped up to its end, so the session can go on.
    #[error("the line is too long")]
    TooLong,
    /// A CR or LF stood alone in the line. The line was dropped up to its CRLF.
    #[error("a CR or LF stands alone")]
    BareLineEnd,
    /// The line holds a NUL. The line was dropped.
    #[error("the line holds a NUL")]
    Nul,
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer kept silent, or did not take our octets, for too long.
    #[error("the peer was silent for too long")]
    Timeout,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer sent octets ahead of a TLS handshake (CVE-2011-0411): they would count as protected.
    #[error("octets came ahead of the TLS handshake")]
    Injected,
}

/// A connection read line by line or in pieces.
pub struct Lines {
    connection: Connection,
    input: BytesMut,
    wait: Duration,
}

impl Lines {
    /// Reads from `connection`; every single wait for the peer lasts at most `wait`.
    pub fn new(connection: Connection, wait: Duration) -> Self {
        Self { connection, input: BytesMut::new(), wait }
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Changes how long a single wait for the peer may last.
    pub fn set_wait(&mut self, wait: Duration) {
        self.wait = wait;
    }

    /// The next line, without its CRLF, of at most `limit` octets with it.
    pub async fn line(&mut self, limit: usize) -> Result<Bytes, LineError> {
        let end = self.line_end(limit).await?;
        self.cut_line(end, limit)
    }

    /// Like [`Lines::line`], for a line that may hold a password: nothing of it stays in the buffer.
    pub async fn secret_line(&mut self, limit: usize) -> Result<Zeroizing<Vec<u8>>, LineError> {
        let end = self.line_end(limit).await?;
        let line = Zeroizing::new(self.input[..end].to_vec());
        self.input[..end].zeroize();
        self.input.advance(end + 2);
        check_line(&line, limit)?;
        Ok(line)
    }

    /// Octets that have arrived and are not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        &self.input
    }

    /// Takes the first `count` buffered octets, at most all of them.
    pub fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.input.len());
        self.input.split_to(count).freeze()
    }

    /// Drops the first `count` buffered octets, at most all of them.
    pub fn consume(&mut self, count: usize) {
        self.input.advance(count.min(self.input.len()));
    }

    /// Drops the first `count` buffered octets, at most all of them, and overwrites them: for content,
    /// which should not stay behind in memory.
    pub fn wipe(&mut self, count: usize) {
        let count = count.min(self.input.len());
        wipe(&mut self.input[..count]);
        self.input.advance(count);
    }

    /// Waits for more octets and adds them to the buffer, few at once, holding little meanwhile: for
    /// commands that are more than a line.
    pub async fn trickle(&mut self) -> Result<(), LineError> {
        self.settle();
        self.receive().await
    }

    /// Makes room for so many octets at once, so that content does not move about in memory as it grows.
    pub fn reserve(&mut self, octets: usize) {
        // With room behind it: a buffer that grows leaves a copy.
        self.input.reserve(octets.saturating_add(FLOW_BUFFER));
    }

    /// Waits for more octets and adds them to the buffer, much at once: for content, not for commands.
    pub async fn fill(&mut self) -> Result<(), LineError> {
        if self.input.capacity() - self.input.len() < FLOW_BUFFER / 4 {
            self.input.reserve(FLOW_BUFFER);
        }
        self.receive().await
    }

    /// Writes all of `octets`; for TLS they may wait for [`Lines::flush`].
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), LineError> {
        match timeout(self.wait, self.connection.write_all(octets)).await {
            Err(_) => Err(LineError::Timeout),
            Ok(done) => done.map_err(LineError::from),
        }
    }

    /// Sends what was written.
    pub async fn flush(&mut self) -> Result<(), LineError> {
        match timeout(self.wait, self.connection.flush()).await {
            Err(_) => Err(LineError::Timeout),
            Ok(done) => done.map_err(LineError::from),
        }
    }

    /// Runs a TLS handshake and goes on over TLS. Refuses when the peer has sent octets ahead of it
    /// (RFC 3207 §4.2, RFC 2595 §4).
    pub async fn start_tls(self, config: Arc<ServerConfig>) -> Result<Self, LineError> {
        if !self.input.is_empty() {
            return Err(LineError::Injected);
        }
        match timeout(self.wait, self.connection.start_tls(config)).await {
            Err(_) => Err(LineError::Timeout),
            Ok(connection) => Ok(Self::new(connection?, self.wait)),
        }
    }

    /// Compresses what passes from now on (RFC 4978). To be called when nothing is buffered.
    pub fn compress(self) -> Self {
        Self { connection: self.connection.deflated(), ..self }
    }

    /// Says goodbye to the peer; errors no longer matter.
    pub async fn close(mut self) {
        let _ = timeout(self.wait, self.connection.shutdown()).await;
    }

    /// Waits until the buffer holds a whole line, and tells where its CRLF stands.
    async fn line_end(&mut self, limit: usize) -> Result<usize, LineError> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.input[searched..], b"\r\n") {
                return Ok(searched + at);
            }
            if self.input.len() >= limit {
                return self.drop_long_line().await;
            }
            searched = self.input.len().saturating_sub(1);
            self.settle();
            self.receive().await?;
        }
    }

    fn cut_line(&mut self, end: usize, limit: usize) -> Result<Bytes, LineError> {
        let line = self.input.split_to(end).freeze();
        self.input.advance(2);
        check_line(&line, limit)?;
        Ok(line)
    }

    /// Reads on to the end of a line that is too long, keeping one octet, up to [`MAX_DROPPED`].
    async fn drop_long_line(&mut self) -> Result<usize, LineError> {
        let mut dropped = 0;
        while dropped < MAX_DROPPED {
            if let Some(at) = memchr::memmem::find(&self.input, b"\r\n") {
                self.input.advance(at + 2);
                return Err(LineError::TooLong);
            }
            let spare = self.input.len().saturating_sub(1);
            self.input.advance(spare);
            dropped += spare;
            self.fill().await?;
        }
        Err(LineError::Closed)
    }

    async fn receive(&mut self) -> Result<(), LineError> {
        match timeout(self.wait, self.connection.read_buf(&mut self.input)).await {
            Err(_) => Err(LineError::Timeout),
            Ok(Ok(0)) => Err(LineError::Closed),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Before a session waits for a command, an empty buffer goes back to its idle size.
    fn settle(&mut self) {
        if self.input.is_empty() && self.input.capacity() > IDLE_BUFFER {
            self.input = BytesMut::new();
        }
        if self.input.capacity() == self.input.len() {
            self.input.reserve(IDLE_BUFFER);
        }
    }
}

fn check_line(line: &[u8], limit: usize) -> Result<(), LineError> {
    if line.len() + 2 > limit {
        return Err(LineError::TooLong);
    }
    if memchr::memchr2(b'\r', b'\n', line).is_some() {
        return Err(LineError::BareLineEnd);
    }
    if memchr::memchr(0, line).is_some() {
        return Err(LineError::Nul);
    }
    Ok(())
}

/// What an idle session holds for reading, in octets: more than any command line of RFC 5321 §4.5.3.1.4.
const IDLE_BUFFER: usize = 1024;
/// What a session reads at once while content flows.
const FLOW_BUFFER: usize = 64 * 1024;
/// How much of an endless line is read before the connection counts as lost.
const MAX_DROPPED: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    async fn lines_of(input: &[u8], limit: usize) -> Vec<Result<Vec<u8>, String>> {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let input = input.to_vec();
        let writer = tokio::spawn(async move {
            theirs.write_all(&input).await.expect("the reader reads all");
        });
        let mut lines = Lines::new(Connection::Unix(ours), Duration::from_secs(5));
        let mut seen = Vec::new();
        loop {
            match lines.line(limit).await {
                Ok(line) => seen.push(Ok(line.to_vec())),
                Err(LineError::Closed) => break,
                Err(error) => seen.push(Err(error.to_string())),
            }
        }
        writer.await.expect("the writer ends");
        seen
    }

    #[tokio::test]
    async fn only_crlf_ends_a_line() {
        let seen = lines_of(b"one\r\ntwo\nstill\r\nthr\ree\r\nfo\0ur\r\n\r\nrest", 100).await;
        assert_eq!(seen[0], Ok(b"one".to_vec()));
        assert_eq!(seen[1], Err(LineError::BareLineEnd.to_string()));
        assert_eq!(seen[2], Err(LineError::BareLineEnd.to_string()));
        assert_eq!(seen[3], Err(LineError::Nul.to_string()));
        assert_eq!(seen[4], Ok(Vec::new()));
        assert_eq!(seen.len(), 5);
    }

    #[tokio::test]
    async fn a_secret_line_leaves_nothing_in_the_buffer() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        theirs.write_all(b"PASS secret\r\nNOOP\r\nlonger\r\n").await.expect("the socket takes it");
        let mut lines = Lines::new(Connection::Unix(ours), Duration::from_secs(5));
        assert_eq!(lines.secret_line(100).await.expect("a line").as_slice(), b"PASS secret");
        assert_eq!(lines.buffered(), b"NOOP\r\nlonger\r\n");
        assert_eq!(lines.line(100).await.expect("a line"), "NOOP");
        assert!(matches!(lines.secret_line(7).await, Err(LineError::TooLong)));
    }

    #[tokio::test]
    async fn a_long_line_is_dropped_and_the_next_is_read() {
        let mut input = vec![b'x'; 200_000];
        input.extend_from_slice(b"\r\nnext\r\n");
        let seen = lines_of(&input, 512).await;
        assert_eq!(seen, [Err(LineError::TooLong.to_string()), Ok(b"next".to_vec())]);
    }

    #[tokio::test]
    async fn the_limit_counts_the_line_end() {
        let seen = lines_of(b"12345678\r\n123456789\r\n", 10).await;
        assert_eq!(seen, [Ok(b"12345678".to_vec()), Err(LineError::TooLong.to_string())]);
    }
}

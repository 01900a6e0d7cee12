//! A connection whose octets are compressed both ways: raw DEFLATE (RFC 1951), as IMAP's COMPRESS has it
//! (RFC 4978).
//!
//! Memory: the compressor, which is large, exists only between the first octet written and the flush after
//! the last. What a fresh one writes is a valid continuation of the same stream, since it refers to nothing
//! before it. The window of the decompressor stays as long as the connection: the peer may refer to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Connection;

/// A connection with DEFLATE on it.
pub struct Deflated {
    inner: Connection,
    inflate: Decompress,
    /// Octets from the peer that are still compressed.
    input: Vec<u8>,
    /// The decompressor filled what it was given and may hold more.
    more: bool,
    deflate: Option<Compress>,
    /// Compressed octets, and how many of them have been sent.
    output: Vec<u8>,
    sent: usize,
}

impl Deflated {
    /// Compresses what passes from now on.
    pub fn new(inner: Connection) -> Self {
        let inflate = Decompress::new(false);
        Self { inner, inflate, input: Vec::new(), more: false, deflate: None, output: Vec::new(), sent: 0 }
    }

    /// The connection beneath.
    pub fn inner(&self) -> &Connection {
        &self.inner
    }

    /// Decompresses what has come, as far as `buf` has room. Whether anything came out.
    fn inflate(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<bool> {
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let room = buf.initialize_unfilled();
        let done = self.inflate.decompress(&self.input, room, FlushDecompress::None);
        let status = done.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not DEFLATE"))?;
        // Both fit: they count octets of these two buffers.
        let (taken, made) =
            ((self.inflate.total_in() - taken) as usize, (self.inflate.total_out() - made) as usize);
        self.more = made == room.len();
        buf.advance(made);
        self.input.drain(..taken);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if made == 0 && (status == Status::StreamEnd || !self.input.is_empty()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "DEFLATE came to its end"));
        }
        Ok(made > 0)
    }

    fn compress(&mut self, octets: &[u8], flush: FlushCompress) -> io::Result<()> {
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        let begun = deflate.total_in();
        loop {
            self.output.reserve(PIECE);
            // It fits: it counts octets of this buffer.
            let taken = (deflate.total_in() - begun) as usize;
            deflate.compress_vec(&octets[taken..], &mut self.output, flush).map_err(io::Error::other)?;
            // Room left over means that nothing is held back.
            if self.output.len() < self.output.capacity() {
                return Ok(());
            }
        }
    }

    /// Sends what is compressed.
    fn drain(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let count = ready!(Pin::new(&mut self.inner).poll_write(task, &self.output[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        (self.output, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Deflated {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if buf.remaining() == 0 || ((this.more || !this.input.is_empty()) && this.inflate(buf)?) {
                return Poll::Ready(Ok(()));
            }
            // On the stack, so that waiting costs nothing.
            let mut octets = [0; PIECE];
            let mut read = ReadBuf::new(&mut octets);
            ready!(Pin::new(&mut this.inner).poll_read(task, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.input.extend_from_slice(read.filled());
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() >= HELD {
            ready!(this.drain(task))?;
        }
        let piece = &buf[..buf.len().min(HELD)];
        this.compress(piece, FlushCompress::None)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deflate.is_some() {
            this.compress(&[], FlushCompress::Sync)?;
            this.deflate = None;
        }
        ready!(this.drain(task))?;
        Pin::new(&mut this.inner).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(task))?;
        Pin::new(&mut self.get_mut().inner).poll_shutdown(task)
    }
}

/// How much is read from the peer at once, and how much room the compressor gets at once, in octets.
const PIECE: usize = 4 * 1024;
/// How much is compressed ahead of a slow peer, in octets.
const HELD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn pair() -> (Deflated, Deflated) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        (Deflated::new(Connection::Unix(ours)), Deflated::new(Connection::Unix(theirs)))
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let (mut ours, mut theirs) = pair();
        let long: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let sent = long.clone();
        let writer = tokio::spawn(async move {
            for piece in [&b"a OK first\r\n"[..], b"", &sent, b"a OK last\r\n"] {
                ours.write_all(piece).await.expect("it is taken");
                ours.flush().await.expect("it is taken");
                assert!(ours.deflate.is_none() && ours.output.capacity() == 0);
            }
            ours.shutdown().await.expect("it ends");
        });
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.expect("it is DEFLATE");
        assert_eq!(read, [&b"a OK first\r\n"[..], &long, b"a OK last\r\n"].concat());
        writer.await.expect("the writer ends");
    }

    #[tokio::test]
    async fn a_flush_carries_all_over() {
        let (mut ours, mut theirs) = pair();
        for line in [&b"one\r\n"[..], b"two\r\n", b"one\r\n"] {
            ours.write_all(line).await.expect("it is taken");
            ours.flush().await.expect("it is taken");
            let mut read = [0; 5];
            theirs.read_exact(&mut read).await.expect("it is all there");
            assert_eq!(read, line);
        }
    }

    #[tokio::test]
    async fn what_is_not_deflate_is_an_error() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let mut ours = Deflated::new(Connection::Unix(ours));
        theirs.write_all(b"a NOOP\r\n\xff\xff").await.expect("it is taken");
        drop(theirs);
        let read = ours.read(&mut [0; 100]).await;
        assert_eq!(read.expect_err("no DEFLATE").kind(), io::ErrorKind::InvalidData);
    }
}

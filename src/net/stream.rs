//! One connection, whatever carries it: TCP in the clear, TLS over TCP, or a Unix socket; compressed or not.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::deflate::Deflated;

/// A connection from a peer.
pub enum Connection {
    /// TCP without TLS.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: the state of a TLS session is large.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix socket: the peer is on this machine.
    Unix(UnixStream),
    /// Any of these, compressed. Boxed, as it is rare.
    Deflated(Box<Deflated>),
}

impl Connection {
    /// Runs the server's side of a TLS handshake over a plain TCP connection. The caller sets the
    /// timeout. Fails on a connection that is no plain TCP.
    pub async fn start_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let Self::Plain(socket) = self else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "TLS starts over plain TCP only"));
        };
        TlsAcceptor::from(config).accept(socket).await.map(|stream| Self::Tls(Box::new(stream)))
    }

    /// Compresses what passes from now on (RFC 4978).
    pub fn deflated(self) -> Self {
        Self::Deflated(Box::new(Deflated::new(self)))
    }

    /// Whether what passes is compressed.
    pub fn is_deflated(&self) -> bool {
        matches!(self, Self::Deflated(_))
    }

    /// Whether what passes is protected by TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.carrier(), Self::Tls(_))
    }

    /// Whether the peer is on this machine.
    pub fn is_unix(&self) -> bool {
        matches!(self.carrier(), Self::Unix(_))
    }

    /// The connection without its compression.
    fn carrier(&self) -> &Self {
        match self {
            Self::Deflated(stream) => stream.inner().carrier(),
            carrier => carrier,
        }
    }

    /// The peer's address; none for a Unix socket or a peer that is gone. IPv4 as such, also when
    /// it arrived on an IPv6 socket.
    pub fn peer(&self) -> Option<IpAddr> {
        let socket = match self.carrier() {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Unix(_) | Self::Deflated(_) => return None,
        };
        socket.peer_addr().ok().map(|peer| peer.ip().to_canonical())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(task, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(task, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(task, buf),
            Self::Deflated(stream) => Pin::new(&mut **stream).poll_read(task, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(task, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(task, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(task, buf),
            Self::Deflated(stream) => Pin::new(&mut **stream).poll_write(task, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(task),
            Self::Tls(stream) => Pin::new(stream).poll_flush(task),
            Self::Unix(socket) => Pin::new(socket).poll_flush(task),
            Self::Deflated(stream) => Pin::new(&mut **stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(task),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(task),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(task),
            Self::Deflated(stream) => Pin::new(&mut **stream).poll_shutdown(task),
        }
    }
}

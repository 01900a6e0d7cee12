//! The command line's side of the administration socket. Blocking: a command does one thing.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::api::{Answer, Body, Call, Failure, Progress, Request};

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing answers on the socket.
    #[error("no server answers on {}: {source}", .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The server refused or failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Io(#[from] io::Error),
    /// The server says something that this version does not know.
    #[error("the server's answer is not understood: is it another version?")]
    Answer,
}

/// A connection to a running server.
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    next: u64,
}

impl Client {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path)
            .map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned(), next: 1 })
    }

    /// The socket that it is connected to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the result.
    pub fn call<T: DeserializeOwned>(&mut self, request: Request) -> Result<T, ClientError> {
        self.call_with(request, |_| {}, |_| Ok(()))
    }

    /// Asks, and passes on progress and items until the result is there.
    pub fn call_with<T: DeserializeOwned>(
        &mut self,
        request: Request,
        mut on_progress: impl FnMut(Progress),
        mut on_item: impl FnMut(serde_json::Value) -> io::Result<()>,
    ) -> Result<T, ClientError> {
        self.send(request)?;
        loop {
            match self.receive()?.body {
                Body::Result(value) => return serde_json::from_value(value).map_err(|_| ClientError::Answer),
                Body::Error(failure) => return Err(failure.into()),
                Body::Progress(progress) => on_progress(progress),
                Body::Item(item) => on_item(item)?,
            }
        }
    }

    fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let call = Call { id: self.next, request };
        self.next += 1;
        let mut line = Zeroizing::new(serde_json::to_vec(&call).map_err(io::Error::from)?);
        line.push(b'\n');
        Ok(self.stream.get_mut().write_all(&line)?)
    }

    fn receive(&mut self) -> Result<Answer, ClientError> {
        let mut line = Zeroizing::new(Vec::new());
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        serde_json::from_slice(&line).map_err(|_| ClientError::Answer)
    }
}

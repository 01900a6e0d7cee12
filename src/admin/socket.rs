//! The server's side of the administration socket: reads calls line by line and hands them to a
//! [`Handler`]. Only root and the user that runs the server may call.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::api::{Answer, Body, Call, Failure, FailureCode, Progress, Request};

/// Does what calls ask.
pub trait Handler: Send + Sync + 'static {
    /// Does it, or says why not. `caller` is the Unix user who asks.
    fn handle(
        &self,
        request: Request,
        caller: u32,
        outlet: &Outlet,
    ) -> impl Future<Output = Result<serde_json::Value, Failure>> + Send;
}

/// Where a call that takes long tells how far it is, and yields one thing after the other.
pub struct Outlet {
    id: u64,
    answers: mpsc::Sender<Answer>,
}

impl Outlet {
    /// An outlet that nobody listens to, for calls whose answer says it all.
    pub fn quiet() -> Self {
        Self::channel().0
    }

    /// An outlet for a caller in this process, and where it hears what the call tells.
    pub fn channel() -> (Self, mpsc::Receiver<Answer>) {
        let (answers, said) = mpsc::channel(16);
        (Self { id: 0, answers }, said)
    }

    /// Tells how far the call is. Dropped when the caller reads too slowly.
    pub fn progress(&self, done: u64, total: u64, what: &str) {
        let progress = Progress { done, total, what: what.to_owned() };
        let _ = self.answers.try_send(Answer { id: self.id, body: Body::Progress(progress) });
    }

    /// Yields one thing; waits for the caller to take it. Fails when the caller is gone.
    pub async fn item(&self, item: serde_json::Value) -> Result<(), Failure> {
        let answer = Answer { id: self.id, body: Body::Item(item) };
        self.answers.send(answer).await.map_err(|_| Failure {
            code: FailureCode::Internal,
            message: "the caller is gone".to_owned(),
            hint: None,
        })
    }
}

/// Binds the socket with mode 0600, in the place of one that a crashed server left behind. Fails
/// when another server answers on it.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another server answers on the administration socket",
        ));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves calls until `shutdown`.
pub async fn serve<H: Handler>(listener: UnixListener, handler: Arc<H>, shutdown: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: give the others time to end.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let (handler, shutdown) = (handler.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = converse(stream, handler) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

/// One caller's connection.
async fn converse<H: Handler>(stream: UnixStream, handler: Arc<H>) -> io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    if caller != 0 && caller != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = zeroize::Zeroizing::new(Vec::new());
    loop {
        line.clear();
        (&mut read).take(MAX_CALL).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        match serde_json::from_slice::<Call>(&line) {
            Ok(call) => answer(call, caller, &handler, &mut write).await?,
            Err(error) => write_answer(&mut write, &misunderstood(&error)).await?,
        }
    }
}

/// Runs one call in a task of its own, so that a panic stays there, and passes on what it says.
async fn answer<H: Handler>(
    call: Call,
    caller: u32,
    handler: &Arc<H>,
    write: &mut tokio::net::unix::OwnedWriteHalf,
) -> io::Result<()> {
    let (answers, mut said) = mpsc::channel(16);
    let (id, handler) = (call.id, handler.clone());
    let task = tokio::spawn(async move {
        let outlet = Outlet { id, answers };
        handler.handle(call.request, caller, &outlet).await
    });
    while let Some(answer) = said.recv().await {
        write_answer(write, &answer).await?;
    }
    let body = match task.await {
        Ok(Ok(result)) => Body::Result(result),
        Ok(Err(failure)) => Body::Error(failure),
        Err(_) => Body::Error(Failure {
            code: FailureCode::Internal,
            message: "the call failed in the server".to_owned(),
            hint: Some("the server's log says where".to_owned()),
        }),
    };
    write_answer(write, &Answer { id, body }).await
}

async fn write_answer(write: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(answer)?);
    line.push(b'\n');
    write.write_all(&line).await
}

fn misunderstood(error: &serde_json::Error) -> Answer {
    let failure = Failure {
        code: FailureCode::Invalid,
        // serde_json names the field and the column, and may quote a value: only the place is told.
        message: format!("the call is not understood (column {})", error.column()),
        hint: Some("use a `veilpost` of the same version as the server".to_owned()),
    };
    Answer { id: 0, body: Body::Error(failure) }
}

/// The longest call, in octets: a policy of 64 KiB, escaped, with room.
const MAX_CALL: u64 = 1024 * 1024;

//! HTTP/1.1 (RFC 9112) for small answers to operators, Prometheus and certificate authorities.
//!
//! Owns the limits that a bare `axum::serve` lacks: connections, and the time of headers and of a
//! whole connection. One request a connection, so that nobody stays. Refuses to know the routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers connections to `listener` with `router` until `stop`, then waits for the answers under way.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = router.layer(axum::middleware::from_fn(with_host));
    let open = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((place, stream)) = next(&listener, &places, &stop).await {
        let router = router.clone();
        open.spawn(async move {
            answer(stream, router).await;
            drop(place);
        });
    }
    open.close();
    open.wait().await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream)> {
    let accept = async {
        // Nobody closes this semaphore, it is ours.
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((place, stream)),
                // Out of descriptors, or a client that left early: others may fare better a little later.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        accepted = accept => accepted,
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // An error here is a client that left or talked nonsense: nothing to do and nobody to tell.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

/// Lets requests on that name one host.
async fn with_host(request: Request, next: Next) -> Response {
    if names_one_host(request.version(), request.headers()) { next.run(request).await } else { no_host() }
}

/// Whether a request has one Host field that names a host, as RFC 9112 §3.2 asks of HTTP/1.1; older requests
/// may have none. Two of them are read in two ways by two programs.
pub(super) fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// A host and perhaps a port (RFC 9110 §7.2); no user, which an authority may have.
fn is_host(value: &[u8]) -> bool {
    !value.contains(&b'@') && axum::http::uri::Authority::try_from(value).is_ok()
}

/// What is said to a request without a host; the connection ends, for what follows is as doubtful.
pub(super) fn no_host() -> Response {
    (
        StatusCode::BAD_REQUEST,
        [(header::CONNECTION, "close")],
        "The request names no host, or more than one.\n",
    )
        .into_response()
}

/// The answer to whatever is not there.
pub(super) async fn not_found() -> Result<axum::http::StatusCode, Infallible> {
    Ok(axum::http::StatusCode::NOT_FOUND)
}

const MAX_CONNECTIONS: usize = 128;
/// Octets of request line and headers; hyper's least is 8192.
const MAX_HEADER: usize = 16 * 1024;
const HEADER_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(20);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
pub(super) mod testing {
    //! A client of one request, as plain as they come.

    /// Heads of requests without their target, and the status of the answer.
    pub(crate) const HOSTS: [(&str, &str); 10] = [
        ("HTTP/1.1\r\nHost: v.example\r\nConnection: close", "200"),
        ("HTTP/1.1\r\nhOST: [::1]:8443\r\nConnection: close", "200"),
        ("HTTP/1.0", "200"),
        ("HTTP/1.1", "400"),
        ("HTTP/1.1\r\nHost: v.example\r\nHost: v.example", "400"),
        ("HTTP/1.1\r\nHost: v.example\r\nHost: w.example", "400"),
        ("HTTP/1.0\r\nHost: v.example\r\nHost: w.example", "400"),
        ("HTTP/1.1\r\nHost:", "400"),
        ("HTTP/1.1\r\nHost: a@v.example", "400"),
        ("HTTP/1.1\r\nHost: v.example/path", "400"),
    ];

    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The whole answer to `GET path`.
    pub(crate) async fn get(at: SocketAddr, host: &str, path: &str) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(at).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(1 << 20).read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::testing::HOSTS;
    use super::*;

    async fn start() -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "here")).fallback(not_found);
        (at, stop.clone(), tokio::spawn(serve(listener, router, stop)))
    }

    #[tokio::test]
    async fn it_answers_and_stops() {
        let (at, stop, serving) = start().await;
        assert!(testing::get(at, "x", "/").await.expect("answers").ends_with("\r\n\r\nhere"));
        assert!(testing::get(at, "x", "/other").await.expect("answers").starts_with("HTTP/1.1 404"));
        stop.cancel();
        serving.await.expect("ends");
        assert!(testing::get(at, "x", "/").await.is_err());
    }

    #[tokio::test]
    async fn a_request_names_one_host() {
        let (at, stop, serving) = start().await;
        for (head, answer) in HOSTS {
            let mut stream = TcpStream::connect(at).await.expect("connects");
            stream.write_all(format!("GET / {head}\r\n\r\n").as_bytes()).await.expect("writes");
            let mut said = String::new();
            stream.read_to_string(&mut said).await.expect("answers");
            assert_eq!(said.get(9..12), Some(answer), "{head}: {said}");
        }
        stop.cancel();
        serving.await.expect("ends");
    }

    #[tokio::test]
    async fn nonsense_and_endless_headers_are_refused() {
        let (at, stop, serving) = start().await;
        for request in [b"\0\0\0\r\n\r\n".to_vec(), vec![b'A'; MAX_HEADER * 2]] {
            let mut stream = TcpStream::connect(at).await.expect("connects");
            let _ = stream.write_all(&request).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
        }
        stop.cancel();
        serving.await.expect("ends");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_dropped() {
        let (at, stop, serving) = start().await;
        let mut silent = TcpStream::connect(at).await.expect("connects");
        let mut answer = Vec::new();
        // The paused clock jumps to the next timer: the server's, not this one.
        let read = tokio::time::timeout(Duration::from_secs(3600), silent.read_to_end(&mut answer));
        read.await.expect("dropped before").ok();
        stop.cancel();
        serving.await.expect("ends");
    }
}

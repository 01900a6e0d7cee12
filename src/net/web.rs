//! HTTP/1.1 over TLS (RFC 9112, RFC 9110) for people: connections that stay open between requests,
//! with limits on headers, on the time they take, on the time until an answer, and on how long a
//! connection idles.
//!
//! Knows who is at the other end; refuses to know the routes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tower::ServiceExt;

use super::http::{names_one_host, no_host};
use super::listen::Visit;
use super::stream::Connection;

/// The network address of the other end, as an extension of every request. Beside it is the
/// [`Standing`](super::listen::Standing) of the connection: whoever finds the peer signed in says so by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Serves one connection: the handshake within `handshake`, then requests until the client leaves,
/// idles, or the server stops.
pub async fn serve(visit: Visit, tls: Arc<ServerConfig>, handshake: Duration, router: Router) {
    let Visit { connection, seat, shutdown } = visit;
    // Boxed: a handshake's state is large, and gone after it.
    let Ok(Ok(connection)) = Box::pin(tokio::time::timeout(handshake, connection.start_tls(tls))).await
    else {
        return;
    };
    let Some(peer) = connection.peer() else { return };
    let connection = converse(connection, Peer(peer), router, &seat);
    tokio::pin!(connection);
    tokio::select! {
        () = &mut connection => {}
        () = async { tokio::select! { () = seat.evicted() => {}, () = shutdown.cancelled() => {} } } => {
            // The answer under way is finished; an idle client is let go.
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
    }
}

async fn converse(connection: Connection, peer: Peer, router: Router, seat: &super::listen::Seat) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        seat.progress();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(seat.standing());
        let answer = answered(router.clone(), request);
        async move {
            let _working = seat.working();
            answer.await
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    // An error here is a client that left or talked nonsense: nothing to do and nobody to tell.
    drop::<Result<(), hyper::Error>>(served);
}

/// The router's answer. The time limit is that of its head, the request's body included; what
/// follows, a download for instance, takes as long as its reader does.
async fn answered(router: Router, request: Request<Body>) -> Result<Response, Infallible> {
    if !names_one_host(request.version(), request.headers()) {
        return Ok(no_host());
    }
    match tokio::time::timeout(ANSWER, router.oneshot(request)).await {
        Ok(answer) => answer,
        // RFC 9110 §15.5.9: the connection is of no use any more, its request is read in part.
        Err(_) => Ok((StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response()),
    }
}

/// Octets of request line and headers.
const MAX_HEADER: usize = 32 * 1024;
/// From one request to the end of the next one's headers.
const IDLE: Duration = Duration::from_secs(60);
/// From a request's headers to its answer's: half a megabyte of form on a slow line, or a password
/// to stretch behind others. Meanwhile the connection counts as at work, and gives way to nobody.
const ANSWER: Duration = Duration::from_secs(60);
/// For an answer under way when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::body::Bytes;
    use axum::routing::{get, post};
    use futures::{StreamExt, stream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// What the server says to these octets until it hangs up, and how long that takes.
    async fn said(octets: &str) -> (String, Duration) {
        let router = Router::new()
            .route("/form", post(async |form: Bytes| form))
            .route("/stuck", get(std::future::pending::<()>))
            .route("/download", get(download));
        let (server, mut client) = UnixStream::pair().unwrap();
        let visit = Visit::alone(Connection::Unix(server), CancellationToken::new());
        let Visit { connection, seat, .. } = visit;
        client.write_all(octets.as_bytes()).await.unwrap();
        let (begun, mut answer) = (Instant::now(), String::new());
        let peer = Peer(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let (_, read) =
            tokio::join!(converse(connection, peer, router, &seat), client.read_to_string(&mut answer));
        read.unwrap();
        (answer, begun.elapsed())
    }

    async fn download() -> Body {
        let pieces = stream::iter(["a long ", "download"]).then(async |piece| {
            sleep(ANSWER).await;
            Ok::<_, Infallible>(piece)
        });
        Body::from_stream(pieces)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_so_long_and_a_body_that_trickles_no_longer() {
        for request in [
            "POST /form HTTP/1.1\r\nHost: v.example\r\nContent-Length: 10\r\n\r\nhalf",
            "GET /stuck HTTP/1.1\r\nHost: v.example\r\n\r\n",
        ] {
            let (answer, took) = said(request).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{request}: {answer}");
            assert!(took >= ANSWER && took < ANSWER + Duration::from_secs(1), "{request}: {took:?}");
        }
    }

    #[tokio::test]
    async fn a_request_names_one_host() {
        for (head, answer) in crate::net::http::testing::HOSTS {
            let (said, _) = said(&format!("POST /form {head}\r\nContent-Length: 0\r\n\r\n")).await;
            assert_eq!(said.get(9..12), Some(answer), "{head}: {said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_takes_as_long_as_it_takes() {
        let request = "GET /download HTTP/1.1\r\nHost: v.example\r\nConnection: close\r\n\r\n";
        let (answer, took) = said(request).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("download"), "{answer}");
        assert!(took >= 2 * ANSWER, "{took:?}");
    }
}

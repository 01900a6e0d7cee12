//! HTTP/1.1 over TLS (RFC 9112, RFC 9110) for people: connections that stay open between requests,
//! with limits on headers, on the time they take, and on how long a connection idles.
//!
//! Knows who is at the other end; refuses to know the routes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tower::ServiceExt;

use super::listen::Visit;
use super::stream::Connection;

/// The network address of the other end, as an extension of every request.
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
        () = seat.evicted() => {}
        () = shutdown.cancelled() => {
            // The answer under way is finished; an idle client is let go.
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
    }
}

async fn converse(connection: Connection, peer: Peer, router: Router, seat: &super::listen::Seat) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        seat.progress();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answer = router.clone().oneshot(request);
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

/// Octets of request line and headers.
const MAX_HEADER: usize = 32 * 1024;
/// From one request to the end of the next one's headers.
const IDLE: Duration = Duration::from_secs(60);
/// For an answer under way when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

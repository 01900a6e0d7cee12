//! `/metrics` and `/healthz`, on a listener of their own, without TLS: bind it to loopback or a private net.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::net::http;

/// What the server asks the rest of the program before it answers.
pub struct Probe {
    /// Sets figures that nobody counts as they change, such as the certificate's expiry.
    pub refresh: Box<dyn Fn(&Metrics) + Send + Sync>,
    /// Whether mail is taken and served.
    pub healthy: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Default for Probe {
    fn default() -> Self {
        Self { refresh: Box::new(|_| {}), healthy: Box::new(|| true) }
    }
}

/// Answers `GET /metrics` in OpenMetrics text and `GET /healthz` with 200 or 503, until `stop`.
pub async fn serve(listener: TcpListener, metrics: Metrics, probe: Probe, stop: CancellationToken) {
    let probe = Arc::new(probe);
    let asked = Arc::clone(&probe);
    let scrape = move || {
        (probe.refresh)(&metrics);
        std::future::ready(([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.text()))
    };
    let health = move || std::future::ready(health(&asked));
    let router = Router::new().route("/metrics", get(scrape)).route("/healthz", get(health));
    http::serve(listener, router.fallback(http::not_found), stop).await;
}

fn health(probe: &Probe) -> impl IntoResponse + use<> {
    match (probe.healthy)() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

/// OpenMetrics 1.0.0, "Protocol Negotiation".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::net::http::testing;

    #[tokio::test]
    async fn scrapes_and_health_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("bound");
        let ready = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ready);
        let probe = Probe {
            refresh: Box::new(|metrics| {
                metrics.certificate_not_after.set(7);
            }),
            healthy: Box::new(move || seen.load(Ordering::Relaxed)),
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Metrics::new(), probe, stop.clone()));
        let text = testing::get(at, "x", "/metrics").await.expect("answers");
        assert!(text.contains("application/openmetrics-text"), "{text}");
        assert!(text.contains("veilpost_certificate_not_after_seconds 7\n"), "{text}");
        assert!(testing::get(at, "x", "/healthz").await.expect("answers").starts_with("HTTP/1.1 503"));
        ready.store(true, Ordering::Relaxed);
        assert!(testing::get(at, "x", "/healthz").await.expect("answers").starts_with("HTTP/1.1 200"));
        assert!(testing::get(at, "x", "/").await.expect("answers").starts_with("HTTP/1.1 404"));
        stop.cancel();
        serving.await.expect("ends");
    }
}

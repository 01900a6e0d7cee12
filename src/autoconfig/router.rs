//! The documents over HTTP, for whoever asks. Knows of a request its address and its body, and
//! nothing of tenants. The names are asked for by browsers too, so the answers are never sniffed.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Deserialize;

use super::{MAX_REQUEST, Services, autodiscover, mozilla};
use crate::clock::Clock;

/// Routes for Mozilla autoconfig (GET) and Microsoft autodiscover (POST), without a fallback, to be
/// merged with others. Apple's profile is not among them: it is made for a person who is signed in.
pub fn router(services: Arc<Services>) -> Router {
    let mut router = Router::new()
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(config))
        .route("/mail/config-v1.1.xml", get(config));
    for folder in SPELLINGS {
        for file in SPELLINGS {
            let suffix = if file == "AUTODISCOVER" { "XML" } else { "xml" };
            router = router.route(&format!("/{folder}/{file}.{suffix}"), post(discover));
        }
    }
    router.layer(DefaultBodyLimit::max(MAX_REQUEST)).with_state(services)
}

#[derive(Deserialize)]
struct Wanted {
    emailaddress: Option<String>,
}

/// A query that does not parse is none: the document has no need of it.
async fn config(
    State(services): State<Arc<Services>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> impl IntoResponse {
    let email = wanted.ok().and_then(|Query(wanted)| wanted.emailaddress);
    document("application/xml; charset=utf-8", mozilla(&services, email.as_deref()))
}

/// Errors are documents of the protocol under 200, as Exchange sends them; Outlook reads no others.
async fn discover(State(services): State<Arc<Services>>, request: Bytes) -> impl IntoResponse {
    let text =
        autodiscover(&services, &request).unwrap_or_else(|error| error.document(Clock::system().now()));
    document("text/xml; charset=utf-8", text)
}

fn document(kind: &'static str, text: String) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text)
}

/// The letter cases that clients are known to use in both halves of `/autodiscover/autodiscover.xml`.
const SPELLINGS: [&str; 5] = ["autodiscover", "Autodiscover", "AutoDiscover", "autoDiscover", "AUTODISCOVER"];

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request, StatusCode, header::HeaderMap};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::super::samples;
    use super::*;

    async fn ask(method: Method, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
        let router = TowerToHyperService::new(router(Arc::new(samples::pop3())));
        let request =
            Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).expect("a request");
        let answer = router.call(request).await.expect("a router always answers");
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 16).await.expect("a short answer");
        (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn thunderbird_gets_its_document() {
        for path in [
            "/mail/config-v1.1.xml?emailaddress=ann%40example.org",
            "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=nobody%40example.org",
        ] {
            let (status, headers, text) = ask(Method::GET, path, "").await;
            assert_eq!(
                (status, headers[CONTENT_TYPE].as_bytes()),
                (StatusCode::OK, &b"application/xml; charset=utf-8"[..])
            );
            assert_eq!(text, mozilla(&samples::pop3(), Some("x@example.org")));
        }
        for query in ["", "?emailaddress=%ff", "?emailaddress=a@b.example&emailaddress=c@d.example", "?x"] {
            let (status, _, text) = ask(Method::GET, &format!("/mail/config-v1.1.xml{query}"), "").await;
            assert!(
                status == StatusCode::OK && text.contains("<domain>mail.example.org</domain>"),
                "{query} {text}"
            );
        }
    }

    #[tokio::test]
    async fn outlook_gets_its_document_however_it_spells_the_path() {
        for path in [
            "/autodiscover/autodiscover.xml",
            "/Autodiscover/Autodiscover.xml",
            "/AutoDiscover/AutoDiscover.xml",
            "/AutoDiscover/autodiscover.xml",
            "/AUTODISCOVER/AUTODISCOVER.XML",
        ] {
            let (status, headers, text) = ask(Method::POST, path, "no request").await;
            assert_eq!(
                (status, headers[CONTENT_TYPE].as_bytes()),
                (StatusCode::OK, &b"text/xml; charset=utf-8"[..])
            );
            assert!(text.contains("<ErrorCode>600</ErrorCode>"), "{text}");
        }
    }

    #[tokio::test]
    async fn other_methods_and_huge_bodies_are_refused() {
        let path = "/autodiscover/autodiscover.xml";
        assert_eq!(ask(Method::GET, path, "").await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(ask(Method::POST, "/mail/config-v1.1.xml", "").await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(ask(Method::GET, "/autodiscover/autodiscover.json", "").await.0, StatusCode::NOT_FOUND);
        let huge = "x".repeat(MAX_REQUEST + 1);
        assert_eq!(ask(Method::POST, path, &huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

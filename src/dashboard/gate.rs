//! What every request passes: forms come from our own pages only, and every answer says what a
//! browser may do with it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::trouble::Trouble;

/// Refuses requests that another site had the browser send, and sets the security headers.
pub async fn pass(request: Request, next: Next) -> Response {
    let programs = request.uri().path().starts_with("/api/");
    let answer = if programs || is_ours(request.method(), request.headers()) {
        finish(request, next).await
    } else {
        Trouble::ForeignForm.into_response()
    };
    secure(if programs { answer } else { in_our_words(answer) })
}

/// A page in the place of what the framework says of an address or a form that it cannot read.
fn in_our_words(answer: Response) -> Response {
    let unread =
        [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNSUPPORTED_MEDIA_TYPE];
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !unread.contains(&answer.status()) || !kind.is_some_and(|kind| kind.starts_with("text/plain")) {
        return answer;
    }
    match answer.status() {
        StatusCode::BAD_REQUEST => Trouble::NotFound("page").into_response(),
        _ => Trouble::invalid("that is no form of this site; go back, and send it again").into_response(),
    }
}

/// What changes something is done to its end, also if whoever asked hangs up: nothing is dropped between an
/// entry in the audit log and its commit, nor between a new password and the end of the sessions that
/// the old one opened. Strangers who wait for their password to be hashed give their turn up.
async fn finish(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || request.uri().path() == "/sign-in" {
        return next.run(request).await;
    }
    // It ends without an answer by a panic alone, or with the server.
    let done = tokio::spawn(next.run(request)).await;
    done.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Reading is free. A form is ours if the browser says so (Fetch Metadata), or names us as its
/// origin; one that says neither is refused, since every browser of today says one.
fn is_ours(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text("origin").and_then(|origin| origin.strip_prefix("https://"));
    origin.is_some() && origin == text("host")
}

/// Sets what the answer does not say itself.
fn secure(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        if !headers.contains_key(*name) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Nothing but our own files, no inline code, no frames by others, no word to other sites.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=(), \
         publickey-credentials-get=(self), publickey-credentials-create=(self)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    /// Asks for `/work` and hangs up while it is under way; whether it came to its end all the same.
    async fn is_finished(method: Method, path: &'static str) -> bool {
        use std::sync::Arc;
        use tokio::sync::{Notify, mpsc};
        let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (done, mut heard) = mpsc::channel::<()>(1);
        let work = {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            move || {
                let (go_on, begun, done) = (go_on.clone(), begun.clone(), done.clone());
                async move {
                    begun.notify_one();
                    go_on.notified().await;
                    let _heard = done.send(()).await;
                }
            }
        };
        let router =
            axum::Router::new().route(path, axum::routing::any(work)).layer(axum::middleware::from_fn(pass));
        let mut request = Request::new(axum::body::Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path");
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        let asked = tokio::spawn(tower::ServiceExt::oneshot(router, request));
        begun.notified().await;
        asked.abort();
        let _hung_up = asked.await;
        go_on.notify_one();
        // The senders are gone with the work, whether it was done or dropped.
        heard.recv().await.is_some()
    }

    #[tokio::test]
    async fn what_changes_something_is_finished_when_its_asker_hangs_up() {
        assert!(is_finished(Method::POST, "/account/password").await);
        assert!(is_finished(Method::PATCH, "/api/v1/views/x").await);
        assert!(!is_finished(Method::GET, "/mail").await, "reading is dropped");
        assert!(!is_finished(Method::POST, "/sign-in").await, "so are strangers");
    }

    #[tokio::test]
    async fn what_the_framework_cannot_read_is_said_in_our_words() {
        use axum::extract::{Form, Path};
        type Fields = std::collections::HashMap<String, u32>;
        let number = || axum::routing::get(async |Path(_): Path<u32>| "fine");
        let router = axum::Router::new()
            .route("/mail/{uid}", number())
            .route("/api/mail/{uid}", number())
            .route("/form", axum::routing::post(async |Form(_): Form<Fields>| "fine"))
            .layer(axum::middleware::from_fn(pass));
        for (method, path, kind, status, ours) in [
            (Method::GET, "/mail/7", "", 200, false),
            (Method::GET, "/mail/abc", "", 404, true),
            (Method::GET, "/mail/-1", "", 404, true),
            (Method::GET, "/api/mail/abc", "", 400, false),
            (Method::POST, "/form", "application/json", 422, true),
            (Method::POST, "/form", "application/x-www-form-urlencoded", 422, true),
        ] {
            let mut request = Request::new(axum::body::Body::from("x=y"));
            *request.method_mut() = method;
            *request.uri_mut() = path.parse().expect("a path");
            let headers = request.headers_mut();
            headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let answer = tower::ServiceExt::oneshot(router.clone(), request).await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status, "{path} {kind}");
            let is_page =
                answer.headers()[header::CONTENT_TYPE].to_str().expect("text").starts_with("text/html");
            assert_eq!(is_page, ours, "{path} {kind}");
        }
    }

    #[test]
    fn forms_come_from_our_own_pages() {
        let post = |pairs: &[(&'static str, &'static str)]| is_ours(&Method::POST, &headers(pairs));
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(post(&[("host", "v.example"), ("origin", "https://v.example")]));
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("host", "v.example"), ("origin", "https://v.example")],
            &[("sec-fetch-site", "none")],
            &[("host", "v.example"), ("origin", "https://evil.example")],
            &[("host", "v.example"), ("origin", "http://v.example")],
            &[("host", "v.example"), ("origin", "null")],
            &[("host", "v.example")],
            &[("origin", "https://")],
            &[],
        ] {
            assert!(!post(foreign), "{foreign:?}");
        }
        assert!(is_ours(&Method::GET, &headers(&[("sec-fetch-site", "cross-site")])));
    }
}

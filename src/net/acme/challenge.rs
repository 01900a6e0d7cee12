//! The answers to HTTP-01 challenges (RFC 8555 §8.3), there as long as an order is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::net::http;

/// Tokens that an authority may ask for. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Challenges(Arc<Mutex<HashMap<String, String>>>);

impl Challenges {
    /// Answers `token` until the guard is dropped.
    #[must_use]
    pub(super) fn offer(&self, token: &str, key_authorization: &str) -> Offered {
        self.tokens().insert(token.to_owned(), key_authorization.to_owned());
        Offered { challenges: self.clone(), token: token.to_owned() }
    }

    /// The challenges' well-known path, and nothing else.
    pub(super) fn router(&self) -> Router {
        let challenges = self.clone();
        let answer = move |Path(token): Path<String>| std::future::ready(challenges.answer(&token));
        Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).fallback(http::not_found)
    }

    fn answer(&self, token: &str) -> Response {
        match self.tokens().get(token) {
            // RFC 8555 §8.3: the type is what the client ought to send.
            Some(answer) => {
                ([(header::CONTENT_TYPE, "application/octet-stream")], answer.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, String>> {
        // A map whose writer panicked holds whole entries all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A challenge that is being answered.
pub(super) struct Offered {
    challenges: Challenges,
    token: String,
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.challenges.tokens().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn only_challenges_under_way_are_answered() {
        let challenges = Challenges::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(http::serve(listener, challenges.router(), stop.clone()));
        let ask = async |path: &str| http::testing::get(at, "a.example", path).await.expect("answers");

        let offered = challenges.offer("to-ken", "to-ken.thumb");
        assert!(ask("/.well-known/acme-challenge/to-ken").await.ends_with("\r\n\r\nto-ken.thumb"));
        for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/other", "/metrics"] {
            assert!(ask(path).await.starts_with("HTTP/1.1 404"), "{path}");
        }
        drop(offered);
        assert!(ask("/.well-known/acme-challenge/to-ken").await.starts_with("HTTP/1.1 404"));
        stop.cancel();
        serving.await.expect("ends");
    }
}

//! Queries, paths and bodies of requests; what does not read is a problem, said without quoting it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::readable;

/// The query of a request.
pub struct Asked<T>(pub T);

/// The names in a request's path.
pub struct Named<T>(pub T);

/// The JSON body of a request (RFC 8259).
pub struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(read) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Problem::invalid("The query has a name or a value that is not understood."))?;
        Ok(Self(read))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(read) =
            Path::from_request_parts(parts, state).await.map_err(|_| Problem::not_found("thing"))?;
        Ok(Self(read))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/json") {
            let detail = "Send a body of the type application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", detail));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid", "The body is too large."))?;
        let body = Zeroizing::new(body.to_vec());
        let read = serde_json::from_slice(&body).map_err(|error| {
            // serde_json may quote a value; the sentence does not.
            let (line, column) = (error.line(), error.column());
            let said = readable::sentence(&error.to_string());
            Problem::invalid(format!(
                "The body is not what this asks for: {said} (line {line}, column {column})."
            ))
        })?;
        Ok(Self(read))
    }
}

//! What goes wrong, for programs: `application/problem+json` (RFC 9457) with a stable word in `code`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::trouble::{self, Trouble};
use super::scope::Scope;
use crate::admin::api::{Failure, FailureCode};
use crate::owner::OwnerError;
use crate::vault::hashing::RETRY_AFTER;

/// Why a request is not done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// The HTTP status.
    status: u16,
    /// What the status says.
    title: String,
    /// A stable word, as `not-found`.
    code: String,
    /// What is wrong, for a person.
    detail: String,
    #[serde(skip)]
    wait: Option<u64>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Trouble").to_owned();
        Self { status: status.as_u16(), title, code: code.to_owned(), detail: detail.into(), wait: None }
    }

    /// The token is missing, unknown, revoked, or over: nobody is told which.
    pub fn unknown() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Send a token that is good: Authorization: Bearer vp_…",
        )
    }

    /// Too many tokens that are no good came from there.
    pub fn wait(seconds: u64) -> Self {
        let detail = format!("Too many failed attempts from your address. Try again in {seconds} seconds.");
        Self { wait: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "soft-locked", detail) }
    }

    /// Too many passwords are being checked; this one was not tried.
    pub fn busy() -> Self {
        let detail =
            "Too many sign-ins at once. Nothing was tried and nothing counts: try again in a moment.";
        let wait = Some(RETRY_AFTER.as_secs());
        Self { wait, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
    }

    /// The token does not have the scope.
    pub fn scope(scope: Scope) -> Self {
        let detail = format!("This token does not have the scope {}.", scope.word());
        Self::new(StatusCode::FORBIDDEN, "scope-needed", detail)
    }

    /// Nothing is opened without a live unlock session.
    pub fn locked() -> Self {
        let detail = "This needs an unlock. Open a session with POST /api/v1/unlock, and send it in the header \
                      Veilpost-Unlock.";
        Self::new(StatusCode::FORBIDDEN, "unlock-needed", detail)
    }

    /// A request that cannot be understood.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("There is no such {what}."))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = serde_json::to_string(&self).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut answer = (status, kind, text).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3.
            let challenge = HeaderValue::from_static("Bearer realm=\"veilpost\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.wait {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        if failure.code == FailureCode::Busy {
            return Self::busy();
        }
        if failure.code == FailureCode::UnlockNeeded {
            return Self::locked();
        }
        let status = trouble::status(failure.code);
        let code = serde_json::to_value(failure.code).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or("internal").to_owned();
        let detail = match failure.code {
            FailureCode::Internal => "the server could not do this; its log says more".to_owned(),
            _ => failure.message,
        };
        Self::new(status, &code, detail)
    }
}

impl From<OwnerError> for Problem {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::SoftLocked(wait) => Self::wait(wait.as_secs().max(1)),
            OwnerError::Busy => Self::busy(),
            OwnerError::SessionEnded | OwnerError::UnlockNeeded => Self::locked(),
            error => Failure::from(error).into(),
        }
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NotFound(what) => Self::not_found(what),
            Trouble::Failed(failure) => failure.into(),
            Trouble::Unlock(_) | Trouble::StepUp(_) => Self::locked(),
            Trouble::SignIn(_) | Trouble::Welcome => Self::unknown(),
            Trouble::Forbidden | Trouble::ForeignForm => {
                Self::new(StatusCode::FORBIDDEN, "refused", "This is for administrators.")
            }
        }
    }
}

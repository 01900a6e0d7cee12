//! What goes wrong, as a page: what happened, whose turn it is, what to do. Never an inner detail.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::frame::{Frame, html};
use crate::admin::api::{Failure, FailureCode};
use crate::owner::OwnerError;
use crate::vault::hashing::RETRY_AFTER;

/// Why a page is not shown.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody is signed in: sign in, and come back here.
    SignIn(String),
    /// The first sign-in is not finished.
    Welcome,
    /// The whole is locked: unlock, and come back here.
    Unlock(String),
    /// The tenant asks for a code at every message, and this one has had none.
    StepUp(u32),
    /// There is no such thing.
    NotFound(&'static str),
    /// The person may not do this.
    Forbidden,
    /// Another site had the browser send this, or the page was open for too long.
    ForeignForm,
    /// What was asked cannot be done, and this is why.
    Failed(Failure),
}

impl Trouble {
    /// A form that does not say what it must.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Failed(Failure { code: FailureCode::Invalid, message: message.into(), hint: None })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn(_) | Self::Welcome | Self::Unlock(_) | Self::StepUp(_) => StatusCode::SEE_OTHER,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::Failed(failure) => status(failure.code),
        }
    }

    fn words(&self) -> (String, String) {
        let (title, text) = match self {
            Self::NotFound(what) => return (format!("There is no such {what}"), GONE.to_owned()),
            Self::Forbidden => ("This is for administrators", "Ask whoever looks after your vault."),
            Self::ForeignForm => (
                "This form did not come from here",
                "Nothing was done. Go back, load the page again, and send the form once more.",
            ),
            Self::Failed(failure) if failure.code == FailureCode::Internal => (
                "The server could not do this",
                "Nothing was lost. Try again in a moment; if it stays, whoever runs the server finds the reason in its log.",
            ),
            Self::Failed(failure) => {
                let hint = failure.hint.as_deref().filter(|hint| !hint.contains('`')).unwrap_or_default();
                return (sentence(&failure.message), sentence(hint));
            }
            Self::SignIn(_) | Self::Welcome | Self::Unlock(_) | Self::StepUp(_) => ("", ""),
        };
        (title.to_owned(), text.to_owned())
    }
}

/// The HTTP status of a failure (RFC 9110 §15).
pub fn status(code: FailureCode) -> StatusCode {
    match code {
        FailureCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        FailureCode::NotFound => StatusCode::NOT_FOUND,
        FailureCode::Exists => StatusCode::CONFLICT,
        FailureCode::Refused | FailureCode::UnlockNeeded | FailureCode::CodeNeeded => StatusCode::FORBIDDEN,
        FailureCode::SoftLocked => StatusCode::TOO_MANY_REQUESTS,
        FailureCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FailureCode::Full => StatusCode::INSUFFICIENT_STORAGE,
        FailureCode::Damaged | FailureCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Page {
    frame: Frame,
    title: String,
    text: String,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match &self {
            Self::SignIn(back) => return Redirect::to(&with_return("/sign-in", back)).into_response(),
            Self::Unlock(back) => return Redirect::to(&with_return("/unlock", back)).into_response(),
            Self::StepUp(uid) => return Redirect::to(&format!("/mail/{uid}")).into_response(),
            Self::Welcome => return Redirect::to("/welcome").into_response(),
            _ => {}
        }
        let (title, text) = self.words();
        let mut page =
            (self.status(), html(&Page { frame: Frame::bare("Trouble"), title, text })).into_response();
        if matches!(&self, Self::Failed(failure) if failure.code == FailureCode::Busy) {
            page.headers_mut().insert(header::RETRY_AFTER, retry_after(RETRY_AFTER));
        }
        page
    }
}

/// The value of Retry-After (RFC 9110 §10.2.3): whole seconds, one at least.
pub fn retry_after(wait: std::time::Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs().max(1))
}

/// The same for a script of ours: why not, or that the page has to be loaded again.
pub struct Told(Trouble);

impl<T: Into<Trouble>> From<T> for Told {
    fn from(trouble: T) -> Self {
        Self(trouble.into())
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let Self(trouble) = self;
        let (status, told) = match trouble {
            Trouble::SignIn(_) | Trouble::Welcome | Trouble::Unlock(_) => {
                (StatusCode::UNAUTHORIZED, serde_json::json!({ "reload": true }))
            }
            trouble => {
                let (title, text) = trouble.words();
                let wrong = [title.trim_end_matches('.'), text.as_str()].join(". ");
                (trouble.status(), serde_json::json!({ "wrong": wrong.trim() }))
            }
        };
        (status, axum::Json(told)).into_response()
    }
}

impl From<OwnerError> for Trouble {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::NotFound(what) => Self::NotFound(what),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<crate::records::RecordError> for Trouble {
    fn from(error: crate::records::RecordError) -> Self {
        OwnerError::from(error).into()
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Whatever is not there.
pub async fn not_found() -> Trouble {
    Trouble::NotFound("page")
}

/// A page that leads back afterwards.
pub fn with_return(page: &str, back: &str) -> String {
    let back: String = url::form_urlencoded::byte_serialize(local(back).as_bytes()).collect();
    format!("{page}?to={back}")
}

/// A path on this server, and nothing that leads elsewhere. It does not ask for pictures from there
/// either: where a form leads counts as our own link, whoever wrote it.
pub fn local(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_local {
        return "/mail";
    }
    let (page, query) = path.split_once('?').unwrap_or((path, ""));
    let asks = url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "remote");
    if asks { page } else { path }
}

/// As a sentence on a page.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect::<String>() + ".",
        None => String::new(),
    }
}

const GONE: &str = "It may have been removed, or the address was mistyped.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_lead_to_this_server_only() {
        for path in ["/mail/7?a=b", "/m/abc"] {
            assert_eq!(local(path), path);
        }
        for path in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "mail", "/a\r\nb", "/a b"]
        {
            assert_eq!(local(path), "/mail", "{path}");
        }
        for path in ["/mail/7?remote=1", "/mail/7?a=b&%72emote=1", "/mail/7?remote"] {
            assert_eq!(local(path), "/mail/7", "{path}");
        }
        assert_eq!(with_return("/unlock", "/mail/7?x=1&y=2"), "/unlock?to=%2Fmail%2F7%3Fx%3D1%26y%3D2");
    }
}

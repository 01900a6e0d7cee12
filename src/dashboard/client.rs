//! The browser at the other end: from where, and which.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use crate::audit::Origin;
use crate::net::web::Peer;
use crate::owner::sign_ins::Browser;

/// Who sends a request, before anything is known of the person.
#[derive(Clone)]
pub struct Client {
    /// From where.
    pub origin: Origin,
    /// With which browser.
    pub browser: Browser,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let origin = parts.extensions.get::<Peer>().map_or(Origin::Internal, |peer| Origin::ip(peer.0));
        let agent = parts.headers.get(header::USER_AGENT).map(|value| value.as_bytes()).unwrap_or_default();
        let browser = Browser { print: Sha256::digest(agent).into(), label: label(agent) };
        Ok(Self { origin, browser })
    }
}

/// What people call a browser, as far as its `User-Agent` tells. Only our own words come out.
fn label(agent: &[u8]) -> String {
    let agent = String::from_utf8_lossy(agent);
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(BROWSERS).unwrap_or("A browser or program");
    match first(SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

/// In this order: many browsers name others too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_in_our_words() {
        let firefox = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(label(firefox), "Firefox on Linux");
        let safari = b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Safari/604.1";
        assert_eq!(label(safari), "Safari on iPhone");
        assert_eq!(label(b"<script>alert(1)</script>"), "A browser or program");
        assert_eq!(label(b"\xff\xfe"), "A browser or program");
    }
}

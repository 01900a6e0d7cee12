//! Stylesheet, scripts and the mark: a few small files in the program itself.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::trouble::Trouble;

/// One file.
struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal as $kind:literal),* $(,)?) => {
        &[$(Asset { name: $name, kind: $kind, text: include_str!(concat!("../../assets/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets![
    "style.css" as "text/css; charset=utf-8",
    "print.js" as "text/javascript; charset=utf-8",
    "live.js" as "text/javascript; charset=utf-8",
    "passkey.js" as "text/javascript; charset=utf-8",
    "preview.js" as "text/javascript; charset=utf-8",
    "mark.svg" as "image/svg+xml",
];

/// Changes with any of the files, so that browsers may keep them for good.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ASSETS.iter().for_each(|asset| hash.update(asset.text));
    data_encoding::HEXLOWER.encode(&hash.finalize()[..6])
});

/// `GET /assets/{name}`.
pub async fn get(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Trouble::NotFound("page").into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.text).into_response()
}

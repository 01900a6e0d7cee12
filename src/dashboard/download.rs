//! Files for the browser to save, never to show: read from the vault window by window as the browser takes
//! them, so that one who reads slowly holds a window, not a message. They break off when the mail is locked
//! meanwhile.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::House;
use crate::owner::Unlocked;
use crate::owner::sending::Sending;
use crate::reading::{self, Decoder};
use crate::wipe::Wiped;

/// What is done to the octets of a message on their way.
pub enum Pass {
    /// Nothing.
    AsIs,
    /// The transfer encoding of a part is taken off.
    Decode(Decoder),
    /// They become base64 (RFC 4648 §4), between these two texts.
    Encode(Vec<u8>, Vec<u8>),
}

/// A window of content, and what comes before and after all of them.
struct Flow {
    house: Arc<House>,
    unlocked: Unlocked,
    sending: Sending,
    pass: Pass,
    over: bool,
}

impl Flow {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Pass::Encode(before, _) = &mut self.pass
            && !before.is_empty()
        {
            return Ok(Some(std::mem::take(before).into()));
        }
        while !self.over {
            if !self.house.sessions.is_open(&self.unlocked, self.house.vault.clock.now()) {
                return Err(io::Error::other("locked"));
            }
            let window = self.sending.next_window().await.map_err(io::Error::other)?;
            self.over = window.is_none();
            let passed = match (&mut self.pass, window) {
                (Pass::AsIs, Some(window)) => window,
                (Pass::AsIs, None) => return Ok(None),
                (Pass::Decode(decoder), Some(window)) => decoder.decode(&window),
                (Pass::Decode(decoder), None) => decoder.finish(),
                (Pass::Encode(..), Some(window)) => STANDARD.encode(&*window).into_bytes().into(),
                (Pass::Encode(_, after), None) => return Ok(Some(std::mem::take(after).into())),
            };
            if !passed.is_empty() {
                return Ok(Some(Bytes::from_owner(passed)));
            }
        }
        Ok(None)
    }
}

/// What `sending` reads, as a body.
pub fn flow(house: &Arc<House>, unlocked: Unlocked, sending: Sending, pass: Pass) -> Body {
    let flow = Flow { house: house.clone(), unlocked, sending, pass, over: false };
    Body::from_stream(futures::stream::try_unfold(flow, async |mut flow| {
        Ok::<_, io::Error>(flow.next().await?.map(|octets| (octets, flow)))
    }))
}

/// What is in memory, because there is no other way to have it, piece by piece.
pub fn held(house: &Arc<House>, unlocked: Unlocked, content: Wiped) -> Body {
    let (content, house) = (Bytes::from_owner(content), house.clone());
    let pieces = futures::stream::try_unfold((content, unlocked), move |(mut rest, unlocked)| {
        let house = house.clone();
        async move {
            if rest.is_empty() {
                return Ok(None);
            }
            if !house.sessions.is_open(&unlocked, house.vault.clock.now()) {
                return Err(io::Error::other("locked"));
            }
            let piece = rest.split_to(rest.len().min(PIECE));
            Ok(Some((piece, (rest, unlocked))))
        }
    });
    Body::from_stream(pieces)
}

/// An answer that is saved under `name`, of so many octets.
pub fn saved(kind: &'static str, name: &str, length: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, reading::content_disposition(name)),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    (headers, body).into_response()
}

/// Octets of a download between two looks at the lock.
const PIECE: usize = 64 * 1024;

//! What a page hands on to its frame: the document that was made of the message while the page was.
//! Page and frame are two requests, and reading a message is most of what either costs.
//!
//! Kept sealed under the half of the key that only the browser's cookie carries, handed out once, to the
//! session that it was made for, and gone with the lock, the next message, or half a minute. All
//! documents together are bounded; one that does not fit is made again by the frame.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::owner::sessions::{SessionId, Token};

/// Documents on their way to their frames.
pub struct Kept {
    documents: Mutex<HashMap<SessionId, Document>>,
    room: Arc<Semaphore>,
}

struct Document {
    uid: u32,
    remote: bool,
    sealed: Vec<u8>,
    since: Instant,
    _room: OwnedSemaphorePermit,
}

impl Default for Kept {
    fn default() -> Self {
        Self { documents: Mutex::default(), room: Arc::new(Semaphore::new(ROOM)) }
    }
}

impl Kept {
    /// Keeps the document of a message for the session of `token`, in the place of any other one.
    pub fn put(self: &Arc<Self>, token: &Token, (uid, remote): (u32, bool), document: &str) {
        self.forget(&token.id());
        let Ok(octets) = u32::try_from(document.len()) else { return };
        let Ok(room) = self.room.clone().try_acquire_many_owned(octets) else { return };
        let sealed = token.seal(PURPOSE, document.as_bytes());
        let since = Instant::now();
        self.held().insert(token.id(), Document { uid, remote, sealed, since, _room: room });
        let (kept, id) = (self.clone(), token.id());
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST).await;
            kept.held().retain(|of, document| *of != id || document.since > since);
        });
    }

    /// Hands it out.
    pub fn take(&self, token: &Token, (uid, remote): (u32, bool)) -> Option<String> {
        let document = self.held().remove(&token.id())?;
        let fits = document.uid == uid && document.remote == remote && document.since.elapsed() < LONGEST;
        let text = fits.then(|| token.open(PURPOSE, &document.sealed)).flatten()?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// Forgets what is kept for a session.
    pub fn forget(&self, session: &SessionId) {
        self.held().remove(session);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<SessionId, Document>> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Associated data of a sealed document.
const PURPOSE: &[u8] = b"frame";
/// A browser asks for the frame as soon as it has the page.
const LONGEST: Duration = Duration::from_secs(30);
/// Octets of all documents together; the largest single one has some eleven million.
const ROOM: usize = 48 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(octet: u8) -> Token {
        Token::parse(&data_encoding::BASE64URL_NOPAD.encode(&[octet; 48])).expect("a token")
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_handed_out_once_to_its_own_session() {
        let kept = Arc::new(Kept::default());
        let (mine, other) = (token(1), token(2));
        kept.put(&mine, (7, false), "<p>secret</p>");
        assert!(!kept.held()[&mine.id()].sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(kept.take(&other, (7, false)), None);
        assert_eq!(kept.take(&mine, (7, false)).as_deref(), Some("<p>secret</p>"));
        assert_eq!(kept.take(&mine, (7, false)), None);
        kept.put(&mine, (7, false), "x");
        assert_eq!(kept.take(&mine, (8, false)), None, "another message");
        kept.put(&mine, (7, false), "x");
        assert_eq!(kept.take(&mine, (7, true)), None, "with other pictures");
        kept.put(&mine, (7, false), "x");
        kept.forget(&mine.id());
        assert_eq!(kept.take(&mine, (7, false)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_fetches_goes_and_gives_its_room_back() {
        let kept = Arc::new(Kept::default());
        kept.put(&token(1), (7, false), &"x".repeat(ROOM));
        kept.put(&token(2), (7, false), "there is no room for this");
        assert!(kept.take(&token(2), (7, false)).is_none());
        tokio::time::sleep(LONGEST * 2).await;
        assert!(kept.held().is_empty());
        assert_eq!(kept.room.available_permits(), ROOM);
    }
}

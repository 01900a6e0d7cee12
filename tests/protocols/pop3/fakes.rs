//! A mailroom in memory that keeps a record of what was asked of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use veilpost::gateway::mailroom::{
    Entry, Extent, Maildrop, MaildropError, Mailroom, MessageStream, OpenError,
};
use veilpost::wire::pop3::UniqueId;
use veilpost::wire::sasl::Credentials;

pub const LOGIN: &str = "ann@vault.example";
pub const PASSWORD: &str = "abcd efgh ijkl mnop";

/// What happens to one who fetches a message.
#[derive(Clone)]
pub enum Message {
    Whole(Vec<u8>),
    Damaged,
    /// Damage that shows after the first chunk.
    BreaksOff(Vec<u8>),
    Revoked,
}

#[derive(Clone, Default)]
pub struct Fake {
    pub messages: Arc<Mutex<Vec<Option<Message>>>>,
    /// What the maildrop was asked for.
    pub record: Arc<Mutex<Vec<String>>>,
    pub deletion_fails: bool,
    pub listing_fails: bool,
    /// Added to every handle: something that views must not depend on.
    pub first_handle: u32,
}

impl Fake {
    pub fn with(messages: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::with_messages(messages.into_iter().map(Message::Whole))
    }

    pub fn with_messages(messages: impl IntoIterator<Item = Message>) -> Self {
        let messages = messages.into_iter().map(Some).collect();
        Self { messages: Arc::new(Mutex::new(messages)), ..Self::default() }
    }

    pub fn recorded(&self) -> Vec<String> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn present(&self) -> usize {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().count()
    }

    fn index(&self, handle: u32) -> usize {
        (handle - self.first_handle) as usize
    }

    fn note(&self, act: String) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }
}

impl Mailroom for Fake {
    type Maildrop = Fake;

    async fn open(&self, credentials: &Credentials, _: Option<IpAddr>) -> Result<Fake, OpenError> {
        match (credentials.login.as_str(), credentials.password.expose()) {
            (LOGIN, PASSWORD) => {
                self.note("open".into());
                Ok(self.clone())
            }
            ("locked", _) => Err(OpenError::SoftLocked { retry: Duration::from_secs(60) }),
            ("broken", _) => Err(OpenError::Unavailable),
            _ => Err(OpenError::Refused),
        }
    }
}

impl Maildrop for Fake {
    type Handle = u32;
    type Message = Chunks;

    async fn snapshot(&mut self) -> Result<Vec<Entry<u32>>, MaildropError> {
        self.note("snapshot".into());
        if self.listing_fails {
            return Err(MaildropError::Unavailable);
        }
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(handle, message): (usize, &Option<Message>)| {
            let message = message.as_ref()?;
            let size = match message {
                Message::Whole(content) | Message::BreaksOff(content) => content.len() as u64,
                Message::Damaged | Message::Revoked => 1,
            };
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(handle as u64).to_be_bytes());
            Some(Entry {
                size,
                unique_id: UniqueId::from_bytes(id),
                handle: self.first_handle + handle as u32,
            })
        };
        Ok(messages.iter().enumerate().filter_map(entry).collect())
    }

    async fn retrieve(&mut self, handle: u32, extent: Extent) -> Result<Chunks, MaildropError> {
        self.note(format!("retrieve {handle} {extent:?}"));
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        match messages.get(self.index(handle)).cloned().flatten() {
            None => Err(MaildropError::Gone),
            Some(Message::Damaged) => Err(MaildropError::Damaged),
            Some(Message::Revoked) => Err(MaildropError::Revoked),
            Some(Message::Whole(content)) => Ok(Chunks { content: content.into(), breaks_off: false }),
            Some(Message::BreaksOff(content)) => Ok(Chunks { content: content.into(), breaks_off: true }),
        }
    }

    async fn delete(&mut self, handles: Vec<u32>) -> Result<(), MaildropError> {
        self.note(format!("delete {handles:?}"));
        if self.deletion_fails {
            return Err(MaildropError::Unavailable);
        }
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        handles.into_iter().for_each(|handle| messages[self.index(handle)] = None);
        Ok(())
    }
}

/// Content in chunks of a size that divides nothing.
pub struct Chunks {
    content: Bytes,
    breaks_off: bool,
}

impl MessageStream for Chunks {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, MaildropError> {
        let length = self.content.len().min(CHUNK);
        match (length, self.breaks_off) {
            (0, true) => Err(MaildropError::Damaged),
            (0, false) => Ok(None),
            _ => Ok(Some(self.content.split_to(length))),
        }
    }
}

const CHUNK: usize = 60_001;

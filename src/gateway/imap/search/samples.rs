//! A mailbox in memory, for the tests of what SEARCH, SORT, THREAD and FETCH make of messages.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use bytes::Bytes;

use crate::gateway::imap::room::{
    Account, AccountError, Depth, Extent, Messages, OpenMessage, Placed, Sight, Stored, Upload,
};
use crate::mailbox::{Entry, FlagChange, Flags, Folder, FolderId, Roll};
use crate::names::MessageId;
use crate::structure::structure_of;

/// A roll of so many messages, whose UIDs count from 1.
pub(crate) fn roll_of(count: u32, mut change: impl FnMut(u32, &mut Entry)) -> Roll {
    let entry = |uid: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&uid.to_be_bytes());
        let mut entry = Entry {
            uid,
            number: uid,
            message: MessageId::from_bytes(bytes),
            flags: Flags::none(),
            mod_seq: uid.into(),
            octets: 0,
            sealing: 0,
            received: 0,
            saved: 0,
        };
        change(uid, &mut entry);
        entry
    };
    let mut roll = Roll::empty(1);
    roll.entries = (1..=count).map(entry).collect();
    roll
}

/// An account with one folder.
#[derive(Default)]
pub(crate) struct Sample {
    pub(crate) octets: HashMap<MessageId, Vec<u8>>,
    pub(crate) broken: BTreeSet<MessageId>,
    /// How many messages each scan was about.
    pub(crate) scans: Vec<(Depth, usize)>,
}

impl Sample {
    /// Messages with these octets, in this order.
    pub(crate) fn of<'a>(messages: impl IntoIterator<Item = &'a str>) -> (Self, Roll) {
        let messages: Vec<&str> = messages.into_iter().collect();
        let mut sample = Self::default();
        let roll = roll_of(u32::try_from(messages.len()).unwrap(), |uid, entry| {
            let octets = messages[uid as usize - 1].as_bytes().to_vec();
            entry.octets = octets.len() as u64;
            sample.octets.insert(entry.message, octets);
        });
        (sample, roll)
    }
}

impl Account for Sample {
    type Messages = SampleMessages;

    async fn folders(&mut self) -> Result<Vec<Folder>, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn create(&mut self, _path: &str) -> Result<FolderId, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn remove(&mut self, _folder: FolderId) -> Result<(), AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn rename(&mut self, _folder: FolderId, _path: &str) -> Result<(), AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn subscribe(&mut self, _path: &str, _subscribed: bool) -> Result<(), AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn bare_subscriptions(&mut self) -> Result<Vec<String>, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn roll(&mut self, _folder: FolderId) -> Result<Roll, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn changed(&mut self) {}

    async fn store(
        &mut self,
        _folder: FolderId,
        _uids: Vec<u32>,
        _change: FlagChange,
        _unchanged_since: Option<u64>,
    ) -> Result<Stored, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn copy(&mut self, _: FolderId, _: Vec<u32>, _: FolderId) -> Result<Placed, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn shift(&mut self, _: FolderId, _: Vec<u32>, _: FolderId) -> Result<Placed, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn expunge(&mut self, _folder: FolderId, _uids: Vec<u32>) -> Result<(), AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn append(&mut self, _folder: FolderId, _upload: Upload) -> Result<Placed, AccountError> {
        Err(AccountError::Unavailable)
    }

    async fn open(&mut self, entries: Vec<Entry>, _: Extent) -> Result<SampleMessages, AccountError> {
        let open = |entry: Entry| (entry, SampleMessage::of(&self.octets[&entry.message]));
        Ok(SampleMessages(entries.into_iter().rev().map(open).collect()))
    }

    async fn scan<T, F>(
        &mut self,
        entries: Vec<Entry>,
        depth: Depth,
        look: F,
    ) -> Result<Vec<Option<T>>, AccountError>
    where
        T: Send + 'static,
        F: Fn(&Entry, Sight<'_>) -> T + Send + Sync + 'static,
    {
        self.scans.push((depth, entries.len()));
        let sight = |entry: &Entry| {
            let octets = self.octets.get(&entry.message).filter(|_| !self.broken.contains(&entry.message))?;
            let structure = structure_of(octets);
            let octets: &[u8] = if depth == Depth::Octets { octets } else { b"" };
            Some(look(entry, Sight { structure: &structure, octets }))
        };
        Ok(entries.iter().map(sight).collect())
    }
}

/// Messages, the next one last.
pub(crate) struct SampleMessages(Vec<(Entry, SampleMessage)>);

impl Messages for SampleMessages {
    type Message = SampleMessage;

    async fn next(&mut self) -> Option<(Entry, Result<SampleMessage, AccountError>)> {
        self.0.pop().map(|(entry, message)| (entry, Ok(message)))
    }
}

/// A message, which may be damaged from some octet on.
pub(crate) struct SampleMessage {
    pub(crate) structure: Vec<u8>,
    pub(crate) octets: Vec<u8>,
    pub(crate) sound: u64,
}

impl SampleMessage {
    pub(crate) fn of(octets: &[u8]) -> Self {
        Self { structure: structure_of(octets), octets: octets.to_vec(), sound: u64::MAX }
    }
}

impl OpenMessage for SampleMessage {
    fn structure(&self) -> &[u8] {
        &self.structure
    }

    async fn octets(&mut self, range: Range<u64>) -> Result<Bytes, AccountError> {
        if range.end > self.sound {
            return Err(AccountError::Damaged);
        }
        let end = (range.end as usize).min(self.octets.len());
        Ok(Bytes::copy_from_slice(&self.octets[(range.start as usize).min(end)..end]))
    }
}

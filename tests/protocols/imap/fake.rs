//! A mailbox in memory that several sessions share, and a room that opens it for one password. The fuzzer
//! uses it too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use veilpost::gateway::imap::room::{
    Account, AccountError, Depth, Extent, ImapRoom, Messages, OpenMessage, Placed, Sight, Stored, Upload,
};
use veilpost::gateway::mailroom::OpenError;
use veilpost::mailbox::{
    Change, Entry, FlagChange, FlagEdit, Flags, Folder, FolderId, Keywords, Roll, SEPARATOR,
};
use veilpost::names::MessageId;
use veilpost::structure::Structure;
use veilpost::wire::sasl::Credentials;

pub const LOGIN: &str = "ann@vault.example";
pub const PASSWORD: &str = "abcd efgh ijkl mnop";

/// The mailbox. Its clones are the same one.
#[derive(Clone)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    changes: Arc<watch::Sender<u64>>,
}

struct World {
    folders: BTreeMap<FolderId, (Folder, Roll)>,
    next_folder: u32,
    /// Names that are subscribed to and have no folder.
    bare: BTreeSet<String>,
    contents: Vec<Content>,
    keywords: Keywords,
    mod_seq: u64,
    /// What was asked of the account.
    record: Vec<String>,
    /// What the next call comes to, if not to what it should.
    failure: Option<AccountError>,
    remembers: bool,
}

#[derive(Clone)]
struct Content {
    octets: Bytes,
    structure: Arc<Vec<u8>>,
    fate: Fate,
}

/// What happens to one who opens a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Whole,
    Damaged,
    /// Octets from here on do not authenticate.
    BreaksOff(u64),
}

impl Fake {
    /// A mailbox with the folders that all have.
    pub fn new() -> Self {
        let folder = |(id, path, special): (FolderId, &str, _)| {
            let folder = Folder { id, path: path.to_owned(), special, subscribed: true };
            (id, (folder, Roll::empty(1000 + id.0)))
        };
        let world = World {
            folders: FolderId::GIVEN.into_iter().map(folder).collect(),
            next_folder: FolderId::FIRST_OWN,
            bare: BTreeSet::new(),
            contents: Vec::new(),
            keywords: Keywords::default(),
            mod_seq: 1,
            record: Vec::new(),
            failure: None,
            remembers: true,
        };
        Self { world: Arc::new(Mutex::new(world)), changes: Arc::new(watch::channel(0).0) }
    }

    /// One with these messages in its INBOX.
    pub fn with<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let fake = Self::new();
        for octets in messages {
            fake.deliver(octets);
        }
        fake
    }

    /// One with so many small messages in its INBOX.
    pub fn with_some(count: usize) -> Self {
        let fake = Self::new();
        for number in 1..=count {
            fake.deliver(
                format!("From: ann@vault.example\r\nSubject: number {number}\r\n\r\nText {number}\r\n")
                    .as_bytes(),
            );
        }
        fake
    }

    /// A folder that an older version made, whatever its name.
    pub fn has_folder(&self, path: &str) {
        let mut world = self.world.lock().expect("no panic");
        let id = FolderId(world.next_folder);
        world.next_folder += 1;
        let folder = Folder { id, path: path.to_owned(), special: None, subscribed: true };
        world.folders.insert(id, (folder, Roll::empty(1000 + id.0)));
    }

    /// A message arrives in the INBOX.
    pub fn deliver(&self, octets: &[u8]) -> u32 {
        self.deliver_with(octets, Fate::Whole)
    }

    pub fn deliver_with(&self, octets: &[u8], fate: Fate) -> u32 {
        let uid = self.world().put(FolderId::INBOX, octets, Flags::none(), 1_700_000_000, fate);
        self.wake();
        uid
    }

    /// Another client changes flags.
    pub fn flag(&self, uid: u32, flags: Flags) {
        self.world().set_flags(FolderId::INBOX, uid, flags);
        self.wake();
    }

    /// Another client expunges.
    pub fn expunge_now(&self, uids: &[u32]) {
        self.world().take(FolderId::INBOX, uids);
        self.wake();
    }

    /// From now on rolls remember no changes.
    pub fn forget(&self) {
        let mut world = self.world();
        world.remembers = false;
        for (_, roll) in world.folders.values_mut() {
            roll.changes.clear();
            roll.changes_since = roll.highest_mod_seq;
        }
    }

    /// The next call fails.
    pub fn fail(&self, error: AccountError) {
        self.world().failure = Some(error);
        self.wake();
    }

    pub fn recorded(&self) -> Vec<String> {
        self.world().record.clone()
    }

    pub fn roll_now(&self, folder: FolderId) -> Roll {
        self.world().folders[&folder].1.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// The world, for a call that is put on record.
    fn asked(&self, act: String) -> Result<MutexGuard<'_, World>, AccountError> {
        let mut world = self.world();
        if world.record.len() < 1000 {
            world.record.push(act);
        }
        match world.failure.take() {
            Some(error) => Err(error),
            None => Ok(world),
        }
    }
}

impl World {
    fn roll(&mut self, folder: FolderId) -> Result<&mut Roll, AccountError> {
        self.folders.get_mut(&folder).map(|(_, roll)| roll).ok_or(AccountError::NoFolder)
    }

    /// Notes a change of a message; gives its mod-sequence.
    fn touch(&mut self, folder: FolderId, uid: u32) -> u64 {
        self.mod_seq += 1;
        let (mod_seq, keywords, remembers) = (self.mod_seq, self.keywords.clone(), self.remembers);
        if let Ok(roll) = self.roll(folder) {
            (roll.highest_mod_seq, roll.keywords) = (mod_seq, keywords);
            match remembers {
                true => roll.changes.push_back(Change { mod_seq, uid }),
                false => roll.changes_since = mod_seq,
            }
        }
        mod_seq
    }

    fn put(&mut self, folder: FolderId, octets: &[u8], flags: Flags, received: i64, fate: Fate) -> u32 {
        let number = self.contents.len() as u32;
        let structure = Arc::new(Structure::of(octets).encode());
        self.contents.push(Content { octets: Bytes::copy_from_slice(octets), structure, fate });
        let entry = Entry {
            uid: 0,
            number,
            message: MessageId::from_bytes([number as u8; 16]),
            flags,
            mod_seq: 0,
            octets: octets.len() as u64,
            received,
            saved: received,
            sealing: number.into(),
        };
        self.place(folder, entry)
    }

    fn place(&mut self, folder: FolderId, entry: Entry) -> u32 {
        let Ok(roll) = self.roll(folder) else { return 0 };
        let uid = roll.uid_next;
        roll.uid_next += 1;
        let mod_seq = self.touch(folder, uid);
        if let Ok(roll) = self.roll(folder) {
            roll.entries.push_back(Entry { uid, mod_seq, ..entry });
        }
        uid
    }

    fn take(&mut self, folder: FolderId, uids: &[u32]) -> Vec<Entry> {
        let mut taken = Vec::new();
        for uid in uids {
            let Ok(roll) = self.roll(folder) else { continue };
            if let Ok(position) = roll.position(*uid) {
                taken.push(roll.entries.remove(position));
                self.touch(folder, *uid);
            }
        }
        taken
    }

    fn set_flags(&mut self, folder: FolderId, uid: u32, flags: Flags) {
        let Some(position) = self.roll(folder).ok().and_then(|roll| roll.position(uid).ok()) else { return };
        let mod_seq = self.touch(folder, uid);
        if let Ok(roll) = self.roll(folder) {
            let entry = roll.entries[position];
            roll.entries.set(position, Entry { flags, mod_seq, ..entry });
        }
    }

    fn flags(&mut self, change: &FlagChange) -> Result<Flags, AccountError> {
        change.keywords.iter().try_fold(change.system, |flags, name| {
            let number = self.keywords.intern(name).ok_or(AccountError::Limit)?;
            Ok(flags.with(Flags::keyword(number)))
        })
    }

    fn entries(&mut self, folder: FolderId, uids: &[u32]) -> Result<Vec<Entry>, AccountError> {
        let roll = self.roll(folder)?;
        Ok(uids.iter().filter_map(|uid| roll.get(*uid).copied()).collect())
    }

    fn placed(&mut self, target: FolderId, uids: Vec<(u32, u32)>) -> Result<Placed, AccountError> {
        Ok(Placed { uid_validity: self.roll(target)?.uid_validity, uids })
    }
}

impl ImapRoom for Fake {
    type Account = FakeAccount;

    async fn log_in(&self, credentials: &Credentials, _: Option<IpAddr>) -> Result<FakeAccount, OpenError> {
        match (credentials.login.as_str(), credentials.password.expose()) {
            (LOGIN, PASSWORD) => {
                drop(self.asked("log in".to_owned()));
                Ok(FakeAccount { fake: self.clone(), changes: self.changes.subscribe() })
            }
            _ => Err(OpenError::Refused),
        }
    }
}

pub struct FakeAccount {
    fake: Fake,
    changes: watch::Receiver<u64>,
}

impl Account for FakeAccount {
    type Messages = Opened;

    async fn folders(&mut self) -> Result<Vec<Folder>, AccountError> {
        let world = self.fake.asked("folders".to_owned())?;
        let mut folders: Vec<_> = world.folders.values().map(|(folder, _)| folder.clone()).collect();
        folders.sort_by_key(|folder| (folder.id != FolderId::INBOX, folder.path.clone()));
        Ok(folders)
    }

    async fn create(&mut self, path: &str) -> Result<FolderId, AccountError> {
        let mut world = self.fake.asked(format!("create {path}"))?;
        if world.folders.values().any(|(folder, _)| folder.path == path) {
            return Err(AccountError::FolderExists);
        }
        let ends = path.match_indices(SEPARATOR).map(|(end, _)| end).chain([path.len()]);
        let mut id = FolderId::INBOX;
        for path in ends.map(|end| path[..end].to_owned()) {
            if world.folders.values().all(|(folder, _)| folder.path != path) {
                id = FolderId(world.next_folder);
                world.next_folder += 1;
                let roll = Roll { keywords: world.keywords.clone(), ..Roll::empty(1000 + id.0) };
                world.folders.insert(id, (Folder { id, path, special: None, subscribed: true }, roll));
            }
        }
        Ok(id)
    }

    async fn remove(&mut self, folder: FolderId) -> Result<(), AccountError> {
        let mut world = self.fake.asked(format!("remove {}", folder.0))?;
        if folder.is_given() {
            return Err(AccountError::Fixed);
        }
        let path = world.folders.get(&folder).ok_or(AccountError::NoFolder)?.0.path.clone();
        if world.folders.values().any(|(other, _)| other.path.starts_with(&format!("{path}{SEPARATOR}"))) {
            return Err(AccountError::HasChildren);
        }
        if world.folders.remove(&folder).is_some_and(|(folder, _)| folder.subscribed) {
            world.bare.insert(path);
        }
        drop(world);
        self.fake.wake();
        Ok(())
    }

    async fn rename(&mut self, folder: FolderId, path: &str) -> Result<(), AccountError> {
        let mut world = self.fake.asked(format!("rename {} {path}", folder.0))?;
        if folder.is_given() {
            return Err(AccountError::Fixed);
        }
        let old = world.folders.get(&folder).ok_or(AccountError::NoFolder)?.0.path.clone();
        for (folder, _) in world.folders.values_mut() {
            match folder.path.strip_prefix(&old) {
                Some("") => folder.path = path.to_owned(),
                Some(rest) if rest.starts_with(SEPARATOR) => folder.path = format!("{path}{rest}"),
                _ => {}
            }
        }
        Ok(())
    }

    async fn subscribe(&mut self, path: &str, subscribed: bool) -> Result<(), AccountError> {
        let mut world = self.fake.asked(format!("subscribe {path} {subscribed}"))?;
        let was_bare = world.bare.contains(path);
        match world.folders.values_mut().find(|(folder, _)| folder.path == path) {
            Some((folder, _)) => folder.subscribed = subscribed,
            None if subscribed && !was_bare => return Err(AccountError::NoFolder),
            None if !subscribed => drop(world.bare.remove(path)),
            None => {}
        }
        Ok(())
    }

    async fn bare_subscriptions(&mut self) -> Result<Vec<String>, AccountError> {
        Ok(self.fake.asked("bare subscriptions".to_owned())?.bare.iter().cloned().collect())
    }

    async fn roll(&mut self, folder: FolderId) -> Result<Roll, AccountError> {
        self.fake.asked("roll".to_owned())?.roll(folder).cloned()
    }

    async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await
        }
    }

    async fn store(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> Result<Stored, AccountError> {
        let mut world = self.fake.asked(format!("store {uids:?}"))?;
        let named = world.flags(&change)?;
        let mut modified = Vec::new();
        for entry in world.entries(folder, &uids)? {
            let flags = match change.edit {
                FlagEdit::Replace => named,
                FlagEdit::Add => entry.flags.with(named),
                FlagEdit::Remove => entry.flags.without(named),
            };
            if unchanged_since.is_some_and(|since| entry.mod_seq > since) {
                modified.push(entry.uid);
            } else if flags != entry.flags {
                world.set_flags(folder, entry.uid, flags);
            }
        }
        drop(world);
        self.fake.wake();
        Ok(Stored { modified })
    }

    async fn copy(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> Result<Placed, AccountError> {
        let mut world = self.fake.asked(format!("copy {uids:?} {}", target.0))?;
        let entries = world.entries(folder, &uids)?;
        let pairs = entries.into_iter().map(|entry| (entry.uid, world.place(target, entry))).collect();
        let placed = world.placed(target, pairs);
        drop(world);
        self.fake.wake();
        placed
    }

    async fn shift(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> Result<Placed, AccountError> {
        let mut world = self.fake.asked(format!("shift {uids:?} {}", target.0))?;
        world.roll(target)?;
        let entries = world.take(folder, &uids);
        let pairs = entries.into_iter().map(|entry| (entry.uid, world.place(target, entry))).collect();
        let placed = world.placed(target, pairs);
        drop(world);
        self.fake.wake();
        placed
    }

    async fn expunge(&mut self, folder: FolderId, uids: Vec<u32>) -> Result<(), AccountError> {
        self.fake.asked(format!("expunge {uids:?}"))?.take(folder, &uids);
        self.fake.wake();
        Ok(())
    }

    async fn append(&mut self, folder: FolderId, upload: Upload) -> Result<Placed, AccountError> {
        let mut world = self.fake.asked(format!("append {}", upload.octets.len()))?;
        let flags = world.flags(&upload.flags)?;
        let received = upload.received.unwrap_or(1_700_000_000);
        let uid = world.put(folder, upload.octets.as_slice(), flags, received, Fate::Whole);
        let placed = world.placed(folder, vec![(uid, uid)]);
        drop(world);
        self.fake.wake();
        placed
    }

    async fn open(&mut self, entries: Vec<Entry>, extent: Extent) -> Result<Opened, AccountError> {
        drop(self.fake.asked(format!("open {} {extent:?}", entries.len()))?);
        Ok(Opened { fake: self.fake.clone(), entries: entries.into_iter(), extent })
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
        let world = self.fake.asked(format!("scan {} {depth:?}", entries.len()))?;
        let look_at = |entry: &Entry| {
            let content = &world.contents[entry.number as usize];
            let octets = if depth == Depth::Octets { &content.octets[..] } else { &[] };
            let sight = Sight { structure: &content.structure, octets };
            (content.fate == Fate::Whole).then(|| look(entry, sight))
        };
        Ok(entries.iter().map(look_at).collect())
    }
}

pub struct Opened {
    fake: Fake,
    entries: std::vec::IntoIter<Entry>,
    extent: Extent,
}

impl Messages for Opened {
    type Message = OpenedMessage;

    async fn next(&mut self) -> Option<(Entry, Result<OpenedMessage, AccountError>)> {
        let entry = self.entries.next()?;
        let world = self.fake.world();
        let is_there =
            world.folders.values().any(|(_, roll)| roll.entries.iter().any(|e| e.number == entry.number));
        let content = world.contents[entry.number as usize].clone();
        let message = match (is_there, content.fate) {
            (false, _) => Err(AccountError::Gone),
            (true, Fate::Damaged) => Err(AccountError::Damaged),
            (true, _) => Ok(OpenedMessage { content, lists: self.extent == Extent::Listing }),
        };
        Some((entry, message))
    }
}

pub struct OpenedMessage {
    content: Content,
    lists: bool,
}

impl OpenMessage for OpenedMessage {
    fn structure(&self) -> &[u8] {
        &self.content.structure
    }

    async fn octets(&mut self, range: Range<u64>) -> Result<Bytes, AccountError> {
        assert!(!self.lists, "a listing has no octets");
        if matches!(self.content.fate, Fate::BreaksOff(from) if range.end > from) {
            return Err(AccountError::Damaged);
        }
        let length = self.content.octets.len() as u64;
        let (start, end) = (range.start.min(length), range.end.min(length));
        Ok(self.content.octets.slice(start as usize..end.max(start) as usize))
    }
}

//! The selected state (RFC 9051 §3.3): the folder that is open, as the client knows it.
//!
//! The session keeps the roll that it has told the client of. What another session changes makes a new roll;
//! [`Selected::sync`] tells the difference when the protocol allows it, and only then the new roll is the
//! session's. So sequence numbers never shift under a client's feet (RFC 9051 §7.5.1).

use super::authenticated::{Answer, Desk, Enabled};
use super::fault::Fault;
use super::fetch::{Manner, Plan, Shown, Sink};
use super::folders::object_id;
use super::look::Asked;
use super::messages::Store;
use super::resync;
use super::room::Account;
use super::sets::{Numbering, Picks, sequence};
use crate::mailbox::{Entry, Flags, Folder, FolderId, MAX_KEYWORDS, Roll};
use crate::wire::imap::response::Code;
use crate::wire::imap::untagged::{
    Listed, Vanished, put_exists, put_expunge, put_flags, put_list, put_recent, put_vanished,
};
use crate::wire::imap::{CommandBody, Numbers, Qresync, SelectMode};

/// A folder that is open.
pub(super) struct Selected {
    folder: FolderId,
    mode: SelectMode,
    /// What the client knows.
    pub(super) roll: Roll,
    /// The saved result `$`, rising UIDs (RFC 5182).
    pub(super) saved: Vec<u32>,
    /// The keywords about junk that the client was told of. They are the affair of single views, so a view
    /// lists those that it has seen on a message, and not what others have in use.
    judged: Flags,
}

/// Whether a client may now be told that messages are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expunges {
    /// Yes.
    Tell,
    /// Not before the answer to another command: FETCH, STORE and SEARCH without UID (RFC 9051 §7.5.1).
    Hold,
}

/// What a STORE of this session changes, or not, of what is told of flags.
pub(super) struct Own<'a> {
    /// Rising UIDs that the client changed.
    pub(super) uids: &'a [u32],
    /// Whether they are told, changed or not.
    pub(super) echo: bool,
    /// How they are told.
    pub(super) numbering: Numbering,
    /// The flags that the client expects of a message, given those it knew.
    pub(super) expected: &'a (dyn Fn(Flags) -> Flags + Sync),
}

impl Selected {
    pub(super) fn new(folder: &Folder, roll: Roll, mode: SelectMode) -> Self {
        let judged = judged(&roll, roll.entries.iter());
        Self { folder: folder.id, mode, roll, saved: Vec::new(), judged }
    }

    pub(super) fn folder(&self) -> FolderId {
        self.folder
    }

    pub(super) fn mode(&self) -> SelectMode {
        self.mode
    }

    pub(super) fn highest_mod_seq(&self) -> u64 {
        self.roll.highest_mod_seq
    }

    /// A command of this state.
    pub(super) async fn obey<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        tag: &str,
        body: CommandBody,
    ) -> Result<Answer, Fault> {
        match body {
            CommandBody::Check => Ok(Answer::plain("done")),
            CommandBody::Expunge { uids } => self.expunge(desk, uids).await,
            CommandBody::Fetch { numbers, items, modifiers, uid } => {
                self.fetch(desk, &numbers, items, modifiers, Numbering::of(uid)).await
            }
            CommandBody::Store { numbers, change, silent, unchanged_since, uid } => {
                let picks = self.picks(&numbers, Numbering::of(uid))?;
                let store = Store { change, silent, unchanged_since };
                self.store(desk, &picks, store, Numbering::of(uid)).await
            }
            CommandBody::Copy { numbers, path, uid } => {
                let picks = self.picks(&numbers, Numbering::of(uid))?;
                self.copy(desk, &picks, &path).await
            }
            CommandBody::Move { numbers, path, uid } => {
                let picks = self.picks(&numbers, Numbering::of(uid))?;
                self.shift(desk, &picks, &path).await
            }
            CommandBody::Search { key, returns, uid } => {
                let asked = Asked { tag, key: &key, numbering: Numbering::of(uid) };
                self.search(desk, asked, returns).await
            }
            CommandBody::Sort { criteria, key, returns, uid } => {
                let asked = Asked { tag, key: &key, numbering: Numbering::of(uid) };
                self.sort(desk, asked, &criteria, returns).await
            }
            CommandBody::Thread { algorithm, key, uid } => {
                let asked = Asked { tag, key: &key, numbering: Numbering::of(uid) };
                self.thread(desk, asked, algorithm).await
            }
            _ => Err(Fault::State),
        }
    }

    /// The messages that a command names.
    pub(super) fn picks(&self, numbers: &Numbers, numbering: Numbering) -> Result<Picks, Fault> {
        Ok(Picks::resolve(numbers, numbering, &self.roll, &self.saved)?)
    }

    /// How FETCH responses look, asked for or not.
    pub(super) fn manner(&self, enabled: Enabled, numbering: Numbering) -> Manner {
        // RFC 7162 §3.2.4: once QRESYNC is on, every FETCH response has the UID.
        let numbering = if enabled.qresync { Numbering::Uid } else { numbering };
        Manner { numbering, condstore: enabled.condstore, mode: self.mode }
    }

    /// What SELECT and EXAMINE tell (RFC 9051 §6.3.2, RFC 3501 §6.3.1).
    pub(super) fn introduce<A: Account>(&self, desk: &mut Desk<A>, folder: &Folder, asked: &str) {
        let (roll, enabled) = (&self.roll, desk.enabled);
        self.put_flags_in_use(desk.channel.out());
        put_exists(desk.channel.out(), count(roll));
        if !enabled.rev2 {
            put_recent(desk.channel.out(), 0);
            let unseen = roll.entries.iter().position(|entry| !entry.flags.contains(Flags::SEEN));
            if let Some(position) = unseen {
                desk.channel.note(Code::Unseen(sequence(position)), "the first that is not seen");
            }
        }
        self.note_permanent_flags(desk);
        desk.channel.note(Code::UidValidity(roll.uid_validity), "UIDs are valid");
        desk.channel.note(Code::UidNext(roll.uid_next), "the next UID");
        desk.channel.note(Code::HighestModSeq(roll.highest_mod_seq), "mod-sequences are kept");
        desk.channel.note(Code::MailboxId(&object_id(folder.id)), "the folder's identifier");
        if enabled.rev2 {
            // RFC 9051 §6.3.2.
            let old_name = (asked != folder.path).then_some(asked);
            let listed = Listed { path: &folder.path, attributes: &[], old_name, child_subscribed: false };
            put_list(desk.channel.out(), &listed, enabled.modes());
        }
    }

    fn put_flags_in_use(&self, out: &mut Vec<u8>) {
        let system = Flags::SYSTEM.iter().map(|(_, name)| *name);
        put_flags(out, system.chain(self.keywords()));
    }

    /// The keywords in use, as far as this view may know.
    fn keywords(&self) -> impl Iterator<Item = &str> {
        let untold = self.roll.keywords.judgements().without(self.judged);
        let numbered = self.roll.keywords.names().enumerate();
        numbered.filter(move |(number, _)| !untold.contains(Flags::keyword(*number))).map(|(_, name)| name)
    }

    fn note_permanent_flags<A: Account>(&self, desk: &mut Desk<A>) {
        let mut names = Vec::new();
        if self.mode == SelectMode::ReadWrite {
            names.extend(Flags::SYSTEM.iter().map(|(_, name)| *name));
            names.extend(self.keywords());
            names.extend((self.roll.keywords.names().count() < MAX_KEYWORDS).then_some("\\*"));
        }
        desk.channel.note(Code::PermanentFlags(&names), "what stays");
    }

    /// What a client that comes back has missed (RFC 7162 §3.2.5).
    pub(super) async fn resynchronise<A: Account>(
        &self,
        desk: &mut Desk<A>,
        known: &Qresync,
    ) -> Result<(), Fault> {
        if known.uid_validity != self.roll.uid_validity {
            return Ok(());
        }
        let missed = resync::missed(&self.roll, known);
        put_vanished(desk.channel.out(), Vanished::Earlier, &missed.vanished);
        let plan = Plan::news(self.manner(desk.enabled, Numbering::Uid));
        for position in missed.changed {
            self.put_news(desk, &plan, position).await?;
        }
        Ok(())
    }

    /// Tells what has changed since the client was last told.
    pub(super) async fn sync<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        expunges: Expunges,
    ) -> Result<(), Fault> {
        let now = self.current(desk).await?;
        self.tell(desk, now, expunges, None).await
    }

    /// The roll as it is now.
    pub(super) async fn current<A: Account>(&self, desk: &mut Desk<A>) -> Result<Roll, Fault> {
        use super::room::AccountError::{Changed, NoFolder};
        match desk.account.roll(self.folder).await {
            // RFC 9051 §2.3.1.1: UIDVALIDITY cannot change under an open folder.
            Ok(roll) if roll.uid_validity != self.roll.uid_validity => Err(Changed.into()),
            Err(NoFolder) => Err(Fault::FolderGone),
            roll => Ok(roll?),
        }
    }

    /// Tells the difference to `now`: what is gone, what is new, whose flags changed, in this order.
    pub(super) async fn tell<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        now: Roll,
        expunges: Expunges,
        own: Option<Own<'_>>,
    ) -> Result<(), Fault> {
        let news = now.since(&self.roll);
        let mut told = now;
        match expunges {
            Expunges::Tell => self.put_vanished(desk, &news.vanished).await?,
            Expunges::Hold => hold(&mut told, &self.roll, &news.vanished),
        }
        let listed = self.keywords().count();
        let before = std::mem::replace(&mut self.roll, told);
        self.note_judged(&before, &news.changed);
        if self.keywords().count() != listed {
            self.put_flags_in_use(desk.channel.out());
            self.note_permanent_flags(desk);
        }
        if news.arrived {
            put_exists(desk.channel.out(), count(&self.roll));
        }
        let numbering = match &own {
            Some(Own { numbering: Numbering::Uid, .. }) => Numbering::Uid,
            _ => unasked(desk.enabled),
        };
        let plan = Plan::news(self.manner(desk.enabled, numbering));
        for position in self.to_tell(&before, &news.changed, own.as_ref(), desk.enabled).positions() {
            self.put_news(desk, &plan, position).await?;
        }
        Ok(())
    }

    /// Looks for words about junk on what is changed or new.
    fn note_judged(&mut self, before: &Roll, changed: &[u32]) {
        if self.judged.contains(self.roll.keywords.judgements()) {
            return;
        }
        let changed = changed.iter().filter_map(|uid| self.roll.get(*uid));
        let new = self.roll.entries.iter().rev().take_while(|entry| entry.uid >= before.uid_next);
        self.judged = self.judged.with(judged(&self.roll, changed.chain(new)));
    }

    /// Whose flags are told: what others changed, and of what the client changed itself as much as it wants
    /// to hear (RFC 9051 §6.4.6, RFC 7162 §3.1.3).
    fn to_tell(&self, before: &Roll, changed: &[u32], own: Option<&Own<'_>>, enabled: Enabled) -> Picks {
        let Some(own) = own else { return Picks::of_uids(&self.roll, changed) };
        let is_news = |uid: &u32| {
            let (Some(old), Some(new)) = (before.get(*uid), self.roll.get(*uid)) else { return true };
            enabled.condstore || new.flags != (own.expected)(old.flags)
        };
        let others =
            changed.iter().copied().filter(|uid| own.uids.binary_search(uid).is_err() || is_news(uid));
        let echoed = own.uids.iter().copied().filter(|_| own.echo);
        let mut uids: Vec<u32> = others.chain(echoed).collect();
        uids.sort_unstable();
        Picks::of_uids(&self.roll, &uids)
    }

    async fn put_news<A: Account>(
        &self,
        desk: &mut Desk<A>,
        plan: &Plan,
        position: usize,
    ) -> Result<(), Fault> {
        if let Some(entry) = self.roll.entries.get(position) {
            let keywords = &self.roll.keywords;
            let shown = Shown { sequence: sequence(position), entry, keywords, seen_now: false };
            plan.put(desk.channel.out(), shown);
        }
        desk.channel.relieve().await
    }

    /// Tells that messages are gone. From the last to the first, so that no number shifts meanwhile.
    async fn put_vanished<A: Account>(&self, desk: &mut Desk<A>, uids: &[u32]) -> Result<(), Fault> {
        if uids.is_empty() {
            return Ok(());
        }
        if desk.enabled.qresync {
            put_vanished(desk.channel.out(), Vanished::Now, uids);
            return Ok(());
        }
        for uid in uids.iter().rev() {
            if let Ok(position) = self.roll.position(*uid) {
                put_expunge(desk.channel.out(), sequence(position));
                desk.channel.relieve().await?;
            }
        }
        Ok(())
    }

    /// Fails on a folder that is open for reading only.
    pub(super) fn require_writable(&self) -> Result<(), Fault> {
        (self.mode == SelectMode::ReadWrite).then_some(()).ok_or(Fault::ReadOnly)
    }
}

/// The keywords about junk that these messages have.
fn judged<'a>(roll: &Roll, entries: impl Iterator<Item = &'a Entry>) -> Flags {
    let words = roll.keywords.judgements();
    entries.fold(Flags::none(), |known, entry| known.with(entry.flags.and(words)))
}

/// Keeps messages that are gone on the roll until the client can be told.
fn hold(roll: &mut Roll, before: &Roll, vanished: &[u32]) {
    if vanished.is_empty() {
        return;
    }
    for entry in vanished.iter().filter_map(|uid| before.get(*uid)) {
        if let Err(position) = roll.position(entry.uid) {
            roll.entries.insert(position, *entry);
        }
    }
    // So that the next comparison finds them again.
    roll.highest_mod_seq = before.highest_mod_seq;
}

/// RFC 7162 §3.2.4, RFC 9051 §6.4.9: clients that know UIDs from before want them in every response.
pub(super) fn unasked(enabled: Enabled) -> Numbering {
    Numbering::of(enabled.qresync || enabled.rev2)
}

/// How many messages a roll has.
pub(super) fn count(roll: &Roll) -> u32 {
    u32::try_from(roll.entries.len()).unwrap_or(u32::MAX)
}

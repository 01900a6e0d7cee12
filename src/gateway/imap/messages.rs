//! Commands that read or change messages of the folder that is open, and APPEND.

use super::authenticated::{Answer, Desk, Tail};
use super::fault::Fault;
use super::fetch::{Plan, SendError, Shortfall, Shown, Sink, Tally};
use super::resync::{self, Uids};
use super::room::{Account, AccountError, Messages, Upload};
use super::selected::{Expunges, Own, Selected};
use super::sets::{Numbering, Picks, sequence};
use crate::mailbox::{Entry, FlagChange, FlagEdit, Flags, Folder, Keywords, Roll};
use crate::wipe::Wiped;
use crate::wire::imap::response::Code;
use crate::wire::imap::untagged::{Vanished, put_vanished};
use crate::wire::imap::{AppendMessage, FetchItem, FetchModifiers, Numbers};

impl Selected {
    /// RFC 9051 §6.4.5, RFC 7162 §3.1.4.
    pub(super) async fn fetch<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        numbers: &Numbers,
        items: Vec<FetchItem>,
        modifiers: FetchModifiers,
        numbering: Numbering,
    ) -> Result<Answer, Fault> {
        let mut picks = self.picks(numbers, numbering)?;
        desk.enabled.condstore |= modifiers.changed_since.is_some() || items.contains(&FetchItem::ModSeq);
        if let Some(since) = modifiers.changed_since {
            if modifiers.vanished {
                self.put_vanished_since(desk, numbers, since, numbering)?;
            }
            picks = picks.changed_since(&self.roll, since);
        }
        if let Some(range) = modifiers.partial {
            picks = part(&picks, range, numbering)?;
        }
        let plan = Plan::of(items, modifiers, self.manner(desk.enabled, numbering));
        let before = self.roll.clone();
        // Opened before it is marked: what cannot be audited is not shown, so it is not seen either.
        let messages = match plan.extent() {
            None => None,
            Some(extent) => {
                let entries = picks.entries(&before).map(|(_, entry)| *entry).collect();
                Some(desk.account.open(entries, extent.clone()).await?)
            }
        };
        let now = if plan.marks_seen() { self.mark_seen(desk, &picks).await? } else { before };
        let tally = match messages {
            None => self.fetch_known(desk, &plan, &picks).await?,
            Some(messages) => self.fetch_open(desk, &plan, messages, &now).await?,
        };
        let tail = match tally.shortfall() {
            None => Tail::Nothing,
            Some(Shortfall::Gone) => Tail::ExpungeIssued,
            Some(Shortfall::UnknownCte) => return Err(Fault::UnknownEncoding),
            Some(Shortfall::Unavailable) => return Err(AccountError::Unavailable.into()),
            Some(_) => return Err(AccountError::Damaged.into()),
        };
        Ok(Answer { tail, expunges: expunges(numbering), ..Answer::plain("fetched") })
    }

    /// RFC 7162 §3.2.6.
    fn put_vanished_since<A: Account>(
        &self,
        desk: &mut Desk<A>,
        numbers: &Numbers,
        since: u64,
        numbering: Numbering,
    ) -> Result<(), Fault> {
        if !desk.enabled.qresync || numbering != Numbering::Uid {
            return Err(Fault::NotEnabled);
        }
        let known = match numbers {
            Numbers::Saved => return Ok(()),
            set => Uids::known(&self.roll, Some(set)),
        };
        let gone = resync::vanished(&self.roll, since, &known, 0);
        put_vanished(desk.channel.out(), Vanished::Earlier, &gone);
        Ok(())
    }

    async fn fetch_known<A: Account>(
        &self,
        desk: &mut Desk<A>,
        plan: &Plan,
        picks: &Picks,
    ) -> Result<Tally, Fault> {
        let keywords = &self.roll.keywords;
        for (sequence, entry) in picks.entries(&self.roll) {
            plan.put(desk.channel.out(), Shown { sequence, entry, keywords, seen_now: false });
            desk.channel.relieve().await?;
        }
        Ok(Tally::default())
    }

    /// Sends messages as they come. `now` has the flags that they have after this FETCH.
    async fn fetch_open<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        plan: &Plan,
        mut messages: A::Messages,
        now: &Roll,
    ) -> Result<Tally, Fault> {
        let mut tally = Tally::default();
        while let Some((opened, message)) = messages.next().await {
            let Ok(position) = self.roll.position(opened.uid) else { continue };
            let mut message = match message {
                Ok(message) => message,
                Err(error) => {
                    tally.missed(error)?;
                    continue;
                }
            };
            let entry = *now.get(opened.uid).unwrap_or(&opened);
            let seen_now = entry.flags.contains(Flags::SEEN) && !opened.flags.contains(Flags::SEEN);
            let shown =
                Shown { sequence: sequence(position), entry: &entry, keywords: &now.keywords, seen_now };
            match plan.send(&mut desk.channel, shown, &mut message).await {
                Ok(complete) => tally.told(complete),
                Err(SendError::Message(error)) => {
                    tally.missed(error)?;
                    continue;
                }
                Err(SendError::BrokenOff(_)) => return Err(Fault::BrokenOff),
                Err(SendError::Sink(fault)) => return Err(fault),
            }
            if seen_now {
                // The client knows now; it need not hear it again.
                self.roll.entries.set(position, entry);
            }
            desk.channel.relieve().await?;
        }
        Ok(tally)
    }

    /// Sets `\Seen` where it is not set, and gives the roll with it.
    async fn mark_seen<A: Account>(&self, desk: &mut Desk<A>, picks: &Picks) -> Result<Roll, Fault> {
        let is_unseen = |entry: &&Entry| !entry.flags.contains(Flags::SEEN);
        let unseen: Vec<u32> = picks
            .entries(&self.roll)
            .map(|(_, entry)| entry)
            .filter(is_unseen)
            .map(|entry| entry.uid)
            .collect();
        if unseen.is_empty() {
            return Ok(self.roll.clone());
        }
        let change = FlagChange { edit: FlagEdit::Add, system: Flags::SEEN, keywords: Vec::new() };
        desk.account.store(self.folder(), unseen, change, None).await?;
        self.current(desk).await
    }

    /// RFC 9051 §6.4.6, RFC 7162 §3.1.3.
    pub(super) async fn store<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        picks: &Picks,
        store: Store,
        numbering: Numbering,
    ) -> Result<Answer, Fault> {
        self.require_writable()?;
        desk.enabled.condstore |= store.unchanged_since.is_some();
        let answer = Answer { expunges: expunges(numbering), ..Answer::plain("stored") };
        let mut uids = picks.uids(&self.roll);
        if uids.is_empty() {
            return Ok(answer);
        }
        let (change, since) = (store.change.clone(), store.unchanged_since);
        let mut modified = desk.account.store(self.folder(), uids.clone(), change, since).await?.modified;
        modified.sort_unstable();
        uids.retain(|uid| modified.binary_search(uid).is_err());
        if numbering == Numbering::Sequence {
            modified = Picks::of_uids(&self.roll, &modified).positions().map(sequence).collect();
        }
        let now = self.current(desk).await?;
        let keywords = now.keywords.clone();
        let expected = |flags| changed(flags, &store.change, &keywords);
        let own = Own { uids: &uids, echo: !store.silent, numbering, expected: &expected };
        self.tell(desk, now, answer.expunges, Some(own)).await?;
        Ok(Answer { tail: Tail::Modified(modified), ..answer })
    }

    /// RFC 9051 §6.4.7.
    pub(super) async fn copy<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        picks: &Picks,
        path: &str,
    ) -> Result<Answer, Fault> {
        let target = desk.target(path).await?;
        let placed = desk.account.copy(self.folder(), picks.uids(&self.roll), target.id).await?;
        Ok(Answer { tail: Tail::CopyUid(placed), ..Answer::plain("copied") })
    }

    /// RFC 6851 §3.3: COPYUID is told before the messages are told to be gone.
    pub(super) async fn shift<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        picks: &Picks,
        path: &str,
    ) -> Result<Answer, Fault> {
        self.require_writable()?;
        let target = desk.target(path).await?;
        let placed = desk.account.shift(self.folder(), picks.uids(&self.roll), target.id).await?;
        if !placed.uids.is_empty() {
            let (from, to): (Vec<u32>, Vec<u32>) = placed.uids.iter().copied().unzip();
            let code = Code::CopyUid { uid_validity: placed.uid_validity, from: &from, to: &to };
            desk.channel.note(code, "moved");
        }
        Ok(Answer { tail: Tail::ModSeq, ..Answer::plain("moved") })
    }

    /// RFC 9051 §6.4.3, RFC 4315 §2.1.
    pub(super) async fn expunge<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        only: Option<Numbers>,
    ) -> Result<Answer, Fault> {
        self.require_writable()?;
        let gone = self.purge(desk, only.as_ref()).await?;
        let tail = if gone { Tail::ModSeq } else { Tail::Nothing };
        Ok(Answer { tail, ..Answer::plain("expunged") })
    }

    /// Deletes what is marked as deleted, by whatever session. Whether there was anything.
    pub(super) async fn purge<A: Account>(
        &self,
        desk: &mut Desk<A>,
        only: Option<&Numbers>,
    ) -> Result<bool, Fault> {
        let now = self.current(desk).await?;
        let only = match only {
            Some(numbers) => Some(Picks::resolve(numbers, Numbering::Uid, &now, &self.saved)?),
            None => None,
        };
        let is_due = |(position, entry): &(usize, &Entry)| {
            entry.flags.contains(Flags::DELETED) && only.as_ref().is_none_or(|only| only.contains(*position))
        };
        let uids: Vec<u32> =
            now.entries.iter().enumerate().filter(is_due).map(|(_, entry)| entry.uid).collect();
        if uids.is_empty() {
            return Ok(false);
        }
        desk.account.expunge(self.folder(), uids).await?;
        Ok(true)
    }
}

/// A STORE's arguments.
pub(super) struct Store {
    pub(super) change: FlagChange,
    pub(super) silent: bool,
    pub(super) unchanged_since: Option<u64>,
}

impl<A: Account> Desk<A> {
    /// RFC 9051 §6.3.12.
    pub(super) async fn append(&mut self, path: &str, mut message: AppendMessage) -> Result<Answer, Fault> {
        let target = self.target(path).await?;
        let octets = Wiped::from(std::mem::take(&mut *message.octets));
        if octets.is_empty() {
            return Err(Fault::EmptyMessage);
        }
        let upload = Upload { octets, flags: message.flags, received: message.received };
        let placed = self.account.append(target.id, upload).await?;
        let tail = match placed.uids.first() {
            Some((_, uid)) => Tail::AppendUid { uid_validity: placed.uid_validity, uid: *uid },
            None => Tail::Nothing,
        };
        Ok(Answer { tail, ..Answer::plain("appended") })
    }

    /// The folder that messages go to (RFC 9051 §7.1, TRYCREATE).
    async fn target(&mut self, path: &str) -> Result<Folder, Fault> {
        match self.folder(path).await {
            Err(Fault::Account(AccountError::NoFolder)) => Err(Fault::NoTarget),
            found => found,
        }
    }
}

/// RFC 9051 §7.5.1: commands with sequence numbers hold what would shift them.
pub(super) fn expunges(numbering: Numbering) -> Expunges {
    match numbering {
        Numbering::Sequence => Expunges::Hold,
        Numbering::Uid => Expunges::Tell,
    }
}

/// The messages in a range of RFC 9394 §3.1: from 1, or from the end if negative; either end may come first.
fn part(picks: &Picks, range: (i64, i64), numbering: Numbering) -> Result<Picks, Fault> {
    // RFC 9394 §3.3: for UID FETCH alone.
    if numbering != Numbering::Uid {
        return Err(Fault::State);
    }
    let count = i64::try_from(picks.len()).unwrap_or(i64::MAX);
    let place = |end: i64| if end < 0 { count.saturating_add(end) } else { end - 1 };
    let (one, other) = (place(range.0), place(range.1));
    let places = one.min(other)..=one.max(other);
    let inside = picks.positions().zip(0..).filter(|(_, place)| places.contains(place));
    Ok(Picks::of_positions(inside.map(|(position, _)| position)))
}

/// The flags that a client expects after its change.
fn changed(flags: Flags, change: &FlagChange, keywords: &Keywords) -> Flags {
    let own = change.keywords.iter().filter_map(|name| keywords.find(name));
    let named = own.fold(change.system, |flags, number| flags.with(Flags::keyword(number)));
    match change.edit {
        FlagEdit::Replace => named,
        FlagEdit::Add => flags.with(named),
        FlagEdit::Remove => flags.without(named),
    }
}

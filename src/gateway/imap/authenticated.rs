//! The authenticated state (RFC 9051 §3.2), and the selected one (§3.3) as far as all commands have it in
//! common: who answers a command, what the client hears of the folder it has open, when it is expelled.

use std::sync::Arc;

use tokio::time::Instant;

use super::capabilities;
use super::channel::{Channel, Failed};
use super::fault::{Conduct, Fault};
use super::fetch::Sink;
use super::list::Listing;
use super::room::{Account, Placed};
use super::selected::{Expunges, Selected};
use super::{SessionEnd, Settings};
use crate::mailbox::{Folder, spelt};
use crate::wire::imap::framing::Limits;
use crate::wire::imap::response::Code;
use crate::wire::imap::untagged::{put_capability, put_enabled, put_id, put_namespace};
use crate::wire::imap::{Command, CommandBody, Modes, Qresync, SelectMode};

/// A session that is logged in.
pub(super) struct Authenticated<A> {
    pub(super) desk: Desk<A>,
    pub(super) selected: Option<Box<Selected>>,
    /// How many more faults in a row are answered.
    faults: u32,
}

/// What a session has whether or not a folder is open.
pub(super) struct Desk<A> {
    pub(super) channel: Channel,
    pub(super) account: A,
    pub(super) settings: Arc<Settings>,
    pub(super) enabled: Enabled,
}

/// What the client has enabled (RFC 5161), by ENABLE or otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Enabled {
    pub(super) condstore: bool,
    pub(super) qresync: bool,
    pub(super) utf8: bool,
    pub(super) rev2: bool,
}

/// The tagged OK of a command, and what may be told before it.
pub(super) struct Answer {
    pub(super) text: &'static str,
    pub(super) tail: Tail,
    pub(super) expunges: Expunges,
}

/// The response code of a tagged OK.
pub(super) enum Tail {
    Nothing,
    Mode(SelectMode),
    AppendUid {
        uid_validity: u32,
        uid: u32,
    },
    CopyUid(Placed),
    /// HIGHESTMODSEQ once all is told (RFC 7162 §3.2.7), if the client knows QRESYNC.
    ModSeq,
    Modified(Vec<u32>),
    ExpungeIssued,
    MailboxId(String),
}

/// What becomes of the session after a command.
enum Next {
    Command,
    Compress,
    Goodbye,
}

impl<A: Account> Authenticated<A> {
    /// A session whose login had this tag.
    pub(super) fn new(mut channel: Channel, account: A, settings: Arc<Settings>, tag: &str) -> Self {
        channel.set_limits(Limits::after_login(settings.append_limit.into()));
        let names = capabilities::after_login(&channel, &settings);
        let words: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        channel.done(tag, Some(Code::Capability(&words)), "logged in");
        let desk = Desk { channel, account, settings, enabled: Enabled::default() };
        Self { desk, selected: None, faults: MAX_FAULTS }
    }

    pub(super) async fn run(mut self) -> SessionEnd {
        loop {
            let failed = match self.step().await {
                Ok((_, Next::Command)) => {
                    self.faults = MAX_FAULTS;
                    continue;
                }
                Ok((tag, Next::Compress)) => {
                    self.desk.channel.done(&tag, None, "DEFLATE is on");
                    self.desk.channel = match Box::pin(self.desk.channel.compress()).await {
                        Ok(channel) => channel,
                        Err(end) => return end,
                    };
                    continue;
                }
                Ok((tag, Next::Goodbye)) => {
                    self.desk.channel.farewell(&tag);
                    return self.desk.channel.close(SessionEnd::Quit).await;
                }
                Err(failed) => failed,
            };
            if let Err(end) = self.answer(&failed) {
                return self.desk.channel.close(end).await;
            }
        }
    }

    /// Answers a fault and counts it, if it shows a client that has lost its way.
    fn answer(&mut self, failed: &Failed) -> Result<(), SessionEnd> {
        self.desk.channel.answer(failed.tag.as_deref(), &failed.fault)?;
        if matches!(failed.fault.conduct(), Conduct::Bad(..)) {
            self.faults = self.faults.saturating_sub(1);
        }
        if self.faults == 0 { self.desk.channel.answer(None, &Fault::Expelled) } else { Ok(()) }
    }

    /// Reads a command, obeys it, and puts all of its answer.
    async fn step(&mut self) -> Result<(String, Next), Failed> {
        let until = Instant::now() + self.desk.settings.inactivity;
        let modes = self.desk.enabled.modes();
        let Command { tag, body } = self.desk.channel.command(modes, until).await?;
        // Boxed: an idle session pays nothing for it.
        match Box::pin(self.obey(&tag, body)).await {
            Ok(next) => Ok((tag, next)),
            Err(fault) => Err(Failed { tag: Some(tag), fault }),
        }
    }

    async fn obey(&mut self, tag: &str, body: CommandBody) -> Result<Next, Fault> {
        match body {
            CommandBody::Logout => return Ok(Next::Goodbye),
            CommandBody::Compress => return self.desk.compress(),
            _ => {}
        }
        let (had_condstore, opens) =
            (self.desk.enabled.condstore, matches!(body, CommandBody::Select { .. }));
        let answer = self.carry_out(tag, body).await;
        if !had_condstore && !opens {
            self.note_mod_seq();
        }
        let highest = self.selected.as_ref().map(|selected| selected.highest_mod_seq());
        self.desk.finish(tag, &answer?, highest);
        Ok(Next::Command)
    }

    /// RFC 7162 §3.1: whoever enables CONDSTORE with a folder open is told its HIGHESTMODSEQ, once.
    fn note_mod_seq(&mut self) {
        if let Some(selected) = self.selected.as_ref().filter(|_| self.desk.enabled.condstore) {
            let code = Code::HighestModSeq(selected.highest_mod_seq());
            self.desk.channel.note(code, "mod-sequences are told from now on");
        }
    }

    async fn carry_out(&mut self, tag: &str, body: CommandBody) -> Result<Answer, Fault> {
        let answer = match body {
            CommandBody::Idle => self.idle().await?,
            CommandBody::Select { path, mode, condstore, qresync } => {
                self.select(&path, mode, condstore, qresync).await?
            }
            CommandBody::Close => self.close().await?,
            CommandBody::Unselect => {
                self.selected.take().ok_or(Fault::State)?;
                Answer::plain("unselected")
            }
            CommandBody::Delete(path) => self.delete(&path).await?,
            body if needs_folder(&body) => {
                let selected = self.selected.as_mut().ok_or(Fault::State)?;
                selected.obey(&mut self.desk, tag, body).await?
            }
            body => self.desk.obey(body).await?,
        };
        if let Some(selected) = &mut self.selected {
            selected.sync(&mut self.desk, answer.expunges).await?;
        }
        Ok(answer)
    }

    async fn select(
        &mut self,
        path: &str,
        mode: SelectMode,
        condstore: bool,
        qresync: Option<Qresync>,
    ) -> Result<Answer, Fault> {
        if qresync.is_some() && !self.desk.enabled.qresync {
            return Err(Fault::NotEnabled);
        }
        // RFC 9051 §6.3.2: the folder that was open is closed even if this one does not open.
        if self.selected.take().is_some() {
            self.desk.channel.note(Code::Closed, "the folder before is closed");
        }
        let folder = self.desk.folder(path).await?;
        self.desk.enabled.condstore |= condstore;
        let roll = self.desk.account.roll(folder.id).await?;
        let selected = Selected::new(&folder, roll, mode);
        selected.introduce(&mut self.desk, &folder, path);
        if let Some(known) = qresync {
            selected.resynchronise(&mut self.desk, &known).await?;
        }
        self.selected = Some(Box::new(selected));
        Ok(Answer { tail: Tail::Mode(mode), ..Answer::plain("open") })
    }

    /// RFC 9051 §6.4.1: what is marked as deleted goes, and nothing is said of it.
    async fn close(&mut self) -> Result<Answer, Fault> {
        let selected = self.selected.as_mut().ok_or(Fault::State)?;
        if selected.mode() == SelectMode::ReadWrite {
            selected.purge(&mut self.desk, None).await?;
        }
        self.selected = None;
        Ok(Answer::plain("closed"))
    }

    /// RFC 9051 §6.3.5. The folder may be the one that is open.
    async fn delete(&mut self, path: &str) -> Result<Answer, Fault> {
        let folder = self.desk.folder(path).await?;
        self.desk.account.remove(folder.id).await?;
        if self.selected.take_if(|selected| selected.folder() == folder.id).is_some() {
            self.desk.channel.note(Code::Closed, "the folder is gone");
        }
        Ok(Answer::plain("deleted"))
    }
}

impl<A: Account> Desk<A> {
    async fn obey(&mut self, body: CommandBody) -> Result<Answer, Fault> {
        match body {
            CommandBody::Capability => {
                let names = capabilities::after_login(&self.channel, &self.settings);
                let words: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                put_capability(self.channel.out(), &words);
            }
            CommandBody::Noop => {}
            CommandBody::Id => put_id(self.channel.out(), &[("name", super::NAME)]),
            CommandBody::Enable(names) => self.enable(&names),
            CommandBody::Create { path, special_use } => return self.create(&path, special_use).await,
            CommandBody::Rename { from, to } => self.rename(&from, &to).await?,
            CommandBody::Subscribe(path) => self.subscribe(&path, true).await?,
            CommandBody::Unsubscribe(path) => self.subscribe(&path, false).await?,
            CommandBody::List { reference, patterns, selection, returns, lsub } => {
                let listing = Listing { selection, returns, lsub };
                self.list(&reference, &patterns, &listing).await?;
            }
            CommandBody::Namespace => put_namespace(self.channel.out()),
            CommandBody::Status { path, items } => self.status(&path, &items).await?,
            CommandBody::Append { path, message } => return self.append(&path, message).await,
            CommandBody::GetQuota(_) => return Err(Fault::NoQuotaRoot),
            CommandBody::GetQuotaRoot(path) => self.quota_root(&path).await?,
            CommandBody::SetQuota => return Err(Fault::Quota),
            CommandBody::StartTls => return Err(Fault::AlreadyTls),
            _ => return Err(Fault::State),
        }
        Ok(Answer::plain("done"))
    }

    /// The folder at a path.
    pub(super) async fn folder(&mut self, path: &str) -> Result<Folder, Fault> {
        use super::room::AccountError::NoFolder;
        // One that no folder could be made with today may be there all the same.
        let path = spelt(path);
        let folders = self.account.folders().await?;
        Ok(folders.into_iter().find(|folder| folder.path == path).ok_or(NoFolder)?)
    }

    /// RFC 5161 §3.1: what is not known is passed over.
    fn enable(&mut self, names: &[String]) {
        let mut told = Vec::new();
        for name in names {
            let enabled = &mut self.enabled;
            match name.as_str() {
                "CONDSTORE" => enabled.condstore = true,
                // RFC 7162 §3.2.3.
                "QRESYNC" => (enabled.qresync, enabled.condstore) = (true, true),
                "UTF8=ACCEPT" => enabled.utf8 = true,
                "IMAP4REV2" => enabled.rev2 = true,
                _ => continue,
            }
            told.push(if name == "IMAP4REV2" { "IMAP4rev2" } else { name.as_str() });
        }
        put_enabled(self.channel.out(), &told);
    }

    fn compress(&self) -> Result<Next, Fault> {
        if self.channel.is_compressed() {
            return Err(Fault::AlreadyCompressed);
        }
        if !self.settings.compress {
            return Err(Fault::NoCompression);
        }
        if self.channel.is_ahead() {
            return Err(Fault::EarlyOctets);
        }
        Ok(Next::Compress)
    }

    /// Puts the tagged OK. `highest` is the HIGHESTMODSEQ that the client has been told.
    fn finish(&mut self, tag: &str, answer: &Answer, highest: Option<u64>) {
        let copied: (Vec<u32>, Vec<u32>);
        let code = match &answer.tail {
            Tail::Nothing => None,
            Tail::Mode(SelectMode::ReadWrite) => Some(Code::ReadWrite),
            Tail::Mode(SelectMode::ReadOnly) => Some(Code::ReadOnly),
            Tail::AppendUid { uid_validity, uid } => {
                Some(Code::AppendUid { uid_validity: *uid_validity, uid: *uid })
            }
            Tail::CopyUid(placed) if placed.uids.is_empty() => None,
            Tail::CopyUid(placed) => {
                copied = placed.uids.iter().copied().unzip();
                Some(Code::CopyUid { uid_validity: placed.uid_validity, from: &copied.0, to: &copied.1 })
            }
            Tail::ModSeq => highest.filter(|_| self.enabled.qresync).map(Code::HighestModSeq),
            Tail::Modified(numbers) if numbers.is_empty() => None,
            Tail::Modified(numbers) => Some(Code::Modified(numbers)),
            Tail::ExpungeIssued => Some(Code::ExpungeIssued),
            Tail::MailboxId(number) => Some(Code::MailboxId(number)),
        };
        self.channel.done(tag, code, answer.text);
    }
}

impl Enabled {
    /// How commands are read.
    pub(super) fn modes(self) -> Modes {
        Modes { utf8: self.utf8 || self.rev2 }
    }
}

impl Answer {
    pub(super) fn plain(text: &'static str) -> Self {
        Self { text, tail: Tail::Nothing, expunges: Expunges::Tell }
    }
}

/// Whether a command belongs to the selected state alone.
fn needs_folder(body: &CommandBody) -> bool {
    matches!(
        body,
        CommandBody::Check
            | CommandBody::Expunge { .. }
            | CommandBody::Search { .. }
            | CommandBody::Sort { .. }
            | CommandBody::Thread { .. }
            | CommandBody::Fetch { .. }
            | CommandBody::Store { .. }
            | CommandBody::Copy { .. }
            | CommandBody::Move { .. }
    )
}

/// Bad commands in a row. A client with a fault of its own makes one or two.
const MAX_FAULTS: u32 = 20;

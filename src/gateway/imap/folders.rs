//! Commands about folders (RFC 9051 §6.3): CREATE, RENAME, SUBSCRIBE, STATUS, quotas; LIST is in [`super::list`].

use super::authenticated::{Answer, Desk, Tail};
use super::fault::Fault;
use super::fetch::Sink;
use super::room::Account;
use super::selected::count;
use crate::mailbox::{Flags, Folder, FolderId, Roll, SEPARATOR, folder_name, spelt};
use crate::wire::imap::StatusItem;
use crate::wire::imap::untagged::{Listed, StatusValue, put_list, put_quota_root, put_status};

impl<A: Account> Desk<A> {
    /// RFC 9051 §6.3.4, RFC 8474 §4.1.
    pub(super) async fn create(&mut self, path: &str, special_use: bool) -> Result<Answer, Fault> {
        // RFC 6154 §3: the six folders with a use are there, and there are no others.
        if special_use {
            return Err(Fault::SpecialUse);
        }
        let asked = path;
        let path = folder_name(path).map_err(super::room::AccountError::from)?;
        let folder = self.account.create(&path).await?;
        self.put_spelling(&path, asked);
        Ok(Answer { tail: Tail::MailboxId(object_id(folder)), ..Answer::plain("created") })
    }

    /// RFC 9051 §6.3.6.
    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault> {
        let folder = self.folder(from).await?;
        let path = folder_name(to).map_err(super::room::AccountError::from)?;
        self.account.rename(folder.id, &path).await?;
        self.put_spelling(&path, to);
        Ok(())
    }

    /// RFC 9051 §6.3.4, §6.3.6: the client learns how its name is spelt here.
    fn put_spelling(&mut self, path: &str, asked: &str) {
        if self.enabled.rev2 && path != asked.strip_suffix(SEPARATOR).unwrap_or(asked) {
            let listed = Listed { path, attributes: &[], old_name: Some(asked), child_subscribed: false };
            put_list(self.channel.out(), &listed, self.enabled.modes());
        }
    }

    /// RFC 9051 §6.3.7, §6.3.8. A subscription outlives its folder, so the name need not be that of one; and
    /// either may have a name that no folder could be made with today.
    pub(super) async fn subscribe(&mut self, path: &str, subscribed: bool) -> Result<(), Fault> {
        Ok(self.account.subscribe(&spelt(path), subscribed).await?)
    }

    /// RFC 9051 §6.3.11.
    pub(super) async fn status(&mut self, path: &str, items: &[StatusItem]) -> Result<(), Fault> {
        let folder = self.folder(path).await?;
        self.put_status(&folder, items).await
    }

    pub(super) async fn put_status(&mut self, folder: &Folder, items: &[StatusItem]) -> Result<(), Fault> {
        // RFC 7162 §3.1: to ask for it is to enable CONDSTORE.
        self.enabled.condstore |= items.contains(&StatusItem::HighestModSeq);
        let roll = self.account.roll(folder.id).await?;
        let limit = self.settings.append_limit;
        let id = object_id(folder.id);
        let values: Vec<_> = items.iter().map(|item| (*item, value(*item, &id, &roll, limit))).collect();
        put_status(self.channel.out(), &folder.path, &values, self.enabled.modes());
        self.channel.relieve().await
    }

    /// RFC 9208 §4.1.3: nothing is limited, so a folder has no roots. Thunderbird reads an empty QUOTA as an
    /// error of syntax, as the grammar has it.
    pub(super) async fn quota_root(&mut self, path: &str) -> Result<(), Fault> {
        let folder = self.folder(path).await?;
        put_quota_root(self.channel.out(), &folder.path, self.enabled.modes());
        Ok(())
    }
}

/// A folder's identifier (RFC 8474 §4), which it keeps when it is renamed.
pub(super) fn object_id(folder: FolderId) -> String {
    format!("F{}", folder.0)
}

fn value<'a>(item: StatusItem, id: &'a str, roll: &Roll, append_limit: u32) -> StatusValue<'a> {
    let flagged = |flag| roll.entries.iter().filter(move |entry| entry.flags.contains(flag));
    let number = match item {
        StatusItem::Messages => count(roll).into(),
        StatusItem::Recent => 0,
        StatusItem::UidNext => roll.uid_next.into(),
        StatusItem::UidValidity => roll.uid_validity.into(),
        StatusItem::Unseen => (roll.entries.len() - flagged(Flags::SEEN).count()) as u64,
        StatusItem::Deleted => flagged(Flags::DELETED).count() as u64,
        StatusItem::Size => roll.entries.iter().map(|entry| entry.octets).sum(),
        StatusItem::HighestModSeq => roll.highest_mod_seq,
        StatusItem::MailboxId => return StatusValue::ObjectId(id),
        StatusItem::AppendLimit => append_limit.into(),
        StatusItem::DeletedStorage => flagged(Flags::DELETED).map(|entry| entry.octets).sum(),
    };
    StatusValue::Number(number)
}

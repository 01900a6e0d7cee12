//! What an IMAP session asks of the rest of the house: open a view with an app password, its folders, its
//! messages. Everything behind these traits (keyslots, audit, store, policies) is unknown here.
//!
//! Implementations bound their own waits: a session's timeouts are about its peer, and work that is under
//! way (an audit entry, a move) is never cut short by them.

use std::future::Future;
use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;

use crate::gateway::mailroom::OpenError;
use crate::mailbox::{Entry, FlagChange, Folder, FolderId, FolderNameError, Roll};
use crate::wire::sasl::Credentials;

/// Opens views for IMAP.
pub trait ImapRoom: Send + Sync + 'static {
    /// An open view.
    type Account: Account;

    /// Opens the view that these credentials are for; opening its keyslot is the authentication. Unknown
    /// names MUST take the same path and time as wrong passwords. The audit entry of the opening MUST be
    /// durable before this returns an account.
    fn log_in(
        &self,
        credentials: &Credentials,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Result<Self::Account, OpenError>> + Send;
}

/// An open view of a user's mailbox, with all its folders, for one session. Dropping it locks it again.
///
/// Whatever these methods return is true of this view alone; what the view's policy leaves out of a folder
/// is not in its roll. A session whose view was changed, or whose credential was revoked, meets
/// [`AccountError::Revoked`] or [`AccountError::Changed`] and says BYE.
pub trait Account: Send + 'static {
    /// Messages on their way out.
    type Messages: Messages;

    /// All folders, INBOX first, the rest by path.
    fn folders(&mut self) -> impl Future<Output = Result<Vec<Folder>, AccountError>> + Send;

    /// Makes a folder, and those above it that are missing. The path has been through
    /// [`crate::mailbox::folder_name`], as in [`Account::rename`].
    fn create(&mut self, path: &str) -> impl Future<Output = Result<FolderId, AccountError>> + Send;

    /// Removes a folder of the user's own. Its messages are deleted as the policy has it for a delete:
    /// hidden ones stay in the vault.
    fn remove(&mut self, folder: FolderId) -> impl Future<Output = Result<(), AccountError>> + Send;

    /// Gives a folder, and those below it, another path. INBOX's messages move to a new folder instead
    /// (RFC 9051 §6.3.6).
    fn rename(
        &mut self,
        folder: FolderId,
        path: &str,
    ) -> impl Future<Output = Result<(), AccountError>> + Send;

    /// Subscribes to the folder of this path, or no longer; it may have one that none could be made with today,
    /// in the spelling of [`crate::mailbox::spelt`]. A name that is subscribed to stays so when its
    /// folder is removed (RFC 9051 §6.3.7); to end what is not there is no error.
    fn subscribe(
        &mut self,
        path: &str,
        subscribed: bool,
    ) -> impl Future<Output = Result<(), AccountError>> + Send;

    /// The names that are subscribed to and have no folder, by path.
    fn bare_subscriptions(&mut self) -> impl Future<Output = Result<Vec<String>, AccountError>> + Send;

    /// The roll of a folder as it is now. Cheap when called again.
    fn roll(&mut self, folder: FolderId) -> impl Future<Output = Result<Roll, AccountError>> + Send;

    /// Resolves when something in this user's mailbox may have changed since this was last called or since
    /// the account was opened. Loses no change: one that happened in between resolves it at once. Dropping
    /// the future loses nothing either.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;

    /// Changes the flags of messages. With `unchanged_since`, only of those whose mod-sequence is not above
    /// it (RFC 7162 §3.1.3). Durable before it returns.
    fn store(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> impl Future<Output = Result<Stored, AccountError>> + Send;

    /// Copies messages, all or none; their flags go with them. The pairs of UIDs, here and there, in the
    /// order of `uids`; messages that are gone are left out. Durable before it returns.
    fn copy(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> impl Future<Output = Result<Placed, AccountError>> + Send;

    /// Moves messages (RFC 6851), all or none.
    fn shift(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
        target: FolderId,
    ) -> impl Future<Output = Result<Placed, AccountError>> + Send;

    /// Deletes messages of the view for good, as its policy says: hides them, throws them into the trash, or
    /// destroys them. Durable before it returns; those already gone are no error.
    fn expunge(
        &mut self,
        folder: FolderId,
        uids: Vec<u32>,
    ) -> impl Future<Output = Result<(), AccountError>> + Send;

    /// Seals what the client uploads, for the owner and for the views that cover the mailbox, and places it
    /// in `folder`. Durable before it returns.
    fn append(
        &mut self,
        folder: FolderId,
        upload: Upload,
    ) -> impl Future<Output = Result<Placed, AccountError>> + Send;

    /// Begins to open messages, in the order of `entries`. The audit entries of all of them MUST be durable
    /// before the first octet leaves; for [`Extent::Listing`] one entry stands for all.
    fn open(
        &mut self,
        entries: Vec<Entry>,
        extent: Extent,
    ) -> impl Future<Output = Result<Self::Messages, AccountError>> + Send;

    /// Looks at messages without anything of them leaving but what `look` makes of them: for SEARCH, SORT
    /// and THREAD. `look` runs on other threads, for several messages at once. The results are in the order
    /// of `entries`; none for messages that are damaged or gone.
    fn scan<T, F>(
        &mut self,
        entries: Vec<Entry>,
        depth: Depth,
        look: F,
    ) -> impl Future<Output = Result<Vec<Option<T>>, AccountError>> + Send
    where
        T: Send + 'static,
        F: Fn(&Entry, Sight<'_>) -> T + Send + Sync + 'static;
}

/// Messages on their way out, one after the other. Implementations read ahead.
pub trait Messages: Send {
    /// A message.
    type Message: OpenMessage;

    /// The next message; `None` after the last. A message that cannot be opened is an error of its own, and
    /// the next call goes on after it.
    fn next(&mut self) -> impl Future<Output = Option<(Entry, Result<Self::Message, AccountError>)>> + Send;
}

/// A masked message.
pub trait OpenMessage: Send {
    /// Its structure, as [`crate::structure::Structure::decode`] reads it.
    fn structure(&self) -> &[u8];

    /// Its octets, as many as the entry says. Ranges beyond the end are cut off. Not for messages opened as
    /// [`Extent::Listing`]: they have none.
    ///
    /// # Errors
    /// [`AccountError::Damaged`] if a part of the message does not authenticate.
    fn octets(&mut self, range: Range<u64>) -> impl Future<Output = Result<Bytes, AccountError>> + Send;
}

/// How much of a message a client asks for, as the audit log should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Envelope, structure, preview: what lists show.
    Listing,
    /// Header fields.
    Header,
    /// Some parts, by their numbers.
    Parts(Vec<Vec<u32>>),
    /// All of it.
    Whole,
}

/// How deep a scan looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// At the structure.
    Structure,
    /// At all octets.
    Octets,
}

/// What a scan sees of a message.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The structure, encoded.
    pub structure: &'a [u8],
    /// The octets, if the scan goes that deep; empty otherwise.
    pub octets: &'a [u8],
}

/// What a STORE did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// UIDs that had changed since; their flags are as they were.
    pub modified: Vec<u32>,
}

/// Where messages went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The UIDVALIDITY there.
    pub uid_validity: u32,
    /// UIDs here and there. For an upload, which has none here, both are the new one.
    pub uids: Vec<(u32, u32)>,
}

/// What a client uploads.
pub struct Upload {
    /// Its octets.
    pub octets: crate::wipe::Wiped,
    /// Its flags.
    pub flags: FlagChange,
    /// Its INTERNALDATE, Unix seconds; none is now.
    pub received: Option<i64>,
}

/// Why an open view does not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No such folder.
    #[error("there is no such folder")]
    NoFolder,
    /// A folder of that name is there already.
    #[error("there is a folder of that name")]
    FolderExists,
    /// The six folders that every mailbox has stay what they are.
    #[error("this folder stays as it is")]
    Fixed,
    /// A folder with others below it is not removed.
    #[error("there are folders below this one")]
    HasChildren,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] FolderNameError),
    /// A mailbox has no room for more folders, keywords or messages.
    #[error("a limit of the mailbox is reached")]
    Limit,
    /// What is uploaded or copied does not fit beside what the view shows.
    #[error("the view has no room for it")]
    OverQuota,
    /// The message's container is damaged. Our fault, and the vault's owner has been told.
    #[error("the message is damaged")]
    Damaged,
    /// The message has been deleted since.
    #[error("the message is gone")]
    Gone,
    /// The view has another policy or rendering since the session began.
    #[error("the view has changed")]
    Changed,
    /// The credential has been revoked since the session began.
    #[error("the credential has been revoked")]
    Revoked,
    /// What was uploaded cannot be sealed now, since a policy of the mailbox does not load; or the store or
    /// the audit log does not answer. Our fault.
    #[error("not available now")]
    Unavailable,
}

//! Commands as the session gets them: one type whichever parser read them, free of borrowed octets.
//! Mailbox names are decoded (modified UTF-7 of RFC 3501 §5.1.3, or UTF-8 after ENABLE), `INBOX` in capitals.

use zeroize::Zeroizing;

use crate::mailbox::FlagChange;
use crate::wire::sasl::{Credentials, PasswordText};

/// A command with its tag.
pub struct Command {
    /// What the tagged response begins with.
    pub tag: String,
    /// What the client wants.
    pub body: CommandBody,
}

/// What a client wants. Where a command exists with and without UID, `uid` tells whether numbers are UIDs.
pub enum CommandBody {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// ID (RFC 2971)
    Id,
    /// STARTTLS
    StartTls,
    /// LOGIN
    Login(Credentials),
    /// AUTHENTICATE
    Authenticate {
        /// The mechanism's name, in capitals.
        mechanism: String,
        /// SASL-IR (RFC 4959), still in base64.
        initial: Option<PasswordText>,
    },
    /// ENABLE (RFC 5161); names in capitals.
    Enable(Vec<String>),
    /// SELECT, EXAMINE
    Select {
        /// The folder's path.
        path: String,
        /// Which of the two.
        mode: SelectMode,
        /// CONDSTORE was asked for.
        condstore: bool,
        /// What the client knows (RFC 7162 §3.2.5).
        qresync: Option<Qresync>,
    },
    /// CREATE
    Create {
        /// The folder's path.
        path: String,
        /// Whether a special use was asked for (RFC 6154 §3), which the six given folders already have.
        special_use: bool,
    },
    /// DELETE
    Delete(String),
    /// RENAME
    Rename {
        /// The path it has.
        from: String,
        /// The path it is to have.
        to: String,
    },
    /// SUBSCRIBE
    Subscribe(String),
    /// UNSUBSCRIBE
    Unsubscribe(String),
    /// LIST, LSUB (RFC 5258, 5819, 6154)
    List {
        /// What goes in front of the patterns.
        reference: String,
        /// Patterns with `%` and `*`.
        patterns: Vec<String>,
        /// Which folders.
        selection: ListSelection,
        /// What is said of them.
        returns: ListReturn,
        /// The response's name is LSUB.
        lsub: bool,
    },
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// STATUS
    Status {
        /// The folder's path.
        path: String,
        /// What is asked.
        items: Vec<StatusItem>,
    },
    /// APPEND; MULTIAPPEND is not offered.
    Append {
        /// The folder's path.
        path: String,
        /// What is uploaded.
        message: AppendMessage,
    },
    /// IDLE (RFC 2177)
    Idle,
    /// COMPRESS DEFLATE (RFC 4978)
    Compress,
    /// GETQUOTA (RFC 9208)
    GetQuota(String),
    /// GETQUOTAROOT
    GetQuotaRoot(String),
    /// SETQUOTA, which nobody may.
    SetQuota,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE, UID EXPUNGE (RFC 4315)
    Expunge {
        /// Only these.
        uids: Option<Numbers>,
    },
    /// SEARCH
    Search {
        /// What every message found must be.
        key: Key,
        /// ESEARCH (RFC 4731); none is the old SEARCH response.
        returns: Option<Returns>,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// SORT (RFC 5256)
    Sort {
        /// By what.
        criteria: Vec<SortCriterion>,
        /// What every message found must be.
        key: Key,
        /// ESORT (RFC 5267).
        returns: Option<Returns>,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// THREAD (RFC 5256)
    Thread {
        /// How.
        algorithm: Threading,
        /// What every message found must be.
        key: Key,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// FETCH
    Fetch {
        /// Which messages.
        numbers: Numbers,
        /// What of them, macros taken apart.
        items: Vec<FetchItem>,
        /// CONDSTORE and QRESYNC.
        modifiers: FetchModifiers,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// STORE
    Store {
        /// Which messages.
        numbers: Numbers,
        /// What becomes of their flags.
        change: FlagChange,
        /// `.SILENT`
        silent: bool,
        /// CONDSTORE
        unchanged_since: Option<u64>,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// COPY
    Copy {
        /// Which messages.
        numbers: Numbers,
        /// The folder's path.
        path: String,
        /// Whether numbers are UIDs.
        uid: bool,
    },
    /// MOVE (RFC 6851)
    Move {
        /// Which messages.
        numbers: Numbers,
        /// The folder's path.
        path: String,
        /// Whether numbers are UIDs.
        uid: bool,
    },
}

/// What APPEND uploads.
pub struct AppendMessage {
    /// Its flags; the edit is `Replace`.
    pub flags: FlagChange,
    /// INTERNALDATE, Unix seconds.
    pub received: Option<i64>,
    /// Its octets.
    pub octets: Zeroizing<Vec<u8>>,
}

/// SELECT or EXAMINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectMode {
    /// Flags can be changed.
    ReadWrite,
    /// EXAMINE.
    ReadOnly,
}

/// What a client knows of a folder (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ.
    pub mod_seq: u64,
    /// The UIDs it knows; none is all below UIDNEXT.
    pub known: Option<Numbers>,
    /// Sequence numbers, and the UIDs they had.
    pub matched: Option<(Numbers, Numbers)>,
}

/// A set of sequence numbers or UIDs (RFC 9051 §9, sequence-set).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// `$`: the saved result (RFC 5182).
    Saved,
    /// Numbers and ranges as they came, not sorted.
    Set(Vec<SetElement>),
}

/// One element of a set. `None` is `*`, the largest number in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetElement {
    /// One end.
    pub from: Option<u32>,
    /// The other; it may be the lower one.
    pub to: Option<u32>,
}

/// Which folders LIST shows (RFC 5258 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSelection {
    /// Only subscribed ones.
    pub subscribed: bool,
    /// Only those with a special use (RFC 6154).
    pub special_use: bool,
    /// Also folders with matching ones below them.
    pub recursive_match: bool,
}

/// What LIST says of folders (RFC 5258 §3.2, 5819).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// `\Subscribed`
    pub subscribed: bool,
    /// `\HasChildren`, `\HasNoChildren`
    pub children: bool,
    /// Special uses, which are always said.
    pub special_use: bool,
    /// A STATUS response beside each.
    pub status: Vec<StatusItem>,
    /// The command was an extended LIST.
    pub extended: bool,
}

/// What STATUS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT, which is 0 (RFC 9051 has none).
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED
    Deleted,
    /// SIZE (RFC 8438)
    Size,
    /// HIGHESTMODSEQ
    HighestModSeq,
    /// MAILBOXID (RFC 8474)
    MailboxId,
    /// APPENDLIMIT (RFC 7889)
    AppendLimit,
    /// DELETED-STORAGE (RFC 9208)
    DeletedStorage,
}

/// What ESEARCH returns (RFC 4731, 5182, 9394).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
    /// SAVE
    pub save: bool,
    /// PARTIAL, as given; both ends count from 1, or both are negative.
    pub partial: Option<(i64, i64)>,
}

/// A search key (RFC 9051 §6.4.4). Texts are UTF-8 whatever charset they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// All of these.
    And(Vec<Key>),
    /// One of these.
    Or(Box<Key>, Box<Key>),
    /// Not this.
    Not(Box<Key>),
    /// ALL
    All,
    /// These sequence numbers.
    Numbers(Numbers),
    /// These UIDs.
    Uids(Numbers),
    /// A system flag is set.
    Flag(crate::mailbox::Flags),
    /// A keyword is set.
    Keyword(String),
    /// NEW, OLD and RECENT: no message is recent. The flag says what the answer is.
    Recent(bool),
    /// Received before this day (days since 1970-01-01 in UTC).
    Before(i64),
    /// Received on this day.
    On(i64),
    /// Received on this day or later.
    Since(i64),
    /// Saved before this day (RFC 8514).
    SavedBefore(i64),
    /// Saved on this day.
    SavedOn(i64),
    /// Saved on this day or later.
    SavedSince(i64),
    /// SAVEDATESUPPORTED: always.
    SaveDateSupported,
    /// Date before this day, its time zone ignored.
    SentBefore(i64),
    /// Date on this day.
    SentOn(i64),
    /// Date on this day or later.
    SentSince(i64),
    /// Received this many seconds ago or less (RFC 5032).
    Younger(u32),
    /// Received this many seconds ago or more.
    Older(u32),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// A header field contains a text; empty texts ask whether the field is there. BCC, CC, FROM, TO and
    /// SUBJECT are this.
    Header(String, String),
    /// A body contains a text.
    Body(String),
    /// Header or body contains a text.
    Text(String),
    /// Changed since (RFC 7162 §3.1.5).
    ModSeq(u64),
    /// EMAILID (RFC 8474)
    EmailId(String),
    /// THREADID (RFC 8474)
    ThreadId(String),
}

/// What FETCH fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODYSTRUCTURE
    BodyStructure,
    /// BODY without a section
    Body,
    /// MODSEQ
    ModSeq,
    /// EMAILID
    EmailId,
    /// THREADID
    ThreadId,
    /// SAVEDATE
    SaveDate,
    /// PREVIEW; LAZY changes nothing here.
    Preview,
    /// RFC822
    Rfc822,
    /// RFC822.HEADER
    Rfc822Header,
    /// RFC822.TEXT
    Rfc822Text,
    /// BODY\[…\], BODY.PEEK\[…\]
    Section {
        /// Which.
        section: FetchSection,
        /// First octet and how many at most.
        partial: Option<(u64, u64)>,
        /// `\Seen` stays as it is.
        peek: bool,
    },
    /// BINARY\[…\], BINARY.PEEK\[…\] (RFC 3516)
    Binary {
        /// The part's numbers; none is the whole message.
        part: Vec<u32>,
        /// First octet and how many at most.
        partial: Option<(u64, u64)>,
        /// `\Seen` stays as it is.
        peek: bool,
    },
    /// BINARY.SIZE\[…\]
    BinarySize {
        /// The part's numbers.
        part: Vec<u32>,
    },
}

/// Which octets of a message (RFC 9051 §6.4.5.1). `part` is empty for the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchSection {
    /// All of the message, or of a part's body.
    All(Vec<u32>),
    /// HEADER
    Header(Vec<u32>),
    /// HEADER.FIELDS, HEADER.FIELDS.NOT
    Fields {
        /// Of which message/rfc822 part.
        part: Vec<u32>,
        /// As given, for the response repeats them.
        names: Vec<String>,
        /// All but these.
        not: bool,
    },
    /// TEXT
    Text(Vec<u32>),
    /// MIME
    Mime(Vec<u32>),
}

/// Modifiers of FETCH (RFC 7162, RFC 9394).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchModifiers {
    /// CHANGEDSINCE
    pub changed_since: Option<u64>,
    /// VANISHED
    pub vanished: bool,
    /// PARTIAL (RFC 9394 §3.2), as given; both ends count from 1, or both are negative.
    pub partial: Option<(i64, i64)>,
}

/// One criterion of SORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// By what.
    pub key: SortKey,
    /// REVERSE
    pub reverse: bool,
}

/// By what SORT sorts (RFC 5256 §3, RFC 5957).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// ARRIVAL
    Arrival,
    /// CC
    Cc,
    /// DATE
    Date,
    /// FROM
    From,
    /// SIZE
    Size,
    /// SUBJECT
    Subject,
    /// TO
    To,
    /// DISPLAYFROM
    DisplayFrom,
    /// DISPLAYTO
    DisplayTo,
}

/// How THREAD threads (RFC 5256 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// ORDEREDSUBJECT
    OrderedSubject,
    /// REFERENCES
    References,
}

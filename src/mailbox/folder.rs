//! Folders: the six that every mailbox has (RFC 6154 §2) and the user's own, named by paths.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// A folder of one user. The numbers of the six that every mailbox has are fixed; a folder of the user's
/// own has a number that is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub u32);

impl FolderId {
    /// `INBOX`.
    pub const INBOX: Self = Self(0);
    /// `Sent`.
    pub const SENT: Self = Self(1);
    /// `Drafts`.
    pub const DRAFTS: Self = Self(2);
    /// `Junk`.
    pub const JUNK: Self = Self(3);
    /// `Trash`.
    pub const TRASH: Self = Self(4);
    /// `Archive`.
    pub const ARCHIVE: Self = Self(5);
    /// The first number of a folder of the user's own.
    pub const FIRST_OWN: u32 = 256;
    /// The folders that every mailbox has, with their names and their use, INBOX first.
    pub const GIVEN: [(Self, &'static str, Option<SpecialUse>); 6] = [
        (Self::INBOX, "INBOX", None),
        (Self::SENT, "Sent", Some(SpecialUse::Sent)),
        (Self::DRAFTS, "Drafts", Some(SpecialUse::Drafts)),
        (Self::JUNK, "Junk", Some(SpecialUse::Junk)),
        (Self::TRASH, "Trash", Some(SpecialUse::Trash)),
        (Self::ARCHIVE, "Archive", Some(SpecialUse::Archive)),
    ];

    /// Whether every mailbox has it.
    pub fn is_given(self) -> bool {
        self.0 < Self::FIRST_OWN
    }
}

/// What a folder is for (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialUse {
    /// `\Sent`
    Sent,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Trash`
    Trash,
    /// `\Archive`
    Archive,
}

impl SpecialUse {
    /// The attribute in LIST.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Sent => "\\Sent",
            Self::Drafts => "\\Drafts",
            Self::Junk => "\\Junk",
            Self::Trash => "\\Trash",
            Self::Archive => "\\Archive",
        }
    }
}

/// A folder in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Which one.
    pub id: FolderId,
    /// Its path, the names of the folders above it before its own, [`SEPARATOR`] between them.
    pub path: String,
    /// What it is for.
    pub special: Option<SpecialUse>,
    /// Whether clients are to show it.
    pub subscribed: bool,
}

/// Why a path names no folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FolderNameError {
    /// Empty, or with an empty name in it.
    #[error("a folder needs a name")]
    Empty,
    /// Longer than [`MAX_PATH`] octets, or deeper than `MAX_DEPTH`.
    #[error("the folder's name is too long")]
    TooLong,
    /// One of its names is `.` or `..`, which programs that keep folders as directories cannot have.
    #[error("no folder has the name . or ..")]
    Dots,
    /// It holds control characters, or characters that hide what it is.
    #[error("the folder's name has characters that names cannot have")]
    Characters,
}

/// The path as folders have it: `INBOX` in capitals whatever its case (RFC 9051 §5.1), no separator at the
/// end, composed (NFC), so that one name is one folder however a client spells it (RFC 5198 §3); nothing that
/// terminals or file systems could misread. `%` and `*` are characters like others (RFC 9051 §5.1 asks to
/// avoid them): clients meet them in mail that they bring along, and some give up where they are refused.
pub fn folder_name(path: &str) -> Result<String, FolderNameError> {
    let path = spelt(path);
    let names = path.split(SEPARATOR);
    if path.len() > MAX_PATH || names.clone().count() > MAX_DEPTH {
        return Err(FolderNameError::TooLong);
    }
    if names.clone().any(|name| name.trim().is_empty()) {
        return Err(FolderNameError::Empty);
    }
    if names.clone().any(|name| matches!(name.trim(), "." | "..")) {
        return Err(FolderNameError::Dots);
    }
    if path.chars().any(|c| c.is_control() || misleads(c)) {
        return Err(FolderNameError::Characters);
    }
    Ok(path)
}

/// The path of a folder that may be there, in the spelling that folders have: it may be one that none could be
/// made with today.
pub fn spelt(path: &str) -> String {
    let path = composed(path);
    let path = path.strip_suffix(SEPARATOR).unwrap_or(&path);
    let first = path.split(SEPARATOR).next().unwrap_or_default();
    match first.eq_ignore_ascii_case("INBOX") {
        true => format!("INBOX{}", &path[first.len()..]),
        false => path.to_owned(),
    }
}

/// A name with its letters composed (Unicode NFC): é is one character, however it was typed.
pub fn composed(name: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(name)
}

/// Characters that change how the rest of a line is shown (Unicode TR 9) or show nothing.
fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Between the names of a path.
pub const SEPARATOR: char = '/';
/// Octets of a path.
pub const MAX_PATH: usize = 512;
/// Names in a path.
pub const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(folder_name("inbox/Work").as_deref(), Ok("INBOX/Work"));
        assert_eq!(folder_name("Arbeit/Müller/").as_deref(), Ok("Arbeit/Müller"));
        assert_eq!(folder_name("inboxes").as_deref(), Ok("inboxes"));
        assert_eq!(folder_name("a//b"), Err(FolderNameError::Empty));
        assert_eq!(folder_name(""), Err(FolderNameError::Empty));
        assert_eq!(folder_name("INBOX/").as_deref(), Ok("INBOX"));
        assert_eq!(folder_name("a/inbox").as_deref(), Ok("a/inbox"));
        assert_eq!(folder_name("100 %/*").as_deref(), Ok("100 %/*"));
        for dots in [".", "..", "a/..", "./a", "a/./b", "INBOX/..", ".. /a"] {
            assert_eq!(folder_name(dots), Err(FolderNameError::Dots), "{dots}");
        }
        for name in ["...", ".a", "a..", "..a/b."] {
            assert_eq!(folder_name(name).as_deref(), Ok(name));
        }
        assert_eq!(folder_name("a\u{202e}b"), Err(FolderNameError::Characters));
        assert_eq!(folder_name("a\nb"), Err(FolderNameError::Characters));
        assert_eq!(folder_name("a\u{7f}b"), Err(FolderNameError::Characters));
        assert_eq!(folder_name("Entwu\u{308}rfe").as_deref(), Ok("Entwürfe"));
        assert_eq!(folder_name("\u{212b}").as_deref(), Ok("Å"));
        assert_eq!(folder_name("\u{1112}\u{1161}\u{11ab}").as_deref(), Ok("한"));
        assert_eq!(folder_name(&"a/".repeat(17)), Err(FolderNameError::TooLong));
    }
}

//! Checkpoints: signed statements of a log's size and root (<https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/signed-note>). One Ed25519 key signs for all tenants of a server; the origin line
//! `veilpost/<tenant>/audit` tells the logs apart.

use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{
    Note, Signer, StandardVerifier, VerificationError, Verifier, Verifiers, new_ed25519_verifier_key,
};
use tlog_tiles::Hash;

use crate::names::TenantId;

/// A tree head with a valid signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    tenant: TenantId,
    size: u64,
    root: Hash,
    note: String,
}

impl Checkpoint {
    /// Reads a signed note and checks its signature, origin and form. Signatures by other keys
    /// (witnesses) are passed over, and so is what editors and mail do to line ends: see [`split_notes`].
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        if note.len() > MAX_NOTE_OCTETS {
            return Err(CheckpointError::Form);
        }
        let [note] = &split_notes(note)[..] else { return Err(CheckpointError::Form) };
        let signed = Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Form)?;
        signed.verify(key).map_err(|_| CheckpointError::Signature)?;
        let head = tlog_tiles::Checkpoint::from_bytes(signed.text()).map_err(|_| CheckpointError::Form)?;
        let tenant = parse_origin(head.origin()).ok_or(CheckpointError::Origin)?;
        if !head.extension().is_empty() || head.size() > super::tree::MAX_SIZE {
            return Err(CheckpointError::Form);
        }
        Ok(Self { tenant, size: head.size(), root: *head.hash(), note: note.to_owned() })
    }

    /// Whose log.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// How many entries it vouches for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of that size.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The signed note, to be kept elsewhere.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// The server's audit key. Wiped on drop, not printable, not copyable.
pub struct CheckpointKey {
    name: String,
    key: SigningKey,
}

impl CheckpointKey {
    /// The key of this Ed25519 seed (RFC 8032 §5.1.5). The name is printed in every signature: not empty,
    /// without white space and `+`.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        if !signed_note::is_key_name_valid(name) || name.len() > MAX_KEY_NAME {
            return Err(CheckpointError::KeyName);
        }
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    /// The public half, to be kept where the checkpoints are.
    pub fn verifying_key(&self) -> VerifyingKey {
        let text = new_ed25519_verifier_key(&self.name, &self.key.verifying_key());
        VerifyingKey::parse(&text).expect("a key that was just printed parses")
    }

    /// Signs a tree head.
    pub(super) fn sign(
        &self,
        tenant: TenantId,
        size: u64,
        root: Hash,
    ) -> Result<Checkpoint, CheckpointError> {
        let head = tlog_tiles::Checkpoint::new(&origin(tenant), size, root, "")
            .map_err(|_| CheckpointError::Form)?;
        let note = String::from_utf8(self.sign_text(&head.to_bytes())?).map_err(|_| CheckpointError::Form)?;
        Ok(Checkpoint { tenant, size, root, note })
    }

    fn sign_text(&self, text: &[u8]) -> Result<Vec<u8>, CheckpointError> {
        let mut note = Note::new(text, &[]).map_err(|_| CheckpointError::Form)?;
        let verifier = self.verifying_key();
        let signer = NoteSigner { key: &self.key, verifier: &verifier.verifier };
        note.add_sigs(&[&signer]).map_err(|_| CheckpointError::Form)?;
        Ok(note.to_bytes())
    }
}

/// The key as `signed_note` wants it; its own signer is built from a string that nobody would wipe.
struct NoteSigner<'a> {
    key: &'a SigningKey,
    verifier: &'a StandardVerifier,
}

impl Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        self.verifier.name()
    }
    fn key_id(&self) -> u32 {
        self.verifier.key_id()
    }
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.try_sign(text)?.to_vec())
    }
}

/// The public half of an audit key, in the `name+id+key` form of signed notes.
#[derive(Clone)]
pub struct VerifyingKey {
    text: String,
    verifier: StandardVerifier,
}

impl VerifyingKey {
    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == BYTE_ORDER_MARK);
        let verifier = StandardVerifier::new(text).map_err(|_| CheckpointError::VerifyingKey)?;
        Ok(Self { text: text.to_owned(), verifier })
    }
}

impl std::fmt::Display for VerifyingKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

impl Verifiers for VerifyingKey {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        if name == self.verifier.name() && id == self.verifier.key_id() {
            return Ok(&self.verifier);
        }
        Err(VerificationError::UnknownKey { name: name.to_owned(), id })
    }
}

/// Cuts a file of checkpoints into notes. What is no note, say after a torn write, comes out as a piece
/// that [`Checkpoint::open`] refuses, so that it is reported and not passed over.
///
/// What went through an editor, a mail or a shell of another system has other line ends, blanks at them, a
/// byte-order mark, or no end of its last line: none of that is in a checkpoint, so none of it matters.
pub fn split_notes(text: &str) -> Vec<String> {
    let (mut notes, mut open) = (Vec::new(), Piece::default());
    for line in tidy_lines(text) {
        if open.is_over(line) {
            notes.extend(std::mem::take(&mut open).into_note());
        }
        open.push(line);
    }
    notes.extend(open.into_note());
    notes
}

/// The lines of a text, wherever it has been: without blanks and marks at their ends.
pub(super) fn tidy_lines(text: &str) -> impl Iterator<Item = &str> {
    let is_dirt = |letter| matches!(letter, ' ' | '\t' | '\r' | '\u{a0}' | BYTE_ORDER_MARK);
    text.split('\n').map(move |line| line.trim_matches(is_dirt))
}

/// Lines that may become a note.
#[derive(Default)]
struct Piece<'a> {
    body: Vec<&'a str>,
    signatures: Vec<&'a str>,
    /// Whether a blank line stands after the body.
    ended: bool,
}

impl<'a> Piece<'a> {
    /// Whether `line` belongs to the next note.
    fn is_over(&self, line: &str) -> bool {
        let signature = line.starts_with(SIGNATURE_MARK);
        !line.is_empty() && !signature && (self.ended || !self.signatures.is_empty())
    }

    fn push(&mut self, line: &'a str) {
        match line {
            "" => self.ended = !self.body.is_empty(),
            line if line.starts_with(SIGNATURE_MARK) => self.signatures.push(line),
            line => self.body.push(line),
        }
    }

    fn into_note(self) -> Option<String> {
        let (body, signatures) = (self.body.join("\n"), self.signatures.join("\n"));
        match (body.is_empty(), signatures.is_empty()) {
            (true, true) => None,
            (false, false) => Some(format!("{body}\n\n{signatures}\n")),
            _ => Some(body + &signatures),
        }
    }
}

/// The first line of a tenant's checkpoints.
pub(super) fn origin(tenant: TenantId) -> String {
    format!("{ORIGIN_START}{tenant}{ORIGIN_END}")
}

fn parse_origin(line: &str) -> Option<TenantId> {
    line.strip_prefix(ORIGIN_START)?.strip_suffix(ORIGIN_END)?.parse().ok()
}

/// Why something is no checkpoint or no key of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is no checkpoint in a signed note.
    #[error("not a checkpoint")]
    Form,
    /// The signature is by another key, or wrong.
    #[error("the checkpoint is not signed by this key")]
    Signature,
    /// The checkpoint is of another kind of log.
    #[error("the checkpoint is not one of a Veilpost audit log")]
    Origin,
    /// The caller's key name cannot be printed in a note.
    #[error("a key name is not empty, and has no white space and no +")]
    KeyName,
    /// The text is no verifying key.
    #[error("not a verifying key in the form name+id+key")]
    VerifyingKey,
}

const ORIGIN_START: &str = "veilpost/";
const ORIGIN_END: &str = "/audit";
/// How a signature line begins: em dash, space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// What some editors put at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Longest note that is read: a head with a hundred witnesses.
const MAX_NOTE_OCTETS: usize = 32 * 1024;
/// Longest key name; names are short or host names (RFC 1035 §2.3.4).
const MAX_KEY_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, Engine};
    use static_assertions::assert_not_impl_any;
    use tlog_tiles::record_hash;

    assert_not_impl_any!(CheckpointKey: Clone, std::fmt::Debug, std::fmt::Display, PartialEq, serde::Serialize);

    fn key() -> CheckpointKey {
        CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap()
    }

    /// The example of Go's `golang.org/x/mod/sumdb/note`: same key, same text, same signature.
    #[test]
    fn notes_are_those_of_go() {
        let seed = BASE64_STANDARD.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
        let key = CheckpointKey::from_seed("PeterNeumann", &seed[1..].try_into().unwrap()).unwrap();
        assert_eq!(
            key.verifying_key().to_string(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = String::from_utf8(key.sign_text(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            note,
            format!(
                "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
            )
        );
    }

    #[test]
    fn a_checkpoint_is_signed_and_read() {
        let tenant = TenantId::from_bytes([0; 16]);
        let signed = key().sign(tenant, 3, record_hash(b"root")).unwrap();
        assert!(signed.note().starts_with("veilpost/aaaaaaaaaaaaaaaaaaaaaaaaaa/audit\n3\n"));
        assert_eq!(Checkpoint::open(signed.note(), &key().verifying_key()), Ok(signed));
    }

    #[test]
    fn no_octet_of_a_checkpoint_can_be_changed() {
        let signed = key().sign(TenantId::from_bytes([5; 16]), 1_000, record_hash(b"root")).unwrap();
        let good = signed.note().as_bytes();
        for place in 0..good.len() {
            let mut bad = good.to_vec();
            bad[place] ^= 1;
            if let Ok(text) = std::str::from_utf8(&bad) {
                assert!(Checkpoint::open(text, &key().verifying_key()).is_err(), "{place}: {text}");
            }
            let cut = String::from_utf8_lossy(&good[..place]).into_owned();
            let only_the_last_line_end = place + 1 == good.len();
            let opened = Checkpoint::open(&cut, &key().verifying_key());
            assert_eq!(opened.is_ok(), only_the_last_line_end, "cut at {place}");
        }
    }

    #[test]
    fn other_keys_and_other_logs_are_refused() {
        let signed = key().sign(TenantId::from_bytes([5; 16]), 1, record_hash(b"")).unwrap();
        let other = CheckpointKey::from_seed("veilpost", &[8; 32]).unwrap();
        let opened = Checkpoint::open(signed.note(), &other.verifying_key());
        assert_eq!(opened, Err(CheckpointError::Signature));

        let root = record_hash(b"");
        for (text, error) in [
            (format!("example.com/log\n1\n{root}\n"), CheckpointError::Origin),
            (format!("veilpost/short/audit\n1\n{root}\n"), CheckpointError::Origin),
            (format!("{}\n01\n{root}\n", origin(TenantId::from_bytes([0; 16]))), CheckpointError::Form),
            (format!("{}\n1\n{root}\nmore\n", origin(TenantId::from_bytes([0; 16]))), CheckpointError::Form),
            (
                format!("{}\n{}\n{root}\n", origin(TenantId::from_bytes([0; 16])), u64::MAX),
                CheckpointError::Form,
            ),
            ("one line\n".to_owned(), CheckpointError::Form),
        ] {
            let note = String::from_utf8(key().sign_text(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(Checkpoint::open(&note, &key().verifying_key()), Err(error), "{text}");
        }
        assert_eq!(Checkpoint::open(&"x".repeat(40_000), &key().verifying_key()), Err(CheckpointError::Form));
    }

    #[test]
    fn a_witness_may_sign_too() {
        let tenant = TenantId::from_bytes([5; 16]);
        let ours = key().sign(tenant, 1, record_hash(b"")).unwrap();
        let witness = CheckpointKey::from_seed("witness.example", &[9; 32]).unwrap();
        let theirs = witness.sign(tenant, 1, record_hash(b"")).unwrap();
        let line = theirs.note().lines().last().unwrap();
        let both = format!("{}{line}\n", ours.note());
        assert_eq!(Checkpoint::open(&both, &key().verifying_key()).unwrap().size(), 1);
        assert_eq!(Checkpoint::open(&both, &witness.verifying_key()).unwrap().size(), 1);
    }

    #[test]
    fn key_names_are_checked() {
        for bad in ["", "a b", "a+b", &"x".repeat(256)] {
            assert!(
                matches!(CheckpointKey::from_seed(bad, &[0; 32]), Err(CheckpointError::KeyName)),
                "{bad}"
            );
        }
        for bad in ["", "veilpost", "veilpost+00000000+AAAA", "veilpost+zz+!"] {
            assert!(VerifyingKey::parse(bad).is_err(), "{bad}");
        }
    }

    /// What happens to a text, and how.
    type Dirt = (&'static str, fn(&str) -> String);

    /// What happens to a text on its way.
    const DIRT: [Dirt; 7] = [
        ("CRLF", |text| text.replace('\n', "\r\n")),
        ("CR CR LF", |text| text.replace('\n', "\r\r\n")),
        ("a byte-order mark", |text| format!("\u{feff}{text}")),
        ("a mark at each file", |text| text.replace("veilpost/", "\u{feff}veilpost/")),
        ("blanks", |text| text.replace('\n', " \t\u{a0}\n")),
        ("no last line end", |text| text.trim_end().to_owned()),
        ("lines around", |text| format!("\r\n \n{text}\n\r\n\n")),
    ];

    #[test]
    fn files_of_notes_are_cut_at_the_signatures() {
        let one = key().sign(TenantId::from_bytes([1; 16]), 1, record_hash(b"1")).unwrap();
        let two = key().sign(TenantId::from_bytes([2; 16]), 2, record_hash(b"2")).unwrap();
        let whole = [one.note().to_owned(), two.note().to_owned()];
        assert_eq!(split_notes(&whole.join("\n\n")), whole);
        assert_eq!(split_notes(&format!("\n\n{}\n\n", whole.join("\n"))), whole);
        assert_eq!(split_notes("").len(), 0);

        for (name, dirt) in DIRT {
            let dirty = dirt(&whole.join("\n"));
            assert_eq!(split_notes(&dirty), whole, "{name}");
            let opened = Checkpoint::open(&dirt(one.note()), &key().verifying_key());
            assert_eq!(opened.as_ref(), Ok(&one), "{name}");
        }
        assert_eq!(split_notes(&whole.concat()), whole, "one after the other");
        assert_eq!(split_notes(" \r\n\u{feff}\n").len(), 0);

        let torn = &one.note()[..40];
        let pieces = split_notes(&format!("{torn}\n\n{}", two.note()));
        assert_eq!(pieces, [torn.trim_end().to_owned(), two.note().to_owned()]);
    }
}

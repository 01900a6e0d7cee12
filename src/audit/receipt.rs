//! Receipts: proof, for a person to keep, that an act is in the audit log.
//!
//! The text is the entry's line, an empty line, and a proof in the form of
//! <https://c2sp.org/tlog-proof> (index, inclusion path, checkpoint) that other tools can check
//! against the line's RFC 6962 leaf hash.

use std::fmt;

use tlog_tiles::{Hash, check_record, record_hash};

use super::checkpoint::{Checkpoint, CheckpointError, VerifyingKey, tidy_lines};
use super::entry::{Entry, EntryError};
use crate::names::TenantId;

/// A receipt as it is handed out; prints as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(String);

impl Receipt {
    pub(super) fn new(line: &[u8], index: u64, path: &[Hash], checkpoint: &Checkpoint) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let hashes: String = path.iter().map(|hash| format!("{hash}\n")).collect();
        Some(Self(format!("{line}\n\n{HEADER}\nindex {index}\n{hashes}\n{}", checkpoint.note())))
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// In whose log.
    pub tenant: TenantId,
    /// The act.
    pub entry: Entry,
    /// The signed tree that holds it.
    pub checkpoint: Checkpoint,
}

/// Checks a receipt with nothing but the server's verifying key. What editors and mail do to line ends
/// does not matter.
pub fn verify_receipt(text: &str, key: &VerifyingKey) -> Result<Proven, ReceiptError> {
    if text.len() > MAX_RECEIPT_OCTETS {
        return Err(ReceiptError::Form);
    }
    let text = tidy_lines(text).collect::<Vec<_>>().join("\n");
    let (line, proof) = text.trim_matches('\n').split_once("\n\n").ok_or(ReceiptError::Form)?;
    let (head, note) = proof.split_once("\n\n").ok_or(ReceiptError::Form)?;
    let (index, path) = parse_head(head).ok_or(ReceiptError::Form)?;
    let checkpoint = Checkpoint::open(note, key)?;
    check_record(&path, checkpoint.size(), checkpoint.root(), index, record_hash(line.as_bytes()))
        .map_err(|_| ReceiptError::Proof)?;
    let entry = Entry::decode(line.as_bytes())?;
    if entry.sequence != index {
        return Err(ReceiptError::Proof);
    }
    Ok(Proven { tenant: checkpoint.tenant(), entry, checkpoint })
}

/// The proof's lines before its checkpoint: header, optional extra data (not ours, passed over), index, hashes.
fn parse_head(head: &str) -> Option<(u64, Vec<Hash>)> {
    let mut lines = head.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let mut line = lines.next()?;
    if line.starts_with("extra ") {
        line = lines.next()?;
    }
    let digits = line.strip_prefix("index ")?;
    let index: u64 = digits.parse().ok()?;
    let path: Vec<Hash> = lines.map(Hash::parse_hash).collect::<Result<_, _>>().ok()?;
    (index.to_string() == digits && path.len() <= MAX_PATH).then_some((index, path))
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text is no receipt.
    #[error("not a receipt")]
    Form,
    /// Its checkpoint is not signed by the server's key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not the one in the signed tree.
    #[error("the entry is not in the log that the checkpoint signs")]
    Proof,
    /// The entry is in the log, but this program cannot read it.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Hashes on a path: a tree of 2^64 leaves has no longer one.
const MAX_PATH: usize = 64;
/// Longest text: an entry, a path and a checkpoint with witnesses.
const MAX_RECEIPT_OCTETS: usize = 80 * 1024;

#[cfg(test)]
mod tests {
    use super::super::act::Act;
    use super::super::checkpoint::CheckpointKey;
    use super::super::entry::{Actor, Draft, Origin, Reason};
    use super::super::log::Log;
    use super::super::memory::MemoryStore;
    use super::super::notary::Notary;
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use proptest::prelude::*;

    async fn receipt() -> (String, VerifyingKey) {
        let log = Log::new(MemoryStore::default(), Clock::manual(Timestamp::from_unix(1_795_000_000)));
        let notary =
            Notary::new(log.clone(), CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap(), vec![]);
        let tenant = TenantId::from_bytes([0; 16]);
        let draft = Draft::new(Actor::Server, Origin::Internal, Act::PolicyLoaded)
            .because(Reason::parse("tax audit").unwrap());
        let recorded = log.record_batch(tenant, vec![draft; 6]).await.unwrap();
        (notary.receipt(&recorded[2]).await.unwrap().to_string(), notary.verifying_key())
    }

    #[tokio::test]
    async fn a_receipt_is_an_entry_and_a_tlog_proof() {
        let (text, key) = receipt().await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(r#"{"v":1,"seq":2,"time":"2026-11-18T11:06:40Z""#));
        assert_eq!(lines[1..4], ["", "c2sp.org/tlog-proof@v1", "index 2"]);
        assert_eq!(lines[4..7].iter().map(|hash| hash.len()).collect::<Vec<_>>(), [44; 3]);
        assert_eq!(lines[7..10], ["", "veilpost/aaaaaaaaaaaaaaaaaaaaaaaaaa/audit", "7"]);
        assert_eq!(verify_receipt(&text, &key).unwrap().entry.sequence, 2);
    }

    #[tokio::test]
    async fn line_ends_and_extra_data_do_not_matter() {
        let (text, key) = receipt().await;
        assert!(verify_receipt(&text.replace('\n', "\r\n"), &key).is_ok());
        assert!(verify_receipt(&format!("\u{feff}\r\n{}", text.replace('\n', " \t\r\n")), &key).is_ok());
        assert!(verify_receipt(text.trim_end(), &key).is_ok());
        assert!(verify_receipt(&text.replace("index 2", "extra AAAA\nindex 2"), &key).is_ok());
    }

    #[tokio::test]
    async fn a_changed_receipt_proves_nothing() {
        let (text, key) = receipt().await;
        let swap = |old: &str, new: &str| verify_receipt(&text.replacen(old, new, 1), &key).unwrap_err();
        assert_eq!(swap("tax audit", "tax fraud"), ReceiptError::Proof);
        assert_eq!(swap("index 2", "index 3"), ReceiptError::Proof);
        assert_eq!(swap("index 2", "index 18446744073709551615"), ReceiptError::Proof);
        assert_eq!(swap("index 2", "index 02"), ReceiptError::Form);
        assert_eq!(swap("/audit\n7", "/audit\n6"), ReceiptError::Checkpoint(CheckpointError::Signature));
        assert_eq!(swap(HEADER, "c2sp.org/tlog-proof@v2"), ReceiptError::Form);
        assert_eq!(verify_receipt("", &key), Err(ReceiptError::Form));
        assert_eq!(verify_receipt(&"x".repeat(100_000), &key), Err(ReceiptError::Form));
        let other = CheckpointKey::from_seed("veilpost", &[8; 32]).unwrap().verifying_key();
        assert_eq!(verify_receipt(&text, &other), Err(ReceiptError::Checkpoint(CheckpointError::Signature)));
    }

    proptest! {
        #[test]
        fn no_octet_of_a_receipt_can_be_changed(place: prop::sample::Index, bit in 0u8..7) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let (text, key) = runtime.block_on(receipt());
            let mut bytes = text.clone().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(verify_receipt(&changed, &key).is_err(), "{}", changed);
            }
        }

        #[test]
        fn no_text_makes_the_verifier_panic(text: String, head in "(index|extra|[A-Za-z0-9+/=\n ])*") {
            let key = CheckpointKey::from_seed("veilpost", &[7; 32]).unwrap().verifying_key();
            prop_assert!(verify_receipt(&text, &key).is_err());
            let framed = format!("x\n\n{HEADER}\n{head}\n\n{text}");
            prop_assert!(verify_receipt(&framed, &key).is_err());
        }
    }
}

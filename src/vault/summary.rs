//! What a list shows of a message: sender, subject, whether something is attached. It is read from
//! the message once for each reader, and kept in the ledger under a key that only the reader's
//! identity yields, so that a page of a list opens no containers.

use minicbor::{Decode, Encode};

use super::Vault;
use super::seeds::ReaderKeys;
use crate::message::{dissect, header};
use crate::store::ledger::Batch;
use crate::tenant::rows::{MessageRow, SummaryRow};

/// What a list shows of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Summary {
    /// From, decoded.
    #[n(0)]
    pub from: String,
    /// Subject, decoded.
    #[n(1)]
    pub subject: String,
    /// Whether the message says that it is made of several parts of its own right
    /// (multipart/mixed, RFC 2046 §5.1.3).
    #[n(2)]
    pub attachments: bool,
}

impl Summary {
    /// What the beginning of a message says, as far as it can be read, odd as it may be.
    pub fn of(head: &[u8]) -> Self {
        let anatomy = dissect(head);
        let text = |name: &str| {
            let value = anatomy.named(head, 0, name).next().map(|field| &head[field.value.clone()]);
            let lossy = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
            let text = value.map(|value| header::text(value).unwrap_or_else(|_| lossy(value)));
            text.map(|text| text.chars().take(LONGEST).collect::<String>()).unwrap_or_default()
        };
        let kind = text("Content-Type").to_ascii_lowercase();
        Self {
            from: text("From"),
            subject: text("Subject"),
            attachments: kind.starts_with("multipart/mixed"),
        }
    }
}

impl ReaderKeys {
    /// The kept summary of a message in a rendering; none when there is none, or of another sealing.
    pub fn kept_summary(
        &self,
        vault: &Vault,
        uid: u32,
        row: &MessageRow,
        generation: u32,
    ) -> Option<Summary> {
        let kept: Option<SummaryRow> =
            vault.records.system().get(&[&self.reader().to_bytes(), &place(uid, row)]).ok()?;
        let opened = self.cache_key().open(&named(uid, row, generation), &kept?.summary).ok()?;
        minicbor::decode(&opened).ok()
    }

    /// Adds to `batch`: the summary of a message in a rendering.
    pub fn keep_summary(
        &self,
        vault: &Vault,
        batch: &mut Batch,
        (uid, row, generation): (u32, &MessageRow, u32),
        summary: &Summary,
    ) {
        // Writing CBOR to a Vec has no way to fail.
        let Ok(encoded) = minicbor::to_vec(summary).map(zeroize::Zeroizing::new) else { return };
        let sealed = self.cache_key().seal(&named(uid, row, generation), &encoded);
        let kept = SummaryRow { summary: sealed };
        vault.records.system().put(batch, &[&self.reader().to_bytes(), &place(uid, row)], &kept);
    }
}

/// The end of the key that the summary of a message is under: its identifier. Copies of it, which are sealed
/// alike and resealed apart, have keys of their own.
pub fn place(number: u32, row: &MessageRow) -> [u8; 16] {
    let mut key = *row.message.as_bytes();
    if row.copy == Some(true) {
        key.iter_mut().zip(number.to_be_bytes()).for_each(|(octet, other)| *octet ^= other);
    }
    key
}

/// Associated data: this sealing of the message, in this rendering.
fn named(uid: u32, row: &MessageRow, generation: u32) -> Vec<u8> {
    [&uid.to_be_bytes()[..], row.container.as_bytes(), &generation.to_be_bytes()].concat()
}

/// What is read of a message for a list, in octets: headers are rarely longer.
pub const HEAD: u64 = 64 * 1024;
/// Characters of one field in a list.
const LONGEST: usize = 300;

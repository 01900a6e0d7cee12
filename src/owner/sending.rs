//! A message, or a range of it, on its way to its owner: read window by window as it is taken. Between two
//! windows nothing of it is in memory but its manifest.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::OwnerError;
use super::mail::OwnerReader;
use crate::audit::{Act, Extent, Purpose, Recorded};
use crate::seal::{OpenedOriginal, UnsealError};
use crate::tenant::rows::MessageRow;
use crate::wipe::Wiped;

/// What is still to be sent of a message.
pub struct Sending {
    opened: Arc<OpenedOriginal>,
    left: Range<u64>,
    /// Of the whole message: its SHA-256 is checked at the end.
    hash: Option<Sha256>,
}

/// A message that is sent, and what is known of it.
pub struct Sent {
    /// Its row.
    pub row: MessageRow,
    /// The audit entry that allowed it.
    pub recorded: Recorded,
    /// Its octets.
    pub sending: Sending,
}

impl OwnerReader<'_> {
    /// One whole message, to be read as it is taken. The audit log has it first.
    pub async fn send(&mut self, uid: u32) -> Result<Sent, OwnerError> {
        let row = self.row(uid)?;
        self.may_show(&row)?;
        let act = Act::MessageRevealed { message: row.message, extent: Extent::Whole };
        let recorded = self.record(act).await?;
        let sending = Sending::whole(Arc::new(self.open(uid, &row, (&recorded, Purpose::Whole)).await?));
        Ok(Sent { row, recorded, sending })
    }

    /// A range of a message whose showing is in the audit log already.
    pub async fn send_range(
        &mut self,
        uid: u32,
        recorded: &Recorded,
        range: Range<u64>,
    ) -> Result<Sending, OwnerError> {
        let row = self.row(uid)?;
        self.may_show(&row)?;
        if recorded.message() != Some(row.message) {
            return Err(OwnerError::NotFound("message"));
        }
        Ok(Sending::part(Arc::new(self.open(uid, &row, (recorded, Purpose::Whole)).await?), range))
    }
}

impl Sending {
    fn whole(opened: Arc<OpenedOriginal>) -> Self {
        let left = 0..opened.size();
        Self { opened, left, hash: Some(Sha256::new()) }
    }

    fn part(opened: Arc<OpenedOriginal>, range: Range<u64>) -> Self {
        let end = range.end.min(opened.size());
        Self { opened, left: range.start.min(end)..end, hash: None }
    }

    /// How many octets are left.
    pub fn size(&self) -> u64 {
        self.left.end - self.left.start
    }

    /// The next octets; none after the last ones. Fails at the end if all of them are not what was received.
    pub async fn next_window(&mut self) -> Result<Option<Wiped>, OwnerError> {
        if self.left.is_empty() {
            return self.check().map(|()| None);
        }
        let range = self.left.start..self.left.end.min(self.left.start + WINDOW);
        self.left.start = range.end;
        let opened = self.opened.clone();
        let reading = tokio::task::spawn_blocking(move || opened.render_range(range)?.collect());
        let window = reading.await.map_err(|_| OwnerError::Stopping)??;
        if let Some(hash) = &mut self.hash {
            hash.update(&*window);
        }
        Ok(Some(window))
    }

    fn check(&mut self) -> Result<(), OwnerError> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let equal = bool::from(hash.finalize().as_slice().ct_eq(&self.opened.manifest().digest));
        equal.then_some(()).ok_or(UnsealError::Digest.into())
    }
}

/// Octets of a window: three chunks of a stratum, so that base64 ends where windows do.
const WINDOW: u64 = 3 * 64 * 1024;

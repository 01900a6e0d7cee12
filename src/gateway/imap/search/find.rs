//! Making a search: the roll first, then as few messages as can be.

use std::sync::Arc;

use super::compile::Search;
use super::judge::Facts;
use crate::gateway::imap::room::{Account, AccountError, Depth};
use crate::mailbox::{Entry, Roll};

impl Search {
    /// The positions of the messages that are as the keys say, rising. Messages that are damaged or gone are
    /// found only if the roll decides it.
    ///
    /// # Errors
    /// The account's. Then nothing was found, and `$` is to be emptied if it was to be set (RFC 5182 §2.1).
    pub async fn find<A: Account>(
        self: &Arc<Self>,
        account: &mut A,
        roll: &Roll,
    ) -> Result<Vec<usize>, AccountError> {
        let mut found = Vec::new();
        let mut open = Vec::new();
        for (position, entry) in roll.entries.iter().enumerate() {
            match self.judge(&Facts::of_roll(entry)) {
                Some(true) => found.push(position),
                Some(false) => {}
                None => open.push((position, *entry)),
            }
        }
        if self.test.looks_at(Depth::Structure) {
            open = self.look(account, open, Depth::Structure, &mut found).await?;
        }
        // What a structure leaves open, octets decide.
        self.look(account, open, Depth::Octets, &mut found).await?;
        found.sort_unstable();
        Ok(found)
    }

    /// Looks into messages; the ones still in doubt.
    async fn look<A: Account>(
        self: &Arc<Self>,
        account: &mut A,
        open: Vec<(usize, Entry)>,
        depth: Depth,
        found: &mut Vec<usize>,
    ) -> Result<Vec<(usize, Entry)>, AccountError> {
        if open.is_empty() {
            return Ok(open);
        }
        let search = Arc::clone(self);
        let entries = open.iter().map(|(_, entry)| *entry).collect();
        let look = move |entry: &Entry, sight: crate::gateway::imap::room::Sight<'_>| {
            Facts::of_sight(entry, sight, depth).map_or(Some(false), |facts| search.judge(&facts))
        };
        let verdicts = account.scan(entries, depth, look).await?;
        let mut still = Vec::new();
        for (message, verdict) in open.into_iter().zip(verdicts) {
            match verdict {
                Some(Some(true)) => found.push(message.0),
                Some(None) => still.push(message),
                Some(Some(false)) | None => {}
            }
        }
        Ok(still)
    }
}

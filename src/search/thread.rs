//! Conversations, by what messages say of each other (RFC 5322 §3.6.4) and by nothing else: two
//! messages belong together when they name a Message-ID in common, their own included, and so do
//! all that are joined that way. Subjects are not guessed at.
//!
//! The links are followed when a conversation is asked for. So a message that joins two
//! conversations joins them whenever it arrives, and nothing has to be written anew for it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use tantivy::collector::DocSetCollector;
use tantivy::columnar::Column;
use tantivy::query::{TermQuery, TermSetQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Searcher, Term};

use super::fields::{LINK, ORDER};
use super::index::hit;
use super::{Hit, Index, SearchError};
use crate::names::MessageId;

/// A Message-ID as the index knows it: the first 64 bits of its SHA-256. Who makes two of them meet
/// joins two conversations, which a `References` field does without effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub(super) u64);

impl Link {
    /// The link of a Message-ID, with or without its angle brackets.
    pub fn of(message_id: &str) -> Self {
        let bare = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let digest = Sha256::digest(bare.as_bytes());
        Self(u64::from_be_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes")))
    }
}

impl Index {
    /// The conversation that a message belongs to, oldest first, itself included; nothing, if the
    /// message is not in the index. Of a very long one, what is joined most closely.
    pub fn thread(&self, message: MessageId) -> Result<Vec<Hit>, SearchError> {
        let searcher = self.open_index().reader.searcher();
        let term = Term::from_field_bytes(self.open_index().fields.message, message.as_bytes());
        let start = searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &DocSetCollector)?;
        let mut reached = Reached::new(&searcher)?;
        reached.add(start);
        for _ in 0..MOST_ROUNDS {
            let new = std::mem::take(&mut reached.new_links);
            if new.is_empty() || reached.messages.len() >= LONGEST_THREAD {
                break;
            }
            let terms = new.into_iter().map(|link| Term::from_field_u64(self.open_index().fields.link, link));
            reached.add(searcher.search(&TermSetQuery::new(terms), &DocSetCollector)?);
        }
        let cards = reached.messages.into_values().map(|address| self.card(&searcher, address));
        cards.map(|card| Ok(hit(card?, &[], &[]))).collect()
    }
}

/// What of a conversation was reached.
struct Reached {
    /// The links and the order of each segment's messages.
    columns: Vec<(Column<u64>, Column<u64>)>,
    messages: BTreeMap<u64, DocAddress>,
    links: BTreeSet<u64>,
    new_links: BTreeSet<u64>,
}

impl Reached {
    fn new(searcher: &Searcher) -> Result<Self, SearchError> {
        let columns = searcher.segment_readers().iter().map(|segment| {
            let fast = segment.fast_fields();
            Ok((fast.u64(LINK)?, fast.u64(ORDER)?))
        });
        let columns = columns.collect::<tantivy::Result<_>>()?;
        let (messages, links, new_links) = Default::default();
        Ok(Self { columns, messages, links, new_links })
    }

    fn add(&mut self, found: impl IntoIterator<Item = DocAddress>) {
        for address in found {
            let (links, order) = &self.columns[address.segment_ord as usize];
            let order = order.first(address.doc_id).unwrap_or_default();
            if self.messages.len() >= LONGEST_THREAD || self.messages.insert(order, address).is_some() {
                continue;
            }
            for link in links.values_for_doc(address.doc_id) {
                if self.links.len() < MOST_LINKS && self.links.insert(link) {
                    self.new_links.insert(link);
                }
            }
        }
    }
}

/// Messages of a conversation that are shown.
const LONGEST_THREAD: usize = 500;
/// Different Message-IDs that are followed: mailing lists with a number for a reference know no end.
const MOST_LINKS: usize = 5_000;
/// How far a message may be from the one asked for. Clients that name their whole ancestry need two.
const MOST_ROUNDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_same_with_brackets_and_without() {
        assert_eq!(Link::of("<a@b.example>"), Link::of(" a@b.example "));
        assert_ne!(Link::of("<a@b.example>"), Link::of("A@b.example"));
    }
}

//! What the index keeps of a message, and the way from a [`Document`] to it and back.
//!
//! Words are kept with their places, for phrases, and without lengths: hits are in the order of
//! time, so nothing is scored. What a page of hits shows is one stored record of CBOR.

use minicbor::{Decode, Encode};
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
    Value,
};
use tantivy::{TantivyDocument, Term};

use super::query::Place;
use super::{Document, SearchError};

/// The fields of the index.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) uid: Field,
    pub(super) message: Field,
    pub(super) order: Field,
    pub(super) link: Field,
    pub(super) attached: Field,
    pub(super) card: Field,
    from: Field,
    to: Field,
    subject: Field,
    body: Field,
    file: Field,
}

impl Fields {
    /// The schema, which is the same for every index of this version.
    pub(super) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(CUTTER)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let words = TextOptions::default().set_indexing_options(indexing);
        let fields = Self {
            uid: schema.add_u64_field(UID, INDEXED | FAST),
            message: schema.add_bytes_field("message", BytesOptions::default().set_indexed()),
            order: schema.add_u64_field(ORDER, FAST),
            link: schema.add_u64_field(LINK, INDEXED | FAST),
            attached: schema.add_bool_field("attached", INDEXED),
            card: schema.add_bytes_field("card", STORED),
            from: schema.add_text_field("from", words.clone()),
            to: schema.add_text_field("to", words.clone()),
            subject: schema.add_text_field("subject", words.clone()),
            body: schema.add_text_field("body", words.clone()),
            file: schema.add_text_field("file", words),
        };
        (schema.build(), fields)
    }

    /// The fields in which words of `place` stand.
    pub(super) fn of(&self, place: Place) -> Vec<Field> {
        match place {
            Place::Anywhere => vec![self.from, self.to, self.subject, self.body, self.file],
            Place::From => vec![self.from],
            Place::To => vec![self.to],
            Place::Subject => vec![self.subject],
            Place::Body => vec![self.body],
            Place::File => vec![self.file],
        }
    }

    /// What of a message goes into the index.
    pub(super) fn pack(&self, document: Document) -> TantivyDocument {
        let mut packed = TantivyDocument::new();
        packed.add_u64(self.uid, u64::from(document.uid));
        packed.add_bytes(self.message, document.message.as_bytes());
        packed.add_u64(self.order, order(document.received, document.uid));
        packed.add_bool(self.attached, !document.attachments.is_empty());
        document.links.iter().for_each(|link| packed.add_u64(self.link, link.0));
        packed.add_text(self.from, &document.from);
        packed.add_text(self.to, &document.to);
        packed.add_text(self.subject, &document.subject);
        packed.add_text(self.body, &document.body);
        document.attachments.iter().for_each(|name| packed.add_text(self.file, name));
        packed.add_bytes(self.card, &Card::of(document).encode());
        packed
    }

    /// What a page shows of a message that was found.
    pub(super) fn unpack(&self, packed: &TantivyDocument) -> Result<Card, SearchError> {
        let card = packed.get_first(self.card).and_then(|value| value.as_bytes());
        minicbor::decode(card.ok_or(SearchError::Damaged)?).map_err(|_| SearchError::Damaged)
    }

    /// The term by which a message is removed.
    pub(super) fn uid_term(&self, uid: u32) -> Term {
        Term::from_field_u64(self.uid, u64::from(uid))
    }
}

/// What a page of hits shows of a message.
#[derive(Encode, Decode)]
pub(super) struct Card {
    #[n(0)]
    pub(super) uid: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) message: [u8; 16],
    #[n(2)]
    pub(super) received: i64,
    #[n(3)]
    pub(super) octets: u64,
    #[n(4)]
    pub(super) attachments: bool,
    #[n(5)]
    pub(super) from: String,
    #[n(6)]
    pub(super) subject: String,
    /// The beginning of the body, for snippets.
    #[n(7)]
    pub(super) text: String,
}

impl Card {
    fn of(document: Document) -> Self {
        let mut text = document.body;
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        Self {
            uid: document.uid,
            message: *document.message.as_bytes(),
            received: document.received,
            octets: document.octets,
            attachments: !document.attachments.is_empty(),
            from: document.from,
            subject: document.subject,
            text,
        }
    }

    fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a vector takes everything")
    }
}

/// The order of hits in one number: seconds, then UIDs. Times before 1970 and after 2106 are taken
/// for these.
pub(super) fn order(received: i64, uid: u32) -> u64 {
    let seconds = u32::try_from(received.max(0)).unwrap_or(u32::MAX);
    u64::from(seconds) << 32 | u64::from(uid)
}

/// The name of the cutter in the schema, so that an index whose words were cut otherwise is not
/// taken for one of ours: the number goes up whenever `words.rs` or `document.rs` finds other words.
pub(super) const CUTTER: &str = "veilpost-1";
pub(super) const UID: &str = "uid";
pub(super) const ORDER: &str = "order";
pub(super) const LINK: &str = "link";
/// Octets of the text that are kept for snippets.
const LONGEST_TEXT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_time_then_of_arrival() {
        let sorted = [order(-5, 1), order(0, 2), order(5, 1), order(5, 2), order(6, 0), order(i64::MAX, 0)];
        assert!(sorted.is_sorted());
    }
}

//! An open index: queries over it. Writing is `writer.rs`, conversations are `thread.rs`.

use std::io::ErrorKind;
use std::ops::{Bound, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tantivy::collector::{Count, TopDocs};
use tantivy::query::{
    AllQuery, BooleanQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query as EngineQuery, RangeQuery,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{DocAddress, IndexReader, IndexSettings, Order, ReloadPolicy, Searcher, Term};

use super::fields::{CUTTER, Card, Fields, ORDER, UID, order};
use super::folder::SealedFolder;
use super::query::{Clause, Place, Query, Test, What};
use super::snippet::{Needle, best, whole};
use super::words::Cutter;
use super::writer::Writer;
use super::{Found, Hit, Page, SearchError};
use crate::keyring::IndexKey;
use crate::names::MessageId;

/// The search index of one mailbox. Clones are the same open index; a folder should be open only
/// once, since another opening does not see what this one writes.
#[derive(Clone)]
pub struct Index(Arc<Open>);

pub(super) struct Open {
    pub(super) engine: tantivy::Index,
    pub(super) reader: IndexReader,
    pub(super) fields: Fields,
    pub(super) indexed_up_to: AtomicU32,
}

impl Index {
    /// Opens the index in `folder`, and makes an empty one where there is none. One that is damaged,
    /// sealed under another key or made by another version is [`SearchError::Damaged`].
    pub fn open(folder: &Path, key: IndexKey) -> Result<Self, SearchError> {
        let sealed = SealedFolder::open(folder, key)?;
        let (schema, fields) = Fields::schema();
        let exists = tantivy::Index::exists(&sealed).map_err(tantivy::TantivyError::from)?;
        if !exists && !sealed.is_empty()? {
            return Err(SearchError::Damaged);
        }
        // tantivy asks for its own ones for fields that have no words.
        let tokenizers = TokenizerManager::default();
        tokenizers.register(CUTTER, Cutter);
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let builder = tantivy::Index::builder().schema(schema).settings(settings).tokenizers(tokenizers);
        let engine = builder.open_or_create(sealed)?;
        let indexed_up_to = AtomicU32::new(payload(&engine)?);
        let reader = engine.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self(Arc::new(Open { engine, reader, fields, indexed_up_to })))
    }

    /// Whether there is another clone, or a writer: whoever forgets this one must not open the
    /// folder anew.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Removes the index in `folder`, of which no clone may be open. The folder stays away, and an
    /// index that does not exist is removed already.
    pub fn erase(folder: &Path) -> Result<(), SearchError> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The UID that the last commit named: all messages up to it were indexed. 0 in a new index.
    pub fn indexed_up_to(&self) -> u32 {
        self.0.indexed_up_to.load(Ordering::Acquire)
    }

    /// Begins to write. There is one writer at a time; a second one is [`SearchError::Busy`].
    pub fn writer(&self) -> Result<Writer, SearchError> {
        Writer::begin(self.clone())
    }

    /// The UIDs of all messages in the index, as of the last commit, in order: what is not in the
    /// mailbox any more is to be removed.
    pub fn uids(&self) -> Result<Vec<u32>, SearchError> {
        let mut uids = Vec::new();
        for segment in self.0.reader.searcher().segment_readers() {
            let column = segment.fast_fields().u64(UID)?;
            uids.extend(segment.doc_ids_alive().filter_map(|id| u32::try_from(column.first(id)?).ok()));
        }
        uids.sort_unstable();
        Ok(uids)
    }

    /// Finds what `text` asks for, newest first; how to ask is in [`super::query`].
    pub fn search(&self, text: &str, page: Page) -> Result<Found, SearchError> {
        let query = Query::parse(text);
        if query.is_empty() {
            return Ok(Found { total: 0, hits: Vec::new(), notes: query.notes });
        }
        let searcher = self.0.reader.searcher();
        let (total, addresses) = self.newest(&searcher, &self.translate(&query), page)?;
        let (subject, body) = (Needle::of(&query, Place::Subject), Needle::of(&query, Place::Body));
        let hit = |address| Ok(hit(self.card(&searcher, address)?, &subject, &body));
        let hits = addresses.into_iter().map(hit).collect::<Result<_, SearchError>>()?;
        Ok(Found { total, hits, notes: query.notes })
    }

    fn newest(
        &self,
        searcher: &Searcher,
        query: &dyn EngineQuery,
        page: Page,
    ) -> Result<(usize, Vec<DocAddress>), SearchError> {
        if page.limit == 0 || page.offset >= Page::FURTHEST {
            return Ok((searcher.search(query, &Count)?, Vec::new()));
        }
        let top = TopDocs::with_limit(page.limit.min(Page::LONGEST)).and_offset(page.offset);
        let top = top.order_by_fast_field::<u64>(ORDER, Order::Desc);
        let (total, found) = searcher.search(query, &(Count, top))?;
        Ok((total, found.into_iter().map(|(_, address)| address).collect()))
    }

    pub(super) fn open_index(&self) -> &Open {
        &self.0
    }

    pub(super) fn card(&self, searcher: &Searcher, address: DocAddress) -> Result<Card, SearchError> {
        self.0.fields.unpack(&searcher.doc(address)?)
    }

    fn translate(&self, query: &Query) -> BooleanQuery {
        let mut clauses: Vec<_> = query.clauses.iter().map(|clause| self.clause(clause)).collect();
        if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            clauses.push((Occur::Must, Box::new(AllQuery)));
        }
        BooleanQuery::new(clauses)
    }

    fn clause(&self, clause: &Clause) -> (Occur, Box<dyn EngineQuery>) {
        match clause.as_slice() {
            [Test { excluded: true, what }] => (Occur::MustNot, self.what(what)),
            [Test { excluded: false, what }] => (Occur::Must, self.what(what)),
            tests => {
                let tests = tests.iter().map(|test| match test.excluded {
                    false => self.what(&test.what),
                    true => Box::new(BooleanQuery::new(vec![
                        (Occur::Must, Box::new(AllQuery)),
                        (Occur::MustNot, self.what(&test.what)),
                    ])),
                });
                (Occur::Must, Box::new(BooleanQuery::union(tests.collect())))
            }
        }
    }

    fn what(&self, what: &What) -> Box<dyn EngineQuery> {
        let fields = &self.0.fields;
        match what {
            What::Attachment => term(Term::from_field_bool(fields.attached, true)),
            What::Received(seconds) => received(fields.order, seconds),
            What::Words { place, words, open } => {
                let mut queries: Vec<_> =
                    fields.of(*place).into_iter().map(|field| in_field(field, words, *open)).collect();
                match queries.len() {
                    1 => queries.remove(0),
                    _ => Box::new(BooleanQuery::union(queries)),
                }
            }
        }
    }
}

/// Words one after the other in one field.
fn in_field(field: Field, words: &[String], open: bool) -> Box<dyn EngineQuery> {
    let mut terms: Vec<_> = words.iter().map(|word| Term::from_field_text(field, word)).collect();
    match (words, open) {
        ([word], true) => {
            // No word has the last character of Unicode in it.
            let end = Term::from_field_text(field, &format!("{word}\u{10ffff}"));
            Box::new(RangeQuery::new(Bound::Included(terms.remove(0)), Bound::Excluded(end)))
        }
        (_, true) => {
            let mut phrase = PhrasePrefixQuery::new(terms);
            phrase.set_max_expansions(MOST_ENDINGS);
            Box::new(phrase)
        }
        ([_], false) => term(terms.remove(0)),
        _ => Box::new(PhraseQuery::new(terms)),
    }
}

fn term(term: Term) -> Box<dyn EngineQuery> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn received(field: Field, seconds: &Range<i64>) -> Box<dyn EngineQuery> {
    let bound = |second| Term::from_field_u64(field, order(second, 0));
    let end = match seconds.end {
        i64::MAX => Bound::Unbounded,
        end => Bound::Excluded(bound(end)),
    };
    Box::new(RangeQuery::new(Bound::Included(bound(seconds.start)), end))
}

pub(super) fn hit(card: Card, subject: &[Needle<'_>], body: &[Needle<'_>]) -> Hit {
    Hit {
        uid: card.uid,
        message: MessageId::from_bytes(card.message),
        received: card.received,
        octets: card.octets,
        from: card.from,
        subject: whole(&card.subject, subject),
        snippet: best(&card.text, body),
        attachments: card.attachments,
    }
}

/// What the last commit said.
fn payload(engine: &tantivy::Index) -> Result<u32, SearchError> {
    match engine.load_metas()?.payload {
        Some(payload) => payload.parse().map_err(|_| SearchError::Damaged),
        None => Ok(0),
    }
}

/// Words of the index that the end of a phrase with a star may stand for.
const MOST_ENDINGS: u32 = 500;

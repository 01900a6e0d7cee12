//! One pass over a log: entry by entry with the hashes each of them completes.

use tlog_tiles::{EMPTY_HASH, Hash, node_hash, record_hash};

use super::pages::{PAGE, Pages};
use crate::audit::act::Act;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::entry::{Entry, EntryError};
use crate::audit::error::AuditError;
use crate::audit::report::{Finding, Report};
use crate::audit::store::AuditStore;
use crate::audit::tree::Edge;
use crate::names::TenantId;

/// The state of the pass.
pub(super) struct Walk<'a, S> {
    store: &'a S,
    lines: Pages<Vec<u8>>,
    rows: Pages<Hash>,
    /// The tree that the entries make.
    by_lines: Edge,
    /// The tree that the stored hashes make.
    by_rows: Edge,
    /// Disagreements that the next checkpoint decides.
    open: Vec<Dispute>,
    /// Whether the last entry announces a checkpoint, if it can be read.
    announced: Option<bool>,
    /// Missing entries in a row, up to the last one.
    gap: u64,
    report: Report,
}

/// Something that does not fit, before it is known which side was signed.
#[derive(Clone, Copy)]
enum Dispute {
    /// The entry and its stored hash.
    Leaf(u64),
    /// A stored hash over these entries and the stored hashes below it.
    Node(u64, u64),
}

impl Dispute {
    /// The finding if the stored hashes are right, or if nobody can tell.
    fn blames_entries(self) -> Finding {
        match self {
            Self::Leaf(number) => Finding::EntryEdited { number },
            Self::Node(first, last) => Finding::RangeEdited { first, last },
        }
    }

    /// The finding if the entries are right.
    fn blames_hashes(self) -> Finding {
        match self {
            Self::Leaf(number) => Finding::HashEdited { number },
            Self::Node(first, last) => Finding::RangeHashesEdited { first, last },
        }
    }
}

impl<'a, S: AuditStore> Walk<'a, S> {
    pub(super) fn new(store: &'a S, tenant: TenantId, size: u64) -> Self {
        let report = Report {
            tenant,
            size,
            root: EMPTY_HASH,
            vouched: 0,
            checkpoints: 0,
            given: 0,
            others: 0,
            newer: 0,
            findings: Vec::new(),
            more: 0,
        };
        let (lines, rows) = (Pages::new(), Pages::new());
        let (by_lines, by_rows) = (Edge::default(), Edge::default());
        Self { store, lines, rows, by_lines, by_rows, open: Vec::new(), announced: None, gap: 0, report }
    }

    /// Reads entry `number` and the hashes it completes, and grows both trees.
    pub(super) async fn step(&mut self, number: u64) -> Result<(), AuditError> {
        self.announced = None;
        let line = self.line(number).await?;
        self.gap = if line.is_none() { self.gap + 1 } else { 0 };
        let first_index = self.by_lines.next_index();
        let mut rows = Vec::new();
        for index in (first_index..).take(1 + number.trailing_ones() as usize) {
            let row = self.row(index).await?;
            if row.is_none() {
                self.missing_hash(index);
            }
            rows.push(row);
        }
        let computed = line.as_deref().map(record_hash);
        let stored = rows.first().copied().flatten();
        match (&line, computed, stored) {
            (None, ..) => self.missing_entry(number),
            (Some(_), Some(computed), Some(stored)) if computed != stored => {
                self.dispute(Dispute::Leaf(number))
            }
            (Some(line), ..) => self.read(number, line),
        }
        // Where one side has no leaf the other's stands in, so that later rows can still be judged.
        let leaf = computed.or(stored).unwrap_or(EMPTY_HASH);
        self.by_lines.push(leaf);
        for (first, last) in grow(&mut self.by_rows, stored.unwrap_or(leaf), &rows) {
            self.dispute(Dispute::Node(first, last));
        }
        Ok(())
    }

    /// Compares the trees at the size of a checkpoint.
    pub(super) fn compare(&mut self, head: &Checkpoint) {
        if self.by_lines.root() == head.root() {
            self.settle(Dispute::blames_hashes);
            self.by_rows = self.by_lines.clone();
        } else if self.by_rows.root() == head.root() {
            self.settle(Dispute::blames_entries);
            self.by_lines = self.by_rows.clone();
        } else {
            self.settle(Dispute::blames_entries);
            return self.fork(head.size());
        }
        if self.announced == Some(false) {
            self.note(Finding::CheckpointUnannounced { size: head.size() });
        }
        self.report.vouched = head.size();
    }

    /// Adds a finding.
    pub(super) fn note(&mut self, finding: Finding) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(finding);
        } else {
            self.report.more += 1;
        }
    }

    /// Counts a checkpoint that was given.
    pub(super) fn count(&mut self, ours: bool) {
        self.report.given += usize::from(ours);
        self.report.others += usize::from(!ours);
    }

    /// Whether so much is wrong that reading on tells nothing: a size out of the blue, say.
    pub(super) fn lost(&self) -> bool {
        self.gap > MAX_GAP || self.report.more > MAX_MORE
    }

    /// The report, its checkpoints not yet counted.
    pub(super) fn finish(mut self) -> Report {
        self.settle(Dispute::blames_entries);
        self.report.root = self.by_lines.root();
        self.report
    }

    /// Judges an entry's text; its hash is right or unknown.
    fn read(&mut self, number: u64, line: &[u8]) {
        match Entry::decode(line) {
            Ok(entry) if entry.sequence == number => {
                self.announced = Some(entry.draft.act == Act::CheckpointSigned);
            }
            Ok(entry) => self.note(Finding::EntryMisnumbered { number, says: entry.sequence }),
            Err(EntryError::Version(_)) => self.report.newer += 1,
            Err(_) => self.note(Finding::EntryMalformed { number }),
        }
    }

    fn dispute(&mut self, dispute: Dispute) {
        if self.open.len() < MAX_FINDINGS {
            self.open.push(dispute);
        } else {
            self.report.more += 1;
        }
    }

    fn settle(&mut self, verdict: fn(Dispute) -> Finding) {
        for dispute in std::mem::take(&mut self.open) {
            self.note(verdict(dispute));
        }
    }

    /// Notes a fork, once for all checkpoints after the same agreed part.
    fn fork(&mut self, signed: u64) {
        let here = self.report.vouched;
        let is_here =
            |finding: &Finding| matches!(finding, Finding::Forked { agreed, .. } if *agreed == here);
        if !self.report.findings.iter().any(is_here) {
            self.note(Finding::Forked { agreed: here, signed });
        }
    }

    fn missing_entry(&mut self, number: u64) {
        match self.report.findings.iter_mut().rev().find_map(missing_entries) {
            Some(last) if *last + 1 == number => *last = number,
            _ => self.note(Finding::EntriesMissing { first: number, last: number }),
        }
    }

    fn missing_hash(&mut self, index: u64) {
        match self.report.findings.iter_mut().rev().find_map(missing_hashes) {
            Some(last) if *last + 1 == index => *last = index,
            _ => self.note(Finding::HashesMissing { first: index, last: index }),
        }
    }

    async fn line(&mut self, number: u64) -> Result<Option<Vec<u8>>, AuditError> {
        if self.lines.ends_before(number) {
            self.lines.fill(number, self.store.entries(self.report.tenant, number, PAGE).await?);
        }
        Ok(self.lines.take(number))
    }

    async fn row(&mut self, index: u64) -> Result<Option<Hash>, AuditError> {
        if self.rows.ends_before(index) {
            self.rows.fill(index, self.store.hashes(self.report.tenant, index, PAGE).await?);
        }
        Ok(self.rows.take(index))
    }
}

fn missing_entries(finding: &mut Finding) -> Option<&mut u64> {
    match finding {
        Finding::EntriesMissing { last, .. } => Some(last),
        _ => None,
    }
}

fn missing_hashes(finding: &mut Finding) -> Option<&mut u64> {
    match finding {
        Finding::HashesMissing { last, .. } => Some(last),
        _ => None,
    }
}

/// Adds the hash rows that one entry completes to the tree as it is stored; gives the entries (first, last)
/// below each row that does not fit. A stored hash stands even then, which narrows a disagreement to
/// one place.
fn grow(tree: &mut Edge, leaf: Hash, rows: &[Option<Hash>]) -> Vec<(u64, u64)> {
    let number = tree.size();
    let (mut level, mut misfits) = (0, Vec::new());
    tree.push_with(leaf, |left, right| {
        level += 1;
        let computed = node_hash(left, right);
        let stored = rows.get(level).copied().flatten().unwrap_or(computed);
        if stored != computed {
            misfits.push((number + 1 - (1 << level), number));
        }
        stored
    });
    misfits
}

/// Findings kept: more than anybody reads.
const MAX_FINDINGS: usize = 1000;
/// Missing entries in a row after which the size itself is wrong.
const MAX_GAP: u64 = 1 << 16;
/// Findings beyond those kept after which nothing new is learnt.
const MAX_MORE: u64 = 1 << 16;

//! Rows read in pages and handed out one by one, in ascending order.

use std::collections::VecDeque;

/// A page of numbered rows.
pub(super) struct Pages<T> {
    rows: VecDeque<(u64, T)>,
    /// All rows below this number were read.
    end: u64,
}

impl<T> Pages<T> {
    pub(super) fn new() -> Self {
        Self { rows: VecDeque::new(), end: 0 }
    }

    /// Whether row `number` lies past the page.
    pub(super) fn ends_before(&self, number: u64) -> bool {
        number >= self.end
    }

    /// Takes the page that was read from `from` on with this limit.
    pub(super) fn fill(&mut self, from: u64, rows: Vec<(u64, T)>) {
        self.end = match rows.last() {
            Some((last, _)) if rows.len() >= PAGE => last.saturating_add(1).max(from + 1),
            _ => u64::MAX,
        };
        self.rows = rows.into();
    }

    /// Row `number`, if there is one. Rows before it are let go.
    pub(super) fn take(&mut self, number: u64) -> Option<T> {
        while self.rows.front().is_some_and(|(first, _)| *first < number) {
            self.rows.pop_front();
        }
        let found = self.rows.front().is_some_and(|(first, _)| *first == number);
        found.then(|| self.rows.pop_front()).flatten().map(|(_, row)| row)
    }
}

/// Rows per read: at most 8 MB of the longest entries, usually 80 KB.
pub(super) const PAGE: usize = 256;

//! Any text is a query: it is understood in time, always in the same way, and few notes are said about it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::search::Query;

fuzz_target!(|text: &str| {
    let query = Query::parse(text);
    assert!(query.notes().len() <= MOST_NOTES);
    assert!(query == Query::parse(text), "the same text is the same query");
});

/// Notes that a person is given.
const MOST_NOTES: usize = 8;

//! ORDEREDSUBJECT (RFC 5256 §3): "poor man's threading". No grandchildren.

use super::{Forest, Letter};

pub(super) fn threads(letters: &[Letter]) -> Forest {
    let mut order: Vec<usize> = (0..letters.len()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&letters[*one], &letters[*other]);
        one.subject.cmp(&other.subject).then(one.sent.cmp(&other.sent))
    });
    let mut threads: Vec<&[usize]> =
        order.chunk_by(|one, other| letters[*one].subject == letters[*other].subject).collect();
    threads.sort_by_key(|thread| thread.first().map(|first| (letters[*first].sent, *first)));
    let mut forest = Forest::default();
    for thread in threads {
        let [first, others @ ..] = thread else { continue };
        let children = others.iter().map(|other| forest.add(message(*other), Vec::new())).collect();
        let root = forest.add(message(*first), children);
        forest.roots.push(root);
    }
    forest
}

/// Rolls are shorter than 32 bits count.
fn message(index: usize) -> Option<u32> {
    u32::try_from(index).ok()
}

//! ORDEREDSUBJECT (RFC 5256 §3): "poor man's threading". No grandchildren.

use super::{Forest, Letter};

pub(super) fn threads(letters: &[Letter]) -> Forest {
    let mut order: Vec<usize> = (0..letters.len()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&letters[*one], &letters[*other]);
        let key = |letter: &'_ Letter| (letter.is_made, letter.sent);
        one.subject.cmp(&other.subject).then(key(one).cmp(&key(other)))
    });
    let mut threads: Vec<&[usize]> =
        order.chunk_by(|one, other| is_same_subject(&letters[*one], &letters[*other])).collect();
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

/// Whether two messages are about the same. Of a subject that the policy made nobody knows.
fn is_same_subject(one: &Letter, other: &Letter) -> bool {
    !one.is_made && !other.is_made && one.subject == other.subject
}

/// Rolls are shorter than 32 bits count.
fn message(index: usize) -> Option<u32> {
    u32::try_from(index).ok()
}

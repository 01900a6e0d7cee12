//! What SEARCH, SORT and THREAD found (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 4731, RFC 5256, RFC 9394).

use super::text::{put_number, put_set, put_string};

/// SEARCH (RFC 3501 §7.2.5), with the highest mod-sequence of those found, if it was asked for.
pub fn put_search(out: &mut Vec<u8>, numbers: &[u32], mod_seq: Option<u64>) {
    put_numbers(out, b"* SEARCH", numbers, mod_seq);
}

/// SORT (RFC 5256 §4): numbers in their order.
pub fn put_sort(out: &mut Vec<u8>, numbers: &[u32], mod_seq: Option<u64>) {
    put_numbers(out, b"* SORT", numbers, mod_seq);
}

/// What ESEARCH says (RFC 4731 §3.1). Items that are none are not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Esearch<'a> {
    /// Of the command it answers.
    pub tag: &'a str,
    /// Numbers are UIDs.
    pub uid: bool,
    /// The lowest, or first in order.
    pub min: Option<u32>,
    /// The highest, or last in order.
    pub max: Option<u32>,
    /// How many.
    pub count: Option<u32>,
    /// All, in their order. Not said if there are none.
    pub all: Option<&'a [u32]>,
    /// A range of all, and those in it (RFC 9394 §3.1).
    pub partial: Option<((i64, i64), &'a [u32])>,
    /// The highest mod-sequence of those said (RFC 7162 §3.1.10).
    pub mod_seq: Option<u64>,
}

/// ESEARCH
pub fn put_esearch(out: &mut Vec<u8>, found: &Esearch<'_>) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    put_string(out, found.tag.as_bytes());
    out.push(b')');
    if found.uid {
        out.extend_from_slice(b" UID");
    }
    let items = [(" MIN ", found.min), (" MAX ", found.max), (" COUNT ", found.count)];
    for (name, number) in items {
        put_item(out, name, number.map(u64::from));
    }
    if let Some(all) = found.all.filter(|all| !all.is_empty()) {
        out.extend_from_slice(b" ALL ");
        put_set(out, all.iter().copied());
    }
    if let Some((range, numbers)) = found.partial {
        put_partial(out, range, numbers);
    }
    put_item(out, " MODSEQ ", found.mod_seq);
    out.extend_from_slice(b"\r\n");
}

/// A message in a THREAD response, in front of the answers to it: a forest, written down from the roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadNode {
    /// Its number or UID. None if it is missing; then it has at least two answers.
    pub number: Option<u32>,
    /// How many of the nodes behind it answer it, each with its own answers right behind.
    pub answers: u32,
}

/// THREAD (RFC 5256 §4): no deeper on our stack, however deep the threads.
pub fn put_thread(out: &mut Vec<u8>, nodes: &[ThreadNode]) {
    out.extend_from_slice(b"* THREAD");
    // Threads that are open and branch, with the number of branches still to come.
    let mut open: Vec<u32> = Vec::new();
    let mut first = true;
    let mut goes_on = false;
    for node in nodes {
        if std::mem::take(&mut first) {
            out.push(b' ');
        }
        if !goes_on {
            out.push(b'(');
        }
        if let Some(number) = node.number {
            put_number(out, number.into());
            if node.answers > 0 {
                out.push(b' ');
            }
        }
        goes_on = node.answers == 1;
        match node.answers {
            0 => close(out, &mut open),
            1 => {}
            answers => open.push(answers),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Closes a thread, and those whose last branch it is.
fn close(out: &mut Vec<u8>, open: &mut Vec<u32>) {
    out.push(b')');
    while let Some(branches) = open.last_mut() {
        *branches -= 1;
        if *branches > 0 {
            return;
        }
        open.pop();
        out.push(b')');
    }
}

fn put_numbers(out: &mut Vec<u8>, name: &[u8], numbers: &[u32], mod_seq: Option<u64>) {
    out.extend_from_slice(name);
    for number in numbers {
        out.push(b' ');
        put_number(out, (*number).into());
    }
    // RFC 7162 §3.1.5: only if something was found.
    if let Some(mod_seq) = mod_seq.filter(|_| !numbers.is_empty()) {
        put_item(out, " (MODSEQ ", Some(mod_seq));
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

fn put_item(out: &mut Vec<u8>, name: &str, number: Option<u64>) {
    if let Some(number) = number {
        out.extend_from_slice(name.as_bytes());
        put_number(out, number);
    }
}

fn put_partial(out: &mut Vec<u8>, (from, to): (i64, i64), numbers: &[u32]) {
    out.extend_from_slice(b" PARTIAL (");
    for (end, after) in [(from, b':'), (to, b' ')] {
        if end < 0 {
            out.push(b'-');
        }
        put_number(out, end.unsigned_abs());
        out.push(after);
    }
    if numbers.is_empty() {
        out.extend_from_slice(b"NIL");
    }
    put_set(out, numbers.iter().copied());
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn esearch(found: &Esearch<'_>) -> String {
        written(|out| put_esearch(out, &Esearch { tag: "A28", ..*found }))
    }

    fn thread(nodes: &[(u32, u32)]) -> String {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|(number, answers)| ThreadNode {
                number: Some(*number).filter(|number| *number > 0),
                answers: *answers,
            })
            .collect();
        written(|out| put_thread(out, &nodes))
    }

    #[test]
    fn numbers_are_said_one_by_one() {
        assert_eq!(written(|out| put_search(out, &[2, 84, 882], None)), "* SEARCH 2 84 882\r\n");
        assert_eq!(
            written(|out| put_search(out, &[2, 5], Some(917_162_500))),
            "* SEARCH 2 5 (MODSEQ 917162500)\r\n"
        );
        assert_eq!(written(|out| put_search(out, &[], Some(1))), "* SEARCH\r\n");
        assert_eq!(written(|out| put_sort(out, &[5, 3, 4], None)), "* SORT 5 3 4\r\n");
    }

    #[test]
    fn esearch_says_what_was_asked() {
        assert_eq!(esearch(&Esearch::default()), "* ESEARCH (TAG \"A28\")\r\n");
        let found = Esearch { min: Some(2), count: Some(3), ..Esearch::default() };
        assert_eq!(esearch(&found), "* ESEARCH (TAG \"A28\") MIN 2 COUNT 3\r\n");
        let found = Esearch {
            uid: true,
            all: Some(&[4, 17, 18, 19]),
            max: Some(19),
            mod_seq: Some(7),
            ..Esearch::default()
        };
        assert_eq!(esearch(&found), "* ESEARCH (TAG \"A28\") UID MAX 19 ALL 4,17:19 MODSEQ 7\r\n");
        assert_eq!(
            esearch(&Esearch { all: Some(&[]), count: Some(0), ..Esearch::default() }),
            "* ESEARCH (TAG \"A28\") COUNT 0\r\n"
        );
        let sorted = Esearch { all: Some(&[11, 12, 10, 9, 3]), ..Esearch::default() };
        assert_eq!(esearch(&sorted), "* ESEARCH (TAG \"A28\") ALL 11:12,10,9,3\r\n", "order is kept");
        // RFC 9394 §3.1.
        let partial =
            Esearch { uid: true, partial: Some(((-1, -100), &[200, 201, 250])), ..Esearch::default() };
        assert_eq!(esearch(&partial), "* ESEARCH (TAG \"A28\") UID PARTIAL (-1:-100 200:201,250)\r\n");
        let none = Esearch { partial: Some(((24000, 24500), &[])), ..Esearch::default() };
        assert_eq!(esearch(&none), "* ESEARCH (TAG \"A28\") PARTIAL (24000:24500 NIL)\r\n");
    }

    #[test]
    fn threads_of_rfc_5256_are_written() {
        assert_eq!(
            thread(&[(2, 0), (3, 1), (6, 2), (4, 1), (23, 0), (44, 1), (7, 1), (96, 0)]),
            "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"
        );
        assert_eq!(thread(&[(0, 2), (3, 0), (5, 0)]), "* THREAD ((3)(5))\r\n");
        assert_eq!(
            thread(&[(1, 1), (0, 2), (3, 0), (5, 2), (6, 0), (7, 0), (8, 0)]),
            "* THREAD (1 (3)(5 (6)(7)))(8)\r\n"
        );
        assert_eq!(thread(&[]), "* THREAD\r\n");
    }

    #[test]
    fn deep_threads_are_written() {
        let mut nodes: Vec<_> = (0..100_000).map(|_| [(1, 2), (2, 0)]).collect::<Vec<_>>().concat();
        nodes.push((3, 0));
        let written = thread(&nodes);
        assert_eq!(written.matches('(').count(), written.matches(')').count());
        assert!(written.starts_with("* THREAD (1 (2)(1 (2)(1 "));
    }
}

//! Threads as trees, and how THREAD writes them (RFC 5256 §4). Nothing here recurses: a reply chain is as
//! deep as people, or those who mean harm, make it.

use crate::wire::imap::text::put_number;

/// Trees of messages, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forest {
    /// A node is its index. A node without message stands for one that is not there.
    pub(super) messages: Vec<Option<u32>>,
    pub(super) children: Vec<Vec<usize>>,
    pub(super) roots: Vec<usize>,
}

enum Act {
    List(usize),
    Close,
}

impl Forest {
    pub(super) fn add(&mut self, message: Option<u32>, children: Vec<usize>) -> usize {
        self.messages.push(message);
        self.children.push(children);
        self.messages.len() - 1
    }

    /// Puts the THREAD response. `number` gives the number by which the client knows a message, from its
    /// place among those that were threaded.
    pub fn put(&self, out: &mut Vec<u8>, number: impl Fn(usize) -> u32) {
        out.extend_from_slice(b"* THREAD");
        if !self.roots.is_empty() {
            out.push(b' ');
        }
        let mut acts: Vec<Act> = lists(&self.roots).collect();
        while let Some(act) = acts.pop() {
            match act {
                Act::List(root) => self.put_list(out, root, &mut acts, &number),
                Act::Close => out.push(b')'),
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// thread-list: members as long as each has one child; the rest is left to do.
    fn put_list(&self, out: &mut Vec<u8>, root: usize, acts: &mut Vec<Act>, number: &impl Fn(usize) -> u32) {
        out.push(b'(');
        let mut node = root;
        let mut is_first = true;
        loop {
            if let Some(message) = self.messages[node] {
                if !std::mem::take(&mut is_first) {
                    out.push(b' ');
                }
                put_number(out, number(message as usize).into());
            }
            match self.children[node].as_slice() {
                [] => return out.push(b')'),
                [only] => node = *only,
                several => {
                    if !is_first {
                        out.push(b' ');
                    }
                    acts.push(Act::Close);
                    acts.extend(lists(several));
                    return;
                }
            }
        }
    }
}

/// What there is to do for these nodes, the first of them last.
fn lists(nodes: &[usize]) -> impl Iterator<Item = Act> {
    nodes.iter().rev().map(|node| Act::List(*node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(forest: &Forest) -> String {
        let mut out = Vec::new();
        forest.put(&mut out, |message| u32::try_from(message).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_rfcs_example_is_written() {
        // RFC 5256 §4: 2; 3 and its child 6, which has two chains below it.
        let mut forest = Forest::default();
        let two = forest.add(Some(2), vec![]);
        let chain = |forest: &mut Forest, numbers: &[u32]| {
            numbers.iter().rev().fold(Vec::new(), |below, number| vec![forest.add(Some(*number), below)])
        };
        let (one, other) = (chain(&mut forest, &[4, 23]), chain(&mut forest, &[44, 7, 96]));
        let six = forest.add(Some(6), [one, other].concat());
        let three = forest.add(Some(3), vec![six]);
        forest.roots = vec![two, three];
        assert_eq!(put(&forest), "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n");
    }

    #[test]
    fn a_missing_message_is_left_out() {
        let mut forest = Forest::default();
        let children = vec![forest.add(Some(3), vec![]), forest.add(Some(5), vec![])];
        forest.roots = vec![forest.add(None, children)];
        assert_eq!(put(&forest), "* THREAD ((3)(5))\r\n");
        assert_eq!(put(&Forest::default()), "* THREAD\r\n");
    }
}

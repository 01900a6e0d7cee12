//! Threads as trees, and how a response tells them (RFC 5256 §4). Nothing here recurses: a reply chain is as
//! deep as people, or those who mean harm, make it.

use crate::wire::imap::found::{ThreadNode, put_thread};

/// Trees of messages, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forest {
    /// A node is its index. A node without message stands for one that is not there.
    pub(super) messages: Vec<Option<u32>>,
    pub(super) children: Vec<Vec<usize>>,
    pub(super) roots: Vec<usize>,
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
        put_thread(out, &self.nodes(number));
    }

    /// The trees, written down from their roots.
    fn nodes(&self, number: impl Fn(usize) -> u32) -> Vec<ThreadNode> {
        let mut nodes = Vec::with_capacity(self.messages.len());
        let mut ahead: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(node) = ahead.pop() {
            let children = &self.children[node];
            ahead.extend(children.iter().rev());
            nodes.push(ThreadNode {
                number: self.messages[node].map(|message| number(message as usize)),
                // Rolls are shorter than 32 bits count.
                answers: u32::try_from(children.len()).unwrap_or(u32::MAX),
            });
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_told_from_their_roots() {
        // RFC 5256 §4: (2)(3 6 (4 23)(44 7 96)).
        let mut forest = Forest::default();
        let two = forest.add(Some(2), vec![]);
        let chain = |forest: &mut Forest, numbers: &[u32]| {
            numbers.iter().rev().fold(Vec::new(), |below, number| vec![forest.add(Some(*number), below)])
        };
        let (one, other) = (chain(&mut forest, &[4, 23]), chain(&mut forest, &[44, 7, 96]));
        let six = forest.add(Some(6), [one, other].concat());
        let three = forest.add(Some(3), vec![six]);
        forest.roots = vec![two, three];
        let nodes = forest.nodes(|message| message as u32);
        let told: Vec<_> = nodes.iter().map(|node| (node.number.unwrap(), node.answers)).collect();
        assert_eq!(told, [(2, 0), (3, 1), (6, 2), (4, 1), (23, 0), (44, 1), (7, 1), (96, 0)]);
    }

    #[test]
    fn a_missing_message_has_no_number() {
        let mut forest = Forest::default();
        let children = vec![forest.add(Some(3), vec![]), forest.add(Some(5), vec![])];
        forest.roots = vec![forest.add(None, children)];
        let nodes = forest.nodes(|message| message as u32);
        assert_eq!(nodes[0], ThreadNode { number: None, answers: 2 });
        assert_eq!(nodes.len(), 3);
    }
}

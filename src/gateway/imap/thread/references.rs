//! REFERENCES (RFC 5256 §3), in its six steps.
//!
//! Steps 1 to 3 work on links between nodes, a node for every message and for every id that is referred to
//! but not there (a dummy). From step 3 on there are no dummies but under the root.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Forest, Letter};

pub(super) fn threads(letters: &[Letter]) -> Forest {
    let links = Links::of(letters);
    let mut trees = Trees::pruned(links, letters);
    trees.sort_roots();
    trees.join_subjects();
    trees.sort_all();
    trees.forest
}

/// Step 1: who is whose parent. Messages are the first nodes.
struct Links<'a> {
    nodes: HashMap<&'a [u8], usize>,
    parents: Vec<Option<usize>>,
    /// Nodes that were ever linked, by way of others too, lead to the same node here.
    groups: Vec<usize>,
    /// Steps that looking for loops may still take.
    steps: usize,
}

impl<'a> Links<'a> {
    fn of(letters: &'a [Letter]) -> Self {
        let mut links = Self {
            nodes: HashMap::new(),
            parents: vec![None; letters.len()],
            groups: (0..letters.len()).collect(),
            steps: MAX_STEPS,
        };
        // Of messages with the same id, the first has it; the others have one of their own.
        for (node, letter) in letters.iter().enumerate() {
            if let Some(id) = letter.id.as_deref() {
                links.nodes.entry(id).or_insert(node);
            }
        }
        for (node, letter) in letters.iter().enumerate() {
            links.link(node, &letter.references);
        }
        links
    }

    fn link(&mut self, message: usize, references: &'a [Box<[u8]>]) {
        let mut last = None;
        for id in references {
            let node = self.node(id);
            // 1.A: links that are there stay.
            if let Some(parent) = last
                && self.parents[node].is_none()
                && !self.would_loop(parent, node)
            {
                self.join(parent, node);
            }
            last = Some(node);
        }
        // 1.B: a message's own word about its parent counts for more than what others said.
        if last == self.parents[message] {
            return;
        }
        self.parents[message] = None;
        if let Some(parent) = last
            && !self.would_loop(parent, message)
        {
            self.join(parent, message);
        }
    }

    fn node(&mut self, id: &'a [u8]) -> usize {
        let next = self.parents.len();
        let node = *self.nodes.entry(id).or_insert(next);
        if node == next {
            self.parents.push(None);
            self.groups.push(next);
        }
        node
    }

    fn join(&mut self, parent: usize, child: usize) {
        self.parents[child] = Some(parent);
        let (upper, lower) = (self.group(parent), self.group(child));
        self.groups[lower] = upper;
    }

    /// The node that stands for all that this one was ever linked to. Paths are halved on the way.
    fn group(&mut self, mut node: usize) -> usize {
        while self.groups[node] != node {
            self.groups[node] = self.groups[self.groups[node]];
            node = self.groups[node];
        }
        node
    }

    /// Whether `child` is `parent` or above it. Nodes that never had to do with each other make no loop, so
    /// that honest mail is never walked, in whatever order it comes. Once [`MAX_STEPS`] are used up, every
    /// doubt is a loop.
    fn would_loop(&mut self, parent: usize, child: usize) -> bool {
        if self.group(parent) != self.group(child) {
            return false;
        }
        let mut above = Some(parent);
        while let Some(node) = above {
            if node == child || self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            above = self.parents[node];
        }
        false
    }
}

/// Steps 2 to 6: trees, whose dummies are roots with children.
struct Trees<'a> {
    forest: Forest,
    letters: &'a [Letter],
}

/// By sent date, then by sequence number (RFC 5256 §2.2).
type Order = (i64, u32);

impl<'a> Trees<'a> {
    /// Steps 2 and 3: children leave dummies for the level above, but to the root only one may go.
    fn pruned(links: Links<'_>, letters: &'a [Letter]) -> Self {
        let Links { parents, .. } = links;
        let mut children = vec![Vec::new(); parents.len()];
        let mut roots = Vec::new();
        for (node, parent) in parents.iter().enumerate() {
            match parent {
                Some(parent) => children[*parent].push(node),
                None => roots.push(node),
            }
        }
        let is_dummy = |node: usize| node >= letters.len();
        for node in from_below(&roots, &children) {
            children[node] = promoted(std::mem::take(&mut children[node]), &mut children, is_dummy);
        }
        roots.retain_mut(|root| match children[*root].as_slice() {
            [] => !is_dummy(*root),
            [only] if is_dummy(*root) => {
                *root = *only;
                true
            }
            _ => true,
        });
        let messages = (0..parents.len()).map(|node| u32::try_from(node).ok().filter(|_| !is_dummy(node)));
        Self { forest: Forest { messages: messages.collect(), children, roots }, letters }
    }

    /// Step 4, also within dummies: what is said of a dummy is said of its first child.
    fn sort_roots(&mut self) {
        for index in 0..self.forest.roots.len() {
            let root = self.forest.roots[index];
            if self.forest.messages[root].is_none() {
                self.sort_children(root);
            }
        }
        self.order_roots();
    }

    /// Step 5: threads with the same subject become one.
    fn join_subjects(&mut self) {
        let letters = self.letters;
        let mut table = self.subjects();
        let mut roots = Vec::with_capacity(self.forest.roots.len());
        // Where the roots that stay are, for a dummy takes the place of a root that goes below it.
        let mut places: HashMap<usize, usize> = HashMap::new();
        for root in std::mem::take(&mut self.forest.roots) {
            let subject = self.speaker(root).map_or("", |speaker| letters[speaker].subject.as_str());
            match table.get_mut(subject) {
                Some(kept) if *kept != root => self.join(kept, root),
                _ => roots.push(root),
            }
        }
        for (place, root) in roots.iter().enumerate() {
            places.insert(*root, place);
        }
        for joined in table.into_values() {
            if let Some(place) = self.forest.children[joined].iter().find_map(|child| places.get(child)) {
                roots[*place] = joined;
            }
        }
        self.forest.roots = roots;
    }

    /// 5.A and 5.B: which thread stands for a subject.
    fn subjects(&self) -> HashMap<&'a str, usize> {
        let mut table: HashMap<&'a str, usize> = HashMap::new();
        for root in &self.forest.roots {
            let Some(speaker) = self.speaker(*root) else { continue };
            let subject = self.letters[speaker].subject.as_str();
            if subject.is_empty() {
                continue;
            }
            let kept = table.entry(subject).or_insert(*root);
            if self.is_better(*root, *kept) {
                *kept = *root;
            }
        }
        table
    }

    fn is_better(&self, new: usize, kept: usize) -> bool {
        let Some(kept) = self.forest.messages[kept] else { return false };
        match self.forest.messages[new] {
            None => true,
            Some(new) => self.is_reply(kept) && !self.is_reply(new),
        }
    }

    /// 5.C. `kept` is what stands for the subject; it becomes a dummy if neither is below the other.
    fn join(&mut self, kept: &mut usize, root: usize) {
        let (of_kept, of_root) = (self.forest.messages[*kept], self.forest.messages[root]);
        match (of_kept, of_root) {
            (_, None) => {
                let children = std::mem::take(&mut self.forest.children[root]);
                self.forest.children[*kept].extend(children);
            }
            (None, Some(_)) => self.forest.children[*kept].push(root),
            (Some(kept_message), Some(message)) if self.is_reply(message) && !self.is_reply(kept_message) => {
                self.forest.children[*kept].push(root);
            }
            _ => *kept = self.forest.add(None, vec![*kept, root]),
        }
    }

    /// Step 6.
    fn sort_all(&mut self) {
        for node in 0..self.forest.children.len() {
            self.sort_children(node);
        }
        self.order_roots();
    }

    fn order_roots(&mut self) {
        let mut roots = std::mem::take(&mut self.forest.roots);
        roots.sort_by_cached_key(|root| self.order(*root));
        self.forest.roots = roots;
    }

    fn sort_children(&mut self, node: usize) {
        let mut children = std::mem::take(&mut self.forest.children[node]);
        children.sort_unstable_by_key(|child| self.order(*child));
        self.forest.children[node] = children;
    }

    fn order(&self, node: usize) -> Option<Order> {
        self.speaker(node)
            .and_then(|speaker| Some((self.letters[speaker].sent, u32::try_from(speaker).ok()?)))
    }

    /// The message that a thread's date and subject are taken from; of a dummy it is the first child.
    fn speaker(&self, node: usize) -> Option<usize> {
        let message = |node: usize| self.forest.messages[node].map(|message| message as usize);
        message(node).or_else(|| message(*self.forest.children[node].first()?))
    }

    fn is_reply(&self, message: u32) -> bool {
        self.letters[message as usize].is_reply
    }
}

/// All nodes, children before their parents.
fn from_below(roots: &[usize], children: &[Vec<usize>]) -> Vec<usize> {
    let mut order = roots.to_vec();
    let mut next = 0;
    while let Some(node) = order.get(next) {
        order.extend_from_slice(&children[*node]);
        next += 1;
    }
    order.reverse();
    order
}

/// Children with those of dummies in the dummies' place; the order comes later. The longest list takes in
/// the others, so that chains of dummies are not copied at every step.
fn promoted(own: Vec<usize>, children: &mut [Vec<usize>], is_dummy: impl Fn(usize) -> bool) -> Vec<usize> {
    if !own.iter().any(|child| is_dummy(*child)) {
        return own;
    }
    let (dummies, messages): (Vec<_>, Vec<_>) = own.into_iter().partition(|child| is_dummy(*child));
    let mut lists: Vec<_> = dummies.into_iter().map(|dummy| std::mem::take(&mut children[dummy])).collect();
    lists.push(messages);
    lists.sort_by_key(|list| Reverse(list.len()));
    lists
        .into_iter()
        .reduce(|mut longest, list| {
            longest.extend(list);
            longest
        })
        .unwrap_or_default()
}

/// What looking for loops may take, in all: a tenth of a second. Only ids made to that end need so much.
const MAX_STEPS: usize = 1 << 24;

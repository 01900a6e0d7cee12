//! LIST and LSUB (RFC 9051 §6.3.9, RFC 5258, 5819, 6154; RFC 3501 §6.3.9): which folders are named, and what
//! is said of each.

use std::collections::{BTreeMap, BTreeSet};

use super::authenticated::Desk;
use super::fault::Fault;
use super::fetch::Sink;
use super::pattern::Patterns;
use super::room::Account;
use crate::mailbox::{Folder, SEPARATOR};
use crate::wire::imap::untagged::{Listed, put_list, put_lsub};
use crate::wire::imap::{ListReturn, ListSelection};

/// What a LIST asks.
pub(super) struct Listing {
    pub(super) selection: ListSelection,
    pub(super) returns: ListReturn,
    pub(super) lsub: bool,
}

/// The folders by their paths, and the paths above them that are no folder: those have none. Names that are
/// subscribed to and have no folder stand beside them.
struct Tree<'a> {
    nodes: BTreeMap<&'a str, Option<&'a Folder>>,
    bare: BTreeSet<&'a str>,
}

/// A path that LIST names.
struct Row {
    attributes: Vec<&'static str>,
    /// Folders below it are what was asked for (RFC 5258 §3.5).
    has_chosen_below: bool,
}

impl<A: Account> Desk<A> {
    pub(super) async fn list(
        &mut self,
        reference: &str,
        patterns: &[String],
        listing: &Listing,
    ) -> Result<(), Fault> {
        // RFC 9051 §6.3.9: an empty pattern asks for the separator.
        if !listing.returns.extended && patterns.iter().all(String::is_empty) {
            let root =
                Listed { path: "", attributes: &["\\Noselect"], old_name: None, child_subscribed: false };
            put_list(self.channel.out(), &root, self.enabled.modes());
            return Ok(());
        }
        let patterns = Patterns::new(reference, patterns).map_err(|_| Fault::Patterns)?;
        let folders = self.account.folders().await?;
        let bare = match listing.wants_subscribed() {
            true => self.account.bare_subscriptions().await?,
            false => Vec::new(),
        };
        let tree = Tree::of(&folders, &bare);
        for (path, folder) in &tree.nodes {
            let Some(row) = tree.row(path, *folder, &patterns, listing) else { continue };
            self.put_row(path, &row, listing);
            match folder {
                Some(folder) if !listing.returns.status.is_empty() => {
                    self.put_status(folder, &listing.returns.status).await?;
                }
                _ => self.channel.relieve().await?,
            }
        }
        Ok(())
    }

    fn put_row(&mut self, path: &str, row: &Row, listing: &Listing) {
        let modes = self.enabled.modes();
        let tells_below = listing.selection.recursive_match && listing.selection.subscribed;
        let child_subscribed = tells_below && row.has_chosen_below;
        let listed = Listed { path, attributes: &row.attributes, old_name: None, child_subscribed };
        match listing.lsub {
            true => put_lsub(self.channel.out(), &listed, modes),
            false => put_list(self.channel.out(), &listed, modes),
        }
    }
}

impl<'a> Tree<'a> {
    fn of(folders: &'a [Folder], bare: &'a [String]) -> Self {
        let mut nodes = BTreeMap::new();
        for folder in folders {
            nodes.insert(folder.path.as_str(), Some(folder));
            for (end, _) in folder.path.match_indices(SEPARATOR) {
                nodes.entry(&folder.path[..end]).or_insert(None);
            }
        }
        for path in bare {
            let ends = path.match_indices(SEPARATOR).map(|(end, _)| end).chain([path.len()]);
            for end in ends {
                nodes.entry(&path[..end]).or_insert(None);
            }
        }
        Self { nodes, bare: bare.iter().map(String::as_str).collect() }
    }

    /// Whether a path is what a LIST asks for.
    fn is_chosen(&self, path: &str, folder: Option<&Folder>, listing: &Listing) -> bool {
        match folder {
            Some(folder) => listing.chooses(folder),
            None => listing.wants_subscribed() && !listing.selection.special_use && self.bare.contains(path),
        }
    }

    /// What is said of a path; none if it is not what was asked for.
    fn row(
        &self,
        path: &str,
        folder: Option<&Folder>,
        patterns: &Patterns,
        listing: &Listing,
    ) -> Option<Row> {
        if !patterns.match_path(path) {
            return None;
        }
        let is_chosen = self.is_chosen(path, folder, listing);
        let mut chosen_below =
            self.below(path).filter(|(path, folder)| self.is_chosen(path, *folder, listing));
        let has_chosen_below = match listing.lsub {
            // RFC 3501 §6.3.9: only where the pattern does not show them themselves.
            true => chosen_below.any(|(path, _)| !patterns.match_path(path)),
            false => chosen_below.next().is_some(),
        };
        let shown = is_chosen
            || (has_chosen_below && (listing.selection.recursive_match || listing.lsub))
            || (folder.is_none() && listing.chooses_all());
        let attributes = || self.attributes(path, folder, is_chosen, listing);
        shown.then(|| Row { attributes: attributes(), has_chosen_below })
    }

    fn attributes(
        &self,
        path: &str,
        folder: Option<&Folder>,
        is_chosen: bool,
        listing: &Listing,
    ) -> Vec<&'static str> {
        if listing.lsub {
            // RFC 3501 §6.3.9: what cannot be opened says so, whether or not it is subscribed to.
            return if is_chosen && folder.is_some() { Vec::new() } else { vec!["\\Noselect"] };
        }
        let mut attributes = Vec::new();
        match folder {
            // Both words: RFC 9051 §7.3.1 has the first, old clients know the second.
            None => {
                let subscribed = listing.wants_subscribed() && self.bare.contains(path);
                attributes.extend(subscribed.then_some("\\Subscribed"));
                attributes.extend(["\\NonExistent", "\\Noselect"]);
            }
            Some(folder) => {
                let tells = listing.returns.subscribed || listing.selection.subscribed;
                attributes.extend((tells && folder.subscribed).then_some("\\Subscribed"));
                attributes.extend(folder.special.map(|special| special.attribute()));
            }
        }
        let has_children = self.below(path).next().is_some();
        attributes.push(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
        attributes
    }

    /// The paths below a path.
    fn below(&self, path: &str) -> impl Iterator<Item = (&'a str, Option<&'a Folder>)> {
        let prefix = format!("{path}{SEPARATOR}");
        let from = (std::ops::Bound::Included(prefix.as_str()), std::ops::Bound::Unbounded);
        let nodes: Vec<_> = self
            .nodes
            .range::<str, _>(from)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, folder)| (*path, *folder))
            .collect();
        nodes.into_iter()
    }
}

impl Listing {
    fn wants_subscribed(&self) -> bool {
        self.selection.subscribed || self.lsub
    }

    fn chooses(&self, folder: &Folder) -> bool {
        (!self.wants_subscribed() || folder.subscribed)
            && (!self.selection.special_use || folder.special.is_some())
    }

    /// Whether paths that are no folder are shown as well.
    fn chooses_all(&self) -> bool {
        !self.lsub && !self.selection.subscribed && !self.selection.special_use
    }
}

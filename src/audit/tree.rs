//! The Merkle tree (RFC 6962 §2.1): its right edge, which grows it, and proofs from stored hashes.
//! The hashing and the proof algorithms are `tlog_tiles`'; this file joins them to an async store.

use tlog_tiles::{EMPTY_HASH, Hash, HashReader, node_hash, stored_hash_count, sub_tree_index};

use super::error::AuditError;
use super::store::AuditStore;
use crate::names::TenantId;

/// The right edge of a tree: the roots of the complete subtrees of the sizes that `size` has as
/// bits, largest first. All that is needed to grow the tree and to know its root.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edge {
    size: u64,
    peaks: Vec<Hash>,
}

impl Edge {
    /// The edge of a stored log: about log n reads.
    pub(super) async fn load<S: AuditStore>(store: &S, tenant: TenantId) -> Result<Self, AuditError> {
        let size = store.size(tenant).await?;
        if size > MAX_SIZE {
            return Err(AuditError::Damaged);
        }
        let indexes = sub_tree_index(0, size, Vec::new());
        let peaks = all(store.hashes_at(tenant, &indexes).await?).ok_or(AuditError::Damaged)?;
        Ok(Self { size, peaks })
    }

    /// How many leaves.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and gives the hashes it completes, the leaf's first: their stored indexes follow
    /// [`Edge::next_index`] of before.
    pub(super) fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let mut completed = vec![leaf];
        self.push_with(leaf, |left, right| {
            let node = node_hash(left, right);
            completed.push(node);
            node
        });
        completed
    }

    /// Adds a leaf; `join` says what stands above each pair that it completes.
    pub(super) fn push_with(&mut self, leaf: Hash, mut join: impl FnMut(Hash, Hash) -> Hash) {
        let mut top = leaf;
        // Each trailing 1 of the old size is a subtree as large as the one in hand.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a peak for each bit of the size");
            top = join(left, top);
        }
        self.peaks.push(top);
        self.size += 1;
    }

    /// Stored index of the next hash.
    pub(super) fn next_index(&self) -> u64 {
        stored_hash_count(self.size)
    }

    /// The tree's root.
    pub(super) fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| node_hash(left, right)).unwrap_or(EMPTY_HASH)
    }
}

/// Runs one of `tlog_tiles`' proof functions over stored hashes. They ask for all their hashes in
/// one call, so: let it ask, read, let it ask again.
pub(super) async fn over_stored<S, T>(
    store: &S,
    tenant: TenantId,
    prove: impl Fn(&Shelf) -> Result<T, tlog_tiles::Error>,
) -> Result<T, AuditError>
where
    S: AuditStore,
{
    let shelf = Shelf::default();
    if let Ok(proof) = prove(&shelf) {
        return Ok(proof);
    }
    let wanted = shelf.wanted.into_inner().unwrap_or_default();
    let hashes = all(store.hashes_at(tenant, &wanted).await?).ok_or(AuditError::Damaged)?;
    let shelf = Shelf { read: Some(hashes), ..Shelf::default() };
    prove(&shelf).map_err(|_| AuditError::Damaged)
}

/// Hashes for one call of a proof function, or a note of what it wants.
#[derive(Default)]
pub(super) struct Shelf {
    wanted: std::sync::Mutex<Vec<u64>>,
    read: Option<Vec<Hash>>,
}

impl HashReader for Shelf {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        if let Some(hashes) = self.read.as_ref().filter(|hashes| hashes.len() == indexes.len()) {
            return Ok(hashes.clone());
        }
        if let Ok(mut wanted) = self.wanted.lock() {
            *wanted = indexes.to_vec();
        }
        Err(tlog_tiles::Error::IndexesNotInTree)
    }
}

fn all(hashes: Vec<Option<Hash>>) -> Option<Vec<Hash>> {
    hashes.into_iter().collect()
}

/// Largest log: sizes stay exact in JSON numbers (RFC 8259 §6), and far from overflow in the
/// arithmetic of stored indexes.
pub(super) const MAX_SIZE: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use tlog_tiles::{check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash};

    /// The reference: every hash in a list.
    struct List(RefCell<Vec<Hash>>);

    impl HashReader for List {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0.borrow()[*index as usize]).collect())
        }
    }

    /// Known answers of the Certificate Transparency reference implementation (`merkletree` tests).
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    const PATH_OF_0_IN_8: [&str; 3] = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    const FROM_6_TO_8: [&str; 3] = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];

    fn hex(hash: &Hash) -> String {
        HEXLOWER.encode(&hash.0)
    }

    fn reference() -> (Edge, List) {
        let (mut edge, list) = (Edge::default(), List(RefCell::default()));
        for leaf in LEAVES {
            let bytes = HEXLOWER.decode(leaf.as_bytes()).unwrap();
            list.0.borrow_mut().extend(edge.push(record_hash(&bytes)));
        }
        (edge, list)
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        let mut edge = Edge::default();
        assert_eq!(hex(&edge.root()), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            edge.push(record_hash(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
            assert_eq!(hex(&edge.root()), *root);
        }
    }

    #[test]
    fn proofs_are_those_of_rfc_6962() {
        let (edge, list) = reference();
        let path = prove_record(8, 0, &list).unwrap();
        assert_eq!(path.iter().map(hex).collect::<Vec<_>>(), PATH_OF_0_IN_8);
        check_record(&path, 8, edge.root(), 0, record_hash(b"")).unwrap();

        let proof = prove_tree(8, 6, &list).unwrap();
        assert_eq!(proof.iter().map(hex).collect::<Vec<_>>(), FROM_6_TO_8);
        check_tree(&proof, 8, edge.root(), 6, tree_hash(6, &list).unwrap()).unwrap();
    }

    proptest! {
        #[test]
        fn the_edge_writes_what_tlog_stores(leaves in proptest::collection::vec(any::<[u8; 4]>(), 0..200)) {
            let (mut edge, list) = (Edge::default(), List(RefCell::default()));
            for (number, leaf) in leaves.iter().enumerate() {
                prop_assert_eq!(edge.next_index(), list.0.borrow().len() as u64);
                let completed = edge.push(record_hash(leaf));
                prop_assert_eq!(&completed, &tlog_tiles::stored_hashes(number as u64, leaf, &list).unwrap());
                list.0.borrow_mut().extend(completed);
                prop_assert_eq!(edge.root(), tree_hash(edge.size(), &list).unwrap());
            }
        }
    }
}

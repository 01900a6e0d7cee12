//! Copies beside mail that is sealed again or goes meanwhile.

use super::super::copies::copy_container;
use super::*;
use crate::vault::seal::Stored;

impl World {
    fn message_row(&self, number: u32) -> MessageRow {
        let scope = self.vault.records.tenant(self.user.tenant);
        let row = scope.get(&[self.user.user.as_bytes(), &number.to_be_bytes()]).expect("it opens");
        row.expect("a row")
    }

    /// Seals a message again, under other epochs.
    async fn seal_again(&self, number: u32) -> MessageRow {
        let old = self.message_row(number);
        let container = ContainerName::random();
        let new =
            MessageRow { container, sealed: AGAIN.len() as u64, epochs: Some(vec![9; 48]), ..old.clone() };
        let name = BlobName::of_container(container);
        self.vault.blobs.put(&name, Bytes::from_static(AGAIN)).await.expect("a container");
        let stored = Stored::of(&self.vault, new.clone());
        assert!(reseal(&self.vault, self.user, number, old.container, stored).await.expect("sealed again"));
        new
    }

    async fn octets(&self, row: &MessageRow) -> Result<Bytes, BlobError> {
        self.vault.blobs.get(&BlobName::of_container(row.container), 100).await
    }
}

/// Else the copy needs seeds that nobody keeps for it, and an EXPUNGE takes the original.
#[tokio::test]
async fn a_copy_of_what_is_sealed_again_meanwhile_is_of_the_new_container() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    for _ in 0..4 {
        world.deliver().await.expect("delivered");
    }
    let _seen = world.roll(0, inbox).await;
    let mut copies = Vec::new();
    for number in 1..=4 {
        copies.push(copy_container(vault, world.user, number).await.expect("copied").expect("it is there"));
    }
    let first: Vec<MessageRow> = copies.iter().map(|copied| copied.row.clone()).collect();
    let again = world.seal_again(1).await;
    destroy(vault, world.user, &[2], Actor::Nobody, Origin::Internal).await.expect("destroyed");
    shift(vault, shelf, inbox, &[3], FolderId::SENT).await.expect("moved");
    let turn = enter(vault, world.user).await.expect("a turn");
    let placed = turn.place_copies(vault, (shelf.view, inbox), copies, FolderId::ARCHIVE).await;
    drop(turn);
    let pairs = placed.expect("placed");
    let archive = world.roll(0, FolderId::ARCHIVE).await;
    assert!(archive.entries.iter().map(|entry| entry.uid).eq(pairs.iter().map(|(_, uid)| *uid)));
    assert_eq!(pairs.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [world.uids(0, inbox).await[1], 4]);
    let copied = [world.message_row(archive.entries[0].number), world.message_row(archive.entries[1].number)];
    assert_eq!(world.octets(&copied[0]).await.expect("a container"), AGAIN);
    assert_eq!((copied[0].message, &copied[0].epochs), (again.message, &again.epochs));
    assert_eq!(world.octets(&copied[1]).await.expect("a container"), b"sealed"[..]);
    assert_eq!(copied[1].container, first[3].container, "as it was copied");
    // What came to nothing is not left lying about, but for what moved away: a sweep finds that.
    for row in &first[..2] {
        assert!(matches!(world.octets(row).await, Err(BlobError::NotFound)));
    }
}

const AGAIN: &[u8] = b"sealed again";

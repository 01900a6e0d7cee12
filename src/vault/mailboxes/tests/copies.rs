//! Copies beside mail that is sealed again or goes meanwhile.

use super::super::copies::copy_container;
use super::*;
use crate::tenant::rows::UserRow;
use crate::vault::seal::Stored;
use crate::vault::usage;

impl World {
    pub(super) async fn put_user(&self) {
        self.put_user_with(None).await;
    }

    async fn put_user_with(&self, quota: Option<u64>) {
        let row = UserRow {
            login: "ann@a.example".to_owned(),
            created: 1_700_000_000,
            disabled: false,
            owner_slot: Vec::new(),
            totp: Default::default(),
            totp_last_step: None,
            dashboard: None,
            role: None,
            pending: None,
            phrase: None,
            leaving: None,
            quota,
        };
        let mut batch = Batch::new();
        let parts: [&[u8]; 2] = [self.user.tenant.as_bytes(), self.user.user.as_bytes()];
        self.vault.records.tenant(self.user.tenant).put(&mut batch, &parts, &row);
        self.commit(batch).await;
    }

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

#[tokio::test]
async fn copies_have_to_fit() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    for _ in 0..2 {
        world.deliver().await.expect("delivered");
    }
    // 7 octets each in a view, 9 in the mailbox.
    world.put_user_with(Some(30)).await;
    assert_eq!(usage::used(vault, world.user).await.expect("a count"), 18);
    assert_eq!(copy(vault, shelf, inbox, &[1, 2], FolderId::ARCHIVE).await.expect("they fit").len(), 2);
    assert_eq!(usage::used(vault, world.user).await.expect("a count"), 36, "counted at once");
    for uids in [&[1][..], &[1, 2]] {
        let refused = copy(vault, shelf, inbox, uids, FolderId::ARCHIVE).await;
        assert!(matches!(refused, Err(BoxError::OverQuota)), "{refused:?}");
    }
    assert_eq!(world.uids(0, FolderId::ARCHIVE).await.len(), 2);
    assert!(copy(vault, shelf, inbox, &[], FolderId::ARCHIVE).await.expect("none fit anywhere").is_empty());
    world.put_user_with(None).await;
    assert_eq!(copy(vault, shelf, inbox, &[1], FolderId::ARCHIVE).await.expect("no limit").len(), 1);
}

/// What a masked view alone has a second time takes nothing.
#[tokio::test]
async fn what_is_put_apart_needs_no_room() {
    let mut world = World::new().await;
    world.shelves[0].manner = Manner { masked: true, seals_text: true };
    world.deliver().await.expect("delivered");
    world.put_user_with(Some(1)).await;
    let (vault, shelf, inbox) = world.inbox();
    assert_eq!(copy(vault, shelf, inbox, &[1], FolderId::JUNK).await.expect("copied").len(), 1);
}

const AGAIN: &[u8] = b"sealed again";

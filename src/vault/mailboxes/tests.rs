//! The mailboxes against a naive model, under failing commits, and with many at once.

mod folders;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::pages::{Among, Count, Standing, Start, counts, folder_of, page, standings};
use super::*;
use crate::audit::{Actor, Origin};
use crate::keyring::RootKey;
use crate::mailbox::{FlagChange, FlagEdit, Flags};
use crate::names::{ContainerName, MessageId, TenantId, ViewId};
use crate::policy::OnDelete;
use crate::store::blobs::BlobName;
use crate::store::ledger::{
    Batch, Expectation, Ledger, LedgerError, Options, Pending, RedbLedger, Subscription, Visitor,
};
use crate::tenant::rows::{HiddenRow, ViewEntry};
use crate::vault::masked::Manner;
use crate::vault::testing::vault_over;

mod copies;
mod junk;

/// A ledger whose commits fail on demand.
struct Flaky {
    inner: RedbLedger,
    fails: AtomicBool,
}

impl Ledger for Flaky {
    fn commit(&self, mut batch: Batch) -> Pending {
        if self.fails.load(Ordering::Relaxed) {
            batch.require(b"nothing is here".as_slice(), Expectation::Present);
        }
        self.inner.commit(batch)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.inner.get(key)
    }

    fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
        self.inner.visit(prefix, from, visit)
    }

    fn watch(&self, prefix: &[u8]) -> Subscription {
        self.inner.watch(prefix)
    }
}

/// A vault with one user and two views.
struct World {
    vault: Vault,
    ledger: Arc<Flaky>,
    user: UserRef,
    shelves: [Shelf; 2],
    root: Arc<RootKey>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        let ledger = Arc::new(Flaky { inner, fails: AtomicBool::new(false) });
        let root = Arc::new(RootKey::generate());
        let vault = vault_over(folder.path(), ledger.clone(), root.clone());
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let shelf = |generation| Shelf {
            user,
            view: ViewId::random(),
            generation,
            policy: String::new(),
            rendering: None,
            manner: Manner { masked: false, seals_text: false },
        };
        let world = Self { vault, ledger, user, shelves: [shelf(1), shelf(2)], root, folder };
        world.put_user().await;
        for shelf in &world.shelves {
            world.put_view(shelf).await;
        }
        world
    }

    async fn put_view(&self, shelf: &Shelf) {
        self.put_shifted(shelf, 0).await;
    }

    async fn put_shifted(&self, shelf: &Shelf, shift: u32) {
        let row = ViewRow {
            name: shelf.view.to_string(),
            tenant: self.user.tenant,
            policy: String::new(),
            generation: shelf.generation,
            created: 1_700_000_000,
            for_owner: Vec::new(),
            uid_shift: Some(shift).filter(|shift| *shift > 0),
            rendering: None,
            unfilled: None,
        };
        let mut batch = Batch::new();
        let parts: [&[u8]; 2] = [self.user.user.as_bytes(), shelf.view.as_bytes()];
        self.vault.records.tenant(self.user.tenant).put(&mut batch, &parts, &row);
        self.commit(batch).await;
    }

    async fn commit(&self, batch: Batch) {
        let _committed = self.vault.records.commit(batch).await.expect("committed");
    }

    /// A message that both views have.
    fn row(&self) -> MessageRow {
        let entry = |shelf: &Shelf| ViewEntry {
            view: shelf.view,
            generation: shelf.generation,
            octets: 7,
            nature: Some(if shelf.manner.seals_text { ViewEntry::TEXT_SEALED } else { 0 }),
        };
        MessageRow {
            message: MessageId::random(),
            container: ContainerName::random(),
            digest: [0; 32],
            sealed: 6,
            received: 1_700_000_000,
            octets: 9,
            trashed: false,
            views: self.shelves.iter().map(entry).collect(),
            mod_seq: None,
            copy: None,
            epochs: None,
        }
    }

    async fn deliver(&self) -> Result<u32, RecordError> {
        let row = self.row();
        let name = BlobName::of_container(row.container);
        self.vault.blobs.put(&name, Bytes::from_static(b"sealed")).await.expect("a container");
        Ok(self.vault.mailboxes.add(&self.vault.records, self.user, row).await?.0)
    }

    async fn roll(&self, view: usize, folder: FolderId) -> Roll {
        ready(roll(&self.vault, &self.shelves[view], folder).await.expect("a roll"))
    }

    async fn uids(&self, view: usize, folder: FolderId) -> Vec<u32> {
        self.roll(view, folder).await.entries.iter().map(|entry| entry.uid).collect()
    }

    fn inbox(&self) -> (&Vault, &Shelf, FolderId) {
        (&self.vault, &self.shelves[0], FolderId::INBOX)
    }

    /// Another vault over the same ledger, as after a restart.
    fn again(&self) -> Vault {
        vault_over(self.folder.path(), self.ledger.clone(), self.root.clone())
    }
}

fn ready(state: RollState) -> Roll {
    match state {
        RollState::Ready(roll) => roll,
        other => panic!("not ready: {other:?}"),
    }
}

fn change(edit: FlagEdit, system: Flags, keywords: &[&str]) -> FlagChange {
    FlagChange { edit, system, keywords: keywords.iter().map(|&name| name.to_owned()).collect() }
}

fn deletion(on_delete: OnDelete) -> Deletion {
    Deletion { on_delete, actor: Actor::Nobody, origin: Origin::Internal }
}

/// Entries with the names of their keywords, which two loads may number apart.
fn told(roll: &Roll) -> Vec<(u32, u32, u8, BTreeSet<String>, u64, i64)> {
    let told = |entry: &crate::mailbox::Entry| {
        let named = entry.flags.keywords().filter_map(|number| roll.keywords.name(number));
        let names = named.map(str::to_owned).collect();
        (entry.uid, entry.number, entry.flags.bits(), names, entry.mod_seq, entry.saved)
    };
    roll.entries.iter().map(told).collect()
}

/// What a client holds: it believes what rolls tell, and checks that nothing is told that cannot be.
#[derive(Default)]
struct Client {
    roll: Option<Roll>,
    highest_uid: u32,
}

impl Client {
    fn sees(&mut self, new: Roll) {
        let highest = self.highest_uid;
        if let Some(old) = &self.roll {
            assert_eq!(old.uid_validity, new.uid_validity);
            assert!(new.highest_mod_seq >= old.highest_mod_seq && new.uid_next >= old.uid_next);
            let news = new.since(old);
            let mut expected: BTreeMap<u32, _> =
                old.entries.iter().map(|entry| (entry.uid, *entry)).collect();
            news.vanished.iter().for_each(|uid| assert!(expected.remove(uid).is_some()));
            for entry in &new.entries {
                match expected.insert(entry.uid, *entry) {
                    None => assert!(news.arrived && entry.uid > highest, "{} after {highest}", entry.uid),
                    Some(old) if old.mod_seq != entry.mod_seq => assert!(news.changed.contains(&entry.uid)),
                    Some(old) => assert_eq!(old.flags, entry.flags),
                }
            }
            assert!(expected.into_values().eq(new.entries.iter().copied()), "all that is gone is told");
        }
        for entry in &new.entries {
            assert!(entry.mod_seq <= new.highest_mod_seq && entry.uid < new.uid_next);
            self.highest_uid = self.highest_uid.max(entry.uid);
        }
        assert!(new.entries.iter().map(|entry| entry.uid).is_sorted_by(|one, other| one < other));
        self.roll = Some(new);
    }
}

#[tokio::test]
async fn a_message_is_flagged_moved_copied_and_hidden() {
    let world = World::new().await;
    assert_eq!(world.deliver().await.expect("delivered"), 1);
    let (vault, shelf, inbox) = world.inbox();
    let first = world.roll(0, inbox).await;
    assert_eq!((first.entries.len(), first.uid_validity), (1, 1_700_000_001));
    let flags = change(FlagEdit::Add, Flags::SEEN, &["$Forwarded"]);
    let modified = set_flags(vault, shelf, inbox, &[1, 99], &flags, Some(first.highest_mod_seq)).await;
    assert_eq!(modified.expect("flagged"), [0; 0]);
    let second = world.roll(1, inbox).await;
    let flagged = second.entries[0].flags;
    assert!(flagged.contains(Flags::SEEN) && second.keywords.find("$forwarded").is_some());
    let modified = set_flags(vault, shelf, inbox, &[1], &flags, Some(first.highest_mod_seq)).await;
    assert_eq!(modified.expect("an answer"), [1], "it changed since");
    let copied = copy(vault, shelf, inbox, &[1], FolderId::ARCHIVE).await.expect("copied");
    assert_eq!(copied, [(1, 2)]);
    let archive = world.roll(0, FolderId::ARCHIVE).await;
    assert_eq!((archive.entries[0].flags, archive.entries[0].message), (flagged, first.entries[0].message));
    let moved = shift(vault, shelf, FolderId::ARCHIVE, &[2], FolderId::SENT).await.expect("moved");
    assert_eq!(moved, [(2, 3)]);
    assert!(world.uids(0, FolderId::ARCHIVE).await.is_empty());
    assert_eq!(folder_of(vault, world.user, 2).await.expect("an answer"), Some(FolderId::SENT));
    delete(vault, shelf, FolderId::SENT, &[3], deletion(OnDelete::Hide)).await.expect("hidden");
    // There is the first one yet, so the copy is gone from all views.
    assert!(world.uids(1, FolderId::SENT).await.is_empty());
    delete(vault, shelf, inbox, &[1], deletion(OnDelete::Hide)).await.expect("hidden");
    assert!(world.uids(0, inbox).await.is_empty());
    assert_eq!(world.uids(1, inbox).await, [1], "another view has it still");
    assert_eq!(counts(vault, world.user, None).await.expect("counts")[&inbox].messages, 1);
}

#[tokio::test]
async fn an_owner_marks_by_number_and_each_view_is_counted_by_itself() {
    let world = World::new().await;
    let (vault, user) = (&world.vault, world.user);
    let mut hidden = world.row();
    hidden.views.retain(|entry| entry.view == world.shelves[1].view);
    let _added = vault.mailboxes.add(&vault.records, user, hidden).await.expect("added");
    for _ in 0..2 {
        world.deliver().await.expect("delivered");
    }
    let seen = change(FlagEdit::Add, Flags::SEEN, &[]);
    flag(vault, user, &[1, 3, 3, 99], &seen).await.expect("flagged");
    let before = world.roll(1, FolderId::INBOX).await;
    flag(vault, user, &[1, 3], &seen).await.expect("flagged");
    let after = world.roll(1, FolderId::INBOX).await;
    assert_eq!(before.highest_mod_seq, after.highest_mod_seq, "what stays as it is changes nothing");
    relocate(vault, user, &[3], FolderId::ARCHIVE).await.expect("moved");
    let at = |folder, flags| Some(Standing { folder, flags });
    let expected = [
        at(FolderId::ARCHIVE, Flags::SEEN),
        None,
        at(FolderId::INBOX, Flags::none()),
        at(FolderId::INBOX, Flags::SEEN),
    ];
    for vault in [vault, &world.again()] {
        assert_eq!(standings(vault, user, &[3, 99, 2, 1]).await.expect("standings"), expected);
        for (view, messages) in
            [(None, 2), (Some(world.shelves[1].view), 2), (Some(world.shelves[0].view), 1)]
        {
            let counted = counts(vault, user, view).await.expect("counts");
            assert_eq!(counted[&FolderId::INBOX], Count { messages, unseen: 1 });
            assert_eq!(counted[&FolderId::ARCHIVE], Count { messages: 1, unseen: 0 });
        }
    }
}

#[tokio::test]
async fn the_trash_and_destruction() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    for _ in 0..3 {
        world.deliver().await.expect("delivered");
    }
    delete(vault, shelf, inbox, &[1, 2], deletion(OnDelete::Trash)).await.expect("thrown away");
    assert_eq!(world.uids(1, FolderId::TRASH).await, [4, 5]);
    delete(vault, shelf, FolderId::TRASH, &[4], deletion(OnDelete::Trash)).await.expect("hidden");
    assert_eq!(world.uids(0, FolderId::TRASH).await, [5]);
    assert_eq!(world.uids(1, FolderId::TRASH).await, [4, 5]);
    let (_, row) =
        page(vault, world.user, Among::default(), Start::Before(3), 1).await.expect("a page")[0].clone();
    delete(vault, shelf, FolderId::TRASH, &[5], deletion(OnDelete::Delete)).await.expect("destroyed");
    assert_eq!(world.uids(1, FolderId::TRASH).await, [4]);
    let gone = vault.blobs.get(&BlobName::of_container(row.container), 9).await;
    assert!(matches!(gone, Err(BlobError::NotFound)));
    assert_eq!(vault.audit.size(world.user.tenant).await.expect("a log"), 1, "the log says so");
    let trash = Among { folder: Some(FolderId::TRASH), view: None };
    let page = page(vault, world.user, trash, Start::Newest, 10).await.expect("a page");
    assert_eq!(page.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_copy_shares_nothing_that_a_deletion_takes() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    world.deliver().await.expect("delivered");
    copy(vault, shelf, inbox, &[1], FolderId::ARCHIVE).await.expect("copied");
    // The copy is hidden from the other view, so the first is not spare.
    delete(vault, &world.shelves[1], FolderId::ARCHIVE, &[2], deletion(OnDelete::Trash))
        .await
        .expect("moved");
    delete(vault, shelf, inbox, &[1], deletion(OnDelete::Hide)).await.expect("hidden");
    assert_eq!(world.uids(1, inbox).await, [1]);
    destroy(vault, world.user, &[1], Actor::Nobody, Origin::Internal).await.expect("destroyed");
    assert_eq!(vault.audit.size(world.user.tenant).await.expect("a log"), 0, "the message is still there");
    let (_, row) =
        page(vault, world.user, Among::default(), Start::Newest, 1).await.expect("a page")[0].clone();
    assert_eq!(vault.blobs.get(&BlobName::of_container(row.container), 9).await.expect("there"), "sealed");
}

#[tokio::test]
async fn old_rows_are_where_they_were() {
    let world = World::new().await;
    let mut batch = Batch::new();
    let scope = world.vault.records.tenant(world.user.tenant);
    let user = world.user.user;
    for (number, trashed) in [(1_u32, false), (2, true), (3, false)] {
        let row = MessageRow { trashed, ..world.row() };
        scope.put(&mut batch, &[user.as_bytes(), &number.to_be_bytes()], &row);
    }
    scope.put(&mut batch, &[world.shelves[0].view.as_bytes(), &3_u32.to_be_bytes()], &HiddenRow { at: 0 });
    let reserved = crate::tenant::rows::MailboxRow { reserved: 65, mod_seqs: None, next: None, floor: None };
    scope.put(&mut batch, &[user.as_bytes()], &reserved);
    world.commit(batch).await;
    assert_eq!(world.uids(0, FolderId::INBOX).await, [1]);
    assert_eq!(world.uids(1, FolderId::INBOX).await, [1, 3]);
    let trash = world.roll(0, FolderId::TRASH).await;
    assert_eq!((trash.entries[0].uid, trash.entries[0].mod_seq, trash.highest_mod_seq), (2, 1, 1));
    relocate(&world.vault, world.user, &[2], FolderId::INBOX).await.expect("moved");
    assert_eq!(world.uids(0, FolderId::INBOX).await, [1, 65]);
    assert_eq!(world.deliver().await.expect("delivered"), 66);
    assert_eq!(
        ready(roll(&world.again(), &world.shelves[0], FolderId::INBOX).await.expect("a roll")).entries.len(),
        3
    );
}

#[tokio::test]
async fn messages_of_an_older_rendering_are_sized_first() {
    let world = World::new().await;
    world.deliver().await.expect("delivered");
    world.deliver().await.expect("delivered");
    let newer = Shelf { generation: 2, ..world.shelves[0].clone() };
    assert_eq!(world.uids(0, FolderId::INBOX).await, [1, 2]);
    world.put_view(&newer).await;
    let state = roll(&world.vault, &newer, FolderId::INBOX).await.expect("a state");
    let RollState::Unsized(numbers) = state else { panic!("sized") };
    assert_eq!(numbers, [1, 2]);
    sized(&world.vault, &newer, &[(1, Size::LeftOut), (2, Size::Octets(5))]);
    let rendered = ready(roll(&world.vault, &newer, FolderId::INBOX).await.expect("a roll"));
    assert_eq!(rendered.uid_validity, 1_700_000_002);
    assert_eq!(rendered.entries.iter().map(|entry| (entry.uid, entry.octets)).collect::<Vec<_>>(), [(2, 5)]);
    let old = roll(&world.vault, &world.shelves[0], FolderId::INBOX).await.expect("a state");
    assert!(matches!(old, RollState::Changed));
    // Sizes are kept for the next time.
    world.deliver().await.expect("delivered");
    let state = roll(&world.again(), &newer, FolderId::INBOX).await.expect("a state");
    assert!(matches!(state, RollState::Unsized(numbers) if numbers == [3]));
    // While the third waits, nobody sees a fourth one that came after it.
    world.deliver().await.expect("delivered");
    let state = roll(&world.vault, &newer, FolderId::INBOX).await.expect("a state");
    assert!(matches!(state, RollState::Unsized(numbers) if numbers == [3, 4]));
}

#[tokio::test]
async fn folders_are_made_named_and_removed() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    let user = world.user;
    let deep = create_folder(vault, user, "Work/2026/May").await.expect("made");
    assert!(matches!(create_folder(vault, user, "Work/2026").await, Err(BoxError::Exists)));
    assert!(matches!(create_folder(vault, user, "Sent").await, Err(BoxError::Exists)));
    let paths =
        |list: Vec<crate::mailbox::Folder>| list.into_iter().map(|folder| folder.path).collect::<Vec<_>>();
    let all = ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Work", "Work/2026", "Work/2026/May"];
    assert_eq!(paths(folders(vault, user).await.expect("a list")), all);
    let list = folders(&world.again(), user).await.expect("a list");
    let work = list.iter().find(|folder| folder.path == "Work").expect("made on the way").id;
    assert!(matches!(
        remove_folder(vault, shelf, work, deletion(OnDelete::Hide)).await,
        Err(BoxError::HasChildren)
    ));
    assert!(matches!(rename_folder(vault, shelf, work, "Work/2026/x").await, Err(BoxError::Fixed)));
    assert!(matches!(rename_folder(vault, shelf, FolderId::SENT, "x").await, Err(BoxError::Fixed)));
    rename_folder(vault, shelf, work, "Old/Job").await.expect("renamed");
    let renamed =
        ["INBOX", "Archive", "Drafts", "Junk", "Old", "Old/Job", "Old/Job/2026", "Old/Job/2026/May"];
    assert_eq!(paths(folders(&world.again(), user).await.expect("a list"))[..8], renamed);
    subscribe(vault, user, "Sent", false).await.expect("no longer");
    subscribe(vault, user, "Old/Job/2026/May", true).await.expect("subscribed");
    let list = folders(&world.again(), user).await.expect("a list");
    let subscribed = |id| list.iter().find(|folder| folder.id == id).expect("there").subscribed;
    assert!(!subscribed(FolderId::SENT) && subscribed(FolderId::DRAFTS) && subscribed(deep));
    // Its messages are hidden from the view, and the archive has them for everybody else.
    world.deliver().await.expect("delivered");
    world.deliver().await.expect("delivered");
    shift(vault, shelf, inbox, &world.uids(0, inbox).await, deep).await.expect("moved");
    assert!(matches!(shift(vault, shelf, deep, &[1], FolderId(9)).await, Err(BoxError::NoFolder) | Ok(_)));
    remove_folder(vault, shelf, deep, deletion(OnDelete::Hide)).await.expect("removed");
    assert!(matches!(roll(vault, shelf, deep).await, Err(BoxError::NoFolder)));
    assert!(world.uids(0, FolderId::ARCHIVE).await.is_empty());
    assert_eq!(world.uids(1, FolderId::ARCHIVE).await.len(), 2);
    // INBOX stays when it is renamed; what the view has in it goes.
    world.deliver().await.expect("delivered");
    rename_folder(vault, shelf, inbox, "Before").await.expect("renamed");
    assert!(world.uids(1, inbox).await.is_empty());
    let list = folders(vault, user).await.expect("a list");
    let before = list.iter().find(|folder| folder.path == "Before").expect("made").id;
    assert_eq!(world.uids(1, before).await.len(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_no_gap_that_holds_up_others() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    world.deliver().await.expect("delivered");
    world.roll(0, inbox).await;
    let mut news = watch(vault, world.user);
    let fails = |fails| world.ledger.fails.store(fails, Ordering::Relaxed);
    let seen = change(FlagEdit::Add, Flags::SEEN, &[]);
    fails(true);
    assert!(world.deliver().await.is_err());
    assert!(set_flags(vault, shelf, inbox, &[1], &seen, None).await.is_err());
    assert!(shift(vault, shelf, inbox, &[1], FolderId::JUNK).await.is_err());
    fails(false);
    assert!(!news.has_changed().expect("there"), "nothing has changed");
    let last = world.deliver().await.expect("delivered");
    tokio::time::timeout(Duration::from_secs(10), news.changed()).await.expect("woken").expect("there");
    assert_eq!(world.uids(0, inbox).await, [1, last]);
    assert_eq!(world.roll(0, inbox).await.entries[0].flags, Flags::none());
    set_flags(vault, shelf, inbox, &[1, last], &seen, None).await.expect("flagged");
}

#[tokio::test]
async fn a_reservation_that_failed_is_made_again_by_the_next_message() {
    let world = World::new().await;
    let mut last = 0;
    for failing in 0..numbers::STEP + 10 {
        let mailboxes = Mailboxes::default();
        for message in 0..numbers::STEP + 12 {
            world.ledger.fails.store(message == failing, Ordering::Relaxed);
            if let Ok((uid, _committed)) = mailboxes.add(&world.vault.records, world.user, world.row()).await
            {
                assert!(uid > last, "{uid} after {last}: message {message}, of which {failing} fails");
                last = uid;
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_loses_no_change_and_holds_up_nobody() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    world.deliver().await.expect("delivered");
    world.roll(0, inbox).await;
    for round in 0..20_u32 {
        let flags = change(FlagEdit::Replace, Flags::none(), &[&format!("k{round}")]);
        let mut request = Box::pin(set_flags(vault, shelf, inbox, &[1], &flags, None));
        for _ in 0..round {
            if futures::poll!(request.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(request);
    }
    let seen = change(FlagEdit::Add, Flags::SEEN, &[]);
    set_flags(vault, shelf, inbox, &[1], &seen, None).await.expect("flagged");
    let fresh = ready(roll(&world.again(), shelf, inbox).await.expect("a roll"));
    assert_eq!(told(&world.roll(0, inbox).await), told(&fresh));
}

#[tokio::test]
async fn a_uid_that_was_reserved_for_a_move_waits_for_it() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    world.deliver().await.expect("delivered");
    world.roll(0, inbox).await;
    let turn = enter(vault, shelf.user).await.expect("a turn");
    let slot = turn.draw(1).expect("numbers");
    // Durable, and told to its sender; but a client that saw it now would never see what comes before it.
    let later = world.deliver().await.expect("delivered");
    assert!(later > slot.numbers.start);
    assert_eq!(world.uids_now(inbox), [1]);
    drop(slot);
    assert_eq!(world.uids_now(inbox), [1, later]);
}

impl World {
    /// What the picture has, with nobody's turn taken.
    fn uids_now(&self, folder: FolderId) -> Vec<u32> {
        let mailbox = self.vault.mailboxes.of(self.user);
        let view = self.shelves[0].view;
        let uids = |picture: &mut Picture| match picture.roll(view, folder) {
            Some(Ok(roll)) => roll.entries.iter().map(|entry| entry.uid).collect(),
            _ => Vec::new(),
        };
        mailbox.look(uids).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_see_everything_in_order() {
    let world = Arc::new(World::new().await);
    world.deliver().await.expect("delivered");
    let watcher = {
        let world = world.clone();
        tokio::spawn(async move {
            let mut news = watch(&world.vault, world.user);
            let (mut client, mut archive) = (Client::default(), Client::default());
            while !news.borrow_and_update().eq(&u64::MAX) {
                client.sees(world.roll(0, FolderId::INBOX).await);
                archive.sees(world.roll(1, FolderId::ARCHIVE).await);
                let arrived = client.highest_uid.max(archive.highest_uid);
                if arrived > 0 && archive.roll.as_ref().is_some_and(|roll| roll.entries.len() == 40) {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_secs(20), news.changed()).await.expect("woken");
            }
        })
    };
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    world.deliver().await.expect("delivered");
                }
            })
        })
        .collect();
    let movers: Vec<_> = (0..2)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut moved = 0;
                while moved < 20 {
                    let uids: Vec<u32> = world.uids(0, FolderId::INBOX).await.into_iter().take(1).collect();
                    let (vault, shelf, inbox) = world.inbox();
                    let flags = change(FlagEdit::Add, Flags::SEEN, &["moved"]);
                    set_flags(vault, shelf, inbox, &uids, &flags, None).await.expect("flagged");
                    moved += shift(vault, shelf, inbox, &uids, FolderId::ARCHIVE).await.expect("moved").len();
                }
            })
        })
        .collect();
    for task in senders.into_iter().chain(movers) {
        task.await.expect("done");
    }
    tokio::time::timeout(Duration::from_secs(30), watcher).await.expect("in time").expect("in order");
    let fresh = world.again();
    for folder in [FolderId::INBOX, FolderId::ARCHIVE] {
        let kept = world.roll(0, folder).await;
        let loaded = ready(roll(&fresh, &world.shelves[0], folder).await.expect("a roll"));
        assert_eq!(told(&kept), told(&loaded));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_arrives_while_the_picture_is_loaded_is_in_it_once() {
    let world = Arc::new(World::new().await);
    let mut sent = BTreeSet::new();
    for _ in 0..30 {
        let sender = {
            let world = world.clone();
            tokio::spawn(async move {
                let mut uids = Vec::new();
                for _ in 0..4 {
                    uids.push(world.deliver().await.expect("delivered"));
                }
                uids
            })
        };
        world.vault.mailboxes.of(world.user).rest();
        let mut client = Client::default();
        client.sees(world.roll(0, FolderId::INBOX).await);
        sent.extend(sender.await.expect("sent"));
        client.sees(world.roll(0, FolderId::INBOX).await);
        assert_eq!(world.uids(0, FolderId::INBOX).await, sent.iter().copied().collect::<Vec<_>>());
    }
}

/// What somebody does to the mailbox.
#[derive(Clone, Debug)]
enum Deed {
    Deliver,
    Flag(FlagEdit, u8, Option<u8>, usize),
    Move(usize, usize, usize),
    Copy(usize, usize, usize),
    Delete(usize, usize, OnDelete),
    /// The commit of the next one fails.
    Fail,
    /// The picture is let go.
    Rest,
}

fn deed() -> impl Strategy<Value = Deed> {
    let edit = prop::sample::select(vec![FlagEdit::Replace, FlagEdit::Add, FlagEdit::Remove]);
    let on_delete = prop::sample::select(vec![OnDelete::Hide, OnDelete::Trash, OnDelete::Delete]);
    prop_oneof![
        4 => Just(Deed::Deliver),
        3 => (edit, 0..32_u8, prop::option::of(0..4_u8), 0..8_usize)
            .prop_map(|(edit, bits, keyword, of)| Deed::Flag(edit, bits, keyword, of)),
        3 => (0..3_usize, 0..3_usize, 0..8_usize).prop_map(|(from, to, of)| Deed::Move(from, to, of)),
        2 => (0..3_usize, 0..3_usize, 0..8_usize).prop_map(|(from, to, of)| Deed::Copy(from, to, of)),
        2 => (0..3_usize, 0..8_usize, on_delete).prop_map(|(from, of, how)| Deed::Delete(from, of, how)),
        1 => Just(Deed::Fail),
        1 => Just(Deed::Rest),
    ]
}

/// UIDs with flags and keywords, by folder, as the first view has them.
type Model = [BTreeMap<u32, (u8, BTreeSet<String>)>; 3];

const PLACES: [FolderId; 3] = [FolderId::INBOX, FolderId::ARCHIVE, FolderId::TRASH];

async fn act(world: &World, model: &mut Model, deed: &Deed) -> Result<(), BoxError> {
    let (vault, shelf) = (&world.vault, &world.shelves[0]);
    // A message, and one that is not there.
    let pick = |model: &Model, from: usize, of: usize| -> Vec<u32> {
        model[from].keys().copied().cycle().skip(of).take(1).chain([9_999]).collect()
    };
    match deed {
        Deed::Deliver => {
            let uid = world.deliver().await?;
            model[0].insert(uid, (0, BTreeSet::new()));
        }
        Deed::Flag(edit, bits, keyword, of) => {
            let uids = pick(model, 0, *of);
            let names: Vec<String> = keyword.iter().map(|number| format!("k{number}")).collect();
            let named = FlagChange { edit: *edit, system: Flags::from_bits(*bits), keywords: names.clone() };
            set_flags(vault, shelf, PLACES[0], &uids, &named, None).await?;
            if let Some((known, keywords)) = model[0].get_mut(&uids[0]) {
                match edit {
                    FlagEdit::Replace => (*known, *keywords) = (*bits, names.into_iter().collect()),
                    FlagEdit::Add => (*known, _) = (*known | bits, keywords.extend(names)),
                    FlagEdit::Remove => {
                        *known &= !bits;
                        keywords.retain(|name| !names.contains(name));
                    }
                }
            }
        }
        Deed::Move(from, to, of) => {
            let uids = pick(model, *from, *of);
            for (old, new) in shift(vault, shelf, PLACES[*from], &uids, PLACES[*to]).await? {
                let flags = model[*from].remove(&old).expect("the view had it");
                model[*to].insert(new, flags);
            }
        }
        Deed::Copy(from, to, of) => {
            let uids = pick(model, *from, *of);
            for (old, new) in copy(vault, shelf, PLACES[*from], &uids, PLACES[*to]).await? {
                let flags = model[*from][&old].clone();
                model[*to].insert(new, flags);
            }
        }
        Deed::Delete(from, of, how) => {
            let uids = pick(model, *from, *of);
            let before: BTreeSet<u32> = model[2].keys().copied().collect();
            delete(vault, shelf, PLACES[*from], &uids, deletion(*how)).await?;
            if let Some(flags) = model[*from].remove(&uids[0])
                && (*how, *from != 2) == (OnDelete::Trash, true)
            {
                let trash = world.uids(0, FolderId::TRASH).await;
                let new = trash.into_iter().find(|uid| !before.contains(uid)).expect("it is in the trash");
                model[2].insert(new, flags);
            }
        }
        Deed::Fail | Deed::Rest => {}
    }
    Ok(())
}

async fn play(deeds: Vec<Deed>) {
    let world = World::new().await;
    let mut model = Model::default();
    let mut clients: [Client; 3] = Default::default();
    let mut fails = false;
    for deed in deeds {
        world.ledger.fails.store(fails, Ordering::Relaxed);
        // One that changes nothing does not notice.
        let before = model.clone();
        if act(&world, &mut model, &deed).await.is_err() {
            assert!(fails);
            model = before;
        }
        world.ledger.fails.store(false, Ordering::Relaxed);
        fails = matches!(deed, Deed::Fail);
        if matches!(deed, Deed::Rest) {
            world.vault.mailboxes.of(world.user).rest();
            // Whoever watches keeps the picture, and with it the numbers of keywords.
            clients.iter_mut().for_each(|client| client.roll = None);
        }
        for (place, folder) in PLACES.into_iter().enumerate() {
            clients[place].sees(world.roll(0, folder).await);
        }
    }
    let fresh = world.again();
    for (place, folder) in PLACES.into_iter().enumerate() {
        let kept = world.roll(0, folder).await;
        let modelled =
            |(uid, _, bits, names, ..): (u32, u32, u8, BTreeSet<String>, u64, i64)| (uid, (bits, names));
        assert!(told(&kept).into_iter().map(modelled).eq(model[place].clone()), "{folder:?}");
        for shelf in &world.shelves {
            let kept = ready(roll(&world.vault, shelf, folder).await.expect("a roll"));
            let loaded = ready(roll(&fresh, shelf, folder).await.expect("a roll"));
            assert_eq!(told(&kept), told(&loaded));
            assert!(loaded.highest_mod_seq >= kept.highest_mod_seq);
            assert_eq!(loaded.uid_next, kept.uid_next);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn the_picture_is_what_the_ledger_and_a_naive_model_say(deeds in prop::collection::vec(deed(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(deeds));
    }
}

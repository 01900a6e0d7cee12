//! Folders that come again, names that outlive them, and the numbers of their messages.

use super::*;

/// RFC 9051 §6.3.7: the name stays subscribed to, until a client says otherwise.
#[tokio::test]
async fn subscriptions_outlive_their_folders() {
    let world = World::new().await;
    let (vault, shelf, _) = world.inbox();
    let user = world.user;
    let gone = async |path: &str| {
        let list = folders(vault, user).await.expect("a list");
        let folder = list.iter().find(|folder| folder.path == path).expect("there").id;
        remove_folder(vault, shelf, folder, deletion(OnDelete::Hide)).await.expect("removed");
    };
    for path in ["a", "b", "c"] {
        create_folder(vault, user, path).await.expect("made");
    }
    assert!(matches!(subscribe(vault, user, "none", true).await, Err(BoxError::NoFolder)));
    subscribe(vault, user, "none", false).await.expect("nothing to end");
    subscribe(vault, user, "a", true).await.expect("subscribed");
    subscribe(vault, user, "b", true).await.expect("subscribed");
    for path in ["a", "b", "c"] {
        gone(path).await;
    }
    for vault in [vault, &world.again()] {
        assert_eq!(bare_subscriptions(vault, user).await.expect("a list"), ["a", "b"]);
        assert_eq!(folders(vault, user).await.expect("a list").len(), 6);
    }
    subscribe(vault, user, "a", true).await.expect("as it is");
    subscribe(vault, user, "b", false).await.expect("no longer");
    assert_eq!(bare_subscriptions(vault, user).await.expect("a list"), ["a"]);
    // Whoever gets the name is subscribed to, made or renamed.
    let again = create_folder(vault, user, "a").await.expect("made");
    let is_subscribed = async |folder| {
        let list = folders(&world.again(), user).await.expect("a list");
        list.into_iter().any(|one| one.id == folder && one.subscribed)
    };
    assert!(is_subscribed(again).await && bare_subscriptions(vault, user).await.expect("a list").is_empty());
    gone("a").await;
    let other = create_folder(vault, user, "other").await.expect("made");
    rename_folder(vault, shelf, other, "a").await.expect("renamed");
    assert!(is_subscribed(other).await && bare_subscriptions(vault, user).await.expect("a list").is_empty());
    rename_folder(vault, shelf, other, "moved").await.expect("renamed");
    assert!(is_subscribed(other).await);
}

/// RFC 9051 §2.3.1.1.
#[tokio::test]
async fn a_folder_that_is_made_again_is_another_one() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    let mut validities = Vec::new();
    let mut uid_next = 0;
    for round in 0..3 {
        let folder = create_folder(vault, world.user, "again").await.expect("made");
        let empty = world.roll(0, folder).await;
        assert!(empty.uid_next >= uid_next, "{} after {uid_next}", empty.uid_next);
        world.deliver().await.expect("delivered");
        shift(vault, shelf, inbox, &world.uids(0, inbox).await, folder).await.expect("moved");
        let roll = world.roll(0, folder).await;
        validities.push(roll.uid_validity);
        uid_next = roll.uid_next;
        match round {
            0 => remove_folder(vault, shelf, folder, deletion(OnDelete::Hide)).await.expect("removed"),
            _ => rename_folder(vault, shelf, folder, &format!("away {round}")).await.expect("renamed"),
        }
        if round > 0 {
            assert_eq!(
                world.roll(0, folder).await.uid_validity,
                roll.uid_validity,
                "a new name, no new folder"
            );
        }
    }
    assert!(validities.is_sorted_by(|one, next| one < next), "{validities:?}");
    let given = world.roll(0, inbox).await.uid_validity;
    assert!(!validities.contains(&given));
}

/// Whatever happened before, a restart changes UIDNEXT in no folder, and no UID is given twice.
#[tokio::test]
async fn a_restart_changes_no_uid_next() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    let (archive, sent) = (FolderId::ARCHIVE, FolderId::SENT);
    let check = async |what: &str| {
        let mut nexts = Vec::new();
        for vault in [&world.vault, &world.again()] {
            for folder in [inbox, archive, sent] {
                nexts.push(ready(roll(vault, &world.shelves[0], folder).await.expect("a roll")).uid_next);
            }
        }
        assert_eq!(nexts[..3], nexts[3..], "{what}");
        nexts[..3].to_vec()
    };
    assert_eq!(check("nothing was ever there").await, [1, 1, 1]);
    for _ in 0..5 {
        world.deliver().await.expect("delivered");
    }
    assert_eq!(check("mail came").await, [6, 1, 1]);
    create_folder(vault, world.user, "x").await.expect("made");
    assert_eq!(check("a folder was made").await, [6, 1, 1]);
    let moved = shift(vault, shelf, inbox, &[5], archive).await.expect("moved")[0].1;
    assert_eq!(check("the newest was moved").await, [6, moved + 1, 1]);
    delete(vault, shelf, archive, &[moved], deletion(OnDelete::Delete)).await.expect("destroyed");
    assert_eq!(check("it was destroyed").await, [6, moved + 1, 1]);
    delete(vault, shelf, inbox, &[3, 4], deletion(OnDelete::Hide)).await.expect("hidden");
    assert_eq!(check("some were hidden").await, [6, moved + 1, 1]);
    delete(vault, shelf, inbox, &[1, 2], deletion(OnDelete::Delete)).await.expect("destroyed");
    // Numbers go on where they ended, after a restart too.
    let again = world.again();
    let row = world.row();
    let (number, _) = again.mailboxes.add(&again.records, world.user, row).await.expect("delivered");
    assert_eq!(number, moved + 1);
}

/// UIDNEXT of each view is a function of what the view has: mail that is left out of it neither holds it where it
/// is nor moves it, before a restart and after it.
#[tokio::test]
async fn uid_next_is_the_views_own() {
    let world = World::new().await;
    let (vault, shelf, inbox) = world.inbox();
    let other = world.shelves[1].clone();
    for number in 1..=7 {
        let mut row = world.row();
        // The first view does not have 5, the second one neither 6 nor 7.
        row.views.retain(|entry| match number {
            5 => entry.view != shelf.view,
            6 | 7 => entry.view != other.view,
            _ => true,
        });
        let name = BlobName::of_container(row.container);
        vault.blobs.put(&name, Bytes::from_static(b"sealed")).await.expect("a container");
        let _added = vault.mailboxes.add(&vault.records, world.user, row).await.expect("delivered");
    }
    let check = async |what: &str, expected: [u32; 2]| {
        for vault in [&world.vault, &world.again()] {
            for (shelf, expected) in world.shelves.iter().zip(expected) {
                let roll = ready(roll(vault, shelf, inbox).await.expect("a roll"));
                assert_eq!(roll.uid_next, expected, "{what}");
            }
        }
    };
    check("mail came", [8, 6]).await;
    let (archive, destroy) = (FolderId::ARCHIVE, deletion(OnDelete::Delete));
    shift(vault, shelf, inbox, &[7], archive).await.expect("moved");
    check("the newest of the one left", [8, 6]).await;
    shift(vault, &other, inbox, &[5], archive).await.expect("moved");
    check("the newest of the other left, of which the one knows nothing", [8, 6]).await;
    delete(vault, shelf, inbox, &[6], destroy).await.expect("destroyed");
    check("and what is next to it", [8, 6]).await;
    delete(vault, &other, inbox, &[1, 2, 3, 4], destroy).await.expect("destroyed");
    check("all of it", [8, 6]).await;
    let (number, _) = vault.mailboxes.add(&vault.records, world.user, world.row()).await.expect("delivered");
    check("mail came", [number + 1; 2]).await;
}

/// Neither does what a masked view has for itself.
#[tokio::test]
async fn uid_next_follows_what_a_view_has_apart() {
    let mut world = World::new().await;
    world.shelves[0].manner = Manner { masked: true, seals_text: true };
    let (inbox, junk) = (FolderId::INBOX, FolderId::JUNK);
    for _ in 0..2 {
        world.deliver().await.expect("delivered");
    }
    let check = async |what: &str, expected: [u32; 4]| {
        for vault in [&world.vault, &world.again()] {
            let mut nexts = Vec::new();
            for (shelf, folder) in world.shelves.iter().flat_map(|shelf| [(shelf, inbox), (shelf, junk)]) {
                nexts.push(ready(roll(vault, shelf, folder).await.expect("a roll")).uid_next);
            }
            assert_eq!(nexts, expected, "{what}");
        }
    };
    check("mail came", [3, 1, 3, 1]).await;
    let (vault, shelf) = (&world.vault, &world.shelves[0]);
    let uid = shift(vault, shelf, inbox, &[2], junk).await.expect("moved")[0].1;
    check("one moved apart", [3, uid + 1, 3, 1]).await;
    let back = shift(vault, shelf, junk, &[uid], inbox).await.expect("moved")[0].1;
    check("and back", [back + 1, uid + 1, 3, 1]).await;
    let uid = shift(vault, shelf, inbox, &[back], junk).await.expect("moved")[0].1;
    check("and again", [back + 1, uid + 1, 3, 1]).await;
    relocate(vault, world.user, &[2], FolderId::ARCHIVE).await.expect("filed for all");
    check("filed", [back + 1, uid + 1, 3, 1]).await;
    delete(vault, &world.shelves[1], inbox, &[1], deletion(OnDelete::Delete)).await.expect("destroyed");
    check("destroyed", [back + 1, uid + 1, 3, 1]).await;
}

/// Mailboxes from before UIDNEXT was kept by folder: it does not go back.
#[tokio::test]
async fn uid_next_of_older_mailboxes_stays() {
    let world = World::new().await;
    world.deliver().await.expect("delivered");
    let (mut batch, scope) = (Batch::new(), world.vault.records.tenant(world.user.tenant));
    let row = crate::tenant::rows::MailboxRow { reserved: 66, mod_seqs: Some(66), next: None, floor: None };
    scope.put(&mut batch, &[world.user.user.as_bytes()], &row);
    world.commit(batch).await;
    let next = async |vault: &Vault, folder| {
        ready(roll(vault, &world.shelves[0], folder).await.expect("a roll")).uid_next
    };
    let again = world.again();
    assert_eq!((next(&again, FolderId::INBOX).await, next(&again, FolderId::SENT).await), (66, 66));
    create_folder(&again, world.user, "x").await.expect("made");
    let later = world.again();
    assert_eq!((next(&later, FolderId::INBOX).await, next(&later, FolderId::SENT).await), (66, 66));
}

/// Folders from before paths were composed.
#[tokio::test]
async fn folders_in_two_spellings_are_found() {
    let world = World::new().await;
    let (mut batch, scope) = (Batch::new(), world.vault.records.tenant(world.user.tenant));
    for (number, path) in [(300_u32, "Entwu\u{308}rfe"), (301, "Entwürfe"), (302, "Entwu\u{308}rfe/alt")] {
        let row = crate::tenant::rows::FolderRow::new(path.to_owned(), 0);
        scope.put(&mut batch, &[world.user.user.as_bytes(), &number.to_be_bytes()], &row);
    }
    world.commit(batch).await;
    let list = folders(&world.vault, world.user).await.expect("a list");
    let own: Vec<_> =
        list.iter().filter(|folder| !folder.id.is_given()).map(|folder| folder.path.as_str()).collect();
    assert_eq!(own, ["Entwürfe", "Entwürfe (2)", "Entwürfe/alt"]);
    assert!(matches!(create_folder(&world.vault, world.user, "Entwürfe").await, Err(BoxError::Exists)));
}

//! What a masked view holds for junk is its own affair; and UIDs that a view adds something to.

use super::*;

/// The first view is masked, with placeholders; the second shows everything.
async fn masked() -> World {
    let mut world = World::new().await;
    world.shelves[0].manner = Manner { masked: true, seals_text: true };
    world
}

/// Keywords of the only message that a view has in a folder.
async fn keywords(world: &World, view: usize, folder: FolderId) -> BTreeSet<String> {
    let roll = world.roll(view, folder).await;
    let [(.., names, _, _)] = &told(&roll)[..] else { panic!("{} messages", roll.entries.len()) };
    names.clone()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn store(world: &World, view: usize, edit: FlagEdit, names: &[&str]) {
    let roll = world.roll(view, FolderId::INBOX).await;
    let uids: Vec<u32> = roll.entries.iter().map(|entry| entry.uid).collect();
    let change = change(edit, Flags::none(), names);
    let modified = set_flags(&world.vault, &world.shelves[view], FolderId::INBOX, &uids, &change, None).await;
    assert!(modified.expect("stored").is_empty());
}

async fn moved(world: &World, view: usize, from: FolderId, to: FolderId) -> (u32, u32) {
    let uids = world.uids(view, from).await;
    let pairs = shift(&world.vault, &world.shelves[view], from, &uids, to).await.expect("moved");
    let [pair] = pairs[..] else { panic!("{pairs:?}") };
    assert_eq!((pair.0, &world.uids(view, to).await[..]), (uids[0], &[pair.1][..]));
    pair
}

#[tokio::test]
async fn words_about_junk_are_the_views_own() {
    let world = masked().await;
    world.deliver().await.expect("delivered");
    let before = world.roll(1, FolderId::INBOX).await;
    assert_eq!(keywords(&world, 0, FolderId::INBOX).await, set(&["NonJunk", "$NotJunk"]));
    store(&world, 0, FlagEdit::Remove, &["NonJunk", "$NotJunk"]).await;
    store(&world, 0, FlagEdit::Add, &["Junk", "$Junk", "JunkRecorded", "Work"]).await;
    let own = set(&["Junk", "$Junk", "JunkRecorded", "Work"]);
    assert_eq!(keywords(&world, 0, FolderId::INBOX).await, own);
    assert_eq!(keywords(&world, 1, FolderId::INBOX).await, set(&["Work"]), "nobody else's");
    assert!(world.roll(1, FolderId::INBOX).await.highest_mod_seq > before.highest_mod_seq, "for Work");
    // What others say about junk is theirs, and a masked view's STORE does not touch it.
    store(&world, 1, FlagEdit::Add, &["$Junk"]).await;
    store(&world, 0, FlagEdit::Replace, &["$NotJunk"]).await;
    assert_eq!(keywords(&world, 0, FolderId::INBOX).await, set(&["$NotJunk"]));
    assert_eq!(keywords(&world, 1, FolderId::INBOX).await, set(&["$Junk"]));
    let again = World { vault: world.again(), ..world };
    assert_eq!(keywords(&again, 0, FolderId::INBOX).await, set(&["$NotJunk"]), "after a restart");
    assert_eq!(keywords(&again, 1, FolderId::INBOX).await, set(&["$Junk"]));
}

/// Thunderbird 153 sets `Junk`, takes `NonJunk` away, and knows no `$NotJunk`: with that left standing it showed
/// what was just marked as no junk (RFC 9051 §2.3.2: both count as none).
#[tokio::test]
async fn no_presumption_outlives_what_a_client_says_against_it() {
    use FlagEdit::{Add, Remove, Replace};
    type Said<'a> = (FlagEdit, &'a [&'a str]);
    let cases: &[(&[Said], &[&str])] = &[
        (&[(Add, &["Junk"]), (Remove, &["NonJunk"])], &["Junk"]),
        (&[(Remove, &["NonJunk"]), (Add, &["Junk"])], &["Junk"]),
        (&[(Add, &["$Junk"])], &["$Junk"]),
        (&[(Add, &["$Phishing"])], &["$Phishing"]),
        (&[(Remove, &["$NotJunk"])], &[]),
        (&[(Replace, &["$Junk", "Work"])], &["$Junk", "Work"]),
        // Said in one breath, or after it was taken back: that is the client's own word.
        (&[(Add, &["Junk", "$NotJunk"])], &["Junk", "$NotJunk"]),
        (&[(Add, &["Junk"]), (Remove, &["Junk"]), (Add, &["NonJunk"])], &["NonJunk"]),
        // Nothing against it.
        (&[(Add, &["Work"])], &["NonJunk", "$NotJunk", "Work"]),
        (&[(Remove, &["Junk", "Work"])], &["NonJunk", "$NotJunk"]),
        (&[(Add, &["NotJunk", "JunkRecorded"])], &["NonJunk", "$NotJunk", "NotJunk", "JunkRecorded"]),
    ];
    for (said, left) in cases {
        let world = masked().await;
        world.deliver().await.expect("delivered");
        for (edit, names) in *said {
            store(&world, 0, *edit, names).await;
        }
        assert_eq!(keywords(&world, 0, FolderId::INBOX).await, set(left), "{said:?}");
        moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
        assert_eq!(keywords(&world, 0, FolderId::JUNK).await, set(left), "{said:?}, moved");
    }
}

#[tokio::test]
async fn others_hear_nothing_of_it() {
    let world = masked().await;
    world.deliver().await.expect("delivered");
    let _own = world.roll(0, FolderId::INBOX).await;
    let before = world.roll(1, FolderId::INBOX).await;
    store(&world, 0, FlagEdit::Add, &["Junk"]).await;
    let (from, to) = moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
    assert!(to > from);
    let after = world.roll(1, FolderId::INBOX).await;
    assert_eq!(after.since(&before), crate::mailbox::News::default());
    assert_eq!(told(&before), told(&after));
    assert!(world.uids(1, FolderId::JUNK).await.is_empty());
    let number = after.entries[0].number;
    let folder = folder_of(&world.vault, world.user, number).await.expect("it is there");
    assert_eq!(folder, Some(FolderId::INBOX), "the owner's folders do not move either");
}

/// And it hears nothing of what the others hold for junk, by whatever it could learn of a change.
#[tokio::test]
async fn a_masked_view_hears_nothing_of_others_words() {
    let world = masked().await;
    for _ in 0..2 {
        world.deliver().await.expect("delivered");
    }
    let before = [world.roll(0, FolderId::INBOX).await, world.roll(1, FolderId::INBOX).await];
    store(&world, 1, FlagEdit::Add, &["$Junk"]).await;
    let junk = change(FlagEdit::Add, Flags::none(), &["Junk"]);
    flag(&world.vault, world.user, &[1], &junk).await.expect("flagged by the owner");
    let after = [world.roll(0, FolderId::INBOX).await, world.roll(1, FolderId::INBOX).await];
    assert_eq!(after[0].since(&before[0]), crate::mailbox::News::default());
    assert_eq!((told(&before[0]), before[0].highest_mod_seq), (told(&after[0]), after[0].highest_mod_seq));
    assert_eq!(after[1].since(&before[1]).changed, [1, 2], "who shares the word hears of it");
    assert!(after[1].entries.iter().zip(&before[1].entries).all(|(now, was)| now.mod_seq > was.mod_seq));
    let again = World { vault: world.again(), ..world };
    assert_eq!(told(&before[0]), told(&again.roll(0, FolderId::INBOX).await), "after a restart");
    assert_eq!(told(&after[1]), told(&again.roll(1, FolderId::INBOX).await), "after a restart");
    // Together with what all see it is a change for all.
    let (vault, shelf) = (&again.vault, &again.shelves[1]);
    let seen = change(FlagEdit::Replace, Flags::SEEN, &[]);
    set_flags(vault, shelf, FolderId::INBOX, &[2], &seen, None).await.expect("stored");
    let last = again.roll(0, FolderId::INBOX).await;
    assert_eq!(last.since(&after[0]).changed, [2]);
    assert!(last.entries[1].flags.contains(Flags::SEEN));
    // Nobody's word is older than what it is about.
    let since = Some(before[0].highest_mod_seq);
    let flagged = change(FlagEdit::Add, Flags::FLAGGED, &[]);
    let modified = set_flags(vault, &again.shelves[0], FolderId::INBOX, &[1, 2], &flagged, since).await;
    assert_eq!(modified.expect("an answer"), [2], "the other one has not changed for this view");
}

#[tokio::test]
async fn a_move_to_junk_and_back_is_the_views_own_and_filing_is_for_all() {
    let world = masked().await;
    world.deliver().await.expect("delivered");
    moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
    assert!(world.uids(0, FolderId::INBOX).await.is_empty());
    assert_eq!(world.uids(1, FolderId::INBOX).await, [1]);
    let (_, back) = moved(&world, 0, FolderId::JUNK, FolderId::INBOX).await;
    assert!(back > 1, "another UID");
    assert_eq!(world.uids(1, FolderId::INBOX).await, [1], "nothing happened to it");
    moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
    let world = World { vault: world.again(), ..world };
    moved(&world, 0, FolderId::JUNK, FolderId::TRASH).await;
    assert_eq!(world.uids(1, FolderId::INBOX).await, [1], "junk thrown away is still one's own");
    let (_, uid) = moved(&world, 0, FolderId::TRASH, FolderId::ARCHIVE).await;
    assert_eq!(world.uids(1, FolderId::ARCHIVE).await, [uid], "filed for all");
    assert!(world.uids(1, FolderId::INBOX).await.is_empty());
    // A view that shows everything moves for all, as ever; and the last move for all holds for all.
    moved(&world, 0, FolderId::ARCHIVE, FolderId::JUNK).await;
    let (_, uid) = moved(&world, 1, FolderId::ARCHIVE, FolderId::JUNK).await;
    assert_eq!(world.uids(0, FolderId::JUNK).await, [uid]);
    moved(&world, 0, FolderId::JUNK, FolderId::INBOX).await;
    assert_eq!(world.uids(1, FolderId::JUNK).await, [uid], "saying that it is no junk is one's own too");
}

#[tokio::test]
async fn clients_that_copy_and_purge_destroy_nothing() {
    for on_delete in [OnDelete::Hide, OnDelete::Trash, OnDelete::Delete] {
        let world = masked().await;
        world.deliver().await.expect("delivered");
        let (vault, shelf, inbox) = world.inbox();
        let _all = world.roll(1, inbox).await;
        let pairs = copy(vault, shelf, inbox, &[1], FolderId::JUNK).await.expect("copied");
        assert_eq!(world.uids(0, FolderId::JUNK).await, [pairs[0].1]);
        assert_eq!(world.uids(0, inbox).await, [1], "a copy");
        let gone = change(FlagEdit::Add, Flags::DELETED, &[]);
        set_flags(vault, shelf, inbox, &[1], &gone, None).await.expect("marked");
        assert!(!world.roll(0, FolderId::JUNK).await.entries[0].flags.contains(Flags::DELETED));
        assert!(!world.roll(1, inbox).await.entries[0].flags.contains(Flags::DELETED), "{on_delete:?}");
        delete(vault, shelf, inbox, &[1], deletion(on_delete)).await.expect("purged");
        assert!(world.uids(0, inbox).await.is_empty());
        assert_eq!(world.uids(1, inbox).await, [1], "{on_delete:?}");
        // Emptying Junk is not for all either, whatever the policy has for a delete.
        delete(vault, shelf, FolderId::JUNK, &[pairs[0].1], deletion(on_delete)).await.expect("emptied");
        assert!(world.uids(0, FolderId::JUNK).await.is_empty() && world.uids(0, inbox).await.is_empty());
        assert_eq!(world.uids(1, inbox).await, [1], "{on_delete:?}");
        let world = World { vault: world.again(), ..world };
        assert!(
            world.uids(0, FolderId::JUNK).await.is_empty() && world.uids(0, FolderId::INBOX).await.is_empty()
        );
        assert_eq!(world.uids(1, FolderId::INBOX).await, [1], "after a restart");
    }
}

#[tokio::test]
async fn a_view_that_becomes_unmasked_sees_what_all_see() {
    let mut world = masked().await;
    world.deliver().await.expect("delivered");
    moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
    world.shelves[0].manner = Manner { masked: false, seals_text: false };
    world.vault = world.again();
    assert_eq!(world.uids(0, FolderId::INBOX).await, [1]);
    assert!(world.uids(0, FolderId::JUNK).await.is_empty());
}

/// What it had for itself while it was masked keeps nothing from being deleted: not by IMAP, not by POP3, not with
/// its folder.
#[tokio::test]
async fn a_view_that_becomes_unmasked_deletes_what_it_moved_before() {
    for on_delete in [OnDelete::Hide, OnDelete::Trash, OnDelete::Delete] {
        for by_number in [false, true] {
            let mut world = masked().await;
            world.deliver().await.expect("delivered");
            moved(&world, 0, FolderId::INBOX, FolderId::JUNK).await;
            world.shelves[0].manner = Manner { masked: false, seals_text: false };
            world.vault = world.again();
            let (vault, shelf, inbox) = world.inbox();
            let (uids, _others) = (world.uids(0, inbox).await, world.uids(1, inbox).await);
            let gone = change(FlagEdit::Add, Flags::DELETED, &[]);
            set_flags(vault, shelf, inbox, &uids, &gone, None).await.expect("marked");
            match by_number {
                false => delete(vault, shelf, inbox, &uids, deletion(on_delete)).await.expect("purged"),
                true => {
                    delete_numbers(vault, shelf, inbox, &[1], deletion(on_delete)).await.expect("deleted")
                }
            }
            assert!(world.uids(0, inbox).await.is_empty(), "{on_delete:?}");
            let left = if on_delete == OnDelete::Hide { vec![1] } else { vec![] };
            assert_eq!(world.uids(1, inbox).await, left, "{on_delete:?}");
            let world = World { vault: world.again(), ..world };
            assert!(world.uids(0, FolderId::INBOX).await.is_empty(), "{on_delete:?} after a restart");
        }
    }
    let mut world = masked().await;
    world.deliver().await.expect("delivered");
    let folder = create_folder(&world.vault, world.user, "Work").await.expect("made");
    moved(&world, 1, FolderId::INBOX, folder).await;
    moved(&world, 0, folder, FolderId::JUNK).await;
    world.shelves[0].manner = Manner { masked: false, seals_text: false };
    world.vault = world.again();
    let on_delete = deletion(OnDelete::Delete);
    remove_folder(&world.vault, &world.shelves[0], folder, on_delete).await.expect("removed");
    assert!(world.uids(1, FolderId::ARCHIVE).await.is_empty(), "destroyed with its folder");
}

#[tokio::test]
async fn own_uploads_and_shown_texts_are_not_presumed_to_be_no_junk() {
    let mut world = masked().await;
    world.shelves[0].manner = Manner { masked: true, seals_text: false };
    world.deliver().await.expect("delivered");
    assert_eq!(keywords(&world, 0, FolderId::INBOX).await, set(&[]));
}

#[tokio::test]
async fn a_new_rendering_has_uids_that_the_view_never_had() {
    let world = World::new().await;
    for _ in 0..3 {
        world.deliver().await.expect("delivered");
    }
    let mut told_before: BTreeSet<u32> = world.uids(0, FolderId::INBOX).await.into_iter().collect();
    let (mut shift_by, mut shelves) = (0, world.shelves.clone());
    for generation in 2..6 {
        world.deliver().await.expect("delivered");
        shift_by = next_shift(&world.vault, world.user, shift_by).expect("a shift");
        shelves[0].generation = generation;
        world.put_shifted(&shelves[0], shift_by).await;
        let numbers = world.uids(1, FolderId::INBOX).await;
        let RollState::Unsized(missing) =
            roll(&world.vault, &shelves[0], FolderId::INBOX).await.expect("a roll")
        else {
            panic!("they are of an older rendering")
        };
        let sizes: Vec<_> = missing.into_iter().map(|number| (number, Size::Octets(5))).collect();
        sized(&world.vault, &shelves[0], &sizes);
        let now = ready(roll(&world.vault, &shelves[0], FolderId::INBOX).await.expect("a roll"));
        assert!(now.entries.iter().map(|entry| entry.number).eq(numbers));
        for entry in &now.entries {
            assert!(told_before.insert(entry.uid) && entry.uid < now.uid_next, "{} again", entry.uid);
        }
        // What clients name by them is found by them.
        let last = now.entries.last().expect("a message").uid;
        let flags = change(FlagEdit::Add, Flags::SEEN, &[]);
        set_flags(&world.vault, &shelves[0], FolderId::INBOX, &[last], &flags, None).await.expect("flagged");
        let pairs = copy(&world.vault, &shelves[0], FolderId::INBOX, &[last], FolderId::ARCHIVE).await;
        let pairs = pairs.expect("copied");
        assert!(pairs[0].0 == last && pairs[0].1 > last);
        let archive = roll(&world.vault, &shelves[0], FolderId::ARCHIVE).await.expect("a roll");
        if let RollState::Ready(archive) = archive {
            assert!(archive.entries.iter().any(|entry| entry.uid == pairs[0].1));
        }
    }
    assert_eq!(world.uids(1, FolderId::INBOX).await, [1, 2, 3, 4, 6, 8, 10], "others' stay");
}

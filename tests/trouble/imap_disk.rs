//! IMAP where the disk is full, or what it holds is damaged: clients are told NO, the session goes on, and
//! nothing leaves that the audit log does not have.

use std::fs;

use super::clients::metric;
use super::damage::{files, flip};
use super::full::fill;
use super::imap::{Fetched, Imap};
use super::letters::{identifier, is_same, letter};
use super::powercut::PowerCut;
use super::world::{SAMPLES, World};

#[test]
fn a_full_disk_changes_nothing_and_shows_nothing_by_imap() {
    let Some(disk) = PowerCut::mount() else { return };
    let world = World::at(&disk.path().join("vault"));
    let mut server = world.serve();
    let mut imap = server.inbox(&world, "everything");
    world.unlock();
    imap.fetch("1:*", "BODY.PEEK[]");
    fill(&disk, &world, &server);
    // Where a letter does not fit an audit entry still may, and a flag where an entry does not.
    (0..200).find(|_| !world.run(&["mail", "list"]).status.success()).expect("the ledger fills up");
    fill_with_flags(&mut imap);
    imap.done("NOOP");
    let before = imap.fetch("1:*", "");
    let audited = metric(server.ports().metrics, "veilpost_messages_retrieved_total");
    is_refused(&mut imap);
    assert_eq!(imap.fetch("1:*", ""), before, "nothing is half-done");
    assert_eq!(metric(server.ports().metrics, "veilpost_messages_retrieved_total"), audited);
    let mut other = Imap::connect(server.ports().imaps, &world.certificate()).expect("TLS");
    let refused = other.log_in(world.app_password("everything")).expect("it answers");
    assert!(refused.end.starts_with("NO [UNAVAILABLE]"), "{}", refused.end);
    disk.leave_room(None);
    goes_on(&mut imap, &before);
    assert!(other.log_in(world.app_password("everything")).expect("it answers").is_ok());
    server.is_well();
    drop(server);
    let server = world.serve();
    let mut imap = server.inbox(&world, "everything");
    let after: Vec<_> = imap.fetch("1:*", "").iter().map(|fetched| fetched.uid).collect();
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.starts_with(&before.iter().map(|fetched| fetched.uid).collect::<Vec<_>>()));
}

/// Until not even these fit: folders that are new, then flags with long names.
fn fill_with_flags(imap: &mut Imap) {
    let long = "x".repeat(200);
    let create = |number: usize| format!("CREATE {long}/{long}{number}");
    let mark = |number: usize| format!("STORE 1:* +FLAGS.SILENT ({}{number})", &long[..50]);
    let mut until_refused = |command: &dyn Fn(usize) -> String, most: usize| {
        (0..most).find_map(|number| Some(imap.ask(&command(number)).expect("it answers")).filter(|it| !it.is_ok()))
    };
    for refused in [until_refused(&create, 900), until_refused(&mark, 60)] {
        let refused = refused.expect("the ledger fills up");
        assert!(refused.end.starts_with("NO [UNAVAILABLE]"), "{}", refused.end);
    }
}

fn is_refused(imap: &mut Imap) {
    let commands = [
        "STORE 1:* +FLAGS (\\Answered)",
        "COPY 1:* Archive",
        "MOVE 1:* Archive",
        "FETCH 1:* BODY.PEEK[]",
        "FETCH 2 BODY[]",
        "UID FETCH 1:* (UID BODY.PEEK[TEXT]<0.10>)",
        "FETCH 1:* BINARY.PEEK[1]",
        "FETCH 1 RFC822.HEADER",
        "FETCH 1:* ENVELOPE",
        "FETCH 1:* (BODYSTRUCTURE PREVIEW)",
        "CREATE full",
        "RENAME Archive full",
    ];
    for command in commands {
        let answer = imap.ask(command).expect("the session goes on");
        assert!(answer.end.starts_with("NO "), "{command}: {}", answer.end);
        assert!(answer.untagged.iter().all(|it| it.literals.is_empty()), "{command} shows something");
        let told = |it: &&super::imap::Response| it.text.contains("FETCH") || it.text.contains("EXPUNGE");
        assert!(!answer.untagged.iter().any(|it| told(&it)), "{command}: {:?}", answer.untagged);
    }
    for size in [10, 60_000] {
        let answer = imap.append("INBOX", "\\Seen", &letter(7_000, size)).expect("the session goes on");
        assert!(answer.end.starts_with("NO [UNAVAILABLE]"), "{}", answer.end);
    }
}

fn goes_on(imap: &mut Imap, before: &[Fetched]) {
    let answer = imap.append("INBOX", "\\Seen", &letter(7_001, 60_000)).expect("it answers");
    assert!(answer.is_ok(), "{}", answer.end);
    imap.done("STORE 1:* +FLAGS (\\Answered)");
    let all = imap.fetch("1:*", "BODY.PEEK[]");
    assert_eq!(all.len(), before.len() + 1);
    assert!(is_same(&all.last().expect("some").octets, &letter(7_001, 60_000)));
    assert!(all.iter().all(|fetched| fetched.size == fetched.octets.len()));
    assert!(all.iter().all(|fetched| fetched.flags.contains(&"\\Answered".to_owned())));
    assert!(!imap.done("LIST \"\" *").untagged.iter().any(|it| it.text.ends_with(" full")));
    assert_eq!(imap.done("STATUS Archive (MESSAGES)").number("MESSAGES"), 0);
}

#[test]
fn a_damaged_container_is_refused_by_imap_and_the_rest_of_the_range_is_served() {
    let world = World::new();
    let mut server = world.serve();
    let sound = server.inbox(&world, "everything").fetch("1:*", "BODY.PEEK[]");
    assert_eq!((sound.len(), server.stop()), (SAMPLES, Some(0)));
    for (number, container) in files(&world.data().join("blobs/messages")).iter().enumerate() {
        let content = fs::read(container).expect("it is there");
        let places = [Some(0), Some(content.len() / 2), Some(content.len() - 1), None];
        match places[number % places.len()] {
            Some(place) => flip(container, place),
            None => fs::remove_file(container).expect("it is there"),
        }
        let mut server = world.serve();
        let mut imap = server.inbox(&world, "everything");
        let told = imap.ask("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])").expect("it answers");
        assert!(told.end.starts_with("NO [SERVERBUG] a message is damaged"), "{}", told.end);
        let served = told.fetched();
        assert_eq!(served.len(), SAMPLES - 1);
        assert!(served.iter().all(|fetched| sound.contains(fetched)), "something false is served");
        let damaged = sound.iter().find(|fetched| !served.contains(fetched)).expect("one is missing");
        assert!(world.entries_about("message_damaged", &identifier(&damaged.octets)) >= 1);
        assert_eq!(metric(server.ports().metrics, "veilpost_containers_damaged_total"), 1.0);
        the_rest_works(&mut imap, damaged.uid);
        server.is_well();
        assert_eq!(server.stop(), Some(0));
        fs::write(container, content).expect("written");
    }
    let server = world.serve();
    assert_eq!(server.inbox(&world, "everything").fetch("1:*", "BODY.PEEK[]"), sound);
}

/// The damaged message can be marked and filed; it is in no answer that would have to be read from it.
fn the_rest_works(imap: &mut Imap, damaged: u32) {
    let alone = imap.ask(&format!("UID FETCH {damaged} BODY.PEEK[TEXT]")).expect("it answers");
    assert!(alone.end.starts_with("NO [SERVERBUG]") && alone.fetched().is_empty(), "{}", alone.end);
    let found = imap.done("UID SEARCH TEXT example").untagged;
    let found = found.iter().find_map(|it| it.text.strip_prefix("* SEARCH ")).expect("some are found");
    let found: Vec<u32> = found.split(' ').map(|uid| uid.parse().expect("a UID")).collect();
    assert!(!found.contains(&damaged) && found.len() == SAMPLES - 1, "{found:?}");
    imap.done(&format!("UID STORE {damaged} +FLAGS (\\Flagged)"));
    imap.done(&format!("UID STORE {damaged} -FLAGS (\\Flagged)"));
    imap.done("NOOP");
}

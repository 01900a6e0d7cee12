//! Memory and seeds: what attackers hold stays within the budget that the configuration names, and what is
//! deleted leaves nothing.

use std::time::{Duration, Instant};

use super::clients::{Way, stuffed};
use super::imap::Imap;
use super::imap_kill::{add_view, load_policy, showing_all};
use super::letters::letter;
use super::world::{SAMPLES, Server, World, until};

const BUDGET: u64 = 256_000_000;

fn world() -> World {
    let world = World::new();
    world.configure(&format!("[limits]\nmemory_in_flight = {BUDGET}\nconnections_per_address = 1000\n"));
    world
}

/// The most that the server has in memory within so many seconds.
fn most_resident(server: &Server, seconds: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(server.resident());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("resident: {} MB of a budget of {} MB", most / 1_000_000, BUDGET / 1_000_000);
    most
}

#[test]
fn half_sent_mail_neither_fills_memory_nor_keeps_large_mail_out() {
    let (world, half) = (world(), stuffed(&letter(1, 2_000_000)));
    let mut server = world.serve();
    let mut senders: Vec<_> = (0..200).map(|_| server.sender(Way::Smtp)).collect();
    for sender in &mut senders {
        sender.begin().expect("the server waits for content");
        sender.write(&half).expect("it reads, whether it keeps it or not");
    }
    std::thread::sleep(Duration::from_secs(2));
    let reply = server.sender(Way::Smtp).deliver(&letter(2, 20_000_000)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    assert!(most_resident(&server, 1) <= BUDGET / 2 * 3);
    // Those who gave way are told to come again once they are through.
    let first = senders.iter_mut().take(12);
    let told: Vec<String> = first.map(|sender| sender.ask(".").expect("it answers")).collect();
    assert!(told.iter().any(|reply| reply.starts_with("452")), "{told:?}");
    assert!(told.iter().all(|reply| reply.starts_with("452") || reply.starts_with("250")), "{told:?}");
    server.is_well();
}

#[test]
fn slow_fetchers_of_large_mail_hold_windows_of_it() {
    let world = world();
    let mut server = world.serve();
    let reply = server.sender(Way::Lmtp).deliver(&letter(1, 40_000_000)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    let number = SAMPLES + 1;
    let mut slow: Vec<_> = (0..64).map(|_| server.inbox(&world, "everything")).collect();
    for imap in &mut slow {
        imap.begin(&format!("FETCH {number} BODY.PEEK[]")).expect("the server reads");
    }
    let most = most_resident(&server, 5);
    assert!(most <= BUDGET / 2 * 3, "{most}");
    let fetched = server.fetcher(&world, "everything").retrieve(number).expect("nobody else waits");
    assert!(fetched.len() >= 40_000_000);
    drop(slow);
    server.is_well();
}

/// An upload is in memory until it is stored, and takes several times its size meanwhile, as mail that arrives.
#[test]
fn parallel_uploads_stay_within_the_budget() {
    let world = world();
    let mut server = world.serve();
    let letter = letter(1, 40_000_000);
    let clients: Vec<_> = (0..12).map(|_| server.imap(&world, "everything")).collect();
    let (mut most, mut ends) = (0, Vec::new());
    std::thread::scope(|scope| {
        let append = |mut imap: Imap| imap.append("Drafts", "", &letter).map(|answer| answer.end);
        let uploads: Vec<_> = clients.into_iter().map(|imap| scope.spawn(move || append(imap))).collect();
        while !uploads.iter().all(|upload| upload.is_finished()) {
            most = most.max(server.resident());
            std::thread::sleep(Duration::from_millis(10));
        }
        ends.extend(uploads.into_iter().map(|upload| upload.join().expect("no panic")));
    });
    println!("resident: {} MB of a budget of {} MB; {ends:?}", most / 1_000_000, BUDGET / 1_000_000);
    assert!(most <= BUDGET / 2 * 3, "{most}");
    // Who found no room in a minute is told so.
    let stored = ends.iter().flatten().filter(|end| end.starts_with("OK")).count();
    assert!(stored >= 2, "{ends:?}");
    server.is_well();
}

/// Large mail under a policy that was tightened is masked as it goes out: the one that waits to be sent holds
/// memory that the next one needs.
#[test]
fn a_fetch_of_large_older_mail_does_not_wait_for_itself() {
    let mut world = World::new();
    world.configure("[limits]\nmemory_in_flight = 32000000\n");
    let mut server = world.serve();
    add_view(&mut world, "mine", &showing_all("hide"));
    for number in 1..=8 {
        let reply = server.sender(Way::Lmtp).deliver(&letter(number, 3_000_000)).expect("it answers");
        assert!(reply.starts_with("250"), "{reply}");
    }
    load_policy(&world, "mine", WHOLE_TEXTS);
    let began = Instant::now();
    let answer = server.inbox(&world, "mine").done("UID FETCH 1:* BODY.PEEK[]");
    println!("fetched in {:?}", began.elapsed());
    let large =
        answer.untagged.iter().flat_map(|response| &response.literals).filter(|it| it.len() > 2_900_000);
    assert_eq!(large.count(), 8);
    server.is_well();
}

/// Hides header fields, and shows texts whole.
const WHOLE_TEXTS: &str =
    "version = 1\n\n[headers]\nshow = [\"From\", \"Subject\"]\n\n[body]\ntext = \"show\"\n";

/// How many seeds of epochs there are.
fn seeds(world: &World) -> usize {
    let folders = std::fs::read_dir(world.data().join("blobs/epochs")).expect("a folder");
    folders.map(|folder| std::fs::read_dir(folder.expect("an entry").path()).expect("a folder").count()).sum()
}

#[test]
fn seeds_go_with_the_last_message_that_needs_them() {
    let world = World::new();
    let mut server = world.serve();
    for number in 1..=20 {
        assert!(
            server.sender(Way::Lmtp).deliver(&letter(number, 200)).expect("it answers").starts_with("250")
        );
    }
    assert!(seeds(&world) > 0);
    world.unlock();
    let listed = world.json(&["mail", "list"]);
    for message in listed.as_array().expect("a list").iter().skip(1) {
        let deleted = world.run(&["mail", "delete", &message["uid"].to_string(), "--yes"]);
        assert!(deleted.status.success(), "{}", super::world::words(&deleted));
    }
    // The newest is left: its seeds stay, those of the samples go, and it opens for everybody.
    let readers = 6;
    until("the seeds of the samples go", || (seeds(&world) <= readers).then_some(()));
    assert_eq!(world.export().len(), 1);
    assert_eq!(server.fetch_all(&world, "everything").iter().flatten().count(), 1);
    let last = listed[0]["uid"].to_string();
    assert!(world.run(&["mail", "delete", &last, "--yes"]).status.success());
    until("all seeds go", || (seeds(&world) == 0).then_some(()));
    // The epoch that was open has ended with it: what comes now is sealed under another, and opens.
    assert!(server.sender(Way::Lmtp).deliver(&letter(99, 200)).expect("it answers").starts_with("250"));
    assert_eq!(server.fetch_all(&world, "everything").iter().flatten().count(), 1);
    assert_eq!(world.export().len(), 1);
    world.audited();
    server.is_well();
}

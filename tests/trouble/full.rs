//! The disk is full: senders wait, readers whose act cannot be audited wait, nothing is lost.

use super::clients::{ADDRESS, Fetcher, Way, metric};
use super::letters::{is_same, letter, number};
use super::powercut::{Loss, PowerCut};
use super::world::{SAMPLES, Server, World, words};

#[test]
fn a_full_disk_defers_mail_and_loses_none() {
    let Some(disk) = PowerCut::mount() else { return };
    let world = World::at(&disk.path().join("vault"));
    let mut server = world.serve();
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        disk.leave_room(Some(2 << 20));
        let refusal = deliver_until_refused(&server, round * 1000, &mut acknowledged);
        assert!(refusal.starts_with("452 4.3.1") || refusal.starts_with("451 4.3."), "{refusal}");
        disk.leave_room(Some(0));
        stays_up_and_says_so(&world, &server);
        disk.leave_room(None);
        // Again by the same sender and by a new one; UIDs go on.
        for (place, way) in [(998, Way::Smtp), (999, Way::Lmtp)] {
            let reply = server.sender(way).deliver(&letter(round * 1000 + place, 500)).expect("it answers");
            assert!(reply.starts_with("250"), "{reply}");
            acknowledged.push(round * 1000 + place);
        }
        all_is_there(&world, &server, &acknowledged);
    }
    server.is_well();
    let remainder = tempfile::tempdir().expect("a temporary folder");
    disk.cut(Loss::All, remainder.path());
    drop(server);
    let left = world.left(&remainder.path().join("vault"));
    let server = left.serve();
    all_is_there(&left, &server, &acknowledged);
}

fn deliver_until_refused(server: &Server, first: u64, acknowledged: &mut Vec<u64>) -> String {
    let mut sender = server.sender(Way::Lmtp);
    for number in first..first + 900 {
        let reply = sender.deliver(&letter(number, 60_000)).expect("it answers");
        if !reply.starts_with("250") {
            return reply;
        }
        acknowledged.push(number);
    }
    panic!("the disk is never full");
}

/// With no room at all for files. The ledger has free pages of its own, so what needs little goes on.
fn stays_up_and_says_so(world: &World, server: &Server) {
    let mut sender = server.sender(Way::Smtp);
    let reply = sender.deliver(&letter(1, 100_000)).expect("it answers");
    assert!(reply.starts_with('4'), "{reply}");
    let mut fetcher = Fetcher::connect(server.ports().pop3s, &world.certificate()).expect("TLS");
    match fetcher.log_in(world.app_password("everything")) {
        Ok(()) => assert!(fetcher.count().is_ok()),
        Err(refused) => assert!(refused.starts_with("-ERR [SYS/TEMP]"), "{refused}"),
    }
    assert!(world.run(&["status"]).status.success(), "the administration socket answers");
    assert!(metric(server.ports().metrics, "veilpost_messages_retrieved_total") >= 0.0);
}

fn all_is_there(world: &World, server: &Server, acknowledged: &[u64]) {
    let served = server.fetch_all(world, "everything");
    assert_eq!(served.len(), SAMPLES + acknowledged.len());
    for message in served {
        let message = message.expect("it is served");
        let Some(number) = number(&message) else { continue };
        assert!(acknowledged.contains(&number), "letter {number} was refused and is there");
        let size = if number % 1000 < 900 { 60_000 } else { 500 };
        assert!(is_same(&message, &letter(number, size)), "letter {number} is not what was sent");
    }
}

#[test]
fn nothing_is_unsealed_that_cannot_be_audited() {
    let Some(disk) = PowerCut::mount() else { return };
    let world = World::at(&disk.path().join("vault"));
    let server = world.serve();
    let mut fetcher = server.fetcher(&world, "everything");
    world.unlock();
    let code = world.code();
    assert!(fetcher.retrieve(1).is_ok());
    let before = world.audited().len();
    fill(&disk, &world, &server);
    // Where a message does not fit an audit entry still may: these are for filling up, too.
    (0..200).find(|_| !world.run(&["mail", "list"]).status.success()).expect("the ledger fills up");
    // An entry for one message is smaller than one for a list.
    (0..500).find(|_| fetcher.ask("TOP 1 0").is_err()).expect("so do entries for one message");
    let refused = fetcher.retrieve(2).expect_err("it cannot be audited");
    assert!(refused.starts_with("-ERR [SYS/TEMP]"), "{refused}");
    let refused = fetcher.ask("TOP 3 0").expect_err("it cannot be audited");
    assert!(refused.starts_with("-ERR [SYS/TEMP]"), "{refused}");
    for arguments in [&["mail", "read", "1"][..], &["mail", "list"], &["unlock", ADDRESS, "--code", &code]] {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?} shows something");
        let said = words(&output);
        assert!(
            said.contains("full") || said.contains("audit log cannot be written"),
            "{arguments:?}: {said}"
        );
    }
    disk.leave_room(None);
    assert!(fetcher.retrieve(2).is_ok(), "there is room again");
    assert!(world.run(&["mail", "read", "1"]).status.success());
    assert!(world.audited().len() > before);
}

/// No page is left, in the ledger's own file neither: it has free pages of its own until it is used up.
pub fn fill(disk: &PowerCut, world: &World, server: &Server) {
    disk.leave_room(Some(0));
    let mut sender = server.sender(Way::Lmtp);
    for number in 0.. {
        assert!(number < 10_000, "the disk is never full");
        let logged_in = Fetcher::connect(server.ports().pop3s, &world.certificate())
            .expect("TLS")
            .log_in(world.app_password("phone"));
        let delivered = sender.deliver(&letter(number, 10)).expect("it answers").starts_with("250");
        if logged_in.is_err() && !delivered {
            return;
        }
    }
}

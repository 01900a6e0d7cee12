//! The power fails under the whole server: its data folder is on a disk that forgets what was not synced.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::clients::{Sender, Way};
use super::letters::{is_same, letter, number, random};
use super::powercut::{Loss, PowerCut};
use super::world::{SAMPLES, World, until};

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let Some(disk) = PowerCut::mount() else { return };
    let world = World::at(&disk.path().join("vault"));
    let server = world.serve();
    let acknowledged = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let remainders = thread::scope(|scope| {
        for client in 1..=3 {
            let (ports, acknowledged, stop) = (server.ports(), &acknowledged, &stop);
            scope.spawn(move || {
                let mut sender = Sender::connect(ports.lmtp, Way::Lmtp).expect("the server takes mail");
                for number in (client * 1_000_000..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    let reply = sender.deliver(&letter(number, size(number))).expect("the server answers");
                    assert!(reply.starts_with("250"), "{reply}");
                    acknowledged.lock().expect("no panic").push(number);
                }
            });
        }
        let remainders = cut_again_and_again(&disk, &acknowledged);
        stop.store(true, Ordering::Relaxed);
        remainders
    });
    drop(server);
    for (remainder, before) in remainders {
        all_is_there(&world.left(&remainder.path().join("vault")), &before);
    }
}

/// What each cut left, and what had been acknowledged before it.
fn cut_again_and_again(
    disk: &PowerCut,
    acknowledged: &Mutex<Vec<u64>>,
) -> Vec<(tempfile::TempDir, Vec<u64>)> {
    let count = || acknowledged.lock().expect("no panic").len();
    let mut chance = 7;
    let cuts = [Loss::All, Loss::Some(1), Loss::All, Loss::Some(2)];
    cuts.map(|loss| {
        let target = count() + 3 + random(&mut chance) as usize % 10;
        until("mail is acknowledged", || (count() >= target).then_some(()));
        thread::sleep(Duration::from_micros(random(&mut chance) % 20_000));
        let before = acknowledged.lock().expect("no panic").clone();
        let remainder = tempfile::tempdir().expect("a temporary folder");
        disk.cut(loss, remainder.path());
        (remainder, before)
    })
    .into()
}

/// The server starts, and everything acknowledged opens: in the view, and for the owner.
fn all_is_there(world: &World, acknowledged: &[u64]) {
    let mut server = world.serve();
    let view = server.fetch_all(world, "everything").into_iter().map(|served| served.expect("it is served"));
    each_is_whole(view.collect(), acknowledged);
    world.unlock();
    each_is_whole(world.export(), acknowledged);
    world.audited();
    let reply = server.sender(Way::Lmtp).deliver(&letter(9, 100)).expect("the server answers");
    assert!(reply.starts_with("250"), "{reply}");
    server.is_well();
}

fn each_is_whole(found: Vec<Vec<u8>>, acknowledged: &[u64]) {
    let mut numbers = Vec::new();
    for message in &found {
        if let Some(number) = number(message) {
            assert!(is_same(message, &letter(number, size(number))), "letter {number} is not what was sent");
            numbers.push(number);
        }
    }
    assert_eq!(found.len() - numbers.len(), SAMPLES);
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "a letter is there twice");
    for number in acknowledged {
        assert!(numbers.binary_search(number).is_ok(), "letter {number} was acknowledged and is lost");
    }
}

fn size(number: u64) -> usize {
    1 << (random(&mut number.clone()) % 17)
}

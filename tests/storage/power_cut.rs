//! The power is cut while a writer delivers: what was acknowledged before is on the disk.

use super::powercut::{Loss, PowerCut};
use super::{verify, writer::Writer};

#[test]
fn nothing_acknowledged_is_lost_when_all_unsynced_writes_are() {
    cut_again_and_again(|_| Loss::All);
}

#[test]
fn nothing_acknowledged_is_lost_when_some_unsynced_writes_are() {
    cut_again_and_again(Loss::Some);
}

/// Cuts the power of one disk at several moments of one writer's life, and checks each remainder.
fn cut_again_and_again(loss: impl Fn(u64) -> Loss) {
    let Some(disk) = PowerCut::mount() else { return };
    let mut writer = Writer::start(&disk.path().join("data"));
    let mut acknowledged = Vec::new();
    for (seed, deliveries) in [1, 3, 10, 1, 60, 2, 30, 9].into_iter().enumerate() {
        acknowledged.extend((0..deliveries).map(|_| writer.next().expect("the writer delivers")));
        let remainder = tempfile::tempdir().expect("a temporary folder");
        disk.cut(loss(seed as u64), remainder.path());
        verify::everything_acknowledged_is_there(&remainder.path().join("data"), &acknowledged);
    }
}

/// The first start is cut too: whatever it left, the next start succeeds.
#[test]
fn a_cut_during_the_first_start_leaves_a_folder_that_opens() {
    let Some(disk) = PowerCut::mount() else { return };
    let path = disk.path().join("data");
    let starting = std::thread::spawn(move || {
        let mut writer = Writer::start(&path);
        writer.next().expect("the writer delivers");
    });
    let mut seed = 0;
    while !starting.is_finished() {
        let remainder = tempfile::tempdir().expect("a temporary folder");
        disk.cut(if seed % 2 == 0 { Loss::All } else { Loss::Some(seed) }, remainder.path());
        verify::everything_acknowledged_is_there(&remainder.path().join("data"), &[]);
        seed += 1;
    }
    starting.join().expect("the writer delivered");
    assert!(seed > 0);
}

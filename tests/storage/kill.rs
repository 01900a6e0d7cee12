//! SIGKILL at any moment: nothing acknowledged is lost, and the next start needs no repair by hand.

use super::{verify, writer::Writer};

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    let mut acknowledged = Vec::new();
    for deliveries in [1, 2, 30, 77, 150, 5, 300, 40] {
        let mut writer = Writer::start(&path);
        acknowledged.extend((0..deliveries).map(|_| writer.next().expect("the writer delivers")));
        writer.kill();
        acknowledged.extend(std::iter::from_fn(|| writer.next()));
        verify::everything_acknowledged_is_there(&path, &acknowledged);
    }
}

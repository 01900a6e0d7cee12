//! A process that delivers without end: container, then record, then a line on its standard output.
//! Eight lanes work at once; each has a counter that moves with its deliveries, in one batch. The
//! writer is never far ahead of its reader, so that there is not more to check than was asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use veilpost::names::ContainerName;
use veilpost::store::blobs::{BlobName, Blobs};
use veilpost::store::layout::DataFolder;
use veilpost::store::ledger::{Batch, Committed, Expectation, Ledger, Options, RedbLedger};

/// Deliveries that a lane has acknowledged: its number, and how many.
pub type Acknowledged = (u8, u64);

/// A writer at work in another process, killed when dropped.
pub struct Writer {
    process: Child,
    /// Takes a byte for each delivery that may be begun.
    leave: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Writer {
    /// Starts a writer in the data folder at `path`.
    pub fn start(path: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a test has a binary"))
            .args(["--exact", "writer::is_this_binary", "--nocapture"])
            .env(FOLDER, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts itself");
        let mut leave = process.stdin.take().expect("piped");
        leave.write_all(&[0; AHEAD]).expect("a pipe takes a few bytes");
        let lines = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, leave, lines }
    }

    /// The next acknowledgement; `None` when the writer is dead and has said all.
    pub fn next(&mut self) -> Option<Acknowledged> {
        // Fails only when the writer is dead, and then its lines end.
        let _ = self.leave.write_all(&[0]);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a pipe can be read") == 0 {
                return None;
            }
            // A line cut short by the kill was not acknowledged to anybody.
            if let Some(said) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("delivered ")) {
                let (lane, count) = said.split_once(' ').expect("two numbers");
                return Some((lane.parse().expect("a lane"), count.parse().expect("a count")));
            }
        }
    }

    /// Kills the writer (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill().expect("the writer is ours");
        self.process.wait().expect("the writer is ours");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The writer's side; as a test of its own it does nothing.
#[test]
fn is_this_binary() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let folder = DataFolder::open(Path::new(&folder)).expect("the data folder opens");
        let ledger = RedbLedger::open(&folder.ledger(), Options::default()).expect("the ledger opens");
        let blobs = Blobs::open(&folder.blobs()).expect("the blobs open");
        let leave = Arc::new(Semaphore::new(0));
        std::thread::spawn({
            let leave = Arc::clone(&leave);
            move || std::io::stdin().lock().bytes().for_each(|_| leave.add_permits(1))
        });
        futures::future::join_all((0..LANES).map(|lane| deliver(lane, &ledger, &blobs, &leave))).await;
    });
}

async fn deliver(lane: u8, ledger: &RedbLedger, blobs: &Blobs, leave: &Semaphore) {
    let mut before = ledger.get(&counter(lane)).expect("reads");
    loop {
        leave.acquire().await.expect("never closed").forget();
        let count = before.as_deref().map_or(0, number) + 1;
        let container = ContainerName::random();
        let name = BlobName::of_container(container);
        blobs.put(&name, content(container)).await.expect("the blob is written");
        let mut batch = Batch::new();
        batch
            .require(counter(lane), before.map_or(Expectation::Absent, Expectation::Equals))
            .put(counter(lane), count.to_be_bytes())
            .require_absent(record(lane, count))
            .put(record(lane, count), container.as_bytes());
        let _: Committed = ledger.commit(batch).await.expect("the batch commits");
        writeln!(std::io::stdout().lock(), "delivered {lane} {count}").expect("the parent reads");
        before = Some(count.to_be_bytes().to_vec());
    }
}

/// The key of a lane's counter.
pub fn counter(lane: u8) -> Vec<u8> {
    vec![b'c', lane]
}

/// The key of a lane's `count`th delivery.
pub fn record(lane: u8, count: u64) -> Vec<u8> {
    [&[b'r', lane][..], &count.to_be_bytes()].concat()
}

/// The number in a record.
pub fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().expect("eight bytes"))
}

/// What a container of this name holds: up to 64 KiB that say which container they are of.
pub fn content(container: ContainerName) -> Bytes {
    let name = container.as_bytes();
    let length = usize::from(u16::from_be_bytes([name[0], name[1]]));
    name.iter().copied().cycle().take(length).collect()
}

/// How many deliveries go on at once.
pub const LANES: u8 = 8;
/// How many deliveries may be begun before the first acknowledgement is read.
const AHEAD: usize = 24;
const FOLDER: &str = "VEILPOST_TEST_WRITER";

//! Churn in an embedded store: size on disk, memory and time. See README.md.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::{Database, ReadableDatabase, TableDefinition};

type Done<T = ()> = Result<T, Box<dyn Error>>;
type Record = ([u8; KEY], [u8; VALUE]);

/// A store whose `put` is durable when it returns.
trait Store {
    fn put(&mut self, records: &[Record]) -> Done;
    fn count(&self) -> Done<usize>;
}

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, kind, records, overwrites, batch] = &arguments[..] else {
        return Err("usage: ledger-churn FOLDER sled|redb RECORDS OVERWRITES BATCH".into());
    };
    let folder = PathBuf::from(folder).join(format!("churn-{kind}-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let mut store: Box<dyn Store> = match kind.as_str() {
        "sled" => Box::new(Sled::open(&folder)?),
        "redb" => Box::new(Redb::open(&folder)?),
        _ => return Err("the store is sled or redb".into()),
    };
    let outcome = churn(&mut *store, &folder, records.parse()?, overwrites.parse()?, batch.parse()?);
    drop(store);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn churn(store: &mut dyn Store, folder: &Path, records: u64, overwrites: u64, batch: u64) -> Done {
    let times_live = |folder| size(folder).map(|size| size as f64 / (records * (KEY + VALUE) as u64) as f64);
    let start = Instant::now();
    for first in (0..records).step_by(INSERTED_TOGETHER) {
        let end = records.min(first + INSERTED_TOGETHER as u64);
        store.put(&(first..end).map(|number| record(number, 0)).collect::<Vec<_>>())?;
    }
    println!("inserted in {:.1?}, {:.2} x live, {} MiB", start.elapsed(), times_live(folder)?, resident()?);
    let (start, mut random, mut peak) = (Instant::now(), Random(88_172_645_463_325_252), 0_f64);
    for commit in 0..overwrites / batch {
        let changes = (0..batch).map(|_| record(random.next() % records, commit + 1));
        store.put(&changes.collect::<Vec<_>>())?;
        if commit % 1000 == 0 {
            peak = peak.max(times_live(folder)?);
        }
    }
    println!(
        "{overwrites} overwrites in {:.1?}, {:.2} ms a commit",
        start.elapsed(),
        start.elapsed().as_secs_f64() * 1e3 / (overwrites / batch) as f64
    );
    println!("{:.2} x live at the peak, {:.2} at the end, {} MiB", peak, times_live(folder)?, resident()?);
    let start = Instant::now();
    println!("scanned {} records in {:.1?}", store.count()?, start.elapsed());
    Ok(())
}

/// sled 0.34: its `flush` issues no fsync on Linux, so its file is synced here.
struct Sled(sled::Db, File);

impl Sled {
    fn open(folder: &Path) -> Done<Self> {
        let path = folder.join("sled");
        let store =
            sled::Config::new().path(&path).cache_capacity(CACHE as u64).flush_every_ms(None).open()?;
        Ok(Self(store, File::open(path.join("db"))?))
    }
}

impl Store for Sled {
    fn put(&mut self, records: &[Record]) -> Done {
        let mut batch = sled::Batch::default();
        records.iter().for_each(|(key, value)| batch.insert(key, &value[..]));
        self.0.apply_batch(batch)?;
        self.0.flush()?;
        Ok(self.1.sync_data()?)
    }

    fn count(&self) -> Done<usize> {
        Ok(self.0.iter().count())
    }
}

/// redb 4.5 as the ledger uses it.
struct Redb(Database);

impl Redb {
    fn open(folder: &Path) -> Done<Self> {
        Ok(Self(redb::Builder::new().set_cache_size(CACHE).create(folder.join("redb"))?))
    }
}

impl Store for Redb {
    fn put(&mut self, records: &[Record]) -> Done {
        let mut transaction = self.0.begin_write()?;
        transaction.set_quick_repair(true);
        let mut table = transaction.open_table(ROWS)?;
        for (key, value) in records {
            table.insert(&key[..], &value[..])?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }

    fn count(&self) -> Done<usize> {
        Ok(self.0.begin_read()?.open_table(ROWS)?.range::<&[u8]>(..)?.count())
    }
}

/// Record `number` in its `version`th writing.
fn record(number: u64, version: u64) -> Record {
    let (mut key, mut value) = ([0; KEY], [0; VALUE]);
    Random(number + 1).fill(&mut key);
    Random((number + 1) ^ (version << 32)).fill(&mut value);
    (key, value)
}

/// SplitMix64: the same run every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill(mut self, bytes: &mut [u8]) {
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]));
    }
}

/// Bytes on the disk of all files below `path`; holes in sparse files do not count.
fn size(path: &Path) -> std::io::Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.blocks() * 512);
    }
    std::fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

/// Resident memory in MiB (Linux).
fn resident() -> Done<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");
const KEY: usize = 24;
const VALUE: usize = 200;
const CACHE: usize = 16 << 20;
const INSERTED_TOGETHER: usize = 256;

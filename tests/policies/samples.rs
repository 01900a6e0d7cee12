//! Messages: the edge cases of the repository, and the shared corpus where it is at hand, each as it
//! is and, where its lines end in LF alone, with CRLF.

use std::fs;
use std::path::{Path, PathBuf};

/// A message and what it is called.
pub struct Sample {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The edge cases, and of the shared corpus every message whose turn it is.
pub fn all() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = files(&root.join("tests/edge"));
    assert!(paths.len() > 100, "the edge cases are part of the repository");
    paths.extend(shared(root).into_iter().step_by(STRIDE));
    let mut samples: Vec<Sample> = paths.iter().map(|path| sample(path)).collect();
    samples.retain(|sample| sample.bytes.len() <= MAX_SAMPLE);
    let crlf: Vec<Sample> = samples.iter().filter_map(with_crlf).collect();
    samples.extend(crlf);
    samples
}

fn shared(root: &Path) -> Vec<PathBuf> {
    let told = std::env::var_os("VEILPOST_CORPUS").map(PathBuf::from);
    let corpus = told.unwrap_or_else(|| root.join("../shared/corpus"));
    if !corpus.is_dir() {
        let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|value| value == "all");
        assert!(!required, "VEILPOST_TEST_REQUIRE=all, and no corpus is at hand");
        eprintln!("SKIPPED: the shared corpus is not at hand (set VEILPOST_CORPUS)");
        return Vec::new();
    }
    let folders = entries(&corpus).into_iter().filter(|path| path.is_dir() && !path.ends_with("edge"));
    folders.flat_map(|folder| files(&folder)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_file()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn sample(path: &Path) -> Sample {
    let name = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
    Sample {
        name: name.into_iter().rev().collect::<Vec<_>>().join("/"),
        bytes: fs::read(path).expect("the sample can be read"),
    }
}

fn with_crlf(sample: &Sample) -> Option<Sample> {
    let bare = sample.bytes.contains(&b'\n') && !sample.bytes.contains(&b'\r');
    let lines = || sample.bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    bare.then(|| Sample { name: format!("{} with CRLF", sample.name), bytes: lines() })
}

/// Of the shared corpus every so many messages, so that debug builds take less than a minute.
const STRIDE: usize = 4;
/// Larger samples tell nothing more and take long in debug builds.
const MAX_SAMPLE: usize = 256 * 1024;

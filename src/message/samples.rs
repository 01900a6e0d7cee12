//! Messages for tests: our edge cases, the shared corpus where it is at hand, and generated garbage
//! that looks like MIME.

use proptest::collection::vec;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// A named message of a corpus.
pub(crate) struct Sample {
    /// Folder and file.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The edge cases of the repository.
pub(crate) fn edge() -> Vec<Sample> {
    let samples = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge"));
    assert!(samples.len() > 100, "the edge cases are part of the repository");
    samples
}

/// The edge cases and the shared corpus, each as it is and with all line ends made CRLF.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = edge();
    match corpus_root() {
        Some(root) => samples.extend(folders(&root).iter().flat_map(|folder| read(folder))),
        None if std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|value| value == "all") => {
            panic!("VEILPOST_TEST_REQUIRE=all, and no corpus is at hand")
        }
        None => eprintln!("SKIPPED: the shared corpus is not at hand (set VEILPOST_CORPUS)"),
    }
    let crlf: Vec<Sample> = samples.iter().filter_map(with_crlf).collect();
    samples.extend(crlf);
    samples
}

/// One edge case.
pub(crate) fn edge_case(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge").join(name);
    std::fs::read(path).expect("the edge case is part of the repository")
}

fn corpus_root() -> Option<PathBuf> {
    let told = std::env::var_os("VEILPOST_CORPUS").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    Some(told.unwrap_or_else(beside)).filter(|root| root.is_dir())
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("the corpus can be listed");
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn read(folder: &Path) -> Vec<Sample> {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let sample = |path: PathBuf| Sample {
        name: path.strip_prefix(folder.parent().unwrap_or(folder)).unwrap_or(&path).display().to_string(),
        bytes: std::fs::read(&path).expect("the sample can be read"),
    };
    paths.into_iter().map(sample).collect()
}

fn with_crlf(sample: &Sample) -> Option<Sample> {
    let bare = sample.bytes.contains(&b'\n') && !sample.bytes.contains(&b'\r');
    let lines = || sample.bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    bare.then(|| Sample { name: format!("{} with CRLF", sample.name), bytes: lines() })
}

/// Pieces that parsers stumble over, in any order.
pub(crate) fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b"--",
        b"--a",
        b"--a--",
        b"--ab",
        b"\r\n--a\r\n",
        b"\r\n--a--\r\n",
        b"\n--ab\n",
        b"From: a@b.example\r\n",
        b"Subject: x\r\n",
        b"From x\r\n",
        b"To : x\r\n",
        b"nocolon\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/alternative; boundary=\"ab\"\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/html; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename=x\r\n",
        b"Content-Type: multipart/digest; boundary=a\r\n",
        b"\r\n\r\n",
        b"QUJD",
        b"=?utf-8?Q?x?=",
        b"\xff\xfe",
        b"text",
        b":",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

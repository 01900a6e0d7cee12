//! Mail on disk: the test corpora, and folders that `mail export` has written.

use std::path::{Path, PathBuf};

use crate::support::{Server, absent};

/// The messages that come with the project.
pub fn edge() -> Vec<Vec<u8>> {
    messages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge"))
}

/// The larger corpus, which is not part of the project: at VEILPOST_CORPUS, or beside the checkout.
pub fn shared_corpus() -> Option<Vec<Vec<u8>>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("VEILPOST_CORPUS").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        absent("the shared corpus is not there: VEILPOST_CORPUS names it");
        return None;
    }
    Some(messages(&folder))
}

/// Exports the mail of the unlocked user, as the owner gets it: in order, with our trace header.
pub fn export(server: &Server, name: &str) -> Vec<Vec<u8>> {
    let folder = server.scratch().join(name);
    let done = server.done(&["mail", "export", &folder.display().to_string()]);
    let exported = messages(&folder);
    assert_eq!(done["exported"], exported.len());
    assert_eq!(done["damaged"], 0);
    exported
}

/// What lies below our trace header, which has five lines: Return-Path, Delivered-To, Received. The
/// message may begin with a line that looks like a sixth.
pub fn below_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    for begins in ["Return-Path: ", "Delivered-To: ", "Received: ", "\tid ", "\t"] {
        assert!(rest.starts_with(begins.as_bytes()), "our trace header lacks {begins:?}");
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("each line of it ends");
        rest = &rest[end + 2..];
    }
    rest
}

fn messages(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    walk(folder, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no mail", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a message can be read")).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            _ if path.is_dir() => walk(&path, paths),
            Some(end) if end == "eml" => paths.push(path),
            _ => {}
        }
    }
}

//! `docs/recover.mjs` against a data folder: mail comes back with the recovery code and none of our
//! code. Runs where Node and the npm package are (see `keyring::node_age`).

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use super::samples::Sample;
use super::*;
use crate::keyring::{KeyringError, RecoveryCode, node_age};
use crate::names::{ContainerName, MessageId, Reader};

/// Stores a sealed message as `docs/format.md`, "Data folder", says.
fn store(data: &Path, sealed: &SealedMessage) -> ContainerName {
    for seed in &sealed.seeds {
        let reader = match seed.reader {
            Reader::Owner(tenant) => tenant.to_string(),
            Reader::View(view) => view.to_string(),
        };
        write(&data.join("epochs").join(reader).join(format!("{}.age", seed.epoch)), &seed.age_file);
    }
    let name = ContainerName::random();
    let text = name.to_string();
    write(&data.join("messages").join(&text[..2]).join(&text), &sealed.bytes);
    name
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn run(data: &Path, output: &Path, code: &str) -> Option<Output> {
    let node = node_age::installed()?;
    let script = node.folder().join(format!("{}.mjs", ContainerName::random()));
    fs::write(&script, include_str!("../../docs/recover.mjs")).unwrap();
    let mut command = Command::new("node");
    command.arg(script).args([data, output]).env("VEILPOST_RECOVERY_CODE", code);
    Some(command.output().unwrap())
}

#[test]
fn mail_comes_back_with_the_recovery_code_alone() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut sample, epochs) = (Sample::small(), Epochs::new());
    let mut messages = Vec::new();
    for length in [10, 1_000, 70_000, 200_000] {
        sample.message = MessageId::random();
        sample.bytes = (0..length).map(|at: usize| (at * 7 % 253) as u8).collect();
        let cuts = [length / 5, length / 4, length / 2, length];
        sample.atoms.iter_mut().zip(cuts).for_each(|(atom, end)| atom.end = end);
        sample.views.iter_mut().for_each(|view| view.pieces.clear());
        store(data.path(), &sample.seal(sample.grants(&epochs)).unwrap());
        messages.push((sample.message, sample.bytes.clone()));
    }
    // Another tenant's mail lies beside it, and stays sealed.
    let other = Sample::small();
    store(data.path(), &other.seal(other.grants(&epochs)).unwrap());
    let codes = [RecoveryCode::generate(), RecoveryCode::generate()];
    for (tenant, owner, code) in
        [(sample.tenant, &sample.owner, &codes[0]), (other.tenant, &other.owner, &codes[1])]
    {
        let path = data.path().join("recovery").join(format!("{tenant}.age"));
        write(&path, &code.seal(tenant, owner).unwrap());
    }
    let typed = codes[0].reveal().to_uppercase();
    let Some(result) = run(data.path(), output.path(), &typed) else { return };
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    assert_eq!(fs::read_dir(output.path()).unwrap().count(), messages.len());
    for (message, bytes) in messages {
        assert!(fs::read(output.path().join(format!("{message}.eml"))).unwrap() == bytes);
    }
}

#[test]
fn a_damaged_container_is_named_and_the_rest_comes_back() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut sample, epochs) = (Sample::small(), Epochs::new());
    let mut sealed = sample.seal(sample.grants(&epochs)).unwrap();
    sealed.bytes[container::table_length(4, 3)] ^= 1;
    let damaged = store(data.path(), &sealed).to_string();
    sample.message = MessageId::random();
    store(data.path(), &sample.seal(sample.grants(&epochs)).unwrap());
    let code = RecoveryCode::generate();
    let path = data.path().join("recovery").join(format!("{}.age", sample.tenant));
    write(&path, &code.seal(sample.tenant, &sample.owner).unwrap());
    let Some(result) = run(data.path(), output.path(), &code.reveal()) else { return };
    assert_eq!(result.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&result.stderr).contains(&damaged));
    let back = fs::read(output.path().join(format!("{}.eml", sample.message))).unwrap();
    assert_eq!(back, sample.bytes);
}

#[test]
fn a_wrong_code_opens_nothing() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::small();
    let path = data.path().join("recovery").join(format!("{}.age", sample.tenant));
    write(&path, &RecoveryCode::generate().seal(sample.tenant, &sample.owner).unwrap());
    let wrong = RecoveryCode::generate().reveal();
    let Some(result) = run(data.path(), output.path(), &wrong) else { return };
    assert_eq!(result.status.code(), Some(1));
}

/// Late counters walk the chain in the script as they do here.
#[test]
fn the_last_message_of_an_epoch_comes_back() {
    let (data, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sample, epochs) = (Sample::small(), Epochs::new());
    let now = Instant::now();
    for (reader, identity) in [(Reader::Owner(sample.tenant), &sample.owner)]
        .into_iter()
        .chain(sample.views.iter().map(|view| (Reader::View(view.view), &view.identity)))
    {
        for _ in 0..epoch::MESSAGES - 1 {
            epochs.next(reader, || Ok::<_, KeyringError>(identity.recipient()), now).map(drop).unwrap();
        }
    }
    let sealed = sample.seal(sample.grants(&epochs)).unwrap();
    assert_eq!(sealed.manifests[0].counter, epoch::MESSAGES - 1);
    store(data.path(), &sealed);
    let code = RecoveryCode::generate();
    let path = data.path().join("recovery").join(format!("{}.age", sample.tenant));
    write(&path, &code.seal(sample.tenant, &sample.owner).unwrap());
    let Some(result) = run(data.path(), output.path(), &code.reveal()) else { return };
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    assert_eq!(fs::read(output.path().join(format!("{}.eml", sample.message))).unwrap(), sample.bytes);
}

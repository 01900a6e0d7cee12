//! Our envelopes and body structures beside those of a Dovecot, for every sample: `docs/imap-structure.md`
//! lists where they differ, and this test keeps that list true.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use veilpost::structure::{Structure, structure_of};
use veilpost::wire::imap::listing::{put_body_structure, put_envelope};

#[test]
fn listings_are_those_of_dovecot_but_for_the_listed_ones() {
    let Some(program) = ["/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.exists())
    else {
        return absent("dovecot-imapd is not installed");
    };
    let samples = samples();
    let theirs = dovecot(program, &samples);
    assert_eq!(theirs.len(), samples.len());
    let differing: BTreeSet<&str> = samples
        .iter()
        .zip(&theirs)
        .filter(|(sample, theirs)| ours(&sample.octets) != **theirs)
        .map(|(sample, _)| sample.name.as_str())
        .collect();
    let at_hand: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    let listed = include_str!("../../docs/imap-structure.md").lines().filter_map(|line| {
        line.strip_prefix("| `")?
            .split_once("` |")
            .map(|(name, _)| name)
            .filter(|name| at_hand.contains(name))
    });
    assert_eq!(differing, listed.collect());
}

struct Sample {
    name: String,
    octets: Vec<u8>,
}

/// A value of a response.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Nil,
    /// A string, runs of white space as one space: Dovecot collapses them, we do not.
    Text(Vec<Vec<u8>>),
    Number(u64),
    List(Vec<Value>),
}

fn ours(octets: &[u8]) -> [Value; 2] {
    let encoded = structure_of(octets);
    let structure = Structure::decode(&encoded).expect("our own");
    let (mut envelope, mut body) = (Vec::new(), Vec::new());
    put_envelope(&mut envelope, &structure.envelope);
    put_body_structure(&mut body, structure.root(), true);
    [envelope, body].map(|out| value(&mut out.as_slice()))
}

/// What Dovecot lists of each sample, in a mailbox of the test's own.
fn dovecot(program: &Path, samples: &[Sample]) -> Vec<[Value; 2]> {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write_maildir(root, samples);
    let conf = root.join("dovecot.conf");
    std::fs::write(&conf, configuration(root)).expect("a file");
    let mut command = Command::new(program);
    command.arg("-c").arg(&conf).env_clear().env("USER", "reader").env("HOME", root);
    if let Some((user, group)) = unprivileged() {
        give_away(root, user, group);
        command.uid(user).gid(group);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Dovecot starts");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(b"a SELECT INBOX\r\nb FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\nc LOGOUT\r\n")
        .expect("a pipe");
    let mut answer = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut answer).expect("an answer");
    child.wait().expect("Dovecot ends");
    fetched(&answer)
}

fn fetched(mut answer: &[u8]) -> Vec<[Value; 2]> {
    let mut all = Vec::new();
    let mark = b"FETCH (ENVELOPE ";
    while let Some(at) = answer.windows(mark.len()).position(|window| window == mark) {
        answer = &answer[at + mark.len()..];
        let envelope = value(&mut answer);
        answer = answer.strip_prefix(b" BODYSTRUCTURE ").expect("the second item");
        all.push([envelope, value(&mut answer)]);
    }
    all
}

fn write_maildir(root: &Path, samples: &[Sample]) {
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(root.join("mail").join(part)).expect("a folder");
    }
    for (number, sample) in samples.iter().enumerate() {
        // In the order of the names.
        let name = format!("{}.M{number:05}.test:2,S", 1_700_000_000 + number);
        std::fs::write(root.join("mail/cur").join(name), &sample.octets).expect("a file");
    }
}

fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "base_dir = {root}/run\nstate_dir = {root}/run\nlog_path = {root}/log\n\
         mail_location = maildir:{root}/mail\nprotocols = imap\nfirst_valid_uid = 1\n\
         mail_privileged_group =\nssl = no\nstats_writer_socket_path =\n"
    )
}

/// Whom Dovecot runs as where the tests run as root, for which it opens no mail.
fn unprivileged() -> Option<(u32, u32)> {
    let number = |flag| {
        let output = Command::new("id").args([flag, "mail"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    rustix::process::geteuid().is_root().then_some(())?;
    Some((number("-u")?, number("-g")?))
}

fn give_away(path: &Path, user: u32, group: u32) {
    chown(path, Some(user), Some(group)).expect("root may");
    if path.is_dir() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("root may");
        std::fs::read_dir(path)
            .expect("a folder")
            .flatten()
            .for_each(|entry| give_away(&entry.path(), user, group));
    }
}

fn value(rest: &mut &[u8]) -> Value {
    match rest.first().expect("a value") {
        b'(' => list(rest),
        b'"' => quoted(rest),
        b'{' => literal(rest),
        _ => {
            let end = rest.iter().position(|octet| b" ()\r".contains(octet)).unwrap_or(rest.len());
            let atom = std::str::from_utf8(&rest[..end]).expect("an atom");
            *rest = &rest[end..];
            atom.parse().map_or(Value::Nil, Value::Number)
        }
    }
}

fn list(rest: &mut &[u8]) -> Value {
    let mut items = Vec::new();
    *rest = &rest[1..];
    loop {
        match rest.first().expect("a parenthesis") {
            b')' => break,
            b' ' => *rest = &rest[1..],
            _ => items.push(value(rest)),
        }
    }
    *rest = &rest[1..];
    Value::List(items)
}

fn quoted(rest: &mut &[u8]) -> Value {
    let mut text = Vec::new();
    let mut octets = rest[1..].iter();
    loop {
        match octets.next().expect("a quote") {
            b'"' => break,
            b'\\' => text.extend(octets.next()),
            octet => text.push(*octet),
        }
    }
    *rest = octets.as_slice();
    words(&text)
}

fn literal(rest: &mut &[u8]) -> Value {
    let end = rest.iter().position(|octet| *octet == b'\n').expect("a line end");
    let length = std::str::from_utf8(&rest[1..end - 2]).expect("a number").parse().expect("a number");
    let (text, tail) = rest[end + 1..].split_at(length);
    *rest = tail;
    words(text)
}

fn words(text: &[u8]) -> Value {
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Value::Text(words.map(<[u8]>::to_vec).collect())
}

/// Our edge cases, and the shared corpus where it is at hand; Unix line ends made CRLF.
fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/edge")];
    let told = std::env::var_os("VEILPOST_CORPUS").map_or(root.join("../shared/corpus"), PathBuf::from);
    let shared = std::fs::read_dir(told).into_iter().flatten().flatten().map(|entry| entry.path());
    // The corpus has its own copy of our edge cases.
    folders.extend(shared.filter(|path| path.is_dir() && !path.ends_with("edge")));
    folders.sort();
    folders.iter().flat_map(|folder| files(folder)).collect()
}

fn files(folder: &Path) -> Vec<Sample> {
    let name = |path: &Path| {
        let from = folder.parent().expect("a folder is somewhere");
        path.strip_prefix(from).expect("it is inside").display().to_string()
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let read =
        |path: &PathBuf| Sample { name: name(path), octets: crlf(std::fs::read(path).expect("a file")) };
    paths.iter().map(read).collect()
}

fn crlf(octets: Vec<u8>) -> Vec<u8> {
    if octets.contains(&b'\r') {
        return octets;
    }
    octets.split(|octet| *octet == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
}

fn absent(why: &str) {
    let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "VEILPOST_TEST_REQUIRE=all: {why}");
    eprintln!("SKIPPED: {why}");
}

//! Messages at and beyond every limit: taken and served sealed, or refused in the protocol's words.

use std::fs;
use std::path::Path;

use super::clients::{ADDRESS, Way};
use super::letters::{is_same, letter};
use super::world::{SAMPLES, Server, World};

#[test]
fn the_largest_message_is_taken_and_one_octet_more_is_not() {
    let world = World::new();
    let mut server = world.serve();
    let mut largest = letter(1, MAX - 200);
    largest.splice(0..0, format!("X-Fill: {}\r\n", "x".repeat(MAX - largest.len() - 10)).into_bytes());
    assert_eq!(largest.len(), MAX);
    let mut sender = server.sender(Way::Smtp);
    let reply = sender.deliver(&largest).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    let more = [b"X", largest.as_slice()].concat();
    for octets in [&more, &letter(2, 51_000_000)] {
        let reply = sender.deliver(octets).expect("it answers");
        assert!(reply.starts_with("552"), "{reply}");
    }
    let reply = sender.ask(&format!("MAIL FROM:<a@b.example> SIZE={}", MAX + 1)).expect("it answers");
    assert!(reply.starts_with("552"), "{reply}");
    let served = server.fetch_all(&world, "everything");
    assert_eq!(served.len(), SAMPLES + 1);
    assert!(is_same(served[SAMPLES].as_ref().expect("it is served"), &largest));
    server.is_well();
}

/// 50 MB, the default.
const MAX: usize = 50_000_000;

#[test]
fn messages_of_absurd_structure_are_served_whole_and_sealed() {
    let world = World::new();
    let mut server = world.serve();
    let messages = [many_headers(100_000), many_parts(10_000), nested_parts(1_000), nested_messages(1_000)];
    for message in &messages {
        let reply = server.sender(Way::Lmtp).deliver(message).expect("it answers");
        assert!(reply.starts_with("250"), "{reply}");
        server.is_well();
    }
    let whole = server.fetch_all(&world, "everything");
    for (message, served) in messages.iter().zip(&whole[SAMPLES..]) {
        assert!(is_same(served.as_ref().expect("it is served"), message));
    }
    for view in ["phone", "laptop"] {
        for served in &server.fetch_all(&world, view)[SAMPLES..] {
            let served = String::from_utf8_lossy(served.as_ref().expect("it is served")).into_owned();
            assert!(!served.contains("hidden"), "{view} shows {served}");
        }
    }
    server.is_well();
}

const HEAD: &str = "From: a@elsewhere.example\r\nMIME-Version: 1.0\r\n";

fn many_headers(count: usize) -> Vec<u8> {
    let lines: String = (0..count).map(|line| format!("X-{line}: hidden\r\n")).collect();
    format!("{HEAD}{lines}\r\nHello.\r\n").into_bytes()
}

fn many_parts(count: usize) -> Vec<u8> {
    let parts = "--b\r\nContent-Type: application/x-hidden\r\n\r\nhidden\r\n".repeat(count);
    format!("{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n").into_bytes()
}

fn nested_parts(depth: usize) -> Vec<u8> {
    let opens: String = (0..depth)
        .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"))
        .collect();
    let closes: String = (0..depth).rev().map(|level| format!("\r\n--b{level}--\r\n")).collect();
    format!("{HEAD}{opens}Content-Type: text/plain\r\n\r\nhidden\r\n{closes}").into_bytes()
}

fn nested_messages(depth: usize) -> Vec<u8> {
    let opens = "Content-Type: message/rfc822\r\n\r\nSubject: hidden\r\n".repeat(depth);
    format!("{HEAD}{opens}Content-Type: text/plain\r\n\r\nhidden\r\n").into_bytes()
}

/// Views under every shipped policy, and all the malformed mail there is.
#[test]
fn every_malformed_message_is_taken_or_refused_and_no_view_of_it_fails() {
    let world = World::new();
    let mut server = world.serve();
    world.unlock();
    let policies: Vec<_> = veilpost::policy::shipped().iter().map(|(name, _)| *name).collect();
    let passwords = policies.iter().map(|policy| {
        let made = ["view", "create", ADDRESS, &format!("edge-{policy}"), "--policy", policy];
        world.json(&made)["app_password"].as_str().expect("an app password").to_owned()
    });
    let passwords: Vec<_> = passwords.collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge");
    let mut taken = Vec::new();
    let mut sender = server.sender(Way::Lmtp);
    let files = super::damage::files(&folder);
    assert!(files.len() > 90);
    for file in &files {
        let message = fs::read(file).expect("a file");
        // BDAT takes any octets, NULs and bare line ends too (RFC 3030 §2).
        let reply =
            sender.deliver_chunk(&message).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        match reply.as_bytes()[0] {
            b'2' => taken.push(message),
            b'5' => {}
            _ => panic!("{}: {reply}", file.display()),
        }
    }
    server.is_well();
    assert!(taken.len() > 80, "{} of {} are taken", taken.len(), files.len());
    for (policy, password) in policies.iter().zip(passwords) {
        each_is_served(&world, &server, policy, &password);
    }
    let whole = world.export();
    let same = whole[SAMPLES..].iter().zip(&taken).filter(|(found, sent)| is_same(found, sent)).count();
    assert_eq!((whole.len(), same), (SAMPLES + taken.len(), taken.len()), "byte for byte for the owner");
    server.is_well();
}

fn each_is_served(world: &World, server: &Server, policy: &str, password: &str) {
    let mut fetcher =
        super::clients::Fetcher::connect(server.ports().pop3s, &world.certificate()).expect("TLS");
    fetcher.log_in(password).expect("the app password opens the view");
    let count = fetcher.count().expect("the mailbox can be listed");
    for number in 1..=count {
        let size = fetcher.ask(&format!("LIST {number}")).expect("it is listed");
        let size: usize = size.rsplit(' ').next().and_then(|size| size.parse().ok()).expect("a size");
        let served = fetcher.retrieve(number).unwrap_or_else(|said| panic!("{policy}, {number}: {said}"));
        // POP3 ends every message with CRLF, whatever it ended with.
        assert!(
            served.len() >= size && served.len() <= size + 2,
            "{policy}, {number}: {size}, {}",
            served.len()
        );
        fetcher.ask(&format!("TOP {number} 3")).and_then(|_| fetcher.lines()).expect("TOP");
    }
}

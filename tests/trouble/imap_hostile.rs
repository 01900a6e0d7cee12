//! IMAP clients that flood, dawdle, break off and talk nonsense, beside one that works.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::{ADDRESS, connect};
use super::imap::Imap;
use super::letters::letter;
use super::world::{SAMPLES, Server, World, until};

/// Does a client's work until `stop`; the longest that it waited for an answer.
fn works(server: &Server, world: &World, other: impl FnOnce(&AtomicBool) + Send) -> Duration {
    let stop = AtomicBool::new(false);
    let mut imap = server.inbox(world, "everything");
    thread::scope(|scope| {
        let busy = scope.spawn(|| other(&stop));
        let mut slowest = Duration::ZERO;
        while !busy.is_finished() {
            for command in
                ["NOOP", "UID FETCH 1:* (FLAGS BODY.PEEK[])", "SEARCH TEXT example", "STORE 1 FLAGS ()"]
            {
                let begun = Instant::now();
                imap.done(command);
                slowest = slowest.max(begun.elapsed());
            }
            stop.store(true, Ordering::Relaxed);
        }
        busy.join().expect("no panic");
        slowest
    })
}

#[test]
fn ten_thousand_commands_at_once_are_answered_in_order_and_nobody_waits() {
    let world = World::new();
    let mut server = world.serve();
    let mut imap = server.inbox(&world, "everything");
    let commands = ["NOOP", "UID FETCH 1:* (FLAGS RFC822.SIZE)", "STATUS INBOX (MESSAGES)", "CHECK"];
    let all: String =
        (0..10_000).map(|number| format!("p{number} {}\r\n", commands[number % commands.len()])).collect();
    let slowest = works(&server, &world, |_| {
        imap.write(all.as_bytes()).expect("the server reads");
        for number in 0..10_000 {
            let answer = imap.answer(&format!("p{number}")).expect("it answers");
            assert!(answer.is_ok(), "{}", answer.end);
            if number % 4 == 1 {
                assert_eq!(answer.fetched().len(), SAMPLES);
            }
        }
    });
    assert!(slowest < PROMPT, "{slowest:?}");
    server.is_well();
}

#[test]
fn nonsense_by_imap_is_refused_and_harms_nothing() {
    let world = World::new();
    let mut server = world.serve();
    let mut imap = server.inbox(&world, "everything");
    let nonsense: [&[u8]; 11] = [
        b"NO\0OP",
        b"FETCH 1 BODY[\0]",
        b"FETCH 1:99999999999 FLAGS",
        b"FETCH 0 FLAGS",
        b"UID FETCH 1 BODY[1.2.3.4.5.6.7.8.9.99999999999]",
        b"SEARCH ((((((((((((((((((((((((((((((((((((((((((ALL",
        b"SELECT {99999999}",
        b"SELECT {99999999999999999999999999}",
        b"STORE 1 FLAGS (\\Recent \\\\)",
        b"CREATE \"\xff\xfe\"",
        b"\x16\x03\x01\x00\xc8",
    ];
    for (number, octets) in nonsense.iter().enumerate() {
        imap.write(&[format!("n{number} ").as_bytes(), octets, b"\r\n"].concat()).expect("the server reads");
        imap.write(format!("m{number} NOOP\r\n").as_bytes()).expect("the server reads");
        let answer = imap.answer(&format!("m{number}")).expect("it goes on");
        assert!(answer.is_ok(), "{number}: {}", answer.end);
        let told = |it: &super::imap::Response| {
            let bad = [format!("n{number} BAD"), format!("n{number} NO"), "* BAD".to_owned()];
            bad.iter().any(|bad| it.text.starts_with(bad.as_str()))
        };
        assert!(answer.untagged.iter().any(told), "{number}: {:?}", answer.untagged);
    }
    assert_eq!(imap.fetch("1:*", "BODY.PEEK[]").len(), SAMPLES);
    // Who does nothing else is sent away.
    // One after the other: what lies unread when the server closes takes its last words away (RFC 1122 §4.2.2.13).
    let mut last = String::new();
    for _ in 0..40 {
        if last.starts_with("* BYE") || imap.write(b"x \0\r\n").is_err() {
            break;
        }
        last = imap.response().map_or_else(|_| String::new(), |response| response.text);
    }
    let last = if last.starts_with("* BYE") { last } else { imap.farewell() };
    assert!(last.contains("too many"), "it is sent away: {last}");
    server.is_well();
}

#[test]
fn literals_that_are_huge_or_never_end_store_nothing_and_hold_up_nobody() {
    let world = World::new();
    world.configure("smtp.max_message_size = \"1 MB\"\n[limits]\nconnections_per_address = 300\n");
    let mut server = world.serve();
    let before = super::damage::files(&world.data().join("blobs")).len();
    huge_before_login(&server, &world);
    let mut imap = server.inbox(&world, "everything");
    for size in ["1000001", "4294967296", "18446744073709551616"] {
        let answer = imap.ask(&format!("APPEND INBOX {{{size}}}")).expect("the session goes on");
        assert!(
            answer.end.starts_with("NO [TOOBIG]") || answer.end.starts_with("BAD"),
            "{size}: {}",
            answer.end
        );
    }
    // What comes whether it is wanted or not is read past, or the client is hung up on.
    imap.write(b"u1 APPEND INBOX {3000000+}\r\n").expect("the server reads");
    let _ = imap.write(&vec![b'x'; 3_000_000]);
    let _ = imap.write(b"\r\nu2 NOOP\r\n");
    match imap.answer("u1") {
        Ok(answer) => assert!(answer.end.starts_with("NO [TOOBIG]"), "{}", answer.end),
        Err(_) => assert!(server.imap(&world, "everything").ask("NOOP").is_ok()),
    }
    let mut unfinished: Vec<Imap> = (0..50).map(|_| server.imap(&world, "phone")).collect();
    let text = letter(1, 900_000);
    for session in &mut unfinished {
        session.begin(&format!("APPEND INBOX {{{}}}", text.len())).expect("the server reads");
        assert!(session.response().expect("it answers").text.starts_with('+'));
        session.write(&text[..400_000]).expect("the server reads");
    }
    let slowest = works(&server, &world, |stop| while !stop.load(Ordering::Relaxed) {});
    assert!(slowest < PROMPT, "{slowest:?}");
    println!("{} MB with 50 unfinished uploads of 400 KB", server.resident() >> 20);
    drop(unfinished);
    let mut imap = server.inbox(&world, "everything");
    assert_eq!(imap.fetch("1:*", "BODY.PEEK[]").len(), SAMPLES);
    assert_eq!(super::damage::files(&world.data().join("blobs")).len(), before, "nothing is stored");
    assert!(imap.append("INBOX", "", &text).expect("it answers").is_ok());
    server.is_well();
    assert_eq!(server.stop(), Some(0));
}

fn huge_before_login(server: &Server, world: &World) {
    for login in
        ["LOGIN {99999999}", "LOGIN {4294967296+}", "APPEND INBOX {1000000}", "LOGIN {5000+}", "NOOP {70000}"]
    {
        let mut imap = Imap::connect(server.ports().imaps, &world.certificate()).expect("TLS");
        let tag = imap.begin(login).expect("the server reads");
        if login.ends_with("{5000+}") {
            // It comes unasked, so it is read past.
            imap.write(&[&[b'x'; 5000][..], b"\r\n"].concat()).expect("the server reads");
        }
        match imap.answer(&tag) {
            Ok(answer) => assert!(!answer.is_ok(), "{login}: {}", answer.end),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{login}"),
        }
    }
}

#[test]
fn two_hundred_slow_connections_make_no_client_wait() {
    let world = World::new();
    world.configure("[limits]\nconnections_per_address = 300\n");
    let mut server = world.serve();
    let ports = server.ports();
    let mut slow: Vec<_> = (0..200)
        .map(|number| connect([ports.imap, ports.imaps][number % 2]).expect("it takes connections"))
        .collect();
    let line = format!("a LOGIN {ADDRESS} {{40}}\r\n");
    let slowest = works(&server, &world, |_| {
        for at in 0..30 {
            for stream in &mut slow {
                // On the TLS port it is nonsense, and the server hangs up sooner or later.
                let _ = stream.write_all(&line.as_bytes()[at % line.len()..][..1]);
            }
            thread::sleep(Duration::from_millis(30));
        }
    });
    assert!(slowest < PROMPT, "{slowest:?}");
    // And readers that take nothing, in the middle of their mail.
    let mut deaf: Vec<Imap> = (0..20).map(|_| server.inbox(&world, "everything")).collect();
    let flood = "d FETCH 1:* BODY.PEEK[]\r\n".repeat(2_000);
    for session in &mut deaf {
        session.write(flood.as_bytes()).expect("the server reads");
    }
    let slowest = works(&server, &world, |_| thread::sleep(Duration::from_secs(3)));
    assert!(slowest < PROMPT, "{slowest:?}");
    drop(deaf);
    let mut clear = connect(ports.imap).expect("it takes connections");
    let mut greeting = [0; 4];
    clear.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(&greeting, b"* OK");
    until("the others' work is over", || Some(server.inbox(&world, "everything").done("NOOP")));
    server.is_well();
    assert_eq!(server.stop(), Some(0));
}

/// Longer than an answer takes on a busy machine, much shorter than any time limit of the server.
const PROMPT: Duration = Duration::from_secs(5);

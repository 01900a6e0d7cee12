//! Strangers at the sign-in page: hanging up while a password is hashed, by the hundred, from a few
//! addresses; guessing. What must hold: memory stays where it is, and the right one comes in.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::clients::{ADDRESS, trusting};
use super::world::{Server, World, until};

/// The dashboard, as programs without a browser's manners reach it.
struct Door {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Door {
    fn of(world: &World) -> Self {
        let status = world.json(&["status"]);
        let address = status["dashboard"][0].as_str().expect("the dashboard listens");
        Self { address: address.parse().expect("an address"), tls: trusting(&world.certificate()) }
    }

    /// Connects from 127.0.0.`from`.
    fn connect(&self, from: u8) -> Stream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)).into()).expect("ours");
        socket.connect(&self.address.into()).expect("the dashboard listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let name = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(self.tls.clone(), name).expect("TLS");
        StreamOwned::new(tls, stream)
    }

    /// Sends the form of the sign-in page and does not wait.
    fn knock(&self, from: u8, login: &str, password: &str, more: &str) -> Stream {
        let mut stream = self.connect(from);
        let body = format!("login={}&password={}", encoded(login), encoded(password));
        let head = format!(
            "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n{more}Content-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        stream.flush().expect("sent");
        stream
    }

    /// The same, and what is answered.
    fn sign_in(&self, from: u8, login: &str, password: &str, more: &str) -> Answer {
        let mut stream = self.knock(from, login, password, more);
        let mut answer = Vec::new();
        // A server that closes without a farewell has said all that it says.
        let _ended = stream.read_to_end(&mut answer);
        Answer(String::from_utf8_lossy(&answer).into_owned())
    }
}

struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        self.0
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{}", self.0))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn known(&self) -> Option<String> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let cookies = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(key, _)| key.eq_ignore_ascii_case("set-cookie"));
        let value =
            cookies.map(|(_, value)| value).find(|value| value.starts_with("__Host-veilpost-known="))?;
        Some(format!("Cookie: {}\r\n", value.split(';').next().unwrap_or_default()))
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// The highest resident memory while `work` runs.
fn peak(server: &Server, work: impl FnOnce()) -> u64 {
    let (over, peak) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(server.resident() as usize, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        work();
        over.store(true, Ordering::Relaxed);
    });
    peak.into_inner() as u64
}

#[test]
fn hanging_up_while_a_password_is_hashed_costs_no_memory() {
    let world = World::new();
    let mut server = world.serve();
    let door = Door::of(&world);
    // What one run takes is there before it is counted.
    assert_eq!(door.sign_in(99, "nobody@demo.example", "wrong", "").status(), 403);
    let before = server.resident();
    let highest = peak(&server, || {
        for number in 0..110_u32 {
            // From 22 addresses, so that each try is looked at, and of known and unknown names.
            let name = if number % 5 == 0 { ADDRESS.to_owned() } else { format!("{number}@demo.example") };
            drop(door.knock(2 + (number % 22) as u8, &name, "wrong", ""));
        }
        // Those that were taken up are over when a stranger elsewhere is served.
        until("somebody is served", || {
            let status = door.sign_in(200, "nobody@demo.example", "wrong", "").status();
            [403, 429].contains(&status).then_some(())
        });
    });
    let grown = highest.saturating_sub(before) >> 20;
    eprintln!("110 hang-ups: from {} MiB to at most {} MiB", before >> 20, highest >> 20);
    assert!(grown < 4 * 64 + 64, "grew by {grown} MiB");
    server.is_well();
}

#[test]
fn a_right_sign_in_among_three_hundred_strangers_takes_two_seconds_at_most() {
    let world = World::new();
    let mut server = world.serve();
    let door = Door::of(&world);
    let (over, start) = (AtomicBool::new(false), Barrier::new(61));
    let waits: Vec<Duration> = std::thread::scope(|scope| {
        for stranger in 0..60_u8 {
            let (door, over, start) = (&door, &over, &start);
            scope.spawn(move || {
                start.wait();
                // Five each, from five addresses.
                for number in 0..5 {
                    if !over.load(Ordering::Relaxed) {
                        let name = format!("{stranger}.{number}@demo.example");
                        let status = door.sign_in(2 + stranger % 5, &name, "wrong", "").status();
                        assert!([403, 429, 503].contains(&status), "{status}");
                    }
                }
            });
        }
        start.wait();
        let waits = (0..3).map(|_| {
            let begun = Instant::now();
            let answer = door.sign_in(100, ADDRESS, &world.facts.password, "");
            assert_eq!(answer.status(), 303, "{}", answer.0);
            begun.elapsed()
        });
        let waits = waits.collect();
        over.store(true, Ordering::Relaxed);
        waits
    });
    eprintln!("right sign-ins among 300 strangers: {waits:?}");
    // The first falls among sixty handshakes at once, which a busy machine takes seconds for in a build
    // without optimisation; the others show what waiting for a place costs.
    assert!(waits.iter().min() < Some(&Duration::from_secs(2)), "{waits:?}");
    assert!(waits.iter().max() < Some(&Duration::from_secs(14)), "{waits:?}");
    server.is_well();
}

#[test]
fn whoever_finds_no_place_is_told_when_to_come_back_and_has_not_tried() {
    let world = World::new();
    let mut server = world.serve();
    let door = Door::of(&world);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let strangers = (0..40).map(|number| {
            let door = &door;
            scope.spawn(move || door.sign_in(7, &format!("{number}@demo.example"), "wrong", ""))
        });
        let strangers: Vec<_> = strangers.collect();
        strangers.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status() == 503).collect();
    assert!(!refused.is_empty(), "forty at once find no room");
    for answer in refused {
        let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
        assert!(wait.is_some_and(|wait| (1..60).contains(&wait)), "{}", answer.0);
        assert!(answer.0.contains("was not looked at"), "{}", answer.0);
    }
    assert!(answers.iter().all(|answer| [403, 429, 503].contains(&answer.status())));
    server.is_well();
}

#[test]
fn a_stranger_keeps_nobody_out_and_learns_no_name() {
    let world = World::new();
    let mut server = world.serve();
    let door = Door::of(&world);
    let first = door.sign_in(50, ADDRESS, &world.facts.password, "");
    let known = first.known().expect("the browser is known from now on");
    let statuses = |from: u8, name: &str| -> Vec<(u16, String)> {
        let answers = (0..7).map(|_| door.sign_in(from, name, "wrong", ""));
        answers.map(|answer| (answer.status(), answer.0.replace(name, "NAME"))).collect()
    };
    let (nobodys, begun) = (statuses(61, "nobody@demo.example"), Instant::now());
    let ours = statuses(60, ADDRESS);
    // The first wait is five seconds from the fourth failure on; a slow machine may have spent it.
    let waits = || begun.elapsed() < Duration::from_secs(5);
    let codes = |answers: &[(u16, String)]| answers.iter().map(|(status, _)| *status).collect::<Vec<_>>();
    assert_eq!(codes(&ours), [403, 403, 403, 403, 429, 429, 429]);
    assert_eq!(codes(&ours), codes(&nobodys), "known and unknown names are answered alike");
    let page = |answer: &(u16, String)| answer.1.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    assert_eq!(page(&ours[0]), page(&nobodys[0]));
    // The owner elsewhere, and in a browser that is known at the stranger's own address.
    assert_eq!(door.sign_in(62, ADDRESS, &world.facts.password, "").status(), 303);
    let same = door.sign_in(60, ADDRESS, &world.facts.password, "").status();
    assert!(same == 429 || !waits(), "{same}");
    assert_eq!(door.sign_in(60, ADDRESS, &world.facts.password, &known).status(), 303);
    // Such a browser has a count of its own, and a forged one is nobody's.
    let forged = known.replace('A', "B").replace('a', "b");
    let same = door.sign_in(60, ADDRESS, "wrong", &forged).status();
    assert!(same == 429 || !waits(), "{same}");
    let guesses: Vec<u16> = (0..6).map(|_| door.sign_in(63, ADDRESS, "wrong", &known).status()).collect();
    assert_eq!((guesses[0], guesses[5]), (403, 429), "{guesses:?}");
    let refused = world.audited();
    let refused = refused.iter().filter(|entry: &&Value| entry["act"]["kind"] == "sign_in_refused").count();
    assert!(refused == 8 || !waits(), "four guesses at each count of hers: {refused}");
    server.is_well();
}

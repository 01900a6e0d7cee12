//! Clients that idle, dawdle, vanish, guess, flood and talk nonsense, beside legitimate ones.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::{ADDRESS, Fetcher, Sender, Way, connect, metric, stuffed};
use super::letters::{letter, random};
use super::world::{SAMPLES, Server, World, until};

fn delivers(server: &Server, way: Way, number: u64) -> Duration {
    let begun = Instant::now();
    let reply = server.sender(way).deliver(&letter(number, 1000)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    begun.elapsed()
}

#[test]
fn hundreds_of_idle_connections_make_no_mail_wait() {
    let world = World::new();
    let mut server = world.serve();
    let ports = server.ports();
    let mut idle = Vec::new();
    for number in 0..500 {
        let port = [ports.smtp, ports.lmtp, ports.pop3, ports.pop3s][number % 4];
        idle.push(connect(port).expect("the listener takes connections"));
    }
    // Half of SMTP's in the middle of a message.
    for stream in idle.iter_mut().step_by(8) {
        let _ = write!(
            stream,
            "EHLO x.example\r\nMAIL FROM:<>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\nSubject: slow\r\n"
        );
    }
    let slowest = (1..=10).map(|number| delivers(&server, Way::Smtp, number)).max();
    assert!(slowest < Some(Duration::from_secs(5)), "{slowest:?}");
    assert!(delivers(&server, Way::Lmtp, 11) < Duration::from_secs(5));
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES + 11);
    server.is_well();
    drop(idle);
    delivers(&server, Way::Smtp, 12);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_peer_that_sends_its_message_too_slowly_is_cut_off() {
    let world = World::new();
    world.configure("[limits]\ndata_seconds = 2\n");
    let mut server = world.serve();
    let mut slow = server.sender(Way::Smtp);
    slow.begin().expect("the server waits for content");
    let begun = Instant::now();
    // An octet now and then, for as long as it is taken.
    until("the server gives up", || slow.write(b"x").err());
    assert!(begun.elapsed() > Duration::from_secs(1), "not at once");
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES);
    server.is_well();
}

#[test]
fn clients_that_vanish_in_mid_message_leave_nothing() {
    let world = World::new();
    let mut server = world.serve();
    let before = super::damage::files(&world.data().join("blobs")).len();
    for number in 0..40_u64 {
        let way = if number % 2 == 0 { Way::Smtp } else { Way::Lmtp };
        let mut sender = server.sender(way);
        sender.begin().expect("the server waits for content");
        let text = stuffed(&letter(number, 3_000));
        sender.write(&text[..random(&mut number.clone()) as usize % text.len()]).expect("it is read");
    }
    delivers(&server, Way::Lmtp, 99);
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES + 1);
    until("their memory is free again", || {
        (metric(server.ports().metrics, "veilpost_memory_in_flight_bytes") == 0.0).then_some(())
    });
    // The one letter's container, and the seeds of the epoch that began with it.
    let after = super::damage::files(&world.data().join("blobs")).len();
    assert_eq!(after - before, 1 + 5);
    server.is_well();
}

#[test]
fn memory_is_bounded_whatever_clients_send() {
    let world = World::new();
    world.configure(&format!(
        "smtp.max_message_size = {}\nlimits.memory_in_flight = {IN_FLIGHT}\nlimits.connections_per_address = 300\n",
        2 * SIZE
    ));
    let mut server = world.serve();
    delivers(&server, Way::Lmtp, 1);
    let rest = server.resident();
    let body = [&stuffed(&letter(2, 1000)), "of many lines.\r\n".repeat(SIZE / 16).as_bytes()].concat();
    let (stored, deferred) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut peak = 0;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(|| {
                    let reply = Sender::connect(server.ports().smtp, Way::Smtp)
                        .and_then(|mut sender| {
                            sender.begin().and_then(|()| sender.write(&body)).and_then(|()| sender.ask("."))
                        })
                        .unwrap_or_else(|error| error.to_string());
                    match &reply[..3] {
                        "250" => stored.fetch_add(1, Ordering::Relaxed),
                        "452" | "451" | "421" => deferred.fetch_add(1, Ordering::Relaxed),
                        _ => panic!("{reply}"),
                    };
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            peak = peak.max(server.resident());
            thread::sleep(Duration::from_millis(5));
        }
    });
    let (stored, deferred) = (stored.into_inner(), deferred.into_inner());
    println!("200 x {SIZE}: {stored} stored, {deferred} deferred, {} MB above rest", (peak - rest) >> 20);
    assert_eq!(stored + deferred, 200);
    assert!(stored > 0, "some get through");
    assert!(peak - rest < BOUND, "{} MB above rest", (peak - rest) >> 20);
    let mut fetcher = server.fetcher(&world, "everything");
    assert_eq!(fetcher.count(), Ok(SAMPLES + 1 + stored as usize));
    server.is_well();
}

/// Octets of each message; a debug build reads 16 MB a second.
const SIZE: usize = if cfg!(debug_assertions) { 1 << 20 } else { 10 << 20 };
/// What the configuration allows, in octets.
const IN_FLIGHT: u64 = 6 * SIZE as u64;
/// Buffers of 200 connections; messages as they came, with a trace header, and sealed (as many at a
/// time as there are cores); and what the allocator keeps.
const BOUND: u64 = (64 << 20) + 4 * IN_FLIGHT;

#[test]
fn guessing_app_passwords_is_slow() {
    let world = World::new();
    let mut server = world.serve();
    let begun = Instant::now();
    let mut tries = 0;
    while tries < 6 {
        let mut guesser = Fetcher::connect(server.ports().pop3s, &world.certificate()).expect("TLS");
        for _ in 0..3 {
            tries += 1;
            let refused = guesser.log_in("aaaa-bbbb-cccc-dddd-eeee-ffff-gggg-hhhh").expect_err("a guess");
            if !refused.starts_with("-ERR") {
                break;
            }
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "{tries} guesses took {:?}", begun.elapsed());
    // The owner's device is not made to wait.
    let begun = Instant::now();
    server.fetcher(&world, "phone");
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.is_well();
}

#[test]
fn nonsense_on_every_port_harms_nothing() {
    let world = World::new();
    let mut server = world.serve();
    let ports = server.ports();
    // A TLS hello (RFC 8446 §4.1.2, cut short), plaintext where TLS belongs, NULs, and noise.
    let hello = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    let mut noise = Vec::new();
    let mut state = 1;
    noise.extend((0..100_000).map(|_| random(&mut state) as u8));
    let long = vec![b'A'; 1 << 20];
    let nonsense: [&[u8]; 7] = [
        &hello,
        b"EHLO x\r\nUSER alice\r\n",
        b"\0\0\0\0\r\n",
        &noise,
        &long,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
    ];
    for port in [ports.smtp, ports.lmtp, ports.pop3, ports.pop3s, ports.metrics] {
        for octets in nonsense {
            answered(port, octets);
        }
    }
    let mut admin =
        std::os::unix::net::UnixStream::connect(world.data().join("admin.sock")).expect("it listens");
    let _ = admin.write_all(&noise);
    drop(admin);
    delivers(&server, Way::Smtp, 1);
    delivers(&server, Way::Lmtp, 2);
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES + 2);
    assert!(world.run(&["status"]).status.success());
    server.is_well();
}

/// Sends, closes our side, and reads whatever comes until the server closes its side.
fn answered(port: std::net::SocketAddr, octets: &[u8]) {
    let mut stream: TcpStream = connect(port).expect("the listener takes connections");
    let mut writing = stream.try_clone().expect("a descriptor");
    let sent = octets.to_vec();
    let writer = thread::spawn(move || {
        let _ = writing.write_all(&sent);
        let _ = writing.shutdown(Shutdown::Write);
    });
    let _ = stream.read_to_end(&mut Vec::new());
    writer.join().expect("no panic");
}

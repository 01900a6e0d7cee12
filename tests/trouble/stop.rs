//! Graceful shutdown, and a certificate that is replaced while the server runs.

use std::fs;

use rustix::process::Signal;

use super::clients::{ADDRESS, Fetcher, Way};
use super::letters::letter;
use super::world::{SAMPLES, World, until};

#[test]
fn a_message_under_way_is_stored_or_deferred_when_the_server_stops() {
    let world = World::new();
    let mut server = world.serve();
    let mut sender = server.sender(Way::Smtp);
    sender.begin().expect("the server waits for content");
    let text = letter(1, 5_000);
    let (first, rest) = text.split_at(2_000);
    sender.write(first).expect("it is read");
    server.signal(Signal::TERM);
    until("the listeners close", || std::net::TcpStream::connect(server.ports().smtp).err());
    // Refused or not, it hears which.
    let reply = sender.write(rest).and_then(|()| sender.ask(".")).unwrap_or_else(|error| error.to_string());
    let stored = reply.starts_with("250");
    assert!(stored || reply.starts_with("421"), "{reply}");
    if stored {
        let parting = sender.reply().expect("a goodbye");
        assert!(parting.starts_with("421"), "{parting}");
    }
    drop(sender);
    assert_eq!(server.ended(), Some(0), "{}", server.said());
    server = world.serve();
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES + usize::from(stored));
    // What became of it is kept, too.
    let id = reply.rsplit(' ').next().unwrap_or_default().trim_end_matches(['.', '\r', '\n']);
    let traced = world.run(&["trace", ADDRESS]).stdout;
    let traced = String::from_utf8_lossy(&traced);
    assert!(!stored || traced.contains(id), "{reply} is not in {traced}");
}

#[test]
fn a_session_that_the_server_ends_deletes_nothing() {
    let world = World::new();
    let mut server = world.serve();
    let mut fetcher = server.fetcher(&world, "everything");
    fetcher.ask("DELE 1").expect("it is marked");
    server.signal(Signal::TERM);
    // RFC 1939 §6: only QUIT enters the update state.
    let parting = fetcher.line().unwrap_or_default();
    assert!(parting.is_empty() || parting.contains("shutting down"), "{parting}");
    assert_eq!(server.ended(), Some(0), "{}", server.said());
    server = world.serve();
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES);
}

#[test]
fn idle_sessions_hold_no_stop_up() {
    let world = World::new();
    let mut server = world.serve();
    let _senders: Vec<_> = (0..20).map(|_| server.sender(Way::Smtp)).collect();
    let _fetcher = server.fetcher(&world, "phone");
    let begun = std::time::Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_replaced_certificate_is_taken_up_on_a_hangup() {
    let world = World::new();
    let mut server = world.serve();
    let old = world.certificate().with_extension("old");
    fs::copy(world.certificate(), &old).expect("a copy");
    let before = Fetcher::connect(server.ports().pop3s, &old).expect("TLS").certificate();
    let fresh = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(world.root.join("keys/tls-key.pem"), fresh.signing_key.serialize_pem()).expect("written");
    fs::write(world.certificate(), fresh.cert.pem()).expect("written");
    server.signal(Signal::HUP);
    let shown = until("the new certificate is shown", || {
        Fetcher::connect(server.ports().pop3s, &world.certificate()).ok().map(|client| client.certificate())
    });
    assert_ne!(shown, before);
    assert_eq!(shown, fresh.cert.der().to_vec());
    server.is_well();
    // A broken file changes nothing.
    fs::write(world.certificate(), "nonsense").expect("written");
    server.signal(Signal::HUP);
    until("the server says that it keeps the old one", || {
        server.said().contains("certificate").then_some(())
    });
    fs::write(world.certificate(), fresh.cert.pem()).expect("written");
    assert!(Fetcher::connect(server.ports().pop3s, &world.certificate()).is_ok());
    let mut fetcher = Fetcher::connect(server.ports().pop3s, &world.certificate()).expect("TLS");
    fetcher.log_in(world.app_password("everything")).expect("served as before");
    assert_eq!(server.stop(), Some(0));
}

//! Strangers who connect and say nothing, among people who have logged in: from one address, at all listeners.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use super::clients::{Way, connect};
use super::letters::letter;
use super::world::World;

/// Connections that say nothing, and have been said something: a greeting, or that there is no room.
fn bare(addresses: &[SocketAddr], count: usize) -> Vec<TcpStream> {
    let mut strangers = Vec::new();
    for at in 0..count {
        let mut stranger = connect(addresses[at % addresses.len()]).expect("the kernel takes it");
        stranger.read_exact(&mut [0]).expect("a first octet");
        strangers.push(stranger);
    }
    strangers
}

#[test]
fn whoever_is_logged_in_yields_to_no_stranger() {
    let world = World::new();
    let mut server = world.serve();
    let ports = server.ports();
    let mut idle: Vec<_> = (0..63).map(|_| server.inbox(&world, "everything")).collect();
    let tags: Vec<String> = idle.iter_mut().map(|imap| imap.idle()).collect();
    let strangers = bare(&[ports.smtp, ports.imap, ports.pop3], 130);
    for (imap, tag) in idle.iter_mut().zip(&tags) {
        imap.write(b"DONE\r\n").expect("the session is there");
        assert!(imap.answer(tag).expect("it was not cut off").is_ok());
        imap.done("NOOP");
    }
    // A person on the same address still comes in, and the last stranger goes.
    let mut late = server.fetcher(&world, "everything");
    assert!(late.count().is_ok());
    drop(strangers);
    server.is_well();
}

#[test]
fn a_person_logs_in_where_64_strangers_stand_and_they_are_told() {
    let world = World::new();
    let mut server = world.serve();
    let ports = server.ports();
    let mut strangers = bare(&[ports.imap, ports.pop3], 64);
    let mut people: Vec<_> = (0..8).map(|_| server.fetcher(&world, "everything")).collect();
    assert!(people.iter_mut().all(|person| person.count().is_ok()));
    let mut said = String::new();
    strangers[0].read_to_string(&mut said).expect("a farewell, then the end");
    assert!(said.contains("* BYE [UNAVAILABLE] too many connections\r\n"), "{said}");
    let mut said = String::new();
    strangers[1].read_to_string(&mut said).expect("a farewell, then the end");
    assert!(said.ends_with("-ERR [SYS/TEMP] too many connections\r\n"), "{said}");
    let reply = server.sender(Way::Smtp).deliver(&letter(1, 200)).expect("mail comes in too");
    assert!(reply.starts_with("250"), "{reply}");
    server.is_well();
}

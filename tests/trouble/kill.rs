//! SIGKILL at any moment, while four clients deliver and one fetches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Fetcher, Sender, Way};
use super::letters::{identifier, is_same, letter, number, random};
use super::world::{Ports, SAMPLES, World, until};

#[test]
fn a_killed_server_loses_nothing_it_acknowledged() {
    let kills = std::env::var("VEILPOST_KILLS").map_or(8, |kills| kills.parse().expect("a number"));
    let world = World::new();
    let mut server = world.serve();
    let traffic = Traffic::start(&world, server.ports());
    let mut chance = 1;
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        let target = traffic.acknowledged() + random(&mut chance) as usize % 12;
        until("mail is acknowledged", || (traffic.acknowledged() > target).then_some(()));
        // The moment of the kill: anywhere in the next transactions.
        thread::sleep(Duration::from_micros(random(&mut chance) % 30_000));
        server.kill();
        let fetched = traffic.fetched.lock().expect("no panic").clone();
        let begun = Instant::now();
        server = world.serve();
        slowest = slowest.max(begun.elapsed());
        traffic.turn_to(server.ports());
        each_fetch_is_audited(&world, &fetched);
    }
    traffic.stop.store(true, Ordering::Relaxed);
    let (sent, acknowledged) = traffic.join();
    let view = server.fetch_all(&world, "everything").into_iter().map(|served| served.expect("it is served"));
    each_is_there_once(view.collect(), &sent, &acknowledged);
    world.unlock();
    each_is_there_once(world.export(), &sent, &acknowledged);
    server.is_well();
    assert!(slowest < Duration::from_secs(20), "a start took {slowest:?}");
    println!(
        "{kills} kills, {} acknowledged, {} sent, slowest start {slowest:?}",
        acknowledged.len(),
        sent.len()
    );
}

/// Law 4: what reached a client before the kill is in the log after it.
fn each_fetch_is_audited(world: &World, fetched: &[String]) {
    let entries = world.audited();
    let mut times: HashMap<&str, usize> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry["act"]["kind"] == "message_fetched") {
        *times.entry(entry["act"]["message"].as_str().expect("an identifier")).or_default() += 1;
    }
    for message in fetched {
        let left = times.get_mut(message.as_str()).filter(|left| **left > 0);
        *left.unwrap_or_else(|| panic!("the fetch of {message} is not in the audit log")) -= 1;
    }
}

/// Every acknowledged letter once, the others once or not at all, each whole; and the samples.
fn each_is_there_once(found: Vec<Vec<u8>>, sent: &HashMap<u64, usize>, acknowledged: &[u64]) {
    let mut seen = HashMap::new();
    let mut samples = 0;
    for message in &found {
        let Some(number) = number(message) else {
            samples += 1;
            continue;
        };
        assert!(is_same(message, &letter(number, sent[&number])), "letter {number} is not what was sent");
        assert_eq!(seen.insert(number, ()), None, "letter {number} is there twice");
    }
    assert_eq!(samples, SAMPLES);
    for number in acknowledged {
        assert!(seen.contains_key(number), "letter {number} was acknowledged and is lost");
    }
}

/// Clients at work until they are told to stop; they reconnect when the server is gone.
struct Traffic {
    ports: Arc<Mutex<Ports>>,
    stop: Arc<AtomicBool>,
    /// Sizes of letters by number.
    sent: Arc<Mutex<HashMap<u64, usize>>>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
    /// Identifiers of messages that a client has whole.
    fetched: Arc<Mutex<Vec<String>>>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    fn start(world: &World, ports: Ports) -> Self {
        let mut traffic = Self {
            ports: Arc::new(Mutex::new(ports)),
            stop: Arc::default(),
            sent: Arc::default(),
            acknowledged: Arc::default(),
            fetched: Arc::default(),
            clients: Vec::new(),
        };
        let numbers = Arc::new(AtomicU64::new(1));
        for way in [Way::Lmtp, Way::Lmtp, Way::Lmtp, Way::Smtp] {
            let (numbers, sent) = (numbers.clone(), traffic.sent.clone());
            let acknowledged = traffic.acknowledged.clone();
            traffic.client(move |ports, stop| {
                let address = if way == Way::Lmtp { ports.lmtp } else { ports.smtp };
                let Ok(mut sender) = Sender::connect(address, way) else { return };
                while !stop.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let size = 1 << (random(&mut number.clone()) % 17);
                    sent.lock().expect("no panic").insert(number, size);
                    match sender.deliver(&letter(number, size)) {
                        Ok(reply) if reply.starts_with("250") => {
                            acknowledged.lock().expect("no panic").push(number)
                        }
                        Ok(reply) => assert!(reply.starts_with('4'), "{reply}"),
                        Err(_) => return,
                    }
                }
            });
        }
        let (certificate, password) = (world.certificate(), world.app_password("everything").to_owned());
        let fetched = traffic.fetched.clone();
        traffic.client(move |ports, stop| {
            let Ok(mut fetcher) = Fetcher::connect(ports.pop3s, &certificate) else { return };
            if fetcher.log_in(&password).is_err() {
                return;
            }
            let Ok(count) = fetcher.count() else { return };
            // The newest ones, and not so many that the log alone is what is tested.
            for message in (1..=count).rev().take(5) {
                match fetcher.retrieve(message) {
                    Ok(message) => fetched.lock().expect("no panic").push(identifier(&message)),
                    Err(_) => return,
                }
            }
            thread::sleep(Duration::from_millis(if stop.load(Ordering::Relaxed) { 0 } else { 50 }));
        });
        traffic
    }

    /// Runs one connection of a client after the other.
    fn client(&mut self, connection: impl Fn(Ports, &AtomicBool) + Send + 'static) {
        let (ports, stop) = (self.ports.clone(), self.stop.clone());
        self.clients.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let ports = *ports.lock().expect("no panic");
                connection(ports, &stop);
                thread::sleep(Duration::from_millis(5));
            }
        }));
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("no panic").len()
    }

    fn turn_to(&self, ports: Ports) {
        *self.ports.lock().expect("no panic") = ports;
    }

    fn join(self) -> (HashMap<u64, usize>, Vec<u64>) {
        self.clients.into_iter().for_each(|client| client.join().expect("no client panics"));
        let sent = self.sent.lock().expect("no panic").clone();
        let acknowledged = self.acknowledged.lock().expect("no panic").clone();
        (sent, acknowledged)
    }
}

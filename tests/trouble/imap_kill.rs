//! SIGKILL, and a power cut, in the middle of what IMAP clients do: what was told OK is there, UIDs stand for
//! what they stood for, and the numbers that clients compare never go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use veilpost::admin::api::{Authority, Request, Secret};
use veilpost::admin::client::Client;

use super::clients::{ADDRESS, Way};
use super::imap::Imap;
use super::imap_model::{DEEDS, Model, Purge};
use super::letters::{letter, random};
use super::powercut::{Loss, PowerCut};
use super::world::{Ports, World};

/// Makes a view of its own, under a policy that is loaded for it.
pub fn add_view(world: &mut World, name: &str, text: &str) {
    load_policy(world, name, text);
    let made = world.json(&["view", "create", ADDRESS, name, "--policy", name, "--recovery"]);
    let password = made["app_password"].as_str().expect("a text").to_owned();
    world.facts.views.push((name.to_owned(), password));
}

/// Loads a policy; where it reveals more than the one before, the recovery code allows it.
pub fn load_policy(world: &World, name: &str, text: &str) {
    let authority = Some(Authority::Recovery(Secret::new(world.facts.recovery_code.clone())));
    let (tenant, name, text) = ("demo".to_owned(), name.to_owned(), text.to_owned());
    let mut client = Client::connect(&world.data().join("admin.sock")).expect("the server answers");
    let loaded = client.call::<serde_json::Value>(Request::PolicyLoad { tenant, name, text, authority });
    loaded.expect("the policy loads");
}

/// A policy that shows everything, and says what a delete does.
pub fn showing_all(on_delete: &str) -> String {
    format!("version = 1\nshow = \"everything\"\n\n[gateway]\non_delete = \"{on_delete}\"\n")
}

/// A vault with a view for each meaning of a delete.
fn staged(world: &mut World) {
    let mut server = world.serve();
    for on_delete in ["hide", "trash", "delete"] {
        add_view(world, on_delete, &showing_all(on_delete));
    }
    assert_eq!(server.stop(), Some(0));
}

fn models() -> [(&'static str, Model); 3] {
    [
        ("hide", Model::new(1, Purge::Gone)),
        ("trash", Model::new(2, Purge::Trash)),
        ("delete", Model::new(3, Purge::Gone)),
    ]
}

#[test]
fn a_killed_server_keeps_what_it_told_imap_clients() {
    let kills = std::env::var("VEILPOST_KILLS").map_or(8, |kills| kills.parse().expect("a number"));
    let mut world = World::new();
    staged(&mut world);
    let mut models = models();
    let (mut chance, mut delivered, mut deeds) = (3, 0, 0);
    for kill in 0..kills {
        let mut server = world.serve();
        for (view, model) in &mut models {
            model.verify(&mut server.imap(&world, view));
        }
        let work = Work::begin(&world, server.ports(), models);
        // Each kill follows the OK of another kind of command; none is waited for twice in a row.
        for _ in 0..random(&mut chance) % 20 {
            work.told.recv().expect("they work");
        }
        let deed = DEEDS[kill % DEEDS.len()];
        while work.told.recv().expect("they work") != deed {}
        thread::sleep(Duration::from_micros([0, 0, 300, 3_000][kill % 4]));
        server.kill();
        let (ended, count, steps) = work.end();
        (models, delivered, deeds) = (ended, delivered + count, deeds + steps);
    }
    let mut server = world.serve();
    for (view, model) in &mut models {
        model.verify(&mut server.imap(&world, view));
    }
    println!("{kills} kills, {deeds} commands told OK, {delivered} letters delivered beside them");
    server.is_well();
    world.audited();
    assert_eq!(server.stop(), Some(0));
}

/// RFC 9051 §2.3.1.1: UIDNEXT does not change unless messages are added, and no UID is given twice.
#[test]
fn a_kill_changes_no_message_numbers() {
    let mut world = World::new();
    staged(&mut world);
    let mut before: Option<Vec<String>> = None;
    for round in 0..3 {
        let mut server = world.serve();
        let mut imap = server.imap(&world, "delete");
        let numbers = |imap: &mut Imap| -> Vec<String> {
            let folders = ["INBOX", "Archive", "Sent", "Work"];
            let status = |folder| {
                imap.done(&format!("STATUS {folder} (UIDNEXT UIDVALIDITY)")).untagged[0].text.clone()
            };
            folders.map(status).to_vec()
        };
        match &before {
            None => drop(imap.done("CREATE Work")),
            Some(before) => assert_eq!(&numbers(&mut imap), before),
        }
        for _ in 0..=round {
            let appended = imap.append("INBOX", "", b"Subject: x\r\n\r\nx\r\n").expect("it answers");
            assert!(appended.is_ok(), "{}", appended.end);
        }
        imap.done("SELECT INBOX");
        imap.done("MOVE * Work");
        imap.done("SELECT Work");
        imap.done("STORE 1:* +FLAGS.SILENT (\\Deleted)");
        imap.done("EXPUNGE");
        before = Some(numbers(&mut imap));
        server.kill();
    }
}

/// Clients at work, until the server is gone.
struct Work {
    told: Receiver<&'static str>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(&'static str, Model, usize)>>,
    deliverer: JoinHandle<u64>,
}

impl Work {
    fn begin(world: &World, ports: Ports, models: [(&'static str, Model); 3]) -> Self {
        let (tell, told) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut sender = super::clients::Sender::connect(ports.lmtp, Way::Lmtp).expect("it takes mail");
        let clients = models
            .map(|(view, model)| {
                let (certificate, password) = (world.certificate(), world.app_password(view).to_owned());
                let tell = tell.clone();
                // Here, so that the server is not killed before all are in.
                let mut imap = Imap::connect(ports.imaps, &certificate).expect("TLS");
                assert!(imap.log_in(&password).expect("it answers").is_ok());
                thread::spawn(move || {
                    let (model, steps) = work(&mut imap, model, &tell);
                    (view, model, steps)
                })
            })
            .into();
        let stopped = stop.clone();
        let deliverer = thread::spawn(move || {
            let mut deliver = |number: &u64| sender.deliver(&letter(9_000_000 + number, 500)).is_ok();
            (0..).take_while(|number| !stopped.load(Ordering::Relaxed) && deliver(number)).count() as u64
        });
        Self { told, stop, clients, deliverer }
    }

    fn end(self) -> ([(&'static str, Model); 3], u64, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.deliverer.join().expect("no panic");
        let ended: Vec<_> = self
            .clients
            .into_iter()
            .map(|client| client.join().expect("no client saw anything wrong"))
            .collect();
        let steps = ended.iter().map(|(.., steps)| steps).sum();
        let models: Vec<_> = ended.into_iter().map(|(view, model, _)| (view, model)).collect();
        (models.try_into().unwrap_or_else(|_| panic!("three")), count, steps)
    }
}

fn work(imap: &mut Imap, mut model: Model, tell: &Sender<&'static str>) -> (Model, usize) {
    let mut steps = 0;
    while let Ok(deed) = model.step(imap) {
        steps += 1;
        let _ = tell.send(deed);
    }
    (model, steps)
}

#[test]
fn a_power_cut_loses_nothing_that_imap_clients_were_told() {
    let Some(disk) = PowerCut::mount() else { return };
    let mut world = World::at(&disk.path().join("vault"));
    staged(&mut world);
    let server = world.serve();
    let mut models = models();
    let mut remainders = Vec::new();
    let mut chance = 5;
    for loss in [Loss::All, Loss::Some(1), Loss::All, Loss::Some(2)] {
        for (view, model) in &mut models {
            let mut imap = server.imap(&world, view);
            for _ in 0..8 + random(&mut chance) % 12 {
                model.step(&mut imap).expect("the server answers");
            }
        }
        let remainder = tempfile::tempdir().expect("a temporary folder");
        disk.cut(loss, remainder.path());
        remainders.push((remainder, models.clone()));
    }
    drop(server);
    for (remainder, models) in remainders {
        let left = world.left(&remainder.path().join("vault"));
        let mut server = left.serve();
        for (view, mut model) in models {
            model.verify(&mut server.imap(&left, view));
            // And it goes on from there.
            let mut imap = server.imap(&left, view);
            for _ in 0..5 {
                model.step(&mut imap).expect("the server answers");
            }
            model.verify(&mut server.imap(&left, view));
        }
        left.audited();
        server.is_well();
    }
}

//! A flipped byte in any stored file, and files that are gone: what is damaged is told, the rest is
//! served, and nothing false is ever shown.

use std::fs;
use std::path::{Path, PathBuf};

use super::clients::{ADDRESS, Fetcher, Way, metric};
use super::letters::{identifier, letter, random};
use super::world::{SAMPLES, Server, World, words};

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, mut found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    found.retain(|path| path.is_file());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found.sort();
    found
}

/// Octets to flip in a file of this length: the first, the last, and some between.
fn places(length: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut places = vec![0, length - 1];
    places.extend((0..3).map(|_| random(&mut state) as usize % length));
    places
}

pub fn flip(file: &Path, place: usize) {
    let mut content = fs::read(file).expect("it is there");
    content[place] ^= 0x10;
    fs::write(file, content).expect("written");
}

/// What the view shows of an undamaged vault.
fn originals(world: &World) -> Vec<Vec<u8>> {
    let mut server = world.serve();
    let all = server.fetch_all(world, "everything").into_iter().map(|served| served.expect("undamaged"));
    let all: Vec<_> = all.collect();
    assert_eq!((all.len(), server.stop()), (SAMPLES, Some(0)));
    all
}

#[test]
fn a_flipped_byte_in_a_container_is_told_and_the_rest_is_served() {
    let world = World::new();
    let originals = originals(&world);
    let containers = files(&world.data().join("blobs/messages"));
    assert_eq!(containers.len(), SAMPLES);
    for (number, container) in containers.iter().enumerate() {
        let sound = fs::read(container).expect("it is there");
        for place in places(sound.len(), number as u64) {
            flip(container, place);
            let mut server = world.serve();
            let served = server.fetch_all(&world, "everything");
            one_is_damaged(&world, &server, &originals, &served, place);
            server.is_well();
            assert_eq!(server.stop(), Some(0));
        }
        fs::write(container, sound).expect("written");
    }
    assert_eq!(self::originals(&world), originals);
}

fn one_is_damaged(
    world: &World,
    server: &Server,
    originals: &[Vec<u8>],
    served: &[Result<Vec<u8>, String>],
    place: usize,
) {
    assert_eq!(served.len(), originals.len());
    let damaged: Vec<_> =
        (0..served.len()).filter(|number| served[*number].as_ref() != Ok(&originals[*number])).collect();
    let [damaged] = damaged[..] else { panic!("octet {place}: {} messages differ", damaged.len()) };
    let said = served[damaged].as_ref().expect_err("a damaged message is not served");
    assert!(said.starts_with("-ERR [SYS/PERM] message is damaged"), "{said}");
    assert_eq!(metric(server.ports().metrics, "veilpost_containers_damaged_total"), 1.0);
    assert!(world.entries_about("message_damaged", &identifier(&originals[damaged])) >= 1);
}

#[test]
fn a_missing_container_is_marked_for_the_owner() {
    let world = World::new();
    let containers = files(&world.data().join("blobs/messages"));
    fs::remove_file(&containers[0]).expect("it is there");
    let mut server = world.serve();
    world.unlock();
    let listed = world.json(&["mail", "list"]);
    let listed = listed.as_array().expect("a list");
    let marked: Vec<_> = listed.iter().filter(|item| item["damaged"].is_string()).collect();
    assert_eq!((listed.len(), marked.len()), (SAMPLES, 1));
    let (uid, id) = (marked[0]["uid"].to_string(), marked[0]["id"].as_str().expect("an identifier"));
    assert_eq!(world.entries_about("message_damaged", id), 1);
    let output = world.run(&["mail", "read", &uid]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("damaged"), "{}", words(&output));
    assert_eq!(world.export().len(), SAMPLES - 1);
    let served = server.fetch_all(&world, "phone");
    assert_eq!((served.len(), served.iter().flatten().count()), (SAMPLES, SAMPLES - 1));
    server.is_well();
}

/// Delivers one letter in an epoch of its own, and stops.
fn with_a_fresh_epoch(world: &World) {
    let before = files(&world.data().join("blobs/epochs"));
    let mut server = world.serve();
    let reply = server.sender(Way::Lmtp).deliver(&letter(1, 100)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(server.stop(), Some(0));
    assert!(files(&world.data().join("blobs/epochs")).len() > before.len(), "an epoch ends at a restart");
}

/// The newest seed of each reader, as (reader, file).
fn newest_seeds(world: &World, before: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let fresh = files(&world.data().join("blobs/epochs")).into_iter().filter(|file| !before.contains(file));
    fresh
        .map(|file| {
            (file.parent().and_then(Path::file_name).expect("a reader").to_string_lossy().into_owned(), file)
        })
        .collect()
}

#[test]
fn a_damaged_epoch_seed_closes_its_epoch_to_its_reader_alone() {
    let world = World::new();
    let before = files(&world.data().join("blobs/epochs"));
    with_a_fresh_epoch(&world);
    let seeds = newest_seeds(&world, &before);
    assert_eq!(seeds.len(), 5, "the owner, three views and the dashboard's");
    for (reader, seed) in &seeds {
        let sound = fs::read(seed).expect("it is there");
        let spoilt = places(sound.len(), 3).into_iter().map(Some).chain([None]);
        for place in spoilt {
            match place {
                Some(place) => flip(seed, place),
                None => fs::remove_file(seed).expect("it is there"),
            }
            let mut server = world.serve();
            let views = world.json(&["view", "list", ADDRESS]);
            let view = views.as_array().expect("views").iter().find(|view| view["id"] == **reader);
            // None is the owner's, and the dashboard's has no mail client. Another view that read now would
            // keep its seed and need its file no more.
            if let Some(view) = view.filter(|view| view["name"] != "dashboard") {
                the_last_is_damaged(&world, &server, view["name"].as_str().expect("a name"), place);
            }
            server.is_well();
            fs::write(seed, &sound).expect("written");
        }
    }
}

fn the_last_is_damaged(world: &World, server: &Server, view: &str, place: Option<usize>) {
    let served = server.fetch_all(world, view);
    let failed: Vec<_> = (0..served.len()).filter(|number| served[*number].is_err()).collect();
    assert_eq!((served.len(), &failed[..]), (SAMPLES + 1, &[SAMPLES][..]), "{view}, octet {place:?}");
    let said = served[SAMPLES].as_ref().expect_err("damaged");
    assert!(said.starts_with("-ERR [SYS/PERM] message is damaged"), "{said}");
    assert!(world.audited().iter().any(|entry| entry["act"]["kind"] == "message_damaged"));
}

#[test]
fn a_missing_seed_of_the_owner_hides_no_other_mail_from_the_owner() {
    let world = World::new();
    let before = files(&world.data().join("blobs/epochs"));
    with_a_fresh_epoch(&world);
    let mut server = world.serve();
    let views = world.json(&["view", "list", ADDRESS]).to_string();
    let (_, seed) = newest_seeds(&world, &before)
        .into_iter()
        .find(|(reader, _)| !views.contains(reader.as_str()))
        .expect("the owner's seed");
    fs::remove_file(seed).expect("it is there");
    world.unlock();
    let listed = world.json(&["mail", "list"]);
    let marked: Vec<_> =
        listed.as_array().expect("a list").iter().map(|item| item["damaged"].is_string()).collect();
    assert_eq!(marked, [true, false, false, false, false, false, false], "newest first");
    assert_eq!(world.export().len(), SAMPLES);
    let id = listed[0]["id"].as_str().expect("an identifier");
    assert!(world.entries_about("message_damaged", id) >= 1);
    assert_eq!(metric(server.ports().metrics, "veilpost_containers_damaged_total"), 2.0);
    server.is_well();
}

#[test]
fn a_flipped_byte_in_the_ledger_shows_nothing_false() {
    let world = World::new();
    let originals = originals(&world);
    let ledger = world.data().join("ledger");
    let sound = fs::read(&ledger).expect("it is there");
    // Most of a small ledger is empty pages.
    let used: Vec<usize> = (0..sound.len()).filter(|place| sound[*place] != 0).collect();
    let mut state = 5;
    let (mut refused, mut noticed) = (0, 0);
    for round in 0..40 {
        let place = if round < 8 { round * 40 } else { used[random(&mut state) as usize % used.len()] };
        fs::write(&ledger, &sound).expect("written");
        flip(&ledger, place);
        match serve_damaged(&world) {
            None => refused += 1,
            Some(server) => noticed += usize::from(!shows_only(&world, &server, &originals)),
        }
    }
    println!("40 flips in the ledger: {refused} starts refused, {noticed} seen while serving");
    fs::write(&ledger, &sound).expect("written");
    assert_eq!(self::originals(&world), originals);
}

/// A start that fails must say that the ledger is damaged, or that rows do not open.
fn serve_damaged(world: &World) -> Option<Server> {
    match world.try_serve() {
        Ok(server) => Some(server),
        Err(said) => {
            assert!(
                said.contains("error: ")
                    && ["ledger", "damaged", "does not open"].iter().any(|words| said.contains(words)),
                "{said}"
            );
            None
        }
    }
}

/// Whether all is as it was. What is not, is refused or absent, and the server goes on.
fn shows_only(world: &World, server: &Server, originals: &[Vec<u8>]) -> bool {
    let mut fetcher = Fetcher::connect(server.ports().pop3s, &world.certificate()).expect("TLS");
    let served = fetcher.log_in(world.app_password("everything")).and_then(|()| fetcher.count());
    let mut shown = 0;
    for number in 1..=served.unwrap_or(0) {
        if let Ok(message) = fetcher.retrieve(number) {
            assert!(originals.contains(&message), "something false is served");
            shown += 1;
        }
    }
    let verified = world.run(&["audit", "verify", "demo", "--json"]);
    assert!(matches!(verified.status.code(), Some(0 | 1)), "{}", words(&verified));
    assert!(Fetcher::connect(server.ports().pop3s, &world.certificate()).is_ok(), "the server goes on");
    shown == originals.len() && verified.status.success()
}

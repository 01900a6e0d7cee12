//! What IMAP clients hear when the ground shifts: a password revoked, a user shut out, another policy, mail
//! that is sealed again, a server that stops. They are told at once, and never see two contents under a UID.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clients::{ADDRESS, Way};
use super::imap::Imap;
use super::imap_kill::{add_view, load_policy, showing_all};
use super::letters::letter;
use super::world::{Ports, SAMPLES, Server, World, until};

/// Sessions of a view: in IDLE with a folder, in IDLE without one, and silent.
struct Sessions([Imap; 3]);

impl Sessions {
    fn open(server: &Server, world: &World, view: &str) -> Self {
        let mut sessions = [server.inbox(world, view), server.imap(world, view), server.inbox(world, view)];
        sessions[..2].iter_mut().for_each(|session| drop(session.idle()));
        Self(sessions)
    }

    /// All of them hear why it is over; those in IDLE without having asked.
    fn hear(self, why: &str) {
        let [mut idle, mut aside, mut silent] = self.0;
        let begun = Instant::now();
        for session in [&mut idle, &mut aside] {
            let bye = session.farewell();
            assert!(bye.contains(why), "{bye:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let _ = silent.begin("UID FETCH 1:* BODY.PEEK[]");
        let bye = silent.farewell();
        assert!(bye.contains(why), "{bye:?}");
    }

    /// Nothing has happened to them.
    fn go_on(self) {
        let [mut idle, mut aside, mut silent] = self.0;
        for session in [&mut idle, &mut aside] {
            session.write(b"DONE\r\n").expect("the server reads");
        }
        for session in [&mut idle, &mut aside, &mut silent] {
            session.done("NOOP");
        }
    }
}

#[test]
fn sessions_end_within_a_second_of_what_shuts_them_out() {
    let mut world = World::new();
    let mut server = world.serve();
    add_view(&mut world, "mine", &showing_all("hide"));
    let open = |view: &str| Sessions::open(&server, &world, view);
    let validity = |view: &str| server.imap(&world, view).done("SELECT INBOX").number("UIDVALIDITY");
    let [phone, laptop, mine, other] = ["phone", "laptop", "mine", "everything"].map(open);
    let before = ["laptop", "mine", "everything"].map(validity);
    world.unlock();
    let credentials = world.json(&["credential", "list", ADDRESS]);
    let credentials = credentials.as_array().expect("a list");
    let of_phone = credentials.iter().find(|item| item["view"] == "phone").expect("it has one");
    world.json(&["credential", "revoke", of_phone["id"].as_str().expect("an identifier")]);
    phone.hear("revoked");
    world.json(&["view", "policy", ADDRESS, "laptop", "headers-only"]);
    laptop.hear("changed");
    load_policy(&world, "mine", TIGHT);
    mine.hear("changed");
    let after = ["laptop", "mine", "everything"].map(validity);
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2], "{before:?} {after:?}");
    let shown = server.inbox(&world, "laptop").fetch("1:*", "BODY.PEEK[]");
    assert_eq!(shown.len(), SAMPLES);
    assert!(!shown.iter().any(|it| String::from_utf8_lossy(&it.octets).contains("prepared to pay")));
    other.go_on();
    let other = open("everything");
    world.json(&["user", "disable", ADDRESS]);
    other.hear("revoked");
    let mut shut_out = Imap::connect(server.ports().imaps, &world.certificate()).expect("TLS");
    let refused = shut_out.log_in(world.app_password("everything")).expect("it answers");
    assert!(refused.end.starts_with("NO [AUTHENTICATIONFAILED]"), "{}", refused.end);
    server.is_well();
}

#[test]
fn a_hundred_idle_sessions_hear_bye_and_hold_no_stop_up() {
    let world = World::new();
    world.configure("[limits]\nconnections_per_address = 300\n");
    let mut server = world.serve();
    let mut sessions: Vec<Imap> = (0..100)
        .map(|number| match number % 2 {
            0 => server.imap(&world, "phone"),
            _ => server.inbox(&world, "everything"),
        })
        .collect();
    sessions.iter_mut().for_each(|session| drop(session.idle()));
    let begun = Instant::now();
    server.signal(Signal::TERM);
    for session in &mut sessions {
        let bye = session.farewell();
        assert!(bye.starts_with("* BYE [UNAVAILABLE] shutting down"), "{bye:?}");
    }
    drop(sessions);
    assert_eq!(server.ended(), Some(0), "{}", server.said());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn after_a_tightening_older_mail_shows_no_more_than_both_policies() {
    let mut world = World::new();
    let mut server = world.serve();
    add_view(&mut world, "mine", &showing_all("hide"));
    let mut sender = server.sender(Way::Lmtp);
    for number in 0..12 {
        let reply = sender.deliver(&secret(number)).expect("it answers");
        assert!(reply.starts_with("250"), "{reply}");
    }
    let mut imap = server.inbox(&world, "mine");
    assert_eq!(searched(&mut imap, "TEXT heron").len(), 12);
    assert_eq!(searched(&mut imap, "SUBJECT otter").len(), 12);
    let whole = imap.fetch("1:*", "BODY.PEEK[]");
    load_policy(&world, "mine", TIGHT);
    imap.begin("NOOP").expect("the server reads");
    assert!(imap.farewell().contains("changed"));
    for round in 0..2 {
        // Before it is sealed again, by a server that has seen it and by one that has not.
        let mut imap = server.inbox(&world, "mine");
        shows_tight(&mut imap, &whole);
        drop(imap);
        if round == 0 {
            assert_eq!(server.stop(), Some(0));
            server = world.serve();
        }
    }
    world.unlock();
    world.json(&["view", "reseal", ADDRESS]);
    let mut imap = server.inbox(&world, "mine");
    // And the samples, which the view has now.
    imap.done("UID SEARCH RETURN (SAVE) FROM sender");
    let resealed = imap.fetch("$", "BODY.PEEK[]");
    assert_eq!(resealed.len(), 12);
    assert!(resealed.iter().all(|it| it.size == it.octets.len() && !holds(&it.octets)));
    server.is_well();
}

#[test]
fn older_mail_does_not_change_as_it_ages() {
    let mut world = World::new();
    let mut server = world.serve();
    add_view(&mut world, "mine", &showing_all("hide"));
    let reply = server.sender(Way::Lmtp).deliver(&secret(1)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    load_policy(&world, "mine", BY_AGE);
    // It is young today. But the UID would stand for something else once it is old (law 6).
    let told = server.inbox(&world, "mine").fetch("1:*", "BODY.PEEK[]");
    assert!(!String::from_utf8_lossy(&told[0].octets).contains("heron"));
    assert_eq!(told[0].size, told[0].octets.len());
    world.unlock();
    world.json(&["view", "reseal", ADDRESS]);
    let mut imap = server.inbox(&world, "mine");
    let found = searched(&mut imap, "TEXT heron");
    assert_eq!(found.len(), 1, "sealed again it is shown by its age");
    server.is_well();
}

fn shows_tight(imap: &mut Imap, whole: &[super::imap::Fetched]) {
    for (position, now) in imap.fetch("1:*", "BODY.PEEK[]").iter().enumerate() {
        assert!(!holds(&now.octets), "the whole shows what the policy hides");
        assert_eq!(now.size, now.octets.len(), "RFC822.SIZE");
        assert_ne!(now.size, whole[position].size);
        let uid = now.uid;
        for (key, expected) in [
            (format!("UID {uid} LARGER {}", now.size - 1), vec![uid]),
            (format!("UID {uid} LARGER {}", now.size), vec![]),
            (format!("UID {uid} SMALLER {}", now.size + 1), vec![uid]),
        ] {
            assert_eq!(searched(imap, &key), expected, "{key}");
        }
    }
    for key in [
        "TEXT heron",
        "BODY heron",
        "SUBJECT otter",
        "HEADER Subject \"\"",
        "HEADER X-Secret \"\"",
        "OR BODY heron SUBJECT otter",
    ] {
        assert_eq!(searched(imap, key), Vec::<u32>::new(), "{key}");
    }
    assert_eq!(searched(imap, "FROM sender").len(), 12);
    assert_eq!(searched(imap, "NOT BODY heron").len(), 12);
    for what in [
        "ALL",
        "BODYSTRUCTURE",
        "PREVIEW",
        "BODY.PEEK[1]",
        "BODY.PEEK[TEXT]",
        "BODY.PEEK[HEADER]",
        "BINARY.PEEK[1]",
        "RFC822",
    ] {
        let answer = imap.done(&format!("FETCH 1:* {what}"));
        let fetches = answer.untagged.iter().filter(|it| it.text.contains(" FETCH (")).count();
        assert_eq!(fetches, 12, "{what}");
        for response in answer.untagged {
            assert!(!holds(response.text.as_bytes()), "{what}: {}", response.text);
            assert!(!response.literals.iter().any(|literal| holds(literal)), "{what} shows what is hidden");
        }
    }
}

fn searched(imap: &mut Imap, key: &str) -> Vec<u32> {
    let answer = imap.done(&format!("UID SEARCH {key}"));
    let found = answer.untagged.iter().find_map(|it| it.text.strip_prefix("* SEARCH")).expect("an answer");
    found.split_whitespace().map(|uid| uid.parse().expect("a UID")).collect()
}

fn secret(number: usize) -> Vec<u8> {
    format!(
        "From: sender@elsewhere.example\r\nSubject: an otter {number}\r\nX-Secret: otter\r\nDate: Mon, 02 Nov \
         2026 09:12:44 +0100\r\n\r\n{}The heron stands still.\r\n",
        "One more line of the letter.\r\n".repeat(20 * number)
    )
    .into_bytes()
}

fn holds(octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets).to_lowercase();
    ["heron", "otter"].iter().any(|word| text.contains(word))
}

#[test]
fn no_uid_ever_changes_its_content_while_mail_is_sealed_again() {
    let mut world = World::new();
    let mut server = world.serve();
    add_view(&mut world, "mine", &showing_all("hide"));
    let mut sender = server.sender(Way::Lmtp);
    for number in 0..30 {
        assert!(sender.deliver(&letter(number, 3_000)).expect("it answers").starts_with("250"));
    }
    let stop = AtomicBool::new(false);
    let watched = |view: &str| (server.ports(), world.certificate(), world.app_password(view).to_owned());
    let watched = ["mine", "laptop", "everything"].map(watched);
    let seen = thread::scope(|scope| {
        let stop = &stop;
        let readers = watched.map(|watched| scope.spawn(move || watch(&watched, stop)));
        world.unlock();
        for round in 0..4 {
            load_policy(&world, "mine", [TIGHT, &showing_all("trash")][round % 2]);
            thread::sleep(Duration::from_millis(300));
            world.json(&["view", "reseal", ADDRESS]);
            assert!(sender.deliver(&letter(100 + round as u64, 500)).expect("it answers").starts_with("250"));
        }
        stop.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().expect("no UID changed its content"))
    });
    for (fetches, validities) in seen {
        println!("{fetches} messages fetched under {validities} UIDVALIDITYs");
        assert!(validities >= 3 && fetches > 100, "{fetches} messages under {validities}");
    }
    server.is_well();
}

/// Reads all again and again; how many messages it fetched, under how many UIDVALIDITYs.
fn watch(watched: &(Ports, PathBuf, String), stop: &AtomicBool) -> (usize, usize) {
    let (mut contents, mut fetches) = (BTreeMap::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let read = read(watched, stop, |validity, fetched| {
            fetches += 1;
            assert_eq!(fetched.size, fetched.octets.len(), "RFC822.SIZE");
            let before = contents.entry((validity, fetched.uid)).or_insert_with(|| fetched.octets.clone());
            assert!(*before == fetched.octets, "UID {} of {validity} has two contents", fetched.uid);
        });
        // The session was ended: there is another mailbox now.
        drop(read);
    }
    let validities: BTreeSet<u64> = contents.keys().map(|(validity, _)| *validity).collect();
    (fetches, validities.len())
}

fn read(
    (ports, certificate, password): &(Ports, PathBuf, String),
    stop: &AtomicBool,
    mut take: impl FnMut(u64, super::imap::Fetched),
) -> io::Result<()> {
    let mut imap = Imap::connect(ports.imaps, certificate)?;
    imap.log_in(password)?;
    let validity = until("INBOX opens", || {
        let opened = imap.ask("SELECT INBOX");
        opened.map_or_else(|error| Some(Err(error)), |opened| opened.is_ok().then_some(Ok(opened)))
    })?
    .number("UIDVALIDITY");
    while !stop.load(Ordering::Relaxed) {
        for command in ["UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])", "NOOP"] {
            let answer = imap.ask(command)?;
            answer.fetched().into_iter().filter(|it| !it.octets.is_empty()).for_each(|it| take(validity, it));
        }
    }
    Ok(())
}

/// Shows who wrote and when.
const TIGHT: &str =
    "version = 1\n[headers]\nshow = [\"From\", \"Date\"]\n[body]\ntext = \"placeholder\"\nhtml = \"omit\"\n";
/// Shows young mail, and of old mail no text.
const BY_AGE: &str = "version = 1\n[headers]\nshow = [\"From\", \"Date\"]\n[body]\ntext = \"show\"\nhtml = \"omit\"\n\
    [[when]]\nolder_than = \"30d\"\nbody.text = \"placeholder\"\n";

//! Every mail that we have goes in by SMTP, comes back to its owner byte for byte, is shown by each
//! shipped policy as large as it was listed, and leaves no word behind in the clear.

use std::collections::{BTreeMap, HashMap};

use crate::mail_folder::{below_trace, edge, export, shared_corpus};
use crate::pop3::Pop3;
use crate::search::{Search, marks, words};
use crate::smtp::Smtp;
use crate::support::{Device, Server};

#[test]
fn our_own_mails_survive_the_journey() {
    survives(&edge());
}

#[test]
fn the_shared_corpus_survives_the_journey() {
    if let Some(mails) = shared_corpus() {
        survives(&mails);
    }
}

fn survives(mails: &[Vec<u8>]) {
    let mut server = Server::demo();
    // What the demo's own samples add to the log is not asked about here; from now on all of it is.
    server.restart_with(|settings| settings.push_str("level = \"trace\"\n"));
    let devices: Vec<(String, Device)> =
        shipped().into_iter().map(|policy| (policy.clone(), server.create_view(&policy, &policy))).collect();
    let sent = send_all(&server, mails);

    let user = server.fact("user").to_owned();
    server.unlock();
    let exported = export(&server, "export");
    let received = &exported[SAMPLES..];
    let bodies: Vec<&[u8]> = received.iter().map(|message| below_trace(message)).collect();
    let (came_back, went_in) = (multiset(&bodies), multiset(&sent));
    for (mail, times) in &went_in {
        assert_eq!(came_back.get(mail), Some(times), "changed: {}", String::from_utf8_lossy(mail));
    }
    assert_eq!(came_back.len(), went_in.len(), "more came back than was sent");

    std::thread::scope(|scope| {
        for (policy, device) in &devices {
            let server = &server;
            scope.spawn(move || fetch_all(server, policy, device, received));
        }
    });
    leaves_no_word(&server, received, user);
}

/// By BDAT, and once more by DATA where the message has only lines. Gives what was taken.
fn send_all<'m>(server: &Server, mails: &'m [Vec<u8>]) -> Vec<&'m [u8]> {
    let mut sent: Vec<&[u8]> = Vec::new();
    for some in mails.chunks(100) {
        let mut session = Smtp::connect(server);
        for mail in some {
            session.begin(&[server.fact("address")]);
            let reply = session.bdat(mail);
            assert!(reply.starts_with("250"), "{reply}");
            sent.push(mail);
            if can_be_lines(mail) {
                session.begin(&[server.fact("address")]);
                let reply = session.data(mail);
                assert!(reply.starts_with("250"), "{reply}");
                sent.push(mail);
            }
        }
    }
    sent
}

/// RFC 5321 §2.3.8, §4.5.3.1.6: CR and LF only together, and every line ends. Longer lines than
/// the standard has are sent by DATA by half the world.
fn can_be_lines(mail: &[u8]) -> bool {
    let together = mail.windows(2).filter(|pair| pair == b"\r\n").count();
    let count = |wanted: u8| mail.iter().filter(|octet| **octet == wanted).count();
    mail.ends_with(b"\r\n") && count(b'\r') == together && count(b'\n') == together && count(0) == 0
}

fn fetch_all(server: &Server, policy: &str, device: &Device, originals: &[Vec<u8>]) {
    let mut session = Pop3::login(server, device);
    let sizes = session.sizes();
    let mut shown = Vec::new();
    for (number, size) in (1..).zip(&sizes) {
        let message = session.retr(number);
        // A message that does not end its last line gets an end on the wire (RFC 1939 §3).
        let unended = message.len() == size + 2;
        assert!(
            message.len() == *size || unended,
            "{policy}: LIST says {size}, RETR sends {}",
            message.len()
        );
        shown.push(message[..*size].to_vec());
    }
    if policy == "everything" {
        assert_eq!(shown.len(), originals.len());
        for (shown, original) in shown.iter().zip(originals) {
            assert!(shown == original, "the view that shows everything does not show the original");
        }
    }
}

fn leaves_no_word(server: &Server, received: &[Vec<u8>], user: String) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in received.iter().flat_map(|message| words(below_trace(message))) {
        *counts.entry(word).or_default() += 1;
    }
    let mut wanted: Vec<String> =
        received.iter().flat_map(|message| marks(below_trace(message), &counts, MARKS)).collect();
    wanted.retain(|word| !LAYOUT.contains(&word.as_str()));
    wanted.push(user);
    wanted.sort();
    wanted.dedup();
    let search = Search::new(wanted.clone());
    let all: Vec<u8> = received.concat();
    assert!(search.find(&all).len() + 1 >= wanted.len(), "the search would not find what it looks for");
    let found = search.find_below(&server.data_dir());
    assert!(found.is_empty(), "the data folder holds {found:?}");
    let found = search.find(&server.printed());
    assert!(found.is_empty(), "the server's log holds {found:?}");
}

fn shipped() -> Vec<String> {
    veilpost::policy::shipped().iter().map(|(name, _)| (*name).to_owned()).collect()
}

fn multiset<'m>(messages: &[&'m [u8]]) -> BTreeMap<&'m [u8], usize> {
    let mut counts = BTreeMap::new();
    for message in messages {
        *counts.entry(*message).or_default() += 1;
    }
    counts
}

/// The mail that a demo vault begins with.
const SAMPLES: usize = 6;
/// Words looked for of each message.
const MARKS: usize = 6;
/// Names of our own folders, which are words that people use too.
const LAYOUT: [&str; 2] = ["messages", "recovery"];

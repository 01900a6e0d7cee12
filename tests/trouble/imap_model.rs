//! A client that does at random what clients do with folders and flags, and knows what must be there.
//!
//! It keeps to letters and folders of its own, so that several can work in one mailbox. What it was told OK
//! must be there for ever; what it was not told may be there or not, but never half.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::imap::{Answer, Imap};
use super::letters::{letter, number, random};

/// What a client knows of its part of the mailbox.
#[derive(Clone)]
pub struct Model {
    /// The prefix of its folders, and of the numbers of its letters.
    name: u64,
    purge: Purge,
    chance: u64,
    letters: u64,
    folders: u64,
    state: State,
    /// What may be there instead: a command was not answered.
    others: Vec<State>,
    /// Which letter each UID stands for, for ever.
    known: BTreeMap<u32, u64>,
    /// UIDVALIDITY by folder: each folder that is made has one of its own, and keeps it under another name.
    validity: BTreeMap<String, u64>,
    /// HIGHESTMODSEQ and UIDNEXT as they were told last, by folder.
    highest: BTreeMap<String, (u64, u64)>,
}

/// What EXPUNGE does under the view's policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Gone from the view, for whatever reason.
    Gone,
    /// Moved to Trash.
    Trash,
}

/// What there is to see.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct State {
    folders: BTreeSet<String>,
    subscribed: BTreeSet<String>,
    messages: Vec<Message>,
}

#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
struct Message {
    folder: String,
    letter: u64,
    flags: BTreeSet<&'static str>,
    /// Not known of messages that a purge moved.
    uid: Option<u32>,
}

/// The kinds of commands, for whoever waits for one.
pub const DEEDS: [&str; 8] = ["APPEND", "STORE", "MOVE", "COPY", "EXPUNGE", "CREATE", "RENAME", "SUBSCRIBE"];

impl Model {
    pub fn new(name: u64, purge: Purge) -> Self {
        Self {
            name,
            purge,
            chance: name,
            letters: 0,
            folders: 0,
            state: State::default(),
            others: Vec::new(),
            known: BTreeMap::new(),
            validity: BTreeMap::new(),
            highest: BTreeMap::new(),
        }
    }

    /// Whether a letter is this client's.
    fn is_mine(&self, letter: u64) -> bool {
        letter / MINE == self.name
    }

    /// Does something that is acknowledged; what it was. An error is the connection's.
    pub fn step(&mut self, imap: &mut Imap) -> io::Result<&'static str> {
        let deed = match self.state.folders.len() {
            0 | 1 => "CREATE",
            _ if self.state.messages.iter().filter(|message| message.uid.is_some()).count() < 3 => "APPEND",
            _ => DEEDS[self.random(DEEDS.len())],
        };
        match deed {
            "CREATE" => self.create(imap)?,
            "RENAME" => self.rename(imap)?,
            "SUBSCRIBE" => self.subscribe(imap)?,
            "APPEND" => self.append(imap)?,
            "STORE" => self.store(imap)?,
            "EXPUNGE" => self.expunge(imap)?,
            _ => self.place(imap, deed)?,
        }
        Ok(deed)
    }

    fn random(&mut self, below: usize) -> usize {
        random(&mut self.chance) as usize % below.max(1)
    }

    fn folder(&mut self) -> String {
        let choice = self.random(self.state.folders.len());
        self.state.folders.iter().nth(choice).expect("there are some").clone()
    }

    /// Some messages of one folder: it, and their places.
    fn some(&mut self) -> (String, Vec<usize>) {
        let known: Vec<usize> =
            (0..self.state.messages.len()).filter(|at| self.state.messages[*at].uid.is_some()).collect();
        let first = known[self.random(known.len())];
        let folder = self.state.messages[first].folder.clone();
        let mut here: Vec<usize> =
            known.into_iter().filter(|at| self.state.messages[*at].folder == folder).collect();
        here.sort_by_key(|at| self.state.messages[*at].uid);
        let count = 1 + self.random(here.len().min(3));
        let from = self.random(here.len() - count + 1);
        (folder, here[from..from + count].to_vec())
    }

    fn uids(&self, places: &[usize]) -> String {
        let uids: Vec<String> =
            places.iter().filter_map(|at| Some(self.state.messages[*at].uid?.to_string())).collect();
        uids.join(",")
    }

    /// Sends a command that leads to another state, and waits for its OK.
    fn attempt(&mut self, next: State, send: impl FnOnce() -> io::Result<Answer>) -> io::Result<Answer> {
        self.others = vec![next];
        let answer = send()?;
        assert!(answer.is_ok(), "{}", answer.end);
        self.state = self.others.pop().expect("it was put there");
        Ok(answer)
    }

    fn create(&mut self, imap: &mut Imap) -> io::Result<()> {
        let path = self.fresh();
        let mut next = self.state.clone();
        next.folders.insert(path.clone());
        self.attempt(next, || imap.ask(&format!("CREATE {path}"))).map(drop)
    }

    fn fresh(&mut self) -> String {
        self.folders += 1;
        format!("w{}-{}", self.name, self.folders)
    }

    fn rename(&mut self, imap: &mut Imap) -> io::Result<()> {
        let (from, to) = (self.folder(), self.fresh());
        let mut next = self.state.clone();
        next.folders.remove(&from);
        next.folders.insert(to.clone());
        if next.subscribed.remove(&from) {
            next.subscribed.insert(to.clone());
        }
        next.messages.iter_mut().filter(|it| it.folder == from).for_each(|it| it.folder.clone_from(&to));
        if let Some(validity) = self.validity.get(&from).copied() {
            self.validity.insert(to.clone(), validity);
        }
        if let Some(told) = self.highest.get(&from).copied() {
            self.highest.insert(to.clone(), told);
        }
        self.attempt(next, || imap.ask(&format!("RENAME {from} {to}"))).map(drop)
    }

    fn subscribe(&mut self, imap: &mut Imap) -> io::Result<()> {
        let path = self.folder();
        let mut next = self.state.clone();
        let verb = if next.subscribed.remove(&path) { "UNSUBSCRIBE" } else { "SUBSCRIBE" };
        if verb == "SUBSCRIBE" {
            next.subscribed.insert(path.clone());
        }
        self.attempt(next, || imap.ask(&format!("{verb} {path}"))).map(drop)
    }

    fn append(&mut self, imap: &mut Imap) -> io::Result<()> {
        self.letters += 1;
        let (folder, letter_number) = (self.folder(), self.name * MINE + self.letters);
        let flag = FLAGS[self.random(FLAGS.len())];
        let mut next = self.state.clone();
        next.messages.push(Message {
            folder: folder.clone(),
            letter: letter_number,
            flags: BTreeSet::from([flag]),
            uid: None,
        });
        let size = 1 << self.random(14);
        let answer = self.attempt(next, || imap.append(&folder, flag, &letter(letter_number, size)))?;
        let uid = appended(&answer);
        self.learn(uid, letter_number);
        self.state.messages.last_mut().expect("it was put there").uid = Some(uid);
        Ok(())
    }

    fn store(&mut self, imap: &mut Imap) -> io::Result<()> {
        let (folder, places) = self.some();
        let (flag, uids) = (FLAGS[self.random(FLAGS.len())], self.uids(&places));
        let edit = ["+", "-", ""][self.random(3)];
        let mut next = self.state.clone();
        for place in places {
            let flags = &mut next.messages[place].flags;
            match edit {
                "+" => flags.insert(flag),
                "-" => flags.remove(flag),
                _ => {
                    *flags = BTreeSet::from([flag]);
                    true
                }
            };
        }
        imap.ask(&format!("SELECT {folder}"))?;
        self.attempt(next, || imap.ask(&format!("UID STORE {uids} {edit}FLAGS ({flag})"))).map(drop)
    }

    /// COPY or MOVE.
    fn place(&mut self, imap: &mut Imap, verb: &str) -> io::Result<()> {
        let (folder, places) = self.some();
        let (target, uids) = (self.folder(), self.uids(&places));
        let mut next = self.state.clone();
        let placed: Vec<Message> = places
            .iter()
            .map(|at| Message { folder: target.clone(), uid: None, ..next.messages[*at].clone() })
            .collect();
        if verb == "MOVE" {
            next.messages = without(next.messages, &places);
        }
        let count = placed.len();
        next.messages.extend(placed);
        imap.ask(&format!("SELECT {folder}"))?;
        let answer = self.attempt(next, || imap.ask(&format!("UID {verb} {uids} {target}")))?;
        let given = copied(&answer);
        assert_eq!(given.len(), count, "{}", answer.end);
        let from = self.state.messages.len() - count;
        for (at, uid) in (from..).zip(given) {
            self.state.messages[at].uid = Some(uid);
            self.learn(uid, self.state.messages[at].letter);
        }
        Ok(())
    }

    /// Two commands: marked first, then purged.
    fn expunge(&mut self, imap: &mut Imap) -> io::Result<()> {
        let (folder, places) = self.some();
        let uids = self.uids(&places);
        let mut marked = self.state.clone();
        for place in &places {
            marked.messages[*place].flags.insert("\\Deleted");
        }
        let mut purged = marked.clone();
        for place in &places {
            purged.messages[*place].uid = None;
            if self.purge == Purge::Trash {
                purged.messages[*place].folder = "Trash".to_owned();
            }
        }
        // What is purged in Trash has nowhere to go.
        if self.purge == Purge::Gone || folder == "Trash" {
            purged.messages = without(purged.messages, &places);
        }
        purged.messages.sort();
        imap.ask(&format!("SELECT {folder}"))?;
        self.attempt(marked, || imap.ask(&format!("UID STORE {uids} +FLAGS.SILENT (\\Deleted)")))?;
        self.attempt(purged, || imap.ask(&format!("UID EXPUNGE {uids}"))).map(drop)
    }

    fn learn(&mut self, uid: u32, letter: u64) {
        let before = self.known.insert(uid, letter);
        assert!(before.is_none_or(|before| before == letter), "UID {uid} was {before:?} and is {letter}");
    }

    /// A new session finds what must be there; from now on that is what must be.
    pub fn verify(&mut self, imap: &mut Imap) {
        let found = self.find(imap);
        let sought: Vec<State> = std::iter::once(self.state.clone()).chain(self.others.drain(..)).collect();
        let differences: Vec<String> = sought.iter().map(|state| state.difference(&found)).collect();
        assert!(
            differences.iter().any(String::is_empty),
            "client {}: it differs from what was told: {differences:#?}",
            self.name
        );
        self.state = found;
    }

    /// What there is, as a new session sees it.
    fn find(&mut self, imap: &mut Imap) -> State {
        let mine = format!("w{}-", self.name);
        let paths = |answer: Answer| {
            let path =
                |text: &str| text.rsplit_once(' ').map_or("", |(_, path)| path).trim_matches('"').to_owned();
            let paths = answer.untagged.iter().map(|response| path(&response.text));
            paths.filter(|path| path.starts_with(&mine)).collect::<BTreeSet<String>>()
        };
        let mut state = State {
            folders: paths(imap.done("LIST \"\" *")),
            subscribed: paths(imap.done("LIST (SUBSCRIBED) \"\" *")),
            messages: Vec::new(),
        };
        for folder in state.folders.iter().map(String::as_str).chain(["Trash"]) {
            let opened = imap.done(&format!("SELECT {folder}"));
            let validity = opened.number("UIDVALIDITY");
            let before = *self.validity.entry(folder.to_owned()).or_insert(validity);
            assert_eq!(before, validity, "UIDVALIDITY of {folder}");
            let told = (opened.number("HIGHESTMODSEQ"), opened.number("UIDNEXT"));
            let before = self.highest.insert(folder.to_owned(), told).unwrap_or_default();
            assert!(told.0 >= before.0 && told.1 >= before.1, "{folder}: {told:?} after {before:?}");
            for fetched in imap.fetch("1:*", "BODY.PEEK[]") {
                let Some(letter_number) = number(&fetched.octets).filter(|letter| self.is_mine(*letter))
                else {
                    continue;
                };
                assert!(
                    u64::from(fetched.uid) < told.1,
                    "UIDNEXT is {} and there is {}",
                    told.1,
                    fetched.uid
                );
                assert_eq!(fetched.size, fetched.octets.len());
                assert!(fetched.octets.ends_with(b"The end.\r\n"), "letter {letter_number} is not whole");
                self.learn(fetched.uid, letter_number);
                let named = |flag: &String| ALL_FLAGS.iter().find(|known| **known == flag).copied();
                let flags = fetched.flags.iter().filter_map(named).collect();
                let uid = Some(fetched.uid);
                state.messages.push(Message { folder: folder.to_owned(), letter: letter_number, flags, uid });
            }
        }
        state
    }
}

impl State {
    /// What is missing in the other one, and what is too much there; UIDs count where they were told.
    fn difference(&self, found: &Self) -> String {
        let mut left = found.messages.clone();
        let is_same = |sought: &Message, found: &Message| {
            let uid = sought.uid.or(found.uid);
            Message { uid, ..sought.clone() } == *found
        };
        let mut missing = Vec::new();
        // Those with a UID first: the others take what is left.
        let (told, untold): (Vec<_>, Vec<_>) = self.messages.iter().partition(|it| it.uid.is_some());
        for message in told.into_iter().chain(untold) {
            match left.iter().position(|found| is_same(message, found)) {
                Some(place) => drop(left.remove(place)),
                None => missing.push(message),
            }
        }
        let folders: Vec<_> = self.folders.symmetric_difference(&found.folders).collect();
        let subscribed: Vec<_> = self.subscribed.symmetric_difference(&found.subscribed).collect();
        if missing.is_empty() && left.is_empty() && folders.is_empty() && subscribed.is_empty() {
            return String::new();
        }
        format!("missing {missing:?}, too much {left:?}, folders {folders:?}, subscribed {subscribed:?}")
    }
}

/// All but those at these places.
fn without(messages: Vec<Message>, places: &[usize]) -> Vec<Message> {
    let stays = |(place, _): &(usize, Message)| !places.contains(place);
    messages.into_iter().enumerate().filter(stays).map(|(_, message)| message).collect()
}

/// The UID in APPENDUID (RFC 4315 §3).
fn appended(answer: &Answer) -> u32 {
    let code = answer.end.split_once("[APPENDUID ").expect("APPENDUID").1;
    code.split_once(']').and_then(|(code, _)| code.split_once(' ')?.1.parse().ok()).expect("a UID")
}

/// The new UIDs in COPYUID, in order. MOVE tells them before it ends.
fn copied(answer: &Answer) -> Vec<u32> {
    let texts = answer.untagged.iter().map(|response| response.text.as_str()).chain([answer.end.as_str()]);
    let code = texts.filter_map(|text| text.split_once("[COPYUID ")).next().expect("COPYUID").1;
    let set = code.split_once(']').and_then(|(code, _)| code.rsplit_once(' ')).expect("UIDs").1;
    let parsed = |number: &str| number.parse::<u32>().expect("a UID");
    let range = |range: &str| match range.split_once(':') {
        Some((first, last)) => (parsed(first)..=parsed(last)).collect::<Vec<u32>>(),
        None => vec![parsed(range)],
    };
    set.split(',').flat_map(range).collect()
}

const MINE: u64 = 1_000_000;
const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "$Important", "kept"];
const ALL_FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "$Important", "kept", "\\Deleted"];

//! The index as a whole: what is found, what is at rest, what damage does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::keyring::IndexKey;

const KEY: [u8; 32] = [7; 32];
/// 2026-01-31, noon.
const NOON: i64 = 1_769_860_800;

struct Mailbox {
    place: tempfile::TempDir,
}

impl Mailbox {
    fn new() -> Self {
        Self { place: tempfile::tempdir().expect("a temporary folder") }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("search/user")
    }

    fn open(&self) -> Result<Index, SearchError> {
        Index::open(&self.folder(), IndexKey::from_bytes(&KEY))
    }

    /// An index of these messages, the first with UID 1, each received a day after the one before.
    fn with(messages: &[&str]) -> (Self, Index) {
        let mailbox = Self::new();
        let index = mailbox.open().expect("opens");
        let mut writer = index.writer().expect("nobody else writes");
        for (uid, message) in (1..).zip(messages) {
            writer.add(received(uid, message)).expect("adds");
        }
        writer.commit(messages.len() as u32).expect("commits");
        drop(writer);
        (mailbox, index)
    }
}

fn message_id(uid: u32) -> MessageId {
    MessageId::from_bytes(std::array::from_fn(|at| uid.to_be_bytes()[at % 4]))
}

fn received(uid: u32, message: &str) -> Document {
    let message = message.replace('\n', "\r\n");
    document(uid, message_id(uid), NOON + i64::from(uid - 1) * 86_400, message.as_bytes())
}

const ALL: Page = Page { offset: 0, limit: 50 };

fn uids(index: &Index, query: &str) -> Vec<u32> {
    let found = index.search(query, ALL).expect("searches");
    assert_eq!(found.total, found.hits.len(), "{query}");
    found.hits.iter().map(|hit| hit.uid).collect()
}

fn text(fragments: &[Fragment]) -> String {
    fragments
        .iter()
        .map(|one| if one.marked { format!("[{}]", one.text) } else { one.text.clone() })
        .collect()
}

const MAIL: [&str; 5] = [
    "From: Anna Müller <anna@firm.example>\nTo: bob@vault.example\nSubject: Angebot für Größe XL\n\n\
     Das endgültige Angebot liegt bei.\n",
    "From: Boris <boris@shop.example>\nTo: Ann <ann@vault.example>\nCc: carla@vault.example\n\
     Subject: =?utf-8?B?0JfQsNC60LDQtw==?=\n\nВаш заказ готов. The final offer.\n",
    "From: list@news.example\nSubject: Newsletter\nMIME-Version: 1.0\n\
     Content-Type: multipart/mixed; boundary=b\n\n\
     --b\nContent-Type: text/html\n\n<p>Offer: <b>last</b> final days</p>\n\
     --b\nContent-Type: application/pdf; name=\"Quartals_Bericht-2026.pdf\"\n\
     Content-Disposition: attachment; filename=\"Quartals_Bericht-2026.pdf\"\n\
     Content-Transfer-Encoding: base64\n\nJVBERi0x\n--b--\n",
    "From: carla@vault.example\nSubject: 会議\n\n東京都の会議について。\n",
    "Subject: Fwd: inner\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
     --b\n\nsee below\n--b\nContent-Type: message/rfc822\n\nFrom: dora@x.example\nSubject: nested subject\n\n\
     nested words\n--b--\n",
];

#[test]
fn queries_find_what_they_ask_for() {
    let (_mailbox, index) = Mailbox::with(&MAIL);
    for (query, expected) in [
        ("angebot", vec![1]),
        ("GROSSE", vec![1]),
        ("muller", vec![1]),
        ("offer", vec![3, 2]),
        ("\"final offer\"", vec![2]),
        ("offer final -last", vec![2]),
        ("angebot OR newsletter", vec![3, 1]),
        ("angebot OR newsletter bericht", vec![3]),
        ("ЗАКАЗ", vec![2]),
        ("subject:заказ body:final", vec![2]),
        ("subject:offer", vec![]),
        ("from:boris", vec![2]),
        ("from:anna@firm.example", vec![1]),
        ("to:carla", vec![2]),
        ("from:carla", vec![4]),
        ("carla", vec![4, 2]),
        ("ann*", vec![2, 1]),
        ("from:\"anna mu*\"", vec![1]),
        ("quart*", vec![3]),
        ("file:bericht-2026", vec![3]),
        ("file:pdf", vec![3]),
        ("body:pdf", vec![]),
        ("has:attachment", vec![5, 3]),
        ("has:attachment -from:news", vec![5]),
        ("-has:attachment", vec![4, 2, 1]),
        ("-offer", vec![5, 4, 1]),
        ("offer OR -from:vault", vec![5, 3, 2, 1]),
        ("会議", vec![4]),
        ("議会", vec![]),
        ("東京都", vec![4]),
        ("after:2026-02-02", vec![5, 4, 3]),
        ("before:2026-02", vec![1]),
        ("on:2026-02-01 offer", vec![2]),
        ("after:2026-02-01 before:2026-02-03", vec![3, 2]),
        ("dora \"nested words\" \"nested subject\"", vec![5]),
        ("nothing", vec![]),
    ] {
        assert_eq!(uids(&index, query), expected, "{query}");
    }
}

#[test]
fn odd_queries_find_what_is_left_of_them_and_say_so() {
    let (_mailbox, index) = Mailbox::with(&MAIL);
    for (query, expected, notes) in [
        ("", vec![], 0),
        ("has:fun", vec![], 1),
        ("a* angebot", vec![1], 1),
        ("\"angebot", vec![1], 1),
        ("***", vec![], 0),
    ] {
        let found = index.search(query, ALL).expect("searches");
        assert_eq!(found.hits.iter().map(|hit| hit.uid).collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(found.notes.len(), notes, "{query}: {:?}", found.notes);
    }
}

#[test]
fn a_hit_shows_what_a_list_needs() {
    let (_mailbox, index) = Mailbox::with(&MAIL);
    let hit = &index.search("angebot", ALL).unwrap().hits[0];
    assert_eq!((hit.uid, hit.message, hit.received), (1, message_id(1), NOON));
    assert_eq!(hit.octets, MAIL[0].replace('\n', "\r\n").len() as u64);
    assert_eq!(hit.from, "Anna Müller <anna@firm.example>");
    assert_eq!(text(&hit.subject), "[Angebot] für Größe XL");
    assert_eq!(text(&hit.snippet), "Das endgültige [Angebot] liegt bei.");
    assert!(!hit.attachments);
    assert!(index.search("bericht", ALL).unwrap().hits[0].attachments);
}

#[test]
fn pages_follow_each_other() {
    let messages: Vec<_> = (0..25).map(|at| format!("Subject: page {at}\n\nx\n")).collect();
    let (_mailbox, index) = Mailbox::with(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let page = |offset, limit| {
        let found = index.search("page", Page { offset, limit }).unwrap();
        assert_eq!(found.total, 25);
        found.hits.iter().map(|hit| hit.uid).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3), [25, 24, 23]);
    assert_eq!(page(3, 3), [22, 21, 20]);
    assert_eq!(page(24, 10), [1]);
    assert!(page(25, 10).is_empty() && page(0, 0).is_empty() && page(usize::MAX, 9).is_empty());
    assert_eq!(page(0, usize::MAX).len(), 25);
}

#[test]
fn messages_of_one_second_are_in_the_order_of_their_uids() {
    let mailbox = Mailbox::new();
    let index = mailbox.open().unwrap();
    let mut writer = index.writer().unwrap();
    for uid in [3, 1, 2] {
        writer.add(Document { received: NOON, ..received(uid, "Subject: same\n\nx\n") }).unwrap();
    }
    writer.commit(3).unwrap();
    assert_eq!(uids(&index, "same"), [3, 2, 1]);
}

#[test]
fn only_commits_count() {
    let mailbox = Mailbox::new();
    let index = mailbox.open().unwrap();
    assert_eq!((index.indexed_up_to(), index.uids().unwrap()), (0, vec![]));
    let mut writer = index.writer().unwrap();
    writer.add(received(4, MAIL[0])).unwrap();
    assert!(uids(&index, "angebot").is_empty());
    writer.commit(7).unwrap();
    writer.add(received(8, MAIL[1])).unwrap();
    drop(writer);
    assert_eq!((index.indexed_up_to(), index.uids().unwrap()), (7, vec![4]));
    drop(index);
    let index = mailbox.open().unwrap();
    assert_eq!((index.indexed_up_to(), index.uids().unwrap()), (7, vec![4]));
    assert_eq!(uids(&index, "angebot"), [4]);
}

#[test]
fn what_is_removed_is_not_found() {
    let (_mailbox, index) = Mailbox::with(&MAIL);
    let clone = index.clone();
    let mut writer = index.writer().unwrap();
    writer.remove(3);
    writer.remove(99);
    writer.remove(1);
    writer.add(received(1, "Subject: again\n\nangebot neu\n")).unwrap();
    writer.commit(5).unwrap();
    writer.finish().unwrap();
    assert_eq!(clone.uids().unwrap(), [1, 2, 4, 5]);
    assert_eq!((uids(&clone, "newsletter"), uids(&clone, "angebot neu")), (vec![], vec![1]));
}

#[test]
fn there_is_one_writer_and_no_lock_stays_behind() {
    let (_mailbox, index) = Mailbox::with(&MAIL);
    let writer = index.writer().unwrap();
    assert!(matches!(index.writer(), Err(SearchError::Busy)));
    drop(writer);
    index.writer().unwrap().finish().unwrap();
    assert!(index.writer().is_ok());
}

#[test]
fn many_commits_are_merged_while_an_old_reader_reads() {
    let mailbox = Mailbox::new();
    let index = mailbox.open().unwrap();
    let mut writer = index.writer().unwrap();
    let searcher = index.open_index().reader.searcher();
    for uid in 1..=40 {
        writer.add(received(uid, MAIL[uid as usize % 5])).unwrap();
        writer.commit(uid).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(searcher.num_docs(), 0);
    assert_eq!(index.uids().unwrap(), (1..=40).collect::<Vec<_>>());
    assert!(index.open_index().reader.searcher().segment_readers().len() < 16);
    assert_eq!(index.search("angebot", ALL).unwrap().total, 8);
}

#[test]
fn a_conversation_is_what_refers_to_each_other() {
    let (_mailbox, index) = Mailbox::with(&[
        "Message-ID: <a@x>\nSubject: one\n\n1\n",
        "Message-ID: <b@x>\nIn-Reply-To: <a@x>\nSubject: Re: one\n\n2\n",
        "Message-ID: <c@x>\nSubject: Re: one\n\nnot of it\n",
        "Message-ID: <e@x>\nReferences: <lost@x> <d@x>\n\n4\n",
        "Message-ID: <f@x>\nReferences: <lost@x>\n\n5\n",
        "Subject: alone\n\n6\n",
        // It joins the two conversations, and comes last.
        "Message-ID: <g@x>\nReferences: <a@x> <b@x>\nIn-Reply-To: <d@x>\n\n7\n",
    ]);
    let thread = |uid| index.thread(message_id(uid)).unwrap().iter().map(|hit| hit.uid).collect::<Vec<_>>();
    for uid in [1, 2, 4, 5, 7] {
        assert_eq!(thread(uid), [1, 2, 4, 5, 7]);
    }
    assert_eq!((thread(3), thread(6), thread(99)), (vec![3], vec![6], vec![]));
    let mut writer = index.writer().unwrap();
    writer.remove(7);
    writer.commit(7).unwrap();
    assert_eq!((thread(2), thread(4)), (vec![1, 2], vec![4, 5]));
}

#[test]
fn nothing_at_rest_can_be_read() {
    let (mailbox, index) = Mailbox::with(&MAIL);
    let mut writer = index.writer().unwrap();
    writer.remove(4);
    writer.commit(5).unwrap();
    writer.finish().unwrap();
    drop(index);
    // Words, names of fields, tantivy's own words in its lists.
    let known = "Angebot|angebot|müller|muller|boris|shop.example|заказ|newsletter|bericht|会議|nested|body|uid|\
                 segments|schema|store|veilpost|opstamp";
    let files = files(&mailbox.folder());
    assert!(files.len() > 5);
    for file in &files {
        let octets = std::fs::read(file).unwrap();
        let lower = octets.to_ascii_lowercase();
        for word in known.split('|') {
            let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for there in [&octets, &lower] {
                let has = |needle: &[u8]| memchr::memmem::find(there, needle).is_some();
                assert!(!has(word.as_bytes()) && !has(&wide), "{word} in {}", file.display());
            }
        }
    }
}

#[test]
fn another_key_is_refused_and_leaves_everything_as_it_was() {
    let (mailbox, index) = Mailbox::with(&MAIL);
    drop(index);
    let other = Index::open(&mailbox.folder(), IndexKey::generate());
    assert!(matches!(other, Err(SearchError::Damaged)));
    assert_eq!(uids(&mailbox.open().unwrap(), "angebot"), [1]);
}

#[test]
fn a_damaged_index_is_erased_and_built_anew() {
    let (mailbox, index) = Mailbox::with(&MAIL);
    drop(index);
    std::fs::remove_file(mailbox.folder().join("meta.json")).unwrap();
    assert!(matches!(mailbox.open(), Err(SearchError::Damaged)));
    Index::erase(&mailbox.folder()).unwrap();
    Index::erase(&mailbox.folder()).unwrap();
    assert_eq!(mailbox.open().unwrap().indexed_up_to(), 0);
}

/// Whatever byte of whatever file was changed, cut off or swapped: an answer is right, or there is none.
#[test]
fn damage_is_never_a_wrong_answer() {
    let (mailbox, index) = Mailbox::with(&MAIL);
    drop(index);
    let files = files(&mailbox.folder());
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end != "lock")) {
        let whole = std::fs::read(file).unwrap();
        let length = whole.len();
        for at in (0..length).step_by(length / 5 + 1).chain([16, 17, length - 1]) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(file, &damaged).unwrap();
            right_or_damaged(&mailbox, &format!("byte {at} of {}", file.display()));
        }
        for length in [0, 17, length / 2, length - 1] {
            std::fs::write(file, &whole[..length]).unwrap();
            right_or_damaged(&mailbox, &format!("{length} bytes of {}", file.display()));
        }
        std::fs::write(file, &whole).unwrap();
    }
    assert_eq!(uids(&mailbox.open().unwrap(), "angebot"), [1]);
}

fn right_or_damaged(mailbox: &Mailbox, what: &str) {
    let answer = || {
        let index = mailbox.open()?;
        let found = index.search("\"endgültige angebot\" OR ann*", ALL)?;
        Ok((found.hits.iter().map(|hit| hit.uid).collect::<Vec<_>>(), index.uids()?))
    };
    match answer() {
        Ok(answer) => assert_eq!(answer, (vec![2, 1], vec![1, 2, 3, 4, 5]), "{what}"),
        Err(error) => assert!(matches!(error, SearchError::Damaged), "{error} at {what}"),
    }
}

#[test]
fn swapped_files_are_refused() {
    let mailbox = Mailbox::new();
    let index = mailbox.open().unwrap();
    let mut writer = index.writer().unwrap();
    for uid in 1..=2 {
        writer.add(received(uid, MAIL[uid as usize])).unwrap();
        writer.commit(uid).unwrap();
    }
    drop((writer, index));
    let mut stores: Vec<_> = files(&mailbox.folder())
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "store"))
        .collect();
    let (one, other) = (stores.pop().unwrap(), stores.pop().unwrap());
    let aside = one.with_extension("aside");
    std::fs::rename(&one, &aside).unwrap();
    std::fs::rename(&other, &one).unwrap();
    std::fs::rename(&aside, &other).unwrap();
    assert!(matches!(mailbox.open(), Err(SearchError::Damaged)));
}

/// A crash at any moment leaves the files of some moment: whatever is there, answers are right.
#[test]
fn a_crash_between_commits_loses_only_what_was_not_committed() {
    let (mailbox, index) = Mailbox::with(&MAIL[..2]);
    let copy = Mailbox::new();
    std::fs::create_dir_all(copy.folder()).unwrap();
    let mut writer = index.writer().unwrap();
    writer.add(received(3, MAIL[2])).unwrap();
    for file in files(&mailbox.folder()) {
        std::fs::copy(&file, copy.folder().join(file.file_name().unwrap())).unwrap();
    }
    std::fs::write(copy.folder().join("0123456789abcdef0123456789abcdef.idx"), b"half a segment").unwrap();
    std::fs::write(copy.folder().join("meta.new"), b"half a list").unwrap();
    let after = copy.open().unwrap();
    assert_eq!((after.indexed_up_to(), after.uids().unwrap()), (2, vec![1, 2]));
    let mut again = after.writer().unwrap();
    again.add(received(3, MAIL[2])).unwrap();
    again.commit(3).unwrap();
    assert_eq!(after.uids().unwrap(), [1, 2, 3]);
}

#[test]
fn only_the_owner_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let (mailbox, _index) = Mailbox::with(&MAIL);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&mailbox.folder()), 0o700);
    let modes: BTreeSet<_> = files(&mailbox.folder()).iter().map(|file| mode(file)).collect();
    assert_eq!(modes, BTreeSet::from([0o600]));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

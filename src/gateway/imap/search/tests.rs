//! Searches of a small mailbox, and what they open for it.

use std::sync::Arc;

use proptest::prelude::*;

use super::samples::{Sample, roll_of};
use super::{Scope, Search};
use crate::gateway::imap::room::Depth;
use crate::mailbox::{Flags, Roll};
use crate::wire::imap::{Key, Numbers, SetElement};

const LETTERS: [&str; 4] = [
    "From: Fred Foobar <foobar@Blurdybloop.example>\r\nTo: mooch@owatagu.example\r\nSubject: afternoon meeting\r\n\
     Date: Wed, 17 Jul 1996 23:30:00 -0700\r\nMessage-ID: <a@x>\r\n\r\nHello Joe, do you think we can meet?\r\n",
    "From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <jm@x.example>\r\nTo: undisclosed:;\r\nSubject: =?utf-8?b?U3RyYcOfZQ==?=\r\n\
     Date: Thu, 18 Jul 1996 08:00:00 +0200\r\nX-Spam: YES\r\nX-Spam: =?utf-8?q?=C3=84rger?=\r\n\
     Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
     Sch=F6ne Gr=FC=DFe=\r\n, MEETing\r\n",
    "Subject:\r\nReferences: <a@x>\r\n\r\nnothing\r\n",
    "Cc: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\
     Content-Type: message/rfc822\r\n\r\nSubject: buried treasure\r\n\r\ngold\r\n--b\r\nContent-Type: image/png\r\n\r\n\
     silver\r\n--b--\r\n",
];

fn sample() -> (Sample, Roll) {
    let (sample, mut roll) = Sample::of(LETTERS);
    roll.entries = roll
        .entries
        .iter()
        .copied()
        .map(|mut entry| {
            entry.uid *= 10;
            entry.received = i64::from(entry.uid) * 86_400;
            entry.saved = entry.received + 86_400;
            if entry.uid == 20 {
                entry.flags = Flags::SEEN;
            }
            entry
        })
        .collect();
    (sample, roll)
}

async fn found_with_scans(key: Key) -> (Vec<usize>, Vec<(Depth, usize)>) {
    let (mut sample, roll) = sample();
    let search = Arc::new(Search::of(&key, Scope { roll: &roll, saved: &[10, 30], now: 30 * 86_400 }));
    let found = search.find(&mut sample, &roll).await.unwrap();
    (found, sample.scans)
}

async fn found(key: Key) -> Vec<usize> {
    found_with_scans(key).await.0
}

fn header(name: &str, text: &str) -> Key {
    Key::Header(name.to_owned(), text.to_owned())
}

fn not(key: Key) -> Key {
    Key::Not(Box::new(key))
}

fn or(one: Key, other: Key) -> Key {
    Key::Or(Box::new(one), Box::new(other))
}

fn uids(from: u32, to: u32) -> Key {
    Key::Uids(Numbers::Set(vec![SetElement { from: Some(from), to: Some(to) }]))
}

/// Words of HTML, and words in forms that look alike.
#[tokio::test]
async fn words_are_found_as_people_read_them() {
    const HTML: &str = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         <style>secret {}</style><p class=3D\"hidden\">Gr=C3=BC=C3=9Fe aus M&uuml;nchen, <b>He</b>llo, it&#39;s me,\r\n\
         Donau&shy;dampf<wbr>schiff=\r\nfahrt</p><p>Cafe=CC=81 =EF=BC=A1=EF=BC=A2</p>\r\n";
    let letters = [HTML, "Subject: =?utf-8?q?Cafe=CC=81?=\r\nDate: 2 Nov 26 09:00 EST\r\n\r\nplain\r\n"];
    let (mut sample, roll) = Sample::of(letters);
    let body = |text: &str| Key::Body(text.to_owned());
    for (key, expected) in [
        (body("grüsse aus münchen"), vec![0]),
        (body("Hello, it's me"), vec![0]),
        (body("donaudampfschifffahrt"), vec![0]),
        (body("Dampf\u{ad}schiff"), vec![0]),
        (body("café ab"), vec![0]),
        (Key::Text("ME, Donau".to_owned()), vec![0]),
        (body("uuml"), vec![]),
        (body("secret"), vec![]),
        (body("hidden"), vec![]),
        (header("Subject", "CAFÉ"), vec![1]),
        (header("Subject", "cafe\u{301}"), vec![1]),
        (Key::SentOn(20_759), vec![1]),
        (Key::SentSince(20_760), vec![]),
    ] {
        let search = Arc::new(Search::of(&key, Scope { roll: &roll, saved: &[], now: 0 }));
        assert_eq!(search.find(&mut sample, &roll).await.unwrap(), expected, "{key:?}");
    }
}

#[tokio::test]
async fn what_the_roll_decides_opens_nothing() {
    let cases: Vec<(Key, &[usize])> = vec![
        (Key::All, &[0, 1, 2, 3]),
        (Key::Flag(Flags::SEEN), &[1]),
        (not(Key::Flag(Flags::SEEN)), &[0, 2, 3]),
        (Key::Keyword("$None".to_owned()), &[]),
        (Key::Recent(false), &[]),
        (uids(15, 35), &[1, 2]),
        (Key::Numbers(Numbers::Saved), &[0, 2]),
        (Key::Before(20), &[0]),
        (Key::On(20), &[1]),
        (Key::Since(20), &[1, 2, 3]),
        (Key::SavedOn(21), &[1]),
        (Key::SavedBefore(21), &[0]),
        (Key::SavedSince(31), &[2, 3]),
        (Key::Younger(86_400 * 10), &[1, 2, 3]),
        (Key::Older(86_400 * 10), &[0, 1]),
        (Key::ModSeq(3), &[2, 3]),
        (Key::Larger(LETTERS[2].len() as u64), &[0, 1, 3]),
        (Key::Smaller(LETTERS[2].len() as u64), &[]),
        (Key::EmailId("M00000002000000000000000000000000".to_owned()), &[1]),
        (Key::EmailId("nobody".to_owned()), &[]),
        (Key::And(vec![]), &[0, 1, 2, 3]),
        (or(Key::On(20), Key::On(30)), &[1, 2]),
        (Key::And(vec![Key::Text("x".to_owned()), Key::Recent(false)]), &[]),
    ];
    for (key, expected) in cases {
        let (found, scans) = found_with_scans(key.clone()).await;
        assert_eq!(found, expected, "{key:?}");
        assert!(scans.is_empty(), "{key:?}");
    }
}

#[tokio::test]
async fn envelopes_are_searched_as_people_read_them() {
    let cases: Vec<(Key, &[usize])> = vec![
        (header("from", "FRED FOOBAR <foobar@blurdy"), &[0]),
        (header("From", "jörg MÜLLER"), &[1]),
        (header("SUBJECT", "STRASSE"), &[1]),
        (header("subject", "meeting"), &[0]),
        (header("Message-Id", "<a@x>"), &[0]),
        (header("cc", "a@b"), &[3]),
        (Key::SentOn(9694), &[0]),
        (Key::SentOn(9695), &[1]),
        (Key::SentBefore(9695), &[0]),
        (Key::SentSince(9694), &[0, 1]),
    ];
    for (key, expected) in cases {
        let (found, scans) = found_with_scans(key.clone()).await;
        assert_eq!(found, expected, "{key:?}");
        assert_eq!(scans, [(Depth::Structure, 4)], "{key:?}");
    }
}

#[tokio::test]
async fn fields_are_there_or_not() {
    assert_eq!(found(header("Subject", "")).await, [0, 1, 2]);
    assert_eq!(found(header("to", "")).await, [0, 1]);
    assert_eq!(found(header("x-spam", "")).await, [1]);
    assert_eq!(found(header("X-Spam", "ärger")).await, [1]);
    assert_eq!(found(header("References", "<a@x>")).await, [2]);
    // Of the two that are left open, only these are opened whole.
    let (_, scans) = found_with_scans(header("Bcc", "")).await;
    assert_eq!(scans, [(Depth::Structure, 4), (Depth::Octets, 4)]);
}

#[tokio::test]
async fn texts_are_searched_decoded() {
    let body = |text: &str| Key::Body(text.to_owned());
    let text = |text: &str| Key::Text(text.to_owned());
    assert_eq!(found(body("SCHÖNE GRÜSSE, meeting")).await, [1]);
    assert_eq!(found(body("meeting")).await, [1]);
    assert_eq!(found(text("meeting")).await, [0, 1]);
    assert_eq!(found(body("afternoon")).await, Vec::<usize>::new());
    assert_eq!(found(body("TREASURE")).await, [3]);
    assert_eq!(found(body("gold")).await, [3]);
    assert_eq!(found(body("silver")).await, Vec::<usize>::new());
    assert_eq!(found(text("jörg müller")).await, [1]);
    assert_eq!(found(text("")).await, [0, 1, 2, 3]);
    assert_eq!(found(Key::And(vec![text("joe"), body("think"), not(text("gold"))])).await, [0]);
}

#[tokio::test]
async fn only_what_is_in_doubt_is_opened() {
    let (_, scans) = found_with_scans(Key::And(vec![Key::Text("x".to_owned()), uids(10, 20)])).await;
    assert_eq!(scans, [(Depth::Octets, 2)]);
    let key = Key::And(vec![Key::Body("meet".to_owned()), header("subject", "meeting")]);
    let (found, scans) = found_with_scans(key).await;
    assert_eq!((found, scans), (vec![0], vec![(Depth::Structure, 4), (Depth::Octets, 1)]));
    let key = or(Key::Body("nothing".to_owned()), Key::Flag(Flags::SEEN));
    let (found, scans) = found_with_scans(key).await;
    assert_eq!((found, scans), (vec![1, 2], vec![(Depth::Octets, 3)]));
}

#[tokio::test]
async fn damaged_messages_match_nothing_that_needs_them() {
    let (mut sample, roll) = sample();
    sample.broken.insert(roll.entries[0].message);
    for (key, expected) in
        [(not(Key::Text("gold".to_owned())), vec![1, 2]), (not(Key::Flag(Flags::SEEN)), vec![0, 2, 3])]
    {
        let search = Arc::new(Search::of(&key, Scope { roll: &roll, saved: &[], now: 0 }));
        assert_eq!(search.find(&mut sample, &roll).await.unwrap(), expected);
    }
}

/// Keys about messages whose subjects and texts are made of a few letters.
fn keys() -> impl Strategy<Value = Key> {
    let word = prop::sample::select(vec!["a", "B", "ab", "ä", ""]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Key::All),
        Just(Key::Flag(Flags::SEEN)),
        (1_u32..9, 1_u32..9).prop_map(|(from, to)| uids(from, to)),
        word.clone().prop_map(|text| Key::Header("Subject".to_owned(), text)),
        word.clone().prop_map(|text| Key::Header("X-Other".to_owned(), text)),
        word.clone().prop_map(Key::Body),
        word.prop_map(Key::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| or(one, other)),
            prop::collection::vec(inner, 0..4).prop_map(Key::And),
        ]
    })
}

/// A message of the property: whether it is seen, its subject, another field, its text.
type Told = (bool, String, String, String);

fn naive(key: &Key, uid: u32, told: &Told) -> bool {
    let (seen, subject, other, text) = told;
    let has = |text: &str, needle: &str| text.to_lowercase().contains(&needle.to_lowercase());
    match key {
        Key::And(keys) => keys.iter().all(|key| naive(key, uid, told)),
        Key::Or(one, other) => naive(one, uid, told) || naive(other, uid, told),
        Key::Not(key) => !naive(key, uid, told),
        Key::All => true,
        Key::Flag(_) => *seen,
        Key::Uids(Numbers::Set(set)) => {
            let (from, to) = (set[0].from.unwrap(), set[0].to.unwrap());
            (from.min(to)..=from.max(to)).contains(&uid)
        }
        Key::Header(name, needle) if name == "Subject" => has(subject, needle),
        Key::Header(_, needle) => has(other, needle),
        Key::Body(needle) => has(text, needle),
        Key::Text(needle) => {
            has(text, needle)
                || has(&format!("Subject: {subject}\nX-Other: {other}\n"), needle)
                || has("Content-Type: text/plain; charset=utf-8", needle)
        }
        _ => unreachable!(),
    }
}

proptest! {
    #[test]
    fn an_answer_is_the_naive_one(
        key in keys(),
        told in prop::collection::vec((any::<bool>(), "[abäB]{0,3}", "[abÄ]{0,2}", "[abÄc ]{0,6}"), 0..8),
    ) {
        let letters: Vec<String> = told.iter().map(|(_, subject, other, text)| {
            format!("Subject: {subject}\r\nX-Other: {other}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}")
        }).collect();
        let (mut sample, mut roll) = Sample::of(letters.iter().map(String::as_str));
        roll.entries = roll.entries.iter().copied().zip(&told).map(|(mut entry, told)| {
            entry.flags = if told.0 { Flags::SEEN } else { Flags::none() };
            entry
        }).collect();
        let search = Arc::new(Search::of(&key, Scope { roll: &roll, saved: &[], now: 0 }));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(search.find(&mut sample, &roll)).unwrap();
        let expected: Vec<usize> = told
            .iter()
            .enumerate()
            .filter(|(position, told)| naive(&key, *position as u32 + 1, told))
            .map(|(position, _)| position)
            .collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn numbers_past_the_end_match_nothing() {
    let roll = roll_of(0, |_, _| {});
    let all = Key::Numbers(Numbers::Set(vec![SetElement { from: Some(1), to: None }]));
    let (mut sample, _) = sample();
    let search = Arc::new(Search::of(&all, Scope { roll: &roll, saved: &[], now: 0 }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(search.find(&mut sample, &roll)).unwrap().is_empty());
}

//! Threads of RFC 5256, step by step, and those that mean harm.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Letter, threads};
use crate::wire::imap::Threading;

/// Letters in the order of their dates.
fn letters(told: &[(&str, &[&str], &str)]) -> Vec<Letter> {
    let id = |id: &str| Box::from(id.as_bytes());
    let letter = |(sent, (name, references, subject)): (i64, &(&str, &[&str], &str))| Letter {
        id: (!name.is_empty()).then(|| id(name)),
        references: references.iter().map(|name| id(name)).collect(),
        sent,
        subject: subject.trim_start_matches("Re: ").to_owned(),
        is_reply: subject.starts_with("Re: "),
        is_made: false,
    };
    (0..).zip(told).map(letter).collect()
}

fn put(letters: &[Letter], algorithm: Threading) -> String {
    let mut out = Vec::new();
    threads(letters, algorithm).put(&mut out, |place| u32::try_from(place + 1).unwrap());
    String::from_utf8(out).unwrap().trim_end().trim_start_matches("* THREAD").trim_start().to_owned()
}

fn by_references(told: &[(&str, &[&str], &str)]) -> String {
    put(&letters(told), Threading::References)
}

/// Masked mail of a domain is not one conversation.
#[test]
fn subjects_that_a_policy_made_join_nothing() {
    let made = |told: &[(&str, &[&str], &str)]| -> Vec<Letter> {
        let made = |letter: Letter| match letter.subject.as_str() {
            "Sealed" => Letter { subject: String::new(), is_reply: false, is_made: true, ..letter },
            _ => letter,
        };
        letters(told).into_iter().map(made).collect()
    };
    let told: [(&str, &[&str], &str); 6] = [
        ("a", &[], "Sealed"),
        ("b", &[], "Re: Sealed"),
        ("c", &["a"], "Sealed"),
        ("", &[], ""),
        ("", &[], ""),
        ("d", &[], "real"),
    ];
    assert_eq!(put(&made(&told), Threading::References), "(1 3)(2)(4)(5)(6)");
    assert_eq!(put(&made(&told), Threading::OrderedSubject), "(1)(2)(3)(4 5)(6)");
}

#[test]
fn subjects_make_threads_without_grandchildren() {
    let told: Vec<(&str, &[&str], &str)> =
        ["b", "a", "Re: b", "c", "Re: a", "Re: b", ""].map(|subject| ("", &[] as &[&str], subject)).to_vec();
    assert_eq!(put(&letters(&told), Threading::OrderedSubject), "(1 (3)(6))(2 5)(4)(7)");
    assert_eq!(put(&[], Threading::OrderedSubject), "");
    let mut letters = letters(&told);
    letters[5].sent = -1;
    assert_eq!(put(&letters, Threading::OrderedSubject), "(6 (1)(3))(2 5)(4)(7)");
}

#[test]
fn references_make_chains_and_forks() {
    assert_eq!(by_references(&[("a", &[], "x"), ("b", &["a"], "x"), ("c", &["a", "b"], "y")]), "(1 2 3)");
    assert_eq!(by_references(&[("a", &[], ""), ("b", &["a"], ""), ("c", &["a"], "")]), "(1 (2)(3))");
    // Answers before what they answer, as after a bad clock.
    assert_eq!(by_references(&[("c", &["a", "b"], ""), ("b", &["a"], ""), ("a", &[], "")]), "(3 2 1)");
}

#[test]
fn missing_messages_are_pruned() {
    // 3: one child takes the dummy's place under the root, several do not.
    assert_eq!(by_references(&[("b", &["gone"], ""), ("x", &[], "")]), "(1)(2)");
    assert_eq!(by_references(&[("b", &["gone"], ""), ("c", &["gone"], "")]), "((1)(2))");
    assert_eq!(
        by_references(&[("a", &[], ""), ("b", &["a", "g1", "g2"], ""), ("c", &["a", "g1"], "")]),
        "(1 (2)(3))"
    );
    assert_eq!(by_references(&[("b", &["g0", "g1", "g2"], ""), ("c", &["g0", "g3"], "")]), "((1)(2))");
}

#[test]
fn a_messages_own_word_about_its_parent_counts() {
    // The second names a as parent of c; the third, c itself, names b.
    let told: &[(&str, &[&str], &str)] =
        &[("a", &[], ""), ("d", &["a", "c"], ""), ("b", &["a"], ""), ("c", &["a", "b"], "")];
    assert_eq!(by_references(told), "(1 3 4 2)");
    // Without references it has no parent, whatever others say.
    assert_eq!(by_references(&[("a", &[], ""), ("d", &["a", "c"], ""), ("c", &[], "")]), "(1)(3 2)");
}

#[test]
fn loops_and_doubles_do_no_harm() {
    assert_eq!(by_references(&[("a", &["a"], ""), ("a", &["a"], "")]), "(1 2)");
    assert_eq!(by_references(&[("a", &["b"], ""), ("b", &["a"], "")]), "(2 1)");
    assert_eq!(
        by_references(&[("a", &["c", "b"], ""), ("b", &["a", "c"], ""), ("c", &["b", "a"], "")]),
        "(3 2 1)"
    );
    assert_eq!(by_references(&[("", &["x", "y", "x", "y"], ""), ("", &["y", "x"], "")]), "((1)(2))");
}

#[test]
fn subjects_join_threads() {
    // 5.C: a reply goes below what is none; equals go below a dummy; empty subjects join nothing.
    assert_eq!(by_references(&[("a", &[], "s"), ("b", &[], "Re: s")]), "(1 2)");
    assert_eq!(by_references(&[("a", &[], "Re: s"), ("b", &[], "s")]), "(2 1)");
    assert_eq!(by_references(&[("a", &[], "s"), ("b", &[], "s")]), "((1)(2))");
    assert_eq!(
        by_references(&[("a", &[], "Re: s"), ("b", &[], "Re: s"), ("c", &[], "Re: s")]),
        "((1)(2)(3))"
    );
    assert_eq!(by_references(&[("a", &[], ""), ("b", &[], "")]), "(1)(2)");
    // Both are dummies: their children become siblings.
    let told: &[(&str, &[&str], &str)] =
        &[("a", &["x"], "s"), ("b", &["y"], "s"), ("c", &["x"], "s"), ("d", &["y"], "s"), ("e", &[], "s")];
    assert_eq!(by_references(told), "((1)(2)(3)(4)(5))");
}

#[test]
fn siblings_are_in_the_order_of_their_dates() {
    let mut told = letters(&[("a", &[], ""), ("b", &["a"], ""), ("c", &["a"], ""), ("z", &[], "")]);
    told[2].sent = -5;
    told[3].sent = -9;
    assert_eq!(put(&told, Threading::References), "(4)(1 (3)(2))");
    // A dummy has the date of its first child; equal dates go by sequence number.
    let mut told = letters(&[("z", &[], ""), ("b", &["g"], ""), ("c", &["g"], ""), ("y", &[], "")]);
    told[2].sent = -5;
    told[3].sent = 0;
    assert_eq!(put(&told, Threading::References), "((3)(2))(1)(4)");
}

fn chain(length: usize, order: impl Fn(usize) -> usize, back: usize) -> Vec<Letter> {
    let id = |number: usize| Box::from(number.to_string().as_bytes());
    let letter = |place| {
        let number = order(place);
        let references = (number.saturating_sub(back)..number).map(id).collect();
        Letter { id: Some(id(number)), references, sent: 0, ..Letter::default() }
    };
    (0..length).map(letter).collect()
}

#[test]
fn deep_chains_are_no_deep_stacks() {
    let begun = Instant::now();
    let orders: [fn(usize) -> usize; 3] =
        [|place| place, |place| DEEP - 1 - place, |place| place * 7919 % DEEP];
    for order in orders {
        let text = put(&chain(DEEP, order, 3), Threading::References);
        assert_eq!(text.matches('(').count(), 1);
        assert_eq!(text.split(' ').count(), DEEP);
    }
    // Debug builds on a busy machine; a quadratic way would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(60));
}

const DEEP: usize = 50_000;

#[test]
fn deep_forks_are_no_deep_stacks() {
    let mut told = chain(2 * DEEP, |place| place, 0);
    for (place, letter) in told.iter_mut().enumerate().skip(1) {
        // A comb: every even one answers the even one before it, every odd one too.
        letter.references = vec![Box::from((((place - 1) / 2) * 2).to_string().as_bytes())];
    }
    let text = put(&told, Threading::References);
    assert_eq!(text.matches('(').count(), text.matches(')').count());
}

#[test]
fn chains_of_missing_messages_end() {
    // Every message hangs on a chain of dummies at another depth.
    let id = |number: usize| Box::from(format!("gone{number}").as_bytes());
    let told: Vec<Letter> = (1..3000)
        .map(|place| Letter { references: vec![id(place - 1), id(place)], ..Letter::default() })
        .collect();
    assert_eq!(put(&told, Threading::References).matches('(').count(), 3000);
}

proptest! {
    #[test]
    fn every_message_is_there_once(
        told in prop::collection::vec(
            (0_u8..12, prop::collection::vec(0_u8..12, 0..5), 0_i64..4, 0_u8..4, any::<bool>()), 0..30),
        ordered in any::<bool>(),
    ) {
        let id = |number: u8| Box::from([number].as_slice());
        let letters: Vec<Letter> = told.iter().map(|(own, references, sent, subject, is_reply)| Letter {
            id: (*own > 0).then(|| id(*own)),
            references: references.iter().map(|number| id(*number)).collect(),
            sent: *sent,
            subject: if *subject == 0 { String::new() } else { subject.to_string() },
            is_reply: *is_reply,
            is_made: *subject == 0 && *is_reply,
        }).collect();
        let algorithm = if ordered { Threading::OrderedSubject } else { Threading::References };
        let text = put(&letters, algorithm);
        let mut numbers: Vec<usize> = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|number| !number.is_empty())
            .map(|number| number.parse().unwrap())
            .collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=letters.len()).collect::<Vec<_>>());
        prop_assert!(!text.contains("()") && !text.contains(" )") && !text.contains("( "));
    }
}

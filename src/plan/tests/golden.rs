//! Every sample under every set of rules: the view is a message without a single anomaly, which two
//! parsers read alike; and what is hidden has no influence on it.

use super::*;
use crate::message::second_reading::{Reading, SecondReading};
use crate::message::{Anatomy, AtomKind, Content, TransferEncoding, samples, text};
use proptest::prelude::*;
use std::ops::Range;

#[test]
fn views_are_strictly_well_formed() {
    for sample in samples::all() {
        for (name, rules) in all_rules() {
            let view = render(&rules, &sample.bytes).expect("present");
            assert_strict(&view, &format!("{} under {name}", sample.name));
            assert_eq!(render(&rules, &sample.bytes), Some(view), "a view never changes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn views_of_garbage_are_strictly_well_formed(bytes in samples::garbage()) {
        for (name, rules) in all_rules() {
            assert_strict(&render(&rules, &bytes).expect("present"), name);
        }
    }

    /// Bytes changed, cut out and doubled in real messages.
    #[test]
    fn views_of_damaged_samples_are_strictly_well_formed(
        index in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        length in 0usize..40,
        insert in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let samples = samples::edge();
        let sample = index.get(&samples);
        if sample.bytes.len() > 20_000 {
            return Ok(());
        }
        let start = at.index(sample.bytes.len());
        let end = (start + length).min(sample.bytes.len());
        let damaged = [&sample.bytes[..start], &insert, &sample.bytes[end..]].concat();
        assert_strict(&render(&parts(), &damaged).expect("present"), &sample.name);
        assert_strict(&render(&excerpts(), &damaged).expect("present"), &sample.name);
    }
}

#[test]
fn the_original_is_carried_byte_for_byte() {
    let original = Rules { presence: Presence::Original, ..nothing() };
    let absent = Rules { presence: Presence::Absent, ..nothing() };
    for sample in samples::edge() {
        assert_eq!(render(&original, &sample.bytes), Some(sample.bytes.clone()), "{}", sample.name);
        assert_eq!(render(&absent, &sample.bytes), None);
    }
}

#[test]
fn hidden_bodies_and_fields_leave_no_trace() {
    let mut compared = 0;
    for sample in samples::all() {
        let anatomy = dissect(&sample.bytes);
        for (name, rules) in [("nothing", nothing()), ("headers", headers()), ("texts", texts())] {
            let changed = with_hidden_changed(&sample.bytes, &anatomy, &rules);
            // Whether something is in doubt is not hidden: it decides what is shown.
            if !same_structure(&anatomy, &dissect(&changed)) {
                continue;
            }
            compared += 1;
            assert_eq!(
                render(&rules, &sample.bytes),
                render(&rules, &changed),
                "{} under {name}",
                sample.name
            );
        }
    }
    assert!(compared > 250, "only {compared} cases compared");
}

fn assert_strict(view: &[u8], name: &str) {
    let anatomy = dissect(view);
    let second = SecondReading::of(view);
    assert!(view.is_ascii() && view.ends_with(b"\r\n"), "{name}");
    for part in anatomy.parts() {
        assert!(part.anomalies.is_empty(), "{name}: {:?}", String::from_utf8_lossy(view));
    }
    for id in 0..anatomy.parts().len() {
        for field in anatomy.fields(id) {
            assert!(field.anomalies.is_empty(), "{name}");
        }
        if matches!(anatomy.part(id).content, Content::Leaf(_)) && second.has_opinion() {
            assert_leaf(view, &anatomy, &second, id, name);
        }
    }
}

fn assert_leaf(view: &[u8], anatomy: &Anatomy, second: &SecondReading, id: usize, name: &str) {
    let content = text::content(view, anatomy, id).unwrap_or_else(|anomaly| panic!("{name}: {anomaly:?}"));
    let agrees = if anatomy.part(id).media.kind == "text" {
        let text = text::text(anatomy, id, &content).unwrap_or_else(|anomaly| panic!("{name}: {anomaly:?}"));
        second.agrees(anatomy, id, Reading::Text(&text))
    } else {
        second.agrees(anatomy, id, Reading::Bytes(&content))
    };
    assert!(agrees, "{name}: part {id} of {}", String::from_utf8_lossy(view));
}

/// The message with every hidden body and every hidden field's value replaced.
fn with_hidden_changed(bytes: &[u8], anatomy: &Anatomy, rules: &Rules) -> Vec<u8> {
    let mut changes: Vec<(Range<usize>, &[u8])> = Vec::new();
    for (id, part) in anatomy.parts().iter().enumerate() {
        let shown_text = rules.text == TextMask::Show && part.is_body_text() && part.media.kind == "text";
        if let (Content::Leaf(Some(atom)), false) = (&part.content, shown_text) {
            let body: &[u8] = match part.encoding {
                TransferEncoding::Base64 => b"bWFya2VyIG9mIGFub3RoZXIgc2l6ZQ==",
                _ => b"a marker of another size",
            };
            changes.push((anatomy.atoms()[*atom as usize].span.clone(), body));
        }
        for field in anatomy.fields(id) {
            let name = String::from_utf8_lossy(&bytes[field.name.clone()]).to_ascii_lowercase();
            let shown = id == 0 && rules.headers.iter().any(|rule| rule.name.eq_ignore_ascii_case(&name));
            if !shown && !name.starts_with("content-") && name != "mime-version" {
                changes.push((field.value.clone(), b" marker\r\n"));
            }
        }
    }
    changes.sort_by_key(|(span, _)| span.start);
    let (mut out, mut at) = (Vec::new(), 0);
    for (span, replacement) in changes {
        out.extend_from_slice(&bytes[at..span.start]);
        out.extend_from_slice(replacement);
        at = span.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

fn same_structure(one: &Anatomy, other: &Anatomy) -> bool {
    let shape = |anatomy: &Anatomy| -> Vec<_> {
        anatomy.parts().iter().map(|part| (part.parent, part.anomalies, part.media.clone())).collect()
    };
    let kinds = |anatomy: &Anatomy| anatomy.atoms().iter().map(|atom| atom.kind).collect::<Vec<AtomKind>>();
    shape(one) == shape(other) && kinds(one) == kinds(other)
}

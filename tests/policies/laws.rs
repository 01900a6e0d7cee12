//! Laws 1 and 2 over every sample, under every shipped policy.

use std::ops::Range;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use veilpost::message::second_reading::{Reading, SecondReading};
use veilpost::message::{Anatomy, AtomKind, Content, TransferEncoding, dissect, text};
use veilpost::plan::explain::{Fate, Reason};
use veilpost::plan::trial::{Circumstances, Trial};
use veilpost::policy::{Policy, parse};

use super::samples::{self, Sample};
use super::{circumstances, masking, words};

#[test]
fn atoms_put_together_are_the_message() {
    for sample in samples::all() {
        let mut at = 0;
        for atom in dissect(&sample.bytes).atoms() {
            assert!(atom.span.start == at && atom.span.end > at, "{}", sample.name);
            at = atom.span.end;
        }
        assert_eq!(at, sample.bytes.len(), "{}", sample.name);
    }
}

#[test]
fn everything_is_everything() {
    let text = include_str!("../../policies/everything.toml");
    let policy = parse(text, "everything").expect("it loads");
    for sample in samples::all() {
        let view = Trial::new(&policy, &sample.bytes, &Circumstances::default()).view();
        assert_eq!(view.as_deref(), Some(sample.bytes.as_slice()), "{}", sample.name);
    }
}

#[test]
fn views_are_strictly_well_formed() {
    for sample in samples::all() {
        each_view(&sample, |name, _, view| assert_strict(view, name));
    }
}

#[test]
fn no_view_holds_a_word_of_what_is_sealed() {
    let mut told_apart = 0;
    for sample in samples::all() {
        each_view(&sample, |name, trial, view| {
            let secret = words::sealed(&sample.bytes, trial);
            told_apart += secret.len();
            let found: Vec<_> = words::of_view(view).intersection(&secret).cloned().collect();
            assert!(found.is_empty(), "{name}: {found:?}\n{}", String::from_utf8_lossy(view));
        });
    }
    assert!(told_apart > 10_000, "only {told_apart} words were looked for");
}

/// Every body and field that is called sealed by policy is changed at once; the view stays.
#[test]
fn what_is_sealed_has_no_influence() {
    let mut compared = 0;
    for sample in samples::all() {
        for policy in masking() {
            for told in circumstances() {
                compared += usize::from(compare(&sample, &policy, &told));
            }
        }
    }
    assert!(compared > 1_000, "only {compared} pairs compared");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Real messages with octets changed, cut out and put in: under each policy the view is well
    /// formed, and as long as the same atoms are shown, the sealed ones have no influence.
    #[test]
    fn damage_breaks_no_law(
        index in any::<Index>(),
        at in any::<Index>(),
        cut in 0_usize..40,
        insert in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let sample = index.get(SMALL.as_slice());
        let start = at.index(sample.bytes.len());
        let end = (start + cut).min(sample.bytes.len());
        let damaged = [&sample.bytes[..start], &insert, &sample.bytes[end..]].concat();
        for policy in masking() {
            let trial = Trial::new(&policy, &damaged, &Circumstances::default());
            if let Some(view) = trial.view() {
                assert_strict(&view, &sample.name);
            }
            let changed = with_sealed_changed(&damaged, &trial);
            let other = Trial::new(&policy, &changed, &Circumstances::default());
            if same_structure(trial.anatomy(), other.anatomy()) && trial.explain() == other.explain() {
                prop_assert_eq!(trial.view(), other.view(), "{} under {}", sample.name, policy.name);
            }
        }
    }
}

fn compare(sample: &Sample, policy: &Policy, told: &Circumstances) -> bool {
    let trial = Trial::new(policy, &sample.bytes, told);
    let changed = with_sealed_changed(&sample.bytes, &trial);
    let other = Trial::new(policy, &changed, told);
    // Whether something is in doubt is not hidden: it decides what is shown.
    if changed == sample.bytes || !same_structure(trial.anatomy(), other.anatomy()) {
        return false;
    }
    let name = format!("{} under {} ({told:?})", sample.name, policy.name);
    let (view, changed) = (trial.view().unwrap_or_default(), other.view().unwrap_or_default());
    assert_eq!(String::from_utf8_lossy(&view), String::from_utf8_lossy(&changed), "{name}");
    true
}

fn each_view(sample: &Sample, mut check: impl FnMut(&str, &Trial<'_>, &[u8])) {
    for policy in masking() {
        for told in circumstances() {
            let trial = Trial::new(&policy, &sample.bytes, &told);
            let view = trial.view();
            assert_eq!(view, trial.view(), "a view never changes");
            if let Some(view) = view {
                check(&format!("{} under {} ({told:?})", sample.name, policy.name), &trial, &view);
            }
        }
    }
}

fn assert_strict(view: &[u8], name: &str) {
    let anatomy = dissect(view);
    assert!(view.is_ascii() && view.ends_with(b"\r\n"), "{name}");
    for part in 0..anatomy.parts().len() {
        let fields = anatomy.fields(part).iter();
        let clear =
            anatomy.part(part).anomalies.is_empty() && fields.clone().all(|field| field.anomalies.is_empty());
        assert!(clear, "{name}: {}", String::from_utf8_lossy(view));
    }
    let second = SecondReading::of(view);
    for part in 0..anatomy.parts().len() {
        if matches!(anatomy.part(part).content, Content::Leaf(_)) && second.has_opinion() {
            assert!(read_alike(view, &anatomy, &second, part), "{name}: {}", String::from_utf8_lossy(view));
        }
    }
}

fn read_alike(view: &[u8], anatomy: &Anatomy, second: &SecondReading<'_>, part: usize) -> bool {
    let Ok(content) = text::content(view, anatomy, part) else { return false };
    if anatomy.part(part).media.kind != "text" {
        return second.agrees(anatomy, part, Reading::Bytes(&content));
    }
    text::text(anatomy, part, &content).is_ok_and(|text| second.agrees(anatomy, part, Reading::Text(&text)))
}

/// The message with every body and every field's value replaced that the policy seals.
fn with_sealed_changed(bytes: &[u8], trial: &Trial<'_>) -> Vec<u8> {
    let (anatomy, fates) = (trial.anatomy(), trial.explain());
    let is_sealed = |atom: u32| fates[atom as usize] == Fate::Sealed(Reason::Policy);
    let mut changes: Vec<(Range<usize>, &[u8])> = Vec::new();
    for (id, part) in anatomy.parts().iter().enumerate() {
        if let Some(atom) = anatomy.body_atom(id).filter(|atom| is_sealed(*atom)) {
            let body: &[u8] = match part.encoding {
                TransferEncoding::Base64 => b"bWFya2VyIG9mIGFub3RoZXIgc2l6ZQ==",
                _ => b"a marker of another size",
            };
            changes.push((anatomy.atoms()[atom as usize].span.clone(), body));
        }
        let fields = anatomy.fields(id).iter().filter(|field| is_sealed(field.atom));
        changes.extend(fields.map(|field| (field.value.clone(), &b" marker\r\n"[..])));
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

/// Samples that debug builds mask in little time.
static SMALL: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let mut samples = samples::all();
    samples.retain(|sample| (1..20_000).contains(&sample.bytes.len()));
    samples
});

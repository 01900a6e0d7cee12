//! Law 2: two messages that differ only in what a policy seals give the same view, octet for octet;
//! and every view is a message without a single anomaly.
//!
//! Input: which shipped policy (one octet), the message. The other message has every sealed body and
//! field changed. Where that takes a doubt away, or raises one, more or less is shown, and the pair is
//! left out: doubt decides what is shown and is not hidden.

#![no_main]

use std::ops::Range;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use veilpost::message::{Anatomy, TransferEncoding, dissect};
use veilpost::plan::explain::{Fate, Reason};
use veilpost::plan::trial::{Circumstances, Trial};
use veilpost::policy::{Policy, parse, shipped};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let policy = &POLICIES[usize::from(*choice) % POLICIES.len()];
    let trial = Trial::new(policy, bytes, &Circumstances::default());
    let view = trial.view();
    if policy.name != "everything" {
        view.as_deref().inspect(|view| assert_strict(view));
    }
    let changed = with_sealed_changed(bytes, &trial);
    let other = Trial::new(policy, &changed, &Circumstances::default());
    if same_shape(trial.anatomy(), other.anatomy()) && trial.explain() == other.explain() {
        assert_eq!(view, other.view(), "what is sealed has no influence");
    }
});

fn assert_strict(view: &[u8]) {
    assert!(view.is_ascii() && view.ends_with(b"\r\n"));
    let anatomy = dissect(view);
    for part in 0..anatomy.parts().len() {
        assert!(anatomy.part(part).anomalies.is_empty(), "{}", String::from_utf8_lossy(view));
        assert!(anatomy.fields(part).iter().all(|field| field.anomalies.is_empty()));
    }
}

fn with_sealed_changed(bytes: &[u8], trial: &Trial<'_>) -> Vec<u8> {
    let (anatomy, fates) = (trial.anatomy(), trial.explain());
    let is_sealed = |atom: u32| fates[atom as usize] == Fate::Sealed(Reason::Policy);
    let mut changes: Vec<(Range<usize>, &[u8])> = Vec::new();
    for part in 0..anatomy.parts().len() {
        if let Some(atom) = anatomy.body_atom(part).filter(|atom| is_sealed(*atom)) {
            let is_base64 = anatomy.part(part).encoding == TransferEncoding::Base64;
            let body: &[u8] = if is_base64 { b"b3RoZXI=" } else { b"another" };
            changes.push((anatomy.atoms()[atom as usize].span.clone(), body));
        }
        let fields = anatomy.fields(part).iter().filter(|field| is_sealed(field.atom));
        changes.extend(fields.map(|field| (field.value.clone(), &b" another\r\n"[..])));
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

fn same_shape(one: &Anatomy, other: &Anatomy) -> bool {
    let parts = |anatomy: &Anatomy| -> Vec<_> {
        anatomy.parts().iter().map(|part| (part.parent, part.anomalies, part.media.clone())).collect()
    };
    let kinds = |anatomy: &Anatomy| anatomy.atoms().iter().map(|atom| atom.kind).collect::<Vec<_>>();
    parts(one) == parts(other) && kinds(one) == kinds(other)
}

static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    shipped().iter().map(|(name, text)| parse(text, name).expect("shipped policies load")).collect()
});

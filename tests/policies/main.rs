//! The shipped policies against the laws of masking: every case gives exactly its view, and over
//! every sample at hand nothing that is sealed has any influence, no view holds a word of it, and
//! all views are strictly well formed.

mod cases;
mod laws;
mod samples;
mod words;

use veilpost::plan::trial::Circumstances;
use veilpost::policy::{Policy, parse, shipped};

/// The shipped policies but the one that masks nothing.
fn masking() -> Vec<Policy> {
    let policies = shipped().iter().filter(|(name, _)| *name != "everything");
    policies.map(|(name, text)| parse(text, name).expect("shipped policies load")).collect()
}

/// Circumstances under which the shipped policies take their exceptions, and none.
fn circumstances() -> Vec<Circumstances> {
    let told = |text| Circumstances::parse(text).expect("circumstances");
    vec![
        told(""),
        told("spam = true"),
        told("dmarc = \"fail\""),
        told("phrase = \"blue heron\"\nage = \"30d\""),
    ]
}

//! Structures: any octets are some message, what is encoded is decoded again, foreign octets are refused
//! or usable, and whatever is listed ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::structure::{Structure, base_subject};
use veilpost::wire::imap::listing::{put_body_structure, put_envelope};

fuzz_target!(|bytes: &[u8]| {
    let structure = Structure::of(bytes);
    assert_eq!(structure.size(), bytes.len() as u64);
    let encoded = structure.encode();
    assert_eq!(Structure::decode(&encoded).as_ref(), Ok(&structure));
    exercise(&structure, bytes);
    if let Ok(foreign) = Structure::decode(bytes) {
        exercise(&foreign, bytes);
    }
});

fn exercise(structure: &Structure<'_>, octets: &[u8]) {
    let mut out = Vec::new();
    put_envelope(&mut out, &structure.envelope);
    put_body_structure(&mut out, structure.root(), true);
    let _ = (structure.texts(octets).count(), structure.header_block(octets), structure.thread_ids());
    let _ = structure.header_text(octets, "Subject").map(|subject| base_subject(&subject)).count();
    let _ = (structure.binary(octets, &[1]), structure.part(&[1, 1, 2]));
}

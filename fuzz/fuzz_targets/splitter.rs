//! Law 1: the atoms of any message, put together, are its bytes; and what is read in them stays
//! within limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::message::{dissect, header, text};

fuzz_target!(|bytes: &[u8]| {
    let anatomy = dissect(bytes);
    let mut at = 0;
    for atom in anatomy.atoms() {
        assert!(atom.span.start == at && atom.span.end > at, "atoms are contiguous and not empty");
        assert!(atom.part < anatomy.parts().len());
        at = atom.span.end;
    }
    assert_eq!(at, bytes.len(), "atoms cover the message");
    for part in 0..anatomy.parts().len() {
        assert!(anatomy.part(part).parent.is_none_or(|parent| parent < part), "parents come first");
        for field in anatomy.fields(part) {
            let value = &bytes[field.value.clone()];
            let _ = (header::text(value), header::date(value), header::identifiers(value));
            let _ = header::mailboxes(value);
        }
        if let Ok(content) = text::content(bytes, &anatomy, part) {
            let _ = text::text(&anatomy, part, &content);
        }
    }
});

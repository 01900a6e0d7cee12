//! Any octets as the plaintext of a manifest: refused, or a manifest that can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::seal::manifest::{decode_owner, decode_view};

fuzz_target!(|octets: &[u8]| {
    if let Ok(view) = decode_view(octets) {
        let written = minicbor::to_vec(&view).expect("a vector takes all");
        let read = decode_view(&written).expect("what was written can be read");
        assert_eq!(minicbor::to_vec(&read).expect("a vector takes all"), written);
    }
    if let Ok(owner) = decode_owner(octets) {
        let mut end = 0;
        for (span, _) in owner.spans() {
            assert!(span.start == end && span.end >= end, "atoms are contiguous");
            end = span.end;
        }
        let written = minicbor::to_vec(&owner).expect("a vector takes all");
        assert!(decode_owner(&written).is_ok(), "what was written can be read");
    }
});

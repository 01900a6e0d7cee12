//! Any octets as a container: it is refused, or every manifest that it lists can be found again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use veilpost::seal::Container;

fuzz_target!(|octets: &[u8]| {
    let Ok(container) = Container::decode(Bytes::copy_from_slice(octets)) else { return };
    let _ = (container.message(), container.tenant());
    for manifest in container.manifests() {
        assert!(container.manifest_of(manifest.reader).is_some());
    }
});

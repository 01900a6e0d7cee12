//! Cases beside a policy: a message in, the view out, with everything fixed that is random or
//! depends on the time, so that they can be kept as files and compared.

use super::compose::{Context, compose};
use super::facts::facts;
use crate::clock::Timestamp;
use crate::message::dissect;
use crate::names::MessageId;
use crate::policy::Policy;
use std::time::Duration;

/// The view of a case's message; empty if the message is not in the view. A case whose name begins
/// with `spam-` is taken as called spam by the filter, every other as not spam.
pub fn case_view(policy: &Policy, name: &str, bytes: &[u8]) -> Vec<u8> {
    let anatomy = dissect(bytes);
    let mut facts = facts(bytes, &anatomy, vec![CASE_ADDRESSEE.to_owned()], Duration::ZERO);
    facts.spam = Some(name.starts_with("spam-"));
    let context = Context {
        message: MessageId::from_bytes([0; 16]),
        link: Some(CASE_LINK.to_owned()),
        phrase: Some("quiet blue heron".to_owned()),
        pseudonyms: &token,
        mail_domain: "vault.example",
        received: Timestamp::from_unix(CASE_ARRIVAL),
    };
    let composition = compose(policy.rules_for(&facts), bytes, &anatomy, &context);
    composition.map(|composition| composition.render(bytes, &anatomy)).unwrap_or_default()
}

/// Stands in for the keyed hash; FNV-1a, so that equal texts have equal tokens.
fn token(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

const CASE_ADDRESSEE: &str = "okafor@kanzlei.example";
const CASE_LINK: &str = "https://vault.example/m/aaaaaaaaaaaaaaaaaaaaaaaaaa";
/// 2026-11-09T09:30:00Z.
const CASE_ARRIVAL: i64 = 1_794_216_600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{parse, shipped};
    use std::path::Path;

    /// With `VEILPOST_BLESS` set, writes the views instead of comparing them.
    #[test]
    fn shipped_policies_give_the_views_beside_them() {
        let bless = std::env::var_os("VEILPOST_BLESS").is_some();
        let mut wrong = Vec::new();
        for (name, text) in shipped() {
            let policy = parse(text, name).unwrap_or_else(|errors| panic!("{errors}"));
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(format!("{name}.cases"));
            for entry in std::fs::read_dir(folder).expect("every policy has cases").flatten() {
                let path = entry.path();
                if path.extension().is_none_or(|extension| extension != "eml") {
                    continue;
                }
                let case = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let view = case_view(&policy, &case, &std::fs::read(&path).expect("readable"));
                let expected = path.with_extension("view");
                if bless {
                    std::fs::write(&expected, &view).expect("writable");
                } else if std::fs::read(&expected).unwrap_or_default() != view {
                    wrong.push(format!("{name}/{case}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

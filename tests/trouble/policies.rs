//! Policies that do not load: refused with the place that is wrong; mail waits, nothing is unmasked.

use std::path::Path;
use std::sync::Arc;

use veilpost::admin::api::{Authority, FailureCode, Request, Secret};
use veilpost::admin::client::{Client, ClientError};
use veilpost::keyring::RootKey;
use veilpost::names::TenantId;
use veilpost::policy;
use veilpost::records::Records;
use veilpost::store::ledger::{Batch, Options, RedbLedger};
use veilpost::tenant::registry;
use veilpost::tenant::rows::PolicyRow;
use veilpost::vault::{Policies, PolicyUnavailable};

use super::clients::{Way, metric};
use super::letters::letter;
use super::world::{SAMPLES, World};

fn load(
    world: &World,
    name: &str,
    text: &str,
    authority: Option<Authority>,
) -> Result<serde_json::Value, ClientError> {
    let (tenant, name, text) = ("demo".to_owned(), name.to_owned(), text.to_owned());
    let mut client = Client::connect(&world.data().join("admin.sock")).expect("the server answers");
    client.call(Request::PolicyLoad { tenant, name, text, authority })
}

#[test]
fn a_policy_that_does_not_parse_is_refused_with_its_place() {
    let world = World::new();
    let mut server = world.serve();
    let cases = [
        ("version = 1\n[headers]\nshow = [\"From\"\n", "line 3"),
        ("version = 1\nno_such_key = true\n", "line 2"),
        ("\u{0}", "line 1"),
        ("", "version"),
    ];
    for (text, place) in cases {
        let Err(ClientError::Failed(failure)) = load(&world, "mine", text, None) else {
            panic!("{text:?} is taken");
        };
        assert_eq!(failure.code, FailureCode::Invalid);
        assert!(failure.message.contains(place), "{text:?}: {}", failure.message);
        assert!(!place.starts_with("line") || failure.message.contains("column"), "{}", failure.message);
    }
    server.is_well();
}

/// As an older version may have taken it, and this one does not.
#[tokio::test]
async fn a_stored_policy_that_no_longer_loads_is_not_replaced_by_the_shipped_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("opens");
    let records = Records::new(Arc::new(ledger), Arc::new(RootKey::generate()));
    let (policies, tenant) = (Policies::default(), TenantId::random());
    assert!(policies.find(&records, tenant, "everything").is_ok(), "shipped");
    put(&records, tenant, "everything", "version = 99\n").await;
    let found = policies.find(&records, tenant, "everything");
    assert!(matches!(found, Err(PolicyUnavailable::Broken(_))));
    assert!(matches!(policies.find(&records, tenant, "no-such"), Err(PolicyUnavailable::Unknown)));
}

#[tokio::test]
async fn mail_for_a_tenant_whose_policy_does_not_load_waits() {
    let world = World::new();
    break_policy(&world.data().join("ledger"), &world.root.join("keys/root.key")).await;
    let mut server = world.serve();
    let masked = server.fetch_all(&world, "laptop");
    for way in [Way::Lmtp, Way::Smtp] {
        let reply = server.sender(way).deliver(&letter(1, 100)).expect("it answers");
        assert!(reply.starts_with("451 4.3."), "{reply}");
    }
    assert_eq!(server.fetch_all(&world, "laptop"), masked, "what was masked before is served as it was");
    assert_eq!(server.fetch_all(&world, "everything").len(), SAMPLES);
    assert_eq!(metric(server.ports().metrics, "veilpost_messages_retrieved_total"), 3.0 * SAMPLES as f64);
    let shipped = policy::shipped().iter().find(|(name, _)| *name == "excerpt").expect("shipped").1;
    // Against a policy that cannot be read any text may reveal more (law 7).
    let refused = load(&world, "excerpt", shipped, None);
    assert!(
        matches!(refused, Err(ClientError::Failed(failure)) if failure.code == FailureCode::UnlockNeeded)
    );
    let recovery = Authority::Recovery(Secret::new(world.facts.recovery_code.clone()));
    load(&world, "excerpt", shipped, Some(recovery)).expect("it loads");
    let reply = server.sender(Way::Lmtp).deliver(&letter(1, 100)).expect("it answers");
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(server.fetch_all(&world, "laptop").len(), SAMPLES + 1);
    server.is_well();
}

/// While the server is stopped, as a restored backup of another version would.
async fn break_policy(ledger: &Path, root: &Path) {
    let ledger = RedbLedger::open(ledger, Options::default()).expect("opens");
    let root = RootKey::load(root, None).expect("it is there");
    let records = Records::new(Arc::new(ledger), Arc::new(root));
    let tenants = registry::tenants(&records).expect("reads");
    put(&records, tenants[0].0, "excerpt", "version = 99\n").await;
}

async fn put(records: &Records, tenant: TenantId, name: &str, text: &str) {
    let mut batch = Batch::new();
    let row = PolicyRow { name: name.to_owned(), text: text.to_owned(), loaded: 0 };
    let key = Policies::default().key(records, name);
    records.tenant(tenant).put(&mut batch, &[tenant.as_bytes(), &key], &row);
    let _committed = records.commit(batch).await.expect("committed");
}

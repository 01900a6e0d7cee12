//! Mail in: what reception hands over is sealed and stored for each addressee, and acknowledged
//! only when container, epoch seeds and ledger row are durable (law 3).
//!
//! The filter (SPF, DKIM, DMARC, spam, viruses) will stand at the head of `deliver_one`.

use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::message::Plaintext;
use crate::names::{Address, MessageId};
use crate::net::metrics::{Protocol as Meter, Refusal};
use crate::reception::{
    Addressee, Directory, DirectoryError, Intake, Outcome, Reason, Received, Resolution, UserRef as Mailbox,
    trace_header,
};
use crate::records::RecordError;
use crate::seal::EnvelopeFacts;
use crate::store::ledger::CommitError;
use crate::tenant::directory;
use crate::tenant::registry::UserRef;
use crate::vault::seal::{Arrival, SealingError, seal};
use crate::vault::{PolicyUnavailable, Vault};
use crate::wire::smtp::Dialect;

/// Where reception's mail goes in.
pub struct Entrance(pub Arc<Vault>);

impl Directory for Entrance {
    async fn resolve(&self, address: &Address) -> Result<Resolution, DirectoryError> {
        match directory::resolve(&self.0.records, address) {
            Ok(Some(row)) => Ok(Resolution::Local(Mailbox { tenant: row.tenant, user: row.user })),
            Ok(None) => {
                self.0.metrics.refused(Refusal::unknown_addressee);
                Ok(Resolution::Unknown)
            }
            Err(error) => {
                tracing::error!(%error, "the directory cannot be read");
                Err(DirectoryError)
            }
        }
    }
}

impl Intake for Entrance {
    async fn deliver(&self, received: Received) -> Vec<Outcome> {
        let began = Instant::now();
        let deliveries =
            received.addressees.iter().map(|addressee| deliver_one(&self.0, &received, addressee));
        let outcomes = join_all(deliveries).await;
        self.0.metrics.delivery_seconds.observe(began.elapsed().as_secs_f64());
        outcomes
    }
}

/// One addressee's delivery. Every error is told apart into "later" and "never" here and nowhere else.
async fn deliver_one(vault: &Arc<Vault>, received: &Received, addressee: &Addressee) -> Outcome {
    let message = MessageId::random();
    match store(vault, received, addressee, message).await {
        Ok(()) => {
            vault.metrics.received(meter(received));
            Outcome::Stored(message)
        }
        Err(error) => {
            tracing::warn!(%message, tenant = %addressee.target.tenant, %error, "a message was not stored");
            vault.metrics.refused(refusal(&error));
            outcome(vault, addressee, &error)
        }
    }
}

async fn store(
    vault: &Arc<Vault>,
    received: &Received,
    addressee: &Addressee,
    message: MessageId,
) -> Result<(), SealingError> {
    let _turn = turn(received.content.expose().len()).await;
    let user = UserRef { tenant: addressee.target.tenant, user: addressee.target.user };
    let trace = trace_header(received, addressee, &vault.settings.hostname, message);
    let arrival = Arrival {
        uploader: None,
        user,
        message,
        content: Plaintext::from([trace.as_slice(), received.content.expose()].concat()),
        received: received.received_at,
        envelope: EnvelopeFacts {
            reverse_path: received
                .reverse_path
                .as_ref()
                .map_or_else(String::new, |path| path.spelled().to_owned()),
            addressee: addressee.mailbox.spelled().to_owned(),
            protocol: received.protocol.keyword().to_owned(),
        },
    };
    let stored = seal(vault, arrival).await?;
    let queued = Instant::now();
    let (_uid, committed) = vault.mailboxes.add(&vault.records, user, stored.row.clone()).await?;
    vault.metrics.commit_seconds.observe(queued.elapsed().as_secs_f64());
    stored.release(committed);
    Ok(())
}

/// A message takes several times its size until it is stored. Small ones are not worth a thought;
/// large ones take turns, so that what all take together stays near reception's budget.
async fn turn(octets: usize) -> Option<SemaphorePermit<'static>> {
    if octets < LARGE {
        return None;
    }
    // Never closed; without a turn it would only be less frugal.
    TURNS.acquire().await.ok()
}

fn outcome(vault: &Vault, addressee: &Addressee, error: &SealingError) -> Outcome {
    match error {
        // Nobody reads this mailbox any more: it was removed between RCPT and here. Somebody else may have
        // taken over the address.
        SealingError::ReaderGone | SealingError::Records(RecordError::Closed) => {
            match directory::resolve(&vault.records, addressee.mailbox.address()) {
                Ok(None) => Outcome::Rejected(Reason::Unknown),
                Ok(Some(row)) if row.user == addressee.target.user => Outcome::Rejected(Reason::Unknown),
                Ok(Some(_)) | Err(_) => Outcome::Deferred,
            }
        }
        _ => Outcome::Deferred,
    }
}

fn refusal(error: &SealingError) -> Refusal {
    match error {
        SealingError::Policy(PolicyUnavailable::Broken(_) | PolicyUnavailable::Unknown) => Refusal::policy,
        SealingError::Records(RecordError::Commit(CommitError::Busy)) => Refusal::busy,
        _ => Refusal::storage,
    }
}

fn meter(received: &Received) -> Meter {
    match received.protocol.dialect {
        Dialect::Lhlo => Meter::lmtp,
        Dialect::Helo | Dialect::Ehlo => Meter::smtp,
    }
}

/// From this size on, in octets, messages take turns.
const LARGE: usize = 512 * 1024;
/// One turn for each core: more would be no faster.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)));

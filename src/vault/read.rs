//! Reads containers for the two doors that open them, the mailroom and the owner: bounded memory,
//! digest checked, damage told and audited.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::Vault;
use crate::audit::{Act, Actor, AuditError, Draft, Origin};
use crate::names::TenantId;
use crate::records::RecordError;
use crate::seal::{Container, OpenError, Stored};
use crate::store::blobs::{BlobError, BlobName, OpenBlob};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;

/// Why a container cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is gone, or not what the ledger says.
    #[error("the container is damaged or gone")]
    Damaged,
    /// The message itself has been deleted since its row was read.
    #[error("the message is gone")]
    Gone,
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(BlobError),
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// Opens the container of a message; see [`container_now`]. What is large stays on the disk: whoever has it
/// whole takes a part of [`Vault::reading`] first.
pub async fn container(
    vault: &Arc<Vault>,
    user: UserRef,
    uid: u32,
    row: &MessageRow,
) -> Result<Container, ReadError> {
    let (reader, row) = (vault.clone(), row.clone());
    let read = tokio::task::spawn_blocking(move || container_now(&reader, user, uid, &row));
    read.await.map_err(|_| ReadError::Stopping)?
}

/// Reads the container of a message and checks that it is the sealing that the ledger means, no older
/// one. Its strata are authenticated as they are opened. Blocks: for threads that may wait, of a runtime.
/// In memory is all of a small one; of a large one table and manifests. The strata are read when they are
/// opened, so that a slow client holds a window of a message, not the message.
///
/// A message that was sealed again since its row was read is read from its new container; one that
/// was deleted is [`ReadError::Gone`]. Only what the ledger still means can be damaged.
pub fn container_now(
    vault: &Vault,
    user: UserRef,
    uid: u32,
    row: &MessageRow,
) -> Result<Container, ReadError> {
    let mut row = row.clone();
    loop {
        match fetch(vault, &row) {
            Err(ReadError::Damaged) => {}
            found => return found,
        }
        let scope = vault.records.tenant(user.tenant);
        let now: Option<MessageRow> = scope.get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
        match now.filter(|now| now.message == row.message) {
            None => return Err(ReadError::Gone),
            Some(now) if now.container == row.container => {
                Handle::current().block_on(tell_damage(vault, user.tenant, &row))?;
                return Err(ReadError::Damaged);
            }
            Some(now) => row = now,
        }
    }
}

/// The table of a message's container; none if it cannot be read, or is not the one meant. Blocks.
pub(super) fn table_of(vault: &Vault, row: &MessageRow) -> Option<Container> {
    fetch(vault, row).ok()
}

/// Tells everybody who must know that a stored message does not open: log, metrics, audit.
pub async fn tell_damage(vault: &Vault, tenant: TenantId, row: &MessageRow) -> Result<(), ReadError> {
    tracing::error!(message = %row.message, container = %row.container, "a stored message is damaged");
    vault.metrics.damaged.inc();
    let act = Act::MessageDamaged { message: row.message };
    let _recorded = vault.audit.record(tenant, Draft::new(Actor::Server, Origin::Internal, act)).await?;
    Ok(())
}

fn fetch(vault: &Vault, row: &MessageRow) -> Result<Container, ReadError> {
    let name = BlobName::of_container(row.container);
    let blob = match vault.blobs.open_blob(&name) {
        Err(BlobError::NotFound) => return Err(ReadError::Damaged),
        opened => opened.map_err(ReadError::Blobs)?,
    };
    let container = match row.sealed <= SMALL {
        true => Container::decode(blob.read(0..row.sealed).map_err(shortened)?).map_err(OpenError::Unseal),
        false => Container::open(Arc::new(Apart(blob)), row.sealed),
    };
    let container = container.map_err(|error| match error {
        OpenError::Unseal(_) => ReadError::Damaged,
        OpenError::Io(error) => shortened(error),
    })?;
    let is_ours = container.message() == row.message && container.digest() == row.digest;
    if is_ours { Ok(container) } else { Err(ReadError::Damaged) }
}

/// A blob that ends early is damaged; any other failure is the disk's.
fn shortened(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Damaged,
        _ => ReadError::Blobs(error.into()),
    }
}

/// A container that stays where it is stored.
struct Apart(OpenBlob);

impl Stored for Apart {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.0.read(range)
    }
}

/// Up to this size, in octets, a container is read whole: one read is quicker than two.
const SMALL: u64 = 256 * 1024;

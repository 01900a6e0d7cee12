//! Reads containers for the two doors that open them, the mailroom and the owner: bounded memory,
//! digest checked, damage told and audited.

use tokio::sync::SemaphorePermit;

use super::Vault;
use crate::audit::{Act, Actor, AuditError, Draft, Origin};
use crate::names::TenantId;
use crate::records::RecordError;
use crate::seal::Container;
use crate::store::blobs::{BlobError, BlobName};
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

/// A container in memory, within the budget of all readers.
pub struct Read<'a> {
    /// The container, its table checked.
    pub container: Container,
    _budget: SemaphorePermit<'a>,
}

/// Reads the container of a message and checks that it is the sealing that the ledger means, no older
/// one. Its strata are authenticated as they are opened.
///
/// A message that was sealed again since its row was read is read from its new container; one that
/// was deleted is [`ReadError::Gone`]. Only what the ledger still means can be damaged.
pub async fn container<'a>(
    vault: &'a Vault,
    user: UserRef,
    uid: u32,
    row: &MessageRow,
) -> Result<Read<'a>, ReadError> {
    let units = u32::try_from(row.sealed / UNIT + 1).unwrap_or(u32::MAX).min(BUDGET);
    let budget = vault.reading.acquire_many(units).await.map_err(|_| ReadError::Stopping)?;
    let mut row = row.clone();
    loop {
        match fetch(vault, &row).await {
            Err(ReadError::Damaged) => {}
            found => return Ok(Read { container: found?, _budget: budget }),
        }
        let scope = vault.records.tenant(user.tenant);
        let now: Option<MessageRow> = scope.get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
        match now.filter(|now| now.message == row.message) {
            None => return Err(ReadError::Gone),
            Some(now) if now.container == row.container => {
                tell_damage(vault, user.tenant, &row).await?;
                return Err(ReadError::Damaged);
            }
            Some(now) => row = now,
        }
    }
}

/// Tells everybody who must know that a stored message does not open: log, metrics, audit.
pub async fn tell_damage(vault: &Vault, tenant: TenantId, row: &MessageRow) -> Result<(), ReadError> {
    tracing::error!(message = %row.message, container = %row.container, "a stored message is damaged");
    vault.metrics.damaged.inc();
    let act = Act::MessageDamaged { message: row.message };
    let _recorded = vault.audit.record(tenant, Draft::new(Actor::Server, Origin::Internal, act)).await?;
    Ok(())
}

async fn fetch(vault: &Vault, row: &MessageRow) -> Result<Container, ReadError> {
    let name = BlobName::of_container(row.container);
    let bytes = match vault.blobs.get_range(&name, 0..row.sealed).await {
        Err(BlobError::NotFound | BlobError::Short) => return Err(ReadError::Damaged),
        Err(error) => return Err(ReadError::Blobs(error)),
        Ok(bytes) => bytes,
    };
    let container = Container::decode(bytes).map_err(|_| ReadError::Damaged)?;
    let is_ours = container.message() == row.message && container.digest() == row.digest;
    if is_ours { Ok(container) } else { Err(ReadError::Damaged) }
}

/// The unit of the budget, in octets.
const UNIT: u64 = 16 * 1024;
/// What all containers in memory may take together, in units: 256 MiB.
pub const BUDGET: u32 = 16 * 1024;

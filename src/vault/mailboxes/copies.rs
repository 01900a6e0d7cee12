//! Copies of containers: a name of its own for the same octets, held until a row refers to it.

use super::BoxError;
use crate::names::ContainerName;
use crate::store::blobs::{BlobError, BlobName};
use crate::store::sweep::Hold;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;

/// A container that was copied.
pub(super) struct Copied {
    pub(super) number: u32,
    /// The row that it is to have, but for its number and mod-sequence.
    pub(super) row: MessageRow,
    /// Until the row is committed.
    _hold: Hold,
}

/// Copies the container of a message; none if the message is gone.
pub(super) async fn copy_container(
    vault: &Vault,
    user: UserRef,
    number: u32,
) -> Result<Option<Copied>, BoxError> {
    let scope = vault.records.tenant(user.tenant);
    let mut last = None;
    loop {
        let row: Option<MessageRow> = scope.get(&[user.user.as_bytes(), &number.to_be_bytes()])?;
        let Some(row) = row else { return Ok(None) };
        let name = ContainerName::random();
        let hold = vault.in_flight.hold(BlobName::of_container(name));
        let from = BlobName::of_container(row.container);
        match vault.blobs.copy(&from, &BlobName::of_container(name), row.sealed).await {
            Ok(()) => {
                let row = MessageRow { container: name, ..row };
                return Ok(Some(Copied { number, row, _hold: hold }));
            }
            // Sealed again meanwhile: there is a newer one. But one that is missing is missing.
            Err(BlobError::NotFound) if last != Some(row.container) => last = Some(row.container),
            Err(error) => return Err(error.into()),
        }
    }
}

//! Copies of containers: a name of its own for the same octets, held until a row refers to it.

use std::collections::HashMap;

use super::door::Turn;
use super::pages::read_rows;
use super::{BoxError, aside};
use crate::names::ContainerName;
use crate::store::blobs::{BlobError, BlobName};
use crate::store::sweep::Hold;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;

/// A container that was copied.
pub(super) struct Copied {
    pub(super) number: u32,
    /// The container that it is a copy of.
    pub(super) source: ContainerName,
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
                let source = row.container;
                let row = MessageRow { container: name, ..row };
                return Ok(Some(Copied { number, source, row, _hold: hold }));
            }
            // Sealed again meanwhile: there is a newer one. But one that is missing is missing.
            Err(BlobError::NotFound) if last != Some(row.container) => last = Some(row.container),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Turn {
    /// The same copies, made anew where the message was sealed again after its container was copied: nothing
    /// holds the epochs of a container that no row has, so their seeds may be gone. From here until the turn
    /// ends no row gets another container, and those that are there keep their seeds. Messages that are gone
    /// are left out.
    pub(super) async fn renewed(&self, vault: &Vault, copies: Vec<Copied>) -> Result<Vec<Copied>, BoxError> {
        let (records, user) = (self.records.clone(), self.user());
        let numbers: Vec<u32> = copies.iter().map(|copied| copied.number).collect();
        let rows = aside(move || read_rows(&records, user, &numbers)).await?;
        let rows: HashMap<u32, MessageRow> = rows.into_iter().collect();
        let mut renewed = Vec::with_capacity(copies.len());
        for copied in copies {
            match rows.get(&copied.number) {
                Some(row) if row.container == copied.source => {
                    let row = MessageRow { container: copied.row.container, ..row.clone() };
                    renewed.push(Copied { row, ..copied });
                }
                row => {
                    vault.blobs.delete(&BlobName::of_container(copied.row.container)).await?;
                    if row.is_some() {
                        renewed.extend(copy_container(vault, user, copied.number).await?);
                    }
                }
            }
        }
        Ok(renewed)
    }
}

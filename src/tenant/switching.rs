//! Addresses that are switched off: they stay somebody's, and their mail is refused until they are on again.

use super::directory::{self, Destination};
use super::rows::{AddressRow, Off};
use crate::records::{RecordError, Records};
use crate::store::ledger::Batch;

/// Adds to `batch`: mail to `destination` is refused, or taken again. Nothing where nobody has the address;
/// else the row as it was. The commit conflicts when the address changed meanwhile.
pub fn switch(
    records: &Records,
    batch: &mut Batch,
    destination: &Destination,
    off: Option<Off>,
) -> Result<Option<AddressRow>, RecordError> {
    let Some((key, read)) = directory::versioned(records, destination)? else { return Ok(None) };
    let row = AddressRow { off, ..read.row.clone() };
    records.system().replace(batch, &[&key], read.sealed, &row);
    Ok(Some(read.row))
}

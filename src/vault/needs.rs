//! What stored messages need: their containers, and the epochs whose seeds open them. Read from the rows of
//! all mailboxes in one snapshot, so that a message that moves between two of them is in it.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Vault;
use super::read;
use super::sweep::SweepError;
use crate::names::{ContainerName, EpochId, Reader, UserId};
use crate::records::{RecordError, Records, row_key};
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{MessageRow, RecipientRow};

/// What the rows of all messages refer to.
#[derive(Default)]
pub(super) struct Needs {
    /// 16 octets for each stored message.
    pub(super) containers: HashSet<ContainerName>,
    /// The epochs of readers that exist, by the readers' identifiers.
    pub(super) epochs: HashSet<([u8; 16], EpochId)>,
    readers: HashSet<Reader>,
    /// Rows from before rows said which epochs they need.
    pub(super) silent: Vec<(UserRef, u32)>,
}

/// Reads all rows. Fails on one that does not open, and on mail of a user who was made just now: nothing is
/// removed on doubt. Blocks.
pub(super) fn survey(records: &Records) -> Result<Needs, SweepError> {
    let (mut users, mut scopes) = (HashMap::new(), HashMap::new());
    for (tenant, _) in registry::tenants(records)? {
        for (user, _) in registry::users(records, tenant)? {
            users.insert(*user.user.as_bytes(), user);
            scopes.insert(*user.user.as_bytes(), records.tenant(tenant));
        }
    }
    let (mut needs, mut failed) = (Needs::default(), None);
    records.survey::<MessageRow>(&scopes, |owner, number, row| {
        let noted = match (users.get(&owner), row) {
            (Some(user), Some(row)) => {
                row.map(|row| note(&mut needs, *user, number, &row)).map_err(SweepError::from)
            }
            _ => Err(SweepError::Unsure(UserId::from_bytes(owner))),
        };
        failed = noted.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    keep_existing(records, &mut needs)?;
    Ok(needs)
}

fn note(needs: &mut Needs, user: UserRef, number: &[u8], row: &MessageRow) {
    needs.containers.insert(row.container);
    match (row.needs(user.tenant), number.try_into().map(u32::from_be_bytes)) {
        (Some(epochs), _) => epochs.into_iter().for_each(|(reader, epoch)| {
            needs.readers.insert(reader);
            needs.epochs.insert((reader.id(), epoch));
        }),
        (None, Ok(number)) => needs.silent.push((user, number)),
        (None, Err(_)) => {}
    }
}

/// Nobody opens what was sealed to a reader that was removed. Asked after the rows were read: whoever is in them
/// and is gone now has been removed.
fn keep_existing(records: &Records, needs: &mut Needs) -> Result<(), SweepError> {
    let mut gone = HashSet::new();
    for reader in &needs.readers {
        let key = row_key::<RecipientRow>(&[&reader.to_bytes()]);
        if records.ledger().get(&key).map_err(RecordError::from)?.is_none() {
            gone.insert(reader.id());
        }
    }
    needs.epochs.retain(|(reader, _)| !gone.contains(reader));
    Ok(())
}

/// Has silent rows say which epochs they need, as their containers' tables do. How many still do not: their
/// containers cannot be read. Blocks; nobody changes messages of a user meanwhile.
pub(super) async fn make_speak(vault: &Arc<Vault>, silent: Vec<(UserRef, u32)>) -> Result<usize, SweepError> {
    let mut still = 0;
    let mut rest = &silent[..];
    while let Some((user, _)) = rest.first() {
        let same = rest.iter().take_while(|(other, _)| other == user).count().min(AT_ONCE);
        let (now, later) = rest.split_at(same);
        let _turn = vault.mailboxes.quiet(*user).await;
        let (reader, some) = (vault.clone(), now.to_vec());
        let learned = tokio::task::spawn_blocking(move || learned(&reader, &some));
        let (batch, dumb) = learned.await.map_err(|_| SweepError::Stopping)??;
        if !batch.is_empty() {
            let _committed = vault.records.commit(batch).await.map_err(RecordError::from)?;
        }
        (still, rest) = (still + dumb, later);
    }
    Ok(still)
}

fn learned(vault: &Vault, silent: &[(UserRef, u32)]) -> Result<(Batch, usize), SweepError> {
    let (mut batch, mut dumb) = (Batch::new(), 0);
    for (user, number) in silent {
        let scope = vault.records.tenant(user.tenant);
        let parts: [&[u8]; 2] = [user.user.as_bytes(), &number.to_be_bytes()];
        let Some(read) = scope.get_versioned::<MessageRow>(&parts)? else { continue };
        match epochs_of(vault, *user, &read.row) {
            Some(epochs) => {
                let row = MessageRow { epochs: Some(epochs), ..read.row };
                scope.replace(&mut batch, &parts, read.sealed, &row);
            }
            None => dumb += 1,
        }
    }
    Ok((batch, dumb))
}

/// As the container's table has them: the owner's, then one for each view of the row.
fn epochs_of(vault: &Vault, user: UserRef, row: &MessageRow) -> Option<Vec<u8>> {
    let container = read::table_of(vault, row)?;
    let views = row.views.iter().map(|entry| Reader::View(entry.view));
    let mut epochs = Vec::new();
    for reader in [Reader::Owner(user.tenant)].into_iter().chain(views) {
        epochs.extend(container.manifest_of(reader)?.epoch.as_bytes());
    }
    Some(epochs)
}

/// Rows of one user in one batch.
const AT_ONCE: usize = 256;

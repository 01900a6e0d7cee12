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
use crate::tenant::rows::{MessageRow, RecipientRow, UserRow};

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
/// removed on doubt. Mail that is nobody's needs nothing. Blocks.
pub(super) fn survey(records: &Records) -> Result<Needs, SweepError> {
    let (mut users, mut scopes) = (HashMap::new(), HashMap::new());
    for (tenant, _) in registry::tenants(records)? {
        for (user, _) in registry::users(records, tenant)? {
            users.insert(*user.user.as_bytes(), user);
            scopes.insert(*user.user.as_bytes(), records.tenant(tenant));
        }
    }
    let (mut needs, mut unknown, mut failed) = (Needs::default(), HashSet::new(), None);
    records.survey::<MessageRow>(&scopes, |owner, number, row| {
        match (users.get(&owner), row) {
            (Some(user), Some(row)) => {
                failed = row.map(|row| note(&mut needs, *user, number, &row)).err();
            }
            _ => drop(unknown.insert(owner)),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    require_nobodys(records, unknown)?;
    keep_existing(records, &mut needs)?;
    Ok(needs)
}

/// Fails if one of these owners of mail is a user now, and says so of those that are none.
///
/// Mail of theirs needs nothing. A user's row is there before any row of their mail, and goes in one batch with
/// all of them, in a removal and nowhere else. So whoever was no user before the mail was read, and is none
/// afterwards, either was removed meanwhile, or never comes back: identifiers are random. What is left of such
/// a mailbox are rows that earlier versions let arrive behind a removal; no key opens what they refer to.
/// All rows of users count, also those of a tenant whose own row is not there.
fn require_nobodys(records: &Records, unknown: HashSet<[u8; 16]>) -> Result<(), SweepError> {
    if unknown.is_empty() {
        return Ok(());
    }
    let (table, mut somebody) = (row_key::<UserRow>(&[]), None);
    let rows = records.ledger().visit(&table, &[], &mut |key, _| {
        let user = key.last_chunk::<16>().filter(|user| unknown.contains(*user));
        somebody = user.copied().map(UserId::from_bytes);
        if somebody.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    rows.map_err(RecordError::from)?;
    if let Some(user) = somebody {
        return Err(SweepError::Unsure(user));
    }
    tracing::warn!(mailboxes = unknown.len(), "mail of users who are gone needs nothing");
    Ok(())
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

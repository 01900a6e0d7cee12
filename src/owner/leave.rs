//! Removing a user: shut out at once and for good, then their mail goes to another user of the tenant, or is
//! destroyed. A removal that was interrupted is finished by calling it again.
//!
//! To hand mail over takes the owner key: each message is opened as its owner and sealed anew for the views of
//! the one who gets it (law 7), through the same door as mail that arrives (law 5). To destroy mail takes none.

use std::collections::HashSet;
use std::sync::Arc;

use super::account::same_tenant;
use super::checked::{About, Caller, Checked, act, would};
use super::mail::OwnerReader;
use super::reseal::{arrival, sealing};
use super::sessions::Sessions;
use super::unlock::record_ends;
use super::{By, OwnerError, OwnerKey, Unlocked, addresses, remove};
use crate::audit::{Act, Draft, LockCause, Recorded};
use crate::keyring::Identity;
use crate::mailbox::{FlagChange, FlagEdit, Flags, FolderId, folder_name};
use crate::names::{MessageId, Reader};
use crate::tenant::directory;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{Heir, Leaving, MessageRow, Role, UserRow};
use crate::vault::mailboxes::{self, BoxError};
use crate::vault::seal::seal;
use crate::vault::{Vault, pages};

/// What a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Messages that another user has now.
    pub handed_over: u64,
    /// Messages that are gone because they do not open.
    pub damaged: u64,
    /// Messages that are gone because that was asked.
    pub destroyed: u64,
}

/// Removes a user with all their mail. Needs no unlock unless mail to their addresses falls to somebody else
/// from then on, and a person asks.
pub async fn destroy(
    vault: &Arc<Vault>,
    sessions: &Sessions,
    (unlocked, by): (Option<&Unlocked>, By),
    user: UserRef,
    progress: impl FnMut(u64, u64),
) -> Result<Left, OwnerError> {
    shut_out(vault, sessions, Caller { by, unlocked }, user, Leaving { heir: None }).await?;
    let destroyed = remove::mail(vault, user, progress).await?;
    remove::user(vault, user).await?;
    Ok(Left { destroyed, ..Left::default() })
}

/// Removes a user of the unlocked tenant, whose mail goes into a folder of another user. If the unlock ends
/// meanwhile, what is left waits until the removal is asked for again.
pub async fn hand_over(
    vault: &Arc<Vault>,
    sessions: &Sessions,
    (unlocked, by): (&Unlocked, By),
    (user, heir): (UserRef, UserRef),
    progress: impl FnMut(u64, u64),
) -> Result<Left, OwnerError> {
    same_tenant(unlocked, user)?;
    same_tenant(unlocked, heir)?;
    let caller = Caller { by, unlocked: Some(unlocked) };
    // The heir gets no folder for a removal that is refused.
    let row =
        would(vault, About::Tenant(user.tenant), caller, |checked| check(vault, checked, user, Some(heir)))?;
    let folder = folder(vault, heir, &row).await?;
    let to = Heir { user: heir.user, folder: folder.0 };
    shut_out(vault, sessions, caller, user, Leaving { heir: Some(to) }).await?;
    let left = move_mail(vault, unlocked, (user, heir), folder, progress).await?;
    remove::user(vault, user).await?;
    Ok(left)
}

/// Whether somebody may remove the user now, before anything is begun: the removal itself checks again.
pub fn may(vault: &Vault, user: UserRef, heir: Option<UserRef>, by: By) -> Result<(), OwnerError> {
    would(vault, About::Tenant(user.tenant), by.into(), |checked| check(vault, checked, user, heir))
        .map(|_row| ())
}

/// Whether removing the user with their mail shows somebody else mail that comes later, so that a person who
/// asks for it needs an unlock.
pub fn shows_more(vault: &Vault, user: UserRef) -> Result<bool, OwnerError> {
    addresses::fall_to_others(vault, user)
}

/// Who may remove whom: whoever looks after the tenant removes its people, but for operators, whom operators
/// remove, and nobody removes themselves. Somebody has to be left who can look after the tenant, and the one
/// who gets the mail stays. All that is looked at becomes a condition, so that two removals at once do not do
/// together what neither may.
fn check(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    user: UserRef,
    heir: Option<UserRef>,
) -> Result<UserRow, OwnerError> {
    checked.administers()?;
    let row = checked.user(user)?;
    if row.role() == Role::Operator && !checked.operates() {
        return Err(OwnerError::Forbidden("whoever runs the server removes operators"));
    }
    if checked.person() == Some(user) {
        return Err(OwnerError::Forbidden("somebody else has to remove you"));
    }
    if row.leaving.is_none() {
        let stays = remaining(vault, user, row.role())?;
        checked.user(stays)?;
    }
    if let Some(heir) = heir
        && (heir == user || checked.user(heir)?.leaving.is_some())
    {
        return Err(refused("mail can be handed to somebody who stays"));
    }
    Ok(row)
}

/// Somebody who is left: an administrator, if the one who leaves is one.
fn remaining(vault: &Vault, user: UserRef, role: Role) -> Result<UserRef, OwnerError> {
    let least = if role >= Role::Administrator { Role::Administrator } else { Role::Member };
    let users = registry::users(&vault.records, user.tenant)?;
    let others: Vec<_> = users.iter().filter(|(other, _)| *other != user).collect();
    if others.is_empty() {
        return Err(refused("they are the tenant's only user: `veilpost tenant remove` removes it whole"));
    }
    let stays = others.into_iter().find(|(_, row)| stays(row) && row.role() >= least);
    stays
        .map(|(user, _)| *user)
        .ok_or_else(|| refused("they are the last administrator of the tenant; make somebody else one first"))
}

fn stays(row: &UserRow) -> bool {
    !row.disabled && row.leaving.is_none()
}

fn refused(why: &str) -> OwnerError {
    OwnerError::Invalid { what: "removal", why: why.to_owned() }
}

/// One act: keyslots, credentials and public halves go, addresses go or point to the heir, the user is
/// marked. Then nothing more arrives for them, and their sessions end.
async fn shut_out(
    vault: &Arc<Vault>,
    sessions: &Sessions,
    caller: Caller<'_>,
    user: UserRef,
    leaving: Leaving,
) -> Result<(), OwnerError> {
    let heir = leaving.heir.map(|heir| UserRef { tenant: user.tenant, user: heir.user });
    let done = act(vault, About::Tenant(user.tenant), caller, |checked| {
        check(vault, checked, user, heir)?;
        if heir.is_none() && checked.asker().is_some() && addresses::fall_to_others(vault, user)? {
            checked.attended()?;
        }
        remove::shred_user(vault, checked.batch(), user, Some(leaving))?;
        let who = (user.tenant, user.user);
        directory::leave(&vault.records, checked.batch(), who, heir.map(|heir| heir.user))?;
        Ok((vec![Act::UserRemoved { user: user.user }], ()))
    });
    done.await?;
    for (view, _) in registry::views(&vault.records, user)? {
        vault.epochs.end(Reader::View(view));
    }
    vault.mailboxes.close(user);
    record_ends(vault, sessions.close_all_of(user), LockCause::CredentialChanged).await
}

/// The heir's folder for the mail: named after the one who leaves, the same one when it is called again.
async fn folder(vault: &Vault, heir: UserRef, leaver: &UserRow) -> Result<FolderId, OwnerError> {
    if let Some(Leaving { heir: Some(known) }) =
        leaver.leaving.filter(|row| row.heir.is_some_and(|known| known.user == heir.user))
    {
        return Ok(FolderId(known.folder));
    }
    let path = folder_name(&format!("From {}", leaver.login)).unwrap_or_else(|_| NAMELESS.to_owned());
    match mailboxes::create_folder(vault, heir, &path).await {
        Err(BoxError::Exists) => {}
        made => {
            let made = made?;
            mailboxes::subscribe(vault, heir, &path, true).await?;
            return Ok(made);
        }
    }
    let folders = mailboxes::folders(vault, heir).await?;
    let known = folders.into_iter().find(|folder| folder.path == path);
    known.map(|folder| folder.id).ok_or(OwnerError::NotFound("folder"))
}

/// Seals each message for the heir, then takes it from the one who leaves. After the first round nothing new
/// arrives; what was on its way is found by the next.
async fn move_mail(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    (user, heir): (UserRef, UserRef),
    folder: FolderId,
    mut progress: impl FnMut(u64, u64),
) -> Result<Left, OwnerError> {
    let leaver = Unlocked {
        user,
        key: OwnerKey(Identity::parse(&unlocked.key.0.reveal())?),
        session: None,
        origin: unlocked.origin,
        codes: std::sync::Weak::new(),
    };
    let mut reader = OwnerReader::new(vault, &leaver)?;
    let mut has = messages_of(vault, heir)?;
    let mut left = Left::default();
    loop {
        let rows = reader.rows()?;
        if rows.is_empty() {
            return Ok(left);
        }
        let total = rows.len() as u64;
        let act = Act::MailHandedOver { user: user.user, heir: heir.user, messages: total };
        let by = unlocked.by();
        let recorded = vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, act)).await?;
        for (number, row) in rows {
            // Nothing is opened beyond the unlock that allowed it.
            if !unlocked.is_live() {
                return Err(OwnerError::SessionEnded);
            }
            // What the heir has already, an interrupted removal brought.
            if !has.contains(&row.message) {
                match pass_on(vault, &mut reader, (number, &row), (heir, folder), &recorded).await {
                    Ok(()) => left.handed_over += 1,
                    Err(OwnerError::Damaged(_)) => left.damaged += 1,
                    Err(error) => return Err(error),
                }
                has.insert(row.message);
            }
            mailboxes::give_up(vault, user, &[number]).await?;
            progress(left.handed_over + left.damaged, total);
        }
    }
}

fn messages_of(vault: &Vault, user: UserRef) -> Result<HashSet<MessageId>, OwnerError> {
    let rows: Vec<(Vec<u8>, MessageRow)> = vault.records.tenant(user.tenant).list(&[user.user.as_bytes()])?;
    Ok(rows.into_iter().map(|(_, row)| row.message).collect())
}

/// One message into the heir's folder, with the system flags it had.
async fn pass_on(
    vault: &Arc<Vault>,
    reader: &mut OwnerReader<'_>,
    (number, row): (u32, &MessageRow),
    (heir, folder): (UserRef, FolderId),
    recorded: &Recorded,
) -> Result<(), OwnerError> {
    let arrival = arrival(reader, heir, number, row, recorded).await?;
    let stored = seal(vault, arrival).await.map_err(sealing)?;
    let standing = pages::standings(vault, reader.user(), &[number]).await?.pop().flatten();
    let system = standing.map_or(Flags::none(), |standing| Flags::from_bits(standing.flags.bits()));
    let flags = FlagChange { edit: FlagEdit::Replace, system, keywords: Vec::new() };
    mailboxes::place(vault, heir, stored, folder, &flags).await?;
    Ok(())
}

/// The folder for the mail of somebody whose login no folder can be named after.
const NAMELESS: &str = "From a removed user";

//! Check and commit as one. An act is a closure that looks at rows through a [`Checked`] and says what
//! changes; every row it looked at becomes a condition of the batch, and there is no other way to a batch.
//! So what was true when it was checked is true when it is committed, however long the audit log took in
//! between; where it is not, the act is checked again.
//!
//! Lists (the views under a policy, the addresses of a domain, who else administers) have no row of their
//! own: [`StandingRow`] stands for all of a tenant, and one more for all tenants. Each act moves it on.

use std::collections::BTreeMap;

use super::{By, OwnerError, Unlocked};
use crate::audit::{Act, Actor, Draft, PolicyName, Recorded};
use crate::names::{TenantId, ViewId};
use crate::policy::Policy;
use crate::records::{Scope, row_key};
use crate::store::ledger::{Batch, CommitError, Expectation};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{PolicyRow, Role, Row, StandingRow, TenantRow, UserRow, ViewRow};
use crate::vault::turns::Turn;
use crate::vault::{PolicyUnavailable, Vault};

/// Who asks for an act, and the unlock that they brought, if any.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub by: By,
    pub unlocked: Option<&'a Unlocked>,
}

impl<'a> Caller<'a> {
    /// Somebody who acts in their own unlock session.
    pub fn unlocked(unlocked: &'a Unlocked) -> Self {
        Self { by: unlocked.by(), unlocked: Some(unlocked) }
    }

    /// As the audit log has them.
    fn recorded(&self) -> By {
        self.unlocked.map_or(self.by, Unlocked::by)
    }
}

impl From<By> for Caller<'_> {
    fn from(by: By) -> Self {
        Self { by, unlocked: None }
    }
}

/// What an act is about.
#[derive(Clone, Copy)]
pub(super) enum About {
    /// One tenant.
    Tenant(TenantId),
    /// One tenant, and what others have: addresses and domains.
    Beyond(TenantId),
    /// A tenant that is being made.
    Founding(TenantId),
}

impl About {
    fn tenant(self) -> TenantId {
        let (Self::Tenant(tenant) | Self::Beyond(tenant) | Self::Founding(tenant)) = self;
        tenant
    }

    fn looks_beyond(self) -> bool {
        !matches!(self, Self::Tenant(_))
    }
}

/// What an act was, once it is durable.
pub(super) struct Done<T> {
    /// What the check yielded.
    pub value: T,
    /// The entries of the act, the last one last.
    pub recorded: Vec<Recorded>,
}

/// Checks an act, records it durably, and commits it under the condition that nothing of what was checked
/// has changed. `check` is asked again if something has; it refuses by its error, and yields what is
/// recorded.
pub(super) async fn act<'a, T>(
    vault: &Vault,
    about: About,
    caller: Caller<'a>,
    check: impl FnMut(&mut Checked<'a, '_>) -> Result<(Vec<Act>, T), OwnerError>,
) -> Result<Done<T>, OwnerError> {
    act_and_hold(vault, about, caller, check).await.map(|(done, _turn)| done)
}

/// The same, and nobody else acts on the tenant until the turn is dropped: for what has to follow at once.
/// Whoever holds it must not act again.
pub(super) async fn act_and_hold<'a, T>(
    vault: &Vault,
    about: About,
    caller: Caller<'a>,
    mut check: impl FnMut(&mut Checked<'a, '_>) -> Result<(Vec<Act>, T), OwnerError>,
) -> Result<(Done<T>, Turn), OwnerError> {
    let turn = vault.turns.take(about.tenant(), about.looks_beyond()).await;
    let (mut recorded, mut told) = (Vec::new(), (Vec::new(), None));
    let mut untrue = Vec::new();
    let done = async {
        for _ in 0..MAX_ATTEMPTS {
            let mut checked = Checked::begin(vault, about, caller)?;
            let (acts, value) = check(&mut checked)?;
            let said = (acts, checked.policy.take());
            if said != told {
                // What was said before is not what is done now.
                untrue.append(&mut recorded);
                recorded = record(vault, about.tenant(), caller.recorded(), &said).await?;
                told = said;
            }
            // Whoever locked while the entry was being written has taken the permission back.
            checked.still_open()?;
            match vault.records.commit(checked.into_batch()).await {
                Ok(_committed) => return Ok(value),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(OwnerError::from(CommitError::Conflict))
    };
    let done = done.await;
    if done.is_err() {
        untrue.append(&mut recorded);
    }
    let came_to_nothing = untrue.iter().map(|entry: &Recorded| Act::Failed { of: entry.sequence() });
    let said = (came_to_nothing.collect(), None);
    if let Err(unwritten) = record(vault, about.tenant(), caller.recorded(), &said).await {
        // Why it came to nothing is told to whoever asked: such a sentence may name people.
        tracing::error!(%unwritten, "an act came to nothing, and the audit log does not say so");
    }
    Ok((Done { value: done?, recorded }, turn))
}

/// Asks the check of an act and commits nothing: whether it would be refused now. For what has to be made or
/// asked before the act itself, which checks again.
pub(super) fn would<'a, T>(
    vault: &Vault,
    about: About,
    caller: Caller<'a>,
    check: impl FnOnce(&mut Checked<'a, '_>) -> Result<T, OwnerError>,
) -> Result<T, OwnerError> {
    check(&mut Checked::begin(vault, about, caller)?)
}

/// The first of the acts is the one under the policy, if there is any.
async fn record(
    vault: &Vault,
    tenant: TenantId,
    by: By,
    (acts, policy): &(Vec<Act>, Option<PolicyName>),
) -> Result<Vec<Recorded>, OwnerError> {
    let draft = |act: &Act| Draft::new(by.actor, by.origin, act.clone());
    let mut drafts: Vec<Draft> = acts.iter().map(draft).collect();
    if let Some(first) = drafts.first_mut() {
        first.policy.clone_from(policy);
    }
    Ok(vault.audit.record_batch(tenant, drafts).await?)
}

/// What an act has looked at, and what it changes.
pub(super) struct Checked<'a, 'v> {
    vault: &'v Vault,
    about: About,
    caller: Caller<'a>,
    /// The person who asks; none for the administration socket and the server itself.
    asker: Option<(UserRef, UserRow)>,
    seen: BTreeMap<Vec<u8>, Expectation>,
    batch: Batch,
    /// Under which policy the act is.
    policy: Option<PolicyName>,
}

impl<'a, 'v> Checked<'a, 'v> {
    fn begin(vault: &'v Vault, about: About, caller: Caller<'a>) -> Result<Self, OwnerError> {
        let (seen, batch) = (BTreeMap::new(), Batch::new());
        let mut checked = Self { vault, about, caller, asker: None, seen, batch, policy: None };
        if about.looks_beyond() {
            checked.move_on(vault.records.system(), &EVERYBODY)?;
        }
        let tenant = about.tenant();
        let scope = vault.records.tenant(tenant);
        checked.move_on(&scope, tenant.as_bytes())?;
        if !matches!(about, About::Founding(_)) {
            let row = checked.tenant()?;
            if row.removing {
                return Err(OwnerError::NotFound("tenant"));
            }
        }
        checked.meet()?;
        checked.still_open()?;
        Ok(checked)
    }

    /// Reads a row; that it is still the same becomes a condition.
    pub fn get<R: Row>(&mut self, scope: &Scope, parts: &[&[u8]]) -> Result<Option<R>, OwnerError> {
        let read = scope.get_versioned::<R>(parts)?;
        let (row, expected) = match read {
            Some(read) => (Some(read.row), Expectation::Equals(read.sealed)),
            None => (None, Expectation::Absent),
        };
        // Of two readings of one row the first counts: if they differ, the commit conflicts.
        self.seen.entry(row_key::<R>(parts)).or_insert(expected);
        Ok(row)
    }

    /// The rows that the act changes.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// The tenant that the act is about.
    pub fn tenant(&mut self) -> Result<TenantRow, OwnerError> {
        let tenant = self.about.tenant();
        let row = self.get(self.vault.records.system(), &[tenant.as_bytes()])?;
        row.ok_or(OwnerError::NotFound("tenant"))
    }

    /// A user.
    pub fn user(&mut self, user: UserRef) -> Result<UserRow, OwnerError> {
        let scope = self.vault.records.tenant(user.tenant);
        self.get(&scope, &[user.tenant.as_bytes(), user.user.as_bytes()])?.ok_or(OwnerError::NotFound("user"))
    }

    /// Writes a user's row anew.
    pub fn put_user(&mut self, user: UserRef, row: &UserRow) {
        let parts: [&[u8]; 2] = [user.tenant.as_bytes(), user.user.as_bytes()];
        self.vault.records.tenant(user.tenant).put(&mut self.batch, &parts, row);
    }

    /// A view of a user.
    pub fn view(&mut self, user: UserRef, view: ViewId) -> Result<ViewRow, OwnerError> {
        let scope = self.vault.records.tenant(user.tenant);
        let row = self.get(&scope, &[user.user.as_bytes(), view.as_bytes()])?;
        row.ok_or(OwnerError::NotFound("view"))
    }

    /// A policy of the tenant, in the very version that it has now: the tenant's own, else the shipped one.
    pub fn policy(&mut self, name: &str) -> Result<Policy, PolicyCheck> {
        let (vault, tenant) = (self.vault, self.about.tenant());
        let key = vault.policies.key(&vault.records, name);
        let row: Option<PolicyRow> = self
            .get(&vault.records.tenant(tenant), &[tenant.as_bytes(), &key])
            .map_err(PolicyCheck::Failed)?;
        let shipped = || crate::policy::shipped().iter().find(|(shipped, _)| *shipped == name);
        let text = row.map(|row| row.text).or_else(|| shipped().map(|(_, text)| (*text).to_owned()));
        let text = text.ok_or(PolicyCheck::Unavailable(PolicyUnavailable::Unknown))?;
        crate::policy::parse(&text, name)
            .map_err(|errors| PolicyCheck::Unavailable(PolicyUnavailable::Broken(errors.to_string())))
    }

    /// Has the log say that the act is under this policy, in the version that it has now.
    pub fn under(&mut self, name: &str) -> Result<(), OwnerError> {
        let (vault, tenant) = (self.vault, self.about.tenant());
        let key = vault.policies.key(&vault.records, name);
        let row: Option<PolicyRow> = self.get(&vault.records.tenant(tenant), &[tenant.as_bytes(), &key])?;
        // One of the program's own was never loaded.
        self.under_loading(name, row.map_or(0, |row| row.loaded));
        Ok(())
    }

    /// The same for the version that is loaded at this Unix second.
    pub fn under_loading(&mut self, name: &str, loaded: i64) {
        // Names are checked before they are kept: one that does not fit is of an older version.
        self.policy = PolicyName::new(name, u64::try_from(loaded).unwrap_or(0)).ok();
    }

    /// The person who asks; none for the administration socket.
    pub fn asker(&self) -> Option<&(UserRef, UserRow)> {
        self.asker.as_ref()
    }

    /// Whether the server itself is theirs to look after.
    pub fn operates(&self) -> bool {
        self.asker.as_ref().is_none_or(|(_, row)| row.role() == Role::Operator)
    }

    /// The person behind the act: who asks, else whoever unlocked for it. None for the recovery code and the
    /// administration socket.
    pub fn person(&self) -> Option<UserRef> {
        let unlocked = self.caller.unlocked.filter(|unlocked| unlocked.session.is_some());
        self.asker.as_ref().map(|(asker, _)| *asker).or(unlocked.map(|unlocked| unlocked.user))
    }

    /// Refuses whoever does not look after the tenant.
    pub fn administers(&self) -> Result<(), OwnerError> {
        let Some((asker, row)) = &self.asker else { return Ok(()) };
        let own = asker.tenant == self.about.tenant() && row.role() >= Role::Administrator;
        let why = "your account does not look after this tenant";
        if own || self.operates() { Ok(()) } else { Err(OwnerError::Forbidden(why)) }
    }

    /// Refuses whoever is neither this user nor looks after them.
    pub fn acts_for(&self, user: UserRef) -> Result<(), OwnerError> {
        match &self.asker {
            Some((asker, _)) if *asker == user => Ok(()),
            _ => self.administers(),
        }
    }

    /// Law 7: the unlock of this very tenant that the act reveals more by.
    pub fn unlocked(&self) -> Result<&'a Unlocked, OwnerError> {
        let unlocked = self.caller.unlocked.ok_or(OwnerError::UnlockNeeded)?;
        if unlocked.user.tenant != self.about.tenant() {
            return Err(OwnerError::OtherTenant);
        }
        Ok(unlocked)
    }

    /// Law 7 where no key is needed, but a person who is there: the unlock of this tenant, or of the
    /// operator who asks.
    pub fn attended(&self) -> Result<(), OwnerError> {
        let unlocked = self.caller.unlocked.ok_or(OwnerError::UnlockNeeded)?;
        let of_operator = self.asker.as_ref().is_some_and(|(asker, _)| *asker == unlocked.user);
        if unlocked.user.tenant == self.about.tenant() || (of_operator && self.operates()) {
            return Ok(());
        }
        Err(OwnerError::OtherTenant)
    }

    /// The unlock session, if one was brought, has not been ended.
    fn still_open(&self) -> Result<(), OwnerError> {
        match self.caller.unlocked {
            Some(unlocked) if !unlocked.is_live() => Err(OwnerError::SessionEnded),
            _ => Ok(()),
        }
    }

    /// Finds who asks: a person is still here, and not shut out. So is whoever unlocked, unless they came
    /// with the recovery code, which stands for itself.
    fn meet(&mut self) -> Result<(), OwnerError> {
        let recovers = |user| {
            self.caller
                .unlocked
                .is_some_and(|unlocked| unlocked.session.is_none() && unlocked.user.user == user)
        };
        match self.caller.by.actor {
            Actor::User { user } if !recovers(user) => {
                self.asker = Some(self.find(user)?.ok_or(OwnerError::SessionEnded)?);
            }
            Actor::User { .. } | Actor::Administrator { .. } | Actor::Server => {}
            Actor::View { .. } | Actor::Nobody => {
                return Err(OwnerError::Forbidden("nobody who may ask for it does"));
            }
        }
        if let Some(unlocked) = self.caller.unlocked
            && unlocked.session.is_some()
            && self.user(unlocked.user)?.disabled
        {
            return Err(OwnerError::SessionEnded);
        }
        Ok(())
    }

    /// The user with this identifier, of whatever tenant, unless they are shut out.
    fn find(&mut self, user: crate::names::UserId) -> Result<Option<(UserRef, UserRow)>, OwnerError> {
        let own = self.about.tenant();
        let others = registry::tenants(&self.vault.records)?.into_iter().map(|(tenant, _)| tenant);
        for tenant in std::iter::once(own).chain(others.filter(|tenant| *tenant != own)) {
            let user = UserRef { tenant, user };
            if registry::user(&self.vault.records, user)?.is_some() {
                let row = self.user(user)?;
                return Ok(Some((user, row)).filter(|(_, row)| !row.disabled));
            }
        }
        Ok(None)
    }

    /// Reads a standing row, and moves it on in the batch.
    fn move_on(&mut self, scope: &Scope, place: &[u8]) -> Result<(), OwnerError> {
        let row: Option<StandingRow> = self.get(scope, &[place])?;
        let changes = row.map_or(0, |row| row.changes).wrapping_add(1);
        scope.put(&mut self.batch, &[place], &StandingRow { changes });
        Ok(())
    }

    fn into_batch(self) -> Batch {
        let Self { seen, mut batch, .. } = self;
        for (key, expected) in seen {
            batch.require(key, expected);
        }
        batch
    }
}

/// Why there is no policy to compare with.
pub(super) enum PolicyCheck {
    /// There is none, or it does not load.
    Unavailable(PolicyUnavailable),
    /// It could not be read.
    Failed(OwnerError),
}

impl From<PolicyCheck> for OwnerError {
    fn from(check: PolicyCheck) -> Self {
        match check {
            PolicyCheck::Unavailable(why) => why.into(),
            PolicyCheck::Failed(error) => error,
        }
    }
}

/// Where the standing row of all tenants lies.
const EVERYBODY: [u8; 16] = [0; 16];
/// With a turn for each tenant, only what is no act (a sign-in, a used code) makes an act check again.
const MAX_ATTEMPTS: usize = 16;

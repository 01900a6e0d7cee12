//! Taking a tenant's own policy away again. What views show stays decided: a policy that a view uses stays,
//! unless it stood in the place of a shipped one, which the views then follow.

use super::checked::{About, Caller, Checked, PolicyCheck, act};
use super::view::{allow_change, change_view, users_of_policy};
use super::{By, OwnerError, Unlocked};
use crate::audit::{Act, PolicyEffect};
use crate::names::{TenantId, ViewId};
use crate::policy::Policy;
use crate::records::row_key;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::PolicyRow;
use crate::vault::Vault;

/// What is left after a policy is removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Removed {
    /// Whether a shipped policy has the name again.
    pub shipped: bool,
    /// The views that follow it from now on, as `login/view`.
    pub views: Vec<String>,
}

/// Removes a policy that was loaded into the tenant. One that stood in the place of a shipped policy gives way
/// to that one, as if its text were loaded: where it shows more, that takes an unlock (law 7). Any other is
/// refused while a view uses it.
pub async fn remove(
    vault: &Vault,
    unlocked: Option<&Unlocked>,
    tenant: TenantId,
    name: &str,
    by: By,
) -> Result<Removed, OwnerError> {
    let shipped = crate::policy::shipped().iter().find(|(shipped, _)| *shipped == name);
    let done = act(vault, About::Tenant(tenant), Caller { by, unlocked }, |checked| {
        checked.administers()?;
        let key = vault.policies.key(&vault.records, name);
        let parts: [&[u8]; 2] = [tenant.as_bytes(), &key];
        let row: Option<PolicyRow> = checked.get(&vault.records.tenant(tenant), &parts)?;
        if row.is_none() {
            return Err(match shipped {
                Some(_) => kept("it comes with Veilpost and stays; views need not use it".to_owned()),
                None => OwnerError::NotFound("policy"),
            });
        }
        let users = users_of_policy(vault, tenant, name)?;
        let effect = match shipped {
            None if users.is_empty() => PolicyEffect::Neutral,
            None => return Err(kept(in_use(&users))),
            Some((_, text)) => gives_way(vault, checked, name, text, &users)?,
        };
        checked.under(name)?;
        checked.batch().delete(row_key::<PolicyRow>(&parts));
        Ok((vec![Act::PolicyRemoved { effect }], users.into_iter().map(|(.., view)| view).collect()))
    });
    Ok(Removed { shipped: shipped.is_some(), views: done.await?.value })
}

/// Moves the views of a policy to the shipped one of the same name; what that does.
fn gives_way(
    vault: &Vault,
    checked: &mut Checked<'_, '_>,
    name: &str,
    text: &str,
    users: &[(UserRef, ViewId, String)],
) -> Result<PolicyEffect, OwnerError> {
    let new: Policy = crate::policy::parse(text, name)
        .map_err(|errors| OwnerError::Invalid { what: "policy", why: errors.to_string() })?;
    let old = checked.policy(name);
    let same = old.as_ref().is_ok_and(|old| old.shows_the_same(&new));
    let effect = match old {
        _ if users.is_empty() => PolicyEffect::Neutral,
        Ok(old) => allow_change(checked, &old, &new)?,
        // Nobody can tell what it showed.
        Err(PolicyCheck::Unavailable(_)) => checked.unlocked().map(|_| PolicyEffect::Reveals)?,
        Err(PolicyCheck::Failed(error)) => return Err(error),
    };
    for (user, view, _) in users.iter().filter(|_| !same) {
        change_view(vault, checked.batch(), *user, *view, Some(&new), |_| {})?;
    }
    Ok(effect)
}

fn kept(why: String) -> OwnerError {
    OwnerError::Invalid { what: "removal", why }
}

/// How many views use it, and the first of them by name.
fn in_use(users: &[(UserRef, ViewId, String)]) -> String {
    let named: Vec<&str> = users.iter().take(MOST_NAMED).map(|(.., view)| view.as_str()).collect();
    let (count, named) = (users.len(), named.join(", "));
    let more = if count > MOST_NAMED { format!(" and {} more", count - MOST_NAMED) } else { String::new() };
    let (views, them) = if count == 1 { ("view uses", "it") } else { ("views use", "them") };
    format!("{count} {views} it: {named}{more}; give {them} another policy first")
}

/// Views that a refusal names.
const MOST_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::UserId;

    #[test]
    fn a_refusal_counts_the_views_and_names_some() {
        let user = UserRef { tenant: TenantId::from_bytes([1; 16]), user: UserId::from_bytes([2; 16]) };
        let views = |count: u8| {
            let view =
                |number: u8| (user, ViewId::from_bytes([number; 16]), format!("ann@a.example/v{number}"));
            (0..count).map(view).collect::<Vec<_>>()
        };
        assert_eq!(in_use(&views(1)), "1 view uses it: ann@a.example/v0; give it another policy first");
        let many = in_use(&views(7));
        assert!(many.starts_with("7 views use it: ann@a.example/v0, "), "{many}");
        assert!(many.ends_with("/v4 and 2 more; give them another policy first"), "{many}");
    }
}

//! The call that answers "where is my mail?".

use std::collections::BTreeMap;

use super::{Answered, Server, answer, tenants, time};
use crate::admin::api::{MailSeen, MailTraced};
use crate::audit::{Act, Draft};
use crate::names::{AddressToken, TenantId};
use crate::owner::{By, OwnerError};
use crate::pipeline::token_of;
use crate::tenant::directory;
use crate::vault::arrivals::Sighting;

/// What became of mail from and to `address`: of one tenant, or of all and of nobody. Every tenant whose mail
/// is told of, and the one that has the address's domain, has an entry in its log first.
pub async fn mail(server: &Server, address: &str, tenant: Option<&str>, by: By) -> Answered {
    let invalid = || OwnerError::Invalid { what: "address", why: "it has the form name@domain".to_owned() };
    let token = token_of(&server.vault, address).ok_or_else(invalid)?;
    let named: BTreeMap<TenantId, String> =
        tenants(server, tenant)?.into_iter().map(|(id, row)| (id, row.name)).collect();
    let nobody = tenant.is_none().then_some(None);
    let asked: Vec<Option<TenantId>> = named.keys().copied().map(Some).chain(nobody).collect();
    let vault = &server.vault;
    let seen = vault
        .arrivals
        .find(&vault.records, &asked, token, vault.clock.now().unix())
        .map_err(OwnerError::from)?;
    let seen = &seen[seen.len().saturating_sub(MOST)..];
    for (id, found) in concerned(server, address, &named, seen)? {
        let draft = Draft::new(by.actor, by.origin, Act::MailTraced { address: token, found });
        let _recorded = vault.audit.record(id, draft).await.map_err(OwnerError::from)?;
    }
    let seen = seen.iter().map(|seen| shown(seen, token, &named)).collect();
    answer(&MailTraced { token: token.to_string(), seen })
}

/// The tenants to tell, and how much is shown of each one's mail.
fn concerned(
    server: &Server,
    address: &str,
    named: &BTreeMap<TenantId, String>,
    seen: &[Sighting],
) -> Result<BTreeMap<TenantId, u64>, OwnerError> {
    let mut found = BTreeMap::new();
    let domain = address.rsplit_once('@').and_then(|(_, domain)| crate::names::parse_domain(domain).ok());
    for tenant in directory::tenants_of(&server.vault.records, &domain.unwrap_or_default())? {
        found.insert(tenant, 0);
    }
    seen.iter().filter_map(|seen| seen.tenant).for_each(|tenant| *found.entry(tenant).or_insert(0) += 1);
    found.retain(|tenant, _| named.contains_key(tenant));
    Ok(found)
}

fn shown(seen: &Sighting, token: AddressToken, named: &BTreeMap<TenantId, String>) -> MailSeen {
    let is_addressee = seen.to == Some(token);
    let other = if is_addressee { seen.from } else { seen.to };
    MailSeen {
        time: time(seen.at),
        verdict: seen.verdict().to_owned(),
        reply: seen.reply,
        why: seen.why.clone(),
        direction: if is_addressee { "to" } else { "from" }.to_owned(),
        other: other.map(|token| token.to_string()),
        tenant: seen.tenant.and_then(|tenant| named.get(&tenant).cloned()),
        message: seen.message.map(|message| message.to_string()),
        session: seen.session.to_string(),
        peer: seen.peer.map(|peer| peer.to_string()),
        size: seen.size,
    }
}

/// Lines in an answer, the newest.
const MOST: usize = 1000;

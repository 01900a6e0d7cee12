//! One conversation with the authority: account, order, challenges, certificate (RFC 8555 §7).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::AcmeError;
use super::cache::Cache;
use super::challenge::{Challenges, Offered};
use crate::config::Acme;
use crate::net::tls::KeyPem;

/// The account kept from before, or a new one.
pub(super) async fn account(settings: &Acme, cache: &Cache) -> Result<Account, AcmeError> {
    let builder = match &settings.ca_file {
        Some(root) => Account::builder_with_root(root)?,
        None => Account::builder()?,
    };
    if let Some(credentials) = cache.account(&settings.directory)? {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact: Vec<String> = settings.contact.iter().map(|address| mailto(address)).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder.create(&wanted, settings.directory.clone(), None).await.map_err(without_addresses)?;
    cache.keep_account(&settings.directory, &made.1)?;
    Ok(made.0)
}

/// A certificate for `domains`: the chain and a new key.
pub(super) async fn certificate(
    account: &Account,
    domains: &[String],
    challenges: &Challenges,
) -> Result<(String, KeyPem), AcmeError> {
    let names: Vec<Identifier> = domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    // Answered until the authority has decided.
    let offered = offer(&mut order, challenges).await?;
    let status = order.poll_ready(&PATIENCE).await?;
    if status != OrderStatus::Ready {
        return Err(AcmeError::Unproven { why: reason(&mut order).await });
    }
    drop(offered);
    let key = KeyPem::new(order.finalize().await?);
    Ok((order.poll_certificate(&PATIENCE).await?, key))
}

async fn offer(order: &mut Order, challenges: &Challenges) -> Result<Vec<Offered>, AcmeError> {
    let mut offered = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(AcmeError::NoChallenge)?;
        offered.push(challenges.offer(&challenge.token, challenge.key_authorization().as_str()));
        challenge.set_ready().await?;
    }
    Ok(offered)
}

/// What the authority says about the first challenge that failed.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return problem.to_string();
        }
    }
    "it gave no reason".to_owned()
}

fn mailto(address: &str) -> String {
    match address.starts_with("mailto:") {
        true => address.to_owned(),
        false => format!("mailto:{address}"),
    }
}

fn without_addresses(error: Error) -> AcmeError {
    match error {
        Error::Api(problem) => {
            AcmeError::Account { kind: problem.r#type.unwrap_or_else(|| "without a reason".to_owned()) }
        }
        other => AcmeError::Authority(other),
    }
}

const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

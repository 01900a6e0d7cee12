//! Calls on audit logs. Entries hold no content, so they need no unlock.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Answered, Server, answer};
use crate::admin::api::{AuditReport, Failure, FailureCode, UnreadableCheckpoint};
use crate::admin::socket::Outlet;
use crate::audit::{self, AuditError};
use crate::names::TenantId;
use crate::owner::OwnerError;
use crate::tenant::registry;

pub async fn list(server: &Server, tenant: &str, from: u64, limit: Option<u64>, outlet: &Outlet) -> Answered {
    let tenant = log_named(server, tenant)?;
    let (mut next, mut left, mut told) = (from, limit.unwrap_or(u64::MAX), 0_u64);
    while left > 0 {
        let page = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
        let entries = server.vault.audit.read(tenant, next, page).await.map_err(OwnerError::from)?;
        let Some(count) = std::num::NonZeroU64::new(entries.len() as u64) else { break };
        for entry in entries {
            let line = entry.and_then(|entry| entry.encode()).map_err(unreadable)?;
            let value = serde_json::from_slice(&line).map_err(|_| unreadable_line())?;
            outlet.item(value).await?;
        }
        (next, left, told) = (next + count.get(), left - count.get(), told + count.get());
    }
    Ok(serde_json::json!({ "entries": told }))
}

pub async fn verify(server: &Server, tenant: &str, checkpoints: &[String]) -> Answered {
    let tenant = log_named(server, tenant)?;
    let key = server.notary.verifying_key();
    let (kept, places) = cut(checkpoints);
    // Judged as it was found, before anything new is signed.
    let report =
        audit::verify(server.vault.audit.store(), tenant, &key, &kept).await.map_err(OwnerError::from)?;
    let checkpoint = match report.log_is_sound() {
        true => server.notary.checkpoint(tenant).await.map_err(OwnerError::from)?.note().to_owned(),
        false => String::new(),
    };
    let unreadable = report.findings.iter().filter_map(|finding| places.get(finding.place()?));
    let empty = (0..checkpoints.len()).filter(|text| places.iter().all(|(of, _)| of != text));
    let unreadable = unreadable.copied().chain(empty.map(|text| (text, 0)));
    answer(&AuditReport {
        intact: report.log_is_sound(),
        entries: report.size,
        root: STANDARD.encode(report.root.0),
        problems: report
            .findings
            .iter()
            .filter(|finding| finding.place().is_none())
            .map(ToString::to_string)
            .collect(),
        compared: report.given as u64,
        others: report.others as u64,
        unreadable: unreadable
            .map(|(text, note)| UnreadableCheckpoint { text: text as u64, checkpoint: note as u64 })
            .collect(),
        verifier_key: key.to_string(),
        checkpoint,
    })
}

/// The notes of all texts, and for each the text it is in and its number there, from 1.
fn cut(texts: &[String]) -> (Vec<String>, Vec<(usize, usize)>) {
    let notes = texts.iter().enumerate().flat_map(|(text, content)| {
        let notes = audit::split_notes(content).into_iter().enumerate();
        notes.map(move |(note, content)| (content, (text, note + 1)))
    });
    notes.unzip()
}

pub async fn checkpoint(server: &Server, tenant: &str) -> Answered {
    let tenant = log_named(server, tenant)?;
    let checkpoint = server.notary.checkpoint(tenant).await.map_err(OwnerError::from)?;
    Ok(serde_json::json!({ "checkpoint": checkpoint.note(), "entries": checkpoint.size() }))
}

pub async fn receipt(server: &Server, tenant: &str, entry: u64) -> Answered {
    let tenant = log_named(server, tenant)?;
    match server.notary.receipt_of(tenant, entry).await {
        Ok(receipt) => Ok(serde_json::Value::String(receipt.to_string())),
        Err(AuditError::Damaged) => Err(OwnerError::NotFound("audit entry").into()),
        Err(error) => Err(OwnerError::from(error).into()),
    }
}

/// Whose log is meant: that of a tenant that there is, else of one that was removed, by the name that it had
/// (of several the one removed last) or by its identifier.
fn log_named(server: &Server, name: &str) -> Result<TenantId, OwnerError> {
    let records = &server.vault.records;
    if let Some((tenant, _)) = registry::tenant_named(records, name)? {
        return Ok(tenant);
    }
    let removed = registry::removed_tenants(records)?;
    let meant = removed.iter().find(|(tenant, row)| row.name == name || tenant.to_string() == name);
    meant.map(|(tenant, _)| *tenant).ok_or(OwnerError::NotFound("tenant"))
}

fn unreadable(_: audit::EntryError) -> Failure {
    unreadable_line()
}

fn unreadable_line() -> Failure {
    Failure {
        code: FailureCode::Damaged,
        message: "an audit entry does not read".to_owned(),
        hint: Some("`veilpost audit verify TENANT` says which".to_owned()),
    }
}

/// Entries read at once.
const PAGE: usize = 1000;

//! What the server tells about itself. Counts and sizes only: nothing here opens mail.

use std::ops::ControlFlow;

use super::{Answered, Server, answer, tenants, time};
use crate::admin::api::{AuditState, Status, Storage, UserStorage};
use crate::audit::{Checkpoint, VerifyingKey};
use crate::names::TenantId;
use crate::owner::OwnerError;
use crate::records::Records;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{CheckpointRow, MessageRow, TenantRow};

pub fn status(server: &Server) -> Answered {
    let listening = &server.listening;
    let now = server.vault.clock.now();
    let text =
        |addresses: &[std::net::SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    answer(&Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: server.vault.settings.hostname.clone(),
        tenants: registry::tenants(&server.vault.records)?.len() as u64,
        smtp: text(&listening.smtp),
        lmtp: text(&listening.lmtp),
        imap: text(&listening.imap),
        imaps: text(&listening.imaps),
        pop3: text(&listening.pop3),
        pop3s: text(&listening.pop3s),
        dashboard: text(&listening.dashboard),
        metrics: text(&listening.metrics),
        certificate_not_after: time(server.tls.not_after().unix()),
        signed_in: server.sessions.sign_ins.count(now) as u64,
        unlocked: server.sessions.count(now) as u64,
        verifier_key: server.notary.verifying_key().to_string(),
    })
}

pub async fn storage(server: &Server, tenant: Option<String>) -> Answered {
    let tenants = tenants(server, tenant.as_deref())?;
    let mut audit = Vec::with_capacity(tenants.len());
    for (id, row) in &tenants {
        audit.push(audit_state(server, *id, row).await?);
    }
    let space = rustix::fs::statvfs(server.folder.path())
        .map_err(|error| OwnerError::Blobs(std::io::Error::from(error).into()))?;
    let ledger = std::fs::metadata(server.folder.ledger()).map_or(0, |facts| facts.len());
    // Every row of every mailbox is read: not on a thread that serves others.
    let records = server.vault.records.clone();
    let users = tokio::task::spawn_blocking(move || users(&records, &tenants))
        .await
        .map_err(|_| OwnerError::Stopping)??;
    answer(&Storage {
        ledger,
        free: space.f_bavail.saturating_mul(space.f_frsize),
        disk: space.f_blocks.saturating_mul(space.f_frsize),
        users,
        audit,
    })
}

fn users(records: &Records, tenants: &[(TenantId, TenantRow)]) -> Result<Vec<UserStorage>, OwnerError> {
    let mut stored = Vec::new();
    for (tenant, tenant_row) in tenants {
        for (user, row) in registry::users(records, *tenant)? {
            let (messages, octets, sealed) = mailbox(records, user)?;
            let tenant = tenant_row.name.clone();
            stored.push(UserStorage { login: row.login, tenant, messages, octets, sealed });
        }
    }
    Ok(stored)
}

/// Messages, their octets, and those of their containers.
fn mailbox(records: &Records, user: UserRef) -> Result<(u64, u64, u64), OwnerError> {
    let (mut messages, mut octets, mut sealed) = (0, 0, 0);
    records.tenant(user.tenant).visit::<MessageRow>(&[user.user.as_bytes()], &[], |_, row| {
        if let Ok(row) = row {
            (messages, octets, sealed) = (messages + 1, octets + row.octets, sealed + row.sealed);
        }
        ControlFlow::Continue(())
    })?;
    Ok((messages, octets, sealed))
}

async fn audit_state(server: &Server, tenant: TenantId, row: &TenantRow) -> Result<AuditState, OwnerError> {
    let entries = server.vault.audit.size(tenant).await?;
    let newest: Option<CheckpointRow> = server.vault.records.tenant(tenant).get(&[tenant.as_bytes()])?;
    let signed = newest.map_or(0, |row| signed(&row.note, &server.notary.verifying_key()));
    Ok(AuditState { tenant: row.name.clone(), entries, signed })
}

fn signed(note: &str, key: &VerifyingKey) -> u64 {
    Checkpoint::open(note, key).map_or(0, |checkpoint| checkpoint.size())
}

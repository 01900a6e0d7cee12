//! Work that goes on in the background: sessions that lock themselves, epochs that end, checkpoints,
//! the sweeper.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Server;
use crate::audit::LockCause;
use crate::config::Config;
use crate::owner::remove::forget_logs;
use crate::owner::unlock::record_ends;
use crate::shutdown::Lifecycle;
use crate::store::sweep::Pace;
use crate::tenant::registry;
use crate::vault::sweep;

/// Starts all of it.
pub fn start(config: &Config, server: &Arc<Server>, life: &Lifecycle) {
    let ticking = server.clone();
    every(life, TICK, move || {
        let server = ticking.clone();
        async move { tick(&server).await }
    });
    sign(config, server, life);
    let (keeping, stop) = (server.clone(), life.stop());
    life.spawn(async move {
        stop.cancelled().await;
        keep_arrivals(&keeping).await;
    });
    let sweeping = server.clone();
    let stop = life.stop();
    life.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            if let Err(error) = forget_logs(&sweeping.vault).await {
                tracing::error!(%error, "logs of removed tenants stay longer");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                swept = sweep::run(&sweeping.vault, Pace::default()) => match swept {
                    Ok(swept) => tracing::info!(seen = swept.seen, removed = swept.removed, "swept"),
                    Err(error) => tracing::error!(%error, "a sweep ended early"),
                }
            }
        }
    });
    loosen(server, life);
}

/// Removes the seeds of epochs that lost their last message, soon after. It reads the rows of all messages:
/// where that takes long it is done seldom.
fn loosen(server: &Arc<Server>, life: &Lifecycle) {
    let (vault, stop) = (server.vault.clone(), life.stop());
    life.spawn(async move {
        let mut rest = TICK;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
            let began = Instant::now();
            if let Err(error) = sweep::seeds(&vault, None).await {
                tracing::warn!(%error, "seeds of epochs without messages stay for now");
            }
            rest = TICK.max(began.elapsed() * 50);
        }
    });
}

/// Locks what has been unlocked for long enough, wipes the chains of epochs that have ended, and lets go of
/// mailboxes that nobody looks at.
async fn tick(server: &Server) {
    keep_arrivals(server).await;
    server.vault.epochs.sweep(Instant::now());
    server.vault.mailboxes.rest(Instant::now());
    let ended = server.sessions.expire(server.vault.clock.now());
    server.indexes.close_locked(&server.vault, &server.sessions);
    if let Err(error) = record_ends(&server.vault, ended, LockCause::TimeOver).await {
        tracing::error!(%error, "the end of an unlock session was not recorded");
    }
}

/// Moves what became of mail into the ledger, for `veilpost trace`.
pub(super) async fn keep_arrivals(server: &Server) {
    let (vault, now) = (&server.vault, server.vault.clock.now().unix());
    if let Err(error) = vault.arrivals.flush(&vault.records, now).await {
        tracing::warn!(%error, "what became of the last mail is in the log alone");
    }
}

/// Signs checkpoints, of every tenant at start: nobody knows what was recorded after the last one.
fn sign(config: &Config, server: &Arc<Server>, life: &Lifecycle) {
    let tenants = registry::tenants(&server.vault.records).unwrap_or_default();
    tenants.iter().for_each(|(tenant, _)| server.notary.attend(*tenant));
    let (notary, stop, interval) = (server.notary.clone(), life.stop(), config.audit.interval);
    life.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = notary.run(interval) => {}
        }
    });
}

fn every<F: Future<Output = ()> + Send + 'static>(
    life: &Lifecycle,
    period: Duration,
    mut work: impl FnMut() -> F + Send + 'static,
) {
    let stop = life.stop();
    life.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => work().await,
            }
        }
    });
}

/// How late a session may lock, at most.
const TICK: Duration = Duration::from_secs(5);
/// Containers that a crash left wait for a day anyway.
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

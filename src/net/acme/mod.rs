//! Certificates by ACME (RFC 8555) with HTTP-01 challenges (§8.3): fetched at the first start, renewed when
//! a third of their life remains, kept in the key folder.
//!
//! Until the first one is there, a self-signed certificate is served, so that mail arrives from senders
//! that do not look. Owns the account key and the certificate's key. Refuses to know what is served.

mod cache;
mod challenge;
#[cfg(test)]
mod fake_authority;
mod order;
mod schedule;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::cache::Cache;
use self::challenge::Challenges;
use super::http;
use super::tls::{Certificate, ServerTls, TlsError, self_signed};
use crate::clock::{Clock, Timestamp};
use crate::config::Acme;

/// Why there is no new certificate. The old one stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The folder of account key and certificate failed.
    #[error("{}: {source}", path.display())]
    Cache {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The account could not be made. The authority's words may repeat contact addresses and are left out.
    #[error(
        "the authority gives no account ({kind}); contact and terms_agreed in [tls.acme] are what it looks at"
    )]
    Account {
        /// The kind of problem (RFC 8555 §6.7).
        kind: String,
    },
    /// The authority failed, or the way to it.
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority offers no HTTP-01 for a name.
    #[error("the authority offers no HTTP-01 challenge for a name in domains")]
    NoChallenge,
    /// The authority could not see the answers to its challenges.
    #[error("the authority did not find its challenge: {why}; port 80 of every domain must lead here")]
    Unproven {
        /// In its words.
        why: String,
    },
    /// It took longer than any authority should.
    #[error("no certificate within {} s", ATTEMPT_TIME.as_secs())]
    Slow,
    /// What came is not usable.
    #[error("the authority's certificate: {0}")]
    Unusable(#[from] TlsError),
}

/// Gets certificates and hands them to a [`ServerTls`].
pub struct Renewer {
    settings: Acme,
    clock: Clock,
    cache: Cache,
    challenges: Challenges,
    tls: ServerTls,
    /// Validity of the authority's certificate in use; none while it is self-signed.
    issued: Option<(Timestamp, Timestamp)>,
}

impl Renewer {
    /// Starts with the certificate kept from before, if it names every domain, else with a self-signed one.
    pub fn new(settings: Acme, clock: Clock) -> Result<Self, AcmeError> {
        let cache = Cache::new(&settings.cache_dir);
        let kept = cache.certificate().filter(|kept| settings.domains.iter().all(|name| kept.covers(name)));
        let issued = kept.as_ref().map(|kept| (kept.not_before(), kept.not_after()));
        let certificate = match kept {
            Some(kept) => kept,
            None => provisional(&settings.domains, clock.now())?,
        };
        let tls = ServerTls::new(certificate);
        Ok(Self { settings, clock, cache, challenges: Challenges::default(), tls, issued })
    }

    /// The certificate in use, which follows every renewal.
    pub fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Answers challenges on `listeners` and renews when it is time, until `stop`.
    pub async fn run(mut self, listeners: Vec<TcpListener>, stop: CancellationToken) {
        let serving = TaskTracker::new();
        for listener in listeners {
            serving.spawn(http::serve(listener, self.challenges.router(), stop.clone()));
        }
        serving.close();
        let stopped = stop.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            () = self.keep_renewed() => {}
        }
        serving.wait().await;
    }

    async fn keep_renewed(&mut self) {
        let mut due = self.due();
        let mut failures = 0;
        loop {
            self.sleep_until(due).await;
            due = match self.renew().await {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(not_after = self.tls.not_after().unix(), "acme: new certificate in use");
                    self.due().max(self.clock.now().plus(schedule::LEAST_PAUSE))
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "acme: no new certificate yet");
                    self.clock.now().plus(schedule::backoff(failures, random()))
                }
            };
        }
    }

    /// One attempt, whether it is time or not.
    pub async fn renew(&mut self) -> Result<(), AcmeError> {
        let account = order::account(&self.settings, &self.cache);
        let attempt =
            async { order::certificate(&account.await?, &self.settings.domains, &self.challenges).await };
        let (chain, key) =
            tokio::time::timeout(ATTEMPT_TIME, attempt).await.map_err(|_| AcmeError::Slow)??;
        let certificate = Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes())?;
        self.cache.keep_certificate(&chain, &key)?;
        self.issued = Some((certificate.not_before(), certificate.not_after()));
        self.tls.swap(certificate);
        Ok(())
    }

    fn due(&self) -> Timestamp {
        match self.issued {
            Some((from, until)) => schedule::renewal(from, until, random()),
            None => self.clock.now(),
        }
    }

    /// In short steps, because the clock may be set and the machine may sleep.
    async fn sleep_until(&self, due: Timestamp) {
        loop {
            let left = due.since(self.clock.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

/// The certificate kept from before, whatever it names, for whoever wants to look at it.
pub fn kept(settings: &Acme) -> Option<Certificate> {
    Cache::new(&settings.cache_dir).certificate()
}

fn provisional(domains: &[String], now: Timestamp) -> Result<Certificate, AcmeError> {
    let names: Vec<&str> = domains.iter().map(String::as_str).collect();
    let (chain, key) = self_signed(&names, now)?;
    Ok(Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes())?)
}

/// Between 0 and 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Jitter: without randomness every server comes at the same time, which is no reason to stop.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Of one attempt, all requests and the authority's own waiting included.
const ATTEMPT_TIME: Duration = Duration::from_secs(300);
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;

//! What Prometheus may know: counts, times and sizes, never a name, an address or a tenant.
//!
//! Owns every metric's name and meaning, so that the list in `docs/operations.md` has one source.
//! Handles are cheap to clone and to move into tasks. The text form is OpenMetrics 1.0.

mod process;
mod server;

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use server::{Probe, serve};

/// A protocol spoken with clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are the labels' values")]
pub enum Protocol {
    /// SMTP.
    smtp,
    /// LMTP.
    lmtp,
    /// IMAP, with STARTTLS or under TLS.
    imap,
    /// POP3, with STLS or under TLS.
    pop3,
    /// HTTPS of the dashboard.
    dashboard,
}

/// Why a message, or one addressee of it, was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are the labels' values")]
pub enum Refusal {
    /// Nobody has the address here.
    unknown_addressee,
    /// The address is switched off.
    switched_off,
    /// Past a limit of connections or memory.
    busy,
    /// The tenant's policy does not load.
    policy,
    /// The store could not make it durable.
    storage,
}

/// How something that may fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are the labels' values")]
pub enum Outcome {
    /// Well.
    ok,
    /// Not.
    failed,
}

/// All metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    received: Family<ByProtocol, Counter>,
    refused: Family<ByReason, Counter>,
    connections: Family<ByProtocol, Counter>,
    open: Family<ByProtocol, Gauge>,
    logins: Family<ByLogin, Counter>,
    unlocks: Family<ByOutcome, Counter>,
    /// Seconds from the end of DATA to the acknowledgement.
    pub delivery_seconds: Histogram,
    /// Octets of containers written.
    pub sealed_bytes: Counter,
    /// Messages fetched by clients (POP3's RETR and TOP, IMAP's FETCH of more than lists show).
    pub retrieved: Counter,
    /// Octets of masked messages sent to clients.
    pub retrieved_bytes: Counter,
    /// Audit entries made durable.
    pub audit_entries: Counter,
    /// Seconds of one durable ledger commit.
    pub commit_seconds: Histogram,
    /// Octets of messages held in memory.
    pub memory_in_flight: Gauge,
    /// Sweeps for containers that a crash left without a reference.
    pub sweeps: Counter,
    /// Containers that sweeps removed.
    pub swept: Counter,
    /// Containers found damaged.
    pub damaged: Counter,
    /// When the certificate in use expires, in seconds since 1970.
    pub certificate_not_after: Gauge,
    process: process::Gauges,
}

impl Metrics {
    /// All metrics at zero.
    #[expect(clippy::new_without_default, reason = "a second set of counters is never what a caller wants")]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            received: Family::default(),
            refused: Family::default(),
            connections: Family::default(),
            open: Family::default(),
            logins: Family::default(),
            unlocks: Family::default(),
            delivery_seconds: Histogram::new(SECONDS),
            sealed_bytes: Counter::default(),
            retrieved: Counter::default(),
            retrieved_bytes: Counter::default(),
            audit_entries: Counter::default(),
            commit_seconds: Histogram::new(SECONDS),
            memory_in_flight: Gauge::default(),
            sweeps: Counter::default(),
            swept: Counter::default(),
            damaged: Counter::default(),
            certificate_not_after: Gauge::default(),
            process: process::Gauges::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    /// One more message acknowledged.
    pub fn received(&self, protocol: Protocol) {
        self.received.get_or_create(&ByProtocol { protocol }).inc();
    }

    /// One more message or addressee refused.
    pub fn refused(&self, reason: Refusal) {
        self.refused.get_or_create(&ByReason { reason }).inc();
    }

    /// One more login, good or bad.
    pub fn login(&self, protocol: Protocol, outcome: Outcome) {
        self.logins.get_or_create(&ByLogin { protocol, outcome }).inc();
    }

    /// One more unlock of a tenant's mail, or failed attempt.
    pub fn unlock(&self, outcome: Outcome) {
        self.unlocks.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// Counts a session as open until the guard is dropped, in a panic too.
    #[must_use]
    pub fn session(&self, protocol: Protocol) -> OpenSession {
        self.connections.get_or_create(&ByProtocol { protocol }).inc();
        let open = self.open.get_or_create_owned(&ByProtocol { protocol });
        open.inc();
        OpenSession(open)
    }

    /// Everything in OpenMetrics text, the process's own figures read anew.
    pub fn text(&self) -> String {
        self.process.refresh();
        let mut text = String::new();
        // Writing into a String does not fail, and no metric has an encoder of its own.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    fn register(&self) -> Registry {
        let mut all = Registry::default();
        let ours = all.sub_registry_with_prefix("veilpost");
        self.register_mail(ours);
        self.register_store(ours);
        let expiry = "When the certificate in use expires, seconds since 1970";
        ours.register("certificate_not_after_seconds", expiry, self.certificate_not_after.clone());
        self.process.register(&mut all);
        all
    }

    fn register_mail(&self, ours: &mut Registry) {
        ours.register("messages_received", "Messages acknowledged", self.received.clone());
        ours.register("messages_refused", "Messages and addressees not taken", self.refused.clone());
        let seconds = "From the end of a message to its acknowledgement";
        ours.register("delivery_seconds", seconds, self.delivery_seconds.clone());
        ours.register("sessions", "Sessions begun", self.connections.clone());
        ours.register("sessions_open", "Sessions open now", self.open.clone());
        ours.register("logins", "Logins by mail clients", self.logins.clone());
        ours.register("messages_retrieved", "Masked messages fetched by clients", self.retrieved.clone());
        let octets = "Octets of masked messages sent to clients";
        ours.register("retrieved_bytes", octets, self.retrieved_bytes.clone());
        ours.register("unlocks", "Unlocks of whole mail", self.unlocks.clone());
        let memory = "Octets of messages held in memory";
        ours.register("memory_in_flight_bytes", memory, self.memory_in_flight.clone());
    }

    fn register_store(&self, ours: &mut Registry) {
        ours.register("sealed_bytes", "Octets of containers written", self.sealed_bytes.clone());
        ours.register("audit_entries", "Audit entries made durable", self.audit_entries.clone());
        ours.register("ledger_commit_seconds", "One durable ledger commit", self.commit_seconds.clone());
        ours.register("sweeps", "Sweeps for containers without a reference", self.sweeps.clone());
        ours.register("containers_swept", "Containers that sweeps removed", self.swept.clone());
        ours.register("containers_damaged", "Containers found damaged", self.damaged.clone());
    }
}

/// A session that is counted as open.
pub struct OpenSession(Gauge);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    protocol: Protocol,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLogin {
    protocol: Protocol,
    outcome: Outcome,
}

/// From a fast commit to a hopeless disk.
const SECONDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_with_their_labels() {
        let metrics = Metrics::new();
        metrics.received(Protocol::smtp);
        metrics.clone().received(Protocol::smtp);
        metrics.refused(Refusal::storage);
        metrics.login(Protocol::pop3, Outcome::failed);
        metrics.unlock(Outcome::ok);
        metrics.delivery_seconds.observe(0.003);
        metrics.sealed_bytes.inc_by(4096);
        metrics.certificate_not_after.set(1_900_000_000);
        let text = metrics.text();
        for line in [
            "veilpost_messages_received_total{protocol=\"smtp\"} 2",
            "veilpost_messages_refused_total{reason=\"storage\"} 1",
            "veilpost_logins_total{protocol=\"pop3\",outcome=\"failed\"} 1",
            "veilpost_unlocks_total{outcome=\"ok\"} 1",
            "veilpost_delivery_seconds_bucket{le=\"0.005\"} 1",
            "veilpost_sealed_bytes_total 4096",
            "veilpost_certificate_not_after_seconds 1900000000",
            "# EOF",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn sessions_are_open_until_dropped() {
        let metrics = Metrics::new();
        let shows = |count: u32| {
            let line = format!("veilpost_sessions_open{{protocol=\"pop3\"}} {count}\n");
            assert!(metrics.text().contains(&line), "{line}");
        };
        let (one, two) = (metrics.session(Protocol::pop3), metrics.session(Protocol::pop3));
        shows(2);
        drop(one);
        shows(1);
        drop(two);
        shows(0);
        assert!(metrics.text().contains("veilpost_sessions_total{protocol=\"pop3\"} 2"));
    }

    #[test]
    fn every_metric_is_in_the_operators_handbook() {
        let handbook = include_str!("../../../docs/operations.md");
        let text = Metrics::new().text();
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        for name in names {
            assert!(handbook.contains(&format!("`{name}")), "{name} is not in docs/operations.md");
        }
    }
}

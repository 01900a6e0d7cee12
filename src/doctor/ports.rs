//! Listening addresses that are free or ours, and a hostname that leads somewhere.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixStream;

use super::{Case, Finding, PATIENCE, within};
use crate::config::{Endpoint, Tls};

/// Every TCP address that the server would listen at.
pub(super) fn listeners(case: &Case<'_>) -> Vec<Finding> {
    // The admin socket answers if and only if our server runs.
    let running = UnixStream::connect(&case.config.admin_socket).is_ok();
    wanted(case).into_iter().map(|(section, at)| listener(section, at, running)).collect()
}

fn wanted(case: &Case<'_>) -> Vec<(&'static str, SocketAddr)> {
    let config = case.config;
    let tcp = |at: &Endpoint| match at {
        Endpoint::Tcp(address) => Some(*address),
        Endpoint::Unix(_) => None,
    };
    let lmtp: Vec<_> = config.lmtp.listen.iter().filter_map(tcp).collect();
    let acme = match &config.tls {
        Tls::Acme(acme) => &acme.listen[..],
        Tls::Files { .. } => &[],
    };
    let sections = [
        ("smtp", &config.smtp.listen[..]),
        ("lmtp", &lmtp),
        ("imap", &config.imap.listen),
        ("imaps", &config.imaps.listen),
        ("pop3", &config.pop3.listen),
        ("pop3s", &config.pop3s.listen),
        ("dashboard", &config.dashboard.listen),
        ("metrics", &config.metrics.listen),
        ("tls.acme", acme),
    ];
    let each = |(section, addresses): (&'static str, &[SocketAddr])| {
        addresses.iter().map(move |at| (section, *at)).collect::<Vec<_>>()
    };
    sections.into_iter().flat_map(each).collect()
}

fn listener(section: &'static str, at: SocketAddr, running: bool) -> Finding {
    let Err(error) = TcpListener::bind(at) else {
        return Finding::ok(CHECK, format!("[{section}] {at} is free"));
    };
    match error.kind() {
        ErrorKind::AddrInUse if running => {
            Finding::ok(CHECK, format!("[{section}] {at} is in use while the server runs"))
        }
        ErrorKind::AddrInUse => {
            let remedy = format!("see who has it with `ss -ltnp 'sport = :{}'`, or change listen", at.port());
            Finding::fail(CHECK, format!("[{section}] {at} is taken by another program"), remedy)
        }
        ErrorKind::PermissionDenied => {
            let remedy =
                "nothing under dist/veilpost.service, which grants CAP_NET_BIND_SERVICE; else try as root";
            Finding::warn(
                CHECK,
                format!("[{section}] {at} could not be tried: ports below 1024 are reserved"),
                remedy,
            )
        }
        _ => Finding::fail(
            CHECK,
            format!("[{section}] {at}: {error}"),
            "give an address that this machine has",
        ),
    }
}

/// Whether the system's resolver knows the hostname.
pub(super) fn name(case: &Case<'_>) -> Vec<Finding> {
    let host = case.config.hostname.clone();
    let asked = host.clone();
    let found =
        within(PATIENCE, move || (asked.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    vec![match found {
        Some(Ok(addresses)) if addresses.iter().all(|at| at.ip().is_loopback()) => Finding::warn(
            "name",
            format!("{host} leads to this machine only"),
            "that may be /etc/hosts; the public DNS wants A or AAAA records, and an MX that points at them",
        ),
        Some(Ok(_)) => {
            Finding::ok("name", format!("{host} has an address; its MX and PTR records were not looked at"))
        }
        _ => Finding::warn(
            "name",
            format!("{host} has no address here"),
            "give it A or AAAA records, and an MX where mail comes directly",
        ),
    }]
}

const CHECK: &str = "ports";

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    #[test]
    fn ports_are_free_taken_or_ours() {
        let other = TcpListener::bind("127.0.0.1:0").expect("binds");
        let taken = other.local_addr().expect("bound");
        assert_eq!(listener("smtp", taken, false).state, State::Fail);
        assert_eq!(listener("smtp", taken, true).state, State::Ok);
        assert_eq!(listener("smtp", "127.0.0.1:0".parse().expect("an address"), false).state, State::Ok);
        // TEST-NET-1 (RFC 5737) is no machine's.
        assert_eq!(listener("smtp", "192.0.2.1:2525".parse().expect("an address"), false).state, State::Fail);
    }

    #[test]
    fn every_section_is_looked_at() {
        let mut fresh = Fresh::new();
        fresh.config.lmtp.listen =
            vec![Endpoint::Unix("x".into()), Endpoint::Tcp("127.0.0.1:0".parse().expect("an address"))];
        let findings = fresh.look(listeners);
        assert_eq!(findings.len(), 7, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.state == State::Ok), "{findings:?}");
    }

    #[test]
    fn a_running_server_is_recognised_by_its_admin_socket() {
        let mut fresh = Fresh::new();
        let other = TcpListener::bind("127.0.0.1:0").expect("binds");
        fresh.config.smtp.listen = vec![other.local_addr().expect("bound")];
        let state = |fresh: &Fresh| fresh.look(listeners)[0].state;
        assert_eq!(state(&fresh), State::Fail);
        let _admin = std::os::unix::net::UnixListener::bind(&fresh.config.admin_socket).expect("binds");
        assert_eq!(state(&fresh), State::Ok);
    }

    #[test]
    fn a_name_that_nobody_has_is_worth_a_look() {
        let mut fresh = Fresh::new();
        fresh.config.hostname = "nobody.invalid".to_owned();
        assert_eq!(fresh.look(name)[0].state, State::Warn);
    }
}

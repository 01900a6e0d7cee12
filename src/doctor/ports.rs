//! Whether our server runs and is the one that this configuration describes; listening addresses that
//! are free or ours; and a hostname that leads somewhere.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use super::unit::Unit;
use super::{Case, Finding, PATIENCE, Presence, System, within};
use crate::config::{Endpoint, Tls};

/// Who answers at the administration socket, and whether the data folder is somebody else's.
pub(super) fn server(case: &Case<'_>) -> Vec<Finding> {
    let socket = case.config.admin_socket.display();
    vec![match case.presence {
        Presence::Serving { hostname, .. } if *hostname != case.config.hostname => Finding::warn(
            "server",
            format!("the server that runs still serves as {hostname}"),
            "restart it, as in `systemctl restart veilpost`: the configuration is read at start",
        ),
        Presence::Serving { .. } => Finding::ok("server", "it runs and answers"),
        Presence::Silent => Finding::warn(
            "server",
            format!("somebody has {socket} and does not answer us: only root and the server's user may ask"),
            format!("sudo -u {} veilpost doctor", case.account.name),
        ),
        Presence::Stopped if is_locked(case) => Finding::fail(
            "server",
            format!("a veilpost uses {} and does not answer at {socket}", case.config.data_dir.display()),
            format!("see who it is with `fuser -v '{}'`, and stop it", lock_file(case).display()),
        ),
        Presence::Stopped => Finding::ok("server", "it does not run"),
    }]
}

/// Whether some process holds the data folder's lock. Looks for an instant, and keeps nothing.
fn is_locked(case: &Case<'_>) -> bool {
    let Ok(file) = std::fs::File::open(lock_file(case)) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn lock_file(case: &Case<'_>) -> std::path::PathBuf {
    case.config.data_dir.join("lock")
}

/// Every TCP address that the server would listen at.
pub(super) fn listeners(case: &Case<'_>) -> Vec<Finding> {
    wanted(case).into_iter().map(|(section, at)| listener(case, section, at)).collect()
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
        (ACME, acme),
    ];
    let each = |(section, addresses): (&'static str, &[SocketAddr])| {
        addresses.iter().map(move |at| (section, *at)).collect::<Vec<_>>()
    };
    sections.into_iter().flat_map(each).collect()
}

fn listener(case: &Case<'_>, section: &'static str, at: SocketAddr) -> Finding {
    if let Presence::Serving { listening, .. } = case.presence
        && (listening.contains(&at) || at.port() == 0)
    {
        return Finding::ok(CHECK, format!("[{section}] {at} is our running server's"));
    }
    match TcpListener::bind(at).map_err(|error| error.kind()) {
        Ok(_) => free(case, section, at),
        Err(ErrorKind::AddrInUse) => taken(case, section, at),
        Err(ErrorKind::PermissionDenied) => reserved(case, section, at),
        Err(kind) => {
            Finding::fail(CHECK, format!("[{section}] {at}: {kind}"), "give an address that this machine has")
        }
    }
}

fn free(case: &Case<'_>, section: &str, at: SocketAddr) -> Finding {
    match case.presence {
        // The authority's challenges are not among what the server tells.
        Presence::Serving { .. } if section != ACME => Finding::warn(
            CHECK,
            format!("[{section}] {at} is free: the server that runs was started without it"),
            "restart it, as in `systemctl restart veilpost`: the configuration is read at start",
        ),
        _ => Finding::ok(CHECK, format!("[{section}] {at} is free")),
    }
}

fn taken(case: &Case<'_>, section: &str, at: SocketAddr) -> Finding {
    match case.presence {
        Presence::Serving { .. } if section == ACME => {
            Finding::ok(CHECK, format!("[{section}] {at} is in use while the server runs"))
        }
        Presence::Silent => Finding::warn(
            CHECK,
            format!("[{section}] {at} is in use; whether by our server, only root and its user can ask"),
            format!("sudo -u {} veilpost doctor", case.account.name),
        ),
        _ => {
            let remedy = format!("see who has it with `ss -ltnp 'sport = :{}'`, or change listen", at.port());
            Finding::fail(CHECK, format!("[{section}] {at} is taken by another program"), remedy)
        }
    }
}

/// A port that we may not bind: the kernel's table says whether somebody has, the unit whether the server may.
fn reserved(case: &Case<'_>, section: &str, at: SocketAddr) -> Finding {
    if somebody_listens(case.system, at) {
        return taken(case, section, at);
    }
    if case.account.uid == 0 || Unit::of(case).is_some_and(|unit| unit.grants_ports()) {
        return Finding::ok(CHECK, format!("[{section}] {at} is free, and the server may have it"));
    }
    Finding::warn(
        CHECK,
        format!(
            "[{section}] {at} is free, and ports below 1024 are not for everybody: {} may not have it",
            case.account.name
        ),
        "start it by dist/veilpost.service, which grants CAP_NET_BIND_SERVICE; for a try, give ports above 1023",
    )
}

/// proc_net(5): the local address in hexadecimal, and state 0A for a socket that listens.
fn somebody_listens(system: &System, at: SocketAddr) -> bool {
    let port = format!(":{:04X}", at.port());
    let listens = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("0A")
    };
    let table = |path: &str| std::fs::read_to_string(system.at(path)).unwrap_or_default();
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| table(path).lines().any(listens))
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
const ACME: &str = "tls.acme";

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    fn state(fresh: &Fresh, at: SocketAddr) -> State {
        listener(&fresh.case(&fresh.file()), "smtp", at).state
    }

    fn serving(listening: &[SocketAddr]) -> Presence {
        Presence::Serving { hostname: "mail.example.org".to_owned(), listening: listening.to_vec() }
    }

    #[test]
    fn ports_are_free_taken_or_ours() {
        let mut fresh = Fresh::new();
        let other = TcpListener::bind("127.0.0.1:0").expect("binds");
        let bound = other.local_addr().expect("bound");
        assert_eq!(state(&fresh, bound), State::Fail);
        fresh.presence = serving(&[bound]);
        assert_eq!(state(&fresh, bound), State::Ok);
        fresh.presence = serving(&[]);
        assert_eq!(state(&fresh, bound), State::Fail, "our server runs, and this port is somebody else's");
        fresh.presence = Presence::Silent;
        assert_eq!(state(&fresh, bound), State::Warn);
        drop(other);
        fresh.presence = Presence::Stopped;
        assert_eq!(state(&fresh, "127.0.0.1:0".parse().expect("an address")), State::Ok);
        // TEST-NET-1 (RFC 5737) is no machine's.
        assert_eq!(state(&fresh, "192.0.2.1:2525".parse().expect("an address")), State::Fail);
    }

    #[test]
    fn ports_that_we_may_not_bind_are_judged_by_the_kernels_table_and_the_unit() {
        let mut fresh = Fresh::new();
        fresh.me = 4711;
        fresh.install_unit();
        let file = fresh.file();
        fresh.account = super::super::Account::of_server(&fresh.config, &file, &fresh.system);
        let at = "0.0.0.0:25".parse().expect("an address");
        let state = |fresh: &Fresh| reserved(&fresh.case(&file), "smtp", at).state;
        assert_eq!(state(&fresh), State::Ok);
        let line = "  sl  local_address rem_address   st\n   0: 00000000:0019 00000000:0000 0A 00000000\n";
        fresh.system_file("/proc/net/tcp", line);
        assert_eq!(state(&fresh), State::Fail, "somebody has it");
        fresh.system_file("/proc/net/tcp", &line.replace(" 0A ", " 01 "));
        fresh.system_file(
            "/etc/systemd/system/veilpost.service.d/p.conf",
            "[Service]\nAmbientCapabilities=\n",
        );
        assert_eq!(state(&fresh), State::Warn, "nobody has it, and the server may not");
    }

    #[test]
    fn a_lock_without_an_answer_is_somebody_elses() {
        let mut fresh = Fresh::new();
        assert_eq!(fresh.look(server)[0].state, State::Ok);
        let lock = std::fs::File::create(fresh.config.data_dir.join("lock")).expect("ours");
        assert_eq!(fresh.look(server)[0].state, State::Ok, "nobody holds it");
        lock.try_lock().expect("free");
        assert_eq!(fresh.look(server)[0].state, State::Fail);
        fresh.presence = serving(&[]);
        assert_eq!(fresh.look(server)[0].state, State::Ok, "our own server holds it");
        fresh.config.hostname = "new.example.org".to_owned();
        assert_eq!(fresh.look(server)[0].state, State::Warn);
        fresh.presence = Presence::Silent;
        assert_eq!(fresh.look(server)[0].state, State::Warn);
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
    fn a_name_that_nobody_has_is_worth_a_look() {
        let mut fresh = Fresh::new();
        fresh.config.hostname = "nobody.invalid".to_owned();
        assert_eq!(fresh.look(name)[0].state, State::Warn);
    }
}

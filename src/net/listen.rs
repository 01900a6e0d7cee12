//! Accept loops, and who gets a seat when many want one.
//!
//! Every session runs in a task of its own and holds a [`Seat`] at the one [`Table`] of all listeners; a panic
//! ends that task only, and the seat is free again. Hundreds of idle or slow peers never keep a newcomer out: when all
//! seats are taken, a peer that has achieved nothing gives way, first of the address with most
//! seats, then the one whose last achievement is oldest. A newcomer is turned away only when
//! everybody seated is at work or has authenticated.
//!
//! Refuses to know the protocol: what is said to a peer turned away is a setting, and what counts
//! as an achievement is what the session reports.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stream::Connection;

/// A socket that accepts connections.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket. Its file is removed when the listener is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket, removed on drop.
pub struct SocketFile(PathBuf);

impl Listener {
    /// Listens on a TCP address. An IPv6 address takes IPv6 only, so that `[::]` and `0.0.0.0` can
    /// stand side by side. Fails when the address is taken or not ours.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into()).map(Self::Tcp)
    }

    /// Listens on a Unix socket at `path`. A socket file that nobody listens on, as a crash leaves
    /// it, is replaced; one that somebody listens on, and any other file, is not.
    pub fn unix(path: &Path) -> io::Result<Self> {
        if is_abandoned(path) {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        Ok(Self::Unix(listener, SocketFile(path.to_owned())))
    }

    /// The TCP address in use, with the port the system chose for port 0.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => {
                let (socket, _) = listener.accept().await?;
                // Replies are small and written whole; Nagle's algorithm would only delay them.
                socket.set_nodelay(true)?;
                let probes = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
                SockRef::from(&socket).set_tcp_keepalive(&probes)?;
                Ok(Connection::Plain(socket))
            }
            Self::Unix(listener, _) => Ok(Connection::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have cleaned up already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where sessions sit, and how long they may take to leave.
#[derive(Clone)]
pub struct Limits {
    /// The seats that this listener shares with others.
    pub table: Arc<Table>,
    /// How long a session may go on after it was told to leave, by eviction or shutdown.
    pub leave_within: Duration,
    /// What a peer that is turned away is told, in the clear.
    pub refusal: &'static [u8],
}

/// A connection as a session gets it.
pub struct Visit {
    /// The connection.
    pub connection: Connection,
    /// Its seat; dropping it makes room.
    pub seat: Seat,
    /// Cancelled when the server stops: finish the command at hand, say goodbye, leave.
    pub shutdown: CancellationToken,
}

impl Visit {
    /// A visit outside any listener, with a seat that nobody contends for.
    pub fn alone(connection: Connection, shutdown: CancellationToken) -> Self {
        let table = Table::new(usize::MAX, usize::MAX);
        let seat = table.seat(Group::Local);
        Self { connection, seat, shutdown }
    }
}

/// Accepts connections and runs `session` for each, until `shutdown` is cancelled; then waits for
/// the sessions to end, at most [`Limits::leave_within`], and drops those that are left.
pub async fn serve<S, F>(listener: Listener, limits: Limits, shutdown: CancellationToken, session: S)
where
    S: Fn(Visit) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let table = Arc::clone(&limits.table);
    let tasks = TaskTracker::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => {
                pause = FIRST_PAUSE;
                admit(connection, &table, &limits, &shutdown, &tasks, &session);
            }
            // The peer has gone again; nothing is wrong with us.
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                table.complain(&error);
                table.evict_one();
                wait_or_stop(pause, &shutdown).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

fn admit<S, F>(
    connection: Connection,
    table: &Arc<Table>,
    limits: &Limits,
    shutdown: &CancellationToken,
    tasks: &TaskTracker,
    session: &S,
) where
    S: Fn(Visit) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let group = connection.peer().map_or(Group::Local, Group::of);
    let Some(seat) = table.admit(group) else {
        return turn_away(&connection, limits.refusal);
    };
    let told_to_leave = seat.told_to_leave.clone();
    let (stop, leave_within) = (shutdown.clone(), limits.leave_within);
    let session = session(Visit { connection, seat, shutdown: shutdown.clone() });
    tasks.spawn(async move {
        let overdue = async {
            tokio::select! {
                () = told_to_leave.cancelled() => {}
                () = stop.cancelled() => {}
            }
            tokio::time::sleep(leave_within).await;
        };
        tokio::select! {
            () = session => {}
            () = overdue => tracing::info!("a session did not leave in time and was dropped"),
        }
    });
}

/// A fresh socket's send buffer takes these few octets at once; if not, the peer learns less.
fn turn_away(connection: &Connection, refusal: &[u8]) {
    let _ = match connection {
        Connection::Plain(socket) => socket.try_write(refusal),
        Connection::Unix(socket) => socket.try_write(refusal),
        Connection::Tls(_) | Connection::Deflated(_) => Ok(0),
    };
}

async fn wait_or_stop(pause: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    // Setting an option on a socket whose peer has reset it gives InvalidInput on some systems.
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected)
}

fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refuses = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refuses)
}

/// A place among the connections of all listeners.
pub struct Seat {
    id: u64,
    table: Arc<Table>,
    group: Group,
    told_to_leave: CancellationToken,
}

impl Seat {
    /// Waits until the seat is wanted for somebody else. A session waits for this wherever it
    /// waits for its peer, says goodbye and ends.
    pub async fn evicted(&self) {
        self.told_to_leave.cancelled().await;
    }

    /// Whether the seat is wanted for somebody else.
    pub fn is_evicted(&self) -> bool {
        self.told_to_leave.is_cancelled()
    }

    /// The peer has achieved something that idling cannot: moves it back in the order of eviction.
    pub fn progress(&self) {
        self.change(|guest| guest.since = Instant::now());
    }

    /// The peer has authenticated: from now on it is not evicted.
    pub fn proven(&self) {
        self.change(|guest| guest.proven = true);
    }

    /// While the guard lives the server is at work for the peer, which is not evicted.
    pub fn working(&self) -> Working<'_> {
        self.change(|guest| guest.working = true);
        Working(self)
    }

    /// Who may say later that the peer has authenticated.
    pub fn standing(&self) -> Standing {
        Standing { id: self.id, table: Arc::clone(&self.table) }
    }

    /// Where the peer comes from, as limits count it.
    pub fn group(&self) -> Group {
        self.group
    }

    fn change(&self, change: impl FnOnce(&mut Guest)) {
        self.table.change(self.id, change);
    }
}

/// A hand on somebody else's seat: whoever finds out that the peer has authenticated says so by it.
#[derive(Clone)]
pub struct Standing {
    id: u64,
    table: Arc<Table>,
}

impl Standing {
    /// The same as [`Seat::proven`]; of no effect once the peer has left.
    pub fn proven(&self) {
        self.table.change(self.id, |guest| guest.proven = true);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.leave(self.id);
    }
}

/// The server is at work for a peer; see [`Seat::working`].
pub struct Working<'a>(&'a Seat);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.change(|guest| guest.working = false);
    }
}

/// Connections counted together: an IPv4 address, an IPv6 /64 (the least a customer gets, RFC 6177),
/// or this machine's Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// A Unix socket.
    Local,
    /// The address, or the first of its /64.
    Remote(IpAddr),
}

impl Group {
    /// Where a peer with this address belongs.
    pub fn of(peer: IpAddr) -> Self {
        Self::Remote(match peer.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            address => address,
        })
    }
}

struct Guest {
    group: Group,
    since: Instant,
    /// Has authenticated.
    proven: bool,
    working: bool,
    told_to_leave: CancellationToken,
}

impl Guest {
    fn may_be_evicted(&self) -> bool {
        !self.proven && !self.working && !self.told_to_leave.is_cancelled()
    }
}

/// The seats of all listeners that share it.
pub struct Table {
    total: usize,
    per_address: usize,
    seats: Mutex<Seats>,
    complaints: Mutex<Complaints>,
}

/// Failures to accept, which come by the hundred: one line of the log tells of many.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    untold: u64,
}

#[derive(Default)]
struct Seats {
    next: u64,
    guests: HashMap<u64, Guest>,
    counts: HashMap<Group, usize>,
    /// Guests told to leave that have not left yet.
    leaving: usize,
}

impl Table {
    /// So many seats in all, and for one IPv4 address or IPv6 /64. Unix sockets have no such limit.
    pub fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { total, per_address, seats: Mutex::default(), complaints: Mutex::default() })
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = self.lock().guests.get_mut(&id) {
            change(guest);
        }
    }

    /// Warns that a connection could not be accepted, at most once a minute. How often it happened, when it
    /// says so.
    fn complain(&self, error: &io::Error) -> Option<u64> {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        complaints.untold += 1;
        if complaints.last.is_some_and(|last| last.elapsed() < COMPLAIN_EVERY) {
            return None;
        }
        complaints.last = Some(Instant::now());
        let times = std::mem::take(&mut complaints.untold);
        tracing::warn!(%error, times, "connections cannot be accepted; listeners wait a moment before they go on");
        Some(times)
    }

    /// No code panics while it holds the lock; if it did, the counts would still be sound.
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a newcomer, if need be that of somebody else.
    fn admit(self: &Arc<Self>, group: Group) -> Option<Seat> {
        let mut seats = self.lock();
        let of_group = seats.counts.get(&group).copied().unwrap_or(0);
        let crowded = group != Group::Local && of_group >= self.per_address;
        // Guests told to leave keep their sockets for a moment, so there may be only so many.
        let room = seats.guests.len() - seats.leaving < self.total && !crowded;
        let admitted = room || (seats.leaving < MAX_LEAVING && seats.evict(crowded.then_some(group)));
        drop(seats);
        admitted.then(|| self.seat(group))
    }

    fn evict_one(&self) {
        self.lock().evict(None);
    }

    fn seat(self: &Arc<Self>, group: Group) -> Seat {
        let told_to_leave = CancellationToken::new();
        let mut seats = self.lock();
        let id = seats.next;
        seats.next += 1;
        *seats.counts.entry(group).or_default() += 1;
        let guest = Guest {
            group,
            since: Instant::now(),
            proven: false,
            working: false,
            told_to_leave: told_to_leave.clone(),
        };
        seats.guests.insert(id, guest);
        drop(seats);
        Seat { id, table: Arc::clone(self), group, told_to_leave }
    }

    fn leave(&self, id: u64) {
        let mut seats = self.lock();
        let Some(guest) = seats.guests.remove(&id) else { return };
        if guest.told_to_leave.is_cancelled() {
            seats.leaving -= 1;
        } else {
            seats.uncount(guest.group);
        }
    }
}

impl Seats {
    /// Tells one guest to leave, of `group` if given; false when nobody can be asked to.
    fn evict(&mut self, group: Option<Group>) -> bool {
        let candidates = self.guests.values().filter(|guest| guest.may_be_evicted());
        let of_group = candidates.filter(|guest| group.is_none_or(|group| guest.group == group));
        let rank = |guest: &&Guest| {
            // Unix sockets belong to this machine's own programs: they are no crowd.
            let crowd = if guest.group == Group::Local { 0 } else { self.counts[&guest.group] };
            (std::cmp::Reverse(crowd), guest.since)
        };
        let Some(guest) = of_group.min_by_key(rank) else { return false };
        guest.told_to_leave.cancel();
        let group = guest.group;
        self.uncount(group);
        self.leaving += 1;
        true
    }

    fn uncount(&mut self, group: Group) {
        if let Some(count) = self.counts.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&group);
            }
        }
    }
}

/// Connections the kernel completes ahead of `accept`.
const BACKLOG: i32 = 1024;
/// How long a TCP connection is silent before the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Guests on their way out, above the limit, before newcomers are turned away.
const MAX_LEAVING: usize = 256;
/// Pauses after errors such as EMFILE, which `accept` would repeat at once.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two lines of the log about them.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpStream, UnixStream};

    fn group(last: u8) -> Group {
        Group::of(IpAddr::from([192, 0, 2, last]))
    }

    fn table(total: usize, per_address: usize) -> Arc<Table> {
        Table::new(total, per_address)
    }

    #[test]
    fn ipv6_counts_by_its_first_64_bits() {
        let of = |text: &str| Group::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), group(1));
    }

    #[test]
    fn the_longest_idle_gives_way() {
        let table = table(2, 9);
        let (first, second) = (table.admit(group(1)), table.admit(group(2)));
        let (first, second) = (first.expect("room"), second.expect("room"));
        first.progress();
        assert!(table.admit(group(3)).is_some());
        assert!(second.is_evicted() && !first.is_evicted());
    }

    #[test]
    fn the_address_with_most_seats_gives_way_first() {
        let table = table(4, 9);
        let lone = table.admit(group(1)).expect("room");
        let crowd: Vec<Seat> = (0..3).map(|_| table.admit(group(2)).expect("room")).collect();
        let _newcomer = table.admit(group(3)).expect("somebody gives way");
        assert!(!lone.is_evicted() && crowd[0].is_evicted());
        let _newcomer = table.admit(group(4)).expect("somebody gives way");
        assert!(!lone.is_evicted() && crowd[1].is_evicted());
    }

    #[test]
    fn an_address_over_its_limit_loses_its_own_seats_only() {
        let table = table(9, 2);
        let other = table.admit(group(1)).expect("room");
        let own: Vec<Seat> = (0..2).map(|_| table.admit(group(2)).expect("room")).collect();
        let _third = table.admit(group(2)).expect("the first gives way");
        assert!(own[0].is_evicted() && !own[1].is_evicted() && !other.is_evicted());
    }

    #[test]
    fn the_proven_and_the_working_stay() {
        let table = table(2, 9);
        let (first, second) = (table.admit(group(1)).unwrap(), table.admit(group(2)).unwrap());
        first.proven();
        let working = second.working();
        assert!(table.admit(group(3)).is_none());
        drop(working);
        assert!(table.admit(group(3)).is_some());
        assert!(second.is_evicted() && !first.is_evicted());
    }

    #[test]
    fn whoever_has_logged_in_yields_to_no_stranger() {
        let table = table(1000, 64);
        let known: Vec<Seat> = (0..63).map(|_| table.admit(group(1)).expect("room")).collect();
        known.iter().for_each(|seat| seat.standing().proven());
        let stranger = table.admit(group(1)).expect("the last seat");
        for _ in 0..100 {
            assert!(table.admit(group(1)).is_some());
        }
        assert!(stranger.is_evicted() && !known.iter().any(Seat::is_evicted));
    }

    #[tokio::test(start_paused = true)]
    async fn one_warning_tells_of_many_failures() {
        let table = table(1, 1);
        let full = io::Error::from_raw_os_error(24);
        assert_eq!(table.complain(&full), Some(1));
        assert!((0..80).all(|_| table.complain(&full).is_none()));
        tokio::time::advance(COMPLAIN_EVERY).await;
        assert_eq!(table.complain(&full), Some(81));
    }

    #[tokio::test]
    async fn listeners_share_one_table() {
        let (shutdown, limits) = (CancellationToken::new(), limits(2));
        let ((one, first), (other, second)) = (listen().await, listen().await);
        let servers = [one, other]
            .map(|listener| tokio::spawn(serve(listener, limits.clone(), shutdown.clone(), echo)));
        let mut peers = Vec::new();
        for address in [first, second] {
            let mut peer = TcpStream::connect(address).await.expect("connects");
            assert_eq!(ask(&mut peer, b'a').await, Some(b'a'));
            peers.push(peer);
        }
        let mut third = TcpStream::connect(second).await.expect("connects");
        assert_eq!(ask(&mut third, b'b').await, Some(b'b'));
        assert_eq!(ask(&mut peers[0], b'a').await, None, "the first of the other listener gave way");
        assert_eq!(ask(&mut peers[1], b'a').await, Some(b'a'));
        shutdown.cancel();
        for server in servers {
            server.await.expect("ends");
        }
    }

    #[test]
    fn seats_are_given_back() {
        let table = table(1, 1);
        for _ in 0..3 {
            let seat = table.admit(group(1)).expect("room");
            let next = table.admit(group(1)).expect("the first gives way");
            drop((seat, next));
        }
        let seats = table.lock();
        assert_eq!((seats.guests.len(), seats.counts.len(), seats.leaving), (0, 0, 0));
    }

    #[test]
    fn a_thousand_idle_guests_keep_nobody_out() {
        let table = table(100, 20);
        let mut idle = Vec::new();
        for at in 0..1000_u32 {
            let peer = IpAddr::from((0x0a00_0000_u32 + at).to_be_bytes());
            idle.extend(table.admit(Group::of(peer)));
            idle.retain(|seat| !seat.is_evicted());
            assert!(idle.len() <= 100);
        }
        assert!(table.admit(group(1)).is_some());
    }

    fn limits(total: usize) -> Limits {
        let table = table(total, total);
        Limits { table, leave_within: Duration::from_secs(5), refusal: b"busy\r\n" }
    }

    async fn listen() -> (Listener, SocketAddr) {
        let listener = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("TCP has an address");
        (listener, address)
    }

    async fn echo(mut visit: Visit) {
        let mut octet = [0];
        loop {
            tokio::select! {
                read = visit.connection.read_exact(&mut octet) => match read {
                    Ok(_) if octet[0] == b'!' => panic!("as the test wants it"),
                    Ok(_) => visit.connection.write_all(&octet).await.expect("the peer listens"),
                    Err(_) => return,
                },
                () = visit.seat.evicted() => return,
                () = visit.shutdown.cancelled() => return,
            }
        }
    }

    async fn ask(peer: &mut TcpStream, octet: u8) -> Option<u8> {
        let _ = peer.write_all(&[octet]).await;
        peer.read_u8().await.ok()
    }

    #[tokio::test]
    async fn a_panic_stays_in_its_task() {
        let (listener, address) = listen().await;
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, limits(2), shutdown.clone(), echo));
        let mut first = TcpStream::connect(address).await.expect("connects");
        let mut second = TcpStream::connect(address).await.expect("connects");
        assert_eq!(ask(&mut first, b'!').await, None);
        assert_eq!(ask(&mut second, b'a').await, Some(b'a'));
        shutdown.cancel();
        server.await.expect("the listener outlives its sessions");
    }

    #[tokio::test]
    async fn a_newcomer_takes_the_seat_of_the_idle() {
        let (listener, address) = listen().await;
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, limits(1), shutdown.clone(), echo));
        let mut first = TcpStream::connect(address).await.expect("connects");
        assert_eq!(ask(&mut first, b'a').await, Some(b'a'));
        let mut second = TcpStream::connect(address).await.expect("connects");
        assert_eq!(ask(&mut second, b'b').await, Some(b'b'));
        assert_eq!(ask(&mut first, b'a').await, None);
        shutdown.cancel();
        server.await.expect("ends");
    }

    #[tokio::test]
    async fn whoever_is_turned_away_is_told() {
        let (listener, address) = listen().await;
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, limits(1), shutdown.clone(), |visit| async {
            visit.seat.proven();
            echo(visit).await;
        }));
        let mut first = TcpStream::connect(address).await.expect("connects");
        assert_eq!(ask(&mut first, b'a').await, Some(b'a'));
        let mut told = Vec::new();
        let mut second = TcpStream::connect(address).await.expect("connects");
        second.read_to_end(&mut told).await.expect("a farewell");
        assert_eq!(told, b"busy\r\n");
        shutdown.cancel();
        server.await.expect("ends");
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_drops_whoever_does_not_leave() {
        let (listener, address) = listen().await;
        let (shutdown, started) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&started);
        let server = tokio::spawn(serve(listener, limits(9), shutdown.clone(), move |visit| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                let _visit = visit;
                std::future::pending::<()>().await;
            }
        }));
        let mut peer = TcpStream::connect(address).await.expect("connects");
        while started.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
        server.await.expect("ends");
        assert!(peer.read_u8().await.is_err());
    }

    #[tokio::test]
    async fn a_socket_file_left_by_a_crash_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lmtp");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        let listener = Listener::unix(&path).expect("replaces the file");
        assert!(Listener::unix(&path).is_err(), "somebody listens");
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(listener);
        assert!(!path.exists());
    }
}

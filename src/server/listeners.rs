//! Opens the listeners and gives each the sessions that it serves.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::calls::Desk as CallDesk;
use super::imap_room::ImapDesk;
use super::mailroom::Desk;
use super::{Door, Server, StartError};
use crate::admin::socket;
use crate::autoconfig::Services;
use crate::config::{Config, Endpoint, Tls};
use crate::dashboard::{self, House};
use crate::gateway::{imap, pop3};
use crate::net::acme::Renewer;
use crate::net::listen::{self, Listener, Table, Visit};
use crate::net::metrics::{self, Probe, Protocol};
use crate::net::tls::{Files, Inside, ServerTls};
use crate::net::web;
use crate::pipeline::Entrance;
use crate::reception::{self, MemoryBudget, Role, Service};
use crate::shutdown::Lifecycle;
use crate::vault::Vault;

/// Where the server listens, with the ports that it got.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// SMTP.
    pub smtp: Vec<SocketAddr>,
    /// LMTP, by TCP.
    pub lmtp: Vec<SocketAddr>,
    /// IMAP with STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP under TLS.
    pub imaps: Vec<SocketAddr>,
    /// POP3 with STLS.
    pub pop3: Vec<SocketAddr>,
    /// POP3 under TLS.
    pub pop3s: Vec<SocketAddr>,
    /// The dashboard.
    pub dashboard: Vec<SocketAddr>,
    /// Metrics.
    pub metrics: Vec<SocketAddr>,
    /// The administration socket.
    pub admin_socket: PathBuf,
}

/// Binds the dashboard's listeners, before anything else: links name their port.
pub fn bind_dashboard(config: &Config) -> Result<Vec<Listener>, StartError> {
    config.dashboard.listen.iter().map(|address| bind(&Endpoint::Tcp(*address))).collect()
}

/// What all listeners have in common.
pub struct Front<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Until when they are open.
    pub life: &'a Lifecycle,
    /// Who may be connected, all listeners together.
    pub seats: Arc<Table>,
}

impl<'a> Front<'a> {
    /// As configured.
    pub fn new(config: &'a Config, life: &'a Lifecycle) -> Self {
        let limits = &config.limits;
        let seats = Table::new(limits.connections.get(), limits.connections_per_address.get());
        Self { config, life, seats }
    }
}

/// Opens the listeners of mail and metrics.
pub async fn open(front: &Front<'_>, vault: &Arc<Vault>) -> Result<(Listening, ServerTls), StartError> {
    let Front { config, life, .. } = *front;
    let tls = certificate(config, vault, life)?;
    let mut listening = Listening { admin_socket: config.admin_socket.clone(), ..Listening::default() };
    let memory = MemoryBudget::new(
        usize::try_from(config.limits.memory_in_flight / 2).unwrap_or(usize::MAX),
        usize::try_from(config.smtp.max_message_size).unwrap_or(usize::MAX),
    );
    let smtp = service(config, vault, &tls, Role::Mx, memory.clone())?;
    for address in &config.smtp.listen {
        let listener = bind(&Endpoint::Tcp(*address))?;
        listening.smtp.extend(listener.local_addr());
        receive(front, listener, smtp.clone(), vault, Protocol::smtp);
    }
    let lmtp = service(config, vault, &tls, Role::Lmtp, memory.clone())?;
    for endpoint in &config.lmtp.listen {
        let listener = bind(endpoint)?;
        listening.lmtp.extend(listener.local_addr());
        receive(front, listener, lmtp.clone(), vault, Protocol::lmtp);
    }
    let door = Arc::new(Door::new(vault.clone()));
    open_imap(front, vault, &door, &tls, &mut listening)?;
    open_pop3(front, vault, &door, &tls, &mut listening)?;
    open_metrics(config, vault, &tls, memory, life, &mut listening)?;
    Ok((listening, tls))
}

/// What mail clients are told: the ports that are bound, where the configuration leaves them open.
fn services(config: &Config, listening: &Listening) -> Services {
    let told = Services::of(config);
    let bound = |port: Option<u16>, bound: &[SocketAddr]| match port {
        Some(0) => bound.first().map(SocketAddr::port),
        port => port,
    };
    Services {
        imap: bound(told.imap, &listening.imap),
        imaps: bound(told.imaps, &listening.imaps),
        pop3: bound(told.pop3, &listening.pop3),
        pop3s: bound(told.pop3s, &listening.pop3s),
        ..told
    }
}

/// Opens the dashboard: it needs the whole server.
pub fn open_dashboard(
    front: &Front<'_>,
    server: &Arc<Server>,
    listeners: Vec<Listener>,
) -> Result<(), StartError> {
    let config = front.config;
    let house = House::new(
        server.vault.clone(),
        server.sessions.clone(),
        server.notary.clone(),
        Arc::new(CallDesk::new(server)),
        Arc::new(services(config, &server.listening)),
        server.indexes.clone(),
    );
    let router = dashboard::router(house);
    for listener in listeners {
        let (router, tls) = (router.clone(), server.tls.config(Inside::Http)?);
        let (handshake, metrics) = (config.limits.handshake, server.vault.metrics.clone());
        accept(front, listener, b"", move |visit| {
            let session = metrics.session(Protocol::dashboard);
            let serve = web::serve(visit, tls.clone(), handshake, router.clone());
            async move {
                serve.await;
                drop(session);
            }
        });
    }
    Ok(())
}

/// Opens the administration socket: last, because it needs the whole server.
pub fn open_admin(config: &Config, server: &Arc<Server>, life: &Lifecycle) -> Result<(), StartError> {
    let listener = socket::bind(&config.admin_socket).map_err(|source| StartError::Listen {
        address: config.admin_socket.display().to_string(),
        source,
    })?;
    life.spawn(socket::serve(listener, Arc::new(CallDesk::new(server)), life.stop()));
    Ok(())
}

fn certificate(config: &Config, vault: &Vault, life: &Lifecycle) -> Result<ServerTls, StartError> {
    match &config.tls {
        Tls::Files { certificate, key } => {
            let (files, certificate) = Files::load(certificate, key)?;
            let tls = ServerTls::new(certificate);
            life.spawn(files.watch(tls.clone(), life.hangups(), life.stop()));
            Ok(tls)
        }
        Tls::Acme(acme) => {
            let renewer = Renewer::new(acme.clone(), vault.clock.clone())?;
            let tls = renewer.tls();
            let listeners = acme.listen.iter().map(|address| bind_tcp(*address)).collect::<Result<_, _>>()?;
            life.spawn(renewer.run(listeners, life.stop()));
            Ok(tls)
        }
    }
}

type Reception = Arc<Service<Entrance, Entrance>>;

fn service(
    config: &Config,
    vault: &Arc<Vault>,
    tls: &ServerTls,
    role: Role,
    memory: MemoryBudget,
) -> Result<Reception, StartError> {
    let limits = reception::Limits {
        message: usize::try_from(config.smtp.max_message_size).unwrap_or(usize::MAX),
        wait: config.limits.command,
        content_grace: config.limits.data,
        ..reception::Limits::default()
    };
    let tls = Some(tls.config(Inside::Smtp)?);
    let settings = reception::Settings { hostname: config.hostname.clone(), role, tls, limits };
    let clock = vault.clock.clone();
    Ok(Arc::new(Service::new(settings, Entrance(vault.clone()), Entrance(vault.clone()), memory, clock)))
}

fn receive(
    front: &Front<'_>,
    listener: Listener,
    service: Reception,
    vault: &Arc<Vault>,
    protocol: Protocol,
) {
    let metrics = vault.metrics.clone();
    accept(front, listener, b"421 4.3.2 too many connections\r\n", move |visit| {
        let (service, session) = (service.clone(), metrics.session(protocol));
        async move {
            service.serve(visit).await;
            drop(session);
        }
    });
}

fn open_imap(
    front: &Front<'_>,
    vault: &Arc<Vault>,
    door: &Arc<Door>,
    tls: &ServerTls,
    listening: &mut Listening,
) -> Result<(), StartError> {
    let config = front.config;
    let settings = Arc::new(imap::Settings {
        tls: Some(tls.config(Inside::Imap)?),
        inactivity: config.limits.idle.max(imap::MIN_INACTIVITY),
        append_limit: u32::try_from(config.smtp.max_message_size).unwrap_or(u32::MAX),
        clock: vault.clock.clone(),
        uploads: imap::Uploads::new(
            (config.limits.memory_in_flight / 8).max(2 * config.smtp.max_message_size),
        ),
        ..imap::Settings::default()
    });
    let desk = Arc::new(ImapDesk::new(door.clone()));
    let doors = Doors {
        clear: &config.imap.listen,
        secure: &config.imaps.listen,
        tls: tls.config(Inside::Imap)?,
        refusal: b"* BYE [UNAVAILABLE] too many connections\r\n",
        protocol: Protocol::imap,
    };
    let serve = move |visit| {
        let (desk, settings) = (desk.clone(), settings.clone());
        async move {
            let _end = imap::attend(visit, desk, settings).await;
        }
    };
    (listening.imap, listening.imaps) = doors.open(front, vault, serve)?;
    Ok(())
}

fn open_pop3(
    front: &Front<'_>,
    vault: &Arc<Vault>,
    door: &Arc<Door>,
    tls: &ServerTls,
    listening: &mut Listening,
) -> Result<(), StartError> {
    let config = front.config;
    let settings = Arc::new(pop3::Settings {
        tls: Some(tls.config(Inside::Pop3)?),
        inactivity: config.limits.idle.max(pop3::MIN_INACTIVITY),
        ..pop3::Settings::new(config.hostname.clone())
    });
    let desk = Arc::new(Desk::new(door.clone()));
    let doors = Doors {
        clear: &config.pop3.listen,
        secure: &config.pop3s.listen,
        tls: tls.config(Inside::Pop3)?,
        refusal: b"-ERR [SYS/TEMP] too many connections\r\n",
        protocol: Protocol::pop3,
    };
    let serve = move |visit| {
        let (desk, settings) = (desk.clone(), settings.clone());
        async move {
            let _end = pop3::attend(visit, desk, settings).await;
        }
    };
    (listening.pop3, listening.pop3s) = doors.open(front, vault, serve)?;
    Ok(())
}

/// Where mail clients come in by one protocol.
struct Doors<'a> {
    /// In clear, until the client asks for TLS.
    clear: &'a [SocketAddr],
    /// Under TLS from the first octet (RFC 8314 §3).
    secure: &'a [SocketAddr],
    /// For those.
    tls: Arc<rustls::ServerConfig>,
    /// Told in clear when there are too many.
    refusal: &'static [u8],
    protocol: Protocol,
}

impl Doors<'_> {
    /// Opens them, and has each connection served. Where they are, in clear and under TLS.
    fn open<S, F>(
        &self,
        front: &Front<'_>,
        vault: &Vault,
        serve: S,
    ) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), StartError>
    where
        S: Fn(Visit) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handshake = Some((self.tls.clone(), front.config.limits.handshake));
        let open = |listen: &[SocketAddr], refusal: &'static [u8], handshake: Option<Handshake>| {
            let mut bound = Vec::new();
            for address in listen {
                let listener = bind(&Endpoint::Tcp(*address))?;
                bound.extend(listener.local_addr());
                let (metrics, protocol) = (vault.metrics.clone(), self.protocol);
                let (serve, handshake) = (serve.clone(), handshake.clone());
                accept(front, listener, refusal, move |visit| {
                    let session = metrics.session(protocol);
                    let (serve, handshake) = (serve.clone(), handshake.clone());
                    async move {
                        attend(visit, handshake, serve).await;
                        drop(session);
                    }
                });
            }
            Ok::<_, StartError>(bound)
        };
        Ok((open(self.clear, self.refusal, None)?, open(self.secure, b"", handshake)?))
    }
}

/// Settings for a handshake, and how long it may take.
type Handshake = (Arc<rustls::ServerConfig>, Duration);

/// One session of a mail client, under TLS from its first octet when `handshake` is given.
async fn attend<S, F>(visit: Visit, handshake: Option<Handshake>, serve: S)
where
    S: Fn(Visit) -> F,
    F: Future<Output = ()>,
{
    let Some((tls, wait)) = handshake else { return serve(visit).await };
    let Visit { connection, seat, shutdown } = visit;
    // Boxed: a handshake's state is large, and gone after it.
    let handshake = Box::pin(timeout(wait, connection.start_tls(tls)));
    let connection = tokio::select! {
        connection = handshake => connection,
        // Nothing can be said in the middle of a handshake.
        () = seat.evicted() => return,
    };
    if let Ok(Ok(connection)) = connection {
        seat.progress();
        serve(Visit { connection, seat, shutdown }).await;
    }
}

fn open_metrics(
    config: &Config,
    vault: &Arc<Vault>,
    tls: &ServerTls,
    memory: MemoryBudget,
    life: &Lifecycle,
    listening: &mut Listening,
) -> Result<(), StartError> {
    let most = memory.free();
    for address in &config.metrics.listen {
        let listener = bind_tcp(*address)?;
        listening.metrics.extend(listener.local_addr().ok());
        let (tls, memory) = (tls.clone(), memory.clone());
        let refresh = move |metrics: &metrics::Metrics| {
            metrics.certificate_not_after.set(tls.not_after().unix());
            metrics.memory_in_flight.set(most.saturating_sub(memory.free()) as i64);
        };
        let probe = Probe { refresh: Box::new(refresh), ..Probe::default() };
        life.spawn(metrics::serve(listener, vault.metrics.clone(), probe, life.stop()));
    }
    Ok(())
}

fn accept<S, F>(front: &Front<'_>, listener: Listener, refusal: &'static [u8], session: S)
where
    S: Fn(Visit) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (table, leave_within) = (front.seats.clone(), front.config.limits.shutdown);
    let (limits, stop) = (listen::Limits { table, leave_within, refusal }, front.life.stop());
    front.life.spawn(async move { listen::serve(listener, limits, stop, session).await });
}

fn bind(endpoint: &Endpoint) -> Result<Listener, StartError> {
    let bound = match endpoint {
        Endpoint::Tcp(address) => Listener::tcp(*address),
        Endpoint::Unix(path) => Listener::unix(path),
    };
    bound.map_err(|source| StartError::Listen { address: endpoint.to_string(), source })
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener, StartError> {
    match bind(&Endpoint::Tcp(address))? {
        Listener::Tcp(listener) => Ok(listener),
        Listener::Unix(..) => Err(StartError::Listen {
            address: address.to_string(),
            source: std::io::Error::other("not a TCP address"),
        }),
    }
}

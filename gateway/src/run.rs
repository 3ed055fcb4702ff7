//! From a configuration file to a serving process, and to its end.

use crate::cli::{Failure, RunArgs};
use crate::control::lifecycle::Lifecycle;
use crate::control::stop::Stop;
use crate::control::{self, Control, Parts, Unreadable};
use crate::edge::Edge;
use crate::handover::{self, ReadyGuard};
use crate::listen::{Door, EdgeService, Role, socket};
use crate::migrate;
use crate::observe::access::AccessLog;
use crate::observe::logging::{self, Format, LogQueue};
use crate::observe::metrics::Metrics;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::store::{self, Records, Store};
use crate::watch::{Timing, Watch};
use anyhow::Context as _;
use async_trait::async_trait;
use mcphub_conf::Loaded;
use mcphub_conf::settings::{LogFormat, StateSettings};
use mcphub_session::SessionStore as _;
use pingora::server::configuration::ServerConf;
use pingora::server::{ListenFds, RunArgs as ServerArgs, Server, ShutdownWatch};
use pingora::services::Service;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::Signal;
use tokio::sync::oneshot;

/// How long a successor waits to be given the listeners.
const SUCCESSION_WAIT: Duration = Duration::from_secs(600);

/// How long to wait for what was remembered. Reading ten thousand records takes a tenth of that.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// The configuration has mistakes, or something it names cannot be used: an address, a certificate, a key.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let hangups = control::hangups().context("cannot listen for SIGHUP")?;
    let loaded = control::read(&args.config).map_err(|unreadable| match unreadable {
        Unreadable::Mistakes(report) => Failure::Config(report),
        key @ Unreadable::Key(_) => Failure::Runtime(key.into()),
    })?;
    let (errors, _errors_guard) = LogQueue::start(std::io::stderr())?;
    let (lines, _lines_guard) = LogQueue::start(std::io::stdout())?;
    let log = logging::start(control::level_of(&loaded), format_of(&loaded), errors).ok();
    for warning in loaded.warnings.render_text().lines().filter(|line| !line.is_empty()) {
        tracing::warn!("{warning}");
    }
    let metrics = Metrics::new().context("cannot register the metrics")?;
    // Everything that can be wrong with the configuration is found before anything is taken over or bound.
    let first = Snapshot::build(loaded.settings.clone(), 1, None, &metrics)
        .map_err(|error| Failure::Runtime(error.into()))?;
    let state = state_directory(&loaded);
    std::fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
    let upgrade_socket = state.join("run").join("upgrade.sock");
    let (inherited, ready) = if args.upgrade { take_over(&upgrade_socket)? } else { (activated()?, None) };
    let sockets = Sockets::open(&loaded, inherited)?;

    let store = open_store(&loaded, &state)?;
    // Dropped last: the store on NATS lives on it.
    let (records, _runtime) = open_records(&loaded, &store)?;
    let (publisher, snapshots) = mcphub_routing::channel(first);
    let lifecycle = Lifecycle::default();
    let watch = Watch::start(loaded.files.iter().cloned(), Timing::default())
        .context("cannot watch the configuration")?;
    let threads = loaded.settings.gateway.threads.get();
    let sessions = Arc::new(Sessions::default());
    let parts = Parts {
        config: args.config.clone(),
        loaded,
        publisher,
        metrics: metrics.clone(),
        sessions: Arc::clone(&sessions),
        log,
        watch,
        store: store.clone(),
    };
    let (control, handle) = Control::new(parts);
    let edge = Arc::new(Edge::new(
        snapshots.clone(),
        metrics,
        lifecycle.clone(),
        AccessLog::new(lines),
        handle,
        (sessions, records),
    ));

    // One thread has nobody to steal from, and does without what stealing needs: 3 % of a request's CPU.
    let conf = ServerConf { threads, work_stealing: threads > 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    let (kept, doors, offices) = sockets.into_doors()?;
    let (clients_started, clients_ready) = oneshot::channel();
    let (operators_started, operators_ready) = oneshot::channel();
    server.add_service(EdgeService::new("clients", threads, Arc::clone(&edge), doors, clients_started));
    server.add_service(EdgeService::new("operators", 1, Arc::clone(&edge), offices, operators_started));
    let stop = Stop {
        lifecycle: lifecycle.clone(),
        snapshots,
        upgrade_socket,
        store,
        listeners: Arc::new(Mutex::new(kept)),
    };
    server.add_service(ControlService {
        control: Some((control, hangups)),
        edge,
        lifecycle,
        started: Some((clients_ready, operators_ready)),
        predecessor: ready,
    });
    server.run(ServerArgs { shutdown_signal: Box::new(stop) });
    Ok(())
}

fn format_of(loaded: &Loaded) -> Format {
    match loaded.settings.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text { colour: std::io::stderr().is_terminal() },
    }
}

/// Where this gateway keeps what outlives it.
fn state_directory(loaded: &Loaded) -> PathBuf {
    match &loaded.settings.state {
        StateSettings::Embedded { directory } => directory.clone(),
        // Only the hand-over socket lives on this machine then.
        StateSettings::Nats(_) => {
            std::env::temp_dir().join(format!("mcphub-edge-{}", loaded.settings.gateway.name))
        }
    }
}

/// What outlives this process, and what it said when the last one ended. An operator's drain must hold from the first
/// request on, so it is waited for; but a file that cannot be had stops nobody.
fn open_store(loaded: &Loaded, directory: &Path) -> anyhow::Result<Store> {
    if !matches!(loaded.settings.state, StateSettings::Embedded { .. }) {
        return Ok(Store::in_memory());
    }
    let store = Store::open(directory);
    let waiting = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    if !waiting.block_on(store.loaded(STORE_WAIT)) {
        tracing::warn!(condition = ?store.condition(), "starting without what was remembered");
    }
    Ok(store)
}

/// What has become of sessions: in the store's file, or shared with other gateways, on a runtime of its own, since it
/// begins before and ends after everything else. It is waited for a little, and its absence stops nobody.
fn open_records(loaded: &Loaded, store: &Store) -> anyhow::Result<(Records, Option<Runtime>)> {
    let StateSettings::Nats(settings) = &loaded.settings.state else {
        return Ok((Records::embedded(store), None));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("records")
        .enable_all()
        .build()?;
    let records = runtime.block_on(async {
        let records = Records::nats(settings);
        if !records.known(STORE_WAIT).await {
            tracing::warn!(condition = ?records.condition(), "starting without what has become of sessions");
        }
        records
    });
    Ok((records, Some(runtime)))
}

type Inherited = BTreeMap<String, OwnedFd>;

/// The sockets that a service manager has opened for us, by the names under which we look for them.
fn activated() -> anyhow::Result<Inherited> {
    let mut inherited = Inherited::new();
    for (address, listener) in handover::take_activated()? {
        // The configuration says whom an address is for; only one of the two names will be asked for.
        inherited.insert(format!("admin {address}"), listener.try_clone()?.into());
        inherited.insert(format!("listener {address}"), listener.into());
    }
    Ok(inherited)
}

/// Waits for the running gateway to lend us its listeners.
fn take_over(upgrade_socket: &Path) -> anyhow::Result<(Inherited, Option<ReadyGuard>)> {
    tracing::info!(socket = %upgrade_socket.display(), "waiting for the running gateway to get SIGQUIT");
    let received = handover::receive(upgrade_socket, SUCCESSION_WAIT)
        .context("the running gateway did not hand over")?;
    tracing::info!(predecessor = received.pid, listeners = received.listeners.len(), "taking over");
    Ok((received.listeners, Some(received.ready)))
}

/// The listening sockets, by the names under which they are handed on.
struct Sockets {
    all: Vec<(String, TcpListener, Role, bool, bool)>,
}

impl Sockets {
    /// Takes those that were inherited, makes the others. What was inherited and is not wanted is closed.
    fn open(loaded: &Loaded, mut inherited: Inherited) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let mut open = |kind: &str, address: SocketAddr, reuse_port: bool, role, tls, http2| {
            let name = format!("{kind} {address}");
            let listener = match inherited.remove(&name) {
                Some(descriptor) => TcpListener::from(descriptor),
                None => socket::bind(address, reuse_port)
                    .with_context(|| format!("cannot listen on {address} ({kind})"))?,
            };
            listener.set_nonblocking(true)?;
            all.push((name, listener, role, tls, http2));
            anyhow::Ok(())
        };
        for (position, listener) in loaded.settings.listeners.iter().enumerate() {
            let (tls, role) = (listener.tls.is_some(), Role::Clients(position));
            open("listener", listener.address, listener.reuse_port, role, tls, listener.http2)?;
        }
        // Two gateways that share a port during a change-over cannot share their operators' one by chance.
        let shares = loaded.settings.listeners.iter().any(|listener| listener.reuse_port);
        open("admin", loaded.settings.admin.address, shares, Role::Operators, false, false)?;
        Ok(Self { all })
    }

    /// Copies to lend to a successor, doors for clients, doors for operators.
    #[allow(clippy::type_complexity, reason = "three lists, named by the caller at once")]
    fn into_doors(self) -> anyhow::Result<(Vec<(String, TcpListener)>, Vec<Door>, Vec<Door>)> {
        let (mut kept, mut clients, mut operators) = (Vec::new(), Vec::new(), Vec::new());
        for (name, listener, role, tls, http2) in self.all {
            kept.push((name, listener.try_clone()?));
            let door = Door { listener, role, tls, http2 };
            if role == Role::Operators { operators.push(door) } else { clients.push(door) }
        }
        Ok((kept, clients, operators))
    }
}

/// The control task as a service of Pingora's server.
struct ControlService {
    control: Option<(Control, Signal)>,
    edge: Arc<Edge>,
    lifecycle: Lifecycle,
    started: Option<(oneshot::Receiver<()>, oneshot::Receiver<()>)>,
    predecessor: Option<ReadyGuard>,
}

#[async_trait]
impl Service for ControlService {
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _per_fd: usize) {
        if let Some((clients, operators)) = self.started.take() {
            let _ = clients.await;
            let _ = operators.await;
        }
        tracing::info!("serving");
        if let Some(predecessor) = self.predecessor.take() {
            let told = tokio::task::spawn_blocking(move || predecessor.ready()).await;
            if let Ok(Err(error)) = told {
                // It serves on, so two of us would: the one that was asked to come goes.
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the predecessor did not let go; stopping");
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
            }
        }
        let Some((control, hangups)) = self.control.take() else { return };
        tokio::spawn(migrate::notice::follow(Arc::clone(&self.edge)));
        tokio::spawn(store::forget_records(self.edge.records.clone()));
        tokio::spawn(migrate::shepherd::watch(Arc::clone(&self.edge)));
        control.run(self.lifecycle.clone(), hangups).await;
    }

    fn name(&self) -> &str {
        "control"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

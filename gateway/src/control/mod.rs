//! What changes the world that requests see?
//!
//! One task owns the publisher. A changed file, SIGHUP and the admin interface all come down to the same thing: read
//! the whole configuration, check it, build the next snapshot, swap. Or keep the old one and say why.

pub mod lifecycle;
pub mod stop;

use crate::clock::{self, Rfc3339};
use crate::observe::logging::LogControl;
use crate::observe::metrics::Metrics;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::watch::{Changed, Changes, Watch};
use lifecycle::{Lifecycle, Phase, reached};
use mcphub_conf::settings::GeoDatabase;
use mcphub_conf::{Loaded, Verdict};
use mcphub_routing::Publisher;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::level_filters::LevelFilter;

/// Reloads that may wait for their turn; whoever comes after that is told that we are busy stopping.
const REQUESTS_MAX: usize = 64;
/// How often idle connections to hubs are looked through.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long one look at idle sessions may take: all of 100,000 in a second, all of a million in a minute or so.
const SWEEP_BUDGET: Duration = Duration::from_millis(2);

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reloaded {
    /// The new one is in force.
    Swapped {
        /// Its number, counted from 1.
        revision: u64,
        /// The routing table's generation.
        generation: u64,
    },
    /// It says what the present one says.
    Unchanged {
        /// The number of the present one.
        revision: u64,
    },
    /// Nothing of it may be used before a restart, because these keys changed.
    NeedsRestart {
        /// Their names.
        fields: Vec<String>,
    },
    /// It cannot be used; the present one stays.
    Refused {
        /// Every mistake.
        why: String,
    },
}

/// What is known of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Of the one in force.
    pub fingerprint: String,
    /// The last attempt to reload, if there was one.
    pub last_reload: Option<LastReload>,
}

/// An attempt to reload.
#[derive(Debug, Clone, Serialize)]
pub struct LastReload {
    /// When, RFC 3339.
    pub at: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Reloaded,
}

/// How others reach the control task.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<oneshot::Sender<Reloaded>>,
    status: watch::Receiver<Status>,
}

impl Handle {
    /// What is known of the configuration.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Has the configuration read again, and waits for what comes of it; `None` when nobody is there any more.
    pub async fn reload(&self) -> Option<Reloaded> {
        let (reply, outcome) = oneshot::channel();
        self.requests.try_send(reply).ok()?;
        outcome.await.ok()
    }
}

/// The control task.
pub struct Control {
    config: PathBuf,
    loaded: Loaded,
    publisher: Publisher<Snapshot>,
    metrics: Metrics,
    sessions: Arc<Sessions>,
    log: Option<LogControl>,
    watch: Watch,
    changes: Changes,
    requests: mpsc::Receiver<oneshot::Sender<Reloaded>>,
    status: watch::Sender<Status>,
}

/// What the control task is made of.
pub struct Parts {
    /// The configuration file.
    pub config: PathBuf,
    /// What it said at the start.
    pub loaded: Loaded,
    /// Where snapshots are published.
    pub publisher: Publisher<Snapshot>,
    /// The numbers.
    pub metrics: Metrics,
    /// The sessions that were seen here.
    pub sessions: Arc<Sessions>,
    /// The process's log, if this process has one of its own.
    pub log: Option<LogControl>,
    /// What tells of changed files.
    pub watch: (Watch, Changes),
}

impl Control {
    /// A control task and the way to reach it.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Handle) {
        let Parts { config, loaded, publisher, metrics, sessions, log, watch: (watch, changes) } = parts;
        let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
        let fingerprint = loaded.revision.to_string();
        let (status, seen) = watch::channel(Status { fingerprint, last_reload: None });
        let handle = Handle { requests, status: seen };
        let present = publisher.current();
        metrics.config_reload_ok.set(1);
        metrics.geo_reload_ok.set(1);
        note(&metrics, &present);
        let control = Self {
            config,
            loaded,
            publisher,
            metrics,
            sessions,
            log,
            watch,
            changes,
            requests: incoming,
            status,
        };
        (control, handle)
    }

    /// Works until the process stops.
    ///
    /// # Errors
    /// SIGHUP cannot be listened for.
    pub async fn run(mut self, lifecycle: Lifecycle) -> std::io::Result<()> {
        let mut phase = lifecycle.watch();
        let mut hangups = signal(SignalKind::hangup())?;
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                Some(changed) = self.changes.next() => { self.reload(&changed).await; }
                Some(reply) = self.requests.recv() => {
                    let outcome = self.reload(&asked()).await;
                    let _ = reply.send(outcome);
                }
                Some(()) = hangups.recv() => { self.reload(&asked()).await; }
                _ = housekeeping.tick() => self.reap(),
                () = reached(&mut phase, Phase::Draining) => return Ok(()),
            }
        }
    }

    /// Closes idle connections that nobody needs any more, and ends idle sessions.
    fn reap(&self) {
        let snapshot = self.publisher.current();
        let now = clock::instant();
        for upstream in &snapshot.upstreams {
            upstream.reap(now, snapshot.settings.upstream.pool_idle);
        }
        let idle_age = snapshot.settings.session.idle_age;
        self.sessions.sweep(clock::since_start(), idle_age, SWEEP_BUDGET);
    }

    async fn reload(&mut self, changed: &Changed) -> Reloaded {
        let outcome = self.attempt(changed).await;
        match &outcome {
            Reloaded::Swapped { revision, generation } => {
                self.metrics.config_reload_ok.set(1);
                tracing::info!(revision, generation, "configuration reloaded");
            }
            Reloaded::Unchanged { .. } => self.metrics.config_reload_ok.set(1),
            Reloaded::NeedsRestart { fields } => {
                self.refused();
                let keys = fields.join(", ");
                tracing::error!(keys, "configuration not reloaded: these keys need a restart");
            }
            Reloaded::Refused { why } => {
                self.refused();
                tracing::error!(why, "configuration not reloaded");
            }
        }
        // The present configuration is always worth mentioning, an unchanged one is no event.
        if !matches!(outcome, Reloaded::Unchanged { .. }) || changed.asked {
            let last = LastReload { at: Rfc3339::now().to_string(), outcome: outcome.clone() };
            let fingerprint = self.loaded.revision.to_string();
            self.status.send_replace(Status { fingerprint, last_reload: Some(last) });
        }
        outcome
    }

    fn refused(&self) {
        self.metrics.config_reload_ok.set(0);
        self.metrics.config_reloads_refused.inc();
    }

    async fn attempt(&mut self, changed: &Changed) -> Reloaded {
        let present = self.publisher.current();
        let (path, metrics, previous) = (self.config.clone(), self.metrics.clone(), Arc::clone(&present));
        let old = self.loaded.clone();
        let geo_changed = is_geo(&present, changed);
        // Reading files and laying out a table for thousands of hubs is not for a thread that serves.
        let built =
            tokio::task::spawn_blocking(move || build(&path, &old, geo_changed, &previous, &metrics)).await;
        match built {
            Ok(Ok((loaded, snapshot))) => {
                let (revision, generation) = (snapshot.revision, snapshot.table.generation().get());
                note(&self.metrics, &snapshot);
                self.publisher.publish(snapshot);
                self.watch.set_files(loaded.files.iter().cloned());
                if let Some(log) = &self.log {
                    log.set_level(level_of(&loaded));
                }
                self.loaded = loaded;
                self.metrics.geo_reload_ok.set(1);
                Reloaded::Swapped { revision, generation }
            }
            Ok(Err(outcome)) => {
                if geo_changed && matches!(outcome, Reloaded::Refused { .. }) {
                    self.metrics.geo_reload_ok.set(0);
                }
                outcome
            }
            Err(panicked) => {
                Reloaded::Refused { why: format!("building the next snapshot failed: {panicked}") }
            }
        }
    }
}

fn asked() -> Changed {
    Changed { asked: true, ..Changed::default() }
}

fn is_geo(present: &Snapshot, changed: &Changed) -> bool {
    match &present.settings.geo.database {
        GeoDatabase::File(path) => changed.files.contains(path),
        GeoDatabase::BuiltIn => false,
    }
}

/// A configuration that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has mistakes.
    #[error("{}", .0.render_text())]
    Mistakes(mcphub_conf::Report),
    /// Its session key does not exist and cannot be made.
    #[error("cannot make the session key: {0}")]
    Key(#[from] crate::keys::KeyFileError),
}

/// Reads a configuration. A session key that does not exist yet is made first: it is part of what makes one
/// configuration differ from another.
///
/// # Errors
/// Every mistake in it.
pub fn read(path: &Path) -> Result<Loaded, Unreadable> {
    let load = || mcphub_conf::load(path, &|name| std::env::var(name).ok()).map_err(Unreadable::Mistakes);
    let loaded = load()?;
    if crate::keys::prepare(&loaded.settings.session.key_files)? { load() } else { Ok(loaded) }
}

/// Reads, checks and builds. `Err` is any outcome but a swap.
fn build(
    path: &Path,
    old: &Loaded,
    geo_changed: bool,
    previous: &Snapshot,
    metrics: &Metrics,
) -> Result<(Loaded, Snapshot), Reloaded> {
    let loaded = read(path).map_err(|unreadable| Reloaded::Refused { why: unreadable.to_string() })?;
    let revision = match mcphub_conf::diff(old, &loaded) {
        Verdict::NeedsRestart { fields } => return Err(Reloaded::NeedsRestart { fields }),
        Verdict::Unchanged if !geo_changed => {
            return Err(Reloaded::Unchanged { revision: previous.revision });
        }
        Verdict::Unchanged => previous.revision,
        Verdict::Swap => previous.revision + 1,
    };
    let snapshot = Snapshot::build(loaded.settings.clone(), revision, Some(previous), metrics)
        .map_err(|error| Reloaded::Refused { why: format!("{:#}", anyhow::Error::from(error)) })?;
    Ok((loaded, snapshot))
}

fn note(metrics: &Metrics, snapshot: &Snapshot) {
    metrics.config_revision.set(i64::try_from(snapshot.revision).unwrap_or(i64::MAX));
    let generation = snapshot.table.generation().get();
    metrics.table_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
}

/// The log level of a configuration.
#[must_use]
pub fn level_of(loaded: &Loaded) -> LevelFilter {
    loaded.settings.log.level.as_str().parse().unwrap_or(LevelFilter::INFO)
}

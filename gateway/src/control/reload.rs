//! How does a changed configuration become the next snapshot? Read everything, find every mistake, compare, build; or say
//! why not.

use super::{Control, LastReload, Status, level_of};
use crate::clock::{self, Rfc3339};
use crate::observe::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::watch::Changed;
use mcphub_conf::settings::{GeoDatabase, ModelSource};
use mcphub_conf::{Loaded, Verdict};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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

/// Which files that the configuration names, and whose contents do not count for it, are among what changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside {
    geo: bool,
    model: bool,
}

impl Beside {
    fn of(present: &Snapshot, changed: &Changed) -> Self {
        let geo = match &present.settings.geo.database {
            GeoDatabase::File(path) => changed.files.contains(path),
            GeoDatabase::BuiltIn => false,
        };
        let model = match &present.settings.predictor.model {
            ModelSource::File(path) => changed.files.contains(path),
            ModelSource::BuiltIn => false,
        };
        Self { geo, model }
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
pub(super) fn build(
    path: &Path,
    old: &Loaded,
    beside: Beside,
    previous: &Snapshot,
    metrics: &Metrics,
) -> Result<(Loaded, Snapshot), Reloaded> {
    let loaded = read(path).map_err(|unreadable| Reloaded::Refused { why: unreadable.to_string() })?;
    let revision = match mcphub_conf::diff(old, &loaded) {
        Verdict::NeedsRestart { fields } => return Err(Reloaded::NeedsRestart { fields }),
        Verdict::Unchanged if !beside.geo && !beside.model => {
            return Err(Reloaded::Unchanged { revision: previous.revision });
        }
        Verdict::Unchanged => previous.revision,
        Verdict::Swap => previous.revision + 1,
    };
    let snapshot = Snapshot::build(loaded.settings.clone(), revision, Some(previous), metrics)
        .map_err(|error| Reloaded::Refused { why: format!("{:#}", anyhow::Error::from(error)) })?;
    Ok((loaded, snapshot))
}

/// The reload that is under way, and the one after it.
#[derive(Default)]
pub(super) struct Reloads {
    running: Option<Running>,
    /// What changed meanwhile, and who asked: files may have been read already when they changed again.
    queued: Option<Wanted>,
}

/// What is to be read again, and who waits for it.
#[derive(Default)]
pub(super) struct Wanted {
    changed: Changed,
    replies: Vec<oneshot::Sender<Reloaded>>,
}

struct Running {
    wanted: Wanted,
    beside: Beside,
    build: JoinHandle<Built>,
}

type Built = Result<(Loaded, Snapshot), Reloaded>;

/// A reload whose build has come to its end.
pub(super) struct Ended {
    wanted: Wanted,
    beside: Beside,
    built: Built,
}

impl Reloads {
    /// The end of the build under way; never, if there is none. Cancel-safe.
    pub(super) async fn built(&mut self) -> Ended {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let built = (&mut running.build).await.unwrap_or_else(|panicked| {
            Err(Reloaded::Refused { why: format!("building the next snapshot failed: {panicked}") })
        });
        let ended = self.running.take().map(|Running { wanted, beside, .. }| (wanted, beside));
        let (wanted, beside) = ended.unwrap_or_default();
        Ended { wanted, beside, built }
    }

    fn queue(&mut self, changed: Changed, reply: Option<oneshot::Sender<Reloaded>>) {
        let queued = self.queued.get_or_insert_default();
        queued.changed.asked |= changed.asked;
        queued.changed.files.extend(changed.files);
        queued.replies.extend(reply);
    }
}

impl Control {
    /// Has the configuration read again, as soon as the reload under way is over.
    pub(super) fn reload(&mut self, changed: Changed, reply: Option<oneshot::Sender<Reloaded>>) {
        self.reloads.queue(changed, reply);
        self.begin_reload();
    }

    fn begin_reload(&mut self) {
        if self.reloads.running.is_some() {
            return;
        }
        let Some(wanted) = self.reloads.queued.take() else { return };
        let present = self.publisher.current();
        let beside = Beside::of(&present, &wanted.changed);
        let (path, metrics, old) = (self.config.clone(), self.metrics.clone(), self.loaded.clone());
        // Reading files and laying out a table for thousands of hubs is not for a thread that watches them.
        let build = tokio::task::spawn_blocking(move || build(&path, &old, beside, &present, &metrics));
        self.reloads.running = Some(Running { wanted, beside, build });
    }

    /// Takes over what was built, and tells everybody who waits for it.
    pub(super) fn adopt(&mut self, ended: Ended) {
        let Ended { wanted, beside, built } = ended;
        let outcome = match built {
            Ok((loaded, snapshot)) => self.swap(loaded, &snapshot),
            Err(outcome) => outcome,
        };
        match &outcome {
            Reloaded::Swapped { revision, generation } => {
                self.metrics.config_reload_ok.set(1);
                tracing::info!(revision, generation, "configuration reloaded");
            }
            Reloaded::Unchanged { .. } => self.metrics.config_reload_ok.set(1),
            Reloaded::NeedsRestart { fields } => {
                self.reload_refused(Beside::default());
                let keys = fields.join(", ");
                tracing::error!(keys, "configuration not reloaded: these keys need a restart");
            }
            Reloaded::Refused { why } => {
                self.reload_refused(beside);
                tracing::error!(why, "configuration not reloaded");
            }
        }
        // The present configuration is always worth mentioning, an unchanged one is no event.
        if !matches!(outcome, Reloaded::Unchanged { .. }) || wanted.changed.asked {
            let last = LastReload { at: Rfc3339::now().to_string(), outcome: outcome.clone() };
            let fingerprint = self.loaded.revision.to_string();
            self.status.send_replace(Status { fingerprint, last_reload: Some(last) });
        }
        for reply in wanted.replies {
            let _ = reply.send(outcome.clone());
        }
        self.begin_reload();
    }

    fn reload_refused(&self, beside: Beside) {
        self.metrics.config_reload_ok.set(0);
        self.metrics.config_reloads_refused.inc();
        if beside.geo {
            self.metrics.geo_reload_ok.set(0);
        }
        if beside.model {
            self.metrics.forecasts.model_reload_ok.set(0);
        }
    }

    /// Publishes a snapshot that was laid out while the hubs went on changing: what is known of them goes with it.
    fn swap(&mut self, loaded: Loaded, built: &Snapshot) -> Reloaded {
        let snapshot = built.carrying_on(&self.publisher.current());
        let (revision, generation) = (snapshot.revision, snapshot.table.generation().get());
        let now = clock::now();
        self.publisher.publish(snapshot);
        self.watch.set_files(loaded.files.iter().cloned());
        if let Some(log) = &self.log {
            log.set_level(level_of(&loaded));
        }
        self.loaded = loaded;
        self.metrics.geo_reload_ok.set(1);
        self.metrics.forecasts.model_reload_ok.set(1);
        self.follow(now);
        Reloaded::Swapped { revision, generation }
    }
}

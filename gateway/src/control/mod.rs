//! What changes the world that requests see?
//!
//! One task owns the publisher. A changed file, SIGHUP and the admin interface all come down to the same thing: read
//! the whole configuration, check it, build the next snapshot, swap; or keep the old one and say why. And all that
//! happens to hubs comes down to one other: gather what is known, decide, hold the plan against the guard rails, publish.
//!
//! | module | question |
//! |---|---|
//! | [`handle`] | how do others reach the task? |
//! | [`view`] | how is it told to an operator? |
//! | [`reload`] | how does a changed configuration become the next snapshot? |
//! | `fleet` | what is known about the hubs, and what was decided about them? |
//! | `policy` | what do the settings mean to those who decide? |
//! | `learn` | what does the control task learn of its hubs, and from whom does it hear what to expect? |
//! | [`alarms`] | which alarms were raised, and what became of them? |
//! | `plans` | what was decided lately, and why? |
//! | `journal` | which hubs went out of service, and what did it cost? |
//! | [`lifecycle`] | is this process serving, stopping, or done? |
//! | [`stop`] | how does it end? |

mod act;
pub mod alarms;
mod fleet;
pub mod handle;
mod journal;
mod learn;
pub mod lifecycle;
mod plans;
mod policy;
pub mod reload;
pub mod stop;
pub mod view;

pub use handle::{Handle, Unasked, Wishing};
pub use reload::{Reloaded, Unreadable, read};

use crate::clock;
use crate::forecast::{Forecaster, Learner, Recorder, Study, Telemetry};
use crate::observe::logging::LogControl;
use crate::observe::metrics::Metrics;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::watch::{Changed, Changes, Watch};
use act::Found;
use alarms::AlarmBook;
use fleet::{Fleet, Scope};
use handle::{ASKED_MAX, Asked};
use lifecycle::{Lifecycle, Phase, reached};
use mcphub_conf::Loaded;
use mcphub_conf::settings::StateSettings;
use mcphub_routing::{MonoTime, Publisher};
use plans::Plans;
use reload::Reloads;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::level_filters::LevelFilter;

/// Between two looks at every hub. Whatever cannot wait so long nudges.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks that were nudged: failures come in crowds, and one look sees them all.
const NUDGED: Duration = Duration::from_millis(20);
/// How long one look at idle sessions may take: all of 100,000 in a second, all of a million in a minute or so.
const SWEEP_BUDGET: Duration = Duration::from_millis(2);
/// Findings that may wait for their turn. Those who bring more wait.
const FOUND_MAX: usize = 1024;

/// What is known of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Of the one in force.
    pub fingerprint: String,
    /// The last attempt to reload, if there was one.
    pub last_reload: Option<LastReload>,
}

/// An attempt to reload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LastReload {
    /// When, RFC 3339.
    pub at: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Reloaded,
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
    asked: mpsc::Receiver<Asked>,
    status: watch::Sender<Status>,
    nudge: Arc<Notify>,
    reloads: Reloads,
    fleet: Fleet,
    telemetry: Telemetry,
    forecaster: Forecaster,
    study: Study,
    /// `None` where there is no folder of state on this machine: nothing is recorded then.
    recorder: Option<Recorder>,
    learner: Learner,
    alarms: AlarmBook,
    plans: Plans,
    found: (mpsc::Sender<Found>, mpsc::Receiver<Found>),
    /// When hubs were last looked at, and whether somebody asked for another look.
    looked: (MonoTime, bool),
    /// Whether hubs serve different eras.
    mixed: bool,
    /// Whether what the operator wanted before this start is known yet.
    remembers: bool,
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
    /// What outlives this process.
    pub store: Store,
}

/// Hears every SIGHUP from now on. What nobody listens for would end the process, so this comes first of all: a reload that
/// is asked for while we start is done when we have.
///
/// # Errors
/// It cannot be listened for.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    // Listening is the process's, whatever runtime reads what has been heard.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::hangup())
}

impl Control {
    /// A control task and the way to reach it. What the operator wanted before is granted before anybody is served.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Handle) {
        let Parts { config, loaded, publisher, metrics, sessions, log, watch: (watch, changes), store } =
            parts;
        let (ask, asked) = mpsc::channel(ASKED_MAX);
        let fingerprint = loaded.revision.to_string();
        let (status, seen) = watch::channel(Status { fingerprint, last_reload: None });
        let nudge = Arc::new(Notify::new());
        let handle = Handle { asked: ask, status: seen, nudge: Arc::clone(&nudge) };
        metrics.config_reload_ok.set(1);
        metrics.geo_reload_ok.set(1);
        metrics.forecasts.model_reload_ok.set(1);
        let now = clock::now();
        let state = match &loaded.settings.state {
            StateSettings::Embedded { directory } => Some(directory.clone()),
            StateSettings::Nats(_) => None,
        };
        let fleet = Fleet::new(clock::random_u64(), &store, &sessions, now);
        let mut control = Self {
            config,
            loaded,
            publisher,
            metrics,
            sessions,
            log,
            watch,
            changes,
            asked,
            status,
            nudge,
            reloads: Reloads::default(),
            fleet,
            telemetry: Telemetry::new(store.clone()),
            forecaster: Forecaster::new(),
            study: Study::new(now),
            recorder: state.as_deref().map(Recorder::new),
            learner: Learner::new(state, store, now),
            alarms: AlarmBook::default(),
            plans: Plans::default(),
            found: mpsc::channel(FOUND_MAX),
            looked: (now, false),
            mixed: false,
            remembers: false,
        };
        control.fleet.follow(&control.publisher.current(), now);
        control.fleet.adopt_wishes(clock::unix_millis());
        control.adopt_alarms(now);
        control.follow(now);
        control.telemetry.adopt(clock::unix_seconds());
        (control, handle)
    }

    /// Works until the process stops.
    pub async fn run(mut self, lifecycle: Lifecycle, mut hangups: Signal) {
        let mut phase = lifecycle.watch();
        // The end waits until what was learned is in the store.
        let present = lifecycle.enter();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let nudge = Arc::clone(&self.nudge);
        loop {
            let wake = self.wake_at();
            tokio::select! {
                Some(changed) = self.changes.next() => self.reload(changed, None),
                Some(()) = hangups.recv() => self.reload(asked(), None),
                Some(asked) = self.asked.recv() => self.answer(asked),
                built = self.reloads.built() => self.adopt(built),
                Some(found) = self.found.1.recv() => self.take_in(found),
                () = nudge.notified() => self.looked.1 = true,
                () = sleep_until(wake) => self.look(Scope::Doubted),
                _ = ticks.tick() => self.tick().await,
                () = reached(&mut phase, Phase::Draining) => break,
            }
        }
        self.keep_alarms(clock::now());
        self.learner.keep_now(clock::now(), clock::unix_seconds());
        if let Some(rest) = self.telemetry.rest(clock::now()) {
            rest.write();
        }
        let enabled = self.publisher.current().settings.predictor.learning.enabled;
        if let Some(rest) = self.recorder.as_mut().filter(|_| enabled).and_then(|it| it.rest(&self.telemetry))
        {
            rest.write();
        }
        drop(present);
    }

    /// Follows the snapshot that was published for a configuration, and decides at once about its hubs.
    fn follow(&mut self, now: MonoTime) {
        let present = self.publisher.current();
        self.metrics.control.begin(&present.table);
        self.metrics.forecasts.begin();
        self.fleet.follow(&present, now);
        self.telemetry.follow(&present, now);
        self.find_speaker(now);
        self.decide(now);
        self.note_snapshot();
    }

    /// When to look again before the next tick.
    fn wake_at(&self) -> Instant {
        let now = clock::now();
        let nudged = self.looked.1.then(|| self.looked.0.after(NUDGED));
        let scheduled = self.fleet.schedule.wake_at();
        let wake = nudged.into_iter().chain(scheduled).min();
        Instant::from_std(clock::instant()) + wake.map_or(TICK, |at| at.since(now))
    }

    /// What is done each second.
    async fn tick(&mut self) {
        let began = clock::instant();
        if !self.remembers && self.fleet.journal.store().loaded(Duration::ZERO).await {
            self.remembers = true;
            self.fleet.adopt_wishes(clock::unix_millis());
        }
        self.adopt_alarms(clock::now());
        self.scrape();
        self.look(Scope::All);
        self.learn();
        self.improve().await;
        self.note_eras();
        self.metrics.control.tick.observe(clock::instant().saturating_duration_since(began).as_secs_f64());
        self.reap();
    }

    fn adopt_alarms(&mut self, now: MonoTime) {
        let Fleet { inputs, policy, journal, .. } = &mut self.fleet;
        self.alarms.adopt(journal.store(), &mut inputs.memory.alarms, &policy.forecast, now);
    }

    /// Closes idle connections that nobody needs any more, and ends idle sessions.
    fn reap(&self) {
        let snapshot = self.publisher.current();
        let now = clock::instant();
        for upstream in snapshot.upstreams.iter() {
            upstream.reap(now, snapshot.settings.upstream.pool_idle);
        }
        let idle_age = snapshot.settings.session.idle_age;
        self.sessions.sweep(clock::since_start(), idle_age, SWEEP_BUDGET);
    }

    /// A fleet whose hubs serve different eras works, but most likely nobody meant it.
    fn note_eras(&mut self) {
        let mixed = self.fleet.has_mixed_eras();
        self.metrics.control.mixed_eras.set(i64::from(mixed));
        if mixed && !self.mixed {
            tracing::warn!("hubs serve different eras of MCP: see `eras` in /v1/hubs");
        }
        self.mixed = mixed;
    }

    fn note_snapshot(&self) {
        let snapshot = self.publisher.current();
        self.metrics.config_revision.set(i64::try_from(snapshot.revision).unwrap_or(i64::MAX));
        let generation = snapshot.table.generation().get();
        self.metrics.table_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.metrics.control.panic.set(i64::from(snapshot.table.panic()));
    }
}

/// A reload that somebody asked for.
fn asked() -> Changed {
    Changed { asked: true, ..Changed::default() }
}

/// The log level of a configuration.
#[must_use]
pub fn level_of(loaded: &Loaded) -> LevelFilter {
    loaded.settings.log.level.as_str().parse().unwrap_or(LevelFilter::INFO)
}

#[cfg(test)]
mod tests;

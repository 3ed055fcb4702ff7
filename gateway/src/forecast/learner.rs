//! When is a model of our own hubs made, and when does it speak?
//!
//! ```text
//! idle ── due, enough failures ──► making ──► listening ── ten failures ──► deciding ──► idle
//!                                  a process   beside the one that speaks   and, if it is better, writing it down
//! ```
//!
//! A model is made by this same program in a process of its own: at the lowest priority, within bounds of memory, killed
//! at its deadline and when the gateway ends. So whatever becomes of it, no request and no tick waits for it. Files are
//! read and written by threads that nobody waits for.
//!
//! The model that was learnt last lies in the folder of the state beside the one before it, under the name of the model
//! that they replace: whoever names another one in the configuration gets that one. A trial outlives the process too: `kept`.

use super::recorder;
use super::speaker::{Origin, Speaker};
use crate::store::Store;
use judged::{Decided, too_few};
use kept::{CHALLENGER, Listening};
use mcphub_conf::settings::LearningSettings;
use mcphub_predictor::insight::contest::Outcome;
use mcphub_predictor::learning::Trial;
use mcphub_routing::MonoTime;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

mod judged;
mod kept;
mod process;

/// The first model is not made before this: right after a start there is other work.
const FIRST_AFTER: Duration = Duration::from_secs(3_600);
/// A model that has not met ten failures by then is given up: the fleet has changed meanwhile.
const LISTEN_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What is known about models of our own.
pub(crate) struct Learner {
    /// The folder of the state; `None` where there is none on this machine.
    state: Option<PathBuf>,
    /// Which model those that are learnt take the place of.
    base: String,
    step: Step,
    next_at: MonoTime,
    /// Where a trial is kept, and whether what an earlier process kept there is known.
    store: Store,
    adopted: bool,
    /// What became of the last model that was made, and when, in seconds since 1970.
    ended: Option<(u64, String)>,
}

enum Step {
    Idle,
    Making { made: JoinHandle<Result<Arc<Speaker>, String>> },
    Listening(Box<Listening>),
    Deciding { challenger: Arc<Speaker>, decided: JoinHandle<Decided> },
}

/// What there is to know when it is the learner's turn.
pub(crate) struct Now<'a> {
    pub(crate) settings: LearningSettings,
    /// The model that speaks.
    pub(crate) champion: &'a Arc<Speaker>,
    /// Failures that it has not learnt from.
    pub(crate) failures: usize,
    pub(crate) now: MonoTime,
    pub(crate) unix_s: u64,
}

impl Learner {
    /// Nothing is being learnt.
    pub(crate) fn new(state: Option<PathBuf>, store: Store, now: MonoTime) -> Self {
        let (base, step, next_at) = (String::new(), Step::Idle, now.after(FIRST_AFTER));
        Self { state, base, step, next_at, store, adopted: false, ended: None }
    }

    /// Follows a configuration: which model speaks, given the one that it names? The one that was learnt in its place, if
    /// there is one and learning is on.
    pub(crate) fn follow(
        &mut self,
        settings: LearningSettings,
        named: Option<&Arc<Speaker>>,
        before: Option<&Arc<Speaker>>,
        (now, unix_s): (MonoTime, u64),
    ) -> Option<Arc<Speaker>> {
        let base = named.map_or_else(|| "none".to_owned(), |named| base_of(named));
        if base != self.base || !settings.enabled {
            self.stop("the configuration has changed", unix_s);
            self.base = base;
        }
        self.next_at = self.next_at.min(now.after(settings.interval.min(FIRST_AFTER)));
        let path = self.path("model").filter(|path| settings.enabled && path.exists());
        match path.map(|path| Speaker::open(&path, Origin::Learned, before)) {
            None => named.cloned(),
            Some(Ok(learned)) => Some(learned),
            Some(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the model that was learnt is passed over; the configured one speaks");
                named.cloned()
            }
        }
    }

    /// What speaks beside the model that speaks.
    pub(crate) fn challenger(&self) -> Option<&Arc<Speaker>> {
        match &self.step {
            Step::Listening(listening) => Some(&listening.challenger),
            _ => None,
        }
    }

    /// Where it is kept what both said.
    pub(crate) fn trial(&mut self) -> Option<&mut Trial> {
        match &mut self.step {
            Step::Listening(listening) => Some(&mut listening.trial),
            _ => None,
        }
    }

    /// The step that is under way, in a word, and how many failures the challenger has met.
    pub(crate) fn told(&self) -> (&'static str, usize) {
        match &self.step {
            Step::Idle => ("idle", 0),
            Step::Making { .. } => ("making", 0),
            Step::Listening(listening) => ("listening", listening.trial.failures()),
            Step::Deciding { .. } => ("deciding", 0),
        }
    }

    /// What became of the last model that was made, and when, in seconds since 1970.
    pub(crate) fn ended(&self) -> Option<&(u64, String)> {
        self.ended.as_ref()
    }

    /// Does what is to be done now, without waiting for anything. Gives back the model that speaks from now on, when it is
    /// another one.
    pub(crate) async fn turn(&mut self, it: &Now<'_>) -> Option<Arc<Speaker>> {
        if !it.settings.enabled {
            return None;
        }
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Idle => self.begin(it),
            Step::Making { made } if made.is_finished() => {
                self.next_at = it.now.after(it.settings.interval);
                match made.await.unwrap_or_else(|error| Err(error.to_string())) {
                    Ok(challenger) => self.listen(challenger, it),
                    Err(why) => {
                        tracing::warn!(why, "no model was made of our own hubs");
                        self.tell(it.unix_s, format!("no model was made: {why}"));
                    }
                }
            }
            Step::Listening(listening) => {
                if !listening.is_against(it.champion) {
                    self.step = Step::Listening(listening);
                    self.stop("another model speaks than the one that it was held against", it.unix_s);
                } else if listening.trial.is_ripe(it.unix_s) {
                    self.decide(listening.challenger, listening.trial, it.champion);
                } else if listening.age(it.now) > LISTEN_MAX {
                    let (model, failures) = (&listening.challenger.name, listening.trial.failures());
                    tracing::info!(model, failures, "too few failures came to judge the new model by");
                    self.tell(it.unix_s, too_few(model, failures));
                    self.forget_trial();
                } else {
                    self.step = Step::Listening(listening);
                }
            }
            Step::Deciding { challenger, decided } if decided.is_finished() => {
                let (better, said) = match decided.await {
                    Ok(decided) => judged::conclude(challenger, it.champion, decided),
                    Err(error) => {
                        tracing::error!(%error, "comparing two models failed");
                        (None, format!("comparing two models failed: {error}"))
                    }
                };
                self.tell(it.unix_s, said);
                self.forget_trial();
                return better;
            }
            busy @ (Step::Making { .. } | Step::Deciding { .. }) => self.step = busy,
        }
        None
    }

    /// Has the model that was learnt before the last one speak again, or the configured one; `false` if none was learnt.
    pub(crate) fn go_back(&mut self, unix_s: u64) -> io::Result<bool> {
        let (Some(path), Some(previous)) = (self.path("model"), self.path("previous.model")) else {
            return Ok(false);
        };
        if !path.exists() {
            return Ok(false);
        }
        self.stop("an operator wants the model that spoke before", unix_s);
        if previous.exists() {
            std::fs::rename(previous, path)?;
        } else {
            std::fs::remove_file(path)?;
        }
        Ok(true)
    }

    fn stop(&mut self, why: &str, unix_s: u64) {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Idle => {}
            // The process is killed with the task that waits for it.
            Step::Making { made } => made.abort(),
            Step::Listening(_) | Step::Deciding { .. } => {
                tracing::info!(why, "the trial of a new model is given up");
                self.tell(unix_s, format!("the trial of a new model was given up: {why}"));
                self.forget_trial();
            }
        }
    }

    fn tell(&mut self, unix_s: u64, said: String) {
        self.ended = Some((unix_s, said));
    }

    fn path(&self, end: &str) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join(format!("learned-{}.{end}", self.base)))
    }

    fn begin(&mut self, it: &Now<'_>) {
        let (Some(state), Some(beside)) = (&self.state, self.path(CHALLENGER)) else { return };
        if it.now < self.next_at || it.failures < it.settings.failures as usize {
            return;
        }
        tracing::info!(failures = it.failures, "a model is being made of our own hubs");
        let (record, champion) = (state.join(recorder::FOLDER), Arc::clone(it.champion));
        let out = state.join("learning.model");
        self.step = Step::Making { made: tokio::spawn(process::make(record, out, beside, champion)) };
    }

    fn listen(&mut self, challenger: Arc<Speaker>, it: &Now<'_>) {
        let training = &challenger.model.training;
        tracing::info!(
            model = challenger.name,
            hubs = training.hubs,
            failures = training.failures,
            "a new model is listened to in silence"
        );
        self.step = Step::Listening(Box::new(Listening::begin(challenger, it.champion, it.now)));
        self.keep_now(it.now, it.unix_s);
    }

    /// Compares both where nobody waits, and writes the challenger down if it is better.
    fn decide(&mut self, challenger: Arc<Speaker>, trial: Trial, champion: &Arc<Speaker>) {
        let paths = self.path("model").zip(self.path("previous.model"));
        let (new, old) = (Arc::clone(&challenger), Arc::clone(champion));
        let decided = tokio::task::spawn_blocking(move || {
            let outcome = trial.decide();
            let kept = match (&outcome, paths) {
                (Ok(Outcome::Replaced(_)), Some((path, previous))) => {
                    judged::keep(&path, &previous, &new, &old)
                }
                _ => Ok(()),
            };
            (outcome, kept)
        });
        self.step = Step::Deciding { challenger, decided };
    }
}

/// A name that says whose place learnt models take. That of the one that ships is the same over all versions of the
/// gateway: what a fleet has taught outlives them, as long as the features are the same.
fn base_of(named: &Speaker) -> String {
    match named.origin {
        Origin::BuiltIn => "built-in".to_owned(),
        Origin::File | Origin::Learned => named.name.clone(),
    }
}

#[cfg(test)]
mod course;
#[cfg(test)]
mod tests;

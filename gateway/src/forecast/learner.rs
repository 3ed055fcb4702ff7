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
//! that they replace: whoever names another one in the configuration gets that one.

use super::recorder::{self, write_whole};
use super::speaker::{Origin, Speaker};
use mcphub_conf::settings::LearningSettings;
use mcphub_predictor::insight::contest::{ContestError, Outcome};
use mcphub_predictor::learning::Trial;
use mcphub_routing::MonoTime;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

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
}

enum Step {
    Idle,
    Making { made: JoinHandle<Result<Arc<Speaker>, String>> },
    Listening { challenger: Arc<Speaker>, trial: Trial, since: MonoTime },
    Deciding { challenger: Arc<Speaker>, decided: JoinHandle<Decided> },
}

type Decided = (Result<Outcome, ContestError>, io::Result<()>);

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
    pub(crate) fn new(state: Option<PathBuf>, now: MonoTime) -> Self {
        Self { state, base: String::new(), step: Step::Idle, next_at: now.after(FIRST_AFTER) }
    }

    /// Follows a configuration: which model speaks, given the one that it names? The one that was learnt in its place, if
    /// there is one and learning is on.
    pub(crate) fn follow(
        &mut self,
        settings: LearningSettings,
        named: Option<&Arc<Speaker>>,
        before: Option<&Arc<Speaker>>,
        now: MonoTime,
    ) -> Option<Arc<Speaker>> {
        let base = named.map_or_else(|| "none".to_owned(), |named| base_of(named));
        if base != self.base || !settings.enabled {
            self.stop();
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
            Step::Listening { challenger, .. } => Some(challenger),
            _ => None,
        }
    }

    /// Where it is kept what both said.
    pub(crate) fn trial(&mut self) -> Option<&mut Trial> {
        match &mut self.step {
            Step::Listening { trial, .. } => Some(trial),
            _ => None,
        }
    }

    /// The step that is under way, in a word, and how many failures the challenger has met.
    pub(crate) fn told(&self) -> (&'static str, usize) {
        match &self.step {
            Step::Idle => ("idle", 0),
            Step::Making { .. } => ("making", 0),
            Step::Listening { trial, .. } => ("listening", trial.failures()),
            Step::Deciding { .. } => ("deciding", 0),
        }
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
                    Ok(challenger) => self.listen(challenger, it.now),
                    Err(why) => tracing::warn!(why, "no model was made of our own hubs"),
                }
            }
            Step::Listening { challenger, trial, since } => {
                if trial.is_ripe(it.unix_s) {
                    self.decide(challenger, trial, it.champion);
                } else if it.now.since(since) > LISTEN_MAX {
                    let failures = trial.failures();
                    tracing::info!(
                        model = challenger.name,
                        failures,
                        "too few failures came to judge the new model by"
                    );
                } else {
                    self.step = Step::Listening { challenger, trial, since };
                }
            }
            Step::Deciding { challenger, decided } if decided.is_finished() => {
                return match decided.await {
                    Ok(decided) => Self::conclude(challenger, it.champion, decided),
                    Err(error) => {
                        tracing::error!(%error, "comparing two models failed");
                        None
                    }
                };
            }
            busy @ (Step::Making { .. } | Step::Deciding { .. }) => self.step = busy,
        }
        None
    }

    /// Has the model that was learnt before the last one speak again, or the configured one; `false` if none was learnt.
    pub(crate) fn go_back(&mut self) -> io::Result<bool> {
        let (Some(path), Some(previous)) = (self.path("model"), self.path("previous.model")) else {
            return Ok(false);
        };
        self.stop();
        if !path.exists() {
            return Ok(false);
        }
        if previous.exists() {
            std::fs::rename(previous, path)?;
        } else {
            std::fs::remove_file(path)?;
        }
        Ok(true)
    }

    fn stop(&mut self) {
        // The process is killed with the task that waits for it.
        if let Step::Making { made } = std::mem::replace(&mut self.step, Step::Idle) {
            made.abort();
        }
    }

    fn path(&self, end: &str) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join(format!("learned-{}.{end}", self.base)))
    }

    fn begin(&mut self, it: &Now<'_>) {
        let Some(state) = &self.state else { return };
        if it.now < self.next_at || it.failures < it.settings.failures as usize {
            return;
        }
        tracing::info!(failures = it.failures, "a model is being made of our own hubs");
        let (record, champion) = (state.join(recorder::FOLDER), Arc::clone(it.champion));
        let out = state.join("learning.model");
        self.step = Step::Making { made: tokio::spawn(process::make(record, out, champion)) };
    }

    fn listen(&mut self, challenger: Arc<Speaker>, now: MonoTime) {
        let training = &challenger.model.training;
        tracing::info!(
            model = challenger.name,
            hubs = training.hubs,
            failures = training.failures,
            "a new model is listened to in silence"
        );
        self.step = Step::Listening { challenger, trial: Trial::default(), since: now };
    }

    /// Compares both where nobody waits, and writes the challenger down if it is better.
    fn decide(&mut self, challenger: Arc<Speaker>, trial: Trial, champion: &Arc<Speaker>) {
        let paths = self.path("model").zip(self.path("previous.model"));
        let (new, old) = (Arc::clone(&challenger), Arc::clone(champion));
        let decided = tokio::task::spawn_blocking(move || {
            let outcome = trial.decide();
            let kept = match (&outcome, paths) {
                (Ok(Outcome::Replaced(_)), Some((path, previous))) => keep(&path, &previous, &new, &old),
                _ => Ok(()),
            };
            (outcome, kept)
        });
        self.step = Step::Deciding { challenger, decided };
    }

    fn conclude(challenger: Arc<Speaker>, champion: &Speaker, decided: Decided) -> Option<Arc<Speaker>> {
        let (new, old) = (&challenger.name, &champion.name);
        match decided {
            (Ok(Outcome::Replaced(score)), Ok(())) => {
                tracing::warn!(new, old, ?score, "the new model is better, and speaks from now on");
                Some(challenger)
            }
            (Ok(Outcome::Replaced(_)), Err(error)) => {
                tracing::error!(new, old, %error, "the new model is better, but cannot be written down: the old one stays");
                None
            }
            (Ok(Outcome::Stays(score)), _) => {
                tracing::info!(
                    new,
                    old,
                    ?score,
                    "the new model is not better in everything: the old one stays"
                );
                None
            }
            (Ok(Outcome::TooFew { episodes }), _) => {
                tracing::info!(new, old, episodes, "too few failures came to judge the new model by");
                None
            }
            (Err(error), _) => {
                tracing::warn!(new, old, %error, "the new model cannot be judged: the old one stays");
                None
            }
        }
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

/// Puts a model in the place of the one that was learnt before, which stays beside it. At every moment there is a whole one.
fn keep(path: &Path, previous: &Path, new: &Speaker, old: &Speaker) -> io::Result<()> {
    let bytes = |speaker: &Speaker| speaker.model.to_bytes().map_err(io::Error::other);
    match old.origin {
        Origin::Learned => write_whole(previous, &bytes(old)?)?,
        // What was learnt before in the place of another one is nothing to go back to.
        Origin::BuiltIn | Origin::File => match std::fs::remove_file(previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
    }
    write_whole(path, &bytes(new)?)
}

#[cfg(test)]
mod tests;

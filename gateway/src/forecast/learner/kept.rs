//! How does a trial outlive the process that began it?
//!
//! In the manner of what it decides about: the challenger lies in the folder of the state beside the models that were
//! learnt, written once and whole; what both models said is a row of the store, written anew every ten minutes, at once when
//! another failure was met, and when the process ends. The row names both models by their hashes. Where one of them is not
//! the one that is there now, cannot be read, or asks for other features than ours, the trial is over, and it is said why.
//! A crash or a hand-over costs the rounds of ten minutes at most; an orderly end, what was said in its last ten minutes and
//! had come to nothing yet.

use super::{Learner, Now, Step};
use crate::forecast::speaker::{Origin, Speaker, SpeakerError};
use mcphub_predictor::learning::{KeptError, Parties, Trial};
use mcphub_routing::MonoTime;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long rounds wait for the store: at 5 MB at most, 8 KB a second.
const KEEP_EVERY: Duration = Duration::from_secs(600);
/// The end of the name of the challenger's file.
pub(super) const CHALLENGER: &str = "challenger.model";

/// A trial that is under way.
pub(super) struct Listening {
    pub(super) challenger: Arc<Speaker>,
    /// The name of the model that it is held against.
    champion: String,
    pub(super) trial: Trial,
    /// When this process began to listen, and for how long there had been a trial then.
    since: MonoTime,
    before: Duration,
    /// When it was last written down, with so many failures and rounds.
    kept: (MonoTime, usize, usize),
}

/// Why a trial is not gone on with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("what was kept of it cannot be read")]
    Unreadable(#[source] KeptError),
    #[error("learning is off")]
    Off,
    #[error("it was held against the model {0}, which is not the one that speaks")]
    Champion(String),
    #[error(transparent)]
    Challenger(#[from] SpeakerError),
    #[error("it was about the model {kept}, and the file has the model {found}")]
    Other { kept: String, found: String },
}

impl Listening {
    /// A trial begins.
    pub(super) fn begin(challenger: Arc<Speaker>, champion: &Speaker, now: MonoTime) -> Self {
        let (trial, before) = (Trial::default(), Duration::ZERO);
        Self { challenger, champion: champion.name.clone(), trial, since: now, before, kept: (now, 0, 0) }
    }

    /// Goes on with a trial that an earlier process wrote down. `None` if it was won before that process ended.
    fn take_up(bytes: &[u8], path: &Path, it: &Now<'_>) -> Result<Option<Self>, Lost> {
        let (of, trial) = Trial::from_bytes(bytes).map_err(Lost::Unreadable)?;
        if of.challenger == it.champion.name {
            return Ok(None);
        }
        if !it.settings.enabled {
            return Err(Lost::Off);
        }
        if of.champion != it.champion.name {
            return Err(Lost::Champion(of.champion));
        }
        let challenger = Speaker::open(path, Origin::Learned, None)?;
        if challenger.name != of.challenger {
            return Err(Lost::Other { kept: of.challenger, found: challenger.name.clone() });
        }
        // Of a clock that was set back it began just now.
        let before = Duration::from_secs(it.unix_s.saturating_sub(of.began));
        let kept = (it.now, trial.failures(), trial.rounds());
        Ok(Some(Self { challenger, champion: of.champion, trial, since: it.now, before, kept }))
    }

    /// Whether this is the model that the challenger is held against.
    pub(super) fn is_against(&self, champion: &Speaker) -> bool {
        self.champion == champion.name
    }

    /// For how long there has been a trial.
    pub(super) fn age(&self, now: MonoTime) -> Duration {
        self.before.saturating_add(now.since(self.since))
    }

    /// What is to be written down.
    fn bytes(&self, now: MonoTime, unix_s: u64) -> Vec<u8> {
        let began = unix_s.saturating_sub(self.age(now).as_secs());
        let (champion, challenger) = (self.champion.clone(), self.challenger.name.clone());
        self.trial.to_bytes(&Parties { champion, challenger, began })
    }
}

impl Learner {
    /// Goes on with the trial that an earlier process began, as soon as the store knows of it. Of two, the one that was begun
    /// here is the newer.
    pub(crate) fn adopt(&mut self, it: &Now<'_>) {
        if self.adopted || !self.store.is_loaded() {
            return;
        }
        self.adopted = true;
        let (Some(bytes), Some(path)) = (self.store.trial(), self.path(CHALLENGER)) else { return };
        if matches!(self.step, Step::Listening(_) | Step::Deciding { .. }) {
            return;
        }
        match Listening::take_up(&bytes, &path, it) {
            Ok(Some(listening)) => {
                self.stop("an earlier trial goes on", it.unix_s);
                let (model, failures) = (&listening.challenger.name, listening.trial.failures());
                tracing::info!(model, failures, "the trial of a new model goes on");
                self.step = Step::Listening(Box::new(listening));
            }
            Ok(None) => self.forget_trial(),
            Err(lost) => {
                let why = format!("{:#}", anyhow::Error::from(lost));
                tracing::warn!(why, "the trial of a new model does not go on");
                self.tell(
                    it.unix_s,
                    format!("the trial of a new model did not go on after a restart: {why}"),
                );
                self.forget_trial();
            }
        }
    }

    /// Has the trial written down, where its turn has come.
    pub(crate) fn keep(&mut self, now: MonoTime, unix_s: u64) {
        if let Step::Listening(listening) = &self.step {
            let (at, failures, rounds) = listening.kept;
            let late = now.since(at) >= KEEP_EVERY && rounds != listening.trial.rounds();
            if late || failures != listening.trial.failures() {
                self.keep_now(now, unix_s);
            }
        }
    }

    /// Has the trial written down: it has just begun, or the process ends.
    pub(crate) fn keep_now(&mut self, now: MonoTime, unix_s: u64) {
        if let Step::Listening(listening) = &mut self.step {
            listening.kept = (now, listening.trial.failures(), listening.trial.rounds());
            self.store.put_trial(Some(listening.bytes(now, unix_s)));
        }
    }

    /// The trial is over: nothing of it is to be found by the next process.
    pub(super) fn forget_trial(&self) {
        self.store.put_trial(None);
        let Some(path) = self.path(CHALLENGER) else { return };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = path.display();
                tracing::warn!(%path, %error, "the model of a trial that is over stays there");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

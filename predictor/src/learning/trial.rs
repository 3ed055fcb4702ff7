//! Does a new model speak better than the one that does?

use std::collections::BTreeMap;

use mcphub_routing::HubId;

use super::Came;
use crate::insight::contest::{ContestError, EPISODES_MIN, Outcome, Round, contest};
use crate::insight::outlook::MAIN;
use crate::model::hazard::HORIZONS;

/// Rounds that are kept, 12 bytes each: those of 140 hub-days. A fleet in which not ten failures come in so many has too
/// few to choose a model by.
pub const ROUNDS_MAX: usize = 400_000;

/// Failures that are counted: ten decide, and those that come until all is known of the tenth.
pub(super) const FAILURES_MAX: usize = 1_000;

/// Stands for no failure.
pub(super) const NONE: u32 = u32::MAX;

/// What two models said, side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trial {
    pub(super) rounds: Vec<(u32, f32, f32)>,
    /// The failures that came, by hub and beginning, and their numbers.
    pub(super) failures: BTreeMap<(HubId, u64), u32>,
    /// When all is known about the failure that decides, in seconds since 1970.
    pub(super) ripe_at: Option<u64>,
}

impl Trial {
    /// Takes in what came of what both said of a hub. What only one said is passed over.
    pub fn add(&mut self, hub: &HubId, came: &Came) {
        let Some(challenger) = came.said.challenger.filter(|_| self.rounds.len() < ROUNDS_MAX) else {
            return;
        };
        let failure = match came.failed_at.map(|start| (hub.clone(), start)) {
            None => NONE,
            Some(failure) if self.failures.len() >= FAILURES_MAX && !self.failures.contains_key(&failure) => {
                return;
            }
            Some(failure) => {
                let next = self.failures.len() as u32;
                *self.failures.entry(failure).or_insert(next)
            }
        };
        self.rounds.push((failure, came.said.champion, challenger));
        if self.failures.len() >= EPISODES_MIN && self.ripe_at.is_none() {
            self.ripe_at = came.failed_at.map(|start| start.saturating_add(HORIZONS[MAIN].as_secs()));
        }
    }

    /// How many rounds there are so far.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// How many failures came so far.
    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Whether it is to be decided now: all is known of ten failures, or there is no room to wait for more.
    pub fn is_ripe(&self, unix_s: u64) -> bool {
        self.rounds.len() >= ROUNDS_MAX || self.ripe_at.is_some_and(|at| unix_s > at)
    }

    /// Compares both.
    ///
    /// # Errors
    /// [`ContestError`] when nothing was quiet.
    pub fn decide(&self) -> Result<Outcome, ContestError> {
        let round = |(failure, champion, challenger): &(u32, f32, f32)| Round {
            episode: (*failure != NONE).then_some(*failure),
            champion: f64::from(*champion),
            challenger: f64::from(*challenger),
        };
        contest(&self.rounds.iter().map(round).collect::<Vec<_>>())
    }
}

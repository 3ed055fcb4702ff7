//! What was said of each hub, and what came of it?
//!
//! Every other period it is noted for each hub how likely it was said to fail within ten minutes. When these are over, it
//! is known whether it did. Not noted is what nobody can judge: while the hub fails, or has just failed; while its past
//! alone speaks; and when something was done about it.

use std::collections::{BTreeMap, VecDeque};

use mcphub_routing::HubId;

use crate::insight::outlook::MAIN;
use crate::model::hazard::HORIZONS;
use crate::telemetry::{History, PERIOD};

/// One period in so many is noted: each half minute, as the evaluation does.
pub const EVERY: u64 = 2;

/// Notes of one hub that wait for their end: those of ten minutes, and one.
const WAITING_MAX: usize = (HORIZONS[MAIN].as_secs() / (EVERY * PERIOD.as_secs())) as usize + 1;

/// One period in so many may be missing, and we still know that no failure came.
const MISSING_MAX: usize = 10;

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// When, in seconds since 1970.
    pub at: u64,
    /// How likely a failure is within ten minutes, to the model that speaks; 0 to 1.
    pub champion: f32,
    /// The same, to the one that speaks beside it.
    pub challenger: Option<f32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Came {
    /// What was said.
    pub said: Said,
    /// When the failure began that came; `None` if none did.
    pub failed_at: Option<u64>,
}

/// What was said and has not ended yet: some 500 bytes a hub.
#[derive(Debug, Default)]
pub struct Awaiting(BTreeMap<HubId, VecDeque<Said>>);

impl Awaiting {
    /// Notes what was said of a hub.
    pub fn say(&mut self, hub: &HubId, said: Said) {
        let waiting = self.0.entry(hub.clone()).or_default();
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(said);
    }

    /// What was said of this hub is not to be judged: something was done about it.
    pub fn forget(&mut self, hub: &HubId) {
        self.0.remove(hub);
    }

    /// Forgets hubs that are gone.
    pub fn retain(&mut self, stays: impl Fn(&HubId) -> bool) {
        self.0.retain(|hub, _| stays(hub));
    }

    /// What has come of what was said of this hub, as far as that is known now.
    pub fn settle(&mut self, hub: &HubId, history: &History) -> Vec<Came> {
        let (Some(waiting), Some(now)) = (self.0.get_mut(hub), history.newest()) else { return Vec::new() };
        // In the future lies what was said before a clock was set back. Of it, and of what was before, nothing is known.
        if waiting.back().is_some_and(|last| last.at > now) {
            waiting.clear();
        }
        let window = HORIZONS[MAIN].as_secs();
        let mut came = Vec::new();
        while let Some(said) = waiting.front().copied().filter(|said| said.at.saturating_add(window) <= now) {
            waiting.pop_front();
            let within = |at: u64| at >= said.at && at < said.at + window;
            let mut failures = history.episodes().iter();
            match failures.find(|episode| within(episode.start)) {
                // What it would have been like without us, or to other eyes, nobody knows.
                Some(failure) if failure.acted || failure.common => {}
                Some(failure) => came.push(Came { said, failed_at: Some(failure.start) }),
                None if is_known(history, said.at, said.at + window) => {
                    came.push(Came { said, failed_at: None });
                }
                None => {}
            }
        }
        came
    }
}

/// Whether nearly every period between these two times was sampled.
fn is_known(history: &History, from: u64, until: u64) -> bool {
    let newer = history.samples().rev().skip_while(|(start, _)| *start >= until);
    let known =
        newer.take_while(|(start, _)| *start >= from).filter(|(_, slot)| slot.sample.is_some()).count();
    let all = ((until - from) / PERIOD.as_secs()) as usize;
    known + all / MISSING_MAX >= all
}

//! What is to be expected of each hub?
//!
//! When a period has ended, a hub's new samples go through its extractor, and the row that comes out through the model:
//! some 50 µs a hub. That is done a few milliseconds a tick, hub by hub in turn, so that the control task is never away
//! for long; a fleet of a thousand is through within a period. A hub that is new here has its past replayed first. Until
//! then, and without a model, its own rate of failure is all that is told.

use super::Telemetry;
use super::speaker::Speaker;
use crate::clock;
use crate::snapshot::Snapshot;
use mcphub_predictor::features::{Extractor, Schema, Surroundings};
use mcphub_predictor::insight::explain::Mover;
use mcphub_predictor::insight::outlook::{Outlook, Standing};
use mcphub_predictor::model::file::Model;
use mcphub_predictor::model::hazard::HORIZONS;
use mcphub_predictor::model::prior::Rate;
use mcphub_predictor::model::{Kind, RowsError};
use mcphub_predictor::telemetry::{History, PERIOD, Sample, Signal, Slot};
use mcphub_predictor::{AtHorizon, EVIDENCE_MAX, FailureType, Forecast, HORIZONS_MAX, Influence};
use mcphub_routing::{HubId, Share};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How long one turn may take. Fifteen turns make a period: a thousand hubs at 50 µs take 50 ms of it.
const BUDGET: Duration = Duration::from_millis(5);
/// The features that moved a forecast are named from this multiple of the hub's own rate on: nobody asks why nothing is
/// expected.
const TOLD_FROM: f64 = 2.0;
/// How far memory is looked back for its slope: half an hour, at both ends of which five minutes are averaged.
const MEMORY_SPAN: usize = 120;
const MEMORY_ENDS: usize = 20;

/// The names of the features, for as long as the process lives: forecasts that name some are copied around.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = Schema::telemetry().names().into_iter();
    names.map(|name| -> &'static str { Box::leak(name.into_boxed_str()) }).collect()
});

/// What is expected of every hub.
pub(crate) struct Forecaster {
    speaker: Option<Arc<Speaker>>,
    schema: Schema,
    hubs: BTreeMap<HubId, Expected>,
    /// Whose turn has not come yet since the last period ended.
    waiting: BTreeSet<HubId>,
}

/// What is expected of one hub.
pub(crate) struct Expected {
    extractor: Extractor,
    /// How many periods of its history have been looked at.
    periods: u64,
    row: Vec<f32>,
    /// What is known of it besides its row.
    pub(crate) standing: Standing,
    /// What part of the other hubs at its location is failing, 0 to 1.
    pub(crate) neighbours: f32,
    /// What is expected.
    pub(crate) outlook: Outlook,
    /// What moved it most; empty where nothing is expected.
    pub(crate) movers: Vec<Mover>,
}

impl Forecaster {
    /// Nothing is expected yet. Until a model is listened to, rates of failure are all there is.
    pub(crate) fn new() -> Self {
        Self { speaker: None, schema: Schema::telemetry(), hubs: BTreeMap::new(), waiting: BTreeSet::new() }
    }

    /// What is expected of this hub.
    pub(crate) fn expected(&self, hub: &HubId) -> Option<&Expected> {
        self.hubs.get(hub)
    }

    /// The model that speaks, if any.
    pub(crate) fn model(&self) -> Option<&Model> {
        self.speaker.as_deref().map(|speaker| &speaker.model)
    }

    /// The same, with where it comes from.
    pub(crate) fn speaker(&self) -> Option<&Arc<Speaker>> {
        self.speaker.as_ref()
    }

    /// Has another model speak from the next turn of each hub on. What is expected until then stays.
    pub(crate) fn listen_to(&mut self, speaker: Option<Arc<Speaker>>) {
        self.speaker = speaker;
    }

    /// The features of a row.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A period has ended: every hub is looked at again in its turn, and those that are gone are forgotten.
    pub(crate) fn wake(&mut self, telemetry: &Telemetry) {
        self.hubs.retain(|hub, _| telemetry.history(hub).is_some());
        self.waiting = telemetry.hubs().cloned().collect();
    }

    /// Looks at hubs whose turn has come, and gives back what is expected of them now.
    pub(crate) fn work(
        &mut self,
        telemetry: &Telemetry,
        present: &Snapshot,
        horizon: Duration,
    ) -> Vec<(HubId, Forecast)> {
        let began = clock::instant();
        let mut told = Vec::new();
        while let Some(hub) = self.waiting.pop_first() {
            if let Some(history) = telemetry.history(&hub) {
                let neighbours = neighbours(&hub, telemetry, present);
                if let Some(forecast) = self.look(&hub, history, neighbours, horizon) {
                    told.push((hub, forecast));
                }
            }
            if clock::instant().saturating_duration_since(began) >= BUDGET {
                break;
            }
        }
        told
    }

    fn look(
        &mut self,
        hub: &HubId,
        history: &History,
        neighbours: f32,
        horizon: Duration,
    ) -> Option<Forecast> {
        let now = history.newest()?;
        let standing = standing(history, now);
        let expected = self.hubs.entry(hub.clone()).or_insert_with(|| Expected {
            extractor: Extractor::new(),
            periods: 0,
            row: Vec::new(),
            standing,
            neighbours,
            outlook: Outlook::of_prior(&standing),
            movers: Vec::new(),
        });
        expected.catch_up(history);
        expected.standing = standing;
        expected.neighbours = neighbours;
        let around = Surroundings { neighbours, kin: 0.0, past: None };
        expected.extractor.vector(&self.schema, &around, &mut expected.row);
        if let Err(error) = expected.ask(self.speaker.as_deref().map(|speaker| &speaker.model), horizon) {
            // The schema of a model was held against ours when it was loaded: this is our own mistake, and no hub's.
            tracing::error!(%hub, %error, "the model refuses a row; the hub's rate of failure speaks instead");
            expected.outlook = Outlook::of_prior(&standing);
            expected.movers.clear();
        }
        Some(expected.forecast(horizon))
    }
}

impl Expected {
    /// Takes in the samples that are new.
    fn catch_up(&mut self, history: &History) {
        let new = history.periods().checked_sub(self.periods).and_then(|new| usize::try_from(new).ok());
        self.periods = history.periods();
        let fine = |slot: &Slot| slot.span == PERIOD;
        let known = history.samples().filter(|(_, slot)| fine(slot) && slot.sample.is_some()).count();
        match new {
            // Only so many of the newest, and the gaps before and among them.
            Some(new) if new < known => {
                let mut left = new;
                let newest = history.samples().rev().take_while(|(_, slot)| {
                    // A gap before the first new sample is new as well.
                    let take = left > 0 || slot.sample.is_none();
                    left -= usize::from(left > 0 && slot.sample.is_some());
                    take
                });
                let mut slots: Vec<Slot> = newest.map(|(_, slot)| slot).collect();
                slots.reverse();
                slots.iter().for_each(|slot| self.push(slot));
            }
            // New here, or away for longer than single periods are kept: all there is.
            _ => {
                self.extractor = Extractor::new();
                history.samples().for_each(|(_, slot)| self.push(&slot));
            }
        }
    }

    fn push(&mut self, slot: &Slot) {
        let sample = slot.sample.unwrap_or(Sample::UNKNOWN);
        if slot.span == PERIOD {
            self.extractor.push(&sample);
        } else {
            self.extractor.push_minute(&sample);
        }
    }

    fn ask(&mut self, model: Option<&Model>, horizon: Duration) -> Result<(), RowsError> {
        self.movers.clear();
        let Some(model) = model else {
            self.outlook = Outlook::of_prior(&self.standing);
            return Ok(());
        };
        self.outlook = model.outlook(&self.row, &self.standing)?;
        if self.outlook.cold {
            // What is usual for it is not known yet, so its row says nothing about kinds either.
            self.outlook.kinds = None;
        }
        let usual = self.standing.rate.within(horizon);
        if !self.outlook.cold && self.outlook.hazard.within(horizon) >= TOLD_FROM * usual {
            self.movers = model.movers(&self.row)?;
        }
        Ok(())
    }

    fn forecast(&self, horizon: Duration) -> Forecast {
        let hazard = &self.outlook.hazard;
        let mut others = [None; HORIZONS_MAX];
        for (place, horizon) in others.iter_mut().zip(HORIZONS) {
            *place = Some(AtHorizon { horizon, probability: share(hazard.within(horizon)) });
        }
        let mut evidence = [None; EVIDENCE_MAX];
        for (place, mover) in evidence.iter_mut().zip(&self.movers) {
            let by = (mover.part * 1000.0).round() as i16;
            *place = NAMES.get(mover.feature).map(|&feature| Influence { feature, by });
        }
        Forecast {
            base_rate: share(self.standing.rate.within(horizon)),
            confidence: share(self.outlook.confidence),
            failure_type: self.failure_type(),
            time_to_failure: self.time_to_failure(),
            others,
            evidence,
            ..Forecast::new(share(hazard.within(horizon)), horizon)
        }
    }

    /// What would fail, where one kind is clearly ahead.
    pub(crate) fn failure_type(&self) -> FailureType {
        match self.outlook.kinds.and_then(|kinds| kinds.named()) {
            Some(Kind::Hardware) => FailureType::Hardware,
            Some(Kind::Software) => FailureType::Software,
            Some(Kind::Network) => FailureType::Network,
            Some(Kind::Overload) => FailureType::Overload,
            None => FailureType::Unknown,
        }
    }

    /// When it fails if it does: whichever comes first of the hazard's median and the end of its memory.
    pub(crate) fn time_to_failure(&self) -> Option<Duration> {
        self.outlook.hazard.median().into_iter().chain(self.outlook.memory).min()
    }
}

/// A probability in ‰; what is not a number is none.
fn share(probability: f64) -> Share {
    Share::saturating((probability.clamp(0.0, 1.0) * 1000.0).round() as u16)
}

fn standing(history: &History, now: u64) -> Standing {
    let watched = history.watched();
    // What all hubs had in common was nobody's own failure.
    let own = history.episodes().iter().filter(|episode| !episode.common);
    let ago = own.map(|episode| Duration::from_secs(now.saturating_sub(episode.start)));
    Standing { history: watched, rate: Rate::of(ago, watched), memory: memory(history) }
}

/// What share of its memory a hub uses now, and how fast that grows, in shares a minute; if it tells.
fn memory(history: &History) -> Option<(f64, f64)> {
    let newest = history.samples().rev().take(MEMORY_SPAN);
    let known: Vec<Option<f64>> = newest
        .map(|(_, slot)| slot.sample.and_then(|sample| sample.get(Signal::Memory)).map(f64::from))
        .collect();
    let mean = |slots: &[Option<f64>]| {
        let known: Vec<f64> = slots.iter().flatten().copied().collect();
        (2 * known.len() >= slots.len()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    if known.len() < MEMORY_SPAN {
        return None;
    }
    let (now, then) = (mean(&known[..MEMORY_ENDS])?, mean(&known[MEMORY_SPAN - MEMORY_ENDS..])?);
    let minutes = PERIOD.as_secs_f64() * (MEMORY_SPAN - MEMORY_ENDS) as f64 / 60.0;
    Some((now, (now - then) / minutes))
}

/// What part of the other hubs at the same location is failing, 0 to 1; 0 where there are none.
fn neighbours(hub: &HubId, telemetry: &Telemetry, present: &Snapshot) -> f32 {
    let hubs = &present.settings.hubs;
    let Some(own) = hubs.iter().find(|settings| settings.id == *hub) else { return 0.0 };
    let beside = hubs.iter().filter(|other| other.location == own.location && other.id != own.id);
    let failing = |id: &HubId| {
        let history = telemetry.history(id);
        history.is_some_and(|history| {
            history.newest().is_some_and(|newest| history.episodes().is_going_on(newest))
        })
    };
    let (mut all, mut ill) = (0_u16, 0_u16);
    for other in beside.take(usize::from(u16::MAX)) {
        all += 1;
        ill += u16::from(failing(&other.id));
    }
    if all == 0 { 0.0 } else { f32::from(ill) / f32::from(all) }
}

#[cfg(test)]
mod tests;

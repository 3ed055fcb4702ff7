//! What is to be expected of one hub?

use mcphub_predictor::features::{Extractor, Restraint, Schema, Surroundings};
use mcphub_predictor::insight::explain::Mover;
use mcphub_predictor::insight::outlook::{MAIN, Outlook, Standing, TOLD_FROM};
use mcphub_predictor::learning::{EVERY, Said};
use mcphub_predictor::model::RowsError;
use mcphub_predictor::model::file::Model;
use mcphub_predictor::model::hazard::HORIZONS;
use mcphub_predictor::model::prior::Rate;
use mcphub_predictor::telemetry::{History, PERIOD, Sample, Signal, Slot};
use mcphub_predictor::{AtHorizon, EVIDENCE_MAX, FailureType, Forecast, HORIZONS_MAX, Influence};
use mcphub_routing::Share;
use std::sync::LazyLock;
use std::time::Duration;

/// How far memory is looked back for its slope: half an hour, at both ends of which five minutes are averaged.
const MEMORY_SPAN: usize = 120;
const MEMORY_ENDS: usize = 20;
/// How long after its beginning a failure is told to be of a kind, in seconds: 45 s, when a period has ended, and one more in
/// case that one was missed.
const TOLD_AFTER: std::ops::RangeInclusive<u64> = 45..=60;

/// The names of the features, for as long as the process lives: forecasts that name some are copied around.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = Schema::telemetry().names().into_iter();
    names.map(|name| -> &'static str { Box::leak(name.into_boxed_str()) }).collect()
});

/// What is expected of one hub.
pub(crate) struct Expected {
    extractor: Extractor,
    /// How many periods of its history have been looked at.
    periods: u64,
    /// Whether its load has just jumped, so that no more may be expected than before.
    restraint: Restraint,
    /// The model expects more of it, but its load has just jumped, so that what was expected before stands.
    pub(crate) stands: bool,
    /// What it is like, in the features of the model.
    pub(crate) row: Vec<f32>,
    /// How likely it fails within ten minutes, to the model and to the one beside it; `None` while its past alone speaks.
    said: Option<(f64, Option<f64>)>,
    /// What is known of it besides its row.
    pub(crate) standing: Standing,
    /// What part of the other hubs at its location is failing, 0 to 1.
    pub(crate) neighbours: f32,
    /// What is expected.
    pub(crate) outlook: Outlook,
    /// What moved it most; empty where nothing is expected.
    pub(crate) movers: Vec<Mover>,
}

impl Expected {
    /// Of a hub of which nothing was seen yet.
    pub(super) fn new(standing: Standing) -> Self {
        Self {
            extractor: Extractor::new(),
            periods: 0,
            restraint: Restraint::default(),
            stands: false,
            row: Vec::new(),
            said: None,
            standing,
            neighbours: 0.0,
            outlook: Outlook::of_prior(&standing),
            movers: Vec::new(),
        }
    }

    /// Takes in what is new of it, and makes its row.
    pub(super) fn see(&mut self, history: &History, standing: Standing, neighbours: f32, schema: &Schema) {
        self.catch_up(history);
        self.standing = standing;
        self.neighbours = neighbours;
        let around = Surroundings { neighbours, kin: 0.0, past: None };
        self.extractor.vector(schema, &around, &mut self.row);
    }

    /// Has its past alone speak.
    pub(super) fn fall_back(&mut self) {
        self.outlook = Outlook::of_prior(&self.standing);
        self.stands = false;
        self.movers.clear();
    }

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

    /// Works out what is expected of it now: where its load has just jumped, no more than before.
    pub(super) fn work_out(
        &mut self,
        model: Option<&Model>,
        beside: Option<&Model>,
        horizon: Duration,
    ) -> Result<(), RowsError> {
        let held = self.restraint.holds(self.periods, self.extractor.has_jumped());
        let before = (self.outlook, std::mem::take(&mut self.movers));
        self.ask(model, beside, horizon)?;
        self.stands = held && soon(&self.outlook) > soon(&before.0);
        if self.stands {
            (self.outlook, self.movers) = before;
            self.said = None;
        }
        Ok(())
    }

    fn ask(
        &mut self,
        model: Option<&Model>,
        beside: Option<&Model>,
        horizon: Duration,
    ) -> Result<(), RowsError> {
        self.movers.clear();
        self.said = None;
        let Some(model) = model else {
            self.outlook = Outlook::of_prior(&self.standing);
            return Ok(());
        };
        self.outlook = model.outlook(&self.row, &self.standing)?;
        if !self.outlook.cold {
            let beside = beside.map(|beside| beside.outlook(&self.row, &self.standing)).transpose()?;
            self.said = Some((soon(&self.outlook), beside.as_ref().map(soon)));
        }
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

    /// What was just said, where what comes of it can be judged: not in a failure, nor right after one.
    pub(super) fn noted(&self, history: &History, now: u64) -> Option<Said> {
        let (champion, challenger) = self.said?;
        let noted = history.periods().is_multiple_of(EVERY) && !history.episodes().is_going_on(now);
        noted.then_some(Said { at: now, champion: champion as f32, challenger: challenger.map(|p| p as f32) })
    }

    /// How the hub fails: told once, three periods into a failure, when kinds differ most. Whoever was not there then says
    /// nothing later, since all failures look alike in the end.
    pub(super) fn failing_how(
        &self,
        history: &History,
        now: u64,
        model: Option<&Model>,
    ) -> Option<FailureType> {
        let last = history.episodes().iter().next_back().filter(|last| last.failure_type.is_none())?;
        if !TOLD_AFTER.contains(&now.saturating_sub(last.start)) {
            return None;
        }
        let kinds = model?.kinds.as_ref()?.predict(&self.row).ok()?;
        // What is usual for it must be known, or its row says nothing; no more does it where the fleet has drifted.
        Some(FailureType::of(kinds.named().filter(|_| !self.outlook.cold)))
    }

    pub(super) fn forecast(&self, horizon: Duration) -> Forecast {
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
        FailureType::of(self.outlook.kinds.and_then(|kinds| kinds.named()))
    }

    /// When it fails if it does: whichever comes first of the hazard's median and the end of its memory.
    pub(crate) fn time_to_failure(&self) -> Option<Duration> {
        self.outlook.hazard.median().into_iter().chain(self.outlook.memory).min()
    }
}

/// How likely the hub fails within the main horizon, 0 to 1.
fn soon(outlook: &Outlook) -> f64 {
    outlook.hazard.within(HORIZONS[MAIN])
}

/// A probability in ‰; what is not a number is none.
fn share(probability: f64) -> Share {
    Share::saturating((probability.clamp(0.0, 1.0) * 1000.0).round() as u16)
}

/// What is known of a hub besides its row.
pub(super) fn standing(history: &History, now: u64) -> Standing {
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

#[cfg(test)]
mod tests;

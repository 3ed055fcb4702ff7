//! How are hubs' pasts told to an operator? In JSON, as the rest of the control plane.

use crate::clock::Rfc3339;
use mcphub_predictor::FailureType;
use mcphub_predictor::telemetry::{Episode, History, Sample, Signal, Slot};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// What one hub has been like.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TelemetryView {
    /// The hub.
    pub hub: String,
    /// When the newest sample ended, RFC 3339; `null` before the first.
    pub newest: Option<String>,
    /// When the hub was last seen to have been started again, RFC 3339.
    pub restarted: Option<String>,
    /// How many samples of the last day there are, gaps left out.
    pub known: usize,
    /// How many are missing between the oldest and the newest.
    pub missing: usize,
    /// Bytes of memory that all of it takes.
    pub bytes: usize,
    /// The last samples, newest first.
    pub samples: Vec<SampleView>,
    /// The failures of the last 30 days, newest first.
    pub episodes: Vec<EpisodeView>,
}

/// What a hub was like for a while.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleView {
    /// When it began, RFC 3339.
    pub start: String,
    /// How long it lasted: 15,000, or 60,000 for what is older than two hours.
    pub span_ms: u64,
    /// By the names of the signals: times in milliseconds, shares from 0 to 1. A signal that is not known is absent, and
    /// in a gap all are.
    pub values: BTreeMap<&'static str, f64>,
}

/// A stretch of time in which a hub failed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EpisodeView {
    /// When it began, RFC 3339.
    pub start: String,
    /// When the hub was last seen to fail, RFC 3339.
    pub end: String,
    /// How it failed, where that is known.
    pub failure_type: Option<&'static str>,
    /// Whether something had been done on a forecast before.
    pub acted: bool,
    /// Whether the hub was started again in it or shortly before.
    pub restarted: bool,
    /// Whether most hubs looked bad at that time.
    pub common: bool,
}

fn moment(unix_s: u64) -> String {
    // The year 9999 at most, which is as far as the spelling goes.
    Rfc3339(UNIX_EPOCH + Duration::from_secs(unix_s.min(253_402_300_799))).to_string()
}

impl TelemetryView {
    /// One hub's past with its newest `most` samples.
    pub(crate) fn of(hub: &str, history: &History, most: usize) -> Self {
        let slots = history.samples();
        let missing = slots.clone().filter(|(_, slot)| slot.sample.is_none()).count();
        Self {
            hub: hub.to_owned(),
            newest: history.newest().map(moment),
            restarted: history.restarted_at().map(moment),
            known: slots.len() - missing,
            missing,
            bytes: history.bytes(),
            samples: slots.rev().take(most).map(|(start, slot)| SampleView::of(start, &slot)).collect(),
            episodes: history.episodes().iter().rev().map(EpisodeView::of).collect(),
        }
    }
}

impl SampleView {
    fn of(start: u64, slot: &Slot) -> Self {
        let values = slot.sample.as_ref().map(values).unwrap_or_default();
        let span_ms = u64::try_from(slot.span.as_millis()).unwrap_or(u64::MAX);
        Self { start: moment(start), span_ms, values }
    }
}

fn values(sample: &Sample) -> BTreeMap<&'static str, f64> {
    let known = |signal: Signal| sample.get(signal).map(|value| (signal.as_str(), rounded(value)));
    Signal::ALL.into_iter().filter_map(known).collect()
}

/// Four digits behind the point: more than is measured.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

impl EpisodeView {
    fn of(episode: &Episode) -> Self {
        Self {
            start: moment(episode.start),
            end: moment(episode.end),
            failure_type: episode.failure_type.map(FailureType::as_str),
            acted: episode.acted,
            restarted: episode.restarted,
            common: episode.common,
        }
    }
}

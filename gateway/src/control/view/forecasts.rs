//! How are forecasts told: of each hub, and who makes them?

use super::{millis, share};
use crate::control::alarms::{AlarmView, TallyView};
use crate::forecast::speaker::Speaker;
use mcphub_predictor::Forecast;
use schemars::JsonSchema;
use serde::Serialize;

/// What is expected of a hub, as those who decide see it. `predictFailure` says more.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ForecastView {
    /// How likely it fails within the horizon, 0 to 1.
    pub probability: f64,
    /// How likely that is by its past alone, 0 to 1.
    pub base_rate: f64,
    /// The configured horizon.
    pub horizon_ms: u64,
    /// How far it may be believed, 0 to 1.
    pub confidence: f64,
    /// How it would fail.
    pub failure_type: &'static str,
}

/// What forecasts are made by, and what became of alarms.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ForecastsView {
    /// `off`, `advise` or `act`.
    pub mode: &'static str,
    /// The model that makes them; `null` where each hub's past alone does.
    pub model: Option<ModelView>,
    /// By which signs the model does not know these hubs; while there are any, each hub's past alone speaks.
    pub drifted: Vec<String>,
    /// Whether models are made of these hubs.
    pub learning: LearningView,
    /// What alarms came to.
    pub tally: TallyView,
    /// The newest alarms, newest first.
    pub alarms: Vec<AlarmView>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelView {
    /// The beginning of the SHA-256 of its file.
    pub name: String,
    /// `built_in`, `file` or `learned`.
    pub origin: &'static str,
    /// When it was trained, RFC 3339.
    pub trained: String,
    /// On so many hubs.
    pub hubs: u32,
    /// With so many failures.
    pub failures: u32,
    /// Whether these hubs were simulated.
    pub simulated: bool,
}

/// Whether models are made of the gateway's own hubs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LearningView {
    /// As configured.
    pub enabled: bool,
    /// `idle`, `making` a model, `listening` to a new one beside the one that speaks, or `deciding` between both.
    pub step: &'static str,
    /// The new one.
    pub challenger: Option<ModelView>,
    /// How many failures it has met, of the ten that decide.
    pub failures_met: usize,
    /// What became of the last one, since this process began.
    pub ended: Option<EndedView>,
}

/// What became of a new model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndedView {
    /// When, RFC 3339.
    pub at: String,
    /// Whether it speaks now, or why not.
    pub what: String,
}

impl ForecastView {
    pub(in crate::control) fn of(forecast: &Forecast) -> Self {
        Self {
            probability: share(forecast.probability),
            base_rate: share(forecast.base_rate),
            horizon_ms: millis(forecast.horizon),
            confidence: share(forecast.confidence),
            failure_type: forecast.failure_type.as_str(),
        }
    }
}

impl ModelView {
    pub(in crate::control) fn of(speaker: &Speaker, trained: &str) -> Self {
        let training = &speaker.model.training;
        Self {
            name: speaker.name.clone(),
            origin: speaker.origin.as_str(),
            trained: trained.to_owned(),
            hubs: training.hubs,
            failures: training.failures,
            simulated: training.simulated,
        }
    }
}

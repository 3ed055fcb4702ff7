//! The numbers of forecasts.

use crate::forecast::speaker::Speaker;
use mcphub_predictor::{AlarmEvent, Forecast};
use mcphub_routing::HubId;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The words of what a learner does.
const STEPS: [&str; 4] = ["idle", "making", "listening", "deciding"];

/// What is told of forecasts.
#[derive(Debug, Clone)]
pub struct ForecastMetrics {
    /// 1 if the last change of the model's file was taken over.
    pub model_reload_ok: IntGauge,
    /// 1 while the model does not know these hubs, and the past of each alone speaks.
    pub fallen_back: IntGauge,
    model: IntGaugeVec,
    trained: IntGauge,
    learning: IntGaugeVec,
    probability: GaugeVec,
    alarms: IntCounterVec,
    missed: IntGauge,
    spent: GaugeVec,
}

impl ForecastMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let shares = |name: &str, help: &str| {
            let made = GaugeVec::new(Opts::new(name, help), &["hub"])?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let alarms = IntCounterVec::new(
            Opts::new("mcphub_alarms_total", "Alarms: raised, and judged right, false or unknown."),
            &["hub", "event"],
        )?;
        registry.register(Box::new(alarms.clone()))?;
        Ok(Self {
            model_reload_ok: gauge(
                "mcphub_model_last_reload_successful",
                "1 if the file of the model is current.",
            )?,
            fallen_back: gauge(
                "mcphub_model_drifted",
                "1 while the model does not know these hubs, and the past of each alone speaks.",
            )?,
            model: gauges(
                "mcphub_model_info",
                "1 for the model that makes the forecasts.",
                &["model", "origin", "simulated"],
            )?,
            trained: gauge(
                "mcphub_model_trained_timestamp_seconds",
                "When the model that makes the forecasts was trained, in seconds since 1970.",
            )?,
            learning: gauges(
                "mcphub_learning_step",
                "1 for what is being done about a new model.",
                &["step"],
            )?,
            probability: shares(
                "mcphub_forecast_probability",
                "How likely a hub fails within the configured horizon, 0 to 1.",
            )?,
            alarms,
            missed: gauge(
                "mcphub_failures_without_alarm",
                "Failures that no alarm was open for, since they are counted; restarts go on counting.",
            )?,
            spent: shares(
                "mcphub_alarm_budget_spent",
                "What part of a hub's budget of alarms is spent, 0 to 1.",
            )?,
        })
    }

    /// Shows which model makes the forecasts from now on.
    pub fn speaks(&self, speaker: Option<&Speaker>) {
        self.model.reset();
        let Some(Speaker { model, name, origin }) = speaker else { return };
        let simulated = if model.training.simulated { "true" } else { "false" };
        self.model.with_label_values(&[name, origin.as_str(), simulated]).set(1);
        self.trained.set(i64::try_from(model.training.at).unwrap_or(i64::MAX));
    }

    /// Shows what is being done about a new model.
    pub fn learns(&self, step: &str) {
        for one in STEPS {
            self.learning.with_label_values(&[one]).set(i64::from(one == step));
        }
    }

    /// Shows what is expected of a hub.
    pub fn expects(&self, hub: &HubId, forecast: &Forecast) {
        let probability = f64::from(forecast.probability.per_mille()) / 1000.0;
        self.probability.with_label_values(&[hub.as_str()]).set(probability);
    }

    /// Hubs have gone, or nothing is expected any more: what is said of those that are there comes anew.
    pub fn begin(&self) {
        self.probability.reset();
        self.spent.reset();
    }

    /// Counts an alarm that was raised or judged.
    pub fn alarm(&self, event: &AlarmEvent) {
        let word = event.verdict.map_or("raised", |verdict| verdict.as_str());
        self.alarms.with_label_values(&[event.hub.as_str(), word]).inc();
    }

    /// Shows how many failures no alarm was open for, and what part of its budget each hub has spent.
    pub fn show_alarms<'h>(&self, missed: u64, spent: impl Iterator<Item = (&'h HubId, f64)>) {
        self.missed.set(i64::try_from(missed).unwrap_or(i64::MAX));
        for (hub, part) in spent {
            self.spent.with_label_values(&[hub.as_str()]).set(part);
        }
    }
}

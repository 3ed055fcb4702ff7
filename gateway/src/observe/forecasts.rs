//! The numbers of forecasts.

use crate::forecast::speaker::Speaker;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// What is told of forecasts.
#[derive(Debug, Clone)]
pub struct ForecastMetrics {
    /// 1 if the last change of the model's file was taken over.
    pub model_reload_ok: IntGauge,
    model: IntGaugeVec,
    trained: IntGauge,
}

impl ForecastMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let model = IntGaugeVec::new(
            Opts::new("mcphub_model_info", "1 for the model that makes the forecasts."),
            &["model", "origin", "simulated"],
        )?;
        registry.register(Box::new(model.clone()))?;
        Ok(Self {
            model_reload_ok: gauge(
                "mcphub_model_last_reload_successful",
                "1 if the file of the model is current.",
            )?,
            model,
            trained: gauge(
                "mcphub_model_trained_timestamp_seconds",
                "When the model that makes the forecasts was trained, in seconds since 1970.",
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
}

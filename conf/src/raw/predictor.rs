//! `[predictor]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{PredictorMode, PredictorSettings};
use std::time::Duration;

section! {
    /// Whether and how far ahead failure is forecast.
    RawPredictor {
        /// No forecasts; forecasts that are shown and change nothing; forecasts that may drain a hub.
        mode: At<PredictorMode> = default(PredictorMode::Advise),
        /// How far ahead failure is forecast.
        horizon: At<Duration> =
            default(Duration::from_secs(600)).within(Duration::from_secs(60), Duration::from_secs(86_400)),
    }
    instead {}
}

pub(super) fn lower(raw: &RawPredictor) -> PredictorSettings {
    PredictorSettings { mode: raw.mode.value, horizon: raw.horizon.value }
}

//! `[predictor]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{CostSettings, PredictorMode, PredictorSettings};
use crate::tables::{Sub, Table};
use mcphub_routing::Share;
use std::time::Duration;

section! {
    /// Whether and how far ahead failure is forecast, and what is done about it.
    RawPredictor {
        /// No forecasts; forecasts that are shown and change nothing; forecasts that may relieve or drain a hub.
        mode: At<PredictorMode> = default(PredictorMode::Advise),
        /// How far ahead failure is forecast.
        horizon: At<Duration> =
            default(Duration::from_secs(600)).within(Duration::from_secs(60), Duration::from_secs(86_400)),
        /// What decides how likely a failure must be before anything is done about it: swap / (swap + failure).
        cost: Sub<RawCost> = Table,
        /// Forecasts with less confidence are not acted on.
        confidence: At<Share> = default(Share::saturating(600)).within(Share::NONE, Share::FULL),
        /// Largest share of the hubs that may be out for forecasts at once; one may always be.
        max_out: At<Share> = default(Share::saturating(200)).within(Share::NONE, Share::FULL),
        /// Each hub may raise one alarm in this time that does not prove right; 0s for as many as there are.
        alarm_every: At<Duration> =
            default(Duration::from_secs(2 * 86_400)).within(Duration::ZERO, Duration::from_secs(365 * 86_400)),
        /// The share of the alarms about which nothing is done, so that it stays known what forecasts are worth.
        hold_out: At<Share> = default(Share::saturating(50)).within(Share::NONE, Share::FULL),
    }
    instead {
        "threshold" => "unknown key", "the threshold follows from cost: swap / (swap + failure)";
        "budget" => "unknown key", "did you mean `alarm_every`?";
        "holdout" => "unknown key", "did you mean `hold_out`?";
    }
}

section! {
    /// Two costs, in any unit: only their ratio matters.
    RawCost {
        /// To move what a hub serves elsewhere, in vain.
        swap: At<u32> = default(1).within(1, 1_000_000),
        /// That a hub fails with what it serves.
        failure: At<u32> = default(9).within(1, 1_000_000),
    }
    instead {}
}

pub(super) fn lower(raw: &RawPredictor) -> PredictorSettings {
    let cost = &raw.cost.0;
    PredictorSettings {
        mode: raw.mode.value,
        horizon: raw.horizon.value,
        cost: CostSettings { swap: cost.swap.value, failure: cost.failure.value },
        confidence: raw.confidence.value,
        max_out: raw.max_out.value,
        alarm_every: raw.alarm_every.value,
        hold_out: raw.hold_out.value,
    }
}

//! `[predictor]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{CostSettings, LearningSettings, ModelSource, PredictorMode, PredictorSettings};
use crate::site::Site;
use crate::tables::{Sub, Table};
use crate::value::BuiltInOrFile;
use mcphub_routing::Share;
use std::time::Duration;

section! {
    /// Whether and how far ahead failure is forecast, and what is done about it.
    RawPredictor {
        /// No forecasts; forecasts that are shown and change nothing; forecasts that may relieve or drain a hub.
        mode: At<PredictorMode> = default(PredictorMode::Advise),
        /// "built-in" is the model that ships with the gateway; else the path of a file as `predictor train` writes it.
        /// The file is watched and swapped whole.
        model: At<BuiltInOrFile> = default(BuiltInOrFile::BuiltIn),
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
        /// Whether the gateway makes models of what it sees of its own hubs.
        learning: Sub<RawLearning> = Table,
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

section! {
    /// Models of the gateway's own hubs. One is made from time to time, listened to in silence, and speaks once it has
    /// proved better than the one that does.
    RawLearning {
        /// Whether any is made.
        enabled: At<bool> = default(false),
        /// One is made this often at most.
        interval: At<Duration> = default(Duration::from_secs(86_400))
            .within(Duration::from_secs(1), Duration::from_secs(30 * 86_400)),
        /// One is made after so many failures that the one that speaks has not learnt from.
        failures: At<u32> = default(20).within(1, 100_000),
    }
    instead {
        "mode" => "unknown key", "did you mean `enabled`?";
        "every" => "unknown key", "did you mean `interval`?";
    }
}

pub(super) fn lower(raw: &RawPredictor, site: &Site<'_>) -> PredictorSettings {
    let (cost, learning) = (&raw.cost.0, &raw.learning.0);
    let model = match &raw.model.value {
        BuiltInOrFile::BuiltIn => ModelSource::BuiltIn,
        BuiltInOrFile::File(path) => {
            let place = raw.model.place.clone();
            ModelSource::File(site.existing(&At { value: path.clone(), place, sound: true, written: true }))
        }
    };
    PredictorSettings {
        mode: raw.mode.value,
        model,
        horizon: raw.horizon.value,
        cost: CostSettings { swap: cost.swap.value, failure: cost.failure.value },
        confidence: raw.confidence.value,
        max_out: raw.max_out.value,
        alarm_every: raw.alarm_every.value,
        hold_out: raw.hold_out.value,
        learning: LearningSettings {
            enabled: learning.enabled.value,
            interval: learning.interval.value,
            failures: learning.failures.value,
        },
    }
}

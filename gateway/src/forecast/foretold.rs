//! What is there to say about one hub's future, and what should be done? Worked out when somebody asks.

use super::{Expected, Forecaster, Telemetry};
use crate::snapshot::Snapshot;
use mcphub_predictor::insight::actions::{Action, Case, Evidence, advise};
use mcphub_predictor::insight::patterns::{Failure, Past, Pattern, patterns};
use mcphub_predictor::insight::words::told;
use mcphub_predictor::telemetry::History;
use mcphub_predictor::{FailureType, ForecastPolicy};
use mcphub_routing::HubId;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// Everything about one hub's future.
#[derive(Debug, Clone, PartialEq)]
pub struct Foretold {
    /// How far ahead the probability looks.
    pub window: Duration,
    /// How likely the hub fails within it, 0 to 1.
    pub probability: f64,
    /// How likely that is by its past alone, 0 to 1.
    pub base_rate: f64,
    /// How far the forecast may be believed, 0 to 1.
    pub confidence: f64,
    /// Whether its past alone speaks, since it has been watched for less than a day or no model knows it.
    pub cold: bool,
    /// Whether this was expected before its load jumped just now, and the model expects more.
    pub stands: bool,
    /// What would fail.
    pub failure_type: FailureType,
    /// When, if it is likelier than not or its memory runs out.
    pub time_to_failure: Option<Duration>,
    /// How likely it fails within 24 hours by its past alone, 0 to 100.
    pub risk_score: f64,
    /// How often it fails, by its past.
    pub failures_per_day: f64,
    /// How long it has been watched in all.
    pub watched: Duration,
    /// How many failures of the last 30 days are known.
    pub failures: usize,
    /// How many of them looked like which kind while they lasted.
    pub failure_types: BTreeMap<&'static str, usize>,
    /// What they have in common, in words, each with how likely chance would do that.
    pub patterns: Vec<ToldPattern>,
    /// What should be done.
    pub advice: Vec<ToldAdvice>,
    /// What moved the forecast, the strongest first.
    pub movers: Vec<ToldMover>,
    /// Whether the model that speaks was taught by simulated hubs alone; `None` without a model.
    pub simulated: Option<bool>,
}

/// What failures have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldPattern {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub detail: String,
    /// How likely chance would do that, 0 to 1, where that can be told.
    pub chance: Option<f64>,
}

/// What should be done.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldAdvice {
    /// What.
    pub action: Action,
    /// What speaks for it, in words.
    pub because: Vec<String>,
}

/// A feature that moved a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldMover {
    /// Its name.
    pub feature: String,
    /// What it is now.
    pub value: f32,
    /// What it was on average in training.
    pub usual: f32,
    /// What part of all movement it makes up: positive towards failure, −1 to 1.
    pub part: f32,
    /// In words.
    pub detail: String,
}

impl Forecaster {
    /// What is to be said about this hub; `None` where nothing has been seen of it yet.
    pub(crate) fn foretell(
        &self,
        hub: &HubId,
        window: Duration,
        (telemetry, present): (&Telemetry, &Snapshot),
        policy: &ForecastPolicy,
        unix_s: u64,
    ) -> Option<Foretold> {
        let history = telemetry.history(hub)?;
        let expected = self.expected(hub)?;
        let probability = expected.outlook.hazard.within(window);
        let base_rate = expected.standing.rate.within(window);
        let patterns = past_patterns(hub, history, telemetry, present);
        let kinds = expected.outlook.kinds;
        let case = Case {
            band: policy.advised(&expected.forecast(window)),
            probability,
            base: base_rate,
            window,
            confidence: expected.outlook.confidence,
            kind: kinds.and_then(|kinds| kinds.named().map(|kind| (kind, kinds.of(kind)))),
            memory: expected.outlook.memory,
            neighbours: f64::from(expected.neighbours),
            movers: &expected.movers,
            patterns: &patterns,
            time_of_day: (unix_s % DAY) as u32,
        };
        Some(Foretold {
            window,
            probability,
            base_rate,
            confidence: expected.outlook.confidence,
            cold: expected.outlook.cold,
            stands: expected.stands,
            failure_type: expected.failure_type(),
            time_to_failure: expected.time_to_failure(),
            risk_score: expected.outlook.risk_score,
            failures_per_day: expected.standing.rate.per_day(),
            watched: history.watched(),
            failures: history.episodes().len(),
            failure_types: types(history),
            patterns: patterns.iter().map(|pattern| self.pattern(pattern)).collect(),
            advice: self.advice(&case),
            movers: self.movers(expected),
            simulated: self.model().map(|model| model.training.simulated),
        })
    }

    fn pattern(&self, pattern: &Pattern) -> ToldPattern {
        let (name, chance) = match pattern {
            Pattern::Recurring { chance, .. } => ("recurring_hour", Some(*chance)),
            Pattern::Sibling { chance, .. } => ("sibling", Some(*chance)),
            Pattern::SlowRise { .. } => ("slow_rise", None),
            Pattern::AfterRestart { chance, .. } => ("after_restart", Some(*chance)),
        };
        ToldPattern { name, detail: told(&Evidence::Pattern(pattern.clone()), self.schema()), chance }
    }

    fn advice(&self, case: &Case<'_>) -> Vec<ToldAdvice> {
        let words = |because: &Evidence| told(because, self.schema());
        let of = |advice: mcphub_predictor::insight::actions::Advice| ToldAdvice {
            action: advice.action,
            because: advice.because.iter().map(words).collect(),
        };
        advise(case).into_iter().map(of).collect()
    }

    fn movers(&self, expected: &Expected) -> Vec<ToldMover> {
        let names = self.schema().names();
        let of = |mover: &mcphub_predictor::insight::explain::Mover| ToldMover {
            feature: names.get(mover.feature).cloned().unwrap_or_default(),
            value: mover.value,
            usual: mover.usual,
            part: mover.part,
            detail: told(&Evidence::Mover(*mover), self.schema()),
        };
        expected.movers.iter().map(of).collect()
    }
}

fn types(history: &History) -> BTreeMap<&'static str, usize> {
    let mut types = BTreeMap::new();
    for failure_type in history.episodes().iter().filter_map(|episode| episode.failure_type) {
        *types.entry(failure_type.as_str()).or_default() += 1;
    }
    types
}

fn past_patterns(hub: &HubId, history: &History, telemetry: &Telemetry, present: &Snapshot) -> Vec<Pattern> {
    let starts = |history: &History| -> Vec<i64> {
        history.episodes().iter().map(|episode| episode.start.cast_signed()).collect()
    };
    let hubs = &present.settings.hubs;
    let location = hubs.iter().find(|settings| settings.id == *hub).map(|settings| &settings.location);
    let beside = hubs.iter().filter(|other| Some(&other.location) == location && other.id != *hub);
    let kin: Vec<(&str, Vec<i64>)> =
        beside.filter_map(|other| Some((other.id.as_str(), starts(telemetry.history(&other.id)?)))).collect();
    let siblings: Vec<(&str, &[i64])> = kin.iter().map(|(name, starts)| (*name, &starts[..])).collect();
    let own = history.episodes().iter();
    let failures: Vec<Failure> =
        own.clone().map(|episode| Failure { start: episode.start.cast_signed(), rise: None }).collect();
    let restarted = own.filter(|episode| episode.restarted).map(|episode| episode.start.cast_signed());
    let restarts: Vec<i64> = restarted.chain(history.restarted_at().map(u64::cast_signed)).collect();
    patterns(&Past {
        failures: &failures,
        restarts: &restarts,
        siblings: &siblings,
        watched: history.watched(),
    })
}

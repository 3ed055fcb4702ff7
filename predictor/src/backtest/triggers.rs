//! How soon would our own triggers have noticed failures: a forecast, what requests show, and whichever comes first?

use serde::Serialize;

use super::run::{check, fitting, folds, tested_parts};
use super::{
    BacktestError, Cries, Dataset, Detection, Entity, FORETOLD_WITHIN_S, Protocol, Scored, Scorer, Span,
    Watch, detection, threshold_for,
};
use crate::telemetry::Signal;

/// From which share of errors among the requests of one sample on a hub is seen to fail, 0 to 1: half of them. No burst
/// of what is usual comes near it.
pub const SEEN_FAILING_FROM: f32 = 0.5;

/// The budget of our triggers, in false alarms per hub and day.
pub const FALSE_CRIES_PER_DAY: f64 = 1.0;

/// What one trigger is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TriggerReport {
    /// Its name.
    pub name: String,
    /// From which score on it cries, where it goes by one that was chosen; absent if none keeps the budget.
    pub threshold: Option<f64>,
    /// When failures were noticed.
    #[serde(flatten)]
    pub detection: Detection,
}

/// Is this hub seen to fail at this sample, by the requests that it was sent? Without a request nothing is seen.
pub fn seen_failing(entity: &Entity, at: usize) -> bool {
    let errors = entity.row(at).get(Signal::Errors as usize);
    errors.is_some_and(|errors| *errors >= SEEN_FAILING_FROM)
}

/// What requests show, what `scorer` foretells, and either of them; asked at every sample, as in service. Thresholds are
/// chosen on what models are fitted on, by models that have not seen the hub, for [`FALSE_CRIES_PER_DAY`]; that of
/// either for the false alarms of both together.
///
/// Empty where requests are not known.
///
/// # Errors
/// There are fewer than two entities, or the scorer fails.
pub fn triggers(
    train: &Dataset,
    test: Option<&Dataset>,
    scorer: &dyn Scorer,
) -> Result<Vec<TriggerReport>, BacktestError> {
    check(train, test)?;
    if train.protocol != Protocol::Hubsim {
        return Ok(Vec::new());
    }
    let settings = &train.settings;
    let horizon = settings.samples_in(FORETOLD_WITHIN_S);
    let failed = |source| BacktestError::Scorer { scorer: scorer.name().to_owned(), source };

    let fitting = fitting(train, test, horizon)?;
    let folds = folds(train);
    let (mut foretold, mut either) = (Vec::new(), Vec::new());
    for fold in 0..folds {
        let (own, others): (Vec<_>, Vec<_>) =
            fitting.iter().enumerate().partition(|(at, _)| at % folds == fold);
        let others: Vec<_> = others.into_iter().map(|(_, span)| span.clone()).collect();
        let model = scorer.fit(&others, horizon).map_err(failed)?;
        for (_, Span { entity, part, .. }) in own {
            let rows = entity.timeline.rows(part, 1);
            let span = Span { entity, part: part.clone(), rows };
            let scores = model.score(&span).map_err(failed)?;
            let of = |scores| {
                let scored = Scored::new(&entity.timeline, part.clone(), span.rows.clone(), scores);
                scored.map_err(|source| BacktestError::Scores { scorer: scorer.name().to_owned(), source })
            };
            // What is seen cries whatever the threshold.
            let fused = span.rows.iter().zip(&scores);
            let fused = fused.map(|(at, score)| if seen_failing(entity, *at) { f64::MAX } else { *score });
            either.push(of(fused.collect())?);
            foretold.push(of(scores)?);
        }
    }
    let watch = Watch { horizon, cool_down: settings.cool_down };
    let threshold =
        |of: &[Scored<'_>]| threshold_for(of, FALSE_CRIES_PER_DAY, &watch, settings.samples_per_day());
    let (threshold, threshold_either) = (threshold(&foretold), threshold(&either));

    let model = scorer.fit(&fitting, horizon).map_err(failed)?;
    let (mut seen, mut foretold, mut either) = (Vec::new(), Vec::new(), Vec::new());
    for (entity, part) in tested_parts(train, test) {
        let span = Span { entity, part: part.clone(), rows: part.clone().collect() };
        let scores = model.score(&span).map_err(failed)?;
        let cries = |cried: &dyn Fn(usize, f64) -> bool| {
            let at = span.rows.iter().zip(&scores).filter(|(at, score)| cried(**at, **score));
            Cries { entity, part: part.clone(), at: at.map(|(at, _)| *at).collect() }
        };
        let above = |score: f64, threshold: Option<f64>| threshold.is_some_and(|least| score >= least);
        seen.push(cries(&|at, _| seen_failing(entity, at)));
        foretold.push(cries(&|_, score| above(score, threshold)));
        either.push(cries(&|at, score| seen_failing(entity, at) || above(score, threshold_either)));
    }
    let report = |name: String, threshold, cries| {
        let detection = detection(cries, settings);
        TriggerReport { name, threshold, detection }
    };
    let name = scorer.name();
    Ok(vec![
        report("requests".to_owned(), None, seen),
        report(name.to_owned(), threshold, foretold),
        report(format!("{name} or requests"), threshold_either, either),
    ])
}

#[cfg(test)]
mod tests;

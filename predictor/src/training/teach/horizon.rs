//! What is learnt about one horizon, and how good is it?

use std::time::Duration;

use crate::backtest::{BUDGETS, Predictions, Watch, threshold_for};
use crate::model::BlendSettings;
use crate::model::calibration::{Calibrator, Method, Unseen};
use crate::model::file::{HorizonModel, Quality, Threshold};
use crate::telemetry::{MERGE_GAP, PERIOD};
use crate::training::{Examples, Recipe, out_of_fold};

use super::class::Class;
use super::record::samples_in;
use super::{TeachError, Teaching};

/// Samples of a day.
const SAMPLES_PER_DAY: f64 = 86_400.0 / PERIOD.as_secs() as f64;

/// Learns from all hubs, and judges by models that have not seen the hub.
pub(super) fn learn(
    class: &mut Class<'_>,
    horizon: Duration,
    settings: &Teaching,
) -> Result<HorizonModel, TeachError> {
    let minutes = horizon.as_secs() / 60;
    let recipe = Recipe::Blend(BlendSettings { forest: settings.forest, logistic: settings.logistic });
    let (every, folds) = (class.learnt_every(), class.folds());
    let examples = class.examples(horizon);
    let scores = out_of_fold(examples, folds, every, &recipe)
        .map_err(|source| TeachError::Folds { minutes, source })?;
    let pooled = Examples::pooled(examples, every)
        .expect("a class has hubs")
        .expect("all rows were made by one schema");
    let estimator = recipe.fit(&pooled).map_err(|source| TeachError::Fit { minutes, source })?;

    let targets: Vec<bool> = examples.iter().flat_map(Examples::came).collect();
    let hubs = class.records().iter().zip(&scores);
    let hubs = hubs.flat_map(|(record, scores)| scores.iter().map(move |score| (record.hub, *score)));
    let unseen: Vec<_> = hubs
        .zip(&targets)
        .map(|((hub, score), failed)| Unseen { hub: hub as u32, score: within(score), failed: *failed })
        .collect();
    let calibrator = Calibrator::fit(&unseen, Method::Platt)
        .map_err(|source| TeachError::Calibration { minutes, source })?;

    let chance = |score: &f32| {
        let score = f64::from(within(*score));
        calibrator.probability(score).expect("a score within 0 to 1 has a probability")
    };
    let chances: Vec<Vec<f64>> = scores.iter().map(|of| of.iter().map(chance).collect()).collect();
    let predictions = Predictions::new(chances.concat(), targets).expect("one finite chance for each row");
    let scored = class.scored(chances).expect("one finite chance for each moment, in order");
    let watch = Watch { horizon: samples_in(horizon), cool_down: samples_in(MERGE_GAP) };
    let thresholds = BUDGETS.into_iter().filter_map(|budget| {
        let probability = threshold_for(&scored, budget, &watch, SAMPLES_PER_DAY)?;
        Some(Threshold { budget, probability })
    });
    let both = "rows of both kinds, or no forest would have grown";
    Ok(HorizonModel {
        estimator,
        base_rate: predictions.prevalence().expect(both),
        thresholds: thresholds.collect(),
        quality: Quality {
            auroc: predictions.auroc().expect(both),
            auprc: predictions.average_precision().expect(both),
            brier_skill: predictions.brier_skill().expect(both),
            calibration_error: predictions.calibration_error().expect(both),
        },
        calibrator,
    })
}

/// A score lies within 0 to 1, but for rounding.
fn within(score: f32) -> f32 {
    score.clamp(0.0, 1.0)
}

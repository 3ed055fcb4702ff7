//! How is one scorer judged at one horizon?
//!
//! Models are fitted side by side: one without each fold, and one of all. What those without say of their fold is what
//! everything else is chosen by: what makes scores probabilities, and thresholds. An entity that is left out is judged
//! by choices that it had no part in either.

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::figures::{Judged, Making};
use super::run::{fitting, folds, span, tested_parts};
use super::{
    BUDGETS, BacktestError, Dataset, Figures, Fitted, HorizonReport, Scale, Scored, Scorer, Span, Unfit,
    Unusable, threshold_for,
};
use crate::model::calibration::{Calibrator, Method, Unseen};

/// One scorer at one horizon.
pub(super) struct Trial<'a> {
    pub(super) train: &'a Dataset,
    pub(super) test: Option<&'a Dataset>,
    pub(super) scorer: &'a dyn Scorer,
    /// In samples.
    pub(super) horizon: usize,
    /// Where the draws of intervals begin.
    pub(super) seed: u64,
}

/// What was chosen by scores of entities that their models had not seen.
struct Choice {
    calibrator: Calibrator,
    thresholds: [Option<f64>; BUDGETS.len()],
}

impl<'a> Trial<'a> {
    pub(super) fn report(&self) -> Result<HorizonReport, BacktestError> {
        let (settings, test) = (&self.train.settings, self.test);
        let fitting = fitting(self.train, test, self.horizon)?;
        let folds = folds(self.train);
        // The models without each fold, and, after them, the model of all.
        let models: Vec<_> =
            (0..=folds).into_par_iter().map(|fold| self.fit(&fitting, folds, fold)).collect();
        let models: Vec<_> = models.into_iter().collect::<Result<_, _>>()?;
        let score = |model: usize, span: &Span<'a>| self.score(models[model].as_ref(), span);

        let unseen: Vec<_> =
            (0..fitting.len()).into_par_iter().map(|at| score(at % folds, &fitting[at])).collect();
        let unseen: Vec<_> = unseen.into_iter().collect::<Result<_, _>>()?;
        let others = |fold: usize| (0..unseen.len()).filter(move |at| at % folds != fold);
        let choices: Vec<_> =
            (0..=folds).into_par_iter().map(|fold| self.choose(&unseen, others(fold))).collect();
        let choices: Vec<_> = choices.into_iter().collect::<Result<_, _>>()?;

        let parts: Vec<_> = tested_parts(self.train, test).collect();
        let tested = parts.into_par_iter().map(|(entity, part)| {
            let scored = score(folds, &span(entity, part, settings.score_every))?;
            Ok(choices[folds].judged(entity, &scored))
        });
        let tested: Vec<_> = tested.collect();
        let left_out = (0..self.train.entities.len()).into_par_iter().map(|at| {
            let (entity, fold) = (&self.train.entities[at], at % folds);
            let later = || score(fold, &span(entity, entity.cut..entity.len(), settings.score_every));
            let scored = if test.is_some() { unseen[at].clone() } else { later()? };
            Ok(choices[fold].judged(entity, &scored))
        });
        let left_out: Vec<_> = left_out.collect();
        Ok(HorizonReport {
            horizon_s: self.horizon as f64 * settings.sample.as_secs_f64(),
            tested: self.figures(tested)?,
            left_out: self.figures(left_out)?,
        })
    }

    fn making(&self) -> Making<'a> {
        Making {
            settings: &self.train.settings,
            horizon: self.horizon,
            probability: self.scorer.scale() != Scale::Ranks,
            seed: self.seed,
        }
    }

    fn figures(&self, judged: Vec<Result<Judged<'_>, BacktestError>>) -> Result<Figures, BacktestError> {
        let judged: Vec<_> = judged.into_iter().collect::<Result<_, _>>()?;
        self.making().figures(&judged).map_err(|source| self.scores(source))
    }

    /// The model of all entities that are not in this fold.
    fn fit(&self, all: &[Span<'_>], folds: usize, fold: usize) -> Result<Box<dyn Fitted>, BacktestError> {
        let seen = all.iter().enumerate().filter(|(at, _)| at % folds != fold);
        let seen: Vec<_> = seen.map(|(_, span)| span.clone()).collect();
        self.scorer.fit(&seen, self.horizon).map_err(|source| self.failed(source))
    }

    fn score(&self, model: &dyn Fitted, span: &Span<'a>) -> Result<Scored<'a>, BacktestError> {
        let scores = model.score(span).map_err(|source| self.failed(source))?;
        let scored = Scored::new(&span.entity.timeline, span.part.clone(), span.rows.clone(), scores);
        scored.map_err(|source| self.scores(source))
    }

    /// What these scores, each of an entity that its model had not seen, make us choose.
    fn choose(
        &self,
        unseen: &[Scored<'a>],
        from: impl Iterator<Item = usize>,
    ) -> Result<Choice, BacktestError> {
        let from: Vec<_> = from.collect();
        let calibrator = match self.scorer.scale() {
            Scale::Scores => self.calibrator(unseen, &from)?,
            Scale::Ranks | Scale::Probabilities => Calibrator::identity(),
        };
        let scored: Vec<_> = from.iter().map(|at| calibrated(&calibrator, &unseen[*at])).collect();
        let (watch, a_day) = (self.making().watch(), self.train.settings.samples_per_day());
        let thresholds = BUDGETS.map(|budget| threshold_for(&scored, budget, &watch, a_day));
        Ok(Choice { calibrator, thresholds })
    }

    fn calibrator(&self, unseen: &[Scored<'a>], from: &[usize]) -> Result<Calibrator, BacktestError> {
        let rows = from.iter().flat_map(|at| {
            let scored = &unseen[*at];
            let rows = scored.scores().iter().zip(scored.targets(self.horizon));
            rows.map(|(score, failed)| Unseen { hub: *at as u32, score: *score as f32, failed })
        });
        let fitted = Calibrator::fit(&rows.collect::<Vec<_>>(), Method::Platt);
        fitted.map_err(|source| self.failed(Unfit(source.into())))
    }

    fn failed(&self, source: Unfit) -> BacktestError {
        BacktestError::Scorer { scorer: self.scorer.name().to_owned(), source }
    }

    fn scores(&self, source: Unusable) -> BacktestError {
        BacktestError::Scores { scorer: self.scorer.name().to_owned(), source }
    }
}

impl Choice {
    fn judged<'a>(&self, entity: &'a super::Entity, scored: &Scored<'a>) -> Judged<'a> {
        Judged { entity, scored: calibrated(&self.calibrator, scored), thresholds: self.thresholds }
    }
}

/// These scores as probabilities. Ranks may be any number, and stay what they are.
fn calibrated<'a>(calibrator: &Calibrator, scored: &Scored<'a>) -> Scored<'a> {
    scored.map(|score| calibrator.probability(score).unwrap_or(score))
}

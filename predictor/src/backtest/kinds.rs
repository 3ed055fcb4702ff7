//! How well are kinds of failures told apart, before they start and just after?

use serde::Serialize;

use super::run::{check, folds};
use super::scorers::unfit;
use super::{Answer, BacktestError, Dataset, Entity, Failure, Protocol, TypeFigures, Unfit, type_figures};
use crate::features::Schema;
use crate::model::{Kind, KindClassifier, KindSettings, Rows};
use crate::training::Series;

/// When the question is asked, in seconds from the start of a failure: while it may still be foretold, when that is
/// all but too late, and when three samples of it have been seen.
pub const ASKED_AT_S: [i64; 3] = [-120, -30, 45];

/// How well kinds are told apart at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindReport {
    /// The moment, in seconds from the start of the failure; negative before it.
    pub asked_at_s: i64,
    /// On the failures of the test part, by the classifier of every entity.
    pub tested: KindFigures,
    /// On the failures of the same part of time (of the training part, if other entities are tested), by classifiers
    /// that have not seen the entity.
    pub left_out: KindFigures,
}

/// How well kinds are told apart: of all failures, and of some.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindFigures {
    /// Of all.
    pub all: TypeFigures,
    /// Of those that announce themselves.
    pub gradual: TypeFigures,
    /// Of those that do not.
    pub abrupt: TypeFigures,
}

/// One failure of a known kind, with a row for each sample from the first moment that is asked about to the last.
struct Case<'a> {
    failure: &'a Failure,
    kind: Kind,
    rows: Vec<Vec<f32>>,
}

/// How well a classifier of kinds that is taught so tells them apart. As in service, it learns from each failure at
/// every sample between the first moment that is asked about and the last. Empty where it is not known of what kinds failures were.
///
/// # Errors
/// There are fewer than two entities, or a classifier cannot be fitted: to leave an entity out, each kind must be met
/// at others.
pub fn kinds(
    train: &Dataset,
    test: Option<&Dataset>,
    settings: &KindSettings,
) -> Result<Vec<KindReport>, BacktestError> {
    check(train, test)?;
    let known = |failure: &Failure| Kind::named(&failure.class).is_some();
    let any = train.entities.iter().flat_map(|entity| &entity.failures).any(known);
    if train.protocol != Protocol::Hubsim || !any {
        return Ok(Vec::new());
    }
    let failed = |source| BacktestError::Scorer { scorer: "the classifier of kinds".to_owned(), source };
    let learnt_from = cases(train).map_err(failed)?;
    let others = test.map(cases).transpose().map_err(failed)?;
    let folds = folds(train);

    // What lies before the cut to its last moment is learnt from; nothing of what is judged.
    let sample_s = train.settings.sample.as_secs_f64();
    let last = sample_at(0, ASKED_AT_S[ASKED_AT_S.len() - 1], sample_s);
    let before = |at: usize, case: &Case<'_>| {
        test.is_some() || case.failure.start as i64 + last < train.entities[at].cut as i64
    };
    let fit = |seen: &dyn Fn(usize) -> bool| {
        let entities = learnt_from.iter().enumerate().filter(|(at, _)| seen(*at));
        let cases = entities.flat_map(|(at, cases)| cases.iter().filter(move |case| before(at, case)));
        classifier(cases, settings).map_err(failed)
    };
    let all = fit(&|_| true)?;
    let unseen = (0..folds).map(|fold| fit(&|at| at % folds != fold)).collect::<Result<Vec<_>, _>>()?;
    let judged = |at: usize, case: &Case<'_>| test.is_some() || case.failure.start >= train.entities[at].cut;

    let first = sample_at(0, ASKED_AT_S[0], sample_s);
    let report = |asked_at_s: i64| {
        let moment = (sample_at(0, asked_at_s, sample_s) - first) as usize;
        let mut answers = Vec::new();
        for (at, cases) in others.as_ref().unwrap_or(&learnt_from).iter().enumerate() {
            for case in cases.iter().filter(|case| judged(at, case)) {
                answers.push(answered(&all, case, moment).map_err(failed)?);
            }
        }
        let mut left_out = Vec::new();
        for (at, cases) in learnt_from.iter().enumerate() {
            for case in cases.iter().filter(|case| judged(at, case)) {
                left_out.push(answered(&unseen[at % folds], case, moment).map_err(failed)?);
            }
        }
        Ok(KindReport { asked_at_s, tested: figures(&answers), left_out: figures(&left_out) })
    };
    ASKED_AT_S.into_iter().map(report).collect()
}

/// The sample that is over so many seconds after the start of this one: what is known then ends with it.
fn sample_at(start: usize, seconds: i64, sample_s: f64) -> i64 {
    start as i64 + (seconds as f64 / sample_s).round() as i64 - 1
}

/// The failures of each entity.
fn cases(data: &Dataset) -> Result<Vec<Vec<Case<'_>>>, Unfit> {
    let sample_s = data.settings.sample.as_secs_f64();
    data.entities.iter().map(|entity| cases_of(entity, sample_s)).collect()
}

/// The failures of this entity whose kind is known and whose moments are all on record.
fn cases_of(entity: &Entity, sample_s: f64) -> Result<Vec<Case<'_>>, Unfit> {
    let schema = Schema::telemetry();
    let samples: Vec<_> =
        entity.samples().ok_or_else(|| unfit("its columns are not those of a hub"))?.collect();
    let moments = |failure: &Failure| {
        let [first, _, last] = ASKED_AT_S.map(|seconds| sample_at(failure.start, seconds, sample_s));
        let (first, last) = (usize::try_from(first).ok()?, usize::try_from(last).ok()?);
        (last < samples.len()).then_some(first..=last)
    };
    let known = entity.failures.iter().filter_map(|failure| Some((failure, Kind::named(&failure.class)?)));
    let asked: Vec<_> =
        known.filter_map(|(failure, kind)| Some((failure, kind, moments(failure)?))).collect();
    // Rows are made in one pass through time, in which the moments of neighbours may interlace.
    let mut at: Vec<_> = asked.iter().flat_map(|(_, _, moments)| moments.clone()).collect();
    at.sort_unstable();
    at.dedup();
    let series = Series { minutes: &[], samples: &samples, begin: 0, starts: &[], around: &[] };
    let made = series.examples(&schema, at.iter().map(|at| (*at, false))).map_err(unfit)?;
    let row = |moment: usize| {
        let place = at.binary_search(&moment).ok();
        place.and_then(|place| made.rows().row(place)).unwrap_or_default().to_vec()
    };
    let cases = asked.into_iter().map(|(failure, kind, moments)| Case {
        failure,
        kind,
        rows: moments.map(row).collect(),
    });
    Ok(cases.collect())
}

fn classifier<'a>(
    cases: impl Iterator<Item = &'a Case<'a>>,
    settings: &KindSettings,
) -> Result<KindClassifier, Unfit> {
    let mut rows = Rows::new(Schema::telemetry().len()).map_err(unfit)?;
    let mut kinds = Vec::new();
    for case in cases {
        for row in &case.rows {
            rows.push(row).map_err(unfit)?;
            kinds.push(case.kind);
        }
    }
    KindClassifier::fit(&rows, &kinds, settings).map_err(unfit)
}

/// What the classifier says of a failure at a moment, counted in samples from the first that is asked about, and what
/// it was.
fn answered<'a>(
    classifier: &KindClassifier,
    case: &Case<'a>,
    moment: usize,
) -> Result<(&'a Failure, Answer<'static>), Unfit> {
    let row = case.rows.get(moment).ok_or_else(|| unfit("a moment is not on record"))?;
    let (said, confidence) = classifier.predict(row).map_err(unfit)?.first();
    Ok((case.failure, Answer { class: case.kind.as_str(), said: said.as_str(), confidence }))
}

fn figures(answers: &[(&Failure, Answer<'_>)]) -> KindFigures {
    let of = |counts: &dyn Fn(&Failure) -> bool| {
        let those = answers.iter().filter(|(failure, _)| counts(failure));
        type_figures(&those.map(|(_, answer)| answer.clone()).collect::<Vec<_>>())
    };
    KindFigures { all: of(&|_| true), gradual: of(&|f| !f.is_abrupt()), abrupt: of(&Failure::is_abrupt) }
}

#[cfg(test)]
mod tests;

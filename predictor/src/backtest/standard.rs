//! Which scorers are judged when an operator asks for a backtest, and how are they taught?

use std::sync::Arc;

use super::scorers::{Fleet, Rule, Yielding};
use super::{
    BacktestError, Dataset, Protocol, Report, Scorer, TriggerReport, Unfit, Weight, kinds, run, triggers,
};
use crate::model::{BlendSettings, ForestSettings, KindSettings, LogisticSettings, teacher};
use crate::training::Recipe;

/// The forest of the champion for hubs. Chosen on the training parts of simulated hubs, by models that had not seen the hub; among
/// neighbours (40 to 100 trees, 8 to 14 deep, leaves of 5 to 30) nothing differs by more than chance.
pub const FOREST_FOR_HUBS: ForestSettings =
    ForestSettings { trees: 60, depth: 12, leaf: 10, features: Some(18), seed: 1 };

/// The regression of the champion for hubs, of tempered rows: many features say the same, so the penalty is firm.
pub const REGRESSION_FOR_HUBS: LogisticSettings = LogisticSettings { ridge: 100.0 };

/// Of hubs' rows every second one is learnt from: one in a minute.
const HUB_ROWS_EVERY: usize = 2;

/// For machines: as [`FOREST_FOR_HUBS`], but leaves of 50. Ten machines' failures are few, and a small leaf learns one
/// of them by heart.
pub const FOREST_FOR_MACHINES: ForestSettings =
    ForestSettings { trees: 60, depth: 8, leaf: 50, features: None, seed: 1 };

/// Judges all we have: the champion, the logistic regression that is its fallback, the plain rule of recurrence; of
/// machines also the one of forest and rule that is served; of hubs also the model that ships, how soon failures are
/// noticed, and how well their kinds are told apart. Gives back what the features weigh in the champion, too, heaviest
/// first.
///
/// # Errors
/// As [`run`].
pub fn judge(
    train: &Dataset,
    test: Option<&Dataset>,
    seed: u64,
) -> Result<(Report, Vec<Weight>), BacktestError> {
    let (champion, every) = champion(train, seed);
    let logistic = champion.beside("logistic", Recipe::Logistic(LogisticSettings::default()), every);
    let rule = Rule { sample_s: train.settings.sample.as_secs() };
    let report = match train.protocol {
        Protocol::Hubsim => {
            let teacher = teacher().map_err(|source| BacktestError::Scorer {
                scorer: TEACHER.to_owned(),
                source: Unfit(source.into()),
            })?;
            let teacher = champion.beside_taught(TEACHER, Arc::new(teacher));
            let scorers: [&dyn Scorer; 4] = [&champion, &logistic, &rule, &teacher];
            let report = run(train, test, &scorers, seed)?;
            let triggers = triggers(train, test, &champion)?;
            Report { triggers, kinds: kinds(train, test, &KindSettings::default())?, ..report }
        }
        Protocol::Smd => {
            let served = Yielding { model: &champion, rule: &rule, name: "served" };
            run(train, test, &[&served, &champion, &logistic, &rule], seed)?
        }
    };
    let weights = weights(&champion, train, test)?;
    Ok((report, weights))
}

/// How soon the champion and what requests show notice failures of hubs, without the rest of [`judge`].
///
/// # Errors
/// As [`triggers`].
pub fn notice(
    train: &Dataset,
    test: Option<&Dataset>,
    seed: u64,
) -> Result<Vec<TriggerReport>, BacktestError> {
    triggers(train, test, &champion(train, seed).0)
}

/// The name in reports of the model that ships.
const TEACHER: &str = "teacher";

/// The best model that we have, and every how many rows it learns from one: of hubs a forest that leans on a
/// regression, of machines, whose features are few and have no signs, a forest alone.
fn champion(train: &Dataset, seed: u64) -> (Fleet, usize) {
    let (name, recipe, every) = match train.protocol {
        Protocol::Hubsim => {
            let forest = ForestSettings { seed, ..FOREST_FOR_HUBS };
            let blend = BlendSettings { forest, logistic: REGRESSION_FOR_HUBS };
            ("blend", Recipe::Blend(blend), HUB_ROWS_EVERY)
        }
        Protocol::Smd => ("forest", Recipe::Forest(ForestSettings { seed, ..FOREST_FOR_MACHINES }), 1),
    };
    (Fleet::new(name, train, recipe, every), every)
}

fn weights(champion: &Fleet, train: &Dataset, test: Option<&Dataset>) -> Result<Vec<Weight>, BacktestError> {
    let Some(horizon) = train.protocol.horizons(&train.settings).first().copied() else {
        return Ok(Vec::new());
    };
    let spans = super::run::fitting(train, test, horizon)?;
    let learnt = champion
        .learn(&spans, horizon)
        .map_err(|source| BacktestError::Scorer { scorer: champion.name().to_owned(), source })?;
    let importance = learnt.importance().into_iter().map(f64::from);
    let mut weights: Vec<Weight> = champion.feature_names().into_iter().zip(importance).collect();
    weights.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(weights)
}

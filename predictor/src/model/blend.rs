//! How likely is the event, if a forest and a regression are asked?
//!
//! They err in different ways. Where something is clearly wrong, a forest knows what goes together; where next to
//! nothing is, its leaves hold so few events that their order is chance, and a weighted sum of small signs still ranks.
//! The regression sees the row tempered, so that one number far out does not drown the others. Their answers are
//! averaged as logits, and what either forecast owes to a feature adds up in the same unit.

use super::prior::{logit, sigmoid};
use super::rows::check_row;
use super::tempered::tempered;
use super::{FitError, Forest, ForestSettings, Logistic, LogisticSettings, Rows, RowsError};

/// How much the regression counts of the two. Chosen on the training parts of simulated hubs, by models that had not
/// seen the hub; from .15 to .4 little changes, at .5 precision suffers.
pub const LEAN: f64 = 0.3;

/// The least answer that is taken at its word, and one less it the greatest: a forest of leaves of ten rows cannot tell
/// never from seldom, and the logit of never would outweigh everything.
const SURE: f64 = 1e-4;

/// How both are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendSettings {
    /// The forest.
    pub forest: ForestSettings,
    /// The regression.
    pub logistic: LogisticSettings,
}

/// A forest that leans on a regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Blend {
    forest: Forest,
    logistic: Logistic,
}

impl Blend {
    /// Fits both to targets that are each 0 or 1. Costs what the forest does.
    ///
    /// # Errors
    /// As [`Forest::fit`] and [`Logistic::fit`].
    pub fn fit(rows: &Rows, targets: &[f32], settings: &BlendSettings) -> Result<Self, FitError> {
        let forest = Forest::fit(rows, targets, &settings.forest)?;
        let unfit = |e: RowsError| FitError::Library(e.to_string());
        let mut mild = Rows::new(rows.width()).map_err(unfit)?;
        for row in rows.iter() {
            mild.push(&tempered(row).collect::<Vec<_>>()).map_err(unfit)?;
        }
        Ok(Self { forest, logistic: Logistic::fit(&mild, targets, &settings.logistic)? })
    }

    /// Of its two; `None` if they are of rows of different widths. The regression is one of tempered rows.
    pub fn from_parts(forest: Forest, logistic: Logistic) -> Option<Self> {
        (forest.width() == logistic.terms().len()).then_some(Self { forest, logistic })
    }

    /// The forest.
    pub fn forest(&self) -> &Forest {
        &self.forest
    }

    /// The regression of tempered rows.
    pub fn logistic(&self) -> &Logistic {
        &self.logistic
    }

    /// How likely the event is for this row, 0 to 1.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width or holds what is not finite.
    pub fn predict(&self, row: &[f32]) -> Result<f32, RowsError> {
        let forest = to_logit(self.forest.predict(row)?);
        let logistic = bounded(self.logistic.logit(tempered(row)));
        Ok(sigmoid((1.0 - LEAN) * forest + LEAN * logistic) as f32)
    }

    /// How many logits each feature moved this row from the average one. What moved the forest is put into logits by
    /// the slope from its average answer to this one. `moves` is overwritten, one number a feature.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn explain(&self, row: &[f32], moves: &mut Vec<f32>) -> Result<(), RowsError> {
        check_row(self.forest.width(), row)?;
        let mut added = Vec::new();
        self.logistic.explain(&tempered(row).collect::<Vec<_>>(), &mut added)?;
        self.forest.explain(row, moves)?;
        let slope = slope(self.forest.baseline(), self.forest.predict(row)?);
        for (moved, added) in moves.iter_mut().zip(added) {
            *moved = ((1.0 - LEAN) * slope * f64::from(*moved) + LEAN * f64::from(added)) as f32;
        }
        Ok(())
    }

    /// What part of the whole each feature matters, together 1 or 0, each learner by its weight.
    pub fn importance(&self) -> Vec<f32> {
        let both = self.forest.importance().iter().zip(self.logistic.importance());
        both.map(|(forest, logistic)| (1.0 - LEAN as f32) * forest + LEAN as f32 * logistic).collect()
    }
}

fn to_logit(p: f32) -> f64 {
    logit(f64::from(p).clamp(SURE, 1.0 - SURE))
}

fn bounded(x: f32) -> f64 {
    f64::from(x).clamp(logit(SURE), logit(1.0 - SURE))
}

/// How many logits a step of probability is worth on the way from `from` to `to`.
fn slope(from: f32, to: f32) -> f64 {
    let step = f64::from(to) - f64::from(from);
    if step.abs() > 1e-6 {
        return (to_logit(to) - to_logit(from)) / step;
    }
    let p = f64::from(to).clamp(SURE, 1.0 - SURE);
    1.0 / (p * (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two thousand rows. The event comes with the sum of ten features, each of which says little; when the last one is
    /// far out, it always comes.
    fn rows() -> (Rows, Vec<f32>) {
        let (mut rows, mut targets) = (Rows::new(11).unwrap(), Vec::new());
        let mut dice = 1_u32;
        let mut next = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) as f32 / (1 << 24) as f32
        };
        for at in 0..2_000 {
            let mut row: Vec<f32> = (0..10).map(|_| next() * 4.0 - 2.0).collect();
            row.push(if at % 50 == 0 { 15.0 + next() } else { next() });
            let sum: f32 = row[..10].iter().sum();
            let came = row[10] > 10.0 || next() < 1.0 / (1.0 + (4.0 - sum).exp());
            rows.push(&row).unwrap();
            targets.push(f32::from(u8::from(came)));
        }
        (rows, targets)
    }

    fn settings() -> BlendSettings {
        let forest = ForestSettings { trees: 20, depth: 6, ..ForestSettings::default() };
        BlendSettings { forest, logistic: LogisticSettings::default() }
    }

    fn fitted() -> Blend {
        let (rows, targets) = rows();
        Blend::fit(&rows, &targets, &settings()).unwrap()
    }

    #[test]
    fn it_ranks_small_signs_and_knows_what_is_clearly_wrong() {
        let blend = fitted();
        let mut row = [0.0; 11];
        let at_rest = blend.predict(&row).unwrap();
        row[..10].fill(-0.3);
        let calm = blend.predict(&row).unwrap();
        row[..10].fill(0.3);
        let strained = blend.predict(&row).unwrap();
        row = [0.0; 11];
        row[10] = 15.5;
        let wrong = blend.predict(&row).unwrap();
        assert!(
            calm < at_rest && at_rest < strained && strained < wrong,
            "{calm} {at_rest} {strained} {wrong}"
        );
        assert!(wrong > 0.5);
    }

    #[test]
    fn its_answer_lies_between_the_two_and_far_out_stays_sound() {
        let (blend, (rows, _)) = (fitted(), rows());
        for row in rows.iter() {
            let forest = f64::from(blend.forest().predict(row).unwrap()).clamp(SURE, 1.0 - SURE);
            let mild: Vec<_> = tempered(row).collect();
            let logistic = f64::from(blend.logistic().predict(&mild).unwrap()).clamp(SURE, 1.0 - SURE);
            let both = logit(f64::from(blend.predict(row).unwrap()));
            let expected = 0.7 * logit(forest) + 0.3 * logit(logistic);
            assert!((both - expected).abs() < 1e-3, "{both} {expected}");
        }
        for far in [f32::MAX, -f32::MAX, -0.0, f32::MIN_POSITIVE] {
            let p = blend.predict(&[far; 11]).unwrap();
            assert!(p > 0.0 && p < 1.0, "{far}: {p}");
        }
    }

    #[test]
    fn what_moved_a_forecast_adds_up_in_logits() {
        let (blend, mut moves) = (fitted(), Vec::new());
        let mut row = [0.5; 11];
        row[10] = 15.5;
        blend.explain(&row, &mut moves).unwrap();
        let average =
            0.7 * to_logit(blend.forest().baseline()) + 0.3 * f64::from(blend.logistic().intercept());
        let sum = average + moves.iter().map(|moved| f64::from(*moved)).sum::<f64>();
        let told = logit(f64::from(blend.predict(&row).unwrap()));
        assert!((sum - told).abs() < 1e-3, "{sum} {told}");
        let most = moves.iter().copied().fold(0.0, f32::max);
        assert_eq!(moves[10], most);
        assert!((slope(0.2, 0.2) - 6.25).abs() < 1e-5 && (slope(0.2, 0.2001) - 6.25).abs() < 0.01);
    }

    #[test]
    fn importance_is_of_both_and_together_one() {
        let blend = fitted();
        let parts = blend.importance();
        assert!((parts.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{parts:?}");
        let forest = blend.forest().importance();
        assert!(parts.iter().zip(forest).any(|(both, forest)| (both - forest).abs() > 0.01));
    }

    #[test]
    fn other_rows_and_unlike_parts_are_refused() {
        let (blend, mut moves) = (fitted(), Vec::new());
        assert_eq!(blend.predict(&[0.0; 10]), Err(RowsError::Length { expected: 11, found: 10 }));
        let mut row = [0.0; 11];
        row[4] = f32::NAN;
        assert_eq!(blend.predict(&row), Err(RowsError::NotFinite(4)));
        assert_eq!(blend.explain(&row, &mut moves), Err(RowsError::NotFinite(4)));
        let narrow = Logistic::from_terms(0.0, blend.logistic().terms()[1..].to_vec()).unwrap();
        assert_eq!(Blend::from_parts(blend.forest().clone(), narrow), None);
        let (rows, mut targets) = rows();
        targets[0] = 0.5;
        assert!(matches!(Blend::fit(&rows, &targets, &settings()), Err(FitError::Target(0))));
    }
}

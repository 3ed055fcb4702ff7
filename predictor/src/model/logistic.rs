//! How likely is the event, if every feature adds its share?
//!
//! The fallback and the challenger of the forest: it learns less, but cannot be far wrong between its rows, and it is
//! small enough to read. smartcore fits it and tells only classes; the probability is computed here. On NaN the library
//! returns an intercept of zero without a word, so such rows are refused before.

use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

use super::forest::check_targets;
use super::rows::check_row;
use super::{FitError, Rows, RowsError};

/// How far from its mean a feature may be, in standard deviations of the training rows, before it counts as that far
/// only: beyond, a straight line is a guess.
const REACH: f32 = 8.0;

/// How a regression is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticSettings {
    /// Weight of the penalty on squared coefficients of standardised features; 0 or more. As the loss is a sum over the
    /// rows, 1 is next to nothing for 10,000 rows.
    pub ridge: f32,
}

impl Default for LogisticSettings {
    /// Enough to keep coefficients of features that say the same from running away from each other.
    fn default() -> Self {
        Self { ridge: 10.0 }
    }
}

/// A weighted sum of standardised features, bent into a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    intercept: f32,
    terms: Vec<Term>,
}

/// What one feature adds: `weight` times its distance from `mean` in units of `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Mean over the training rows.
    pub mean: f32,
    /// Standard deviation over the training rows, above 0; 1 for a feature that never changed.
    pub scale: f32,
    /// Logits per standard deviation.
    pub weight: f32,
}

impl Term {
    fn of(&self, value: f32) -> f32 {
        self.weight * self.standard(value)
    }

    fn standard(&self, value: f32) -> f32 {
        ((value - self.mean) / self.scale).clamp(-REACH, REACH)
    }

    fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.weight.is_finite() && self.scale.is_finite() && self.scale > 0.0
    }
}

impl Logistic {
    /// Fits one to targets that are each 0 or 1.
    pub fn fit(rows: &Rows, targets: &[f32], settings: &LogisticSettings) -> Result<Self, FitError> {
        check_targets(rows, targets)?;
        if let Some(at) = targets.iter().position(|target| *target != 0.0 && *target != 1.0) {
            return Err(FitError::Target(at));
        }
        if !settings.ridge.is_finite() || settings.ridge < 0.0 {
            return Err(FitError::Settings("the penalty is a number, 0 or more"));
        }
        let mut terms: Vec<Term> = (0..rows.width()).map(|column| standardisation(rows, column)).collect();
        let cells = terms
            .iter()
            .enumerate()
            .flat_map(|(column, term)| rows.iter().map(move |row| f64::from(term.standard(row[column]))));
        let matrix = DenseMatrix::new(rows.len(), rows.width(), cells.collect(), true)
            .map_err(|e| FitError::Library(e.to_string()))?;
        let classes: Vec<u8> = targets.iter().map(|target| u8::from(*target == 1.0)).collect();
        let parameters = LogisticRegressionParameters::default().with_alpha(f64::from(settings.ridge));
        let fitted = LogisticRegression::fit(&matrix, &classes, parameters)
            .map_err(|e| FitError::Library(e.to_string()))?;
        for (column, term) in terms.iter_mut().enumerate() {
            term.weight = *fitted.coefficients().get((0, column)) as f32;
        }
        let intercept = *fitted.intercept().get((0, 0)) as f32;
        Self::from_terms(intercept, terms)
            .ok_or_else(|| FitError::Library("a coefficient that is not finite".to_owned()))
    }

    /// Of its numbers; `None` if one is not finite, a scale is not above 0, or there are no terms.
    pub fn from_terms(intercept: f32, terms: Vec<Term>) -> Option<Self> {
        let sound = intercept.is_finite() && !terms.is_empty() && terms.iter().all(Term::is_sound);
        sound.then_some(Self { intercept, terms })
    }

    /// Logit of the row whose features are all at their means.
    pub fn intercept(&self) -> f32 {
        self.intercept
    }

    /// One term a feature.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// How likely the event is for this row, 0 to 1.
    pub fn predict(&self, row: &[f32]) -> Result<f32, RowsError> {
        check_row(self.terms.len(), row)?;
        Ok(sigmoid(self.logit(row.iter().copied())))
    }

    /// The logit of a row, of which its owner knows that it is sound.
    pub(super) fn logit(&self, row: impl Iterator<Item = f32>) -> f32 {
        self.intercept + self.terms.iter().zip(row).map(|(term, value)| term.of(value)).sum::<f32>()
    }

    /// What part of the whole weight per standard deviation each feature has; together 1, or 0 if none has any.
    pub fn importance(&self) -> Vec<f32> {
        let total: f32 = self.terms.iter().map(|term| term.weight.abs()).sum();
        let part = |weight: f32| if total > 0.0 { weight.abs() / total } else { 0.0 };
        self.terms.iter().map(|term| part(term.weight)).collect()
    }

    /// How many logits each feature adds to those of the intercept. `moves` is overwritten.
    pub fn explain(&self, row: &[f32], moves: &mut Vec<f32>) -> Result<(), RowsError> {
        check_row(self.terms.len(), row)?;
        moves.clear();
        moves.extend(self.terms.iter().zip(row).map(|(term, value)| term.of(*value)));
        Ok(())
    }
}

/// Bends a logit into a probability.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Mean and spread of a column, in two passes: one alone loses large means to rounding.
fn standardisation(rows: &Rows, column: usize) -> Term {
    let count = rows.len() as f64;
    let mean = rows.iter().map(|row| f64::from(row[column])).sum::<f64>() / count;
    let variance = rows.iter().map(|row| (f64::from(row[column]) - mean).powi(2)).sum::<f64>() / count;
    let spread = variance.sqrt() as f32;
    // What never changed in training says nothing, however far it is from there one day.
    let scale = if spread > 1e-6 && spread.is_finite() { spread } else { 1.0 };
    Term { mean: mean as f32, scale, weight: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand rows: the first feature raises the odds, in thousands; the second is constant; the third is noise.
    fn rows() -> (Rows, Vec<f32>) {
        let (mut rows, mut targets) = (Rows::new(3).unwrap(), Vec::new());
        for i in 0..1_000_u32 {
            let x = (i % 100) as f32;
            rows.push(&[50_000.0 + 1_000.0 * x, 7.0, (i * 7_919 % 101) as f32]).unwrap();
            targets.push(f32::from(u8::from((i * 37 % 100) as f32 > 100.0 - x)));
        }
        (rows, targets)
    }

    fn fitted() -> Logistic {
        let (rows, targets) = rows();
        Logistic::fit(&rows, &targets, &LogisticSettings::default()).unwrap()
    }

    #[test]
    fn odds_rise_with_what_raises_them() {
        let model = fitted();
        let at = |x: f32| model.predict(&[50_000.0 + 1_000.0 * x, 7.0, 50.0]).unwrap();
        assert!(at(5.0) < 0.2 && at(95.0) > 0.8, "{} {}", at(5.0), at(95.0));
        assert!((at(50.0) - 0.5).abs() < 0.1, "{}", at(50.0));
        assert_eq!(model.terms()[1].weight, 0.0);
        assert!(model.terms()[2].weight.abs() < model.terms()[0].weight / 5.0);
        // A year of downtime, a counter that ran over: far, but not a certainty beyond what training could know.
        assert_eq!(at(1e9), at(1e6));
    }

    #[test]
    fn what_moved_a_forecast_adds_up_to_it() {
        let (model, mut moves) = (fitted(), Vec::new());
        let row = [120_000.0, 7.0, 3.0];
        model.explain(&row, &mut moves).unwrap();
        let logit = model.intercept() + moves.iter().sum::<f32>();
        assert!((sigmoid(logit) - model.predict(&row).unwrap()).abs() < 1e-6);
        assert!(moves[0] > 0.5);
    }

    #[test]
    fn its_numbers_make_it_again_and_bad_ones_do_not() {
        let model = fitted();
        let again = Logistic::from_terms(model.intercept(), model.terms().to_vec());
        assert_eq!(again, Some(model));
        let term = |scale, weight| Term { mean: 0.0, scale, weight };
        assert_eq!(Logistic::from_terms(0.0, vec![]), None);
        assert_eq!(Logistic::from_terms(f32::NAN, vec![term(1.0, 1.0)]), None);
        assert_eq!(Logistic::from_terms(0.0, vec![term(0.0, 1.0)]), None);
        assert_eq!(Logistic::from_terms(0.0, vec![term(1.0, f32::INFINITY)]), None);
    }

    #[test]
    fn bad_rows_targets_and_settings_are_refused() {
        let model = fitted();
        assert_eq!(model.predict(&[1.0]), Err(RowsError::Length { expected: 3, found: 1 }));
        assert_eq!(model.predict(&[1.0, f32::NAN, 1.0]), Err(RowsError::NotFinite(1)));
        let (rows, mut targets) = rows();
        let bad = LogisticSettings { ridge: f32::NAN };
        assert!(matches!(Logistic::fit(&rows, &targets, &bad), Err(FitError::Settings(_))));
        targets[3] = 0.5;
        let fit = Logistic::fit(&rows, &targets, &LogisticSettings::default());
        assert!(matches!(fit, Err(FitError::Target(3))));
    }
}

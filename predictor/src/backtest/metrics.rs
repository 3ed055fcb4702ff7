//! How well do probabilities tell what happened?

use serde::Serialize;

use super::Unusable;

/// How many bins of equal count the calibration is looked at in: the customary ten.
pub const BINS: usize = 10;

/// Scores, and what then happened. The scores are probabilities where [`brier`](Self::brier), the skill or the
/// calibration is asked for; ranking them needs no more than an order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    scores: Vec<f64>,
    targets: Vec<bool>,
    /// The places of `scores` in ascending order; equal scores in the order they came in.
    order: Vec<usize>,
}

/// A bin of the calibration curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// The mean of what was foretold, 0 to 1.
    pub foretold: f64,
    /// How often it happened, 0 to 1.
    pub happened: f64,
    /// How many rows.
    pub rows: usize,
}

impl Predictions {
    /// Of one score and one outcome for each row.
    ///
    /// # Errors
    /// There are not as many of one as of the other, or a score is not finite.
    pub fn new(scores: Vec<f64>, targets: Vec<bool>) -> Result<Self, Unusable> {
        if scores.len() != targets.len() {
            return Err(Unusable::Lengths { scores: scores.len(), rows: targets.len() });
        }
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Unusable::NotFinite { at });
        }
        let mut order: Vec<_> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        Ok(Self { scores, targets, order })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// How often it happened, 0 to 1.
    pub fn prevalence(&self) -> Option<f64> {
        let happened = self.targets.iter().filter(|target| **target).count();
        (!self.is_empty()).then(|| happened as f64 / self.len() as f64)
    }

    /// How likely a row in which it happened has a higher score than one in which it did not, 0 to 1; equal scores
    /// count half. `None` unless there are rows of both kinds.
    pub fn auroc(&self) -> Option<f64> {
        self.weighted_auroc(|_| 1.0)
    }

    /// The same with each row counted as often as its weight says.
    pub(super) fn weighted_auroc(&self, weight: impl Fn(usize) -> f64) -> Option<f64> {
        let (mut below, mut positives, mut won) = (0.0, 0.0, 0.0);
        for tied in self.ascending() {
            let (mut yes, mut no) = (0.0, 0.0);
            for row in tied {
                *(if self.targets[*row] { &mut yes } else { &mut no }) += weight(*row);
            }
            won += yes * (below + no / 2.0);
            below += no;
            positives += yes;
        }
        (positives > 0.0 && below > 0.0).then(|| won / (positives * below))
    }

    /// The area under precision against recall as average precision, 0 to 1: the sum over distinct scores, from the
    /// highest on, of the precision there times the recall gained. What a useless score has is the prevalence.
    /// `None` if it never happened.
    pub fn average_precision(&self) -> Option<f64> {
        let positives = self.targets.iter().filter(|target| **target).count();
        let (mut taken, mut hits, mut area) = (0, 0, 0.0);
        for tied in self.ascending().collect::<Vec<_>>().into_iter().rev() {
            let gained = tied.iter().filter(|row| self.targets[**row]).count();
            taken += tied.len();
            hits += gained;
            area += gained as f64 * (hits as f64 / taken as f64);
        }
        (positives > 0).then(|| area / positives as f64)
    }

    /// The mean of the squared error of the probabilities, 0 (right and sure of it) to 1.
    pub fn brier(&self) -> Option<f64> {
        let error = |(score, target): (&f64, &bool)| (score - f64::from(u8::from(*target))).powi(2);
        let sum: f64 = self.scores.iter().zip(&self.targets).map(error).sum();
        (!self.is_empty()).then(|| sum / self.len() as f64)
    }

    /// What part of the squared error of the mere prevalence is avoided: 1 at best, 0 where the prevalence would do
    /// as well, below that where it would do better. `None` unless there are rows of both kinds.
    pub fn brier_skill(&self) -> Option<f64> {
        let prevalence = self.prevalence()?;
        let uncertainty = prevalence * (1.0 - prevalence);
        (uncertainty > 0.0).then(|| Some(1.0 - self.brier()? / uncertainty))?
    }

    /// Rows of like probability, from the lowest on, [`BINS`] times the same number of them (the first ones have one
    /// more where they do not come out even). Empty bins are left out.
    pub fn calibration(&self) -> Vec<Bin> {
        let (size, more) = (self.len() / BINS, self.len() % BINS);
        let bounds = (0..=BINS).map(|bin| bin * size + bin.min(more)).collect::<Vec<_>>();
        let bins = bounds.windows(2).map(|bound| &self.order[bound[0]..bound[1]]);
        let mean = |rows: &[usize], of: &dyn Fn(usize) -> f64| {
            rows.iter().map(|row| of(*row)).sum::<f64>() / rows.len() as f64
        };
        bins.filter(|rows| !rows.is_empty())
            .map(|rows| Bin {
                foretold: mean(rows, &|row| self.scores[row]),
                happened: mean(rows, &|row| f64::from(u8::from(self.targets[row]))),
                rows: rows.len(),
            })
            .collect()
    }

    /// The expected calibration error, 0 to 1: how far, on average, what was foretold lies from how often it
    /// happened, in the bins of the [calibration](Self::calibration).
    pub fn calibration_error(&self) -> Option<f64> {
        let off = |bin: &Bin| bin.rows as f64 * (bin.foretold - bin.happened).abs();
        let sum: f64 = self.calibration().iter().map(off).sum();
        (!self.is_empty()).then(|| sum / self.len() as f64)
    }

    /// The rows of each distinct score, from the lowest on.
    fn ascending(&self) -> impl Iterator<Item = &[usize]> {
        self.order.chunk_by(|a, b| self.scores[*a] == self.scores[*b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn predictions(rows: &[(f64, bool)]) -> Predictions {
        let (scores, targets) = rows.iter().copied().unzip();
        Predictions::new(scores, targets).expect("finite")
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("there is a figure");
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn ranking_counts_ties_half() {
        near(predictions(&[(0.1, false), (0.4, true), (0.35, false), (0.8, true)]).auroc(), 1.0);
        near(predictions(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]).auroc(), 0.75);
        near(predictions(&[(0.5, false), (0.5, true)]).auroc(), 0.5);
        near(predictions(&[(0.9, false), (0.1, true)]).auroc(), 0.0);
        assert_eq!(predictions(&[(0.1, false)]).auroc(), None);
        assert_eq!(predictions(&[]).auroc(), None);
    }

    #[test]
    fn average_precision_steps_at_distinct_scores() {
        // 1/2 * 1 + 1/2 * 2/3.
        let rows = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        near(predictions(&rows).average_precision(), 0.5 + 1.0 / 3.0);
        // All equal: one step, at the prevalence.
        near(predictions(&[(0.5, true), (0.5, false), (0.5, false), (0.5, false)]).average_precision(), 0.25);
        assert_eq!(predictions(&[(0.5, false)]).average_precision(), None);
    }

    #[test]
    fn the_squared_error_and_what_of_it_is_avoided() {
        let rows = [(0.0, false), (0.5, true), (1.0, true), (0.5, false)];
        near(predictions(&rows).brier(), 0.125);
        near(predictions(&rows).brier_skill(), 0.5);
        near(predictions(&[(0.5, true), (0.5, false)]).brier_skill(), 0.0);
        assert_eq!(predictions(&[(0.5, true)]).brier_skill(), None);
        assert_eq!(predictions(&[]).brier(), None);
    }

    #[test]
    fn bins_have_the_same_count() {
        let rows: Vec<_> = (0..23).map(|row| (f64::from(row) / 100.0, row >= 20)).collect();
        let bins = predictions(&rows).calibration();
        let counts: Vec<_> = bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(counts, [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
        near(Some(bins[0].foretold), 0.01);
        near(Some(bins[9].happened), 1.0);
        assert_eq!(predictions(&rows[..2]).calibration().len(), 2);
    }

    #[test]
    fn the_calibration_error_weighs_bins_by_their_rows() {
        // 20 rows, each bin of 2: all foretell 0.5; in half of the bins it always happens, in half never.
        let rows: Vec<_> = (0..20).map(|row| (0.5, row < 10)).collect();
        near(predictions(&rows).calibration_error(), 0.5);
        let rows: Vec<_> = (0..20).map(|row| (0.5, row % 2 == 0)).collect();
        near(predictions(&rows).calibration_error(), 0.0);
        assert_eq!(predictions(&[]).calibration_error(), None);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        let refused = |score| Predictions::new(vec![0.5, score], vec![true, false]);
        assert_eq!(refused(f64::NAN), Err(Unusable::NotFinite { at: 1 }));
        assert_eq!(refused(f64::INFINITY), Err(Unusable::NotFinite { at: 1 }));
        let lengths = Predictions::new(vec![0.5], vec![]);
        assert_eq!(lengths, Err(Unusable::Lengths { scores: 1, rows: 0 }));
    }

    proptest! {
        /// Against every pair, and against every threshold.
        #[test]
        fn rankings_agree_with_slow_ones(rows in prop::collection::vec((0..8u8, any::<bool>()), 0..40)) {
            let rows: Vec<_> = rows.iter().map(|(score, target)| (f64::from(*score) / 8.0, *target)).collect();
            let found = predictions(&rows);
            let of = |kind: bool| rows.iter().filter(move |row| row.1 == kind).map(|row| row.0);
            let pairs = of(true).flat_map(|yes| of(false).map(move |no| (yes, no))).collect::<Vec<_>>();
            let win = |(yes, no): &(f64, f64)| if yes > no { 1.0 } else if yes == no { 0.5 } else { 0.0 };
            let slow = pairs.iter().map(win).sum::<f64>() / pairs.len() as f64;
            match found.auroc() {
                Some(auroc) => prop_assert!((auroc - slow).abs() < 1e-9),
                None => prop_assert!(pairs.is_empty()),
            }

            let positives = of(true).count() as f64;
            let (mut area, mut before) = (0.0, 0.0);
            for step in (0..8u8).rev() {
                let bound = f64::from(step) / 8.0;
                let taken = rows.iter().filter(|row| row.0 >= bound).count() as f64;
                let recall = of(true).filter(|score| *score >= bound).count() as f64 / positives;
                if taken > 0.0 && positives > 0.0 {
                    area += (recall - before) * recall * positives / taken;
                    before = recall;
                }
            }
            match found.average_precision() {
                Some(precision) => prop_assert!((precision - area).abs() < 1e-9),
                None => prop_assert_eq!(positives, 0.0),
            }
        }

        #[test]
        fn figures_stay_in_their_ranges(rows in prop::collection::vec((0.0..=1.0f64, any::<bool>()), 1..60)) {
            let found = predictions(&rows);
            let within = |figure: Option<f64>| figure.is_none_or(|figure| (0.0..=1.0).contains(&figure));
            prop_assert!(within(found.auroc()) && within(found.average_precision()));
            prop_assert!(within(found.brier()) && within(found.calibration_error()));
            prop_assert!(found.brier_skill().is_none_or(|skill| skill <= 1.0));
            prop_assert_eq!(found.calibration().iter().map(|bin| bin.rows).sum::<usize>(), rows.len());
        }
    }
}

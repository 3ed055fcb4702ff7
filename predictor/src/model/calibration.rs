//! What is a score worth as a probability?
//!
//! A calibrator is a map that never falls, fitted on scores of hubs that the model had not seen. Scores of rows that
//! were left out of a tree (out of bag) do not serve: their neighbours in time were in it, and isotonic regression
//! fitted on them made matters measurably worse (Brier skill .105 instead of .122). With too little to fit on, the
//! score stays as it is. Every calibrator knows how much it has seen around each score.

use super::prior::{logit, sigmoid};

/// A score that a model gave to a row of a hub which took no part in its training, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unseen {
    /// Which hub, by any number of its own.
    pub hub: u32,
    /// The score, 0 to 1.
    pub score: f32,
    /// Did the hub fail within the horizon?
    pub failed: bool,
}

/// How a calibrator is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A line in logits (Platt 1999): two numbers, right for any amount of data.
    Platt,
    /// Any map that never falls (pool adjacent violators): where the line is wrong and the data are many.
    Isotonic,
}

/// Rows with a failure that Platt's two numbers need: ten events for each parameter (Peduzzi et al. 1996), and again as
/// many, since a failure gives several rows that are much alike.
pub const PLATT_POSITIVES_MIN: usize = 40;

/// Rows with a failure that isotonic regression needs. Below a thousand it follows noise (Niculescu-Mizil and Caruana
/// 2005).
pub const ISOTONIC_POSITIVES_MIN: usize = 1_000;

/// Hubs with failures that any calibration needs: what one hub does says nothing about others.
pub const HUBS_MIN: usize = 3;

/// The most points of an isotonic map. Scores are first gathered into so many groups of equal size.
pub const KNOTS_MAX: usize = 128;

/// Where the bins of probability begin, in which support is counted: finer where the base rates lie.
pub const BIN_EDGES: [f64; 10] = [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5];

/// Rows in a bin that make its share known to ±5 points: (0.5 / 0.05)².
const ROWS_ENOUGH: f64 = 100.0;

/// Hubs in a bin that make it more than a habit of one of them.
const BIN_HUBS_ENOUGH: f64 = 5.0;

/// One point of an isotonic map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knot {
    /// The score.
    pub score: f64,
    /// Its probability.
    pub probability: f64,
}

/// A map from scores to probabilities that never falls.
#[derive(Debug, Clone, PartialEq)]
pub enum Map {
    /// The score is the probability.
    Identity,
    /// logit p = `slope` · logit score + `offset`.
    Platt {
        /// Positive.
        slope: f64,
        /// Any.
        offset: f64,
    },
    /// Straight lines between knots, level outside them; at least one, scores and probabilities never fall.
    Isotonic(Vec<Knot>),
}

/// How much was seen in one bin of probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bin {
    /// Rows.
    pub rows: u32,
    /// Of them, those that failed.
    pub failed: u32,
    /// Hubs that they came from.
    pub hubs: u32,
}

/// Something is no calibrator, or nothing to fit one on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// A score is not a number between 0 and 1.
    #[error("fitting a calibrator: row {row} has the score {score}, which is not within 0 to 1")]
    Score {
        /// Which row.
        row: usize,
        /// Its score.
        score: f32,
    },
    /// A line that falls, or is not finite.
    #[error("a Platt calibrator needs a positive slope and finite numbers, not {slope} and {offset}")]
    Line {
        /// Its slope.
        slope: f64,
        /// Its offset.
        offset: f64,
    },
    /// Knots that fall, lie outside 0 to 1, or are none or too many.
    #[error("an isotonic calibrator needs 1 to {KNOTS_MAX} knots within 0 to 1 that never fall")]
    Knots,
    /// Counts that contradict each other.
    #[error("bin {0} of a calibrator counts more failures or hubs than rows")]
    Bin(usize),
}

/// From scores to probabilities, with what is known around each.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrator {
    map: Map,
    bins: [Bin; BIN_EDGES.len()],
}

impl Calibrator {
    /// The one that changes nothing and has seen nothing.
    pub fn identity() -> Self {
        Self { map: Map::Identity, bins: [Bin::default(); BIN_EDGES.len()] }
    }

    /// Of its parts, as they are read from a file.
    ///
    /// # Errors
    /// [`CalibrationError`] when the map could fall or leave 0 to 1, or the counts contradict each other.
    pub fn from_parts(map: Map, bins: [Bin; BIN_EDGES.len()]) -> Result<Self, CalibrationError> {
        match &map {
            Map::Identity => {}
            &Map::Platt { slope, offset } => {
                if !(slope > 0.0 && slope.is_finite() && offset.is_finite()) {
                    return Err(CalibrationError::Line { slope, offset });
                }
            }
            Map::Isotonic(knots) => {
                let within = |x: f64| (0.0..=1.0).contains(&x);
                let proper = knots.iter().all(|knot| within(knot.score) && within(knot.probability));
                let rises =
                    knots.windows(2).all(|k| k[0].score < k[1].score && k[0].probability <= k[1].probability);
                if !proper || !rises || knots.is_empty() || knots.len() > KNOTS_MAX {
                    return Err(CalibrationError::Knots);
                }
            }
        }
        match bins.iter().position(|bin| bin.failed > bin.rows || bin.hubs > bin.rows) {
            Some(bin) => Err(CalibrationError::Bin(bin)),
            None => Ok(Self { map, bins }),
        }
    }

    /// Fits one, or leaves scores as they are where there is too little to fit on: isotonic regression falls back to
    /// Platt's line, and the line to the identity, which it also does when more score would mean less risk.
    ///
    /// # Errors
    /// [`CalibrationError::Score`] when a score is not within 0 to 1.
    pub fn fit(rows: &[Unseen], method: Method) -> Result<Self, CalibrationError> {
        let improper = |row: &Unseen| !(0.0..=1.0).contains(&row.score);
        if let Some(row) = rows.iter().position(improper) {
            return Err(CalibrationError::Score { row, score: rows[row].score });
        }
        let positives = rows.iter().filter(|row| row.failed).count();
        let negatives = rows.len() - positives;
        let failing = distinct(rows.iter().filter(|row| row.failed).map(|row| row.hub).collect());
        let scarce = |least: usize| positives < least || negatives < least || failing < HUBS_MIN;
        let map = match method {
            Method::Isotonic if !scarce(ISOTONIC_POSITIVES_MIN) => isotonic(rows),
            _ if scarce(PLATT_POSITIVES_MIN) => Map::Identity,
            _ => platt(rows, positives, negatives),
        };
        let mut calibrator = Self { map, ..Self::identity() };
        calibrator.count(rows);
        Ok(calibrator)
    }

    fn count(&mut self, rows: &[Unseen]) {
        let mut hubs = vec![Vec::new(); self.bins.len()];
        for row in rows {
            let at = bin_of(self.map(f64::from(row.score)));
            self.bins[at].rows = self.bins[at].rows.saturating_add(1);
            self.bins[at].failed += u32::from(row.failed);
            if hubs[at].last() != Some(&row.hub) {
                hubs[at].push(row.hub);
            }
        }
        for (bin, hubs) in self.bins.iter_mut().zip(hubs) {
            bin.hubs = u32::try_from(distinct(hubs)).unwrap_or(u32::MAX);
        }
    }

    fn map(&self, score: f64) -> f64 {
        match &self.map {
            Map::Identity => score,
            Map::Platt { slope, offset } => sigmoid(slope * logit(score) + offset),
            Map::Isotonic(knots) => between(knots, score),
        }
    }

    /// The probability of this score; `None` if the score is not within 0 to 1.
    pub fn probability(&self, score: f64) -> Option<f64> {
        (0.0..=1.0).contains(&score).then(|| self.map(score))
    }

    /// How well the neighbourhood of this probability is known, 0 to 1: whether the bin has enough rows, and enough
    /// hubs.
    pub fn support(&self, probability: f64) -> f64 {
        let bin = self.bins[bin_of(probability)];
        let rows = f64::from(bin.rows) / ROWS_ENOUGH;
        let hubs = f64::from(bin.hubs) / BIN_HUBS_ENOUGH;
        rows.min(hubs).min(1.0)
    }

    /// The map.
    pub fn as_map(&self) -> &Map {
        &self.map
    }

    /// What was seen in each bin that begins at one of [`BIN_EDGES`].
    pub fn bins(&self) -> &[Bin; BIN_EDGES.len()] {
        &self.bins
    }
}

/// The bin of a probability; what is not a number falls into the first.
fn bin_of(probability: f64) -> usize {
    BIN_EDGES.iter().rposition(|edge| probability >= *edge).unwrap_or(0)
}

fn distinct(mut hubs: Vec<u32>) -> usize {
    hubs.sort_unstable();
    hubs.dedup();
    hubs.len()
}

/// Platt's line by Newton's method, with his targets, which keep a separable sample finite (Lin, Lin and Weng 2007).
fn platt(rows: &[Unseen], positives: usize, negatives: usize) -> Map {
    let high = (positives as f64 + 1.0) / (positives as f64 + 2.0);
    let low = 1.0 / (negatives as f64 + 2.0);
    let points: Vec<(f64, f64)> =
        rows.iter().map(|row| (logit(f64::from(row.score)), if row.failed { high } else { low })).collect();
    let loss = |slope: f64, offset: f64| -> f64 {
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let of = |&(x, target): &(f64, f64)| softplus(slope * x + offset) - target * (slope * x + offset);
        points.iter().map(of).sum()
    };
    let (mut slope, mut offset) = (1.0, 0.0);
    let mut best = loss(slope, offset);
    // It converges in under ten steps; the bound is for samples nobody has thought of.
    for _ in 0..100 {
        let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for &(x, target) in &points {
            let p = sigmoid(slope * x + offset);
            let (error, weight) = (p - target, p * (1.0 - p));
            g = [g[0] + error * x, g[1] + error];
            h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let halved = (0..30).map(|n| 0.5_f64.powi(n));
        let better = halved.map(|t| (slope - t * step[0], offset - t * step[1])).find_map(|(a, b)| {
            let after = loss(a, b);
            (after < best).then_some((a, b, after))
        });
        let Some((a, b, after)) = better else { break };
        let gain = best - after;
        (slope, offset, best) = (a, b, after);
        if gain < 1e-10 * best.abs() {
            break;
        }
    }
    if slope > 0.0 && slope.is_finite() && offset.is_finite() {
        Map::Platt { slope, offset }
    } else {
        Map::Identity
    }
}

/// Groups of equal size, then pool adjacent violators: neighbours that fall are one.
fn isotonic(rows: &[Unseen]) -> Map {
    let mut sorted: Vec<(f64, f64)> =
        rows.iter().map(|row| (f64::from(row.score), f64::from(u8::from(row.failed)))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut pools: Vec<Pool> = Vec::new();
    for group in sorted.chunks(sorted.len().div_ceil(KNOTS_MAX)) {
        let mut pool = Pool {
            rows: group.len() as f64,
            scores: group.iter().map(|point| point.0).sum(),
            failed: group.iter().map(|point| point.1).sum(),
        };
        // Groups of the same score are one, too: a map has one value there.
        while let Some(last) = pools.pop_if(|last| last.rate() >= pool.rate() || last.score() >= pool.score())
        {
            pool = Pool {
                rows: pool.rows + last.rows,
                scores: pool.scores + last.scores,
                failed: pool.failed + last.failed,
            };
        }
        pools.push(pool);
    }
    Map::Isotonic(pools.iter().map(|pool| Knot { score: pool.score(), probability: pool.rate() }).collect())
}

/// Neighbouring rows that are taken for one.
struct Pool {
    rows: f64,
    scores: f64,
    failed: f64,
}

impl Pool {
    fn score(&self) -> f64 {
        (self.scores / self.rows).min(1.0)
    }

    fn rate(&self) -> f64 {
        self.failed / self.rows
    }
}

/// On the straight line between the knots around a score; level outside all.
fn between(knots: &[Knot], score: f64) -> f64 {
    let above = knots.partition_point(|knot| knot.score <= score);
    let Some(left) = above.checked_sub(1).map(|at| knots[at]) else { return knots[0].probability };
    let Some(right) = knots.get(above) else { return left.probability };
    let part = (score - left.score) / (right.score - left.score);
    (left.probability + (right.probability - left.probability) * part).min(right.probability)
}

#[cfg(test)]
mod tests;

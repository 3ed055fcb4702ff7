//! Is the new model better than the one that serves?
//!
//! The challenger has run beside the champion, on hubs that neither was trained on, and has to win on every count: a
//! better order (average precision), better probabilities (Brier skill), and that in most failures rather than in one
//! that lasted long. Rows before one failure are much alike, so what is counted is failures.

use std::collections::BTreeMap;

use crate::backtest::Predictions;

/// The least failures that anything can be decided on.
pub const EPISODES_MIN: usize = 10;

/// One row that both models scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// The failure that came within the horizon, by any number of its own; `None` if none came.
    pub episode: Option<u32>,
    /// What the champion said, 0 to 1.
    pub champion: f64,
    /// What the challenger said, 0 to 1.
    pub challenger: f64,
}

/// How good one of them was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merit {
    /// [Average precision](Predictions::average_precision), 0 to 1.
    pub auprc: f64,
    /// [Brier skill](Predictions::brier_skill) against the base rate; at most 1.
    pub brier_skill: f64,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Nothing can be decided yet.
    TooFew {
        /// So many failures were seen, of the [`EPISODES_MIN`] that are needed.
        episodes: usize,
    },
    /// One was as good as the other, or each was better in something: the champion stays.
    Stays(Score),
    /// The challenger was better in everything.
    Replaced(Score),
}

/// Both, side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The champion's.
    pub champion: Merit,
    /// The challenger's.
    pub challenger: Merit,
    /// Failures that the challenger ranked higher among the quiet rows.
    pub won: usize,
    /// Failures that the champion ranked higher.
    pub lost: usize,
}

/// A row cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContestError {
    /// A probability is none.
    #[error("comparing two models: row {0} has a probability that is not within 0 to 1")]
    Probability(usize),
    /// Without quiet rows there is nothing to rank failures among.
    #[error("comparing two models: there is no row without a failure")]
    NoQuiet,
}

/// Compares both.
///
/// # Errors
/// [`ContestError`] when a row cannot be judged.
pub fn contest(rounds: &[Round]) -> Result<Outcome, ContestError> {
    let proper = |p: f64| (0.0..=1.0).contains(&p);
    if let Some(row) = rounds.iter().position(|round| !proper(round.champion) || !proper(round.challenger)) {
        return Err(ContestError::Probability(row));
    }
    let champion = Peaks::of(rounds, |round| round.champion);
    let challenger = Peaks::of(rounds, |round| round.challenger);
    let episodes = champion.episodes.len();
    if episodes < EPISODES_MIN {
        return Ok(Outcome::TooFew { episodes });
    }
    let merits = merit(rounds, |round| round.champion).zip(merit(rounds, |round| round.challenger));
    let (old, new) = merits.ok_or(ContestError::NoQuiet)?;
    let pairs = champion.episodes.iter().zip(&challenger.episodes);
    let (mut won, mut lost) = (0, 0);
    for ((_, champions), (_, challengers)) in pairs {
        let (old, new) = (champion.rank(*champions), challenger.rank(*challengers));
        won += usize::from(new > old);
        lost += usize::from(new < old);
    }
    let score = Score { champion: old, challenger: new, won, lost };
    let better = new.auprc > old.auprc && new.brier_skill > old.brier_skill && won > lost;
    Ok(if better { Outcome::Replaced(score) } else { Outcome::Stays(score) })
}

/// The highest score before each failure, and all quiet ones in order.
struct Peaks {
    episodes: BTreeMap<u32, f64>,
    quiet: Vec<f64>,
}

impl Peaks {
    fn of(rounds: &[Round], score: impl Fn(&Round) -> f64) -> Self {
        let (mut episodes, mut quiet) = (BTreeMap::new(), Vec::new());
        for round in rounds {
            match round.episode {
                Some(episode) => {
                    let peak = episodes.entry(episode).or_insert(0.0_f64);
                    *peak = peak.max(score(round));
                }
                None => quiet.push(score(round)),
            }
        }
        quiet.sort_by(f64::total_cmp);
        Self { episodes, quiet }
    }

    /// How many quiet rows score lower: scores of two models mean different things, their ranks the same.
    fn rank(&self, peak: f64) -> usize {
        self.quiet.partition_point(|quiet| *quiet < peak)
    }
}

/// How good one of them was; `None` unless there are failures and quiet rows.
fn merit(rounds: &[Round], score: impl Fn(&Round) -> f64) -> Option<Merit> {
    let (scores, failed) = rounds.iter().map(|round| (score(round), round.episode.is_some())).unzip();
    let told = Predictions::new(scores, failed).ok()?;
    Some(Merit { auprc: told.average_precision()?, brier_skill: told.brier_skill()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `episodes` failures of four rows each among quiet rows; each model says `loud` before a failure that it sees,
    /// and `hush` otherwise.
    fn rounds(episodes: u32, champion: impl Fn(u32) -> f64, challenger: impl Fn(u32) -> f64) -> Vec<Round> {
        let before = (0..episodes).flat_map(|n| [n; 4]).map(|n| Round {
            episode: Some(n),
            champion: champion(n),
            challenger: challenger(n),
        });
        let quiet = (0..1_000_u32).map(|n| {
            let noise = f64::from(n % 100) / 500.0;
            Round { episode: None, champion: noise, challenger: noise }
        });
        before.chain(quiet).collect()
    }

    fn sees(part: u32) -> impl Fn(u32) -> f64 {
        move |n| if n % 10 < part { 0.6 } else { 0.02 }
    }

    #[test]
    fn who_sees_more_failures_wins() {
        let Ok(Outcome::Replaced(score)) = contest(&rounds(20, sees(4), sees(6))) else { panic!() };
        assert_eq!((score.won, score.lost), (4, 0));
        assert!(score.challenger.auprc > score.champion.auprc + 0.1);
        assert!(matches!(contest(&rounds(20, sees(6), sees(4))), Ok(Outcome::Stays(_))));
        assert!(matches!(contest(&rounds(20, sees(5), sees(5))), Ok(Outcome::Stays(_))));
    }

    #[test]
    fn a_better_order_with_worse_probabilities_is_not_better() {
        // It ranks two more failures, but calls each of them certain, and every quiet row as likely as not.
        let mut shouting = rounds(20, sees(4), sees(6));
        for round in &mut shouting {
            round.challenger = 0.5 + round.challenger / 2.0;
        }
        let Ok(Outcome::Stays(score)) = contest(&shouting) else { panic!() };
        assert!(score.challenger.auprc > score.champion.auprc);
        assert!(score.challenger.brier_skill < score.champion.brier_skill);
    }

    #[test]
    fn one_long_failure_does_not_decide() {
        // The challenger sees one failure of 200 rows, and is a little quieter than the champion before eleven others.
        let champion = |n: u32| if n == 11 { 0.02 } else { 0.10 };
        let challenger = |n: u32| if n == 11 { 0.9 } else { 0.095 };
        let mut rounds = rounds(12, champion, challenger);
        let long = rounds[44];
        rounds.extend(vec![long; 200]);
        let Ok(Outcome::Stays(score)) = contest(&rounds) else { panic!() };
        assert!(score.challenger.auprc > score.champion.auprc && score.won < score.lost, "{score:?}");
    }

    #[test]
    fn with_few_failures_nothing_is_decided() {
        let check = |rounds: &[Round], expected| assert_eq!(contest(rounds), expected);
        check(&rounds(9, sees(1), sees(9)), Ok(Outcome::TooFew { episodes: 9 }));
        check(&[], Ok(Outcome::TooFew { episodes: 0 }));
        check(&rounds(10, sees(4), |_| f64::NAN), Err(ContestError::Probability(0)));
        check(&rounds(10, sees(4), sees(6))[..40], Err(ContestError::NoQuiet));
    }

    #[test]
    fn merits_of_a_small_sample() {
        let row = |episode, champion| Round { episode, champion, challenger: 0.5 };
        let rounds = [row(Some(1), 0.9), row(None, 0.8), row(Some(2), 0.7), row(None, 0.1)];
        let merit = merit(&rounds, |round| round.champion).unwrap();
        // Precision is 1 at the first hit and 2/3 at the second.
        assert!((merit.auprc - 5.0 / 6.0).abs() < 1e-12);
        assert!((merit.brier_skill - (1.0 - (0.01 + 0.64 + 0.09 + 0.01))).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn nobody_beats_himself_and_not_both_beat_each_other(
            said in prop::collection::vec(
                (prop::option::of(0_u32..20), 0.0..=1.0_f64, 0.0..=1.0_f64),
                1..300,
            ),
        ) {
            let rounds = |swap: bool| -> Vec<Round> {
                said.iter().map(|(episode, a, b)| {
                    let (champion, challenger) = if swap { (*b, *a) } else { (*a, *b) };
                    Round { episode: *episode, champion, challenger }
                }).collect()
            };
            let replaced = |rounds: &[Round]| matches!(contest(rounds), Ok(Outcome::Replaced(_)));
            prop_assert!(!(replaced(&rounds(false)) && replaced(&rounds(true))));
            let even = |round: Round| Round { challenger: round.champion, ..round };
            let same: Vec<_> = rounds(false).into_iter().map(even).collect();
            prop_assert!(!replaced(&same));
        }
    }
}

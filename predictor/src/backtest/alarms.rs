//! Which alarms would a score have raised, and what would they have been worth?

use std::ops::Range;

use super::{Episode, Timeline, Unusable};

/// The scores of one entity over one part of its time.
#[derive(Debug, Clone)]
pub struct Scored<'a> {
    timeline: &'a Timeline,
    part: Range<usize>,
    rows: Vec<usize>,
    scores: Vec<f64>,
}

impl<'a> Scored<'a> {
    /// One score for each of these samples, the higher the more alarming.
    ///
    /// # Errors
    /// A score is missing or not finite, or the samples are not valid ones of this part in ascending order.
    pub fn new(
        timeline: &'a Timeline,
        part: Range<usize>,
        rows: Vec<usize>,
        scores: Vec<f64>,
    ) -> Result<Self, Unusable> {
        if rows.len() != scores.len() {
            return Err(Unusable::Lengths { scores: scores.len(), rows: rows.len() });
        }
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Unusable::NotFinite { at: rows[at] });
        }
        let judged = |at: &usize| part.contains(at) && timeline.is_valid(*at);
        if let Some(at) = rows.iter().find(|at| !judged(at)) {
            return Err(Unusable::NotJudged { at: *at });
        }
        if let Some(pair) = rows.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Unusable::Order { at: pair[1] });
        }
        Ok(Self { timeline, part, rows, scores })
    }

    /// The entity's failures and valid samples.
    pub fn timeline(&self) -> &'a Timeline {
        self.timeline
    }

    /// The part of its time that is judged.
    pub fn part(&self) -> &Range<usize> {
        &self.part
    }

    /// The samples with a score, ascending.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Their scores.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The same with each score replaced by another of the same order. What `other` makes of one must be finite.
    pub(super) fn map(&self, other: impl Fn(f64) -> f64) -> Self {
        Self { scores: self.scores.iter().map(|score| other(*score)).collect(), ..self.clone() }
    }

    /// For each score: does a failure start within the horizon?
    pub fn targets(&self, horizon: usize) -> impl Iterator<Item = bool> {
        self.rows.iter().map(move |at| self.timeline.fails_within(*at, horizon))
    }

    /// The samples at which an alarm is raised: the score is at least `threshold`, and the last alarm is at least
    /// `cool_down` samples old. A score that stays high raises another alarm after each cool-down.
    pub fn alarms(&self, threshold: f64, cool_down: usize) -> Vec<usize> {
        self.raised(threshold, cool_down).map(|(at, _)| at).collect()
    }

    pub(super) fn raised(&self, threshold: f64, cool_down: usize) -> impl Iterator<Item = (usize, f64)> {
        let mut quiet_until = 0;
        let rows = self.rows.iter().copied().zip(self.scores.iter().copied());
        rows.filter(move |(at, score)| {
            let raised = *score >= threshold && *at >= quiet_until;
            if raised {
                quiet_until = at + cool_down;
            }
            raised
        })
    }

    /// What the alarms at this threshold are worth; without a threshold there are none.
    pub fn judge(&self, threshold: Option<f64>, watch: &Watch) -> Outcome {
        let alarms = threshold.map_or_else(Vec::new, |threshold| self.alarms(threshold, watch.cool_down));
        let is_false = |at: &&usize| !self.timeline.fails_within(**at, watch.horizon);
        let false_alarms = alarms.iter().filter(is_false).count();
        let (first, episodes) = self.timeline.starting_in(&self.part);
        let eligible = |span: &Episode| self.timeline.is_eligible(span, watch.horizon, &self.part);
        let could_be = (first..).zip(episodes).filter(|(_, span)| eligible(span));
        let foretold = could_be.map(|(episode, span)| {
            let from = alarms.partition_point(|at| at.saturating_add(watch.horizon) < span.start);
            let hit = alarms.get(from).filter(|at| **at < span.start);
            Foretold { episode, lead: hit.map(|at| span.start - at) }
        });
        let foretold = foretold.collect();
        Outcome { alarms: alarms.len(), false_alarms, foretold, valid: self.timeline.valid_in(&self.part) }
    }
}

/// How alarms are raised and judged; both in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// A failure within this many samples makes an alarm right.
    pub horizon: usize,
    /// The shortest time between two alarms of one entity.
    pub cool_down: usize,
}

/// An episode that could have been foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foretold {
    /// Its place among the entity's episodes.
    pub episode: usize,
    /// How many samples before its start the first alarm came, 1 to the horizon; `None` if none did.
    pub lead: Option<usize>,
}

/// What alarms were worth at one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many there were.
    pub alarms: usize,
    /// How many of them no failure followed within the horizon.
    pub false_alarms: usize,
    /// The eligible episodes.
    pub foretold: Vec<Foretold>,
    /// How many valid samples there were.
    pub valid: usize,
}

/// What alarms were worth at all entities together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pooled {
    /// How many there were.
    pub alarms: usize,
    /// How many of them no failure followed within the horizon.
    pub false_alarms: usize,
    /// How many episodes could have been foretold.
    pub eligible: usize,
    /// How long before each episode that was, in samples, ascending.
    pub leads: Vec<usize>,
    /// How many valid samples there were.
    pub valid: usize,
}

impl Pooled {
    /// The sum over entities. Episodes count where `counts` says so of the entity's place in `outcomes` and the
    /// episode's place among the entity's; alarms count in any case.
    pub fn new(outcomes: &[Outcome], counts: impl Fn(usize, usize) -> bool) -> Self {
        let mut pooled = Self::default();
        for (entity, outcome) in outcomes.iter().enumerate() {
            pooled.alarms += outcome.alarms;
            pooled.false_alarms += outcome.false_alarms;
            pooled.valid += outcome.valid;
            let counted = outcome.foretold.iter().filter(|foretold| counts(entity, foretold.episode));
            for foretold in counted {
                pooled.eligible += 1;
                pooled.leads.extend(foretold.lead);
            }
        }
        pooled.leads.sort_unstable();
        pooled
    }

    /// What part of the eligible episodes was foretold; `None` if there was none.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.leads.len(), self.eligible)
    }

    /// What part of the eligible episodes was foretold at least so many samples ahead; `None` if there was none.
    pub fn recall_from(&self, lead: usize) -> Option<f64> {
        ratio(self.leads.iter().filter(|&&found| found >= lead).count(), self.eligible)
    }

    /// False alarms for each day of valid samples; `None` if there is no valid sample.
    pub fn false_alarms_per_day(&self, samples_per_day: f64) -> Option<f64> {
        ratio(self.false_alarms, self.valid).map(|rate| rate * samples_per_day)
    }

    /// Of hits and false alarms, what part are hits; `None` if there is neither.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.leads.len(), self.leads.len() + self.false_alarms)
    }

    /// The median lead of the hits, in samples; `None` without a hit.
    pub fn lead_median(&self) -> Option<f64> {
        let (half, odd) = (self.leads.len() / 2, self.leads.len() % 2);
        let upper = *self.leads.get(half)?;
        Some(if odd == 1 { upper as f64 } else { (self.leads[half - 1] + upper) as f64 / 2.0 })
    }

    /// The recall that as many alarms at random would have: `1 - (1 - alarms / valid) ^ horizon`.
    pub fn chance_recall(&self, horizon: usize) -> Option<f64> {
        ratio(self.alarms, self.valid).map(|rate| 1.0 - (1.0 - rate).powf(horizon as f64))
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::{Label, Rules};
    use proptest::prelude::*;

    /// `.` up, `#` down; no guard and no warm-up; runs are merged from one sample between them down.
    fn timeline(text: &str) -> Timeline {
        let label = |c| if c == '#' { Label::Down } else { Label::Up };
        let labels: Vec<_> = text.chars().map(label).collect();
        Timeline::new(&labels, &Rules { merge_gap: 2, guard: 0, warm_up: 0 })
    }

    /// One digit for each sample; those of samples that are not judged are passed over.
    fn scored<'a>(timeline: &'a Timeline, digits: &str) -> Scored<'a> {
        let part = 0..timeline.len();
        let rows = timeline.rows(&part, 1);
        let digits = digits.as_bytes();
        let scores = rows.iter().map(|at| f64::from(digits[*at] - b'0')).collect();
        Scored::new(timeline, part, rows, scores).expect("made of valid rows")
    }

    const WATCH: Watch = Watch { horizon: 3, cool_down: 3 };

    #[test]
    fn a_score_that_stays_high_raises_an_alarm_after_each_cool_down() {
        let up = timeline("..........");
        assert_eq!(scored(&up, "0955500909").alarms(5.0, 3), [1, 4, 7]);
        assert_eq!(scored(&up, "0955500909").alarms(9.0, 2), [1, 7, 9]);
        assert_eq!(scored(&up, "0955500909").alarms(0.0, 0).len(), 10);
        assert!(scored(&up, "0955500909").alarms(f64::INFINITY, 0).is_empty());
    }

    #[test]
    fn cool_downs_count_through_what_is_not_judged() {
        // Alarm at 1; down at 2 and 3; at 4 the alarm is three samples old.
        let down = timeline("..##....");
        assert_eq!(scored(&down, "09..9999").alarms(9.0, 3), [1, 4, 7]);
    }

    #[test]
    fn alarms_within_the_horizon_are_hits_and_all_others_false() {
        //                      0123456789
        let once = timeline("......#...");
        for (digits, lead, false_alarms) in [
            ("0009000000", Some(3), 0), // At the far end of [start - 3, start).
            ("0000090000", Some(1), 0), // At the near end.
            ("0090000000", None, 1),    // One too early.
            ("0000000900", None, 1),    // After it.
            ("0009990000", Some(3), 0), // The first counts; the others are in its cool-down.
            ("0900900000", Some(2), 1),
            ("0000000000", None, 0),
        ] {
            let outcome = scored(&once, digits).judge(Some(9.0), &WATCH);
            assert_eq!(outcome.foretold, [Foretold { episode: 0, lead }], "{digits}");
            assert_eq!(outcome.false_alarms, false_alarms, "{digits}");
            assert_eq!(outcome.valid, 9);
        }
        assert_eq!(scored(&once, "9999990000").judge(None, &WATCH).alarms, 0);
    }

    #[test]
    fn an_alarm_may_foretell_two_episodes() {
        let twice = timeline("....#..#..");
        let watch = Watch { horizon: 6, cool_down: 9 };
        let outcome = scored(&twice, "0090000000").judge(Some(9.0), &watch);
        let leads: Vec<_> = outcome.foretold.iter().map(|foretold| foretold.lead).collect();
        assert_eq!((leads, outcome.alarms, outcome.false_alarms), (vec![Some(2), Some(5)], 1, 0));
    }

    #[test]
    fn figures_pool_over_entities() {
        let outcomes = [
            Outcome {
                alarms: 3,
                false_alarms: 2,
                foretold: vec![Foretold { episode: 0, lead: Some(2) }, Foretold { episode: 1, lead: None }],
                valid: 60,
            },
            Outcome {
                alarms: 1,
                false_alarms: 0,
                foretold: vec![Foretold { episode: 4, lead: Some(8) }],
                valid: 40,
            },
        ];
        let all = Pooled::new(&outcomes, |_, _| true);
        assert_eq!(all.recall(), Some(2.0 / 3.0));
        assert_eq!(
            [2, 3, 9].map(|lead| all.recall_from(lead)),
            [Some(2.0 / 3.0), Some(1.0 / 3.0), Some(0.0)]
        );
        assert_eq!(all.precision(), Some(0.5));
        assert_eq!(all.false_alarms_per_day(50.0), Some(1.0));
        assert_eq!(all.lead_median(), Some(5.0));
        let chance = all.chance_recall(2).expect("there are valid samples");
        assert!((chance - (1.0 - 0.96 * 0.96)).abs() < 1e-12);
        let some = Pooled::new(&outcomes, |entity, episode| (entity, episode) == (1, 4));
        assert_eq!((some.recall(), some.lead_median(), some.alarms), (Some(1.0), Some(8.0), 4));
        let none = Pooled::default();
        assert_eq!((none.recall(), none.recall_from(0), none.precision()), (None, None, None));
        assert_eq!(none.lead_median(), None);
        assert_eq!((none.chance_recall(3), none.false_alarms_per_day(1.0)), (None, None));
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let down = timeline("..#...");
        let refused = |rows: &[usize], scores: &[f64]| {
            Scored::new(&down, 0..5, rows.to_vec(), scores.to_vec()).expect_err("refused")
        };
        assert_eq!(refused(&[0, 1], &[0.0]), Unusable::Lengths { scores: 1, rows: 2 });
        assert_eq!(refused(&[0, 1], &[0.0, f64::NAN]), Unusable::NotFinite { at: 1 });
        assert_eq!(refused(&[2], &[0.0]), Unusable::NotJudged { at: 2 });
        assert_eq!(refused(&[5], &[0.0]), Unusable::NotJudged { at: 5 });
        assert_eq!(refused(&[1, 1], &[0.0, 0.0]), Unusable::Order { at: 1 });
    }

    proptest! {
        /// Against the definitions, read out alarm by alarm and episode by episode.
        #[test]
        fn the_definitions_hold(
            rows in prop::collection::vec((0..5u8, prop::bool::weighted(0.15)), 0..60),
            horizon in 1..9usize, cool_down in 1..9usize, from in 0..20usize,
        ) {
            let text: String = rows.iter().map(|(_, down)| if *down { '#' } else { '.' }).collect();
            let timeline = timeline(&text);
            let part = from..timeline.len().max(from);
            let judged = timeline.rows(&part, 1);
            let scores = judged.iter().map(|at| f64::from(rows[*at].0)).collect();
            let scored = Scored::new(&timeline, part, judged.clone(), scores).expect("valid rows");
            let outcome = scored.judge(Some(3.0), &Watch { horizon, cool_down });

            let mut alarms: Vec<usize> = Vec::new();
            for at in &judged {
                if rows[*at].0 >= 3 && alarms.last().is_none_or(|last| at - last >= cool_down) {
                    alarms.push(*at);
                }
            }
            let starts: Vec<_> = timeline.episodes().iter().map(|episode| episode.start).collect();
            let wrong = |at: &&usize| !starts.iter().any(|start| **at < *start && *start <= **at + horizon);
            prop_assert_eq!(outcome.false_alarms, alarms.iter().filter(wrong).count());
            prop_assert_eq!(outcome.alarms, alarms.len());
            let mut foretold = Vec::new();
            for (episode, start) in starts.iter().enumerate().filter(|(_, start)| **start >= from) {
                let before = |at: &usize| *at < *start && *at + horizon >= *start;
                if judged.iter().any(before) {
                    let lead = alarms.iter().find(|at| before(at)).map(|at| start - at);
                    foretold.push(Foretold { episode, lead });
                }
            }
            prop_assert_eq!(outcome.foretold, foretold);
        }
    }
}

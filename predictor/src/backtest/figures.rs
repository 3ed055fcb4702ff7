//! What are scores worth, in the figures that a report prints?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::{Bin, Entity, Failure, Pooled, Predictions, Scored, Settings, Unusable, Watch, dice::Dice};

/// The budgets that thresholds are chosen for, in false alarms per entity and day. Those of 0.95 and 1 stand so close to
/// show how much the least change of a threshold changes.
pub const BUDGETS: [f64; 6] = [0.25, 0.5, 0.95, 1.0, 2.0, 5.0];

/// How often entities are drawn anew for an interval: enough for the second digit of its ends.
pub const DRAWS: usize = 1_000;

/// From how long before a failure an alarm tells leakage from sight. Some failures that count as abrupt may be seen in
/// the last samples before their onset, as a crowd is that is already there when the hub breaks under it; an abrupt
/// failure that is foretold earlier than this more often than by chance is one that the features were told of.
pub const WELL_BEFORE: Duration = Duration::from_secs(60);

/// What scores were worth over one part of the time of some entities. Figures that cannot be had are absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// How many entities.
    pub entities: usize,
    /// How many samples were judged.
    pub rows: usize,
    /// How many failures could have been foretold.
    pub eligible: usize,
    /// How often a failure followed within the horizon, 0 to 1.
    pub prevalence: Option<f64>,
    /// The area under the receiver operating characteristic, 0 to 1; 0.5 is chance.
    pub auroc: Option<f64>,
    /// Between which values it lies in 95 of 100 draws of as many entities.
    pub auroc_interval: Option<[f64; 2]>,
    /// Average precision, 0 to 1; the prevalence is chance.
    pub auprc: Option<f64>,
    /// The mean squared error, of probabilities only.
    pub brier: Option<f64>,
    /// What part of the error of the mere prevalence is avoided, of probabilities only.
    pub brier_skill: Option<f64>,
    /// The expected calibration error in ten bins of equal count, of probabilities only.
    pub ece: Option<f64>,
    /// The calibration curve, of probabilities only.
    pub calibration: Vec<Bin>,
    /// The alarms, for each of the [`BUDGETS`].
    pub alarms: Vec<AtBudget>,
}

/// What the alarms of one budget were worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtBudget {
    /// How many false alarms a day the threshold was chosen for.
    pub budget: f64,
    /// The threshold; the lowest, where entities have several; absent where none keeps the budget.
    pub threshold: Option<f64>,
    /// What part of the eligible failures was foretold.
    pub recall: Option<f64>,
    /// The same of those that announce themselves, where kinds are known.
    pub recall_gradual: Option<f64>,
    /// The same of those that do not.
    pub recall_abrupt: Option<f64>,
    /// The same of those that do not, where only alarms [`WELL_BEFORE`] the failure or earlier count.
    pub recall_abrupt_well_before: Option<f64>,
    /// The recall of as many alarms at random.
    pub chance_recall: Option<f64>,
    /// Of hits and false alarms, what part are hits.
    pub precision: Option<f64>,
    /// False alarms per entity and day.
    pub false_alarms_per_day: Option<f64>,
    /// The median time from the first alarm to the failure, in seconds.
    pub lead_median_s: Option<f64>,
    /// How many alarms.
    pub alarms: usize,
    /// How many eligible failures announce themselves, where kinds are known.
    pub eligible_gradual: usize,
    /// How many do not.
    pub eligible_abrupt: usize,
    /// The time from the first alarm to each foretold failure, in seconds, ascending.
    pub leads_s: Vec<f64>,
    /// The same kind by kind, by the words of whoever made the data; empty where kinds are not known.
    pub kinds: BTreeMap<String, OfKind>,
}

/// What was foretold of one kind of failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfKind {
    /// How many could have been foretold.
    pub eligible: usize,
    /// How many were.
    pub foretold: usize,
    /// The median time from the first alarm to the failure, in seconds.
    pub lead_median_s: Option<f64>,
}

/// One entity with its scores, and the threshold of each of the [`BUDGETS`].
pub(super) struct Judged<'a> {
    pub(super) entity: &'a Entity,
    pub(super) scored: Scored<'a>,
    pub(super) thresholds: [Option<f64>; BUDGETS.len()],
}

/// How figures are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) settings: &'a Settings,
    pub(super) horizon: usize,
    /// Are the scores probabilities?
    pub(super) probability: bool,
    /// Where the draws of the interval begin.
    pub(super) seed: u64,
}

impl Making<'_> {
    pub(super) fn watch(&self) -> Watch {
        Watch { horizon: self.horizon, cool_down: self.settings.cool_down }
    }

    /// All figures of these entities.
    pub(super) fn figures(&self, judged: &[Judged<'_>]) -> Result<Figures, Unusable> {
        let scores = judged.iter().flat_map(|one| one.scored.scores()).copied().collect();
        let targets = judged.iter().flat_map(|one| one.scored.targets(self.horizon)).collect();
        let all = Predictions::new(scores, targets)?;
        let owners: Vec<_> = judged
            .iter()
            .enumerate()
            .flat_map(|(owner, one)| std::iter::repeat_n(owner, one.scored.rows().len()))
            .collect();
        let probable = self.probability;
        let alarms: Vec<_> = (0..BUDGETS.len()).map(|budget| self.at_budget(judged, budget)).collect();
        let eligible = self.pooled(judged, 0, |_| true).eligible;
        Ok(Figures {
            entities: judged.len(),
            rows: all.len(),
            eligible,
            prevalence: all.prevalence(),
            auroc: all.auroc(),
            auroc_interval: interval(&all, &owners, judged.len(), self.seed),
            auprc: all.average_precision(),
            brier: all.brier().filter(|_| probable),
            brier_skill: all.brier_skill().filter(|_| probable),
            ece: all.calibration_error().filter(|_| probable),
            calibration: if probable { all.calibration() } else { Vec::new() },
            alarms,
        })
    }

    fn pooled(&self, judged: &[Judged<'_>], budget: usize, counts: impl Fn(&Failure) -> bool) -> Pooled {
        let judge = |one: &Judged<'_>| one.scored.judge(one.thresholds[budget], &self.watch());
        let outcomes: Vec<_> = judged.iter().map(judge).collect();
        Pooled::new(&outcomes, |entity, episode| counts(&judged[entity].entity.failures[episode]))
    }

    fn at_budget(&self, judged: &[Judged<'_>], budget: usize) -> AtBudget {
        let all = self.pooled(judged, budget, |_| true);
        let gradual = self.pooled(judged, budget, |failure| !failure.kind.is_empty() && !failure.is_abrupt());
        let abrupt = self.pooled(judged, budget, Failure::is_abrupt);
        let seconds = self.settings.sample.as_secs_f64();
        let well_before = (WELL_BEFORE.as_secs_f64() / seconds).ceil() as usize;
        AtBudget {
            budget: BUDGETS[budget],
            threshold: judged.iter().filter_map(|one| one.thresholds[budget]).min_by(f64::total_cmp),
            recall: all.recall(),
            recall_gradual: gradual.recall(),
            recall_abrupt: abrupt.recall(),
            recall_abrupt_well_before: abrupt.recall_from(well_before),
            chance_recall: all.chance_recall(self.horizon),
            precision: all.precision(),
            false_alarms_per_day: all.false_alarms_per_day(self.settings.samples_per_day()),
            lead_median_s: all.lead_median().map(|lead| lead * seconds),
            alarms: all.alarms,
            eligible_gradual: gradual.eligible,
            eligible_abrupt: abrupt.eligible,
            leads_s: all.leads.iter().map(|lead| *lead as f64 * seconds).collect(),
            kinds: self.kinds(judged, budget),
        }
    }

    fn kinds(&self, judged: &[Judged<'_>], budget: usize) -> BTreeMap<String, OfKind> {
        let failures = judged.iter().flat_map(|one| &one.entity.failures);
        let kinds: BTreeSet<_> = failures.map(|failure| failure.kind.as_str()).collect();
        let known = kinds.into_iter().filter(|kind| !kind.is_empty());
        let of = |kind: &str| {
            let pooled = self.pooled(judged, budget, |failure| failure.kind == kind);
            let lead = pooled.lead_median().map(|lead| lead * self.settings.sample.as_secs_f64());
            let found =
                OfKind { eligible: pooled.eligible, foretold: pooled.leads.len(), lead_median_s: lead };
            (kind.to_owned(), found)
        };
        known.map(of).filter(|(_, found)| found.eligible > 0).collect()
    }
}

/// Between which values the AUROC lies in 95 of 100 draws. Entities are drawn and not rows: the rows of one entity are
/// alike, and to draw them singly would pretend to more evidence than there is.
fn interval(all: &Predictions, owners: &[usize], entities: usize, seed: u64) -> Option<[f64; 2]> {
    let mut dice = Dice::new(seed);
    let mut drawn: Vec<_> = (0..DRAWS)
        .filter_map(|_| {
            let mut times = vec![0.0; entities];
            for _ in 0..entities {
                times[dice.below(entities)] += 1.0;
            }
            all.weighted_auroc(|row| times[owners[row]])
        })
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| drawn.get((share * drawn.len().saturating_sub(1) as f64).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}

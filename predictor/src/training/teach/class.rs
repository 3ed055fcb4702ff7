//! What do all hubs together show?

use std::time::Duration;

use crate::backtest::{FOLDS, Scored, Unusable};
use crate::model::hazard::HORIZONS;
use crate::model::profile::Profile;
use crate::training::Examples;

use super::record::{Record, samples_in};
use super::{HUBS_MIN, Pupil, TeachError, Teaching};

/// Models are asked about one sample in so many at least: each half minute, as the evaluation does.
const ASKED_EVERY: usize = 2;

/// One in so many of these moments is learnt from at least: one in a minute. Neighbours in time say nearly the same.
const LEARNT_EVERY: usize = 2;

/// The records that teach, those with the most to tell first, and their rows.
#[derive(Debug)]
pub(super) struct Class<'a> {
    records: Vec<Record<'a>>,
    moments: Vec<Vec<usize>>,
    examples: Vec<Examples>,
    learnt_every: usize,
}

impl<'a> Class<'a> {
    pub(super) fn new(fleet: &[Pupil<'a>], settings: &Teaching) -> Result<Self, TeachError> {
        let records = fleet.iter().enumerate().map(|(hub, pupil)| Record::new(hub, *pupil));
        let records: Vec<_> = records.collect::<Result<_, _>>()?;
        let asked_every = sparse(ASKED_EVERY, settings.asked_max, |every| {
            records.iter().map(|record| record.moments(every).len()).sum()
        });
        let mut all: Vec<_> = records
            .into_iter()
            .map(|record| (record.moments(asked_every), record))
            .filter(|(moments, _)| !moments.is_empty())
            .collect();
        if all.len() < HUBS_MIN {
            return Err(TeachError::Hubs { found: all.len() });
        }
        // Hubs are dealt into folds in turn. Those that fail most come first, so that no fold gets all of them: what is
        // left without it could not teach.
        let soonest = HORIZONS.into_iter().map(samples_in).min().unwrap_or(0);
        let events = |(moments, record): &(Vec<usize>, Record<'_>)| {
            moments.iter().filter(|at| record.timeline.fails_within(**at, soonest)).count()
        };
        all.sort_by_cached_key(|hub| std::cmp::Reverse(events(hub)));
        let failing = all.iter().filter(|hub| events(hub) > 0).count();
        if failing < HUBS_MIN {
            return Err(TeachError::Failing { found: failing });
        }
        let rows = all.iter().map(|(moments, record)| record.rows(&settings.schema, moments));
        let examples: Vec<_> = rows.collect::<Result<_, _>>()?;
        let (moments, records): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let learnt_every = sparse(LEARNT_EVERY, settings.learnt_max, |every| {
            moments.iter().map(|moments: &Vec<_>| moments.len().div_ceil(every)).sum()
        });
        Ok(Self { records, moments, examples, learnt_every })
    }

    pub(super) fn records(&self) -> &[Record<'a>] {
        &self.records
    }

    /// How many folds the hubs make.
    pub(super) fn folds(&self) -> usize {
        FOLDS.min(self.records.len())
    }

    /// One in how many moments is learnt from.
    pub(super) fn learnt_every(&self) -> usize {
        self.learnt_every
    }

    /// How many moments are learnt from.
    pub(super) fn learnt(&self) -> usize {
        self.moments.iter().map(|moments| moments.len().div_ceil(self.learnt_every)).sum()
    }

    /// How many failures could have been foretold.
    pub(super) fn failures(&self) -> usize {
        let longest = HORIZONS.into_iter().map(samples_in).max().unwrap_or(0);
        let of = |record: &Record<'_>| {
            let whole = 0..record.timeline.len();
            let episodes = record.timeline.episodes().iter();
            episodes.filter(|episode| record.timeline.is_eligible(episode, longest, &whole)).count()
        };
        self.records.iter().map(of).sum()
    }

    /// The rows of each hub, and whether it failed within this horizon.
    pub(super) fn examples(&mut self, horizon: Duration) -> &[Examples] {
        let ticks = samples_in(horizon);
        for ((record, moments), examples) in self.records.iter().zip(&self.moments).zip(&mut self.examples) {
            examples.judge(|row| record.timeline.fails_within(moments[row], ticks));
        }
        &self.examples
    }

    /// These scores, hub by hub, as the scores of its moments.
    pub(super) fn scored(&self, scores: Vec<Vec<f64>>) -> Result<Vec<Scored<'_>>, Unusable> {
        let hubs = self.records.iter().zip(&self.moments).zip(scores);
        hubs.map(|((record, moments), scores)| {
            let whole = 0..record.timeline.len();
            Scored::new(&record.timeline, whole, moments.clone(), scores)
        })
        .collect()
    }

    /// What each feature looks like.
    pub(super) fn profiles(&self) -> Vec<Profile> {
        let width = self.examples.first().map_or(0, |examples| examples.rows().width());
        let of = |column: usize| {
            let rows = self.examples.iter().flat_map(|examples| examples.rows().iter());
            let values: Vec<_> = rows.map(|row| row[column]).collect();
            Profile::of(&values).expect("there are rows, and rows hold nothing that is not finite")
        };
        (0..width).map(of).collect()
    }
}

/// One moment a day: fewer would be none.
const SPARSEST: usize = samples_in(Duration::from_secs(86_400));

/// One in how many, at least `least`, makes no more than `most` in all.
fn sparse(least: usize, most: usize, count: impl Fn(usize) -> usize) -> usize {
    let mut every = least;
    loop {
        let found = count(every);
        if found <= most || every >= SPARSEST {
            return every;
        }
        every = (every * found / most.max(1)).clamp(every + 1, SPARSEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_thinned_out_to_the_bound() {
        let every = |most| sparse(2, most, |every| 10_000_usize.div_ceil(every));
        assert_eq!((every(20_000), every(5_000)), (2, 2));
        let found = every(999);
        assert!((11..=12).contains(&found), "{found}");
        assert_eq!((every(1), every(0)), (SPARSEST, SPARSEST));
    }
}

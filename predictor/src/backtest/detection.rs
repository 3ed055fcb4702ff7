//! How soon is a failure noticed, whether foretold or seen?
//!
//! A trigger is true at each sample at which something cries: a forecast above its threshold, a probe that failed, a
//! share of errors. It may be true at any sample, also where a forecast would not be judged.

use std::ops::Range;

use serde::Serialize;

use super::{Entity, Failure, Settings};

/// How long after its start a failure counts as noticed, in seconds. Later, its users have noticed for us.
pub const NOTICED_WITHIN_S: u64 = 240;

/// How long before its start a cry may be about a failure, in seconds: the main horizon of forecasts.
pub const FORETOLD_WITHIN_S: u64 = 600;

/// When the failures of one kind were noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Noticed {
    /// How many there were.
    pub failures: usize,
    /// For each that was noticed in time, how long after its start, in seconds, ascending; 0 or less where a cry came
    /// before it. A cry at the first sample counts as one sample: that is when it is known.
    pub delays_s: Vec<f64>,
}

impl Noticed {
    /// What part was noticed before or within [`NOTICED_WITHIN_S`].
    pub fn share(&self) -> Option<f64> {
        (self.failures > 0).then(|| self.delays_s.len() as f64 / self.failures as f64)
    }

    /// What part was noticed before it began.
    pub fn share_before(&self) -> Option<f64> {
        let before = self.delays_s.iter().filter(|delay| **delay <= 0.0).count();
        (self.failures > 0).then(|| before as f64 / self.failures as f64)
    }

    /// The delay that this part of the noticed failures does not exceed, in seconds: 0.5 for the median. The nearest
    /// rank, so that it is a delay that was met.
    pub fn delay(&self, share: f64) -> Option<f64> {
        let rank = (share * self.delays_s.len() as f64).ceil() as usize;
        self.delays_s.get(rank.saturating_sub(1)).copied()
    }
}

/// What a trigger is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detection {
    /// Failures that come without a sign.
    pub abrupt: Noticed,
    /// All others.
    pub gradual: Noticed,
    /// Cries about nothing.
    pub false_alarms: usize,
    /// How many days of samples there were to be wrong in.
    pub days: f64,
}

impl Detection {
    /// False alarms per entity and day.
    pub fn false_alarms_per_day(&self) -> Option<f64> {
        (self.days > 0.0).then(|| self.false_alarms as f64 / self.days)
    }
}

/// When a trigger cried about one entity.
#[derive(Debug, Clone)]
pub struct Cries<'a> {
    /// Which.
    pub entity: &'a Entity,
    /// The part of its time that is judged.
    pub part: Range<usize>,
    /// The samples at which it cried, ascending.
    pub at: Vec<usize>,
}

/// What a trigger is worth that cried so.
///
/// A cry about nothing is one at a valid sample with no start within [`FORETOLD_WITHIN_S`]; of those that follow each
/// other within the cool-down, the first counts.
pub fn detection<'a>(cries: impl IntoIterator<Item = Cries<'a>>, settings: &Settings) -> Detection {
    let (ahead, after) = (settings.samples_in(FORETOLD_WITHIN_S), settings.samples_in(NOTICED_WITHIN_S));
    let mut found =
        Detection { abrupt: Noticed::default(), gradual: Noticed::default(), false_alarms: 0, days: 0.0 };
    for Cries { entity, part, mut at } in cries {
        let part = part.start..part.end.min(entity.len());
        at.retain(|at| part.contains(at));
        let cried = at;
        let (first, episodes) = entity.timeline.starting_in(&part);
        for (place, episode) in (first..).zip(episodes) {
            // A cry while the failure before this one lasts is about that one.
            let before = entity.timeline.episodes()[..place].last().map_or(0, |before| before.end);
            let from = episode.start.saturating_sub(ahead).max(before);
            let cry = cried.get(cried.partition_point(|at| *at < from)).copied();
            let noticed = noticed_of(&mut found, &entity.failures[place]);
            noticed.failures += 1;
            if let Some(at) = cry.filter(|at| *at < episode.start + after) {
                let samples = at as f64 - episode.start as f64 + 1.0;
                noticed.delays_s.push(samples * settings.sample.as_secs_f64());
            }
        }
        let mut quiet_until = 0;
        for at in cried {
            let about_nothing = entity.timeline.is_valid(at) && !entity.timeline.fails_within(at, ahead);
            if about_nothing && at >= quiet_until {
                found.false_alarms += 1;
                quiet_until = at + settings.cool_down;
            }
        }
        found.days += entity.timeline.valid_in(&part) as f64 / settings.samples_per_day();
    }
    found.abrupt.delays_s.sort_unstable_by(f64::total_cmp);
    found.gradual.delays_s.sort_unstable_by(f64::total_cmp);
    found
}

fn noticed_of<'f>(found: &'f mut Detection, failure: &Failure) -> &'f mut Noticed {
    if failure.is_abrupt() { &mut found.abrupt } else { &mut found.gradual }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backtest::{Rules, testing};

    /// A minute each: ten samples ahead, four after.
    const SETTINGS: Settings = Settings {
        sample: Duration::from_secs(60),
        horizon: 10,
        rules: Rules { merge_gap: 1, guard: 0, warm_up: 0 },
        cool_down: 3,
        score_every: 1,
        train_share: 0.5,
    };

    fn check(downs: &str, kind: &str, cries: &str, delays: &[f64], false_alarms: usize) {
        let entity = testing::entity("a", downs, kind, &SETTINGS.rules);
        let at = cries.match_indices('!').map(|(at, _)| at).collect();
        let found = detection([Cries { entity: &entity, part: 0..entity.len(), at }], &SETTINGS);
        let noticed = if kind == "node_crash" { &found.abrupt } else { &found.gradual };
        assert_eq!(noticed.delays_s, delays, "{cries}");
        assert_eq!(found.false_alarms, false_alarms, "{cries}");
        assert_eq!(noticed.failures, entity.failures.len());
    }

    #[test]
    fn the_first_cry_in_time_is_when_a_failure_is_noticed() {
        //     0         1         2
        //     0123456789012345678901234
        let downs = "............######.......";
        check(downs, "node_crash", ".............!...........", &[120.0], 0);
        check(downs, "mem_leak", "............!............", &[60.0], 0);
        check(downs, "mem_leak", "...............!.........", &[240.0], 0);
        check(downs, "mem_leak", "................!........", &[], 0); // Too late.
        check(downs, "mem_leak", "...........!!............", &[0.0], 0);
        check(downs, "mem_leak", "..!.......!..............", &[-540.0], 0);
        check(downs, "mem_leak", ".!...........!...........", &[120.0], 1); // Eleven before: about nothing.
        check(downs, "mem_leak", "..................!!!!.!.", &[], 2); // Within three of a cry there is no other.
    }

    #[test]
    fn a_cry_about_the_failure_before_does_not_foretell_the_next() {
        check("....##..##", "mem_leak", "....!.....", &[60.0], 0);
        check("....##..##", "mem_leak", "....!.!...", &[-60.0, 60.0], 0);
    }

    #[test]
    fn figures_are_shares_and_ranks() {
        let noticed = Noticed { failures: 5, delays_s: vec![-15.0, 0.0, 15.0, 45.0] };
        assert_eq!((noticed.share(), noticed.share_before()), (Some(0.8), Some(0.4)));
        assert_eq!(
            (noticed.delay(0.5), noticed.delay(0.9), noticed.delay(0.0)),
            (Some(0.0), Some(45.0), Some(-15.0))
        );
        assert_eq!((Noticed::default().share(), Noticed::default().delay(0.5)), (None, None));
    }
}

//! What do the failures of a hub have in common?
//!
//! Looked for are an hour of the day, a sibling that fails at the same time, a slow rise beforehand, and a restart
//! shortly before. With some dozens of failures almost anything looks like a pattern to a willing eye; so each is held
//! against what chance would give, corrected for how many places were looked at, and told with that number.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chance::at_least;

/// The least cases that make a pattern, however unlikely: two are a coincidence.
pub const CASES_MIN: u32 = 3;

/// A pattern is told if chance would give it in less than one of a hundred histories.
pub const CHANCE_MAX: f64 = 0.01;

/// How close to each other times of day are the same: jobs that run at an hour do so within a quarter of one.
pub const SAME_TIME: Duration = Duration::from_secs(15 * 60);

/// How close to each other two hubs fail together: the gap below which failures of one hub are one.
pub const TOGETHER: Duration = Duration::from_secs(10 * 60);

/// How soon after a restart a failure may be its consequence.
pub const AFTER_RESTART: Duration = Duration::from_secs(30 * 60);

/// The shortest rise that is slow: as long as the shortest horizon, so that it can be foretold.
pub const SLOW_RISE: Duration = Duration::from_secs(5 * 60);

/// The least days of watching in which an hour can recur.
pub const DAYS_MIN: u32 = 5;

/// The most failures that are looked at, the last ones: the search compares each with each.
pub const FAILURES_MAX: usize = 1_000;

const DAY: i64 = 86_400;

/// One past failure of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// When it began, in Unix seconds.
    pub start: i64,
    /// How long the hub's signals had been rising by then, if they had.
    pub rise: Option<Duration>,
}

/// What is known of a hub's past.
#[derive(Debug, Clone, Default)]
pub struct Past<'p> {
    /// Its failures, in any order.
    pub failures: &'p [Failure],
    /// When it was started again (its boot id changed), in Unix seconds, in any order.
    pub restarts: &'p [i64],
    /// Other hubs of its location or operator, by name, and when they failed, in Unix seconds.
    pub siblings: &'p [(&'p str, &'p [i64])],
    /// How long it has been watched.
    pub watched: Duration,
}

/// What failures have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// They come at the same time of day.
    Recurring {
        /// The middle of it, in seconds since midnight UTC.
        at: u32,
        /// On so many days.
        days: u32,
        /// Of so many.
        of: u32,
        /// How likely chance would do it.
        chance: f64,
    },
    /// Another hub fails with it.
    Sibling {
        /// Which.
        hub: String,
        /// In so many of its failures.
        times: u32,
        /// Of so many.
        of: u32,
        /// How likely chance would do it.
        chance: f64,
    },
    /// They announce themselves.
    SlowRise {
        /// In so many of its failures.
        times: u32,
        /// Of so many.
        of: u32,
        /// How long half of them rise at least.
        median: Duration,
    },
    /// They follow a restart, which mostly is a deploy.
    AfterRestart {
        /// In so many of its failures.
        times: u32,
        /// Of so many.
        of: u32,
        /// How likely chance would do it.
        chance: f64,
    },
}

/// What the failures of a hub have in common; nothing if there are few, or nothing that chance would not do.
pub fn patterns(past: &Past<'_>) -> Vec<Pattern> {
    let mut failures = past.failures.to_vec();
    failures.sort_unstable_by_key(|failure| failure.start);
    let failures = &failures[failures.len().saturating_sub(FAILURES_MAX)..];
    let starts: Vec<i64> = failures.iter().map(|failure| failure.start).collect();
    let mut found = Vec::new();
    found.extend(recurring(&starts, past.watched));
    found.extend(past.siblings.iter().filter_map(|(hub, theirs)| sibling(hub, theirs, &starts, past)));
    found.extend(slow_rise(failures));
    found.extend(after_restart(&starts, past));
    found
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The time of day at which it failed on most days, if on more than chance would.
fn recurring(starts: &[i64], watched: Duration) -> Option<Pattern> {
    let of = u32::try_from(watched.as_secs() / DAY.unsigned_abs()).unwrap_or(u32::MAX);
    if of < DAYS_MIN || starts.is_empty() {
        return None;
    }
    // Distances around the clock: 23:55 and 00:05 are ten minutes apart.
    let near = |a: i64, b: i64| {
        let apart = (a.rem_euclid(DAY) - b.rem_euclid(DAY)).rem_euclid(DAY);
        apart.min(DAY - apart).unsigned_abs() <= SAME_TIME.as_secs()
    };
    let days_at = |time: i64| -> BTreeSet<i64> {
        // The day is that of the middle, so that a failure before midnight and one after it are not two.
        let near = starts.iter().filter(|start| near(**start, time));
        near.map(|start| start.saturating_sub(time - DAY / 2).div_euclid(DAY)).collect()
    };
    let times = starts.iter().map(|start| start.rem_euclid(DAY));
    let best = times.map(|time| (days_at(time).len(), time));
    let (days, time) = best.max_by_key(|(days, time)| (*days, -time))?;
    let days = count(days).min(of);
    let per_day = starts.len() as f64 / f64::from(of);
    let window = 2.0 * SAME_TIME.as_secs_f64() / DAY as f64;
    // The window lies around a failure, which is no wonder; what counts is how many other days hit it.
    let others = at_least(days.saturating_sub(1), of - 1, hit(per_day * window));
    let chance = corrected(others, starts.len());
    let at = u32::try_from(time).ok()?;
    (days >= CASES_MIN && chance < CHANCE_MAX).then_some(Pattern::Recurring { at, days, of, chance })
}

/// Whether another hub fails when this one does, more often than chance would.
fn sibling(hub: &str, theirs: &[i64], starts: &[i64], past: &Past<'_>) -> Option<Pattern> {
    let near = |start: &&i64| theirs.iter().any(|their| their.abs_diff(**start) <= TOGETHER.as_secs());
    let times = count(starts.iter().filter(near).count());
    let expected = theirs.len() as f64 * 2.0 * TOGETHER.as_secs_f64() / past.watched.as_secs_f64();
    let of = count(starts.len());
    let chance = corrected(at_least(times, of, hit(expected)), past.siblings.len());
    let told = times >= CASES_MIN && chance < CHANCE_MAX;
    told.then(|| Pattern::Sibling { hub: hub.to_owned(), times, of, chance })
}

/// Whether most failures announce themselves. A rise is seen or not; chance has no part in it.
fn slow_rise(failures: &[Failure]) -> Option<Pattern> {
    let mut rises: Vec<Duration> =
        failures.iter().filter_map(|failure| failure.rise).filter(|rise| *rise >= SLOW_RISE).collect();
    rises.sort_unstable();
    let (times, of) = (count(rises.len()), count(failures.len()));
    let median = *rises.get(rises.len() / 2)?;
    (times >= CASES_MIN && times * 2 >= of).then_some(Pattern::SlowRise { times, of, median })
}

/// Whether failures follow restarts more often than chance would.
fn after_restart(starts: &[i64], past: &Past<'_>) -> Option<Pattern> {
    let follows = |start: &&i64| {
        let restart =
            |restart: &i64| (0..=AFTER_RESTART.as_secs() as i64).contains(&start.saturating_sub(*restart));
        past.restarts.iter().any(restart)
    };
    let times = count(starts.iter().filter(follows).count());
    let expected = past.restarts.len() as f64 * AFTER_RESTART.as_secs_f64() / past.watched.as_secs_f64();
    let of = count(starts.len());
    let chance = at_least(times, of, hit(expected));
    let told = times >= CASES_MIN && chance < CHANCE_MAX;
    told.then_some(Pattern::AfterRestart { times, of, chance })
}

/// How likely at least one comes where so many are expected.
fn hit(expected: f64) -> f64 {
    -(-expected).exp_m1()
}

/// Bonferroni: who looks in many places finds something in one of them.
fn corrected(chance: f64, places: usize) -> f64 {
    (chance * places as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MONTH: Duration = Duration::from_secs(30 * 86_400);

    /// Failures at these Unix seconds, none with a rise.
    fn at(starts: impl IntoIterator<Item = i64>) -> Vec<Failure> {
        starts.into_iter().map(|start| Failure { start, rise: None }).collect()
    }

    fn check(past: &Past<'_>, expected: impl Fn(&[Pattern]) -> bool) {
        let found = patterns(past);
        assert!(expected(&found), "{found:?}");
    }

    /// Some number that looks like none in particular.
    fn scattered(n: i64, below: i64) -> i64 {
        let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed >> 20) % below as u64) as i64
    }

    #[test]
    fn a_nightly_fault_is_found_across_midnight() {
        let nightly = at((0..10).map(|n| n * 3 * DAY + scattered(n, 1_200) - 600));
        check(&Past { failures: &nightly, watched: MONTH, ..Past::default() }, |found| {
            let [Pattern::Recurring { at, days, of: 30, .. }] = found else { return false };
            (*at < 900 || *at > 85_500) && *days >= 8
        });
    }

    #[test]
    fn scattered_failures_are_no_pattern() {
        let scattered = at((0..40).map(|n| scattered(n, 30 * DAY)));
        check(&Past { failures: &scattered, watched: MONTH, ..Past::default() }, <[Pattern]>::is_empty);
        check(&Past::default(), <[Pattern]>::is_empty);
        let none = Past { watched: MONTH, ..Past::default() };
        check(&none, <[Pattern]>::is_empty);
    }

    #[test]
    fn two_nights_are_a_coincidence() {
        let two = at([3 * DAY, 9 * DAY]);
        check(&Past { failures: &two, watched: MONTH, ..Past::default() }, <[Pattern]>::is_empty);
    }

    #[test]
    fn many_in_one_night_are_one_night() {
        let burst = at((0..12).map(|n| 5 * DAY + n * 60));
        check(&Past { failures: &burst, watched: MONTH, ..Past::default() }, <[Pattern]>::is_empty);
    }

    #[test]
    fn a_sibling_that_fails_along_is_named_and_another_is_not() {
        let mine: Vec<i64> = (0..6).map(|n| scattered(n, 30 * DAY)).collect();
        let along: Vec<i64> = mine.iter().map(|start| start + 240).collect();
        let apart: Vec<i64> = (0..6).map(|n| scattered(n + 100, 30 * DAY)).collect();
        let siblings: [(&str, &[i64]); 2] = [("berlin-2", &along), ("berlin-3", &apart)];
        let failures = at(mine.iter().copied());
        let past = Past { failures: &failures, siblings: &siblings, watched: MONTH, ..Past::default() };
        check(
            &past,
            |found| matches!(found, [Pattern::Sibling { hub, times: 6, of: 6, .. }] if hub == "berlin-2"),
        );
    }

    #[test]
    fn a_sibling_that_always_fails_tells_nothing() {
        let always: Vec<i64> = (0..30 * 72).map(|n| n * 1_200).collect();
        let siblings: [(&str, &[i64]); 1] = [("berlin-2", &always)];
        let failures = at((0..6).map(|n| scattered(n, 30 * DAY)));
        let past = Past { failures: &failures, siblings: &siblings, watched: MONTH, ..Past::default() };
        check(&past, <[Pattern]>::is_empty);
    }

    #[test]
    fn failures_after_deploys_are_told_and_those_before_are_not() {
        let mine: Vec<i64> = (0..5).map(|n| scattered(n, 30 * DAY)).collect();
        let (before, after): (Vec<_>, Vec<_>) = mine.iter().map(|start| (start - 600, start + 600)).unzip();
        let failures = at(mine);
        let past = |restarts| Past { failures: &failures, restarts, watched: MONTH, siblings: &[] };
        check(&past(&before), |found| matches!(found, [Pattern::AfterRestart { times: 5, of: 5, .. }]));
        check(&past(&after), <[Pattern]>::is_empty);
    }

    #[test]
    fn slow_rises_are_told_when_they_are_the_rule() {
        let rises = |minutes: [u64; 5]| {
            let failure = |(n, minutes): (usize, u64)| Failure {
                start: scattered(n as i64, 30 * DAY),
                rise: Some(Duration::from_secs(60 * minutes)),
            };
            minutes.into_iter().enumerate().map(failure).collect::<Vec<_>>()
        };
        let median = Duration::from_secs(40 * 60);
        let slow = rises([20, 40, 90, 1, 0]);
        check(&Past { failures: &slow, watched: MONTH, ..Past::default() }, |found| {
            found == [Pattern::SlowRise { times: 3, of: 5, median }]
        });
        let fast = rises([20, 40, 4, 1, 0]);
        check(&Past { failures: &fast, watched: MONTH, ..Past::default() }, <[Pattern]>::is_empty);
    }

    proptest! {
        #[test]
        fn no_past_is_too_odd(
            starts in prop::collection::vec(any::<i64>(), 0..60),
            restarts in prop::collection::vec(any::<i64>(), 0..20),
            watched in 0_u64..100_000_000,
        ) {
            let failures = at(starts);
            let watched = Duration::from_secs(watched);
            let siblings: [(&str, &[i64]); 1] = [("x", &restarts)];
            patterns(&Past { failures: &failures, restarts: &restarts, siblings: &siblings, watched });
        }
    }
}

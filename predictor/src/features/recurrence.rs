//! Does it fail again at the same time of day?
//!
//! Of real servers' incidents this foretells more than any of their metrics: many come from work that starts every day
//! at one hour.

use std::collections::VecDeque;

/// Most episodes that are remembered: 30 days of one in three hours, 2 KB.
pub const EPISODES_MAX: usize = 240;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// How long an episode is remembered, in seconds.
const MEMORY: u64 = 30 * DAY;

/// When a hub's failures started. All times are seconds of one clock that runs with the hours of the day.
#[derive(Debug, Clone, Default)]
pub struct Recurrence {
    starts: VecDeque<u64>,
    since: Option<u64>,
}

impl Recurrence {
    /// Nothing is known before `since`: a day without a record is no evidence of a quiet day.
    pub fn new(since: u64) -> Self {
        Self { starts: VecDeque::new(), since: Some(since) }
    }

    /// An episode started at `at`. One that is older than the last is ignored: the record is in order.
    pub fn started(&mut self, at: u64) {
        if self.starts.back().is_some_and(|last| at < *last) {
            return;
        }
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.starts.push_back(at);
        while self.starts.len() > EPISODES_MAX
            || self.starts.front().is_some_and(|first| at.saturating_sub(*first) > MEMORY)
        {
            self.starts.pop_front();
        }
    }

    /// How many episodes started in `(now - window, now]`.
    pub fn within(&self, now: u64, window: u64) -> usize {
        self.starts.iter().rev().skip_while(|at| **at > now).take_while(|at| now - **at < window).count()
    }

    /// Seconds since the last episode started; `None` if there is none on record.
    pub fn since_last(&self, now: u64) -> Option<u64> {
        self.starts.iter().rev().find(|at| **at <= now).map(|at| now - at)
    }

    /// On what part of the last `days` days that are on record an episode started in `(t - early, t + late]`, where `t`
    /// was the time of day that it is now; 0 if no such day is on record.
    pub fn same_time(&self, now: u64, days: u8, early: u64, late: u64) -> f32 {
        let (mut on_record, mut hit) = (0_u8, 0_u8);
        for day in 1..=u64::from(days) {
            let Some(then) = now.checked_sub(day * DAY) else { break };
            if self.since.is_none_or(|since| then < since) {
                break;
            }
            on_record += 1;
            // A window longer than a day would see what has not happened yet.
            let (from, to) = (then.saturating_sub(early), (then + late).min(now));
            hit += u8::from(self.starts.iter().any(|at| *at > from && *at <= to));
        }
        if on_record == 0 { 0.0 } else { f32::from(hit) / f32::from(on_record) }
    }
}

/// How many days back the rule looks: two of each day of the week.
const RULE_DAYS: u64 = 14;

/// What a day counts of the day after it. Jobs move from hour to hour; last week says less than yesterday.
const RULE_FADES: f32 = 0.9;

/// How many quiet days the rule has seen before the first: one failure yesterday is no habit yet. Without them, average
/// precision on the training part of five real servers falls from .28 to .23.
const RULE_QUIET: f32 = 2.0;

/// How many seconds before the window, and after it, a start still counts for something. Chosen, as are the other
/// three, on that training part, where all choices near these came to .278 to .284.
const RULE_EARLY: f32 = 5.0 * 60.0;
const RULE_LATE: f32 = 2.0 * 60.0;

impl Recurrence {
    /// The plain rule, 0 to 1: the weighted part of the last 14 days on which an episode started within `horizon`
    /// seconds of this time of day. A rank, not a probability.
    pub fn rule(&self, now: u64, horizon: u64) -> f32 {
        let (mut hits, mut days, mut weight) = (0.0, 0.0, 1.0);
        for day in 1..=RULE_DAYS {
            let Some(then) = now.checked_sub(day * DAY) else { break };
            if self.since.is_none_or(|since| then < since) {
                break;
            }
            let nearest = self.starts.iter().map(|at| closeness(*at, then, horizon)).fold(0.0, f32::max);
            hits += weight * nearest;
            days += weight;
            weight *= RULE_FADES;
        }
        if days > 0.0 { hits / (days + RULE_QUIET) } else { 0.0 }
    }
}

/// 1 for a start within `horizon` after `then`, less outside, 0 from [`RULE_EARLY`] and [`RULE_LATE`] on.
fn closeness(start: u64, then: u64, horizon: u64) -> f32 {
    let outside = |seconds: u64, reach: f32| (1.0 - seconds as f32 / reach).max(0.0);
    if start <= then {
        outside(then - start, RULE_EARLY)
    } else {
        outside((start - then).saturating_sub(horizon), RULE_LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    /// Failures at noon of days 1, 2 and 4, of a record that begins on day 1.
    fn noons() -> Recurrence {
        let mut past = Recurrence::new(DAY);
        for day in [1, 2, 4] {
            past.started(day * DAY + DAY / 2);
        }
        past
    }

    #[test]
    fn the_same_time_of_past_days_is_seen_ahead() {
        let same = |now, days| noons().same_time(now, days, 0, 30 * MINUTE);
        let before_noon = 5 * DAY + DAY / 2 - 20 * MINUTE;
        assert_eq!(same(before_noon, 1), 1.0);
        // Three of the four days on record: of day 0 nothing is.
        assert_eq!(same(before_noon, 3), 2.0 / 3.0);
        assert_eq!(same(before_noon, 7), 3.0 / 4.0);
        assert_eq!(same(before_noon - 30 * MINUTE, 7), 0.0);
        assert_eq!(same(before_noon + 21 * MINUTE, 7), 0.0);
        let late = noons().same_time(before_noon + 21 * MINUTE, 7, 5 * MINUTE, 30 * MINUTE);
        assert_eq!(late, 3.0 / 4.0);
    }

    #[test]
    fn what_has_not_happened_yet_is_not_seen() {
        let past = noons();
        let now = 2 * DAY + DAY / 2 - 1;
        assert_eq!(past.within(now, 7 * DAY), 1);
        assert_eq!(past.since_last(now), Some(DAY - 1));
        assert_eq!(past.since_last(DAY), None);
        assert_eq!(past.same_time(now, 7, DAY, 2 * DAY), 1.0);
        assert_eq!(Recurrence::default().same_time(now, 7, 0, MINUTE), 0.0);
    }

    #[test]
    fn the_rule_rises_with_every_day_and_fades_with_age() {
        let half = 30 * MINUTE;
        let mut past = Recurrence::new(0);
        let at = |past: &Recurrence, day: u64| past.rule(day * DAY + DAY / 2 - 10 * MINUTE, half);
        assert_eq!(at(&past, 0), 0.0);
        let mut last = 0.0;
        for day in 1..10 {
            past.started(day * DAY + DAY / 2);
            let now = at(&past, day + 1);
            assert!(now > last && now < 1.0, "day {day}: {now} after {last}");
            last = now;
        }
        // A quiet day, then two.
        assert!(at(&past, 11) < last && at(&past, 12) < at(&past, 11));
        // Another time of day, just before, and just after.
        assert_eq!(past.rule(10 * DAY + DAY / 4, half), 0.0);
        let early = past.rule(10 * DAY + DAY / 2 - 31 * MINUTE, half);
        let late = past.rule(10 * DAY + DAY / 2 + MINUTE, half);
        assert!(0.0 < early && early < late && late < last, "{early} {late} {last}");
    }

    #[test]
    fn windows_are_open_where_they_begin() {
        let past = noons();
        assert_eq!(past.within(4 * DAY + DAY / 2, 2 * DAY), 1);
        assert_eq!(past.within(4 * DAY + DAY / 2, 2 * DAY + 1), 2);
    }

    #[test]
    fn it_remembers_so_many_and_so_long_and_in_order() {
        let mut past = Recurrence::new(0);
        (0..1_000).for_each(|at| past.started(at));
        assert_eq!(past.within(999, DAY), EPISODES_MAX);
        past.started(40 * DAY);
        past.started(39 * DAY);
        assert_eq!(past.within(40 * DAY, 40 * DAY), 1);
    }
}

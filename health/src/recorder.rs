//! What came of the requests to one hub?

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mcphub_routing::MonoTime;

use crate::histogram::Histogram;
use crate::slices::{Pair, Second, Touched};
use crate::{Latency, Outcome, Passive, Window};

/// Kinds of ends: those of the outcomes, and then new connections.
const KINDS: usize = Outcome::ALL.len() + 1;
const CONNECTS: usize = Outcome::ALL.len();
/// Seconds of [`Passive::short`]: long enough for a rate at a few requests a second, short enough to forget a hiccup.
const SHORT: usize = 10;
/// Seconds of [`Passive::long`].
const LONG: usize = 60;

/// What came of one hub's requests, kept by those who make them, on as many threads as there are: a few atomic
/// additions for a request, no lock, no allocation, and about 8 KiB of memory for ever. Good for a million outcomes of
/// one kind a second; more are not counted.
///
/// What every request touches lies side by side at the front.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Recorder {
    streak: Streak,
    last_answer: Instant,
    last_failure: Instant,
    /// The first slice of `ends` that still counts.
    oldest: AtomicU32,
    /// The pairs of `ends` that count, but for the first, which always does. Two slices cover [`LONG`], wherever it begins.
    rare: Touched<2, { LONG as u32 }>,
    /// For each pair of kinds, its slices of a second: side by side, since they are read together.
    ends: [[Pair<20>; LONG]; KINDS / 2],
    answer: Histogram<5, 2>,
    connect: Histogram<3, 20>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            streak: Streak::default(),
            last_answer: Instant::default(),
            last_failure: Instant::default(),
            oldest: AtomicU32::default(),
            rare: Touched::default(),
            ends: std::array::from_fn(|_| std::array::from_fn(|_| Pair::default())),
            answer: Histogram::default(),
            connect: Histogram::default(),
        }
    }
}

/// Which pair counts this kind, and which of the two. What every busy hub counts shares one: answers and connections.
const fn pair(kind: usize) -> (usize, usize) {
    // 0 and 7, 1 and 6, …
    if kind < KINDS / 2 { (kind, 0) } else { (KINDS - 1 - kind, 1) }
}

impl Recorder {
    /// Notes what came of one request, and gives back how many have failed since anything was answered, this one
    /// included. `latency` runs from the request on an open connection to its answer; `connect` is what it took to open
    /// one (or to fail at it), `None` if it was open already.
    #[inline]
    pub fn record(
        &self,
        outcome: Outcome,
        latency: Duration,
        connect: Option<Duration>,
        now: MonoTime,
    ) -> u32 {
        let second = Second::of(now);
        self.count(outcome.slot(), second);
        if connect.is_some() || outcome == Outcome::ConnectError {
            self.count(CONNECTS, second);
        }
        // A refused connection says nothing about how long an accepted one takes.
        if let Some(connect) = connect
            && outcome != Outcome::ConnectError
        {
            self.connect.add(connect, second);
        }
        if outcome.is_failure() {
            self.last_failure.reach(now);
            return self.streak.failed(outcome.is_answer(), now);
        }
        self.answer.add(latency, second);
        self.last_answer.reach(now);
        self.streak.end(now)
    }

    #[inline]
    fn count(&self, kind: usize, second: Second) {
        let ((pair, which), number) = (pair(kind), second.slice::<1>());
        if pair > 0 {
            self.rare.touch(pair, second.slice::<{ LONG as u32 }>());
        }
        self.ends[pair][number as usize % LONG].add(which, number);
    }

    /// Lets bygones be bygones, for a hub that is given another chance: failures so far count no more, and the windows
    /// begin with the next whole second. The hub's own past latency stays, since it is the measure of the new one.
    pub fn forget_failures(&self, now: MonoTime) {
        self.oldest.fetch_max(Second::of(now).slice::<1>() + 1, Relaxed);
        self.streak.end(now);
    }

    /// What came of the requests, up to now.
    pub fn passive(&self, now: MonoTime) -> Passive {
        let oldest = self.oldest.load(Relaxed);
        let (mut short, mut long) = ([0u32; KINDS], [0u32; KINDS]);
        let second = Second::of(now);
        let (all, late) = (second.slices::<1>(LONG, oldest), *second.slices::<1>(SHORT, oldest).start());
        for pair in std::iter::once(0).chain(self.rare.all_kinds(second)) {
            let kinds = [pair, KINDS - 1 - pair];
            // Round the ring from the oldest second: one after the other in memory, but for one turn.
            let (after, before) = self.ends[pair].split_at(*all.start() as usize % LONG);
            for (number, slice) in all.clone().zip(before.iter().chain(after)) {
                for (kind, count) in kinds.into_iter().zip(slice.read(number)) {
                    long[kind] += count;
                    short[kind] += if number >= late { count } else { 0 };
                }
            }
        }
        let window = |[counts @ .., connects]: [u32; KINDS]| Window { counts, connects };
        Passive {
            consecutive_failures: self.streak.read(),
            unanswered: self.streak.unanswered(),
            last_answer: self.last_answer.read(),
            last_failure: self.last_failure.read(),
            short: window(short),
            long: window(long),
        }
    }

    /// What came of the requests that ended from one second to another, both whole seconds: what is less is cut off. What is
    /// more than [`LONG`] seconds before `now`, or was forgiven, is not known any more and counts as nothing.
    pub fn between(&self, from: MonoTime, until: MonoTime, now: MonoTime) -> Window {
        let second = Second::of(now);
        let known = second.slices::<1>(LONG, self.oldest.load(Relaxed));
        let first = Second::of(from).slice::<1>().max(*known.start());
        let last = Second::of(until).slice::<1>().min(*known.end() + 1);
        let mut counts = [0u32; KINDS];
        for pair in std::iter::once(0).chain(self.rare.all_kinds(second)) {
            let kinds = [pair, KINDS - 1 - pair];
            for number in first..last {
                let found = self.ends[pair][number as usize % LONG].read(number);
                for (kind, count) in kinds.into_iter().zip(found) {
                    counts[kind] += count;
                }
            }
        }
        let [counts @ .., connects] = counts;
        Window { counts, connects }
    }

    /// How long requests take, up to now.
    pub fn latency(&self, now: MonoTime) -> Latency {
        let (answer, answer_past) = self.answer.quantiles(Second::of(now));
        let (connect, connect_past) = self.connect.quantiles(Second::of(now));
        Latency { answer, answer_past, connect, connect_past }
    }
}

/// An instant in whole milliseconds, one more than it is, so that 0 says never. 34 years fit in 40 bits.
fn stamp(at: MonoTime) -> u64 {
    (at.as_millis() + 1).min((1 << 40) - 1)
}

/// The latest of some instants.
#[derive(Debug, Default)]
struct Instant(AtomicU64);

impl Instant {
    fn reach(&self, at: MonoTime) {
        if self.0.load(Relaxed) < stamp(at) {
            self.0.fetch_max(stamp(at), Relaxed);
        }
    }

    fn read(&self) -> Option<MonoTime> {
        self.0.load(Relaxed).checked_sub(1).map(MonoTime::from_millis)
    }
}

/// Failures since they last ended: the stamp of that instant in the upper 40 bits, then those of them that were no answer
/// in 9 bits, then all of them in 15. With the time in it, what arrives in one millisecond comes to the same in any order, and a busy healthy hub costs no write but
/// the first of each millisecond.
#[derive(Debug, Default)]
struct Streak(AtomicU64);

const FAILURES_MAX: u64 = (1 << 15) - 1;
const UNANSWERED: u64 = 1 << 15;
const UNANSWERED_MAX: u64 = (1 << 24) - UNANSWERED;

impl Streak {
    fn failed(&self, answered: bool, now: MonoTime) -> u32 {
        let more = |word: u64| {
            let one = u64::from(word & FAILURES_MAX < FAILURES_MAX);
            let silent = !answered && word & UNANSWERED_MAX < UNANSWERED_MAX;
            (word >> 24 < stamp(now)).then_some(word + one + if silent { UNANSWERED } else { 0 })
        };
        match self.0.fetch_update(Relaxed, Relaxed, more) {
            Ok(before) => (before & FAILURES_MAX) as u32 + 1,
            Err(kept) => (kept & FAILURES_MAX) as u32,
        }
    }

    /// Failures up to now count no more.
    fn end(&self, now: MonoTime) -> u32 {
        let ends = |word: u64| (word >> 24 < stamp(now)).then_some(stamp(now) << 24);
        match self.0.fetch_update(Relaxed, Relaxed, ends) {
            Ok(_) => 0,
            Err(kept) => (kept & FAILURES_MAX) as u32,
        }
    }

    fn read(&self) -> u32 {
        (self.0.load(Relaxed) & FAILURES_MAX) as u32
    }

    fn unanswered(&self) -> u32 {
        ((self.0.load(Relaxed) & UNANSWERED_MAX) / UNANSWERED) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_routing::Share;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    fn share(per_mille: u16) -> Option<Share> {
        Share::from_per_mille(per_mille)
    }

    #[test]
    fn failures_in_a_row_end_with_an_answer() {
        let hub = Recorder::default();
        let check = |outcome, millis, expected: u32| {
            assert_eq!(hub.record(outcome, MS, None, at(millis)), expected, "{outcome} at {millis}");
            assert_eq!(hub.passive(at(millis)).consecutive_failures, expected);
        };
        check(Outcome::Timeout, 0, 1);
        check(Outcome::ConnectError, 1, 2);
        check(Outcome::RpcTransportError, 2, 3);
        check(Outcome::Slow, 3, 0);
        check(Outcome::Http5xx, 3, 0);
        check(Outcome::Reset, 4, 1);
        check(Outcome::Ok, 5, 0);
        check(Outcome::Reset, 6, 1);
        let found = hub.passive(at(90_000));
        assert_eq!((found.last_answer, found.last_failure), (Some(at(5)), Some(at(6))));
        assert_eq!(found.consecutive_failures, 1, "only an answer ends them, not time");
        hub.forget_failures(at(90_000));
        let found = hub.passive(at(90_000));
        assert_eq!((found.consecutive_failures, found.last_answer), (0, Some(at(5))));
    }

    #[test]
    fn every_second_is_in_one_stretch_and_no_other() {
        let hub = Recorder::default();
        for second in 0..50 {
            hub.record(Outcome::Ok, MS, Some(MS), at(second * 1_000));
            hub.record(Outcome::Timeout, MS, None, at(second * 1_000 + 999));
        }
        let check = |from, until, now, each: u32| {
            let found = hub.between(at(from), at(until), at(now));
            let seen = [found.count(Outcome::Ok), found.count(Outcome::Timeout), found.connects];
            assert_eq!(seen, [each; 3], "{from} to {until} at {now}");
        };
        check(0, 15_000, 15_000, 15);
        check(15_000, 30_000, 30_300, 15);
        check(15_900, 30_900, 49_000, 15);
        check(30_000, 30_000, 49_000, 0);
        check(30_000, 15_000, 49_000, 0);
        check(0, 15_000, 69_999, 5);
        check(0, 15_000, 90_000, 0);
        hub.forget_failures(at(40_000));
        check(30_000, 45_000, 49_000, 4);
    }

    #[test]
    fn windows_forget() {
        let hub = Recorder::default();
        for n in 0..10 {
            let outcome = if n < 3 { Outcome::Timeout } else { Outcome::Ok };
            hub.record(outcome, MS, None, at(n * 100));
        }
        let check = |millis, short: (u32, Option<Share>), long: (u32, Option<Share>)| {
            let found = hub.passive(at(millis));
            let of = |window: Window| (window.total(), window.error_rate());
            assert_eq!((of(found.short), of(found.long)), (short, long), "at {millis}");
        };
        check(900, (10, share(300)), (10, share(300)));
        check(9_999, (10, share(300)), (10, share(300)));
        check(10_000, (0, None), (10, share(300)));
        check(59_999, (0, None), (10, share(300)));
        check(60_000, (0, None), (0, None));
        check(86_400_000, (0, None), (0, None));
    }

    #[test]
    fn another_chance_begins_with_clean_windows() {
        let hub = Recorder::default();
        hub.record(Outcome::Timeout, MS, None, at(500));
        hub.forget_failures(at(600));
        assert_eq!(hub.passive(at(600)).long, Window::default());
        hub.record(Outcome::Reset, MS, None, at(1_000));
        let found = hub.passive(at(1_000));
        assert_eq!((found.long.total(), found.long.worst()), (1, Some(Outcome::Reset)));
        assert_eq!(found.consecutive_failures, 1);
    }

    #[test]
    fn refusals_are_shares_of_attempts_and_no_part_of_connect_time() {
        let hub = Recorder::default();
        let connect = Some(20 * MS);
        (0..96).for_each(|_| _ = hub.record(Outcome::Ok, MS, None, at(0)));
        (0..3).for_each(|_| _ = hub.record(Outcome::Ok, MS, connect, at(0)));
        hub.record(Outcome::ConnectError, Duration::ZERO, Some(1000 * MS), at(0));
        let short = hub.passive(at(0)).short;
        assert_eq!((short.connects, short.refused_share(), short.error_rate()), (4, share(250), share(10)));
        let latency = hub.latency(at(0));
        assert_eq!((latency.answer.count, latency.connect.count), (99, 3));
        assert!(latency.connect.p90 < 23 * MS, "{latency:?}");
    }

    #[test]
    fn latency_is_held_against_the_hubs_own_past() {
        let hub = Recorder::default();
        // Five minutes at 5 ms, then five seconds at 2 s; failures that are quick do not make it fast.
        (0..3_000).for_each(|n| _ = hub.record(Outcome::Ok, 5 * MS, None, at(n * 100)));
        for n in 0..50 {
            hub.record(Outcome::Ok, 2_000 * MS, None, at(311_000 + n * 100));
            hub.record(Outcome::Http5xx, MS, None, at(311_000 + n * 100));
        }
        let found = hub.latency(at(316_000));
        assert_eq!((found.answer.count, found.answer_past.count), (50, 3_000));
        assert!(found.answer.p50 > 1_750 * MS && found.answer_past.p90 < 6 * MS, "{found:?}");
        let later = hub.latency(at(316_000 + 600_000));
        assert_eq!(later, Latency::default());
    }

    #[test]
    fn threads_lose_no_outcome() {
        let hub = Recorder::default();
        std::thread::scope(|scope| {
            for outcome in Outcome::ALL {
                let hub = &hub;
                scope.spawn(move || {
                    (0..9_000).for_each(|n| _ = hub.record(outcome, MS, Some(MS), at(10_000 + n)));
                });
            }
        });
        let found = hub.passive(at(19_000)).short;
        assert_eq!(Outcome::ALL.map(|outcome| found.count(outcome)), [9_000; 7]);
        assert_eq!(found.connects, 63_000);
        assert_eq!(hub.latency(at(19_000)).answer.count, 18_000);
    }

    #[test]
    fn a_streak_counts_every_thread() {
        let hub = Recorder::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| _ = hub.record(Outcome::Reset, MS, None, at(7))));
            }
        });
        assert_eq!(hub.passive(at(7)).consecutive_failures, 20_000);
        (0..20_000).for_each(|_| _ = hub.record(Outcome::Http5xx, MS, None, at(7)));
        let found = hub.passive(at(7));
        assert_eq!((found.consecutive_failures, found.unanswered), (32_767, 511), "full, and not wrapped");
    }

    #[test]
    fn an_error_is_an_answer_and_a_failure() {
        let hub = Recorder::default();
        let check = |outcome, millis, expected| {
            hub.record(outcome, MS, None, at(millis));
            let found = hub.passive(at(millis));
            assert_eq!((found.consecutive_failures, found.unanswered), expected, "{outcome} at {millis}");
        };
        check(Outcome::Http5xx, 1, (1, 0));
        check(Outcome::Reset, 2, (2, 1));
        check(Outcome::RpcTransportError, 3, (3, 1));
        check(Outcome::Timeout, 4, (4, 2));
        check(Outcome::Ok, 5, (0, 0));
        check(Outcome::ConnectError, 6, (1, 1));
    }

    #[test]
    fn it_stays_small() {
        assert!(size_of::<Recorder>() <= 8 * 1024, "{}", size_of::<Recorder>());
    }

    fn outcomes() -> impl Strategy<Value = Vec<(usize, u64)>> {
        proptest::collection::vec((0..Outcome::ALL.len(), 0u64..5), 0..40)
    }

    proptest! {
        #[test]
        fn the_order_of_one_instant_does_not_matter(
            earlier in outcomes(), ended in outcomes(), turn in 0usize..40, now in 0u64..70_000,
        ) {
            let record = |ended: &[(usize, u64)]| {
                let hub = Recorder::default();
                earlier.iter().for_each(|&(o, ms)| _ = hub.record(Outcome::ALL[o], MS, None, at(ms)));
                ended.iter().for_each(|&(o, ms)| {
                    _ = hub.record(Outcome::ALL[o], Duration::from_millis(ms), Some(MS), at(10));
                });
                (hub.passive(at(now)), hub.latency(at(now)))
            };
            let mut other = ended.clone();
            other.rotate_left(turn % ended.len().max(1));
            other.reverse();
            prop_assert_eq!(record(&ended), record(&other));
        }

        #[test]
        fn a_window_holds_what_ended_in_it(ended in proptest::collection::vec((0..7usize, 0u64..90_000), 0..60)) {
            // Time goes forward, as it does for those who record.
            let mut ended = ended;
            ended.sort_by_key(|&(_, ms)| ms);
            let hub = Recorder::default();
            ended.iter().for_each(|&(o, ms)| _ = hub.record(Outcome::ALL[o], MS, None, at(ms)));
            let now = ended.last().map_or(0, |&(_, ms)| ms);
            let within = |s: u64| ended.iter().filter(|&&(_, ms)| ms / 1_000 + s > now / 1_000).count() as u32;
            let found = hub.passive(at(now));
            prop_assert_eq!((found.short.total(), found.long.total()), (within(10), within(60)));
            let row = ended.iter().rev().take_while(|&&(o, _)| Outcome::ALL[o].is_failure()).count() as u32;
            prop_assert!(found.consecutive_failures <= row);
        }
    }
}

//! What is known about one hub now? Plain numbers, taken at one instant, for whoever judges.

use std::time::Duration;

use mcphub_routing::{EraSet, MonoTime, Share};

use crate::{Exported, Outcome, ProbeLedger, Recorder};

/// What is known about one hub at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// When it was gathered.
    pub at: MonoTime,
    /// What came of real requests.
    pub passive: Passive,
    /// What came of probes.
    pub probes: Probes,
    /// How long it takes.
    pub latency: Latency,
    /// How much it has to do.
    pub load: Load,
    /// Which life of the hub this is.
    pub boot: Boot,
    /// The eras it answered to, by its last probe that told; `None` before the first.
    pub eras: Option<EraSet>,
}

/// What came of real requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passive {
    /// Failures since anything was last answered. Failures in the very millisecond of an answer do not count.
    pub consecutive_failures: u32,
    /// How many of those got no answer at all, not even an error.
    pub unanswered: u32,
    /// When a request was last answered, to the millisecond.
    pub last_answer: Option<MonoTime>,
    /// When a request last failed, to the millisecond.
    pub last_failure: Option<MonoTime>,
    /// The last 10 s.
    pub short: Window,
    /// The last 60 s.
    pub long: Window,
}

/// How many requests came to what in a stretch of time. The stretch ends now and begins at a whole second, so it may be
/// up to one second shorter than its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    pub(crate) counts: [u32; Outcome::ALL.len()],
    /// New connections made or attempted. The other requests went over connections that were open already.
    pub connects: u32,
}

impl Window {
    /// A window in which such requests ended, each having opened a connection if it could not: for simulations and
    /// tests.
    pub fn of(counts: &[(Outcome, u32)]) -> Self {
        let mut window = Self::default();
        for &(outcome, count) in counts {
            window.counts[outcome.slot()] += count;
        }
        window.connects = window.count(Outcome::ConnectError);
        window
    }

    /// How many came to this.
    pub fn count(&self, outcome: Outcome) -> u32 {
        self.counts[outcome.slot()]
    }

    /// How many ended.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// How many came to nothing: all but [`Outcome::Ok`] and [`Outcome::Slow`].
    pub fn failures(&self) -> u32 {
        Outcome::ALL.into_iter().filter(|o| o.is_failure()).map(|o| self.count(o)).sum()
    }

    /// What part came to nothing; `None` when nothing ended. Ask [`Window::total`] how much that is worth.
    pub fn error_rate(&self) -> Option<Share> {
        share(self.failures(), self.total())
    }

    /// What part of the connection attempts was refused or came to nothing; `None` without an attempt.
    pub fn refused_share(&self) -> Option<Share> {
        share(self.count(Outcome::ConnectError), self.connects)
    }

    /// What most of those came to that got no answer at all; of equals, the first in [`Outcome::ALL`].
    pub fn worst_silence(&self) -> Option<Outcome> {
        let silent = Outcome::ALL.into_iter().filter(|&o| !o.is_answer() && self.count(o) > 0);
        silent.reduce(|most, o| if self.count(o) > self.count(most) { o } else { most })
    }

    /// What most failures came to; of equals, the first in [`Outcome::ALL`]. `None` without a failure.
    pub fn worst(&self) -> Option<Outcome> {
        let failures = Outcome::ALL.into_iter().filter(|&o| o.is_failure() && self.count(o) > 0);
        failures.reduce(|most, o| if self.count(o) > self.count(most) { o } else { most })
    }
}

/// A part of a whole; more than the whole counts as the whole.
fn share(part: u32, whole: u32) -> Option<Share> {
    let per_mille = (u64::from(part) * 1000).checked_div(u64::from(whole))?;
    Some(Share::saturating(u16::try_from(per_mille).unwrap_or(u16::MAX)))
}

/// What came of probes. They are put in the order in which they were sent, not in which they ended, so that a time-out
/// from before a recovery does not speak against it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probes {
    /// Probes that passed in a row, up to the last one that ended. Zero when that one failed.
    pub passes: u32,
    /// Probes that failed in a row, up to the last one that ended. Zero when that one passed.
    pub fails: u32,
    /// How many of `fails`, up to the last one, got no answer at all, not even an error.
    pub unanswered: u32,
    /// When the first of those in a row that speak against it, ended or stalled, was sent.
    pub against_since: Option<MonoTime>,
    /// Probes still without an answer, sent after the last that passed, and silent for longer than a healthy hub is.
    pub stalled: u32,
    /// When the first of the stalled ones was sent.
    pub stalled_since: Option<MonoTime>,
    /// What the last one that ended came to.
    pub last: Option<Outcome>,
    /// When a passing probe last ended.
    pub last_pass: Option<MonoTime>,
    /// When the last probe that ended did so, passing or not.
    pub last_end: Option<MonoTime>,
    /// How long a passing probe takes, lately; `None` before the first.
    pub latency: Option<Duration>,
    /// All that ended since the hub was first probed: the difference of two sums tells of the time between.
    pub sum: ProbeSum,
}

/// What came of all probes so far, those that do not count against the hub left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeSum {
    /// How many ended.
    pub ended: u64,
    /// How many of those failed.
    pub failed: u64,
    /// How long all of them took together, each to its answer or its end.
    pub took: Duration,
}

impl Probes {
    /// How many probes in a row speak against the hub, ended or stalled: what the threshold `fall` is held against.
    pub fn against(&self) -> u32 {
        self.fails.saturating_add(self.stalled)
    }
}

/// How long it takes, now and otherwise. Only answered requests count ([`Outcome::Ok`], [`Outcome::Slow`]): a hub that
/// fails quickly is not fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// From the request on an open connection to its answer, over the last 10 s.
    pub answer: Quantiles,
    /// The same over the last 10 min, without what `answer` holds: the hub's own past.
    pub answer_past: Quantiles,
    /// To open a connection, over the last 60 s.
    pub connect: Quantiles,
    /// The same over the last 10 min, without what `connect` holds.
    pub connect_past: Quantiles,
}

/// Where the middle and the slow ends of some durations lie, each to within an eighth of its value, clamped to between
/// 64 µs and 68 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quantiles {
    /// How many durations. Zero: the others mean nothing.
    pub count: u32,
    /// Half were shorter.
    pub p50: Duration,
    /// Nine of ten were shorter.
    pub p90: Duration,
    /// Nineteen of twenty were shorter.
    pub p95: Duration,
}

/// How much a hub has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests that this gateway waits for now.
    pub in_flight: u32,
    /// What the hub says of itself, if it does; look at its age.
    pub exported: Option<Exported>,
}

/// Which life of a hub this is. A session that is unknown to a hub of the same boot has expired there; after a
/// restart, all are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Boot {
    /// The id last seen; `None` for a hub that tells none.
    pub id: Option<BootId>,
    /// When an id that was new replaced a known one: the hub was restarted shortly before.
    pub restarted_at: Option<MonoTime>,
    /// How many times that happened.
    pub restarts: u32,
}

/// What tells one life of a hub process from the next: a digest of whatever the hub says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootId(u64);

impl BootId {
    /// The id of what a hub calls this life of itself: a random text, or its start time. Same text, same id (FNV-1a,
    /// 64 bits; nobody gains by a collision but the hub that makes it).
    pub fn of(text: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        Self(text.bytes().fold(0xCBF2_9CE4_8422_2325, step))
    }
}

impl Evidence {
    /// What is known about a hub nobody has heard from.
    pub fn none(at: MonoTime) -> Self {
        Self {
            at,
            passive: Passive::default(),
            probes: Probes::default(),
            latency: Latency::default(),
            load: Load::default(),
            boot: Boot::default(),
            eras: None,
        }
    }

    /// Does anything of it speak against the hub? Then it is worth gathering again before anything is done about it:
    /// a success is no news to wait for, and would be missed.
    pub fn speaks_against(&self) -> bool {
        self.probes.against() > 0 || self.passive.consecutive_failures > 0
    }

    /// All that is known about a hub at this instant.
    pub fn gather(recorder: &Recorder, ledger: &ProbeLedger, in_flight: u32, now: MonoTime) -> Self {
        Self {
            at: now,
            passive: recorder.passive(now),
            probes: ledger.probes(now),
            latency: recorder.latency(now),
            load: Load { in_flight, exported: ledger.exported() },
            boot: ledger.boot(),
            eras: ledger.eras(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProbeSettings, Schedule};
    use mcphub_routing::HubId;

    #[test]
    fn a_window_speaks_in_shares() {
        let check = |counts: &[(Outcome, u32)], rate: Option<u16>, worst: Option<Outcome>| {
            let window = Window::of(counts);
            assert_eq!(
                (window.error_rate().map(Share::per_mille), window.worst()),
                (rate, worst),
                "{counts:?}"
            );
        };
        check(&[], None, None);
        check(&[(Outcome::Ok, 5)], Some(0), None);
        check(&[(Outcome::Slow, 5)], Some(0), None);
        check(&[(Outcome::Ok, 9), (Outcome::Reset, 1)], Some(100), Some(Outcome::Reset));
        check(&[(Outcome::Timeout, 2), (Outcome::Http5xx, 2)], Some(1000), Some(Outcome::Timeout));
        check(&[(Outcome::Timeout, 2), (Outcome::Http5xx, 3)], Some(1000), Some(Outcome::Http5xx));
        let mixed = Window::of(&[(Outcome::Timeout, 2), (Outcome::Http5xx, 3)]);
        assert_eq!(mixed.worst_silence(), Some(Outcome::Timeout));
        assert_eq!(Window::of(&[(Outcome::Http5xx, 3)]).worst_silence(), None);
        let refused = Window { connects: 4, ..Window::of(&[(Outcome::ConnectError, 3), (Outcome::Ok, 97)]) };
        assert_eq!(refused.refused_share(), Share::from_per_mille(750));
        assert_eq!(Window::of(&[(Outcome::Ok, 97)]).refused_share(), None);
        // Counts that are read while others are made may not fit each other.
        let torn = Window { connects: 1, ..refused };
        assert_eq!(torn.refused_share(), Some(Share::FULL));
    }

    #[test]
    fn nothing_is_known_about_a_new_hub() {
        let now = MonoTime::from_millis(5);
        let ledger = ProbeLedger::new(ProbeSettings::default());
        assert_eq!(Evidence::gather(&Recorder::default(), &ledger, 0, now), Evidence::none(now));
    }

    #[test]
    fn evidence_is_what_was_recorded_and_probed() {
        let (hub, now) = (HubId::new("a").unwrap(), MonoTime::from_millis(2_000));
        let mut schedule = Schedule::new(1);
        schedule.add(hub.clone(), ProbeSettings::default(), MonoTime::ZERO);
        let order = schedule.due(MonoTime::ZERO).remove(0);
        let report = crate::ProbeReport {
            id: order.id,
            outcome: Outcome::Ok,
            latency: Duration::from_millis(4),
            eras: Some(EraSet::MODERN),
            boot: Some(BootId::of("one")),
        };
        schedule.ended(&hub, &report);
        let recorder = Recorder::default();
        recorder.record(Outcome::Timeout, Duration::from_secs(1), None, now);
        let found = Evidence::gather(&recorder, schedule.ledger(&hub).unwrap(), 7, now);
        assert_eq!((found.at, found.load.in_flight, found.eras), (now, 7, Some(EraSet::MODERN)));
        assert_eq!((found.passive.consecutive_failures, found.passive.short.total()), (1, 1));
        assert_eq!((found.probes.passes, found.probes.last_pass), (1, Some(MonoTime::from_millis(4))));
        assert_eq!((found.boot.id, found.latency.answer.count), (Some(BootId::of("one")), 0));
        assert!(found.speaks_against());
        recorder.record(Outcome::Ok, Duration::ZERO, None, MonoTime::from_millis(2_001));
        let later = MonoTime::from_millis(2_001);
        assert!(!Evidence::gather(&recorder, schedule.ledger(&hub).unwrap(), 0, later).speaks_against());
    }
}

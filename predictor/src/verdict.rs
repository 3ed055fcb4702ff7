//! Is a hub well, going by its evidence and that of its peers?
//!
//! What is found here depends on evidence, policy and time alone, never on the state that the hub is in: so deciding
//! twice finds the same.

use mcphub_health::{Evidence, Outcome, Window};
use mcphub_routing::{MonoTime, Share};

use crate::policy::{LatencyPolicy, OverloadPolicy};
use crate::{Policy, Reason};

/// What is to be thought of one hub.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// Is there anything known about it, and new enough?
    pub(crate) known: bool,
    /// Why it should leave, if it should.
    pub(crate) ill: Option<Ill>,
    /// How many probes passed in a row, if it may return.
    pub(crate) well: Option<u32>,
    /// The same, going by probes alone: its requests may have failed lately.
    pub(crate) there: Option<u32>,
    /// Do its requests say something of the kind that a forecast would, too little to act on alone?
    pub(crate) confirms: bool,
    /// How slow or overloaded it is, by its worst line crossed and the line it must be behind to be better.
    pub(crate) strain: Strain,
    /// Its health score.
    pub(crate) health: Share,
}

/// Why a hub should leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ill {
    /// Does it answer nothing at all?
    pub(crate) gone: bool,
    pub(crate) reason: Reason,
}

/// Slowness and overload, as levels of the latency policy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Strain {
    /// The highest level whose line is crossed.
    pub(crate) worse: u8,
    /// The highest level that it is not safely behind; never below `worse`.
    pub(crate) better: u8,
    /// Is that measured, or does nothing tell?
    pub(crate) measured: bool,
    pub(crate) reason: Option<Reason>,
}

/// What the fleet has in common: error rates and slowness of all hubs that have enough requests, sorted.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    rates: Vec<u32>,
    times: Vec<u32>,
}

impl Peers {
    pub(crate) fn of<'e>(
        evidence: impl Iterator<Item = &'e Evidence>,
        policy: &Policy,
        now: MonoTime,
    ) -> Self {
        let mut peers = Self::default();
        for evidence in evidence.filter(|e| now.since(e.at) <= policy.probes_stale) {
            peers.rates.extend(rate(&evidence.passive.short, policy));
            peers.times.extend(times(evidence, &policy.latency));
        }
        peers.rates.sort_unstable();
        peers.times.sort_unstable();
        peers
    }
}

/// The middle of what the others have, the lower one of two.
fn median_besides(sorted: &[u32], own: Option<u32>) -> Option<u32> {
    let at = own.and_then(|own| sorted.binary_search(&own).ok());
    let others = sorted.len() - usize::from(at.is_some());
    let middle = others.checked_sub(1)? / 2;
    let skip = at.is_some_and(|at| middle >= at);
    sorted.get(middle + usize::from(skip)).copied()
}

/// The error rate in ‰ of a window that holds enough.
fn rate(window: &Window, policy: &Policy) -> Option<u32> {
    (window.total() >= policy.errors.sample_min)
        .then(|| window.error_rate())
        .flatten()
        .map(|rate| u32::from(rate.per_mille()))
}

/// How many times slower than in its past a hub is, in ‰; `None` when there is too little to tell.
fn times(evidence: &Evidence, policy: &LatencyPolicy) -> Option<u32> {
    let (lately, past) = (evidence.latency.answer, evidence.latency.answer_past);
    if lately.count < policy.sample_min || past.count < policy.sample_min {
        return None;
    }
    if lately.p50 < past.p50 + policy.extra_min {
        return Some(1000);
    }
    let times = lately.p50.as_micros().saturating_mul(1000).checked_div(past.p50.as_micros());
    Some(times.and_then(|times| u32::try_from(times).ok()).unwrap_or(u32::MAX))
}

/// Does a hub answer nothing at all: neither probes nor requests? Both the decision and its guard rails ask this.
pub(crate) fn gone(evidence: &Evidence, policy: &Policy, now: MonoTime) -> Option<Reason> {
    if now.since(evidence.at) > policy.probes_stale {
        return None;
    }
    let (passive, probes) = (&evidence.passive, Against::of(evidence, policy, now));
    if probes.silent >= silence_needed(evidence, policy, now) && !contradicted(evidence, policy, now) {
        return Some(Reason::ProbesFailed { count: probes.count() });
    }
    let reached = evidence.probes.last_pass.is_some_and(|passed| Some(passed) >= passive.last_failure);
    unanswered(evidence, policy, now).filter(|_| !reached)
}

/// Probes in a row that speak against the hub, unless they are from long ago.
struct Against {
    /// Up to the last one: those without an answer.
    silent: u32,
    /// Before them: those that failed in any way.
    earlier: u32,
}

impl Against {
    fn of(evidence: &Evidence, policy: &Policy, now: MonoTime) -> Self {
        let fresh = |at: Option<MonoTime>| at.is_some_and(|at| now.since(at) <= policy.probes_stale);
        let probes = &evidence.probes;
        let (fails, unanswered) =
            if fresh(probes.last_end) { (probes.fails, probes.unanswered) } else { (0, 0) };
        let stalled = if fresh(probes.stalled_since) { probes.stalled } else { 0 };
        Self { silent: unanswered.saturating_add(stalled), earlier: fails.saturating_sub(unanswered) }
    }

    fn count(&self) -> u32 {
        self.silent.saturating_add(self.earlier)
    }
}

/// Do requests say otherwise than probes that get no answer? One was answered since the first of those was sent, and not
/// long ago. Packets that are lost look like this.
fn contradicted(evidence: &Evidence, policy: &Policy, now: MonoTime) -> bool {
    let since = evidence.probes.against_since;
    evidence
        .passive
        .last_answer
        .is_some_and(|answered| Some(answered) >= since && now.since(answered) < policy.silence)
}

/// How many probes without an answer are enough? One more than otherwise for a hub that answered a request lately and
/// refuses nothing: with one packet in a hundred lost each way, three in a row are silent once in three days at each hub,
/// and four once in months.
fn silence_needed(evidence: &Evidence, policy: &Policy, now: MonoTime) -> u32 {
    let (passive, probes) = (&evidence.passive, &evidence.probes);
    let refuses = probes.fails > 0 && probes.last != Some(Outcome::Timeout);
    let answered = passive.last_answer.is_some_and(|at| now.since(at) <= policy.requests_stale);
    let more = !refuses && answered && passive.last_failure <= passive.last_answer;
    policy.fall.max(1).saturating_add(u32::from(more))
}

/// Too many requests without any answer since one was answered well, if that was lately.
fn unanswered(evidence: &Evidence, policy: &Policy, now: MonoTime) -> Option<Reason> {
    let passive = &evidence.passive;
    let count = failed_in_row(evidence, policy, now).min(passive.unanswered);
    // The windows of a hub that has just returned may not have begun yet.
    let outcome = passive.short.worst_silence().unwrap_or(Outcome::Timeout);
    (count >= policy.fall.max(1)).then_some(Reason::RequestsFailed { outcome, count })
}

/// Requests in a row that came to nothing, unless that is long ago.
fn failed_in_row(evidence: &Evidence, policy: &Policy, now: MonoTime) -> u32 {
    let fresh = evidence.passive.last_failure.is_some_and(|at| now.since(at) <= policy.requests_stale);
    if fresh { evidence.passive.consecutive_failures } else { 0 }
}

impl Verdict {
    pub(crate) fn unknown() -> Self {
        Self {
            known: false,
            ill: None,
            well: None,
            there: None,
            confirms: false,
            strain: Strain::default(),
            health: Share::FULL,
        }
    }

    pub(crate) fn of(evidence: &Evidence, peers: &Peers, policy: &Policy, now: MonoTime) -> Self {
        if now.since(evidence.at) > policy.probes_stale {
            return Self::unknown();
        }
        let seen = Seen { evidence, peers, policy, now };
        let gone = gone(evidence, policy, now).map(|reason| Ill { gone: true, reason });
        let ill = gone.or_else(|| seen.sick().map(|reason| Ill { gone: false, reason }));
        let passes = evidence.probes.passes;
        let fresh = evidence.probes.last_pass.is_some_and(|at| now.since(at) <= policy.probes_stale);
        let there = fresh && passes >= policy.rise.max(1) && ill.is_none_or(|ill| !ill.gone);
        let there = there.then_some(passes);
        let well = there.filter(|_| ill.is_none() && seen.clear());
        let strain = seen.strain();
        let confirms = strain.worse > 0 || seen.failing(policy.errors.rate_in).is_some();
        Self { known: true, ill, well, there, confirms, strain, health: seen.health() }
    }
}

/// One hub's evidence beside everything it is judged by.
struct Seen<'a> {
    evidence: &'a Evidence,
    peers: &'a Peers,
    policy: &'a Policy,
    now: MonoTime,
}

impl Seen<'_> {
    /// Why it should leave although it answers something.
    fn sick(&self) -> Option<Reason> {
        let (fall, probes) = (self.policy.fall.max(1), Against::of(self.evidence, self.policy, self.now));
        let needed = silence_needed(self.evidence, self.policy, self.now);
        // An error is the hub's own word about itself; silence is only believed where requests do not say otherwise.
        let contradicted = contradicted(self.evidence, self.policy, self.now);
        if probes.earlier >= fall || (probes.count() >= needed && !contradicted) {
            return Some(Reason::ProbesFailed { count: probes.count() });
        }
        if let Some(reason) = unanswered(self.evidence, self.policy, self.now) {
            return Some(reason);
        }
        let count = failed_in_row(self.evidence, self.policy, self.now);
        if count >= self.policy.errors_in_row.max(1) {
            let outcome = self.evidence.passive.short.worst().unwrap_or(Outcome::Http5xx);
            return Some(Reason::RequestsFailed { outcome, count });
        }
        self.failing(self.policy.errors.rate_out).or_else(|| self.too_slow(Share::FULL))
    }

    /// Is it behind every line that leads back into service?
    fn clear(&self) -> bool {
        Against::of(self.evidence, self.policy, self.now).count() == 0
            && self.failing(self.policy.errors.rate_in.min(self.policy.errors.rate_out)).is_none()
            && self.too_slow(self.policy.latency.hysteresis).is_none()
    }

    /// Do more of its requests come to nothing than this share, and than its peers'?
    fn failing(&self, line: Share) -> Option<Reason> {
        let (short, long) = (&self.evidence.passive.short, &self.evidence.passive.long);
        let common = median_besides(&self.peers.rates, rate(short, self.policy));
        let line = u32::from(line.per_mille()).max(common.unwrap_or(0).saturating_mul(2)).max(1);
        // Where there is little traffic the long window speaks, as long as failures go on: not for a hub that was
        // taken out half a minute ago.
        let window = if rate(short, self.policy).is_some() { short } else { long };
        let stale = self
            .evidence
            .passive
            .last_failure
            .is_none_or(|at| self.now.since(at) > self.policy.requests_stale);
        let enough = window.failures() >= self.policy.errors.errors_min.max(1);
        if stale || !enough || rate(window, self.policy).is_none_or(|rate| rate < line) {
            return None;
        }
        let peers = common.and_then(|rate| u16::try_from(rate).ok()).map(Share::saturating);
        Some(Reason::ErrorRate { rate: window.error_rate()?, peers, sample: window.total() })
    }

    /// How many times slower it is, beyond what its peers share, in ‰.
    fn slower(&self) -> Option<u32> {
        let own = times(self.evidence, &self.policy.latency)?;
        let common = median_besides(&self.peers.times, Some(own)).unwrap_or(1000).max(1000);
        let times = u64::from(own) * 1000 / u64::from(common);
        Some(u32::try_from(times).unwrap_or(u32::MAX))
    }

    /// Is it so slow that it should leave, the lines being moved to this part of themselves?
    fn too_slow(&self, part: Share) -> Option<Reason> {
        let policy = &self.policy.latency;
        let times = self.slower()?;
        let late = self.evidence.latency.answer.p50 >= policy.eject_min * u32::from(part.per_mille()) / 1000;
        (late && times >= moved(policy.eject_times, part)).then_some(Reason::Slow { times })
    }

    fn strain(&self) -> Strain {
        let policy = &self.policy.latency;
        let slower = self.slower();
        let crossed = |part: Share| {
            let over = |&(line, _): &(u32, Share)| slower.is_some_and(|times| times >= moved(line, part));
            policy.levels.iter().rposition(over).map_or(0, |at| at as u8 + 1)
        };
        let (worse, better) = (crossed(Share::FULL), crossed(policy.hysteresis));
        let busy = &self.policy.overload;
        let overloaded = u8::from(self.overloaded(busy.cpu_out, busy.refused_out, busy));
        let strained = u8::from(self.overloaded(busy.cpu_in, busy.refused_in, busy));
        let slow = slower.filter(|_| worse > 0).map(|times| Reason::Slow { times });
        Strain {
            worse: worse.max(overloaded),
            better: better.max(strained).max(worse).max(overloaded),
            measured: slower.is_some() || strained > 0,
            reason: slow.or((overloaded > 0).then_some(Reason::Overload)),
        }
    }

    fn overloaded(&self, cpu: Share, refused: Share, policy: &OverloadPolicy) -> bool {
        let exported =
            self.evidence.load.exported.filter(|e| self.now.since(e.at) <= self.policy.probes_stale);
        let busy = exported.and_then(|exported| exported.cpu).is_some_and(|busy| busy > cpu);
        let window = &self.evidence.passive.short;
        let enough = window.connects >= policy.connects_min;
        busy || enough && window.refused_share().is_some_and(|share| share > refused)
    }

    /// 1000 ‰ less the share of failures, and divided by its slowness.
    fn health(&self) -> Share {
        let rate = rate(&self.evidence.passive.long, self.policy).unwrap_or(0).min(1000);
        let slower = self.slower().unwrap_or(1000).max(1000);
        let score = u64::from(1000 - rate) * 1000 / u64::from(slower);
        Share::saturating(u16::try_from(score).unwrap_or(1000))
    }
}

/// A line, moved to this part of itself.
fn moved(line: u32, part: Share) -> u32 {
    let moved = u64::from(line) * u64::from(part.per_mille()) / 1000;
    u32::try_from(moved).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_median_of_the_others_leaves_oneself_out() {
        let check = |sorted: &[u32], own: Option<u32>, expected: Option<u32>| {
            assert_eq!(median_besides(sorted, own), expected, "{sorted:?} {own:?}");
        };
        check(&[], None, None);
        check(&[100], Some(100), None);
        check(&[0, 100], Some(100), Some(0));
        check(&[0, 100], Some(0), Some(100));
        check(&[0, 10, 100], Some(100), Some(0));
        check(&[0, 10, 100], Some(0), Some(10));
        check(&[0, 10, 100], None, Some(10));
        check(&[7, 7, 7], Some(7), Some(7));
    }

    fn now() -> MonoTime {
        MonoTime::from_millis(100_000)
    }

    fn verdict(change: impl FnOnce(&mut Evidence)) -> Verdict {
        let mut evidence = Evidence::none(now());
        change(&mut evidence);
        let (policy, now) = (Policy::default(), now());
        let peers = Peers::of([&evidence].into_iter(), &policy, now);
        Verdict::of(&evidence, &peers, &policy, now)
    }

    fn ago(millis: u64) -> Option<MonoTime> {
        Some(now().before(Duration::from_millis(millis)))
    }

    #[test]
    fn a_hub_that_answers_nothing_is_gone() {
        let refused = |fails| {
            verdict(|e| {
                (e.probes.fails, e.probes.unanswered) = (fails, fails);
                e.probes.last = Some(Outcome::ConnectError);
                (e.probes.against_since, e.probes.last_end) = (ago(400), ago(10));
                e.passive.last_answer = ago(500);
            })
        };
        assert!(refused(2).ill.is_none());
        assert!(refused(3).ill.is_some_and(|ill| ill.gone));
        let stalled = |count, answered| {
            verdict(|e| {
                (e.probes.stalled, e.probes.stalled_since) = (count, ago(700));
                (e.probes.against_since, e.passive.last_answer) = (ago(700), answered);
            })
        };
        assert!(stalled(3, None).ill.is_some_and(|ill| ill.gone));
        assert!(stalled(3, ago(900)).ill.is_none(), "one more for a hub that lately answered");
        assert!(stalled(4, ago(900)).ill.is_some_and(|ill| ill.gone));
        let requests = verdict(|e| {
            (e.passive.consecutive_failures, e.passive.unanswered) = (3, 3);
            e.passive.last_failure = ago(5);
            e.passive.short = Window::of(&[(Outcome::Reset, 3)]);
        });
        assert!(requests.ill.is_some_and(|ill| ill.gone));
        let refused_since = |answered| {
            verdict(|e| {
                (e.probes.fails, e.probes.unanswered, e.probes.stalled) = (2, 2, 1);
                (e.probes.against_since, e.probes.last_end, e.probes.stalled_since) =
                    (ago(2_000), ago(10), ago(300));
                e.probes.last = Some(Outcome::ConnectError);
                e.passive.last_answer = ago(answered);
            })
        };
        assert!(refused_since(2_001).ill.is_some_and(|ill| ill.gone));
        assert!(refused_since(1_000).ill.is_some_and(|ill| ill.gone), "answered once, and long silent");
        assert!(refused_since(999).ill.is_none(), "a request was answered since the first of them was sent");
    }

    #[test]
    fn a_hub_that_answers_something_is_sick_at_most() {
        let probes = |unanswered| {
            verdict(|e| {
                (e.probes.fails, e.probes.unanswered, e.probes.last_end) = (4, unanswered, ago(100));
                e.probes.against_since = ago(3_000);
                e.passive.last_answer = ago(1);
            })
        };
        assert!(probes(4).ill.is_none(), "requests are answered");
        assert!(probes(2).ill.is_none());
        assert!(probes(1).ill.is_some_and(|ill| !ill.gone), "it says itself that it is not well");
        let mixed = |unanswered| {
            verdict(|e| {
                (e.passive.consecutive_failures, e.passive.unanswered) = (4, unanswered);
                e.passive.last_failure = ago(1);
                // What failed before its last success tells nothing of the row.
                e.passive.short = Window::of(&[(Outcome::Http5xx, 20), (Outcome::ConnectError, 29)]);
            })
        };
        assert!(mixed(2).ill.is_none());
        assert!(mixed(3).ill.is_some_and(|ill| ill.gone));
        let errors = |count| {
            verdict(|e| {
                (e.passive.consecutive_failures, e.passive.last_failure) = (count, ago(1));
                e.passive.short = Window::of(&[(Outcome::Http5xx, count)]);
            })
        };
        assert!(errors(4).ill.is_none());
        assert!(errors(5).ill.is_some_and(|ill| !ill.gone));
        let old = verdict(|e| {
            (e.probes.fails, e.probes.last, e.probes.last_end) = (9, Some(Outcome::Timeout), ago(60_000));
        });
        assert!(old.ill.is_none() && old.well.is_none(), "what is long past says nothing");
    }

    #[test]
    fn a_rate_needs_a_sample_and_a_line() {
        let rate = |ok, bad| {
            verdict(|e| {
                e.passive.last_failure = ago(1);
                e.passive.short = Window::of(&[(Outcome::Ok, ok), (Outcome::Http5xx, bad)]);
            })
            .ill
        };
        assert!(rate(44, 5).is_none(), "too few requests");
        assert!(rate(96, 4).is_none(), "too few errors");
        assert!(rate(45, 5).is_some());
        assert!(rate(952, 48).is_none(), "below the line");
        assert!(rate(950, 50).is_some());
    }
}

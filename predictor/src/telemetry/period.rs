//! How does one period become one sample?
//!
//! The control loop looks at a hub every second; requests are counted by the second, all of them; probes are summed. From
//! that, for one [`super::PERIOD`]:
//!
//! | signal | is |
//! |---|---|
//! | probe time | the mean of all probes that ended, failing ones up to their end |
//! | failed probes | what part of those failed |
//! | p50, p95 | of answered requests; the mean over the looks whose ten seconds lie within the period, each counting for its requests |
//! | errors, time-outs | what part of the requests that ended came to nothing; what part to a time-out, which is one way of that |
//! | in flight | the mean over the looks |
//! | rate | requests that ended, a second |
//! | CPU, memory, queue | what the hub last said, unless that is older than half a minute |
//! | connect time | the median of those opened within the last minute |
//! | refused | what part of the attempts to connect came to nothing |
//!
//! What nothing tells of (no request, no probe, no attempt, no word) is unknown, not zero.

use std::time::Duration;

use mcphub_health::{Evidence, Exported, Outcome, ProbeSum, Quantiles, Window};
use mcphub_routing::{MonoTime, Share};

use super::{Sample, Signal};

/// What a hub says of itself counts for so long: two scrapes at the usual interval of 15 s.
const EXPORTED_FRESH: Duration = Duration::from_secs(30);
/// How far back the quantiles of a look reach.
const QUANTILES_SPAN: Duration = Duration::from_secs(10);

/// What the looks of one period have seen of a hub so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Period {
    /// How many times it was looked at.
    pub(super) looks: u32,
    /// At how many of them a judgement was possible, and at how many of those it failed.
    pub(super) judged: u32,
    pub(super) failing: u32,
    /// At how many it seemed to fail together with most.
    pub(super) common: u32,
    in_flight: u64,
    p50: Mean,
    p95: Mean,
    connect: Option<Duration>,
    exported: Option<Exported>,
    /// The sums of probes at the end of the period before, and now.
    probes: [ProbeSum; 2],
}

/// A mean of durations that count for something.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    weight: f64,
    sum: f64,
}

impl Mean {
    fn add(&mut self, duration: Duration, weight: u32) {
        self.weight += f64::from(weight);
        self.sum += millis(duration) * f64::from(weight);
    }

    /// In milliseconds; of nothing, NaN.
    fn get(self) -> f64 {
        self.sum / self.weight
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Period {
    /// The period that follows.
    pub(super) fn next(&self) -> Self {
        Self { probes: [self.probes[1]; 2], ..Self::default() }
    }

    /// Looks at a hub; the period began at `from`.
    pub(super) fn look(&mut self, evidence: &Evidence, from: MonoTime) {
        self.looks += 1;
        self.in_flight += u64::from(evidence.load.in_flight);
        let Quantiles { count, p50, p95, .. } = evidence.latency.answer;
        if evidence.at.since(from) >= QUANTILES_SPAN {
            self.p50.add(p50, count);
            self.p95.add(p95, count);
        }
        let connect = &evidence.latency.connect;
        self.connect = (connect.count > 0).then_some(connect.p50);
        self.exported = evidence.load.exported.filter(|said| evidence.at.since(said.at) <= EXPORTED_FRESH);
        let sum = evidence.probes.sum;
        // Less than before: the ledger was begun anew, and all in it is of this period.
        if sum.ended < self.probes[1].ended {
            self.probes[0] = ProbeSum::default();
        }
        self.probes[1] = sum;
    }

    /// The sample, given what came of the requests that ended within so long.
    pub(super) fn sample(&self, requests: &Window, span: Duration) -> Sample {
        let [before, now] = &self.probes;
        let probes = now.ended.saturating_sub(before.ended) as f64;
        let failed = now.failed.saturating_sub(before.failed) as f64;
        let took = millis(now.took.saturating_sub(before.took));
        let total = f64::from(requests.total());
        let part = |count: u32| f64::from(count) / total;
        let share =
            |share: Option<Share>| share.map_or(f64::NAN, |share| f64::from(share.per_mille()) / 1000.0);
        let exported = self.exported;
        let mut sample = Sample::UNKNOWN;
        for signal in Signal::ALL {
            let value = match signal {
                Signal::ProbeMs => took / probes,
                Signal::ProbeFail => failed / probes,
                Signal::P50Ms => self.p50.get(),
                Signal::P95Ms => self.p95.get(),
                Signal::Errors => part(requests.failures()),
                Signal::Timeouts => part(requests.count(Outcome::Timeout)),
                Signal::InFlight => self.in_flight as f64 / f64::from(self.looks),
                Signal::Rate => total / span.as_secs_f64(),
                Signal::Cpu => share(exported.and_then(|said| said.cpu)),
                Signal::Memory => share(exported.and_then(|said| said.memory)),
                Signal::Queue => exported.and_then(|said| said.queue).map_or(f64::NAN, f64::from),
                Signal::ConnectMs => self.connect.map_or(f64::NAN, millis),
                Signal::Refused => share(requests.refused_share()),
            };
            sample.set(signal, value as f32);
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: MonoTime = MonoTime::from_millis(60_000);
    const SPAN: Duration = Duration::from_secs(15);

    fn evidence(second: u64) -> Evidence {
        Evidence::none(FROM.after(Duration::from_secs(second)))
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_nothing_tells_of_is_unknown() {
        let mut period = Period::default();
        (0..15).for_each(|second| period.look(&evidence(second), FROM));
        let sample = period.sample(&Window::default(), SPAN);
        let known: Vec<_> = Signal::ALL.into_iter().filter(|&signal| sample.get(signal).is_some()).collect();
        assert_eq!(known, [Signal::InFlight, Signal::Rate]);
        assert_eq!((sample.get(Signal::InFlight), sample.get(Signal::Rate)), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn every_signal_comes_from_what_it_is_named_after() {
        let mut period = Period::default();
        for second in 0..15 {
            let mut look = evidence(second);
            look.load.in_flight = second as u32;
            look.probes.sum = ProbeSum { ended: second / 2, failed: second / 7, took: ms(10 * (second / 2)) };
            // Before the tenth second they still tell of the period before.
            let (p50, p95) = if second < 10 { (ms(900), ms(900)) } else { (ms(20), ms(50)) };
            look.latency.answer = Quantiles { count: 30, p50, p90: p95, p95 };
            look.latency.connect = Quantiles { count: 2, p50: ms(3), p90: ms(9), p95: ms(9) };
            let share = Share::from_per_mille;
            look.load.exported =
                Some(Exported { at: FROM, cpu: share(250), memory: share(500), queue: Some(4) });
            period.look(&look, FROM);
        }
        let requests = [(Outcome::Ok, 80), (Outcome::Timeout, 10), (Outcome::ConnectError, 10)];
        let mut sample = period.sample(&Window::of(&requests), SPAN);
        let expected = [10.0, 2.0 / 7.0, 20.0, 50.0, 0.2, 0.1, 7.0, 100.0 / 15.0, 0.25, 0.5, 4.0, 3.0, 1.0];
        assert_eq!(sample, Sample::new(expected));
        // The next period begins with nothing, and with the probes where they were.
        let mut next = period.next();
        let mut look = evidence(15);
        look.probes.sum = ProbeSum { ended: 9, failed: 2, took: ms(150) };
        next.look(&look, FROM.after(SPAN));
        sample = next.sample(&Window::default(), SPAN);
        let seen = [Signal::ProbeMs, Signal::ProbeFail, Signal::P50Ms, Signal::Cpu].map(|s| sample.get(s));
        assert_eq!(seen, [Some(40.0), Some(0.0), None, None]);
    }

    #[test]
    fn a_word_that_is_old_counts_no_more() {
        let mut period = Period::default();
        let mut look = evidence(31);
        look.load.exported = Some(Exported { at: FROM, cpu: Some(Share::FULL), memory: None, queue: None });
        period.look(&look, FROM);
        assert_eq!(period.sample(&Window::default(), SPAN).get(Signal::Cpu), None);
        look.at = FROM.after(EXPORTED_FRESH);
        period.look(&look, FROM);
        assert_eq!(period.sample(&Window::default(), SPAN).get(Signal::Cpu), Some(1.0));
    }

    #[test]
    fn a_ledger_that_begins_anew_tells_of_this_period_only() {
        let mut period = Period::default();
        let mut look = evidence(1);
        look.probes.sum = ProbeSum { ended: 100, failed: 50, took: ms(1_000) };
        period.look(&look, FROM);
        let mut period = period.next();
        look.probes.sum = ProbeSum { ended: 4, failed: 1, took: ms(40) };
        period.look(&look, FROM);
        let sample = period.sample(&Window::default(), SPAN);
        assert_eq!((sample.get(Signal::ProbeMs), sample.get(Signal::ProbeFail)), (Some(10.0), Some(0.25)));
    }
}

//! What does a gateway see of all this?

use super::TICK_SECONDS;
use super::dice::Dice;
use super::request::{Answer, End, Passage};
use super::server::Work;
use super::strain::Reach;
use crate::telemetry::{Sample, Signal};

/// Requests that telemetry looks at in each tick, at most: what a gateway of moderate traffic sends one hub of many.
pub(super) const SEEN_MAX: u32 = 12;

/// What a gateway sees of a hub in one tick.
pub(super) struct Look<'a> {
    pub(super) passage: &'a Passage,
    /// Attempts in this tick.
    pub(super) attempts: u32,
    pub(super) timeout: f64,
    /// What the hub tells of itself, if it does and can be reached.
    pub(super) told: Option<&'a Work>,
}

impl Look<'_> {
    /// Some requests, one probe, and what the hub tells.
    pub(super) fn sample(&self, dice: &mut Dice) -> Sample {
        let probe = self.passage.draw(dice);
        let seen = self.attempts.min(SEEN_MAX) as usize;
        let mut answers = [probe; SEEN_MAX as usize];
        answers[..seen].fill_with(|| self.passage.draw(dice));
        let answers = &mut answers[..seen];
        answers.sort_by(|a, b| a.took.total_cmp(&b.took));

        let mut sample = Sample::UNKNOWN;
        let mut set = |signal, value: f64| sample.set(signal, value as f32);
        // A probe that fails counts as long as one may take: a refusal must not look like a quick answer.
        let probe_took = if probe.end == End::Answered { probe.took } else { self.timeout };
        set(Signal::ProbeMs, probe_took * 1000.0);
        set(Signal::ProbeFail, f64::from(probe.end != End::Answered));
        set(Signal::P50Ms, quantile(answers, 0.5) * 1000.0);
        set(Signal::P95Ms, quantile(answers, 0.95) * 1000.0);
        set(Signal::Errors, share(answers, |end| end != End::Answered));
        set(Signal::Timeouts, share(answers, |end| end == End::TimedOut));
        let rate = f64::from(self.attempts) / TICK_SECONDS;
        set(Signal::InFlight, f64::from(dice.poisson(rate * self.passage.in_flight())));
        set(Signal::Rate, rate);
        if let Some(work) = self.told {
            set(Signal::Cpu, work.cpu);
            set(Signal::Memory, work.memory);
            set(Signal::Queue, work.waiting.floor());
        }
        let opened = || answers.iter().chain([&probe]);
        let count = (seen + 1) as f64;
        set(Signal::ConnectMs, opened().map(|answer| answer.connected).sum::<f64>() / count * 1000.0);
        set(Signal::Refused, opened().filter(|answer| answer.end == End::Refused).count() as f64 / count);
        sample
    }
}

/// Whether a hub in this reach can tell of itself: the one that tells is the one that answers.
pub(super) fn tells(reach: Reach) -> bool {
    reach == Reach::Open
}

/// Of sorted answers, between neighbours; not known where there are none.
fn quantile(answers: &[Answer], part: f64) -> f64 {
    let Some(last) = answers.len().checked_sub(1) else { return f64::NAN };
    let at = part * last as f64;
    let (below, above) = (&answers[at as usize], &answers[(at as usize + 1).min(last)]);
    below.took + (above.took - below.took) * (at - at.floor())
}

/// What part of answers ended so; not known where there are none.
fn share(answers: &[Answer], so: impl Fn(End) -> bool) -> f64 {
    answers.iter().filter(|answer| so(answer.end)).count() as f64 / answers.len() as f64
}

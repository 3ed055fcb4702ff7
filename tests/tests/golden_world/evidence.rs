//! What the gateway would know about a hub that behaves in one way: 50 requests and one probe a second while it is in
//! service, quick probes as soon as one fails.

use std::collections::VecDeque;
use std::time::Duration;

use mcphub_health::{Evidence, Exported, Outcome, Quantiles, Window};
use mcphub_routing::{MonoTime, Share};

/// What a hub does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    #[default]
    Ok,
    Refuses,
    Hangs,
    /// So many of a hundred requests are answered with an error; probes with it above half.
    Errors(u32),
    /// The median answer, in milliseconds.
    Slow(u32),
    /// Nobody asks it anything but probes.
    Idle,
    /// Its processors have no time left.
    Busy,
    /// Nothing reaches it.
    Blocked,
    /// It answers requests, and no probe.
    Deaf,
}

impl Behaviour {
    pub fn parse(words: &[&str]) -> Option<Self> {
        Some(match *words {
            ["ok"] => Self::Ok,
            ["refuses"] => Self::Refuses,
            ["hangs"] => Self::Hangs,
            ["errors", share] => Self::Errors(share.parse().ok()?),
            ["slow", millis] => Self::Slow(millis.parse().ok()?),
            ["idle"] => Self::Idle,
            ["busy"] => Self::Busy,
            ["blocked"] => Self::Blocked,
            ["deaf"] => Self::Deaf,
            _ => return None,
        })
    }

    fn probe(self) -> Outcome {
        match self {
            Self::Refuses => Outcome::ConnectError,
            Self::Hangs | Self::Blocked | Self::Deaf => Outcome::Timeout,
            Self::Errors(51..) => Outcome::Http5xx,
            _ => Outcome::Ok,
        }
    }

    fn failing(self) -> (Outcome, u32) {
        match self {
            Self::Refuses => (Outcome::ConnectError, 100),
            Self::Hangs | Self::Blocked => (Outcome::Timeout, 100),
            Self::Errors(share) => (Outcome::Http5xx, share),
            _ => (Outcome::Http5xx, 0),
        }
    }
}

const REQUESTS: u32 = 50;
/// Quick probes, 300 ms apart.
const BURST: u32 = 3;
const USUAL: Duration = Duration::from_millis(20);

/// A hub, and what was seen of it.
#[derive(Debug, Default)]
pub struct Life {
    behaviour: Behaviour,
    /// Do probes pass whatever it does?
    pub lies: bool,
    begun: u64,
    seen: Option<Evidence>,
    /// For each of the last 60 seconds: when, what failures came to, how many requests, how many failed.
    seconds: VecDeque<(u64, Outcome, u32, u32)>,
}

impl Life {
    pub fn begin(&mut self, behaviour: Behaviour, now: u64) {
        (self.behaviour, self.begun) = (behaviour, now);
    }

    /// One more second, and what is known after it.
    pub fn live(&mut self, serves: bool, second: u64, now: MonoTime) -> Evidence {
        let mut evidence = self.seen.take().unwrap_or_else(|| Evidence::none(now));
        evidence.at = now;
        self.probe(&mut evidence, now);
        let asked = if serves && self.behaviour != Behaviour::Idle { REQUESTS } else { 0 };
        self.ask(&mut evidence, asked, second, now);
        let lately = match self.behaviour {
            Behaviour::Slow(millis) => Duration::from_millis(u64::from(millis)),
            _ => USUAL,
        };
        let count = evidence.passive.short.count(Outcome::Ok);
        evidence.latency.answer = Quantiles { count, p50: lately, p90: lately, p95: lately };
        evidence.latency.answer_past = Quantiles { count: 1000, p50: USUAL, p90: USUAL, p95: USUAL };
        let cpu = Some(Share::saturating(if self.behaviour == Behaviour::Busy { 1000 } else { 300 }));
        evidence.load.exported = Some(Exported { at: now, cpu, memory: None, queue: None });
        self.seen = Some(evidence.clone());
        evidence
    }

    fn probe(&self, evidence: &mut Evidence, now: MonoTime) {
        let outcome = if self.lies { Outcome::Ok } else { self.behaviour.probe() };
        let probes = &mut evidence.probes;
        probes.last = Some(outcome);
        probes.last_end = Some(now);
        if outcome.is_failure() {
            // The first failure is followed by a burst, and so is the second.
            if probes.fails == 0 {
                probes.against_since = Some(now);
            }
            (probes.passes, probes.fails) = (0, probes.fails + if probes.fails == 0 { 1 } else { BURST });
            probes.unanswered = if outcome.is_answer() { 0 } else { probes.fails };
        } else {
            (probes.passes, probes.fails, probes.last_pass) = (probes.passes + 1, 0, Some(now));
            (probes.unanswered, probes.against_since) = (0, None);
        }
    }

    fn ask(&mut self, evidence: &mut Evidence, asked: u32, second: u64, now: MonoTime) {
        let (outcome, share) = self.behaviour.failing();
        let failed = asked * share / 100;
        self.seconds.push_back((second, outcome, asked, failed));
        while self.seconds.front().is_some_and(|oldest| second - oldest.0 >= 60) {
            self.seconds.pop_front();
        }
        let window = |length: u64| {
            let seconds = self.seconds.iter().filter(|s| second - s.0 < length);
            let counts: Vec<_> = seconds
                .flat_map(|&(_, bad, asked, failed)| [(Outcome::Ok, asked - failed), (bad, failed)])
                .collect();
            Window::of(&counts)
        };
        let passive = &mut evidence.passive;
        (passive.short, passive.long) = (window(10), window(60));
        if failed > 0 {
            passive.last_failure = Some(now);
        }
        if asked > failed {
            (passive.last_answer, passive.consecutive_failures, passive.unanswered) = (Some(now), 0, 0);
        } else {
            passive.consecutive_failures += failed;
            passive.unanswered += if outcome.is_answer() { 0 } else { failed };
        }
    }
}

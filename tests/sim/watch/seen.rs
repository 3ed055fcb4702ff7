//! What was seen of one hub, in the simplest words there are.

use std::collections::VecDeque;
use std::time::Duration;

use mcphub_health::{Outcome, ProbeId, ProbeReport};
use mcphub_routing::MonoTime;

use crate::control::TICK;

/// Silence shorter than this says nothing.
const SILENCE: Duration = Duration::from_millis(290);
const PROBES_KEPT: usize = 24;

#[derive(Debug, Default)]
pub struct Seen {
    /// In the order in which they were sent.
    probes: VecDeque<Probe>,
    /// Requests without any answer, not even an error, since one was answered well.
    row: u32,
    /// Requests in a row that failed in any way.
    failed: u32,
    /// When a request was last answered well.
    pub last_answer: Option<MonoTime>,
    /// The same since it died: when that was, how many, and when they were enough to know.
    death: (Option<MonoTime>, u32, Option<MonoTime>),
    /// When it came to its present state.
    pub changed: Option<MonoTime>,
    /// Since when it is configured.
    pub known_since: MonoTime,
}

#[derive(Debug)]
struct Probe {
    id: ProbeId,
    sent: MonoTime,
    end: Option<(Outcome, MonoTime)>,
}

/// Did the hub say nothing at all?
fn unanswered(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::ConnectError | Outcome::Timeout | Outcome::Reset)
}

impl Seen {
    /// A hub that is configured now.
    pub fn new(now: MonoTime) -> Self {
        Self { known_since: now, ..Self::default() }
    }

    /// Gives back how many were sent within the interval of the schedule.
    pub fn probe_sent(&mut self, id: ProbeId, now: MonoTime) -> usize {
        self.probes.push_back(Probe { id, sent: now, end: None });
        if self.probes.len() > PROBES_KEPT {
            self.probes.pop_front();
        }
        let lately = |probe: &&Probe| now.since(probe.sent) < Duration::from_secs(2);
        self.probes.iter().filter(lately).count()
    }

    pub fn probe_ended(&mut self, ended: &ProbeReport, now: MonoTime) {
        if let Some(probe) = self.probes.iter_mut().find(|probe| probe.id == ended.id) {
            probe.end = Some((ended.outcome, now));
        }
    }

    pub fn came_to(&mut self, outcome: Outcome, dead_since: Option<MonoTime>, fall: u32, now: MonoTime) {
        self.row = match outcome.is_failure() {
            true => self.row + u32::from(unanswered(outcome)),
            false => 0,
        };
        self.last_answer = if outcome.is_failure() { self.last_answer } else { Some(now) };
        self.failed = if outcome.is_failure() { self.failed + 1 } else { 0 };
        let (since, row, known) = self.death;
        self.death = if dead_since.is_none() || !unanswered(outcome) {
            (None, 0, None)
        } else if since != dead_since {
            (dead_since, 1, (fall <= 1).then_some(now))
        } else {
            (since, row + 1, known.or((row + 1 >= fall).then_some(now)))
        };
    }

    /// When requests had shown that it died then.
    pub fn dead_known(&self, since: MonoTime) -> Option<MonoTime> {
        self.death.2.filter(|_| self.death.0 == Some(since))
    }

    /// Did it fail to answer so many probes or requests in a row? Then no guard rail keeps it.
    pub fn is_silent(&self, fall: u32, now: MonoTime) -> bool {
        let against = |probe: &&Probe| match probe.end {
            Some((outcome, _)) => unanswered(outcome),
            None => now.since(probe.sent) >= SILENCE,
        };
        let passed = |probe: &&Probe| probe.end.is_none_or(|(outcome, _)| outcome.is_failure());
        let probes = self.probes.iter().rev().take_while(passed).filter(against).count();
        self.row >= fall || probes >= fall as usize
    }

    /// Did nothing come of the last so many requests?
    pub fn has_failed(&self, most: u32) -> bool {
        self.failed >= most
    }

    /// Did the last so many probes that ended pass? A failure may go unnoticed until the next tick.
    pub fn is_well(&self, rise: u32, now: MonoTime) -> bool {
        let noticed = |&(outcome, at): &(Outcome, MonoTime)| !outcome.is_failure() || now.since(at) > TICK;
        let ended = self.probes.iter().rev().filter_map(|probe| probe.end).filter(noticed);
        ended.take(rise as usize).filter(|(outcome, _)| !outcome.is_failure()).count() == rise as usize
    }
}

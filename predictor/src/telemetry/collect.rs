//! What has each hub of the fleet been like, and when did it fail?
//!
//! The control loop has the collector look once a second. When a period of [`PERIOD`] is over, every hub gets its sample;
//! a period in which we did not look often enough is a gap, since nobody knows what the hub was like.
//!
//! **A hub fails** in a period if it is *ill* at half or more of the looks, or ejected and not there again: ill as the
//! control loop means it when it takes hubs out of service (`verdict`), whether or not a guard rail lets it. So an
//! episode of a live hub is what its clients suffer from, and not what was done about it: ejections that outlast the
//! failure are none. Half a period is less than the 20 s that Kubernetes' readiness probe takes with its defaults (three
//! failures, 10 s apart), and longer than a stall that probes get over by themselves.
//!
//! While the operator wants a hub out it is not judged: whoever works on it may stop it. Where most hubs look bad at once,
//! the episode is marked `common`.

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_health::{Evidence, Window};
use mcphub_routing::{Cause, HubId, HubState, MonoTime, RoutingTable};

use super::PERIOD;
use super::episodes::{MERGE_GAP, Marks};
use super::history::{History, Missing};
use super::period::Period;
use crate::Policy;
use crate::verdict::{Peers, Verdict};

/// How long after something was done on a forecast a failure counts as one that we had acted on: the longest horizon.
pub const ACTED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Fewest looks that make a sample. A third of those of a whole period: fewer, and the mean of a few may be of one end.
const LOOKS_MIN: u32 = 5;
/// Requests are counted for a minute back. A period that has been over for longer than this is not fully known.
const KNOWN_FOR: Duration = Duration::from_secs(40);

/// What there is to see at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The table in force.
    pub table: &'a RoutingTable,
    /// What is known of each hub, gathered just now.
    pub evidence: &'a BTreeMap<HubId, Evidence>,
    /// What makes a hub ill.
    pub policy: &'a Policy,
    /// This instant, by the monotonic clock.
    pub now: MonoTime,
    /// This instant by the wall clock, in seconds since 1970.
    pub unix_s: u64,
}

/// A stretch of monotonic time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first second.
    pub from: MonoTime,
    /// The first second after it.
    pub until: MonoTime,
}

/// The pasts of all hubs of a fleet, and what is seen of them in the present period.
#[derive(Debug, Default)]
pub struct Collector {
    hubs: BTreeMap<HubId, Hub>,
    /// The number of the present period; `None` before the first look.
    period: Option<u64>,
}

#[derive(Debug)]
struct Hub {
    history: History,
    period: Period,
    /// The second in which it appeared.
    since: MonoTime,
    /// The number of the period of its newest sample, if that is of this process.
    newest: Option<u64>,
    /// When something was last done on a forecast.
    acted_at: Option<MonoTime>,
    /// How many of its restarts have been noted, and when the last was.
    restarts: (u32, Option<MonoTime>),
}

impl Collector {
    /// A hub appears, with the past that is known of it: [`History::default`] for a new one. One that is there already
    /// keeps what it has.
    pub fn appear(&mut self, hub: HubId, history: History, now: MonoTime) {
        let fresh = || Hub {
            history,
            period: Period::default(),
            since: MonoTime::from_millis(now.as_millis() / 1_000 * 1_000),
            newest: None,
            acted_at: None,
            restarts: (0, None),
        };
        self.hubs.entry(hub).or_insert_with(fresh);
    }

    /// A hub disappears. Gives back its past, for whoever keeps it in case it comes back.
    pub fn vanish(&mut self, hub: &HubId) -> Option<History> {
        self.hubs.remove(hub).map(|hub| hub.history)
    }

    /// The hubs that are there, with their pasts.
    pub fn histories(&self) -> impl ExactSizeIterator<Item = (&HubId, &History)> {
        self.hubs.iter().map(|(id, hub)| (id, &hub.history))
    }

    /// One hub's past.
    pub fn history(&self, hub: &HubId) -> Option<&History> {
        self.hubs.get(hub).map(|hub| &hub.history)
    }

    /// The same, to say more about its episodes, or to put before it what is learned late.
    pub fn history_mut(&mut self, hub: &HubId) -> Option<&mut History> {
        self.hubs.get_mut(hub).map(|hub| &mut hub.history)
    }

    /// Something was done about this hub on a forecast.
    pub fn acted(&mut self, hub: &HubId, now: MonoTime) {
        if let Some(hub) = self.hubs.get_mut(hub) {
            hub.acted_at = Some(now);
        }
    }

    /// Looks at all hubs; once a second. `ended` tells what came of the requests to a hub that ended within a span. Gives
    /// back whether a period was over, and there are new samples.
    pub fn look(&mut self, look: &Look<'_>, ended: impl Fn(&HubId, Span) -> Window) -> bool {
        let number = number_of(look.now);
        let over = self.period.filter(|&period| period < number);
        if let Some(period) = over {
            self.close(period, look, ended);
        }
        self.period = Some(number);
        let peers = Peers::of(look.evidence.values(), look.policy, look.now);
        for found in look.table.hubs() {
            let (Some(hub), Some(evidence)) = (self.hubs.get_mut(found.id), look.evidence.get(found.id))
            else {
                continue;
            };
            hub.period.look(evidence, begin(number));
            hub.judge(found.state, evidence, &peers, look);
            hub.note_restart(evidence, look);
        }
        over.is_some()
    }

    /// Gives every hub the sample of a period that is over.
    fn close(&mut self, period: u64, look: &Look<'_>, ended: impl Fn(&HubId, Span) -> Window) {
        let until = begin(period + 1);
        let known = look.now.since(until) <= KNOWN_FOR;
        let end = look.unix_s.saturating_sub(look.now.since(until).as_secs());
        for (id, hub) in &mut self.hubs {
            let next = hub.period.next();
            let seen = std::mem::replace(&mut hub.period, next);
            let span = Span { from: begin(period).max(hub.since), until };
            if !known || seen.looks < LOOKS_MIN {
                continue;
            }
            let length = until.since(span.from);
            let sample = seen.sample(&ended(id, span), length);
            let missing = hub.newest.map_or(Missing::ByWallClock, |newest| {
                Missing::Counted(period.saturating_sub(newest).saturating_sub(1))
            });
            hub.newest = Some(period);
            hub.history.push(missing, &sample, end);
            if seen.failing > 0 && seen.failing * 2 >= seen.judged {
                let marks = hub.marks(&seen, until);
                hub.history.episodes_mut().fail((end.saturating_sub(length.as_secs()), end), marks);
            }
        }
    }
}

/// The number of the period that holds this instant.
fn number_of(now: MonoTime) -> u64 {
    now.as_nanos() / PERIOD.as_nanos() as u64
}

/// When a period begins.
fn begin(number: u64) -> MonoTime {
    MonoTime::from_millis(number.saturating_mul(PERIOD.as_millis() as u64))
}

impl Hub {
    fn judge(&mut self, state: HubState, evidence: &Evidence, peers: &Peers, look: &Look<'_>) {
        match state {
            HubState::Draining { cause: Cause::Operator, .. }
            | HubState::Drained { cause: Cause::Operator } => {
                return;
            }
            HubState::Draining { cause: Cause::Forecast, .. }
            | HubState::Drained { cause: Cause::Forecast } => {
                self.acted_at = Some(look.now);
            }
            _ => {}
        }
        let verdict = Verdict::of(evidence, peers, look.policy, look.now);
        let away = matches!(state, HubState::Ejected { .. }) && verdict.there.is_none();
        let failing = verdict.ill.is_some() || away;
        self.period.judged += u32::from(verdict.known);
        self.period.failing += u32::from(verdict.known && failing);
        self.period.common += u32::from(verdict.known && failing && look.table.panic());
    }

    fn note_restart(&mut self, evidence: &Evidence, look: &Look<'_>) {
        if evidence.boot.restarts > self.restarts.0 {
            let at = evidence.boot.restarted_at.unwrap_or(look.now).min(look.now);
            self.history.restart(look.unix_s.saturating_sub(look.now.since(at).as_secs()));
            self.restarts.1 = Some(at);
        }
        self.restarts.0 = evidence.boot.restarts;
    }

    fn marks(&self, seen: &Period, now: MonoTime) -> Marks {
        let within = |at: Option<MonoTime>, long| at.is_some_and(|at| now.since(at) <= long);
        Marks {
            acted: within(self.acted_at, ACTED_WITHIN),
            restarted: within(self.restarts.1, MERGE_GAP),
            common: seen.common * 2 >= seen.failing,
        }
    }
}

#[cfg(test)]
mod tests;

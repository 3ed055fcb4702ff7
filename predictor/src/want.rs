//! What would one hub's state be, if nobody else mattered?

mod foretold;

use mcphub_routing::{Cause, Hub, HubState, MonoTime, Share};

use crate::rails::in_service;
use crate::verdict::{Ill, Verdict};
use crate::{
    AlarmLedger, DRAIN_MIN, Forecast, HubMemory, Inputs, Leave, Objection, Plan, Policy, Reason, Wish,
};

/// In which order wants are heard: what adds to the fleet first, then what no guard rail may hold up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Return,
    Settle,
    Gone,
    Operator,
    Sick,
    Forecast,
    Weight,
}

/// A step that one hub's own affairs ask for.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) rank: Rank,
    pub(crate) to: HubState,
    pub(crate) reason: Reason,
    /// The level that comes with it; it may change alone, where the weight is the same anyhow.
    pub(crate) level: u8,
    /// Whether the hub is relieved then; the same goes for that.
    pub(crate) relieved: bool,
    /// What speaks against it already.
    pub(crate) objection: Option<Objection>,
    /// Is it worth hearing only if no hub can take a request?
    pub(crate) last_resort: bool,
}

impl Want {
    /// Will the hub have less weight for a forecast? Only one that serves can.
    pub(crate) fn relieves(&self) -> bool {
        self.relieved && matches!(self.to, HubState::Serving { .. })
    }
}

/// Everything that one hub's wants follow from.
pub(crate) struct Affairs<'a> {
    pub(crate) hub: Hub<'a>,
    pub(crate) verdict: &'a Verdict,
    pub(crate) forecast: Option<Forecast>,
    pub(crate) pins: Option<u64>,
    pub(crate) wish: Wish,
    pub(crate) memory: HubMemory,
    pub(crate) policy: &'a Policy,
    pub(crate) alarms: &'a AlarmLedger,
    pub(crate) panic: bool,
    pub(crate) panic_ended: Option<MonoTime>,
    pub(crate) now: MonoTime,
}

impl<'a> Affairs<'a> {
    pub(crate) fn gather(
        hub: Hub<'a>,
        verdict: &'a Verdict,
        inputs: &Inputs,
        policy: &'a Policy,
        (plan, now): (&'a Plan, MonoTime),
    ) -> Self {
        let mut memory = inputs.memory.of(hub.id);
        memory.relieved &= matches!(hub.state, HubState::Serving { .. });
        Self {
            hub,
            verdict,
            forecast: inputs.forecasts.get(hub.id).copied(),
            pins: inputs.pins.get(hub.id).copied(),
            wish: inputs.wishes.get(hub.id).copied().unwrap_or_default(),
            memory,
            policy,
            alarms: &plan.memory.alarms,
            panic: plan.panic,
            panic_ended: plan.memory.panic_ended,
            now,
        }
    }

    /// What the hub's affairs ask for, most urgent first. The first that is granted counts.
    pub(crate) fn wants(&self) -> Vec<Want> {
        let mut wants = match self.hub.state {
            HubState::Serving { .. } | HubState::Recovering { .. } => self.in_service(),
            HubState::Draining { deadline, cause } => self.draining(deadline, cause).into_iter().collect(),
            HubState::Drained { cause } => self.drained(cause).into_iter().collect(),
            HubState::Ejected { retry_at, .. } => self.ejected(retry_at).into_iter().collect(),
        };
        // Rather than eject a hub that is there when nobody else is, let it do what it can.
        let ejects = |want: &Want| matches!(want.to, HubState::Ejected { .. });
        if self.hub.state.takes().is_none() && wants.iter().any(ejects) {
            wants.extend(self.last_resort());
        }
        let joins = |want: &Want| !in_service(self.hub.state) && in_service(want.to);
        let ranked = |want: Want| Want { rank: if joins(&want) { Rank::Return } else { want.rank }, ..want };
        // Who is asked to leave does not come back first.
        let leaving = wants.iter().any(|want| want.to.takes().is_none() && want.objection.is_none());
        let was = (self.hub.state, self.memory.level, self.memory.relieved);
        let matters = |want: &Want| (want.to, want.level, want.relieves()) != was;
        wants
            .into_iter()
            .filter(|want| matters(want) && (want.last_resort || !(leaving && joins(want))))
            .map(ranked)
            .collect()
    }

    fn want(&self, rank: Rank, to: HubState, reason: Reason) -> Want {
        let HubMemory { level, relieved, .. } = self.memory;
        Want { rank, to, reason, level, relieved, objection: None, last_resort: false }
    }

    /// The same, if it has been in its present state for long enough.
    fn patient(&self, rank: Rank, to: HubState, reason: Reason) -> Want {
        let objection = self.dwell(self.memory.changed);
        Want { objection, ..self.want(rank, to, reason) }
    }

    fn dwell(&self, since: Option<MonoTime>) -> Option<Objection> {
        let until = since?.after(self.policy.dwell());
        (self.now < until).then_some(Objection::Dwell { until })
    }

    fn in_service(&self) -> Vec<Want> {
        if let Some(ill) = self.verdict.ill.filter(|ill| ill.gone) {
            return vec![self.gone(ill)];
        }
        let mut wants: Vec<Want> = self.leave().into_iter().collect();
        if let Some(ill) = self.verdict.ill {
            wants.push(self.sick(ill));
            return wants; // It takes no more while it is ill.
        }
        wants.extend(self.forecast_out());
        wants.extend(self.relieve());
        if let HubState::Recovering { since, .. } = self.hub.state {
            wants.push(self.slow_start(since));
        } else {
            wants.extend(self.strain());
            wants.push(self.want(Rank::Weight, self.serving(self.memory.level), Reason::Operator));
        }
        wants
    }

    /// It answers nothing: out at once.
    fn gone(&self, ill: Ill) -> Want {
        self.want(Rank::Gone, self.expel(), ill.reason)
    }

    /// Where an ill hub goes: if the operator wants it out anyway, it stays until the operator wants it back.
    fn expel(&self) -> HubState {
        let cause = Cause::Operator;
        if self.wish.out.is_some() { HubState::Drained { cause } } else { self.eject() }
    }

    /// It answers something, and not well. A hub that has just come back is on trial: if nothing but failures comes of
    /// its requests, it need not stay for the dwell, since an ejection is longer than that.
    fn sick(&self, ill: Ill) -> Want {
        let trial = matches!(self.hub.state, HubState::Recovering { .. });
        let mut want = match ill.reason {
            Reason::RequestsFailed { .. } if trial => self.want(Rank::Sick, self.expel(), ill.reason),
            _ => self.patient(Rank::Sick, self.expel(), ill.reason),
        };
        if self.panic {
            want.objection = Some(Objection::Panic);
        }
        want
    }

    fn eject(&self) -> HubState {
        let strikes = self.memory.strikes_at(self.policy, self.now).saturating_add(1);
        HubState::Ejected { retry_at: self.now.after(self.policy.ejected_for(strikes)), strikes }
    }

    /// The operator wants it out.
    fn leave(&self) -> Option<Want> {
        let cause = Cause::Operator;
        let to = match self.wish.out? {
            Leave::Now => HubState::Drained { cause },
            Leave::Drain { deadline } => {
                let wait = deadline.unwrap_or(self.policy.drain_deadline).max(DRAIN_MIN);
                HubState::Draining { deadline: self.now.after(wait), cause }
            }
        };
        Some(self.want(Rank::Operator, to, Reason::Operator))
    }

    /// The share that the operator grants, less what strain takes away; never rounded down to nothing.
    fn share(&self, level: Share) -> Share {
        let weight = self.wish.weight.unwrap_or(Share::FULL);
        if weight == Share::NONE {
            return Share::NONE;
        }
        let per_mille = u32::from(weight.per_mille()) * u32::from(level.per_mille()) / 1000;
        Share::saturating(u16::try_from(per_mille).unwrap_or(u16::MAX).max(1))
    }

    fn serving(&self, level: u8) -> HubState {
        self.serving_as(level, self.memory.relieved)
    }

    /// A hub that is slow already keeps the smaller share of the two.
    fn serving_as(&self, level: u8, relieved: bool) -> HubState {
        let most = if relieved { self.policy.forecast.relieve_to } else { Share::FULL };
        HubState::Serving { weight: self.share(self.policy.level_share(level).min(most)) }
    }

    fn slow_start(&self, since: MonoTime) -> Want {
        let elapsed = self.now.since(since).as_millis();
        let part = elapsed.saturating_mul(1000).checked_div(self.policy.slow_start.as_millis());
        let part = part.and_then(|part| u16::try_from(part).ok()).filter(|&part| part < 1000);
        let Some(part) = part else {
            return self.next_share(self.serving(0));
        };
        let part = Share::saturating(part / 100 * 100).max(self.policy.slow_start_from);
        let to = HubState::Recovering { since, share: self.share(part) };
        self.next_share(to)
    }

    /// Slow start only ever gives more; what takes away is the operator's weight.
    fn next_share(&self, to: HubState) -> Want {
        let less = to.takes() < self.hub.state.takes();
        let reason = if less { Reason::Operator } else { Reason::SlowStart };
        Want { level: 0, ..self.want(Rank::Weight, to, reason) }
    }

    /// Its slowness or overload has come to another level.
    fn strain(&self) -> Option<Want> {
        let (strain, level) = (self.verdict.strain, self.memory.level);
        if !self.verdict.known {
            return None;
        }
        let (level, reason) = if strain.worse > level {
            (strain.worse, strain.reason?)
        } else if strain.measured && strain.better < level {
            (strain.better, Reason::KeepsUp)
        } else if !strain.measured && level > 0 {
            (level - 1, Reason::Untested)
        } else {
            return None;
        };
        let objection = self.dwell(self.memory.weighed);
        // One step for both, and the operator's word is the weightier reason.
        let asked = objection.is_none() && self.serving(self.memory.level) != self.hub.state;
        let reason = if asked { Reason::Operator } else { reason };
        Some(Want { level, objection, ..self.want(Rank::Weight, self.serving(level), reason) })
    }

    /// Back into service, with a small share first.
    fn back(&self) -> HubState {
        if self.policy.slow_start.is_zero() {
            return self.serving(0);
        }
        HubState::Recovering { since: self.now, share: self.share(self.policy.slow_start_from) }
    }

    /// Its probes pass, though its requests failed lately: better than nobody.
    fn last_resort(&self) -> Option<Want> {
        let reason = Reason::ProbesPassed { count: self.verdict.there? };
        Some(Want { last_resort: true, ..self.want(Rank::Return, self.back(), reason) })
    }

    fn draining(&self, deadline: MonoTime, cause: Cause) -> Option<Want> {
        if let Some(ill) = self.verdict.ill.filter(|ill| ill.gone) {
            return Some(self.gone(ill));
        }
        let wished = self.wish.out.is_some();
        if self.wish.out == Some(Leave::Now) {
            let to = HubState::Drained { cause: Cause::Operator };
            return Some(self.want(Rank::Settle, to, Reason::Operator));
        }
        let over = self.forecast_passed() && self.verdict.ill.is_none();
        if !wished && cause == Cause::Operator {
            return Some(self.want(Rank::Return, self.serving(self.memory.level), Reason::Operator));
        }
        if !wished && over {
            return Some(self.patient(Rank::Return, self.serving(self.memory.level), Reason::ForecastPassed));
        }
        let begun = self.memory.changed.is_none_or(|changed| self.now.since(changed) >= DRAIN_MIN);
        let cause = if wished { Cause::Operator } else { cause };
        let ended = match self.pins {
            _ if self.now >= deadline => Some(Reason::DrainDeadline { pins: self.pins }),
            Some(0) if begun => Some(Reason::DrainIdle),
            _ => None,
        };
        let reason = ended?;
        Some(match self.verdict.ill {
            Some(ill) if !wished && self.forecast_passed() => {
                self.want(Rank::Settle, self.eject(), ill.reason)
            }
            _ => self.want(Rank::Settle, HubState::Drained { cause }, reason),
        })
    }

    fn drained(&self, cause: Cause) -> Option<Want> {
        if self.wish.out.is_some() {
            let to = HubState::Drained { cause: Cause::Operator };
            return Some(self.want(Rank::Settle, to, Reason::Operator));
        }
        if cause != Cause::Operator && !self.forecast_passed() {
            return None;
        }
        if let Some(ill) = self.verdict.ill {
            return Some(self.want(Rank::Settle, self.eject(), ill.reason));
        }
        Some(match cause {
            Cause::Operator => self.want(Rank::Return, self.back(), Reason::Operator),
            _ => self.patient(Rank::Return, self.back(), Reason::ForecastPassed),
        })
    }

    fn ejected(&self, retry_at: MonoTime) -> Option<Want> {
        if self.wish.out.is_some() {
            let to = HubState::Drained { cause: Cause::Operator };
            return Some(self.want(Rank::Settle, to, Reason::Operator));
        }
        let Some(count) = self.verdict.well else { return self.last_resort() };
        let mut want = self.patient(Rank::Return, self.back(), Reason::ProbesPassed { count });
        // A time beyond any ejection is from another clock.
        let sane = retry_at <= self.now.after(self.policy.ejected_for(u32::MAX));
        let common = self.panic || self.memory.changed.is_some_and(|since| Some(since) <= self.panic_ended);
        if self.now < retry_at && sane && !common {
            // The dwell is what holds it up longest, if the fleet is short of hubs.
            want.objection = want.objection.or(Some(Objection::Ejected { until: retry_at }));
        }
        Some(want)
    }
}

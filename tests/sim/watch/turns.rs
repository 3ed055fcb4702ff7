//! The promises about plans.

use std::collections::BTreeSet;
use std::time::Duration;

use mcphub_predictor::{Leave, Reason, Step};
use mcphub_routing::{Cause, HubState, MonoTime, RoutingTable, Share};

use super::Watch;
use crate::control::{Control, Turn};
use crate::truth::Hub;

/// A fault is remembered for as long as the windows of the evidence hold it.
const FAULT_REMEMBERED: Duration = Duration::from_secs(12);
/// The same for slowness, whose measure changes too.
const SLOWNESS_REMEMBERED: Duration = Duration::from_secs(40);
/// A fleet whose serving hubs are all dead lets a well one back within this: two probes, and what it takes to know.
const DARK_MOST: Duration = Duration::from_secs(5);

/// Who answered a request this short a time ago is there, whatever becomes of its probes.
const ANSWERED: Duration = Duration::from_millis(250);

fn in_service(state: HubState) -> bool {
    state.takes().is_some_and(|share| share > Share::NONE)
}

fn kind(state: HubState) -> u8 {
    match state {
        HubState::Serving { .. } | HubState::Recovering { .. } => 0,
        HubState::Draining { .. } => 1,
        HubState::Drained { .. } => 2,
        HubState::Ejected { .. } => 3,
    }
}

/// One turn of the control loop, and everything around it.
struct Look<'a> {
    turn: &'a Turn,
    control: &'a Control,
    hubs: &'a [Hub],
    now: MonoTime,
}

impl Look<'_> {
    fn wished_out(&self, hub: usize) -> bool {
        self.control.inputs.wishes.get(&self.hubs[hub].id).is_some_and(|wish| wish.out.is_some())
    }
}

impl Watch {
    /// Holds one turn of the control loop to everything it promises.
    pub fn turn(&mut self, turn: &Turn, control: &Control, hubs: &[Hub], positions: &[usize], now: MonoTime) {
        let look = Look { turn, control, hubs, now };
        let (before, after) = (&turn.before, &turn.after);
        let told = turn.plan.changes(before);
        let forward = if told {
            before.generation() < after.generation()
        } else {
            before.generation() == after.generation()
        };
        self.hold(forward, || "generations do not follow each other".into());
        let strangers = control.inputs.memory.hubs.keys().any(|id| after.find(id.as_str()).is_none());
        self.hold(!strangers, || "hubs that are no more are remembered".into());
        self.rails(&look, positions);
        self.panic(&look, positions);
        let stepped: BTreeSet<_> = turn.plan.steps.iter().map(|step| &step.hub).collect();
        for (old, new) in before.hubs().zip(after.hubs()) {
            self.hold(old.state == new.state || stepped.contains(new.id), || {
                format!("{} changes without a step", new.id)
            });
        }
        for step in &turn.plan.steps {
            if let Some(index) = after.find(step.hub.as_str()) {
                self.step(&look, step, positions[index.get()], positions);
            }
        }
        self.not_dark(&look, positions);
    }

    /// What is left of the fleet is enough.
    fn rails(&mut self, look: &Look<'_>, positions: &[usize]) {
        let (policy, after) = (&look.control.policy, &look.turn.after);
        let at = |step: &Step| after.find(step.hub.as_str()).map(|index| positions[index.get()]);
        let freely = |step: &&Step| {
            let silent = at(step).is_some_and(|hub| self.seen[hub].is_silent(policy.fall, look.now));
            in_service(step.from) && !in_service(step.to) && !silent
        };
        let chosen: Vec<_> = look.turn.plan.steps.iter().filter(freely).collect();
        let count = after.hubs().len();
        let serving = after.hubs().filter(|hub| in_service(hub.state)).count();
        let floor = policy.min_serving_hubs.max(1) as usize;
        let most = (count * usize::from(policy.max_out.per_mille()) / 1000).max(1);
        if let Some(step) = chosen.first() {
            let told = format!("{} leaves because {} and {serving} of {count} serve", step.hub, step.reason);
            self.hold(serving >= floor, || format!("{told}: the floor is {floor}"));
            self.hold(count - serving <= most, || format!("{told}: at most {most} may be out"));
        }
        let able = |table: &RoutingTable| table.hubs().filter(|hub| hub.state.takes().is_some()).count();
        let emptied = able(&look.turn.before) > 0 && able(after) == 0;
        self.hold(!emptied, || "the last hub was taken out".into());
        let draining = after.hubs().filter(|hub| kind(hub.state) == 1).map(|hub| hub.location);
        let mut places: Vec<_> = draining.collect();
        places.sort();
        let two = places.windows(2).find(|pair| pair[0] == pair[1]);
        self.hold(two.is_none(), || format!("two drains in {two:?}"));
    }

    /// Panic is for when much is wrong.
    fn panic(&mut self, look: &Look<'_>, positions: &[usize]) {
        if look.turn.before.panic() && !look.turn.after.panic() {
            self.panic_ended = Some(look.now);
        }
        if look.turn.before.panic() || !look.turn.after.panic() {
            return;
        }
        let counted: Vec<_> = positions.iter().filter(|&&hub| !look.wished_out(hub)).collect();
        let ill = |hub: &&&usize| look.hubs[***hub].clean_for(look.now) < FAULT_REMEMBERED;
        let ill = counted.iter().filter(ill).count();
        let enough = ill * 1000 > counted.len() * usize::from(look.control.policy.panic_enter.per_mille());
        self.hold(enough, || format!("panic, and only {ill} of {} hubs had a fault", counted.len()));
    }

    fn step(&mut self, look: &Look<'_>, step: &Step, hub: usize, positions: &[usize]) {
        let (truth, now, policy) = (&look.hubs[hub], look.now, &look.control.policy);
        let told = || format!("{}: {} -> {} because {}", step.hub, step.from, step.to, step.reason);
        let wished = look.wished_out(hub);
        let returns = step.from.takes().is_none() && step.to.takes().is_some();
        self.hold(!(returns && wished), || format!("{}, though it is wanted out", told()));
        if kind(step.to) == 3 && step.from.takes().is_some() {
            let clean = truth.clean_for(now);
            self.hold(clean < FAULT_REMEMBERED, || format!("{}, though well for {clean:?}", told()));
            let forecast = matches!(step.reason, Reason::Forecast(_));
            self.hold(!forecast, || format!("{}: for a forecast", told()));
            let silent = self.seen[hub].is_silent(policy.fall, now);
            let calm = !look.turn.after.panic() || !in_service(step.from);
            self.hold(calm || silent, || format!("{}, in panic", told()));
            let probes = matches!(step.reason, Reason::ProbesFailed { .. }) && truth.is_only_deaf();
            let answers = self.seen[hub].last_answer.is_some_and(|at| now.since(at) < ANSWERED);
            self.hold(!(probes && answers), || format!("{}, though requests are answered", told()));
        }
        if matches!(step.reason, Reason::Slow { .. } | Reason::Overload) {
            let clean = truth.clean_for(now).min(truth.plain_for(now));
            self.hold(clean < SLOWNESS_REMEMBERED, || format!("{}, though well for {clean:?}", told()));
        }
        if let (HubState::Ejected { retry_at, .. }, true) = (step.from, returns) {
            self.return_is_due(look, hub, retry_at, positions, &told());
        }
        self.slow_start(step, look, hub, &told());
        if kind(step.from) == kind(step.to) {
            return;
        }
        self.dwells(look, step, hub, positions, &told());
        self.seen[hub].changed = Some(now);
    }

    /// Did any hub that was in service answer anything lately?
    fn anyone_serves(&self, look: &Look<'_>, positions: &[usize]) -> bool {
        let (before, fall) = (&look.turn.before, look.control.policy.fall);
        before.hubs().any(|hub| {
            hub.state.takes().is_some() && !self.seen[positions[hub.index.get()]].is_silent(fall, look.now)
        })
    }

    /// Who was ejected stays out for the time it was given, unless nobody else can do the work, and has proved itself.
    fn return_is_due(
        &mut self,
        look: &Look<'_>,
        hub: usize,
        retry_at: MonoTime,
        positions: &[usize],
        told: &str,
    ) {
        let policy = &look.control.policy;
        let before = &look.turn.before;
        let most = (before.hubs().len() * usize::from(policy.max_out.per_mille()) / 1000).max(1);
        let serving = before.hubs().filter(|other| {
            in_service(other.state)
                && !self.seen[positions[other.index.get()]].is_silent(policy.fall, look.now)
        });
        let serving = serving.count();
        let short = before.hubs().len() - serving > most || serving < policy.min_serving_hubs.max(1) as usize;
        let ended = self.panic_ended;
        let common = look.turn.after.panic() || self.seen[hub].changed.is_some_and(|at| Some(at) <= ended);
        let due = look.now >= retry_at || common || short;
        self.hold(due, || format!("{told}, before its time"));
        self.hold(self.seen[hub].is_well(policy.rise, look.now), || {
            format!("{told}, though it did not prove itself")
        });
    }

    /// A hub that was ejected gets more step by step.
    fn slow_start(&mut self, step: &Step, look: &Look<'_>, hub: usize, told: &str) {
        let policy = &look.control.policy;
        let started = match (step.from, step.to) {
            (HubState::Recovering { since, .. }, _) | (_, HubState::Recovering { since, .. }) => since,
            (HubState::Ejected { .. }, HubState::Serving { .. }) => look.now,
            _ => return,
        };
        let Some(share) = step.to.takes() else { return };
        let elapsed = look.now.since(started).as_millis();
        let due = elapsed.saturating_mul(1000).checked_div(policy.slow_start.as_millis()).unwrap_or(1000);
        let most = due.max(u128::from(policy.slow_start_from.per_mille()));
        let early = u128::from(share.per_mille()) > most;
        self.hold(!early, || format!("{told}, hub {} being back for {elapsed} ms", hub + 1));
    }

    /// No state is left before the dwell is over, unless the rails say so.
    fn dwells(&mut self, look: &Look<'_>, step: &Step, hub: usize, positions: &[usize], told: &str) {
        let (policy, seen) = (&look.control.policy, &self.seen[hub]);
        let Some(stayed) = seen.changed.map(|since| look.now.since(since)) else { return };
        let wish = look.control.inputs.wishes.get(&step.hub).copied().unwrap_or_default();
        let out = |state: HubState| matches!(kind(state), 2 | 3);
        let asked = match step.to {
            HubState::Draining { cause, .. } => wish.out.is_some() && cause == Cause::Operator,
            HubState::Drained { .. } => wish.out == Some(Leave::Now) || step.from.takes().is_none(),
            HubState::Ejected { .. } => false,
            _ => wish.out.is_none() && is_by_operator(step.from),
        };
        let ends = kind(step.from) == 1 && kind(step.to) >= 2;
        let silent = step.to.takes().is_none() && seen.is_silent(policy.fall, look.now);
        let trial = matches!(step.from, HubState::Recovering { .. })
            && step.to.takes().is_none()
            && seen.has_failed(policy.errors_in_row.min(policy.fall));
        let needed = step.to.takes().is_some() && !self.anyone_serves(look, positions);
        let free = asked || ends || silent || trial || needed || (out(step.from) && out(step.to));
        self.hold(free || stayed >= policy.dwell(), || format!("{told}, after {stayed:?}"));
    }

    /// Hubs that answer nothing do not keep the work while another could do it.
    fn not_dark(&mut self, look: &Look<'_>, positions: &[usize]) {
        let (now, after) = (look.now, &look.turn.after);
        let lit = after
            .hubs()
            .any(|hub| hub.state.takes().is_some() && !look.hubs[positions[hub.index.get()]].is_dead());
        self.dark = if lit { None } else { self.dark.or(Some(now)) };
        let Some(since) = self.dark else { return };
        let ready = after.hubs().find(|hub| {
            let at = positions[hub.index.get()];
            kind(hub.state) == 3
                && !look.wished_out(at)
                && look.hubs[at].clean_for(now).min(now.since(since)).min(now.since(self.away)) > DARK_MOST
        });
        self.hold(ready.is_none(), || {
            format!("nobody serves, though {} could", ready.map_or("", |hub| hub.id.as_str()))
        });
    }

    /// After the last fault: is everything as it should be? Fails when it should be and is not.
    pub fn is_settled(&mut self, control: &Control, since: MonoTime, now: MonoTime) -> bool {
        let (policy, table) = (&control.policy, control.table());
        let out = table.hubs().filter(|hub| !in_service(hub.state)).count();
        let most = (table.hubs().len() * usize::from(policy.max_out.per_mille()) / 1000).max(1);
        let full = out >= most || table.hubs().len() - out <= policy.min_serving_hubs.max(1) as usize;
        let unsettled = table.hubs().find(|hub| {
            let wish = control.inputs.wishes.get(hub.id).copied().unwrap_or_default();
            let weight = wish.weight.unwrap_or(Share::FULL);
            let serves = hub.state == HubState::Serving { weight };
            match wish.out {
                Some(_) => !(hub.state == HubState::Drained { cause: Cause::Operator } || serves && full),
                None => !(serves || weight == Share::NONE && full),
            }
        });
        let told = match (table.panic(), unsettled) {
            (true, _) => "panic".to_owned(),
            (false, Some(hub)) => format!("{} {:?}", hub.id, hub.state),
            (false, None) => return true,
        };
        let patience = policy.ejection.max.max(policy.dwell())
            + policy.slow_start
            + policy.drain_deadline
            + policy.dwell() * 4
            + Duration::from_secs(60);
        self.hold(now.since(since) < patience, || format!("{told} {patience:?} after the last fault"));
        false
    }
}

fn is_by_operator(state: HubState) -> bool {
    match state {
        HubState::Draining { cause, .. } | HubState::Drained { cause } => cause == Cause::Operator,
        _ => false,
    }
}

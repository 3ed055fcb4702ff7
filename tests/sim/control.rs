//! The control loop, in the shape it has in the gateway: the real schedule, judgement, guard rails and publisher; what
//! stands around them is the simulation's.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mcphub_health::{Evidence, ProbeOrder, ProbeReport, ProbeSettings, Schedule};
use mcphub_predictor::{ForecastUse, Inputs, Plan, Policy, Wish, check, decide, report};
use mcphub_routing::{Generation, HubId, MonoTime, Publisher, RoutingTable, Share, TableSpec, channel};

use crate::truth::Meter;

pub const TICK: Duration = Duration::from_secs(1);
/// Nudges are heard at most so often.
pub const NUDGE_GAP: Duration = Duration::from_millis(20);

pub struct Control {
    pub schedule: Schedule,
    pub policy: Policy,
    pub inputs: Inputs,
    publisher: Publisher<RoutingTable>,
    meters: BTreeMap<HubId, Rc<Meter>>,
    looked: MonoTime,
    /// Shall there be another look soon?
    nudged: bool,
}

/// One turn of the loop.
pub struct Turn {
    pub plan: Plan,
    pub before: Arc<RoutingTable>,
    pub after: Arc<RoutingTable>,
}

impl Control {
    pub fn new(spec: &TableSpec, meters: Vec<(HubId, Rc<Meter>)>, policy: Policy, seed: u64) -> Self {
        let table = RoutingTable::build(spec, Generation::FIRST).unwrap();
        let mut control = Self {
            schedule: Schedule::new(seed),
            policy,
            inputs: Inputs::default(),
            publisher: channel(table).0,
            meters: BTreeMap::new(),
            looked: MonoTime::ZERO,
            nudged: true,
        };
        control.adopt(meters, MonoTime::ZERO);
        control
    }

    pub fn table(&self) -> Arc<RoutingTable> {
        self.publisher.current()
    }

    fn adopt(&mut self, meters: Vec<(HubId, Rc<Meter>)>, now: MonoTime) {
        self.meters = meters.into_iter().collect();
        let known: Vec<_> = self.schedule.hubs().cloned().collect();
        for gone in known.iter().filter(|id| !self.meters.contains_key(*id)) {
            self.schedule.remove(gone);
        }
        for id in self.meters.keys() {
            self.schedule.add(id.clone(), ProbeSettings::default(), now);
        }
        self.inputs.evidence.retain(|id, _| self.meters.contains_key(id));
        self.nudged = true;
    }

    /// Another configuration: hubs that stay keep their states. An impossible one changes nothing.
    pub fn reload(&mut self, mut spec: TableSpec, meters: Vec<(HubId, Rc<Meter>)>, now: MonoTime) -> bool {
        let before = self.table();
        for hub in &mut spec.hubs {
            let known = before.find(hub.id.as_str()).and_then(|index| before.hub(index));
            if let Some(known) = known {
                (hub.state, hub.health, hub.eras) = (known.state, known.health, known.eras);
            }
        }
        let next = before.generation().next();
        let Ok(table) = RoutingTable::build(&spec, next) else { return false };
        let table = table.revise().panic(before.panic()).build(next);
        self.publisher.publish_after(before.generation(), table).unwrap();
        self.adopt(meters, now);
        true
    }

    /// A request to this hub failed.
    pub fn failed(&mut self, hub: &HubId, now: MonoTime) {
        self.schedule.suspect(hub, now);
        self.nudged = true;
    }

    /// A probe has ended. A failure is acted on at once; a pass can wait for the tick.
    pub fn ended(&mut self, hub: &HubId, probe: &ProbeReport) {
        self.schedule.ended(hub, probe);
        self.nudged |= probe.outcome.is_failure();
    }

    /// The operator has another wish.
    pub fn wish(&mut self, hub: &HubId) -> &mut Wish {
        self.nudged = true;
        self.inputs.wishes.entry(hub.clone()).or_default()
    }

    /// When to look again before the next tick.
    pub fn look_at(&self, now: MonoTime) -> Option<MonoTime> {
        let nudged = self.nudged.then(|| self.looked.after(NUDGE_GAP));
        let look = nudged.into_iter().chain(self.schedule.wake_at()).min()?;
        Some(look.max(now))
    }

    /// Sends the probes that are due, gathers what is known of all hubs or of those that something is odd about, and
    /// decides; between ticks only where something is odd or somebody asked for it.
    pub fn look(&mut self, all: bool, now: MonoTime) -> (Vec<ProbeOrder>, Option<Result<Turn, String>>) {
        let nudged = std::mem::take(&mut self.nudged);
        self.looked = now;
        let orders = self.schedule.due(now);
        let odd = self.schedule.doubts(now) || self.inputs.evidence.values().any(Evidence::speaks_against);
        if !(all || nudged || odd) {
            return (orders, None);
        }
        for (id, meter) in &self.meters {
            let Some(ledger) = self.schedule.ledger(id) else { continue };
            let troubled = self.inputs.evidence.get(id).is_some_and(Evidence::speaks_against);
            if all || troubled || self.schedule.is_doubted(id, now) {
                let evidence = Evidence::gather(&meter.recorder, ledger, meter.in_flight.get(), now);
                self.inputs.evidence.insert(id.clone(), evidence);
            }
        }
        (orders, Some(self.decide(now)))
    }

    fn decide(&mut self, now: MonoTime) -> Result<Turn, String> {
        let before = self.table();
        let plan = decide(&before, &self.inputs, &self.policy, now);
        let text = |plan: &Plan| report(plan, &before);
        if plan.changes(&before) {
            let checked = check(plan.clone(), &before, &self.inputs, &self.policy);
            let checked = checked.map_err(|flaw| format!("check refuses: {flaw}\n{}", text(&plan)))?;
            let next = checked.apply(&before).map_err(|e| format!("{e}\n{}", text(&plan)))?;
            let seen = before.generation();
            self.publisher.publish_after(seen, next).map_err(|e| e.to_string())?;
            self.inputs.memory = plan.memory.clone();
            self.settle(&before, now)?;
        } else {
            self.inputs.memory = plan.memory.clone();
        }
        Ok(Turn { plan, before, after: self.table() })
    }

    /// After a change: what returns starts afresh, a stale plan is refused, and deciding again changes nothing.
    fn settle(&mut self, before: &RoutingTable, now: MonoTime) -> Result<(), String> {
        let table = self.table();
        for (old, new) in before.hubs().zip(table.hubs()) {
            if old.state.takes().is_none()
                && new.state.takes().is_some()
                && let Some(meter) = self.meters.get(new.id)
            {
                meter.recorder.forget_failures(now);
            }
        }
        let old = before.revise().build(table.generation().next());
        if self.publisher.publish_after(before.generation(), old).is_ok() {
            return Err("a plan drawn from an older generation was published".into());
        }
        let again = decide(&table, &self.inputs, &self.policy, now);
        if again.changes(&table) {
            return Err(format!("deciding twice changes something:\n{}", report(&again, &table)));
        }
        Ok(())
    }
}

/// The policy that a script sets.
pub fn policy(settings: &[(String, u64)]) -> Result<Policy, String> {
    let mut policy = Policy { drain_deadline: Duration::from_secs(10), ..Policy::default() };
    for (field, value) in settings {
        let (time, share) =
            (Duration::from_millis(*value), Share::saturating(u16::try_from(*value).unwrap_or(u16::MAX)));
        match field.as_str() {
            "floor" => policy.min_serving_hubs = u32::try_from(*value).unwrap_or(u32::MAX),
            "max_out" => policy.max_out = share,
            "dwell" => policy.dwell = time,
            "slow_start" => policy.slow_start = time,
            "ejection" => policy.ejection.base = time,
            "ejection_max" => policy.ejection.max = time,
            "drain" => policy.drain_deadline = time,
            "forecasts" if *value > 0 => policy.forecast.mode = ForecastUse::Act,
            "forecasts" => {}
            _ => return Err(format!("there is no setting {field}")),
        }
    }
    Ok(policy)
}

//! The gateway: the real schedule, recorder, judgement, guard rails and choice; what stands around them is made up.

use std::time::Duration;

use mcphub_health::{Evidence, Outcome, ProbeReport, ProbeSettings, Recorder, Schedule};
use mcphub_predictor::{Forecast, Inputs, Policy, Verdicts, check, decide, report};
use mcphub_routing::{
    Algorithm, Era, Generation, HubId, HubSpec, HubState, HubType, LocationName, MonoTime, NoLoads,
    PlaceIndex, PlaceResidency, PlaceSpec, Reach, RouteQuery, RoutingTable, Share, TableSpec, select,
};

use crate::days::{Dice, HORIZON_MS, HUBS};
use crate::life::{Condition, Proxy, Scene, Standing};

/// Requests that are noted down in one step, at most: what is judged by is a sample.
const NOTED: f64 = 12.0;
/// Placements that tell where requests go.
const PLACED: u64 = 240;
const ANSWER: Duration = Duration::from_millis(20);

pub struct Edge {
    table: RoutingTable,
    policy: Policy,
    inputs: Inputs,
    schedule: Schedule,
    hubs: Vec<(HubId, Recorder)>,
    shares: [f64; HUBS],
    dice: Dice,
    /// Probes without an answer, and when they are given up.
    waiting: Vec<(u64, HubId, ProbeReport)>,
}

impl Edge {
    pub fn new(policy: Policy, seed: u64) -> Self {
        let name = |number: usize| HubId::new(&format!("hub-{number}")).unwrap();
        let spec = |number: usize| {
            let location = LocationName::new(&format!("place-{number}")).unwrap();
            HubSpec::new(name(number), HubType::Primary, location)
        };
        let reach = vec![Reach { cost_ms: 1, within_radius: false }; HUBS];
        let place = PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach };
        let spec = TableSpec {
            algorithm: Algorithm::RoundRobin,
            hubs: (0..HUBS).map(spec).collect(),
            residencies: vec![],
            places: vec![place],
        };
        let mut schedule = Schedule::new(seed);
        (0..HUBS).for_each(|hub| schedule.add(name(hub), ProbeSettings::default(), MonoTime::ZERO));
        let mut edge = Self {
            table: RoutingTable::build(&spec, Generation::FIRST).unwrap(),
            policy,
            inputs: Inputs { seed, ..Inputs::default() },
            schedule,
            hubs: (0..HUBS).map(|hub| (name(hub), Recorder::default())).collect(),
            shares: [0.0; HUBS],
            dice: Dice::new(seed ^ 1),
            waiting: vec![],
        };
        edge.place();
        edge
    }

    /// Where requests go by the present table.
    fn place(&mut self) {
        let mut counts = [0.0; HUBS];
        for turn in 0..PLACED {
            let query = RouteQuery { turn, ..RouteQuery::new(PlaceIndex::new(0), Era::Modern, &NoLoads) };
            if let Some(hub) = select(&self.table, &query).hub() {
                counts[hub.get()] += 1.0 / PLACED as f64;
            }
        }
        self.shares = counts;
    }

    /// Sends the probes that are due; hubs that hang leave them without an answer.
    fn probe(&mut self, scene: &Scene<'_>, now: MonoTime) {
        let ended: Vec<_> = self.waiting.extract_if(.., |(at, ..)| *at <= scene.now).collect();
        ended.iter().for_each(|(_, hub, report)| self.schedule.ended(hub, report));
        for order in self.schedule.due(now) {
            let hub = self.hubs.iter().position(|(id, _)| *id == order.hub).unwrap();
            let (outcome, took) = match scene.hubs[hub] {
                Condition::Answers(errors) if self.dice.part() < errors => (Outcome::Http5xx, ANSWER),
                Condition::Answers(_) => (Outcome::Ok, ANSWER),
                Condition::Refuses => (Outcome::ConnectError, Duration::from_millis(1)),
                Condition::Hangs => (Outcome::Timeout, order.timeout),
            };
            let report = ProbeReport { id: order.id, outcome, latency: took, eras: None, boot: None };
            if outcome == Outcome::Timeout {
                self.waiting.push((scene.now + took.as_millis() as u64, order.hub, report));
            } else {
                self.schedule.ended(&order.hub, &report);
            }
        }
    }

    /// Notes what came of some of the requests. Those that hang have come to nothing yet.
    fn note(&mut self, scene: &Scene<'_>, now: MonoTime) {
        for (hub, (id, recorder)) in self.hubs.iter().enumerate() {
            for _ in 0..scene.traffic[hub].min(NOTED).round() as u32 {
                let outcome = match scene.hubs[hub] {
                    Condition::Answers(errors) if self.dice.part() < errors => Outcome::Http5xx,
                    Condition::Answers(_) => Outcome::Ok,
                    Condition::Refuses => Outcome::ConnectError,
                    Condition::Hangs => continue,
                };
                recorder.record(outcome, ANSWER, None, now);
                if outcome.is_failure() {
                    self.schedule.suspect(id, now);
                }
            }
        }
    }

    fn gather(&mut self, scene: &Scene<'_>, now: MonoTime) {
        for (hub, (id, recorder)) in self.hubs.iter().enumerate() {
            let ledger = self.schedule.ledger(id).unwrap();
            self.inputs.evidence.insert(id.clone(), Evidence::gather(recorder, ledger, 0, now));
            let base_rate = Share::saturating(scene.base_rate);
            let probability = scene.foretold[hub].map_or(base_rate, |f| Share::saturating(f.probability));
            let horizon = Duration::from_millis(HORIZON_MS);
            let forecast = Forecast { base_rate, ..Forecast::new(probability, horizon) };
            self.inputs.forecasts.insert(id.clone(), forecast);
            self.inputs.pins.insert(id.clone(), scene.sessions[hub] as u64);
        }
    }

    fn decide(&mut self, now: MonoTime) {
        let plan = decide(&self.table, &self.inputs, &self.policy, now);
        let memory = plan.memory.clone();
        for (id, _) in &self.hubs {
            self.schedule.watch(id, memory.of(id).watched, now);
        }
        if !plan.changes(&self.table) {
            self.inputs.memory = memory;
            return;
        }
        let told = report(&plan, &self.table);
        let checked = check(plan, &self.table, &self.inputs, &self.policy);
        let checked = checked.unwrap_or_else(|flaw| panic!("{flaw}\n{told}"));
        let next = checked.apply(&self.table).unwrap();
        self.inputs.memory = memory;
        for (old, new) in self.table.hubs().zip(next.hubs()) {
            if old.state.takes().is_none() && new.state.takes().is_some() {
                self.hubs[new.index.get()].1.forget_failures(now);
            }
        }
        self.table = next;
        self.place();
    }
}

impl Proxy for Edge {
    fn look(&mut self, scene: &Scene<'_>) -> Option<u64> {
        // Never zero: that is before anything.
        let now = MonoTime::from_millis(scene.now + 1);
        self.note(scene, now);
        self.probe(scene, now);
        self.gather(scene, now);
        self.decide(now);
        self.schedule.wake_at().map(|wake| wake.as_nanos().div_ceil(1_000_000).saturating_sub(1))
    }

    fn standings(&self) -> [Standing; HUBS] {
        std::array::from_fn(|hub| {
            let state = self.table.hubs().nth(hub).unwrap().state;
            let weight = state.takes().map_or(0.0, |share| f64::from(share.per_mille()) / 1000.0);
            // A session leaves a hub that drains with its next request.
            let keeps = matches!(state, HubState::Serving { .. } | HubState::Recovering { .. });
            Standing { share: self.shares[hub], weight, keeps }
        })
    }

    fn alarms(&self) -> [u64; 3] {
        let tally = self.inputs.memory.alarms.tally();
        let sum = |of: fn(&Verdicts) -> u64| of(&tally.acted) + of(&tally.idle) + of(&tally.held_out);
        [sum(|v| v.right), sum(|v| v.wrong), sum(|v| v.unknown)]
    }
}

//! The world of a story: hubs that behave as the script says, a clock, and the control loop around them.
#![allow(unreachable_pub)] // One test's module.

mod evidence;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use mcphub_predictor::model::Kind;
use mcphub_predictor::{
    DWELL_MIN, FailureType, Forecast, ForecastUse, Inputs, Leave, Plan, Policy, Reason, Step, Wish, check,
    decide, report,
};
use mcphub_routing::{
    Algorithm, Generation, HubId, HubSpec, HubState, HubType, LocationName, MonoTime, PlaceResidency,
    PlaceSpec, Reach, RoutingTable, Share, TableSpec,
};

use evidence::{Behaviour, Life};

/// Everything there is.
#[derive(Default)]
pub struct World {
    hubs: Vec<(HubId, LocationName)>,
    lives: BTreeMap<HubId, Life>,
    table: Option<RoutingTable>,
    inputs: Inputs,
    policy: Policy,
    now: u64,
    steps: usize,
    last: String,
    /// Reports since this was last taken.
    pub told: String,
}

fn id(name: &str) -> HubId {
    HubId::new(name).unwrap()
}

fn percent(text: &str) -> Share {
    Share::from_per_mille(text.parse::<u16>().unwrap() * 10).unwrap()
}

fn serves(state: HubState) -> bool {
    state.takes().is_some_and(|share| share > Share::NONE)
}

impl World {
    fn time(&self) -> MonoTime {
        // The gateway is an hour old when a story begins.
        MonoTime::from_millis((3600 + self.now) * 1000)
    }

    /// Does what one line of the script says.
    pub fn obey(&mut self, words: &[&str], place: &str) {
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{place}: a number"));
        match *words {
            ["hub", name, location] => {
                self.hubs.push((id(name), LocationName::new(location).unwrap()));
                self.lives.insert(id(name), Life::default());
            }
            ["set", field, value] => self.set(field, value, place),
            ["at", until] => {
                while self.now < number(until) {
                    self.now += 1;
                    self.tick();
                }
            }
            ["jump", seconds] => self.now += number(seconds),
            ["drain", name] => self.wish(name).out = Some(Leave::Drain { deadline: None }),
            ["drain", name, seconds] => {
                let deadline = Some(Duration::from_secs(number(seconds)));
                self.wish(name).out = Some(Leave::Drain { deadline });
            }
            ["out", name] => self.wish(name).out = Some(Leave::Now),
            ["undrain", name] => self.wish(name).out = None,
            ["weight", name, share] => self.wish(name).weight = Some(percent(share)),
            ["pins", name, count] => {
                self.inputs.pins.insert(id(name), number(count));
            }
            ["forecast", name, share] => {
                self.inputs.forecasts.insert(id(name), forecast(percent(share)));
            }
            ["reload", "without", name] => self.reload(name),
            [name, ref behaviour @ ..] => {
                let now = self.now;
                let life = self.lives.get_mut(&id(name)).unwrap_or_else(|| panic!("{place}: unknown"));
                match behaviour {
                    ["lies"] => life.lies = true,
                    ["honest"] => life.lies = false,
                    _ => {
                        let behaviour = Behaviour::parse(behaviour);
                        life.begin(behaviour.unwrap_or_else(|| panic!("{place}: unknown")), now);
                    }
                }
            }
            [] => {}
        }
    }

    fn set(&mut self, field: &str, value: &str, place: &str) {
        let number = || value.parse::<u32>().unwrap_or_else(|_| panic!("{place}: a number"));
        let seconds = || Duration::from_secs(u64::from(number()));
        let policy = &mut self.policy;
        match field {
            "floor" => policy.min_serving_hubs = number(),
            "max_out" => policy.max_out = percent(value),
            "dwell" => policy.dwell = seconds().max(DWELL_MIN),
            "slow_start" => policy.slow_start = seconds(),
            "drain" => policy.drain_deadline = seconds(),
            "forecasts" if value == "act" => policy.forecast.mode = ForecastUse::Act,
            "hold_out" => policy.forecast.hold_out = percent(value),
            "out_share" => policy.forecast.out_share = percent(value),
            _ => panic!("{place}: unknown"),
        }
    }

    fn wish(&mut self, name: &str) -> &mut Wish {
        self.inputs.wishes.entry(id(name)).or_default()
    }

    fn spec(&self) -> TableSpec {
        let state = |hub: &HubId| {
            let table = self.table.as_ref()?;
            Some(table.hub(table.find(hub.as_str())?)?.state)
        };
        let spec = |(hub, location): &(HubId, LocationName)| HubSpec {
            state: state(hub).unwrap_or(HubState::SERVING),
            ..HubSpec::new(hub.clone(), HubType::Primary, location.clone())
        };
        let reach = vec![Reach { cost_ms: 1, within_radius: false }; self.hubs.len()];
        let place = PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach };
        let hubs = self.hubs.iter().map(spec).collect();
        TableSpec { algorithm: Algorithm::Geographic, hubs, residencies: vec![], places: vec![place] }
    }

    fn reload(&mut self, without: &str) {
        self.hubs.retain(|(hub, _)| hub.as_str() != without);
        let old = self.table.as_ref().unwrap();
        let next = RoutingTable::build(&self.spec(), old.generation().next()).unwrap();
        self.table = Some(next.revise().panic(old.panic()).build(next.generation()));
    }

    /// One turn of the control loop.
    fn tick(&mut self) {
        let table = match self.table.take() {
            Some(table) => table,
            None => RoutingTable::build(&self.spec(), Generation::FIRST).unwrap(),
        };
        let (now, at) = (self.time(), self.now);
        for hub in table.hubs() {
            let life = self.lives.get_mut(hub.id).unwrap();
            self.inputs.evidence.insert(hub.id.clone(), life.live(serves(hub.state), at, now));
        }
        let plan = decide(&table, &self.inputs, &self.policy, now);
        self.tell(&plan, &table);
        self.steps += plan.steps.len();
        let checked = check(plan.clone(), &table, &self.inputs, &self.policy);
        let checked = checked.unwrap_or_else(|flaw| panic!("at {at}: {flaw:?}"));
        let next = if plan.changes(&table) { checked.apply(&table).unwrap() } else { table };
        self.guard(&plan, &next);
        self.inputs.memory = plan.memory;
        let again = decide(&next, &self.inputs, &self.policy, now);
        assert!(!again.changes(&next), "deciding twice at {at}:\n{}", report(&again, &next));
        self.table = Some(next);
    }

    /// Writes down a report unless it says what the one before said.
    fn tell(&mut self, plan: &Plan, table: &RoutingTable) {
        let report = report(plan, table);
        let said: Vec<_> =
            plan.declined.iter().map(|d| (&d.step.hub, d.step.to.as_str(), d.objection)).collect();
        let nothing = said.is_empty() && plan.strangers.is_empty();
        let gist = if nothing { String::new() } else { format!("{said:?} {:?}", plan.strangers) };
        let ramp =
            |step: &Step| step.reason == Reason::SlowStart && matches!(step.to, HubState::Recovering { .. });
        let news = !plan.alarms.is_empty()
            || plan.panic != table.panic()
            || plan.steps.iter().any(|step| !ramp(step));
        if news || gist != self.last {
            let _ = write!(self.told, "[{:>3} s] {report}", self.now);
        }
        self.last = gist;
    }

    /// The guard rails, counted apart from the control loop.
    fn guard(&self, plan: &Plan, next: &RoutingTable) {
        let hard =
            |step: &Step| matches!(step.reason, Reason::ProbesFailed { .. } | Reason::RequestsFailed { .. });
        let soft = plan.steps.iter().filter(|s| serves(s.from) && !serves(s.to) && !hard(s)).count();
        let serving = next.hubs().filter(|hub| serves(hub.state)).count();
        let most = (next.hubs().len() * usize::from(self.policy.max_out.per_mille()) / 1000).max(1);
        assert!(serving > 0, "at {}: nobody is left", self.now);
        if soft > 0 {
            assert!(serving >= self.policy.min_serving_hubs as usize, "at {}: the floor", self.now);
            assert!(next.hubs().len() - serving <= most, "at {}: the share", self.now);
        }
        let mut draining: Vec<_> =
            next.hubs().filter(|hub| hub.state.as_str() == "draining").map(|hub| hub.location).collect();
        let count = draining.len();
        draining.sort();
        draining.dedup();
        assert_eq!(draining.len(), count, "at {}: two drains in one location", self.now);
    }

    /// Asserts what a script expects.
    pub fn expect(&self, words: &[&str], place: &str) {
        let table = self.table.as_ref().unwrap();
        let state = |name: &str| table.hub(table.find(name).unwrap()).unwrap().state;
        match *words {
            ["panic"] => assert!(table.panic(), "{place}"),
            ["calm"] => assert!(!table.panic(), "{place}"),
            ["steps", count] => assert_eq!(self.steps.to_string(), count, "{place}"),
            [name, "below", share] => {
                assert!(
                    state(name).takes().is_none_or(|takes| takes < percent(share)),
                    "{place}: {:?}",
                    state(name)
                );
            }
            [name, "full"] => assert_eq!(state(name), HubState::SERVING, "{place}"),
            [name, expected] => assert_eq!(state(name).as_str(), expected, "{place}: it is {}", state(name)),
            _ => panic!("{place}: unknown"),
        }
    }

    /// How all hubs are.
    pub fn summary(&self) -> String {
        let table = self.table.as_ref().unwrap();
        let hubs: Vec<_> = table.hubs().map(|hub| format!("{} {}", hub.id, hub.state)).collect();
        let panic = if table.panic() { ", in panic" } else { "" };
        format!("{}{panic}; {} steps", hubs.join(", "), self.steps)
    }
}

fn forecast(probability: Share) -> Forecast {
    let failure_type = FailureType::Known(Kind::Overload);
    Forecast { failure_type, ..Forecast::new(probability, Duration::from_secs(600)) }
}

//! What is done for a forecast, how far it goes, and how it ends.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod fleet;

use std::time::Duration;

use fleet::*;
use mcphub_predictor::Step;
use mcphub_predictor::*;
use mcphub_routing::*;

/// A fleet of well hubs, turn after turn.
struct Loop {
    table: RoutingTable,
    inputs: Inputs,
    policy: Policy,
    now: MonoTime,
}

impl Loop {
    fn new(hubs: &[&str], policy: Policy) -> Self {
        let states: Vec<_> = hubs.iter().map(|name| (*name, SERVING)).collect();
        let evidence = hubs.iter().map(|name| (name.split('@').next().unwrap(), well())).collect();
        Self { table: table(&states), inputs: inputs(evidence), policy, now: NOW }
    }

    /// One turn, of which a second must change nothing.
    fn turn(&mut self) -> Plan {
        for evidence in self.inputs.evidence.values_mut() {
            let past = self.now.since(evidence.at);
            evidence.at = self.now;
            let shift = |at: Option<MonoTime>| at.map(|at| at.after(past));
            evidence.probes.last_pass = shift(evidence.probes.last_pass);
            evidence.probes.last_end = shift(evidence.probes.last_end);
            evidence.passive.last_answer = shift(evidence.passive.last_answer);
            evidence.passive.last_failure = shift(evidence.passive.last_failure);
        }
        let plan = decide(&self.table, &self.inputs, &self.policy, self.now);
        let checked = check(plan.clone(), &self.table, &self.inputs, &self.policy).unwrap();
        self.table = checked.apply(&self.table).unwrap();
        self.inputs.memory = plan.memory.clone();
        let again = decide(&self.table, &self.inputs, &self.policy, self.now);
        assert!(!again.changes(&self.table) && again.alarms.is_empty(), "{}", report(&again, &self.table));
        assert_eq!(again.memory, self.inputs.memory);
        let more = |plan: &Plan| measures(plan).into_iter().filter(|(_, more)| *more).count();
        assert_eq!(more(&again), more(&plan));
        plan
    }

    fn expect(&mut self, hub: &str, probability: u16) -> Plan {
        self.inputs.forecasts.insert(id(hub), forecast(probability));
        self.turn()
    }

    fn later(&mut self, seconds: u64) -> Plan {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.turn()
    }

    fn state(&self, hub: &str) -> HubState {
        state(&self.table, hub)
    }
}

/// What a relieved hub is.
fn half() -> HubState {
    HubState::Serving { weight: Share::saturating(500) }
}

fn objections(plan: &Plan) -> Vec<(&str, Objection)> {
    plan.declined.iter().map(|declined| (declined.step.hub.as_str(), declined.objection)).collect()
}

fn measures(plan: &Plan) -> Vec<(&str, bool)> {
    plan.precautions.iter().map(|p| (p.hub.as_str(), p.measure == Measure::ProbeMore)).collect()
}

#[test]
fn each_band_does_what_it_says_and_all_of_it_ends() {
    let mut fleet = Loop::new(&["a", "b", "c", "d"], acting());
    assert_eq!(measures(&fleet.expect("a", 50)), [("a", true)]);
    assert_eq!(fleet.state("a"), SERVING);
    let plan = fleet.expect("a", 150);
    assert_eq!(fleet.state("a"), half());
    assert_eq!(measures(&plan), [("a", true), ("b", false)], "the next is kept ready");
    assert_eq!(plan.alarms.len(), 1);
    fleet.later(15);
    fleet.expect("a", 600);
    assert_eq!(fleet.state("a").as_str(), "draining");
    fleet.later(15);
    assert_eq!(fleet.expect("a", 60).steps, [], "what has begun ends further down");
    let plan = fleet.expect("a", 0);
    assert_eq!((fleet.state("a"), plan.precautions.len()), (SERVING, 0));
    let plan = fleet.later(600);
    assert_eq!(plan.alarms[0].verdict, Some(AlarmVerdict::Unknown), "we acted");
    assert_eq!(plan.memory.alarms.tally().acted.unknown, 1);
}

#[test]
fn a_forecast_that_vanishes_releases_what_it_caused() {
    for (probability, caused) in [(150, "serving"), (900, "draining")] {
        let mut fleet = Loop::new(&["a", "b", "c"], acting());
        fleet.expect("a", probability);
        assert_eq!((fleet.state("a").as_str(), fleet.state("a") == SERVING), (caused, false));
        fleet.inputs.forecasts.clear();
        fleet.later(15);
        assert_eq!(fleet.state("a"), SERVING);
    }
}

#[test]
fn a_forecast_alone_drains_only_if_it_is_likelier_than_not() {
    let mut fleet = Loop::new(&["a", "b", "c"], acting());
    fleet.expect("a", 499);
    assert_eq!(fleet.state("a"), half());
    let mut doubtful = failing(30);
    doubtful.passive.short = mcphub_health::Window::of(&[
        (mcphub_health::Outcome::Ok, 970),
        (mcphub_health::Outcome::Http5xx, 30),
    ]);
    fleet.inputs.evidence.insert(id("a"), doubtful);
    fleet.later(15);
    assert_eq!(fleet.state("a").as_str(), "draining", "its requests say so too");
}

#[test]
fn a_fleet_that_is_all_expected_to_fail_is_left_alone_for_the_most_part() {
    for floor in 1..=4 {
        let policy = Policy { min_serving_hubs: floor, ..acting() };
        let mut fleet = Loop::new(&["a@1", "b@2", "c@3", "d@4"], policy);
        for hub in ["a", "b", "c", "d"] {
            fleet.inputs.forecasts.insert(id(hub), forecast(1000));
        }
        for _ in 0..200 {
            fleet.later(15);
            let untouched = fleet.table.hubs().filter(|hub| hub.state == SERVING).count();
            assert!(untouched >= 2.max(floor as usize), "{untouched} of floor {floor}");
            let out = fleet.table.hubs().filter(|hub| hub.state.takes().is_none()).count();
            assert!(out <= 1, "a fifth of the hubs, or one");
        }
    }
}

#[test]
fn nothing_is_done_where_nothing_may_be() {
    let check = |change: fn(&mut Policy), expected: &[Objection]| {
        let mut policy = acting();
        change(&mut policy);
        let mut fleet = Loop::new(&["a", "b", "c"], policy);
        let plan = fleet.expect("a", 900);
        let found: Vec<_> = objections(&plan).into_iter().map(|(_, objection)| objection).collect();
        assert_eq!((found.as_slice(), fleet.state("a"), plan.precautions.len()), (expected, SERVING, 0));
    };
    check(|policy| policy.forecast.mode = ForecastUse::Advise, &[Objection::AdviseOnly]);
    check(|policy| policy.forecast.mode = ForecastUse::Off, &[]);
    check(|policy| policy.forecast.hold_out = Share::FULL, &[Objection::HeldOut]);
    let mut fleet = Loop::new(&["a", "b", "c"], acting());
    let unsure = Forecast { confidence: Share::saturating(300), ..forecast(1000) };
    fleet.inputs.forecasts.insert(id("a"), unsure);
    assert_eq!((fleet.turn().steps.len(), fleet.state("a")), (0, SERVING), "too little to go by");
}

#[test]
fn alarms_that_come_to_nothing_are_heard_less_often() {
    let mut fleet = Loop::new(&["a", "b", "c"], acting());
    fleet.inputs.forecasts.insert(id("a"), forecast(150));
    let (mut raised, mut relieved) = (0, 0);
    for _ in 0..4 * 60 * 47 {
        raised += fleet.later(15).alarms.iter().filter(|event| event.verdict.is_none()).count();
        relieved += usize::from(fleet.state("a") == half());
    }
    assert_eq!(raised, 2, "within almost two days");
    assert!((70..=90).contains(&relieved), "for their horizons only: {relieved}");
    assert_eq!(fleet.state("a"), SERVING);
    assert_eq!(objections(&fleet.later(15)), [("a", Objection::AlarmBudget)]);
}

#[test]
fn the_rails_say_it_again_in_their_own_words() {
    let table = table(&[("a", SERVING), ("b", SERVING), ("c", SERVING), ("d", SERVING)]);
    let policy = acting();
    let mut inputs = inputs(["a", "b", "c", "d"].map(|hub| (hub, well())).to_vec());
    for hub in ["a", "b", "c", "d"] {
        inputs.forecasts.insert(id(hub), forecast(900));
    }
    let drawn = decide(&table, &inputs, &policy, NOW);
    let flaw = |hubs: &[&str], to: HubState, probability: u16, policy: &Policy| {
        let step = |hub: &&str| Step {
            hub: id(hub),
            from: SERVING,
            to,
            reason: Reason::Forecast(forecast(probability).outlook()),
        };
        let mut plan = Plan { steps: hubs.iter().map(step).collect(), ..drawn.clone() };
        for hub in ["a", "b", "c", "d"] {
            let memory = HubMemory { relieved: hubs.contains(&hub) && to == half(), ..HubMemory::default() };
            plan.memory.hubs.insert(id(hub), memory);
        }
        check(plan, &table, &inputs, policy).err()
    };
    let ejected = HubState::Ejected { retry_at: NOW, strikes: 1 };
    let draining = HubState::Draining { deadline: NOW, cause: Cause::Forecast };
    assert_eq!(flaw(&["a"], draining, 900, &policy), None);
    assert_eq!(flaw(&["a"], half(), 150, &policy), None);
    assert_eq!(flaw(&["a"], ejected, 1000, &policy), Some(Flaw::ForecastEjects(id("a"))));
    assert_eq!(flaw(&["a"], draining, 499, &policy), Some(Flaw::ForecastTooWeak(id("a"))));
    assert_eq!(flaw(&["a"], half(), 99, &policy), Some(Flaw::ForecastTooWeak(id("a"))));
    let share = Flaw::ForecastShare { out: 2, hubs: 4, most: 1 };
    assert_eq!(flaw(&["a", "b"], draining, 900, &policy), Some(share));
    let touches = |untouched, floor| Some(Flaw::ForecastTouches { untouched, floor });
    assert_eq!(flaw(&["a", "b", "c"], half(), 900, &policy), touches(1, 1));
    let floor = Policy { min_serving_hubs: 4, ..policy.clone() };
    assert_eq!(flaw(&["a"], half(), 900, &floor), touches(3, 4));
    let mut advising = policy.clone();
    advising.forecast.mode = ForecastUse::Advise;
    assert_eq!(flaw(&["a"], half(), 900, &advising), Some(Flaw::ForecastMayNot(id("a"))));
    let mut held_out = policy;
    held_out.forecast.hold_out = Share::FULL;
    let drawn = decide(&table, &inputs, &held_out, NOW);
    let outlook = forecast(900).outlook();
    let step = Step { hub: id("a"), from: SERVING, to: draining, reason: Reason::Forecast(outlook) };
    let plan = Plan { steps: vec![step], ..drawn };
    assert_eq!(check(plan, &table, &inputs, &held_out).unwrap_err(), Flaw::ForecastMayNot(id("a")));
}

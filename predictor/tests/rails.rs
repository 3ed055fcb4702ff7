//! Each guard rail by itself: what `check` refuses, and that `decide` declines it first.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod fleet;

use std::time::Duration;

use fleet::*;
use mcphub_health::Outcome;
use mcphub_predictor::Step;
use mcphub_predictor::*;
use mcphub_routing::*;

/// A plan of these steps.
fn plan(table: &RoutingTable, steps: &[(&str, HubState, Reason)]) -> Plan {
    let step = |&(hub, to, reason): &(&str, HubState, Reason)| Step {
        hub: id(hub),
        from: state(table, hub),
        to,
        reason,
    };
    Plan { at: NOW, steps: steps.iter().map(step).collect(), ..Plan::nothing(table) }
}

const RATE: Reason = Reason::ErrorRate { rate: Share::FULL, peers: None, sample: 100 };

fn refused(plan: Plan, table: &RoutingTable, inputs: &Inputs, policy: &Policy) -> Flaw {
    check(plan, table, inputs, policy).unwrap_err()
}

fn objections(plan: &Plan) -> Vec<(&str, Objection)> {
    plan.declined.iter().map(|declined| (declined.step.hub.as_str(), declined.objection)).collect()
}

#[test]
fn the_floor_holds() {
    let table = table(&[("a", SERVING), ("b", SERVING), ("c", SERVING)]);
    let policy = Policy { min_serving_hubs: 3, ..Policy::default() };
    let inputs = inputs(vec![("a", failing(200)), ("b", well()), ("c", well())]);
    let flawed = plan(&table, &[("a", ejected(), RATE)]);
    assert_eq!(refused(flawed, &table, &inputs, &policy), Flaw::Floor { serving: 2, floor: 3 });
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert_eq!((drawn.steps.len(), objections(&drawn)), (0, vec![("a", Objection::Floor)]));
    let lower = Policy { min_serving_hubs: 2, ..policy };
    assert_eq!(decide(&table, &inputs, &lower, NOW).steps.len(), 1);
}

#[test]
fn the_share_holds() {
    let table = table(&[("a", SERVING), ("b", DRAINED), ("c", SERVING)]);
    let policy = Policy::default();
    let mut inputs = inputs(vec![("a", failing(200)), ("c", well())]);
    inputs.wishes.insert(id("b"), drain());
    let flawed = plan(&table, &[("a", ejected(), RATE)]);
    let expected = Flaw::MaxOut { out: 2, hubs: 3, most: 1 };
    assert_eq!(refused(flawed, &table, &inputs, &policy), expected);
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert_eq!((drawn.steps.len(), objections(&drawn)), (0, vec![("a", Objection::MaxOut)]));
}

#[test]
fn one_drain_in_each_location() {
    let table = table(&[("a@x", draining()), ("b@x", SERVING), ("c@y", SERVING), ("d@y", SERVING)]);
    let policy = Policy::default();
    let mut inputs = Inputs::default();
    for hub in ["a", "b", "c"] {
        inputs.wishes.insert(id(hub), drain());
    }
    let flawed = plan(&table, &[("b", draining(), Reason::Operator)]);
    let expected = Flaw::LocationDraining(LocationName::new("x").unwrap());
    assert_eq!(refused(flawed, &table, &inputs, &policy), expected);
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert_eq!(objections(&drawn), [("b", Objection::LocationDraining)]);
    let steps: Vec<_> = drawn.steps.iter().map(|step| step.hub.as_str()).collect();
    assert_eq!(steps, ["c"], "another location drains beside it");
}

#[test]
fn the_dwell_holds() {
    let table = table(&[("a", SERVING), ("b", SERVING), ("c", SERVING)]);
    let policy = Policy::default();
    let mut inputs = inputs(vec![("a", failing(200)), ("b", well()), ("c", well())]);
    let memory = HubMemory { changed: Some(ago(9)), ..HubMemory::default() };
    inputs.memory.hubs.insert(id("a"), memory);
    let flawed = plan(&table, &[("a", ejected(), RATE)]);
    let expected = Flaw::Dwell { hub: id("a"), elapsed: Duration::from_secs(9) };
    assert_eq!(refused(flawed, &table, &inputs, &policy), expected);
    let drawn = decide(&table, &inputs, &policy, NOW);
    let until = NOW.after(Duration::from_secs(1));
    assert_eq!((drawn.steps.len(), objections(&drawn)), (0, vec![("a", Objection::Dwell { until })]));
    inputs.evidence.insert(id("a"), refusing());
    assert_eq!(decide(&table, &inputs, &policy, NOW).steps.len(), 1, "the dead need not wait");
}

#[test]
fn weights_dwell_too() {
    let table = table(&[("a", SERVING), ("b", SERVING)]);
    let policy = Policy::default();
    let mut inputs = inputs(vec![("a", slow(7)), ("b", slow(1))]);
    let memory = HubMemory { weighed: Some(ago(9)), ..HubMemory::default() };
    let drawn = decide(&table, &inputs, &policy, NOW);
    let quarter = HubState::Serving { weight: Share::saturating(250) };
    assert_eq!(drawn.steps[0].to, quarter);
    inputs.memory.hubs.insert(id("a"), memory);
    assert!(matches!(refused(drawn, &table, &inputs, &policy), Flaw::Dwell { .. }));
    assert_eq!(decide(&table, &inputs, &policy, NOW).steps, []);
}

#[test]
fn no_rail_keeps_a_hub_that_refuses_connections() {
    let table = table(&[("a", SERVING), ("b", DRAINED), ("c", SERVING)]);
    let policy = Policy { min_serving_hubs: 3, max_out: Share::NONE, ..Policy::default() };
    let mut inputs = inputs(vec![("a", refusing()), ("c", well())]);
    inputs.wishes.insert(id("b"), drain());
    inputs.memory.hubs.insert(id("a"), HubMemory { changed: Some(NOW), ..HubMemory::default() });
    assert_eq!(refused(plan(&table, &[]), &table, &inputs, &policy), Flaw::KeepsGone(id("a")));
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert_eq!(drawn.steps.len(), 1, "floor, share and dwell notwithstanding");
    let next = check(drawn, &table, &inputs, &policy).unwrap().apply(&table).unwrap();
    assert!(matches!(state(&next, "a"), HubState::Ejected { strikes: 1, .. }));
}

#[test]
fn the_last_one_stays() {
    let table = table(&[("a", SERVING), ("b", SERVING)]);
    let policy = Policy::default();
    let inputs = inputs(vec![("a", refusing()), ("b", refusing())]);
    let reason = Reason::ProbesFailed { count: 3 };
    let flawed = plan(&table, &[("a", ejected(), reason), ("b", ejected(), reason)]);
    assert_eq!(refused(flawed, &table, &inputs, &policy), Flaw::NobodyLeft(id("a")));
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert!(drawn.panic && drawn.steps.is_empty());
    assert_eq!(objections(&drawn), [("a", Objection::LastOne), ("b", Objection::LastOne)]);
}

#[test]
fn panic_ejects_only_what_answers_nothing() {
    let table = table(&[("a", SERVING), ("b", SERVING), ("c", SERVING)]);
    let policy = Policy::default();
    let errors = |count| {
        let mut evidence = failing(100);
        evidence.passive.consecutive_failures = count;
        evidence
    };
    let inputs = inputs(vec![("a", errors(9)), ("b", errors(5)), ("c", well())]);
    let mut flawed = plan(&table, &[("a", ejected(), RATE)]);
    flawed.panic = true;
    assert_eq!(refused(flawed, &table, &inputs, &policy), Flaw::PanicEjects(id("a")));
    let drawn = decide(&table, &inputs, &policy, NOW);
    assert_eq!((drawn.panic, drawn.bad, drawn.counted), (true, 2, 3));
    assert_eq!(objections(&drawn), [("a", Objection::Panic), ("b", Objection::Panic)]);
}

#[test]
fn a_stale_plan_is_refused() {
    let table = table(&[("a", SERVING), ("b", SERVING), ("c", SERVING)]);
    let (policy, inputs) = (Policy::default(), inputs(vec![("a", refusing()), ("b", well())]));
    let drawn = decide(&table, &inputs, &policy, NOW);
    let next = check(drawn.clone(), &table, &inputs, &policy).unwrap().apply(&table).unwrap();
    let stale = refused(drawn, &next, &inputs, &policy);
    assert!(matches!(stale, Flaw::Misfit(ApplyError::Stale { .. })), "{stale}");
}

#[test]
fn nobody_speaks_for_the_operator() {
    let table = table(&[("a", SERVING), ("b", SERVING)]);
    let flawed = plan(&table, &[("a", draining(), Reason::Operator)]);
    let flaw = refused(flawed, &table, &Inputs::default(), &Policy::default());
    assert_eq!(flaw, Flaw::NoSuchWish(id("a")));
}

#[test]
fn five_errors_in_a_row_eject_within_the_same_tick() {
    let table = table(&[("a", SERVING), ("b", SERVING)]);
    let mut bad = well();
    bad.passive.consecutive_failures = 5;
    bad.passive.last_failure = Some(NOW);
    bad.passive.short = mcphub_health::Window::of(&[(Outcome::Ok, 400), (Outcome::Http5xx, 5)]);
    let drawn = decide(&table, &inputs(vec![("a", bad), ("b", well())]), &Policy::default(), NOW);
    let expected = Reason::RequestsFailed { outcome: Outcome::Http5xx, count: 5 };
    assert_eq!(drawn.steps[0].reason, expected);
}

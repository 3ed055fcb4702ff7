//! When does a hub that was out come back, and when does one that came back leave again?
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod fleet;

use std::time::Duration;

use fleet::*;
use mcphub_health::{Evidence, Outcome, Window};
use mcphub_predictor::Step;
use mcphub_predictor::*;
use mcphub_routing::*;

/// Ejected so many seconds ago, for 30 s.
fn out(seconds: u64) -> HubState {
    HubState::Ejected { retry_at: ago(seconds).after(Duration::from_secs(30)), strikes: 1 }
}

/// A hub that nobody sends requests to, and whose probes pass.
fn proved() -> Evidence {
    let mut evidence = well();
    (evidence.passive.short, evidence.passive.last_answer) = (Window::default(), None);
    evidence
}

fn changed(inputs: &mut Inputs, hub: &str, seconds: u64) {
    inputs.memory.hubs.entry(id(hub)).or_default().changed = Some(ago(seconds));
}

/// The hubs that come back (`+`) and those that leave (`-`), in the order of the plan, which keeps to the rails and is
/// whole.
fn moves(table: &RoutingTable, inputs: &Inputs, policy: &Policy) -> String {
    let drawn = decide(table, inputs, policy, NOW);
    let sign = |step: &Step| if step.to.takes().is_some() { '+' } else { '-' };
    let found: Vec<_> = drawn.steps.iter().map(|step| format!("{}{}", sign(step), step.hub)).collect();
    let next = check(drawn.clone(), table, inputs, policy).unwrap().apply(table).unwrap();
    let inputs = Inputs { memory: drawn.memory, ..inputs.clone() };
    assert!(!decide(&next, &inputs, policy, NOW).changes(&next), "deciding twice");
    found.join(" ")
}

#[test]
fn an_ejection_is_waited_out_while_others_serve() {
    let table = table(&[("a", out(20)), ("b", SERVING), ("c", SERVING)]);
    let mut inputs = inputs(vec![("a", proved()), ("b", well()), ("c", well())]);
    changed(&mut inputs, "a", 20);
    assert_eq!(moves(&table, &inputs, &Policy::default()), "");
}

#[test]
fn a_dead_last_hub_is_relieved_by_one_that_has_proved_itself() {
    let table = table(&[("a", out(5)), ("b", SERVING)]);
    let mut inputs = inputs(vec![("a", proved()), ("b", refusing())]);
    changed(&mut inputs, "a", 5);
    let policy = Policy::default();
    // Neither its time is over nor its dwell; but nothing is served at all.
    assert_eq!(moves(&table, &inputs, &policy), "+a -b");
    // Even if its last requests failed: it is there, and nobody else is.
    let mut failed = failing(1000);
    failed.passive.last_failure = Some(ago(6));
    inputs.evidence.insert(id("a"), failed);
    assert_eq!(moves(&table, &inputs, &policy), "+a -b");
    // While b answers something, a dwells.
    inputs.evidence.insert(id("b"), failing(100));
    assert_eq!(moves(&table, &inputs, &policy), "");
}

#[test]
fn a_fleet_that_is_short_takes_back_as_many_as_it_lacks() {
    let states = [("a", out(15)), ("b", out(15)), ("c", out(15)), ("d", SERVING)];
    let table = table(&states);
    let mut inputs = inputs(vec![("a", proved()), ("b", proved()), ("c", proved()), ("d", well())]);
    states.iter().for_each(|(hub, _)| changed(&mut inputs, hub, 15));
    let policy = Policy::default();
    assert_eq!(moves(&table, &inputs, &policy), "+a");
    let floor = Policy { min_serving_hubs: 3, ..policy.clone() };
    assert_eq!(moves(&table, &inputs, &floor), "+a +b");
    // Others can serve: even so it dwells first.
    states.iter().for_each(|(hub, _)| changed(&mut inputs, hub, 5));
    assert_eq!(moves(&table, &inputs, &policy), "");
}

#[test]
fn what_happened_to_most_at_once_is_not_waited_out() {
    let table = table(&[("a", out(15)), ("b", out(15)), ("c", SERVING), ("d", SERVING)]);
    let known = vec![("a", proved()), ("b", proved()), ("c", well()), ("d", well())];
    let mut inputs = inputs(known);
    changed(&mut inputs, "a", 15);
    changed(&mut inputs, "b", 12);
    inputs.memory.panic_ended = Some(ago(13));
    assert_eq!(moves(&table, &inputs, &Policy::default()), "+a");
    inputs.memory.panic_ended = Some(ago(12));
    assert_eq!(moves(&table, &inputs, &Policy::default()), "+a +b");
}

#[test]
fn the_end_of_panic_is_remembered() {
    let before = table(&[("a", out(15)), ("b", SERVING), ("c", SERVING)]);
    let before = before.revise().panic(true).build(before.generation());
    let mut inputs = inputs(vec![("a", proved()), ("b", well()), ("c", well())]);
    changed(&mut inputs, "a", 15);
    inputs.memory.panic_since = Some(ago(11));
    let drawn = decide(&before, &inputs, &Policy::default(), NOW);
    assert!(!drawn.panic);
    assert_eq!((drawn.memory.panic_since, drawn.memory.panic_ended), (None, Some(NOW)));
    assert_eq!(moves(&before, &inputs, &Policy::default()), "+a");
}

#[test]
fn a_hub_on_trial_leaves_without_dwelling_if_all_its_requests_fail() {
    let trial = HubState::Recovering { since: ago(2), share: Share::saturating(100) };
    let failed = |row| {
        let mut evidence = proved();
        (evidence.passive.consecutive_failures, evidence.passive.last_failure) = (row, Some(NOW));
        evidence.passive.short = Window::of(&[(Outcome::Http5xx, row)]);
        evidence
    };
    let check = |state, evidence, expected: &str| {
        let table = table(&[("a", state), ("b", SERVING), ("c", SERVING)]);
        let mut inputs = inputs(vec![("a", evidence), ("b", well()), ("c", well())]);
        changed(&mut inputs, "a", 2);
        assert_eq!(moves(&table, &inputs, &Policy::default()), expected);
    };
    check(trial, failed(4), "");
    check(trial, failed(5), "-a");
    check(trial, failing(200), "");
    check(SERVING, failed(5), "");
}

//! What holds for every fleet, whatever is known about it.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod fleet;

use std::time::Duration;

use fleet::*;
use mcphub_health::*;
use mcphub_predictor::Step;
use mcphub_predictor::*;
use mcphub_routing::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct World {
    hubs: Vec<(String, HubState)>,
    inputs: Inputs,
    policy: Policy,
    panic: bool,
}

impl World {
    fn table(&self) -> RoutingTable {
        let hubs: Vec<_> = self.hubs.iter().map(|(name, state)| (name.as_str(), *state)).collect();
        let table = table(&hubs);
        table.revise().panic(self.panic).build(table.generation())
    }
}

fn seconds(most: u64) -> impl Strategy<Value = MonoTime> {
    (0..most).prop_map(ago)
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![Just(0u16), Just(1000), 0..=1000u16].prop_map(Share::saturating)
}

fn any_state() -> impl Strategy<Value = HubState> {
    let cause = prop_oneof![Just(Cause::Operator), Just(Cause::Forecast), Just(Cause::Probes)];
    let around = prop_oneof![seconds(90), (0..400u64).prop_map(|s| NOW.after(Duration::from_secs(s)))];
    prop_oneof![
        5 => Just(HubState::SERVING),
        1 => share().prop_map(|weight| HubState::Serving { weight }),
        1 => (seconds(60), share()).prop_map(|(since, share)| HubState::Recovering { since, share }),
        1 => (around.clone(), cause.clone()).prop_map(|(deadline, cause)| HubState::Draining { deadline, cause }),
        1 => cause.prop_map(|cause| HubState::Drained { cause }),
        2 => (around, 1..9u32).prop_map(|(retry_at, strikes)| HubState::Ejected { retry_at, strikes }),
    ]
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let window = (0..300u32, 0..40u32, 0..9usize).prop_map(|(ok, bad, kind)| {
        Window::of(&[(Outcome::Ok, ok), (Outcome::ALL[kind % Outcome::ALL.len()], bad)])
    });
    let time = || prop::option::of(seconds(50));
    let probes = (0..5u32, 0..3u32, 0..7usize, time(), time(), time());
    let passive = (0..9u32, time(), time(), window.clone(), window);
    let latency = (0..60u32, 1..4000u64, 1..200u64, prop::option::of(share()), 0..70u64);
    let shaped = (probes, passive, latency).prop_map(|(probes, passive, latency)| {
        let mut evidence = Evidence::none(ago(latency.4 / 2));
        let (turn, stalled, last, stalled_since, last_pass, last_end) = probes;
        (evidence.probes.passes, evidence.probes.fails) =
            (turn.saturating_sub(2), 2u32.saturating_sub(turn) * 2);
        evidence.probes.unanswered = evidence.probes.fails.min(last as u32);
        evidence.probes.against_since = stalled_since.min(last_end);
        (evidence.probes.stalled, evidence.probes.stalled_since) = (stalled, stalled_since);
        evidence.probes.last = Some(Outcome::ALL[last]);
        (evidence.probes.last_pass, evidence.probes.last_end) = (last_pass, last_end);
        let (row, answer, failure, short, long) = passive;
        evidence.passive = Passive {
            consecutive_failures: row,
            unanswered: row.min(last as u32),
            last_answer: answer,
            last_failure: failure,
            short,
            long,
        };
        let quantiles = |millis| Quantiles {
            count: latency.0,
            p50: Duration::from_millis(millis),
            p90: Duration::from_millis(millis),
            p95: Duration::from_millis(millis),
        };
        (evidence.latency.answer, evidence.latency.answer_past) =
            (quantiles(latency.1), quantiles(latency.2));
        let export = |cpu| Exported { at: NOW, cpu: Some(cpu), memory: None, queue: None };
        evidence.load.exported = latency.3.map(export);
        evidence
    });
    prop_oneof![3 => Just(well()), 1 => Just(refusing()), 1 => Just(failing(150)), 1 => Just(slow(30)), 1 => Just(slow(100)), 4 => shaped]
}

fn any_memory() -> impl Strategy<Value = HubMemory> {
    let time = || prop::option::of(seconds(700));
    let turns = (time(), time(), time(), 0..9u32, 0..4u8);
    (turns, any::<bool>(), any::<bool>()).prop_map(|(turns, relieved, watched)| {
        let (changed, weighed, returned, strikes, level) = turns;
        HubMemory { changed, weighed, returned, strikes, level, relieved, watched }
    })
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let deadline = prop::option::of((0..90u64).prop_map(Duration::from_secs));
    let out = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Leave::Now)),
        1 => deadline.prop_map(|deadline| Some(Leave::Drain { deadline })),
    ];
    (out, prop::option::of(share())).prop_map(|(out, weight)| Wish { out, weight })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let mode = prop_oneof![Just(ForecastUse::Off), Just(ForecastUse::Advise), Just(ForecastUse::Act)];
    let forecast = (mode, share(), share(), 0..3u32, 0..20u32);
    (0..5u32, share(), 0..40u64, 0..15u64, share(), share(), forecast).prop_map(
        |(floor, most, slow_start, dwell, enter, leave, forecast)| {
            let mut policy = Policy {
                min_serving_hubs: floor,
                max_out: most,
                slow_start: Duration::from_secs(slow_start),
                dwell: Duration::from_secs(dwell),
                panic_enter: enter,
                panic_leave: leave,
                ..Policy::default()
            };
            let (mode, hold_out, out_share, swap, failure) = forecast;
            policy.forecast = ForecastPolicy {
                mode,
                hold_out,
                out_share,
                cost_swap: swap,
                cost_failure: failure,
                ..policy.forecast
            };
            policy
        },
    )
}

type HubWorld = (u8, HubState, Option<Evidence>, Option<u16>, Option<u64>, Option<Wish>, Option<HubMemory>);

fn any_hub() -> impl Strategy<Value = HubWorld> {
    use prop::option::{of, weighted};
    (
        0..3u8,
        any_state(),
        weighted(0.9, any_evidence()),
        weighted(0.3, 0..=1000u16),
        of(0..3u64),
        weighted(0.2, any_wish()),
        weighted(0.6, any_memory()),
    )
}

fn any_world() -> impl Strategy<Value = World> {
    let hubs = prop::collection::vec(any_hub(), 1..9);
    (hubs, any_policy(), any::<bool>(), prop::option::of(seconds(30))).prop_map(
        |(hubs, policy, panic, panic_since)| {
            let mut world = World { hubs: Vec::new(), inputs: Inputs::default(), policy, panic };
            world.inputs.memory.panic_since = panic_since.filter(|_| panic);
            world.inputs.memory.panic_ended = panic_since.filter(|_| !panic);
            for (number, (location, state, evidence, probability, pins, wish, memory)) in
                hubs.into_iter().enumerate()
            {
                let hub = id(&format!("h{number}"));
                world.hubs.push((format!("h{number}@l{location}"), state));
                let inputs = &mut world.inputs;
                inputs.evidence.extend(evidence.map(|e| (hub.clone(), e)));
                inputs.forecasts.extend(probability.map(|p| (hub.clone(), forecast(p))));
                inputs.pins.extend(pins.map(|pins| (hub.clone(), pins)));
                inputs.wishes.extend(wish.map(|wish| (hub.clone(), wish)));
                inputs.memory.hubs.extend(memory.map(|memory| (hub, memory)));
            }
            world
        },
    )
}

/// The same question asked apart from both `decide` and `check`.
fn serves(state: HubState) -> bool {
    state.takes().is_some_and(|share| share > Share::NONE)
}

/// Leaves service although it may answer: what no probe, nor a row of unanswered requests, speaks against.
fn leaves_freely(step: &Step) -> bool {
    let hard = matches!(step.reason, Reason::ProbesFailed { .. } | Reason::RequestsFailed { .. });
    serves(step.from) && !serves(step.to) && !hard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_passes_its_own_guard_rails(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        prop_assert!(check(plan.clone(), &table, &world.inputs, &world.policy).is_ok(),
            "{:?}\n{}", check(plan.clone(), &table, &world.inputs, &world.policy), report(&plan, &table));
    }

    #[test]
    fn deciding_twice_changes_nothing(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        let first = report(&plan, &table);
        let memory = plan.memory.clone();
        let next = check(plan, &table, &world.inputs, &world.policy).unwrap().apply(&table).unwrap();
        let inputs = Inputs { memory: memory.clone(), ..world.inputs };
        let again = decide(&next, &inputs, &world.policy, NOW);
        prop_assert!(!again.changes(&next), "{first}{}", report(&again, &next));
        prop_assert_eq!(again.memory, memory);
    }

    #[test]
    fn the_order_of_hubs_and_evidence_does_not_matter(world in any_world(), turn in 0..9usize) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        let mut turned = world.clone();
        let by = turn % turned.hubs.len();
        turned.hubs.rotate_left(by);
        turned.hubs.reverse();
        let mut evidence: Vec<_> = turned.inputs.evidence.into_iter().collect();
        evidence.reverse();
        turned.inputs.evidence = evidence.into_iter().collect();
        let other = decide(&turned.table(), &turned.inputs, &turned.policy, NOW);
        prop_assert_eq!(plan.steps, other.steps);
        prop_assert_eq!(plan.declined, other.declined);
        prop_assert_eq!(plan.memory, other.memory);
    }

    #[test]
    fn floor_and_share_hold(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        let free = plan.steps.iter().filter(|step| leaves_freely(step)).count();
        let next = check(plan, &table, &world.inputs, &world.policy).unwrap().apply(&table).unwrap();
        let serving = next.hubs().filter(|hub| serves(hub.state)).count();
        let hubs = next.hubs().len();
        if free > 0 {
            prop_assert!(serving >= (world.policy.min_serving_hubs as usize).max(1));
            let most = (hubs * usize::from(world.policy.max_out.per_mille()) / 1000).max(1);
            prop_assert!(hubs - serving <= most);
        }
        // A hub without a share takes what nobody else can.
        let able = |table: &RoutingTable| table.hubs().filter(|hub| hub.state.takes().is_some()).count();
        prop_assert!(able(&table) == 0 || able(&next) > 0, "nobody is left");
    }

    #[test]
    fn the_dwell_holds(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        for step in plan.steps.iter().filter(|step| leaves_freely(step) && step.reason != Reason::Operator) {
            let changed = world.inputs.memory.of(&step.hub).changed;
            prop_assert!(changed.is_none_or(|at| NOW.since(at) >= world.policy.dwell()), "{step:?}");
        }
    }

    #[test]
    fn one_drain_in_each_location(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        let begun: Vec<_> = plan.steps.iter().filter(|s| s.to.as_str() == "draining" && s.from.as_str() != "draining").collect();
        for step in &begun {
            let place = |name: &HubId| table.hub(table.find(name.as_str()).unwrap()).unwrap().location;
            let here = place(&step.hub);
            let now = table.hubs().filter(|h| h.location == here).filter(|h| {
                let to = plan.steps.iter().find(|s| s.hub == *h.id).map_or(h.state, |s| s.to);
                to.as_str() == "draining"
            });
            prop_assert_eq!(now.count(), 1);
        }
    }

    #[test]
    fn every_step_is_told_with_its_reason(world in any_world()) {
        let table = world.table();
        let plan = decide(&table, &world.inputs, &world.policy, NOW);
        let told = report(&plan, &table);
        for step in plan.steps.iter().chain(plan.declined.iter().map(|declined| &declined.step)) {
            let reason = format!("because {}", step.reason);
            let line = |line: &str| line.contains(step.hub.as_str()) && line.contains(&reason);
            prop_assert!(told.lines().any(line), "{step:?} is not in\n{told}");
        }
    }
}

//! Small fleets for tests, and ways to make any fleet at all.
#![allow(dead_code, unreachable_pub)]

use mcphub_routing::*;
use proptest::prelude::*;

pub fn location(name: &str) -> LocationName {
    LocationName::new(name).unwrap()
}

pub fn hub(id: &str, hub_type: HubType, place: &str) -> HubSpec {
    HubSpec::new(HubId::new(id).unwrap(), hub_type, location(place))
}

pub fn share(per_mille: u16) -> Share {
    Share::from_per_mille(per_mille).unwrap()
}

/// One place that reaches the hubs at these costs, all within the radius.
pub fn spec(algorithm: Algorithm, hubs: Vec<HubSpec>, costs: &[u32]) -> TableSpec {
    let reach = costs.iter().map(|&cost_ms| Reach { cost_ms, within_radius: true }).collect();
    let place = PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach };
    TableSpec { algorithm, hubs, residencies: Vec::new(), places: vec![place] }
}

pub fn table(spec: &TableSpec) -> RoutingTable {
    RoutingTable::build(spec, Generation::FIRST).unwrap()
}

/// As many equal primaries, each a millisecond further than the last.
pub fn primaries(algorithm: Algorithm, count: u32) -> RoutingTable {
    let hubs = (0..count).map(|n| hub(&format!("hub-{n}"), HubType::Primary, "x")).collect();
    table(&spec(algorithm, hubs, &(0..count).collect::<Vec<_>>()))
}

pub fn query(loads: &dyn Loads) -> RouteQuery<'_> {
    RouteQuery::new(PlaceIndex::default(), Era::Modern, loads)
}

pub fn id(table: &RoutingTable, choice: Choice) -> &str {
    table.hub(choice.hub().unwrap_or_else(|| panic!("{choice:?}"))).unwrap().id.as_str()
}

/// How often each hub is chosen over so many placements.
pub fn tally(table: &RoutingTable, turns: u64, mut ask: impl FnMut(u64) -> Choice) -> Vec<u32> {
    let mut tally = vec![0; table.hubs().len()];
    for turn in 0..turns {
        if let Some(hub) = ask(turn).hub() {
            tally[hub.get()] += 1;
        }
    }
    tally
}

pub fn any_state() -> impl Strategy<Value = HubState> {
    let cause = prop_oneof![Just(Cause::Operator), Just(Cause::Forecast), Just(Cause::Probes)];
    let share = prop_oneof![Just(1000u16), 0..=1000u16].prop_map(Share::saturating);
    let at = (0..100_000u64).prop_map(MonoTime::from_millis);
    prop_oneof![
        3 => share.clone().prop_map(|weight| HubState::Serving { weight }),
        1 => (at.clone(), share).prop_map(|(since, share)| HubState::Recovering { since, share }),
        1 => (at.clone(), cause.clone()).prop_map(|(deadline, cause)| HubState::Draining { deadline, cause }),
        1 => cause.prop_map(|cause| HubState::Drained { cause }),
        2 => (at, 1..9u32).prop_map(|(retry_at, strikes)| HubState::Ejected { retry_at, strikes }),
    ]
}

pub fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::Geographic),
        Just(Algorithm::RoundRobin),
        Just(Algorithm::LeastConnections),
        Just(Algorithm::HealthBased)
    ]
}

fn any_hub() -> impl Strategy<Value = HubSpec> {
    let hub_type = prop_oneof![Just(HubType::Primary), Just(HubType::Secondary), Just(HubType::Edge)];
    let eras = prop_oneof![4 => Just(EraSet::BOTH), 1 => Just(EraSet::LEGACY), 1 => Just(EraSet::MODERN), 1 => Just(EraSet::NONE)];
    (hub_type, 0..4u8, 1..=1000u32, eras, any_state(), 0..=1000u16).prop_map(
        |(hub_type, at, weight, eras, state, health)| HubSpec {
            weight: Weight::new(weight).unwrap(),
            eras,
            state,
            health: share(health),
            ..hub("replaced", hub_type, &format!("loc-{at}"))
        },
    )
}

/// Any fleet of up to `most` hubs with three places: free, bound to two locations (as far as hubs stand there), and
/// refused.
pub fn any_spec(most: usize) -> impl Strategy<Value = TableSpec> {
    let hubs = prop::collection::vec(any_hub(), 1..=most);
    let reach = prop::collection::vec((0..400u32, any::<bool>()), most * 3);
    (any_algorithm(), hubs, reach).prop_map(|(algorithm, mut hubs, reach)| {
        for (hub, number) in hubs.iter_mut().zip(0..) {
            hub.id = HubId::new(&format!("hub-{number}")).unwrap();
        }
        let mut reach = reach.into_iter().map(|(cost_ms, within_radius)| Reach { cost_ms, within_radius });
        // The first hub's location is one of them, so that the rule allows somebody.
        let hubs_in = vec![hubs[0].location.clone(), location("loc-1")];
        let rule = ResidencySpec { id: ResidencyId::new("rule").unwrap(), hubs_in };
        let mut place = |name: &str, residency| PlaceSpec {
            name: name.into(),
            residency,
            reach: reach.by_ref().take(hubs.len()).collect(),
        };
        let places = vec![
            place("free", PlaceResidency::Anywhere),
            place("bound", PlaceResidency::Rule(0)),
            place("refused", PlaceResidency::Refused),
        ];
        TableSpec { algorithm, hubs, residencies: vec![rule], places }
    })
}

//! Case by case: pins, tiers, residency, panic, refusals, and specs that make no table.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use mcphub_routing::*;

mod fleet;
use fleet::*;

const EJECTED: HubState = HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 };
const DRAINED: HubState = HubState::Drained { cause: Cause::Operator };
const DRAINING: HubState = HubState::Draining { deadline: MonoTime::ZERO, cause: Cause::Operator };

/// The fleet of the documentation: two primaries, a secondary, two edges of which one is near.
fn world() -> TableSpec {
    let hubs = vec![
        hub("us-east-1", HubType::Primary, "us-east"),
        hub("eu-central-1", HubType::Primary, "eu-central"),
        hub("us-west-1", HubType::Secondary, "us-west"),
        hub("lyon-1", HubType::Edge, "eu-west"),
        hub("tokyo-1", HubType::Edge, "ap-northeast"),
    ];
    let reach = |costs: [u32; 5], near: &[usize]| {
        costs
            .iter()
            .enumerate()
            .map(|(at, &cost_ms)| Reach { cost_ms, within_radius: near.contains(&at) })
            .collect()
    };
    let eu = ResidencySpec {
        id: ResidencyId::new("eu-central+eu-west").unwrap(),
        hubs_in: vec![location("eu-central"), location("eu-west")],
    };
    let place = |name: &str, residency, reach| PlaceSpec { name: name.into(), residency, reach };
    TableSpec {
        algorithm: Algorithm::Geographic,
        hubs,
        residencies: vec![eu],
        places: vec![
            place("here", PlaceResidency::Refused, reach([60, 5, 90, 6, 90], &[3])),
            place("DE", PlaceResidency::Rule(0), reach([65, 4, 92, 7, 91], &[3])),
            place("US", PlaceResidency::Anywhere, reach([12, 75, 28, 72, 100], &[])),
            place("JP", PlaceResidency::Anywhere, reach([110, 92, 80, 98, 2], &[4])),
        ],
    }
}

const DE: u16 = 1;
const US: u16 = 2;
const JP: u16 = 3;

fn put(table: &RoutingTable, changes: &[(&str, HubState)]) -> RoutingTable {
    let mut revision = table.revise();
    for &(id, state) in changes {
        revision = revision.state(table.find(id).unwrap(), state);
    }
    revision.build(table.generation().next())
}

fn from(place: u16) -> RouteQuery<'static> {
    RouteQuery::new(PlaceIndex::new(place), Era::Legacy, &NoLoads)
}

#[test]
fn each_place_has_its_order() {
    let whole = table(&world());
    let check = |out: &[&str], place: u16, expected: &str| {
        let table = put(&whole, &out.iter().map(|&id| (id, EJECTED)).collect::<Vec<_>>());
        assert_eq!(id(&table, select(&table, &from(place))), expected, "without {out:?}");
    };
    check(&[], DE, "lyon-1"); // an edge within its radius, though a primary is nearer
    check(&["lyon-1"], DE, "eu-central-1");
    check(&[], US, "us-east-1");
    check(&["us-east-1"], US, "eu-central-1"); // a primary far away before a secondary nearby
    check(&["us-east-1", "eu-central-1"], US, "us-west-1");
    check(&["us-east-1", "eu-central-1", "us-west-1"], US, "lyon-1"); // edges beyond their radius come last
    check(&["us-east-1", "eu-central-1", "us-west-1", "lyon-1"], US, "tokyo-1");
    check(&[], JP, "tokyo-1");
    check(&["tokyo-1"], JP, "eu-central-1");
}

#[test]
fn residency_holds_when_all_its_hubs_are_down() {
    let down = [("lyon-1", EJECTED), ("eu-central-1", EJECTED)];
    let dark = put(&table(&world()), &down);
    assert_eq!(select(&dark, &from(DE)), Choice::Refuse(Refusal::Residency));
    // Panic tries ejected hubs, but only those that the rule allows.
    let panic = dark.revise().panic(true).build(Generation::new(9));
    assert_eq!(id(&panic, select(&panic, &from(DE))), "lyon-1");
    let held = put(&panic, &[("lyon-1", DRAINED), ("eu-central-1", DRAINED)]);
    assert_eq!(select(&held, &from(DE)), Choice::Refuse(Refusal::Residency));
}

#[test]
fn a_sealed_residency_travels_with_its_session() {
    let table = table(&world());
    let rule = table.find_residency("eu-central+eu-west").unwrap();
    let abroad = RouteQuery { residency: Residency::Sealed(rule), ..from(US) };
    assert_eq!(table.residency(&abroad), Ok(rule));
    assert_eq!(table.residency_id(rule).map(ResidencyId::as_str), Some("eu-central+eu-west"));
    assert_eq!(id(&table, select(&table, &abroad)), "eu-central-1");
    let free = RouteQuery { residency: Residency::Sealed(ResidencyIndex::ANYWHERE), ..from(DE) };
    assert_eq!(id(&table, select(&table, &free)), "lyon-1");
    assert_eq!(table.residency_id(ResidencyIndex::ANYWHERE), None);
    let borrowed = RouteQuery { residency: Residency::OfPlace(PlaceIndex::new(DE)), ..from(US) };
    assert_eq!(id(&table, select(&table, &borrowed)), "eu-central-1");
    // A residency of a table that had more of them.
    let mut free = world();
    free.residencies.clear();
    free.places.retain(|place| place.residency == PlaceResidency::Anywhere);
    let free = RoutingTable::build(&free, Generation::FIRST).unwrap();
    let query = RouteQuery { residency: Residency::Sealed(rule), ..from(0) };
    assert_eq!(select(&free, &query), Choice::Refuse(Refusal::Residency));
}

#[test]
fn a_client_without_a_place_is_refused_where_a_rule_might_bind_it() {
    let table = table(&world());
    assert_eq!(select(&table, &from(0)), Choice::Refuse(Refusal::Unplaced));
    assert_eq!(select(&table, &from(77)), Choice::Refuse(Refusal::Unplaced));
    let rule = table.find_residency("eu-central+eu-west").unwrap();
    let nowhere = RouteQuery { residency: Residency::Sealed(rule), ..from(77) };
    assert_eq!(select(&table, &nowhere), Choice::Refuse(Refusal::Unplaced));
    assert!(explain(&table, &nowhere).groups.is_empty());
}

#[test]
fn pins_hold_as_long_as_they_may() {
    let whole = table(&world());
    let hub = whole.find("us-west-1").unwrap();
    let check = |state: HubState, panic: bool, hard: bool, soft: bool| {
        let table = put(&whole, &[("us-west-1", state)]).revise().panic(panic).build(Generation::new(3));
        for (pin, holds) in [(Pin::Hard(hub), hard), (Pin::Soft(hub), soft)] {
            let choice = select(&table, &RouteQuery { pin: Some(pin), ..from(US) });
            let to = table.find("us-east-1").unwrap();
            let expected = if holds { Choice::Keep(hub) } else { Choice::Move { from: hub, to } };
            assert_eq!(choice, expected, "{pin:?} {state:?}");
        }
    };
    check(HubState::SERVING, false, true, true);
    check(HubState::Recovering { since: MonoTime::ZERO, share: share(1) }, false, true, true);
    check(HubState::Serving { weight: share(0) }, false, true, false);
    check(DRAINING, false, true, false);
    check(DRAINED, false, false, false);
    check(EJECTED, false, false, false);
    check(EJECTED, true, true, false);
}

#[test]
fn a_pin_yields_to_residency_era_and_a_failed_try() {
    let table = table(&world());
    let hub = table.find("us-east-1").unwrap();
    let bound = RouteQuery { pin: Some(Pin::Hard(hub)), ..from(DE) };
    assert_eq!(id(&table, select(&table, &bound)), "lyon-1");
    let pinned = RouteQuery { pin: Some(Pin::Hard(hub)), ..from(US) };
    assert_eq!(select(&table, &pinned), Choice::Keep(hub));
    let modern = table.revise().eras(hub, EraSet::MODERN).build(Generation::new(2));
    assert_eq!(id(&modern, select(&modern, &pinned)), "eu-central-1");
    let mut excluded = Excluded::none();
    excluded.insert(hub);
    assert_eq!(id(&table, select(&table, &RouteQuery { excluded, ..pinned })), "eu-central-1");
}

#[test]
fn a_refusal_says_why() {
    let whole = table(&world());
    let all = |state| put(&whole, &whole.hubs().map(|hub| (hub.id.as_str(), state)).collect::<Vec<_>>());
    for state in [DRAINING, DRAINED, EJECTED] {
        assert_eq!(select(&all(state), &from(US)), Choice::Refuse(Refusal::NoneServing));
    }
    let mut modern = whole.revise();
    let mut excluded = Excluded::none();
    for hub in whole.hubs() {
        modern = modern.eras(hub.index, EraSet::MODERN);
        excluded.insert(hub.index);
    }
    let modern = modern.build(Generation::new(2));
    assert_eq!(select(&modern, &from(US)), Choice::Refuse(Refusal::EraUnsupported));
    assert_eq!(select(&whole, &RouteQuery { excluded, ..from(US) }), Choice::Refuse(Refusal::AllTried));
    let nothing = all(HubState::Serving { weight: Share::NONE });
    assert_eq!(id(&nothing, select(&nothing, &from(US))), "us-east-1", "a share alone refuses nobody");
}

#[test]
fn an_explanation_tells_the_story() {
    let table = put(&table(&world()), &[("lyon-1", EJECTED), ("eu-central-1", DRAINING)]);
    let told = explain(&table, &RouteQuery { pin: table.find("lyon-1").map(Pin::Hard), ..from(DE) });
    assert_eq!(
        (told.place.map(|p| &**p), told.residency.map(ResidencyId::as_str)),
        (Some("DE"), Some("eu-central+eu-west"))
    );
    assert_eq!(told.pin.map(|pin| pin.kept), Some(false));
    let group = |tier| told.groups.iter().find(|group| group.tier == tier).unwrap();
    let verdicts = |tier: Tier| {
        group(tier)
            .hubs
            .iter()
            .map(|v| (v.hub.id.as_str(), v.cost_ms, v.verdicts.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts(Tier::NearEdge), [("lyon-1", 7, vec![Verdict::Ejected])]);
    assert_eq!(
        verdicts(Tier::Primary),
        [("eu-central-1", 4, vec![Verdict::Draining]), ("us-east-1", 65, vec![Verdict::Residency])]
    );
    assert_eq!(told.choice, Choice::Refuse(Refusal::Residency));
    assert!(matches!(told.steps[0], Step::PinLost { .. }), "{:?}", told.steps);
    assert!(told.steps.contains(&Step::TierEmpty { tier: Tier::Primary }));
}

#[test]
fn every_flaw_of_a_spec_is_told_at_once() {
    let mut spec = world();
    spec.hubs[1].id = spec.hubs[0].id.clone();
    spec.places[2].name = "DE".into();
    spec.places[0].residency = PlaceResidency::Rule(5);
    spec.places[3].reach.pop();
    spec.residencies
        .push(ResidencySpec { id: ResidencyId::new("none").unwrap(), hubs_in: vec![location("mars")] });
    spec.residencies.push(spec.residencies[0].clone());
    let flaws = RoutingTable::build(&spec, Generation::FIRST).unwrap_err().flaws;
    let rule = || ResidencyId::new("eu-central+eu-west").unwrap();
    assert_eq!(
        flaws,
        [
            SpecFlaw::DuplicateHub(HubId::new("us-east-1").unwrap()),
            SpecFlaw::DuplicatePlace("DE".into()),
            SpecFlaw::DuplicateResidency(rule()),
            SpecFlaw::ResidencyWithoutHub(ResidencyId::new("none").unwrap()),
            SpecFlaw::UnknownResidency { place: "here".into(), rule: 5 },
            SpecFlaw::ReachMismatch { place: "JP".into(), given: 4, hubs: 5 },
        ]
    );
    let empty =
        TableSpec { algorithm: Algorithm::Geographic, hubs: vec![], residencies: vec![], places: vec![] };
    assert_eq!(empty.check().unwrap_err().flaws, [SpecFlaw::NoHub, SpecFlaw::NoPlace]);
    let mut crowded = world();
    crowded.residencies = (0..64)
        .map(|n| ResidencySpec {
            id: ResidencyId::new(&format!("r{n}")).unwrap(),
            hubs_in: vec![location("us-east")],
        })
        .collect();
    assert_eq!(
        crowded.check().unwrap_err().flaws,
        [SpecFlaw::TooMany { what: "residencies", given: 64, most: 63 }]
    );
}

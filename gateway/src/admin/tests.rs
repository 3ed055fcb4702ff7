//! What is made of hubs and tables, without a gateway around it.

use super::successors::successors;
use super::table::{Place, TableView};
use super::validate::{Question, validate};
use super::words::{Check, Successor};
use crate::control::view::{
    EvidenceView, ExportedView, HubView, LatencyView, ProbesView, QuantilesView, RequestsView, StateView,
    WindowView,
};
use mcphub_predictor::Policy;
use mcphub_routing::{
    Algorithm, Cause, EraSet, Generation, HubId, HubSpec, HubState, HubType, LocationName, MonoTime,
    PlaceName, PlaceResidency, PlaceSpec, Reach, ResidencyId, ResidencySpec, RoutingTable, Share, TableSpec,
};

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// `a` and `b` are primaries in the United States, `c` is the only hub in Germany, whose clients must stay there.
fn table(states: [HubState; 3]) -> RoutingTable {
    let hub = |id: &str, location: &str, state| {
        let mut hub = HubSpec::new(name::<HubId>(id), HubType::Primary, name::<LocationName>(location));
        hub.state = state;
        hub
    };
    let [a, b, c] = states;
    let reach = |costs: [u32; 3]| costs.map(|cost_ms| Reach { cost_ms, within_radius: false }).to_vec();
    let place = |place: &str, residency, costs| PlaceSpec {
        name: PlaceName::from(place),
        residency,
        reach: reach(costs),
    };
    let spec = TableSpec {
        algorithm: Algorithm::Geographic,
        hubs: vec![hub("a", "us-east", a), hub("b", "us-west", b), hub("c", "eu-central", c)],
        residencies: vec![ResidencySpec {
            id: name::<ResidencyId>("eu-central"),
            hubs_in: vec![name("eu-central")],
        }],
        places: vec![
            place("here", PlaceResidency::Anywhere, [1, 30, 45]),
            place("US", PlaceResidency::Anywhere, [10, 20, 50]),
            place("BR", PlaceResidency::Anywhere, [40, 70, 60]),
            place("DE", PlaceResidency::Rule(0), [45, 70, 2]),
            place("nowhere", PlaceResidency::Refused, [1, 1, 1]),
        ],
    };
    RoutingTable::build(&spec, Generation::FIRST).expect("a table")
}

const WELL: HubState = HubState::SERVING;
const OUT: HubState = HubState::Drained { cause: Cause::Operator };

fn view(id: &str, state: &'static str, share: f64) -> HubView {
    let quantiles = QuantilesView { count: 0, p50_ms: 0.0, p90_ms: 0.0 };
    let window = WindowView { total: 0, failures: 0, error_rate: None, worst: None };
    HubView {
        id: id.to_owned(),
        hub_type: "primary",
        location: "us-east".to_owned(),
        url: "http://127.0.0.1:1/mcp".to_owned(),
        eras: vec!["legacy", "modern"],
        eras_learned: false,
        health: "healthy",
        state: StateView {
            name: state,
            share,
            deadline_in_ms: None,
            retry_in_ms: None,
            strikes: None,
            cause: None,
        },
        reason: None,
        wish: None,
        sessions: 0,
        sessions_complete: true,
        in_flight: 0,
        evidence: EvidenceView {
            age_ms: 0,
            probes: ProbesView {
                passes: 0,
                fails: 0,
                stalled: 0,
                last: None,
                passed_ms_ago: None,
                latency_ms: None,
            },
            requests: RequestsView {
                failed_in_row: 0,
                answered_ms_ago: None,
                failed_ms_ago: None,
                last_10s: window.clone(),
                last_60s: window,
            },
            latency: LatencyView {
                answer: quantiles.clone(),
                answer_past: quantiles.clone(),
                connect: quantiles,
            },
            exported: None,
            restarts: 0,
        },
        probe_error: None,
        forecast: None,
        alarm: None,
    }
}

fn views() -> [HubView; 3] {
    ["a", "b", "c"].map(|id| view(id, "serving", 1.0))
}

fn rails(min_serving_hubs: u32, max_out: u16) -> Policy {
    Policy { min_serving_hubs, max_out: Share::saturating(max_out), ..Policy::default() }
}

/// The checks that speak against it.
fn against(question: &Question<'_>, hubs: &[HubView], table: &RoutingTable) -> Vec<Check> {
    let checks = validate(question, hubs, table, &rails(1, 500));
    checks.into_iter().filter(|check| !check.ok).collect()
}

fn ask<'a>(failed: &'a str, backup: &'a str) -> Question<'a> {
    Question { failed: Some(failed), backup, probed: Some(Ok("a probe passed".to_owned())) }
}

/// Exactly one check speaks against it, with these words.
fn check_flaw(found: &[Check], name: &str, words: &str) {
    let [flaw] = found else { panic!("one flaw, {name}, was expected: {found:?}") };
    assert!(flaw.name == name && flaw.detail.contains(words), "{flaw:?}");
}

#[test]
fn a_sound_failover_has_nothing_against_it_and_everything_is_looked_at() {
    let checks = validate(&ask("a", "b"), &views(), &table([WELL; 3]), &rails(1, 500));
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["exists", "in_service", "eras", "probes", "residency", "rails", "load"]);
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    let alone = Question { failed: None, ..ask("a", "b") };
    let checks = validate(&alone, &views(), &table([WELL; 3]), &rails(1, 500));
    assert_eq!(
        checks.iter().map(|check| check.name).collect::<Vec<_>>(),
        ["exists", "in_service", "probes", "load"]
    );
}

#[test]
fn each_thing_that_speaks_against_a_failover_is_found() {
    let table_well = table([WELL; 3]);
    check_flaw(&against(&ask("a", "x"), &views(), &table_well), "exists", "no hub x");
    check_flaw(&against(&ask("y", "b"), &views(), &table_well), "exists", "no hub y");
    check_flaw(&against(&ask("a", "a"), &views(), &table_well), "exists", "its own place");

    let mut hubs = views();
    hubs[1] = view("b", "recovering", 0.5);
    check_flaw(&against(&ask("a", "b"), &hubs, &table_well), "in_service", "recovering, with 50 %");

    let mut hubs = views();
    hubs[1].eras = vec!["modern"];
    check_flaw(&against(&ask("a", "b"), &hubs, &table_well), "eras", "the legacy era");

    let silent = Question { probed: Some(Err("connection refused".to_owned())), ..ask("a", "b") };
    check_flaw(&against(&silent, &views(), &table_well), "probes", "refused");
    check_flaw(
        &against(&Question { probed: None, ..ask("a", "b") }, &views(), &table_well),
        "probes",
        "could not",
    );

    check_flaw(&against(&ask("c", "b"), &views(), &table_well), "residency", "eu-central");

    let mut hubs = views();
    let busy = |cpu| Some(ExportedView { age_ms: 5, cpu, memory: Some(0.99), queue: None });
    hubs[1].evidence.exported = busy(Some(0.9));
    check_flaw(&against(&ask("a", "b"), &hubs, &table_well), "load", "processors 90 %");
    hubs[1].evidence.exported = busy(None);
    assert_eq!(against(&ask("a", "b"), &hubs, &table_well), [], "full memory alone is how caches look");
}

#[test]
fn the_guard_rails_are_foreseen() {
    let check = |states, policy: &Policy, expected: Option<&str>| {
        let checks = validate(&ask("a", "b"), &views(), &table(states), policy);
        let rails = checks.iter().find(|check| check.name == "rails").expect("looked at");
        assert_eq!(rails.ok, expected.is_none(), "{rails:?}");
        assert!(rails.detail.contains(expected.unwrap_or_default()), "{rails:?}");
    };
    check([WELL; 3], &rails(2, 500), None);
    check([WELL; 3], &rails(3, 500), Some("2 hubs would be left serving, and 3 must"));
    check([WELL, WELL, OUT], &rails(1, 500), Some("2 of 3 hubs would be out, and 1 may"));
    check([WELL, WELL, OUT], &rails(1, 700), None);
    check([OUT, WELL, OUT], &rails(3, 0), None);
}

#[test]
fn successors_are_those_that_the_places_prefer_next() {
    let take = |states, hub: &str| {
        let table = table(states);
        let index = table.find(hub).expect("a hub");
        let named = |s: Successor| (s.hub.unwrap_or_else(|| "nobody".to_owned()), s.share);
        successors(&table, index).into_iter().map(named).collect::<Vec<_>>()
    };
    let owned = |expected: &[(&str, f64)]| -> Vec<(String, f64)> {
        expected.iter().map(|(hub, share)| ((*hub).to_owned(), *share)).collect()
    };
    // Of `here`, US and BR, the last would rather go to Germany.
    assert_eq!(take([WELL; 3], "a"), owned(&[("b", 0.667), ("c", 0.333)]));
    assert_eq!(take([OUT, WELL, WELL], "a"), owned(&[("b", 0.667), ("c", 0.333)]), "out already");
    assert_eq!(take([WELL, OUT, WELL], "a"), owned(&[("c", 1.0)]));
    assert_eq!(take([WELL; 3], "b"), owned(&[]), "nobody prefers it");
    assert_eq!(take([WELL; 3], "c"), owned(&[("nobody", 1.0)]), "residency");
}

#[test]
fn the_table_is_told_by_place() {
    let table = table([WELL, HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 }, WELL]);
    let told = serde_json::to_value(TableView::of(3, &table, None)).expect("JSON");
    assert_eq!((&told["generation"], &told["revision"]), (&1.into(), &3.into()));
    assert_eq!(
        (&told["hubs"][1]["state"], &told["hubs"][1]["health"]),
        (&"ejected".into(), &"unhealthy".into())
    );
    let places = told["places"].as_array().expect("places");
    assert_eq!(places.len(), 5);
    let one = serde_json::to_value(TableView::of(3, &table, Place::find(&table, "DE"))).expect("JSON");
    let germany = &one["places"][0];
    assert_eq!(*germany, places[3]);
    assert_eq!((&germany["residency"], &germany["legacy"]), (&"eu-central".into(), &"c".into()));
    let order = germany["order"][0]["hubs"].as_array().expect("an order");
    let order: Vec<_> = order.iter().map(|hub| (hub["id"].as_str(), hub["allowed"].as_bool())).collect();
    assert_eq!(order, [(Some("c"), Some(true)), (Some("a"), Some(false)), (Some("b"), Some(false))]);
    assert_eq!((&places[4]["refused"], &places[4]["modern"]), (&true.into(), &serde_json::Value::Null));
    assert!(Place::find(&table, "FR").is_none());
}

#[test]
fn a_large_table_keeps_orders_to_one_place() {
    let hub = |at: usize| HubSpec {
        eras: EraSet::BOTH,
        ..HubSpec::new(name(&format!("h{at}")), HubType::Primary, name("us-east"))
    };
    let place = |at: usize| PlaceSpec {
        name: PlaceName::from(format!("p{at}")),
        residency: PlaceResidency::Anywhere,
        reach: vec![Reach { cost_ms: 1, within_radius: false }; 201],
    };
    let spec = TableSpec {
        algorithm: Algorithm::RoundRobin,
        hubs: (0..201).map(hub).collect(),
        residencies: Vec::new(),
        places: (0..100).map(place).collect(),
    };
    let table = RoutingTable::build(&spec, Generation::FIRST).expect("a table");
    let told = serde_json::to_value(TableView::of(1, &table, None)).expect("JSON");
    assert_eq!(told["places"][7].get("order"), None);
    let one = serde_json::to_value(TableView::of(1, &table, Place::find(&table, "p7"))).expect("JSON");
    assert_eq!(one["places"][0]["order"][0]["hubs"].as_array().map(Vec::len), Some(201));
}

//! What do rules and distances come to for each place?
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use mcphub_geo::{
    ClientSelector, Coordinates, Database, DatabaseKind, HubSites, PlaceBook, Preferences, ResidencyError,
    ResidencyFlaw, ResidencyRule, Unplaced, countries,
};
use mcphub_routing::{
    Algorithm, Choice, Era, Generation, HubId, HubSpec, HubType, LocationName, NoLoads, PlaceResidency,
    Refusal, Residency, RouteQuery, RoutingTable, TableSpec,
};

const SITES: [(&str, f64, f64); 4] = [
    ("us-east", 39.0, -77.5),
    ("us-west", 45.6, -121.2),
    ("eu-central", 50.1, 8.7),
    ("ap-northeast", 35.7, 139.7),
];

fn rule(clients: &[&str], hubs_in: &[&str], unplaced: Unplaced) -> ResidencyRule {
    ResidencyRule {
        clients: clients.iter().map(|text| text.parse().unwrap()).collect(),
        hubs_in: hubs_in.iter().map(|name| LocationName::new(name).unwrap()).collect(),
        unplaced,
    }
}

fn book() -> PlaceBook {
    PlaceBook::new(Coordinates::new(50.1, 8.7).unwrap(), DatabaseKind::Country)
}

fn preferences(rules: &[ResidencyRule], rtt_ms: &[Option<u32>]) -> Result<Preferences, ResidencyError> {
    let coordinates = SITES.map(|(_, latitude, longitude)| Coordinates::new(latitude, longitude).unwrap());
    book().preferences(&HubSites { coordinates: &coordinates, rtt_ms, edge_radius_km: 1_500.0 }, rules)
}

fn table(rules: &[ResidencyRule]) -> RoutingTable {
    let Preferences { residencies, places } = preferences(rules, &[]).unwrap();
    let hub = |&(site, ..): &(&str, f64, f64)| {
        let hub_type = if site == "ap-northeast" { HubType::Edge } else { HubType::Primary };
        HubSpec::new(HubId::new(&format!("{site}-1")).unwrap(), hub_type, LocationName::new(site).unwrap())
    };
    let spec = TableSpec {
        algorithm: Algorithm::Geographic,
        hubs: SITES.iter().map(hub).collect(),
        residencies,
        places,
    };
    RoutingTable::build(&spec, Generation::FIRST).unwrap()
}

/// From an address to a hub, the whole way.
fn route(table: &RoutingTable, address: &str) -> Result<String, Refusal> {
    let place = Database::built_in().lookup(address.parse().unwrap());
    let standing = book().standing(place.as_ref());
    let query = RouteQuery {
        residency: standing.residency,
        ..RouteQuery::new(standing.region, Era::Legacy, &NoLoads)
    };
    match mcphub_routing::select(table, &query) {
        Choice::Place(hub) => Ok(table.hub(hub).unwrap().id.to_string()),
        Choice::Refuse(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_leads_to_the_hub_nearby() {
    let table = table(&[]);
    let check =
        |address: &str, hub: &str| assert_eq!(route(&table, address).as_deref(), Ok(hub), "{address}");
    check("141.84.1.1", "eu-central-1"); // Munich
    check("2001:660::1", "eu-central-1"); // France
    check("137.158.1.1", "eu-central-1"); // Cape Town
    check("128.30.2.1", "us-east-1"); // Massachusetts
    check("143.107.1.1", "us-east-1"); // São Paulo
    check("133.11.1.1", "ap-northeast-1"); // Tokyo: an edge within its radius
    check("147.46.1.1", "ap-northeast-1"); // Seoul
    check("130.216.1.1", "us-west-1"); // Auckland: the edge is too far, so the nearest primary
    check("127.0.0.1", "eu-central-1"); // nowhere: as if it were here
}

#[test]
fn a_rule_binds_whom_it_names() {
    let table = table(&[rule(&["EU", "CH"], &["us-east"], Unplaced::Allow)]);
    let check = |address: &str, expected| assert_eq!(route(&table, address), expected, "{address}");
    check("141.84.1.1", Ok("us-east-1".to_owned()));
    check("129.132.1.1", Ok("us-east-1".to_owned()));
    check("129.67.1.1", Ok("eu-central-1".to_owned())); // the United Kingdom has left
    check("127.0.0.1", Ok("eu-central-1".to_owned()));
}

#[test]
fn a_rule_refuses_clients_without_a_place_unless_it_says_otherwise() {
    let table = table(&[
        rule(&["DE"], &["eu-central"], Unplaced::Allow),
        rule(&["JP"], &["ap-northeast"], Unplaced::Refuse),
    ]);
    assert_eq!(route(&table, "192.168.0.7"), Err(Refusal::Unplaced));
    assert_eq!(route(&table, "2001:db8::7"), Err(Refusal::Unplaced));
    assert_eq!(route(&table, "128.30.2.1").as_deref(), Ok("us-east-1"));
}

#[test]
fn two_rules_for_one_country_both_hold() {
    let both = [
        rule(&["EU"], &["eu-central", "us-east"], Unplaced::Refuse),
        rule(&["continent:EU"], &["us-east", "us-west"], Unplaced::Refuse),
    ];
    let resolved = preferences(&both, &[]).unwrap();
    let ids: Vec<_> = resolved.residencies.iter().map(|r| r.id.as_str()).collect();
    let of = |code: &str| {
        let place = book().country(code.parse().unwrap());
        match resolved.places[place.get()].residency {
            PlaceResidency::Rule(at) => ids[at],
            other => panic!("{code}: {other:?}"),
        }
    };
    assert_eq!((of("DE"), of("CH"), of("RE")), ("us-east", "us-east+us-west", "eu-central+us-east"));
    assert_eq!(
        resolved.places[book().country("US".parse().unwrap()).get()].residency,
        PlaceResidency::Anywhere
    );
    assert_eq!(ids.len(), 3);
}

#[test]
fn rules_that_cannot_hold_are_told_at_once() {
    let conflict =
        [rule(&["EU"], &["eu-central"], Unplaced::Refuse), rule(&["DE"], &["us-east"], Unplaced::Refuse)];
    let flaws = preferences(&conflict, &[]).unwrap_err().flaws;
    assert_eq!(flaws, [ResidencyFlaw::Conflict { country: "DE".parse().unwrap() }]);
    let empty = [rule(&[], &["us-east"], Unplaced::Refuse), rule(&["DE"], &[], Unplaced::Refuse)];
    let flaws = preferences(&empty, &[]).unwrap_err().flaws;
    assert_eq!(flaws, [ResidencyFlaw::NoClients(1), ResidencyFlaw::NoLocations(2)]);
}

#[test]
fn selectors_are_read_as_they_are_written() {
    for text in ["DE", "EU", "continent:EU", "continent:NA"] {
        assert_eq!(text.parse::<ClientSelector>().unwrap().to_string(), text);
    }
    for text in ["", "de", "UK", "continent:", "continent:XX", "continent:eu", "Europe"] {
        assert!(text.parse::<ClientSelector>().is_err(), "{text:?}");
    }
}

#[test]
fn a_cost_is_the_larger_of_map_and_measurement() {
    let places = preferences(&[], &[Some(5), Some(400), None]).unwrap().places;
    let reach = &places[book().here().get()].reach;
    let costs: Vec<_> = reach.iter().map(|r| r.cost_ms).collect();
    assert_eq!(costs, [66, 400, 0, 93], "6,600 km; measured; 0 km; 9,300 km");
    let within: Vec<_> = reach.iter().map(|r| r.within_radius).collect();
    assert_eq!(within, [false, false, true, false]);
    assert_eq!(places.len(), countries().len() + 1);
    assert_eq!(book().len(), places.len());
}

#[test]
fn many_locations_still_make_one_lasting_id() {
    let names: Vec<String> = (0..60).map(|n| format!("location-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = |names: &[&str]| {
        preferences(&[rule(&["DE"], names, Unplaced::Refuse)], &[]).unwrap().residencies[0].id.to_string()
    };
    let mut reversed = names.clone();
    reversed.reverse();
    assert_eq!(id(&names), id(&reversed));
    assert!(id(&names).starts_with("set-") && id(&names) != id(&names[1..]));
}

#[test]
fn a_client_without_a_place_has_the_residency_of_nowhere() {
    assert_eq!(book().standing(None).residency, Residency::OfRegion);
}

//! Are the records of other makers read, and what becomes of a city database?
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::path::Path;

use mcphub_geo::{
    Coordinates, Database, DatabaseKind, HubSites, Place, PlaceBook, Precision, ResidencyRule, Unplaced,
};
use mcphub_routing::{LocationName, PlaceResidency, Residency};

mod mmdb;
use mmdb::{Value, database};

/// The network `n.0.0.0/8` holds the value.
fn open(networks: &[(u8, Value)]) -> Database {
    Database::from_bytes(database("test", networks), Path::new("test.mmdb")).unwrap()
}

fn lookup(database: &Database, address: &str) -> Option<Place> {
    database.lookup(address.parse().unwrap())
}

fn nested(code: &str, location: Option<(f64, f64)>) -> Value {
    let mut fields = vec![
        ("continent", Value::map([("code", Value::text("EU"))])),
        ("country", Value::map([("geoname_id", Value::Number(7)), ("iso_code", Value::text(code))])),
        ("registered_country", Value::map([("iso_code", Value::text("BR"))])),
    ];
    if let Some((latitude, longitude)) = location {
        let fix = [("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))];
        fields.push(("location", Value::map(fix)));
    }
    Value::map(fields)
}

#[test]
fn every_spelling_of_a_record_is_read() {
    let flat = |code| {
        Value::map([
            ("country_code", Value::text(code)),
            ("lat", Value::text("35.5")),
            ("lng", Value::text("139.5")),
        ])
    };
    let database = open(&[
        (4, nested("DE", Some((50.1, 8.7)))),
        (5, nested("FR", None)),
        (6, flat("JP")),
        (7, Value::map([("country", Value::text("IT")), ("continent", Value::text("EU"))])),
        (8, Value::map([("registered_country", Value::map([("iso_code", Value::text("US"))]))])),
        (9, nested("DE", Some((123.0, 8.7)))),
    ]);
    assert_eq!(database.kind(), DatabaseKind::City);
    let check = |address: &str, country: &str, precision, at: Option<(f64, f64)>| {
        let place = lookup(&database, address).unwrap();
        assert_eq!((place.country.as_str(), place.precision), (country, precision), "{address}");
        if let Some((latitude, longitude)) = at {
            assert_eq!(place.coordinates, Coordinates::new(latitude, longitude).unwrap());
        }
    };
    check("4.1.2.3", "DE", Precision::City, Some((50.1, 8.7)));
    check("5.1.2.3", "FR", Precision::Country, None);
    check("6.1.2.3", "JP", Precision::City, Some((35.5, 139.5)));
    check("7.1.2.3", "IT", Precision::Country, None);
    check("9.1.2.3", "DE", Precision::Country, None); // no point on the Earth: the country stands
    assert_eq!(
        lookup(&database, "8.1.2.3"),
        None,
        "where a network is registered is not where its clients are"
    );
    assert_eq!(lookup(&database, "11.1.2.3"), None, "an unknown network is nowhere");
}

#[test]
fn a_city_client_is_measured_from_its_cell_and_bound_by_its_country() {
    let database = open(&[(4, nested("US", Some((40.7, -74.0)))), (5, nested("US", Some((34.1, -118.2))))]);
    let here = Coordinates::new(50.1, 8.7).unwrap();
    let book = PlaceBook::new(here, database.kind());
    let hubs = [Coordinates::new(39.0, -77.5).unwrap(), Coordinates::new(45.6, -121.2).unwrap()];
    let sites = HubSites { coordinates: &hubs, rtt_ms: &[], edge_radius_km: 1_500.0 };
    let rule = ResidencyRule {
        clients: vec!["US".parse().unwrap()],
        hubs_in: vec![LocationName::new("us-east").unwrap()],
        unplaced: Unplaced::Allow,
    };
    let places = book.preferences(&sites, &[rule]).unwrap().places;
    assert_eq!(places.len(), book.len());
    let mut regions = Vec::new();
    for (address, nearest) in [("4.1.2.3", 0), ("5.1.2.3", 1)] {
        let standing = book.standing(lookup(&database, address).as_ref());
        let place = &places[standing.region.get()];
        assert!(place.name.starts_with("cell "), "{}", place.name);
        assert!(place.reach[nearest].cost_ms < place.reach[1 - nearest].cost_ms, "{address}");
        assert_eq!(place.residency, PlaceResidency::Refused, "a cell alone lets nobody through");
        let Residency::OfPlace(country) = standing.residency else { panic!("{standing:?}") };
        assert_eq!(
            (&*places[country.get()].name, places[country.get()].residency),
            ("US", PlaceResidency::Rule(0))
        );
        regions.push(standing.region);
    }
    assert_ne!(regions[0], regions[1]);
    // A book for countries does not know cells: the country does.
    let coarse = PlaceBook::new(here, DatabaseKind::Country).standing(lookup(&database, "4.1.2.3").as_ref());
    assert_eq!(coarse.residency, Residency::OfPlace(coarse.region));
}

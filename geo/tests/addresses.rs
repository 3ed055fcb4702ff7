//! Are well-known addresses where everybody knows they are? Universities and research networks have held theirs for
//! decades, so the list holds for any country database worth its name.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::net::IpAddr;

use mcphub_geo::{Continent, Database, DatabaseKind, Precision};

const KNOWN: &[(&str, &str)] = &[
    ("8.8.8.8", "US"),              // Google's resolver
    ("128.30.2.1", "US"),           // MIT
    ("171.64.1.1", "US"),           // Stanford
    ("128.32.1.1", "US"),           // Berkeley
    ("142.150.1.1", "CA"),          // Toronto
    ("132.248.10.2", "MX"),         // UNAM
    ("143.107.1.1", "BR"),          // São Paulo
    ("129.67.1.1", "GB"),           // Oxford
    ("131.111.8.42", "GB"),         // Cambridge
    ("141.84.1.1", "DE"),           // Munich
    ("131.188.1.1", "DE"),          // Erlangen
    ("129.132.1.1", "CH"),          // ETH Zürich
    ("131.130.1.1", "AT"),          // Vienna
    ("129.175.1.1", "FR"),          // Paris-Saclay
    ("147.83.2.1", "ES"),           // UPC Barcelona
    ("193.136.1.1", "PT"),          // FCT
    ("137.204.1.1", "IT"),          // Bologna
    ("145.97.1.1", "NL"),           // SURF
    ("130.225.1.1", "DK"),          // DeiC
    ("130.237.1.1", "SE"),          // Stockholm
    ("129.240.2.1", "NO"),          // Oslo
    ("128.214.1.1", "FI"),          // Helsinki
    ("147.32.1.1", "CZ"),           // ČVUT Prague
    ("148.81.1.1", "PL"),           // NASK
    ("147.102.1.1", "GR"),          // NTUA Athens
    ("144.122.1.1", "TR"),          // METU Ankara
    ("132.64.1.1", "IL"),           // Hebrew University
    ("137.158.1.1", "ZA"),          // Cape Town
    ("133.11.1.1", "JP"),           // Tokyo
    ("147.46.1.1", "KR"),           // Seoul National
    ("166.111.1.1", "CN"),          // Tsinghua
    ("140.112.1.1", "TW"),          // National Taiwan
    ("147.8.1.1", "HK"),            // Hong Kong
    ("137.132.1.1", "SG"),          // NUS
    ("103.21.124.1", "IN"),         // IIT Bombay
    ("128.250.1.1", "AU"),          // Melbourne
    ("130.216.1.1", "NZ"),          // Auckland
    ("2001:4860:4860::8888", "US"), // Google's resolver
    ("2001:468::1", "US"),          // Internet2
    ("2001:410::1", "CA"),          // CANARIE
    ("2001:12f0::1", "BR"),         // RNP
    ("2001:630::1", "GB"),          // Jisc
    ("2001:638::1", "DE"),          // DFN
    ("2001:4ca0::1", "DE"),         // LRZ Munich
    ("2001:620::1", "CH"),          // SWITCH
    ("2001:660::1", "FR"),          // RENATER
    ("2001:610::1", "NL"),          // SURF
    ("2001:720::1", "ES"),          // RedIRIS
    ("2001:760::1", "IT"),          // GARR
    ("2001:6b0::1", "SE"),          // SUNET
    ("2001:700::1", "NO"),          // Sikt
    ("2001:708::1", "FI"),          // Funet
    ("2001:718::1", "CZ"),          // CESNET
    ("2001:648::1", "GR"),          // GRNET
    ("2001:770::1", "IE"),          // HEAnet
    ("2400:2410::1", "JP"),         // SoftBank
    ("2409:8000::1", "CN"),         // China Mobile
    ("2405:200::1", "IN"),          // Jio
    ("2001:288::1", "TW"),          // TANet
    ("2001:388::1", "AU"),          // AARNet
];

/// What the shipped file gets wrong: early IPv6 blocks of the Asian and Pacific registry, whose seat is in Australia,
/// are taken for Australian. A file that knows better fails this test: move the lines up then.
const KNOWN_WRONG: &[(&str, &str, &str)] = &[
    ("2001:200::1", "JP", "AU"), // WIDE
    ("2001:268::1", "JP", "AU"), // KDDI
    ("2001:da8::1", "CN", "AU"), // CERNET
    ("2001:fb0::1", "TH", "AU"), // True
];

/// Addresses that are nowhere.
const NOWHERE: &[&str] = &[
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "2001:db8::1",
    "ff02::1",
    "::ffff:10.0.0.1",
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn country(database: &Database, text: &str) -> Option<String> {
    database.lookup(address(text)).map(|place| place.country.to_string())
}

#[test]
fn known_addresses_are_in_their_countries() {
    let database = Database::built_in();
    let wrong: Vec<_> = KNOWN
        .iter()
        .filter_map(|&(text, expected)| {
            let found = country(&database, text);
            (found.as_deref() != Some(expected)).then(|| format!("{text}: {found:?}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn known_errors_are_still_there() {
    let database = Database::built_in();
    for &(text, truth, told) in KNOWN_WRONG {
        assert_eq!(country(&database, text).as_deref(), Some(told), "{text} is in {truth}");
    }
}

#[test]
fn an_address_mapped_into_ipv6_is_the_same_address() {
    let database = Database::built_in();
    for &(text, expected) in KNOWN.iter().filter(|(text, _)| text.contains('.')) {
        assert_eq!(country(&database, &format!("::ffff:{text}")).as_deref(), Some(expected));
    }
}

#[test]
fn private_and_special_addresses_are_nowhere() {
    let database = Database::built_in();
    for text in NOWHERE {
        assert_eq!(country(&database, text), None, "{text}");
    }
    assert!(mcphub_geo::is_public(address("172.32.0.1")) && mcphub_geo::is_public(address("100.128.0.1")));
}

#[test]
fn a_country_database_gives_the_middle_of_the_country() {
    let database = Database::built_in();
    let place = database.lookup(address("129.132.1.1")).unwrap();
    assert_eq!((place.continent, place.precision), (Continent::Europe, Precision::Country));
    assert_eq!(place.coordinates, place.country.country().middle);
    assert_eq!(database.kind(), DatabaseKind::Country);
    // 2026-01-01: the shipped file is not older than the README says.
    assert!(database.made_at() > 1_767_225_600, "made at {}", database.made_at());
}

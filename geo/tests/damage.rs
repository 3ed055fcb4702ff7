//! Can a bad file hurt? Whatever is in it, opening answers with an error or a database, and looking up never panics.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use mcphub_geo::{Database, OpenError};
use proptest::prelude::*;

mod mmdb;
use mmdb::{Value, database};

fn open(bytes: Vec<u8>) -> Result<Database, OpenError> {
    Database::from_bytes(bytes, Path::new("damaged.mmdb"))
}

/// Looks up addresses all over the tree.
fn exercise(database: &Database) {
    for n in 0..=255u8 {
        let _ = database.lookup(IpAddr::V4(Ipv4Addr::new(n, 1, 2, 3)));
        let _ = database.lookup(IpAddr::V6(Ipv6Addr::new(0x2000 | u16::from(n), 7, 0, 0, 0, 0, 0, 1)));
    }
}

fn small() -> Vec<u8> {
    let country = |code: &str| Value::map([("country_code", Value::text(code))]);
    let networks: Vec<(u8, Value)> =
        (1..=20).map(|n| (n, country(if n % 2 == 0 { "DE" } else { "JP" }))).collect();
    database("test country", &networks)
}

#[test]
fn what_is_no_database_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: Option<&[u8]>, expected: &str| {
        let path = directory.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let error = Database::open(&path).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(expected) && told.contains(name), "{told}");
        assert!(
            matches!(error, OpenError::NoCountries { .. }) || std::error::Error::source(&error).is_some()
        );
    };
    check("missing.mmdb", None, "cannot read");
    check("empty.mmdb", Some(b""), "not a sound database");
    check("text.mmdb", Some(b"country,start,end\n"), "not a sound database");
    check("zeros.mmdb", Some(&[0; 4096]), "not a sound database");
    let whole = small();
    check("half.mmdb", Some(&whole[..whole.len() / 2]), "not a sound database");
    let numbers =
        database("test asn", &[(5, Value::map([("autonomous_system_number", Value::Number(64496))]))]);
    check("asn.mmdb", Some(&numbers), "\"test asn\": a country or city database is needed");
    let unknown = database("test", &[(5, Value::map([("country_code", Value::text("ZZ"))]))]);
    check("nowhere.mmdb", Some(&unknown), "a country or city database is needed");
}

#[test]
fn a_directory_is_not_a_database() {
    assert!(matches!(Database::open(Path::new("/")), Err(OpenError::Read { .. })));
}

#[test]
fn the_shipped_database_passes_the_check_that_others_must_pass() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/country.mmdb")).unwrap();
    let whole = open(bytes.clone()).unwrap();
    exercise(&whole);
    // The end is gone, and with it the description of the whole; or the middle is.
    for cut in [1, 10, 1_000, 1_000_000] {
        assert!(open(bytes[..bytes.len() - cut].to_vec()).is_err(), "cut {cut}");
        let tail = bytes.len() - 400_000;
        let holed = [&bytes[..tail - cut], &bytes[tail..]].concat();
        assert!(open(holed).is_err(), "hole of {cut}");
    }
}

#[test]
fn a_tree_that_runs_in_circles_is_refused() {
    let mut bytes = small();
    // The left record of node 1 points back at the root: three bytes, since a node takes six.
    bytes[6..9].copy_from_slice(&[0, 0, 0]);
    assert!(open(bytes).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_file_never_panics(cut in 0usize..4_000) {
        let mut bytes = small();
        bytes.truncate(cut);
        if let Ok(database) = open(bytes) {
            exercise(&database);
        }
    }

    #[test]
    fn a_damaged_file_never_panics(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = small();
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(database) = open(bytes) {
            exercise(&database);
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        bytes.extend_from_slice(&bytes.clone());
        let _ = open(bytes);
    }
}

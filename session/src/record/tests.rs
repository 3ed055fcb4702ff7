use super::*;
use crate::upstream::{UPSTREAM_ID_MAX, UpstreamId};
use proptest::prelude::*;

const FINGERPRINT: Fingerprint = Fingerprint([7; 16]);

fn live() -> Live {
    let mut subscriptions = Subscriptions::default();
    subscriptions.insert("file:///a").unwrap();
    subscriptions.insert("demo://\"quoted\"/é").unwrap();
    Live {
        stay: Stay {
            number: 3,
            hub: HubId::new("eu-central-1").unwrap(),
            upstream: UpstreamId::new(b"0a1b2c3d").unwrap().into(),
        },
        version: "2025-11-25".into(),
        place: "DE".into(),
        residency: Some(ResidencyId::new("eu-central+eu-west").unwrap()),
        level: Some(LogLevel::Warning),
        subscriptions,
        offer: Offer {
            capabilities: Capabilities::read(r#"{"tools":{"listChanged":true},"logging":{}}"#),
            catalogue: Catalogue { tools: Some(ListDigest(0xab)), ..Catalogue::default() },
        },
        init: Some(r#"{"capabilities":{}}"#.into()),
        last_used: 1_800_000_000,
    }
}

fn record(live: Live) -> Record {
    Record { caller: FINGERPRINT, expires_at: 1_802_592_000, life: Life::Live(Box::new(live)) }
}

fn minimal() -> Live {
    Live {
        place: "".into(),
        residency: None,
        level: None,
        subscriptions: Subscriptions::default(),
        offer: Offer::default(),
        init: None,
        ..live()
    }
}

/// A record has these bytes, and they are that record.
fn check(record: &Record, expected: &str) {
    let bytes = record.to_bytes().unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    assert_eq!(&Record::from_bytes(&bytes).unwrap(), record);
}

/// What a program wrote once, later ones must read. If this test fails, the format has changed: give it another number
/// and go on reading this one.
#[test]
fn schema_1_is_fixed_and_readable() {
    check(
        &record(live()),
        concat!(
            r#"{"schema":1,"caller":"07070707070707070707070707070707","expires_at":1802592000,"live":{"stay":3,"#,
            r#""hub":"eu-central-1","upstream":"0a1b2c3d","version":"2025-11-25","place":"DE","#,
            r#""residency":"eu-central+eu-west","level":"warning","#,
            r#""subscriptions":["demo://\"quoted\"/é","file:///a"],"#,
            r#""capabilities":["/logging","/tools","/tools/listChanged"],"tools":"00000000000000ab","#,
            r#""init":"{\"capabilities\":{}}","last_used":1800000000}}"#,
        ),
    );
    check(
        &record(minimal()),
        concat!(
            r#"{"schema":1,"caller":"07070707070707070707070707070707","expires_at":1802592000,"live":{"stay":3,"#,
            r#""hub":"eu-central-1","upstream":"0a1b2c3d","version":"2025-11-25","last_used":1800000000}}"#,
        ),
    );
    check(
        &record(live()).ended(1_800_000_005, Ended::ByClient),
        concat!(
            r#"{"schema":1,"caller":"07070707070707070707070707070707","expires_at":1802592000,"#,
            r#""ended":{"at":1800000005,"why":"client"}}"#,
        ),
    );
}

fn refused(bytes: &str) -> String {
    Record::from_bytes(bytes.as_bytes()).expect_err(bytes).to_string()
}

#[test]
fn newer_schemas_are_refused_by_name_whatever_else_is_in_them() {
    let said = refused(r#"{"schema":2,"colour":"blue"}"#);
    assert_eq!(said, "a session record has schema 2, written by a later version; this one reads up to 1");
    assert!(matches!(Record::from_bytes(br#"{"schema":4294967295}"#), Err(RecordError::Newer(u32::MAX))));
    assert!(matches!(Record::from_bytes(br#"{"schema":0}"#), Err(RecordError::Field("schema"))));
}

#[test]
fn what_breaks_its_bounds_is_refused() {
    let good = String::from_utf8(record(live()).to_bytes().unwrap()).unwrap();
    for (from, to, names) in [
        (r#""hub":"eu-central-1""#, r#""hub":"EU""#, "hub"),
        (r#""upstream":"0a1b2c3d""#, r#""upstream":"a\r\nb""#, "upstream"),
        (r#""level":"warning""#, r#""level":"loud""#, "level"),
        (r#""residency":"eu-central+eu-west""#, r#""residency":"""#, "residency"),
        (r#"["/logging""#, r#"["logging""#, "capabilities"),
        (r#""file:///a""#, r#""""#, "subscriptions"),
        (r#""00000000000000ab""#, r#""ab""#, "tools"),
        (r#""caller":"07"#, r#""caller":"+7"#, "caller"),
        (r#""last_used""#, r#""later":1,"last_used""#, "read"),
        (r#""live""#, r#""ended":{"at":1,"why":"client"},"live""#, "life"),
    ] {
        assert!(good.contains(from), "{from}");
        let said = refused(&good.replacen(from, to, 1));
        assert!(said.contains(names), "{said}");
    }
    refused("");
    refused("[]");
    refused(r#"{"schema":1,"caller":"07070707070707070707070707070707","expires_at":1}"#);
    assert!(matches!(Record::from_bytes(&vec![b' '; RECORD_MAX + 1]), Err(RecordError::TooLarge)));
}

#[test]
fn nothing_out_of_bounds_is_written() {
    let long = |len: usize| "x".repeat(len).into_boxed_str();
    for (live, names) in [
        (Live { version: long(VERSION_MAX + 1), ..live() }, "version"),
        (Live { place: long(PLACE_MAX + 1), ..live() }, "place"),
        (Live { init: Some(long(INIT_STORED_MAX + 1)), ..live() }, "init"),
    ] {
        assert!(record(live).to_bytes().unwrap_err().to_string().contains(names));
    }
}

/// With everything at its longest, and in characters that have the longest escapes.
#[test]
fn the_largest_record_fits() {
    let control = |len: usize| "\u{1}".repeat(len).into_boxed_str();
    let mut subscriptions = Subscriptions::default();
    for at in 0..SUBSCRIPTIONS_MAX {
        subscriptions
            .insert(&format!("{}{at:03}", control(SUBSCRIPTIONS_BYTES_MAX / SUBSCRIPTIONS_MAX - 3)))
            .unwrap();
    }
    let names: Vec<_> = (0..CAPABILITIES_MAX)
        .map(|at| format!("\"{}{at:03}\":{{}}", "\\u0001".repeat(CAPABILITY_MAX - 4)))
        .collect();
    let capabilities = Capabilities::read(&format!("{{{}}}", names.join(","))).unwrap();
    assert_eq!(capabilities.iter().count(), CAPABILITIES_MAX);
    let largest = Live {
        stay: Stay {
            number: u32::MAX,
            hub: HubId::new(&"h".repeat(64)).unwrap(),
            upstream: UpstreamId::new(&[b'"'; UPSTREAM_ID_MAX]).unwrap().into(),
        },
        version: control(VERSION_MAX),
        place: control(PLACE_MAX),
        residency: Some(ResidencyId::new(&"r".repeat(256)).unwrap()),
        level: Some(LogLevel::Emergency),
        subscriptions,
        offer: Offer {
            capabilities: Some(capabilities),
            catalogue: Catalogue {
                tools: Some(ListDigest(u64::MAX)),
                prompts: Some(ListDigest(1)),
                resources: Some(ListDigest(0)),
            },
        },
        init: Some(control(INIT_STORED_MAX)),
        last_used: u64::MAX,
    };
    let largest = record(largest);
    let bytes = largest.to_bytes().unwrap();
    println!(
        "the largest record has {} bytes, a usual one {}",
        bytes.len(),
        record(live()).to_bytes().unwrap().len()
    );
    assert_eq!(Record::from_bytes(&bytes).unwrap(), largest);
}

#[test]
fn subscriptions_are_a_bounded_set() {
    let mut set = Subscriptions::default();
    assert_eq!(set.insert("a"), Ok(true));
    assert_eq!(set.insert("a"), Ok(false));
    assert_eq!(set.insert(""), Err(NoRoom::TooLong));
    assert_eq!(set.insert(&"u".repeat(URI_MAX + 1)), Err(NoRoom::TooLong));
    for at in 1..SUBSCRIPTIONS_MAX {
        set.insert(&format!("{at}")).unwrap();
    }
    assert_eq!((set.len(), set.admit("one more")), (SUBSCRIPTIONS_MAX, Err(NoRoom::TooMany)));
    assert_eq!(set.admit("a"), Ok(()), "what is there needs no room");
    assert!(set.remove("a") && !set.remove("a"));
    assert_eq!(set.insert("one more"), Ok(true));

    let mut heavy = Subscriptions::default();
    for at in 0..SUBSCRIPTIONS_BYTES_MAX / URI_MAX {
        heavy.insert(&format!("{at:02}{}", "u".repeat(URI_MAX - 2))).unwrap();
    }
    assert_eq!(heavy.admit("u"), Err(NoRoom::TooLong));
    assert!(heavy.remove(&format!("00{}", "u".repeat(URI_MAX - 2))));
    assert_eq!(heavy.insert("u"), Ok(true));
}

/// What a hub offers, as paths.
fn offers(json: &str, expected: &[&str]) {
    let set = Capabilities::read(json).unwrap();
    assert_eq!(set.iter().collect::<Vec<_>>(), expected, "{json}");
}

#[test]
fn capabilities_are_compared_by_what_is_there() {
    offers("{}", &[]);
    offers(
        r#"{"tools":{"listChanged":true},"resources":{"subscribe":false,"listChanged":null},"logging":{}}"#,
        &["/logging", "/resources", "/tools", "/tools/listChanged"],
    );
    offers(
        r#"{"extensions":{"io.x/y~z":{"n":1}}}"#,
        &["/extensions", "/extensions/io.x~1y~0z", "/extensions/io.x~1y~0z/n"],
    );
    offers(r#"{"a":{"b":{"c":{"d":{"e":{}}}}}}"#, &["/a", "/a/b", "/a/b/c", "/a/b/c/d"]);
    assert_eq!(Capabilities::read("[]"), None);
    assert_eq!(Capabilities::read("{"), None);

    let small = Capabilities::read(r#"{"tools":{}}"#).unwrap();
    let large = Capabilities::read(r#"{"tools":{"listChanged":true},"prompts":{}}"#).unwrap();
    assert!(large.cover(&small) && !small.cover(&large) && large.cover(&large));
    assert_eq!((small.first_missing(&large), large.first_missing(&small)), (Some("/prompts"), None));
    assert!(large.has("/tools/listChanged") && !small.has("/tools/listChanged"));
}

#[test]
fn lists_are_the_same_in_any_order() {
    let of = |items: &[&str]| ListDigest::of(items.iter().map(|item| item.as_bytes()));
    assert_eq!(of(&["a", "b", "b"]), of(&["b", "a", "b"]));
    assert_ne!(of(&["a", "b", "b"]), of(&["a", "b"]));
    assert_ne!(of(&["ab"]), of(&["a", "b"]));
    assert_ne!(of(&[]), of(&[""]));
}

#[test]
fn a_tombstone_stays_until_nobody_could_open_the_token() {
    let ended = record(live()).ended(1, Ended::Idle);
    assert!(ended.has_ended() && ended.live().is_none());
    assert!(!ended.is_over(ended.expires_at) && ended.is_over(ended.expires_at + 1));
    for why in [Ended::ByClient, Ended::Expired, Ended::Idle, Ended::ByOperator] {
        let ended = record(live()).ended(1, why);
        assert_eq!(Record::from_bytes(&ended.to_bytes().unwrap()).unwrap(), ended);
    }
}

prop_compose! {
    fn any_live()(
        number in any::<u32>(),
        hub in "[a-z0-9][a-z0-9._-]{0,63}",
        upstream in "[!-~]{1,200}",
        version in any::<String>().prop_filter("bounds", |text| text.len() <= VERSION_MAX),
        place in any::<String>().prop_filter("bounds", |text| text.len() <= PLACE_MAX),
        residency in proptest::option::of("[a-z0-9][a-z0-9._+-]{0,80}"),
        level in proptest::option::of(proptest::sample::select(LogLevel::ALL.to_vec())),
        uris in prop::collection::vec(any::<String>(), 0..6),
        capabilities in proptest::option::of(prop::collection::vec("[a-z/~]{1,9}", 0..6)),
        lists in any::<[Option<u64>; 3]>(),
        init in proptest::option::of(any::<String>()),
        last_used in any::<u64>(),
    ) -> Live {
        let mut subscriptions = Subscriptions::default();
        for uri in &uris {
            let _ = subscriptions.insert(uri);
        }
        let capabilities = capabilities.map(|names| {
            let members: serde_json::Map<_, _> =
                names.into_iter().map(|name| (name, serde_json::Value::from(1))).collect();
            Capabilities::read(&serde_json::to_string(&members).unwrap()).unwrap()
        });
        let [tools, prompts, resources] = lists.map(|list| list.map(ListDigest));
        Live {
            stay: Stay {
                number,
                hub: HubId::new(&hub).unwrap(),
                upstream: UpstreamId::new(upstream.as_bytes()).unwrap().into(),
            },
            version: version.into(),
            place: place.into(),
            residency: residency.map(|residency| ResidencyId::new(&residency).unwrap()),
            level,
            subscriptions,
            offer: Offer { capabilities, catalogue: Catalogue { tools, prompts, resources } },
            init: init.map(Into::into),
            last_used,
        }
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(live in any_live(), caller in any::<[u8; 16]>(), expires_at in any::<u64>()) {
        let record = Record { caller: Fingerprint(caller), expires_at, life: Life::Live(Box::new(live)) };
        let bytes = record.to_bytes().unwrap();
        prop_assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
    }

    #[test]
    fn no_bytes_break_the_reader(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        live in any_live(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let _ = Record::from_bytes(&bytes);
        let mut bent = record(live).to_bytes().unwrap();
        let at = at.index(bent.len());
        bent[at] = byte;
        // Whatever is still read can be written again.
        if let Ok(read) = Record::from_bytes(&bent) {
            prop_assert_eq!(Record::from_bytes(&read.to_bytes().unwrap()).unwrap(), read);
        }
    }
}

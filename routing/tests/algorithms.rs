//! Does each algorithm do what its name says?
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use mcphub_routing::*;

mod fleet;
use fleet::*;

fn weigh(mut spec: TableSpec, weights: &[u32]) -> TableSpec {
    for (hub, &weight) in spec.hubs.iter_mut().zip(weights) {
        hub.weight = Weight::new(weight).unwrap();
    }
    spec
}

fn three(algorithm: Algorithm) -> TableSpec {
    let hubs = ["a", "b", "c"].map(|id| hub(id, HubType::Primary, "x")).to_vec();
    spec(algorithm, hubs, &[10, 20, 30])
}

/// Are the counts these parts of the whole, to within two per cent of it?
fn near(counts: &[u32], parts: &[f64]) -> bool {
    let whole: f64 = counts.iter().map(|&n| f64::from(n)).sum();
    counts.iter().zip(parts).all(|(&n, part)| (f64::from(n) / whole - part).abs() < 0.02)
}

#[test]
fn round_robin_is_exact_and_does_not_clump() {
    let equal = table(&three(Algorithm::RoundRobin));
    for begin in 0..20 {
        let counts =
            tally(&equal, 3, |turn| select(&equal, &RouteQuery { turn: begin + turn, ..query(&NoLoads) }));
        assert_eq!(counts, [1, 1, 1], "any three turns in a row meet each of three equal hubs");
    }
    let uneven = table(&weigh(three(Algorithm::RoundRobin), &[100, 200, 500]));
    for begin in [0, 5, 1_000_003] {
        let counts =
            tally(&uneven, 8, |turn| select(&uneven, &RouteQuery { turn: begin + turn, ..query(&NoLoads) }));
        assert_eq!(counts, [1, 2, 5]);
    }
    let large = primaries(Algorithm::RoundRobin, 500);
    let counts = tally(&large, 1_000, |turn| select(&large, &RouteQuery { turn, ..query(&NoLoads) }));
    assert!(counts.iter().all(|&n| n == 2));
}

#[test]
fn round_robin_deals_a_tried_hub_to_all_others() {
    let table = primaries(Algorithm::RoundRobin, 5);
    let mut excluded = Excluded::none();
    excluded.insert(table.find("hub-0").unwrap());
    let counts =
        tally(&table, 50_000, |turn| select(&table, &RouteQuery { turn, excluded, ..query(&NoLoads) }));
    assert!(counts[0] == 0 && near(&counts[1..], &[0.25; 4]), "{counts:?}");
}

#[test]
fn least_connections_weighs_the_load() {
    let table = table(&weigh(three(Algorithm::LeastConnections), &[100, 200, 100]));
    let check = |loads: [u32; 3], expected: &str| {
        let choices: Vec<_> =
            (0..9).map(|turn| select(&table, &RouteQuery { turn, ..query(&&loads[..]) })).collect();
        assert!(choices.iter().all(|&c| id(&table, c) == expected), "{loads:?}: {choices:?}");
    };
    check([0, 2, 9], "a");
    check([9, 2, 0], "c");
    check([5, 9, 5], "b"); // 6 of 100, 10 of 200
    check([5, 13, 6], "a");
}

#[test]
fn least_connections_of_many_hubs_stays_even_and_avoids_the_busy() {
    let table = primaries(Algorithm::LeastConnections, 100);
    let mut loads = vec![0u32; 100];
    for turn in 0..5_000 {
        let hub = select(&table, &RouteQuery { turn, ..query(&loads) }).hub().unwrap();
        loads[hub.get()] += 1;
    }
    let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
    assert!(most - least <= 8, "between {least} and {most}");
    let mut loads = vec![0u32; 100];
    loads[..50].fill(1_000);
    let counts = tally(&table, 10_000, |turn| select(&table, &RouteQuery { turn, ..query(&loads) }));
    let busy: u32 = counts[..50].iter().sum();
    assert!((2_200..2_800).contains(&busy), "both of two draws are busy one time in four: {busy}");
}

#[test]
fn health_based_follows_the_square_of_health() {
    let mut spec = three(Algorithm::HealthBased);
    spec.hubs[1].health = share(500);
    spec.hubs[2].health = share(0);
    let sick = table(&spec);
    let counts = tally(&sick, 100_000, |turn| select(&sick, &RouteQuery { turn, ..query(&NoLoads) }));
    assert!(near(&counts, &[0.8, 0.2, 0.0]), "{counts:?}");
    for hub in &mut spec.hubs {
        hub.health = share(0);
    }
    let hopeless = table(&spec);
    let counts = tally(&hopeless, 9, |turn| select(&hopeless, &RouteQuery { turn, ..query(&NoLoads) }));
    assert_eq!(counts, [3, 3, 3], "a score alone takes nobody out of service");
}

#[test]
fn geographic_keeps_the_share_and_spills_the_rest_to_the_next() {
    let check = |shares: [u16; 3], parts: [f64; 3], key: bool| {
        let mut spec = three(Algorithm::Geographic);
        for (hub, per_mille) in spec.hubs.iter_mut().zip(shares) {
            hub.state = HubState::Serving { weight: share(per_mille) };
        }
        let table = table(&spec);
        let counts = tally(&table, 100_000, |n| {
            let key = key.then(|| n.wrapping_mul(0x1234_5678_9ABC_DEF1));
            select(&table, &RouteQuery { turn: if key.is_some() { 7 } else { n }, key, ..query(&NoLoads) })
        });
        assert!(near(&counts, &parts), "{shares:?}: {counts:?}");
    };
    for key in [false, true] {
        check([1000, 1000, 1000], [1.0, 0.0, 0.0], key);
        check([300, 1000, 1000], [0.3, 0.7, 0.0], key);
        check([500, 500, 1000], [0.5, 0.25, 0.25], key);
        check([0, 1000, 1000], [0.0, 1.0, 0.0], key);
    }
    // Nobody in full service: what all decline is dealt out in proportion.
    check([500, 500, 0], [0.625, 0.375, 0.0], false);
}

#[test]
fn a_thinned_group_spills_to_the_next_under_every_algorithm() {
    for algorithm in
        [Algorithm::Geographic, Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::HealthBased]
    {
        let hubs = vec![hub("first", HubType::Primary, "x"), hub("second", HubType::Secondary, "x")];
        let mut spec = spec(algorithm, hubs, &[10, 10]);
        spec.hubs[0].state = HubState::Recovering { since: MonoTime::ZERO, share: share(200) };
        let table = table(&spec);
        for key in [false, true] {
            let counts = tally(&table, 50_000, |n| {
                select(&table, &RouteQuery { turn: n, key: key.then_some(n), ..query(&NoLoads) })
            });
            assert!(near(&counts, &[0.2, 0.8]), "{algorithm} {key}: {counts:?}");
        }
    }
}

/// Where each of so many keys goes.
fn homes(table: &RoutingTable, keys: u64) -> Vec<String> {
    let home = |n: u64| {
        let key = Some(n.wrapping_mul(0xD134_2543_DE82_EF95));
        id(table, select(table, &RouteQuery { key, ..query(&NoLoads) })).to_owned()
    };
    (0..keys).map(home).collect()
}

#[test]
fn keys_are_dealt_by_weight() {
    let table = table(&weigh(three(Algorithm::RoundRobin), &[100, 200, 500]));
    let homes = homes(&table, 40_000);
    let counts = ["a", "b", "c"].map(|id| homes.iter().filter(|home| *home == id).count() as u32);
    assert!(near(&counts, &[0.125, 0.25, 0.625]), "{counts:?}");
}

#[test]
fn a_hub_that_closes_moves_its_own_keys_and_no_others() {
    for count in [3, 20, 100, 600] {
        for state in [
            HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 },
            HubState::Draining { deadline: MonoTime::ZERO, cause: Cause::Operator },
            HubState::Drained { cause: Cause::Forecast },
        ] {
            let whole = primaries(Algorithm::RoundRobin, count);
            let lost = whole.find("hub-1").unwrap();
            let less = whole.revise().state(lost, state).build(Generation::new(2));
            let (before, after) = (homes(&whole, 12_000), homes(&less, 12_000));
            let moved = before.iter().zip(&after).filter(|(b, a)| b != a);
            assert!(moved.clone().all(|(before, _)| before == "hub-1"), "{count} hubs");
            let heirs: std::collections::BTreeSet<_> = moved.clone().map(|(_, after)| after).collect();
            assert!(!heirs.contains(&"hub-1".to_owned()) && moved.count() > 0, "{count} hubs");
            assert!(heirs.len() >= 2, "the keys spread: {heirs:?}");
        }
    }
}

#[test]
fn a_hub_that_thins_gives_up_keys_step_by_step() {
    let whole = primaries(Algorithm::RoundRobin, 50);
    let hub = whole.find("hub-7").unwrap();
    let at = |per_mille| {
        let state = HubState::Serving { weight: share(per_mille) };
        homes(&whole.revise().state(hub, state).build(Generation::new(2)), 20_000)
    };
    let (full, half, tenth) = (at(1000), at(500), at(100));
    let mine = |homes: &[String]| homes.iter().filter(|home| *home == "hub-7").count();
    assert!(mine(&full) > mine(&half) && mine(&half) > mine(&tenth) && mine(&tenth) > 0);
    for ((full, half), tenth) in full.iter().zip(&half).zip(&tenth) {
        assert!(full == half || full == "hub-7", "only its own keys leave");
        assert!(tenth != "hub-7" || half == "hub-7", "what left does not come back on the way down");
    }
}

#[test]
fn a_hub_that_leaves_the_configuration_moves_its_own_keys_and_no_others() {
    let names = |skip: usize| {
        (0..20).filter(move |n| *n != skip).map(|n| hub(&format!("hub-{n}"), HubType::Primary, "x"))
    };
    let whole = table(&spec(Algorithm::RoundRobin, names(99).collect(), &[5; 20]));
    let less = table(&spec(Algorithm::RoundRobin, names(4).collect(), &[5; 19]));
    for (before, after) in homes(&whole, 10_000).iter().zip(&homes(&less, 10_000)) {
        assert!(before == after || before == "hub-4", "{before} to {after}");
    }
}

/// Every second hub is out, by a mixture that no tree leans on.
fn half_out(table: &RoutingTable) -> RoutingTable {
    let out = HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 };
    let odd: Vec<HubIndex> = table.hubs().map(|hub| hub.index).filter(|hub| hub.get() * 7 % 16 < 8).collect();
    let revision = odd.into_iter().fold(table.revise(), |revision, hub| revision.state(hub, out));
    revision.build(Generation::new(2))
}

#[test]
fn with_half_of_the_fleet_out_a_hub_that_closes_still_moves_its_own_keys_and_no_others() {
    for count in [20, 100, 600] {
        let less = half_out(&primaries(Algorithm::RoundRobin, count));
        let next = less.hubs().find(|hub| hub.state == HubState::SERVING).unwrap();
        let lost = next.id.as_str().to_owned();
        let out = HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 };
        let least = less.revise().state(next.index, out).build(Generation::new(3));
        let (before, after) = (homes(&less, 12_000), homes(&least, 12_000));
        let moved: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).collect();
        assert!(!moved.is_empty() && moved.iter().all(|(before, _)| **before == lost), "{count} hubs");
    }
}

#[test]
fn keys_of_closed_hubs_are_dealt_by_weight_among_the_others() {
    // Half of 200, for which keys draw; and but a few of them, each of which takes part in every lot.
    for live in [100usize, 20] {
        let hubs = (0..200).map(|n| hub(&format!("hub-{n}"), HubType::Primary, "x")).collect();
        let mut spec = spec(Algorithm::RoundRobin, hubs, &[1; 200]);
        for (hub, n) in spec.hubs.iter_mut().zip(0..) {
            hub.weight = Weight::new(if n % 2 == 0 { 100 } else { 300 }).unwrap();
            if n >= live {
                hub.state = HubState::Drained { cause: Cause::Operator };
            }
        }
        let table = table(&spec);
        let homes = homes(&table, 60_000);
        let heavy = |id: &String| table.hub(table.find(id).unwrap()).unwrap().weight.get() == 300;
        let heavy = homes.iter().filter(|id| heavy(id)).count() as f64 / 60_000.0;
        assert!((heavy - 0.75).abs() < 0.02, "{live} live: {heavy}");
        let mut counts = std::collections::BTreeMap::new();
        homes.iter().for_each(|id| *counts.entry(id).or_insert(0) += 1);
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(counts.len() == live && most / least < 6, "{live} live: {least} to {most}");
    }
}

#[test]
fn a_large_group_that_is_hardly_in_service_leaves_its_keys_to_the_next() {
    let first = (0..100).map(|n| hub(&format!("first-{n}"), HubType::Primary, "x"));
    let hubs = first.chain([hub("second", HubType::Secondary, "x")]).collect();
    let mut spec = spec(Algorithm::RoundRobin, hubs, &[10; 101]);
    for (hub, n) in spec.hubs[..100].iter_mut().zip(0..) {
        // Two of a hundred take a fifth: one minus 0.8 squared stays.
        let share = if n < 2 { share(200) } else { share(0) };
        hub.state = HubState::Recovering { since: MonoTime::ZERO, share };
    }
    let homes = homes(&table(&spec), 50_000);
    let counts = ["first-0", "first-1", "second"].map(|id| homes.iter().filter(|h| *h == id).count() as u32);
    assert!(near(&counts, &[0.18, 0.18, 0.64]), "{counts:?}");
}

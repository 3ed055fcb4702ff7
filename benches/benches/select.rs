//! What does choosing a hub cost, from 4 hubs to 5,000, beside the least it could: loading the published table?
//!
//! Prints, after criterion's own figures, each choice as a multiple of that load. The table has 250 places, one for
//! each country, and every iteration asks from another of them, so that the caches see what traffic would show them.

// The ratios are this program's product.
#![allow(clippy::print_stdout)]
// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group};
use mcphub_routing::{
    Algorithm, Cause, Era, Generation, HubId, HubIndex, HubSpec, HubState, HubType, LocationName, Pin,
    PlaceIndex, PlaceResidency, PlaceSpec, Reach, Reader, ResidencySpec, RouteQuery, RoutingTable, TableSpec,
    channel, select,
};

use crate::cpu_time::CpuTime;

/// Hubs in the tables measured.
const SIZES: [usize; 4] = [4, 100, 1000, 5000];
/// Places in each table.
const PLACES: u16 = 250;
const LOCATIONS: usize = 16;

/// A quarter of the hubs primary, half of them secondary, a quarter edge; every tenth place under a residency rule.
fn table(hubs: usize, algorithm: Algorithm) -> RoutingTable {
    let location =
        |at: usize| LocationName::new(&format!("location-{}", at % LOCATIONS)).expect("a good name");
    let hub_types = [HubType::Primary, HubType::Secondary, HubType::Edge, HubType::Secondary];
    let spec = TableSpec {
        algorithm,
        hubs: (0..hubs)
            .map(|at| {
                let id = HubId::new(&format!("hub-{at}")).expect("a good id");
                HubSpec::new(id, hub_types[at % hub_types.len()], location(at))
            })
            .collect(),
        residencies: vec![ResidencySpec {
            id: mcphub_routing::ResidencyId::new("rule").expect("a good id"),
            hubs_in: vec![location(0), location(1)],
        }],
        places: (0..usize::from(PLACES))
            .map(|place| PlaceSpec {
                name: format!("place {place}").into(),
                residency: if place % 10 == 0 { PlaceResidency::Rule(0) } else { PlaceResidency::Anywhere },
                // Any mixture will do, as long as each place has an order of its own.
                reach: (0..hubs)
                    .map(|hub| Reach {
                        cost_ms: ((hub * 7919 + place * 104_729) % 251) as u32,
                        within_radius: (hub + place) % 20 == 0,
                    })
                    .collect(),
            })
            .collect(),
    };
    RoutingTable::build(&spec, Generation::FIRST).expect("a good spec")
}

/// All hubs out but the last, which is where a naive search would look last.
fn nearly_all_ejected(table: &RoutingTable) -> RoutingTable {
    let out = HubState::Ejected { retry_at: mcphub_routing::MonoTime::from_millis(1), strikes: 1 };
    let count = table.hubs().len();
    let last_drained = HubState::Drained { cause: Cause::Operator };
    let all: Vec<HubIndex> = table.hubs().map(|hub| hub.index).collect();
    all.iter()
        .take(count.saturating_sub(1))
        .enumerate()
        .fold(table.revise(), |revision, (at, hub)| {
            revision.state(*hub, if at % 2 == 0 { out } else { last_drained })
        })
        .build(Generation::FIRST.next())
}

/// One thing to measure: a table behind its reader, and what is asked of it.
struct Asked {
    name: &'static str,
    reader: Reader<RoutingTable>,
    loads: Vec<u32>,
    pin: Option<Pin>,
    keyed: bool,
}

impl Asked {
    fn new(name: &'static str, table: RoutingTable) -> Self {
        let loads = (0..table.hubs().len()).map(|hub| (hub * 31 % 17) as u32).collect();
        let (_, reader) = channel(table);
        Self { name, reader, loads, pin: None, keyed: false }
    }

    /// Loads the table and chooses, as one request does.
    fn once(&self, turn: u64) {
        let table = self.reader.load();
        let region = PlaceIndex::new((turn % u64::from(PLACES)) as u16);
        let mut query = RouteQuery::new(region, Era::Legacy, &self.loads);
        query.turn = turn;
        query.pin = self.pin;
        // A multiplier of splitmix64: keys that differ everywhere.
        query.key = self.keyed.then(|| turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let _ = black_box(select(&table, black_box(&query)));
    }
}

fn all_asked(hubs: usize) -> Vec<Asked> {
    let plain = || table(hubs, Algorithm::Geographic);
    let mut pinned = Asked::new("pinned session", plain());
    pinned.pin = pinned.reader.load().find("hub-0").map(Pin::Hard);
    let mut keyed = Asked::new("key (modern affinity)", plain());
    keyed.keyed = true;
    vec![
        pinned,
        Asked::new("geographic", plain()),
        keyed,
        Asked::new("round-robin", table(hubs, Algorithm::RoundRobin)),
        Asked::new("least-connections", table(hubs, Algorithm::LeastConnections)),
        Asked::new("health-based", table(hubs, Algorithm::HealthBased)),
        Asked::new("geographic, all hubs but one out", nearly_all_ejected(&plain())),
    ]
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let (_publisher, reader) = channel(table(4, Algorithm::Geographic));
    criterion.bench_function("load the published table", |bencher| {
        bencher.iter(|| black_box(reader.load().generation()));
    });
    let mut group = criterion.benchmark_group("load and select");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for hubs in SIZES {
        for asked in all_asked(hubs) {
            let mut turn = 0;
            group.bench_function(BenchmarkId::new(asked.name, hubs), |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    asked.once(turn);
                });
            });
        }
    }
    group.finish();
}

/// Nanoseconds of CPU time of one call: the median of 15 batches of 20,000.
fn nanoseconds(mut call: impl FnMut(u64)) -> f64 {
    const BATCH: u64 = 20_000;
    let mut batches: Vec<f64> = (0..15)
        .map(|_| {
            let began = cpu_time::now();
            (0..BATCH).for_each(&mut call);
            (cpu_time::now() - began) as f64 / BATCH as f64
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    batches[batches.len() / 2]
}

fn print_ratios() {
    let (_publisher, reader) = channel(table(4, Algorithm::Geographic));
    let load = nanoseconds(|_| {
        black_box(reader.load().generation());
    });
    println!(
        "\nLoading the published table (one ArcSwap load): {load:.1} ns. Load and select, in ns (and in loads):\n"
    );
    println!("| hubs | {} |", all_asked(1).iter().map(|a| a.name).collect::<Vec<_>>().join(" | "));
    println!("| ---: |{}", " ---: |".repeat(all_asked(1).len()));
    for hubs in SIZES {
        let cells: Vec<String> = all_asked(hubs)
            .iter()
            .map(|asked| nanoseconds(|turn| asked.once(turn)))
            .map(|ns| format!("{ns:.0} ({:.1})", ns / load))
            .collect();
        println!("| {hubs} | {} |", cells.join(" | "));
    }
}

criterion_group! {
    name = selects;
    config = cpu_time::criterion();
    targets = benches
}

fn main() {
    selects();
    cpu_time::criterion().configure_from_args().final_summary();
    // `cargo test` runs this too, where one short pass is enough.
    if std::env::args().any(|argument| argument == "--bench") {
        print_ratios();
    }
}

//! What does choosing a hub cost, from 10 hubs to 5,000, in good times and bad?
//!
//! Each figure includes loading the published table, and stands beside that load alone, so that it can be told as a
//! multiple of it. The table has 250 places, and every iteration asks from another of them, so that the caches see what
//! traffic would show them.

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;
mod fleet;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group};
use mcphub_routing::{
    Algorithm, Era, Pin, PlaceIndex, Reader, Residency, RouteQuery, RoutingTable, channel, select,
};

use crate::cpu_time::CpuTime;
use crate::fleet::{PLACES, SIZES, Times, id, mix, table};

/// How is the hub asked for?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Pinned,
    Plain,
    /// By the credential: modern affinity.
    Keyed,
    /// Under the rule of this name.
    Bound(&'static str),
    /// Always from the same place.
    FromPlace1,
}

/// One thing to measure: a table behind its reader, and what is asked of it.
struct Asked {
    name: String,
    reader: Reader<RoutingTable>,
    loads: Vec<u32>,
    way: Way,
    pin: Option<Pin>,
    residency: Residency,
}

impl Asked {
    fn new(name: String, way: Way, table: RoutingTable) -> Self {
        let loads = (0..table.hubs().len()).map(|hub| (hub * 31 % 17) as u32).collect();
        let pin = (way == Way::Pinned).then(|| Pin::Hard(table.find(id(1).as_str()).expect("two hubs")));
        let residency = match way {
            Way::Bound(rule) => Residency::Sealed(table.find_residency(rule).expect("a rule")),
            _ => Residency::OfRegion,
        };
        let (_, reader) = channel(table);
        Self { name, reader, loads, way, pin, residency }
    }

    /// Loads the table and chooses, as one request does.
    fn once(&self, turn: u64) {
        let table = self.reader.load();
        let place = if self.way == Way::FromPlace1 { 1 } else { turn % u64::from(PLACES) };
        let mut query = RouteQuery::new(PlaceIndex::new(place as u16), Era::Legacy, &self.loads);
        query.turn = turn;
        query.pin = self.pin;
        query.residency = self.residency;
        query.key = (self.way == Way::Keyed).then(|| mix(turn));
        let _ = black_box(select(&table, black_box(&query)));
    }
}

fn all_asked(hubs: usize) -> Vec<Asked> {
    let algorithms =
        [Algorithm::Geographic, Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::HealthBased];
    let tables = algorithms.map(|algorithm| table(hubs, algorithm));
    let [geographic, round_robin, least_connections, health_based] = &tables;
    let usual = [Times::Healthy, Times::HalfOut, Times::OneLeft];
    let mut all = Vec::new();
    let mut ask = |name: &str, way: Way, table: &RoutingTable, times: &[Times]| {
        for &times in times {
            all.push(Asked::new(format!("{name}: {}", times.name()), way, times.befall(table)));
        }
    };
    ask("pinned session", Way::Pinned, geographic, &[Times::Healthy]);
    ask("geographic", Way::Plain, geographic, &usual);
    ask("geographic", Way::FromPlace1, geographic, &[Times::NearestHalfOut]);
    ask("residency, two locations", Way::Bound("rule"), geographic, &[Times::Healthy, Times::HalfOut]);
    ask("residency, one hub", Way::Bound("lonely"), geographic, &[Times::Healthy]);
    ask("key", Way::Keyed, round_robin, &usual);
    ask("key", Way::Keyed, round_robin, &[Times::AllRecovering]);
    ask("round-robin", Way::Plain, round_robin, &usual);
    ask("least-connections", Way::Plain, least_connections, &usual);
    ask("health-based", Way::Plain, health_based, &usual);
    ask("refusal", Way::Plain, geographic, &[Times::NobodyLeft]);
    all
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("select");
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400));
    group.sample_size(20).nresamples(1_000);
    for hubs in SIZES {
        let (_publisher, reader) = channel(table(hubs, Algorithm::Geographic));
        group.bench_function(BenchmarkId::new("load alone", hubs), |bencher| {
            bencher.iter(|| black_box(reader.load().generation()));
        });
        for asked in all_asked(hubs) {
            let mut turn = 0;
            group.bench_function(BenchmarkId::new(&asked.name, hubs), |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    asked.once(turn);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = selects;
    config = cpu_time::criterion();
    targets = benches
}

fn main() {
    selects();
    cpu_time::criterion().configure_from_args().final_summary();
}

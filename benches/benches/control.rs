//! What does the control plane cost, from 10 hubs to 5,000 with 250 places: evidence, plan, guard rails, table?
//!
//! A tick gathers the evidence of every hub, decides, checks, and makes the next table if anything is to change. In quiet
//! times nothing is; in bad ones a twentieth of the fleet has begun to refuse connections two seconds ago.

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;
mod fleet;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::Measurement;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group};
use mcphub_health::{Evidence, Outcome, Recorder};
use mcphub_predictor::{HubMemory, Inputs, Memory, Policy, check, decide};
use mcphub_routing::{Algorithm, Generation, HubId, MonoTime, RoutingTable};

use crate::cpu_time::CpuTime;
use crate::fleet::{NOW, OUT, SIZES, Watched, id, mix, spec, table};

impl Watched {
    fn evidence(&self, at: usize) -> Evidence {
        let ledger = self.schedule.ledger(&self.ids[at]).expect("a hub that is probed");
        Evidence::gather(&self.recorders[at], ledger, 3, NOW)
    }

    fn gather(&self) -> BTreeMap<HubId, Evidence> {
        self.ids.iter().enumerate().map(|(at, id)| (id.clone(), self.evidence(at))).collect()
    }

    /// As long as the gateway runs, every hub was changed at some time.
    fn memory(&self) -> Memory {
        let changed = Some(NOW.before(Duration::from_secs(600)));
        let hub = HubMemory { changed, returned: changed, strikes: 1, ..HubMemory::default() };
        Memory { hubs: self.ids.iter().map(|id| (id.clone(), hub)).collect(), ..Memory::default() }
    }

    fn inputs(&self) -> Inputs {
        let pins = self.ids.iter().map(|id| (id.clone(), 7)).collect();
        Inputs { evidence: self.gather(), pins, memory: self.memory(), ..Inputs::default() }
    }
}

/// One tick as the gateway makes it; gives back whether there is a new table.
fn tick(
    watched: &Watched,
    table: &RoutingTable,
    inputs: &mut Inputs,
    policy: &Policy,
) -> Option<RoutingTable> {
    inputs.evidence = watched.gather();
    let plan = decide(table, inputs, policy, NOW);
    let changes = plan.changes(table);
    let checked = check(plan, table, inputs, policy).expect("a plan within the rails");
    changes.then(|| checked.apply(table).expect("a plan that fits"))
}

fn name(what: &str, hubs: usize) -> BenchmarkId {
    BenchmarkId::new(what, hubs)
}

fn plans<M: Measurement>(group: &mut BenchmarkGroup<'_, M>, hubs: usize) {
    let policy = Policy::default();
    let table = table(hubs, Algorithm::Geographic);
    for (times, refusing) in [("quiet", 0), ("a twentieth fails", (hubs / 20).max(1))] {
        let watched = Watched::new(hubs, refusing);
        let mut inputs = watched.inputs();
        let plan = decide(&table, &inputs, &policy, NOW);
        assert_eq!(plan.steps.len(), refusing, "the fleet is as it should be");
        if refusing == 0 {
            group.bench_function(name("gather", hubs), |bencher| {
                bencher.iter(|| (0..hubs).for_each(|at| _ = black_box(watched.evidence(at))));
            });
            group.bench_function(name("look at the probe schedule", hubs), |bencher| {
                bencher.iter(|| black_box(watched.schedule.wake_at()));
            });
        }
        group.bench_function(name(&format!("decide, {times}"), hubs), |bencher| {
            bencher.iter(|| black_box(decide(&table, &inputs, &policy, NOW)));
        });
        group.bench_function(name(&format!("check, {times}"), hubs), |bencher| {
            let check = |plan| black_box(check(plan, &table, &inputs, &policy));
            bencher.iter_batched(|| plan.clone(), check, BatchSize::LargeInput);
        });
        if refusing > 0 {
            let checked = check(plan, &table, &inputs, &policy).expect("a plan within the rails");
            group.bench_function(name("apply, a twentieth fails", hubs), |bencher| {
                bencher.iter(|| black_box(checked.apply(&table)));
            });
        }
        group.bench_function(name(&format!("tick, {times}"), hubs), |bencher| {
            bencher.iter(|| black_box(tick(&watched, &table, &mut inputs, &policy)));
        });
    }
}

fn tables<M: Measurement>(group: &mut BenchmarkGroup<'_, M>, hubs: usize) {
    let spec = spec(hubs, Algorithm::Geographic);
    group.bench_function(name("build the table", hubs), |bencher| {
        bencher.iter(|| RoutingTable::build(black_box(&spec), Generation::FIRST));
    });
    let table = table(hubs, Algorithm::Geographic);
    let hub = table.find(id(2).as_str()).expect("ten hubs");
    group.bench_function(name("revise the table, one hub out", hubs), |bencher| {
        bencher.iter(|| black_box(table.revise().state(hub, OUT).build(Generation::FIRST.next())));
    });
}

/// The hot path's side: one request's outcome, noted at one of so many hubs, a hundred thousand a second.
fn record<M: Measurement>(group: &mut BenchmarkGroup<'_, M>, hubs: usize) {
    let recorders: Vec<Recorder> = (0..hubs).map(|_| Recorder::default()).collect();
    let mut request = 0u64;
    group.bench_function(name("record one outcome (a request does that)", hubs), |bencher| {
        bencher.iter(|| {
            request += 1;
            let dice = mix(request);
            let latency = Duration::from_micros(4_000 + (dice & 0x3FFF));
            let now = MonoTime::from_nanos(1_000_000_000_000 + request * 10_000);
            let connect = ((dice >> 24).trailing_zeros() >= 4)
                .then(|| Duration::from_micros(500 + (dice >> 32 & 0x3FF)));
            let outcome = if (dice >> 40).trailing_zeros() >= 8 { Outcome::Http5xx } else { Outcome::Ok };
            black_box(recorders[(dice >> 48) as usize % hubs].record(outcome, latency, connect, now))
        });
    });
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("control");
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400));
    group.sample_size(15).nresamples(1_000);
    for hubs in SIZES {
        record(&mut group, hubs);
        plans(&mut group, hubs);
        tables(&mut group, hubs);
    }
    group.finish();
}

criterion_group! {
    name = controls;
    config = cpu_time::criterion();
    targets = benches
}

fn main() {
    controls();
    cpu_time::criterion().configure_from_args().final_summary();
}

//! What does a forecast cost, hub by hub?
//!
//! Every hub has a sample each 15 s. It goes through the hub's features, the row that comes out through the model that
//! ships, and where failure is likely it is asked what moved the forecast. Hubs take turns, so that the caches see what
//! a control loop shows them.

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mcphub_predictor::features::{Extractor, Schema, Surroundings};
use mcphub_predictor::insight::outlook::Standing;
use mcphub_predictor::model::prior::Rate;
use mcphub_predictor::model::teacher;
use mcphub_predictor::simulate::{Settings, Simulator};
use mcphub_predictor::telemetry::Sample;

use crate::cpu_time::CpuTime;

/// A large fleet.
const HUBS: usize = 1_000;
/// So many hubs are simulated; the fleet is made of them at different times of their day.
const SIMULATED: u32 = 4;
/// Half a day of samples: from then on a hub's own past counts.
const WARM_UP: usize = 2_880;

/// A hub's features, and what it shows next.
struct Hub<'a> {
    extractor: Extractor,
    coming: std::iter::Cycle<std::slice::Iter<'a, Sample>>,
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let settings = Settings { hubs: SIMULATED, days: 2, ..Settings::DEFAULT };
    let runs: Vec<_> = Simulator::new(settings).expect("a small world").hubs().collect();
    let mut fleet: Vec<_> = (0..HUBS).map(|number| hub(&runs[number % runs.len()].samples, number)).collect();
    let model = teacher().expect("the model that ships is of the present features");
    let (schema, around) = (Schema::telemetry(), Surroundings::default());
    let day = Duration::from_secs(86_400);
    let rate = Rate::of([day], 7 * day);
    let standing = Standing { history: 7 * day, rate, memory: Some((0.5, 0.0)) };

    let mut turn = 0;
    let mut next = move || {
        turn = (turn + 1) % HUBS;
        turn
    };
    criterion.bench_function("a sample into the features of a hub", |bencher| {
        bencher.iter(|| take(&mut fleet[next()]));
    });
    let mut row = Vec::new();
    criterion.bench_function("a row of features", |bencher| {
        bencher.iter(|| fleet[next()].extractor.vector(&schema, &around, black_box(&mut row)));
    });
    let rows: Vec<Vec<f32>> = fleet
        .iter()
        .map(|hub| {
            let mut row = Vec::new();
            hub.extractor.vector(&schema, &around, &mut row);
            row
        })
        .collect();
    criterion.bench_function("a forecast for a row: the chances of three horizons", |bencher| {
        bencher.iter(|| model.chances(black_box(&rows[next()])));
    });
    criterion.bench_function("a forecast for a row: all of it, with kinds and hazard", |bencher| {
        bencher.iter(|| model.outlook(black_box(&rows[next()]), &standing));
    });
    criterion.bench_function("what moved a forecast", |bencher| {
        bencher.iter(|| model.movers(black_box(&rows[next()])));
    });
    criterion.bench_function("all of it for one hub of a thousand", |bencher| {
        bencher.iter(|| {
            let hub = &mut fleet[next()];
            take(hub);
            hub.extractor.vector(&schema, &around, &mut row);
            model.outlook(&row, &standing)
        });
    });
}

/// One that has been watched for half a day and more.
fn hub(samples: &[Sample], number: usize) -> Hub<'_> {
    let warm = WARM_UP + number % 100;
    let mut extractor = Extractor::new();
    samples[..warm].iter().for_each(|sample| extractor.push(sample));
    Hub { extractor, coming: samples[warm..].iter().cycle() }
}

fn take(hub: &mut Hub<'_>) {
    if let Some(sample) = hub.coming.next() {
        hub.extractor.push(sample);
    }
}

criterion_group! {
    name = forecast;
    config = cpu_time::criterion();
    targets = benches
}
criterion_main!(forecast);

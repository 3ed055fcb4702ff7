//! Does publishing keep a choice waiting?
//!
//! One thread chooses, and each choice (load included) is timed on the wall clock, since waiting uses no CPU time. In every
//! second run, another thread meanwhile makes and publishes one table after the other without pause. What a bare reading
//! of the clock shows is told beside it: that, and the longest times, are the machine's. Whoever waits for another thread
//! asks the kernel to be put aside, and the kernel counts that.

// What is printed is this program's product.
#![allow(clippy::print_stdout)]
// Measuring is reading the clock.
#![allow(clippy::disallowed_methods)]

mod fleet;

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use hdrhistogram::Histogram;
use mcphub_routing::{
    Algorithm, Era, HubState, NoLoads, PlaceIndex, Publisher, Reader, RouteQuery, RoutingTable, channel,
    select,
};

use crate::fleet::{OUT, PLACES, id, table};

const ROUNDS: usize = 5;

/// What many calls took, in nanoseconds, over all rounds.
struct Took {
    times: Histogram<u64>,
    /// How often the thread had itself put aside.
    waits: u64,
}

impl Took {
    fn nothing() -> Self {
        let times = Histogram::new_with_bounds(1, 1_000_000_000, 3).expect("bounds that fit");
        Self { times, waits: 0 }
    }

    fn time(&mut self, calls: u64, mut call: impl FnMut(u64)) {
        let before = waits();
        for turn in 0..calls {
            let began = Instant::now();
            call(turn);
            self.times
                .saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1));
        }
        self.waits += waits() - before;
    }
}

/// How often this thread has had itself put aside so far.
fn waits() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn choose(reader: &Reader<RoutingTable>, turn: u64) {
    let table = reader.load();
    let place = PlaceIndex::new((turn % u64::from(PLACES)) as u16);
    let query = RouteQuery { turn, ..RouteQuery::new(place, Era::Legacy, &NoLoads) };
    let _ = black_box(select(&table, black_box(&query)));
}

/// Publishes tables in which one hub comes and goes; gives back how many.
fn publish(publisher: &mut Publisher<RoutingTable>, stop: &AtomicBool) -> u64 {
    let mut published = 0;
    while !stop.load(Relaxed) {
        let current = publisher.current();
        let hub = current.find(id(1).as_str()).expect("two hubs");
        let state = if published % 2 == 0 { OUT } else { HubState::SERVING };
        let next = current.revise().state(hub, state).build(current.generation().next());
        drop(current);
        publisher.publish(next);
        published += 1;
    }
    published
}

fn measure(hubs: usize, calls: u64) {
    let (mut publisher, reader) = channel(table(hubs, Algorithm::Geographic));
    let (mut clock, mut quiet, mut busy) = (Took::nothing(), Took::nothing(), Took::nothing());
    let (mut published, mut seconds) = (0, 0.0);
    for _ in 0..ROUNDS {
        clock.time(calls, |turn| _ = black_box(turn));
        quiet.time(calls, |turn| choose(&reader, turn));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| publish(&mut publisher, &stop));
            let began = Instant::now();
            busy.time(calls, |turn| choose(&reader, turn));
            seconds += began.elapsed().as_secs_f64();
            stop.store(true, Relaxed);
            published += publishing.join().expect("a publisher that ends");
        });
    }
    for (name, took) in [("clock", clock), ("quiet", quiet), ("publishing", busy)] {
        let at = |quantile| took.times.value_at_quantile(quantile);
        let (median, high, max, waits) = (at(0.5), at(0.999), took.times.max(), took.waits);
        println!("publishing {hubs} {name} {median} {high} {max} {waits}");
    }
    println!("published {hubs} {:.0}", published as f64 / seconds);
}

fn main() {
    // `cargo test` runs this too, where one short pass is enough.
    let calls = if std::env::args().any(|argument| argument == "--bench") { 2_000_000 } else { 1_000 };
    for hubs in [100, 5_000] {
        measure(hubs, calls);
    }
}

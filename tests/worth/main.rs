//! What is it worth to act on forecasts?
//!
//! Stretches of ten days in virtual time: hubs that fail, gradually or all at once; requests and sessions; a source of
//! forecasts of measured quality ([`days`]). The same days are lived through by three: the gateway that acts on
//! forecasts and the gateway that does not ([`edge`]: the real health, predictor and routing), and a proxy with three
//! strikes ([`strikes`]). Traffic is counted in steps of a second while anything is afoot, else of a quarter of a
//! minute; requests are expectations, not dice.
//!
//! `make worth DAYS=500` prints the table. Defaults were chosen on the seeds from 0, and are reported on those from
//! 1,000,000 (`WORTH_FIRST`).
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)] // A program that tells figures, and a test.

mod days;
mod edge;
mod life;
mod strikes;

use days::Stretch;
use edge::Edge;
use life::{Sum, live};
use mcphub_predictor::{ForecastUse, Policy};
use strikes::Strikes;

/// Seeds below are for tuning.
const UNTOUCHED: u64 = 1_000_000;
/// Failures per hub and day: of public endpoints, and of the simulator that forecasts are trained on.
const RATES: [f64; 2] = [0.08, 2.7];

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn policy(mode: ForecastUse) -> Policy {
    let mut policy = Policy::default();
    policy.forecast.mode = mode;
    let cost = |name, standard| asked(name).and_then(|cost| u32::try_from(cost).ok()).unwrap_or(standard);
    policy.forecast.cost_swap = cost("WORTH_SWAP", policy.forecast.cost_swap);
    policy.forecast.cost_failure = cost("WORTH_FAILURE", policy.forecast.cost_failure);
    policy
}

/// One seed's stretch, lived through by all three: act, off, three strikes.
fn three(seed: u64, rate: f64) -> [Sum; 3] {
    let stretch = Stretch::new(seed, rate);
    [
        live(&stretch, &mut Edge::new(policy(ForecastUse::Act), seed)),
        live(&stretch, &mut Edge::new(policy(ForecastUse::Off), seed)),
        live(&stretch, &mut Strikes::default()),
    ]
}

/// So many stretches on all processors, summed up.
fn sum(first: u64, count: u64, rate: f64) -> [Sum; 3] {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let and = |a: [Sum; 3], b: [Sum; 3]| [a[0].and(&b[0]), a[1].and(&b[1]), a[2].and(&b[2])];
    let part = |thread: u64| {
        let seeds = (first..first + count).filter(|seed| seed % threads == thread);
        seeds.map(|seed| three(seed, rate)).fold(<[Sum; 3]>::default(), and)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).fold(<[Sum; 3]>::default(), and)
    })
}

fn print(rate: f64, days: u64, sums: &[Sum; 3]) {
    println!(
        "{rate} failures per hub and day, {days} days of {} hubs, {} failures",
        days::HUBS,
        sums[0].failures
    );
    println!(
        "{:<14} {:>16} {:>14} {:>16} {:>12} {:>22}",
        "", "requests failed", "sessions moved", "of them in vain", "capacity", "alarms right/false/?"
    );
    for (name, sum) in ["act", "off", "three strikes"].iter().zip(sums) {
        let alarms = format!("{}/{}/{}", sum.alarms[0], sum.alarms[1], sum.alarms[2]);
        let lost = format!("-{:.3} %", sum.lost() * 100.0);
        println!(
            "{name:<14} {:>16.0} {:>14.0} {:>16.0} {lost:>12} {alarms:>22}",
            sum.failed, sum.moved, sum.in_vain
        );
    }
}

#[test]
fn acting_on_forecasts_is_worth_it() {
    let stretches = asked("WORTH_DAYS").map_or(2, |days| days.div_ceil(days::DAYS));
    let first = asked("WORTH_FIRST").unwrap_or(UNTOUCHED);
    for rate in RATES {
        let sums = sum(first, stretches, rate);
        print(rate, stretches * days::DAYS, &sums);
        let [act, off, strikes] = &sums;
        assert!(
            act.failed < strikes.failed && off.failed < strikes.failed,
            "fewer requests fail than by strikes"
        );
        // A few failures decide a short run: what acting loses must be little beside what either saves.
        assert!(act.failed <= off.failed + 0.02 * strikes.failed, "acting does no harm");
        assert!(rate > 1.0 || act.lost() - off.lost() < 0.01, "where failures are rare it costs little");
    }
}

#[test]
fn the_same_seed_is_the_same_stretch() {
    let day = |seed| three(seed, 0.08).map(|sum| format!("{sum:?}"));
    assert_eq!(day(3), day(3));
    assert_ne!(day(3), day(4));
}

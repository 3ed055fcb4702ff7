//! Does the simulated world keep its promises?

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::telemetry::Signal;

fn fleet(settings: Settings) -> Vec<HubRun> {
    Simulator::new(settings).unwrap().hubs().collect()
}

/// Twelve hubs of four days: some 120 faults.
fn some() -> Vec<HubRun> {
    fleet(Settings { hubs: 12, days: 4, seed: 11, ..Settings::DEFAULT })
}

/// A number for a whole series, down to the last bit.
fn fingerprint(run: &HubRun) -> u64 {
    let values = run.samples.iter().flat_map(|sample| sample.values().map(f32::to_bits));
    values.chain(run.down.iter().map(|down| u32::from(*down))).fold(0xCBF2_9CE4_8422_2325, |hash, bits| {
        (hash ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[test]
fn a_seed_gives_the_same_bits_everywhere() {
    let settings = Settings { hubs: 3, days: 1, seed: 5, ..Settings::DEFAULT };
    let found: Vec<u64> = fleet(settings.clone()).iter().map(fingerprint).collect();
    assert_eq!(found, fleet(settings.clone()).iter().map(fingerprint).collect::<Vec<_>>());
    assert_ne!(found, fleet(Settings { seed: 6, ..settings }).iter().map(fingerprint).collect::<Vec<_>>());
    // These very numbers, on every platform and in every build.
    assert_eq!(found, [7_052_560_235_792_007_430, 6_946_012_449_138_353_097, 14_078_774_154_109_326_174]);
}

#[test]
fn a_hub_does_not_depend_on_the_size_of_the_fleet() {
    let settings = Settings { hubs: 2, days: 1, ..Settings::DEFAULT };
    let small = Simulator::new(settings.clone()).unwrap().hub(1).unwrap();
    let large = Simulator::new(Settings { hubs: 9, ..settings.clone() }).unwrap().hub(1).unwrap();
    assert_eq!(fingerprint(&small), fingerprint(&large));
    assert_eq!(Simulator::new(settings).unwrap().hub(2), None);
}

#[test]
fn every_kind_occurs_and_every_class_fails() {
    let runs = fleet(Settings { hubs: 40, days: 3, seed: 3, ..Settings::DEFAULT });
    let kinds: BTreeSet<Kind> =
        runs.iter().flat_map(|run| run.failures.iter().map(|failure| failure.kind)).collect();
    let missing: Vec<_> = Kind::FAULTS.into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no failure of {missing:?}");
}

#[test]
fn requests_are_served_dropped_or_waiting() {
    for run in some() {
        let Flow { arrived, served, dropped, waiting } = run.flow;
        assert!(arrived > 0.0 && served > 0.0);
        let lost = arrived - served - dropped - waiting;
        assert!(lost.abs() < 1e-6 * arrived, "{lost} of {arrived} requests are nowhere");
        assert!((0.0..=f64::from(run.traits.queue_max)).contains(&waiting));
    }
}

#[test]
fn near_misses_are_never_down_and_failures_have_a_cause() {
    let (mut near, mut gradual) = (0.0, 0.0);
    for run in some() {
        assert_eq!(run.samples.len(), run.down.len());
        for fault in &run.faults {
            let down = (fault.onset..fault.end).find(|tick| run.down[*tick as usize]);
            match fault.outcome {
                Outcome::Failed { down: first } => assert_eq!(down, Some(first)),
                Outcome::NearMiss | Outcome::Unfinished => assert_eq!(down, None, "{fault:?}"),
            }
            if !fault.kind.is_abrupt() && fault.outcome != Outcome::Unfinished {
                gradual += 1.0;
                near += f64::from(fault.outcome == Outcome::NearMiss);
            }
            if fault.kind.is_abrupt() {
                assert!(matches!(fault.outcome, Outcome::Failed { .. }), "{fault:?}");
            }
        }
        for pair in run.faults.windows(2) {
            assert!(pair[0].end < pair[1].onset, "{pair:?} overlap");
        }
        for failure in &run.failures {
            assert!(run.down[failure.start as usize] && run.down[failure.end as usize - 1]);
        }
        let covered: u32 = run.failures.iter().map(|failure| failure.end - failure.start).sum();
        assert!(run.down.iter().filter(|down| **down).count() as u32 <= covered);
    }
    let part = near / gradual;
    assert!((0.15..0.4).contains(&part), "{near} of {gradual} gradual faults are near-misses");
}

#[test]
fn abrupt_failures_give_no_warning_and_gradual_ones_some() {
    let mut leads: BTreeMap<bool, Vec<u32>> = BTreeMap::new();
    for run in some() {
        for fault in &run.faults {
            if let Outcome::Failed { down } = fault.outcome {
                leads.entry(fault.kind.is_abrupt()).or_default().push(down - fault.onset);
            }
        }
    }
    assert!(leads[&true].iter().all(|lead| *lead <= 8), "{:?}", leads[&true]);
    let gradual = leads.get_mut(&false).unwrap();
    gradual.sort_unstable();
    assert!(gradual[gradual.len() / 2] >= 20, "{gradual:?}");
}

#[test]
fn columns_are_in_their_ranges() {
    for run in some() {
        let patience = (run.traits.timeout * 1000.0) as f32;
        for sample in &run.samples {
            for signal in Signal::ALL {
                let Some(value) = sample.get(signal) else {
                    assert!(
                        matches!(
                            signal,
                            Signal::Cpu
                                | Signal::Memory
                                | Signal::Queue
                                | Signal::P50Ms
                                | Signal::P95Ms
                                | Signal::Errors
                                | Signal::Timeouts
                        ),
                        "{signal} is unknown"
                    );
                    continue;
                };
                let most = match signal {
                    Signal::ProbeMs | Signal::P50Ms | Signal::P95Ms | Signal::ConnectMs => patience + 0.5,
                    Signal::InFlight | Signal::Rate => f32::MAX,
                    Signal::Queue => run.traits.queue_max as f32,
                    _ => 1.0,
                };
                assert!((0.0..=most).contains(&value), "{signal} is {value}");
            }
            let told = sample.get(Signal::Cpu).is_some();
            assert!(run.traits.exports || !told, "a hub that tells nothing told its processor");
            assert!(sample.get(Signal::Timeouts) <= sample.get(Signal::Errors));
        }
    }
}

/// Telemetry is an estimate of the truth: over many ticks the two parts of failed requests meet.
#[test]
fn what_is_seen_agrees_with_what_is_so() {
    let (mut quiet, mut broken) = ((0.0, 0.0), (0.0, 0.0));
    for run in some() {
        for (sample, down) in run.samples.iter().zip(&run.down) {
            let sum = if *down { &mut broken } else { &mut quiet };
            if let Some(errors) = sample.get(Signal::Errors) {
                *sum = (sum.0 + f64::from(errors), sum.1 + 1.0);
            }
        }
    }
    assert!(quiet.0 / quiet.1 < 0.02, "{} of requests fail on quiet ticks", quiet.0 / quiet.1);
    assert!(broken.0 / broken.1 > 0.75, "{} of requests fail on ticks of failure", broken.0 / broken.1);
}

#[test]
fn without_faults_next_to_nothing_fails() {
    let runs = fleet(Settings { hubs: 12, days: 4, faults_per_day: 0.0, ..Settings::DEFAULT });
    assert!(runs.iter().all(|run| run.faults.is_empty()));
    let failures: Vec<_> = runs.iter().flat_map(|run| &run.failures).collect();
    assert!(failures.iter().all(|failure| failure.kind == Kind::NaturalOverload));
    assert!(failures.len() <= 5, "{} failures in 48 days", failures.len());
}

#[test]
fn what_recurs_keeps_its_hour() {
    let settings = Settings { hubs: 6, days: 8, faults_per_day: 1.0, recurring: 1.0, ..Settings::DEFAULT };
    for run in fleet(settings) {
        let hours: Vec<_> = run.faults.iter().map(|fault| f64::from(fault.onset % TICKS_PER_DAY)).collect();
        let angle = |tick: &f64| tick / f64::from(TICKS_PER_DAY) * std::f64::consts::TAU;
        let (sin, cos) = hours.iter().map(angle).fold((0.0, 0.0), |(s, c), a| (s + a.sin(), c + a.cos()));
        let agreement = f64::hypot(sin, cos) / hours.len() as f64;
        // A second fault of a day waits for the first; onsets by chance would agree to about 1/√n.
        assert!(agreement > 0.9, "onsets at {hours:?} agree to {agreement}");
        assert!(run.faults.iter().all(|fault| fault.kind == run.faults[0].kind));
    }
}

#[test]
fn siblings_fail_together() {
    let settings =
        Settings { hubs: 8, days: 4, faults_per_day: 1.0, siblings: 1.0, locations: 1, ..Settings::DEFAULT };
    let runs = fleet(settings);
    let first = &runs[0].faults;
    assert!(!first.is_empty());
    for run in &runs[1..] {
        let near = |fault: &&Fault| {
            run.faults.iter().any(|other| other.kind == fault.kind && other.onset.abs_diff(fault.onset) <= 8)
        };
        assert!(first.iter().filter(near).count() * 10 >= first.len() * 7, "{first:?} {:?}", run.faults);
    }
}

#[test]
fn senseless_settings_are_refused() {
    let refused = |settings: Settings, word: &str| {
        let error = Simulator::new(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    let with = Settings::DEFAULT;
    refused(Settings { hubs: 0, ..with.clone() }, "hubs must be from 1 to 10000, and is 0");
    refused(Settings { days: 93, ..with.clone() }, "days must be from 1 to 92, and is 93");
    refused(Settings { locations: 0, ..with.clone() }, "locations");
    refused(
        Settings { faults_per_day: f64::NAN, ..with.clone() },
        "rate of faults must be from 0 to 6, and is NaN",
    );
    refused(Settings { faults_per_day: -0.1, ..with.clone() }, "rate of faults");
    refused(Settings { recurring: f64::INFINITY, ..with.clone() }, "recurring");
    refused(Settings { siblings: 1.1, ..with }, "siblings");
}

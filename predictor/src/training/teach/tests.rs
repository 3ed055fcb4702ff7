use std::sync::LazyLock;

use super::*;
use crate::model::file::Quality;
use crate::simulate::{Settings, Simulator};
use crate::telemetry::Signal;

/// 30 hours of a hub, which fails every two hours or so from the 13th on. Before, for as long as ten minutes, something
/// rises that tells the kind.
struct Hub {
    samples: Vec<Sample>,
    failures: Vec<Failed>,
}

const TICKS: usize = 7_200;
const RAMP: usize = 40;

/// A number from 0 to 1 without rhyme, the same each time.
fn dice(at: usize) -> f32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 24) as f32
}

fn hub(number: usize) -> Hub {
    let failures = (0..8).map(|n| {
        let start = 3_050 + 480 * n + 37 * number + (60.0 * dice(100 * number + n)) as usize;
        Failed { start, end: start + 10, kind: Some(Kind::ALL[(n + number) % 4]) }
    });
    let failures: Vec<_> = failures.collect();
    let sample = |at: usize| {
        let mut sample = Sample::UNKNOWN;
        let near = failures.iter().find(|failed| (failed.start - RAMP..failed.end).contains(&at));
        for (signal, kind) in [
            (Signal::P50Ms, Kind::Hardware),
            (Signal::Queue, Kind::Software),
            (Signal::ConnectMs, Kind::Network),
            (Signal::Rate, Kind::Overload),
        ] {
            let part = near.filter(|failed| failed.kind == Some(kind));
            let rise = part.map_or(0.0, |failed| (at + RAMP - failed.start) as f32 / RAMP as f32);
            sample.set(signal, (100.0 + 10.0 * dice(at + 10_000 * signal as usize)) * (1.0 + rise));
        }
        sample
    };
    Hub { samples: (0..TICKS).map(sample).collect(), failures: failures.clone() }
}

static FLEET: LazyLock<Vec<Hub>> = LazyLock::new(|| (0..5).map(hub).collect());

fn fleet() -> Vec<Pupil<'static>> {
    FLEET.iter().map(|hub| Pupil::of(&hub.samples, &hub.failures)).collect()
}

fn quick() -> Teaching {
    let forest = ForestSettings { trees: 10, depth: 6, leaf: 5, features: Some(30), seed: 1 };
    Teaching { forest, asked_max: 8_000, learnt_max: 4_000, ..Teaching::default() }
}

fn taught(fleet: &[Pupil<'_>], settings: &Teaching) -> Result<Model, TeachError> {
    teach(fleet, settings, 1_800_000_000, false)
}

static MODEL: LazyLock<Model> = LazyLock::new(|| taught(&fleet(), &quick()).unwrap());

#[test]
fn a_fleet_makes_a_whole_model() {
    let bytes = MODEL.to_bytes().unwrap();
    let columns = Columns::from(&Schema::telemetry());
    assert_eq!(Model::from_bytes(&bytes, &columns).as_ref(), Ok(&*MODEL));
    let Training { at, rows, hubs, failures, simulated, .. } = MODEL.training;
    assert_eq!((at, hubs, failures, simulated), (1_800_000_000, 5, 40, false));
    assert!((3_000..=4_000).contains(&rows), "{rows}");
    assert!(MODEL.horizons.windows(2).all(|pair| pair[0].base_rate < pair[1].base_rate));
}

#[test]
fn it_foretells_hubs_that_it_has_not_seen_and_says_how_well() {
    for (horizon, auroc) in MODEL.horizons.iter().zip([0.95, 0.95, 0.6]) {
        let Quality { auroc: found, auprc, brier_skill, calibration_error } = horizon.quality;
        assert!(found > auroc && auprc > 1.5 * horizon.base_rate, "{:?}", horizon.quality);
        assert!(brier_skill > 0.0 && calibration_error < 0.1, "{:?}", horizon.quality);
        // More false alarms buy a lower threshold.
        let mut thresholds = horizon.thresholds.windows(2);
        assert!(!horizon.thresholds.is_empty());
        assert!(
            thresholds
                .all(|pair| pair[0].budget < pair[1].budget && pair[0].probability >= pair[1].probability)
        );
    }
    let stranger = hub(11);
    let record = record::Record::new(0, Pupil::of(&stranger.samples, &stranger.failures)).unwrap();
    let start = stranger.failures[3].start;
    let rows = record.rows(&Schema::telemetry(), &[start - 200, start - 3]).unwrap();
    let chance = |row| MODEL.chances(rows.rows().row(row).unwrap()).unwrap()[1];
    assert!(chance(0) < 0.05 && chance(1) > 0.5, "{} and {}", chance(0), chance(1));
}

#[test]
fn it_tells_kinds_of_hubs_that_it_has_not_seen() {
    let stranger = hub(12);
    let record = record::Record::new(0, Pupil::of(&stranger.samples, &stranger.failures)).unwrap();
    let moments: Vec<_> = stranger.failures.iter().map(|failed| failed.start + 2).collect();
    let rows = record.rows(&Schema::telemetry(), &moments).unwrap();
    let kinds = MODEL.kinds.as_ref().unwrap();
    for (row, failed) in rows.rows().iter().zip(&stranger.failures) {
        assert_eq!(kinds.predict(row).unwrap().named(), failed.kind, "{failed:?}");
    }
}

#[test]
fn a_seed_makes_the_same_model_and_another_seed_another() {
    let few = Teaching { asked_max: 4_000, learnt_max: 1_000, ..quick() };
    let bytes = |seed| {
        let settings = Teaching { forest: ForestSettings { seed, ..few.forest }, ..few.clone() };
        taught(&fleet(), &settings).unwrap().to_bytes().unwrap()
    };
    let first = bytes(1);
    assert!(first == bytes(1), "the same seed");
    assert!(first != bytes(2), "another seed");
}

#[test]
fn what_we_had_a_hand_in_does_not_count() {
    // We were at it around every failure but the first two of each hub.
    let acted: Vec<Vec<_>> = FLEET
        .iter()
        .map(|hub| hub.failures[2..].iter().map(|failed| failed.start - 60..failed.end + 60).collect())
        .collect();
    let fleet = fleet();
    let fleet: Vec<_> = fleet.iter().zip(&acted).map(|(pupil, acted)| Pupil { acted, ..*pupil }).collect();
    let model = taught(&fleet, &quick()).unwrap();
    assert!(model.horizons[2].base_rate < MODEL.horizons[2].base_rate / 2.0);
    assert!(model.kinds.is_none(), "ten failures of four kinds are left");
    let all = std::slice::from_ref(&(0..TICKS));
    let fleet: Vec<_> = fleet.iter().map(|pupil| Pupil { acted: all, ..*pupil }).collect();
    assert!(matches!(taught(&fleet, &quick()), Err(TeachError::Hubs { found: 0 })));
}

#[test]
fn too_little_is_refused_in_words() {
    let check = |fleet: &[Pupil<'_>], word: &str| {
        let refused = taught(fleet, &quick()).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    };
    let fleet = fleet();
    check(&[], "2 hubs or more that were watched for over half a day, and there are 0");
    check(&fleet[..1], "there are 1");
    // Too young.
    let young: Vec<_> = FLEET.iter().map(|hub| Pupil::of(&hub.samples[..2_880], &[])).collect();
    check(&young, "for over half a day, and there are 0");
    let calm: Vec<_> = fleet.iter().map(|pupil| Pupil { failures: &[], ..*pupil }).collect();
    check(&calm, "with a failure to foretell, and there are 0");
    let one: Vec<_> = fleet[..1].iter().chain(&calm[1..]).copied().collect();
    check(&one, "with a failure to foretell, and there are 1");
    // It fails all the time: nothing tells a failure from its absence.
    let always: Vec<_> =
        (2_900..TICKS - 60).step_by(60).map(|start| Failed { start, end: start + 1, kind: None }).collect();
    let always: Vec<_> = fleet.iter().map(|pupil| Pupil { failures: &always, ..*pupil }).collect();
    check(&always, "learning what comes within 5 min");
    let around = [(0.0, 0.0)];
    let torn: Vec<_> = fleet.iter().map(|pupil| Pupil { around: &around, ..*pupil }).collect();
    check(&torn, "reading the record of hub");
}

#[test]
fn two_hubs_that_fail_are_enough_wherever_they_stand() {
    let quiet = |pupil: &Pupil<'static>| Pupil { failures: &[], ..*pupil };
    let fleet = fleet();
    // The first and the last of five would be in one fold of four, if they were dealt as they stand.
    let two = [fleet[0], quiet(&fleet[1]), quiet(&fleet[2]), quiet(&fleet[3]), fleet[4]];
    let model = taught(&two, &quick()).unwrap();
    assert_eq!(model.training.failures, 16);
}

#[test]
fn kinds_that_nobody_knows_are_not_told() {
    let unknown: Vec<Vec<_>> = FLEET
        .iter()
        .map(|hub| {
            let known = |failed: &Failed| Failed {
                kind: failed.kind.filter(|kind| *kind != Kind::Network),
                ..*failed
            };
            hub.failures.iter().map(known).collect()
        })
        .collect();
    let fleet = fleet();
    let fleet: Vec<_> =
        fleet.iter().zip(&unknown).map(|(pupil, failures)| Pupil { failures, ..*pupil }).collect();
    let few = Teaching { asked_max: 4_000, learnt_max: 1_000, ..quick() };
    assert_eq!(taught(&fleet, &few).unwrap().kinds, None);
}

/// The whole way from a simulated world, as the model that ships goes it.
#[test]
fn a_simulated_fleet_teaches() {
    let settings = Settings { hubs: 4, days: 2, seed: 4, faults_per_day: 5.0, ..Settings::DEFAULT };
    let runs: Vec<_> = Simulator::new(settings).unwrap().hubs().collect();
    let failures: Vec<Vec<_>> = runs
        .iter()
        .map(|run| {
            let failed = run.failures.iter().map(|failure| Failed {
                start: failure.start as usize,
                end: failure.end as usize,
                kind: Kind::named(failure.class().as_str()),
            });
            failed.collect()
        })
        .collect();
    let fleet: Vec<_> =
        runs.iter().zip(&failures).map(|(run, failures)| Pupil::of(&run.samples, failures)).collect();
    let model = taught(&fleet, &quick()).unwrap();
    // Simulated hubs are hard: three in ten failures come without a sign.
    assert!(model.horizons[1].quality.auroc > 0.55, "{:?}", model.horizons[1].quality);
}

#[test]
fn the_version_of_smartcore_is_the_one_that_is_locked() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let locked = format!("name = \"smartcore\"\nversion = \"{SMARTCORE}\"");
    assert!(lock.contains(&locked), "smartcore has moved on from {SMARTCORE}: say so in `teach`");
}

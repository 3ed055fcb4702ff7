use super::*;

/// A number from 0 to 1 without rhyme, the same each time.
fn dice(at: usize) -> f32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 24) as f32
}

/// A quiet hub at this tick: 100 ms give or take 20.
fn quiet(at: usize) -> Sample {
    let mut sample = Sample::UNKNOWN;
    sample.set(Signal::ProbeMs, 50.0 + 10.0 * dice(at));
    sample.set(Signal::P50Ms, 80.0 + 40.0 * dice(at + 1_000_000));
    sample.set(Signal::P95Ms, 200.0 + 100.0 * dice(at + 2_000_000));
    sample.set(Signal::Errors, 0.0);
    sample.set(Signal::InFlight, 4.0 + 2.0 * dice(at + 3_000_000));
    sample.set(Signal::Rate, 50.0 + 10.0 * dice(at + 4_000_000));
    sample
}

fn slow(at: usize) -> Sample {
    let mut sample = quiet(at);
    sample.set(Signal::P50Ms, 1_000.0);
    sample
}

fn fed(ticks: usize, sample: impl Fn(usize) -> Sample) -> Extractor {
    let mut extractor = Extractor::new();
    (0..ticks).for_each(|at| extractor.push(&sample(at)));
    extractor
}

fn one(extractor: &Extractor, feature: Feature) -> f32 {
    let mut row = Vec::new();
    extractor.vector(&Schema::new(vec![feature]), &Surroundings::default(), &mut row);
    row[0]
}

const LEVEL: Feature = Feature::Deviation(Signal::P50Ms, Span::M1);
const RISE: Feature = Feature::Rise(Signal::P50Ms, Span::M30);

#[test]
fn a_hub_as_usual_has_usual_numbers() {
    let extractor = fed(4 * 600, quiet);
    let mut row = Vec::new();
    let schema = Schema::with_history();
    extractor.vector(&schema, &Surroundings::default(), &mut row);
    assert_eq!(row.len(), schema.len());
    for (value, feature) in row.iter().zip(schema.features()) {
        assert!(value.is_finite() && value.abs() < 6.0, "{feature}: {value}");
    }
}

#[test]
fn slower_than_usual_shows_at_once_and_in_the_right_numbers() {
    let mut extractor = fed(4 * 600, quiet);
    for at in 0..4 {
        extractor.push(&slow(at));
    }
    assert_eq!(one(&extractor, LEVEL), 20.0);
    assert!(one(&extractor, Feature::Strain) > 6.0);
    assert_eq!(one(&extractor, Feature::Slow), 4.0 / 20.0);
    assert!(one(&extractor, Feature::Deviation(Signal::ProbeMs, Span::M1)).abs() < 4.0);
    // In flight is what it was, though slower answers at this rate should have made it more.
    assert!(one(&extractor, Feature::Backlog) < -0.3);
}

#[test]
fn a_rise_is_measured_in_spreads_over_its_span() {
    let climbing = |at: usize| {
        let mut sample = quiet(at);
        // From the 10th hour on, 1 % a minute for half an hour.
        let minutes = at.saturating_sub(4 * 600) as f32 / 4.0;
        sample.set(Signal::P50Ms, sample.get(Signal::P50Ms).unwrap() * 1.01_f32.powf(minutes));
        sample
    };
    let extractor = fed(4 * 630, climbing);
    let usual = extractor.usual(Signal::P50Ms).unwrap();
    let expected = 30.0 * 1.01_f32.ln() / usual.spread;
    let found = one(&extractor, RISE);
    assert!((found / expected - 1.0).abs() < 0.25, "{found} and {expected}");
    assert!(one(&fed(4 * 630, quiet), RISE).abs() < expected / 3.0);
}

#[test]
fn what_is_not_known_is_usual() {
    // Too young, silent, and a signal that this hub does not have.
    for extractor in [Extractor::new(), fed(100, quiet), fed(4 * 600, |_| Sample::UNKNOWN)] {
        assert_eq!(one(&extractor, LEVEL), 0.0);
        assert_eq!(one(&extractor, RISE), 0.0);
    }
    let extractor = fed(4 * 600, quiet);
    assert_eq!(one(&extractor, Feature::Deviation(Signal::Memory, Span::M5)), 0.0);
    assert_eq!(one(&extractor, Feature::Known(Signal::Memory)), 0.0);
    assert_eq!(one(&extractor, Feature::Known(Signal::P50Ms)), 1.0);
}

/// A hub whose load swings by a half either way, and whose processor and slowest answers follow it.
fn swinging(at: usize, slower: f32) -> Sample {
    let mut sample = quiet(at);
    let rate = 50.0 * (1.0 + 0.5 * (at as f32 / 5_760.0 * std::f32::consts::TAU).sin());
    sample.set(Signal::Rate, rate * (0.95 + 0.1 * dice(at)));
    sample.set(Signal::Cpu, 0.008 * rate * slower + 0.02 * dice(at + 5_000_000));
    sample.set(Signal::P95Ms, 4.0 * rate * slower * (0.9 + 0.2 * dice(at + 6_000_000)));
    sample
}

#[test]
fn what_the_load_explains_is_no_residual() {
    let residual = |signal| Feature::Residual(signal, Span::M5);
    // A quarter of a day in, the load is at its peak; a fifth more work for the same is a fault, and no more load is.
    let (day, peak) = (4 * 1_440, 4 * 1_800);
    let well = fed(peak, |at| swinging(at, 1.0));
    let ill = fed(peak, |at| swinging(at, if at + 20 < peak { 1.0 } else { 1.2 }));
    for signal in [Signal::Cpu, Signal::P95Ms] {
        assert!(one(&well, residual(signal)).abs() < 1.5, "{signal}: {}", one(&well, residual(signal)));
        assert!(one(&ill, residual(signal)) > 2.5, "{signal}: {}", one(&ill, residual(signal)));
    }
    // Half a day later the load is at its lowest: the same fault is far from usual for it, though not for the day.
    let ill = fed(day + 4 * 1_080, |at| swinging(at, if at + 20 < day + 4 * 1_080 { 1.0 } else { 1.4 }));
    assert!(one(&ill, Feature::Deviation(Signal::Cpu, Span::M5)) < 0.0);
    assert!(one(&ill, residual(Signal::Cpu)) > 2.5);
    // Without a rate, or a signal, or an hour, there is nothing to explain.
    let silent = |at| {
        let mut sample = swinging(at, 1.2);
        sample.set(Signal::Rate, f32::NAN);
        sample
    };
    for extractor in [fed(peak, silent), fed(100, |at| swinging(at, 1.2)), fed(peak, quiet)] {
        assert_eq!(one(&extractor, residual(Signal::Cpu)), 0.0);
    }
}

#[test]
fn a_failure_in_the_day_does_not_bend_the_line() {
    let fails = |at: usize| swinging(at, if (4 * 1_500..4 * 1_560).contains(&at) { 3.0 } else { 1.0 });
    let extractor = fed(4 * 1_800, fails);
    assert!(one(&extractor, Feature::Residual(Signal::P95Ms, Span::M5)).abs() < 1.5);
}

/// A failure of two hours in a day does not become what is usual.
#[test]
fn the_usual_bears_with_a_failure() {
    let fails = |at: usize| if (4 * 300..4 * 420).contains(&at) { slow(at) } else { quiet(at) };
    let (with, without) = (fed(4 * 1_440, fails), fed(4 * 1_440, quiet));
    let (with, without) = (with.usual(Signal::P50Ms).unwrap(), without.usual(Signal::P50Ms).unwrap());
    assert!((with.median - without.median).abs() < without.spread);
    assert!(with.spread < 1.5 * without.spread);
}

/// A restart replays the day by the minute and the last minutes by the sample: the numbers are nearly the same.
#[test]
fn minutes_replayed_make_nearly_the_same_numbers() {
    let (day, last) = (4 * 1_440, 4 * 60);
    let whole = fed(day + last, quiet);
    let mut replayed = Extractor::new();
    for minute in 0..day / 4 {
        let ticks: Vec<_> = (0..4).map(|tick| quiet(4 * minute + tick)).collect();
        let mean = |at: usize| ticks.iter().map(|tick| tick.values()[at]).sum::<f32>() / 4.0;
        replayed.push_minute(&Sample::new(std::array::from_fn(mean)));
    }
    (day..day + last).for_each(|at| replayed.push(&quiet(at)));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let schema = Schema::telemetry();
    whole.vector(&schema, &Surroundings::default(), &mut a);
    replayed.vector(&schema, &Surroundings::default(), &mut b);
    for ((a, b), feature) in a.iter().zip(&b).zip(schema.features()) {
        assert!((a - b).abs() < 0.35 + 0.1 * a.abs(), "{feature}: {a} and {b}");
    }
    assert_eq!(replayed.minutes(), MINUTES);
}

#[test]
fn a_year_of_downtime_begins_anew_and_a_minute_does_not() {
    let mut extractor = fed(4 * 600, quiet);
    extractor.gap(4);
    assert_eq!(extractor.minutes(), 601);
    assert_eq!(one(&extractor, LEVEL), 0.0);
    extractor.push(&slow(0));
    assert_eq!(one(&extractor, LEVEL), 20.0);
    extractor.gap(365 * 24 * 240);
    assert_eq!(extractor.minutes(), 0);
    assert_eq!(one(&extractor, LEVEL), 0.0);
}

#[test]
fn memory_stays_within_a_day() {
    let extractor = fed(3 * 4 * MINUTES + 7, quiet);
    assert_eq!(extractor.minutes(), MINUTES);
}

#[test]
fn wild_samples_make_finite_rows() {
    let wild = |at: usize| {
        Sample::new(std::array::from_fn(|signal| match (at + signal) % 5 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => -1e30,
            3 => 3e38,
            _ => 0.0,
        }))
    };
    let extractor = fed(4 * 200, wild);
    let mut row = Vec::new();
    let around = Surroundings { neighbours: f32::NAN, kin: f32::INFINITY, past: None };
    extractor.vector(&Schema::with_history(), &around, &mut row);
    assert!(row.iter().all(|value| value.is_finite()), "{row:?}");
}

#[test]
fn the_past_and_the_neighbours_are_told() {
    let mut past = Recurrence::new(0);
    past.started(3_600);
    let day = 24 * 3_600;
    let around = Surroundings { neighbours: 0.5, kin: 2.0, past: Some((&past, 3_600 + day - 60)) };
    let schema = Schema::new(vec![
        Feature::Neighbours,
        Feature::Kin,
        Feature::SinceEpisode,
        Feature::EpisodesDay,
        Feature::EpisodesWeek,
        Feature::SameTime(1),
    ]);
    let mut row = Vec::new();
    Extractor::new().vector(&schema, &around, &mut row);
    let hours = ((day - 60) as f32 / 3_600.0).ln_1p();
    assert_eq!(row, [0.5, 1.0, hours, 1.0, 1.0, 1.0]);
}

//! What holds of every row of features, whatever a hub, a clock or whoever sampled it did?
//!
//! A row of the moment t is made of what was known at t: what comes later changes nothing in it. Every number of it is finite
//! and within the bounds that its feature promises. And it is the same, to the bit, whether the hub was followed sample by
//! sample or its past is replayed.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use mcphub_predictor::features::{Extractor, Feature, Recurrence, Schema, Span, Surroundings};
use mcphub_predictor::telemetry::{History, MINUTE, Marks, Missing, PERIOD, Sample, Signal};
use mcphub_predictor::training::Series;
use proptest::prelude::*;

const NOON: u64 = 1_795_435_200;
const DAY: u64 = 86_400;
/// Samples of an hour and a half, after which it is known what is usual.
const RAISED: usize = 360;

/// What a hub, or its telemetry, is like for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Like {
    Calm,
    /// Slow, loaded, answering with errors, and more so with every sample.
    Ill,
    /// Some signals are known, others are not.
    Patchy,
    Missing,
    /// Not a number, infinite, negative, far too large, all but zero.
    Wild,
}

/// A number from 0 to 1 without rhyme, the same each time (SplitMix64).
fn dice(at: usize, signal: usize, seed: u64) -> f32 {
    let mut mixed = (at as u64 * 31 + signal as u64).wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ mixed >> 27) >> 40) as f32 / (1 << 24) as f32
}

fn sample(like: Like, at: usize, seed: u64) -> Sample {
    let chance = |signal: Signal| dice(at, signal as usize, seed);
    let calm =
        |signal: Signal| match signal {
            Signal::ProbeFail | Signal::Errors | Signal::Timeouts | Signal::Refused => {
                if chance(signal) < 0.1 { 0.05 } else { 0.0 }
            }
            Signal::Cpu | Signal::Memory => 0.3 + 0.1 * chance(signal),
            _ => 20.0 + 10.0 * chance(signal),
        };
    let worse = 1.0 + (at % 60) as f32 / 10.0;
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, f32::MAX, 3e38, 1e-40, f32::MIN, -0.0];
    Sample::new(Signal::ALL.map(|signal| match like {
        Like::Calm => calm(signal),
        Like::Ill => calm(signal) * worse + 0.1 * worse,
        Like::Patchy if chance(signal) < 0.5 => f32::NAN,
        Like::Patchy => calm(signal),
        Like::Missing => f32::NAN,
        Like::Wild => wild[(chance(signal) * wild.len() as f32) as usize % wild.len()],
    }))
}

fn stream(stretches: &[(Like, usize)], seed: u64) -> Vec<Sample> {
    let likes = stretches.iter().flat_map(|(like, long)| std::iter::repeat_n(*like, *long));
    likes.enumerate().map(|(at, like)| sample(like, at, seed)).collect()
}

/// After an hour and a half of calm, some stretches of anything.
fn any_stream() -> impl Strategy<Value = Vec<Sample>> {
    let like = prop::sample::select(vec![Like::Calm, Like::Ill, Like::Patchy, Like::Missing, Like::Wild]);
    (prop::collection::vec((like, 1..150_usize), 1..6), any::<u64>()).prop_map(|(mut stretches, seed)| {
        stretches.insert(0, (Like::Calm, RAISED));
        stream(&stretches, seed)
    })
}

fn bits(rows: impl IntoIterator<Item = f32>) -> Vec<u32> {
    rows.into_iter().map(f32::to_bits).collect()
}

fn row(extractor: &Extractor, around: &Surroundings<'_>) -> Vec<f32> {
    let mut row = vec![f32::NAN; 3];
    extractor.vector(&Schema::with_history(), around, &mut row);
    row
}

/// Finite, and within what the feature's documentation promises.
fn is_sound(feature: Feature, value: f32) -> bool {
    let within = |least: f32, most: f32| (least..=most).contains(&value);
    value.is_finite()
        && match feature {
            Feature::Deviation(..) | Feature::Residual(..) | Feature::Rise(..) => within(-20.0, 20.0),
            Feature::Unrest(_) | Feature::Strain => within(0.0, 20.0),
            Feature::Known(_) => value == 0.0 || value == 1.0,
            Feature::Slow | Feature::Neighbours | Feature::Kin | Feature::SameTime(_) => within(0.0, 1.0),
            Feature::Backlog => within(-5.0, 5.0),
            Feature::EpisodesDay | Feature::EpisodesWeek => within(0.0, 240.0),
            Feature::Mean(..) | Feature::SinceEpisode => value >= 0.0,
        }
}

fn unsound(row: &[f32]) -> Vec<(Feature, f32)> {
    let schema = Schema::with_history();
    assert_eq!(row.len(), schema.len());
    let features = schema.features().iter().copied().zip(row.iter().copied());
    features.filter(|(feature, value)| !is_sound(*feature, *value)).collect()
}

/// The properties below say little about a feature that is 0 all the time: each is something else somewhere.
#[test]
fn these_streams_move_every_feature() {
    let samples = stream(&[(Like::Calm, 5_800), (Like::Ill, 150), (Like::Patchy, 50)], 1);
    let around: Vec<(f32, f32)> = (0..samples.len()).map(|at| (at as f32 / 1e4, 0.5)).collect();
    let series = Series { minutes: &[], samples: &samples, begin: NOON, starts: &[150], around: &around };
    let examples =
        series.examples(&Schema::with_history(), (RAISED..6_000).step_by(50).map(|at| (at, false)));
    let rows = examples.unwrap().rows().clone();
    for (at, feature) in Schema::with_history().features().iter().enumerate() {
        assert!(rows.iter().any(|row| row[at] != 0.0), "{feature} is never told");
    }
}

/// What a fleet saw of one hub, and what came after.
#[derive(Debug, Clone)]
struct Seen {
    samples: Vec<Sample>,
    starts: Vec<usize>,
    around: Vec<(f32, f32)>,
}

fn any_seen() -> impl Strategy<Value = Seen> {
    (any_stream(), any::<u64>()).prop_map(|(samples, seed)| {
        let starts = (0..samples.len()).filter(|at| dice(*at, 14, seed) < 0.01).collect();
        let around = (0..samples.len()).map(|at| (dice(at, 15, seed), dice(at, 16, seed))).collect();
        Seen { samples, starts, around }
    })
}

impl Seen {
    /// The rows of every seventh moment up to `until`.
    fn rows(&self, until: usize) -> Vec<u32> {
        let Self { samples, starts, around } = self;
        let series = Series { minutes: &[samples[0]; 7], samples, begin: NOON, starts, around };
        let moments = (0..=until).rev().step_by(7).map(|at| (at, false)).collect::<Vec<_>>();
        let rows = series.examples(&Schema::with_history(), moments.into_iter().rev()).unwrap();
        bits(rows.rows().iter().flatten().copied())
    }

    /// The same up to this moment, and another future, which begins with a failure; or none.
    fn with_future(&self, until: usize, future: &Self) -> Self {
        let known = self.starts.iter().copied().filter(|at| *at <= until);
        let first = (!future.samples.is_empty()).then_some(until + 1);
        let later = future.starts.iter().filter(|at| **at > 0).map(|at| until + 1 + at);
        Self {
            samples: [&self.samples[..=until], &future.samples].concat(),
            starts: known.chain(first).chain(later).collect(),
            around: [&self.around[..=until], &future.around].concat(),
        }
    }
}

fn recurrence(starts: impl IntoIterator<Item = u64>) -> Recurrence {
    let mut past = Recurrence::new(NOON - 20 * DAY);
    starts.into_iter().for_each(|start| past.started(start));
    past
}

/// What happens to whoever follows a hub.
#[derive(Debug, Clone)]
enum Turn {
    Samples(Like, usize),
    Minutes(Like, usize),
    Gap(u64),
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let like = || prop::sample::select(vec![Like::Calm, Like::Ill, Like::Patchy, Like::Missing, Like::Wild]);
    prop_oneof![
        6 => (like(), 1..300_usize).prop_map(|(like, long)| Turn::Samples(like, long)),
        2 => (like(), 1..90_usize).prop_map(|(like, long)| Turn::Minutes(like, long)),
        2 => (1..40_u64).prop_map(Turn::Gap),
        1 => (5_000..6_000_u64).prop_map(Turn::Gap),
        1 => Just(Turn::Gap(365 * 24 * 240)),
    ]
}

/// Takes one step after the other, so that each can be told again.
#[derive(Debug, Clone, Copy)]
enum Step {
    Sample(Sample),
    Minute(Sample),
    /// A gap of a day or more: nothing of what was before counts.
    Anew,
}

fn steps(turn: &Turn, at: usize, seed: u64) -> Vec<Step> {
    let of = |like: Like, long: usize| (at..at + long).map(move |at| sample(like, at, seed));
    match turn {
        Turn::Samples(like, long) => of(*like, *long).map(Step::Sample).collect(),
        Turn::Minutes(like, long) => of(*like, *long).map(Step::Minute).collect(),
        Turn::Gap(ticks) if *ticks >= DAY / PERIOD.as_secs() => vec![Step::Anew],
        Turn::Gap(ticks) => vec![Step::Sample(Sample::UNKNOWN); *ticks as usize],
    }
}

/// An extractor that has seen nothing but these steps.
fn replayed(steps: &[Step]) -> Extractor {
    let from = steps.iter().rposition(|step| matches!(step, Step::Anew)).map_or(0, |at| at + 1);
    let mut extractor = Extractor::new();
    for step in &steps[from..] {
        match step {
            Step::Sample(sample) => extractor.push(sample),
            Step::Minute(means) => extractor.push_minute(means),
            Step::Anew => {}
        }
    }
    extractor
}

/// The shares and what is known, straight from the last samples, as their documentation says it.
fn by_definition(samples: &[Sample], feature: Feature) -> Option<f32> {
    let last = |signal: Signal, ticks: usize| -> Vec<f64> {
        let newest = samples.iter().rev().take(ticks);
        newest.filter_map(|sample| sample.get(signal)).map(|value| f64::from(value.max(0.0))).collect()
    };
    match feature {
        Feature::Mean(signal, span @ (Span::S15 | Span::M1 | Span::M5)) => {
            let known = last(signal, span.ticks());
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            Some(mean as f32)
        }
        Feature::Known(signal) => Some(f32::from(u8::from(!last(signal, Span::M1.ticks()).is_empty()))),
        _ => None,
    }
}

/// What is replayed of a past after a restart: minutes first, then samples, as it is kept.
fn of_history(history: &History) -> Extractor {
    let mut extractor = Extractor::new();
    for (_, slot) in history.samples() {
        let sample = slot.sample.unwrap_or(Sample::UNKNOWN);
        if slot.span == MINUTE { extractor.push_minute(&sample) } else { extractor.push(&sample) }
    }
    extractor
}

/// By how much the wall clock is wrong from some sample on, in seconds.
fn any_jump() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        -90_000..90_000_i64,
        Just(365 * DAY as i64),
        Just(-365 * DAY as i64),
        Just(i64::MIN / 2),
        Just(i64::MAX / 2)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_later_changes_no_row(seen in any_seen(), future in any_seen(), cut in 1..400_usize) {
        let until = seen.samples.len() - 1 - cut.min(seen.samples.len() - 1);
        let rows = seen.rows(until);
        let nothing = Seen { samples: Vec::new(), starts: Vec::new(), around: Vec::new() };
        prop_assert_eq!(&seen.with_future(until, &nothing).rows(until), &rows);
        prop_assert_eq!(&seen.with_future(until, &future).rows(until), &rows);
    }

    /// A record of failures may hold some that had not come yet when the row is about.
    #[test]
    fn failures_that_come_later_change_no_row(
        before in prop::collection::vec(0..14 * DAY, 0..20),
        after in prop::collection::vec(1..10 * DAY, 0..20),
        samples in any_stream(),
    ) {
        let mut extractor = Extractor::new();
        samples.iter().for_each(|sample| extractor.push(sample));
        let sorted = |mut starts: Vec<u64>| { starts.sort_unstable(); starts };
        let known: Vec<u64> = sorted(before.iter().map(|ago| NOON - ago).collect());
        let later = sorted(after.iter().map(|ahead| NOON + ahead).collect());
        let of = |past: &Recurrence| {
            bits(row(&extractor, &Surroundings { neighbours: 0.2, kin: 0.1, past: Some((past, NOON)) }))
        };
        let alone = of(&recurrence(known.iter().copied()));
        prop_assert_eq!(of(&recurrence(known.into_iter().chain(later))), alone);
    }

    #[test]
    fn every_number_is_finite_and_within_its_bounds(
        turns in prop::collection::vec(any_turn(), 1..7),
        seed in any::<u64>(),
        now in prop::sample::select(vec![0, 1, NOON - DAY, NOON, NOON + 400 * DAY, u64::MAX]),
        starts in prop::collection::vec(0..40 * DAY, 0..260),
        around in prop::sample::select(vec![0.0, 0.4, 7.0, -1.0, f32::NAN, f32::INFINITY]),
    ) {
        let past = recurrence(starts.iter().map(|ago| NOON - ago));
        let around = Surroundings { neighbours: around, kin: around, past: Some((&past, now)) };
        // A hub that has just appeared, too.
        let mut extractor = Extractor::new();
        prop_assert_eq!(unsound(&row(&extractor, &around)), []);
        for (at, turn) in turns.iter().enumerate() {
            match turn {
                Turn::Gap(ticks) => extractor.gap(*ticks),
                Turn::Samples(like, long) => {
                    (0..*long).for_each(|n| extractor.push(&sample(*like, 1_000 * at + n, seed)));
                }
                Turn::Minutes(like, long) => {
                    (0..*long).for_each(|n| extractor.push_minute(&sample(*like, 1_000 * at + n, seed)));
                }
            }
            prop_assert_eq!(unsound(&row(&extractor, &around)), []);
        }
    }

    /// Through what is kept of a past, with failures, a clock that jumps, and a process that was away meanwhile.
    #[test]
    fn no_clock_and_no_absence_makes_a_row_unsound(
        samples in any_stream(),
        jumps in prop::collection::vec((0..1_000_usize, any_jump()), 0..4),
        away in prop::sample::select(vec![0, 45, 3_600, 2 * DAY, 365 * DAY]),
    ) {
        let mut history = History::default();
        let half = samples.len() / 2;
        for (at, sample) in samples.iter().enumerate() {
            let wrong: i64 = jumps.iter().filter(|(from, _)| at >= *from).map(|(_, by)| *by).fold(0, i64::saturating_add);
            let time = NOON + PERIOD.as_secs() * at as u64 + if at >= half { away } else { 0 };
            let end = time.saturating_add_signed(wrong);
            let missing = if at == half { Missing::ByWallClock } else { Missing::Counted(0) };
            history.push(missing, sample, end);
            if at % 90 == 0 {
                history.episodes_mut().fail((end.saturating_sub(15), end), Marks::default());
            }
            if at % 101 == 0 || at + 1 == samples.len() {
                let mut past = Recurrence::default();
                history.episodes().iter().for_each(|episode| past.started(episode.start));
                let now = history.newest().unwrap();
                let around = Surroundings { neighbours: 0.5, kin: 0.0, past: Some((&past, now)) };
                prop_assert_eq!(unsound(&row(&of_history(&history), &around)), []);
            }
        }
    }

    #[test]
    fn who_follows_a_hub_and_who_replays_its_past_have_the_same_row(
        turns in prop::collection::vec(any_turn(), 1..7),
        looks in prop::collection::vec(0..2_000_usize, 1..6),
        seed in any::<u64>(),
    ) {
        let around = Surroundings { neighbours: 0.3, kin: 0.7, past: None };
        let schema = Schema::with_history();
        let (mut followed, mut told, mut at) = (Extractor::new(), Vec::new(), 0);
        for turn in &turns {
            let new = steps(turn, at, seed);
            if let Turn::Gap(ticks) = turn {
                followed.gap(*ticks);
            }
            for step in &new {
                told.push(*step);
                match step {
                    Step::Sample(_) if matches!(turn, Turn::Gap(_)) => continue,
                    Step::Sample(sample) => followed.push(sample),
                    Step::Minute(means) => followed.push_minute(means),
                    Step::Anew => {}
                }
                at += 1;
                if looks.contains(&at) {
                    // Looking at it changes nothing, either.
                    prop_assert_eq!(bits(row(&followed, &around)), bits(row(&replayed(&told), &around)));
                }
            }
            prop_assert_eq!(bits(row(&followed, &around)), bits(row(&replayed(&told), &around)));
        }
        // What can be said in one line of the last samples is what the row says.
        let samples: Vec<Sample> = told.iter().fold(Vec::new(), |mut samples, step| {
            match step {
                Step::Anew => samples.clear(),
                Step::Sample(sample) => samples.push(*sample),
                Step::Minute(means) => samples.extend([*means; 4]),
            }
            samples
        });
        for (feature, value) in schema.features().iter().zip(row(&followed, &around)) {
            if let Some(expected) = by_definition(&samples, *feature) {
                let near = (value - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                prop_assert!(near || !expected.is_finite() || expected > 1e30, "{feature}: {value}, {expected}");
            }
        }
    }
}

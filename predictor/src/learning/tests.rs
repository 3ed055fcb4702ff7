use std::ops::Range;

use mcphub_routing::HubId;

use super::record::{CHUNK_PERIODS, Cut, Record, chunk};
use super::*;
use crate::features::{Extractor, Schema, Surroundings};
use crate::insight::contest::Outcome;
use crate::insight::drift::Drift;
use crate::model::file::Model;
use crate::simulate::{HubRun, Settings, Simulator};
use crate::telemetry::{History, Marks, Missing, PERIOD, Sample, Signal};
use crate::training::{Pupil, Teaching, teach};

const NOON: u64 = 1_795_435_200;
const FIFTEEN: u64 = PERIOD.as_secs();

fn hub(name: &str) -> HubId {
    HubId::new(name).unwrap()
}

fn sample(rate: f32) -> Sample {
    let mut sample = Sample::UNKNOWN;
    sample.set(Signal::Rate, rate);
    sample
}

/// A hub that is looked at, and cut into chunks once an hour.
struct Looking {
    history: History,
    cut: u64,
    bytes: Vec<u8>,
    acted: Vec<(u64, u64)>,
    now: u64,
}

impl Looking {
    fn new() -> Self {
        Self { history: History::default(), cut: 0, bytes: Vec::new(), acted: Vec::new(), now: NOON }
    }

    fn look(&mut self, sample: &Sample, fails: bool) {
        self.now += FIFTEEN;
        self.history.push(Missing::ByWallClock, sample, self.now);
        if fails {
            self.history.episodes_mut().fail((self.now - FIFTEEN, self.now), Marks::default());
        }
        if self.history.periods() - self.cut >= CHUNK_PERIODS {
            self.cut_off(7);
        }
    }

    fn cut_off(&mut self, origin: u64) {
        let cut = Cut { origin, after: self.cut, acted: &self.acted };
        self.bytes.extend(chunk(&self.history, &cut).expect("something new"));
        self.cut = self.history.periods();
        self.acted.clear();
    }

    fn away(&mut self, seconds: u64) {
        self.now += seconds;
    }

    fn record(&self) -> Record {
        Record::read(&self.bytes, 0)
    }
}

/// So many hours of a hub that fails for a minute and a half at each of these samples.
fn looked(hours: u64, failures: &[u64]) -> Looking {
    let mut looking = Looking::new();
    for at in 0..hours * CHUNK_PERIODS {
        looking.look(&sample(at as f32), failures.iter().any(|start| (*start..start + 6).contains(&at)));
    }
    looking
}

fn failed(record: &Record) -> Vec<(usize, usize)> {
    record.pupil().failures.iter().map(|failed| (failed.start, failed.end)).collect()
}

#[test]
fn what_was_seen_is_on_record_sample_by_sample() {
    // One failure lies across the end of a chunk.
    let looking = looked(30, &[50, 238, 4_000]);
    let record = looking.record();
    assert_eq!((record.len(), record.failures(), record.pupil().begin), (7_200, 3, NOON));
    assert_eq!(failed(&record), [(50, 56), (238, 244), (4_000, 4_006)]);
    for (at, seen) in record.pupil().samples.iter().enumerate() {
        let rate = seen.get(Signal::Rate).unwrap();
        assert!((rate - at as f32).abs() <= 0.001 * at as f32 + 0.1, "{at}: {rate}");
    }
    let bytes = looking.bytes.len();
    assert!(bytes < 30 * 1_024, "{bytes}");
}

#[test]
fn gaps_stay_gaps_and_a_year_begins_anew() {
    let mut looking = looked(1, &[]);
    looking.away(10 * FIFTEEN);
    (0..CHUNK_PERIODS).for_each(|_| looking.look(&sample(1.0), false));
    let record = looking.record();
    let unknown = |record: &Record| {
        record.pupil().samples.iter().filter(|sample| sample.get(Signal::Rate).is_none()).count()
    };
    assert_eq!((record.len(), unknown(&record)), (490, 10));
    looking.away(365 * 86_400);
    (0..CHUNK_PERIODS).for_each(|n| looking.look(&sample(1.0), n == 3));
    let record = looking.record();
    assert_eq!((record.len(), unknown(&record)), (240, 0), "a year of downtime");
    assert_eq!(failed(&record), [(3, 4)]);
    // A clock that is set back tears no hole and loses nothing.
    looking.now -= 5_000;
    (0..CHUNK_PERIODS).for_each(|_| looking.look(&sample(1.0), false));
    assert_eq!((looking.record().len(), unknown(&looking.record())), (480, 0));
    // Another address is another hub.
    looking.look(&sample(1.0), false);
    looking.cut_off(8);
    assert_eq!(looking.record().len(), 1);
}

#[test]
fn a_torn_or_altered_record_is_read_up_to_there() {
    let Looking { bytes, .. } = looked(3, &[50]);
    let first = {
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        8 + length
    };
    let samples = |bytes: &[u8]| Record::read(bytes, 0).len();
    for torn in [bytes.len() - 1, 2 * first, first + 7, first + 3] {
        assert!([240, 480].contains(&samples(&bytes[..torn])), "{torn} bytes");
    }
    for at in [first + 1, first + 5, first + 9, first + 100] {
        let mut altered = bytes.clone();
        altered[at] ^= 0x10;
        assert_eq!(samples(&altered), 240, "byte {at}");
    }
    assert_eq!((samples(&[]), samples(b"nonsense"), samples(&bytes[1..])), (0, 0, 0));
    assert!(Record::read(&[0; 4_096], 0).is_empty());
    // What is old is passed over, and can be cut off.
    let hour = CHUNK_PERIODS * FIFTEEN;
    assert_eq!(Record::read(&bytes, NOON + hour + 1).len(), 480);
    assert_eq!((Record::stale(&bytes, NOON + hour + 1), Record::stale(&bytes, 0)), (first, 0));
    assert_eq!(Record::stale(&bytes, u64::MAX), bytes.len());
}

#[test]
fn what_we_had_a_hand_in_is_marked() {
    let mut looking = looked(1, &[]);
    looking.acted = vec![(looking.now + 10 * FIFTEEN, looking.now + 20 * FIFTEEN + 1), (0, 1)];
    (0..CHUNK_PERIODS - 1).for_each(|_| looking.look(&sample(1.0), false));
    let now = looking.now;
    let marks = Marks { acted: true, ..Marks::default() };
    looking.history.episodes_mut().fail((now - 60, now), marks);
    looking.look(&sample(1.0), false);
    let record = looking.record();
    let acted: Vec<Range<usize>> = record.pupil().acted.to_vec();
    assert_eq!(acted, [250..261, 355..479]);
    // What befell most hubs at once is no failure of one.
    let marks = Marks { common: true, ..Marks::default() };
    let mut common = looked(1, &[]);
    common.history.episodes_mut().fail((common.now, common.now + 30), marks);
    (0..CHUNK_PERIODS).for_each(|_| common.look(&sample(1.0), false));
    assert_eq!((common.record().failures(), common.record().pupil().acted.len()), (0, 1));
}

/// Two models, one of which says half where the other says nothing.
fn said(at: u64, challenger: f32) -> Said {
    Said { at, champion: 0.01, challenger: Some(challenger) }
}

#[test]
fn what_was_said_is_settled_when_its_time_is_over() {
    let (mut looking, mut awaiting) = (looked(1, &[]), Awaiting::default());
    let (a, begin) = (hub("a"), looking.now);
    awaiting.say(&a, said(begin, 0.5));
    (0..39).for_each(|_| looking.look(&sample(1.0), false));
    assert_eq!(awaiting.settle(&a, &looking.history), []);
    looking.look(&sample(1.0), false);
    let quiet = Came { said: said(begin, 0.5), failed_at: None };
    assert_eq!(awaiting.settle(&a, &looking.history), [quiet]);
    assert_eq!(awaiting.settle(&a, &looking.history), [], "once");

    // It fails in the next period, and in the last that counts; later is later.
    let check = |after: u64, marks: Marks, expected: Option<Option<u64>>| {
        let (mut looking, mut awaiting) = (looked(1, &[]), Awaiting::default());
        let begin = looking.now;
        awaiting.say(&a, said(begin, 0.5));
        (0..41).for_each(|_| looking.look(&sample(1.0), false));
        let start = begin + after;
        looking.history.episodes_mut().fail((start, start + 15), marks);
        let came = awaiting.settle(&a, &looking.history);
        assert_eq!(came.first().map(|came| came.failed_at.map(|at| at - begin)), expected, "{after}");
    };
    check(0, Marks::default(), Some(Some(0)));
    check(585, Marks::default(), Some(Some(585)));
    check(600, Marks::default(), Some(None));
    check(300, Marks { acted: true, ..Marks::default() }, None);
    check(300, Marks { common: true, ..Marks::default() }, None);

    // What nobody watched, what a clock tore away, and what something was done about is not judged.
    awaiting.say(&a, said(looking.now, 0.5));
    looking.away(900);
    looking.look(&sample(1.0), false);
    assert_eq!(awaiting.settle(&a, &looking.history), []);
    awaiting.say(&a, said(looking.now + 86_400, 0.5));
    assert_eq!(awaiting.settle(&a, &looking.history), []);
    awaiting.say(&a, said(looking.now - 600, 0.5));
    awaiting.forget(&a);
    assert_eq!(awaiting.settle(&a, &looking.history), []);
    assert_eq!(awaiting.settle(&hub("nobody"), &looking.history), []);
}

#[test]
fn a_trial_is_decided_once_ten_failures_are_known() {
    let trial = |failures: u64, challenger: f32| {
        let mut trial = Trial::default();
        for n in 0..1_000 {
            trial.add(&hub("a"), &Came { said: said(NOON + 30 * n, 0.005), failed_at: None });
        }
        for n in 0..failures {
            let start = NOON + 10_000 * n;
            for ahead in 1..5 {
                let came = Came { said: said(start - 30 * ahead, challenger), failed_at: Some(start) };
                trial.add(&hub("a"), &came);
            }
        }
        trial
    };
    let nine = trial(9, 0.5);
    assert_eq!((nine.failures(), nine.is_ripe(u64::MAX)), (9, false));
    let ten = trial(10, 0.5);
    let last = NOON + 90_000;
    assert!(!ten.is_ripe(last + 600) && ten.is_ripe(last + 601), "rows before it are still to come");
    assert!(matches!(ten.decide(), Ok(Outcome::Replaced(score)) if (score.won, score.lost) == (10, 0)));
    assert!(matches!(trial(10, 0.001).decide(), Ok(Outcome::Stays(_))));
    let alone = Came { said: Said { challenger: None, ..said(NOON, 0.0) }, failed_at: Some(NOON) };
    let mut none = Trial::default();
    none.add(&hub("a"), &alone);
    assert_eq!(none.failures(), 0, "nobody spoke beside the champion");
}

/// The rows of each hub of a simulated fleet from its second day on, one in each half minute.
fn rows(runs: &[HubRun]) -> Vec<Vec<Vec<f32>>> {
    let schema = Schema::telemetry();
    let of = |run: &HubRun| {
        let (mut extractor, mut rows) = (Extractor::new(), Vec::new());
        for (at, sample) in run.samples.iter().enumerate() {
            extractor.push(sample);
            if at >= 5_760 && at % 2 == 0 {
                let mut row = Vec::new();
                let around = Surroundings { neighbours: 0.0, kin: 0.0, past: None };
                extractor.vector(&schema, &around, &mut row);
                rows.push(row);
            }
        }
        rows
    };
    runs.iter().map(of).collect()
}

fn world(hubs: u32, days: u32, seed: u64) -> Vec<HubRun> {
    Simulator::new(Settings { hubs, days, seed, ..Settings::DEFAULT }).unwrap().hubs().collect()
}

#[test]
fn a_fleet_like_that_of_the_teacher_has_not_drifted_and_another_has() {
    let mut model = crate::model::teacher().unwrap();
    model.training.simulated = false; // These hubs are its world.
    let judged = |model: &Model, hubs: &[Vec<Vec<f32>>], scale: f32| {
        let mut day = Day::default();
        let longest = hubs.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            hubs.iter().filter_map(|rows| rows.get(at)).for_each(|row| {
                day.row(&row.iter().map(|value| value * scale).collect::<Vec<_>>());
            });
        }
        day.judge(model, hubs.len(), 1.0, 0.5)
    };
    for seed in [100, 101] {
        let hubs = rows(&world(12, 2, seed));
        assert_eq!(judged(&model, &hubs, 1.0), []);
        let far = judged(&model, &hubs, 8.0);
        assert!(matches!(far.first(), Some(Drift::Feature { .. })), "{far:?}");
        assert_eq!(judged(&model, &hubs[..4], 8.0), [], "four hubs say nothing of the kind");
        let simulated = crate::model::teacher().unwrap();
        assert_eq!(judged(&simulated, &hubs, 8.0), [], "no real fleet is like simulated hubs");
    }
}

#[test]
fn false_alarms_and_broken_promises_are_signs_whatever_the_features() {
    let model = crate::model::teacher().unwrap();
    let mut day = Day::default();
    (0..2_000).for_each(|n| day.outcome(0.01, n % 100 == 0));
    assert_eq!(day.judge(&model, 2, 1.0, 0.5), []);
    (0..3).for_each(|_| day.false_alarm());
    assert!(matches!(day.judge(&model, 2, 1.0, 0.5)[..], [Drift::Alarms { .. }]));
    assert_eq!(day.judge(&model, 3, 1.0, 0.5), [], "one a hub");
    assert_eq!(day.judge(&model, 2, 1.0, f64::INFINITY), [], "where there is no budget, none is exceeded");
    let mut day = Day::default();
    (0..2_000).for_each(|n| day.outcome(0.3, n % 100 == 0));
    assert!(matches!(day.judge(&model, 2, 1.0, 0.5)[..], [Drift::Calibration { .. }]));
}

/// From telemetry to a model that speaks beside the one that ships: the whole way, but for the files.
#[test]
fn a_fleet_teaches_by_its_own_record() {
    let runs: Vec<_> =
        Simulator::new(Settings { hubs: 4, days: 2, seed: 9, faults_per_day: 6.0, ..Settings::DEFAULT })
            .unwrap()
            .hubs()
            .collect();
    let records: Vec<Record> = runs
        .iter()
        .map(|run| {
            let mut looking = Looking::new();
            for (at, sample) in run.samples.iter().enumerate() {
                let at = at as u32;
                looking
                    .look(sample, run.failures.iter().any(|failed| (failed.start..failed.end).contains(&at)));
            }
            looking.record()
        })
        .collect();
    let failures: usize = runs.iter().map(|run| run.failures.len()).sum();
    assert_eq!(records.iter().map(Record::failures).sum::<usize>(), failures);
    let pupils: Vec<Pupil<'_>> = records.iter().map(Record::pupil).collect();
    let usual = Teaching::default();
    let forest = crate::model::ForestSettings { trees: 10, depth: 6, ..usual.forest };
    let settings = Teaching { forest, asked_max: 8_000, learnt_max: 4_000, ..usual };
    let model = teach(&pupils, &settings, NOON, false).unwrap();
    assert!(!model.training.simulated && model.training.hubs == 4 && model.kinds.is_none());
}

//! Is what is expected of a hub made of its whole past, and of nothing else?

use super::*;
use crate::forecast::Forecaster;
use crate::forecast::speaker::Speaker;
use mcphub_predictor::features::STANDS_FOR;
use mcphub_predictor::model::Kind;
use mcphub_predictor::model::hazard::Hazard;
use mcphub_predictor::telemetry::{Marks, Missing};
use mcphub_routing::HubId;

const NOON: u64 = 1_795_435_200;

fn hub() -> HubId {
    HubId::new("a").expect("a name")
}

fn sample(at: u64) -> Sample {
    let mut sample = Sample::UNKNOWN;
    sample.set(Signal::P50Ms, 50.0 + (at * 7_919 % 13) as f32);
    sample.set(Signal::Rate, 20.0 + (at * 104_729 % 7) as f32);
    sample.set(Signal::Memory, 0.3 + at as f32 * 0.0005);
    sample
}

/// A past of so many periods, one of them missing now and then.
fn past(periods: std::ops::Range<u64>, into: &mut History) {
    for at in periods {
        let missing = u64::from(at % 50 == 49);
        let end = NOON + 15 * (at + at / 50);
        into.push(Missing::Counted(missing), &sample(at), end);
    }
}

fn fresh() -> Expected {
    Expected::new(standing(&History::default(), NOON))
}

/// The model that ships.
fn shipped() -> std::sync::Arc<Speaker> {
    let speaker = Speaker::find(&mcphub_conf::settings::ModelSource::BuiltIn, None).expect("it ships");
    speaker.expect("it can be read")
}

fn see(expected: &mut Expected, history: &History) {
    expected.see(history, expected.standing, 0.0, &Schema::telemetry());
}

fn row(expected: &Expected) -> Vec<f32> {
    let mut row = Vec::new();
    expected.extractor.vector(&Schema::telemetry(), &Surroundings::default(), &mut row);
    row
}

#[test]
fn samples_taken_in_one_by_one_come_to_the_same_as_all_at_once() {
    let (mut history, mut step) = (History::default(), fresh());
    for at in 0..300 {
        past(at..at + 1, &mut history);
        step.catch_up(&history);
        step.catch_up(&history); // Looking twice changes nothing.
    }
    let mut whole = fresh();
    whole.catch_up(&history);
    assert_eq!(row(&step), row(&whole));
    assert!(row(&whole).iter().any(|value| *value != 0.0));
}

#[test]
fn a_clock_that_is_put_right_brings_no_sample_twice() {
    let of = |jump: i64| {
        let (mut history, mut expected) = (History::default(), fresh());
        past(0..200, &mut history);
        expected.catch_up(&history);
        let end = (NOON + 15 * 204).saturating_add_signed(jump);
        history.push(Missing::Counted(0), &sample(200), end);
        expected.catch_up(&history);
        row(&expected)
    };
    assert_eq!(of(0), of(3_600));
    assert_eq!(of(0), of(-3_600));
}

#[test]
fn after_a_long_absence_the_whole_past_is_replayed() {
    let (mut history, mut late) = (History::default(), fresh());
    past(0..10, &mut history);
    late.catch_up(&history);
    past(10..700, &mut history);
    late.catch_up(&history);
    let mut whole = fresh();
    whole.catch_up(&history);
    assert_eq!(row(&late), row(&whole));
}

#[test]
fn memory_that_grows_is_seen_to_run_out() {
    let mut history = History::default();
    past(0..130, &mut history);
    let (used, slope) = memory(&history).expect("it tells");
    // 0.0005 a period, four periods a minute, but for the one in fifty that is missing.
    assert!((used - 0.36).abs() < 0.01 && (slope - 0.002).abs() < 0.000_2, "{used}, {slope}");
    let mut short = History::default();
    past(0..100, &mut short);
    assert_eq!(memory(&short), None, "less than half an hour");
}

#[test]
fn without_a_model_the_past_alone_speaks() {
    let (mut history, mut forecaster) = (History::default(), Forecaster::new());
    assert_eq!(forecaster.look(&hub(), &history, 0.0, Duration::from_secs(600)), None);
    past(0..20, &mut history);
    let calm = forecaster.look(&hub(), &history, 0.0, Duration::from_secs(600)).expect("a forecast").forecast;
    assert_eq!(
        (calm.probability, calm.failure_type, calm.evidence),
        (calm.base_rate, FailureType::Unknown, [None; 4])
    );
    assert!(calm.confidence < Share::saturating(300));
    for hour in 0..20 {
        let start = NOON - 36_000 + 1_800 * hour;
        history.episodes_mut().fail((start, start + 30), Marks::default());
    }
    past(20..21, &mut history);
    let expected =
        forecaster.look(&hub(), &history, 0.0, Duration::from_secs(86_400)).expect("a forecast").forecast;
    assert!(expected.probability >= calm.probability && expected.horizon == Duration::from_secs(86_400));
}

#[test]
fn what_is_no_probability_is_none() {
    for (probability, expected) in [(f64::NAN, 0), (-1.0, 0), (0.1234, 123), (7.0, 1000)] {
        assert_eq!(share(probability), Share::saturating(expected), "{probability}");
    }
}

#[test]
fn a_failure_is_told_to_be_of_a_kind_once_and_in_time() {
    let model = &shipped().model;
    let (mut history, mut expected) = (History::default(), fresh());
    past(0..300, &mut history);
    see(&mut expected, &history);
    let now = history.newest().expect("a period");
    let mut check = |began_ago: u64, told: Option<FailureType>| {
        let mut history = history.clone();
        history.episodes_mut().fail((now - began_ago, now), Marks::default());
        expected.ask(Some(model), None, Duration::from_secs(600)).expect("a row of ours");
        assert_eq!(expected.failing_how(&history, now, Some(model)), told, "{began_ago} s ago");
        history.episodes_mut().classify(FailureType::Known(Kind::Network));
        assert_eq!(expected.failing_how(&history, now, Some(model)), None, "once");
    };
    // It has not been watched for a day, so its row says nothing about kinds.
    for ago in [15, 30, 75, 600] {
        check(ago, None);
    }
    for ago in [45, 60] {
        check(ago, Some(FailureType::Unknown));
    }
    // Now it has; and the model has an opinion on each row, even if it is that none is clearly ahead.
    expected.standing.history = Duration::from_secs(8 * 86_400);
    let kinds = model.kinds.as_ref().expect("it tells kinds").predict(&expected.row).expect("a row of ours");
    let mut warm = history.clone();
    warm.episodes_mut().fail((now - 45, now), Marks::default());
    expected.ask(Some(model), None, Duration::from_secs(600)).expect("a row of ours");
    assert!(!expected.outlook.cold);
    assert_eq!(expected.failing_how(&warm, now, Some(model)), Some(FailureType::of(kinds.named())));
    expected.outlook = Outlook::of_prior(&expected.standing);
    let fallen_back = expected.failing_how(&warm, now, Some(model));
    assert_eq!(fallen_back, Some(FailureType::Unknown), "whoever does not know these hubs");
    assert_eq!(expected.failing_how(&history, now, Some(model)), None, "it has not failed");
}

#[test]
fn from_a_load_that_jumps_no_more_is_foretold_until_it_has_lasted() {
    let model = &shipped().model;
    let (mut history, mut expected) = (History::default(), fresh());
    past(0..1_500, &mut history);
    expected.standing.history = Duration::from_secs(8 * 86_400);
    let look = |history: &History, expected: &mut Expected| {
        see(expected, history);
        expected.work_out(Some(model), None, Duration::from_secs(600)).expect("a row of ours");
        (expected.stands, expected.outlook)
    };
    let mut quiet = history.clone();
    // Its first forecast is made even so: there is none before it that could stand.
    let (stands, before) = look(&history, &mut expected);
    assert!(!stands && !before.cold && expected.said.is_some());
    let crowd = |at: u64, load: f32, history: &mut History| {
        let mut sample = sample(at);
        sample.set(Signal::Rate, load);
        sample.set(Signal::InFlight, load * 20.0);
        sample.set(Signal::P50Ms, 2_000.0);
        history.push(Missing::Counted(0), &sample, NOON + 15 * (at + at / 50));
    };
    for at in 1_500..1_505 {
        crowd(at, 80.0, &mut history);
        assert_eq!(look(&history, &mut expected), (true, before), "sample {at}");
        assert_eq!(expected.said, None, "there is nothing to be judged");
    }
    crowd(1_505, 80.0, &mut history);
    let (stands, after) = look(&history, &mut expected);
    assert!(!stands && soon(&after) > soon(&before), "{} after {}", soon(&after), soon(&before));
    // Less is foretold at once: the load of a hub that recovers jumps as well.
    let mut recovered = fresh();
    recovered.standing = expected.standing;
    look(&quiet, &mut recovered);
    recovered.outlook = Outlook { hazard: Hazard::new([0.9; 3], 1e-6).expect("probabilities"), ..before };
    crowd(1_500, 80.0, &mut quiet);
    let (stands, less) = look(&quiet, &mut recovered);
    assert!(recovered.extractor.has_jumped() && !stands && soon(&less) < 0.5, "{less:?}");
    // One that grows ever faster is spoken of again after five minutes.
    let (mut silent, mut longest) = (0, 0);
    for at in 1_506..1_560 {
        crowd(at, 80.0 * 1.2_f32.powf((at - 1_505) as f32), &mut history);
        silent = if look(&history, &mut expected).0 { silent + 1 } else { 0 };
        longest = longest.max(silent);
    }
    assert!((1..=STANDS_FOR).contains(&longest), "{longest} samples");
}

#[test]
fn what_both_models_say_is_noted_every_other_period_and_not_in_a_failure() {
    let (mut history, mut expected) = (History::default(), fresh());
    past(0..300, &mut history);
    expected.said = Some((0.25, Some(0.5)));
    let now = history.newest().expect("a period");
    let noted = Said { at: now, champion: 0.25, challenger: Some(0.5) };
    assert_eq!(expected.noted(&history, now), Some(noted));
    past(300..301, &mut history);
    let now = history.newest().expect("a period");
    assert_eq!(expected.noted(&history, now), None);
    past(301..302, &mut history);
    let now = history.newest().expect("a period");
    history.episodes_mut().fail((now - 300, now - 285), Marks::default());
    assert_eq!(expected.noted(&history, now), None, "it has failed just now");
    expected.said = None;
    assert_eq!(expected.noted(&History::default(), now), None);
}

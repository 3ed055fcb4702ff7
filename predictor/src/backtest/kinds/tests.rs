use super::*;
use crate::backtest::testing::{self, OF_HUBS as SETTINGS};
use crate::telemetry::{Sample, Signal};

/// What happens, what it is at heart, and the share that tells of it.
const FAULTS: [(&str, &str, Signal); 4] = [
    ("node_crash", "hardware", Signal::Refused),
    ("mem_leak", "software", Signal::Errors),
    ("loss_ramp", "network", Signal::Timeouts),
    ("surge_ramp", "overload", Signal::ProbeFail),
];

/// Hubs with eight failures each, 200 samples from start to start: no row looks back to the failure before. Each shows
/// what it is from `ahead` samples before its start on.
fn data(ahead: usize) -> Dataset {
    let downs = format!("{}#####", ".".repeat(195)).repeat(8);
    let sample = |at: usize| {
        let mut sample = Sample::UNKNOWN;
        let shown = FAULTS[at / 200 % FAULTS.len()].2;
        for (_, _, signal) in FAULTS {
            let shows = signal == shown && at % 200 + ahead >= 195;
            sample.set(signal, if shows { 0.8 } else { 0.0 });
        }
        sample
    };
    let samples: Vec<_> = (0..downs.len()).map(sample).collect();
    let failures = FAULTS.map(|(kind, class, _)| (kind, class));
    let hub = |name: &&str| testing::hub(name, &downs, &failures, &samples, &SETTINGS.rules);
    let columns = Signal::ALL.map(|signal| signal.as_str().to_owned()).to_vec();
    let entities = ["a", "b", "c", "d", "e"].iter().map(hub).collect();
    Dataset { protocol: Protocol::Hubsim, settings: SETTINGS, columns, simulated: true, entities }
}

fn found(data: &Dataset, test: Option<&Dataset>) -> Vec<KindReport> {
    kinds(data, test, &KindSettings::default()).expect("it can be judged")
}

#[test]
fn what_shows_itself_is_told_and_what_does_not_yet_is_not() {
    let macro_f1 =
        |ahead| found(&data(ahead), None).iter().map(|at| at.left_out.all.macro_f1).collect::<Vec<_>>();
    assert_eq!(macro_f1(9), [Some(1.0); 3]);
    let late = macro_f1(0);
    assert_eq!(late[2], Some(1.0));
    assert!(late[0] < Some(0.5), "{late:?}");
    // Three samples before the start are over 30 s before it; two would be over 15 s before it.
    assert_eq!(macro_f1(3)[1], Some(1.0));
    assert!(macro_f1(2)[1] < Some(0.5));
}

#[test]
fn failures_after_the_cut_are_judged_or_all_of_another_folder() {
    let data = data(9);
    for (report, asked_at_s) in found(&data, None).iter().zip(ASKED_AT_S) {
        assert_eq!(report.asked_at_s, asked_at_s);
        for figures in [&report.tested, &report.left_out] {
            assert_eq!((figures.all.answers, figures.gradual.answers, figures.abrupt.answers), (20, 15, 5));
        }
    }
    let report = &found(&data, Some(&data.clone()))[0];
    assert_eq!((report.tested.all.answers, report.left_out.all.answers), (40, 40));
}

#[test]
fn a_kind_that_one_hub_alone_has_met_cannot_be_told_at_that_hub() {
    let mut data = data(9);
    for hub in &mut data.entities[1..] {
        hub.failures.iter_mut().filter(|failure| failure.class == "network").for_each(|f| f.class.clear());
    }
    let error = kinds(&data, None, &KindSettings::default()).expect_err("one fold has no network");
    assert!(matches!(error, BacktestError::Scorer { .. }), "{error}");
}

#[test]
fn without_known_kinds_there_is_nothing_to_tell() {
    let mut data = data(9);
    data.entities.iter_mut().flat_map(|hub| &mut hub.failures).for_each(|failure| failure.class.clear());
    assert!(found(&data, None).is_empty());
}

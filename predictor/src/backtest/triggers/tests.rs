use super::*;
use crate::backtest::testing::{self, OF_HUBS as SETTINGS};
use crate::backtest::{Fitted, Scale, Unfit};
use crate::telemetry::Sample;

/// A failure after every 95 samples, for five; of the requests, all come to an error from its second sample on.
fn data(names: [&str; 5], kind: &str) -> Dataset {
    let downs = format!("{}#####", ".".repeat(95)).repeat(4);
    let sample = |(at, down): (usize, char)| {
        let mut sample = Sample::UNKNOWN;
        sample.set(Signal::Errors, if down == '#' && at % 100 > 95 { 1.0 } else { 0.0 });
        sample
    };
    let samples: Vec<_> = downs.chars().enumerate().map(sample).collect();
    let hub = |name| testing::hub(name, &downs, &[(kind, "")], &samples, &SETTINGS.rules);
    let columns = Signal::ALL.map(|signal| signal.as_str().to_owned()).to_vec();
    Dataset {
        protocol: Protocol::Hubsim,
        settings: SETTINGS,
        columns,
        simulated: true,
        entities: names.map(hub).to_vec(),
    }
}

/// Foretells a failure three samples before it starts, and makes sure that it has not seen whom thresholds are chosen
/// on.
struct Seer {
    /// What it says when nothing is near, of samples whose number is a multiple of 7.
    nervous: f64,
}

struct Knowing {
    nervous: f64,
    seen: Vec<String>,
}

impl Scorer for Seer {
    fn name(&self) -> &'static str {
        "seer"
    }

    fn scale(&self) -> Scale {
        Scale::Probabilities
    }

    fn fit(&self, spans: &[Span<'_>], _: usize) -> Result<Box<dyn Fitted>, Unfit> {
        assert!(spans.iter().all(|span| span.part.end <= span.entity.cut - 40));
        let seen = spans.iter().map(|span| span.entity.name.clone()).collect();
        Ok(Box::new(Knowing { nervous: self.nervous, seen }))
    }
}

impl Fitted for Knowing {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let choosing = span.part.start == 0;
        assert_eq!(choosing, !self.seen.contains(&span.entity.name));
        let score = |at: &usize| match at {
            at if (92..95).contains(&(at % 100)) => 0.9,
            at if at % 7 == 0 && at % 100 < 50 => self.nervous,
            _ => 0.1,
        };
        Ok(span.rows.iter().map(score).collect())
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn what_is_foretold_comes_before_and_what_is_seen_after() {
    let found = triggers(&data(NAMES, "mem_leak"), None, &Seer { nervous: 0.5 }).expect("it can be judged");
    let names: Vec<_> = found.iter().map(|report| report.name.as_str()).collect();
    assert_eq!(names, ["requests", "seer", "seer or requests"]);
    assert_eq!(found[0].detection.gradual.delays_s, [30.0; 10]);
    for report in &found[1..] {
        assert_eq!(report.threshold, Some(0.9));
        assert_eq!(report.detection.gradual.delays_s, [-30.0; 10]);
        assert_eq!((report.detection.abrupt.failures, report.detection.false_alarms), (0, 0));
    }
}

#[test]
fn where_no_threshold_keeps_the_budget_only_what_is_seen_is_noticed() {
    let found = triggers(&data(NAMES, "node_crash"), None, &Seer { nervous: 1.0 }).expect("it can be judged");
    assert_eq!((found[1].threshold, found[1].detection.abrupt.delays_s.len()), (None, 0));
    assert_eq!((found[2].threshold, found[2].detection.false_alarms), (None, 0));
    assert_eq!(found[2].detection.abrupt.delays_s, [30.0; 10]);
}

#[test]
fn telemetry_without_requests_has_no_triggers() {
    let machines = Dataset { protocol: Protocol::Smd, ..data(NAMES, "") };
    assert!(triggers(&machines, None, &Seer { nervous: 0.5 }).expect("nothing to judge").is_empty());
    let mut one = data(NAMES, "");
    one.entities.truncate(1);
    assert!(triggers(&one, None, &Seer { nervous: 0.5 }).is_err());
}

//! How is what speaks for a forecast told to a person?
//!
//! Each is one clause with its value in it: "the time to connect is 8.2 spreads above what is usual". A spread is what
//! the hub itself varies by on an ordinary day, so the number needs no knowledge of the hub.

use std::time::Duration;

use super::actions::Evidence;
use super::patterns::Pattern;
use crate::features::{Feature, Schema, Span};
use crate::telemetry::Signal;

/// What this evidence says. `schema` is that of the model whose forecast it speaks for.
pub fn told(evidence: &Evidence, schema: &Schema) -> String {
    match evidence {
        Evidence::Risk { probability, base, window } => {
            let (now, ever) = (percent(*probability), percent(*base));
            format!("it fails within {} with {now}, against {ever} as a rule", minutes(*window))
        }
        Evidence::Kind { kind, probability } => {
            format!("the kind would be {kind}, with {}", percent(*probability))
        }
        Evidence::Memory { left } => format!("its memory is used up in {}", minutes(*left)),
        Evidence::Mover(mover) => {
            let part = percent(f64::from(mover.part.abs()));
            let way = if mover.part < 0.0 { "away from failure" } else { "towards failure" };
            match schema.features().get(mover.feature) {
                Some(feature) => {
                    format!("{} ({part} of what moved the forecast, {way})", clause(*feature, mover.value))
                }
                None => format!("feature {} is {} ({part}, {way})", mover.feature, mover.value),
            }
        }
        Evidence::Pattern(pattern) => of_pattern(pattern),
        Evidence::Neighbours { failing } => {
            format!("{} of the other hubs of its location or operator fail", percent(*failing))
        }
        Evidence::Cold { confidence } => {
            format!(
                "little is known about it yet: the forecast is to be believed to {}",
                percent(*confidence)
            )
        }
    }
}

fn of_pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Recurring { at, days, of, .. } => {
            let (hour, minute) = (at / 3_600, at / 60 % 60);
            format!("it failed around {hour:02}:{minute:02} UTC on {days} of {of} days")
        }
        Pattern::Sibling { hub, times, of, .. } => format!("{hub} failed with it {times} of {of} times"),
        Pattern::SlowRise { times, of, median } => {
            format!("its signals rose before {times} of {of} failures, for {} as a rule", minutes(*median))
        }
        Pattern::AfterRestart { times, of, .. } => {
            format!("{times} of its {of} failures came within half an hour of a restart")
        }
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.2} %") } else { format!("{percent:.0} %") }
}

fn minutes(time: Duration) -> String {
    format!("{} min", time.as_secs().div_ceil(60))
}

/// What this feature says with this value.
pub fn clause(feature: Feature, value: f32) -> String {
    match feature {
        Feature::Deviation(signal, span) => {
            format!("{} is {} what is usual {}", subject(signal), spreads(value), over(span))
        }
        Feature::Residual(signal, span) => {
            format!("{} is {} what its requests explain {}", subject(signal), spreads(value), over(span))
        }
        Feature::Rise(signal, span) => {
            let way = if value < 0.0 { "fallen" } else { "risen" };
            format!("{} has {way} by {:.1} spreads {}", subject(signal), value.abs(), over(span))
        }
        Feature::Unrest(signal) => {
            format!("{} varies by {value:.1} spreads within five minutes", subject(signal))
        }
        Feature::Mean(signal, span) => format!("{} is {} {}", subject(signal), share(value), over(span)),
        Feature::Known(signal) if value > 0.5 => format!("the hub tells its {}", signal.as_str()),
        Feature::Known(signal) => format!("the hub does not tell its {}", signal.as_str()),
        Feature::Strain => format!("its three most unusual signals are {} what is usual", spreads(value)),
        Feature::Slow => format!("answers were slow in {} of the last five minutes", share(value)),
        Feature::Backlog if value < 0.0 => {
            format!("{:.1} times fewer requests are in flight than its speed explains", (-value).exp())
        }
        Feature::Backlog => {
            format!("{:.1} times more requests are in flight than its speed explains", value.exp())
        }
        Feature::Neighbours => format!("{} of the other hubs of its location fail", share(value)),
        Feature::Kin => format!("{} of the other hubs of its operator fail", share(value)),
        Feature::SinceEpisode => format!("its last failure began {:.1} hours ago", value.exp_m1()),
        Feature::EpisodesDay => format!("it failed {value:.0} times in 24 hours"),
        Feature::EpisodesWeek => format!("it failed {value:.0} times in seven days"),
        Feature::SameTime(days) => {
            format!("it failed at this time of day on {} of the last {days} days", share(value))
        }
    }
}

fn subject(signal: Signal) -> &'static str {
    match signal {
        Signal::ProbeMs => "the time of a probe",
        Signal::ProbeFail => "the share of failed probes",
        Signal::P50Ms => "the median answer",
        Signal::P95Ms => "the slowest twentieth of answers",
        Signal::Errors => "the share of errors",
        Signal::Timeouts => "the share of time-outs",
        Signal::InFlight => "the number of requests in flight",
        Signal::Rate => "the rate of requests",
        Signal::Cpu => "the load of its processors",
        Signal::Memory => "its use of memory",
        Signal::Queue => "its queue",
        Signal::ConnectMs => "the time to connect",
        Signal::Refused => "the share of refused connections",
    }
}

fn spreads(value: f32) -> String {
    if value < 0.0 { format!("{:.1} spreads below", -value) } else { format!("{value:.1} spreads above") }
}

fn share(value: f32) -> String {
    format!("{:.0} %", value * 100.0)
}

fn over(span: Span) -> &'static str {
    match span {
        Span::S15 => "in the last sample",
        Span::M1 => "over a minute",
        Span::M5 => "over five minutes",
        Span::M30 => "over half an hour",
        Span::M120 => "over two hours",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::explain::Mover;
    use crate::model::Kind;

    #[test]
    fn clauses_read_as_sentences() {
        let check = |feature, value, expected: &str| assert_eq!(clause(feature, value), expected);
        check(
            Feature::Deviation(Signal::ConnectMs, Span::M5),
            8.24,
            "the time to connect is 8.2 spreads above what is usual over five minutes",
        );
        check(
            Feature::Residual(Signal::Cpu, Span::M1),
            -2.5,
            "the load of its processors is 2.5 spreads below what its requests explain over a minute",
        );
        check(
            Feature::Rise(Signal::Memory, Span::M120),
            -3.0,
            "its use of memory has fallen by 3.0 spreads over two hours",
        );
        check(
            Feature::Mean(Signal::Refused, Span::M1),
            0.25,
            "the share of refused connections is 25 % over a minute",
        );
        check(Feature::Kin, 0.5, "50 % of the other hubs of its operator fail");
        check(Feature::SinceEpisode, 1.0, "its last failure began 1.7 hours ago");
        check(Feature::Known(Signal::Cpu), 0.0, "the hub does not tell its cpu");
    }

    #[test]
    fn evidence_is_told_with_its_numbers() {
        let schema = Schema::new(vec![Feature::Slow]);
        let check = |evidence: Evidence, expected: &str| assert_eq!(told(&evidence, &schema), expected);
        let window = Duration::from_secs(600);
        check(
            Evidence::Risk { probability: 0.62, base: 0.0004, window },
            "it fails within 10 min with 62 %, against 0.04 % as a rule",
        );
        check(
            Evidence::Kind { kind: Kind::Network, probability: 0.7 },
            "the kind would be network, with 70 %",
        );
        let mover = |feature, part| Evidence::Mover(Mover { feature, value: 0.5, usual: 0.1, part });
        check(
            mover(0, 0.25),
            "answers were slow in 50 % of the last five minutes (25 % of what moved the forecast, towards failure)",
        );
        check(mover(7, -0.25), "feature 7 is 0.5 (25 %, away from failure)");
        let nightly = Pattern::Recurring { at: 11_400, days: 6, of: 20, chance: 1e-6 };
        check(Evidence::Pattern(nightly), "it failed around 03:10 UTC on 6 of 20 days");
        check(Evidence::Memory { left: Duration::from_secs(90) }, "its memory is used up in 2 min");
    }

    #[test]
    fn every_feature_has_words_of_its_own() {
        let schema = Schema::with_history();
        let mut clauses: Vec<_> = schema.features().iter().map(|feature| clause(*feature, 1.0)).collect();
        clauses.sort();
        clauses.dedup();
        assert_eq!(clauses.len(), schema.len());
    }
}

//! How is a plan told to an operator?

use std::fmt::{self, Write as _};
use std::time::Duration;

use mcphub_routing::{HubState, MonoTime, RoutingTable, Share};

use crate::{
    Alarm, AlarmEvent, Band, Course, Declined, Measure, Objection, Outlook, Plan, Precaution, Reason, Step,
};

/// Tells a plan in lines of text: what is done and why, what is not done and why not. The table is the one that the
/// plan was drawn from. Times are relative to the plan's own.
pub fn report(plan: &Plan, table: &RoutingTable) -> String {
    let mut text = format!("generation {}: ", plan.drawn_from);
    text.push_str(&summary(plan, table));
    text.push('\n');
    if plan.panic != table.panic() {
        let verb = if plan.panic { "begins" } else { "ends" };
        line(&mut text, format_args!("panic {verb}: {} of {} hubs look bad", plan.bad, plan.counted));
    } else if plan.panic {
        line(&mut text, format_args!("panic goes on: {} of {} hubs look bad", plan.bad, plan.counted));
    }
    for step in &plan.steps {
        line(&mut text, format_args!("{}", Told { step, at: plan.at }));
    }
    for Declined { step, objection } in &plan.declined {
        let why = Why { objection: *objection, at: plan.at };
        line(&mut text, format_args!("not done: {}; {why}", Told { step, at: plan.at }));
    }
    for tuning in &plan.tunings {
        line(
            &mut text,
            format_args!("{}: health {}, serves {}", tuning.hub, Percent(tuning.health), tuning.eras),
        );
    }
    for event in &plan.alarms {
        line(&mut text, format_args!("{event}"));
    }
    for precaution in &plan.precautions {
        line(&mut text, format_args!("{precaution}"));
    }
    for hub in &plan.strangers {
        line(&mut text, format_args!("{hub}: the operator has a wish for it, but there is no such hub"));
    }
    text
}

impl Plan {
    /// Why a step is not taken, in words.
    pub fn why_not(&self, declined: &Declined) -> String {
        Why { objection: declined.objection, at: self.at }.to_string()
    }
}

fn line(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {what}");
}

fn summary(plan: &Plan, table: &RoutingTable) -> String {
    let count =
        |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    if !plan.changes(table) && plan.declined.is_empty() {
        return "nothing to change".to_owned();
    }
    let mut parts = vec![count(plan.steps.len(), "change", "changes")];
    if !plan.declined.is_empty() {
        parts.push(format!("{} declined", plan.declined.len()));
    }
    parts.join(", ")
}

struct Told<'a> {
    step: &'a Step,
    at: MonoTime,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { hub, from, to, reason } = self.step;
        let (from, to) = (State { state: *from, at: self.at }, State { state: *to, at: self.at });
        write!(f, "{hub}: {from} -> {to}, because {reason}")
    }
}

struct State {
    state: HubState,
    at: MonoTime,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            HubState::Serving { weight: Share::FULL } => f.write_str("serving"),
            HubState::Serving { weight } => write!(f, "serving {}", Percent(weight)),
            HubState::Recovering { share, .. } => write!(f, "recovering {}", Percent(share)),
            HubState::Draining { deadline, .. } => {
                write!(f, "draining ({} left)", Span(deadline.since(self.at)))
            }
            HubState::Drained { .. } => f.write_str("drained"),
            HubState::Ejected { retry_at, strikes } => {
                write!(f, "ejected (strike {strikes}, {} left)", Span(retry_at.since(self.at)))
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("the operator says so"),
            Self::ProbesFailed { count } => write!(f, "{count} probes in a row failed"),
            Self::RequestsFailed { outcome, count } => {
                write!(f, "{count} requests in a row failed, mostly with {outcome}")
            }
            Self::ErrorRate { rate, peers: None, sample } => {
                write!(f, "{} of {sample} requests failed", Percent(*rate))
            }
            Self::ErrorRate { rate, peers: Some(peers), sample } => {
                write!(f, "{} of {sample} requests failed, {} at its peers", Percent(*rate), Percent(*peers))
            }
            Self::Slow { times } => {
                write!(f, "it answers {}.{} times slower than it used to", times / 1000, times % 1000 / 100)
            }
            Self::Overload => f.write_str("it has more to do than it can"),
            Self::KeepsUp => f.write_str("it keeps up again"),
            Self::Untested => f.write_str("nothing tells whether it still is slow"),
            Self::Forecast(outlook) => write!(f, "{outlook}"),
            Self::ForecastPassed => f.write_str("it is no longer expected to fail"),
            Self::ProbesPassed { count } => write!(f, "{count} probes in a row passed"),
            Self::DrainIdle => f.write_str("its last session is gone"),
            Self::DrainDeadline { pins: Some(pins) } => {
                write!(f, "the deadline of its drain has come, with {pins} sessions left")
            }
            Self::DrainDeadline { pins: None } => {
                f.write_str("the deadline of its drain has come; nothing told whether sessions were left")
            }
            Self::SlowStart => f.write_str("it is back and takes more step by step"),
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (likely, horizon) = (Percent(self.probability), Span(self.horizon));
        write!(f, "failure ({}) is {likely} likely within {horizon}", self.failure_type)?;
        write!(f, " (confidence {})", Percent(self.confidence))
    }
}

impl fmt::Display for AlarmEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alarm { number, outlook, course, .. } = &self.alarm;
        write!(f, "{}: alarm {number}", self.hub)?;
        match (self.verdict, course) {
            (None, Course::HeldOut) => write!(f, ", held out: {outlook}"),
            (None, _) => write!(f, ": {outlook}"),
            (Some(verdict), course) => {
                let done = match course {
                    Course::HeldOut => "it was held out",
                    Course::Idle => "nothing was done",
                    Course::Acted(Band::Leave) => "the hub was drained",
                    Course::Acted(_) => "the hub was relieved",
                };
                write!(f, " was {}; {done}", verdict.as_str())
            }
        }
    }
}

impl fmt::Display for Precaution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.measure {
            Measure::ProbeMore => write!(f, "{}: probed more often", self.hub)?,
            Measure::KeepReady { instead_of } => {
                write!(f, "{}: kept ready to take over from {instead_of}", self.hub)?;
            }
        }
        self.outlook.map_or(Ok(()), |outlook| write!(f, ", because {outlook}"))
    }
}

struct Why {
    objection: Objection,
    at: MonoTime,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.objection {
            Objection::Floor => f.write_str("too few hubs would be left serving"),
            Objection::MaxOut => f.write_str("too many hubs would be out"),
            Objection::LocationDraining => f.write_str("another hub of its location is draining"),
            Objection::Dwell { until } => {
                write!(f, "its last change is too recent ({} more)", Span(until.since(self.at)))
            }
            Objection::Panic => f.write_str("too much looks bad at once to believe it"),
            Objection::LastOne => f.write_str("no other hub can serve"),
            Objection::Ejected { until } => {
                write!(f, "its ejection is not over ({} more)", Span(until.since(self.at)))
            }
            Objection::AdviseOnly => f.write_str("forecasts only advise"),
            Objection::ForecastShare => f.write_str("too many hubs would be out for forecasts"),
            Objection::AlarmBudget => f.write_str("its alarms came to nothing too often"),
            Objection::HeldOut => f.write_str("this alarm is held out, to see what comes of it"),
        }
    }
}

/// Per mille as per cent, without a needless zero.
struct Percent(Share);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_mille = self.0.per_mille();
        match per_mille % 10 {
            0 => write!(f, "{} %", per_mille / 10),
            rest => write!(f, "{}.{rest} %", per_mille / 10),
        }
    }
}

/// A time span in seconds, to a tenth if needed; in minutes where those are whole and more than two.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_millis().div_ceil(100);
        if tenths > 1200 && tenths.is_multiple_of(600) {
            return write!(f, "{} min", tenths / 600);
        }
        match tenths % 10 {
            0 => write!(f, "{} s", tenths / 10),
            rest => write!(f, "{}.{rest} s", tenths / 10),
        }
    }
}

//! What should an operator do about a forecast?
//!
//! A table of what fails against how likely it is. Everything up to a drain can be taken back within minutes, for at
//! real rates of failure nine of ten alarms are false. Overload is never answered by a drain: that moves the load to
//! the next hub. Each piece of advice comes with what speaks for it.

use std::fmt;
use std::time::Duration;

use super::confidence::COLD_MAX;
use super::explain::Mover;
use super::patterns::Pattern;
use crate::Band;
use crate::model::Kind;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Ask it more often how it is.
    ProbeMore,
    /// Open connections to the hub that would take over.
    PrewarmBackup,
    /// Give it fewer new sessions.
    ShiftWeight,
    /// Let its sessions move away, and place none there.
    Drain,
    /// Somebody should look.
    CallOperator,
}

impl Action {
    /// The word used in logs and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProbeMore => "probe_more",
            Self::PrewarmBackup => "prewarm_backup",
            Self::ShiftWeight => "shift_weight",
            Self::Drain => "drain",
            Self::CallOperator => "call_operator",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that speaks for an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// The forecast itself.
    Risk {
        /// How likely it fails within the window.
        probability: f64,
        /// How likely that is on any day.
        base: f64,
        /// How far ahead that looks.
        window: Duration,
    },
    /// What will fail.
    Kind {
        /// The likeliest kind.
        kind: Kind,
        /// How likely, given that it fails.
        probability: f64,
    },
    /// Memory runs out.
    Memory {
        /// In so long.
        left: Duration,
    },
    /// A feature that moved the forecast.
    Mover(Mover),
    /// What past failures have in common.
    Pattern(Pattern),
    /// Hubs of its location or operator fail as well, 0 to 1.
    Neighbours {
        /// What part of them.
        failing: f64,
    },
    /// Little is known about this hub yet.
    Cold {
        /// How far the forecast may be believed.
        confidence: f64,
    },
}

/// An action and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// What to do.
    pub action: Action,
    /// Why, the strongest first; at least one.
    pub because: Vec<Evidence>,
}

/// What advice is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c> {
    /// What the forecast asks for ([`ForecastPolicy::advised`](crate::ForecastPolicy::advised)).
    pub band: Band,
    /// How likely the hub fails within the window, 0 to 1.
    pub probability: f64,
    /// How likely that is on any day, 0 to 1.
    pub base: f64,
    /// How far ahead that looks.
    pub window: Duration,
    /// How far the forecast may be believed, 0 to 1.
    pub confidence: f64,
    /// What will fail, if that can be told, and how likely it is.
    pub kind: Option<(Kind, f64)>,
    /// How long until memory runs out, if it does.
    pub memory: Option<Duration>,
    /// What part of the other hubs of its location or operator is failing, 0 to 1.
    pub neighbours: f64,
    /// What moved the forecast.
    pub movers: &'c [Mover],
    /// What its failures have in common.
    pub patterns: &'c [Pattern],
    /// Seconds since midnight UTC.
    pub time_of_day: u32,
}

/// How long before an hour at which failures recur it is time to get ready: a drain's worth of sessions.
const READY_BEFORE: u32 = 30 * 60;

/// The part of neighbours that makes it a matter of the place rather than of the hub.
const PLACE_MIN: f64 = 0.5;

/// What should be done, the least intrusive first. Nothing for a calm hub without a pattern that falls due.
pub fn advise(case: &Case<'_>) -> Vec<Advice> {
    let band = case.band;
    let mut advice: Vec<Advice> = Vec::new();
    let mut add =
        |action: Action, because: Vec<Evidence>| match advice.iter_mut().find(|a| a.action == action) {
            Some(known) => known.because.extend(because),
            None => advice.push(Advice { action, because }),
        };
    for action in from_forecast(case) {
        add(*action, evidence(case));
    }
    if let Some(left) = case.memory.filter(|_| band >= Band::Watch) {
        add(Action::CallOperator, vec![Evidence::Memory { left }]);
    }
    if case.neighbours >= PLACE_MIN && band >= Band::Watch {
        add(Action::CallOperator, vec![Evidence::Neighbours { failing: case.neighbours }]);
    }
    for pattern in case.patterns {
        if let Some(action) = from_pattern(pattern, case.time_of_day) {
            add(action, vec![Evidence::Pattern(pattern.clone())]);
        }
    }
    advice.sort_by_key(|advice| advice.action);
    advice
}

/// The table.
fn from_forecast(case: &Case<'_>) -> &'static [Action] {
    use Action::{CallOperator, Drain, PrewarmBackup, ProbeMore, ShiftWeight};
    let kind = case.kind.map(|(kind, _)| kind);
    match (case.band, kind) {
        (Band::Calm, _) => &[],
        (Band::Watch, _) => &[ProbeMore],
        (Band::Relieve, _) => &[ProbeMore, PrewarmBackup, ShiftWeight],
        (Band::Leave, Some(Kind::Overload)) => &[ProbeMore, PrewarmBackup, ShiftWeight, CallOperator],
        // The network mends itself more often than machines and programs do.
        (Band::Leave, Some(Kind::Network) | None) => &[ProbeMore, PrewarmBackup, Drain],
        (Band::Leave, Some(Kind::Hardware | Kind::Software)) => {
            &[ProbeMore, PrewarmBackup, Drain, CallOperator]
        }
    }
}

fn evidence(case: &Case<'_>) -> Vec<Evidence> {
    let Case { probability, base, window, confidence, .. } = *case;
    let mut because = vec![Evidence::Risk { probability, base, window }];
    because.extend(case.kind.map(|(kind, probability)| Evidence::Kind { kind, probability }));
    if confidence <= COLD_MAX {
        because.push(Evidence::Cold { confidence });
    }
    because.extend(case.movers.iter().filter(|mover| mover.part > 0.0).copied().map(Evidence::Mover));
    because
}

/// What a pattern asks for, whatever the forecast says.
fn from_pattern(pattern: &Pattern, time_of_day: u32) -> Option<Action> {
    match pattern {
        Pattern::Recurring { at, .. } => {
            let until = (at + 86_400 - time_of_day % 86_400) % 86_400;
            (until <= READY_BEFORE).then_some(Action::PrewarmBackup)
        }
        Pattern::AfterRestart { .. } => Some(Action::CallOperator),
        Pattern::Sibling { .. } | Pattern::SlowRise { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{CallOperator, Drain, PrewarmBackup, ProbeMore, ShiftWeight};

    const MINUTES: Duration = Duration::from_secs(600);
    const CASE: Case<'static> = Case {
        band: Band::Calm,
        probability: 0.0,
        base: 0.01,
        window: MINUTES,
        confidence: 0.8,
        kind: None,
        memory: None,
        neighbours: 0.0,
        movers: &[],
        patterns: &[],
        time_of_day: 12 * 3600,
    };

    fn check(case: Case<'_>, expected: &[Action]) {
        let advice = advise(&case);
        assert_eq!(advice.iter().map(|advice| advice.action).collect::<Vec<_>>(), expected, "{case:?}");
        assert!(advice.iter().all(|advice| !advice.because.is_empty()));
    }

    fn of(kind: Kind) -> Option<(Kind, f64)> {
        Some((kind, 0.7))
    }

    #[test]
    fn more_risk_asks_for_more() {
        let at = |band| Case { band, ..CASE };
        check(at(Band::Calm), &[]);
        check(at(Band::Watch), &[ProbeMore]);
        check(at(Band::Relieve), &[ProbeMore, PrewarmBackup, ShiftWeight]);
        check(at(Band::Leave), &[ProbeMore, PrewarmBackup, Drain]);
    }

    #[test]
    fn an_overloaded_hub_is_never_drained() {
        let at = |kind| Case { band: Band::Leave, kind: of(kind), ..CASE };
        check(at(Kind::Overload), &[ProbeMore, PrewarmBackup, ShiftWeight, CallOperator]);
        check(at(Kind::Hardware), &[ProbeMore, PrewarmBackup, Drain, CallOperator]);
        check(at(Kind::Software), &[ProbeMore, PrewarmBackup, Drain, CallOperator]);
        check(at(Kind::Network), &[ProbeMore, PrewarmBackup, Drain]);
    }

    #[test]
    fn memory_and_neighbours_call_somebody() {
        let watch = Case { band: Band::Watch, ..CASE };
        check(Case { memory: Some(MINUTES), ..watch }, &[ProbeMore, CallOperator]);
        check(Case { neighbours: 0.6, ..watch }, &[ProbeMore, CallOperator]);
        check(Case { memory: Some(MINUTES), neighbours: 0.9, ..CASE }, &[]);
    }

    #[test]
    fn patterns_speak_when_they_fall_due() {
        let nightly = [Pattern::Recurring { at: 600, days: 6, of: 20, chance: 1e-6 }];
        let at = |time_of_day| Case { patterns: &nightly, time_of_day, ..CASE };
        check(at(86_400 - 900), &[PrewarmBackup]);
        check(at(600), &[PrewarmBackup]);
        check(at(601), &[]);
        check(at(12 * 3600), &[]);
        let deploys = [Pattern::AfterRestart { times: 4, of: 5, chance: 1e-6 }];
        check(Case { patterns: &deploys, ..CASE }, &[CallOperator]);
    }

    #[test]
    fn evidence_names_what_pushed_towards_failure() {
        let mover = |part| Mover { feature: 3, value: 8.0, usual: 0.1, part };
        let movers = [mover(0.6), mover(-0.2)];
        let case = Case { band: Band::Relieve, kind: of(Kind::Network), movers: &movers, ..CASE };
        let advice = advise(&case);
        assert_eq!(advice[0].because[2..], [Evidence::Mover(movers[0])]);
    }
}

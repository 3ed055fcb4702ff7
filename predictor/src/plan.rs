//! What should change, why, and what should not?

use mcphub_health::Outcome;
use mcphub_routing::{EraSet, Generation, HubId, HubState, MonoTime, RoutingTable, Share};

use crate::{AlarmEvent, Memory, Outlook, Precaution};

/// Why a step is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A person asked, or asks no longer.
    Operator,
    /// So many probes in a row failed, or are overdue.
    ProbesFailed {
        /// How many.
        count: u32,
    },
    /// So many requests in a row came to nothing; this is what most of them came to.
    RequestsFailed {
        /// What most of them came to.
        outcome: Outcome,
        /// How many in a row.
        count: u32,
    },
    /// Too many of its requests come to nothing.
    ErrorRate {
        /// What part.
        rate: Share,
        /// The median of its peers, if they have enough requests.
        peers: Option<Share>,
        /// Of how many.
        sample: u32,
    },
    /// It answers much later than it used to.
    Slow {
        /// So many times later, in ‰, beyond what its peers share.
        times: u32,
    },
    /// It has more to do than it can.
    Overload,
    /// It is no longer slow, or has no longer too much to do.
    KeepsUp,
    /// Nothing tells whether it still is slow, so it gets more to show it.
    Untested,
    /// It is expected to fail.
    Forecast(Outlook),
    /// It is no longer expected to fail.
    ForecastPassed,
    /// So many probes passed in a row.
    ProbesPassed {
        /// How many.
        count: u32,
    },
    /// The last session of a draining hub is gone.
    DrainIdle,
    /// The deadline of a drain has come; so many sessions are left.
    DrainDeadline {
        /// How many, if that is known.
        pins: Option<u64>,
    },
    /// A recovering hub takes its next share.
    SlowStart,
}

/// One change of one hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The hub.
    pub hub: HubId,
    /// The state it was found in.
    pub from: HubState,
    /// The state it shall be in.
    pub to: HubState,
    /// Why.
    pub reason: Reason,
}

/// Why a wanted step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Objection {
    /// Too few hubs would be left serving.
    Floor,
    /// Too large a share of the hubs would be out.
    MaxOut,
    /// Another hub of its location is draining.
    LocationDraining,
    /// It has not been in its present state for long enough.
    Dwell {
        /// When it has.
        until: MonoTime,
    },
    /// So much looks bad at once that our own eyes are the likelier fault.
    Panic,
    /// No other hub can serve.
    LastOne,
    /// Its ejection is not over.
    Ejected {
        /// When it is.
        until: MonoTime,
    },
    /// The operator asked for advice only.
    AdviseOnly,
    /// Too large a share of the hubs would be out for forecasts.
    ForecastShare,
    /// Its alarms came to nothing too often of late.
    AlarmBudget,
    /// Nothing is done about this alarm, to see what comes of it.
    HeldOut,
}

/// A step that was wanted and is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The step.
    pub step: Step,
    /// Why not.
    pub objection: Objection,
}

/// What is known better about a hub than the table has it, without any change of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// The hub.
    pub hub: HubId,
    /// Its health score.
    pub health: Share,
    /// The eras that it serves.
    pub eras: EraSet,
}

/// What should change from one generation to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The generation it was drawn from, and the only one it fits.
    pub drawn_from: Generation,
    /// When it was drawn.
    pub at: MonoTime,
    /// Shall the table be in panic?
    pub panic: bool,
    /// How many hubs look bad.
    pub bad: u32,
    /// Of how many: all but those that the operator wants out.
    pub counted: u32,
    /// The changes, at most one for each hub.
    pub steps: Vec<Step>,
    /// What was wanted besides.
    pub declined: Vec<Declined>,
    /// Health scores and eras, at most one for each hub.
    pub tunings: Vec<Tuning>,
    /// What shall be done besides as long as it stands here; the whole of it each time.
    pub precautions: Vec<Precaution>,
    /// Alarms that were raised or judged.
    pub alarms: Vec<AlarmEvent>,
    /// Hubs that the operator has wishes for and the table does not have.
    pub strangers: Vec<HubId>,
    /// What to remember if the plan is published, or if it changes nothing.
    pub memory: Memory,
}

impl Plan {
    /// A plan that changes nothing about a table.
    pub fn nothing(table: &RoutingTable) -> Self {
        Self {
            drawn_from: table.generation(),
            at: MonoTime::ZERO,
            panic: table.panic(),
            bad: 0,
            counted: 0,
            steps: Vec::new(),
            declined: Vec::new(),
            tunings: Vec::new(),
            precautions: Vec::new(),
            alarms: Vec::new(),
            strangers: Vec::new(),
            memory: Memory::default(),
        }
    }

    /// Would it change this table at all?
    pub fn changes(&self, table: &RoutingTable) -> bool {
        self.panic != table.panic() || !self.steps.is_empty() || !self.tunings.is_empty()
    }
}

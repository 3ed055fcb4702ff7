//! What is a plan drawn from, besides the table?

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_health::Evidence;
use mcphub_routing::{HubId, MonoTime, Share};

use crate::{AlarmLedger, Forecast, Policy};

/// What the operator wants of one hub. Without a wish, a hub serves as well as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Wish {
    /// Shall it be out of service?
    pub out: Option<Leave>,
    /// What part of its placements it shall take; `None` for all.
    pub weight: Option<Share>,
}

/// How the operator wants a hub to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leave {
    /// Its sessions may end, until the deadline: after this long, or as long as the policy says.
    Drain {
        /// Longest time; `None` for the policy's own.
        deadline: Option<Duration>,
    },
    /// At once: a failover by hand.
    Now,
}

/// Everything that is known when a plan is drawn. What is missing is not known; hubs that the table does not have are
/// passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// What is known about each hub.
    pub evidence: BTreeMap<HubId, Evidence>,
    /// What is expected of each hub.
    pub forecasts: BTreeMap<HubId, Forecast>,
    /// How many sessions are pinned to each hub.
    pub pins: BTreeMap<HubId, u64>,
    /// What the operator wants.
    pub wishes: BTreeMap<HubId, Wish>,
    /// What the last published plan remembered.
    pub memory: Memory,
    /// What the lots are drawn from that hold alarms out. Two gateways should have two, and one gateway the same all
    /// its life.
    pub seed: u64,
}

/// What the control loop remembers from one plan to the next. It changes with published plans only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// For each hub that was ever changed.
    pub hubs: BTreeMap<HubId, HubMemory>,
    /// When the present panic began.
    pub panic_since: Option<MonoTime>,
    /// When the last panic ended. What happened until then happened to most at once: no hub is punished for it.
    pub panic_ended: Option<MonoTime>,
    /// The alarms that forecasts raised.
    pub alarms: AlarmLedger,
}

/// What is remembered of one hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubMemory {
    /// When it last came to another state. `None`: not since we began.
    pub changed: Option<MonoTime>,
    /// When its weight last changed for slowness, overload or a forecast.
    pub weighed: Option<MonoTime>,
    /// When it last came back into service.
    pub returned: Option<MonoTime>,
    /// How many times it was ejected, less what was forgotten when it was last ejected.
    pub strikes: u32,
    /// How slow or overloaded it is taken to be: 0 is not at all, then the levels of the latency policy.
    pub level: u8,
    /// Has it less weight for a forecast?
    pub relieved: bool,
    /// Is it probed more often for a forecast?
    pub watched: bool,
}

impl HubMemory {
    /// The strikes that still count.
    pub fn strikes_at(&self, policy: &Policy, now: MonoTime) -> u32 {
        let served = self.returned.map_or(Duration::ZERO, |returned| now.since(returned));
        let forgotten = served.as_secs().checked_div(policy.ejection.forget.as_secs()).unwrap_or(u64::MAX);
        self.strikes.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

impl Memory {
    /// What is remembered of this hub.
    pub fn of(&self, hub: &HubId) -> HubMemory {
        self.hubs.get(hub).copied().unwrap_or_default()
    }
}

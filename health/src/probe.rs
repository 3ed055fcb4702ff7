//! When is a hub probed, what is asked for, and what did one probe find out?

use std::time::Duration;

use mcphub_routing::{EraSet, HubId, MonoTime, Share};

use crate::{BootId, Outcome};

/// Names one probe among those of its hub; later ones have greater numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeId(pub(crate) u64);

/// How a hub is probed. Durations below 10 ms count as 10 ms where zero would mean without end.
///
/// With the defaults, four probes speak against a hub within 3 s of its being cut off, if its probes usually take 100 ms
/// or less: 2 s until the next probe; 0.3 s until that is doubtful; the burst of three then, 0.15 s apart; and 0.3 s until
/// the last one has been silent for too long as well. A hub that refuses is known sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSettings {
    /// The longest time between two probes; each is up to a tenth earlier, by lot, so that gateways do not fall into
    /// step. 2 s, as HAProxy's `inter`.
    pub interval: Duration,
    /// How long a probe may take. 1 s: a lost packet is sent again within it, and a burst is over soon.
    pub timeout: Duration,
    /// How long a probe may be silent before more are sent to make sure: a burst. 100 ms, or three times what the hub
    /// usually takes; never above `timeout`.
    pub doubt: Duration,
    /// How long a probe may be silent before that speaks against the hub. 300 ms, or three times what it usually takes;
    /// never above `timeout`. More than the 200 ms after which a lost packet is first sent again.
    pub stall: Duration,
    /// How many probes a burst has at most. 3: with the first one, one more than `fall` 3.
    pub burst: u32,
    /// Time between the probes of a burst. 150 ms: the last one must tell within 3 s.
    pub burst_gap: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            doubt: Duration::from_millis(100),
            stall: Duration::from_millis(300),
            burst: 3,
            burst_gap: Duration::from_millis(150),
        }
    }
}

/// A probe to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOrder {
    /// To this hub.
    pub hub: HubId,
    /// To be given back in its [`ProbeReport`].
    pub id: ProbeId,
    /// How long it may take before it counts as [`Outcome::Timeout`].
    pub timeout: Duration,
}

/// What one probe found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeReport {
    /// Which probe.
    pub id: ProbeId,
    /// What it came to. It passes unless [`Outcome::is_failure`].
    pub outcome: Outcome,
    /// From its beginning, connecting included, to its answer or its end.
    pub latency: Duration,
    /// The eras that the hub answered to, when the probe asked.
    pub eras: Option<EraSet>,
    /// Which life of the hub answered, when it told.
    pub boot: Option<BootId>,
}

/// What a hub says of its own load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// When it said so.
    pub at: MonoTime,
    /// How busy its processors are.
    pub cpu: Option<Share>,
    /// How full its memory is.
    pub memory: Option<Share>,
    /// Requests that wait there.
    pub queue: Option<u32>,
}

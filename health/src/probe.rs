//! What did one probe find out?

use std::time::Duration;

use mcphub_routing::{EraSet, MonoTime, Share};

use crate::{BootId, Outcome};

/// Names one probe among those of its hub; later ones have greater numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeId(pub(crate) u64);

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

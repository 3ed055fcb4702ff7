//! What came of one hub's probes?
use mcphub_routing::{EraSet, MonoTime};

use crate::{Boot, Exported, Probes};

/// What came of one hub's probes.
#[derive(Debug, Default)]
pub struct ProbeLedger {}

impl ProbeLedger {
    /// See [`Probes`].
    pub fn probes(&self, _now: MonoTime) -> Probes {
        Probes::default()
    }
    /// What the hub said of its load.
    pub fn exported(&self) -> Option<Exported> {
        None
    }
    /// Which life of the hub this is.
    pub fn boot(&self) -> Boot {
        Boot::default()
    }
    /// The eras it answered to.
    pub fn eras(&self) -> Option<EraSet> {
        None
    }
}

//! What came of the requests?
use std::time::Duration;

use mcphub_routing::MonoTime;

use crate::{Latency, Outcome, Passive};

/// What came of one hub's requests.
#[derive(Debug, Default)]
pub struct Recorder {}

impl Recorder {
    /// Notes what came of one request and gives back how many failed in a row, this one included: `latency` is the time
    /// on an open connection, `connect` the time to open one, if that was done.
    pub fn record(
        &self,
        _outcome: Outcome,
        _latency: Duration,
        _connect: Option<Duration>,
        _now: MonoTime,
    ) -> u32 {
        0
    }
    /// See [`Passive`].
    pub fn passive(&self, _now: MonoTime) -> Passive {
        Passive::default()
    }
    /// See [`Latency`].
    pub fn latency(&self, _now: MonoTime) -> Latency {
        Latency::default()
    }
}

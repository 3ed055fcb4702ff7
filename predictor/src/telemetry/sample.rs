//! What was one hub like in one period?

use std::fmt;
use std::time::Duration;

/// How long a sample covers: fine enough for a failure that announces itself for two minutes only, and a tick of the
/// forecast.
pub const PERIOD: Duration = Duration::from_secs(15);

/// How many signals a sample has.
pub const SIGNALS: usize = Signal::ALL.len();

/// What is measured of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// How long its probes took, in milliseconds.
    ProbeMs,
    /// What part of its probes failed, 0 to 1.
    ProbeFail,
    /// The median answer, in milliseconds.
    P50Ms,
    /// The answer that 95 of 100 were faster than, in milliseconds.
    P95Ms,
    /// What part of the requests came to an error, 0 to 1.
    Errors,
    /// What part of the requests ran out of time, 0 to 1.
    Timeouts,
    /// Requests in flight, on average.
    InFlight,
    /// Requests a second.
    Rate,
    /// How busy its processors are, 0 to 1; told by the hub itself, as are the next two.
    Cpu,
    /// What part of its memory it uses, 0 to 1.
    Memory,
    /// How many requests wait in it.
    Queue,
    /// How long a connection took to open, in milliseconds.
    ConnectMs,
    /// What part of the connections was refused, 0 to 1.
    Refused,
}

impl Signal {
    /// Every signal, in the order of a sample.
    pub const ALL: [Self; 13] = [
        Self::ProbeMs,
        Self::ProbeFail,
        Self::P50Ms,
        Self::P95Ms,
        Self::Errors,
        Self::Timeouts,
        Self::InFlight,
        Self::Rate,
        Self::Cpu,
        Self::Memory,
        Self::Queue,
        Self::ConnectMs,
        Self::Refused,
    ];

    /// Its name in files and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProbeMs => "probe_ms",
            Self::ProbeFail => "probe_fail",
            Self::P50Ms => "p50_ms",
            Self::P95Ms => "p95_ms",
            Self::Errors => "err",
            Self::Timeouts => "tmo",
            Self::InFlight => "inflight",
            Self::Rate => "rps",
            Self::Cpu => "cpu",
            Self::Memory => "mem",
            Self::Queue => "queue",
            Self::ConnectMs => "conn_ms",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one hub was like in one [`PERIOD`]. What is not known is NaN; nothing else is other than finite.
#[derive(Debug, Clone, Copy)]
pub struct Sample([f32; SIGNALS]);

impl Sample {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self([f32::NAN; SIGNALS]);

    /// Of these values; what is infinite becomes unknown.
    pub fn new(values: [f32; SIGNALS]) -> Self {
        Self(values.map(|value| if value.is_finite() { value } else { f32::NAN }))
    }

    /// What is known of this signal.
    pub fn get(&self, signal: Signal) -> Option<f32> {
        let value = self.0[signal as usize];
        value.is_finite().then_some(value)
    }

    /// Sets what is known of this signal; infinite is not known.
    pub fn set(&mut self, signal: Signal, value: f32) {
        self.0[signal as usize] = if value.is_finite() { value } else { f32::NAN };
    }

    /// All values, unknown ones as NaN.
    pub fn values(&self) -> &[f32; SIGNALS] {
        &self.0
    }
}

impl PartialEq for Sample {
    /// Two unknowns are equal.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    }
}

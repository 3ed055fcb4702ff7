//! In which unit is a signal compared with itself?

use crate::telemetry::SIGNALS;
use crate::telemetry::{Sample, Signal};

/// On which scale changes of a signal are of equal weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Times and counts: a doubling is a doubling, at 10 as at 1,000. `ln(1 + value)`.
    Ratio,
    /// Parts of a whole: as they are.
    Share,
}

fn kind(signal: Signal) -> Kind {
    match signal {
        Signal::ProbeMs | Signal::P50Ms | Signal::P95Ms | Signal::ConnectMs => Kind::Ratio,
        Signal::InFlight | Signal::Rate | Signal::Queue => Kind::Ratio,
        Signal::ProbeFail | Signal::Errors | Signal::Timeouts | Signal::Refused => Kind::Share,
        Signal::Cpu | Signal::Memory => Kind::Share,
    }
}

/// The least spread that counts as one, so that a hub which never moves is not alarmed by a trifle: 5 % of a time or a
/// count, a hundredth of a whole.
pub(super) fn spread_min(signal: Signal) -> f32 {
    match kind(signal) {
        Kind::Ratio => 0.05,
        Kind::Share => 0.01,
    }
}

/// All values of a sample on their scales; unknown ones stay NaN. What is negative counts as 0.
pub(super) fn scaled(sample: &Sample) -> [f32; SIGNALS] {
    let mut values = *sample.values();
    for signal in Signal::ALL {
        let value = &mut values[signal as usize];
        // `max` would make 0 of NaN.
        if *value < 0.0 {
            *value = 0.0;
        }
        if kind(signal) == Kind::Ratio {
            *value = value.ln_1p();
        }
    }
    values
}

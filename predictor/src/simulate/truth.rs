//! When was the hub down, and what brought it down?

use super::{Class, Kind};

/// A hub is down in a tick in which at least this part of all requests does not come to an answer in time. Three in
/// ten: no benign event reaches it, clients with two retries notice it, and what is worse gets there soon.
pub const DOWN_FROM: f64 = 0.3;

/// Spells of being down that are fewer ticks apart than this are one failure: ten minutes.
pub const MERGE_TICKS: u32 = 40;

/// How long after its end a fault is still to blame, in ticks: what its retries and its cold caches do in 20 min.
const AFTERMATH: u32 = 80;

/// One failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The first tick of being down.
    pub start: u32,
    /// The first tick after the last one of being down.
    pub end: u32,
    /// What brought it.
    pub kind: Kind,
}

impl Failure {
    /// Which part of the world it comes from.
    pub fn class(&self) -> Class {
        self.kind.class()
    }
}

/// How a fault went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The hub went down; first in this tick.
    Failed {
        /// The first tick of being down.
        down: u32,
    },
    /// It recovered, and the hub was never down.
    NearMiss,
    /// The series ended first.
    Unfinished,
}

/// One fault, whether it brought the hub down or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What it was.
    pub kind: Kind,
    /// The first tick that it did anything in, before the hub is down.
    pub onset: u32,
    /// The first tick after it.
    pub end: u32,
    /// How it went.
    pub outcome: Outcome,
}

impl Fault {
    /// A fault that lasted over these ticks, given when the hub was down. None begins while the hub is down.
    pub(super) fn judge(kind: Kind, onset: u32, end: u32, down: &[bool], finished: bool) -> Self {
        let during = (onset..end.min(down.len() as u32)).find(|tick| down[*tick as usize]);
        let outcome = match during {
            Some(down) => Outcome::Failed { down },
            None if finished => Outcome::NearMiss,
            None => Outcome::Unfinished,
        };
        Self { kind, onset, end, outcome }
    }
}

/// The failures in a series, each with the last fault that was about when it began.
pub(super) fn failures(down: &[bool], faults: &[Fault]) -> Vec<Failure> {
    let mut found: Vec<Failure> = Vec::new();
    for tick in (0..down.len() as u32).filter(|tick| down[*tick as usize]) {
        match found.last_mut() {
            Some(last) if tick - last.end < MERGE_TICKS => last.end = tick + 1,
            _ => found.push(Failure { start: tick, end: tick + 1, kind: blame(tick, faults) }),
        }
    }
    found
}

fn blame(tick: u32, faults: &[Fault]) -> Kind {
    let about = |fault: &&Fault| fault.onset <= tick && tick < fault.end + AFTERMATH;
    faults.iter().rev().find(about).map_or(Kind::NaturalOverload, |fault| fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(ticks: usize, spells: &[std::ops::Range<usize>]) -> Vec<bool> {
        (0..ticks).map(|tick| spells.iter().any(|spell| spell.contains(&tick))).collect()
    }

    #[test]
    fn spells_close_together_are_one_failure() {
        let down = series(400, &[10..12, 51..60, 100..101]);
        let spans: Vec<_> = failures(&down, &[]).iter().map(|f| (f.start, f.end)).collect();
        // From 12 to 51 there are 39 ticks; from 60 to 100 there are 40.
        assert_eq!(spans, [(10, 60), (100, 101)]);
    }

    #[test]
    fn a_failure_is_blamed_on_the_last_fault_about() {
        let down = series(900, &[5..6, 150..160, 260..261, 400..401]);
        let fault = |kind, onset, end| Fault::judge(kind, onset, end, &down, true);
        let faults = [fault(Kind::MemLeak, 100, 155), fault(Kind::LossRamp, 200, 265)];
        let kinds: Vec<_> = failures(&down, &faults).iter().map(|f| f.kind).collect();
        assert_eq!(kinds, [Kind::NaturalOverload, Kind::MemLeak, Kind::LossRamp, Kind::NaturalOverload]);
        assert_eq!(faults[0].outcome, Outcome::Failed { down: 150 });
        assert_eq!(fault(Kind::LossRamp, 300, 350).outcome, Outcome::NearMiss);
        assert_eq!(Fault::judge(Kind::LossRamp, 890, 900, &down, false).outcome, Outcome::Unfinished);
    }
}

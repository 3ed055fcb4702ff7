//! How does a fault go on, from its onset to its end?
//!
//! A gradual fault grows until the hub is down, is noticed, and is repaired some time later; an abrupt one is there at
//! once. A near-miss is a gradual fault that somebody or something turns back in time. Whether the hub goes down is not
//! decided here: the queue decides it.

use super::dice::Dice;
use super::harm::Harm;
use super::kind::Kind;
use super::strain::Strain;
use super::traits::Traits;

/// What part of gradual faults is turned back: an assumption; nobody counts what did not happen.
const NEAR_MISSES: f64 = 0.25;

/// A near-miss turns back at the latest when so many requests fail, or so much of their patience is spent waiting.
const TURN_AT_FAILING: f64 = 0.05;
const TURN_AT_WAIT: f64 = 0.15;

/// Ticks that easing takes: a minute, the time a scheduler or a router takes to act.
const EASING: f64 = 4.0;

/// How many ramps a fault stays at its worst, if the hub bears it, before it is repaired anyway.
const BORNE: f64 = 1.0;

/// Longest repair, in ticks: two hours.
const REPAIR_MAX: f64 = 480.0;

/// What the hub is like, as far as the course of a fault depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    /// What part of requests fails, 0 to 1.
    pub(super) failing: f64,
    /// It is down.
    pub(super) down: bool,
    /// Longest wait behind the backlog, as a part of clients' patience.
    pub(super) wait: f64,
    /// It was killed for its memory.
    pub(super) killed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Growing,
    /// Down; ticks until it is repaired.
    Down(u32),
    /// From this severity, so many ticks ago.
    Easing(f64, u32),
    Over,
}

/// A fault on its way.
#[derive(Debug)]
pub(super) struct Course {
    kind: Kind,
    harm: Harm,
    phase: Phase,
    age: u32,
    /// Ticks until it is at its worst, when nothing stops it.
    ramp: f64,
    /// Severity is `(age / ramp)` to this power: 1 grows evenly, 3 shows late.
    shape: f64,
    /// A disk's wear so far: a gamma process, which goes by jumps and never back.
    wear: f64,
    /// Ticks of being down until it is repaired.
    repair: u32,
    /// The severity at which it turns back; none if it does not.
    turn: Option<f64>,
}

impl Course {
    pub(super) fn new(kind: Kind, traits: &Traits, busy: f64, dice: &mut Dice) -> Self {
        let (shortest, longest) = ramp(kind);
        let repair = dice.lognormal(repair(kind), 0.5).clamp(2.0, REPAIR_MAX) as u32;
        let near_miss = !kind.is_abrupt() && dice.chance(NEAR_MISSES);
        let turn = near_miss.then(|| dice.between(0.3, 0.9));
        Self {
            kind,
            harm: Harm::new(kind, traits, busy, dice),
            phase: Phase::Growing,
            age: 0,
            ramp: dice.log_between(shortest, longest),
            shape: dice.between(1.0, 2.5),
            wear: 0.0,
            repair,
            turn,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The next tick, given what the hub was like in the last one.
    pub(super) fn step(&mut self, seen: &Condition, dice: &mut Dice) -> Strain {
        let severity = self.severity(dice);
        self.age += 1;
        self.phase = match self.phase {
            // A killed process has given back what it leaked.
            Phase::Growing | Phase::Down(_) if self.kind == Kind::MemLeak && seen.killed => Phase::Over,
            Phase::Growing if seen.down => Phase::Down(self.repair),
            Phase::Growing if self.turns(severity, seen) || self.was_borne() => Phase::Easing(severity, 0),
            Phase::Growing => Phase::Growing,
            // The last tick of being down was the last that the fault lasted.
            Phase::Down(0) if self.kind.is_abrupt() => Phase::Over,
            Phase::Down(0) => Phase::Easing(severity, 0),
            Phase::Down(left) => Phase::Down(left - 1),
            Phase::Easing(_, since) if f64::from(since) >= EASING => Phase::Over,
            Phase::Easing(from, since) => Phase::Easing(from, since + 1),
            Phase::Over => Phase::Over,
        };
        match self.phase {
            Phase::Over => Strain::NONE,
            Phase::Easing(from, since) => {
                self.harm.strain(from * (1.0 - f64::from(since) / EASING).max(0.0), dice)
            }
            Phase::Growing | Phase::Down(_) => self.harm.strain(severity, dice),
        }
    }

    /// How bad it is, 0 to 1.
    fn severity(&mut self, dice: &mut Dice) -> f64 {
        match self.kind {
            Kind::DiskDegrade => {
                // Increments of a gamma process with shape 1 a tick are exponential.
                self.wear += dice.exponential(1.0 / self.ramp);
                self.wear.min(1.0)
            }
            // A release is rolled out in five steps.
            Kind::BadDeployRamp => (f64::from(self.age) / self.ramp * 5.0).floor().min(5.0) / 5.0,
            _ if self.ramp < 1.0 => 1.0,
            _ => libm::pow(((f64::from(self.age) + 1.0) / self.ramp).min(1.0), self.shape),
        }
    }

    fn turns(&self, severity: f64, seen: &Condition) -> bool {
        let close = seen.failing > TURN_AT_FAILING || seen.wait > TURN_AT_WAIT;
        self.turn.is_some_and(|turn| severity >= turn || close)
    }

    fn was_borne(&self) -> bool {
        f64::from(self.age) > self.ramp * (1.0 + BORNE) + f64::from(self.repair)
    }
}

/// Ticks from onset to the worst, shortest and longest: wear and leaks take from 15 min to 3 h, what traffic and the
/// network do from 5 min to an hour. Assumptions.
fn ramp(kind: Kind) -> (f64, f64) {
    match kind {
        Kind::DiskDegrade | Kind::MemLeak => (60.0, 720.0),
        Kind::PoolLeak => (60.0, 480.0),
        Kind::ThrottleEcc | Kind::LossRamp | Kind::JitterRamp | Kind::SurgeRamp => (20.0, 240.0),
        Kind::BadDeployRamp | Kind::NoisyNeighbour => (20.0, 80.0),
        Kind::FlashCrowd => (2.0, 4.0),
        Kind::NodeCrash
        | Kind::BadDeployAbrupt
        | Kind::ProcCrash
        | Kind::Partition
        | Kind::NaturalOverload => (0.5, 0.6),
    }
}

/// Median ticks of being down until repaired: a process that is started again takes two minutes, a disk that somebody
/// must change 45. Assumptions.
fn repair(kind: Kind) -> f64 {
    match kind {
        Kind::ProcCrash => 9.0,
        Kind::NodeCrash => 34.0,
        Kind::Partition | Kind::BadDeployAbrupt | Kind::NoisyNeighbour => 48.0,
        Kind::FlashCrowd => 52.0,
        Kind::MemLeak => 60.0,
        Kind::LossRamp | Kind::BadDeployRamp => 72.0,
        Kind::SurgeRamp => 80.0,
        Kind::PoolLeak | Kind::ThrottleEcc => 90.0,
        Kind::JitterRamp => 104.0,
        Kind::DiskDegrade => 180.0,
        Kind::NaturalOverload => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Condition = Condition { failing: 0.0, down: false, wait: 0.0, killed: false };

    /// A surge that does, or does not, turn back; so slow that it is far from its worst in all that follows.
    fn surge(turns: bool) -> (Course, Dice) {
        let mut dice = Dice::new(1, 0);
        let traits = Traits::draw(&mut dice, 1);
        let mut course = Course::new(Kind::SurgeRamp, &traits, 0.4, &mut dice);
        (course.turn, course.ramp) = (turns.then_some(0.9), 100_000.0);
        (course, dice)
    }

    /// How many ticks until it is over, of 200 at most, if this is what the hub is like.
    fn lasts(turns: bool, seen: Condition) -> Option<u32> {
        let (mut course, mut dice) = surge(turns);
        (0..200).find(|_| {
            course.step(&seen, &mut dice);
            course.is_over()
        })
    }

    #[test]
    fn a_near_miss_turns_back_when_the_hub_comes_close_and_others_go_on() {
        let (failing, waiting) = (Condition { failing: 0.06, ..WELL }, Condition { wait: 0.2, ..WELL });
        for close in [failing, waiting] {
            assert_eq!(lasts(true, close), Some(5));
            assert_eq!(lasts(false, close), None);
        }
        assert_eq!(lasts(true, WELL), None);
    }

    #[test]
    fn a_failure_is_repaired_when_its_time_has_come() {
        let down = Condition { failing: 1.0, down: true, ..WELL };
        let repair = surge(false).0.repair;
        assert_eq!(lasts(false, down), Some(repair + 6));
    }

    #[test]
    fn a_killed_process_has_no_leak_left() {
        let (mut course, mut dice) = surge(false);
        course.kind = Kind::MemLeak;
        let strain = course.step(&Condition { killed: true, ..WELL }, &mut dice);
        assert!(course.is_over());
        assert_eq!(strain, Strain::NONE);
    }
}

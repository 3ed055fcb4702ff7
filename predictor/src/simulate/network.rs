//! What is the way to the hub like?
//!
//! The round trip wanders slowly (AR(1) in the logarithm). Loss comes in spells, after Gilbert and Elliott: good ones
//! with next to none, bad ones with some.

use super::dice::Dice;
use super::strain::Strain;
use super::traits::Traits;

/// What part of packets is lost in good spells: a healthy path.
const LOSS_GOOD: f64 = 0.0002;

/// What part is lost in an ordinary bad spell, and how much of the time that is.
const LOSS_BAD: f64 = 0.03;
const BAD_SHARE: f64 = 0.02;

/// Probability that a bad spell ends within a tick: spells of some 45 s.
const BAD_ENDS: f64 = 0.33;

/// The first wait for an answer to a SYN, and the least for data (RFC 6298 and common practice), in seconds; each
/// further one is twice as long.
pub(super) const RTO_CONNECT: f64 = 1.0;
pub(super) const RTO_DATA: f64 = 0.2;

/// How much of the wander is left after one tick, its deviation, and the deviation of single packets around it.
const WANDER_LEFT: f64 = 0.98;
const WANDER: f64 = 0.08;
pub(super) const JITTER: f64 = 0.1;

/// The way, in one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// Median round trip, in seconds.
    pub(super) rtt: f64,
    /// What part of the packets is lost, 0 to 1.
    pub(super) loss: f64,
}

/// The way.
#[derive(Debug)]
pub(super) struct Network {
    rtt: f64,
    wander: f64,
    bad: bool,
}

impl Network {
    pub(super) fn new(traits: &Traits) -> Self {
        Self { rtt: traits.rtt, wander: 0.0, bad: false }
    }

    pub(super) fn step(&mut self, strain: &Strain, dice: &mut Dice) -> Path {
        let fresh = WANDER * (1.0 - WANDER_LEFT * WANDER_LEFT).sqrt();
        self.wander = WANDER_LEFT * self.wander + fresh * dice.normal();
        // In balance, a share b of bad spells that end with probability e begins with probability e b / (1 - b).
        let share = BAD_SHARE.max(strain.bad).min(0.95);
        let begins = (BAD_ENDS * share / (1.0 - share)).min(1.0);
        self.bad = if self.bad { !dice.chance(BAD_ENDS * (1.0 - strain.bad)) } else { dice.chance(begins) };
        let loss = if self.bad { LOSS_BAD.max(strain.loss) } else { LOSS_GOOD };
        Path { rtt: self.rtt * strain.rtt * libm::exp(self.wander), loss }
    }
}

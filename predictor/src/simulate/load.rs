//! How many requests come?
//!
//! Demand follows the day and a slow noise (an AR(1) process in the logarithm). Clients whose requests fail try
//! again, so that a hub that fails is asked for more than it would be well: the overload that feeds itself.

use super::dice::Dice;
use super::traits::Traits;
use super::{TICK_SECONDS, TICKS_PER_DAY};

/// How much of the noise is left after one tick: a correlation time of 200 ticks (50 min), the length of a lunch break.
const MEMORY: f64 = 0.995;

/// How quickly clients' retries follow what they see, a tick: back-off spreads them over about half a minute.
const RETRY_PACE: f64 = 0.4;

/// Demand, tick by tick.
#[derive(Debug)]
pub(super) struct Load {
    mean: f64,
    swing: f64,
    peak: f64,
    unrest: f64,
    retries: u32,
    noise: f64,
    /// Attempts for each request, 1 where all is well.
    attempts: f64,
}

impl Load {
    pub(super) fn new(traits: &Traits, dice: &mut Dice) -> Self {
        Self {
            mean: traits.utilisation * traits.capacity(),
            swing: traits.swing,
            peak: traits.peak,
            unrest: traits.unrest,
            retries: traits.retries,
            noise: traits.unrest * dice.normal(),
            attempts: 1.0,
        }
    }

    /// Requests a second that this time of day expects, without noise.
    pub(super) fn expected(&self, tick: u32) -> f64 {
        let angle = (f64::from(tick) - self.peak) / f64::from(TICKS_PER_DAY) * std::f64::consts::TAU;
        self.mean * (1.0 + self.swing * libm::cos(angle))
    }

    /// Attempts in this tick, at this factor on demand.
    pub(super) fn arrivals(&mut self, tick: u32, demand: f64, dice: &mut Dice) -> u32 {
        let fresh = self.unrest * (1.0 - MEMORY * MEMORY).sqrt();
        self.noise = MEMORY * self.noise + fresh * dice.normal();
        let rate = self.expected(tick) * libm::exp(self.noise) * demand * self.attempts;
        dice.poisson(rate * TICK_SECONDS)
    }

    /// Clients hear that this part of their attempts failed.
    pub(super) fn hear(&mut self, failed: f64) {
        // A request is tried 1 + f + f² ... times, once more for each failure, up to the number of retries.
        let wanted = (0..self.retries).fold(1.0, |tries, _| 1.0 + failed * tries);
        self.attempts += RETRY_PACE * (wanted - self.attempts);
    }

    /// Clients are told to stay away: no retries for now.
    pub(super) fn shed(&mut self) {
        self.attempts = 1.0;
    }
}

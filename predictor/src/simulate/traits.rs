//! What kind of hub is it, when nothing is wrong?

use super::TICKS_PER_DAY;
use super::dice::Dice;

/// What a hub is like. Drawn once; every range is an assumption about small services on the Internet, wide enough that
/// no two hubs share a normal level.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// How many requests it works on at once, 4 to 32.
    pub servers: u32,
    /// Mean service time of an unhurried hub, in seconds, 0.02 to 0.4.
    pub service: f64,
    /// Coefficient of variation of service time, 0.7 to 1.5.
    pub service_cv: f64,
    /// What part of service waits for disks, 0.15 to 0.55.
    pub disk: f64,
    /// What part of its capacity the mean demand takes, 0.25 to 0.6.
    pub utilisation: f64,
    /// How long its clients wait, in seconds: 2, 3, 5 or 10.
    pub timeout: f64,
    /// How often its clients try again, 0 to 2.
    pub retries: u32,
    /// How many requests may wait in it: 20 to 80 for each server.
    pub queue_max: u32,
    /// Median round trip to it, in seconds, 0.001 to 0.08.
    pub rtt: f64,
    /// What part of requests it answers with an error on the best of days, 0.0003 to 0.005: callers' mistakes.
    pub errors: f64,
    /// Whether it tells processor, memory and queue: six of ten do.
    pub exports: bool,
    /// Where it stands, from 0; hubs of one location can fail together.
    pub location: u32,
    /// Swing of demand over the day, as a part of the mean, 0.15 to 0.45.
    pub(super) swing: f64,
    /// When demand is highest, in ticks of the day.
    pub(super) peak: f64,
    /// Stationary deviation of the logarithm of demand, 0.04 to 0.12.
    pub(super) unrest: f64,
    /// Memory taken by an idle hub, as a part of all, 0.3 to 0.6.
    pub(super) memory: f64,
    /// Height of the saw-tooth between collections of garbage, as a part of all memory, 0.01 to 0.08.
    pub(super) garbage: f64,
    /// Ticks from one collection to the next, 8 to 120.
    pub(super) collection: f64,
    /// When its nightly job starts, in ticks of the day.
    pub(super) nightly: u32,
}

impl Traits {
    /// A hub at one of so many locations.
    pub(super) fn draw(dice: &mut Dice, locations: u32) -> Self {
        let servers = dice.pick(&[4, 4, 8, 8, 12, 16, 24, 32]);
        Self {
            servers,
            service: dice.log_between(0.02, 0.4),
            service_cv: dice.between(0.7, 1.5),
            disk: dice.between(0.15, 0.55),
            utilisation: dice.between(0.25, 0.6),
            timeout: dice.pick(&[2.0, 2.0, 3.0, 5.0, 10.0]),
            retries: dice.pick(&[0, 0, 1, 2]),
            queue_max: servers * dice.between(20.0, 80.0) as u32,
            rtt: dice.log_between(0.001, 0.08),
            errors: dice.log_between(0.0003, 0.005),
            exports: dice.chance(0.6),
            location: dice.between(0.0, f64::from(locations)) as u32,
            swing: dice.between(0.15, 0.45),
            peak: dice.between(0.0, f64::from(TICKS_PER_DAY)),
            unrest: dice.between(0.04, 0.12),
            memory: dice.between(0.3, 0.6),
            garbage: dice.between(0.01, 0.08),
            collection: dice.log_between(8.0, 120.0),
            nightly: dice.between(0.0, f64::from(TICKS_PER_DAY / 4)) as u32,
        }
    }

    /// Requests a second that would keep every server busy, when nothing is wrong.
    pub(super) fn capacity(&self) -> f64 {
        f64::from(self.servers) / self.service
    }
}

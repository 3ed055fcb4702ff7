//! What would a fleet's telemetry look like, if we knew why each of its hubs failed?
//!
//! A simulator after queueing theory, as a teacher: a forecast must have seen failures before the first real one, and
//! whoever scores it must know the truth. Each hub is a queue with several servers behind a network. Demand follows
//! the day; clients run out of patience and try again; memory fills and pages; disks wear. Faults push on these, and
//! whether and when the hub goes down follows from the queue: it is *down* in a tick in which at least
//! [`DOWN_FROM`] of all requests fail, worked out for all of them and not for the few that telemetry sees.
//!
//! **The same seed gives the same bits** on every platform with IEEE 754 arithmetic, in every build: see `dice`. That
//! holds within one version of this crate; a better model is another one. A hub's series depends on the settings and
//! its number only, not on which others are simulated.
//!
//! **What is assumed and not measured**: the mix of faults, how fast they grow, how long repairs take. What a model
//! learns here is a start, to be replaced by what a hub itself shows.

use std::time::Duration;

use thiserror::Error;

use crate::telemetry::{PERIOD, Sample};

mod benign;
mod course;
mod dice;
mod harm;
mod kind;
mod load;
mod network;
mod observe;
mod plan;
mod request;
mod run;
mod server;
mod strain;
#[cfg(test)]
mod tests;
mod traits;
mod truth;

pub use crate::model::Kind as Class;
pub use kind::Kind;
pub use server::Flow;
pub use traits::Traits;
pub use truth::{DOWN_FROM, Failure, Fault, MERGE_TICKS, Outcome};

/// Ticks in a day: one for each [`PERIOD`].
pub const TICKS_PER_DAY: u32 = (Duration::from_secs(86_400).as_secs() / PERIOD.as_secs()) as u32;

/// Seconds in a tick.
const TICK_SECONDS: f64 = PERIOD.as_secs() as f64;

/// Most hubs in a fleet: more than any gateway leads to.
pub const HUBS_MAX: u32 = 10_000;

/// Most days in a series: a quarter of a year is 28 MB a hub.
pub const DAYS_MAX: u32 = 92;

/// Most faults for each hub and day. With more than 6 there is no calm between them, and nothing normal to learn.
pub const FAULTS_PER_DAY_MAX: f64 = 6.0;

/// What is to be simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Hubs, 1 to [`HUBS_MAX`].
    pub hubs: u32,
    /// Days, 1 to [`DAYS_MAX`].
    pub days: u32,
    /// Which world of all.
    pub seed: u64,
    /// Faults for each hub and day, 0 to [`FAULTS_PER_DAY_MAX`], near-misses among them. Public endpoints have about
    /// 0.08 outages a day; a teacher wants more, 2.7.
    pub faults_per_day: f64,
    /// What part of a hub's own faults comes at the same time of day and is of the same kind, 0 to 1.
    pub recurring: f64,
    /// What part of all faults befalls every hub of a location at once, 0 to 1.
    pub siblings: f64,
    /// Locations that hubs stand at, 1 to [`HUBS_MAX`].
    pub locations: u32,
}

impl Settings {
    /// Faults that know neither hours nor neighbours.
    pub const DEFAULT: Self =
        Self { hubs: 24, days: 6, seed: 1, faults_per_day: 2.5, recurring: 0.0, siblings: 0.0, locations: 4 };

    /// Ticks in each series.
    fn ticks(&self) -> u32 {
        self.days * TICKS_PER_DAY
    }
}

/// Why settings make no sense.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SettingsError {
    /// A whole number is out of its range.
    #[error("{name} must be from {least} to {most}, and is {found}")]
    Count {
        /// Which.
        name: &'static str,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
        /// What it is.
        found: u32,
    },
    /// A rate or a part is out of its range, or is no number.
    #[error("{name} must be from 0 to {most}, and is {found}")]
    Rate {
        /// Which.
        name: &'static str,
        /// The most that is allowed.
        most: f64,
        /// What it is.
        found: f64,
    },
}

/// A fleet that can be simulated.
#[derive(Debug, Clone)]
pub struct Simulator(Settings);

impl Simulator {
    /// A fleet of these settings.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let count = |name, found: u32, most: u32| {
            let fits = (1..=most).contains(&found);
            fits.then_some(()).ok_or(SettingsError::Count { name, least: 1, most, found })
        };
        let rate = |name, found: f64, most: f64| {
            // Not a number is in no range.
            let fits = (0.0..=most).contains(&found);
            fits.then_some(()).ok_or(SettingsError::Rate { name, most, found })
        };
        count("the number of hubs", settings.hubs, HUBS_MAX)?;
        count("the number of days", settings.days, DAYS_MAX)?;
        count("the number of locations", settings.locations, HUBS_MAX)?;
        rate("the rate of faults", settings.faults_per_day, FAULTS_PER_DAY_MAX)?;
        rate("the share of recurring faults", settings.recurring, 1.0)?;
        rate("the share of faults that siblings have in common", settings.siblings, 1.0)?;
        Ok(Self(settings))
    }

    /// What was asked for.
    pub fn settings(&self) -> &Settings {
        &self.0
    }

    /// The hub of this number, from 0; none beyond the last. Each is worked out when asked for, so that a fleet need
    /// not fit into memory.
    pub fn hub(&self, number: u32) -> Option<HubRun> {
        (number < self.0.hubs).then(|| run::run(&self.0, number))
    }

    /// Every hub, in order.
    pub fn hubs(&self) -> impl Iterator<Item = HubRun> + '_ {
        (0..self.0.hubs).map(|number| run::run(&self.0, number))
    }
}

/// One hub's series and the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HubRun {
    /// What kind of hub it is.
    pub traits: Traits,
    /// What telemetry saw, one for each tick. Processor, memory and queue are unknown where the hub does not tell.
    pub samples: Vec<Sample>,
    /// Whether it was down, for each tick.
    pub down: Vec<bool>,
    /// Its failures, by time; spells less than [`MERGE_TICKS`] apart are one.
    pub failures: Vec<Failure>,
    /// Its faults by onset, near-misses too.
    pub faults: Vec<Fault>,
    /// Where all requests went.
    pub flow: Flow,
}

/// Streams of chance, so that nothing depends on what else is drawn.
enum Stream {
    Hub(u32),
    Location(u32),
}

impl Stream {
    fn number(&self) -> u64 {
        match self {
            Self::Hub(hub) => u64::from(*hub),
            Self::Location(location) => 1 << 32 | u64::from(*location),
        }
    }
}

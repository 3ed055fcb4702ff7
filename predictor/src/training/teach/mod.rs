//! How do the records of many hubs become a whole model?
//!
//! For each horizon a forest that leans on a regression is fitted on all hubs, and four more, each without a quarter of them. What these say of the
//! hubs that they have not seen is the only judge: it makes scores probabilities, sets the thresholds of alarms, and
//! tells how good the model is. From the moments around failures whose kind is known it learns to tell kinds apart.
//! Then it is noted what the features looked like, so that a stranger is known for one.
//!
//! What we have had a hand in teaches nothing: nobody knows what would have come of a hub that was relieved in time, so
//! moments from which such a window lies within the longest horizon are left out. Neither does what nobody watched.
//!
//! Records, settings and seed decide: the same on the same platform give the same model, bit for bit. Across platforms
//! that is not promised, since the draws of smartcore are not.

use std::ops::Range;

use crate::backtest::{FOREST_FOR_HUBS, REGRESSION_FOR_HUBS};
use crate::features::Schema;
use crate::model::calibration::CalibrationError;
use crate::model::file::{Columns, Model, Training};
use crate::model::hazard::HORIZONS;
use crate::model::{FitError, ForestSettings, Kind, KindSettings, LogisticSettings};
use crate::telemetry::Sample;

use super::{FoldError, SeriesError};
use class::Class;

mod class;
mod horizon;
mod kinds;
mod record;
#[cfg(test)]
mod tests;

/// The fewest hubs that a model is made of: what a model says of a hub that it has not seen can be asked only if there
/// is another.
pub const HUBS_MIN: usize = 2;

/// The fewest failures of each kind from which kinds are told apart. With fewer, it is failures that are learnt by
/// heart.
pub const KIND_FAILURES_MIN: usize = 5;

/// The version of smartcore that grows our forests, for the record.
pub(crate) const SMARTCORE: &str = "0.7.0";

/// What is on record of one hub.
#[derive(Debug, Clone, Copy)]
pub struct Pupil<'a> {
    /// Means of minutes, from before the samples, that rows look back on; often none.
    pub minutes: &'a [Sample],
    /// One sample every 15 s without a gap: where nothing was sampled, [`Sample::UNKNOWN`].
    pub samples: &'a [Sample],
    /// When the first of the samples was taken, in seconds of a clock that runs with the hours of the day.
    pub begin: u64,
    /// When it failed, by the numbers of samples, in order of time.
    pub failures: &'a [Failed],
    /// The samples over which something that was done on a forecast may have had an effect, in any order.
    pub acted: &'a [Range<usize>],
    /// As of a [`Series`](super::Series).
    pub around: &'a [(f32, f32)],
}

impl<'a> Pupil<'a> {
    /// One of whom only this is known: samples, the first of them at midnight, and failures.
    pub fn of(samples: &'a [Sample], failures: &'a [Failed]) -> Self {
        Self { minutes: &[], samples, begin: 0, failures, acted: &[], around: &[] }
    }
}

/// One failure of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// The first sample in which the hub failed.
    pub start: usize,
    /// The sample after the last in which it did.
    pub end: usize,
    /// What failed, if anybody knows.
    pub kind: Option<Kind>,
}

/// How a model is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Teaching {
    /// What a row says.
    pub schema: Schema,
    /// How forests are grown; its seed is the seed of everything.
    pub forest: ForestSettings,
    /// How the regressions are fitted that forests lean on.
    pub logistic: LogisticSettings,
    /// What tells kinds apart.
    pub kinds: KindSettings,
    /// The most moments that models are asked about, all hubs together: there is one each half minute, and fewer where
    /// that would be more. Each takes 4 bytes a feature.
    pub asked_max: usize,
    /// The most moments that a forest is grown on. Growing takes about 12 times their memory while it lasts, and there
    /// are fifteen forests to grow, one after the other: of 90,000 moments at most, 5¼ minutes of one core in all.
    pub learnt_max: usize,
}

impl Default for Teaching {
    /// For 24 hubs over six days: every half minute of theirs is asked about, and one in two minutes is learnt from,
    /// which makes 90,000 moments. Neighbours in time say nearly the same.
    fn default() -> Self {
        Self {
            schema: Schema::telemetry(),
            forest: FOREST_FOR_HUBS,
            logistic: REGRESSION_FOR_HUBS,
            kinds: KindSettings::default(),
            asked_max: 400_000,
            learnt_max: 100_000,
        }
    }
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// One hub says nothing about others.
    #[error(
        "a model needs {HUBS_MIN} hubs or more that were watched for over half a day, and there are {found}"
    )]
    Hubs {
        /// How many were, and have moments to learn from.
        found: usize,
    },
    /// What never happens cannot be foretold; what happens to one hub only may be a habit of it.
    #[error("a model needs {HUBS_MIN} hubs or more with a failure to foretell, and there are {found}")]
    Failing {
        /// How many have one.
        found: usize,
    },
    /// Failures of a record are out of order or beyond it.
    #[error("the failures of hub {hub} overlap, are out of order, or are not among its {samples} samples")]
    Failures {
        /// Which hub, from 0.
        hub: usize,
        /// How many samples it has.
        samples: usize,
    },
    /// A record cannot be made into rows.
    #[error("reading the record of hub {hub}")]
    Record {
        /// Which hub, from 0.
        hub: usize,
        /// Why not.
        #[source]
        source: SeriesError,
    },
    /// A model that has not seen some of the hubs cannot be made.
    #[error("learning what comes within {minutes} min")]
    Folds {
        /// Of which horizon.
        minutes: u64,
        /// Why not.
        #[source]
        source: FoldError,
    },
    /// The model of all hubs cannot be made.
    #[error("learning what comes within {minutes} min")]
    Fit {
        /// Of which horizon.
        minutes: u64,
        /// Why not.
        #[source]
        source: FitError,
    },
    /// Scores do not become probabilities.
    #[error("calibrating what comes within {minutes} min")]
    Calibration {
        /// Of which horizon.
        minutes: u64,
        /// Why not.
        #[source]
        source: CalibrationError,
    },
    /// Kinds cannot be told apart, though there are enough failures of each.
    #[error("learning to tell kinds of failures apart")]
    Kinds(#[source] FitError),
}

/// Makes a model of these records. `at` is the time now in Unix seconds, for the record; `simulated` tells whether the
/// hubs have ever been there.
///
/// # Errors
/// [`TeachError`] when there is too little to learn from, or a record contradicts itself.
pub fn teach(
    fleet: &[Pupil<'_>],
    settings: &Teaching,
    at: u64,
    simulated: bool,
) -> Result<Model, TeachError> {
    let mut class = Class::new(fleet, settings)?;
    let profiles = class.profiles();
    let [first, second, third] = HORIZONS;
    let horizons = [
        horizon::learn(&mut class, first, settings)?,
        horizon::learn(&mut class, second, settings)?,
        horizon::learn(&mut class, third, settings)?,
    ];
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Model {
        columns: Columns::from(&settings.schema),
        profiles,
        horizons,
        kinds: kinds::learn(class.records(), settings)?,
        training: Training {
            at,
            rows: class.learnt() as u64,
            hubs: count(class.records().len()),
            failures: count(class.failures()),
            smartcore: SMARTCORE.to_owned(),
            simulated,
        },
    })
}

//! What is known of hubs before any of them has been seen?

use super::file::{Columns, Model, ModelFileError};
use crate::features::Schema;

/// The file of the [`teacher`], made by `make model`.
pub const TEACHER: &[u8] = include_bytes!("../../teacher/hubs.model");

/// The model that ships with the project, for the rows of [`Schema::telemetry`]. It was taught on simulated hubs: a start,
/// to be replaced by what a fleet shows itself.
///
/// # Errors
/// It was taught on other features, or was altered: the tests see to it that neither happens.
pub fn teacher() -> Result<Model, ModelFileError> {
    Model::from_bytes(TEACHER, &Columns::from(&Schema::telemetry()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that it may take of the program, in bytes.
    const SIZE_MAX: usize = 1_500_000;

    #[test]
    fn it_is_of_the_present_features() {
        if let Err(error) = teacher() {
            panic!("{error}: run `make model` and commit what it writes");
        }
    }

    #[test]
    fn it_is_small_and_knows_something() {
        let model = teacher().expect("see the test above");
        assert!(TEACHER.len() <= SIZE_MAX, "{} bytes", TEACHER.len());
        assert!(model.training.simulated && model.kinds.is_some());
        for horizon in &model.horizons {
            let quality = &horizon.quality;
            assert!(quality.auroc > 0.6 && quality.auprc > 3.0 * horizon.base_rate, "{quality:?}");
            assert!(!horizon.thresholds.is_empty());
        }
    }
}

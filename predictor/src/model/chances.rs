//! What does a model say of a row, before anything is known about the hub?

use super::RowsError;
use super::file::{HorizonModel, Model};
use super::hazard::HORIZONS;

impl Model {
    /// How likely a hub with this row fails within each horizon, 0 to 1, by what the model was taught.
    ///
    /// # Errors
    /// [`RowsError`] when the row has another width than the model or holds what is not finite.
    pub fn chances(&self, row: &[f32]) -> Result<[f64; HORIZONS.len()], RowsError> {
        let mut chances = [0.0; HORIZONS.len()];
        for (chance, horizon) in chances.iter_mut().zip(&self.horizons) {
            let HorizonModel { estimator, calibrator, base_rate, .. } = horizon;
            // It lies within 0 to 1, but for rounding.
            let score = f64::from(estimator.predict(row)?).clamp(0.0, 1.0);
            *chance = calibrator.probability(score).unwrap_or(*base_rate);
        }
        Ok(chances)
    }
}

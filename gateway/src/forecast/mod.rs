//! What has each hub been like, across restarts, and what is to be expected of it?
//!
//! | module | question |
//! |---|---|
//! | `telemetry` | how do hubs' pasts grow with every look, and outlive the process? |
//! | [`speaker`] | which model makes the forecasts, and where does it come from? |
//! | `forecaster` | what is to be expected of each hub? |
//! | `foretold` | what is there to say about one hub's future, and what should be done? |
//! | `view` | how are they told to an operator? |
//!
//! **Owns** when pasts are loaded, kept and forgotten. **Does not know** what a sample or a failure is, or how they are
//! written down: `predictor` does.

mod forecaster;
pub mod foretold;
pub mod speaker;
mod telemetry;
#[cfg(test)]
mod tests;
pub mod view;

pub(crate) use forecaster::{Expected, Forecaster};
pub(crate) use telemetry::Telemetry;

//! What has each hub been like, across restarts, and what is to be expected of it?
//!
//! | module | question |
//! |---|---|
//! | `telemetry` | how do hubs' pasts grow with every look, and outlive the process? |
//! | [`speaker`] | which model makes the forecasts, and where does it come from? |
//! | `forecaster` | whose turn is it, and which model speaks of it? |
//! | `expected` | what is to be expected of one hub? |
//! | `foretold` | what is there to say about one hub's future, and what should be done? |
//! | `study` | is what was said coming true, and does the model still know these hubs? |
//! | `recorder` | how does what hubs are like get into the record that models are made of? |
//! | `learner` | when is a model of our own hubs made, and when does it speak? |
//! | `view` | how are they told to an operator? |
//!
//! **Owns** when pasts are loaded, kept and forgotten. **Does not know** what a sample or a failure is, or how they are
//! written down: `predictor` does.

mod expected;
mod forecaster;
pub mod foretold;
mod learner;
mod recorder;
pub mod speaker;
mod study;
mod telemetry;
#[cfg(test)]
mod tests;
pub mod view;

pub(crate) use expected::Expected;
pub(crate) use forecaster::{Forecaster, Looked};
pub(crate) use learner::{Learner, Now};
pub(crate) use recorder::{Recorder, records, write_whole};
pub(crate) use study::Study;
pub(crate) use telemetry::Telemetry;

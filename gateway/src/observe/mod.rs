//! What can an operator see? Metrics, the access log, and the log of the process itself.

pub mod access;
pub mod cache;
pub mod control;
pub mod forecasts;
pub mod logging;
pub mod metrics;
pub mod moves;
pub mod telemetry;

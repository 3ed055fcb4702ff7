//! What is learnt, and how is it made a forecast?

pub mod calibration;
pub mod hazard;
pub mod prior;
pub mod profile;

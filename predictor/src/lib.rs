//! Which hub will fail, and what should change before it does?
//!
//! **Owns** the words for both: a [`Forecast`] of one hub, and a [`Plan`] of changes to a routing table, each step with
//! its reason, declined ones too; the judgement that draws a plan ([`decide`]) from a table, [`Inputs`] and a
//! [`Policy`]; the guard rails apart from it ([`check`]); how a plan becomes the next table ([`CheckedPlan::apply`]);
//! and how it is told to an operator ([`report`]).
//!
//! **Does not know** sockets, the clock, or how configuration is written. It publishes nothing: it is handed a table
//! and gives back another.

mod alarms;
mod apply;
pub mod backtest;
mod band;
mod check;
mod decide;
mod expect;
pub mod features;
mod forecast;
mod frame;
mod inputs;
pub mod insight;
pub mod learning;
pub mod model;
mod plan;
mod policy;
mod precaution;
mod rails;
mod report;
pub mod simulate;
pub mod telemetry;
pub mod training;
mod verdict;
mod want;

pub use alarms::{
    Alarm, AlarmEvent, AlarmLedger, AlarmTally, AlarmVerdict, BothClocks, Course, KeptAlarms, Verdicts,
};
pub use apply::ApplyError;
pub use band::Band;
pub use check::{CheckedPlan, Flaw, check};
pub use decide::decide;
pub use forecast::{AtHorizon, EVIDENCE_MAX, FailureType, Forecast, HORIZONS_MAX, Influence, Outlook};
pub use inputs::{HubMemory, Inputs, Leave, Memory, Wish};
pub use plan::{Declined, Objection, Plan, Reason, Step, Tuning};
pub use policy::{
    DRAIN_MIN, DWELL_MIN, EjectionPolicy, ErrorPolicy, ForecastPolicy, ForecastUse, LatencyPolicy,
    OverloadPolicy, Policy,
};
pub use precaution::{Measure, Precaution};
pub use report::report;

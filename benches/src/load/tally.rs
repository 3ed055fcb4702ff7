//! What has been counted so far in a run, and what has it cost?

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use super::{Plan, Run};
use crate::process;
use crate::wire::step::Expect;

/// After so many errors the run is given up: its figures mean nothing.
const ERRORS_MAX: u64 = 1000;
/// Longest latency that is told apart, in microseconds.
const LATENCY_MAX: u64 = 60_000_000;

/// CPU seconds at one moment.
pub(super) struct Clocks {
    proxy: f64,
    hub: f64,
    load: f64,
}

impl Clocks {
    pub(super) fn read(plan: &Plan) -> Result<Self> {
        Ok(Self {
            proxy: plan.proxy.map_or(Ok(0.0), process::cpu_seconds)?,
            hub: process::cpu_seconds(plan.hub)?,
            load: process::cpu_seconds(std::process::id())?,
        })
    }
}

/// Latencies and errors.
pub(super) struct Tally {
    latency: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
    /// By the step's place in the case.
    pub(super) expected: Vec<Expect>,
    /// Room to decode a chunked answer.
    pub(super) scratch: Vec<u8>,
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_max(LATENCY_MAX, 3).context("making a histogram")?,
            errors: 0,
            first_error: None,
            expected: plan.case.steps().iter().map(|(step, _)| step.expect()).collect(),
            scratch: Vec::new(),
        })
    }

    /// The window opens: what was counted before does not count.
    pub(super) fn open(&mut self) {
        self.latency.reset();
    }

    pub(super) fn right(&mut self, micros: u128) {
        self.latency.saturating_record(u64::try_from(micros).unwrap_or(LATENCY_MAX));
    }

    pub(super) fn error(&mut self, error: &anyhow::Error) -> Result<()> {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
        ensure!(self.errors < ERRORS_MAX, "{ERRORS_MAX} errors, the first: {:?}", self.first_error);
        Ok(())
    }

    /// What was found between `before` and `after`, `seconds` apart.
    pub(super) fn close(self, before: &Clocks, after: &Clocks, seconds: f64) -> Run {
        Run {
            answers: self.latency.len(),
            errors: self.errors,
            first_error: self.first_error,
            seconds,
            proxy_cpu: after.proxy - before.proxy,
            hub_cpu: after.hub - before.hub,
            load_cpu: after.load - before.load,
            p50: self.latency.value_at_quantile(0.50),
            p99: self.latency.value_at_quantile(0.99),
        }
    }
}

//! The numbers of hubs' telemetry.

use prometheus::{IntGauge, Registry};
use std::time::Duration;

/// What is told of hubs' telemetry.
#[derive(Debug, Clone)]
pub struct TelemetryMetrics {
    bytes: IntGauge,
    waited: IntGauge,
}

impl TelemetryMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let bytes =
            IntGauge::new("mcphub_telemetry_bytes", "Memory that the past of all hubs takes, bytes.")?;
        let waited = IntGauge::new(
            "mcphub_telemetry_unkept_seconds",
            "How long the hub has waited whose past has waited longest for the store.",
        )?;
        registry.register(Box::new(bytes.clone()))?;
        registry.register(Box::new(waited.clone()))?;
        Ok(Self { bytes, waited })
    }

    /// Shows how much memory it takes, and how long something has waited to be kept.
    pub fn show(&self, bytes: usize, waited: Duration) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.waited.set(i64::try_from(waited.as_secs()).unwrap_or(i64::MAX));
    }
}

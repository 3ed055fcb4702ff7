//! The numbers of the control loop.

use mcphub_health::Outcome;
use mcphub_routing::{HubId, HubState, RoutingTable};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Upper bounds of the tick's duration buckets, seconds. A tick over a thousand hubs is meant to take 5 ms.
const TICKS: [f64; 8] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5];
/// The words of the states.
const STATES: [&str; 5] = ["serving", "recovering", "draining", "drained", "ejected"];

/// What the control task counts.
#[derive(Debug, Clone)]
pub struct ControlMetrics {
    /// How long a tick takes.
    pub tick: Histogram,
    /// Plans that the guard rails refused: our own mistakes.
    pub plans_refused: IntCounter,
    states: IntGaugeVec,
    changes: IntCounterVec,
    probes: IntCounterVec,
    /// 1 while so much looks bad that ejected hubs are tried too.
    pub panic: IntGauge,
    /// 1 while hubs serve different eras.
    pub mixed_eras: IntGauge,
}

impl ControlMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let states = IntGaugeVec::new(
            Opts::new("mcphub_hub_state", "1 for the state that a hub is in."),
            &["hub", "state"],
        )?;
        let panic =
            IntGauge::new("mcphub_panic", "1 while so much looks bad that ejected hubs are tried too.")?;
        let mixed_eras = IntGauge::new("mcphub_fleet_mixed_eras", "1 while hubs serve different eras.")?;
        let plans_refused = IntCounter::new("mcphub_plans_refused_total", "Plans that broke a guard rail.")?;
        let tick = Histogram::with_opts(
            HistogramOpts::new("mcphub_control_tick_seconds", "Time that one look at all hubs takes.")
                .buckets(TICKS.to_vec()),
        )?;
        registry.register(Box::new(states.clone()))?;
        registry.register(Box::new(panic.clone()))?;
        registry.register(Box::new(mixed_eras.clone()))?;
        registry.register(Box::new(plans_refused.clone()))?;
        registry.register(Box::new(tick.clone()))?;
        Ok(Self {
            tick,
            plans_refused,
            states,
            changes: counters(
                "mcphub_hub_state_changes_total",
                "Changes of a hub's state, by the new one.",
                &["hub", "state"],
            )?,
            probes: counters("mcphub_probes_total", "What probes came to.", &["hub", "outcome"])?,
            panic,
            mixed_eras,
        })
    }

    /// Shows the states of the hubs of a new configuration.
    pub fn begin(&self, table: &RoutingTable) {
        // Hubs that are gone must not be shown for ever.
        self.states.reset();
        for hub in table.hubs() {
            for state in STATES {
                let is = i64::from(state == hub.state.as_str());
                self.states.with_label_values(&[hub.id.as_str(), state]).set(is);
            }
        }
    }

    /// Shows and counts a change.
    pub fn changed(&self, hub: &HubId, from: HubState, to: HubState) {
        self.states.with_label_values(&[hub.as_str(), from.as_str()]).set(0);
        self.states.with_label_values(&[hub.as_str(), to.as_str()]).set(1);
        self.changes.with_label_values(&[hub.as_str(), to.as_str()]).inc();
    }

    /// Counts a probe.
    pub fn probed(&self, hub: &HubId, outcome: Outcome) {
        self.probes.with_label_values(&[hub.as_str(), outcome.as_str()]).inc();
    }
}

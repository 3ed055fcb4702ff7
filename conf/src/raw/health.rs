//! `[health]`.

use super::hub::RawHub;
use crate::field::{Value as _, default, optional, required};
use crate::reader::At;
use crate::section::section;
use crate::settings::{Canary, HealthSettings, MetricsSettings, Probe};
use crate::site::Site;
use crate::tables::{Maybe, Table};
use crate::value::{JsonTable, MetricName, ProbeKind, ToolName, UrlPath};
use mcphub_routing::{Era, Share};
use std::time::Duration;

/// What the client libraries of Prometheus call these things.
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
const MEMORY_LIMIT: &str = "process_virtual_memory_max_bytes";
/// There is no common name for this one; it is that of our own hub.
const QUEUE: &str = "mcphub_hub_queue_depth";
/// As often as Prometheus itself reads them, by common habit.
const METRICS_INTERVAL: Duration = Duration::from_secs(15);

section! {
    /// How hubs are watched.
    RawHealth {
        /// How a hub is asked: a plain MCP request, an HTTP GET, or a TCP connection.
        probe: At<ProbeKind> = default(ProbeKind::Mcp),
        /// Time between two probes of one hub.
        interval: At<Duration> =
            default(Duration::from_secs(2)).within(Duration::from_millis(50), Duration::from_secs(600)),
        /// Longest wait for an answer; not above interval.
        timeout: At<Duration> =
            default(Duration::from_secs(1)).within(Duration::from_millis(10), Duration::from_secs(60)),
        /// Failures in a row that take a hub out.
        failover_threshold: At<u32> = default(3).within(1, 100),
        /// Successes in a row that bring it back.
        recovery_threshold: At<u32> = default(2).within(1, 100),
        /// Requests in a row that were answered with an error and take a hub out.
        errors_in_row: At<u32> = default(5).within(1, 1000),
        /// The share of a hub's requests that must fail for it to be taken out, if it is more than twice that of its peers.
        error_rate: At<Share> = default(Share::saturating(50)).within(Share::saturating(1), Share::FULL),
        /// Of probe = "http": the path asked for, on the hub's host and port.
        path: At<UrlPath> = default(UrlPath("/".to_owned())),
        /// Of probe = "http": the status that means well.
        expected_status: At<u16> = default(200).within(100, 599),
        /// Of probe = "mcp", on modern hubs: a tool that the hub must list.
        expect_tool: Option<At<ToolName>> = optional(),
        /// Of probe = "mcp", on modern hubs: a tool call that must come back without an error.
        canary: Maybe<RawCanary> = Table,
        /// Time between two readings of one hub's metrics, where it exports them.
        metrics_interval: At<Duration> =
            default(METRICS_INTERVAL).within(Duration::from_secs(1), Duration::from_secs(600)),
        /// The metric that counts CPU seconds.
        metrics_cpu: At<MetricName> = default(MetricName(CPU.to_owned())),
        /// The metric of the bytes in memory.
        metrics_memory: At<MetricName> = default(MetricName(MEMORY.to_owned())),
        /// The metric of the bytes it may have at most; memory_limit of a hub goes before it.
        metrics_memory_limit: At<MetricName> =
            default(MetricName(MEMORY_LIMIT.to_owned())),
        /// The metric of the requests that wait.
        metrics_queue: At<MetricName> = default(MetricName(QUEUE.to_owned())),
    }
    instead {
        "tool" => "unknown key", "did you mean `expect_tool`?";
        "expected_tool" => "unknown key", "did you mean `expect_tool`?";
        "metrics" => "unknown key", "write metrics in each [[hub]] that exports some";
        "threshold" => "unknown key", "did you mean `failover_threshold`?";
        "status" => "unknown key", "did you mean `expected_status`?";
    }
}

section! {
    /// A tool call that is made with each probe. It should be cheap, and harmless however often it is made.
    RawCanary {
        /// The tool.
        tool: Option<At<ToolName>> = required("tool = \"echo\""),
        /// What it is called with; nothing where left out.
        arguments: Option<At<JsonTable>> = optional(),
    }
    instead {
        "name" => "unknown key", "did you mean `tool`?";
        "args" => "unknown key", "did you mean `arguments`?";
        "params" => "unknown key", "did you mean `arguments`?";
    }
}

pub(super) fn lower(raw: &RawHealth, hubs: &[RawHub], site: &Site<'_>) -> HealthSettings {
    let (timeout, interval) = (&raw.timeout, &raw.interval);
    if timeout.sound && interval.sound && timeout.value > interval.value {
        let at = if timeout.written { timeout } else { interval };
        let what = "timeout is longer than interval: probes would pile up";
        site.book.mistake(&at.place, what, "write a timeout not above the interval");
    }
    check_tools(raw, hubs, site);
    check_metrics(raw, hubs, site);
    let probe = match raw.probe.value {
        ProbeKind::Http => Probe::Http { path: raw.path.value.0.clone(), status: raw.expected_status.value },
        other => {
            let written = [
                raw.path.written.then_some(&raw.path.place),
                raw.expected_status.written.then_some(&raw.expected_status.place),
            ];
            for place in written.into_iter().flatten().filter(|_| raw.probe.sound) {
                site.book.warning(
                    place,
                    "has no effect on this probe",
                    "write probe = \"http\", or leave it out",
                );
            }
            if other == ProbeKind::Tcp { Probe::Tcp } else { Probe::Mcp }
        }
    };
    HealthSettings {
        probe,
        interval: interval.value,
        timeout: timeout.value,
        failover_threshold: raw.failover_threshold.value,
        recovery_threshold: raw.recovery_threshold.value,
        errors_in_row: raw.errors_in_row.value,
        error_rate: raw.error_rate.value,
        expect_tool: raw.expect_tool.as_ref().map(|at| at.value.0.clone()),
        canary: raw.canary.0.as_ref().and_then(lower_canary),
        metrics: MetricsSettings {
            interval: raw.metrics_interval.value,
            cpu: raw.metrics_cpu.value.0.clone(),
            memory: raw.metrics_memory.value.0.clone(),
            memory_limit: raw.metrics_memory_limit.value.0.clone(),
            queue: raw.metrics_queue.value.0.clone(),
        },
    }
}

/// `None` only beside a mistake.
fn lower_canary(raw: &RawCanary) -> Option<Canary> {
    let tool = raw.tool.as_ref()?.value.0.clone();
    let arguments = raw.arguments.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    Some(Canary { tool, arguments: arguments.show().to_string() })
}

/// Tools are asked for by MCP probes of modern hubs only: without a session, a legacy hub tells nothing of them.
fn check_tools(raw: &RawHealth, hubs: &[RawHub], site: &Site<'_>) {
    let legacy = |hub: &RawHub| hub.eras.items.len() == 1 && hub.eras.items[0].value == Era::Legacy;
    let written = [raw.expect_tool.as_ref().map(|at| &at.place), raw.canary.0.as_ref().map(|t| &t.place)];
    for place in written.into_iter().flatten() {
        if raw.probe.sound && raw.probe.value != ProbeKind::Mcp {
            site.book.warning(place, "has no effect on this probe", "write probe = \"mcp\", or leave it out");
        } else if !hubs.is_empty() && hubs.iter().all(legacy) {
            site.book.warning(place, "has no effect on legacy hubs", "leave it out");
        }
    }
}

fn check_metrics(raw: &RawHealth, hubs: &[RawHub], site: &Site<'_>) {
    if hubs.iter().any(|hub| hub.metrics.is_some()) {
        return;
    }
    let names = [
        (&raw.metrics_cpu, CPU),
        (&raw.metrics_memory, MEMORY),
        (&raw.metrics_memory_limit, MEMORY_LIMIT),
        (&raw.metrics_queue, QUEUE),
    ];
    let interval = &raw.metrics_interval;
    let interval = (interval.value != METRICS_INTERVAL).then_some(&interval.place);
    let names = names.into_iter().filter_map(|(at, usual)| (at.value.0 != usual).then_some(&at.place));
    for place in interval.into_iter().chain(names) {
        site.book.warning(
            place,
            "no hub has metrics",
            "write metrics = \"/metrics\" in a [[hub]], or leave it out",
        );
    }
}

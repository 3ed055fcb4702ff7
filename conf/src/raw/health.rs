//! `[health]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{HealthSettings, Probe};
use crate::site::Site;
use crate::value::{ProbeKind, UrlPath};
use std::time::Duration;

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
        /// Of probe = "http": the path asked for, on the hub's host and port.
        path: At<UrlPath> = default(UrlPath("/".to_owned())),
        /// Of probe = "http": the status that means well.
        expected_status: At<u16> = default(200).within(100, 599),
    }
    instead {
        "threshold" => "unknown key", "did you mean `failover_threshold`?";
        "status" => "unknown key", "did you mean `expected_status`?";
    }
}

pub(super) fn lower(raw: &RawHealth, site: &Site<'_>) -> HealthSettings {
    let (timeout, interval) = (&raw.timeout, &raw.interval);
    if timeout.sound && interval.sound && timeout.value > interval.value {
        let at = if timeout.written { timeout } else { interval };
        let what = "timeout is longer than interval: probes would pile up";
        site.book.mistake(&at.place, what, "write a timeout not above the interval");
    }
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
    }
}

//! What does a hub tell Prometheus about itself?

use std::{fs, time::SystemTime};

use prometheus::{Counter, Encoder as _, Gauge, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::state::Counters;

/// Media type of the text exposition.
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The exported numbers of one hub.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Requests by era, `legacy` or `modern`.
    pub(crate) requests: IntCounterVec,
    cpu: Counter,
    memory: IntGauge,
    in_flight: IntGauge,
    queue: IntGauge,
    sessions: IntGauge,
    get_streams: IntGauge,
    listen_streams: IntGauge,
}

impl Metrics {
    pub(crate) fn new(id: &str, location: &str, boot: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let int = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let requests = IntCounterVec::new(
            Opts::new("mcphub_hub_requests_total", "Requests to the endpoint."),
            &["era"],
        )?;
        for era in ["legacy", "modern"] {
            requests.with_label_values(&[era]).inc_by(0);
        }
        registry.register(Box::new(requests.clone()))?;
        let info = Opts::new("mcphub_hub_info", "Which hub this is; always 1.")
            .const_label("hub", id)
            .const_label("location", location)
            .const_label("boot", boot);
        let info = IntGauge::with_opts(info)?;
        info.set(1);
        registry.register(Box::new(info))?;
        let started = Gauge::new("process_start_time_seconds", "Start of the hub, in seconds since 1970.")?;
        registry.register(Box::new(started.clone()))?;
        started
            .set(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()));
        let cpu = Counter::new("process_cpu_seconds_total", "User and system CPU time spent, in seconds.")?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            cpu,
            memory: int("process_resident_memory_bytes", "Resident memory, in bytes.")?,
            in_flight: int("mcphub_hub_requests_in_flight", "Requests whose answer is not complete.")?,
            queue: int("mcphub_hub_queue_depth", "Requests waiting for a turn.")?,
            sessions: int("mcphub_hub_sessions", "Legacy sessions held.")?,
            get_streams: int("mcphub_hub_get_streams", "Open GET streams.")?,
            listen_streams: int("mcphub_hub_listen_streams", "Open subscriptions/listen streams.")?,
            requests,
            registry,
        })
    }

    /// The text exposition, with the numbers of this moment.
    pub(crate) fn render(&self, counters: &Counters) -> prometheus::Result<Vec<u8>> {
        let level = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.in_flight.set(level(counters.in_flight));
        self.queue.set(level(counters.queue_depth));
        self.sessions.set(level(counters.sessions_open));
        self.get_streams.set(level(counters.get_streams));
        self.listen_streams.set(level(counters.listen_streams));
        if let Some(seconds) = cpu_seconds() {
            // The kernel counts; we only catch up with it.
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        if let Some(bytes) = resident_bytes() {
            self.memory.set(bytes);
        }
        let mut text = Vec::with_capacity(2_048);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// User and system time of this process, from `/proc/self/stat`.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Resident memory of this process, from `/proc/self/statm`.
fn resident_bytes() -> Option<i64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(i64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_can_be_read() {
        assert!(cpu_seconds().expect("linux") >= 0.0);
        assert!(resident_bytes().expect("linux") > 1 << 20);
    }
}
